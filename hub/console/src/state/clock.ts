// The one ticking clock of the console, in the hub's time: every age on the screen is computed from it.
import { defineStore } from 'pinia'
import { ref } from 'vue'

const TICK_MS = 500

export const useClock = defineStore('clock', () => {
  const now = ref(Date.now())
  const offset_ms = ref(0)
  let timer: ReturnType<typeof setInterval> | undefined

  function tick(): void {
    now.value = Date.now() + offset_ms.value
  }

  /** Take over the hub's time, as it was said at the moment of arrival. */
  function set(hub_now: string): void {
    const at = Date.parse(hub_now)
    if (Number.isFinite(at)) offset_ms.value = at - Date.now()
    tick()
  }

  function start(): void {
    timer ??= setInterval(tick, TICK_MS)
  }

  function stop(): void {
    clearInterval(timer)
    timer = undefined
  }

  return { now, offset_ms, set, start, stop }
})

// Actions whose slip costs: held back for a few seconds with an undo, then sent; leaving the page sends them at once.
import { defineStore } from 'pinia'
import { ref } from 'vue'

export const HOLD_MS = 6_000

export interface Held {
  id: number
  label: string
  until: number
}

export const useUndo = defineStore('undo', () => {
  const held = ref<Held[]>([])
  const runs = new Map<number, { run: (leaving: boolean) => void; timer: ReturnType<typeof setTimeout> }>()
  let last = 0

  function drop(id: number): void {
    const entry = runs.get(id)
    if (entry) clearTimeout(entry.timer)
    runs.delete(id)
    held.value = held.value.filter((one) => one.id !== id)
  }

  /** Do it in six seconds unless somebody takes it back. */
  function hold(label: string, run: (leaving: boolean) => void): number {
    const id = ++last
    const timer = setTimeout(() => send(id, false), HOLD_MS)
    runs.set(id, { run, timer })
    held.value = [...held.value, { id, label, until: Date.now() + HOLD_MS }]
    return id
  }

  function send(id: number, leaving: boolean): void {
    const entry = runs.get(id)
    drop(id)
    entry?.run(leaving)
  }

  function sendAll(): void {
    ;[...runs.keys()].forEach((id) => send(id, true))
  }

  return { held, hold, undo: drop, send, sendAll }
})

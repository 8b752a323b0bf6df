// The small picture of a camera that nobody plays: fetched again and again, with the moment at which the agent took it.
import { onBeforeUnmount, ref, watch, type Ref } from 'vue'
import { video as backend } from '@/backend/video'
import { useClock } from '@/state/clock'
import { CLOCK_OFF_MS } from './player'

/** An agent sends a preview every few seconds; one that is older than this stands out as old. */
export const PREVIEW_OLD_MS = 30_000
const EVERY_MS = 2_500

export interface Preview {
  url: Ref<string>
  /** When the picture was taken: by the agent's clock, by the hub's where that clock is off; null while there is none. */
  wall_ms: Ref<number | null>
  clock_off: Ref<boolean>
}

/** When a picture was taken, in the hub's time: an agent's clock that is off by more than a minute is not believed. */
export const takenAt = (wall_ms: number, hub_ms: number): number => (Math.abs(hub_ms - wall_ms) > CLOCK_OFF_MS ? hub_ms : wall_ms)

/** Keep the preview of a camera up to date while `wanted`; the last picture stays where a later one does not come, and grows old. */
export function usePreview(id: () => string, wanted: () => boolean): Preview {
  const url = ref('')
  const wall_ms = ref<number | null>(null)
  const clock_off = ref(false)
  const clock = useClock()
  let gone = false

  function place(next: string): void {
    if (url.value) URL.revokeObjectURL(url.value)
    url.value = next
  }
  async function look(): Promise<void> {
    if (!wanted() || document.hidden) return
    const asked = id()
    const found = await backend.previewNow(asked).catch(() => null)
    if (!found || gone || asked !== id()) return
    wall_ms.value = takenAt(found.wall_ms, Date.now() + clock.offset_ms - found.age_ms)
    clock_off.value = wall_ms.value !== found.wall_ms
    place(URL.createObjectURL(found.blob))
  }
  watch(id, () => {
    place('')
    wall_ms.value = null
    void look()
  }, { immediate: true })
  watch(wanted, (now) => now && void look())
  const timer = setInterval(() => void look(), EVERY_MS)
  onBeforeUnmount(() => {
    gone = true
    clearInterval(timer)
    place('')
  })
  return { url, wall_ms, clock_off }
}

// Reading something of an incident again whenever a change says that it is no longer so; several changes at once are one reading.
// `also` names changes that belong to no incident and matter to this one, as a wind that was measured.
import { onBeforeUnmount, ref, watch, type Ref } from 'vue'
import { useLive } from '@/state/live'

/** Small enough that a suggested plan stands on the screen within a second of its report. */
const GATHER_MS = 60

export function useOfIncident<T>(id: () => string, kinds: RegExp, read: (id: string) => Promise<T>, also = /^$/): { value: Ref<T | null>; load: () => Promise<void> } {
  const live = useLive()
  const value = ref<T | null>(null) as Ref<T | null>
  let waiting: ReturnType<typeof setTimeout> | null = null

  async function load(): Promise<void> {
    const wanted = id()
    const found = await read(wanted).catch(() => value.value)
    if (wanted === id()) value.value = found
  }
  function soon(): void {
    waiting ??= setTimeout(() => {
      waiting = null
      void load()
    }, GATHER_MS)
  }
  watch(id, () => {
    value.value = null
    void load()
  }, { immediate: true })
  const letGo = live.listen((change) => (also.test(change.kind) || (change.incident_id === id() && kinds.test(change.kind))) && soon())
  onBeforeUnmount(() => {
    letGo()
    if (waiting) clearTimeout(waiting)
  })
  return { value, load }
}

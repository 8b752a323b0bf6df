// What is owed, by due time: open duties as the hub has them, in step with the feed. A duty at rest leaves the list.
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { obligations as backend } from '@/backend'
import type { Change, Obligation } from '@/backend/types'
import { useClock } from './clock'
import { Mirror } from './mirror'

export type DutyMap = Record<string, Obligation>

const PAGE = 500

export const isOwed = (one: Obligation): boolean => one.state === 'open' || one.state === 'returned'

/** Apply what a change says of duties: owed ones are kept by their newest version, the others go. */
export function applyDuties(map: DutyMap, change: Change): void {
  for (const duty of [change.body?.obligation, ...(change.body?.obligations ?? [])]) {
    if (!duty) continue
    const held = map[duty.id]
    if (held && held.version > duty.version) continue
    if (isOwed(duty)) map[duty.id] = duty
    else delete map[duty.id]
  }
}

export const useDuties = defineStore('duties', () => {
  const clock = useClock()
  const all = ref<DutyMap>({})
  const loaded = ref(false)
  const more = ref(false)

  const mirror = new Mirror<{ items: Obligation[]; next: string | null }>({
    load: async () => {
      const page = await backend.list({ owed: true, limit: PAGE })
      return { seq: page.seq, data: page }
    },
    place: (page) => {
      all.value = Object.fromEntries(page.items.map((one) => [one.id, one]))
      more.value = page.next !== null
      loaded.value = true
    },
    apply: (change) => applyDuties(all.value, change),
  })

  const sorted = computed(() => Object.values(all.value).sort((a, b) => a.due_at.localeCompare(b.due_at) || a.id.localeCompare(b.id)))
  const late = computed(() => sorted.value.filter((one) => Date.parse(one.due_at) < clock.now))

  function clear(): void {
    all.value = {}
    loaded.value = false
    mirror.seq = -1
  }

  return { clear, all, loaded, more, mirror, sorted, late }
})

// What is owed, by due time: open duties as the hub has them, in step with the feed. A duty at rest leaves the list.
import { defineStore } from 'pinia'
import { computed, ref, shallowRef, triggerRef } from 'vue'
import { obligations as backend } from '@/backend'
import type { Change, Obligation } from '@/backend/types'
import { useClock } from './clock'
import { Mirror } from './mirror'
import { paced } from './pace'

export type DutyMap = Record<string, Obligation>

const PAGE = 500

export const isOwed = (one: Obligation): boolean => one.state === 'open' || one.state === 'returned'

/** How often the list of duties moves in a flood (our own choice): they are due in minutes. */
const BREATH_MS = 400

const textOrder = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
/** By due time. Times are UTC text of one form, so that their order is that of the text. */
const byDue = (a: Obligation, b: Obligation): number => textOrder(a.due_at, b.due_at) || textOrder(a.id, b.id)

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
  /** Changed in place and told of at a pace; a duty is only ever replaced, never changed. */
  const all = shallowRef<DutyMap>({})
  const pace = paced(() => triggerRef(all), BREATH_MS)
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
    apply: (change) => {
      if (!change.body?.obligation && !change.body?.obligations?.length) return
      applyDuties(all.value, change)
      pace.soon()
    },
    empty: () => {
      all.value = {}
      loaded.value = false
    },
  })

  const sorted = computed(() => Object.values(all.value).sort(byDue))
  const due_ms = computed(() => sorted.value.map((one) => Date.parse(one.due_at)))
  /** How many are late: they stand first, so the clock's tick asks only where they end. */
  const late_count = computed(() => {
    const at = due_ms.value.findIndex((ms) => ms >= clock.now)
    return at < 0 ? due_ms.value.length : at
  })
  const late = computed(() => sorted.value.slice(0, late_count.value))
  const byIncident = computed(() => {
    const found = new Map<string, Obligation[]>()
    for (const one of sorted.value) if (one.incident_id) found.set(one.incident_id, [...(found.get(one.incident_id) ?? []), one])
    return found
  })

  /** The duty of this kind that an incident has open, the next one due; undefined where there is none. */
  function ofIncident(id: string, kind: string): Obligation | undefined {
    return byIncident.value.get(id)?.find((one) => one.kind === kind)
  }

  return { all, loaded, more, mirror, sorted, late, ofIncident }
})

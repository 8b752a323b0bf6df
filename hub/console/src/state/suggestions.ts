// The plan that stands first for each open incident, in step with the feed: it is on the list before anybody has opened the incident.
import { defineStore } from 'pinia'
import { ref } from 'vue'
import { plans as backend, type Suggested } from '@/backend/plans'
import type { Change } from '@/backend/types'
import { Mirror } from './mirror'

export type SuggestionMap = Record<string, Suggested>

/** Apply what a change says of the plans for an incident; an older matching does not come back. */
export function applySuggestion(map: SuggestionMap, change: Change): void {
  const match = change.kind === 'plan.matched' ? change.body?.match : undefined
  if (!match) return
  const held = map[match.incident_id]
  if (held && held.version > match.version) return
  const first = match.plans[0]
  if (first) map[match.incident_id] = { incident_id: match.incident_id, version: match.version, plan_id: first.plan_id, title: first.title, state: first.state, others: match.applicable - 1 }
  else delete map[match.incident_id]
}

export const useSuggestions = defineStore('suggestions', () => {
  const all = ref<SuggestionMap>({})
  const mirror = new Mirror<Suggested[]>({
    load: async () => {
      const page = await backend.suggested()
      return { seq: page.seq, data: page.items }
    },
    place: (items) => (all.value = Object.fromEntries(items.map((one) => [one.incident_id, one]))),
    apply: (change) => applySuggestion(all.value, change),
    empty: () => (all.value = {}),
  })
  return { all, mirror }
})

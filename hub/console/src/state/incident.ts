// One incident's page as state: facts, chain of reports, timeline and duties, in step with the live feed while the page is open.
import { ref, type Ref } from 'vue'
import { incidents as backend, obligations } from '@/backend'
import type { Change, IncidentPage, MergeProposal, Obligation, ReportView } from '@/backend/types'
import { isRoutine } from '@/parts/changes'
import { Mirror } from './mirror'

function upsert<T extends { id: string }>(list: T[], item: T): void {
  const at = list.findIndex((held) => held.id === item.id)
  if (at < 0) list.push(item)
  else list[at] = item
}

/** Apply a change to the page of its incident; changes of other incidents leave it alone. */
export function applyToPage(page: IncidentPage, change: Change): void {
  const { incident, report, obligation, obligations, proposal } = change.body ?? {}
  const id = page.incident.id
  const ours = change.incident_id === id || incident?.id === id || proposal?.incident_id === id || proposal?.other_id === id
  if (!ours) return
  if (incident?.id === id) page.incident = incident
  if (report) upsert<ReportView>(page.reports, report)
  for (const duty of [obligation, ...(obligations ?? [])]) {
    if (duty?.incident_id === id) upsert<Obligation>((page.obligations ??= []), duty)
  }
  if (proposal) upsert<MergeProposal>(page.merge_candidates, proposal)
  if (!isRoutine(change) && !page.timeline.some((held) => held.seq === change.seq)) page.timeline.push(change)
  page.seq = change.seq
}

export interface OpenPage {
  page: Ref<IncidentPage | null>
  mirror: Mirror<IncidentPage>
}

/** Open an incident's page: the caller lets the live feed follow its mirror, which takes the snapshot. */
export function openPage(id: string, may: (action: string) => boolean): OpenPage {
  const page = ref<IncidentPage | null>(null)
  const mirror = new Mirror<IncidentPage>({
    load: async () => {
      const data = await backend.page(id)
      const duties = may('obligation.list') ? await obligations.list({ incident: id, limit: 200 }).catch(() => null) : null
      return { seq: data.seq, data: { ...data, obligations: duties?.items ?? [] } }
    },
    place: (data) => (page.value = data),
    apply: (change) => page.value && applyToPage(page.value, change),
  })
  return { page, mirror }
}

// One incident's page as state: facts, chain of reports, timeline and duties, in step with the live feed while the page is open.
import { reactive } from 'vue'
import { incidents as backend } from '@/backend'
import type { Change, IncidentPage, Obligation, ReportView } from '@/backend/types'
import { Mirror } from './mirror'

function upsert<T extends { id: string }>(list: T[], item: T): void {
  const at = list.findIndex((held) => held.id === item.id)
  if (at < 0) list.push(item)
  else list[at] = item
}

/** Apply a change to the page of its incident; changes of other incidents leave it alone. */
export function applyToPage(page: IncidentPage, change: Change): void {
  const { incident, report, obligation } = change.body
  const ours = change.incident_id === page.incident.id || incident?.id === page.incident.id
  if (!ours) return
  if (incident && incident.id === page.incident.id) page.incident = incident
  if (report) upsert<ReportView>(page.reports, report)
  if (obligation) upsert<Obligation>(page.obligations, obligation)
  if (Array.isArray(change.body.merge_candidates)) page.merge_candidates = change.body.merge_candidates
  if (!page.timeline.some((held) => held.seq === change.seq)) page.timeline.push(change)
  page.seq = change.seq
}

export interface OpenPage {
  page: IncidentPage | null
  mirror: Mirror<IncidentPage>
}

/** Open an incident's page; the caller lets `live.follow` know its mirror and calls `mirror.reload()`. */
export function openPage(id: string): OpenPage {
  const held: OpenPage = reactive({
    page: null,
    mirror: null as unknown as Mirror<IncidentPage>,
  })
  held.mirror = new Mirror<IncidentPage>({
    load: async () => {
      const data = await backend.page(id)
      return { seq: data.seq, data }
    },
    place: (data) => (held.page = data),
    apply: (change) => held.page && applyToPage(held.page, change),
  })
  return held
}

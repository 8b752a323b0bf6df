// Incidents as the hub has them: entities by id, the order of the desk's list, and who still waits for an answer.
import { defineStore } from 'pinia'
import { computed, ref, shallowRef, toRaw, triggerRef } from 'vue'
import { incidents as backend } from '@/backend'
import type { Change, IncidentView } from '@/backend/types'
import { Mirror } from './mirror'
import { useLive } from './live'
import { paced } from './pace'
import { useSession } from './session'

export type IncidentMap = Record<string, IncidentView>

const PAGE = 100
const WHOLE_PAGE = 200
/** 5,000 incidents at the most are read at the start; a flood beyond that is counted no further (our own choice: some five seconds). */
const MOST_PAGES = 25

/** Put an incident in place of what was there, unless what was there is newer. */
export function placeIncident(map: IncidentMap, incident: IncidentView): void {
  const held = map[incident.id]
  if (!held || held.version <= incident.version) map[incident.id] = incident
}

/** Apply the incident that a change carries. */
export function applyIncident(map: IncidentMap, change: Change): void {
  if (change.body?.incident) placeIncident(map, change.body.incident)
}

/** Whether the desk still has to take it. One that has ended waits again where a report says that it goes on; one that was merged goes on elsewhere. */
export function awaits(incident: IncidentView): boolean {
  return incident.acknowledged_at === null && incident.state !== 'merged'
}

/** The desk's order: those that wait first (real before drill, urgent before the rest), in each group the newest on top, where the eye is. */
export function byUrgency(a: IncidentView, b: IncidentView): number {
  const waiting = Number(awaits(b)) - Number(awaits(a))
  if (waiting) return waiting
  return (awaits(a) ? rank(a, b) : 0) || b.number - a.number
}

/** The order of taking: as above, but whoever has waited longest comes first. */
export function byWait(a: IncidentView, b: IncidentView): number {
  return rank(a, b) || a.number - b.number
}

function rank(a: IncidentView, b: IncidentView): number {
  return Number(a.drill) - Number(b.drill) || Number(b.urgent) - Number(a.urgent)
}

/** The incident whose turn it is to be taken, or null. */
export function longestWaiting(waiting: IncidentView[]): IncidentView | null {
  return waiting.reduce<IncidentView | null>((first, one) => (first && byWait(first, one) <= 0 ? first : one), null)
}

export type Shown = 'open' | 'waiting' | 'unverified' | 'verified' | 'ended' | 'all'

/** Whether an incident belongs under one of the list's tabs. */
export function belongs(incident: IncidentView, shown: Shown): boolean {
  switch (shown) {
    case 'open':
      return incident.state === 'unverified' || incident.state === 'verified'
    case 'waiting':
      return awaits(incident)
    case 'unverified':
      return incident.state === 'unverified'
    case 'verified':
      return incident.state === 'verified'
    case 'ended':
      return incident.state === 'closed' || incident.state === 'false_alarm' || incident.state === 'merged'
    case 'all':
      return true
  }
}

/** All pages of what a filter gives, as far as a flood allows. */
async function every(filter: { acknowledged?: boolean; open?: boolean }) {
  const pages = [await backend.list({ ...filter, limit: WHOLE_PAGE })]
  for (let next = pages[0]!.next; next !== null && pages.length < MOST_PAGES; next = pages[pages.length - 1]!.next) {
    pages.push(await backend.list({ ...filter, limit: WHOLE_PAGE, before: next }))
  }
  return pages
}

export const useIncidents = defineStore('incidents', () => {
  const live = useLive()
  const session = useSession()
  /** Changed in place and told of at a pace: views of incidents are only ever replaced, never changed, so nothing in them is watched. */
  const all = shallowRef<IncidentMap>({})
  const pace = paced(() => triggerRef(all))
  const next = ref<number | null>(null)
  const loaded = ref(false)
  const loading_more = ref(false)

  const sorted = computed(() => Object.values(all.value).sort(byUrgency))
  /** What rings: a report that waits for the desk, on the screens of those who may take it. Nobody else is alarmed by what they cannot do anything about. */
  const rings = (incident: IncidentView): boolean => session.may('incident.take') && awaits(incident)
  const waiting = computed(() => sorted.value.filter(rings))
  const first = computed(() => longestWaiting(waiting.value))
  const open = computed(() => sorted.value.filter((incident) => belongs(incident, 'open')))

  /** The newest page, and besides it every incident that waits or is open, however old it is: they are counted, and the one that has waited longest
   * is named. The smallest sequence counts: replaying a change is harmless. Administrators see no incidents and ask for none. */
  async function load() {
    if (!session.may('incident.list')) return { seq: 0, data: { items: [], next: null } }
    const newest = await backend.list({ limit: PAGE })
    const pages = [newest, ...(await every({ acknowledged: false })), ...(await every({ open: true }))]
    return { seq: Math.min(...pages.map((page) => page.seq)), data: { items: pages.flatMap((page) => page.items), next: newest.next } }
  }

  const mirror = new Mirror<{ items: IncidentView[]; next: number | null }>({
    load,
    place: (page) => {
      all.value = {}
      page.items.forEach((incident) => placeIncident(all.value, incident))
      pace.now()
      next.value = page.next
      loaded.value = true
    },
    apply: (change) => {
      if (!change.body?.incident) return
      applyIncident(all.value, change)
      pace.soon()
    },
    empty: () => {
      all.value = {}
      pace.now()
      next.value = null
      loaded.value = false
    },
  })
  live.follow(mirror)

  /** Read one page further back. What the live feed has brought meanwhile is newer and stays. */
  async function more(): Promise<void> {
    if (next.value === null || loading_more.value) return
    loading_more.value = true
    try {
      const page = await backend.list({ limit: PAGE, before: next.value })
      page.items.forEach((incident) => placeIncident(all.value, incident))
      pace.now()
      next.value = page.next
    } finally {
      loading_more.value = false
    }
  }

  /** Take in an incident read on its own. */
  function place(incident: IncidentView): void {
    placeIncident(all.value, toRaw(incident))
    pace.now()
  }

  async function search(q: string): Promise<string[]> {
    const page = await backend.list({ q, limit: PAGE })
    page.items.forEach((incident) => placeIncident(all.value, incident))
    pace.now()
    return page.items.map((incident) => incident.id)
  }

  return { all, next, loaded, loading_more, sorted, rings, waiting, first, open, mirror, more, place, search }
})

// Incidents as the hub has them: entities by id, the order of the desk's list, and who still waits for an answer.
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { incidents as backend } from '@/backend'
import type { Change, IncidentView } from '@/backend/types'
import { Mirror } from './mirror'
import { useLive } from './live'

export type IncidentMap = Record<string, IncidentView>

const PAGE = 100

/** Put an incident in place of what was there, unless what was there is newer. */
export function placeIncident(map: IncidentMap, incident: IncidentView): void {
  const held = map[incident.id]
  if (!held || held.version <= incident.version) map[incident.id] = incident
}

/** Apply the incident that a change carries. */
export function applyIncident(map: IncidentMap, change: Change): void {
  if (change.body?.incident) placeIncident(map, change.body.incident)
}

/** Whether the desk still has to take it: not acknowledged, and neither merged nor closed nor called false. */
export function awaits(incident: IncidentView): boolean {
  return incident.acknowledged_at === null && (incident.state === 'unverified' || incident.state === 'verified')
}

/** The desk's order: those that wait first (urgent, then longest waiting), then newest first. */
export function byUrgency(a: IncidentView, b: IncidentView): number {
  const waiting = Number(awaits(b)) - Number(awaits(a))
  if (waiting) return waiting
  if (awaits(a)) {
    return Number(a.drill) - Number(b.drill) || Number(b.urgent) - Number(a.urgent) || a.number - b.number
  }
  return b.number - a.number
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

export const useIncidents = defineStore('incidents', () => {
  const live = useLive()
  const all = ref<IncidentMap>({})
  const next = ref<number | null>(null)
  const loaded = ref(false)
  const loading_more = ref(false)

  const sorted = computed(() => Object.values(all.value).sort(byUrgency))
  const waiting = computed(() => sorted.value.filter(awaits))
  const open = computed(() => sorted.value.filter((incident) => belongs(incident, 'open')))

  /** The newest page, and besides it every incident that waits however old it is. The smaller sequence counts: replaying a change is harmless. */
  async function load() {
    const newest = await backend.list({ limit: PAGE })
    const unanswered = await backend.list({ open: true, acknowledged: false, limit: PAGE })
    return { seq: Math.min(newest.seq, unanswered.seq), data: { items: [...unanswered.items, ...newest.items], next: newest.next } }
  }

  const mirror = new Mirror<{ items: IncidentView[]; next: number | null }>({
    load,
    place: (page) => {
      all.value = {}
      page.items.forEach((incident) => placeIncident(all.value, incident))
      next.value = page.next
      loaded.value = true
    },
    apply: (change) => applyIncident(all.value, change),
  })
  live.follow(mirror)

  /** Read one page further back. What the live feed has brought meanwhile is newer and stays. */
  async function more(): Promise<void> {
    if (next.value === null || loading_more.value) return
    loading_more.value = true
    try {
      const page = await backend.list({ limit: PAGE, before: next.value })
      page.items.forEach(place)
      next.value = page.next
    } finally {
      loading_more.value = false
    }
  }

  /** Take in an incident read on its own. */
  function place(incident: IncidentView): void {
    placeIncident(all.value, incident)
  }

  async function search(q: string): Promise<string[]> {
    const page = await backend.list({ q, limit: PAGE })
    page.items.forEach(place)
    return page.items.map((incident) => incident.id)
  }

  function clear(): void {
    all.value = {}
    next.value = null
    loaded.value = false
    mirror.seq = -1
  }

  return { all, next, loaded, loading_more, sorted, waiting, open, mirror, more, place, search, clear }
})

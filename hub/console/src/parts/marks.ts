// Incidents as marks on a map: those that would cover one another stand under one mark, with their number. Pure.
import type { IncidentView } from '@/backend/types'
import type { Point } from './geo'
import { pointOf } from './incident'

/** What stands at one place of the map: the incident that the desk's order puts first, and how many there are. */
export interface Mark {
  lead: IncidentView
  count: number
  waits: boolean
  selected: boolean
}

/** Titles beside marks: more than these cover the map that they explain. */
export const LABELLED = 12

/**
 * Gather incidents (in the desk's order) into marks, one for each square of `cell` on the drawn plane. The chosen incident has a mark of its own,
 * and those that ring (for whoever looks, as on the list) never vanish under one that does not.
 */
export function marksOf(incidents: readonly IncidentView[], at: (point: Point) => Point, cell: number, selected: string | null, rings: (incident: IncidentView) => boolean): Mark[] {
  const marks = new Map<string, Mark>()
  for (const incident of incidents) {
    const point = pointOf(incident)
    if (!point) continue
    const [x, y] = at(point)
    const [chosen, waits] = [incident.id === selected, rings(incident)]
    const key = chosen ? 'chosen' : `${Math.floor(x / cell)} ${Math.floor(y / cell)} ${waits}`
    const there = marks.get(key)
    if (there) there.count += 1
    else marks.set(key, { lead: incident, count: 1, waits, selected: chosen })
  }
  return [...marks.values()]
}

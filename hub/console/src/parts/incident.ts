// Words for incidents: grades, states, casualties, loads. Every colour has its word here.
import type { Casualties, Hazmat, IncidentView } from '@/backend/types'

const RANKS: Record<string, 1 | 2 | 3 | 4> = { extraordinary: 1, major: 2, serious: 3, general: 4 }

export const GRADE_IDS = Object.keys(RANKS)

/** 1 (特别重大) to 4 (一般), or null for a grade that these four do not name. */
export const gradeRank = (grade: string | null | undefined): 1 | 2 | 3 | 4 | null => (grade ? (RANKS[grade] ?? null) : null)

export const CASUALTIES = ['dead', 'missing', 'seriously_injured', 'injured', 'trapped', 'poisoned', 'evacuated'] as const satisfies readonly (keyof Casualties)[]

/** The numbers that are known, in the order in which they are reported. Zero is known; null is not. */
export function knownCasualties(casualties: Casualties | null | undefined): [keyof Casualties, number][] {
  return CASUALTIES.flatMap((name) => (typeof casualties?.[name] === 'number' ? [[name, casualties[name]] as [keyof Casualties, number]] : []))
}

/** A load in one line: UN 1005 · 268 · 液氨 · 25 t. */
export function loadLine(load: Hazmat): string {
  const mass = load.quantity_kg == null ? null : load.quantity_kg >= 1000 ? `${load.quantity_kg / 1000} t` : `${load.quantity_kg} kg`
  return [load.un && `UN ${load.un}`, load.hin, load.name, mass].filter(Boolean).join(' · ')
}

export const pointOf = (incident: IncidentView): [number, number] | null =>
  incident.place.lon == null || incident.place.lat == null ? null : [incident.place.lon, incident.place.lat]

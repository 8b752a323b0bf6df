// What the scene says besides the substance; it stays while another substance is looked up.
import type { Load, Wind } from '@/backend/plans'
import type { Lonlat } from '@/hazmat/geometry'

export interface Scene {
  typed: string
  typed_at: number | null
  container: string
  spill: '' | 'small' | 'large'
  in_water: boolean | null
  on_fire: boolean
  point: Lonlat | null
  /** Which line of Table 1, where the book has several under one number: material and inhalation hazard zone. */
  line: string
}

/** The scene as an incident knows it; a road tanker by a wind that nobody told where there is none. */
export function sceneOf(load?: Load | null, at?: Lonlat | null, blows?: Wind | null): Scene {
  return {
    typed: blows?.text ?? '', typed_at: blows?.observed_at ? Date.parse(blows.observed_at) : null, container: load?.container ?? 'road_tanker', spill: load?.spill ?? '',
    in_water: load?.in_water ?? null, on_fire: load?.fire ?? false, point: at ?? null, line: '',
  }
}

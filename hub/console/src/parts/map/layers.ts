// What stands on the district's map, as values that both renderers draw alike: spots with a symbol, shapes with a tone. Pure; no drawing, no words of a language.
import type { Camera, Enterprise } from '@/backend/video'
import type { Affected, Receptor, Resource, ZonesView } from '@/backend/plans'
import type { Bilingual, IncidentView } from '@/backend/types'
import { destination } from '@/hazmat/geometry'
import type { Point, Town } from '@/parts/geo'
import { pointOf } from '@/parts/incident'

export const LAYERS = ['incidents', 'zones', 'cameras', 'receptors', 'enterprises', 'resources', 'towns'] as const
export type LayerId = (typeof LAYERS)[number]

/** Path data in a box of 24 × 24. The form says what it is, the tone how it is: neither says it by colour alone. */
export const SYMBOLS = {
  incident: 'M12 3a9 9 0 1 1 0 18a9 9 0 1 1 0-18z',
  camera: 'M2 7h13v10H2zM16 11l6-4v10l-6-4z',
  camera_unwell: 'M2 7h13v10H2zM16 11l6-4v10l-6-4zM4 2.5L20.500 21.500l-1.800 1.500L2.200 4z',
  enterprise: 'M3 21V10l6 4v-4l6 4V4h6v17z',
  house: 'M2 11.500L12 3l10 8.500h-3V21H5v-9.500z',
  school: 'M12 3L1 8.500l11 5.500l11-5.500zM5 12v5.500l7 3.500l7-3.500V12l-7 3.500z',
  hospital: 'M9 3h6v6h6v6h-6v6H9v-6H3V9h6z',
  water: 'M12 2c4 6 7 9 7 13a7 7 0 0 1-14 0c0-4 3-7 7-13z',
  junction: 'M8 3h8l5 5v8l-5 5H8l-5-5V8z',
  resource: 'M12 2l9 5v10l-9 5l-9-5V7z',
  staging: 'M5 2h2.500v20H5zM8.500 3H21l-4 4.500l4 4.500H8.500z',
} as const
export type Symbol = keyof typeof SYMBOLS

/** Names of colour tokens. */
export type Tone = 'alarm' | 'alarm-text' | 'warn' | 'ok' | 'muted' | 'grade-2' | 'accent' | 'map-text' | 'land-line' | 'drill' | 'text'

export interface Spot {
  layer: LayerId
  id: string
  at: Point
  symbol: Symbol
  tone: Tone
  name: Bilingual
  /** Higher lies on top and is shown where two would overlap. */
  rank: number
}

export interface Shape {
  layer: LayerId
  id: string
  kind: 'isolation' | 'protective' | 'fire' | 'sight' | 'approach'
  tone: Tone
  /** Rings of an area; of `approach` one open line, from the staging point to the release. */
  rings: Point[][]
}

const both = (text: string): Bilingual => ({ zh: text, en: text })
/** A name in both languages, where the English one is missing the Chinese one twice. */
const named = (zh: string, en?: string | null): Bilingual => ({ zh, en: en || zh })

/** How a camera is: well, gone, or showing something that is no picture of the place. */
export function cameraTone(health: string | null | undefined): Tone {
  if (health === 'online') return 'ok'
  return health === undefined || health === null || health === 'connecting' ? 'muted' : health === 'offline' || health === 'none' ? 'alarm-text' : 'warn'
}

/** A sector that a camera sees: from its place, around its bearing, as far as its range. Null where that is not known; a whole circle for an all-round camera. */
export function sector(at: Point, bearing_deg: number, fov_deg: number, range_m: number): Point[] | null {
  if (!(range_m > 0) || !(fov_deg > 0)) return null
  const wide = Math.min(fov_deg, 360)
  const steps = Math.max(2, Math.ceil(wide / 6))
  const rim = Array.from({ length: steps + 1 }, (_, n) => destination(at, bearing_deg - wide / 2 + (wide * n) / steps, range_m))
  return wide >= 360 ? rim : [at, ...rim, at]
}

export const cameraPoint = (camera: Camera): Point | null => (camera.place.lon == null || camera.place.lat == null ? null : [camera.place.lon, camera.place.lat])

export function cameraSpots(cameras: Camera[]): Spot[] {
  return cameras.flatMap((camera) => {
    const at = cameraPoint(camera)
    const tone = cameraTone(camera.health)
    return at ? [{ layer: 'cameras', id: camera.id, at, symbol: tone === 'ok' || tone === 'muted' ? 'camera' : 'camera_unwell', tone, name: both(camera.name), rank: tone === 'ok' ? 20 : 25 }] : []
  })
}

export function cameraSights(cameras: Camera[]): Shape[] {
  return cameras.flatMap((camera) => {
    const [at, place] = [cameraPoint(camera), camera.place]
    const ring = at && place.bearing_deg != null && place.range_m != null ? sector(at, place.bearing_deg, place.fov_deg ?? 60, place.range_m) : null
    return ring ? [{ layer: 'cameras', id: camera.id, kind: 'sight', tone: cameraTone(camera.health), rings: [ring] }] : []
  })
}

/** `rings`: whether one is red for whoever looks, as on the list. */
export function incidentSpots(incidents: IncidentView[], rings: (incident: IncidentView) => boolean): Spot[] {
  return incidents.flatMap((incident) => {
    const at = pointOf(incident)
    const waits = rings(incident)
    const tone: Tone = waits ? 'alarm' : incident.state === 'verified' ? 'ok' : 'warn'
    return at ? [{ layer: 'incidents', id: incident.id, at, symbol: 'incident', tone, name: both(incident.title), rank: waits ? 100 : 90 }] : []
  })
}

const ZONE_TONES: Record<string, Tone> = { isolation: 'alarm', protective: 'warn', fire: 'grade-2' }
const WIDE_FIRST: Record<string, number> = { fire: 0, protective: 1, isolation: 2 }

/** The drawn zones, the wide ones first so that the narrow ones lie on top, and the way in from the staging point. */
export function zoneShapes(zones: ZonesView[]): Shape[] {
  return zones.flatMap((view) => {
    const shapes: Shape[] = [...view.zones].sort((a, b) => (WIDE_FIRST[a.kind] ?? 0) - (WIDE_FIRST[b.kind] ?? 0))
      .map((zone) => ({ layer: 'zones', id: view.incident_id, kind: zone.kind, tone: ZONE_TONES[zone.kind] ?? 'warn', rings: zone.polygon.coordinates }))
    const [staging, release] = [view.staging?.point, releaseOf(view)]
    if (staging && release) shapes.push({ layer: 'zones', id: view.incident_id, kind: 'approach', tone: 'ok', rings: [[[staging.lon, staging.lat], release]] })
    return shapes
  })
}

/** Where it comes out: the middle of the isolation circle, else the tip of the first shape. */
export function releaseOf(view: ZonesView): Point | null {
  const ring = (view.zones.find((zone) => zone.kind === 'isolation') ?? view.zones[0])?.polygon.coordinates[0]?.slice(1)
  if (!ring?.length) return null
  return [ring.reduce((sum, [x]) => sum + x, 0) / ring.length, ring.reduce((sum, [, y]) => sum + y, 0) / ring.length]
}

export function stagingSpots(zones: ZonesView[]): Spot[] {
  return zones.flatMap((view) => view.staging?.point
    ? [{ layer: 'zones', id: view.incident_id, at: [view.staging.point.lon, view.staging.point.lat], symbol: 'staging', tone: 'ok', name: view.staging.approach, rank: 80 }]
    : [])
}

const RECEPTOR_SYMBOLS: Record<string, Symbol> = {
  village: 'house', care_home: 'house', market: 'house', town: 'house', school: 'school', hospital: 'hospital', enterprise: 'enterprise', water_intake: 'water', road_junction: 'junction',
}

/** Who may be hurt and what is to be closed; what lies in a zone stands out. A town's centre is on the map as a town. */
export function receptorSpots(receptors: Receptor[], affected: Affected[]): Spot[] {
  const inside = new Set(affected.map((one) => one.receptor.id))
  const known = new Map([...receptors, ...affected.map((one) => one.receptor)].map((one) => [one.id, one]))
  return [...known.values()].flatMap((one) => one.point && one.kind !== 'town'
    ? [{ layer: 'receptors', id: one.id, at: [one.point.lon, one.point.lat], symbol: RECEPTOR_SYMBOLS[one.kind] ?? 'house', tone: inside.has(one.id) ? 'alarm-text' : 'land-line', name: named(one.name_zh, one.name_en), rank: inside.has(one.id) ? 40 : 5 }]
    : [])
}

export function enterpriseSpots(enterprises: Enterprise[]): Spot[] {
  return enterprises.flatMap((one) => one.lon == null || one.lat == null
    ? []
    : [{ layer: 'enterprises', id: one.id, at: [one.lon, one.lat], symbol: 'enterprise', tone: one.hazard_level ? 'grade-2' : 'map-text', name: named(one.zh, one.en), rank: 30 }])
}

export function resourceSpots(resources: Resource[]): Spot[] {
  return resources.flatMap((one) => one.lon == null || one.lat == null || one.active === false
    ? []
    : [{ layer: 'resources', id: one.id, at: [one.lon, one.lat], symbol: 'resource', tone: 'accent', name: named(one.name_zh, one.name_en), rank: 10 }])
}

export const townSpots = (towns: Town[]): Spot[] => towns.map((town) => ({
  layer: 'towns', id: town.properties.adcode, at: town.geometry.coordinates, symbol: 'house', tone: 'map-text', name: { zh: town.properties.zh, en: town.properties.en }, rank: 1,
}))

/** Several things at one point are drawn beside one another: the first at the point, the others in a ring around it, at this distance in metres. */
export function spread(spots: Spot[], apart_m = 45): Spot[] {
  const at = new Map<string, number>()
  return spots.map((spot) => {
    const key = spot.at.map((n) => n.toFixed(5)).join()
    const n = at.get(key) ?? 0
    at.set(key, n + 1)
    return n ? { ...spot, at: destination(spot.at, ((n - 1) % 6) * 60, apart_m * (1 + Math.floor((n - 1) / 6))) } : spot
  })
}

/** West, south, east, north around all points, at least `least_m` across, so that one point alone is not looked at through a needle's eye. */
export function frameOf(points: Point[], least_m = 1200): [number, number, number, number] | null {
  if (!points.length) return null
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)]
  const [west, south, east, north] = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]
  const middle: Point = [(west + east) / 2, (south + north) / 2]
  const [e, n] = [destination(middle, 90, least_m / 2)[0] - middle[0], destination(middle, 0, least_m / 2)[1] - middle[1]]
  return [Math.min(west, middle[0] - e), Math.min(south, middle[1] - n), Math.max(east, middle[0] + e), Math.max(north, middle[1] + n)]
}

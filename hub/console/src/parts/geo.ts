// The district on the ground: its outline and its towns, from the files that come with the console; and the projection of the drawn map.
import { bundled } from '@/backend'

export type Point = [number, number]

export interface Area {
  type: 'Feature'
  properties: { adcode: string; zh: string; en: string; role: 'district' | 'neighbour' }
  geometry: { type: 'MultiPolygon'; coordinates: Point[][][] }
}

export interface Town {
  type: 'Feature'
  properties: { adcode: string; zh: string; en: string; position: 'geonames' | 'approximate' }
  geometry: { type: 'Point'; coordinates: Point }
}

export interface Ground {
  areas: { type: 'FeatureCollection'; source: string; features: Area[] }
  towns: { type: 'FeatureCollection'; source: string; features: Town[] }
}

let ground: Promise<Ground> | null = null

/** Read the bundled files once. */
export function loadGround(): Promise<Ground> {
  ground ??= Promise.all([bundled<Ground['areas']>('/geo/district.json'), bundled<Ground['towns']>('/geo/towns.json')])
    .then(([areas, towns]) => ({ areas, towns }))
    .catch((error: unknown) => {
      ground = null
      throw error
    })
  return ground
}

/** West, south, east, north of the district itself, degrees. */
export function boundsOf(areas: Ground['areas']): [number, number, number, number] {
  const points = areas.features.filter((area) => area.properties.role === 'district').flatMap((area) => area.geometry.coordinates.flat(2))
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)]
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]
}

export interface Plane {
  width: number
  height: number
  at: (point: Point) => Point
  back: (x: number, y: number) => Point
}

/** An equirectangular plane over the bounds, 1000 wide, true to scale at the middle latitude; good enough for a district (50 km). */
export function planeOver([west, south, east, north]: [number, number, number, number], margin = 0.04): Plane {
  const squeeze = Math.cos(((south + north) / 2) * (Math.PI / 180))
  const pad = (east - west) * margin
  const [w, e, s, n] = [west - pad, east + pad, south - pad, north + pad]
  const scale = 1000 / ((e - w) * squeeze)
  return {
    width: 1000,
    height: (n - s) * scale,
    at: ([lon, lat]) => [(lon - w) * squeeze * scale, (n - lat) * scale],
    back: (x, y) => [x / (squeeze * scale) + w, n - y / scale],
  }
}

/** The path of an area on a plane. */
export function pathOf(area: Area, plane: Plane): string {
  return area.geometry.coordinates.flat().map((ring) => `M${ring.map((point) => plane.at(point).map((n) => n.toFixed(1)).join(',')).join('L')}Z`).join('')
}

/** Whether this browser draws with WebGL2; without it the map is an outline in SVG. */
export function hasWebGl2(): boolean {
  try {
    const context = document.createElement('canvas').getContext('webgl2')
    context?.getExtension('WEBGL_lose_context')?.loseContext()
    return context !== null
  } catch {
    return false
  }
}

// Circles and wedges on the WGS-84 ellipsoid, and where the sun stands; as plans/hazmat/geometry.py and sun.py, checked against the same cases.
import type { Book } from './bundle'
import type { Distances } from './distances'
import { roundEven, useWind, type Wind } from './wind'

export type Lonlat = [number, number]
export interface Zone { kind: 'isolation' | 'protective' | 'fire'; shape: 'circle' | 'wedge'; radius_m: number; downwind_deg: number | null; half_angle_deg: number | null; polygon: { coordinates: Lonlat[][] } }

const A = 6_378_137
const F = 1 / 298.257223563
const B = A * (1 - F)
const STEP_DEG = 2
const rad = (deg: number): number => (deg * Math.PI) / 180
const deg = (rads: number): number => (rads * 180) / Math.PI

/** The point at a bearing (degrees from north) and distance (m): Vincenty's direct formula, below a millimetre at these distances. */
export function destination([lon, lat]: Lonlat, bearing_deg: number, distance_m: number): Lonlat {
  const alpha = rad(bearing_deg)
  const tanU = (1 - F) * Math.tan(rad(lat))
  const cosU = 1 / Math.sqrt(1 + tanU * tanU)
  const sinU = tanU * cosU
  const sigma1 = Math.atan2(tanU, Math.cos(alpha))
  const sinAlpha = cosU * Math.sin(alpha)
  const cos2Alpha = 1 - sinAlpha * sinAlpha
  const u2 = (cos2Alpha * (A * A - B * B)) / (B * B)
  const big = 1 + (u2 / 16384) * (4096 + u2 * (-768 + u2 * (320 - 175 * u2)))
  const small = (u2 / 1024) * (256 + u2 * (-128 + u2 * (74 - 47 * u2)))
  let sigma = distance_m / (B * big)
  let [cosM, sinS, cosS] = [0, 0, 0]
  for (let n = 0; n < 50; n += 1) {
    cosM = Math.cos(2 * sigma1 + sigma)
    sinS = Math.sin(sigma)
    cosS = Math.cos(sigma)
    const delta = small * sinS * (cosM + (small / 4) * (cosS * (-1 + 2 * cosM * cosM) - (small / 6) * cosM * (-3 + 4 * sinS * sinS) * (-3 + 4 * cosM * cosM)))
    const next = distance_m / (B * big) + delta
    const done = Math.abs(next - sigma) < 1e-13
    sigma = next
    if (done) break
  }
  const x = sinU * sinS - cosU * cosS * Math.cos(alpha)
  const lat2 = Math.atan2(sinU * cosS + cosU * sinS * Math.cos(alpha), (1 - F) * Math.sqrt(sinAlpha * sinAlpha + x * x))
  const lambda = Math.atan2(sinS * Math.sin(alpha), cosU * cosS - sinU * sinS * Math.cos(alpha))
  const c = (F / 16) * cos2Alpha * (4 + F * (4 - 3 * cos2Alpha))
  const l = lambda - (1 - c) * F * sinAlpha * (sigma + c * sinS * (cosM + c * cosS * (-1 + 2 * cosM * cosM)))
  return [lon + deg(l), deg(lat2)]
}

/** How far two places lie apart (m): plane with the ellipsoid's radii at the middle latitude, good to a metre in 20 km. */
export function metresBetween([lon, lat]: Lonlat, [lon2, lat2]: Lonlat): number {
  const e2 = F * (2 - F)
  const middle = rad((lat + lat2) / 2)
  const w = 1 - e2 * Math.sin(middle) ** 2
  return Math.hypot(((A * (1 - e2)) / w ** 1.5) * rad(lat2 - lat), (A / Math.sqrt(w)) * Math.cos(middle) * rad(lon2 - lon))
}

function arc(centre: Lonlat, radius_m: number, from: number, to: number): Lonlat[] {
  // a chord cuts inside the arc; the rim is moved out so that the polygon has the area of the true arc
  const steps = Math.max(1, roundEven((to - from) / STEP_DEG))
  const rim = radius_m / Math.cos(rad((to - from) / steps) / 2) ** (2 / 3)
  return Array.from({ length: steps + 1 }, (_, n) => destination(centre, from + ((to - from) * n) / steps, rim))
}

const ring = (points: Lonlat[]): Lonlat[][] => {
  const rounded = points.map(([x, y]) => [Number(x.toFixed(7)), Number(y.toFixed(7))] as Lonlat)
  return [[...rounded, rounded[0]!]]
}

function circle(centre: Lonlat, radius_m: number, kind: Zone['kind']): Zone {
  return { kind, shape: 'circle', radius_m, downwind_deg: null, half_angle_deg: null, polygon: { coordinates: ring(arc(centre, radius_m, 0, 360).slice(0, -1)) } }
}

function protective(book: Book, centre: Lonlat, radius_m: number, wind: Wind | null, at: number): Zone {
  const use = useWind(book, wind, at)
  const half = book.rules.wedge.half_angle_deg + use.extra_deg
  if (use.from_deg === null || half >= book.rules.wedge.circle_from_half_angle_deg) return circle(centre, radius_m, 'protective')
  const downwind = (use.from_deg + 180) % 360
  return { kind: 'protective', shape: 'wedge', radius_m, downwind_deg: downwind, half_angle_deg: half, polygon: { coordinates: ring([centre, ...arc(centre, radius_m, downwind - half, downwind + half)]) } }
}

/** Every zone of the distances, the innermost first. */
export function zonesOf(book: Book, centre: Lonlat, found: Distances, wind: Wind | null, at: number): Zone[] {
  const drawn = [circle(centre, found.isolation.value, 'isolation')]
  const fire = Math.max(found.fire?.value ?? 0, found.fire_evacuation?.value ?? 0)
  if (fire) drawn.push(circle(centre, fire, 'fire'))
  if (found.protective) drawn.push(found.direction === 'around' ? circle(centre, found.protective.value, 'protective') : protective(book, centre, found.protective.value, wind, at))
  return drawn
}

/** Day or night by the real sun at the place (NOAA solar calculator). */
export function daylight(book: Book, [lon, lat]: Lonlat, at: number): 'day' | 'night' {
  const t = (at - Date.UTC(2000, 0, 1, 12)) / 86_400_000 / 36_525
  const mean = (((280.46646 + t * (36000.76983 + t * 0.0003032)) % 360) + 360) % 360
  const anomaly = rad(357.52911 + t * (35999.05029 - 0.0001537 * t))
  const e = 0.016708634 - t * (0.000042037 + 0.0000001267 * t)
  const centre = Math.sin(anomaly) * (1.914602 - t * (0.004817 + 0.000014 * t)) + Math.sin(2 * anomaly) * (0.019993 - 0.000101 * t) + Math.sin(3 * anomaly) * 0.000289
  const node = rad(125.04 - 1934.136 * t)
  const longitude = rad(mean + centre - 0.00569 - 0.00478 * Math.sin(node))
  const obliquity = rad(23 + (26 + (21.448 - t * (46.815 + t * (0.00059 - t * 0.001813))) / 60) / 60 + 0.00256 * Math.cos(node))
  const declination = Math.asin(Math.sin(obliquity) * Math.sin(longitude))
  const y = Math.tan(obliquity / 2) ** 2
  const l0 = rad(mean)
  const equation = 4 * deg(y * Math.sin(2 * l0) - 2 * e * Math.sin(anomaly) + 4 * e * y * Math.sin(anomaly) * Math.cos(2 * l0) - 0.5 * y * y * Math.sin(4 * l0) - 1.25 * e * e * Math.sin(2 * anomaly))
  const moment = new Date(at)
  const minutes = moment.getUTCHours() * 60 + moment.getUTCMinutes() + moment.getUTCSeconds() / 60
  const hour = rad((minutes + equation + 4 * lon) / 4 - 180)
  const height = Math.sin(rad(lat)) * Math.sin(declination) + Math.cos(rad(lat)) * Math.cos(declination) * Math.cos(hour)
  return deg(Math.asin(Math.max(-1, Math.min(1, height)))) > book.rules.sun.day_above_deg ? 'day' : 'night'
}

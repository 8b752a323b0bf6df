// Who lies in the zones and which towns have to be asked, from what the phone keeps; as plans/hazmat/receptors.py, checked against the same cases.
import type { Book, Place } from './bundle'
import { metresBetween, type Lonlat, type Zone } from './geometry'

/** Is a point within a ring (its first point repeated at the end)? */
function within(ring: Lonlat[], [x, y]: Lonlat): boolean {
  let inside = false
  for (let n = 0; n + 1 < ring.length; n += 1) {
    const [[ax, ay], [bx, by]] = [ring[n]!, ring[n + 1]!]
    if (ay > y !== by > y && x < ax + ((y - ay) / (by - ay)) * (bx - ax)) inside = !inside
  }
  return inside
}

/** The places in any zone, the nearest first. */
export function inside(places: readonly Place[], zones: readonly Zone[], centre: Lonlat): { place: Place; metres: number }[] {
  return places.flatMap((place) => {
    if (place.lon === null || place.lat === null || place.kind === 'town') return []
    const at: Lonlat = [place.lon, place.lat]
    return zones.some((zone) => within(zone.polygon.coordinates[0]!, at)) ? [{ place, metres: metresBetween(centre, at) }] : []
  }).sort((a, b) => a.metres - b.metres || a.place.id.localeCompare(b.place.id))
}

/** Towns in a zone or near it with villages whose place nobody knows: somebody has to call them. The nearest first. */
export function townsToAsk(book: Book, zones: readonly Zone[], centre: Lonlat): Place[] {
  const blind = new Set(book.places.filter((one) => one.kind === 'village' && !one.demo && one.lon === null).map((one) => one.town_code))
  const widest = Math.max(...zones.map((zone) => zone.radius_m))
  return book.places.filter((one) => one.kind === 'town' && one.lon !== null && blind.has(one.town_code))
    .map((town) => ({ town, metres: metresBetween(centre, [town.lon!, town.lat!]) }))
    .filter(({ metres }) => metres <= widest + book.rules.town_radius_m).sort((a, b) => a.metres - b.metres).map(({ town }) => town)
}

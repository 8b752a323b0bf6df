import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { boundsOf, planeOver, type Ground, type Point } from './geo'

const read = <T>(name: string): T => JSON.parse(readFileSync(`public/geo/${name}`, 'utf-8')) as T
const areas = read<Ground['areas'] & { edition: string }>('district.json')
const towns = read<Ground['towns'] & { edition: string }>('towns.json')

function inside([x, y]: Point, ring: Point[]): boolean {
  let within = false
  ring.slice(1).forEach(([x2, y2], n) => {
    const [x1, y1] = ring[n]!
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) within = !within
  })
  return within
}

describe('the bundled ground', () => {
  it('names its source and edition', () => {
    for (const file of [areas, towns]) {
      expect(file.source.length).toBeGreaterThan(20)
      expect(file.edition).toMatch(/\d/)
    }
  })

  it('has one district, and every town inside it', () => {
    const district = areas.features.filter((area) => area.properties.role === 'district')
    expect(district).toHaveLength(1)
    const ring = district[0]!.geometry.coordinates[0]![0]!
    expect(towns.features).toHaveLength(15)
    expect(towns.features.filter((town) => !inside(town.geometry.coordinates, ring)).map((town) => town.properties.zh)).toEqual([])
  })

  it('is drawn on a plane that goes there and back', () => {
    const plane = planeOver(boundsOf(areas))
    const [lon, lat] = plane.back(...plane.at([119.13, 34.86]))
    expect(lon).toBeCloseTo(119.13, 9)
    expect(lat).toBeCloseTo(34.86, 9)
    expect(plane.height / plane.width).toBeGreaterThan(0.8)
  })
})

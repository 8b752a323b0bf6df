// The phone's copy of the hazmat rules against the hub's own results: the same cases, distances, daylight, shapes and points.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openBook, type RawBundle } from './bundle'
import { distancesFor, stagingFor, type Facts } from './distances'
import { daylight, destination, zonesOf, type Lonlat } from './geometry'
import { guideOf, hinOf, hinsOf, refusal, search } from './lookup'
import { inside, townsToAsk } from './receptors'
import { compass, NoWind, parseWind, useWind, windClass } from './wind'

interface Vector {
  given: Facts & { lon: number; lat: number; wind: string | null; at: string; wind_at: string }
  expected: { daylight: string; spill: string; isolation_m: number; protective_m: number | null; plus: boolean; direction: string; fire_m: number | null; conditional: boolean; sources: string[]; notes: [string, string][]; staging: [number, string, string, string]; inside: string[]; towns: string[]; zones: { kind: string; shape: string; radius_m: number; downwind_deg: number | null; half_angle_deg: number | null; vertices: number; sample: Lonlat[] }[] }
}
const root = resolve(import.meta.dirname, '../../../..')
const python = process.env.PYTHON ?? resolve(root, '.venv/bin/python')
const bundle = JSON.parse(execFileSync(python, ['-c', 'import sys; from plans.hazmat import offline; sys.stdout.buffer.write(offline.bundle())'], { cwd: root, maxBuffer: 64 * 2 ** 20 }).toString()) as RawBundle
const { cases: vectors, searches } = JSON.parse(readFileSync(resolve(root, 'tests/fixtures/hazmat_vectors.json'), 'utf8')) as { cases: Vector[]; searches: Record<string, string[] | string> }
const book = openBook(bundle)

describe('the phone reckons as the hub does', () => {
  it('has cases to compare', () => expect(vectors.length).toBeGreaterThan(100))

  it.each(vectors.map((one) => [`${one.given.un} ${one.given.container} ${one.given.wind} ${one.given.at}`, one] as const))('%s', (_, { given, expected }) => {
    const at = Date.parse(given.at)
    const centre: Lonlat = [given.lon, given.lat]
    const wind = given.wind ? parseWind(book, given.wind, Date.parse(given.wind_at)) : null
    const day = daylight(book, centre, at)
    const found = distancesFor(book, given, day, windClass(book, wind))
    expect({ daylight: day, spill: found.spill, isolation_m: found.isolation.value, protective_m: found.protective?.value ?? null, plus: found.protective?.plus ?? false, direction: found.direction, fire_m: found.fire?.value ?? null, conditional: found.conditional })
      .toEqual({ ...expected, zones: undefined, sources: undefined, notes: undefined, staging: undefined, inside: undefined, towns: undefined })
    const use = useWind(book, wind, at)
    expect([found.isolation, found.protective, found.fire].flatMap((one) => (one ? [one.source] : []))).toEqual(expected.sources)
    expect([...found.notes, ...use.notes].map((one) => [one.zh, one.en])).toEqual(expected.notes)
    const staging = stagingFor(book, found, use.from_deg === null ? null : compass(use.from_deg))
    expect([staging.metres, staging.approach.zh, staging.approach.en, staging.reason.zh]).toEqual(expected.staging)
    const zones = zonesOf(book, centre, found, wind, at)
    expect(zones.map((one) => [one.kind, one.shape, one.radius_m, one.downwind_deg, one.half_angle_deg, one.polygon.coordinates[0]!.length - 1]))
      .toEqual(expected.zones.map((one) => [one.kind, one.shape, one.radius_m, one.downwind_deg, one.half_angle_deg, one.vertices]))
    expect(inside(book.places.filter((one) => one.demo), zones, centre).map((one) => one.place.id)).toEqual(expected.inside)
    expect(townsToAsk(book, zones, centre).map((one) => one.town_code)).toEqual(expected.towns)
    zones.forEach((zone, n) => expected.zones[n]!.sample.forEach((point, i) => {
      const [lon, lat] = zone.polygon.coordinates[0]![i * 15]!
      expect(Math.abs(lon - point[0])).toBeLessThan(3e-7)
      expect(Math.abs(lat - point[1])).toBeLessThan(3e-7)
    }))
  })
})

describe('the phone finds what the hub finds', () => {
  it.each(Object.entries(searches))('%s', (query, expected) => {
    const found = search(book, query).map((one) => one.substance.un + (one.like ? ' like' : ''))
    expect(refusal(book, query) ?? found).toEqual(expected)
  })
})

describe('looking a substance up with no signal', () => {
  it.each([['268/1005', '1005'], ['UN 1017', '1017'], ['液氨', '1005'], ['25吨液氨罐车', '1005'], ['7664-41-7', '1005'], ['chlorine', '1017'], ['UN编号：1005', '1005'], ['1005/268', '1005'], ['2681005', '1005'], ['X 423/1428', '1428'], ['CAS号：7664-41-7', '1005']])('%s is UN %s', (query, un) => {
    expect(search(book, query)[0]?.substance.un).toBe(un)
  })
  it('ranks a plate in a sentence whose halves do not go together below a name that is said whole', () => {
    expect(search(book, '橙色牌 268/1005')[0]?.score).toBeGreaterThan(800)
    expect(search(book, '橙色牌 268/1428').find((one) => one.hin === '268')?.score).toBeLessThan(800)
  })
  it('lists what carries a hazard number, and knows which numbers a substance carries', () => {
    const found = search(book, 'HIN 268', 50).map((one) => one.substance)
    expect(found.map((one) => one.un)).toEqual(expect.arrayContaining(['1005', '1050']))
    expect(found.every((one) => hinsOf(one).has('268'))).toBe(true)
    expect(hinsOf(book.substances.get('1005')!).has('33')).toBe(false)
  })
  it('finds the words of an English name in any order, and no few letters in the middle of one', () => {
    expect(search(book, 'ammonia anhydrous')[0]?.substance.un).toBe('1005')
    expect(search(book, 'MDI')).toEqual([])
    expect(search(book, 'TDI').map((one) => one.substance.un)).toEqual(['2078'])
  })
  it('finds nothing for a number that does not exist', () => expect(search(book, '9999')).toEqual([]))
  it('opens guide 111 for what nobody knows', () => {
    expect(distancesFor(book, { un: '9999', leak: true, fire: null, container: 'unknown', spill: null, in_water: null }, 'day', 'low').guide).toBe('111')
    expect(guideOf(book, '111').sections.length).toBeGreaterThan(3)
  })
  it('goes by the diamond where nothing else is known', () => {
    const by = (placard_class: string | null) => distancesFor(book, { un: null, leak: true, fire: null, container: 'unknown', spill: null, in_water: null, placard_class }, 'day', 'low').guide
    expect([by('2.3'), by('3'), by(null), by('99')]).toEqual(['123', '127', '111', '111'])
    expect(book.placards.length).toBeGreaterThan(15)
  })
  it('reads the upper half of an orange plate, which may forbid water', () => {
    expect(hinOf(book, '268/1005')?.zh).toContain('毒')
    expect(hinOf(book, 'x423')?.no_water).toBe(true)
    expect(hinOf(book, '液氨')).toBeNull()
  })
  it('refuses a wind of 999°', () => expect(() => parseWind(book, '999°', 0)).toThrow(NoWind))
  it('goes round the ellipsoid: 1000 m north and 1000 m east', () => {
    expect(destination([119.112, 34.865], 0, 1000)[1]).toBeCloseTo(34.8740142, 6)
    expect(destination([119.112, 34.865], 90, 1000)[0]).toBeCloseTo(119.1229366, 6)
  })
})

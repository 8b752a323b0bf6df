import { describe, expect, it } from 'vitest'
import type { Receptor, ZonesView } from '@/backend/plans'
import type { Camera } from '@/backend/video'
import { destination } from '@/hazmat/geometry'
import type { Point } from '@/parts/geo'
import { awaits } from '@/state/incidents'
import { PretendHub } from '../../../tests/hub'
import { cameraSights, cameraSpots, cameraTone, enterpriseSpots, frameOf, incidentSpots, receptorSpots, releaseOf, resourceSpots, sector, spread, stagingSpots, SYMBOLS, zoneShapes } from './layers'

const AT: Point = [119.14, 34.9]
const METRE_LAT = 1 / 110_950
const bearingOf = ([lon, lat]: Point): number => ((Math.atan2((lon - AT[0]) * Math.cos((AT[1] * Math.PI) / 180), lat - AT[1]) * 180) / Math.PI + 360) % 360
const camera = (id: string, change: Partial<Camera> = {}): Camera => ({
  id: `plant/${id}`, agent_id: 'plant', camera_id: id, name: id, department_id: null, enterprise_id: 'e', health: 'online', place: { lon: AT[0], lat: AT[1], bearing_deg: 90, fov_deg: 60, range_m: 200 }, ...change,
})
const circle = (radius_m: number): Point[] => Array.from({ length: 37 }, (_, n) => destination(AT, n * 10, radius_m))
const zones = (change: Partial<ZonesView> = {}): ZonesView => ({
  incident_id: 'i', drill: true, drawn_at: '', why: { zh: '', en: '' }, title: { zh: '液氨', en: 'Ammonia' }, distances: { daylight: 'day', spill: 'large', conditional: false, only_when_spilled_in_water: false, notes: [] }, wind: null, wind_source: null, junctions_to_close: [], evacuation: [], towns_to_ask: [], warnings: [], limits: [], entered: [], left: [], version: 1,
  zones: [
    { kind: 'isolation', shape: 'circle', radius: { value: 150, plus: false, table: '', edition: '', row: '' }, polygon: { coordinates: [circle(150)] }, downwind_deg: null },
    { kind: 'protective', shape: 'wedge', radius: { value: 800, plus: false, table: '', edition: '', row: '' }, polygon: { coordinates: [circle(800)] }, downwind_deg: 315 },
  ],
  affected: [], staging: { approach: { zh: '从东南进入', en: 'Approach from the south-east' }, reason: { zh: '', en: '' }, point: { lon: 119.16, lat: 34.89 } }, ...change,
})
const receptor = (id: string, kind: string, at: Point | null = AT): Receptor => ({ id, kind, name_zh: id, name_en: '', population: 10, demo: true, point: at && { lon: at[0], lat: at[1] } })

describe('what a camera sees', () => {
  it('is a sector around its bearing, as far as its range', () => {
    const ring = sector(AT, 90, 60, 200)!
    expect(ring[0]).toEqual(AT)
    expect(ring.at(-1)).toEqual(AT)
    const rim = ring.slice(1, -1)
    expect(bearingOf(rim[0]!)).toBeCloseTo(60, 0)
    expect(bearingOf(rim.at(-1)!)).toBeCloseTo(120, 0)
    const middle = rim[Math.floor(rim.length / 2)]!
    expect(middle[0] - AT[0]).toBeCloseTo((200 * METRE_LAT) / Math.cos((AT[1] * Math.PI) / 180), 4)
  })

  it('goes over north without a gap, and all round without a corner', () => {
    const rim = sector(AT, 0, 40, 100)!.slice(1, -1).map(bearingOf)
    expect(rim[0]).toBeCloseTo(340, 0)
    expect(rim.at(-1)).toBeCloseTo(20, 0)
    expect(sector(AT, 0, 360, 100)).not.toContainEqual(AT)
  })

  it('is not drawn where the register does not know it', () => {
    expect(sector(AT, 90, 60, 0)).toBeNull()
    expect(cameraSights([camera('a', { place: { lon: 119, lat: 34 } }), camera('b', { place: {} })])).toEqual([])
    expect(cameraSpots([camera('b', { place: {} })])).toEqual([])
  })

  it('says how its picture is by form and tone, not by tone alone', () => {
    expect(cameraSpots([camera('a'), camera('b', { health: 'covered' }), camera('c', { health: 'offline' })]).map((spot) => [spot.symbol, spot.tone])).toEqual([['camera', 'ok'], ['camera_unwell', 'warn'], ['camera_unwell', 'alarm-text']])
    expect(cameraTone('connecting')).toBe('muted')
  })
})

describe('zones', () => {
  it('lie wide below narrow, and the way in leads from the staging point to the release', () => {
    const shapes = zoneShapes([zones()])
    expect(shapes.map((shape) => shape.kind)).toEqual(['protective', 'isolation', 'approach'])
    const [from, to] = shapes[2]!.rings[0]!
    expect(from).toEqual([119.16, 34.89])
    expect(to![0]).toBeCloseTo(AT[0], 6)
    expect(to![1]).toBeCloseTo(AT[1], 6)
  })

  it('have no way in where no staging point is known', () => {
    expect(zoneShapes([zones({ staging: null })]).some((shape) => shape.kind === 'approach')).toBe(false)
    expect(stagingSpots([zones({ staging: null })])).toEqual([])
    expect(releaseOf(zones({ zones: [] }))).toBeNull()
  })
})

describe('what has a place', () => {
  it('is shown, and what has none is not', () => {
    const hub = new PretendHub()
    hub.open('甲')
    hub.open('乙', { place: { text: '不详' } })
    expect(incidentSpots(hub.list(), awaits).map((spot) => [spot.name.zh, spot.tone, spot.rank])).toEqual([['甲', 'alarm', 100]])
    expect(incidentSpots(hub.list(), () => false).map((spot) => [spot.tone, spot.rank]), 'for those who cannot take it').toEqual([['warn', 90]])
    expect(enterpriseSpots([{ id: 'a', zh: '甲厂', lon: 119, lat: 34, hazard_level: 2 }, { id: 'b', zh: '乙厂' }]).map((spot) => [spot.id, spot.tone])).toEqual([['a', 'grade-2']])
    const stock = { kind: 'stock', name_zh: '泡沫', department_id: 'd', capability: 'foam', quantity: 1, unit: '升' }
    expect(resourceSpots([{ id: 'a', ...stock, lon: 119, lat: 34 }, { id: 'b', ...stock }, { id: 'c', ...stock, lon: 119, lat: 34, active: false }]).map((spot) => spot.id)).toEqual(['a'])
  })

  it('stands out where it lies in a zone; towns are names and no receptors', () => {
    const hospital = receptor('h', 'hospital')
    const spots = receptorSpots([hospital, receptor('t', 'town'), receptor('n', 'village', null)], [{ receptor: hospital, distance_m: 300, zones: ['protective'] }, { receptor: receptor('s', 'school'), distance_m: 400, zones: ['protective'] }])
    expect(spots.map((spot) => [spot.id, spot.symbol, spot.tone])).toEqual([['h', 'hospital', 'alarm-text'], ['s', 'school', 'alarm-text']])
  })

  it('is told apart where several things share one place', () => {
    const here = resourceSpots(['a', 'b', 'c'].map((id) => ({ id, kind: 'stock', name_zh: id, department_id: 'd', capability: 'x', quantity: 1, unit: '个', lon: AT[0], lat: AT[1] })))
    const places = spread(here).map((spot) => spot.at.map((n) => n.toFixed(5)).join())
    expect(new Set(places).size).toBe(3)
    expect(places[0]).toBe(AT.map((n) => n.toFixed(5)).join())
  })

  it('is framed with room around it, however close together', () => {
    expect(frameOf([])).toBeNull()
    const [west, south, east, north] = frameOf([AT], 1200)!
    expect((north - south) / METRE_LAT).toBeCloseTo(1200, -2)
    expect(east - west).toBeGreaterThan(0.012)
    const wide = frameOf([AT, [119.3, 35]])!
    expect(wide[0]).toBeLessThanOrEqual(119.14)
    expect(wide[2]).toBe(119.3)
  })

  it('has a symbol that a canvas and a drawing both understand', () => {
    for (const path of Object.values(SYMBOLS)) expect(path).toMatch(/^M[\d\s.,MLHVCAaclhvz-]+z?$/i)
  })
})

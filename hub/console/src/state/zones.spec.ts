import { expect, it } from 'vitest'
import type { ZonesView } from '@/backend/plans'
import type { Change } from '@/backend/types'
import { applyZones, featuresOf, type ZoneMap } from './zones'

const ring: [number, number][][] = [[[119, 34], [119.1, 34], [119.1, 34.1], [119, 34]]]
const zone = (kind: 'isolation' | 'protective') => ({ kind, shape: 'circle', radius: { value: 100, plus: false, table: '', edition: '', row: '' }, polygon: { coordinates: ring }, downwind_deg: null })
const view = (version: number): ZonesView => ({
  incident_id: 'a', drill: false, drawn_at: '', why: { zh: '', en: '' }, title: { zh: '氨', en: 'Ammonia' }, distances: { daylight: 'day', spill: 'large', conditional: false, only_when_spilled_in_water: false, notes: [] }, zones: [zone('isolation'), zone('protective')], wind: null, wind_source: null,
  affected: [], junctions_to_close: [], evacuation: [], towns_to_ask: [], staging: { approach: { zh: '', en: '' }, reason: { zh: '', en: '' }, point: { lon: 119, lat: 34 } },
  warnings: [], limits: [], entered: [], left: [], version,
})
const change = (kind: string, body: Change['body']): Change => ({ seq: 1, kind, at: '', actor: '', subject: '', incident_id: 'a', department_id: null, drill: false, body })

it('keeps the newest drawing and drops it when the incident has ended', () => {
  const map: ZoneMap = {}
  applyZones(map, change('zone.drawn', { zones: view(2) }))
  applyZones(map, change('zone.drawn', { zones: view(1) }))
  expect(map['a']!.version).toBe(2)
  applyZones(map, change('incident.state_changed', { incident: { id: 'a', state: 'closed' } as never }))
  expect(map).toEqual({})
})

it('draws the isolation circle above the wide zone and marks where to wait', () => {
  expect(featuresOf(view(1)).map((one) => one.properties.kind)).toEqual(['protective', 'isolation', 'staging'])
})

import { describe, expect, it } from 'vitest'
import { newId } from '@/state/drafts'
import { blankLoad, blankReport, fill, plain, toWire, unreadable } from './draft'

const NOW = Date.parse('2026-11-23T06:05:00Z')

describe('a report on its way to the wire', () => {
  it('leaves out what was not said: unknown is not zero', () => {
    const draft = { ...blankReport(NOW), title: ' 罐车侧翻 ', place_text: 'G204' }
    draft.casualties.dead = '0'
    const report = JSON.parse(JSON.stringify(toWire(draft)))
    expect(report).toEqual({ id: draft.id, kind: 'initial', occurred_at: '2026-11-23T14:05:00+08:00', title: '罐车侧翻', place: { text: 'G204' }, casualties: { dead: 0 } })
  })

  it('reads full-width digits and thousands marks as people type them', () => {
    const draft = { ...blankReport(NOW), lon: '１１９．１３', lat: '34.86', loss_yuan: '1,200,000' }
    draft.hazmat = [{ ...blankLoad(), un: '１００５', quantity_kg: '25 000' }]
    const report = toWire(draft)
    expect(report.place).toMatchObject({ lon: 119.13, lat: 34.86, crs: 'WGS84' })
    expect(report.loss_yuan).toBe(1_200_000)
    expect(report.hazmat).toEqual([{ un: '1005', quantity_kg: 25_000 }])
    expect(plain('－５')).toBe('-5')
  })

  it('names the field whose number cannot be read, instead of dropping it', () => {
    const draft = blankReport(NOW)
    expect(unreadable(draft)).toBeNull()
    draft.casualties.injured = '两人'
    expect(unreadable(draft)).toBe('casualties.injured')
  })

  it('drops a load that was added and left empty', () => {
    expect(toWire({ ...blankReport(NOW), hazmat: [blankLoad()] }).hazmat).toBeUndefined()
  })

  it('keeps to its incident only as a further report', () => {
    expect(toWire({ ...blankReport(NOW), incident_id: 'x' }).incident_id).toBeUndefined()
    expect(toWire({ ...blankReport(NOW), kind: 'final', incident_id: 'x' }).incident_id).toBe('x')
  })
})

describe('what the triage found', () => {
  it('fills only what is empty, and says what it filled', () => {
    const draft = { ...blankReport(NOW), title: '我写的标题' }
    draft.casualties.dead = '1'
    const filled = fill(draft, { report: { title: '别的', place: { text: 'G204', road_km: 32.4 }, casualties: { dead: 3, injured: 2 }, event_types: ['12D00'], hazmat: [{ un: '1005', leak: true }] } })
    expect(draft.title).toBe('我写的标题')
    expect(draft.casualties).toMatchObject({ dead: '1', injured: '2' })
    expect(draft).toMatchObject({ place_text: 'G204', road_km: '32.4', event_types: ['12D00'] })
    expect(draft.hazmat[0]).toMatchObject({ un: '1005', leak: true })
    expect(filled.sort()).toEqual(['casualties.injured', 'event_types', 'hazmat', 'place_text', 'road_km'])
  })
})

describe('a text on a drill', () => {
  it('ticks the drill, and says so', () => {
    const draft = blankReport(NOW)
    expect(fill(draft, { nature: 'drill', report: { drill: true } })).toEqual(['drill'])
    expect(draft.drill).toBe(true)
  })
})

describe('an id', () => {
  it('is a UUIDv7 in lower case that begins with its time', () => {
    const id = newId(NOW)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(NOW)
    expect(newId(NOW)).not.toBe(id)
  })
})

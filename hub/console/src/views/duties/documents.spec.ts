import { expect, it } from 'vitest'
import { columnOf, entries, faultsOf, formOf, PARTS, put, rowOf, type Row, type RowForm } from './documents'

const [kinds] = PARTS.obligation_kinds!
const [limits] = PARTS.statutory_limits!
const [quiet] = PARTS.quiet_rules!
const [wordings] = PARTS.notice_templates!

it.each(Object.entries(PARTS).flatMap(([name, parts]) => parts.map((part) => [name, part] as const)))('a row of %s that nobody altered goes back as it was', (_name, part) => {
  const rows: Record<string, Row> = {
    kinds: { zh: '日报', en: 'daily', ladder: 'daily', grace_min: 30, lock_min: null, by_hand: false, note: 'kept' },
    limits: { id: 'a', duty: 'first', from_role: 'x', to_role: 'y', clock: 'told', written_min: 60, categories: ['12', '12G'], grades: ['ungraded', 'general'], zh: '甲', en: 'a', source: 's', edition: '1', valid_from: '2026-01-01', status: 'confirmed' },
    role_posts: { department: 'd', post: 'd.duty' }, templates: { zh: { title: '甲', body: '乙' }, en: { title: 'A', body: 'B' } }, digest: { at: '18:00', sign_within_min: 60, department: 'd', group: 'g', heading_zh: '要情' }, rules: { channels: ['push'], starts: '22:00', ends: '07:00', zh: '夜', en: 'night' },
  }
  const { lock_min: _none, ...wanted } = rows[part.name]!
  expect(rowOf(formOf(rows[part.name]!, part), rows[part.name]!, part)).toEqual(wanted)
})

it('fills in what is taken for granted, and says nothing that goes without saying', () => {
  const form: RowForm = { ...formOf({}, kinds!), zh: '巡查', ladder: 'slow', lock_min: 60 }
  expect([form.ack_valid_min, form.by_hand, form.grace_min]).toEqual([30, true, 0])
  expect(rowOf(form, {}, kinds!)).toEqual({ zh: '巡查', en: '巡查', ladder: 'slow', lock_min: 60 })
  expect(rowOf({ ...form, by_hand: false }, {}, kinds!)).toMatchObject({ by_hand: false })
})

it('names what is wrong at its column', () => {
  expect(faultsOf({ ...formOf({}, kinds!), grace_min: -1, zh: '甲' }, kinds!, 'Bad id', [])).toEqual({ id: 'badId', ladder: 'needed', grace_min: 'needsNumber' })
  expect(faultsOf({ ...formOf({}, quiet!), starts: '24:00', ends: '7:00', channels: ['push'] }, quiet!, '', [])).toEqual({ starts: 'needsClock', ends: 'needsClock' })
  expect(faultsOf({ ...formOf({ id: 'a' }, limits!) }, limits!, '', ['a'])).toMatchObject({ id: 'taken', zh: 'needed', source: 'needed' })
  expect(columnOf('templates.test.en.body', wordings!, 'test')).toBe('en.body')
  expect(columnOf('rules.1.starts', quiet!, '0')).toBeNull()
  expect(columnOf('digest.at', PARTS.digest_rule![0]!, 'digest')).toBe('at')
})

it('puts a row in its place, at the end, or away, and leaves the rest alone', () => {
  const list = { source: 's', rules: [{ starts: '1' }, { starts: '2' }] }
  expect(put(list, quiet!, '1', { starts: '3' })).toEqual({ source: 's', rules: [{ starts: '1' }, { starts: '3' }] })
  expect(put(list, quiet!, null, { starts: '3' }).rules).toHaveLength(3)
  expect(put(list, quiet!, '0', null).rules).toEqual([{ starts: '2' }])
  expect(put({ source: 's', digest: { at: '1' } }, PARTS.digest_rule![0]!, 'digest', { at: '2' })).toEqual({ source: 's', digest: { at: '2' } })
  const map = { kinds: { a: {}, b: {} } }
  expect(Object.keys(put(map, kinds!, 'a', null).kinds as object)).toEqual(['b'])
  expect(Object.keys(put(map, kinds!, 'a', { zh: '甲' }).kinds as object)).toEqual(['a', 'b'])
  expect(entries(map, kinds!).map((one) => one.key)).toEqual(['a', 'b'])
})

import { expect, it } from 'vitest'
import type { Change } from '@/backend/types'
import { runsOf, titleIn } from './changes'

const change = (seq: number, kind: string, text = '', actor = 'system:zones'): Change =>
  ({ seq, kind, at: '', actor, subject: '', incident_id: 'i', department_id: null, drill: false, body: { text } }) as Change
const said = (one: Change): string => String(one.body?.text ?? '')
const seqs = (changes: Change[]): number[][] => runsOf(changes, said).map((run) => run.map((one) => one.seq))

it('gathers what says the same one after the other, from three on', () => {
  expect(seqs([change(9, 'zone.drawn'), change(8, 'zone.drawn'), change(7, 'zone.drawn'), change(6, 'report.received'), change(5, 'zone.drawn'), change(4, 'zone.drawn')]))
    .toEqual([[9, 8, 7], [6], [5], [4]])
})

it('keeps apart what another did, and what says something else', () => {
  expect(seqs([change(6, 'incident.noted', 'a'), change(5, 'incident.noted', 'b'), change(4, 'incident.noted', 'b', 'person:1'), change(3, 'incident.noted', 'b', 'person:2')]))
    .toEqual([[6], [5], [4], [3]])
  expect(runsOf([], said)).toEqual([])
})

it('calls a change by the words of its notice or duty, never by an id', () => {
  const body = (held: object): Change['body'] => held as Change['body']
  expect(titleIn(body({ notices: [{ title: '催办', title_en: 'Overdue' }] }), 'en')).toBe('Overdue')
  expect(titleIn(body({ notices: [{ title: '催办', title_en: null }] }), 'en')).toBe('催办')
  expect(titleIn(body({ obligation: { title_zh: '回拨核实：甲', title_en: 'call back: 甲' } }), 'zh')).toBe('回拨核实：甲')
  expect([titleIn(null, 'zh'), titleIn(body({ recording: { id: '0197' } }), 'zh')]).toEqual(['', ''])
})

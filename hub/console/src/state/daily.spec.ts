import { describe, expect, it } from 'vitest'
import type { Change } from '@/backend/types'
import { concerns } from './daily'

const change = (kind: string, body: unknown = {}): Change => ({ seq: 1, kind, at: '', actor: '', subject: '', incident_id: null, department_id: null, drill: false, body }) as Change

describe('the board reads again', () => {
  it('after a filing, a return, a flag', () => {
    expect(concerns(change('daily.filed'))).toBe(true)
    expect(concerns(change('daily.flagged'))).toBe(true)
  })
  it('after a change of a daily duty, and of no other duty', () => {
    expect(concerns(change('obligation.missed', { obligation: { kind: 'daily_report' } }))).toBe(true)
    expect(concerns(change('obligation.made', { obligations: [{ kind: 'daily_report' }] }))).toBe(true)
    expect(concerns(change('obligation.met', { obligation: { kind: 'desk_ack' } }))).toBe(false)
    expect(concerns(change('incident.opened'))).toBe(false)
  })
})

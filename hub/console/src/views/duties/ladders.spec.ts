import { describe, expect, it } from 'vitest'
import { i18n } from '@/i18n'
import { blankLadder, faultsOf, inWords, ladderForm, ladderOf, nextStep, offsetOf, placeOf, stepForm } from './ladders'

const DAILY = {
  zh: '每日报送催办', en: 'daily report', note: 'kept', steps: [
    { offset_min: -15, whom: ['post'], channels: ['console', 'push'], ack_within_min: 10, max_age_min: 45, urgent: false, template: 'reminder' },
    { offset_min: 30, whom: ['deputy', 'post'], channels: ['push'], ack_within_min: 15, max_age_min: 720, urgent: true, template: 'overdue', remark: 'kept too' },
  ],
}

describe('the form of a ladder', () => {
  it('gives back what it was given, and what it does not know', () => {
    expect(ladderOf(ladderForm('daily', DAILY))).toEqual({ ...DAILY, steps: [DAILY.steps[0], { ...DAILY.steps[1], whom: ['post', 'deputy'] }] })
  })

  it('takes what a step leaves out as the hub does', () => {
    expect(ladderOf(ladderForm('x', { zh: '甲', en: '', steps: [{ offset_min: 0, whom: ['post'], channels: ['console'] }] }))).toEqual({
      zh: '甲', en: '甲', steps: [{ offset_min: 0, whom: ['post'], channels: ['console'], ack_within_min: 10, max_age_min: 720, urgent: false, template: 'overdue' }],
    })
  })

  it('names every fault at its field', () => {
    const form = ladderForm('daily', DAILY)
    expect(faultsOf(form, [])).toEqual({})
    form.steps[0]!.side = 'after'
    form.steps[0]!.offset_min = 31
    form.steps[1]!.whom = []
    form.steps[1]!.channels = []
    form.steps[1]!.max_age_min = 0
    expect(faultsOf(form, ['daily'])).toEqual({ id: 'taken', 'steps.1.offset_min': 'notAscending', 'steps.1.whom': 'nobody', 'steps.1.channels': 'noChannel', 'steps.1.max_age_min': 'needsMore' })
    form.steps[0]!.offset_min = ''
    form.steps[0]!.ack_within_min = 0
    form.steps[1]!.offset_min = 600_000
    expect(faultsOf(form, [])).toMatchObject({ 'steps.0.offset_min': 'needsNumber', 'steps.0.ack_within_min': 'needsMore', 'steps.1.offset_min': 'tooLong' })
    expect(faultsOf({ ...form, steps: [] }, [])).toEqual({ steps: 'noSteps' })
    expect(faultsOf(blankLadder(), [])).toEqual({ id: 'badId', zh: 'needed' })
  })

  it('asks for no acknowledgement time after the last step', () => {
    const form = ladderForm('daily', DAILY)
    form.steps[1]!.ack_within_min = 0
    expect(faultsOf(form, [])).toEqual({})
  })

  it('puts a new step half an hour after the last one, whom it reaches still to be said', () => {
    const form = ladderForm('daily', DAILY)
    const step = nextStep(form.steps)
    expect([offsetOf(step), step.whom]).toEqual([60, []])
    expect(offsetOf(stepForm({ offset_min: 0, whom: [], channels: [] }))).toBe(0)
  })

  it('knows its own field in a refusal of the hub, and no other ladder\'s', () => {
    expect(placeOf('ladders.daily.steps.3.whom', 'daily')).toBe('steps.3.whom')
    expect(placeOf('ladders.desk.steps.3.whom', 'daily')).toBeNull()
    expect(placeOf(null, 'daily')).toBeNull()
  })

  it('says who is told when in words, in both languages', () => {
    const [before, after] = ladderForm('daily', DAILY).steps
    const { t } = i18n.global as unknown as { t: (key: string, values?: Record<string, unknown>) => string }
    i18n.global.locale.value = 'zh'
    expect(inWords(before!, 'zh', t)).toBe('截止前 15 分 → 值班岗，屏幕、短信等联系方式，10 分内确认')
    expect(inWords(after!, 'zh', t)).toBe('截止后 30 分 → 值班岗、副班，短信等联系方式，15 分内确认（紧急）')
    i18n.global.locale.value = 'en'
    expect(inWords(after!, 'en', t)).toBe('30 min after due → duty post, deputy; SMS and other contacts; acknowledge within 15 min (urgent)')
    i18n.global.locale.value = 'zh'
    expect(inWords({ ...after!, offset_min: '', whom: [] }, 'zh', t)).toContain('… → …')
  })
})

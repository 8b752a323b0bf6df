// Ladders as a form: steps as they are typed, what is wrong with them and at which field, and the step in words. Pure.
import type { DutyLadder, LadderStep } from '@/backend/duties'
import type { Locale } from '@/backend/types'
import { span } from '@/parts/time'
import rules from './rules.json'

/** As the hub has them: whom a step may name and by which ways, the furthest from its due time, and what it takes for granted where a step says nothing. */
export const { whom: WHOM, channels: CHANNELS, longest_min: LONGEST_MIN } = rules
const USUAL = rules.usual.step

/** What a number field holds: nothing, where it was emptied or what was typed is no number. */
export type Typed = number | ''
export interface StepForm { key: number; side: 'before' | 'after'; offset_min: Typed; whom: string[]; channels: string[]; ack_within_min: Typed; max_age_min: Typed; urgent: boolean; template: string; rest: object }
export interface LadderForm { id: string; zh: string; en: string; steps: StepForm[]; rest: object }
/** Field (`zh`, `steps`, `steps.2.whom`) to the word for what is wrong with it. */
export type Faults = Record<string, string>

let last = 0
const typed = (value: unknown, otherwise: number): Typed => (typeof value === 'number' ? value : otherwise)

export function stepForm(step: LadderStep): StepForm {
  const { offset_min, whom, channels, ack_within_min, max_age_min, urgent, template, ...rest } = step
  return {
    key: ++last, side: offset_min < 0 ? 'before' : 'after', offset_min: Math.abs(offset_min), whom: [...whom], channels: [...channels], ack_within_min: typed(ack_within_min, USUAL.ack_within_min),
    max_age_min: typed(max_age_min, USUAL.max_age_min), urgent: urgent ?? USUAL.urgent, template: template ?? USUAL.template, rest,
  }
}

export function ladderForm(id: string, ladder: DutyLadder): LadderForm {
  const { zh, en, steps, ...rest } = ladder
  return { id, zh, en, steps: steps.map(stepForm), rest }
}

export const blankLadder = (): LadderForm => ladderForm('', { zh: '', en: '', steps: [{ offset_min: 0, whom: ['post'], channels: ['console', 'push'], ...USUAL }] })

/** A step to follow the last one: as it, half an hour later. */
export function nextStep(steps: StepForm[]): StepForm {
  const before = steps[steps.length - 1]
  return stepForm({ ...USUAL, whom: [], channels: ['console', 'push'], offset_min: before ? offsetOf(before) + 30 : 0 })
}

/** Minutes from the due time, negative before it; NaN where there is no number. */
export const offsetOf = (step: StepForm): number => (step.offset_min === '' ? NaN : step.side === 'before' ? -step.offset_min || 0 : step.offset_min)

/** The ladder as the hub keeps it. Only for forms without faults. */
export function ladderOf(form: LadderForm): DutyLadder {
  const steps = form.steps.map((step) => ({
    ...step.rest, offset_min: offsetOf(step), whom: WHOM.filter((one) => step.whom.includes(one)), channels: CHANNELS.filter((one) => step.channels.includes(one)),
    ack_within_min: Number(step.ack_within_min), max_age_min: Number(step.max_age_min), urgent: step.urgent, template: step.template,
  }))
  return { ...form.rest, zh: form.zh.trim(), en: form.en.trim() || form.zh.trim(), steps }
}

export function faultsOf(form: LadderForm, taken: string[]): Faults {
  const found: Faults = {}
  if (!/^[a-z0-9][a-z0-9_-]{0,61}$/.test(form.id)) found.id = 'badId'
  else if (taken.includes(form.id)) found.id = 'taken'
  if (!form.zh.trim()) found.zh = 'needed'
  if (!form.steps.length) found.steps = 'noSteps'
  for (const [n, step] of form.steps.entries()) Object.assign(found, stepFaults(step, `steps.${n}`, form.steps[n - 1], n === form.steps.length - 1))
  return found
}

function stepFaults(step: StepForm, at: string, before: StepForm | undefined, isLast: boolean): Faults {
  const found: Faults = {}
  const offset = offsetOf(step)
  if (Number.isNaN(offset) || (step.offset_min as number) < 0) found[`${at}.offset_min`] = 'needsNumber'
  else if (Math.abs(offset) > LONGEST_MIN) found[`${at}.offset_min`] = 'tooLong'
  else if (before && offset < offsetOf(before)) found[`${at}.offset_min`] = 'notAscending'
  if (!step.whom.length) found[`${at}.whom`] = 'nobody'
  if (!step.channels.length) found[`${at}.channels`] = 'noChannel'
  for (const name of ['ack_within_min', 'max_age_min'] as const) {
    const value = step[name]
    if (value === '' || value < 0 || (value === 0 && !(isLast && name === 'ack_within_min'))) found[`${at}.${name}`] = 'needsMore'
    else if (value > LONGEST_MIN) found[`${at}.${name}`] = 'tooLong'
  }
  return found
}

/** The place in the form that a refusal of the hub names (`ladders.daily.steps.3.whom`), or null. */
export function placeOf(field: string | null, id: string): string | null {
  const path = `ladders.${id}.`
  return field?.startsWith(path) ? field.slice(path.length) : null
}

/** A number of minutes as people say it. */
export const minutes = (value: number, locale: Locale): string => span(value * 60_000, locale)

/** The step in words, for the preview: when, whom, how, how long for an answer. `t` is the screen's translator. */
export function inWords(step: StepForm, locale: Locale, t: (key: string, values?: Record<string, unknown>) => string): string {
  const offset = offsetOf(step)
  const when = Number.isNaN(offset) ? '…' : offset === 0 ? t('duties.ladders.atDue') : t(`duties.ladders.${offset < 0 ? 'beforeDue' : 'afterDue'}`, { span: minutes(Math.abs(offset), locale) })
  const listed = (names: readonly string[], chosen: string[], words: string): string => names.filter((one) => chosen.includes(one)).map((one) => t(`${words}.${one}`)).join(t('shell.comma')) || '…'
  const how = listed(CHANNELS, step.channels, 'duties.ways')
  const answer = step.ack_within_min === '' ? '…' : minutes(step.ack_within_min, locale)
  return t(step.urgent ? 'duties.ladders.inWordsUrgent' : 'duties.ladders.inWords', { when, whom: listed(WHOM, step.whom, 'duties.whom'), how, answer })
}

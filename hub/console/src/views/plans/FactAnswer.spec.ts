import { mount } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { describe, expect, it } from 'vitest'
import type { AnswerForm } from '@/backend/plans'
import { i18n } from '@/i18n'
import { useSession } from '@/state/session'
import { useEventTypes } from '@/state/eventTypes'
import FactAnswer from './FactAnswer.vue'

const same = (value: string) => ({ value, zh: value, en: value })
function asked(form: Partial<AnswerForm> & Pick<AnswerForm, 'field' | 'kind'>, known: string[] = []) {
  const pinia = createPinia()
  useSession(pinia).may = () => true
  useEventTypes(pinia).items = [{ code: '12H00', zh: '道路交通事故', en: 'road accident' }, { code: '12H04', zh: '车辆起火', en: 'vehicle fire' }] as never
  return mount(FactAnswer, {
    props: { fact: { field: form.field, zh: '问', en: 'question', plans: [] }, form: { options: [], colours: [], units: [], whole: false, ...form }, incidentId: 'i', known, busy: false },
    global: { plugins: [i18n, pinia], stubs: { RouterLink: { props: ['to'], template: '<a :data-to="JSON.stringify(to)"><slot /></a>' } } },
  })
}

describe('the question for weather warnings', () => {
  const form = { field: 'weather.warnings', kind: 'warnings', options: ['gale', 'typhoon'].map(same), colours: ['yellow', 'orange', 'red'].map(same) } as const
  it('is answered by warnings of which each kind stands once, with the colour said last', async () => {
    const shown = asked({ ...form, options: [...form.options], colours: [...form.colours] })
    for (const [kind, colour] of [['gale', 'yellow'], ['typhoon', 'orange'], ['gale', 'red']]) {
      await shown.get('[data-test=warning-kind]').setValue(kind)
      await shown.get('[data-test=warning-colour]').setValue(colour)
      await shown.get('[data-test=warning-add]').trigger('click')
    }
    await shown.get('[data-test=warning-answer]').trigger('click')
    expect(shown.emitted('answer')).toEqual([['weather.warnings', [{ kind: 'typhoon', colour: 'orange' }, { kind: 'gale', colour: 'red' }]]])
  })

  it('is answered by one button where none is in force', async () => {
    const shown = asked({ ...form, options: [...form.options], colours: [...form.colours] })
    await shown.get('[data-test=warning-none]').trigger('click')
    expect(shown.emitted('answer')).toEqual([['weather.warnings', []]])
  })
})

describe('the question for an amount', () => {
  const units = [{ zh: '吨', en: 't', factor: 1000 }, { zh: '千克', en: 'kg', factor: 1 }]
  it('takes tonnes where it asks for tonnes, and full-width digits', async () => {
    const shown = asked({ field: 'hazmat.quantity_kg', kind: 'number', units })
    await shown.get('[data-test=answer-typed]').setValue('２５．５')
    await shown.get('form').trigger('submit')
    await shown.get('[data-test=answer-unit]').setValue('1')
    await shown.get('form').trigger('submit')
    expect(shown.emitted('answer')).toEqual([['hazmat.quantity_kg', 25_500], ['hazmat.quantity_kg', 25.5]])
  })

  it('takes no half a person and nothing that is no number', async () => {
    const shown = asked({ field: 'casualties.dead', kind: 'number', whole: true })
    for (const typed of ['1.5', '-1', '三', ' ']) {
      await shown.get('[data-test=answer-typed]').setValue(typed)
      await shown.get('form').trigger('submit')
    }
    await shown.get('[data-test=answer-typed]').setValue('3')
    await shown.get('form').trigger('submit')
    expect(shown.emitted('answer')).toEqual([['casualties.dead', 3]])
  })
})

describe('the question for what the incident itself says', () => {
  it('offers the kinds of events, those that are known chosen already', async () => {
    const shown = asked({ field: 'event_types', kind: 'event_types' }, ['12H00'])
    expect(shown.text()).toMatch(/更具体|more closely/) // not what kind it is, which is known
    expect(shown.get('[data-test=answer]').attributes('disabled')).toBeDefined()
    await shown.get('input').trigger('focus')
    await shown.get('[role=option]').trigger('mousedown')
    await shown.get('form').trigger('submit')
    expect(shown.emitted('types')).toEqual([[['12H00', '12H04']]])
  })

  it('leads to a follow-up for a place or an hour', () => {
    expect(asked({ field: 'place.position', kind: 'report' }).get('[data-test=by-report]').attributes('data-to')).toContain('"incident":"i"')
  })
})

describe('a question with a closed answer', () => {
  it('gives the values to choose from and no free text', async () => {
    const shown = asked({ field: 'hazmat.container', kind: 'choice', options: ['road_tanker', 'drum'].map(same) })
    expect(shown.find('[data-test=answer-typed]').exists()).toBe(false)
    await shown.get('[data-test=answer-choice]').setValue('drum')
    await shown.get('form').trigger('submit')
    expect(shown.emitted('answer')).toEqual([['hazmat.container', 'drum']])
  })
})

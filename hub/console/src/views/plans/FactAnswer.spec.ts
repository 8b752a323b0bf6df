import { mount } from '@vue/test-utils'
import { describe, expect, it } from 'vitest'
import { i18n } from '@/i18n'
import FactAnswer from './FactAnswer.vue'

const asked = () => mount(FactAnswer, { props: { fact: { field: 'weather.warnings', zh: '当前有哪些气象预警？', en: 'Which weather warnings are in force?' } as never, may: true, busy: false }, global: { plugins: [i18n] } })

describe('the question for weather warnings', () => {
  it('is answered by warnings of which each kind stands once, with the colour said last', async () => {
    const form = asked()
    for (const [kind, colour] of [['gale', 'yellow'], ['typhoon', 'orange'], ['gale', 'red']]) {
      await form.get('[data-test=warning-kind]').setValue(kind)
      await form.get('[data-test=warning-colour]').setValue(colour)
      await form.get('[data-test=warning-add]').trigger('click')
    }
    await form.get('[data-test=warning-answer]').trigger('click')
    expect(form.emitted('answer')).toEqual([['weather.warnings', [{ kind: 'typhoon', colour: 'orange' }, { kind: 'gale', colour: 'red' }]]])
  })

  it('is answered by one button where none is in force', async () => {
    const form = asked()
    await form.get('[data-test=warning-none]').trigger('click')
    expect(form.emitted('answer')).toEqual([['weather.warnings', []]])
  })
})

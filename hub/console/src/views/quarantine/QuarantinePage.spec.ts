import { flushPromises, mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, expect, it, vi } from 'vitest'
import { i18n } from '@/i18n'
import { useLive } from '@/state/live'
import { useSession } from '@/state/session'
import { PretendHub } from '../../../tests/hub'
import QuarantinePage from './QuarantinePage.vue'

afterEach(() => {
  useLive().stop()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

it('keeps what is being corrected and the pages that were opened while further messages are refused', async () => {
  setActivePinia(createPinia())
  const hub = new PretendHub()
  hub.refused = ['5', '4', '3', '2'].map((id) => ({ id, payload: `{"n": ${id}}` }))
  hub.serve()
  await useSession().load()
  useSession().who!.permissions.push('quarantine.replay')
  useLive().start(hub.dial)
  const page = mount(QuarantinePage, { global: { plugins: [i18n] } })
  await flushPromises()
  await page.get('[data-test=older]').trigger('click')
  await flushPromises()
  const rows = () => page.findAll('[data-test=quarantined]')
  expect(rows()).toHaveLength(4)
  await rows()[3]!.trigger('click')
  await page.get('textarea').setValue('{"n": 2, "corrected": true}')
  vi.useFakeTimers()
  hub.refused = [...['9', '8', '7', '6'].map((id) => ({ id, payload: '{}' })), ...hub.refused]
  hub.record('message.quarantined', {})
  await vi.advanceTimersByTimeAsync(1500)
  await flushPromises()
  expect(page.get('[data-test=waiting]').text()).toContain('8')
  expect(rows()).toHaveLength(4)
  expect(page.get('textarea').element.value).toBe('{"n": 2, "corrected": true}')
})

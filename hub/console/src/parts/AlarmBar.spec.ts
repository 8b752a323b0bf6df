import { flushPromises, mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createMemoryHistory, createRouter } from 'vue-router'
import { i18n } from '@/i18n'
import { useIncidents } from '@/state/incidents'
import { useLive } from '@/state/live'
import { useSession } from '@/state/session'
import { PretendHub } from '../../tests/hub'
import AlarmBar from './AlarmBar.vue'

let hub: PretendHub

beforeEach(async () => {
  setActivePinia(createPinia())
  hub = new PretendHub()
  hub.serve()
  await useSession().load()
  useIncidents()
  useLive().start(hub.dial)
  await flushPromises()
})
afterEach(() => {
  useLive().stop()
  useIncidents().mirror.forget()
  vi.unstubAllGlobals()
})

async function bar() {
  const blank = { template: '<i/>' }
  const router = createRouter({ history: createMemoryHistory(), routes: [{ path: '/', name: 'map', component: blank }, { path: '/i/:id', name: 'incident', component: blank }] })
  await router.push('/')
  return mount(AlarmBar, { global: { plugins: [i18n, router] } })
}

it('stands there as soon as a report comes in, and goes when somebody takes it', async () => {
  const alarm = await bar()
  expect(alarm.find('[data-test=alarm]').exists()).toBe(false)
  hub.open('液氨泄漏')
  await vi.waitFor(() => expect(alarm.get('[data-test=alarm]').text()).toContain('液氨泄漏'))
  await alarm.get('[data-test=take-first]').trigger('click')
  await vi.waitFor(() => expect(alarm.find('[data-test=alarm]').exists()).toBe(false))
})

it('goes as well when somebody takes it at another screen', async () => {
  const alarm = await bar()
  const id = hub.open('液氨泄漏')
  await vi.waitFor(() => expect(alarm.find('[data-test=alarm]').exists()).toBe(true))
  hub.take(id)
  await vi.waitFor(() => expect(alarm.find('[data-test=alarm]').exists()).toBe(false))
})

it('stays and says why when taking fails', async () => {
  const alarm = await bar()
  const id = hub.open('液氨泄漏')
  await vi.waitFor(() => expect(alarm.find('[data-test=alarm]').exists()).toBe(true))
  hub.answerNext('POST', `/api/v1/incidents/${id}/acknowledge`, 403, { code: 'role', message: { zh: '无权签收', en: 'not yours' } })
  await alarm.get('[data-test=take-first]').trigger('click')
  await flushPromises()
  expect(alarm.get('[data-test=alarm]').text()).toContain('无权签收')
})

it('shows whoever has waited longest, and a real report before a drill', async () => {
  const alarm = await bar()
  hub.open('演习', { drill: true, urgent: true })
  hub.open('先到')
  hub.open('后到')
  await vi.waitFor(() => expect(alarm.get('[data-test=alarm] .count b').text()).toBe('3'))
  expect(alarm.get('[data-test=alarm] a').text()).toBe('先到')
})

it('marks a drill', async () => {
  const alarm = await bar()
  hub.open('液氨泄漏', { drill: true })
  await vi.waitFor(() => expect(alarm.text()).toContain('【演练】'))
})

it('alarms nobody who could not take the report', async () => {
  const session = useSession()
  session.who = { ...session.who!, permissions: ['incident.list', 'report.file'] }
  const alarm = await bar()
  hub.open('液氨泄漏')
  await vi.waitFor(() => expect(useIncidents().sorted).toHaveLength(1))
  expect(useIncidents().waiting).toEqual([])
  expect(useIncidents().rings(useIncidents().sorted[0]!), 'nor does the key that takes it').toBe(false)
  expect(alarm.find('[data-test=alarm]').exists()).toBe(false)
})

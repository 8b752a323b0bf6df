import { flushPromises, mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { IncidentView } from '@/backend/types'
import { i18n } from '@/i18n'
import { useIncidents } from '@/state/incidents'
import { useLive } from '@/state/live'
import { useSession } from '@/state/session'
import { PretendHub } from '../../../tests/hub'
import IncidentActions from './IncidentActions.vue'

let incident: IncidentView

beforeEach(async () => {
  setActivePinia(createPinia())
  const hub = new PretendHub()
  hub.serve()
  await useSession().load()
  useSession().who!.permissions.push('incident.reopen')
  useLive().start(hub.dial)
  const id = hub.open('渔船进水')
  await vi.waitFor(() => expect(useIncidents().all[id]).toBeDefined())
  incident = useIncidents().all[id]!
})
afterEach(() => {
  useLive().stop()
  useIncidents().mirror.forget()
  vi.unstubAllGlobals()
})

const shown = async (more: Partial<IncidentView>) => {
  const actions = mount(IncidentActions, { props: { incident: { ...incident, ...more } }, global: { plugins: [i18n], stubs: { teleport: true } } })
  await flushPromises()
  return actions
}

it('says why an incident that has ended rings again, and offers to open it first of all', async () => {
  const rings = await shown({ state: 'closed', acknowledged_at: null })
  expect(rings.find('[data-test=rings-again]').exists()).toBe(true)
  expect(rings.get('[data-test=reopen]').classes()).toContain('main')
  expect((await shown({ state: 'closed', acknowledged_at: '2026-11-23T06:00:00Z' })).find('[data-test=rings-again]').exists()).toBe(false)
  expect((await shown({ state: 'unverified', acknowledged_at: null })).find('[data-test=rings-again]').exists()).toBe(false)
})

it('asks for the reason that the hub wants before it asks the hub', async () => {
  const actions = await shown({ state: 'closed', acknowledged_at: null })
  await actions.get('[data-test=reopen]').trigger('click')
  expect(actions.get('[name=reason]').attributes('required')).toBeDefined()
})

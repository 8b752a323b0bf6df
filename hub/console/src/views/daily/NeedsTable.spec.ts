import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, it } from 'vitest'
import { createMemoryHistory, createRouter } from 'vue-router'
import { i18n } from '@/i18n'
import type { Session } from '@/backend/types'
import { useSession } from '@/state/session'
import NeedsTable from './NeedsTable.vue'

beforeEach(() => setActivePinia(createPinia()))

function banner(year: number | null, ...permissions: string[]) {
  useSession().who = { permissions } as unknown as Session
  const router = createRouter({ history: createMemoryHistory(), routes: [{ path: '/', component: NeedsTable }, { path: '/calendar', name: 'calendar', component: NeedsTable }] })
  return mount(NeedsTable, { props: { year }, global: { plugins: [i18n, router] } })
}

it('leads whoever keeps the calendar to the form', () => {
  const one = banner(2027, 'admin.data')
  expect(one.text()).toContain('2027')
  expect(one.get('a').attributes('href')).toBe('/calendar')
})

it('says whom to ask to everybody else, and nothing where no table is missing', () => {
  const other = banner(2027, 'daily.board')
  expect(other.find('a').exists()).toBe(false)
  expect(other.text()).toContain('系统管理员')
  expect(banner(null, 'admin.data').text()).toBe('')
})

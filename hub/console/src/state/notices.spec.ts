import { createPinia, setActivePinia } from 'pinia'
import { afterEach, expect, it, vi } from 'vitest'
import { notices as backend } from '@/backend/roster'
import type { Notice, Session } from '@/backend/types'
import { bodyOf, byDuty, concerns, titleOf, useNotices } from './notices'
import { useSession } from './session'

afterEach(() => vi.restoreAllMocks())

const notice = (id: string, more: Partial<Notice> = {}): Notice => ({
  id, channel: 'console', to: 'post:p', title: '催办', body: '正文', title_en: 'Overdue', body_en: 'text', template: 'overdue', state: 'sent', created_at: '', expires_at: '',
  urgent: false, drill: false, attempts: 0, department_id: 'd', incident_id: null, obligation_id: null, post_id: 'p', sent_at: null, error: null, read_at: null, ...more,
})

it('speaks the reader\'s language, and takes apart what was kept in both', () => {
  expect([titleOf(notice('1'), 'zh'), titleOf(notice('1'), 'en'), bodyOf(notice('1'), 'en')]).toEqual(['催办', 'Overdue', 'text'])
  const old = notice('2', { title: '催办 / Overdue', title_en: null, body_en: null })
  expect([titleOf(old, 'zh'), titleOf(old, 'en'), bodyOf(old, 'en')]).toEqual(['催办', 'Overdue', '正文'])
  expect(titleOf(notice('3', { title: '水位 3.2 / 警戒 3.0' }), 'zh')).toBe('水位 3.2 / 警戒 3.0')
})

it('says one thing once: the newest step of a duty, and reading it reads those before', () => {
  const found = byDuty([notice('3', { obligation_id: 'a' }), notice('2'), notice('1', { obligation_id: 'a', urgent: true }), notice('0')])
  expect(found.map((one) => [one.newest.id, one.ids, one.urgent])).toEqual([['3', ['3', '1'], true], ['2', ['2'], false], ['0', ['0'], false]])
})

it('is asked for again after what may alter it, not after every new duty', () => {
  const change = (kind: string) => ({ kind }) as never
  expect(['notice.read', 'obligation.met', 'obligation.escalated', 'incident.state_changed'].every((kind) => concerns(change(kind)))).toBe(true)
  expect(['obligation.made', 'incident.opened'].some((kind) => concerns(change(kind)))).toBe(false)
})

it('shows nobody what was asked for by the person before', async () => {
  setActivePinia(createPinia())
  const session = useSession()
  const sign_in = (id: string): void => (session.who = { person: { id } } as Session) && undefined
  const answers: ((page: { items: Notice[] }) => void)[] = []
  vi.spyOn(backend, 'pending').mockImplementation(() => new Promise((done) => answers.push(done as never)))
  sign_in('a')
  const letGo = useNotices().follow()
  sign_in('b')
  letGo()
  useNotices().follow()
  answers[0]!({ items: [notice('of a')] })
  answers[1]!({ items: [notice('of b')] })
  await vi.waitFor(() => expect(useNotices().loaded).toBe(true))
  expect(useNotices().items.map((one) => one.id)).toEqual(['of b'])
})

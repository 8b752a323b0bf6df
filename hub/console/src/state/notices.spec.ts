import { createPinia, setActivePinia } from 'pinia'
import { afterEach, expect, it, vi } from 'vitest'
import { notices as backend } from '@/backend/roster'
import type { Notice, Session } from '@/backend/types'
import { bodyOf, byDuty, byRule, concerns, titleOf, useNotices } from './notices'
import { useSession } from './session'
import { useUndo } from './undo'

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
  const answers: ((page: { items: Notice[]; rules: Record<string, string> }) => void)[] = []
  vi.spyOn(backend, 'pending').mockImplementation(() => new Promise((done) => answers.push(done as never)))
  sign_in('a')
  const letGo = useNotices().follow()
  sign_in('b')
  letGo()
  useNotices().follow()
  answers[0]!({ items: [notice('of a')], rules: {} })
  answers[1]!({ items: [notice('of b')], rules: {} })
  await vi.waitFor(() => expect(useNotices().loaded).toBe(true))
  expect(useNotices().items.map((one) => one.id)).toEqual(['of b'])
})

it('gathers what is owed under one rule, the newest on top; another rule, way of telling, message or a drill stands for itself', () => {
  const clock = (id: string, more: Partial<Notice> = {}): Notice => notice(id, { obligation_id: `d${id}`, template: 'clock', ...more })
  const rules = { d9: 'phone', d8: 'phone', d7: 'written', d6: 'phone', d5: 'phone' }
  const groups = byRule(byDuty([clock('9'), clock('8'), clock('7'), clock('6', { template: 'overdue' }), clock('5', { drill: true }), notice('4', { title: '甲' }), notice('3', { title: '乙' }), notice('2', { title: '甲' })]), rules)
  expect(groups.map((one) => one.ids)).toEqual([['9', '8'], ['7'], ['6'], ['5'], ['4', '2'], ['3']])
  expect(groups[0]!.others.map((one) => one.newest.id)).toEqual(['8'])
})

it('puts what comes first of its rule on top of what has been coming all along', () => {
  const old = Array.from({ length: 80 }, (_, n) => notice(`o${n}`, { obligation_id: `o${n}`, urgent: true }))
  const groups = byRule(byDuty([notice('new', { obligation_id: 'new', urgent: true }), ...old]), { new: 'first', ...Object.fromEntries(old.map((one) => [one.obligation_id!, 'usual'])) })
  expect(groups.map((one) => [one.first.newest.id, one.others.length])).toEqual([['new', 0], ['o0', 79]])
})

it('takes a group off the screen at once and brings it back where that is undone', async () => {
  setActivePinia(createPinia())
  vi.spyOn(backend, 'pending').mockResolvedValue({ items: [notice('2'), notice('1')], rules: {}, seq: 1 })
  const sent = vi.spyOn(backend, 'read').mockResolvedValue(undefined as never)
  const [notices, undo] = [useNotices(), useUndo()]
  await notices.load()
  notices.readSoon(['2', '1'], 'two', (read) => read())
  expect(notices.waiting).toEqual([])
  undo.undo(undo.held[0]!.id)
  expect(notices.waiting.map((one) => one.newest.id)).toEqual(['2', '1'])
  notices.readSoon(['2', '1'], 'two', (read) => read())
  undo.send(undo.held[0]!.id, false)
  await vi.waitFor(() => expect(notices.items).toEqual([]))
  expect(sent).toHaveBeenCalledOnce()
})

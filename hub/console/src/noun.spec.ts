import { expect, it } from 'vitest'
import { homeOf, mayEnter, navigation } from './noun'

const who = (...held: string[]) => (action: string): boolean => held.includes(action)

it.each([
  ['the desk', who('incident.list', 'incident.take', 'daily.board', 'daily.file', 'admin.health'), 'incidents'],
  ['a department', who('incident.list', 'daily.board', 'daily.file', 'organisation.read'), 'daily'],
  ['a responder', who('incident.list', 'obligation.list', 'organisation.read'), 'incidents'],
  ['the auditor', who('incident.list', 'audit.read', 'organisation.read'), 'audit'],
  ['the system administrator', who('organisation.read', 'admin.health', 'admin.settings', 'admin.data'), 'system'],
  ['the security administrator', who('organisation.read', 'admin.health', 'admin.appoint'), 'organisation'],
  ['the audit administrator', who('organisation.read', 'admin.health', 'audit.read'), 'audit'],
  ['whoever may alter settings and see no page of them', who('admin.settings', 'hazmat.read'), 'hazmat'],
  ['somebody between two posts', who(), 'account'],
])('begins where %s has work', (_, may, page) => {
  expect(homeOf(may)).toBe(page)
  expect(mayEnter(page, may)).toBe(true)
})

it('leads nobody to a page that shows them nothing', () => {
  expect(mayEnter('incidents', who('admin.settings'))).toBe(false)
  expect(mayEnter('incident', who())).toBe(true)
  expect(navigation.filter((one) => one.home).map((one) => one.to)).toContain('incidents')
})

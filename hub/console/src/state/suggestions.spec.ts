import { expect, it } from 'vitest'
import type { Change } from '@/backend/types'
import { applySuggestion, type SuggestionMap } from './suggestions'

const matched = (version: number, plans: string[]): Change => ({
  seq: version, kind: 'plan.matched', at: '', actor: '', subject: '', incident_id: 'a', department_id: null, drill: false,
  body: { match: { incident_id: 'a', version, applicable: plans.length, plans: plans.map((plan_id) => ({ plan_id, title: { zh: plan_id, en: plan_id }, state: 'satisfied' as const })) } },
})

it('keeps the first plan of the newest matching', () => {
  const map: SuggestionMap = {}
  applySuggestion(map, matched(2, ['gas', 'general']))
  applySuggestion(map, matched(1, ['fire']))
  expect(map).toEqual({ a: { incident_id: 'a', version: 2, plan_id: 'gas', title: { zh: 'gas', en: 'gas' }, state: 'satisfied', others: 1 } })
  applySuggestion(map, matched(3, []))
  expect(map).toEqual({})
})

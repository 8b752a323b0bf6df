import { expect, it } from 'vitest'
import type { Obligation } from '@/backend/types'
import { PretendHub } from '../../tests/hub'
import { applyDuties, isOwed, type DutyMap } from './duties'

it('holds after every change exactly what is still owed', () => {
  const hub = new PretendHub()
  const id = hub.open('甲')
  const map: DutyMap = {}
  const check = () => {
    applyDuties(map, hub.log.at(-1)!)
    expect(Object.values(map)).toEqual(hub.get(id).obligations.filter(isOwed))
  }
  hub.owe(id)
  check()
  hub.owe(id, 'returned')
  check()
  hub.owe(id, 'met')
  check()
  expect(map).toEqual({})
})

it('does not let an older version come back', () => {
  const hub = new PretendHub()
  const id = hub.open('甲')
  hub.owe(id)
  const old = hub.log.at(-1)!
  hub.owe(id, 'returned')
  const map: DutyMap = {}
  applyDuties(map, hub.log.at(-1)!)
  applyDuties(map, old)
  expect(Object.values(map).map((one: Obligation) => one.state)).toEqual(['returned'])
})

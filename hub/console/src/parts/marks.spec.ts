import { expect, it } from 'vitest'
import { awaits, byUrgency } from '@/state/incidents'
import { PretendHub } from '../../tests/hub'
import { marksOf } from './marks'
import type { Point } from './geo'

const same = (point: Point): Point => point
const place = (lon: number, lat: number) => ({ place: { text: null, lon, lat } as never })

it('puts incidents that would cover one another under one mark, led by the first in the order of the desk', () => {
  const hub = new PretendHub()
  hub.open('甲', place(1, 1))
  const newer = hub.open('乙', place(2, 2))
  const far = hub.open('丙', place(50, 50))
  const marks = marksOf(hub.list().sort(byUrgency), same, 10, null, awaits)
  expect(marks.map((mark) => [mark.lead.id, mark.count])).toEqual([[far, 1], [newer, 2]])
})

it('keeps the chosen one, and those that wait, in sight', () => {
  const hub = new PretendHub()
  const [chosen, taken, waits] = [hub.open('甲', place(1, 1)), hub.open('乙', place(1, 1)), hub.open('丙', place(1, 1))]
  hub.take(taken)
  hub.take(chosen)
  const marks = marksOf(hub.list().sort(byUrgency), same, 10, chosen, awaits)
  expect(marks.find((mark) => mark.selected)?.lead.id).toBe(chosen)
  expect(marks.find((mark) => mark.waits)?.lead.id).toBe(waits)
  expect(marks).toHaveLength(3)
})

it('marks none as waiting for whoever cannot take any', () => {
  const hub = new PretendHub()
  hub.open('甲', place(1, 1))
  expect(marksOf(hub.list(), same, 10, null, () => false).map((mark) => mark.waits)).toEqual([false])
})

it('leaves out what has no point', () => {
  const hub = new PretendHub()
  hub.open('甲', { place: { text: '某处', lon: null, lat: null } as never })
  expect(marksOf(hub.list(), same, 10, null, awaits)).toEqual([])
})

it('draws thousands as few', () => {
  const hub = new PretendHub()
  const one = hub.get(hub.open('甲', place(0, 0))).incident
  const many = Array.from({ length: 5000 }, (_, n) => ({ ...one, id: `i${n}`, place: { ...one.place, lon: n % 100, lat: n % 70 } }))
  const marks = marksOf(many, same, 25, null, awaits)
  expect(marks.length).toBeLessThanOrEqual(12)
  expect(marks.reduce((sum, mark) => sum + mark.count, 0)).toBe(5000)
})

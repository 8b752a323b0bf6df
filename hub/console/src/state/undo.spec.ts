import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { HOLD_MS, useUndo } from './undo'

beforeEach(() => {
  vi.useFakeTimers()
  setActivePinia(createPinia())
})
afterEach(() => vi.useRealTimers())

it('does what was asked after the time for second thoughts', () => {
  const done: boolean[] = []
  useUndo().hold('关闭', (leaving) => done.push(leaving))
  vi.advanceTimersByTime(HOLD_MS - 1)
  expect(done).toEqual([])
  vi.advanceTimersByTime(1)
  expect(done).toEqual([false])
  expect(useUndo().held).toEqual([])
})

it('does nothing when it is taken back', () => {
  const done: boolean[] = []
  const undo = useUndo()
  undo.undo(undo.hold('关闭', () => done.push(true)))
  vi.advanceTimersByTime(HOLD_MS * 2)
  expect(done).toEqual([])
})

it('sends what is held when the page is left, once', () => {
  const done: boolean[] = []
  const undo = useUndo()
  undo.hold('关闭', (leaving) => done.push(leaving))
  undo.sendAll()
  vi.advanceTimersByTime(HOLD_MS * 2)
  expect(done).toEqual([true])
})

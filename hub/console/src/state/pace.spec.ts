import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { BREATH_MS, paced } from './pace'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

it('tells at once in quiet hours', () => {
  const tell = vi.fn()
  const pace = paced(tell)
  pace.soon()
  expect(tell).toHaveBeenCalledTimes(1)
  vi.advanceTimersByTime(BREATH_MS + 1)
  pace.soon()
  expect(tell).toHaveBeenCalledTimes(2)
})

it('tells once a breath in a flood, and of the last one too', () => {
  const told: number[] = []
  let come = 0
  const pace = paced(() => told.push(come))
  for (let n = 0; n < 1000; n++) {
    come += 1
    pace.soon()
    vi.advanceTimersByTime(1)
  }
  vi.advanceTimersByTime(500)
  expect(told.length).toBeLessThanOrEqual(1000 / BREATH_MS + 2)
  expect(told.length).toBeGreaterThan(5)
  expect(told.at(-1)).toBe(1000)
})

it('goes on where no picture is drawn', () => {
  vi.stubGlobal('requestAnimationFrame', () => 0)
  const tell = vi.fn()
  const pace = paced(tell)
  pace.soon()
  pace.soon()
  vi.advanceTimersByTime(1000)
  expect(tell).toHaveBeenCalledTimes(2)
})

it('does not tell twice of what the person at the screen has done', () => {
  const tell = vi.fn()
  const pace = paced(tell)
  pace.soon()
  pace.soon()
  pace.now()
  vi.advanceTimersByTime(1000)
  expect(tell).toHaveBeenCalledTimes(2)
})

import { describe, expect, it } from 'vitest'
import { Strip, type Laid } from './strip'

const rows = (...ids: string[]): Laid[] => ids.map((id) => ({ id, key: id, estimate_px: 50 }))
const many = (n: number): Laid[] => rows(...Array.from({ length: n }, (_, at) => `r${at}`))

describe('a long list', () => {
  it('draws what is in sight and somewhat more, however many rows there are', () => {
    const strip = new Strip()
    strip.lay(many(10_000))
    expect(strip.span(0, 500, 0)).toEqual({ first: 0, end: 11 })
    expect(strip.span(100_000, 500, 250)).toEqual({ first: 1995, end: 2016 })
    expect(strip.span(1e9, 500, 0).end).toBe(10_000)
    expect(strip.height_px).toBe(500_000)
  })

  it('is empty without rows', () => {
    const strip = new Strip()
    strip.lay([])
    expect(strip.span(0, 500, 100)).toEqual({ first: 0, end: 0 })
    expect(strip.height_px).toBe(0)
  })

  it('takes measured heights in place of estimates, and says whether anything moved', () => {
    const strip = new Strip()
    strip.lay(rows('a', 'b', 'c'))
    expect(strip.measured(new Map([['a', 80]]))).toBe(true)
    expect(strip.measured(new Map([['a', 80]]))).toBe(false)
    expect([0, 1, 2, 3].map((n) => strip.top(n))).toEqual([0, 80, 130, 180])
    expect([0, 79, 80, 129, 130, 999].map((px) => strip.at(px))).toEqual([0, 0, 1, 1, 2, 2])
    strip.forget()
    expect(strip.height_px).toBe(150)
  })

  it('estimates a row anew when its key changes', () => {
    const strip = new Strip()
    strip.lay([{ id: 'a', key: 'a:waits', estimate_px: 90 }])
    strip.measured(new Map([['a:waits', 88]]))
    strip.lay([{ id: 'a', key: 'a:rests', estimate_px: 60 }])
    expect(strip.height_px).toBe(60)
  })

  it('keeps in its place what somebody reads when rows come in above it', () => {
    const strip = new Strip()
    strip.lay(rows('a', 'b', 'c'))
    const anchor = strip.anchor(70)!
    expect(anchor).toEqual({ id: 'b', above_px: 20 })
    strip.lay(rows('new', 'newer', 'a', 'b', 'c'))
    expect(strip.back(anchor)).toBe(170)
    strip.lay(rows('a', 'c'))
    expect(strip.back(anchor)).toBeNull()
  })

  it('holds nothing at the top, so that new rows are seen', () => {
    const strip = new Strip()
    strip.lay(rows('a', 'b'))
    expect(strip.anchor(0)).toBeNull()
  })

  it('keeps a row that is asked for where it is, as long as any of it is in sight', () => {
    const strip = new Strip()
    strip.lay(rows('a', 'b', 'c'))
    const anchor = strip.anchorAt('b', 0, 60)!
    strip.lay(rows('new', 'newer', 'a', 'b', 'c'))
    expect(strip.back(anchor)).toBe(100)
    expect(strip.anchorAt('b', 0, 150)).toBeNull()
    expect(strip.anchorAt('b', 200, 150)).toBeNull()
    expect(strip.anchorAt('gone', 0, 150)).toBeNull()
  })

  it('does not remember the heights of rows that are long gone', () => {
    const strip = new Strip()
    for (let n = 0; n < 30; n++) {
      const batch = rows(...Array.from({ length: 50 }, (_, at) => `${n}-${at}`))
      strip.lay(batch)
      strip.measured(new Map(batch.map((row) => [row.key, 70])))
    }
    expect((strip as unknown as { heights: Map<string, number> }).heights.size).toBeLessThan(400)
  })
})

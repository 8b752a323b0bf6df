import { describe, expect, it } from 'vitest'
import { coarse, counter, dayOf, fromInput, hourMinute, moment, readMoment, span, toInput } from './time'

const NOW = Date.parse('2026-11-23T06:07:10Z')

describe('a time as somebody types it', () => {
  it.each([
    ['1405', '2026-11-23T14:05'], ['14:05', '2026-11-23T14:05'], ['905', '2026-11-23T09:05'], ['１４：０５', '2026-11-23T14:05'],
    ['22 23:50', '2026-11-22T23:50'], ['11-21 8:00', '2026-11-21T08:00'], ['11月21日 8:00', '2026-11-21T08:00'], ['2025-12-31 23:59', '2025-12-31T23:59'],
    ['2026-11-23T14:05', '2026-11-23T14:05'], ['2350', '2026-11-22T23:50'],
  ])('%s is %s', (typed, meant) => expect(readMoment(typed, NOW)).toBe(meant))

  it('alone is the next such time where the future is meant', () => {
    expect(readMoment('2350', NOW, true)).toBe('2026-11-23T23:50')
    expect(readMoment('0800', NOW, true)).toBe('2026-11-24T08:00')
  })

  it.each(['', '25:00', '14:75', '2-30 10:00', 'abc', '2026-13-01 10:00'])('“%s” is none', (typed) => expect(readMoment(typed, NOW)).toBeNull())
})

describe('times on the screen', () => {
  it('are Beijing times wherever the browser is', () => {
    expect(hourMinute('2026-11-23T06:05:00Z')).toBe('14:05')
    expect(hourMinute('2026-11-23T16:30:00Z')).toBe('00:30')
    expect(dayOf('2026-11-22T16:00:00Z')).toBe('2026-11-23')
  })

  it('name the day only where it is another, and the year only where it is another', () => {
    expect(moment('2026-11-23T06:05:00Z', NOW, 'zh')).toBe('14:05')
    expect(moment('2026-11-21T06:05:00Z', NOW, 'zh')).toBe('11/21 14:05')
    expect(moment('2025-11-21T06:05:00Z', NOW, 'zh')).toBe('2025-11-21 14:05')
    expect(moment(null, NOW, 'zh')).toBe('—')
    expect(moment('not a time', NOW, 'en')).toBe('—')
  })

  it('go to a field and back without moving', () => {
    expect(toInput('2026-11-23T06:05:00Z')).toBe('2026-11-23T14:05')
    expect(fromInput('2026-11-23T14:05')).toBe('2026-11-23T14:05:00+08:00')
    expect(Date.parse(fromInput(toInput('2026-11-23T06:05:00Z'))!)).toBe(Date.parse('2026-11-23T06:05:00Z'))
    expect(fromInput('')).toBeNull()
  })

  it('tell spans in the two largest units, and never a negative one', () => {
    expect(span(45_000, 'zh')).toBe('45 秒')
    expect(span(200_000, 'zh')).toBe('3 分 20 秒')
    expect(span(7_200_000, 'en')).toBe('2 h')
    expect(span(-5, 'en')).toBe('0 s')
    expect(coarse(5_460_000, 'zh')).toBe('1 小时')
    expect(coarse(59_000, 'en')).toBe('59 s')
  })

  it('count up in minutes and seconds', () => {
    expect(counter(42_000)).toBe('0:42')
    expect(counter(3_729_000)).toBe('1:02:09')
  })
})

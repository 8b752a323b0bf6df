import { describe, expect, it } from 'vitest'
import { blankField, daysAsText, freeField, newest, readDays, readTimes } from './settings'

describe('the editors of the daily duty', () => {
  it('show the newest version of each form', () => {
    const found = newest([{ id: 'b', version: 1 }, { id: 'a', version: 2 }, { id: 'a', version: 10 }, { id: 'a', version: 3 }])
    expect(found).toEqual([{ id: 'a', version: 10 }, { id: 'b', version: 1 }])
  })

  it('never give a new field a name that is taken', () => {
    expect(freeField([blankField(1), blankField(3)])).toBe(4)
    expect(freeField([blankField(2)])).toBe(3)
  })

  it('read deadlines as they are typed, full-width colons and commas too', () => {
    expect(readTimes('17:00，9：00 、24:00 9:00')).toEqual(['09:00', '17:00', '24:00'])
    expect(readTimes('')).toEqual([])
    for (const wrong of ['25:00', '9.30', '17:60', 'x']) expect(readTimes(wrong), wrong).toBeNull()
  })

  it('read the official notice line by line, a span of days in one line', () => {
    const { days, wrong } = readDays('2027-01-01..2027-01-03 放假 元旦\n\n2027-01-09 上班\n2028-02-29 holiday', 'notice')
    expect(wrong).toBeNull()
    expect(days.map((one) => `${one.day} ${one.kind}`)).toEqual(['2027-01-01 holiday', '2027-01-02 holiday', '2027-01-03 holiday', '2027-01-09 makeup', '2028-02-29 holiday'])
    expect(days[0]).toMatchObject({ zh: '元旦', source: 'notice' })
    expect(readDays(daysAsText(days), 'notice').days).toEqual(days)
  })

  it('name the first line that cannot be read', () => {
    for (const line of ['2027-13-01 放假', '2027-01-05..2027-01-01 放假', '2027-01-01 sometimes', '元旦放假', '2027-01-01..2027-12-31 放假']) expect(readDays(`2027-01-01 放假\n${line}`, '').wrong, line).toBe(2)
  })
})

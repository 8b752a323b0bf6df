import { describe, expect, it } from 'vitest'
import { blankField, daysOf, freeField, isDay, monthsOf, newest, readDays, readTimes, spanFaults, spansOf, withDays, type Span } from './settings'

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
    expect(daysOf(spansOf(days))).toEqual(days)
  })

  it('name the first line that cannot be read', () => {
    for (const line of ['2027-13-01 放假', '2027-02-29 放假', '2027-01-05..2027-01-01 放假', '2027-01-01 sometimes', '元旦放假', '2027-01-01..2027-12-31 放假']) expect(readDays(`2027-01-01 放假\n${line}`, '').wrong, line).toBe(2)
  })

  const span = (first: string, last: string, more: Partial<Span> = {}): Span => ({ first, last, kind: 'holiday', zh: '春节', source: 's', ...more })

  it('show days that follow one another as one row, and keep what each row says besides', () => {
    const spans = [span('2028-02-27', '2028-03-01', { en: 'Spring Festival' }), span('2028-03-02', '2028-03-02', { kind: 'makeup' }), span('2028-03-03', '2028-03-03', { kind: 'makeup', source: 'other' })]
    expect(daysOf(spans).map((one) => one.day)).toEqual(['2028-02-27', '2028-02-28', '2028-02-29', '2028-03-01', '2028-03-02', '2028-03-03'])
    expect(spansOf(daysOf(spans).reverse())).toEqual(spans)
  })

  it('name the row that is wrong', () => {
    expect(isDay('2028-02-29') && !isDay('2027-02-29') && !isDay('')).toBe(true)
    expect(spanFaults([span('2027-01-02', '2027-01-01'), span('', ''), span('2027-02-05', '2027-02-11'), span('2027-02-11', '2027-02-12'), span('2027-03-01', '2027-06-01')])).toEqual({ 0: 'backwards', 1: 'badDay', 3: 'twice', 4: 'tooLong' })
  })

  it('add days to the rows, and leave a row that is not filled in yet as it is', () => {
    const begun = span('2027-05-01', '')
    expect(withDays([begun, span('2027-01-01', '2027-01-02')], daysOf([span('2027-01-03', '2027-01-03')]))).toEqual([span('2027-01-01', '2027-01-03'), begun])
  })

  it('lay a year out by weeks from Monday, weekends where nothing else is said', () => {
    const months = monthsOf(2027, [span('2027-01-01', '2027-01-03'), span('2027-01-09', '2027-01-09', { kind: 'makeup' })])
    expect(months).toHaveLength(12)
    expect(months[0]!.slice(0, 5).map((one) => one?.day ?? null)).toEqual([null, null, null, null, '2027-01-01'])
    expect(months.flat().filter((one) => one?.kind === 'holiday').map((one) => one!.day)).toEqual(['2027-01-01', '2027-01-02', '2027-01-03'])
    expect(months.flat().find((one) => one?.day === '2027-01-09')).toMatchObject({ kind: 'makeup', own: true })
    expect(months.flat().filter(Boolean)).toHaveLength(365)
    expect(monthsOf(2028, []).flat().filter(Boolean)).toHaveLength(366)
  })
})

// Values of the editors of the daily duty: blank forms, the newest versions, and the two ways between a calendar's days and lines of text.
import type { CalendarDocument, FieldKind, Schedule, Template, TemplateField } from '@/backend/daily'

export const FIELD_KINDS: FieldKind[] = ['count', 'yes_no', 'text', 'table', 'attachments']
export const MEASURES = ['incidents', 'dead', 'missing', 'injured', 'evacuated', 'follow_ups', 'camera_outages', 'tasks'] as const
export const DAY_KINDS = ['holiday', 'makeup', 'workday', 'weekend'] as const
type DayKind = (typeof DAY_KINDS)[number]
const WORDS: Record<string, DayKind> = { 休: 'holiday', 假: 'holiday', 放假: 'holiday', 节假日: 'holiday', 班: 'makeup', 上班: 'makeup', 调休上班: 'makeup', 工作日: 'workday', 周末: 'weekend' }

export const blankField = (n: number): TemplateField => ({
  id: `field_${n}`, kind: 'count', zh: '', en: '', required: false, measure: null, max: 10_000_000, max_length: 5_000, max_rows: 100, columns: [], unit_zh: '', unit_en: '',
})
export const blankTemplate = (from: string): Template => ({
  id: '', version: 1, zh: '', en: '', fields: [blankField(1)], zero: true, departments: ['*'], valid_from: from, valid_to: null, source: '', edition: '',
})
export const blankSchedule = (from: string, template: string): Schedule => ({
  id: '', version: 1, template, zh: '', en: '', valid_from: from, valid_to: null, departments: ['*'], except_departments: [], lock_min: 1_440, source: '', edition: '',
  rule: { times: ['17:00'], days: 'every', sensitive_times: [], day_offset: 0, open_before_min: 480, grace_min: 30 },
})

/** The newest version of each, by id. */
export function newest<T extends { id: string; version: number }>(versions: T[]): T[] {
  const best = new Map<string, T>()
  for (const one of versions) if (one.version >= (best.get(one.id)?.version ?? 0)) best.set(one.id, one)
  return [...best.values()].sort((a, b) => a.id.localeCompare(b.id))
}

/** A name for a field that is not taken yet. */
export function freeField(fields: TemplateField[]): number {
  let n = fields.length + 1
  while (fields.some((one) => one.id === `field_${n}`)) n += 1
  return n
}

/** `17:00 9:00，21：00` as sorted times `HH:MM`; null where one of them is no time. */
export function readTimes(text: string): string[] | null {
  const parts = text.replace(/：/g, ':').split(/[\s,，、;；]+/).filter(Boolean)
  const times = parts.map((part) => /^(\d{1,2}):([0-5]\d)$/.exec(part)).map((m) => (m && (Number(m[1]) < 24 || m[0] === '24:00') ? `${m[1]!.padStart(2, '0')}:${m[2]}` : null))
  return times.includes(null) ? null : [...new Set(times as string[])].sort()
}

type OwnDay = CalendarDocument['days'][number]
/** Consecutive days that are the same, as one row of the form. */
export interface Span { first: string; last: string; kind: OwnDay['kind']; zh: string; source: string; en?: string }

const DAY_MS = 86_400_000
const after = (day: string, n = 1): string => new Date(Date.parse(`${day}T00:00:00Z`) + n * DAY_MS).toISOString().slice(0, 10)
/** A day of the calendar, `2028-02-29` but not `2027-02-29`. */
export const isDay = (text: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(`${text}T00:00:00Z`)) && after(text, 0) === text

export function spansOf(days: OwnDay[]): Span[] {
  const spans: Span[] = []
  for (const one of [...days].sort((a, b) => (a.day < b.day ? -1 : 1))) {
    const held = spans[spans.length - 1]
    const next: Span = { first: one.day, last: one.day, kind: one.kind, zh: one.zh ?? '', source: one.source ?? '', ...(one.en ? { en: one.en } : {}) }
    if (held && after(held.last) === one.day && held.kind === next.kind && held.zh === next.zh && held.source === next.source && held.en === next.en) held.last = one.day
    else spans.push(next)
  }
  return spans
}

export function daysOf(spans: Span[]): OwnDay[] {
  return spans.flatMap(({ first, last, kind, zh, source, en }) => {
    const days: OwnDay[] = []
    for (let day = first; day <= last; day = after(day)) days.push({ day, kind, zh, ...(en ? { en } : {}), ...(source ? { source } : {}) })
    return days
  })
}

/** What is wrong with each row, by its place: no day, an end before the beginning, more than two months, a day that another row names too. */
export function spanFaults(spans: Span[]): Record<number, 'badDay' | 'backwards' | 'tooLong' | 'twice'> {
  const found: Record<number, 'badDay' | 'backwards' | 'tooLong' | 'twice'> = {}
  const seen = new Set<string>()
  for (const [n, one] of spans.entries()) {
    if (!isDay(one.first) || !isDay(one.last)) found[n] = 'badDay'
    else if (one.last < one.first) found[n] = 'backwards'
    else if (one.last > after(one.first, 60)) found[n] = 'tooLong'
    else for (const { day } of daysOf([one])) {
      if (seen.has(day)) found[n] = 'twice'
      seen.add(day)
    }
  }
  return found
}

/** The rows with which nothing is wrong. */
export function soundOf(spans: Span[]): Span[] {
  const wrong = spanFaults(spans)
  return spans.filter((_, n) => !(n in wrong))
}

/** The rows with these days among them; a row that is not filled in yet stays as it is, at the end. */
export function withDays(spans: Span[], days: OwnDay[]): Span[] {
  const sound = soundOf(spans)
  return [...spansOf([...daysOf(sound), ...days]), ...spans.filter((one) => !sound.includes(one))]
}

/** The months of a year as weeks from Monday: what each day is in the district's table, else by its weekday; null before the first and after the last. */
export function monthsOf(year: number, spans: Span[]): ({ day: string; kind: OwnDay['kind']; own: boolean } | null)[][] {
  const own = new Map(daysOf(soundOf(spans)).map((one) => [one.day, one.kind]))
  return Array.from({ length: 12 }, (_, month) => {
    const first = `${year}-${String(month + 1).padStart(2, '0')}-01`
    const weekday = (day: string): number => (new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7
    const cells: ({ day: string; kind: OwnDay['kind']; own: boolean } | null)[] = Array.from({ length: weekday(first) }, () => null)
    for (let day = first; day.slice(0, 7) === first.slice(0, 7); day = after(day)) cells.push({ day, kind: own.get(day) ?? (weekday(day) > 4 ? 'weekend' : 'workday'), own: own.has(day) })
    return cells
  })
}

/** Lines of an announcement as days; a line may span days (`2027-02-05..2027-02-13 放假 春节`). `wrong` is the first line that cannot be read, counted from 1. */
export function readDays(text: string, source: string): { days: OwnDay[]; wrong: number | null } {
  const days: OwnDay[] = []
  for (const [at, line] of text.split('\n').entries()) {
    if (!line.trim()) continue
    const found = /^(\d{4}-\d{2}-\d{2})(?:\s*(?:\.\.|~|至)\s*(\d{4}-\d{2}-\d{2}))?\s+(\S+)\s*(.*)$/.exec(line.trim())
    const kind = found && (WORDS[found[3]!] ?? DAY_KINDS.find((one) => one === found[3]))
    const span = found && kind ? { first: found[1]!, last: found[2] ?? found[1]!, kind, zh: found[4]!.trim(), source } : null
    if (!span || spanFaults([span])[0]) return { days, wrong: at + 1 }
    days.push(...daysOf([span]))
  }
  return { days, wrong: null }
}

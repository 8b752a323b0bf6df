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

/** Days as lines: `2027-01-01 holiday 元旦`. */
export const daysAsText = (days: CalendarDocument['days']): string => days.map((one) => [one.day, one.kind, one.zh ?? ''].join(' ').trim()).join('\n')

/** Lines back to days; a line may span days (`2027-02-05..2027-02-13 放假 春节`). `wrong` is the first line that cannot be read, counted from 1. */
export function readDays(text: string, source: string): { days: CalendarDocument['days']; wrong: number | null } {
  const days: CalendarDocument['days'] = []
  for (const [at, line] of text.split('\n').entries()) {
    if (!line.trim()) continue
    const found = /^(\d{4}-\d{2}-\d{2})(?:\s*(?:\.\.|~|至)\s*(\d{4}-\d{2}-\d{2}))?\s+(\S+)\s*(.*)$/.exec(line.trim())
    const kind = found && (WORDS[found[3]!] ?? DAY_KINDS.find((one) => one === found[3]))
    const [first, last] = [Date.parse(`${found?.[1]}T00:00:00Z`), Date.parse(`${found?.[2] ?? found?.[1]}T00:00:00Z`)]
    if (!found || !kind || Number.isNaN(first) || Number.isNaN(last) || last < first || last - first > 60 * 86_400_000) return { days, wrong: at + 1 }
    for (let day = first; day <= last; day += 86_400_000) days.push({ day: new Date(day).toISOString().slice(0, 10), kind, zh: found[4]!.trim(), ...(source ? { source } : {}) })
  }
  return { days, wrong: null }
}

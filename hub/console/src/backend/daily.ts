// The daily duty: reports, board, digest, sharing groups.
import { ask, get, post, send, type Query } from './http'
import type { Bilingual, Obligation, Receipt } from './types'
import type { Attached } from './upload'

export type Standing = 'waiting' | 'filed' | 'zero' | 'late' | 'missing' | 'returned' | 'excused'
export type FieldKind = 'count' | 'yes_no' | 'text' | 'table' | 'attachments'
export interface Column { id: string; kind: 'count' | 'yes_no' | 'text'; zh: string; en: string; required: boolean }
export interface TemplateField {
  id: string; kind: FieldKind; zh: string; en: string; required: boolean; measure: string | null; max: number; max_length: number; max_rows: number; columns: Column[]
  unit_zh: string; unit_en: string
}
export interface Template {
  id: string; version: number; zh: string; en: string; fields: TemplateField[]; zero: boolean; departments: string[]; valid_from: string; valid_to: string | null
  source: string; edition: string
}
export interface DeadlineRule { times: string[]; days: 'every' | 'working' | 'rest'; sensitive_times: string[]; day_offset: number; open_before_min: number; grace_min: number }
export interface Schedule {
  id: string; version: number; template: string; zh: string; en: string; rule: DeadlineRule; valid_from: string; valid_to: string | null; departments: string[]
  except_departments: string[]; lock_min: number; source: string; edition: string
}
/** The district's own days and sensitive periods, as the hub keeps them (further keys are left as they are). */
export interface CalendarDocument {
  complete_years: number[]
  days: { day: string; kind: 'workday' | 'makeup' | 'weekend' | 'holiday'; zh?: string; en?: string; source?: string }[]
  periods: { id: string; first: string; last: string; zh: string; en: string; times?: string[]; grace_min?: number | null; source?: string }[]
}
export interface CalendarDay { day: string; kind: 'workday' | 'makeup' | 'weekend' | 'holiday'; basis: 'override' | 'table' | 'weekday'; zh: string; en: string; period: string | null }
export interface Fact { source: string; id: string; zh: string; en: string; at: string }
export interface Contradiction { measure: string; field: string | null; said: number; known: number; facts: Fact[] }
export interface Evidence { facts: Fact[]; contradictions: Contradiction[]; suggested: Record<string, unknown> }
export interface BoardRow {
  duty_id: string; department_id: string; template: string; slot: number; standing: Standing; due_at: string; late_at: string; state: string
  zero: boolean; late: boolean; filed_at: string | null; receipt_no: string | null; version: number; accepted: boolean; contradicted: boolean; explanation: string | null
}
/** A duty with what only its own page needs. */
export type DailyObligation = Obligation & { was_late: boolean }
export interface DutyLine { obligation: DailyObligation; row: BoardRow; template_zh: string; template_en: string; zero: boolean; open: boolean }
export interface Filing {
  id: string; version: number; zero: boolean; values: Record<string, unknown>; note: string | null; state: string; channel: string; actor: string; filed_at: string
  late: boolean; late_reason: string | null; receipt_no: string; contradictions: Contradiction[]; explanation: string | null; reason: string | null; current: boolean
}
export interface DailyWhole {
  obligation: DailyObligation; row: BoardRow; template: Template; versions: Filing[]; draft: Partial<DraftContent> | null; draft_at: string | null
  flag: { contradictions: Contradiction[]; hidden: Contradiction[]; settled_by: string | null } | null; to_decide: boolean; may: string[]; seq: number
}
export interface DraftContent { zero: boolean; values: Record<string, unknown>; note: string | null; late_reason: string | null; explanation: string | null }
export interface Board { day: string; rows: BoardRow[]; totals: Record<Standing, number>; contradicted: number }
export interface BoardView { board: Board; today: string; needs_table: number | null; seq: number }
export interface Rank { place: number; department_id: string; expected: number; in_time: number; late: number; missed: number; excused: number; completeness: number; timeliness: number }
export interface Statistics { first: string; last: string; total: Rank; ranking: Rank[]; trend: { first: string; expected: number; completeness: number; timeliness: number }[] }
export interface Section { id: string; zh: string; text: string }
export interface Digest {
  id: string; day: string; number: number; version: number; state: 'drafted' | 'edited' | 'signed'; heading: string; issuer: string; first_line: string; first_line_en: string
  missing: string[]; sections: Section[]; drafted_at: string; signed_name: string | null; signed_at: string | null
}
export interface Group { id: string; zh: string; en: string; purpose: string; departments: string[]; mirror_contact: string | null; pinned: string | null; active: boolean; version: number }
export interface GroupPost {
  id: string; group_id: string; number: number; department_id: string | null; author_name: string; at: string; text: string; mentions: string[]
  attachments: Attached[]; digest_day: string | null
}
export interface GroupWhole { group: Group; posts: GroupPost[]; pinned: GroupPost | null; reads: { department_id: string; number: number; at: string }[]; next: number | null; may: string[] }
/** What a sheet was refused for, line by line. */
export interface SheetRefusal { code: string; message: Bilingual; lines: { line: number | null; field: string; zh: string; en: string }[] }

const one = (id: string): string => `/api/v1/daily/${encodeURIComponent(id)}`

export const daily = {
  mine: (day?: string) => get<{ day: string; items: DutyLine[]; seq: number }>('/api/v1/daily', { day }),
  page: (id: string) => get<DailyWhole>(one(id)),
  evidence: (id: string, zero: boolean, values: Record<string, unknown>) => post<Evidence>(`${one(id)}/evidence`, { zero, values }),
  draft: (id: string, content: DraftContent) => ask<{ saved_at: string }>('PUT', `${one(id)}/draft`, { body: content }),
  file: (id: string, body: { id: string } & Partial<DraftContent>) => post<Receipt>(`${one(id)}/file`, body),
  correct: (id: string, body: { id: string; based_on: number } & Partial<DraftContent>) => post<Receipt>(`${one(id)}/correct`, body),
  decide: (id: string, act: 'return' | 'accept', reason: string) => post<Filing>(`${one(id)}/${act}`, { reason }),
  sheet: (id: string): string => `${one(id)}/sheet`,
  attachment: (id: string, sha256: string): string => `${one(id)}/attachments/${sha256}`,
  upload: async (id: string, message: string, file: File, late_reason: string): Promise<Receipt | SheetRefusal> => {
    const query = new URLSearchParams({ id: message, ...(late_reason ? { late_reason } : {}) })
    const answer = await send(`${one(id)}/sheet?${query}`, () => ({ method: 'POST', headers: { 'x-tocsin': 'console' }, body: file, signal: AbortSignal.timeout(60_000) }))
    return (await answer.json()) as Receipt | SheetRefusal
  },
  board: (day?: string) => get<BoardView>('/api/v1/board', { day }),
  statistics: (first: string, last: string) => get<Statistics>('/api/v1/board/statistics', { first, last }),
  statisticsSheet: (first: string, last: string): string => `/api/v1/board/statistics.xlsx?first=${first}&last=${last}`,
}

export const dailySettings = {
  whole: () => get<{ templates: Template[]; schedules: Schedule[] }>('/api/v1/daily/templates'),
  saveTemplate: (template: Template) => post<Template>('/api/v1/daily/templates', template),
  saveSchedule: (schedule: Schedule) => post<Schedule>('/api/v1/daily/schedules', schedule),
  calendar: (first: string, days: number) => get<{ days: CalendarDay[]; needs_table: number | null }>('/api/v1/duty/calendar', { first, days }),
}

export const digests = {
  list: () => get<{ items: Digest[]; today: string; seq: number }>('/api/v1/digests'),
  draft: (day: string) => post<Digest>(`/api/v1/digests/${day}/draft`),
  edit: (day: string, sections: Section[], based_on: number) => ask<Digest>('PUT', `/api/v1/digests/${day}`, { body: { sections, based_on } }),
  sign: (day: string, based_on: number) => post<Digest>(`/api/v1/digests/${day}/sign`, { based_on }),
  file: (day: string, kind: 'word' | 'excel'): string => `/api/v1/digests/${day}/${kind}`,
}

export const groups = {
  list: () => get<{ items: { group: Group; last_number: number; unread: number }[]; seq: number }>('/api/v1/groups'),
  save: (group: Partial<Group>) => post<Group>('/api/v1/groups', group),
  page: (id: string, query: Query = {}) => get<GroupWhole>(`/api/v1/groups/${encodeURIComponent(id)}`, query),
  write: (id: string, body: { id: string; text: string; attachments?: Attached[] }) => post<GroupPost>(`/api/v1/groups/${encodeURIComponent(id)}/posts`, body),
  read: (id: string, number: number) => post<unknown>(`/api/v1/groups/${encodeURIComponent(id)}/read`, { number }),
  file: (id: string, postId: string, sha256: string): string => `/api/v1/groups/${encodeURIComponent(id)}/posts/${postId}/attachments/${sha256}`,
  pin: (id: string, postId: string | null) => post<Group>(`/api/v1/groups/${encodeURIComponent(id)}/pin`, { post: postId }),
}

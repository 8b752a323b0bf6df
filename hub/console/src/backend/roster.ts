// The duty roster: shifts, swaps, handovers; the contacts that ladders use, and the notices that did not get through.
import { ask, get, post } from './http'
import type { Notice, OnDuty } from './types'

export interface Named { id: string; name: string }
export interface Shift { id: string; post_id: string; person_id: string; starts_at: string; ends_at: string; substitute_id: string | null; cancelled: boolean; version: number }
export interface ShiftPage { items: Shift[]; gaps: { first: string; last: string }[]; people: Named[]; names: Record<string, string> }
export type ShiftBody = { post_id: string; person_id: string; starts_at: string; ends_at: string; substitute_id?: string | null; cancelled?: boolean; id?: string; version?: number }
export interface Swap {
  id: string; shift_id: string; from_person: string; to_person: string; state: 'proposed' | 'accepted' | 'declined' | 'withdrawn'; proposed_at: string
  return_shift_id: string | null; decided_at: string | null; note: string
}
export interface Handover {
  id: string; post_id: string; from_person: string; to_person: string; at: string; state: 'written' | 'acknowledged' | 'refused'; open_obligations: string[]; open_incidents: string[]
  note: string; acknowledged_at: string | null; obligation_id: string | null
}
export interface Contact {
  id: string; name: string; address: string; post_id: string | null; person_id: string | null; language: 'zh' | 'en' | 'both'; urgent_only: boolean
  quiet_starts: string | null; quiet_ends: string | null; active: boolean; state: 'unknown' | 'reachable' | 'unreachable'; checked_at: string | null; error: string | null
}
export type ContactBody = Omit<Contact, 'id' | 'person_id' | 'state' | 'checked_at' | 'error' | 'post_id'> & { post_id: string }

const BASE = '/api/v1/roster'
const of = (path: string, id: string, act: string): string => `${path}/${encodeURIComponent(id)}/${act}`

export const roster = {
  now: () => get<{ items: OnDuty[]; names: Record<string, string>; seq: number }>(`${BASE}/now`),
  shifts: (post: string, first: string, last: string) => get<ShiftPage>(`${BASE}/shifts`, { post, first, last }),
  saveShift: (body: ShiftBody) => post<Shift>(`${BASE}/shifts`, body),
  swaps: () => get<{ items: Swap[]; shifts: Shift[]; names: Record<string, string> }>(`${BASE}/swaps`),
  propose: (body: { shift_id: string; to_person: string; return_shift_id: string | null; note: string }) => post<Swap>(`${BASE}/swaps`, body),
  decide: (id: string, act: 'accept' | 'decline' | 'withdraw') => post<Swap>(of(`${BASE}/swaps`, id, act)),
  handovers: () => get<{ items: Handover[]; names: Record<string, string>; duties: Record<string, [string, string]>; refused: Record<string, string> }>(`${BASE}/handovers`),
  handOver: (body: { post_id: string; to_person: string; note: string }) => post<Handover>(`${BASE}/handovers`, body),
  takeOver: (id: string) => post<Handover>(of(`${BASE}/handovers`, id, 'acknowledge')),
  refuse: (id: string, reason: string) => post<Handover>(of(`${BASE}/handovers`, id, 'refuse'), { reason }),
}

export const contacts = {
  list: () => get<{ items: Contact[]; bare: string[] }>('/api/v1/contacts'),
  save: (id: string, body: ContactBody) => ask<Contact>('PUT', `/api/v1/contacts/${encodeURIComponent(id)}`, { body }),
  test: (id: string) => post<unknown>(of('/api/v1/contacts', id, 'test')),
}

export const notices = {
  failed: () => get<{ items: Notice[] }>('/api/v1/notices', { state: 'failed' }),
  pending: () => get<{ items: Notice[]; rules: Record<string, string>; seq: number }>('/api/v1/notices/pending'),
  read: (ids: string[]) => post<unknown>('/api/v1/notices/read', { ids }),
  again: (id: string) => post<Notice>(of('/api/v1/notices', id, 'again')),
}

// Every question the console can put to the hub, by noun. The only folder with fetch and WebSocket.
import { ask, get, post, type Query } from './http'
import type {
  Account, AgentView, Appointment, Change, ClassifiedHit, Department, Draft, HubInfo, EnrolmentCode, EventType, IncidentPage, IncidentView, Obligation, ObligationPage, OpenSession, Page, PersonRow, Post, Quarantined, Readiness, SelfCheck, Receipt, Report,
  ReportView, Session, ShareRow, Shares, Tier, Verdict,
} from './types'

export { onSignedOut, Refused, Unreachable } from './http'
export { openLive, type Line } from './live'

export const session = {
  current: () => get<Session>('/api/v1/session'),
  open: (account: string, password: string, totp?: string) => post<Session>('/api/v1/session', { account, password, ...(totp ? { totp } : {}) }),
  welcome: (token: string, account: string, password: string) => post<Session>('/api/v1/session/welcome', { token, account, password }),
  close: () => ask<null>('DELETE', '/api/v1/session'),
  password: (old: string, now: string) => post<unknown>('/api/v1/session/password', { old, new: now }),
  newFactor: () => post<{ secret: string; uri: string }>('/api/v1/session/second-factor'),
  confirmFactor: (code: string) => post<unknown>('/api/v1/session/second-factor/confirm', { code }),
  showFactor: (code: string) => post<unknown>('/api/v1/session/second-factor/show', { code }),
  all: () => get<{ items: OpenSession[]; current: string }>('/api/v1/sessions'),
  revoke: (id: string) => ask<unknown>('DELETE', `/api/v1/sessions/${encodeURIComponent(id)}`),
}

export type IncidentAction = 'acknowledge' | 'verify' | 'false-alarm' | 'close' | 'reopen' | 'merge' | 'not-the-same' | 'note' | 'grade'

export const incidents = {
  list: (query: Query) => get<Page<IncidentView, number>>('/api/v1/incidents', query),
  page: (id: string) => get<IncidentPage>(`/api/v1/incidents/${encodeURIComponent(id)}`),
  timeline: (id: string, before: number) => get<{ items: Change[]; next: number | null }>(`/api/v1/incidents/${encodeURIComponent(id)}/timeline`, { before }),
  act: (id: string, action: IncidentAction, body: Record<string, unknown> = {}, keepalive = false) =>
    ask<unknown>('POST', `/api/v1/incidents/${encodeURIComponent(id)}/${action}`, { body, keepalive }),
}

export const reports = {
  file: (report: Report, channel: 'web' | 'phone' = 'web') => ask<Receipt>('POST', '/api/v1/reports', { query: { channel }, body: report }),
  list: (query: Query) => get<Page<ReportView>>('/api/v1/reports', query),
  triage: (text: string) => post<Draft>('/api/v1/triage', { text }),
}

export const eventTypes = {
  list: () => get<{ items: EventType[] } | EventType[]>('/api/v1/event-types'),
}

export const agents = {
  list: () => get<{ items: AgentView[]; seq: number }>('/api/v1/agents'),
  code: (body: Record<string, unknown>) => post<EnrolmentCode>('/api/v1/agents/codes', body),
}

export const quarantine = {
  list: (query: Query = {}) => get<Page<Quarantined> & { waiting: number }>('/api/v1/quarantine', query),
  replay: (id: string, payload: string) => post<Receipt>(`/api/v1/quarantine/${encodeURIComponent(id)}/replay`, { payload }),
  discard: (id: string) => post<unknown>(`/api/v1/quarantine/${encodeURIComponent(id)}/discard`),
}

export type DutyAct = 'acknowledge' | 'meet' | 'return' | 'excuse' | 'unlock'

export const obligations = {
  list: (query: Query = {}) => get<Page<Obligation>>('/api/v1/obligations', query),
  page: (id: string) => get<ObligationPage>(`/api/v1/obligations/${encodeURIComponent(id)}`),
  act: (id: string, act: DutyAct, body: Record<string, unknown>) => post<Obligation>(`/api/v1/obligations/${encodeURIComponent(id)}/${act}`, body),
}

export const organisation = {
  whole: () => get<{ departments: Department[]; posts: Post[]; seq: number }>('/api/v1/organisation'),
  people: (after = '') => get<{ items: PersonRow[]; next: string | null }>('/api/v1/people', { after }),
  person: (id: string) => get<{ person: PersonRow; appointments: Appointment[] }>(`/api/v1/people/${encodeURIComponent(id)}`),
  addPerson: (body: { name: string; phone: string; department_id: string | null }) => post<PersonRow>('/api/v1/people', body),
  savePost: (one: Post) => ask<Post>('PUT', `/api/v1/posts/${encodeURIComponent(one.id)}`, { body: one }),
  appoint: (body: { person_id: string; post_id: string; reason: string }) => post<Appointment>('/api/v1/appointments', body),
  release: (id: string, reason: string) => post<unknown>(`/api/v1/appointments/${encodeURIComponent(id)}/release`, { reason }),
  leave: (id: string, reason: string) => post<{ successors: Record<string, string | null> }>(`/api/v1/people/${encodeURIComponent(id)}/leave`, { reason }),
  classified: (texts: Record<string, string>) => post<{ items: ClassifiedHit[] }>('/api/v1/classified', { texts }),
}

export const accounts = {
  list: () => get<{ items: Account[] }>('/api/v1/accounts'),
  open: (person_id: string, login: string) => post<Account>('/api/v1/accounts', { person_id, login }),
  link: (id: string) => post<{ path: string; expires_in_s: number }>(`/api/v1/accounts/${encodeURIComponent(id)}/link`),
  close: (id: string) => post<unknown>(`/api/v1/accounts/${encodeURIComponent(id)}/close`),
  reopen: (id: string) => post<unknown>(`/api/v1/accounts/${encodeURIComponent(id)}/reopen`),
}

export const sharing = {
  of: (incident_id: string) => get<Shares>(`/api/v1/incidents/${encodeURIComponent(incident_id)}/shares`),
  share: (incident_id: string, body: { department_id: string; tier: Tier; until_at: string; reason: string }) =>
    post<ShareRow>(`/api/v1/incidents/${encodeURIComponent(incident_id)}/shares`, body),
  end: (incident_id: string, share_id: string, reason: string) =>
    post<unknown>(`/api/v1/incidents/${encodeURIComponent(incident_id)}/shares/${encodeURIComponent(share_id)}/end`, { reason }),
  seen: (incident_id: string) => post<unknown>(`/api/v1/incidents/${encodeURIComponent(incident_id)}/seen`),
}

export const audit = {
  trail: (query: Query) => get<{ items: Change[]; next: number | null }>('/api/v1/audit', query),
  verify: () => post<Verdict>('/api/v1/audit/verify'),
}

export const hub = {
  about: () => get<HubInfo>('/api/v1/hub'),
  readiness: () => get<Readiness>('/readyz'),
  selfCheck: () => get<SelfCheck>('/api/v1/self-check'),
}

/** Read one of the files that come with the console (the district's outline, its towns). */
export const bundled = <T>(path: string): Promise<T> => get<T>(path)

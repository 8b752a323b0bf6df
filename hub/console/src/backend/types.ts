// The shapes that the hub's API sends and takes, as docs/openapi.json describes them. Types only, no code.

export type Locale = 'zh' | 'en'
export type Bilingual = Record<Locale, string>

export type ReportKind = 'initial' | 'follow_up' | 'final' | 'verification'
export type IncidentState = 'unverified' | 'verified' | 'false_alarm' | 'closed' | 'merged'
export type Crs = 'WGS84' | 'CGCS2000' | 'GCJ02' | 'BD09'

export interface Place {
  text?: string | null
  lon?: number | null
  lat?: number | null
  crs?: Crs
  adcode?: string | null
  road?: string | null
  road_km?: number | null
  enterprise_id?: string | null
}

export interface Casualties {
  dead?: number | null
  missing?: number | null
  seriously_injured?: number | null
  injured?: number | null
  trapped?: number | null
  evacuated?: number | null
  poisoned?: number | null
}

export interface Hazmat {
  un?: string | null
  hin?: string | null
  name?: string | null
  cas?: string | null
  quantity_kg?: number | null
  container?: string | null
  leak?: boolean | null
  fire?: boolean | null
  explosion?: boolean | null
  vehicle_plate?: string | null
  trailer_plate?: string | null
  carrier?: string | null
  waybill_no?: string | null
}

export interface Reporter {
  name?: string | null
  post?: string | null
  phone?: string | null
}

export interface Attachment {
  sha256: string
  name: string
  media_type: string
  size_bytes: number
}

export interface Report {
  id: string
  kind: ReportKind
  occurred_at: string
  place: Place
  heard_at?: string | null
  event_types?: string[]
  title?: string | null
  text?: string | null
  urgent?: boolean
  drill?: boolean
  source?: string | null
  cause?: string | null
  course?: string | null
  scope?: string | null
  trend?: string | null
  measures_taken?: string | null
  measures_planned?: string | null
  casualties?: Casualties | null
  loss_yuan?: number | null
  hazmat?: Hazmat[]
  reporter?: Reporter | null
  signed_off_by?: string | null
  incident_id?: string | null
  attachments?: Attachment[]
}

export interface Receipt {
  id: string
  status: 'stored' | 'duplicate' | 'rejected' | 'unavailable'
  receipt_no?: string | null
  stored_at?: string | null
  seq?: number | null
  incident_id?: string | null
  reason?: string | null
  field?: string | null
  message?: string | null
  retry_after_s?: number | null
}

export interface ReportView extends Report {
  no?: string | null
  receipt_no?: string | null
  received_at: string
  agent_id?: string | null
  actor?: string | null
  channel?: string | null
  department_id?: string | null
  skew_ms?: number | null
}

export interface GradeSuggestion {
  grade: string
  criterion: string | Bilingual
  source?: string | null
}

export interface IncidentView {
  id: string
  no: string
  title: string
  state: IncidentState
  event_types: string[]
  grade: string | null
  grade_suggested: GradeSuggestion | null
  place: Place
  occurred_at: string
  opened_at: string
  updated_at: string
  acknowledged_at: string | null
  acknowledged_by: string | null
  casualties: Casualties
  hazmat: Hazmat[]
  loss_yuan: number | null
  drill: boolean
  urgent: boolean
  source_trusted: boolean
  department_id: string | null
  report_count: number
  version: number
  merged_into?: string | null
}

export interface Obligation {
  id: string
  kind: string
  state: 'open' | 'met' | 'met_late' | 'missed' | 'excused' | 'returned'
  due_at: string
  title?: string | Bilingual | null
  owner?: string | null
  department_id?: string | null
  incident_id?: string | null
  met_at?: string | null
  source?: string | null
  drill?: boolean
}

export interface Change {
  seq: number
  kind: string
  at: string
  actor: string
  subject: string
  incident_id: string | null
  department_id: string | null
  drill: boolean
  body: ChangeBody
  zh?: string
  en?: string
}

/** A body carries the whole resulting view of what changed, under the name of the thing. */
export interface ChangeBody {
  incident?: IncidentView
  report?: ReportView
  obligation?: Obligation
  agent?: AgentView
  quarantined?: Quarantined
  note?: string | null
  reason?: string | null
  [other: string]: unknown
}

export interface MergeCandidate {
  incident_id: string
  no?: string
  title?: string
  score?: number
  reasons?: Bilingual | string | string[]
  distance_m?: number | null
  apart_s?: number | null
}

export interface IncidentPage {
  incident: IncidentView
  reports: ReportView[]
  timeline: Change[]
  obligations: Obligation[]
  merge_candidates: MergeCandidate[]
  seq: number
}

export interface Page<T> {
  items: T[]
  next: string | null
  seq: number
}

export interface EventType {
  code: string
  zh: string
  en: string
}

export interface AgentView {
  id: string
  name?: string | null
  department_id?: string | null
  enterprise_id?: string | null
  state?: string | null
  online?: boolean | null
  seen_at?: string | null
  queued?: number | null
  version?: string | null
  skew_ms?: number | null
  trusted?: boolean | null
  cameras?: unknown[] | null
}

export interface EnrolmentCode {
  code: string
  agent_id?: string | null
  expires_at?: string | null
  command?: string | null
  url?: string | null
}

export interface Quarantined {
  id: string
  agent_id: string | null
  topic?: string | null
  received_at: string
  reason: string
  field: string | null
  message?: Bilingual | string | null
  text: string
  state?: 'held' | 'replayed' | 'discarded'
  size_bytes?: number | null
}

export interface HubInfo {
  id: string
  name: string
  version: string
  /** A tile address of the district's own, with {z}/{x}/{y}; without one the bundled outline stands alone. */
  map_tiles?: string | null
  map_attribution?: string | null
}

export interface Person {
  id: string
  name: string
  account?: string
}

export interface Session {
  person: Person
  posts: string[]
  roles: string[]
  department_id: string | null
  permissions: string[]
  hub: HubInfo
  must_set_password: boolean
  now: string
}

export interface PartState {
  state: string
  since: string | null
  detail: string | null
}

export interface Readiness {
  ready: boolean
  parts: Record<string, PartState>
}

export interface Draft {
  report: Partial<Report>
  /** For each field that was filled in: the words of the text that it rests on. */
  evidence?: Record<string, string>
}

export type Frame =
  | { type: 'hello'; seq: number; now: string }
  | { type: 'changes'; items: Change[] }
  | { type: 'status'; parts: Record<string, PartState>; now: string }
  | { type: 'dropped'; reason: string }

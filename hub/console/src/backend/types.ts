// The shapes that the hub's API sends and takes, as docs/openapi.json describes them. Types only, no code.

import type { MatchView, Resource, ZonesView } from './plans'
import type { Camera, Enterprise } from './video'

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
  /** The system it was sent in, where that was not WGS-84. */
  sent_crs?: Crs | null
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

export interface ReportView extends Omit<Report, 'incident_id'> {
  incident_id: string
  /** Which of its incident's reports it is, from 1. */
  number: number
  receipt_no: string
  received_at: string
  channel: string
  actor: string
  department_id?: string | null
  agent_id?: string | null
  /** The sender's clock against the hub's, in seconds. */
  skew_s?: number | null
  skew_flagged?: boolean
}

/** A grade that the consequences suggest: the criterion that fired, its value and limit, a sentence and the rule it comes from. */
export interface GradeSuggestion {
  grade: string
  criterion: string
  value: number
  limit: number
  zh: string
  en: string
  source: string
}

export interface IncidentView {
  id: string
  /** Running number: the order of opening. */
  number: number
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
  last_report_kind: ReportKind
  merged_into: string | null
  version: number
}

/** A duty with an owner and a time. */
export interface Obligation {
  id: string
  kind: string
  state: 'open' | 'returned' | 'met' | 'met_late' | 'missed' | 'excused'
  department_id: string
  post_id: string
  subject: string
  title_zh: string
  title_en: string
  opens_at: string
  due_at: string
  late_at: string
  lock_at?: string | null
  incident_id?: string | null
  drill?: boolean
  step?: number
  ack_until?: string | null
  ack_by?: string | null
  met_at?: string | null
  met_by?: string | null
  rule?: string | null
  reason?: string | null
  version: number
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
  /** Null once destroyed as the law asks; the chain still holds. */
  body: ChangeBody | null
  zh?: string
  en?: string
}

/** A body carries the whole resulting view of what changed, under the name of the thing. */
export interface ChangeBody {
  incident?: IncidentView
  report?: ReportView
  obligation?: Obligation
  obligations?: Obligation[]
  agent?: AgentView
  proposal?: MergeProposal
  zones?: ZonesView
  match?: MatchView
  camera?: Camera
  enterprise?: Enterprise
  resource?: Resource
  text?: string | null
  reason?: string | null
  [other: string]: unknown
}

/** A proposal that `incident_id` and the earlier `other_id` are one event; `score` from 0 to 1; `decided` once somebody has. */
export interface MergeProposal {
  id: string
  incident_id: string
  other_id: string
  score: number
  reasons: Bilingual[]
  proposed_at: string
  decided: 'merged' | 'dismissed' | null
}

export interface IncidentPage {
  incident: IncidentView
  reports: ReportView[]
  /** Newest first as the hub sends it; older entries are read on demand. */
  timeline: Change[]
  merge_candidates: MergeProposal[]
  /** The other incidents of the proposals. */
  others: IncidentView[]
  /** How much of it this reader sees. */
  tier: 'lead' | 'assist' | 'informed' | null
  /** The acts that are open to this reader on this incident. */
  may: string[]
  /** Read from the ledger beside the page; kept in step by the same changes. */
  obligations?: Obligation[]
  seq: number
}

/** A page of a list; `next` is what to pass as `before` for the page after it. */
export interface Page<T, N = string> {
  items: T[]
  next: N | null
  seq: number
}

export interface EventType {
  code: string
  zh: string
  en: string
}

export interface AgentView {
  id: string
  name: string
  kind: string
  department_id: string
  enterprise_id: string | null
  trusted: boolean
  created_at: string
  revoked_at: string | null
  online: boolean
  seen_at: string | null
  queued?: number
  version?: string | null
  skew_s?: number | null
  cameras?: unknown[]
}

export interface EnrolmentCode {
  code: string
  agent_id: string
  /** What to type at the agent's end. */
  command: string
  expires_in_s: number
}

/** A message that could not be taken in. `payload` is its text as it came; `times` counts the same message refused again. */
export interface Quarantined {
  id: string
  received_at: string
  last_at: string
  times: number
  channel: string
  what: string
  agent_id: string | null
  message_id: string | null
  reason: string
  field: string | null
  message: string
  payload: string
  size_bytes: number
  state: 'waiting' | 'replayed' | 'discarded'
  decided_at: string | null
  decided_by: string | null
}

export interface HubInfo {
  id: string
  name: string
  version: string
  /** A tile address of the district's own, with {z}/{x}/{y}; empty: the bundled outline stands alone. */
  tile_url?: string | null
  /** The hub runs the demo district: everything in it is invented. */
  demo?: boolean
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
  enterprise_id?: string | null
  permissions: string[]
  hub: HubInfo
  must_set_password: boolean
  /** `needed`: some post waits for the code; `missing`: some post needs one to be set up. */
  second_factor?: 'shown' | 'needed' | 'missing' | 'none'
  session_id?: string
  now: string
}

export type Tier = 'lead' | 'assist' | 'informed'

export interface Department {
  id: string
  kind: 'desk' | 'department' | 'town' | 'zone' | 'company'
  zh: string
  en: string
  parent_id: string | null
  adcode: string | null
  active: boolean
}

export interface Post {
  id: string
  role: string
  scope: string
  zh: string
  en: string
  department_id: string | null
  enterprise_id: string | null
  substitute_id: string | null
  active: boolean
}

export interface PersonRow {
  id: string
  name: string
  phone: string
  email: string
  department_id: string | null
  enterprise_id: string | null
  left_at: string | null
}

export interface Appointment {
  id: string
  person_id: string
  post_id: string
  from_at: string
  until_at: string | null
  reason: string
  ended_at: string | null
}

export interface Account {
  id: string
  person_id: string
  login: string
  has_password: boolean
  has_second_factor: boolean
  external: boolean
  disabled: boolean
  created_at: string
}

/** One share of an incident: with whom, how much, since when, until when, by whom and why. */
export interface ShareRow {
  id: string
  incident_id: string
  department_id: string
  tier: Tier
  origin: string
  from_at: string
  until_at: string | null
  reason: string
  by: string
  by_department_id: string | null
  ended_at: string | null
  ended_reason: string
}

/** Who was told of an incident and who has read it; without a person: the department as such. */
export interface ReadReceipt {
  incident_id: string
  department_id: string
  person_id: string | null
  told_at: string | null
  told_by: string | null
  seen_at: string | null
}

export interface Shares {
  items: { share: ShareRow; badge: Bilingual }[]
  receipts: ReadReceipt[]
  unread: string[]
}

/** Where a text looks classified: the field, the characters, what to do about it. */
export interface ClassifiedHit {
  field: string
  start: number
  end: number
  severity: string
  zh: string
  en: string
  mark: string
}

/** One open session of an account. */
export interface OpenSession {
  id: string
  created_at: string
  seen_at: string
  expires_at: string
  address: string
  client: string
  second_factor: boolean
  method: string
}

export interface PartState {
  state: 'ok' | 'degraded' | 'down'
  since: string
  zh: string
  en: string
}

/** What the hub's self-check says of one part; `do` is a command, or `中文 / English`, empty where all is well. */
export interface Finding { part: string; state: 'ok' | 'warn' | 'bad'; zh: string; en: string; do: string }
export interface SelfCheck { at: string; items: Finding[] }

export interface Readiness {
  ready: boolean
  parts: Record<string, PartState>
}

export interface Draft {
  report: Partial<Report>
  /** A text that tells of no incident (rules, the figures of a period) fills nothing; one of a drill ticks the drill. */
  nature?: 'incident' | 'drill' | 'no_incident'
  /** For each field that was filled in: the words of the text that it rests on. */
  evidence?: Record<string, string>
}

export type Frame =
  | { type: 'hello'; seq: number; after?: number; hash?: string; now: string }
  | { type: 'changes'; seq?: number; hash?: string; items: Change[] }
  | { type: 'status'; seq?: number; hash?: string; ready?: boolean; parts: Record<string, PartState>; now: string }
  | { type: 'dropped'; reason: string }

/** One step of a ladder that was taken: when, whom, with what outcome. */
export interface Escalation {
  id: string
  obligation_id: string
  round: number
  step: number
  outcome: string
  planned_at: string
  at: string
  whom: string[]
  posts: string[]
  persons: string[]
  reminder: boolean
}

export interface Notice {
  id: string
  channel: string
  to: string
  title: string
  body: string
  /** In English, where it is for a screen. */
  title_en: string | null
  body_en: string | null
  template: string
  state: string
  created_at: string
  expires_at: string
  urgent: boolean
  drill: boolean
  attempts: number
  department_id: string | null
  incident_id: string | null
  obligation_id: string | null
  post_id: string | null
  sent_at: string | null
  error: string | null
  read_at: string | null
}

export interface ObligationPage {
  obligation: Obligation
  kind: { id: string; zh: string; en: string; by_hand: boolean; source: string; edition: string } | null
  ladder: { id: string; zh: string; en: string; source: string; edition: string; steps: { offset_min: number; whom: string[]; channels: string[] }[] }
  escalations: Escalation[]
  planned: { step: number; at: string }[]
  notices: Notice[]
  may: ('acknowledge' | 'meet' | 'return' | 'excuse' | 'unlock')[]
  seq: number
}

/** Who is on a post now; `via` shift, member or nobody. */
export interface OnDuty {
  post: { id: string; department_id: string; role: string; zh: string; en: string }
  persons: string[]
  via: string
  until: string | null
}

/** What checking the chain came to; `flaw` is the first bad row. */
export interface Verdict {
  ok: boolean
  changes: number
  seq: number
  hash: string
  destroyed: number
  flaw: { seq: number; code: string; zh: string; en: string } | null
}

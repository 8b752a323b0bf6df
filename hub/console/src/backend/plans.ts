// Questions about plans, responses, tasks, zones, resources; and the file that hazmat support needs where there is no signal.
import { address, file, get, post, refusedBy, send as sendOver, text, Unreachable, type Query } from './http'
import type { Bilingual } from './types'

export type Truth = 'satisfied' | 'unsatisfied' | 'unknown'
export type Level = 'I' | 'II' | 'III' | 'IV'
export const LEVELS: Level[] = ['IV', 'III', 'II', 'I']
export const STAGES = ['receive', 'identify', 'cordon', 'detect', 'handle', 'decontaminate', 'hand_over', 'restore', 'evaluate'] as const
export type Stage = (typeof STAGES)[number]

export interface ConditionState { path: string; state: Truth; zh: string; en: string; value: Bilingual | null; derived: boolean; support: boolean }
export interface PlanMatch { plan_id: string; version: number; title: Bilingual; kind: string; state: Truth; score: number; conditions: ConditionState[]; zh: string; en: string; source: { document: string; edition: string } }
export interface Suggested { incident_id: string; version: number; plan_id: string; title: Bilingual; state: Truth; others: number }
export interface MatchView { incident_id: string; version: number; applicable: number; plans: { plan_id: string; title: Bilingual; state: Truth }[] }
export interface MissingFact { field: string; zh: string; en: string; plans: string[] }
/** How the missing fact is answered: the controls follow what the hub says, so that a new fact needs none of its own. */
export interface AnswerForm {
  field: string
  kind: 'flag' | 'choice' | 'number' | 'text' | 'warnings' | 'event_types' | 'report'
  options: (Bilingual & { value: string })[]; colours: (Bilingual & { value: string })[]; units: (Bilingual & { factor: number })[]; whole: boolean
}
export interface LevelSuggestion { level: Level; met: boolean; zh: string; en: string }
export interface IncidentPlans {
  result: { matches: PlanMatch[]; missing_fact: MissingFact | null; considered: number; notes: Bilingual[] }
  matching: { version: number; at: string; diff: Bilingual | null } | null
  levels: Record<string, LevelSuggestion>
  stated: Record<string, unknown>
  answered: (Bilingual & { field: string })[]
  answer: AnswerForm | null
}
export interface Owner { department: string; post: string | null; officer: string | null; phone: string | null; acting_for: string | null }
export interface Exit { key: string; plan: string; text: Bilingual; tasks: string[] }
export interface Activation {
  level: Level
  tasks: { key: string; text: Bilingual; owner: Owner; due_at: string; plans?: string[]; stage: Stage }[]
  notices: { key: string; to: string[]; text: Bilingual; public: boolean }[]
  grants: Record<'lead' | 'assist' | 'informed' | 'video', string[]>
  requests: { key: string; text: Bilingual; quantity: number; unit: string }[]
  groups: { id: string; title: Bilingual; lead: string; members: string[] }[]
  stages: { stage: Stage; goals: Bilingual[]; exit: Exit[] }[]
  termination: Exit[]
  cautions: (Bilingual & { code: string })[]
}
export interface ResponseHead extends Bilingual {
  id: string; incident_id: string; state: 'active' | 'terminated' | 'revoked'; level: Level; plans: { id: string; version: number; title: Bilingual }[]
  started_at: string; started_by: string; stage: Stage; tasks: number; cautions: (Bilingual & { code: string })[]; reason: string | null
  automatic: { plan_id: string; text: Bilingual; revocable_until: string } | null; ended_at: string | null; drill: boolean; version: number
}
export interface TaskView {
  id: string; key: string; incident_id: string; incident_title: string; text: Bilingual; owner: Owner; stage: Stage; due_at: string; state: string
  waits_for: string[]; evidence_wanted: Bilingual[]; plans: string[]; acknowledged_by: string | null; acknowledged_until: string | null
  done_at: string | null; done_by: string | null; evidence: { zh?: string } | null; drill: boolean
}
/** How a task stands once somebody took it on or reported it done: `excused` where it was withdrawn meanwhile. */
export type TaskStanding = Pick<TaskView, 'id' | 'state' | 'due_at' | 'acknowledged_by' | 'acknowledged_until' | 'done_at' | 'done_by' | 'evidence'>
export interface Suggestion extends Bilingual { resource_id: string; name_zh: string; name_en: string; department_id: string; distance_m: number | null; free: number }
export interface ResourceRequest {
  id: string; incident_id: string; capability: string; quantity: number; unit: string; text: Bilingual; asked_by: string; department_id: string; due_at: string
  state: 'requested' | 'offered' | 'dispatched' | 'arrived' | 'returned' | 'cancelled'; suggestions: Suggestion[]; steps: { state: string; at: string; by: string; note?: string }[]; resource_id: string | null; offered: number | null
}
export interface IncidentResponse { response: ResponseHead | null; document: Activation | null; tasks: TaskView[]; requests: ResourceRequest[]; history: ResponseHead[] }
export interface Zone { kind: 'isolation' | 'protective' | 'fire'; shape: string; centre?: { lon: number; lat: number }; radius: { value: number; plus: boolean; table: string; edition: string; row: string }; polygon: { coordinates: [number, number][][] }; downwind_deg: number | null }
/** Somebody who may be hurt or something that would be closed; `precision` says how far the place can be trusted, `demo` marks invented data. */
export interface Receptor { id: string; kind: string; name_zh: string; name_en: string; population: number | null; demo: boolean; point: { lon: number; lat: number } | null; precision?: string; town_code?: string }
export interface Affected { receptor: Receptor; distance_m: number; zones: string[] }
export interface ZonesView {
  incident_id: string; drill: boolean; un?: string | null
  drawn_at: string; why: Bilingual; title: Bilingual; zones: Zone[]; distances: { daylight: 'day' | 'night'; spill: 'small' | 'large'; conditional: boolean; only_when_spilled_in_water: boolean; notes: Bilingual[] }; wind: Wind | null; wind_source: string | null
  affected: Affected[]; junctions_to_close: Affected[]; evacuation: { receptor_id: string; name_zh: string; name_en: string; population: number | null; action: Bilingual; distance_m: number; demo: boolean }[]
  towns_to_ask: { code: string; name_zh: string; why: Bilingual }[]; staging: { approach: Bilingual; reason: Bilingual; point: { lon: number; lat: number } | null } | null
  warnings: Bilingual[]; limits: Bilingual[]; entered: (Bilingual & { id: string })[]; left: (Bilingual & { id: string })[]; version: number
  load?: Load | null
}
/** What was known of the load that a drawing rests on. */
export interface Load { un: string | null; hin: string | null; container: string; leak: boolean | null; fire: boolean | null; in_water: boolean | null; spill: 'small' | 'large' | null; quantity_kg: number | null }
export interface Wind { from_deg: number | null; text: string; observed_at: string | null }
export interface IncidentZones { zones: ZonesView | null; wind_now: Wind | null; wind_now_source: string | null; measured: Wind | null; measured_source: string | null; ticks: { receptor_id: string; done: boolean; by: string; at: string }[] }
export interface PlanHead {
  id: string; version: number; status: PlanStatus; kind: string; title: Bilingual; source: { document: string; edition: string; issuing_body: string; clauses?: string[] }
  valid_from: string; valid_until: string | null; tasks: number; sha256: string; changed_at: string; changed_by: string; reason?: string; saved_by?: string; reviewed_by?: string | null; approved_by?: string | null
}
export interface PlanDifference { field: string; before: unknown; after: unknown }
export type PlanStatus = 'draft' | 'reviewed' | 'in_force' | 'superseded'
export interface OutlineLine extends Bilingual { depth: number; op: string }
export interface PlanDocument {
  assumptions?: Bilingual[]
  levels?: { level: Level; text: Bilingual; activated_by: Bilingual }[]
  roles?: { id: string; department: string; duty: Bilingual }[]
  tasks?: { id: string; role: string; due_min: number; stage: Stage; text: Bilingual; after?: string[]; evidence?: Bilingual; from_level?: Level; starts?: string }[]
  notices?: { id: string; to: string[]; within_min: number; text: Bilingual; public?: boolean; from_level?: Level }[]
  resources?: { id: string; quantity: number; unit: string; role: string; within_min: number; text: Bilingual; from_level?: Level }[]
  zones?: { id: string; text: Bilingual; radius_m?: number; computed?: boolean; source?: string }[]
  on_scene?: { stage: Stage; goal: Bilingual; exit: { id: string; text: Bilingual }[] }[]
  groups?: { id: string; title: Bilingual; lead: string; members?: string[]; from_level?: Level }[]
  grants?: Partial<Record<'lead' | 'assist' | 'informed' | 'video', string[]>>
  automatic?: { text: Bilingual; level: Level; revocable_min?: number }
  termination?: { id: string; text: Bilingual }[]
}
export interface LibraryFinding extends Bilingual { severity: 'error' | 'warning' | 'note'; code: string; plan: string | null; field: string }
export interface PlanWhole { head: PlanHead; plan: PlanDocument; versions: PlanHead[]; conditions: Record<string, OutlineLine[]>; people: Record<string, Bilingual> }
export interface PlanStep { version: number; what: 'saved' | PlanStatus; at: string; by: string; reason: string }
export interface LineNote extends Bilingual { line: number; field: string; code: string; severity?: 'error' | 'warning' | 'note' }
/** What the linter says of a text; `spans` gives where the value of each plain field stands, in code points. */
export interface CheckedPlan { faults: LineNote[]; findings: LineNote[]; spans: Record<string, [number, number]>; id: string | null; version: number | null; status: PlanStatus | null; sha256: string | null; next: number | null }
export interface Resource { id: string; kind: string; name_zh: string; name_en?: string; department_id: string; capability: string; quantity: number; unit: string; place?: string; lon?: number | null; lat?: number | null; active?: boolean; expires_on?: string | null; low_below?: number | null; contact?: string; phone?: string; out?: number; demo?: boolean; version?: number }
export interface Capability extends Bilingual { id: string; unit: string }

/** What the library says of an incident beside what people put in force for it; plans by id. */
export interface ReplayedCase { incident_id: string; result: { id: string; title: string; matched: string[]; undetermined: string[]; expected: string[]; missed: string[]; unexpected: string[]; first_is_right: boolean | null; level: Level | null; level_is_right: boolean | null; ambiguous_zh: string | null; ambiguous_en: string | null } }
export interface Replayed { cases: number; with_expectation: number; all_found: number; first_right: number; ambiguous: number; only_general: number; never_matched: string[]; items: ReplayedCase[] }

const of = (incident: string): string => `/api/v1/incidents/${encodeURIComponent(incident)}`
const one = (id: string): string => `/api/v1/activations/${encodeURIComponent(id)}`

export const plans = {
  list: () => get<{ items: PlanHead[] }>('/api/v1/plans'),
  step: (id: string, version: number, status: string, reason = '') => post<PlanHead>(`/api/v1/plans/${encodeURIComponent(id)}/versions/${version}/status`, { status, reason }),
  /** Two versions of a plan, or (`other`) one of it and one of another plan. */
  compare: (id: string, before: number, after: number, other: string | null = null) => get<{ items: PlanDifference[] }>(`/api/v1/plans/${encodeURIComponent(id)}/compare`, { before, after, other }),
  check: () => get<{ items: LibraryFinding[]; plans: number; checked_at: string }>('/api/v1/plans/check'),
  replay: (drills: boolean) => get<Replayed>('/api/v1/plans/backtest', { drills }),
  suggested: () => get<{ items: Suggested[]; seq: number }>('/api/v1/suggested-plans'),
  whole: (id: string, version: number | null = null) => get<PlanWhole>(`/api/v1/plans/${encodeURIComponent(id)}`, { version }),
  history: (id: string) => get<{ items: PlanStep[]; people: Record<string, Bilingual> }>(`/api/v1/plans/${encodeURIComponent(id)}/history`),
  yaml: (id: string, query: { version?: number | null; next?: boolean } = {}) => text(`/api/v1/plans/${encodeURIComponent(id)}/yaml`, query),
  skeleton: () => text('/api/v1/plans/skeleton'),
  /** `skip`: facts that nobody can tell for now; the question is then the next best one. */
  of: (incident: string, skip: string[] = []) => get<IncidentPlans>(`${of(incident)}/plans`, { skip: skip.join(',') }),
  fact: (incident: string, field: string, value: unknown) => post<{ changed: boolean }>(`${of(incident)}/facts`, { field, value }),
  preview: (incident: string, chosen: string[], level: Level | null) => post<Activation>(`${of(incident)}/activations/preview`, { plans: chosen, level }),
  start: (incident: string, chosen: string[], level: Level | null) => post<IncidentResponse>(`${of(incident)}/activations`, { plans: chosen, level }),
  response: (incident: string) => get<IncidentResponse>(`${of(incident)}/activations`),
  /** `seen`: the level that stood on the screen as it was decided. */
  level: (id: string, level: Level, reason: string, seen: Level) => post<IncidentResponse>(`${one(id)}/level`, { level, reason, seen }),
  stage: (id: string, stage: Stage, met: string[], reason: string | null) => post<IncidentResponse>(`${one(id)}/stage`, { stage, met, reason }),
  terminate: (id: string, met: string[], reason: string | null) => post<IncidentResponse>(`${one(id)}/terminate`, { met, reason }),
  bundle: (incident: string, reason: string) => file(`${of(incident)}/bundle`, { reason }),
  revoke: (id: string, reason: string) => post<IncidentResponse>(`${one(id)}/revoke`, { reason }),
}

export const tasks = {
  own: () => get<{ items: TaskView[] }>('/api/v1/tasks'),
  acknowledge: (id: string) => post<TaskStanding>(`/api/v1/tasks/${encodeURIComponent(id)}/acknowledge`),
  done: (id: string, evidence: string, reason: string | null = null) => post<TaskStanding>(`/api/v1/tasks/${encodeURIComponent(id)}/done`, { evidence, reason }),
}

export const zones = {
  all: () => get<{ items: ZonesView[]; done: Record<string, string[]>; seq: number }>('/api/v1/zones'),
  of: (incident: string) => get<IncidentZones>(`${of(incident)}/zones`),
  /** What is left out stays as it was; a wind of null follows the measured one. */
  draw: (incident: string, said: { wind?: string | null; in_water?: boolean | null }) => post<IncidentZones>(`${of(incident)}/zones`, said),
  tick: (incident: string, receptor: string, done: boolean) => post<unknown>(`${of(incident)}/evacuation/${encodeURIComponent(receptor)}`, { done }),
}

export const hazmatSearch = (q: string) => get<{ items: { substance: { un: string; name_zh: string | null; names_en: string[] } }[] }>('/api/v1/hazmat/search', { q, limit: 1 })

/** Read once: they change with an edition of the data. */
export const receptors = { list: () => get<{ items: Receptor[] }>('/api/v1/receptors') }

export const resources = {
  list: (query: Query = {}) => get<{ items: Resource[]; seq: number }>('/api/v1/resources', query),
  save: (one: Resource) => post<Resource>('/api/v1/resources', one),
  capabilities: () => get<{ items: Capability[] }>('/api/v1/resources/capabilities'),
  /** Where the register lies as the table that the import reads; `empty`: the form alone. */
  table: (empty: boolean) => address('/api/v1/resources/table', empty ? { empty: 'true' } : {}),
  asked: (incident: string) => get<{ items: ResourceRequest[]; seq: number }>(`${of(incident)}/requests`),
  suitable: (incident: string, capability: string, quantity: number, unit: string) => get<{ items: Suggestion[] }>(`${of(incident)}/resources/suitable`, { capability, quantity, unit }),
  ask: (incident: string, body: { id: string; capability: string; quantity: number; unit: string; text: string; within_min: number }) => post<ResourceRequest>(`${of(incident)}/requests`, body),
  step: (id: string, state: ResourceRequest['state'], resource_id: string | null = null, quantity: number | null = null, note = '') =>
    post<ResourceRequest>(`/api/v1/requests/${encodeURIComponent(id)}/step`, { state, resource_id, quantity, note }),
}

/** The bundle of hazmat support, from the hub or, without signal, from the phone's own copy (the service worker keeps it). */
export const hazmatBundle = <T>(): Promise<T> => get<T>('/api/v1/hazmat/bundle')

export interface ImportedTable { lines: number; altered: number; faults: number; errors: (Bilingual & { line: number; column: string; cell: string })[] }
export interface ImportedPlan { plan: PlanHead | null; faults: LineNote[] }

/** Send a file as it is; an answer that names the file's faults comes back like any other. */
async function sendFile<T>(path: string, file: Blob, named: (body: unknown) => body is T): Promise<T> {
  let answer: Response
  try {
    answer = await sendOver(path, () => ({ method: 'POST', credentials: 'same-origin', headers: { accept: 'application/json', 'x-tocsin': 'console' }, body: file }))
  } catch {
    throw new Unreachable('no answer')
  }
  const body: unknown = await answer.json().catch(() => null)
  if (named(body)) return body
  if ([502, 503, 504].includes(answer.status)) throw new Unreachable('later')
  throw refusedBy(answer, body)
}
export const importResources = (file: Blob): Promise<ImportedTable> =>
  sendFile('/api/v1/resources/import', file, (body): body is ImportedTable => Array.isArray((body as ImportedTable | null)?.errors))
/** Store a plan's text as a draft. `expects` names the draft that it began from, so that nobody's work is written over unseen. */
export const importPlan = (file: Blob, query: { expects?: string | null; reason?: string } = {}): Promise<ImportedPlan> =>
  sendFile(address('/api/v1/plans', query), file, (body): body is ImportedPlan => Array.isArray((body as ImportedPlan | null)?.faults))

export const checkPlan = (source: string | Blob): Promise<CheckedPlan> =>
  sendFile('/api/v1/plans/check', source instanceof Blob ? source : new Blob([source]), (body): body is CheckedPlan => Array.isArray((body as CheckedPlan | null)?.findings))

/** Send something that was kept on the phone; it may have been sent before. */
export const send = (path: string, body: unknown): Promise<unknown> => post(path, body)

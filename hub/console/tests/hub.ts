// A hub in memory, for tests of the console: it keeps incidents, logs changes with whole views, answers requests and feeds sockets, as docs/wire.md says.
import { vi } from 'vitest'
import type { Socket } from '@/backend/live'
import type { AgentView, Change, ChangeBody, IncidentPage, IncidentView, MergeProposal, Obligation, ReportKind, ReportView } from '@/backend/types'

export const START = Date.parse('2026-11-23T06:00:00Z')
const uuid = (n: number): string => `0197b2aa-0000-7000-8000-${String(n).padStart(12, '0')}`

interface Whole {
  incident: IncidentView
  reports: ReportView[]
  proposals: MergeProposal[]
  obligations: Obligation[]
}

interface Line {
  socket: Socket & { sent: (frame: unknown) => void }
  after: number
}

export class PretendHub {
  seq = 100
  now_ms = START
  log: Change[] = []
  refused: { id: string; payload: string }[] = []
  answers: { method: string; path: string; status: number; body: unknown }[] = []
  asked: { method: string; path: string; body: unknown }[] = []
  /** Sockets do not open while this is false. */
  reachable = true
  readonly incidents = new Map<string, Whole>()
  readonly agents = new Map<string, AgentView>()
  private lines: Line[] = []
  private restored_at = Infinity
  private count = 0

  at(): string {
    return new Date(this.now_ms).toISOString()
  }

  record(kind: string, body: ChangeBody, whole: Whole | null = null): void {
    this.now_ms += 1000
    const incident = whole?.incident
    const change: Change = {
      seq: ++this.seq, kind, at: this.at(), actor: 'person:p1', subject: incident ? `incident:${incident.id}` : 'hub', incident_id: incident?.id ?? null,
      department_id: null, drill: incident?.drill ?? false, body: JSON.parse(JSON.stringify(body)) as ChangeBody,
    }
    this.log.push(change)
    this.lines.forEach((line) => line.socket.sent({ type: 'changes', seq: this.seq, hash: this.hash(this.seq), items: [change] }))
  }

  private put(whole: Whole, kind: string, change: Partial<IncidentView>, rest: ChangeBody = {}): void {
    whole.incident = { ...whole.incident, ...change, updated_at: this.at(), version: whole.incident.version + 1 }
    this.record(kind, { incident: whole.incident, ...rest }, whole)
  }

  get(id: string): Whole {
    return this.incidents.get(id)!
  }

  report(whole: Whole, kind: ReportKind, text: string): ReportView {
    const report: ReportView = {
      id: uuid(9000 + ++this.count), kind, incident_id: whole.incident.id, number: whole.reports.length + 1, receipt_no: `20261123-${String(this.count).padStart(6, '0')}`,
      occurred_at: this.at(), received_at: this.at(), place: whole.incident.place, channel: 'mqtt', actor: 'agent:plant-7', agent_id: 'plant-7', text,
    }
    whole.reports.push(report)
    this.record('report.received', { report }, whole)
    return report
  }

  open(title: string, change: Partial<IncidentView> = {}): string {
    const n = ++this.count
    const incident: IncidentView = {
      id: uuid(n), number: n, no: `20261123-${n}`, title, state: 'unverified', event_types: ['12D00'], grade: null, grade_suggested: null,
      place: { text: '赣马镇', lon: 119.1, lat: 34.9 }, occurred_at: this.at(), opened_at: this.at(), updated_at: this.at(), acknowledged_at: null,
      acknowledged_by: null, casualties: {}, hazmat: [], loss_yuan: null, drill: false, urgent: false, source_trusted: false, department_id: 'emergency-bureau',
      report_count: 1, last_report_kind: 'initial', merged_into: null, version: 1, ...change,
    }
    const whole: Whole = { incident, reports: [], proposals: [], obligations: [] }
    this.incidents.set(incident.id, whole)
    this.report(whole, 'initial', title)
    this.record('incident.opened', { incident }, whole)
    return incident.id
  }

  take(id: string): void {
    this.put(this.get(id), 'incident.acknowledged', { acknowledged_at: this.at(), acknowledged_by: 'person:p1' })
  }

  follow(id: string): void {
    const whole = this.get(id)
    this.report(whole, 'follow_up', '续报')
    const again = ['closed', 'false_alarm'].includes(whole.incident.state) ? { acknowledged_at: null, acknowledged_by: null } : {}
    this.put(whole, 'incident.updated', { report_count: whole.reports.length, casualties: { injured: whole.reports.length }, ...again }, { changed: ['casualties'] })
  }

  state(id: string, state: IncidentView['state'], change: Partial<IncidentView> = {}): void {
    const { acknowledged_at, acknowledged_by } = this.get(id).incident
    const taken = { acknowledged_at: acknowledged_at ?? this.at(), acknowledged_by: acknowledged_by ?? 'person:p1' }
    this.put(this.get(id), 'incident.state_changed', { state, ...taken, ...change }, { act: state, reason: '测试' })
  }

  grade(id: string, grade: string): void {
    this.put(this.get(id), 'incident.graded', { grade }, { before: null, reason: null })
  }

  note(id: string, text: string): void {
    this.record('incident.noted', { text }, this.get(id))
  }

  propose(id: string, other: string): void {
    const proposal: MergeProposal = { id: uuid(8000 + ++this.count), incident_id: id, other_id: other, score: 0.8, reasons: [{ zh: '近', en: 'near' }], proposed_at: this.at(), decided: null }
    this.get(id).proposals.push(proposal)
    this.get(other).proposals.push(proposal)
    this.record('merge.proposed', { proposal }, this.get(id))
  }

  decide(id: string, decided: 'merged' | 'dismissed'): void {
    const [old] = this.get(id).proposals
    const proposal: MergeProposal = { ...old!, decided }
    for (const one of [proposal.incident_id, proposal.other_id]) {
      const whole = this.get(one)
      whole.proposals = whole.proposals.map((held) => (held.id === proposal.id ? proposal : held))
    }
    this.record('merge.decided', { proposal }, this.get(id))
  }

  owe(id: string, state: Obligation['state'] = 'open'): void {
    const whole = this.get(id)
    const old = whole.obligations[0]
    const obligation: Obligation = {
      id: uuid(7001), kind: 'acknowledge', department_id: 'emergency-bureau', post_id: 'desk', subject: id, title_zh: '签收', title_en: 'Take it', opens_at: this.at(),
      due_at: this.at(), late_at: this.at(), incident_id: id, version: (old?.version ?? 0) + 1, state, ...(state === 'met' ? { met_at: this.at() } : {}),
    }
    whole.obligations = [obligation]
    if (old) this.record(`obligation.${state}`, { obligation }, whole)
    else this.record('obligation.made', { obligations: [obligation] }, whole)
  }

  page(id: string): IncidentPage {
    const whole = this.get(id)
    return {
      incident: whole.incident, reports: [...whole.reports], merge_candidates: [...whole.proposals], others: [], tier: 'lead', may: [], obligations: [...whole.obligations],
      timeline: this.log.filter((change) => this.concerns(change, id)), seq: this.seq,
    }
  }

  private concerns(change: Change, id: string): boolean {
    const proposal = change.body?.proposal
    return change.incident_id === id || proposal?.incident_id === id || proposal?.other_id === id
  }

  list(): IncidentView[] {
    return [...this.incidents.values()].map((whole) => whole.incident).sort((a, b) => b.number - a.number)
  }

  /** Answer the next request to this path so, instead of as a hub would. */
  answerNext(method: string, path: string, status: number, body: unknown): void {
    this.answers.push({ method, path, status, body })
  }

  private answer(method: string, address: string): { status: number; body: unknown } {
    const url = new URL(address, 'http://hub.test')
    const set = this.answers.findIndex((one) => one.method === method && one.path === url.pathname)
    if (set >= 0) return this.answers.splice(set, 1)[0]!
    const page = /^\/api\/v1\/incidents\/([^/]+)$/.exec(url.pathname)
    if (page && method === 'GET') return { status: 200, body: { ...this.page(page[1]!), obligations: undefined } }
    const act = /^\/api\/v1\/incidents\/([^/]+)\/acknowledge$/.exec(url.pathname)
    if (act) {
      this.take(act[1]!)
      return { status: 200, body: this.get(act[1]!).incident }
    }
    if (url.pathname === '/api/v1/incidents') {
      const asked = (name: string) => url.searchParams.get(name)
      const most = Number(asked('limit') ?? 50)
      const found = this.list().filter((one) => asked('acknowledged') !== 'false' || one.acknowledged_at === null)
        .filter((one) => asked('open') !== 'true' || one.state === 'unverified' || one.state === 'verified')
        .filter((one) => asked('before') === null || one.number < Number(asked('before')))
        .sort((one, other) => other.number - one.number)
      const items = found.slice(0, most)
      return { status: 200, body: { items, next: found.length > most ? items[most - 1]!.number : null, seq: this.seq } }
    }
    if (url.pathname === '/api/v1/quarantine') {
      const before = url.searchParams.get('before')
      const found = this.refused.filter((one) => before === null || one.id < before)
      return { status: 200, body: { items: found.slice(0, 2).map((one) => ({ ...one })), next: found.length > 2 ? found[1]!.id : null, waiting: this.refused.length } }
    }
    if (url.pathname === '/api/v1/obligations') {
      return { status: 200, body: { items: this.get(url.searchParams.get('incident')!).obligations, next: null, seq: this.seq } }
    }
    if (url.pathname === '/api/v1/classified') return { status: 200, body: { items: [] } }
    if (url.pathname === '/api/v1/session') return { status: 200, body: this.session() }
    return { status: 404, body: { code: 'not_found', message: { zh: '没有', en: 'nothing' } } }
  }

  session(permissions = ['incident.take', 'incident.list', 'obligation.list', 'triage.run', 'report.file']) {
    return {
      person: { id: 'p1', name: '王值守' }, posts: ['desk'], roles: ['operator'], department_id: null, permissions, hub: { id: 'district', name: '测试中枢', version: '0' },
      must_set_password: false, now: this.at(),
    }
  }

  /** Stand in for the network: the browser's fetch. */
  serve(): void {
    vi.stubGlobal('fetch', async (address: string, init: { method?: string; body?: string } = {}) => {
      const method = init.method ?? 'GET'
      this.asked.push({ method, path: address, body: init.body ? JSON.parse(init.body) : null })
      const { status, body } = this.answer(method, address)
      return new Response(body === null ? '' : JSON.stringify(body), { status })
    })
  }

  /** The chain's hash at a number: another one for what came after a restored backup. */
  private hash = (seq: number): string => (seq > this.restored_at ? 'restored' : 'first') + seq

  /** A backup of now, and putting it back later. */
  backup(): () => void {
    const [seq, incidents, log] = [this.seq, structuredClone(this.incidents), [...this.log]]
    return () => {
      this.cut()
      Object.assign(this, { seq, incidents, log, restored_at: seq })
    }
  }

  /** A socket to this hub; frames arrive in the microtask after the one that caused them. */
  dial = (address: string): Socket => {
    const after = new URL(address, 'ws://hub.test').searchParams.get('after')
    const socket: Line['socket'] = {
      onopen: null, onmessage: null, onclose: null, onerror: null,
      close: () => (this.lines = this.lines.filter((line) => line.socket !== socket)),
      sent: (frame) => socket.onmessage?.({ data: JSON.stringify(frame) }),
    }
    queueMicrotask(() => {
      if (!this.reachable) return socket.onclose?.(undefined as never)
      socket.onopen?.(undefined as never)
      const from = after === null ? this.seq : Number(after)
      const begins = Math.min(from, this.seq)
      socket.sent({ type: 'hello', seq: this.seq, after: begins, hash: this.hash(begins), now: this.at() })
      const missed = this.log.filter((change) => change.seq > begins)
      if (missed.length) socket.sent({ type: 'changes', seq: this.seq, hash: this.hash(this.seq), items: missed })
      this.lines.push({ socket, after: from })
    })
    return socket
  }

  /** The heartbeat that a hub sends every two seconds at least. */
  beat(): void {
    this.lines.forEach((line) => line.socket.sent({ type: 'status', seq: this.seq, hash: this.hash(this.seq), ready: true, now: this.at(), parts: {} }))
  }

  /** The network breaks: every socket closes. */
  cut(): void {
    const lines = this.lines
    this.lines = []
    lines.forEach((line) => line.socket.onclose?.(undefined as never))
  }

  /** The hub throws every reader off, as it does with one that stalls. */
  dropAll(reason: string): void {
    this.lines.forEach((line) => line.socket.sent({ type: 'dropped', reason }))
    this.cut()
  }
}

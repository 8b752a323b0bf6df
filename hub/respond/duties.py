"""Puts on the ledger what an incident owes, and takes off it what was done: the desk's acknowledgement and the statutory clocks.

It decides nothing about time limits: the rows are data, `hub.domain.clocks` applies them. Also keeps the standard posts of departments.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zlib import crc32

from msgspec import structs

from hub.clock import parse_utc
from hub.domain import clocks
from hub.domain.change import Change
from hub.domain.clocks import Duty, Facts, Form, Limit, Running
from hub.domain.data import packaged
from hub.domain.duty_rules import DutyRules, packaged_rules
from hub.domain.incident import (
    OPEN_STATES,
    Act,
    IncidentAcknowledged,
    IncidentGraded,
    IncidentOpened,
    IncidentStateChanged,
    IncidentUpdated,
    IncidentView,
)
from hub.domain.notice import MESSAGE_AGE, Contact, cited, fields_of
from hub.domain.obligation import Evidence, Obligation, ObligationMet, ObligationMissed, Owed, State
from hub.domain.organisation import DepartmentKind
from hub.domain.report import ReportReceived, ReportView
from hub.store import Store, Transaction
from hub.store import obligations as ledger
from hub.store.duty_data import load_rules
from hub.store.notices import address_of, draft, list_contacts, queue
from hub.store.organisation import list_departments
from hub.store.reports import get_incident, get_report
from hub.store.roster import get_post, list_posts, make_standard_posts
from hub.wire import ReportKind

ACTOR: Final = "system:duties"
DESK: Final = frozenset({"desk_ack"})
KINDS: Final = {
    Duty.DESK_ACK: "desk_ack", Duty.FOLLOW_UP: "report_follow_up", Duty.FINAL: "report_final", Duty.CORRECTION: "report_correction",
    Duty.VERIFICATION: "report_verification",
}
"""The kind of duty on the ledger for each clock; a first report is `report_phone` or `report_written` by its form."""
FILINGS: Final = {
    ReportKind.FOLLOW_UP: "report_follow_up", ReportKind.FINAL: "report_final", ReportKind.VERIFICATION: "report_verification",
}
"""Which duty a further report meets."""
SEEN_AT_MOST: Final = 500
CLOCKS: Final = frozenset({*KINDS.values(), "report_phone", "report_written"}) - DESK


class Duties:
    """A reactor. `rules` None: those of the store, read again when they change."""

    name = "duties"
    kinds = frozenset({
        "incident.opened", "incident.updated", "incident.acknowledged", "incident.state_changed", "incident.graded", "report.received",
        "obligation.met", "obligation.missed", "department.saved", "obligation.rules_saved",
    })

    def __init__(self, rules: DutyRules | None = None) -> None:
        self.rules = rules or packaged_rules()
        self._load = rules is None
        self._seen: dict[str, ReportView] = {}

    async def react(self, tx: Transaction, change: Change) -> None:
        """Do what one change asks for."""
        if self._load:
            self.rules, self._load = await load_rules(tx.conn), False
        match change.kind:
            case "incident.opened":
                await self._opened(tx, change.read(IncidentOpened).incident)
            case "incident.updated":
                await self._regraded(tx, change.read(IncidentUpdated).incident, change)
            case "incident.graded":
                await self._regraded(tx, change.read(IncidentGraded).incident, change)
            case "incident.acknowledged":
                await self._taken(tx, change.read(IncidentAcknowledged).incident, change)
            case "incident.state_changed":
                await self._state(tx, change.read(IncidentStateChanged), change)
            case "report.received":
                await self._report(tx, change.read(ReportReceived).report)
            case "obligation.met":
                await self._next_turn(tx, change.read(ObligationMet).obligation)
            case "obligation.missed":
                await self._next_turn(tx, change.read(ObligationMissed).obligation)
            case "department.saved":
                await prepare_posts(tx)
            case "obligation.rules_saved":
                self.rules = await load_rules(tx.conn)

    async def _opened(self, tx: Transaction, incident: IncidentView) -> None:
        report = self._seen.pop(incident.id, None) or await get_report(tx.conn, incident.id)
        await self._owe(tx, incident, facts_of(incident, report))

    async def _owe(self, tx: Transaction, incident: IncidentView, facts: Facts, *, only: frozenset[Duty] | None = None) -> None:
        running = [r for r in clocks.owed(facts, self.rules.limits, zone=self.rules.calendar.zone) if only is None or r.limit.duty in only]
        wanted = [owed for owed in (self._owed(incident, r) for r in running) if owed is not None]
        await ledger.make(tx, self.rules, wanted, actor=ACTOR)

    def _owed(self, incident: IncidentView, running: Running) -> Owed | None:
        """The duty of one clock; None where the role that owes it is not this hub's (an enterprise, another level)."""
        limit = running.limit
        post = self.rules.role_posts.get(limit.from_role)
        if post is None:
            return None
        form = {Form.PHONE: ("电话", "by telephone"), Form.WRITTEN: ("书面", "in writing"), Form.SCREEN: ("", "")}[running.form]
        return Owed(
            key=f"incident:{incident.id}:{running.key}", kind=_kind(running), department_id=post.department, post_id=post.post,
            subject=f"incident:{incident.id}", title_zh=f"{limit.zh}{'（' + form[0] + '）' if form[0] else ''}：{incident.title}",
            title_en=f"{limit.en}{', ' + form[1] if form[1] else ''}: {incident.title}", opens_at=running.starts_at, due_at=running.due_at,
            incident_id=incident.id, drill=incident.drill, rule=cited(limit.source, limit.edition),
        )

    async def _rung(self, tx: Transaction, incident: IncidentView, facts: Facts) -> None:
        """A report on an incident that had ended: the desk owes to take it, from now, unless it does already."""
        if await ledger.owed_ids(tx.conn, incident_id=incident.id, kinds=DESK):
            return
        running = [structs.replace(r, turn=incident.version, starts_at=tx.now, due_at=tx.now + (r.due_at - r.starts_at))
                   for r in clocks.owed(facts, self.rules.limits, zone=self.rules.calendar.zone) if r.limit.duty is Duty.DESK_ACK]
        await ledger.make(tx, self.rules, [owed for owed in (self._owed(incident, r) for r in running) if owed is not None], actor=ACTOR)

    async def _regraded(self, tx: Transaction, incident: IncidentView, change: Change) -> None:
        """New facts: what now applies is owed, what no longer applies is excused."""
        report = await get_report(tx.conn, incident.id)
        facts = facts_of(incident, report, graded_at=parse_utc(change.at))
        if incident.state not in OPEN_STATES and incident.acknowledged_at is None:
            await self._rung(tx, incident, facts)
        await self._owe(tx, incident, facts, only=frozenset({Duty.FIRST, Duty.FOLLOW_UP, Duty.CORRECTION}))
        open_ids = await ledger.owed_ids(tx.conn, incident_id=incident.id, kinds=CLOCKS)
        held = {o.id: limit_of(o) for o in await ledger.get_many(tx.conn, open_ids)}
        gone = clocks.no_longer({name for name in held.values() if name}, facts, self.rules.limits)
        for id, name in held.items():
            if name in gone:
                await ledger.excuse(tx, self.rules, id, by=ACTOR, reason="事件等级或类型变化，本条时限不再适用 / grade or type changed")

    async def _taken(self, tx: Transaction, incident: IncidentView, change: Change) -> None:
        await ledger.meet_where_owed(tx, self.rules, by=change.actor, incident_id=incident.id, kinds=DESK,
                                     evidence=Evidence(ref=f"change:{change.seq}", zh="值班台已签收", en="taken by the desk", at=parse_utc(change.at)))

    async def _state(self, tx: Transaction, body: IncidentStateChanged, change: Change) -> None:
        incident = body.incident
        match body.act:
            case Act.VERIFY:
                await self._taken(tx, incident, change)
            case Act.FALSE_ALARM | Act.MERGE:
                await self._taken(tx, incident, change)
                why = "误报 / false alarm" if body.act is Act.FALSE_ALARM else "已并入另一事件 / merged into another incident"
                await ledger.excuse_where_owed(tx, self.rules, by=ACTOR, reason=why, incident_id=incident.id, kinds=CLOCKS)
            case Act.CLOSE:
                await self._taken(tx, incident, change)
                await ledger.excuse_where_owed(tx, self.rules, by=ACTOR, reason="事件已结束 / incident closed", incident_id=incident.id,
                                               kinds={"report_follow_up"})
                report = await get_report(tx.conn, incident.id)
                facts = facts_of(incident, report, stable_at=parse_utc(change.at))
                await self._owe(tx, incident, facts, only=frozenset({Duty.FINAL, Duty.VERIFICATION}))
            case Act.REOPEN:
                await self._reopened(tx, incident)

    async def _reopened(self, tx: Transaction, incident: IncidentView) -> None:
        """What was excused because the incident had ended is owed again; final and verification wait for the next end."""
        held = await ledger.list_obligations(tx.conn, incident_id=incident.id, kinds=CLOCKS, limit=1_000)
        for o in held:
            if o.state is State.EXCUSED and o.reason_by == ACTOR:
                due = max(o.due_at, tx.now + timedelta(minutes=self.rules.kind(o.kind).correction_min))
                await ledger.unlock(tx, self.rules, o.id, by=ACTOR, reason="事件重新打开 / incident reopened", due_at=due)

    async def _report(self, tx: Transaction, report: ReportView) -> None:
        """A further report by the department that owes it meets its follow-up, final or verification."""
        kind = FILINGS.get(report.kind)
        if kind is None:
            if len(self._seen) >= SEEN_AT_MOST:
                self._seen.clear()
            self._seen[report.id] = report  # the incident that it opens comes next in the feed, and needs it
            return
        evidence = Evidence(ref=f"report:{report.id}", zh=f"报告 {report.receipt_no}", en=f"report {report.receipt_no}", at=parse_utc(report.received_at))
        ids = await ledger.owed_ids(tx.conn, incident_id=report.incident_id, kinds={kind})
        for o in await ledger.get_many(tx.conn, ids):
            if o.department_id == report.department_id:
                await ledger.meet(tx, self.rules, o.id, by=report.actor, evidence=evidence)
        if report.kind is ReportKind.FINAL and ids:
            await ledger.excuse_where_owed(tx, self.rules, by=ACTOR, reason="终报已报 / final report filed", incident_id=report.incident_id,
                                           kinds={"report_follow_up"})

    async def _next_turn(self, tx: Transaction, o: Obligation) -> None:
        """The rhythm goes on: the next follow-up is owed once this one was met or missed, as long as the incident is open."""
        if o.kind != "report_follow_up" or o.incident_id is None:
            return
        limit = next((row for row in self.rules.limits if row.id == limit_of(o)), None)
        incident = await get_incident(tx.conn, o.incident_id)
        if limit is None or incident is None or incident.state not in ("unverified", "verified"):
            return
        after = o.met_at or o.due_at
        following = clocks.next_turn(limit, after=after, turn=int(o.key.rsplit(":", 1)[1]) + 1, zone=self.rules.calendar.zone)
        while following.due_at <= tx.now:  # the hub was down for longer than a turn: the turns in between were nobody's to report any more
            following = clocks.next_turn(limit, after=following.due_at, turn=following.turn, zone=self.rules.calendar.zone)
        owed = self._owed(incident, following)
        if owed is not None:
            await ledger.make(tx, self.rules, [owed], actor=ACTOR)


def _kind(running: Running) -> str:
    if running.limit.duty is Duty.FIRST:
        return "report_phone" if running.form is Form.PHONE else "report_written"
    return KINDS[running.limit.duty]


def limit_of(o: Obligation) -> str | None:
    """The id of the row of limits that a duty of an incident comes from: `incident:ID:LIMIT:FORM:TURN`."""
    parts = o.key.split(":")
    return parts[2] if len(parts) == 5 and parts[0] == "incident" else None


def facts_of(
    incident: IncidentView, report: ReportView | None, *, graded_at: datetime | None = None, stable_at: datetime | None = None,
) -> Facts:
    """What the clocks need to know, from the incident's view and the report that opened it (the telephone note's 接报 is this level's)."""
    received = parse_utc(report.received_at if report else incident.opened_at)
    heard = parse_utc(report.heard_at) if report and report.heard_at else None
    phoned = report is not None and report.channel == "phone"
    grade = incident.grade or (incident.grade_suggested.grade if incident.grade_suggested else None)
    return Facts(
        incident_id=incident.id, event_types=incident.event_types, received_at=min(received, heard) if phoned and heard else received,
        occurred_at=parse_utc(incident.occurred_at), told_at=None if phoned else heard, grade=grade, graded_at=graded_at, stable_at=stable_at,
        drill=incident.drill,
    )


async def meet_clock(
    tx: Transaction, rules: DutyRules, incident_id: str, *, limits: Sequence[str], by: str, evidence: Evidence, forms: Sequence[Form] = tuple(Form),
) -> list[Obligation]:
    """Meet the open clocks of an incident that come from these rows, in these forms: for whoever reports upward."""
    ids = await ledger.owed_ids(tx.conn, incident_id=incident_id, kinds=CLOCKS)
    wanted = [o.id for o in await ledger.get_many(tx.conn, ids) if limit_of(o) in limits and o.key.split(":")[3] in forms]
    return [await ledger.meet(tx, rules, id, by=by, evidence=evidence) for id in wanted]


def limits_upward(rules: DutyRules) -> list[Limit]:
    """The rows by which this hub's posts report to the level above."""
    return [row for row in rules.limits if row.from_role in rules.role_posts and row.to_role.startswith(("city", "province"))]


async def prepare_posts(tx: Transaction) -> None:
    """Give every active department its standard duty posts; those that exist stay as they are."""
    departments = [d for d in await list_departments(tx.conn) if d.active]
    centre = next((d.id for d in departments if d.kind is DepartmentKind.DESK), "")
    await make_standard_posts(tx, [(d.id, d.zh, d.en) for d in departments], centre=centre, by=ACTOR)


async def check_contacts(store: Store, rules: DutyRules) -> int:
    """Owe, and ask for by a test notice, that every contact can be reached: each in its turn within the period; gives how many now."""
    setting = packaged("duty_posts")["contact_check"]
    every, within = int(setting["every_days"]), timedelta(minutes=float(setting["within_min"]))
    async with store.read() as conn:
        contacts = await list_contacts(conn, active_only=True)
        posts = {p.id: p for p in await list_posts(conn)}
    desk = next((p for p in posts.values() if p.role == "command_centre"), None)
    today = store.clock.now().date().toordinal()
    asked = 0
    for contact in contacts:
        turn = (today + crc32(contact.id.encode()) % every) // every
        owner = posts.get(contact.post_id or "") or next((p for p in posts.values() if contact.person_id in p.members), desk)
        if owner is None:
            continue
        async with store.transaction() as tx:
            asked += await _check_contact(tx, rules, contact, turn, owner.id, within)
    return asked


async def _check_contact(tx: Transaction, rules: DutyRules, contact: Contact, turn: int, post_id: str, within: timedelta) -> int:
    post, address = await get_post(tx.conn, post_id), await address_of(tx.conn, contact.id)
    if post is None or address is None:
        return 0
    made = await ledger.make(tx, rules, [Owed(
        key=f"contact:{contact.id}:{turn}", kind="contact_reachable", department_id=post.department_id, post_id=post.id,
        subject=f"contact:{contact.id}", title_zh=f"联系方式可达：{post.zh} {contact.name}", title_en=f"contact can be reached: {post.en or post.zh} {contact.name}",
        due_at=tx.now + within)], actor=ACTOR)
    for o in made:
        fields = fields_of(o, now=tx.now, zone=rules.calendar.zone, post=post, kind=None)
        await queue(tx, [draft(rules, dedupe=f"check:{o.id}", channel="push", address=address.address, template="reach_check", fields=fields,
                               now=tx.now, max_age=MESSAGE_AGE, language=contact.language, quiet=address.quiet, obligation=o, post_id=post.id,
                               contact_id=contact.id)], actor=ACTOR)
    return len(made)

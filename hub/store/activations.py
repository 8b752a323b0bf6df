"""Responses in the store: plans put in force with their tasks as obligations, notices, shares and requests; level, stage and end.

What follows from plans and facts is computed by `plans.activate`; here its values are written, and only the difference of a change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain import activation as rules_of
from hub.domain.access import Tier
from hub.domain.activation import (
    Automatic,
    ResponseChanged,
    ResponseEnded,
    ResponseHead,
    ResponseStarted,
    ResponseState,
    StageMoved,
    StageStep,
)
from hub.domain.duty_rules import DutyRules
from hub.domain.incident import OPEN_STATES, Act, IncidentNoted, IncidentView
from hub.domain.notice import Fields, in_both
from hub.domain.obligation import Evidence, Obligation, Owed
from hub.domain.obligation import State as DutyState
from hub.domain.sharing import Origin
from hub.errors import Rejected, changed_meanwhile
from hub.ids import new_id
from hub.store import obligations as ledger
from hub.store.changes import changes_of_incident
from hub.store.duty_data import load_rules
from hub.store.notices import message_drafts, queue
from hub.store.organisation import list_departments, people_by_id, towns_by_adcode
from hub.store.plans import facts_from, get_plan, stated_facts, stated_facts_of
from hub.store.reports import get_incident, list_incidents
from hub.store.roster import list_posts, load_reach, who_is_on_now
from hub.store.schema_plan import activation as table
from hub.store.sharing import end_shares, grant, shares_of
from hub.store.writer import Transaction
from plans import activate as compute
from plans.activate import (
    Activation,
    ActiveNotice,
    ActiveTask,
    AutomaticActivation,
    Bindings,
    Difference,
    Owner,
    Post,
)
from plans.backtest import Case
from plans.facts import IncidentFacts
from plans.match import suggest_level
from plans.model import LEVEL_RANK, Level, Plan, PlanKind, Stage, Text, in_force

KIND: Final = "plan_task"
ACTOR: Final = "system:response"
_DISMISSED: Final = ("事件为误报，响应终止。", "The incident was a false alarm; the response ends.")
_WITHDRAWN: Final = "任务已撤销 / task withdrawn"
_TIERS: Final = {"lead": Tier.LEAD, "assist": Tier.ASSIST, "informed": Tier.INFORMED}
_NOTICE_AGE: Final = timedelta(hours=6)
_TOGETHER: Final = 1_000
"""Incidents that one query asks about: far below the 32,766 values that a statement of SQLite may hold (SQLITE_MAX_VARIABLE_NUMBER, since 3.32)."""


class Whole(NamedTuple):
    """A response with its document: everything that the plans put in force."""

    head: ResponseHead
    document: Activation


class TaskView(Struct, frozen=True, kw_only=True):
    """A task of a response with the duty it is on the ledger: what, who, until when, after what, and how it stands."""

    id: str
    key: str
    response_id: str
    incident_id: str
    incident_title: str
    text: Text
    role: str
    owner: Owner
    stage: Stage
    due_at: datetime
    state: DutyState
    after: tuple[str, ...]
    waits_for: tuple[str, ...]
    evidence_wanted: tuple[Text, ...]
    plans: tuple[str, ...]
    acknowledged_by: str | None
    acknowledged_until: datetime | None
    done_at: datetime | None
    done_by: str | None
    evidence: Evidence | None
    drill: bool
    version: int


# ── reads ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _whole(row: Any) -> Whole:
    return Whole(msgspec.json.decode(row.head, type=ResponseHead), msgspec.json.decode(row.document, type=Activation))


async def get_response(conn: AsyncConnection, id: str) -> Whole | None:
    """One response, or None."""
    row = (await conn.execute(select(table.c.head, table.c.document).where(table.c.id == id))).first()
    return _whole(row) if row else None


async def active_response(conn: AsyncConnection, incident_id: str) -> Whole | None:
    """The response in force for an incident, or None."""
    row = (await conn.execute(select(table.c.head, table.c.document).where(table.c.active_key == incident_id))).first()
    return _whole(row) if row else None


async def responses_of(conn: AsyncConnection, incident_id: str) -> list[ResponseHead]:
    """Every response of an incident, the newest first."""
    rows = await conn.execute(select(table.c.head).where(table.c.incident_id == incident_id).order_by(table.c.id.desc()))
    return [msgspec.json.decode(text, type=ResponseHead) for text in rows.scalars()]


async def last_responses(conn: AsyncConnection, incident_ids: Sequence[str]) -> dict[str, ResponseHead]:
    """The newest response of each of these incidents that had one, by incident, in one query."""
    rows = await conn.execute(select(table.c.incident_id, table.c.head).where(table.c.incident_id.in_(incident_ids)).order_by(table.c.id))
    return {incident_id: msgspec.json.decode(text, type=ResponseHead) for incident_id, text in {row.incident_id: row.head for row in rows}.items()}


async def responding(conn: AsyncConnection) -> list[str]:
    """The incidents for which a response is in force, the oldest first."""
    return list((await conn.execute(select(table.c.incident_id).where(table.c.active_key.is_not(None)).order_by(table.c.id))).scalars())


async def list_responses(conn: AsyncConnection, *, active_only: bool = True, limit: int = 200) -> list[ResponseHead]:
    """Responses, the newest first."""
    query = select(table.c.head).order_by(table.c.id.desc()).limit(limit)
    if active_only:
        query = query.where(table.c.active_key.is_not(None))
    return [msgspec.json.decode(text, type=ResponseHead) for text in (await conn.execute(query)).scalars()]


async def stored_cases(conn: AsyncConnection, zone: ZoneInfo, *, drill: bool | None = False, limit: int = 500, where: Any = None) -> list[tuple[str, Case]]:
    """The newest incidents as cases to replay, each with its id: what is known of it, and the plans and level that people last put in force for it.

    `where` is the access condition of whoever asks.
    """
    views = await list_incidents(conn, drill=drill, limit=limit, where=where)
    found = []
    for part in (views[n : n + _TOGETHER] for n in range(0, len(views), _TOGETHER)):
        ids = [view.id for view in part]
        heads, stated = await last_responses(conn, ids), await stated_facts_of(conn, ids)
        found += [(view.id, _case(view, facts_from(view, zone, stated.get(view.id, {})), heads.get(view.id))) for view in part]
    return found


def _case(view: IncidentView, facts: IncidentFacts, head: ResponseHead | None) -> Case:
    return Case(view.no, facts, tuple(p.id for p in head.plans) if head else (), head.level if head else None, view.title)


async def bindings(conn: AsyncConnection, now: datetime) -> Bindings:
    """Tonight's posts: for each department that there is its duty post and who is on it, the towns' departments, and what all are called."""
    departments = await list_departments(conn)
    there = {d.id for d in departments if d.active}
    posts = [p for p in await list_posts(conn) if p.active and p.department_id in there and p.id == f"{p.department_id}.duty"]
    on = await who_is_on_now(conn, posts, now)
    first = {post.id: on[post.id].persons[0] for post in posts if on[post.id].persons}
    people = await people_by_id(conn, set(first.values()))
    bound: dict[str, Post] = {}
    for post in posts:
        who = people.get(first.get(post.id, ""))
        bound[post.department_id] = Post(post.department_id, post.id, who.name if who else None, who.phone if who else None)
    return Bindings(posts=bound, towns=await towns_by_adcode(conn), names={d.id: Text(zh=d.zh, en=d.en or d.zh) for d in departments})


async def tasks_of(conn: AsyncConnection, whole: Whole, title: str = "") -> list[TaskView]:
    """The tasks of a response as they stand, withdrawn ones left out, by due time."""
    duties = await _duties(conn, whole.head.id)
    tasks = {task.key: task for task in whole.document.tasks}
    standing = {key: duty for key, duty in duties.items() if key in tasks}
    return sorted((_task(whole.head, tasks[key], duty, standing, title) for key, duty in standing.items()), key=lambda t: (t.due_at, t.key))


def _task(head: ResponseHead, task: ActiveTask, duty: Obligation, duties: dict[str, Obligation], title: str) -> TaskView:
    return TaskView(
        id=duty.id, key=task.key, response_id=head.id, incident_id=head.incident_id, incident_title=title, text=task.text, role=task.role,
        owner=task.owner, stage=task.stage, due_at=duty.due_at, state=duty.state, after=task.after,
        waits_for=tuple(key for key in task.after if key in duties and duties[key].is_owed), evidence_wanted=task.evidence, plans=task.plans,
        acknowledged_by=duty.ack_by, acknowledged_until=duty.ack_until, done_at=duty.met_at, done_by=duty.met_by, evidence=duty.evidence,
        drill=duty.drill, version=duty.version)


def manned(tasks: Iterable[TaskView], bound: Bindings) -> list[TaskView]:
    """Tasks with whoever is on their post now: a response may last longer than the shift in which it began. Where the post is no more it is nobody.

    What is no longer owed keeps its names.
    """
    return [_with_officer(task, bound.posts.get(task.owner.department)) if task.state in (DutyState.OPEN, DutyState.RETURNED) else task for task in tasks]


def _with_officer(task: TaskView, post: Post | None) -> TaskView:
    officer, phone = (post.officer, post.phone) if post is not None else (None, None)
    return msgspec.structs.replace(task, owner=msgspec.structs.replace(task.owner, officer=officer, phone=phone))


async def _duties(conn: AsyncConnection, response_id: str) -> dict[str, Obligation]:
    """The duties of a response by their task's key; where a task changed hands, the one that stands."""
    found: dict[str, Obligation] = {}
    for duty in await ledger.list_obligations(conn, subject=f"activation:{response_id}", kinds={KIND}, limit=2_000):
        key = _task_key(duty)
        if key not in found or (found[key].state is DutyState.EXCUSED and duty.state is not DutyState.EXCUSED):
            found[key] = duty
    return found


def _key(response_id: str, task: ActiveTask) -> str:
    """The key of a task's duty: a task that changes hands is another duty."""
    return f"task:{response_id}:{task.owner.department}:{task.key}"


def _task_key(duty: Obligation) -> str:
    return duty.key.split(":", 3)[3]


async def done_keys(conn: AsyncConnection, response_id: str) -> frozenset[str]:
    """The keys of tasks that were done."""
    duties = await _duties(conn, response_id)
    return frozenset(key for key, duty in duties.items() if duty.state in (DutyState.MET, DutyState.MET_LATE))


# ── putting in force ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _plans(conn: AsyncConnection, ids: Iterable[str], on: date, versions: dict[str, int] | None = None) -> list[Plan]:
    """Plans to put in force on a day; those that run already (`versions`) go on as they are, also where they have ended since."""
    found = []
    for id in dict.fromkeys(ids):
        running = (versions or {}).get(id)
        plan = await get_plan(conn, id, running)
        if plan is None or (plan.status != "in_force" and running is None):
            raise Rejected("unknown_plan", f"没有生效的预案“{id}”", f"there is no plan {id!r} in force", field="plans")
        if running is None and not in_force(plan, on):
            raise _out_of_date(plan, on)
        found.append(plan)
    return found


def _out_of_date(plan: Plan, on: date) -> Rejected:
    """The refusal of a plan whose time is over, or has not begun."""
    if plan.valid_until is not None and plan.valid_until < on:
        return Rejected("plan_expired", f"《{plan.title.zh}》已于 {plan.valid_until} 到期，不能启动；请先修订并批准新版本",
                        f"{plan.title.en} expired on {plan.valid_until} and cannot be put in force; approve a new version first", field="plans")
    return Rejected("plan_not_yet_valid", f"《{plan.title.zh}》自 {plan.valid_from} 起生效，现在不能启动",
                    f"{plan.title.en} is valid from {plan.valid_from} and cannot be put in force yet", field="plans")


def _day(rules: DutyRules, now: datetime) -> date:
    return now.astimezone(ZoneInfo(rules.calendar.zone)).date()


def fitting_level(plans: Sequence[Plan], facts: IncidentFacts) -> Level:
    """The gravest level that any of the plans suggests for the facts; IV where none has levels."""
    levels = [suggest_level(plan, facts).level for plan in plans if plan.levels and plan.kind is not PlanKind.GENERAL]
    return max(levels, key=LEVEL_RANK.__getitem__, default=Level.IV)


async def preview(
    conn: AsyncConnection, rules: DutyRules, facts: IncidentFacts, plan_ids: Sequence[str], level: Level | None, now: datetime,
) -> Activation:
    """What putting these plans in force would do now; writes nothing. Raises Rejected."""
    plans = await _plans(conn, plan_ids, _day(rules, now))
    return compute.activate(plans, facts, level or fitting_level(plans, facts), await bindings(conn, now), now)


async def put_in_force(
    tx: Transaction, rules: DutyRules, incident: IncidentView, facts: IncidentFacts, plan_ids: Sequence[str], level: Level | None, *, by: str,
    reason: str | None = None, automatic: Automatic | None = None,
) -> ResponseHead:
    """Put plans in force for an incident. Where a response stands they join it, and only the difference is applied; twice is once.

    What joins may raise the level of the response and never lowers it: lowering is a decision of its own.

    Raises Rejected `unknown_plan`, `plan_expired`, `plan_not_yet_valid`, `no_plan`, `incident_over`.
    """
    current = await get_incident(tx.conn, incident.id)  # somebody may have ended it since the caller read it
    if current is None or current.state not in OPEN_STATES:
        raise Rejected("incident_over", "事件已结束，不能启动预案", "the incident is over; no plan can be put in force")
    held = await active_response(tx.conn, incident.id)
    if held is not None:
        wanted = tuple(dict.fromkeys([*(p.id for p in held.document.plans), *plan_ids]))
        joining = await _plans(tx.conn, plan_ids, _day(rules, tx.now), {p.id: p.version for p in held.document.plans})
        asked = level or fitting_level(joining, facts)
        return await change_response(tx, rules, incident, facts, held, wanted, max(held.head.level, asked, key=LEVEL_RANK.__getitem__), by=by, reason=reason)
    plans = await _plans(tx.conn, plan_ids, _day(rules, tx.now))
    bound = await bindings(tx.conn, tx.now)
    document = compute.activate(plans, facts, level or fitting_level(plans, facts), bound, tx.now)
    names_zh, names_en = "、".join(p.title.zh for p in document.plans), ", ".join(p.title.en for p in document.plans)
    stage = document.stages[0].stage if document.stages else Stage.RECEIVE
    head = ResponseHead(
        id=new_id(), incident_id=incident.id, state=ResponseState.ACTIVE, level=document.level, plans=document.plans, started_at=tx.at,
        started_by=by, updated_at=tx.at, stage=stage, stages=(StageStep(stage=stage, at=tx.at, by=by),), tasks=len(document.tasks),
        cautions=(*document.cautions, *_unmanned(document, bound)), reason=reason, automatic=automatic, drill=incident.drill,
        zh=f"启动{document.level}级响应：{names_zh}，{len(document.tasks)} 项任务。",
        en=f"Response at level {document.level}: {names_en}; {len(document.tasks)} tasks.")
    head = await _insert(tx, head, document)
    tx.record(ResponseStarted(response=head), **_about(head, incident, by))
    await _owe(tx, rules, incident, head, document.tasks)
    await _tell(tx, rules, incident, head, document.notices)
    await _share(tx, incident, head, [(tier, d) for tier in _TIERS for d in getattr(document.grants, tier)], by=by)
    await _request(tx, rules, incident, head, document, by=by)
    return head


async def begin_automatic(
    tx: Transaction, rules: DutyRules, incident: IncidentView, facts: IncidentFacts, found: AutomaticActivation, plan: Plan,
) -> ResponseHead | None:
    """Put a plan in force by its own rule, once for an incident, and announce it to the desk; None where a response is or was there."""
    if await responses_of(tx.conn, incident.id):
        return None
    automatic = Automatic(found.plan_id, found.text, found.revocable_until)
    head = await put_in_force(tx, rules, incident, facts, [plan.id], found.level, by="system:matching", reason=f"{found.text.zh} / {found.text.en}", automatic=automatic)
    notice = ActiveNotice(key="automatic", to=(compute.COMMAND_CENTRE,), public=False, due_at=tx.now, text=found.text, plans=(plan.id,))
    await _tell(tx, rules, incident, head, [notice])
    return head


def _unmanned(document: Activation, bound: Bindings) -> tuple[compute.Caution, ...]:
    """A caution for posts that hold tasks and that nobody is on: their ladders climb at once."""
    empty = [compute.called(bound.names, d) for d in sorted({t.owner.department for t in document.tasks if t.owner.officer is None and t.owner.post is not None})]
    if not empty:
        return ()
    return (compute.Caution("nobody_on_duty", f"{len(empty)} 个部门的值班岗现无人：{'、'.join(name.zh for name in empty)}",
                            f"nobody is on the duty post of {len(empty)} departments: {', '.join(name.en for name in empty)}"),)


def _about(head: ResponseHead, incident: IncidentView, by: str) -> dict[str, Any]:
    return {"actor": by, "subject": f"activation:{head.id}", "incident_id": head.incident_id, "department_id": incident.department_id,
            "drill": head.drill}


async def _insert(tx: Transaction, head: ResponseHead, document: Activation) -> ResponseHead:
    text = msgspec.json.encode(document)
    head = msgspec.structs.replace(head, sha256=hashlib.sha256(text).hexdigest())
    await tx.conn.execute(insert(table).values(
        id=head.id, incident_id=head.incident_id, active_key=head.incident_id, state=head.state.value, version=head.version,
        head=msgspec.json.encode(head).decode(), document=text.decode()))
    return head


async def _store(tx: Transaction, before: ResponseHead, after: ResponseHead, document: Activation) -> ResponseHead:
    """Compare and set. Raises Rejected where somebody else was faster."""
    text = msgspec.json.encode(document)
    after = msgspec.structs.replace(after, sha256=hashlib.sha256(text).hexdigest(), updated_at=tx.at, version=before.version + 1)
    done = await tx.conn.execute(update(table).where(table.c.id == before.id, table.c.version == before.version).values(
        active_key=after.incident_id if after.state is ResponseState.ACTIVE else None, state=after.state.value, version=after.version,
        head=msgspec.json.encode(after).decode(), document=text.decode()))
    if done.rowcount != 1:
        raise changed_meanwhile()
    return after


async def _owe(tx: Transaction, rules: DutyRules, incident: IncidentView, head: ResponseHead, tasks: Iterable[ActiveTask]) -> None:
    """Put tasks on the ledger; one that was withdrawn before is owed again."""
    fresh = []
    for task in tasks:
        held = await ledger.by_key(tx.conn, _key(head.id, task))
        if held is None:
            fresh.append(_owed(incident, head, task))
        elif held.state is DutyState.EXCUSED and held.reason_by == ACTOR:
            due = max(task.due_at, tx.now + timedelta(minutes=1))
            await ledger.unlock(tx, rules, held.id, by=ACTOR, reason="任务重新下达 / task given again", due_at=due)
    await ledger.make(tx, rules, fresh, actor=ACTOR)


def _owed(incident: IncidentView, head: ResponseHead, task: ActiveTask) -> Owed:
    """The duty of a task. Like every duty of an incident it ends with the incident's title: who has several must not take one for another."""
    owner, titles = task.owner, {plan.id: plan.title for plan in head.plans}
    plans = [titles.get(plan) or Text(zh=plan, en=plan) for plan in task.plans]
    return Owed(
        key=_key(head.id, task), kind=KIND, department_id=owner.department, post_id=owner.post or f"{owner.department}.duty",
        subject=f"activation:{head.id}", title_zh=f"{task.text.zh}：{incident.title}", title_en=f"{task.text.en or task.text.zh}: {incident.title}",
        due_at=task.due_at, incident_id=incident.id,
        drill=incident.drill, rule=f"{''.join(f'《{plan.zh}》' for plan in plans)} / {'; '.join(plan.en for plan in plans)}" if plans else None)


async def _tell(tx: Transaction, rules: DutyRules, incident: IncidentView, head: ResponseHead, notices: Iterable[ActiveNotice]) -> None:
    """Queue the notices for departments; one for the public is left to the publicity department's own task, never sent by itself."""
    notices = list(notices)
    departments = {d for n in notices for d in n.to}
    if not departments:
        return
    reach = await load_reach(tx.conn, departments=departments, posts=[f"{d}.duty" for d in departments], now=tx.now)
    drafts = []
    for notice in notices:
        for department in notice.to:
            post = reach.posts.get(f"{department}.duty")
            if post is None:
                continue
            drafts += message_drafts(
                rules, reach.target(post, urgent=True), _words(incident, notice), id=f"{head.id}:{notice.key}", now=tx.now, max_age=_NOTICE_AGE,
                urgent=True, drill=incident.drill, channels=("console", "push", "mqtt"), incident_id=incident.id)
    await queue(tx, drafts, actor=ACTOR)


def _words(incident: IncidentView, notice: ActiveNotice) -> Fields:
    """What a notice of a plan says, in each language its own."""
    shared = in_both(drill=incident.drill, title=f"{incident.no} {incident.title}")
    return Fields({**shared.zh, "text": notice.text.zh}, {**shared.en, "text": notice.text.en or notice.text.zh})


async def _share(tx: Transaction, incident: IncidentView, head: ResponseHead, pairs: Iterable[tuple[str, str]], *, by: str) -> None:
    held = {(s.department_id, s.tier) for s in await shares_of(tx.conn, incident.id) if s.origin is Origin.ACTIVATION}
    for tier, department in pairs:
        if tier in _TIERS and (department, _TIERS[tier]) not in held:
            await grant(tx, incident, department, _TIERS[tier], origin=Origin.ACTIVATION, reason=f"{head.zh} / {head.en}", by=by, origin_id=head.id)


async def _unshare(tx: Transaction, incident: IncidentView, pairs: Iterable[tuple[str, str]], *, by: str) -> None:
    gone = {(department, _TIERS[tier]) for tier, department in pairs if tier in _TIERS}
    for row in await shares_of(tx.conn, incident.id):
        if row.origin is Origin.ACTIVATION and (row.department_id, row.tier) in gone:
            await end_shares(tx, by=by, reason="响应调整 / the response changed", share_id=row.id)


async def _request(tx: Transaction, rules: DutyRules, incident: IncidentView, head: ResponseHead, document: Activation, *, by: str) -> None:
    from hub.store.resources import ask_for

    for wish in document.requests:
        await ask_for(tx, rules, incident, capability=wish.capability, quantity=wish.quantity, unit=wish.unit, text=wish.text,
                      due_at=wish.due_at, asked_by=wish.asked_by.department, by=by, activation_id=head.id, key=f"{head.id}:{wish.key}")


# ── changing ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def change_response(
    tx: Transaction, rules: DutyRules, incident: IncidentView, facts: IncidentFacts, held: Whole, plan_ids: Sequence[str], level: Level, *,
    by: str, reason: str | None = None,
) -> ResponseHead:
    """Raise or lower the level, or put other plans in force: only the difference is applied. Nothing to change changes nothing.

    A person's change of a response that a rule began confirms it: it is no longer revocable, only terminated.
    """
    _needs_active(held.head)
    versions = {p.id: p.version for p in held.document.plans}
    plans = await _plans(tx.conn, plan_ids, _day(rules, tx.now), versions)
    bound = await bindings(tx.conn, tx.now)
    document, difference = compute.switch_plans(held.document, plans, facts, bound, tx.now, level)
    confirmed = held.head.automatic if by.startswith("system:") else None
    if difference.is_empty and level is held.head.level and document.plans == held.document.plans and confirmed == held.head.automatic:
        return held.head
    head = msgspec.structs.replace(
        held.head, level=level, plans=document.plans, tasks=len(document.tasks), zh=difference.zh, en=difference.en, reason=reason,
        automatic=confirmed, cautions=(*document.cautions, *_unmanned(document, bound)))
    return await _changed(tx, rules, incident, held.head, head, document, difference, by)


async def follow_facts(tx: Transaction, rules: DutyRules, incident: IncidentView, held: Whole) -> ResponseHead:
    """Bring a response up to what is known by now, without a person: what the facts call for is owed, and what rested with a department that is
    no more goes to the command centre. Nothing that stands is taken back, level and plans stay; who is on duty alone is no change.
    """
    if held.head.state is not ResponseState.ACTIVE:
        return held.head
    plans = await _plans(tx.conn, [p.id for p in held.document.plans], _day(rules, tx.now), {p.id: p.version for p in held.document.plans})
    document, difference = compute.follow(held.document, plans, await _facts(tx, rules, incident), bound := await bindings(tx.conn, tx.now), tx.now)
    moved = [c for c in difference.changed if c.before.owner.department != c.after.owner.department or c.before.due_at != c.after.due_at]
    if not (difference.added or moved or difference.notices_added or difference.requests_added or difference.grants_added):
        return held.head
    head = msgspec.structs.replace(held.head, tasks=len(document.tasks), zh=difference.zh, en=difference.en,
                                   cautions=(*document.cautions, *_unmanned(document, bound)))
    return await _changed(tx, rules, incident, held.head, head, document, difference, ACTOR)


async def _changed(
    tx: Transaction, rules: DutyRules, incident: IncidentView, before: ResponseHead, after: ResponseHead, document: Activation, difference: Difference,
    by: str,
) -> ResponseHead:
    head = await _store(tx, before, after, document)
    tx.record(ResponseChanged(response=head, added=tuple(t.key for t in difference.added), withdrawn=tuple(t.key for t in difference.withdrawn),
                              changed=tuple(c.after.key for c in difference.changed)), **_about(head, incident, by))
    await _apply(tx, rules, incident, head, document, difference, by)
    return head


async def _apply(
    tx: Transaction, rules: DutyRules, incident: IncidentView, head: ResponseHead, document: Activation, difference: Difference, by: str,
) -> None:
    duties = await _duties(tx.conn, head.id)
    for task in difference.withdrawn:
        await _withdraw(tx, rules, duties.get(task.key), _WITHDRAWN)
    again = list(difference.added)
    for change in difference.changed:
        if change.before.owner.department != change.after.owner.department or change.before.due_at != change.after.due_at:
            duty = duties.get(change.after.key)
            if duty is not None and duty.is_owed:
                await _withdraw(tx, rules, duty, "任务调整 / task changed")
                again.append(change.after)
    await _owe(tx, rules, incident, head, again)
    await _tell(tx, rules, incident, head, difference.notices_added)
    await _unshare(tx, incident, difference.grants_ended, by=by)
    await _share(tx, incident, head, difference.grants_added, by=by)
    await _request(tx, rules, incident, head, document, by=by)
    from hub.store.resources import withdraw

    kept = {r.key for r in document.requests}
    for request in difference.requests_withdrawn:
        if request.key not in kept:
            await withdraw(tx, rules, f"{head.id}:{request.key}", reason=_WITHDRAWN)


async def _withdraw(tx: Transaction, rules: DutyRules, duty: Obligation | None, reason: str) -> None:
    if duty is not None and duty.is_owed:
        await ledger.excuse(tx, rules, duty.id, by=ACTOR, reason=reason)


async def move_stage(tx: Transaction, incident: IncidentView, held: Whole, to: Stage, *, met: Collection[str], reason: str | None, by: str) -> ResponseHead:
    """Move the scene to a stage; raises Rejected where exit conditions are open and no reason is given."""
    done = await done_keys(tx.conn, held.head.id)
    after = rules_of.move_stage(held.head, held.document, to, met=met, done=done, reason=reason, by=by, at=tx.at)
    if after is held.head:
        return held.head
    head = await _store(tx, held.head, after, held.document)
    tx.record(StageMoved(response=head), **_about(head, incident, by))
    return head


async def terminate(
    tx: Transaction, rules: DutyRules, incident: IncidentView, facts: IncidentFacts, held: Whole, *, met: Collection[str], reason: str | None, by: str,
) -> ResponseHead:
    """End a response: what is still open is excused, its shares and requests end, its evaluation is owed. Raises Rejected."""
    if held.head.state is ResponseState.TERMINATED:
        return held.head
    _needs_active(held.head)
    plans = await _plans(tx.conn, [p.id for p in held.document.plans], _day(rules, tx.now), {p.id: p.version for p in held.document.plans})
    done = await done_keys(tx.conn, held.head.id)
    end = compute.terminate(held.document, plans, facts, await bindings(tx.conn, tx.now), tx.now, met=met, done=done, reason=reason)
    document = msgspec.structs.replace(held.document, tasks=(*held.document.tasks, *end.evaluation))
    return await _end(tx, rules, incident, held, document, ResponseState.TERMINATED, by=by, reason=end.reason, words=(end.zh, end.en),
                      open_tasks=end.open_tasks, evaluation=end.evaluation)


async def revoke(tx: Transaction, rules: DutyRules, incident: IncidentView, held: Whole, *, reason: str, by: str) -> ResponseHead:
    """Take back what a rule began, within its time: as if it had not been, but on record. Raises Rejected."""
    if held.head.state is ResponseState.REVOKED:
        return held.head
    _needs_active(held.head)
    rules_of.may_revoke(held.head, tx.now)
    if not reason.strip():
        raise Rejected("reason_needed", "请填写原因", "a reason is needed", field="reason")
    done = await done_keys(tx.conn, held.head.id)
    return await _end(tx, rules, incident, held, held.document, ResponseState.REVOKED, by=by, reason=reason, evaluation=(),
                      words=(f"撤销自动启动的响应。理由：{reason}", f"The response begun by rule is revoked. Reason: {reason}"),
                      open_tasks=tuple(t.key for t in held.document.tasks if t.key not in done))


async def end_with_incident(tx: Transaction, incident: IncidentView, act: Act, *, by: str, reason: str | None, into: str | None) -> None:
    """End the response of an incident that is about to be closed, dismissed or merged; without one nothing happens.

    Closing needs what terminating needs: the plans' conditions or the reason. What is dismissed has nothing to evaluate. What is merged goes on at
    the other incident: its plans join the response there, at the graver level. Raises Rejected.
    """
    held = await active_response(tx.conn, incident.id)
    if held is None or act not in (Act.CLOSE, Act.FALSE_ALARM, Act.MERGE):
        return
    rules = await load_rules(tx.conn)
    if act is Act.CLOSE:
        await terminate(tx, rules, incident, await _facts(tx, rules, incident), held, met=(), reason=reason, by=by)
        return
    other = await get_incident(tx.conn, into) if into is not None else None
    words = _DISMISSED if act is Act.FALSE_ALARM or other is None else (f"已并入事件 {other.no}，响应在该事件继续。", f"Merged into {other.no}, where the response goes on.")
    done = await done_keys(tx.conn, held.head.id)
    await _end(tx, rules, incident, held, held.document, ResponseState.TERMINATED, by=by, reason=reason or " / ".join(words), words=words, evaluation=(),
               open_tasks=tuple(t.key for t in held.document.tasks if t.key not in done))
    plans = [p.id for p in held.head.plans if (plan := await get_plan(tx.conn, p.id)) is not None and in_force(plan, _day(rules, tx.now))]
    if act is Act.MERGE and other is not None and other.state in OPEN_STATES and plans:
        there = await active_response(tx.conn, other.id)
        level = max(held.head.level, there.head.level if there else held.head.level, key=LEVEL_RANK.__getitem__)
        await put_in_force(tx, rules, other, await _facts(tx, rules, other), plans, level, by=by, reason=f"{incident.no} 并入 / {incident.no} was merged in")


async def _facts(tx: Transaction, rules: DutyRules, incident: IncidentView) -> IncidentFacts:
    return facts_from(incident, ZoneInfo(rules.calendar.zone), await stated_facts(tx.conn, incident.id))


async def _end(
    tx: Transaction, rules: DutyRules, incident: IncidentView, held: Whole, document: Activation, state: ResponseState, *, by: str,
    reason: str | None, words: tuple[str, str], open_tasks: tuple[str, ...], evaluation: tuple[ActiveTask, ...],
) -> ResponseHead:
    after = msgspec.structs.replace(held.head, state=state, reason=reason, ended_at=tx.at, ended_by=by, zh=words[0], en=words[1],
                                    tasks=len(document.tasks))
    head = await _store(tx, held.head, after, document)
    tx.record(ResponseEnded(response=head, open_tasks=open_tasks), **_about(head, incident, by))
    await ledger.excuse_where_owed(tx, rules, by=ACTOR, reason="响应已终止 / the response has ended", subject=f"activation:{head.id}", kinds={KIND})
    await end_shares(tx, by=by, reason="响应终止 / the response ended", origin=Origin.ACTIVATION, origin_id=head.id)
    from hub.store.resources import withdraw_all

    await withdraw_all(tx, rules, head.id)
    await _owe(tx, rules, incident, head, evaluation)
    return head


def _needs_active(head: ResponseHead) -> None:
    if head.state is not ResponseState.ACTIVE:
        raise Rejected("wrong_state", "响应已终止", "the response has ended")


# ── tasks ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def finish_task(
    tx: Transaction, rules: DutyRules, whole: Whole, duty: Obligation, incident: IncidentView, *, by: str, text: str, ref: str, reason: str | None = None,
) -> Obligation:
    """Report a task done, with what shows it. Done twice is done once; what somebody else saw of it is noted in the incident's timeline, once.

    So is what comes of a task that was withdrawn, or after the response has ended: a phone without signal could not know.

    Raises Rejected `predecessor_open` unless a reason is given.
    """
    if duty.state in (DutyState.MET, DutyState.MET_LATE, DutyState.EXCUSED):
        await _note_too(tx, duty, incident, text.strip(), by=by)
        return duty
    task = next((t for t in whole.document.tasks if t.key == _task_key(duty)), None)
    duties = await _duties(tx.conn, whole.head.id)
    waiting = [key for key in (task.after if task else ()) if key in duties and duties[key].is_owed]
    if waiting and not (reason or "").strip():
        titles = [duties[key] for key in waiting]
        raise Rejected("predecessor_open", f"前置任务未完成：{'；'.join(d.title_zh for d in titles)}。确需先完成请说明理由",
                       f"these come first: {'; '.join(d.title_en for d in titles)}; give a reason to go ahead", field="reason")
    return await ledger.meet(tx, rules, duty.id, by=by, reason=reason, evidence=Evidence(ref=ref, zh=text, en="", at=tx.now))


async def _note_too(tx: Transaction, duty: Obligation, incident: IncidentView, text: str, *, by: str) -> None:
    """Keep what a second person saw of a task that was done already, or what was done of one that is owed no more."""
    if not text or (duty.evidence is not None and duty.evidence.zh.strip() == text):
        return
    said = f"{duty.title_zh}：{text}"
    noted = [c for c in await changes_of_incident(tx.conn, incident.id) if c.kind == "incident.noted" and c.actor == by]
    if any(c.read(IncidentNoted).text == said for c in noted):
        return
    tx.record(IncidentNoted(text=said), actor=by, subject=f"incident:{incident.id}", incident_id=incident.id, drill=incident.drill)


def response_of(duty: Obligation) -> str | None:
    """The response that a duty is a task of."""
    return duty.subject.partition(":")[2] if duty.kind == KIND and duty.subject.startswith("activation:") else None

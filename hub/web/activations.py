"""Responses over HTTP: preview, putting plans in force, level, plans, stage, end; and tasks with their acknowledgement and evidence."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.access import HUB, Action, Thing, ThingKind
from hub.domain.activation import ResponseHead, check_seen
from hub.domain.incident import IncidentView
from hub.domain.obligation import Evidence, Obligation
from hub.domain.obligation import State as DutyState
from hub.domain.resource import Request
from hub.store import obligations as ledger
from hub.store.access import incident_thing, incident_things, visible_of_incident, within_reach
from hub.store.activations import (
    KIND,
    TaskView,
    Whole,
    active_response,
    bindings,
    change_response,
    finish_task,
    get_response,
    list_responses,
    manned,
    move_stage,
    preview,
    put_in_force,
    response_of,
    responses_of,
    revoke,
    tasks_of,
    terminate,
)
from hub.store.duty_data import load_rules
from hub.store.obligations import get_obligation, list_obligations
from hub.store.reports import get_incident
from hub.store.resources import requests_of
from hub.store.schema_duty import obligation
from hub.web.incidents import find
from hub.web.plans import facts_now
from hub.web.route import Ask, NotFound, Route
from hub.web.seen import masked
from plans.activate import Activation
from plans.model import Level, Stage, Text

PlanIds = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...], Meta(min_length=1, max_length=20)]
Reason = Annotated[str, Meta(max_length=2000)]


class StartBody(Struct, frozen=True, kw_only=True):
    """Which plans, at which level (none: the one that the facts suggest), and why."""

    plans: PlanIds
    level: Level | None = None
    reason: Reason | None = None


class LevelBody(Struct, frozen=True, kw_only=True):
    """The level, and why. `seen`: the level that the reader saw as he decided (none: he does not say)."""

    level: Level
    seen: Level | None = None
    reason: Reason | None = None


class SwitchBody(Struct, frozen=True, kw_only=True):
    """The plans that are to be in force instead, and why."""

    plans: PlanIds
    level: Level | None = None
    reason: Reason | None = None


class StageBody(Struct, frozen=True, kw_only=True):
    """The stage reached, the exit conditions that somebody confirms, and why where some do not hold."""

    stage: Stage
    met: tuple[str, ...] = ()
    reason: Reason | None = None


class EndBody(Struct, frozen=True, kw_only=True):
    """The termination conditions that somebody confirms, or the reason."""

    met: tuple[str, ...] = ()
    reason: Reason | None = None


class ReasonBody(Struct, frozen=True, kw_only=True):
    """Why."""

    reason: Annotated[str, Meta(min_length=1, max_length=2000)]


class DoneBody(Struct, frozen=True, kw_only=True):
    """What shows that a task is done, and why where its predecessors are not."""

    evidence: Annotated[str, Meta(max_length=2000)] = ""
    reason: Reason | None = None


class AckBody(Struct, frozen=True, kw_only=True):
    """For how many minutes somebody is on it."""

    for_min: Annotated[float, Meta(gt=0, le=1440)] | None = None


class IncidentResponse(Struct, frozen=True, kw_only=True):
    """The response of an incident: the one in force (or the last one), its document, tasks and requests, and those before."""

    response: ResponseHead | None
    document: Activation | None
    tasks: list[TaskView]
    requests: list[Request]
    history: list[ResponseHead]
    seq: int


class Responses(Struct, frozen=True, kw_only=True):
    """Responses in force, the newest first."""

    items: list[ResponseHead]
    seq: int


class TaskList(Struct, frozen=True, kw_only=True):
    """Tasks that are the reader's to do, by due time."""

    items: list[TaskView]
    seq: int


class TaskStanding(Struct, frozen=True, kw_only=True):
    """How a task stands on the ledger after somebody took it on or reported it done, also one that is withdrawn by then (`excused`)."""

    id: str
    department_id: str
    title: Text
    state: DutyState
    due_at: datetime
    acknowledged_by: str | None
    acknowledged_until: datetime | None
    done_at: datetime | None
    done_by: str | None
    evidence: Evidence | None
    version: int


async def listing(ask: Ask) -> Responses:
    """The responses in force that the reader may see."""
    ask.require(Action.INCIDENT_LIST, HUB)
    seq = await ask.store.head()
    async with ask.store.read() as conn:
        heads = await list_responses(conn)
        things = await incident_things(conn, [h.incident_id for h in heads])
    return Responses(items=[h for h in heads if ask.may(Action.INCIDENT_READ, things[h.incident_id]).allowed], seq=seq)


async def of_incident(ask: Ask) -> IncidentResponse:
    """The response of an incident with its tasks."""
    seq = await ask.store.head()
    found = await find(ask, Action.TASK_READ)
    return masked(found.policies, await _whole(ask, found.incident, seq), found.decision.tier)


async def _whole(ask: Ask, incident: IncidentView, seq: int) -> IncidentResponse:
    async with ask.store.read() as conn:
        history = await responses_of(conn, incident.id)
        held = await active_response(conn, incident.id) or (await get_response(conn, history[0].id) if history else None)
        tasks = manned(await tasks_of(conn, held, incident.title), await bindings(conn, ask.now)) if held else []
        requests = await requests_of(conn, incident.id)
    return IncidentResponse(response=held.head if held else None, document=held.document if held else None, tasks=tasks, requests=requests,
                            history=history, seq=seq)


async def look_ahead(ask: Ask) -> Activation:
    """What putting these plans in force would do now; nothing is written."""
    found = await find(ask, Action.PLAN_MATCH)
    facts, _ = await facts_now(ask, found.incident)
    async with ask.store.read() as conn:
        return await preview(conn, await load_rules(conn), facts, ask.body.plans, ask.body.level, ask.now)


async def start(ask: Ask) -> IncidentResponse:
    """Put plans in force. Sent twice it is done once; where a response stands, the plans join it."""
    found = await find(ask, Action.PLAN_ACTIVATE)
    facts, _ = await facts_now(ask, found.incident)
    async with ask.transaction() as tx:
        await put_in_force(tx, await load_rules(tx.conn), found.incident, facts, ask.body.plans, ask.body.level, by=ask.who, reason=ask.body.reason)
    return await _whole(ask, found.incident, await ask.store.head())


class _Held:
    """The response of the path and its incident."""

    def __init__(self, whole: Whole, incident: IncidentView) -> None:
        self.whole = whole
        self.incident = incident


async def _held(ask: Ask, action: Action) -> _Held:
    async with ask.store.read() as conn:
        whole = await get_response(conn, ask.path["id"])
        incident = await get_incident(conn, whole.head.incident_id) if whole else None
        thing = await incident_thing(conn, incident.id) if incident else None
    if whole is None or incident is None or thing is None:
        ask.require(Action.INCIDENT_LIST, HUB)
        raise NotFound
    ask.require(Action.INCIDENT_READ, thing, hidden=True)
    ask.require(action, thing)
    return _Held(whole, incident)


async def set_level(ask: Ask) -> IncidentResponse:
    """Raise or lower the level: only the difference is applied. The plans are those that run by then, whoever joined them meanwhile.

    Refused `level_changed` where the level is no longer the one that was seen: to raise from IV to III must not lower from I.
    """
    held = await _held(ask, Action.PLAN_LEVEL)
    return await _changed(ask, held, None, ask.body.level, seen=ask.body.seen)


async def switch(ask: Ask) -> IncidentResponse:
    """Put other plans in force instead: only the difference is applied."""
    held = await _held(ask, Action.PLAN_ACTIVATE)
    return await _changed(ask, held, list(ask.body.plans), ask.body.level)


async def _changed(ask: Ask, held: _Held, plans: list[str] | None, level: Level | None, *, seen: Level | None = None) -> IncidentResponse:
    """Change plans, level or both; None: what stands as the writer's turn comes."""
    facts, _ = await facts_now(ask, held.incident)
    async with ask.transaction() as tx:
        whole = await _again(tx.conn, held)
        if seen is not None and level is not None:
            check_seen(seen, whole.head.level, level)
        await change_response(tx, await load_rules(tx.conn), held.incident, facts, whole, plans or [p.id for p in whole.document.plans], level or whole.head.level,
                              by=ask.who, reason=ask.body.reason)
    return await _whole(ask, held.incident, await ask.store.head())


async def _again(conn: AsyncConnection, held: _Held) -> Whole:
    """The response as it stands inside the transaction."""
    found = await get_response(conn, held.whole.head.id)
    assert found is not None
    return found


async def stage(ask: Ask) -> IncidentResponse:
    """Move the scene to a stage."""
    held = await _held(ask, Action.STAGE_MOVE)
    async with ask.transaction() as tx:
        await move_stage(tx, held.incident, await _again(tx.conn, held), ask.body.stage, met=ask.body.met, reason=ask.body.reason, by=ask.who)
    return await _whole(ask, held.incident, await ask.store.head())


async def end(ask: Ask) -> IncidentResponse:
    """End the response: its conditions hold, or a reason is given."""
    held = await _held(ask, Action.PLAN_TERMINATE)
    facts, _ = await facts_now(ask, held.incident)
    async with ask.transaction() as tx:
        await terminate(tx, await load_rules(tx.conn), held.incident, facts, await _again(tx.conn, held), met=ask.body.met, reason=ask.body.reason, by=ask.who)
    return await _whole(ask, held.incident, await ask.store.head())


async def take_back(ask: Ask) -> IncidentResponse:
    """Revoke what a rule began, within its time."""
    held = await _held(ask, Action.PLAN_TERMINATE)
    async with ask.transaction() as tx:
        await revoke(tx, await load_rules(tx.conn), held.incident, await _again(tx.conn, held), reason=ask.body.reason, by=ask.who)
    return await _whole(ask, held.incident, await ask.store.head())


# ── tasks ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def own_tasks(ask: Ask) -> TaskList:
    """The open tasks of responses in force that are within the reader's reach."""
    ask.require(Action.OBLIGATION_LIST, HUB)
    seq = await ask.store.head()
    async with ask.store.read() as conn:
        mine = within_reach(ask.actor, ask.now, Action.OBLIGATION_READ, department_id=obligation.c.department_id)
        seen = visible_of_incident(ask.actor, ask.now, Action.TASK_READ, incident_id=obligation.c.incident_id, department_id=obligation.c.department_id)
        duties = await list_obligations(conn, kinds={KIND}, owed_only=True, where=mine & seen, limit=500)
        bound, found = await bindings(conn, ask.now), list[TaskView]()
        for id in dict.fromkeys(filter(None, (response_of(d) for d in duties))):
            whole = await get_response(conn, id)
            incident = await get_incident(conn, whole.head.incident_id) if whole else None
            if whole is not None and incident is not None:
                wanted = {d.id for d in duties}
                found += manned([t for t in await tasks_of(conn, whole, incident.title) if t.id in wanted], bound)
    return TaskList(items=sorted(found, key=lambda t: (t.due_at, t.key)), seq=seq)


async def _task(ask: Ask, action: Action) -> tuple[Obligation, Whole, IncidentView]:
    async with ask.store.read() as conn:
        duty = await get_obligation(conn, ask.path["id"])
        id = response_of(duty) if duty else None
        whole = await get_response(conn, id) if id else None
        incident = await get_incident(conn, whole.head.incident_id) if whole else None
        of = await incident_thing(conn, incident.id) if incident else None
    if duty is None or whole is None or incident is None or of is None:
        ask.require(Action.OBLIGATION_LIST, HUB)
        raise NotFound
    thing = Thing(kind=ThingKind.TASK, id=duty.id, department_id=duty.department_id, incidents=(of,), drill=duty.drill)
    ask.require(Action.TASK_READ, thing, hidden=True)
    ask.require(action, thing)
    return duty, whole, incident


def _standing(duty: Obligation) -> TaskStanding:
    return TaskStanding(
        id=duty.id, department_id=duty.department_id, title=Text(zh=duty.title_zh, en=duty.title_en), state=duty.state, due_at=duty.due_at,
        acknowledged_by=duty.ack_by, acknowledged_until=duty.ack_until, done_at=duty.met_at, done_by=duty.met_by, evidence=duty.evidence, version=duty.version)


async def acknowledge(ask: Ask) -> TaskStanding:
    """Take a task on. One that is owed no more stays as it is."""
    duty, _, _ = await _task(ask, Action.TASK_ACK)
    async with ask.transaction() as tx:
        held = await get_obligation(tx.conn, duty.id)
        assert held is not None
        if held.is_owed:
            held = await ledger.acknowledge(tx, await load_rules(tx.conn), duty.id, by=ask.who, for_min=ask.body.for_min)
    return _standing(held)


async def done(ask: Ask) -> TaskStanding:
    """Report a task done. Sent twice it is done once, so that a phone may send again what it kept; what a second person saw goes into the timeline.

    So does what comes of a task that was withdrawn or passed to another department meanwhile: it is taken, and the task stays `excused`.
    """
    duty, whole, incident = await _task(ask, Action.TASK_DONE)
    async with ask.transaction() as tx:
        held = await get_obligation(tx.conn, duty.id)
        assert held is not None
        held = await finish_task(tx, await load_rules(tx.conn), whole, held, incident, by=ask.who, text=ask.body.evidence, ref=f"task:{duty.id}",
                                 reason=ask.body.reason)
    return _standing(held)


_INCIDENT = "/api/v1/incidents/{id}"
_ONE = "/api/v1/activations/{id}"
_R = IncidentResponse
ROUTES = [
    Route("GET", "/api/v1/activations", listing, Action.INCIDENT_LIST, returns=Responses, zh="生效的响应", en="responses in force"),
    Route("GET", _INCIDENT + "/activations", of_incident, Action.TASK_READ, returns=_R, zh="事件的响应和任务", en="an incident's response and tasks"),
    Route("POST", _INCIDENT + "/activations", start, Action.PLAN_ACTIVATE, body=StartBody, returns=_R, zh="启动预案", en="put plans in force"),
    Route("POST", _INCIDENT + "/activations/preview", look_ahead, Action.PLAN_MATCH, body=StartBody, returns=Activation, zh="预览启动", en="look ahead"),
    Route("POST", _ONE + "/level", set_level, Action.PLAN_LEVEL, body=LevelBody, returns=_R, zh="调整响应级别", en="raise or lower the level"),
    Route("POST", _ONE + "/switch", switch, Action.PLAN_ACTIVATE, body=SwitchBody, returns=_R, zh="更换预案", en="switch plans"),
    Route("POST", _ONE + "/stage", stage, Action.STAGE_MOVE, body=StageBody, returns=_R, zh="推进现场阶段", en="move the scene's stage"),
    Route("POST", _ONE + "/terminate", end, Action.PLAN_TERMINATE, body=EndBody, returns=_R, zh="终止响应", en="terminate"),
    Route("POST", _ONE + "/revoke", take_back, Action.PLAN_TERMINATE, body=ReasonBody, returns=_R, zh="撤销自动启动", en="revoke what a rule began"),
    Route("GET", "/api/v1/tasks", own_tasks, Action.OBLIGATION_LIST, returns=TaskList, zh="我的任务", en="own tasks"),
    Route("POST", "/api/v1/tasks/{id}/acknowledge", acknowledge, Action.TASK_ACK, body=AckBody, returns=TaskStanding, zh="签收任务", en="take a task"),
    Route("POST", "/api/v1/tasks/{id}/done", done, Action.TASK_DONE, body=DoneBody, returns=TaskStanding, zh="完成任务", en="report a task done"),
]

"""Incidents over HTTP: the list, one incident's page, and what the desk does to it."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from hub.domain.access import HUB, Action, Decision, Thing, Tier
from hub.domain.change import Change
from hub.domain.incident import Act, IncidentState, IncidentView, MergeProposal
from hub.domain.report import ReportView
from hub.ids import exactly
from hub.store.access import Policies, incident_thing
from hub.store.changes import changes_of_incident
from hub.store.desk import act_on, decide_proposals, grade, note, proposals_of, take
from hub.store.reports import get_incident, reports_of
from hub.store.visible import Filters, list_visible_incidents
from hub.web.route import Ask, Done, NotFound, Route
from hub.web.seen import chain_changes, chain_reading, changes_seen, incidents_seen, masked, report_thing

Reason = Annotated[str, Meta(max_length=2000)]


class ListQuery(Struct, frozen=True, kw_only=True):
    """How to list: by state, taken or not, drills or not; `before` is the `number` of the last one seen."""

    state: IncidentState | None = None
    open: bool = False
    acknowledged: bool | None = None
    drill: bool | None = None
    before: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    q: Annotated[str, Meta(max_length=100)] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class IncidentPage(Struct, frozen=True, kw_only=True):
    """A page of incidents, newest first; `next` is the next page's `before`; `seq` is the feed's head before reading."""

    items: list[IncidentView]
    next: int | None
    seq: int


class IncidentWhole(Struct, frozen=True, kw_only=True):
    """One incident with all that hangs on it; `tier` is how much of it this reader sees, `may` the acts that are open to them."""

    incident: IncidentView
    reports: list[ReportView]
    timeline: list[Change]
    merge_candidates: list[MergeProposal]
    others: list[IncidentView]
    tier: Tier | None
    may: list[Action]
    seq: int


class ActBody(Struct, frozen=True, kw_only=True):
    """Why."""

    reason: Reason | None = None


class MergeBody(Struct, frozen=True, kw_only=True):
    """Into which other incident, and why."""

    into: Annotated[str, Meta(max_length=36)]
    reason: Reason | None = None


class GradeBody(Struct, frozen=True, kw_only=True):
    """The grade that the desk decided (null takes it back), and why."""

    grade: Annotated[str, Meta(pattern=exactly("(general|serious|major|extraordinary)"))] | None
    reason: Reason | None = None


class NoteBody(Struct, frozen=True, kw_only=True):
    """A note for the timeline."""

    text: Annotated[str, Meta(min_length=1, max_length=5000)]


class TimelineQuery(Struct, frozen=True, kw_only=True):
    """`before` is the sequence number of the last entry seen; `routine`: also what would bury the rest, such as each closed segment of a recording."""

    before: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 200
    routine: bool = False


class Timeline(Struct, frozen=True, kw_only=True):
    """A stretch of an incident's timeline, newest first."""

    items: list[Change]
    next: int | None


class Found(NamedTuple):
    """The incident of the path, the decision that let the actor in, the thing decided on, and the policies it was decided by."""

    incident: IncidentView
    decision: Decision
    thing: Thing
    policies: Policies


async def find(ask: Ask, action: Action) -> Found:
    """The incident of the path, if the actor may do `action` to it; raises NotFound or Denied."""
    async with ask.store.read() as conn:
        incident = await get_incident(conn, ask.path["id"])
        thing = await incident_thing(conn, ask.path["id"])
        policies = await ask.hub.policies.read(conn)
    if incident is None or thing is None:
        ask.require(Action.INCIDENT_LIST, HUB)
        raise NotFound
    ask.require(Action.INCIDENT_READ, thing, hidden=True)
    return Found(incident, ask.require(action, thing), thing, policies)


async def listing(ask: Ask) -> IncidentPage:
    """Incidents that the actor may see, newest first."""
    ask.require(Action.INCIDENT_LIST, HUB)
    query: ListQuery = ask.query
    seq = await ask.store.head()
    filters = Filters(state=query.state, acknowledged=query.acknowledged, drill=query.drill, text=query.q, open_only=query.open)
    async with ask.store.read() as conn:
        policies = await ask.hub.policies.read(conn)
        items = await list_visible_incidents(conn, ask.actor, ask.now, before=query.before, limit=query.limit, filters=filters)
    shown = [masked(policies, view, tier) for view, tier in items]
    if query.q:  # SQL has looked into the whole view: what is masked for this reader must not answer a search either
        shown = [view for view, (whole, _) in zip(shown, items, strict=True) if view is whole or query.q in msgspec.json.encode(view).decode()]
    return IncidentPage(items=shown, next=items[-1].view.number if len(items) == query.limit else None, seq=seq)


_PAGE_ACTS = (Action.INCIDENT_TAKE, Action.INCIDENT_VERIFY, Action.INCIDENT_CLOSE, Action.INCIDENT_REOPEN, Action.INCIDENT_MERGE,
              Action.INCIDENT_GRADE, Action.INCIDENT_NOTE, Action.INCIDENT_SHARE, Action.INCIDENT_UPDATE, Action.INCIDENT_EXPORT,
              Action.PLAN_ACTIVATE, Action.REPORT_FILE, Action.CAMERA_WATCH)


async def whole(ask: Ask) -> IncidentWhole:
    """One incident: its view, reports, timeline, proposals to merge."""
    seq = await ask.store.head()
    incident, decision, thing, policies = await find(ask, Action.INCIDENT_READ)
    async with ask.store.read() as conn:
        reports = await reports_of(conn, incident.id)
        timeline = await changes_of_incident(conn, incident.id)
        proposals = await proposals_of(conn, incident.id)
        others = [await get_incident(conn, other_of(p, incident.id)) for p in proposals]
        visible = await incidents_seen(ask, conn, [other for other in others if other is not None])
    shown = {other.id for other in visible}
    await chain_reading(ask, Action.REPORT_READ, [report_thing(report, {}) for report in reports], decision, drill=incident.drill)
    return IncidentWhole(
        incident=masked(policies, incident, decision.tier), reports=[masked(policies, r, decision.tier) for r in reports],
        timeline=changes_seen(policies, ask.actor, timeline, {incident.id: thing}, ask.now),
        merge_candidates=[p for p in proposals if other_of(p, incident.id) in shown], others=visible, tier=decision.tier,
        may=[action for action in _PAGE_ACTS if ask.may(action, thing).allowed], seq=seq,
    )


def other_of(proposal: MergeProposal, incident_id: str) -> str:
    """The other incident of a proposal."""
    return proposal.other_id if proposal.incident_id == incident_id else proposal.incident_id


async def timeline(ask: Ask) -> Timeline:
    """Older entries of an incident's timeline."""
    incident, _, thing, policies = await find(ask, Action.INCIDENT_READ)
    query: TimelineQuery = ask.query
    async with ask.store.read() as conn:
        items = await changes_of_incident(conn, incident.id, before=query.before, limit=query.limit, routine=query.routine)
    shown = changes_seen(policies, ask.actor, items, {incident.id: thing}, ask.now)
    await chain_changes(ask, shown, {incident.id: thing})
    return Timeline(items=shown, next=items[-1].seq if len(items) == query.limit else None)


async def acknowledge(ask: Ask) -> IncidentView:
    """Take an incident: the sound stops on every screen."""
    found = await find(ask, Action.INCIDENT_TAKE)
    async with ask.transaction() as tx:
        after = await take(tx, found.incident.id, by=ask.who, name=ask.actor.name)
    return masked(found.policies, after, found.decision.tier)


def _acting(act: Act, action: Action, doc: str) -> Any:
    async def handler(ask: Ask) -> IncidentView:
        found = await find(ask, action)
        async with ask.transaction() as tx:
            after = await act_on(tx, found.incident.id, act, by=ask.who, name=ask.actor.name, reason=ask.body.reason)
        return masked(found.policies, after, found.decision.tier)

    handler.__name__ = str(act)
    handler.__doc__ = doc
    return handler


async def merge(ask: Ask) -> IncidentView:
    """Merge into another incident; the actor must be allowed to merge both."""
    found = await find(ask, Action.INCIDENT_MERGE)
    async with ask.store.read() as conn:
        target = await incident_thing(conn, ask.body.into)
    if target is None:
        raise NotFound
    ask.require(Action.INCIDENT_MERGE, target, hidden=True)
    async with ask.transaction() as tx:
        after = await act_on(tx, found.incident.id, Act.MERGE, by=ask.who, name=ask.actor.name, reason=ask.body.reason, into=ask.body.into)
    return masked(found.policies, after, found.decision.tier)


async def dismiss_merge(ask: Ask) -> Done:
    """Say that two incidents are not the same event."""
    found = await find(ask, Action.INCIDENT_MERGE)
    async with ask.transaction() as tx:
        await decide_proposals(tx, found.incident.id, ask.body.into, "dismissed", by=ask.who)
    return Done()


async def set_grade(ask: Ask) -> IncidentView:
    """Set the grade; the suggestion and its criterion stay beside it."""
    found = await find(ask, Action.INCIDENT_GRADE)
    async with ask.transaction() as tx:
        after = await grade(tx, found.incident.id, ask.body.grade, by=ask.who, reason=ask.body.reason)
    return masked(found.policies, after, found.decision.tier)


async def write_note(ask: Ask) -> Done:
    """Write a note into the timeline."""
    found = await find(ask, Action.INCIDENT_NOTE)
    async with ask.transaction() as tx:
        await note(tx, found.incident.id, ask.body.text, by=ask.who)
    return Done()


_ONE = "/api/v1/incidents/{id}"
ROUTES = [
    Route("GET", "/api/v1/incidents", listing, Action.INCIDENT_LIST, query=ListQuery, returns=IncidentPage, zh="事件列表", en="incidents"),
    Route("GET", _ONE, whole, Action.INCIDENT_READ, returns=IncidentWhole, zh="事件", en="one incident"),
    Route("GET", _ONE + "/timeline", timeline, Action.INCIDENT_READ, query=TimelineQuery, returns=Timeline, zh="时间线", en="timeline"),
    Route("POST", _ONE + "/acknowledge", acknowledge, Action.INCIDENT_TAKE, returns=IncidentView, zh="签收", en="take"),
    Route("POST", _ONE + "/verify", _acting(Act.VERIFY, Action.INCIDENT_VERIFY, "Confirm that it is real."), Action.INCIDENT_VERIFY,
          body=ActBody, returns=IncidentView, zh="核实", en="verify"),
    Route("POST", _ONE + "/false-alarm", _acting(Act.FALSE_ALARM, Action.INCIDENT_VERIFY, "Dismiss as a false alarm, with a reason."),
          Action.INCIDENT_VERIFY, body=ActBody, returns=IncidentView, zh="误报", en="dismiss"),
    Route("POST", _ONE + "/close", _acting(Act.CLOSE, Action.INCIDENT_CLOSE, "Close; grants end."), Action.INCIDENT_CLOSE, body=ActBody,
          returns=IncidentView, zh="办结", en="close"),
    Route("POST", _ONE + "/reopen", _acting(Act.REOPEN, Action.INCIDENT_REOPEN, "Open again, with a reason."), Action.INCIDENT_REOPEN,
          body=ActBody, returns=IncidentView, zh="重新打开", en="reopen"),
    Route("POST", _ONE + "/merge", merge, Action.INCIDENT_MERGE, body=MergeBody, returns=IncidentView, zh="合并", en="merge"),
    Route("POST", _ONE + "/not-the-same", dismiss_merge, Action.INCIDENT_MERGE, body=MergeBody, returns=Done, zh="并非同一事件", en="not the same"),
    Route("POST", _ONE + "/grade", set_grade, Action.INCIDENT_GRADE, body=GradeBody, returns=IncidentView, zh="定级", en="grade"),
    Route("POST", _ONE + "/note", write_note, Action.INCIDENT_NOTE, body=NoteBody, returns=Done, zh="记事", en="note"),
]

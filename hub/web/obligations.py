"""The ledger over HTTP: what is owed, one duty with its ladder, and the acts on it; the rules and the calendar behind it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Any

from msgspec import Meta, Struct

from hub.clock import parse_utc, utc_text
from hub.domain.access import HUB, Action, Thing, ThingKind
from hub.domain.calendar import Day, SensitivePeriod, day_of, local_day, needs_table
from hub.domain.clocks import Limit
from hub.domain.data import packaged
from hub.domain.duty_rules import FILES, DutyRules, packaged_rules
from hub.domain.ladder import Escalation, Ladder, schedule
from hub.domain.notice import Notice
from hub.domain.obligation import Evidence, Kind, Obligation, State
from hub.errors import Rejected
from hub.ids import exactly
from hub.store import duty_data
from hub.store import obligations as ledger
from hub.store.access import within_reach
from hub.store.notices import list_notices
from hub.web.route import Ask, Done, NotFound, Route

Name = Annotated[str, Meta(max_length=200)]
Reason = Annotated[str, Meta(max_length=2000)]
Minutes = Annotated[float, Meta(gt=0, le=100_000)]
At = Annotated[datetime, Meta(tz=True)]


class ObligationQuery(Struct, frozen=True, kw_only=True):
    """How to list duties: `owed` only what is still to be done; `after` is the `next` of the page before; drills are left out unless asked."""

    owed: bool = False
    state: State | None = None
    kind: Name | None = None
    department: Name | None = None
    post: Name | None = None
    incident: Name | None = None
    subject: Name | None = None
    day: Annotated[str, Meta(pattern=exactly(r"\d{4}-\d{2}-\d{2}"))] | None = None
    drill: bool | None = None
    due_from: At | None = None
    due_to: At | None = None
    after: Name | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class ObligationPage(Struct, frozen=True, kw_only=True):
    """Duties by due time; `next` is the next page's `after`; `seq` is the feed's head before reading."""

    items: list[Obligation]
    next: str | None
    seq: int


class Planned(Struct, frozen=True, kw_only=True):
    """A step of the ladder that is still to come, and when."""

    step: int
    at: datetime


class ObligationWhole(Struct, frozen=True, kw_only=True):
    """One duty with its kind, its ladder (what is on record, what is to come), its notices, and the acts open to this reader."""

    obligation: Obligation
    kind: Kind | None
    ladder: Ladder
    escalations: list[Escalation]
    planned: list[Planned]
    notices: list[Notice]
    may: list[str]
    seq: int


class AckBody(Struct, frozen=True, kw_only=True):
    """For how long (minutes; the kind's validity at most)."""

    for_min: Minutes | None = None


class MeetBody(Struct, frozen=True, kw_only=True):
    """What proves it (`report:ID`, `phone:13:05`, …), in words, and the reason where it is late."""

    ref: Annotated[str, Meta(min_length=1, max_length=500)]
    note: Reason = ""
    reason: Reason | None = None


class ReasonBody(Struct, frozen=True, kw_only=True):
    """Why; for a return and an unlock also until when (the kind's correction time where null)."""

    reason: Reason
    due_at: At | None = None


class RulesView(Struct, frozen=True, kw_only=True):
    """The data behind duties: kinds, ladders, time limits with their sources."""

    kinds: list[Kind]
    ladders: list[Ladder]
    limits: list[Limit]


class CalendarQuery(Struct, frozen=True, kw_only=True):
    """Which days: from `first` (today where null), so many."""

    first: date | None = None
    days: Annotated[int, Meta(ge=1, le=400)] = 31


class CalendarView(Struct, frozen=True, kw_only=True):
    """Days as the calendar sees them; `needs_table` is the year whose holiday table is asked for, or null."""

    zone: str
    days: list[Day]
    periods: list[SensitivePeriod]
    needs_table: int | None


class DataView(Struct, frozen=True, kw_only=True):
    """One document of duty data as it counts now, and the newest of its versions (none where it is still the product's own)."""

    name: str
    document: dict[str, Any]
    packaged: dict[str, Any]
    versions: list[duty_data.DataVersion]


class DataBody(Struct, frozen=True, kw_only=True):
    """The document to take its place (null: the product's own again), why, and the version that it was made from (0: never saved)."""

    reason: Reason
    document: dict[str, Any] | None = None
    based_on: Annotated[int, Meta(ge=0)] | None = None


def rules_of(ask: Ask) -> DutyRules:
    """The rules that this hub runs by."""
    found = ask.hub.extra.get("duty_rules")
    return found if isinstance(found, DutyRules) else packaged_rules()


def thing_of(o: Obligation) -> Thing:
    """A duty as access sees it: its department's."""
    return Thing(kind=ThingKind.OBLIGATION, id=o.id, department_id=o.department_id, drill=o.drill)


async def listing(ask: Ask) -> ObligationPage:
    """Duties within the actor's reach, by due time."""
    ask.require(Action.OBLIGATION_LIST, HUB)
    query: ObligationQuery = ask.query
    after = _after(query.after)
    seq = await ask.store.head()
    async with ask.store.read() as conn:
        items = await ledger.list_obligations(
            conn, owed_only=query.owed, states=[query.state] if query.state else None, kinds=[query.kind] if query.kind else None,
            departments=[query.department] if query.department else None, post_id=query.post, incident_id=query.incident,
            subject=query.subject, day=query.day, drills=query.drill, due_from=query.due_from, due_to=query.due_to, after=after,
            limit=query.limit, where=within_reach(ask.actor, ask.now, Action.OBLIGATION_READ, department_id=ledger.DEPARTMENT))
    last = items[-1] if len(items) == query.limit else None
    return ObligationPage(items=items, next=f"{utc_text(last.due_at)}~{last.id}" if last else None, seq=seq)


def _after(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    at, _, id = text.partition("~")
    try:
        return utc_text(parse_utc(at)), id
    except (ValueError, OverflowError):
        raise Rejected("bad_after", "翻页标记有误", "this is not the `next` of a page", field="after") from None


async def find(ask: Ask, action: Action) -> Obligation:
    """The duty of the path, if the actor may do `action` to it; raises NotFound or Denied."""
    async with ask.store.read() as conn:
        held = await ledger.get_obligation(conn, ask.path["id"])
    if held is None:
        ask.require(Action.OBLIGATION_LIST, HUB)
        raise NotFound
    ask.require(Action.OBLIGATION_READ, thing_of(held), hidden=True)
    ask.require(action, thing_of(held))
    return held


_ACTS = {"acknowledge": Action.OBLIGATION_ACK, "meet": Action.OBLIGATION_MEET, "return": Action.DAILY_RETURN,
         "excuse": Action.OBLIGATION_EXCUSE, "unlock": Action.OBLIGATION_UNLOCK}


async def whole(ask: Ask) -> ObligationWhole:
    """One duty: who was told and when, what comes next, what may be done."""
    seq = await ask.store.head()
    held = await find(ask, Action.OBLIGATION_READ)
    rules = rules_of(ask)
    async with ask.store.read() as conn:
        escalations = await ledger.escalations_of(conn, held.id)
        notices = await list_notices(conn, obligation_id=held.id, limit=500)
    ladder = rules.ladder(held.ladder)
    planned = [Planned(step=rung.n, at=rung.at) for rung in schedule(held, ladder)] if held.is_owed else []
    return ObligationWhole(
        obligation=held, kind=rules.kinds.get(held.kind), ladder=ladder, escalations=escalations, planned=planned, notices=notices,
        may=[name for name, action in _ACTS.items() if ask.may(action, thing_of(held)).allowed], seq=seq,
    )


async def acknowledge(ask: Ask) -> Obligation:
    """Take the duty on: nothing is sent until the acknowledgement expires."""
    held = await find(ask, Action.OBLIGATION_ACK)
    async with ask.transaction() as tx:
        return await ledger.acknowledge(tx, rules_of(ask), held.id, by=ask.who, for_min=ask.body.for_min)


async def meet(ask: Ask) -> Obligation:
    """Say that it was done, with the evidence; only for duties that may be met by hand."""
    held = await find(ask, Action.OBLIGATION_MEET)
    body: MeetBody = ask.body
    if not rules_of(ask).kind(held.kind).by_hand:
        raise Rejected("not_by_hand", "该事项只能通过相应的报送或签收来办结", "this duty is met only by the filing or signature itself")
    async with ask.transaction() as tx:
        return await ledger.meet(tx, rules_of(ask), held.id, by=ask.who, reason=body.reason,
                                 evidence=Evidence(ref=body.ref, zh=body.note, en=body.note, at=tx.now))


async def give_back(ask: Ask) -> Obligation:
    """Return what was filed, for correction."""
    held = await find(ask, Action.DAILY_RETURN)
    async with ask.transaction() as tx:
        return await ledger.give_back(tx, rules_of(ask), held.id, by=ask.who, reason=ask.body.reason, due_at=ask.body.due_at)


async def excuse(ask: Ask) -> Obligation:
    """Excuse the duty: a leader's act."""
    held = await find(ask, Action.OBLIGATION_EXCUSE)
    async with ask.transaction() as tx:
        return await ledger.excuse(tx, rules_of(ask), held.id, by=ask.who, reason=ask.body.reason)


async def unlock(ask: Ask) -> Obligation:
    """Reopen a missed or excused duty: a leader's act."""
    held = await find(ask, Action.OBLIGATION_UNLOCK)
    async with ask.transaction() as tx:
        return await ledger.unlock(tx, rules_of(ask), held.id, by=ask.who, reason=ask.body.reason, due_at=ask.body.due_at)


async def show_rules(ask: Ask) -> RulesView:
    """The kinds, ladders and time limits that this hub runs by."""
    ask.require(Action.OBLIGATION_LIST, HUB)
    rules = rules_of(ask)
    return RulesView(kinds=list(rules.kinds.values()), ladders=list(rules.ladders.values()), limits=list(rules.limits))


async def show_data(ask: Ask) -> DataView:
    """One document of duty data as it counts now."""
    ask.require(Action.ADMIN_DATA, HUB)
    name = ask.path["name"]
    if name not in FILES:
        raise NotFound
    async with ask.store.read() as conn:
        document, versions = (await duty_data.documents(conn))[name], await duty_data.list_versions(conn, name)
    return DataView(name=name, document=document, packaged=packaged(name), versions=versions)


async def save_data(ask: Ask) -> Done:
    """Put a document in place of the one before; it is checked with all the others first, and counts within 15 s everywhere."""
    ask.require(Action.ADMIN_DATA, HUB)
    body: DataBody = ask.body
    async with ask.transaction() as tx:
        ask.hub.extra["duty_rules"] = await duty_data.save_document(
            tx, ask.path["name"], body.document, by=ask.who, reason=body.reason, based_on=body.based_on)
    return Done()


async def show_calendar(ask: Ask) -> CalendarView:
    """Working days, holidays and sensitive periods; and whether next year's table is asked for."""
    if not ask.may(Action.OBLIGATION_LIST, HUB).allowed:
        ask.require(Action.ADMIN_DATA, HUB)
    calendar = rules_of(ask).calendar
    query: CalendarQuery = ask.query
    first = query.first or local_day(calendar, ask.now)
    if first.year < 1900 or first.year > 9000:
        raise Rejected("bad_day", "日期超出范围", "the day is out of range", field="first")
    days = [day_of(calendar, first + timedelta(days=n)) for n in range(query.days)]
    return CalendarView(zone=calendar.zone, days=days, periods=list(calendar.periods), needs_table=needs_table(calendar, ask.now))


_ONE = "/api/v1/obligations/{id}"
ROUTES = [
    Route("GET", "/api/v1/obligations", listing, Action.OBLIGATION_LIST, query=ObligationQuery, returns=ObligationPage, zh="应办事项", en="duties"),
    Route("GET", _ONE, whole, Action.OBLIGATION_READ, returns=ObligationWhole, zh="应办事项详情", en="one duty"),
    Route("POST", _ONE + "/acknowledge", acknowledge, Action.OBLIGATION_ACK, body=AckBody, returns=Obligation, zh="确认正在办理", en="acknowledge"),
    Route("POST", _ONE + "/meet", meet, Action.OBLIGATION_MEET, body=MeetBody, returns=Obligation, zh="办结", en="meet"),
    Route("POST", _ONE + "/return", give_back, Action.DAILY_RETURN, body=ReasonBody, returns=Obligation, zh="退回更正", en="return"),
    Route("POST", _ONE + "/excuse", excuse, Action.OBLIGATION_EXCUSE, body=ReasonBody, returns=Obligation, zh="免办", en="excuse"),
    Route("POST", _ONE + "/unlock", unlock, Action.OBLIGATION_UNLOCK, body=ReasonBody, returns=Obligation, zh="解锁", en="unlock"),
    Route("GET", "/api/v1/duty/rules", show_rules, Action.OBLIGATION_LIST, returns=RulesView, zh="值班规则", en="the rules of duty"),
    Route("GET", "/api/v1/duty/data/{name}", show_data, Action.ADMIN_DATA, returns=DataView, zh="值班数据", en="a document of duty data"),
    Route("PUT", "/api/v1/duty/data/{name}", save_data, Action.ADMIN_DATA, body=DataBody, returns=Done, zh="修改值班数据", en="change duty data"),
    Route("GET", "/api/v1/duty/calendar", show_calendar, Action.OBLIGATION_LIST, also=(Action.ADMIN_DATA,), query=CalendarQuery, returns=CalendarView, zh="工作日历", en="calendar"),
]

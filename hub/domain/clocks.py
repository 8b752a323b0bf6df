"""The statutory clocks of an incident: which reports are owed by whom to whom and until when. Pure; every limit is a row of data.

Three clocks start: 事发 (it happened), 单位接报 (the unit's head was told), 本级接报 (this level received the report). Where rows
compete for the same duty between the same two, the one with the longest event-type prefix wins, then the newest in force.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from msgspec import Struct

from hub.domain.calendar import is_clock
from hub.errors import Fault

UNGRADED = "ungraded"
"""How a row names incidents whose grade nobody knows yet."""


class Duty(StrEnum):
    """What is owed."""

    DESK_ACK = "desk_ack"
    FIRST = "first"
    FOLLOW_UP = "follow_up"
    FINAL = "final"
    CORRECTION = "correction"
    VERIFICATION = "verification"


class Form(StrEnum):
    """In which form."""

    SCREEN = "screen"
    PHONE = "phone"
    WRITTEN = "written"


class StartsFrom(StrEnum):
    """From which clock a limit counts."""

    OCCURRED = "occurred"
    TOLD = "told"
    RECEIVED = "received"
    STABLE = "stable"


class Limit(Struct, frozen=True, kw_only=True):
    """One row of limits. `categories` are prefixes of event types (`12D`, `11`; empty: all); `grades` None means every grade.

    `phone_min`/`written_min` in minutes, `per_day` reports a day, `at` the local time `HH:MM` they are due by, `days` for windows.
    `status` says how sure the row is: `confirmed` (read in the source) or `to_confirm` (the district must check it first).
    """

    id: str
    duty: Duty
    from_role: str
    to_role: str
    clock: StartsFrom
    zh: str
    en: str
    source: str
    edition: str
    valid_from: date
    valid_to: date | None = None
    status: str = "to_confirm"
    enabled: bool = True
    categories: tuple[str, ...] = ()
    grades: tuple[str, ...] | None = None
    screen_min: float | None = None
    phone_min: float | None = None
    written_min: float | None = None
    per_day: int | None = None
    at: str | None = None
    days: int | None = None


class Facts(Struct, frozen=True, kw_only=True):
    """What the clocks need to know of an incident; times aware UTC. `graded_at` is when the present grade became known."""

    incident_id: str
    event_types: tuple[str, ...]
    received_at: datetime
    occurred_at: datetime
    told_at: datetime | None = None
    grade: str | None = None
    graded_at: datetime | None = None
    stable_at: datetime | None = None
    drill: bool = False


class Running(Struct, frozen=True, kw_only=True):
    """One clock that runs: the row, the form, when it started, when it is due, and what meets it."""

    limit: Limit
    form: Form
    starts_at: datetime
    due_at: datetime
    turn: int = 1

    @property
    def key(self) -> str:
        """Names the duty within its incident, for ever."""
        return f"{self.limit.id}:{self.form}:{self.turn}"


def applies(limit: Limit, facts: Facts) -> bool:
    """Does the row apply to the incident: in force when it was received, of its type and of its grade?"""
    day = facts.received_at.astimezone(UTC).date()
    if not limit.enabled or day < limit.valid_from or (limit.valid_to is not None and day > limit.valid_to):
        return False
    if limit.categories and not _prefix(limit, facts):
        return False
    return limit.grades is None or (facts.grade or UNGRADED) in limit.grades


def _prefix(limit: Limit, facts: Facts) -> int:
    """The length of the longest prefix of the row that one of the incident's types has."""
    return max((len(p) for p in limit.categories for code in facts.event_types if code.startswith(p)), default=0)


def in_force(limits: Iterable[Limit], facts: Facts) -> list[Limit]:
    """The rows that apply, one for each duty between the same two roles: the most special, then the newest."""
    best: dict[tuple[Duty, str, str], Limit] = {}
    for limit in limits:
        if not applies(limit, facts):
            continue
        pair = (limit.duty, limit.from_role, limit.to_role)
        held = best.get(pair)
        if held is None or _rank(limit, facts) > _rank(held, facts):
            best[pair] = limit
    return list(best.values())


def _rank(limit: Limit, facts: Facts) -> tuple[int, bool, date, str]:
    return (_prefix(limit, facts), limit.grades is not None, limit.valid_from, limit.id)


def started(limit: Limit, facts: Facts) -> datetime | None:
    """When the row's clock started; a row for some grades only counts from when that grade was known. None: not yet."""
    match limit.clock:
        case StartsFrom.OCCURRED:
            at: datetime | None = facts.occurred_at
        case StartsFrom.TOLD:
            at = facts.told_at or facts.received_at
        case StartsFrom.RECEIVED:
            at = facts.received_at
        case StartsFrom.STABLE:
            at = facts.stable_at
    if at is not None and limit.grades is not None and UNGRADED not in limit.grades and facts.graded_at is not None:
        return max(at, facts.graded_at)
    return at


def owed(facts: Facts, limits: Iterable[Limit], *, zone: str) -> list[Running]:
    """The clocks that run from what is known of the incident, in order of their due times; follow-ups with their first turn."""
    running: list[Running] = []
    for limit in in_force(limits, facts):
        start = started(limit, facts)
        if start is not None:
            running += _running(limit, start, zone)
    return sorted(running, key=lambda r: (r.due_at, r.limit.id, r.form))


def _running(limit: Limit, start: datetime, zone: str) -> list[Running]:
    forms = ((Form.SCREEN, limit.screen_min), (Form.PHONE, limit.phone_min), (Form.WRITTEN, limit.written_min))
    found = [
        Running(limit=limit, form=form, starts_at=start, due_at=start + timedelta(minutes=minutes))
        for form, minutes in forms if minutes is not None
    ]
    if limit.per_day is not None:
        found.append(next_turn(limit, after=start, turn=1, zone=zone))
    if limit.days is not None:
        found.append(Running(limit=limit, form=Form.WRITTEN, starts_at=start, due_at=start + timedelta(days=limit.days)))
    return found


def next_turn(limit: Limit, *, after: datetime, turn: int, zone: str) -> Running:
    """The next follow-up of a rhythm after the last report: a fraction of a day later, or at the next time of day that the row names."""
    per_day = max(1, limit.per_day or 1)
    if limit.at is None:
        return Running(limit=limit, form=Form.WRITTEN, starts_at=after, due_at=after + timedelta(hours=24) / per_day, turn=turn)
    local = after.astimezone(ZoneInfo(zone))
    due = datetime.combine(local.date(), time.fromisoformat(limit.at), tzinfo=local.tzinfo)
    while due <= local:
        due = datetime.combine(due.date() + timedelta(days=1), due.timetz().replace(tzinfo=None), tzinfo=local.tzinfo)
    return Running(limit=limit, form=Form.WRITTEN, starts_at=after, due_at=due.astimezone(UTC), turn=turn)


def no_longer(open_limits: Iterable[str], facts: Facts, limits: Sequence[Limit]) -> set[str]:
    """Which of the rows with open duties no longer apply (the grade or the type has changed)."""
    return set(open_limits) - {limit.id for limit in in_force(limits, facts)}


def faults(limits: Sequence[Limit]) -> list[Fault]:
    """What is wrong with the rows as data; empty where nothing is. Fields are paths into the document: `limits.0.source`."""
    found: list[Fault] = []
    seen: set[str] = set()
    for n, limit in enumerate(limits):
        if limit.id in seen:
            found.append(Fault(f"limits.{n}.id", f"{limit.id}：重复", f"{limit.id}: twice"))
        seen.add(limit.id)
        if not any(v is not None for v in (limit.screen_min, limit.phone_min, limit.written_min, limit.per_day, limit.days)):
            found.append(Fault(f"limits.{n}", f"{limit.id}：没有任何时限", f"{limit.id}: names no time"))
        if limit.at is not None and not is_clock(limit.at):
            found.append(Fault(f"limits.{n}.at", f"{limit.id}：时刻应为 HH:MM", f"{limit.id}: a time of day must read HH:MM"))
        if not limit.source.strip() or not limit.edition.strip():
            found.append(Fault(f"limits.{n}.source", f"{limit.id}：缺少依据或版本", f"{limit.id}: without source or edition"))
    return found

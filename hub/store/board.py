"""The board of daily reports: where every department stands on a day, and the statistics of longer stretches. Drills are counted nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from msgspec import Struct
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import utc_text
from hub.domain.daily import KIND, Filing, Standing, Tally, parts_of, ranking, standing
from hub.domain.obligation import Obligation, State
from hub.store import obligations as ledger
from hub.store.daily import filings_of_day, flags_of_day
from hub.store.schema_duty import obligation as duty


class BoardRow(Struct, frozen=True, kw_only=True):
    """Where one department stands with one report. `contradicted` is shown to whom it concerns alone."""

    duty_id: str
    department_id: str
    template: str
    slot: int
    standing: Standing
    due_at: datetime
    late_at: datetime
    state: State
    zero: bool = False
    late: bool = False
    filed_at: str | None = None
    receipt_no: str | None = None
    version: int = 0
    accepted: bool = False
    contradicted: bool = False
    explanation: str | None = None


class Board(Struct, frozen=True, kw_only=True):
    """A day's board: a row for each report, and how many stand where."""

    day: str
    rows: list[BoardRow]
    totals: dict[str, int]
    contradicted: int


class Rank(Struct, frozen=True, kw_only=True):
    """One department over a stretch of days; `place` counts from 1."""

    place: int
    department_id: str
    expected: int
    in_time: int
    late: int
    missed: int
    excused: int
    completeness: float
    timeliness: float


class Point(Struct, frozen=True, kw_only=True):
    """One step of the trend: from `first` on."""

    first: str
    expected: int
    completeness: float
    timeliness: float


class Statistics(Struct, frozen=True, kw_only=True):
    """A stretch of days: all, each department by rank, the trend by day (up to 31 days) or by week."""

    first: str
    last: str
    total: Rank
    ranking: list[Rank]
    trend: list[Point]


async def board(conn: AsyncConnection, day: str, now: datetime, *, whole: bool, reach: frozenset[str]) -> Board:
    """The board of a day; what contradicts is told for departments within `reach`, and everything where `whole`."""
    duties = await duties_of_day(conn, day)
    filings = await filings_of_day(conn, day)
    flags = await flags_of_day(conn, day) if whole else {}
    rows = []
    for o in duties:
        filing = filings.get(o.id)
        raised = o.id in flags and flags[o.id].is_raised if whole else bool(o.department_id in reach and filing and filing.contradictions)
        rows.append(row_of(o, filing, now, contradicted=raised, near=whole or o.department_id in reach))
    totals = {s.value: sum(r.standing is s for r in rows) for s in Standing}
    return Board(day=day, rows=rows, totals=totals, contradicted=sum(r.contradicted for r in rows))


def row_of(o: Obligation, filing: Filing | None, now: datetime, *, contradicted: bool, near: bool = True) -> BoardRow:
    """One line of the board."""
    key = parts_of(o)
    assert key is not None
    row = BoardRow(duty_id=o.id, department_id=o.department_id, template=key.template, slot=key.slot, due_at=o.due_at, late_at=o.late_at, state=o.state,
                   standing=standing(o, zero=filing.zero if filing else None, now=now))
    if filing is None:
        return row
    return BoardRow(
        duty_id=row.duty_id, department_id=row.department_id, template=row.template, slot=row.slot, due_at=row.due_at, late_at=row.late_at,
        state=row.state, standing=row.standing, zero=filing.zero, late=filing.late, filed_at=filing.filed_at, receipt_no=filing.receipt_no,
        version=filing.version, accepted=filing.state.value == "accepted", contradicted=contradicted,
        explanation=filing.explanation if near else None)


async def duties_of_day(conn: AsyncConnection, day: str) -> list[Obligation]:
    """The daily duties of a day, drills left out."""
    return await ledger.list_obligations(conn, kinds=[KIND], day=day, drills=False, limit=100_000, where=duty.c.key.like("daily:%"))


async def statistics(conn: AsyncConnection, first: date, last: date, now: datetime) -> Statistics:
    """Completeness and timeliness from `first` to `last`, one grouped query over the ledger."""
    overdue = (duty.c.late_at < utc_text(now)).label("overdue")
    rows = (await conn.execute(
        select(duty.c.department_id, duty.c.day, duty.c.state, overdue, func.count().label("n"))
        .where(duty.c.kind == KIND, duty.c.day >= first.isoformat(), duty.c.day <= last.isoformat(), duty.c.drill.is_(False))
        .group_by(duty.c.department_id, duty.c.day, duty.c.state, overdue))).all()
    tallies: dict[str, Tally] = {}
    points: dict[str, Tally] = {}
    for row in rows:
        step = _step(row.day, first, last)
        for held, name in ((tallies, row.department_id), (points, step)):
            held[name] = held.get(name, Tally()).with_state(State(row.state), row.n, overdue=bool(row.overdue))
    places = ranking(tallies)
    return Statistics(
        first=first.isoformat(), last=last.isoformat(), total=_rank(0, "", _sum(tallies)),
        ranking=[_rank(n, name, tallies[name]) for n, name in enumerate(places, 1)],
        trend=[Point(first=name, expected=t.expected, completeness=t.completeness, timeliness=t.timeliness) for name, t in sorted(points.items())
               if t.expected])


def _step(day: str, first: date, last: date) -> str:
    if (last - first).days <= 31:
        return day
    at = date.fromisoformat(day)
    return max(at - timedelta(days=at.weekday()), first).isoformat()


def _sum(tallies: Mapping[str, Tally]) -> Tally:
    every = list(tallies.values())
    return Tally(in_time=sum(t.in_time for t in every), late=sum(t.late for t in every), missed=sum(t.missed for t in every),
                 excused=sum(t.excused for t in every))


def _rank(place: int, department: str, t: Tally) -> Rank:
    return Rank(place=place, department_id=department, expected=t.expected, in_time=t.in_time, late=t.late, missed=t.missed, excused=t.excused,
                completeness=t.completeness, timeliness=t.timeliness)


def as_rows(found: Statistics, names: Mapping[str, str]) -> list[list[Any]]:
    """Statistics as a table for a sheet."""
    return [[r.place, names.get(r.department_id, r.department_id), r.expected, r.in_time, r.late, r.missed, r.excused,
             round(r.completeness, 4) if r.expected else "—", round(r.timeliness, 4) if r.expected else "—"] for r in found.ranking]

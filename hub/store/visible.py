"""The list of incidents as one actor sees it, fast at a million: it walks from what is shared with the actor, newest first.

It holds the same rule as `hub.store.access.visible_incidents` (and so as `may`), and gives each incident's tier with it. A list that walked
the incidents and asked of each whether it is shared would search for ever for a department that shares in few.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, false, func, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import utc_text
from hub.domain.access import Action, Actor, Tier
from hub.domain.incident import OPEN_STATES, IncidentView
from hub.store.access import TIER_OF_RANK, Reach, reach
from hub.store.reports import decode_incident
from hub.store.schema import incident
from hub.store.schema_people import audience_department, incident_audience, share

GROWTH: Final = 8
"""How much wider each further stretch of running numbers is; the widest holds all there are."""
_HINTS: Final[OrderedDict[tuple[frozenset[str], frozenset[str]], int]] = OrderedDict()
"""How wide a stretch the last full page of this reach needed: only a hint where to begin, never what is seen."""


class SeenIncident(NamedTuple):
    """An incident and the tier at which the actor sees it; `view` is still unmasked."""

    view: IncidentView
    tier: Tier


class Filters(NamedTuple):
    """What a list asks for besides; None and False ask for nothing."""

    state: str | None = None
    acknowledged: bool | None = None
    drill: bool | None = None
    text: str | None = None
    open_only: bool = False


async def list_visible_incidents(
    conn: AsyncConnection, actor: Actor, now: datetime, *, before: int | None = None, limit: int = 50, filters: Filters = Filters(),
) -> list[SeenIncident]:
    """Incidents that `actor` may read at `now`, newest first, by keyset (`before` is a running number), each with its tier."""
    reached = reach(actor, Action.INCIDENT_READ, now)
    if reached.nothing:
        return []
    if reached.whole:
        rows = (await conn.execute(_filtered(select(incident.c.view), filters, before, limit))).scalars()
        return [SeenIncident(decode_incident(view), Tier.LEAD) for view in rows]
    key = (reached.departments, reached.enterprises)
    span = _HINTS.get(key, 4 * limit)
    while True:
        found = (await conn.execute(_stretch(reached, now, filters, before, limit, span))).all()
        full = len(found) == limit
        if full or (found and found[-1].low <= 0) or (not found and await _exhausted(conn, before, span)):
            _keep_hint(key, span, full and len(found) == limit and span > 4 * limit)
            return [SeenIncident(decode_incident(row.view), TIER_OF_RANK[row.rank]) for row in found]
        span *= GROWTH


def _keep_hint(key: tuple[frozenset[str], frozenset[str]], span: int, wide: bool) -> None:
    if wide:
        _HINTS[key] = span
        if len(_HINTS) > 1000:
            _HINTS.popitem(last=False)


async def _exhausted(conn: AsyncConnection, before: int | None, span: int) -> bool:
    """Did the stretch reach down to the first incident?"""
    top = before if before is not None else ((await conn.execute(select(func.max(incident.c.number)))).scalar() or 0) + 1
    return top - span <= 0


def _stretch(reached: Reach, now: datetime, filters: Filters, before: int | None, limit: int, span: int) -> Select[Any]:
    """The visible incidents among the `span` running numbers below `before` (None: the newest)."""
    top: Any = before if before is not None else select(func.coalesce(func.max(incident.c.number), 0) + 1).scalar_subquery()
    low = top - span
    ways = [select(way.c.incident_number.label("n"), rank.label("rank")).where(*where, way.c.incident_number >= low)
            for way, rank, where in _ways(reached, now)]
    if before is not None:
        ways = [way.where(way.selected_columns.n < before) for way in ways]
    every = union_all(*ways).subquery()
    best = select(every.c.n, func.max(every.c.rank).label("rank")).group_by(every.c.n).subquery()
    query = select(incident.c.view, best.c.rank, (low if before is not None else low).label("low") if before is None else _literal(low))
    return _filtered(query.join(best, best.c.n == incident.c.number), filters, None, limit)


def _literal(value: int) -> Any:
    from sqlalchemy import literal

    return literal(value).label("low")


def _ways(reached: Reach, now: datetime) -> list[tuple[Any, Any, tuple[Any, ...]]]:
    at, least = utc_text(now), reached.tier.rank
    found: list[tuple[Any, Any, tuple[Any, ...]]] = []
    departments = sorted(reached.departments)
    if departments:
        found.append((incident_audience, audience_department.c.rank, (
            audience_department.c.audience_id == incident_audience.c.audience_id, audience_department.c.department_id.in_(departments),
            audience_department.c.rank >= least)))
        found.append((share, share.c.rank, (
            share.c.department_id.in_(departments), share.c.rank >= least, share.c.ended_at.is_(None), share.c.from_at <= at,
            or_(share.c.until_at.is_(None), share.c.until_at > at))))
    if reached.enterprises:
        informed = select(Tier.INFORMED.rank).scalar_subquery()
        found.append((incident_audience, informed, (incident_audience.c.enterprise_id.in_(sorted(reached.enterprises)),)))
    return found or [(share, share.c.rank, (false(),))]


def _filtered(query: Select[Any], filters: Filters, before: int | None, limit: int) -> Select[Any]:
    if before is not None:
        query = query.where(incident.c.number < before)
    if filters.state is not None:
        query = query.where(incident.c.state == filters.state)
    if filters.open_only:
        query = query.where(incident.c.state.in_(sorted(OPEN_STATES)))
    if filters.acknowledged is not None:
        query = query.where(incident.c.acknowledged == filters.acknowledged)
    if filters.drill is not None:
        query = query.where(incident.c.drill == filters.drill)
    if filters.text:
        query = query.where(incident.c.view.contains(filters.text, autoescape=True))
    return query.order_by(incident.c.number.desc()).limit(limit)

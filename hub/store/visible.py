"""The list of incidents as one actor sees it, fast at a million: it walks from what is shared with the actor, newest first.

It holds the same rule as `hub.store.access.visible_incidents` (and so as `may`), and gives each incident's tier with it. A list that walked
the incidents and asked of each whether it is shared would search for ever for a department that shares in few.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import TextClause, bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import utc_text
from hub.domain.access import Action, Actor, Tier, may
from hub.domain.incident import OPEN_STATES, IncidentView
from hub.domain.incident import decode_view as decode_incident
from hub.store.access import TIER_OF_RANK, Reach, incident_things, reach, visible_incidents
from hub.store.reports import list_incidents
from hub.store.schema import incident

GROWTH: Final = 8
"""How much wider each further stretch of running numbers is; the widest holds all there are."""
_HINTS: Final[OrderedDict[tuple[frozenset[str], frozenset[str]], int]] = OrderedDict()
"""How wide a stretch the last page of this reach needed: only a hint where to begin, never what is seen."""


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


EVERYTHING: Final = Filters()


async def list_visible_incidents(
    conn: AsyncConnection, actor: Actor, now: datetime, *, before: int | None = None, limit: int = 50, filters: Filters = EVERYTHING,
) -> list[SeenIncident]:
    """Incidents that `actor` may read at `now`, newest first, by keyset (`before` is a running number), each with its tier."""
    reached = reach(actor, Action.INCIDENT_READ, now)
    if reached.nothing:
        return []
    if reached.whole or filters.open_only or filters.state in OPEN_STATES or filters.acknowledged is False:
        return await _by_incident(conn, actor, now, reached, before, limit, filters)
    key = (reached.departments, reached.enterprises)
    span = _HINTS.get(key, 2 * limit)
    while True:
        rows = (await conn.execute(*_stretch(reached, now, filters, before, limit, span))).all()
        if len(rows) == limit or await _top(conn, before) <= span:
            found = [SeenIncident(decode_incident(row.view), TIER_OF_RANK[row.rank]) for row in rows]
            _keep_hint(key, 2 * max(limit, found[0].view.number - found[-1].view.number) if len(found) == limit else span)
            return found
        span *= GROWTH


async def _by_incident(
    conn: AsyncConnection, actor: Actor, now: datetime, reached: Reach, before: int | None, limit: int, filters: Filters,
) -> list[SeenIncident]:
    """The other way round, for whoever sees everything and for the few incidents that are open: from the incidents, by their own indexes."""
    where = None if reached.whole else visible_incidents(actor, now)
    views = await list_incidents(conn, where=where, state=filters.state, acknowledged=filters.acknowledged, drill=filters.drill, before=before,
                                 text=filters.text, open_only=filters.open_only, limit=limit)
    if reached.whole:
        return [SeenIncident(view, Tier.LEAD) for view in views]
    things = await incident_things(conn, [view.id for view in views])
    decided = [(view, may(actor, Action.INCIDENT_READ, things[view.id], now)) for view in views]
    return [SeenIncident(view, decision.tier) for view, decision in decided if decision.allowed and decision.tier is not None]


def _keep_hint(key: tuple[frozenset[str], frozenset[str]], span: int) -> None:
    _HINTS[key] = span
    if len(_HINTS) > 1000:
        _HINTS.popitem(last=False)


async def _top(conn: AsyncConnection, before: int | None) -> int:
    """How many running numbers there are below the place where the page begins."""
    if before is not None:
        return before
    return int((await conn.execute(select(func.coalesce(func.max(incident.c.number), 0)))).scalar_one()) + 1


def _stretch(
    reached: Reach, now: datetime, filters: Filters, before: int | None, limit: int, span: int,
) -> tuple[TextClause, dict[str, Any]]:
    """The visible incidents among the `span` running numbers below `before` (None: the newest), with what to put into the statement."""
    shape = (filters.state is not None, filters.acknowledged is not None, filters.drill is not None, bool(filters.text))
    statement = _statement(bool(reached.departments), bool(reached.enterprises), before is not None, shape)
    values: dict[str, Any] = {"limit": limit}
    values |= {"span": span} if before is None else {"low": before - span, "before": before}
    if reached.departments:
        values |= {"least": reached.tier.rank, "at": utc_text(now), "departments": sorted(reached.departments)}
    if reached.enterprises:
        values["enterprises"] = sorted(reached.enterprises)
    wanted = {"state": filters.state, "acknowledged": filters.acknowledged, "drill": filters.drill, "text": _like(filters.text)}
    values |= {name: value for (name, value), asked in zip(wanted.items(), shape, strict=True) if asked}
    return statement, values


def _like(text: str | None) -> str:
    escaped = (text or "").replace("/", "//").replace("%", "/%").replace("_", "/_")
    return f"%{escaped}%"


_BY_AUDIENCE: Final = """SELECT ia.incident_number AS n, ad.rank AS rank
    FROM audience_department ad JOIN incident_audience ia ON ia.audience_id = ad.audience_id
    WHERE ad.department_id IN :departments AND ad.rank >= :least AND {numbers}"""
_BY_SHARE: Final = """SELECT incident_number AS n, rank FROM share
    WHERE department_id IN :departments AND rank >= :least AND ended_at IS NULL
      AND from_at <= :at AND (until_at IS NULL OR until_at > :at) AND {numbers}"""
_BY_ENTERPRISE: Final = """SELECT incident_number AS n, 1 AS rank FROM incident_audience
    WHERE enterprise_id IN :enterprises AND {numbers}"""
assert Tier.INFORMED.rank == 1
_FILTERS: Final = ("i.state = :state", "i.acknowledged = :acknowledged", "i.drill = :drill", "i.view LIKE :text ESCAPE '/'")


@lru_cache(maxsize=512)
def _statement(departments: bool, enterprises: bool, before: bool, shape: tuple[bool, ...]) -> TextClause:
    """The statement for one shape of question: what is held in the stretch, at its highest tier, newest first; then the incidents.

    Without filters the page is cut before the incidents are read.
    """
    low = ":low" if before else "(SELECT coalesce(max(number), 0) + 1 FROM incident) - :span"
    ways = [
        *([(_BY_AUDIENCE, "ia.incident_number"), (_BY_SHARE, "incident_number")] if departments else []),
        *([(_BY_ENTERPRISE, "incident_number")] if enterprises else []),
    ]
    held = " UNION ALL ".join(
        way.format(numbers=f"{column} >= {low}" + (f" AND {column} < :before" if before else "")) for way, column in ways)
    asked = [str(condition) for condition, is_asked in zip(_FILTERS, shape, strict=True) if is_asked]
    cut = "" if asked else "ORDER BY n DESC LIMIT :limit"
    where = f"WHERE {' AND '.join(asked)}" if asked else ""
    sql = (f"SELECT i.view AS view, best.rank AS rank FROM (SELECT n, max(rank) AS rank FROM ({held}) held GROUP BY n {cut}) best "  # noqa: S608 fixed texts
           f"JOIN incident i ON i.number = best.n {where} ORDER BY i.number DESC LIMIT :limit")
    lists = [name for name in ("departments", "enterprises") if f":{name}" in sql]
    return text(sql).bindparams(*(bindparam(name, expanding=True) for name in lists))

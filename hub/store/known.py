"""What the hub knows of a department's day: incidents, further reports, camera outages, tasks. A report of that day is compared with it.

Drills, false alarms and merged incidents count nothing. A department's remit are the incidents that it reported, leads or assists in.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import utc_text
from hub.domain.access import Action, ActorKind, Policy, Post, Role, Scope, may
from hub.domain.contradiction import Fact, Source
from hub.domain.daily import Period
from hub.domain.incident import decode_view
from hub.store.access import incident_things
from hub.store.bulk import fetch

_ASSIST: Final = 2
"""The rank from which an incident is in a department's remit."""
_REAL = "NOT i.drill AND i.state NOT IN ('false_alarm', 'merged')"
_HAPPENED = f"FROM incident i WHERE i.occurred_at >= $1 AND i.occurred_at < $2 AND {_REAL}"
_REPORTED_ON = ("FROM report r JOIN incident i ON i.id = r.incident_id WHERE r.received_at >= $1 AND r.received_at < $2 AND r.kind <> 'initial' "
                f"AND NOT r.drill AND i.occurred_at < $1 AND {_REAL}")
_OWED = ("o.due_at >= $1 AND o.kind IN ('camera_online', 'plan_task') AND NOT o.drill AND o.opens_at >= $1 AND o.opens_at < $2 "
         "AND o.state <> 'excused'")
_REMIT = (f"(i.department_id = $3 OR EXISTS (SELECT 1 FROM incident_audience a JOIN audience_department d ON d.audience_id = a.audience_id "  # noqa: S608 texts of our own, as below
          f"WHERE a.incident_id = i.id AND d.department_id = $3 AND d.rank >= {_ASSIST}) "
          f"OR EXISTS (SELECT 1 FROM share s WHERE s.incident_id = i.id AND s.department_id = $3 AND s.rank >= {_ASSIST}))")
_KNOWN = (f"SELECT 'incident', i.id, i.view, '', i.occurred_at, i.id {_HAPPENED} AND {_REMIT} "  # noqa: S608
          f"UNION ALL SELECT 'follow_up', r.id, r.receipt_no, '', r.received_at, r.incident_id {_REPORTED_ON} AND {_REMIT} "
          f"UNION ALL SELECT o.kind, o.id, o.title_zh, o.title_en, o.opens_at, '' FROM obligation o WHERE o.department_id = $3 AND {_OWED}")
_CONCERNED = (f"WITH known AS (SELECT i.id, i.department_id {_HAPPENED} UNION SELECT i.id, i.department_id {_REPORTED_ON}) "  # noqa: S608
              "SELECT department_id FROM known WHERE department_id IS NOT NULL "
              "UNION SELECT d.department_id FROM known JOIN incident_audience a ON a.incident_id = known.id "
              f"JOIN audience_department d ON d.audience_id = a.audience_id WHERE d.rank >= {_ASSIST} "
              f"UNION SELECT s.department_id FROM known JOIN share s ON s.incident_id = known.id WHERE s.rank >= {_ASSIST} "
              "UNION SELECT f.department_id FROM (SELECT DISTINCT department_id FROM daily_filing WHERE day = $3) f "
              f"JOIN obligation o ON o.department_id = f.department_id AND {_OWED}")
_SOURCES: Final = {"incident": Source.INCIDENT, "follow_up": Source.FOLLOW_UP, "camera_online": Source.CAMERA, "plan_task": Source.TASK}


async def facts_of(conn: AsyncConnection, policy: Policy, department: str, period: Period) -> list[Fact]:
    """What is known in the department's remit within a period, by time; each fact says whether the department may see it."""
    rows = await fetch(conn, _KNOWN, utc_text(period.first), utc_text(period.last), department)
    seen = await _visible_to(conn, policy, department, {row[5] for row in rows if row[5]}, period.last)
    facts = [_fact(_SOURCES[source], id, zh, en, at, visible=not of or of in seen) for source, id, zh, en, at, of in rows]
    return sorted(facts, key=lambda fact: (fact.at, fact.id))


async def departments_concerned(conn: AsyncConnection, period: Period, day: str) -> set[str]:
    """The departments of which anything at all is known within a period (of a report day), so that the others need not be looked at."""
    return {row[0] for row in await fetch(conn, _CONCERNED, utc_text(period.first), utc_text(period.last), day)}


def _fact(source: Source, id: str, zh: str, en: str, at: str, *, visible: bool) -> Fact:
    match source:
        case Source.INCIDENT:
            return _incident(decode_view(zh), visible)
        case Source.FOLLOW_UP:
            return Fact(source=source, id=id, zh=f"续报 {zh}", en=f"follow-up {zh}", at=at, visible=visible)
        case _:
            return Fact(source=source, id=id, zh=zh, en=en, at=at, visible=visible)


def _incident(view: Any, visible: bool) -> Fact:
    c = view.casualties
    hurt = [n for n in (c.seriously_injured, c.injured) if n is not None]
    return Fact(source=Source.INCIDENT, id=view.id, zh=f"{view.no} {view.title}", en=f"{view.no} {view.title}", at=view.occurred_at, visible=visible,
                drill=view.drill, dead=c.dead, missing=c.missing, injured=sum(hurt) if hurt else None, evacuated=c.evacuated)


async def _visible_to(conn: AsyncConnection, policy: Policy, department: str, ids: Collection[str], now: datetime) -> set[str]:
    """Which of these incidents a reporter of the department may read: decided by `may`, as for a person of that post."""
    if not ids:  # most days: then nobody's permits need working out
        return set()
    reporter = policy.actor(ActorKind.PERSON, "", (Post(id="reporter", role=Role.DEPARTMENT_REPORTER, scope=Scope.OWN, department_id=department,
                                                        reach=frozenset({department})),))
    things = await incident_things(conn, ids)
    return {id for id, thing in things.items() if may(reporter, Action.INCIDENT_READ, thing, now).allowed}

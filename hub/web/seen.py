"""What a reader sees of a view: the tier that `may` gives, and the one mask. For REST, the live feed and exports alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import Raw
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.access import Action, Actor, Decision, Thing, ThingKind, Tier
from hub.domain.change import Change
from hub.domain.incident import IncidentView
from hub.domain.masking import mask
from hub.domain.report import ReportView
from hub.store.access import Policies, incident_things, may_read, record_view
from hub.web.route import Ask

T = TypeVar("T")


def masked(policies: Policies, view: T, tier: Tier | None) -> T:
    """A view as `tier` sees it; the lead sees it whole."""
    return view if tier is Tier.LEAD else mask(view, tier, policies.sharing.fields)


def masked_change(policies: Policies, change: Change, tier: Tier | None) -> Change:
    """A change as `tier` sees it."""
    if tier is Tier.LEAD:
        return change
    body: Any = mask(msgspec.json.decode(change.body), tier, policies.sharing.fields)
    return msgspec.structs.replace(change, body=Raw(msgspec.json.encode(body)))


async def incidents_seen(ask: Ask, conn: AsyncConnection, items: Iterable[IncidentView]) -> list[IncidentView]:
    """Incidents that a list found, each masked for its tier; one that `may` refuses is left out."""
    listed = list(items)
    policies = await ask.hub.policies.read(conn)
    things = await incident_things(conn, [item.id for item in listed])
    out = []
    for item in listed:
        decision = ask.may(Action.INCIDENT_READ, things[item.id])
        if decision.allowed:
            out.append(masked(policies, item, decision.tier))
    return out


async def chain_reading(ask: Ask, action: Action, things: Iterable[Thing], decision: Decision, *, reason: str = "", drill: bool = False) -> None:
    """Chain that personal data was read, before it is shown: one change a request, with the ids. A masked reading is none.

    Raises Unavailable where it cannot be chained: then nothing is shown.
    """
    read = list(things)
    if read and decision.tier in (Tier.LEAD, Tier.ASSIST):
        async with ask.store.transaction() as tx:
            record_view(tx, ask.actor, action, read, decision, reason=reason, drill=drill)


async def chain_changes(ask: Ask, shown: Iterable[Change], incidents: Mapping[str, Thing]) -> None:
    """Chain which reports a stretch of the feed showed unmasked, before it is shown: one change a request, with the ids."""
    if (read := reports_read(ask, shown, incidents)) is not None:
        await chain_reading(ask, Action.REPORT_READ, read.things, read.decision)


class Read(NamedTuple):
    """Reports that were shown unmasked, and by which decision."""

    things: list[Thing]
    decision: Decision


def reports_read(ask: Ask, shown: Iterable[Change], incidents: Mapping[str, Thing]) -> Read | None:
    """Which reports a stretch of the feed shows this actor unmasked; None where there is none."""
    found: Read | None = None
    for change in shown:
        if change.kind != "report.received":
            continue
        of = incidents.get(change.incident_id or "")
        thing = Thing(kind=ThingKind.REPORT, id=change.subject.partition(":")[2], department_id=change.department_id, incidents=(of,) if of else ())
        decision = ask.may(Action.REPORT_READ, thing)
        if decision.tier in (Tier.LEAD, Tier.ASSIST):
            found = found or Read([], decision)
            found.things.append(thing)
    return found


def report_thing(report: ReportView, incidents: Mapping[str, Thing]) -> Thing:
    """A report as `may` takes it."""
    of = incidents.get(report.incident_id)
    return Thing(kind=ThingKind.REPORT, id=report.id, department_id=report.department_id, incidents=(of,) if of else (), drill=report.drill)


def changes_seen(policies: Policies, actor: Actor, changes: Iterable[Change], incidents: Mapping[str, Thing], now: datetime) -> list[Change]:
    """Of a stretch of the feed what the actor may read, masked."""
    out = []
    for change in changes:
        decision = may_read(policies.access, actor, change, incidents, now)
        if decision.allowed:
            out.append(masked_change(policies, change, decision.tier))
    return out

"""Draws the zones of incidents with dangerous goods, and draws them again when the wind turns. Holds no distances.

The reactor only notes what is due; `draw_due` draws outside of its transaction, since geometry takes a tenth of a second.
"""

from __future__ import annotations

import asyncio
import logging
import time

from hub.domain.change import Change
from hub.domain.incident import OPEN_STATES, IncidentOpened, IncidentStateChanged, IncidentUpdated
from hub.domain.zone import wants_zones
from hub.errors import Rejected, Unavailable
from hub.store import Store, Transaction
from hub.store.reports import get_incident
from hub.store.zones import draw, due, mark_all, mark_due, mark_wind, rest, told
from plans.hazmat import tables

log = logging.getLogger("hub.respond")
_MATTERS = frozenset({"hazmat", "place", "event_types"})


class Zones:
    """A reactor: notes whose zones are due."""

    name = "zones"
    kinds = frozenset({"incident.opened", "incident.updated", "incident.fact_stated", "incident.state_changed", "wind.observed"})

    async def react(self, tx: Transaction, change: Change) -> None:
        """Note what one change makes due."""
        match change.kind:
            case "wind.observed":
                await mark_wind(tx)
            case "incident.opened":
                view = change.read(IncidentOpened).incident
                if wants_zones(view):
                    await mark_due(tx, view.id)
            case "incident.updated":
                body = change.read(IncidentUpdated)
                if _MATTERS & set(body.changed) and wants_zones(await told(tx.conn, body.incident)):
                    await mark_due(tx, body.incident.id)
            case "incident.fact_stated":
                incident = await get_incident(tx.conn, change.incident_id or "")
                if incident is not None and incident.state in OPEN_STATES and wants_zones(await told(tx.conn, incident)):
                    await mark_due(tx, incident.id)
            case _:
                after = change.read(IncidentStateChanged).incident
                if after.state not in OPEN_STATES:
                    await rest(tx, after.id)


async def draw_due(store: Store, *, limit: int = 20) -> int:
    """Draw what is due; gives how many incidents were looked at. One that cannot be drawn is said and left until something changes."""
    async with store.read() as conn:
        wanted = await due(conn, limit=limit)
    for id in wanted:
        async with store.read() as conn:
            incident = await get_incident(conn, id)
        try:
            if incident is not None:
                await draw(store, incident)
        except Rejected as error:
            log.warning("zones cannot be drawn", extra={"incident": id, "code": error.code})
            async with store.transaction() as tx:
                await rest(tx, id)
    return len(wanted)


async def keep_drawn(store: Store) -> None:
    """Draw for ever what becomes due; waits out a store that is away.

    One at a time, with a pause three times as long as the drawing took: a flood of reports never has its taking in slowed by geometry.
    Every few minutes all that stand are looked at: night falls and winds grow stale without a change that would say so.
    """
    review_s = float(tables.rules()["redraw"]["review_s"])
    reviewed_s = time.monotonic()
    while True:
        seen, began_s = store.seen, time.monotonic()
        try:
            if began_s - reviewed_s >= review_s:
                async with store.transaction() as tx:
                    await mark_all(tx)
                reviewed_s = began_s
            if await draw_due(store, limit=1):
                await asyncio.sleep(min(3 * (time.monotonic() - began_s), 5.0))
            else:
                await store.grown(seen, within_s=2.0)
                await asyncio.sleep(0.2)
        except Unavailable:
            await asyncio.sleep(1)

"""Shares each incident as it opens and changes, by the policy and by active agreements, and closes shares whose time is over.

It decides nothing: the policy is data, `hub.domain.sharing` applies it.
"""

from __future__ import annotations

import asyncio

from hub.domain.change import Change
from hub.domain.incident import IncidentGraded, IncidentOpened, IncidentStateChanged, IncidentUpdated, IncidentView
from hub.errors import Unavailable
from hub.store import Store, Transaction
from hub.store.access import Policies, PolicyBook
from hub.store.organisation import towns_by_adcode
from hub.store.reports import get_incident
from hub.store.sharing import any_expired, expire_shares, share_by_agreements, share_by_policy

EXPIRE_EVERY_S = 5.0
"""How often shares are looked over for their end (they are refused from that moment anyway; this is when consoles hear of it)."""
_BODIES = {
    "incident.opened": IncidentOpened, "incident.updated": IncidentUpdated, "incident.graded": IncidentGraded,
    "incident.state_changed": IncidentStateChanged,
}


class Sharing:
    """On each opened, updated, graded incident, brings the shares up to date; a changed policy or department is read again."""

    name = "sharing"
    kinds = frozenset({*_BODIES, "policy.changed", "department.saved"})

    def __init__(self) -> None:
        self._book = PolicyBook()
        self._policies: Policies | None = None
        self._towns: dict[str, str] = {}

    async def react(self, tx: Transaction, change: Change) -> None:
        """Share the incident as it stands now (a later change may have overtaken this one; then that one finds nothing left to do)."""
        if change.kind not in _BODIES:
            self._policies = None
            return
        if self._policies is None:
            self._policies, self._towns = await self._book.read(tx.conn), await towns_by_adcode(tx.conn)
        incident = await self._incident(tx, change)
        if incident is None:
            return
        renamed = change.kind == "incident.updated" and "event_types" in change.read(IncidentUpdated).changed
        if await share_by_policy(tx, incident, self._policies.sharing, self._towns) or renamed:
            await share_by_agreements(tx, incident)

    async def _incident(self, tx: Transaction, change: Change) -> IncidentView | None:
        if change.kind == "incident.opened":
            opened: IncidentView = change.read(IncidentOpened).incident
            return opened
        return await get_incident(tx.conn, change.incident_id or "")


async def expire(store: Store) -> None:
    """Close expired shares for ever; waits out a store that is away."""
    while True:
        try:
            async with store.read() as conn:
                due = await any_expired(conn, store.clock.now())
            if due:
                async with store.transaction() as tx:
                    await expire_shares(tx)
        except Unavailable:
            pass
        await asyncio.sleep(EXPIRE_EVERY_S)

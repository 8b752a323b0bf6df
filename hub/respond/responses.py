"""Brings responses in force up to what follow-ups say: a load that leaks by now, a department that is no more. Holds no rule of its own."""

from __future__ import annotations

from hub.domain.change import Change
from hub.domain.organisation import DepartmentSaved
from hub.store import Transaction
from hub.store.activations import active_response, follow_facts, responding
from hub.store.duty_data import load_rules
from hub.store.reports import get_incident


class Responses:
    """A reactor. Where no response is in force a change costs it one look-up by key."""

    name = "responses"
    kinds = frozenset({"incident.updated", "incident.graded", "incident.fact_stated", "department.saved"})

    async def react(self, tx: Transaction, change: Change) -> None:
        """Follow one change."""
        if change.kind != "department.saved":
            await self._follow(tx, change.incident_id or "")
        elif not change.read(DepartmentSaved).department.active:
            for id in await responding(tx.conn):
                await self._follow(tx, id)

    async def _follow(self, tx: Transaction, incident_id: str) -> None:
        held = await active_response(tx.conn, incident_id)
        incident = await get_incident(tx.conn, incident_id) if held is not None else None
        if held is not None and incident is not None:
            await follow_facts(tx, await load_rules(tx.conn), incident, held)

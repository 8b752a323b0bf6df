"""Stores the follow-ups that arrived before their incident, or before it was shared with their sender, as soon as it is."""

from __future__ import annotations

from collections.abc import Sequence

from hub.domain.change import Change
from hub.domain.report import Channel
from hub.ingest.intake import Intake
from hub.ingest.registry import Registry
from hub.store import Transaction
from hub.store.quarantine import awaited, awaiting, release


class Waiting:
    """On each incident that opens or is shared, replays what waits for it in quarantine."""

    name = "waiting"
    kinds = frozenset({"incident.opened", "share.assigned", "share.granted"})

    def __init__(self, intake: Intake, registry: Registry) -> None:
        self.intake = intake
        self.registry = registry
        self._awaited: set[str | None] = set()

    async def prepare(self, tx: Transaction, changes: Sequence[Change]) -> None:
        """Which of these incidents anything waits for."""
        self._awaited = await awaited(tx.conn, [c.incident_id for c in changes if c.incident_id is not None])

    async def react(self, tx: Transaction, change: Change) -> None:
        """Replay in the transaction that moves the cursor: never twice, never lost."""
        if change.incident_id is None or change.incident_id not in self._awaited:
            return
        for row in await awaiting(tx.conn, change.incident_id):
            source = self.registry.source(row.agent_id) if row.agent_id else None
            if source is None:
                continue
            item = self.intake.decoded(row.what, row.payload.encode(), source, Channel(row.channel), tx.now)
            if item.error is not None:
                continue
            await self.intake.store_within(tx, item)
            if item.error is None:
                await release(tx, row.id, "replayed", by="system:waiting", report_id=item.message_id)



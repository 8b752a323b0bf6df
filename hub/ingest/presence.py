"""What agents say of themselves, coalesced: only the newest of each agent is written, a few times a second, in one transaction."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from hub import wire
from hub.errors import Rejected, Unavailable
from hub.store import Store
from hub.store.agents import note_presence, note_telemetry
from hub.wire import Presence, Telemetry

log = logging.getLogger("hub.ingest.presence")
EVERY_S = 0.25
"""How long words are gathered before they are written (our own choice: well under the second that a screen may lag)."""


class Presences:
    """Gathers presence and telemetry; run `run()` in a task group. Bounded by the number of agents."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.malformed = 0
        self._presence: dict[str, Presence] = {}
        self._telemetry: dict[str, Telemetry] = {}
        self._something = asyncio.Event()

    def note(self, agent_id: str, what: str, payload: bytes) -> datetime | None:
        """Keep the newest word of an agent until it is written; gives the agent's own time where it says it.

        What cannot be decoded is counted and left.
        """
        said: Presence | Telemetry
        try:
            if what == "presence":
                said = self._presence[agent_id] = wire.decode(payload, Presence) if payload else Presence(online=False)
            else:
                said = self._telemetry[agent_id] = wire.decode(payload, Telemetry)
        except Rejected as error:
            self.malformed += 1
            log.info("a %s of %s was not understood: %s", what, agent_id, error)
            return None
        self._something.set()
        return said.at

    async def run(self) -> None:
        """Write what has gathered, for ever; keeps it where the store is away."""
        while True:
            await self._something.wait()
            await asyncio.sleep(EVERY_S)
            self._something.clear()
            presence, self._presence = self._presence, {}
            telemetry, self._telemetry = self._telemetry, {}
            try:
                async with self.store.transaction() as tx:
                    for agent_id, said in presence.items():
                        await note_presence(tx, agent_id, said)
                    for agent_id, measured in telemetry.items():
                        await note_telemetry(tx, agent_id, measured)
            except Unavailable:
                self._presence = {**presence, **self._presence}
                self._telemetry = {**telemetry, **self._telemetry}
                self._something.set()
                await asyncio.sleep(1)

"""What agents say of themselves, coalesced: only the newest of each agent is written, a few times a second, in one transaction. So are the
hints of their detectors, of which each agent may give so many a minute."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

from hub import wire
from hub.errors import Rejected, Unavailable
from hub.store import Store, Transaction
from hub.store.agents import note_presence, note_telemetry
from hub.store.cameras import note_advisory
from hub.wire import Advisory, Presence, Telemetry

log = logging.getLogger("hub.ingest.presence")
EVERY_S = 0.25
"""How long words are gathered before they are written (our own choice: well under the second that a screen may lag)."""


ADVISORIES_PER_MINUTE: Final = 60
"""Of one agent (our own choice: two hundred cameras in motion, each told once in five minutes, are forty); more are left out and counted."""


Word = tuple[Callable[[Transaction, str, Any], Awaitable[None]], str, Any]
"""What an agent said, and what keeps it."""


class Presences:
    """Gathers presence, telemetry and advisories; run `run()` in a task group. Bounded by the number of agents."""

    def __init__(self, store: Store, *, steady: Callable[[], float] = time.monotonic) -> None:
        self.store = store
        self._steady = steady
        self.malformed = 0
        self._presence: dict[str, Presence] = {}
        self._telemetry: dict[str, Telemetry] = {}
        self.advisories_left_out = 0
        self._advisories: list[tuple[str, Advisory]] = []
        self._advised: Counter[str] = Counter()
        self._minute = 0
        self._something = asyncio.Event()

    def note(self, agent_id: str, what: str, payload: bytes) -> datetime | None:
        """Keep the newest word of an agent until it is written; gives the agent's own time where it says it.

        What cannot be decoded is counted and left.
        """
        said: Presence | Telemetry | Advisory
        try:
            if what == "presence":
                said = self._presence[agent_id] = wire.decode(payload, Presence) if payload else Presence(online=False)
            elif what == "advisory":
                said = wire.decode(payload, Advisory)
                self._advise(agent_id, said)
            else:
                said = self._telemetry[agent_id] = wire.decode(payload, Telemetry)
        except Rejected as error:
            self.malformed += 1
            log.info("a %s of %s was not understood: %s", what, agent_id, error)
            return None
        self._something.set()
        return said.at

    def _advise(self, agent_id: str, said: Advisory) -> None:
        minute = int(self._steady() // 60)
        if minute != self._minute:
            self._minute, self._advised = minute, Counter()
        self._advised[agent_id] += 1
        if self._advised[agent_id] <= ADVISORIES_PER_MINUTE:
            self._advisories.append((agent_id, said))
            return
        self.advisories_left_out += 1
        if self._advised[agent_id] == ADVISORIES_PER_MINUTE + 1:
            log.warning("an agent's detectors say more than they may", extra={"agent": agent_id, "per_minute": ADVISORIES_PER_MINUTE})

    async def _write(self, words: list[Word]) -> None:
        """Write these in one transaction. A word that the hub fails on is left out and named: its agent would say it again at every start."""
        try:
            async with self.store.transaction() as tx:
                for note, agent_id, said in words:
                    await note(tx, agent_id, said)
        except Unavailable:
            raise
        except Exception:
            if len(words) > 1:
                for word in words:
                    await self._write([word])
                return
            log.exception("the hub fails on a word of an agent and leaves it out", extra={"agent": words[0][1]})

    async def run(self) -> None:
        """Write what has gathered, for ever; keeps it where the store is away (but no advisory: it would be old)."""
        while True:
            await self._something.wait()
            await asyncio.sleep(EVERY_S)
            self._something.clear()
            presence, self._presence = self._presence, {}
            telemetry, self._telemetry = self._telemetry, {}
            advisories, self._advisories = self._advisories, []
            words: list[Word] = [*((note_presence, *word) for word in presence.items()), *((note_telemetry, *word) for word in telemetry.items()),
                                 *((note_advisory, *word) for word in advisories)]
            try:
                await self._write(words)
            except Unavailable:
                self._presence = {**presence, **self._presence}
                self._telemetry = {**telemetry, **self._telemetry}
                self._something.set()
                await asyncio.sleep(1)

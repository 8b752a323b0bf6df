"""Reactors: each reads the change feed from its own cursor and acts in the transaction that moves the cursor.

A crash is a later start; in a cluster a lease sees to it that one process works for a reactor at a time, and the cursor's
compare-and-set that no change is worked twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from sqlalchemy import insert, or_, select, update

from hub.clock import utc_text
from hub.domain.change import Change
from hub.errors import Unavailable
from hub.ids import new_id
from hub.store import Store, Transaction
from hub.store.bulk import fetch
from hub.store.schema import reactor as table

log = logging.getLogger("hub.respond")
LEASE = timedelta(seconds=15)
"""How long a lease holds without renewal (our own choice: a dead process is replaced within it)."""
BATCH = 200
STRETCH_S = 0.03
"""How long one transaction of a reactor may hold the writer's turn (our own choice: reports must not wait for reactions, and shorter ones cost more
commits than they save waiting)."""
GATHER_S = 0.02
"""How long changes are gathered before they are worked on: one commit for many instead of one for each."""
PASSED_OVER = 1000
"""After how many changes that are none of its business a reactor writes its cursor down all the same."""

_MOVE = "UPDATE reactor SET cursor = $1, lease_until = $2 WHERE name = $3 AND cursor = $4 AND lease_owner = $5 RETURNING name"


class Reactor(Protocol):
    """Acts on changes of its `kinds`. `name` is stable: it names the cursor."""

    name: str
    kinds: frozenset[str]

    async def react(self, tx: Transaction, change: Change) -> None:
        """Do what this change asks for, in `tx`; the cursor moves in the same transaction."""
        ...


@runtime_checkable
class Preparing(Protocol):
    """A reactor that looks at a whole stretch once, before it reacts to each of its changes."""

    async def prepare(self, tx: Transaction, changes: Sequence[Change]) -> None:
        """Read in one go what the reactions will need."""
        ...


@runtime_checkable
class Prompt(Reactor, Protocol):
    """A reactor that somebody waits for: it gathers for a shorter while, and so is first at the writer."""

    gather_s: float


class Runner:
    """Runs one reactor until cancelled. `from_start` False begins a new reactor at the present head instead of the first change."""

    def __init__(self, store: Store, reactor: Reactor, *, owner: str | None = None) -> None:
        self.store = store
        self.reactor = reactor
        self.owner = owner or ("local" if store.is_sqlite else new_id())  # one file has one hub: a restart must not wait for its own lease
        self.gather_s = reactor.gather_s if isinstance(reactor, Prompt) else GATHER_S
        self.cursor = 0
        self._stored = 0
        self._renew_at: datetime | None = None

    async def run(self) -> None:
        """Work through the feed for ever; waits out an unavailable store, and lets a bug end the process."""
        while True:
            try:
                if not await self.step():
                    await self.store.grown(self.cursor, within_s=1.0)
                    await asyncio.sleep(self.gather_s)
            except Unavailable:
                await asyncio.sleep(1)

    async def step(self) -> bool:
        """Handle one batch. False where there was nothing to do or another process holds the lease."""
        if self._renew_at is None or self.store.clock.now() >= self._renew_at:
            async with self.store.transaction() as tx:
                held = await self._lease(tx)
            if not held:
                await asyncio.sleep(LEASE.total_seconds() / 5)
                return False
            self._renew_at = tx.now + LEASE / 2
        batch = await self.store.tail.after(self.cursor, BATCH)
        if not batch:
            return False
        await self._work(batch)
        return True

    async def _work(self, batch: Sequence[Change]) -> None:
        """One short transaction: the reactions to a stretch, then the cursor by compare-and-set. What nobody wants is only passed over."""
        wanted = [change for change in batch if change.kind in self.reactor.kinds]
        if not wanted and batch[-1].seq - self._stored < PASSED_OVER:
            self.cursor = batch[-1].seq
            return
        reached = batch[-1].seq
        async with self.store.transaction(brief=True) as tx:
            end_s = time.monotonic() + STRETCH_S
            if isinstance(self.reactor, Preparing):
                await self.reactor.prepare(tx, wanted)
            for n, change in enumerate(wanted):
                await self.reactor.react(tx, change)
                await asyncio.sleep(0)  # what is run at once leaves the loop no turn by itself
                if time.monotonic() > end_s and n + 1 < len(wanted):
                    reached = change.seq
                    break
            if not await fetch(tx.conn, _MOVE, reached, utc_text(tx.now + LEASE), self.reactor.name, self._stored, self.owner):
                self._renew_at = None
                raise Unavailable("lease_lost", "另一进程接管了此任务", "another process took this reactor over")
        self.cursor = self._stored = reached

    async def _lease(self, tx: Transaction) -> bool:
        row = (await tx.conn.execute(select(table.c.cursor, table.c.lease_owner, table.c.lease_until)
                                     .where(table.c.name == self.reactor.name))).first()
        until = utc_text(tx.now + LEASE)
        if row is None:
            await tx.conn.execute(
                insert(table).values(name=self.reactor.name, cursor=0, lease_owner=self.owner, lease_until=until, failures=0))
            self.cursor = self._stored = 0
            return True
        taken = await tx.conn.execute(
            update(table).where(table.c.name == self.reactor.name,
                                or_(table.c.lease_owner == self.owner, table.c.lease_until.is_(None), table.c.lease_until < tx.at))
            .values(lease_owner=self.owner, lease_until=until)
        )
        self.cursor = max(self.cursor, row.cursor) if row.cursor == self._stored else row.cursor
        self._stored = row.cursor
        return taken.rowcount == 1

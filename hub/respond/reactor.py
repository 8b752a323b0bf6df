"""Reactors: each reads the change feed from its own cursor and acts in the transaction that moves the cursor.

Those that nobody waits for in particular run together: one reading of the feed, one transaction and one commit for what they all do about the same
changes. A crash is a later start; in a cluster a lease sees to it that one process works for a reactor at a time, and the cursor's compare-and-set
that no change is worked twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain
from typing import Final, Protocol, runtime_checkable

from sqlalchemy import insert, or_, select, update

from hub.clock import utc_text
from hub.domain.change import Change
from hub.errors import Unavailable
from hub.ids import new_id
from hub.store import Store, Transaction
from hub.store.bulk import fetch
from hub.store.lease import LEASE
from hub.store.schema import reactor as table

log = logging.getLogger("hub.respond")
BATCH = 200
STRETCH_S = 0.01
"""How long one transaction of reactors may hold the writer's turn, from when it has it (our own choice: reports must not wait for reactions; 30 ms made receipts
wait longer in `tocsin bench latency`)."""
GATHER_S = 0.02
"""How long changes are gathered at least before they are worked on: one commit for many instead of one for each."""
LONGEST_GATHER_S = 0.1
"""How long they are gathered at most: two steps that follow from a report are still seen within the second."""
REST: Final = 4
"""For how many times as long as the last transaction took changes are gathered, up to the longest (our own choice: reactors that keep up take a fifth of
the writer's time; those that have fallen behind take all that is free)."""
TRIES_S: Final = (0.0, 0.5, 2.0)
"""How long a reactor waits before each of its tries of a change on which it fails (our own choice)."""
PASSED_OVER = 1000
"""After how many changes that are none of its business a reactor writes its cursor down all the same."""


class Reactor(Protocol):
    """Acts on changes of its `kinds`. `name` is stable: it names the cursor."""

    name: str
    kinds: frozenset[str]

    async def react(self, tx: Transaction, change: Change) -> None:
        """Do what this change asks for, in `tx`; the cursor moves in the same transaction. Statements touch few rows, by their indexes."""
        ...


@runtime_checkable
class Preparing(Protocol):
    """A reactor that looks at a whole stretch once, before it reacts to each of its changes."""

    async def prepare(self, tx: Transaction, changes: Sequence[Change]) -> None:
        """Read in one go what the reactions will need."""
        ...


@runtime_checkable
class Prompt(Reactor, Protocol):
    """A reactor that somebody waits for: it runs by itself and gathers for this while only, and so is first at the writer."""

    gather_s: float


def groups(reactors: Iterable[Reactor]) -> dict[str, list[Reactor]]:
    """Who runs together, by a name: the prompt ones alone, all others as one."""
    by_name: dict[str, list[Reactor]] = {}
    for reactor in reactors:
        by_name.setdefault(reactor.name if isinstance(reactor, Prompt) else "together", []).append(reactor)
    return by_name


class _Place:
    """How far one reactor has come: in memory (`at`: what is none of its business is only passed over) and as stored; and whether it is ours."""

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self.prepare = reactor.prepare if isinstance(reactor, Preparing) else None
        self.at = self.stored = 0
        self.held = False

    def wants(self, change: Change) -> bool:
        return change.seq > self.at and change.kind in self.reactor.kinds


class Runner:
    """Runs reactors together until cancelled. A new reactor begins with the first change there is."""

    def __init__(self, store: Store, *reactors: Reactor, owner: str | None = None) -> None:
        self.store = store
        self.owner = owner or ("local" if store.is_sqlite else new_id())  # one file has one hub: a restart must not wait for its own lease
        self._places = [_Place(reactor) for reactor in reactors]
        self._kinds = frozenset().union(*(reactor.kinds for reactor in reactors))
        self._gather_s = min((reactor.gather_s for reactor in reactors if isinstance(reactor, Prompt)), default=None)
        self._took_s = 0.0
        self._behind = False
        self._renew_at: datetime | None = None

    async def run(self) -> None:
        """Work through the feed for ever; waits out an unavailable store. A change on which a reactor fails is passed over by that reactor."""
        while True:
            try:
                if not await self.step():
                    await self.store.grown(self._reached(), within_s=1.0)
                if not self._behind:
                    await asyncio.sleep(self._pause_s())
            except Unavailable:
                await asyncio.sleep(1)

    def _pause_s(self) -> float:
        return self._gather_s if self._gather_s is not None else min(max(GATHER_S, REST * self._took_s), LONGEST_GATHER_S)

    def _reached(self) -> int:
        return min((place.at for place in self._places if place.held), default=0)

    async def step(self) -> bool:
        """Handle one batch. False where there was nothing to do or other processes hold the leases."""
        self._behind, self._took_s = False, 0.0
        if self._renew_at is None or self.store.clock.now() >= self._renew_at:
            async with self.store.transaction(brief=True) as tx:
                for place in self._places:
                    place.held = await self._lease(tx, place)
            if not any(place.held for place in self._places):
                await asyncio.sleep(LEASE.total_seconds() / 5)
                return False
            self._renew_at = tx.now + LEASE / 2
        batch = await self.store.tail.after(self._reached(), BATCH)
        if not batch:
            return False
        places = [place for place in self._places if place.held]
        try:
            reached = await self._work(places, batch)
        except Unavailable:
            raise
        except Exception:
            log.exception("reactors fail between changes %d and %d: each works alone now", batch[0].seq, batch[-1].seq)
            reached = await self._each_alone(places, batch)
        self._behind = (reached < self.store.seen and len(batch) == BATCH) or reached < batch[-1].seq
        return True

    async def _work(self, places: Sequence[_Place], batch: Sequence[Change]) -> int:
        """One short transaction: the reactions to a stretch, then the cursors by compare-and-set. What nobody wants is only passed over.

        Gives the last change that was worked on."""
        reached = batch[-1].seq
        wanted = [change for change in batch if change.kind in self._kinds and any(place.wants(change) for place in places)]
        if wanted or reached - min(place.stored for place in places) >= PASSED_OVER:
            async with self.store.transaction(brief=True) as tx:
                began_s = time.monotonic()  # what it waited for its turn is none of its stretch
                reached = await self._react(tx, places, wanted, began_s + STRETCH_S) or reached
                moving = [place for place in places if place.at <= reached]
                await self._move(tx, moving, reached)
            self._took_s = time.monotonic() - began_s
            for place in moving:
                place.stored = reached
        for place in places:
            place.at = max(place.at, reached)
        return reached

    async def _each_alone(self, places: Sequence[_Place], batch: Sequence[Change]) -> int:
        """Each reactor takes each change in a transaction of its own. One on which it fails it passes over, which is counted and logged: it would fail
        at every start again, and nothing would be reacted to any more. Gives the last change."""
        for place in places:
            for change in filter(place.wants, batch):
                await self._insist(place, change)
            place.at = max(place.at, batch[-1].seq)
        return batch[-1].seq

    async def _insist(self, place: _Place, change: Change) -> None:
        """Try a few times: what went wrong may have been of the moment."""
        for pause_s in TRIES_S:
            try:
                await asyncio.sleep(pause_s)
                return await self._alone(place, change)
            except Unavailable:
                raise
            except Exception:
                log.exception("the reactor %s fails on change %d (%s)", place.reactor.name, change.seq, change.kind)
        log.error("the reactor %s passes change %d over: what follows from it is missing", place.reactor.name, change.seq)
        await self._alone(place, change, passing=True)

    async def _alone(self, place: _Place, change: Change, *, passing: bool = False) -> None:
        async with self.store.transaction(brief=True) as tx:
            if not passing:
                await self._react(tx, [place], [change], float("inf"))
            else:
                await tx.conn.execute(update(table).where(table.c.name == place.reactor.name).values(failures=table.c.failures + 1))
            await self._move(tx, [place], change.seq)
        place.at = place.stored = change.seq

    async def _react(self, tx: Transaction, places: Sequence[_Place], wanted: Sequence[Change], end_s: float) -> int | None:
        """React to changes, oldest first; gives the last one where the time was over before the end."""
        for place in places:
            if place.prepare is not None:
                await place.prepare(tx, [change for change in wanted if place.wants(change)])
        for change in wanted:
            for place in places:
                if place.wants(change):
                    await place.reactor.react(tx, change)
                    await tx.write()  # the next one finds it
                    await asyncio.sleep(0)  # what is run at once leaves the loop no turn by itself
            if (self.store.pressed or time.monotonic() > end_s) and change is not wanted[-1]:
                return change.seq
        return None

    async def _move(self, tx: Transaction, places: Sequence[_Place], reached: int) -> None:
        from_here = " OR ".join(f"(name = ${n} AND cursor = ${n + 1})" for n in range(4, 4 + 2 * len(places), 2))
        moved = await fetch(tx.conn, f"UPDATE reactor SET cursor = $1, lease_until = $2 WHERE lease_owner = $3 AND ({from_here}) RETURNING name",  # noqa: S608
                            reached, utc_text(tx.now + LEASE), self.owner, *chain.from_iterable((p.reactor.name, p.stored) for p in places))
        if len(moved) != len(places):
            self._renew_at = None
            raise Unavailable("lease_lost", "另一进程接管了此任务", "another process took this reactor over")

    async def _lease(self, tx: Transaction, place: _Place) -> bool:
        row = (await tx.conn.execute(select(table.c.cursor, table.c.lease_owner, table.c.lease_until)
                                     .where(table.c.name == place.reactor.name))).first()
        until = utc_text(tx.now + LEASE)
        if row is None:
            await tx.conn.execute(
                insert(table).values(name=place.reactor.name, cursor=0, lease_owner=self.owner, lease_until=until, failures=0))
            place.at = place.stored = 0
            return True
        taken = await tx.conn.execute(
            update(table).where(table.c.name == place.reactor.name,
                                or_(table.c.lease_owner == self.owner, table.c.lease_until.is_(None), table.c.lease_until < tx.at))
            .values(lease_owner=self.owner, lease_until=until)
        )
        place.at = max(place.at, row.cursor) if row.cursor == place.stored else row.cursor
        place.stored = row.cursor
        return taken.rowcount == 1

"""The live feed: one WebSocket a console, resumed from any sequence number, filtered and masked by the same rule as everything.

One reader follows the change feed for all sockets. A socket's queue is bounded: who stops reading is told why and dropped, and the
others never notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from aiohttp import WSMsgType, web
from msgspec import Meta, Struct

from hub.clock import utc_text
from hub.domain.access import HUB, Action, Actor, Thing, ThingKind
from hub.domain.change import Change
from hub.errors import Unavailable
from hub.store import Store, changes_after, hash_at
from hub.store.access import Policies, PolicyBook, record_view, things_of
from hub.web.route import Ask, NotSignedIn, Route
from hub.web.seen import Read, chain_changes, changes_seen, reports_read

if TYPE_CHECKING:
    from hub.web.services import Services

log = logging.getLogger("hub.live")
QUEUE_BATCHES = 400
"""How many batches a socket may lag behind before it is dropped (our own choice: some minutes of a busy day)."""
SEND_S = 8.0
"""How long one send may take before the reader counts as stalled (it is dropped within 10 s)."""
STATUS_S = 2.0
RECHECK_S = 2.0
GATHER_S = 0.02
"""How long a change waits for company in quiet hours; in a flood the next batch is sent `BREATH_S` after the last (our own choices: a console
draws no more often, and what access asks of a batch is asked once)."""
BREATH_S = 0.04
READ_EVERY_S = 10.0
"""How often a socket chains which reports it has shown unmasked, besides at its end."""
MOST_NAMED = 200
"""How many of them are named; in a flood the chain says from where to where this socket followed (our own choices)."""
_REACH_KINDS = ("session.", "account.", "appointment.", "policy.", "share.", "agreement.", "person.", "post.")


@dataclass(frozen=True, slots=True)
class Batch:
    """A stretch of the feed, with what access asks about its incidents and groups, read once for all sockets; `hash` is the chain's at its end."""

    changes: list[Change]
    hash: str
    things: Mapping[str, Thing]
    policies: Policies


@dataclass(eq=False, slots=True)
class Reader:
    """One socket: what waits for it, and whether it fell too far behind."""

    queue: asyncio.Queue[Batch] = field(default_factory=lambda: asyncio.Queue(QUEUE_BATCHES))
    overrun: bool = False


class LiveFeed:
    """Follows the feed and hands each batch to every socket. Run `run()` in a task group."""

    def __init__(self, store: Store, policies: PolicyBook) -> None:
        self.store = store
        self.policies = policies
        self.readers: set[Reader] = set()
        self.dropped = 0
        self._seq = 0
        self._sent_at_s = 0.0
        self._policies: Policies | None = None

    async def run(self) -> None:
        """Follow the feed for ever; waits out a store that is away."""
        self._seq = await self.store.head()
        while True:
            try:
                await self._once()
            except Unavailable:
                await asyncio.sleep(0.5)

    async def _once(self) -> None:
        await self.store.grown(self._seq)
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(max(GATHER_S, self._sent_at_s + BREATH_S - clock()))  # a burst goes out as one batch
        changes = await self.store.tail.after(self._seq, 1000)
        if not changes:
            return
        self._sent_at_s = clock()
        batch = await self._batch(changes) if self.readers else None
        self._seq = changes[-1].seq
        for reader in list(self.readers) if batch else ():
            try:
                reader.queue.put_nowait(batch)  # type: ignore[arg-type] # it is a batch where there are readers
            except asyncio.QueueFull:
                reader.overrun = True
                self.readers.discard(reader)

    async def _batch(self, changes: list[Change]) -> Batch:
        """The policies are asked for anew only where the stretch itself says that they changed."""
        if any(change.kind.startswith("policy.") for change in changes):
            self._policies = None
        async with self.store.read() as conn:
            if self._policies is None:
                self._policies = await self.policies.read(conn)
            return Batch(changes, await hash_at(conn, changes[-1].seq), await things_of(conn, changes), self._policies)


async def read_batch(conn: Any, policies: PolicyBook, changes: list[Change]) -> Batch:
    """What a stretch of the feed needs to be decided on."""
    end = changes[-1].seq if changes else 0
    return Batch(changes, await hash_at(conn, end), await things_of(conn, changes), await policies.read(conn))


class LiveQuery(Struct, frozen=True, kw_only=True):
    """`after`: the sequence number of the last change that the console has (its snapshot's `seq`)."""

    after: Annotated[int, Meta(ge=0, le=2**53)] | None = None


class ChangesQuery(Struct, frozen=True, kw_only=True):
    """A stretch of the feed after a sequence number."""

    after: Annotated[int, Meta(ge=0, le=2**53)] = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 200


class Changes(Struct, frozen=True, kw_only=True):
    """What the actor may read of a stretch; `next` is where to go on (the stretch may hold nothing for this actor), `head` the feed's end.

    `hash` is the chain's hash at `next`, `after_hash` that at `after` (null where the feed does not reach it). Where `next` is less than `after`, or
    `after_hash` is not the hash that was told with that number, the feed is another, such as that of a restored backup: what was taken from it before
    has to be taken anew.
    """

    items: list[Change]
    next: int
    head: int
    hash: str
    after_hash: str | None


async def changes(ask: Ask) -> Changes:
    """The feed over HTTP, for programs: resumes from any number."""
    ask.require(Action.LIVE_FOLLOW, HUB)
    head = await ask.store.head()
    async with ask.store.read() as conn:
        items = await changes_after(conn, ask.query.after, limit=ask.query.limit)
        batch = await read_batch(conn, ask.hub.policies, items)
        next = items[-1].seq if items else min(ask.query.after, head)
        after_hash = await hash_at(conn, ask.query.after) if ask.query.after <= head else None
        hash = batch.hash if items else await hash_at(conn, next)
    shown = changes_seen(batch.policies, ask.actor, items, batch.things, ask.now)
    await chain_changes(ask, shown, batch.things)
    return Changes(items=shown, next=next, head=head, hash=hash, after_hash=after_hash)


async def live(ask: Ask) -> web.StreamResponse:
    """The live feed; frames are `hello`, `changes`, `status`, `dropped`, as docs/wire.md says."""
    ask.require(Action.LIVE_FOLLOW, HUB)
    socket = web.WebSocketResponse(heartbeat=20, max_msg_size=4096, compress=False)
    await socket.prepare(ask.request)
    reader = Reader()
    ask.hub.live.readers.add(reader)
    follower = _Follower(ask, socket, reader)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_until_closed(socket), name="live.closed")
            group.create_task(follower.send(), name="live.send")
    except* (_Closed, ConnectionError, TimeoutError):
        pass
    finally:
        ask.hub.live.readers.discard(reader)
        await follower.chain_read()  # also where the hub stops
    if follower.reason:
        ask.hub.live.dropped += 1
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(1):
                await socket.close(code=4000, message=follower.reason.encode())
        if ask.request.transport is not None:
            ask.request.transport.abort()
    return socket


def _from(seq: int, *, upto: bool = False) -> Thing:
    """The feed beyond (or up to) a sequence number, as what was read."""
    return Thing(kind=ThingKind.CHANGE, id=f"-{seq}" if upto else f"{seq}-")


class _Closed(Exception):
    """The other side has gone."""


async def _until_closed(socket: web.WebSocketResponse) -> None:
    async for message in socket:
        if message.type is WSMsgType.ERROR:
            break
    raise _Closed


class _Follower:
    """Sends one socket what its actor may read, from where it left off."""

    def __init__(self, ask: Ask, socket: web.WebSocketResponse, reader: Reader) -> None:
        self.hub: Services = ask.hub
        self.ask = ask
        self.socket = socket
        self.reader = reader
        self.actor: Actor = ask.actor
        self.seq = 0
        self.hash = ""
        self.reason = ""
        self._read: Read | None = None
        self._chained_s = asyncio.get_running_loop().time()
        self._checked = asyncio.get_running_loop().time()

    async def send(self) -> None:
        """Catch up, then follow, until the socket closes or the reader is dropped."""
        while (head := await self._opened()) is None:  # what is wrong is said; nothing else is shown
            await self._status()
            await asyncio.sleep(STATUS_S)
        await self._frame({"type": "hello", "seq": head, "after": self.seq, "hash": self.hash, "now": utc_text(self.hub.clock.now())})
        await self._catch_up(head)
        loop = asyncio.get_running_loop()
        next_status = loop.time()
        while True:
            if self.reader.overrun and self.reader.queue.empty():
                await self._drop("too_slow")
            if loop.time() >= next_status:
                await self._status()
                if loop.time() - self._chained_s >= READ_EVERY_S:
                    await self.chain_read()
                next_status = loop.time() + STATUS_S
            try:
                async with asyncio.timeout(max(0.01, next_status - loop.time())):
                    batch = await self.reader.queue.get()
            except TimeoutError:
                await self._recheck()
                continue
            await self._deliver(batch)

    async def _catch_up(self, head: int) -> None:
        while self.seq < head:
            async with self.hub.store.read() as conn:
                items = [c for c in await changes_after(conn, self.seq, limit=500) if c.seq <= head]
                if not items:
                    return
                batch = await read_batch(conn, self.hub.policies, items)
            await self._deliver(batch)

    async def _deliver(self, batch: Batch) -> None:
        fresh = [c for c in batch.changes if c.seq > self.seq]
        if not fresh:
            return
        if any(c.kind.startswith(_REACH_KINDS) for c in fresh):
            await self._recheck(now=True)
        shown = changes_seen(batch.policies, self.actor, fresh, batch.things, self.hub.clock.now())
        self.seq, self.hash = fresh[-1].seq, batch.hash
        if shown:
            self._note_read(reports_read(self.ask, shown, batch.things))
            await self._frame({"type": "changes", "seq": self.seq, "hash": self.hash, "items": shown})

    async def _opened(self) -> int | None:
        """How far the feed has come. That somebody who may read reports follows it, and from where, is chained before anything is shown; None
        where the store takes nothing."""
        try:
            head, after = await self.hub.store.head(), self.ask.query.after
            self.seq = head if after is None else min(after, head)
            async with self.hub.store.read() as conn:
                self.hash = await hash_at(conn, self.seq)
            decision = self.ask.may(Action.LIVE_FOLLOW, HUB)
            if self.actor.permits.get(Action.REPORT_READ):
                async with self.hub.store.transaction() as tx:
                    record_view(tx, self.actor, Action.LIVE_FOLLOW, [_from(self.seq)], decision)
        except Unavailable:
            return None
        return head

    def _note_read(self, read: Read | None) -> None:
        if read is not None and self._read is not None:
            self._read.things.extend(read.things)
        elif read is not None:
            self._read = read

    async def chain_read(self) -> None:
        """Chain which reports this socket has shown unmasked since the last time; where the store is away they wait for the next."""
        read, self._read, self._chained_s = self._read, None, asyncio.get_running_loop().time()
        if read is None:
            return
        things = read.things if len(read.things) <= MOST_NAMED else [*read.things[:MOST_NAMED], _from(self.seq, upto=True)]
        try:
            async with self.hub.store.transaction() as tx:
                record_view(tx, self.actor, Action.REPORT_READ, things, read.decision)
        except Unavailable:
            self._read = read

    async def _recheck(self, *, now: bool = False) -> None:
        """Is the actor still signed in, with which posts? A socket must not outlive its session."""
        at = asyncio.get_running_loop().time()
        if not now and at - self._checked < RECHECK_S:
            return
        self._checked = at
        try:
            self.actor = await self.hub.authenticate(self.ask.request, self.ask.route)
        except NotSignedIn:
            await self._drop("signed_out")
        except Unavailable:
            return  # a store that is away must not blank the screen
        self.ask.actor = self.actor
        if not self.ask.may(Action.LIVE_FOLLOW, HUB).allowed:
            await self._drop("signed_out")

    async def _status(self) -> None:
        readiness = self.hub.health.readiness()
        await self._frame({"type": "status", "now": utc_text(self.hub.clock.now()), "seq": max(self.seq, 0), "hash": self.hash, "ready": readiness.ready,
                           "parts": readiness.parts})

    async def _drop(self, reason: str) -> None:
        self.reason = reason
        with contextlib.suppress(ConnectionError, TimeoutError):
            await self._frame({"type": "dropped", "reason": reason})
        raise _Closed

    async def _frame(self, frame: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(SEND_S):
                await self.socket.send_str(msgspec.json.encode(frame).decode())
        except TimeoutError:
            self.reason = "too_slow"
            raise


ROUTES = [
    Route("GET", "/api/v1/live", live, Action.LIVE_FOLLOW, query=LiveQuery, zh="实时变更（WebSocket）", en="live feed (WebSocket)"),
    Route("GET", "/api/v1/changes", changes, Action.LIVE_FOLLOW, query=ChangesQuery, returns=Changes, zh="变更", en="changes"),
]

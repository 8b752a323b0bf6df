"""The store: the one way in (`transaction`) and the one way out (`read`), and the change chain written inside each transaction.

A sequence number is allotted at the very end of a transaction, under a lock that is held until the commit: readers see numbers
in the order in which they became visible, and never skip one. Nothing outside `hub.store` sees a row object.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from datetime import datetime
from itertools import chain
from types import TracebackType
from typing import Any, Self

from msgspec import Raw
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import Clock, SystemClock, utc_text
from hub.domain.change import GENESIS, Change, ChangeBody, body_hash, body_text, kind_of, link_hash
from hub.errors import Unavailable, why_en, why_zh
from hub.ids import random_bytes
from hub.store import schema
from hub.store.bulk import Rows, at_once, commit_sqlite, fetch, fetch_sqlite, insert_rows, insert_sqlite, visit
from hub.store.engine import Engines, open_engines
from hub.store.migrate import migrate
from hub.store.tail import Tail
from hub.store.turns import Turns

_CHANGE_LOCK = 7_305_411
"""The PostgreSQL advisory lock under which sequence numbers are allotted (an arbitrary number of our own)."""
_HEAD = "SELECT seq, hash FROM change ORDER BY seq DESC LIMIT 1"
CHANNEL = "tocsin_change"


class Recorded:
    """A change that a transaction will append; `seq` and `link` (its hash in the chain) are known once the transaction has committed.

    What does not hang on the number, the salt of the body and its hash, is made where the change is.
    """

    __slots__ = ("actor", "body", "body_sha256", "department_id", "drill", "incident_id", "kind", "link", "salt", "seq", "subject")

    def __init__(
        self, body: ChangeBody, *, actor: str, subject: str, incident_id: str | None = None, department_id: str | None = None,
        drill: bool = False, text: bytes | None = None,
    ) -> None:
        """`text` is the body's canonical JSON where the caller has it already (`hub.domain.change.body_text` otherwise)."""
        self.kind = kind_of(body)
        self.body = body_text(body) if text is None else text
        self.salt = random_bytes()
        self.body_sha256 = body_hash(self.salt, self.body)
        self.actor = actor
        self.subject = subject
        self.incident_id = incident_id
        self.department_id = department_id
        self.drill = drill
        self.seq = 0
        self.link = ""


class Transaction:
    """One unit of work. `conn` runs SQL, `now` is the time of all of it, `record` appends a change at the commit."""

    def __init__(
        self, conn: AsyncConnection, now: datetime, *, sqlite: bool, brief: bool = False,
        apart: Callable[[Mapping[str, int]], Awaitable[dict[str, int]]] | None = None,
    ) -> None:
        self.conn = conn
        self.brief = brief
        self._apart = apart
        self.now = now
        self.at = utc_text(now)
        self.sqlite = sqlite
        self.recorded: list[Recorded] = []
        self._committed: list[Callable[[], object]] = []
        self._rows: list[Rows] = []

    def after_commit(self, call: Callable[[], object]) -> None:
        """Run `call` once this transaction has committed, and never where it fails: for what memory keeps of the store."""
        self._committed.append(call)

    def committed(self) -> None:
        """Run what waits for the commit. Called by the store."""
        for call in self._committed:
            call()

    async def alone(self, what: str) -> None:
        """Let no other process do `what` at the same time: it waits here until this transaction has ended, and then reads what was written. On SQLite
        the writer's turn and the lock of its transaction see to that."""
        if not self.sqlite:
            await self.conn.execute(text("SELECT pg_advisory_xact_lock(:ours, hashtext(:what))"), {"ours": _CHANGE_LOCK, "what": what})

    def record(
        self, body: ChangeBody, *, actor: str, subject: str, incident_id: str | None = None, department_id: str | None = None,
        drill: bool = False, text: bytes | None = None,
    ) -> Recorded:
        """Append a change of the kind that `body` was declared with, in this transaction; its `seq` is set when it commits. As `Recorded`."""
        return self.append(Recorded(body, actor=actor, subject=subject, incident_id=incident_id, department_id=department_id, drill=drill, text=text))

    def append(self, entry: Recorded) -> Recorded:
        """Append a change that was made ready before."""
        self.recorded.append(entry)
        return entry

    async def count(self, name: str, by: int = 1) -> int:
        """Add `by` to the named counter and give its new value; gap-free as long as the transaction commits."""
        return (await _count(self.conn, {name: by}))[name]

    async def numbers(self, wanted: Mapping[str, int]) -> dict[str, int]:
        """Add to several named counters at once, without gap-freeness: on PostgreSQL in a transaction of its own, so that workers do not wait for
        one another's commit. Gives the new values; a transaction that fails leaves a gap, and a number is never given twice.
        """
        return await (_count(self.conn, wanted) if self._apart is None else self._apart(wanted))

    def changes(self) -> list[Change]:
        """What was recorded, as readers of the feed see it; once it is committed."""
        return [Change(seq=r.seq, kind=r.kind, at=self.at, actor=r.actor, subject=r.subject, incident_id=r.incident_id,
                       department_id=r.department_id, drill=r.drill, body=Raw(r.body)) for r in self.recorded]

    async def insert(self, *batches: Rows) -> None:
        """Insert rows of plain values. On SQLite they wait for `write` or the end of the transaction, so that everything goes in one visit.

        Raises IntegrityError, now or then.
        """
        self._rows += batches
        if not self.sqlite:
            await self.write()

    async def write(self) -> None:
        """Write the rows that wait, for what is asked next in this transaction."""
        rows, self._rows = self._rows, []
        await insert_rows(self.conn, *rows)

    async def flush(self) -> None:
        """Write the recorded changes: take the lock, which every other writer waits for, read the head, chain, insert. Called once, before the commit."""
        if not self.recorded and not self._rows:
            return
        if self.sqlite:
            await visit(self.conn, self._flush_sqlite)
        else:
            await self.conn.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _CHANGE_LOCK})
            await insert_rows(self.conn, *self._chained(await fetch(self.conn, _HEAD)))
            await self.conn.execute(text(f"SELECT pg_notify('{CHANNEL}', :seq)"), {"seq": str(self.recorded[-1].seq)})

    def _flush_sqlite(self, connection: sqlite3.Connection) -> None:
        """All rows of the transaction. Runs in the connection's thread, which holds the write lock; it commits there as well, since the loop may be
        busy when it hears that the rows are written. A brief transaction is on the loop, where nobody waits for the disk."""
        insert_sqlite(connection, self._rows)
        if self.recorded:
            insert_sqlite(connection, self._chained(fetch_sqlite(connection, _HEAD)))
        if not self.brief:
            commit_sqlite(connection)

    def _chained(self, head: list[tuple[Any, ...]]) -> tuple[Rows, Rows]:
        """Give the recorded changes their numbers and links after `head` (a row, or none in an empty store). SQLite's driver takes a `bytearray` as it
        is; of `bytes` it asks first how they want to be stored (`hub.store.one_visit`)."""
        seq, previous = head[0] if head else (0, GENESIS)
        rows, bodies = [], []
        for entry in self.recorded:
            seq += 1
            entry.seq = seq
            link = entry.link = link_hash(previous, seq, entry.kind, self.at, entry.actor, entry.subject, entry.incident_id,
                                          entry.department_id, entry.drill, entry.body_sha256)
            rows.append((seq, entry.kind, self.at, entry.actor, entry.subject, entry.incident_id, entry.department_id, entry.drill,
                         entry.body_sha256, previous, link))
            bodies.append((seq, bytearray(entry.salt), bytearray(entry.body)) if self.sqlite else (seq, entry.salt, entry.body.decode()))
            previous = link
        return Rows(schema.change, rows), Rows(schema.change_body, bodies)


class Store:
    """Open with `async with Store(url) as store`. One writer at a time in this process; any number of readers."""

    def __init__(self, url: str, clock: Clock | None = None, *, readers: int = 4) -> None:
        self.url = url
        self.clock = clock or SystemClock()
        self._engines: Engines = open_engines(url, readers=readers)
        self._turns = Turns()
        self.tail = Tail(self)
        self._head = 0
        self._grown = asyncio.Event()

    @property
    def is_sqlite(self) -> bool:
        """Is this the one-file store?"""
        return self._engines.sqlite

    async def __aenter__(self) -> Self:
        schema.all_tables()
        try:
            async with _translated():
                await migrate(self._engines)
            await self.head()
        except Unavailable as error:
            where, why = self._engines.read.url.render_as_string(), getattr(error.__cause__, "orig", None) or error.__cause__ or error
            raise Unavailable(error.code, f"无法打开数据库 {where}：{why_zh(why)}", f"the database {where} cannot be opened: {why_en(why)}") from None
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._engines.read.dispose()
        await self._engines.write.dispose()

    @property
    def seen(self) -> int:
        """The highest sequence number that this process has seen."""
        return self._head

    @asynccontextmanager
    async def read(self, *, brief: bool = False) -> AsyncIterator[AsyncConnection]:
        """A connection for SELECTs, in autocommit; `brief` as for a transaction. Raises Unavailable where the database cannot be reached."""
        async with _translated(), self._engines.read.connect() as conn:
            with at_once(conn) if brief and self.is_sqlite else nullcontext():
                yield conn

    @asynccontextmanager
    async def transaction(self, *, urgent: bool = False, brief: bool = False) -> AsyncIterator[Transaction]:
        """The writer's transaction: committed at the end of the block, with its changes; rolled back where the block raises.

        `urgent` goes before all that waits: for reports, which have somebody waiting for a receipt. `brief` is a promise: each of its statements
        touches few rows, by their indexes. On SQLite those are run at once, where the loop is, which costs a fraction of handing them to a thread.
        Raises Unavailable where the database cannot be reached, is full or fails; nothing is stored then.
        """
        async with self._turn(urgent), _translated():
            async with self._engines.write.begin() as conn:
                tx = Transaction(conn, self.clock.now(), sqlite=self.is_sqlite, brief=brief, apart=None if self.is_sqlite else self._numbers)
                with at_once(conn) if brief and self.is_sqlite else nullcontext():
                    yield tx
                    await tx.flush()
            tx.committed()
            if tx.recorded:
                self.tail.push(tx.changes())
                self.wake(tx.recorded[-1].seq)

    async def _numbers(self, wanted: Mapping[str, int]) -> dict[str, int]:
        """On a connection that does not wait for the disk: whatever commits with these numbers later puts them there before itself."""
        async with self._engines.read.connect() as conn:
            return await _count(conn, wanted)

    @asynccontextmanager
    async def _turn(self, urgent: bool) -> AsyncIterator[None]:
        """On SQLite writers queue in the process, where waiting costs nothing; PostgreSQL needs no queue."""
        if self.is_sqlite:
            async with self._turns.turn(urgent=urgent):
                yield
        else:
            yield

    @property
    def pressed(self) -> bool:
        """Does a report wait for the writer's turn? Whoever holds it with work that can be parted then ends soon."""
        return self._turns.pressed

    async def head(self) -> int:
        """The highest sequence number there is (0 in an empty store)."""
        async with self.read() as conn:
            seq = (await conn.execute(select(schema.change.c.seq).order_by(schema.change.c.seq.desc()).limit(1))).scalar()
        self._head = max(self._head, int(seq or 0))
        return int(seq or 0)

    def wake(self, seq: int) -> None:
        """Tell those who wait in `grown` that the feed has reached `seq`."""
        if seq > self._head:
            self._head = seq
            self._grown.set()
            self._grown = asyncio.Event()

    async def grown(self, beyond: int, *, within_s: float = 1.0) -> None:
        """Wait until the feed has passed `beyond`, or `within_s` seconds (another process may have written: look then)."""
        if self._head > beyond:
            return
        try:
            async with asyncio.timeout(within_s):
                await self._grown.wait()
        except TimeoutError:
            return

    async def listen(self) -> None:
        """Wake readers when another process commits (PostgreSQL only; runs until cancelled, returns at once on SQLite)."""
        if self.is_sqlite:
            return
        while True:
            with suppress(Unavailable):
                async with self.read() as conn:
                    await self._hear(conn)
            await asyncio.sleep(2)

    async def _hear(self, conn: AsyncConnection) -> None:
        """Listen on one connection until it is lost; it is never given back to the pool."""
        raw: Any = await conn.get_raw_connection()
        driver = raw.driver_connection
        try:
            await driver.add_listener(CHANNEL, lambda *a: self.wake(int(a[-1])))
            while not driver.is_closed():
                await asyncio.sleep(1)
                await driver.fetchval("SELECT 1")
        finally:
            await conn.invalidate()


async def _count(conn: AsyncConnection, wanted: Mapping[str, int]) -> dict[str, int]:
    """Counters are taken in the order of their names, so that two who want the same never wait for each other."""
    values = list(chain.from_iterable(sorted(wanted.items())))
    rows = ", ".join(f"(${n}, ${n + 1})" for n in range(1, len(values), 2))
    found = await fetch(conn, f"INSERT INTO counter (name, value) VALUES {rows} ON CONFLICT (name) DO UPDATE "  # noqa: S608 places of parameters
                              "SET value = counter.value + excluded.value RETURNING name, value", *values)
    return {name: int(value) for name, value in found}


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """A database that is away, full or failing is `Unavailable`; a wrong statement stays a bug."""
    try:
        yield
    except Exception as error:
        if _is_outage(error):
            raise _unavailable(error) from error
        raise


def _is_outage(error: Exception) -> bool:
    """Is it the database that fails, and not the statement? asyncpg's own errors come through where it connects or listens."""
    if isinstance(error, (OperationalError, InterfaceError, OSError)):  # OSError: ConnectionError and TimeoutError among others
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    origin = error.orig if isinstance(error, DBAPIError) else error
    if type(origin).__module__.startswith("asyncpg") and type(origin).__name__ in ("InterfaceError", "InternalClientError"):
        return True
    # 08 connection, 25006 read only (a standby), 40 rolled back (deadlock), 53 insufficient resources, 57P shutdown, 58 system error
    # (PostgreSQL, appendix A)
    return str(getattr(origin, "sqlstate", "") or "").startswith(("08", "25006", "40", "53", "57P", "58"))


def _unavailable(error: BaseException) -> Unavailable:
    return Unavailable("store_unavailable", "数据库暂时不可用，什么都没有丢失，请稍后重试",
                       f"the store is not available; nothing was stored ({type(error).__name__})", retry_after_s=5)

"""Acts that must be on record although the store is away: a synced file beside it, taken into the chain once it is back.

Only for what is already granted and must not go dark (watching a feed); every other act that cannot be recorded is refused.
A spool has an id and the store remembers how many of its entries it has taken, so that each is taken exactly once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw, Struct
from sqlalchemy import insert, select, update

from hub.clock import utc_text
from hub.domain.change import KINDS, ChangeBody, body_text, kind_of
from hub.domain.proof import AuditRecovered
from hub.errors import Unavailable, why_en
from hub.ids import new_id
from hub.store.schema_proof import spool_taken
from hub.store.writer import Store, Transaction

BATCH = 500


class Spooled(Struct, frozen=True, kw_only=True):
    """One act: when it happened, and the change it will be."""

    at: str
    kind: str
    body: Raw
    actor: str
    subject: str
    incident_id: str | None = None
    department_id: str | None = None
    drill: bool = False


class Spool:
    """The spool of one hub process, in its data folder. Run `run()` beside the store."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.waiting = 0
        self._file: Path | None = None
        self._lock = asyncio.Lock()

    async def record(self, body: ChangeBody, *, actor: str, subject: str, incident_id: str | None = None, department_id: str | None = None,
                     drill: bool = False) -> bool:
        """Record an act that is already granted: in the chain, or (False) in the spool, synced, while the store is away.

        Raises Unavailable where the disk takes it neither: then the act must not be done.
        """
        try:
            async with self.store.transaction() as tx:
                tx.record(body, actor=actor, subject=subject, incident_id=incident_id, department_id=department_id, drill=drill)
            return True
        except Unavailable:
            entry = Spooled(at=utc_text(self.store.clock.now()), kind=kind_of(body), body=Raw(body_text(body)), actor=actor, subject=subject,
                            incident_id=incident_id, department_id=department_id, drill=drill)
            async with self._lock:
                try:
                    await asyncio.to_thread(self._append, msgspec.json.encode(entry) + b"\n")
                except OSError as error:
                    raise Unavailable("audit_unavailable", "审计无法写入，操作被拒绝", f"the audit cannot be written; refused ({why_en(error)})") from error
                self.waiting += 1
            return False

    def _append(self, line: bytes) -> None:
        if self._file is None:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = self.folder / f"{new_id()}.jsonl"
        handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            start = os.fstat(handle).st_size
            try:
                if os.write(handle, line) != len(line):
                    raise OSError(28, "No space left on device")
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, start)  # half a line must not spoil the next
                raise
        finally:
            os.close(handle)

    async def run(self) -> None:
        """Take what was spooled into the chain, for ever; what an earlier process left is taken too."""
        while True:
            with contextlib.suppress(Unavailable, OSError):
                await self.take()
            await asyncio.sleep(1)

    async def take(self) -> int:
        """Take every spool into the chain; gives how many acts. Raises Unavailable while the store is away."""
        if not self.folder.is_dir():
            return 0
        async with self._lock:
            total = 0
            for path in sorted(self.folder.glob("*.jsonl")):
                total += await self._take(path)
                path.unlink()
                if path == self._file:
                    self._file = None
            self.waiting = 0
            return total

    async def _take(self, path: Path) -> int:
        entries = await asyncio.to_thread(_read, path)
        taken = 0
        while True:
            async with self.store.transaction() as tx:
                done = await _taken(tx, path.stem)
                part = entries[done : done + BATCH]
                if not part:
                    return taken
                await _note(tx, path.stem, done + len(part), first=done == 0)
                tx.record(AuditRecovered(spool_id=path.stem, entries=len(part), happened_at=tuple(e.at for e in part)), actor="system:audit",
                          subject=f"spool:{path.stem}")
                for entry in part:
                    _record(tx, entry)
            taken += len(part)


def _record(tx: Transaction, entry: Spooled) -> None:
    known = KINDS[entry.kind]
    body: Any = msgspec.json.decode(entry.body, type=known.body)
    tx.record(body, actor=entry.actor, subject=entry.subject, incident_id=entry.incident_id, department_id=entry.department_id, drill=entry.drill,
              text=bytes(entry.body))


def _read(path: Path) -> list[Spooled]:
    """The entries of a spool; a last line that a dying machine left unfinished was never promised to anybody."""
    lines = path.read_bytes().split(b"\n")[:-1]
    return [msgspec.json.decode(line, type=Spooled) for line in lines]


async def _taken(tx: Transaction, spool_id: str) -> int:
    return int((await tx.conn.execute(select(spool_taken.c.entries).where(spool_taken.c.spool_id == spool_id))).scalar() or 0)


async def _note(tx: Transaction, spool_id: str, entries: int, *, first: bool) -> None:
    if first:
        await tx.conn.execute(insert(spool_taken).values(spool_id=spool_id, entries=entries, taken_at=tx.at))
    else:
        await tx.conn.execute(update(spool_taken).where(spool_taken.c.spool_id == spool_id).values(entries=entries, taken_at=tx.at))

"""The agent's durable outbox: a message accepted here is on disk, and stays until the hub's receipt for it has come.

Nothing is dropped silently: content is checked before it is queued, and a full outbox refuses by name. Telemetry never comes here.
It may be opened by several processes at once (the running agent and `tocsin report file`).
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from hub import wire
from hub.clock import Clock, SystemClock, parse_utc, utc_text
from hub.errors import Rejected, Unavailable, why_en, why_zh
from hub.private import keep_private

log = logging.getLogger("tocsin.agent")

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS message (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('report', 'daily')),
  urgent INTEGER NOT NULL,
  payload BLOB,
  size_bytes INTEGER NOT NULL,
  hash TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  accepted_at TEXT NOT NULL,
  sent_at TEXT,
  settled_at TEXT,
  receipt TEXT
);
CREATE INDEX IF NOT EXISTS message_waiting ON message (urgent DESC, seq) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS message_under_way ON message (seq) WHERE state IN ('queued', 'sent');
CREATE INDEX IF NOT EXISTS message_settled ON message (settled_at) WHERE settled_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS tally (one INTEGER PRIMARY KEY CHECK (one = 1), waiting INTEGER NOT NULL, waiting_bytes INTEGER NOT NULL);
INSERT OR IGNORE INTO tally VALUES (1, 0, 0);
CREATE TRIGGER IF NOT EXISTS message_comes AFTER INSERT ON message BEGIN
  UPDATE tally SET waiting = waiting + 1, waiting_bytes = waiting_bytes + NEW.size_bytes;
END;
CREATE TRIGGER IF NOT EXISTS message_settles AFTER UPDATE OF state ON message
WHEN OLD.state IN ('queued', 'sent') AND NEW.state NOT IN ('queued', 'sent') BEGIN
  UPDATE tally SET waiting = waiting - 1, waiting_bytes = waiting_bytes - NEW.size_bytes;
END;
CREATE TRIGGER IF NOT EXISTS message_reopens AFTER UPDATE OF state ON message
WHEN OLD.state NOT IN ('queued', 'sent') AND NEW.state IN ('queued', 'sent') BEGIN
  UPDATE tally SET waiting = waiting + 1, waiting_bytes = waiting_bytes + NEW.size_bytes;
END;
CREATE TABLE IF NOT EXISTS file (
  sha256 TEXT PRIMARY KEY,
  path TEXT NOT NULL,
  name TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  report_id TEXT NOT NULL,
  upload_url TEXT,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'refused')),
  reason TEXT,
  accepted_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS command (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL);
"""
_COMMANDS_KEPT: Final = 1000
_COLUMNS: Final = "seq, id, kind, urgent, payload, size_bytes, hash, state, attempts, accepted_at, sent_at, settled_at, receipt"


class Kind(StrEnum):
    """What the outbox carries; also the last level of the topic."""

    REPORT = "report"
    DAILY = "daily"


class State(StrEnum):
    """How far a message has come; the last three are final."""

    QUEUED = "queued"
    SENT = "sent"
    STORED = "stored"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


FINAL: Final = frozenset({State.STORED, State.DUPLICATE, State.REJECTED})


class Bounds(Struct, frozen=True, kw_only=True):
    """How much may wait for a receipt; urgent reports may use the reserve on top."""

    max_reports: int = 100_000
    max_bytes: int = 1_000_000_000
    urgent_reserve_reports: int = 10_000
    urgent_reserve_bytes: int = 100_000_000


class Entry(Struct, frozen=True, kw_only=True):
    """One message of the outbox. `payload` is None once a settled message's content was let go."""

    seq: int
    id: str
    kind: Kind
    urgent: bool
    payload: bytes | None
    size_bytes: int
    hash: str
    state: State
    attempts: int
    accepted_at: datetime
    sent_at: datetime | None
    settled_at: datetime | None
    receipt: wire.Receipt | None


class Waiting(Struct, frozen=True, kw_only=True):
    """What has no receipt yet: how many, how many bytes, since when the oldest."""

    count: int
    size_bytes: int
    oldest_at: datetime | None


class Upload(Struct, frozen=True, kw_only=True):
    """A file that a report names and that still has to reach the hub."""

    sha256: str
    path: Path
    name: str
    media_type: str
    size_bytes: int
    report_id: str
    upload_url: str | None


class Outbox:
    """A SQLite file in WAL mode. Methods block (an fsync for each accepted message): call them in a thread from asyncio.

    Accepting is durable against power loss (`synchronous=FULL`). Marks of sending and receipts are not synced: losing them
    costs a second delivery, which the hub folds by id.
    """

    def __init__(self, path: Path, bounds: Bounds | None = None, clock: Clock | None = None, *, lock_wait_s: float = 10.0,
                 sign: Callable[[wire.Report], wire.Report] | None = None) -> None:
        self.path = path
        self._lock_wait_s = lock_wait_s
        self.bounds = bounds or Bounds()
        self._clock = clock or SystemClock()
        self._sign = sign
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        keep_private(path)
        try:
            self._begin()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:  # whoever stands there has to report all the same
            aside = self._put_aside()
            log.error("发件箱已损坏（%s），改存为 %s；其中未送达的报告须重报 / the outbox is damaged (%s) and put aside as %s: reports in it that had no "
                      "receipt have to be filed again", error, aside, error, aside)
            self._begin()

    def _begin(self) -> None:
        self._durable = self._open("FULL")
        try:
            with self._lock:
                self._durable.executescript(_SCHEMA)
            self._relaxed = self._open("NORMAL")
        except sqlite3.Error:
            self._durable.close()
            raise

    def _open(self, synchronous: str) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=self._lock_wait_s, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={synchronous}")
            connection.execute("PRAGMA journal_size_limit=67108864")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _put_aside(self) -> Path:
        """Rename the file and what belongs to it, so that somebody can look for what it holds; gives the new name."""
        aside = self.path.with_name(f"{self.path.name}.damaged-{self._clock.now():%Y%m%dT%H%M%S}")
        for ending in ("", "-wal", "-shm"):
            part = self.path.with_name(self.path.name + ending)
            if part.exists():
                part.rename(aside.with_name(aside.name + ending))
        return aside

    def close(self) -> None:
        """Close the file; everything accepted is already on disk."""
        with self._lock:
            self._relaxed.close()
            self._durable.close()

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            except sqlite3.OperationalError as error:
                raise Unavailable("outbox_disk", f"本机发件箱无法写入：{why_zh(error)}", f"the outbox cannot be written: {why_en(error)}") from error

    def accept(self, message: wire.Report | wire.Daily, files: Sequence[Upload] = ()) -> bool:
        """Put a message on disk for sending; True when it is new, False when the very same is already here.

        Raises Rejected for content the hub would refuse, `id_taken` for the id of another message, Unavailable `outbox_full` at the
        bounds and `outbox_disk` when the disk fails; in each of these cases nothing was accepted.
        """
        kind = Kind.DAILY if isinstance(message, wire.Daily) else Kind.REPORT
        if self._sign is not None and isinstance(message, wire.Report) and message.signature is None:
            message = self._sign(message)
        payload = wire.encode(message)
        checked: wire.Report | wire.Daily = wire.decode_daily(payload) if kind is Kind.DAILY else wire.decode_report(payload)
        wire.refuse_controls(checked)
        digest = wire.content_hash(checked)
        urgent = isinstance(checked, wire.Report) and checked.urgent
        with self._transaction(self._durable) as connection:
            old = connection.execute("SELECT hash FROM message WHERE id = ?", (checked.id,)).fetchone()
            if old is not None:
                if old[0] == digest:
                    return False
                raise Rejected("id_taken", "这个 id 已用于另一份内容", "this id is taken by another content", field="id")
            self._refuse_when_full(connection, len(payload), urgent)
            now = utc_text(self._clock.now())
            connection.execute(
                "INSERT INTO message (id, kind, urgent, payload, size_bytes, hash, state, accepted_at)"
                " VALUES (?, ?, ?, ?, ?, ?, 'queued', ?)",
                (checked.id, kind.value, int(urgent), payload, len(payload), digest, now),
            )
            for file in files:
                connection.execute(
                    "INSERT INTO file (sha256, path, name, media_type, size_bytes, report_id, state, accepted_at)"
                    " VALUES (?, ?, ?, ?, ?, ?, 'waiting', ?) ON CONFLICT (sha256) DO UPDATE SET path = excluded.path,"
                    " state = CASE WHEN state = 'refused' THEN 'waiting' ELSE state END",
                    (file.sha256, str(file.path), file.name, file.media_type, file.size_bytes, file.report_id, now),
                )
        return True

    def _refuse_when_full(self, connection: sqlite3.Connection, size_bytes: int, urgent: bool) -> None:
        count, total = connection.execute("SELECT waiting, waiting_bytes FROM tally").fetchone()
        reports = self.bounds.max_reports + (self.bounds.urgent_reserve_reports if urgent else 0)
        volume = self.bounds.max_bytes + (self.bounds.urgent_reserve_bytes if urgent else 0)
        if count + 1 > reports or total + size_bytes > volume:
            raise Unavailable(
                "outbox_full",
                f"本机发件箱已满（{count} 份，{total} 字节未获回执），此件未收下；请先恢复与中心的连接",
                f"the outbox is full ({count} messages, {total} bytes without a receipt); this one was not taken: restore the link first",
                retry_after_s=60.0,
            )

    def take(self, limit: int, *, urgent_only: bool = False, skip: Iterable[str] = ()) -> list[Entry]:
        """Mark up to `limit` waiting messages as sent and return them, urgent first, then in the order of acceptance.

        Where the disk takes no mark they are returned all the same, since a full disk must not hold back what is on it; `skip` then
        keeps out what was given out before.
        """
        wanted = (
            f"SELECT {_COLUMNS} FROM message WHERE state = 'queued' AND urgent >= ?"  # noqa: S608
            " AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY urgent DESC, seq LIMIT ?"
        )
        values = (int(urgent_only), msgspec.json.encode(list(skip)).decode(), limit)
        try:
            with self._transaction(self._relaxed) as connection:
                rows = connection.execute(wanted, values).fetchall()
                now = utc_text(self._clock.now())
                connection.executemany(
                    "UPDATE message SET state = 'sent', attempts = attempts + 1, sent_at = ? WHERE seq = ?", [(now, row[0]) for row in rows]
                )
        except Unavailable:
            rows = self._read(wanted.replace("= 'queued'", "IN ('queued', 'sent')"), values)
        return [_entry(row) for row in rows]

    def sent_again(self, ids: Iterable[str]) -> None:
        """Count another attempt for each id."""
        now = utc_text(self._clock.now())
        with self._transaction(self._relaxed) as connection:
            connection.executemany("UPDATE message SET attempts = attempts + 1, sent_at = ? WHERE id = ?", [(now, one) for one in ids])

    def requeue_sent(self) -> int:
        """Queue again whatever a former run sent without a receipt; returns how many."""
        with self._transaction(self._relaxed) as connection:
            return connection.execute("UPDATE message SET state = 'queued' WHERE state = 'sent'").rowcount

    def settle(self, receipts: Iterable[wire.Receipt]) -> int:
        """Keep final receipts beside their messages; returns how many messages became final by this.

        `unavailable` is not final and changes nothing here; a receipt for an id that is not here, or that came before, changes nothing.
        """
        settled = 0
        now = utc_text(self._clock.now())
        with self._transaction(self._relaxed) as connection:
            for receipt in receipts:
                if receipt.status is wire.ReceiptStatus.UNAVAILABLE:
                    continue
                settled += connection.execute(
                    "UPDATE message SET state = ?, receipt = ?, settled_at = ? WHERE id = ? AND state IN ('queued', 'sent')",
                    (receipt.status.value, wire.encode(receipt).decode(), now, receipt.id),
                ).rowcount
        return settled

    def reopen(self, *, ids: Sequence[str] = (), after: datetime | None = None) -> int:
        """Queue again settled messages whose content is still here, at the hub's wish (it came back from an older backup); how many."""
        with self._transaction(self._durable) as connection:
            count = 0
            for one in ids:
                count += connection.execute(
                    "UPDATE message SET state = 'queued', settled_at = NULL WHERE id = ? AND state IN ('stored', 'duplicate')"
                    " AND payload IS NOT NULL",
                    (one,),
                ).rowcount
            if after is not None:
                count += connection.execute(
                    "UPDATE message SET state = 'queued', settled_at = NULL WHERE settled_at >= ? AND state IN ('stored', 'duplicate')"
                    " AND payload IS NOT NULL",
                    (utc_text(after),),
                ).rowcount
        return count

    def prune(self, keep: timedelta) -> int:
        """Remove messages settled longer ago than `keep`, and finished uploads as old; unreceipted ones stay whatever their age."""
        before = utc_text(self._clock.now() - keep)
        with self._transaction(self._relaxed) as connection:
            connection.execute("DELETE FROM file WHERE state = 'done' AND accepted_at < ?", (before,))
            return connection.execute(
                "DELETE FROM message WHERE settled_at < ? AND state NOT IN ('queued', 'sent')", (before,)
            ).rowcount

    def get(self, message_id: str) -> Entry | None:
        """One message by its id, or None."""
        rows = self._read(f"SELECT {_COLUMNS} FROM message WHERE id = ?", (message_id,))  # noqa: S608
        return _entry(rows[0]) if rows else None

    def latest(self, limit: int = 20) -> list[Entry]:
        """The newest messages, newest first."""
        return [_entry(row) for row in self._read(f"SELECT {_COLUMNS} FROM message ORDER BY seq DESC LIMIT ?", (limit,))]  # noqa: S608

    def waiting(self) -> Waiting:
        """What has no receipt yet."""
        count, size = self._read("SELECT waiting, waiting_bytes FROM tally", ())[0]
        oldest = self._read("SELECT accepted_at FROM message WHERE state IN ('queued', 'sent') ORDER BY seq LIMIT 1", ())
        return Waiting(count=count, size_bytes=size, oldest_at=parse_utc(oldest[0][0]) if oldest else None)

    def version(self) -> int:
        """A number that changes when another process has written to the outbox."""
        return int(self._read("PRAGMA data_version", ())[0][0])

    def accepted(self) -> list[tuple[str, str, State]]:
        """(id, content hash, state) of everything still here, in the order of acceptance."""
        return [(row[0], row[1], State(row[2])) for row in self._read("SELECT id, hash, state FROM message ORDER BY seq", ())]

    def uploads(self) -> list[Upload]:
        """Files that still have to reach the hub, oldest first."""
        rows = self._read(
            "SELECT sha256, path, name, media_type, size_bytes, report_id, upload_url FROM file WHERE state = 'waiting'"
            " ORDER BY accepted_at",
            (),
        )
        return [
            Upload(sha256=r[0], path=Path(r[1]), name=r[2], media_type=r[3], size_bytes=r[4], report_id=r[5], upload_url=r[6]) for r in rows
        ]

    def upload_at(self, sha256: str, url: str | None) -> None:
        """Remember where an upload goes on after a restart (None: it starts anew)."""
        with self._transaction(self._relaxed) as connection:
            connection.execute("UPDATE file SET upload_url = ? WHERE sha256 = ?", (url, sha256))

    def upload_ended(self, sha256: str, reason: str | None = None) -> None:
        """The hub has the whole file, or has refused it for `reason`."""
        state = "done" if reason is None else "refused"
        with self._transaction(self._relaxed) as connection:
            connection.execute("UPDATE file SET state = ?, reason = ? WHERE sha256 = ?", (state, reason, sha256))

    def upload_states(self) -> list[tuple[str, str, str, str | None]]:
        """(sha256, name, state, reason) of every file."""
        return [(r[0], r[1], r[2], r[3]) for r in self._read("SELECT sha256, name, state, reason FROM file ORDER BY accepted_at", ())]

    def keep_command(self, command: wire.Command) -> bool:
        """Keep what the hub told this agent (the latest 1,000); False where it came before."""
        with self._transaction(self._relaxed) as connection:
            new = connection.execute(
                "INSERT OR IGNORE INTO command (id, body) VALUES (?, ?)", (command.id, wire.encode(command).decode())
            ).rowcount
            connection.execute("DELETE FROM command WHERE seq <= (SELECT max(seq) FROM command) - ?", (_COMMANDS_KEPT,))
        return new == 1

    def commands(self, limit: int = 20) -> list[wire.Command]:
        """What the hub told this agent last, newest first."""
        rows = self._read("SELECT body FROM command ORDER BY seq DESC LIMIT ?", (limit,))
        return [wire.decode(row[0].encode(), wire.Command) for row in rows]

    def _read(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._durable.execute(sql, values).fetchall()


class _Shape(Struct):
    template: object = None


def kind_of(payload: bytes) -> Kind:
    """Is this JSON a daily report (it has a `template`) or a report? Raises Rejected where it is no JSON object."""
    shape = wire.decode(payload, _Shape)
    return Kind.REPORT if shape.template is None else Kind.DAILY


def _entry(row: Sequence[Any]) -> Entry:
    seq, message_id, kind, urgent, payload, size, digest, state, attempts, accepted_at, sent_at, settled_at, receipt = row
    return Entry(
        seq=seq, id=message_id, kind=Kind(kind), urgent=bool(urgent), payload=payload, size_bytes=size, hash=digest, state=State(state),
        attempts=attempts, accepted_at=parse_utc(accepted_at), sent_at=parse_utc(sent_at) if sent_at else None,
        settled_at=parse_utc(settled_at) if settled_at else None, receipt=wire.decode(receipt.encode(), wire.Receipt) if receipt else None,
    )

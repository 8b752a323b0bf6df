"""A chain of changes in a real store, and a superuser who tampers with it behind the product's back."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.domain.agent import AgentCodeMade
from hub.domain.change import link_hash
from hub.store import Store


async def grow(store: Store, changes: int, *, per_transaction: int = 7, incident_id: str | None = None) -> None:
    """Record `changes` changes of which every third belongs to an incident."""
    done = 0
    while done < changes:
        async with store.transaction() as tx:
            for _ in range(min(per_transaction, changes - done)):
                done += 1
                tx.record(AgentCodeMade(agent_id=f"agent-{done}", department_id="fire-rescue", expires_at="2026-11-24T00:00:00.000Z"),
                          actor=f"person:{done % 5}", subject=f"agent:agent-{done}", incident_id=incident_id or (f"i{done}" if done % 3 == 0 else None),
                          department_id="fire-rescue", drill=done % 4 == 0)


@dataclass(frozen=True)
class Tampering:
    """What was done, and from which change on it must be noticed at the latest (None: at the end)."""

    what: str
    seq: int


COLUMNS = ("kind", "at", "actor", "subject", "incident_id", "department_id", "drill", "body_sha256", "prev_hash", "hash")
Run = Callable[[str, tuple[Any, ...]], Any]
"""Runs SQL with `?` marks and gives all rows."""


def tamper(run: Run, dice: random.Random, last: int, kind: int) -> Tampering:
    """Do one act of tampering of eleven kinds at a random place of a chain of `last` changes."""
    seq = dice.randint(1, last)
    other = dice.choice([n for n in range(1, last + 1) if n != seq])
    match kind % 11:
        case 0:
            column = dice.choice(COLUMNS)
            old = run(f"SELECT {column} FROM change WHERE seq = ?", (seq,))[0][0]
            new: Any = (not old) if column == "drill" else dice.choice(["", "x", f"{old}x", str(old).upper() + "!"])
            run(f"UPDATE change SET {column} = ? WHERE seq = ?", (new, seq))
            return Tampering(f"metadata {column}", seq)
        case 1:
            body = run("SELECT body FROM change_body WHERE seq = ?", (seq,))[0][0]
            at = dice.randrange(len(body))
            run("UPDATE change_body SET body = ? WHERE seq = ?", (body[:at] + ("0" if body[at] != "0" else "1") + body[at + 1 :], seq))
            return Tampering("body", seq)
        case 2:
            run("UPDATE change_body SET salt = ? WHERE seq = ?", (dice.randbytes(16), seq))
            return Tampering("salt", seq)
        case 3:
            run("DELETE FROM change_body WHERE seq = ?", (seq,))
            run("DELETE FROM change WHERE seq = ?", (seq,))
            return Tampering("deleted", seq)
        case 4:
            run("DELETE FROM change_body WHERE seq = ?", (seq,))
            return Tampering("body deleted", seq)
        case 5:
            return _swap(run, seq, other)
        case 6:
            run("DELETE FROM change_body WHERE seq >= ?", (seq,))
            run("DELETE FROM change WHERE seq >= ?", (seq,))
            run("DELETE FROM chain_head WHERE seq >= ?", (seq,))
            return Tampering("truncated with its heads", seq)
        case 7:
            return _rewrite(run, seq, last)
        case 8:
            return _forge_and_renumber(run, seq, last)
        case 9:
            first, second = sorted((seq, other))
            one = run("SELECT salt, body FROM change_body WHERE seq = ?", (first,))[0]
            two = run("SELECT salt, body FROM change_body WHERE seq = ?", (second,))[0]
            run("UPDATE change_body SET salt = ?, body = ? WHERE seq = ?", (*two, first))
            run("UPDATE change_body SET salt = ?, body = ? WHERE seq = ?", (*one, second))
            return Tampering("bodies swapped", first)
        case _:
            row = run("SELECT body_sha256 FROM change WHERE seq = ?", (other,))[0][0]
            run("UPDATE change SET body_sha256 = ? WHERE seq = ?", (row, seq))
            return Tampering("hash of another body", seq)


def _swap(run: Run, seq: int, other: int) -> Tampering:
    """Two changes change places, bodies and all."""
    for table in ("change_body", "change"):
        run(f"UPDATE {table} SET seq = -1 WHERE seq = ?", (seq,))
        run(f"UPDATE {table} SET seq = ? WHERE seq = ?", (seq, other))
        run(f"UPDATE {table} SET seq = ? WHERE seq = -1", (other,))
    return Tampering("swapped", min(seq, other))


def _rechain(run: Run, start: int, last: int) -> None:
    """Compute the hashes anew from `start` on, as somebody would who knows the product's source."""
    previous = run("SELECT prev_hash FROM change WHERE seq = ?", (start,))[0][0]
    for seq in range(start, last + 1):
        row = run("SELECT seq, kind, at, actor, subject, incident_id, department_id, drill, body_sha256 FROM change WHERE seq = ?", (seq,))[0]
        made = link_hash(previous, row[0], row[1], row[2], row[3], row[4], row[5], row[6], bool(row[7]), row[8])
        run("UPDATE change SET prev_hash = ?, hash = ? WHERE seq = ?", (previous, made, seq))
        previous = made


def _rewrite(run: Run, seq: int, last: int) -> Tampering:
    """Edit a change and compute the whole rest of the chain anew, and remove the store's own signed heads."""
    run("UPDATE change SET actor = ? WHERE seq = ?", ("person:nobody", seq))
    _rechain(run, seq, last)
    run("DELETE FROM chain_head WHERE seq >= ?", (seq,))
    return Tampering("rewritten", seq)


def _forge_and_renumber(run: Run, seq: int, last: int) -> Tampering:
    """Take a change out, close the gap, compute the chain anew."""
    previous = run("SELECT prev_hash FROM change WHERE seq = ?", (seq,))[0][0]
    run("DELETE FROM change_body WHERE seq = ?", (seq,))
    run("DELETE FROM change WHERE seq = ?", (seq,))
    for n in range(seq + 1, last + 1):
        for table in ("change", "change_body"):
            run(f"UPDATE {table} SET seq = ? WHERE seq = ?", (n - 1, n))
    if seq < last:
        run("UPDATE change SET prev_hash = ? WHERE seq = ?", (previous, seq))
        _rechain(run, seq, last - 1)
    run("DELETE FROM chain_head WHERE seq >= ?", (seq,))
    return Tampering("removed and renumbered", seq)


def sqlite_superuser(file: Path) -> tuple[sqlite3.Connection, Run]:
    """Open the store's file with its triggers dropped and its foreign keys off."""
    conn = sqlite3.connect(file, isolation_level=None)
    conn.execute("PRAGMA foreign_keys=OFF")
    for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        conn.execute(f"DROP TRIGGER {name}")

    def run(sql: str, values: tuple[Any, ...] = ()) -> Any:
        return conn.execute(sql, values).fetchall()

    return conn, run

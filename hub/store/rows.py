"""Many rows of duties and notices in one statement, straight to the driver; and the times of a batch, which its rows mostly share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Table

from hub import clock
from hub.store.bulk import STATEMENT_ROWS, Rows, insert_sqlite, visit
from hub.store.writer import Transaction

Alike = dict[tuple[Any, ...], list[str]]
"""Rows by the values that their columns get: the ids of those that get the same."""
parse_utc = lru_cache(maxsize=8192)(clock.parse_utc)
"""`hub.clock.parse_utc`, remembered."""
utc_text = lru_cache(maxsize=8192)(clock.utc_text)
"""`hub.clock.utc_text`, remembered."""


def text_of(at: datetime | None) -> str | None:
    """A time that may be missing, as the store keeps it."""
    return utc_text(at) if at is not None else None


async def insert_many(tx: Transaction, table: Table, rows: Sequence[dict[str, Any]], *, or_leave: str | None = None) -> int:
    """Insert rows that have all of the table's columns; with `or_leave` a row whose value of that unique column is there is left out.

    Gives how many were inserted, or −1 where the driver does not say.
    """
    if not rows:
        return 0
    if tx.sqlite:
        columns = table.c.keys()
        return await visit(tx.conn, insert_sqlite, (Rows(table, [tuple([row[name] for name in columns]) for row in rows]),), or_leave)
    names = tuple(rows[0])
    marks = ", ".join(_mark(tx, n) for n in range(1, len(names) + 1))
    conflict = f" ON CONFLICT ({or_leave}) DO NOTHING" if or_leave else ""
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks}){conflict}"  # noqa: S608 names of our own
    done = await tx.conn.exec_driver_sql(statement, [tuple(row.values()) for row in rows])
    return int(done.rowcount)


async def update_many(tx: Transaction, table: Table, names: Sequence[str], alike: Alike) -> None:
    """Set the columns `names` of rows. Those of a batch mostly get the same values: one statement sets all that do."""
    settings = ", ".join(f"{name} = {_mark(tx, n)}" for n, name in enumerate(names, 1))
    for size, sets in _by_size(alike).items():
        places = ", ".join(_mark(tx, n) for n in range(len(names) + 1, len(names) + 1 + size))
        statement = f"UPDATE {table.name} SET {settings} WHERE id IN ({places})"  # noqa: S608 names of our own
        await tx.conn.exec_driver_sql(statement, sets)


def _by_size(alike: Alike) -> dict[int, list[tuple[Any, ...]]]:
    """Parameters of statements by how many ids they name, so that few different statements are needed."""
    found: dict[int, list[tuple[Any, ...]]] = {}
    for values, ids in alike.items():
        at = 0
        for size in STATEMENT_ROWS:
            while len(ids) - at >= size:
                found.setdefault(size, []).append((*values, *ids[at : at + size]))
                at += size
    return found


def _mark(tx: Transaction, n: int) -> str:
    """The driver's own placeholder: `?` for SQLite, `$n` for asyncpg."""
    return "?" if tx.sqlite else f"${n}"

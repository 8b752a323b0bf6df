"""Many rows of duties and notices in one statement, straight to the driver; and the times of a batch, which its rows mostly share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Table

from hub import clock
from hub.store.writer import Transaction

parse_utc = lru_cache(maxsize=8192)(clock.parse_utc)
"""`hub.clock.parse_utc`, remembered."""
utc_text = lru_cache(maxsize=8192)(clock.utc_text)
"""`hub.clock.utc_text`, remembered."""


async def insert_many(tx: Transaction, table: Table, rows: Sequence[dict[str, Any]], *, or_leave: str | None = None) -> int:
    """Insert rows that all have the same columns; with `or_leave` a row whose value of that unique column is there is left out.

    Gives how many were inserted, or −1 where the driver does not say.
    """
    if not rows:
        return 0
    names = tuple(rows[0])
    marks = ", ".join(_mark(tx, n) for n in range(1, len(names) + 1))
    conflict = f" ON CONFLICT ({or_leave}) DO NOTHING" if or_leave else ""
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks}){conflict}"  # noqa: S608 names of our own
    done = await tx.conn.exec_driver_sql(statement, [tuple(row.values()) for row in rows])
    return int(done.rowcount)


async def update_many(tx: Transaction, table: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Set the columns `names` of rows given as tuples of their values and, last, the id."""
    if not rows:
        return
    settings = ", ".join(f"{name} = {_mark(tx, n)}" for n, name in enumerate(names, 1))
    statement = f"UPDATE {table.name} SET {settings} WHERE id = {_mark(tx, len(names) + 1)}"  # noqa: S608 names of our own
    await tx.conn.exec_driver_sql(statement, list(rows))


def _mark(tx: Transaction, n: int) -> str:
    """The driver's own placeholder: `?` for SQLite, `$n` for asyncpg."""
    return "?" if tx.sqlite else f"${n}"

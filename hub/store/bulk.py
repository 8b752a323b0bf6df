"""Many rows at once, straight to the driver: the hot path of ingest. The SQL is made from the tables and not from values.

On SQLite all tables of a call are written in one visit to the connection's thread, with many rows in one statement: a statement gives the
interpreter lock away and waits to have it back, so one for each row would let every other thread in between two rows. On PostgreSQL rows
go in by COPY.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Table
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.store.schema import UTF8

T = TypeVar("T")
STATEMENT_ROWS = (1000, 500, 64, 16, 4, 1)
"""Rows in one statement on SQLite, the largest first. Each statement gives the interpreter lock away and waits to have it back, up to a
whole switch interval where the loop is busy: a batch of 500 reports takes one statement a table this way, not 3,000 in all."""
MOST_PARAMETERS = 32_766
"""The most parameters of a statement (SQLITE_MAX_VARIABLE_NUMBER, SQLite 3.32 and later)."""


class Rows(NamedTuple):
    """Rows of plain values (text, numbers, booleans, bytes, None) for a table, in the order of all its columns."""

    table: Table
    values: Sequence[tuple[Any, ...]]


async def insert_rows(conn: AsyncConnection, *batches: Rows) -> None:
    """Insert all rows, table after table, in the transaction of `conn`; raises IntegrityError as any statement does."""
    batches = tuple(batch for batch in batches if batch.values)
    if not batches:
        return
    if conn.dialect.name == "sqlite":
        await visit(conn, insert_sqlite, batches)
    else:
        await _copy(conn, batches)


async def visit(conn: AsyncConnection, do: Callable[..., T], *arguments: Any) -> T:
    """Run `do(connection, *arguments)` in the thread of a SQLite connection: what belongs together goes in one visit."""
    driver: Any = (await conn.get_raw_connection()).driver_connection
    done: T = await driver.visit(do, driver._conn, *arguments)
    return done


@contextmanager
def at_once(conn: AsyncConnection) -> Iterator[None]:
    """Within the block the statements of a SQLite transaction are run where the loop is (`hub.store.one_visit.Connection`)."""
    driver: Any = conn.sync_connection.connection.driver_connection  # type: ignore[union-attr]
    driver.at_once = True
    try:
        yield
    finally:
        driver.at_once = False


async def fetch(conn: AsyncConnection, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement of our own (parameters `$1`, `$2` …), in one visit to the database; for the few of the hot path."""
    if conn.dialect.name == "sqlite":
        return await visit(conn, fetch_sqlite, statement.replace("$", "?"), values)
    return [tuple(row) for row in (await conn.exec_driver_sql(statement, values)).all()]


async def fetch_rows(conn: AsyncConnection, table: Table, where: str, *values: Any) -> list[Any]:
    """The whole rows of a table that a condition of our own selects, named by its columns; as `fetch`."""
    shape = _shape(table)
    return [shape._make(row) for row in await fetch(conn, f"SELECT {', '.join(shape._fields)} FROM {table.name} WHERE {where}", *values)]  # noqa: S608 our own


@lru_cache(maxsize=64)
def _shape(table: Table) -> Any:
    return namedtuple(table.name, table.c.keys())


def among(column: str, wanted: Collection[str], values: list[Any], *, at_most: int = 500) -> str:
    """The condition `column IN (…)`, its parameters appended to `values`.

    Of more than `at_most` every row is asked for instead, which is cheaper than the statement: the caller looks through them.
    """
    if not wanted or len(wanted) > at_most:
        return f"{column} IS NOT NULL" if wanted else "FALSE"
    first = len(values) + 1
    values += sorted(wanted)
    return f"{column} IN ({', '.join(f'${n}' for n in range(first, first + len(wanted)))})"


def fetch_sqlite(connection: sqlite3.Connection, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The rows of a statement (parameters `?1` …). Runs in the connection's thread."""
    try:
        return connection.execute(statement, values).fetchall()
    except sqlite3.OperationalError as error:
        raise OperationalError(statement, None, error) from error


def commit_sqlite(connection: sqlite3.Connection) -> None:
    """Commit, and wait for the disk. Runs in the connection's thread."""
    try:
        connection.commit()
    except sqlite3.OperationalError as error:
        raise OperationalError("COMMIT", None, error) from error


async def _copy(conn: AsyncConnection, batches: Sequence[Rows]) -> None:
    from asyncpg import IntegrityConstraintViolationError

    driver: Any = (await conn.get_raw_connection()).driver_connection
    if not driver.is_in_transaction():
        await conn.exec_driver_sql("SELECT 1")  # the dialect begins with the first statement that goes through it
    for table, values in batches:
        try:
            await driver.copy_records_to_table(table.name, records=values, columns=table.c.keys())
        except IntegrityConstraintViolationError as error:
            raise IntegrityError(f"COPY {table.name}", None, error) from error


@lru_cache(maxsize=64)
def _many(table: Table, rows: int, or_leave: str | None = None) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.c)
    row = f"({', '.join('CAST(? AS TEXT)' if column.info.get(UTF8) else '?' for column in table.c)})"
    conflict = f" ON CONFLICT ({or_leave}) DO NOTHING" if or_leave else ""
    return f'INSERT INTO "{table.name}" ({names}) VALUES {", ".join([row] * rows)}{conflict}'  # noqa: S608 names of our own tables


def insert_sqlite(connection: sqlite3.Connection, batches: Sequence[Rows], or_leave: str | None = None) -> int:
    """Insert all rows, table after table; with `or_leave` a row whose value of that unique column is there is left out. Gives how many were inserted.

    Runs in the connection's thread.
    """
    inserted = 0
    for table, values in batches:
        at = 0
        for size in STATEMENT_ROWS:
            end = at + (len(values) - at) // size * size
            if end == at or size * len(table.c) > MOST_PARAMETERS:
                continue  # a statement of a thousand rows costs much even to prepare
            try:
                inserted += max(0, connection.executemany(_many(table, size, or_leave), _flat(values, at, end, size)).rowcount)
            except sqlite3.IntegrityError as error:
                raise IntegrityError(_many(table, 1), None, error) from error
            except sqlite3.OperationalError as error:
                raise OperationalError(_many(table, 1), None, error) from error
            at = end
    return inserted


def _flat(values: Sequence[tuple[Any, ...]], start: int, end: int, size: int) -> Iterator[tuple[Any, ...]]:
    for at in range(start, end, size):
        yield tuple(chain.from_iterable(values[at : at + size]))

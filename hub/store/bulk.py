"""Many rows in one statement, straight to the driver: the hot path of ingest. The SQL is SQLAlchemy's own, compiled once for each dialect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Table, insert
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection


@lru_cache(maxsize=64)
def _statement(table: Table, columns: tuple[str, ...], dialect: Dialect) -> str:
    compiled = insert(table).compile(dialect=dialect, column_keys=list(columns))
    order = compiled.positiontup  # type: ignore[attr-defined, unused-ignore] # both dialects are positional
    assert order is not None
    assert tuple(order) == columns, "columns are given in the order of the table"
    return str(compiled)


async def insert_rows(conn: AsyncConnection, table: Table, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Insert rows of plain values (text, numbers, booleans, bytes, None), `columns` in the table's order."""
    values = list(rows)
    if values:
        await conn.exec_driver_sql(_statement(table, tuple(columns), conn.dialect), values)

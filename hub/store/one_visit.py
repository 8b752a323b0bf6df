"""aiosqlite's connection with one visit to its thread for each statement, where its own cursor makes four: open, execute, fetch, close.

A visit costs two changes of thread and a turn of the loop, which is long where messages pour in; most statements of a hub read a few rows.
Those of a brief transaction are run at once, where the loop is (`at_once`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import aiosqlite

from hub.private import keep_private

# The driver asks every value that is neither text nor a number how it wants to be stored, and takes four times as long to hear no answer as to
# store it. Of nothing and of truth values the answer is known.
sqlite3.register_adapter(type(None), {None: None}.__getitem__)
sqlite3.register_adapter(bool, {False: 0, True: 1}.__getitem__)


class Cursor:
    """What SQLAlchemy asks of a cursor. The rows of a statement come with it, whole."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        """Run a statement and fetch its rows; raises the driver's errors."""
        await self._connection.visit(self._run, sqlite3.Connection.execute, sql, parameters)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> Self:
        """Run a statement for each of the parameters."""
        await self._connection.visit(self._run, sqlite3.Connection.executemany, sql, parameters)
        return self

    def _run(self, do: Callable[..., sqlite3.Cursor], sql: str, parameters: Any) -> None:
        """Runs in the connection's thread."""
        cursor = do(self._connection._conn, sql, parameters)
        self.description = cursor.description
        self._rows = cursor.fetchall() if cursor.description else []
        self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
        cursor.close()

    async def fetchall(self) -> list[Any]:
        """The rows of the last statement, once."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Nothing is open."""


class Connection(aiosqlite.Connection):
    """A connection whose cursors make one visit a statement. Builds on `_execute` and `_conn` of aiosqlite, pinned by `constraints.txt`.

    `at_once`: statements are run where the loop is, without a visit, as long as it is set. For a transaction that has begun (it waits for no lock)
    and touches few rows by their indexes: beginning and committing, which wait for others and for the disk, are visits all the same.
    """

    at_once = False

    def cursor(self) -> Any:
        """A cursor, without a visit."""
        return Cursor(self)

    async def visit(self, do: Callable[..., Any], *arguments: Any) -> Any:
        """Run `do` in the connection's thread, or at once."""
        if self.at_once:
            return do(*arguments)
        return await self._execute(do, *arguments)  # type: ignore[no-untyped-call]

    async def commit(self) -> None:
        """Commit what is open; a visit only where something is."""
        if self._conn.in_transaction:
            await super().commit()


async def connect(path: str) -> Connection:
    """Open a database file, readable by its owner alone; its thread ends with the process."""
    keep_private(Path(path))
    connection = Connection(lambda: sqlite3.connect(path, check_same_thread=False), 64)
    connection._thread.daemon = True
    try:
        await connection
    except sqlite3.Error:
        connection._thread.join()  # told to end, it answers the loop once more, which must not be closed by then
        raise
    return connection

"""SQLite's driver with one visit for a statement: what SQLAlchemy asks of a cursor, and how many visits that takes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from hub.store import Store
from hub.store.one_visit import Connection, connect
from hub.store.schema import counter


async def test_a_statement_and_its_rows_take_one_visit_to_the_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = await connect(str(tmp_path / "x.db"))
    visits = 0
    visit: Any = connection._execute

    async def counted(*what: object) -> object:
        nonlocal visits
        visits += 1
        return await visit(*what)

    monkeypatch.setattr(connection, "_execute", counted)
    cursor = connection.cursor()
    await cursor.execute("SELECT 1 UNION ALL SELECT 2")
    assert (await cursor.fetchall(), cursor.description[0][0], await cursor.fetchall()) == ([(1,), (2,)], "1", [])
    await cursor.close()
    assert visits == 1
    monkeypatch.undo()
    await connection.close()


async def test_rows_counts_and_errors_come_back_as_from_any_driver(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.conn.execute(counter.insert(), [{"name": f"x{n}", "value": n} for n in range(5)])
        done = await tx.conn.execute(text("UPDATE counter SET value = value + 10 WHERE name LIKE 'x%' AND value > 2"))
        assert done.rowcount == 2
        given = await tx.conn.execute(text("UPDATE counter SET value = 0 WHERE name = 'x4' RETURNING name, value"))
        assert given.one() == ("x4", 0)
    with pytest.raises(IntegrityError):
        async with store.transaction() as tx:
            await tx.conn.execute(counter.insert(), [{"name": "y", "value": 1}, {"name": "x1", "value": 1}])
    async with store.read() as conn:
        assert (await conn.execute(text("SELECT count(*), sum(value) FROM counter WHERE name LIKE 'x%' OR name = 'y'"))).one() == (5, 16)


async def test_a_reader_that_is_cut_short_leaves_the_next_one_a_whole_connection(store: Store) -> None:
    """Readers come back to the pool as they are: nothing is rolled back, so nothing may be left open."""
    for _ in range(12):
        async with store.read() as conn:
            task = asyncio.ensure_future(conn.execute(text("SELECT name FROM counter")))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    async with store.transaction() as tx:
        await tx.count("x")
    async with store.read() as conn:
        assert (await conn.execute(text("SELECT value FROM counter WHERE name = 'x'"))).scalar_one() == 1


async def test_statements_of_a_brief_transaction_make_no_visit_and_its_rows_are_kept_or_dropped_as_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    visits: list[str] = []
    visit = Connection._execute

    async def counted(self: Connection, do: Any, *what: Any) -> Any:
        visits.append(do.__name__)
        return await visit(self, do, *what)  # type: ignore[no-untyped-call]

    async with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        async with store.transaction():
            pass
        monkeypatch.setattr(Connection, "_execute", counted)
        async with store.transaction(brief=True) as tx:
            await tx.conn.execute(counter.insert(), [{"name": "kept", "value": 1}])
            await tx.count("kept")
        assert visits == ["_run", "commit"]  # it began and it ended
        with pytest.raises(ZeroDivisionError):
            async with store.transaction(brief=True) as tx:
                await tx.count("kept")
                raise ZeroDivisionError
        visits.clear()
        async with store.transaction() as tx:
            assert await tx.count("kept", 0) == 2
        assert len(visits) == 3  # the promise ended with its transaction
        monkeypatch.undo()


@pytest.mark.skipif(os.name != "posix", reason="rights of files as POSIX has them")
async def test_the_store_is_readable_by_its_owner_alone_in_a_folder_that_is_open_to_all(tmp_path: Path) -> None:
    """A database that an earlier release made becomes so when it is opened next."""
    tmp_path.chmod(0o755)
    file = tmp_path / "tocsin.db"
    file.touch(mode=0o644)
    async with Store(f"sqlite:///{file}"):
        assert {one.name: oct(one.stat().st_mode & 0o777) for one in tmp_path.iterdir() if one.stat().st_mode & 0o077} == {}

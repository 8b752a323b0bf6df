"""Many rows at once: all of them, in one visit, or none; on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from hub.store import Store
from hub.store.bulk import STATEMENT_ROWS, Rows, fetch, insert_rows
from hub.store.schema import counter, setting


async def names(store: Store) -> list[tuple[str, int]]:
    async with store.read() as conn:
        return [(row[0], row[1]) for row in (await conn.execute(text("SELECT name, value FROM counter WHERE name LIKE 'x%' ORDER BY value"))).all()]


@pytest.mark.parametrize("count", [0, 1, 3, 63, 64, 65, 2 * STATEMENT_ROWS[0] + 85])
async def test_every_row_is_inserted_however_they_fall_into_statements(store: Store, count: int) -> None:
    rows = [(f"x{n}", n) for n in range(count)]
    async with store.transaction() as tx:
        await insert_rows(tx.conn, Rows(counter, rows), Rows(setting, [("s", "v", "t", "b")]))
    assert await names(store) == rows


async def test_a_row_that_is_there_already_undoes_all_of_them(store: Store) -> None:
    async with store.transaction() as tx:
        await insert_rows(tx.conn, Rows(counter, [("x9", 9)]))
    with pytest.raises(IntegrityError):
        async with store.transaction() as tx:
            await insert_rows(tx.conn, Rows(counter, [(f"x{n}", n) for n in range(200)]))
    assert await names(store) == [("x9", 9)]


async def test_rows_of_a_transaction_that_fails_are_not_there(store: Store) -> None:
    with pytest.raises(RuntimeError):
        async with store.transaction() as tx:
            await insert_rows(tx.conn, Rows(counter, [("x1", 1)]))
            raise RuntimeError
    assert await names(store) == []


async def test_a_question_with_parameters_is_answered(store: Store) -> None:
    async with store.transaction() as tx:
        await insert_rows(tx.conn, Rows(counter, [("x1", 1), ("x2", 2), ("x3", 3)]))
        assert await fetch(tx.conn, "SELECT name FROM counter WHERE value > $1 AND name LIKE $2 ORDER BY name", 1, "x%") == [("x2",), ("x3",)]


async def test_numbers_are_never_given_twice_also_where_a_transaction_fails(store: Store) -> None:
    given: list[int] = []
    for n in range(6):
        try:
            async with store.transaction() as tx:
                given.append((await tx.numbers({"x": 2, "y": 1}))["x"])
                if n % 2:
                    raise RuntimeError
        except RuntimeError:
            if store.is_sqlite:
                given.pop()
    assert given == sorted(set(given))
    assert given == ([2, 4, 6] if store.is_sqlite else [2, 4, 6, 8, 10, 12])


async def test_what_waits_for_the_commit_is_run_after_it_and_never_after_a_failure(store: Store) -> None:
    run: list[str] = []
    async with store.transaction() as tx:
        tx.after_commit(lambda: run.append("kept"))
        assert run == []
    with pytest.raises(RuntimeError):
        async with store.transaction() as tx:
            tx.after_commit(lambda: run.append("lost"))
            raise RuntimeError
    assert run == ["kept"]

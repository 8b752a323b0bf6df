"""A superuser of the database edits, deletes, swaps, cuts off or recomputes: every time the check notices and names the row."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from hub.clock import ManualClock
from hub.domain.chain import Verdict
from hub.domain.signature import Head
from hub.operate.chain import reading, verify_store
from hub.operate.heads import HeadKeeper, heads_on_disk
from hub.operate.keys import known_keys, signer
from hub.settings import Settings
from hub.store import Store
from tests.support.chains import Tampering, grow, sqlite_superuser, tamper
from tests.support.district import HOUR, NOW
from tests.support.postgres import Postgres

LENGTH = 60


async def _district(url: str, data: Path) -> tuple[list[Head], dict[str, str]]:
    """A store with a chain over three days and heads signed by the hub; gives what the hub keeps outside the database."""
    clock = ManualClock(NOW)
    settings = Settings(data_dir=str(data), store_url=url)
    async with Store(url, clock) as store:
        keeper = HeadKeeper(store, settings, signer(data))
        for _ in range(3):
            await grow(store, LENGTH // 3 - 1)
            await keeper.step()
            clock.advance(24 * HOUR)
    return heads_on_disk(data), known_keys(data)


async def _check(url: str, heads: list[Head], keys: dict[str, str]) -> Verdict:
    async with reading(url) as conn:
        return await verify_store(conn, heads, keys)


def _assert_named(verdict: Verdict, done: Tampering) -> None:
    assert not verdict.ok, f"{done.what} at {done.seq} was not noticed"
    assert verdict.flaw is not None
    if done.what in ("rewritten", "removed and renumbered"):  # the head beyond it tells; the days before are exonerated
        assert verdict.flaw.seq <= done.seq or verdict.flaw.code in ("truncated", "missing"), done
    elif done.what == "metadata hash":  # an edited hash shows as the row itself, unless the next row is looked at first
        assert verdict.flaw.seq == done.seq, (done, verdict.flaw)
    else:
        assert verdict.flaw.seq == done.seq, (done, verdict.flaw)


async def _tamper_sqlite(tmp_path: Path, times: int, seed: int) -> None:
    original = tmp_path / "hub.db"
    heads, keys = await _district(f"sqlite:///{original}", tmp_path / "data")
    assert (await _check(f"sqlite:///{original}", heads, keys)).ok
    conn, _ = sqlite_superuser(original)
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.execute("PRAGMA journal_mode=DELETE")
    conn.close()
    pristine = original.read_bytes()
    dice = random.Random(seed)
    for n in range(times):
        copy = tmp_path / "copy.db"
        copy.write_bytes(pristine)
        conn, run = sqlite_superuser(copy)
        conn.execute("PRAGMA synchronous=OFF")
        conn.execute("BEGIN")
        done = tamper(run, dice, LENGTH, n)
        conn.execute("COMMIT")
        conn.close()
        _assert_named(await _check(f"sqlite:///{copy}", heads, keys), done)


async def test_every_one_of_220_tamperings_with_the_file_is_noticed_and_its_row_named(tmp_path: Path) -> None:
    await _tamper_sqlite(tmp_path, 220, seed=85)


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_every_one_of_1100_tamperings_with_the_file_is_noticed_and_its_row_named(tmp_path: Path) -> None:
    await _tamper_sqlite(tmp_path, 1100, seed=18)


async def _tamper_postgres(server: Postgres, tmp_path: Path, times: int, seed: int) -> None:
    import asyncpg

    heads, keys = await _district(server.database(f"original{times}"), tmp_path / "data")
    url = server.url.replace("+asyncpg", "").rsplit("/", 1)[0]
    admin = await asyncpg.connect(f"{url}/postgres")
    dice = random.Random(seed)
    for n in range(times):
        await admin.execute("DROP DATABASE IF EXISTS copy WITH (FORCE)")
        await admin.execute(f"CREATE DATABASE copy TEMPLATE original{times}")
        done = await _as_superuser(f"{url}/copy", dice, n)
        _assert_named(await _check(f"{server.url.rsplit('/', 1)[0]}/copy", heads, keys), done)
    await admin.close()


async def _as_superuser(url: str, dice: random.Random, kind: int) -> Tampering:
    """Tamper with triggers disabled (`session_replication_role`), as only a superuser can. The acts are told beforehand on a copy in memory."""
    import sqlite3

    import asyncpg

    conn = await asyncpg.connect(url)
    try:
        memory = sqlite3.connect(":memory:")
        await _mirror(conn, memory)
        statements: list[tuple[str, tuple[Any, ...]]] = []

        def run(sql: str, values: tuple[Any, ...] = ()) -> Any:
            if not sql.startswith("SELECT"):
                statements.append((sql, values))
            return memory.execute(sql, values).fetchall()

        done = tamper(run, dice, LENGTH, kind)
        await conn.execute("SET session_replication_role = replica")
        for sql, values in statements:
            for n in range(len(values)):
                sql = sql.replace("?", f"${n + 1}", 1)
            await conn.execute(sql, *values)
        return done
    finally:
        await conn.close()


async def _mirror(conn: Any, memory: Any) -> None:
    for table in ("change", "change_body", "chain_head"):
        rows = await conn.fetch(f"SELECT * FROM {table}")
        memory.execute(f"CREATE TABLE {table} ({', '.join(rows[0].keys())})")
        memory.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", [tuple(row.values()) for row in rows])


async def test_every_one_of_22_tamperings_by_a_superuser_of_postgresql_is_noticed(tmp_path: Path, postgres_server: Postgres) -> None:
    await _tamper_postgres(postgres_server, tmp_path, 22, seed=3)


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_every_one_of_1100_tamperings_by_a_superuser_of_postgresql_is_noticed(tmp_path: Path, postgres_server: Postgres) -> None:
    await _tamper_postgres(postgres_server, tmp_path, 1100, seed=7)


async def test_the_database_itself_refuses_to_alter_delete_or_empty_the_chain(tmp_path: Path, postgres_server: Postgres) -> None:
    from sqlalchemy import text

    for url in (f"sqlite:///{tmp_path}/hub.db", postgres_server.database("guarded")):
        async with Store(url, ManualClock(NOW)) as store:
            await grow(store, 5)
            await HeadKeeper(store, Settings(data_dir=str(tmp_path / url[:6])), signer(tmp_path / url[:6])).step()
            acts = ["UPDATE change SET actor = 'x'", "DELETE FROM change", "UPDATE change_body SET body = '{}'", "UPDATE chain_head SET hash = 'x'",
                    "DELETE FROM chain_head"]
            acts += ["TRUNCATE change CASCADE", "TRUNCATE chain_head"] if not store.is_sqlite else []
            for act in acts:
                with pytest.raises(DBAPIError, match=r"append-only|never altered"):
                    async with store.transaction() as tx:
                        await tx.conn.execute(text(act))

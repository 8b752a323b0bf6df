"""Both databases for tests, with a clock that moves only when told to.

A run's tests share one PostgreSQL, and every database is a copy of one that was migrated once: the migrations themselves are run by every test
that starts a hub's process, and by `tests/unit/store`.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hub.clock import ManualClock
from hub.ids import new_id
from hub.store import Store
from tests.support.district import NOW
from tests.support.postgres import Postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One PostgreSQL for a run (of one process). Whoever stops the server needs one of its own."""
    with Postgres() as running:
        yield running


def fresh_postgres(server: Postgres) -> str:
    """The URL of a migrated database without a row."""
    if not server.template:
        migrate(server.database("migrated"))
        server.template = "migrated"
    return server.database("t" + new_id().replace("-", ""), like=server.template)


def fresh_sqlite(path: Path) -> str:
    """The URL of a migrated database without a row, at `path`."""
    shutil.copyfile(_migrated_file(), path)
    return f"sqlite:///{path}"


@functools.cache
def _migrated_file() -> Path:
    folder = tempfile.mkdtemp(prefix="tocsin-migrated-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "hub.db"
    migrate(f"sqlite:///{path}")
    return path


def migrate(url: str) -> None:
    """Bring a database to the present schema, whether or not the caller's thread runs a loop."""

    async def opened() -> None:
        async with Store(url):
            pass

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, opened()).result()


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a row of each kind."""
    if request.param == "sqlite":
        yield fresh_sqlite(tmp_path / "hub.db")
    else:
        server = request.getfixturevalue("postgres_server")
        url = fresh_postgres(server)
        yield url
        server.drop(url)


@pytest.fixture
def clock() -> ManualClock:
    """The time of the test."""
    return ManualClock(NOW)


@pytest.fixture
async def store(store_url: str, clock: ManualClock) -> AsyncIterator[Store]:
    """An open store."""
    async with Store(store_url, clock) as opened:
        yield opened

"""Both databases for contract tests of people and access, with a clock that moves only when told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hub.clock import ManualClock
from hub.ids import new_id
from hub.store import Store
from tests.support.district import NOW
from tests.support.postgres import Postgres


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[Postgres]:
    """One PostgreSQL for a module."""
    with Postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/hub.db"
    return str(request.getfixturevalue("postgres_server").database("t" + new_id().replace("-", "")))


@pytest.fixture
def clock() -> ManualClock:
    """The time of the test."""
    return ManualClock(NOW)


@pytest.fixture
async def store(store_url: str, clock: ManualClock) -> AsyncIterator[Store]:
    """An open store."""
    async with Store(store_url, clock) as opened:
        yield opened

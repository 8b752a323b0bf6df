"""The hub that attacks are made on: intake and web, with one object of every kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.furnished import World, furnished


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with furnished(tmp_path, only=frozenset({"ingest", "web"})) as world:
        yield world

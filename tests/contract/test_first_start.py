"""Processes that start together on an empty store: each finds it filled once."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hub.operate.first_start import prepare
from hub.settings import Settings
from hub.store import Store
from hub.store.organisation import list_departments, packaged_departments
from hub.store.plans import import_catalogue, list_heads


async def test_processes_that_start_together_fill_an_empty_store_once(store: Store, store_url: str, tmp_path: Path) -> None:
    """Two workers of a new PostgreSQL hub had both found no department, and the second ended with the error of the first one's keys."""
    settings = Settings(data_dir=str(tmp_path))
    async with Store(store_url) as second, Store(store_url) as third:
        stores = (store, second, third)
        await asyncio.gather(*(prepare(one, settings) for one in stores))
        stored = await asyncio.gather(*(import_catalogue(one) for one in stores))
    async with store.read() as conn:
        assert len(await list_departments(conn)) == len(packaged_departments())
        assert sum(stored) == len(await list_heads(conn))

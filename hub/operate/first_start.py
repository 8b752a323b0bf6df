"""What an empty store gets before the hub serves: the departments as shipped, and the demo district where it was asked for."""

from __future__ import annotations

import importlib.util

from hub.settings import Settings
from hub.store import Store
from hub.store.organisation import list_departments, seed_departments


async def prepare(store: Store, settings: Settings) -> None:
    """Fill an empty store; leaves one that is not empty alone."""
    async with store.read() as conn:
        empty = not await list_departments(conn)
    if empty:
        async with store.transaction() as tx:
            await seed_departments(tx)
    if settings.demo and importlib.util.find_spec("hub.operate.demo") is not None:
        from hub.operate.demo import load

        await load(store, settings)

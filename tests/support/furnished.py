"""A running hub with one object of every kind in it, and visitors with roles: what tests of access and attacks begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.app import Running
from hub.clock import ManualClock
from hub.domain.access import Role
from hub.domain.incident import IncidentView
from hub.store import Store
from tests.support.district import NOW
from tests.support.nouns import Nouns, furnish
from tests.support.web_hub import Visitor, cookie_for, web_hub


@dataclass
class World:
    """The hub and what stands in it."""

    hub: Running
    nouns: Nouns

    @property
    def store(self) -> Store:
        return self.hub.services.store

    @property
    def mine(self) -> IncidentView:
        return self.nouns.incidents["mine"]

    @property
    def other(self) -> IncidentView:
        return self.nouns.incidents["other"]

    async def visitor(self, visitor: Visitor, role: Role, department: str = "fire-rescue", **given: Any) -> None:
        """Let the visitor hold the cookie of a new person with this role."""
        _, token = await cookie_for(self.store, role, department=department, **given)
        visitor.hold(token)


@asynccontextmanager
async def furnished(folder: Path, **given: Any) -> AsyncIterator[World]:
    """A hub whose clock stands at NOW, with the stages named by `only` (all of them unless said otherwise)."""
    async with web_hub(folder, ManualClock(NOW), **given) as hub:
        yield World(hub, await furnish(hub.services.store, folder))

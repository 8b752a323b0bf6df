"""What the web is given by the composition root: the store, the clock, the way in for reports, and who is asking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from hub.clock import Clock
from hub.domain.access import Actor
from hub.settings import Settings
from hub.store import Store
from hub.web.route import Route

if TYPE_CHECKING:
    from hub.ingest.intake import Intake
    from hub.operate.health import Health


@dataclass(slots=True)
class Services:
    """The services of one running hub. `extra` holds what single nouns need (the relay, the notifier), by name."""

    store: Store
    clock: Clock
    settings: Settings
    intake: Intake
    health: Health
    authenticate: Callable[[web.Request, Route], Awaitable[Actor]]
    extra: dict[str, Any]

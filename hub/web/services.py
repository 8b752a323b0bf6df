"""What the web is given by the composition root: the store, the clock, the way in for reports, and who is asking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from hub.clock import Clock
from hub.domain.access import Actor
from hub.settings import Settings
from hub.store import Store
from hub.store.access import PolicyBook
from hub.web.route import Route

if TYPE_CHECKING:
    from hub.ingest.intake import Intake
    from hub.ingest.registry import Registry
    from hub.operate.health import Health
    from hub.web.live import LiveFeed


@dataclass(slots=True)
class Services:
    """The services of one running hub. `extra` holds what single nouns need (the relay, the notifier), by name."""

    store: Store
    clock: Clock
    settings: Settings
    intake: Intake
    health: Health
    authenticate: Callable[[web.Request, Route], Awaitable[Actor]]
    registry: Registry
    policies: PolicyBook
    live: LiveFeed
    mqtt_address: Callable[[str], tuple[str, int, bool]]
    """Where agents find the broker (host, port, TLS), given the host name that they reach the web by."""
    ca_pem: Callable[[], str | None] = lambda: None
    """The certificate of the hub's own CA, where it has one."""
    extra: dict[str, Any] = field(default_factory=dict)
    gauges: dict[str, Callable[[], float]] = field(default_factory=dict)

"""Health, readiness, metrics, the self-check, and what the console needs to know before anybody signs in."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from hub import __version__
from hub.clock import utc_text
from hub.domain.access import HUB, Action
from hub.domain.data import packaged
from hub.operate.finding import Finding
from hub.operate.health import Readiness
from hub.operate.metrics import render
from hub.web.route import PUBLIC, Answer, Ask, Route


class Alive(Struct, frozen=True):
    """The process answers."""

    alive: bool
    version: str


class HubView(Struct, frozen=True):
    """The hub as a stranger may know it."""

    id: str
    name: str
    version: str
    tile_url: str


class EventTypeView(Struct, frozen=True):
    """One event type of the district's table."""

    code: str
    zh: str
    en: str


class EventTypes(Struct, frozen=True):
    """The table of event types with its source."""

    source: str
    edition: str
    items: list[EventTypeView]


class SelfCheck(Struct, frozen=True):
    """What the doctor found: every part with its state and what to do, and when it looked."""

    at: str
    items: list[Finding]


async def healthz(ask: Ask) -> Alive:
    """Alive: the process answers, whatever its parts do."""
    return Alive(True, __version__)


async def readyz(ask: Ask) -> Answer:
    """Ready: reports are stored and receipted; every part with its state, since when, and what to do."""
    readiness = ask.hub.health.readiness()
    return Answer(readiness, status=200 if readiness.ready else 503)


async def self_check(ask: Ask) -> SelfCheck:
    """What `tocsin doctor` says, looked at now, for who may mend it."""
    ask.require(Action.ADMIN_SETTINGS, HUB)
    return SelfCheck(utc_text(ask.now), await ask.hub.extra["self_check"](ask.now))


async def metrics(ask: Ask) -> web.Response:
    """Prometheus text."""
    ask.require(Action.METRICS_READ, HUB)
    return web.Response(body=await render(ask.hub), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


async def hub_view(ask: Ask) -> HubView:
    """The hub's name and version."""
    settings = ask.hub.settings
    return HubView(settings.hub_id, settings.hub_name, __version__, settings.tile_url)


async def event_types(ask: Ask) -> EventTypes:
    """The event types that reports may carry."""
    ask.require(Action.LIVE_FOLLOW, HUB)
    table = packaged("event_types")
    return EventTypes(table["source"], table["edition"], [EventTypeView(code, row["zh"], row["en"]) for code, row in table["types"].items()])


HEALTH = [
    Route("GET", "/healthz", healthz, PUBLIC, returns=Alive, zh="存活", en="alive"),
    Route("GET", "/readyz", readyz, PUBLIC, returns=Readiness, zh="就绪", en="ready"),
    Route("GET", "/metrics", metrics, Action.METRICS_READ, zh="指标", en="metrics"),
]
"""What every process says of itself, also one that serves nothing else."""
ROUTES = [
    *HEALTH,
    Route("GET", "/api/v1/hub", hub_view, PUBLIC, returns=HubView, zh="中心信息", en="about this hub"),
    Route("GET", "/api/v1/self-check", self_check, Action.ADMIN_SETTINGS, returns=SelfCheck, zh="自检", en="what the doctor finds"),
    Route("GET", "/api/v1/event-types", event_types, Action.LIVE_FOLLOW, returns=EventTypes, zh="事件类型", en="event types"),
]

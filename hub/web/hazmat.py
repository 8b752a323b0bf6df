"""Hazmat support over HTTP: search, the card, the bundle for phones without signal, an incident's zones and evacuation list."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime
from functools import cache
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from hub.domain.access import HUB, Action
from hub.domain.incident import IncidentView
from hub.domain.zone import Feature, Tick, Typed, ZonesView, features, wants_zones
from hub.errors import Rejected
from hub.store.access import visible_incidents
from hub.store.zones import draw, drawn_zones, get_zones, measured_wind, ticked, ticks_of, told, wind_of
from hub.store.zones import tick as tick_off
from hub.web.incidents import find
from hub.web.route import Ask, Route
from hub.web.seen import masked
from plans.hazmat.model import Container, HazmatCard, HazmatFacts, MatchKind, Placard, Point, SpillSize, Substance, Wind

MAPPED = 200
"""Incidents whose zones a map shows: the newest ones (our own choice)."""


class SearchQuery(Struct, frozen=True, kw_only=True):
    """What was read or heard: a number, an orange plate (268/1005), a name, an alias, a CAS number."""

    q: Annotated[str, Meta(min_length=1, max_length=200)]
    limit: Annotated[int, Meta(ge=1, le=50)] = 10


class FoundSubstance(Struct, frozen=True, kw_only=True):
    """One substance found, by what, and how well it fits."""

    substance: Substance
    why: MatchKind
    matched: str
    score: int


class SearchResult(Struct, frozen=True, kw_only=True):
    """Substances, best first; none means unknown: guide 111."""

    items: list[FoundSubstance]


class PlacardQuery(Struct, frozen=True, kw_only=True):
    """The class on the diamond and its colour, as far as seen."""

    hazard_class: Annotated[str, Meta(max_length=10)] | None = None
    colour: Annotated[str, Meta(max_length=40)] | None = None


class Placards(Struct, frozen=True, kw_only=True):
    """The diamonds that fit."""

    items: list[Placard]


class CardQuery(Struct, frozen=True, kw_only=True):
    """What is known of one load; without a point there are distances and no zones."""

    un: Annotated[str, Meta(max_length=10)] | None = None
    hin: Annotated[str, Meta(max_length=6)] | None = None
    placard_class: Annotated[str, Meta(max_length=10)] | None = None
    leak: bool | None = None
    fire: bool | None = None
    container: Container = Container.UNKNOWN
    quantity_kg: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    in_water: bool | None = None
    spill: SpillSize | None = None
    hazard_zone: Literal["A", "B", "C", "D"] | None = None
    material: Annotated[str, Meta(max_length=120)] | None = None
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    wind: Annotated[str, Meta(max_length=60)] | None = None


class IncidentZones(Struct, frozen=True, kw_only=True):
    """The zones of an incident (null: none are drawn), and the lines of the evacuation list that were ticked.

    `wind_now` is the newest wind there is and `wind_now_source` whose: the drawing rests on an older one while that hardly differs.
    `measured` is what the nearest instrument says meanwhile, also while a wind that the scene told goes before it.
    """

    zones: ZonesView | None
    wind_now: Wind | None
    wind_now_source: str | None
    measured: Wind | None
    measured_source: str | None
    ticks: list[Tick]
    seq: int


class ZoneList(Struct, frozen=True, kw_only=True):
    """The zones of open incidents that the reader may see, the newest incidents first; `seq` is the feed's head before reading.

    `done` names the receptors that are ticked off, by incident.
    """

    items: list[ZonesView]
    done: dict[str, list[str]]
    seq: int


class ZoneFeatures(Struct, frozen=True, kw_only=True, tag_field="type", tag="FeatureCollection"):
    """The same as GeoJSON (RFC 7946), for maps and other programs."""

    features: list[Feature]


class DrawBody(Struct, frozen=True, kw_only=True):
    """What the scene says: the wind in words or degrees (null: follow the measured wind), and whether the load runs into water (null: not known).

    What is left out stays as it was told before; a wind keeps its time.
    """

    wind: Annotated[str, Meta(max_length=60)] | UnsetType | None = UNSET
    in_water: bool | UnsetType | None = UNSET


class TickBody(Struct, frozen=True, kw_only=True):
    """Is the place empty of people, with a remark; `at` is when it was seen, where that was before it could be sent (null: now)."""

    done: bool = True
    note: Annotated[str, Meta(max_length=500)] = ""
    at: Annotated[datetime, Meta(tz=True)] | None = None


async def search(ask: Ask) -> SearchResult:
    """Find a substance."""
    from plans.hazmat import lookup

    ask.require(Action.HAZMAT_READ, HUB)
    found = await asyncio.to_thread(lookup.search, ask.query.q, ask.query.limit)
    return SearchResult(items=[FoundSubstance(substance=m.substance, why=m.why, matched=m.matched, score=m.score) for m in found])


async def placards(ask: Ask) -> Placards:
    """Diamonds by class and colour, for a load nobody can name."""
    from plans.hazmat import lookup

    ask.require(Action.HAZMAT_READ, HUB)
    return Placards(items=list(lookup.by_placard(ask.query.hazard_class, ask.query.colour)))


async def card(ask: Ask) -> HazmatCard:
    """The responder's page for what is known of a load."""
    from plans.hazmat import receptors
    from plans.hazmat import wind as winds
    from plans.hazmat.card import card as make

    ask.require(Action.HAZMAT_READ, HUB)
    q: CardQuery = ask.query
    if (q.lon is None) is not (q.lat is None):
        raise Rejected("bad_place", "经度和纬度要一起给出", "longitude and latitude go together", field="lon" if q.lon is None else "lat")
    facts = HazmatFacts(
        un=q.un, hin=q.hin, placard_class=q.placard_class, leak=q.leak, fire=q.fire, container=q.container, quantity_kg=q.quantity_kg,
        in_water=q.in_water, spill=q.spill, hazard_zone=q.hazard_zone, material=q.material, point=Point(q.lon, q.lat) if q.lon is not None and q.lat is not None else None,
        wind=winds.parse(q.wind, ask.now) if q.wind else None)
    known = receptors.known(include_demo=ask.hub.settings.demo)
    return await asyncio.to_thread(lambda: make(facts, at=ask.now, known=known))


@cache
def _bundle() -> tuple[bytes, str]:
    from plans.hazmat import offline

    packed = offline.packed()
    return packed, f'"{hashlib.sha256(packed).hexdigest()[:32]}"'


async def bundle(ask: Ask) -> web.Response:
    """The whole of hazmat support in one file for a phone; 304 where the phone has it."""
    ask.require(Action.HAZMAT_READ, HUB)
    packed, tag = await asyncio.to_thread(_bundle)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
    if ask.request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=packed, content_type="application/json", charset="utf-8", headers=headers | {"Content-Encoding": "gzip"})


async def _drawn(ask: Ask) -> list[ZonesView]:
    ask.require(Action.INCIDENT_LIST, HUB)
    async with ask.store.read() as conn:
        return await drawn_zones(conn, visible_incidents(ask.actor, ask.now), limit=MAPPED)


async def listing(ask: Ask) -> ZoneList:
    """Every zone on the district's map."""
    seq = await ask.store.head()
    items = await _drawn(ask)
    async with ask.store.read() as conn:
        return ZoneList(items=items, done=await ticked(conn, [view.incident_id for view in items]), seq=seq)


async def geojson(ask: Ask) -> web.Response:
    """Every zone on the district's map, as GeoJSON."""
    found = ZoneFeatures(features=[one for view in await _drawn(ask) for one in features(view)])
    return web.Response(body=msgspec.json.encode(found), content_type="application/geo+json")


async def of_incident(ask: Ask) -> IncidentZones:
    """The zones of an incident and its evacuation list."""
    seq = await ask.store.head()
    found = await find(ask, Action.INCIDENT_READ)
    return masked(found.policies, await _whole(ask, found.incident, seq), found.decision.tier)


async def _whole(ask: Ask, incident: IncidentView, seq: int) -> IncidentZones:
    async with ask.store.read() as conn:
        kept = await get_zones(conn, incident.id)
        ticks = await ticks_of(conn, incident.id)
        wind, source = await wind_of(conn, incident, kept.typed if kept else Typed(), ask.now)
        instrument, measured = await measured_wind(conn, incident, ask.now) or (None, None)
    return IncidentZones(
        zones=kept.view if kept else None, wind_now=wind, wind_now_source=source, measured=measured, measured_source=instrument, ticks=ticks, seq=seq
    )  # fmt: skip


async def redraw(ask: Ask) -> IncidentZones:
    """Draw the zones by what the scene says; with a wind of null they follow the measured one again."""
    from plans.hazmat import wind as winds

    found = await find(ask, Action.ZONE_EDIT)
    if found.incident.place.lon is None or found.incident.place.lat is None:
        raise Rejected("no_point", "事件没有坐标，不能绘制", "the incident has no point; nothing can be drawn", field="place")
    async with ask.store.read() as conn:
        incident = await told(conn, found.incident)
    if not wants_zones(incident):
        raise Rejected("no_hazmat", "事件不涉及危险货物", "no dangerous goods are known of", field="hazmat")
    if ask.body.wind:
        winds.parse(ask.body.wind)
    await draw(ask.store, found.incident, by=ask.who, say=lambda before: _said(ask.body, before, by=ask.who, at=ask.now))
    return await _whole(ask, found.incident, await ask.store.head())


def _said(body: DrawBody, before: Typed, *, by: str, at: datetime) -> Typed:
    """What is typed in once `body` was said, too."""
    wind = {} if body.wind is UNSET else {"wind": body.wind or None, "at": at if body.wind else None}
    in_water = {} if body.in_water is UNSET else {"in_water": body.in_water}
    return msgspec.structs.replace(before, by=by, **wind, **in_water)


async def tick(ask: Ask) -> Tick:
    """Tick a line of the evacuation list."""
    found = await find(ask, Action.EVACUATION_TICK)
    async with ask.transaction() as tx:
        return await tick_off(tx, found.incident, ask.path["receptor"], done=ask.body.done, note=ask.body.note, by=ask.who, seen_at=ask.body.at)


_H = "/api/v1/hazmat"
_Z = "/api/v1/incidents/{id}"
ROUTES = [
    Route("GET", _H + "/search", search, Action.HAZMAT_READ, query=SearchQuery, returns=SearchResult, zh="查询危化品", en="find a substance"),
    Route("GET", _H + "/placards", placards, Action.HAZMAT_READ, query=PlacardQuery, returns=Placards, zh="按标志查询", en="find by placard"),
    Route("GET", _H + "/card", card, Action.HAZMAT_READ, query=CardQuery, returns=HazmatCard, zh="危化品处置卡", en="hazmat card"),
    Route("GET", _H + "/bundle", bundle, Action.HAZMAT_READ, zh="离线危化品数据", en="hazmat data for phones without signal"),
    Route("GET", "/api/v1/zones", listing, Action.INCIDENT_LIST, returns=ZoneList, zh="地图上的警戒区", en="the zones on the map"),
    Route("GET", "/api/v1/zones.geojson", geojson, Action.INCIDENT_LIST, returns=ZoneFeatures, zh="警戒区（GeoJSON）", en="zones as GeoJSON"),
    Route("GET", _Z + "/zones", of_incident, Action.INCIDENT_READ, returns=IncidentZones, zh="警戒区", en="zones of an incident"),
    Route("POST", _Z + "/zones", redraw, Action.ZONE_EDIT, body=DrawBody, returns=IncidentZones, zh="绘制警戒区", en="draw zones"),
    Route("POST", _Z + "/evacuation/{receptor}", tick, Action.EVACUATION_TICK, body=TickBody, returns=Tick, zh="疏散核销", en="tick an evacuation"),
]

"""Enterprises and cameras over HTTP: the registry, its import, and which cameras an incident links and why."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import utc_text
from hub.domain.access import HUB, Action, Thing, ThingKind
from hub.domain.calendar import at_local, bounds, local_day
from hub.domain.camera import CameraPlace, CameraView, EnterpriseView, LinkedCamera, SlugText
from hub.domain.linkage import packaged_linkage
from hub.errors import Rejected
from hub.ids import exactly
from hub.store.access import incident_thing, visible_cameras
from hub.store.cameras import (
    OnlineRate,
    camera_things,
    get_camera,
    get_enterprise,
    links_of,
    list_cameras,
    list_enterprises,
    online_rates,
    save_camera,
    save_enterprise,
)
from hub.store.reports import get_incident
from hub.web.obligations import rules_of
from hub.web.route import Ask, NotFound, Route
from streams.relay import CameraKey, Relay


class CameraRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A camera with what this process knows of its pictures; `incidents` are the open ones that link it and that the reader may see."""

    camera: CameraView
    preview_age_s: float | None = None
    viewers: int = 0
    incidents: tuple[str, ...] = ()
    may_watch: bool = False
    reason_needed: bool = False


class CameraList(Struct, frozen=True, kw_only=True):
    """The cameras that this reader may know of, with the enterprises they belong to."""

    items: list[CameraRow]
    enterprises: list[EnterpriseView]
    seq: int


class EnterpriseList(Struct, frozen=True, kw_only=True):
    """Every enterprise."""

    items: list[EnterpriseView]
    seq: int


class LinkedRow(Struct, frozen=True, kw_only=True):
    """A linked camera with its registry entry; None where this reader may not watch it (and why then)."""

    link: LinkedCamera
    camera: CameraRow


class IncidentCameras(Struct, frozen=True, kw_only=True):
    """The cameras that an incident links and this reader may know of, the most telling first."""

    items: list[LinkedRow]
    most_streams: int
    seq: int


class ImportCamera(Struct, frozen=True, kw_only=True):
    """One camera of an import."""

    agent_id: SlugText
    camera_id: SlugText
    place: CameraPlace


class ImportBody(Struct, frozen=True, kw_only=True):
    """Enterprises and cameras, taken whole or not at all."""

    enterprises: Annotated[tuple[EnterpriseView, ...], Meta(max_length=5000)] = ()
    cameras: Annotated[tuple[ImportCamera, ...], Meta(max_length=5000)] = ()


class Imported(Struct, frozen=True, kw_only=True):
    """How many of each were taken."""

    enterprises: int
    cameras: int


class RatesQuery(Struct, frozen=True, kw_only=True):
    """Of the day, month or quarter of the district that `day` (today) lies in, up to now; or of so many days up to now."""

    span: Annotated[str, Meta(pattern=exactly("(day|month|quarter)"))] | None = None
    day: date | None = None
    days: Annotated[int, Meta(ge=1, le=100)] = 1


class EnterpriseRate(Struct, frozen=True, kw_only=True):
    """How well an enterprise kept its cameras online: of all seconds in which its cameras were known, the share with a picture."""

    enterprise_id: str
    cameras: int
    rate: float
    known_s: float


class Rates(Struct, frozen=True, kw_only=True):
    """The online rate of each camera, of each enterprise (the worst first), and of all together, of the part of the span that is over.

    A camera counts from the moment at which it was first known.
    """

    from_at: str
    to_at: str
    items: list[OnlineRate]
    enterprises: list[EnterpriseRate]
    rate: float | None


def _row(ask: Ask, camera: CameraView, thing: Thing) -> CameraRow:
    relay: Relay | None = ask.hub.extra.get("relay")
    key = CameraKey(camera.agent_id, camera.camera_id)
    held = relay.preview(key) if relay is not None else None
    watch = ask.may(Action.CAMERA_WATCH, thing)
    return CameraRow(
        camera=camera, preview_age_s=round(held.age_s(time.monotonic()), 1) if held is not None else None,
        viewers=relay.figures(key).viewers if relay is not None else 0,
        incidents=tuple(incident.id for incident in thing.incidents if not incident.closed and ask.may(Action.INCIDENT_READ, incident).allowed),
        may_watch=watch.allowed,
        reason_needed=watch.reason_code == "reason_needed")


async def rows_of(ask: Ask, conn: AsyncConnection, cameras: list[CameraView]) -> list[CameraRow]:
    """Those of the cameras that the reader may know of."""
    things = await camera_things(conn, cameras)
    return [_row(ask, camera, things[camera.id]) for camera in cameras if ask.may(Action.CAMERA_LIST, things[camera.id]).allowed]


async def listing(ask: Ask) -> CameraList:
    """The cameras, by id."""
    ask.may(Action.CAMERA_LIST, HUB)  # the rule is asked for every camera; a reader of none gets an empty list
    seq = await ask.store.head()
    async with ask.store.read() as conn:
        items = await rows_of(ask, conn, await list_cameras(conn, where=visible_cameras(ask.actor, ask.now)))
        enterprises = await list_enterprises(conn) if ask.may(Action.ENTERPRISE_READ, HUB).allowed else []
    return CameraList(items=items, enterprises=enterprises, seq=seq)


async def put(ask: Ask) -> CameraView:
    """Register where a camera stands, where it looks and what it sees."""
    id = f"{ask.path['agent']}/{ask.path['camera']}"
    async with ask.store.read() as conn:
        camera = await get_camera(conn, id)
        thing = (await camera_things(conn, [camera]))[id] if camera is not None else Thing(kind=ThingKind.CAMERA, id=id)
    ask.require(Action.CAMERA_EDIT, thing)
    async with ask.transaction() as tx:
        return await save_camera(tx, id, ask.body, by=ask.who)


async def enterprises(ask: Ask) -> EnterpriseList:
    """Every enterprise, by id."""
    ask.require(Action.ENTERPRISE_READ, HUB)
    seq = await ask.store.head()
    async with ask.store.read() as conn:
        return EnterpriseList(items=await list_enterprises(conn), seq=seq)


async def put_enterprise(ask: Ask) -> EnterpriseView:
    """Make or change an enterprise."""
    body: EnterpriseView = ask.body
    async with ask.store.read() as conn:
        before = await get_enterprise(conn, body.id)
    for view in (before, body):
        if view is not None:
            ask.require(Action.ENTERPRISE_EDIT, Thing(kind=ThingKind.ENTERPRISE, id=view.id, department_id=view.department_id, enterprise_id=view.id))
    async with ask.transaction() as tx:
        return await save_enterprise(tx, body, by=ask.who)


async def take_in(ask: Ask) -> Imported:
    """Import enterprises and cameras in one transaction: all or nothing."""
    body: ImportBody = ask.body
    ask.require(Action.ENTERPRISE_EDIT, Thing(kind=ThingKind.ENTERPRISE))
    ask.require(Action.CAMERA_EDIT, Thing(kind=ThingKind.CAMERA))
    async with ask.transaction() as tx:
        for enterprise in body.enterprises:
            await save_enterprise(tx, enterprise, by=ask.who)
        for camera in body.cameras:
            await save_camera(tx, f"{camera.agent_id}/{camera.camera_id}", camera.place, by=ask.who)
    return Imported(enterprises=len(body.enterprises), cameras=len(body.cameras))


async def of_incident(ask: Ask) -> IncidentCameras:
    """The cameras that an incident links, with the reasons."""
    seq = await ask.store.head()
    async with ask.store.read() as conn:
        incident = await get_incident(conn, ask.path["id"])
        thing = await incident_thing(conn, ask.path["id"])
        if incident is None or thing is None:
            ask.require(Action.INCIDENT_LIST, HUB)
            raise NotFound
        ask.require(Action.INCIDENT_READ, thing, hidden=True)
        links = await links_of(conn, incident.id)
        cameras = {c.id: c for c in await list_cameras(conn)} if links else {}
        rows = {row.camera.id: row for row in await rows_of(ask, conn, [cameras[one.id] for one in links if one.id in cameras])}
    return IncidentCameras(items=[LinkedRow(link=one, camera=rows[one.id]) for one in links if one.id in rows],
                           most_streams=packaged_linkage().most_streams, seq=seq)


async def rates(ask: Ask) -> Rates:
    """The online rate of cameras and enterprises over a day, a month, a quarter, or some days."""
    ask.require(Action.ENTERPRISE_READ, HUB)
    from_at, to_at = _span(ask)
    async with ask.store.read() as conn:
        items = await online_rates(conn, from_at, to_at)
        owners = {camera.id: camera.enterprise_id for camera in await list_cameras(conn)}
    by: dict[str, list[OnlineRate]] = {}
    for item in items:
        if (owner := owners.get(item.camera_id)) is not None:
            by.setdefault(owner, []).append(item)
    each = [EnterpriseRate(enterprise_id=id, cameras=len(own), rate=_mean(own) or 0.0, known_s=round(sum(i.known_s for i in own), 3))
            for id, own in by.items()]
    return Rates(from_at=utc_text(from_at), to_at=utc_text(to_at), items=items, rate=_mean(items),
                 enterprises=sorted(each, key=lambda one: (one.rate, one.enterprise_id)))


def _span(ask: Ask) -> tuple[datetime, datetime]:
    query: RatesQuery = ask.query
    now: datetime = ask.now
    if query.span is None:
        return now - timedelta(days=query.days), now
    calendar = rules_of(ask).calendar
    first, behind = bounds(query.span, query.day or local_day(calendar, now))
    begin, end = at_local(calendar, first, "00:00"), at_local(calendar, behind, "00:00")
    if begin > now:
        raise Rejected("bad_span", "该时段尚未开始", "this span has not begun", field="day")
    return begin, min(end, now)


def _mean(items: list[OnlineRate]) -> float | None:
    known = sum(item.known_s for item in items)
    return round(sum(item.rate * item.known_s for item in items) / known, 5) if known else None


ROUTES = [
    Route("GET", "/api/v1/cameras", listing, Action.CAMERA_LIST, returns=CameraList, zh="摄像头目录", en="cameras"),
    Route("PUT", "/api/v1/cameras/{agent}/{camera}", put, Action.CAMERA_EDIT, body=CameraPlace, returns=CameraView, zh="登记摄像头",
          en="register a camera"),
    Route("POST", "/api/v1/cameras/import", take_in, Action.ENTERPRISE_EDIT, body=ImportBody, returns=Imported, limit_bytes=8 * 2**20,
          zh="导入企业与摄像头", en="import enterprises and cameras"),
    Route("GET", "/api/v1/cameras/rates", rates, Action.ENTERPRISE_READ, query=RatesQuery, returns=Rates, zh="摄像头在线率", en="online rates"),
    Route("GET", "/api/v1/enterprises", enterprises, Action.ENTERPRISE_READ, returns=EnterpriseList, zh="企业", en="enterprises"),
    Route("POST", "/api/v1/enterprises", put_enterprise, Action.ENTERPRISE_EDIT, body=EnterpriseView, returns=EnterpriseView, zh="保存企业",
          en="save an enterprise"),
    Route("GET", "/api/v1/incidents/{id}/cameras", of_incident, Action.INCIDENT_READ, returns=IncidentCameras, zh="事件联动的摄像头",
          en="an incident's cameras"),
]

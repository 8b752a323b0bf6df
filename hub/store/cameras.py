"""Enterprises, cameras and their links to incidents in the store; links for players without an account. Rules are in hub.domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import and_, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import parse_utc, utc_text
from hub.domain.access import Thing, ThingKind
from hub.domain.agent import AgentView
from hub.domain.camera import (
    Advised,
    CameraAdvised,
    CameraHealthChanged,
    CameraLinked,
    CameraPlace,
    CameraSaved,
    CameraUnlinked,
    CameraView,
    EnterpriseSaved,
    EnterpriseView,
    LinkedCamera,
    placed,
)
from hub.domain.incident import IncidentView
from hub.errors import Rejected
from hub.store.access import incident_things
from hub.store.schema import agent
from hub.store.schema_video import camera, camera_health, camera_link, enterprise
from hub.store.writer import Transaction
from hub.wire import Advisory, Camera, Telemetry, Wind, troubles_of

ADVISED_EVERY: Final = timedelta(minutes=5)
"""What a detector says again sooner of the same camera is left (our own choice, as at the agent: a road moves all day)."""
_camera = msgspec.json.Decoder(CameraView).decode
_enterprise = msgspec.json.Decoder(EnterpriseView).decode
_linked = msgspec.json.Decoder(LinkedCamera).decode


# ── enterprises ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def list_enterprises(conn: AsyncConnection) -> list[EnterpriseView]:
    """Every enterprise, by id."""
    return [_enterprise(view) for view in (await conn.execute(select(enterprise.c.view).order_by(enterprise.c.id))).scalars()]


async def get_enterprise(conn: AsyncConnection, id: str) -> EnterpriseView | None:
    """One enterprise, or None."""
    view = (await conn.execute(select(enterprise.c.view).where(enterprise.c.id == id))).scalar()
    return _enterprise(view) if view is not None else None


async def save_enterprise(tx: Transaction, view: EnterpriseView, *, by: str) -> EnterpriseView:
    """Make or replace an enterprise; the same again changes nothing. Raises Rejected for a half point."""
    if (view.lon is None) != (view.lat is None):
        raise Rejected("missing_field", "经度和纬度必须同时给出", "longitude and latitude come together", field="lon")
    if await get_enterprise(tx.conn, view.id) == view:
        return view
    columns = {"department_id": view.department_id, "view": msgspec.json.encode(view).decode()}
    done = await tx.conn.execute(update(enterprise).where(enterprise.c.id == view.id).values(version=enterprise.c.version + 1, **columns))
    if not done.rowcount:
        await tx.conn.execute(insert(enterprise).values(id=view.id, version=1, **columns))
    tx.record(EnterpriseSaved(enterprise=view), actor=by, subject=f"enterprise:{view.id}", department_id=view.department_id)
    return view


# ── cameras ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def list_cameras(conn: AsyncConnection, *, where: Any = None) -> list[CameraView]:
    """Every camera, by id."""
    query = select(camera.c.view).order_by(camera.c.id)
    return [_camera(view) for view in (await conn.execute(query if where is None else query.where(where))).scalars()]


async def get_camera(conn: AsyncConnection, id: str) -> CameraView | None:
    """One camera by `AGENT/CAMERA`, or None."""
    view = (await conn.execute(select(camera.c.view).where(camera.c.id == id))).scalar()
    return _camera(view) if view is not None else None


async def _put(tx: Transaction, view: CameraView) -> None:
    columns = {"enterprise_id": view.enterprise_id, "department_id": view.department_id, "health": view.health,
               "view": msgspec.json.encode(view).decode()}
    done = await tx.conn.execute(update(camera).where(camera.c.id == view.id).values(**columns))
    if not done.rowcount:
        await tx.conn.execute(insert(camera).values(id=view.id, agent_id=view.agent_id, **columns))


async def save_camera(tx: Transaction, id: str, place: CameraPlace, *, by: str) -> CameraView:
    """Put a camera's registry entry; one that its agent has not shown yet is made, offline. Raises Rejected."""
    agent_id, _, camera_id = id.partition("/")
    before = await get_camera(tx.conn, id)
    if before is None:
        owner = (await tx.conn.execute(select(agent.c.department_id, agent.c.enterprise_id).where(agent.c.id == agent_id))).first()
        if owner is None:
            raise Rejected("unknown_agent", f"没有终端 {agent_id}", f"there is no agent {agent_id}", field="id")
        before = CameraView(id=id, agent_id=agent_id, camera_id=camera_id, name=camera_id, department_id=owner.department_id,
                            enterprise_id=owner.enterprise_id, place=CameraPlace(), health="offline", since=tx.at)
    if place.enterprise_id is not None and await get_enterprise(tx.conn, place.enterprise_id) is None:
        raise Rejected("unknown_enterprise", f"没有企业 {place.enterprise_id}", f"there is no enterprise {place.enterprise_id}",
                       field="place.enterprise_id")
    after = placed(before, place)
    if after != before or not before.placed:
        await _put(tx, after)
        tx.record(CameraSaved(camera=after), actor=by, subject=f"camera:{id}", department_id=after.department_id)
    return after


async def note_cameras(tx: Transaction, view: AgentView) -> list[CameraHealthChanged]:
    """Bring an agent's cameras in line with what it says of itself; each new camera and each changed state is a change. Gives the latter.

    An agent that is away, revoked or no longer shows a camera leaves it offline, with the reason as the measure.
    """
    known = {c.camera_id: c for c in await list_cameras(tx.conn, where=camera.c.agent_id == view.id)}
    gone = "agent_revoked" if view.revoked_at is not None else "agent_offline" if not view.online else ""
    said = {c.id: c for c in view.cameras} if not gone else {}
    changed: list[CameraHealthChanged] = []
    for camera_id in {*known, *said}:
        after = _as_said(view, known.get(camera_id), camera_id, said.get(camera_id), gone or "not_shown", tx.at)
        before = known.get(camera_id)
        if after == before:
            continue
        await _put(tx, after)
        by, subject = f"agent:{view.id}", f"camera:{after.id}"
        if before is None:
            tx.record(CameraSaved(camera=after), actor=by, subject=subject, department_id=after.department_id)
        elif (before.health, before.troubles) != (after.health, after.troubles):
            body = CameraHealthChanged(camera=after, before=before.health)
            changed.append(body)
            tx.record(body, actor=by, subject=subject, department_id=after.department_id)
        if before is None or before.health != after.health:
            await _note_health(tx, after.id, after.health)
    return changed


def _as_said(view: AgentView, before: CameraView | None, camera_id: str, said: Camera | None, why: str, at: str) -> CameraView:
    base = before or CameraView(id=f"{view.id}/{camera_id}", agent_id=view.id, camera_id=camera_id, name=camera_id,
                                department_id=view.department_id, enterprise_id=view.enterprise_id, place=CameraPlace())
    if said is None:
        since = base.since if base.health == "offline" else at
        return msgspec.structs.replace(base, health="offline", since=since, measure=why, troubles=(why,))
    return msgspec.structs.replace(
        base, name=base.place.name or said.name or camera_id, health=str(said.health), since=utc_text(said.since) if said.since else base.since,
        measure=said.measure, troubles=troubles_of(said.health, said.measure), codec=said.codec or base.codec, width=said.width or base.width, height=said.height or base.height,
        dropped_audio=said.dropped_audio)


async def note_advisory(tx: Transaction, agent_id: str, said: Advisory) -> None:
    """Keep what a detector thinks it saw on a camera that is known, as a change on the feed and in the timeline of the incidents that link it.
    It opens nothing."""
    before = await get_camera(tx.conn, f"{agent_id}/{said.camera_id}")
    last = before.advised if before is not None else None
    if before is None or (last is not None and last.kind == said.kind and tx.now - parse_utc(last.at) < ADVISED_EVERY):
        return
    after = msgspec.structs.replace(before, advised=Advised(kind=said.kind, score=said.score, detector=said.detector, at=tx.at))
    await _put(tx, after)
    incidents = await incident_things(tx.conn, await linking(tx.conn, after.id))
    telling: list[Thing | None] = [*incidents.values()] or [None]
    for incident in telling:
        tx.record(CameraAdvised(camera=after), actor=f"agent:{agent_id}", subject=f"camera:{after.id}", incident_id=incident.id if incident else None,
                  department_id=incident.department_id if incident else after.department_id, drill=incident.drill if incident else False)


async def _note_health(tx: Transaction, id: str, health: str) -> None:
    await tx.conn.execute(delete(camera_health).where(camera_health.c.camera_id == id, camera_health.c.at == tx.at))
    await tx.conn.execute(insert(camera_health).values(camera_id=id, at=tx.at, health=health))


class OnlineRate(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a stretch a camera had a picture, 0 to 1, of the part in which it was known at all."""

    camera_id: str
    rate: float
    known_s: float


async def online_rates(conn: AsyncConnection, from_at: datetime, to_at: datetime) -> list[OnlineRate]:
    """The online rate of every camera between two times, from the ledger of its states (every state but offline and connecting counts)."""
    start = utc_text(from_at)
    before = select(camera_health.c.camera_id, func.max(camera_health.c.at).label("at")).where(
        camera_health.c.at <= start).group_by(camera_health.c.camera_id).subquery()
    rows = list((await conn.execute(select(camera_health).join(before, and_(
        before.c.camera_id == camera_health.c.camera_id, before.c.at == camera_health.c.at)))).all())
    rows += (await conn.execute(select(camera_health).where(
        camera_health.c.at > start, camera_health.c.at < utc_text(to_at)).order_by(camera_health.c.at))).all()
    by_camera: dict[str, list[tuple[datetime, str]]] = {}
    for row in rows:
        by_camera.setdefault(row.camera_id, []).append((max(parse_utc(row.at), from_at), row.health))
    return [_rate(id, states, to_at) for id, states in sorted(by_camera.items())]


def _rate(id: str, states: Sequence[tuple[datetime, str]], to_at: datetime) -> OnlineRate:
    ends = [at for at, _ in states[1:]] + [to_at]
    spans = [((end - at).total_seconds(), health) for (at, health), end in zip(states, ends, strict=True)]
    known = sum(span for span, _ in spans)
    up = sum(span for span, health in spans if health not in ("offline", "connecting"))
    return OnlineRate(camera_id=id, rate=round(up / known, 5) if known else 0.0, known_s=round(known, 3))


# ── access ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def camera_things(conn: AsyncConnection, cameras: Iterable[CameraView], *, reason: str = "") -> dict[str, Thing]:
    """Cameras as `may` takes them, each with the incidents that link it now. Few queries, however many."""
    listed = list(cameras)
    rows = (await conn.execute(select(camera_link.c.camera_id, camera_link.c.incident_id).where(
        camera_link.c.ended_at.is_(None), *([camera_link.c.camera_id.in_([c.id for c in listed])] if len(listed) <= 500 else [])))).all()
    incidents = await incident_things(conn, {row.incident_id for row in rows})
    links: dict[str, list[Thing]] = {}
    for row in rows:
        if row.incident_id in incidents:
            links.setdefault(row.camera_id, []).append(incidents[row.incident_id])
    return {c.id: Thing(kind=ThingKind.CAMERA, id=c.id, department_id=c.department_id, enterprise_id=c.enterprise_id,
                        incidents=tuple(links.get(c.id, ())), reason=reason) for c in listed}


# ── links to incidents ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def links_of(conn: AsyncConnection, incident_id: str) -> list[LinkedCamera]:
    """The cameras that an incident links now, most telling first."""
    rows = await conn.execute(select(camera_link.c.view).where(
        camera_link.c.incident_id == incident_id, camera_link.c.ended_at.is_(None)).order_by(camera_link.c.place))
    return [_linked(view) for view in rows.scalars()]


async def linked_now(conn: AsyncConnection) -> dict[str, list[LinkedCamera]]:
    """All cameras that are linked now, by incident: at most as many for each as the rules link."""
    rows = await conn.execute(select(camera_link.c.incident_id, camera_link.c.view).where(camera_link.c.ended_at.is_(None)))
    found: dict[str, list[LinkedCamera]] = {}
    for row in rows:
        found.setdefault(row.incident_id, []).append(_linked(row.view))
    return found


async def linking(conn: AsyncConnection, camera_id: str) -> list[str]:
    """The incidents that link a camera now, oldest first."""
    rows = await conn.execute(select(camera_link.c.incident_id).where(
        camera_link.c.camera_id == camera_id, camera_link.c.ended_at.is_(None)).order_by(camera_link.c.incident_id))
    return list(rows.scalars())


async def link(tx: Transaction, incident: IncidentView, cameras: Sequence[LinkedCamera], most_streams: int, *, by: str) -> bool:
    """Make these the cameras of an incident; False (and no change) where they are already and nobody new may see them."""
    before = {c.id: c for c in await links_of(tx.conn, incident.id)}
    now_are = {c.id: c for c in cameras}
    for id in before.keys() - now_are.keys():
        await tx.conn.execute(update(camera_link).where(camera_link.c.incident_id == incident.id, camera_link.c.camera_id == id).values(
            ended_at=tx.at))
    for n, (id, one) in enumerate(now_are.items()):
        if before.get(id) == one:
            continue
        columns = {"place": n, "linked_at": tx.at, "ended_at": None, "view": msgspec.json.encode(one).decode()}
        done = await tx.conn.execute(update(camera_link).where(
            camera_link.c.incident_id == incident.id, camera_link.c.camera_id == id).values(**columns))
        if not done.rowcount:
            await tx.conn.execute(insert(camera_link).values(incident_id=incident.id, camera_id=id, **columns))
    if before == now_are:
        return False
    say_linked(tx, incident, cameras, most_streams, by=by)
    return True


def say_linked(tx: Transaction, incident: IncidentView, cameras: Sequence[LinkedCamera], most_streams: int, *, by: str) -> None:
    """Tell whoever may see them now which cameras the incident links."""
    tx.record(CameraLinked(incident_id=incident.id, verified=incident.verified, cameras=tuple(cameras), most_streams=most_streams), actor=by,
              subject=f"incident:{incident.id}", incident_id=incident.id, department_id=incident.department_id, drill=incident.drill)


async def unlink(tx: Transaction, incident: IncidentView, reason: str, *, by: str) -> bool:
    """End every link of an incident; False where there was none."""
    done = await tx.conn.execute(update(camera_link).where(
        camera_link.c.incident_id == incident.id, camera_link.c.ended_at.is_(None)).values(ended_at=tx.at))
    if not done.rowcount:
        return False
    tx.record(CameraUnlinked(incident_id=incident.id, reason=reason), actor=by, subject=f"incident:{incident.id}", incident_id=incident.id,
              department_id=incident.department_id, drill=incident.drill)
    return True


async def winds(conn: AsyncConnection) -> list[Wind]:
    """What the agents last measured of the wind."""
    rows = await conn.execute(select(agent.c.telemetry).where(agent.c.telemetry.is_not(None), agent.c.revoked_at.is_(None)))
    told = (msgspec.json.decode(text, type=Telemetry).wind for text in rows.scalars())
    return [wind for wind in told if wind is not None]


async def names_of(conn: AsyncConnection) -> Mapping[str, EnterpriseView]:
    """Enterprises by id."""
    return {one.id: one for one in await list_enterprises(conn)}

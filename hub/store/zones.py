"""Zones in the store: what is due to be drawn, what was drawn, and the evacuation list as it is ticked off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import parse_utc, utc_text
from hub.domain.incident import IncidentView
from hub.domain.zone import EvacuationTicked, Tick, Typed, ZonesDrawn, ZonesView, as_stated, moved, nearest_wind
from hub.errors import Rejected, Unavailable
from hub.store.agents import list_agents
from hub.store.plans import stated_facts
from hub.store.reports import list_incidents
from hub.store.schema import incident as incident_table
from hub.store.schema_plan import evacuation_tick
from hub.store.schema_plan import zone_set as table
from hub.store.writer import Store, Transaction
from hub.wire import Hazmat
from plans.hazmat.model import HazmatCard, HazmatFacts, Point, Wind, Words

ATTEMPTS = 5
"""How often a drawing is done again because another came in while it was reckoned."""


class _Overtaken(Exception):
    """Another drawing was kept since the one in hand was begun."""


class Kept(NamedTuple):
    """What the store holds of an incident's zones: what was typed in, the drawing (None: not yet), its version."""

    typed: Typed
    view: ZonesView | None
    version: int
    follows_wind: bool


async def get_zones(conn: AsyncConnection, incident_id: str) -> Kept | None:
    """What is kept for an incident, or None."""
    row = (await conn.execute(select(table).where(table.c.incident_id == incident_id))).first()
    return _kept(row) if row else None


def _kept(row: Any) -> Kept:
    return Kept(msgspec.json.decode(row.typed, type=Typed) if row.typed else Typed(),
                msgspec.json.decode(row.view, type=ZonesView) if row.view else None, row.version, bool(row.follows_wind))


async def open_without_zones(conn: AsyncConnection, *, limit: int) -> list[IncidentView]:
    """Open incidents for which no zones are kept, the newest first."""
    kept = select(table.c.incident_id).where(table.c.incident_id == incident_table.c.id)
    return await list_incidents(conn, open_only=True, where=~kept.exists(), limit=limit)


async def drawn_zones(conn: AsyncConnection, where: ColumnElement[bool], *, limit: int) -> list[ZonesView]:
    """The zones drawn for open incidents that meet `where` (a condition on `incident`), the newest incidents first."""
    rows = (await conn.execute(select(table.c.view).join(incident_table, incident_table.c.id == table.c.incident_id)
            .where(table.c.live, table.c.view.is_not(None), where).order_by(incident_table.c.number.desc()).limit(limit))).scalars()
    return [msgspec.json.decode(text, type=ZonesView) for text in rows]


async def mark_due(tx: Transaction, incident_id: str) -> None:
    """Note that an incident's zones are to be drawn (again)."""
    done = await tx.conn.execute(update(table).where(table.c.incident_id == incident_id).values(due=True, live=True))
    if not done.rowcount:
        await tx.conn.execute(insert(table).values(incident_id=incident_id, live=True, follows_wind=True, due=True, typed=None, version=0, view=None))


async def mark_wind(tx: Transaction) -> None:
    """Note that a wind was measured: zones that follow the wind are to be looked at."""
    await tx.conn.execute(update(table).where(table.c.live, table.c.follows_wind).values(due=True))


async def mark_all(tx: Transaction) -> None:
    """Note that all standing zones are to be looked at: it grew dark, or their wind grew old."""
    await tx.conn.execute(update(table).where(table.c.live).values(due=True))


async def told(conn: AsyncConnection, incident: IncidentView) -> IncidentView:
    """The incident with what people answered of its load."""
    from plans.hazmat import lookup

    return as_stated(incident, await stated_facts(conn, incident.id), lookup.substances().__contains__)


async def rest(tx: Transaction, incident_id: str) -> None:
    """The incident is over: its zones stay as they are."""
    await tx.conn.execute(update(table).where(table.c.incident_id == incident_id).values(live=False, due=False))


async def due(conn: AsyncConnection, *, limit: int = 20) -> list[str]:
    """Incidents whose zones are to be drawn, the newest first: a fresh one never waits behind a flood of others."""
    return list((await conn.execute(select(table.c.incident_id).where(table.c.due).order_by(table.c.incident_id.desc()).limit(limit))).scalars())


async def measured_wind(conn: AsyncConnection, incident: IncidentView, now: datetime) -> tuple[str, Wind] | None:
    """The wind that an agent nearest to the incident measures, and whose it is."""
    from plans.hazmat import tables
    from plans.hazmat import wind as winds

    lon, lat = incident.place.lon, incident.place.lat
    if lon is None or lat is None:
        return None
    rule = tables.rules()["wind"]
    stale_after = timedelta(seconds=float(rule["stale_after_s"]))
    # an instrument that reads what no wind can be is broken: it neither turns a zone nor keeps one from being drawn
    sane = [(a.id, a.wind) for a in await list_agents(conn) if a.wind is not None and a.wind.speed_mps <= float(rule["max_speed_ms"])]
    found = nearest_wind(sane, lon, lat, now, stale_after=stale_after)
    if found is None:
        return None
    agent, wind = found
    return f"agent:{agent}", winds.measured(wind.from_deg, wind.speed_mps, wind.at, origin=wind.station or agent)


async def wind_of(conn: AsyncConnection, incident: IncidentView, typed: Typed, now: datetime) -> tuple[Wind | None, str | None]:
    """The wind to go by and whose it is: the one typed in, else the one measured nearest, else none.

    What was typed in counts until it is stale; then a wind that is measured now goes before it. Kept words that nobody can read any more (they
    were taken by an earlier edition) are no wind: a drawing never fails for them.
    """
    from plans.hazmat import wind as winds

    said = None
    if typed.wind:
        with suppress(Rejected):
            said = winds.parse(typed.wind, typed.at)
    if said is not None and not winds.use(said, now).stale:
        return said, "typed"
    measured = await measured_wind(conn, incident, now)
    if measured is not None and (said is None or not winds.use(measured[1], now).stale):
        return measured[1], measured[0]
    return (said, "typed") if said is not None else (None, None)


def hazmat_facts(incident: IncidentView, typed: Typed, wind: Wind | None) -> tuple[HazmatFacts, ...]:
    """What the hazmat support asks about an incident: each of its loads, or one that nobody knows where none is described.

    A load is what its number and what its name say: by the name alone where no number was read, and both where they do not agree, since
    either may have been misread. A number that no table knows is left out; `misread` says so. A load that nothing is known of but beside
    others that are known stays one that nobody knows.
    """
    point = Point(incident.place.lon, incident.place.lat) if incident.place.lon is not None and incident.place.lat is not None else None
    return tuple(facts for load in incident.hazmat or (Hazmat(),) for facts in _of_load(load, typed, wind, point))


def _of_load(load: Hazmat, typed: Typed, wind: Wind | None, point: Point | None) -> list[HazmatFacts]:
    from plans.hazmat import lookup

    bare = HazmatFacts(leak=load.leak, fire=load.fire, quantity_kg=load.quantity_kg, container=lookup.container(load.container),
                       in_water=typed.in_water, point=point, wind=wind)
    hin = load.hin if load.hin and lookup.is_hin(load.hin) else None
    read = [load.un] if load.un in lookup.substances() else []
    numbers = dict.fromkeys([*read, *lookup.named(load.name, load.cas)])
    if not numbers:
        return [msgspec.structs.replace(bare, hin=hin)]
    return [msgspec.structs.replace(bare, un=un, hin=hin if un in read else None) for un in numbers]


def misread(incident: IncidentView) -> tuple[Words, ...]:
    """What a plate cannot say as it was reported."""
    from plans.hazmat import lookup

    wrong = [f"UN {load.un}" for load in incident.hazmat if load.un and load.un not in lookup.substances()]
    wrong += [f"{load.hin}" for load in incident.hazmat if load.hin and not lookup.is_hin(load.hin)]
    unlisted = [Words(f"报告的 {number} 不在编号表中：按不明处理，请再看一次橙色标牌。",
                      f"{number} as reported is in no table: taken as unknown; look at the orange plate again.") for number in wrong]
    apart = [Words(f"编号与品名不符：UN{load.un} 不是“{load.name or load.cas}”，两者都计入，请再看一次橙色标牌。",
                   f"Number and name do not agree: UN{load.un} is not “{load.name or load.cas}”; both are counted, look at the orange plate again.")
             for load in incident.hazmat if load.un in lookup.substances() and (said := lookup.named(load.name, load.cas)) and load.un not in said]
    return (*unlisted, *apart)


def _card(loads: Sequence[HazmatFacts], at: datetime, drill: bool) -> HazmatCard:
    from plans.hazmat import receptors
    from plans.hazmat.card import card

    return card(loads[0], beside=loads[1:], at=at, known=receptors.known(include_demo=drill))


async def draw(store: Store, incident: IncidentView, *, by: str = "system:zones", say: Callable[[Typed], Typed] | None = None, why: Words | None = None) -> ZonesView | None:
    """Draw an incident's zones by what is known now; gives the drawing that stands. What would hardly differ is not drawn again.

    The geometry takes a tenth of a second and runs in a thread, outside of any transaction; where another drawing came in meanwhile it is
    done again on top of that one. `say` gives what is typed in by now from what was typed in before; it is asked anew each time, so that two who say
    different things at once lose nothing to each other.
    """
    for _ in range(ATTEMPTS):
        with suppress(_Overtaken, IntegrityError):
            return await _draw(store, incident, by, say, why)
    raise Unavailable("busy", "图形正被反复改绘，请稍后重试", "the zones are being drawn again and again; try once more", retry_after_s=2)


async def _draw(store: Store, incident: IncidentView, by: str, say: Callable[[Typed], Typed] | None, why: Words | None) -> ZonesView | None:
    from plans.hazmat.redraw import why_again

    now = store.clock.now()
    async with store.read() as conn:
        incident = await told(conn, incident)
        kept = await get_zones(conn, incident.id)
        before_said = kept.typed if kept else Typed()
        said = say(before_said) if say is not None else before_said
        wind, source = await wind_of(conn, incident, said, now)
    loads = hazmat_facts(incident, said, wind)
    before = kept.view if kept else None
    card = await asyncio.to_thread(_card, loads, now, incident.drill)
    reason = why_again(before, card) if before is not None else Words("首次绘制。", "Drawn for the first time.")
    if before is not None and say is None and reason is None:
        async with store.transaction() as tx:
            await tx.conn.execute(update(table).where(table.c.incident_id == incident.id, table.c.version == before.version).values(due=False))
        return before
    entered, left = moved(before.affected if before else (), card.affected)
    view = ZonesView(
        incident_id=incident.id, drawn_at="", why=why or reason or Words("按现场说法绘制。", "Drawn as the scene says."), title=card.title, un=card.substance.un if card.substance else None, distances=card.distances,
        zones=card.zones, wind=wind, wind_source=source, follows_wind=source != "typed", affected=card.affected,
        junctions_to_close=card.junctions_to_close, evacuation=card.evacuation, towns_to_ask=card.towns_to_ask, staging=card.staging,
        warnings=(*misread(incident), *card.warnings), limits=card.limits, entered=entered if before else (), left=left, version=(kept.version if kept else 0) + 1,
        drill=incident.drill, load=msgspec.structs.replace(card.facts, point=None, wind=None))
    async with store.transaction() as tx:
        return await _put(tx, incident, view, said, kept, by)


async def _put(tx: Transaction, incident: IncidentView, view: ZonesView, typed: Typed, kept: Kept | None, by: str) -> ZonesView:
    view = msgspec.structs.replace(view, drawn_at=tx.at)
    values = {"follows_wind": view.follows_wind, "due": False, "typed": msgspec.json.encode(typed).decode(),
              "version": view.version, "view": msgspec.json.encode(view).decode()}
    if kept is None:
        await tx.conn.execute(insert(table).values(incident_id=incident.id, live=True, **values))
    else:  # `live` stays as it is: the incident may have ended while this was drawn
        done = await tx.conn.execute(update(table).where(table.c.incident_id == incident.id, table.c.version == kept.version).values(**values))
        if done.rowcount != 1:
            raise _Overtaken
    tx.record(ZonesDrawn(zones=view), actor=by, subject=f"incident:{incident.id}", incident_id=incident.id, department_id=incident.department_id,
              drill=incident.drill)
    return view


async def tick(tx: Transaction, incident: IncidentView, receptor_id: str, *, done: bool, note: str, by: str, seen_at: datetime | None = None) -> Tick:
    """Tick a line of the evacuation list off (or on again), as it was seen at `seen_at` (None: now); gives the line as it stands.

    What a phone kept while it had no signal does not undo what somebody saw later, and sent twice it is ticked once. A place that left the
    zone meanwhile, because the wind turned, is ticked all the same, also where the zone holds nobody now: it may come in again. Raises Rejected for
    one that nobody knows, and while nothing is drawn.
    """
    from plans.hazmat import receptors

    kept = await get_zones(tx.conn, incident.id)
    drawn = kept.view if kept is not None else None
    listed = drawn is not None and receptor_id in {e.receptor_id for e in drawn.evacuation}
    may_be_listed = drawn is not None and receptor_id in {one.id for one in receptors.known(include_demo=incident.drill)}
    if not listed and not may_be_listed:
        raise Rejected("unknown_receptor", "疏散清单中没有此项", "the evacuation list has no such line", field="receptor_id")
    held = next((one for one in await ticks_of(tx.conn, incident.id) if one.receptor_id == receptor_id), None)
    at = utc_text(min(seen_at, tx.now)) if seen_at is not None else tx.at
    row = Tick(receptor_id=receptor_id, done=done, note=note, by=by, at=at)
    if held is not None and (parse_utc(held.at) > parse_utc(at) or held == row):
        return held
    where = (evacuation_tick.c.incident_id == incident.id, evacuation_tick.c.receptor_id == receptor_id)
    await tx.conn.execute(delete(evacuation_tick).where(*where))
    await tx.conn.execute(insert(evacuation_tick).values(incident_id=incident.id, receptor_id=receptor_id, done=done, note=note, ticked_by=by,
                                                         ticked_at=at))
    tx.record(EvacuationTicked(tick=row), actor=by, subject=f"incident:{incident.id}", incident_id=incident.id, drill=incident.drill)
    return row


async def ticked(conn: AsyncConnection, incident_ids: Sequence[str]) -> dict[str, list[str]]:
    """The receptors that are ticked off, by incident."""
    rows = await conn.execute(select(evacuation_tick.c.incident_id, evacuation_tick.c.receptor_id)
                              .where(evacuation_tick.c.incident_id.in_(incident_ids), evacuation_tick.c.done).order_by(evacuation_tick.c.receptor_id))
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.incident_id, []).append(row.receptor_id)
    return found


async def ticks_of(conn: AsyncConnection, incident_id: str) -> list[Tick]:
    """The lines that somebody ticked."""
    rows = await conn.execute(select(evacuation_tick).where(evacuation_tick.c.incident_id == incident_id).order_by(evacuation_tick.c.receptor_id))
    return [Tick(receptor_id=r.receptor_id, done=bool(r.done), note=r.note, by=r.ticked_by, at=r.ticked_at) for r in rows]

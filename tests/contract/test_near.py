"""Incidents near one another are found by cells of a grid: the same ones as by looking at each of them."""

from __future__ import annotations

import importlib
import random
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import text

from hub.clock import utc_text
from hub.domain.change import canonical
from hub.domain.coordinates import cell_of
from hub.domain.incident import Act, IncidentView
from hub.store import Store
from hub.store.desk import act_on
from hub.store.reports import get_incident, incidents_near, insert_incidents
from tests.support.district import incident_view

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
DEGREES = 0.025


def scattered(count: int) -> list[IncidentView]:
    """Incidents of two hours around a few places, on and beside the borders of cells; every tenth has no point."""
    dice = random.Random(7)
    found = []
    for n in range(1, count + 1):
        base = incident_view(n)
        lon, lat = dice.choice((119.0, 119.05, 119.13)) + dice.uniform(-0.04, 0.04), dice.choice((34.8, 34.85)) + dice.uniform(-0.04, 0.04)
        place = msgspec.structs.replace(base.place, lon=None if n % 10 == 0 else round(lon, 3), lat=None if n % 10 == 0 else round(lat, 3))
        found.append(msgspec.structs.replace(base, place=place, occurred_at=utc_text(NOON + timedelta(seconds=dice.randrange(-4000, 4000), milliseconds=n))))
    return found


async def test_the_newest_nearby_are_found_as_by_looking_at_each(store: Store) -> None:
    views = scattered(400)
    async with store.transaction() as tx:
        await insert_incidents(tx, [(view, canonical(view)) for view in views])
    start, end = utc_text(NOON - timedelta(hours=1)), utc_text(NOON + timedelta(hours=1))
    for of in views[::7]:
        lon, lat = of.place.lon, of.place.lat
        within = [view for view in views if start <= view.occurred_at < end and (lon is None or lat is None or _near(view, lon, lat))]
        wanted = sorted(within, key=lambda view: view.occurred_at, reverse=True)[:20]
        async with store.read() as conn:
            found = await incidents_near(conn, start, end, lon=lon, lat=lat, degrees=DEGREES)
        assert [view.id for view in found] == [view.id for view in wanted]


def _near(view: IncidentView, lon: float, lat: float) -> bool:
    place = view.place
    return place.lon is None or place.lat is None or (
        lon - DEGREES <= place.lon <= lon + DEGREES and lat - DEGREES <= place.lat <= lat + DEGREES)


async def test_the_revision_numbers_old_incidents_as_new_ones_are(store: Store) -> None:
    views = scattered(200)
    numbered = importlib.import_module("hub.store.migrations.versions.0003_incidents_by_cell").numbered
    async with store.transaction() as tx:
        await insert_incidents(tx, [(view, canonical(view)) for view in views])
        await tx.conn.execute(text("UPDATE incident SET cell = NULL"))
        await tx.conn.execute(text(numbered(tx.conn.dialect.name)))
        cells = {row.id: row.cell for row in await tx.conn.execute(text("SELECT id, cell FROM incident"))}
    assert cells == {view.id: cell_of(view.place.lon, view.place.lat) for view in views}
    assert None in cells.values()


async def test_a_closed_incident_is_not_near_any_more(store: Store) -> None:
    view = scattered(1)[0]
    async with store.transaction() as tx:
        await insert_incidents(tx, [(view, canonical(view))])
        await act_on(tx, view.id, Act.FALSE_ALARM, by="person:test", reason="test")
    async with store.read() as conn:
        assert (after := await get_incident(conn, view.id)) is not None and after.state == "false_alarm"
        found = await incidents_near(conn, utc_text(NOON - timedelta(days=1)), utc_text(NOON + timedelta(days=1)), lon=view.place.lon, lat=view.place.lat,
                                     degrees=DEGREES)
    assert found == []

"""Which recordings an incident has: as evidence while it is open, within the room of the hub, and as somebody keeps them. On both databases."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hub.domain.camera import CameraPlace, LinkedCamera, ViewOfCamera
from hub.domain.change import Change
from hub.domain.incident import Act, IncidentUpdated, IncidentView
from hub.domain.linkage import packaged_linkage
from hub.domain.report import PlaceView
from hub.domain.zone import Typed
from hub.errors import Rejected
from hub.ids import new_id
from hub.respond.linkage import Linkage
from hub.store import Store, changes_after
from hub.store.agents import note_presence, note_telemetry
from hub.store.cameras import links_of, note_cameras, save_camera, save_enterprise
from hub.store.desk import act_on
from hub.store.recordings import evidence_ids, keep, recordings_of, wanted_ids, wanted_now
from hub.store.reports import insert_incidents
from hub.store.views import keep_open, note_open
from hub.store.zones import draw
from hub.wire import Camera, Presence, Telemetry, Wind
from tests.support import plant
from tests.support.district import incident_view

BY = "system:test"


class Room:
    """A district with a plant of `cameras` cameras, and the linkage run by hand over what is on the feed."""

    def __init__(self, store: Store, *, most_recordings: int = 40) -> None:
        self.store = store
        self.linkage = Linkage(msgspec.structs.replace(packaged_linkage(), most_recordings=most_recordings))
        self.seq = 0

    async def furnish(self, cameras: int) -> None:
        """Enrol the plant and show its cameras."""
        await plant.enrol(self.store)
        shown = tuple(Camera(id=f"c{n}", health="online", measure="sharpness=1.00") for n in range(cameras))
        async with self.store.transaction() as tx:
            await note_presence(tx, "plant-1", Presence(online=True, cameras=shown))
        async with self.store.transaction() as tx:
            await note_cameras(tx, await plant.agent(self.store, "plant-1"))
            for camera in shown:
                await save_camera(tx, f"plant-1/{camera.id}", CameraPlace(enterprise_id="plant-a", lon=plant.LON, lat=plant.LAT), by=BY)

    async def opens(self, number: int, **place: Any) -> IncidentView:
        """An incident at the plant, or at a place of its own, with its cameras linked."""
        view = incident_view(number, enterprise=None if place else "plant-a")
        view = msgspec.structs.replace(view, place=PlaceView(**place)) if place else view
        async with self.store.transaction() as tx:
            await insert_incidents(tx, [(view, msgspec.json.encode(view))])
            await self.linkage._link(tx, view)
        return view

    async def acts(self, view: IncidentView, *acts: Act) -> None:
        """What the desk does with it, and what follows."""
        for act in acts:
            async with self.store.transaction() as tx:
                await act_on(tx, view.id, act, by=BY, reason="测试")
            await self.follows()

    async def follows(self) -> None:
        """What the linkage does about everything that is new on the feed."""
        async with self.store.read() as conn:
            changes: list[Change] = await changes_after(conn, self.seq, limit=1000)
        self.seq = changes[-1].seq
        async with self.store.transaction() as tx:
            for change in changes:
                if change.kind in self.linkage.kinds:
                    await self.linkage.react(tx, change)

    async def blows(self, from_deg: float, *, agent_id: str = "plant-1") -> None:
        """An instrument at the plant measures a wind, and what follows."""
        async with self.store.transaction() as tx:
            await note_telemetry(tx, agent_id, Telemetry(at=tx.now, wind=Wind(from_deg=from_deg, speed_mps=3.0, at=tx.now)))
        await self.follows()

    async def watches(self, camera_id: str) -> None:
        """Somebody opens a camera."""
        async with self.store.transaction() as tx:
            await note_open(tx, ViewOfCamera(id=new_id(), camera_id=camera_id, person_id="p", how="stream", reason_code="linked", from_at=tx.at), "hub", None)

    async def recorded(self, view: IncidentView) -> list[str]:
        """The ids of its recordings."""
        async with self.store.read() as conn:
            return [one.id for one in await recordings_of(conn, view.id)]

    async def linked(self, view: IncidentView) -> list[LinkedCamera]:
        """The cameras that it links."""
        async with self.store.read() as conn:
            return await links_of(conn, view.id)

    async def evidence(self) -> set[str]:
        """The recordings that retention must not touch."""
        async with self.store.read() as conn:
            return await evidence_ids(conn)


def _kilometres(north: float = 0.0) -> CameraPlace:
    """A place so far north of the plant; no plant's own camera."""
    return CameraPlace(lon=plant.LON, lat=plant.LAT + north / 111.195)


@pytest.fixture
async def windy(store: Store) -> Room:
    """Two cameras four kilometres from the scene, north and south of it: they count only under the cloud."""
    room = Room(store)
    await room.furnish(0)
    shown = tuple(Camera(id=name, health="online", measure="sharpness=1.00") for name in ("north", "south"))
    async with store.transaction() as tx:
        await note_presence(tx, "plant-1", Presence(online=True, cameras=shown))
    async with store.transaction() as tx:
        await note_cameras(tx, await plant.agent(store, "plant-1"))
        await save_camera(tx, "plant-1/north", _kilometres(4), by=BY)
        await save_camera(tx, "plant-1/south", _kilometres(-4), by=BY)
    return room


async def test_cameras_are_chosen_anew_where_the_wind_has_turned_enough_and_only_there(windy: Room) -> None:
    await windy.blows(0)
    view = await windy.opens(1, lon=plant.LON, lat=plant.LAT)
    await windy.follows()
    assert [one.id for one in await windy.linked(view)] == ["plant-1/south"]
    await windy.blows(packaged_linkage().turn_deg - 1)
    assert [one.wind_from_deg for one in await windy.linked(view)] == [0]
    await windy.blows(175)
    assert [(one.id, one.recorded) for one in await windy.linked(view)] == [("plant-1/north", True)]
    async with windy.store.read() as conn:
        assert await wanted_now(conn) == [(view.id, "plant-1/north")]


async def test_a_wind_that_creeps_round_in_small_steps_is_followed_as_well(windy: Room) -> None:
    await windy.blows(0)
    view = await windy.opens(1, lon=plant.LON, lat=plant.LAT)
    for from_deg in range(0, 181, 5):
        await windy.blows(from_deg)
        (basis,) = {one.wind_from_deg for one in await windy.linked(view)} or {None}
        assert basis is None or abs(from_deg - basis) < 1.5 * packaged_linkage().turn_deg
    assert [one.id for one in await windy.linked(view)] == ["plant-1/north"]


async def test_a_picture_that_somebody_watches_stays_as_the_wind_turns_and_within_the_cap(windy: Room) -> None:
    windy.linkage.rules = msgspec.structs.replace(windy.linkage.rules, most_linked=1)
    await windy.blows(0)
    view = await windy.opens(1, lon=plant.LON, lat=plant.LAT)
    await windy.watches("plant-1/south")
    await windy.blows(180)
    assert [(one.id, one.reasons[-1].code) for one in await windy.linked(view)] == [("plant-1/south", "watched")]
    windy.linkage.rules = msgspec.structs.replace(windy.linkage.rules, most_linked=2)
    await windy.blows(220)
    assert [one.id for one in await windy.linked(view)] == ["plant-1/north", "plant-1/south"]
    async with windy.store.transaction() as tx:
        await keep_open(tx, "hub", set())
    await windy.blows(180)
    assert [one.id for one in await windy.linked(view)] == ["plant-1/north"]


async def test_where_zones_are_drawn_their_wind_counts_also_one_that_was_told_from_the_scene(windy: Room) -> None:
    await windy.blows(0)
    view = await windy.opens(1, lon=plant.LON, lat=plant.LAT)
    assert [one.id for one in await windy.linked(view)] == ["plant-1/south"]
    await draw(windy.store, view, say=lambda _: Typed(wind="南风", at=windy.store.clock.now()))
    await windy.follows()
    assert [one.id for one in await windy.linked(view)] == ["plant-1/north"]
    await windy.blows(0)
    assert [one.id for one in await windy.linked(view)] == ["plant-1/north"]


async def test_room_that_an_incident_frees_by_moving_is_used_at_once(store: Store) -> None:
    room = Room(store, most_recordings=3)
    await room.furnish(2)
    first, second = await room.opens(1), await room.opens(2)
    assert [len(await room.recorded(one)) for one in (first, second)] == [2, 1]
    moved = msgspec.structs.replace(first, place=PlaceView(lon=plant.LON + 1, lat=plant.LAT))
    async with store.transaction() as tx:
        tx.record(IncidentUpdated(incident=moved, report_id=new_id(), changed=("place",)), actor=BY, subject=f"incident:{first.id}", incident_id=first.id)
    await room.follows()
    assert await room.linked(first) == []
    assert len(await room.recorded(second)) == 2
    assert all(one.recorded for one in await room.linked(second))


async def test_what_has_no_room_is_said_and_is_recorded_once_there_is_some(store: Store) -> None:
    room = Room(store, most_recordings=3)
    await room.furnish(2)
    first, second = await room.opens(1), await room.opens(2)
    assert [len(await room.recorded(one)) for one in (first, second)] == [2, 1]
    left_out = [one for one in await room.linked(second) if not one.recorded]
    assert [(one.reasons[-1].code, one.recorded) for one in left_out] == [("no_room", False)]
    await room.acts(first, Act.CLOSE)
    assert len(await room.recorded(second)) == 2
    assert all(one.recorded and one.reasons[-1].code != "no_room" for one in await room.linked(second))


async def test_the_recordings_of_an_open_incident_cannot_be_let_go(store: Store) -> None:
    room = Room(store)
    await room.furnish(1)
    view = await room.opens(1)
    (id,) = await room.recorded(view)
    with pytest.raises(Rejected, match="incident_open"):
        async with store.transaction() as tx:
            await keep(tx, id, False, by=BY)
    assert await room.evidence() == {id}
    await room.acts(view, Act.CLOSE)
    async with store.transaction() as tx:
        await keep(tx, id, False, by=BY)
    assert await room.evidence() == set()


async def test_a_false_alarm_lets_go_of_all_but_what_somebody_keeps_and_reopening_makes_evidence_of_all_again(store: Store) -> None:
    room = Room(store)
    await room.furnish(2)
    view = await room.opens(1)
    kept, other = await room.recorded(view)
    async with store.transaction() as tx:
        await keep(tx, kept, True, by=BY)
    await room.acts(view, Act.FALSE_ALARM)
    assert await room.evidence() == {kept}
    await room.acts(view, Act.REOPEN)
    assert await room.evidence() >= {kept, other}


async def test_a_linked_camera_that_is_registered_elsewhere_is_let_go_and_its_recording_ends(store: Store) -> None:
    room = Room(store)
    await room.furnish(2)
    view = await room.opens(1)
    await room.follows()
    async with store.transaction() as tx:
        await save_enterprise(tx, msgspec.structs.replace(plant.PLANT, id="plant-b", zh="另一企业"), by=BY)
        await save_camera(tx, "plant-1/c0", CameraPlace(enterprise_id="plant-b", lon=plant.LON + 1, lat=plant.LAT), by=BY)
    await room.follows()
    assert [one.id for one in await room.linked(view)] == ["plant-1/c1"]
    async with store.read() as conn:
        assert len(await wanted_ids(conn)) == 1

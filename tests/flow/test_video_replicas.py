"""Two whole hubs as processes behind one PostgreSQL and one Mosquitto, each with a folder of its own as on two machines: live video over both."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from agents.cameras import Cameras
from hub.domain.access import Role
from hub.domain.camera import CameraPlace
from hub.ids import new_id
from hub.store import Store, changes_after
from hub.store.agents import note_presence
from hub.store.cameras import links_of, list_cameras, save_camera
from hub.store.recordings import recordings_of, segments_of
from hub.web.guard import COOKIE
from hub.wire import Place, Presence, Report, ReportKind, Topics, encode
from streams.evidence import verify
from streams.publisher import MediaLink
from tests.support import plant
from tests.support.hub_child import HubChild
from tests.support.mosquitto import Mosquitto
from tests.support.mqtt import Raw
from tests.support.postgres import Postgres
from tests.support.stores import fresh_postgres
from tests.support.until import PATIENCE_S
from tests.support.web_hub import cookie_for

FEED = "/api/v1/feeds/plant-1/cam"


async def eventually(found: Callable[[], Any], within_s: float = PATIENCE_S) -> Any:
    """What the (awaited) question gives once it gives something."""
    async with asyncio.timeout(within_s):
        while not (answer := await found()):
            await asyncio.sleep(0.05)
    return answer


class Pair:
    """Both hubs, their store and broker, a plant whose camera is shown."""

    def __init__(self, store: Store, hubs: tuple[HubChild, HubChild], broker: Mosquitto, headers: dict[str, str]) -> None:
        self.store, self.hubs, self.broker, self.headers = store, hubs, broker, headers

    async def report(self) -> str:
        """An agent's first report over the broker; gives the incident's id once it links the camera."""
        told = Report(id=new_id(), kind=ReportKind.INITIAL, occurred_at=datetime.now(UTC), title="储罐泄漏", event_types=("12D02",),
                      place=Place(text="厂区", lon=plant.LON, lat=plant.LAT, enterprise_id="plant-a"))
        async with Raw(self.broker.port) as sender:
            assert await sender.connect("plant-1") == 0
            sender.publish(Topics("district").up("plant-1", "report"), encode(told), qos=1)
            assert await sender.is_open()

        async def linked() -> str:
            async with self.store.read() as conn:
                opened = [c.incident_id or "" for c in await changes_after(conn, 0, limit=1000) if c.kind == "incident.opened"]
                return opened[-1] if opened and await links_of(conn, opened[-1]) else ""

        return str(await eventually(linked))

    async def owners(self, incident_id: str) -> list[int]:
        """Which hub holds files of which of the incident's recordings: the number of the hub for each folder there is."""
        async with self.store.read() as conn:
            ids = [one.id for one in await recordings_of(conn, incident_id)]
        return [n for id in ids for n, hub in enumerate(self.hubs) if (hub.folder / "recordings" / id).is_dir()]

    async def segments(self, incident_id: str) -> list[list[int]]:
        """The numbers of the chained segments of each of the incident's recordings."""
        async with self.store.read() as conn:
            return [[segment.n for segment in await segments_of(conn, one.id)] for one in await recordings_of(conn, incident_id)]


@pytest.fixture
async def pair(tmp_path: Path, postgres_server: Postgres) -> AsyncIterator[Pair]:
    url = fresh_postgres(postgres_server)
    async with Mosquitto(["max_queued_messages 1000", "set_tcp_nodelay true"]) as broker, AsyncExitStack() as stack:
        environment = {"TOCSIN_STORE_URL": url, "TOCSIN_BROKER": f"mqtt://127.0.0.1:{broker.port}", "TOCSIN_RECORDING_QUOTA_BYTES": str(2**30)}
        hubs = tuple(HubChild(tmp_path / name, environment=environment) for name in ("left", "right"))
        for hub in hubs:
            hub.folder.mkdir(parents=True, mode=0o700)
        store = await stack.enter_async_context(Store(url))
        secret = await plant.enrol(store, trusted=True)
        for hub in hubs:
            await stack.enter_async_context(hub)
        file = tmp_path / "cameras.yaml"
        file.write_text("cameras:\n  - {id: cam, url: 'synthetic:?size=320x180&rate=5&gop_s=1', preview_s: 1, pre_event_s: 3}\n", encoding="utf-8")
        link = MediaLink(agent_id="plant-1", host="127.0.0.1", port=broker.port, password=secret)
        cameras = await stack.enter_async_context(Cameras(file, link))
        await _show(store, cameras)
        _, token = await cookie_for(store, Role.OPERATOR, department="district-office")
        yield Pair(store, (hubs[0], hubs[1]), broker, {"Cookie": f"{COOKIE}={token}", "X-Tocsin": "console"})
    postgres_server.drop(url)


async def _show(store: Store, cameras: Cameras) -> None:
    async def well() -> bool:
        return any(camera.health == "online" for camera in cameras.presence())

    async def known() -> bool:
        async with store.read() as conn:
            return any(camera.health == "online" for camera in await list_cameras(conn))

    await eventually(well)
    async with store.transaction() as tx:
        await note_presence(tx, "plant-1", Presence(online=True, at=datetime.now(UTC), cameras=cameras.presence()))
    await eventually(known)
    async with store.transaction() as tx:
        await save_camera(tx, "plant-1/cam", CameraPlace(enterprise_id="plant-a", lon=plant.LON, lat=plant.LAT), by="system:test")


@asynccontextmanager
async def watching(hub: HubChild, headers: dict[str, str]) -> AsyncIterator[Viewer]:
    async with aiohttp.ClientSession(headers=headers) as client, client.ws_connect(hub.url + FEED) as socket:
        viewer = Viewer(socket)
        task = asyncio.create_task(viewer.follow())
        try:
            yield viewer
        finally:
            task.cancel()


class Viewer:
    """Reads a feed: how many pictures came, and when and why it ended."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket, self.pictures, self.ended_s, self.why = socket, 0, 0.0, ""

    async def follow(self) -> None:
        async for message in self.socket:
            self.pictures += message.type is aiohttp.WSMsgType.BINARY
        self.ended_s = time.monotonic()
        self.why = str(self.socket.close_code)

    async def sees(self, more: int = 5) -> None:
        """Wait for so many further pictures."""
        goal = self.pictures + more

        async def came() -> bool:
            return self.pictures >= goal

        await eventually(came)

    async def ends(self) -> float:
        async def over() -> float:
            return self.ended_s

        return float(await eventually(over))


async def test_both_replicas_show_a_camera_one_records_it_and_the_close_cuts_both(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    left, right = pair.hubs
    incident_id = await pair.report()
    async with watching(left, pair.headers) as one, watching(right, pair.headers) as other:
        await one.sees()
        await other.sees()
        await eventually(lambda: pair.owners(incident_id))
        assert len(await pair.owners(incident_id)) == 1
        async with aiohttp.ClientSession(headers=pair.headers) as desk, desk.post(
                f"{right.url}/api/v1/incidents/{incident_id}/close", json={"reason": "测试结束"}) as answer:
            closed_s = time.monotonic()
            assert answer.status == 200, await answer.text()
        took_s = [await viewer.ends() - closed_s for viewer in (one, other)]
    with capsys.disabled():
        print(f"\ncut after {took_s[0]:.2f} s on the other replica and {took_s[1]:.2f} s on the one that was asked")

    async def ended() -> bool:
        async with pair.store.read() as conn:
            return all(recording.ended_at for recording in await recordings_of(conn, incident_id))

    await eventually(ended)
    assert len(await pair.segments(incident_id)) == 1
    (holder,) = await pair.owners(incident_id)
    (recording,) = (pair.hubs[holder].folder / "recordings").iterdir()
    assert verify(recording).ok
    body = {"from_ms": 0, "to_ms": 2**50, "reason": "演练"}
    async with aiohttp.ClientSession(headers=pair.headers) as desk:
        async with desk.post(f"{pair.hubs[holder].url}/api/v1/recordings/{recording.name}/clip", json=body) as answer:
            assert answer.status == 200, await answer.text()
        async with desk.post(f"{pair.hubs[1 - holder].url}/api/v1/recordings/{recording.name}/clip", json=body) as answer:
            assert (answer.status, (await answer.json())["code"]) == (503, "recorded_elsewhere")


async def test_a_replica_that_dies_cuts_nobody_else_and_what_it_recorded_goes_on_as_another_recording(pair: Pair) -> None:
    incident_id = await pair.report()
    (dying,) = await eventually(lambda: pair.owners(incident_id))
    living = 1 - dying

    async def first() -> bool:
        return any(await pair.segments(incident_id))

    await eventually(first)
    async with watching(pair.hubs[living], pair.headers) as viewer:
        await viewer.sees()
        await pair.hubs[dying].kill()
        await viewer.sees(25)

        async def taken_over() -> bool:
            return (await pair.segments(incident_id))[1:] != [] and bool((await pair.segments(incident_id))[1])

        await eventually(taken_over, 120)
        assert viewer.ended_s == 0
    async with pair.store.read() as conn:
        before, after = await recordings_of(conn, incident_id)
        interrupted = [msgspec.json.decode(bytes(c.body)) for c in await changes_after(conn, 0, limit=5000) if c.kind == "recording.interrupted"]
    assert before.ended_at and not after.ended_at
    assert [one["code"] for one in interrupted] == ["elsewhere"], json.dumps(interrupted)
    assert await pair.owners(incident_id) == [dying, living]
    await pair.hubs[dying].start()

    async def recovered() -> bool:
        numbers, _ = await pair.segments(incident_id)
        files = sorted(path.name for path in (pair.hubs[dying].folder / "recordings" / before.id).glob("*.mp4"))
        return len(numbers) == len(files)

    await eventually(recovered)
    for id, hub in ((before.id, pair.hubs[dying]), (after.id, pair.hubs[living])):
        assert verify(hub.folder / "recordings" / id).ok

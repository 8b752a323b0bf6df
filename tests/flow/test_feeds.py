"""Live video in a running hub: who may watch, what is sent, what is chained, and how fast a view ends when its grant does."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import av
import msgspec
import pytest
from sqlalchemy import select

from hub.app import Running
from hub.clock import SystemClock
from hub.domain.access import Action, Role, Share, Tier, may
from hub.domain.camera import CameraAdvised, CameraPlace
from hub.domain.incident import Act
from hub.domain.sharing import Origin
from hub.operate.secrets import own_secret
from hub.store import changes_after
from hub.store.accounts import end_sessions, token_hash
from hub.store.agents import note_presence
from hub.store.cameras import camera_things, get_camera, links_of, save_camera, save_enterprise
from hub.store.desk import act_on
from hub.store.organisation import appoint, appointments_of, release
from hub.store.recordings import recordings_of
from hub.store.reports import get_incident
from hub.store.schema_people import session
from hub.store.sharing import end_shares, grant
from hub.web.guard import COOKIE
from hub.wire import MEDIA_HEADER_BYTES, Advisory, Camera, MediaKind, Place, Presence, Topics, encode, media_header, parse_media
from streams.strip import read_strip
from tests.support import plant
from tests.support.district import POLICY
from tests.support.district import one as somebody
from tests.support.mqtt import Raw
from tests.support.narrow_road import NarrowRoad
from tests.support.web_hub import cookie_for, web_hub

CAMERA = "  - id: cam\n    url: 'synthetic:?size=640x360&rate=10&gop_s=1'\n    preview_s: 0.5\n    pre_event_s: 3\n"
FEED = "/api/v1/feeds/plant-1/cam"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    """A whole hub with a plant whose camera is warm."""
    async with web_hub(tmp_path / "hub", SystemClock(), only=frozenset({"ingest", "respond", "web"})) as running:
        secret = await plant.enrol(running.services.store)
        await running.services.registry.load()  # enrolled past the reactor that would tell it
        async with plant.cameras(running, tmp_path, secret, CAMERA) as cameras:
            await plant.show(running, cameras)
            yield running


async def headers(hub: Running, role: Role = Role.OPERATOR, department: str = "district-office") -> dict[str, str]:
    _, token = await cookie_for(hub.services.store, role, department=department)
    return {"Cookie": f"{COOKIE}={token}", "X-Tocsin": "console"}


async def linked(hub: Running, incident_id: str) -> Any:
    async with asyncio.timeout(40):
        while True:
            async with hub.services.store.read() as conn:
                if links := await links_of(conn, incident_id):
                    return links
            await asyncio.sleep(0.02)


async def kinds(hub: Running, *wanted: str) -> list[Any]:
    async with hub.services.store.read() as conn:
        return [c for c in await changes_after(conn, 0, limit=1000) if c.kind in wanted]


async def first_pictures(socket: aiohttp.ClientWebSocketResponse, count: int = 3) -> tuple[bytes, list[bytes]]:
    init, media = b"", []
    async with asyncio.timeout(40):
        while len(media) < count:
            message = await socket.receive()
            assert message.type is not aiohttp.WSMsgType.CLOSE, message.extra
            if message.type is aiohttp.WSMsgType.TEXT:
                assert json.loads(message.data)["type"] in ("hello", "beat")
                continue
            header = parse_media(message.data)
            body = message.data[MEDIA_HEADER_BYTES:]
            if header.kind == 2:
                init = body.partition(b"\x00")[2]
            else:
                media.append(body)
    return init, media


async def closed(socket: aiohttp.ClientWebSocketResponse) -> tuple[float, str]:
    """When the socket was closed, and why."""
    async with asyncio.timeout(40):
        while True:
            message = await socket.receive()
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.ERROR):
                return time.monotonic(), str(message.extra or "")


async def _texts(socket: aiohttp.ClientWebSocketResponse, into: list[str]) -> None:
    """Read for ever, keeping the types of the texts."""
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT:
            into.append(json.loads(message.data)["type"])


async def act(hub: Running, incident_id: str, how: Act) -> None:
    async with hub.services.store.transaction() as tx:
        await act_on(tx, incident_id, how, by="system:test", reason="测试")


async def test_an_incident_opens_its_camera_to_the_desk_and_every_view_is_chained(hub: Running) -> None:
    incident_id = await plant.report(hub)
    links = await linked(hub, incident_id)
    assert links[0].id == "plant-1/cam"
    assert {"enterprise", "near", "looks"} <= {why.code for why in links[0].reasons}
    async with aiohttp.ClientSession(headers=await headers(hub)) as client, client.ws_connect(hub.web_url + FEED) as socket:
        init, media = await first_pictures(socket)
        with av.open(io.BytesIO(init + b"".join(media))) as film:
            picture = next(film.decode(video=0)).to_ndarray(format="bgr24")
        shown = read_strip(picture)
        assert shown is not None
        assert abs(time.time() * 1000 - shown) < 5000
        began = await kinds(hub, "view.started")
        assert json.loads(bytes(began[-1].body))["view"]["incident_id"] == incident_id
        assert json.loads(bytes(began[-1].body))["view"]["reason_code"] == "linked"
    async with asyncio.timeout(40):
        while not (ended := await kinds(hub, "view.ended")):
            await asyncio.sleep(0.05)
    view = json.loads(bytes(ended[-1].body))["view"]
    assert view["to_at"] > view["from_at"]
    assert view["ended"] == "left"


async def test_without_an_incident_the_desk_states_a_reason_which_is_on_record(hub: Running) -> None:
    async with aiohttp.ClientSession(headers=await headers(hub)) as client:
        async with client.get(hub.web_url + FEED) as refused:
            assert refused.status == 403
            assert (await refused.json())["code"] == "reason_needed"
        async with client.ws_connect(hub.web_url + FEED + "?reason=巡查") as socket:
            await first_pictures(socket, 1)
    assert json.loads(bytes((await kinds(hub, "view.started"))[-1].body))["view"]["reason"] == "巡查"


async def test_a_department_watches_only_once_verified_and_is_cut_within_a_second_of_the_close(hub: Running) -> None:
    incident_id = await plant.report(hub)
    await linked(hub, incident_id)
    async with hub.services.store.transaction() as tx:
        view = await get_incident(tx.conn, incident_id)
        assert view is not None
        await grant(tx, view, "fire-rescue", Tier.ASSIST, origin=Origin.MANUAL, reason="协同", by="system:test")
    fire = await headers(hub, Role.RESPONDER, "fire-rescue")
    async with aiohttp.ClientSession(headers=fire) as client:
        async with client.get(hub.web_url + FEED) as refused:
            assert (await refused.json())["code"] == "unverified"
        await act(hub, incident_id, Act.VERIFY)
        async with client.ws_connect(hub.web_url + FEED) as socket:
            await first_pictures(socket)
            began = time.monotonic()
            await act(hub, incident_id, Act.CLOSE)
            at, why = await closed(socket)
            assert at - began < 1.0
            assert why in ("closed", "not_linked")
        async with client.get(hub.web_url + FEED) as refused:
            assert refused.status == 403


@pytest.mark.parametrize("how", ["share", "session", "expiry", "move"])
async def test_a_view_is_cut_within_a_second_when_its_share_or_session_ends_or_its_viewer_is_moved(hub: Running, how: str) -> None:
    incident_id = await plant.report(hub, trusted=True)
    await linked(hub, incident_id)
    store = hub.services.store
    who, token = await cookie_for(store, Role.RESPONDER, department="transport-bureau")
    await cookie_for(store, Role.RESPONDER, department="agriculture-bureau")
    until_at = store.clock.now() + timedelta(seconds=12) if how == "expiry" else None
    async with store.transaction() as tx:
        view = await get_incident(tx.conn, incident_id)
        assert view is not None
        row = await grant(tx, view, "transport-bureau", Tier.ASSIST, origin=Origin.MANUAL, reason="协同", by="system:test", until_at=until_at)
    async with aiohttp.ClientSession(headers={"Cookie": f"{COOKIE}={token}", "X-Tocsin": "console"}) as client, \
            client.ws_connect(hub.web_url + FEED) as socket:
        await first_pictures(socket)
        began = time.monotonic() + ((until_at - store.clock.now()).total_seconds() if until_at is not None else 0)
        async with store.transaction() as tx:
            if how == "share":
                await end_shares(tx, by="system:test", reason="撤回", share_id=row.id)
            elif how == "move":
                (held,) = await appointments_of(tx.conn, person_id=who)
                await release(tx, held.id, by="system:test", reason="调动")
                await appoint(tx, who, held.post_id.replace("transport-bureau", "agriculture-bureau"), POLICY, by="system:test")
            elif how == "session":
                held = (await tx.conn.execute(select(session.c.id).where(session.c.token_hash == token_hash(token)))).scalar_one()
                await end_sessions(tx, by="system:test", reason="revoked", session_id=held)
        at, why = await closed(socket)
    assert at - began < 1.0
    assert why == {"session": "signed_out", "expiry": "share_ended"}.get(how, "not_shared")


async def test_a_camera_that_is_given_to_another_enterprise_is_cut_from_the_one_it_belonged_to(hub: Running) -> None:
    store = hub.services.store
    async with store.transaction() as tx:
        await save_enterprise(tx, msgspec.structs.replace(plant.PLANT, id="plant-b", zh="另一企业"), by="system:test")
    _, token = await cookie_for(store, Role.ENTERPRISE_CONTACT, enterprise="plant-a")
    async with aiohttp.ClientSession(headers={"Cookie": f"{COOKIE}={token}", "X-Tocsin": "console"}) as client, \
            client.ws_connect(hub.web_url + FEED) as socket:
        await first_pictures(socket)
        began = time.monotonic()
        async with store.transaction() as tx:
            await save_camera(tx, "plant-1/cam", CameraPlace(enterprise_id="plant-b"), by="system:test")
        at, why = await closed(socket)
    assert at - began < 1.0
    assert why == "not_linked"


async def test_a_grant_that_ends_while_its_view_is_being_opened_is_found_all_the_same(hub: Running) -> None:
    incident_id = await plant.report(hub, trusted=True)
    await linked(hub, incident_id)
    store, views = hub.services.store, hub.services.extra["views"]
    async with store.read() as conn:
        camera = await get_camera(conn, "plant-1/cam")
        assert camera is not None
        stale = (await camera_things(conn, [camera]))[camera.id]
    stranger = somebody(Role.RESPONDER, "agriculture-bureau")
    stale = msgspec.structs.replace(stale, incidents=tuple(
        msgspec.structs.replace(one, shares=(Share("agriculture-bureau", Tier.ASSIST),), verified=True) for one in stale.incidents))
    decision = may(stranger, Action.CAMERA_WATCH, stale, store.clock.now())
    assert decision.allowed
    await asyncio.sleep(0.2)  # every change so far has been looked at
    asked = SimpleNamespace(actor=stranger, now=store.clock.now())
    async with asyncio.timeout(10), views.watching(asked, camera, stale, decision, "stream") as one:
        await one.cut.wait()
    assert one.why == "not_shared"


async def test_the_previews_that_somebody_sees_are_chained_with_the_incident_they_are_seen_for(hub: Running) -> None:
    incident_id = await plant.report(hub)
    await linked(hub, incident_id)
    async with aiohttp.ClientSession(headers=await headers(hub)) as client, client.get(hub.web_url + FEED + "/preview.jpg") as answer:
        assert answer.status == 200
    view = json.loads(bytes((await kinds(hub, "view.started"))[-1].body))["view"]
    assert (view["how"], view.get("incident_id")) == ("preview", incident_id)


async def test_previews_and_snapshots_are_jpegs_and_a_signed_link_plays_without_an_account(hub: Running) -> None:
    await linked(hub, await plant.report(hub))
    async with aiohttp.ClientSession(headers=await headers(hub)) as client:
        async with client.get(hub.web_url + FEED + "/preview.jpg") as answer:
            assert answer.status == 200
            assert int(answer.headers["X-Age-Ms"]) < 5000
            assert (await answer.read())[:2] == b"\xff\xd8"
        async with client.post(hub.web_url + FEED + "/snapshot") as answer:
            assert answer.status == 200, await answer.text()
        async with client.post(hub.web_url + FEED + "/links", json={"minutes": 1}) as answer:
            path = (await answer.json())["path"]
    async with aiohttp.ClientSession() as stranger:
        async with stranger.get(hub.web_url + path) as answer:
            assert answer.content_type == "multipart/x-mixed-replace"
            head = await answer.content.readuntil(b"\r\n\r\n")
            assert b"image/jpeg" in head
        async with stranger.get(hub.web_url + path[:-1] + ("0" if path[-1] != "0" else "1")) as answer:
            assert answer.status == 404


async def test_a_links_still_is_the_newest_key_frame_in_full_size_or_else_says_that_it_is_the_preview(hub: Running) -> None:
    jpeg = b"\xff\xd8 small"
    await linked(hub, await plant.report(hub))
    async with hub.services.store.transaction() as tx:
        await save_camera(tx, "plant-1/away", CameraPlace(enterprise_id="plant-a"), by="system:test")
    hub.services.extra["relay"].feed("plant-1", "away", MediaKind.PREVIEW, media_header(MediaKind.PREVIEW, key=True, seq=1, wall_ms=1) + jpeg)
    paths = {}
    async with aiohttp.ClientSession(headers=await headers(hub)) as client:
        for camera in ("cam", "away"):
            async with client.post(f"{hub.web_url}/api/v1/feeds/plant-1/{camera}/links", json={"reason": "测试"}) as answer:
                paths[camera] = (await answer.json())["path"]
    async with aiohttp.ClientSession() as stranger:
        async with stranger.get(hub.web_url + paths["cam"] + "?still=true") as answer:
            assert (answer.status, answer.headers["X-Picture"]) == (200, "full")
            with av.open(io.BytesIO(await answer.read())) as still:
                picture = next(still.decode(video=0))
        shown = read_strip(picture.to_ndarray(format="bgr24"))
        assert (picture.width, picture.height) == (640, 360)
        assert shown is not None and abs(int(answer.headers["X-Wall-Ms"]) - shown) < 1000 and abs(time.time() * 1000 - shown) < 10_000
        async with stranger.get(hub.web_url + paths["away"] + "?still=true") as answer:
            assert (answer.status, answer.headers["X-Picture"], await answer.read()) == (200, "preview", jpeg)


async def test_an_advisory_is_a_hint_on_the_feed_and_in_the_timeline_of_the_incident_and_opens_nothing(hub: Running) -> None:
    store, topic = hub.services.store, Topics().up("plant-1", "advisory")
    incident_id = await plant.report(hub)
    await linked(hub, incident_id)
    secret = await plant.enrol(store)
    await hub.services.registry.load()

    def says(kind: str, camera_id: str = "cam") -> bytes:
        return encode(Advisory(camera_id=camera_id, at=datetime.now(UTC), kind=kind, score=0.8, detector="motion"))

    async with Raw(hub.mqtt_port) as agent:
        assert await agent.connect("plant-1", "plant-1", secret) == 0
        for payload in (b"{}", b'{"camera_id":1}', says("motion", "made-up"), says("motion"), says("motion"), says("smoke")):
            agent.publish(topic, payload)
        async with asyncio.timeout(40):
            while len(said := await kinds(hub, "camera.advised")) < 2:
                await asyncio.sleep(0.02)
    assert [(c.incident_id, c.read(CameraAdvised).camera.advised.kind) for c in said] == [(incident_id, "motion"), (incident_id, "smoke")]
    async with store.read() as conn:
        camera = await get_camera(conn, "plant-1/cam")
    assert camera is not None and camera.advised is not None and (camera.advised.kind, camera.health) == ("smoke", "online")
    assert len(await kinds(hub, "incident.opened")) == 1
    async with aiohttp.ClientSession(headers=await headers(hub)) as client, \
            client.get(f"{hub.web_url}/api/v1/incidents/{incident_id}/timeline") as answer:
        assert [item["kind"] for item in (await answer.json())["items"]].count("camera.advised") == 2


async def test_a_signed_link_holds_for_its_camera_and_its_time_alone_and_nothing_made_up_is_an_error_of_the_hub(hub: Running) -> None:
    await linked(hub, await plant.report(hub))
    async with aiohttp.ClientSession(headers=await headers(hub)) as client, client.post(hub.web_url + FEED + "/links", json={}) as answer:
        path = (await answer.json())["path"]
    front, _, token = path.rpartition("/")
    coded, _, signature = token.partition(".")
    words = json.loads(bytes.fromhex(coded))
    past = json.dumps([*words[:4], "2020-01-01T00:00:00.000Z"]).encode()
    signed = hmac.new(own_secret(hub.services.settings.data_path, "feed-links").encode(), past, hashlib.sha256).hexdigest()
    other = json.dumps([words[0], "gate", *words[2:]]).encode().hex()
    longer = json.dumps([*words[:4], "2099-01-01T00:00:00.000Z"]).encode().hex()
    async with aiohttp.ClientSession() as stranger:
        for made in (f"{past.hex()}.{signed}", f"{other}.{signature}", f"{longer}.{signature}", f"{coded}.签名", f"{coded}.", coded, "zz.00", "."):
            async with stranger.get(hub.web_url + front + "/" + made + "?still=true") as answer:
                assert answer.status == 404, made
        async with stranger.get(hub.web_url + path + "?still=true") as answer:
            assert (answer.status, answer.content_type) == (200, "image/jpeg")


async def test_a_viewer_on_a_line_of_200_kbit_is_told_so_and_nobody_else_is_slower(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    camera = "  - id: cam\n    url: 'synthetic:?size=640x360&rate=25&gop_s=1'\n    preview_s: 1\n"
    async with web_hub(tmp_path / "hub", SystemClock(), only=frozenset({"ingest", "respond", "web"})) as running:
        secret = await plant.enrol(running.services.store)
        await running.services.registry.load()
        async with plant.cameras(running, tmp_path, secret, camera) as cameras:
            await plant.show(running, cameras)
            await linked(running, await plant.report(running))
            port = int(running.web_url.rpartition(":")[2])
            async with NarrowRoad(port, 25_000, down=True) as road, aiohttp.ClientSession(headers=await headers(running)) as client, \
                    client.ws_connect(f"http://127.0.0.1:{road.port}{FEED}") as slow, \
                    client.ws_connect(running.web_url + FEED) as quick:
                seen: list[str] = []
                texts: list[str] = []
                reading = asyncio.create_task(_texts(quick, texts))
                async with asyncio.timeout(40):
                    while "note" not in seen:
                        message = await slow.receive()
                        if message.type is aiohttp.WSMsgType.TEXT:
                            seen.append(json.loads(message.data)["type"])
                            last = json.loads(message.data)
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                assert last == {"type": "note", "code": "slow_line"}
                assert [text for text in texts if text != "beat"] == ["hello"]
    assert [record.camera for record in caplog.records if record.message == "pictures are left out"] == ["plant-1/cam"]


async def test_a_moment_is_marked_for_an_incident_that_links_the_camera_and_for_no_other(hub: Running) -> None:
    linking = await plant.report(hub)
    await linked(hub, linking)
    far = await plant.report(hub, place=Place(text="别处", lon=plant.LON + 0.5, lat=plant.LAT))
    async with aiohttp.ClientSession(headers=await headers(hub)) as client:
        async with client.post(hub.web_url + FEED + "/mark", json={"incident_id": far, "wall_ms": 1, "text": "烟"}) as refused:
            assert refused.status == 422
            assert (await refused.json())["code"] == "camera_not_linked"
        async with client.post(hub.web_url + FEED + "/mark", json={"incident_id": linking, "wall_ms": 1, "text": "烟"}) as answer:
            assert answer.status == 200, await answer.text()
    assert [change.incident_id for change in await kinds(hub, "camera.marked")] == [linking]


async def test_a_linked_camera_is_recorded_with_the_seconds_before_and_its_clip_verifies_offline(hub: Running, tmp_path: Path) -> None:
    incident_id = await plant.report(hub)
    await linked(hub, incident_id)
    recorder = hub.services.extra["recordings"].recorder
    async with asyncio.timeout(40):
        while not recorder.recording:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.01)
    async with asyncio.timeout(40):
        key = next(iter(recorder.relay.keys()))
        while recorder.relay.figures(key).received < 30:
            await asyncio.sleep(0.05)
    await act(hub, incident_id, Act.FALSE_ALARM)
    async with asyncio.timeout(40):
        while not await kinds(hub, "recording.ended"):
            await asyncio.sleep(0.05)
    closed_segments = [json.loads(bytes(c.body))["segment"] for c in await kinds(hub, "recording.segment_closed")]
    assert closed_segments
    async with aiohttp.ClientSession(headers=await headers(hub)) as client:
        async with client.get(f"{hub.web_url}/api/v1/incidents/{incident_id}/recordings") as answer:
            rows = (await answer.json())["items"]
        assert {s["sha256"] for s in rows[0]["segments"]} == {s["sha256"] for s in closed_segments}
        span = {"from_ms": min(s["first_wall_ms"] for s in closed_segments), "to_ms": max(s["last_wall_ms"] for s in closed_segments) + 1,
                "reason": "调查"}
        async with client.post(f"{hub.web_url}/api/v1/recordings/{rows[0]['recording']['id']}/clip", json=span) as answer:
            assert answer.status == 200, await answer.text()
            packed = await answer.read()
    check_clip(packed, tmp_path / "clip")
    assert await kinds(hub, "recording.exported")


def check_clip(packed: bytes, folder: Path) -> None:
    """The clip plays, verifies, and no longer verifies once a byte of it is altered."""
    import zipfile

    from streams.evidence import verify

    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(folder)
    clip = next(folder.glob("*.mp4"))
    assert not verify(clip).problems
    with av.open(str(clip)) as film:
        assert sum(1 for _ in film.decode(video=0)) > 5
    data = bytearray(clip.read_bytes())
    data[len(data) // 2] ^= 1
    clip.write_bytes(data)
    assert verify(clip).problems


async def test_a_camera_goes_offline_with_its_agent_and_the_change_is_on_the_feed(hub: Running) -> None:
    async with hub.services.store.transaction() as tx:
        await note_presence(tx, "plant-1", Presence(online=False))
    async with asyncio.timeout(40):
        while True:
            bodies = [json.loads(bytes(c.body)) for c in await kinds(hub, "camera.health_changed")]
            if bodies and bodies[-1]["camera"]["health"] == "offline":
                break
            await asyncio.sleep(0.02)
    assert (bodies[-1]["before"], bodies[-1]["camera"]["measure"]) == ("online", "agent_offline")


async def test_a_camera_that_was_away_when_the_incident_opened_plays_and_is_recorded_once_it_is_back(hub: Running) -> None:
    async def presence(online: bool) -> None:
        async with hub.services.store.transaction() as tx:
            await note_presence(tx, "plant-1", Presence(online=online, cameras=(Camera(id="cam", health="online", measure="sharpness=1.00"),)))

    await presence(online=False)
    async with asyncio.timeout(40):
        while not any(json.loads(bytes(c.body))["camera"]["health"] == "offline" for c in await kinds(hub, "camera.health_changed")):
            await asyncio.sleep(0.02)
    incident_id = await plant.report(hub)
    (away,) = await linked(hub, incident_id)
    assert (away.plays, away.recorded) == (False, False)
    await presence(online=True)
    async with asyncio.timeout(40):
        while True:
            async with hub.services.store.read() as conn:
                (back,), recordings = await links_of(conn, incident_id), await recordings_of(conn, incident_id)
            if back.plays and recordings:
                break
            await asyncio.sleep(0.02)
    assert back.recorded
    assert [(one.camera_id, one.reason) for one in recordings] == [("cam", "linkage")]
    said = [json.loads(bytes(c.body))["cameras"][0].get("plays", True) for c in await kinds(hub, "camera.linked")]
    assert said == [False, True]

"""Video from a real camera to a viewer: RTSP → agent → Mosquitto → relay, and what comes out must play."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from agents.cameras import Cameras
from hub.ingest.link import Broker
from hub.ingest.media import MediaSession
from hub.operate.bench_camera import RtspServer
from hub.wire import MediaKind
from streams.fragment import TICKS, Sample, Track, parse_fragment, parse_init
from streams.publisher import MediaLink
from streams.relay import CameraKey, Chunk, FeedState, Relay, RelayLimits
from streams.strip import read_strip
from tests.support.mosquitto import Mosquitto
from tests.support.ports import free_port
from tests.support.until import until

KEY = CameraKey("plant-1", "cam")
GROUP_MS = 2_000
"""The longest group of pictures of these cameras (`/gop2`)."""


@pytest.fixture(scope="module")
def camera() -> Iterator[RtspServer]:
    with RtspServer(port=free_port()) as server:
        yield server


class Rig:
    """A broker, an agent with its cameras and a relay."""

    def __init__(self, broker: Mosquitto, cameras: Cameras, relay: Relay) -> None:
        self.broker, self.cameras, self.relay = broker, cameras, relay

    def health(self, camera_id: str = "cam") -> str:
        return next(camera.health for camera in self.cameras.presence() if camera.id == camera_id)

    async def warm(self) -> None:
        """Wait until the first preview has come: the camera is open and its ring filled."""
        await until(lambda: self.relay.preview(KEY), 15, "a preview")


@asynccontextmanager
async def rig(folder: Path, lines: str, *, limits: RelayLimits | None = None, broker_lines: tuple[str, ...] = (),
              **cameras_options: Any) -> AsyncIterator[Rig]:
    file = folder / "cameras.yaml"
    file.write_text("cameras:\n" + lines, encoding="utf-8")
    async with hub(limits, broker_lines) as (broker, relay):
        link = MediaLink(agent_id="plant-1", host="127.0.0.1", port=broker.port)
        async with Cameras(file, link, references=folder / "references", **cameras_options) as cameras:
            yield Rig(broker, cameras, relay)


@asynccontextmanager
async def hub(limits: RelayLimits | None = None, broker_lines: tuple[str, ...] = ()) -> AsyncIterator[tuple[Mosquitto, Relay]]:
    """A broker and a relay with its session."""
    async with Mosquitto(["max_queued_messages 1000", "set_tcp_nodelay true", *broker_lines]) as broker:
        relay = Relay(limits=limits or RelayLimits(linger_s=0.5))
        session = MediaSession(relay, Broker("127.0.0.1", broker.port, "hub-media", None))
        running = asyncio.create_task(session.run())
        try:
            await asyncio.wait_for(session.link.connected.wait(), 10)
            yield broker, relay
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def entry(url: str, **more: object) -> str:
    rows = [f"  - id: cam\n    url: {url}\n    preview_s: 0.5\n    longest_pause_s: 0.5\n"]
    return "".join([*rows, *(f"    {name}: {value}\n" for name, value in more.items())])


async def collect(relay: Relay, enough: Callable[[list[Chunk]], bool], within_s: float = 40.0, **options: Any) -> list[Chunk]:
    chunks: list[Chunk] = []
    async with asyncio.timeout(within_s), relay.watch(KEY, **options) as viewer:
        async for chunk in viewer:
            chunks.append(chunk)
            if enough(chunks):
                return chunks
    raise AssertionError(f"the feed ended: {viewer.ended}")


def media(chunks: list[Chunk]) -> list[Chunk]:
    return [chunk for chunk in chunks if chunk.kind is MediaKind.MEDIA]


def as_file(chunks: list[Chunk]) -> bytes:
    """What a player is given: the last init segment and everything after it."""
    last = max(n for n, chunk in enumerate(chunks) if chunk.kind is MediaKind.INIT)
    return parse_init(chunks[last].body)[1] + b"".join(bytes(chunk.body) for chunk in chunks[last + 1:])


def pictures(file: bytes) -> list[tuple[float, int | None]]:
    with av.open(io.BytesIO(file)) as container:
        return [(float(frame.pts * frame.time_base), read_strip(frame.to_ndarray(format="rgb24"))) for frame in container.decode(video=0)]


def samples(chunks: list[Chunk], track: Track = Track.VIDEO) -> list[Sample]:
    return [sample for chunk in media(chunks) for sample in parse_fragment(chunk.body) if sample.track is track]


@pytest.mark.parametrize("mount", ["/h264", "/gop2", "/bframes", "/slices", "/h265"])
async def test_a_camera_plays_at_the_viewer_with_its_clock_running(tmp_path: Path, camera: RtspServer, mount: str) -> None:
    async with rig(tmp_path, entry(camera.url(mount))) as r:
        chunks = await collect(r.relay, lambda chunks: len(samples(chunks)) >= 60)
    assert chunks[0].kind is MediaKind.INIT
    assert chunks[1].key
    shown = pictures(as_file(chunks))
    clocks = [clock for _, clock in shown if clock is not None]
    assert len(clocks) >= 0.9 * len(samples(chunks))
    assert clocks == sorted(clocks)
    steps = sorted(b - a for a, b in pairwise(clocks))
    assert steps[-2] < 500
    assert steps[-1] <= GROUP_MS  # a busy machine may leave pictures out once, up to the next key frame and no further
    assert abs((clocks[-1] - clocks[0]) / 1000 - (shown[-1][0] - shown[0][0])) < 0.3


async def test_a_warm_camera_shows_its_first_picture_at_once(tmp_path: Path, camera: RtspServer) -> None:
    async with rig(tmp_path, entry(camera.url("/h264"))) as r:
        await r.warm()
        waits = []
        for _ in range(5):
            began = time.monotonic()
            chunks = await collect(r.relay, lambda chunks: bool(media(chunks)))
            waits.append(time.monotonic() - began)
            assert chunks[1].key and chunks[1].cached
            await until(lambda: r.relay.figures(KEY).state is FeedState.IDLE, what="the feed stops after the linger")
    print("first picture after", [f"{wait * 1000:.0f} ms" for wait in waits])
    assert sorted(waits)[2] < 0.1


async def test_a_second_viewer_begins_with_the_group_that_is_on(tmp_path: Path, camera: RtspServer) -> None:
    async with rig(tmp_path, entry(camera.url("/gop2"))) as r, r.relay.watch(KEY) as first:
        async for chunk in first:
            if chunk.kind is MediaKind.MEDIA and not chunk.cached:
                break
        began = time.monotonic()
        chunks = await collect(r.relay, lambda chunks: len(media(chunks)) >= 3)
        assert time.monotonic() - began < 0.5
        assert chunks[0].kind is MediaKind.INIT and chunks[1].key and chunks[1].cached


async def test_a_change_of_size_in_the_stream_is_a_new_init_segment_and_both_play(
        tmp_path: Path, camera: RtspServer, caplog: pytest.LogCaptureFixture) -> None:
    def two_inits_and_more(chunks: list[Chunk]) -> bool:
        inits = [n for n, chunk in enumerate(chunks) if chunk.kind is MediaKind.INIT]
        return len(inits) >= 2 and len(chunks) - inits[-1] > 20

    async with rig(tmp_path, entry(camera.url("/sps"))) as r:
        chunks = await collect(r.relay, two_inits_and_more)
        assert "resized" in (r.cameras.presence()[0].measure or "")
    assert any("changed the size" in record.message for record in caplog.records)
    infos = [parse_init(chunk.body)[0] for chunk in chunks if chunk.kind is MediaKind.INIT]
    assert {(info.w, info.h) for info in infos} == {(640, 360), (320, 180)}
    assert len(pictures(as_file(chunks))) >= 15
    cut = max(n for n, chunk in enumerate(chunks) if chunk.kind is MediaKind.INIT)
    assert len(pictures(as_file(chunks[:cut]))) > 1


async def test_aac_comes_along_and_g711_is_left_out_and_said_so(tmp_path: Path, camera: RtspServer) -> None:
    async with rig(tmp_path, entry(camera.url("/aac"))) as r:
        chunks = await collect(r.relay, lambda chunks: len(samples(chunks, Track.AUDIO)) > 40)
        info = parse_init(chunks[0].body)[0]
        assert info.audio == "mp4a.40.2"
        with av.open(io.BytesIO(as_file(chunks))) as container:
            assert sum(frame.samples for frame in container.decode(audio=0)) > 30 * 1024
    (tmp_path / "b").mkdir()
    async with rig(tmp_path / "b", entry(camera.url("/g711"))) as r:
        chunks = await collect(r.relay, lambda chunks: len(media(chunks)) > 5)
        info = parse_init(chunks[0].body)[0]
        assert (info.audio, info.dropped_audio) == (None, "pcm_alaw")


async def test_h265_becomes_h264_only_where_it_is_asked_for_and_says_so(tmp_path: Path, camera: RtspServer) -> None:
    async with rig(tmp_path, entry(camera.url("/h265"))) as r:
        plain = await collect(r.relay, lambda chunks: len(media(chunks)) > 5)
        assert parse_init(plain[0].body)[0].codec.startswith("hvc1")
        chunks = await collect(r.relay, lambda chunks: len(samples(chunks)) > 40 and parse_init(
            next(c for c in reversed(chunks) if c.kind is MediaKind.INIT).body)[0].transcoded == "h265", quality="h264")
        info = parse_init(next(c for c in reversed(chunks) if c.kind is MediaKind.INIT).body)[0]
        assert info.codec.startswith("avc1") and info.quality == "h264"
        assert len([clock for _, clock in pictures(as_file(chunks)) if clock]) > 20


async def test_who_opens_the_full_picture_leaves_the_walls_their_sub_stream_and_both_count_no_loss(tmp_path: Path, camera: RtspServer) -> None:
    async with rig(tmp_path, entry(camera.url("/hd"), sub_url=camera.url("/small"), keep_open="sub")) as r:
        await r.warm()
        wall: list[Chunk] = []

        async def watch_wall() -> None:
            async with r.relay.watch(KEY, quality="sub", fragment_s=0.25) as viewer:
                async for chunk in viewer:
                    wall.append(chunk)

        watching = asyncio.create_task(watch_wall())
        await until(lambda: len(media(wall)) > 4, 15)
        full = await collect(r.relay, lambda chunks: parse_init(next(c for c in reversed(chunks) if c.kind is MediaKind.INIT).body)[0].quality == "main"
                             and len(samples(chunks)) > 60)
        before = len(media(wall))
        await until(lambda: len(media(wall)) > before + 12, 15)
        watching.cancel()
        lost = r.relay.figures(KEY).lost
    infos = [parse_init(chunk.body)[0] for chunk in wall if chunk.kind is MediaKind.INIT]
    assert [info.quality for info in infos] == ["sub"], "the wall got nothing that it had not asked for"
    dts = [sample.dts for sample in samples(wall)]
    assert max(b - a for a, b in pairwise(dts)) < TICKS, "and went on without a break"
    last = parse_init(next(c for c in reversed(full) if c.kind is MediaKind.INIT).body)[0]
    assert last.w > infos[0].w
    assert lost == 0


async def test_a_camera_without_a_sub_stream_sends_once_what_walls_and_full_pictures_show(tmp_path: Path, camera: RtspServer) -> None:
    async with rig(tmp_path, entry(camera.url("/h264"))) as r, r.relay.watch(KEY, quality="sub") as wall, r.relay.watch(KEY) as full:
        chunks: list[list[Chunk]] = [[], []]
        async with asyncio.timeout(20):
            for n, viewer in enumerate((wall, full)):
                async for chunk in viewer:
                    chunks[n].append(chunk)
                    if len(chunks[n]) > 40:
                        break
        outlet = r.cameras._group.units["cam"].outlet  # type: ignore[union-attr]
        assert sum(stream.asked > 0 for stream in outlet._streams.values()) == 1
    sent = [{chunk.seq for chunk in media(got) if not chunk.cached} for got in chunks]
    assert len(sent[0] & sent[1]) > 10, "the same messages"


async def test_fragments_of_a_quarter_second_carry_the_same_pictures_in_fewer_messages(tmp_path: Path, camera: RtspServer) -> None:
    async with rig(tmp_path, entry(camera.url("/h264"))) as r, r.relay.watch(KEY, fragment_s=0.25) as viewer:
        live = []
        async with asyncio.timeout(20):
            async for chunk in viewer:
                if chunk.kind is MediaKind.MEDIA and not chunk.cached:
                    live.append(chunk)
                if len(live) == 12:
                    break
    counts = [len(parse_fragment(chunk.body)) for chunk in live]
    assert sum(counts) / len(counts) > 4


async def test_the_camera_going_away_is_named_and_its_return_plays_on(tmp_path: Path) -> None:
    with RtspServer(port=free_port()) as server:
        async with rig(tmp_path, entry(server.url("/h264"), timeout_s=1)) as r:
            await r.warm()
            async with r.relay.watch(KEY) as viewer:
                seen: list[Chunk] = []

                async def read() -> None:
                    async for chunk in viewer:
                        seen.append(chunk)

                reading = asyncio.create_task(read())
                await until(lambda: len(seen) > 30)
                await asyncio.to_thread(server.kill)
                await until(lambda: r.health() == "offline", 15)
                measure = r.cameras.presence()[0].measure
                assert measure and "127.0.0.1" not in measure
                await asyncio.to_thread(server.start)
                before = len(seen)
                await until(lambda: len(seen) > before + 30, 20)
                await until(lambda: r.health() == "online", 10)
                reading.cancel()
        dts = [sample.dts for sample in samples(seen)]
        assert dts == sorted(dts)


async def test_a_broker_restart_in_the_middle_goes_on_by_itself(tmp_path: Path, camera: RtspServer) -> None:
    async with rig(tmp_path, entry(camera.url("/h264")), limits=RelayLimits(ttl_s=3, linger_s=1)) as r, r.relay.watch(KEY) as viewer:
        seen: list[Chunk] = []

        async def read() -> None:
            async for chunk in viewer:
                seen.append(chunk)

        reading = asyncio.create_task(read())
        await until(lambda: len(media(seen)) > 20)
        await r.broker.kill()
        await r.broker.start()
        before = len(media(seen))
        await until(lambda: len(media(seen)) > before + 30, 30)
        reading.cancel()
        assert len(pictures(as_file(seen))) > 30


async def test_the_seconds_before_the_event_come_with_the_recording(tmp_path: Path, camera: RtspServer) -> None:
    async with rig(tmp_path, entry(camera.url("/h264"), pre_event_s=4)) as r:
        await r.warm()
        unit = r.cameras._group.units["cam"]  # type: ignore[union-attr]
        await until(lambda: len(unit.outlet._rings["main"].before(3)) >= 3, 15)
        chunks = await collect(r.relay, lambda chunks: sum(c.pre_event for c in chunks) >= 3 and len(media(chunks)) > 10, pre_event_s=4)
    early = [chunk for chunk in chunks if chunk.pre_event]
    live = [chunk for chunk in media(chunks) if not chunk.pre_event]
    first_live = parse_fragment(live[0].body)[0].dts
    assert all(sample.dts < first_live for chunk in early for sample in parse_fragment(chunk.body))
    file = parse_init(chunks[0].body)[1] + b"".join(bytes(chunk.body) for chunk in early + live)
    clocks = [clock for _, clock in pictures(file) if clock]
    assert live[0].wall_ms - clocks[0] > 2500


async def test_more_cameras_than_one_process_takes_run_in_several(tmp_path: Path) -> None:
    lines = "".join(f"  - id: cam-{n}\n    url: synthetic:?size=160x90&rate=4&seed={n}\n    preview_s: 0.5\n    motion: {str(n == 1).lower()}\n" for n in range(5))
    async with rig(tmp_path, lines, per_process=2) as r:
        await until(lambda: all(camera.health == "online" for camera in r.cameras.presence()), 30)
        assert [camera.id for camera in r.cameras.presence()] == [f"cam-{n}" for n in range(5)]
        async with asyncio.timeout(40):
            assert (await r.cameras.advised.get()).camera_id == "cam-1", "what a detector sees comes out of the child process"
        for n in range(5):
            key = CameraKey("plant-1", f"cam-{n}")
            async with asyncio.timeout(40), r.relay.watch(key) as viewer:
                async for chunk in viewer:
                    if chunk.kind is MediaKind.MEDIA:
                        break

"""Recording from a real camera through a real broker: killed and continued, checked offline afterwards, exported as a clip that plays."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import av
import msgspec
import pytest

from hub.operate.bench_camera import RtspServer
from hub.wire import MediaKind
from streams.evidence import Entry, Lost, RecordingHeader, Segment, export, segments_of, verify
from streams.fragment import parse_init
from streams.recorder import Recorder, RecorderOptions
from streams.relay import RelayLimits
from streams.strip import read_strip
from tests.flow.test_video_live import as_file, collect, entry, hub, pictures, rig, samples
from tests.support.ports import free_port
from tests.support.until import until

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def camera() -> Iterator[RtspServer]:
    with RtspServer(port=free_port()) as server:
        yield server


def header(name: str = "rec-1") -> RecordingHeader:
    return RecordingHeader(recording_id=name, agent_id="plant-1", camera_id="cam", reason="incident", started_at=datetime.now(UTC), incident_id="i-1")


def clocks(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        read = [read_strip(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    return [clock for clock in read if clock is not None]


@pytest.mark.parametrize("mount", ["/h264", "/bframes", "/h265", "/aac"])
async def test_a_recording_holds_the_seconds_before_plays_and_passes_the_check(tmp_path: Path, camera: RtspServer, mount: str) -> None:
    told: list[Entry] = []
    async with rig(tmp_path, entry(camera.url(mount), pre_event_s=3)) as r:
        await r.warm()
        ring = r.cameras._group.units["cam"].outlet._rings["main"]  # type: ignore[union-attr]
        await until(lambda: len(ring.before(3)) >= 2, 15)
        recorder = Recorder(r.relay, tmp_path / "video", lambda _, item: told.append(item), RecorderOptions(segment_s=2, pre_event_s=3, min_free_bytes=0))
        stop = asyncio.Event()
        began_ms = time.time() * 1000
        recording = asyncio.create_task(recorder.record(header(), stop))
        await until(lambda: sum(isinstance(item, Segment) and not item.pre_event for item in told) >= 2, 25)
        stop.set()
        folder = await recording
        await recorder.close()
    result = verify(folder, expected={item.n: item.sha256 for item in told if isinstance(item, Segment)})
    assert result.ok, result.problems
    segments = segments_of(folder)
    assert segments[0].pre_event
    (clip,) = export(folder, tmp_path / "clip.mp4", 0, 2**48)
    assert verify(clip).ok
    shown = clocks(clip)
    assert shown == sorted(shown)
    assert began_ms - shown[0] > 1500
    assert len(shown) >= 0.9 * sum(segment.samples for segment in segments)
    assert max(b - a for a, b in pairwise(shown)) < 1500


async def test_what_is_recorded_of_an_h265_camera_is_what_it_sent_while_somebody_watches_it_transcoded(tmp_path: Path, camera: RtspServer) -> None:
    told: list[Entry] = []
    async with rig(tmp_path, entry(camera.url("/h265"))) as r:
        await r.warm()
        recorder = Recorder(r.relay, tmp_path / "video", lambda _, item: told.append(item), RecorderOptions(segment_s=2, pre_event_s=0, min_free_bytes=0))
        stop = asyncio.Event()
        recording = asyncio.create_task(recorder.record(header(), stop))
        await until(lambda: len(told) >= 1, 25)
        shown = await collect(r.relay, lambda chunks: len(samples(chunks)) > 120, quality="h264")
        before = len(told)
        await until(lambda: len(told) > before, 25)
        stop.set()
        folder = await recording
        await recorder.close()
    assert {parse_init(chunk.body)[0].codec[:4] for chunk in shown if chunk.kind is MediaKind.INIT} == {"avc1"}
    assert len([clock for _, clock in pictures(as_file(shown)) if clock]) > 60
    segments = segments_of(folder)
    assert {segment.codec[:4] for segment in segments} == {"hvc1"}
    assert sum(segment.lost for segment in segments) == 0
    assert verify(folder).ok
    (clip,) = export(folder, tmp_path / "clip.mp4", 0, 2**48)
    seen = clocks(clip)
    assert len(seen) >= 0.9 * sum(segment.samples for segment in segments)
    assert max(b - a for a, b in pairwise(seen)) < 1500


async def test_kill_9_of_the_recorder_costs_at_most_the_open_segment_and_that_is_stated(tmp_path: Path, camera: RtspServer) -> None:
    root = tmp_path / "video"
    command = [sys.executable, str(ROOT / "tests" / "support" / "recorder_child.py")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    async with rig(tmp_path, entry(camera.url("/h264"), pre_event_s=3)) as r:
        await r.warm()
        told: list[Entry] = []
        for round_no in range(2):
            child = await asyncio.create_subprocess_exec(*command, str(r.broker.port), str(root), "rec-1", stdout=subprocess.PIPE, env=environment)
            assert child.stdout is not None
            live = 0
            async with asyncio.timeout(40):
                while live < 2:
                    item = msgspec.json.decode(await child.stdout.readline(), type=Entry)  # type: ignore[arg-type]
                    told.append(item)
                    live += isinstance(item, Segment) and not item.pre_event and not item.recovered
                await until(lambda: any(file.stat().st_size > 40_000 for file in (root / "rec-1").glob("*.open")), 10, f"open in round {round_no}")
            child.kill()
            await child.wait()
    recorder = Recorder(r.relay, root, lambda _, item: told.append(item))
    losses = recorder.recover()
    await recorder.close()
    assert len(losses) == 1
    assert sum(isinstance(item, Lost) for item in told) == 2
    result = verify(root / "rec-1", expected={item.n: item.sha256 for item in told if isinstance(item, Segment)})
    assert result.ok, result.problems
    assert len([line for line in result.stated if "ended without closing" in line]) == 2
    clips = export(root / "rec-1", tmp_path / "clip.mp4", 0, 2**48)
    shown = [clock for clip in clips for clock in clocks(clip)]
    assert all(verify(clip).ok for clip in clips)
    assert shown == sorted(shown) and len(shown) > 150


async def test_a_broker_killed_in_the_middle_of_a_recording_leaves_a_stated_gap_and_a_good_check(tmp_path: Path, camera: RtspServer) -> None:
    told: list[Entry] = []
    async with rig(tmp_path, entry(camera.url("/h264"))) as r:
        recorder = Recorder(r.relay, tmp_path / "video", lambda _, item: told.append(item), RecorderOptions(segment_s=1, pre_event_s=0, min_free_bytes=0))
        stop = asyncio.Event()
        recording = asyncio.create_task(recorder.record(header(), stop))
        await until(lambda: sum(isinstance(item, Segment) for item in told) >= 2, 20)
        await r.broker.kill()
        await r.broker.start()
        before = len(told)
        await until(lambda: len(told) >= before + 3, 30)
        stop.set()
        folder = await recording
        await recorder.close()
    result = verify(folder)
    assert result.ok, result.problems
    (clip,) = export(folder, tmp_path / "clip.mp4", 0, 2**48)
    assert clocks(clip) == sorted(clocks(clip))


async def test_kill_9_of_the_agent_in_the_middle_of_a_recording_goes_on_after_its_restart_and_exports_as_one_clip(
        tmp_path: Path, camera: RtspServer) -> None:
    (tmp_path / "cameras.yaml").write_text("cameras:\n" + entry(camera.url("/h264"), pre_event_s=2), encoding="utf-8")
    told: list[Entry] = []

    async def agent(port: int) -> asyncio.subprocess.Process:
        child = await asyncio.create_subprocess_exec(sys.executable, "-m", "agents.cameras", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                                     env=os.environ | {"PYTHONPATH": str(ROOT)})
        assert child.stdin is not None
        job = {"file": str(tmp_path / "cameras.yaml"), "camera_ids": ["cam"], "references": None,
               "link": {"agent_id": "plant-1", "host": "127.0.0.1", "port": port}}
        child.stdin.write(msgspec.json.encode(job) + b"\n")
        await child.stdin.drain()
        return child

    async with hub(RelayLimits(ttl_s=3)) as (broker, relay):
        first = await agent(broker.port)
        recorder = Recorder(relay, tmp_path / "video", lambda _, item: told.append(item), RecorderOptions(segment_s=1, pre_event_s=2, min_free_bytes=0))
        stop = asyncio.Event()
        recording = asyncio.create_task(recorder.record(header(), stop))
        await until(lambda: sum(isinstance(item, Segment) and not item.pre_event for item in told) >= 2, 20)
        first.kill()
        await first.wait()
        killed_ms = time.time() * 1000
        second = await agent(broker.port)
        await until(lambda: sum(isinstance(item, Segment) and item.first_wall_ms > killed_ms for item in told) >= 2, 30)
        stop.set()
        folder = await recording
        await recorder.close()
        second.kill()
        await second.wait()
    assert verify(folder).ok
    (clip,) = export(folder, tmp_path / "clip.mp4", 0, 2**48)
    result = verify(clip)
    assert result.ok
    shown = clocks(clip)
    hole = max(b - a for a, b in pairwise(shown))
    print(f"the hole left by the kill: {hole} ms, stated: {result.stated}")
    assert result.stated or hole < 900
    assert shown == sorted(shown)
    assert shown[0] < killed_ms - 1500 and shown[-1] > killed_ms + 1000

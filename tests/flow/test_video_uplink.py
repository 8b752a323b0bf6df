"""Too little uplink: video gives way step by step, stays fresh, and a report beside it is not late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import msgspec
import pytest

from agents.cameras import Cameras
from hub.clock import SystemClock
from hub.operate.bench_camera import RtspServer
from hub.store.agents import new_secret, put_agent
from hub.wire import MediaKind, Receipt, ReceiptStatus, Topics
from streams.publisher import MediaLink
from streams.relay import Chunk, Relay, RelayLimits
from streams.uplink import Level, UplinkLimits
from tests.flow.test_video_live import KEY, entry, hub
from tests.support.faulty_link import FaultyLink
from tests.support.narrow_road import NarrowRoad
from tests.support.ports import free_port
from tests.support.reports import report
from tests.support.until import until
from tests.support.web_hub import web_hub


@pytest.fixture(scope="module")
def camera() -> Iterator[RtspServer]:
    with RtspServer(port=free_port()) as server:
        yield server


async def test_on_half_the_bandwidth_it_needs_video_stays_fresh_drops_to_key_frames_and_says_so(tmp_path: Path, camera: RtspServer) -> None:
    """2 Mbit/s of video over 1 Mbit/s: what arrives is at most a few seconds old, and the agent steps down."""
    file = tmp_path / "cameras.yaml"
    file.write_text("cameras:\n" + entry(camera.url("/hd")), encoding="utf-8")
    async with hub(RelayLimits(linger_s=1)) as (broker, relay), NarrowRoad(broker.port, 125_000) as link:
        media_link = MediaLink(agent_id="plant-1", host="127.0.0.1", port=link.port, send_buffer_bytes=16_384)
        async with Cameras(file, media_link) as cameras:
            await until(lambda: relay.preview(KEY), 15)
            ages: list[float] = []

            async def watch() -> None:
                async with relay.watch(KEY) as viewer:
                    async for chunk in viewer:
                        if chunk.kind is MediaKind.MEDIA and not chunk.cached:
                            ages.append(time.time() - chunk.wall_ms / 1000)

            receipts: list[float] = []

            async def report() -> None:
                async with aiomqtt.Client("127.0.0.1", link.port, identifier="plant-1") as agent, aiomqtt.Client("127.0.0.1", broker.port) as desk:
                    await desk.subscribe("reports", qos=1)
                    while True:
                        began = time.monotonic()
                        await agent.publish("reports", b"x" * 1000, qos=1)
                        await anext(aiter(desk.messages))
                        receipts.append(time.monotonic() - began)
                        await asyncio.sleep(0.3)

            watching, reporting = asyncio.create_task(watch()), asyncio.create_task(report())
            assert cameras._group is not None
            publisher = cameras._group.publisher
            await until(lambda: publisher.level() >= Level.SUB_STREAM, 30, "the uplink steps down")
            await until(lambda: "uplink=" in (cameras.presence()[0].measure or ""), 5)
            assert publisher.uplink.pending_bytes <= UplinkLimits().cap_bytes
            dropped = cameras._group.units["cam"].outlet.dropped_units
            watching.cancel()
            reporting.cancel()
            await asyncio.gather(watching, reporting, return_exceptions=True)
    print(f"report receipt beside it: p50 {sorted(receipts)[len(receipts) // 2]:.2f} s, max {max(receipts):.2f} s of {len(receipts)}")
    assert sorted(receipts)[len(receipts) // 2] < 0.5
    assert dropped > 0
    tail = sorted(ages[len(ages) // 2:])
    print(f"age of pictures: p50 {tail[len(tail) // 2]:.2f} s, max {tail[-1]:.2f} s of {len(tail)}")
    assert tail[len(tail) // 2] < 3
    assert tail[-1] < 8


async def test_the_hub_receipts_reports_beside_video_that_needs_twice_the_uplink(tmp_path: Path, camera: RtspServer) -> None:
    """The product's own receipt, out of the hub's store, over the road of 1 Mbit/s that 2 Mbit/s of watched video fills."""
    secret = new_secret()
    file = tmp_path / "cameras.yaml"
    file.write_text("cameras:\n" + entry(camera.url("/hd")), encoding="utf-8")
    async with (web_hub(tmp_path / "hub", SystemClock(), only=frozenset({"ingest", "respond", "web"})) as running,
                NarrowRoad(running.mqtt_port, 125_000) as link):
        async with running.services.store.transaction() as tx:
            await put_agent(tx, agent_id="plant-1", name="plant-1", kind="field", department_id="fire-rescue", secret=secret)
        await running.services.registry.load()
        relay: Relay = running.services.extra["relay"]
        async with Cameras(file, MediaLink(agent_id="plant-1", host="127.0.0.1", port=link.port, password=secret, send_buffer_bytes=16_384)) as cameras:
            await until(lambda: relay.preview(KEY), 20, "a preview")
            async with relay.watch(KEY):
                assert cameras._group is not None
                publisher = cameras._group.publisher
                await until(lambda: publisher.uplink.dropped > 0, 20, "video fills the road")
                waits = [await receipted(link.port, secret) for _ in range(12)]
    print(f"receipt of the hub beside it: p50 {sorted(waits)[6]:.2f} s, max {max(waits):.2f} s")
    assert sorted(waits)[6] < 0.5


async def receipted(port: int, secret: str) -> float:
    """Seconds from the publication of a report to the hub's receipt for it."""
    topics, sent = Topics(), report(occurred_at=datetime.now(UTC).isoformat())
    async with aiomqtt.Client("127.0.0.1", port, identifier="plant-1", username="plant-1", password=secret) as agent:
        await agent.subscribe(topics.down("plant-1", "receipt"))
        began = time.monotonic()
        await agent.publish(topics.up("plant-1", "report"), msgspec.json.encode(sent), qos=1)
        async with asyncio.timeout(20):
            async for message in agent.messages:
                receipt = msgspec.json.decode(bytes(message.payload), type=Receipt)
                if receipt.id == sent["id"]:
                    assert receipt.status is ReceiptStatus.STORED, receipt
                    return time.monotonic() - began
    raise AssertionError("the broker hung up")


async def test_a_link_that_is_cut_and_healed_goes_on_and_a_viewer_sees_no_gap_of_its_own_making(tmp_path: Path, camera: RtspServer) -> None:
    file = tmp_path / "cameras.yaml"
    file.write_text("cameras:\n" + entry(camera.url("/h264")), encoding="utf-8")
    async with hub(RelayLimits(linger_s=1, ttl_s=3)) as (broker, relay), FaultyLink(broker.port) as link:
        media_link = MediaLink(agent_id="plant-1", host="127.0.0.1", port=link.port)
        async with Cameras(file, media_link), relay.watch(KEY) as viewer:
            seen: list[Chunk] = []

            async def read() -> None:
                async for chunk in viewer:
                    seen.append(chunk)

            reading = asyncio.create_task(read())
            await until(lambda: len(seen) > 20, 15)
            link.cut()
            await until(lambda: (relay.figures(KEY).last_chunk_age_s or 0) > 1, 10)
            link.heal()
            before = len(seen)
            await until(lambda: len(seen) > before + 25, 30)
            reading.cancel()
    resumed = next(chunk for chunk in seen[before:] if chunk.kind is MediaKind.MEDIA)
    assert resumed.key

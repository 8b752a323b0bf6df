"""Two hundred previewed cameras on one hub and one agent: whether each camera's state is right and stays right (`tocsin bench cameras` says what they cost)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest

from hub.operate.bench_camera import RtspServer
from hub.operate.bench_servers import free_port
from hub.operate.bench_video import Rig
from hub.settings import Settings
from hub.store import Store
from hub.store.cameras import list_cameras

CAMERAS, REFUSED, BLACK = 200, 10, 4
QUIET_S = 20.0


async def states(store: Store) -> dict[str, str]:
    """What the hub says of every camera of the agent."""
    async with store.read() as conn:
        return {camera.camera_id: camera.health for camera in await list_cameras(conn) if camera.agent_id == "many"}


async def until_right(store: Store, right: dict[str, str], within_s: float) -> float:
    """Wait until the hub says of each camera what is so; gives the seconds that it took."""
    began = time.monotonic()
    while True:
        said = await states(store)
        wrong = {id: said.get(id) for id, state in right.items() if said.get(id) != state}
        if not wrong:
            return time.monotonic() - began
        assert time.monotonic() - began < within_s, f"{len(wrong)} are wrong after {within_s} s: {Counter(wrong.values())}"
        await asyncio.sleep(0.2)


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_two_hundred_previewed_cameras_are_each_right_within_two_preview_periods(tmp_path: Path) -> None:
    """180-odd RTSP cameras kept open, some that refuse, some black; then all RTSP cameras go at once and come back."""
    with RtspServer() as camera:
        dead = f"rtsp://127.0.0.1:{free_port()}/x"
        rows = [{"id": f"c{n:03d}", "url": camera.url("/small"), "longest_pause_s": 1.0, "timeout_s": 2.0} for n in range(CAMERAS)]
        right = dict.fromkeys((row["id"] for row in rows), "online")
        for row in rows[:REFUSED]:
            row["url"], right[row["id"]] = dead, "offline"
        for n, row in enumerate(rows[REFUSED:REFUSED + BLACK]):
            row["url"], right[row["id"]] = f"synthetic:?size=320x180&rate=5&seed={n}&fault=black", "black"
        settings = Settings(data_dir=str(tmp_path))
        async with Rig.open(tmp_path, camera) as rig, rig.agent("many", rows), Store(settings.database_url) as store:
            started_s = await until_right(store, right, 60)
            await asyncio.sleep(QUIET_S)
            assert await states(store) == right, "a state changed though nothing had happened"
            camera.kill()
            gone_s = await until_right(store, {id: "offline" if state == "online" else state for id, state in right.items()}, 30)
            camera.start()
            back_s = await until_right(store, right, 60)
    print(f"all right {started_s:.1f} s after the start, {gone_s:.1f} s after all had gone, {back_s:.1f} s after they were back")

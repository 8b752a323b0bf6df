"""Two hundred cameras of which nobody watches one: what their previews and their health cost one hub and one agent machine, and whether it is right.

Every camera is an RTSP session of its own (640 × 360, 25 pictures a second, 400 kbit/s); one encoder feeds all of one kind. A tenth of them turn black
at one moment, and back at another, and each has to be called so, and no other, within two preview periods. CPU is of whole process trees, 100 % is one core; `machine` is all that the machine did, and where
it has no core left every word comes late.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psutil

from hub.clock import parse_utc
from hub.operate.bench_camera import RtspServer
from hub.operate.bench_fairness import quantile
from hub.operate.bench_video import Rig, cpu_s, rss_mb
from streams.preview import PERIOD_S

CAMERAS: Final = 200
TURNING: Final = 10
"""One camera of so many turns black and back."""
TURNS: Final = 8
"""Half of them to black; each at another moment of the preview period, since what it takes depends on that alone."""
ONLINE_WITHIN_S: Final = 240.0
QUIET_S: Final = 20.0
PERIODS: Final = 2
_CHANGES: Final = ("SELECT change.at, change_body.body FROM change JOIN change_body ON change_body.seq = change.seq "
                   "WHERE change.kind = 'camera.health_changed' ORDER BY change.seq")


async def run(progress: Callable[[str], None], size: int = 0) -> dict[str, Any]:
    """CPU in per cent of a core, memory in MB, seconds until all are online, and how many of the cameras are called what they are in time. `size`: how many
    cameras, 0 for two hundred."""
    count = size or CAMERAS
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name, RtspServer() as camera:
        async with Rig.open(Path(name), camera) as rig:
            entries = [{"id": f"c{n}", "url": camera.url("/turning" if n % TURNING == 0 else "/small")} for n in range(count)]
            began = time.monotonic()
            async with rig.agent("many", entries) as process:
                progress(f"{count} cameras come online")
                await _all_online(rig.folder, count, progress)
                online_s = time.monotonic() - began
                trees = {"agent": process.pid, "hub": rig.hub.pid, "broker": rig.broker_pid, "camera": camera.pid or 0}
                progress("nobody watches")
                before, began = {name: cpu_s(pid) for name, pid in trees.items()}, time.monotonic()
                psutil.cpu_percent()
                await asyncio.sleep(QUIET_S)
                spent_s = time.monotonic() - began
                cpu = {f"{name}_cpu_pct": round((cpu_s(pid) - before[name]) / spent_s * 100, 1) for name, pid in trees.items()}
                cpu["machine_cpu_pct"] = round(psutil.cpu_percent() * (os.cpu_count() or 1), 1)
                memory = {f"{name}_rss_mb": round(rss_mb(trees[name]), 1) for name in ("agent", "hub", "broker")}
                expected = {f"many/c{n}" for n in range(0, count, TURNING)}
                late: list[float] = []
                wrong: set[str] = set()
                for turn in range(TURNS):
                    progress(f"a tenth of them turn: {turn + 1} of {TURNS}")
                    await asyncio.sleep(PERIOD_S * turn / TURNS)
                    late_s, others = await _turn(rig, camera, "online" if turn % 2 else "black", expected)
                    late += late_s
                    wrong |= others
    late.sort()
    return {
        "cameras": count, "online_s": round(online_s, 1), **cpu, **memory, "agent_cpu_pct_per_camera": round(cpu["agent_cpu_pct"] / count, 3),
        "turned": len(expected) * TURNS, "right_in_time": sum(after_s <= PERIODS * PERIOD_S for after_s in late), "wrong": len(wrong), "period_s": PERIOD_S,
        "named_p50_s": round(quantile(late, 0.5), 2) if late else None, "named_p95_s": round(quantile(late, 0.95), 2) if late else None,
        "named_max_s": round(late[-1], 2) if late else None,
    }


async def _turn(rig: Rig, camera: RtspServer, state: str, expected: set[str]) -> tuple[list[float], set[str]]:
    """Let what turns turn; the seconds until each of the cameras expected was called `state`, and which were called something that they are not."""
    turned = datetime.now(UTC)
    camera.turn()
    await asyncio.sleep((PERIODS + 2) * PERIOD_S)
    seen = [(id, (at - turned).total_seconds(), health) for id, at, health in _changes(rig.folder) if at >= turned]
    return ([after_s for id, after_s, health in seen if id in expected and health == state],
            {id for id, _, health in seen if health != state or id not in expected})


def _changes(folder: Path) -> list[tuple[str, datetime, str]]:
    """Camera, time and new state of every change of health, oldest first."""
    with contextlib.closing(sqlite3.connect(f"file:{folder}/tocsin.db?mode=ro", uri=True)) as reader:
        rows = reader.execute(_CHANGES).fetchall()
    return [(body["camera"]["id"], parse_utc(at), body["camera"].get("health", "connecting")) for at, text in rows for body in [json.loads(text)]
            if body["before"] != body["camera"].get("health", "connecting")]


async def _all_online(folder: Path, count: int, progress: Callable[[str], None]) -> None:
    async with asyncio.timeout(ONLINE_WITHIN_S):
        while True:
            last = {id: health for id, _, health in _changes(folder)}
            online = sum(health == "online" for health in last.values())
            if online >= count:
                return
            progress(f"{online} of {count} cameras are online")
            await asyncio.sleep(1)

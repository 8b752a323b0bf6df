"""Can video hurt reports? Publish to receipt of a hundred agents, while fifty media connections send garbage, hang and die, against none."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiomqtt

from hub.operate.bench_fairness import Field, quantile
from hub.operate.bench_ingest import enrol
from hub.operate.bench_servers import end, free_port, hub
from hub.operate.bench_start import wait_ready
from hub.wire import MEDIA_SUFFIX, MediaKind, Topics, media_header

RATE_PER_S, SECONDS = 1.0, 15.0
GARBAGE, HANGING, DYING = 20, 20, 10
PIECE_BYTES, PIECES_PER_S = 20_000, 5.0


async def run(progress: Callable[[str], None]) -> dict[str, Any]:
    """Baseline, bad video, baseline again: the ratio is to the mean of the two baselines' p99, so that a drifting machine shows."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        folder = Path(name)
        secrets = await enrol(folder)
        port, mqtt = free_port(), free_port()
        process = await hub("--port", str(port), "--broker-port", str(mqtt), "--data-dir", name, log=folder / "log")
        try:
            await wait_ready(port, process)
            async with Field(mqtt, secrets) as field:
                progress("baseline")
                before = quantile(await field.send(RATE_PER_S, SECONDS), 0.99)
                progress("bad video")
                bad = asyncio.create_task(_bad(mqtt, secrets))
                with_video = quantile(await field.send(RATE_PER_S, SECONDS), 0.99)
                bad.cancel()
                await asyncio.gather(bad, return_exceptions=True)
                progress("baseline again")
                after = quantile(await field.send(RATE_PER_S, SECONDS), 0.99)
                lost = field.lost
        finally:
            await end(process)
    baseline = (before + after) / 2
    return {"receipt_p99_ratio": round(with_video / baseline, 3), "limit_ratio": 1.1, "receipt_p99_ms": round(with_video, 2),
            "baseline_p99_ms": [round(before, 2), round(after, 2)], "streams": GARBAGE + HANGING + DYING, "lost": lost}


async def _bad(mqtt: int, secrets: dict[str, str]) -> None:
    """Every bad stream until cancelled."""
    kinds = [_garbage] * GARBAGE + [_hanging] * HANGING + [_dying] * DYING
    async with asyncio.TaskGroup() as group:
        for (id, secret), stream in zip(secrets.items(), kinds, strict=False):
            group.create_task(stream(mqtt, id, secret))


def _client(mqtt: int, id: str, secret: str) -> aiomqtt.Client:
    name = id + MEDIA_SUFFIX
    return aiomqtt.Client("127.0.0.1", mqtt, identifier=name, username=name, password=secret)


async def _garbage(mqtt: int, id: str, secret: str) -> None:
    """Random bytes where fragments should be."""
    async with _client(mqtt, id, secret) as client:
        while True:
            for kind in (MediaKind.PREVIEW, MediaKind.INIT, MediaKind.MEDIA):
                await client.publish(Topics().media(id, "c1", kind), os.urandom(PIECE_BYTES), qos=0)
            await asyncio.sleep(1 / PIECES_PER_S)


async def _hanging(mqtt: int, id: str, secret: str) -> None:
    """One start, and then nothing more."""
    async with _client(mqtt, id, secret) as client:
        header = media_header(MediaKind.INIT, key=True, seq=1, wall_ms=time.time_ns() // 1_000_000)
        await client.publish(Topics().media(id, "c1", MediaKind.INIT), header + b'{"codec":"avc1.42c01f"}\0', qos=0)
        await asyncio.Event().wait()


async def _dying(mqtt: int, id: str, secret: str) -> None:
    """Comes, sends half a picture, and goes, again and again."""
    while True:
        with contextlib.suppress(aiomqtt.MqttError):
            async with _client(mqtt, id, secret) as client:
                await client.publish(Topics().media(id, "c1", MediaKind.MEDIA), os.urandom(PIECE_BYTES // 2), qos=0)
        await asyncio.sleep(0.5)

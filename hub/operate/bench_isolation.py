"""Can video hurt reports? Publish to receipt of a hundred agents, while fifty media connections send garbage, hang and die, against none."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiomqtt

from hub.operate.bench_fairness import Field, quantile
from hub.operate.bench_ingest import enrol
from hub.operate.bench_servers import end, free_port, hub
from hub.operate.bench_start import wait_ready
from hub.wire import MEDIA_SUFFIX, MediaKind, Topics, media_header

RATE_PER_S, SECONDS, TURNS = 2.0, 6.0, 4
"""Each of 99 agents reports twice a second, in turns of six seconds with and without bad video: 4,700 receipts a side for a p99."""
SETTLE_S = 1.0
GARBAGE, HANGING, DYING = 20, 20, 10
PIECE_BYTES, PIECES_PER_S = 20_000, 5.0
BACK_S = 0.5
"""How soon a bad stream that was cut or died comes back."""


async def run(progress: Callable[[str], None]) -> dict[str, Any]:
    """Turns without and with bad video follow each other, so that a drifting machine meets both; the ratio is of the p99 of all turns."""
    quiet: list[float] = []
    noisy: list[float] = []
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        folder = Path(name)
        secrets = await enrol(folder)
        port, mqtt = free_port(), free_port()
        process = await hub("--port", str(port), "--broker-port", str(mqtt), "--data-dir", name, log=folder / "log")
        try:
            await wait_ready(port, process)
            async with Field(mqtt, secrets) as field:
                progress("warming up")
                await field.send(RATE_PER_S, SETTLE_S)
                for turn in range(TURNS):
                    progress(f"turn {turn + 1} of {TURNS}: reports alone")
                    quiet += await field.send(RATE_PER_S, SECONDS)
                    progress(f"turn {turn + 1} of {TURNS}: reports beside bad video")
                    async with _bad_video(mqtt, secrets):
                        noisy += await field.send(RATE_PER_S, SECONDS)
                    await asyncio.sleep(SETTLE_S)
                lost = field.lost
        finally:
            await end(process)
    with_video, baseline = quantile(noisy, 0.99), quantile(quiet, 0.99)
    return {"receipt_p99_ratio": round(with_video / baseline, 3), "limit_ratio": 1.1, "receipt_p99_ms": round(with_video, 2),
            "baseline_p99_ms": round(baseline, 2), "receipt_p50_ms": round(quantile(noisy, 0.5), 2), "baseline_p50_ms": round(quantile(quiet, 0.5), 2),
            "receipts": [len(quiet), len(noisy)], "streams": GARBAGE + HANGING + DYING, "lost": lost}


@contextlib.asynccontextmanager
async def _bad_video(mqtt: int, secrets: dict[str, str]) -> AsyncIterator[None]:
    """Fifty bad streams from the first moment of the block to its last."""
    bad = asyncio.create_task(_bad(mqtt, secrets))
    try:
        yield
        if bad.done():
            bad.result()
    finally:
        bad.cancel()
        await asyncio.gather(bad, return_exceptions=True)


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
    """Random bytes where fragments should be; comes back whenever it is cut."""
    while True:
        with contextlib.suppress(aiomqtt.MqttError):
            async with _client(mqtt, id, secret) as client:
                while True:
                    for kind in (MediaKind.PREVIEW, MediaKind.INIT, MediaKind.MEDIA):
                        await client.publish(Topics().media(id, "c1", kind), os.urandom(PIECE_BYTES), qos=0)
                    await asyncio.sleep(1 / PIECES_PER_S)
        await asyncio.sleep(BACK_S)


async def _hanging(mqtt: int, id: str, secret: str) -> None:
    """One start, and then nothing more."""
    while True:
        with contextlib.suppress(aiomqtt.MqttError):
            async with _client(mqtt, id, secret) as client:
                header = media_header(MediaKind.INIT, key=True, seq=1, wall_ms=time.time_ns() // 1_000_000)
                await client.publish(Topics().media(id, "c1", MediaKind.INIT), header + b'{"codec":"avc1.42c01f"}\0', qos=0)
                await asyncio.Event().wait()
        await asyncio.sleep(BACK_S)


async def _dying(mqtt: int, id: str, secret: str) -> None:
    """Comes, sends half a picture, and goes, again and again."""
    while True:
        with contextlib.suppress(aiomqtt.MqttError):
            async with _client(mqtt, id, secret) as client:
                await client.publish(Topics().media(id, "c1", MediaKind.MEDIA), os.urandom(PIECE_BYTES // 2), qos=0)
        await asyncio.sleep(BACK_S)

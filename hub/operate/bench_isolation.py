"""Can video hurt reports? Publish to receipt of a hundred agents, beside good and bad media connections, against none.

Good cameras publish as if they were watched (nobody watches: a viewer's share is what `bench video` measures), bad ones send garbage, hang and die.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil

from hub.operate.bench_fairness import Field, quantile
from hub.operate.bench_ingest import enrol
from hub.operate.bench_senders import DYING, GARBAGE, GOOD, HANGING, Job
from hub.operate.bench_servers import end, free_port, hub
from hub.operate.bench_start import wait_ready

RATE_PER_S, SECONDS, TURNS = 0.5, 8.0, 12
"""The load of `bench fairness` (each of 99 agents reports every two seconds), in turns of eight seconds: 4,700 receipts a side for a p99. At four
times this rate the hub has no core left on a slow machine, and what is measured is the queue before it."""
SETTLE_S = 1.0


async def run(progress: Callable[[str], None]) -> dict[str, Any]:
    """Turns without and with video follow each other, so that a drifting machine meets both; the ratio is of the p99 of all turns."""
    quiet: list[float] = []
    noisy: list[float] = []
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        folder = Path(name)
        secrets = await enrol(folder)
        port, mqtt = free_port(), free_port()
        process = await hub("--port", str(port), "--broker-port", str(mqtt), "--data-dir", name, log=folder / "log")
        try:
            await wait_ready(port, process)
            async with Field(mqtt, secrets) as field, _senders(mqtt, secrets) as senders:
                progress("warming up")
                await field.send(RATE_PER_S, SETTLE_S)
                busy = Busy(process.pid)
                for turn in range(TURNS):
                    progress(f"turn {turn + 1} of {TURNS}: reports alone")
                    with busy.of("baseline"):
                        quiet += await field.send(RATE_PER_S, SECONDS)
                    progress(f"turn {turn + 1} of {TURNS}: reports beside video")
                    await _tell(senders, b"on\n")
                    with busy.of("with_video"):
                        noisy += await field.send(RATE_PER_S, SECONDS)
                    sent_bytes = await _tell(senders, b"off\n")
                    await asyncio.sleep(SETTLE_S)
                lost = field.lost
        finally:
            await end(process)
    with_video, baseline = quantile(noisy, 0.99), quantile(quiet, 0.99)
    return {"receipt_p99_ratio": round(with_video / baseline, 3), "limit_ratio": 1.1, "receipt_p99_ms": round(with_video, 2),
            "baseline_p99_ms": round(baseline, 2), "receipt_p50_ms": round(quantile(noisy, 0.5), 2), "baseline_p50_ms": round(quantile(quiet, 0.5), 2),
            "hub_cpu_pct": busy.share_pct("with_video"), "baseline_hub_cpu_pct": busy.share_pct("baseline"),
            "video_mbit_per_s": round(sent_bytes * 8 / 1e6 / busy.wall_s("with_video"), 1),
            "receipts": [len(quiet), len(noisy)], "good_streams": GOOD, "bad_streams": GARBAGE + HANGING + DYING, "lost": lost}


class Busy:
    """Processor and wall seconds of a process, summed over the turns of a name; 100 % is one core."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._spent: dict[str, tuple[float, float]] = {}

    @contextlib.contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Count the block to `name`."""
        before, began = self._cpu_s(), time.monotonic()
        yield
        cpu, wall = self._spent.get(name, (0.0, 0.0))
        self._spent[name] = cpu + self._cpu_s() - before, wall + time.monotonic() - began

    def share_pct(self, name: str) -> float:
        """Of one core."""
        return round(self._spent[name][0] / self.wall_s(name) * 100, 1)

    def wall_s(self, name: str) -> float:
        """Seconds of the turns of a name."""
        return self._spent[name][1]

    def _cpu_s(self) -> float:
        return float(sum(self._process.cpu_times()[:2]))


@contextlib.asynccontextmanager
async def _senders(mqtt: int, secrets: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process of the media connections, which waits for `on`."""
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "hub.operate.bench_senders", stdin=asyncio.subprocess.PIPE,
                                                 stdout=asyncio.subprocess.PIPE)
    assert child.stdin is not None
    child.stdin.write(msgspec.json.encode(Job(mqtt, secrets)) + b"\n")
    try:
        yield child
    finally:
        await end(child)


async def _tell(child: asyncio.subprocess.Process, line: bytes) -> int:
    """Say a line and wait until it is done; the bytes of media that have been sent so far."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(line)
    return int(await child.stdout.readline())

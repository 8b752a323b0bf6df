"""From process start to ready, and the memory of an idle hub with the embedded broker and its media process. As a wheel is installed: with its bytecode."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from hub.operate.bench_servers import end, free_port, hub

RUNS = 5
IDLE_S = 5.0
"""How long a hub is left alone before its memory is read, and a first one before it is ended: with its plans half taken up, every later start would begin
with them again."""


async def run(progress: Callable[[str], None]) -> dict[str, Any]:
    """Median of five starts on an existing store (a first start also makes the schema: `first_s`, and goes on to take up the shipped plans)."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        first_s, _ = await _once(Path(folder), idle_s=IDLE_S)
        starts = []
        for n in range(RUNS):
            progress(f"start {n + 1} of {RUNS}")
            ready_s, rss = await _once(Path(folder), idle_s=IDLE_S if n == RUNS - 1 else 0)
            starts.append(ready_s)
    return {"ready_s": round(sorted(starts)[RUNS // 2], 3), "first_s": round(first_s, 3), "idle_rss_mb": round(rss, 1), "limit_ready_s": 2, "limit_rss_mb": 150}


async def _once(folder: Path, *, idle_s: float) -> tuple[float, float]:
    port = free_port()
    began = time.perf_counter()
    # an installer compiles what it installs; a checkout may be told not to, and would then compile 800 modules at each start
    environment = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX") or str(folder / "bytecode")}
    process = await hub("--port", str(port), "--broker-port", "0", "--data-dir", str(folder), log=folder / "log", environment=environment)
    try:
        await wait_ready(port, process)
        ready_s = time.perf_counter() - began
        await asyncio.sleep(idle_s)
        hub_process = psutil.Process(process.pid)
        return ready_s, sum(one.memory_info().rss for one in (hub_process, *hub_process.children(recursive=True))) / 2**20
    finally:
        await end(process)


async def wait_ready(port: int, process: asyncio.subprocess.Process, within_s: float = 60) -> None:
    """Wait until `/readyz` says yes."""
    async with asyncio.timeout(within_s), aiohttp.ClientSession() as client:
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"the hub ended with {process.returncode}")
            try:
                async with client.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.01)

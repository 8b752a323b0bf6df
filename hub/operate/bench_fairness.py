"""One agent sends a hundred times its quota: what do the ninety-nine others notice?"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec

from hub.operate.bench_ingest import enrol, sample
from hub.operate.bench_servers import end, free_port, hub
from hub.operate.bench_start import wait_ready
from hub.wire import Receipt, Topics

QUOTA_PER_MINUTE = 60
OTHERS_PER_S, SECONDS = 0.5, 15.0


async def run(progress: Callable[[str], None]) -> dict[str, Any]:
    """p99 of publish to receipt of the 99 others, with the flood and (the same run, before it) without."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        folder = Path(name)
        secrets = await enrol(folder)
        port, mqtt = free_port(), free_port()
        process = await hub("--port", str(port), "--broker-port", str(mqtt), "--data-dir", name, log=folder / "log",
                            environment={"TOCSIN_QUOTA_PER_MINUTE": str(QUOTA_PER_MINUTE)})
        try:
            await wait_ready(port, process)
            field = Field(mqtt, secrets)
            async with field:
                progress("baseline")
                baseline = await field.send(OTHERS_PER_S, SECONDS)
                progress("flood")
                flood = asyncio.create_task(field.flood(QUOTA_PER_MINUTE / 60 * 100, SECONDS))
                flooded = await field.send(OTHERS_PER_S, SECONDS)
                sent = await flood
        finally:
            await end(process)
    p99, base = quantile(flooded, 0.99), quantile(baseline, 0.99)
    return {"others_p99_ms": round(p99, 2), "baseline_p99_ms": round(base, 2), "others_p99_ratio": round(p99 / base, 3), "limit_ratio": 2,
            "limit_ms": 2000, "flood_messages": sent, "others": len(secrets) - 1, "lost": field.lost}


def quantile(values: list[float], q: float) -> float:
    """The q-quantile, by the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


class Field:
    """A hundred agents, each on its own connection; the first is the one that floods."""

    def __init__(self, mqtt: int, secrets: dict[str, str]) -> None:
        self.mqtt = mqtt
        self.secrets = secrets
        self.clients: dict[str, aiomqtt.Client] = {}
        self.waiting: dict[str, asyncio.Future[None]] = {}
        self.lost = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Field:
        for id, secret in self.secrets.items():
            client = aiomqtt.Client("127.0.0.1", self.mqtt, identifier=id, username=id, password=secret, max_inflight_messages=500)
            await client.__aenter__()
            await client.subscribe(Topics().down(id, "receipt"))
            self.clients[id] = client
            self._tasks.append(asyncio.create_task(self._listen(client)))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for client in self.clients.values():
            await client.__aexit__(None, None, None)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            receipt = msgspec.json.decode(bytes(message.payload), type=Receipt)
            future = self.waiting.pop(receipt.id, None)
            if future is not None and not future.done():
                future.set_result(None)

    async def send(self, rate: float, seconds: float) -> list[float]:
        """Each of the others reports at `rate`; milliseconds from publish to receipt."""
        loop, times = asyncio.get_running_loop(), []

        async def one(id: str, n: int) -> None:
            await asyncio.sleep(n / len(self.clients) / rate)
            end_at = loop.time() + seconds
            while loop.time() < end_at:
                payload = sample(n)
                future = self.waiting[msgspec.json.decode(payload)["id"]] = loop.create_future()
                began = time.perf_counter()
                await self.clients[id].publish(Topics().up(id, "report"), payload, qos=0)
                try:
                    async with asyncio.timeout(30):
                        await future
                    times.append((time.perf_counter() - began) * 1e3)
                except TimeoutError:
                    self.lost += 1
                await asyncio.sleep(max(0.0, 1 / rate - (time.perf_counter() - began)))

        others = list(self.clients)[1:]
        await asyncio.gather(*(one(id, n) for n, id in enumerate(others)))
        return times

    async def flood(self, rate: float, seconds: float) -> int:
        """The first agent sends at `rate`, waiting for nothing."""
        flooder, sent, loop = next(iter(self.clients)), 0, asyncio.get_running_loop()
        began = loop.time()
        while loop.time() - began < seconds:
            while sent < (loop.time() - began) * rate:
                await self.clients[flooder].publish(Topics().up(flooder, "report"), sample(sent), qos=0)
                sent += 1
            await asyncio.sleep(0.005)
        return sent



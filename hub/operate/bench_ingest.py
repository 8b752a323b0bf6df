"""How many reports a second are stored durably: the product, a paho client that only acknowledges, and mosquitto_sub, each draining the
same prefilled backlog of a real Mosquitto while nobody publishes. The paho client drains it three times, twice before the product and once
after it, and its median counts: one drain of a few seconds tells as much about the machine's mood as about paho."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiomqtt
import psutil
from sqlalchemy import func, select

from hub.ids import new_id
from hub.operate.bench_servers import binary, end, hub, mosquitto, postgres
from hub.operate.secrets import own_secret
from hub.settings import Settings
from hub.store import Store
from hub.store.agents import credentials, new_secret, put_agent
from hub.store.schema import change, report
from hub.wire import Topics

REPORTS, AGENTS, BYTES = 100_000, 100, 300
PAHO = ("paho-0", "paho-1", "paho-2")
_quiet = logging.getLogger("hub.bench.mqtt")
_quiet.setLevel(logging.ERROR)
Progress = Callable[[str], None]


def sample(n: int) -> bytes:
    """An initial report of exactly 300 bytes."""
    body = {"id": new_id(), "kind": "initial", "occurred_at": "2026-11-23T14:05:00+08:00", "event_types": ["12H00"],
            "title": f"G204 {n}", "place": {"lon": 119.13, "lat": 34.86}, "text": ""}
    spare = BYTES - len(json.dumps(body, separators=(",", ":")))
    return json.dumps({**body, "text": "x" * spare}, separators=(",", ":")).encode()


async def run(progress: Progress, store: str = "sqlite", workers: int = 1, size: int = 0) -> dict[str, Any]:
    """The figures of `tocsin bench ingest`."""
    total = size or REPORTS
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        async with contextlib.AsyncExitStack() as stack:
            url = await stack.enter_async_context(postgres()) if store == "postgres" else ""
            settings = Settings(data_dir=folder, store_url=url)
            progress("enrolling agents")
            agents = await _enrol(settings)
            password = own_secret(Path(folder), "hub-mqtt")
            async with Store(settings.database_url) as opened, opened.read() as conn:
                stored = await credentials(conn)
            port = await stack.enter_async_context(mosquitto(settings, password, stored))
            bench = _Bench(settings, port, password, total, workers, progress)
            await bench.subscribe_all()
            await bench.fill(agents)
            limit = await bench.limit()
            paho = [await bench.paho(id) for id in PAHO[:-1]]
            product = await bench.product()
            paho.append(await bench.paho(PAHO[-1]))
        peer = statistics.median(paho)
        return {**product, "paho_per_s": round(peer), "limit_per_s": round(limit), "ratio": round(product["reports_per_s"] / peer, 3), "store": store, "workers": workers}




async def enrol(folder: Path) -> dict[str, str]:
    """A hundred agents in a fresh SQLite store in `folder`; gives their secrets."""
    return await _enrol(Settings(data_dir=str(folder)))


async def _enrol(settings: Settings) -> dict[str, str]:
    secrets = {f"bench-{n:03d}": new_secret() for n in range(AGENTS)}
    async with Store(settings.database_url) as store, store.transaction() as tx:
        for id, secret in secrets.items():
            await put_agent(tx, agent_id=id, name=id, kind="bench", department_id="emergency-bureau", secret=secret)
    return secrets


class _Bench:
    def __init__(self, settings: Settings, port: int, password: str, total: int, workers: int, progress: Progress) -> None:
        self.settings = settings
        self.port = port
        self.password = password
        self.total = total
        self.workers = workers
        self.progress = progress
        self.topic = Topics(settings.hub_id).all_up("report")

    def _client(self, id: str, *, user: str = "hub", password: str | None = None, clean: bool = False) -> aiomqtt.Client:
        return aiomqtt.Client("127.0.0.1", self.port, identifier=id, username=user, password=password or self.password, clean_session=clean,
                              max_inflight_messages=1000, max_queued_outgoing_messages=0,
                              logger=_quiet)

    async def subscribe_all(self) -> None:
        """Leave a durable subscription for each of those that will drain."""
        shared = "$share/ingest/" if self.workers > 1 else ""
        drains = [(id, self.topic) for id in ("limit", *PAHO)]
        drains += [("hub" if self.workers == 1 else f"hub-{n}", shared + self.topic) for n in range(self.workers)]
        for id, topic in drains:
            async with self._client(id) as client:
                await client.subscribe(topic, qos=1)

    async def fill(self, agents: dict[str, str]) -> None:
        """Publish the backlog with QoS 1, from every agent under its own identity, and leave."""
        share = self.total // len(agents)
        done = 0
        for id, secret in agents.items():
            topic = Topics(self.settings.hub_id).up(id, "report")
            async with self._client(id, user=id, password=secret, clean=True) as client:
                for start in range(0, share, 500):
                    await asyncio.gather(*(client.publish(topic, sample(n), qos=1) for n in range(start, min(share, start + 500))))
            done += share
            self.progress(f"backlog {done:,} of {self.total:,}")
        self.total = done

    async def limit(self) -> float:
        """mosquitto_sub: a subscriber in C that stores nothing."""
        self.progress("yardstick: mosquitto_sub")
        started = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            binary("mosquitto_sub"), "-p", str(self.port), "-i", "limit", "-c", "-q", "1", "-u", "hub", "-P", self.password, "-t", self.topic,
            "-C", str(self.total), stdout=asyncio.subprocess.DEVNULL)
        await process.wait()
        return self.total / (time.perf_counter() - started)

    async def paho(self, id: str) -> float:
        """A paho client, by its durable subscription `id`, that acknowledges and stores nothing."""
        self.progress("yardstick: paho")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hub.operate.bench_paho", str(self.port), self.topic, str(self.total), id,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "TOCSIN_BENCH_PASSWORD": self.password})
        out, _ = await process.communicate()
        return self.total / float(out)

    async def product(self) -> dict[str, Any]:
        """`tocsin up --only ingest`, as many as asked for, until the backlog is stored and its receipts are sent."""
        folder = Path(self.settings.data_dir)
        secret = folder / "secrets" / "hub-mqtt"
        environment = {"TOCSIN_QUOTA_PER_MINUTE": "100000000",  # the quota is not what is measured
                       "TOCSIN_BROKER_PASSWORD_FILE": str(secret),
                       "TOCSIN_INGEST_WORKERS": str(self.workers), "TOCSIN_STORE_URL": self.settings.store_url}
        async with Store(self.settings.database_url, readers=2) as store:
            children = [
                await hub("--only", "ingest", "--data-dir", str(folder), "--broker", f"mqtt://127.0.0.1:{self.port}",
                          environment={**environment, "TOCSIN_INGEST_CLIENT": "hub" if self.workers == 1 else f"hub-{n}"}, log=folder / "log")
                for n in range(self.workers)
            ]
            try:
                busy = await self._wait(store, children)
            finally:
                for child in children:
                    await end(child)
            return await self._figures(store, busy)

    async def _wait(self, store: Store, children: list[asyncio.subprocess.Process]) -> float:
        started, before = time.monotonic(), 0.0
        while True:
            await asyncio.sleep(0.25)
            async with store.read() as conn:
                n = (await conn.execute(select(func.count()).select_from(report))).scalar_one()
            cpu = sum(sum(psutil.Process(child.pid).cpu_times()[:2]) for child in children if child.returncode is None)
            if n == 0:
                before = cpu
            self.progress(f"product: {n:,} of {self.total:,} stored")
            if n >= self.total:
                await asyncio.sleep(0.5)
                return float(cpu - before)
            if time.monotonic() - started > 240 or any(child.returncode is not None for child in children):
                raise RuntimeError("the product did not drain the backlog; see its log:\n"
                                   + (Path(self.settings.data_dir) / "log").read_text()[-2000:])

    async def _figures(self, store: Store, busy: float) -> dict[str, Any]:
        from hub.clock import parse_utc

        async with store.read() as conn:
            received = select(func.min(change.c.at), func.max(change.c.at)).where(change.c.kind == "report.received")
            first, last = (await conn.execute(received)).one()
            stored, distinct = (await conn.execute(select(func.count(), func.count(func.distinct(report.c.content_hash))).select_from(report))).one()
        seconds = (parse_utc(last) - parse_utc(first)).total_seconds() or 0.001
        return {"reports_per_s": round(self.total / seconds), "cpu_us_per_report": round(busy / self.total * 1e6, 1),
                "lost": self.total - int(distinct), "duplicates": int(stored) - int(distinct)}

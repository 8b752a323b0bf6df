"""What a million reports cost: the incident list, one incident's page and ingest, against the same at ten thousand."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hub.domain.report import Channel
from hub.ingest.intake import Intake, Source
from hub.operate.bench_ingest import sample
from hub.store import Store, changes_of_incident
from hub.store.reports import get_incident, list_incidents, reports_of

SMALL, LARGE = 10_000, 1_000_000
ROUNDS = 41


async def run(progress: Callable[[str], None], size: int = 0) -> dict[str, Any]:
    """Ratios of the medians at 1,000,000 (or `size`) over those at 10,000; every report comes through the intake itself."""
    large = size or LARGE
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        async with Store(f"sqlite:///{Path(folder) / 'hub.db'}") as store:
            intake = Intake(store, batch=2000, queue=10_000, quota_per_minute=10**9)
            await _fill(intake, SMALL, progress, 0)
            small = await _measure(store, intake)
            await _fill(intake, large - SMALL, progress, SMALL)
            big = await _measure(store, intake)
    names = ("list", "incident", "ingest")
    ratios = {f"{name}_ratio": round(big[name] / small[name], 3) for name in names}
    return {**ratios, "limit": 1.5, "reports": large, **{f"{name}_ms_small": round(small[name] * 1e3, 3) for name in names},
            **{f"{name}_ms_large": round(big[name] * 1e3, 3) for name in names}}


async def _fill(intake: Intake, count: int, progress: Callable[[str], None], before: int) -> None:
    sources = [Source(f"agent:a{n}", agent_id=f"a{n}", department_id="emergency-bureau") for n in range(100)]
    for start in range(0, count, 2000):
        for n in range(min(2000, count - start)):
            intake.arrive("report", sample(n), sources[n % 100], Channel.MQTT, lambda item: None)
        await intake.drain()
        progress(f"{before + start + 2000:,} reports")


async def _measure(store: Store, intake: Intake) -> dict[str, float]:
    """Medians in seconds; the page is that of a recent incident and of one from the middle, in turn."""
    async with store.read() as conn:
        newest = await list_incidents(conn, limit=200)
        middle = await list_incidents(conn, before=newest[0].number // 2, limit=200)
    targets = [incident.id for pair in zip(newest, middle, strict=True) for incident in pair]

    async def listing() -> None:
        async with store.read() as conn:
            await list_incidents(conn, limit=50)
            await list_incidents(conn, open_only=True, limit=50)
            await list_incidents(conn, acknowledged=False, limit=50)

    turn = iter(targets * 2)

    async def page() -> None:
        id = next(turn)
        async with store.read() as conn:
            await get_incident(conn, id)
            await reports_of(conn, id)
            await changes_of_incident(conn, id)

    async def ingest() -> None:
        source = Source("agent:a1", agent_id="a1", department_id="emergency-bureau")
        for n in range(200):
            intake.arrive("report", sample(n), source, Channel.MQTT, lambda item: None)
        await intake.drain()

    return {"list": await _median(listing), "incident": await _median(page), "ingest": await _median(ingest)}


async def _median(work: Callable[[], Awaitable[None]]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await work()
        times.append(time.perf_counter() - began)
        await asyncio.sleep(0)
    return statistics.median(times)

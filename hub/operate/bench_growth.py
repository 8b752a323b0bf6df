"""What a million reports cost: the incident list, one incident's page and ingest, against the same at ten thousand."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
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
    """Ratios of the medians at 1,000,000 (or `size`) over those at 10,000; every report comes through the intake itself. Both stores stand side by side
    and are asked in turn, so that a machine that is busy for a while is busy for both."""
    large = size or LARGE
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        async with Store(f"sqlite:///{Path(folder) / 'small.db'}") as few, Store(f"sqlite:///{Path(folder) / 'large.db'}") as many:
            pairs = [(store, Intake(store, batch=2000, queue=10_000, quota_per_minute=10**9)) for store in (few, many)]
            for (_, intake), count in zip(pairs, (SMALL, large), strict=True):
                await _fill(intake, count, progress)
            small, big = await _measure(pairs, progress)
    return {**{f"{name}_ratio": round(big[name] / small[name], 3) for name in small}, "limit": 1.5, "reports": large,
            **{f"{name}_ms_small": round(small[name] * 1e3, 3) for name in small}, **{f"{name}_ms_large": round(big[name] * 1e3, 3) for name in big}}


async def _fill(intake: Intake, count: int, progress: Callable[[str], None]) -> None:
    sources = [Source(f"agent:a{n}", agent_id=f"a{n}", department_id="emergency-bureau") for n in range(100)]
    for start in range(0, count, 2000):
        for n in range(min(2000, count - start)):
            intake.arrive("report", sample(n), sources[n % 100], Channel.MQTT, lambda item: None)
        await intake.drain()
        progress(f"{start + 2000:,} of {count:,} reports")


Asked = dict[str, Callable[[], Awaitable[None]]]


async def _measure(pairs: Sequence[tuple[Store, Intake]], progress: Callable[[str], None]) -> list[dict[str, float]]:
    """Medians in seconds, for each store: the lists, the page of an incident, two hundred reports taken in."""
    asked = [await _questions(store, intake) for store, intake in pairs]
    taken: list[dict[str, list[float]]] = [{name: [] for name in questions} for questions in asked]
    for n in range(ROUNDS):
        progress(f"round {n + 1} of {ROUNDS}")
        for name in asked[0]:
            for questions, times in zip(asked, taken, strict=True):
                began = time.perf_counter()
                await questions[name]()
                times[name].append(time.perf_counter() - began)
    return [{name: statistics.median(spent) for name, spent in times.items()} for times in taken]


async def _questions(store: Store, intake: Intake) -> Asked:
    """What is asked of a store; the page is that of a recent incident and of one from the middle, in turn."""
    async with store.read() as conn:
        newest = await list_incidents(conn, limit=200)
        middle = await list_incidents(conn, before=newest[0].number // 2, limit=200)
    turn = iter([incident.id for pair in zip(newest, middle, strict=True) for incident in pair] * 2)
    source = Source("agent:a1", agent_id="a1", department_id="emergency-bureau")

    async def listing() -> None:
        async with store.read() as conn:
            await list_incidents(conn, limit=50)
            await list_incidents(conn, open_only=True, limit=50)
            await list_incidents(conn, acknowledged=False, limit=50)

    async def page() -> None:
        id = next(turn)
        async with store.read() as conn:
            await get_incident(conn, id)
            await reports_of(conn, id)
            await changes_of_incident(conn, id)

    async def ingest() -> None:
        for n in range(200):
            intake.arrive("report", sample(n), source, Channel.MQTT, lambda item: None)
        await intake.drain()

    return {"list": listing, "incident": page, "ingest": ingest}

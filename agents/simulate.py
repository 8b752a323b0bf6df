"""Many agents in one process, each with its own connection and outbox, and what became of every report they filed."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from agents.credentials import Credential, Credentials
from agents.outbox import Outbox
from agents.run import open_outbox
from agents.scenes import everyday_report
from agents.session import Session
from agents.settings import tls_context
from hub import wire
from hub.errors import Rejected

_DRAIN_S = 60.0
"""How long the last receipts are waited for, seconds."""


class Simulation(Struct, frozen=True, kw_only=True):
    """Figures of one run, times in milliseconds: `p50_ms` and `p99_ms` from the (first) publish to the receipt, both at the agent;
    `accepted_…` from before the message is put on the agent's disk.
    """

    agents: int
    seconds: float
    filed: int
    receipted: int
    duplicates: int
    rejected: int
    lost: int
    resends: int
    p50_ms: float
    p99_ms: float
    accepted_p50_ms: float
    accepted_p99_ms: float


class _Agent:
    """One simulated agent and its notes."""

    def __init__(self, credential: Credential, credentials: Credentials, folder: Path, seed: int) -> None:
        self.dice = random.Random(seed)
        self.filed_s: dict[str, float] = {}
        self.trips_ms: list[float] = []
        self.publish_trips_ms: list[float] = []
        self.statuses: dict[str, wire.ReceiptStatus] = {}
        settings = credentials.settings(credential)
        self.outbox: Outbox = open_outbox(folder / credential.agent_id, settings)
        self.session = Session(
            settings, self.outbox, password=credential.password, tls=tls_context(folder, settings), on_receipt=self._note, dice=self.dice,
        )

    def _note(self, receipt: wire.Receipt, rtt_s: float | None) -> None:
        if receipt.id in self.filed_s and receipt.id not in self.statuses:
            self.statuses[receipt.id] = receipt.status
            if rtt_s is not None:
                self.publish_trips_ms.append(rtt_s * 1000)
            self.trips_ms.append((time.monotonic() - self.filed_s[receipt.id]) * 1000)

    async def live(self, rate: float, ends_s: float) -> None:
        """File at `rate` a second, evenly with a random phase, until `ends_s` (monotonic)."""
        await self.session.connected.wait()
        due_s = time.monotonic() + self.dice.uniform(0, 1 / rate)
        while due_s < ends_s:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            report = everyday_report(self.dice, datetime.now(UTC), drill=True)
            self.filed_s[report.id] = time.monotonic()
            await self.session.file(report)
            due_s += 1 / rate

    def waits(self) -> bool:
        """Is a receipt still missing?"""
        return len(self.statuses) < len(self.filed_s)


async def simulate(
    credentials: Credentials, *, agents: int, rate: float, seconds: float, progress: Console | None = None, seed: int = 1
) -> Simulation:
    """Run `agents` of the file's agents for `seconds`, each filing `rate` reports a second, all marked as drill; then wait for receipts.

    Raises Rejected where the file has fewer agents.
    """
    if len(credentials.agents) < agents:
        raise Rejected("too_few_agents", f"凭据文件只有 {len(credentials.agents)} 个终端", f"there are only {len(credentials.agents)} agents in the file")
    with tempfile.TemporaryDirectory(prefix="simulate-") as name:
        async with AsyncExitStack() as stack:
            crew = [_Agent(one, credentials, Path(name), seed + n) for n, one in enumerate(credentials.agents[:agents])]
            for one in crew:
                stack.enter_context(closing(one.outbox))
            await _run(crew, rate, seconds, progress)
            return _figures(crew, seconds)


async def _run(crew: list[_Agent], rate: float, seconds: float, console: Console | None) -> None:
    async with asyncio.TaskGroup() as group:
        talks = [group.create_task(one.session.run()) for one in crew]
        async with asyncio.timeout(60):
            await asyncio.gather(*(one.session.connected.wait() for one in crew))
        ends_s = time.monotonic() + seconds
        lives = [group.create_task(one.live(rate, ends_s)) for one in crew]
        await _show_progress(crew, ends_s, seconds, console)
        await asyncio.gather(*lives)
        await _drain(crew)
        for one in crew:
            one.session.stop()
        await asyncio.gather(*talks)


async def _drain(crew: list[_Agent]) -> None:
    ends_s = time.monotonic() + _DRAIN_S
    while True:
        if time.monotonic() > ends_s or not any(one.waits() for one in crew):
            return
        await asyncio.sleep(0.05)


async def _show_progress(crew: list[_Agent], ends_s: float, seconds: float, console: Console | None) -> None:
    if console is None:
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("receipts", total=seconds)
        while True:
            left_s = ends_s - time.monotonic()
            filed, back = sum(len(one.filed_s) for one in crew), sum(len(one.statuses) for one in crew)
            bar.update(task, completed=seconds - max(0.0, left_s), description=f"{back}/{filed}")
            if left_s <= 0:
                return
            await asyncio.sleep(0.25)


def _figures(crew: list[_Agent], seconds: float) -> Simulation:
    trips = sorted(trip for one in crew for trip in one.publish_trips_ms)
    accepted = sorted(trip for one in crew for trip in one.trips_ms)
    statuses = [status for one in crew for status in one.statuses.values()]
    filed = sum(len(one.filed_s) for one in crew)
    return Simulation(
        agents=len(crew), seconds=seconds, filed=filed, receipted=len(statuses), lost=filed - len(statuses),
        duplicates=statuses.count(wire.ReceiptStatus.DUPLICATE), rejected=statuses.count(wire.ReceiptStatus.REJECTED),
        resends=sum(one.session.state().counts["resends"] for one in crew), p50_ms=percentile(trips, 50), p99_ms=percentile(trips, 99), accepted_p50_ms=percentile(accepted, 50), accepted_p99_ms=percentile(accepted, 99),
    )


def percentile(ordered: list[float], percent: float) -> float:
    """The nearest-rank percentile of sorted values; NaN of none."""
    if not ordered:
        return float("nan")
    rank = max(1, -(-len(ordered) * percent // 100))
    return round(ordered[int(rank) - 1], 2)


def show(result: Simulation, console: Console, *, as_json: bool = False) -> None:
    """Print the figures as a table, or as one JSON object."""
    figures = {name: getattr(result, name) for name in result.__struct_fields__}
    if as_json:
        print(json.dumps(figures))
        return
    table = Table("终端 agents", "报告 filed", "回执 receipts", "重复 duplicates", "退回 rejected", "丢失 lost", "重发 resends", "p50 ms", "p99 ms")
    table.add_row(*(str(figures[name]) for name in (
        "agents", "filed", "receipted", "duplicates", "rejected", "lost", "resends", "p50_ms", "p99_ms")))
    console.print(table)

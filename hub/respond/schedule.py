"""Ticks: APScheduler only says "look now"; what is due stands in the store, so that a tick that was missed is caught up by the next.

Runs what it is given: the ladders of duties here, and any further recurring work (`add`), each under its own name.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from hub.domain.duty_rules import DutyRules
from hub.errors import Unavailable
from hub.store import Store
from hub.store.obligations import NOTHING, Ticked, is_due, note_tick, tick_batch

log = logging.getLogger("hub.respond")
TICK_S = 5.0
"""Seconds between ticks: a missed duty is escalated at the latest 30 s after it is due, after a start at once."""
BATCH, PRESSED_BATCH = 2_000, 50
"""The most duties in one transaction, and how many once a report has come in meanwhile: that waits for the writer no longer than for any reaction."""


async def tick(store: Store, rules: DutyRules, *, batch: int = BATCH) -> Ticked:
    """Do all that is due now, batch by batch; gives what was done. Safe with several hubs at once and after any crash.

    A tick with nothing due only reads: it never waits for the writer.
    """
    async with store.read() as conn:
        if not await is_due(conn, store.clock.now()):
            return NOTHING
    total, first, size = NOTHING, True, min(batch, PRESSED_BATCH)
    while True:
        async with store.transaction() as tx:
            if first:
                await note_tick(tx, rules)
            done = await tick_batch(tx, rules, limit=size)
            pressed = store.pressed
        total, first = Ticked(*(a + b for a, b in zip(total, done, strict=True))), False
        if done.looked < size:
            return total
        size = min(batch, PRESSED_BATCH if pressed else size * 4)


class Job(NamedTuple):
    """Recurring work: its name, seconds between runs, and what it does."""

    name: str
    every_s: float
    work: Callable[[], Awaitable[Any]]


class Schedule:
    """Runs jobs until cancelled: each at once, then at its interval; a job never overlaps itself, and an outage is only a later run."""

    def __init__(self, jobs: list[Job] | None = None) -> None:
        self.jobs = list(jobs or ())
        self.runs: dict[str, int] = {}
        self.failures: dict[str, int] = {}
        self._broken: asyncio.Future[None] | None = None

    def add(self, name: str, every_s: float, work: Callable[[], Awaitable[Any]]) -> None:
        """Add a job, before `run`."""
        self.jobs.append(Job(name, every_s, work))

    async def run(self) -> None:
        """Tick until cancelled. A bug in a job ends this with its error; a store that is away does not."""
        from apscheduler.schedulers.asyncio import AsyncIOScheduler

        self._broken = asyncio.get_running_loop().create_future()
        scheduler = AsyncIOScheduler(timezone="UTC", job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1})
        for job in self.jobs:
            await self._once(job)
            scheduler.add_job(self._once, "interval", seconds=job.every_s, args=[job], id=job.name)
        scheduler.start()
        try:
            await self._broken
        finally:
            scheduler.shutdown(wait=False)

    async def _once(self, job: Job) -> None:
        try:
            await job.work()
            self.runs[job.name] = self.runs.get(job.name, 0) + 1
        except Unavailable as error:
            self.failures[job.name] = self.failures.get(job.name, 0) + 1
            log.warning("a tick found the store away", extra={"job": job.name, "error": str(error)})
        except asyncio.CancelledError:
            if self._broken is None or not self._broken.done():
                raise
            # the schedule has ended: what the job had begun is undone with its transaction, and is done at the next start
        except Exception as error:
            if self._broken is None or self._broken.done():
                raise
            self._broken.set_exception(error)

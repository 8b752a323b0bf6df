"""What recurs: a schedule that ends in the middle of a job ends in silence."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from hub.respond.schedule import Job, Schedule


async def test_a_job_that_is_under_way_when_the_schedule_ends_is_let_go_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    begun, let_go = asyncio.Event(), asyncio.Event()
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            return
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            let_go.set()
            raise

    running = asyncio.create_task(Schedule([Job("tick", 0.05, work)]).run())
    async with asyncio.timeout(10):
        await begun.wait()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await let_go.wait()
        await asyncio.sleep(0.05)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]

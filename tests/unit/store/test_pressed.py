"""Who stores reports goes first at the writer, and whoever holds it can see that somebody waits."""

from __future__ import annotations

import asyncio

from hub.store.turns import Turns


async def test_a_report_that_waits_is_seen_and_goes_first() -> None:
    turns, came = Turns(), []

    async def take(name: str, urgent: bool) -> None:
        async with turns.turn(urgent=urgent):
            came.append(name)

    async with turns.turn():
        tasks = [asyncio.create_task(take("reaction", False))]
        await asyncio.sleep(0)
        assert not turns.pressed
        tasks.append(asyncio.create_task(take("report", True)))
        await asyncio.sleep(0)
        assert turns.pressed
    await asyncio.gather(*tasks)
    assert came == ["report", "reaction"]
    assert not turns.pressed

"""Whose turn it is to write: nobody who leaves the line takes the turn with him, or holds up his own end."""

from __future__ import annotations

import asyncio

import pytest

from hub.store.turns import Turns


@pytest.mark.parametrize("urgent", [False, True])
@pytest.mark.parametrize("when", ["before the turn is passed on", "with the turn already his"])
async def test_whoever_is_cancelled_in_the_moment_the_turn_passes_ends_as_cancelled_and_the_next_has_it(when: str, urgent: bool) -> None:
    """The holder passes over a waiter that is cancelled and has not run since; it had then failed in leaving the line, and its task went on for ever."""
    turns, served = Turns(), asyncio.Event()

    async def wait(reached: asyncio.Event) -> None:
        async with turns.turn(urgent=urgent):
            reached.set()

    async with turns.turn():
        leaving = asyncio.create_task(wait(asyncio.Event()))
        staying = asyncio.create_task(wait(served))
        await asyncio.sleep(0)
        if when == "before the turn is passed on":
            leaving.cancel()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await asyncio.wait_for(staying, 1)
    assert served.is_set()

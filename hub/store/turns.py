"""Whose turn it is to write: one at a time, and who stores reports goes before who reacts to them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """A lock with two lines; the urgent line is served first. Fair within a line; a cancelled waiter leaves it."""

    def __init__(self) -> None:
        self._held = False
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._usual: deque[asyncio.Future[None]] = deque()

    @property
    def pressed(self) -> bool:
        """Does somebody urgent wait?"""
        return bool(self._urgent)

    @asynccontextmanager
    async def turn(self, *, urgent: bool = False) -> AsyncIterator[None]:
        """Wait for the turn, and hold it within the block."""
        await self._wait(self._urgent if urgent else self._usual)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, line: deque[asyncio.Future[None]]) -> None:
        if not self._held:
            self._held = True
            return
        mine = asyncio.get_running_loop().create_future()
        line.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._pass_on()  # the turn came in the very moment of the cancellation
            elif mine in line:  # else somebody who passed the turn on has dropped it already
                line.remove(mine)
            raise

    def _pass_on(self) -> None:
        for line in (self._urgent, self._usual):
            while line:
                waiter = line.popleft()
                if not waiter.done():
                    waiter.set_result(None)
                    return
        self._held = False

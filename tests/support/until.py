"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE_S = 60.0


async def until(condition: Callable[[], object], within_s: float = PATIENCE_S, what: str = "") -> None:
    """Return as soon as `condition()` is true; AssertionError with `what` after a minute (or `within_s`, where that is more).

    How fast something is stands in a benchmark: a deadline here only tells what never happens from what a busy machine does later.
    """
    loop = asyncio.get_running_loop()
    ends = loop.time() + max(within_s, PATIENCE_S)
    while not condition():
        assert loop.time() < ends, f"not within {within_s} s: {what or condition}"
        await asyncio.sleep(0.01)

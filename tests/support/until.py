"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], within_s: float = 10.0, what: str = "") -> None:
    """Return as soon as `condition()` is true; AssertionError with `what` after `within_s` seconds."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + within_s
    while not condition():
        assert loop.time() < ends, f"not within {within_s} s: {what or condition}"
        await asyncio.sleep(0.01)

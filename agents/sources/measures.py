"""Instruments by file: a weather station or a gas monitor writes `{"wind": {…}, "values": {…}}`, the agent's telemetry carries it.

A measurement is never stored: a file that is old, half-written or wrong says nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from agents.session import Measures
from hub import wire
from hub.clock import utc_text
from hub.errors import Rejected

log = logging.getLogger("tocsin.agent")

LOOK_S: Final = 1.0
MEASURES_FILE: Final = "measures.json"
MAX_BYTES: Final = 65_536


def read_measures(path: Path, now: datetime, max_age_s: float) -> Measures | None:
    """What the file says, or None where it is missing, older than `max_age_s` or cannot be read. A wind without `at` has the file's time."""
    try:
        written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        payload = path.read_bytes()
    except OSError:
        return None
    if abs((now - written_at).total_seconds()) > max_age_s:
        return None
    try:
        return _decode(payload, written_at)
    except Rejected as error:
        log.warning("%s: %s", path, error)
        return None


def _decode(payload: bytes, written_at: datetime) -> Measures:
    values: dict[str, Any] = wire.decode(payload, _File, limit_bytes=MAX_BYTES).as_dict()
    wind = values.get("wind")
    if wind is not None:
        values["wind"] = {"at": utc_text(written_at)} | wind
    return wire.decode(msgspec.json.encode(values), Measures)


class _File(msgspec.Struct, frozen=True):
    wind: dict[str, Any] | None = None
    values: dict[str, float] = {}

    def as_dict(self) -> dict[str, Any]:
        return {"wind": self.wind, "values": self.values}


def write_measures(path: Path, measures: Measures) -> None:
    """Write such a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(msgspec.json.encode(measures))
    part.replace(path)


async def watch(path: Path, tell: Callable[[], Awaitable[None]], every_s: float = LOOK_S) -> None:
    """Call `tell` for the file that is there and whenever it is written anew (a telemetry at once, not at its pace); for ever."""
    seen = None
    while True:
        stamp = await asyncio.to_thread(_stamp, path)
        if stamp is not None and stamp != seen:
            await tell()
        seen = stamp
        await asyncio.sleep(every_s)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino

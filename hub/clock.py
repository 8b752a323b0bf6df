"""Time comes in through here: rules take `now` as an argument, edges ask a `Clock`.

Inside the product a time is an aware UTC datetime; in the store and on the wire it is canonical text with milliseconds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """Where an edge reads the time."""

    def now(self) -> datetime:
        """The current time, aware, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current time, aware, UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that moves only when told to; for tests, drills and replays."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """The time it was last set to."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Move forward (or back, where `by` is negative)."""
        self._now += by

    def set(self, to: datetime) -> None:
        """Jump to `to`."""
        self._now = to.astimezone(UTC)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_text(at: datetime) -> str:
    """The canonical text of an aware time: UTC, milliseconds, `Z`; it sorts as text in the order of time."""
    since = at - _EPOCH
    return f"{_second_text(since.days * 86_400 + since.seconds)}.{since.microseconds // 1000:03d}Z"


@lru_cache(maxsize=4096)
def _second_text(second: int) -> str:
    """A whole second as text: many times fall into the same one, and calendar arithmetic is most of the cost."""
    return (_EPOCH + timedelta(seconds=second)).isoformat()[:19]


def parse_utc(text: str) -> datetime:
    """Read a canonical time (or any ISO 8601 time with an offset) as aware UTC.

    Raises ValueError for a text that is no time or carries no offset.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"a time without an offset: {text!r}")
    return at.astimezone(UTC)

"""How much media may be under way: a window in bytes and time, dropping to the next key frame over it, and stepping down in steps.

Pure: times come in as arguments (seconds of any steady clock). Nothing is ever queued here; what may not go is dropped by the caller.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import Protocol

from msgspec import Struct


class Level(IntEnum):
    """What an uplink can bear, best first."""

    FULL = 0
    SUB_STREAM = 1
    KEY_FRAMES = 2
    PREVIEWS = 3


class Sending(Protocol):
    """A message handed to the network; paho's MQTTMessageInfo is one."""

    def is_published(self) -> bool:
        """Has it left for the socket?"""
        ...


class UplinkLimits(Struct, frozen=True, kw_only=True):
    """`window_bytes` may always be under way; more only while nothing is older than `late_s`, and never over `cap_bytes`.

    24 kB held a report's receipt within 0.5 s on 1 Mbit/s beside 2 Mbit/s of video (measured); the age lets a fast link carry more.
    """

    window_bytes: int = 24_576
    late_s: float = 0.2
    cap_bytes: int = 8_388_608
    step_down_s: float = 3.0
    step_up_s: float = 20.0
    longest_step_up_s: float = 300.0


class Uplink:
    """The messages under way on one connection, and the level that follows from how often it was too slow."""

    def __init__(self, limits: UplinkLimits | None = None) -> None:
        self.limits = limits or UplinkLimits()
        self.level = Level.FULL
        self.dropped = 0
        self.pending_bytes = 0
        self._pending: deque[tuple[Sending, int, float]] = deque()
        self._congested_since: float | None = None
        self._last_drop = float("-inf")
        self._stepped_at = float("-inf")
        self._raised_at = float("-inf")
        self._patience_s = self.limits.step_up_s

    def has_room(self, size: int, now: float) -> bool:
        """May a message of `size` bytes go now?"""
        self._settle()
        if not self._pending or self.pending_bytes + size <= self.limits.window_bytes:
            return True
        return self.pending_bytes + size <= self.limits.cap_bytes and now - self._pending[0][2] <= self.limits.late_s

    def is_idle(self) -> bool:
        """Is nothing under way?"""
        self._settle()
        return not self._pending

    def is_strained(self, now: float) -> bool:
        """Has it been too slow of late? It stays so until it has borne everything for as long as a step up takes."""
        return self.level > Level.FULL or now - self._last_drop < self._patience_s

    def sent(self, sending: Sending, size: int, now: float) -> None:
        """A message was handed over."""
        self._pending.append((sending, size, now))
        self.pending_bytes += size

    def reset(self) -> None:
        """The connection was made anew: nothing is under way."""
        self._pending.clear()
        self.pending_bytes = 0

    def _settle(self) -> None:
        while self._pending and self._pending[0][0].is_published():
            self.pending_bytes -= self._pending.popleft()[1]

    def drop(self, now: float) -> None:
        """A message did not go; a while of that steps the level down."""
        self.dropped += 1
        if self._congested_since is None or now - self._last_drop > 2.0:
            self._congested_since = now
        self._last_drop = now
        since = max(self._congested_since, self._stepped_at)
        if now - since >= self.limits.step_down_s and self.level < Level.PREVIEWS:
            if now - self._raised_at < 2 * self.limits.step_up_s:
                self._patience_s = min(self._patience_s * 2, self.limits.longest_step_up_s)
            self.level, self._stepped_at = Level(self.level + 1), now

    def tick(self, now: float) -> None:
        """Time passes: a while without drops steps the level up again, with more patience after each failure."""
        if self.level > Level.FULL and now - max(self._last_drop, self._stepped_at) >= self._patience_s:
            self.level, self._stepped_at, self._raised_at = Level(self.level - 1), now, now

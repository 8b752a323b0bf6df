"""The last seconds of one stream, whole groups of pictures, bounded by bytes: what bursts to a new viewer and what happened before the event."""

from __future__ import annotations

from collections import deque
from typing import Final

from streams.fragment import TICKS, Track, Unit

CAP_BYTES: Final = 8_388_608
"""Most bytes of one ring (10 s at 6 Mbit/s); older groups go first, and a single larger group is not kept at all."""


class Ring:
    """Groups of pictures of the last `keep_s` seconds and the current one; not for use by two threads without a lock."""

    def __init__(self, keep_s: float, cap_bytes: int = CAP_BYTES) -> None:
        self.size_bytes = 0
        self._keep, self._cap = int(keep_s * TICKS), cap_bytes
        self._groups: deque[list[Unit]] = deque()
        self._skipping = True

    def clear(self) -> None:
        """Forget everything (another stream begins)."""
        self._groups.clear()
        self.size_bytes, self._skipping = 0, True

    def add(self, unit: Unit) -> None:
        """Add a unit; units before the first key frame are not kept."""
        video = unit.track is Track.VIDEO
        if video and unit.key:
            self._groups.append([])
            self._skipping = False
            self._forget(unit.dts)
        if self._skipping:
            return
        self._groups[-1].append(unit)
        self.size_bytes += len(unit.data)
        while self.size_bytes > self._cap:
            self._drop_oldest()
        if not self._groups:
            self._skipping = True

    def _forget(self, now: int) -> None:
        while len(self._groups) > 2 and self._groups[1][0].dts < now - self._keep:
            self._drop_oldest()
        while len(self._groups) > 1 and self._keep == 0:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self.size_bytes -= sum(len(unit.data) for unit in self._groups.popleft())

    @property
    def is_empty(self) -> bool:
        """Has no key frame come yet?"""
        return not self._groups

    def current(self) -> list[Unit]:
        """The current group of pictures, its key frame first; empty before there is one."""
        return list(self._groups[-1]) if self._groups else []

    def before(self, seconds: float) -> list[list[Unit]]:
        """The whole groups that end within `seconds` before the current one, oldest first."""
        if len(self._groups) < 2:
            return []
        since = self._groups[-1][0].dts - int(seconds * TICKS)
        following = list(self._groups)[1:]
        return [list(group) for group, after in zip(self._groups, following, strict=False) if after[0].dts > since]

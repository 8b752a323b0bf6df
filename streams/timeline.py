"""One steady timeline out of a camera's timestamps: missing ones are made up, jumps of its clock bridged. Pure: times in, times out."""

from __future__ import annotations

from typing import Final

from streams.fragment import TICKS

JUMP: Final = 3 * TICKS
"""A leap forward of more than this beyond the time that really passed is a clock jump (own choice: RTSP stalls of 1-2 s are common)."""
BACK: Final = TICKS
"""A step back of more than this is a clock jump; less is reordering before the first known decoding time."""
PATIENCE: Final = 16
"""How many packets may come without decoding times before showing times are taken for them (libav needs 2-4 to learn the reordering)."""
SHORTEST, LONGEST = TICKS // 240, TICKS


class Timeline:
    """Places packets on a timeline of 90 kHz that begins with the source and never goes back, across reconnects too."""

    def __init__(self, step: int = TICKS // 25) -> None:
        self.jumps = 0
        self._step = step
        self._offset: int | None = None
        self._last: int | None = None
        self._last_elapsed = 0
        self._blind = 0
        self._fresh = True

    def restart(self) -> None:
        """The connection was made anew: the next packet is anchored to the time that passed, not to the camera's numbers."""
        self._offset = None
        self._blind = 0
        self._fresh = True

    def place(self, pts: int | None, dts: int | None, elapsed: int) -> tuple[int, int, int]:
        """(dts, pts, duration) of one packet; in: its own times in ticks or None, and `elapsed` ticks since the source began."""
        self._blind = 0 if dts is not None else self._blind + 1
        raw = dts if dts is not None else pts if self._offset is None and self._blind > PATIENCE else None
        out = self._next(elapsed)
        if raw is not None and self._offset is not None:
            placed = raw + self._offset
            if self._jumped(placed, elapsed):
                self.jumps += 1
                self._offset = out - raw
            else:
                out = placed
        elif raw is not None:
            self._offset = out - raw
        elif pts is not None and self._offset is not None and abs(pts + self._offset - out) > TICKS // 2:
            out = pts + self._offset
        self._fresh = False
        if self._last is not None:
            out = max(out, self._last + 1)
            if SHORTEST <= out - self._last <= LONGEST:
                self._step = out - self._last
        self._last, self._last_elapsed = out, elapsed
        shown = out if pts is None or self._offset is None else pts + self._offset
        return out, (shown if abs(shown - out) < 2 * TICKS else out), self._step

    def _next(self, elapsed: int) -> int:
        """Where a packet goes whose own time says nothing: behind the last, and after a (re)connection not before the time that passed."""
        if self._last is None:
            return max(elapsed, 0)
        if self._fresh:
            return max(elapsed, self._last + self._step)
        passed = elapsed - self._last_elapsed
        return self._last + (passed if passed > JUMP else self._step)

    def _jumped(self, out: int, elapsed: int) -> bool:
        if self._last is None:
            return False
        delta = out - self._last
        return delta < -BACK or delta > elapsed - self._last_elapsed + JUMP

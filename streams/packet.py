"""One packet of whatever reads a camera, and what it waits for while it has none."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any, TypeVar

from msgspec import Struct

from streams.fragment import Track

T = TypeVar("T")


class Packet(Struct, frozen=True):
    """One packet of a demuxer: times in ticks or None; `frame` instead of data where the camera sends pictures (Motion JPEG)."""

    track: Track
    data: bytes
    key: bool
    pts: int | None
    dts: int | None
    frame: Any = None


class Wait(Struct, frozen=True):
    """There is nothing more to give before `sock` can be read: not to be looked at for `gather_s`, nor waited for beyond `until_s` (steady clock).

    Whoever asks for the next step afterwards gets the same again, or a TimeoutError once `until_s` has passed.
    """

    sock: socket.socket
    gather_s: float
    until_s: float

    def block(self) -> None:
        """Wait here."""
        if self.gather_s:
            time.sleep(self.gather_s)
        self.sock.settimeout(max(0.001, self.until_s - time.monotonic()))
        with contextlib.suppress(OSError):  # met again, and named, by who reads
            self.sock.recv(1, socket.MSG_PEEK)
        self.sock.setblocking(False)


def blocking(steps: Iterator[T | Wait]) -> Iterator[T]:
    """What comes, waited for in this thread."""
    for step in steps:
        if isinstance(step, Wait):
            step.block()
        else:
            yield step

"""One packet of whatever reads a camera."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from streams.fragment import Track


class Packet(Struct, frozen=True):
    """One packet of a demuxer: times in ticks or None; `frame` instead of data where the camera sends pictures (Motion JPEG)."""

    track: Track
    data: bytes
    key: bool
    pts: int | None
    dts: int | None
    frame: Any = None

"""Media messages as an agent sends them, made without a network: for tests of the relay and the recorder."""

from __future__ import annotations

from functools import cache
from typing import Any

import av
import numpy as np

from hub.wire import ASKED, MediaKind, media_header
from streams.encode import Encoder
from streams.fragment import TICKS, Track, Unit, fragment, init_info, init_payload, init_segment
from streams.relay import Chunk
from streams.strip import draw_strip

BEGAN_MS = 1_795_000_000_000


@cache
def units(frames: int, size: tuple[int, int] = (160, 96), gop: int = 25, start: int = 0) -> tuple[Any, tuple[Unit, ...]]:
    """(config, units) of a moving picture at 25 a second with its wall clock burnt in, beginning at frame `start`."""
    encoder = Encoder(*size, gop=gop, kbps=200)
    out = []
    rng = np.random.default_rng(3)
    base = rng.integers(0, 255, (size[1], size[0], 3), np.uint8)
    for n in range(start, start + frames):
        picture = np.roll(base, 2 * n, axis=1).copy()
        draw_strip(picture, BEGAN_MS + 40 * n)
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        for sample, key, pts, dts in encoder.encode(frame, n * TICKS // 25, key=n == start):
            out.append(Unit(Track.VIDEO, sample, key, dts, pts, TICKS // 25, BEGAN_MS + 40 * n))
    return encoder.reader.config, tuple(out)


def init_message(config: Any, seq: int = 0, *, asked: str = "") -> bytes:
    """An init message; `asked`: the qualities it is for, with spaces between them, none for everybody."""
    return media_header(MediaKind.INIT, key=True, seq=seq, wall_ms=BEGAN_MS, asked=_bits(asked)) + init_payload(init_info(config, None), init_segment(config))


def media_message(unit: Unit, seq: int, *, cached: bool = False, pre_event: bool = False, asked: str = "") -> bytes:
    """A media message with one picture."""
    header = media_header(MediaKind.MEDIA, key=unit.key, seq=seq, wall_ms=unit.wall_ms, cached=cached, pre_event=pre_event, asked=_bits(asked))
    return header + fragment(seq, [unit])


def _bits(asked: str) -> int:
    return sum(ASKED[quality] for quality in asked.split())


def chunk(kind: MediaKind, message: bytes) -> Chunk:
    """The chunk that a relay makes of a message."""
    flags, seq = message[1], int.from_bytes(message[2:6], "big")
    return Chunk(kind, bool(flags & 1), bool(flags & 2), bool(flags & 4), seq, int.from_bytes(message[6:14], "big"), message)


def chunks(frames: int, **options: Any) -> list[Chunk]:
    """Init and media chunks of a stream of so many frames, one picture each."""
    config, made = units(frames, **options)
    rows = [chunk(MediaKind.INIT, init_message(config))]
    return rows + [chunk(MediaKind.MEDIA, media_message(unit, n)) for n, unit in enumerate(made, 1)]

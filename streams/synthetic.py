"""A camera made of numbers, for demonstrations, exercises and tests: a plant with a moving truck and a burnt-in clock.

Address: `synthetic:?size=1280x720&rate=25&gop_s=1&seed=3&fault=frozen&after_s=10`; faults: frozen, black, covered, blurred, moved, over_exposed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hub.errors import Rejected
from streams.encode import Encoder
from streams.fragment import TICKS, AudioReader, Track
from streams.rtp import CameraClock
from streams.strip import draw_strip

if TYPE_CHECKING:
    import numpy as np

    from streams.packet import Packet

    Picture = np.ndarray[Any, Any]

FAULTS = frozenset({"frozen", "black", "covered", "blurred", "moved", "over_exposed"})


class Scene:
    """A drawn plant yard (tanks, pipes, building, road) of one size and seed; `render` gives the picture of a moment."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        import cv2
        import numpy as np

        rng = np.random.default_rng(seed)
        wide = width + width // 2
        sky = np.linspace(150, 215, height)[:, None, None] * np.array([1.0, 0.95, 0.85])
        picture = np.repeat(sky, wide, axis=1).astype(np.uint8)
        ground = int(height * rng.uniform(0.55, 0.68))
        picture[ground:] = (96, 104, 108)
        for _ in range(9):
            self._draw_tank(picture, rng, ground, wide, height)
        for _ in range(7):
            self._draw_house(picture, rng, ground, wide, height)
        cv2.line(picture, (0, height - height // 9), (wide, height - height // 7), (200, 200, 190), max(1, height // 120))
        grain = rng.normal(0, 9, (height, wide, 1)) + cv2.resize(rng.normal(0, 12, (height // 8, wide // 8)), (wide, height))[..., None]
        self._base: Picture = np.clip(picture + grain, 0, 255).astype(np.uint8)
        self._noise: Picture = rng.integers(0, 7, (height + 16, width + 16, 1), np.uint8)
        self._size, self._rng = (width, height), rng

    @staticmethod
    def _draw_tank(picture: Picture, rng: np.random.Generator, ground: int, wide: int, height: int) -> None:
        import cv2

        x, r, top = int(rng.integers(0, wide)), int(rng.integers(height // 18, height // 7)), int(rng.integers(height // 6, ground - height // 16))
        shade = int(rng.integers(60, 240))
        cv2.rectangle(picture, (x - r, top), (x + r, ground), (shade, shade, min(255, shade + 12)), -1)
        cv2.ellipse(picture, (x, top), (r, max(2, r // 4)), 0, 0, 360, (min(255, shade + 35),) * 3, -1)
        for band in range(top, ground, max(4, height // 40)):
            cv2.line(picture, (x - r, band), (x + r, band), (max(0, shade - 30),) * 3, 1)

    @staticmethod
    def _draw_house(picture: Picture, rng: np.random.Generator, ground: int, wide: int, height: int) -> None:
        import cv2

        x, w, top = int(rng.integers(0, wide)), int(rng.integers(height // 8, height // 3)), int(rng.integers(height // 4, ground))
        colour = tuple(int(c) for c in rng.integers(50, 200, 3))
        cv2.rectangle(picture, (x, top), (x + w, ground + height // 20), colour, -1)
        for wx in range(x + 4, x + w - 4, max(6, height // 26)):
            for wy in range(top + 4, ground, max(8, height // 20)):
                cv2.rectangle(picture, (wx, wy), (wx + height // 60, wy + height // 40), (40, 45, 60), -1)

    def render(self, tick: int, fault: str | None = None) -> Picture:
        """The picture number `tick` as BGR; `fault` spoils it."""
        import cv2

        width, height = self._size
        left = width // 3 if fault == "moved" else 0
        still = 0 if fault == "frozen" else tick
        picture = self._base[:, left:left + width].copy()
        x, y = still * 4 % (width + 200) - 100, height - height // 6
        cv2.rectangle(picture, (x, y), (x + height // 6, y + height // 14), (40, 60, 220), -1)
        dx, dy = (0, 0) if fault == "frozen" else ((tick * 7) % 16, (tick * 5) % 16)
        picture = cv2.add(picture, cv2.merge([self._noise[dy:dy + height, dx:dx + width]] * 3))
        return _spoil(picture, fault)


def _spoil(picture: Picture, fault: str | None) -> Picture:
    import cv2

    match fault:
        case "black":
            spoilt = picture // 40
        case "covered":
            thumb = cv2.GaussianBlur(cv2.resize(picture, (64, 36), interpolation=cv2.INTER_AREA), (0, 0), 9)
            spoilt = cv2.resize(thumb, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC) // 3 + 25
        case "blurred":
            spoilt = cv2.GaussianBlur(picture, (0, 0), picture.shape[0] / 60)
        case "over_exposed":
            spoilt = cv2.add(picture, (190.0, 190.0, 190.0, 0.0))
        case _:
            spoilt = picture
    return spoilt


class SyntheticSupply:
    """The synthetic camera as a supply of pictures at the real pace; encoded by the source like Motion JPEG."""

    whole = True
    codec = "synthetic"
    extradata = b""
    audio: AudioReader | None = None
    dropped_audio: str | None = None
    clock = CameraClock()  # which is the agent's

    def __init__(self, options: dict[str, str], stop: threading.Event) -> None:
        try:
            width, height = (int(n) for n in options.get("size", "640x360").split("x"))
            self.rate, self.gop_s = float(options.get("rate", "25")), float(options.get("gop_s", "1"))
            seed, self._after_s = int(options.get("seed", "1")), float(options.get("after_s", "0"))
        except ValueError:
            raise Rejected("malformed_url", "模拟摄像机参数不对", "the options of the synthetic camera cannot be read", field="url") from None
        self._fault = options.get("fault")
        if not (64 <= width <= 3840 and 36 <= height <= 2160 and 0 < self.rate <= 60) or self._fault not in (None, *FAULTS):
            raise Rejected("malformed_url", "模拟摄像机参数不对", "the options of the synthetic camera are out of range", field="url")
        self._scene, self._stop = Scene(width, height, seed), stop

    def __enter__(self) -> SyntheticSupply:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def encoder(self, width: int, height: int) -> Encoder:
        """An encoder with this camera's group of pictures."""
        return Encoder(width, height, gop=max(1, round(self.rate * self.gop_s)))

    def steps(self) -> Iterator[Packet]:
        """A picture each 1/rate seconds, its clock burnt in just before it is handed over."""
        import av

        from streams.packet import Packet

        began, tick = time.monotonic(), 0
        while not self._stop.is_set():
            at_s = tick / self.rate
            if (wait := at_s - (time.monotonic() - began)) > 0:
                self._stop.wait(wait)
            elif wait < -1:
                tick = int((time.monotonic() - began) * self.rate)
                at_s = tick / self.rate
            picture = self._scene.render(tick, self._fault if at_s >= self._after_s else None)
            wall_ms = time.time_ns() // 1_000_000
            if self._fault != "frozen" or at_s < self._after_s:
                draw_strip(picture, wall_ms)
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.opaque = wall_ms
            yield Packet(Track.VIDEO, b"", True, int(at_s * TICKS), int(at_s * TICKS), frame)
            tick += 1

"""Small pictures of a camera from its key frames alone: decoded, scaled to 320 pixels, kept for the health measures, sent as JPEG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streams.encode import decoder
from streams.fragment import Track, Unit, VideoConfig, parse_fragment, parse_init_segment

if TYPE_CHECKING:
    import numpy as np

WIDTH: Final = 320
PERIOD_S: Final = 3.0
"""How often a camera's preview is made where its entry says nothing (our own choice: two hundred cameras leave two cores room to name a failure
within two periods, which they did not at two seconds: `tocsin bench cameras`)."""
JPEG_QUALITY: Final = 70
"""320 pixels at quality 70 cost 0.74 % of a core per 720p camera and second, and about 6 kB each (measured)."""


class KeyFrames:
    """Decodes single key frames of one camera; a new config makes a new decoder. Not for use by two threads."""

    def __init__(self) -> None:
        self.failed = 0
        self._config: VideoConfig | None = None
        self._decoder: Any = None

    def picture(self, config: VideoConfig, unit: Unit, width: int = WIDTH) -> np.ndarray[Any, Any] | None:
        """The key frame as BGR (H × `width` × 3, uint8), or None where it cannot be decoded (counted in `failed`)."""
        import av

        try:
            if config != self._config or self._decoder is None:
                self._config, self._decoder = config, decoder(config)
            frames = self._decoder.decode(av.Packet(unit.data)) or self._decoder.decode(None)
            self._decoder.flush_buffers()
        except av.error.FFmpegError:
            frames, self._decoder = [], None
        if not frames:
            self.failed += 1
            return None
        frame = frames[0]
        height = max(2, round(frame.height * width / frame.width / 2) * 2)
        picture: np.ndarray[Any, Any] = frame.reformat(width, height, "bgr24", interpolation="AREA").to_ndarray()
        return picture


def key_picture(init: bytes, body: bytes | memoryview, quality: int = 85) -> bytes | None:
    """The key frame that a fragment begins with, in full size as JPEG; None where it cannot be decoded. Raises Rejected for what is no fragment."""
    config, _ = parse_init_segment(init)
    sample = next((sample for sample in parse_fragment(body) if sample.track is Track.VIDEO), None)
    if sample is None or not sample.key:
        return None
    unit = Unit(Track.VIDEO, bytes(sample.data), True, sample.dts, sample.pts, sample.duration, 0)
    picture = KeyFrames().picture(config, unit, config.width)
    return jpeg(picture, quality) if picture is not None else None


def jpeg(picture: np.ndarray[Any, Any], quality: int = JPEG_QUALITY) -> bytes:
    """The picture (BGR) as JPEG."""
    import cv2

    ok, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    return bytes(data)

"""The one place where video is encoded: the synthetic camera, Motion JPEG, and H.265 for a browser that cannot play it.

Everything else passes through untouched. Whoever encodes says so (`transcoded` in the init message) and it is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from streams.fragment import TICKS, Codec, Track, Unit, VideoConfig, VideoReader


class Encoder:
    """H.264 without delay (x264 ultrafast, zerolatency) from pictures of one size; `gop` is the most pictures between key frames."""

    def __init__(self, width: int, height: int, *, gop: int = 25, kbps: int = 2000, options: dict[str, str] | None = None) -> None:
        import av

        self.size = (width & ~1, height & ~1)
        self.reader = VideoReader(Codec.H264)
        self.encoded = 0
        context: Any = av.CodecContext.create("libx264", "w")
        context.width, context.height = self.size
        context.pix_fmt, context.time_base, context.framerate = "yuv420p", Fraction(1, TICKS), Fraction(25, 1)
        context.bit_rate, context.thread_count = kbps * 1000, 1
        context.options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(gop), "keyint_min": str(gop), "sc_threshold": "0",
                           "x264-params": "annexb=1:repeat-headers=1", **(options or {})}
        self._context = context

    def encode(self, frame: Any, at: int, *, key: bool = False) -> Iterator[tuple[bytes, bool, int, int]]:
        """(sample, key, pts, dts) of the pictures that came out for one that went in (an av.VideoFrame, `at` in ticks)."""
        import av

        if (frame.width, frame.height) != self.size or frame.format.name != "yuv420p":
            frame = frame.reformat(*self.size, format="yuv420p")
        frame.pts, frame.time_base = at, Fraction(1, TICKS)
        frame.pict_type = av.video.frame.PictureType.I if key else av.video.frame.PictureType.NONE
        for packet in self._context.encode(frame):
            sample, is_key, *_ = self.reader.take(bytes(packet), packet.is_keyframe)
            self.encoded += 1
            if sample:
                yield sample, is_key, packet.pts, packet.dts


def decoder(video: VideoConfig) -> Any:
    """A libav decoder for samples of this config (one thread, so that no picture is held back)."""
    import av

    context: Any = av.CodecContext.create("h264" if video.codec is Codec.H264 else "hevc", "r")
    context.extradata = video.record
    context.thread_count = 1
    context.flags |= av.codec.context.Flags.low_delay
    return context


class Transcoder:
    """Explicit H.265 → H.264 for one camera: decodes every unit and encodes it anew; audio passes."""

    def __init__(self, video: VideoConfig, *, kbps: int = 2000) -> None:
        self.source = video
        self.pictures = 0
        self._decoder = decoder(video)
        self._encoder = Encoder(video.width, video.height, kbps=kbps)

    @property
    def video(self) -> VideoConfig | None:
        """The config of what comes out; None before the first picture."""
        return self._encoder.reader.config

    def take(self, unit: Unit) -> list[Unit]:
        """The units that come out for one that goes in; a picture that cannot be decoded is left out."""
        import av

        if unit.track is Track.AUDIO:
            return [unit]
        try:
            packet = av.Packet(unit.data)
            packet.pts, packet.dts, packet.time_base = unit.pts, unit.dts, Fraction(1, TICKS)
            frames = self._decoder.decode(packet)
        except av.error.FFmpegError:
            return []
        units = []
        for frame in frames:
            self.pictures += 1
            for sample, key, pts, _ in self._encoder.encode(frame, frame.pts if frame.pts is not None else unit.pts, key=unit.key):
                units.append(Unit(Track.VIDEO, sample, key, pts, pts, unit.duration, unit.wall_ms))
        return units



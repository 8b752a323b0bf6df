"""Cameras as sources of access units: RTSP, HTTP, files and a synthetic camera, opened again and again until told to stop.

Whatever a camera does ends as a unit or as a named trouble. Nothing is transcoded but Motion JPEG. Runs in a thread of its own.
"""

from __future__ import annotations

import errno
import logging
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from msgspec import Struct

from hub.errors import Rejected
from streams.address import Address, mask
from streams.encode import Encoder
from streams.fragment import TICKS, AudioConfig, AudioReader, Codec, Taken, Track, Unit, VideoConfig, VideoReader
from streams.packet import Packet, Wait, blocking
from streams.rtp import CameraClock, NotOurs
from streams.timeline import Timeline

log = logging.getLogger("tocsin.streams.source")

RTSP_OPTIONS: Final = {"analyzeduration": "100000", "probesize": "100000", "fpsprobesize": "0"}
"""Small probing, first packet kept: measured 736 ms instead of 2,645 ms to the first picture. Never `fflags=nobuffer`: it throws the probed
packets away, and with them the key frame."""
NO_KEY_FRAME_S: Final = 15.0
JUMP_SAID_S: Final = 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
_PASSED: Final = {"h264": Codec.H264, "hevc": Codec.H265}


class Transport(StrEnum):
    """How RTP comes to us."""

    TCP = "tcp"
    UDP = "udp"


class Trouble(Struct, frozen=True):
    """Something named that is wrong with a camera, an uplink or a recording; `code` is stable."""

    code: str
    zh: str
    en: str


class Tracks(Struct, frozen=True, kw_only=True):
    """What a source sends. `dropped_audio` and `transcoded` name the camera's own codec where it was left out or changed."""

    video: VideoConfig
    audio: AudioConfig | None = None
    dropped_audio: str | None = None
    transcoded: str | None = None


class SourceOptions(Struct, frozen=True, kw_only=True):
    """How to read one stream. `max_mbps`: over it the camera floods and only key frames pass; `timeout_s`: silence that ends a connection."""

    transport: Transport = Transport.TCP
    timeout_s: float = 5.0
    max_mbps: float = 40.0
    idle_picture_s: float = 2.0
    first_pause_s: float = FIRST_PAUSE_S
    longest_pause_s: float = LONGEST_PAUSE_S


Event = Tracks | Unit | Trouble
Step = Event | Wait


class Supply(Protocol):
    """An open stream. `codec` is the camera's own; `steps()` ends or raises Rejected when the connection does.

    `whole`: it never cuts a picture into pieces.
    """

    whole: bool
    codec: str
    extradata: bytes
    audio: AudioReader | None
    dropped_audio: str | None
    clock: CameraClock

    def steps(self) -> Iterator[Packet | Wait]:
        """Every packet as it comes; a Wait where this thread need not be the one that waits for the next."""
        ...

    def encoder(self, width: int, height: int) -> Encoder:
        """An encoder for its pictures, where they are not passed on."""
        ...


def pause_s(attempt: int, options: SourceOptions, rng: random.Random) -> float:
    """How long to wait before the next attempt: doubling, capped, jittered by half so that a rebooted switch is not stormed."""
    longest: float = min(options.first_pause_s * 2 ** min(attempt, 16), options.longest_pause_s)
    return longest * rng.uniform(0.5, 1.0)


class Source:
    """One stream of one camera. `wanted` says whether anybody needs every picture at once: only then is Motion JPEG encoded, and
    RTSP read as it comes."""

    def __init__(self, address: Address, options: SourceOptions | None = None, *, wanted: Callable[[], bool] = lambda: True,
                 seed: int | None = None) -> None:
        self.address = address
        self.options = options or SourceOptions()
        self.connections = 0
        self.encoded_pictures = 0
        self.split_pictures = 0
        self.floods = False
        self.clock = CameraClock()
        self._jump_said = float("-inf")
        self._wanted = wanted
        self._rng = random.Random(seed)
        self._began = time.monotonic()
        self._by_libav = False
        self._lines = {Track.VIDEO: Timeline(), Track.AUDIO: Timeline(TICKS // 50)}

    @property
    def clock_jumps(self) -> int:
        """How often the camera's clock leapt."""
        return sum(line.jumps for line in self._lines.values())

    def events(self, stop: threading.Event) -> Iterator[Event]:
        """Tracks before the first unit of a kind, units, and troubles; goes on until `stop` is set."""
        return blocking(self.steps(stop))

    def steps(self, stop: threading.Event) -> Iterator[Step]:
        """The events, and between them what is waited for, where somebody else can do the waiting."""
        attempt = 0
        while not stop.is_set():
            opened_at = time.monotonic()
            for line in self._lines.values():
                line.restart()
            try:
                yield from self._connection(stop)
                trouble = Trouble("ended", "视频流已结束", "the stream ended")
            except Rejected as error:
                trouble = Trouble(error.code, error.zh, error.en)
            if stop.is_set():
                return
            attempt = 0 if time.monotonic() - opened_at > 30 else attempt + 1
            log.warning("camera stream lost", extra={"address": self.address.masked, "trouble": trouble.code, "attempt": attempt})
            yield trouble
            stop.wait(pause_s(attempt - 1, self.options, self._rng))

    def _connection(self, stop: threading.Event) -> Iterator[Step]:
        """One connection from opening to its end; raises Rejected with what went wrong.

        What our own reader of RTSP leaves to libav is opened anew by it, and by it alone from then on.
        """
        try:
            yield from self._read(_open(self.address, self.options, stop, self._wanted, by_libav=self._by_libav, unknown=not self.connections), stop)
        except NotOurs as why:
            log.info("camera read by libav", extra={"address": self.address.masked, "why": str(why)})
            self._by_libav = True
            for line in self._lines.values():
                line.restart()
            yield from self._read(_open(self.address, self.options, stop, self._wanted, by_libav=True), stop)

    def _read(self, opening: AbstractContextManager[Supply], stop: threading.Event) -> Iterator[Step]:
        with opening as supply:
            self.connections += 1
            self.clock = supply.clock
            if supply.codec in _PASSED:
                yield from self._pass_on(supply, stop)
            else:
                yield from self._encode(supply, stop)

    def _elapsed(self) -> int:
        return int((time.monotonic() - self._began) * TICKS)

    def _pass_on(self, supply: Supply, stop: threading.Event) -> Iterator[Step]:
        video, audio = VideoReader(_PASSED[supply.codec], supply.extradata), supply.audio
        self.floods = False
        flood, joiner = _Flood(self.options.max_mbps), _Joiner(whole=supply.whole)
        announced: Tracks | None = None
        waiting = True
        key_due = time.monotonic() + NO_KEY_FRAME_S
        for packet in supply.steps():
            if stop.is_set():
                return
            if isinstance(packet, Wait):
                yield packet
                continue
            if packet.track is Track.AUDIO:
                if announced is not None and (unit := self._audio(audio, packet)) is not None:
                    yield unit
                continue
            if (trouble := flood.take(len(packet.data), time.monotonic())) is not None:
                waiting = True
                log.warning("camera floods: only its key frames pass", extra={"address": self.address.masked, "max_mbps": self.options.max_mbps})
                yield trouble
            self.floods = flood.over
            for sample, key, whole in joiner.take(video.take(packet.data, packet.key), packet):
                waiting = (waiting or flood.over) and not (key and video.config is not None)
                if waiting:
                    self._check_keys(key_due)
                    continue
                key_due = time.monotonic() + NO_KEY_FRAME_S * 4
                if key and (tracks := self._tracks(supply, video, audio)) != announced:
                    announced = tracks
                    yield tracks
                jumps = self.clock_jumps
                dts, pts, duration = self._lines[Track.VIDEO].place(whole.pts, whole.dts, self._elapsed())
                if self.clock_jumps > jumps and (leapt := self._leapt()) is not None:
                    yield leapt
                yield Unit(Track.VIDEO, sample, key, dts, pts, duration, time.time_ns() // 1_000_000)
            self.split_pictures = joiner.split

    def _leapt(self) -> Trouble | None:
        """The camera's clock leapt: said once a minute, however often it does. A file's does each time it begins again."""
        if self.address.scheme == "file" or time.monotonic() - self._jump_said < JUMP_SAID_S:
            return None
        self._jump_said = time.monotonic()
        log.warning("the camera's clock leapt", extra={"address": self.address.masked, "times": self.clock_jumps})
        return Trouble("clock_jump", "摄像机时钟跳变，画面时间以接入端时钟为准", "the camera's clock leapt; pictures bear the agent's time")

    def _check_keys(self, due: float) -> None:
        if time.monotonic() > due:
            raise Rejected("no_key_frame", "长时间没有可解码的关键帧", "no key frame that can be decoded has come for a long time")

    def _tracks(self, supply: Supply, video: VideoReader, audio: AudioReader | None) -> Tracks:
        assert video.config is not None
        return Tracks(video=video.config, audio=audio.config if audio else None, dropped_audio=supply.dropped_audio)

    def _audio(self, reader: AudioReader | None, packet: Packet) -> Unit | None:
        data = reader.take(packet.data) if reader else b""
        if not data or reader is None or reader.config is None:
            return None
        dts, pts, _ = self._lines[Track.AUDIO].place(packet.pts, packet.dts, self._elapsed())
        return Unit(Track.AUDIO, data, True, dts, pts, 1024 * TICKS // reader.config.rate_hz, time.time_ns() // 1_000_000)

    def _encode(self, supply: Supply, stop: threading.Event) -> Iterator[Step]:
        """Pictures that are not H.264 or H.265 become H.264: all while somebody wants them, else one key frame each `idle_picture_s`."""
        encoder: Encoder | None = None
        announced: VideoConfig | None = None
        idle_until, was_wanted = 0.0, False
        for packet in blocking(supply.steps()):
            if stop.is_set():
                return
            if packet.track is Track.AUDIO or packet.frame is None:
                continue
            now, wanted = time.monotonic(), self._wanted()
            if not wanted and now < idle_until:
                continue
            idle_until = now + self.options.idle_picture_s
            frame = packet.frame
            if encoder is None or encoder.size != (frame.width & ~1, frame.height & ~1):
                encoder = supply.encoder(frame.width, frame.height)
            dts, pts, duration = self._lines[Track.VIDEO].place(packet.pts, packet.dts, self._elapsed())
            key, was_wanted = not wanted or not was_wanted, wanted
            for sample, is_key, at, _ in encoder.encode(frame, pts, key=key):
                self.encoded_pictures += 1
                if encoder.reader.config is not None and encoder.reader.config != announced:
                    announced = encoder.reader.config
                    transcoded = None if supply.codec == "synthetic" else supply.codec
                    yield Tracks(video=announced, transcoded=transcoded, dropped_audio=supply.dropped_audio)
                yield Unit(Track.VIDEO, sample, is_key, dts, at, duration, packet_wall_ms(frame))


def packet_wall_ms(frame: Any) -> int:
    """The wall clock of a picture in milliseconds: what the synthetic camera burnt in, else now."""
    burnt = getattr(frame, "opaque", None)
    return burnt if isinstance(burnt, int) else time.time_ns() // 1_000_000


class _Joiner:
    """Puts pictures together that the demuxer cut up at repeated parameter sets; only key frames are cut so, only they are ever held back.

    A key frame is held until the next packet while it is not known whether this camera's are cut (the first three) or when they are; `whole`
    knows from the start.
    """

    def __init__(self, *, whole: bool = False) -> None:
        self.split = 0
        self._whole = 3 if whole else 0
        self._held: tuple[bytes, bool, Packet] | None = None

    def take(self, taken: Taken, packet: Packet) -> list[tuple[bytes, bool, Packet]]:
        """The pictures that are complete now, oldest first."""
        if not taken.sample:
            return []
        if taken.continues:
            self.split += 1
            self._whole = 0
            if self._held is not None:
                self._held = (self._held[0] + taken.sample, True, self._held[2])
            return []
        done = [self._held] if self._held is not None else []
        self._held = None
        current = (taken.sample, taken.key, packet)
        if taken.key and self._whole < 3:
            self._whole += 1
            self._held = current
            return done
        return [*done, current]


class _Flood:
    """Counts bytes in windows of 2 s; over the limit only key frames pass until a window was within it."""

    def __init__(self, max_mbps: float) -> None:
        self.over = False
        self._limit = max_mbps * 1e6 / 8 * 2
        self._bytes = 0
        self._until = 0.0

    def take(self, size: int, now: float) -> Trouble | None:
        if now >= self._until:
            self.over = self.over and self._bytes > self._limit
            self._until, self._bytes = now + 2, 0
        self._bytes += size
        if self._bytes <= self._limit or self.over:
            return None
        self.over = True
        return Trouble("flood", "码流超过上限，只保留关键帧", "the stream is over its limit; only key frames pass")


def _open(address: Address, options: SourceOptions, stop: threading.Event, wanted: Callable[[], bool], *, by_libav: bool,
          unknown: bool = True) -> AbstractContextManager[Supply]:
    if address.scheme == "synthetic":
        from streams.synthetic import SyntheticSupply

        return SyntheticSupply(dict(parse_qsl(address.secret_url().partition("?")[2])), stop)
    if address.scheme == "rtsp" and options.transport is Transport.TCP and not by_libav:
        from streams.rtsp import RtspSupply

        return RtspSupply(address, options.timeout_s, stop, unknown=unknown, wanted=wanted)
    return PyavSupply(address, options, stop)


class PyavSupply:
    """A stream opened by libav: a context manager; `steps()` blocks at most `timeout_s` and raises Rejected at the end of a connection."""

    whole = False

    def __init__(self, address: Address, options: SourceOptions, stop: threading.Event) -> None:
        self._address, self._options, self._stop = address, options, stop
        self.codec = ""
        self.extradata = b""
        self.audio: AudioReader | None = None
        self.dropped_audio: str | None = None
        self.clock = CameraClock()
        self._container: Any = None

    def __enter__(self) -> PyavSupply:
        import av

        av.logging.set_level(None)
        url, settings = self._address.secret_url(), dict(RTSP_OPTIONS)
        if self._address.scheme in ("rtsp", "rtsps"):
            settings["rtsp_transport"] = self._options.transport.value
        elif self._address.scheme == "file":
            from urllib.request import url2pathname

            url, settings = url2pathname(url.removeprefix("file://")), {}
        began = time.monotonic()
        try:
            self._container = av.open(url, "r", options=settings, timeout=(self._options.timeout_s, self._options.timeout_s))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            if getattr(error, "errno", None) == errno.EIO:  # so libav calls an answer that ended before anything in it made sense
                raise Rejected("garbage", "摄像机发送的数据无法解析", "what the camera sends cannot be read") from None
            raise _explain(error, time.monotonic() - began >= 0.9 * self._options.timeout_s) from None
        try:
            self._describe()
        except BaseException:
            self._container.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def _describe(self) -> None:
        streams = self._container.streams
        if not streams.video:
            raise Rejected("no_video", "该地址没有视频轨", "there is no video at this address")
        self._video = streams.video[0]
        self.codec = self._video.codec_context.name
        self.extradata = bytes(self._video.codec_context.extradata or b"")
        self._audio_index = -1
        for stream in streams.audio[:1]:
            context = stream.codec_context
            if context.name == "aac":
                self.audio = AudioReader(bytes(context.extradata or b""), context.sample_rate or 0, context.channels or 0)
                self._audio_index = stream.index
            else:
                self.dropped_audio = context.name

    def encoder(self, width: int, height: int) -> Encoder:
        """One second at 25 pictures between key frames."""
        return Encoder(width, height)

    def steps(self) -> Iterator[Packet]:
        """Every packet, files at the pace of the real time and again from the start at their end."""
        import av

        while not self._stop.is_set():
            try:
                yield from self._once()
                if self._address.scheme != "file":
                    return
                self._container.seek(0)
            except (av.error.FFmpegError, OSError, ValueError) as error:
                raise _explain(error) from None

    def _once(self) -> Iterator[Packet]:
        began, first = time.monotonic(), None
        wanted = [self._video] + [s for s in self._container.streams if s.index == self._audio_index]
        for packet in self._container.demux(*wanted):
            if self._stop.is_set():
                return
            if packet.size == 0:
                continue
            if packet.stream is self._video and packet.has_sidedata("rtcp_sr"):
                self.clock.take(_ntp(bytes(packet.get_sidedata("rtcp_sr"))), time.time())
            dts = packet.dts if packet.dts is not None else packet.pts
            if self._address.scheme == "file" and dts is not None and packet.stream is self._video:
                at = float(dts * packet.time_base)
                first = at if first is None else first
                self._stop.wait(max(0.0, at - first - (time.monotonic() - began)))
            yield from self._convert(packet)

    def _convert(self, packet: Any) -> Iterator[Packet]:
        if packet.is_corrupt and self.codec not in _PASSED:
            return
        base = packet.time_base or Fraction(1, TICKS)
        pts, dts = (None if at is None else int(at * base * TICKS) for at in (packet.pts, packet.dts))
        if packet.stream.index == self._audio_index:
            yield Packet(Track.AUDIO, bytes(packet), True, pts, dts)
        elif self.codec in _PASSED:
            yield Packet(Track.VIDEO, bytes(packet), packet.is_keyframe, pts, dts)
        else:
            import av

            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                return
            for frame in frames:
                yield Packet(Track.VIDEO, b"", True, pts, dts, frame)


def _ntp(report: bytes) -> int:
    """The NTP timestamp of a sender report as libav gives it: AVRTCPSenderReport (libavcodec/defs.h), in the machine's byte order."""
    return int.from_bytes(report[8:16], sys.byteorder)


def _explain(error: Exception, waited: bool = False) -> Rejected:
    """Name what went wrong with a connection, without its address; libav calls a silent camera invalid data, so `waited` decides."""
    import av

    if waited and isinstance(error, av.error.InvalidDataError | EOFError):
        return Rejected("timeout", "摄像机没有响应", "the camera does not answer")
    match error:
        case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
            return Rejected("unauthorised", "摄像机拒绝了用户名或密码", "the camera refused the user name or password")
        case av.error.HTTPNotFoundError() | FileNotFoundError():
            return Rejected("not_found", "摄像机上没有这路视频", "there is no such stream at the camera")
        case av.error.ExitError() | TimeoutError():
            return Rejected("timeout", "摄像机没有响应", "the camera does not answer")
        case ConnectionRefusedError():
            return Rejected("refused", "摄像机拒绝连接", "the camera refuses connections")
        case av.error.InvalidDataError() | av.error.DecoderNotFoundError() | av.error.DemuxerNotFoundError():
            return Rejected("garbage", "摄像机发送的数据无法解析", "what the camera sends cannot be read")
        case EOFError():
            return Rejected("ended", "视频流已结束", "the stream ended")
    reason = mask(getattr(error, "strerror", None) or type(error).__name__)
    return Rejected("unreachable", f"无法连接摄像机（{reason}）", f"the camera cannot be reached ({reason})")

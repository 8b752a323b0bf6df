"""The hub's side of live video: one stream in per camera and quality, many viewers out, each with a queue bounded by bytes.

In memory only, in one asyncio loop, without a web framework: who may watch is decided before `watch`, and taken away by `cut`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from hub.errors import Rejected, Unavailable
from hub.ids import new_id
from hub.wire import (
    ASKED,
    CACHED,
    KEY_FRAME,
    MAX_MEDIA_BYTES,
    MEDIA_HEADER_BYTES,
    PRE_EVENT,
    Command,
    CommandKind,
    MediaHeader,
    MediaKind,
    media_header,
    parse_media,
)
from streams.fragment import InitInfo, parse_init

log = logging.getLogger("tocsin.streams.relay")

CACHE_BYTES: Final = 4_194_304
"""Most bytes of one camera's cached group of pictures (1 s at 30 Mbit/s); a larger one is not cached and viewers wait for the next key frame."""
QUEUE_BYTES: Final = 2_097_152
"""Most bytes waiting for one viewer (measured: one viewer that never read lost its own pictures and nobody else's)."""

_ALL: Final = sum(ASKED.values())
RESTARTED: Final = 1_000_000
"""A sequence that jumps by more than this did not lose so many messages (11 hours at 25 a second): the agent began anew."""


class CameraKey(NamedTuple):
    """A camera of an agent."""

    agent_id: str
    camera_id: str


class Chunk(Struct, frozen=True):
    """What a viewer gets: the message as it came (14-byte header and body)."""

    kind: MediaKind
    key: bool
    cached: bool
    pre_event: bool
    seq: int
    wall_ms: int
    message: bytes

    @property
    def body(self) -> memoryview:
        """The message without its header."""
        return memoryview(self.message)[MEDIA_HEADER_BYTES:]


class Preview(Struct, frozen=True):
    """The last small picture of a camera. `wall_ms`: the agent's clock; `at`: when the hub got it."""

    jpeg: bytes
    wall_ms: int
    at: datetime
    steady_s: float

    def age_s(self, steady_s: float) -> float:
        """How old it is in seconds of the hub's steady clock (`time.monotonic()`)."""
        return max(0.0, steady_s - self.steady_s)


class FeedState(StrEnum):
    """What a watched camera's feed is doing."""

    IDLE = "idle"
    STARTING = "starting"
    LIVE = "live"
    STALLED = "stalled"


class FeedFigures(Struct, frozen=True, kw_only=True):
    """Counters of one camera's feed; `transit_ms` includes the difference of the two clocks."""

    state: FeedState
    viewers: int
    received: int
    received_bytes: int
    lost: int
    dropped: int
    refused: int
    transit_ms: float | None
    last_chunk_age_s: float | None
    codec: str | None
    width: int | None
    height: int | None
    quality: str | None


class RelayLimits(Struct, frozen=True, kw_only=True):
    """Own choices, measured where video.md says so. `flood_mbps`: an agent above it is cut down to its key frames. `most_cameras`: of one agent
    (as in its presence), whose last previews together hold at most `previews_bytes` (32 kB each)."""

    cache_bytes: int = CACHE_BYTES
    queue_bytes: int = QUEUE_BYTES
    linger_s: float = 10.0
    ttl_s: float = 30.0
    stall_s: float = 5.0
    flood_mbps: float = 400.0
    most_viewers: int = 2000
    preview_bytes: int = 1_048_576
    most_cameras: int = 2000
    previews_bytes: int = 67_108_864


class Line(Protocol):
    """The way to the agents: the hub's MQTT connection for media."""

    def subscribe(self, key: CameraKey) -> None:
        """Begin to receive a camera's init and media."""
        ...

    def unsubscribe(self, key: CameraKey) -> None:
        """No longer receive them."""
        ...

    def command(self, key: CameraKey, command: Command) -> None:
        """Send a command to the agent's media identity."""
        ...


def _nobody(_code: str) -> None:
    """Who does not want to hear."""


class Viewer:
    """One viewer's queue: iterate over it for chunks; the iteration ends when it is cut, and `ended` says why.

    Never holds more than the limit (or init and one picture, where that is more): on overflow everything waiting is dropped (counted) and it
    goes on at the next key frame. `direct`, where set, is offered each message while nothing waits, and says whether it took it: a viewer on
    a good line costs no task switch (measured at 50 streams × 50 viewers). `told` hears why pictures are left out: `slow_line`, `flood`.
    """

    def __init__(self, name: str, quality: str, pre_event_s: float, fragment_s: float, limit_bytes: int, limit_s: float | None = None) -> None:
        self.name = name
        self.quality = quality
        self.fragment_s = fragment_s
        self.pre_event_s = pre_event_s
        self.dropped = 0
        self.sent_bytes = 0
        self.ended: str | None = None
        self.direct: Callable[[bytes], bool] | None = None
        self.told: Callable[[str], None] = _nobody
        self._limit, self._limit_ms = limit_bytes, None if limit_s is None else limit_s * 1000
        self._queue: deque[Chunk] = deque()
        self._size = 0
        self._skipping = True
        self._wake = asyncio.Event()

    @property
    def waiting_bytes(self) -> int:
        """Bytes in the queue now."""
        return self._size

    def put(self, chunk: Chunk) -> None:
        """Take a chunk or drop it; never waits."""
        if self.ended is not None:
            return
        if chunk.kind is MediaKind.INIT:
            self._skipping = True
        elif chunk.pre_event:
            if self._size + len(chunk.message) > self._limit:
                self.dropped += 1
                return
        elif self._skipping and not chunk.key:
            self.dropped += 1
            return
        else:
            self._skipping = False
        if self._limit_ms is not None and self._queue and self._is_late(chunk, self._limit_ms):
            self._overflow()
            if not chunk.key:
                self.dropped += 1
                return
            self._skipping = False
        if self.direct is not None and not self._queue and self.direct(chunk.message):
            self.sent_bytes += len(chunk.message)
            return
        self._queue.append(chunk)
        self._size += len(chunk.message)
        if self._size > self._limit and len(self._queue) > 2:
            self._overflow()
        self._wake.set()

    def _is_late(self, chunk: Chunk, limit_ms: float) -> bool:
        """Has something live waited too long already? A picture of ten seconds ago helps nobody."""
        oldest = self._queue[0]
        return chunk.kind is MediaKind.MEDIA and oldest.kind is MediaKind.MEDIA and not oldest.cached and chunk.wall_ms - oldest.wall_ms > limit_ms

    def _overflow(self) -> None:
        init = next((chunk for chunk in reversed(self._queue) if chunk.kind is MediaKind.INIT), None)
        self.dropped += sum(chunk.kind is MediaKind.MEDIA for chunk in self._queue)
        self._queue.clear()
        self._size, self._skipping = 0, True
        if init is not None:
            self._queue.append(init)
            self._size = len(init.message)
        self.told("slow_line")

    def skip(self) -> None:
        """Something before is missing: go on at the next key frame."""
        self._skipping = True

    def cut(self, reason: str) -> None:
        """End this viewer at once with a reason; what was waiting is gone."""
        if self.ended is None:
            self.ended = reason
            self._queue.clear()
            self._size = 0
            self._wake.set()

    def __aiter__(self) -> Viewer:
        return self

    def drain(self) -> list[Chunk]:
        """Everything that waits, at once."""
        chunks = list(self._queue)
        self._queue.clear()
        self.sent_bytes += self._size
        self._size = 0
        return chunks

    async def batch(self, gather_s: float) -> list[Chunk]:
        """Wait for a chunk, gather for `gather_s`, and return all; an empty list means that the viewer was cut."""
        while not self._queue and self.ended is None:
            self._wake.clear()
            await self._wake.wait()
        if self.ended is None:
            await asyncio.sleep(gather_s)
        return self.drain()

    async def __anext__(self) -> Chunk:
        while not self._queue:
            if self.ended is not None:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        chunk = self._queue.popleft()
        self._size -= len(chunk.message)
        self.sent_bytes += len(chunk.message)
        return chunk


class _Stream:
    """One quality of a camera as the relay knows it, from the first who asked for it."""

    def __init__(self) -> None:
        self.start_id = ""
        self.started_at: float | None = None
        self.commanded_at = 0.0
        self.fragment_s = 0.0
        self.idle_since: float | None = None
        self.viewers: set[Viewer] = set()
        self.init: Chunk | None = None
        self.info: InitInfo | None = None
        self.cache: list[Chunk] = []
        self.cache_bytes = 0
        self.last_seq: int | None = None
        self.last_at: float | None = None
        self.transit_ms: float | None = None
        self.lost = self.dropped = 0
        self.bursting = False

    def forget(self) -> None:
        """It stopped or its connection was made anew: nothing cached can be continued."""
        self.init = self.info = self.last_seq = None
        self.spoil()

    def spoil(self) -> None:
        """A chunk is missing: what follows up to the next key frame cannot be decoded by anybody who joins now."""
        self.cache, self.cache_bytes = [], 0

    def count(self, seq: int) -> None:
        """A message with this sequence came: those before it that did not are lost."""
        missing = 0 if self.last_seq is None else (seq - self.last_seq - 1) & 0xFFFFFFFF
        if missing:
            if missing < RESTARTED:
                self.lost += missing
            else:
                self.init = None
            self.spoil()
            for viewer in self.viewers:
                viewer.skip()
        self.last_seq = seq

    def take_init(self, chunk: Chunk) -> None:
        """A stream begins, which counts by itself; or one that goes on says again what it is."""
        if self.init is not None and self.init.body == chunk.body:
            self.count(chunk.seq)
            if self.init is not None:  # else the agent began anew, and so does everything
                return
        self.info, _ = parse_init(chunk.body)
        self.init, self.last_seq = chunk, chunk.seq
        self.spoil()
        for viewer in self.viewers:
            viewer.put(chunk)

    def take(self, chunk: Chunk, now: float, cache_bytes: int) -> None:
        """A fragment for everybody, and for who comes next."""
        if chunk.cached and chunk.key:
            self.bursting = not self.cache
        if self.init is None or (chunk.cached and not self.bursting):
            return
        if not chunk.cached:
            self.transit_ms = time.time() * 1000 - chunk.wall_ms
        self.last_at = now
        self._keep(chunk, cache_bytes)
        for viewer in self.viewers:
            viewer.put(chunk)

    def _keep(self, chunk: Chunk, most_bytes: int) -> None:
        if chunk.key:
            self.spoil()
        elif not self.cache:
            return
        if self.cache_bytes + len(chunk.message) > most_bytes:
            self.spoil()
            return
        self.cache.append(chunk)
        self.cache_bytes += len(chunk.message)


class _Camera:
    """One camera as the relay knows it: the streams that were asked for by their quality, its last preview, and what it sends in all."""

    def __init__(self) -> None:
        self.streams: dict[str, _Stream] = {}
        self.received = self.received_bytes = self.refused = 0
        self.flood_until = 0.0
        self.flood_bytes = 0
        self.flooding = False
        self.preview: Preview | None = None

    @property
    def is_started(self) -> bool:
        """Has any of its streams been asked for?"""
        return any(stream.started_at is not None for stream in self.streams.values())

    def viewers(self) -> Iterator[Viewer]:
        """Who watches any of its streams."""
        for stream in self.streams.values():
            yield from stream.viewers

    def streams_for(self, flags: int) -> list[_Stream]:
        """Those a message is for."""
        asked = flags & _ALL
        return [stream for quality, stream in self.streams.items() if not asked or ASKED[quality] & asked]


class Relay:
    """All feeds of one hub process. `line` is set before the first viewer; `tick()` is to be called about twice a second (`run` does).

    Nothing here blocks: `feed` is called from the loop for every media message, `watch` from whatever serves a viewer.
    """

    def __init__(self, line: Line | None = None, *, limits: RelayLimits | None = None, steady: Callable[[], float] = time.monotonic,
                 known: Callable[[CameraKey], bool] = lambda key: True) -> None:
        self.line = line
        self.limits = limits or RelayLimits()
        self.garbage = 0
        self.strangers = 0
        self._steady, self._known = steady, known
        self._known_cameras: dict[CameraKey, _Camera] = {}
        self._cameras: Counter[str] = Counter()
        self._preview_bytes: Counter[str] = Counter()

    # ---- from the agents --------------------------------------------------------------------------------------------------

    def feed(self, agent_id: str, camera_id: str, kind: MediaKind, payload: bytes) -> None:
        """Take one media message of an agent (`agent_id` without `.media`). Garbage is counted, never raised."""
        key = CameraKey(agent_id, camera_id)
        camera = self._known_cameras.get(key)
        if camera is None:
            if not self._known(key) or self._cameras[agent_id] >= self.limits.most_cameras:
                self.strangers += 1
                if str(self.strangers).strip("0") == "1":
                    log.warning("media of a camera that is not known, or of too many", extra={"agent": agent_id, "camera": camera_id[:64]})
                return
            camera = self._camera(key)
        try:
            header = parse_media(payload)
            if len(payload) > MAX_MEDIA_BYTES:
                raise Rejected("too_large", "媒体消息过大", "the media message is too large")
            if kind is MediaKind.PREVIEW:
                self._take_preview(agent_id, camera, header, payload)
            else:
                self._take_media(key, camera, kind, header, payload)
        except Rejected as error:
            self.garbage += 1
            camera.refused += 1
            if str(camera.refused).strip("0") == "1":  # the 1st, the 10th, the 100th: a flood of garbage is no flood of the log
                log.warning("media refused", extra={"agent": agent_id, "camera": camera_id, "reason": error.code, "refused": camera.refused})

    def _camera(self, key: CameraKey) -> _Camera:
        if key not in self._known_cameras:
            self._known_cameras[key] = _Camera()
            self._cameras[key.agent_id] += 1
        return self._known_cameras[key]

    def _take_preview(self, agent_id: str, camera: _Camera, header: MediaHeader, payload: bytes) -> None:
        jpeg = payload[MEDIA_HEADER_BYTES:]
        if not jpeg.startswith(b"\xff\xd8") or len(jpeg) > self.limits.preview_bytes:
            raise Rejected("malformed_media", "预览图不是 JPEG", "a preview that is no JPEG or too large")
        more = len(jpeg) - (len(camera.preview.jpeg) if camera.preview is not None else 0)
        if more > 0 and self._preview_bytes[agent_id] + more > self.limits.previews_bytes:
            raise Rejected("too_many_previews", "该终端的预览图过多", "this agent's previews together are too large")
        self._preview_bytes[agent_id] += more
        camera.preview = Preview(jpeg, header.wall_ms, datetime.now(UTC), self._steady())

    def _take_media(self, key: CameraKey, camera: _Camera, kind: MediaKind, header: MediaHeader, payload: bytes) -> None:
        now = self._steady()
        camera.received += 1
        camera.received_bytes += len(payload)
        streams = camera.streams_for(header.flags)
        chunk = Chunk(kind, bool(header.flags & KEY_FRAME), bool(header.flags & CACHED), bool(header.flags & PRE_EVENT), header.seq,
                      header.wall_ms, payload)
        if kind is MediaKind.INIT:
            for stream in streams:
                stream.take_init(chunk)
            return
        for stream in streams:
            stream.count(header.seq)
        if payload[MEDIA_HEADER_BYTES + 4:MEDIA_HEADER_BYTES + 8] != b"moof":
            raise Rejected("malformed_media", "媒体分片格式不对", "this is no movie fragment")
        floods = self._floods(key, camera, len(payload), now) and not chunk.key
        for stream in streams:
            if floods:
                stream.dropped += 1
                stream.spoil()
            elif chunk.pre_event:
                for viewer in stream.viewers:
                    if viewer.pre_event_s:
                        viewer.put(chunk)
            else:
                stream.take(chunk, now, self.limits.cache_bytes)

    def _floods(self, key: CameraKey, camera: _Camera, size: int, now: float) -> bool:
        if now >= camera.flood_until:
            limit = self.limits.flood_mbps * 1e6 / 8
            if camera.flooding and camera.flood_bytes <= limit:
                camera.flooding = False
            camera.flood_until, camera.flood_bytes = now + 1, 0
        camera.flood_bytes += size
        if not camera.flooding and camera.flood_bytes > self.limits.flood_mbps * 1e6 / 8:
            camera.flooding = True
            log.warning("an agent floods media: only key frames pass",
                        extra={"agent": key.agent_id, "camera": key.camera_id, "bytes": camera.flood_bytes})
            for viewer in camera.viewers():
                viewer.told("flood")
        return camera.flooding

    # ---- to the viewers ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def watch(self, key: CameraKey, *, name: str = "", quality: str = "main", pre_event_s: float = 0.0,
                    fragment_s: float = 0.0, queue_bytes: int | None = None, queue_s: float | None = None) -> AsyncIterator[Viewer]:
        """Watch a camera: `async with relay.watch(key, name=…) as viewer: async for chunk in viewer: …`.

        The first chunk is the init segment, then the cached group of pictures (flag `cached`), then live. `quality`: `main`, `sub` or `h264`.
        `pre_event_s` asks the agent for the seconds before as well (chunks with `pre_event`, in between the live ones). `fragment_s`: 0 a
        fragment a picture, 0.25 for walls; the shortest asked for serves all of one quality. `queue_s`: what waits longer is dropped. Raises Unavailable where too many watch.
        """
        viewer = self.attach(key, name=name, quality=quality, pre_event_s=pre_event_s, fragment_s=fragment_s, queue_bytes=queue_bytes,
                             queue_s=queue_s)
        try:
            yield viewer
        finally:
            self.detach(key, viewer)

    def attach(self, key: CameraKey, *, name: str = "", quality: str = "main", pre_event_s: float = 0.0,
               fragment_s: float = 0.0, queue_bytes: int | None = None, queue_s: float | None = None) -> Viewer:
        """Add a viewer (see `watch`)."""
        if self.line is None:
            raise Unavailable("no_media_line", "视频通道尚未就绪", "the way to the cameras is not ready")
        if sum(len(stream.viewers) for _, _, stream in self._streams()) >= self.limits.most_viewers:
            raise Unavailable("too_many_viewers", "同时观看的人数已达上限", "too many viewers at once")
        stream = self._camera(key).streams.setdefault(quality, _Stream())
        viewer = Viewer(name, quality, pre_event_s, fragment_s, queue_bytes or self.limits.queue_bytes, queue_s)
        if stream.init is not None and stream.started_at is not None:
            viewer.put(stream.init)
            for chunk in stream.cache:
                viewer.put(chunk if chunk.cached else _as_cached(chunk))
        stream.viewers.add(viewer)
        stream.idle_since = None
        self._start(key, quality, stream, anew=bool(pre_event_s))
        return viewer

    def _streams(self) -> Iterator[tuple[CameraKey, str, _Stream]]:
        for key, camera in self._known_cameras.items():
            for quality, stream in camera.streams.items():
                yield key, quality, stream

    def detach(self, key: CameraKey, viewer: Viewer) -> None:
        """Remove a viewer; its stream stops after the linger when it was the last."""
        viewer.cut("left")
        camera = self._known_cameras.get(key)
        stream = camera.streams.get(viewer.quality) if camera is not None else None
        if stream is not None and viewer in stream.viewers:
            stream.viewers.discard(viewer)
            stream.dropped += viewer.dropped
            if not stream.viewers:
                stream.idle_since = self._steady()

    def cut(self, reason: str, *, key: CameraKey | None = None, who: Callable[[Viewer], bool] = lambda viewer: True) -> int:
        """End the viewers of `key` (None: of every camera) for whom `who` is true, at once; how many they were.

        To be called when a grant is revoked: the sockets close as soon as their iteration ends.
        """
        count = 0
        for name, camera in self._known_cameras.items():
            if key is None or name == key:
                for viewer in camera.viewers():
                    if viewer.ended is None and who(viewer):
                        viewer.cut(reason)
                        count += 1
        return count

    def _start(self, key: CameraKey, quality: str, stream: _Stream, *, anew: bool = False) -> None:
        """Subscribe and command a start where none runs, shorter fragments or a burst from before the event are wanted."""
        running = stream.started_at is not None
        fragment_s = min((viewer.fragment_s for viewer in stream.viewers), default=0.0)
        if running and not anew and fragment_s == stream.fragment_s:
            return
        assert self.line is not None
        if not running:
            self.line.subscribe(key)
            stream.started_at = self._steady()
            stream.forget()
        if not running or anew:
            if stream.start_id:
                self._say(key, quality, stream, CommandKind.STOP)
            stream.start_id = new_id()
        stream.fragment_s = fragment_s
        self._say(key, quality, stream, CommandKind.START)

    def _say(self, key: CameraKey, quality: str, stream: _Stream, kind: CommandKind) -> None:
        assert self.line is not None
        start = kind is CommandKind.START
        pre_event_s = max((viewer.pre_event_s for viewer in stream.viewers), default=0.0)
        stream.commanded_at = self._steady()
        self.line.command(key, Command(id=stream.start_id, kind=kind, at=datetime.now(UTC), camera_id=key.camera_id,
                                       quality=quality if start else None,
                                       fragment_s=stream.fragment_s if start else None, ttl_s=self.limits.ttl_s if start else None,
                                       body={"pre_event_s": pre_event_s} if start and pre_event_s else {}))

    def snapshot(self, key: CameraKey) -> None:
        """Ask for one full-size picture; it arrives as the next preview."""
        if self.line is None:
            raise Unavailable("no_media_line", "视频通道尚未就绪", "the way to the cameras is not ready")
        self.line.command(key, Command(id=new_id(), kind=CommandKind.SNAPSHOT, at=datetime.now(UTC), camera_id=key.camera_id))

    # ---- time -------------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Stop streams nobody watches, prolong the others."""
        now = self._steady()
        for key, quality, stream in self._streams():
            if stream.started_at is None or self.line is None:
                continue
            if not stream.viewers and stream.idle_since is not None and now - stream.idle_since >= self.limits.linger_s:
                self._say(key, quality, stream, CommandKind.STOP)
                stream.started_at = stream.last_at = None
                stream.start_id = ""
                stream.forget()
                if not self._known_cameras[key].is_started:
                    self.line.unsubscribe(key)
            elif now - stream.commanded_at >= self._repeat_s(stream, now):
                if stream.viewers:
                    stream.fragment_s = min(viewer.fragment_s for viewer in stream.viewers)
                self._say(key, quality, stream, CommandKind.START)

    def _repeat_s(self, stream: _Stream, now: float) -> float:
        """How long until a start is repeated: a third of its life while pictures come, each second while none do (for half a minute).

        A start may have gone to an agent that was just connecting, or been forgotten by one that was restarted.
        """
        assert stream.started_at is not None
        silent_s = now - (stream.last_at if stream.last_at is not None else stream.started_at)
        return 1.0 if 1.0 <= silent_s < 30.0 else self.limits.ttl_s / 3

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            self.tick()
            await asyncio.sleep(0.5)

    def line_up(self) -> None:
        """The connection to the broker was made anew: ask again for everything that is watched."""
        for key, quality, stream in self._streams():
            if stream.started_at is not None and self.line is not None:
                stream.last_seq = None
                stream.start_id = new_id()
                stream.spoil()
                self.line.subscribe(key)
                self._say(key, quality, stream, CommandKind.START)

    # ---- what is known ----------------------------------------------------------------------------------------------------

    def preview(self, key: CameraKey) -> Preview | None:
        """The last preview of a camera, or None."""
        camera = self._known_cameras.get(key)
        return camera.preview if camera else None

    def keys(self) -> list[CameraKey]:
        """Every camera heard of or watched."""
        return list(self._known_cameras)

    def figures(self, key: CameraKey) -> FeedFigures:
        """The counters of a camera over all its streams, and the state of the best that is watched."""
        camera, now = self._known_cameras.get(key) or _Camera(), self._steady()
        streams = [camera.streams[quality] for quality in ASKED if quality in camera.streams]
        best = next((stream for stream in streams if stream.started_at is not None), _Stream())
        state = FeedState.IDLE
        if best.started_at is not None:
            age = now - (best.last_at if best.last_at is not None else best.started_at)
            state = FeedState.STALLED if age > self.limits.stall_s else FeedState.LIVE if best.last_at is not None else FeedState.STARTING
        info = best.info
        return FeedFigures(state=state, viewers=sum(len(stream.viewers) for stream in streams), received=camera.received,
                           received_bytes=camera.received_bytes, lost=sum(stream.lost for stream in streams),
                           dropped=sum(stream.dropped + sum(viewer.dropped for viewer in stream.viewers) for stream in streams),
                           refused=camera.refused, transit_ms=best.transit_ms, last_chunk_age_s=None if best.last_at is None else now - best.last_at,
                           codec=info.codec if info else None, width=info.w if info else None, height=info.h if info else None,
                           quality=info.quality if info else None)


def _as_cached(chunk: Chunk) -> Chunk:
    header = media_header(MediaKind.MEDIA, key=chunk.key, seq=chunk.seq, wall_ms=chunk.wall_ms, cached=True)
    return Chunk(chunk.kind, chunk.key, True, False, chunk.seq, chunk.wall_ms, header + chunk.message[MEDIA_HEADER_BYTES:])

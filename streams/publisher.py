"""The agent's media connection and what each camera sends over it: init segments, fragments and previews, only while somebody asked.

Its own MQTT identity (`{agent_id}.media`), so that video can never delay a report; nothing is queued beyond the window of `Uplink`.
"""

from __future__ import annotations

import logging
import random
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import Struct

from hub.errors import Rejected
from hub.wire import ASKED, MAX_MEDIA_BYTES, MEDIA_SUFFIX, Command, CommandKind, MediaKind, Topics, decode, media_header
from streams.encode import Transcoder
from streams.fragment import TICKS, Codec, Track, Unit, VideoConfig, fragment, init_info, init_payload, init_segment
from streams.ring import Ring
from streams.source import Tracks
from streams.uplink import Level, Uplink, UplinkLimits

log = logging.getLogger("tocsin.streams.publisher")

DEFAULT_TTL_S: Final = 30.0
LONGEST_TTL_S: Final = 600.0
MOST_STARTS: Final = 64
"""Most askers (hub replicas, recorders) of one camera at a time; the oldest gives way."""
LARGEST_BURST: Final = 3_000_000
TICK_S: Final = 0.5
DOWN_S: Final = 10.0
"""A media connection that is away for longer is said to be (own choice: it is tried again after one second, two, four)."""
UNSENT_BYTES: Final = 32_768
"""What the kernel may hold that it has not sent yet (TCP_NOTSENT_LOWAT): a backlog shows at once, however much is under way.

A small SO_SNDBUF alone stalls: on loopback it is less than a segment and waits for delayed acknowledgements (ten 2 Mbit/s cameras did not pass).
"""


class MediaLink(Struct, frozen=True, kw_only=True):
    """How to reach the broker. `send_buffer_bytes` (SO_SNDBUF) keeps the kernel from hiding a backlog while the uplink is too slow, when
    throughput is about it over the RTT; otherwise there is room for `wide_buffer_bytes` under way (41 Mbit/s at an RTT of 100 ms), of which
    little may be unsent.

    `part` tells the processes of one agent apart: 0 connects as `{agent_id}.media`, the others append `-{part}` to client id and user name.
    """

    agent_id: str
    host: str
    port: int = 1883
    hub: str = "district"
    password: str | None = None
    tls: bool = False
    cafile: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    send_buffer_bytes: int = 32_768
    wide_buffer_bytes: int = 524_288
    keepalive_s: int = 20
    part: int = 0

    def __repr__(self) -> str:
        return f"MediaLink({self.agent_id}@{self.host}:{self.port})"


class Publisher:
    """One MQTT connection for the media of one process; reconnects by itself. Whoever has something to send writes the socket, one at a time."""

    def __init__(self, link: MediaLink, on_command: Callable[[Command], None], on_connected: Callable[[], None] = lambda: None, *,
                 limits: UplinkLimits | None = None) -> None:
        from paho.mqtt.client import MQTTv311
        from paho.mqtt.enums import CallbackAPIVersion

        from streams.direct import DirectClient

        self.link, self.topics = link, Topics(link.hub)
        self.identity = link.agent_id + MEDIA_SUFFIX
        self.uplink = Uplink(limits)
        self.connected = threading.Event()
        self.refused_commands = 0
        self._down_since: float | None = time.monotonic()
        self._on_command, self._on_connected = on_command, on_connected
        self._lock = threading.RLock()
        self._topics: dict[tuple[str, MediaKind], bytes] = {}
        self._narrow: bool | None = None
        self._ticked_at = float("-inf")
        name = self.identity + (f"-{link.part}" if link.part else "")  # one name for both, since brokers hold the client id to the user name
        client = DirectClient(self._lock, CallbackAPIVersion.VERSION2, name, protocol=MQTTv311)
        client.username_pw_set(name, link.password)
        self._context = ssl.create_default_context(cafile=link.cafile) if link.tls else None
        if self._context is not None:
            if link.certfile:
                self._context.load_cert_chain(link.certfile, link.keyfile)
            client.tls_set_context(self._context)
        client.reconnect_delay_set(1, 30)
        client.on_connect, client.on_disconnect, client.on_message = self._connected, self._lost, self._message
        client.on_socket_open = self._socket_opened
        self._client = client

    def start(self) -> None:
        """Begin connecting in the background; returns at once."""
        self._client.connect_async(self.link.host, self.link.port, self.link.keepalive_s)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect and end the thread."""
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, camera_id: str, kind: MediaKind, payload: bytes, *, must: bool = False) -> bool:
        """Publish one media message if the uplink has room (`must`: whatever the window says); False where it was dropped.

        Never blocks and never queues beyond the window. `payload` begins with its header.
        """
        if not self.connected.is_set() or len(payload) > MAX_MEDIA_BYTES:
            return False
        now = time.monotonic()
        with self._lock:
            if not must and not self.uplink.has_room(len(payload), now):
                self.uplink.drop(now)
                self._fit(self._client.socket(), True)
                return False
            rest = self._client.send_now(self._topic(camera_id, kind), payload)
            if rest is not None:
                self.uplink.sent(rest, len(payload), now)
        return True

    def _topic(self, camera_id: str, kind: MediaKind) -> bytes:
        topic = self._topics.get((camera_id, kind))
        if topic is None:
            topic = self._topics[camera_id, kind] = self.topics.media(self.link.agent_id, camera_id, kind).encode()
        return topic

    def is_down(self) -> bool:
        """Has the connection been away for longer than a reconnection takes?"""
        since = self._down_since
        return since is not None and time.monotonic() - since > DOWN_S

    def has_room(self, size: int) -> bool:
        """Would a message of this size go now?"""
        with self._lock:
            return self.connected.is_set() and self.uplink.has_room(size, time.monotonic())

    def is_idle(self) -> bool:
        """Is the connection up with nothing under way?"""
        with self._lock:
            return self.connected.is_set() and self.uplink.is_idle()

    def level(self) -> Level:
        """What the uplink bears now. Asked for every picture of every camera, so the lock is taken twice a second only."""
        now = time.monotonic()
        if now - self._ticked_at >= TICK_S:
            with self._lock:
                self._ticked_at = now
                self.uplink.tick(now)
                if self._narrow and not self.uplink.is_strained(now):
                    self._fit(self._client.socket(), False)
        return self.uplink.level

    def _socket_opened(self, _client: Any, _data: Any, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        with self._lock:
            self._narrow = None
            self._fit(sock, self.uplink.is_strained(time.monotonic()))

    def _fit(self, sock: Any, narrow: bool) -> None:
        """Give the kernel little room while the uplink is too slow (held under the lock)."""
        if narrow != self._narrow and sock is not None:
            self._narrow = narrow
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.link.send_buffer_bytes if narrow else self.link.wide_buffer_bytes)

    def _connected(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.error("media connection refused", extra={"agent": self.link.agent_id, "reason": str(reason)})
            return
        with self._lock:
            self.uplink.reset()
        client.subscribe(self.topics.down(self.identity, "command"), qos=1)
        self.connected.set()
        self._down_since = None
        log.info("media connection up", extra={"agent": self.link.agent_id})
        self._on_connected()

    def _lost(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.connected.clear()
        self._down_since = self._down_since or time.monotonic()
        with self._lock:
            self.uplink.reset()
        client.reconnect_delay_set(random.uniform(0.5, 2.0), 30)
        self._read_papers()
        log.warning("media connection lost", extra={"agent": self.link.agent_id, "reason": str(reason)})

    def _read_papers(self) -> None:
        """Take in certificate and authority as they are on disk now: they may have been renewed while the connection lasted."""
        if self._context is None or not self.link.certfile:
            return
        try:
            if self.link.cafile:
                self._context.load_verify_locations(self.link.cafile)
            self._context.load_cert_chain(self.link.certfile, self.link.keyfile)
        except (OSError, ssl.SSLError) as error:
            log.error("the certificate cannot be read again: %s", error, extra={"agent": self.link.agent_id})

    def _message(self, _client: Any, _data: Any, message: Any) -> None:
        try:
            self._on_command(decode(message.payload, Command))
        except Rejected as error:
            self.refused_commands += 1
            log.warning("command refused", extra={"agent": self.link.agent_id, "reason": error.code})


class _Start(Struct):
    """One asker: until when (steady clock), what it wants and whether its burst has gone."""

    until: float
    quality: str
    fragment_s: float
    pre_event_s: float
    burst: bool = False


class _What(NamedTuple):
    """What a stream holds: the pictures of this feed, as they came or encoded anew."""

    feed: str
    transcoded: bool


class _Stream:
    """One stream that leaves, with a sequence of its own. `asked`: for whom it is now (bits of `ASKED`), 0 while it stands still."""

    def __init__(self) -> None:
        self.asked = 0
        self.seq = 0
        self.fragment_ticks = 0.0
        self.waiting_key = True
        self.batch: list[Unit] = []
        self.pre_event: deque[list[Unit]] = deque()
        self.transcoder: Transcoder | None = None
        self.transcoded = Ring(0)
        """The current group as it came out of the transcoder: who joins gets these pictures, on which the next ones build."""

    def halt(self) -> None:
        """Nobody asks for it any more, or what it was made of is another: only its sequence goes on."""
        self.asked, self.waiting_key, self.transcoder = 0, True, None
        self.transcoded.clear()
        self.batch.clear()
        self.pre_event.clear()


class Outlet:
    """What one camera sends: decides per unit whether it goes, for whom, as which fragment, and bursts the ring to new askers.

    Each quality that is asked for is served by one stream; those that come to the same share it, so that nothing is sent twice. Feeds (`main`,
    `sub`) call `tracks` and `unit` from their threads; commands come from the connection's thread.
    """

    def __init__(self, camera_id: str, publisher: Publisher, rings: dict[str, Ring]) -> None:
        self.camera_id = camera_id
        self.transcoded_pictures = 0
        self.dropped_units = 0
        self.sent_bytes = 0
        self._publisher, self._rings = publisher, rings
        self._lock = threading.RLock()
        self._starts: dict[str, _Start] = {}
        self._tracks: dict[str, Tracks] = {}
        self._streams: dict[_What, _Stream] = {}
        self._served: dict[str, _What] = {}
        self._settle()

    @property
    def is_wanted(self) -> bool:
        """Does anybody ask for it? Askers whose time is over count until the feed is looked for next."""
        return bool(self._starts)

    @property
    def transcodes(self) -> bool:
        """Is every picture encoded anew, for somebody whose browser cannot show it as it is?"""
        return any(what.transcoded for what in self._served.values())

    # -- commands ----------------------------------------------------------------------------------------------------

    def command(self, command: Command) -> None:
        """Start, change or stop; a start repeated under its id only prolongs it, a new id gets its own burst."""
        with self._lock:
            if command.kind is CommandKind.STOP:
                self._starts.pop(command.id, None)
                self._settle()
                return
            pre_event_s = command.body.get("pre_event_s", 0)
            start = self._starts.get(command.id)
            until = time.monotonic() + min(max(command.ttl_s or DEFAULT_TTL_S, 1.0), LONGEST_TTL_S)
            quality = command.quality if command.quality in ASKED else "main"
            fragment_s = min(max(command.fragment_s or 0.0, 0.0), 2.0)
            if start is None:
                while len(self._starts) >= MOST_STARTS:
                    self._starts.pop(next(iter(self._starts)))
                seconds = float(pre_event_s) if isinstance(pre_event_s, int | float) else 0.0
                self._starts[command.id] = start = _Start(until, quality, fragment_s, max(0.0, min(seconds, 60.0)))
            start.burst = start.burst and start.quality == quality
            start.until, start.quality, start.fragment_s = until, quality, fragment_s
            self._settle()
        self._burst_now()

    def _settle(self) -> None:
        """What all askers together want, after one has come, changed or gone: asked for with every picture, so worked out before."""
        starts = self._starts.values()
        self._expires_at = min((start.until for start in starts), default=float("inf"))
        self._qualities = [quality for quality in ASKED if any(start.quality == quality for start in starts)]
        for quality in self._served.keys() - set(self._qualities):
            self._part(quality)
        self._fit_fragments()

    def _fit_fragments(self) -> None:
        """The shortest fragments that anybody wants of a stream serve all who get it."""
        for what, stream in self._streams.items():
            stream.fragment_ticks = min((start.fragment_s for start in self._starts.values() if self._served.get(start.quality) == what), default=0.0) * TICKS

    def _part(self, quality: str) -> None:
        """This quality is no longer served by the stream it was served by, which stands still where it was the last."""
        what = self._served.pop(quality, None)
        if what is not None and (stream := self._streams[what]).asked:
            stream.asked &= ~ASKED[quality]
            if not stream.asked:
                stream.halt()

    def _burst_now(self) -> None:
        """Send what the ring has at once instead of with the next picture."""
        with self._lock:
            for what, qualities in self._choose().items():
                if self._wants_burst(what, qualities):
                    self._switch(what, qualities)

    def resend(self) -> None:
        """The connection was made anew: everybody still asking gets a burst again."""
        with self._lock:
            for start in self._starts.values():
                start.burst = False

    def wanted_feeds(self) -> set[str]:
        """The feeds that askers want, none where nobody asks; expired askers are forgotten."""
        with self._lock:
            self._expire()
            return {self._feed_for(quality) for quality in self._qualities}

    def _expire(self) -> None:
        now = time.monotonic()
        if now >= self._expires_at:
            self._starts = {name: start for name, start in self._starts.items() if start.until > now}
            self._settle()

    def _feed_for(self, quality: str) -> str:
        return "sub" if "sub" in self._rings and (quality == "sub" or self._publisher.level() >= Level.SUB_STREAM) else "main"

    def _choose(self) -> dict[_What, list[str]]:
        """What is to be sent from now, each with the qualities it serves, a camera's own pictures before those that are encoded anew."""
        self._expire()
        chosen: dict[_What, list[str]] = {}
        for quality in self._qualities:
            what = self._what(quality)
            if what is not None:
                chosen.setdefault(what, []).append(quality)
        return chosen

    def _what(self, quality: str) -> _What | None:
        """What serves a quality from now: of the wanted feed once it has a key frame, until then of one that is there."""
        served = self._served.get(quality)
        for name in (self._feed_for(quality), served.feed if served else None, *self._rings):
            if name is not None and name in self._tracks and not self._rings[name].is_empty:
                return _What(name, quality == "h264" and self._tracks[name].video.codec is Codec.H265)
        return None

    # -- units ----------------------------------------------------------------------------------------------------

    def tracks(self, feed: str, tracks: Tracks) -> None:
        """A feed begins or changed what it sends; its ring begins anew."""
        with self._lock:
            self._tracks[feed] = tracks
            self._rings[feed].clear()
            for quality, what in list(self._served.items()):
                if what.feed == feed:
                    self._part(quality)

    def unit(self, feed: str, unit: Unit) -> None:
        """One unit of a feed; it is put into the feed's ring and sent to those who ask for it."""
        with self._lock:
            self._rings[feed].add(unit)
            if not self._starts:
                return
            for what, qualities in self._choose().items():
                if what.feed == feed:
                    self._pass(what, qualities, unit)

    def _pass(self, what: _What, qualities: list[str], unit: Unit) -> None:
        stream = self._streams.get(what)
        pieces = self._transcode(stream, unit) if stream is not None and stream.transcoder is not None else [unit]
        if self._wants_burst(what, qualities) and self._switch(what, qualities):
            return  # it was in the group that went
        if stream is None or not stream.asked:
            return
        self._send_pre_event(stream)  # before the unit, which is under way itself as soon as it is taken
        for piece in pieces:
            self._take(stream, piece)

    def _wants_burst(self, what: _What, qualities: list[str]) -> bool:
        return any(self._served.get(quality) != what for quality in qualities) or \
            any(not start.burst and start.quality in qualities for start in self._starts.values())

    def _transcode(self, stream: _Stream, unit: Unit) -> list[Unit]:
        assert stream.transcoder is not None
        pieces = stream.transcoder.take(unit)
        for piece in pieces:
            stream.transcoded.add(piece)
            self.transcoded_pictures += piece.track is Track.VIDEO
        return pieces

    def _group(self, what: _What, stream: _Stream) -> tuple[list[Unit], VideoConfig]:
        """The current group of pictures as this stream sends it, and what a decoder must know of it; empty before there is one."""
        video, group = self._tracks[what.feed].video, self._rings[what.feed].current()
        if not what.transcoded or not group:
            return group, video
        if stream.transcoder is None:
            stream.transcoder = Transcoder(video)
            for unit in group:
                self._transcode(stream, unit)
        return stream.transcoded.current(), stream.transcoder.video or video

    def _switch(self, what: _What, qualities: list[str]) -> bool:
        """Burst init and the current group of pictures of a feed; False where it did not go (it is tried again with the next unit)."""
        stream, tracks = self._streams.setdefault(what, _Stream()), self._tracks[what.feed]
        group, video = self._group(what, stream)
        if self._publisher.level() >= Level.KEY_FRAMES:
            group = group[:1]
        info = init_info(video, tracks.audio, quality="h264" if what.transcoded else what.feed,
                         transcoded=tracks.video.codec.value if what.transcoded else tracks.transcoded, dropped_audio=tracks.dropped_audio)
        init = init_payload(info, init_segment(video, tracks.audio))
        # the first is a picture already while the second is under way
        parts = [fragment(stream.seq + 1, group[:1]), fragment(stream.seq + 2, group[1:])]
        size = sum(map(len, parts))
        if not group or size > LARGEST_BURST or not self._publisher.has_room(len(init) + size):
            if not stream.asked:
                stream.halt()
            return False
        self._serve(what, stream, qualities)
        self._send(stream, MediaKind.INIT, init, group[0].wall_ms, key=True)
        for n, part in enumerate(filter(None, parts)):
            self._send(stream, MediaKind.MEDIA, part, group[n].wall_ms, key=not n, cached=True)
        stream.waiting_key = False
        stream.batch.clear()
        for start in self._starts.values():
            if start.quality not in qualities:
                continue
            if not start.burst and start.pre_event_s and not what.transcoded:
                stream.pre_event = deque(self._rings[what.feed].before(start.pre_event_s))
            start.burst = True
        return True

    def _serve(self, what: _What, stream: _Stream, qualities: list[str]) -> None:
        """From now this stream is for these qualities, which leave those that served them."""
        for quality in qualities:
            if self._served.get(quality) != what:
                self._part(quality)
                self._served[quality] = what
            stream.asked |= ASKED[quality]
        self._fit_fragments()

    def _send(self, stream: _Stream, kind: MediaKind, body: bytes, wall_ms: int, *, key: bool, cached: bool = False, pre_event: bool = False,
              must: bool = True) -> bool:
        header = media_header(kind, key=key, seq=stream.seq, wall_ms=wall_ms, cached=cached, pre_event=pre_event, asked=stream.asked)
        stream.seq += 1
        sent = self._publisher.send(self.camera_id, kind, header + body, must=must)
        self.sent_bytes += len(body) if sent else 0
        return sent

    def _take(self, stream: _Stream, unit: Unit) -> None:
        level = self._publisher.level()
        if level >= Level.PREVIEWS or (level >= Level.KEY_FRAMES and not unit.key):
            self.dropped_units += 1
            stream.waiting_key = True
            return
        if stream.waiting_key and not (unit.key and unit.track is Track.VIDEO):
            self.dropped_units += 1
            return
        if unit.key and unit.track is Track.VIDEO:
            self._flush(stream)
            stream.waiting_key = False
        stream.batch.append(unit)
        if unit.track is Track.VIDEO and unit.dts + unit.duration - stream.batch[0].dts >= stream.fragment_ticks:
            self._flush(stream)

    def _flush(self, stream: _Stream) -> None:
        """Send what has gathered as one fragment; where it does not go, wait for the next key frame."""
        batch, stream.batch = stream.batch, []
        if not batch:
            return
        key = batch[0].key and batch[0].track is Track.VIDEO
        if not self._send(stream, MediaKind.MEDIA, fragment(stream.seq, batch), batch[0].wall_ms, key=key, must=False):
            self.dropped_units += len(batch)
            stream.waiting_key = True

    def _send_pre_event(self, stream: _Stream) -> None:
        """One group of before the event at a time, and only while nothing else is under way."""
        if stream.pre_event and self._publisher.is_idle():
            group = stream.pre_event.popleft()
            self._send(stream, MediaKind.MEDIA, fragment(stream.seq, group), group[0].wall_ms, key=True, cached=True, pre_event=True)


class Preview(Struct, frozen=True):
    """One small picture ready to go."""

    camera_id: str
    jpeg: bytes
    wall_ms: int
    seq: int


def send_preview(publisher: Publisher, preview: Preview) -> bool:
    """Publish a preview; dropped where the uplink has no room."""
    header = media_header(MediaKind.PREVIEW, key=True, seq=preview.seq, wall_ms=preview.wall_ms)
    return publisher.send(preview.camera_id, MediaKind.PREVIEW, header + preview.jpeg)


def read_password(path: Path) -> str:
    """The media identity's password from the first line of a file."""
    return path.read_text("utf-8").splitlines()[0].strip()


"""The embedded broker: amqtt behind a front of our own that lets nobody near a session before they have shown who they are.

The front owns the sockets. It reads the CONNECT itself (10 s, 4 KiB), answers MQTT 5 with 'unacceptable version', checks the password,
holds client id = user name, ends an older connection of the same identity in order, bounds every packet and every write buffer, and
only then hands the stream to amqtt. Pictures never reach amqtt: it makes several tasks of each and searches all filters, while reports wait
in the same loop; the front writes them to who subscribes them. amqtt looks a session up before it authenticates, queues without bound and grants `$share`: none of
that can be reached from outside. Media connections are let in here and then live in a process of their own (`hub/ingest/media_door.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from hub.domain.access import Actor, Direction, may_topic, packaged_policy
from hub.errors import Rejected, why_en
from hub.ingest.admit import Bucket
from hub.ingest.certificates import Certificates, follow
from hub.ingest.media_door import CAN_HAND_OVER, MediaDoor, media_door
from hub.ingest.media_guard import MediaGuard
from hub.ingest.packets import PUBLISH, SUBSCRIBE, filters_of, malformed
from hub.wire import HUB_MEDIA, MAX_MEDIA_BYTES, MAX_MESSAGE_BYTES, MEDIA_SUFFIX, Topics

if TYPE_CHECKING:
    from hub.ingest.registry import Registry
    from hub.settings import Settings

log = logging.getLogger("hub.broker")
CONNECT_S: Final = 10.0
CONNECT_BYTES: Final = 4096
PIECE_BYTES: Final = 16_384
"""What of a packet has to come within one and a half keep-alives (our own choice: at 45 s that is 3 kbit/s)."""
MOST_FILTERS: Final = 100
"""How many filters an agent's session may hold (our own choice; two are enough): amqtt looks through all of them at each message of anybody."""
STALLED_BYTES: Final = 4_194_304
"""What may wait in one connection's write buffer before it is cut (our own choice: a second of four 8 Mbit/s feeds)."""
OFFLINE_MESSAGES: Final = 1000
"""What amqtt may keep for a session that is away (as Mosquitto's default of max_queued_messages)."""
FLOOD_TIMES: Final = 4
"""How many times its quota an agent's connection may send packets before it is read more slowly (our own choice: an agent over its quota is told so
by a receipt; what is far above it would cost every other agent the broker's time, so it waits in the flooder's own socket)."""
MOST_WAITING: Final = 200
"""How many messages of one agent may wait to be handed on before it is read no further (our own choice: three of its windows)."""
CATCH_UP_S: Final = 0.02
"""How often it is looked whether they are fewer (our own choice)."""
FLOOD_AT_ONCE: Final = (4, 20)
"""How many packets it may send in one go: this part of its quota, and so many at least (our own choice). amqtt has one line for
everybody, and what comes in one go stands in it before the others' reports: of 2,400 packets for some seconds."""
HELD_S: Final = 5.0
"""How long a media identity that is kept out is held at the door before it hears so (our own choice: whoever comes back at once costs a tenth this way)."""
MEDIA_PAUSE_S: Final = 0.02
"""From one media connection to the next (our own choice: fifty in a second)."""
media_pause = asyncio.sleep
HUB_PREFIX: Final = "hub"
_KEEP_ALIVE_AT: Final = 8
"""Where the keep-alive stands in a CONNECT: after the protocol's name, its level and the flags (MQTT 3.1.1, 3.1.2.10)."""
_FURTHER = re.compile(r"[a-z0-9-]+\.media-[1-9][0-9]?")
_ACCEPTED, _BAD_VERSION, _BAD_ID, _UNAVAILABLE, _BAD_PASSWORD, _NOT_ALLOWED = 0, 1, 2, 3, 4, 5
_FAILURES_S: Final = 1.0


class _Refused(Exception):
    """A connection that is not let in; `code` is the CONNACK's, or None where nothing is answered."""

    def __init__(self, code: int | None, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True, slots=True)
class Connect:
    """What a CONNECT packet says, as far as the front asks."""

    client_id: str
    username: str
    password: str
    will_topic: str | None
    keep_alive_s: int
    clean: bool


def parse_connect(body: bytes) -> Connect:
    """Read the body of a CONNECT (MQTT 3.1.1, section 3.1); raises _Refused with the code of the CONNACK."""
    try:
        reader = _Fields(body)
        protocol, level, flags = reader.text(), reader.byte(), reader.byte()
        if protocol != "MQTT" or level != 4:
            raise _Refused(_BAD_VERSION, f"protocol {protocol!r} level {level}")
        if flags & 0x01 or (flags & 0x18) == 0x18:
            raise _Refused(None, "malformed CONNECT flags")
        keep_alive_s = reader.byte() << 8 | reader.byte()
        client_id = reader.text()
        will_topic = None
        if flags & 0x04:
            will_topic = reader.text()
            reader.text_bytes()
        username = reader.text() if flags & 0x80 else ""
        password = reader.text() if flags & 0x40 else ""
    except (IndexError, UnicodeDecodeError):
        raise _Refused(None, "malformed CONNECT") from None
    if reader.at != len(body):
        raise _Refused(None, "malformed CONNECT")
    return Connect(client_id, username, password, will_topic, keep_alive_s, bool(flags & 0x02))


class _Fields:
    """Length-prefixed fields of a packet."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 0

    def byte(self) -> int:
        self.at += 1
        return self.body[self.at - 1]

    def text_bytes(self) -> bytes:
        length = self.byte() << 8 | self.byte()
        if self.at + length > len(self.body):
            raise IndexError
        self.at += length
        return self.body[self.at - length : self.at]

    def text(self) -> str:
        return self.text_bytes().decode()


async def read_packet(reader: asyncio.StreamReader, limit: int, idle_s: float | None = None) -> tuple[int, bytes, bytes]:
    """One packet: its type, its header bytes as they came, its body. Raises _Refused for one above `limit` bytes, TimeoutError where nothing comes
    for `idle_s`: a long packet on a narrow road comes in pieces."""
    header, length, shift = bytearray(), 0, 0
    async with asyncio.timeout(idle_s):
        header += await reader.readexactly(1)
        while True:
            byte = (await reader.readexactly(1))[0]
            header.append(byte)
            length |= (byte & 0x7F) << shift
            if not byte & 0x80:
                break
            shift += 7
            if shift > 21:
                raise _Refused(None, "malformed length")
        if length > limit:
            raise _Refused(None, f"a packet of {length} bytes")
        body = await reader.readexactly(min(length, PIECE_BYTES))
    while len(body) < length:
        async with asyncio.timeout(idle_s):
            body += await reader.readexactly(min(length - len(body), PIECE_BYTES))
    return header[0] >> 4, bytes(header), body


class Front:
    """The listener. `accepts(username, password)` decides who comes in, the policy what an identity may publish and subscribe."""

    def __init__(self, broker: Any, topics: Topics, accepts: Callable[[str, str], bool], *, connect_s: float = CONNECT_S,
                 stalled_bytes: int = STALLED_BYTES, certificates: Certificates | None = None,
                 quota_per_minute: Callable[[str], int | None] = lambda name: None, door: MediaDoor | None = None) -> None:
        self.certificates = certificates
        self.door = door
        self.quota_per_minute = quota_per_minute
        self.broker = broker
        self.topics = topics
        self.accepts = accepts
        self.connect_s = connect_s
        self.stalled_bytes = stalled_bytes
        self.live: dict[str, _Connection] = {}
        self.refused = 0
        self.cut = 0
        self.slowed = 0
        self.media = MediaGuard()
        self._media_door = asyncio.Lock()
        self._held: dict[str, asyncio.Event] = {}
        self.policy = packaged_policy()
        self._decided = lru_cache(maxsize=50_000)(self._decide)
        self._failures: dict[str, float] = {}
        self._filters: dict[str, set[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from its first byte to its last."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._admit(reader, writer)
        except _Refused as error:
            self.refused += 1
            log.info("refused %s: %s", writer.get_extra_info("peername"), error)
            if error.code is not None:
                writer.write(bytes((0x20, 2, 0, error.code)))
                with contextlib.suppress(ConnectionError, TimeoutError):
                    async with asyncio.timeout(2):
                        await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            pass
        except asyncio.CancelledError:  # by `close`, or by the end of the loop: nobody waits for this task, and the stream's own callback would log it
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(self.connect_s):
            kind, header, body = await read_packet(reader, CONNECT_BYTES)
        if kind != 1:
            raise _Refused(None, "the first packet is not a CONNECT")
        connect = parse_connect(body)
        await self._authenticate(connect, writer)
        name = connect.client_id
        if self.door is not None and (is_media(name) or name == HUB_MEDIA):
            await self._hand_over(self.door, name, header + body, reader, writer)
            return
        if is_media(name):
            await self._media_turn()
        while (older := self.live.get(name)) is not None:  # several may come at once, and the last is the one that stays
            await older.end()
            if self.live.get(name) is older:
                del self.live[name]
        # the keep-alive is kept here (3.1.2.10): amqtt ends nobody who is silent, and where its time is up it drops what has come of a packet
        idle_s = None if is_hub(name) else 1.5 * connect.keep_alive_s or None
        body = body[:_KEEP_ALIVE_AT] + b"\0\0" + body[_KEEP_ALIVE_AT + 2:]
        if connect.clean:
            self._filters.pop(name, None)
        connection = self.live[name] = _Connection(self, name, reader, writer, header + body, idle_s=idle_s)
        try:
            await self.broker.external_connected(connection, connection, "default")
        finally:
            if connect.clean and self.live.get(name) is connection:
                # 3.1.2-6; amqtt does so within a second, and hands the session to whoever comes sooner: to one that is to keep it, or under its feet
                await self.broker._delete_session(name)
            connection.done.set()
            if self.live.get(name) is connection:
                del self.live[name]

    async def _hand_over(self, door: MediaDoor, name: str, packet: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Give a media connection to the process of its own. While TLS is carried for it, it can be ended from here."""
        carried = self.live[name] = _Connection(self, name, reader, writer, b"")
        try:
            await door.take(packet, reader, writer)
        except OSError as error:
            raise _Refused(_UNAVAILABLE, f"the media process takes nothing: {why_en(error)}") from None
        finally:
            carried.done.set()
            if self.live.get(name) is carried:
                del self.live[name]

    async def _media_turn(self) -> None:
        """Media connections come in one after the other: when fifty cameras come back at once, reports do not wait behind them."""
        async with self._media_door:
            await media_pause(MEDIA_PAUSE_S)

    async def _hold(self, name: str) -> None:
        """Hold who is kept out: one connection of each identity, so that nobody piles them up."""
        if (older := self._held.get(name)) is not None:
            older.set()
        mine = self._held[name] = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HELD_S):
                await mine.wait()
        if self._held.get(name) is mine:
            del self._held[name]

    async def _authenticate(self, connect: Connect, writer: asyncio.StreamWriter) -> None:
        peer = str((writer.get_extra_info("peername") or ("?",))[0])
        if self.door is None and is_media(connect.client_id) and (why := self.media.refusal(connect.client_id, time.monotonic())) is not None:
            await self._hold(connect.client_id)
            raise _Refused(_UNAVAILABLE, f"{connect.client_id}: {why}")
        if not self.accepts(identity(connect.username), connect.password):
            self._failures[peer] = time.monotonic()
            await asyncio.sleep(_FAILURES_S)  # a guess costs its guesser a second, and nobody else anything
            raise _Refused(_BAD_PASSWORD, f"wrong user name or password for {connect.username!r}")
        unfit = self.certificates.refusal(writer.get_extra_info("ssl_object"), identity(connect.username)) if self.certificates else None
        if unfit is not None:
            raise _Refused(_NOT_ALLOWED, unfit)
        if not is_own_id(connect.client_id, connect.username):
            raise _Refused(_BAD_ID, "the client id is not the user name")
        if connect.will_topic is not None and not self.may_publish(connect.username, connect.will_topic):
            raise _Refused(_NOT_ALLOWED, "the last will is not in the agent's own topics")

    def may_publish(self, name: str, topic: str) -> bool:
        """May this client publish to this topic? Decided by the policy, as everything; wildcards never."""
        return self._decided(identity(name), Direction.PUBLISH, topic)

    def hand_on(self, name: str, topic: str, packet: bytes) -> None:
        """Write a picture to whoever subscribes it now (QoS 0, nothing is kept); what its sender may not publish is dropped, as amqtt does."""
        if not self.may_publish(name, topic):
            return
        subscriptions = self.broker.subscriptions
        filters = [wide for wide in subscriptions if ("+" in wide or "#" in wide) and matches(topic, wide)]
        for client_id in {session.client_id for wanted in (topic, *filters) for session, _ in subscriptions.get(wanted, ())}:
            if (subscriber := self.live.get(client_id)) is not None:
                subscriber.write(packet)

    def may_subscribe(self, name: str, topic_filter: str) -> bool:
        """May this client subscribe to this filter? `$share` nobody here: amqtt grants it and delivers nothing."""
        return not topic_filter.startswith("$") and self._decided(identity(name), Direction.SUBSCRIBE, topic_filter)

    def overfull(self, name: str, filters: list[bytes]) -> bool:
        """Does this session hold too many filters with these? It keeps them until it begins anew (`clean`)."""
        if is_hub(name):
            return False
        held = self._filters.setdefault(name, set())
        held.update(one for one in filters if self.may_subscribe(name, one.decode()))
        return len(held) > MOST_FILTERS

    def _decide(self, name: str, direction: Direction, topic: str) -> bool:
        return may_topic(self._actor(name), direction, topic, self.topics.root, datetime.now(UTC)).allowed

    def _actor(self, name: str) -> Actor:
        """The identity as `may` takes it. Topics ask for the name alone: whether it may come in at all was asked at its CONNECT."""
        if is_hub(name):
            return self.policy.hub(name)
        return self.policy.agent(name, department_id=None, media=name.endswith(MEDIA_SUFFIX))

    async def cut_off(self, agent_id: str) -> None:
        """End the connections of a revoked agent and of its media identity."""
        for name, connection in list(self.live.items()):
            if identity(name) in (agent_id, agent_id + MEDIA_SUFFIX):
                self.cut += 1
                await connection.end()
        if self.door is not None:
            await self.door.cut_off(agent_id)

    async def close(self) -> None:
        """End every connection."""
        for connection in list(self.live.values()):
            connection.abort()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)


def burst_of(quota_per_minute: int) -> int:
    """How many packets an agent of this quota may send in one go."""
    part, least = FLOOD_AT_ONCE
    return max(least, quota_per_minute // part)


def is_own_id(client_id: str, username: str) -> bool:
    """The client id is the user name; an agent with many cameras has further media connections, `{agent}.media-2` to `-99`."""
    return client_id == username or (username.endswith(MEDIA_SUFFIX) and _FURTHER.fullmatch(client_id) is not None
                                     and identity(client_id) == username)


def identity(client_id: str) -> str:
    """The user name that a client id belongs to."""
    return client_id.rpartition("-")[0] if _FURTHER.fullmatch(client_id) else client_id


def matches(topic: str, topic_filter: str) -> bool:
    """Does a filter cover a topic (MQTT 3.1.1, 4.7)? amqtt builds a regular expression for each of hundreds of filters at each message."""
    if "+" not in topic_filter:
        if topic_filter.endswith("/#"):
            return topic.startswith(topic_filter[:-1]) or topic == topic_filter[:-2]
        return topic == topic_filter or topic_filter == "#"
    levels, wanted = topic.split("/"), topic_filter.split("/")
    if wanted[-1] == "#":
        wanted.pop()
        levels = levels[: len(wanted)]
    return len(levels) == len(wanted) and all(w in ("+", level) for level, w in zip(levels, wanted, strict=True))


def is_hub(name: str) -> bool:
    """Is this one of the hub's own identities (`hub`, `hub-media`)? No agent can be named so."""
    return name == HUB_PREFIX or name.startswith(HUB_PREFIX + "-")


def is_media(client_id: str) -> bool:
    """Is this a media connection of an agent?"""
    return identity(client_id).endswith(MEDIA_SUFFIX)


class _Connection:
    """A stream as amqtt reads and writes it: whole packets within the limit in, a bounded buffer out. Reader and writer adapter in one."""

    def __init__(self, front: Front, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes, *,
                 idle_s: float | None = None) -> None:
        self.front = front
        self.name = name
        self.done = asyncio.Event()
        self._reader = reader
        self._writer = writer
        self._ready = bytearray(first)
        self._media = front.media if is_media(name) else None
        self._cameras = f"/{identity(name)}/up/camera/".encode()
        self._limit = (MAX_MEDIA_BYTES if identity(name).endswith(MEDIA_SUFFIX) or is_hub(name) else MAX_MESSAGE_BYTES) + 1024
        self._closed = False
        self._idle_s = idle_s
        quota = front.quota_per_minute(name)
        self._slowed = False
        self._pace = None if quota is None else Bucket(FLOOD_TIMES * quota, time.monotonic(), at_once=burst_of(quota))

    async def read(self, n: int = -1) -> bytes:
        """`n` bytes of the stream of packets that have passed the limit."""
        while len(self._ready) < max(n, 1):
            if self._pace is not None:
                await self._let_the_hub_catch_up()
            try:
                kind, header, body = await read_packet(self._reader, self._limit, self._idle_s)
                if self._media is not None and (not await self._let_in(self._media, kind, header[0], body) or self._hands_on(kind, header, body)):
                    continue
                self._look_at(kind, header[0], body)
            except (_Refused, TimeoutError) as error:
                log.warning("cut %s: %s", self.name, str(error) or f"nothing came for {self._idle_s:g} s")
                self.front.cut += 1
                self.abort()
                raise asyncio.IncompleteReadError(b"", 1) from None  # to amqtt: the stream has ended
            if self._pace is not None:
                await self._keep_pace(self._pace)
            self._ready += header
            self._ready += body
        size = len(self._ready) if n < 0 else n
        out = bytes(self._ready[:size])
        del self._ready[:size]
        return out

    def _look_at(self, kind: int, first: int, body: bytes) -> None:
        """Raise _Refused for a packet that is malformed, or one filter too many. The CONNECT was read before."""
        if (why := malformed(first, body)) is not None:
            raise _Refused(None, why)
        if kind == SUBSCRIBE and self.front.overfull(self.name, filters_of(kind, body) or []):
            raise _Refused(None, f"it subscribes to more than {MOST_FILTERS} filters")

    async def _keep_pace(self, pace: Bucket) -> None:
        """Do not read on before this packet's turn has come: TCP holds the sender back."""
        while wait_s := pace.take(time.monotonic()):
            if not self._slowed:
                log.warning("%s sends at more than %d times its quota: it is read more slowly", self.name, FLOOD_TIMES)
                self._slowed = True
            self.front.slowed += 1
            await asyncio.sleep(wait_s)

    async def _let_the_hub_catch_up(self) -> None:
        """Do not read on while much of what this agent sent waits to be handed on: amqtt acknowledges at once and queues without bound, so that an
        agent which saw no receipt had filled it with copies faster than they were handed on."""
        await asyncio.sleep(0)  # amqtt queues in a task of its own for each message
        session, _ = self.front.broker.sessions.get(self.name, (None, None))
        while session is not None and session.delivered_message_queue.qsize() >= MOST_WAITING and not self._closed:  # noqa: ASYNC110 # no event tells
            await asyncio.sleep(CATCH_UP_S)

    async def _let_in(self, media: MediaGuard, kind: int, first: int, body: bytes) -> bool:
        """Is this media, and within the budget? Waits where it is too much, raises _Refused for one that has sent too much garbage."""
        now = time.monotonic()
        if (wait_s := media.wait_s(self.name, len(body), now)) > 0:
            await asyncio.sleep(min(wait_s, 1.0))
        if kind != PUBLISH or media.is_media(self.name, first, body, now, own=self._cameras):
            return True
        if media.must_go(self.name, now):
            raise _Refused(None, "it sends what is no media")
        return False

    def _hands_on(self, kind: int, header: bytes, body: bytes) -> bool:
        """Is this one of its pictures? Then it is on its way to who watches, and amqtt need not see it."""
        topic = body[2:2 + int.from_bytes(body[:2], "big")]
        if kind != PUBLISH or header[0] & 0x0F or self._cameras not in topic:
            return False
        self.front.hand_on(self.name, topic.decode("utf-8", "replace"), header + body)
        return True

    def feed_eof(self) -> None:
        """Part of the adapter's interface."""
        self._reader.feed_eof()

    def write(self, data: bytes) -> None:
        """Write, or cut a subscriber that has stopped reading: its buffer is bounded."""
        if self._closed:
            return
        transport = self._writer.transport
        if transport.get_write_buffer_size() + len(data) > self.front.stalled_bytes:
            log.warning("cut %s: it stopped reading, %d bytes wait", self.name, transport.get_write_buffer_size())
            self.front.cut += 1
            self.abort()
            return
        self._writer.write(data)

    async def drain(self) -> None:
        """Nothing to wait for: the bound is in `write`, and waiting would pile up amqtt's tasks instead."""

    def get_peer_info(self) -> tuple[str, int] | None:
        """Address and port of the other side."""
        peer = self._writer.get_extra_info("peername")
        return (peer[0], peer[1]) if peer else ("?", 0)

    def get_ssl_info(self) -> Any:
        """The TLS session, or None."""
        return self._writer.get_extra_info("ssl_object")

    async def close(self) -> None:
        """Close in order."""
        if not self._closed:
            self._closed = True
            self._writer.close()

    def abort(self) -> None:
        """Close at once."""
        self._closed = True
        self._writer.transport.abort()

    async def end(self) -> None:
        """Close at once, and wait until amqtt has let go of the session."""
        self.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await self.done.wait()


def broker_behind(front_of: Callable[[], Front]) -> Any:
    """An amqtt broker whose decisions are the front's."""
    from amqtt.broker import Broker
    from amqtt.contexts import Action, BrokerConfig, ListenerConfig, ListenerType

    class Behind(Broker):  # type: ignore[misc, unused-ignore]
        async def _authenticate(self, session: Any, _listener: Any) -> bool:
            return session.client_id in front_of().live

        async def _topic_filtering(self, session: Any, topic: str, action: Any) -> bool:
            if action is Action.PUBLISH:
                return front_of().may_publish(session.client_id, topic)
            if action is Action.SUBSCRIBE:
                return front_of().may_subscribe(session.client_id, topic)
            return True

        def _matches(self, topic: str, a_filter: str) -> bool:
            return matches(topic, a_filter)

        async def _publish_retained_messages_for_subscription(self, subscription: tuple[str, int], session: Any) -> None:
            # at each connection amqtt offers what is retained under everybody's filters: only one's own may pass
            if front_of().may_subscribe(session.client_id, subscription[0]):
                await super()._publish_retained_messages_for_subscription(subscription, session)

        async def retain_message(self, source_session: Any, topic_name: str | None, data: Any, qos: int | None = None) -> None:
            # one word of presence for each identity, and nothing else, is worth keeping
            if topic_name is not None and topic_name == front_of().topics.up(identity(source_session.client_id), "presence"):
                await super().retain_message(source_session, topic_name, data, qos)

    class Steady(dict[str, Any]):
        """The table of subscriptions, which amqtt iterates over while others subscribe."""

        def __iter__(self) -> Any:
            return iter(list(self.keys()))

        def items(self) -> Any:
            return list(super().items())

    listener = ListenerConfig(type=ListenerType.EXTERNAL, bind="front")
    broker = Behind(BrokerConfig(listeners={"default": listener}, plugins={}))
    broker._subscriptions = Steady()
    return broker


@contextlib.asynccontextmanager
async def embedded(settings: Settings, registry: Registry, hub_password: str, *, apart: bool = CAN_HAND_OVER) -> AsyncIterator[int]:
    """Run the embedded broker on the settings' ports; gives the plain port. Agents come in with their own credential.

    Media has a process of its own (`apart`) wherever sockets can be handed over.
    """
    async with media_door(settings.hub_id) if apart else contextlib.nullcontext() as door, _listening(settings, registry, hub_password, door) as port:
        yield port


@contextlib.asynccontextmanager
async def _listening(settings: Settings, registry: Registry, hub_password: str, door: MediaDoor | None) -> AsyncIterator[int]:
    def accepts(username: str, password: str) -> bool:
        if is_hub(username):
            import hmac

            return hmac.compare_digest(password.encode(), hub_password.encode())
        return registry.accepts(username, password)

    def quota(name: str) -> int | None:
        source = registry.source(name)  # media and the hub's own identities have none
        return None if source is None else source.quota_per_minute or settings.quota_per_minute

    certificates = Certificates(settings) if settings.broker_tls_port else None
    broker = broker_behind(lambda: front)
    front = Front(broker, Topics(settings.hub_id), accepts, certificates=certificates, quota_per_minute=quota, door=door)
    plain_host = "127.0.0.1" if settings.broker_tls_client_certs else settings.broker_host  # no way around the certificate from outside
    try:
        servers = [await asyncio.start_server(front.connected, plain_host, settings.broker_port, start_serving=False)]
    except OSError as error:
        raise Rejected("port_taken", f"MQTT 端口 {settings.broker_port} 已被占用，请用 --broker-port 换一个",
                       f"the MQTT port {settings.broker_port} is taken; choose another with --broker-port ({why_en(error)})",
                       field="broker_port") from None
    if certificates is not None:
        servers.append(await asyncio.start_server(front.connected, settings.broker_host, settings.broker_tls_port, ssl=certificates.context,
                                                  ssl_handshake_timeout=CONNECT_S, start_serving=False))
    await broker.start()
    for server in servers:
        await server.start_serving()
    revoked: asyncio.Queue[str] = asyncio.Queue()
    registry.on_revoked.append(revoked)
    chores = [asyncio.create_task(_cut_revoked(front, revoked), name="broker.revoked"),
              asyncio.create_task(trim(broker), name="broker.trim")]
    if certificates is not None:
        chores.append(asyncio.create_task(follow(certificates, front), name="broker.certificates"))
    try:
        yield servers[0].sockets[0].getsockname()[1]
    finally:
        for server in servers:
            server.close()
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*chores, return_exceptions=True)
        await front.close()
        with contextlib.suppress(Exception):  # amqtt's own shutdown may trip over sessions that are already gone
            async with asyncio.timeout(1):
                await broker._shutdown_broadcast_loop()  # first: where a session takes its time it would be cancelled with the process, and say it had failed
                await broker.shutdown()


async def _cut_revoked(front: Front, revoked: asyncio.Queue[str]) -> None:
    """Cut each by itself: where the media process does not hear, nobody else's revocation waits for it."""
    async with asyncio.TaskGroup() as group:
        while True:
            group.create_task(front.cut_off(await revoked.get()))


async def trim(broker: Any) -> None:
    """Hold what amqtt keeps for absent sessions to its bound: the oldest goes, since only the receipt counts."""
    while True:
        await asyncio.sleep(0.5)
        for session, _handler in list(broker.sessions.values()):
            queue = session.retained_messages
            while queue.qsize() > OFFLINE_MESSAGES:
                queue.get_nowait()

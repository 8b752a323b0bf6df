"""A paho client in the asyncio loop, for the hub's hot path: reads from one buffer, writes acknowledgements and receipts in one piece.

paho reads each header byte with a system call and writes each packet with another; at thousands of messages a second that is most of the
cost. So publications that lie whole in the buffer are read here, and everything else is left to paho. The private parts of paho that this
builds on (`_sock_recv`, `_packet_queue`, `_in_packet`) are pinned by `constraints.txt` and held by tests/contract/test_link.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from hub.errors import Rejected
from hub.wire import publish_packet

_PUBACK = 0x40
_READ_BYTES = 65_536
_TURN_PACKETS = 100
"""Packets read in one turn of the loop, so that nothing else waits long (about 5 ms): above all not the batch whose commit is through."""
_TOPICS_KEPT = 20_000
"""Topics whose text is kept, so that it is not decoded again for each message."""


class Publication(NamedTuple):
    """A message that came in; paho's own `MQTTMessage` has the same names."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    mid: int


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and who the hub is there."""

    host: str
    port: int
    username: str
    password: str | None
    ca_file: str | None = None
    tls: bool = False

    @classmethod
    def from_url(cls, url: str, username: str, password: str | None, ca_file: str | None = None, *, setting: str = "broker") -> Broker:
        """Read `mqtt://HOST:PORT` or `mqtts://HOST:PORT`; raises Rejected, naming the setting that it stands in."""
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise Rejected("settings", f"消息服务器地址应为 mqtt://主机:端口，而不是 {url}", f"a broker is mqtt://HOST:PORT, not {url}", field=setting)
        tls = parts.scheme == "mqtts"
        return cls(parts.hostname, parts.port or (8883 if tls else 1883), username, password, ca_file, tls)


class BufferedClient(mqtt.Client):
    """paho's client with a read buffer and a way to write many packets as one."""

    _ahead = b""
    _at = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._topics: dict[bytes, str] = {}

    def _sock_recv(self, bufsize: int) -> bytes:
        """Serve from the buffer; fill it with one system call where it is empty. Raises BlockingIOError where there is nothing."""
        ahead, at = self._ahead, self._at
        if at >= len(ahead):
            ahead = self._ahead = super()._sock_recv(_READ_BYTES)
            at = self._at = 0
            if not ahead:
                return ahead
        part = ahead[at : at + bufsize]
        self._at = at + len(part)
        return part

    def read_ahead(self) -> None:
        """Fill the buffer where it is empty, with one system call. What goes wrong is met again by `loop_read`."""
        if self._at >= len(self._ahead):
            with contextlib.suppress(OSError):
                self._ahead, self._at = super()._sock_recv(_READ_BYTES), 0

    def next_publication(self) -> Publication | None:
        """The next packet, where it is a publication of QoS 0 or 1 that lies whole in the buffer; None leaves it to `loop_read`."""
        ahead, start = self._ahead, self._at
        size = len(ahead)
        if size - start < 5 or ahead[start] >> 4 != 3 or self._in_packet["command"]:
            return None
        flags, length, shift, at = ahead[start], 0, 0, start + 1
        while True:  # the remaining length: seven bits in each byte, the lowest first (MQTT 3.1.1, 2.2.3)
            byte = ahead[at]
            at += 1
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 21 or at >= size:
                return None
        end, qos = at + length, flags >> 1 & 3
        if end > size or length < 2 or qos > 1:  # in pieces, malformed, QoS 2: paho knows what to do
            return None
        body = at + 2 + (ahead[at] << 8 | ahead[at + 1])
        payload = body + 2 if qos else body
        if payload > end or body == at + 2:
            return None
        topic = self._topic(ahead[at + 2 : body])
        if topic is None:
            return None
        self._at = end
        self._last_bytes_received = time.monotonic()
        return Publication(topic, ahead[payload:end], qos, bool(flags & 1), ahead[body] << 8 | ahead[body + 1] if qos else 0)

    def _topic(self, name: bytes) -> str | None:
        topic = self._topics.get(name)
        if topic is None:
            try:
                topic = name.decode()
            except UnicodeDecodeError:
                return None
            if len(self._topics) >= _TOPICS_KEPT:
                self._topics.clear()
            self._topics[name] = topic
        return topic

    @property
    def has_more(self) -> bool:
        """Is there something that the selector will not tell of?"""
        sock: Any = self.socket()
        return self._at < len(self._ahead) or (isinstance(sock, ssl.SSLSocket) and sock.pending() > 0)

    def forget_ahead(self) -> None:
        """Drop what was read of a connection that has ended."""
        self._ahead, self._at = b"", 0

    def write_packets(self, packets: bytes) -> None:
        """Queue ready-made packets as one."""
        self._packet_queue(_PUBACK, packets, 0, 0)


def puback(mid: int) -> bytes:
    """The packet that acknowledges a QoS 1 message (MQTT 3.1.1, 3.4)."""
    return bytes((_PUBACK, 2, mid >> 8, mid & 0xFF))


class AsyncMqtt:
    """A connection that keeps itself up: reconnects with a jittered delay of 0.2 to 10 s. `on_message` runs in the loop."""

    def __init__(self, broker: Broker, client_id: str, *, on_message: Callable[[Any], None], subscriptions: list[tuple[str, int]],
                 clean: bool = False, on_up: Callable[[], None] | None = None) -> None:
        self.broker = broker
        self.subscriptions = subscriptions
        self.connected = asyncio.Event()
        self.detail = "connecting"
        self.reconnects = 0
        self.generation = 0
        self.paused = False
        self._on_up = on_up
        self._lost = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._out: list[bytes] = []
        client = self.client = BufferedClient(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=clean, manual_ack=True,
                                              protocol=mqtt.MQTTv311, reconnect_on_failure=False)
        if broker.username:
            client.username_pw_set(broker.username, broker.password)
        if broker.tls:
            client.tls_set_context(ssl.create_default_context(cafile=broker.ca_file))
        client.connect_timeout = 5.0  # paho refuses to change it later, while it still holds a socket that the broker has left
        client.max_queued_messages_set(10_000)
        client.max_inflight_messages_set(1000)
        self._on_message = on_message
        client.on_message = lambda _c, _u, message: self._on_message(message)
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_socket_open = self._open
        client.on_socket_close = self._close
        client.on_socket_register_write = self._writable
        client.on_socket_unregister_write = self._written

    # ---- out

    def ack(self, mid: int, qos: int, generation: int) -> None:
        """Acknowledge a message of connection `generation`; of an earlier one it means nothing any more."""
        if qos and generation == self.generation:
            self._queue(puback(mid))

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 0, together with whatever else is written in this turn of the loop."""
        self._queue(publish_packet(topic.encode(), payload))

    def _queue(self, packet: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(packet)

    def _flush(self) -> None:
        packets, self._out = b"".join(self._out), []
        if self.connected.is_set():
            self.client.write_packets(packets)

    # ---- in

    def pause(self) -> None:
        """Stop reading: what the hub cannot take yet waits in the broker and not in memory."""
        sock: Any = self.client.socket()
        if not self.paused and sock is not None:
            self.paused = True
            self._loop.remove_reader(sock)

    def resume(self) -> None:
        """Read again."""
        sock: Any = self.client.socket()
        if self.paused and sock is not None:
            self._loop.add_reader(sock, self._read)
            self._loop.call_soon(self._read_on, self.generation)
        self.paused = False

    def _read(self) -> None:
        client, on_message = self.client, self._on_message
        client.read_ahead()
        for _ in range(_TURN_PACKETS):
            message = client.next_publication()
            if message is not None:
                on_message(message)
            else:
                client.loop_read()
            if self.paused or not client.has_more:
                return
        self._loop.call_soon(self._read_on, self.generation)

    def _read_on(self, generation: int) -> None:
        if generation == self.generation and not self.paused and self.client.socket() is not None:
            self._read()

    def _open(self, _c: Any, _u: Any, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client.forget_ahead()
        self.generation += 1
        self.paused = False
        self._loop.add_reader(sock, self._read)

    def _close(self, _c: Any, _u: Any, sock: Any) -> None:
        self._loop.remove_reader(sock)
        self._loop.remove_writer(sock)
        self.client.forget_ahead()

    def _writable(self, _c: Any, _u: Any, sock: Any) -> None:
        self._loop.add_writer(sock, self.client.loop_write)

    def _written(self, _c: Any, _u: Any, sock: Any) -> None:
        self._loop.remove_writer(sock)

    def _connected(self, _c: Any, _u: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self.detail = str(reason)
            return
        self.client.subscribe(self.subscriptions)
        self.connected.set()
        self.detail = "connected"
        if self._on_up:
            self._on_up()

    def _disconnected(self, _c: Any, _u: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.connected.clear()
        self.detail = str(reason)
        self._lost.set()

    # ---- life

    async def run(self) -> None:
        """Stay connected until cancelled; then disconnect."""
        delay_s = 0.2
        try:
            while True:
                if await self._connect():
                    delay_s = 0.2
                    await self._keep()
                    self.reconnects += 1
                else:
                    delay_s = min(10.0, delay_s * 2)
                await asyncio.sleep(random.uniform(0.5, 1.0) * delay_s)
        finally:
            self._flush()
            self.client.disconnect()
            self.client.loop_write()

    async def _connect(self) -> bool:
        self._lost.clear()
        try:
            await asyncio.to_thread(_probe, self.broker.host, self.broker.port)
            self.client.connect(self.broker.host, self.broker.port, keepalive=20)
            async with asyncio.timeout(10):
                await self.connected.wait()
        except (OSError, TimeoutError, ValueError) as error:
            self.detail = f"{type(error).__name__}: {error}"
            self.client.disconnect()
            return False
        return True

    async def _keep(self) -> None:
        while not self._lost.is_set():
            self.client.loop_misc()
            try:
                async with asyncio.timeout(1):
                    await self._lost.wait()
            except TimeoutError:
                continue


def _probe(host: str, port: int) -> None:
    """Is anybody listening? Asked in a thread first, so that an absent host does not hold up the loop."""
    socket.create_connection((host, port), timeout=5).close()

"""The hub's MQTT session: paho in the asyncio loop with manual acknowledgement. Acknowledges a message only when its receipt is final.

One session for reports and what agents say of themselves; media has its own (`hub.ingest.media`).
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from hub import wire
from hub.domain.report import Channel
from hub.errors import Rejected
from hub.ingest.intake import Intake, Item, Source
from hub.ingest.presence import Presences
from hub.ingest.registry import Registry

log = logging.getLogger("hub.ingest.session")


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
    def from_url(cls, url: str, username: str, password: str | None, ca_file: str | None = None) -> Broker:
        """Read `mqtt://HOST:PORT` or `mqtts://HOST:PORT`; raises Rejected."""
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise Rejected("settings", f"消息服务器地址应为 mqtt://主机:端口，而不是 {url}", f"a broker is mqtt://HOST:PORT, not {url}", field="broker")
        tls = parts.scheme == "mqtts"
        return cls(parts.hostname, parts.port or (8883 if tls else 1883), username, password, ca_file, tls)


class AsyncMqtt:
    """A paho client driven by the running event loop; reconnects by itself with a jittered delay of 0.2 to 10 s."""

    def __init__(self, broker: Broker, client_id: str, *, on_message: Callable[[Any], None], subscriptions: list[tuple[str, int]],
                 clean: bool = False, on_up: Callable[[], None] | None = None) -> None:
        self.broker = broker
        self.subscriptions = subscriptions
        self.connected = asyncio.Event()
        self.since: str | None = None
        self.detail = "connecting"
        self.reconnects = 0
        self._on_up = on_up
        self._lost = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        client = self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=clean, manual_ack=True,
                                           protocol=mqtt.MQTTv311, reconnect_on_failure=False)
        if broker.username:
            client.username_pw_set(broker.username, broker.password)
        if broker.tls:
            client.tls_set_context(ssl.create_default_context(cafile=broker.ca_file))
        client.max_queued_messages_set(0)
        client.max_inflight_messages_set(1000)
        client.on_message = lambda _c, _u, message: on_message(message)
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_socket_open = self._open
        client.on_socket_close = self._close
        client.on_socket_register_write = self._writable
        client.on_socket_unregister_write = self._written

    def _open(self, _c: Any, _u: Any, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.add_reader(sock, self.client.loop_read, 500)

    def _close(self, _c: Any, _u: Any, sock: Any) -> None:
        self._loop.remove_reader(sock)
        self._loop.remove_writer(sock)

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
            self.client.disconnect()
            self.client.loop_write()

    async def _connect(self) -> bool:
        self._lost.clear()
        try:
            # the TCP connection alone blocks, for at most this long, and in a thread
            self.client.connect_timeout = 5.0
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


class Session:
    """Reports, daily reports, presence and telemetry from MQTT into the intake; receipts and commands out."""

    def __init__(self, broker: Broker, hub_id: str, intake: Intake, registry: Registry, presences: Presences, *, client_id: str = "hub",
                 share: str | None = None) -> None:
        self.topics = wire.Topics(hub_id)
        self.intake = intake
        self.registry = registry
        self.presences = presences
        self.under_way = 0
        prefix = f"$share/{share}/" if share else ""
        self.link = AsyncMqtt(broker, client_id, on_message=self._message, subscriptions=[
            (prefix + self.topics.all_up("report"), 1), (prefix + self.topics.all_up("daily"), 1),
            (prefix + self.topics.all_up("presence"), 1), (prefix + self.topics.all_up("telemetry"), 0),
        ])

    async def run(self) -> None:
        """Stay connected until cancelled."""
        await self.link.run()

    def _message(self, message: Any) -> None:
        split = self.topics.split(message.topic)
        if split is None:
            self.link.client.ack(message.mid, message.qos)
            return
        agent_id, what = split
        source = self.registry.source(agent_id)
        if what in ("presence", "telemetry"):
            if source is not None:
                self.presences.note(agent_id, what, bytes(message.payload), retained=message.retain)
            self.link.client.ack(message.mid, message.qos)
            return
        if source is None:
            self._unknown(agent_id, what, message)
            return
        mid, qos, topic = message.mid, message.qos, self.topics.down(agent_id, "receipt")
        self.under_way += 1

        def settle(item: Item) -> None:
            self.under_way -= 1
            client = self.link.client
            client.ack(mid, qos)
            assert item.receipt is not None
            client.publish(topic, wire.encode(item.receipt), qos=0)

        self.intake.arrive(what, message.payload, source, Channel.MQTT, settle)

    def _unknown(self, agent_id: str, what: str, message: Any) -> None:
        """A topic whose agent the hub does not know (an external broker without our rules): refused, and kept."""
        error = Rejected("unknown_agent", "此终端未登记或已吊销", "this agent is not enrolled, or revoked")
        source = Source(f"agent:{agent_id}", agent_id=agent_id)
        self.intake.refuse(what, bytes(message.payload), source, Channel.MQTT, error)
        self.link.client.ack(message.mid, message.qos)

    def send(self, agent_id: str, what: str, message: Any, *, qos: int = 1) -> None:
        """Publish to an agent's `receipt` or `command` topic (or to its media identity's)."""
        self.link.client.publish(self.topics.down(agent_id, what), wire.encode(message), qos=qos)

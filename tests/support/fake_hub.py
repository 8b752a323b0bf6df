"""A small hub for agent tests: takes reports by paho with manual acknowledgement, keeps them in memory, answers with receipts.

It keeps the one promise that agents rely on (store, then acknowledge, then receipt; duplicates folded by id) and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from hub import wire
from hub.clock import SystemClock, utc_text
from hub.errors import Rejected

Judge = Callable[[str, wire.Report | wire.Daily], wire.Receipt | None]


class FakeHub:
    """Runs paho's own thread. `judge(agent_id, message)` may answer in the hub's place (rejected, unavailable); None: store it.

    `silent` swallows receipts; `deaf` neither stores nor acknowledges.
    """

    def __init__(self, port: int, *, hub_id: str = "district", username: str | None = None, password: str | None = None) -> None:
        self.topics = wire.Topics(hub_id)
        self.stored: dict[str, tuple[str, str]] = {}  # id -> (content hash, agent id)
        self.rows: list[tuple[str, str]] = []
        self.order: list[str] = []
        self.deliveries = 0
        self.presence: dict[str, wire.Presence] = {}
        self.telemetry: dict[str, wire.Telemetry] = {}
        self.messages: dict[str, wire.Report | wire.Daily] = {}
        self.malformed: list[str] = []
        self.judge: Judge = lambda agent_id, message: None
        self.incident_of: Callable[[wire.Report | wire.Daily], str | None] = lambda message: None
        self.silent = False
        self.deaf = False
        self.connected = threading.Event()
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="hub", clean_session=False, manual_ack=True)
        if username is not None:
            self._client.username_pw_set(username, password)
        self._client.max_inflight_messages_set(1000)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = lambda *_: self.connected.clear()
        self._client.on_message = self._on_message
        self._port = port

    async def __aenter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port, keepalive=10)
        self._client.loop_start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: mqtt.Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if not reason.is_failure:
            client.subscribe([(self.topics.all_up(what), 1) for what in ("report", "daily", "presence", "telemetry")])
            self.connected.set()

    def _on_message(self, client: mqtt.Client, userdata: Any, message: mqtt.MQTTMessage) -> None:
        if self.deaf:
            return
        split = self.topics.split(message.topic)
        if split is not None:
            agent_id, what = split
            with self._lock:
                self._take(agent_id, what, message.payload)
        client.ack(message.mid, message.qos)

    def _take(self, agent_id: str, what: str, payload: bytes) -> None:
        if what == "presence":
            self.presence[agent_id] = wire.decode(payload, wire.Presence)
        elif what == "telemetry":
            self.telemetry[agent_id] = wire.decode(payload, wire.Telemetry)
        else:
            try:
                decoded = wire.decode_daily(payload) if what == "daily" else wire.decode_report(payload)
            except Rejected as error:
                self.malformed.append(str(error))
                return
            self._answer(agent_id, decoded)

    def _answer(self, agent_id: str, message: wire.Report | wire.Daily) -> None:
        self.deliveries += 1
        receipt = self.judge(agent_id, message) or self._store(agent_id, message)
        if not self.silent:
            self.send(agent_id, receipt)

    def _store(self, agent_id: str, message: wire.Report | wire.Daily) -> wire.Receipt:
        digest = wire.content_hash(message)
        old = self.stored.get(message.id)
        if old is not None and old[0] != digest:
            return wire.Receipt(id=message.id, status=wire.ReceiptStatus.REJECTED, reason="id_conflict", message="内容不同 / other content")
        if old is None:
            self.stored[message.id] = (digest, agent_id)
            self.messages[message.id] = message
            self.rows.append((message.id, digest))
            self.order.append(message.id)
        status = wire.ReceiptStatus.STORED if old is None else wire.ReceiptStatus.DUPLICATE
        number = self._numbers.setdefault(message.id, len(self.rows))
        return wire.Receipt(
            id=message.id, status=status, receipt_no=f"20261123-{number:06d}", stored_at=utc_text(SystemClock().now()), seq=number,
            incident_id=self.incident_of(message),
        )

    def send(self, agent_id: str, receipt: wire.Receipt) -> None:
        """Send a receipt as it is."""
        self._client.publish(self.topics.down(agent_id, "receipt"), wire.encode(receipt), qos=1)

    def command(self, agent_id: str, command: wire.Command) -> None:
        """Send a command."""
        self._client.publish(self.topics.down(agent_id, "command"), wire.encode(command), qos=1)

    def blows(self, agent_id: str) -> float | None:
        """Where the wind comes from by this agent's last telemetry, degrees; None where it told none."""
        told = self.telemetry.get(agent_id)
        return told.wind.from_deg if told is not None and told.wind is not None else None

    def raw(self, agent_id: str, what: str, payload: bytes) -> None:
        """Send any bytes down."""
        self._client.publish(self.topics.down(agent_id, what), payload, qos=1)

    def drop_link(self) -> None:
        """Lose the connection without a goodbye; paho comes back by itself."""
        sock = self._client.socket()
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(2)

"""A paho client whose publications leave from the thread that has them, where nothing waits before them.

paho wakes its own thread for each publication: that costs more than sending one does (a picture of each of ten cameras, 25 times a second). The
private parts of paho that this builds on (`_sock_recv`, `_packet_write`, `_packet_queue`, `_out_packet`, `_sock_send`, `_sockpairW`) are pinned by `constraints.txt` and held by
tests/contract/test_direct.py.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTErrorCode

from hub.wire import publish_packet

PUBLISH = 0x30


class DirectClient(mqtt.Client):
    """`lock` is held for each read and write of the socket: TLS bears one thread at a time, and a packet must not stand inside another."""

    def __init__(self, lock: threading.RLock, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._writing = lock
        self._numbered = 0

    def _sock_recv(self, bufsize: int) -> bytes:
        with self._writing:
            return super()._sock_recv(bufsize)

    def _packet_write(self) -> MQTTErrorCode:
        with self._writing:
            return super()._packet_write()

    def send_now(self, topic: bytes, payload: bytes) -> mqtt.MQTTMessageInfo | None:
        """Publish with QoS 0 without waiting: None where all of it has left, else what says when the rest has (paho's thread sends that)."""
        packet = publish_packet(topic, payload)
        with self._writing:
            sent = 0 if self._out_packet else self._try(packet)
            if sent == len(packet):
                return None
            self._numbered += 1
            rest = mqtt.MQTTMessageInfo(self._numbered)
            if sent:  # nothing may come between the two parts, whatever another thread queues at this moment
                self._out_packet.appendleft({"command": PUBLISH, "mid": self._numbered, "qos": 0, "pos": sent, "to_process": len(packet) - sent,
                                             "packet": packet, "info": rest})
                self._wake()
            else:
                self._packet_queue(PUBLISH, packet, self._numbered, 0, rest)
            return rest

    def _wake(self) -> None:
        if self._sockpairW is not None:
            with contextlib.suppress(BlockingIOError):
                self._sockpairW.send(b"0")

    def _try(self, packet: bytes) -> int:
        """How much of it the socket took. What goes wrong is met again, and dealt with, by paho's thread."""
        try:
            return self._sock_send(packet)
        except (OSError, AttributeError, ValueError):
            return 0

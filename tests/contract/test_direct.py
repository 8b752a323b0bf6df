"""What several threads publish at once over one connection, plain and over TLS, against a real Mosquitto; and paho's private parts it uses."""

from __future__ import annotations

import asyncio
import inspect
import random
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from streams.direct import DirectClient
from tests.contract.test_link import certificate
from tests.support.faulty_link import FaultyLink
from tests.support.mosquitto import Mosquitto
from tests.support.until import until

SENDERS, EACH = 4, 60


def holds_little(sock: socket.socket) -> None:
    """Let the system keep little of what the socket sends: by itself it keeps up to megabytes, more on one machine than on another."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 262_144)


@asynccontextmanager
async def connected(port: int, cafile: Path | None = None) -> AsyncIterator[DirectClient]:
    client, up = DirectClient(threading.RLock(), CallbackAPIVersion.VERSION2, "field"), threading.Event()
    client.on_connect = lambda *_: up.set()
    client.on_socket_open = lambda _client, _data, sock: holds_little(sock)
    if cafile is not None:
        client.tls_set_context(ssl.create_default_context(cafile=str(cafile)))
    client.connect_async("localhost" if cafile else "127.0.0.1", port, keepalive=1)
    client.loop_start()
    try:
        await until(up.is_set, 15, "connected")
        yield client
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)


def payloads(sender: int) -> list[bytes]:
    dice = random.Random(sender)
    return [bytes((sender,)) + n.to_bytes(2, "big") + dice.randbytes(dice.choice((0, 120, 10_000, 200_000))) for n in range(EACH)]


async def everything_comes(client: DirectClient, port: int, tls: aiomqtt.TLSParameters | None = None) -> list[mqtt.MQTTMessageInfo]:
    """Publish from several threads; every message comes whole, each sender's in their order. Gives what did not leave at once."""
    rests: list[mqtt.MQTTMessageInfo] = []

    def send(sender: int) -> None:
        for payload in payloads(sender):
            if (rest := client.send_now(b"a/b", payload)) is not None:
                rests.append(rest)

    async with aiomqtt.Client("localhost" if tls else "127.0.0.1", port, identifier="hub", tls_params=tls) as hub:
        await hub.subscribe("a/#")
        await asyncio.gather(*(asyncio.to_thread(send, sender) for sender in range(SENDERS)))
        got: list[list[bytes]] = [[] for _ in range(SENDERS)]
        async with asyncio.timeout(60):
            async for message in hub.messages:
                assert isinstance(message.payload, bytes)
                got[message.payload[0]].append(message.payload)
                if sum(map(len, got)) == SENDERS * EACH:
                    break
    assert got == [payloads(sender) for sender in range(SENDERS)]
    await until(lambda: all(rest.is_published() for rest in rests), 10, "every rest has left")
    return rests


async def test_what_threads_publish_at_once_comes_whole_on_a_line_that_takes_it_in_pieces_and_beside_pings() -> None:
    async with Mosquitto(["max_queued_messages 10000"]) as broker, FaultyLink(broker.port, bandwidth_bps=6_000_000, holds_bytes=131_072) as slow, \
            connected(slow.port) as client:
        assert await everything_comes(client, broker.port), "nothing had to wait: the line was too good"


async def test_over_tls_too(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    async with Mosquitto([f"certfile {cert}", f"keyfile {key}", "max_queued_messages 10000"]) as broker, \
            connected(broker.port, cert) as client:
        await everything_comes(client, broker.port, aiomqtt.TLSParameters(ca_certs=str(cert)))


@pytest.mark.parametrize("payload", [b"", b"x" * 100_000])
async def test_what_is_small_leaves_at_once_and_what_a_lost_connection_takes_away_is_not_waited_for(payload: bytes) -> None:
    async with Mosquitto() as broker, FaultyLink(broker.port) as line, connected(line.port) as client:
        assert client.send_now(b"a/b", b"small") is None
        line.reset()
        await until(lambda: not client.is_connected(), 10, "the connection is gone")
        client.send_now(b"a/b", payload)
        await until(client.is_connected, 15, "connected again")
        assert client.send_now(b"a/b", b"small") is None


def test_the_private_parts_of_paho_are_as_the_direct_client_expects_them() -> None:
    assert list(inspect.signature(mqtt.Client._sock_recv).parameters) == ["self", "bufsize"]
    assert list(inspect.signature(mqtt.Client._sock_send).parameters) == ["self", "buf"]
    assert list(inspect.signature(mqtt.Client._packet_write).parameters) == ["self"]
    assert list(inspect.signature(mqtt.Client._packet_queue).parameters) == ["self", "command", "packet", "mid", "qos", "info"]
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    assert not client._out_packet and client._sockpairW is None

"""The hub's own reading of MQTT against a real Mosquitto: packet borders, pausing, acknowledgements, TLS; and paho's private parts it uses."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import random
import ssl
import subprocess
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import aiomqtt
import paho.mqtt.client as mqtt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from hub.ingest.link import AsyncMqtt, Broker, BufferedClient, Publication, puback, publish_packet
from tests.support.faulty_link import FaultyLink
from tests.support.mosquitto import Mosquitto
from tests.support.until import until

SIZES = (0, 1, 100, 124, 125, 16_380, 16_384, 70_000)
"""Around the lengths at which the remaining length takes a further byte, and beyond one reading."""


class Line:
    """A link under test, and everything it was given."""

    def __init__(self, port: int, *, client_id: str = "hub", clean: bool = True, ack: bool = True, ca: Path | None = None,
                 topic: str = "#") -> None:
        self.got: list[Any] = []
        self.generations: list[int] = []
        self.ack = ack
        self.link = AsyncMqtt(Broker("localhost" if ca else "127.0.0.1", port, "", None, ca_file=str(ca) if ca else None, tls=ca is not None),
                              client_id, on_message=self._message, subscriptions=[(topic, 1)], clean=clean)

    def _message(self, message: Any) -> None:
        self.got.append(message)
        self.generations.append(self.link.generation)
        if self.ack:
            self.link.ack(message.mid, message.qos, self.link.generation)

    async def __aenter__(self) -> Line:
        self.task = asyncio.create_task(self.link.run())
        await until(self.link.connected.is_set, 10, "connected")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@contextlib.asynccontextmanager
async def speaker(port: int, client_id: str = "field") -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client("127.0.0.1", port, identifier=client_id, max_inflight_messages=100, max_queued_outgoing_messages=0) as client:
        yield client


async def say(client: aiomqtt.Client, payloads: list[bytes], topic: str = "a/报告", qos: int = 1) -> None:
    await asyncio.gather(*(client.publish(topic, payload, qos=qos) for payload in payloads))


def numbered(dice: random.Random, count: int) -> list[bytes]:
    return [n.to_bytes(4, "big") + dice.randbytes(dice.choice(SIZES) if n % 20 == 0 else dice.randrange(600)) for n in range(count)]


async def test_messages_of_every_size_come_whole_and_in_order_across_the_borders_of_readings() -> None:
    payloads = numbered(random.Random(1), 2_000)
    async with Mosquitto(["max_queued_messages 10000"]) as broker, Line(broker.port) as line, speaker(broker.port) as client:
        for payload in payloads:
            await client.publish("a/报告", payload, qos=1)
        await until(lambda: len(line.got) >= len(payloads), 30, "all of them")
    assert [m.payload for m in line.got] == payloads
    assert {m.topic for m in line.got} == {"a/报告"}
    assert any(isinstance(m, Publication) for m in line.got), "none was read ahead"


async def test_a_link_that_brings_a_few_bytes_at_a_time_loses_nothing() -> None:
    payloads = [payload[:400] for payload in numbered(random.Random(2), 150)]
    async with Mosquitto() as broker, FaultyLink(broker.port, slice_bytes=7) as slow, Line(slow.port) as line, speaker(broker.port) as client:
        for payload in payloads:
            await client.publish("a/报告", payload, qos=1)
        await until(lambda: len(line.got) >= len(payloads), 30, "all of them")
    assert [m.payload for m in line.got] == payloads


async def test_a_paused_link_leaves_messages_in_the_broker_and_goes_on_where_it_stopped() -> None:
    payloads = [str(n).encode() for n in range(500)]
    async with Mosquitto(["max_queued_messages 10000"]) as broker, Line(broker.port) as line, speaker(broker.port) as client:
        await client.publish("a", b"first", qos=1)
        await until(lambda: len(line.got) == 1)
        line.link.pause()
        await say(client, payloads, "a")
        seen = len(line.got)
        assert seen == 1
        line.link.resume()
        await until(lambda: len(line.got) >= 501, 10, "the rest")
        assert sorted(m.payload for m in line.got[1:]) == sorted(payloads)


async def test_pausing_in_the_middle_of_a_reading_keeps_the_rest_of_it() -> None:
    async with Mosquitto() as broker, Line(broker.port) as line, speaker(broker.port) as client:
        taken = line.link._on_message  # what the link calls for each message

        def one_then_pause(message: Any) -> None:
            taken(message)
            line.link.pause()

        line.link._on_message = one_then_pause
        await say(client, [b"%d" % n for n in range(30)], "a", qos=0)
        for n in range(1, 31):
            await until(partial(lambda n: len(line.got) == n, n), 5, f"message {n}")
            line.link.resume()
    assert [m.payload for m in line.got] == [b"%d" % n for n in range(30)]


async def test_what_was_not_acknowledged_comes_again_and_an_acknowledgement_of_an_earlier_connection_is_not_sent() -> None:
    async with Mosquitto() as broker, FaultyLink(broker.port) as wire, Line(wire.port, clean=False, ack=False) as line:
        async with speaker(broker.port) as client:
            await client.publish("a", b"kept", qos=1)
        await until(lambda: len(line.got) == 1)
        first, generation = line.got[0], line.generations[0]
        wire.reset()
        await until(lambda: len(line.got) == 2, 15, "again after the first connection")
        assert line.link.generation > generation
        line.link.ack(first.mid, first.qos, generation)
        await asyncio.sleep(0)
        wire.reset()
        await until(lambda: len(line.got) == 3, 15, "again: the late acknowledgement meant nothing")
        line.link.ack(line.got[2].mid, 1, line.link.generation)
        async with speaker(broker.port) as client:
            await client.publish("a", b"next", qos=1)
        await until(lambda: line.got[-1].payload == b"next")
        wire.reset()
        await until(lambda: line.got[-1].payload == b"next" and len(line.got) == 5, 15, "only the unacknowledged one came again")
    assert [m.payload for m in line.got] == [b"kept", b"kept", b"kept", b"next", b"next"]


def certificate(folder: Path) -> tuple[Path, Path]:
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)],
                   check=True, capture_output=True)
    return cert, key


async def test_over_tls_what_the_library_has_decrypted_already_is_not_forgotten(tmp_path: Path) -> None:
    """After a reading, decrypted bytes may wait inside the TLS object, of which no selector tells."""
    cert, key = certificate(tmp_path)
    payloads = numbered(random.Random(3), 400)
    async with Mosquitto([f"certfile {cert}", f"keyfile {key}", "max_queued_messages 10000"]) as broker, Line(broker.port, ca=cert) as line:
        assert isinstance(line.link.client.socket(), ssl.SSLSocket)
        async with aiomqtt.Client("localhost", broker.port, identifier="field", tls_params=aiomqtt.TLSParameters(ca_certs=str(cert)),
                                  max_inflight_messages=100, max_queued_outgoing_messages=0) as client:
            for payload in payloads:
                await client.publish("a", payload, qos=1)
            await until(lambda: len(line.got) >= len(payloads), 30, "all of them, and no further one to wake the reader")
    assert [m.payload for m in line.got] == payloads


async def test_acknowledgements_and_publications_of_one_turn_reach_the_broker_in_one_piece() -> None:
    async with Mosquitto() as broker, Line(broker.port, topic="back/#") as line, Line(broker.port, client_id="other", topic="out/#") as other:
        for n in range(200):
            line.link.publish("out/x", b"%d" % n)
        await until(lambda: len(other.got) == 200)
        assert [m.payload for m in other.got] == [b"%d" % n for n in range(200)]


async def test_the_keepalive_of_an_idle_link_holds() -> None:
    async with Mosquitto() as broker, Line(broker.port) as line:
        line.link.client._keepalive = 1  # the broker was told 20: this only makes the client ask more often
        before = line.link.client._last_bytes_received
        await until(lambda: line.link.client._last_bytes_received > before, 8, "an answer to a ping")
        assert line.link.connected.is_set() and line.link.reconnects == 0


@settings(max_examples=200, deadline=None)
@given(topic=st.text(st.characters(exclude_characters="\x00#+", exclude_categories=["Cs"]), min_size=1, max_size=40),
       payload=st.binary(max_size=20_000), qos=st.integers(0, 1), retain=st.booleans(), mid=st.integers(1, 65_535), cut=st.integers(0, 20_100))
def test_the_reader_gives_exactly_what_was_written_or_leaves_the_packet_untouched(
    topic: str, payload: bytes, qos: int, retain: bool, mid: int, cut: int,
) -> None:
    client = BufferedClient(CallbackAPIVersion.VERSION2, client_id="x", manual_ack=True)
    whole = publish_packet(topic.encode(), (mid.to_bytes(2, "big") if qos else b"") + payload)
    whole = bytes((whole[0] | qos << 1 | int(retain),)) + whole[1:]
    client._ahead, client._at = whole[:cut], 0
    if cut < len(whole):
        assert client.next_publication() is None and client._at == 0
    else:
        assert client.next_publication() == Publication(topic, payload, qos, retain, mid if qos else 0)
        assert client._at == len(whole)


@settings(max_examples=500, deadline=None)
@given(junk=st.binary(max_size=40))
def test_no_bytes_make_the_reader_raise_or_run_ahead(junk: bytes) -> None:
    client = BufferedClient(CallbackAPIVersion.VERSION2, client_id="x", manual_ack=True)
    client._ahead, client._at = junk, 0
    message = client.next_publication()
    assert 0 <= client._at <= len(junk)
    assert (message is None) == (client._at == 0)


def test_the_private_parts_of_paho_are_as_the_link_expects_them() -> None:
    assert list(inspect.signature(mqtt.Client._sock_recv).parameters) == ["self", "bufsize"]
    assert list(inspect.signature(mqtt.Client._packet_queue).parameters) == ["self", "command", "packet", "mid", "qos", "info"]
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    assert client._in_packet["command"] == 0
    assert isinstance(client._last_bytes_received, float)


@pytest.mark.parametrize("mid", [1, 255, 256, 65_535])
def test_an_acknowledgement_carries_its_number(mid: int) -> None:
    assert puback(mid) == b"\x40\x02" + mid.to_bytes(2, "big")

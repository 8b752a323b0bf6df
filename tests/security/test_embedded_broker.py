"""The embedded broker's fence: every trap that was measured in amqtt, tried from outside."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import amqtt.broker
import psutil
import pytest

from hub.ingest import broker as module
from hub.ingest.broker import Front, embedded
from hub.ingest.registry import Registry
from hub.settings import Settings
from hub.store import Store
from hub.store.agents import put_agent, revoke
from hub.wire import MAX_MESSAGE_BYTES, MediaKind, media_header
from tests.support.mqtt import Raw, packet, text

SECRETS = {"a1": "secret-of-agent-one-xx", "b2": "secret-of-agent-two-xx"}
HUB = "secret-of-the-hub-itself"
ROOT = "tocsin/v1/district/agents"
FRAGMENT = media_header(MediaKind.MEDIA, key=True, seq=1, wall_ms=1) + b"\x00\x00\x00\x10moof"


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    async with Store(f"sqlite:///{tmp_path}/hub.db") as store:
        async with store.transaction() as tx:
            for id, secret in SECRETS.items():
                await put_agent(tx, agent_id=id, name=id, kind="field", department_id="traffic-police", secret=secret)
        registry = Registry(store)
        await registry.load()
        task = asyncio.create_task(registry.run())
        yield registry
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
async def port(registry: Registry, tmp_path: Path) -> AsyncIterator[int]:
    async with embedded(Settings(broker_port=0, data_dir=str(tmp_path)), registry, HUB) as port:
        yield port


@pytest.fixture(params=["apart", "together"])
async def media_port(registry: Registry, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[int]:
    """With media in a process of its own, and with it in the hub's (Windows)."""
    async with embedded(Settings(broker_port=0, data_dir=str(tmp_path)), registry, HUB, apart=request.param == "apart") as port:
        yield port


async def agent(raw: Raw, id: str, **given: object) -> int | None:
    return await raw.connect(id, id, SECRETS[id.removesuffix(".media")], **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("clean", [True, False])
async def test_a_wrong_password_with_a_victims_name_does_not_touch_the_victim(port: int, clean: bool) -> None:
    async with Raw(port) as hub, Raw(port) as victim, Raw(port) as attacker:
        assert await hub.connect("hub", "hub", HUB) == 0
        assert await agent(victim, "a1", clean=False) == 0
        assert await victim.subscribe(f"{ROOT}/a1/down/#") == 1
        assert await attacker.connect("a1", "a1", "wrong", clean=clean) == 4
        assert await attacker.read() is None
        hub.publish(f"{ROOT}/a1/down/receipt", b"still here")
        assert await victim.message() == (f"{ROOT}/a1/down/receipt", b"still here")


async def test_what_is_not_handed_on_waits_at_the_sender_and_not_without_bound_in_the_broker(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, deliver = asyncio.Event(), amqtt.broker.Broker._handle_message_delivery

    async def held(*arguments: Any) -> bool:
        await go_on.wait()
        return bool(await deliver(*arguments))

    monkeypatch.setattr(amqtt.broker.Broker, "_handle_message_delivery", held)
    async with Raw(port) as hub, Raw(port) as sender:
        assert await hub.connect("hub", "hub", HUB) == 0
        await hub.subscribe(f"{ROOT}/#", qos=0)
        assert await agent(sender, "a1") == 0
        for number in range(1, 501):
            sender.publish(f"{ROOT}/a1/up/report", b"r", qos=1, mid=number)
        acknowledged = 0
        with contextlib.suppress(TimeoutError):
            while await sender.read(within_s=2) is not None:
                acknowledged += 1
        assert 0 < acknowledged <= module.MOST_WAITING + 2
        go_on.set()
        while acknowledged < 500:
            assert await sender.read() is not None
            acknowledged += 1
        for _ in range(500):
            await hub.message()


async def test_a_client_id_that_is_not_the_user_name_is_refused(port: int) -> None:
    async with Raw(port) as raw:
        assert await raw.connect("b2", "a1", SECRETS["a1"]) == 2


async def test_an_agent_with_many_cameras_has_further_media_connections_behind_the_same_fence(media_port: int) -> None:
    async with Raw(media_port) as hub, Raw(media_port) as first, Raw(media_port) as second, Raw(media_port) as wrong:
        assert await hub.connect("hub-media", "hub-media", HUB) == 0
        await hub.subscribe(f"{ROOT}/#")
        assert await first.connect("a1.media", "a1.media", SECRETS["a1"]) == 0
        assert await second.connect("a1.media-2", "a1.media", SECRETS["a1"]) == 0
        assert await wrong.connect("b2.media-2", "a1.media", SECRETS["a1"]) == 2
        second.publish(f"{ROOT}/b2.media/up/camera/c/media", FRAGMENT + b"forbidden")
        second.publish(f"{ROOT}/a1.media/up/camera/c/media", FRAGMENT + b"sentinel")
        assert (await hub.message())[1] == FRAGMENT + b"sentinel"
        assert await first.is_open()


async def test_what_is_no_media_goes_no_further_and_its_sender_is_cut_and_kept_out_for_a_while(media_port: int) -> None:
    """Reports of the same agent go on meanwhile, and so does the media of another."""
    async with Raw(media_port) as hub, Raw(media_port) as relay, Raw(media_port) as bad, Raw(media_port) as good, Raw(media_port) as reports:
        assert await hub.connect("hub", "hub", HUB) == 0
        assert await relay.connect("hub-media", "hub-media", HUB) == 0
        await hub.subscribe(f"{ROOT}/+/up/report")
        await relay.subscribe(f"{ROOT}/#")
        assert await agent(bad, "a1.media") == 0
        assert await agent(good, "b2.media") == 0
        assert await agent(reports, "a1") == 0
        for _ in range(3):
            bad.publish(f"{ROOT}/a1.media/up/camera/c/media", b"\xee" * 20_000)
        assert await bad.read() is None
        async with Raw(media_port) as again, Raw(media_port) as once_more:
            held = asyncio.create_task(agent(again, "a1.media"))
            await asyncio.sleep(0.2)
            assert not held.done(), "it waits at the door"
            second = asyncio.create_task(agent(once_more, "a1.media"))
            assert await held == 3, "and hears it at once when another of the same name comes"
            assert not second.done()
            assert await second == 3
        good.publish(f"{ROOT}/b2.media/up/camera/c/media", FRAGMENT)
        assert (await relay.message())[1] == FRAGMENT, "nothing of the garbage came before it"
        reports.publish(f"{ROOT}/a1/up/report", b"{}", qos=1)
        assert (await hub.message())[1] == b"{}"


async def test_media_connections_wait_at_a_door_of_their_own_one_after_the_other_and_reports_pass_them(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_the_door, let_in = asyncio.Queue[float](), asyncio.Semaphore(0)

    async def pause(seconds: float) -> None:
        at_the_door.put_nowait(seconds)
        await let_in.acquire()

    monkeypatch.setattr(module, "media_pause", pause)
    async with (embedded(Settings(broker_port=0, data_dir=str(tmp_path)), registry, HUB, apart=False) as port,
                Raw(port) as hub, Raw(port) as first, Raw(port) as second, Raw(port) as reports):
        assert await hub.connect("hub", "hub", HUB) == 0
        await hub.subscribe(f"{ROOT}/+/up/report")
        coming = [asyncio.create_task(agent(first, "a1.media")), asyncio.create_task(agent(second, "b2.media"))]
        assert await at_the_door.get() == module.MEDIA_PAUSE_S
        assert await agent(reports, "a1") == 0
        reports.publish(f"{ROOT}/a1/up/report", b"passed", qos=1)
        assert (await hub.message())[1] == b"passed"
        assert at_the_door.empty() and not any(task.done() for task in coming), "the second one waits for the first"
        let_in.release()
        await at_the_door.get()
        assert sum(task.done() for task in coming) <= 1
        let_in.release()
        assert await asyncio.gather(*coming) == [0, 0]


async def test_the_media_process_comes_back_after_its_death_and_reports_do_not_notice(port: int) -> None:
    async with Raw(port) as hub, Raw(port) as media, Raw(port) as reports:
        assert await hub.connect("hub", "hub", HUB) == 0
        await hub.subscribe(f"{ROOT}/+/up/report")
        assert await agent(media, "a1.media") == 0
        assert await agent(reports, "a1") == 0
        (process,) = [child for child in psutil.Process().children() if "hub.ingest.media_broker" in child.cmdline()]
        process.kill()
        assert await media.read() is None
        reports.publish(f"{ROOT}/a1/up/report", b"not even noticed", qos=1)
        assert (await hub.message())[1] == b"not even noticed"
    async with Raw(port) as relay, Raw(port) as media:
        assert await relay.connect("hub-media", "hub-media", HUB) == 0
        await relay.subscribe(f"{ROOT}/+/up/camera/+/media", qos=0)
        assert await agent(media, "a1.media") == 0
        media.publish(f"{ROOT}/a1.media/up/camera/c1/media", FRAGMENT)
        assert (await relay.message())[1] == FRAGMENT


async def test_the_media_process_ends_with_the_broker(registry: Registry, tmp_path: Path) -> None:
    async with embedded(Settings(broker_port=0, data_dir=str(tmp_path)), registry, HUB) as port, Raw(port) as media:
        assert await agent(media, "a1.media") == 0
        (process,) = [child for child in psutil.Process().children() if "hub.ingest.media_broker" in child.cmdline()]
    assert not process.is_running()


async def test_a_second_connect_naming_the_hub_forges_nothing(port: int) -> None:
    """A connected agent sends another CONNECT, as user hub, and a report in another's topic right behind it."""
    async with Raw(port) as hub, Raw(port) as forger, Raw(port) as honest:
        assert await hub.connect("hub", "hub", HUB) == 0
        await hub.subscribe(f"{ROOT}/+/up/report")
        assert await agent(forger, "a1") == 0
        forger.writer.write(packet(0x10, text("MQTT") + bytes((4, 0xC2)) + b"\x00\x1e" + text("hub") + text("hub") + text("wrong")))
        forger.publish(f"{ROOT}/b2/up/report", b"forged", qos=1)
        await forger.writer.drain()
        assert await agent(honest, "b2") == 0
        honest.publish(f"{ROOT}/b2/up/report", b"sentinel", qos=1)
        assert (await hub.message())[1] == b"sentinel"


@pytest.mark.parametrize("topic", [f"{ROOT}/b2/up/report", f"{ROOT}/b2/down/receipt", f"{ROOT}/a1/down/receipt", "elsewhere", f"{ROOT}/a1x/up/report",
                                   f"{ROOT}/a1.media/up/camera/c/media"])
async def test_an_agent_publishes_below_its_own_up_and_nowhere_else(port: int, topic: str) -> None:
    async with Raw(port) as hub, Raw(port) as raw:
        assert await hub.connect("hub", "hub", HUB) == 0
        await hub.subscribe(f"{ROOT}/#")
        assert await agent(raw, "a1") == 0
        raw.publish(topic, b"forbidden", qos=1)
        raw.publish(f"{ROOT}/a1/up/report", b"sentinel", qos=1, mid=2)
        assert (await hub.message())[1] == b"sentinel"


@pytest.mark.parametrize("topic", ["#", "+/v1/district/agents/a1/down/#", f"{ROOT}/#", f"{ROOT}/b2/down/#", f"{ROOT}/a1/up/#", f"{ROOT}/+/down/receipt",
                                   "$share/x/" + f"{ROOT}/a1/down/#", "$SYS/#"])
async def test_an_agent_subscribes_below_its_own_down_and_nowhere_else(port: int, topic: str) -> None:
    async with Raw(port) as raw:
        assert await agent(raw, "a1") == 0
        assert await raw.subscribe(topic) == 0x80
        assert await raw.subscribe(f"{ROOT}/a1/down/#") == 1


async def test_share_is_refused_to_the_hub_as_well_since_amqtt_would_deliver_nothing(port: int) -> None:
    async with Raw(port) as raw:
        assert await raw.connect("hub", "hub", HUB) == 0
        assert await raw.subscribe(f"$share/ingest/{ROOT}/+/up/report") == 0x80


async def test_what_others_retain_is_not_offered_to_an_agent_that_connects(port: int) -> None:
    async with Raw(port) as hub, Raw(port) as other, Raw(port) as curious:
        assert await hub.connect("hub", "hub", HUB) == 0
        await hub.subscribe(f"{ROOT}/+/up/presence")
        assert await agent(other, "b2") == 0
        other.publish(f"{ROOT}/b2/up/presence", b"private", qos=1, retain=True)
        assert (await hub.message())[1] == b"private"
        assert await agent(curious, "a1") == 0
        await curious.subscribe(f"{ROOT}/a1/down/#")
        hub.publish(f"{ROOT}/a1/down/command", b"sentinel")
        assert (await curious.message())[1] == b"sentinel"


async def test_a_last_will_in_anothers_topic_is_refused_at_the_door(port: int) -> None:
    async with Raw(port) as raw:
        assert await agent(raw, "a1", will_topic=f"{ROOT}/b2/up/report") == 5
    async with Raw(port) as raw:
        assert await agent(raw, "a1", will_topic=f"{ROOT}/a1/up/presence") == 0


async def test_mqtt_5_is_answered_with_unacceptable_version(port: int) -> None:
    async with Raw(port) as raw:
        assert await agent(raw, "a1", level=5) == 1


async def test_a_packet_above_the_limit_ends_the_connection(port: int) -> None:
    async with Raw(port) as raw:
        assert await agent(raw, "a1") == 0
        raw.publish(f"{ROOT}/a1/up/report", b"x" * (MAX_MESSAGE_BYTES + 2000))
        assert not await raw.is_open()


async def test_who_says_nothing_is_hung_up_on(tmp_path: Path, registry: Registry) -> None:
    broker = module.broker_behind(lambda: front)
    front = Front(broker, __import__("hub.wire", fromlist=["Topics"]).Topics(), registry.accepts, connect_s=0.2)
    server = await asyncio.start_server(front.connected, "127.0.0.1", 0)
    async with server, Raw(server.sockets[0].getsockname()[1]) as raw:
        assert await raw.read() is None


@pytest.mark.parametrize("garbage", [b"\x00" * 50, b"GET / HTTP/1.1\r\n\r\n", b"\x10\xff\xff\xff\xff\xff", packet(0x10, b"\x00\x04MQ"), b"\x30\x03\x00\x01a"])
async def test_garbage_instead_of_a_connect_is_hung_up_on(port: int, garbage: bytes) -> None:
    async with Raw(port) as raw:
        raw.writer.write(garbage)
        raw.writer.write_eof()
        assert await raw.read() is None


async def test_pictures_reach_the_relay_once_and_in_order_and_keep_their_connection_alive(media_port: int) -> None:
    async with Raw(media_port) as relay, Raw(media_port) as media:
        assert await relay.connect("hub-media", "hub-media", HUB) == 0
        topic = f"{ROOT}/a1.media/up/camera/c1/media"
        await relay.subscribe(f"{ROOT}/+/up/camera/+/media", qos=0)
        await relay.subscribe(topic, qos=0)
        assert await agent(media, "a1.media", keep_alive_s=1) == 0
        for n in range(15):  # for twice as long as its keep-alive allows silence
            media.publish(topic, FRAGMENT + bytes((n,)), qos=0)
            await asyncio.sleep(0.2)
            assert await relay.message() == (topic, FRAGMENT + bytes((n,)))
        assert await media.is_open()


async def test_a_media_connection_that_says_nothing_for_longer_than_its_keep_alive_is_cut(media_port: int) -> None:
    async with Raw(media_port) as media:
        assert await agent(media, "a1.media", keep_alive_s=1) == 0
        assert await media.read() is None


async def test_a_subscriber_that_stops_reading_is_cut_and_memory_stays_bounded(media_port: int) -> None:
    async with Raw(media_port) as hub, Raw(media_port) as stalled, Raw(media_port) as media:
        assert await hub.connect("hub", "hub", HUB) == 0
        assert await stalled.connect("hub-media", "hub-media", HUB) == 0
        await stalled.subscribe(f"{ROOT}/+/up/camera/+/media", qos=0)
        assert await agent(media, "a1.media") == 0
        for n in range(600):  # 36 MB for one that does not read
            media.publish(f"{ROOT}/a1.media/up/camera/c1/media", FRAGMENT + bytes(60_000), mid=n + 1)
            await media.writer.drain()
        async with asyncio.timeout(60):
            while await stalled.read(60) is not None:
                pass
        hub.publish(f"{ROOT}/a1.media/down/command", b"x")
        assert await hub.is_open()


async def test_a_second_connection_of_the_same_agent_ends_the_first_in_order(port: int) -> None:
    async with Raw(port) as first, Raw(port) as second, Raw(port) as hub:
        assert await hub.connect("hub", "hub", HUB) == 0
        assert await agent(first, "a1", clean=False) == 0
        assert await agent(second, "a1", clean=False) == 0
        assert await first.read() is None
        await second.subscribe(f"{ROOT}/a1/down/#")
        hub.publish(f"{ROOT}/a1/down/receipt", b"to the second")
        assert (await second.message())[1] == b"to the second"


async def leave(raw: Raw) -> None:
    """Disconnect in order, and wait until the broker has hung up."""
    raw.writer.write(b"\xe0\x00")
    while await raw.read() is not None:
        pass


async def test_a_session_that_was_to_be_clean_ends_with_its_connection_and_the_next_one_keeps_what_came_meanwhile(port: int) -> None:
    """MQTT 3.1.1, 3.1.2-6: what is kept of a clean session must not be used in the next."""
    async with Raw(port) as hub, Raw(port) as once, Raw(port) as first, Raw(port) as second:
        assert await hub.connect("hub", "hub", HUB) == 0
        assert await agent(once, "a1", clean=True) == 0
        assert await once.subscribe(f"{ROOT}/a1/down/#") == 1
        await leave(once)
        assert await agent(first, "a1", clean=False) == 0
        assert await first.subscribe(f"{ROOT}/a1/down/receipt") == 1
        await leave(first)
        hub.publish(f"{ROOT}/a1/down/receipt", b"stored")
        assert await hub.is_open()
        assert await agent(second, "a1", clean=False) == 0
        assert (await second.message(5))[1] == b"stored"


async def test_of_several_connections_of_one_identity_that_come_at_once_one_stays(port: int) -> None:
    async with contextlib.AsyncExitStack() as stack:
        hub = await stack.enter_async_context(Raw(port))
        assert await hub.connect("hub", "hub", HUB) == 0
        await hub.subscribe(f"{ROOT}/+/up/report")
        many = [await stack.enter_async_context(Raw(port)) for _ in range(8)]
        await asyncio.gather(*(agent(raw, "a1", clean=bool(n % 2)) for n, raw in enumerate(many)), return_exceptions=True)
        open_ones = [raw for raw in many if await raw.is_open()]
        assert len(open_ones) == 1
        assert await open_ones[0].subscribe(f"{ROOT}/a1/down/#") == 1
        open_ones[0].publish(f"{ROOT}/a1/up/report", b"{}", qos=1)
        assert (await hub.message())[1] == b"{}"
        hub.publish(f"{ROOT}/a1/down/receipt", b"heard")
        assert (await open_ones[0].message(5))[1] == b"heard"


async def test_a_revoked_agent_is_cut_within_five_seconds_and_stays_out(media_port: int, registry: Registry) -> None:
    async with Raw(media_port) as raw, Raw(media_port) as media:
        assert await agent(raw, "a1") == 0
        assert await agent(media, "a1.media") == 0
        async with registry.store.transaction() as tx:
            await revoke(tx, "a1", by="person:x", reason="lost")
        async with asyncio.timeout(5):
            assert await raw.read() is None
            assert await media.read() is None
    async with Raw(media_port) as raw:
        assert await agent(raw, "a1") == 4


async def test_an_absent_session_keeps_a_bounded_number_of_messages(port: int) -> None:
    async with Raw(port) as away:
        assert await agent(away, "a1", clean=False) == 0
        await away.subscribe(f"{ROOT}/a1/down/#")
    async with Raw(port) as hub:
        assert await hub.connect("hub", "hub", HUB) == 0
        await hub.subscribe(f"{ROOT}/b2/#")
        for n in range(3000):
            hub.publish(f"{ROOT}/a1/down/command", b"%d" % n, qos=1, mid=n % 65_000 + 1)
        hub.publish(f"{ROOT}/b2/down/command", b"the last one", qos=1, mid=65_001)
        await hub.writer.drain()
        assert (await hub.message(60))[1] == b"the last one", "all are kept by now, for whoever is away"
        await asyncio.sleep(1.2)  # two rounds of the broker's own trimming
        async with Raw(port) as back:
            assert await agent(back, "a1", clean=False) == 0
            got = 0
            while True:
                try:
                    await back.message(20.0 if got == 0 else 3.0)
                except (TimeoutError, AssertionError):
                    break
                got += 1
    assert 0 < got <= 1100


async def test_a_flood_waits_in_its_senders_own_socket(registry: Registry, tmp_path: Path) -> None:
    """Far above its quota a connection is read more slowly: nobody else's message waits behind its flood."""
    flood, quota = 600, 120
    async with (embedded(Settings(broker_port=0, data_dir=str(tmp_path), quota_per_minute=quota), registry, HUB) as port,
                Raw(port) as hub, Raw(port) as flooder, Raw(port) as other):
        assert await hub.connect("hub", "hub", HUB) == 0
        await hub.subscribe(f"{ROOT}/#")
        assert await agent(flooder, "a1") == 0
        assert await agent(other, "b2") == 0
        for n in range(flood):
            flooder.publish(f"{ROOT}/a1/up/report", str(n).encode())
        await flooder.writer.drain()
        other.publish(f"{ROOT}/b2/up/report", b"mine")
        before = 0
        while (await hub.message())[1] != b"mine":
            before += 1
        assert before <= module.burst_of(quota) + 20, "what may come in one go, and some time's worth, but not a minute's"


async def test_a_flood_of_pings_is_read_no_faster_than_one_of_reports(registry: Registry, tmp_path: Path) -> None:
    flood, quota = 600, 30
    async with (embedded(Settings(broker_port=0, data_dir=str(tmp_path), quota_per_minute=quota), registry, HUB) as port,
                Raw(port) as flooder, Raw(port) as other):
        assert await agent(flooder, "a1") == 0
        assert await agent(other, "b2") == 0
        flooder.writer.write(b"\xc0\x00" * flood)
        for _ in range(20):
            assert await other.is_open()
        answered = 0
        with contextlib.suppress(TimeoutError):
            while await flooder.read(0.5):
                answered += 1
        assert 0 < answered <= module.burst_of(quota) + 20


MALFORMED = {
    "a topic longer than its packet": packet(0x30, b"\x00\xffabc"), "no topic": packet(0x30, b"\x00\x00abc"),
    "a wildcard to publish to": packet(0x32, text(f"{ROOT}/a1/up/#") + b"\x00\x01x"), "a NUL in a topic": packet(0x30, text(f"{ROOT}/a1/up/re\0port")),
    "a topic that is no UTF-8": packet(0x32, text(b"\xff\xfe") + b"\x00\x01"), "QoS 3": packet(0x36, text(f"{ROOT}/a1/up/report") + b"\x00\x01x"),
    "no number to acknowledge": packet(0x32, text(f"{ROOT}/a1/up/report") + b"\x00\x00x"), "half an acknowledgement": packet(0x40, b"\x00"),
    "a SUBSCRIBE to nothing": packet(0x82, b"\x00\x07"), "a SUBSCRIBE in half": packet(0x82, b"\x00\x07" + text(f"{ROOT}/a1/down/#")),
    "a SUBSCRIBE without its flag": packet(0x80, b"\x00\x07" + text(f"{ROOT}/a1/down/#") + b"\x01"), "a ping with a body": packet(0xC0, b"abc"),
    "an UNSUBSCRIBE of nothing": packet(0xA2, b"\x00\x07"), "a type that does not exist": b"\xf0\x00", "a broker's own answer": packet(0x20, b"\x00\x00"),
    "a second CONNECT": packet(0x10, text("MQTT") + b"\x04\xc2\x00\x1e" + text("hub") + text("hub") + text("x")),
}


@pytest.mark.parametrize("how", MALFORMED)
async def test_a_malformed_packet_ends_its_connection_and_no_other(port: int, how: str) -> None:
    """amqtt left most of them open and never read them again: the agent counted as there, and was deaf."""
    async with Raw(port) as hub, Raw(port) as raw:
        assert await hub.connect("hub", "hub", HUB) == 0
        await hub.subscribe(f"{ROOT}/+/up/presence")
        assert await agent(raw, "a1", will_topic=f"{ROOT}/a1/up/presence") == 0
        raw.writer.write(MALFORMED[how])
        async with asyncio.timeout(10):
            while await raw.read() is not None:
                pass
        assert await hub.message() == (f"{ROOT}/a1/up/presence", b"gone")


async def test_an_agent_that_falls_silent_is_gone_after_one_and_a_half_keep_alives_and_its_last_will_says_so(port: int) -> None:
    async with Raw(port) as hub, Raw(port) as raw:
        assert await hub.connect("hub", "hub", HUB, keep_alive_s=1) == 0
        await hub.subscribe(f"{ROOT}/+/up/presence")
        assert await agent(raw, "a1", will_topic=f"{ROOT}/a1/up/presence", keep_alive_s=1) == 0
        assert await hub.message() == (f"{ROOT}/a1/up/presence", b"gone")
        assert await raw.read() is None


async def test_a_long_report_on_a_narrow_road_takes_longer_than_the_keep_alive_and_arrives_whole(port: int) -> None:
    report = bytes(range(256)) * 400
    async with Raw(port) as hub, Raw(port) as raw:
        assert await hub.connect("hub", "hub", HUB) == 0
        await hub.subscribe(f"{ROOT}/+/up/report")
        assert await agent(raw, "a1", keep_alive_s=1) == 0
        whole = packet(0x32, text(f"{ROOT}/a1/up/report") + b"\x00\x01" + report)
        pieces = range(0, len(whole), 25_000)
        for at in pieces:
            raw.writer.write(whole[at:at + 25_000])
            await asyncio.sleep(0.7)
        assert len(pieces) * 0.7 > 1.5
        assert await hub.message() == (f"{ROOT}/a1/up/report", report)


async def test_a_session_holds_so_many_filters_and_no_more_however_often_it_comes_back(port: int) -> None:
    """Each filter of anybody is looked through at each message of everybody."""
    async with Raw(port) as raw:
        assert await agent(raw, "a1", clean=False) == 0
        for n in range(module.MOST_FILTERS - 1):
            assert await raw.subscribe(f"{ROOT}/a1/down/x{n}") == 1
    async with Raw(port) as raw:
        assert await agent(raw, "a1", clean=False) == 0
        for _ in range(3):
            assert await raw.subscribe(f"{ROOT}/a1/down/#") == 1
            assert await raw.subscribe("#") == 0x80
        raw.writer.write(packet(0x82, b"\x00\x07" + text(f"{ROOT}/a1/down/more") + b"\x01"))
        assert await raw.read() is None
    async with Raw(port) as raw:
        assert await agent(raw, "a1", clean=True) == 0
        assert await raw.subscribe(f"{ROOT}/a1/down/more") == 1


async def test_a_session_that_takes_its_time_at_the_end_leaves_no_broadcasting_behind(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(_broker: object, _client_id: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("amqtt.broker.Broker._cleanup_session", never)
    async with embedded(Settings(broker_port=0, data_dir=str(tmp_path)), registry, HUB, apart=False) as port, Raw(port) as raw:
        assert await agent(raw, "a1", clean=False) == 0
    assert not [task for task in asyncio.all_tasks() if "_broadcast_loop" in repr(task)]

"""Identity × topic × direction, generated from the policy and tried on the embedded broker of a running hub and on a real Mosquitto.

A topic that begins with `$` ends the connection (MQTT 3.1.1, 4.7.2) and stands among the filters only. A publication that must not arrive is followed by a permitted sentinel, so that nothing waits on silence.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest

from hub.clock import SystemClock
from hub.domain.access import Actor, Direction, may_topic
from hub.operate.broker_config import write_all
from hub.operate.secrets import own_secret
from hub.settings import Settings
from hub.store import Store
from hub.store.agents import put_agent
from hub.wire import MediaKind, Topics, media_header
from tests.support.district import POLICY
from tests.support.mosquitto import BINARY
from tests.support.mqtt import Raw
from tests.support.ports import free_port
from tests.support.web_hub import web_hub

TOPICS = Topics()
SECRET = "a-secret-of-this-test-only"
ACTORS: dict[str, Actor] = {
    "a1": POLICY.agent("a1", department_id="fire-rescue"), "b2": POLICY.agent("b2", department_id="water-bureau"),
    "a1.media": POLICY.agent("a1.media", department_id="fire-rescue", media=True),
    "b2.media": POLICY.agent("b2.media", department_id="water-bureau", media=True), "hub": POLICY.hub("hub"), "hub-media": POLICY.hub("hub-media"),
}
HUBS = ("hub", "hub-media")
AGENTS = sorted(set(ACTORS) - set(HUBS))
RESTS = ("up/report", "up/daily", "up/presence", "up/telemetry", "up/advisory", "up/other", "up/report/more", "up/camera/c1/preview", "up/camera/c1/init",
         "up/camera/c1/media", "up/camera/c1/other", "up", "down/receipt", "down/command", "down", "other")
PLACES = ("a1", "b2", "a1.media", "b2.media", "nobody", "hub")
ELSEWHERE = ("tocsin/v1/district", "tocsin/v1/other/agents/a1/up/report", "tocsin/v2/district/agents/a1/up/report", "a1/up/report")
PUBLISHED = (*(f"{TOPICS.root}/{place}/{rest}" for place, rest in product(PLACES, RESTS)), *ELSEWHERE)
FILTERS = (*PUBLISHED, "#", "+/#", f"{TOPICS.root}/#", f"{TOPICS.root}/+/up/#", f"{TOPICS.root}/+/down/#", f"{TOPICS.root}/+/up/report",
           *(f"{TOPICS.root}/{place}/{wild}" for place, wild in product(PLACES, ("#", "up/#", "down/#", "down/+", "+/receipt"))),
           f"$share/g/{TOPICS.root}/a1/down/#", "$SYS/#")


def said(topic: str) -> bytes:
    """What is published to a topic: the topic itself, behind what makes it media where only media is let in."""
    kind = next((kind for kind in MediaKind if topic.endswith(f"/up/camera/c1/{kind}")), None)
    looks = {MediaKind.PREVIEW: b"\xff\xd8", MediaKind.INIT: b"{", MediaKind.MEDIA: b"\x00\x00\x00\x10moof"}
    return topic.encode() if kind is None else media_header(kind, key=True, seq=1, wall_ms=1) + looks[kind] + topic.encode()


def permitted(name: str, direction: Direction, topic: str) -> bool:
    return may_topic(ACTORS[name], direction, topic, TOPICS.root, datetime.now(UTC)).allowed and not topic.startswith("$share")


def fenced(name: str, direction: Direction, topic: str) -> bool:
    """What Mosquitto holds a name to. Its patterns know no kinds of identity, and `down/#` takes `down` itself in (MQTT 3.1.1, 4.7.1.2)."""
    either = [POLICY.hub(name)] if name.startswith("hub") else [POLICY.agent(name, department_id=None, media=media) for media in (False, True)]
    topics = (topic, f"{topic}/receipt") if topic.endswith("/down") else (topic,)
    return any(may_topic(actor, direction, one, TOPICS.root, datetime.now(UTC)).allowed for actor, one in product(either, topics))


@dataclass(frozen=True)
class Broker:
    """A broker with the agents a1 and b2: where agents and where the hub's own identities connect, and their password."""

    port: int
    hub_port: int
    hub_secret: str

    @property
    def embedded(self) -> bool:
        return self.port == self.hub_port

    def lets(self, name: str, direction: Direction, topic: str) -> bool:
        """Does this broker let that through? The embedded one exactly what the policy gives, Mosquitto what its fence can say."""
        return permitted(name, direction, topic) if self.embedded else fenced(name, direction, topic)

    def hub_of(self, name: str) -> str:
        """The hub's identity that hears and speaks to a name: the embedded broker keeps media apart from everything else."""
        return name if name in HUBS else "hub" if self.embedded and not name.endswith(".media") else "hub-media"

    async def connected(self, stack: AsyncExitStack, name: str, *, client_id: str | None = None, clean: bool = True) -> Raw:
        own = name in HUBS
        if self.embedded and name == "hub":
            name = "hub-beside"  # the running hub's own session is `hub`, and a second one of that name would end it
        client = await stack.enter_async_context(Raw(self.hub_port if own else self.port))
        assert await client.connect(client_id or name, name, self.hub_secret if own else SECRET, clean=clean) == 0, name
        return client


async def _agents(settings: Settings) -> None:
    async with Store(settings.database_url) as store, store.transaction() as tx:
        for id, department in (("a1", "fire-rescue"), ("b2", "water-bureau")):
            await put_agent(tx, agent_id=id, name=id, kind="field", department_id=department, secret=SECRET)


@contextlib.asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[Broker]:
    settings = Settings(data_dir=str(folder))
    await _agents(settings)
    async with web_hub(folder, SystemClock(), only=frozenset({"ingest"})) as running:
        yield Broker(running.mqtt_port, running.mqtt_port, own_secret(settings.data_path, "hub-mqtt"))


@contextlib.asynccontextmanager
async def mosquitto(folder: Path) -> AsyncIterator[Broker]:
    settings = Settings(data_dir=str(folder))
    await _agents(settings)
    port, hub_port = free_port(), free_port()
    secret = await write_all(settings, folder / "mosquitto", port=port, hub_port=hub_port)
    conf = folder / "mosquitto" / "mosquitto.conf"
    conf.write_text(conf.read_text() + "user root\nsys_interval 1\n")
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(BINARY, "-c", str(conf), stderr=log)
    try:
        await answers(hub_port)
        yield Broker(port, hub_port, secret)
    finally:
        process.terminate()
        await process.wait()


BROKERS = {"embedded": embedded, "mosquitto": mosquitto}


@pytest.fixture(params=BROKERS)
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    async with BROKERS[request.param](tmp_path) as started:
        yield started


def test_the_table_has_permits_and_refusals_of_every_identity() -> None:
    for name, (direction, topics) in product(ACTORS, ((Direction.PUBLISH, PUBLISHED), (Direction.SUBSCRIBE, FILTERS))):
        assert 0 < sum(permitted(name, direction, topic) for topic in topics) < len(topics), (name, direction)


@pytest.mark.parametrize("name", sorted(ACTORS))
async def test_an_identity_subscribes_to_what_the_policy_gives_it_and_nothing_else(tmp_path: Path, name: str) -> None:
    async with embedded(tmp_path) as broker, AsyncExitStack() as stack:
        client = await broker.connected(stack, name)
        wrong = [(topic, code) for topic in FILTERS
                 if (code := await client.subscribe(topic, 0)) is None or (code == 0x80) is permitted(name, Direction.SUBSCRIBE, topic)]
    assert wrong == []


@pytest.mark.parametrize("name", sorted(ACTORS))
async def test_whatever_an_identity_subscribes_to_it_receives_only_what_the_policy_gives_it(broker: Broker, name: str) -> None:
    """Mosquitto grants every subscription and looks at each message: so what arrives is compared, behind a sentinel."""
    own = f"{TOPICS.root}/{name}/down/command"
    async with AsyncExitStack() as stack:
        client = await broker.connected(stack, name)
        for topic_filter in FILTERS:
            await client.subscribe(topic_filter, 0)
        hub_name = broker.hub_of(name)
        hub = client if name == hub_name else await broker.connected(stack, hub_name)
        await hub.subscribe(f"{TOPICS.root}/+/up/presence", 0)
        sent: list[str] = []
        arrived: list[str] = []
        for other in {*AGENTS, hub_name} - {name}:
            speaker = hub if other == hub_name else await broker.connected(stack, other)
            heard = broker.hub_of(other) == hub_name
            for topic in PUBLISHED:
                speaker.publish(topic, said(topic), retain=topic.endswith("presence"))
                if heard and topic.startswith(TOPICS.root + "/") and broker.lets(other, Direction.PUBLISH, topic):
                    sent.append(topic)
            if heard and speaker is not hub:  # a broker keeps the order of one connection, not of several
                said_all = f"{other} has said all".encode()
                speaker.publish(f"{TOPICS.root}/{other}/up/presence", said_all)
                arrived += [topic async for topic in until(hub, said_all) if hub is client]
        if hub is not client:
            hub.publish(own, b"sentinel")
            arrived = [topic async for topic in until(client, b"sentinel")]
    assert set(arrived) == {topic for topic in sent if broker.lets(name, Direction.SUBSCRIBE, topic)}


@pytest.mark.parametrize("name", AGENTS)
async def test_what_an_agent_publishes_arrives_where_the_policy_permits_it_and_nowhere_else(broker: Broker, name: str) -> None:
    own = f"{TOPICS.root}/{name}/up/presence"
    wanted = {topic for topic in PUBLISHED if topic.startswith(TOPICS.root + "/") and broker.lets(name, Direction.PUBLISH, topic)}
    async with AsyncExitStack() as stack:
        hubs = {hub: await broker.connected(stack, hub) for hub in HUBS}
        watcher = hubs[broker.hub_of(name)]
        assert await watcher.subscribe(f"{TOPICS.root}/+/up/#", 0) == 0
        others = {other: await broker.connected(stack, other) for other in AGENTS if other != name}
        for other, client in others.items():
            assert await client.subscribe(f"{TOPICS.root}/{other}/down/#", 0) == 0
        publisher = await broker.connected(stack, name)
        for topic in PUBLISHED:
            publisher.publish(topic, said(topic))
        publisher.publish(own, b"sentinel")
        arrived = {topic async for topic in until(watcher, b"sentinel")}
        strays = []
        for other, client in others.items():
            hubs[broker.hub_of(other)].publish(f"{TOPICS.root}/{other}/down/command", b"sentinel")
            strays += [topic async for topic in until(client, b"sentinel")]
    assert arrived == wanted
    assert strays == []


async def test_naming_anothers_client_id_neither_cuts_nor_robs_its_session(broker: Broker) -> None:
    root = f"{TOPICS.root}/a1/down"
    async with AsyncExitStack() as stack:
        hub = await broker.connected(stack, broker.hub_of("a1"))
        async with AsyncExitStack() as victim_stack:
            victim = await broker.connected(victim_stack, "a1", clean=False)
            assert await victim.subscribe(f"{root}/#", 1) == 1
            for clean in (True, False):
                thief = await stack.enter_async_context(Raw(broker.port))
                code = await thief.connect("a1", "b2", SECRET, clean=clean)
                assert code in (0, 2)
                assert await victim.is_open()
                hub.publish(f"{root}/command", b"for a1 alone")
                assert await victim.message() == (f"{root}/command", b"for a1 alone")
                if code == 0:
                    assert await thief.subscribe(f"{TOPICS.root}/b2/down/#", 0) == 0
                    hub.publish(f"{TOPICS.root}/b2/down/command", b"sentinel")
                    assert await thief.message() == (f"{TOPICS.root}/b2/down/command", b"sentinel")


async def test_a_last_will_in_anothers_topic_reaches_nobody(broker: Broker) -> None:
    async with AsyncExitStack() as stack:
        hub = await broker.connected(stack, broker.hub_of("a1"))
        assert await hub.subscribe(f"{TOPICS.root}/+/up/#", 0) == 0
        for topic in (f"{TOPICS.root}/b2/up/presence", f"{TOPICS.root}/b2/up/report"):
            async with Raw(broker.port) as bad:
                if await bad.connect("a1", "a1", SECRET, will_topic=topic) == 0:
                    assert await bad.is_open()
        async with Raw(broker.port) as good:
            assert await good.connect("a1", "a1", SECRET, will_topic=f"{TOPICS.root}/a1/up/presence") == 0
            assert await good.is_open()
        seen: list[tuple[str, bytes]] = []
        while not seen or seen[-1] != (f"{TOPICS.root}/a1/up/presence", b"gone"):
            seen.append(await hub.message(10))
    assert [topic for topic, payload in seen if payload == b"gone" and "/b2/" in topic] == []


@pytest.mark.parametrize("client_id", ["x" * 65_535, "a1\x00b2", "+/#", "../a1", "$SYS"])
async def test_a_strange_client_id_hurts_nobody(broker: Broker, client_id: str) -> None:
    async with AsyncExitStack() as stack:
        good = await broker.connected(stack, "b2")
        async with Raw(broker.port) as strange:
            code = await strange.connect(client_id, "a1", SECRET)
            # the embedded broker refuses it; Mosquitto hangs up on what is no text and puts the user name in place of the rest
            assert code in (None, 2) if broker.embedded else code in (None, 0, 2)
        assert await good.is_open()


async def answers(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                async with Raw(port):
                    return
            except OSError:
                await asyncio.sleep(0.02)


async def until(client: Raw, sentinel: bytes) -> AsyncIterator[str]:
    """The topics of the test's own messages up to the sentinel (others, such as a last will, are left out)."""
    while True:
        topic, payload = await client.message(10)
        if payload == sentinel:
            return
        if payload == said(topic) or topic.startswith("$"):
            yield topic

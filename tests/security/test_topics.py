"""Identity × topic × direction, generated from the policy and tried on the embedded broker of a running hub: nothing gets through by itself.

A topic that begins with `$` ends the connection (MQTT 3.1.1, 4.7.2) and stands among the filters only. A publication that must not arrive is followed by a permitted sentinel, so that nothing waits on silence.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest

from hub.app import Running
from hub.clock import SystemClock
from hub.domain.access import Actor, Direction, may_topic
from hub.operate.secrets import own_secret
from hub.settings import Settings
from hub.store import Store
from hub.store.agents import put_agent
from hub.wire import Topics
from tests.support.district import POLICY
from tests.support.mqtt import Raw
from tests.support.web_hub import web_hub

TOPICS = Topics()
SECRET = "a-secret-of-this-test-only"
ACTORS: dict[str, Actor] = {
    "a1": POLICY.agent("a1", department_id="fire-rescue"), "b2": POLICY.agent("b2", department_id="water-bureau"),
    "a1.media": POLICY.agent("a1.media", department_id="fire-rescue", media=True),
    "b2.media": POLICY.agent("b2.media", department_id="water-bureau", media=True), "hub-media": POLICY.hub("hub-media"),
}
RESTS = ("up/report", "up/daily", "up/presence", "up/telemetry", "up/other", "up/report/more", "up/camera/c1/preview", "up/camera/c1/init",
         "up/camera/c1/media", "up/camera/c1/other", "up", "down/receipt", "down/command", "down", "other")
PLACES = ("a1", "b2", "a1.media", "b2.media", "nobody", "hub")
ELSEWHERE = ("tocsin/v1/district", "tocsin/v1/other/agents/a1/up/report", "tocsin/v2/district/agents/a1/up/report", "a1/up/report")
PUBLISHED = (*(f"{TOPICS.root}/{place}/{rest}" for place, rest in product(PLACES, RESTS)), *ELSEWHERE)
FILTERS = (*PUBLISHED, "#", "+/#", f"{TOPICS.root}/#", f"{TOPICS.root}/+/up/#", f"{TOPICS.root}/+/down/#", f"{TOPICS.root}/+/up/report",
           *(f"{TOPICS.root}/{place}/{wild}" for place, wild in product(PLACES, ("#", "up/#", "down/#", "down/+", "+/receipt"))),
           f"$share/g/{TOPICS.root}/a1/down/#", "$SYS/#")


def permitted(name: str, direction: Direction, topic: str) -> bool:
    return may_topic(ACTORS[name], direction, topic, TOPICS.root, datetime.now(UTC)).allowed and not topic.startswith("$share")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    settings = Settings(data_dir=str(tmp_path))
    async with Store(settings.database_url) as store, store.transaction() as tx:
        for id, department in (("a1", "fire-rescue"), ("b2", "water-bureau")):
            await put_agent(tx, agent_id=id, name=id, kind="field", department_id=department, secret=SECRET)
    async with web_hub(tmp_path, SystemClock(), only=frozenset({"ingest"})) as running:
        yield running


async def connected(stack: AsyncExitStack, hub: Running, name: str) -> Raw:
    client = await stack.enter_async_context(Raw(hub.mqtt_port))
    secret = own_secret(hub.services.settings.data_path, "hub-mqtt") if name.startswith("hub") else SECRET
    assert await client.connect(name, name, secret) == 0, name
    return client


def test_the_table_has_permits_and_refusals_of_every_identity() -> None:
    for name, (direction, topics) in product(ACTORS, ((Direction.PUBLISH, PUBLISHED), (Direction.SUBSCRIBE, FILTERS))):
        assert 0 < sum(permitted(name, direction, topic) for topic in topics) < len(topics), (name, direction)


@pytest.mark.parametrize("name", sorted(ACTORS))
async def test_an_identity_subscribes_to_what_the_policy_gives_it_and_nothing_else(hub: Running, name: str) -> None:
    async with AsyncExitStack() as stack:
        client = await connected(stack, hub, name)
        wrong = [(topic, code) for topic in FILTERS
                 if (code := await client.subscribe(topic, 0)) is None or (code == 0x80) is permitted(name, Direction.SUBSCRIBE, topic)]
    assert wrong == []


@pytest.mark.parametrize("name", sorted(set(ACTORS) - {"hub-media"}))
async def test_what_an_agent_publishes_arrives_where_the_policy_permits_it_and_nowhere_else(hub: Running, name: str) -> None:
    own = f"{TOPICS.root}/{name}/up/presence"
    wanted = [topic for topic in PUBLISHED if topic.startswith(TOPICS.root + "/") and permitted(name, Direction.PUBLISH, topic)]
    async with AsyncExitStack() as stack:
        watcher = await connected(stack, hub, "hub-media")
        assert await watcher.subscribe(f"{TOPICS.root}/+/up/#", 0) == 0
        others = {other: await connected(stack, hub, other) for other in ACTORS if other not in (name, "hub-media")}
        for other, client in others.items():
            assert await client.subscribe(f"{TOPICS.root}/{other}/down/#", 0) == 0
        publisher = await connected(stack, hub, name)
        for topic in PUBLISHED:
            publisher.publish(topic, topic.encode())
        publisher.publish(own, b"sentinel")
        arrived = [topic async for topic in until_sentinel(watcher)]
        strays = []
        for other, client in others.items():
            watcher.publish(f"{TOPICS.root}/{other}/down/command", b"sentinel")
            strays += [topic async for topic in until_sentinel(client)]
    assert sorted(set(arrived)) == sorted(wanted)
    assert strays == []


async def until_sentinel(client: Raw) -> AsyncIterator[str]:
    """The topics of the test's own messages up to the sentinel (others, such as a last will, are left out)."""
    while True:
        topic, payload = await client.message(10)
        if payload == b"sentinel":
            return
        if payload == topic.encode():
            yield topic

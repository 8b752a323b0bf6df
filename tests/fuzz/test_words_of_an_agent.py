"""Whatever the types of the wire let an agent say, the hub answers, keeps on its feet, and shows to whoever asks.

Extreme messages of every kind go to a running hub: each report and daily report gets its receipt, nothing stops or is logged as a fault, every
page that can be asked for is answered, and what is quite ordinary is stored afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from hub import wire
from hub.domain.access import Role
from hub.domain.data import packaged
from hub.ids import new_id
from hub.store import Store
from tests.support.extremes import ago, message
from tests.support.hub_child import HubChild
from tests.support.postgres import Postgres
from tests.support.stores import fresh_postgres
from tests.support.until import until
from tests.support.web_hub import Visitor, cookie_for

AGENT, DEPARTMENT = "a1", "traffic-police"
KINDS: dict[str, type[Any]] = {"report": wire.Report, "daily": wire.Daily, "presence": wire.Presence, "telemetry": wire.Telemetry, "advisory": wire.Advisory}
WEIGHTS = (6, 2, 1, 1, 1)
TYPES = tuple(packaged("event_types")["types"])
ANSWERED = ("report", "daily")


def believable(dice: random.Random, what: str, said: dict[str, Any], incidents: list[str]) -> dict[str, Any]:
    """Most messages with what is refused at the door put right: otherwise nothing would get further."""
    if what in ANSWERED:
        said["id"] = new_id()
    if what == "daily":
        said |= {"department": DEPARTMENT, "template": dice.choice(("daily", said["template"]))}
    if what == "presence":
        said["online"] = True
    if what == "report" and dice.random() < 0.9:
        follows = bool(incidents) and dice.random() < 0.4
        said |= {"occurred_at": ago(dice), "title": said.get("title") or "x", "event_types": dice.choices(TYPES, k=dice.choice((0, 1, 2, 8))),
                 "kind": dice.choice(("follow_up", "final", "verification")) if follows else "initial"}
        said["place"] |= {"text": said["place"].get("text") or "G204"} | dice.choice(({}, {"lon": 119.1, "lat": 34.9}, {"lon": -180.0, "lat": -90}))
        said.pop("heard_at", None)
        said.pop("incident_id", None)
        if follows:
            said["incident_id"] = dice.choice(incidents)
    return said


class Agent:
    """An agent that says `extremes`, and what it hears of them."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.topics = wire.Topics()
        self.sent: dict[str, dict[str, Any]] = {}
        self.receipts: dict[str, dict[str, Any]] = {}

    @property
    def incidents(self) -> list[str]:
        return list(dict.fromkeys(r["incident_id"] for r in self.receipts.values() if r.get("incident_id")))

    async def say(self, what: str, said: dict[str, Any]) -> None:
        if what in ANSWERED:
            self.sent[said["id"]] = said
        await self.client.publish(self.topics.up(AGENT, what), json.dumps(said, ensure_ascii=False).encode(), qos=1, timeout=60)

    async def hear(self) -> None:
        async for heard in self.client.messages:
            receipt = json.loads(bytes(heard.payload))  # type: ignore[arg-type]
            self.receipts[receipt["id"]] = receipt

    async def answered(self) -> None:
        await until(lambda: set(self.sent) <= set(self.receipts), 60, "a receipt of every report and daily report")


@contextlib.asynccontextmanager
async def an_agent(hub: HubChild, secret: str) -> AsyncIterator[Agent]:
    async with aiomqtt.Client("127.0.0.1", hub.mqtt_port, identifier=AGENT, username=AGENT, password=secret, max_queued_outgoing_messages=0) as client:
        agent = Agent(client)
        await client.subscribe(agent.topics.down(AGENT, "receipt"), qos=1)
        hearing = asyncio.create_task(agent.hear())
        yield agent
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)


async def look_at_everything(hub: HubChild, incidents: list[str]) -> None:
    """Ask for every page without a parameter, and for every page of the incidents: no answer may be a fault."""
    async with Store(hub.settings().database_url) as store:
        _, cookie = await cookie_for(store, Role.OPERATOR, department="emergency-bureau")
    async with Visitor(hub.url) as desk:
        desk.hold(cookie)
        assert await desk.ask("GET", "/api/v1/openapi.json") == 200
        paths = [path for path, operations in desk.body["paths"].items() if "get" in operations and not path.endswith("/live")]
        asked = [path for path in paths if "{" not in path]
        asked += [re.sub(r"{\w+}", id, path) for path in paths if path.startswith("/api/v1/incidents/{") and path.count("{") == 1 for id in incidents]
        faults = [f"{path} {desk.status} {desk.body}"[:400] for path in asked if await desk.ask("GET", path) >= 500]
        assert not faults, faults[:5]


async def extreme_words(folder: Path, seed: int, count: int, **environment: str) -> None:
    dice, hub = random.Random(seed), HubChild(folder, environment={"TOCSIN_QUOTA_PER_MINUTE": "1000000", **environment})
    secrets = await hub.enrol(AGENT, department=DEPARTMENT)
    async with hub, an_agent(hub, secrets[AGENT]) as agent:
        for _ in range(count):
            what = dice.choices(tuple(KINDS), WEIGHTS)[0]
            await agent.say(what, believable(dice, what, message(dice, KINDS[what]), agent.incidents))
        await agent.answered()
        told = {receipt["status"] for receipt in agent.receipts.values()}
        assert "stored" in told and told <= {"stored", "duplicate", "rejected"}, f"seed {seed}: {told}"
        await look_at_everything(hub, agent.incidents[:20])
        plain = {"id": new_id(), "kind": "initial", "occurred_at": ago(random.Random(0)), "title": "槽罐车侧翻", "place": {"lon": 119.13, "lat": 34.89}}
        await agent.say("report", plain)
        await agent.answered()
        assert agent.receipts[str(plain["id"])]["status"] == "stored", f"seed {seed}"
        assert hub.process is not None and hub.process.returncode is None
    assert "Traceback" not in hub.log(), f"seed {seed}: {hub.log()}"


async def test_extreme_words_stop_nothing_and_are_answered(tmp_path: Path) -> None:
    await extreme_words(tmp_path, seed=20261130, count=120)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("store", ["sqlite", "postgres"])
async def test_extreme_words_for_long(store: str, tmp_path: Path, postgres_server: Postgres) -> None:
    environment = {"TOCSIN_STORE_URL": fresh_postgres(postgres_server)} if store == "postgres" else {}
    await extreme_words(tmp_path, seed=time.time_ns(), count=3000, **environment)

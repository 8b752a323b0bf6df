"""A receipt means on disk: the hub is killed at random points while agents report, and the ledger must agree with the store."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from agents.outbox import Outbox
from agents.scenes import everyday_report
from agents.session import Session
from agents.settings import AgentSettings
from hub import wire
from hub.store import Store
from tests.support.hub_child import HubChild
from tests.support.ledger import Ledger
from tests.support.mosquitto import Mosquitto
from tests.support.until import until


def agent_settings(agent_id: str, port: int) -> AgentSettings:
    return AgentSettings(agent_id=agent_id, mqtt_port=port, password_file=None, resend_after_s=1.0, ack_timeout_s=3.0, keepalive_s=5,
                         reconnect_first_s=0.05, reconnect_longest_s=0.5)


class Field:
    """Agents that file reports at a rate, and the ledger of what they did."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self.folder = folder
        self.ledger = ledger
        self.outboxes: list[Outbox] = []
        self.sessions: list[Session] = []
        self.filed = 0
        self.receipted: set[str] = set()

    def _receipt(self, receipt: wire.Receipt, _rtt_s: float) -> None:
        self.ledger.receipted(receipt.id, receipt.status.value)
        if receipt.status in (wire.ReceiptStatus.STORED, wire.ReceiptStatus.DUPLICATE):
            self.receipted.add(receipt.id)

    @contextlib.asynccontextmanager
    async def agents(self, port: int, secrets: dict[str, str]) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            tasks = []
            for id, secret in secrets.items():
                outbox = Outbox(self.folder / f"{id}.sqlite3")
                session = Session(agent_settings(id, port), outbox, password=secret, on_receipt=self._receipt)
                self.outboxes.append(outbox)
                self.sessions.append(session)
                tasks.append(group.create_task(session.run()))
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
        for outbox in self.outboxes:
            outbox.close()

    async def file(self, rate: float, seconds: float, dice: random.Random) -> None:
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            report = everyday_report(dice, datetime.now(UTC))
            self.ledger.offered(report.id, wire.content_hash(report))
            await dice.choice(self.sessions).file(report)
            self.ledger.accepted(report.id)
            self.filed += 1
            await asyncio.sleep(1 / rate)


async def stored(url: str) -> list[tuple[str, str]]:
    async with Store(url) as store, store.read() as conn:
        return [(row[0], row[1]) for row in (await conn.execute(text("SELECT id, content_hash FROM report"))).all()]


async def ordeal(tmp_path: Path, kills: int, seed: int) -> HubChild:
    dice = random.Random(seed)
    hub = HubChild(tmp_path / "hub")
    secrets = await hub.enrol("k1", "k2")
    with Ledger(tmp_path / "ledger") as ledger:
        field = Field(tmp_path, ledger)
        await hub.start()
        async with field.agents(hub.mqtt_port, secrets):
            for _ in range(kills):
                filing = asyncio.create_task(field.file(50, 0.6, dice))
                await asyncio.sleep(dice.uniform(0.02, 0.6))
                await hub.kill()
                await hub.start()
                await filing
            await until(lambda: len(field.receipted) >= field.filed, 60, "every report receipted")
        await hub.stop()
        findings = ledger.check(await stored(hub.settings().database_url))
    assert field.filed > kills * 10
    assert findings.is_clean, str(findings)
    return hub


@pytest.mark.timeout(300)
async def test_twenty_kills_lose_nothing_that_was_receipted_and_store_nothing_twice(tmp_path: Path) -> None:
    await ordeal(tmp_path, 20, seed=20261123)


@pytest.mark.soak
@pytest.mark.timeout(20_000)
async def test_two_thousand_kills(tmp_path: Path) -> None:
    await ordeal(tmp_path, 2000, seed=7)


@pytest.mark.timeout(120)
async def test_a_broker_that_is_killed_with_reports_in_its_hands_loses_none(tmp_path: Path) -> None:
    dice = random.Random(4)
    async with Mosquitto(["max_inflight_messages 1000"]) as broker:
        hub = HubChild(tmp_path / "hub", "--broker", f"mqtt://127.0.0.1:{broker.port}")
        secrets = await hub.enrol("k1", "k2", "k3")
        with Ledger(tmp_path / "ledger") as ledger:
            field = Field(tmp_path, ledger)
            async with hub, field.agents(broker.port, secrets):
                for _ in range(4):
                    filing = asyncio.create_task(field.file(80, 1.0, dice))
                    await asyncio.sleep(dice.uniform(0.2, 0.9))
                    await broker.kill()
                    await broker.start()
                    await filing
                await until(lambda: len(field.receipted) >= field.filed, 45, "every report receipted")
            findings = ledger.check(await stored(hub.settings().database_url))
    assert findings.is_clean, str(findings)


async def test_sigterm_finishes_what_is_in_hand_and_ends_within_ten_seconds(tmp_path: Path) -> None:
    hub = HubChild(tmp_path / "hub")
    secrets = await hub.enrol("k1")
    with Ledger(tmp_path / "ledger") as ledger:
        field = Field(tmp_path, ledger)
        await hub.start()
        async with field.agents(hub.mqtt_port, secrets):
            await field.file(100, 1.0, random.Random(1))
            began = asyncio.get_running_loop().time()
            await hub.stop()
            assert asyncio.get_running_loop().time() - began < 10
            assert hub.process is not None and hub.process.returncode == 0, hub.log()
            await hub.start()
            await until(lambda: len(field.receipted) >= field.filed, 30, "every report receipted")
        await hub.stop()
        findings = ledger.check(await stored(hub.settings().database_url))
    assert findings.is_clean, str(findings)

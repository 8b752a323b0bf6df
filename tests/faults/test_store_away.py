"""The database goes away, or the disk is full: no receipt meanwhile, the hub says so, and everything drains afterwards."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.faults.test_hub_killed import Field, stored
from tests.support.hub_child import HubChild
from tests.support.ledger import Ledger
from tests.support.postgres import Postgres
from tests.support.until import until

AMPLE = {"TOCSIN_QUOTA_PER_MINUTE": "60000"}
"""Two agents stand for a district's fifty reports a second: the quota of an agent would let what they kept trickle in for a quarter of an hour."""
MOST_GROWTH_BYTES = 100 * 2**20
"""What an outage may add to the hub's memory, however long it lasts: its queues are bounded."""


async def readiness(hub: HubChild) -> tuple[int, dict[str, dict[str, str]]]:
    async with aiohttp.ClientSession() as client, client.get(hub.url + "/readyz") as answer:
        return answer.status, (await answer.json())["parts"]


async def until_ready(hub: HubChild, ready: bool, within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while ((await readiness(hub))[0] == 200) is not ready:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("away_s", [4.0, pytest.param(300.0, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
async def test_postgresql_away_under_load_loses_nothing_and_the_hub_says_so_within_ten_seconds(tmp_path: Path, away_s: float) -> None:
    with Postgres() as postgres, Ledger(tmp_path / "ledger") as ledger:
        hub = HubChild(tmp_path / "hub", environment=AMPLE | {"TOCSIN_STORE_URL": postgres.database("away")})
        secrets = await hub.enrol("k1", "k2")
        field = Field(tmp_path, ledger)
        async with hub, field.agents(hub.mqtt_port, secrets):
            await field.file(50, 1.0, random.Random(1))
            await until(lambda: len(field.receipted) >= field.filed, 30, "receipts before the outage")
            await asyncio.to_thread(postgres.stop)
            await until_ready(hub, False, 10)
            before = len(field.receipted)
            memory = resident_bytes(hub)
            await field.file(50, away_s, random.Random(2))
            assert len(field.receipted) == before
            assert resident_bytes(hub) - memory < MOST_GROWTH_BYTES
            await asyncio.to_thread(postgres.start)
            await until_ready(hub, True, 30)
            await until(lambda: len(field.receipted) >= field.filed, 60 + away_s, "every report receipted after the outage")
        findings = ledger.check(await stored(hub.environment["TOCSIN_STORE_URL"]))
    assert findings.is_clean, str(findings)


def resident_bytes(hub: HubChild) -> int:
    """The hub's resident memory now."""
    assert hub.process is not None
    return int(psutil.Process(hub.process.pid).memory_info().rss)


def with_faults(folder: Path, control: Path) -> HubChild:
    """A hub whose disk can be made to fail: what `fiu-run -x -f` sets; the script itself would stand between us and the hub, and signals
    would end it alone."""
    assert shutil.which("fiu-ctrl"), "fiu-utils is missing"
    return HubChild(folder, environment=AMPLE | {"FIU_CTRL_FIFO": str(control), "LD_PRELOAD": " ".join(
        f"/usr/lib/fiu/{name}.so" for name in ("fiu_run_preload", "fiu_posix_preload"))})


@pytest.mark.timeout(120)
@pytest.mark.parametrize("call", ["posix/io/sync/fdatasync", "posix/io/rw/pwrite*"])
async def test_a_failing_or_full_disk_gives_no_receipt_without_a_commit_and_heals_by_itself(tmp_path: Path, call: str) -> None:
    with Ledger(tmp_path / "ledger") as ledger:
        control = tmp_path / "fiu"
        hub = with_faults(tmp_path / "hub", control)
        secrets = await hub.enrol("k1")
        field = Field(tmp_path, ledger)
        async with hub, field.agents(hub.mqtt_port, secrets):
            await field.file(30, 1.0, random.Random(1))
            await until(lambda: len(field.receipted) >= field.filed, 30, "receipts before the fault")
            assert hub.process is not None
            pid = hub.process.pid
            await fiu(control, pid, f"enable name={call},failinfo=28")
            await until_ready(hub, False, 15)
            before = len(field.receipted)
            await field.file(30, 2.0, random.Random(2))
            assert len(field.receipted) == before
            await fiu(control, pid, f"disable name={call}")
            await until_ready(hub, True, 10)
            await until(lambda: len(field.receipted) >= field.filed, 45, "every report receipted after the fault")
        findings = ledger.check(await stored(hub.settings().database_url))
    assert findings.is_clean, str(findings)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("probability", [0.01, 0.1, 0.5])
async def test_a_disk_that_fails_now_and_then_at_any_call_loses_nothing(tmp_path: Path, probability: float) -> None:
    with Ledger(tmp_path / "ledger") as ledger:
        control = tmp_path / "fiu"
        hub = with_faults(tmp_path / "hub", control)
        secrets = await hub.enrol("k1", "k2")
        field = Field(tmp_path, ledger)
        async with hub, field.agents(hub.mqtt_port, secrets):
            assert hub.process is not None
            calls = ("posix/io/sync/fdatasync", "posix/io/sync/fsync", "posix/io/rw/pwrite*")
            for call in calls:
                await fiu(control, hub.process.pid, f"enable_random name={call},probability={probability},failinfo=28")
            await field.file(50, 60.0, random.Random(3))
            for call in calls:
                await fiu(control, hub.process.pid, f"disable name={call}")
            await until_ready(hub, True, 10)
            await until(lambda: len(field.receipted) >= field.filed, 120, "every report receipted after the faults")
        findings = ledger.check(await stored(hub.settings().database_url))
    assert findings.is_clean, str(findings)


async def fiu(control: Path, pid: int, command: str) -> None:
    done = await asyncio.create_subprocess_exec("fiu-ctrl", "-f", str(control), "-c", command, str(pid))
    assert await done.wait() == 0

"""The database goes away, or the disk is full: no receipt meanwhile, the hub says so, and everything drains afterwards."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path

import aiohttp
import pytest

from tests.faults.test_hub_killed import Field, stored
from tests.support.hub_child import HubChild
from tests.support.ledger import Ledger
from tests.support.postgres import Postgres
from tests.support.until import until


async def readiness(hub: HubChild) -> tuple[int, dict[str, dict[str, str]]]:
    async with aiohttp.ClientSession() as client, client.get(hub.url + "/readyz") as answer:
        return answer.status, (await answer.json())["parts"]


async def until_ready(hub: HubChild, ready: bool, within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while ((await readiness(hub))[0] == 200) is not ready:
            await asyncio.sleep(0.1)


@pytest.mark.timeout(180)
async def test_postgresql_away_under_load_loses_nothing_and_the_hub_says_so_within_ten_seconds(tmp_path: Path) -> None:
    with Postgres() as postgres, Ledger(tmp_path / "ledger") as ledger:
        hub = HubChild(tmp_path / "hub", environment={"TOCSIN_STORE_URL": postgres.database("away")})
        secrets = await hub.enrol("k1", "k2")
        field = Field(tmp_path, ledger)
        async with hub, field.agents(hub.mqtt_port, secrets):
            await field.file(50, 1.0, random.Random(1))
            await until(lambda: len(field.receipted) >= field.filed, 30, "receipts before the outage")
            await asyncio.to_thread(postgres.stop)
            await until_ready(hub, False, 10)
            before = len(field.receipted)
            await field.file(50, 4.0, random.Random(2))
            assert len(field.receipted) == before
            await asyncio.to_thread(postgres.start)
            await until_ready(hub, True, 30)
            await until(lambda: len(field.receipted) >= field.filed, 60, "every report receipted after the outage")
        findings = ledger.check(await stored(hub.environment["TOCSIN_STORE_URL"]))
    assert findings.is_clean, str(findings)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("call", ["posix/io/sync/fdatasync", "posix/io/rw/pwrite*"])
async def test_a_failing_or_full_disk_gives_no_receipt_without_a_commit_and_heals_by_itself(tmp_path: Path, call: str) -> None:
    assert shutil.which("fiu-ctrl"), "fiu-utils is missing"
    with Ledger(tmp_path / "ledger") as ledger:
        control = tmp_path / "fiu"
        # what `fiu-run -x -f` sets; the script itself would stand between us and the hub, and signals would end it alone
        hub = HubChild(tmp_path / "hub", environment={"FIU_CTRL_FIFO": str(control), "LD_PRELOAD": " ".join(
            f"/usr/lib/fiu/{name}.so" for name in ("fiu_run_preload", "fiu_posix_preload"))})
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


async def fiu(control: Path, pid: int, command: str) -> None:
    done = await asyncio.create_subprocess_exec("fiu-ctrl", "-f", str(control), "-c", command, str(pid))
    assert await done.wait() == 0

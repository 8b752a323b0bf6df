"""The living demo district: agents in processes of their own, the scripted drill, and a clean end."""

from __future__ import annotations

import asyncio
import re
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import psutil
import pytest

from hub.clock import ManualClock
from hub.domain.duty_rules import packaged_rules
from hub.operate.demo_day import packaged_day
from hub.operate.first_start import prepare
from hub.settings import Settings
from hub.store import Store
from hub.store.agents import list_agents
from hub.store.daily import filings_of_day, make_days
from hub.store.groups import get_group
from hub.store.obligations import list_obligations
from hub.store.reports import list_incidents
from hub.store.roster import list_posts, who_is_on_now
from tests.support.hub_child import HubChild


@pytest.mark.timeout(180)
async def test_the_demo_lives_the_drill_is_marked_and_everything_ends_with_the_hub(tmp_path: Path) -> None:
    hub = HubChild(tmp_path / "hub", "--demo")
    hub.folder.mkdir()
    async with hub:
        children = await _live(hub)
        await hub.stop()
    assert hub.process is not None
    assert hub.process.returncode == 0, hub.log()
    _, alive = psutil.wait_procs(children, timeout=8)
    assert not alive
    assert "Traceback" not in hub.log(), hub.log()


async def _live(hub: HubChild) -> list[psutil.Process]:
    """The demo's life up to its end; gives its processes."""
    assert hub.process is not None
    async with Store(hub.settings().database_url) as store:
        async with asyncio.timeout(60):
            while True:
                async with store.read() as conn:
                    agents = await list_agents(conn)
                if sum(agent.online for agent in agents) >= 10:
                    break
                await asyncio.sleep(0.2)
        children: list[psutil.Process] = psutil.Process(hub.process.pid).children(recursive=True)
        assert len(children) >= 3
        drill = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "ignore", "-m", "hub", "drill", "run", "hazmat-rollover", "--credentials",
            str(hub.folder / "demo" / "agents.json"), "--speed", "400",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        out, _ = await asyncio.wait_for(drill.communicate(), 90)
        assert drill.returncode == 0, out.decode()
        async with store.read() as conn:
            drills = await list_incidents(conn, drill=True)
        assert all(one.title.startswith("【演练】") for one in drills)
        assert next(one for one in drills if "G204" in one.title).report_count >= 3
        await _day_is_filled_in(store)
    link = re.search(r"http://\S+/welcome/\S+", hub.log())
    assert link is not None
    async with aiohttp.ClientSession() as client, client.get(hub.url + "/healthz") as answer:
        assert answer.status == 200
    return children


async def _day_is_filled_in(store: Store) -> None:
    """Incidents in every state, staff on nearly every post, some daily reports filed and some not, groups with words in them; nothing real."""
    async with asyncio.timeout(60):
        while True:
            async with store.read() as conn:
                if await get_group(conn, packaged_day().groups[-1].id) is not None:
                    break
            await asyncio.sleep(0.2)
    async with store.read() as conn:
        incidents = await list_incidents(conn)
        posts = await list_posts(conn)
        on = await who_is_on_now(conn, posts, store.clock.now())
        filed = await filings_of_day(conn, store.clock.now().astimezone(ZoneInfo("Asia/Shanghai")).date().isoformat())
    assert {one.state for one in incidents} >= {"unverified", "verified", "closed", "false_alarm"}
    assert all("演" in one.title for one in incidents if one.title in {event.title for event in packaged_day().events})
    empty = [id for id, who in on.items() if not who.persons]
    assert set(empty) == set(packaged_day().unstaffed)
    assert {one.zero for one in filed.values()} == {True, False}


async def test_a_port_that_is_taken_is_named_with_what_to_do(tmp_path: Path) -> None:
    first = HubChild(tmp_path / "one")
    first.folder.mkdir()
    async with first:
        second = HubChild(tmp_path / "two")
        second.folder.mkdir()
        second.mqtt_port = first.mqtt_port
        await second.start(wait=False)
        assert second.process is not None
        assert await asyncio.wait_for(second.process.wait(), 30) == 2
        assert "--broker-port" in second.log()
        assert "Traceback" not in second.log()


@pytest.mark.parametrize(("started", "due"), [("09:00", ["17:00", "17:00"]), ("18:20", ["23:30", "17:00"]), ("23:40", ["23:59", "17:00"])])
async def test_a_demo_that_is_first_started_late_in_the_day_still_has_daily_reports_to_file_in_time(tmp_path: Path, started: str, due: list[str]) -> None:
    zone = ZoneInfo("Asia/Shanghai")
    clock = ManualClock(datetime.fromisoformat(f"2026-11-23T{started}:00").replace(tzinfo=zone))
    settings = Settings(data_dir=str(tmp_path), demo=True)
    async with Store(settings.database_url, clock) as store:
        for _ in range(2):  # what is there already is left alone
            await prepare(store, settings)
        await make_days(store, packaged_rules())
        async with store.read() as conn:
            owed = [await list_obligations(conn, kinds=["daily_report"], day=day, departments=["fire-rescue"]) for day in ("2026-11-23", "2026-11-24")]
    assert [f"{one.due_at.astimezone(zone):%H:%M}" for (one,) in owed] == due
    assert all(one.opens_at < clock.now() for one in owed[0])

"""Many agents, the living demo and the scripted drill against a real Mosquitto that knows each by its password."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from agents.credentials import Credentials, load_credentials
from agents.demo import Pace, live, zero_report
from agents.drill import MARK, check_drill, drills, load_drill, run_drill
from agents.scenes import everyday_report, load_scenes
from agents.settings import write_private
from agents.simulate import percentile, simulate
from hub import wire
from hub.clock import SystemClock
from hub.errors import Rejected
from hub.ids import new_id
from tests.support.credentials import credentials_file, mosquitto_accounts
from tests.support.fake_hub import FakeHub
from tests.support.mosquitto import Mosquitto
from tests.support.until import until

DEPARTMENTS = ["traffic-police", "fire-rescue", "meteorological-bureau", "ecology-bureau", "health-commission", "town-ganma", "emergency-bureau"]


@asynccontextmanager
async def a_district(folder: Path, agents: list[tuple[str, str, str]]) -> AsyncIterator[tuple[FakeHub, Credentials]]:
    lines = mosquitto_accounts(folder, [("hub", "hub-secret"), *((one, password) for one, password, _ in agents)])
    async with Mosquitto(lines) as broker, FakeHub(broker.port, username="hub", password="hub-secret") as hub:
        await until(hub.connected.is_set)
        yield hub, credentials_file(folder, broker.port, agents)


async def test_a_hundred_reports_of_many_agents_are_receipted_and_counted(tmp_path: Path) -> None:
    agents = [(f"plant-{n}", f"secret-{n}", "demo") for n in range(10)]
    async with a_district(tmp_path, agents) as (hub, credentials):
        result = await simulate(credentials, agents=10, rate=5.0, seconds=2.0)
        assert (result.lost, result.duplicates, result.rejected) == (0, 0, 0)
        assert result.receipted == result.filed == len(hub.rows)
        assert 90 <= result.filed <= 110
        assert 0 < result.p50_ms <= result.p99_ms
        assert all(message.drill for message in hub.messages.values() if isinstance(message, wire.Report))


async def test_a_simulation_with_too_few_credentials_says_so(tmp_path: Path) -> None:
    credentials = credentials_file(tmp_path, 1, [("a", "b", "c")])
    with pytest.raises(Rejected) as caught:
        await simulate(credentials, agents=2, rate=1, seconds=1)
    assert caught.value.code == "too_few_agents"


@pytest.mark.parametrize(("values", "percent", "expected"), [([1.0, 2.0, 3.0, 4.0], 50, 2.0), ([1.0, 2.0, 3.0, 4.0], 99, 4.0), ([7.0], 1, 7.0)])
def test_percentiles_are_by_nearest_rank(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == expected


async def test_the_drill_is_played_to_its_end_and_every_message_is_marked(tmp_path: Path) -> None:
    agents = [(f"agent-{department}", f"secret-{n}", department) for n, department in enumerate(DEPARTMENTS)]
    incident_id = new_id()
    told: list[str] = []
    async with a_district(tmp_path, agents) as (hub, credentials):
        hub.incident_of = lambda message: incident_id
        played = await run_drill(load_drill("hazmat-rollover"), credentials, speed=1200, tell=told.append)
        reports = [hub.messages[one] for one in hub.order]
        assert played.incident_id == incident_id and played.sent == len(told) == 10
        assert all(isinstance(one, wire.Report) and one.drill and (one.title or "").startswith(MARK) for one in reports)
        assert [one.kind for one in reports if isinstance(one, wire.Report)] == ["initial", *["follow_up"] * 6, "final"]
        assert {one.incident_id for one in reports if isinstance(one, wire.Report)} == {None, incident_id}
        assert hub.stored[reports[0].id][1] == "agent-traffic-police"
        await until(lambda: hub.blows("agent-meteorological-bureau") == 185)


async def test_a_drill_without_its_agents_is_refused_before_it_begins(tmp_path: Path) -> None:
    credentials = credentials_file(tmp_path, 1, [("a", "b", "culture-tourism")])
    with pytest.raises(Rejected) as caught:
        await run_drill(load_drill("hazmat-rollover"), credentials)
    assert caught.value.code == "no_agent"


def test_every_packaged_drill_can_be_played() -> None:
    assert "hazmat-rollover" in drills()
    for name in drills():
        drill = load_drill(name)
        assert drill.name == name and drill.source and drill.edition


@pytest.mark.parametrize("name", ["nothing", "../scenes", "hazmat-rollover.yaml"])
def test_an_unknown_drill_is_named(name: str) -> None:
    with pytest.raises(Rejected) as caught:
        load_drill(name)
    assert caught.value.code == "unknown_drill"


@pytest.mark.parametrize("spoil", [
    {"role": "nobody"}, {"at_s": -1}, {"report": None}, {"wind": {"from_deg": 1, "speed_mps": 1}}, {"report": {"colour": "red"}}, {"report": {"kind": "initial"}},
])
def test_a_script_that_could_not_be_played_is_refused(spoil: dict[str, object]) -> None:
    inject = {"at_s": 0, "role": "police", "zh": "x", "en": "x", "report": {"title": "x", "place": {"text": "y"}}} | spoil
    raw = {"name": "x", "zh": "x", "en": "x", "source": "x", "edition": "1", "valid_from": "2026-01-01", "roles": {"police": ["p"]}, "injects": [inject]}
    with pytest.raises(Rejected):
        check_drill(raw)


async def test_a_demo_agent_lives_by_itself(tmp_path: Path) -> None:
    agents = [("plant-1", "secret", "demo-plant")]
    stop = asyncio.Event()
    pace = Pace(report_minutes=0.002, follow_minutes=0.002, daily_template=None)
    async with a_district(tmp_path, agents) as (hub, credentials):
        hub.incident_of = lambda message: new_id()
        task = asyncio.create_task(live("plant-1", "demo-plant", credentials, tmp_path, pace=pace, stop=stop, wind=True, dice=random.Random(3)))
        await until(lambda: sum(isinstance(one, wire.Report) and one.kind is wire.ReportKind.FINAL for one in hub.messages.values()) >= 2, 20)
        assert hub.telemetry["plant-1"].wind is not None
        stop.set()
        async with asyncio.timeout(40):
            await task
        await until(lambda: not hub.presence["plant-1"].online)


def test_everyday_reports_pass_the_contract_and_enterprises_are_marked_as_demo() -> None:
    dice = random.Random(1)
    for _ in range(300):
        report = everyday_report(dice, SystemClock().now())
        assert wire.decode_report(wire.encode(report)) == report
        assert 34.6 < (report.place.lat or 0) < 35.2 and 118.7 < (report.place.lon or 0) < 119.4
    assert all("演示" in name for name in load_scenes().enterprises)


def test_a_zero_report_is_a_daily_report_of_nothing() -> None:
    daily = zero_report("emergency-bureau", "daily", SystemClock().now().date())
    assert wire.decode_daily(wire.encode(daily)) == daily and daily.zero


@pytest.mark.parametrize("text", ["{", "{}", '{"mqtt": {"host": "x", "port": 1}, "agents": []}'])
def test_a_wrong_file_of_credentials_is_refused(tmp_path: Path, text: str) -> None:
    path = write_private(tmp_path / "c.json", text)
    with pytest.raises(Rejected):
        load_credentials(path)


def test_a_file_of_credentials_that_others_can_read_is_refused(tmp_path: Path) -> None:
    credentials_file(tmp_path, 1, [("a", "b", "c")])
    (tmp_path / "credentials.json").chmod(0o644)
    with pytest.raises(Rejected) as caught:
        load_credentials(tmp_path / "credentials.json")
    assert caught.value.code == "secret_exposed"


def test_credentials_are_found_by_department_in_the_order_of_preference(tmp_path: Path) -> None:
    credentials = credentials_file(tmp_path, 1, [("a", "1", "x"), ("b", "2", "y")])
    assert (credentials.of_department("z", "y", "x") or credentials.agents[0]).agent_id == "b"
    assert credentials.of_department("z") is None
    assert msgspec.json.encode(credentials)


async def test_a_drill_plays_through_agents_that_are_running_already(tmp_path: Path) -> None:
    agents = [("plant-1", "secret", "emergency-bureau")]
    stop = asyncio.Event()
    quiet = Pace(report_minutes=1e6, daily_template=None)
    async with a_district(tmp_path, agents) as (hub, credentials):
        hub.incident_of = lambda message: "0" * 8 + "-0000-7000-8000-" + "0" * 12
        task = asyncio.create_task(live("plant-1", "emergency-bureau", credentials, tmp_path / "demo", pace=quiet, stop=stop, wind=True))
        await until(lambda: "plant-1" in hub.presence and hub.presence["plant-1"].online)
        played = await run_drill(load_drill("hazmat-rollover"), credentials, speed=1200, folder=tmp_path / "demo")
        assert len(played.receipts) == len(hub.rows) == 8
        await until(lambda: hub.blows("plant-1") == 185)
        assert hub.presence["plant-1"].online, "the drill did not push the running agent off the broker"
        stop.set()
        async with asyncio.timeout(40):
            await task

"""An agent against a real Mosquitto: whatever dies in between, what it accepted arrives once, and the ledger proves it."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from agents.outbox import Outbox, State
from agents.scenes import everyday_report
from agents.session import LinkState, Measures, Session
from agents.settings import AgentSettings
from hub import wire
from hub.clock import utc_text
from hub.ids import new_id
from tests.support.fake_hub import FakeHub
from tests.support.faulty_link import FaultyLink
from tests.support.ledger import Ledger
from tests.support.mosquitto import Mosquitto
from tests.support.until import until

DICE = random.Random(20261123)


def quick(port: int, agent_id: str = "plant-1", **more: object) -> AgentSettings:
    values: dict[str, object] = {
        "agent_id": agent_id, "mqtt_port": port, "password_file": None, "resend_after_s": 1.0, "ack_timeout_s": 3.0, "keepalive_s": 5,
        "reconnect_first_s": 0.05, "reconnect_longest_s": 0.5,
    }
    return AgentSettings(**(values | more))  # type: ignore[arg-type]


class Crew:
    """Sessions with a ledger beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger(folder / "ledger.jsonl")
        self.stack = AsyncExitStack()
        self.outboxes: list[Outbox] = []
        self._runs: list[tuple[Session, asyncio.Task[None]]] = []

    async def start(self, settings: AgentSettings, **more: object) -> Session:
        outbox = Outbox(self.folder / f"{settings.agent_id}.sqlite3")
        self.stack.enter_context(closing(outbox))
        self.outboxes.append(outbox)
        session = Session(settings, outbox, on_receipt=lambda receipt, _: self.ledger.receipted(receipt.id, receipt.status.value), **more)  # type: ignore[arg-type]
        self._runs.append((session, asyncio.create_task(session.run())))
        return session

    async def file(self, session: Session, count: int = 1, *, urgent: bool | None = None) -> list[wire.Report]:
        filed = []
        for _ in range(count):
            report = everyday_report(DICE, datetime.now(UTC))
            if urgent is not None:
                report = msgspec.structs.replace(report, urgent=urgent)
            self.ledger.offered(report.id, wire.content_hash(report))
            await session.file(report)
            self.ledger.accepted(report.id)
            filed.append(report)
        return filed

    async def drained(self, within_s: float = 90.0) -> None:
        await until(lambda: not sum(box.waiting().count for box in self.outboxes), within_s, "everything receipted")

    async def close(self) -> None:
        for session, _ in self._runs:
            session.stop()
        for _, run in self._runs:
            async with asyncio.timeout(40):
                await run
        self.ledger.close()
        await self.stack.aclose()


@asynccontextmanager
async def a_crew(folder: Path) -> AsyncIterator[Crew]:
    crew = Crew(folder)
    try:
        yield crew
    finally:
        await crew.close()


async def test_a_report_arrives_and_its_receipt_comes_back(tmp_path: Path) -> None:
    async with Mosquitto() as broker, FakeHub(broker.port) as hub, a_crew(tmp_path) as crew:
        await until(hub.connected.is_set)
        session = await crew.start(quick(broker.port))
        (report,) = await crew.file(session)
        receipt = await session.receipt(report.id, 10)
        assert receipt.status is wire.ReceiptStatus.STORED and receipt.receipt_no
        assert hub.messages[report.id] == report
        entry = crew.outboxes[0].get(report.id)
        assert entry is not None and entry.state is State.STORED and entry.receipt == receipt
        assert crew.ledger.check(hub.rows).is_clean


async def test_a_daily_report_takes_the_same_way(tmp_path: Path) -> None:
    async with Mosquitto() as broker, FakeHub(broker.port) as hub, a_crew(tmp_path) as crew:
        session = await crew.start(quick(broker.port))
        daily = wire.Daily(id=new_id(), department="emergency-bureau", template="daily", day=datetime.now(UTC).date(), zero=True)
        await session.file(daily)
        assert (await session.receipt(daily.id, 10)).status is wire.ReceiptStatus.STORED
        assert hub.messages[daily.id] == daily


async def test_presence_and_telemetry_tell_what_waits_and_the_will_says_when_it_is_gone(tmp_path: Path) -> None:
    wind = wire.Wind(from_deg=135, speed_mps=3, at=datetime.now(UTC))
    async with Mosquitto() as broker, FakeHub(broker.port) as hub, a_crew(tmp_path) as crew:
        await until(hub.connected.is_set)
        camera = wire.Camera(id="gate", health="online")
        session = await crew.start(quick(broker.port), measure=lambda: Measures(wind=wind, values={"gas_ppm": 2.0}), cameras=lambda: (camera,))
        await until(lambda: "plant-1" in hub.telemetry)
        assert hub.presence["plant-1"].online and hub.presence["plant-1"].cameras == (camera,)
        assert hub.telemetry["plant-1"].wind == wind and hub.telemetry["plant-1"].values["gas_ppm"] == 2.0
        session.stop()
        await until(lambda: not hub.presence["plant-1"].online)
        process = await start_child(tmp_path / "child", tmp_path / "ledger2", broker.port, "plant-2", 0)
        await until(lambda: hub.presence.get("plant-2", wire.Presence(online=False)).online)
        await kill(process)
        await until(lambda: not hub.presence["plant-2"].online, what="the last will")


async def test_urgent_reports_go_first_when_the_link_returns(tmp_path: Path) -> None:
    async with Mosquitto() as broker, FakeHub(broker.port) as hub, a_crew(tmp_path) as crew:
        await until(hub.connected.is_set)
        async with FaultyLink(broker.port) as link:
            link.cut()
            session = await crew.start(quick(link.port))
            calm = await crew.file(session, 200, urgent=False)
            urgent = await crew.file(session, 5, urgent=True)
            link.heal()
            await crew.drained()
            assert hub.order[:5] == [one.id for one in urgent]
            assert set(hub.order[5:]) == {one.id for one in calm}
            assert crew.ledger.check(hub.rows).is_clean


async def test_a_lost_receipt_is_asked_for_again_and_the_report_stands_once(tmp_path: Path) -> None:
    async with Mosquitto() as broker, FakeHub(broker.port) as hub, a_crew(tmp_path) as crew:
        await until(hub.connected.is_set)
        hub.silent = True
        session = await crew.start(quick(broker.port))
        (report,) = await crew.file(session)
        await until(lambda: hub.deliveries >= 2, what="a second delivery")
        hub.silent = False
        assert (await session.receipt(report.id, 10)).status is wire.ReceiptStatus.DUPLICATE
        assert crew.ledger.check(hub.rows).is_clean and len(hub.rows) == 1


async def test_a_hub_that_says_later_is_obeyed_and_then_served(tmp_path: Path) -> None:
    times: list[float] = []
    loop = asyncio.get_running_loop()

    def judge(agent_id: str, message: wire.Report | wire.Daily) -> wire.Receipt | None:
        times.append(loop.time())
        if len(times) > 1:
            return None
        return wire.Receipt(id=message.id, status=wire.ReceiptStatus.UNAVAILABLE, retry_after_s=2.0)

    async with Mosquitto() as broker, FakeHub(broker.port) as hub, a_crew(tmp_path) as crew:
        await until(hub.connected.is_set)
        hub.judge = judge
        session = await crew.start(quick(broker.port))
        await crew.file(session, urgent=False)
        await until(lambda: session.state().counts["deferrals"] == 1)
        await crew.file(session, urgent=False)
        await crew.drained()
        assert times[1] - times[0] >= 1.9
        assert len(hub.rows) == 2 and crew.ledger.check(hub.rows).is_clean


async def test_a_rejection_ends_the_resending_and_its_reason_is_kept(tmp_path: Path) -> None:
    async with Mosquitto() as broker, FakeHub(broker.port) as hub, a_crew(tmp_path) as crew:
        await until(hub.connected.is_set)
        hub.judge = lambda agent_id, message: wire.Receipt(
            id=message.id, status=wire.ReceiptStatus.REJECTED, reason="outside_district", field="place", message="不在本区 / outside"
        )
        session = await crew.start(quick(broker.port))
        (report,) = await crew.file(session)
        receipt = await session.receipt(report.id, 10)
        assert (receipt.reason, receipt.field) == ("outside_district", "place")
        assert crew.outboxes[0].waiting().count == 0
        assert crew.ledger.check(hub.rows).is_clean and not hub.rows


async def test_nonsense_from_above_is_counted_and_harms_nothing(tmp_path: Path) -> None:
    async with Mosquitto() as broker, FakeHub(broker.port) as hub, a_crew(tmp_path) as crew:
        await until(hub.connected.is_set)
        session = await crew.start(quick(broker.port))
        await until(session.connected.is_set)
        for what, payload in (("receipt", b"\xff"), ("receipt", b"[]"), ("command", b"{}"), ("other", b"x"), ("receipt", b'{"id":"x","status":"stored"}')):
            hub.raw("plant-1", what, payload)
        await until(lambda: session.state().counts.get("malformed_down") == 3)
        (report,) = await crew.file(session)
        await session.receipt(report.id, 10)


async def test_a_wrong_clock_is_measured_and_reported(tmp_path: Path) -> None:
    def judge(agent_id: str, message: wire.Report | wire.Daily) -> wire.Receipt:
        hub_now = datetime.now(UTC) - timedelta(hours=24)
        return wire.Receipt(id=message.id, status=wire.ReceiptStatus.STORED, stored_at=utc_text(hub_now))

    async with Mosquitto() as broker, FakeHub(broker.port) as hub, a_crew(tmp_path) as crew:
        await until(hub.connected.is_set)
        hub.judge = judge
        session = await crew.start(quick(broker.port, telemetry_every_s=0.1))
        (report,) = await crew.file(session)
        await session.receipt(report.id, 10)
        await until(lambda: "plant-1" in hub.telemetry and hub.telemetry["plant-1"].skew_ms is not None)
        assert hub.telemetry["plant-1"].skew_ms == pytest.approx(86_400_000, abs=2000)
        assert hub.telemetry["plant-1"].rtt_ms is not None


async def test_the_hub_can_ask_for_everything_again_after_it_lost_a_day(tmp_path: Path) -> None:
    async with Mosquitto() as broker, FakeHub(broker.port) as hub, a_crew(tmp_path) as crew:
        await until(hub.connected.is_set)
        began = datetime.now(UTC) - timedelta(seconds=1)
        session = await crew.start(quick(broker.port))
        await crew.file(session, 10)
        await crew.drained()
        hub.stored.clear()
        hub.rows.clear()
        command = wire.Command(id=new_id(), kind=wire.CommandKind.RESEND, at=datetime.now(UTC), body={"after": utc_text(began)})
        for _ in range(2):  # delivered twice, obeyed once
            hub.command("plant-1", command)
        await until(lambda: len(hub.rows) == 10)
        await crew.drained()
        assert session.state().counts["commands"] == 1
        assert crew.ledger.check(hub.rows).is_clean


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(5000)])])
async def test_a_broker_killed_under_load_loses_nothing_and_all_agents_come_back(tmp_path: Path, kills: int) -> None:
    async with Mosquitto() as broker, FakeHub(broker.port) as hub, a_crew(tmp_path) as crew:
        await until(hub.connected.is_set)
        sessions = [await crew.start(quick(broker.port, f"plant-{n}")) for n in range(12)]
        for session in sessions:
            await until(session.connected.is_set)
        for n in range(kills):
            filing = [asyncio.create_task(crew.file(session, 10)) for session in sessions]
            await until(lambda n=n: len(hub.rows) >= 120 * n + 20, what="reports on their way")  # type: ignore[misc]
            await broker.kill()
            await asyncio.gather(*filing)
            await broker.start()
            for session in sessions:
                await until(session.connected.is_set, 30, "every agent back")
            await crew.drained()
        findings = crew.ledger.check(hub.rows)
        assert findings.is_clean, str(findings)
        assert len(hub.rows) == 120 * kills


Fault = Callable[[FaultyLink], None]


def cut_and_heal(link: FaultyLink) -> None:
    link.cut()
    asyncio.get_running_loop().call_later(0.3, link.heal)


def fall_silent(link: FaultyLink) -> None:
    link.half_open()


@pytest.mark.parametrize("rounds", [5, pytest.param(200, marks=[pytest.mark.soak, pytest.mark.timeout(3000)])])
@pytest.mark.parametrize("fault", [cut_and_heal, FaultyLink.reset, fall_silent], ids=["cut", "reset", "half-open"])
async def test_a_link_that_fails_again_and_again_loses_nothing(tmp_path: Path, fault: Fault, rounds: int) -> None:
    async with Mosquitto() as broker, FakeHub(broker.port) as hub, a_crew(tmp_path) as crew, FaultyLink(broker.port) as link:
        await until(hub.connected.is_set)
        link.latency_s = 0.02
        session = await crew.start(quick(link.port, ack_timeout_s=1.0))
        for _ in range(2 * rounds // 5 if fault is fall_silent else rounds):
            await until(session.connected.is_set, 20)
            await crew.file(session, 15)
            fault(link)
            if fault is fall_silent:
                await until(lambda: not session.connected.is_set(), 20, "the silence is noticed")
                link.heal()
        await crew.drained()
        findings = crew.ledger.check(hub.rows)
        assert findings.is_clean, str(findings)
        assert session.state().counts["connections"] >= 2


@pytest.mark.parametrize("count", [60, pytest.param(3_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
async def test_a_slow_jittery_sliced_link_delivers_everything(tmp_path: Path, count: int) -> None:
    async with Mosquitto() as broker, FakeHub(broker.port) as hub, a_crew(tmp_path) as crew:
        await until(hub.connected.is_set)
        async with FaultyLink(broker.port, latency_s=0.1, jitter_s=0.1, bandwidth_bps=50_000, slice_bytes=173) as link:
            session = await crew.start(quick(link.port, resend_after_s=8.0))
            await crew.file(session, count)
            await crew.drained(within_s=max(30.0, count / 4))
            findings = crew.ledger.check(hub.rows)
            assert findings.is_clean, str(findings)


async def start_child(folder: Path, ledger: Path, port: int, agent_id: str, rate: float) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.agent_child", str(folder), str(ledger), str(port), agent_id, str(rate),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        assert await process.stdout.readline() == b"up\n"
    return process


async def kill(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGKILL)
    await process.wait()


@pytest.mark.parametrize("kills", [6, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(1200)])])
async def test_an_agent_killed_at_random_moments_loses_nothing_it_accepted(tmp_path: Path, kills: int) -> None:
    dice = random.Random(4711)
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        async with Mosquitto() as broker, FakeHub(broker.port) as hub:
            await until(hub.connected.is_set)
            for n in range(kills):
                process = await start_child(tmp_path / "agent", ledger.path, broker.port, "plant-1", 200)
                await asyncio.sleep(dice.uniform(0.0, 0.5))  # the moment of the kill is the experiment, not a wait
                await kill(process)
                if n % 3 == 2:
                    hub.silent = not hub.silent
            hub.silent = False
            process = await start_child(tmp_path / "agent", ledger.path, broker.port, "plant-1", 0)
            with closing(Outbox(tmp_path / "agent" / "outbox.sqlite3")) as outbox:
                await until(lambda: outbox.waiting().count == 0, 30, "the last run drains")
                in_box = {one for one, _, _ in outbox.accepted()}
            await kill(process)
            findings = ledger.check(hub.rows)
            assert findings.is_clean, str(findings)
            assert set(ledger.ids("accepted")) <= in_box
            assert len(ledger.ids("accepted")) >= kills


async def test_wrong_credentials_are_told_and_tried_again_until_they_work(tmp_path: Path) -> None:
    states: list[LinkState] = []
    passwords = tmp_path / "passwords"
    passwords.touch()
    async with Mosquitto(("allow_anonymous false", f"password_file {passwords}")) as broker, a_crew(tmp_path) as crew:
        session = await crew.start(quick(broker.port), password="wrong", on_state=states.append)
        await until(lambda: session.counts["connection_attempts"] >= 3)
        assert not session.connected.is_set()
        assert any("Not authorized" in (state.error or "") and "--replace" in (state.error or "") for state in states)


async def test_stopping_while_the_broker_is_away_is_quick_and_keeps_everything(tmp_path: Path) -> None:
    async with a_crew(tmp_path) as crew:
        async with Mosquitto() as broker:
            port = broker.port
        session = await crew.start(quick(port))
        await crew.file(session, 5)
        await until(lambda: session.counts["connection_attempts"] >= 1)
        session.stop()
    with closing(Outbox(tmp_path / "plant-1.sqlite3")) as outbox:
        assert outbox.waiting().count == 5


@pytest.mark.parametrize("count", [1_000, pytest.param(100_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
async def test_a_long_time_alone_is_made_good_urgent_first(tmp_path: Path, count: int) -> None:
    async with Mosquitto() as broker, FakeHub(broker.port) as hub, a_crew(tmp_path) as crew:
        await until(hub.connected.is_set)
        async with FaultyLink(broker.port) as link:
            link.cut()
            session = await crew.start(quick(link.port, resend_after_s=20.0))
            await crew.file(session, count - 3, urgent=False)
            urgent = await crew.file(session, 3, urgent=True)
            assert crew.outboxes[0].waiting().count == count
            link.heal()
            await crew.drained(within_s=max(30.0, count / 200))
            findings = crew.ledger.check(hub.rows)
            assert findings.is_clean, str(findings)
            assert hub.order[:3] == [one.id for one in urgent]
            assert hub.deliveries == count


async def test_a_camera_that_changes_is_told_without_waiting_for_the_next_round(tmp_path: Path) -> None:
    cameras = [wire.Camera(id="gate", health="online")]
    async with Mosquitto() as broker, FakeHub(broker.port) as hub, a_crew(tmp_path) as crew:
        await until(hub.connected.is_set)
        session = await crew.start(quick(broker.port), cameras=lambda: tuple(cameras))
        await until(lambda: "plant-1" in hub.presence and hub.presence["plant-1"].online)
        cameras[0] = wire.Camera(id="gate", health="black")
        session.presence_changed()
        await until(lambda: hub.presence["plant-1"].cameras[0].health == "black", 5)


async def test_a_disk_that_takes_nothing_does_not_hold_back_what_is_on_it(tmp_path: Path) -> None:
    async with Mosquitto() as broker, FakeHub(broker.port) as hub:
        await until(hub.connected.is_set)
        with Ledger(tmp_path / "ledger.jsonl") as ledger, closing(Outbox(tmp_path / "outbox.sqlite3", lock_wait_s=0.02)) as outbox:
            for _ in range(200):
                report = everyday_report(DICE, datetime.now(UTC))
                ledger.offered(report.id, wire.content_hash(report))
                outbox.accept(report)
                ledger.accepted(report.id)
            outbox.take(50)  # a former run sent these and died
            with closing(sqlite3.connect(outbox.path, isolation_level=None)) as blocker:
                blocker.execute("BEGIN IMMEDIATE")  # no write succeeds from here on, as on a full disk
                session = Session(quick(broker.port), outbox)
                run = asyncio.create_task(session.run())
                await until(session.connected.is_set)
                hub.command("plant-1", wire.Command(id=new_id(), kind=wire.CommandKind.RESEND, at=datetime.now(UTC)))
                await until(lambda: len(hub.rows) == 200, 20, "everything sent without a mark")
                assert session.counts["outbox_errors"] >= 1
                assert session.counts["commands"] == 1
                assert outbox.waiting().count == 200
                blocker.execute("ROLLBACK")
            await until(lambda: outbox.waiting().count == 0, what="receipts written down when the disk is back")
            session.stop()
            await run
            findings = ledger.check(hub.rows)
            assert findings.is_clean, str(findings)

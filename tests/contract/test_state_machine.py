"""Exactly once in the store: Hypothesis delivers, repeats, reorders, loses receipts and restarts; a model that knows no hub code agrees.

Row 3 of the promises: no time window, a unique key for ever, the same id with other content refused and on record, follow-ups that come
before their incident stored once it is there.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from hub import wire
from hub.clock import ManualClock
from hub.domain.change import GENESIS, link_hash
from hub.domain.report import Channel
from hub.ingest.intake import Intake, Item
from hub.ingest.registry import Registry
from hub.respond.reactor import Runner
from hub.respond.waiting import Waiting
from hub.store import Store
from hub.store.agents import put_agent
from tests.support.district import NOW
from tests.support.ledger import Ledger
from tests.support.postgres import Postgres
from tests.support.reports import report
from tests.support.stores import fresh_postgres, fresh_sqlite

T = TypeVar("T")
AGENT = "field-1"


class Model:
    """What must be in the store, by the receipts alone: the first content of each id, the incident of each follow-up."""

    def __init__(self) -> None:
        self.first: dict[str, str] = {}
        self.conflicts = 0

    def settled(self, sent: dict[str, Any], status: str, reason: str | None, coming: set[str]) -> None:
        """A message was answered, in the order of delivery. A follow-up delivered together with its incident (`coming`) may wait or be stored."""
        id, content = sent["id"], json.dumps(sent, sort_keys=True)
        incident = sent.get("incident_id")
        if id in self.first:
            if self.first[id] == content:
                assert status == "duplicate", "the same again is a duplicate, for ever"
            else:
                assert (status, reason) == ("rejected", "id_conflict"), "other content under a known id is refused"
                self.conflicts += 1
        elif incident is not None and incident not in self.first and (status != "stored" or incident not in coming):
            assert (status, reason) == ("rejected", "unknown_incident")
        else:
            assert status == "stored", f"a new report is stored, not {status} {reason}"
            self.first[id] = content

    def released(self, sent: list[dict[str, Any]]) -> None:
        """What waited for an incident that has come is stored too: the earliest content under each id."""
        for one in sent:
            if one["id"] not in self.first and one["incident_id"] in self.first:
                self.first[one["id"]] = json.dumps(one, sort_keys=True)


class Deliveries(RuleBasedStateMachine):
    """One agent, one hub, and everything between them that can go wrong."""

    def __init__(self, new_url: Callable[[], str]) -> None:
        super().__init__()
        self.url = new_url()
        self.folder = Path(tempfile.mkdtemp(prefix="tocsin-machine-"))
        self.ledger = Ledger(self.folder / "ledger")
        self.runner = asyncio.Runner()
        self.model = Model()
        self.sent: list[dict[str, Any]] = []
        self.awaiting: list[dict[str, Any]] = []
        self.clock = ManualClock(NOW)

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(what)

    @initialize()
    def start(self) -> None:
        self.run(self._open(fresh=True))

    async def _open(self, *, fresh: bool = False) -> None:
        self.store = Store(self.url, self.clock)
        await self.store.__aenter__()
        if fresh:
            async with self.store.transaction() as tx:
                await put_agent(tx, agent_id=AGENT, name=AGENT, kind="field", department_id="traffic-police", secret="x")
        registry = Registry(self.store)
        await registry.load()
        source = registry.source(AGENT)
        assert source is not None
        self.source = source
        self.intake = Intake(self.store, quota_per_minute=1_000_000, batch=7)
        self.waiting = Runner(self.store, Waiting(self.intake, registry), owner="machine")

    # ---- what the agent does

    def _write(self, fields: dict[str, Any]) -> None:
        self.sent.append(fields)
        self.ledger.offered(fields["id"], wire.content_hash(wire.decode_report(json.dumps(fields).encode())))

    @rule(count=st.integers(1, 4))
    def write_first_reports(self, count: int) -> None:
        for _ in range(count):
            self._write(report())

    @rule(which=st.integers(0))
    def write_a_follow_up(self, which: int) -> None:
        firsts = [one for one in self.sent if one["kind"] == "initial"]
        if firsts:
            self._write(report(kind="follow_up", incident_id=firsts[which % len(firsts)]["id"], text=f"续 {len(self.sent)}"))

    @rule(which=st.integers(0))
    def write_other_content_under_a_known_id(self, which: int) -> None:
        if self.sent:
            self._write({**self.sent[which % len(self.sent)], "title": f"别的内容 {len(self.sent)}"})

    # ---- what the line does

    @rule(order=st.lists(st.integers(0), min_size=1, max_size=12), lost=st.booleans())
    def deliver_in_any_order_any_number_of_times(self, order: list[int], lost: bool) -> None:
        if self.sent:
            self._deliver([self.sent[n % len(self.sent)] for n in order], lost=lost)

    @rule(order=st.lists(st.integers(0), min_size=1, max_size=5))
    def arrive_and_be_lost_with_the_process(self, order: list[int]) -> None:
        """Queued in memory, not yet stored: no receipt was given, so nothing was promised."""
        for n in order:
            if self.sent:
                self.intake.arrive("report", json.dumps(self.sent[n % len(self.sent)]).encode(), self.source, Channel.MQTT, lambda item: None)
        self.restart()

    @rule()
    def restart(self) -> None:
        self.run(self.store.__aexit__(None, None, None))
        self.run(self._open())

    @rule()
    def release_what_waited(self) -> None:
        self.run(self._release())
        self.model.released(self.awaiting)

    def _deliver(self, messages: list[dict[str, Any]], *, lost: bool = False) -> None:
        """Hand messages in; the receipts reach the agent, or are lost on the way (the model sees them all)."""
        coming = {message["id"] for message in messages if message["kind"] == "initial"}
        for message, receipt in self.run(self._answers(messages)):
            self.model.settled(message, receipt.status.value, receipt.reason, coming)
            if receipt.reason == "unknown_incident":
                self.awaiting.append(message)
            if not lost:
                self.ledger.receipted(message["id"], receipt.status.value)

    async def _answers(self, messages: list[dict[str, Any]]) -> list[tuple[dict[str, Any], wire.Receipt]]:
        answers: list[tuple[dict[str, Any], wire.Receipt]] = []
        for message in messages:
            def settle(item: Item, message: dict[str, Any] = message) -> None:
                assert item.receipt is not None
                answers.append((message, item.receipt))

            self.intake.arrive("report", json.dumps(message).encode(), self.source, Channel.MQTT, settle)
        await self.intake.drain()
        assert len(answers) == len(messages), "every message is answered once"
        return answers

    async def _release(self) -> None:
        while await self.waiting.step():
            pass

    # ---- what must hold at every moment

    @invariant()
    def the_store_is_what_was_receipted(self) -> None:
        if not hasattr(self, "store"):
            return
        stored, audited = self.run(self._stored())
        findings = self.ledger.check(stored, drained=False)
        assert findings.is_clean, str(findings)
        assert set(self.model.first) == {row[0] for row in stored}
        assert audited == len(stored), "each report is on record once"

    async def _stored(self) -> tuple[list[tuple[str, str]], int]:
        async with self.store.read() as conn:
            stored = [(row[0], row[1]) for row in await conn.execute(text("SELECT id, content_hash FROM report"))]
            audited = (await conn.execute(text("SELECT count(DISTINCT subject) FROM change WHERE kind = 'report.received'"))).scalar_one()
            assert (await conn.execute(text("SELECT count(*) FROM change WHERE kind = 'report.received'"))).scalar_one() == audited
        return stored, int(audited)

    def teardown(self) -> None:
        try:
            if hasattr(self, "store"):
                self._end()
        finally:
            self.ledger.close()
            self.runner.close()
            shutil.rmtree(self.folder)

    def _end(self) -> None:
        """The agent goes on until it has a receipt for everything; then the two accounts must be one."""
        for message in self.sent:
            self.ledger.accepted(message["id"])
        self._deliver(self.sent)
        self.release_what_waited()
        findings = self.ledger.check(self.run(self._stored())[0])
        assert findings.is_clean, str(findings)
        self.run(self._whole())
        self.run(self.store.__aexit__(None, None, None))

    async def _whole(self) -> None:
        async with self.store.read() as conn:
            reports = (await conn.execute(text("SELECT incident_id, number, receipt_no FROM report"))).all()
            incidents = (await conn.execute(text("SELECT id, view FROM incident"))).all()
            links = (await conn.execute(text("SELECT * FROM change ORDER BY seq"))).all()
            refused = (await conn.execute(text("SELECT count(*) FROM change WHERE kind = 'message.quarantined'"))).scalar_one()
        counts = Counter(row.incident_id for row in reports)
        assert {row.id: json.loads(row.view)["report_count"] for row in incidents} == counts
        assert len({row.receipt_no for row in reports}) == len(reports)
        assert len({(row.incident_id, row.number) for row in reports}) == len(reports)
        assert refused >= bool(self.model.conflicts)
        previous = GENESIS
        for n, row in enumerate(links, 1):
            assert (row.seq, row.prev_hash) == (n, previous)
            previous = link_hash(previous, row.seq, row.kind, row.at, row.actor, row.subject, row.incident_id, row.department_id,
                                 bool(row.drill), row.body_sha256)
            assert row.hash == previous


_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def machine(new_url: Callable[[], str], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        lambda: Deliveries(new_url),  # type: ignore[arg-type] # a factory is documented as well
        settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=_QUIET))


@pytest.fixture
def sqlite_urls(tmp_path: Path) -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: fresh_sqlite(tmp_path / f"{next(numbers)}.db")


def test_exactly_once_on_sqlite(sqlite_urls: Callable[[], str]) -> None:
    machine(sqlite_urls, 30, 20)


def test_exactly_once_on_postgresql(postgres_server: Postgres) -> None:
    machine(lambda: fresh_postgres(postgres_server), 4, 15)


@pytest.mark.soak
@pytest.mark.timeout(5_000)
def test_exactly_once_at_length(sqlite_urls: Callable[[], str]) -> None:
    machine(sqlite_urls, 2_000, 60)

"""Batches that are drafted while the one before is written: what is stored is what would be stored one by one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from hub.domain.report import Channel
from hub.errors import Unavailable
from hub.ingest.intake import MOST_BRIEF, Intake
from hub.store import Store, changes_after
from hub.store.reports import list_incidents
from tests.support.reports import AGENT, raw, report

BATCH, BATCHES = 5, 6


@pytest.fixture
def intake(store: Store) -> Intake:
    return Intake(store, batch=BATCH, quota_per_minute=100_000)


async def drained(intake: Intake, payloads: list[bytes]) -> list[Any]:
    """Let the messages arrive at once, and run the intake until each has its receipt."""
    receipts: list[Any] = []
    done = asyncio.Event()

    def settle(item: Any) -> None:
        receipts.append(item.receipt)
        if len(receipts) == len(payloads):
            done.set()

    for payload in payloads:
        intake.arrive("report", payload, AGENT, Channel.MQTT, settle)
    running = asyncio.create_task(intake.run())
    async with asyncio.timeout(60):
        await done.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await intake.drain()
    return receipts


async def test_numbers_follow_one_another_across_batches(store: Store, intake: Intake) -> None:
    receipts = await drained(intake, [raw() for _ in range(BATCH * BATCHES)])
    numbers = range(1, BATCH * BATCHES + 1)
    assert [r.receipt_no for r in receipts] == [f"20261123-{n:06d}" for n in numbers]
    async with store.read() as conn:
        incidents = await list_incidents(conn, limit=200)
        changes = await changes_after(conn, 0, limit=500)
    assert sorted(i.no for i in incidents) == [f"2026-{n:06d}" for n in numbers]
    opened = {c.incident_id: json.loads(bytes(c.body))["incident"] for c in changes if c.kind == "incident.opened"}
    assert {i.id: (i.number, i.no) for i in incidents} == {id: (body["number"], body["no"]) for id, body in opened.items()}
    assert [c.seq for c in changes] == list(range(1, 2 * len(numbers) + 1))


async def test_a_draft_whose_numbers_were_given_to_another_is_decided_anew(store: Store, intake: Intake) -> None:
    sent = [raw() for _ in range(BATCH)]
    again = [*sent, *(raw() for _ in range(BATCH * BATCHES))]  # the first ones are duplicates by then, and take no number
    first = await drained(intake, sent)
    async with store.transaction() as tx:
        await tx.numbers({"incident": 7, "receipt:20261123": 3})  # another process was here
    receipts = await drained(intake, again)
    assert [r.status for r in receipts] == ["duplicate"] * BATCH + ["stored"] * BATCH * BATCHES
    assert [r.receipt_no for r in receipts[:BATCH]] == [r.receipt_no for r in first]
    stored = range(BATCH + 3 + 1, BATCH + 3 + 1 + BATCH * BATCHES)
    assert [r.receipt_no for r in receipts[BATCH:]] == [f"20261123-{n:06d}" for n in stored]
    async with store.read() as conn:
        incidents = await list_incidents(conn, limit=200)
    assert len({i.number for i in incidents}) == len(incidents) == BATCH * (BATCHES + 1)
    assert max(i.number for i in incidents) == BATCH + 7 + BATCH * BATCHES


async def test_further_reports_between_drafted_ones_change_the_incident_that_they_name(store: Store, intake: Intake) -> None:
    opening = [report() for _ in range(BATCH * 3)]
    further = [report(kind="follow_up", incident_id=one["id"], casualties={"injured": n}) for n, one in enumerate(opening)]
    mixed = [json.dumps(one).encode() for pair in zip(opening, further, strict=True) for one in pair]
    receipts = await drained(intake, mixed)
    assert {str(r.status) for r in receipts} == {"stored"}
    async with store.read() as conn:
        incidents = {i.id: i for i in await list_incidents(conn, limit=200)}
    assert [incidents[one["id"]].casualties.injured for one in opening] == list(range(len(opening)))
    assert {i.report_count for i in incidents.values()} == {2}


async def test_a_batch_written_beside_the_loop_is_committed_there_and_its_receipts_name_the_changes(store: Store) -> None:
    size = 2 * MOST_BRIEF
    receipts = await drained(Intake(store, batch=size, quota_per_minute=100_000), [raw() for _ in range(size * 3)])
    async with store.read() as conn:
        changes = await changes_after(conn, 0, limit=10 * size)
    received = {c.seq: c.subject for c in changes if c.kind == "report.received"}
    assert [received[r.seq] for r in receipts] == [f"report:{r.id}" for r in receipts]
    assert len(received) == size * 3


async def test_receipts_do_not_wait_for_a_batch_that_cannot_be_stored(store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    real, begun = store.transaction, 0

    def failing(**how: Any) -> Any:
        nonlocal begun
        begun += 1
        if begun == 2:
            raise Unavailable("store_unavailable", "数据库暂时不可用", "the store is not available")
        return real(**how)

    monkeypatch.setattr(store, "transaction", failing)
    receipts = await drained(intake, [raw() for _ in range(BATCH * 3)])
    assert [str(r.status) for r in receipts] == ["stored"] * BATCH + ["unavailable"] * BATCH + ["stored"] * BATCH

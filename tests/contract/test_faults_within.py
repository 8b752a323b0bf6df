"""A message on which the hub itself fails is put aside and named; everybody else's is stored, and the hub goes on. On both stores."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select

from hub.clock import ManualClock
from hub.domain.report import Channel, report_view
from hub.ingest import intake as under_test
from hub.ingest.intake import Intake
from hub.ingest.presence import Presences
from hub.store import Store, Transaction
from hub.store import quarantine as quarantine_store
from hub.store.schema import quarantine, report
from hub.wire import Receipt, ReceiptStatus
from tests.support.reports import TRUSTED, raw

POISON = "毒"


@pytest.fixture
async def intake(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Intake]:
    """An intake that has a bug: it cannot store a report with this title."""
    def fails(message: Any, **of: Any) -> Any:
        if message.title == POISON:
            raise ZeroDivisionError("a bug")
        return report_view(message, **of)

    monkeypatch.setattr(under_test, "report_view", fails)
    intake = Intake(store, batch=10)
    running = asyncio.create_task(intake.run())
    yield intake
    assert not running.done(), "the hub goes on"
    running.cancel()


async def sent(intake: Intake, *titles: str) -> list[Receipt]:
    return await asyncio.gather(*(intake.submit("report", raw(title=title), TRUSTED, Channel.MQTT) for title in titles))


async def test_what_the_hub_fails_on_is_put_aside_and_the_rest_of_its_batch_is_stored(store: Store, intake: Intake, caplog: pytest.LogCaptureFixture) -> None:
    for titles in (("一", POISON, "二"), tuple(f"{n}" if n % 9 else POISON for n in range(60)), (POISON,)):
        with caplog.at_level(logging.ERROR):
            receipts = await sent(intake, *titles)
        for title, receipt in zip(titles, receipts, strict=True):
            assert (receipt.status, receipt.reason) == ((ReceiptStatus.REJECTED, "hub_fault") if title == POISON else (ReceiptStatus.STORED, None))
    assert "ZeroDivisionError" in caplog.text
    async with store.read() as conn:
        kept = (await conn.execute(select(quarantine.c.reason))).scalars().all()
        stored = (await conn.execute(select(report.c.receipt_no).order_by(report.c.receipt_no))).scalars().all()
    assert set(kept) == {"hub_fault"} and len(kept) == 1 + 7 + 1
    assert len(set(stored)) == len(stored) == 2 + 53


async def test_what_not_even_quarantine_takes_is_told_and_stops_nothing(store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(tx: Transaction, refused: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(quarantine_store, "put", fails)
    receipts = await sent(intake, "一", POISON, "二")
    assert [(r.status, r.reason) for r in receipts] == [
        (ReceiptStatus.STORED, None), (ReceiptStatus.UNAVAILABLE, "hub_fault"), (ReceiptStatus.STORED, None)]


async def test_a_bug_of_decoding_is_named_too(store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*of: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(under_test, "judge", fails)
    (receipt,) = await sent(intake, "一")
    assert (receipt.status, receipt.reason) == (ReceiptStatus.REJECTED, "hub_fault")


async def test_a_word_of_an_agent_that_cannot_be_kept_costs_no_other(store: Store, clock: ManualClock) -> None:
    kept, presences = [], Presences(store)

    async def note(tx: Transaction, agent_id: str, said: Any) -> None:
        if agent_id == "bad":
            raise ZeroDivisionError("a bug")
        kept.append(agent_id)

    await presences._write([(note, "a", None), (note, "bad", None), (note, "b", None)])
    assert kept[-2:] == ["a", "b"]

"""The intake on both databases: what becomes of a message, and that nothing is stored twice or lost."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from hub.clock import ManualClock
from hub.domain.change import GENESIS, link_hash
from hub.domain.report import Channel, limits
from hub.ingest.intake import Intake, Source
from hub.store import Store, changes_after
from hub.store.quarantine import list_quarantine, release, waiting_count
from hub.store.reports import get_incident, get_report, list_incidents
from hub.wire import ReceiptStatus
from tests.support.reports import AGENT, TRUSTED, file, raw, report

FLOODING = Source("agent:f1", agent_id="f1", department_id="fire-rescue", quota_per_minute=100_000)


@pytest.fixture
def intake(store: Store) -> Intake:
    return Intake(store)


async def test_a_report_is_stored_with_its_incident_its_changes_and_a_receipt(store: Store, intake: Intake) -> None:
    sent = report(casualties={"dead": 3}, hazmat=[{"un": "1005", "hin": "268"}])
    receipt = await file(intake, json.dumps(sent).encode())
    assert (receipt.status, receipt.receipt_no, receipt.incident_id) == (ReceiptStatus.STORED, "20261123-000001", sent["id"])
    async with store.read() as conn:
        changes = await changes_after(conn, 0)
        incident = await get_incident(conn, sent["id"])
    assert [c.kind for c in changes] == ["report.received", "incident.opened"]
    assert receipt.seq == changes[0].seq
    assert incident is not None
    assert (incident.state, incident.no, incident.grade_suggested.grade) == ("unverified", "2026-000001", "serious")  # type: ignore[union-attr]


async def test_the_same_report_again_is_a_duplicate_with_the_first_receipt(intake: Intake) -> None:
    sent = raw()
    first, second = await file(intake, sent), await file(intake, sent)
    assert second.status is ReceiptStatus.DUPLICATE
    assert (second.receipt_no, second.incident_id, second.seq) == (first.receipt_no, first.incident_id, first.seq) or second.seq is None


async def test_the_same_content_written_otherwise_is_the_same_report(intake: Intake) -> None:
    sent = report()
    await file(intake, json.dumps(sent).encode())
    again = await file(intake, json.dumps(dict(reversed(sent.items())), indent=3, ensure_ascii=False).encode())
    assert again.status is ReceiptStatus.DUPLICATE


async def test_the_same_id_with_other_content_is_refused_kept_and_on_record(store: Store, intake: Intake) -> None:
    sent = report()
    await file(intake, json.dumps(sent).encode())
    receipt = await file(intake, json.dumps({**sent, "title": "别的"}).encode())
    assert (receipt.status, receipt.reason) == (ReceiptStatus.REJECTED, "id_conflict")
    async with store.read() as conn:
        kept = await list_quarantine(conn)
        changes = await changes_after(conn, 0)
    assert [row.reason for row in kept] == ["id_conflict"]
    assert changes[-1].kind == "message.quarantined"


async def test_copies_within_one_batch_fold(store: Store, intake: Intake) -> None:
    receipts: list[Any] = []
    sent, other = raw(), raw()
    from hub.domain.report import Channel

    for payload in (sent, other, sent):
        intake.arrive("report", payload, AGENT, Channel.MQTT, lambda item: receipts.append(item.receipt))
    await intake.drain()
    assert sorted(r.status for r in receipts) == ["duplicate", "stored", "stored"]
    async with store.read() as conn:
        assert len(await list_incidents(conn)) == 2


async def test_a_follow_up_changes_its_incident_and_may_name_it_by_any_of_its_reports(store: Store, intake: Intake) -> None:
    first = report()
    await file(intake, json.dumps(first).encode())
    second = report(kind="follow_up", incident_id=first["id"], casualties={"dead": 10})
    await file(intake, json.dumps(second).encode())
    receipt = await file(intake, raw(kind="final", incident_id=second["id"], casualties={"dead": 9}))
    assert receipt.incident_id == first["id"]
    async with store.read() as conn:
        incident = await get_incident(conn, first["id"])
    assert incident is not None
    assert (incident.report_count, incident.casualties.dead, incident.grade_suggested.grade) == (3, 9, "serious")  # type: ignore[union-attr]


async def test_an_initial_report_and_its_follow_up_in_one_batch_are_stored_together(store: Store, intake: Intake) -> None:
    from hub.domain.report import Channel

    first = report()
    for payload in (first, report(kind="follow_up", incident_id=first["id"], casualties={"dead": 1})):
        intake.arrive("report", json.dumps(payload).encode(), AGENT, Channel.MQTT, lambda item: None)
    await intake.drain()
    assert intake.counts["stored"] + intake.counts["rejected"] == 2
    async with store.read() as conn:
        incident = await get_incident(conn, first["id"])
    assert incident is not None
    assert incident.report_count == 2


async def test_a_follow_up_to_an_unknown_incident_is_refused_and_waits_in_quarantine(store: Store, intake: Intake) -> None:
    receipt = await file(intake, raw(kind="follow_up", incident_id="01970000-0000-7000-8000-000000000009"))
    assert receipt.reason == "unknown_incident"
    async with store.read() as conn:
        assert (await list_quarantine(conn))[0].reason == "unknown_incident"


async def test_a_trusted_source_opens_a_verified_incident(store: Store, intake: Intake) -> None:
    receipt = await file(intake, raw(), TRUSTED)
    async with store.read() as conn:
        incident = await get_incident(conn, receipt.incident_id or "")
    assert incident is not None and incident.verified


async def test_the_chain_holds_from_the_first_change_to_the_last(store: Store, intake: Intake) -> None:
    for _ in range(5):
        await file(intake, raw())
    async with store.read() as conn:
        rows = (await conn.execute(text("SELECT * FROM change ORDER BY seq"))).all()
    previous = GENESIS
    for n, row in enumerate(rows, 1):
        assert row.seq == n and row.prev_hash == previous
        previous = link_hash(previous, row.seq, row.kind, row.at, row.actor, row.subject, row.incident_id, row.department_id, bool(row.drill),
                             row.body_sha256)
        assert row.hash == previous


@pytest.mark.parametrize("statement", ["UPDATE change SET actor = 'x'", "DELETE FROM change", "UPDATE change_body SET body = 'x'"])
async def test_the_change_table_refuses_to_be_altered(store: Store, intake: Intake, statement: str) -> None:
    await file(intake, raw())
    with pytest.raises(Exception, match=r"append-only|never altered"):
        async with store.transaction() as tx:
            await tx.conn.execute(text(statement))


async def test_truncate_is_refused_on_postgresql(store: Store, intake: Intake) -> None:
    if store.is_sqlite:
        return  # SQLite has no TRUNCATE
    with pytest.raises(Exception, match="append-only"):
        async with store.transaction() as tx:
            await tx.conn.execute(text("TRUNCATE change CASCADE"))


async def test_a_byte_order_mark_before_a_report_is_passed_over(intake: Intake) -> None:
    receipt = await file(intake, b"\xef\xbb\xbf" + raw())
    assert receipt.status is ReceiptStatus.STORED


BAD: list[tuple[str, bytes, str, str | None]] = [
    ("not JSON", b"{nonsense", "malformed_json", None),
    ("not UTF-8", b'{"id": "\xff"}', "malformed_json", None),
    ("a list", b"[]", "wrong_type", None),
    ("a wrong type", raw(title=5), "wrong_type", "title"),
    ("no place", raw(place=None), "missing_field", "place"),
    ("no title and no text", raw(title=None), "missing_field", "title"),
    ("a place of nothing", raw(place={}), "missing_field", "place"),
    ("half a point", raw(place={"text": "x", "lon": 119.0}), "missing_field", "place.lat"),
    ("a longitude of 190", raw(place={"lon": 190, "lat": 34}), "out_of_range", "place.lon"),
    ("a future time", raw(occurred_at="2026-11-26T06:00:00+08:00"), "time_in_future", "occurred_at"),
    ("an ancient time", raw(occurred_at="2020-01-01T00:00:00+08:00"), "time_too_old", "occurred_at"),
    ("a time without an offset", raw(occurred_at="2026-11-23T06:00:00"), "wrong_time", "occurred_at"),
    ("a time before the calendar", raw(occurred_at="0001-01-01T00:00:00+14:00"), "wrong_time", "occurred_at"),
    ("a time after the calendar", raw(heard_at="9999-12-31T23:59:59-12:00"), "wrong_time", "heard_at"),
    ("a UN number with a line end", raw(hazmat=[{"un": "1005\n"}]), "unknown_value", "hazmat.0.un"),
    ("a code of a place with a line end", raw(place={"adcode": "320707108\n"}), "unknown_value", "place.adcode"),
    ("a NUL in the id", raw(id="a\0b"), "control_characters", "id"),
    ("a NUL in the name of a field", raw(**{"a\0b": 1}), "unknown_field", "a\ufffdb"),
    ("a field with an endless name", raw(**{"x" * 200_000: 1}), "unknown_field", "x" * 200),
    ("an unknown kind", raw(kind="gossip"), "unknown_value", "kind"),
    ("an unknown event type", raw(event_types=["12X99"]), "unknown_event_type", "event_types.0"),
    ("a control character", raw(title="a\u0007b"), "control_characters", "title"),
    ("a bidirectional override", raw(title="a\u202eb"), "control_characters", "title"),
    ("ten megabytes", raw(text="字" * 3_500_000), "too_large", None),
    ("a long title", raw(title="x" * 501), "too_long", "title"),
    ("an id that is none", raw(id="7"), "wrong_id", "id"),
    ("a negative number of dead", raw(casualties={"dead": -1}), "out_of_range", "casualties.dead"),
    ("a field that does not exist", raw(tittle="x"), "unknown_field", "tittle"),
    ("a misspelt field within", raw(casualties={"deaths": 3}), "unknown_field", "casualties.deaths"),
    ("a misspelt field of a load", raw(hazmat=[{"un_no": "1005"}]), "unknown_field", "hazmat.0.un_no"),
    ("nested beyond reason", b"[" * 100_000, "wrong_type", None),
    ("a follow-up of nothing", raw(kind="follow_up"), "missing_field", "incident_id"),
]


@pytest.mark.parametrize(("payload", "code", "field"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_bad_input_is_refused_with_its_reason_and_its_field_and_kept(store: Store, intake: Intake, payload: bytes, code: str, field: str | None) -> None:
    receipt = await file(intake, payload)
    assert (receipt.status, receipt.reason) == (ReceiptStatus.REJECTED, code)
    assert receipt.field == field
    assert receipt.message and "/" in receipt.message and len(receipt.message) < 1000
    async with store.read() as conn:
        [row] = await list_quarantine(conn)
    assert (row.reason, row.size_bytes) == (code, len(payload))


async def test_the_same_bad_message_again_counts_up_and_fills_nothing(store: Store, intake: Intake) -> None:
    for _ in range(3):
        await file(intake, b"{nonsense")
    async with store.read() as conn:
        [row] = await list_quarantine(conn)
    assert row.times == 3


async def test_a_sender_that_floods_fills_no_quarantine_and_pushes_nobody_out(store: Store, intake: Intake) -> None:
    most = limits()["quarantine"]["waiting"]
    garbage = [asyncio.ensure_future(intake.submit("report", b"garbage %d" % n, FLOODING, Channel.MQTT)) for n in range(most + 40)]
    await asyncio.sleep(0)
    await intake.drain()
    assert {(await receipt).reason for receipt in garbage} == {"malformed_json"}
    await file(intake, b"{broken", AGENT)
    async with store.read() as conn:
        assert await waiting_count(conn) == most + 2
        newest, counted, *_ = await list_quarantine(conn)
        first = (await list_quarantine(conn, limit=2_000))[-1]
    assert (newest.agent_id, newest.payload) == ("a1", "{broken")
    assert (counted.agent_id, counted.reason, counted.times, counted.payload, counted.message_id) == ("f1", "malformed_json", 40, "", None)
    assert str(most) in counted.message
    assert (first.payload, first.times) == ("garbage 0", 1), "the first ones are kept"
    async with store.transaction() as tx:
        assert await release(tx, counted.id, "discarded", by="person:a") and await release(tx, first.id, "discarded", by="person:a")
    for payload in (b"later 1", b"later 2", b"later 3"):
        await file(intake, payload, FLOODING)
    async with store.read() as conn:
        again = {one.payload: one for one in await list_quarantine(conn, limit=5)}
    assert {"later 1", ""} <= set(again) and "later 3" not in again, "there is room again for what was dealt with"
    assert again[""].state == "waiting" and again[""].times > 40


async def test_a_sender_s_large_messages_are_bounded_together(store: Store, intake: Intake) -> None:
    size, most = 250_000, limits()["quarantine"]["bytes"]
    for n in range(most // size + 3):
        await file(intake, b"%d" % n + b"x" * size, FLOODING)
    async with store.read() as conn:
        kept = await list_quarantine(conn, limit=1_000)
    assert most - size < sum(one.size_bytes for one in kept) <= most


async def test_bad_and_good_in_one_batch_do_not_touch_each_other(intake: Intake) -> None:
    from hub.domain.report import Channel

    statuses: list[str] = []
    for payload in (raw(), b"{", raw(event_types=["12X99"]), raw()):
        intake.arrive("report", payload, AGENT, Channel.MQTT, lambda item: statuses.append(str(item.receipt.status)))  # type: ignore[union-attr]
    await intake.drain()
    assert sorted(statuses) == ["rejected", "rejected", "stored", "stored"]


async def test_receipt_numbers_begin_anew_with_the_local_day(intake: Intake, clock: ManualClock) -> None:
    assert (await file(intake, raw())).receipt_no == "20261123-000001"
    clock.advance(timedelta(hours=10, minutes=30))  # 00:30 of the next day in Shanghai
    assert (await file(intake, raw())).receipt_no == "20261124-000001"


async def test_an_agent_clock_that_is_off_is_kept_and_flagged(store: Store, intake: Intake) -> None:
    sent = report(occurred_at="2026-11-23T20:00:00+00:00")
    await file(intake, json.dumps(sent).encode())
    async with store.read() as conn:
        view = await get_report(conn, sent["id"])
    assert view is not None
    assert view.skew_flagged and view.skew_s == pytest.approx(14 * 3600, abs=1)
    assert view.received_at.startswith("2026-11-23T06:00")

"""The outbox: what was accepted is on disk, nothing is dropped silently, urgent goes first."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.outbox import Bounds, Kind, Outbox, State, kind_of
from hub import wire
from hub.clock import ManualClock
from hub.errors import Rejected, Unavailable
from hub.ids import new_id

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


def a_report(title: str = "侧翻", *, urgent: bool = False, **more: object) -> wire.Report:
    values: dict[str, object] = {"id": new_id(), "kind": wire.ReportKind.INITIAL, "occurred_at": NOW, "place": wire.Place(text="G204")}
    return wire.Report(**(values | {"title": title, "urgent": urgent} | more))  # type: ignore[arg-type]


def a_daily() -> wire.Daily:
    return wire.Daily(id=new_id(), department="emergency-bureau", template="daily", day=date(2026, 11, 23), zero=True)


def a_receipt(message_id: str, status: wire.ReceiptStatus = wire.ReceiptStatus.STORED) -> wire.Receipt:
    return wire.Receipt(id=message_id, status=status, receipt_no="20261123-000001", stored_at="2026-11-23T06:00:01.000Z")


def accept_many(outbox: Outbox, count: int) -> None:
    for _ in range(count):
        outbox.accept(a_report(text="长" * 5000))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def outbox(tmp_path: Path, clock: ManualClock) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "outbox.sqlite3", clock=clock)
    yield box
    box.close()


def test_an_accepted_message_is_there_after_reopening(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "o.db")
    report = a_report()
    assert box.accept(report)
    box.close()
    again = Outbox(tmp_path / "o.db")
    entry = again.get(report.id)
    again.close()
    assert entry is not None and entry.state is State.QUEUED
    assert entry.payload is not None and wire.decode_report(entry.payload) == report
    assert entry.hash == wire.content_hash(report)


def test_accepting_syncs_to_disk_and_marks_do_not(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "o.db")
    levels = [connection.execute("PRAGMA synchronous").fetchone()[0] for connection in (box._durable, box._relaxed)]
    mode = box._durable.execute("PRAGMA journal_mode").fetchone()[0]
    box.close()
    assert (levels, mode) == ([2, 1], "wal")


def test_the_same_message_twice_is_one(outbox: Outbox) -> None:
    report = a_report()
    assert outbox.accept(report) is True
    assert outbox.accept(report) is False
    assert outbox.waiting().count == 1


def test_an_id_with_other_content_is_refused(outbox: Outbox) -> None:
    report = a_report()
    outbox.accept(report)
    with pytest.raises(Rejected) as caught:
        outbox.accept(msgspec.structs.replace(report, title="别的"))
    assert caught.value.code == "id_taken"


@pytest.mark.parametrize("spoiled", [
    {"title": None, "text": None}, {"place": wire.Place()}, {"id": "7"}, {"occurred_at": datetime(2026, 1, 1)},
    {"title": "x" * 501}, {"title": "a\u202eb"}, {"event_types": ("99",)}, {"text": "长" * 20_001},
])
def test_content_that_the_hub_would_refuse_is_not_queued(outbox: Outbox, spoiled: dict[str, object]) -> None:
    with pytest.raises(Rejected):
        outbox.accept(a_report(**spoiled))
    assert outbox.waiting().count == 0


def test_urgent_goes_first_then_first_come_first_served(outbox: Outbox) -> None:
    messages = [a_report("一"), a_daily(), a_report("二", urgent=True), a_report("三"), a_report("四", urgent=True)]
    for message in messages:
        outbox.accept(message)
    taken = [entry.id for entry in outbox.take(10)]
    assert taken == [messages[n].id for n in (2, 4, 0, 1, 3)]
    assert outbox.take(10) == []


def test_taking_urgent_ones_alone_leaves_the_others(outbox: Outbox) -> None:
    calm, urgent = a_report(), a_report(urgent=True)
    outbox.accept(calm)
    outbox.accept(urgent)
    assert [entry.id for entry in outbox.take(10, urgent_only=True)] == [urgent.id]
    assert [entry.id for entry in outbox.take(10)] == [calm.id]


def test_sent_without_a_receipt_is_queued_again_after_a_restart(outbox: Outbox) -> None:
    report = a_report()
    outbox.accept(report)
    outbox.take(1)
    assert outbox.requeue_sent() == 1
    (entry,) = outbox.take(1)
    assert entry.id == report.id and entry.attempts == 1


@pytest.mark.parametrize(("status", "state"), [
    (wire.ReceiptStatus.STORED, State.STORED), (wire.ReceiptStatus.DUPLICATE, State.DUPLICATE), (wire.ReceiptStatus.REJECTED, State.REJECTED),
])
def test_a_final_receipt_settles_the_message_and_is_kept(outbox: Outbox, status: wire.ReceiptStatus, state: State) -> None:
    report = a_report()
    outbox.accept(report)
    assert outbox.settle([a_receipt(report.id, status)]) == 1
    entry = outbox.get(report.id)
    assert entry is not None and entry.state is state and entry.receipt == a_receipt(report.id, status)
    assert outbox.waiting().count == 0 and outbox.waiting().size_bytes == 0


def test_the_first_final_receipt_stays(outbox: Outbox) -> None:
    report = a_report()
    outbox.accept(report)
    outbox.settle([a_receipt(report.id)])
    assert outbox.settle([a_receipt(report.id, wire.ReceiptStatus.DUPLICATE)]) == 0
    entry = outbox.get(report.id)
    assert entry is not None and entry.state is State.STORED


def test_unavailable_and_foreign_receipts_settle_nothing(outbox: Outbox) -> None:
    report = a_report()
    outbox.accept(report)
    assert outbox.settle([a_receipt(report.id, wire.ReceiptStatus.UNAVAILABLE), a_receipt(new_id())]) == 0
    assert outbox.waiting().count == 1


def test_a_full_outbox_refuses_by_name_and_still_takes_urgent_ones(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "o.db", Bounds(max_reports=2, urgent_reserve_reports=1))
    box.accept(a_report())
    box.accept(a_report())
    with pytest.raises(Unavailable) as caught:
        box.accept(a_report())
    assert caught.value.code == "outbox_full"
    box.accept(a_report(urgent=True))
    with pytest.raises(Unavailable):
        box.accept(a_report(urgent=True))
    assert box.waiting().count == 3
    box.close()


def test_bytes_bound_the_outbox_too(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "o.db", Bounds(max_bytes=1000, urgent_reserve_bytes=0))
    with pytest.raises(Unavailable) as caught:
        box.accept(a_report(text="长" * 900))
    assert caught.value.code == "outbox_full"
    box.close()


def test_a_settled_message_makes_room(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "o.db", Bounds(max_reports=1, urgent_reserve_reports=0))
    first = a_report()
    box.accept(first)
    box.settle([a_receipt(first.id)])
    assert box.accept(a_report())
    box.close()


def test_a_disk_that_fails_is_named_and_nothing_is_half_accepted(outbox: Outbox) -> None:
    outbox.accept(a_report())
    pages = outbox._durable.execute("PRAGMA page_count").fetchone()[0]
    outbox._durable.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Unavailable) as caught:
        accept_many(outbox, 100)
    assert caught.value.code == "outbox_disk"
    outbox._durable.execute("PRAGMA max_page_count = 1073741823")
    count = outbox.waiting().count
    assert len(outbox.accepted()) == count
    assert outbox.accept(a_report())


def test_age_alone_never_removes_an_unreceipted_message(outbox: Outbox, clock: ManualClock) -> None:
    waiting, done = a_report(), a_report()
    outbox.accept(waiting)
    outbox.accept(done)
    outbox.settle([a_receipt(done.id)])
    clock.advance(timedelta(days=400))
    assert outbox.prune(timedelta(days=30)) == 1
    assert outbox.get(waiting.id) is not None and outbox.get(done.id) is None


def test_the_hub_may_ask_for_settled_messages_again(outbox: Outbox, clock: ManualClock) -> None:
    old, new, refused = a_report(), a_report(), a_report()
    for report in (old, new, refused):
        outbox.accept(report)
    outbox.settle([a_receipt(old.id)])
    clock.advance(timedelta(hours=1))
    outbox.settle([a_receipt(new.id), a_receipt(refused.id, wire.ReceiptStatus.REJECTED)])
    assert outbox.reopen(after=NOW + timedelta(minutes=30)) == 1
    assert [entry.id for entry in outbox.take(10)] == [new.id]
    assert outbox.reopen(ids=[old.id, new_id()]) == 1


def test_another_process_writing_is_noticed(outbox: Outbox) -> None:
    before = outbox.version()
    other = Outbox(outbox.path)
    other.accept(a_report())
    other.close()
    assert outbox.version() != before


def test_many_threads_accept_without_loss(outbox: Outbox) -> None:
    def accept_some() -> None:
        for _ in range(25):
            outbox.accept(a_report())

    threads = [threading.Thread(target=accept_some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outbox.waiting().count == len({one for one, _, _ in outbox.accepted()}) == 100


def test_commands_are_kept_once(outbox: Outbox) -> None:
    command = wire.Command(id=new_id(), kind=wire.CommandKind.NOTICE, at=NOW, title="请报送")
    assert outbox.keep_command(command) is True
    assert outbox.keep_command(command) is False
    assert outbox.commands() == [command]


@pytest.mark.parametrize(("payload", "kind"), [(b'{"template":"daily"}', Kind.DAILY), (b'{"title":"x"}', Kind.REPORT), (b"{}", Kind.REPORT)])
def test_json_tells_its_kind(payload: bytes, kind: Kind) -> None:
    assert kind_of(payload) is kind


@pytest.mark.parametrize("payload", [b"", b"[]", b"7", b"{", b"\xff"])
def test_what_is_no_json_object_is_refused(payload: bytes) -> None:
    with pytest.raises(Rejected):
        kind_of(payload)


@settings(max_examples=25, deadline=None)
@given(acts=st.lists(st.sampled_from(["accept", "urgent", "take", "store", "reject", "restart", "reopen"]), max_size=40))
def test_whatever_happens_the_tally_is_true_and_nothing_vanishes(tmp_path_factory: pytest.TempPathFactory, acts: list[str]) -> None:
    path = tmp_path_factory.mktemp("box") / "o.db"
    box = Outbox(path)
    accepted: list[str] = []
    for act in acts:
        match act:
            case "accept" | "urgent":
                report = a_report(urgent=act == "urgent")
                box.accept(report)
                accepted.append(report.id)
            case "take":
                box.take(3)
            case "store" | "reject":
                status = wire.ReceiptStatus.STORED if act == "store" else wire.ReceiptStatus.REJECTED
                box.settle([a_receipt(one, status) for one in accepted[::2]])
            case "restart":
                box.close()
                box = Outbox(path)
                box.requeue_sent()
            case "reopen":
                box.reopen(ids=accepted)
    states = {one: state for one, _, state in box.accepted()}
    pending = [one for one, state in states.items() if state in (State.QUEUED, State.SENT)]
    waiting = box.waiting()
    sizes = sum(entry.size_bytes for one in pending if (entry := box.get(one)) is not None)
    box.close()
    assert list(states) == accepted
    assert (waiting.count, waiting.size_bytes) == (len(pending), sizes)


def test_the_file_is_a_plain_sqlite_database_that_anyone_can_read(outbox: Outbox) -> None:
    outbox.accept(a_report())
    plain = sqlite3.connect(outbox.path)
    count = plain.execute("SELECT count(*) FROM message").fetchone()[0]
    plain.close()
    assert count == 1


def test_a_damaged_file_is_put_aside_with_a_word_and_one_can_report_all_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "outbox.sqlite3"
    path.write_bytes(b"no database at all, " * 500)
    with closing(Outbox(path)) as box:
        assert box.latest() == []
    [aside] = tmp_path.glob("outbox.sqlite3.damaged-*")
    assert aside.read_bytes().startswith(b"no database") and aside.name in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="rights of files as POSIX has them")
def test_what_waits_is_readable_by_its_owner_alone_and_so_becomes_what_was_there(tmp_path: Path) -> None:
    """It holds names, telephones and what happened; it had been readable by every user of the machine."""
    path = tmp_path / "outbox.sqlite3"
    with closing(sqlite3.connect(path)) as older:
        older.execute("PRAGMA journal_mode=WAL")
        older.execute("CREATE TABLE other (one)")
        path.chmod(0o644)
        (tmp_path / "outbox.sqlite3-wal").chmod(0o644)
        with closing(Outbox(path)) as box:
            box.accept(a_report())
            assert {one.name: oct(one.stat().st_mode & 0o777) for one in tmp_path.iterdir() if one.stat().st_mode & 0o077} == {}

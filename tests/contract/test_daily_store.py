"""Filing on both databases: two at once, a message by the agents' way in, and rows made by two hubs at the same time."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest

from hub.clock import ManualClock
from hub.domain.calendar import SensitivePeriod
from hub.domain.daily import Content
from hub.domain.duty_rules import DutyRules, packaged_rules
from hub.domain.obligation import Owed
from hub.domain.report import Channel
from hub.errors import Rejected
from hub.ids import new_id
from hub.ingest.intake import Intake, Source
from hub.respond.daily import DailyDuty
from hub.store import Store, changes_after
from hub.store import daily as daily_store
from hub.store import obligations as ledger
from hub.store.access import PolicyBook, shipped_policies
from hub.store.digest import draft_when_due
from hub.store.digest import sign as sign_digest
from hub.store.groups import get_group
from hub.store.organisation import list_departments, save_department, seed_departments
from hub.wire import Daily, Receipt, ReceiptStatus, encode

RULES, POLICY = packaged_rules(), shipped_policies().access
DAY = date(2026, 11, 23)


async def prepared(store: Store) -> str:
    async with store.transaction() as tx:
        await seed_departments(tx)
    await daily_store.make_days(store, RULES)
    async with store.read() as conn:
        found = await ledger.by_key(conn, f"daily:water-bureau:daily:{DAY}:1")
    assert found is not None
    return found.id


async def test_of_two_officers_at_once_exactly_one_version_is_stored(store: Store) -> None:
    duty_id = await prepared(store)

    async def file(count: int) -> str:
        try:
            async with store.transaction() as tx:
                content = Content(zero=False, values={"incidents": count})
                _, receipt = await daily_store.file(tx, RULES, POLICY, duty_id, content, daily_store.By(f"person:{count}", "web"), id=new_id())
        except Rejected as error:
            return error.code
        return str(receipt.status)

    outcome = await asyncio.gather(*(file(n) for n in range(1, 6)))
    assert sorted(outcome) == ["already_filed"] * 4 + ["stored"]
    async with store.read() as conn:
        assert [f.version for f in await daily_store.versions_of(conn, duty_id)] == [1]


async def test_rows_of_a_day_are_made_once_by_two_hubs(store: Store, store_url: str, clock: ManualClock) -> None:
    async with store.transaction() as tx:
        await seed_departments(tx)
    async with Store(store_url, clock) as other:
        for hub in (store, other, store):
            await daily_store.make_days(hub, RULES)
    async with store.read() as conn:
        keys = [o.key for o in await ledger.list_obligations(conn, kinds=["daily_report"], limit=1_000)]
    assert len(keys) == len(set(keys)) == 3 * 40


async def test_what_becomes_known_after_filing_flags_the_report_of_the_department_concerned_and_no_other(store: Store) -> None:
    await prepared(store)
    async with store.transaction() as tx:
        for department in ("water-bureau", "health-commission", "fire-rescue"):
            o = await ledger.by_key(tx.conn, f"daily:{department}:daily:{DAY}:1")
            assert o is not None
            await daily_store.file(tx, RULES, POLICY, o.id, Content(zero=True), daily_store.By("person:p", "web"), id=new_id())
    assert await daily_store.recheck(store, RULES, POLICY) == 0
    async with store.transaction() as tx:
        await ledger.make(tx, RULES, [Owed(key="camera:c1:1", kind="camera_online", department_id="water-bureau", post_id="water-bureau.duty", subject="camera:c1",
                                           title_zh="一号闸摄像头中断", title_en="camera of gate 1 away", due_at=tx.now + timedelta(hours=1))], actor="system:test")
    assert [await daily_store.recheck(store, RULES, POLICY) for _ in range(2)] == [1, 0], "flagged once, and not again while nothing new is known"
    async with store.read() as conn:
        flags = await daily_store.flags_of_day(conn, DAY.isoformat())
    assert [(f.department_id, f.is_raised, [c.facts[0].zh for c in f.contradictions]) for f in flags.values()] == [("water-bureau", True, ["一号闸摄像头中断"])]


async def test_a_department_that_is_no_more_owes_nothing(store: Store) -> None:
    duty_id = await prepared(store)
    async with store.transaction() as tx:
        (water,) = [d for d in await list_departments(tx.conn) if d.id == "water-bureau"]
        await save_department(tx, msgspec.structs.replace(water, active=False), by="person:a")
    await daily_store.make_days(store, RULES)
    async with store.read() as conn:
        held = await ledger.get_obligation(conn, duty_id)
    assert held is not None and held.state == "excused"


def with_periods(*periods: SensitivePeriod) -> DutyRules:
    return msgspec.structs.replace(RULES, calendar=msgspec.structs.replace(RULES.calendar, periods=periods))


async def standing(store: Store, department: str = "water-bureau") -> list[tuple[str, str]]:
    """The state and the local due time of a department's reports of the day."""
    async with store.read() as conn:
        held = await ledger.list_obligations(conn, departments=[department], kinds=["daily_report"], day=DAY.isoformat())
    return [(o.state.value, f"{o.due_at + timedelta(hours=8):%H:%M}") for o in held]


async def test_a_sensitive_period_that_begins_within_a_day_moves_what_is_not_due_and_its_end_moves_it_back(store: Store, clock: ManualClock) -> None:
    clock.set(datetime(2026, 11, 23, 2, tzinfo=UTC))
    await prepared(store)
    assert await standing(store) == [("open", "17:00")]
    strict = SensitivePeriod(id="p", first=DAY, last=DAY, zh="重大活动", en="event", times=("09:00", "15:00", "21:00"))
    await daily_store.make_days(store, with_periods(strict))
    assert await standing(store) == [("open", "15:00"), ("excused", "17:00"), ("open", "21:00")], "10:00 by the clock: what was for 09:00 is asked of nobody"
    await daily_store.make_days(store, with_periods(msgspec.structs.replace(strict, times=("11:00", "15:00"))))
    assert await standing(store) == [("open", "11:00"), ("open", "15:00"), ("excused", "21:00")]
    await daily_store.make_days(store, RULES)
    assert sorted(await standing(store)) == [("excused", "15:00"), ("excused", "21:00"), ("open", "17:00")]


async def test_what_was_filed_excused_by_a_leader_or_is_due_already_stays_when_the_day_changes(store: Store, clock: ManualClock) -> None:
    clock.set(datetime(2026, 11, 23, 2, tzinfo=UTC))
    duty_id = await prepared(store)
    async with store.transaction() as tx:
        await daily_store.file(tx, RULES, POLICY, duty_id, Content(zero=True), daily_store.By("person:p", "web"), id=new_id())
        fire = await ledger.by_key(tx.conn, f"daily:fire-rescue:daily:{DAY}:1")
        assert fire is not None
        await ledger.excuse(tx, RULES, fire.id, by="person:leader", reason="出警")
    clock.set(datetime(2026, 11, 23, 9, 10, tzinfo=UTC))
    await daily_store.make_days(store, with_periods(SensitivePeriod(id="p", first=DAY, last=DAY, zh="重大活动", en="event", times=("20:00",))))
    assert await standing(store) == [("met", "17:00")] and await standing(store, "fire-rescue") == [("excused", "17:00")]
    assert await standing(store, "health-commission") == [("open", "17:00")], "it was due at 17:00, and is late"


async def test_a_template_that_ends_asks_for_nothing_more_and_leaves_no_duty_that_nobody_can_file(store: Store, clock: ManualClock) -> None:
    await prepared(store)
    template = daily_store.packaged_book().template("daily", DAY)
    assert template is not None
    async with store.transaction() as tx:
        await daily_store.save_template(tx, RULES, msgspec.structs.replace(template, valid_to=DAY, valid_from=DAY), by="person:a")
    await daily_store.make_days(store, RULES)
    async with store.read() as conn:
        held = await ledger.list_obligations(conn, departments=["water-bureau"], kinds=["daily_report"])
    assert [(o.day, o.state.value) for o in held if o.day and o.day >= DAY.isoformat()] == [
        (DAY.isoformat(), "open"), ("2026-11-24", "excused"), ("2026-11-25", "excused")]


async def test_the_digest_of_a_day_whose_hour_fell_into_an_outage_is_drafted_the_next_morning(store: Store, clock: ManualClock) -> None:
    assert await draft_when_due(store, RULES) is None
    await prepared(store)
    clock.set(datetime(2026, 11, 23, 23, 30, tzinfo=UTC))
    first = await draft_when_due(store, RULES)
    assert first is not None and first.day == DAY.isoformat() and first.missing, "07:30 of the next day: nobody had filed"
    assert await draft_when_due(store, RULES) is None, "today's hour has not come"
    async with store.read() as conn:
        owed = await ledger.by_key(conn, f"digest:{DAY}")
    assert owed is not None and owed.is_owed and owed.due_at > clock.now()
    clock.set(datetime(2026, 11, 24, 10, 30, tzinfo=UTC))
    assert (today := await draft_when_due(store, RULES)) is not None and today.day == "2026-11-24"


async def test_a_department_founded_since_is_in_the_group_that_gets_the_digest(store: Store, clock: ManualClock) -> None:
    await prepared(store)

    async def sign(day: date) -> frozenset[str]:
        clock.set(datetime(day.year, day.month, day.day, 10, 30, tzinfo=UTC))
        drafted = await draft_when_due(store, RULES)
        assert drafted is not None
        async with store.transaction() as tx:
            await sign_digest(tx, RULES, drafted.day, by="person:leader", name="王", department_id="district-office", based_on=drafted.version)
        async with store.read() as conn:
            group = await get_group(conn, RULES.digest.group)
        assert group is not None
        return frozenset(group.departments)

    assert "new-bureau" not in await sign(DAY)
    async with store.transaction() as tx:
        (water,) = [d for d in await list_departments(tx.conn) if d.id == "water-bureau"]
        await save_department(tx, msgspec.structs.replace(water, id="new-bureau", zh="区新设局", en="new bureau"), by="person:a")
    assert await sign(DAY + timedelta(days=1)) >= {"new-bureau", "water-bureau"}


@pytest.fixture
def intake(store: Store) -> Intake:
    made = Intake(store)
    DailyDuty(store, lambda: RULES, PolicyBook()).attach(made, None)
    return made


async def test_the_mark_of_a_doubtful_daily_report_is_seen_where_the_report_is(store: Store, intake: Intake) -> None:
    await prepared(store)
    message = Daily(id=new_id(), department="water-bureau", template="daily", day=DAY, zero=True, note="与部队驻地无关")
    assert (await send(intake, message))[0] is ReceiptStatus.STORED
    async with store.read() as conn:
        (mark,) = [change for change in await changes_after(conn, 0, limit=1000) if change.kind == "classified.suspected"]
    assert (mark.subject, mark.department_id) == (f"daily:{message.id}", "water-bureau")


async def test_a_late_message_without_a_reason_is_told_the_field_of_the_message_that_takes_it(store: Store, clock: ManualClock, intake: Intake) -> None:
    await prepared(store)
    clock.set(datetime(2026, 11, 23, 12, tzinfo=UTC))
    late = Daily(id=str(uuid4()), department="water-bureau", template="daily", day=DAY, zero=True)
    refused = await receipted(intake, late)
    assert (refused.status, refused.reason, refused.field) == (ReceiptStatus.REJECTED, "late_reason_needed", "note")
    assert (await send(intake, msgspec.structs.replace(late, id=str(uuid4()), note="断网")))[0] is ReceiptStatus.STORED


async def test_a_zero_report_sent_twice_does_not_file_the_evening_s_report_in_the_morning(store: Store, clock: ManualClock) -> None:
    clock.set(datetime(2026, 11, 23, 2, tzinfo=UTC))
    rules = with_periods(SensitivePeriod(id="p", first=DAY, last=DAY, zh="重大活动", en="event", times=("11:00", "21:00")))
    made = Intake(store)
    DailyDuty(store, lambda: rules, PolicyBook()).attach(made, None)
    async with store.transaction() as tx:
        await seed_departments(tx)
    await daily_store.make_days(store, rules)
    for expected in (ReceiptStatus.STORED, ReceiptStatus.DUPLICATE):
        message = Daily(id=new_id(), department="water-bureau", template="daily", day=DAY, zero=True)
        assert (await send(made, message))[0] is expected
    assert await standing(store) == [("met", "11:00"), ("open", "21:00")]


async def send(intake: Intake, message: Daily, department: str = "water-bureau") -> tuple[ReceiptStatus, str | None, str | None]:
    receipt = await receipted(intake, message, department)
    return receipt.status, receipt.reason, receipt.receipt_no


async def receipted(intake: Intake, message: Daily, department: str = "water-bureau") -> Receipt:
    running = asyncio.create_task(intake.run())
    try:
        source = Source("agent:a1", agent_id="a1", department_id=department)
        receipt = await intake.submit("daily", encode(message), source, Channel.MQTT)
    finally:
        running.cancel()
    assert receipt.id == message.id, "the sender waits for a receipt of what it sent"
    return receipt


async def test_an_agents_message_gets_the_same_receipt_again_and_only_its_own_department_counts(store: Store, intake: Intake) -> None:
    duty_id = await prepared(store)
    message = Daily(id=new_id(), department="water-bureau", template="daily", day=DAY, zero=True)
    assert await send(intake, message, "fire-rescue") == (ReceiptStatus.REJECTED, "wrong_department", None)
    first = await send(intake, message)
    assert first[0] is ReceiptStatus.STORED and first[2] is not None
    assert await send(intake, message) == (ReceiptStatus.DUPLICATE, None, first[2])
    again = Daily(id=new_id(), department="water-bureau", template="daily", day=DAY, zero=True)
    assert await send(intake, again) == (ReceiptStatus.DUPLICATE, None, first[2])
    other = Daily(id=new_id(), department="water-bureau", template="daily", day=DAY, zero=False, values={"incidents": 2})
    assert (await send(intake, other))[:2] == (ReceiptStatus.REJECTED, "already_filed")
    async with store.read() as conn:
        held = await ledger.get_obligation(conn, duty_id)
    assert held is not None and held.state == "met"


async def test_a_report_made_offline_before_the_deadline_is_stored_when_it_arrives_after_it(store: Store, intake: Intake, clock: ManualClock) -> None:
    duty_id = await prepared(store)
    async with store.read() as conn:
        o = await ledger.get_obligation(conn, duty_id)
    assert o is not None
    message = Daily(id=new_id(int(o.due_at.timestamp() * 1000)), department="water-bureau", template="daily", day=DAY, zero=True)
    clock.set(o.late_at + timedelta(hours=2))
    assert (await send(intake, message))[0] is ReceiptStatus.STORED
    async with store.read() as conn:
        held = await ledger.get_obligation(conn, duty_id)
    assert held is not None and held.state == "met_late" and "delivered late" in (held.reason or "")

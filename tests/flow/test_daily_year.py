"""Sixty departments that behave at random on a simulated clock: the board and the statistics equal an independent recount."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from sqlalchemy import text

from hub.clock import ManualClock
from hub.domain.calendar import at_local, windows
from hub.domain.daily import Content, Reporter
from hub.domain.duty_rules import packaged_rules
from hub.domain.obligation import Obligation
from hub.errors import Rejected
from hub.ids import new_id
from hub.respond.schedule import tick
from hub.store import Store
from hub.store import daily as daily_store
from hub.store import obligations as ledger
from hub.store.access import shipped_policies
from hub.store.board import board, statistics
from hub.store.roster import make_standard_posts

RULES, POLICY, BOOK = packaged_rules(), shipped_policies().access, daily_store.packaged_book()
DEPARTMENTS = [f"d{n:02d}" for n in range(60)]
MINUTE = timedelta(minutes=1)
GRACE, LOCK = 30, 1_440
LADDER = (-60, -15, 30, 45, 75, 240)


class Plan(NamedTuple):
    """What a department will do about one report (minutes from the due time; None: never): file, zero or not, be excused, be returned."""

    file_min: int | None
    zero: bool
    excused: bool
    returned: bool


def behave(dice: random.Random) -> Plan:
    kind = dice.random()
    file_min = 20 * dice.randint(-20, -1) if kind < 0.6 else 20 * dice.randint(0, 65) if kind < 0.88 else None
    return Plan(file_min, dice.random() < 0.7, file_min is None and dice.random() < 0.3, file_min is not None and file_min < 0 and dice.random() < 0.05)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(f"sqlite:///{tmp_path}/hub.db", ManualClock(datetime.fromisoformat("2026-09-01T00:00:00+00:00"))) as opened:
        async with opened.transaction() as tx:
            await make_standard_posts(tx, [(d, d, d) for d in DEPARTMENTS], centre="d00", by="person:a")
            await tx.conn.execute(text("UPDATE duty_post SET members = '[\"p\"]'"))
        yield opened


async def simulate(store: Store, first: date, days: int, dice: random.Random) -> dict[str, tuple[Plan, date, int]]:
    clock = store.clock
    assert isinstance(clock, ManualClock)
    plans: dict[str, tuple[Plan, date, int]] = {}
    events: list[tuple[datetime, int, str, str]] = []
    reporters = [Reporter(d, d, d) for d in DEPARTMENTS]
    for n in range(days + 3):
        day = first + timedelta(days=n)
        midnight = at_local(RULES.calendar, day, "00:00")
        clock.set(midnight)
        if n < days:
            async with store.transaction() as tx:
                await daily_store.make_day(tx, RULES, BOOK, reporters, day, "s")
                made = await ledger.list_obligations(tx.conn, kinds=["daily_report"], day=day.isoformat(), limit=1_000)
            for o in made:
                plan = behave(dice)
                plans[o.id] = (plan, day, int(o.key[-1]))
                events += planned(o, plan, len(events))
            marks = {w.due_at + m * MINUTE for w in windows(RULES.calendar, BOOK.schedules[0].rule, day) for m in LADDER}
        else:
            marks = set()
        till = midnight + timedelta(days=1)
        now, events = sorted(e for e in events if e[0] < till), [e for e in events if e[0] >= till]
        marks |= {midnight + timedelta(hours=h) for h in range(1, 24)} | {e[0] for e in now}
        for at in sorted(m for m in marks if m < till):
            clock.set(at)
            await tick(store, RULES)
            due = [e for e in now if e[0] == at]
            if due:
                async with store.transaction() as tx:
                    for _, _, act, id in due:
                        await do(tx, act, id, plans[id][0])
        events += [(m, 0, "look", "") for m in marks if m >= till]
    return plans


def planned(o: Obligation, plan: Plan, n: int) -> list[tuple[datetime, int, str, str]]:
    found = [(o.due_at + plan.file_min * MINUTE, n, "file", o.id)] if plan.file_min is not None else []
    if plan.excused:
        found.append((o.due_at + 300 * MINUTE, n, "excuse", o.id))
    if plan.returned and plan.file_min is not None:
        found += [(o.due_at + (plan.file_min + 60) * MINUTE, n, "return", o.id), (o.due_at + (plan.file_min + 90) * MINUTE, n, "file", o.id)]
    return found


async def do(tx: daily_store.Transaction, act: str, id: str, plan: Plan) -> None:
    if act == "file":
        content = Content(zero=plan.zero, values={} if plan.zero else {"incidents": 1}, late_reason="晚")
        await daily_store.file(tx, RULES, POLICY, id, content, daily_store.By("person:p", "web"), id=new_id())
    elif act == "return":
        await daily_store.give_back(tx, RULES, id, by="person:officer", reason="核实")
    elif act == "excuse":
        await ledger.excuse(tx, RULES, id, by="person:leader", reason="停电")


def recount(plan: Plan, grace: int) -> str:
    """Independently of the product: where a report stands in the end."""
    if plan.excused:
        return "excused"
    if plan.file_min is None:
        return "missing"
    return "late" if plan.file_min > grace else "zero" if plan.zero else "filed"


def grace_of(day: date) -> int:
    """15 minutes in the packaged sensitive periods, 30 else."""
    holidays = ((date(2026, 2, 15), date(2026, 2, 23)), (date(2026, 10, 1), date(2026, 10, 7)))
    return 15 if any(first <= day <= last for first, last in holidays) else GRACE


async def check(store: Store, plans: dict[str, tuple[Plan, date, int]], first: date, days: int) -> None:
    now = store.clock.now()
    last = first + timedelta(days=days - 1)
    wanted = {id: recount(plan, grace_of(day)) for id, (plan, day, _) in plans.items()}
    async with store.read() as conn:
        shown: dict[str, str] = {}
        for n in range(days):
            found = await board(conn, (first + timedelta(days=n)).isoformat(), now, whole=True, reach=frozenset())
            shown |= {row.duty_id: row.standing.value for row in found.rows}
            assert found.totals == {**dict.fromkeys(found.totals, 0), **Counter(row.standing.value for row in found.rows)}
        numbers = await statistics(conn, first, last, now)
        steps: dict[str, list[int]] = {}
        for row in await conn.execute(text("SELECT obligation_id, step FROM escalation WHERE round = 1 ORDER BY obligation_id, step")):
            steps.setdefault(row.obligation_id, []).append(row.step)
    assert shown == wanted
    count = Counter(wanted.values())
    assert (numbers.total.in_time, numbers.total.late, numbers.total.missed, numbers.total.excused) == (
        count["zero"] + count["filed"], count["late"], count["missing"], count["excused"])
    assert sum(rank.expected for rank in numbers.ranking) == len(wanted) - count["excused"] and len(numbers.ranking) == len(DEPARTMENTS)
    for id, where in wanted.items():
        if where == "missing":
            assert steps[id] == [1, 2, 3, 4, 5, 6], "a missed duty has every step of its ladder, each once"
        else:
            assert steps.get(id, []) == list(range(1, len(steps.get(id, [])) + 1))
    assert {"zero", "filed", "late", "missing", "excused"} <= set(wanted.values())


async def run(store: Store, first: date, days: int) -> None:
    plans = await simulate(store, first, days, random.Random(7))
    assert len(plans) >= days * len(DEPARTMENTS)
    await check(store, plans, first, days)


async def test_eight_days_across_a_sensitive_period_equal_an_independent_recount(store: Store) -> None:
    await run(store, date(2026, 9, 28), 8)


@pytest.mark.soak
@pytest.mark.timeout(3_600)
async def test_a_year_equals_an_independent_recount(store: Store) -> None:
    await run(store, date(2026, 1, 5), 350)


async def test_a_drill_stands_on_no_board_and_in_no_statistics(store: Store) -> None:
    assert isinstance(store.clock, ManualClock)
    day = date(2026, 9, 2)
    async with store.transaction() as tx:
        (owed,) = daily_store.expected(BOOK, RULES.calendar, [Reporter("d01", "d", "d")], day)


        (made,) = await ledger.make(tx, RULES, [msgspec.structs.replace(owed, drill=True)], actor="system:drill")
    store.clock.set(made.due_at)
    async with store.transaction() as tx:
        await daily_store.file(tx, RULES, POLICY, made.id, Content(zero=True), daily_store.By("person:p", "web"), id=new_id())
        with pytest.raises(Rejected):
            await daily_store.file(tx, RULES, POLICY, made.id, Content(zero=False, values={"incidents": 1}), daily_store.By("person:p", "web"), id=new_id())
    async with store.read() as conn:
        assert (await board(conn, day.isoformat(), store.clock.now(), whole=True, reach=frozenset())).rows == []
        assert (await statistics(conn, day, day, store.clock.now())).total.expected == 0

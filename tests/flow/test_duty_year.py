"""A year of the daily duty for 60 departments that behave at random, on a simulated clock, through the store: against an independent recount.

Nothing here asks the product what is right: working days, deadlines and the times of the ladder's messages are written down below by hand.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from sqlalchemy import text

from hub.clock import ManualClock, parse_utc
from hub.domain.calendar import DutyDays
from hub.domain.daily import Content, Reporter
from hub.domain.duty_rules import packaged_rules
from hub.domain.obligation import Owed
from hub.errors import Rejected
from hub.ids import new_id
from hub.respond.schedule import tick
from hub.store import Store
from hub.store import daily as daily_store
from hub.store import obligations as ledger
from hub.store.access import shipped_policies
from hub.store.board import board, statistics
from hub.store.roster import make_standard_posts

RULES, POLICY, SHIPPED = packaged_rules(), shipped_policies().access, daily_store.packaged_book()
EVERY_DAY = tuple(f"d{n:02d}" for n in range(30))
WORKING_DAYS = tuple(f"d{n:02d}" for n in range(30, 60))
DEPARTMENTS = EVERY_DAY + WORKING_DAYS
REPORTERS = [Reporter(d, d, d) for d in DEPARTMENTS]
MINUTE = timedelta(minutes=1)
LOCK_MIN, UNLOCK_MIN = 1_440, 1_500
RETURNED_AT, FILED_AGAIN_AT, RETURN_DUE = -150, -30, 300
DRILL_SLOT = 8


def days(words: str) -> frozenset[date]:
    """Days from `02-15..02-23 04-04` of 2026."""
    found = set()
    for word in words.split():
        first, _, last = word.partition("..")
        day = date.fromisoformat(f"2026-{first}")
        while day <= date.fromisoformat(f"2026-{last or first}"):
            found.add(day)
            day += timedelta(days=1)
    return frozenset(found)


OFF = days("01-01..01-03 02-15..02-23 04-04..04-06 05-01..05-05 06-19..06-21 09-25..09-27 10-01..10-07")
MADE_UP = days("01-04 02-14 02-28 05-09 09-20 10-10")
"""The State Council's notice for 2026 (国办发明电〔2025〕7号): holidays, and the weekend days worked for them."""
SENSITIVE = days("02-15..02-23 10-01..10-07")
"""The shipped sensitive periods: every department, at 09:00 and 17:00, 15 minutes of grace instead of 30."""
TOLD = {
    (30, None): (-60, -15, 30, 45, 75, 240), (15, None): (-60, -15, 15, 45, 75, 240),
    (30, -45): (-60, 15, 30, 45, 75, 240), (15, -45): (-60, 15, 45, 75, 240),
    (30, 45): (-60, -15, 30, 45, 105, 240), (15, 45): (-60, -15, 15, 45, 105, 240),
}
"""When the ladder `daily` speaks (minutes from the deadline) while nobody files: by grace, and by when somebody acknowledged for an hour."""
STEPS = {(15, -45): (1, 3, 4, 5, 6)}
"""Which steps those are, where not simply 1 to 6: the reminder that an acknowledgement held back until grace was over is superseded."""
POSTS_TOLD = {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2}
LOOKS = sorted({at for times in TOLD.values() for at in times} | {LOCK_MIN})


class Behaviour(NamedTuple):
    """What a department will do about one report: when it files and acknowledges (minutes from the deadline; None: never), and what befalls it."""

    file: int | None
    ack: int | None
    zero: bool
    excused: bool = False
    returned: bool = False
    unlocked: bool = False


class Known(NamedTuple):
    """One duty as the recount knows it."""

    behaviour: Behaviour
    department: str
    day: date
    due: datetime
    drill: bool


def behave(dice: random.Random) -> Behaviour:
    """Six in ten in good time, most others late, some never; a quarter say that they are on it."""
    kind = dice.random()
    file = dice.choice((-300, -150, -30)) if kind < 0.6 else dice.choice((20, 60, 150, 1_290, 1_380)) if kind < 0.88 else None
    ack = dice.choice((-45, 45)) if dice.random() < 0.25 else None
    fate = dice.random()
    return Behaviour(file, ack if ack is not None and (file is None or ack < file) else None, dice.random() < 0.7, excused=file is None and fate < 0.3,
                     returned=file == -300 and fate < 0.2, unlocked=file is None and fate > 0.9)


def acts_of(known: Known) -> list[tuple[int, str]]:
    """What happens to a duty, by minute."""
    b = known.behaviour
    acts = [(b.file, "file")] if b.file is not None else []
    if b.ack is not None:
        acts.append((b.ack, "ack"))
    if b.excused:
        acts.append((240, "excuse"))
    if b.returned:
        acts += [(RETURNED_AT, "return"), (FILED_AGAIN_AT, "file")]
    if b.unlocked:
        acts += [(UNLOCK_MIN, "unlock"), (UNLOCK_MIN + 15, "file")]
    return acts


class Year:
    """The simulation: a queue of moments; at each the hub ticks, then people act."""

    def __init__(self, store: Store, seed: int) -> None:
        assert isinstance(store.clock, ManualClock)
        self.store, self.clock, self.dice = store, store.clock, random.Random(seed)
        self.known: dict[str, Known] = {}
        self._queue: list[tuple[datetime, str, str]] = []
        schedule, = SHIPPED.schedules
        every = msgspec.structs.replace(schedule, departments=EVERY_DAY, except_departments=())
        working = msgspec.structs.replace(every, id="working", departments=WORKING_DAYS, rule=msgspec.structs.replace(every.rule, days=DutyDays.WORKING))
        self.book = msgspec.structs.replace(SHIPPED, schedules=(every, working))

    async def live(self, first: date, count: int) -> None:
        for n in range(count):
            day = first + timedelta(days=n)
            midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=8)
            await self._until(midnight)
            self.clock.set(midnight)
            await self._owe(day)
        await self._until(midnight + timedelta(days=4))

    async def _owe(self, day: date) -> None:
        async with self.store.transaction() as tx:
            await daily_store.make_day(tx, RULES, self.book, REPORTERS, day, "s")
            made = await ledger.list_obligations(tx.conn, kinds=["daily_report"], day=day.isoformat(), limit=1_000)
            if made:
                made += await ledger.make(tx, RULES, [drill_of(self.dice.choice(made))], actor="system:drill")
        for o in made:
            self.known[o.id] = known = Known(behave(self.dice), o.department_id, day, o.due_at, o.drill)
            for minute, act in acts_of(known):
                heapq.heappush(self._queue, (o.due_at + minute * MINUTE, act, o.id))
        for due in {o.due_at for o in made}:
            for minute in LOOKS:
                heapq.heappush(self._queue, (due + minute * MINUTE, "", ""))

    async def _until(self, end: datetime) -> None:
        while self._queue and self._queue[0][0] < end:
            at, acts = self._queue[0][0], []
            while self._queue and self._queue[0][0] == at:
                _, act, id = heapq.heappop(self._queue)
                if act:
                    acts.append((act, id))
            self.clock.set(at)
            await tick(self.store, RULES)
            if acts:
                async with self.store.transaction() as tx:
                    for act, id in acts:
                        await self._act(tx, act, id)

    async def _act(self, tx: daily_store.Transaction, act: str, id: str) -> None:
        match act:
            case "file":
                zero = self.known[id].behaviour.zero
                content = Content(zero=zero, values={} if zero else {"incidents": 1}, late_reason="晚")
                await daily_store.file(tx, RULES, POLICY, id, content, daily_store.By("person:p", "web"), id=new_id())
            case "ack":
                await ledger.acknowledge(tx, RULES, id, by="person:p")
            case "return":
                await daily_store.give_back(tx, RULES, id, by="person:officer", reason="核实", due_at=self.known[id].due + RETURN_DUE * MINUTE)
            case "excuse":
                await ledger.excuse(tx, RULES, id, by="person:leader", reason="停电")
            case "unlock":
                await ledger.unlock(tx, RULES, id, by="person:leader", reason="补报")


def drill_of(o: ledger.Obligation) -> Owed:
    """The same duty once more, as a drill."""
    return Owed(key=f"{o.key.rsplit(':', 1)[0]}:{DRILL_SLOT}", kind=o.kind, department_id=o.department_id, post_id=o.post_id, subject=o.subject,
                title_zh=o.title_zh, title_en=o.title_en, due_at=o.due_at, opens_at=o.opens_at, grace_min=(o.late_at - o.due_at) / MINUTE,
                lock_min=LOCK_MIN, day=o.day, drill=True)


# ── the recount ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def grace_of(day: date) -> int:
    return 15 if day in SENSITIVE else 30


def standing_of(known: Known) -> str:
    """Where a report stands in the end."""
    b = known.behaviour
    if b.excused:
        return "excused"
    if b.file is None:
        return "late" if b.unlocked else "missing"
    return "late" if b.file > grace_of(known.day) else "zero" if b.zero else "filed"


def messages_of(known: Known) -> list[tuple[int, int]]:
    """The messages that the duty's ladder sends: minute and step, none after filing."""
    b, grace = known.behaviour, grace_of(known.day)
    steps = STEPS.get((grace, b.ack) if b.ack is not None else (grace, 0), (1, 2, 3, 4, 5, 6))
    return [(at, step) for at, step in zip(TOLD[grace, b.ack], steps, strict=True) if b.file is None or at < b.file]


def expected_of(day: date) -> dict[str, int]:
    """How many reports each department owes on a day."""
    slots = 2 if day in SENSITIVE else 1
    worked = day in MADE_UP or (day.weekday() < 5 and day not in OFF)
    return dict.fromkeys(DEPARTMENTS if worked or day in SENSITIVE else EVERY_DAY, slots)


async def check(store: Store, known: dict[str, Known], first: date, count: int) -> None:
    real = {id: one for id, one in known.items() if not one.drill}
    span = [first + timedelta(days=n) for n in range(count)]
    owed = Counter((one.day, one.department) for one in real.values())
    assert owed == {(day, d): n for day in span for d, n in expected_of(day).items()}
    await check_board(store, real, span)
    await check_statistics(store, real, span)
    await check_messages(store, known)


async def check_board(store: Store, real: dict[str, Known], span: list[date]) -> None:
    wanted = {id: standing_of(one) for id, one in real.items()}
    shown: dict[str, str] = {}
    async with store.read() as conn:
        for day in span:
            found = await board(conn, day.isoformat(), store.clock.now(), whole=True, reach=frozenset())
            shown |= {row.duty_id: row.standing.value for row in found.rows}
            assert found.totals == {**dict.fromkeys(found.totals, 0), **Counter(row.standing.value for row in found.rows)}
    assert shown == wanted
    assert {"zero", "filed", "late", "missing", "excused"} <= set(wanted.values())


async def check_statistics(store: Store, real: dict[str, Known], span: list[date]) -> None:
    async with store.read() as conn:
        numbers = await statistics(conn, span[0], span[-1], store.clock.now())
    for rank in [numbers.total, *numbers.ranking]:
        count = Counter(standing_of(one) for one in real.values() if rank is numbers.total or one.department == rank.department_id)
        assert (rank.in_time, rank.late, rank.missed, rank.excused) == (
            count["zero"] + count["filed"], count["late"], count["missing"], count["excused"])
    assert sorted(rank.department_id for rank in numbers.ranking) == sorted(DEPARTMENTS)


async def check_messages(store: Store, known: dict[str, Known]) -> None:
    """Exactly the ladder's messages for every duty, each once, to each post once: none after filing, none while an acknowledgement is valid."""
    steps: dict[str, list[int]] = {}
    told: dict[str, list[tuple[int, int]]] = {}
    notices: Counter[tuple[str, int]] = Counter()
    async with store.read() as conn:
        for row in await conn.execute(text("SELECT obligation_id, round, step, outcome, at, drill FROM escalation ORDER BY obligation_id, round, step")):
            assert (row.round, bool(row.drill)) == (1, known[row.obligation_id].drill), "whoever files again in time hears nothing of a second ladder"
            steps.setdefault(row.obligation_id, []).append(row.step)
            if row.outcome == "taken":
                told.setdefault(row.obligation_id, []).append((round((parse_utc(row.at) - known[row.obligation_id].due) / MINUTE), row.step))
        reopened = [row.obligation_id for row in await conn.execute(text("SELECT obligation_id FROM notice WHERE template = 'unlocked'"))]
        assert sorted(reopened) == sorted(id for id, one in known.items() if one.behaviour.unlocked), "its post hears of an unlock, once"
        for row in await conn.execute(text("SELECT obligation_id, created_at, drill FROM notice WHERE template NOT IN ('returned', 'unlocked')")):
            one = known[row.obligation_id]
            assert bool(row.drill) == one.drill
            notices[row.obligation_id, round((parse_utc(row.created_at) - one.due) / MINUTE)] += 1
    assert told == {id: messages for id, one in known.items() if (messages := messages_of(one))}
    assert notices == {(id, at): POSTS_TOLD[step] for id, messages in told.items() for at, step in messages}
    for id, one in known.items():
        if one.behaviour.file is None:
            assert steps[id] == [1, 2, 3, 4, 5, 6], "a missed duty has every step of its ladder on record, each once"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(f"sqlite:///{tmp_path}/hub.db", ManualClock(datetime(2025, 12, 31, tzinfo=UTC))) as opened:
        async with opened.transaction() as tx:
            await make_standard_posts(tx, [(d, d, d) for d in DEPARTMENTS], centre="d00", by="person:a")
            await tx.conn.execute(text("UPDATE duty_post SET members = '[\"p\"]'"))
        yield opened


async def run(store: Store, first: date, count: int, seed: int) -> None:
    year = Year(store, seed)
    await year.live(first, count)
    await check(store, year.known, first, count)


@pytest.mark.timeout(1_200)
async def test_a_year_of_sixty_departments_equals_an_independent_recount(store: Store) -> None:
    await run(store, date(2026, 1, 1), 365, seed=7)


@pytest.mark.soak
@pytest.mark.timeout(5_000)
@pytest.mark.parametrize("seed", range(1, 11))
async def test_ten_more_years_each_with_other_behaviour(store: Store, seed: int) -> None:
    await run(store, date(2026, 1, 1), 365, seed)


async def test_a_drill_stands_on_no_board_and_in_no_statistics(store: Store) -> None:
    assert isinstance(store.clock, ManualClock)
    store.clock.set(datetime(2026, 9, 1, tzinfo=UTC))
    day = date(2026, 9, 2)
    async with store.transaction() as tx:
        (owed,) = daily_store.expected(SHIPPED, RULES.calendar, [Reporter("d01", "d", "d")], day)
        (made,) = await ledger.make(tx, RULES, [msgspec.structs.replace(owed, drill=True)], actor="system:drill")
    store.clock.set(made.due_at)
    async with store.transaction() as tx:
        await daily_store.file(tx, RULES, POLICY, made.id, Content(zero=True), daily_store.By("person:p", "web"), id=new_id())
        with pytest.raises(Rejected):
            await daily_store.file(tx, RULES, POLICY, made.id, Content(zero=False, values={"incidents": 1}), daily_store.By("person:p", "web"), id=new_id())
    async with store.read() as conn:
        assert (await board(conn, day.isoformat(), store.clock.now(), whole=True, reach=frozenset())).rows == []
        assert (await statistics(conn, day, day, store.clock.now())).total.expected == 0

"""Reactors that run together: each change once and in order for each of them, whatever fails, begins later or belongs to another process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from sqlalchemy import select, update

from hub.clock import ManualClock
from hub.domain.change import Change
from hub.domain.incident import IncidentNoted
from hub.errors import Unavailable
from hub.respond import reactor as module
from hub.respond.reactor import LEASE, Reactor, Runner, groups
from hub.store import Store, Transaction
from hub.store.bulk import Rows, fetch
from hub.store.schema import counter, reactor


class Listener(Reactor):
    """Keeps what it heard, and leaves a row that others can find before the transaction ends."""

    kinds = frozenset({"incident.noted"})

    def __init__(self, name: str, fails_at: int | None = None) -> None:
        self.name = name
        self.fails_at = fails_at
        self.heard: list[int] = []
        self.found: list[int] = []

    async def react(self, tx: Transaction, change: Change) -> None:
        n = int(change.read(IncidentNoted).text)
        if n == self.fails_at:
            raise Unavailable("store_unavailable", "不可用", "not available")
        self.found.append((await fetch(tx.conn, "SELECT count(*) FROM counter WHERE name LIKE $1", f"%/{n}"))[0][0])
        await tx.insert(Rows(counter, [(f"{self.name}/{n}", 1)]))
        tx.after_commit(lambda: self.heard.append(n))


class Faulty(Listener):
    """Has a fault that shows at one change, the first `times` it is tried."""

    def __init__(self, name: str, wrong_at: int, times: int) -> None:
        super().__init__(name)
        self.wrong_at, self.times = wrong_at, times

    async def react(self, tx: Transaction, change: Change) -> None:
        if int(change.read(IncidentNoted).text) == self.wrong_at and self.times:
            self.times -= 1
            await tx.insert(Rows(counter, [(f"{self.name}/left behind", 1)]))
            raise ZeroDivisionError("a bug")
        await super().react(tx, change)


class Hasty(Listener):
    gather_s = 0.001


class Deaf(Listener):
    kinds = frozenset({"test.never"})


async def note(store: Store, numbers: Sequence[int]) -> None:
    async with store.transaction() as tx:
        for n in numbers:
            tx.record(IncidentNoted(text=str(n)), actor="person:a", subject="incident:i", incident_id="i")


async def cursors(store: Store) -> dict[str, int]:
    async with store.read() as conn:
        return {row.name: row.cursor for row in await conn.execute(select(reactor))}


async def run_out(runner: Runner) -> None:
    while await runner.step():
        pass


async def test_every_change_comes_once_and_in_order_to_each_and_the_next_finds_what_the_one_before_wrote(store: Store) -> None:
    first, second = Listener("first"), Listener("second")
    await note(store, [1, 2])
    runner = Runner(store, first, second, owner="a")
    await run_out(runner)
    await note(store, [3])
    await run_out(runner)
    assert first.heard == second.heard == [1, 2, 3]
    assert (first.found, second.found) == ([0, 0, 0], [1, 1, 1])
    await run_out(Runner(store, first, second, owner="a"))
    assert first.heard == second.heard == [1, 2, 3]


async def test_what_one_of_them_cannot_finish_nobody_has_done_and_all_do_it_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STRETCH_S", 60.0)  # both changes are one stretch, however slow the machine
    first, second = Listener("first"), Listener("second", fails_at=2)
    await note(store, [1, 2])
    runner = Runner(store, first, second, owner="a")
    with pytest.raises(Unavailable):
        await run_out(runner)
    assert first.heard == [] and set((await cursors(store)).values()) == {0}
    second.fails_at = None
    await run_out(runner)
    assert first.heard == second.heard == [1, 2]


async def test_a_reactor_that_is_new_begins_with_the_first_change_and_the_others_hear_nothing_twice(store: Store) -> None:
    old, new = Listener("old"), Listener("new")
    await note(store, [1, 2])
    await run_out(Runner(store, old, owner="a"))
    await note(store, [3])
    await run_out(Runner(store, old, new, owner="a"))
    assert old.heard == new.heard == [1, 2, 3]
    assert len(set((await cursors(store)).values())) == 1


async def test_one_that_is_ahead_of_a_cut_stretch_keeps_its_place(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = Listener("old"), Listener("new")
    await note(store, [1, 2, 3])
    await run_out(Runner(store, old, owner="a"))
    monkeypatch.setattr(module, "STRETCH_S", -1.0)
    runner = Runner(store, old, new, owner="a")
    assert await runner.step()
    assert new.heard == [1] and (await cursors(store))["old"] > (await cursors(store))["new"]
    await run_out(runner)
    assert old.heard == new.heard == [1, 2, 3]


async def test_one_that_has_only_passed_over_changes_keeps_its_cursor_while_another_catches_up(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch,
) -> None:
    deaf, late = Deaf("deaf"), Listener("late")
    await run_out(Runner(store, late, owner="b"))
    await note(store, [1, 2, 3])
    runner = Runner(store, deaf, late, owner="a")
    await run_out(runner)
    clock.advance(LEASE * 2)  # the other process has died
    monkeypatch.setattr(module, "STRETCH_S", -1.0)
    await run_out(runner)
    assert late.heard == [1, 2, 3] and len(set((await cursors(store)).values())) == 1


async def test_what_another_process_holds_is_left_to_it_and_a_lost_lease_writes_nothing(store: Store) -> None:
    mine, theirs = Listener("mine"), Listener("theirs")
    await run_out(Runner(store, theirs, owner="b"))
    await note(store, [1])
    runner = Runner(store, mine, theirs, owner="a")
    await run_out(runner)
    assert (mine.heard, theirs.heard) == ([1], [])
    async with store.transaction() as tx:
        await tx.conn.execute(update(reactor).where(reactor.c.name == "mine").values(lease_owner="b"))
    await note(store, [2])
    with pytest.raises(Unavailable):
        await runner.step()
    assert mine.heard == [1]


async def test_the_wait_for_its_turn_is_none_of_a_stretch(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now_s))
    listener = Listener("listener")
    runner = Runner(store, listener, owner="a")
    await run_out(runner)
    await note(store, [1, 2, 3])
    async with store.transaction():
        step = asyncio.create_task(runner.step())
        await asyncio.sleep(0.05)
        now_s = 100.0
    assert await step
    at_once = list(listener.heard)
    await run_out(runner)
    assert listener.heard == [1, 2, 3]
    assert at_once == [1, 2, 3] or not store.is_sqlite  # PostgreSQL has no turns: a step that is under way when the clock jumps may end there


class Slow(Listener):
    """Has a report come to the writer's line while it reacts to the first change."""

    def __init__(self, store: Store) -> None:
        super().__init__("slow")
        self.store = store
        self.waiting: asyncio.Task[None] | None = None
        self.heard_before_it = -1

    async def react(self, tx: Transaction, change: Change) -> None:
        await super().react(tx, change)
        if self.waiting is None:
            self.waiting = asyncio.create_task(self._report())
            while not self.store.pressed:
                await asyncio.sleep(0)

    async def _report(self) -> None:
        async with self.store.transaction(urgent=True):
            self.heard_before_it = len(self.heard)


async def test_a_report_that_waits_has_its_turn_after_the_change_in_hand_and_nothing_is_left_out(
    store: Store, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STRETCH_S", 60.0)
    if not store.is_sqlite:
        return  # PostgreSQL has no line before the writer
    slow = Slow(store)
    await note(store, [1, 2, 3])
    await run_out(Runner(store, slow, owner="a"))
    assert slow.waiting is not None
    await slow.waiting
    assert slow.heard_before_it == 1 and slow.heard == [1, 2, 3]


async def test_a_cursor_is_written_down_after_many_changes_that_are_none_of_its_business(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PASSED_OVER", 3)
    runner = Runner(store, Deaf("deaf"), owner="a")
    await note(store, [1])
    await run_out(runner)
    assert (await cursors(store))["deaf"] == 0
    await note(store, [2, 3, 4])
    await run_out(runner)
    assert (await cursors(store))["deaf"] >= 3


async def test_a_long_backlog_is_worked_off_by_the_running_stage(store: Store) -> None:
    listener = Listener("listener")
    await note(store, range(500))
    running = asyncio.create_task(Runner(store, listener, owner="a").run())
    async with asyncio.timeout(20):
        while len(listener.heard) < 500:
            await asyncio.sleep(0.01)
    running.cancel()
    assert listener.heard == list(range(500))


def test_prompt_reactors_run_alone_and_the_others_as_one() -> None:
    one, two, hasty = Listener("one"), Listener("two"), Hasty("hasty")
    assert groups([one, hasty, two]) == {"together": [one, two], "hasty": [hasty]}


@pytest.mark.parametrize(("times", "heard", "failures"), [(1, [1, 2, 3, 4], 0), (3, [1, 2, 3, 4], 0), (99, [1, 3, 4], 1)])
async def test_a_fault_of_one_costs_one_change_of_that_one_at_most(
    store: Store, monkeypatch: pytest.MonkeyPatch, times: int, heard: list[int], failures: int,
) -> None:
    monkeypatch.setattr(module, "TRIES_S", (0.0, 0.0, 0.0))
    well, faulty, after = Listener("well"), Faulty("faulty", 2, times), Listener("after")
    await note(store, [1, 2, 3])
    runner = Runner(store, well, faulty, after, owner="a")
    await run_out(runner)
    await note(store, [4])
    await run_out(runner)
    assert well.heard == after.heard == [1, 2, 3, 4] and faulty.heard == heard
    async with store.read() as conn:
        counted = {row.name: row.failures for row in await conn.execute(select(reactor))}
        left = await fetch(conn, "SELECT count(*) FROM counter WHERE name LIKE $1", "%left behind")
    assert counted == {"well": 0, "faulty": failures, "after": 0} and left == [(0,)]
    await run_out(Runner(store, well, faulty, after, owner="a"))
    assert well.heard == [1, 2, 3, 4] and faulty.heard == heard

"""Measures the daily duty: rows of a day made, 10,000 due rows handled, and a tick with nothing due at 10,000 and at 1,000,000 rows."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from sqlalchemy import text

from hub.clock import ManualClock, utc_text
from hub.domain.duty_rules import DutyRules, packaged_rules
from hub.domain.obligation import Owed
from hub.operate.interpreter import settle
from hub.respond.schedule import tick
from hub.store import Store
from hub.store.obligations import make
from hub.store.roster import make_standard_posts

DEPARTMENTS = 2_000
TEMPLATES = 5
MANY = 1_000_000
STEPS_MIN = (-60, -15, 30)
"""When the first three steps of the packaged ladder for daily reports fall due: two reminders, then the first call after grace."""
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
Progress = Callable[[str], None]


async def run(progress: Progress, *, url: str | None = None, departments: int = DEPARTMENTS, many: int = MANY) -> dict[str, Any]:
    """Run the bench against a fresh SQLite file (or an empty database at `url`).

    Figures: `make_day_s`, `tick_10000_s` (the slowest of three ticks), `idle_tick_ratio` (median time of a tick with nothing due, `many` rows over 10,000), and beside
    them the times in milliseconds that the ratio comes from.
    """
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        clock = ManualClock(NOON)
        async with Store(url or f"sqlite:///{folder}/duties.db", clock) as store:
            settle()  # as a running hub does
            return await _measure(store, clock, packaged_rules(), progress, departments, many)


async def _measure(store: Store, clock: ManualClock, rules: DutyRules, progress: Progress, departments: int, many: int) -> dict[str, Any]:
    names = [(f"dept-{n:04d}", f"部门{n}", f"department {n}") for n in range(departments)]
    progress(f"{departments} departments with their posts")
    async with store.transaction() as tx:
        await make_standard_posts(tx, names, centre="dept-0000", by="system:bench")
        await tx.conn.execute(text("UPDATE duty_post SET members = '[\"person\"]'"))
    progress(f"the rows of a day: {departments} × {TEMPLATES}")
    due = NOON + timedelta(hours=5)
    owed = [
        Owed(key=f"daily:{template}:{id}:2026-11-23:1", kind="daily_report", department_id=id, post_id=f"{id}.duty", subject=f"daily:{template}",
             title_zh=f"{zh}日报{template}", title_en=f"daily report {template}", due_at=due, opens_at=NOON, day="2026-11-23")
        for id, zh, _ in names for template in range(TEMPLATES)
    ]
    made_s, made = await _timed(_make_day(store, rules, owed))
    idle_few_ms = await _idle(store, rules, progress, made)
    tick_s = 0.0
    for minutes in STEPS_MIN:
        progress(f"a tick with {made} due rows, {minutes} minutes from the due time")
        clock.set(due + timedelta(minutes=minutes))
        spent_s, done = await _timed(tick(store, rules))
        if done.looked != made or done.taken != made:
            raise AssertionError(f"the tick handled {done} of {made} rows")
        tick_s = max(tick_s, spent_s)
    async with store.transaction() as tx:
        await tx.conn.execute(text("UPDATE obligation SET state = 'met', next_at = NULL"))
    progress(f"{many} rows")
    await _fill(store, many - made)
    clock.set(NOON)
    idle_many_ms = await _idle(store, rules, progress, many)
    return {
        "make_day_s": round(made_s, 3), "tick_10000_s": round(tick_s * 10_000 / made, 3), "idle_tick_ratio": round(idle_many_ms / idle_few_ms, 3),
        "rows_of_a_day": made, "idle_tick_ms_10000": round(idle_few_ms, 3), "idle_tick_ms_1000000": round(idle_many_ms, 3),
    }


async def _make_day(store: Store, rules: DutyRules, owed: list[Owed]) -> int:
    async with store.transaction() as tx:
        return len(await make(tx, rules, owed, actor="system:duties"))


async def _timed(work: Any) -> tuple[float, Any]:
    began = perf_counter()
    value = await work
    return perf_counter() - began, value


async def _idle(store: Store, rules: DutyRules, progress: Progress, rows: int, *, times: int = 41) -> float:
    """The median time (ms) of a tick with nothing due."""
    progress(f"{times} ticks with nothing due at {rows} rows")
    await tick(store, rules)
    spent = sorted([(await _timed(tick(store, rules)))[0] for _ in range(times)])
    return spent[times // 2] * 1_000


async def _fill(store: Store, count: int) -> None:
    """Add rows of past and coming days: nine in ten at rest, one in ten waiting for a time that has not come."""
    copy = ("INSERT INTO obligation (id, key, kind, department_id, post_id, subject, title_zh, title_en, day, drill, urgent, ladder, opens_at, "
            "due_at, late_at, lock_at, state, round, step, was_late, created_at, updated_at, version, next_at) "
            "SELECT 'fill-' || n, 'fill:' || n, 'daily_report', 'dept-0001', 'dept-0001.duty', 'daily:fill', '日报', 'daily', '2026-01-01', "
            "{false}, {false}, 'daily', :then, :then, :then, :then, CASE WHEN n % 10 = 0 THEN 'open' ELSE 'met' END, 1, 0, {false}, :then, :then, "
            "1, CASE WHEN n % 10 = 0 THEN :then END FROM ({series}) AS s")
    then = {"then": utc_text(NOON + timedelta(days=30))}
    for first in range(0, count, 100_000):
        last = min(first + 100_000, count) - 1
        if store.is_sqlite:
            series = f"WITH RECURSIVE c(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM c WHERE n < {last}) SELECT n FROM c"  # noqa: S608 numbers of our own
        else:
            series = f"SELECT generate_series({first}, {last}) AS n"
        async with store.transaction() as tx:
            await tx.conn.execute(text(copy.format(series=series, false="0" if store.is_sqlite else "false")), then)
    if store.is_sqlite:
        await asyncio.to_thread(_checkpoint, store.url)


def _checkpoint(url: str) -> None:
    path = Path(url.split("///", 1)[1])
    with sqlite3.connect("/" / path) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")

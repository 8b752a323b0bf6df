"""Hubs killed with -9: between claim, send and mark; across deadlines; two at once. Nothing lost, no step recorded twice."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from hub.domain.notice import in_both
from hub.domain.obligation import Owed
from hub.store import Store
from hub.store.notices import draft, queue
from hub.store.obligations import list_obligations, make
from tests.support.duty import give_contact, people, rules
from tests.support.duty_child import fast_rules
from tests.support.gateway import Gateway
from tests.support.stores import fresh_postgres, fresh_sqlite

ROOT = Path(__file__).parents[2]
Process = asyncio.subprocess.Process


async def spawn(url: str, offset_s: float, *what: str) -> Process:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-m", "tests.support.duty_child", url, str(offset_s), *what, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    assert await asyncio.wait_for(child.stdout.readline(), 30) == b"ready\n"
    return child


async def kill(child: Process) -> None:
    if child.returncode is None:
        child.kill()
    await child.wait()


async def until(condition: object, within_s: float = 100) -> None:
    """Wait for a condition (a callable, awaited where it gives an awaitable) with a deadline."""
    deadline = time.monotonic() + within_s
    while True:
        value = condition()  # type: ignore[operator]
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return
        assert time.monotonic() < deadline, "the deadline passed"
        await asyncio.sleep(0.02)


async def count(store: Store, query: str) -> int:
    async with store.read() as conn:
        return int((await conn.execute(text(query))).scalar_one())


async def test_a_sender_killed_between_claim_send_and_mark_loses_nothing_and_folds_what_it_repeats(tmp_path: Path) -> None:
    url, dice, kills, notices = fresh_sqlite(tmp_path / "hub.db"), random.Random(20261123), 8, 60
    async with Gateway(hang_s=0.02) as gateway, Store(url) as store:
        async with store.transaction() as tx:
            await queue(tx, [draft(rules(), dedupe=f"n{n}", channel="push", address=gateway.url, template="message", urgent=True,
                                   fields=in_both(title=f"{n}", text="…"), now=tx.now, max_age=timedelta(days=1)) for n in range(notices)],
                        actor="system:test")
        for n in range(kills):
            child = await spawn(url, n * 61, "send")
            after = gateway.tries + dice.randint(1, 4)
            point = dice.choice(("claimed", "received", "answered"))
            if point == "claimed":
                await until(lambda: count(store, "SELECT CASE WHEN max(state = 'claimed') = 1 OR min(state = 'sent') = 1 THEN 1 ELSE 0 END FROM notice"))
            elif point == "received":  # the gateway has it and has not answered yet: between send and mark
                await until(lambda after=after: gateway.tries >= after or len(gateway.got) >= notices)
            else:
                got = len(gateway.got)
                await until(lambda got=got: len(gateway.got) > got or got >= notices)
            await kill(child)
        last = await spawn(url, kills * 61, "send")
        await until(lambda: count(store, f"SELECT CASE WHEN count(*) = {notices} THEN 1 ELSE 0 END FROM notice WHERE state = 'sent'"))
        await kill(last)
        ids = Counter(got.id for got in gateway.got)
        async with store.read() as conn:
            known = {row.id for row in await conn.execute(text("SELECT id FROM notice"))}
        assert set(ids) == known and len(known) == notices
        assert max(ids.values()) <= 1 + kills
        repeated = sum(ids.values()) - notices
        assert repeated <= kills * 6, "a kill repeats at most what was under way at that moment, each under its own id"
        assert await count(store, "SELECT count(DISTINCT subject) FROM change WHERE kind = 'notice.sent'") == notices


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_hubs_killed_and_started_again_two_at_once_record_each_step_of_every_duty_once(
    database: str, tmp_path: Path, request: pytest.FixtureRequest,
) -> None:
    """Duties fall due while the hubs die; SQLite has one hub at a time, PostgreSQL two."""
    url = fresh_sqlite(tmp_path / "hub.db") if database == "sqlite" else fresh_postgres(request.getfixturevalue("postgres_server"))
    found, dice, duties = fast_rules(), random.Random(7), 120
    async with Gateway() as gateway, Store(url) as store:
        async with store.transaction() as tx:
            await people(tx, "water-bureau")
        await give_contact(store, "water-bureau.duty", gateway.url)
        first = datetime.now(UTC) + timedelta(seconds=4)
        async with store.transaction() as tx:
            made = await make(tx, found, [
                Owed(key=f"fast:{n}", kind="fast", department_id="water-bureau", post_id="water-bureau.duty", subject=f"x:{n}", title_zh=f"事{n}",
                     title_en=f"duty {n}", due_at=first + timedelta(milliseconds=50 * n)) for n in range(duties)], actor="system:test")
        hubs = [await spawn(url, 0, "tick", "send") for _ in range(1 if database == "sqlite" else 2)]
        for _ in range(5):
            await asyncio.sleep(dice.uniform(0.2, 0.9))
            n = dice.randrange(len(hubs))
            await kill(hubs[n])
            hubs[n] = await spawn(url, 0, "tick", "send")
        await until(lambda: count(store, f"SELECT CASE WHEN count(*) = {duties} THEN 1 ELSE 0 END FROM obligation WHERE state = 'missed'"))
        for hub in hubs:
            await kill(hub)
        async with store.read() as conn:
            steps = Counter((row.obligation_id, row.step) for row in await conn.execute(text("SELECT obligation_id, step FROM escalation")))
            taken = int((await conn.execute(text("SELECT count(*) FROM escalation WHERE outcome = 'taken'"))).scalar_one())
            console = int((await conn.execute(text("SELECT count(*) FROM notice WHERE channel = 'console' AND template <> 'outage'"))).scalar_one())
            late = list(await conn.execute(text("SELECT planned_at, at FROM escalation WHERE outcome = 'taken'")))
            missed = int((await conn.execute(text("SELECT count(*) FROM change WHERE kind = 'obligation.missed'"))).scalar_one())
            held = await list_obligations(conn, limit=1_000)
    assert steps == Counter({(o.id, n): 1 for o in made for n in (1, 2, 3, 4)})
    assert console == taken, "one message on the screen for each step taken, and none besides"
    assert missed == duties == len(held)
    waits = [datetime.fromisoformat(row.at) - datetime.fromisoformat(row.planned_at) for row in late]
    assert max(waits) < timedelta(seconds=30)


async def test_a_deadline_that_passed_while_the_hub_was_down_is_escalated_within_30_s_of_its_start(tmp_path: Path) -> None:
    url, found = f"sqlite:///{tmp_path}/hub.db", fast_rules()
    async with Store(url) as store:
        async with store.transaction() as tx:
            await people(tx, "water-bureau")
            (made,) = await make(tx, found, [Owed(
                key="down", kind="fast", department_id="water-bureau", post_id="water-bureau.duty", subject="x", title_zh="事", title_en="duty",
                due_at=tx.now - timedelta(minutes=3), opens_at=tx.now - timedelta(hours=1))], actor="system:test")
        began = time.monotonic()
        hub = await spawn(url, 0, "tick")
        await until(lambda: count(store, "SELECT count(*) FROM obligation WHERE state = 'missed'"))
        spent = time.monotonic() - began
        await kill(hub)
        async with store.read() as conn:
            rows = [tuple(r) for r in await conn.execute(text("SELECT step, outcome FROM escalation ORDER BY step"))]
    assert spent < 30
    assert rows == [(1, "superseded"), (2, "superseded"), (3, "superseded"), (4, "taken")] and made.state == "open"

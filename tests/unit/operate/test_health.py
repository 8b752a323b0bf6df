"""What the log says of the hub's parts: every change of state once, and nothing of a part that was only starting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.clock import ManualClock
from hub.operate.health import Health, State, clock_probe
from hub.store import Store
from hub.store.accounts import first_start_link, link_for
from tests.support.district import POLICY


async def test_each_change_is_logged_once_and_a_start_is_no_change(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "hub.health")
    health = Health(ManualClock(datetime(2026, 11, 29, tzinfo=UTC)))
    for now in (State.DOWN, State.OK, State.OK, State.DOWN, State.DOWN, State.OK):
        async def probe(now: State = now) -> tuple[State, str, str]:
            return now, "状态", "so it is"
        health.probes["broker"] = probe
        await health.ask()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "broker is down: so it is"), ("INFO", "broker is ok: so it is")]


async def test_a_part_that_never_came_is_logged_at_the_second_look(caplog: pytest.LogCaptureFixture) -> None:
    health = Health(ManualClock(datetime(2026, 11, 29, tzinfo=UTC)))

    async def down() -> tuple[State, str, str]:
        return State.DOWN, "不在", "away"

    health.probes["store"] = down
    await health.ask()
    assert caplog.records == []
    assert not (await health.ask()).ready
    assert [record.getMessage() for record in caplog.records] == ["store is down: away"]


async def test_a_clock_behind_what_was_written_last_is_told_also_after_a_restart_and_a_step_back_is(tmp_path: Path) -> None:
    now = datetime(2026, 11, 29, 8, tzinfo=UTC)
    clock = ManualClock(now)
    async with Store(f"sqlite:///{tmp_path}/hub.db", clock) as store:
        running = clock_probe(store, clock)
        assert (await running())[0] is State.OK
        await first_start_link(store, POLICY)
        clock.advance(timedelta(hours=1))
        assert (await running())[0] is State.OK
        clock.set(now - timedelta(days=730))
        state, zh, en = await running()
        assert (state, "2026-11-29 09:00:00Z" in zh, "17521.0 h" in en) == (State.DEGRADED, True, True)
        await link_for(store, "desk")  # something is written by the wrong clock, too
        assert (await clock_probe(store, clock)())[0] is State.DEGRADED
        clock.set(now + timedelta(hours=2))
        assert (await running())[0] is (await clock_probe(store, clock)())[0] is State.OK

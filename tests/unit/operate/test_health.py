"""What the log says of the hub's parts: every change of state once, and nothing of a part that was only starting."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hub.clock import ManualClock
from hub.operate.health import Health, State


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

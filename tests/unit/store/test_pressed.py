"""Who stores reports goes first at the writer, and whoever holds it can see that somebody waits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hub.domain.duty_rules import packaged_rules
from hub.respond import schedule
from hub.store import Store
from hub.store.obligations import Ticked
from hub.store.turns import Turns


async def test_a_report_that_waits_is_seen_and_goes_first() -> None:
    turns, came = Turns(), []

    async def take(name: str, urgent: bool) -> None:
        async with turns.turn(urgent=urgent):
            came.append(name)

    async with turns.turn():
        tasks = [asyncio.create_task(take("reaction", False))]
        await asyncio.sleep(0)
        assert not turns.pressed
        tasks.append(asyncio.create_task(take("report", True)))
        await asyncio.sleep(0)
        assert turns.pressed
    await asyncio.gather(*tasks)
    assert came == ["report", "reaction"]
    assert not turns.pressed


@pytest.mark.parametrize(("pressed", "sizes"), [([], [50, 200, 800, 2000, 2000]), ([1, 2], [50, 200, 50, 50, 200, 800])])
async def test_a_tick_takes_small_stretches_while_a_report_waits(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pressed: list[int], sizes: list[int]) -> None:
    taken: list[int] = []

    async def batch(_tx: object, _rules: object, *, limit: int) -> Ticked:
        taken.append(limit)
        return Ticked(limit if len(taken) < len(sizes) else 0, 0, 0, 0, 0)

    async def due(_conn: object, _now: object) -> bool:
        return True

    monkeypatch.setattr(schedule, "tick_batch", batch)
    monkeypatch.setattr(schedule, "is_due", due)
    monkeypatch.setattr(Store, "pressed", property(lambda _store: len(taken) - 1 in pressed))
    async with Store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        await schedule.tick(store, packaged_rules())
    assert taken == sizes

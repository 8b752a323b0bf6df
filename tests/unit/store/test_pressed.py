"""Reactions make room for reports: a stretch of them ends as soon as a report waits for the writer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.domain.change import Change
from hub.domain.incident import IncidentOpened
from hub.respond import reactor as module
from hub.respond.reactor import Runner
from hub.store import Store
from hub.store.writer import Transaction
from tests.support.district import incident_view


class Slow:
    """Notes what it has reacted to; at one of them somebody comes."""

    name, kinds = "slow", frozenset({"incident.opened"})

    def __init__(self, at: str, comes: Callable[[], object]) -> None:
        self.seen: list[str] = []
        self._at, self._comes = at, comes

    async def react(self, tx: Transaction, change: Change) -> None:
        self.seen.append(change.subject)
        if change.subject == self._at:
            self._comes()
            await asyncio.sleep(0)


@pytest.mark.parametrize(("urgent", "seen"), [(True, 2), (False, 4)])
async def test_a_stretch_of_reactions_ends_when_a_report_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, urgent: bool, seen: int) -> None:
    monkeypatch.setattr(module, "STRETCH_S", 1000.0)
    monkeypatch.setattr(module, "PRESSED_S", 0.0)
    waiting: list[asyncio.Task[int]] = []

    async with Store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        reactor = Slow("incident:2", lambda: waiting.append(asyncio.create_task(store_one(store, reactor, urgent))))
        async with store.transaction() as tx:
            for n in range(1, 5):
                tx.record(IncidentOpened(incident=incident_view(n)), actor="agent:a", subject=f"incident:{n}")
        runner = Runner(store, reactor)
        while await runner.step():
            pass
        assert reactor.seen == [f"incident:{n}" for n in range(1, 5)]
        assert await waiting[0] == seen


async def store_one(store: Store, reactor: Slow, urgent: bool) -> int:
    """How many reactions were through when the writer's turn came."""
    async with store.transaction(urgent=urgent):
        return len(reactor.seen)

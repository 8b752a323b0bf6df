"""The newest changes in memory: whoever follows gets the same stretch as from the store, near the end and far from it."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from hub.domain.change import Change
from hub.store.tail import Tail


def changes(first: int, count: int) -> list[Change]:
    return [Change(seq=n, kind="incident.opened", at="2026-11-23T04:00:00.000Z", actor="system:test", subject="incident:x", incident_id=None,
                   department_id=None, drill=False, body=Raw(b"{}")) for n in range(first, first + count)]


@given(st.integers(1, 50), st.integers(1, 300), st.data())
def test_every_stretch_within_is_whole_and_in_order(first: int, count: int, data: Any) -> None:
    last = first + count - 1
    seq, limit = data.draw(st.integers(first - 1, last - 1)), data.draw(st.integers(1, 400))

    async def asked() -> list[int]:
        tail = Tail(store=None)  # type: ignore[arg-type] # nothing is read where memory has it
        tail.push(changes(first, count))
        return [change.seq for change in await tail.after(seq, limit)]

    assert asyncio.run(asked()) == list(range(seq + 1, min(seq + limit, last) + 1))

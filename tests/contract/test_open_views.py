"""Views of cameras whose process is no more get their end in the chain, once, at the moment at which it last served them. On both databases."""

from __future__ import annotations

from datetime import timedelta

from hub.clock import ManualClock, utc_text
from hub.domain.camera import ViewEnded, ViewOfCamera
from hub.store import Store, changes_after
from hub.store.views import LEASE, end_left_behind, keep_open, note_open


def view(id: str, at: str) -> ViewOfCamera:
    return ViewOfCamera(id=id, camera_id="plant-1/cam", person_id="p-1", how="stream", reason_code="linked", incident_id="i-1", from_at=at)


async def ended(store: Store) -> list[ViewOfCamera]:
    async with store.read() as conn:
        return [c.read(ViewEnded).view for c in await changes_after(conn, 0, limit=100) if c.kind == "view.ended"]


async def served(store: Store, owner: str, *ids: str) -> None:
    async with store.transaction() as tx:
        for id in ids:
            await note_open(tx, view(id, tx.at), owner, "fire-rescue")


async def sweep(store: Store, owner: str, *, alone: bool) -> int:
    async with store.transaction() as tx:
        return await end_left_behind(tx, owner, alone=alone, by="system:views")


async def test_a_hub_alone_ends_at_its_start_what_the_one_before_it_left_open(store: Store, clock: ManualClock) -> None:
    await served(store, "before", "v-1", "v-2")
    clock.advance(timedelta(seconds=5))
    async with store.transaction() as tx:
        await keep_open(tx, "before", {"v-1"})  # v-2 had its end already
    last_seen = utc_text(clock.now())
    clock.advance(timedelta(seconds=2))
    assert await sweep(store, "after", alone=True) == 1
    (left,) = await ended(store)
    assert (left.id, left.to_at, left.ended, left.incident_id) == ("v-1", last_seen, "hub_gone", "i-1")
    assert await sweep(store, "after", alone=True) == 0


async def test_of_several_processes_only_one_that_is_silent_for_its_lease_loses_its_views(store: Store, clock: ManualClock) -> None:
    await served(store, "dead", "v-1")
    await served(store, "alive", "v-2")
    clock.advance(LEASE + timedelta(seconds=1))
    async with store.transaction() as tx:
        await keep_open(tx, "alive", {"v-2"})
    assert await sweep(store, "third", alone=False) == 1
    assert [one.id for one in await ended(store)] == ["v-1"]

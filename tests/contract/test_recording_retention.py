"""What the retention deletes of recordings is in the chain, once, whatever happens between the disk and the store. On both databases."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hub.domain.recording import SegmentDeleted
from hub.respond.recording import Recordings
from hub.settings import Settings
from hub.store import Store, changes_after
from hub.store.recordings import segments_of, want
from streams.evidence import RecordingHeader, create, enforce_retention, retention_policy
from streams.recorder import SegmentWriter
from streams.relay import Relay
from tests.support.chunks import chunks


async def deleted(store: Store) -> list[int]:
    async with store.read() as conn:
        return [c.read(SegmentDeleted).n for c in await changes_after(conn, 0, limit=1000) if c.kind == "recording.segment_deleted"]


async def recorded(store: Store, recordings: Recordings) -> str:
    """A recording of three segments that is no evidence, in the store and on the disk."""
    async with store.transaction() as tx:
        view = await want(tx, "plant-1", "cam", incident_id=None, reason="patrol", by="system:test", evidence=False)
        assert view is not None
    header = RecordingHeader(recording_id=view.id, agent_id="plant-1", camera_id="cam", reason="patrol", started_at=store.clock.now())
    writer = SegmentWriter(create(recordings.root, header), lambda entry: recordings._told(header, entry), segment_s=2, min_free_bytes=0)
    for item in chunks(150):
        writer.take(item)
    writer.end("stopped")
    await recordings._write_all()
    return view.id


async def test_what_is_deleted_is_chained_once_and_again_after_a_restart_that_lost_the_word(store: Store, tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path), recording_quota_bytes=1)
    recordings = Recordings(store, Relay(), settings)
    id = await recorded(store, recordings)
    assert await recordings.retain_once() == 3
    assert await deleted(store) == [1, 2, 3]
    async with store.read() as conn:
        assert [segment.deleted_reason for segment in await segments_of(conn, id)] == ["quota"] * 3
    again = Recordings(store, Relay(), settings)
    again._recover(again._said)
    await again._write_all()
    assert await deleted(store) == [1, 2, 3]


async def test_a_deletion_that_the_store_never_heard_of_is_chained_at_the_next_start(store: Store, tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path), recording_quota_bytes=1)
    first = Recordings(store, Relay(), settings)
    await recorded(store, first)
    enforce_retention(first.root, msgspec.structs.replace(retention_policy(), quota_bytes=1), store.clock.now(), is_evidence=lambda h: False,
                      deleted=lambda header, entry: None)  # the process ends before it could say so
    assert await deleted(store) == []
    second = Recordings(store, Relay(), settings)
    second._recover(second._said)
    await second._write_all()
    assert await deleted(store) == [1, 2, 3]

"""An incident's timeline, page by page, without what would bury it. On both databases."""

from __future__ import annotations

from hub.domain.incident import IncidentNoted
from hub.domain.recording import SegmentClosed, SegmentView
from hub.store import Store, changes_of_incident
from hub.store.proof import audit_trail


async def test_the_segments_of_a_recording_do_not_push_what_happened_off_the_page(store: Store) -> None:
    async with store.transaction() as tx:
        for n in range(5):
            tx.record(IncidentNoted(text=f"note {n}"), actor="person:a", subject="incident:i", incident_id="i")
            for m in range(50):
                tx.record(SegmentClosed(recording_id="r", segment=segment(50 * n + m)), actor="system:recorder", subject="recording:r", incident_id="i")
    async with store.read() as conn:
        page = await changes_of_incident(conn, "i", limit=3)
        older = await changes_of_incident(conn, "i", before=page[-1].seq, limit=3)
        everything = await changes_of_incident(conn, "i", limit=200, routine=True)
    assert [change.read(IncidentNoted).text for change in page + older] == [f"note {n}" for n in (4, 3, 2, 1, 0)]
    assert len(everything) == 200


async def test_the_audit_trail_leaves_segments_out_where_that_is_asked_for_and_keeps_its_pages_full(store: Store) -> None:
    async with store.transaction() as tx:
        for n in range(4):
            tx.record(IncidentNoted(text=f"note {n}"), actor="person:a", subject="incident:i", incident_id="i")
            for m in range(30):
                tx.record(SegmentClosed(recording_id="r", segment=segment(30 * n + m)), actor="system:recorder", subject="recording:r", incident_id="i")
    async with store.read() as conn:
        page = await audit_trail(conn, limit=3, routine=False)
        whole = await audit_trail(conn, limit=3)
        asked = await audit_trail(conn, kind="recording.segment_closed", limit=3, routine=False)
    assert [change.read(IncidentNoted).text for change in page] == ["note 3", "note 2", "note 1"]
    assert {change.kind for change in [*whole, *asked]} == {"recording.segment_closed"} and len(asked) == 3


def segment(n: int) -> SegmentView:
    return SegmentView(n=n, sha256="0" * 64, size_bytes=1, first_wall_ms=n, last_wall_ms=n + 1)

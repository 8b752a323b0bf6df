"""Recordings in the store: which are wanted, who writes them, their segments' hashes, what was deleted. The files are the recorder's."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec
from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import utc_text
from hub.domain.change import ChangeBody
from hub.domain.incident import IncidentState
from hub.domain.recording import (
    RecordingEnded,
    RecordingInterrupted,
    RecordingKept,
    RecordingStarted,
    RecordingView,
    SegmentClosed,
    SegmentDeleted,
    SegmentView,
    as_evidence,
    kept_by_hand,
)
from hub.ids import new_id
from hub.store.lease import LEASE
from hub.store.schema import incident
from hub.store.schema_video import recording, recording_segment
from hub.store.writer import Transaction

ELSEWHERE: Final = "elsewhere"
"""What a recording says that ended because its writer did, on another machine whose files nobody else reaches."""
_view = msgspec.json.Decoder(RecordingView).decode
_segment = msgspec.json.Decoder(SegmentView).decode


def _say(tx: Transaction, body: ChangeBody, view: RecordingView, by: str) -> None:
    tx.record(body, actor=by, subject=f"recording:{view.id}", incident_id=view.incident_id, drill=view.drill)


async def _put(tx: Transaction, view: RecordingView, **columns: object) -> None:
    await tx.conn.execute(update(recording).where(recording.c.id == view.id).values(
        ended_at=view.ended_at, evidence=view.evidence, view=msgspec.json.encode(view).decode(), **columns))


async def want(
    tx: Transaction, agent_id: str, camera_id: str, *, incident_id: str | None, reason: str, by: str, drill: bool = False, evidence: bool = True,
) -> RecordingView | None:
    """Ask for a recording; None where the same camera is recorded for the same incident already."""
    key = f"{agent_id}/{camera_id}"
    same = recording.c.incident_id == incident_id if incident_id is not None else recording.c.incident_id.is_(None)
    if (await tx.conn.execute(select(recording.c.id).where(recording.c.camera_id == key, same, recording.c.wanted.is_(True)))).first():
        return None
    view = RecordingView(id=new_id(), agent_id=agent_id, camera_id=camera_id, incident_id=incident_id, reason=reason, started_at=tx.at,
                         drill=drill, evidence=evidence)
    await tx.conn.execute(insert(recording).values(
        id=view.id, incident_id=incident_id, camera_id=key, started_at=tx.at, wanted=True, evidence=evidence,
        view=msgspec.json.encode(view).decode()))
    _say(tx, RecordingStarted(recording=view), view, by)
    return view


async def end_wanted(tx: Transaction, *, incident_id: str, but: frozenset[str] = frozenset()) -> int:
    """Let the recordings of an incident end, but those of the cameras in `but`; whoever writes them states the end."""
    where = [recording.c.incident_id == incident_id, recording.c.wanted.is_(True)]
    if but:
        where.append(recording.c.camera_id.not_in(sorted(but)))
    return (await tx.conn.execute(update(recording).where(*where).values(wanted=False))).rowcount


async def wanted_now(conn: AsyncConnection) -> list[tuple[str | None, str]]:
    """Which recordings are wanted: (incident, `AGENT/CAMERA`) of each; few, since a rule bounds them."""
    rows = await conn.execute(select(recording.c.incident_id, recording.c.camera_id).where(recording.c.wanted.is_(True)))
    return [(row.incident_id, row.camera_id) for row in rows]


async def wanted_ids(conn: AsyncConnection) -> set[str]:
    """The recordings that are wanted."""
    return set((await conn.execute(select(recording.c.id).where(recording.c.wanted.is_(True)))).scalars())


async def claimable(conn: AsyncConnection, owner: str, now_text: str) -> bool:
    """Is there a wanted recording that `owner` could claim?"""
    where = (recording.c.wanted.is_(True), or_(recording.c.owner.is_(None), recording.c.owner_until < now_text))
    return (await conn.execute(select(recording.c.id).where(*where).limit(1))).first() is not None


class Claimed(NamedTuple):
    """A recording that a process took, and whether another one wrote it before."""

    view: RecordingView
    of_another: bool


async def claim(tx: Transaction, owner: str, held: set[str], *, most: int = 40) -> list[Claimed]:
    """Renew the recordings held, take over wanted ones that nobody holds (any more); gives the new ones."""
    until = utc_text(tx.now + LEASE)
    if held:
        await tx.conn.execute(update(recording).where(recording.c.id.in_(sorted(held)), recording.c.owner == owner).values(owner_until=until))
    free = (await tx.conn.execute(select(recording.c.id, recording.c.view, recording.c.owner).where(
        recording.c.wanted.is_(True), recording.c.id.not_in(sorted(held)) if held else recording.c.id.is_not(None),
        or_(recording.c.owner.is_(None), recording.c.owner == owner, recording.c.owner_until < tx.at)).limit(most))).all()
    taken = []
    for row in free:
        done = await tx.conn.execute(update(recording).where(
            recording.c.id == row.id, or_(recording.c.owner.is_(None), recording.c.owner == owner, recording.c.owner_until < tx.at))
            .values(owner=owner, owner_until=until))
        if done.rowcount == 1:
            taken.append(Claimed(_view(row.view), row.owner not in (None, owner)))
    return taken


async def get_recording(conn: AsyncConnection, id: str) -> RecordingView | None:
    """One recording, or None."""
    view = (await conn.execute(select(recording.c.view).where(recording.c.id == id))).scalar()
    return _view(view) if view is not None else None


async def recordings_of(conn: AsyncConnection, incident_id: str) -> list[RecordingView]:
    """The recordings of an incident, oldest first."""
    rows = await conn.execute(select(recording.c.view).where(recording.c.incident_id == incident_id).order_by(
        recording.c.started_at, recording.c.id))
    return [_view(view) for view in rows.scalars()]


async def segments_of(conn: AsyncConnection, recording_id: str) -> list[SegmentView]:
    """The segments of a recording in the order of their numbers."""
    rows = await conn.execute(select(recording_segment.c.view).where(recording_segment.c.recording_id == recording_id).order_by(
        recording_segment.c.n))
    return [_segment(view) for view in rows.scalars()]


async def keep_segment(tx: Transaction, recording_id: str, segment: SegmentView, *, by: str) -> bool:
    """Put a closed segment's hash into the chain; False for one that is there already."""
    view = await get_recording(tx.conn, recording_id)
    known = (await tx.conn.execute(select(recording_segment.c.n).where(
        recording_segment.c.recording_id == recording_id, recording_segment.c.n == segment.n))).first()
    if view is None or known is not None:
        return False
    await tx.conn.execute(insert(recording_segment).values(
        recording_id=recording_id, n=segment.n, sha256=segment.sha256, size_bytes=segment.size_bytes,
        view=msgspec.json.encode(segment).decode()))
    _say(tx, SegmentClosed(recording_id=recording_id, segment=segment), view, by)
    return True


async def note_trouble(tx: Transaction, recording_id: str, code: str, detail: str, *, by: str) -> None:
    """State an interruption or a loss of a recording."""
    view = await get_recording(tx.conn, recording_id)
    if view is None:
        return
    said = f"{code} {detail}".strip()
    if said not in view.troubles:
        await _put(tx, msgspec.structs.replace(view, troubles=(*view.troubles, said)[-50:]))
    _say(tx, RecordingInterrupted(recording_id=recording_id, code=code, detail=detail), view, by)


async def note_end(tx: Transaction, recording_id: str, *, by: str) -> None:
    """State that a recording which is no longer wanted has ended; once."""
    view = await get_recording(tx.conn, recording_id)
    if view is None or view.ended_at is not None:
        return
    ended = msgspec.structs.replace(view, ended_at=tx.at)
    await _put(tx, ended, wanted=False, owner=None, owner_until=None)
    _say(tx, RecordingEnded(recording=ended), ended, by)


async def begin_anew(tx: Transaction, view: RecordingView, *, by: str) -> None:
    """End a recording whose files stand where its former writer wrote them, out of reach, and ask for another of the same: no number of a segment is
    given twice."""
    await note_trouble(tx, view.id, ELSEWHERE, "", by=by)
    await note_end(tx, view.id, by=by)
    await want(tx, view.agent_id, view.camera_id, incident_id=view.incident_id, reason=view.reason, by=by, drill=view.drill, evidence=view.evidence)


async def note_deleted(tx: Transaction, recording_id: str, n: int, sha256: str, reason: str, *, by: str) -> None:
    """State that a segment was deleted by policy; once."""
    row = (await tx.conn.execute(select(recording_segment.c.view).where(
        recording_segment.c.recording_id == recording_id, recording_segment.c.n == n))).scalar()
    view = await get_recording(tx.conn, recording_id)
    if row is None or view is None or _segment(row).deleted_at is not None:
        return
    gone = msgspec.structs.replace(_segment(row), deleted_at=tx.at, deleted_reason=reason)
    await tx.conn.execute(update(recording_segment).where(
        recording_segment.c.recording_id == recording_id, recording_segment.c.n == n).values(view=msgspec.json.encode(gone).decode()))
    _say(tx, SegmentDeleted(recording_id=recording_id, n=n, sha256=sha256, reason=reason), view, by)


async def evidence_ids(conn: AsyncConnection) -> set[str]:
    """The recordings that retention must not touch."""
    return set((await conn.execute(select(recording.c.id).where(recording.c.evidence.is_(True)))).scalars())


async def keep(tx: Transaction, id: str, evidence: bool, *, by: str) -> RecordingView | None:
    """Keep a recording by hand, or let retention have it; the same again is no change. Raises Rejected while its incident is open."""
    view = await get_recording(tx.conn, id)
    if view is None:
        return None
    return await _become(tx, kept_by_hand(view, evidence, await _state_of(tx.conn, view.incident_id)), view, by)


async def evidence_of(tx: Transaction, incident_id: str, evidence: bool, *, by: str) -> None:
    """The recordings of an incident are evidence, or retention may have them, but for those that somebody keeps by hand."""
    for view in await recordings_of(tx.conn, incident_id):
        await _become(tx, as_evidence(view, evidence), view, by)


async def _become(tx: Transaction, after: RecordingView, before: RecordingView, by: str) -> RecordingView:
    if after != before:
        await _put(tx, after)
        _say(tx, RecordingKept(recording=after), after, by)
    return after


async def _state_of(conn: AsyncConnection, incident_id: str | None) -> IncidentState | None:
    state = (await conn.execute(select(incident.c.state).where(incident.c.id == incident_id))).scalar() if incident_id is not None else None
    return IncidentState(state) if state is not None else None

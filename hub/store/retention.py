"""Destroying personal data of events that are over: bodies of changes go, views are masked, the chain of hashes stays whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.chain import DESTROYED, Link, spans
from hub.domain.incident import OPEN_STATES
from hub.domain.incident import decode_view as decode_incident
from hub.domain.proof import PersonalDataDestroyed, RetentionHeld
from hub.domain.report import decode_view as decode_report
from hub.store.schema import change, change_body, incident, quarantine, report
from hub.store.schema_duty import notice
from hub.store.schema_proof import data_destroyed, data_hold
from hub.store.writer import Store, Transaction

Mask = Callable[[Any], bytes]
"""Gives a view's JSON without personal data."""


class Due(NamedTuple):
    """An incident whose personal data is due."""

    id: str
    no: str


async def due_incidents(conn: AsyncConnection, before: str, *, limit: int = 20) -> list[Due]:
    """Incidents that are over, unchanged since `before`, not held for an investigation, and not done yet; the oldest first."""
    query = (
        select(incident.c.id, incident.c.no).where(
            incident.c.state.not_in(sorted(OPEN_STATES)), incident.c.updated_at < before,
            ~exists().where(data_destroyed.c.incident_id == incident.c.id), ~exists().where(data_hold.c.incident_id == incident.c.id))
        .order_by(incident.c.updated_at).limit(limit))
    return [Due(row.id, row.no) for row in (await conn.execute(query)).all()]


async def changes_of(conn: AsyncConnection, incident_id: str) -> list[Link]:
    """Every change of an incident with its body, in order."""
    columns = (*change.c, change_body.c.salt, change_body.c.body)
    query = (select(*columns).select_from(change.outerjoin(change_body, change.c.seq == change_body.c.seq))
             .where(change.c.incident_id == incident_id).order_by(change.c.seq))
    return [Link(*row) for row in (await conn.execute(query)).all()]


async def destroy(tx: Transaction, due: Due, *, masked: Mask, scrubbed: Callable[[str], str], archive: str, archive_sha256: str, rule: str) -> bool:
    """Destroy an incident's personal data: bodies deleted, report and incident masked, notices scrubbed, refused messages emptied.

    False where another process has done it. The change that records it names every body that is gone.
    """
    known = (await tx.conn.execute(select(data_destroyed.c.incident_id).where(data_destroyed.c.incident_id == due.id))).first()
    if known is not None:
        return False
    await _overwrite_what_is_deleted(tx)
    await tx.conn.execute(insert(data_destroyed).values(incident_id=due.id, destroyed_at=tx.at, archive=archive, archive_sha256=archive_sha256))
    seqs = list((await tx.conn.execute(
        select(change.c.seq).join(change_body, change_body.c.seq == change.c.seq)
        .where(change.c.incident_id == due.id, change.c.kind != DESTROYED).order_by(change.c.seq))).scalars())
    for start in range(0, len(seqs), 500):
        await tx.conn.execute(delete(change_body).where(change_body.c.seq.in_(seqs[start : start + 500])))
    reports = await _mask_views(tx, due.id, masked)
    await _scrub_notices(tx, due.id, scrubbed)
    tx.record(PersonalDataDestroyed(incident=due.id, spans=tuple((s.first, s.last) for s in spans(seqs)), reports=reports, quarantined=0,
                                    archive=archive, archive_sha256=archive_sha256, rule=rule),
              actor="system:retention", subject=f"incident:{due.id}")
    return True


async def _overwrite_what_is_deleted(tx: Transaction) -> None:
    """SQLite leaves deleted text in its free pages unless it is told to overwrite it."""
    if tx.sqlite:
        await tx.conn.exec_driver_sql("PRAGMA secure_delete=ON")


async def wipe(store: Store) -> None:
    """Take what was deleted out of the files as well: SQLite's log is emptied, PostgreSQL's dead rows are vacuumed."""
    async with store.read() as conn:
        if not store.is_sqlite:
            await conn.exec_driver_sql("VACUUM change_body, report, incident, notice, quarantine")
            return
        await conn.exec_driver_sql("PRAGMA query_only=OFF")
        try:
            await conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            await conn.exec_driver_sql("PRAGMA query_only=ON")


async def _mask_views(tx: Transaction, incident_id: str, masked: Mask) -> int:
    rows = (await tx.conn.execute(select(report.c.id, report.c.view).where(report.c.incident_id == incident_id))).all()
    for row in rows:
        view = masked(decode_report(row.view)).decode()
        await tx.conn.execute(update(report).where(report.c.id == row.id).values(view=view))
    text = (await tx.conn.execute(select(incident.c.view).where(incident.c.id == incident_id))).scalar_one()
    await tx.conn.execute(update(incident).where(incident.c.id == incident_id).values(
        view=masked(decode_incident(text)).decode()))
    return len(rows)


async def _scrub_notices(tx: Transaction, incident_id: str, scrubbed: Callable[[str], str]) -> None:
    rows = (await tx.conn.execute(select(notice.c.id, notice.c.title, notice.c.body).where(notice.c.incident_id == incident_id))).all()
    for row in rows:
        await tx.conn.execute(update(notice).where(notice.c.id == row.id).values(title=scrubbed(row.title), body=scrubbed(row.body)))


async def empty_quarantine(tx: Transaction, before: str) -> int:
    """Empty the content of refused messages that came before `before`; what was refused, when and why stays. Gives how many."""
    await _overwrite_what_is_deleted(tx)
    done = await tx.conn.execute(update(quarantine).where(quarantine.c.last_at < before, quarantine.c.payload != b"")
                                 .values(payload=b""))
    if done.rowcount:
        tx.record(PersonalDataDestroyed(incident="", spans=(), reports=0, quarantined=done.rowcount, archive="", archive_sha256="", rule="quarantine"),
                  actor="system:retention", subject="quarantine:expired")
    return int(done.rowcount)


async def hold(tx: Transaction, incident_id: str, *, by: str, reason: str, held: bool) -> bool:
    """Hold an incident's data back from destruction (evidence, investigation), or let it go again; False where nothing changed."""
    there = (await tx.conn.execute(select(data_hold.c.incident_id).where(data_hold.c.incident_id == incident_id))).first() is not None
    if there == held:
        return False
    if held:
        await tx.conn.execute(insert(data_hold).values(incident_id=incident_id, reason=reason, held_by=by, held_at=tx.at))
    else:
        await tx.conn.execute(delete(data_hold).where(data_hold.c.incident_id == incident_id))
    tx.record(RetentionHeld(incident=incident_id, held=held, reason=reason), actor=by, subject=f"incident:{incident_id}", incident_id=None)
    return True

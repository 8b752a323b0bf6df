"""Destroying personal data of events that are over: bodies of changes go, views are masked, the chain of hashes stays whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Table, delete, exists, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.chain import DESTROYED, Link, spans
from hub.domain.incident import OPEN_STATES
from hub.domain.incident import decode_view as decode_incident
from hub.domain.proof import PersonalDataDestroyed, RetentionHeld
from hub.domain.report import decode_view as decode_report
from hub.store.schema import change, change_body, incident, quarantine, report
from hub.store.schema_daily import daily_draft, daily_filing, digest
from hub.store.schema_duty import notice, obligation
from hub.store.schema_group import group_post
from hub.store.schema_people import person, share
from hub.store.schema_plan import activation, evacuation_tick, plan_match, resource_request, stated_fact, zone_set
from hub.store.schema_proof import data_destroyed, data_hold
from hub.store.schema_video import camera_link
from hub.store.writer import Store, Transaction

FREE_TEXT = ("group.", "digest.", "daily.", "notice.", "obligation.", "message.")
"""Kinds of change in which people write about events without naming the incident."""
Columns = tuple[tuple[Table, tuple[str, ...]], ...]
JSON_OF_INCIDENT: Columns = ((plan_match, ("facts", "view")), (activation, ("head", "document")), (zone_set, ("typed", "view")), (resource_request, ("view",)),
                    (camera_link, ("view",)), (obligation, ("evidence",)))
OF_DUTY, OF_NOTICE, OF_FILING = ("title_zh", "title_en", "reason"), ("title", "body", "title_en", "body_en"), ("note", "late_reason")
TEXT_OF_INCIDENT: Columns = ((obligation, OF_DUTY), (notice, OF_NOTICE), (share, ("reason", "ended_reason")), (stated_fact, ("value",)),
                    (evacuation_tick, ("note",)))
TEXTS: tuple[tuple[str, ...], ...] = (OF_FILING, OF_NOTICE, OF_DUTY)
ELSEWHERE: Columns = ((group_post, ("document",)), (digest, ("document",)), (daily_filing, ("content",)), (daily_filing, OF_FILING),
             (daily_draft, ("content",)), (notice, OF_NOTICE), (obligation, OF_DUTY))
"""What belongs to no incident, where a name or number of one may have been written all the same; `TEXTS` are no JSON."""
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


class Mention(NamedTuple):
    """A row that belongs to no incident and in which somebody of one is named: its table, its key, its columns of text."""

    table: Table
    key: tuple[Any, ...]
    columns: tuple[str, ...]


async def mentions(conn: AsyncConnection, words: Collection[str], first: int) -> tuple[list[Link], list[Mention]]:
    """Where one of `words` was written outside of any incident since the change `first`: changes, and rows of tables.

    It reads through whole tables, so it has no place in a transaction that writes. What another incident holds goes with that incident.
    """
    if not words:
        return [], []
    columns = (*change.c, change_body.c.salt, change_body.c.body)
    query = (select(*columns).select_from(change.join(change_body, change.c.seq == change_body.c.seq))
             .where(change.c.seq > first, change.c.incident_id.is_(None), or_(*(change.c.kind.startswith(kind, autoescape=True) for kind in FREE_TEXT)),
                    _names(change_body.c.body, words))
             .order_by(change.c.seq))
    found = [Link(*row) for row in (await conn.execute(query)).all()]
    rows = []
    for table, names in ELSEWHERE:
        where = [or_(*(_names(table.c[name], words) for name in names))]
        where += [table.c.incident_id.is_(None)] if "incident_id" in table.c else []
        rows += [Mention(table, tuple(row), names) for row in (await conn.execute(select(*table.primary_key.columns).where(*where))).all()]
    return found, rows


def _names(column: Any, words: Collection[str]) -> ColumnElement[bool]:
    return or_(*(column.contains(word, autoescape=True) for word in sorted(words)))


async def registered_among(conn: AsyncConnection, names: Collection[str]) -> frozenset[str]:
    """Which of these are names of registered people: they are named everywhere in the course of their work."""
    ordered, found = sorted(names), set[str]()
    for start in range(0, len(ordered), 500):
        found.update((await conn.execute(select(person.c.name).where(person.c.name.in_(ordered[start : start + 500])))).scalars())
    return frozenset(found)


async def people_of(conn: AsyncConnection, links: Iterable[Link]) -> list[tuple[str, str]]:
    """(name, telephone) of the registered people who acted in an event: the actors of its changes."""
    ids = sorted({str(link.actor).partition(":")[2] for link in links if str(link.actor).startswith("person:")})
    found: list[tuple[str, str]] = []
    for start in range(0, len(ids), 500):
        rows = await conn.execute(select(person.c.name, person.c.phone).where(person.c.id.in_(ids[start : start + 500])))
        found += [(row.name, row.phone or "") for row in rows.all()]
    return found


async def destroy(
    tx: Transaction, due: Due, *, masked: Mask, scrubbed: Callable[[str], str], nameless: Callable[[str], str],
    mentioned: Sequence[Link], rows: Sequence[Mention], archive: str, archive_sha256: str, rule: str,
) -> bool:
    """Destroy an incident's personal data: its bodies and those `mentioned` deleted, every view and text of it and of `rows` masked by
    `masked` (reports and the incident), `nameless` (other JSON) and `scrubbed` (texts).

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
    seqs = sorted({*seqs, *(link.seq for link in mentioned)})
    for start in range(0, len(seqs), 500):
        await tx.conn.execute(delete(change_body).where(change_body.c.seq.in_(seqs[start : start + 500])))
    reports = await _mask_views(tx, due.id, masked)
    for table, columns in JSON_OF_INCIDENT:
        await _rewrite(tx, table, columns, nameless, table.c.incident_id == due.id)
    for table, texts in TEXT_OF_INCIDENT:
        await _rewrite(tx, table, texts, scrubbed, table.c.incident_id == due.id)
    for table, key, named in rows:
        where = [column == value for column, value in zip(table.primary_key.columns, key, strict=True)]
        await _rewrite(tx, table, named, scrubbed if named in TEXTS else nameless, *where)
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
            await conn.exec_driver_sql("VACUUM change_body, report, incident, notice, quarantine, obligation, activation, plan_match, group_post, digest, daily_filing")
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


async def _rewrite(tx: Transaction, table: Table, names: Sequence[str], rewritten: Callable[[str], str],
                   *where: ColumnElement[bool]) -> None:
    """Put `rewritten(text)` in place of each text that it alters, in the rows of `where`."""
    key = list(table.primary_key.columns)
    rows = (await tx.conn.execute(select(*key, *(table.c[name] for name in names)).where(*where))).all()
    for row in rows:
        held = dict(zip(names, row[len(key):], strict=True))
        after = {name: rewritten(text) for name, text in held.items() if isinstance(text, str) and text}
        altered = {name: text for name, text in after.items() if text != held[name]}
        if altered:
            await tx.conn.execute(update(table).where(*(column == value for column, value in zip(key, row, strict=False))).values(**altered))


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

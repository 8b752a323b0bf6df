"""Reading the change feed: from any sequence number on, in order, without gaps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any

from msgspec import Raw
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import parse_utc
from hub.domain.change import GENESIS, Change, routine_kinds
from hub.store.schema import change, change_body
from hub.store.writer import Store

_COLUMNS = (change.c.seq, change.c.kind, change.c.at, change.c.actor, change.c.subject, change.c.incident_id, change.c.department_id,
            change.c.drill, change_body.c.body)
_FROM = change.outerjoin(change_body, change.c.seq == change_body.c.seq)


def _change(row: Any) -> Change:
    return Change(
        seq=row.seq, kind=row.kind, at=row.at, actor=row.actor, subject=row.subject, incident_id=row.incident_id,
        department_id=row.department_id, drill=bool(row.drill), body=Raw((row.body or "null").encode()),
    )


async def changes_after(
    conn: AsyncConnection, after: int, *, limit: int = 500, kinds: Iterable[str] | None = None, where: ColumnElement[bool] | None = None,
) -> list[Change]:
    """The changes with a sequence number above `after`, oldest first, at most `limit`, filtered by kind and by a condition in SQL."""
    query = select(*_COLUMNS).select_from(_FROM).where(change.c.seq > after).order_by(change.c.seq).limit(limit)
    if kinds is not None:
        query = query.where(change.c.kind.in_(tuple(kinds)))
    if where is not None:
        query = query.where(where)
    return [_change(row) for row in (await conn.execute(query)).all()]


async def hash_at(conn: AsyncConnection, seq: int) -> str:
    """The chain's hash of the change with this number (the genesis hash for 0). Whoever followed the feed up to there and was told another one
    followed another feed: that of the hub before a backup was restored, say."""
    found = (await conn.execute(select(change.c.hash).where(change.c.seq == seq))).scalar()
    return GENESIS if found is None else str(found)


async def newest_time(conn: AsyncConnection, among: int = 200) -> datetime | None:
    """The latest time that any of the newest changes carries; None in an empty store. More than one is asked, as a clock that is wrong now has written some."""
    last = select(change.c.at).order_by(change.c.seq.desc()).limit(among).subquery()
    found = (await conn.execute(select(func.max(last.c.at)))).scalar()
    return None if found is None else parse_utc(found)


async def changes_of_incident(conn: AsyncConnection, incident_id: str, *, before: int | None = None, limit: int = 200,
                              routine: bool = False) -> list[Change]:
    """The timeline of an incident, newest first, by keyset (`before` is a sequence number); with what is mere routine where asked for."""
    query = select(*_COLUMNS).select_from(_FROM).where(change.c.incident_id == incident_id).order_by(change.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(change.c.seq < before)
    if not routine:
        query = query.where(change.c.kind.not_in(routine_kinds()))
    return [_change(row) for row in (await conn.execute(query)).all()]


async def feed(store: Store, after: int, *, batch: int = 500, poll_s: float = 1.0) -> AsyncIterator[list[Change]]:
    """Batches of changes from `after` on, for ever; waits where there is nothing yet. Raises Unavailable when the store is away."""
    while True:
        async with store.read() as conn:
            items = await changes_after(conn, after, limit=batch)
        if items:
            after = items[-1].seq
            yield items
        else:
            await store.grown(after, within_s=poll_s)

"""The quarantine: every refused message with its reason, to be read, corrected and replayed, or discarded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec import Struct
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.report import MessageQuarantined, MessageReleased
from hub.errors import Rejected
from hub.ids import new_id
from hub.store.schema import quarantine
from hub.store.writer import Transaction

KEPT_BYTES = 262_144
"""How much of an oversized message is kept for reading (our own choice: the size limit of a message that can be right)."""


class Refused(NamedTuple):
    """A message that was refused: where it came from, the bytes, and why."""

    channel: str
    what: str
    agent_id: str | None
    actor: str
    message_id: str | None
    payload: bytes
    error: Rejected
    awaits: str | None = None


class Quarantined(Struct, frozen=True, kw_only=True):
    """A row of the quarantine. `payload` is the text as received (undecodable bytes shown as �; empty where it looked classified), `state` waiting | replayed | discarded."""

    id: str
    received_at: str
    last_at: str
    times: int
    channel: str
    what: str
    agent_id: str | None
    message_id: str | None
    reason: str
    field: str | None
    message: str
    payload: str
    size_bytes: int
    state: str
    decided_at: str | None
    decided_by: str | None


async def put(tx: Transaction, refused: Sequence[Refused]) -> None:
    """Keep refused messages. The same message refused again counts up instead of filling the store; one whose content is not kept, by its id."""
    for item in refused:
        told = item.payload or (item.message_id or "").encode()
        fingerprint = hashlib.sha256(f"{item.agent_id}|{item.what}|{item.error.code}|".encode() + told).hexdigest()
        seen = await tx.conn.execute(
            update(quarantine).where(quarantine.c.fingerprint == fingerprint).values(times=quarantine.c.times + 1, last_at=tx.at))
        if seen.rowcount:
            continue
        id = new_id()
        await tx.conn.execute(insert(quarantine).values(
            id=id, received_at=tx.at, last_at=tx.at, times=1, channel=item.channel, what=item.what, agent_id=item.agent_id,
            message_id=item.message_id, reason=item.error.code, field=item.error.field, message=item.error.message,
            payload=item.payload[:KEPT_BYTES], size_bytes=len(item.payload), fingerprint=fingerprint, awaits=item.awaits, state="waiting",
        ))
        tx.record(
            MessageQuarantined(quarantine_id=id, reason=item.error.code, field=item.error.field, agent_id=item.agent_id,
                               message_id=item.message_id, message=item.error.message, times=1),
            actor=item.actor, subject=f"quarantine:{id}",
        )


def _row(row: Any) -> Quarantined:
    return Quarantined(
        id=row.id, received_at=row.received_at, last_at=row.last_at, times=row.times, channel=row.channel, what=row.what,
        agent_id=row.agent_id, message_id=row.message_id, reason=row.reason, field=row.field, message=row.message,
        payload=bytes(row.payload).decode("utf-8", "replace"), size_bytes=row.size_bytes, state=row.state, decided_at=row.decided_at,
        decided_by=row.decided_by,
    )


async def list_quarantine(conn: AsyncConnection, *, state: str | None = "waiting", before: str | None = None, limit: int = 50) -> list[Quarantined]:
    """Refused messages, newest first, by keyset: `before` is `received_at|id`."""
    query = select(quarantine).order_by(quarantine.c.received_at.desc(), quarantine.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(quarantine.c.state == state)
    if before is not None:
        at, _, id = before.partition("|")
        query = query.where((quarantine.c.received_at < at) | ((quarantine.c.received_at == at) & (quarantine.c.id < id)))
    return [_row(row) for row in (await conn.execute(query)).all()]


async def get_quarantined(conn: AsyncConnection, id: str) -> Quarantined | None:
    """One refused message, or None."""
    row = (await conn.execute(select(quarantine).where(quarantine.c.id == id))).first()
    return _row(row) if row else None


async def awaited(conn: AsyncConnection, incident_ids: Sequence[str]) -> set[str | None]:
    """Which of these incidents any refused message waits for."""
    rows = await conn.execute(select(quarantine.c.awaits).where(quarantine.c.awaits.in_(incident_ids), quarantine.c.state == "waiting"))
    return set(rows.scalars())


async def awaiting(conn: AsyncConnection, incident_id: str) -> list[Quarantined]:
    """Messages that were refused only because this incident was not known yet."""
    rows = await conn.execute(select(quarantine).where(quarantine.c.awaits == incident_id, quarantine.c.state == "waiting"))
    return [_row(row) for row in rows.all()]


async def release(tx: Transaction, id: str, outcome: str, *, by: str, report_id: str | None = None) -> bool:
    """Mark a message `replayed` or `discarded`; False where it was decided before. What was set aside can still be replayed."""
    before = ("waiting", "discarded") if outcome == "replayed" else ("waiting",)
    done = await tx.conn.execute(
        update(quarantine).where(quarantine.c.id == id, quarantine.c.state.in_(before)).values(state=outcome, decided_at=tx.at, decided_by=by))
    if done.rowcount != 1:
        return False
    tx.record(MessageReleased(quarantine_id=id, outcome=outcome, report_id=report_id), actor=by, subject=f"quarantine:{id}")
    return True


async def waiting_count(conn: AsyncConnection) -> int:
    """How many messages wait to be looked at."""
    from sqlalchemy import func

    return int((await conn.execute(select(func.count()).select_from(quarantine).where(quarantine.c.state == "waiting"))).scalar_one())

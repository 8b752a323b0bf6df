"""The quarantine: every refused message with its reason, to be read, corrected and replayed, or discarded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec import Struct
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.report import MessageQuarantined, MessageReleased, limits
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
    """Keep refused messages.

    The same message refused again counts up instead of filling the store; one whose content is not kept, by its id. Where more of one sender waits
    than `hub/data/intake_limits.yaml` lets wait, further ones are counted in one row for each reason: the first are kept, of which most can be learned.
    """
    rooms: dict[str | None, _Room] = {}
    for item in refused:
        told = item.payload or (item.message_id or "").encode()
        if await _count_up(tx, _fingerprint(item, told)):
            continue
        room = rooms.get(item.agent_id)
        if room is None:
            room = rooms[item.agent_id] = await _Room.of(tx, item.agent_id)
        if room.takes(len(item.payload)):
            await _keep(tx, item, _fingerprint(item, told))
            continue
        counted = item._replace(message_id=None, payload=b"", awaits=None, error=_beyond(item.error))
        if not await _count_up(tx, _fingerprint(item, _BEYOND), state="waiting"):
            await _keep(tx, counted, _fingerprint(item, _BEYOND))


_BEYOND = b"\0beyond what is kept of one sender"
"""Stands in the fingerprint of a row that only counts for what came; no message that can be read begins so."""


def _fingerprint(item: Refused, told: bytes) -> str:
    return hashlib.sha256(f"{item.agent_id}|{item.what}|{item.error.code}|".encode() + told).hexdigest()


def _beyond(error: Rejected) -> Rejected:
    most = limits()["quarantine"]["waiting"]
    return Rejected(error.code, f"待处理消息过多（超过 {most} 条或总量上限），此后同类消息只计数、不保留原文；首条原因：{error.zh}",
                    f"too much of this sender waits (more than {most} messages, or too large): further ones are counted and not kept; the first of them: {error.en}",
                    field=error.field)


class _Room:
    """How much of one sender waits in quarantine."""

    def __init__(self, waiting: int, size_bytes: int) -> None:
        self.waiting = waiting
        self.size_bytes = size_bytes

    @staticmethod
    async def of(tx: Transaction, agent_id: str | None) -> _Room:
        query = select(func.count(), func.coalesce(func.sum(quarantine.c.size_bytes), 0)).where(
            quarantine.c.agent_id == agent_id, quarantine.c.state == "waiting")
        waiting, size_bytes = (await tx.conn.execute(query)).one()
        return _Room(int(waiting), int(size_bytes))

    def takes(self, size_bytes: int) -> bool:
        """Is there room for one more? Then it is taken."""
        most = limits()["quarantine"]
        if self.waiting >= most["waiting"] or self.size_bytes + size_bytes > most["bytes"]:
            return False
        self.waiting += 1
        self.size_bytes += size_bytes
        return True


async def _count_up(tx: Transaction, fingerprint: str, **given: str) -> bool:
    """Count a message to the row that has its like; False where there is none."""
    seen = await tx.conn.execute(
        update(quarantine).where(quarantine.c.fingerprint == fingerprint).values(times=quarantine.c.times + 1, last_at=tx.at, **given))
    return bool(seen.rowcount)


async def _keep(tx: Transaction, item: Refused, fingerprint: str) -> None:
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
    return int((await conn.execute(select(func.count()).select_from(quarantine).where(quarantine.c.state == "waiting"))).scalar_one())

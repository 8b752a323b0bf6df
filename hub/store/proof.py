"""Reading the chain for those who check it, and what the proofs keep in the store. There is no way here to alter or delete a change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from msgspec import Raw
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.chain import Link
from hub.domain.change import GENESIS, Change, routine_kinds
from hub.domain.proof import HeadSigned
from hub.domain.signature import Head, Signer
from hub.store.schema import agent, change, change_body, report
from hub.store.schema_proof import chain_head, chain_head_sent
from hub.store.writer import Transaction

BATCH = 2_000
_LINK = (*change.c, change_body.c.salt, change_body.c.body)
_FROM = change.outerjoin(change_body, change.c.seq == change_body.c.seq)


def _link(row: Any) -> Link:
    return Link(*row)


async def links(conn: AsyncConnection, *, after: int | None = None, upto: int | None = None, bodies: bool = True) -> AsyncIterator[list[Link]]:
    """The chain in its order, in batches; without `after` from the very first row, whatever number it claims to have."""
    columns = _LINK if bodies else tuple(change.c)
    source = _FROM if bodies else change
    last = after
    while True:
        query = select(*columns).select_from(source).order_by(change.c.seq).limit(BATCH)
        if last is not None:
            query = query.where(change.c.seq > last)
        if upto is not None:
            query = query.where(change.c.seq <= upto)
        rows = [_link(row) for row in (await conn.execute(query)).all()]
        if not rows:
            return
        yield rows
        last = rows[-1].seq
        if len(rows) < BATCH:
            return


async def links_of_incident(conn: AsyncConnection, incident_id: str) -> list[Link]:
    """Every row of the chain about one incident, oldest first."""
    query = select(*_LINK).select_from(_FROM).where(change.c.incident_id == incident_id).order_by(change.c.seq)
    return [_link(row) for row in (await conn.execute(query)).all()]


async def stray_bodies(conn: AsyncConnection) -> list[int]:
    """The numbers of bodies that belong to no change (there are none unless somebody has been at the database)."""
    query = (select(change_body.c.seq).select_from(change_body.outerjoin(change, change.c.seq == change_body.c.seq))
             .where(change.c.seq.is_(None)).order_by(change_body.c.seq).limit(10))
    return [int(seq) for seq in (await conn.execute(query)).scalars()]


async def head_of(conn: AsyncConnection) -> tuple[int, str]:
    """The number and hash of the newest change (0 and the genesis hash in an empty store)."""
    row = (await conn.execute(select(change.c.seq, change.c.hash).order_by(change.c.seq.desc()).limit(1))).first()
    return (int(row.seq), str(row.hash)) if row else (0, GENESIS)


async def count_changes(conn: AsyncConnection, after: int = 0) -> int:
    """How many changes there are beyond `after`; for progress bars."""
    return int((await conn.execute(select(func.count()).select_from(change).where(change.c.seq > after))).scalar_one())


async def heads(conn: AsyncConnection) -> list[Head]:
    """Every signed head that the store keeps, oldest first."""
    rows = await conn.execute(select(chain_head).order_by(chain_head.c.seq))
    return [_head(row) for row in rows.all()]


def _head(row: Any) -> Head:
    return Head(hub_id=row.hub_id, seq=row.seq, hash=row.hash, at=row.at, key_id=row.key_id, signature=row.signature)


async def sign_day(tx: Transaction, signer: Signer, hub_id: str, day: str) -> Head | None:
    """Sign the head for `day`, once; None where it is signed already or the chain is empty or has not grown."""
    signed = (await tx.conn.execute(select(chain_head.c.seq).where(chain_head.c.day == day))).first()
    seq, digest = await head_of(tx.conn)
    known = (await tx.conn.execute(select(chain_head.c.seq).where(chain_head.c.seq == seq))).first()
    if signed is not None or known is not None or seq == 0:
        return None
    head = signer.head(hub_id, seq, digest, tx.at)
    await tx.conn.execute(insert(chain_head).values(
        seq=head.seq, hash=head.hash, hub_id=hub_id, at=head.at, day=day, key_id=head.key_id, signature=head.signature))
    tx.record(HeadSigned(head=head, day=day), actor="system:audit", subject=f"head:{seq}")
    return head


async def unsent_heads(conn: AsyncConnection) -> list[Head]:
    """Signed heads that the other system does not have yet."""
    query = (select(chain_head).select_from(chain_head.outerjoin(chain_head_sent, chain_head.c.seq == chain_head_sent.c.seq))
             .where(chain_head_sent.c.seq.is_(None)).order_by(chain_head.c.seq))
    return [_head(row) for row in (await conn.execute(query)).all()]


async def note_sent(tx: Transaction, head: Head) -> None:
    """The other system has it."""
    await tx.conn.execute(insert(chain_head_sent).values(seq=head.seq, sent_at=tx.at))


async def report_link(conn: AsyncConnection, report_id: str) -> tuple[Link, str] | None:
    """The chain's row of a stored report, and the hash of its content as it came; None where there is none."""
    row = (await conn.execute(select(report.c.incident_id, report.c.content_hash).where(report.c.id == report_id))).first()
    if row is None:
        return None
    found = (await conn.execute(select(*_LINK).select_from(_FROM).where(
        change.c.incident_id == row.incident_id, change.c.kind == "report.received", change.c.subject == f"report:{report_id}"))).first()
    return (_link(found), row.content_hash) if found is not None else None


async def audit_trail(
    conn: AsyncConnection, *, actor: str | None = None, subject: str | None = None, kind: str | None = None, incident_id: str | None = None,
    before: int | None = None, limit: int = 100, routine: bool = True,
) -> list[Change]:
    """The changes that pass the filter, newest first; `kind` is a kind or the beginning of one (`incident`). Without `routine`, what is mere
    routine is left out, unless its very kind is asked for."""
    query = select(*change.c, change_body.c.body).select_from(_FROM).order_by(change.c.seq.desc()).limit(limit)
    for column, value in ((change.c.actor, actor), (change.c.subject, subject), (change.c.incident_id, incident_id)):
        if value is not None:
            query = query.where(column == value)
    if kind is not None:
        query = query.where((change.c.kind == kind) | change.c.kind.startswith(f"{kind}.", autoescape=True))
    if not routine and kind not in routine_kinds():
        query = query.where(change.c.kind.not_in(routine_kinds()))
    if before is not None:
        query = query.where(change.c.seq < before)
    return [
        Change(seq=row.seq, kind=row.kind, at=row.at, actor=row.actor, subject=row.subject, incident_id=row.incident_id,
               department_id=row.department_id, drill=bool(row.drill), body=Raw((row.body or "null").encode()))
        for row in (await conn.execute(query)).all()
    ]


async def head_after(conn: AsyncConnection, seq: int) -> Head | None:
    """The first signed head at or beyond `seq`."""
    row = (await conn.execute(select(chain_head).where(chain_head.c.seq >= seq).order_by(chain_head.c.seq).limit(1))).first()
    return _head(row) if row is not None else None


async def public_keys(conn: AsyncConnection) -> dict[str, str]:
    """Agent id → the public key it enrolled with."""
    rows = await conn.execute(select(agent.c.id, agent.c.public_key).where(agent.c.public_key.is_not(None), agent.c.revoked_at.is_(None)))
    return {row.id: row.public_key for row in rows.all()}

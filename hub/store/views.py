"""The views of cameras that are open now and the process that serves each, so that every view gets its end in the chain, also when that process was killed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import utc_text
from hub.domain.camera import ViewEnded, ViewOfCamera
from hub.store.lease import LEASE
from hub.store.schema_video import camera_view
from hub.store.writer import Transaction

HUB_GONE: Final = "hub_gone"
"""Why a view ended whose process is no more."""
_view = msgspec.json.Decoder(ViewOfCamera).decode


async def note_open(tx: Transaction, view: ViewOfCamera, owner: str, department_id: str | None) -> None:
    """Remember that `owner` serves this view; in the transaction that chains its beginning."""
    await tx.conn.execute(insert(camera_view).values(
        id=view.id, owner=owner, seen_at=tx.at, department_id=department_id, view=msgspec.json.encode(view).decode()))


async def keep_open(tx: Transaction, owner: str, open_ids: Collection[str]) -> None:
    """Say that `owner` still serves these; what else it served has its end already and is forgotten."""
    served = camera_view.c.owner == owner
    held = set((await tx.conn.execute(select(camera_view.c.id).where(served))).scalars())
    if gone := held.difference(open_ids):
        await tx.conn.execute(delete(camera_view).where(camera_view.c.id.in_(sorted(gone))))
    await tx.conn.execute(update(camera_view).where(served).values(seen_at=tx.at))


async def watched_now(conn: AsyncConnection) -> frozenset[str]:
    """The cameras (`AGENT/CAMERA`) that somebody watches now, by whatever process; as many rows as there are open views."""
    return frozenset(_view(text).camera_id for text in (await conn.execute(select(camera_view.c.view))).scalars())


async def any_noted(conn: AsyncConnection) -> bool:
    """Is any view remembered?"""
    return (await conn.execute(select(camera_view.c.id).limit(1))).first() is not None


async def end_left_behind(tx: Transaction, owner: str, *, alone: bool, by: str) -> int:
    """Chain the end of each view whose process is no more, at the moment at which it last said that it served it; gives how many.

    `alone`: there is no process besides this one (SQLite), so whatever another one served was left behind.
    """
    left: ColumnElement[bool] = camera_view.c.owner != owner
    if not alone:
        left = left & (camera_view.c.seen_at < utc_text(tx.now - LEASE))
    rows = (await tx.conn.execute(select(camera_view).where(left).order_by(camera_view.c.id))).all()
    for row in rows:
        view = msgspec.structs.replace(_view(row.view), to_at=row.seen_at, ended=HUB_GONE)
        tx.record(ViewEnded(view=view), actor=by, subject=f"camera:{view.camera_id}", incident_id=view.incident_id, department_id=row.department_id)
        await tx.conn.execute(delete(camera_view).where(camera_view.c.id == row.id))
    return len(rows)

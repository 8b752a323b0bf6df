"""Attachments over HTTP: resumable upload (tus 1.0) by whoever files reports, and reading by whoever may read the report."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote

from aiohttp import web
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import Clock
from hub.domain.access import Action, Thing, ThingKind
from hub.store.access import incident_things
from hub.store.reports import get_report
from hub.store.schema import attachment, attachment_upload
from hub.store.writer import Transaction
from hub.web import tus
from hub.web.route import PUBLIC, Ask, NotFound, Route, problem
from hub.web.seen import chain_reading
from streams.evidence import retention_policy

BASE = "/api/v1/attachments"
SWEEP_S = 3600.0
SHOWN = frozenset({"image/jpeg", "image/png", "image/webp", "video/mp4", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/wav", "audio/x-wav", "audio/webm"})
"""What a browser may show by itself. The very words and nothing else: of `image/jpeg, text/html` a browser takes the second."""

SAID = {
    "wrong_offset": ("续传位置不对，请从 Upload-Offset 所示位置继续", "not where it broke off; go on at Upload-Offset"),
    "malformed_header": ("请求头 Upload-Length、Upload-Offset、Upload-Metadata（须含 sha256）或 Upload-Checksum 有误",
                         "one of the headers Upload-Length, Upload-Offset, Upload-Metadata (with sha256) and Upload-Checksum is wrong"),
    "wrong_tus_version": ("请使用 tus 1.0.0（请求头 Tus-Resumable）", "speak tus 1.0.0 (the header Tus-Resumable)"),
    "wrong_content_type": ("内容类型应为 application/offset+octet-stream", "the content type is application/offset+octet-stream"),
    "wrong_length": ("同一文件正以另一长度上传", "the same file is being uploaded with another length"),
    "too_large": ("附件超过 Tus-Max-Size 所示上限", "the attachment is larger than Tus-Max-Size"),
    "too_long": ("内容超出所声明的长度，已收部分保留", "more than the length it named; what had come before is kept"),
    "too_many_uploads": ("未完成的上传过多，请先完成或稍后再试", "too many uploads are open; finish some, or try later"),
    "no_upload": ("没有此上传：已完成、已过期或属于他人，请重新开始", "there is no such upload: finished, expired or another's; begin anew"),
    "checksum_mismatch": ("本段校验和不符，已丢弃，请重发本段", "this part is not what its checksum says and is dropped; send it again"),
    "wrong_hash": ("内容与所声明的 sha256 不符，已丢弃，请核对文件后重新上传", "the content is not that of its sha256 and is dropped; look at the file, and upload it anew"),
    "disk_full": ("中心磁盘已满，请稍后继续，并请管理员清理", "the hub's disk is full; go on later, and tell the administrator"),
    "disk_error": ("中心磁盘出错，请稍后继续，并请告知管理员", "the hub's disk fails; go on later, and tell the administrator"),
}
"""What an upload that is refused hears, by the code of `hub.web.tus`."""


def folder(ask: Ask) -> Path:
    """Where attachments stand."""
    return ask.hub.settings.data_path / "attachments"


def _limits(ask: Ask) -> tus.Limits:
    return tus.Limits(max_bytes=ask.hub.settings.attachment_max_bytes, keep_free_bytes=retention_policy().min_free_bytes)


def _own(ask: Ask) -> None:
    ask.require(Action.ATTACHMENT_UPLOAD, Thing(kind=ThingKind.ATTACHMENT, department_id=ask.actor.department_id,
                                                enterprise_id=ask.actor.enterprise_id, person_id=ask.actor.id))


async def _reply(ask: Ask, reply: tus.Reply) -> web.Response:
    if reply.completed is not None:
        async with ask.transaction() as tx:
            await note_sent(tx, reply.completed, ask.who)
            await tx.conn.execute(update(attachment).where(attachment.c.sha256 == reply.completed, attachment.c.complete_at.is_(None))
                                  .values(complete_at=tx.at))
    if reply.code is None:
        return web.Response(status=reply.status, headers=reply.headers)
    refusal = problem(reply.status, reply.code, *SAID[reply.code])
    refusal.headers.update(reply.headers)
    return refusal


async def create(ask: Ask) -> web.Response:
    """Begin an upload: Upload-Length, and Upload-Metadata with `sha256`."""
    _own(ask)

    async def sent_before(sha256: str) -> bool:
        async with ask.store.read() as conn:
            return await has_sent(conn, sha256, ask.who)

    return await _reply(ask, await tus.create(folder(ask), ask.request.headers, owner=ask.who, base_path=BASE, now=ask.now, limits=_limits(ask),
                                              sent_before=sent_before))


async def head(ask: Ask) -> web.Response:
    """How far an upload is."""
    _own(ask)
    return await _reply(ask, await tus.head(folder(ask), ask.path["id"], ask.request.headers, owner=ask.who, now=ask.now))


async def patch(ask: Ask) -> web.Response:
    """Append bytes at Upload-Offset."""
    _own(ask)
    body = ask.request.content.iter_chunked(65_536)
    return await _reply(ask, await tus.patch(folder(ask), ask.path["id"], ask.request.headers, body, owner=ask.who, now=ask.now,
                                             limits=_limits(ask)))


async def terminate(ask: Ask) -> web.Response:
    """Give an unfinished upload up."""
    _own(ask)
    return await _reply(ask, await tus.terminate(folder(ask), ask.path["id"], ask.request.headers, owner=ask.who, now=ask.now))


async def options(ask: Ask) -> web.Response:
    """What this server can do."""
    return await _reply(ask, tus.options(_limits(ask)))


async def read(ask: Ask) -> web.StreamResponse:
    """A file of a report; `X-Content-Type-Options: nosniff` and a download name, so that nothing of it runs here."""
    async with ask.store.read() as conn:
        row = (await conn.execute(select(attachment).where(attachment.c.report_id == ask.path["report"],
                                                           attachment.c.sha256 == ask.path["sha256"]))).first()
        report = await get_report(conn, ask.path["report"])
        things = await incident_things(conn, [report.incident_id]) if report else {}
        sent = report is not None and await has_sent(conn, ask.path["sha256"], report.actor)
    of = things.get(report.incident_id) if report else None
    thing = Thing(kind=ThingKind.ATTACHMENT, id=ask.path["sha256"], incidents=(of,) if of else (), department_id=report.department_id if report else None)
    decision = ask.require(Action.ATTACHMENT_READ, thing, hidden=True)
    if row is None or not sent:  # a report that names the hash of somebody else's file opens it to nobody
        raise NotFound
    answer = serve(ask, row.sha256, name=row.name, media_type=row.media_type)
    await chain_reading(ask, Action.ATTACHMENT_READ, [thing], decision, drill=report.drill if report else False)
    return answer


def serve(ask: Ask, sha256: str, *, name: str, media_type: str) -> web.FileResponse:
    """A file that the caller may read, as a download where a browser could run it; raises NotFound where it has not arrived whole."""
    path = tus.attachment_path(folder(ask), sha256)
    if path is None:
        raise NotFound
    inline = media_type in SHOWN
    return web.FileResponse(path, headers={
        "Content-Type": media_type if inline else "application/octet-stream",
        "Content-Disposition": f"{'inline' if inline else 'attachment'}; filename*=UTF-8''{quote(name, safe='')}",
    })


async def note_sent(tx: Transaction, sha256: str, owner: str) -> None:
    """Keep that `owner` (as changes name it) has sent the whole of a file."""
    if not await has_sent(tx.conn, sha256, owner):
        await tx.conn.execute(insert(attachment_upload).values(sha256=sha256, owner=owner, at=tx.at))


async def has_sent(conn: AsyncConnection, sha256: str, owner: str) -> bool:
    """Has `owner` sent the whole of this file?"""
    return (await conn.execute(select(attachment_upload.c.at).where(
        attachment_upload.c.sha256 == sha256, attachment_upload.c.owner == owner))).first() is not None


async def sweep_for_ever(data: Path, clock: Clock) -> None:
    """Remove unfinished uploads whose time is over, once an hour."""
    while True:
        await asyncio.to_thread(tus.sweep, data / "attachments", clock.now())
        await asyncio.sleep(SWEEP_S)


ROUTES = [
    Route("OPTIONS", BASE, options, PUBLIC, zh="上传能力", en="what uploads can do", status=204),
    Route("POST", BASE, create, Action.ATTACHMENT_UPLOAD, zh="开始上传", en="begin an upload", status=201),
    Route("HEAD", BASE + "/{id}", head, Action.ATTACHMENT_UPLOAD, zh="上传进度", en="how far an upload is"),
    Route("PATCH", BASE + "/{id}", patch, Action.ATTACHMENT_UPLOAD, zh="续传", en="append to an upload", status=204),
    Route("DELETE", BASE + "/{id}", terminate, Action.ATTACHMENT_UPLOAD, zh="放弃上传", en="give an upload up", status=204),
    Route("GET", "/api/v1/reports/{report}/attachments/{sha256}", read, Action.ATTACHMENT_READ, zh="附件", en="a file of a report"),
]

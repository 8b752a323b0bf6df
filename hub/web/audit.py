"""The audit trail over HTTP, for auditors: reading it (which is itself a change), checking the chain, exporting it, its signed heads."""

from __future__ import annotations

import asyncio
import io
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from hub.domain.access import HUB, Action
from hub.domain.chain import Verdict
from hub.domain.change import Change
from hub.domain.proof import AuditExported, AuditRead
from hub.domain.signature import Head
from hub.operate.chain import reading, verify_store, write_export
from hub.operate.heads import heads_on_disk
from hub.operate.keys import known_keys, signer
from hub.store.proof import audit_trail, heads
from hub.web.route import Ask, Route
from hub.web.seen import masked_change


class TrailQuery(Struct, frozen=True, kw_only=True):
    """Filters: the actor and subject as changes name them, a kind or the beginning of one; `before` is a sequence number.

    Without `routine`, what would bury the rest (each closed segment of a recording) is left out, unless its very kind is asked for.
    """

    actor: Annotated[str, Meta(max_length=100)] | None = None
    subject: Annotated[str, Meta(max_length=200)] | None = None
    kind: Annotated[str, Meta(max_length=80)] | None = None
    incident_id: Annotated[str, Meta(max_length=40)] | None = None
    before: Annotated[int, Meta(ge=1)] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    routine: bool = True


class Trail(Struct, frozen=True, kw_only=True):
    """A page of the audit trail, newest first; `next` continues it."""

    items: list[Change]
    next: int | None


class ExportQuery(Struct, frozen=True, kw_only=True):
    """Beyond which change; the bodies go along where `bodies` says so."""

    after: Annotated[int, Meta(ge=0)] = 0
    bodies: bool = False


class Heads(Struct, frozen=True, kw_only=True):
    """Every signed head."""

    items: list[Head]


async def trail(ask: Ask) -> Trail:
    """Changes by filter, newest first, personal data masked; the reading is recorded before anything is shown."""
    ask.require(Action.AUDIT_READ, HUB)
    query: TrailQuery = ask.query
    async with ask.store.read() as conn:
        items = await audit_trail(conn, actor=query.actor, subject=query.subject, kind=query.kind, incident_id=query.incident_id,
                                  before=query.before, limit=query.limit, routine=query.routine)
        policies = await ask.hub.policies.read(conn)
    seqs = [item.seq for item in items]
    async with ask.transaction() as tx:
        tx.record(AuditRead(actor=query.actor, subject=query.subject, kind=query.kind, first=min(seqs, default=0), last=max(seqs, default=0),
                            count=len(seqs)), actor=ask.who, subject="audit:trail")
    shown = [item if item.body == b"null" else masked_change(policies, item, None) for item in items]
    return Trail(items=shown, next=seqs[-1] if len(seqs) == query.limit else None)


async def verify(ask: Ask) -> Verdict:
    """Check the whole chain now, on a connection of its own that can only read."""
    ask.require(Action.AUDIT_VERIFY, HUB)
    settings = ask.hub.settings
    async with reading(ask.store.url) as conn:
        return await verify_store(conn, heads_on_disk(settings.data_path), known_keys(settings.data_path), hub_id=settings.hub_id,
                                  progress=None)


async def export(ask: Ask) -> web.StreamResponse:
    """The chain as JSON lines that `tocsin audit verify --file` checks offline; the export is recorded first."""
    ask.require(Action.AUDIT_EXPORT, HUB)
    query: ExportQuery = ask.query
    head = await ask.store.head()
    async with ask.transaction() as tx:
        tx.record(AuditExported(after=query.after, seq=head, bodies=query.bodies), actor=ask.who, subject="audit:export")
    settings = ask.hub.settings
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Content-Disposition": 'attachment; filename="audit.jsonl"'})
    out = _Sink()

    async def send() -> None:  # the answer begins with the first line: what is refused before it is told like any refusal
        if data := out.take():
            if not response.prepared:
                await response.prepare(ask.request)
            await response.write(data)

    async with reading(ask.store.url) as conn:
        writing = asyncio.create_task(write_export(conn, out, signer(settings.data_path), hub_id=settings.hub_id, now=ask.now, after=query.after,
                                                   bodies=query.bodies, former_keys=tuple(known_keys(settings.data_path).values())))
        try:
            while not writing.done():
                await asyncio.wait({writing}, timeout=0.05)
                await send()
            await writing
        finally:  # whoever asked may have gone
            writing.cancel()
            await asyncio.wait({writing})
    await send()
    await response.write_eof()
    return response


class _Sink(io.BytesIO):
    """What the export has written and the answer has not sent yet."""

    def take(self) -> bytes:
        data = self.getvalue()
        self.seek(0)
        self.truncate()
        return data


async def signed_heads(ask: Ask) -> Heads:
    """The signed heads of every day."""
    ask.require(Action.AUDIT_VERIFY, HUB)
    async with ask.store.read() as conn:
        return Heads(items=await heads(conn))


ROUTES = [
    Route("GET", "/api/v1/audit", trail, Action.AUDIT_READ, query=TrailQuery, returns=Trail, zh="审计记录", en="the audit trail"),
    Route("POST", "/api/v1/audit/verify", verify, Action.AUDIT_VERIFY, returns=Verdict, zh="核验审计链", en="check the chain"),
    Route("GET", "/api/v1/audit/export", export, Action.AUDIT_EXPORT, query=ExportQuery, zh="导出审计链", en="export the chain"),
    Route("GET", "/api/v1/audit/heads", signed_heads, Action.AUDIT_VERIFY, returns=Heads, zh="签名链头", en="signed heads"),
]

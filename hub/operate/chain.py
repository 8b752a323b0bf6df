"""Checks the chain of a store (read only) or of an exported file, and writes such a file. Decides nothing: `hub.domain.chain` does."""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import utc_text
from hub.domain.chain import Checker, Flaw, Link, Verdict
from hub.domain.change import GENESIS
from hub.domain.signature import Head, Signer, key_id
from hub.errors import Rejected, Unavailable, why_en, why_zh
from hub.operate.rights import Rights
from hub.operate.stored import refuse_missing
from hub.store.engine import open_engines
from hub.store.proof import heads, links, stray_bodies

FORMAT = "tocsin-audit-1"
Progress = Callable[[int], None]


class ExportHeader(Struct, frozen=True, kw_only=True):
    """The first line of an export: the span that follows, the hash before it, the hub's public keys, and the signed heads."""

    format: str
    hub_id: str
    exported_at: str
    after: int
    previous: str
    seq: int
    bodies: bool
    public_keys: list[str]
    heads: list[Head]


class ExportLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change in an export; `salt` is base64; salt and body are absent where the body was destroyed or left out."""

    seq: int
    kind: str
    at: str
    actor: str
    subject: str
    drill: bool
    body_sha256: str
    prev_hash: str
    hash: str
    incident_id: str | None = None
    department_id: str | None = None
    salt: str | None = None
    body: str | None = None

    def link(self) -> Link:
        """The row as the checker takes it."""
        try:
            salt = base64.b64decode(self.salt, validate=True) if self.salt is not None else None
        except binascii.Error:
            salt = b""
        return Link(self.seq, self.kind, self.at, self.actor, self.subject, self.incident_id, self.department_id, self.drill,
                    self.body_sha256, self.prev_hash, self.hash, salt, self.body)


def export_line(link: Link, *, bodies: bool = True) -> ExportLine:
    """A row of the store as a line."""
    there = bodies and link.salt is not None
    return ExportLine(
        seq=link.seq, kind=link.kind, at=link.at, actor=link.actor, subject=link.subject, incident_id=link.incident_id,
        department_id=link.department_id, drill=bool(link.drill), body_sha256=link.body_sha256, prev_hash=link.prev_hash, hash=link.hash,
        salt=base64.b64encode(link.salt).decode() if there else None, body=link.body if there else None,
    )


@contextlib.asynccontextmanager
async def reading(url: str) -> AsyncIterator[AsyncConnection]:
    """A connection that can only read: nothing is migrated, made or changed. Raises Rejected where there is no store, Unavailable."""
    refuse_missing(url)
    engines = open_engines(url, readers=1)
    try:
        async with engines.read.connect() as conn:
            if not engines.sqlite:
                await conn.exec_driver_sql("SET default_transaction_read_only = on")
            yield conn
    except (OSError, DBAPIError) as error:
        raise Unavailable("store_unavailable", f"无法读取数据库：{why_zh(error)}", f"the store cannot be read: {why_en(error)}") from error
    finally:
        await engines.read.dispose()
        await engines.write.dispose()


async def verify_store(conn: AsyncConnection, outside: Iterable[Head], keys: dict[str, str], *, hub_id: str | None = None,
                       progress: Progress | None = None) -> Verdict:
    """Check the whole chain of a store against its own signed heads and those kept outside it, then the tables that give rights against the
    chain; all of it as of one moment."""
    await conn.exec_driver_sql("BEGIN" if conn.dialect.name == "sqlite" else "BEGIN ISOLATION LEVEL REPEATABLE READ")
    try:
        return await _verify(conn, outside, keys, hub_id, progress)
    finally:
        await conn.exec_driver_sql("ROLLBACK")


async def _verify(conn: AsyncConnection, outside: Iterable[Head], keys: dict[str, str], hub_id: str | None, progress: Progress | None) -> Verdict:
    kept = await heads(conn)
    there = {(head.seq, head.hash) for head in kept}
    checker, rights = Checker([*kept, *(head for head in outside if (head.seq, head.hash) not in there)], keys, hub_id=hub_id), Rights()
    async for batch in links(conn):
        for link in batch:
            if not checker.look(link):
                break
            rights.look(link)
        if checker.flaw is not None:
            break
        if progress is not None:
            progress(checker.count)
    verdict = checker.verdict()
    if not verdict.ok:
        return verdict
    strays = await stray_bodies(conn)
    flaw = await rights.flaw(conn) if not strays else Flaw(
        seq=strays[0], code="stray_body", zh=f"第 {strays[0]} 条：有内容而无变更记录", en=f"change {strays[0]}: a body without its change")
    return verdict if flaw is None else msgspec.structs.replace(verdict, ok=False, flaw=flaw)


async def write_export(conn: AsyncConnection, out: BinaryIO, signer: Signer, *, hub_id: str, now: Any, after: int = 0, bodies: bool = True,
                       former_keys: Sequence[str] = (), progress: Progress | None = None) -> ExportHeader:
    """Write the chain beyond `after` as JSON lines: the header, then every change. The span ends in a head signed now."""
    from hub.store.proof import head_of

    seq, digest = await head_of(conn)
    kept = [head for head in await heads(conn) if after < head.seq <= seq]
    at = utc_text(now)
    header = ExportHeader(
        format=FORMAT, hub_id=hub_id, exported_at=at, after=after, previous=await _hash_at(conn, after), seq=seq, bodies=bodies,
        public_keys=[signer.public, *(key for key in former_keys if key != signer.public)],
        heads=[*(head for head in kept if head.seq != seq), signer.head(hub_id, seq, digest, at)] if seq > after else kept)
    out.write(msgspec.json.encode(header) + b"\n")
    done = 0
    async for batch in links(conn, after=after, upto=seq, bodies=bodies):
        for link in batch:
            out.write(msgspec.json.encode(export_line(link, bodies=bodies)) + b"\n")
        done += len(batch)
        if progress is not None:
            progress(done)
    return header


async def _hash_at(conn: AsyncConnection, seq: int) -> str:
    if seq == 0:
        return GENESIS
    async for batch in links(conn, after=seq - 1, upto=seq, bodies=False):
        return str(batch[0].hash)
    raise Rejected("no_change", f"没有第 {seq} 条变更", f"there is no change {seq}", field="after")


def verify_file(lines: Iterable[bytes], keys: dict[str, str] | None = None, outside: Iterable[Head] = (),
                progress: Progress | None = None) -> tuple[Verdict, ExportHeader]:
    """Check an export with nothing but public keys: the given ones, or (None) those it carries itself. Raises Rejected for another file."""
    each = iter(lines)
    try:
        header = msgspec.json.decode(next(each, b""), type=ExportHeader)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Rejected("wrong_file", f"不是审计导出文件：{error}", f"not an audit export: {error}", field="file") from None
    if header.format != FORMAT:
        raise Rejected("wrong_file", "不是审计导出文件", f"not an audit export: {header.format}", field="file")
    trusted = {key_id(key): key for key in header.public_keys} if keys is None else keys
    checker = Checker([*header.heads, *outside], trusted, after=header.after, previous=header.previous, bodies=header.bodies,
                      hub_id=header.hub_id)
    decoder = msgspec.json.Decoder(ExportLine)
    for n, line in enumerate(each, 1):
        if not line.strip():
            continue
        try:
            link = decoder.decode(line).link()
        except (msgspec.MsgspecError, UnicodeDecodeError):
            link = Link(None, *([None] * 10))
        if not checker.look(link):
            break
        if progress is not None and n % 2000 == 0:
            progress(n)
    verdict = checker.verdict()
    if verdict.ok and header.seq != verdict.seq:
        seq = verdict.seq + 1
        flaw = Flaw(seq=seq, code="truncated", zh=f"第 {seq} 条：文件不完整", en=f"change {seq}: the file ends before {header.seq}")
        verdict = msgspec.structs.replace(verdict, ok=False, flaw=flaw)
    return verdict, header

"""The daily digest over HTTP: read, draft, edit, sign, and as Word, Excel or print; 要情快报 of an incident as Word."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from hub.documents.sheets import TYPE, digest_sheet
from hub.documents.words import bulletin_word, digest_word
from hub.domain.access import HUB, Action, Tier
from hub.domain.calendar import local_day
from hub.domain.digest import Digest, Section
from hub.store import digest as store
from hub.store.access import record_view
from hub.store.daily import load_book
from hub.store.reports import reports_of
from hub.web.incidents import find
from hub.web.obligations import rules_of
from hub.web.route import Ask, NotFound, Route
from hub.web.seen import masked

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


class DigestList(Struct, frozen=True, kw_only=True):
    """Digests, newest first."""

    items: list[Digest]
    today: str
    seq: int


class EditBody(Struct, frozen=True, kw_only=True):
    """The sections, all of them, and the version they were made from."""

    sections: Annotated[tuple[Section, ...], Meta(max_length=20)]
    based_on: int


class SignBody(Struct, frozen=True, kw_only=True):
    """The version that is signed: the very text that the signer has seen."""

    based_on: int


async def listing(ask: Ask) -> DigestList:
    """Digests, newest first."""
    ask.require(Action.DIGEST_READ, HUB)
    seq = await ask.store.head()
    async with ask.store.read() as conn:
        items = await store.list_digests(conn)
    return DigestList(items=items, today=local_day(rules_of(ask).calendar, ask.now).isoformat(), seq=seq)


async def _one(ask: Ask) -> Digest:
    ask.require(Action.DIGEST_READ, HUB)
    async with ask.store.read() as conn:
        found = await store.get_digest(conn, ask.path["day"])
    if found is None:
        raise NotFound
    return found


async def one(ask: Ask) -> Digest:
    """The digest of a day."""
    return await _one(ask)


async def draft(ask: Ask) -> Digest:
    """Draft the digest of a day now, or anew from what has come in since (edits are lost)."""
    ask.require(Action.DIGEST_EDIT, HUB)
    try:
        day = date.fromisoformat(ask.path["day"])
    except ValueError:
        raise NotFound from None
    async with ask.transaction() as tx:
        return await store.draft(tx, rules_of(ask), await load_book(tx.conn), day, by=ask.who)


async def edit(ask: Ask) -> Digest:
    """Alter the text."""
    ask.require(Action.DIGEST_EDIT, HUB)
    async with ask.transaction() as tx:
        return await store.edit(tx, ask.path["day"], ask.body.sections, by=ask.who, based_on=ask.body.based_on)


async def sign(ask: Ask) -> Digest:
    """Sign the digest and publish it in the sharing group."""
    ask.require(Action.DIGEST_SIGN, HUB)
    async with ask.transaction() as tx:
        return await store.sign(tx, rules_of(ask), ask.path["day"], by=ask.who, name=ask.actor.name or ask.who, based_on=ask.body.based_on,
                                department_id=ask.actor.department_id)


def _download(body: bytes, kind: str, name: str) -> web.Response:
    return web.Response(body=body, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


async def word(ask: Ask) -> web.Response:
    """The digest as a Word file in the official layout."""
    found = await _one(ask)
    return _download(await asyncio.to_thread(digest_word, found, zone=rules_of(ask).calendar.zone), WORD, f"digest-{found.day}.docx")


async def excel(ask: Ask) -> web.Response:
    """The digest's tables as an Excel file."""
    found = await _one(ask)
    return _download(await asyncio.to_thread(digest_sheet, found), TYPE, f"digest-{found.day}.xlsx")


async def bulletin(ask: Ask) -> web.Response:
    """要情快报: an incident from the ledger as a Word file, as much of it as the reader's tier shows."""
    found = await find(ask, Action.INCIDENT_EXPORT)
    tier: Tier | None = found.decision.tier
    async with ask.store.read() as conn:
        reports = await reports_of(conn, found.incident.id)
    shown = masked(found.policies, found.incident, tier)
    body = await asyncio.to_thread(bulletin_word, shown, [masked(found.policies, report, tier) for report in reports],
                                   issuer=ask.hub.settings.hub_name, zone=rules_of(ask).calendar.zone, now=ask.now)
    async with ask.transaction() as tx:
        record_view(tx, ask.actor, Action.INCIDENT_EXPORT, [found.thing], found.decision, reason="要情快报", incident_id=found.incident.id,
                    drill=found.incident.drill)
    return _download(body, WORD, f"bulletin-{found.incident.no}.docx")


_ONE = "/api/v1/digests/{day}"
ROUTES = [
    Route("GET", "/api/v1/digests", listing, Action.DIGEST_READ, returns=DigestList, zh="每日要情", en="daily digests"),
    Route("GET", _ONE, one, Action.DIGEST_READ, returns=Digest, zh="一日要情", en="one digest"),
    Route("POST", _ONE + "/draft", draft, Action.DIGEST_EDIT, returns=Digest, zh="拟稿", en="draft"),
    Route("PUT", _ONE, edit, Action.DIGEST_EDIT, body=EditBody, returns=Digest, zh="修改", en="edit"),
    Route("POST", _ONE + "/sign", sign, Action.DIGEST_SIGN, body=SignBody, returns=Digest, zh="签发", en="sign"),
    Route("GET", _ONE + "/word", word, Action.DIGEST_READ, export=True, zh="Word 文件", en="as Word"),
    Route("GET", _ONE + "/excel", excel, Action.DIGEST_READ, export=True, zh="Excel 文件", en="as Excel"),
    Route("GET", "/api/v1/incidents/{id}/bulletin", bulletin, Action.INCIDENT_EXPORT, zh="要情快报（Word）", en="the bulletin of an incident as Word"),
]

"""The quarantine over HTTP: read what was refused and why, correct and replay it, or discard it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from hub.domain.access import Action, Thing, ThingKind
from hub.domain.classified import CODE as CLASSIFIED
from hub.domain.classified import packaged_guard
from hub.domain.report import Channel
from hub.errors import Rejected
from hub.ids import exactly
from hub.ingest.intake import Source
from hub.store.quarantine import Quarantined, get_quarantined, list_quarantine, release, waiting_count
from hub.web.route import Answer, Ask, Done, NotFound, Route
from hub.web.seen import chain_reading
from hub.wire import Receipt

_THING = Thing(kind=ThingKind.QUARANTINE)


class ListQuery(Struct, frozen=True, kw_only=True):
    """`state`: waiting, replayed, discarded or all; `before` is `received_at|id` of the last one seen."""

    state: Annotated[str, Meta(pattern=exactly("(waiting|replayed|discarded|all)"))] = "waiting"
    before: Annotated[str, Meta(max_length=80)] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class QuarantinePage(Struct, frozen=True, kw_only=True):
    """A page of refused messages, newest first, and how many wait in all."""

    items: list[Quarantined]
    next: str | None
    waiting: int
    seq: int


class ReplayBody(Struct, frozen=True, kw_only=True):
    """The message, corrected (null: as it came)."""

    payload: Annotated[str, Meta(max_length=262_144)] | None = None


async def listing(ask: Ask) -> QuarantinePage:
    """Refused messages with their reasons."""
    decision = ask.require(Action.QUARANTINE_READ, _THING)
    query: ListQuery = ask.query
    seq = await ask.store.head()
    async with ask.store.read() as conn:
        items = await list_quarantine(conn, state=None if query.state == "all" else query.state, before=query.before, limit=query.limit)
        waiting = await waiting_count(conn)
    # a refused message is shown as it came, with all that it says of people
    await chain_reading(ask, Action.QUARANTINE_READ, [Thing(kind=ThingKind.QUARANTINE, id=item.id) for item in items], decision)
    next = f"{items[-1].received_at}|{items[-1].id}" if len(items) == query.limit else None
    return QuarantinePage(items=items, next=next, waiting=waiting, seq=seq)


async def _find(ask: Ask, action: Action) -> Quarantined:
    ask.require(action, _THING)
    async with ask.store.read() as conn:
        row = await get_quarantined(conn, ask.path["id"])
    if row is None:
        raise NotFound
    return row


async def replay(ask: Ask) -> Answer:
    """Send a message through the intake again, as it came or corrected; the answer is its receipt.

    What it comes to and the mark that it was replayed are one transaction: of two at the desk who correct it at once, each under an id of his own,
    one has replayed it, and the other hears so.
    """
    row = await _find(ask, Action.QUARANTINE_REPLAY)
    if row.state == "replayed":
        raise _decided()
    source = ask.hub.registry.source(row.agent_id) if row.agent_id else None
    sender = (source or Source(ask.who, department_id=ask.actor.department_id)).let_in_by(ask.actor)
    payload = (ask.body.payload if ask.body.payload is not None else row.payload).encode()
    if not payload and row.reason == CLASSIFIED:
        raise Rejected("content_not_kept", "原文疑似涉密，未保存；请重新填写或请报送单位重报", "its content looked classified and was not kept; write it "
                       "anew, or ask for it again", field="payload")
    ask.confirm(packaged_guard().message_warnings(payload))
    confirmation = ask.confirmation()
    async with ask.transaction() as tx:
        item = ask.hub.intake.decoded(row.what, payload, sender, Channel(row.channel), tx.now, confirmation)
        if item.error is None:
            await ask.hub.intake.store_within(tx, item)
        if item.error is None and not await release(tx, row.id, "replayed", by=ask.who, report_id=item.message_id):
            raise _decided()
    assert item.receipt is not None
    return Answer(item.receipt, status=200 if item.error is None else 422)


async def discard(ask: Ask) -> Done:
    """Set a message aside; it stays readable."""
    row = await _find(ask, Action.QUARANTINE_REPLAY)
    async with ask.transaction() as tx:
        if not await release(tx, row.id, "discarded", by=ask.who):
            raise _decided()
    return Done()


def _decided() -> Rejected:
    return Rejected("decided_before", "此消息已被处理，请刷新查看", "this message was dealt with before; reload to see how")


ROUTES = [
    Route("GET", "/api/v1/quarantine", listing, Action.QUARANTINE_READ, query=ListQuery, returns=QuarantinePage, zh="隔离区", en="quarantine"),
    Route("POST", "/api/v1/quarantine/{id}/replay", replay, Action.QUARANTINE_REPLAY, body=ReplayBody, returns=Receipt, limit_bytes=600_000, looked_over=False,
          zh="更正并重放", en="correct and replay"),
    Route("POST", "/api/v1/quarantine/{id}/discard", discard, Action.QUARANTINE_REPLAY, returns=Done, zh="搁置", en="discard"),
]

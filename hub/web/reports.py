"""Reports over HTTP: filing (web form, telephone note, agents without MQTT), reading, and what became of one."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from hub.domain.access import HUB, Action, ActorKind, Thing, ThingKind, Tier
from hub.domain.classified import packaged_guard
from hub.domain.report import Channel, ReportView
from hub.errors import Unavailable
from hub.ids import exactly
from hub.ingest.intake import Source
from hub.store.access import incident_things, visible_reports
from hub.store.reports import get_report, list_reports
from hub.store.sharing import readers_of
from hub.web.route import Answer, Ask, NotFound, Route
from hub.web.seen import chain_reading, masked, report_thing
from hub.wire import Receipt, ReceiptStatus


class FileQuery(Struct, frozen=True, kw_only=True):
    """`channel` says how the report reached the person who files it: `web` (the form) or `phone` (a telephone note)."""

    channel: Annotated[str, Meta(pattern=exactly("(web|phone)"))] = "web"


class ListQuery(Struct, frozen=True, kw_only=True):
    """`before` is `received_at|id` of the last one seen."""

    before: Annotated[str, Meta(max_length=80)] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class ReportPage(Struct, frozen=True, kw_only=True):
    """A page of reports, newest first."""

    items: list[ReportView]
    next: str | None


class Seen(Struct, frozen=True, kw_only=True):
    """Which department has seen the report's incident, and when."""

    department_id: str
    at: str


class ReportStatus(Struct, frozen=True, kw_only=True):
    """What became of a report: stored at, under which receipt number, in which incident, seen by whom."""

    id: str
    status: ReceiptStatus
    receipt_no: str
    stored_at: str
    incident_id: str
    seen_by: list[Seen]


_STATUS = {ReceiptStatus.STORED: 201, ReceiptStatus.DUPLICATE: 200, ReceiptStatus.REJECTED: 422, ReceiptStatus.UNAVAILABLE: 503}


def own(ask: Ask) -> Thing:
    """A report of the actor's own department."""
    return Thing(kind=ThingKind.REPORT, department_id=ask.actor.department_id, enterprise_id=ask.actor.enterprise_id, person_id=ask.actor.id)


async def file(ask: Ask) -> Answer:
    """File a report: the very path that a report by MQTT takes, with the same receipt. 201 stored, 200 duplicate, 422 refused, 503 later."""
    ask.require(Action.REPORT_FILE, own(ask))
    actor = ask.actor
    source = ask.hub.registry.source(actor.id) if actor.kind is ActorKind.AGENT else None
    if actor.kind is not ActorKind.AGENT:
        ask.confirm(packaged_guard().message_warnings(ask.body))
    channel = Channel.HTTP if actor.kind is ActorKind.AGENT else Channel(ask.query.channel)
    sender = source or Source(ask.who, department_id=actor.department_id, acts=actor)
    receipt = await ask.submit("report", ask.body, sender, channel)
    if receipt.status is ReceiptStatus.UNAVAILABLE and receipt.reason == "store_unavailable":
        raise Unavailable("store_unavailable", "数据库暂时不可用，填写内容仍在，请稍后重试", "the store is not available; what you typed is kept",
                          retry_after_s=receipt.retry_after_s or 5)
    return Answer(receipt, status=_STATUS[receipt.status])


async def listing(ask: Ask) -> ReportPage:
    """Reports that the actor may see, newest first."""
    ask.require(Action.INCIDENT_LIST, HUB)
    query: ListQuery = ask.query
    async with ask.store.read() as conn:
        items = await list_reports(conn, where=visible_reports(ask.actor, ask.now), before=query.before, limit=query.limit)
        things = await incident_things(conn, [item.incident_id for item in items])
        policies = await ask.hub.policies.read(conn)
        decided = [(item, ask.may(Action.REPORT_READ, report_thing(item, things))) for item in items]
    whole = [(item, decision) for item, decision in decided if decision.tier in (Tier.LEAD, Tier.ASSIST)]
    if whole:
        await chain_reading(ask, Action.REPORT_READ, [report_thing(item, {}) for item, _ in whole], whole[0][1])
    shown = [masked(policies, item, decision.tier) for item, decision in decided]
    more = len(items) == query.limit
    return ReportPage(items=shown, next=f"{items[-1].received_at}|{items[-1].id}" if more else None)


async def one(ask: Ask) -> ReportView:
    """One report."""
    async with ask.store.read() as conn:
        report = await get_report(conn, ask.path["id"])
        if report is None:
            ask.require(Action.INCIDENT_LIST, HUB)
            raise NotFound
        things = await incident_things(conn, [report.incident_id])
        decision = ask.require(Action.REPORT_READ, report_thing(report, things), hidden=True)
        policies = await ask.hub.policies.read(conn)
    await chain_reading(ask, Action.REPORT_READ, [report_thing(report, {})], decision, drill=report.drill)
    return masked(policies, report, decision.tier)


async def status(ask: Ask) -> ReportStatus:
    """What became of a report; for its sender, and for who may read it."""
    async with ask.store.read() as conn:
        report = await get_report(conn, ask.path["id"])
        if report is None:
            ask.require(Action.REPORT_FILE, own(ask))
            raise NotFound
        if report.actor != ask.who:
            ask.require(Action.REPORT_READ, report_thing(report, await incident_things(conn, [report.incident_id])), hidden=True)
        else:
            ask.require(Action.REPORT_FILE, own(ask))
        readers = await readers_of(conn, report.incident_id)
    return ReportStatus(id=report.id, status=ReceiptStatus.STORED, receipt_no=report.receipt_no, stored_at=report.received_at,
                        incident_id=report.incident_id, seen_by=[Seen(department_id=d, at=at) for d, at in readers])


ROUTES = [
    Route("POST", "/api/v1/reports", file, Action.REPORT_FILE, body=bytes, query=FileQuery, returns=Receipt, status=201, zh="报送", en="file"),
    Route("GET", "/api/v1/reports", listing, Action.INCIDENT_LIST, query=ListQuery, returns=ReportPage, zh="报告列表", en="reports"),
    Route("GET", "/api/v1/reports/{id}", one, Action.REPORT_READ, returns=ReportView, zh="报告", en="one report"),
    Route("GET", "/api/v1/reports/{id}/status", status, Action.REPORT_FILE, also=(Action.REPORT_READ,), returns=ReportStatus, zh="报送状态",
          en="what became of it"),
]

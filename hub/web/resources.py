"""Resources over HTTP: the register, import from Excel with errors line by line, what suits an incident, and a request's steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.documents.sheets import TYPE, resource_sheet
from hub.documents.workbooks import by_sight, is_uncounted, open_book, reaches_beyond, read_cells, spread, uncounted
from hub.domain.access import HUB, Action, Thing, ThingKind, Tier
from hub.domain.calendar import local_day
from hub.domain.resource import Request, RequestState, Resource, ResourceKind, Suggestion
from hub.domain.resource_table import HEAD_WITHIN, LineError, Sheet, choose_sheet, head_of, is_table, letters, name_departments, parse_table
from hub.errors import Rejected
from hub.ids import exactly, new_id
from hub.store.access import incident_thing
from hub.store.duty_data import load_rules
from hub.store.organisation import list_departments
from hub.store.plans import plans_in_force
from hub.store.resources import (
    ask_for,
    get_request,
    get_resource,
    import_resources,
    list_resources,
    move_request,
    prepare_import,
    requests_of,
    save_resource,
    suggest,
)
from hub.web.incidents import find
from hub.web.route import Answer, Ask, NotFound, Route
from hub.web.seen import chain_reading, masked
from plans.model import Text

MAX_TABLE_BYTES = 5 * 2**20
MAX_LINES = 20_000
MAX_ROWS = MAX_LINES + 10
"""Lines with the title and the names of the columns above them."""
MOST_ERRORS = 500
MAX_COLUMNS = 50


class ListQuery(Struct, frozen=True, kw_only=True):
    """Narrowed by capability, kind or owner."""

    capability: Annotated[str, Meta(max_length=64)] | None = None
    kind: ResourceKind | None = None
    department_id: Annotated[str, Meta(max_length=64)] | None = None


class Resources(Struct, frozen=True, kw_only=True):
    """The register."""

    items: list[Resource]
    seq: int


class Imported(Struct, frozen=True, kw_only=True):
    """How many lines were taken and altered something, and the errors: with one, nothing is taken. `faults`: how many errors there are, listed or not."""

    lines: int
    altered: int
    errors: list[LineError]
    faults: int


class TableQuery(Struct, frozen=True, kw_only=True):
    """`empty`: the form without what is registered."""

    empty: bool = False


class Capability(Struct, frozen=True, kw_only=True):
    """Something that resources are for: its code, what the plans call it (the code again where none asks for it), and the unit that requests for it come in."""

    id: str
    zh: str
    en: str
    unit: str


class Capabilities(Struct, frozen=True, kw_only=True):
    """What plans ask for and what is registered."""

    items: list[Capability]


class SuitQuery(Struct, frozen=True, kw_only=True):
    """What is needed."""

    capability: Annotated[str, Meta(min_length=1, max_length=64)]
    quantity: Annotated[float, Meta(gt=0, le=1e9)] = 1
    unit: Annotated[str, Meta(min_length=1, max_length=20)]


class Suiting(Struct, frozen=True, kw_only=True):
    """The nearest that suit, with the reason."""

    items: list[Suggestion]


class RequestBody(Struct, frozen=True, kw_only=True):
    """What is asked for; `id` makes asking twice once."""

    capability: Annotated[str, Meta(pattern=exactly("[a-z0-9][a-z0-9-]{0,63}"))]
    quantity: Annotated[float, Meta(gt=0, le=1e9)]
    unit: Annotated[str, Meta(min_length=1, max_length=20)]
    text: Annotated[str, Meta(min_length=1, max_length=500)]
    within_min: Annotated[int, Meta(ge=1, le=10_080)] = 30
    id: Annotated[str, Meta(max_length=64)] | None = None


class Requests(Struct, frozen=True, kw_only=True):
    """The requests of an incident."""

    items: list[Request]
    seq: int


class MoveBody(Struct, frozen=True, kw_only=True):
    """The step; an offer names the resource and how much of it, a return how much came back."""

    state: RequestState
    resource_id: Annotated[str, Meta(max_length=64)] | None = None
    quantity: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    note: Annotated[str, Meta(max_length=500)] = ""


def _thing(resource: Resource) -> Thing:
    return Thing(kind=ThingKind.RESOURCE, id=resource.id, department_id=resource.department_id)


async def listing(ask: Ask) -> Resources:
    """The register of resources."""
    ask.require(Action.RESOURCE_READ, HUB)
    seq = await ask.store.head()
    async with ask.store.read() as conn:
        policies = await ask.hub.policies.read(conn)
        items = await list_resources(conn, capability=ask.query.capability, kind=ask.query.kind, department_id=ask.query.department_id)
    whole = [row for row in items if (row.contact or row.phone) and _tier(ask, row) is Tier.LEAD]
    decision = msgspec.structs.replace(ask.may(Action.RESOURCE_READ, HUB), tier=Tier.LEAD)
    await chain_reading(ask, Action.RESOURCE_READ, [_thing(row) for row in whole], decision)
    return Resources(items=[masked(policies, row, _tier(ask, row)) for row in items], seq=seq)


def _tier(ask: Ask, resource: Resource) -> Tier:
    """Who answers for a resource is known whole to its department and to the command centre; others see it masked."""
    return Tier.LEAD if ask.actor.whole or resource.department_id in ask.actor.reach else Tier.INFORMED


async def save(ask: Ask) -> Resource:
    """Make or alter a resource of a department within reach."""
    wanted: Resource = ask.body
    ask.require(Action.RESOURCE_EDIT, _thing(wanted))
    async with ask.transaction() as tx:
        held = await get_resource(tx.conn, wanted.id)
        if held is not None:
            ask.require(Action.RESOURCE_EDIT, _thing(held))
        if wanted.department_id not in {d.id for d in await list_departments(tx.conn)}:
            raise Rejected("unknown_department", "没有这个部门", "there is no such department", field="department_id")
        return await save_resource(tx, wanted, by=ask.who)


def _table(raw: bytes) -> Sheet:
    """The sheet with the table, among those that can be seen: chosen by the lines where a head can stand, and read alone.

    Raises Rejected for what is no workbook, unpacks to too much, has too many lines, or has its table on a hidden sheet.
    """
    book = open_book(raw, most_rows=MAX_ROWS, most_columns=MAX_COLUMNS)
    (seen, hidden), epoch = by_sight(book), book.epoch.date()
    tops, hidden_tops = ([_sheet(sheet, epoch, HEAD_WITHIN) for sheet in sheets] for sheets in (seen, hidden))
    found = choose_sheet(tops)
    if hidden and not is_table(found) and is_table(choose_sheet(hidden_tops)):
        raise Rejected("hidden_sheet", "资源表在隐藏的工作表里，请取消隐藏后上传", "the table is on a hidden sheet: unhide it first", field="file")
    chosen = next((sheet for sheet, top in zip(seen, tops, strict=True) if top is found), None)
    if chosen is None:
        return found
    if reaches_beyond(chosen, MAX_ROWS):
        raise Rejected("too_large", f"不超过 {MAX_LINES} 行", f"no more than {MAX_LINES} lines", field="file")
    return _sheet(chosen, epoch, MAX_ROWS)


def _sheet(sheet: Any, epoch: date, most_rows: int) -> Sheet:
    rows = read_cells(sheet, most_rows=most_rows, most_columns=MAX_COLUMNS)
    return Sheet(rows=rows, spread=spread(sheet, rows), epoch=epoch)


def _formulas(sheet: Sheet) -> list[LineError]:
    """The cells that hold a formula and no value: they would be taken as text."""
    heads = sheet.spread[head_of(sheet)[0]] if sheet.spread else ()
    return [LineError(line=line, column=str(head or ""), cell=f"{letters(n)}{line}", zh=fault.zh, en=fault.en)
            for line, row in enumerate(sheet.rows, start=1) for n, (head, cell) in enumerate(zip(heads, row, strict=True))
            if is_uncounted(cell) and (fault := uncounted(str(head or ""), line, str(head or "")))]


def joined(formulas: Sequence[LineError], errors: Sequence[LineError]) -> list[LineError]:
    """The formulas without a value, and the errors of the other lines: what is read of such a formula is no second error."""
    lines = {one.line for one in formulas}
    return [*formulas, *(one for one in errors if one.line not in lines)]


def _read(
    sheet: Sheet, departments: Mapping[str, Sequence[str]], held: Mapping[str, Resource], may: Callable[[Resource], bool],
) -> tuple[list[Resource], list[LineError]]:
    """The resources of a sheet, and all that is wrong with it: some seconds for a full one, so not on the loop."""
    found, errors = parse_table(sheet, departments, held=held, may=may)
    return found, joined(_formulas(sheet), errors)


async def import_table(ask: Ask) -> Answer:
    """Take an Excel table of resources: all lines, or none with every error named by its cell."""
    ask.require(Action.RESOURCE_EDIT, Thing(kind=ThingKind.RESOURCE, department_id=ask.actor.department_id))
    sheet = await asyncio.to_thread(_table, ask.body)
    ask.look_over(await asyncio.to_thread(lambda: [["" if cell is None else str(cell) for cell in row] for row in sheet.rows]))
    async with ask.store.read() as conn:
        departments = name_departments(await list_departments(conn))
        held = {one.id: one for one in await list_resources(conn)}
    found, errors = await asyncio.to_thread(_read, sheet, departments, held, lambda row: ask.may(Action.RESOURCE_EDIT, _thing(row)).allowed)
    if errors:
        return Answer(Imported(lines=len(found) + len({e.line for e in errors}), altered=0, errors=errors[:MOST_ERRORS], faults=len(errors)), status=422)
    prepared = await asyncio.to_thread(prepare_import, found, held, by=ask.who)
    async with ask.transaction() as tx:
        altered = await import_resources(tx, prepared)
    return Answer(Imported(lines=len(found), altered=altered, errors=[], faults=0), status=200)


async def table(ask: Ask) -> web.Response:
    """The register of whoever asks as the table that the import reads; `empty`: the form alone."""
    ask.require(Action.RESOURCE_READ, HUB)
    async with ask.store.read() as conn:
        departments = [d for d in await list_departments(conn) if d.active]
        held = [one for one in await list_resources(conn) if one.active]
        known = await _capabilities(conn, held, ask.now)
    own = [] if ask.query.empty else [one for one in held if ask.may(Action.RESOURCE_EDIT, _thing(one)).allowed]
    body = await asyncio.to_thread(resource_sheet, own, departments=departments, capabilities={one.id: f"{one.zh}（{one.unit}）" for one in known})
    return web.Response(body=body, content_type=TYPE, headers={"Content-Disposition": 'attachment; filename="resources.xlsx"'})


async def _capabilities(conn: AsyncConnection, held: Iterable[Resource], now: datetime) -> list[Capability]:
    plans = await plans_in_force(conn, local_day((await load_rules(conn)).calendar, now))
    registered = {one.capability: Capability(id=one.capability, zh=one.capability, en=one.capability, unit=one.unit) for one in held}
    wanted = {wish.capability: Capability(id=wish.capability, zh=wish.text.zh, en=wish.text.en, unit=wish.unit) for plan in plans for wish in plan.resources}
    return sorted((registered | wanted).values(), key=lambda one: one.id)


async def capabilities(ask: Ask) -> Capabilities:
    """What plans in force ask for, and what is registered: a resource suits a request with the same capability and unit alone."""
    ask.require(Action.RESOURCE_READ, HUB)
    async with ask.store.read() as conn:
        return Capabilities(items=await _capabilities(conn, [one for one in await list_resources(conn) if one.active], ask.now))


async def suiting(ask: Ask) -> Suiting:
    """The nearest resources that suit what an incident needs."""
    found = await find(ask, Action.RESOURCE_REQUEST)
    async with ask.store.read() as conn:
        items = await suggest(conn, found.incident, capability=ask.query.capability, quantity=ask.query.quantity, unit=ask.query.unit,
                              today=local_day((await load_rules(conn)).calendar, ask.now))
    return Suiting(items=list(items))


async def asked(ask: Ask) -> Requests:
    """The requests of an incident."""
    seq = await ask.store.head()
    found = await find(ask, Action.INCIDENT_READ)
    async with ask.store.read() as conn:
        items = await requests_of(conn, found.incident.id)
    return Requests(items=[masked(found.policies, item, found.decision.tier) for item in items], seq=seq)


async def request(ask: Ask) -> Request:
    """Ask for a resource."""
    found = await find(ask, Action.RESOURCE_REQUEST)
    body: RequestBody = ask.body
    due: datetime = ask.now + timedelta(minutes=body.within_min)
    async with ask.transaction() as tx:
        return await ask_for(
            tx, await load_rules(tx.conn), found.incident, capability=body.capability, quantity=body.quantity, unit=body.unit,
            text=Text(body.text, body.text), due_at=due, asked_by=ask.actor.department_id or "district-office", by=ask.who, activation_id=None,
            key=f"{found.incident.id}:{body.id or new_id()}")


async def move(ask: Ask) -> Request:
    """Take a request a step on: offer, dispatch, arrive, return; cancelling is the asker's."""
    async with ask.store.read() as conn:
        held = await get_request(conn, ask.path["id"])
        of = await incident_thing(conn, held.incident_id) if held else None
        offered = await get_resource(conn, ask.body.resource_id) if ask.body.resource_id else None
    if held is None or of is None:
        ask.require(Action.RESOURCE_READ, HUB)
        raise NotFound
    ask.require(Action.INCIDENT_READ, of, hidden=True)
    to: RequestState = ask.body.state
    if to in (RequestState.CANCELLED, RequestState.REQUESTED):
        ask.require(Action.RESOURCE_REQUEST, of)
    elif to is RequestState.OFFERED:
        department = offered.department_id if offered else held.department_id
        ask.require(Action.RESOURCE_OFFER, Thing(kind=ThingKind.REQUEST, id=held.id, department_id=department, incidents=(of,)))
    else:
        ask.require(Action.RESOURCE_MOVE, Thing(kind=ThingKind.REQUEST, id=held.id, department_id=held.department_id, incidents=(of,)))
    async with ask.transaction() as tx:
        return await move_request(tx, await load_rules(tx.conn), held.id, to, by=ask.who, note=ask.body.note, resource_id=ask.body.resource_id,
                                  quantity=ask.body.quantity)


_I = "/api/v1/incidents/{id}"
ROUTES = [
    Route("GET", "/api/v1/resources", listing, Action.RESOURCE_READ, query=ListQuery, returns=Resources, zh="应急资源", en="resources"),
    Route("POST", "/api/v1/resources", save, Action.RESOURCE_EDIT, body=Resource, returns=Resource, zh="登记资源", en="store a resource"),
    Route("POST", "/api/v1/resources/import", import_table, Action.RESOURCE_EDIT, body=bytes, returns=Imported, limit_bytes=MAX_TABLE_BYTES,
          zh="导入资源（Excel）", en="import resources (Excel)"),
    Route("GET", "/api/v1/resources/capabilities", capabilities, Action.RESOURCE_READ, returns=Capabilities, zh="能力代码", en="what resources are for"),
    Route("GET", "/api/v1/resources/table", table, Action.RESOURCE_READ, query=TableQuery, export=True, zh="资源表（Excel），空表为模板", en="the register as the table that an import reads; empty: the form"),
    Route("GET", _I + "/resources/suitable", suiting, Action.RESOURCE_REQUEST, query=SuitQuery, returns=Suiting, zh="就近可用资源", en="nearest that suit"),
    Route("GET", _I + "/requests", asked, Action.INCIDENT_READ, returns=Requests, zh="资源请求", en="requests of an incident"),
    Route("POST", _I + "/requests", request, Action.RESOURCE_REQUEST, body=RequestBody, returns=Request, zh="请求资源", en="ask for a resource"),
    Route("POST", "/api/v1/requests/{id}/step", move, Action.RESOURCE_MOVE, also=(Action.RESOURCE_OFFER, Action.RESOURCE_REQUEST), body=MoveBody,
          returns=Request, zh="资源调度", en="a request's next step"),
]

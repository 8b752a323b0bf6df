"""The organisation over HTTP: departments, posts, people, appointments, import from Excel. Ways to be reached are masked below one's reach."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from hub.documents.workbooks import is_uncounted, open_book, read_cells, spread, uncounted
from hub.domain.access import HUB, Action, Thing, ThingKind, Tier
from hub.domain.classified import ClassifiedHit, packaged_guard
from hub.domain.organisation import (
    Appointment,
    Department,
    ImportRow,
    LineError,
    Person,
    Post,
    plan_import,
)
from hub.domain.typed import COUNTERS, plain
from hub.errors import Rejected, refusal
from hub.store.organisation import (
    add_person,
    appoint,
    appointments_of,
    get_person,
    get_post,
    import_people,
    leave,
    list_departments,
    list_people,
    list_posts,
    move,
    release,
    save_department,
    save_person,
    save_post,
)
from hub.web.route import Ask, Done, NotFound, Route
from hub.web.seen import chain_reading, masked

Id = Annotated[str, Meta(min_length=1, max_length=64)]
Reason = Annotated[str, Meta(max_length=2000)]
MAX_TABLE_BYTES = 5 * 2**20
MAX_LINES = 20_000
MAX_COLUMNS = 40


class Organisation(Struct, frozen=True, kw_only=True):
    """Departments and posts; `seq` is the feed's head before reading."""

    departments: list[Department]
    posts: list[Post]
    seq: int


class People(Struct, frozen=True, kw_only=True):
    """A page of people; `next` is the next page's `after`."""

    items: list[Person]
    next: str | None


class PeopleQuery(Struct, frozen=True, kw_only=True):
    """`after` is the id of the last one seen."""

    after: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=1, le=500)] = 200


class PersonWhole(Struct, frozen=True, kw_only=True):
    """A person with the posts held, past ones too."""

    person: Person
    appointments: list[Appointment]


class NewPerson(Struct, frozen=True, kw_only=True):
    """A person's name, ways to be reached, and home."""

    name: Annotated[str, Meta(min_length=1, max_length=120)]
    phone: Annotated[str, Meta(max_length=40)] = ""
    email: Annotated[str, Meta(max_length=200)] = ""
    department_id: Id | None = None
    enterprise_id: Id | None = None


class NewAppointment(Struct, frozen=True, kw_only=True):
    """Who is appointed to which post, until when, why."""

    person_id: Id
    post_id: Id
    until_at: datetime | None = None
    reason: Reason = ""


class MoveBody(Struct, frozen=True, kw_only=True):
    """To which post, in which department, why."""

    post_id: Id
    department_id: Id | None = None
    reason: Reason = ""


class ReasonBody(Struct, frozen=True, kw_only=True):
    """Why."""

    reason: Annotated[str, Meta(min_length=1, max_length=2000)]


class Left(Struct, frozen=True, kw_only=True):
    """For each post that was held, the post that takes over its duties (null: nobody does; it stays with the post)."""

    successors: dict[str, str | None]


class ImportQuery(Struct, frozen=True, kw_only=True):
    """`store` false only looks the table over."""

    store: bool = False


class Imported(Struct, frozen=True, kw_only=True):
    """How many lines are right, what is wrong line by line, how many people are new; with any error nothing is stored."""

    lines: int
    errors: list[LineError]
    stored: bool
    added: int


class Texts(Struct, frozen=True, kw_only=True):
    """Texts of a form by field."""

    texts: dict[Annotated[str, Meta(max_length=100)], Annotated[str, Meta(max_length=100_000)]]


class Hits(Struct, frozen=True, kw_only=True):
    """Where a text looks classified."""

    items: list[ClassifiedHit]


async def organisation(ask: Ask) -> Organisation:
    """Departments and posts."""
    ask.require(Action.ORGANISATION_READ, HUB)
    seq = await ask.store.head()
    async with ask.store.read() as conn:
        return Organisation(departments=await list_departments(conn), posts=await list_posts(conn), seq=seq)


def _tier(ask: Ask, person: Person) -> Tier | None:
    """People of one's own reach are seen whole, others masked; whoever has the whole district sees all."""
    if ask.actor.whole or (person.department_id is not None and person.department_id in ask.actor.reach):
        return Tier.LEAD
    return Tier.LEAD if person.id == ask.actor.id else Tier.INFORMED


async def people(ask: Ask) -> People:
    """The people, by id; the reading of unmasked telephone numbers is in the chain."""
    ask.require(Action.PEOPLE_READ, HUB)
    async with ask.store.read() as conn:
        policies = await ask.hub.policies.read(conn)
        found = await list_people(conn, after=ask.query.after, limit=ask.query.limit)
    await _chain_reading(ask, [person for person in found if _tier(ask, person) is Tier.LEAD])
    items = [masked(policies, person, _tier(ask, person)) for person in found]
    return People(items=items, next=found[-1].id if len(found) == ask.query.limit else None)


async def _chain_reading(ask: Ask, read: list[Person]) -> None:
    decision = msgspec.structs.replace(ask.may(Action.PEOPLE_READ, HUB), tier=Tier.LEAD)
    await chain_reading(ask, Action.PEOPLE_READ, [Thing(kind=ThingKind.PERSON, id=person.id) for person in read], decision)


async def person(ask: Ask) -> PersonWhole:
    """One person with their posts."""
    ask.require(Action.PEOPLE_READ, HUB)
    async with ask.store.read() as conn:
        policies = await ask.hub.policies.read(conn)
        found = await get_person(conn, ask.path["id"])
        appointments = await appointments_of(conn, person_id=ask.path["id"])
    if found is None:
        raise NotFound
    tier = _tier(ask, found)
    await _chain_reading(ask, [found] if tier is Tier.LEAD else [])
    return PersonWhole(person=masked(policies, found, tier), appointments=appointments)


async def put_department(ask: Ask) -> Department:
    """Add or change a department."""
    ask.require(Action.ADMIN_ORGANISATION, HUB)
    row: Department = msgspec.structs.replace(ask.body, id=_same_id(ask))
    async with ask.transaction() as tx:
        await save_department(tx, row, by=ask.who)
    return row


def _same_id(ask: Ask) -> str:
    """The id of the path, which the body must repeat (it has been checked there)."""
    if ask.body.id != ask.path["id"]:
        raise Rejected("id_differs", "路径与内容的编号不一致", "the id of the path and of the body differ", field="id")
    return ask.path["id"]


async def put_post(ask: Ask) -> Post:
    """Add or change a post: its role and scope are rights, so this is the security administrator's act."""
    ask.require(Action.ADMIN_APPOINT, HUB)
    row: Post = msgspec.structs.replace(ask.body, id=_same_id(ask))
    async with ask.transaction() as tx:
        await save_post(tx, row, (await ask.hub.policies.read(tx.conn)).access, by=ask.who)
    return row


async def add(ask: Ask) -> Person:
    """Add a person."""
    ask.require(Action.ADMIN_ORGANISATION, HUB)
    body: NewPerson = ask.body
    async with ask.transaction() as tx:
        return await add_person(tx, body.name, by=ask.who, phone=body.phone, email=body.email, department_id=body.department_id,
                                enterprise_id=body.enterprise_id)


async def edit(ask: Ask) -> Person:
    """Change a person's name and ways to be reached."""
    ask.require(Action.ADMIN_ORGANISATION, HUB)
    body: NewPerson = ask.body
    async with ask.transaction() as tx:
        before = await get_person(tx.conn, ask.path["id"])
        if before is None:
            raise NotFound
        row = msgspec.structs.replace(before, **msgspec.structs.asdict(body))
        await save_person(tx, row, by=ask.who)
    return row


async def appointing(ask: Ask) -> Appointment:
    """Appoint a person to a post."""
    ask.require(Action.ADMIN_APPOINT, HUB)
    body: NewAppointment = ask.body
    async with ask.transaction() as tx:
        policy = (await ask.hub.policies.read(tx.conn)).access
        return await appoint(tx, body.person_id, body.post_id, policy, by=ask.who, until_at=body.until_at, reason=body.reason)


async def releasing(ask: Ask) -> Done:
    """Release a person from a post, now."""
    ask.require(Action.ADMIN_APPOINT, HUB)
    async with ask.transaction() as tx:
        if await release(tx, ask.path["id"], by=ask.who, reason=ask.body.reason) is None:
            raise NotFound
    return Done()


async def moving(ask: Ask) -> Appointment:
    """Move a person to another post: the old rights end as the new ones begin."""
    ask.require(Action.ADMIN_APPOINT, HUB)
    body: MoveBody = ask.body
    async with ask.transaction() as tx:
        if await get_person(tx.conn, ask.path["id"]) is None or await get_post(tx.conn, body.post_id) is None:
            raise NotFound
        policy = (await ask.hub.policies.read(tx.conn)).access
        return await move(tx, ask.path["id"], body.post_id, policy, by=ask.who, reason=body.reason, department_id=body.department_id)


async def leaving(ask: Ask) -> Left:
    """A person leaves: posts, account and sessions end at once."""
    ask.require(Action.ADMIN_ORGANISATION, HUB)
    async with ask.transaction() as tx:
        successors = await leave(tx, ask.path["id"], by=ask.who, reason=ask.body.reason)
        if successors is None:
            raise NotFound
    return Left(successors=dict(successors))


# ── Excel ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

_COLUMNS = {
    "部门": "department", "department": "department", "单位": "department", "姓名": "person", "name": "person", "人员": "person",
    "电话": "phone", "手机": "phone", "手机号": "phone", "手机号码": "phone", "联系电话": "phone", "电话号码": "phone", "phone": "phone", "邮箱": "email",
    "电子邮箱": "email", "email": "email", "岗位": "post", "职务": "post", "post": "post",
    "角色": "role", "role": "role", "范围": "scope", "scope": "scope", "登录名": "login", "账号": "login", "login": "login",
    "企业": "enterprise", "enterprise": "enterprise",
}
_SCOPES = {"本部门": "own", "本部门及下级": "downstream", "全区": "all"}


def read_table(raw: bytes) -> list[ImportRow]:
    """The lines of an organisation table (.xlsx): the first row names the columns, in any order, in Chinese or English.

    A merged cell counts for every line it covers; full-width digits and letters are narrowed. Raises `Rejected` for what is no such table.
    """
    rows = _cells(raw)
    head = [plain(str(cell or "")).lower() for cell in next(iter(rows), [])]
    names = [_COLUMNS.get(cell, "") for cell in head]
    if not {"person", "role"} <= set(names):
        raise Rejected("table_head", "首行须有“姓名”和“角色”列", "the first row needs the columns name and role", field="row 1")
    if len(rows) > MAX_LINES + 1:
        raise Rejected("table_long", f"表格超过 {MAX_LINES} 行", f"the table has more than {MAX_LINES} lines")
    if lost := _lost(head, names, rows[1:]):
        raise Rejected("table_head", f"不认识的列：{'、'.join(lost)}；可用：部门、姓名、电话、邮箱、岗位、角色、范围、登录名、企业",
                       f"unknown columns: {', '.join(lost)}; there are department, name, phone, email, post, role, scope, login, enterprise", field="row 1")
    if faults := [uncounted(str(label), line, name) for line, cells in enumerate(rows[1:], start=2)
                  for label, name, cell in zip(head, names, cells, strict=True) if name and is_uncounted(cell)]:
        raise refusal("table_formula", faults)
    found = []
    for line, cells in enumerate(rows[1:], start=2):
        values = {name: plain(_text(cell)) for name, cell in zip(names, cells, strict=False) if name}
        if any(values.values()):
            values["scope"] = _SCOPES.get(values.get("scope", ""), values.get("scope", ""))
            found.append(ImportRow(line=line, department=values.pop("department", ""), person=values.pop("person", ""), **values))
    return found


def _lost(head: Sequence[str], names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """The columns that nobody knows and that hold something: it would be lost without a word."""
    return [label for label, name, *cells in zip(head, names, *rows, strict=True) if label and not name and label not in COUNTERS and any(map(_text, cells))]


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _cells(raw: bytes) -> list[list[Any]]:
    sheet = open_book(raw, most_rows=MAX_LINES + 2, most_columns=MAX_COLUMNS).worksheets[0]
    return spread(sheet, read_cells(sheet, most_rows=MAX_LINES + 2, most_columns=MAX_COLUMNS))


async def importing(ask: Ask) -> Imported:
    """Import people, posts and appointments from Excel; with one wrong line nothing is stored, and every wrong line is named.

    It gives rights, so it is the security administrator's act.
    """
    ask.require(Action.ADMIN_APPOINT, HUB)
    rows = await asyncio.to_thread(read_table, ask.body)
    ask.look_over(rows)
    async with ask.store.read() as conn:
        departments = {row.id: row for row in await list_departments(conn)}
        policy = (await ask.hub.policies.read(conn)).access
    planned, errors = plan_import(rows, departments, policy)
    if errors or not ask.query.store:
        return Imported(lines=len(rows), errors=list(errors), stored=False, added=0)
    async with ask.transaction() as tx:
        added = await import_people(tx, planned, policy, by=ask.who)
    return Imported(lines=len(rows), errors=[], stored=True, added=len(added))


async def classified(ask: Ask) -> Hits:
    """Look the texts of a form over for what must not be entered on this network."""
    ask.require(Action.ORGANISATION_READ, HUB)
    return Hits(items=list(packaged_guard().look(ask.body.texts)))


ROUTES = [
    Route("GET", "/api/v1/organisation", organisation, Action.ORGANISATION_READ, returns=Organisation, zh="组织机构", en="the organisation"),
    Route("PUT", "/api/v1/departments/{id}", put_department, Action.ADMIN_ORGANISATION, body=Department, returns=Department, zh="维护部门",
          en="add or change a department"),
    Route("PUT", "/api/v1/posts/{id}", put_post, Action.ADMIN_APPOINT, body=Post, returns=Post, zh="维护岗位", en="add or change a post"),
    Route("GET", "/api/v1/people", people, Action.PEOPLE_READ, query=PeopleQuery, returns=People, zh="人员", en="people"),
    Route("POST", "/api/v1/people", add, Action.ADMIN_ORGANISATION, body=NewPerson, returns=Person, zh="新增人员", en="add a person"),
    Route("GET", "/api/v1/people/{id}", person, Action.PEOPLE_READ, returns=PersonWhole, zh="人员详情", en="one person"),
    Route("PUT", "/api/v1/people/{id}", edit, Action.ADMIN_ORGANISATION, body=NewPerson, returns=Person, zh="修改人员", en="change a person"),
    Route("POST", "/api/v1/people/{id}/leave", leaving, Action.ADMIN_ORGANISATION, body=ReasonBody, returns=Left, zh="人员离职",
          en="a person leaves"),
    Route("POST", "/api/v1/people/{id}/move", moving, Action.ADMIN_APPOINT, body=MoveBody, returns=Appointment, zh="人员调岗",
          en="move a person to another post"),
    Route("POST", "/api/v1/appointments", appointing, Action.ADMIN_APPOINT, body=NewAppointment, returns=Appointment, zh="任命",
          en="appoint a person"),
    Route("POST", "/api/v1/appointments/{id}/release", releasing, Action.ADMIN_APPOINT, body=ReasonBody, returns=Done, zh="免职",
          en="release a person from a post"),
    Route("POST", "/api/v1/organisation/import", importing, Action.ADMIN_APPOINT, body=bytes, query=ImportQuery, returns=Imported,
          limit_bytes=MAX_TABLE_BYTES, zh="导入组织机构（Excel）", en="import the organisation from Excel"),
    Route("POST", "/api/v1/classified", classified, Action.ORGANISATION_READ, body=Texts, returns=Hits, looked_over=False, zh="涉密检查",
          en="look texts over for classified content"),
]

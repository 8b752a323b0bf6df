"""The organisation in the store: departments, posts, people, appointments; moving and leaving take effect with the commit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import parse_utc, utc_text
from hub.domain.access import Actor, ActorKind, Policy, Role, Scope
from hub.domain.access import Post as HeldPost
from hub.domain.organisation import (
    Appointment,
    AppointmentSaved,
    Department,
    DepartmentKind,
    DepartmentSaved,
    Person,
    PersonLeft,
    PersonSaved,
    Planned,
    Post,
    PostSaved,
    check_appointment,
    check_department,
    check_post,
    held,
    packaged_departments,
    reach_of,
    successor,
)
from hub.errors import Rejected
from hub.ids import new_id
from hub.store.schema_people import account, appointment, department, person, post, session
from hub.store.writer import Transaction


def _department(row: Any) -> Department:
    return Department(id=row.id, kind=DepartmentKind(row.kind), zh=row.zh, en=row.en, parent_id=row.parent_id, adcode=row.adcode,
                      active=bool(row.active))


def _post(row: Any) -> Post:
    return Post(id=row.id, role=Role(row.role), scope=Scope(row.scope), zh=row.zh, en=row.en, department_id=row.department_id,
                enterprise_id=row.enterprise_id, substitute_id=row.substitute_id, active=bool(row.active))


def _person(row: Any) -> Person:
    return Person(id=row.id, name=row.name, phone=row.phone, email=row.email, department_id=row.department_id,
                  enterprise_id=row.enterprise_id, left_at=parse_utc(row.left_at) if row.left_at else None)


def _appointment(row: Any) -> Appointment:
    return Appointment(
        id=row.id, person_id=row.person_id, post_id=row.post_id, from_at=parse_utc(row.from_at),
        until_at=parse_utc(row.until_at) if row.until_at else None, reason=row.reason,
        ended_at=parse_utc(row.ended_at) if row.ended_at else None,
    )


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def list_departments(conn: AsyncConnection) -> list[Department]:
    """Every department, by id."""
    return [_department(row) for row in (await conn.execute(select(department).order_by(department.c.id))).all()]


async def towns_by_adcode(conn: AsyncConnection) -> dict[str, str]:
    """Nine-digit code → department, for the sharing policy's `@town`."""
    rows = await conn.execute(select(department.c.adcode, department.c.id).where(department.c.adcode.is_not(None), department.c.active))
    return {row.adcode: row.id for row in rows.all()}


async def list_posts(conn: AsyncConnection, *, department_id: str | None = None) -> list[Post]:
    """Posts, by id."""
    query = select(post).order_by(post.c.id)
    return [_post(row) for row in (await conn.execute(query if department_id is None else query.where(
        post.c.department_id == department_id))).all()]


async def list_people(conn: AsyncConnection, *, where: Any = None, after: str = "", limit: int = 500) -> list[Person]:
    """People by id, from `after` on; `where` is the access condition on `person`."""
    query = select(person).where(person.c.id > after).order_by(person.c.id).limit(limit)
    return [_person(row) for row in (await conn.execute(query if where is None else query.where(where))).all()]


async def get_person(conn: AsyncConnection, id: str) -> Person | None:
    """One person, or None."""
    row = (await conn.execute(select(person).where(person.c.id == id))).first()
    return _person(row) if row else None


async def people_by_id(conn: AsyncConnection, ids: Collection[str]) -> dict[str, Person]:
    """The people of these ids that there are, by id, in one query."""
    if not ids:
        return {}
    rows = await conn.execute(select(person).where(person.c.id.in_(sorted(ids))))
    return {row.id: _person(row) for row in rows.all()}


async def get_post(conn: AsyncConnection, id: str) -> Post | None:
    """One post, or None."""
    row = (await conn.execute(select(post).where(post.c.id == id))).first()
    return _post(row) if row else None


async def appointments_of(conn: AsyncConnection, *, person_id: str | None = None, post_id: str | None = None) -> list[Appointment]:
    """The appointments of a person or a post, past ones too, oldest first."""
    query = select(appointment).order_by(appointment.c.from_at, appointment.c.id)
    if person_id is not None:
        query = query.where(appointment.c.person_id == person_id)
    if post_id is not None:
        query = query.where(appointment.c.post_id == post_id)
    return [_appointment(row) for row in (await conn.execute(query)).all()]


def _current(at: str) -> Any:
    return and_(appointment.c.ended_at.is_(None), appointment.c.from_at <= at, or_(appointment.c.until_at.is_(None), appointment.c.until_at > at))


async def held_posts(conn: AsyncConnection, person_id: str, now: datetime) -> tuple[HeldPost, ...]:
    """The posts that a person holds at `now`, as `may` takes them."""
    rows = (await conn.execute(
        select(post, appointment.c.id.label("appointment_id"), appointment.c.from_at, appointment.c.until_at)
        .join(appointment, appointment.c.post_id == post.c.id)
        .where(appointment.c.person_id == person_id, post.c.active, _current(utc_text(now))).order_by(appointment.c.from_at, appointment.c.id)
    )).all()
    reach = reach_of(await list_departments(conn)) if any(row.scope == Scope.DOWNSTREAM for row in rows) else {}
    return tuple(
        held(_post(row), Appointment(id=row.appointment_id, person_id=person_id, post_id=row.id, from_at=parse_utc(row.from_at),
                                     until_at=parse_utc(row.until_at) if row.until_at else None), reach)
        for row in rows
    )


async def actor_of_person(conn: AsyncConnection, policy: Policy, person_id: str, now: datetime, *, second_factor: bool = False) -> Actor | None:
    """The person as an actor, with the posts held at `now`; None for nobody, or somebody who has left."""
    found = await get_person(conn, person_id)
    if found is None or found.left_at is not None:
        return None
    return policy.actor(ActorKind.PERSON, person_id, await held_posts(conn, person_id, now), name=found.name, second_factor=second_factor)


async def holders(conn: AsyncConnection, now: datetime, post_ids: Iterable[str] | None = None) -> dict[str, list[Person]]:
    """Who holds which post at `now`; posts nobody holds are left out."""
    query = (select(person, appointment.c.post_id).join(appointment, appointment.c.person_id == person.c.id)
             .where(_current(utc_text(now)), person.c.left_at.is_(None)).order_by(appointment.c.from_at))
    if post_ids is not None:
        query = query.where(appointment.c.post_id.in_(list(post_ids)))
    found: dict[str, list[Person]] = {}
    for row in (await conn.execute(query)).all():
        found.setdefault(row.post_id, []).append(_person(row))
    return found


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def seed_departments(tx: Transaction, departments: Iterable[Department] | None = None, *, by: str = "system:setup") -> int:
    """Put the shipped departments in where there is none at all; gives how many. Of processes that start together one does."""
    await tx.alone("departments")
    if (await tx.conn.execute(select(func.count()).select_from(department))).scalar_one():
        return 0
    rows = packaged_departments() if departments is None else tuple(departments)
    await tx.conn.execute(insert(department), [_columns(row) for row in rows])
    for row in rows:
        tx.record(DepartmentSaved(department=row), actor=by, subject=f"department:{row.id}", department_id=row.id)
    return len(rows)


def _columns(row: Department) -> dict[str, Any]:
    return {"id": row.id, "kind": row.kind, "parent_id": row.parent_id, "adcode": row.adcode, "zh": row.zh, "en": row.en,
            "active": row.active}


async def save_department(tx: Transaction, row: Department, *, by: str) -> None:
    """Add or change a department. Raises `Rejected` for an unknown parent or a circle."""
    others = {other.id: other for other in await list_departments(tx.conn) if other.id != row.id}
    check_department(row, others)
    done = await tx.conn.execute(update(department).where(department.c.id == row.id).values(**_columns(row)))
    if not done.rowcount:
        await tx.conn.execute(insert(department).values(**_columns(row)))
    tx.record(DepartmentSaved(department=row), actor=by, subject=f"department:{row.id}", department_id=row.id)


async def save_post(tx: Transaction, row: Post, policy: Policy, *, by: str) -> None:
    """Add or change a post. Raises `Rejected` where its role, scope or department does not hold together."""
    check_post(row, policy)
    if row.department_id is not None:
        await _known_department(tx, row.department_id)
    values = {"role": row.role, "scope": row.scope, "zh": row.zh, "en": row.en, "department_id": row.department_id,
              "enterprise_id": row.enterprise_id, "substitute_id": row.substitute_id, "active": row.active}
    done = await tx.conn.execute(update(post).where(post.c.id == row.id).values(**values))
    if not done.rowcount:
        await tx.conn.execute(insert(post).values(id=row.id, **values))
    tx.record(PostSaved(post=row), actor=by, subject=f"post:{row.id}", department_id=row.department_id)


async def _known_department(tx: Transaction, id: str) -> None:
    if (await tx.conn.execute(select(department.c.id).where(department.c.id == id, department.c.active))).first() is None:
        raise Rejected("unknown_department", f"没有部门 {id}", f"there is no department {id}", field="department_id")


async def save_person(tx: Transaction, row: Person, *, by: str) -> None:
    """Add or change a person's name, ways to be reached and home department."""
    if row.department_id is not None:
        await _known_department(tx, row.department_id)
    values = {"name": row.name, "phone": row.phone, "email": row.email, "department_id": row.department_id,
              "enterprise_id": row.enterprise_id}
    done = await tx.conn.execute(update(person).where(person.c.id == row.id).values(**values))
    if not done.rowcount:
        await tx.conn.execute(insert(person).values(id=row.id, left_at=None, **values))
    tx.record(PersonSaved(person=row), actor=by, subject=f"person:{row.id}", department_id=row.department_id)


async def add_person(
    tx: Transaction, name: str, *, by: str, phone: str = "", email: str = "", department_id: str | None = None,
    enterprise_id: str | None = None,
) -> Person:
    """A new person with a new id."""
    row = Person(id=new_id(), name=name, phone=phone, email=email, department_id=department_id, enterprise_id=enterprise_id)
    await save_person(tx, row, by=by)
    return row


async def appoint(
    tx: Transaction, person_id: str, post_id: str, policy: Policy, *, by: str, from_at: datetime | None = None,
    until_at: datetime | None = None, reason: str = "",
) -> Appointment:
    """Appoint a person to a post. Raises `Rejected`: unknown, left, closed, or an administrator's post beside any other."""
    who, what = await get_person(tx.conn, person_id), await get_post(tx.conn, post_id)
    if who is None:
        raise Rejected("unknown_person", "没有此人", "there is no such person", field="person_id")
    if what is None:
        raise Rejected("unknown_post", f"没有岗位 {post_id}", f"there is no post {post_id}", field="post_id")
    roles = (await tx.conn.execute(
        select(post.c.role).join(appointment, appointment.c.post_id == post.c.id)
        .where(appointment.c.person_id == person_id, appointment.c.ended_at.is_(None),
               or_(appointment.c.until_at.is_(None), appointment.c.until_at > tx.at)))).scalars()
    check_appointment(who, what, [Role(role) for role in roles], tx.now, until_at)
    row = Appointment(id=new_id(), person_id=person_id, post_id=post_id, from_at=from_at or tx.now, until_at=until_at, reason=reason)
    await tx.conn.execute(insert(appointment).values(
        id=row.id, person_id=person_id, post_id=post_id, from_at=utc_text(row.from_at), until_at=utc_text(until_at) if until_at else None,
        reason=reason, ended_at=None))
    tx.record(AppointmentSaved(appointment=row, act="appointed"), actor=by, subject=f"appointment:{row.id}", department_id=what.department_id)
    return row


async def release(tx: Transaction, appointment_id: str, *, by: str, reason: str) -> Appointment | None:
    """End an appointment now: its rights are gone with the commit. None where it had ended already.

    Duties belong to the post: where nobody holds it any more, the change names the substitute post that takes them over.
    """
    if not await _end(tx, appointment.c.id == appointment_id):
        return None
    row = _appointment((await tx.conn.execute(select(appointment).where(appointment.c.id == appointment_id))).one())
    what = await get_post(tx.conn, row.post_id)
    assert what is not None
    tx.record(AppointmentSaved(appointment=row, act="released", successor_id=(await _successors(tx, [row.post_id]))[row.post_id]),
              actor=by, subject=f"appointment:{row.id}", department_id=what.department_id)
    return row


async def _end(tx: Transaction, which: Any) -> int:
    done = await tx.conn.execute(update(appointment).where(which, appointment.c.ended_at.is_(None)).values(ended_at=tx.at))
    return int(done.rowcount)


async def _successors(tx: Transaction, post_ids: Iterable[str]) -> dict[str, str | None]:
    posts = {row.id: row for row in await list_posts(tx.conn)}
    held_by = {id: len(people) for id, people in (await holders(tx.conn, tx.now)).items()}
    return {id: successor(posts[id], posts, held_by) for id in post_ids}


async def move(
    tx: Transaction, person_id: str, to_post_id: str, policy: Policy, *, by: str, reason: str, department_id: str | None = None,
) -> Appointment:
    """Move a person: every post held ends, the new one begins, all in this transaction, and the sessions' rights change with it."""
    for row in await appointments_of(tx.conn, person_id=person_id):
        if row.holds_at(tx.now):
            await release(tx, row.id, by=by, reason=reason)
    who = await get_person(tx.conn, person_id)
    new = await appoint(tx, person_id, to_post_id, policy, by=by, reason=reason)
    if who is not None and department_id is not None and department_id != who.department_id:
        await save_person(tx, Person(id=who.id, name=who.name, phone=who.phone, email=who.email, department_id=department_id,
                                     enterprise_id=who.enterprise_id), by=by)
    return new


async def leave(tx: Transaction, person_id: str, *, by: str, reason: str) -> Mapping[str, str | None] | None:
    """A person leaves: posts, accounts and sessions end with the commit. Gives, for each post held, the post that takes its duties over.

    None where the person had left already or never was.
    """
    done = await tx.conn.execute(update(person).where(person.c.id == person_id, person.c.left_at.is_(None)).values(left_at=tx.at))
    if done.rowcount != 1:
        return None
    posts = [row.post_id for row in await appointments_of(tx.conn, person_id=person_id) if row.holds_at(tx.now)]
    await _end(tx, appointment.c.person_id == person_id)
    await tx.conn.execute(update(account).where(account.c.person_id == person_id, account.c.disabled_at.is_(None)).values(disabled_at=tx.at))
    await tx.conn.execute(update(session).where(session.c.person_id == person_id, session.c.ended_at.is_(None)).values(
        ended_at=tx.at, ended_reason="left"))
    who = await get_person(tx.conn, person_id)
    assert who is not None
    successors = await _successors(tx, posts)
    tx.record(PersonLeft(person=who, successors=successors, reason=reason), actor=by, subject=f"person:{person_id}",
              department_id=who.department_id)
    return successors


async def import_people(tx: Transaction, planned: Iterable[Planned], policy: Policy, *, by: str) -> tuple[Person, ...]:
    """Store what `hub.domain.organisation.plan_import` found without an error; a person in several lines gets several posts.

    A line that is in the store already (same department, name and post) adds nothing: importing a table twice changes nothing.
    """
    people: dict[tuple[str | None, str | None, str], Person] = {}
    added: list[Person] = []
    for row in planned:
        key = (row.department_id, row.enterprise_id, row.name)
        if key not in people:
            people[key], new = await _same_person(tx, row, by)
            if new:
                added.append(people[key])
        post_id = await _same_post(tx, row, policy, by)
        if not any(a.post_id == post_id and a.ended_at is None for a in await appointments_of(tx.conn, person_id=people[key].id)):
            await appoint(tx, people[key].id, post_id, policy, by=by, reason="import")
    return tuple(added)


async def _same_person(tx: Transaction, row: Planned, by: str) -> tuple[Person, bool]:
    same = [person.c.name == row.name, person.c.left_at.is_(None), person.c.department_id == row.department_id
            if row.department_id else person.c.enterprise_id == row.enterprise_id]
    found = (await tx.conn.execute(select(person).where(*same))).first()
    if found is not None:
        return _person(found), False
    return await add_person(tx, row.name, by=by, phone=row.phone, email=row.email, department_id=row.department_id,
                            enterprise_id=row.enterprise_id), True


async def _same_post(tx: Transaction, row: Planned, policy: Policy, by: str) -> str:
    where = [post.c.zh == row.post_zh, post.c.role == row.role, post.c.scope == row.scope, post.c.active]
    where.append(post.c.department_id == row.department_id if row.department_id else post.c.enterprise_id == row.enterprise_id)
    found = (await tx.conn.execute(select(post.c.id).where(*where))).scalar()
    if found is not None:
        return str(found)
    id = f"{str(row.role).replace('_', '-')}-{new_id()[-12:]}"
    await save_post(tx, Post(id=id, role=row.role, scope=row.scope, zh=row.post_zh, en=policy.document.roles[row.role].en,
                             department_id=row.department_id, enterprise_id=row.enterprise_id), policy, by=by)
    return id

"""Departments, posts, people and their appointments; what moving and leaving mean. Pure.

An account signs in a person; what the person may do comes from the posts held at that moment and from nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct

from hub.domain.access import ADMINISTRATORS, MACHINES, Policy, Role, Scope
from hub.domain.access import Post as HeldPost
from hub.domain.change import ChangeBody, change
from hub.domain.data import packaged
from hub.errors import Rejected
from hub.ids import SLUG, exactly

Name = Annotated[str, Meta(min_length=1, max_length=120)]
Slug = Annotated[str, Meta(pattern=exactly(SLUG.pattern))]


class DepartmentKind(StrEnum):
    """What a department is."""

    DESK = "desk"
    DEPARTMENT = "department"
    TOWN = "town"
    ZONE = "zone"
    COMPANY = "company"


class Department(Struct, frozen=True, kw_only=True):
    """A department, town, zone or utility; `parent_id` makes the tree that the scope `downstream` follows."""

    id: Slug
    kind: DepartmentKind
    zh: Name
    en: Name
    parent_id: str | None = None
    adcode: str | None = None
    active: bool = True


class Post(Struct, frozen=True, kw_only=True):
    """A post (岗位): the role, scope and department that whoever holds it acts with; `substitute_id` is the post that takes its duties over."""

    id: Slug
    role: Role
    scope: Scope
    zh: Name
    en: Name
    department_id: str | None = None
    enterprise_id: str | None = None
    substitute_id: str | None = None
    active: bool = True


class Person(Struct, frozen=True, kw_only=True):
    """A person. Telephone and mail are personal data: masked below assist."""

    id: str
    name: Name
    phone: Annotated[str, Meta(max_length=40)] = ""
    email: Annotated[str, Meta(max_length=200)] = ""
    department_id: str | None = None
    enterprise_id: str | None = None
    left_at: datetime | None = None


class Appointment(Struct, frozen=True, kw_only=True):
    """A person holds a post from when until when (None: open)."""

    id: str
    person_id: str
    post_id: str
    from_at: datetime
    until_at: datetime | None = None
    reason: str = ""
    ended_at: datetime | None = None

    def holds_at(self, now: datetime) -> bool:
        """Is the post held at `now`?"""
        return self.from_at <= now and (self.until_at is None or now < self.until_at) and self.ended_at is None


class Account(Struct, frozen=True, kw_only=True):
    """An account as people may see it: no secret is part of it."""

    id: str
    person_id: str
    login: str
    has_password: bool
    has_second_factor: bool
    external: bool
    disabled: bool
    created_at: datetime


class Session(Struct, frozen=True, kw_only=True):
    """A signed-in session. `id` is public; the cookie's secret is stored as a hash only."""

    id: str
    account_id: str
    person_id: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    client: str
    second_factor: bool
    method: str
    ended_at: datetime | None = None
    ended_reason: str = ""


@change("department.saved", zh="部门变更", en="a department was added or changed")
class DepartmentSaved(ChangeBody, frozen=True, kw_only=True):
    """The department, whole."""

    department: Department


@change("post.saved", zh="岗位变更", en="a post was added or changed")
class PostSaved(ChangeBody, frozen=True, kw_only=True):
    """The post, whole."""

    post: Post


@change("person.saved", zh="人员变更", en="a person was added or changed")
class PersonSaved(ChangeBody, frozen=True, kw_only=True):
    """The person, whole."""

    person: Person


@change("person.left", zh="人员离职", en="a person left; every post and session ended")
class PersonLeft(ChangeBody, frozen=True, kw_only=True):
    """The person, and the posts that it held with the post that takes over each one's duties."""

    person: Person
    successors: dict[str, str | None]
    reason: str


@change("appointment.saved", zh="任免", en="a person was appointed to a post or released from it")
class AppointmentSaved(ChangeBody, frozen=True, kw_only=True):
    """The appointment, whole; `successor_id` is the post that takes open duties over where it ended and nobody else holds the post."""

    appointment: Appointment
    act: str
    successor_id: str | None = None


@change("account.saved", zh="账号变更", en="an account was opened, closed, or its secrets changed")
class AccountSaved(ChangeBody, frozen=True, kw_only=True):
    """The account without its secrets, and what was done."""

    account: Account
    act: str


@change("session.opened", zh="登录", en="somebody signed in")
class SessionOpened(ChangeBody, frozen=True, kw_only=True):
    """The session."""

    session: Session


@change("session.ended", zh="会话结束", en="a session ended")
class SessionEnded(ChangeBody, frozen=True, kw_only=True):
    """The session with the reason it ended."""

    session: Session


@change("account.refused", zh="登录被拒", en="a sign-in was refused")
class SignInRefused(ChangeBody, frozen=True, kw_only=True):
    """For which login (as typed, at most 64 characters), from where, why."""

    login: str
    address: str
    reason: str


# ── rules ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def reach_of(departments: Iterable[Department]) -> Mapping[str, frozenset[str]]:
    """For every department, itself and all those below it. A circle in the tree is cut (and refused by `check_department`)."""
    children: dict[str, list[str]] = {}
    every = list(departments)
    for department in every:
        if department.parent_id is not None:
            children.setdefault(department.parent_id, []).append(department.id)
    found: dict[str, frozenset[str]] = {}
    for department in every:
        reached: set[str] = set()
        waiting = [department.id]
        while waiting:
            id = waiting.pop()
            if id not in reached:
                reached.add(id)
                waiting += children.get(id, ())
        found[department.id] = frozenset(reached)
    return found


def held(post: Post, appointment: Appointment | None, reach: Mapping[str, frozenset[str]]) -> HeldPost:
    """The post as `may` takes it."""
    own = frozenset({post.department_id} if post.department_id else ())
    return HeldPost(
        id=post.id, role=post.role, scope=post.scope, department_id=post.department_id, enterprise_id=post.enterprise_id,
        reach=reach.get(post.department_id or "", own) if post.scope is Scope.DOWNSTREAM else own,
        from_at=appointment.from_at if appointment else None, until_at=appointment.until_at if appointment else None,
    )


def check_department(department: Department, others: Mapping[str, Department]) -> None:
    """Refuse an unknown parent or a circle."""
    seen = {department.id}
    parent = department.parent_id
    while parent is not None:
        if parent in seen:
            raise Rejected("department_circle", "上级部门成环", "the parents form a circle", field="parent_id")
        if parent not in others:
            raise Rejected("unknown_department", f"没有部门 {parent}", f"there is no department {parent}", field="parent_id")
        seen.add(parent)
        parent = others[parent].parent_id


def check_post(post: Post, policy: Policy) -> None:
    """Refuse a post whose role is a machine's, whose scope the role does not have, or that belongs nowhere."""
    if post.role in MACHINES:
        raise Rejected("role_invalid", "该角色不能由人担任", "this role is not held by people", field="role")
    if post.scope not in policy.document.roles[post.role].scopes:
        raise Rejected("scope_invalid", f"角色不能有范围 {post.scope}", f"this role cannot have the scope {post.scope}", field="scope")
    if post.role is Role.ENTERPRISE_CONTACT and not post.enterprise_id:
        raise Rejected("enterprise_needed", "企业联系人须指定企业", "an enterprise contact needs its enterprise", field="enterprise_id")
    if post.scope is not Scope.ALL and not (post.department_id or post.enterprise_id):
        raise Rejected("department_needed", "岗位须属于一个部门", "the post needs its department", field="department_id")
    if post.substitute_id == post.id:
        raise Rejected("substitute_self", "岗位不能由自己代理", "a post cannot be its own substitute", field="substitute_id")


def check_appointment(person: Person, post: Post, held_roles: Iterable[Role], now: datetime, until_at: datetime | None) -> None:
    """Refuse an appointment that joins an administrator's role with any other, of someone who has left, or that ends before it begins.

    等保: the three administrators are three people, and none of them does the work of emergencies.
    """
    if person.left_at is not None:
        raise Rejected("person_left", "此人已离职", "this person has left", field="person_id")
    if not post.active:
        raise Rejected("post_closed", "岗位已撤销", "this post is closed", field="post_id")
    if until_at is not None and until_at <= now:
        raise Rejected("until_invalid", "任期须在将来结束", "the appointment must end in the future", field="until_at")
    roles = {*held_roles, post.role}
    if len(roles) > 1 and roles & ADMINISTRATORS:
        raise Rejected("roles_conflict", "三员分立：管理员不得兼任其他角色", "an administrator may hold no other role", field="post_id")


def successor(post: Post, posts: Mapping[str, Post], holders: Mapping[str, int]) -> str | None:
    """The post that takes over the open duties of `post` when nobody holds it any more: the first substitute in the row that is held.

    None where the post is still held by somebody (the duty stays with the post) or no substitute has a holder.
    """
    if holders.get(post.id, 0) > 0:
        return None
    seen = {post.id}
    following = post.substitute_id
    while following is not None and following not in seen and following in posts:
        if posts[following].active and holders.get(following, 0) > 0:
            return following
        seen.add(following)
        following = posts[following].substitute_id
    return None


# ── import from a table ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class ImportRow(Struct, frozen=True, kw_only=True):
    """One line of the organisation table, as read: the cells as text, full-width digits already narrowed."""

    line: int
    department: str
    person: str
    phone: str = ""
    email: str = ""
    post: str = ""
    role: str = ""
    scope: str = ""
    login: str = ""
    enterprise: str = ""


class LineError(Struct, frozen=True, kw_only=True):
    """What is wrong with a line, and in which column."""

    line: int
    column: str
    zh: str
    en: str


class Planned(Struct, frozen=True, kw_only=True):
    """One person with one post, as a line asks for it."""

    line: int
    department_id: str | None
    enterprise_id: str | None
    name: str
    phone: str
    email: str
    post_zh: str
    role: Role
    scope: Scope
    login: str


_PHONE = re.compile(r"\+?[0-9][0-9 -]{4,19}")
_LOGIN = re.compile(r"[a-z][a-z0-9._-]{1,39}")


def plan_import(
    rows: Sequence[ImportRow], departments: Mapping[str, Department], policy: Policy,
) -> tuple[tuple[Planned, ...], tuple[LineError, ...]]:
    """What the lines ask for, and what is wrong with each: nothing is stored where there is any error.

    Departments are named by id or Chinese name, roles by id or Chinese name. A login may stand on one person only.
    """
    by_name = {**{d.zh: d for d in departments.values()}, **departments}
    roles = {**{row.zh: role for role, row in policy.document.roles.items()}, **{str(role): role for role in Role}}
    planned: list[Planned] = []
    errors: list[LineError] = []
    logins: dict[str, str] = {}
    for row in rows:
        wrong = _row_errors(row, by_name, roles, policy, logins)
        errors += wrong
        if not wrong:
            role = roles[row.role]
            department = by_name.get(row.department)
            planned.append(Planned(
                line=row.line, department_id=department.id if department else None, enterprise_id=row.enterprise or None, name=row.person,
                phone=row.phone, email=row.email, post_zh=row.post or policy.document.roles[role].zh, role=role,
                scope=Scope(row.scope) if row.scope else policy.document.roles[role].scopes[0], login=row.login,
            ))
    return tuple(planned), tuple(errors)


def _row_errors(
    row: ImportRow, departments: Mapping[str, Department], roles: Mapping[str, Role], policy: Policy, logins: dict[str, str],
) -> list[LineError]:
    wrong: list[LineError] = []

    def note(column: str, zh: str, en: str) -> None:
        wrong.append(LineError(line=row.line, column=column, zh=zh, en=en))

    if not row.person:
        note("person", "姓名为空", "the name is empty")
    if not (row.department or row.enterprise):
        note("department", "部门为空", "the department is empty")
    elif row.department and row.department not in departments:
        note("department", f"没有部门：{row.department}", f"no such department: {row.department}")
    if row.phone and not _PHONE.fullmatch(row.phone):
        note("phone", f"电话有误：{row.phone}", f"not a telephone number: {row.phone}")
    if row.email and ("@" not in row.email or " " in row.email):
        note("email", f"邮箱有误：{row.email}", f"not a mail address: {row.email}")
    role = roles.get(row.role)
    if role is None or role in MACHINES:
        note("role", f"没有角色：{row.role or '（空）'}", f"no such role: {row.role or '(empty)'}")
    elif row.scope and row.scope not in {str(scope) for scope in policy.document.roles[role].scopes}:
        note("scope", f"该角色不能有范围：{row.scope}", f"this role cannot have the scope {row.scope}")
    if role is Role.ENTERPRISE_CONTACT and not row.enterprise:
        note("enterprise", "企业联系人须填企业", "an enterprise contact needs its enterprise")
    if row.login:
        if not _LOGIN.fullmatch(row.login):
            note("login", f"登录名有误：{row.login}", f"not a login: {row.login}")
        elif logins.setdefault(row.login, row.person) != row.person:
            note("login", f"登录名重复：{row.login}", f"the login is on two people: {row.login}")
    return wrong


# ── what the product ships ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def packaged_departments() -> tuple[Department, ...]:
    """The departments and towns that the product ships."""
    return tuple(_department(row) for row in packaged("departments")["departments"])


def _department(row: Mapping[str, Any]) -> Department:
    return Department(id=row["id"], kind=DepartmentKind(row["kind"]), zh=row["zh"], en=row["en"], parent_id=row.get("parent"),
                      adcode=row.get("adcode"))

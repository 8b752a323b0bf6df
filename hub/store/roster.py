"""Posts, shifts, swaps and handovers in the store; and for a tick, whom each duty's ladder can reach at a moment."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Table, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import parse_utc, utc_text
from hub.domain.data import packaged
from hub.domain.duty_rules import DutyRules
from hub.domain.incident import OPEN_STATES
from hub.domain.ladder import Step, Whom
from hub.domain.notice import Fields
from hub.domain.obligation import Evidence, Obligation, Owed, whole_ms
from hub.domain.roster import (
    NOBODY,
    Handover,
    HandoverAcknowledged,
    HandoverRefused,
    HandoverState,
    HandoverWritten,
    On,
    Post,
    PostSaved,
    Shift,
    ShiftSaved,
    Swap,
    SwapSaved,
    SwapState,
    check_shift,
    decide_swap,
    posts_for,
    who_is_on,
)
from hub.errors import Rejected, changed_meanwhile
from hub.ids import is_slug, new_id
from hub.store.bulk import among, fetch, fetch_rows
from hub.store.schema import incident
from hub.store.schema_duty import contact as contact_table
from hub.store.schema_duty import duty_post, handover, shift, shift_swap
from hub.store.schema_people import appointment
from hub.store.schema_people import person as person_table
from hub.store.schema_people import post as access_post
from hub.store.writer import Transaction

REFUSAL_AGE = timedelta(hours=12)
"""How long the word of a refused handover is of use: a shift (our own choice)."""

LONGEST_SHIFT = timedelta(hours=36)
"""No shift is longer (`hub.domain.roster.check_shift`), so that one on now began within it."""
DISTRICT_ROLES = (Whom.COMMAND_CENTRE.value, Whom.DISTRICT_LEADER.value)
WHOM = tuple(Whom)
_MANY = 500
POST_DEPARTMENT = duty_post.c.department_id
"""The column that access to what belongs to posts is decided by."""


class Address(NamedTuple):
    """A contact as a tick needs it: with its real address."""

    id: str
    post_id: str | None
    person_id: str | None
    address: str
    language: str
    urgent_only: bool
    quiet: tuple[str, str] | None
    unreachable: bool


class Target(NamedTuple):
    """One post that a step reaches: who is on it, the addresses to use, and the department's agents."""

    post: Post
    persons: tuple[str, ...]
    addresses: tuple[Address, ...]
    agents: tuple[str, ...]


class Told(NamedTuple):
    """Whom one step reaches: its targets, the ids of their posts, and who is on them, each once."""

    targets: tuple[Target, ...]
    posts: tuple[str, ...]
    persons: tuple[str, ...]


UNTOLD = Told((), (), ())


class Reach:
    """Whom ladders can reach at one moment: posts, who is on them, their contacts. Loaded once for a batch of duties."""

    def __init__(
        self, posts: Sequence[Post], on: dict[str, On], by_post: dict[str, list[Address]], by_person: dict[str, list[Address]],
        agents: dict[str, tuple[str, ...]],
    ) -> None:
        self.posts = {post.id: post for post in posts}
        self._departments: dict[str, list[Post]] = {}
        self._district = [post for post in posts if post.role in DISTRICT_ROLES]
        for post in posts:
            self._departments.setdefault(post.department_id, []).append(post)
        self._on, self._by_post, self._by_person, self._agents = on, by_post, by_person, agents
        self._known: dict[tuple[str, str], frozenset[Whom]] = {}
        self._told: dict[tuple[str, str, tuple[Whom, ...], bool], Told] = {}

    def _candidates(self, department_id: str) -> list[Post]:
        own = self._departments.get(department_id, [])
        return [*own, *(post for post in self._district if post.department_id != department_id)]

    def _has_somebody(self, post: Post) -> bool:
        return bool(self._on.get(post.id, NOBODY).persons or self._by_post.get(post.id))

    def whom(self, department_id: str, post_id: str) -> frozenset[Whom]:
        """Whom the ladder of a duty of this department and post can reach."""
        key = (department_id, post_id)
        if key not in self._known:
            owner, held = self.posts.get(post_id), [p for p in self._candidates(department_id) if self._has_somebody(p)]
            alive = owner if owner is not None and self._has_somebody(owner) else None
            self._known[key] = frozenset(whom for whom in WHOM if posts_for(whom, alive, department_id, held))
        return self._known[key]

    def told(self, o: Obligation, step: Step) -> Told:
        """Whom a step of a duty reaches, each post once; posts with nobody in them are left out."""
        key = (o.department_id, o.post_id, step.whom, o.urgent or step.urgent)
        if key not in self._told:
            owner, posts = self.posts.get(o.post_id), self._candidates(o.department_id)
            chosen = {p.id: p for whom in step.whom for p in posts_for(whom, owner, o.department_id, posts) if self._has_somebody(p)}
            targets = tuple(self.target(p, urgent=o.urgent or step.urgent) for p in chosen.values())
            self._told[key] = Told(targets, tuple(chosen), tuple(dict.fromkeys(person for t in targets for person in t.persons)))
        return self._told[key]

    def target(self, post: Post, *, urgent: bool) -> Target:
        """A post with who is on it and its addresses; a contact known to be unreachable is used only where there is no other."""
        persons = self._on.get(post.id, NOBODY).persons
        every = [*self._by_post.get(post.id, ()), *(a for person in persons for a in self._by_person.get(person, ()))]
        wanted = [a for a in every if urgent or not a.urgent_only]
        alive = [a for a in wanted if not a.unreachable]
        return Target(post, persons, tuple(alive or wanted), self._agents.get(post.department_id, ()))


async def load_reach(conn: AsyncConnection, *, departments: Collection[str], posts: Collection[str], now: datetime) -> Reach:
    """Load the posts of these departments, these posts and those of the district, who is on them at `now`, and their contacts."""
    found = await with_standing(conn, await _posts(conn, departments, posts), now)
    ids = [post.id for post in found]
    shifts = await _shifts_on(conn, ids, now)
    on = {post.id: who_is_on(post, shifts.get(post.id, ()), now) for post in found}
    persons = {person for each in on.values() for person in each.persons}
    addresses = await _addresses(conn, ids, persons)
    by_post: dict[str, list[Address]] = {}
    by_person: dict[str, list[Address]] = {}
    for address in addresses:
        if address.post_id:
            by_post.setdefault(address.post_id, []).append(address)
        if address.person_id:
            by_person.setdefault(address.person_id, []).append(address)
    agents = await _agents(conn, {post.department_id for post in found})
    return Reach(found, on, by_post, by_person, agents)


def _one_of(column: Any, values: Collection[str]) -> Any:
    """`column IN values`; where there are very many, every row is asked for instead: cheaper than the statement."""
    return column.in_(sorted(values)) if len(values) <= _MANY else column.is_not(None)


async def _posts(conn: AsyncConnection, departments: Collection[str], posts: Collection[str]) -> list[Post]:
    values: list[Any] = []
    wanted = [among("department_id", departments, values), among("id", posts, values), among("role", DISTRICT_ROLES, values)]
    return [_post(row) for row in await fetch_rows(conn, duty_post, f"({' OR '.join(wanted)}) AND active ORDER BY id", *values)]


async def with_standing(conn: AsyncConnection, posts: Sequence[Post], now: datetime) -> list[Post]:
    """The posts; those without members of their own have whoever is appointed to the department's posts of the fitting roles (data)."""
    bare = {post.department_id for post in posts if not post.members}
    if not bare:
        return list(posts)
    at, a, p = utc_text(now), appointment.c, access_post.c
    rows = await conn.execute(
        select(a.person_id, p.role, p.department_id).select_from(appointment.join(access_post, a.post_id == p.id))
        .where(p.active, a.from_at <= at, or_(a.until_at.is_(None), a.until_at > at), a.ended_at.is_(None), p.department_id.is_not(None),
               _one_of(p.department_id, bare)).order_by(a.from_at, a.id))
    holders: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        holders.setdefault((row.department_id, row.role), []).append(row.person_id)
    standing = packaged("duty_posts")["standing"]
    return [post if post.members else msgspec.structs.replace(post, members=tuple(dict.fromkeys(
        person for role in standing[post.role.value] for person in holders.get((post.department_id, role), ())))) for post in posts]


async def _shifts_on(conn: AsyncConnection, posts: Collection[str], now: datetime) -> dict[str, list[Shift]]:
    values: list[Any] = [utc_text(now), utc_text(now - LONGEST_SHIFT)]
    found: dict[str, list[Shift]] = {}
    for row in await fetch_rows(conn, shift, f"starts_at <= $1 AND starts_at > $2 AND ends_at > $1 AND {among('post_id', posts, values)}", *values):
        found.setdefault(row.post_id, []).append(_shift(row))
    return found


async def _addresses(conn: AsyncConnection, posts: Collection[str], persons: Collection[str]) -> list[Address]:
    values: list[Any] = []
    wanted = f"({among('post_id', posts, values)} OR {among('person_id', persons, values)})"
    rows = await fetch_rows(conn, contact_table, f"{wanted} AND active ORDER BY id", *values)
    return [
        Address(row.id, row.post_id, row.person_id, row.address, row.language, bool(row.urgent_only),
                (row.quiet_starts, row.quiet_ends) if row.quiet_starts and row.quiet_ends else None, row.state == "unreachable")
        for row in rows
    ]


async def _agents(conn: AsyncConnection, departments: Collection[str]) -> dict[str, tuple[str, ...]]:
    values: list[Any] = []
    ours = among("department_id", departments, values)
    rows = await fetch(conn, "SELECT id, department_id FROM agent WHERE revoked_at IS NULL AND secret_hash IS NOT NULL "  # noqa: S608 places of parameters
                             f"AND {ours} ORDER BY id", *values)
    found: dict[str, tuple[str, ...]] = {}
    for id, department_id in rows:
        found[department_id] = (*found.get(department_id, ()), id)
    return found


def _post(row: Any) -> Post:
    return Post(id=row.id, department_id=row.department_id, role=Whom(row.role), zh=row.zh, en=row.en,
                members=msgspec.json.decode(row.members, type=tuple[str, ...]), active=bool(row.active), version=row.version)


def _shift(row: Any) -> Shift:
    return Shift(id=row.id, post_id=row.post_id, person_id=row.person_id, substitute_id=row.substitute_id, version=row.version,
                 starts_at=parse_utc(row.starts_at), ends_at=parse_utc(row.ends_at), cancelled=bool(row.cancelled))


def _swap(row: Any) -> Swap:
    return Swap(id=row.id, shift_id=row.shift_id, return_shift_id=row.return_shift_id, from_person=row.from_person, to_person=row.to_person,
                state=SwapState(row.state), note=row.note, proposed_at=parse_utc(row.proposed_at),
                decided_at=parse_utc(row.decided_at) if row.decided_at else None, version=row.version)


def _handover(row: Any) -> Handover:
    return Handover(
        id=row.id, post_id=row.post_id, from_person=row.from_person, to_person=row.to_person, at=parse_utc(row.at),
        state=HandoverState(row.state), open_obligations=tuple(json.loads(row.open_obligations)),
        open_incidents=tuple(json.loads(row.open_incidents)), note=row.note,
        acknowledged_at=parse_utc(row.acknowledged_at) if row.acknowledged_at else None, obligation_id=row.obligation_id, version=row.version,
    )


# --- posts ---------------------------------------------------------------------------------------------------------------------------

async def save_post(tx: Transaction, post: Post, *, by: str) -> Post:
    """Make or alter a post; its id is `department.role` or any slugs joined by dots. Raises Rejected for an id that is none."""
    if not all(is_slug(part) for part in post.id.split(".")):
        raise Rejected("post_id", "岗位编号只能用小写字母、数字、连字符和点", "a post's id has a–z, 0–9, hyphens and dots", field="id")
    held = await get_post(tx.conn, post.id)
    saved = msgspec.structs.replace(post, version=held.version + 1 if held else 1, members=tuple(dict.fromkeys(post.members)))
    values = {"department_id": saved.department_id, "role": saved.role.value, "zh": saved.zh, "en": saved.en,
              "members": json.dumps(saved.members), "active": saved.active, "updated_at": tx.at, "version": saved.version}
    if held is None:
        await tx.conn.execute(insert(duty_post).values(id=saved.id, **values))
    else:
        await tx.conn.execute(update(duty_post).where(duty_post.c.id == saved.id).values(**values))
    tx.record(PostSaved(post=saved), actor=by, subject=f"post:{saved.id}", department_id=saved.department_id)
    return saved


async def get_post(conn: AsyncConnection, id: str) -> Post | None:
    """One post, or None."""
    row = (await conn.execute(select(duty_post).where(duty_post.c.id == id))).first()
    return _post(row) if row else None


async def list_posts(conn: AsyncConnection, *, departments: Collection[str] | None = None) -> list[Post]:
    """The posts by id, of these departments or of all."""
    query = select(duty_post).order_by(duty_post.c.id)
    if departments is not None:
        query = query.where(duty_post.c.department_id.in_(sorted(departments)))
    return [_post(row) for row in await conn.execute(query)]


async def make_standard_posts(tx: Transaction, departments: Iterable[tuple[str, str, str]], *, centre: str, by: str) -> list[Post]:
    """Give each department (id, zh, en) its posts `.duty`, `.deputy`, `.leader`, and `centre` the district's desk and duty leader.

    Posts that exist stay as they are.
    """
    wanted = []
    for id, zh, en in departments:
        wanted += [Post(id=f"{id}.duty", department_id=id, role=Whom.POST, zh=f"{zh}值班岗", en=f"{en}: duty post"),
                   Post(id=f"{id}.deputy", department_id=id, role=Whom.DEPUTY, zh=f"{zh}副班", en=f"{en}: deputy"),
                   Post(id=f"{id}.leader", department_id=id, role=Whom.LEADER, zh=f"{zh}带班领导", en=f"{en}: leader on duty")]
        if id == centre:
            wanted += [Post(id=f"{id}.desk", department_id=id, role=Whom.COMMAND_CENTRE, zh="指挥中心值班台", en="command-centre desk"),
                       Post(id=f"{id}.district-leader", department_id=id, role=Whom.DISTRICT_LEADER, zh="区带班领导", en="district duty leader")]
    held = {row.id for row in await tx.conn.execute(select(duty_post.c.id))}
    return [await save_post(tx, post, by=by) for post in wanted if post.id not in held]


# --- shifts --------------------------------------------------------------------------------------------------------------------------

async def shifts_of(conn: AsyncConnection, *, posts: Collection[str], first: datetime, last: datetime) -> list[Shift]:
    """The shifts of these posts that touch the time from `first` to `last`, by their start."""
    rows = await conn.execute(select(shift).where(
        shift.c.post_id.in_(sorted(posts)), shift.c.ends_at > utc_text(first), shift.c.starts_at < utc_text(last),
    ).order_by(shift.c.starts_at, shift.c.id))
    return [_shift(row) for row in rows]


async def get_shift(conn: AsyncConnection, id: str) -> Shift | None:
    """One shift, or None."""
    row = (await conn.execute(select(shift).where(shift.c.id == id))).first()
    return _shift(row) if row else None


async def save_shift(tx: Transaction, wanted: Shift, *, by: str) -> Shift:
    """Make or alter a shift. Raises Rejected where it is impossible, overlaps the person's own, or somebody altered it meanwhile."""
    wanted = msgspec.structs.replace(wanted, starts_at=whole_ms(wanted.starts_at), ends_at=whole_ms(wanted.ends_at))
    post = await get_post(tx.conn, wanted.post_id)
    if post is None:
        raise Rejected("unknown_post", "没有这个岗位", "there is no such post", field="post_id")
    if not wanted.cancelled:
        check_shift(wanted, await shifts_of(tx.conn, posts=[wanted.post_id], first=wanted.starts_at, last=wanted.ends_at))
    values = _shift_values(wanted)
    held = await get_shift(tx.conn, wanted.id)
    if held is None:
        saved = msgspec.structs.replace(wanted, version=1)
        await tx.conn.execute(insert(shift).values(id=saved.id, version=1, **values))
    else:
        saved = msgspec.structs.replace(wanted, version=wanted.version + 1)
        await _compare_and_set(tx, shift, wanted.id, wanted.version, values)
    tx.record(ShiftSaved(shift=saved), actor=by, subject=f"shift:{saved.id}", department_id=post.department_id)
    return saved


def _shift_values(s: Shift) -> dict[str, Any]:
    return {"post_id": s.post_id, "person_id": s.person_id, "substitute_id": s.substitute_id, "starts_at": utc_text(s.starts_at),
            "ends_at": utc_text(s.ends_at), "cancelled": s.cancelled}


async def _compare_and_set(tx: Transaction, table: Table, id: str, version: int, values: dict[str, Any]) -> None:
    done = await tx.conn.execute(update(table).where(table.c.id == id, table.c.version == version).values(version=version + 1, **values))
    if done.rowcount != 1:
        raise changed_meanwhile()


async def who_is_on_now(conn: AsyncConnection, posts: Sequence[Post], at: datetime) -> dict[str, On]:
    """Who is on each of these posts at `at`, by post id."""
    posts = await with_standing(conn, posts, at)
    shifts = await _shifts_on(conn, [p.id for p in posts], at)
    return {post.id: who_is_on(post, shifts.get(post.id, ()), at) for post in posts}


# --- swaps ---------------------------------------------------------------------------------------------------------------------------

class Named(NamedTuple):
    """A person by name; nothing else of them."""

    id: str
    name: str


async def names_of(conn: AsyncConnection, persons: Collection[str]) -> dict[str, str]:
    """The names of people on the roster, by id."""
    if not persons:
        return {}
    rows = await conn.execute(select(person_table.c.id, person_table.c.name).where(person_table.c.id.in_(sorted(persons))))
    return {row.id: row.name for row in rows}


async def refuse_strangers(conn: AsyncConnection, **persons: str | None) -> None:
    """Raise Rejected `unknown_person` for whoever (by field) is not known here or has left: what is theirs would reach nobody, and nobody would know."""
    rows = await conn.execute(select(person_table.c.id).where(
        person_table.c.id.in_(sorted(id for id in persons.values() if id)), person_table.c.left_at.is_(None)))
    here = {row.id for row in rows}
    for field, id in persons.items():
        if id and id not in here:
            raise Rejected("unknown_person", "没有这个人员，或已离职", "there is no such person, or they have left", field=field)


async def people_for(conn: AsyncConnection, department_id: str) -> list[Named]:
    """Who may stand on a department's posts: the people who work there, by name."""
    rows = await conn.execute(select(person_table.c.id, person_table.c.name).where(
        person_table.c.department_id == department_id, person_table.c.left_at.is_(None)).order_by(person_table.c.name, person_table.c.id))
    return [Named(row.id, row.name) for row in rows]


async def propose_swap(
    tx: Transaction, *, shift_id: str, from_person: str, to_person: str, by: str, return_shift_id: str | None = None, note: str = "",
) -> Swap:
    """Offer a shift to another person, in exchange for one of theirs where `return_shift_id` names it. Raises Rejected."""
    given = await get_shift(tx.conn, shift_id)
    if given is None or given.cancelled or given.on_duty != from_person or given.ends_at <= tx.now:
        raise Rejected("not_your_shift", "只能换本人尚未结束的班次", "only a shift of one's own that has not ended can be swapped", field="shift_id")
    back = await get_shift(tx.conn, return_shift_id) if return_shift_id else None
    if return_shift_id and (back is None or back.cancelled or back.on_duty != to_person or back.ends_at <= tx.now):
        raise Rejected("not_their_shift", "交换的班次不属于对方，或已结束", "the shift in exchange is not the other person's, or is over", field="return_shift_id")
    swap = Swap(id=new_id(), shift_id=shift_id, from_person=from_person, to_person=to_person, state=SwapState.PROPOSED,
                proposed_at=whole_ms(tx.now), return_shift_id=return_shift_id, note=note)
    await tx.conn.execute(insert(shift_swap).values(
        id=swap.id, shift_id=shift_id, return_shift_id=return_shift_id, from_person=from_person, to_person=to_person, state=swap.state.value,
        note=note, proposed_at=tx.at, version=1,
    ))
    await _record_swap(tx, swap, (), given.post_id, by)
    return swap


async def _record_swap(tx: Transaction, swap: Swap, shifts: tuple[Shift, ...], post_id: str, by: str) -> None:
    post = await get_post(tx.conn, post_id)
    tx.record(SwapSaved(swap=swap, shifts=shifts), actor=by, subject=f"swap:{swap.id}", department_id=post.department_id if post else None)


async def decide(tx: Transaction, swap_id: str, to: SwapState, *, person: str, by: str) -> Swap:
    """Accept, decline or withdraw a swap; an accepted one makes the persons each other's substitutes in the same transaction."""
    held = await get_swap(tx.conn, swap_id)
    if held is None:
        raise Rejected("unknown_swap", "没有这个换班申请", "there is no such swap", field="id")
    swap = decide_swap(held, to, by=person, now=whole_ms(tx.now))
    await _compare_and_set(tx, shift_swap, swap_id, held.version, {"state": swap.state.value, "decided_at": tx.at})
    altered: list[Shift] = []
    given = await get_shift(tx.conn, swap.shift_id)
    if swap.state is SwapState.ACCEPTED and given is not None:
        altered.append(await _stand_in(tx, given, swap.from_person, swap.to_person))
        back = await get_shift(tx.conn, swap.return_shift_id) if swap.return_shift_id else None
        if back is not None:
            altered.append(await _stand_in(tx, back, swap.to_person, swap.from_person))
    await _record_swap(tx, swap, tuple(altered), given.post_id if given else "", by)
    return swap


async def _stand_in(tx: Transaction, held: Shift, leaves: str, takes: str) -> Shift:
    if held.ends_at <= tx.now:
        raise Rejected("shift_over", "该班次已结束，不能再换", "the shift is over; who stood it stays as it was")
    if held.on_duty != leaves or held.cancelled:
        raise Rejected("shift_changed", "该班次已变动，换班申请失效", "the shift has changed; the swap no longer applies")
    altered = msgspec.structs.replace(held, substitute_id=None if takes == held.person_id else takes, version=held.version + 1)
    check_shift(altered, await shifts_of(tx.conn, posts=[held.post_id], first=held.starts_at, last=held.ends_at))
    await _compare_and_set(tx, shift, held.id, held.version, _shift_values(altered))
    return altered


async def get_swap(conn: AsyncConnection, id: str) -> Swap | None:
    """One swap, or None."""
    row = (await conn.execute(select(shift_swap).where(shift_swap.c.id == id))).first()
    return _swap(row) if row else None


async def swaps_of(conn: AsyncConnection, *, person: str | None = None, limit: int = 100) -> list[Swap]:
    """The newest swaps, of one person (either side) or of all."""
    query = select(shift_swap).order_by(shift_swap.c.id.desc()).limit(limit)
    if person is not None:
        query = query.where(or_(shift_swap.c.to_person == person, shift_swap.c.from_person == person))
    return [_swap(row) for row in await conn.execute(query)]


# --- handovers -----------------------------------------------------------------------------------------------------------------------

async def write_handover(
    tx: Transaction, rules: DutyRules, *, post_id: str, from_person: str, to_person: str, note: str, by: str, ack_min: float = 30,
) -> Handover:
    """Write the handover of a post: every duty open now is listed, and the acknowledgement is owed within `ack_min` minutes."""
    from hub.store.obligations import make, open_of_post

    post = await get_post(tx.conn, post_id)
    if post is None:
        raise Rejected("unknown_post", "没有这个岗位", "there is no such post", field="post_id")
    id = new_id()
    (owed,) = await make(tx, rules, [Owed(
        key=f"handover:{id}", kind="handover_ack", department_id=post.department_id, post_id=post_id, subject=f"handover:{id}",
        title_zh=f"{post.zh}交接班确认", title_en=f"acknowledge the handover of {post.en or post.zh}", due_at=tx.now + timedelta(minutes=ack_min),
    )], actor=by)
    everywhere = post.role is Whom.COMMAND_CENTRE
    open_now = await open_of_post(tx.conn, None if everywhere else post_id)
    incidents = await _open_incidents(tx.conn) if everywhere else ()
    written = Handover(
        id=id, post_id=post_id, from_person=from_person, to_person=to_person, at=whole_ms(tx.now), state=HandoverState.WRITTEN,
        open_obligations=tuple(x for x in open_now if x != owed.id), open_incidents=incidents, note=note, obligation_id=owed.id,
    )
    await tx.conn.execute(insert(handover).values(
        id=id, post_id=post_id, from_person=from_person, to_person=to_person, at=tx.at, state=written.state.value, note=note,
        open_obligations=json.dumps(written.open_obligations), open_incidents=json.dumps(incidents), obligation_id=owed.id, version=1,
    ))
    tx.record(HandoverWritten(handover=written, obligation=owed), actor=by, subject=f"handover:{id}", department_id=post.department_id)
    return written


async def _open_incidents(conn: AsyncConnection) -> tuple[str, ...]:
    values: list[Any] = []
    rows = await fetch_rows(conn, incident, f"{among('state', OPEN_STATES, values)} ORDER BY number", *values)
    return tuple(row.id for row in rows)


async def acknowledge_handover(tx: Transaction, rules: DutyRules, id: str, *, person: str, by: str) -> Handover:
    """Acknowledge a handover: only the one who takes over, once; it meets the duty that the handover put on the ledger."""
    from hub.store.obligations import meet_where_owed

    held = await _to_decide(tx, id, person, HandoverState.ACKNOWLEDGED)
    if held.state is HandoverState.ACKNOWLEDGED:
        return held
    done = msgspec.structs.replace(held, state=HandoverState.ACKNOWLEDGED, acknowledged_at=whole_ms(tx.now), version=held.version + 1)
    await _compare_and_set(tx, handover, id, held.version, {"state": done.state.value, "acknowledged_at": tx.at})
    post = await get_post(tx.conn, held.post_id)
    tx.record(HandoverAcknowledged(handover=done), actor=by, subject=f"handover:{id}", department_id=post.department_id if post else None)
    await meet_where_owed(tx, rules, subject=f"handover:{id}", by=by, evidence=Evidence(ref=f"handover:{id}", zh="接班人确认", en="acknowledged"))
    return done


async def _to_decide(tx: Transaction, id: str, person: str, to: HandoverState) -> Handover:
    """A handover that this person may decide: still written, or decided so already."""
    held = await get_handover(tx.conn, id)
    if held is None:
        raise Rejected("unknown_handover", "没有这份交接班记录", "there is no such handover", field="id")
    if person != held.to_person:
        raise Rejected("not_your_handover", "只能由接班人确认", "only the one who takes over can decide it")
    if held.state not in (HandoverState.WRITTEN, to):
        raise Rejected("handover_decided", "该交接班已确认或已拒绝", "this handover is acknowledged or refused already", field="state")
    return held


async def refuse_handover(tx: Transaction, rules: DutyRules, id: str, *, person: str, by: str, reason: str) -> Handover:
    """Refuse to take over, with the reason: the post and its leader are told at once, and nothing counts as handed over."""
    from hub.store.notices import message_drafts, queue
    from hub.store.obligations import excuse_where_owed

    reason = reason.strip()
    if not reason:
        raise Rejected("reason_needed", "请填写原因", "a reason is needed", field="reason")
    held = await _to_decide(tx, id, person, HandoverState.REFUSED)
    if held.state is HandoverState.REFUSED:
        return held
    done = msgspec.structs.replace(held, state=HandoverState.REFUSED, version=held.version + 1)
    await _compare_and_set(tx, handover, id, held.version, {"state": done.state.value})
    post = await get_post(tx.conn, held.post_id)
    department = post.department_id if post else None
    tx.record(HandoverRefused(handover=done, reason=reason), actor=by, subject=f"handover:{id}", department_id=department)
    await excuse_where_owed(tx, rules, subject=f"handover:{id}", by=by, reason=reason)
    reach = await load_reach(tx.conn, departments=[department] if department else [], posts=[held.post_id], now=tx.now)
    words = Fields({"post": post.zh if post else held.post_id, "reason": reason}, {"post": (post.en or post.zh) if post else held.post_id, "reason": reason})
    await queue(tx, [d for told in reach.posts.values() if told.id == held.post_id or (told.department_id == department and told.role is Whom.LEADER)
                     for d in message_drafts(rules, reach.target(told, urgent=True), words, id=f"handover:{id}", now=tx.now, max_age=REFUSAL_AGE,
                                             urgent=True, template="handover_refused")], actor=by)
    return done


async def get_handover(conn: AsyncConnection, id: str) -> Handover | None:
    """One handover, or None."""
    row = (await conn.execute(select(handover).where(handover.c.id == id))).first()
    return _handover(row) if row else None


async def handovers_of(
    conn: AsyncConnection, *, posts: Collection[str] | None = None, limit: int = 50, where: ColumnElement[bool] | None = None,
) -> list[Handover]:
    """The newest handovers, of these posts or of all; `where` is the access condition on `POST_DEPARTMENT`."""
    query = select(handover).join(duty_post, duty_post.c.id == handover.c.post_id).order_by(handover.c.id.desc()).limit(limit)
    if where is not None:
        query = query.where(where)
    if posts is not None:
        query = query.where(handover.c.post_id.in_(sorted(posts)))
    return [_handover(row) for row in await conn.execute(query)]

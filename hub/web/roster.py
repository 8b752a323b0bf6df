"""The duty roster over HTTP: posts and who is on them, shifts and their gaps, swaps with consent, handovers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from msgspec import Meta, Struct

from hub.domain.access import HUB, Action, Thing, ThingKind
from hub.domain.ladder import Whom
from hub.domain.roster import Handover, HandoverState, Post, Shift, Swap, SwapState, uncovered
from hub.errors import Rejected
from hub.ids import new_id
from hub.store import roster as store
from hub.store.access import within_reach
from hub.store.obligations import get_many
from hub.web.obligations import At, rules_of
from hub.web.route import Ask, NotFound, Route

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=4000)]
HORIZON = timedelta(days=100)
SHOWN = 100
"""How many of a handover's open duties are named in the list."""


class OnDuty(Struct, frozen=True, kw_only=True):
    """A post, who is on it now, why (`shift`, `member`, `nobody`) and until when."""

    post: Post
    persons: list[str]
    via: str
    until: datetime | None


class OnDutyList(Struct, frozen=True, kw_only=True):
    """Every post with who is on it; `names` of the persons by id."""

    items: list[OnDuty]
    names: dict[str, str]
    seq: int


class PostBody(Struct, frozen=True, kw_only=True):
    """A post as it shall be; `members` stand on it where no shift covers the moment."""

    department_id: Name
    role: Whom
    zh: Name
    en: Name
    members: Annotated[list[Name], Meta(max_length=200)] = []
    active: bool = True


class ShiftQuery(Struct, frozen=True, kw_only=True):
    """Which shifts: of one post, from … to (at most 100 days)."""

    post: Name
    first: At
    last: At


class Gap(Struct, frozen=True, kw_only=True):
    """A stretch that no shift covers."""

    first: datetime
    last: datetime


class Somebody(Struct, frozen=True, kw_only=True):
    """A person by name."""

    id: str
    name: str


class ShiftList(Struct, frozen=True, kw_only=True):
    """Shifts by their start, the gaps between them, and who may be put on the post."""

    items: list[Shift]
    gaps: list[Gap]
    people: list[Somebody]
    names: dict[str, str]


class ShiftBody(Struct, frozen=True, kw_only=True):
    """A shift to be made, or (with `id` and `version`) altered."""

    post_id: Name
    person_id: Name
    starts_at: At
    ends_at: At
    substitute_id: Name | None = None
    cancelled: bool = False
    id: Name | None = None
    version: int = 1


class SwapBody(Struct, frozen=True, kw_only=True):
    """One's own shift, to whom, and in exchange for which."""

    shift_id: Name
    to_person: Name
    return_shift_id: Name | None = None
    note: Text = ""


class SwapList(Struct, frozen=True, kw_only=True):
    """Swaps, newest first, with the shifts that they are about; `names` of the persons by id."""

    items: list[Swap]
    shifts: list[Shift]
    names: dict[str, str]


class HandoverBody(Struct, frozen=True, kw_only=True):
    """Which post is handed over to whom, with what words."""

    post_id: Name
    to_person: Name
    note: Text = ""


class RefusalBody(Struct, frozen=True, kw_only=True):
    """Why one does not take over."""

    reason: Text = ""


class HandoverQuery(Struct, frozen=True, kw_only=True):
    """Of one post, or of all."""

    post: Name | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class HandoverList(Struct, frozen=True, kw_only=True):
    """Handovers, newest first; `names` of the persons by id, `duties` of what was open by id (its title in both languages), why any was `refused`."""

    items: list[Handover]
    names: dict[str, str]
    duties: dict[str, list[str]]
    refused: dict[str, str]


def _thing(department_id: str | None, id: str = "", person_id: str | None = None) -> Thing:
    return Thing(kind=ThingKind.ROSTER, id=id, department_id=department_id, person_id=person_id)


async def now_on(ask: Ask) -> OnDutyList:
    """Every post and who is on it now."""
    ask.require(Action.ROSTER_READ, HUB)
    seq = await ask.store.head()
    async with ask.store.read() as conn:
        posts = await store.list_posts(conn)
        on = await store.who_is_on_now(conn, posts, ask.now)
        names = await store.names_of(conn, {person for each in on.values() for person in each.persons})
    return OnDutyList(items=[OnDuty(post=p, persons=list(on[p.id].persons), via=on[p.id].via, until=on[p.id].until) for p in posts], names=names, seq=seq)


async def save_post(ask: Ask) -> Post:
    """Make or alter a post."""
    body: PostBody = ask.body
    async with ask.store.read() as conn:
        held = await store.get_post(conn, ask.path["id"])
    ask.require(Action.ROSTER_EDIT, _thing(body.department_id, ask.path["id"]))
    if held is not None:
        ask.require(Action.ROSTER_EDIT, _thing(held.department_id, held.id))
    async with ask.transaction() as tx:
        return await store.save_post(tx, Post(id=ask.path["id"], department_id=body.department_id, role=body.role, zh=body.zh, en=body.en,
                                              members=tuple(body.members), active=body.active), by=ask.who)


async def _post(ask: Ask, id: str) -> Post:
    async with ask.store.read() as conn:
        held = await store.get_post(conn, id)
    if held is None:
        ask.require(Action.ROSTER_READ, HUB)
        raise Rejected("unknown_post", "没有这个岗位", "there is no such post", field="post_id")
    return held


async def list_shifts(ask: Ask) -> ShiftList:
    """The shifts of a post, and where nobody covers it."""
    ask.require(Action.ROSTER_READ, HUB)
    query: ShiftQuery = ask.query
    if not timedelta(0) < query.last - query.first <= HORIZON:
        raise Rejected("bad_period", "时间段须在100天以内", "the period must be within 100 days", field="last")
    post = await _post(ask, query.post)
    async with ask.store.read() as conn:
        items = await store.shifts_of(conn, posts=[query.post], first=query.first, last=query.last)
        people = await store.people_for(conn, post.department_id)
        names = await store.names_of(conn, {id for s in items for id in (s.person_id, s.substitute_id) if id})
    gaps = uncovered(post, items, query.first, query.last)
    return ShiftList(items=items, gaps=[Gap(first=first, last=last) for first, last in gaps],
                     people=[Somebody(id=one.id, name=one.name) for one in people], names=names)


async def save_shift(ask: Ask) -> Shift:
    """Make or alter a shift; a substitute stands in where one is set."""
    body: ShiftBody = ask.body
    async with ask.store.read() as conn:
        held = await store.get_shift(conn, body.id) if body.id else None
    for post in [await _post(ask, id) for id in dict.fromkeys([body.post_id, held.post_id if held else body.post_id])]:
        ask.require(Action.ROSTER_EDIT, _thing(post.department_id))
    shift = Shift(id=body.id or new_id(), post_id=body.post_id, person_id=body.person_id, starts_at=body.starts_at,
                  ends_at=body.ends_at, substitute_id=body.substitute_id, cancelled=body.cancelled, version=body.version)
    async with ask.transaction() as tx:
        if not shift.cancelled:
            await store.refuse_strangers(tx.conn, **{"substitute_id" if shift.substitute_id else "person_id": shift.on_duty})
        return await store.save_shift(tx, shift, by=ask.who)


async def list_swaps(ask: Ask) -> SwapList:
    """The swaps that one is part of."""
    ask.require(Action.ROSTER_READ, HUB)
    async with ask.store.read() as conn:
        items = await store.swaps_of(conn, person=ask.actor.id)
        wanted = {id for swap in items for id in (swap.shift_id, swap.return_shift_id) if id}
        shifts = [shift for id in sorted(wanted) if (shift := await store.get_shift(conn, id)) is not None]
        names = await store.names_of(conn, {id for swap in items for id in (swap.from_person, swap.to_person)})
    return SwapList(items=items, shifts=shifts, names=names)


async def propose_swap(ask: Ask) -> Swap:
    """Offer one's own shift to another person."""
    body: SwapBody = ask.body
    async with ask.store.read() as conn:
        shift = await store.get_shift(conn, body.shift_id)
    if shift is None:
        ask.require(Action.ROSTER_READ, HUB)
        raise NotFound
    post = await _post(ask, shift.post_id)
    ask.require(Action.ROSTER_SWAP, _thing(post.department_id))
    async with ask.transaction() as tx:
        await store.refuse_strangers(tx.conn, to_person=body.to_person)
        return await store.propose_swap(tx, shift_id=body.shift_id, from_person=ask.actor.id, to_person=body.to_person, by=ask.who,
                                        return_shift_id=body.return_shift_id, note=body.note)


def _deciding(to: SwapState, doc: str) -> Any:
    async def handler(ask: Ask) -> Swap:
        async with ask.store.read() as conn:
            held = await store.get_swap(conn, ask.path["id"])
            shift = await store.get_shift(conn, held.shift_id) if held else None
        if held is None or shift is None:
            ask.require(Action.ROSTER_READ, HUB)
            raise NotFound
        post = await _post(ask, shift.post_id)
        ask.require(Action.ROSTER_SWAP, _thing(post.department_id))
        async with ask.transaction() as tx:
            return await store.decide(tx, held.id, to, person=ask.actor.id, by=ask.who)

    handler.__name__ = f"swap_{to}"
    handler.__doc__ = doc
    return handler


async def list_handovers(ask: Ask) -> HandoverList:
    """Handovers of the posts within the actor's reach, newest first: they name every duty and incident that was open."""
    ask.may(Action.HANDOVER_READ, HUB)  # the rule is asked for every post, in SQL
    query: HandoverQuery = ask.query
    within = within_reach(ask.actor, ask.now, Action.HANDOVER_READ, department_id=store.POST_DEPARTMENT)
    async with ask.store.read() as conn:
        items = await store.handovers_of(conn, posts=[query.post] if query.post else None, limit=query.limit, where=within)
        names = await store.names_of(conn, {id for one in items for id in (one.from_person, one.to_person)})
        open_then = await get_many(conn, {id for one in items for id in one.open_obligations[:SHOWN]})
        not_taken = {one.obligation_id: one.id for one in items if one.state is HandoverState.REFUSED and one.obligation_id}
        refused = {not_taken[o.id]: o.reason or "" for o in await get_many(conn, not_taken)}
    seen = {o.id: [o.title_zh, o.title_en] for o in open_then
            if ask.may(Action.OBLIGATION_READ, Thing(kind=ThingKind.OBLIGATION, id=o.id, department_id=o.department_id)).allowed}
    return HandoverList(items=items, names=names, duties=seen, refused=refused)


async def write_handover(ask: Ask) -> Handover:
    """Hand a post over: every open duty is listed, and the acknowledgement is owed."""
    body: HandoverBody = ask.body
    post = await _post(ask, body.post_id)
    ask.require(Action.HANDOVER_SIGN, _thing(post.department_id))
    async with ask.transaction() as tx:
        await store.refuse_strangers(tx.conn, to_person=body.to_person)
        return await store.write_handover(tx, rules_of(ask), post_id=post.id, from_person=ask.actor.id, to_person=body.to_person,
                                          note=body.note, by=ask.who)


async def _handover(ask: Ask) -> Handover:
    """The handover of the path, if the actor may sign for its post."""
    async with ask.store.read() as conn:
        held = await store.get_handover(conn, ask.path["id"])
    if held is None:
        ask.require(Action.ROSTER_READ, HUB)
        raise NotFound
    post = await _post(ask, held.post_id)
    ask.require(Action.HANDOVER_SIGN, _thing(post.department_id))
    return held


async def acknowledge_handover(ask: Ask) -> Handover:
    """Take over: only the one named can."""
    held = await _handover(ask)
    async with ask.transaction() as tx:
        return await store.acknowledge_handover(tx, rules_of(ask), held.id, person=ask.actor.id, by=ask.who)


async def refuse_handover(ask: Ask) -> Handover:
    """Refuse to take over, with the reason: only the one named can."""
    held = await _handover(ask)
    async with ask.transaction() as tx:
        return await store.refuse_handover(tx, rules_of(ask), held.id, person=ask.actor.id, by=ask.who, reason=ask.body.reason)


_BASE = "/api/v1/roster"
ROUTES = [
    Route("GET", _BASE + "/now", now_on, Action.ROSTER_READ, returns=OnDutyList, zh="当前在岗", en="who is on duty now"),
    Route("PUT", _BASE + "/posts/{id}", save_post, Action.ROSTER_EDIT, body=PostBody, returns=Post, zh="设置岗位", en="save a post"),
    Route("GET", _BASE + "/shifts", list_shifts, Action.ROSTER_READ, query=ShiftQuery, returns=ShiftList, zh="班次", en="shifts"),
    Route("POST", _BASE + "/shifts", save_shift, Action.ROSTER_EDIT, body=ShiftBody, returns=Shift, zh="排班", en="save a shift"),
    Route("GET", _BASE + "/swaps", list_swaps, Action.ROSTER_READ, returns=SwapList, zh="换班申请", en="swaps"),
    Route("POST", _BASE + "/swaps", propose_swap, Action.ROSTER_SWAP, body=SwapBody, returns=Swap, zh="申请换班", en="offer a swap"),
    Route("POST", _BASE + "/swaps/{id}/accept", _deciding(SwapState.ACCEPTED, "Agree to a swap."), Action.ROSTER_SWAP, returns=Swap,
          zh="同意换班", en="accept"),
    Route("POST", _BASE + "/swaps/{id}/decline", _deciding(SwapState.DECLINED, "Decline a swap."), Action.ROSTER_SWAP, returns=Swap,
          zh="拒绝换班", en="decline"),
    Route("POST", _BASE + "/swaps/{id}/withdraw", _deciding(SwapState.WITHDRAWN, "Withdraw one's own offer."), Action.ROSTER_SWAP,
          returns=Swap, zh="撤回换班", en="withdraw"),
    Route("GET", _BASE + "/handovers", list_handovers, Action.HANDOVER_READ, query=HandoverQuery, returns=HandoverList, zh="交接班记录", en="handovers"),
    Route("POST", _BASE + "/handovers", write_handover, Action.HANDOVER_SIGN, body=HandoverBody, returns=Handover, zh="交班", en="hand over"),
    Route("POST", _BASE + "/handovers/{id}/acknowledge", acknowledge_handover, Action.HANDOVER_SIGN, returns=Handover, zh="接班确认", en="take over"),
    Route("POST", _BASE + "/handovers/{id}/refuse", refuse_handover, Action.HANDOVER_SIGN, body=RefusalBody, returns=Handover, zh="拒绝接班",
          en="refuse to take over"),
]

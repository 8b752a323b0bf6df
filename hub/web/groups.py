"""Sharing groups over HTTP: the list, the posts, reading marks, the pin. Whoever's department is a member reads and writes."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from hub.domain.access import HUB, Action, Thing, ThingKind
from hub.domain.daily import Attached
from hub.domain.group import Group, GroupPost, Read
from hub.ids import exactly
from hub.store import groups as store
from hub.store.access import reach
from hub.web.attachments import has_sent, serve
from hub.web.obligations import rules_of
from hub.web.route import Ask, NotFound, Route


class GroupLine(Struct, frozen=True, kw_only=True):
    """A group with the number of posts that one's own department has not read."""

    group: Group
    last_number: int
    unread: int


class GroupList(Struct, frozen=True, kw_only=True):
    """The groups that one is a member of."""

    items: list[GroupLine]
    seq: int


class GroupWhole(Struct, frozen=True, kw_only=True):
    """A group with its newest posts, the pinned one, and how far every department has read."""

    group: Group
    posts: list[GroupPost]
    pinned: GroupPost | None
    reads: list[Read]
    next: int | None
    may: list[str]


class PageQuery(Struct, frozen=True, kw_only=True):
    """`before` is the number of the last post seen."""

    before: Annotated[int, Meta(ge=1)] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class PostBody(Struct, frozen=True, kw_only=True):
    """A post; `id` is made by the sender and makes a repetition harmless."""

    id: Annotated[str, Meta(pattern=exactly("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"))]
    text: Annotated[str, Meta(max_length=10_000)]
    attachments: Annotated[tuple[Attached, ...], Meta(max_length=20)] = ()


class ReadBody(Struct, frozen=True, kw_only=True):
    """Up to which post one has read."""

    number: Annotated[int, Meta(ge=1)]


class PinBody(Struct, frozen=True, kw_only=True):
    """The post to pin; null takes the pin away."""

    post: Annotated[str, Meta(max_length=36)] | None


def _thing(group: Group) -> Thing:
    return Thing(kind=ThingKind.GROUP, id=group.id, members=group.departments)


async def _find(ask: Ask, action: Action) -> Group:
    async with ask.store.read() as conn:
        group = await store.get_group(conn, ask.path["id"])
    if group is None:
        ask.require(Action.DAILY_BOARD, HUB)
        raise NotFound
    ask.require(Action.GROUP_READ, _thing(group), hidden=True)
    ask.require(action, _thing(group))
    return group


def _own(ask: Ask, group: Group) -> str | None:
    """The member department that the actor writes and reads for."""
    held = [post.department_id for post in ask.actor.posts if post.department_id in group.departments]
    return held[0] if held else None


async def listing(ask: Ask) -> GroupList:
    """The groups that one is a member of."""
    near = reach(ask.actor, Action.GROUP_READ, ask.now)
    for department in sorted(near.departments) or [""]:
        ask.may(Action.GROUP_READ, Thing(kind=ThingKind.GROUP, department_id=department or None))
    seq = await ask.store.head()
    items = []
    async with ask.store.read() as conn:
        for group in await store.list_groups(conn, departments=None if near.whole else near.departments):
            last, own = await store.last_number(conn, group.id), _own(ask, group)
            read = next((r.number for r in await store.reads_of(conn, group.id) if r.department_id == own), 0)
            items.append(GroupLine(group=group, last_number=last, unread=last - read if own else 0))
    return GroupList(items=items, seq=seq)


async def save(ask: Ask) -> Group:
    """Make or alter a group."""
    ask.require(Action.GROUP_EDIT, Thing(kind=ThingKind.GROUP, id=ask.body.id))
    async with ask.transaction() as tx:
        return await store.save_group(tx, ask.body, by=ask.who)


async def whole(ask: Ask) -> GroupWhole:
    """A group with its posts."""
    group = await _find(ask, Action.GROUP_READ)
    query: PageQuery = ask.query
    async with ask.store.read() as conn:
        posts = await store.posts_of(conn, group.id, before=query.before, limit=query.limit)
        pinned, reads = await store.pinned_of(conn, group), await store.reads_of(conn, group.id)
    acts = {"write": Action.GROUP_WRITE, "edit": Action.GROUP_EDIT}
    return GroupWhole(group=group, posts=posts, pinned=pinned, reads=reads, next=posts[-1].number if len(posts) == query.limit else None,
                      may=[name for name, action in acts.items() if ask.may(action, _thing(group)).allowed])


async def write(ask: Ask) -> GroupPost:
    """Write in the group."""
    group = await _find(ask, Action.GROUP_WRITE)
    body: PostBody = ask.body
    async with ask.transaction() as tx:
        return await store.write(tx, rules_of(ask), group.id, body.text, id=body.id, by=ask.who, name=ask.actor.name or ask.who,
                                 department_id=_own(ask, group) or ask.actor.department_id, attachments=body.attachments)


async def attachment(ask: Ask) -> web.StreamResponse:
    """A file of a post."""
    group = await _find(ask, Action.GROUP_READ)
    async with ask.store.read() as conn:
        post = await store.get_post(conn, ask.path["post"])
        file = next((f for f in post.attachments if f.sha256 == ask.path["sha256"]), None) if post and post.group_id == group.id else None
        sent = post is not None and file is not None and await has_sent(conn, file.sha256, post.author)
    if file is None or not sent:  # a post that names the hash of somebody else's file opens it to nobody
        raise NotFound
    return serve(ask, file.sha256, name=file.name, media_type=file.media_type)


async def read(ask: Ask) -> Read:
    """Note that one's department has read."""
    group = await _find(ask, Action.GROUP_READ)
    own = _own(ask, group)
    if own is None:
        raise NotFound
    async with ask.transaction() as tx:
        return await store.read_up_to(tx, group.id, own, ask.body.number, by=ask.who)


async def pin(ask: Ask) -> Group:
    """Pin a post."""
    group = await _find(ask, Action.GROUP_EDIT)
    async with ask.transaction() as tx:
        return await store.pin_post(tx, group.id, ask.body.post, by=ask.who)


_ONE = "/api/v1/groups/{id}"
ROUTES = [
    Route("GET", "/api/v1/groups", listing, Action.GROUP_READ, returns=GroupList, zh="共享群", en="sharing groups"),
    Route("POST", "/api/v1/groups", save, Action.GROUP_EDIT, body=Group, returns=Group, zh="保存共享群", en="save a group"),
    Route("GET", _ONE, whole, Action.GROUP_READ, query=PageQuery, returns=GroupWhole, zh="一个共享群", en="one group"),
    Route("POST", _ONE + "/posts", write, Action.GROUP_WRITE, body=PostBody, returns=GroupPost, status=201, zh="发言", en="write"),
    Route("GET", _ONE + "/posts/{post}/attachments/{sha256}", attachment, Action.GROUP_READ, zh="共享群附件", en="a file of a post"),
    Route("POST", _ONE + "/read", read, Action.GROUP_READ, body=ReadBody, returns=Read, zh="已读", en="read"),
    Route("POST", _ONE + "/pin", pin, Action.GROUP_EDIT, body=PinBody, returns=Group, zh="置顶", en="pin"),
]

"""Notices and contacts over HTTP: what went out and what did not, reading, sending again, a test that tells the gateway's own answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from msgspec import Meta, Struct

from hub.domain.access import HUB, Action, Thing, ThingKind
from hub.domain.notice import Contact, ContactState, Fields, Notice, NoticeState, in_both, with_link
from hub.domain.roster import Post
from hub.errors import Rejected
from hub.ids import exactly, new_id
from hub.notify.addresses import check_address
from hub.notify.channels import Message
from hub.notify.outbox import try_out
from hub.notify.push import Push
from hub.store import notices as store
from hub.store.access import reach, within_reach
from hub.store.roster import get_post, list_posts, load_reach
from hub.web.obligations import rules_of
from hub.web.route import Ask, Done, NotFound, Route

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Clock = Annotated[str, Meta(pattern=exactly(r"([01]\d|2[0-3]):[0-5]\d"))]


class NoticeQuery(Struct, frozen=True, kw_only=True):
    """Which notices; `before` is the id of the last one seen."""

    state: NoticeState | None = None
    post: Name | None = None
    obligation: Name | None = None
    before: Name | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class NoticePage(Struct, frozen=True, kw_only=True):
    """Notices, newest first; `next` is the next page's `before`."""

    items: list[Notice]
    next: str | None
    seq: int


class PendingList(Struct, frozen=True, kw_only=True):
    """What waits on the screens of one's own department, newest first.

    `rules` names, by the id of each notice's duty, the rule under which it is owed: what stands under one rule can be read as one.
    """

    items: list[Notice]
    rules: dict[str, str]
    seq: int


class ReadBody(Struct, frozen=True, kw_only=True):
    """Notices that somebody has read."""

    ids: Annotated[list[Name], Meta(min_length=1, max_length=500)]


class SendBody(Struct, frozen=True, kw_only=True):
    """A message to posts, by the screen and every further way to them."""

    posts: Annotated[list[Name], Meta(min_length=1, max_length=500)]
    title: Annotated[str, Meta(min_length=1, max_length=200)]
    text: Annotated[str, Meta(min_length=1, max_length=5000)]
    urgent: bool = False
    drill: bool = False


class SentList(Struct, frozen=True, kw_only=True):
    """The notices that were written."""

    items: list[Notice]


class ContactBody(Struct, frozen=True, kw_only=True):
    """A contact of a post; `address` is an Apprise URL, or its masked form to leave it as it is."""

    post_id: Name
    name: Name
    address: Annotated[str, Meta(min_length=1, max_length=2000)]
    language: Annotated[str, Meta(pattern=exactly("(zh|en|both)"))] = "zh"
    urgent_only: bool = False
    quiet_starts: Clock | None = None
    quiet_ends: Clock | None = None
    active: bool = True


class ContactList(Struct, frozen=True, kw_only=True):
    """Contacts with their addresses masked; `bare` are the posts to which none leads that is in use and not known to be unreachable."""

    items: list[Contact]
    bare: list[str]


def _thing(department_id: str | None, id: str = "") -> Thing:
    return Thing(kind=ThingKind.NOTICE, id=id, department_id=department_id)


async def listing(ask: Ask) -> NoticePage:
    """Notices within the actor's reach, newest first."""
    ask.require(Action.OBLIGATION_LIST, HUB)
    query: NoticeQuery = ask.query
    seq = await ask.store.head()
    async with ask.store.read() as conn:
        items = await store.list_notices(
            conn, states=[query.state] if query.state else None, posts=[query.post] if query.post else None, obligation_id=query.obligation,
            before=query.before, limit=query.limit,
            where=within_reach(ask.actor, ask.now, Action.NOTICE_READ, department_id=store.DEPARTMENT))
    return NoticePage(items=items, next=items[-1].id if len(items) == query.limit else None, seq=seq)


async def pending(ask: Ask) -> PendingList:
    """What waits, unread, on the screens of the posts of the actor's own departments."""
    ask.require(Action.OBLIGATION_LIST, HUB)
    seq = await ask.store.head()
    async with ask.store.read() as conn:
        posts = await list_posts(conn, departments={post.department_id for post in ask.actor.posts if post.department_id})
        items = await store.list_pending(
            conn, rules_of(ask), posts=[post.id for post in posts], now=ask.now,
            where=within_reach(ask.actor, ask.now, Action.NOTICE_READ, department_id=store.DEPARTMENT))
        rules = await store.rules_of_duties(conn, {one.obligation_id for one in items if one.obligation_id})
    return PendingList(items=items, rules=rules, seq=seq)


async def _find(ask: Ask, action: Action) -> Notice:
    async with ask.store.read() as conn:
        held = await store.get_notice(conn, ask.path["id"])
    if held is None:
        ask.require(Action.OBLIGATION_LIST, HUB)
        raise NotFound
    ask.require(Action.NOTICE_READ, _thing(held.department_id, held.id), hidden=True)
    ask.require(action, _thing(held.department_id, held.id))
    return held


async def read(ask: Ask) -> Notice:
    """Note that one has read it."""
    held = await _find(ask, Action.NOTICE_READ)
    async with ask.transaction() as tx:
        return await store.mark_read(tx, held.id, by=ask.who)


async def read_many(ask: Ask) -> Done:
    """Note that one has read several; what is not there, or not for this reader, is refused as one would be."""
    body: ReadBody = ask.body
    async with ask.store.read() as conn:
        held = [await store.get_notice(conn, id) for id in dict.fromkeys(body.ids)]
    for one in held:
        if one is None:
            ask.require(Action.OBLIGATION_LIST, HUB)
            raise NotFound
        ask.require(Action.NOTICE_READ, _thing(one.department_id, one.id), hidden=True)
    async with ask.transaction() as tx:
        for id in dict.fromkeys(body.ids):
            await store.mark_read(tx, id, by=ask.who)
    return Done()


async def again(ask: Ask) -> Notice:
    """Send a failed notice once more, where it is not too old."""
    held = await _find(ask, Action.NOTICE_SEND)
    async with ask.transaction() as tx:
        return await store.try_again(tx, held.id, by=ask.who)


async def send(ask: Ask) -> SentList:
    """Send a message to posts; it goes through the outbox, so that no gateway holds this request up."""
    body: SendBody = ask.body
    async with ask.store.read() as conn:
        posts = [post for post in await list_posts(conn) if post.id in set(body.posts)]
    if len(posts) != len(set(body.posts)):
        ask.require(Action.ROSTER_READ, HUB)
        raise Rejected("unknown_post", "没有这个岗位", "there is no such post", field="posts")
    for post in posts:
        ask.require(Action.NOTICE_SEND, _thing(post.department_id))
    said = in_both(drill=body.drill, title=body.title, text=body.text)
    async with ask.transaction() as tx:
        reach = await load_reach(tx.conn, departments={p.department_id for p in posts}, posts={p.id for p in posts}, now=tx.now)
        drafts = [d for post in posts for d in store.message_drafts(
            rules_of(ask), reach.target(reach.posts.get(post.id, post), urgent=body.urgent), said, id=new_id(), now=tx.now,
            urgent=body.urgent, drill=body.drill, max_age=timedelta(days=1))]
        return SentList(items=list(await store.queue(tx, drafts, actor=ask.who)))


async def list_contacts(ask: Ask) -> ContactList:
    """The contacts of the posts within the actor's reach, their addresses masked."""
    ask.require(Action.ROSTER_READ, HUB)
    async with ask.store.read() as conn:
        near = reach(ask.actor, Action.NOTICE_TEST, ask.now)
        posts = await list_posts(conn, departments=None if near.whole else near.departments)
        items = await store.list_contacts(conn, posts=[p.id for p in posts])
    led_to = {c.post_id for c in items if c.active and c.state is not ContactState.UNREACHABLE}
    return ContactList(items=items, bare=[p.id for p in posts if p.active and p.id not in led_to])


async def _post(ask: Ask, id: str) -> Post:
    async with ask.store.read() as conn:
        post = await get_post(conn, id)
    if post is None:
        ask.require(Action.ROSTER_READ, HUB)
        raise Rejected("unknown_post", "没有这个岗位", "there is no such post", field="post_id")
    return post


async def save_contact(ask: Ask) -> Contact:
    """Make or alter a contact of a post; `new` as id makes one."""
    body: ContactBody = ask.body
    post = await _post(ask, body.post_id)
    ask.require(Action.ROSTER_EDIT, _thing(post.department_id))
    check_address(body.address)
    id = ask.path["id"]
    async with ask.store.read() as conn:
        held = await store.get_contact(conn, id) if id != "new" else None
    if id != "new" and held is None:
        raise NotFound
    if held is not None and held.post_id:
        ask.require(Action.ROSTER_EDIT, _thing((await _post(ask, held.post_id)).department_id))
    contact = Contact(
        id=held.id if held else new_id(), name=body.name, address=body.address, post_id=body.post_id, language=body.language,
        urgent_only=body.urgent_only, quiet_starts=body.quiet_starts, quiet_ends=body.quiet_ends, active=body.active,
        checked_at=held.checked_at if held else None, error=held.error if held else None)
    async with ask.transaction() as tx:
        return await store.save_contact(tx, contact, by=ask.who, department_id=post.department_id)


async def try_contact(ask: Ask) -> Done:
    """Send a test to a contact now and tell the gateway's own answer; bounded by 10 s."""
    async with ask.store.read() as conn:
        held = await store.get_contact(conn, ask.path["id"])
        address = await store.address_of(conn, ask.path["id"])
    if held is None or address is None or held.post_id is None:
        ask.require(Action.ROSTER_READ, HUB)
        raise NotFound
    post = await _post(ask, held.post_id)
    ask.require(Action.NOTICE_TEST, _thing(post.department_id))
    id = new_id()
    made = store.draft(rules_of(ask), dedupe=id, channel="push", address=address.address, template="test", now=ask.now,
                       fields=Fields({"text": post.zh}, {"text": post.en or post.zh}), max_age=timedelta(minutes=5), language=held.language, urgent=True, id=id)
    error: Rejected | None = None
    async with Push(timeout_s=10, near=ask.hub.settings.near_hosts) as push:
        try:
            await try_out({"push": push}, "push", Message(id, address.address, made.notice.title, with_link(made.notice.body, None), urgent=True,
                                                          drill=False))
        except Rejected as refused:
            error = refused
    async with ask.transaction() as tx:
        await store.note_check(tx, held.id, ContactState.UNREACHABLE if error else ContactState.REACHABLE, by=ask.who,
                               error=error.message if error else None)
    if error:
        raise error
    return Done()


ROUTES = [
    Route("GET", "/api/v1/notices", listing, Action.OBLIGATION_LIST, query=NoticeQuery, returns=NoticePage, zh="通知", en="notices"),
    Route("GET", "/api/v1/notices/pending", pending, Action.OBLIGATION_LIST, returns=PendingList, zh="待阅通知", en="notices that wait"),
    Route("POST", "/api/v1/notices", send, Action.NOTICE_SEND, body=SendBody, returns=SentList, zh="发送通知", en="send a notice"),
    Route("POST", "/api/v1/notices/read", read_many, Action.NOTICE_READ, body=ReadBody, returns=Done, zh="多条已读", en="several read"),
    Route("POST", "/api/v1/notices/{id}/read", read, Action.NOTICE_READ, returns=Notice, zh="已读", en="read"),
    Route("POST", "/api/v1/notices/{id}/again", again, Action.NOTICE_SEND, returns=Notice, zh="重发", en="send again"),
    Route("GET", "/api/v1/contacts", list_contacts, Action.ROSTER_READ, returns=ContactList, zh="联系方式", en="contacts"),
    Route("PUT", "/api/v1/contacts/{id}", save_contact, Action.ROSTER_EDIT, body=ContactBody, returns=Contact, zh="设置联系方式", en="save a contact"),
    Route("POST", "/api/v1/contacts/{id}/test", try_contact, Action.NOTICE_TEST, returns=Done, zh="测试联系方式", en="test a contact"),
]

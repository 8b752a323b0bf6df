"""What a route is, what its handler is given (`Ask`), and how answers and errors become HTTP. Deny by default.

Every route names the action it needs; a handler asks `require(action, thing)` for the very object it touches. A handler that answers
without having asked is a bug and ends in 500, so that a forgotten check fails its first test.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from aiohttp import hdrs, web
from msgspec import Struct

from hub import wire
from hub.domain.access import HUB, REACHED, REFUSED_BY_ROLE, Action, Actor, ActorKind, Decision, Thing, ThingKind, may
from hub.domain.classified import WARNED, ClassifiedConfirmed, ClassifiedHit, Warned, packaged_guard, warned_of
from hub.errors import Rejected, Unavailable
from hub.ids import new_id
from hub.ingest.intake import Confirmation
from hub.store.access import record_view

if TYPE_CHECKING:
    from hub.domain.report import Channel
    from hub.ingest.intake import Source
    from hub.store import Store, Transaction
    from hub.web.services import Services
    from hub.wire import Receipt

log = logging.getLogger("hub.web")
PUBLIC = "public"
"""The action of the few routes that anybody may call: health, sign-in, enrolment, the console's files."""
SEEN = "X-Tocsin-Seen"
"""The header in which a request names the warnings of classified content (`mark`, with commas between) that its author has seen."""

S = TypeVar("S", bound=Struct)


class Denied(Exception):
    """The actor may not do this; `hidden` makes it look as if the object did not exist."""

    def __init__(self, decision: Decision, action: Action, thing: Thing, *, hidden: bool = False) -> None:
        super().__init__(decision.reason_code)
        self.decision = decision
        self.action = action
        self.thing = thing
        self.hidden = hidden


class NotSignedIn(Exception):
    """Nobody is signed in, and the route is not for everybody."""


class NotFound(Exception):
    """There is no such object (or the actor may not know that there is)."""


class Unconfirmed(Rejected):
    """A text may be classified, and its author has yet to say that he saw these warnings."""

    def __init__(self, hits: tuple[ClassifiedHit, ...]) -> None:
        said = warned_of(hits)
        super().__init__(WARNED, f"疑似涉密字样，请核对，确认不涉密后再提交：{'、'.join(dict.fromkeys(w.zh for w in said))}",
                         f"this may be classified: look again, and confirm that it is not: {', '.join(dict.fromkeys(w.en for w in said))}",
                         field=hits[0].field or None)
        self.hits = hits


@dataclass(frozen=True, slots=True)
class Answer:
    """A value with a status other than the route's own, or with headers."""

    value: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Message(Struct, frozen=True):
    """One sentence in both languages."""

    zh: str
    en: str


class Problem(Struct, frozen=True, omit_defaults=True):
    """The body of every answer that is not a success: a stable code, what to do, and the field it is about; `warnings` are to be confirmed."""

    code: str
    message: Message
    field: str | None = None
    id: str | None = None
    retry_after_s: float | None = None
    warnings: tuple[ClassifiedHit, ...] = ()


def refusing(status: int, code: str, zh: str, en: str, *, field: str | None = None, retry_after_s: float | None = None) -> Answer:
    """A refusal as an answer: for what is written down in the same breath, which an exception would undo."""
    headers = {"Retry-After": str(max(1, round(retry_after_s)))} if retry_after_s else {}
    return Answer(Problem(code, Message(zh, en), field, None, retry_after_s), status=status, headers=headers)


def wait(wait_s: float) -> Answer:
    """Too many attempts: 429 with the time to come back."""
    return refusing(429, "wait", f"尝试过多，请 {round(wait_s) + 1} 秒后再试", f"too many attempts; try again in {round(wait_s) + 1} s", retry_after_s=wait_s)


class Done(Struct, frozen=True):
    """An act that has no better answer than that it was done."""

    done: bool = True


Handler = Callable[["Ask"], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path. `action` is an `Action` or PUBLIC; `body`, `query` and `returns` are structs, for decoding and OpenAPI.

    Whoever holds neither `action` nor one of `also` is refused before the body is read; the handler still asks for the very object.
    """

    method: str
    path: str
    handler: Handler
    action: Action | str
    zh: str = ""
    en: str = ""
    body: Any = None
    query: type[Struct] | None = None
    returns: Any = None
    status: int = 200
    limit_bytes: int = wire.MAX_MESSAGE_BYTES
    csrf: bool = True
    also: tuple[Action, ...] = ()
    looked_over: bool = True
    """Is what it would store looked over for classified content? Not where a secret is given, nor where looking is the act itself."""
    asks_to_confirm: bool = True
    """Are warnings to be confirmed? Not where nothing is stored for others to read: a draft, a question."""
    goes_on: bool = False
    """Does it go on without the store for whoever was signed in until it went? Only watching what is granted."""
    export: bool = False
    """Does it give a file to take away? Then that it was given, and to whom, is chained before; other files' handlers chain more themselves."""
    own_refusal: bool = False
    """Is a refusal (422) told in the struct of `returns` instead of a Problem?"""


class Ask:
    """One request, decoded: who asks (`actor`), for what (`path`, `query`, `body`), at what time (`now`), of which services (`hub`)."""

    def __init__(self, hub: Services, request: web.Request, route: Route, actor: Actor, body: Any, query: Any) -> None:
        self.hub = hub
        self.request = request
        self.route = route
        self.actor = actor
        self.body = body
        self.query = query
        self.asked = route.action == PUBLIC
        self._seen: tuple[Warned, ...] = ()

    @property
    def store(self) -> Store:
        """The store."""
        return self.hub.store

    @cached_property
    def now(self) -> datetime:
        """The hub's time of this request."""
        return self.hub.clock.now()

    @property
    def path(self) -> dict[str, str]:
        """The named parts of the path."""
        return dict(self.request.match_info)

    @property
    def who(self) -> str:
        """The actor as changes name it, such as `person:ID`."""
        return self.actor.addressed

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """The transaction of what this request does. What its author confirmed goes into the chain with it, or not at all."""
        async with self.store.transaction() as tx:
            if (confirmed := self.confirmed) is not None:
                tx.record(confirmed, actor=self.who, subject=f"form:{self.route.path}", department_id=self.actor.department_id)
            yield tx
        self._seen = ()

    @property
    def confirmed(self) -> ClassifiedConfirmed | None:
        """What the author of this request confirmed and no transaction has kept yet."""
        path = self.request.path if self.route.action != PUBLIC else self.route.path  # a link's token is a secret
        return ClassifiedConfirmed(form=f"{self.route.method} {path}", warnings=self._seen) if self._seen else None

    async def submit(self, what: str, payload: bytes, sender: Source, channel: Channel) -> Receipt:
        """Give a message to the intake, with what its author confirmed, and wait for its receipt."""
        return await self.hub.intake.submit(what, payload, sender, channel, self.confirmation())

    def confirmation(self) -> Confirmation | None:
        """What the author of this request confirmed, for the message that it is about; it is chained with that message alone."""
        confirmed, self._seen = self.confirmed, ()
        return Confirmation(self.who, confirmed) if confirmed is not None else None

    def look_over(self, value: Any) -> None:
        """Refuse what must not be entered here (`classified`), and what may not until its author has seen the warnings (`Unconfirmed`).

        A device is not asked: the intake marks what it sends.
        """
        packaged_guard().refuse_in(value)
        if self.actor.kind is not ActorKind.AGENT:
            self.confirm(packaged_guard().warnings(value))

    def confirm(self, hits: tuple[ClassifiedHit, ...], seen: str | None = None) -> None:
        """Demand that these warnings were seen. That they were is chained with what is stored (`transaction`). `seen`: instead of the header."""
        named = (self.request.headers.get(SEEN, "") if seen is None else seen).split(",")
        if any(hit.mark not in named for hit in hits):
            raise Unconfirmed(hits)
        self._seen += warned_of(hits)

    def may(self, action: Action, thing: Thing) -> Decision:
        """The decision, without acting on it."""
        self.asked = True
        return may(self.actor, action, thing, self.now)

    def require(self, action: Action, thing: Thing, *, hidden: bool = False) -> Decision:
        """The decision; raises Denied (403, or 404 where `hidden`) where it is no."""
        decision = self.may(action, thing)
        if not decision.allowed:
            if self.actor.kind is ActorKind.PUBLIC:
                raise NotSignedIn
            raise Denied(decision, action, thing, hidden=hidden)
        return decision


_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def _too_large(route: Route) -> Rejected:
    unit, name = next((unit, name) for unit, name in ((2**20, "MiB"), (10**6, "MB"), (2**10, "KiB"), (10**3, "kB"), (1, "B")) if route.limit_bytes % unit == 0)
    most = f"{route.limit_bytes // unit} {name}"
    return Rejected("too_large", f"内容超过 {most}", f"the body is larger than {most}")


async def read_body(request: web.Request, route: Route) -> Any:
    """The body as the route's struct; raises Rejected."""
    if route.body is None:
        return None
    if request.content_length is not None and request.content_length > route.limit_bytes:
        raise _too_large(route)
    raw = await request.content.read(route.limit_bytes + 1)
    while len(raw) <= route.limit_bytes and not request.content.at_eof():
        raw += await request.content.read(route.limit_bytes + 1 - len(raw))
    if route.body is bytes:
        if len(raw) > route.limit_bytes:
            raise _too_large(route)
        return raw
    return wire.decode(raw, route.body, limit_bytes=route.limit_bytes)


def read_query(request: web.Request, route: Route) -> Any:
    """The query string as the route's struct (repeated names become lists); raises Rejected."""
    if route.query is None:
        return None
    listed = {f.encode_name for f in msgspec.structs.fields(route.query) if "list" in str(f.type) or "tuple" in str(f.type)}
    values: dict[str, Any] = {}
    for name in request.query:
        every = request.query.getall(name)
        wire.refuse_controls(every[-1] if len(every) == 1 else every, name)
        values[name] = every if name in listed else every[-1]
    try:
        query = msgspec.convert(values, route.query, strict=False)
    except msgspec.ValidationError as error:
        raise wire.explain(error) from None
    wire.refuse_huge(query)
    wire.refuse_odd_times(query)
    return query


def json_response(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A value as JSON."""
    return web.Response(body=msgspec.json.encode(value), status=status, headers=headers, content_type="application/json", charset="utf-8")


def problem(status: int, code: str, zh: str, en: str, *, field: str | None = None, id: str | None = None,
            retry_after_s: float | None = None, warnings: tuple[ClassifiedHit, ...] = ()) -> web.Response:
    """A refusal with a code and a sentence."""
    headers = {"Retry-After": str(max(1, round(retry_after_s)))} if retry_after_s is not None else None
    return json_response(Problem(code, Message(zh, en), field, id, retry_after_s, warnings), status=status, headers=headers)


_TOLD_BESIDE = (hdrs.ALLOW, hdrs.WWW_AUTHENTICATE)
"""The headers that belong to a refusal: which methods there are, how to show a credential."""


async def answer(ask_for: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """Turn what a handler raises into HTTP. The catch-all of the web: a bug is logged with an id and answered with 500."""
    try:
        return await ask_for()
    except Rejected as error:
        return problem(422, error.code, error.zh, error.en, field=error.field, warnings=error.hits if isinstance(error, Unconfirmed) else ())
    except Unavailable as error:
        return problem(503, error.code, error.zh, error.en, retry_after_s=error.retry_after_s)
    except NotSignedIn:
        return problem(401, "not_signed_in", "请先登录", "sign in first")
    except NotFound:
        return problem(404, "not_found", "没有找到", "there is no such thing here")
    except Denied as error:
        if error.hidden:
            return problem(404, "not_found", "没有找到", "there is no such thing here")
        return problem(403, error.decision.reason_code, error.decision.zh, error.decision.en)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        refusal = problem(error.status, error.reason.lower().replace(" ", "_"), "请求无法处理", error.reason)
        refusal.headers.update({name: error.headers[name] for name in _TOLD_BESIDE if name in error.headers})
        return refusal
    except web.RequestPayloadError:
        return problem(400, "malformed_body", "正文与其声明的编码不符", "the body is not in the encoding that it names")
    except Exception:
        number = new_id()
        log.exception("a request failed", extra={"problem": number})
        return problem(500, "internal", f"内部错误，编号 {number}，请告知管理员", f"an internal error; tell the administrator {number}", id=number)


def refuse_without_role(actor: Actor, route: Route) -> None:
    """Raise NotSignedIn or Denied for whoever holds none of the route's acts, whatever the object."""
    if route.action == PUBLIC or any(actor.permits.get(action) for action in (Action(route.action), *route.also)):
        return
    if actor.kind is ActorKind.PUBLIC:
        raise NotSignedIn
    raise Denied(REFUSED_BY_ROLE, Action(route.action), HUB)


async def handle(hub: Services, route: Route, request: web.Request) -> web.StreamResponse:
    """Authenticate, decode, call, encode; a refusal is chained before it is answered."""
    actor = await hub.authenticate(request, route)
    try:
        return await _answered(hub, route, request, actor)
    except Denied as denied:
        if (guard := hub.extra.get("guard")) is not None:
            await guard.note_refusal(actor, denied.action, denied.thing, denied.decision)
        raise


async def _answered(hub: Services, route: Route, request: web.Request, actor: Actor) -> web.StreamResponse:
    refuse_without_role(actor, route)
    query = read_query(request, route)
    body = await read_body(request, route)
    ask = Ask(hub, request, route, actor, body, query)
    if route.looked_over and route.action != PUBLIC and route.method != "GET":
        for given in (query, body):
            if isinstance(given, Struct):
                ask.look_over(given) if route.asks_to_confirm else packaged_guard().refuse_in(given)
    value = await route.handler(ask)
    if not ask.asked:
        raise AssertionError(f"{route.method} {route.path} answered without asking for permission")
    if ask.confirmed is not None:  # of an act that writes nothing of its own
        async with ask.transaction():
            pass
    if isinstance(value, web.StreamResponse):
        if route.export:
            async with hub.store.transaction() as tx:
                record_view(tx, actor, Action(route.action), [Thing(kind=ThingKind.HUB, id=request.path)], REACHED, reason="导出 / export")
        return value
    if isinstance(value, Answer):
        return json_response(value.value, status=value.status, headers=value.headers)
    return json_response(value if value is not None else Done(), status=route.status)

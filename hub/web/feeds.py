"""Live pictures over HTTP: the stream (WebSocket), the preview, a snapshot, and previews by an expiring link for other players.

`may` decides before the first byte; every view is in the chain before it is shown; a view whose grant has ended is cut within a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import hmac
import logging
import socket as socketlib
import struct
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import msgspec
from aiohttp import WSMsgType, web
from msgspec import Meta, Struct

from hub.clock import parse_utc, utc_text
from hub.domain.access import HUB, Action, Actor, Decision, Thing, may
from hub.domain.camera import CameraMarked, CameraView, ViewEnded, ViewOfCamera, ViewStarted
from hub.errors import Rejected, Unavailable
from hub.ids import exactly, new_id
from hub.store import Store
from hub.store.access import incident_thing
from hub.store.accounts import actor_of_session
from hub.store.cameras import camera_things, get_camera
from hub.store.lease import LEASE
from hub.store.views import any_noted, end_left_behind, keep_open, note_open
from hub.web.route import PUBLIC, Ask, Denied, Done, NotFound, Route
from hub.wire import MediaKind
from streams.fragment import parse_init
from streams.preview import key_picture
from streams.relay import CameraKey, Preview, Relay, Viewer

if TYPE_CHECKING:
    from hub.web.services import Services

log = logging.getLogger("hub.feeds")
SEND_S: Final = 8.0
"""How long one send may take before the viewer counts as stalled (its queue in the relay is bounded meanwhile)."""
WAIT_S: Final = 2.0
"""How old a picture may get in a viewer's queue (a line of 200 kbit/s under 2 Mbit/s): then everything goes, and the next key frame comes."""
UNSENT_BYTES: Final = 65_536
BEAT_S: Final = 3.0
"""How often a viewer is told that the line is there, pictures or none: one that hears nothing for 10 s (more than SEND_S) dials anew."""
NOTES: Final = 4
"""Most notes that wait for a viewer."""
RECHECK_S: Final = 0.5
"""How often every open view is asked about anew, besides at each change that can end a grant."""
SIGNED_S: Final = 5.0
"""How often the session behind an open view is looked up."""
KEPT_S: Final = LEASE.total_seconds() / 3
"""How often this process says that it still serves its open views: their end is known to this much where it is killed."""
ACTOR: Final = "system:views"
PREVIEW_EVERY: Final = timedelta(minutes=10)
"""The previews that a person sees of one camera are one view for so long."""
LINK_MOST_S: Final = 3600
SNAPSHOT_S: Final = 5.0
STILL_S: Final = 3.0
"""How long a link's still waits for a key frame of the main stream (a cold camera with a key frame a second took 1.1 s); then the preview goes out."""
_ENDS: Final = ("incident.", "camera.linked", "camera.unlinked", "share.", "session.", "account.", "appointment.", "policy.", "agreement.",
                "person.", "post.", "agent.revoked", "camera.saved", "department.saved")
"""Changes after which a grant may be gone, or there: every open view is looked at."""
_TAKES: Final = ("incident.state_changed", "camera.linked", "camera.unlinked", "share.ended", "session.ended", "account.saved", "appointment.saved",
                 "person.left", "post.saved", "policy.changed", "agreement.saved", "agent.revoked", "camera.saved", "department.saved")
"""Those of them that take a grant away: whose preview was permitted before one of them does not go on without the store."""


@dataclass(eq=False, slots=True)
class Watching:
    """One open view: who, what, by which decision; `viewer` is its end in the relay, `cut` its other ends.

    `looked_s`: when it was last looked at (monotonic), 0 before the first time: what it was granted by may have ended before it stood among the open.
    """

    view: ViewOfCamera
    actor: Actor
    action: Action
    thing: Thing
    viewer: Viewer | None = None
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    why: str = ""
    looked_s: float = 0.0

    def end(self, why: str) -> None:
        """Cut it now."""
        if not self.why:
            self.why = why
            self.cut.set()
            if self.viewer is not None:
                self.viewer.cut(why)


class Granted(NamedTuple):
    """What a camera was when the store last let somebody see its previews, and when that was."""

    camera: CameraView
    thing: Thing
    at: datetime


class Previewed(NamedTuple):
    """That somebody sees a camera's previews: since when it is chained, and what was decided on."""

    at: datetime
    granted: Granted


class Views:
    """Every open view of this process; run `run()` in a task group. Cuts those that `may` no longer permits."""

    def __init__(self, store: Store, hub: Services) -> None:
        self.store, self.hub = store, hub
        self.open: set[Watching] = set()
        self.cut = 0
        self.owner = new_id()
        self._ending: set[str] = set()
        self.previewed: dict[tuple[str, str], Previewed] = {}
        self._ended_at = datetime.min.replace(tzinfo=UTC)

    @contextlib.asynccontextmanager
    async def watching(self, ask: Ask, camera: CameraView, thing: Thing, decision: Decision, how: str) -> AsyncIterator[Watching]:
        """A view from its first moment to its last, chained at both; raises Unavailable where it cannot be chained."""
        view = ViewOfCamera(
            id=new_id(), camera_id=camera.id, person_id=ask.actor.id, how=how, reason_code=decision.reason_code, reason=thing.reason,
            incident_id=_incident_of(thing), from_at=utc_text(ask.now), address=ask.actor.address)
        one = Watching(view, ask.actor, Action.CAMERA_WATCH, thing)
        self.open.add(one)
        try:
            await self._chain(one, ViewStarted(view=view))
            yield one
        finally:
            self._ending.add(view.id)
            self.open.discard(one)
            ended = msgspec.structs.replace(view, to_at=utc_text(self.hub.clock.now()), ended=one.why or "left")
            await asyncio.shield(self._end(one, ended))

    async def _end(self, one: Watching, view: ViewOfCamera) -> None:
        try:
            for _ in range(30):
                try:
                    return await self._chain(one, ViewEnded(view=view))
                except Unavailable:
                    await asyncio.sleep(2)
        finally:
            self._ending.discard(view.id)

    async def _chain(self, one: Watching, body: ViewStarted | ViewEnded) -> None:
        spool = self.hub.extra.get("spool")
        if spool is not None and isinstance(body, ViewEnded):  # it was granted and seen: without the store it goes to the synced spool
            await spool.record(body, actor=one.actor.addressed, subject=f"camera:{one.view.camera_id}", incident_id=one.view.incident_id,
                               department_id=one.actor.department_id)
            return
        async with self.store.transaction(urgent=isinstance(body, ViewStarted), brief=True) as tx:  # somebody looks at a black tile until it is chained
            tx.record(body, actor=one.actor.addressed, subject=f"camera:{one.view.camera_id}", incident_id=one.view.incident_id,
                      department_id=one.actor.department_id)
            if isinstance(body, ViewStarted):
                await note_open(tx, body.view, self.owner, one.actor.department_id)

    async def note_preview(self, ask: Ask, granted: Granted, decision: Decision) -> None:
        """Chain that a person sees a camera's previews: once for ten minutes. One who has seen them goes on without the store, by the spool."""
        camera, key = granted.camera, (ask.actor.id, granted.camera.id)
        last = self.previewed.get(key)
        if last is not None and ask.now - last.at < PREVIEW_EVERY:
            self.previewed[key] = Previewed(last.at, granted)
            return
        goes_on = self.granted_before(ask.actor, camera.id, ask.now) is not None
        self.previewed[key] = Previewed(ask.now, granted)
        if len(self.previewed) > 20_000:
            self.previewed.pop(next(iter(self.previewed)))
        view = ViewOfCamera(id=new_id(), camera_id=camera.id, person_id=ask.actor.id, how="preview", reason_code=decision.reason_code,
                            incident_id=_incident_of(granted.thing), from_at=utc_text(ask.now), to_at=utc_text(ask.now + PREVIEW_EVERY),
                            address=ask.actor.address)
        told: dict[str, Any] = {"actor": ask.who, "subject": f"camera:{camera.id}", "department_id": ask.actor.department_id}
        spool = self.hub.extra.get("spool")
        try:
            if spool is not None and goes_on:
                await spool.record(ViewStarted(view=view), **told)
                return
            async with self.store.transaction() as tx:
                tx.record(ViewStarted(view=view), **told)
        except Unavailable:
            del self.previewed[key]
            raise

    def granted_before(self, actor: Actor, camera_id: str, now: datetime) -> Granted | None:
        """What the store let somebody see of a camera a short time ago, where nothing has happened since that may have ended it."""
        last = self.previewed.get((actor.id, camera_id))
        holds = last is not None and now - last.at < 2 * PREVIEW_EVERY and last.granted.at > self._ended_at
        return last.granted if last is not None and holds else None

    async def run(self) -> None:
        """Watch over the open views for ever; those that a killed process left behind are ended."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_over(), name="views.check")
            group.create_task(self._keep_for_ever(), name="views.keep")

    async def _watch_over(self) -> None:
        seq, fresh = self.store.seen, False
        while True:
            await self.store.grown(seq, within_s=RECHECK_S)
            try:
                changes = await self.store.tail.after(seq, 1000)
                if changes:
                    seq = changes[-1].seq
                if any(c.kind in _TAKES for c in changes):
                    self._ended_at = self.hub.clock.now()
                fresh = fresh or any(c.kind.startswith(_ENDS) for c in changes)
                if self.open:
                    await self._check(fresh=fresh)
                fresh = False  # only once it is looked at: a store that was away at that moment hides no end
            except Unavailable:
                self._decide()  # the pictures go on, and what ends by the clock ends
                await asyncio.sleep(0.5)
            await asyncio.sleep(0.05)

    async def _keep_for_ever(self) -> None:
        while True:
            with contextlib.suppress(Unavailable):
                await self._keep()
            await asyncio.sleep(KEPT_S)

    async def _keep(self) -> None:
        """Say which views this process serves, and end those of processes that are no more."""
        async with self.store.read() as conn:
            if not await any_noted(conn):
                return
        async with self.store.transaction() as tx:
            await keep_open(tx, self.owner, {one.view.id for one in self.open} | self._ending)
            await end_left_behind(tx, self.owner, alone=self.store.is_sqlite, by=ACTOR)

    async def _check(self, *, fresh: bool) -> None:
        steady = time.monotonic()
        views = list(self.open)
        await self._read_things([one for one in views if fresh or not one.looked_s])
        async with self.store.read() as conn:
            policy = (await self.hub.policies.read(conn)).access if fresh else None
            for one in views:
                if not fresh and one.looked_s and steady - one.looked_s <= SIGNED_S:
                    continue
                if one.actor.session_id is not None:
                    policy = policy or (await self.hub.policies.read(conn)).access
                    idle = timedelta(seconds=self.hub.settings.session_idle_s)
                    actor = await actor_of_session(conn, policy, self.hub.clock.now(), idle=idle, session_id=one.actor.session_id,
                                                   address=one.actor.address)
                    if actor is None:
                        self._cut(one, "signed_out")
                        continue
                    one.actor = actor
                one.looked_s = steady
        self._decide()

    def _decide(self) -> None:
        now = self.hub.clock.now()
        for one in list(self.open):
            decision = may(one.actor, one.action, one.thing, now)
            if not decision.allowed:
                self._cut(one, str(decision.reason_code))

    async def _read_things(self, views: list[Watching]) -> None:
        if not views:
            return
        async with self.store.read() as conn:
            for one in views:
                camera = await get_camera(conn, one.view.camera_id)
                if camera is None:
                    self._cut(one, "unknown_camera")
                    continue
                one.thing = (await camera_things(conn, [camera], reason=one.thing.reason))[camera.id]

    def _cut(self, one: Watching, why: str) -> None:
        self.cut += 1
        one.end(why)


def _incident_of(thing: Thing) -> str | None:
    """The incident a view counts for: the newest open one that links the camera."""
    return next((incident.id for incident in sorted(thing.incidents, key=lambda i: i.id, reverse=True) if not incident.closed), None)


class FeedQuery(Struct, frozen=True, kw_only=True):
    """`quality`: main, sub or h264 (transcoded at the agent, counted); `fragment_s`: 0 a message a picture, up to 1 for walls; `reason` stated."""

    quality: Annotated[str, Meta(pattern=exactly("(main|sub|h264)"))] = "main"
    fragment_s: Annotated[float, Meta(ge=0, le=1)] = 0.0
    reason: Annotated[str, Meta(max_length=500)] = ""


class LinkBody(Struct, frozen=True, kw_only=True):
    """For how long (at most an hour), and why."""

    reason: Annotated[str, Meta(max_length=500)] = ""
    minutes: Annotated[int, Meta(ge=1, le=60)] = 15


class FeedLink(Struct, frozen=True, kw_only=True):
    """Where other programs find the pictures (`still=1` for one JPEG), and until when."""

    path: str
    expires_at: str


class StillQuery(Struct, frozen=True, kw_only=True):
    """`still`: one JPEG and not a stream of them: the newest key frame in full size, or the preview (`X-Picture` says which)."""

    still: bool = False


class MarkBody(Struct, frozen=True, kw_only=True):
    """Which incident's timeline, which moment (the agent's clock, ms), what was seen."""

    incident_id: Annotated[str, Meta(max_length=36)]
    wall_ms: Annotated[int, Meta(ge=0, le=2**53)]
    text: Annotated[str, Meta(min_length=1, max_length=500)]


def relay_of(hub: Services) -> Relay:
    """The relay of this process; raises Unavailable where it has none."""
    relay: Relay | None = hub.extra.get("relay")
    if relay is None:
        raise Unavailable("no_media_line", "本进程没有视频通道", "this process has no way to the cameras")
    return relay


def views_of(hub: Services) -> Views:
    """The open views of this process."""
    views: Views = hub.extra["views"]
    return views


async def camera_of(ask: Ask, *, reason: str = "") -> tuple[CameraView, Thing]:
    """The camera of the path as `may` takes it; raises NotFound."""
    async with ask.store.read(brief=True) as conn:
        camera = await get_camera(conn, f"{ask.path['agent']}/{ask.path['camera']}")
        if camera is None:
            ask.require(ask.route.action if isinstance(ask.route.action, Action) else Action.CAMERA_LIST, Thing(kind=HUB.kind, reason=reason))
            raise NotFound
        return camera, (await camera_things(conn, [camera], reason=reason))[camera.id]


async def stream(ask: Ask) -> web.StreamResponse:
    """The live stream: one JSON text first, then the agent's messages as they came (14-byte header, body); the close says why it ended.

    JSON texts in between (`note`) say why pictures are left out: `slow_line` (this viewer's own), `flood` (the agent sends too much); `beat`, every few
    seconds, that the line is there although no picture comes.
    """
    query: FeedQuery = ask.query
    camera, thing = await camera_of(ask, reason=query.reason.strip())
    decision = ask.require(Action.CAMERA_WATCH, thing)
    relay = relay_of(ask.hub)
    key = CameraKey(camera.agent_id, camera.camera_id)
    views = views_of(ask.hub)
    socket = web.WebSocketResponse(heartbeat=20, max_msg_size=4096, compress=False)
    # the camera is asked to start before the view is chained; nothing is sent to anybody until it is
    async with relay.watch(key, name=f"view:{ask.actor.id}", quality=query.quality, fragment_s=query.fragment_s, queue_s=WAIT_S) as viewer, \
            views.watching(ask, camera, thing, decision, "stream") as one:
        one.viewer = viewer
        await socket.prepare(ask.request)
        _keep_little(ask.request.transport)
        hello = {"type": "hello", "camera": camera, "view": one.view.id, "incident_id": one.view.incident_id, "now": utc_text(ask.hub.clock.now())}
        await socket.send_str(msgspec.json.encode(hello).decode())
        await _pump(ask.request.transport, socket, viewer, one)
        if not one.why:
            one.why = viewer.ended or "left"
    if not socket.closed:
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(0.3):
                await socket.close(code=4001, message=one.why.encode()[:120])
        if ask.request.transport is not None:
            ask.request.transport.abort()
    return socket


async def _pump(transport: asyncio.WriteTransport | None, socket: web.WebSocketResponse, viewer: Viewer, one: Watching) -> None:
    viewer.direct = _direct(transport)
    notes: asyncio.Queue[str] = asyncio.Queue(NOTES)
    viewer.told = functools.partial(_note, notes)
    noting = asyncio.create_task(_tell(socket, notes, one), name="feed.notes")
    sending = asyncio.create_task(_send(socket, viewer), name="feed.send")
    closing = asyncio.create_task(_closed(socket), name="feed.closed")
    cutting = asyncio.create_task(one.cut.wait(), name="feed.cut")
    try:
        done, _ = await asyncio.wait({sending, closing, cutting}, return_when=asyncio.FIRST_COMPLETED)
        if sending in done and (error := sending.exception()) is not None and not one.why:
            one.why = "too_slow" if isinstance(error, TimeoutError) else "left"
    finally:
        viewer.direct = None
        for task in (sending, closing, cutting, noting):
            task.cancel()
        await asyncio.gather(sending, closing, cutting, noting, return_exceptions=True)


def _note(notes: asyncio.Queue[str], code: str) -> None:
    with contextlib.suppress(asyncio.QueueFull):  # there is enough to say already
        notes.put_nowait(code)


async def _tell(socket: web.WebSocketResponse, notes: asyncio.Queue[str], one: Watching) -> None:
    """Say to the viewer that the line is there, and why pictures are left out, that once in the log too."""
    said: set[str] = set()
    while True:
        try:
            async with asyncio.timeout(BEAT_S):
                code = await notes.get()
        except TimeoutError:
            with contextlib.suppress(ConnectionError):
                await socket.send_str('{"type":"beat"}')
            continue
        if code not in said:
            said.add(code)
            log.warning("pictures are left out", extra={"why": code, "camera": one.view.camera_id, "person": one.view.person_id, "view": one.view.id})
        with contextlib.suppress(ConnectionError):
            await socket.send_str(msgspec.json.encode({"type": "note", "code": code}).decode())


def _keep_little(transport: asyncio.WriteTransport | None) -> None:
    """On a slow line old pictures must not wait in the kernel, where nothing can drop them any more."""
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is not None and hasattr(socketlib, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socketlib.IPPROTO_TCP, socketlib.TCP_NOTSENT_LOWAT, UNSENT_BYTES)


def _direct(transport: asyncio.WriteTransport | None) -> Callable[[bytes], bool]:
    """Writes a message to the socket as one binary frame (RFC 6455, 5.2), without a task, while everything before has left."""

    def write(message: bytes) -> bool:
        if transport is None or transport.is_closing() or transport.get_write_buffer_size():
            return False
        size = len(message)
        head = struct.pack(">BBH", 0x82, 126, size) if 126 <= size < 65_536 else (
            struct.pack(">BBQ", 0x82, 127, size) if size >= 65_536 else bytes((0x82, size)))
        transport.write(head + message)
        return True

    return write


async def _send(socket: web.WebSocketResponse, viewer: Viewer) -> None:
    loop = asyncio.get_running_loop()
    async for chunk in viewer:
        sending = socket.send_bytes(chunk.message)
        timer = loop.call_later(SEND_S, viewer.cut, "too_slow")
        try:
            await sending
        finally:
            timer.cancel()


async def _closed(socket: web.WebSocketResponse) -> None:
    async for message in socket:
        if message.type is WSMsgType.ERROR:
            return


async def preview(ask: Ask) -> web.StreamResponse:
    """The last small picture; `X-Age-Ms` is how old it is, `X-Wall-Ms` when the agent took it."""
    views = views_of(ask.hub)
    try:
        granted = Granted(*await camera_of(ask), ask.now)
    except Unavailable:  # a store that is away does not blank the wall of whoever looks at it
        before = views.granted_before(ask.actor, f"{ask.path['agent']}/{ask.path['camera']}", ask.now)
        if before is None:
            raise
        granted = before
    decision = ask.require(Action.CAMERA_PREVIEW, granted.thing)
    held = relay_of(ask.hub).preview(CameraKey(granted.camera.agent_id, granted.camera.camera_id))
    if held is None:
        raise NotFound
    await views.note_preview(ask, granted, decision)
    return _jpeg(held)


def _jpeg(held: Preview) -> web.Response:
    return web.Response(body=held.jpeg, content_type="image/jpeg", headers={
        "X-Age-Ms": str(round(held.age_s(time.monotonic()) * 1000)), "X-Wall-Ms": str(held.wall_ms), "Cache-Control": "no-store"})


async def snapshot(ask: Ask) -> web.StreamResponse:
    """One full-size picture, taken now; 503 where the camera does not answer in five seconds."""
    query: FeedQuery = ask.query
    camera, thing = await camera_of(ask, reason=query.reason.strip())
    decision = ask.require(Action.CAMERA_WATCH, thing)
    relay, key = relay_of(ask.hub), CameraKey(camera.agent_id, camera.camera_id)
    before = relay.preview(key)
    async with views_of(ask.hub).watching(ask, camera, thing, decision, "snapshot"):
        relay.snapshot(key)
        held = await _taken(relay, key, before, camera.width or 0)
    if held is None:
        raise Unavailable("no_picture", "摄像头没有应答，请稍后重试", "the camera does not answer; try again", retry_after_s=2)
    return _jpeg(held)


async def _taken(relay: Relay, key: CameraKey, before: Preview | None, width: int) -> Preview | None:
    end = time.monotonic() + SNAPSHOT_S
    seen = before
    while time.monotonic() < end:
        held = relay.preview(key)
        if held is not None and held is not seen:
            if before is None or width <= 320 or len(held.jpeg) > 1.5 * len(before.jpeg):
                return held
            seen = held
        await asyncio.sleep(0.02)
    return None


# ── for other players ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Token(Struct, frozen=True, array_like=True):
    agent_id: str
    camera_id: str
    session_id: str
    reason: str
    expires_at: str


def _signature(hub: Services, payload: bytes) -> str:
    from hub.operate.secrets import own_secret

    return hmac.new(own_secret(hub.settings.data_path, "feed-links").encode(), payload, hashlib.sha256).hexdigest()


async def make_link(ask: Ask) -> FeedLink:
    """An address that other programs can open without an account until it expires, at most an hour; it ends with its maker's session and grant."""
    body: LinkBody = ask.body
    camera, thing = await camera_of(ask, reason=body.reason.strip())
    ask.require(Action.CAMERA_WATCH, thing)
    if ask.actor.session_id is None:
        raise Rejected("person_needed", "只有登录的人可以签发", "only somebody signed in can make a link")
    expires = utc_text(ask.now + timedelta(seconds=min(LINK_MOST_S, body.minutes * 60)))
    payload = msgspec.json.encode(_Token(camera.agent_id, camera.camera_id, ask.actor.session_id, thing.reason, expires))
    return FeedLink(path=f"/api/v1/feed-links/{payload.hex()}.{_signature(ask.hub, payload)}", expires_at=expires)


async def follow_link(ask: Ask) -> web.StreamResponse:
    """Previews of a link as Motion JPEG (with `still` one JPEG: the newest key frame, else the preview), as long as link, its maker's session and their grant hold."""
    token = await asyncio.to_thread(_read_token, ask)
    async with ask.store.read() as conn:
        policy = (await ask.hub.policies.read(conn)).access
        idle = timedelta(seconds=ask.hub.settings.session_idle_s)
        maker = await actor_of_session(conn, policy, ask.now, idle=idle, session_id=token.session_id, address=ask.actor.address)
        camera = await get_camera(conn, f"{token.agent_id}/{token.camera_id}")
        if maker is None or camera is None:
            raise NotFound
        thing = (await camera_things(conn, [camera], reason=token.reason))[camera.id]
    decision = may(maker, Action.CAMERA_WATCH, thing, ask.now)
    if not decision.allowed:
        raise Denied(decision, Action.CAMERA_WATCH, thing)
    ask.actor = maker
    relay, key = relay_of(ask.hub), CameraKey(camera.agent_id, camera.camera_id)
    async with views_of(ask.hub).watching(ask, camera, thing, decision, "link") as one:
        if ask.query.still:
            return await _still(relay, key)
        return await _mjpeg(ask, relay, key, one, parse_utc(token.expires_at))


async def _still(relay: Relay, key: CameraKey) -> web.Response:
    """The newest key frame in full size where it comes in time and can be decoded, else the last preview; raises NotFound for neither."""
    with contextlib.suppress(TimeoutError, Unavailable, Rejected):
        async with asyncio.timeout(STILL_S), relay.watch(key, name="still") as viewer:
            init: bytes | None = None
            async for chunk in viewer:
                if chunk.kind is MediaKind.INIT:
                    init = parse_init(chunk.body)[1]
                elif init is not None and chunk.key and (picture := await asyncio.to_thread(key_picture, init, chunk.body)) is not None:
                    return web.Response(body=picture, content_type="image/jpeg", headers={
                        "X-Picture": "full", "X-Wall-Ms": str(chunk.wall_ms), "Cache-Control": "no-store"})
    held = relay.preview(key)
    if held is None:
        raise NotFound
    answer = _jpeg(held)
    answer.headers["X-Picture"] = "preview"
    return answer


def _read_token(ask: Ask) -> _Token:
    coded, _, signature = ask.path["token"].partition(".")
    try:
        payload = bytes.fromhex(coded)
        token = msgspec.json.decode(payload, type=_Token)
    except (ValueError, msgspec.DecodeError):
        raise NotFound from None
    if not hmac.compare_digest(signature.encode(), _signature(ask.hub, payload).encode()) or parse_utc(token.expires_at) <= ask.now:
        raise NotFound
    return token


async def _mjpeg(ask: Ask, relay: Relay, key: CameraKey, one: Watching, until: Any) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "multipart/x-mixed-replace; boundary=tocsin", "Cache-Control": "no-store"})
    await response.prepare(ask.request)
    seen: Preview | None = None
    while not one.cut.is_set() and ask.hub.clock.now() < until:
        held = relay.preview(key)
        if held is not None and held is not seen:
            seen = held
            part = f"--tocsin\r\nContent-Type: image/jpeg\r\nContent-Length: {len(held.jpeg)}\r\nX-Wall-Ms: {held.wall_ms}\r\n\r\n".encode()
            try:
                async with asyncio.timeout(SEND_S):
                    await response.write(part + held.jpeg + b"\r\n")
            except (ConnectionError, TimeoutError):
                return response
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await one.cut.wait()
    one.why = one.why or "expired"
    if ask.request.transport is not None:
        ask.request.transport.close()
    return response


async def mark(ask: Ask) -> Done:
    """Mark a moment of a picture in the timeline of an incident that links the camera."""
    body: MarkBody = ask.body
    camera, seen = await camera_of(ask)
    async with ask.store.read() as conn:
        thing = await incident_thing(conn, body.incident_id)
    if thing is None:
        ask.require(Action.INCIDENT_LIST, HUB)
        raise NotFound
    ask.require(Action.CAMERA_MARK, thing, hidden=True)
    if thing.id not in {incident.id for incident in seen.incidents}:
        raise Rejected("camera_not_linked", "该事件没有关联这路摄像头", "the incident does not link this camera", field="incident_id")
    async with ask.transaction() as tx:
        tx.record(CameraMarked(camera_id=camera.id, wall_ms=body.wall_ms, text=body.text), actor=ask.who, subject=f"camera:{camera.id}",
                  incident_id=thing.id, department_id=thing.department_id, drill=thing.drill)
    return Done()


_ONE = "/api/v1/feeds/{agent}/{camera}"
ROUTES = [
    Route("GET", _ONE, stream, Action.CAMERA_WATCH, query=FeedQuery, zh="实时视频（WebSocket）", en="live video (WebSocket)"),
    Route("GET", _ONE + "/preview.jpg", preview, Action.CAMERA_PREVIEW, goes_on=True, zh="预览图", en="the last preview"),
    Route("POST", _ONE + "/snapshot", snapshot, Action.CAMERA_WATCH, query=FeedQuery, zh="抓拍", en="take a snapshot"),
    Route("POST", _ONE + "/links", make_link, Action.CAMERA_WATCH, body=LinkBody, returns=FeedLink, zh="签发限时播放地址", en="make an expiring link"),
    Route("POST", _ONE + "/mark", mark, Action.CAMERA_MARK, body=MarkBody, returns=Done, zh="标记时刻", en="mark a moment"),
    Route("GET", "/api/v1/feed-links/{token}", follow_link, PUBLIC, query=StillQuery, zh="限时播放地址", en="pictures by an expiring link"),
]

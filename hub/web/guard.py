"""The door of the web: who is asking (cookie or an agent's credential), cross-site requests, rate limits, and the headers of every answer.

It finds out who somebody is; what they may do is decided by `hub.domain.access.may` alone.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from hub.clock import Clock
from hub.domain.access import Action, Actor, Decision, Policy, Thing, packaged_policy
from hub.errors import Unavailable
from hub.settings import Settings
from hub.store import Store
from hub.store.access import PolicyBook, record_refusal
from hub.store.accounts import SEEN_EVERY, actor_of_session, session_seen, token_hash
from hub.store.agents import authenticate_agent

if TYPE_CHECKING:
    from hub.web.route import Route

log = logging.getLogger("hub.web")
COOKIE: Final = "tocsin_session"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_HEADER: Final = "X-Tocsin"
"""A header that no page of another site can send without being asked first (a browser's preflight, which is never answered)."""
REQUESTS_PER_S: Final = 200.0
REQUESTS_BURST: Final = 1000.0
"""How many requests one address may make (our own choice: a command centre of 50 screens behind one address stays far below)."""
REFUSED_PER_S: Final = 0.5
REFUSED_BURST: Final = 20.0
"""How many wrong agent credentials one address may show before it is not looked at."""
REFUSAL_EVERY: Final = timedelta(seconds=60)
"""The same refusal of the same actor is chained at most once a minute, with how often it happened meanwhile."""
_MOST_BUCKETS: Final = 20_000


class Buckets:
    """Token buckets by key, at most 20,000 (the longest unused goes first)."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._held: OrderedDict[str, tuple[float, datetime]] = OrderedDict()

    def take(self, key: str, now: datetime, *, cost: float = 1.0) -> bool:
        """Take a token; False where there is none. With `cost` 0 it only looks."""
        tokens, at = self._held.pop(key, (self._burst, now))
        tokens = min(self._burst, tokens + max(0.0, (now - at).total_seconds()) * self._per_s)
        enough = tokens >= max(cost, 1.0)
        self._held[key] = (tokens - cost if enough else tokens, now)
        if len(self._held) > _MOST_BUCKETS:
            self._held.popitem(last=False)
        return enough


class Guard:
    """Finds out who is asking. One a hub process; it keeps nothing that a restart may not forget."""

    def __init__(self, store: Store, settings: Settings, policies: PolicyBook, clock: Clock) -> None:
        self.store = store
        self.settings = settings
        self.policies = policies
        self.clock = clock
        self.idle = timedelta(seconds=settings.session_idle_s)
        self.requests = Buckets(REQUESTS_PER_S, REQUESTS_BURST)
        self.refused = Buckets(REFUSED_PER_S, REFUSED_BURST)
        self._seen: OrderedDict[str, datetime] = OrderedDict()
        self._known: OrderedDict[str, tuple[Actor, datetime]] = OrderedDict()
        self._told: OrderedDict[tuple[str, str, str, str], tuple[datetime, int]] = OrderedDict()

    async def authenticate(self, request: web.Request, route: Route) -> Actor:
        """Who asks: an agent by its credential, a person by the session cookie, else the public.

        Raises 429 for a flood, 403 for a request from another site, 401 for a wrong agent credential, Unavailable without the store.
        """
        now = self.clock.now()
        address = request.remote or ""
        if not self.requests.take(address, now):
            raise web.HTTPTooManyRequests
        credential = request.headers.get(hdrs.AUTHORIZATION)
        if credential is not None:
            return await self._agent(credential, address, now)
        token = request.cookies.get(COOKIE)
        if route.csrf:
            refuse_other_sites(request, self.settings, signed_in=token is not None)
        try:
            return await self._person(token, address, now)
        except Unavailable:
            if route.action == "public":
                return packaged_policy().public(address)  # health is told all the more where the store is away
            known = self._known.get(token_hash(token)) if token and route.goes_on else None
            if known is None or now - known[1] >= self.idle:
                raise
            return known[0]

    async def _person(self, token: str | None, address: str, now: datetime) -> Actor:
        async with self.store.read(brief=True) as conn:
            policy = (await self.policies.read(conn)).access
            actor = await actor_of_session(conn, policy, now, idle=self.idle, token=token, address=address) if token else None
        if actor is None or token is None:
            self._known.pop(token_hash(token or ""), None)
            return policy.public(address)
        self._known[token_hash(token)] = (actor, now)
        if len(self._known) > _MOST_BUCKETS:
            self._known.popitem(last=False)
        await self._note_seen(actor, now)
        return actor

    async def _note_seen(self, actor: Actor, now: datetime) -> None:
        assert actor.session_id is not None
        last = self._seen.get(actor.session_id)
        if last is not None and now - last < SEEN_EVERY:
            return
        self._seen[actor.session_id] = now
        if len(self._seen) > _MOST_BUCKETS:
            self._seen.popitem(last=False)
        try:
            async with self.store.transaction() as tx:
                await session_seen(tx, actor.session_id)
        except Unavailable:
            return  # a store that cannot be written must not sign the desk out

    async def note_refusal(self, actor: Actor, action: Action, thing: Thing, decision: Decision) -> None:
        """Chain that an act was refused; without the store it stays refused and goes into the log alone."""
        now = self.clock.now()
        key = (actor.addressed, str(action), f"{thing.kind}:{thing.id}", str(decision.reason_code))
        at, times = self._told.pop(key, (now - REFUSAL_EVERY, 0))
        times += 1
        if now - at >= REFUSAL_EVERY:
            try:
                async with self.store.transaction() as tx:
                    record_refusal(tx, actor, action, thing, decision.reason_code, times=times)
                at, times = now, 0
            except Unavailable:
                log.warning("a refusal could not be chained", extra={"actor": actor.addressed, "action": str(action)})
        self._told[key] = (at, times)
        if len(self._told) > _MOST_BUCKETS:
            self._told.popitem(last=False)

    async def _agent(self, credential: str, address: str, now: datetime) -> Actor:
        name, secret = basic_credential(credential)
        if not self.refused.take(address, now, cost=0):
            raise web.HTTPTooManyRequests
        async with self.store.read() as conn:
            policy: Policy = (await self.policies.read(conn)).access
            view = await authenticate_agent(conn, name, secret)
        if view is None:
            self.refused.take(address, now)
            raise web.HTTPUnauthorized(headers={hdrs.WWW_AUTHENTICATE: 'Basic realm="tocsin agents"'})
        return policy.agent(view.id, department_id=view.department_id, enterprise_id=view.enterprise_id)


def basic_credential(header: str) -> tuple[str, str]:
    """User and password of a Basic credential (RFC 7617); raises 401 for anything else."""
    scheme, _, coded = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError
        name, found, secret = base64.b64decode(coded.strip(), validate=True).decode().partition(":")
        if not found:
            raise ValueError
    except (ValueError, binascii.Error):
        raise web.HTTPUnauthorized(headers={hdrs.WWW_AUTHENTICATE: 'Basic realm="tocsin agents"'}) from None
    return name, secret


def refuse_other_sites(request: web.Request, settings: Settings, *, signed_in: bool) -> None:
    """Raise 403 for a writing request or a WebSocket that a page of another site sent (the cookie is SameSite=Strict besides)."""
    websocket = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
    if request.method in SAFE_METHODS and not websocket:
        return
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None:
        hosts = {request.host, urlsplit(settings.public_url).netloc}
        if urlsplit(origin).netloc not in hosts - {""}:
            raise web.HTTPForbidden(reason="Cross-site request")
        return
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        raise web.HTTPForbidden(reason="Cross-site request")
    if signed_in and not websocket and site is None and OWN_HEADER not in request.headers:
        raise web.HTTPForbidden(reason="Cross-site request")


def cookie_of(response: web.StreamResponse, token: str, *, secure: bool, max_age_s: int) -> None:
    """Set the session cookie: no script reads it, no other site sends it, over TLS it is `Secure`."""
    response.set_cookie(COOKIE, token, max_age=max_age_s, path="/", httponly=True, samesite="Strict", secure=secure)


def security_headers(settings: Settings) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """A signal handler that puts the headers on every answer: no inline script, no frame, no guessing of types, nothing cached of the API.

    Styles may be inline (the map and the charts set them); scripts, workers and connections are the hub's own, tiles where they are set.
    """
    tiles = urlsplit(settings.tile_url)
    other = f" {tiles.scheme}://{tiles.netloc}" if tiles.scheme in ("http", "https") and tiles.netloc else ""
    policy = "; ".join((
        "default-src 'self'", "script-src 'self'", "style-src 'self' 'unsafe-inline'", f"img-src 'self' data: blob:{other}",
        "media-src 'self' blob:", "worker-src 'self' blob:", f"connect-src 'self'{other}", "font-src 'self' data:", "object-src 'none'",
        "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'",
    ))
    fixed = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(self), geolocation=(self), microphone=(), payment=(), usb=()",
    }

    async def put(request: web.Request, response: web.StreamResponse) -> None:
        for name, value in fixed.items():
            response.headers.setdefault(name, value)
        if request.secure:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if request.path.startswith("/api/"):
            response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
        response.headers.popall(hdrs.SERVER, None)

    return put

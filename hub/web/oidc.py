"""Sign-in by an OpenID Connect provider: authorization code with PKCE (RFC 7636), the ID token checked with Authlib against the provider's keys.

A provider says who somebody is; what they may do comes from their posts here. Only an identity that an administrator has bound to an
account signs in: nobody gets an account by having one elsewhere.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import os
from datetime import timedelta
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import msgspec
from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Meta, Struct

from hub.domain.access import HUB, Action, Thing, ThingKind
from hub.domain.organisation import Account
from hub.errors import Rejected, Unavailable
from hub.operate.secrets import given_secret, own_secret
from hub.settings import Settings
from hub.store.accounts import account_by_id, account_by_subject, bind_external, note_failure, open_session
from hub.web.guard import cookie_of
from hub.web.route import PUBLIC, Ask, NotFound, Route

log = logging.getLogger("hub.web")
COOKIE: Final = "tocsin_oidc"
PATH: Final = "/api/v1/sign-in/oidc"
ALGORITHMS: Final = ("RS256", "ES256", "PS256", "EdDSA")
"""Signatures that an ID token may carry; never `none`, never a shared secret."""
FLOW_LIFE: Final = timedelta(minutes=10)
ANSWER_S: Final = 10.0
ANSWER_BYTES: Final = 262_144
LEEWAY_S: Final = 60
SECOND_FACTORS: Final = frozenset({"mfa", "otp", "hwk", "swk", "sms", "face", "fpt"})
"""Values of `amr` (RFC 8176) that count as a second factor shown at the provider."""


class Provider(Struct, frozen=True):
    """The parts of a provider's metadata (OpenID Connect Discovery 1.0, 3) that the flow needs."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class Tokens(Struct, frozen=True):
    """The part of a token answer that the flow needs."""

    id_token: str


class Flow(Struct, frozen=True):
    """One sign-in under way, sealed in a cookie of this browser: the answer must carry the same state, the token the same nonce."""

    state: str
    nonce: str
    verifier: str
    started_s: int


class BackQuery(Struct, frozen=True, kw_only=True):
    """What the provider sends the browser back with."""

    code: Annotated[str, Meta(max_length=2000)] = ""
    state: Annotated[str, Meta(max_length=200)] = ""
    error: Annotated[str, Meta(max_length=200)] = ""


class SubjectBody(Struct, frozen=True, kw_only=True):
    """The identity (`sub`) at the provider."""

    subject: Annotated[str, Meta(min_length=1, max_length=255)]


def _ready(settings: Settings) -> None:
    if not (settings.oidc_issuer and settings.oidc_client_id):
        raise NotFound


def _redirect_uri(ask: Ask) -> str:
    base = ask.hub.settings.public_url or f"{ask.request.scheme}://{ask.request.host}"
    return f"{base.rstrip('/')}{PATH}/back"


# ── talking to the provider ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _fetch(method: str, url: str, **given: Any) -> bytes:
    """The body of a 200; raises Unavailable for anything else. Only HTTPS, but for a provider on this machine."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise Unavailable("provider", "统一身份认证须使用 HTTPS", "the identity provider must be reached by HTTPS")
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as client,
            client.request(method, url, allow_redirects=False, **given) as answer,
        ):
            body = await _bounded(answer)
            if answer.status == 200:
                return body
            log.warning("the identity provider refused", extra={"url": url, "status": answer.status})
    except (aiohttp.ClientError, TimeoutError) as error:
        log.warning("the identity provider did not answer", extra={"url": url, "error": str(error)})
    raise Unavailable("provider", "统一身份认证暂时不可用，可用本地账号登录", "the identity provider is not available; sign in with a local account")


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    """The body, at most 256 KiB of it: what is longer is cut and then does not decode."""
    parts, size = [], 0
    async for part in answer.content.iter_chunked(65_536):
        parts.append(part)
        size += len(part)
        if size > ANSWER_BYTES:
            break
    return b"".join(parts)[:ANSWER_BYTES]


def _read(raw: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise Unavailable("provider", "统一身份认证返回内容有误", f"the identity provider's answer is not valid: {error}") from None


async def _provider(settings: Settings) -> Provider:
    found: Provider = _read(await _fetch("GET", f"{settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration"), Provider)
    if found.issuer != settings.oidc_issuer:
        raise Unavailable("provider", "统一身份认证的签发者不符", "the identity provider names another issuer")
    refuse_downgrade(found)
    return found


def refuse_downgrade(provider: Provider) -> None:
    """Raise Unavailable where a provider that is reached by HTTPS sends the hub on by HTTP, which can only be to services of this machine."""
    secure = provider.issuer.startswith("https://")
    if secure and not all(url.startswith("https://") for url in (provider.authorization_endpoint, provider.token_endpoint, provider.jwks_uri)):
        raise Unavailable("provider", "统一身份认证的各地址须使用 HTTPS", "every address of the identity provider must be HTTPS")


async def _id_token(ask: Ask, provider: Provider, flow: Flow, code: str) -> str:
    settings = ask.hub.settings
    secret = given_secret(settings.oidc_client_secret_file, "OIDC") if settings.oidc_client_secret_file else ""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": _redirect_uri(ask), "client_id": settings.oidc_client_id,
            "code_verifier": flow.verifier}
    credential = base64.b64encode(f"{quote(settings.oidc_client_id, safe='')}:{quote(secret, safe='')}".encode()).decode()
    headers = {"Authorization": f"Basic {credential}"} if secret else {}  # RFC 6749, 2.3.1: both form-encoded
    tokens: Tokens = _read(await _fetch("POST", provider.token_endpoint, data=form, headers=headers), Tokens)
    return tokens.id_token


async def _claims(ask: Ask, provider: Provider, flow: Flow, token: str) -> dict[str, Any]:
    """The claims of an ID token that holds (OpenID Connect Core 1.0, 3.1.3.7); raises Rejected for one that does not."""
    keys = _read(await _fetch("GET", provider.jwks_uri), dict[str, Any])
    try:
        return await asyncio.to_thread(
            check_token, token, keys, issuer=provider.issuer, client_id=ask.hub.settings.oidc_client_id, nonce=flow.nonce,
            now_s=int(ask.now.timestamp()))
    except ValueError as error:
        raise Rejected("token_invalid", f"身份令牌无效：{error}", f"the ID token is not valid: {error}") from None


def check_token(token: str, keys: dict[str, Any], *, issuer: str, client_id: str, nonce: str, now_s: int) -> dict[str, Any]:
    """Check signature, issuer, audience, authorised party, times and nonce; gives the claims. Raises ValueError."""
    from authlib.oidc.core import CodeIDToken  # 60 ms, needed by this way of signing in alone
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        decoded = jwt.decode(token, KeySet.import_key_set(keys), algorithms=list(ALGORITHMS))  # type: ignore[arg-type] # plain JSON
        claims = CodeIDToken(
            decoded.claims, decoded.header, params={"nonce": nonce, "client_id": client_id},
            options={"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}, "sub": {"essential": True}})
        claims.validate(now=now_s, leeway=LEEWAY_S)
    except (JoseError, TypeError, KeyError) as error:
        raise ValueError(str(error) or type(error).__name__) from None
    return dict(claims)


# ── the flow ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _sealed(flow: Flow, settings: Settings) -> str:
    nonce = os.urandom(12)
    return base64.urlsafe_b64encode(nonce + AESGCM(_key(settings)).encrypt(nonce, msgspec.json.encode(flow), b"oidc")).decode()


def _opened(sealed: str, settings: Settings) -> Flow | None:
    try:
        raw = base64.urlsafe_b64decode(sealed)
        return msgspec.json.decode(AESGCM(_key(settings)).decrypt(raw[:12], raw[12:], b"oidc"), type=Flow)
    except (ValueError, InvalidTag, msgspec.DecodeError):
        return None


def _key(settings: Settings) -> bytes:
    return hashlib.sha256(own_secret(settings.data_path, "oidc-flow").encode()).digest()


def _random() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()


async def start(ask: Ask) -> web.StreamResponse:
    """Send the browser to the provider."""
    from authlib.oauth2.rfc7636 import create_s256_code_challenge

    ask.require(Action.SIGN_IN, HUB)
    settings = ask.hub.settings
    _ready(settings)
    provider = await _provider(settings)
    flow = Flow(_random(), _random(), _random(), int(ask.now.timestamp()))
    asked = {"response_type": "code", "client_id": settings.oidc_client_id, "redirect_uri": _redirect_uri(ask), "scope": "openid",
             "state": flow.state, "nonce": flow.nonce, "code_challenge": create_s256_code_challenge(flow.verifier),
             "code_challenge_method": "S256"}
    joint = "&" if urlsplit(provider.authorization_endpoint).query else "?"
    response = web.Response(status=302, headers={"Location": f"{provider.authorization_endpoint}{joint}{urlencode(asked)}"})
    response.set_cookie(COOKIE, _sealed(flow, settings), max_age=int(FLOW_LIFE.total_seconds()), path=PATH, httponly=True, samesite="Lax",
                        secure=_redirect_uri(ask).startswith("https:"))
    return response


async def back(ask: Ask) -> web.StreamResponse:
    """The browser is back: check the answer, exchange the code, check the token, open a session, go to the console."""
    ask.require(Action.SIGN_IN, HUB)
    settings = ask.hub.settings
    _ready(settings)
    flow = _opened(ask.request.cookies.get(COOKIE, ""), settings)
    if flow is None or ask.now.timestamp() - flow.started_s > FLOW_LIFE.total_seconds():
        raise Rejected("flow_expired", "登录已过期，请重新开始", "the sign-in has expired; begin again")
    if not hmac.compare_digest(flow.state.encode(), ask.query.state.encode()):
        raise Rejected("flow_state", "登录请求不是本浏览器发起的", "this sign-in was not begun by this browser", field="state")
    if ask.query.error or not ask.query.code:
        raise Rejected("provider_refused", "统一身份认证拒绝了登录", "the identity provider refused the sign-in", field="error")
    provider = await _provider(settings)
    claims = await _claims(ask, provider, flow, await _id_token(ask, provider, flow, ask.query.code))
    return await _enter(ask, provider.issuer, str(claims["sub"]), second_factor=bool(SECOND_FACTORS & set(map(str, claims.get("amr") or ()))))


async def _enter(ask: Ask, issuer: str, subject: str, *, second_factor: bool) -> web.StreamResponse:
    address = ask.request.remote or ""
    async with ask.store.read() as conn:
        who = await account_by_subject(conn, issuer, subject)
    if who is None or who.account.disabled:
        async with ask.transaction() as tx:
            await note_failure(tx, f"oidc:{subject}", who.account.id if who else None, address, reason="not_bound")
        raise Rejected("not_bound", "该身份未绑定本中心账号，请联系系统管理员", "this identity is bound to no account here; ask the system administrator")
    async with ask.transaction() as tx:
        _, token = await open_session(
            tx, who.account, address=address, client=ask.request.headers.get("User-Agent", ""), method="oidc", second_factor=second_factor,
            life=timedelta(seconds=ask.hub.settings.session_max_s))
    response = web.Response(status=302, headers={"Location": "/"})
    cookie_of(response, token, secure=_redirect_uri(ask).startswith("https:"), max_age_s=ask.hub.settings.session_max_s)
    response.del_cookie(COOKIE, path=PATH)
    return response


async def bind(ask: Ask) -> Account:
    """Bind an identity of the provider to an account."""
    ask.require(Action.ADMIN_ACCOUNTS, Thing(kind=ThingKind.ACCOUNT, id=ask.path["id"]))
    _ready(ask.hub.settings)
    async with ask.transaction() as tx:
        if await account_by_id(tx.conn, ask.path["id"]) is None:
            raise NotFound
        return await bind_external(tx, ask.path["id"], ask.hub.settings.oidc_issuer, ask.body.subject, by=ask.who)


ROUTES = [
    Route("GET", PATH, start, PUBLIC, status=302, zh="统一身份认证登录", en="sign in by the identity provider"),
    Route("GET", f"{PATH}/back", back, PUBLIC, query=BackQuery, status=302, zh="统一身份认证返回", en="back from the identity provider"),
    Route("POST", "/api/v1/accounts/{id}/external", bind, Action.ADMIN_ACCOUNTS, body=SubjectBody, returns=Account, zh="绑定统一身份",
          en="bind an identity of the provider"),
]

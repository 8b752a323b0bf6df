"""Sign-in over HTTP: password, one-time link, one-time code; one's own sessions, password and second factor.

Failures wait longer each time (`hub.store.accounts`), never long at an address that the account knows: nobody can lock the desk out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from datetime import datetime, timedelta
from typing import Annotated

import pyotp
from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Meta, Struct

from hub import __version__
from hub.clock import utc_text
from hub.domain.access import HUB, Action, Actor, Thing, ThingKind
from hub.domain.organisation import Account, Session
from hub.errors import Rejected
from hub.operate.secrets import own_secret
from hub.settings import Settings
from hub.store import Transaction
from hub.store.access import Policies
from hub.store.accounts import (
    Secrets,
    account_by_id,
    account_by_login,
    actor_of_session,
    begin_second_factor,
    check_password,
    confirm_second_factor,
    end_sessions,
    get_session,
    hash_password,
    list_sessions,
    note_failure,
    open_session,
    password_matches,
    rename_login,
    set_password,
    show_second_factor,
    use_link,
    use_step,
    wait_for,
)
from hub.web.guard import COOKIE, cookie_of
from hub.web.route import PUBLIC, Answer, Ask, Done, NotFound, NotSignedIn, Route, json_response, refusing, wait

Login = Annotated[str, Meta(max_length=64)]
Password = Annotated[str, Meta(max_length=256)]
Code = Annotated[str, Meta(max_length=12)]
STEP_S = 30


class SignInBody(Struct, frozen=True, kw_only=True):
    """Account and password, and the one-time code where the account has a second factor."""

    account: Login
    password: Password
    totp: Code | None = None


class WelcomeBody(Struct, frozen=True, kw_only=True):
    """A one-time link's token, the account's name (empty: as it is) and the password that it shall have."""

    token: Annotated[str, Meta(min_length=20, max_length=100)]
    password: Password
    account: Login = ""


class PersonView(Struct, frozen=True, kw_only=True):
    """Who is signed in."""

    id: str
    name: str
    account: str


class HubBrief(Struct, frozen=True, kw_only=True):
    """The hub, as the console shows it; `demo`: it runs the demo district, where everything is invented."""

    id: str
    name: str
    version: str
    tile_url: str
    demo: bool = False


class SignedIn(Struct, frozen=True, kw_only=True):
    """Who is signed in, with which posts, and what they may do (each act is decided again when it is done).

    `second_factor`: shown | needed (some post waits for the code) | missing (some post needs one to be set up) | none.
    """

    person: PersonView
    posts: list[str]
    roles: list[str]
    department_id: str | None
    enterprise_id: str | None
    permissions: list[str]
    hub: HubBrief
    must_set_password: bool
    second_factor: str
    session_id: str
    now: str


class PasswordBody(Struct, frozen=True, kw_only=True):
    """The password that was (empty where there was none) and the one that shall be."""

    old: Password = ""
    new: Password


class CodeBody(Struct, frozen=True, kw_only=True):
    """A one-time code of six digits."""

    code: Code


class NewFactor(Struct, frozen=True, kw_only=True):
    """A second factor to be confirmed: the secret to type and the address for the authenticator's QR code. Shown once."""

    secret: str
    uri: str


class SessionsView(Struct, frozen=True, kw_only=True):
    """One's open sessions; `current` is the one that asks."""

    items: list[Session]
    current: str


# ── the second factor ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _key(settings: Settings) -> bytes:
    return hashlib.sha256(own_secret(settings.data_path, "second-factor").encode()).digest()


def seal(secret: str, account_id: str, settings: Settings) -> str:
    """A second factor's secret as it is stored: AES-256-GCM under the hub's own key, bound to the account."""
    nonce = os.urandom(12)
    return base64.b64encode(nonce + AESGCM(_key(settings)).encrypt(nonce, secret.encode(), account_id.encode())).decode()


def unseal(sealed: str, account_id: str, settings: Settings) -> str:
    """The secret again; raises `Rejected` where the hub's key is another one."""
    raw = base64.b64decode(sealed)
    try:
        return AESGCM(_key(settings)).decrypt(raw[:12], raw[12:], account_id.encode()).decode()
    except InvalidTag:
        raise Rejected("second_factor_unreadable", "动态口令密钥无法解密，请安全管理员重置", "the second factor cannot be read; have it reset") from None


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code this is (RFC 6238, one step of tolerance either way), or None."""
    at = int(now.timestamp()) // STEP_S
    totp = pyotp.TOTP(secret)
    for step in (at, at - 1, at + 1):
        if hmac.compare_digest(totp.at(step * STEP_S).encode(), code.strip().encode()):
            return step
    return None


# ── signing in ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _wrong() -> Answer:
    return refusing(401, "wrong_password", "账号、密码或动态口令不正确", "the account, the password or the code is wrong", field="password")


async def sign_in(ask: Ask) -> Answer | web.StreamResponse:
    """Open a session by password. An unknown account, a wrong password and a wrong code are the same answer, after the same time."""
    ask.require(Action.SIGN_IN, HUB)
    body: SignInBody = ask.body
    address = ask.request.remote or ""
    async with ask.store.read() as conn:
        who = await account_by_login(conn, body.account)
        wait_s = await wait_for(conn, body.account, who.account.id if who else None, address, ask.now)
    if wait_s > 0:
        return wait(wait_s)
    matched = await password_matches(body.password, who.password_hash if who and not who.account.disabled else None)
    if who is None or not matched:
        return await _failed(ask, body.account, who, address, "wrong_password")
    if who.totp_sealed is not None and not body.totp:
        return refusing(401, "second_factor_needed", "请输入动态口令", "enter the one-time code", field="totp")
    step = step_of(unseal(who.totp_sealed, who.account.id, ask.hub.settings), body.totp, ask.now) if who.totp_sealed and body.totp else None
    if who.totp_sealed is not None and step is None:
        return await _failed(ask, body.account, who, address, "wrong_code")
    async with ask.transaction() as tx:
        if step is not None and not await use_step(tx, who.account.id, step):
            await note_failure(tx, body.account, who.account.id, address, reason="code_used")
            return _wrong()
        opened, token = await _open(ask, tx, who.account, "password", second_factor=step is not None)
    return await _signed_in(ask, opened, token)


async def _failed(ask: Ask, login: str, who: Secrets | None, address: str, reason: str) -> Answer:
    async with ask.transaction() as tx:
        await note_failure(tx, login, who.account.id if who else None, address, reason=reason)
    return _wrong()


async def _open(ask: Ask, tx: Transaction, who: Account, method: str, *, second_factor: bool) -> tuple[Session, str]:
    return await open_session(
        tx, who, address=ask.request.remote or "", client=ask.request.headers.get("User-Agent", ""), method=method,
        second_factor=second_factor, life=timedelta(seconds=ask.hub.settings.session_max_s))


async def _signed_in(ask: Ask, opened: Session, token: str) -> web.StreamResponse:
    async with ask.store.read() as conn:
        policies = await ask.hub.policies.read(conn)
        actor = await actor_of_session(conn, policies.access, ask.now, idle=timedelta(days=1), session_id=opened.id)
        who = await account_by_id(conn, opened.account_id)
    if actor is None or who is None:
        raise NotSignedIn
    response = json_response(_view(ask, actor, who.account, policies))
    cookie_of(response, token, secure=_secure(ask), max_age_s=ask.hub.settings.session_max_s)
    return response


def _secure(ask: Ask) -> bool:
    return ask.request.secure or ask.hub.settings.public_url.startswith("https:")


def _view(ask: Ask, actor: Actor, account: Account, policies: Policies) -> SignedIn:
    settings = ask.hub.settings
    held = [str(action) for action, permits in actor.permits.items() if any(actor.second_factor or not p.second_factor for p in permits)]
    wants = any(policies.access.document.roles[role].second_factor for role in actor.roles)
    state = "shown" if actor.second_factor else ("needed" if account.has_second_factor else "missing") if wants else "none"
    return SignedIn(
        person=PersonView(id=actor.id, name=actor.name, account=account.login), posts=[post.id for post in actor.posts],
        roles=sorted(actor.roles), department_id=actor.department_id, enterprise_id=actor.enterprise_id, permissions=sorted(held),
        hub=HubBrief(id=settings.hub_id, name=settings.hub_name, version=__version__, tile_url=settings.tile_url,
                     demo=settings.demo),
        must_set_password=not account.has_password and not account.external, second_factor=state, session_id=actor.session_id or "",
        now=utc_text(ask.now),
    )


async def welcome(ask: Ask) -> web.StreamResponse:
    """Sign in by a one-time link and set the account's password; the link is used up only where all of it succeeds."""
    ask.require(Action.SIGN_IN, HUB)
    body: WelcomeBody = ask.body
    check_password(body.password, (body.account or "account").strip().lower())
    hashed = await hash_password(body.password)
    async with ask.transaction() as tx:
        who = await use_link(tx, body.token)
        by = f"person:{who.account.person_id}"
        if body.account and body.account.strip().lower() != who.account.login:
            await rename_login(tx, who.account.id, body.account, by=by)
        account = await set_password(tx, who.account.id, hashed, by=by)
        opened, token = await _open(ask, tx, account, "link", second_factor=False)
    return await _signed_in(ask, opened, token)


async def current(ask: Ask) -> SignedIn:
    """Who is signed in."""
    account, policies = await _own(ask, Action.SELF_READ)
    return _view(ask, ask.actor, account.account, policies)


async def _own(ask: Ask, action: Action) -> tuple[Secrets, Policies]:
    ask.require(action, Thing(kind=ThingKind.ACCOUNT, id=ask.actor.account_id or "", person_id=ask.actor.id or None))
    async with ask.store.read() as conn:
        found = await account_by_id(conn, ask.actor.account_id or "")
        policies = await ask.hub.policies.read(conn)
    if found is None:
        raise NotSignedIn
    return found, policies


async def sign_out(ask: Ask) -> web.StreamResponse:
    """End the session that asks."""
    await _own(ask, Action.SELF_READ)
    async with ask.transaction() as tx:
        await end_sessions(tx, session_id=ask.actor.session_id, by=ask.who, reason="signed_out")
    response = json_response(Done())
    response.del_cookie(COOKIE, path="/")
    return response


async def change_password(ask: Ask) -> Answer | Done:
    """Change one's password; every other session of the account ends."""
    who, _ = await _own(ask, Action.SELF_EDIT)
    body: PasswordBody = ask.body
    check_password(body.new, who.account.login)
    async with ask.store.read() as conn:
        wait_s = await wait_for(conn, who.account.login, who.account.id, ask.request.remote or "", ask.now)
    if wait_s > 0:  # with a session that is not one's own, this would be the place to guess
        return wait(wait_s)
    if who.password_hash is not None and not await password_matches(body.old, who.password_hash):
        return await _failed(ask, who.account.login, who, ask.request.remote or "", "wrong_old_password")
    hashed = await hash_password(body.new)
    async with ask.transaction() as tx:
        await set_password(tx, who.account.id, hashed, by=ask.who, keep_session=ask.actor.session_id)
    return Done()


async def begin_factor(ask: Ask) -> NewFactor:
    """Make a second factor; it counts once its first code has confirmed it. An existing one stays until then and must have been shown."""
    who, _ = await _own(ask, Action.SELF_EDIT)
    if who.account.has_second_factor and not ask.actor.second_factor:
        raise Rejected("second_factor_needed", "请先输入现有动态口令", "show the present one-time code first", field="totp")
    secret = pyotp.random_base32()
    async with ask.transaction() as tx:
        await begin_second_factor(tx, who.account.id, seal(secret, who.account.id, ask.hub.settings), by=ask.who)
    uri = pyotp.TOTP(secret).provisioning_uri(name=who.account.login, issuer_name=f"Tocsin {ask.hub.settings.hub_id}")
    return NewFactor(secret=secret, uri=uri)


async def confirm_factor(ask: Ask) -> Answer | Done:
    """Confirm the second factor by its first code."""
    who, _ = await _own(ask, Action.SELF_EDIT)
    if who.totp_pending is None:
        raise Rejected("nothing_to_confirm", "没有待确认的动态口令", "there is no second factor to confirm", field="code")
    step = step_of(unseal(who.totp_pending, who.account.id, ask.hub.settings), ask.body.code, ask.now)
    if step is None:
        return await _failed(ask, who.account.login, who, ask.request.remote or "", "wrong_code")
    async with ask.transaction() as tx:
        await confirm_second_factor(tx, who.account.id, who.totp_pending, step, by=ask.who, session_id=ask.actor.session_id)
    return Done()


async def show_factor(ask: Ask) -> Answer | Done:
    """Show the one-time code in a session that was opened without it (by a link, by an external provider)."""
    who, _ = await _own(ask, Action.SELF_EDIT)
    address = ask.request.remote or ""
    if who.totp_sealed is None or ask.actor.session_id is None:
        raise Rejected("no_second_factor", "尚未设置动态口令", "no second factor is set up", field="code")
    async with ask.store.read() as conn:
        wait_s = await wait_for(conn, who.account.login, who.account.id, address, ask.now)
    if wait_s > 0:
        return wait(wait_s)
    step = step_of(unseal(who.totp_sealed, who.account.id, ask.hub.settings), ask.body.code, ask.now)
    if step is None:
        return await _failed(ask, who.account.login, who, address, "wrong_code")
    async with ask.transaction() as tx:
        if not await use_step(tx, who.account.id, step):
            await note_failure(tx, who.account.login, who.account.id, address, reason="code_used")
            return _wrong()
        await show_second_factor(tx, ask.actor.session_id)
    return Done()


async def own_sessions(ask: Ask) -> SessionsView:
    """One's open sessions."""
    ask.require(Action.SESSION_READ, Thing(kind=ThingKind.SESSION, person_id=ask.actor.id or None))
    async with ask.store.read() as conn:
        items = await list_sessions(conn, ask.now, account_id=ask.actor.account_id or "")
    return SessionsView(items=items, current=ask.actor.session_id or "")


async def revoke_session(ask: Ask) -> Done:
    """End a session: one's own, or anybody's for the security administrator."""
    async with ask.store.read() as conn:
        found = await get_session(conn, ask.path["id"])
    thing = Thing(kind=ThingKind.SESSION, id=ask.path["id"], person_id=found.person_id if found else None)
    if not ask.may(Action.SESSION_REVOKE, thing).allowed:
        ask.require(Action.ADMIN_SESSIONS, thing, hidden=True)
    if found is None or found.ended_at is not None:
        raise NotFound
    async with ask.transaction() as tx:
        await end_sessions(tx, session_id=found.id, by=ask.who, reason="revoked")
    return Done()


ROUTES = [
    Route("POST", "/api/v1/session", sign_in, PUBLIC, body=SignInBody, returns=SignedIn, zh="登录", en="sign in"),
    Route("POST", "/api/v1/session/welcome", welcome, PUBLIC, body=WelcomeBody, returns=SignedIn, zh="凭一次性链接登录并设置密码",
          en="sign in by a one-time link and set a password"),
    Route("GET", "/api/v1/session", current, Action.SELF_READ, returns=SignedIn, zh="当前会话", en="who is signed in"),
    Route("DELETE", "/api/v1/session", sign_out, Action.SELF_READ, returns=Done, zh="退出登录", en="sign out"),
    Route("POST", "/api/v1/session/password", change_password, Action.SELF_EDIT, body=PasswordBody, returns=Done, looked_over=False, zh="修改密码",
          en="change one's password"),
    Route("POST", "/api/v1/session/second-factor", begin_factor, Action.SELF_EDIT, returns=NewFactor, zh="新建动态口令",
          en="make a second factor"),
    Route("POST", "/api/v1/session/second-factor/confirm", confirm_factor, Action.SELF_EDIT, body=CodeBody, returns=Done, zh="确认动态口令",
          en="confirm the second factor"),
    Route("POST", "/api/v1/session/second-factor/show", show_factor, Action.SELF_EDIT, body=CodeBody, returns=Done, zh="出示动态口令",
          en="show the one-time code"),
    Route("GET", "/api/v1/sessions", own_sessions, Action.SESSION_READ, returns=SessionsView, zh="本人会话", en="one's own sessions"),
    Route("DELETE", "/api/v1/sessions/{id}", revoke_session, Action.SESSION_REVOKE, also=(Action.ADMIN_SESSIONS,), returns=Done, zh="撤销会话", en="revoke a session"),
]

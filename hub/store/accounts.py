"""Accounts and sessions in the store: passwords (argon2id), one-time sign-in links, second factors, delays, sessions.

No password ships with the product: the first start makes a one-time link. Every sign-in, refusal and change of an account is in the chain.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import parse_utc, utc_text
from hub.domain.access import Actor, ActorKind, Policy, Role, Scope
from hub.domain.agent import AgentCodeRefused
from hub.domain.organisation import Account, AccountSaved, Post, Session, SessionEnded, SessionOpened, SignInRefused
from hub.errors import Rejected, Unavailable
from hub.ids import new_id
from hub.store.organisation import add_person, appoint, get_post, held_posts, save_post, seed_departments
from hub.store.schema_people import account, known_address, person, session, sign_in_delay, sign_in_link
from hub.store.writer import Store, Transaction

LINK_LIFE: Final = timedelta(hours=24)
"""How long a one-time sign-in link is good (our own choice: one working day)."""
MIN_PASSWORD: Final = 10
"""Shortest password in characters (our own choice; GB/T 22239-2019 8.1.4.1 asks for complexity without a number)."""
SEEN_EVERY: Final = timedelta(seconds=60)
"""How stale `seen_at` may be: a session is not written at every request."""
_LOGIN = re.compile(r"[a-z][a-z0-9._-]{1,39}")
_hasher = PasswordHasher()  # argon2id, RFC 9106 low-memory profile: 64 MiB, 3 passes, 4 lanes
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
_waiting = 0
_MOST_WAITING: Final = 32
"""Most hashes that wait at once: beyond it a sign-in is asked to come back, so that a flood takes neither memory nor the threads."""


# ── secrets ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _in_thread(work: Any, *values: str) -> Any:
    global _waiting
    if _waiting >= _MOST_WAITING:
        raise Unavailable("busy", "登录繁忙，请稍后再试", "too many sign-ins at once; try again", retry_after_s=2)
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, work, *values)
    finally:
        _waiting -= 1


async def hash_password(password: str) -> str:
    """argon2id of a password, in a thread of its own."""
    return str(await _in_thread(_hasher.hash, password))


async def password_matches(password: str, stored: str | None) -> bool:
    """Does the password match? Takes the same time where there is none to match."""
    matched = bool(await _in_thread(_verify, stored or "", password))
    return matched and stored is not None


@cache
def _nobody() -> str:
    """What a sign-in of an unknown login is verified against, so that it takes as long as a known one's."""
    return _hasher.hash(secrets.token_urlsafe(16))


def _verify(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored or _nobody(), password)
    except (VerificationError, InvalidHashError):
        return False


def check_password(password: str, login: str) -> None:
    """Refuse a password that is short, long beyond reason, one character over and over, or the login itself."""
    if not MIN_PASSWORD <= len(password) <= 256:
        raise Rejected("password_weak", f"密码至少 {MIN_PASSWORD} 位", f"a password has at least {MIN_PASSWORD} characters", field="password")
    kinds = sum(bool(re.search(pattern, password)) for pattern in ("[a-z]", "[A-Z]", "[0-9]", "[^a-zA-Z0-9]"))
    if len(set(password)) < 5 or login in password.lower() or (kinds < 3 and len(password) < 16):
        raise Rejected("password_weak", "密码过于简单：请用三类字符或不少于 16 位，且不含登录名",
                       "too simple: use three kinds of characters or at least 16, and not the login", field="password")


def token_hash(token: str) -> str:
    """How a random token (a cookie, a link) is stored: SHA-256, enough because it is 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


# ── accounts ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Secrets(NamedTuple):
    """What signing in needs of an account. Never leaves the server."""

    account: Account
    password_hash: str | None
    totp_sealed: str | None
    totp_pending: str | None
    totp_step: int


def _account(row: Any) -> Account:
    return Account(
        id=row.id, person_id=row.person_id, login=row.login, has_password=row.password_hash is not None,
        has_second_factor=row.totp_sealed is not None, external=row.external_subject is not None, disabled=row.disabled_at is not None,
        created_at=parse_utc(row.created_at),
    )


def _secrets(row: Any) -> Secrets | None:
    return None if row is None else Secrets(_account(row), row.password_hash, row.totp_sealed, row.totp_pending, row.totp_step)


async def account_by_login(conn: AsyncConnection, login: str) -> Secrets | None:
    """The account of a login (not case-sensitive), or None."""
    return _secrets((await conn.execute(select(account).where(account.c.login == login.strip().lower()))).first())


async def account_by_id(conn: AsyncConnection, id: str) -> Secrets | None:
    """The account, or None."""
    return _secrets((await conn.execute(select(account).where(account.c.id == id))).first())


async def account_by_subject(conn: AsyncConnection, issuer: str, subject: str) -> Secrets | None:
    """The account that an external identity (OIDC) is bound to, or None."""
    where = (account.c.external_issuer == issuer, account.c.external_subject == subject)
    return _secrets((await conn.execute(select(account).where(*where))).first())


async def list_accounts(conn: AsyncConnection, *, person_id: str | None = None) -> list[Account]:
    """Accounts by login, without secrets."""
    query = select(account).order_by(account.c.login)
    rows = await conn.execute(query if person_id is None else query.where(account.c.person_id == person_id))
    return [_account(row) for row in rows.all()]


async def open_account(tx: Transaction, person_id: str, login: str, *, by: str) -> Account:
    """Open an account without a password: a one-time link lets its person set one. Raises `Rejected` for a taken or odd login."""
    login = _fresh_login(login)
    if await account_by_login(tx.conn, login) is not None:
        raise Rejected("login_taken", "登录名已被使用", "the login is taken", field="account")
    row = (await tx.conn.execute(select(person.c.left_at).where(person.c.id == person_id))).first()
    if row is None or row.left_at is not None:
        raise Rejected("unknown_person", "没有此人或已离职", "there is no such person, or they have left", field="person_id")
    id = new_id()
    await tx.conn.execute(insert(account).values(id=id, person_id=person_id, login=login, totp_step=0, created_at=tx.at))
    return await _record_account(tx, id, "opened", by)


async def _record_account(tx: Transaction, id: str, act: str, by: str) -> Account:
    found = await account_by_id(tx.conn, id)
    assert found is not None
    tx.record(AccountSaved(account=found.account, act=act), actor=by, subject=f"account:{id}")
    return found.account


async def close_account(tx: Transaction, id: str, *, by: str) -> bool:
    """Disable an account and end its sessions; False where it was disabled."""
    done = await tx.conn.execute(update(account).where(account.c.id == id, account.c.disabled_at.is_(None)).values(disabled_at=tx.at))
    if done.rowcount == 1:
        await end_sessions(tx, account_id=id, by=by, reason="account_closed")
        await _record_account(tx, id, "closed", by)
    return bool(done.rowcount == 1)


async def reopen_account(tx: Transaction, id: str, *, by: str) -> bool:
    """Enable an account again, without its password: a new one-time link is needed."""
    done = await tx.conn.execute(
        update(account).where(account.c.id == id, account.c.disabled_at.is_not(None)).values(disabled_at=None, password_hash=None))
    if done.rowcount == 1:
        await _record_account(tx, id, "reopened", by)
    return bool(done.rowcount == 1)


async def set_password(tx: Transaction, id: str, password_hash: str, *, by: str, keep_session: str | None = None) -> Account:
    """Store a new password's hash (`hash_password`) and end every other session of the account."""
    await tx.conn.execute(update(account).where(account.c.id == id).values(password_hash=password_hash))
    await end_sessions(tx, account_id=id, by=by, reason="password_changed", keep=keep_session)
    return await _record_account(tx, id, "password_set", by)


async def rename_login(tx: Transaction, id: str, login: str, *, by: str) -> None:
    """Give an account another login. Raises `Rejected` for a taken or odd one."""
    login = _fresh_login(login)
    if await account_by_login(tx.conn, login) is not None:
        raise Rejected("login_taken", "登录名已被使用", "the login is taken", field="account")
    await tx.conn.execute(update(account).where(account.c.id == id).values(login=login))
    await _record_account(tx, id, "renamed", by)


def _fresh_login(login: str) -> str:
    login = login.strip().lower()
    if not _LOGIN.fullmatch(login):
        raise Rejected("login_invalid", "登录名须以字母开头，2–40 位小写字母、数字、._-", "a login is 2–40 of a–z 0–9 . _ - and begins with a letter",
                       field="account")
    return login


async def begin_second_factor(tx: Transaction, id: str, sealed: str, *, by: str) -> None:
    """Keep a new second factor's sealed secret until its first code confirms it."""
    await tx.conn.execute(update(account).where(account.c.id == id).values(totp_pending=sealed))
    await _record_account(tx, id, "second_factor_begun", by)


async def confirm_second_factor(tx: Transaction, id: str, pending: str, step: int, *, by: str, session_id: str | None) -> bool:
    """Put the pending secret in force, by compare-and-set; the session that confirmed it counts as shown. False where it had changed."""
    done = await tx.conn.execute(update(account).where(account.c.id == id, account.c.totp_pending == pending).values(
        totp_sealed=pending, totp_pending=None, totp_step=step))
    if done.rowcount != 1:
        return False
    await end_sessions(tx, account_id=id, by=by, reason="second_factor_changed", keep=session_id)
    if session_id is not None:
        await tx.conn.execute(update(session).where(session.c.id == session_id).values(second_factor=True))
    await _record_account(tx, id, "second_factor_set", by)
    return True


async def remove_second_factor(tx: Transaction, id: str, *, by: str) -> bool:
    """Take a lost second factor away (a security administrator's act); sessions end."""
    done = await tx.conn.execute(update(account).where(account.c.id == id, account.c.totp_sealed.is_not(None)).values(
        totp_sealed=None, totp_pending=None))
    if done.rowcount == 1:
        await end_sessions(tx, account_id=id, by=by, reason="second_factor_removed")
        await _record_account(tx, id, "second_factor_removed", by)
    return bool(done.rowcount == 1)


async def use_step(tx: Transaction, id: str, step: int) -> bool:
    """Use up the time step of a one-time code; False where it (or a later one) was used: a code works once."""
    done = await tx.conn.execute(update(account).where(account.c.id == id, account.c.totp_step < step).values(totp_step=step))
    return bool(done.rowcount == 1)


async def bind_external(tx: Transaction, id: str, issuer: str, subject: str, *, by: str) -> Account:
    """Bind an external identity to an account, so that the provider signs it in."""
    if await account_by_subject(tx.conn, issuer, subject) is not None:
        raise Rejected("subject_taken", "该外部身份已绑定其他账号", "this external identity is bound to another account")
    await tx.conn.execute(update(account).where(account.c.id == id).values(external_issuer=issuer, external_subject=subject))
    return await _record_account(tx, id, "external_bound", by)


# ── one-time links ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def make_link(tx: Transaction, account_id: str, *, by: str, life: timedelta = LINK_LIFE) -> str:
    """A token that signs this account in once; earlier unused ones of the account die."""
    token = secrets.token_urlsafe(32)
    await tx.conn.execute(delete(sign_in_link).where(sign_in_link.c.account_id == account_id, sign_in_link.c.used_at.is_(None)))
    await tx.conn.execute(insert(sign_in_link).values(
        token_hash=token_hash(token), account_id=account_id, created_at=tx.at, created_by=by, expires_at=utc_text(tx.now + life)))
    await _record_account(tx, account_id, "link_made", by)
    return token


async def use_link(tx: Transaction, token: str) -> Secrets:
    """The account of a link that is used up herewith. Raises `Rejected` for one that is wrong, used or expired."""
    hashed = token_hash(token)
    done = await tx.conn.execute(update(sign_in_link).where(
        sign_in_link.c.token_hash == hashed, sign_in_link.c.used_at.is_(None), sign_in_link.c.expires_at > tx.at).values(used_at=tx.at))
    id = (await tx.conn.execute(select(sign_in_link.c.account_id).where(sign_in_link.c.token_hash == hashed))).scalar()
    found = await account_by_id(tx.conn, id) if id is not None and done.rowcount == 1 else None
    if found is None or found.account.disabled:
        raise Rejected("link_invalid", "登录链接无效、已使用或已过期", "the sign-in link is wrong, used or expired", field="token")
    return found


class Founder(NamedTuple):
    """One account of an empty hub's first start."""

    role: Role
    login: str
    zh: str
    en: str


FOUNDERS: Final = (
    Founder(Role.OPERATOR, "desk", "指挥中心值守席", "command-centre desk"),
    Founder(Role.SYSTEM_ADMIN, "sysadmin", "系统管理员", "system administrator"),
    Founder(Role.SECURITY_ADMIN, "secadmin", "安全管理员", "security administrator"),
    Founder(Role.AUDIT_ADMIN, "auditadmin", "审计管理员", "audit administrator"),
)
"""Who there is at the first start: the desk, and the three separate administrators. None has a password."""


async def found(tx: Transaction, policy: Policy) -> bool:
    """Give an empty hub its departments, its desk and its three administrators; False where there are accounts already."""
    if (await tx.conn.execute(select(func.count()).select_from(account))).scalar_one():
        return False
    by = "system:setup"
    await seed_departments(tx)
    for founder in FOUNDERS:
        post_id = f"{founder.login}-post"
        if await get_post(tx.conn, post_id) is None:
            await save_post(tx, Post(id=post_id, role=founder.role, scope=Scope.ALL, zh=founder.zh, en=founder.en,
                                     department_id="district-office"), policy, by=by)
        who = await add_person(tx, founder.zh, by=by, department_id="district-office")
        await appoint(tx, who.id, post_id, policy, by=by, reason="first start")
        await open_account(tx, who.id, founder.login, by=by)
    return True


async def first_start_link(store: Store, policy: Policy, *, login: str = "desk") -> str | None:
    """The one-time link's token of the first start, for the desk by default; None where somebody has signed in as `login` before.

    Founds an empty hub. A start before anybody used the last link makes a new one and voids the old.
    """
    async with store.transaction() as tx:
        await found(tx, policy)
        who = await account_by_login(tx.conn, login)
        if who is None or who.account.disabled or who.password_hash is not None:
            return None
        used = await tx.conn.execute(select(sign_in_link.c.used_at).where(
            sign_in_link.c.account_id == who.account.id, sign_in_link.c.used_at.is_not(None)))
        if used.first() is not None:
            return None
        return await make_link(tx, who.account.id, by="system:setup")


async def link_for(store: Store, login: str, *, by: str = "system:cli") -> str:
    """A one-time link's token for an account, for whoever stands at the machine (`tocsin account link LOGIN`)."""
    async with store.transaction() as tx:
        who = await account_by_login(tx.conn, login)
        if who is None or who.account.disabled:
            raise Rejected("unknown_account", f"没有账号 {login}", f"there is no account {login}", field="login")
        return await make_link(tx, who.account.id, by=by)


# ── delays ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class DelayRule(NamedTuple):
    """After `free` failures each further one doubles the wait, from one second to `most_s` seconds."""

    free: int
    most_s: float


PAIR: Final = DelayRule(free=3, most_s=30)
"""One address at one account: the officer who mistypes, and the attacker at the desk's own machine."""
ADDRESS: Final = DelayRule(free=20, most_s=300)
"""One address at any account: a guesser who goes from login to login."""
STRANGERS: Final = DelayRule(free=10, most_s=900)
"""One account from addresses that never signed in to it: a distributed guesser. Known addresses do not feel it."""
FORGIVEN_AFTER: Final = timedelta(hours=1)
KNOWN_FOR: Final = timedelta(days=90)


def delay_s(rule: DelayRule, failures: int) -> float:
    """How long to wait (seconds) after so many failures."""
    over = failures - rule.free
    return 0.0 if over < 0 else min(rule.most_s, float(2 ** min(over, 20)))


async def wait_for(conn: AsyncConnection, login: str, account_id: str | None, address: str, now: datetime) -> float:
    """Seconds that this address must still wait before it may try this login. The desk, at its usual address, is never kept out by others."""
    return await _wait(conn, await _rules(conn, login, account_id, address, now), now)


async def _wait(conn: AsyncConnection, rules: dict[str, DelayRule], now: datetime) -> float:
    """The longest of what is left of these delays, in seconds. A failure that lies ahead (the clock was set back) is one of now: a delay is no lock."""
    rows = (await conn.execute(select(sign_in_delay).where(sign_in_delay.c.key.in_(list(rules))))).all()
    waits = [
        delay_s(rules[row.key], row.failures) - max(0.0, (now - parse_utc(row.last_at)).total_seconds())
        for row in rows if now - parse_utc(row.last_at) < FORGIVEN_AFTER
    ]
    return max([0.0, *waits])


async def _rules(conn: AsyncConnection, login: str, account_id: str | None, address: str, now: datetime) -> dict[str, DelayRule]:
    login = login.strip().lower()[:64]
    rules = {f"pair:{login}@{address}": PAIR}
    known = account_id is not None and (await conn.execute(select(known_address.c.last_at).where(
        known_address.c.account_id == account_id, known_address.c.address == address,
        known_address.c.last_at > utc_text(now - KNOWN_FOR)))).first() is not None
    if not known:
        rules |= {f"address:{address}": ADDRESS, f"login:{login}": STRANGERS}
    return rules


async def note_failure(tx: Transaction, login: str, account_id: str | None, address: str, *, reason: str) -> None:
    """Count a failed sign-in and chain it."""
    await _count_failure(tx, await _rules(tx.conn, login, account_id, address, tx.now))
    tx.record(SignInRefused(login=login[:64], address=address, reason=reason), actor="public:",
              subject=f"account:{account_id}" if account_id else "account:")


async def _count_failure(tx: Transaction, keys: Iterable[str]) -> None:
    for key in keys:
        row = (await tx.conn.execute(select(sign_in_delay).where(sign_in_delay.c.key == key))).first()
        if row is None:
            await tx.conn.execute(
                text("INSERT INTO sign_in_delay (key, failures, last_at) VALUES (:k, 1, :at) "
                     "ON CONFLICT (key) DO UPDATE SET failures = sign_in_delay.failures + 1, last_at = :at"), {"k": key, "at": tx.at})
        else:
            stale = tx.now - parse_utc(row.last_at) >= FORGIVEN_AFTER
            await tx.conn.execute(update(sign_in_delay).where(sign_in_delay.c.key == key).values(
                failures=1 if stale else sign_in_delay.c.failures + 1, last_at=tx.at))


CODES: Final = DelayRule(free=5, most_s=300)
"""One address at enrolment codes (our own choice; a code has 60 bits): whoever reads one off a sheet may mistype it, and who guesses waits."""


async def wait_for_code(tx: Transaction, address: str) -> float:
    """Seconds that this address must still wait before it may try an enrolment code. Several of its tries at once are one after the other."""
    await tx.alone(f"enrol:{address}")
    return await _wait(tx.conn, {f"enrol:{address}": CODES}, tx.now)


async def note_wrong_code(tx: Transaction, address: str) -> None:
    """Count a wrong enrolment code and chain it."""
    await _count_failure(tx, [f"enrol:{address}"])
    tx.record(AgentCodeRefused(address=address), actor="public:", subject="agent:")


async def forgive_codes(tx: Transaction, address: str) -> None:
    """A right code was shown: what was mistyped before is forgotten."""
    await tx.conn.execute(delete(sign_in_delay).where(sign_in_delay.c.key == f"enrol:{address}"))


async def _forgive(tx: Transaction, login: str, account_id: str, address: str) -> None:
    await tx.conn.execute(delete(sign_in_delay).where(sign_in_delay.c.key == f"pair:{login.strip().lower()[:64]}@{address}"))
    await tx.conn.execute(
        text("INSERT INTO known_address (account_id, address, last_at) VALUES (:id, :address, :at) "
             "ON CONFLICT (account_id, address) DO UPDATE SET last_at = :at"), {"id": account_id, "address": address, "at": tx.at})
    await tx.conn.execute(delete(sign_in_delay).where(sign_in_delay.c.last_at < utc_text(tx.now - 24 * FORGIVEN_AFTER)))


# ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _session(row: Any) -> Session:
    return Session(
        id=row.id, account_id=row.account_id, person_id=row.person_id, created_at=parse_utc(row.created_at), seen_at=parse_utc(row.seen_at),
        expires_at=parse_utc(row.expires_at), address=row.address, client=row.client, second_factor=bool(row.second_factor),
        method=row.method, ended_at=parse_utc(row.ended_at) if row.ended_at else None, ended_reason=row.ended_reason,
    )


async def open_session(
    tx: Transaction, who: Account, *, address: str, client: str, method: str, second_factor: bool, life: timedelta,
) -> tuple[Session, str]:
    """Sign an account in: the session, and the cookie's secret, which is stored as a hash only. `method`: password | link | oidc."""
    token = secrets.token_urlsafe(32)
    row = Session(id=new_id(), account_id=who.id, person_id=who.person_id, created_at=tx.now, seen_at=tx.now, expires_at=tx.now + life,
                  address=address, client=client[:200], second_factor=second_factor, method=method)
    await tx.conn.execute(insert(session).values(
        id=row.id, token_hash=token_hash(token), account_id=who.id, person_id=who.person_id, created_at=tx.at, seen_at=tx.at,
        expires_at=utc_text(row.expires_at), address=address, client=row.client, second_factor=second_factor, method=method, ended_at=None,
        ended_reason=""))
    await _forgive(tx, who.login, who.id, address)
    tx.record(SessionOpened(session=row), actor=f"person:{who.person_id}", subject=f"session:{row.id}")
    return row, token


async def actor_of_session(
    conn: AsyncConnection, policy: Policy, now: datetime, *, idle: timedelta, token: str | None = None, session_id: str | None = None,
    address: str = "",
) -> Actor | None:
    """Who a session is, with the posts held at `now`; None where it has ended, expired, idled, or its account or person is gone.

    By the cookie's `token`, or by `session_id` for connections that stay open and ask again.
    """
    which = session.c.token_hash == token_hash(token) if token is not None else session.c.id == session_id
    row = (await conn.execute(
        select(session, person.c.name)
        .join(account, account.c.id == session.c.account_id).join(person, person.c.id == account.c.person_id)
        .where(which, session.c.ended_at.is_(None), session.c.expires_at > utc_text(now), session.c.seen_at > utc_text(now - idle),
               account.c.disabled_at.is_(None), person.c.left_at.is_(None))
    )).first()
    if row is None:
        return None
    return policy.actor(
        ActorKind.PERSON, row.person_id, await held_posts(conn, row.person_id, now), name=row.name, session_id=row.id,
        account_id=row.account_id, second_factor=bool(row.second_factor), address=address,
    )


async def show_second_factor(tx: Transaction, session_id: str) -> None:
    """Note that a session has shown its one-time code."""
    await tx.conn.execute(update(session).where(session.c.id == session_id).values(second_factor=True))
    row = _session((await tx.conn.execute(select(session).where(session.c.id == session_id))).one())
    tx.record(SessionOpened(session=row), actor=f"person:{row.person_id}", subject=f"session:{row.id}")


async def session_seen(tx: Transaction, session_id: str) -> None:
    """Note that a session is in use; at most once a minute, and not a change."""
    await tx.conn.execute(update(session).where(
        session.c.id == session_id, session.c.seen_at < utc_text(tx.now - SEEN_EVERY)).values(seen_at=tx.at))


async def list_sessions(conn: AsyncConnection, now: datetime, *, account_id: str | None = None, limit: int = 500) -> list[Session]:
    """Sessions that are open at `now`, newest first."""
    query = select(session).where(session.c.ended_at.is_(None), session.c.expires_at > utc_text(now))
    if account_id is not None:
        query = query.where(session.c.account_id == account_id)
    return [_session(row) for row in (await conn.execute(query.order_by(session.c.created_at.desc()).limit(limit))).all()]


async def get_session(conn: AsyncConnection, id: str) -> Session | None:
    """One session, or None."""
    row = (await conn.execute(select(session).where(session.c.id == id))).first()
    return _session(row) if row else None


async def end_sessions(
    tx: Transaction, *, by: str, reason: str, session_id: str | None = None, account_id: str | None = None, keep: str | None = None,
) -> int:
    """End one session, or all of an account but `keep`; gives how many. Open connections of theirs are cut by whoever serves them."""
    where = [session.c.ended_at.is_(None), or_(session.c.id == session_id, session.c.account_id == account_id)]
    if keep is not None:
        where.append(session.c.id != keep)
    rows = (await tx.conn.execute(select(session).where(*where))).all()
    for row in rows:
        await tx.conn.execute(update(session).where(session.c.id == row.id).values(ended_at=tx.at, ended_reason=reason))
        ended = _session((await tx.conn.execute(select(session).where(session.c.id == row.id))).one())
        tx.record(SessionEnded(session=ended), actor=by, subject=f"session:{row.id}")
    return len(rows)

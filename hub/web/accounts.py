"""Accounts over HTTP, for administrators: the system administrator opens and closes them, the security administrator resets and revokes."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from msgspec import Meta, Struct

from hub.domain.access import HUB, Action, Thing, ThingKind
from hub.domain.organisation import Account, Session
from hub.store.accounts import (
    LINK_LIFE,
    account_by_id,
    close_account,
    end_sessions,
    list_accounts,
    list_sessions,
    make_link,
    open_account,
    remove_second_factor,
    reopen_account,
)
from hub.web.route import Ask, Done, NotFound, Route


class NewAccount(Struct, frozen=True, kw_only=True):
    """For whom an account is opened, under which name."""

    person_id: Annotated[str, Meta(max_length=64)]
    login: Annotated[str, Meta(min_length=2, max_length=40)]


class Accounts(Struct, frozen=True, kw_only=True):
    """Every account, without secrets."""

    items: list[Account]


class Link(Struct, frozen=True, kw_only=True):
    """A one-time sign-in link, shown once."""

    path: str
    expires_in_s: int


class Sessions(Struct, frozen=True, kw_only=True):
    """Open sessions."""

    items: list[Session]


def _thing(ask: Ask) -> Thing:
    return Thing(kind=ThingKind.ACCOUNT, id=ask.path.get("id", ""))


async def listing(ask: Ask) -> Accounts:
    """Every account."""
    if not ask.may(Action.ADMIN_SESSIONS, HUB).allowed:
        ask.require(Action.ADMIN_ACCOUNTS, HUB)
    async with ask.store.read() as conn:
        return Accounts(items=await list_accounts(conn))


async def opening(ask: Ask) -> Account:
    """Open an account without a password; its one-time link is made apart."""
    ask.require(Action.ADMIN_ACCOUNTS, HUB)
    async with ask.transaction() as tx:
        return await open_account(tx, ask.body.person_id, ask.body.login, by=ask.who)


async def closing(ask: Ask) -> Done:
    """Close an account and end its sessions."""
    ask.require(Action.ADMIN_ACCOUNTS, _thing(ask))
    async with ask.transaction() as tx:
        if not await close_account(tx, ask.path["id"], by=ask.who):
            raise NotFound
    return Done()


async def reopening(ask: Ask) -> Done:
    """Open a closed account again; it needs a new one-time link."""
    ask.require(Action.ADMIN_ACCOUNTS, _thing(ask))
    async with ask.transaction() as tx:
        if not await reopen_account(tx, ask.path["id"], by=ask.who):
            raise NotFound
    return Done()


async def linking(ask: Ask) -> Link:
    """Make a one-time sign-in link: for a new account, or for a forgotten password."""
    ask.require(Action.ADMIN_ACCOUNTS, _thing(ask))
    async with ask.transaction() as tx:
        found = await account_by_id(tx.conn, ask.path["id"])
        if found is None or found.account.disabled:
            raise NotFound
        token = await make_link(tx, found.account.id, by=ask.who)
    return Link(path=f"/welcome/{token}", expires_in_s=round(LINK_LIFE / timedelta(seconds=1)))


async def unfactoring(ask: Ask) -> Done:
    """Take a lost second factor away; the person sets up a new one."""
    ask.require(Action.ADMIN_SESSIONS, _thing(ask))
    async with ask.transaction() as tx:
        if not await remove_second_factor(tx, ask.path["id"], by=ask.who):
            raise NotFound
    return Done()


async def sessions(ask: Ask) -> Sessions:
    """Every open session of an account."""
    ask.require(Action.ADMIN_SESSIONS, _thing(ask))
    async with ask.store.read() as conn:
        return Sessions(items=await list_sessions(conn, ask.now, account_id=ask.path["id"]))


async def revoking(ask: Ask) -> Done:
    """End every session of an account."""
    ask.require(Action.ADMIN_SESSIONS, _thing(ask))
    async with ask.transaction() as tx:
        await end_sessions(tx, account_id=ask.path["id"], by=ask.who, reason="revoked")
    return Done()


ROUTES = [
    Route("GET", "/api/v1/accounts", listing, Action.ADMIN_ACCOUNTS, also=(Action.ADMIN_SESSIONS,), returns=Accounts, zh="账号", en="accounts"),
    Route("POST", "/api/v1/accounts", opening, Action.ADMIN_ACCOUNTS, body=NewAccount, returns=Account, zh="开设账号", en="open an account"),
    Route("POST", "/api/v1/accounts/{id}/close", closing, Action.ADMIN_ACCOUNTS, returns=Done, zh="停用账号", en="close an account"),
    Route("POST", "/api/v1/accounts/{id}/reopen", reopening, Action.ADMIN_ACCOUNTS, returns=Done, zh="启用账号", en="reopen an account"),
    Route("POST", "/api/v1/accounts/{id}/link", linking, Action.ADMIN_ACCOUNTS, returns=Link, zh="一次性登录链接", en="a one-time sign-in link"),
    Route("POST", "/api/v1/accounts/{id}/second-factor/remove", unfactoring, Action.ADMIN_SESSIONS, returns=Done, zh="重置动态口令",
          en="take a lost second factor away"),
    Route("GET", "/api/v1/accounts/{id}/sessions", sessions, Action.ADMIN_SESSIONS, returns=Sessions, zh="账号会话", en="an account's sessions"),
    Route("DELETE", "/api/v1/accounts/{id}/sessions", revoking, Action.ADMIN_SESSIONS, returns=Done, zh="撤销账号全部会话",
          en="end an account's sessions"),
]

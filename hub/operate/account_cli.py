"""`tocsin account …`: accounts for whoever stands at the machine: list, one-time link, lost second factor, close. Every act is in the change chain."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.domain.access import packaged_policy
from hub.errors import Rejected
from hub.operate.stored import stored
from hub.operate.whereabouts import web_url
from hub.settings import load_settings
from hub.store.accounts import account_by_login, close_account, first_start_link, link_for, list_accounts, remove_second_factor

app = typer.Typer(no_args_is_help=True, help="账号：列表、一次性登录链接、停用 / accounts")
Config = Annotated[Path | None, typer.Option("--settings", help="设置文件 / settings file")]
Data = Annotated[str | None, typer.Option("--data-dir", help="数据目录 / data folder")]
Login = Annotated[str, typer.Argument(help="登录名，如 desk、sysadmin / the login, such as desk or sysadmin")]
BY = "system:cli"


@app.command("list")
def listing(config: Config = None, data: Data = None) -> None:
    """列出账号 / list the accounts."""

    async def read() -> list[Any]:  # printed once the store is closed: a reader that goes away is no outage of the store
        async with stored(load_settings(config, data_dir=data)) as store, store.read() as conn:
            return list(await list_accounts(conn))

    for row in asyncio.run(read()):
        state = "停用 closed" if row.disabled else "正常 open"
        factor = "动态口令 second factor" if row.has_second_factor else ""
        typer.echo(f"{row.login}\t{state}\t{'' if row.has_password or row.external else '未设密码 no password'}\t{factor}".rstrip())


@app.command("link")
def link(login: Login, config: Config = None, data: Data = None) -> None:
    """为账号生成一次性登录链接 / a one-time sign-in link for an account."""

    async def run() -> None:
        settings = load_settings(config, data_dir=data)
        async with stored(settings) as store:
            await first_start_link(store, packaged_policy())
            token = await link_for(store, login, by=BY)
        typer.echo(f"{web_url(settings)}/welcome/{token}")

    asyncio.run(run())


@app.command("forget-factor")
def forget_factor(login: Login, config: Config = None, data: Data = None) -> None:
    """解除丢失的动态口令，会话随之结束 / take a lost second factor away; sessions end."""

    async def run() -> None:
        async with stored(load_settings(config, data_dir=data)) as store, store.transaction() as tx:
            who = await account_by_login(tx.conn, login)
            if who is None or not await remove_second_factor(tx, who.account.id, by=BY):
                raise Rejected("no_second_factor", f"账号 {login} 没有动态口令", f"the account {login} has no second factor", field="login")

    asyncio.run(run())


@app.command("close")
def close(login: Login, config: Config = None, data: Data = None) -> None:
    """停用账号，立即结束其会话 / close an account and end its sessions."""

    async def run() -> None:
        async with stored(load_settings(config, data_dir=data)) as store, store.transaction() as tx:
            who = await account_by_login(tx.conn, login)
            if who is None or not await close_account(tx, who.account.id, by=BY):
                raise Rejected("unknown_account", f"没有可停用的账号 {login}", f"there is no open account {login}", field="login")

    asyncio.run(run())

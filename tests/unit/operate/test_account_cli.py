"""Accounts for whoever stands at the machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

from typer.testing import CliRunner

from hub.cli import app
from hub.store import Store, changes_after
from hub.store.accounts import account_by_login, begin_second_factor, confirm_second_factor, first_start_link
from tests.support.district import POLICY


def test_the_only_security_administrator_who_lost_the_telephone_is_let_in_again_at_the_machine_and_it_is_on_record(tmp_path: Path) -> None:
    async def with_factor() -> None:
        async with Store(f"sqlite:///{tmp_path}/tocsin.db") as store:
            await first_start_link(store, POLICY)
            async with store.transaction() as tx:
                who = await account_by_login(tx.conn, "secadmin")
                assert who is not None
                await begin_second_factor(tx, who.account.id, "sealed", by="person:s")
                assert await confirm_second_factor(tx, who.account.id, "sealed", 1, by="person:s", session_id=None)

    async def found() -> tuple[bool, list[str]]:
        async with Store(f"sqlite:///{tmp_path}/tocsin.db") as store, store.read() as conn:
            who = await account_by_login(conn, "secadmin")
            assert who is not None
            return who.account.has_second_factor, [change.actor for change in await changes_after(conn, 0, limit=1000) if change.kind == "account.saved"]

    asyncio.run(with_factor())
    command = ["account", "forget-factor", "secadmin", "--data-dir", str(tmp_path)]
    assert CliRunner().invoke(app, command).exit_code == 0
    has_factor, actors = asyncio.run(found())
    assert not has_factor and actors[-1] == "system:cli"
    assert CliRunner().invoke(app, command).exit_code != 0, "there is none any more"

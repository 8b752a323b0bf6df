"""A running hub's web for tests of sign-in and access: the real composition root on a free port, and visitors with cookies."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
from yarl import URL

from hub.app import Running, running
from hub.clock import Clock
from hub.domain.access import Role, Scope
from hub.domain.organisation import Post
from hub.ids import new_id
from hub.settings import Settings
from hub.store import Store
from hub.store.accounts import open_account, open_session
from hub.store.organisation import add_person, appoint, get_post, save_post
from hub.web.guard import COOKIE
from tests.support.district import POLICY
from tests.support.stores import fresh_sqlite


@asynccontextmanager
async def web_hub(folder: Path, clock: Clock, *, only: frozenset[str] = frozenset({"web"}), **given: Any) -> AsyncIterator[Running]:
    """A hub with its web on a free port (and the stages named)."""
    settings = Settings(data_dir=str(folder), web_port=0, broker_port=0, **given)
    if not settings.store_url and not (folder / "tocsin.db").exists():
        settings.data_path.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh_sqlite(folder / "tocsin.db")
    async with running(settings, only=only, clock=clock) as hub:
        yield hub


class Visitor:
    """Somebody at a browser. Requests carry what the console sends; `status`, `body` are the last answer's."""

    def __init__(self, base: str, *, headers: dict[str, str] | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.base = base.rstrip("/")
        self.headers = {"X-Tocsin": "console"} if headers is None else headers
        self.status = 0
        self.body: Any = None
        self.answer_headers: dict[str, str] = {}
        self._tls = tls
        self._client: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True), connector=aiohttp.TCPConnector(ssl=self._tls) if self._tls is not None else None)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._client is not None
        await self._client.close()

    @property
    def client(self) -> aiohttp.ClientSession:
        """The session underneath, for WebSockets."""
        assert self._client is not None
        return self._client

    def hold(self, token: str) -> None:
        """Hold a session cookie."""
        self.client.cookie_jar.update_cookies({COOKIE: token}, URL(self.base))

    async def ask(self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, raw: bytes | None = None) -> int:
        """Send a request; gives the status."""
        sent = {"data": raw} if raw is not None else ({"json": body} if body is not None else {})
        async with self.client.request(method, self.base + path, headers=self.headers | (headers or {}), allow_redirects=False, **sent) as answer:
            self.status = answer.status
            self.answer_headers = dict(answer.headers)
            text = await answer.text(errors="replace")
            self.body = await answer.json() if answer.content_type == "application/json" else text
        return self.status


async def cookie_for(
    store: Store, role: Role, *, department: str | None = "fire-rescue", scope: Scope | None = None, enterprise: str | None = None,
    second_factor: bool = True,
) -> tuple[str, str]:
    """A person with one post and an open session: (person id, cookie)."""
    scope = scope or POLICY.document.roles[role].scopes[0]
    post_id = "-".join(filter(None, (str(role).replace("_", "-"), department, str(scope), enterprise)))[:60].rstrip("-")
    async with store.transaction() as tx:
        if await get_post(tx.conn, post_id) is None:
            await save_post(tx, Post(id=post_id, role=role, scope=scope, zh=str(role), en=str(role), department_id=department,
                                     enterprise_id=enterprise), POLICY, by="system:test")
        who = await add_person(tx, f"测试{role}", by="system:test", phone="13812345678", department_id=department)
        await appoint(tx, who.id, post_id, POLICY, by="system:test")
        account = await open_account(tx, who.id, "u" + new_id().replace("-", "")[-20:], by="system:test")
        _, token = await open_session(tx, account, address="127.0.0.1", client="test", method="link", second_factor=second_factor,
                                      life=timedelta(days=1))
    return who.id, token

"""A small web server with the hub's own upload handlers behind Basic authentication; it may be stopped and started on the same port."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Self

from aiohttp import web

from hub.web import tus


class TusHub:
    """Serves uploads of one agent (user name plant-1, password secret) into `folder`; `patched_bytes` counts what came by PATCH."""

    def __init__(self, folder: Path, limits: tus.Limits | None = None) -> None:
        self.folder = folder
        self.limits = limits or tus.Limits()
        self.completed: list[tuple[str, str]] = []
        self.patches: list[int] = []
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Serve (again, on the same port)."""
        app = web.Application()
        app.add_routes(tus.handlers(self.folder, self._sign_in, limits=self.limits, on_complete=self._note))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop serving; what has arrived stays."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _sign_in(self, request: web.Request) -> str:
        if request.headers.get("Authorization") != "Basic " + base64.b64encode(b"plant-1:secret").decode():
            raise web.HTTPUnauthorized
        if request.method == "PATCH":
            self.patches.append(int(request.headers["Upload-Offset"]))
        return "agent:plant-1"

    async def _note(self, sha256: str, owner: str) -> None:
        self.completed.append((sha256, owner))

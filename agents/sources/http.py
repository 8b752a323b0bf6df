"""A local HTTP endpoint on loopback, so that programs of the enterprise (SCADA, a gas alarm) can file through this agent.

Only loopback, only with the token of a file; a request's answer says that the message is on this machine's disk, not that the hub has it.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from aiohttp import web

from agents.outbox import Outbox
from agents.settings import read_secret, write_private
from agents.sources.folder import complete
from hub import wire
from hub.clock import Clock, SystemClock
from hub.errors import Rejected, Unavailable, why_en, why_zh

_answer = partial(web.json_response, dumps=partial(json.dumps, ensure_ascii=False))  # read in a terminal
File = Callable[[wire.Report | wire.Daily], Awaitable[bool]]


def local_token(path: Path) -> str:
    """The token that local programs show; made at the first call, readable by the owner only."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32) + "\n")
    return read_secret(path)


@asynccontextmanager
async def listen(port: int, token: str, file: File, outbox: Outbox, clock: Clock | None = None) -> AsyncIterator[int]:
    """Serve `POST /report`, `POST /daily` and `GET /report/{id}` on 127.0.0.1 while the block runs; gives the port. Raises Rejected."""
    runner = web.AppRunner(_app(token, file, outbox, clock or SystemClock()), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        try:
            await site.start()
        except OSError as error:
            raise Rejected("port_taken", f"本机端口 {port} 无法使用，请换一个 listen_port（{why_zh(error)}）",
                           f"the port {port} cannot be used; choose another listen_port ({why_en(error)})", field="listen_port") from None
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _app(token: str, file: File, outbox: Outbox, clock: Clock) -> web.Application:
    @web.middleware
    async def guard(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(shown.encode(errors="replace"), token.encode()):
            return _refusal(401, Rejected("wrong_token", "令牌不对", "the token is wrong"))
        try:
            return await handler(request)
        except Rejected as error:
            return _refusal(422, error)
        except Unavailable as error:
            return _answer(
                {"code": error.code, "zh": error.zh, "en": error.en}, status=503, headers={"Retry-After": f"{error.retry_after_s:.0f}"}
            )

    async def take(request: web.Request) -> web.Response:
        message = complete(await request.read(), secrets.token_hex(8), clock.now())
        new = await file(message)
        return _answer({"id": message.id, "state": "queued", "new": new}, status=202)

    async def show(request: web.Request) -> web.Response:
        entry = await asyncio.to_thread(outbox.get, request.match_info["id"])
        if entry is None:
            return _refusal(404, Rejected("unknown_id", "没有这个编号", "there is no such id"))
        body = {"id": entry.id, "state": entry.state.value, "attempts": entry.attempts}
        if entry.receipt is not None:
            body["receipt_no"], body["stored_at"] = entry.receipt.receipt_no or "", entry.receipt.stored_at or ""
            body["message"] = entry.receipt.message or ""
        return _answer(body)

    app = web.Application(middlewares=[guard], client_max_size=wire.MAX_MESSAGE_BYTES + 1)
    app.add_routes([web.post("/report", take), web.post("/daily", take), web.get("/report/{id}", show)])
    return app


def _refusal(status: int, error: Rejected) -> web.Response:
    return _answer({"code": error.code, "zh": error.zh, "en": error.en, "field": error.field}, status=status)

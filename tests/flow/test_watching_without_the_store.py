"""A store that takes nothing, or is away: what was granted goes on being watched, everything else is refused, and the end is chained afterwards."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from hub.app import Running
from hub.clock import SystemClock
from hub.domain.access import Role
from hub.domain.change import Change
from hub.store import changes_after
from hub.store.organisation import leave
from hub.web.guard import COOKIE
from tests.support import plant
from tests.support.postgres import Postgres
from tests.support.web_hub import Visitor, cookie_for, web_hub

CAMERA = "  - id: cam\n    url: 'synthetic:?size=320x180&rate=10&gop_s=1'\n    preview_s: 0.5\n"
UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
FEED = "/api/v1/feeds/plant-1/cam"


async def pictures(socket: aiohttp.ClientWebSocketResponse, count: int) -> None:
    """Wait for so many messages of the camera."""
    async with asyncio.timeout(40):
        while count:
            message = await socket.receive()
            assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), (message.type, message.extra)
            count -= message.type is aiohttp.WSMsgType.BINARY


async def read_only(server: Postgres, state: str) -> None:
    """Let the whole server take no writing, as a standby does (`on`), or take it again."""
    admin = await asyncpg.connect(server.url.replace("+asyncpg", ""))
    try:
        await admin.execute(f"ALTER SYSTEM SET default_transaction_read_only = {state}")
        await admin.execute("SELECT pg_reload_conf()")
    finally:
        await admin.close()


@pytest.mark.parametrize("how", ["read only", "away"])
async def test_what_was_granted_goes_on_and_everything_else_is_refused(tmp_path: Path, how: str) -> None:
    with Postgres() as server:
        url = server.database("hub")
        async with web_hub(tmp_path / "hub", SystemClock(), only=frozenset({"ingest", "respond", "web"}), store_url=url) as hub:
            secret = await plant.enrol(hub.services.store)
            await hub.services.registry.load()
            async with plant.cameras(hub, tmp_path, secret, CAMERA) as cameras:
                await plant.show(hub, cameras)
                await _watched(hub, server, how, await plant.report(hub))


async def _watched(hub: Running, server: Postgres, how: str, incident_id: str) -> None:
    person, token = await cookie_for(hub.services.store, Role.OPERATOR, department="district-office")
    _, unseen = await cookie_for(hub.services.store, Role.OPERATOR, department="district-office")
    left, revoked = await cookie_for(hub.services.store, Role.OPERATOR, department="district-office")
    reason = "?reason=%E5%B7%A1%E6%9F%A5"
    async with Visitor(hub.web_url, headers={"X-Tocsin": "console", "Cookie": f"{COOKIE}={token}"}) as visitor:
        async with visitor.client.ws_connect(hub.web_url + FEED + reason, headers=visitor.headers) as socket:
            await pictures(socket, 5)
            assert await visitor.ask("GET", f"{FEED}/preview.jpg", headers={"Cookie": f"{COOKIE}={revoked}"}) == 200
            async with hub.services.store.transaction() as tx:
                assert await leave(tx, left, by="person:test", reason="t") is not None
            await asyncio.sleep(1)
            assert await visitor.ask("GET", f"{FEED}/preview.jpg") == 200
            before = await hub.services.store.head()
            if how == "away":
                server.stop()
            else:
                await read_only(server, "on")
            await pictures(socket, 30)
            assert await visitor.ask("GET", FEED + reason, headers=UPGRADE) == 503, "no view begins"
            for method, path, body in (
                ("POST", f"{FEED}/snapshot{reason}", None), ("GET", f"/api/v1/incidents/{incident_id}", None),
                ("POST", f"/api/v1/incidents/{incident_id}/acknowledge", None), ("POST", f"/api/v1/incidents/{incident_id}/note", {"text": "t"}),
            ):
                assert await visitor.ask(method, path, body) == 503, (path, visitor.body)
            assert await visitor.ask("GET", f"{FEED}/preview.jpg") == 200, "the wall of previews is not blanked"
            assert await visitor.ask("GET", f"{FEED}/preview.jpg", headers={"Cookie": f"{COOKIE}={unseen}"}) == 503, "nobody else's begins"
            gone = await visitor.ask("GET", f"{FEED}/preview.jpg", headers={"Cookie": f"{COOKIE}={revoked}"})
            assert gone == (503 if how == "away" else 401), "who has left sees nothing"
            if how == "read only":
                async with visitor.client.ws_connect(hub.web_url + "/api/v1/live", headers=visitor.headers) as feed:
                    frames = [await feed.receive_json(timeout=10) for _ in range(2)]
                assert [frame["type"] for frame in frames] == ["status", "status"], "what is wrong is said, and nothing else"
                assert not frames[1]["ready"]
            await pictures(socket, 10)
        spool = hub.services.extra["spool"]
        async with asyncio.timeout(60):
            while not spool.waiting:
                await asyncio.sleep(0.05)
        if how == "away":
            server.start()
        else:
            await read_only(server, "off")
    async with asyncio.timeout(60):
        while not (found := [c for c in await _changes(hub, before) if c.kind == "view.ended"]):
            await asyncio.sleep(0.1)
    view = json.loads(bytes(found[0].body))["view"]
    assert (view["person_id"], view["camera_id"], view["how"]) == (person, "plant-1/cam", "stream")
    assert any(c.kind == "audit.recovered" for c in await _changes(hub, before))


async def _changes(hub: Running, after: int) -> list[Change]:
    async with hub.services.store.read() as conn:
        return await changes_after(conn, after, limit=1000)

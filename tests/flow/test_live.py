"""The live feed: resumes from anywhere without a gap, drops who stops reading, and leaves the others in peace."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from hub.app import Running
from hub.clock import SystemClock
from hub.domain.access import Role
from hub.domain.report import Channel
from hub.ingest.intake import Source
from hub.store import changes_after
from hub.store.accounts import end_sessions, token_hash
from hub.store.schema_people import session
from hub.web.guard import COOKIE
from tests.support.reports import raw
from tests.support.web_hub import cookie_for, web_hub

NOW = datetime.now(UTC).isoformat()
DESK = Source("agent:a1", agent_id="a1", department_id="traffic-police")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with web_hub(tmp_path, SystemClock(), only=frozenset({"web"})) as running:
        yield running


async def report(hub: Running, source: Source = DESK) -> int:
    receipt = await hub.services.intake.submit("report", raw(occurred_at=NOW), source, Channel.HTTP)
    assert receipt.seq is not None
    return receipt.seq


async def desk(hub: Running) -> dict[str, str]:
    _, token = await cookie_for(hub.services.store, Role.OPERATOR, department="district-office")
    return {"Cookie": f"{COOKIE}={token}", "X-Tocsin": "console"}


async def frames(socket: aiohttp.ClientWebSocketResponse, until_seq: int) -> list[dict[str, Any]]:
    """The changes up to a sequence number."""
    items: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        while True:
            frame = json.loads((await socket.receive()).data)
            if frame["type"] == "changes":
                items += frame["items"]
                if frame["seq"] >= until_seq:
                    return items


@pytest.mark.parametrize("after", [0, 3, 7])
async def test_a_console_resumes_from_any_number_and_misses_nothing(hub: Running, after: int) -> None:
    headers = await desk(hub)
    start = await hub.services.store.head()
    for _ in range(5):
        await report(hub)
    async with aiohttp.ClientSession(headers=headers) as client, client.ws_connect(f"{hub.web_url}/api/v1/live?after={start + after}") as ws:
        last = await report(hub)
        seen = [c["seq"] for c in await frames(ws, last)]
    assert seen == sorted(set(seen))
    assert seen[0] > start + after
    async with hub.services.store.read() as conn:
        wanted = [c.seq for c in await changes_after(conn, start + after) if c.kind in ("report.received", "incident.opened") and c.seq <= last]
    assert [n for n in seen if n in wanted] == wanted


async def greeting(hub: Running, after: int) -> dict[str, Any]:
    """The hello of a socket that resumes after a number, and the first status."""
    async with aiohttp.ClientSession(headers=await desk(hub)) as client, client.ws_connect(f"{hub.web_url}/api/v1/live?after={after}") as ws, asyncio.timeout(20):
        hello: dict[str, Any] = json.loads((await ws.receive()).data)
        while (frame := json.loads((await ws.receive()).data))["type"] != "status":
            pass
        return hello | {"end": (frame["seq"], frame["hash"])}


async def test_whoever_resumes_hears_the_chain_s_hash_at_its_place_and_knows_another_feed_by_it(hub: Running, tmp_path: Path) -> None:
    """A restored backup that has gone beyond the number in the meantime looks the same otherwise."""
    await report(hub)
    seq, told = (await greeting(hub, 0))["end"]
    await report(hub)
    again = await greeting(hub, seq)
    assert (again["after"], again["hash"]) == (seq, told)
    async with aiohttp.ClientSession(headers=await desk(hub)) as client, client.get(f"{hub.web_url}/api/v1/changes?after={seq}") as answer:
        found = await answer.json()
    assert found["after_hash"] == told and found["hash"] not in (told, "")
    async with web_hub(tmp_path / "other", SystemClock(), only=frozenset({"web"})) as other:
        while await other.services.store.head() <= seq:
            await report(other)
        assert (await greeting(other, seq))["hash"] != told


async def test_status_comes_at_least_every_three_seconds(hub: Running) -> None:
    async with aiohttp.ClientSession(headers=await desk(hub)) as client, client.ws_connect(f"{hub.web_url}/api/v1/live") as ws:
        kinds = []
        async with asyncio.timeout(60):
            while kinds.count("status") < 2:
                frame = json.loads((await ws.receive()).data)
                kinds.append(frame["type"])
                if frame["type"] == "status":
                    assert "store" in frame["parts"]
    assert kinds[0] == "hello"


async def stalled_console(hub: Running, headers: dict[str, str]) -> socket.socket:
    """A console that opens the live feed and never reads."""
    url = hub.web_url.removeprefix("http://")
    stalled = socket.socket()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = url.split(":")
    stalled.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(stalled, (host, int(port)))
    lines = [f"GET /api/v1/live?after=0 HTTP/1.1\r\nHost: {url}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"]
    await loop.sock_sendall(stalled, lines[0].encode())
    return stalled


@pytest.mark.parametrize("stalling", [1, pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
async def test_consoles_that_stop_reading_are_dropped_and_the_others_see_everything(hub: Running, stalling: int) -> None:
    headers = await desk(hub)
    stalled = [await stalled_console(hub, headers) for _ in range(stalling)]
    async with aiohttp.ClientSession(headers=headers) as client, client.ws_connect(f"{hub.web_url}/api/v1/live") as ws:
        last = seen = 0
        for _ in range(40):
            for _ in range(50):
                receipt = await hub.services.intake.submit("report", raw(occurred_at=NOW, text="长" * 3000), DESK, Channel.HTTP)
                last = receipt.seq or last
            if last > seen:  # beyond its quota the desk is told to come again later
                seen = (await frames(ws, last))[-1]["seq"]
        assert seen >= last > 0
        async with asyncio.timeout(60):
            while hub.services.live.dropped < stalling:
                await asyncio.sleep(0.1)
        await report(hub, Source("agent:b2", agent_id="b2", department_id="traffic-police"))  # the other one is beyond its quota
        assert not ws.closed
    for one in stalled:
        one.close()


async def test_a_revoked_session_loses_its_live_feed(hub: Running) -> None:
    _, token = await cookie_for(hub.services.store, Role.OPERATOR, department="district-office")
    async with aiohttp.ClientSession(headers={"Cookie": f"{COOKIE}={token}", "X-Tocsin": "console"}) as client, \
            client.ws_connect(f"{hub.web_url}/api/v1/live") as ws:
        assert json.loads((await ws.receive()).data)["type"] == "hello"
        async with hub.services.store.transaction() as tx:
            session_id = (await tx.conn.execute(select(session.c.id).where(session.c.token_hash == token_hash(token)))).scalar_one()
            await end_sessions(tx, session_id=session_id, by="person:x", reason="revoked")
        async with asyncio.timeout(20):
            while (message := await ws.receive()).type is aiohttp.WSMsgType.TEXT:
                assert json.loads(message.data)["type"] in ("status", "changes", "dropped")


async def test_nobody_follows_without_signing_in(hub: Running) -> None:
    async with aiohttp.ClientSession(headers={"X-Tocsin": "console"}) as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(f"{hub.web_url}/api/v1/live")
    assert refused.value.status == 401

"""A hub that is killed while somebody watches: the view has its end in the chain after the next start."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp

from hub.domain.access import Role
from hub.domain.camera import CameraPlace, ViewEnded, ViewStarted
from hub.domain.change import Change
from hub.store import Store, changes_after
from hub.store.cameras import save_camera
from hub.web.guard import COOKIE
from tests.support import plant
from tests.support.hub_child import HubChild
from tests.support.until import PATIENCE_S
from tests.support.web_hub import cookie_for

FEED = "/api/v1/feeds/plant-1/cam?reason=%E5%B7%A1%E6%9F%A5"


async def views(child: HubChild) -> list[Change]:
    async with Store(child.settings().database_url) as store, store.read() as conn:
        return [c for c in await changes_after(conn, 0, limit=1000) if c.kind in ("view.started", "view.ended")]


async def test_a_view_whose_hub_is_killed_has_its_end_after_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    folder.mkdir(mode=0o700)
    async with HubChild(folder) as child:
        await child.stop()  # the district is furnished
        async with Store(child.settings().database_url) as store:
            await plant.enrol(store)
            async with store.transaction() as tx:
                await save_camera(tx, "plant-1/cam", CameraPlace(enterprise_id="plant-a"), by="system:test")
            _, token = await cookie_for(store, Role.OPERATOR, department="district-office")
        await child.start()
        async with aiohttp.ClientSession(headers={"Cookie": f"{COOKIE}={token}", "X-Tocsin": "console"}) as client, \
                client.ws_connect(child.url + FEED) as socket:
            assert json.loads((await socket.receive()).data)["type"] == "hello"
            await child.kill()
        assert [c.kind for c in await views(child)] == ["view.started"]
        await child.start()
        async with asyncio.timeout(PATIENCE_S):
            while len(found := await views(child)) < 2:
                await asyncio.sleep(0.1)
    began, ended = found[0].read(ViewStarted).view, found[1].read(ViewEnded).view
    assert (ended.id, ended.person_id, ended.reason, ended.ended) == (began.id, began.person_id, "巡查", "hub_gone")
    assert ended.to_at is not None and ended.to_at >= began.from_at

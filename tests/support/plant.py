"""A plant for tests of video in the running hub: enrolled agents with real cameras, and reports that open incidents beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from agents.cameras import Cameras
from hub.app import Running
from hub.domain.agent import AgentView
from hub.domain.camera import CameraPlace, EnterpriseView
from hub.domain.report import Channel
from hub.ids import new_id
from hub.ingest.intake import Source
from hub.store import Store
from hub.store.agents import get_agent, new_secret, note_presence, put_agent
from hub.store.cameras import get_camera, save_camera, save_enterprise
from hub.wire import Place, Presence, Report, ReportKind, encode
from streams.publisher import MediaLink
from tests.support.until import PATIENCE_S, until

LON, LAT = 119.13, 34.89
PLANT = EnterpriseView(id="plant-a", zh="海湾精细化工（演示）", en="Bay Fine Chemicals (demo)", department_id="emergency-bureau", adcode="320707108",
                       lon=LON, lat=LAT, hazard_level=2, demo=True)


async def enrol(store: Store, agent_id: str = "plant-1", *, department: str = "emergency-bureau", enterprise: str | None = "plant-a",
                trusted: bool = False) -> str:
    """An agent and its enterprise; gives the agent's secret."""
    secret = new_secret()
    async with store.transaction() as tx:
        await save_enterprise(tx, PLANT, by="system:test")
        await put_agent(tx, agent_id=agent_id, name=agent_id, kind="field", department_id=department, enterprise_id=enterprise, secret=secret,
                        trusted=trusted)
    return secret


@asynccontextmanager
async def cameras(hub: Running, folder: Path, secret: str, lines: str, *, agent_id: str = "plant-1") -> AsyncIterator[Cameras]:
    """An agent's cameras, connected to the hub's broker, with their presence told as its session would."""
    file = folder / f"{agent_id}.yaml"
    file.write_text("cameras:\n" + lines, encoding="utf-8")
    link = MediaLink(agent_id=agent_id, host="127.0.0.1", port=hub.mqtt_port, password=secret)
    async with Cameras(file, link) as running:
        yield running


async def tell(hub: Running, running: Cameras, *, agent_id: str = "plant-1", online: bool = True) -> None:
    """Tell the hub what the agent's session would say of its cameras."""
    async with hub.services.store.transaction() as tx:
        await note_presence(tx, agent_id, Presence(online=online, at=datetime.now(UTC), cameras=running.presence() if online else ()))


async def agent(store: Store, agent_id: str) -> AgentView:
    """The agent as stored."""
    async with store.read() as conn:
        found = await get_agent(conn, agent_id)
    assert found is not None
    return found


async def show(hub: Running, running: Cameras, id: str = "plant-1/cam", place: CameraPlace | None = None) -> None:
    """Wait until the camera is online and its preview has come, and register it."""
    store, relay = hub.services.store, hub.services.extra["relay"]
    camera_id = id.partition("/")[2]
    await until(lambda: any(c.id == camera_id and c.health == "online" for c in running.presence()), 20, "the camera online")
    await tell(hub, running, agent_id=id.partition("/")[0])
    await until(lambda: any(key.camera_id == camera_id and relay.preview(key) for key in list(relay.keys())), 20, "a preview")

    async with store.transaction() as tx:
        await save_camera(tx, id, place or CameraPlace(enterprise_id="plant-a", lon=LON + 0.001, lat=LAT, bearing_deg=270, fov_deg=90),
                          by="system:test")
    for _ in range(200):
        async with store.read() as conn:
            found = await get_camera(conn, id)
        if found is not None and found.health == "online":
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the registry does not show the camera online")


async def named(hub: Running, running: Cameras, client: aiohttp.ClientSession, wanted: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Tell what the agent says of its cameras until each is shown with these troubles; gives the rows of the directory by camera."""
    ends = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        await tell(hub, running)
        async with client.get(hub.web_url + "/api/v1/cameras") as answer:
            rows = {row["camera"]["camera_id"]: row for row in (await answer.json())["items"]}
        shown = {id: tuple(row["camera"].get("troubles", ())) for id, row in rows.items()}
        if all(shown.get(id) == codes for id, codes in wanted.items()):
            return rows
        assert asyncio.get_running_loop().time() < ends, shown
        await asyncio.sleep(0.3)


async def report(hub: Running, *, trusted: bool = False, enterprise: str | None = "plant-a", agent_id: str = "other",
                 place: Place | None = None, **more: Any) -> str:
    """File a first report at the plant (or at another place); gives the incident's id."""
    message = Report(id=new_id(), kind=ReportKind.INITIAL, occurred_at=datetime.now(UTC), title="储罐泄漏", event_types=("12D02",),
                     place=place or Place(text="厂区", lon=LON, lat=LAT, enterprise_id=enterprise), **more)
    source = Source(f"agent:{agent_id}", agent_id=agent_id, department_id="emergency-bureau", trusted=trusted)
    receipt = await hub.services.intake.submit("report", encode(message), source, Channel.HTTP)
    assert receipt.incident_id is not None, receipt
    return receipt.incident_id

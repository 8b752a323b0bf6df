"""The demo district: agents of departments, towns and enterprises, every one invented and marked 演示 / demo, living in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from hub.domain.camera import CameraPlace, EnterpriseView
from hub.domain.duty_rules import packaged_rules
from hub.operate.demo_day import day
from hub.operate.secrets import own_secret
from hub.settings import Settings
from hub.store import Store
from hub.store.agents import get_agent, put_agent
from hub.store.cameras import get_enterprise, save_camera, save_enterprise
from hub.store.daily import packaged_book, save_schedule

if TYPE_CHECKING:
    from hub.app import Running

AGENTS: tuple[tuple[str, str, str], ...] = (
    ("demo-emergency", "emergency-bureau", "应急管理局终端（演示）"),
    ("demo-traffic-police", "traffic-police", "交警巡逻车终端（演示）"),
    ("demo-fire", "fire-rescue", "消防指挥车终端（演示）"),
    ("demo-transport", "transport-bureau", "交通运输局终端（演示）"),
    ("demo-ecology", "ecology-bureau", "生态环境局监测车（演示）"),
    ("demo-health", "health-commission", "卫健委终端（演示）"),
    ("demo-weather", "meteorological-bureau", "气象自动站（演示）"),
    ("demo-maritime", "maritime-office", "海事处终端（演示）"),
    ("demo-agriculture", "agriculture-bureau", "渔港终端（演示）"),
    ("demo-housing", "housing-bureau", "住建局终端（演示）"),
    ("demo-town-qingkou", "town-qingkou", "青口镇终端（演示）"),
    ("demo-town-ganma", "town-ganma", "赣马镇终端（演示）"),
    ("demo-town-zhewang", "town-zhewang", "柘汪镇终端（演示）"),
)
TRUSTED = frozenset({"demo-traffic-police", "demo-fire"})
PLANTS: tuple[tuple[str, str, str, str, float, float], ...] = (
    ("demo-plant-haiwan", "demo-haiwan", "海湾精细化工（演示）", "Bay Fine Chemicals (demo)", 119.175, 35.055),
    ("demo-plant-lingang", "demo-lingang", "临港储运（演示）", "Harbour Storage (demo)", 119.142, 34.897),
)
"""Agent id, enterprise id, name zh and en, place: invented enterprises whose synthetic cameras live on agents of their own."""
CAMERAS: tuple[tuple[str, str, float, float, float, float, str], ...] = (
    ("gate", "大门", 270.0, 80.0, -0.0012, 0.0004, ""),
    ("tanks", "罐区", 90.0, 70.0, 0.0008, 0.0002, ""),
    ("loading", "装卸区", 180.0, 60.0, 0.0002, -0.0009, ""),
    ("jetty", "码头", 45.0, 50.0, 0.0017, 0.0011, "&fault=covered&after_s=120"),
)
"""Id, what it sees, bearing and angle of view (degrees), place from the plant's (degrees east and north), and what goes wrong with it: somebody
hangs a cloth over the last one, so that a picture that is none can be seen on the wall."""
QUIET_PLANTS: tuple[tuple[str, str, str, float, float, int | None, tuple[str, ...]], ...] = (
    ("demo-qingkou-cold", "青口冷链食品（演示）", "Qingkou Cold Chain (demo)", 119.118, 34.828, 4, ("液氨",)),
    ("demo-shiqiao", "石桥新材料（演示）", "Shiqiao New Materials (demo)", 119.178, 35.028, 3, ("甲苯", "环氧乙烷")),
    ("demo-chengxi-fuel", "城西加油站（演示）", "Chengxi Filling Station (demo)", 119.052, 34.802, None, ("汽油", "柴油")),
)
"""Enterprises on the register whose cameras are not connected: the roll-call names them, and they owe it."""
GROUPS = (("demo-emergency", "demo-traffic-police", "demo-fire", "demo-transport", "demo-weather"),
          ("demo-ecology", "demo-health", "demo-maritime", "demo-agriculture", "demo-housing"),
          ("demo-town-qingkou", "demo-town-ganma", "demo-town-zhewang"))
"""Which agents share a process: the departments in two, the towns in one."""


LATE_START_HOUR = 15
LATE_DEADLINES = ("23:30", "23:59")
"""A demo that is first started after this hour (local) has today's daily reports due late in the evening instead of at 17:00, so that they can still be
filed in time and the board shows more than lateness (our own choice, of the demo alone)."""


async def load(store: Store, settings: Settings) -> None:
    """Enrol the demo's agents where they are not; their secrets stand in the data folder."""
    async with store.read() as conn:
        new = await get_agent(conn, AGENTS[0][0]) is None
    if new:
        await put_deadline_off(store, settings)
    for agent_id, department, name in AGENTS:
        async with store.read() as conn:
            known = await get_agent(conn, agent_id)
        if known is not None:
            continue
        async with store.transaction() as tx:
            await put_agent(tx, agent_id=agent_id, name=name, kind="demo", department_id=department,
                            secret=own_secret(settings.data_path / "demo", agent_id), trusted=agent_id in TRUSTED)
    await load_plants(store, settings)


async def put_deadline_off(store: Store, settings: Settings) -> None:
    """Where the day is far gone, today's daily reports are due in the evening; from tomorrow on as shipped."""
    now = store.clock.now().astimezone(ZoneInfo(settings.local_zone))
    deadline = next((late for late in LATE_DEADLINES if f"{now:%H:%M}" < late), None)
    if now.hour < LATE_START_HOUR or deadline is None:
        return
    for shipped in packaged_book().schedules:
        today = replace(shipped, valid_from=now.date(), edition="演示 / demo", rule=replace(shipped.rule, times=(deadline,), open_before_min=1439))
        async with store.transaction() as tx:
            await save_schedule(tx, packaged_rules(), today, by="system:demo")
            await save_schedule(tx, packaged_rules(), replace(shipped, valid_from=now.date() + timedelta(days=1)), by="system:demo")


async def load_plants(store: Store, settings: Settings) -> None:
    """Register the demo's enterprises and their cameras where they are not."""
    for agent_id, enterprise_id, zh, en, lon, lat in PLANTS:
        async with store.read() as conn:
            known = await get_agent(conn, agent_id)
        if known is not None:
            continue
        async with store.transaction() as tx:
            await save_enterprise(tx, EnterpriseView(id=enterprise_id, zh=zh, en=en, department_id="emergency-bureau", lon=lon, lat=lat,
                                                     hazard_level=2, substances=("液氨", "甲醇"), demo=True), by="system:demo")
            await put_agent(tx, agent_id=agent_id, name=zh, kind="demo", department_id="emergency-bureau", enterprise_id=enterprise_id,
                            secret=own_secret(settings.data_path / "demo", agent_id))
            for camera_id, name, bearing, fov, east, north, _ in CAMERAS:
                await save_camera(tx, f"{agent_id}/{camera_id}", CameraPlace(
                    name=f"{zh}{name}", enterprise_id=enterprise_id, lon=round(lon + east, 5), lat=round(lat + north, 5), bearing_deg=bearing,
                    fov_deg=fov, range_m=220.0, sees=(name,)), by="system:demo")
    async with store.transaction() as tx:
        for enterprise_id, zh, en, lon, lat, hazard, substances in QUIET_PLANTS:
            if await get_enterprise(tx.conn, enterprise_id) is None:
                await save_enterprise(tx, EnterpriseView(id=enterprise_id, zh=zh, en=en, department_id="emergency-bureau", lon=lon, lat=lat,
                                                         hazard_level=hazard, substances=substances, demo=True), by="system:demo")


def plant_folder(hub: Running, agent_id: str) -> Path:
    """Write the folder of a plant's agent: its settings, its password, its cameras. Small pictures, few a second: it is a demo."""
    settings = hub.services.settings
    folder = settings.data_path / "demo" / agent_id
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lines = [f'agent_id = "{agent_id}"', 'department = "emergency-bureau"', f'hub_id = "{settings.hub_id}"', f'hub_url = "{hub.web_url}"',
             'mqtt_host = "127.0.0.1"', f"mqtt_port = {hub.mqtt_port}", 'cameras_file = "cameras.yaml"']
    seed = 10 * next(n for n, plant in enumerate(PLANTS) if plant[0] == agent_id)
    cameras = [f"  - id: {camera_id}\n    name: {name}\n    url: 'synthetic:?size=320x180&rate=5&gop_s=2&seed={n + seed}{fault}'\n"
               f"    preview_s: 5\n" for n, (camera_id, name, *_, fault) in enumerate(CAMERAS, 1)]
    for name, text in (("agent.toml", "\n".join(lines) + "\n"), ("cameras.yaml", "cameras:\n" + "".join(cameras)),
                       ("password", own_secret(settings.data_path / "demo", agent_id))):
        path = folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
    return folder


def credentials_file(settings: Settings) -> Path:
    """Where the credentials of the demo's agents stand, for `tocsin drill run` and `tocsin agent simulate`."""
    return settings.data_path / "demo" / "agents.json"


def write_credentials(hub: Running) -> Path:
    """Write the file that the agents read, with the broker's present address; owner-readable only."""
    settings = hub.services.settings
    path = credentials_file(settings)
    value: dict[str, Any] = {
        "hub_id": settings.hub_id, "hub_url": hub.web_url, "mqtt": {"host": "127.0.0.1", "port": hub.mqtt_port, "tls": False},
        "agents": [{"agent_id": agent_id, "password": own_secret(settings.data_path / "demo", agent_id), "department": department,
                    "name": name} for agent_id, department, name in AGENTS],
    }
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(value))
    return path


@contextlib.asynccontextmanager
async def agents(hub: Running) -> AsyncIterator[None]:
    """The demo's agents as child processes, ended with the hub."""
    path = write_credentials(hub)
    folder = hub.services.settings.data_path / "demo" / "outboxes"
    folder.mkdir(parents=True, exist_ok=True)
    children = []
    with (folder.parent / "agents.log").open("ab") as log:
        for group in GROUPS:
            only = [part for agent_id in group for part in ("--agent", agent_id)]
            children.append(await asyncio.create_subprocess_exec(
                sys.executable, "-m", "hub", "agent", "live", "--credentials", str(path), "--folder", str(folder), "--minutes", "40", *only,
                stdout=log, stderr=log, start_new_session=True))
        for agent_id, *_ in PLANTS:
            children.append(await asyncio.create_subprocess_exec(
                sys.executable, "-m", "hub", "agent", "run", "--folder", str(plant_folder(hub, agent_id)), stdout=log, stderr=log,
                start_new_session=True))
    try:
        async with day(hub):
            yield
    finally:
        for child in children:
            if child.returncode is None:
                child.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.gather(*(child.wait() for child in children))
        for child in children:
            if child.returncode is None:
                child.kill()

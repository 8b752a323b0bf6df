"""The demo district: agents of departments, towns and enterprises, every one invented and marked 演示 / demo, living in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hub.operate.secrets import own_secret
from hub.settings import Settings
from hub.store import Store
from hub.store.agents import get_agent, put_agent

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
GROUPS = (("demo-emergency", "demo-traffic-police", "demo-fire", "demo-transport", "demo-weather"),
          ("demo-ecology", "demo-health", "demo-maritime", "demo-agriculture", "demo-housing"),
          ("demo-town-qingkou", "demo-town-ganma", "demo-town-zhewang"))
"""Which agents share a process: the departments in two, the towns in one."""


async def load(store: Store, settings: Settings) -> None:
    """Enrol the demo's agents where they are not; their secrets stand in the data folder."""
    for agent_id, department, name in AGENTS:
        async with store.read() as conn:
            known = await get_agent(conn, agent_id)
        if known is not None:
            continue
        async with store.transaction() as tx:
            await put_agent(tx, agent_id=agent_id, name=name, kind="demo", department_id=department,
                            secret=own_secret(settings.data_path / "demo", agent_id), trusted=agent_id in TRUSTED)


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
                sys.executable, "-m", "hub", "agent", "live", "--credentials", str(path), "--folder", str(folder), "--minutes", "12", *only,
                stdout=log, stderr=log, start_new_session=True))
    try:
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

"""An agent whose clock is a day off: its report is stored, its time is kept beside the hub's and flagged, and every deadline runs by the hub's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from agents.settings import save_settings, write_private
from hub.clock import utc_text
from hub.store import Store
from hub.store.reports import get_report
from tests.support.hub_child import HubChild

A_MOMENT = timedelta(minutes=2)


async def filed(folder: Path, offset: str) -> str:
    """File a report with the machine's clock moved by `offset`; gives what the command said."""
    faketime = shutil.which("faketime")
    assert faketime, "faketime is missing"
    process = await asyncio.create_subprocess_exec(
        faketime, "--exclude-monotonic", "-f", offset, sys.executable, "-W", "ignore", "-m", "hub", "report", "file", "--title", "罐区有刺激性气味",
        "--place", "石桥新材料 3 号罐区", "--type", "12D00", "--urgent", "--timeout", "40", stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT, env={**os.environ, "TOCSIN_AGENT_FOLDER": str(folder)})
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("offset_h", [24, -24])
async def test_a_clock_that_is_a_day_off_is_flagged_and_moves_no_deadline(tmp_path: Path, offset_h: int) -> None:
    hub, folder = HubChild(tmp_path / "hub"), tmp_path / "agent"
    secrets = await hub.enrol("far", department="town-ganma")
    folder.mkdir()
    save_settings(folder, {"agent_id": "far", "mqtt_port": hub.mqtt_port, "department": "town-ganma"})
    write_private(folder / "password", secrets["far"])
    async with hub, Store(hub.settings().database_url) as store:
        began = datetime.now(UTC)
        await filed(folder, f"{offset_h:+}h")
        owed: list[datetime] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(30):
                while not (owed := await due_times(store)):
                    await asyncio.sleep(0.1)
        assert owed, hub.log()
        async with store.read() as conn:
            report = await get_report(conn, str((await conn.execute(text("SELECT id FROM report"))).scalar_one()))
    assert report is not None
    assert utc_text(began) <= report.received_at <= utc_text(began + A_MOMENT)
    assert abs((datetime.fromisoformat(report.occurred_at) - began - timedelta(hours=offset_h)).total_seconds()) < A_MOMENT.total_seconds()
    assert report.skew_s == pytest.approx(offset_h * 3600, abs=A_MOMENT.total_seconds())
    assert report.skew_flagged
    assert min(owed) > began
    assert min(owed) < began + timedelta(hours=1)


async def due_times(store: Store) -> list[datetime]:
    """When what is owed about the incident is due."""
    async with store.read() as conn:
        rows = await conn.execute(text("SELECT due_at FROM obligation WHERE incident_id IS NOT NULL"))
        return [datetime.fromisoformat(row.due_at) for row in rows]

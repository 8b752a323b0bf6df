"""The README's commands as they are printed, one after the other, by somebody who has a hub that runs and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from tests.support.hub_child import HubChild

ROOT = Path(__file__).resolve().parents[2]
PRINTED = "http://127.0.0.1:8800", "ABCD-EFGH-JKMN"


def lines(first: str) -> list[str]:
    """The commands of the block that begins with this one, without what is said beside them."""
    block = re.search(rf"```sh\n({re.escape(first)}.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    return [line.partition("  #")[0].strip() for line in block.group(1).splitlines()]


async def typed(line: str, folder: Path, **more: str) -> str:
    """What a command prints that is typed in this folder; it must end well."""
    line = line.replace("tocsin ", f"{sys.executable} -W ignore -m hub ", 1)
    process = await asyncio.create_subprocess_exec("sh", "-c", line, cwd=folder, env={**os.environ, "HOME": str(folder), "PYTHONPATH": str(ROOT), **more},
                                                   stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    said, wrong = await process.communicate()
    if b"[late_reason]" in wrong and "--late-reason" not in line:  # after the deadline, as the README says
        return await typed(f"{line} --late-reason 补报", folder, **more)
    assert process.returncode == 0, f"{line}\n{wrong.decode()}"
    return said.decode()


@contextlib.asynccontextmanager
async def a_project_with_a_hub(folder: Path) -> AsyncIterator[HubChild]:
    """A folder as the project's own: its documents, and `var` with the data of a hub that runs."""
    (folder / "docs").symlink_to(ROOT / "docs")
    (folder / "var").mkdir()
    async with HubChild(folder / "var") as hub:
        yield hub


@pytest.mark.timeout(180)
async def test_the_daily_duty_in_five_commands(tmp_path: Path) -> None:
    zero, file, status, board, digest = lines("tocsin daily zero")
    async with a_project_with_a_hub(tmp_path):
        assert re.search(r"20\d{6}-000001\tstored", await typed(zero, tmp_path))
        assert re.search(r"20\d{6}-000002\tstored", await typed(file, tmp_path))
        assert "-000002" in await typed(status, tmp_path)
        said = await typed(board, tmp_path)
        assert "-000001" in said and "-000002" in said
        assert "G204 赣马镇段追尾一起" in await typed(digest, tmp_path)


@pytest.mark.timeout(180)
async def test_the_first_steps(tmp_path: Path) -> None:
    up, link, code, enroll, run, file, status, _, doctor = lines("tocsin up")
    assert (up, run) == ("tocsin up", "tocsin agent run")
    async with a_project_with_a_hub(tmp_path) as hub:
        assert (await typed(link, tmp_path)).startswith(hub.url + "/welcome/")
        made: Mapping[str, str] = dict(zip(PRINTED, (hub.url, (await typed(code, tmp_path)).strip()), strict=True))
        for printed, real in made.items():
            enroll = enroll.replace(printed, real)
        assert "plant-1" in await typed(enroll, tmp_path, TOCSIN_LANG="en")
        agent = await asyncio.create_subprocess_exec(sys.executable, "-W", "ignore", "-m", "hub", "agent", "run", cwd=ROOT,
                                                     env={**os.environ, "HOME": str(tmp_path), "TOCSIN_LANG": "en"}, stdout=asyncio.subprocess.PIPE)
        assert agent.stdout is not None
        try:
            assert b"agent plant-1 is up" in await agent.stdout.readline()
            assert "receipt no." in await typed(file, tmp_path, TOCSIN_LANG="en")
            assert "stored by the hub" in await typed(status, tmp_path, TOCSIN_LANG="en")
            beside = {"TOCSIN_WEB_PORT": str(hub.web_port), "TOCSIN_BROKER_PORT": str(hub.mqtt_port)}
            assert "✓ chain" in await typed(doctor, tmp_path, **beside)
        finally:
            agent.terminate()
            await agent.wait()

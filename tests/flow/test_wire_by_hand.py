"""docs/wire.md followed to the letter with nothing but mosquitto_pub and mosquitto_sub, on the embedded broker and on a Mosquitto set up by
`tocsin broker-config mosquitto`: the receipt comes back, and the incident stands in the list and in the live feed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pyotp
import pytest

from hub.ids import new_id
from hub.operate.bench_servers import answers, binary, end
from tests.support.hub_child import HubChild
from tests.support.ports import free_port
from tests.support.until import until

WIRE = (Path(__file__).resolve().parents[2] / "docs" / "wire.md").read_text(encoding="utf-8")
JSON = {"x-tocsin": "test"}


@dataclass
class Stage:
    """A running hub, the signed-in desk and administrator, and where agents connect."""

    hub: HubChild
    client: aiohttp.ClientSession
    administrator: aiohttp.ClientSession
    mqtt_port: int
    listener: str
    folder: Path

    async def enrol(self, agent_id: str) -> str:
        """A one-time code made and used, as the document says; gives the password."""
        body = {"agent_id": agent_id, "name": "石桥新材料（测试）", "department_id": "emergency-bureau"}
        async with self.administrator.post("/api/v1/agents/codes", json=body) as made:
            assert made.status == 200, await made.text()
            code = (await made.json())["code"]
        async with aiohttp.ClientSession() as device, device.post(self.hub.url + "/api/v1/enroll", json={"code": code}) as enrolled:
            assert enrolled.status == 201, await enrolled.text()
            return str((await enrolled.json())["password"])


async def desk_token(hub: HubChild) -> str:
    """Of the one-time link that the first start prints."""
    link = re.compile(r"/welcome/(\S+)")
    await until(lambda: link.search(hub.log()), what="a sign-in link was printed")
    found = link.search(hub.log())
    assert found is not None
    return found.group(1)


async def administrator_token(hub: HubChild) -> str:
    """Of the link that whoever stands at the machine makes."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "hub", "account", "link", "sysadmin", "--data-dir", str(hub.folder),
                                                   stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    said, wrong = await process.communicate()
    assert process.returncode == 0, wrong.decode()
    return said.decode().strip().rpartition("/")[2]


async def sign_in(hub: HubChild, token: str) -> aiohttp.ClientSession:
    """A session opened by a one-time link."""
    client = aiohttp.ClientSession(base_url=hub.url, headers=JSON, cookie_jar=aiohttp.CookieJar(unsafe=True))
    async with client.post("/api/v1/session/welcome", json={"token": token, "password": "a-long-enough-pass-phrase"}) as said:
        assert said.status in (200, 201), await said.text()
    return client


async def administrator(hub: HubChild) -> aiohttp.ClientSession:
    """The system administrator's session, with the second factor that the post asks for."""
    client = await sign_in(hub, await administrator_token(hub))
    async with client.post("/api/v1/session/second-factor") as made:
        secret = (await made.json())["secret"]
    async with client.post("/api/v1/session/second-factor/confirm", json={"code": pyotp.TOTP(secret).now()}) as confirmed:
        assert confirmed.status == 200, await confirmed.text()
    return client


@contextlib.asynccontextmanager
async def mosquitto_as_configured(folder: Path) -> AsyncIterator[tuple[int, Path]]:
    """A Mosquitto with what `tocsin broker-config mosquitto` wrote, kept in step by its `--follow`; gives port and the hub's password file."""
    port, conf = free_port(), folder / "mosquitto"
    write = [sys.executable, "-m", "hub", "broker-config", "mosquitto", "--folder", str(conf), "--port", str(port), "--data-dir", str(folder)]
    done = await asyncio.create_subprocess_exec(*write, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    said, _ = await done.communicate()
    assert done.returncode == 0, said.decode()
    if os.geteuid() == 0:
        with (conf / "mosquitto.conf").open("a") as file:
            file.write("user root\n")  # as root it would drop to a user that cannot read the folder
    with (folder / "mosquitto.log").open("wb") as log:
        broker = await asyncio.create_subprocess_exec(binary("mosquitto"), "-c", str(conf / "mosquitto.conf"), stdout=log, stderr=log)
        follower = await asyncio.create_subprocess_exec(*write, "--follow", str(broker.pid), stdout=log, stderr=log)
    try:
        await answers(port)
        yield port, conf / "secrets" / "hub-password"
    finally:
        await end(follower)
        await end(broker)


@pytest.fixture(params=["embedded", "mosquitto"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    async with contextlib.AsyncExitStack() as stack:
        hub, listener = HubChild(tmp_path), ""
        mqtt_port = hub.mqtt_port
        if request.param == "mosquitto":
            mqtt_port, password = await stack.enter_async_context(mosquitto_as_configured(tmp_path))
            hub = HubChild(tmp_path, "--broker", f"mqtt://127.0.0.1:{mqtt_port}", environment={"TOCSIN_BROKER_PASSWORD_FILE": str(password)})
            listener = "-receipts"
        await stack.enter_async_context(hub)
        desk = await stack.enter_async_context(await sign_in(hub, await desk_token(hub)))
        sysadmin = await stack.enter_async_context(await administrator(hub))
        yield Stage(hub, desk, sysadmin, mqtt_port, listener, tmp_path)


def commands(program: str) -> str:
    """The first printed command of a program, on one line."""
    found = re.search(rf"^{program} .*?(?=^```|^[A-Z]+=)", WIRE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found.group()


async def shell(stage: Stage, script: str, password: str, agent_id: str) -> asyncio.subprocess.Process:
    """Run printed commands as they stand, with this run's agent, port and password."""
    script = script.replace("plant-1", agent_id).replace("-p 1883", f"-p {stage.mqtt_port}")
    return await asyncio.create_subprocess_exec("sh", "-ec", script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                                                env={**os.environ, "PASSWORD": password, "ID": new_id()}, cwd=stage.folder)


async def listen(stage: Stage, agent_id: str, password: str) -> asyncio.subprocess.Process:
    """The printed mosquitto_sub, subscribed and waiting for one message; restarted until the broker knows the new agent."""
    script = "exec stdbuf -oL " + commands("mosquitto_sub").strip().replace("-i plant-1 ", f"-i plant-1{stage.listener} ") + " -C 1 -W 30 -d"
    async with asyncio.timeout(30):
        while True:
            process = await shell(stage, script, password, agent_id)
            assert process.stdout is not None
            while line := (await process.stdout.readline()).decode():
                if "SUBACK" in line:
                    return process
                if "Connection error" in line or "refused" in line.lower():
                    break
            await end(process)
            await asyncio.sleep(0.3)


async def receipt_of(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """What the listener printed: one receipt."""
    async with asyncio.timeout(35):
        assert process.stdout is not None
        while line := (await process.stdout.readline()).decode():
            if line.startswith("{"):
                await end(process)
                found: dict[str, Any] = json.loads(line)
                return found
    raise AssertionError("the listener ended without a receipt")


async def in_live_feed(stage: Stage, incident_id: str) -> dict[str, Any]:
    """The change that opened the incident, from the live feed."""
    async with asyncio.timeout(40), stage.client.ws_connect("/api/v1/live?after=0") as socket:
        async for message in socket:
            frame = json.loads(message.data)
            for item in frame.get("items", ()):
                if item["kind"] == "incident.opened" and item["incident_id"] == incident_id:
                    return dict(item)
    raise AssertionError("the live feed ended")


async def test_a_report_filed_by_the_printed_commands_is_receipted_and_stands_on_the_screen(stage: Stage) -> None:
    password = await stage.enrol("tanker-7")
    listener = await listen(stage, "tanker-7", password)
    publisher = await shell(stage, commands("mosquitto_pub").replace("\\\n", "\n"), password, "tanker-7")
    said, wrong = await publisher.communicate()
    assert publisher.returncode == 0, (said + wrong).decode()

    receipt = await receipt_of(listener)

    assert receipt["status"] == "stored", receipt
    assert re.fullmatch(r"\d{8}-000001", receipt["receipt_no"])
    async with stage.client.get("/api/v1/incidents") as answer:
        listed = {one["id"]: one for one in (await answer.json())["items"]}
    assert listed[receipt["incident_id"]]["title"] == "G204 赣马镇段液氨罐车侧翻"
    change = await in_live_feed(stage, receipt["incident_id"])
    assert change["actor"] == "agent:tanker-7"
    assert change["body"]["incident"]["urgent"] is True


async def test_the_printed_single_command_files_and_shows_the_receipt(stage: Stage) -> None:
    assert shutil.which("mosquitto_rr") is not None
    password = await stage.enrol("tanker-8")
    report = {"id": new_id(), "kind": "initial", "occurred_at": "2026-11-23T14:05:00+08:00", "title": "罐区报警", "place": {"adcode": "320707"},
              "event_types": ["99Z99"]}
    (stage.folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    async with asyncio.timeout(30):
        while True:
            process = await shell(stage, commands("mosquitto_rr").strip() + " -W 10", password, "tanker-8")
            said, _ = await process.communicate()
            if said.startswith(b"{"):
                break
            await asyncio.sleep(0.3)  # Mosquitto reads the new agent's password within seconds
    receipt = json.loads(said)
    assert (receipt["id"], receipt["status"], receipt["reason"], receipt["field"]) == (report["id"], "rejected", "unknown_value", "event_types.0")

"""docker-compose.yml: it is valid, it listens on loopback only, its secrets are files; and the very same processes with the very same settings
and commands, started without Docker, carry a report from an enrolled agent to the live feed of the web process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from hub.operate.bench_servers import answers, binary, end
from tests.support.ports import free_port
from tests.support.postgres import Postgres
from tests.support.until import until

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
HUB_PARTS = ("web", "ingest", "respond")


def test_docker_compose_accepts_the_file(tmp_path: Path) -> None:
    for name in ("docker-compose.yml", "Dockerfile"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "compose", tmp_path / "compose", ignore=shutil.ignore_patterns("secrets"))
    subprocess.run([str(tmp_path / "compose" / "make-secrets")], check=True, capture_output=True)
    done = subprocess.run(["docker-compose", "config", "--quiet"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_secrets_are_made_at_random_once_and_kept_from_others(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "compose", tmp_path / "compose", ignore=shutil.ignore_patterns("secrets"))
    made = []
    for _ in range(2):
        subprocess.run([str(tmp_path / "compose" / "make-secrets")], check=True, capture_output=True)
        made.append((tmp_path / "compose/secrets/postgres-password").read_text())
    assert made[0] == made[1]
    assert re.fullmatch(r"[\w-]{44}", made[0])
    assert (tmp_path / "compose/secrets").stat().st_mode & 0o077 == 0


def test_everything_listens_on_loopback_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_no_secret_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert name.endswith("_FILE") or not re.search("PASSWORD|SECRET|TOKEN", name), f"{name}={value}"
    assert all("file" in secret for secret in COMPOSE["secrets"].values())


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if service.get("restart") != "no" and name != "broker-follow"])
def test_every_lasting_service_has_a_health_check(name: str) -> None:
    assert "healthcheck" in SERVICES[name]


class Machine:
    """One folder in place of the volumes, free ports of loopback in place of the network; everything else is the file's own."""

    def __init__(self, folder: Path, postgres_port: int) -> None:
        self.folder = folder
        self.web, self.mqtt, self.hub_mqtt = free_port(), free_port(), free_port()
        secret = folder / "postgres-password"
        secret.write_text("a-password-of-postgres-for-tests")
        self.swaps = [("postgres:5432", f"127.0.0.1:{postgres_port}"), ("broker:1883", f"127.0.0.1:{self.mqtt}"), ("broker:1884", f"127.0.0.1:{self.hub_mqtt}"),
                      ("/run/secrets/postgres-password", str(secret)), ("/var/lib/tocsin", str(folder / "hub")), ("/broker", str(folder / "broker")),
                      ("/agent", str(folder / "agent")),
                      ("${AGENTS_BROKER:-mqtt:", "mqtt:"), (f"{self.mqtt}}}", str(self.mqtt)),
                      ("http://web:8800", f"http://127.0.0.1:{self.web}"), ("${PORT:-8800}", str(self.web)), ("0.0.0.0", "127.0.0.1"),
                      ("8801", str(free_port())), ("8802", str(free_port()))]
        (folder / "agent").mkdir(mode=0o700)
        self.processes: dict[str, asyncio.subprocess.Process] = {}

    def here(self, text: str) -> str:
        """A word of the file as it is on this machine."""
        for there, local in self.swaps:
            text = text.replace(there, local)
        return {"1883": str(self.mqtt), "1884": str(self.hub_mqtt)}.get(text, text)

    def environment(self, name: str) -> dict[str, str]:
        given = {key: self.here(str(value)) for key, value in SERVICES[name].get("environment", {}).items()}
        return {**os.environ, **given, "TOCSIN_WEB_PORT": str(self.web), "PYTHONPATH": os.pathsep.join(sys.path), "PATH": self._path()}

    def _path(self) -> str:
        """`tocsin` on the path, as in the image."""
        bin_dir = self.folder / "bin"
        if not bin_dir.is_dir():
            bin_dir.mkdir()
            (bin_dir / "tocsin").write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -W ignore -m hub \"$@\"\n")
            (bin_dir / "tocsin").chmod(0o755)
            (bin_dir / "python").symlink_to(sys.executable)
        return f"{bin_dir}{os.pathsep}{os.environ['PATH']}"

    async def start(self, name: str, *more: str) -> asyncio.subprocess.Process:
        """A service's process, with its command and its settings."""
        service = SERVICES[name]
        command = [self.here(str(word)).replace("$$", "$") for word in service["command"]]
        words = [*service.get("entrypoint", ["tocsin"]), *command, *more]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(*words, stdout=log, stderr=log, env=self.environment(name), cwd=ROOT)
        self.processes[name] = process
        return process

    async def once(self, name: str) -> None:
        """A service that does its work and ends."""
        async with asyncio.timeout(60):
            assert await (await self.start(name)).wait() == 0, self.log(name)

    def log(self, name: str) -> str:
        file = self.folder / f"{name}.log"
        return file.read_text(encoding="utf-8", errors="replace")[-4000:] if file.exists() else ""

    async def check(self, name: str) -> str | None:
        """A service's health check: None where it says yes, otherwise what it said."""
        words = [self.here(word) for word in SERVICES[name]["healthcheck"]["test"][1:]]
        process = await asyncio.create_subprocess_exec(*words, env=self.environment(name), cwd=ROOT, stdout=asyncio.subprocess.PIPE,
                                                       stderr=asyncio.subprocess.STDOUT)
        said, _ = await process.communicate()
        return None if process.returncode == 0 else said.decode()

    async def broker(self) -> asyncio.subprocess.Process:
        """Mosquitto with the configuration that `broker-config` wrote."""
        conf = self.folder / "broker" / "mosquitto.conf"
        if os.geteuid() == 0:
            conf.write_text(conf.read_text() + "user root\n")  # in the container its user owns the folder
        with (self.folder / "broker.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(binary("mosquitto"), "-c", str(conf), stdout=log, stderr=log)
        self.processes["broker"] = process
        await answers(self.mqtt)
        return process

    async def ready(self) -> None:
        """What the health check of `web` asks."""
        async with asyncio.timeout(60), aiohttp.ClientSession() as client:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with client.get(f"http://127.0.0.1:{self.web}/readyz") as answer:
                        if answer.status == 200:
                            return
                assert all(process.returncode in (None, 0) for process in self.processes.values()), self.log("web")
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        for process in reversed(self.processes.values()):
            await end(process)


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    """Everything of docker-compose.yml, in the order of its `depends_on`."""
    with Postgres() as postgres:
        sql = "CREATE ROLE tocsin LOGIN PASSWORD 'a-password-of-postgres-for-tests'; "
        for statement in (sql, "CREATE DATABASE tocsin OWNER tocsin ENCODING 'UTF8' TEMPLATE template0"):
            subprocess.run([str(postgres.bin / "psql"), "-q", "-h", "127.0.0.1", "-p", str(postgres.port), "-U", "postgres", "-c", statement],
                           check=True, capture_output=True)
        here = Machine(tmp_path, postgres.port)
        try:
            await here.once("broker-config")
            broker = await here.broker()
            await here.start("broker-follow", "--follow", str(broker.pid))
            await here.start("web")
            await here.ready()
            await here.start("ingest")
            await here.start("respond")
            await here.once("demo-code")
            await here.start("demo-agent")
            yield here
        finally:
            await here.stop()


async def signed_in(machine: Machine) -> aiohttp.ClientSession:
    link = re.compile(r"/welcome/(\S+)")
    await until(lambda: link.search(machine.log("web")), 20, "the sign-in link was printed")
    found = link.search(machine.log("web"))
    assert found is not None
    client = aiohttp.ClientSession(base_url=f"http://127.0.0.1:{machine.web}", headers={"x-tocsin": "test"}, cookie_jar=aiohttp.CookieJar(unsafe=True))
    async with client.post("/api/v1/session/welcome", json={"token": found.group(1), "password": "a-long-enough-pass-phrase"}) as said:
        assert said.status in (200, 201), await said.text()
    return client


async def followed(client: aiohttp.ClientSession, kinds: set[str], incident_id: str) -> dict[str, Any]:
    """Changes of one incident from the live feed, until each of the kinds has come."""
    seen: dict[str, Any] = {}
    async with asyncio.timeout(30), client.ws_connect("/api/v1/live?after=0") as socket:
        async for message in socket:
            for item in json.loads(message.data).get("items", ()):
                if item["incident_id"] == incident_id:
                    seen[item["kind"]] = item
            if kinds <= seen.keys():
                return seen
    raise AssertionError(f"the live feed ended after {sorted(seen)}")


@pytest.mark.timeout(240)
async def test_an_enrolled_agents_report_reaches_the_live_feed_of_the_web_process(machine: Machine) -> None:
    command = ["tocsin", "report", "file", "--title", "罐区有刺激性气味", "--place", "石桥新材料 3 号罐区", "--urgent", "--timeout", "60"]
    await until(lambda: (machine.folder / "agent" / "agent.toml").is_file(), 30, "the demo agent enrolled")
    told = tomllib.loads((machine.folder / "agent" / "agent.toml").read_text(encoding="utf-8"))
    assert told["mqtt_port"] == machine.mqtt, "agents have a listener of their own, which holds each to its own name"
    async with asyncio.timeout(90):
        filing = await asyncio.create_subprocess_exec(*command, env=machine.environment("demo-agent"), cwd=ROOT, stdout=asyncio.subprocess.PIPE,
                                                      stderr=asyncio.subprocess.STDOUT)
        said, _ = await filing.communicate()
    assert filing.returncode == 0, said.decode() + machine.log("demo-agent") + machine.log("ingest")

    async with await signed_in(machine) as client:
        async with client.get("/api/v1/incidents") as answer:
            [incident] = (await answer.json())["items"]
        assert incident["title"] == "罐区有刺激性气味"
        seen = await followed(client, {"incident.opened", "share.assigned", "obligation.made"}, incident["id"])

    assert seen["incident.opened"]["actor"] == "agent:demo-shiqiao"  # by the ingest process
    assert seen["share.assigned"]["actor"].startswith("system:")  # by the respond process


@pytest.mark.timeout(240)
async def test_the_health_checks_of_ingest_and_respond_say_yes_on_a_fresh_installation(machine: Machine) -> None:
    for name in ("ingest", "respond"):
        async with asyncio.timeout(60):
            while (said := await machine.check(name)) is not None:
                assert all(process.returncode in (None, 0) for process in machine.processes.values()), machine.log(name)
                await asyncio.sleep(0.2)
        assert said is None
    assert {name: SERVICES[name]["command"][-1] for name in HUB_PARTS} == {name: name for name in HUB_PARTS}


@pytest.mark.timeout(240)
async def test_the_health_check_of_ingest_says_no_while_the_broker_is_away(machine: Machine) -> None:
    async with asyncio.timeout(60):
        while await machine.check("ingest") is not None:
            await asyncio.sleep(0.2)
    await end(machine.processes["broker"])
    async with asyncio.timeout(30):
        while (said := await machine.check("ingest")) is None:
            await asyncio.sleep(0.2)
    assert "503" in said
    assert await machine.check("respond") is None

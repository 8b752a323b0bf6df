"""A whole hub as a child process, to be killed and started again on the same ports and the same data."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from hub.settings import Settings
from hub.store import Store
from hub.store.agents import new_secret, put_agent
from tests.support.ports import free_port


class HubChild:
    """`tocsin up` with its data in `folder`. `environment` gives further settings (`TOCSIN_…`)."""

    def __init__(self, folder: Path, *arguments: str, environment: dict[str, str] | None = None, prefix: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.web_port = free_port()
        self.mqtt_port = free_port()
        self.arguments = arguments
        self.environment = environment or {}
        self.prefix = prefix
        self.process: asyncio.subprocess.Process | None = None
        self.ready_s: list[float] = []

    @property
    def url(self) -> str:
        """Where its web is."""
        return f"http://127.0.0.1:{self.web_port}"

    def settings(self) -> Settings:
        """Its settings, as far as the store goes."""
        return Settings(data_dir=str(self.folder), store_url=self.environment.get("TOCSIN_STORE_URL", ""))

    async def enrol(self, *agent_ids: str, department: str = "traffic-police", trusted: bool = False) -> dict[str, str]:
        """Make agents before the start; gives their secrets."""
        secrets = {id: new_secret() for id in agent_ids}
        self.folder.mkdir(parents=True, exist_ok=True)
        async with Store(self.settings().database_url) as store, store.transaction() as tx:
            for id, secret in secrets.items():
                await put_agent(tx, agent_id=id, name=id, kind="field", department_id=department, secret=secret, trusted=trusted)
        return secrets

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    async def start(self, *, wait: bool = True) -> None:
        """Start, and wait until it is ready."""
        began = time.monotonic()
        with (self.folder / "hub.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.prefix, sys.executable, "-W", "ignore", "-m", "hub", "up", "--port", str(self.web_port), "--broker-port", str(self.mqtt_port),
                "--data-dir", str(self.folder), *self.arguments, stdout=log, stderr=log, env={**os.environ, **self.environment})
        if wait:
            await self.wait_ready()
            self.ready_s.append(time.monotonic() - began)

    async def wait_ready(self, within_s: float = 90.0) -> None:
        """Wait until `/readyz` says yes."""
        async with asyncio.timeout(within_s), aiohttp.ClientSession() as client:
            while True:
                assert self.process is not None
                assert self.process.returncode is None, self.log()
                try:
                    async with client.get(self.url + "/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.02)

    def log(self) -> str:
        """The end of its log."""
        return (self.folder / "hub.log").read_text(encoding="utf-8", errors="replace")[-6000:]

    async def kill(self) -> None:
        """kill -9."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM; it must be gone within 12 s."""
        await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> None:
        if self.process is None or self.process.returncode is not None:
            return
        self.process.send_signal(how)
        async with asyncio.timeout(12):
            await self.process.wait()

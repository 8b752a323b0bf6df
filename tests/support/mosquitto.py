"""A real Mosquitto as a child process on a free loopback port, with a folder of its own; it may be killed and started again."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.support.ports import free_port

BINARY = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


async def listens(port: int) -> bool:
    """Does anybody listen there?"""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


class Mosquitto:
    """`config_lines` are added to a listener on loopback; anonymous clients are let in unless a line says otherwise."""

    def __init__(self, config_lines: Sequence[str] = ()) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="mosquitto-"))
        self._lines = tuple(config_lines)
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start it (again, on the same port) and wait until it answers."""
        lines = [f"listener {self.port} 127.0.0.1", *self._lines]
        if not any(line.startswith("allow_anonymous") for line in lines):
            lines.append("allow_anonymous true")
        if not any(line.startswith("user ") for line in lines):
            lines.append("user root")
        config = self.folder / "mosquitto.conf"
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with (self.folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(BINARY, "-c", str(config), stdout=log, stderr=log)
        await self._wait_until_it_answers()

    async def _wait_until_it_answers(self, within_s: float = 30.0) -> None:
        """Every listener: they are opened one after the other."""
        async with asyncio.timeout(within_s):
            for port in (self.port, *(int(line.split()[1]) for line in self._lines if line.startswith("listener "))):
                while not await listens(port):
                    if self._process is None or self._process.returncode is not None:
                        raise RuntimeError((self.folder / "log").read_text(encoding="utf-8"))
                    await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """kill -9."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM."""
        await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.send_signal(how)
            await process.wait()

"""Real servers for the benchmarks, as children on free loopback ports, stopped by process id."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from hub.errors import Rejected
from hub.operate.broker_config import acl, mosquitto_conf, password_lines
from hub.settings import Settings


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def end(process: asyncio.subprocess.Process, *, within_s: float = 12) -> None:
    """SIGTERM, and SIGKILL where that is not enough."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(within_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def answers(port: int, *, within_s: float = 15) -> None:
    """Wait until somebody listens on the port."""
    async with asyncio.timeout(within_s):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


def binary(name: str) -> str:
    """The path of a server's program; raises Rejected where it is not installed."""
    found = shutil.which(name) or next((str(p) for p in (Path("/usr/sbin") / name, Path("/opt/homebrew/sbin") / name) if p.exists()), None)
    if found is None:
        raise Rejected("missing_program", f"未安装 {name}，请用系统包管理器安装", f"{name} is not installed; install it from the system's packages")
    return found


@contextlib.asynccontextmanager
async def mosquitto(settings: Settings, hub_password: str, agents: dict[str, str], *, inflight: int = 2000) -> AsyncIterator[int]:
    """A real Mosquitto with the product's own configuration (`tocsin broker-config mosquitto`); gives its port."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-mosquitto-"))
    port = free_port()
    try:
        (folder / "acl").write_text(acl(settings.hub_id, agents))
        (folder / "passwords").write_text(password_lines(hub_password, agents))
        (folder / "acl").chmod(0o600)
        (folder / "passwords").chmod(0o600)
        user = "\nuser root\n" if hasattr(os, "geteuid") and os.geteuid() == 0 else "\n"
        (folder / "mosquitto.conf").write_text(mosquitto_conf(settings, folder, port=port, inflight=inflight) + user)
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(binary("mosquitto"), "-c", str(folder / "mosquitto.conf"), stdout=log, stderr=log)
        try:
            await answers(port)
            yield port
        finally:
            await end(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def postgres() -> AsyncIterator[str]:
    """A real PostgreSQL in a scratch folder, durable as shipped; gives its URL. Runs as the user postgres where we are root."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-postgres-"))
    port = free_port()
    tools = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    bin_dir = tools[-1] if tools else Path(binary("initdb")).parent
    as_user = ["runuser", "-u", "postgres", "--"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")
    data = str(folder / "data")

    async def call(*command: str) -> None:
        process = await asyncio.create_subprocess_exec(*as_user, *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
                                                       cwd="/")
        _, error = await process.communicate()
        if process.returncode:
            raise RuntimeError(error.decode())

    try:
        await call(str(bin_dir / "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        process = await asyncio.create_subprocess_exec(
            *as_user, str(bin_dir / "postgres"), "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-c", "shared_buffers=256MB",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, cwd="/")
        try:
            await answers(port)
            await _accepts(bin_dir, port)
            yield f"postgresql+asyncpg://postgres@127.0.0.1:{port}/postgres"
        finally:
            await call(str(bin_dir / "pg_ctl"), "-D", data, "-m", "fast", "stop")
            await process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _accepts(bin_dir: Path, port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            process = await asyncio.create_subprocess_exec(str(bin_dir / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port))
            if await process.wait() == 0:
                return
            await asyncio.sleep(0.1)


async def hub(*arguments: str, environment: dict[str, str] | None = None, log: Path | None = None) -> asyncio.subprocess.Process:
    """The hub as a child: `tocsin up …`."""
    out = log.open("ab") if log else None
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hub", "up", *arguments, env={**os.environ, **(environment or {})},
            stdout=out or asyncio.subprocess.DEVNULL, stderr=out or asyncio.subprocess.DEVNULL)
    finally:
        if out:
            out.close()

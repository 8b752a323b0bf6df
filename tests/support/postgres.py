"""A real PostgreSQL in a temporary folder on a free loopback port, run by the user `postgres` (initdb refuses root); for tests only."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.ports import free_port


def programs() -> Path | None:
    """Where initdb and pg_ctl stand: the newest installed server, or on the path; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parent.parent.name))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


class Postgres:
    """`with Postgres() as server:` starts a cluster; `url` and `database(name)` are SQLAlchemy URLs. `stop` and `start` for outages."""

    def __init__(self) -> None:
        where = programs()
        if where is None:
            raise FileNotFoundError("PostgreSQL is not installed (initdb)")
        self.bin = where
        self.port = free_port()
        self.dir = Path(tempfile.mkdtemp(prefix="tocsin-pg-"))
        self.data = self.dir / "data"
        self.template = ""

    @property
    def url(self) -> str:
        """The URL of the first database."""
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        if os.geteuid() == 0:
            shutil.chown(self.dir, "postgres", "postgres")
        self._run(f"{self.bin}/initdb -D {self.data} -U postgres -A trust -E UTF8 --locale=C --no-sync")
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.dir} -c fsync=off -c max_connections=60"
        self._run(f"{self.bin}/pg_ctl -D {self.data} -l {self.dir}/log -w -t 30 -o '{options}' start")

    def stop(self, *, at_once: bool = True) -> None:
        """Stop the server; `at_once` as a crash does."""
        self._run(f"{self.bin}/pg_ctl -D {self.data} -w -m {'immediate' if at_once else 'fast'} stop", check=False)

    def database(self, name: str, *, like: str = "template0") -> str:
        """Make a database, empty or like another that nobody is connected to, and give its URL."""
        self._client("createdb", "-T", like, name)
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/{name}"

    def drop(self, url: str) -> None:
        """Remove a database and cut whoever is still connected: thousands of files less to write back and to clear away at the end."""
        self._client("dropdb", "--force", url.rsplit("/", 1)[1])

    def _client(self, program: str, *arguments: str) -> None:
        command = [str(self.bin / program), "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def _run(self, command: str, *, check: bool = True) -> None:
        argv = ["su", "postgres", "-c", command] if os.geteuid() == 0 else ["sh", "-c", command]
        done = subprocess.run(argv, cwd=self.dir, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        if check and done.returncode != 0:
            raise RuntimeError(f"{command}\n{done.stdout}\n{done.stderr}")

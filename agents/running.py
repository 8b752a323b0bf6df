"""Which process speaks for an agent's folder: one at a time, since the broker lets a client id in once. Works on every system."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.errors import Unavailable


@contextmanager
def sole_speaker(folder: Path) -> Iterator[None]:
    """Hold the folder while the block runs; the system lets go of it when the process dies, however it dies.

    Raises Unavailable `agent_running` where another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(folder / "running.lock", timeout=0, isolation_level=None, check_same_thread=False)
    try:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            raise Unavailable("agent_running", "该终端已在运行", "this agent is running already") from None
        yield
    finally:
        connection.close()


def is_running(folder: Path) -> bool:
    """Does a process hold the folder now?"""
    if not (folder / "running.lock").exists():
        return False
    try:
        with sole_speaker(folder):
            return False
    except Unavailable:
        return True

"""Which process speaks for an agent's folder: one at a time, since the broker lets a client id in once. Works on every system."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.errors import Unavailable, why_en, why_zh


@contextmanager
def sole_speaker(folder: Path) -> Iterator[None]:
    """Hold the folder while the block runs; the system lets go of it when the process dies, however it dies.

    Raises Unavailable `agent_running` where another process holds it, `agent_disk` where the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = sqlite3.connect(folder / "running.lock", timeout=0, isolation_level=None, check_same_thread=False)
    try:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise Unavailable("agent_disk", f"终端目录无法写入：{why_zh(error)}", f"the agent's folder cannot be written: {why_en(error)}") from None
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
    except Unavailable as error:
        return error.code == "agent_running"

"""Ports of loopback for the servers of tests.

They lie below the range that the kernel lends to outgoing connections: a port from that range can be gone between asking and listening, or while
a server is down between a kill and its next start. Each test process keeps a block for itself by a lock, so that several run side by side.
"""

from __future__ import annotations

import fcntl
import functools
import itertools
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

FIRST, LAST, BLOCK = 12_000, 32_000, 100


@functools.cache
def _block(process_id: int) -> Iterator[int]:
    """The ports of a block that no other process holds, over and over. The lock lives as long as the process."""
    folder = Path(tempfile.gettempdir()) / f"tocsin-test-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    blocks = (LAST - FIRST) // BLOCK
    for n in range(blocks):
        block = (process_id + n) % blocks
        lock = os.open(folder / str(block), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            start = FIRST + block * BLOCK
            return itertools.cycle(range(start, start + BLOCK))
    raise RuntimeError(f"every block of ports is taken; see {folder}")


def free_port() -> int:
    """A TCP port on loopback that nobody listens on and that nobody else will be given."""
    ports = _block(os.getpid())
    for port in itertools.islice(ports, BLOCK):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("every port of this process's block is listened on")

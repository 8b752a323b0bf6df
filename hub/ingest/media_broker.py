"""The embedded broker's media connections, in the process that `MediaDoor` keeps: `python -m hub.ingest.media_broker LINE HUB LEVEL words|json`.

Each socket comes with the CONNECT that the hub has already let in. The same front and the same broker as for reports, with pictures in it alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from typing import Any, Final

from hub.ingest.broker import Front, broker_behind, trim
from hub.ingest.media_door import CUT, TAKE
from hub.wire import Topics

log = logging.getLogger("hub.broker")
_WORDS_BYTES: Final = 262_144
NICENESS: Final = 5
"""Where the processor is short, reports come first (our own choice: a third of the weight of a process at 0)."""


def yield_to_reports() -> None:
    """Leave the processor to the hub's own process where both want it: less weight, and no interruption at each packet that comes (Linux)."""
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


class MediaBroker:
    """Takes over what the line brings."""

    def __init__(self, line: socket.socket, hub_id: str) -> None:
        self.line = line
        self.broker = broker_behind(lambda: self.front)
        self.front = Front(self.broker, Topics(hub_id), lambda _name, _password: True)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until the hub ends."""
        loop = asyncio.get_running_loop()
        await self.broker.start()
        self.line.setblocking(False)
        loop.add_reader(self.line, self._heard)
        self._do(trim(self.broker))
        try:
            await loop.run_in_executor(None, sys.stdin.buffer.read)
        finally:
            loop.remove_reader(self.line)
            await self.front.close()

    def _heard(self) -> None:
        try:
            words, sockets, _flags, _address = socket.recv_fds(self.line, _WORDS_BYTES, 1)
        except BlockingIOError:
            return
        if words[:1] == TAKE and sockets:
            self._do(self._take(words[1:], socket.socket(fileno=sockets[0])))
        elif words[:1] == CUT:
            self._do(self.front.cut_off(words[1:].decode()))

    def _do(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, read: bytes, sock: socket.socket) -> None:
        """Go on with a connection of which `read` was read already."""
        loop = asyncio.get_running_loop()
        sock.setblocking(False)
        reader = asyncio.StreamReader()
        reader.feed_data(read)
        transport, protocol = await loop.connect_accepted_socket(lambda: asyncio.StreamReaderProtocol(reader), sock)
        await self.front.connected(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


def main() -> None:
    """Entry point of the process."""
    from hub.operate.logs import set_up

    line, hub_id, level, form = sys.argv[1:]
    set_up(json_lines=form == "json", level=int(level))
    yield_to_reports()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what ends a whole group of processes: this one ends with the hub, which may still want it
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C reaches the whole group
        asyncio.run(_serve(socket.socket(fileno=int(line)), hub_id))


async def _serve(line: socket.socket, hub_id: str) -> None:
    await MediaBroker(line, hub_id).run()


if __name__ == "__main__":
    main()

"""A TCP proxy with little bandwidth one way and almost no room of its own, so that a sender feels the road at once."""

from __future__ import annotations

import asyncio
import socket
from typing import Self


class NarrowRoad:
    """Forwards to `target_port`; upwards, or downwards where `down`, at most `bytes_per_s` over all connections together, else unhindered."""

    def __init__(self, target_port: int, bytes_per_s: float, *, down: bool = False) -> None:
        self.port = 0
        self.bytes_per_s = bytes_per_s
        self._down = down
        self._target = target_port
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.port = listener.getsockname()[1]
        self._server = await asyncio.start_server(self._accept, sock=listener, limit=4096)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            far = socket.socket()
            if self._down:
                far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            far.connect(("127.0.0.1", self._target))
            far_reader, far_writer = await asyncio.open_connection(sock=far, limit=4096)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, far_writer, narrow=not self._down))
                group.create_task(self._carry(far_reader, writer, narrow=self._down))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, narrow: bool) -> None:
        while data := await reader.read(1400 if narrow else 65536):
            if narrow:
                async with self._turn:
                    await asyncio.sleep(len(data) / self.bytes_per_s)
            writer.write(data)
            await writer.drain()
        writer.close()

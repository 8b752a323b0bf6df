"""A TCP proxy on loopback that behaves like a bad link: latency, jitter, little bandwidth, slices, cuts, resets, half-open silence."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from contextlib import suppress
from typing import Any, Self


class FaultyLink:
    """Forwards to `target_port`; every property may be changed while connections are open.

    `latency_s` and `jitter_s` a direction, `bandwidth_bps` in bytes a second a direction (None: no limit), `slice_bytes` the largest
    piece handed on at once (None: as it comes), `holds_bytes` about how much of a direction is under way at once (None: 256 pieces and
    what the system gives).
    """

    def __init__(
        self, target_port: int, *, target_host: str = "127.0.0.1", latency_s: float = 0.0, jitter_s: float = 0.0,
        bandwidth_bps: float | None = None, slice_bytes: int | None = None, holds_bytes: int | None = None,
        seed: int = 1,
    ) -> None:
        self.target = (target_host, target_port)
        self.latency_s = latency_s
        self.jitter_s = jitter_s
        self.bandwidth_bps = bandwidth_bps
        self.slice_bytes = slice_bytes
        self.holds_bytes = holds_bytes
        self.connections = 0
        self.port = 0
        self._dice = random.Random(seed)
        self._open = asyncio.Event()
        self._open.set()
        self._refusing = False
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        ear = socket.create_server(("127.0.0.1", 0))
        if self.holds_bytes:  # before anybody connects: a connection takes it over from the socket that listens
            ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.holds_bytes)
        self._server = await asyncio.start_server(self._accept, sock=ear)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Close every connection and refuse new ones until `heal`."""
        self._refusing = True
        for writer in list(self._writers):
            writer.close()

    def reset(self) -> None:
        """Reset (RST) every connection; new ones are welcome."""
        for writer in list(self._writers):
            sock = writer.get_extra_info("socket")
            if sock is not None:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def half_open(self) -> None:
        """Stop forwarding without a word; connections stay open, and new ones are accepted into silence."""
        self._open.clear()

    def heal(self) -> None:
        """Forward and accept again."""
        self._refusing = False
        self._open.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        self.connections += 1
        self._writers.add(writer)
        await self._open.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(far_writer)
        both = (self._carry(reader, far_writer), self._carry(far_reader, writer))
        tasks = [asyncio.get_running_loop().create_task(one) for one in both]
        for task in tasks:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await asyncio.wait(tasks)
        for end in (writer, far_writer):
            self._writers.discard(end)
            end.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction: read into a bounded queue, hand on when each piece's time has come."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=1 if self.holds_bytes else 256)
        deliver = asyncio.get_running_loop().create_task(self._deliver(queue, writer))
        self._tasks.add(deliver)
        deliver.add_done_callback(self._tasks.discard)
        loop = asyncio.get_running_loop()
        try:
            while data := await reader.read(self.holds_bytes or 65_536):
                size = self.slice_bytes or len(data)
                for start in range(0, len(data), size):
                    delay = self.latency_s + self._dice.uniform(0, self.jitter_s)
                    await queue.put((loop.time() + delay, data[start:start + size]))
            await queue.put((0.0, b""))
            await deliver
        except OSError:
            deliver.cancel()

    async def _deliver(self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await queue.get()
            await self._open.wait()
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            if not data:
                writer.close()
                return
            try:
                writer.write(data)
                await writer.drain()
            except OSError:
                return
            if self.bandwidth_bps:
                await asyncio.sleep(len(data) / self.bandwidth_bps)

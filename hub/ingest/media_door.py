"""The way of media connections into a process of their own: what pictures, floods and garbage cost there costs no report anything.

The front of the embedded broker lets a connection in as every other, then hands its socket over with the CONNECT it sent. A TLS session cannot be handed
over: its bytes are carried between the two, deciphered. The process is started anew where it ends; agents come back by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import AsyncIterator
from typing import Final

log = logging.getLogger("hub.broker")
CAN_HAND_OVER: Final = hasattr(socket, "send_fds") and hasattr(socket, "AF_UNIX")
"""Not on Windows: media stays in the hub's own process there."""
TAKE, CUT = b"T", b"C"
"""What is said to the process: take this socket and what was read of it, cut the connections of this agent."""
FULL_S: Final = 0.01
"""How long to wait where the line to the process is full (our own choice)."""
COMES_S: Final = 10.0
"""How long a connection waits for the process to come and to take it (our own choice: as long as for a CONNECT)."""
AGAIN_S, LONGEST_AGAIN_S = 0.2, 5.0
_PIECE_BYTES: Final = 65_536


class MediaDoor:
    """The hub's side of the process: `take` hands a connection over, `cut_off` ends an agent's."""

    def __init__(self, hub_id: str) -> None:
        self.hub_id = hub_id
        self.restarts = 0
        self._line: socket.socket | None = None
        self._up = asyncio.Event()

    async def run(self) -> None:
        """Keep the process up until cancelled."""
        again_s = AGAIN_S
        while True:
            began = asyncio.get_running_loop().time()
            try:
                ended = f"ended with {await self._once()}"
            except OSError as error:  # no memory, no files left: as if it had died
                ended = f"did not start: {error}"
            again_s = AGAIN_S if asyncio.get_running_loop().time() - began > LONGEST_AGAIN_S else min(again_s * 2, LONGEST_AGAIN_S)
            log.error("the media process %s; it is started again in %g s", ended, again_s)
            self.restarts += 1
            await asyncio.sleep(again_s)

    async def _once(self) -> int:
        """One life of the process; gives its exit code. It ends with its standard input, so also where the hub is killed."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.setblocking(False)
        try:
            level = logging.getLogger().getEffectiveLevel()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "hub.ingest.media_broker", str(theirs.fileno()), self.hub_id, str(level), _log_form(),
                stdin=asyncio.subprocess.PIPE, pass_fds=(theirs.fileno(),))
            theirs.close()
            self._line = ours
            self._up.set()
            try:
                return await process.wait()
            finally:
                self._up.clear()
                await _end(process)
        finally:
            ours.close()
            theirs.close()

    async def take(self, packet: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand over a connection that has sent `packet`, its CONNECT; returns once it is there, or with TLS once it has ended. Raises OSError (a TimeoutError is one)."""
        if writer.get_extra_info("ssl_object") is not None:
            await self._carry(packet, reader, writer)
            return
        writer.transport.pause_reading()  # type: ignore[attr-defined] # every stream's transport can
        reader.feed_eof()  # what is read on now is what came behind the CONNECT
        ahead = await reader.read()
        await self._say(TAKE + packet + ahead, writer.get_extra_info("socket").fileno())
        writer.transport.abort()  # closes our copy of the socket, not the connection

    async def cut_off(self, agent_id: str) -> None:
        """End an agent's media connections, where there are any."""
        with contextlib.suppress(OSError):
            await self._say(CUT + agent_id.encode())

    async def _carry(self, packet: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ours, theirs = socket.socketpair()
        try:
            await self._say(TAKE + packet, theirs.fileno())
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        back, forth = await asyncio.open_connection(sock=ours)
        ways = [asyncio.create_task(_pour(reader, forth)), asyncio.create_task(_pour(back, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            forth.transport.abort()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _say(self, words: bytes, *sockets: int) -> None:
        """Send one message; a full line is waited for, and so is a process that is started again. Raises TimeoutError."""
        async with asyncio.timeout(COMES_S):
            while True:
                await self._up.wait()
                assert self._line is not None
                try:
                    socket.send_fds(self._line, [words], list(sockets))
                except (BlockingIOError, ConnectionError):  # the line is full, or the process has just died, which `run` notices in a moment
                    await asyncio.sleep(FULL_S)
                else:
                    return


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Carry bytes until one side ends, no faster than the other takes them."""
    with contextlib.suppress(OSError):
        while piece := await source.read(_PIECE_BYTES):
            target.write(piece)
            await target.drain()


def _log_form() -> str:
    """How this process writes its log, for the other to do the same."""
    from hub.operate.logs import writes_json

    return "json" if writes_json() else "words"


async def _end(process: asyncio.subprocess.Process) -> None:
    """End it at once: it keeps nothing."""
    if process.returncode is None:
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def media_door(hub_id: str) -> AsyncIterator[MediaDoor]:
    """The door while the broker runs."""
    door = MediaDoor(hub_id)
    task = asyncio.create_task(door.run(), name="broker.media")
    try:
        yield door
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

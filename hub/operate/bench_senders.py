"""Good and bad video in a process of its own, as `tocsin bench isolation` starts it. Cameras are elsewhere: it yields the processor to the hub.

The job comes as one JSON line, `on` and `off` follow as lines; each is answered with the bytes that were sent so far. MQTT is spoken by hand, because a bad sender is what a
client library does not let one be.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from msgspec import Struct

from hub.wire import MEDIA_SUFFIX, MediaKind, Topics, media_header

GOOD, GARBAGE, HANGING, DYING = 10, 20, 20, 10
PICTURES_PER_S, PICTURE_BYTES, PREVIEW_BYTES = 25, 10_000, 6_000
"""A good stream: 2 Mbit/s with a message a picture, and each second a preview as large as one was measured to be."""
GARBAGE_BYTES, GARBAGE_PER_S = 20_000, 5
BACK_S: Final = 0.5
"""How soon a bad stream that was cut or died comes back."""
_KEEP_ALIVE_S: Final = 60
_CONNACK_BYTES: Final = 4


class Job(Struct, frozen=True):
    """Where the broker listens, and the secret of each agent."""

    mqtt: int
    secrets: dict[str, str]


def _text(text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode()


def _packet(first: int, body: bytes) -> bytes:
    """An MQTT packet with its length in sevens of bits (MQTT 3.1.1, section 2.2.3)."""
    length, rest = bytearray(), len(body)
    while True:
        rest, low = divmod(rest, 128)
        length.append(low | (0x80 if rest else 0))
        if not rest:
            return bytes((first,)) + bytes(length) + body


class Sender:
    """One media connection of an agent. `sent_bytes` counts those of all."""

    sent_bytes = 0

    def __init__(self, id: str, writer: asyncio.StreamWriter) -> None:
        self.id, self.writer = id, writer
        self._seq = 0

    async def send(self, kind: MediaKind, payload: bytes) -> None:
        """Publish with QoS 0; raises ConnectionError once it was cut."""
        self.writer.write(_packet(0x30, _text(Topics().media(self.id, "c1", kind)) + payload))
        await self.writer.drain()
        Sender.sent_bytes += len(payload)

    async def picture(self, kind: MediaKind, body: bytes, *, key: bool = False) -> None:
        """A media message with its header."""
        self._seq += 1
        await self.send(kind, media_header(kind, key=key, seq=self._seq, wall_ms=time.time_ns() // 1_000_000) + body)


async def good(sender: Sender) -> None:
    """A camera that does as it should."""
    await sender.picture(MediaKind.INIT, b'{"codec":"avc1.42c01f"}\0')
    fragment, jpeg = b"\0\0\0\x08moof" + os.urandom(PICTURE_BYTES), b"\xff\xd8" + os.urandom(PREVIEW_BYTES)
    loop = asyncio.get_running_loop()
    began, n = loop.time(), 0
    while True:
        if n % PICTURES_PER_S == 0:
            await sender.picture(MediaKind.PREVIEW, jpeg)
        await sender.picture(MediaKind.MEDIA, fragment, key=n % PICTURES_PER_S == 0)
        n += 1
        await asyncio.sleep(began + n / PICTURES_PER_S - loop.time())


async def garbage(sender: Sender) -> None:
    """Random bytes where pictures should be."""
    while True:
        for kind in (MediaKind.PREVIEW, MediaKind.INIT, MediaKind.MEDIA):
            await sender.send(kind, os.urandom(GARBAGE_BYTES))
        await asyncio.sleep(1 / GARBAGE_PER_S)


async def hanging(sender: Sender) -> None:
    """One start, and then nothing more."""
    await sender.picture(MediaKind.INIT, b'{"codec":"avc1.42c01f"}\0')
    await asyncio.Event().wait()


async def dying(sender: Sender) -> None:
    """Half a picture, and gone."""
    whole = _packet(0x30, _text(Topics().media(sender.id, "c1", MediaKind.MEDIA)) + os.urandom(PICTURE_BYTES))
    sender.writer.write(whole[: PICTURE_BYTES // 2])
    await sender.writer.drain()


async def stream(job: Job, id: str, does: Callable[[Sender], Awaitable[None]], phase_s: float) -> None:
    """One stream until cancelled; comes back whenever it was cut, refused or has died."""
    await asyncio.sleep(phase_s)
    name = id + MEDIA_SUFFIX
    connect = _packet(0x10, _text("MQTT") + b"\x04\xc2" + _KEEP_ALIVE_S.to_bytes(2, "big") + _text(name) * 2 + _text(job.secrets[id]))
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", job.mqtt)
            try:
                writer.write(connect)
                if (await reader.readexactly(_CONNACK_BYTES))[3] == 0:
                    await does(Sender(id, writer))
            finally:
                writer.transport.abort()
        await asyncio.sleep(BACK_S)


async def main() -> None:
    """Send from `on` to `off`, as often as told."""
    os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    loop, lines = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    job = msgspec.json.decode(await lines.readline(), type=Job)
    kinds = [good] * GOOD + [garbage] * GARBAGE + [hanging] * HANGING + [dying] * DYING
    streams: list[asyncio.Task[None]] = []
    while line := await lines.readline():
        if line == b"on\n":
            streams = [asyncio.create_task(stream(job, id, does, n / len(kinds) * BACK_S))
                       for n, (id, does) in enumerate(zip(job.secrets, kinds, strict=False))]
        else:
            for task in streams:
                task.cancel()
            await asyncio.gather(*streams, return_exceptions=True)
        print(Sender.sent_bytes, flush=True)


if __name__ == "__main__":
    asyncio.run(main())

"""Many viewers in one process, as `tocsin bench video` starts it: WebSockets that read what the hub sends and count what is missing.

The job comes as one JSON line, then the lines `begin` and `end`; answers are `ready` and one JSON object. It decodes nothing.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any, Final

import aiohttp
from msgspec import Struct

from hub.wire import CACHED, MEDIA_HEADER_BYTES, parse_media

READY_S: Final = 30.0
_MEDIA: Final = 3


class Job(Struct, frozen=True, kw_only=True):
    """Whom to ask, as whom, and the camera of each viewer."""

    base: str
    cookies: dict[str, str]
    cameras: list[str]


class Seen(Struct, kw_only=True):
    """What one viewer got while it was counted. `lost`: sequence numbers that never came."""

    live: int = 0
    lost: int = 0
    size_bytes: int = 0
    last_seq: int | None = None
    ended: str | None = None


class Viewers:
    """The viewers of a job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.seen = [Seen() for _ in job.cameras]
        self.transit_ms: list[float] = []
        self.counting = False
        self._live: set[int] = set()
        self.ready = asyncio.Event()

    async def watch(self, client: aiohttp.ClientSession, n: int) -> None:
        """One viewer from its hello to its end."""
        seen = self.seen[n]
        url = f"{self.job.base}/api/v1/feeds/{self.job.cameras[n]}?reason=bench"
        async with client.ws_connect(url, max_msg_size=0, compress=0) as socket:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.BINARY:
                    self._take(n, seen, message.data)
            seen.ended = f"closed with {socket.close_code}"

    def _take(self, n: int, seen: Seen, message: bytes) -> None:
        header = parse_media(message[:MEDIA_HEADER_BYTES])
        if header.flags & CACHED:
            seen.last_seq = header.seq
            return
        if seen.last_seq is not None and self.counting:
            seen.lost += (header.seq - seen.last_seq - 1) & 0xFFFFFFFF
        seen.last_seq = header.seq
        if header.kind != _MEDIA:
            return
        if not self.counting:
            self._live.add(n)
            if len(self._live) == len(self.seen):
                self.ready.set()
            return
        seen.live += 1
        seen.size_bytes += len(message)
        self.transit_ms.append(time.time() * 1000 - header.wall_ms)

    def told(self) -> dict[str, Any]:
        """The figures of all together."""
        times = sorted(self.transit_ms) or [0.0]
        return {"frames": sum(one.live for one in self.seen), "lost": sum(one.lost for one in self.seen),
                "bytes": sum(one.size_bytes for one in self.seen), "ended": [one.ended for one in self.seen if one.ended],
                "transit_p50_ms": round(times[len(times) // 2], 1), "transit_p95_ms": round(times[int(len(times) * 0.95)], 1)}


async def run() -> None:
    """Watch, say `ready`, count from `begin` to `end`, tell."""
    import msgspec

    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    viewers = Viewers(msgspec.json.decode(await lines.readline(), type=Job))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookies=viewers.job.cookies, cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        tasks = [asyncio.create_task(viewers.watch(client, n)) for n in range(len(viewers.seen))]
        waiting = asyncio.create_task(viewers.ready.wait())
        async with asyncio.timeout(READY_S):
            await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
        print("ready", flush=True)
        await lines.readline()
        viewers.counting = True
        await lines.readline()
        viewers.counting = False
        print(json.dumps(viewers.told()), flush=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(run())

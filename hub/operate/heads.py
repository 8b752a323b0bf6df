"""Keeps signed heads of the chain where a database's superuser cannot reach: files of the hub, and another system if one is named.

Every few seconds the newest head is signed into `heads/latest.json`; once a day one is signed into the chain, into the store and into
`heads/heads.jsonl`, and sent on. Truncation or a recomputed chain therefore shows at the latest against the head of some seconds ago.
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from hub.clock import utc_text
from hub.domain.signature import Head, Signer, decode_heads
from hub.errors import Unavailable
from hub.operate.keys import write_private
from hub.settings import Settings
from hub.store import Store
from hub.store.proof import head_of, note_sent, sign_day, unsent_heads

log = logging.getLogger("hub.audit")
EVERY_S = 5.0
"""Seconds between two signatures of the newest head (our own choice: signing costs 0.1 ms, and this bounds what can be cut off unseen)."""


def append_line(path: Path, line: bytes) -> None:
    """Append a line and put it on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, line + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)


def heads_on_disk(data: Path) -> list[Head]:
    """The signed heads in the data folder: every day's, and the latest. Raises Rejected for a damaged file."""
    found: list[Head] = []
    for name in ("heads.jsonl", "latest.json"):
        path = data / "heads" / name
        if path.exists():
            found.extend(decode_heads(path.read_bytes()))
    return found


class HeadKeeper:
    """Runs in the `respond` stage. Several processes may: a day is signed once, and each keeps its own files."""

    def __init__(self, store: Store, settings: Settings, signer: Signer) -> None:
        self.store = store
        self.settings = settings
        self.signer = signer
        self.folder = settings.data_path / "heads"
        self.zone = ZoneInfo(settings.local_zone)
        self.signed = 0

    async def run(self) -> None:
        """Sign for ever; a store that is away is only a later signature."""
        while True:
            try:
                await self.step()
            except Unavailable:
                log.warning("the head of the chain could not be signed: the store is away")
            except OSError as error:
                log.error("the signed head could not be written: %s", error)
            await asyncio.sleep(EVERY_S)

    async def step(self) -> None:
        """Sign the day where it is not signed yet, then the newest head where the chain has grown; send what was not sent."""
        day = self.store.clock.now().astimezone(self.zone).date().isoformat()
        async with self.store.transaction() as tx:
            head = await sign_day(tx, self.signer, self.settings.hub_id, day)
        if head is not None:
            self._keep(head)
        await self._latest()
        if self.settings.audit_head_url:
            await self._send()

    def _keep(self, head: Head) -> None:
        line = msgspec.json.encode(head)
        append_line(self.folder / "heads.jsonl", line)
        if self.settings.audit_head_file:
            append_line(Path(self.settings.audit_head_file), line)

    async def _latest(self) -> None:
        async with self.store.read() as conn:
            seq, digest = await head_of(conn)
        if seq > self.signed:
            head = self.signer.head(self.settings.hub_id, seq, digest, utc_text(self.store.clock.now()))
            write_private(self.folder / "latest.json", msgspec.json.encode(head))
            self.signed = seq

    async def _send(self) -> None:
        """Send the heads that the other system has not taken yet; a 2xx answer counts."""
        import aiohttp

        async with self.store.read() as conn:
            waiting = await unsent_heads(conn)
        if not waiting:
            return
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http:
            for head in waiting:
                body: dict[str, Any] = {"head": msgspec.to_builtins(head), "public_key": self.signer.public}
                try:
                    async with http.post(self.settings.audit_head_url, json=body, allow_redirects=False) as answer:
                        if answer.status >= 300:
                            log.warning("the other system refused a signed head: %s", answer.status)
                            return
                except (aiohttp.ClientError, TimeoutError) as error:
                    log.warning("a signed head could not be sent: %s", error)
                    return
                async with self.store.transaction() as tx:
                    await note_sent(tx, head)

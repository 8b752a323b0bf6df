"""Photos and recordings on their way to the hub: resumable upload (tus 1.0.0) beside the report, which never waits for them.

A file is copied into the agent's folder before its report is accepted, so that it outlives the memory card it came from.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import mimetypes
import os
import random
import shutil
import ssl
from collections import Counter
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

import aiohttp

from agents.outbox import Outbox, Upload
from agents.settings import AgentSettings, basic_credential
from hub import wire
from hub.errors import Rejected, Unavailable, why_en, why_zh

log = logging.getLogger("tocsin.agent")

_TUS: Final = {"Tus-Resumable": "1.0.0"}
_RESTARTS: Final = 3
"""How often a file whose bytes arrived damaged is sent anew before it is given up (our own choice)."""
_LOOK_S: Final = 1.0


class Refused(Exception):
    """The hub will not take this file, now or later; `reason` is its code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TryLater(Exception):
    """The link or the hub failed; what has arrived counts."""


def attach(folder: Path, path: Path, report_id: str, media_type: str | None = None) -> tuple[wire.Attachment, Upload]:
    """Copy a file into the agent's folder and name it by its content; raises Rejected where it cannot be read or is empty.

    Give the first to the report and the second to `Outbox.accept(report, files=[…])`.
    """
    target_folder = folder / "attachments"
    target_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = target_folder / f".{os.getpid()}-{random.getrandbits(32):08x}.part"
    try:
        with path.open("rb") as source, part.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
    except OSError as error:
        part.unlink(missing_ok=True)
        raise Rejected("unreadable_file", f"无法读取附件 {path}：{why_zh(error)}", f"cannot read the attachment {path}: {why_en(error)}", field="attachments") from None
    with part.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    size = part.stat().st_size
    target_path = target_folder / sha256
    part.replace(target_path)
    kind = media_type or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    attachment = wire.Attachment(sha256=sha256, name=path.name[:255], media_type=kind, size_bytes=size)
    upload = Upload(sha256=sha256, path=target_path, name=path.name[:255], media_type=kind, size_bytes=size, report_id=report_id, upload_url=None)
    return attachment, upload


class Uploader:
    """Brings the outbox's files to the hub, one at a time, and goes on where it stopped after any death. `run` until cancelled."""

    def __init__(
        self, settings: AgentSettings, outbox: Outbox, password: str | None, *, tls: ssl.SSLContext | None = None,
        dice: random.Random | None = None,
    ) -> None:
        self.settings = settings
        self.outbox = outbox
        self.counts: Counter[str] = Counter()
        self._credential = basic_credential(settings.agent_id, password)
        self._tls = tls
        self._dice = dice or random.Random()
        self._endpoint = settings.hub_url.rstrip("/") + "/api/v1/attachments"

    async def run(self) -> None:
        """Upload whatever waits, for ever; failures of link and hub are retried with growing, jittered pauses."""
        failures = 0
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
        async with aiohttp.ClientSession(headers=self._credential, timeout=timeout) as http:
            while True:
                try:
                    moved = await self._one_round(http)
                    failures = 0
                    pause_s = _LOOK_S if not moved else 0.0
                except (TryLater, Unavailable) as error:
                    failures += 1
                    self.counts["upload_retries"] += 1
                    longest_s = min(self.settings.upload_retry_longest_s, 0.5 * 2.0 ** min(failures, 20))
                    pause_s = longest_s * self._dice.uniform(0.5, 1.0)
                    log.warning("upload interrupted: %s", error, extra={"agent": self.settings.agent_id})
                await asyncio.sleep(pause_s)

    async def _one_round(self, http: aiohttp.ClientSession) -> bool:
        waiting = await asyncio.to_thread(self.outbox.uploads)
        for upload in waiting:
            try:
                await self._bring(http, upload)
            except Refused as refusal:
                await asyncio.to_thread(self.outbox.upload_ended, upload.sha256, refusal.reason)
                self.counts["uploads_refused"] += 1
                log.error("attachment %s refused: %s", upload.name, refusal.reason, extra={"agent": self.settings.agent_id})
            else:
                await asyncio.to_thread(upload.path.unlink, missing_ok=True)  # first: a kill in between leaves no orphan behind
                await asyncio.to_thread(self.outbox.upload_ended, upload.sha256)
                self.counts["uploads_done"] += 1
        return bool(waiting)

    async def _bring(self, http: aiohttp.ClientSession, upload: Upload) -> None:
        """One file from wherever it stands to the end."""
        url = upload.upload_url
        for _ in range(_RESTARTS):
            offset = await self._offset(http, url) if url else None
            if offset is None or url is None:
                url, offset = await self._create(http, upload)
                await asyncio.to_thread(self.outbox.upload_at, upload.sha256, url)
            if await self._send(http, upload, url, offset):
                return
            url = None
            if await asyncio.to_thread(_hash, upload.path) != upload.sha256:
                raise Refused("file_changed")
        raise Refused("wrong_hash")

    async def _offset(self, http: aiohttp.ClientSession, url: str) -> int | None:
        """How far the hub has it, or None where the hub no longer knows this upload."""
        status, headers = await self._ask(http, "HEAD", url, {})
        if status in (404, 410):
            return None
        _expect(status, {200, 204})
        return _offset_in(headers)

    async def _create(self, http: aiohttp.ClientSession, upload: Upload) -> tuple[str, int]:
        pairs = {"sha256": upload.sha256, "filename": upload.name, "filetype": upload.media_type, "report": upload.report_id}
        metadata = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())
        status, headers = await self._ask(http, "POST", self._endpoint, {"Upload-Length": str(upload.size_bytes), "Upload-Metadata": metadata})
        if status == 204:  # an empty file is complete at once
            return self._endpoint, upload.size_bytes
        _expect(status, {201})
        url = urljoin(self._endpoint, headers.get("Location", ""))
        if urlsplit(url)[:2] != urlsplit(self._endpoint)[:2]:
            raise Refused("foreign_location")
        return url, _offset_in(headers) if "Upload-Offset" in headers else 0

    async def _send(self, http: aiohttp.ClientSession, upload: Upload, url: str, offset: int) -> bool:
        """Send pieces until the hub has all; False where what it has is damaged and must be sent anew."""
        while offset < upload.size_bytes:
            piece = await asyncio.to_thread(_piece, upload.path, offset, self.settings.upload_chunk_bytes)
            if not piece:
                raise Refused("file_missing")
            checksum = base64.b64encode(hashlib.sha256(piece).digest()).decode()
            status, headers = await self._ask(http, "PATCH", url, {
                "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream", "Upload-Checksum": f"sha256 {checksum}",
            }, piece)
            if status == 460 and offset + len(piece) >= upload.size_bytes:
                return await self._offset(http, url) == upload.size_bytes
            if status in (404, 410):
                return False
            if status == 409 and "Upload-Offset" in headers and _offset_in(headers) != offset:
                offset = _offset_in(headers)
                continue
            _expect(status, {204})
            offset = _offset_in(headers)
            self.counts["upload_bytes"] += len(piece)
        return True

    async def _ask(
        self, http: aiohttp.ClientSession, method: str, url: str, headers: dict[str, str], body: bytes | None = None
    ) -> tuple[int, dict[str, str]]:
        try:
            async with http.request(
                method, url, headers={**_TUS, **headers}, data=body, ssl=self._tls or True, allow_redirects=False
            ) as response:
                await response.read()
                return response.status, {key.title(): value for key, value in response.headers.items()}
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TryLater(f"{method}: {error}") from None


def _expect(status: int, wanted: set[int]) -> None:
    """Raise what a status means: Refused for what will not change, TryLater for what may."""
    if status in wanted:
        return
    if status in (400, 412, 413, 415):
        raise Refused({413: "too_large"}.get(status, f"http_{status}"))
    raise TryLater(f"the hub answered {status}")


def _offset_in(headers: dict[str, str]) -> int:
    try:
        return int(headers.get("Upload-Offset", ""))
    except ValueError:
        raise TryLater("no Upload-Offset in the answer") from None


def _piece(path: Path, offset: int, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except FileNotFoundError:
        return b""


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""

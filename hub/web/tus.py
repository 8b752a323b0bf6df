"""Resumable uploads of attachments (tus 1.0.0: creation, checksum, expiration, termination), stored by SHA-256 under one folder.

Who may upload or fetch is decided by the caller, in front of these functions. An attachment exists for readers only once all its bytes
are on disk and their hash is the promised one; names given by clients are never part of a path.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import BinaryIO, Final

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from msgspec import Struct

from hub.clock import Clock, SystemClock
from hub.domain.classified import packaged_guard

TUS_VERSION: Final = "1.0.0"
CHUNK_TYPE: Final = "application/offset+octet-stream"
EXTENSIONS: Final = "creation,checksum,expiration,termination"
CHECKSUM_MISMATCH: Final = 460
_BROKEN_OFF: Final = (OSError, EOFError, aiohttp.ClientError, HttpProcessingError)
_ID = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Limits(Struct, frozen=True, kw_only=True):
    """What the hub takes: bytes a file, hours that an unfinished upload is kept since its last byte, unfinished uploads an owner."""

    max_bytes: int = 2_147_483_648
    expire_after: timedelta = timedelta(hours=72)
    max_open: int = 200
    idle_s: float = 60.0
    """Seconds without a byte before a PATCH is ended; what has arrived is kept."""
    keep_free_bytes: int = 0
    """What uploads leave free on the disk: whoever sends files must not keep reports from being stored."""


class Progress(Struct, frozen=True, kw_only=True):
    """One upload as it stands beside its bytes; `expires_at` moves with every byte."""

    id: str
    owner: str
    sha256: str
    size_bytes: int
    name: str
    media_type: str
    expires_at: datetime
    complete: bool = False


class Reply(Struct, frozen=True, kw_only=True):
    """What to answer: status, headers (Tus-Resumable included), a code for the body of an error."""

    status: int
    headers: dict[str, str]
    code: str | None = None
    completed: str | None = None
    """The SHA-256 of the attachment that this request made complete, or found complete: whoever answers notes it (again, where he could not before)."""


_LIMITS: Final = Limits()
_active: dict[Path, asyncio.Event] = {}
_locks: dict[Path, asyncio.Lock] = {}


def options(limits: Limits = _LIMITS) -> Reply:
    """What this server can do (OPTIONS)."""
    return _reply(
        204, **{"Tus-Version": TUS_VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(limits.max_bytes), "Tus-Checksum-Algorithm": "sha256"}
    )


async def create(
    store_dir: Path, headers: Mapping[str, str], *, owner: str, base_path: str, now: datetime, limits: Limits = _LIMITS,
    sent_before: Callable[[str], Awaitable[bool]] | None = None,
) -> Reply:
    """Begin an upload (POST): Upload-Length and Upload-Metadata with `sha256` (hex), and where wanted `filename` and `filetype`.

    The same owner beginning the same file again gets the upload that is already there, with its offset; a file that this owner has sent
    whole before (`sent_before` of its hash) is complete at once. Whoever only names the hash of a file sends all of it. Location is
    `{base_path}/{id}`.
    """
    if refusal := _wrong_version(headers):
        return refusal
    try:
        size = int(headers.get("Upload-Length", ""))
        metadata = _metadata(headers.get("Upload-Metadata", ""))
    except ValueError:
        return _reply(400, code="malformed_header")
    packaged_guard().refuse(metadata)
    sha256 = metadata.get("sha256", "")
    if size < 0 or not _SHA256.fullmatch(sha256):
        return _reply(400, code="malformed_header")
    if size > limits.max_bytes:
        return _reply(413, code="too_large", **{"Tus-Max-Size": str(limits.max_bytes)})
    known = sent_before is not None and await sent_before(sha256)
    return await asyncio.to_thread(_begin, store_dir, owner, sha256, size, metadata, base_path, now, limits, known)


def _begin(
    store_dir: Path, owner: str, sha256: str, size: int, metadata: dict[str, str], base_path: str, now: datetime, limits: Limits, known: bool,
) -> Reply:
    held = attachment_path(store_dir, sha256)
    mine = [one for one in _open_uploads(store_dir) if one.owner == owner and one.expires_at > now]
    for one in mine:
        if one.sha256 == sha256 and one.size_bytes == size and (not one.complete or held):
            return _created(store_dir, one, base_path)
    held = held if known else None
    if held is not None and held.stat().st_size != size:
        return _reply(400, code="wrong_length")
    if sum(not one.complete for one in mine) >= limits.max_open:
        return _reply(429, code="too_many_uploads", **{"Retry-After": "60"})
    folder = _partial(store_dir)
    folder.mkdir(parents=True, exist_ok=True)
    if held is None and _too_full(folder, size, limits):
        return _disk(OSError(errno.ENOSPC, "less than the reserve would be free"))
    progress = Progress(
        id=secrets.token_hex(16), owner=owner, sha256=sha256, size_bytes=size, name=_clean(metadata.get("filename", "")) or sha256,
        media_type=_clean(metadata.get("filetype", ""))[:120] or "application/octet-stream", expires_at=now + limits.expire_after,
        complete=held is not None,
    )
    try:
        if not progress.complete:
            (folder / f"{progress.id}.part").touch()
        _save(store_dir, progress)
    except OSError as error:
        return _disk(error)
    if size == 0 and not progress.complete:
        return _finish(store_dir, progress) if hashlib.sha256(b"").hexdigest() == sha256 else _mismatch(store_dir, progress)
    return _created(store_dir, progress, base_path)


def _created(store_dir: Path, progress: Progress, base_path: str) -> Reply:
    offset = str(_offset(store_dir, progress))
    return _reply(201, Location=f"{base_path}/{progress.id}", completed=_completed(progress), **{"Upload-Offset": offset, "Upload-Expires": _http_time(progress.expires_at)})


async def head(store_dir: Path, upload_id: str, headers: Mapping[str, str], *, owner: str, now: datetime) -> Reply:
    """How many bytes have arrived (HEAD); a PATCH of the same upload that still hangs is ended first."""
    if refusal := _wrong_version(headers):
        return refusal
    if await asyncio.to_thread(_load, store_dir, upload_id, owner, now) is None:  # whose it is decides before anything of it is touched
        return _reply(404, code="no_upload")
    async with await _take_over(store_dir, upload_id):
        progress = await asyncio.to_thread(_load, store_dir, upload_id, owner, now)  # the PATCH before may have made it complete
        if progress is None:
            return _reply(404, code="no_upload")
        offset = await asyncio.to_thread(_offset, store_dir, progress)
    return _reply(
        200, completed=_completed(progress), **{"Upload-Offset": str(offset), "Upload-Length": str(progress.size_bytes), "Cache-Control": "no-store",
                "Upload-Expires": _http_time(progress.expires_at)},
    )


async def patch(
    store_dir: Path, upload_id: str, headers: Mapping[str, str], body: AsyncIterator[bytes], *, owner: str, now: datetime,
    limits: Limits = _LIMITS,
) -> Reply:
    """Append bytes (PATCH) at Upload-Offset. With the last byte the file's SHA-256 is checked: 204 and it is there, or 460 and it is gone.

    A body that breaks off keeps what arrived, unless the request promised a checksum (Upload-Checksum): then the piece counts whole or
    not at all (460). 409: the offset is not where the file ends; 507: the disk is full.
    """
    if refusal := _wrong_version(headers):
        return refusal
    if headers.get("Content-Type", "").partition(";")[0].strip() != CHUNK_TYPE:
        return _reply(415, code="wrong_content_type")
    if await asyncio.to_thread(_load, store_dir, upload_id, owner, now) is None:
        return _reply(404, code="no_upload")
    try:
        claimed = int(headers.get("Upload-Offset", ""))
        promised = _checksum(headers.get("Upload-Checksum"))
    except ValueError:
        return _reply(400, code="malformed_header")
    async with await _take_over(store_dir, upload_id) as end:
        progress = await asyncio.to_thread(_load, store_dir, upload_id, owner, now)
        if progress is None:
            return _reply(404, code="no_upload")
        offset = await asyncio.to_thread(_offset, store_dir, progress)
        if claimed != offset or progress.complete:
            return _reply(409, code="wrong_offset", completed=_completed(progress), **{"Upload-Offset": str(offset)})
        try:
            return await _append(store_dir, progress, offset, body, promised, end, now, limits)
        except OSError as error:
            return _disk(error)


async def _append(
    store_dir: Path, progress: Progress, offset: int, body: AsyncIterator[bytes], promised: bytes | None, end: asyncio.Event,
    now: datetime, limits: Limits,
) -> Reply:
    part = _partial(store_dir) / f"{progress.id}.part"
    digest = hashlib.sha256()
    written = offset
    await asyncio.to_thread(part.touch)  # killed where the file had been moved and its record not yet said so: it is sent anew
    file: BinaryIO = await asyncio.to_thread(part.open, "r+b")
    whole = code = None
    settled = False
    try:
        await asyncio.to_thread(file.seek, offset)
        async for piece in _until(body, end, limits.idle_s):
            if piece is None:
                whole = False
                break
            if written + len(piece) > progress.size_bytes:
                whole, code = False, "too_long"
                break
            await asyncio.to_thread(_write, file, piece, limits)
            digest.update(piece)
            written += len(piece)
        else:
            whole = True
        if code == "too_long" or (promised is not None and (not whole or digest.digest() != promised)):
            written = offset
            await asyncio.to_thread(file.truncate, offset)
        await asyncio.to_thread(_sync, file)
        settled = True
    finally:
        if promised is not None and not settled:
            file.truncate(offset)
        file.close()
    if code is not None:
        return _reply(400, code=code)
    if promised is not None and written == offset and digest.digest() != promised:
        return _reply(CHECKSUM_MISMATCH, code="checksum_mismatch")
    if written == progress.size_bytes:
        return await asyncio.to_thread(_verify, store_dir, progress)
    progress = msgspec.structs.replace(progress, expires_at=now + limits.expire_after)
    await asyncio.to_thread(_save, store_dir, progress)
    return _reply(204, **{"Upload-Offset": str(written), "Upload-Expires": _http_time(progress.expires_at)})


async def terminate(store_dir: Path, upload_id: str, headers: Mapping[str, str], *, owner: str, now: datetime) -> Reply:
    """Give an unfinished upload up (DELETE); a complete attachment stays."""
    if refusal := _wrong_version(headers):
        return refusal
    progress = await asyncio.to_thread(_load, store_dir, upload_id, owner, now)
    if progress is None:
        return _reply(404, code="no_upload")
    async with await _take_over(store_dir, upload_id):
        await asyncio.to_thread(_forget, store_dir, upload_id)
    return _reply(204)


def attachment_path(store_dir: Path, sha256: str) -> Path | None:
    """Where the complete attachment of this hash lies, or None: not here, not complete yet, or no hash at all."""
    if not _SHA256.fullmatch(sha256):
        return None
    path = store_dir / "sha256" / sha256[:2] / sha256
    return path if path.is_file() else None


def sweep(store_dir: Path, now: datetime, limits: Limits = _LIMITS) -> int:
    """Remove unfinished uploads whose time is over, the records of finished ones, and bytes that have no record (a kill in between); returns how
    many uploads."""
    known = _open_uploads(store_dir)
    old = [one for one in known if one.expires_at <= now]
    for one in old:
        _forget(store_dir, one.id)
    records = {one.id for one in known}
    long_ago = (now - limits.expire_after).timestamp()
    for path in _partial(store_dir).glob("*part"):
        if path.stem not in records and path.stat().st_mtime < long_ago:
            path.unlink(missing_ok=True)
    return len(old)


class _TakenOver:
    """The lock of one upload together with the sign that ends whoever holds it when the next request comes."""

    def __init__(self, key: Path, lock: asyncio.Lock) -> None:
        self._key = key
        self._lock = lock

    async def __aenter__(self) -> asyncio.Event:
        await self._lock.acquire()
        end = _active[self._key] = asyncio.Event()
        return end

    async def __aexit__(self, *_: object) -> None:
        _active.pop(self._key, None)
        self._lock.release()
        if not self._lock.locked() and not getattr(self._lock, "_waiters", None):
            _locks.pop(self._key, None)


async def _take_over(store_dir: Path, upload_id: str) -> _TakenOver:
    key = _partial(store_dir) / upload_id
    if key in _active:
        _active[key].set()
    return _TakenOver(key, _locks.setdefault(key, asyncio.Lock()))


async def _until(body: AsyncIterator[bytes], end: asyncio.Event, idle_s: float) -> AsyncIterator[bytes | None]:
    """The body's pieces; None and the end where it breaks off, stays silent too long, or another request takes the upload over."""
    pieces = body.__aiter__()
    ended = asyncio.ensure_future(end.wait())
    try:
        while True:
            piece = asyncio.ensure_future(anext(pieces, None))
            done, _ = await asyncio.wait({piece, ended}, timeout=idle_s, return_when=asyncio.FIRST_COMPLETED)
            if piece not in done:
                piece.cancel()
                with contextlib.suppress(asyncio.CancelledError, *_BROKEN_OFF):
                    await piece
                yield None
                return
            try:
                data = piece.result()
            except _BROKEN_OFF:  # whatever the connection died of, the bytes before it count
                yield None
                return
            if data is None:
                return
            yield data
    finally:
        ended.cancel()


def _verify(store_dir: Path, progress: Progress) -> Reply:
    """All bytes are here: the promised hash decides."""
    with (_partial(store_dir) / f"{progress.id}.part").open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return _finish(store_dir, progress) if found == progress.sha256 else _mismatch(store_dir, progress)


def _finish(store_dir: Path, progress: Progress) -> Reply:
    target = store_dir / "sha256" / progress.sha256[:2] / progress.sha256
    target.parent.mkdir(parents=True, exist_ok=True)
    (_partial(store_dir) / f"{progress.id}.part").replace(target)
    _sync_folder(target.parent)
    _save(store_dir, msgspec.structs.replace(progress, complete=True))
    return _reply(
        204, code=None, completed=progress.sha256, **{"Upload-Offset": str(progress.size_bytes), "Upload-Expires": _http_time(progress.expires_at)}
    )


def _mismatch(store_dir: Path, progress: Progress) -> Reply:
    _forget(store_dir, progress.id)
    return _reply(CHECKSUM_MISMATCH, code="wrong_hash")


def _partial(store_dir: Path) -> Path:
    return store_dir / "partial"


def _open_uploads(store_dir: Path) -> list[Progress]:
    return [one for path in sorted(_partial(store_dir).glob("*.json")) if (one := _read(path)) is not None]


def _load(store_dir: Path, upload_id: str, owner: str, now: datetime) -> Progress | None:
    if not _ID.fullmatch(upload_id):
        return None
    progress = _read(_partial(store_dir) / f"{upload_id}.json")
    return progress if progress is not None and progress.owner == owner and progress.expires_at > now else None


def _read(path: Path) -> Progress | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Progress)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _save(store_dir: Path, progress: Progress) -> None:
    path = _partial(store_dir) / f"{progress.id}.json"
    part = path.with_suffix(".json-part")
    with part.open("wb") as file:
        file.write(msgspec.json.encode(progress))
        _sync(file)
    part.replace(path)


def _forget(store_dir: Path, upload_id: str) -> None:
    for suffix in (".json", ".json-part", ".part"):
        with contextlib.suppress(FileNotFoundError):
            (_partial(store_dir) / f"{upload_id}{suffix}").unlink()


def _offset(store_dir: Path, progress: Progress) -> int:
    if progress.complete:
        return progress.size_bytes
    try:
        return (_partial(store_dir) / f"{progress.id}.part").stat().st_size
    except FileNotFoundError:
        return 0


def _completed(progress: Progress) -> str | None:
    return progress.sha256 if progress.complete else None


def _too_full(folder: Path, more_bytes: int, limits: Limits) -> bool:
    return limits.keep_free_bytes > 0 and shutil.disk_usage(folder).free - more_bytes < limits.keep_free_bytes


def _write(file: BinaryIO, piece: bytes, limits: Limits) -> None:
    if _too_full(Path(file.name).parent, len(piece), limits):
        raise OSError(errno.ENOSPC, "less than the reserve would be free")
    file.write(piece)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _metadata(text: str) -> dict[str, str]:
    """Read Upload-Metadata: `key base64(value)` pairs between commas; raises ValueError."""
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ValueError(str(error)) from None
    return found


def _checksum(text: str | None) -> bytes | None:
    """Read Upload-Checksum (`sha256 base64`); raises ValueError for another algorithm."""
    if text is None:
        return None
    algorithm, _, value = text.partition(" ")
    if algorithm != "sha256":
        raise ValueError(algorithm)
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _clean(name: str) -> str:
    """A client's name for showing only: no folders, no control characters, at most 255 characters."""
    return re.sub(r"[\x00-\x1f\x7f]", "", re.split(r"[/\\]", name)[-1])[:255]


def _wrong_version(headers: Mapping[str, str]) -> Reply | None:
    if headers.get("Tus-Resumable") == TUS_VERSION:
        return None
    return _reply(412, code="wrong_tus_version", **{"Tus-Version": TUS_VERSION})


def _disk(error: OSError) -> Reply:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _reply(507, code="disk_full", **{"Retry-After": "60"})
    if error.errno == errno.ENOENT:
        return _reply(404, code="no_upload")
    return _reply(503, code="disk_error", **{"Retry-After": "10"})


def _http_time(at: datetime) -> str:
    return format_datetime(at.astimezone(UTC), usegmt=True)


def _reply(status: int, *, code: str | None = None, completed: str | None = None, **headers: str) -> Reply:
    return Reply(status=status, headers={"Tus-Resumable": TUS_VERSION, **headers}, code=code, completed=completed)


def handlers(
    store_dir: Path,
    sign_in: Callable[[web.Request], Awaitable[str]],
    *,
    base_path: str = "/api/v1/attachments",
    limits: Limits = _LIMITS,
    clock: Clock | None = None,
    on_complete: Callable[[str, str], Awaitable[None]] | None = None,
) -> list[web.RouteDef]:
    """aiohttp routes over the functions above. `sign_in(request)` gives the owner (`agent:ID`, `person:ID`) or raises an HTTP error;
    `on_complete(sha256, owner)` is awaited before the answer to the request that made an attachment complete.
    """
    time = clock or SystemClock()

    async def answer(request: web.Request, reply: Reply, owner: str | None = None) -> web.Response:
        if reply.completed is not None and on_complete is not None and owner is not None:
            await on_complete(reply.completed, owner)
        if reply.code is None:
            return web.Response(status=reply.status, headers=reply.headers)
        return web.json_response({"code": reply.code}, status=reply.status, headers=reply.headers)

    async def on_options(request: web.Request) -> web.Response:
        return await answer(request, options(limits))

    async def on_create(request: web.Request) -> web.Response:
        owner = await sign_in(request)
        reply = await create(store_dir, request.headers, owner=owner, base_path=base_path, now=time.now(), limits=limits)
        return await answer(request, reply, owner)

    async def on_head(request: web.Request) -> web.Response:
        owner = await sign_in(request)
        return await answer(request, await head(store_dir, request.match_info["id"], request.headers, owner=owner, now=time.now()))

    async def on_patch(request: web.Request) -> web.Response:
        owner = await sign_in(request)
        body = request.content.iter_chunked(65_536)
        upload_id = request.match_info["id"]
        reply = await patch(store_dir, upload_id, request.headers, body, owner=owner, now=time.now(), limits=limits)
        return await answer(request, reply, owner)

    async def on_delete(request: web.Request) -> web.Response:
        owner = await sign_in(request)
        return await answer(request, await terminate(store_dir, request.match_info["id"], request.headers, owner=owner, now=time.now()))

    one = base_path + "/{id}"
    return [
        web.options(base_path, on_options), web.post(base_path, on_create), web.head(one, on_head),
        web.patch(one, on_patch), web.delete(one, on_delete),
    ]

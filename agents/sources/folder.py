"""Files from a watched folder: each `*.json` becomes a report, then moves to `accepted/`, or to `rejected/` with the reason beside it.

Write a file under another name and rename it to `*.json` when it is whole. A file without an `id` gets one that follows from its name, time and
content, so that an agent killed between accepting and moving does not file it twice.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from agents.outbox import Kind, kind_of
from hub import wire
from hub.clock import utc_text
from hub.errors import Rejected, Unavailable

log = logging.getLogger("tocsin.agent")

ACCEPTED: Final = "accepted"
REJECTED: Final = "rejected"
_NAMESPACE: Final = uuid.UUID("4f6a1d4e-3f0e-5d0e-9f3a-6a1f5b1f2c77")
SETTLED_S: Final = 10.0
"""So long after its last change a file that is no JSON yet may still be being written (our own choice)."""
File = Callable[[wire.Report | wire.Daily], Awaitable[bool]]


async def watch(folder: Path, file: File, every_s: float) -> None:
    """Take files for ever, oldest name first; a full outbox leaves them where they are, and a folder that cannot be used is tried again."""
    said = ""
    while True:
        try:
            await asyncio.to_thread(_prepare, folder)
            await take_all(folder, file)
            said = ""
        except OSError as error:  # such as a share that is not there for a while
            if str(error) != said:
                log.warning("the watched folder %s cannot be used: %s", folder, error)
            said = str(error)
        await asyncio.sleep(every_s)


async def take_all(folder: Path, file: File) -> int:
    """Take every file that is there now; returns how many were accepted."""
    accepted = 0
    for path in await asyncio.to_thread(_ready, folder):
        try:
            accepted += await _take(path, folder, file)
        except OSError as error:  # it cannot be read or moved: the others can
            log.warning("%s has to wait: %s", _name(path), error)
        except Unavailable as error:
            log.warning("%s has to wait: %s", _name(path), error)
            break
    return accepted


async def _take(path: Path, folder: Path, file: File) -> bool:
    """One file, into `accepted/` or `rejected/`; is it accepted? Raises Unavailable or OSError: it stays where it is."""
    payload, mtime_ns = await asyncio.to_thread(_read, path)
    try:
        await file(complete(payload, f"{_name(path)} {mtime_ns}", datetime.fromtimestamp(mtime_ns / 1e9, UTC)))
    except Rejected as error:
        if error.code == "malformed_json" and abs(time.time() - mtime_ns / 1e9) < SETTLED_S:
            return False
        log.warning("%s rejected: %s", _name(path), error)
        await asyncio.to_thread(_put_aside, path, folder / REJECTED, f"{error.code}\n{error.zh}\n{error.en}\n{error.field or ''}\n")
        return False
    await asyncio.to_thread(_put_aside, path, folder / ACCEPTED, None)
    return True


def complete(payload: bytes, seed: str, at: datetime) -> wire.Report | wire.Daily:
    """A message from JSON that may leave out `id`, and for a report `kind` (initial) and `occurred_at` (`at`); raises Rejected.

    The id made for it follows from `seed` and the content.
    """
    values: dict[str, Any] = _object(payload)
    if "id" not in values:
        values["id"] = str(uuid.uuid5(_NAMESPACE, f"{seed}\n{payload.hex()}"))
    if kind_of(payload) is Kind.DAILY:
        return wire.decode_daily(msgspec.json.encode(values))
    values.setdefault("kind", wire.ReportKind.INITIAL.value)
    values.setdefault("occurred_at", utc_text(at))
    return wire.decode_report(msgspec.json.encode(values))


def _object(payload: bytes) -> dict[str, Any]:
    if len(payload) > wire.MAX_MESSAGE_BYTES:
        raise Rejected("too_large", f"消息超过 {wire.MAX_MESSAGE_BYTES} 字节", f"the message is larger than {wire.MAX_MESSAGE_BYTES} bytes")
    try:
        values = msgspec.json.decode(wire.without_bom(payload))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Rejected("malformed_json", "不是有效的 JSON（UTF-8）", "this is not valid JSON in UTF-8") from None
    if not isinstance(values, dict):
        raise Rejected("wrong_type", "应为一个 JSON 对象", "a JSON object is expected")
    return values


def _prepare(folder: Path) -> None:
    for name in ("", ACCEPTED, REJECTED):
        (folder / name).mkdir(parents=True, exist_ok=True)


def _ready(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if path.is_file())


def _read(path: Path) -> tuple[bytes, int]:
    with path.open("rb") as file:
        return file.read(wire.MAX_MESSAGE_BYTES + 1), path.stat().st_mtime_ns


def _name(path: Path) -> str:
    """The file's name as text, whatever bytes it is made of."""
    return os.fsencode(path.name).decode(errors="replace")


def _put_aside(path: Path, folder: Path, error: str | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / path.name
    number = 1
    while target.exists():
        number += 1
        target = folder / f"{path.stem}-{number}{path.suffix}"
    if error is not None:
        target.with_name(target.name + ".error").write_text(error, encoding="utf-8")
    path.replace(target)

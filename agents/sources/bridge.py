"""Cameras that already live behind another video platform: what every bridge gives, and how it becomes a cameras file.

Reads catalogues over HTTP; never changes anything there but asking wvp to start a stream. Passwords go into credentials files only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import isfinite
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from hub.errors import Rejected, Unavailable
from hub.ids import is_slug
from hub.wire import is_clean
from streams.preview import PERIOD_S

MOST_BYTES: Final = 16_777_216
TIMEOUT_S: Final = 15.0


class BridgedCamera(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One camera of a platform. `gb_code`: its 20-digit GB/T 28181 device code; `lon`, `lat` as the platform gives them (its own CRS)."""

    id: str
    url: str
    name: str | None = None
    sub_url: str | None = None
    online: bool | None = None
    gb_code: str | None = None
    lon: float | None = None
    lat: float | None = None


class Catalogue(Struct, frozen=True):
    """What a platform has: usable cameras, and for the others why they are not."""

    cameras: tuple[BridgedCamera, ...]
    remarks: tuple[str, ...] = ()


class Bridge(Protocol):
    """A platform that can be asked for its cameras."""

    async def catalogue(self) -> Catalogue:
        """Ask for all cameras; raises Unavailable where the platform does not answer and Rejected where it answers something else."""
        ...


async def get_json(url: str, *, params: dict[str, str] | None = None, headers: dict[str, str] | None = None,
                   login: tuple[str, str] | None = None) -> Any:
    """GET a JSON document (at most 16 MB, 15 s); raises Unavailable or Rejected, whose words never carry the query or the login."""
    import aiohttp

    place = _place(url)
    auth = aiohttp.BasicAuth(*login) if login else None
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session, session.get(
                url, params=params, headers=headers, auth=auth) as answer:
            if answer.status in (401, 403):
                raise Rejected("platform_unauthorised", f"{place} 拒绝了凭据", f"{place} refused the credentials")
            if answer.status != 200:
                raise Unavailable("platform_error", f"{place} 返回 {answer.status}", f"{place} answered {answer.status}")
            body = bytearray()
            async for piece in answer.content.iter_any():
                body += piece
                if len(body) > MOST_BYTES:
                    raise Rejected("platform_answer", f"{place} 的回答过大", f"the answer of {place} is too large")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        reason = type(error).__name__
        raise Unavailable("platform_unreachable", f"无法连接 {place}（{reason}）", f"{place} cannot be reached ({reason})") from None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Rejected("platform_answer", f"{place} 的回答不是 JSON", f"the answer of {place} is not JSON") from None


def read(value: Any, kind: Any, place: str) -> Any:
    """The document as a type; raises Rejected `platform_answer` naming the field."""
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Rejected("platform_answer", f"{place} 的回答格式不符（{error}）", f"the answer of {place} has another form ({error})") from None


def entry(value: Any, kind: Any, remarks: list[str]) -> Any:
    """One entry of a catalogue as a type; None, and a remark that shows it, for one of another form: an odd one costs no other."""
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        remarks.append(f"{str(value)[:120]}: 格式不符，未采用 / left out, of another form ({error})")
        return None


def degrees(value: Any) -> float | None:
    """A coordinate however a platform writes it; None for none, for 0 (which stands for none) and for what is no number."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if found and isfinite(found) else None


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}{parts.path}" if parts.port else f"{parts.hostname}{parts.path}"


def slug(name: str, taken: set[str]) -> str:
    """A camera id made of a platform's name: lower case, hyphens, a number where it is taken or nothing of it can be kept."""
    base = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:56].strip("-") or "camera"
    found, n = base, 2
    while found in taken:
        found, n = f"{base}-{n}", n + 1
    assert is_slug(found)
    taken.add(found)
    return found


def cameras_yaml(cameras: Iterable[BridgedCamera], *, credentials_file: str | None = None, preview_s: float = PERIOD_S) -> str:
    """A cameras file for these cameras, to be looked over by a person before it is used."""
    import yaml

    rows = []
    for camera in cameras:
        row: dict[str, object] = {"id": camera.id, "url": camera.url}
        if camera.name:
            row["name"] = "".join(letter for letter in camera.name if is_clean(letter))[:200]
        if camera.sub_url:
            row["sub_url"] = camera.sub_url
        if credentials_file:
            row["credentials_file"] = credentials_file
        rows.append(row | {"preview_s": preview_s})
    text: str = yaml.safe_dump({"cameras": rows}, allow_unicode=True, sort_keys=False)
    return text

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
from streams.address import mask
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
    """GET a JSON document (at most 16 MB, 15 s); raises Unavailable or Rejected, whose words never carry the query or the login.

    A platform that sends elsewhere is not followed: what lets us in here must not be shown to another host.
    """
    import aiohttp

    place = _place(url, login)
    auth = aiohttp.BasicAuth(*login) if login else None
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session, session.get(
                url, params=params, headers=headers, auth=auth, allow_redirects=False) as answer:
            if 300 <= answer.status < 400:
                at = mask(answer.headers.get("Location", "").partition("?")[0])[:200]
                raise Rejected("platform_moved", f"{place} 转到另一地址 {at}，请直接填写该地址", f"{place} sends to {at}: give that address itself")
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


def entry(value: Any, kind: Any, remarks: list[str], *, name: str | None = None) -> Any:
    """One entry of a catalogue as a type; None, and a remark that names it, for one of another form: an odd one costs no other.

    Only its name is shown: platforms put the passwords of devices beside it.
    """
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        remarks.append(f"{name or _named(value)}: 格式不符，未采用 / left out, of another form ({error})")
        return None


def _named(value: Any) -> str:
    """What an entry calls itself, in short."""
    names = [str(value[key]) for key in ("name", "channelId", "deviceId", "id") if value.get(key)] if isinstance(value, dict) else []
    return mask(names[0] if names else type(value).__name__)[:120]


def degrees(value: Any) -> float | None:
    """A coordinate however a platform writes it; None for none, for 0 (which stands for none) and for what is no number."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if found and isfinite(found) else None


def _place(url: str, login: tuple[str, str] | None) -> str:
    """Where an address points, without anything secret; raises Rejected for one that is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Rejected("malformed_url", "平台地址应为 http://主机:端口", "the platform's address must read http://host:port", field="base")
    if login is not None and parts.username is not None:
        raise Rejected("two_logins", "地址里已有用户名，又另给了凭据，请只给一处", "the address has a user of its own beside the credentials: give one of them",
                       field="base")
    return f"{parts.hostname}:{port}{parts.path}" if port else f"{parts.hostname}{parts.path}"


def slug(name: str, taken: dict[str, int]) -> str:
    """A camera id made of a platform's name: lower case, hyphens, a number where it is taken or nothing of it can be kept.

    `taken`: the ids given, each with the last number that was put behind it.
    """
    base = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:56].strip("-") or "camera"
    found, n = base, taken.get(base, 0)
    while found in taken:
        n += 1
        found = f"{base}-{n + 1}"
    assert is_slug(found)
    taken[base], taken[found] = n, taken.get(found, 0) if found != base else n
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

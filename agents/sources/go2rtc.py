"""Catalogues of go2rtc, MediaMTX and Frigate: each serves its cameras again as RTSP, so that the camera itself is opened only once.

Forms after their documented HTTP APIs: go2rtc `/api/streams`, MediaMTX `/v3/paths/list`, Frigate `/api/config`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

from msgspec import Struct, field

from agents.sources.bridge import BridgedCamera, Catalogue, entry, get_json, read, slug

RTSP_PORT = 8554
"""Where all three serve RTSP unless told otherwise."""
SUB_ENDINGS = ("_sub", "-sub", "_substream", "_low")


def _rtsp(base: str, port: int, name: str) -> str:
    host = urlsplit(base).hostname or "127.0.0.1"
    return f"rtsp://{f'[{host}]' if ':' in host else host}:{port}/{quote(name, safe='/')}"


def _pair_up(names: list[str], base: str, port: int, online: dict[str, bool | None], titles: dict[str, str]) -> tuple[BridgedCamera, ...]:
    """One camera per name; a name with a sub-stream's ending belongs to the name without it."""
    taken: dict[str, int] = {}
    known = frozenset(names)
    subs = {name: name + ending for name in names for ending in SUB_ENDINGS if name + ending in known}
    below = frozenset(subs.values())
    cameras = []
    for name in names:
        if name in below:
            continue
        sub = _rtsp(base, port, subs[name]) if name in subs else None
        cameras.append(BridgedCamera(id=slug(name, taken), url=_rtsp(base, port, name), name=titles.get(name) or name, sub_url=sub,
                                     online=online.get(name)))
    return tuple(cameras)


class Go2rtc(Struct, frozen=True):
    """go2rtc at `base` (`http://host:1984`)."""

    base: str
    rtsp_port: int = RTSP_PORT
    login: tuple[str, str] | None = None

    async def catalogue(self) -> Catalogue:
        """Every stream of its configuration; online is not known until somebody watches."""
        answer = await get_json(f"{self.base.rstrip('/')}/api/streams", login=self.login)
        streams: dict[str, Any] = read(answer, dict[str, Any], "go2rtc")
        return Catalogue(_pair_up(list(streams), self.base, self.rtsp_port, {}, {}))


class _Path(Struct):
    name: str
    ready: bool | None = None
    available: bool | None = None


class _Paths(Struct, rename="camel"):
    items: list[Any]
    page_count: int = 1


class MediaMtx(Struct, frozen=True):
    """MediaMTX with its control API at `base` (`http://host:9997`)."""

    base: str
    rtsp_port: int = RTSP_PORT
    login: tuple[str, str] | None = None

    async def catalogue(self) -> Catalogue:
        """Every path, page by page; its readiness is taken as online."""
        paths: list[_Path] = []
        remarks: list[str] = []
        page, pages = 0, 1
        while page < min(pages, 1000):
            answer = await get_json(f"{self.base.rstrip('/')}/v3/paths/list", params={"page": str(page), "itemsPerPage": "100"}, login=self.login)
            found: _Paths = read(answer, _Paths, "MediaMTX")
            paths += [path for item in found.items if (path := entry(item, _Path, remarks)) is not None]
            page, pages = page + 1, found.page_count
        online = {path.name: path.ready if path.ready is not None else path.available for path in paths}
        return Catalogue(_pair_up([path.name for path in paths], self.base, self.rtsp_port, online, {}), tuple(remarks))


class _FrigateCamera(Struct):
    enabled: bool = True
    friendly_name: str | None = None


class _FrigateStreams(Struct):
    streams: dict[str, Any] = field(default_factory=dict)


class _FrigateConfig(Struct):
    cameras: dict[str, Any]
    go2rtc: _FrigateStreams = field(default_factory=_FrigateStreams)


class Frigate(Struct, frozen=True):
    """Frigate at `base` (`http://host:5000`); its restream serves the cameras that stand in its go2rtc section."""

    base: str
    rtsp_port: int = RTSP_PORT
    login: tuple[str, str] | None = None

    async def catalogue(self) -> Catalogue:
        """Every enabled camera with a restream; the others are named (Frigate hides their passwords, so they cannot be opened directly)."""
        answer = await get_json(f"{self.base.rstrip('/')}/api/config", login=self.login)
        config: _FrigateConfig = read(answer, _FrigateConfig, "Frigate")
        streams = config.go2rtc.streams
        odd: list[str] = []
        cameras: dict[str, _FrigateCamera] = {
            name: camera for name, value in config.cameras.items() if (camera := entry(value, _FrigateCamera, odd, name=name)) is not None}
        wanted = [name for name, camera in cameras.items() if camera.enabled and name in streams]
        subs = [name + ending for name in wanted for ending in SUB_ENDINGS if name + ending in streams]
        titles = {name: camera.friendly_name for name, camera in cameras.items() if camera.friendly_name}
        missing = [name for name, camera in cameras.items() if camera.enabled and name not in streams]
        remarks = tuple(f"{name}: 没有转发流 / not in go2rtc.streams, so Frigate does not restream it" for name in missing)
        return Catalogue(_pair_up(wanted + subs, self.base, self.rtsp_port, {}, titles), (*odd, *remarks))

"""Catalogue of wvp-GB28181-pro (with ZLMediaKit): devices and channels of GB/T 28181, each with the RTSP address that ZLMediaKit serves.

wvp starts a channel when it is asked to play or, with `user-settings.auto-apply-play: true`, when somebody opens its RTSP address. The
second is what an agent needs, because it opens the address again by itself after every break.
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

from msgspec import Struct, field

from agents.sources.bridge import BridgedCamera, Catalogue, degrees, entry, get_json, read, slug
from hub.device_code import Pictures, is_device_code, type_of
from hub.errors import Rejected

PAGE = 100


class _Device(Struct, rename="camel"):
    device_id: str
    name: str | None = None
    on_line: bool | None = None
    online: bool | None = None


class _Channel(Struct, rename="camel"):
    device_id: str | None = None
    channel_id: str | None = None
    gb_device_id: str | None = None
    name: str | None = None
    gb_name: str | None = None
    status: Any = None
    gb_status: Any = None
    longitude: Any = None
    latitude: Any = None
    gb_longitude: Any = None
    gb_latitude: Any = None
    parental: Any = None


class _Page(Struct):
    rows: list[Any] | None = field(name="list")
    total: int = 0


class Wvp(Struct, frozen=True):
    """wvp at `base` (`http://host:18080`), with an API key or a user's login; `media` is ZLMediaKit's RTSP (`rtsp://host:554`)."""

    base: str
    media: str
    api_key: str | None = None
    login: tuple[str, str] | None = None
    rtsp_app: str = "rtp"

    async def catalogue(self) -> Catalogue:
        """Every channel of every device. Channels without a 20-digit code or of a type that has no picture (an alarm input), folders of others, odd
        entries and devices whose channels wvp does not give are left out and named."""
        headers = await self._headers()
        cameras: list[BridgedCamera] = []
        remarks: list[str] = []
        taken: dict[str, int] = {}
        for row in await self._pages("/api/device/query/devices", headers):
            device: _Device | None = entry(row, _Device, remarks)
            for channel_row in await self._channels(device, headers, remarks) if device is not None else ():
                channel: _Channel | None = entry(channel_row, _Channel, remarks)
                if device is None or channel is None or str(channel.parental) == "1":
                    continue
                code = self._code(channel, device)
                if code is None:
                    remarks.append(f"{device.device_id}/{channel.name}: 没有 20 位国标编码 / no 20-digit GB/T 28181 code")
                    continue
                known = type_of(code)
                if known is not None and known.pictures is Pictures.NONE:
                    remarks.append(f"{code} {channel.name}: {known.zh}，没有画面，未采用 / {known.en}: no pictures, left out")
                    continue
                cameras.append(self._camera(device, channel, code, taken))
        return Catalogue(tuple(cameras), tuple(remarks))

    async def _channels(self, device: _Device, headers: dict[str, str], remarks: list[str]) -> list[Any]:
        try:
            return await self._pages(f"/api/device/query/devices/{quote(device.device_id, safe='')}/channels", headers)
        except Rejected as error:
            if error.code != "platform_answer":
                raise
            remarks.append(f"{device.device_id}: {error.zh} / {error.en}")
            return []

    async def play(self, device_id: str, channel_id: str) -> str:
        """Ask wvp to start a channel now; its RTSP address as wvp says it. Raises Rejected with wvp's own words where it does not."""
        answer = await self._get(f"/api/play/start/{device_id}/{channel_id}", await self._headers(), {})
        url = answer.get("rtsp") if isinstance(answer, dict) else None
        if not isinstance(url, str):
            raise Rejected("platform_answer", "wvp 没有返回 RTSP 地址", "wvp gave no RTSP address")
        return url

    async def _headers(self) -> dict[str, str]:
        if self.api_key is not None:
            return {"api-key": self.api_key}
        if self.login is None:
            return {}
        user, password = self.login
        digest = hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()  # the form wvp's login asks for
        data = await self._get("/api/user/login", {}, {"username": user, "password": digest})
        token = data.get("accessToken") if isinstance(data, dict) else None
        if not isinstance(token, str):
            raise Rejected("platform_unauthorised", "wvp 登录失败", "wvp did not let us in")
        return {"access-token": token}

    async def _get(self, path: str, headers: dict[str, str], params: dict[str, str]) -> Any:
        answer = await get_json(self.base.rstrip("/") + path, params=params, headers=headers)
        if not isinstance(answer, dict):
            raise Rejected("platform_answer", "wvp 的回答格式不符", "the answer of wvp has another form")
        code = answer.get("code", 0)
        if code in (401, 403):
            raise Rejected("platform_unauthorised", "wvp 拒绝了凭据", "wvp refused the credentials")
        if code != 0:
            words = str(answer.get("msg") or code)[:200]
            raise Rejected("platform_answer", f"wvp：{words}", f"wvp says: {words}")
        return answer.get("data", answer)

    async def _pages(self, path: str, headers: dict[str, str]) -> list[Any]:
        rows: list[Any] = []
        for page in range(1, 1001):
            found: _Page = read(await self._get(path, headers, {"page": str(page), "count": str(PAGE)}), _Page, "wvp")
            rows += found.rows or []
            if not found.rows or len(rows) >= found.total:
                break
        return rows

    @staticmethod
    def _code(channel: _Channel, device: _Device) -> str | None:
        """The channel's own code: older versions say `channelId`, newer ones `deviceId` of the channel and `gbDeviceId` where it was renamed."""
        for code in (channel.channel_id, channel.device_id, channel.gb_device_id):
            if code and is_device_code(code) and (code != device.device_id or channel.channel_id == code):
                return code
        return None

    def _camera(self, device: _Device, channel: _Channel, code: str, taken: dict[str, int]) -> BridgedCamera:
        status = channel.status if channel.status is not None else channel.gb_status
        online = None if status is None else str(status).lower() in ("on", "true", "1", "ok")
        if (device.on_line if device.on_line is not None else device.online) is False:
            online = False
        lon, lat = degrees(channel.longitude) or degrees(channel.gb_longitude), degrees(channel.latitude) or degrees(channel.gb_latitude)
        return BridgedCamera(id=slug(code, taken), name=channel.gb_name or channel.name, online=online, gb_code=code, lon=lon, lat=lat,
                             url=f"{self.media.rstrip('/')}/{self.rtsp_app}/{device.device_id}_{code}")

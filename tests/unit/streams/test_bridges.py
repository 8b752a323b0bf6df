"""Catalogues of other platforms, against small servers that answer as those platforms document it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agents.cameras import read_cameras
from agents.sources.bridge import Bridge, cameras_yaml, slug
from agents.sources.go2rtc import Frigate, Go2rtc, MediaMtx
from agents.sources.wvp import Wvp
from hub.errors import Rejected, Unavailable


@asynccontextmanager
async def platform(routes: dict[str, Any]) -> AsyncIterator[str]:
    """A server whose paths answer with JSON, or with what a function of the request returns."""
    async def answer(request: web.Request) -> web.Response:
        body = routes.get(request.path)
        if body is None:
            return web.Response(status=404)
        if callable(body):
            body = body(request)
        return body if isinstance(body, web.Response) else web.json_response(body)

    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_go2rtc_gives_its_streams_and_pairs_sub_streams() -> None:
    streams = {"tank_farm": {"producers": [{"url": "rtsp://admin:pw@10.0.0.5/101"}], "consumers": None},
               "tank_farm_sub": {"producers": [{"url": "rtsp://admin:pw@10.0.0.5/102"}]}, "东门": {"producers": []}}
    async with platform({"/api/streams": streams}) as base:
        cameras = (await Go2rtc(base).catalogue()).cameras
    assert [(c.id, c.url, c.sub_url) for c in cameras] == [
        ("tank-farm", "rtsp://127.0.0.1:8554/tank_farm", "rtsp://127.0.0.1:8554/tank_farm_sub"),
        ("camera", "rtsp://127.0.0.1:8554/%E4%B8%9C%E9%97%A8", None)]
    assert "pw" not in cameras_yaml(cameras)


async def test_a_catalogue_that_comes_in_pieces_is_read_to_its_end() -> None:
    streams = {f"camera-{n}": {"producers": [{"url": f"rtsp://10.0.{n // 250}.{n % 250}/101"}]} for n in range(5000)}
    async with platform({"/api/streams": streams}) as base:
        assert len((await Go2rtc(base).catalogue()).cameras) == 5000


async def test_a_name_with_a_control_character_is_written_without_it(tmp_path: Path) -> None:
    async with platform({"/api/streams": {"gate\u0007\u202e1": {}}}) as base:
        (tmp_path / "cameras.yaml").write_text(cameras_yaml((await Go2rtc(base).catalogue()).cameras), encoding="utf-8")
    setups, remarks = read_cameras(tmp_path / "cameras.yaml")
    assert [setup.entry.name for setup in setups] == ["gate1"] and remarks == []


async def test_mediamtx_gives_every_page_with_readiness() -> None:
    def page(request: web.Request) -> dict[str, Any]:
        n = int(request.query["page"])
        return {"itemCount": 3, "pageCount": 2, "items": [[{"name": "cam1", "ready": True, "tracks": ["H264"]}, {"name": "site/cam2", "ready": False}],
                                                          [{"name": "cam3", "available": True, "source": {"type": "rtspSource", "id": ""}}]][n]}

    async with platform({"/v3/paths/list": page}) as base:
        cameras = (await MediaMtx(base, 18554).catalogue()).cameras
    assert [(c.id, c.online, c.url) for c in cameras] == [("cam1", True, "rtsp://127.0.0.1:18554/cam1"), ("site-cam2", False, "rtsp://127.0.0.1:18554/site/cam2"),
                                                          ("cam3", True, "rtsp://127.0.0.1:18554/cam3")]


async def test_frigate_gives_restreamed_cameras_and_names_the_others() -> None:
    config = {"cameras": {"gate": {"enabled": True, "friendly_name": "大门", "ffmpeg": {"inputs": [{"path": "rtsp://*:*@10.0.0.9/1", "roles": ["record"]}]}},
                          "yard": {"enabled": True}, "old": {"enabled": False}},
              "go2rtc": {"streams": {"gate": ["rtsp://…"], "gate_sub": ["rtsp://…"]}}}
    async with platform({"/api/config": config}) as base:
        catalogue = await Frigate(base).catalogue()
    (camera,) = catalogue.cameras
    assert (camera.id, camera.name, camera.sub_url) == ("gate", "大门", "rtsp://127.0.0.1:8554/gate_sub")
    assert len(catalogue.remarks) == 1 and catalogue.remarks[0].startswith("yard")


DEVICE, CHANNEL = "34020000001110000001", "34020000001320000001"


def wvp_routes() -> dict[str, Any]:
    def guarded(body: dict[str, Any]) -> Any:
        def answer(request: web.Request) -> dict[str, Any]:
            return body if request.headers.get("access-token") == "T" or request.headers.get("api-key") == "K" else {"code": 401, "msg": "请登录后重新请求"}
        return answer

    def login(request: web.Request) -> dict[str, Any]:
        right = request.query.get("username") == "admin" and request.query.get("password") == hashlib.md5(b"secret").hexdigest()
        return {"code": 0, "msg": "成功", "data": {"accessToken": "T"}} if right else {"code": 100, "msg": "用户名或密码错误"}

    channels = [{"id": 1, "deviceId": CHANNEL, "name": "罐区东", "status": "ON", "longitude": 119.12, "latitude": 34.85, "parental": 0},
                {"id": 2, "deviceId": "34020000001320000002", "name": "装卸台", "status": "OFF"},
                {"id": 3, "deviceId": "3402", "name": "坏编码"}, {"id": 5, "deviceId": "34020000001340000001", "name": "烟感"}, {"id": 4, "deviceId": "34020000002160000001", "name": "目录", "parental": 1}]
    return {
        "/api/user/login": login,
        "/api/device/query/devices": guarded({"code": 0, "msg": "成功", "data": {"total": 1, "list": [{"deviceId": DEVICE, "name": "NVR", "onLine": True}]}}),
        f"/api/device/query/devices/{DEVICE}/channels": guarded({"code": 0, "data": {"total": 5, "list": channels}}),
        f"/api/play/start/{DEVICE}/{CHANNEL}": guarded({"code": 0, "data": {"app": "rtp", "rtsp": f"rtsp://10.1.1.2:554/rtp/{DEVICE}_{CHANNEL}"}}),
    }


@pytest.mark.parametrize("options", [{"login": ("admin", "secret")}, {"api_key": "K"}], ids=["login", "API key"])
async def test_wvp_gives_channels_with_their_national_codes(options: dict[str, Any]) -> None:
    async with platform(wvp_routes()) as base:
        wvp = Wvp(base, "rtsp://10.1.1.2:554", **options)
        catalogue = await wvp.catalogue()
        assert await wvp.play(DEVICE, CHANNEL) == f"rtsp://10.1.1.2:554/rtp/{DEVICE}_{CHANNEL}"
    east, dock = catalogue.cameras
    assert (east.gb_code, east.name, east.online, east.lon) == (CHANNEL, "罐区东", True, 119.12)
    assert east.url == f"rtsp://10.1.1.2:554/rtp/{DEVICE}_{CHANNEL}"
    assert dock.online is False
    assert ["坏编码" in catalogue.remarks[0], "烟感" in catalogue.remarks[1], len(catalogue.remarks)] == [True, True, 2]


async def test_odd_entries_are_named_and_cost_no_other(tmp_path: Path) -> None:
    good = {"deviceId": CHANNEL, "name": "罐区" * 200, "status": 1, "longitude": "119.12", "latitude": "", "parental": "0"}
    odd = [None, 7, {"deviceId": 5, "name": ["x"]}, {"deviceId": DEVICE, "parental": "1"}]
    devices = "/api/device/query/devices"
    routes = {
        devices: {"code": 0, "data": {"total": 4, "list": [{"deviceId": DEVICE}, {"deviceId": None}, "x", {"deviceId": "34020000001110000009"}]}},
        f"{devices}/{DEVICE}/channels": {"code": 0, "data": {"total": 5, "list": [*odd, good]}},
        f"{devices}/34020000001110000009/channels": {"code": 100, "msg": "设备离线"},
        "/v3/paths/list": {"items": [{"name": "cam", "ready": None}, {"ready": True}, 5], "pageCount": 1},
        "/api/config": {"cameras": {"gate": {"enabled": True}, "yard": 5}, "go2rtc": {"streams": {"gate": None}}},
    }
    async with platform(routes) as base:
        wvp = await Wvp(base, "rtsp://10.1.1.2:554", api_key="K").catalogue()
        paths = await MediaMtx(base).catalogue()
        frigate = await Frigate(base).catalogue()
    assert [(c.gb_code, c.online, c.lon, c.lat) for c in wvp.cameras] == [(CHANNEL, True, 119.12, None)]
    assert len(wvp.remarks) == 6 and any("设备离线" in remark for remark in wvp.remarks)
    assert ([c.id for c in paths.cameras], len(paths.remarks)) == (["cam"], 2)
    assert ([c.id for c in frigate.cameras], len(frigate.remarks)) == (["gate"], 1)
    (tmp_path / "cameras.yaml").write_text(cameras_yaml(wvp.cameras), encoding="utf-8")
    assert read_cameras(tmp_path / "cameras.yaml")[1] == []


async def test_wvp_with_a_wrong_password_is_named_in_its_own_words_without_the_password() -> None:
    async with platform(wvp_routes()) as base:
        with pytest.raises(Rejected) as caught:
            await Wvp(base, "rtsp://x:554", login=("admin", "wrong")).catalogue()
    assert "用户名或密码错误" in caught.value.zh
    assert "wrong" not in str(caught.value)


def bridges(base: str) -> list[Bridge]:
    return [Go2rtc(base), MediaMtx(base), Frigate(base), Wvp(base, "rtsp://x:554", api_key="K")]


@pytest.mark.parametrize("body", [["x"], {"items": 7}, 5, {"cameras": 1, "code": 0, "list": 3}])
async def test_an_answer_of_another_form_is_refused_by_name(body: Any) -> None:
    paths = ("/api/streams", "/v3/paths/list", "/api/config", "/api/device/query/devices")
    async with platform(dict.fromkeys(paths, body)) as base:
        for bridge in bridges(base):
            if isinstance(bridge, Go2rtc) and isinstance(body, dict):
                continue
            with pytest.raises(Rejected) as caught:
                await bridge.catalogue()
            assert caught.value.code == "platform_answer"


async def test_a_platform_that_sends_elsewhere_is_not_followed_with_what_lets_us_in() -> None:
    seen: list[str | None] = []

    def elsewhere(request: web.Request) -> web.Response:
        seen.append(request.headers.get("api-key"))
        return web.json_response({"code": 0, "data": {"total": 0, "list": []}})

    path = "/api/device/query/devices"
    async with platform({path: elsewhere}) as other:
        moved = other.replace("127.0.0.1", "user:pw@localhost") + path + "?token=T"
        async with platform({path: lambda request: web.Response(status=302, headers={"Location": moved})}) as base:
            with pytest.raises(Rejected) as caught:
                await Wvp(base, "rtsp://x:554", api_key="K").catalogue()
    assert (caught.value.code, seen) == ("platform_moved", [])
    assert "localhost" in caught.value.en and "pw" not in caught.value.en and "token" not in caught.value.en


@pytest.mark.parametrize(("base", "code"), [
    ("http://h:99999999", "malformed_url"), ("http://[bad", "malformed_url"), ("10.0.0.5:1984", "malformed_url"), ("", "malformed_url"),
    ("http://user:hidden@127.0.0.1:1", "two_logins")])
async def test_an_address_that_is_none_is_refused_by_name(base: str, code: str) -> None:
    with pytest.raises(Rejected) as caught:
        await Go2rtc(base, login=("user", "hidden")).catalogue()
    assert caught.value.code == code
    assert "hidden" not in str(caught.value)


async def test_a_remark_on_an_odd_entry_shows_its_name_and_none_of_its_passwords() -> None:
    devices = [{"password": "geheim", "deviceId": DEVICE, "name": ["x"]}, {"pass": "geheim"}, "rtsp://admin:geheim@10.0.0.5/1"]
    async with platform({"/api/device/query/devices": {"code": 0, "data": {"total": 3, "list": devices}},
                         "/api/config": {"cameras": {"yard": [{"path": "rtsp://admin:geheim@10.0.0.5/1"}]}}}) as base:
        said = [*(await Wvp(base, "rtsp://x:554", api_key="K").catalogue()).remarks, *(await Frigate(base).catalogue()).remarks]
    assert [remark.partition(":")[0] for remark in said] == ["['x']", "dict", "str", "yard"]
    assert "geheim" not in "".join(said)


def test_many_names_of_which_nothing_can_be_kept_get_ids_in_a_row() -> None:
    taken: dict[str, int] = {}
    assert [slug(name, taken) for name in ("东门", "camera", "camera-2", "西门", "camera-2")] == [
        "camera", "camera-2", "camera-2-2", "camera-3", "camera-2-3"]


async def test_a_platform_that_is_down_is_unavailable() -> None:
    for bridge in bridges("http://127.0.0.1:1"):
        with pytest.raises(Unavailable) as caught:
            await bridge.catalogue()
        assert caught.value.code == "platform_unreachable"


async def test_a_catalogue_becomes_a_cameras_file_that_passes_the_check(tmp_path: Path) -> None:
    async with platform(wvp_routes()) as base:
        catalogue = await Wvp(base, "rtsp://10.1.1.2:554", api_key="K").catalogue()
    (tmp_path / "zlm.txt").write_text("user:pa:ss", encoding="utf-8")
    (tmp_path / "cameras.yaml").write_text(cameras_yaml(catalogue.cameras, credentials_file="zlm.txt"), encoding="utf-8")
    setups, remarks = read_cameras(tmp_path / "cameras.yaml")
    assert remarks == []
    assert [setup.entry.id for setup in setups] == [CHANNEL, "34020000001320000002"]
    assert setups[0].main.secret_url().startswith("rtsp://user:pa%3Ass@10.1.1.2:554/")
    assert "pa:ss" not in repr(setups) and "pa%3Ass" not in repr(setups)

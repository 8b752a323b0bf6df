"""Pictures in a real Chromium: an RTSP camera's burnt-in clock read back from a canvas, the wall's tiles, what they say, and a picture that has become old."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from hub.operate.bench_camera import RtspServer
from hub.operate.bench_video import CODECS_JS, MSE_JS
from tests.support.screens import RunningHub, Screen, eventually

Screens = Callable[..., Screen]
AGENT = "wall-plant"
COUNT = 19


class Plant:
    """An enrolled agent (`tocsin agent run`) with one RTSP camera (whose sound is G.711), one of two streams, one of H.265, and sixteen drawn ones,
    the first of which is looked at for motion."""

    def __init__(self, hub: RunningHub, camera: RtspServer, folder: Path) -> None:
        self.camera, self._folder = camera, folder
        secret = enrolled(hub)
        (folder / "agent.toml").write_text(f'agent_id = "{AGENT}"\nmqtt_port = {hub.broker_port}\nhub_url = "{hub.address}"\n'
                                           'cameras_file = "cameras.yaml"\n')
        lines = [f"  - {{id: a-rtsp, url: '{camera.url('/g711')}', preview_s: 1, timeout_s: 1, longest_pause_s: 0.5}}"]
        lines += [f"  - {{id: b-two, url: '{camera.url('/hd')}', sub_url: '{camera.url('/small')}', preview_s: 2}}"]
        lines += [f"  - {{id: c-hevc, url: '{hevc_film(folder / 'film.mp4')}', preview_s: 2}}"]
        lines += [f"  - {{id: s{n:02d}, url: 'synthetic:?size=320x180&rate=5&seed={n}', preview_s: 2, motion: {str(n == 0).lower()}}}"
                  for n in range(COUNT - 3)]
        (folder / "cameras.yaml").write_text("cameras:\n" + "\n".join(lines) + "\n")
        (folder / "password").write_text(secret)
        (folder / "password").chmod(0o600)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run the agent."""
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "hub", "agent", "run", "--folder", str(self._folder)], stdout=log, stderr=log)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def hevc_film(path: Path) -> Path:
    """Four seconds of H.265, which Chromium does not show."""
    ground = np.random.default_rng(7).integers(0, 255, (180, 320, 3), np.uint8)
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx265", rate=10, options={"preset": "ultrafast", "x265-params": "log-level=none:keyint=10:bframes=0"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for n in range(40):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(ground, 3 * n, axis=1), format="rgb24")))
        film.mux(stream.encode(None))
    return path


def enrolled(hub: RunningHub) -> str:
    """Enrol the agent as a device does; gives its password."""
    asked = urllib.request.Request(f"{hub.address}/api/v1/enroll", json.dumps({"code": hub.code(AGENT)}).encode(),
                                   {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return str(json.load(answer)["password"])


@pytest.fixture(scope="module")
def plant(hub: RunningHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with RtspServer() as camera:
        running = Plant(hub, camera, tmp_path_factory.mktemp("plant"))
        running.start()
        yield running
        running.stop()


def wall(screen: Screen, size: int = 4) -> Page:
    page = screen.open("/wall")
    page.click(f".tabs button:text-is('{size}')")
    return page


def tile(page: Page, id: str = "a-rtsp") -> Any:
    return page.locator(f'[data-test=tile][data-camera="{AGENT}/{id}"]')


def showing(screen: Screen) -> int:
    """How many cameras of the plant have pictures (one whose ground scrolls by is soon said to have moved)."""
    rows = screen.call("GET", "/api/v1/cameras")["body"]["items"]
    return sum(row["camera"]["agent_id"] == AGENT and row["camera"].get("health") not in (None, "connecting", "offline") for row in rows)


def ages_ms(page: Page, script: str) -> list[float]:
    """The ages of five pictures at least, as the burnt-in clock tells them; a busy browser presents few of those that it decodes."""
    ages: list[float] = []

    def enough() -> bool:
        ages.extend(page.evaluate(script, {"id": f"{AGENT}/a-rtsp", "seconds": 1}))
        return len(ages) >= 5

    eventually(enough, 40)
    return ages


def play(page: Page, id: str = "a-rtsp") -> None:
    """Open a camera, saying why."""
    tile(page, id).locator("[data-test=open]").click()
    if tile(page, id).locator("form.reason").count():
        tile(page, id).locator("form.reason input").fill("演练查看")
        tile(page, id).locator("form.reason button").click()
    expect(tile(page, id)).to_have_attribute("data-state", "live")


def test_the_clock_of_an_rtsp_camera_is_read_back_from_the_browser_by_both_players(plant: Plant, new_screen: Screens) -> None:
    screen = new_screen()
    page = wall(screen)
    eventually(lambda: showing(screen) == COUNT, 40)
    page.fill(".search", "a-rtsp")
    play(page)
    for script in (MSE_JS, CODECS_JS):
        ages = ages_ms(page, script)
        assert all(age >= 0 for age in ages), "a picture from the future"
        assert sorted(ages)[len(ages) // 2] < 5_000
        if script is MSE_JS:
            tile(page).locator(".tools button").nth(1).click()
            expect(tile(page)).to_have_attribute("data-state", "live")
            expect(tile(page).locator("canvas")).to_be_visible()
    latency_ms = int(tile(page).get_attribute("data-latency") or -1_000)
    assert latency_ms > -100, "the clocks' difference is known to half a round trip, and a quick picture's latency may come out just below nothing"


@pytest.mark.parametrize("size", [1, 4, 9, 16])
def test_the_wall_shows_so_many_previews_and_opens_none_by_itself(plant: Plant, new_screen: Screens, size: int) -> None:
    screen = new_screen(width=1920, height=1080)
    page = wall(screen, size)
    eventually(lambda: showing(screen) == COUNT, 40)
    page.fill(".search", AGENT)
    expect(page.locator("[data-test=tile]")).to_have_count(size)
    assert {one.get_attribute("data-state") for one in page.locator("[data-test=tile]").all()} == {"preview"}
    eventually(lambda: all(page.evaluate("() => [...document.querySelectorAll('[data-test=tile] img')].map((i) => i.naturalWidth > 0)")), 20)
    boxes = [one.bounding_box() for one in page.locator("[data-test=tile]").all()]
    assert all(box and box["y"] + box["height"] <= 1081 and box["width"] > 100 for box in boxes), "the wall does not fit on the wall"


def test_a_tile_of_a_wall_shows_the_sub_stream_and_one_alone_or_in_full_screen_the_main_stream(plant: Plant, new_screen: Screens) -> None:
    screen = new_screen()
    page = wall(screen, 4)
    eventually(lambda: showing(screen) == COUNT, 40)
    page.fill(".search", AGENT)
    play(page, "b-two")

    def is_wide(pixels: int) -> None:
        eventually(lambda: tile(page, "b-two").locator("video").evaluate("(video) => video.videoWidth") == pixels, 20)

    is_wide(640)
    tile(page, "b-two").locator("figcaption b").dblclick()
    is_wide(1280)
    page.evaluate("() => document.exitFullscreen()")
    is_wide(640)
    page.fill(".search", "b-two")
    is_wide(1280)


def test_what_is_transcoded_says_so_and_so_does_sound_that_is_left_out(plant: Plant, new_screen: Screens) -> None:
    screen = new_screen()
    page = wall(screen, 4)
    eventually(lambda: showing(screen) == COUNT, 40)
    page.fill(".search", AGENT)
    for id in ("c-hevc", "a-rtsp"):
        play(page, id)
    expect(tile(page, "c-hevc").locator("[data-code=transcoded]")).to_have_text("已在接入端转码")
    expect(tile(page, "a-rtsp").locator("[data-test=sound]")).to_have_text("声音未传送（G.711 A）")
    expect(tile(page).locator("[data-code=transcoded]")).to_have_count(0)
    page = screen.open("/cameras")
    expect(page.locator(f"[data-test=camera][data-camera='{AGENT}/a-rtsp']")).to_contain_text("G.711 A")
    expect(page.locator(f"[data-test=camera][data-camera='{AGENT}/b-two']")).not_to_contain_text("G.711")


def test_what_a_detector_sees_is_a_hint_on_the_tile(plant: Plant, new_screen: Screens) -> None:
    page = wall(new_screen(), 16)
    page.fill(".search", AGENT)
    expect(tile(page, "s00").locator("[data-test=advisory]")).to_contain_text("提示（未核实）：画面中有移动", timeout=60_000)
    expect(tile(page, "s01").locator("[data-test=advisory]")).to_have_count(0)


def test_what_a_thumb_hits_on_a_phone_is_44_pixels_on_a_tile_and_on_both_maps(plant: Plant, new_screen: Screens, browser: Browser, plain: Browser) -> None:
    for path, what, using in (("/wall", "[data-test=tile] button", browser), ("/map", ".maplibregl-ctrl-group button", browser),
                              ("/map", "[data-test=map-zoom] button", plain)):
        page = new_screen(width=390, height=844, using=using).open(path)
        page.wait_for_selector(what)
        sizes = page.evaluate("(what) => [...document.querySelectorAll(what)].map((one) => one.getBoundingClientRect()).map((box) => [box.width, box.height])", what)
        assert sizes and all(min(size) >= 44 for size in sizes), (path, sizes)
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0, path


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_recording_on_a_full_disk_is_named_on_the_incidents_tile(hub: RunningHub, plant: Plant, new_screen: Screens) -> None:
    screen = new_screen()
    screen.open("/wall")
    eventually(lambda: showing(screen) == COUNT, 40)
    disk = hub.folder / "var" / "recordings"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let us mount")
    try:
        assert screen.call("PUT", f"/api/v1/cameras/{AGENT}/s15", {"lon": 119.5, "lat": 34.5})["status"] == 200
        incident_id = screen.report("储罐起火", place={"text": "厂区", "lon": 119.5, "lat": 34.5})
        page = screen.open(f"/incidents/{incident_id}")
        expect(tile(page, "s15").locator("[data-code=disk_full]")).to_have_text("录像中断：磁盘已满", timeout=40_000)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
    assert screen.call("POST", f"/api/v1/incidents/{incident_id}/false-alarm", {"reason": "测试结束"})["status"] == 200
    screen.call("PUT", f"/api/v1/cameras/{AGENT}/s15", {})


def test_a_pinned_tile_stays_first_and_the_choice_outlives_a_reload(plant: Plant, new_screen: Screens) -> None:
    screen = new_screen()
    page = wall(screen, 4)
    eventually(lambda: showing(screen) == COUNT, 40)
    page.fill(".search", "s15")
    tile(page, "s15").locator("[data-test=pin]").click()
    page.fill(".search", "")
    page.reload()
    page.wait_for_selector("[data-test=tile]")
    eventually(lambda: page.locator("[data-test=tile]").first.get_attribute("data-camera") == f"{AGENT}/s15", 10)
    expect(page.locator("[data-test=tile]")).to_have_count(4)


def test_a_picture_that_stopped_is_visibly_old_and_says_how_old(plant: Plant, new_screen: Screens) -> None:
    screen = new_screen()
    page = wall(screen)
    eventually(lambda: showing(screen) == COUNT, 40)
    page.fill(".search", "a-rtsp")
    play(page)
    assert "stale" not in (tile(page).get_attribute("class") or "")
    plant.camera.kill()
    try:
        eventually(lambda: "stale" in (tile(page).get_attribute("class") or ""), 15)
        expect(tile(page).locator(".old")).to_contain_text("秒")
        assert page.evaluate("(id) => getComputedStyle(document.querySelector(`[data-camera='${id}'] video`)).filter", f"{AGENT}/a-rtsp") != "none"
        expect(tile(page).locator(".words")).not_to_be_empty()
    finally:
        plant.camera.start()
    eventually(lambda: "stale" not in (tile(page).get_attribute("class") or ""), 40)


def test_the_roll_call_names_who_does_not_answer_and_why_and_calls_on_those_without_a_camera(plant: Plant, new_screen: Screens) -> None:
    screen = new_screen()
    screen.open("/wall")
    eventually(lambda: showing(screen) == COUNT, 40)
    put = screen.call("POST", "/api/v1/cameras/import", {
        "enterprises": [{"id": "roll-called", "zh": "点名化工"}, {"id": "roll-bare", "zh": "无摄像头仓储"}],
        "cameras": [{"agent_id": AGENT, "camera_id": id, "place": {"enterprise_id": "roll-called"}} for id in ("a-rtsp", "s01")]})
    assert put["status"] < 300, put

    def is_refused() -> bool:
        rows = screen.call("GET", "/api/v1/cameras")["body"]["items"]
        return any(row["camera"]["id"] == f"{AGENT}/a-rtsp" and row["camera"].get("health") == "offline" and row["camera"].get("troubles") == ["refused"] for row in rows)

    plant.camera.kill()
    try:
        eventually(is_refused, 40)
        page = screen.open("/rollcall")
        page.click("[data-test=rollcall] .button.main")
        lines = page.locator("[data-test=rollcall] .line")
        refused = lines.filter(has=tile(page, "a-rtsp"))
        expect(refused.locator("[data-code=refused]")).to_have_text("摄像机拒绝连接")
        expect(refused).to_contain_text("未应答")
        expect(lines.filter(has=tile(page, "s01")).locator("p.yes")).to_have_text("到")
        expect(lines.filter(has_text="无摄像头仓储")).to_contain_text("未接入摄像头")
    finally:
        plant.camera.start()
        for id in ("a-rtsp", "s01"):
            screen.call("PUT", f"/api/v1/cameras/{AGENT}/{id}", {})

"""Pictures in a real Chromium: an RTSP camera's burnt-in clock read back from a canvas, the wall's tiles, and a picture that has become old."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from hub.operate.bench_camera import RtspServer
from hub.operate.bench_video import CODECS_JS, MSE_JS
from tests.support.screens import RunningHub, Screen, eventually

Screens = Callable[..., Screen]
AGENT = "wall-plant"
COUNT = 18


class Plant:
    """An enrolled agent (`tocsin agent run`) with one RTSP camera, one of two streams, and sixteen drawn ones."""

    def __init__(self, hub: RunningHub, camera: RtspServer, folder: Path) -> None:
        self.camera, self._folder = camera, folder
        secret = enrolled(hub)
        (folder / "agent.toml").write_text(f'agent_id = "{AGENT}"\nmqtt_port = {hub.broker_port}\nhub_url = "{hub.address}"\n'
                                           'cameras_file = "cameras.yaml"\n')
        lines = [f"  - {{id: a-rtsp, url: '{camera.url('/h264')}', preview_s: 1, timeout_s: 1, longest_pause_s: 0.5}}"]
        lines += [f"  - {{id: b-two, url: '{camera.url('/hd')}', sub_url: '{camera.url('/small')}', preview_s: 2}}"]
        lines += [f"  - {{id: s{n:02d}, url: 'synthetic:?size=320x180&rate=5&seed={n}', preview_s: 2}}" for n in range(COUNT - 2)]
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
    expect(tile(page, id)).to_have_attribute("data-state", "live", timeout=20_000)


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
            expect(tile(page)).to_have_attribute("data-state", "live", timeout=20_000)
            expect(tile(page).locator("canvas")).to_be_visible()
    assert int(tile(page).get_attribute("data-latency") or -1) >= 0


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

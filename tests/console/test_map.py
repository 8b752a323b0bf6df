"""The district's map in a real Chromium: every layer, with WebGL and without it, by the pointer and by the keyboard; and the wall's tiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.screens import RunningHub, Screen

Screens = Callable[..., Screen]
PLANT = {"id": "map-plant", "zh": "海边化工（演示）", "en": "Seaside Chemicals (demo)", "lon": 119.15, "lat": 34.9, "hazard_level": 2,
         "substances": ["液氨"], "demo": True}
CAMERAS = [{"agent_id": "map-agent", "camera_id": name, "place": {
    "name": f"海边化工{zh}", "enterprise_id": "map-plant", "lon": 119.15 + east, "lat": 34.9, "bearing_deg": 90.0, "fov_deg": 60.0, "range_m": 300.0}}
    for name, zh, east in (("gate", "大门", 0.002), ("tanks", "罐区", -0.002))]
LOAD = {"un": "1005", "name": "液氨", "quantity_kg": 20000, "container": "road_tanker", "leak": True}


@pytest.fixture(scope="module")
def furnished(hub: RunningHub, browser: Browser, signed_in: Any) -> None:
    """A plant with two cameras on the register."""
    context = browser.new_context(base_url=hub.address, storage_state=signed_in)
    screen = Screen(context)
    screen.open()
    assert screen.call("POST", "/api/v1/enroll", {"code": hub.code("map-agent")})["status"] == 201
    answer = screen.call("POST", "/api/v1/cameras/import", {"enterprises": [PLANT], "cameras": CAMERAS})
    assert answer["status"] < 300, answer
    context.close()


def release(screen: Screen, *, lat: float = 34.901) -> str:
    """A drill with dangerous goods beside the plant, whose zones are drawn."""
    id = screen.report("液氨罐车泄漏", drill=True, event_types=["12D00"], place={"text": "海边", "lon": 119.151, "lat": lat}, hazmat=[LOAD])
    screen.page.wait_for_function(
        "id => fetch(`/api/v1/incidents/${id}/zones`).then(r => r.json()).then(z => z.zones !== null)", arg=id, timeout=20_000)
    return id


@pytest.mark.usefixtures("furnished")
def test_without_webgl_the_map_draws_incidents_zones_cameras_with_what_they_see_and_the_plant(new_screen: Screens, plain: Browser) -> None:
    screen = new_screen(using=plain)
    page = screen.open()
    id = release(screen)
    page.goto("/map")
    page.wait_for_selector("[data-test=outline]")
    expect(page.locator(f"[data-layer=incidents][data-id='{id}']")).to_have_count(1)
    expect(page.locator(f".shape.isolation[data-id='{id}']")).to_have_count(1)
    expect(page.locator(f".shape.protective[data-id='{id}']")).to_have_count(1)
    expect(page.locator(".shape.sight")).to_have_count(2)
    expect(page.locator(".spot[data-layer=cameras]")).to_have_count(2)
    expect(page.locator(".spot[data-layer=enterprises]")).to_have_count(1)


@pytest.mark.usefixtures("furnished")
def test_a_layer_that_was_switched_off_stays_off(new_screen: Screens, plain: Browser) -> None:
    page = new_screen(using=plain).open("/map")
    expect(page.locator(".spot[data-layer=cameras]")).to_have_count(2)
    page.uncheck("[name=layer-cameras]")
    expect(page.locator(".spot[data-layer=cameras], .shape.sight")).to_have_count(0)
    page.reload()
    page.wait_for_selector(".spot[data-layer=enterprises]")
    expect(page.locator(".spot[data-layer=cameras]")).to_have_count(0)
    expect(page.locator("[name=layer-cameras]")).not_to_be_checked()


@pytest.mark.usefixtures("furnished")
@pytest.mark.parametrize("drawn", [True, False], ids=["maplibre", "outline"])
def test_the_keyboard_reaches_everything_by_the_list_and_reads_its_card(new_screen: Screens, plain: Browser, browser: Browser, drawn: bool) -> None:
    page = new_screen(using=browser if drawn else plain).open("/map")
    page.wait_for_selector("[data-test=gl]" if drawn else "[data-test=outline]")
    page.focus("[data-test=map-list]")
    page.keyboard.press("Enter")
    line = page.locator("[data-test=map-line]", has_text="海边化工大门")
    line.focus()
    page.keyboard.press("Enter")
    card = page.locator("[data-test=map-card]")
    expect(card).to_contain_text("朝向 90°，视角 60°，300 m")
    expect(card).to_contain_text("海边化工（演示）")
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)
    page.locator("[data-test=map-line]", has_text="海边化工（演示）").press("Enter")
    expect(card).to_contain_text("0/2 路在线")
    card.locator("a").click()
    page.wait_for_url("**/wall?search=*")


@pytest.mark.usefixtures("furnished")
def test_a_click_on_the_drawing_opens_the_card_of_what_was_meant(new_screen: Screens, plain: Browser) -> None:
    screen = new_screen(using=plain)
    page = screen.open()
    id = release(screen, lat=34.93)  # apart from the other, whose circle would lie above it
    page.goto("/map")
    page.locator(f"[data-layer=incidents][data-id='{id}'] circle").click()
    card = page.locator("[data-test=map-card]")
    expect(card).to_contain_text("液氨罐车泄漏")
    card.locator("a").click()
    page.wait_for_url(f"**/incidents/{id}")
    expect(page.locator("[data-test=incident-page] .shape.isolation").first).to_be_attached()


def test_the_map_asks_nothing_of_another_host(new_screen: Screens, hub: RunningHub) -> None:
    screen = new_screen()
    asked: list[str] = []
    page = screen.open()
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/map")
    page.wait_for_selector("[data-test=gl] canvas")
    expect(page.locator(".town").first).to_be_attached()
    own = (hub.address, hub.address.replace("http", "ws", 1), "blob:", "data:")
    assert [url for url in asked if not url.startswith(own)] == []


def _tiles(page: Page) -> list[str | None]:
    return [tile.get_attribute("data-camera") for tile in page.locator("[data-test=tile]").all()]


@pytest.mark.usefixtures("furnished")
def test_the_wall_says_how_every_picture_is_and_a_pinned_tile_keeps_its_place(new_screen: Screens) -> None:
    page = new_screen(width=1920, height=1080).open("/wall")
    page.fill("input[type=search]", "海边化工")  # the hub has other tests' cameras, too
    expect(page.locator("[data-test=tile]")).to_have_count(2)
    assert _tiles(page) == ["map-agent/gate", "map-agent/tanks"]
    expect(page.locator("[data-test=tile]").first).to_contain_text("暂无画面")
    page.locator("[data-test=tile][data-camera='map-agent/tanks'] [data-test=pin]").click()
    assert _tiles(page) == ["map-agent/tanks", "map-agent/gate"]
    page.fill("input[type=search]", "大门")
    assert _tiles(page)[0] == "map-agent/tanks"
    page.get_by_role("button", name="1", exact=True).click()
    assert _tiles(page) == ["map-agent/tanks"]
    page.reload()
    expect(page.locator("[data-test=tile]")).to_have_count(1)
    assert _tiles(page) == ["map-agent/tanks"]


@pytest.mark.usefixtures("furnished")
def test_the_whole_screen_wall_keeps_the_alarm_and_the_state_of_the_line(new_screen: Screens) -> None:
    screen, other = new_screen(width=1920, height=1080), new_screen()
    page = screen.open("/wall")
    page.click("[data-test=bare]")
    expect(page.locator("nav.rail")).to_have_count(0)
    expect(page.locator("[data-test=condition]")).to_be_visible()
    other.open()
    other.report("整屏时来的报告")
    expect(page.locator("[data-test=alarm]")).to_contain_text("整屏时来的报告")
    page.click("[data-test=bare]")
    expect(page.locator("nav.rail")).to_have_count(1)

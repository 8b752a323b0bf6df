"""The registry of cameras in a real Chromium: unregistered ones first, a refused form keeps what was typed, and what was saved is what an incident links by."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.support.screens import RunningHub, Screen

Screens = Callable[..., Screen]
ID = "registry-agent/yard"


def test_a_camera_is_registered_with_place_and_direction(hub: RunningHub, new_screen: Screens) -> None:
    screen = new_screen()
    screen.open()
    assert screen.call("POST", "/api/v1/enroll", {"code": hub.code("registry-agent")})["status"] == 201
    put = screen.call("POST", "/api/v1/cameras/import", {"cameras": [{"agent_id": "registry-agent", "camera_id": "yard", "place": {"name": "堆场"}}]})
    assert put["status"] < 300, put
    page = screen.open("/cameras")
    row = page.locator(f"[data-camera='{ID}']")
    expect(row).to_contain_text("朝向未登记")
    row.locator("[data-test=edit-camera]").click()
    form = page.locator("[data-test=camera-form]")
    for name, value in {"lon": "119.15", "lat": "34.9", "bearing_deg": "400", "fov_deg": "70", "range_m": "250", "sees": "储罐、装卸台"}.items():
        form.locator(f"[name={name}]").fill(value)
    page.click("[data-test=save-camera]")
    expect(form.locator("[role=alert]")).to_be_visible()
    expect(form.locator(".field.wrong [name=bearing_deg]")).to_have_value("400")
    expect(form.locator("[name=sees]")).to_have_value("储罐、装卸台")
    form.locator("[name=bearing_deg]").fill("90")
    form.locator("[name=height_m]").press_sequentially("1e")
    page.click("[data-test=save-camera]")
    expect(form.locator(".field.wrong [name=height_m]")).to_have_count(1)
    form.locator("[name=height_m]").fill("")
    expect(form.locator("[data-test=wedge]")).to_have_count(1)
    page.click("[data-test=save-camera]")
    expect(form).to_have_count(0)
    expect(row).to_contain_text("朝东 90°")
    expect(row).to_contain_text("储罐、装卸台")
    held = next(one for one in screen.call("GET", "/api/v1/cameras")["body"]["items"] if one["camera"]["id"] == ID)["camera"]["place"]
    assert held == {"name": "堆场", "lon": 119.15, "lat": 34.9, "bearing_deg": 90.0, "fov_deg": 70.0, "range_m": 250.0, "sees": ["储罐", "装卸台"]}
    assert screen.call("PUT", f"/api/v1/cameras/{ID}", {"name": "堆场"})["status"] == 200  # off the map again, which other tests count
    page.fill("input[type=search]", "没有这个")
    expect(page.locator("[data-test=camera]")).to_have_count(0)

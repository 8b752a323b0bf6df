"""The register of resources and the requests of an incident in a real Chromium: entered, altered, taken back, imported; offered, split, sent and returned."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from openpyxl import load_workbook
from playwright.sync_api import Locator, Page, expect

from tests.support.screens import Screen, new_id
from tests.support.tables import workbook

Screens = Callable[..., Screen]
HEAD = ("编号", "类别", "名称", "部门", "能力", "数量", "单位")


def fill(form: Locator, **values: str) -> None:
    for name, value in values.items():
        form.locator(f"[name={name}]").fill(value)


def row(page: Page, text: str) -> Locator:
    return page.locator("[data-test=resource]", has_text=text)


def test_a_resource_is_entered_altered_and_taken_out_of_use_and_each_can_be_undone(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open("/resources")
    id, name = f"s-{new_id()}", "甲类石灰"
    page.click("[data-test=add]")
    form = page.locator("[data-test=resource-form]")
    fill(form, id=id, name_zh=name, quantity="3", unit="千克", capability="lime", low_below="5")
    form.locator("[name=department]").select_option("emergency-bureau")
    expect(page.locator("[data-test=other-unit]")).to_contain_text("吨")
    fill(form, unit="吨", lon="119.13")
    page.click("[data-test=save]")
    expect(form.locator("[name=lat]:invalid")).to_have_count(1)
    fill(form, lat="34.85")
    page.click("[data-test=save]")
    expect(row(page, name)).to_contain_text("低于下限 5")
    row(page, name).locator("[data-test=alter]").click()
    fill(form, quantity="9")
    page.click("[data-test=save]")
    expect(row(page, name)).to_contain_text("9 / 9 吨")
    page.click("[data-test=undo-resource]")
    expect(row(page, name)).to_contain_text("3 / 3 吨")
    row(page, name).locator("[data-test=alter]").click()
    page.click("[data-test=retire]")
    expect(row(page, name)).to_have_count(0)
    page.click("[data-test=undo-resource]")
    expect(row(page, name)).to_have_count(1)


def test_whoever_altered_it_meanwhile_is_not_written_over(new_screen: Screens) -> None:
    screen = new_screen()
    screen.open()
    kept = stock(screen, "sand", 5)
    page = screen.open("/resources?q=" + kept["id"])
    row(page, kept["name_zh"]).locator("[data-test=alter]").click()
    assert screen.call("POST", "/api/v1/resources", kept | {"quantity": 6})["status"] == 200
    fill(page.locator("[data-test=resource-form]"), quantity="7")
    page.click("[data-test=save]")
    expect(page.locator("[data-test=resource-form] [role=alert]")).to_be_visible()
    assert next(r for r in screen.call("GET", "/api/v1/resources")["body"]["items"] if r["id"] == kept["id"])["quantity"] == 6


@pytest.mark.parametrize(("locale", "said"), [("zh", "未导入任何一行"), ("en", "no line was taken")])
def test_an_import_names_every_faulty_cell_and_the_register_comes_back_in_as_it_went_out(new_screen: Screens, locale: str, said: str) -> None:
    screen = new_screen(locale=locale)
    page = screen.open("/resources")
    id = f"s-{new_id()}"
    name = f"导入的砂{id[-6:]}"
    good = (id, "物资", name, "emergency-bureau", "sand", 5, "吨")
    take(page, workbook(("某区物资台账",), HEAD, (*good[:5], -5, "吨"), (id + "x", "船", *good[2:])))
    imported = page.locator("[data-test=imported]")
    expect(imported).to_contain_text(said)
    expect(imported).to_contain_text("F3")
    expect(imported).to_contain_text("B4")
    expect(row(page, name)).to_have_count(0)
    take(page, workbook(("某区物资台账",), HEAD, good))
    expect(page.locator("[data-test=imported].good")).to_be_visible()
    expect(row(page, name)).to_be_visible()
    page.fill("input.filter", name)
    expect(page.locator("h1 + .num")).to_have_text({"zh": "1 项", "en": "1 resource"}[locale])
    with page.expect_download() as download:
        page.click("[data-test=export]")
    whole = download.value.path().read_bytes()
    assert id in [line[0] for line in load_workbook(io.BytesIO(whole)).worksheets[0].iter_rows(min_row=2, values_only=True)]
    take(page, whole)
    expect(page.locator("[data-test=imported].good")).to_contain_text("0")


def take(page: Page, raw: bytes) -> None:
    page.set_input_files("input[type=file]", {"name": "a.xlsx", "mimeType": "application/octet-stream", "buffer": raw})


def stock(screen: Screen, capability: str, quantity: float, **given: Any) -> dict[str, Any]:
    one = {"id": f"s-{new_id()}", "kind": "stock", "name_zh": f"库存{new_id()[-6:]}", "department_id": "emergency-bureau", "capability": capability, "quantity": quantity, "unit": "吨"}
    answer = screen.call("POST", "/api/v1/resources", one | given)
    assert answer["status"] == 200, answer
    return dict(answer["body"])


def test_a_request_is_offered_in_part_sent_and_returned_and_the_rest_is_asked_of_others(new_screen: Screens) -> None:
    screen = new_screen()
    screen.open()
    code = f"c-{new_id()[-8:]}"
    near = stock(screen, code, 8, lon=119.14, lat=34.86)
    far = stock(screen, code, 30, lon=119.4, lat=34.9, department_id="water-bureau")
    id = screen.report("车辆侧翻", place={"text": "G204", "lon": 119.13, "lat": 34.86})
    page = screen.open(f"/incidents/{id}")
    page.click("[data-test=ask-resource]")
    form = page.locator("[data-test=ask-form]")
    form.locator("[name=capability]").select_option(code)
    fill(form, quantity="20", text="中和用料")
    expect(page.locator("[data-test=suits]")).to_contain_text("少 12 吨")
    page.locator("[data-test=confirm-ask]").dblclick()
    request = page.locator("[data-test=request]", has_text="中和用料")
    expect(request).to_have_count(1)
    request.locator("[data-test=offer]").click()
    page.locator(f"[data-test=offer-form] input[value={near['id']}]").check()
    expect(page.locator("[data-test=rest]")).to_contain_text("12 吨")
    page.click("[data-test=confirm-offer]")
    expect(request).to_have_count(2)
    lent, rest = request.filter(has_text="· 8 吨"), request.filter(has_text="· 12 吨")
    expect(rest).to_contain_text(far["name_zh"])
    for state in ("dispatched", "arrived"):
        lent.locator(f"[data-test=to-{state}]").click()
    lent.locator("input.back").fill("2")
    lent.locator("[data-test=to-returned]").click()
    expect(lent.locator("[data-test=steps]")).to_contain_text("已请求")
    expect(lent.locator("[data-test=steps]")).to_contain_text("已归还")
    held = {r["id"]: (r["quantity"], r.get("out", 0)) for r in screen.call("GET", f"/api/v1/resources?capability={code}")["body"]["items"]}
    assert held == {near["id"]: (2, 0), far["id"]: (30, 0)}, "six tonnes are used up"
    rest.locator("[data-test=to-cancelled]").click()
    expect(rest.locator("[data-test=to-requested]")).to_be_visible()


def test_whoever_offers_second_is_told_on_the_screen(new_screen: Screens) -> None:
    screen = new_screen()
    screen.open()
    code = f"c-{new_id()[-8:]}"
    one, other = (stock(screen, code, 30, department_id=department) for department in ("emergency-bureau", "water-bureau"))
    id = screen.report("车辆侧翻二", place={"text": "G204", "lon": 119.13, "lat": 34.86})
    asked = screen.call("POST", f"/api/v1/incidents/{id}/requests", {"capability": code, "quantity": 5, "unit": "吨", "text": "吸附料"})["body"]
    page = screen.open(f"/incidents/{id}")
    page.locator("[data-test=request]", has_text="吸附料").locator("[data-test=offer]").click()
    page.locator(f"[data-test=offer-form] input[value={one['id']}]").check()
    assert screen.call("POST", f"/api/v1/requests/{asked['id']}/step", {"state": "offered", "resource_id": other["id"]})["status"] == 200
    page.click("[data-test=confirm-offer]")
    expect(page.locator("[data-test=offer-form] [role=alert]")).to_contain_text(other["name_zh"])


def test_a_word_that_cannot_be_broken_pushes_nothing_off_a_phone(new_screen: Screens) -> None:
    screen = new_screen(width=390, height=844)
    screen.open()
    id = screen.report("T" * 120, event_types=["12H00"], place={"text": "P" * 100, "lon": 119.13, "lat": 34.86}, text="X" * 150, drill=True,
                       hazmat=[{"un": "1005", "name": "N" * 80, "container": "road_tanker", "leak": True}], reporter={"name": "R" * 60, "post": "Q" * 60})
    asked = screen.call("POST", f"/api/v1/incidents/{id}/requests", {"capability": "c" * 60, "quantity": 5, "unit": "U" * 20, "text": "W" * 120})
    assert asked["status"] == 200, asked
    page = screen.open(f"/incidents/{id}")
    page.locator("button", has_text="报告").first.click()
    expect(page.locator("[data-test=request]", has_text="WWWW")).to_be_visible()
    beyond = page.evaluate("() => [...document.querySelectorAll('.column > *')].filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.dataset.test)")
    assert beyond == []

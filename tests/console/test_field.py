"""The responder's phone: hazmat and tasks with no signal, and what was done then goes out by itself. A real Chromium and a real hub."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.console.test_plans import LEAK, library_is_there
from tests.support.screens import RunningHub, Screen, eventually

Screens = Callable[..., Screen]
LEFT_BY_ANOTHER = """async (text) => {
  const db = await new Promise((done) => { const asked = indexedDB.open('tocsin-field', 1); asked.onsuccess = () => done(asked.result) })
  const act = db.transaction('outbox', 'readwrite')
  const body = { id: crypto.randomUUID(), kind: 'initial', occurred_at: new Date().toISOString(), text, place: { text } }
  act.objectStore('outbox').put({ id: body.id, path: '/api/v1/reports', body, title: text, at: 1, by: 'person-of-yesterday' })
  await new Promise((done) => { act.oncomplete = done })
  db.close()
}"""


def test_the_phone_looks_up_a_plate_and_keeps_what_was_done_with_no_signal(new_screen: Screens, hub: RunningHub) -> None:
    desk, phone = new_screen(), new_screen(width=390, height=844)
    desk.open()
    library_is_there(desk)
    id = desk.report("手机测试液氨泄漏", **LEAK)
    path = f"/api/v1/incidents/{id}/activations"
    eventually(lambda: desk.call("GET", path)["body"]["tasks"], 20)

    page = phone.page
    page.goto("/field")
    page.wait_for_url("**/field/")
    expect(page.locator("[data-test=own-tasks] [data-test=task-done]").first).to_be_visible()
    expect(page.locator("[data-test=kept][data-kept=true]")).to_be_visible()
    page.context.set_offline(True)
    page.reload()

    expect(page.locator("[data-test=offline]")).to_contain_text(re.compile(r"\d\d:\d\d"))  # as of when, also after the page was opened anew
    waits = page.locator("[data-test=own-tasks] li", has_text="前置任务").first
    expect(waits.locator("[data-test=task-done]")).to_be_disabled()
    waits.locator("input").fill("现场已封闭")
    expect(waits.locator("[data-test=task-done]")).to_be_enabled()
    page.click("[data-test=tab-hazmat]")
    expect(page.locator("[data-test=kept][data-kept=true]")).to_be_visible()
    page.fill("[data-test=hazmat-query]", "268/1005")
    page.click("[data-test=hazmat-found]")
    page.fill("[data-test=hazmat-wind]", "东南风3级")
    expect(page.locator("[data-test=hazmat-distances]")).to_contain_text("150 m")
    page.click("[data-test=tab-tasks]")
    expect(page.locator("[data-test=task-done]").first).to_be_visible()
    done_before = sum(t["state"] == "met" for t in desk.call("GET", path)["body"]["tasks"])
    page.locator("[data-test=own-tasks] li", has_text="手机测试液氨泄漏").filter(has_not_text="前置任务").first.locator("[data-test=task-done]").click()
    expect(page.locator("[data-test=outbox]")).to_contain_text("1")
    page.click("[data-test=task-undo]")
    expect(page.locator("[data-test=outbox]")).to_have_count(0)
    page.locator("[data-test=own-tasks] li", has_text="手机测试液氨泄漏").filter(has_not_text="前置任务").first.locator("[data-test=task-done]").click()
    expect(page.locator("[data-test=outbox]")).to_contain_text("1")
    page.click("[data-test=tab-scene]")
    scene = page.locator("[data-test=scene]").first
    expect(scene.locator("[data-test=zone-map]")).to_be_visible()
    expect(scene.locator("[data-test=scene-wind]")).to_contain_text("没有风的数据")
    scene.locator("input[data-receptor]").first.click()
    expect(page.locator("[data-test=outbox]")).to_contain_text("2")
    receptor = scene.locator("input[data-receptor]").first.get_attribute("data-receptor")
    scene.locator("[data-test=scene-card]").click()
    expect(page.locator("[data-test=hazmat-distances]")).to_contain_text("150 m")
    page.click("[data-test=tab-report]")
    page.fill("[data-test=report-text]", "白色烟雾向西北飘，两名群众不适")
    page.fill("[data-test=report-place]", "赣马镇北")
    page.click("[data-test=report-send]")
    expect(page.locator("[data-test=outbox]")).to_contain_text("3")
    page.evaluate(LEFT_BY_ANOTHER, "手机上另一人的报告")
    page.reload()
    expect(page.locator("[data-test=outbox]")).to_contain_text("3")
    expect(page.locator("[data-test=of-others]")).to_contain_text("1")

    page.context.set_offline(False)
    expect(page.locator("[data-test=outbox]")).to_have_count(0)
    assert sum(t["state"] == "met" for t in desk.call("GET", path)["body"]["tasks"]) == done_before + 1
    assert {t["receptor_id"] for t in desk.call("GET", f"/api/v1/incidents/{id}/zones")["body"]["ticks"] if t["done"]} == {receptor}
    titles = [i["title"] for i in desk.call("GET", "/api/v1/incidents?limit=20")["body"]["items"]]
    assert any("白色烟雾" in title for title in titles)
    assert not any("另一人" in title for title in titles), "what another person left on the phone goes under his own name"
    expect(page.locator("[data-test=of-others]")).to_contain_text("1")


def test_the_card_asks_what_the_book_asks_and_says_what_it_does_not_know(new_screen: Screens) -> None:
    page = new_screen(width=390, height=844).page
    page.goto("/field/#hazmat")
    numbers, notes = page.locator("[data-test=hazmat-distances]"), page.locator("[data-test=hazmat-notes]")
    page.fill("[data-test=hazmat-query]", "1836")
    page.click("[data-test=hazmat-found]")
    expect(numbers.locator(".isolation")).to_contain_text("600 m")
    expect(numbers.locator(".isolation")).to_contain_text("仅当入水时适用")
    expect(notes).to_contain_text("HCl+SO2")
    page.select_option("[data-test=hazmat-water]", label="未入水")
    expect(numbers.locator(".isolation")).to_contain_text("30 m")
    expect(numbers.locator(".isolation")).not_to_contain_text("仅当")
    page.select_option("[data-test=hazmat-spill]", "small")
    expect(numbers.locator(".protective")).to_contain_text("小量")
    expect(page.locator("[data-test=upwind]")).to_contain_text("风向不明")
    page.fill("[data-test=hazmat-wind]", "吹西北")
    expect(page.locator("[data-test=hazmat] .fault")).to_contain_text("哪边来")
    page.fill("[data-test=hazmat-wind]", "東南風3級")
    expect(page.locator("[data-test=upwind]")).to_contain_text("从东南方（上风）进入")
    expect(page.locator("[data-test=wind-age]")).to_be_visible()
    page.fill("[data-test=hazmat-wind]", "东南风1级")
    expect(notes).to_contain_text("风很小")
    expect(page.locator("[data-test=hazmat-limits]")).to_contain_text("30分钟")

    page.fill("[data-test=hazmat-query]", "2845")
    page.click("[data-test=hazmat-found]")
    expect(notes).to_contain_text("几种物质")
    page.select_option("[data-test=hazmat-line]", label="Ethyl phosphonous dichloride, anhydrous")
    expect(numbers.locator(".isolation")).to_contain_text("30 m")
    expect(notes).not_to_contain_text("几种物质")
    page.fill("[data-test=hazmat-query]", "1017")
    page.click("[data-test=hazmat-found]")
    expect(page.locator("[data-test=hazmat-wind]")).to_have_value("东南风1级")  # another substance, the same scene
    for typed, said in (("9999", "没有这个 UN 编号"), ("10055", "没有这个 UN 编号"), ("999/1005", "危险识别号"), ("7664-41-8", "校验位"), ("amonia", "写法相近")):
        page.fill("[data-test=hazmat-query]", typed)
        expect(page.locator("[data-test=hazmat]")).to_contain_text(said)
    page.keyboard.press("Enter")
    expect(numbers).to_have_count(0)  # what is only written alike is not opened unasked
    page.fill("[data-test=hazmat-query]", "第8类")
    page.click("[data-test=placards] [data-class='8']")
    expect(page.locator("[data-test=hazmat]")).to_contain_text("154")


def test_the_card_of_an_incident_starts_from_its_load_and_shows_the_distances_of_the_drawing(new_screen: Screens) -> None:
    desk = new_screen(width=390, height=844)
    desk.open()
    load = {"un": "1017", "container": "rail_tank_car", "leak": True, "fire": True}
    id = desk.report("氯气铁路罐车泄漏起火", **{**LEAK, "hazmat": [load]})
    zones = eventually(lambda: desk.call("GET", f"/api/v1/incidents/{id}/zones")["body"]["zones"], 20)
    page = desk.page
    page.goto("/field/#scene")
    scene = page.locator("[data-test=scene]", has_text="氯气").first
    expect(scene.locator("[data-test=scene-limits]")).to_contain_text("30分钟")
    expect(scene.locator(".numbers")).to_contain_text("Table 3")
    scene.locator("[data-test=scene-card]").click()
    expect(page.locator("[data-test=hazmat-distances] .isolation")).to_contain_text("1 km")
    assert zones["distances"]["isolation"]["value"] == 1000
    expect(page.locator("[data-test=hazmat-towns]")).to_contain_text(zones["towns_to_ask"][0]["name_zh"])
    expect(page.locator("[data-test=no-point]")).to_have_count(0)
    expect(page.locator("[data-test=hazmat-distances] .fire").first).to_be_visible()


def test_what_is_half_typed_on_the_phone_is_there_again_after_its_browser_closed_the_page_without_signal(new_screen: Screens) -> None:
    desk, phone = new_screen(), new_screen(width=390, height=844)
    desk.open()
    library_is_there(desk)
    id = desk.report("手机半途液氨泄漏", **LEAK)
    eventually(lambda: desk.call("GET", f"/api/v1/incidents/{id}/activations")["body"]["tasks"], 20)
    page = phone.page
    page.goto("/field/")
    expect(page.locator("[data-test=kept][data-kept=true]")).to_be_visible()
    page.context.set_offline(True)
    mine = page.locator("[data-test=own-tasks] li", has_text="手机半途液氨泄漏").filter(has_not_text="前置任务").first
    mine.locator("input").fill("东口已封，差西口")
    page.click("[data-test=tab-report]")
    page.fill("[data-test=report-text]", "罐体结霜，")
    page.close()

    page = phone.page.context.new_page()
    page.goto("/field/#report")
    expect(page.locator("[data-test=report-text]")).to_have_value("罐体结霜，")
    page.click("[data-test=tab-tasks]")
    again = page.locator("[data-test=own-tasks] li", has_text="手机半途液氨泄漏").filter(has_not_text="前置任务").first
    expect(again.locator("input")).to_have_value("东口已封，差西口")
    page.click("[data-test=tab-report]")
    page.fill("[data-test=report-text]", "罐体结霜，两人撤出")
    page.fill("[data-test=report-place]", "赣马镇北")
    page.click("[data-test=report-send]")
    expect(page.locator("[data-test=outbox]")).to_contain_text("1")
    page.reload()
    page.click("[data-test=tab-report]")
    expect(page.locator("[data-test=report-text]")).to_have_value("")  # what waits to be sent is in the outbox and no draft any more


def test_the_field_page_fits_a_phone_in_both_languages(new_screen: Screens) -> None:
    for locale, word in (("zh", "我的任务"), ("en", "My tasks")):
        page = new_screen(width=360, height=740, locale=locale).page
        page.goto("/field/#hazmat")
        expect(page.locator("[data-test=field]")).to_contain_text(word)
        page.click("[data-test=by-placard]")
        page.click("[data-test=placards] [data-class='2.3']")
        expect(page.locator("[data-test=hazmat]")).to_contain_text("123")
        page.fill("[data-test=hazmat-query]", "X423")
        expect(page.locator("[data-test=hin]")).to_contain_text("423")
        page.fill("[data-test=hazmat-query]", "1017")
        page.click("[data-test=hazmat-found]")
        expect(page.locator("[data-test=hazmat] [data-test=zone-map]")).to_be_visible()
        assert page.evaluate("[...document.querySelectorAll('.tabs button')].every((one) => one.getBoundingClientRect().right <= innerWidth && one.scrollWidth <= one.clientWidth)")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

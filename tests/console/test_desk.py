"""The desk's screens in a real Chromium against a real hub."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.screens import RunningHub, Screen, eventually, new_id

Screens = Callable[..., Screen]
FETCHED_JS = "(name) => performance.getEntriesByType('resource').some((one) => one.name.includes(name) && one.responseEnd > 0)"


def row(page: Page, id: str) -> str:
    """The selector of an incident's row."""
    return f"[data-test=incident][data-id='{id}']"


def test_a_new_report_stands_on_top_changes_the_title_and_stays_until_somebody_takes_it(new_screen: Screens) -> None:
    screen, other = new_screen(), new_screen()
    page = screen.open()
    other.open()
    id = other.report("液氨罐车侧翻", urgent=True)
    page.wait_for_selector(row(page, id))
    assert page.locator("[data-test=incident]").first.get_attribute("data-id") == id
    expect(page.locator("[data-test=alarm]")).to_contain_text("液氨罐车侧翻")
    eventually(lambda: "1 条待签收" in page.title(), 4)
    expect(page.locator("[data-test=sound]")).to_contain_text("声音未开启")
    other.page.click(f"{row(other.page, id)} [data-test=take]")
    expect(page.locator("[data-test=alarm]")).to_have_count(0)
    eventually(lambda: "待签收" not in page.title(), 4)


def test_the_first_gesture_turns_the_sound_on(new_screen: Screens) -> None:
    page = new_screen().open()
    expect(page.locator("[data-test=sound]")).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator("[data-test=sound]")).to_have_count(0)
    expect(page.locator("header.bar")).to_contain_text("声音已开启")


def test_the_keyboard_moves_takes_and_opens(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open()
    first = screen.report("先到的")
    page.wait_for_selector(row(page, first))  # two that come at once are seen at once, and the later is chosen
    second = screen.report("后到的")
    page.wait_for_selector(row(page, second))
    expect(page.locator(".incident.selected")).to_have_attribute("data-id", first)
    page.keyboard.press("k")
    expect(page.locator(".incident.selected")).to_have_attribute("data-id", second)
    page.keyboard.press("a")
    expect(page.locator(f"{row(page, second)} [data-test=take]")).to_have_count(0)
    assert screen.call("GET", f"/api/v1/incidents/{second}")["body"]["incident"]["acknowledged_at"]
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-test=incident-page]")
    expect(page.locator("h1")).to_contain_text("后到的")


def test_a_drill_is_marked_wherever_it_stands(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open()
    id = screen.report("罐车侧翻", drill=True)
    page.wait_for_selector(row(page, id))
    for place in (row(page, id), "[data-test=alarm]"):
        assert page.locator(place).inner_text().count("【演练】") == 1
    page.goto(f"/incidents/{id}")
    expect(page.locator("h1")).to_contain_text("【演练】")


def test_the_page_of_an_incident_follows_what_others_do(new_screen: Screens) -> None:
    screen, other = new_screen(), new_screen()
    other.open()
    id = other.report("居民楼火灾", casualties={"dead": 3})
    page = screen.open(f"/incidents/{id}")
    expect(page.locator("[data-test=incident-page]")).to_contain_text("较大")
    other.call("POST", f"/api/v1/incidents/{id}/note", {"text": "已通知消防"})
    expect(page.locator("[data-test=timeline]")).to_contain_text("已通知消防")
    other.call("POST", f"/api/v1/incidents/{id}/verify", {})
    expect(page.locator("[data-test=verify]")).to_have_count(0)
    expect(page.locator("[data-test=close]")).to_be_visible()


def test_a_long_timeline_goes_back_to_its_beginning(new_screen: Screens) -> None:
    screen = new_screen()
    screen.open()
    id = screen.report("长时间处置的事故")
    screen.page.evaluate("""id => Promise.all(Array.from({length: 201}, (_, n) => fetch(`/api/v1/incidents/${id}/note`, {
      method: 'POST', headers: {'content-type': 'application/json', 'x-tocsin': 'console'}, body: JSON.stringify({text: `第${n}条记录`})})))""", id)
    page = screen.open(f"/incidents/{id}")
    timeline = page.locator("[data-test=timeline]")
    expect(timeline).to_contain_text("条记录")
    expect(timeline).not_to_contain_text("事件立案")
    page.click("[data-test=earlier]")
    expect(timeline).to_contain_text("事件立案")
    expect(page.locator("[data-test=earlier]")).to_have_count(0)


def test_closing_can_be_taken_back(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open()
    id = screen.report("误按")
    for act in ("acknowledge", "verify"):
        screen.call("POST", f"/api/v1/incidents/{id}/{act}", {})
    page.goto(f"/incidents/{id}")
    page.click("[data-test=close]")
    page.fill("[name=reason]", "处置完毕")
    page.click("[data-test=confirm]")
    page.click("[data-test=undo]")
    expect(page.locator("[data-test=undo]")).to_have_count(0)
    assert screen.call("GET", f"/api/v1/incidents/{id}")["body"]["incident"]["state"] == "verified"


def test_a_refusal_keeps_what_was_typed_and_says_what_is_wrong_at_the_field(new_screen: Screens) -> None:
    page = new_screen().open("/reports/new")
    page.fill("[name=title]", "罐车泄漏")
    page.fill("[name=lon]", "１９１．３")
    page.fill("[name=lat]", "34.86")
    page.click("[data-test=send]")
    expect(page.locator("[data-field='place.lon'] .fault")).to_be_visible()
    page.reload()
    expect(page.locator("[name=title]")).to_have_value("罐车泄漏")
    page.fill("[name=lon]", "119.13")
    page.click("[data-test=send]")
    expect(page.locator("[data-test=receipt]")).to_be_visible()


def test_a_doubtful_text_is_taken_once_its_author_has_seen_the_warning(new_screen: Screens) -> None:
    page = new_screen().open("/reports/new")
    page.fill("[name=title]", "车辆起火")
    page.fill("[name=place]", "G204")
    page.fill("[name=text]", "近部队驻地，请核")
    page.click("[data-test=send]")
    expect(page.locator("[data-test=warnings]")).to_contain_text("“部队驻地”")
    page.keyboard.press("Escape")
    expect(page.locator("[data-test=fault]")).to_contain_text("疑似涉密")
    page.click("[data-test=send]")
    page.click("[data-test=not-classified]")
    expect(page.locator("[data-test=receipt]")).to_be_visible()


def test_a_telephone_note_is_filed_with_the_time_of_the_call(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open()
    page.keyboard.press("t")
    page.fill("[name=caller]", "李明")
    page.fill("[name=text]", "204 国道有辆罐车翻了，在冒白烟")
    page.fill("[name=place]", "G204 赣马镇段")
    page.click("[data-test=send]")
    page.click("[data-test=receipt] ~ .row a.main")
    expect(page.locator("[data-test=report]")).to_contain_text("电话")
    expect(page.locator("[data-test=report]")).to_contain_text("李明")


def test_without_webgl2_the_map_is_an_outline_and_still_shows_the_incidents(hub: RunningHub, new_screen: Screens, plain: Browser) -> None:
    screen = new_screen(using=plain)
    page = screen.open("/map")
    id = screen.report("墩尚镇追尾")
    page.wait_for_selector("[data-test=outline] .mark")
    assert screen.call("GET", f"/api/v1/incidents/{id}")["status"] == 200
    expect(page.locator("[data-test=outline]")).to_contain_text("青口镇")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1920, 1080), (390, 844)])
@pytest.mark.parametrize("locale", ["zh", "en"])
def test_no_screen_logs_an_error_asks_another_host_or_is_wider_than_its_window(
    hub: RunningHub, new_screen: Screens, width: int, height: int, locale: str,
) -> None:
    screen = new_screen(width=width, height=height, locale=locale)
    screen.open()
    id = screen.report("罐车侧翻", hazmat=[{"un": "1005", "name": "液氨", "leak": True}])
    for path in ("/incidents", f"/incidents/{id}", "/map", "/reports/new?phone=1", "/duties", "/roster", "/agents", "/quarantine",
                 "/organisation", "/system", "/account"):
        page = screen.open(path)
        page.wait_for_load_state("networkidle") if path == "/account" else page.wait_for_selector("main")
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0, path
    assert screen.errors == []
    own = (hub.address, "data:", "blob:")
    assert [url for url in screen.asked if not url.startswith(own)] == []


def test_a_dead_hub_is_said_within_five_seconds_and_everything_is_back_after_it(hub: RunningHub, new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open()
    before = screen.report("停电之前")
    page.wait_for_selector(row(page, before))
    hub.kill()
    try:
        page.wait_for_selector("[data-test=stale]", timeout=5_000)
        expect(page.locator(row(page, before))).to_be_visible()
    finally:
        hub.start()
    expect(page.locator("[data-test=stale]")).to_have_count(0)
    after = screen.report("来电之后")
    page.wait_for_selector(row(page, after))


def test_more_refused_messages_than_a_page_holds_are_counted_and_reached(hub: RunningHub, new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open("/quarantine")
    for n in range(51):
        broken = {"id": new_id(), "kind": "initial", "occurred_at": "2026-11-23T14:05:00+08:00", "title": f"第 {n} 条", "place": {"lon": 1191.3, "lat": 34.8}}
        assert screen.call("POST", "/api/v1/reports", broken)["status"] == 422
    rows = page.locator("[data-test=quarantined]")
    expect(rows).to_have_count(50)
    eventually(lambda: int(re.sub(r"\D", "", page.locator("[data-test=waiting]").inner_text())) >= 51)
    page.click("[data-test=older]")
    eventually(lambda: rows.count() >= 51)


def test_a_page_that_nobody_opened_yet_opens_while_the_hub_is_away(hub: RunningHub, new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open()
    eventually(lambda: page.evaluate(FETCHED_JS, "/WallPage"))  # the last of all
    hub.kill()
    try:
        page.click("nav a[href='/system']")
        expect(page.locator("main h1")).to_be_visible()
        expect(page).to_have_url(re.compile("/system$"))
    finally:
        hub.start()


def test_a_page_whose_code_could_not_be_fetched_says_so_and_opens_when_the_hub_is_back(hub: RunningHub, new_screen: Screens) -> None:
    screen = new_screen()
    screen.page.route("**/assets/SystemPage*", lambda route: route.abort())
    page = screen.open()
    hub.kill()
    try:
        page.wait_for_selector("[data-test=stale]")
        page.click("nav a[href='/system']")
        page.wait_for_selector("[data-test=page-waits]")
        page.unroute("**/assets/SystemPage*")
    finally:
        hub.start()
    expect(page).to_have_url(re.compile("/system$"))
    expect(page.locator("[data-test=part]").first).to_be_visible()


@pytest.mark.usefixtures("signed_in")  # the first link of all is the desk's
def test_an_administrator_without_a_second_factor_has_no_line_that_could_be_called_broken(hub: RunningHub, browser: Browser) -> None:
    context = browser.new_context(base_url=hub.address)
    page = context.new_page()
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.goto(hub.sign_in_link("sysadmin"))
    page.fill("[name=account]", "sysadmin")
    for name in ("password", "again"):
        page.fill(f"[name={name}]", "A long look at night 77")
    page.click("button.main")
    expect(page.locator("[data-test=account]")).to_be_visible()
    page.wait_for_load_state("networkidle")
    expect(page.locator("[data-test=stale], [data-test=condition]")).to_have_count(0)
    assert sockets == []
    context.close()


def test_a_refused_message_is_read_corrected_and_replayed_in_the_quarantine(hub: RunningHub, new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open("/quarantine")
    broken = {"id": new_id(), "kind": "initial", "occurred_at": "2026-11-23T14:05:00+08:00", "title": "坐标写错的", "place": {"lon": 1191.3, "lat": 34.8}}
    answer = screen.call("POST", "/api/v1/reports", broken)
    assert answer["status"] == 422

    def newest_is_ours() -> bool:
        page.locator("[data-test=quarantined]", has_text="place.lon").first.click()
        return "坐标写错的" in page.locator("textarea").input_value()

    eventually(newest_is_ours)  # it comes in by the feed, above what other senders left there
    text = page.locator("textarea").input_value()
    assert "坐标写错的" in text
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    page.fill("textarea", text.replace("1191.3", "119.13").replace("2026-11-23T14:05:00+08:00", now))
    page.click("[data-test=replay]")
    expect(page.locator("[role=status].notice")).to_contain_text("已重放并受理")
    page.goto("/incidents")
    expect(page.locator("[data-test=incidents]")).to_contain_text("坐标写错的")

"""Plans, responses and zones on the desk's screen, in a real Chromium against a real hub."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from hub.operate.bundle import check as check_archive
from tests.support.screens import CALL_JS, RunningHub, Screen, eventually

Screens = Callable[..., Screen]
LEAK: dict[str, Any] = {
    "event_types": ["12H00"], "drill": True, "place": {"text": "G204 赣马段", "road": "G204", "lon": 119.112, "lat": 34.865},
    "hazmat": [{"un": "1005", "hin": "268", "container": "road_tanker", "leak": True}],
}


def library_is_there(screen: Screen) -> None:
    """Wait until the shipped plans are stored: a hub's first start does so beside its other work."""
    eventually(lambda: len(screen.call("GET", "/api/v1/plans")["body"]["items"]) > 10, 20)


def test_a_follow_up_changes_the_plans_on_an_open_screen_and_says_what_changed(new_screen: Screens) -> None:
    screen, other = new_screen(), new_screen()
    page = screen.open()
    other.open()
    library_is_there(other)
    id = other.report("空罐车刮擦", event_types=["12H00"])
    page.goto(f"/incidents/{id}")
    page.wait_for_selector("[data-test=plans] ol > li")
    other.call("POST", "/api/v1/reports", {
        "id": id[:-4] + "beef", "kind": "follow_up", "incident_id": id, "occurred_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "text": "车上装的是液氨", "place": {"text": "G204"}, "hazmat": [{"un": "1005"}]})
    expect(page.locator("[data-test=plans] ol > li").first).to_contain_text("危险")
    expect(page.locator("[data-test=diff]")).to_be_visible()
    assert screen.errors == []


def test_the_missing_fact_is_answered_on_the_screen_and_the_ranking_follows(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open()
    library_is_there(screen)
    page.goto(f"/incidents/{screen.report('两车相撞', event_types=['12H00'])}")
    expect(page.locator("[data-test=missing-fact]")).to_contain_text("危险货物")
    page.click("[data-test=missing-fact] [data-test=yes]")
    expect(page.locator("[data-test=plans] ol > li").first).to_contain_text("危险", timeout=5_000)


def test_a_plan_is_put_in_force_raised_and_ended_from_the_screen(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open()
    library_is_there(screen)
    page.goto(f"/incidents/{screen.report('两车相撞', event_types=['12H00'])}")
    page.click("[data-test=activate]")
    expect(page.locator("[data-test=preview]")).to_contain_text("项任务")
    page.click("[data-test=start]")
    expect(page.locator("[data-test=tasks] > li").first).to_be_visible()
    expect(page.locator("[data-test=plans] [data-test=in-force]").first).to_be_visible()
    expect(page.locator("[data-test=activate]")).to_have_text("加入当前响应…")  # what runs is not offered once more
    expect(page.locator("[data-test=activate]")).to_be_disabled()
    page.click("[data-test=set-level]")
    page.select_option("[data-test=level-choice]", "I")
    page.click("[data-test=confirm]")
    expect(page.locator("[data-test=level]")).to_contain_text("I 级")
    page.click("[data-test=terminate]")
    page.click("[data-test=confirm]")
    expect(page.locator("dialog [role=alert]")).to_contain_text("须说明理由")
    page.fill("[data-test=reason]", "处置完毕")
    page.click("[data-test=confirm]")
    expect(page.locator("[data-test=response]")).to_contain_text("已终止")


def test_the_zones_are_drawn_and_follow_a_wind_that_is_typed_in(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open()
    library_is_there(screen)
    page.goto(f"/incidents/{screen.report('液氨罐车侧翻泄漏', **LEAK)}")
    expect(page.locator("[data-test=zone-map] path.protective")).to_be_visible()
    circle = page.locator("[data-test=zone-map] path.protective").get_attribute("d")
    page.fill("[data-test=zones] input.typed", "东南风3级")
    page.keyboard.press("Enter")
    expect(page.locator("[data-test=wind]")).to_contain_text("东南风3级")
    eventually(lambda: page.locator("[data-test=zone-map] path.protective").get_attribute("d") != circle)
    page.fill("[data-test=zones] input.typed", "999°")
    page.keyboard.press("Enter")
    expect(page.locator("[data-test=zones] [role=alert]")).to_contain_text("360")


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (390, 844)], ids=["wall", "phone"])
def test_the_rollover_is_handled_from_the_report_to_its_archive(new_screen: Screens, tmp_path: Path, width: int, height: int) -> None:
    desk, other = new_screen(width=width, height=height), new_screen()
    page = desk.open("/incidents")
    other.open()
    library_is_there(other)
    id = other.report(f"G204 液氨罐车侧翻 {width}", **LEAK)
    row = page.locator(f"[data-id='{id}']")
    expect(row.locator("[data-test=suggested]")).to_contain_text("危险")
    row.locator("a.title").click()
    if width < 760:
        page.get_by_role("tab").nth(1).click()  # what is to be done stands beside the reports
    expect(page.locator("[data-test=plans] ol > li").first).to_contain_text("危险")
    page.locator("[data-test=plans] ol > li").first.locator("button").first.click()
    expect(page.locator("[data-test=plans] .why .satisfied").first).to_be_visible()
    page.click("[data-test=activate]")
    page.click("[data-test=start]")
    expect(page.locator("[data-test=tasks] > li").first).to_be_visible()
    expect(page.locator("[data-test=tasks]")).to_contain_text("消防")

    expect(page.locator("dialog[open]")).to_have_count(0)  # the feed shows the tasks before the answer closes it, and behind it nothing takes keys
    wedge = page.locator("[data-test=zone-map] path.protective")
    expect(wedge).to_be_visible()
    drawn = wedge.get_attribute("d")
    for wind in ("东南风3级", "北风3级"):
        page.fill("[data-test=zones] input.typed", wind)
        page.press("[data-test=zones] input.typed", "Enter")
        expect(page.locator("[data-test=wind]")).to_contain_text(wind)
        before = drawn
        eventually(lambda before=before: wedge.get_attribute("d") != before)
        drawn = wedge.get_attribute("d")

    page.click("[data-test=set-level]")
    page.select_option("[data-test=level-choice]", "II")
    page.click("[data-test=confirm]")
    expect(page.locator("[data-test=level]")).to_contain_text("II 级")
    page.click("[data-test=terminate]")
    page.fill("[data-test=reason]", "堵漏完成，监测正常")
    page.click("[data-test=confirm]")
    expect(page.locator("[data-test=response]")).to_contain_text("已终止")
    page.click("[data-test=bundle]")
    page.fill("[data-test=reason]", "复盘评估")
    with page.expect_download() as kept:
        page.click("[data-test=confirm]")
    archive = tmp_path / "archive.zip"
    kept.value.save_as(archive)
    manifest, flaws = check_archive(archive)
    assert manifest.incident_id == id and flaws == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert desk.errors == []


def test_a_plan_is_revised_with_the_linters_help_compared_and_reviewed(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open("/plans")
    library_is_there(screen)
    page.reload()
    page.get_by_role("link", name="火灾事故应急预案").click()
    expect(page.locator("[data-test=plan-tasks]")).to_contain_text("分钟")
    page.click("[data-test=edit]")
    editor = page.locator(".cm-content")
    expect(page.locator("[data-test=checked]")).to_have_text("没有问题")
    expect(page.locator("[data-test=save]")).to_be_disabled()
    editor.click()
    page.keyboard.press("Control+End")
    page.keyboard.type("\nno_such_field: 1\n")
    expect(page.locator("[data-test=notes] .error")).to_contain_text("no_such_field")
    expect(page.locator(".cm-lint-marker-error")).to_be_visible()
    expect(page.locator("[data-test=save]")).to_be_disabled()
    for _ in range(6):  # a line is taken back piece by piece, and nothing before it
        page.keyboard.press("Control+z")
    expect(page.locator("[data-test=notes] .error")).to_have_count(0)
    title = page.locator("[data-test=head-form] input").first
    title.fill("火灾事故应急预案（修订）")
    title.press("Tab")
    editor.click()
    page.keyboard.press("Control+Home")  # the editor draws what is in sight
    expect(editor).to_contain_text("火灾事故应急预案（修订）")
    page.click("[data-test=tab-diff]")
    expect(page.locator("[data-test=diff-view]")).to_contain_text("修订")
    page.fill("[data-test=save-reason]", "名称规范")
    expect(page.locator("[data-test=save]")).to_be_enabled()
    page.click("[data-test=save]")
    expect(page.locator("[data-test=status]")).to_contain_text("草案")
    expect(page.locator("[data-test=history]")).to_contain_text("名称规范")
    page.click("[data-test=compare]")
    expect(page.locator("[data-test=fields]")).to_contain_text("title.zh")
    expect(page.locator("[data-test=fields] li")).to_have_count(1)  # number and state of a version always differ
    expect(page.locator("[data-test=diff-view]")).to_contain_text("行相同")
    page.select_option("[data-test=other]", "gas")
    expect(page.locator("[data-test=diff-view]")).to_contain_text("燃气")
    expect(page.locator("[data-test=fields]")).to_contain_text("处不同")
    page.select_option("[data-test=other]", "fire")
    expect(page.locator("[data-test=fields]")).to_contain_text("title.zh")
    page.click("[data-test=step-reviewed]")
    expect(page.locator("[data-test=step-sound]")).to_have_text("没有错误和提醒")
    page.click("[data-test=step-confirm]")
    expect(page.locator("[data-test=status]")).to_contain_text("已审核")
    assert screen.errors == []


def test_the_library_speaks_both_languages_and_fits_a_phone(new_screen: Screens) -> None:
    for locale, word in (("zh", "预案库"), ("en", "Library of plans")):
        screen = new_screen(width=390, height=844, locale=locale)
        page = screen.open("/plans")
        library_is_there(screen)
        expect(page.locator("h1")).to_contain_text(word)
        expect(page.locator("table.data tr").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert screen.errors == []


def test_the_kind_of_event_is_said_where_it_is_asked_for_and_an_answer_is_taken_back(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open()
    library_is_there(screen)
    id = screen.report("有情况，详情不明")
    page.goto(f"/incidents/{id}")
    question = page.locator("[data-test=missing-fact]")
    expect(question).to_contain_text("什么类型")
    question.locator("input").fill("道路交通")
    question.locator("[role=option]").first.click()
    question.locator("[data-test=answer]").click()
    expect(page.locator("[data-test=plans] ol > li").first).to_contain_text("道路交通")
    assert screen.call("GET", f"/api/v1/incidents/{id}")["body"]["incident"]["event_types"] == ["12H00"]
    expect(question).to_contain_text("危险货物")
    question.locator("[data-test=yes]").click()
    expect(page.locator("[data-test=plans] ol > li").first).to_contain_text("危险货物")
    expect(page.locator("[data-test=answered]")).to_contain_text("涉及危险货物：是")
    expect(question).to_contain_text("事件类型")
    question.locator("[data-test=skip]").click()  # nobody knows: what the load is must not wait for that
    expect(question).to_contain_text("UN")
    page.click("[data-test=ask-again]")
    expect(question).to_contain_text("事件类型")
    page.click("[data-test=answered] button")
    expect(page.locator("[data-test=plans] ol > li").first).to_contain_text("道路交通")
    expect(question).to_contain_text("危险货物")
    assert screen.errors == []


def saved_draft(screen: Screen, plan: str, change: tuple[str, str]) -> str:
    """A draft of the next version of a plan, stored by the interface; gives its text."""
    text: str = screen.page.evaluate("async (path) => (await fetch(path)).text()", f"/api/v1/plans/{plan}/yaml?next=true")
    text = text.replace(*change)
    stored = screen.page.evaluate("""async ([path, body]) => (await fetch(path, {method: 'POST', headers: {'x-tocsin': 'console'}, body})).status""", ["/api/v1/plans", text])
    assert stored == 201
    return text


def test_what_is_typed_into_a_plan_outlives_a_reload_and_meets_another_draft_side_by_side(new_screen: Screens) -> None:
    screen, other = new_screen(), new_screen()
    page = screen.open("/plans")
    other.open("/plans")
    library_is_there(screen)
    text = saved_draft(other, "earthquake", ("地震应急", "地震应急（初稿）"))
    page.goto("/plans/earthquake/edit?version=2")
    expect(page.locator("[data-test=checked]")).to_contain_text("没有问题")
    title = page.locator("[data-test=head-form] input").first
    title.fill("地震应急预案（甲）")
    title.press("Tab")
    expect(page.locator(".cm-content")).to_contain_text("（甲）")
    page.reload()
    expect(page.locator("[data-test=restored]")).to_be_visible()
    expect(page.locator(".cm-content")).to_contain_text("（甲）")

    sha = other.call("GET", "/api/v1/plans/earthquake?version=2")["body"]["head"]["sha256"]
    done = other.page.evaluate("""async ([path, body]) => (await fetch(path, {method: 'POST', headers: {'x-tocsin': 'console'}, body})).status""",
                               [f"/api/v1/plans?expects={sha}", text.replace("（初稿）", "（乙）")])
    assert done == 201
    expect(page.locator("[data-test=theirs]")).to_contain_text("第 2 版")  # said as soon as it happens, and not at the end of the work
    expect(page.locator("[data-test=save]")).to_be_disabled()
    page.click("[data-test=compare-theirs]")
    expect(page.locator("[data-test=diff-view]")).to_contain_text("（乙）")
    expect(page.locator("[data-test=diff-view]")).to_contain_text("行相同")
    page.click("[data-test=write-over]")
    expect(page.locator("[data-test=status]")).to_contain_text("草案")
    assert other.call("GET", "/api/v1/plans/earthquake?version=2")["body"]["head"]["title"]["zh"].endswith("（甲）")
    page.goto("/plans/earthquake/edit?version=2")
    expect(page.locator("[data-test=checked]")).to_contain_text("没有问题")
    expect(page.locator("[data-test=restored]")).to_have_count(0)
    assert screen.errors == []


def test_whose_session_ended_while_writing_a_plan_signs_in_and_goes_on_where_he_was(hub: RunningHub, new_screen: Screens, browser: Browser) -> None:
    screen = new_screen()
    screen.open()
    library_is_there(screen)
    context = browser.new_context(base_url=hub.address, storage_state=screen.page.context.storage_state())
    page = context.new_page()
    page.goto("/plans/radiation/edit")
    expect(page.locator("[data-test=checked]")).to_contain_text("没有问题")
    title = page.locator("[data-test=head-form] input").first
    title.fill("辐射事故预案（丙）")
    title.press("Tab")
    expect(page.locator(".cm-content")).to_contain_text("（丙）")
    context.clear_cookies()
    expect(page.locator("[name=password]")).to_be_visible()  # not only a word that somebody has to sign in
    assert "radiation" in page.url
    context.add_cookies(screen.page.context.cookies())
    page.goto("/plans/radiation/edit")
    expect(page.locator("[data-test=restored]")).to_be_visible()
    expect(page.locator(".cm-content")).to_contain_text("（丙）")
    context.close()


def test_a_file_with_faults_or_in_another_encoding_stores_nothing_and_names_itself(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open("/plans")
    library_is_there(screen)
    page.reload()
    choose = page.locator("input[type=file]")
    good: str = page.evaluate("async () => (await fetch('/api/v1/plans/campus/yaml?next=true')).text()")
    for name, raw, words in [("乱码.yaml", good.encode("gb18030"), "不是 UTF-8"), ("制表符.yaml", good.replace("\n  ", "\n\t", 1).encode(), "制表符"),
                             ("角色.yaml", good.replace("role: ", "role: nobody-", 1).encode(), "没有角色"), ("空.yaml", b"", "空的")]:
        choose.set_input_files({"name": name, "mimeType": "application/yaml", "buffer": raw})
        expect(page.locator("[data-test=imported]")).to_contain_text(name)
        expect(page.locator("[data-test=imported]")).to_contain_text(words)
        expect(page.locator("[data-test=imported]")).to_contain_text("行")
    assert [v["version"] for v in screen.call("GET", "/api/v1/plans/campus")["body"]["versions"]] == [1]

    saved_draft(screen, "flood-typhoon", ("codes: [11A", "codes: [19Z, 11A"))
    reader = screen.page.context.new_page()
    reader.goto("/plans/flood-typhoon?version=2")
    reader.click("[data-test=step-reviewed]")
    expect(reader.locator("[data-test=step-findings]")).to_contain_text("19Z")  # whoever takes it on sees what the linter says
    reader.close()
    saved_draft(screen, "campus", ("校园", "校园（已存）"))
    choose.set_input_files({"name": "校园.yaml", "mimeType": "application/yaml", "buffer": good.encode()})
    expect(page.locator("[role=alert]")).to_contain_text("校园.yaml")
    saved_draft(screen, "gas", ("燃气", "燃气（另一份）"))  # what others store meanwhile takes the refusal off no screen
    expect(page.locator("[data-test=pending]")).to_contain_text("燃气（另一份）")
    page.click("[data-test=side-by-side]")
    expect(page.locator("[data-test=theirs]")).to_be_visible()
    page.click("[data-test=take-theirs]")
    expect(page.locator(".cm-content")).to_contain_text("（已存）")
    expect(page.locator("[data-test=theirs]")).to_have_count(0)

    page.locator("input[type=file]").set_input_files({"name": "乱码.yaml", "mimeType": "application/yaml", "buffer": good.encode("gb18030")})
    expect(page.locator("[role=alert]")).to_contain_text("乱码.yaml")
    expect(page.locator(".cm-content")).to_contain_text("（已存）")  # the text stays as it was
    other = page.evaluate("async () => (await fetch('/api/v1/plans/gas/yaml')).text()")
    page.locator("input[type=file]").set_input_files({"name": "gas.yaml", "mimeType": "application/yaml", "buffer": other.encode()})
    expect(page.locator("[data-test=other-plan]")).to_contain_text("gas")


def test_two_operators_at_one_incident_see_what_the_other_did_and_undo_nothing_unawares(new_screen: Screens) -> None:
    first, second = new_screen(), new_screen()
    one, two = first.open(), second.open()
    library_is_there(first)
    id = first.report("两车相撞，两人值守", event_types=["12H00"])
    for page in (one, two):
        page.goto(f"/incidents/{id}")
        expect(page.locator("[data-test=missing-fact]")).to_contain_text("危险货物")
    one.click("[data-test=missing-fact] [data-test=no]")
    expect(two.locator("[data-test=answered]")).to_contain_text("涉及危险货物：否")
    for page in (one, two):
        page.click("[data-test=activate]")
        expect(page.locator("[data-test=preview]")).to_contain_text("项任务")
    one.click("[data-test=start]")
    expect(two.locator("[data-test=started-elsewhere]")).to_be_visible()
    expect(two.locator("[data-test=start]")).to_be_disabled()
    two.keyboard.press("Escape")
    expect(two.locator("[data-test=tasks] > li").first).to_be_visible()

    two.click("[data-test=set-level]")
    two.select_option("[data-test=level-choice]", "III")
    one.click("[data-test=set-level]")
    one.select_option("[data-test=level-choice]", "I")
    one.click("[data-test=confirm]")
    expect(two.locator("[data-test=level-moved]")).to_contain_text("I 级")
    two.click("[data-test=confirm]")
    expect(two.locator("dialog [role=alert]")).to_contain_text("已由他人调为I级")
    expect(one.locator("[data-test=level]")).to_have_text("I 级")
    two.click("[data-test=confirm]")  # now it is meant
    expect(one.locator("[data-test=level]")).to_have_text("III 级")
    assert len(first.call("GET", f"/api/v1/incidents/{id}/activations")["body"]["history"]) == 1


def test_the_library_is_replayed_over_the_newest_incidents_on_its_own_page(new_screen: Screens) -> None:
    screen = new_screen()
    screen.open()
    id = screen.report("回放用的仓库火灾", event_types=["12G00"])
    assert screen.call("POST", f"/api/v1/incidents/{id}/activations", {"plans": ["gas"], "level": "IV"})["status"] in (200, 201)
    page = screen.open("/plans")
    page.click("[data-test=replay-library]")
    case = page.locator("[data-test=replayed]", has_text="回放用的仓库火灾")
    expect(case).to_contain_text("实际启动但不会匹配")
    expect(case.locator("a")).to_have_attribute("href", re.compile(id))


def test_a_case_for_which_no_level_would_be_suggested_says_so_and_names_no_empty_level(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open()
    result = {"id": "20261123-9", "title": "未定级的火灾", "matched": ["fire"], "undetermined": [], "expected": ["fire"], "missed": [], "unexpected": [], "first_is_right": True,
              "level": None, "level_is_right": False, "ambiguous_zh": None, "ambiguous_en": None}
    page.route("**/api/v1/plans/backtest*", partial(answered, {"cases": 1, "with_expectation": 1, "all_found": 1, "first_right": 1, "ambiguous": 0, "only_general": 0,
                                                              "never_matched": [], "items": [{"incident_id": "1", "result": result}]}))
    page.goto("/plans")
    page.click("[data-test=replay-library]")
    expect(page.locator("[data-test=replayed]")).to_contain_text("不会建议级别")
    expect(page.locator("[data-test=replayed]")).not_to_contain_text("—")


def answered(body: Any, route: Route) -> None:
    """Answer a request of the page as a hub in another state would."""
    route.fulfill(json=body)


def test_a_district_without_plans_is_told_so_and_how_to_begin(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open()
    library_is_there(screen)
    id = screen.report("没有预案的事件")
    page.route("**/api/v1/plans", partial(answered, {"items": [], "seq": 0}))
    page.goto("/plans")
    expect(page.locator("[data-test=no-plans]")).to_contain_text("新建预案")
    whole = screen.call("GET", f"/api/v1/incidents/{id}/plans")["body"]
    for considered, words in ((0, "没有生效的预案"), (3, "没有适用的预案")):
        nothing = whole | {"answer": None, "result": whole["result"] | {"matches": [], "missing_fact": None, "considered": considered}}
        page.unroute("**/api/v1/incidents/*/plans")
        page.route("**/api/v1/incidents/*/plans", partial(answered, nothing))
        page.goto(f"/incidents/{id}")
        expect(page.locator("[data-test=no-match]")).to_contain_text(words)
        expect(page.locator("[data-test=activate]")).to_be_disabled()


def person_page(hub: RunningHub, browser: Browser, account: str, link: str) -> Page:
    """Somebody who signs in for the first time by a link, with the second factor that the role needs."""
    page = browser.new_context(base_url=hub.address).new_page()
    page.goto(link)
    if not page.locator("[name=account]").input_value():
        page.fill("[name=account]", account)
    for name in ("password", "again"):
        page.fill(f"[name={name}]", "A long look at night 77")
    page.click("button.main")
    expect(page.locator("[data-test=account]")).to_be_visible()
    made = page.evaluate(CALL_JS, ["POST", "/api/v1/session/second-factor", None])["body"]
    assert page.evaluate(CALL_JS, ["POST", "/api/v1/session/second-factor/confirm", {"code": pyotp.TOTP(made["secret"]).now()}])["status"] == 200
    return page


def test_a_new_district_gets_from_no_leader_to_its_own_plan_in_force_by_the_screens_alone(tmp_path: Path, browser: Browser) -> None:
    hub = RunningHub(tmp_path)
    hub.start()
    try:
        desk = browser.new_context(base_url=hub.address).new_page()
        desk.goto(hub.link)
        desk.fill("[name=account]", "desk")
        for name in ("password", "again"):
            desk.fill(f"[name={name}]", "A long look at night 77")
        desk.click("button.main")
        desk.wait_for_selector("[data-test=condition].good")
        desk.goto("/plans/new")
        fields = desk.locator("[data-test=head-form] input")
        for place, words in ((0, "本区道路事故预案"), (2, "road-own")):
            fields.nth(place).fill(words)
            fields.nth(place).press("Tab")
        desk.click("[data-test=save]")
        expect(desk.locator("[data-test=waits]")).to_contain_text("带班领导")
        desk.click("[data-test=step-reviewed]")
        desk.click("[data-test=step-confirm]")
        expect(desk.locator("[data-test=waits]")).to_contain_text("等待带班领导批准")
        expect(desk.locator("[data-test=step-in_force]")).to_have_count(0)

        clerk, guard = (person_page(hub, browser, who, hub.sign_in_link(who)) for who in ("sysadmin", "secadmin"))
        clerk.goto("/organisation")
        clerk.get_by_role("button", name="人员").click()
        clerk.click("[data-test=add-person]")
        clerk.locator("dialog input").first.fill("陈带班")
        clerk.locator("dialog select").select_option("district-office")
        clerk.locator("dialog .main").click()
        expect(clerk.locator("table")).to_contain_text("陈带班")
        guard.goto("/organisation")
        guard.click("[data-test=add-post]")
        guard.fill("[data-test=post-zh]", "带班领导")
        guard.click("[data-test=post-save]")
        expect(guard.locator("table")).to_contain_text("带班领导")
        guard.get_by_role("button", name="人员").click()
        guard.get_by_text("陈带班").click()
        guard.fill("[data-test=appoint-reason]", "区里任命")
        guard.select_option("[data-test=appoint-to]", "district-office-leader")
        guard.get_by_role("button", name="任命").click()
        expect(guard.locator("dialog li")).to_contain_text("带班领导")
        clerk.get_by_text("陈带班").click()
        clerk.fill("[data-test=login]", "chen")
        clerk.get_by_role("button", name="开设账号").click()
        leader = person_page(hub, browser, "chen", clerk.locator("[data-test=link]").inner_text())
        leader.goto("/plans")
        leader.locator("[data-test=pending] a", has_text="本区道路事故预案").click()
        leader.click("[data-test=step-in_force]")
        leader.click("[data-test=step-confirm]")
        expect(leader.locator("[data-test=status]")).to_have_text("生效")
        expect(desk.locator("[data-test=status]")).to_have_text("生效")
        screen = Screen(desk.context)
        screen.open()
        page = screen.page
        page.goto(f"/incidents/{screen.report('两车相撞', event_types=['12H00'])}")
        expect(page.locator("[data-test=plans] ol")).to_contain_text("本区道路事故预案")
    finally:
        hub.kill()


def test_what_the_check_finds_leads_to_where_it_is_put_right(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open("/plans")
    library_is_there(screen)
    page.click("[data-test=check-library]")
    page.locator("[data-test=health] li.error a[href*='tab=shifts']", has_text="→").first.click()  # a post without a contact stands there too
    expect(page).to_have_url(re.compile(r"/roster\?tab=shifts"))

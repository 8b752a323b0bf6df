"""The rooms around the daily duty in a real Chromium: forms and deadlines, files, the roster with its swaps and handovers, contacts that are tried."""

from __future__ import annotations

import asyncio
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from hub.domain.access import Role
from hub.domain.calendar import Calendar, year_is_known
from hub.web.guard import COOKIE
from tests.console.test_daily import owe
from tests.support.gateway import Gateway
from tests.support.screens import RunningHub, Screen, new_id
from tests.support.web_hub import cookie_for, web_hub

Screens = Callable[..., Screen]


def test_a_form_is_edited_with_its_preview_and_saved_as_the_next_version(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open("/daily/settings")
    page.locator("[data-test=template]:has-text('daily') [data-test=edit-template]").first.click()
    form = page.locator("[data-test=template-form]")
    before = form.locator("[data-test=field]").count()
    page.click("[data-test=add-field]")
    new = form.locator("[data-test=field]").nth(before)
    new.locator("input").first.fill("巡查发现的问题")
    new.locator("select").first.select_option("table")
    new.locator(".columns input").first.fill("地点")
    expect(page.locator("[data-test=preview]")).to_contain_text("巡查发现的问题")
    page.click("[data-test=save-template]")
    expect(page.locator("[data-test=saved]")).to_contain_text("第 2 版")
    held = screen.call("GET", "/api/v1/daily/templates")["body"]["templates"]
    versions = {one["version"]: one for one in held if one["id"] == "daily"}
    assert set(versions) == {1, 2} and len(versions[2]["fields"]) == before + 1 == len(versions[1]["fields"]) + 1
    assert versions[2]["fields"][-1]["columns"][0]["zh"] == "地点"
    assert versions[2]["valid_from"] > screen.call("GET", "/api/v1/board")["body"]["today"], "a day that has begun keeps its form"


def test_a_department_gets_a_deadline_lead_and_grace_of_its_own(new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open("/daily/settings")
    page.click("[data-test=tab-schedules]")
    page.click("[data-test=new-schedule]")
    form = page.locator("[data-test=schedule-form]")
    form.locator("[name=id]").fill("water-evening")
    form.locator("[name=zh]").fill("水利局晚报")
    form.locator("[name=times]").fill("21：30")
    form.locator("[name=days]").select_option("working")
    form.locator("[name=lead]").fill("120")
    form.locator("[name=grace]").fill("10")
    form.locator("[name=valid_to]").fill("2099-12-31")
    form.locator("fieldset").first.locator("input").first.uncheck()
    form.get_by_label("区水利局").first.check()
    page.click("[data-test=save-schedule]")
    expect(page.locator("[data-test=saved]")).to_be_visible()
    (saved,) = [one for one in screen.call("GET", "/api/v1/daily/templates")["body"]["schedules"] if one["id"] == "water-evening"]
    assert saved["rule"]["times"] == ["21:30"] and (saved["rule"]["open_before_min"], saved["rule"]["grace_min"]) == (120, 10)
    assert saved["departments"] == ["water-bureau"] and (saved["rule"]["days"], saved["valid_to"]) == ("working", "2099-12-31")


def test_a_file_goes_with_a_daily_report_and_is_read_back_by_the_duty_officer(hub: RunningHub, new_screen: Screens, tmp_path: Path) -> None:
    ((duty, _),) = owe(hub, 13, "housing-bureau")
    picture = tmp_path / "现场 照片.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + secrets.token_bytes(2_500_000))
    screen = new_screen()
    page = screen.open(f"/daily/{duty}")
    page.set_input_files("[data-test=attach]", str(picture))
    expect(page.locator("[data-test=attached]")).to_contain_text("现场 照片.png")
    page.fill("[name=incidents]", "1")
    page.click("[data-test=file]")
    expect(page.locator("[data-test=receipt]")).to_contain_text("回执")
    link = page.locator("[data-test=attached] a")
    expect(link).to_be_visible()
    got = page.context.request.get(f"{hub.address}{link.get_attribute('href')}")
    assert got.ok and got.body() == picture.read_bytes()
    assert page.context.request.get(f"{hub.address}/api/v1/daily/{duty}/attachments/{'0' * 64}").status == 404


COLLEAGUE = """
import asyncio, sys
from hub.domain.access import Role, Scope
from hub.domain.organisation import Post
from hub.store import Store, accounts, organisation
from hub.store.access import shipped_policies
async def main(url, name, login):
    policy = shipped_policies().access
    async with Store(url) as store, store.transaction() as tx:
        if await organisation.get_post(tx.conn, "watch") is None:
            await organisation.save_post(tx, Post(id="watch", role=Role.DUTY_OFFICER, scope=Scope.ALL, zh="值班员", en="watch",
                                                  department_id="district-office"), policy, by="system:test")
        who = await organisation.add_person(tx, name, by="system:test", department_id="district-office")
        await organisation.appoint(tx, who.id, "watch", policy, by="system:test", reason="test")
        opened = await accounts.open_account(tx, who.id, login, by="system:test")
        print(who.id, await accounts.make_link(tx, opened.id, by="system:test"))
asyncio.run(main(*sys.argv[1:]))
"""


COOKIES = """
import asyncio, sys
from hub.domain.access import Role
from hub.store import Store
from tests.support.web_hub import cookie_for
async def main(url, *roles):
    async with Store(url) as store:
        for role in roles:
            print((await cookie_for(store, Role(role), department="district-office"))[1])
asyncio.run(main(*sys.argv[1:]))
"""


def database(hub: RunningHub) -> str:
    """Where the hub keeps its store."""
    return f"sqlite+aiosqlite:///{(hub.folder / 'var' / 'tocsin.db').absolute()}"


def cookies_of(hub: RunningHub, *roles: Role) -> list[str]:
    """Sessions of new people, one of each role."""
    done = subprocess.run([sys.executable, "-c", COOKIES, database(hub), *roles], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()


def colleague(hub: RunningHub, browser: Browser, name: str, login: str) -> tuple[str, BrowserContext]:
    """Another duty officer of the command centre, signed in: the person's id and a browser of their own."""
    done = subprocess.run([sys.executable, "-c", COLLEAGUE, database(hub), name, login], capture_output=True, text=True, timeout=60, check=True)
    person, token = done.stdout.split()
    context = browser.new_context(base_url=hub.address)
    context.add_init_script("localStorage.setItem('tocsin.locale', 'zh')")
    welcome = {"token": token, "account": login, "password": secrets.token_urlsafe(18)}
    assert context.request.post("/api/v1/session/welcome", data=welcome, headers={"X-Tocsin": "console"}).ok
    return person, context


@contextmanager
def beside(serve: Callable[[threading.Event, asyncio.Event], Coroutine[Any, Any, None]]) -> Iterator[None]:
    """Run `serve(ready, stop)` on a loop in a thread of its own, beside the synchronous driver of the browser; raises what it raises."""
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            loop.run_until_complete(serve(ready, stop))
        except BaseException as error:
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        if not failed:
            yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(15)
        loop.close()
    if failed:
        raise failed[0]


@contextmanager
def gateway() -> Iterator[Gateway]:
    """A gateway on loopback."""
    held = Gateway()

    async def serve(ready: threading.Event, stop: asyncio.Event) -> None:
        async with held:
            ready.set()
            await stop.wait()

    with beside(serve):
        yield held


def test_a_contact_is_tried_at_once_and_says_what_its_gateway_answered(new_screen: Screens) -> None:
    page = new_screen().open("/roster?tab=contacts")
    with gateway() as taken:
        page.click("[data-test=add-contact]")
        form = page.locator("[data-test=contact-form]")
        form.locator("[name=post]").select_option("water-bureau.duty")
        form.locator("[name=name]").fill("水利局短信网关")
        form.locator("[name=address]").fill(taken.url)
        form.locator("button.main").click()
        row = page.locator("[data-test=contact]:has-text('水利局短信网关')")
        row.locator("[data-test=test-contact]").click()
        expect(page.locator("[data-test=tried]")).to_be_visible()
        expect(row).to_contain_text("可达")
        assert len(taken.got) == 1
        taken.answer = 403
        row.locator("[data-test=test-contact]").click()
        expect(page.locator("[data-test=fault]")).to_have_text("测试未送达：HTTP 403")
        expect(row).to_contain_text("不可达")
        expect(row.locator("[data-test=error]")).to_have_text("测试未送达：HTTP 403")
        english = new_screen(locale="en").open("/roster?tab=contacts").locator("[data-test=contact]:has-text('水利局短信网关')")
        expect(english.locator("[data-test=error]")).to_have_text("the test did not go out: HTTP 403")


def test_an_urgent_notice_stands_on_every_page_of_its_department_until_somebody_has_read_it(new_screen: Screens) -> None:
    screen, english = new_screen(), new_screen(locale="en", width=390, height=844)
    page, phone = screen.open("/board"), english.open("/notices")
    body = {"posts": ["district-office.desk"], "title": "今晚防汛会商", "text": "二十二时，三楼指挥室", "urgent": True}
    assert screen.call("POST", "/api/v1/notices", body)["status"] == 200
    bar = page.locator("[data-test=notice-bar]:has-text('今晚防汛会商')")
    expect(bar).to_be_visible()
    card = phone.locator("[data-test=notice]:has-text('今晚防汛会商')")
    expect(card).to_contain_text("三楼指挥室")
    expect(phone.locator("[data-test=notice-bar]")).to_contain_text("urgent")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    card.locator("[data-test=read]").click()
    expect(card).to_have_count(0)
    expect(bar).to_have_count(0)
    assert screen.errors == [] == english.errors


def test_a_department_says_from_the_notice_that_it_is_on_it(hub: RunningHub, new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open("/notices")
    ((duty, _),) = owe(hub, 17, "district-office", hours=1)
    card = page.locator(f"[data-test=notice]:has(a[href$='{duty}'])")
    expect(card).to_contain_text("突发事件日报 加报")
    card.locator("[data-test=on-it]").click()
    expect(card).to_have_count(0)
    assert screen.call("GET", f"/api/v1/obligations/{duty}")["body"]["obligation"]["ack_until"]


def test_paper_holds_the_document_and_nothing_of_the_screen_around_it(new_screen: Screens) -> None:
    screen = new_screen(width=1366, height=768)
    for path, kept in (("/board", "[data-test=board] table"), ("/digest", "[data-test=digest]"), ("/plans/hazmat-road-transport", "[data-test=plan] table")):
        page = screen.open(path)
        expect(page.locator(kept).first).to_be_visible()
        page.emulate_media(media="print")
        for around in ("nav.rail", "nav.dock", "header.bar", "[data-test=alarm]", "main textarea", "main .button"):
            expect(page.locator(f"{around}:visible")).to_have_count(0)
        page.set_viewport_size({"width": 688, "height": 1000})
        assert page.evaluate("document.documentElement.scrollWidth") <= 688, path
        page.emulate_media(media="screen")
    page = screen.open("/board")
    page.click("[data-test=span-month]")
    chart = page.locator("[data-test=trend] svg")
    expect(chart).to_be_visible()
    page.emulate_media(media="print")
    expect(chart).to_have_attribute("width", "680")


def test_a_phone_leads_those_who_see_to_the_reports_to_the_board_and_those_who_file_to_their_own(hub: RunningHub, browser: Browser) -> None:
    for cookie, leads in zip(cookies_of(hub, Role.LEADER, Role.DEPARTMENT_REPORTER), ("/board", "/daily"), strict=True):
        context = browser.new_context(base_url=hub.address, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
        context.add_cookies([{"name": COOKIE, "value": cookie, "url": hub.address}])
        page = context.new_page()
        page.goto("/groups")
        expect(page.locator(f"nav.dock > a[href='{leads}']")).to_be_visible()
        expect(page.locator("nav.dock > a")).to_have_count(4)
        other = {"/board": "/daily", "/daily": "/board"}[leads]
        expect(page.locator(f"nav.dock > a[href='{other}']")).to_have_count(0)
        context.close()


def test_the_keyboard_skips_to_the_text_and_sees_where_it_stands(hub: RunningHub, new_screen: Screens) -> None:
    owe(hub, 18, "natural-resources")  # whatever the hour: a hub that begins after the deadline owes nothing on its first day
    page = new_screen().open("/board")
    expect(page.locator("[data-test=board-row]").first).to_be_visible()
    page.keyboard.press("Tab")
    skip = page.locator("a.sr")
    expect(skip).to_be_focused()
    box = skip.bounding_box()
    assert box is not None and box["width"] > 40 and box["height"] > 16 and page.evaluate("getComputedStyle(document.activeElement).clipPath") == "none"
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)"), "on with what the page holds"


def test_a_correction_keeps_what_was_typed_until_it_is_filed(hub: RunningHub, new_screen: Screens) -> None:
    ((duty, _),) = owe(hub, 14, "natural-resources")
    screen = new_screen()
    page = screen.open("/daily")
    assert screen.call("POST", f"/api/v1/daily/{duty}/file", {"id": new_id(), "values": {"incidents": 40, "summary": "原文"}})["status"] == 201
    page = screen.open(f"/daily/{duty}")
    page.click("[data-test=correct]")
    page.fill("[name=summary]", "更正后的摘要")
    expect(page.locator("[data-test=draft]")).to_be_visible()
    page.reload()
    expect(page.locator("[name=summary]")).to_have_value("原文")
    page.click("[data-test=correct]")
    expect(page.locator("[name=summary]")).to_have_value("更正后的摘要")
    page.click("[data-test=file]")
    expect(page.locator("[data-test=receipt]")).to_contain_text("回执")
    expect(page.locator("[name=summary]")).to_have_value("更正后的摘要")


def test_an_incident_of_many_entries_goes_on_three_sheets_with_the_hour_of_printing_and_what_repeats_said_once(new_screen: Screens) -> None:
    screen = new_screen()
    screen.open("/")
    incident = screen.report("化工园区液氨泄漏", event_types=["12D00"], casualties={"injured": 2})
    for n in range(8):
        screen.report(f"续报{n}", kind="follow_up", incident_id=incident, text=f"第 {n} 次续报，现场正在处置。")
    for n in range(70):
        screen.call("POST", f"/api/v1/incidents/{incident}/note", {"text": f"值班记事第 {n} 条"} if n < 60 else {"text": "再次电话核实，无人接听"})
    page = screen.open(f"/incidents/{incident}")
    folded = page.locator("[data-test=unfold]").first
    expect(folded).to_contain_text("10")
    said = page.locator("[data-test=timeline] li", has_text="无人接听")  # the desk's ladder may add entries of its own meanwhile
    expect(said).to_have_count(1)
    folded.click()
    expect(said).to_have_count(10)
    page.emulate_media(media="print")
    expect(page.locator("main .button:visible, main input:visible, main textarea:visible")).to_have_count(0)
    expect(page.get_by_text("打印于")).to_be_visible()
    sheets = len(re.findall(rb"/Type\s*/Page[^s]", page.pdf(format="A4", prefer_css_page_size=True)))
    assert 1 <= sheets <= 3, sheets


def fill_shift(page: Page, person: str, starts: str, ends: str) -> None:
    """A shift by its form."""
    page.click("[data-test=add-shift]")
    form = page.locator("[data-test=shift-form]")
    form.locator("[name=person]").select_option(person)
    form.locator("[name=starts]").fill(starts)
    form.locator("[name=ends]").fill(ends)
    form.locator("[name=ends]").press("Tab")
    form.locator("button.main").click()
    expect(form).to_have_count(0)


def test_a_shift_is_swapped_with_consent_and_counts_only_then(hub: RunningHub, new_screen: Screens, browser: Browser) -> None:
    screen = new_screen()
    other, theirs = colleague(hub, browser, "王值班", "watch-1")
    page = screen.open("/roster?tab=shifts")
    me = screen.call("GET", "/api/v1/session")["body"]["person"]["id"]
    page.locator("select[name=post]").select_option("district-office.desk")
    expect(page.locator("[data-test=gaps]")).to_be_visible()
    fill_shift(page, me, "2026-12-24 08:00", "2026-12-24 20:00")
    page.locator("input[type=date]").fill("2026-12-24")
    page.locator("[data-test=shift] [data-test=offer]").click()
    page.locator("[data-test=offer-form] [name=to]").select_option(other)
    page.locator("[data-test=offer-form] button.main").click()
    expect(page.locator("[data-test=offer-form]")).to_have_count(0)
    expect(page.locator("[data-test=shift]")).not_to_contain_text("王值班")
    asked = theirs.new_page()
    asked.goto("/roster?tab=swaps")
    asked.locator("[data-test=swap] [data-test=accept]").click()
    expect(asked.locator("[data-test=swap]")).to_contain_text("已同意")
    expect(page.locator("[data-test=shift]")).to_contain_text("王值班")
    theirs.close()


def test_a_handover_lists_what_is_open_and_is_taken_over_by_the_one_named(hub: RunningHub, new_screen: Screens, browser: Browser) -> None:
    screen = new_screen()
    other, theirs = colleague(hub, browser, "李接班", "watch-2")
    page = screen.open("/roster?tab=handovers")
    screen.report("交接班测试事件", event_types=["12D00"])
    page.click("[data-test=hand-over]")
    form = page.locator("[data-test=handover-form]")
    form.locator("[name=post]").select_option("district-office.desk")
    form.locator("[name=to]").select_option(other)
    form.locator("[name=note]").fill("三号堤段每小时巡查一次")
    form.locator("button.main").click()
    written = page.locator("[data-test=handover]:has-text('三号堤段')")
    expect(written).to_contain_text("待接班确认")
    expect(written).to_contain_text("当时未办")
    taken = theirs.new_page()
    taken.goto("/roster?tab=handovers")
    taken.locator("[data-test=handover]:has-text('三号堤段') [data-test=take-over]").click()
    expect(written).to_contain_text("已接班")
    theirs.close()


def test_the_calendar_says_where_its_table_ends(new_screen: Screens) -> None:
    page = new_screen().open("/daily/settings")
    page.click("[data-test=tab-calendar]")
    expect(page.locator(".page")).to_contain_text("2027-01-01")
    expect(page.locator("[data-test=needs-table]")).to_have_count(0)


class Shifted:
    """The machine's clock, moved to another day."""

    def __init__(self, to: datetime) -> None:
        self.by = to - datetime.now(UTC)

    def now(self) -> datetime:
        """The current time there."""
        return datetime.now(UTC) + self.by


@contextmanager
def hub_on(day: datetime, folder: Path, *roles: Role) -> Iterator[tuple[str, list[str]]]:
    """A hub whose clock stands on another day, with somebody of each role: its address and the cookies of their sessions."""
    address: list[str] = []
    cookies: list[str] = []

    async def serve(ready: threading.Event, stop: asyncio.Event) -> None:
        async with web_hub(folder, Shifted(day)) as running:
            address.append(running.web_url)
            cookies.extend([(await cookie_for(running.services.store, role, department="district-office"))[1] for role in roles])
            ready.set()
            await stop.wait()

    with beside(serve):
        yield address[0], cookies


def screen_of(browser: Browser, address: str, cookie: str, *, width: int = 1440, height: int = 900, locale: str = "zh") -> tuple[BrowserContext, Screen]:
    """A screen of whoever's session the cookie is."""
    context = browser.new_context(base_url=address, viewport={"width": width, "height": height})
    context.add_init_script(f"localStorage.setItem('tocsin.locale', '{locale}')")
    context.add_cookies([{"name": COOKIE, "value": cookie, "url": address}])
    return context, Screen(context)


def test_the_banner_for_a_missing_holiday_table_leads_to_the_form_that_enters_it(browser: Browser, tmp_path: Path) -> None:
    year = max(y for y in range(2024, 2060) if year_is_known(Calendar(), y))
    with hub_on(datetime(year, 12, 2, 1, tzinfo=UTC), tmp_path, Role.DUTY_OFFICER, Role.SYSTEM_ADMIN) as (address, cookies):
        (officer, theirs), (admin, mine) = (screen_of(browser, address, cookie) for cookie in cookies)
        board = theirs.open("/board").locator("[data-test=needs-table]")
        expect(board).to_contain_text(f"缺少 {year + 1} 年节假日安排表")
        expect(board).to_contain_text("请系统管理员录入")
        page = mine.open("/duty-data")
        badge = page.locator("nav.rail a[href='/calendar'] b")
        expect(badge).to_have_text("1")
        page.click("[data-test=enter-table]")
        expect(page.locator("[data-test=needs-table]")).to_be_visible()
        form = page.locator("[data-test=calendar-form]")
        form.locator("summary").first.click()
        form.locator("[name=source]").fill("国办发明电")
        form.locator("[name=lines]").fill(f"{year + 1}-01-01..{year + 1}-01-03 放假 元旦")
        page.click("[data-test=take-lines]")
        page.click("[data-test=add-span]")
        added = form.locator("[data-test=span]").nth(1)
        added.locator("[name=first]").fill(f"{year + 1}-01-03")
        added.locator("[name=kind]").select_option("makeup")
        expect(added).to_contain_text("与另一段重复")
        added.locator("[name=first]").fill(f"{year + 1}-01-09")
        added.locator("[name=last]").fill(f"{year + 1}-01-09")
        form.locator(f"[name=year-{year + 1}]").check()
        form.locator("[name=reason]").fill("录入放假安排")
        page.click("[data-test=save-calendar]")
        expect(page.locator("[data-test=saved]")).to_be_visible()
        expect(page.locator("[data-test=needs-table]")).to_have_count(0)
        expect(badge).to_have_count(0)
        expect(form.locator("[data-test=span]")).to_have_count(2)
        expect(page.locator("[data-test=version]").first).to_contain_text("录入放假安排")
        assert mine.errors == []
        theirs.page.reload()
        expect(theirs.page.locator("[data-test=board] table")).to_be_visible()
        expect(board).to_have_count(0)
        officer.close()
        admin.close()


@pytest.fixture
def admin(hub: RunningHub, browser: Browser) -> Iterator[Callable[..., Screen]]:
    """Open screens of a system administrator."""
    (cookie,) = cookies_of(hub, Role.SYSTEM_ADMIN)
    opened: list[BrowserContext] = []

    def make(**how: Any) -> Screen:
        context, screen = screen_of(browser, hub.address, cookie, **how)
        opened.append(context)
        return screen

    yield make
    for context in opened:
        context.close()


HOMES = {Role.OPERATOR: "/incidents", Role.DEPARTMENT_REPORTER: "/daily", Role.SYSTEM_ADMIN: "/system", Role.SECURITY_ADMIN: "/organisation",
         Role.AUDIT_ADMIN: "/audit"}


def test_everybody_begins_on_a_page_of_their_own(hub: RunningHub, browser: Browser) -> None:
    for (role, home), cookie in zip(HOMES.items(), cookies_of(hub, *HOMES), strict=True):
        context, screen = screen_of(browser, hub.address, cookie)
        page = screen.open("/")
        page.wait_for_url(f"**{home}")
        page.click(".who")
        page.wait_for_url("**/account")
        page.click(".brand")
        page.wait_for_url(f"**{home}")
        assert screen.errors == [], role
        context.close()


STEPS = "截止前 1 小时 → 值班岗", "截止前 15 分 → 值班岗", "截止时 → 值班岗"


def steps_of(screen: Screen, ladder: str) -> list[dict[str, Any]]:
    """The steps of a ladder as the hub keeps them now."""
    found: list[dict[str, Any]] = screen.call("GET", "/api/v1/duty/data/ladders")["body"]["document"]["ladders"][ladder]["steps"]
    return found


def test_a_ladder_is_edited_by_its_form_and_an_older_version_is_taken_up_again(admin: Screens) -> None:
    screen = admin()
    page = screen.open("/duty-data")
    before = steps_of(screen, "daily")
    daily = page.locator("[data-test=ladder]:has-text('每日报送催办')")
    for words in STEPS:
        expect(daily).to_contain_text(words)
    page.click("[data-test=edit-daily]")
    form, preview = page.locator("[data-test=ladder-form]"), page.locator("[data-test=ladder-preview]")
    steps = form.locator("[data-test=step]")
    page.click("[data-test=add-step]")
    new = steps.nth(len(before))
    expect(new.locator("[name=offset_min]")).to_be_focused()
    new.locator("[name=offset_min]").fill("30")
    new.locator("[name=ack_within_min]").fill("15")
    new.get_by_label("部门负责人").check()
    new.get_by_label("屏幕").uncheck()
    expect(preview).to_contain_text("截止后 30 分 → 部门负责人，短信等联系方式，15 分内确认")
    form.locator("[name=reason]").fill("三十分钟通知负责人")
    page.click("[data-test=save-ladder]")
    expect(new.locator(".fault")).to_have_text("早于上一步，请调整时间或顺序")
    expect(new.locator("[name=offset_min]")).to_be_focused()
    assert steps_of(screen, "daily") == before, "nothing that is wrong is sent"
    for n in range(len(before), 3, -1):
        steps.nth(n).locator("[name=offset_min]").press("Alt+ArrowUp")
        expect(steps.nth(n - 1).locator("[name=offset_min]")).to_be_focused()
    expect(preview.locator("[data-test=in-words]").nth(3)).to_contain_text("截止后 30 分")
    steps.nth(1).locator("[data-test=remove]").click()
    page.click("[data-test=save-ladder]")
    expect(page.locator("[data-test=saved]")).to_be_visible()
    expect(daily).to_contain_text("截止后 30 分 → 部门负责人")
    saved = steps_of(screen, "daily")
    assert [one["offset_min"] for one in saved] == [-60, 0, 30, 45, 75, 240]
    assert (saved[2]["whom"], saved[2]["channels"], saved[2]["ack_within_min"]) == (["leader"], ["push"], 15)
    page.locator("[data-test=version]:has-text('产品自带') [data-test=take-own]").click()
    page.locator("[data-test=take-form] [name=reason]").fill("撤回")
    page.locator("[data-test=take-form] button.main").click()
    expect(daily).not_to_contain_text("截止后 30 分")
    expect(page.locator("[data-test=version]").first).to_contain_text("撤回")
    assert steps_of(screen, "daily") == before
    assert screen.errors == []


def test_kinds_limits_wordings_and_quiet_hours_are_forms_with_versions(admin: Screens) -> None:
    screen = admin()
    page = screen.open("/duty-data")

    def document(name: str) -> Any:
        return screen.call("GET", f"/api/v1/duty/data/{name}")["body"]["document"]

    page.click("[data-test=tab-quiet_rules]")
    page.locator("[data-test=row]:has-text('22:00–07:00') button").click()
    form = page.locator("[data-test=row-form]")
    form.locator("[name=ends]").fill("6点")
    form.locator("[name=reason]").fill("早一小时")
    page.click("[data-test=save-row]")
    expect(form.locator(".wrong")).to_contain_text("填写时刻")
    form.locator("[name=ends]").fill("06:00")
    page.click("[data-test=save-row]")
    expect(page.locator("[data-test=saved]")).to_be_visible()
    expect(page.locator("[data-test=row]")).to_contain_text("22:00–06:00")
    assert document("quiet_rules")["rules"][0]["ends"] == "06:00"
    page.locator("[data-test=version]:has-text('产品自带') [data-test=take-own]").click()
    page.locator("[data-test=take-form] [name=reason]").fill("撤回")
    page.locator("[data-test=take-form] button.main").click()
    expect(page.locator("[data-test=row]")).to_contain_text("22:00–07:00")

    page.click("[data-test=tab-notice_templates]")
    page.click("[data-test=edit-test]")
    form.locator("[name='zh.title']").fill("{titel}")
    form.locator("[name=reason]").fill("改标题")
    page.click("[data-test=save-row]")
    expect(form.locator(".wrong")).to_contain_text("没有此字段")
    form.locator("[name='zh.title']").fill("通知渠道例行测试")
    page.click("[data-test=save-row]")
    expect(page.locator("[data-test=row]:has-text('通知渠道例行测试')")).to_be_visible()

    page.click("[data-test=tab-obligation_kinds]")
    page.click("[data-test=edit-digest]")
    form.locator("[name=grace_min]").fill("20")
    form.locator("[name=reason]").fill("缩短宽限")
    page.click("[data-test=save-row]")
    expect(page.locator("[data-test=saved]")).to_be_visible()
    assert document("obligation_kinds")["kinds"]["digest"]["grace_min"] == 20

    page.click("[data-test=tab-statutory_limits]")
    page.click("[data-test=edit-incident-final]")
    form.locator("[name=days]").fill("")
    form.locator("[name=reason]").fill("没有时限")
    page.click("[data-test=save-row]")
    expect(page.locator("[data-test=fault]")).to_contain_text("没有任何时限")
    assert screen.errors == [one for one in screen.errors if "422" in one], screen.errors


def test_what_the_hub_refuses_stands_at_its_field_and_what_was_typed_stays(admin: Screens) -> None:
    screen = admin(locale="en", width=390, height=800)
    page = screen.open("/duty-data")
    page.click("[data-test=edit-task]")
    form = page.locator("[data-test=ladder-form]")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390, f"the form is {width} px wide on a phone"
    form.locator("[data-test=step]").first.locator("[name=offset_min]").fill("7")
    form.locator("[name=reason]").fill("earlier")

    def refuse(route: Route) -> None:
        if route.request.method != "PUT":
            route.fallback()
            return
        body = route.request.post_data_json
        body["document"]["ladders"]["task"]["steps"][0]["template"] = "nowhere"
        route.continue_(post_data=body)

    page.route("**/api/v1/duty/data/ladders", refuse)
    page.click("[data-test=save-ladder]")
    expect(form.locator("[data-test=fault]")).to_contain_text("no template nowhere")
    expect(form.locator("[data-test=step]").first).to_contain_text("no template nowhere")
    assert form.locator("[data-test=step]").first.locator("[name=offset_min]").input_value() == "7"
    assert form.locator("[name=reason]").input_value() == "earlier"
    page.click("[data-test=revert]")
    assert form.locator("[data-test=step]").first.locator("[name=offset_min]").input_value() == "5"

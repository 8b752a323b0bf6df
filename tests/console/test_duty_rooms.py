"""The rooms around the daily duty in a real Chromium: forms and deadlines, files, the roster with its swaps and handovers, contacts that are tried."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.console.test_daily import owe
from tests.support.gateway import Gateway
from tests.support.screens import RunningHub, Screen

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
    form.locator("fieldset").first.locator("input").first.uncheck()
    form.get_by_label("区水利局").first.check()
    page.click("[data-test=save-schedule]")
    expect(page.locator("[data-test=saved]")).to_be_visible()
    (saved,) = [one for one in screen.call("GET", "/api/v1/daily/templates")["body"]["schedules"] if one["id"] == "water-evening"]
    assert saved["rule"]["times"] == ["21:30"] and (saved["rule"]["open_before_min"], saved["rule"]["grace_min"]) == (120, 10)
    assert saved["departments"] == ["water-bureau"] and saved["rule"]["days"] == "working"


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


def colleague(hub: RunningHub, browser: Browser, name: str, login: str) -> tuple[str, BrowserContext]:
    """Another duty officer of the command centre, signed in: the person's id and a browser of their own."""
    url = f"sqlite+aiosqlite:///{(hub.folder / 'var' / 'tocsin.db').absolute()}"
    done = subprocess.run([sys.executable, "-c", COLLEAGUE, url, name, login], capture_output=True, text=True, timeout=60, check=True)
    person, token = done.stdout.split()
    context = browser.new_context(base_url=hub.address)
    context.add_init_script("localStorage.setItem('tocsin.locale', 'zh')")
    welcome = {"token": token, "account": login, "password": secrets.token_urlsafe(18)}
    assert context.request.post("/api/v1/session/welcome", data=welcome, headers={"X-Tocsin": "console"}).ok
    return person, context


@contextmanager
def gateway() -> Iterator[Gateway]:
    """A gateway on loopback in a thread of its own, beside the synchronous driver of the browser."""
    loop, held, ready = asyncio.new_event_loop(), Gateway(), threading.Event()
    stop = asyncio.Event()

    async def serve() -> None:
        async with held:
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield held
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


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
        expect(page.locator("[data-test=tried]")).to_be_visible(timeout=15_000)
        expect(row).to_contain_text("可达")
        assert len(taken.got) == 1
        taken.answer = 403
        row.locator("[data-test=test-contact]").click()
        expect(page.locator("[data-test=fault]")).to_be_visible(timeout=15_000)
        expect(row).to_contain_text("不可达")


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

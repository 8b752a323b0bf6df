"""The daily duty in a real Chromium against a real hub: one click, the contradicting incident, the live board, the digest as Word."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pyotp
from docx import Document
from playwright.sync_api import Page, expect

from tests.support.screens import RunningHub, Screen, eventually, new_id

Screens = Callable[..., Screen]
OWE = """
import asyncio, sys
from datetime import timedelta
from hub.domain.calendar import local_day
from hub.clock import parse_utc
from hub.domain.daily import duty_key
from hub.domain.duty_rules import packaged_rules
from hub.domain.obligation import Owed
from hub.store import Store, obligations as ledger
from hub.store.bulk import fetch
async def main(url, slot, hours, departments):
    rules = packaged_rules()
    async with Store(url) as store, store.transaction() as tx:
        day = local_day(rules.calendar, tx.now).isoformat()
        for d in departments:
            due = tx.now + timedelta(hours=int(hours))
            own = await fetch(tx.conn, "SELECT min(due_at) FROM obligation WHERE department_id = $1 AND kind = 'daily_report' AND due_at > $2", d, tx.at)
            if own[0][0]:  # a report covers nothing that lies before the deadline of the one before it: at four the one of five would be that
                due = min(due, parse_utc(own[0][0]))
            (made,) = await ledger.make(tx, rules, [Owed(key=duty_key(d, "daily", day, int(slot)), kind="daily_report", department_id=d,
                post_id=d + ".duty", subject="daily:" + d, title_zh="突发事件日报 加报", title_en="extra report", opens_at=tx.now - timedelta(hours=9),
                due_at=due, day=day)], actor="system:test")
            # somebody asked for it: no schedule does, and what stands on a day follows the schedule as soon as anything of that changes
            await fetch(tx.conn, "UPDATE obligation SET reason_by = $1 WHERE id = $2 RETURNING id", "person:test", made.id)
            print(made.id, day)
asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
"""


def owe(hub: RunningHub, slot: int, *departments: str, hours: int = 3) -> list[tuple[str, str]]:
    """Reports owed in `hours`, whatever the hour of the test: (duty, day) of each department."""
    url = f"sqlite+aiosqlite:///{(hub.folder / 'var' / 'tocsin.db').absolute()}"
    done = subprocess.run([sys.executable, "-c", OWE, url, str(slot), str(hours), *departments], capture_output=True, text=True, timeout=60, check=True)
    return [(line.split()[0], line.split()[1]) for line in done.stdout.splitlines()]


def card(page: Page, duty: str) -> Any:
    """The card of a duty on one's page."""
    return page.locator(f"[data-test=daily-duty]:has(a[href$='{duty}'])").first


def test_a_zero_report_is_filed_in_one_click_and_the_receipt_is_seen(hub: RunningHub, new_screen: Screens) -> None:
    ((duty, _),) = owe(hub, 11, "finance-bureau")
    page = new_screen().open("/daily")
    card(page, duty).locator("[data-test=zero]").click()
    expect(page.locator("[data-test=receipt]")).to_contain_text("回执")
    expect(card(page, duty).locator("[data-test=standing]")).to_have_text("零报告")


def test_the_contradicting_incident_is_shown_before_the_zero_report_and_added_in_one_step(hub: RunningHub, new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open("/daily")
    screen.report("化工园区液氨泄漏", event_types=["12D00"], casualties={"injured": 2})
    ((duty, _),) = owe(hub, 12, "ecology-bureau")
    eventually(lambda: screen.call("GET", f"/api/v1/daily/{duty}/evidence")["body"]["facts"])
    page.reload()
    card(page, duty).locator("[data-test=zero]").click()
    expect(page.locator("[data-test=contradiction]")).to_contain_text("化工园区液氨泄漏")
    page.click("[data-test=contradiction] [data-test=add]")
    expect(page.locator("[name=incidents]")).not_to_have_value("")
    page.click("[data-test=file]")
    expect(page.locator("[data-test=receipt]")).to_contain_text("回执")
    expect(page.locator("[data-test=contradicted]")).to_have_count(0)


def administrator_password(hub: RunningHub, screen: Screen, agent: str, department: str) -> str:
    """An agent enrolled by whoever stands at the machine; gives its password."""
    done = subprocess.run([sys.executable, "-m", "hub", "account", "link", "sysadmin", "--data-dir", str(hub.folder / "var")], capture_output=True,
                          text=True, timeout=60, check=True)
    context = screen.page.context.browser.new_context(base_url=hub.address)  # type: ignore[union-attr]
    ask, headers = context.request, {"X-Tocsin": "console"}
    token = done.stdout.strip().rpartition("/")[2]
    assert ask.post("/api/v1/session/welcome", data={"token": token, "password": "a-long-enough-pass-phrase"}, headers=headers).ok
    secret = ask.post("/api/v1/session/second-factor", data={}, headers=headers).json()["secret"]
    assert ask.post("/api/v1/session/second-factor/confirm", data={"code": pyotp.TOTP(secret).now()}, headers=headers).ok
    made = ask.post("/api/v1/agents/codes", data={"agent_id": agent, "name": agent, "department_id": department}, headers=headers)
    assert made.ok, made.text()
    enrolled = ask.post("/api/v1/enroll", data={"code": made.json()["code"]}, headers=headers)
    assert enrolled.status == 201, enrolled.text()
    password = str(enrolled.json()["password"])
    context.close()
    return password


def test_the_board_turns_live_when_a_department_files_over_mqtt(hub: RunningHub, new_screen: Screens) -> None:
    screen = new_screen()
    page = screen.open("/board")
    password = administrator_password(hub, screen, "meteo-1", "meteorological-bureau")
    ((duty, day),) = owe(hub, 3, "meteorological-bureau")
    row = f"[data-test=board-row][data-department=meteorological-bureau]:has(a[href$='{duty}'])"
    page.reload()
    expect(page.locator(f"{row} [data-test=standing]")).to_have_text("未到时限")
    for other in [one for one in screen.call("GET", "/api/v1/board")["body"]["board"]["rows"] if one["department_id"] == "meteorological-bureau"]:
        if other["duty_id"] != duty and other["standing"] in ("waiting", "missing"):  # the packaged report of the day comes first
            screen.call("POST", f"/api/v1/daily/{other['duty_id']}/file", {"id": new_id(), "zero": True, "late_reason": "测试"})
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="meteo-1")
    client.username_pw_set("meteo-1", password)
    client.connect("127.0.0.1", hub.broker_port)
    client.loop_start()
    message = {"id": new_id(), "department": "meteorological-bureau", "template": "daily", "day": day, "zero": False, "values": {"incidents": 40}}
    client.publish("tocsin/v1/district/agents/meteo-1/up/daily", json.dumps(message), qos=1).wait_for_publish(10)
    expect(page.locator(f"{row} [data-test=standing]")).to_have_text("已报")
    client.disconnect()
    client.loop_stop()


def test_the_digest_downloads_as_word_with_the_missing_department_on_its_first_line(hub: RunningHub, new_screen: Screens, tmp_path: Path) -> None:
    owe(hub, 5, "civil-affairs", hours=-2)
    screen = new_screen()
    page = screen.open("/digest")
    today = screen.call("GET", "/api/v1/board")["body"]["today"]
    drafted = screen.call("POST", f"/api/v1/digests/{today}/draft")["body"]
    page.reload()
    expect(page.locator("[data-test=first-line]")).to_have_text(drafted["first_line"])
    with page.expect_download() as got:
        page.click("[data-test=word]")
    path = tmp_path / "digest.docx"
    got.value.save_as(path)
    lines = [p.text for p in Document(io.BytesIO(path.read_bytes())).paragraphs if p.text.strip()]
    assert lines[0] == drafted["first_line"] and lines[0].startswith("未报送：") and "区民政局" in lines[0]


def test_the_daily_pages_fit_a_phone(hub: RunningHub, new_screen: Screens) -> None:
    owe(hub, 4, "water-bureau")
    screen = new_screen(width=390, height=844)
    for path, ready in (("/daily", "[data-test=daily-duty]"), ("/board", "[data-test=board-row]"), ("/groups", "[data-test=groups]")):
        page = screen.open(path)
        page.wait_for_selector(ready)
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0, path
    assert screen.errors == []

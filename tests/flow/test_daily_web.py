"""The daily duty over HTTP against a running hub: file, late, twice, correct, return, accept, link, sheet, evidence, board, digest, groups."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from docx import Document
from openpyxl import load_workbook

from hub.app import Running
from hub.clock import ManualClock
from hub.domain.access import Role, Scope, Tier
from hub.domain.change import canonical
from hub.domain.obligation import Obligation
from hub.domain.sharing import Origin
from hub.ids import new_id
from hub.store import Store
from hub.store import obligations as ledger
from hub.store.access import shipped_policies
from hub.store.daily import make_days, packaged_book, recheck, save_template
from hub.store.digest import draft_when_due, get_digest
from hub.store.reports import insert_incidents
from hub.store.schema_people import share
from tests.support.district import incident_view
from tests.support.web_hub import Visitor, cookie_for, web_hub

MORNING = datetime.fromisoformat("2026-11-23T06:00:00+00:00")  # 14:00 in the district; due at 17:00, late from 17:30
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MORNING)


@pytest.fixture
async def hub(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Running]:
    async with web_hub(tmp_path, clock) as running:
        await make_days(running.services.store, running.services.extra["duty_rules"])
        yield running


@pytest.fixture
async def reporter(hub: Running) -> AsyncIterator[Visitor]:
    async with Visitor(hub.web_url) as visitor:
        visitor.hold((await cookie_for(hub.services.store, Role.DEPARTMENT_REPORTER, department="water-bureau"))[1])
        yield visitor


@pytest.fixture
async def officer(hub: Running) -> AsyncIterator[Visitor]:
    async with Visitor(hub.web_url) as visitor:
        visitor.hold((await cookie_for(hub.services.store, Role.DUTY_OFFICER, department="district-office", scope=Scope.ALL))[1])
        yield visitor


async def duty(hub: Running, department: str = "water-bureau", day: str = "2026-11-23") -> Obligation:
    async with hub.services.store.read() as conn:
        found = await ledger.by_key(conn, f"daily:{department}:daily:{day}:1")
    assert found is not None
    return found


async def put_incident(store: Store, *departments: tuple[str, Tier], at: str = "2026-11-23T05:00:00.000Z", number: int = 1,
                       **given: Any) -> Any:
    """An incident shared by hand with these departments."""
    view = msgspec.structs.replace(incident_view(number, department=None, **given), occurred_at=at)
    async with store.transaction() as tx:
        await insert_incidents(tx, [(view, canonical(view))])
        for department, tier in departments:
            await tx.conn.execute(share.insert().values(
                id=new_id(), incident_id=view.id, incident_number=number, department_id=department, tier=tier.value, rank=tier.rank,
                origin=Origin.MANUAL.value, from_at="2026-11-23T05:00:00.000Z", reason="t", by="person:x", by_department_id=None))
    return view


async def zero(visitor: Visitor, duty_id: str, **more: Any) -> int:
    return await visitor.ask("POST", f"/api/v1/daily/{duty_id}/file", {"id": new_id(), "zero": True, **more})


async def test_a_zero_report_takes_one_request_and_gives_a_receipt(hub: Running, reporter: Visitor) -> None:
    o = await duty(hub)
    assert await zero(reporter, o.id) == 201
    assert reporter.body["status"] == "stored" and reporter.body["receipt_no"] == "20261123-000001"
    assert (await duty(hub)).state == "met"
    assert await reporter.ask("GET", "/api/v1/daily") == 200
    (line,) = [item for item in reporter.body["items"] if item["obligation"]["id"] == o.id]
    assert line["row"]["standing"] == "zero" and line["row"]["receipt_no"] == "20261123-000001"


async def test_the_same_message_twice_is_a_duplicate_and_the_same_id_with_other_content_is_refused(hub: Running, reporter: Visitor) -> None:
    o, id = await duty(hub), new_id()
    path = f"/api/v1/daily/{o.id}/file"
    assert await reporter.ask("POST", path, {"id": id, "zero": True}) == 201
    assert await reporter.ask("POST", path, {"id": id, "zero": True}) == 200
    assert reporter.body["status"] == "duplicate" and reporter.body["receipt_no"] == "20261123-000001"
    assert await reporter.ask("POST", path, {"id": id, "values": {"incidents": 1}}) == 422 and reporter.body["code"] == "id_conflict"


async def test_of_two_officers_one_wins_and_the_other_is_shown_the_stored_version(hub: Running, reporter: Visitor) -> None:
    o = await duty(hub)
    assert await reporter.ask("POST", f"/api/v1/daily/{o.id}/file", {"id": new_id(), "values": {"incidents": 2}}) == 201
    assert await reporter.ask("POST", f"/api/v1/daily/{o.id}/file", {"id": new_id(), "values": {"incidents": 3}}) == 422
    assert reporter.body["code"] == "already_filed"
    assert await reporter.ask("GET", f"/api/v1/daily/{o.id}") == 200
    assert [(v["version"], v["values"]) for v in reporter.body["versions"]] == [(1, {"incidents": 2})]


async def test_a_correction_is_a_new_version_and_the_old_one_is_kept(hub: Running, reporter: Visitor) -> None:
    o = await duty(hub)
    await reporter.ask("POST", f"/api/v1/daily/{o.id}/file", {"id": new_id(), "values": {"incidents": 2}})
    assert await reporter.ask("POST", f"/api/v1/daily/{o.id}/correct", {"id": new_id(), "values": {"incidents": 3}, "based_on": 1}) == 201
    assert await reporter.ask("POST", f"/api/v1/daily/{o.id}/correct", {"id": new_id(), "values": {"incidents": 4}, "based_on": 1}) == 422
    await reporter.ask("GET", f"/api/v1/daily/{o.id}")
    assert [(v["version"], v["values"]["incidents"], v["current"]) for v in reporter.body["versions"]] == [(2, 3, True), (1, 2, False)]


async def test_late_filing_asks_the_reason_and_counts_as_late(hub: Running, reporter: Visitor, clock: ManualClock) -> None:
    o = await duty(hub)
    clock.set(o.late_at + MINUTE)
    assert await zero(reporter, o.id) == 422 and reporter.body["code"] == "late_reason_needed"
    assert await zero(reporter, o.id, late_reason="停电") == 201
    held = await duty(hub)
    assert held.state == "met_late" and held.reason == "停电"


async def to_decide(officer: Visitor, id: str) -> bool:
    """Does the hub say that this report waits for the duty officer?"""
    assert await officer.ask("GET", f"/api/v1/daily/{id}") == 200
    return bool(officer.body["to_decide"])


async def test_returned_with_a_reason_filed_again_accepted(hub: Running, reporter: Visitor, officer: Visitor) -> None:
    o = await duty(hub)
    await zero(reporter, o.id)
    assert await reporter.ask("POST", f"/api/v1/daily/{o.id}/return", {"reason": "x"}) == 403
    assert await officer.ask("POST", f"/api/v1/daily/{o.id}/return", {"reason": ""}) == 422
    assert await officer.ask("POST", f"/api/v1/daily/{o.id}/return", {"reason": "请核实"}) == 200
    assert (await duty(hub)).state == "returned"
    assert await reporter.ask("POST", f"/api/v1/daily/{o.id}/file", {"id": new_id(), "values": {"incidents": 1}}) == 201
    assert await officer.ask("POST", f"/api/v1/daily/{o.id}/accept", {}) == 200
    assert officer.body["state"] == "accepted" and officer.body["version"] == 2


async def test_wrong_values_are_named_and_nothing_is_stored(hub: Running, reporter: Visitor) -> None:
    o = await duty(hub)
    assert await reporter.ask("POST", f"/api/v1/daily/{o.id}/file", {"id": new_id(), "values": {"incidents": "三", "nope": 1}}) == 422
    assert reporter.body["code"] == "daily_values" and "突发事件起数" in reporter.body["message"]["zh"] and "nope" in reporter.body["message"]["zh"]
    assert (await duty(hub)).state == "open"


async def test_nobody_files_for_another_department(hub: Running, reporter: Visitor) -> None:
    assert await zero(reporter, (await duty(hub, "fire-rescue")).id) == 404
    message = {"id": new_id(), "department": "fire-rescue", "template": "daily", "day": "2026-11-23", "zero": True}
    assert await reporter.ask("POST", "/api/v1/daily", message) == 403


async def test_a_daily_message_over_http_takes_the_same_path_and_gives_the_same_receipt(hub: Running, reporter: Visitor) -> None:
    message = {"id": new_id(), "department": "water-bureau", "template": "daily", "day": "2026-11-23", "zero": False, "values": {"incidents": 1}}
    assert await reporter.ask("POST", "/api/v1/daily", message) == 201
    assert reporter.body["status"] == "stored" and reporter.body["receipt_no"] == "20261123-000001"
    assert await reporter.ask("POST", "/api/v1/daily", message) == 200 and reporter.body["status"] == "duplicate"
    assert await reporter.ask("POST", "/api/v1/daily", {**message, "id": new_id(), "day": "2026-01-05"}) == 422 and reporter.body["reason"] == "no_duty"


async def test_a_draft_is_kept_for_its_writer_alone_and_goes_with_the_filing(hub: Running, reporter: Visitor, officer: Visitor) -> None:
    o = await duty(hub)
    assert await reporter.ask("PUT", f"/api/v1/daily/{o.id}/draft", {"values": {"incidents": "半"}}) == 200
    await reporter.ask("GET", f"/api/v1/daily/{o.id}")
    assert reporter.body["draft"]["values"] == {"incidents": "半"}
    await officer.ask("GET", f"/api/v1/daily/{o.id}")
    assert officer.body["draft"] is None
    await zero(reporter, o.id)
    await reporter.ask("GET", f"/api/v1/daily/{o.id}")
    assert reporter.body["draft"] is None


async def test_the_link_shows_on_get_and_files_on_post_until_the_lock(hub: Running, clock: ManualClock) -> None:
    o = await duty(hub)
    path = "/z/" + hub.services.extra["links"].token(o.id)
    async with Visitor(hub.web_url, headers={}) as anyone:
        assert await anyone.ask("GET", path) == 200 and "确认零报告" in anyone.body and f'href="/daily/{o.id}"' in anyone.body
        assert (await duty(hub)).state == "open"
        form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "null"}
        assert await anyone.ask("POST", path, raw=b"id=" + new_id().encode(), headers=form) == 200 and "20261123-000001" in anyone.body
        assert f"{clock.now().astimezone(ZoneInfo('Asia/Shanghai')):%Y-%m-%d %H:%M}。" in anyone.body
        assert (await duty(hub)).state == "met"
        assert await anyone.ask("POST", path, raw=b"", headers=form) == 200 and "20261123-000001" in anyone.body
        other = await duty(hub, "fire-rescue")
        assert other.lock_at is not None
        clock.set(other.lock_at + MINUTE)
        gone = "/z/" + hub.services.extra["links"].token(other.id)
        assert await anyone.ask("GET", gone) == 410 and await anyone.ask("POST", gone, raw=b"", headers=form) == 410
        assert await anyone.ask("GET", "/z/" + "A" * 43) == 404 and await anyone.ask("GET", path[:-4] + "AAAA") == 404
        assert await anyone.ask("GET", path[:-3]) == 404 and "链接无效或不完整" in anyone.body and "cut short" in anyone.body, "a mail program broke the line"


async def test_the_link_of_a_report_that_somebody_filed_with_content_does_not_look_like_a_zero_report(hub: Running, reporter: Visitor) -> None:
    o = await duty(hub)
    assert await reporter.ask("POST", f"/api/v1/daily/{o.id}/file", {"id": new_id(), "values": {"incidents": 2}}) == 201
    async with Visitor(hub.web_url, headers={}) as anyone:
        form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "null"}
        for method, raw in (("GET", None), ("POST", b"id=" + new_id().encode())):
            assert await anyone.ask(method, "/z/" + hub.services.extra["links"].token(o.id), raw=raw, headers=form) == 200
            assert "不是零报告" in anyone.body and "not as a zero report" in anyone.body and "20261123-000001" in anyone.body
    assert (await duty(hub)).state == "met"


async def test_the_link_of_a_returned_report_says_why_it_came_back_and_one_that_takes_no_zero_leads_to_the_form(
    hub: Running, reporter: Visitor, officer: Visitor, clock: ManualClock,
) -> None:
    o = await duty(hub)
    path = "/z/" + hub.services.extra["links"].token(o.id)
    await zero(reporter, o.id)
    assert await officer.ask("POST", f"/api/v1/daily/{o.id}/return", {"reason": "昨夜<二号闸>渗水未报"}) == 200
    async with Visitor(hub.web_url, headers={}) as anyone:
        assert await anyone.ask("GET", path) == 200
        assert 'data-test="returned"' in anyone.body and "原因：昨夜&lt;二号闸&gt;渗水未报" in anyone.body and "确认零报告" in anyone.body
        template = packaged_book().template("daily", date(2026, 11, 24))
        assert template is not None
        rules = hub.services.extra["duty_rules"]
        async with hub.services.store.transaction() as tx:
            await save_template(tx, rules, msgspec.structs.replace(template, zero=False), by="person:a")
        tomorrow = await duty(hub, day="2026-11-24")
        clock.set(tomorrow.opens_at + MINUTE)
        assert await anyone.ask("GET", "/z/" + hub.services.extra["links"].token(tomorrow.id)) == 200
        assert "此表不能报零" in anyone.body and "takes no zero" in anyone.body and "确认零报告" not in anyone.body


async def test_the_department_sees_the_contradicting_incident_before_it_files_and_can_add_it(hub: Running, reporter: Visitor, officer: Visitor) -> None:
    view = await put_incident(hub.services.store, ("water-bureau", Tier.LEAD))
    await put_incident(hub.services.store, ("water-bureau", Tier.LEAD), number=2, drill=True)
    await put_incident(hub.services.store, ("water-bureau", Tier.INFORMED), number=3)
    await put_incident(hub.services.store, ("fire-rescue", Tier.LEAD), number=4)
    o = await duty(hub)
    assert await reporter.ask("GET", f"/api/v1/daily/{o.id}/evidence") == 200
    assert [fact["id"] for fact in reporter.body["facts"]] == [view.id]
    assert reporter.body["suggested"] == {"incidents": 1}
    await zero(reporter, o.id)
    await officer.ask("GET", "/api/v1/board")
    (row,) = [r for r in officer.body["board"]["rows"] if r["duty_id"] == o.id]
    assert row["contradicted"] and officer.body["board"]["contradicted"] == 1
    assert await officer.ask("POST", f"/api/v1/daily/{o.id}/accept", {}) == 422 and officer.body["code"] == "reason_needed"
    await reporter.ask("POST", f"/api/v1/daily/{o.id}/correct", {"id": new_id(), "values": {"incidents": 1}, "based_on": 1})
    await officer.ask("GET", "/api/v1/board")
    assert officer.body["board"]["contradicted"] == 0


async def test_an_incident_known_only_later_or_hidden_from_the_department_reaches_the_duty_officer_alone(
    hub: Running, reporter: Visitor, officer: Visitor,
) -> None:
    o, store = await duty(hub), hub.services.store
    await zero(reporter, o.id)
    view = await put_incident(store, ("water-bureau", Tier.ASSIST))
    async with store.transaction() as tx:  # the share has ended: the department may not see the incident any more
        await tx.conn.execute(share.update().values(until_at="2026-11-23T05:30:00.000Z"))
    assert await recheck(store, hub.services.extra["duty_rules"], shipped_policies().access) == 1
    assert await recheck(store, hub.services.extra["duty_rules"], shipped_policies().access) == 0
    await reporter.ask("GET", f"/api/v1/daily/{o.id}")
    assert view.id not in str(reporter.body) and view.title not in str(reporter.body) and not reporter.body["row"]["contradicted"]
    await officer.ask("GET", f"/api/v1/daily/{o.id}")
    assert officer.body["flag"]["hidden"][0]["facts"][0]["id"] == view.id and officer.body["row"]["contradicted"]
    await reporter.ask("GET", "/api/v1/changes?after=0")
    assert "daily.flagged" not in str(reporter.body) and view.id not in str(reporter.body)


async def test_what_becomes_known_after_a_report_was_accepted_raises_its_flag_and_is_accepted_once_more_with_the_reason(
    hub: Running, reporter: Visitor, officer: Visitor,
) -> None:
    o, store = await duty(hub), hub.services.store
    rules, access = hub.services.extra["duty_rules"], shipped_policies().access
    await zero(reporter, o.id)
    assert await to_decide(officer, o.id)
    assert await officer.ask("POST", f"/api/v1/daily/{o.id}/accept", {}) == 200
    assert not await to_decide(officer, o.id)
    assert await officer.ask("POST", f"/api/v1/daily/{o.id}/accept", {}) == 422 and officer.body["code"] == "filing_state"
    await put_incident(store, ("water-bureau", Tier.LEAD))
    assert await recheck(store, rules, access) == 1
    await officer.ask("GET", "/api/v1/board")
    assert officer.body["board"]["contradicted"] == 1
    assert await to_decide(officer, o.id)
    assert await officer.ask("POST", f"/api/v1/daily/{o.id}/accept", {}) == 422 and officer.body["code"] == "reason_needed"
    assert await officer.ask("POST", f"/api/v1/daily/{o.id}/accept", {"reason": "属交通部门统计"}) == 200
    assert not await to_decide(officer, o.id)
    assert await recheck(store, rules, access) == 0, "somebody has looked at it"
    await put_incident(store, ("water-bureau", Tier.LEAD), number=2)
    assert await recheck(store, rules, access) == 1, "a second one is news"
    assert await officer.ask("POST", f"/api/v1/daily/{o.id}/return", {"reason": "漏报两起"}) == 200
    assert await reporter.ask("POST", f"/api/v1/daily/{o.id}/file", {"id": new_id(), "values": {"incidents": 2}}) == 201
    await officer.ask("GET", "/api/v1/board")
    assert officer.body["board"]["contradicted"] == 0 and (await duty(hub)).state == "met"


async def test_an_excel_sheet_with_merged_cells_and_full_width_digits_files(hub: Running, reporter: Visitor) -> None:
    o = await duty(hub)
    async with reporter.client.get(f"{hub.web_url.rstrip('/')}/api/v1/daily/{o.id}/sheet") as answer:
        book = load_workbook(io.BytesIO(await answer.read()))
    page = book.worksheets[0]
    page["B7"] = "１２"
    page.merge_cells("B8:C8")
    page["B8"] = " ０ "
    page.insert_rows(6)
    book["隐患和苗头"].append(["青口镇", "堤坝渗水", "３", "否"])
    assert await send(reporter, o.id, book) == 201
    await reporter.ask("GET", f"/api/v1/daily/{o.id}")
    values = reporter.body["versions"][0]["values"]
    assert values["incidents"] == 12 and values["dead"] == 0
    assert values["hazards"] == [{"place": "青口镇", "hazard": "堤坝渗水", "people": 3, "fixed": False}]


async def send(visitor: Visitor, duty_id: str, book: Any) -> int:
    out = io.BytesIO()
    book.save(out)
    return await visitor.ask("POST", f"/api/v1/daily/{duty_id}/sheet?id={new_id()}", raw=out.getvalue())


async def test_a_sheet_with_wrong_types_is_refused_line_by_line_and_nothing_is_half_applied(hub: Running, reporter: Visitor) -> None:
    o = await duty(hub)
    async with reporter.client.get(f"{hub.web_url.rstrip('/')}/api/v1/daily/{o.id}/sheet") as answer:
        book = load_workbook(io.BytesIO(await answer.read()))
    page = book.worksheets[0]
    page["B2"], page["B7"], page["B8"] = "区气象局", "很多", 2.5
    book["隐患和苗头"].append(["", "没有地点", "x", ""])
    assert await send(reporter, o.id, book) == 422
    assert {(line["field"], line["line"]) for line in reporter.body["lines"]} == {
        ("department", 2), ("incidents", 7), ("dead", 8), ("hazards.place", 2), ("hazards.people", 2)}
    assert (await duty(hub)).state == "open"
    assert await reporter.ask("POST", f"/api/v1/daily/{o.id}/sheet?id={new_id()}", raw=b"no sheet at all") == 422


async def test_the_digest_drafts_itself_names_the_missing_first_is_edited_signed_and_read_back_from_word(
    hub: Running, reporter: Visitor, officer: Visitor, clock: ManualClock,
) -> None:
    store, rules = hub.services.store, hub.services.extra["duty_rules"]
    async with store.read() as conn:
        others = await ledger.list_obligations(conn, kinds=["daily_report"], day="2026-11-23", limit=1_000)
    assert await draft_when_due(store, rules) is None
    for o in others:
        if o.department_id != "fire-rescue":
            assert await zero(officer, o.id) == 201
    clock.set(MORNING + timedelta(hours=4, minutes=1))
    later = msgspec.structs.replace(rules, digest=msgspec.structs.replace(rules.digest, at="18:30"))
    assert await draft_when_due(store, later) is None, "the district's own hour counts"
    assert await draft_when_due(store, rules) is not None and await draft_when_due(store, rules) is None
    await officer.ask("GET", "/api/v1/digests/2026-11-23")
    found = officer.body
    assert found["first_line"].startswith("未报送：区消防救援大队（截至18:01") and found["missing"] == ["fire-rescue"]
    sections = [{**s, "text": "今夜有雪，注意<路面>结冰。"} if s["id"] == "weather" else s for s in found["sections"]]
    assert await officer.ask("PUT", "/api/v1/digests/2026-11-23", {"sections": sections, "based_on": found["version"]}) == 200
    assert await officer.ask("PUT", "/api/v1/digests/2026-11-23", {"sections": sections, "based_on": found["version"]}) == 422
    assert await reporter.ask("POST", "/api/v1/digests/2026-11-23/sign", {"based_on": found["version"] + 1}) == 403
    assert await officer.ask("POST", "/api/v1/digests/2026-11-23/sign", {"based_on": found["version"] + 1}) == 200
    async with officer.client.get(f"{hub.web_url.rstrip('/')}/api/v1/digests/2026-11-23/word") as answer:
        document = Document(io.BytesIO(await answer.read()))
    lines = [p.text for p in document.paragraphs if p.text.strip()]
    assert lines[0].startswith("未报送：区消防救援大队") and any("今夜有雪，注意<路面>结冰。" in line for line in lines)
    rows = {row.cells[0].text: row.cells[1].text for row in document.tables[0].rows}
    assert rows["区消防救援大队"] == "未报送" and rows["区水利局"] == "零报告" and len(rows) == len(others) + 1
    assert await reporter.ask("GET", "/api/v1/groups/district") == 200
    assert reporter.body["pinned"]["text"].startswith("未报送：区消防救援大队") and reporter.body["pinned"]["digest_day"] == "2026-11-23"
    async with store.read() as conn:
        owed = await ledger.by_key(conn, "digest:2026-11-23")
    assert owed is not None and owed.state == "met"


async def test_a_bulletin_of_an_incident_reads_back_with_its_facts(hub: Running, officer: Visitor) -> None:
    view = await put_incident(hub.services.store, ("water-bureau", Tier.LEAD), grade="serious")
    async with officer.client.get(f"{hub.web_url.rstrip('/')}/api/v1/incidents/{view.id}/bulletin") as answer:
        assert answer.status == 200
        text = "\n".join(p.text for p in Document(io.BytesIO(await answer.read())).paragraphs)
    assert "要情快报" in text and view.title in text and view.no in text and "较大" in text and "13:00" in text


async def test_a_group_is_read_and_written_by_its_members_and_shows_who_has_read(hub: Running, reporter: Visitor, officer: Visitor) -> None:
    group = {"id": "flood", "zh": "防汛群", "en": "flood group", "departments": ["district-office", "water-bureau"]}
    assert await reporter.ask("POST", "/api/v1/groups", group) == 403
    assert await officer.ask("POST", "/api/v1/groups", group) == 200
    assert await officer.ask("POST", "/api/v1/groups/flood/posts", {"id": new_id(), "text": "@区水利局 请报水位"}) == 201
    assert officer.body["mentions"] == ["water-bureau"]
    async with hub.services.store.read() as conn:
        (owed,) = await ledger.list_obligations(conn, kinds=["group_feedback"])
    assert owed.department_id == "water-bureau"
    await reporter.ask("GET", "/api/v1/groups")
    assert reporter.body["items"][0]["unread"] == 1
    assert await reporter.ask("POST", "/api/v1/groups/flood/read", {"number": 9}) == 200
    assert await reporter.ask("POST", "/api/v1/groups/flood/posts", {"id": new_id(), "text": "水位 3.2 米"}) == 201
    async with hub.services.store.read() as conn:
        held = await ledger.get_obligation(conn, owed.id)
    assert held is not None and held.state == "met"
    await officer.ask("GET", "/api/v1/groups/flood")
    assert [p["number"] for p in officer.body["posts"]] == [2, 1]
    assert [(r["department_id"], r["number"]) for r in officer.body["reads"]] == [("water-bureau", 1)]
    async with Visitor(hub.web_url) as stranger:
        stranger.hold((await cookie_for(hub.services.store, Role.DEPARTMENT_REPORTER, department="fire-rescue"))[1])
        assert await stranger.ask("GET", "/api/v1/groups/flood") == 404
        assert await stranger.ask("POST", "/api/v1/groups/flood/posts", {"id": new_id(), "text": "x"}) == 404
        await stranger.ask("GET", "/api/v1/groups")
        assert stranger.body["items"] == []
        assert await heard_of_groups(stranger) == []
    written = ["group.saved", "group.posted", "group.read", "group.posted"]
    assert await heard_of_groups(officer) == await heard_of_groups(reporter) == written
    assert await officer.ask("POST", "/api/v1/groups", {**group, "departments": ["district-office"], "version": 1}) == 200
    assert await heard_of_groups(reporter) == ["group.read", "group.posted"], "who has left hears of what is its own, and of nothing else"


async def heard_of_groups(visitor: Visitor) -> list[str]:
    """What the feed tells somebody of sharing groups."""
    await visitor.ask("GET", "/api/v1/changes?after=0&limit=1000")
    return [change["kind"] for change in visitor.body["items"] if change["subject"] == "group:flood"]


async def uploaded(visitor: Visitor, data: bytes) -> dict[str, Any]:
    """A file sent to the hub; gives how it is named in a report or a post."""
    sha256, tus = hashlib.sha256(data).hexdigest(), {"Tus-Resumable": "1.0.0"}
    begin = {**tus, "Upload-Length": str(len(data)), "Upload-Metadata": "sha256 " + base64.b64encode(sha256.encode()).decode()}
    assert await visitor.ask("POST", "/api/v1/attachments", headers=begin) == 201
    sent = {**tus, "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    assert await visitor.ask("PATCH", visitor.answer_headers["Location"], raw=data, headers=sent) == 204
    return {"sha256": sha256, "name": "现场.jpg", "media_type": "image/jpeg", "size_bytes": len(data)}


async def test_files_of_reports_and_posts_are_read_by_whoever_reads_those_and_a_borrowed_hash_opens_nothing(
    hub: Running, reporter: Visitor, officer: Visitor,
) -> None:
    o, file = await duty(hub), await uploaded(officer, b"\xff\xd8 the officer's own photograph")
    group = {"id": "flood", "zh": "防汛群", "en": "flood group", "departments": ["district-office", "water-bureau"]}
    assert await officer.ask("POST", "/api/v1/groups", group) == 200
    posts = {}
    for name, visitor in (("officer", officer), ("reporter", reporter)):
        posts[name] = new_id()
        assert await visitor.ask("POST", "/api/v1/groups/flood/posts", {"id": posts[name], "text": "照片", "attachments": [file]}) == 201
    assert await reporter.ask("GET", f"/api/v1/groups/flood/posts/{posts['officer']}/attachments/{file['sha256']}") == 200
    assert await reporter.ask("GET", f"/api/v1/groups/flood/posts/{posts['reporter']}/attachments/{file['sha256']}") == 404
    assert await reporter.ask("POST", f"/api/v1/daily/{o.id}/file", {"id": new_id(), "values": {"incidents": 1, "files": [file]}}) == 201
    path = f"/api/v1/daily/{o.id}/attachments/{file['sha256']}"
    assert await reporter.ask("GET", path) == 404, "the reporter names a file that somebody else sent"
    await uploaded(reporter, b"\xff\xd8 the officer's own photograph")
    assert await reporter.ask("GET", path) == 200 and await officer.ask("GET", path) == 200
    async with Visitor(hub.web_url) as stranger:
        stranger.hold((await cookie_for(hub.services.store, Role.DEPARTMENT_REPORTER, department="fire-rescue"))[1])
        assert await stranger.ask("GET", path) == 404
        assert await stranger.ask("GET", f"/api/v1/groups/flood/posts/{posts['officer']}/attachments/{file['sha256']}") == 404


async def test_a_template_saved_counts_from_tomorrow_and_what_was_filed_keeps_its_version(hub: Running, officer: Visitor, reporter: Visitor) -> None:
    template = msgspec.to_builtins(packaged_book().templates[0])
    template["fields"] = template["fields"][:2]
    assert await reporter.ask("POST", "/api/v1/daily/templates", template) == 403
    assert await officer.ask("POST", "/api/v1/daily/templates", template) == 200
    assert officer.body["version"] == 2 and officer.body["valid_from"] == "2026-11-24"
    await reporter.ask("GET", f"/api/v1/daily/{(await duty(hub)).id}")
    assert len(reporter.body["template"]["fields"]) > 2
    await reporter.ask("GET", f"/api/v1/daily/{(await duty(hub, day='2026-11-24')).id}")
    assert len(reporter.body["template"]["fields"]) == 2


async def test_rows_are_made_once_and_a_report_cannot_be_filed_before_its_day(hub: Running, reporter: Visitor) -> None:
    assert await make_days(hub.services.store, hub.services.extra["duty_rules"]) == 0
    tomorrow = await duty(hub, day="2026-11-24")
    assert await zero(reporter, tomorrow.id) == 422 and reporter.body["code"] == "not_open_yet"
    assert "2026-11-24 00:00 开始" in reporter.body["message"]["zh"] and reporter.body["message"]["en"] == "it opens at 2026-11-24 00:00", "by the clock on the wall"
    async with hub.services.store.read() as conn:
        assert await get_digest(conn, date(2026, 11, 22).isoformat()) is None

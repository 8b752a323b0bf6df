"""Duties, the roster and notices over HTTP with real sign-in: what each role sees and may do, page by page and act by act."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.app import Running
from hub.clock import ManualClock, utc_text
from hub.domain.access import Role, Scope
from hub.domain.calendar import Calendar, year_is_known
from hub.domain.notice import NoticeState
from hub.domain.obligation import Obligation
from hub.ids import new_id
from hub.respond.schedule import tick
from hub.store import obligations as ledger
from hub.store import organisation
from hub.store.notices import list_notices
from tests.support.duty import MINUTE, NOW, owed, people, rules
from tests.support.gateway import Gateway
from tests.support.web_hub import Visitor, cookie_for, web_hub

RULES = rules()
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise's own import


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def hub(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Running]:
    async with web_hub(tmp_path, clock, notice_near="127.0.0.1") as running:
        running.services.extra["duty_rules"] = RULES
        async with running.services.store.transaction() as tx:
            await people(tx, "water-bureau", "fire-rescue")
        yield running


async def sign_in(hub: Running, visitor: Visitor, role: Role, department: str, scope: Scope | None = None) -> str:
    person, cookie = await cookie_for(hub.services.store, role, department=department, scope=scope)
    visitor.hold(cookie)
    return person


async def put(hub: Running, *which: object, **other: object) -> list[Obligation]:
    async with hub.services.store.transaction() as tx:
        return await ledger.make(tx, RULES, [owed(n, **other) for n in which], actor="system:test")  # type: ignore[arg-type]


async def test_a_reporter_sees_the_duties_of_its_own_department_and_no_other(hub: Running) -> None:
    await put(hub, 1, 2)
    (foreign,) = await put(hub, 3, department="fire-rescue")
    async with Visitor(hub.web_url) as visitor:
        await sign_in(hub, visitor, Role.DEPARTMENT_REPORTER, "water-bureau")
        assert await visitor.ask("GET", "/api/v1/obligations?owed=true") == 200
        assert {o["key"] for o in visitor.body["items"]} == {"test:1", "test:2"}
        assert await visitor.ask("GET", f"/api/v1/obligations/{foreign.id}") == 404
        assert await visitor.ask("POST", f"/api/v1/obligations/{foreign.id}/acknowledge", {}) == 404


async def test_pages_follow_each_other_without_gap_or_repetition(hub: Running) -> None:
    await put(hub, *range(7))
    async with Visitor(hub.web_url) as visitor:
        await sign_in(hub, visitor, Role.DUTY_OFFICER, "district-office", Scope.ALL)
        seen: list[str] = []
        after = ""
        while after is not None:
            assert await visitor.ask("GET", f"/api/v1/obligations?limit=3&kind=test{after}") == 200
            seen += [o["key"] for o in visitor.body["items"]]
            after = f"&after={visitor.body['next']}" if visitor.body["next"] else None
        assert sorted(seen) == [f"test:{n}" for n in range(7)]
        assert await visitor.ask("GET", "/api/v1/obligations?after=nonsense") == 422


async def test_one_duty_shows_who_was_told_when_what_comes_next_and_what_one_may_do(hub: Running, clock: ManualClock) -> None:
    (made,) = await put(hub, 1)
    for minute in (20, 30):
        clock.set(NOW + minute * MINUTE)
        await tick(hub.services.store, RULES)
    async with Visitor(hub.web_url) as visitor:
        await sign_in(hub, visitor, Role.DEPARTMENT_REPORTER, "water-bureau")
        assert await visitor.ask("GET", f"/api/v1/obligations/{made.id}") == 200
    body = visitor.body
    assert [(e["step"], e["outcome"], e["persons"]) for e in body["escalations"]] == [(n, "taken", ["water-bureau.duty-person"]) for n in (1, 2)]
    assert [p["step"] for p in body["planned"]] == [3, 4]
    assert set(body["may"]) == {"acknowledge", "meet"}


async def test_acknowledge_then_meet_with_evidence_and_the_ladder_is_over(hub: Running, clock: ManualClock) -> None:
    (made,) = await put(hub, 1)
    async with Visitor(hub.web_url) as visitor:
        person = await sign_in(hub, visitor, Role.DEPARTMENT_REPORTER, "water-bureau")
        assert await visitor.ask("POST", f"/api/v1/obligations/{made.id}/acknowledge", {"for_min": 5}) == 200
        assert visitor.body["ack_by"] == f"person:{person}"
        assert await visitor.ask("POST", f"/api/v1/obligations/{made.id}/meet", {"ref": "phone:14:10", "note": "电话已报"}) == 200
        assert (visitor.body["state"], visitor.body["evidence"]["zh"]) == ("met", "电话已报")
        assert await visitor.ask("POST", f"/api/v1/obligations/{made.id}/meet", {"ref": "x"}) == 422
        assert visitor.body["code"] == "obligation_state"


async def test_what_only_a_filing_can_meet_cannot_be_ticked_off_by_hand(hub: Running) -> None:
    (made,) = await put(hub, "d", kind="daily_report")
    async with Visitor(hub.web_url) as visitor:
        await sign_in(hub, visitor, Role.DEPARTMENT_REPORTER, "water-bureau")
        assert await visitor.ask("POST", f"/api/v1/obligations/{made.id}/meet", {"ref": "x"}) == 422
        assert visitor.body["code"] == "not_by_hand"


async def test_excusing_and_unlocking_are_the_leader_s_and_need_a_reason(hub: Running) -> None:
    (made,) = await put(hub, 1)
    one = f"/api/v1/obligations/{made.id}"
    async with Visitor(hub.web_url) as reporter, Visitor(hub.web_url) as officer, Visitor(hub.web_url) as leader:
        await sign_in(hub, reporter, Role.DEPARTMENT_REPORTER, "water-bureau")
        await sign_in(hub, officer, Role.DUTY_OFFICER, "district-office", Scope.ALL)
        await sign_in(hub, leader, Role.LEADER, "district-office", Scope.ALL)
        for visitor in (reporter, officer):
            for act in ("excuse", "unlock"):
                assert await visitor.ask("POST", f"{one}/{act}", {"reason": "x"}) == 403
        assert await leader.ask("POST", f"{one}/excuse", {"reason": " "}) == 422
        assert await leader.ask("POST", f"{one}/excuse", {"reason": "停报"}) == 200
        assert leader.body["state"] == "excused"
        later = utc_text(NOW + timedelta(hours=4))
        assert await leader.ask("POST", f"{one}/unlock", {"reason": "误操作", "due_at": later}) == 200
        assert (leader.body["state"], leader.body["round"]) == ("open", 2)
        assert await leader.ask("POST", f"{one}/unlock", {"reason": "x", "due_at": "2026-11-24T00:00:00"}) == 422


async def test_the_rules_and_the_calendar_are_readable_and_name_their_sources(hub: Running) -> None:
    async with Visitor(hub.web_url) as visitor:
        await sign_in(hub, visitor, Role.DEPARTMENT_REPORTER, "water-bureau")
        assert await visitor.ask("GET", "/api/v1/duty/rules") == 200
        assert all(row["source"] and row["edition"] for row in visitor.body["limits"])
        assert await visitor.ask("GET", "/api/v1/duty/calendar?first=2025-10-01&days=12") == 200
        assert [d["kind"] for d in visitor.body["days"]][-4:] == ["workday", "workday", "makeup", "weekend"]
        assert visitor.body["needs_table"] is None
        assert await visitor.ask("GET", "/api/v1/duty/calendar?first=9999-12-31&days=400") == 422


async def test_from_1_december_on_the_officers_are_asked_for_next_year_s_table_until_the_administrator_has_imported_it(
    hub: Running, clock: ManualClock,
) -> None:
    """The year is the last one that the holiday library holds; the district's midnight is 16:00 UTC."""
    year = max(y for y in range(2024, 2060) if year_is_known(Calendar(), y))
    one = "/api/v1/duty/data/calendar_overrides"

    async def asked(visitor: Visitor) -> list[int | None]:
        found = []
        for page in ("/api/v1/board", f"/api/v1/duty/calendar?first={year + 1}-01-01&days=10"):
            assert await visitor.ask("GET", page) == 200, visitor.body
            found.append(visitor.body["needs_table"])
        return found

    clock.set(datetime(year, 11, 30, 15, 59, 59, tzinfo=UTC))
    async with Visitor(hub.web_url) as admin, Visitor(hub.web_url) as officer:
        await sign_in(hub, admin, Role.SYSTEM_ADMIN, "district-office")
        await sign_in(hub, officer, Role.DUTY_OFFICER, "district-office", Scope.ALL)
        assert await asked(officer) == [None, None]
        clock.advance(timedelta(seconds=1))
        assert await asked(officer) == [year + 1, year + 1]
        assert [d["basis"] for d in officer.body["days"]][:1] == ["weekday"]
        assert await admin.ask("GET", one) == 200
        table = {**admin.body["document"], "complete_years": [year + 1], "days": [
            {"day": f"{year + 1}-01-01", "kind": "holiday", "zh": "元旦", "en": "New Year", "source": "国办通知"}]}
        assert await officer.ask("PUT", one, {"document": table, "reason": "x"}) == 403
        assert await admin.ask("PUT", one, {"document": table, "reason": "补录"}) == 200, admin.body
        assert await asked(officer) == [None, None]
        assert (officer.body["days"][0]["kind"], officer.body["days"][0]["basis"]) == ("holiday", "override")


async def test_an_administrator_changes_a_limit_and_faulty_data_is_refused_whole(hub: Running) -> None:
    async with Visitor(hub.web_url) as admin, Visitor(hub.web_url) as officer:
        await sign_in(hub, admin, Role.SYSTEM_ADMIN, "district-office")
        await sign_in(hub, officer, Role.DUTY_OFFICER, "district-office", Scope.ALL)
        assert await officer.ask("GET", "/api/v1/duty/data/statutory_limits") == 403
        assert await admin.ask("GET", "/api/v1/duty/data/statutory_limits") == 200
        document = admin.body["document"]
        row = next(row for row in document["limits"] if row["id"] == "desk-ack")
        row["screen_min"] = 5
        one = "/api/v1/duty/data/statutory_limits"
        assert await admin.ask("PUT", one, {"document": document, "reason": ""}) == 422
        assert await admin.ask("PUT", one, {"document": document, "reason": "本区规定5分钟"}) == 200
        assert await officer.ask("GET", "/api/v1/duty/rules") == 200
        assert next(row["screen_min"] for row in officer.body["limits"] if row["id"] == "desk-ack") == 5
        row["source"] = " "
        assert await admin.ask("PUT", one, {"document": document, "reason": "x"}) == 422 and admin.body["code"] == "duty_data"
        assert await admin.ask("PUT", one, {"document": {"limits": 7}, "reason": "x"}) == 422
        assert await admin.ask("PUT", "/api/v1/duty/data/nothing", {"document": {}, "reason": "x"}) == 422
        assert await admin.ask("PUT", one, {"document": None, "reason": "恢复"}) == 200
        assert await officer.ask("GET", "/api/v1/duty/rules") == 200
        assert next(row["screen_min"] for row in officer.body["limits"] if row["id"] == "desk-ack") == 3


async def test_every_version_of_duty_data_stays_and_an_older_one_is_taken_up_again(hub: Running) -> None:
    one = "/api/v1/duty/data/ladders"
    async with Visitor(hub.web_url) as admin, Visitor(hub.web_url) as other:
        by = await sign_in(hub, admin, Role.SYSTEM_ADMIN, "district-office")
        await sign_in(hub, other, Role.SYSTEM_ADMIN, "district-office")
        assert await admin.ask("GET", one) == 200
        packaged = admin.body["document"]
        assert (admin.body["packaged"], admin.body["versions"]) == (packaged, [])
        quicker = json.loads(json.dumps(packaged))
        quicker["ladders"]["daily"]["steps"][3]["offset_min"] = 30
        assert await admin.ask("PUT", one, {"document": quicker, "reason": "三十分钟", "based_on": 0}) == 200, admin.body
        assert await other.ask("PUT", one, {"document": packaged, "reason": "同时改", "based_on": 0}) == 422
        assert other.body["code"] == "changed_meanwhile"
        wrong = json.loads(json.dumps(quicker))
        wrong["ladders"]["daily"]["steps"][3]["whom"] = []
        assert await admin.ask("PUT", one, {"document": wrong, "reason": "x", "based_on": 1}) == 422
        assert admin.body["field"] == "ladders.daily.steps.3.whom" and "没有通知对象" in admin.body["message"]["zh"]
        assert await admin.ask("PUT", one, {"document": None, "reason": "撤回", "based_on": 1}) == 200
        assert await admin.ask("GET", one) == 200 and admin.body["document"] == packaged
        newest, first = admin.body["versions"]
        assert [(v["version"], v["reason"], v["document"]) for v in (newest, first)] == [(2, "撤回", None), (1, "三十分钟", quicker)]
        assert first["by"] == f"person:{by}" and first["at"]
        assert await admin.ask("PUT", one, {"document": first["document"], "reason": "恢复第 1 版", "based_on": 2}) == 200
        assert await admin.ask("GET", one) == 200 and admin.body["document"] == quicker
        assert hub.services.extra["duty_rules"].ladder("daily").steps[3].offset_min == 30


async def test_the_roster_says_who_is_on_and_where_nobody_is(hub: Running) -> None:
    async with Visitor(hub.web_url) as visitor:
        me = await sign_in(hub, visitor, Role.DUTY_OFFICER, "water-bureau")
        shift = {"post_id": "water-bureau.duty", "person_id": me, "starts_at": utc_text(NOW - timedelta(hours=1)),
                 "ends_at": utc_text(NOW + timedelta(hours=7))}
        assert await visitor.ask("POST", "/api/v1/roster/shifts", shift) == 200
        assert await visitor.ask("POST", "/api/v1/roster/shifts", shift) == 422 and visitor.body["code"] == "shift_overlap"
        assert await visitor.ask("GET", "/api/v1/roster/now") == 200
        on = {row["post"]["id"]: row for row in visitor.body["items"]}
        assert (on["water-bureau.duty"]["persons"], on["water-bureau.duty"]["via"]) == ([me], "shift")
        first, last = utc_text(NOW).replace(":", "%3A"), utc_text(NOW + timedelta(hours=24)).replace(":", "%3A")
        assert await visitor.ask("GET", f"/api/v1/roster/shifts?post=water-bureau.duty&first={first}&last={last}") == 200
        assert len(visitor.body["gaps"]) == 1
        assert await visitor.ask("POST", "/api/v1/roster/shifts", {**shift, "post_id": "fire-rescue.duty"}) == 403


async def test_nobody_is_put_on_duty_who_is_not_there_and_no_shift_is_taken_from_another_department(hub: Running) -> None:
    async with Visitor(hub.web_url) as water, Visitor(hub.web_url) as fire:
        me, other = await sign_in(hub, water, Role.DUTY_OFFICER, "water-bureau"), await sign_in(hub, fire, Role.DUTY_OFFICER, "fire-rescue")
        times = {"starts_at": utc_text(NOW), "ends_at": utc_text(NOW + timedelta(hours=8))}
        shift = {"post_id": "water-bureau.duty", "person_id": me, **times}
        for wrong in ({"person_id": "nobody"}, {"substitute_id": "nobody"}):
            assert await water.ask("POST", "/api/v1/roster/shifts", shift | wrong) == 422
            assert (water.body["code"], water.body["field"]) == ("unknown_person", next(iter(wrong)))
        assert await water.ask("POST", "/api/v1/roster/shifts", shift) == 200
        taken = {"id": water.body["id"], "version": water.body["version"], "post_id": "fire-rescue.duty", "person_id": other, **times}
        assert await fire.ask("POST", "/api/v1/roster/shifts", taken) == 403
        assert await water.ask("POST", "/api/v1/roster/swaps", {"shift_id": taken["id"], "to_person": "nobody"}) == 422
        assert await water.ask("POST", "/api/v1/roster/handovers", {"post_id": "water-bureau.duty", "to_person": "nobody"}) == 422
        async with hub.services.store.transaction() as tx:
            await organisation.leave(tx, other, by="person:admin", reason="调离")
        assert await water.ask("POST", "/api/v1/roster/shifts", shift | {"id": taken["id"], "version": taken["version"], "substitute_id": other}) == 422


async def test_a_swap_counts_only_with_the_other_person_s_consent(hub: Running) -> None:
    async with Visitor(hub.web_url) as one, Visitor(hub.web_url) as other, Visitor(hub.web_url) as officer:
        a = await sign_in(hub, one, Role.DEPARTMENT_REPORTER, "water-bureau")
        b = await sign_in(hub, other, Role.DEPARTMENT_REPORTER, "water-bureau")
        await sign_in(hub, officer, Role.DUTY_OFFICER, "water-bureau")
        assert await officer.ask("POST", "/api/v1/roster/shifts", {"post_id": "water-bureau.duty", "person_id": a, "starts_at": utc_text(NOW),
                                                                   "ends_at": utc_text(NOW + timedelta(hours=8))}) == 200
        shift = officer.body["id"]
        assert await one.ask("POST", "/api/v1/roster/swaps", {"shift_id": shift, "to_person": b}) == 200
        swap = one.body["id"]
        assert await one.ask("POST", f"/api/v1/roster/swaps/{swap}/accept") == 422
        assert await other.ask("GET", "/api/v1/roster/swaps") == 200 and [s["id"] for s in other.body["items"]] == [swap]
        assert await other.ask("POST", f"/api/v1/roster/swaps/{swap}/accept") == 200
        assert await one.ask("GET", "/api/v1/roster/now") == 200
        on = {row["post"]["id"]: row["persons"] for row in one.body["items"]}
        assert on["water-bureau.duty"] == [b]


async def test_a_handover_lists_every_open_duty_and_is_owed_an_acknowledgement(hub: Running) -> None:
    made = await put(hub, 1, 2)
    async with Visitor(hub.web_url) as one, Visitor(hub.web_url) as other:
        await sign_in(hub, one, Role.DUTY_OFFICER, "water-bureau")
        b = await sign_in(hub, other, Role.DUTY_OFFICER, "water-bureau")
        assert await one.ask("POST", "/api/v1/roster/handovers", {"post_id": "water-bureau.duty", "to_person": b, "note": "二号闸检修"}) == 200
        handover = one.body
        assert set(handover["open_obligations"]) == {o.id for o in made}
        assert await one.ask("POST", f"/api/v1/roster/handovers/{handover['id']}/acknowledge") == 422
        assert await other.ask("POST", f"/api/v1/roster/handovers/{handover['id']}/acknowledge") == 200
        assert await other.ask("GET", f"/api/v1/obligations/{handover['obligation_id']}") == 200
        assert other.body["obligation"]["state"] == "met"
        assert await one.ask("POST", "/api/v1/roster/handovers", {"post_id": "water-bureau.duty", "to_person": b}) == 200
        second = f"/api/v1/roster/handovers/{one.body['id']}"
        assert await one.ask("POST", f"{second}/refuse", {"reason": "不行"}) == 422 and one.body["code"] == "not_your_handover"
        assert await other.ask("POST", f"{second}/refuse", {"reason": ""}) == 422 and other.body["code"] == "reason_needed"
        assert await other.ask("POST", f"{second}/refuse", {"reason": "二号闸未列入"}) == 200 and other.body["state"] == "refused"
        assert await one.ask("GET", "/api/v1/roster/handovers") == 200 and list(one.body["refused"].values()) == ["二号闸未列入"]


async def test_contacts_are_shown_masked_kept_when_saved_masked_and_tested_for_real(hub: Running) -> None:
    async with Gateway(answers=(403,)) as gateway, Visitor(hub.web_url) as visitor:
        await sign_in(hub, visitor, Role.DUTY_OFFICER, "water-bureau")
        body = {"post_id": "water-bureau.duty", "name": "值班微信群", "address": gateway.url}
        assert await visitor.ask("PUT", "/api/v1/contacts/new", body) == 200
        contact = visitor.body
        assert "127.0.0.1" not in contact["address"] and contact["state"] == "unknown"
        assert await visitor.ask("PUT", f"/api/v1/contacts/{contact['id']}", {**body, "address": contact["address"], "name": "值班群"}) == 200
        assert await visitor.ask("POST", f"/api/v1/contacts/{contact['id']}/test") == 422 and "403" in visitor.body["message"]["en"]
        assert await visitor.ask("POST", f"/api/v1/contacts/{contact['id']}/test") == 200
        assert len(gateway.got) == 1
        assert await visitor.ask("GET", "/api/v1/contacts") == 200
        assert [(c["name"], c["state"]) for c in visitor.body["items"]] == [("值班群", "reachable")]
        assert "water-bureau.leader" in visitor.body["bare"] and "water-bureau.duty" not in visitor.body["bare"]
        assert await visitor.ask("PUT", "/api/v1/contacts/new", {**body, "post_id": "fire-rescue.duty"}) == 403
        assert await visitor.ask("PUT", "/api/v1/contacts/new", {**body, "address": "no address"}) == 422


async def test_a_message_to_posts_goes_through_the_outbox_and_can_be_read(hub: Running) -> None:
    async with Visitor(hub.web_url) as officer, Visitor(hub.web_url) as reader, Visitor(hub.web_url) as elsewhere:
        await sign_in(hub, officer, Role.DUTY_OFFICER, "water-bureau")
        await sign_in(hub, reader, Role.DEPARTMENT_REPORTER, "water-bureau")
        await sign_in(hub, elsewhere, Role.DEPARTMENT_REPORTER, "fire-rescue")
        body = {"posts": ["water-bureau.duty"], "title": "防汛提醒", "text": "今晚有暴雨", "urgent": True}
        assert await officer.ask("POST", "/api/v1/notices", body) == 200
        (notice,) = officer.body["items"]
        assert (notice["channel"], notice["title"], notice["state"]) == ("console", "防汛提醒", "sent")
        assert await officer.ask("POST", "/api/v1/notices", {**body, "posts": ["fire-rescue.duty"]}) == 403
        assert await reader.ask("GET", "/api/v1/notices?post=water-bureau.duty") == 200 and len(reader.body["items"]) == 1
        assert await reader.ask("GET", "/api/v1/notices/pending") == 200
        assert [(n["id"], n["title_en"]) for n in reader.body["items"]] == [(notice["id"], "防汛提醒")] and reader.body["rules"] == {}, "no duty, no rule"
        assert await elsewhere.ask("GET", "/api/v1/notices/pending") == 200 and elsewhere.body["items"] == []
        assert await elsewhere.ask("POST", "/api/v1/notices/read", {"ids": [notice["id"]]}) == 404
        assert await reader.ask("POST", "/api/v1/notices/read", {"ids": [notice["id"], new_id()]}) == 404, "all or none"
        assert await reader.ask("GET", "/api/v1/notices/pending") == 200 and len(reader.body["items"]) == 1
        assert await reader.ask("POST", "/api/v1/notices/read", {"ids": [notice["id"]]}) == 200
        assert await reader.ask("GET", "/api/v1/notices/pending") == 200 and reader.body["items"] == []
        assert await reader.ask("POST", f"/api/v1/notices/{notice['id']}/read") == 200 and reader.body["read_by"]
        assert await reader.ask("POST", f"/api/v1/notices/{notice['id']}/again") == 403
        assert await officer.ask("POST", f"/api/v1/notices/{notice['id']}/again") == 422
        assert await officer.ask("POST", f"/api/v1/notices/{new_id()}/read") == 404
    async with hub.services.store.read() as conn:
        assert [n.state for n in await list_notices(conn)] == [NoticeState.SENT]


async def test_nobody_sees_anything_without_signing_in(hub: Running) -> None:
    async with Visitor(hub.web_url) as visitor:
        for path in ("/api/v1/obligations", "/api/v1/roster/now", "/api/v1/notices", "/api/v1/contacts", "/api/v1/duty/rules"):
            assert await visitor.ask("GET", path) == 401

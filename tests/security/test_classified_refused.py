"""涉密勿录 on a running hub: no channel takes what looks classified, the answer says why and where, and nothing of it stays on the disk."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from msgspec import Struct

from hub.domain.access import MACHINES, Action, Role
from hub.domain.change import KINDS, Change, ChangeBody
from hub.domain.classified import ClassifiedConfirmed, ClassifiedSuspected
from hub.domain.report import Channel
from hub.errors import Rejected
from hub.ids import new_id
from hub.ingest.intake import Source
from hub.store import changes_after
from hub.store.quarantine import Quarantined, list_quarantine
from hub.web.app import all_routes
from hub.web.route import PUBLIC, SEEN, Route
from hub.wire import ReceiptStatus
from tests.support.district import NOW, POLICY
from tests.support.examples import example, is_valid
from tests.support.furnished import World
from tests.support.nouns import DAY
from tests.support.tables import workbook
from tests.support.web_hub import Visitor, cookie_for

SIGN = "Kx7Qz"
TEXT = f"绝密{SIGN}"
DOUBTFUL = f"部队番号{SIGN}"
NOT_LOOKED_OVER = {"/api/v1/classified", "/api/v1/session/password", "/api/v1/quarantine/{id}/replay"}
"""Looking is the act itself; a secret, which is stored as a hash; the intake looks."""
TAKES_BYTES = {
    "/api/v1/reports", "/api/v1/daily", "/api/v1/daily/{duty}/sheet", "/api/v1/organisation/import", "/api/v1/resources/import", "/api/v1/plans",
    "/api/v1/plans/check", "/z/{token}",
}
"""Bodies that the handler reads: each is tried below, but for the linter of plans, which stores nothing."""


def report(**given: Any) -> dict[str, Any]:
    return {"id": new_id(), "kind": "initial", "occurred_at": NOW.isoformat(), "title": "车辆起火", "place": {"text": "G204"}, **given}


def daily(**given: Any) -> dict[str, Any]:
    return {"id": new_id(), "department": "fire-rescue", "template": "daily", "day": DAY, "zero": True, **given}


async def kept(world: World) -> list[Quarantined]:
    async with world.store.read() as conn:
        return [row for row in await list_quarantine(conn, state=None) if row.reason == "classified"]


def traces(folder: Path) -> list[str]:
    """The files below the hub's folder that have the sign in them."""
    return [str(path) for path in folder.rglob("*") if path.is_file() and SIGN.encode() in path.read_bytes()]


def spoilt(kind: type[Struct], text: str) -> dict[str, Any] | None:
    """A body that the decoder takes with the text in it; None where the type has no place for one."""
    plain = example(kind)
    for field in msgspec.structs.fields(kind):
        for value in (text, [text], {"k": text}):
            if is_valid(kind, body := plain | {field.encode_name: value}):
                return body
    return None


def looked_over(text: str) -> Iterator[tuple[Route, dict[str, Any]]]:
    for route in all_routes():
        if route.action != PUBLIC and route.path not in NOT_LOOKED_OVER and isinstance(route.body, type) and route.body is not bytes:
            body = spoilt(route.body, text)
            if body is not None:
                yield route, body


async def filled_in(world: World, visitor: Visitor, text: str) -> AsyncIterator[tuple[Route, dict[str, Any]]]:
    """Every form with this text in it, each filled in by somebody who may."""
    cookies = {role: (await cookie_for(world.store, role, department="district-office", enterprise="e1" if role is Role.ENTERPRISE_CONTACT else None))[1]
               for role in Role if role not in MACHINES}
    for route, body in looked_over(text):
        held_by = POLICY.document.actions[Action(route.action)].roles
        visitor.hold(cookies[next((role for role in cookies if role in held_by), Role.OPERATOR)])
        yield route, body


async def test_every_form_of_the_hub_refuses_it_whoever_fills_it_in(world: World, tmp_path: Path) -> None:
    tried = 0
    async with Visitor(world.hub.web_url) as visitor:
        async for route, body in filled_in(world, visitor, TEXT):
            assert await visitor.ask(route.method, re.sub(r"\{[^}]*\}", "1", route.path), body) == 422, (route.path, visitor.body)
            assert visitor.body["code"] == "classified", route.path
            assert visitor.body["field"] and SIGN not in str(visitor.body), route.path
            tried += 1
    assert tried > 50
    assert traces(tmp_path) == []


async def test_no_form_takes_a_doubtful_text_before_its_author_says_that_he_saw_the_warning(world: World) -> None:
    tried = stored = 0
    async with Visitor(world.hub.web_url) as visitor:
        async for route, body in filled_in(world, visitor, DOUBTFUL):
            if not route.asks_to_confirm:
                continue
            path = re.sub(r"\{[^}]*\}", "1", route.path)
            for header in ({}, {SEEN: "0" * 12}):
                assert await visitor.ask(route.method, path, body, headers=header) == 422, (route.path, visitor.body)
                assert visitor.body["code"] == "classified_warning", (route.path, visitor.body)
                assert SIGN not in str(visitor.body), route.path
            before = await world.store.head()
            status = await visitor.ask(route.method, path, body, headers={SEEN: ",".join(hit["mark"] for hit in visitor.body["warnings"])})
            assert "classified_warning" not in str(visitor.body), route.path
            assert len(await kinds(world, before, ClassifiedConfirmed)) == (status < 400), (route.path, visitor.body)
            stored += status < 400
            tried += 1
    assert 5 < stored < tried
    assert tried > 50
    assert {(route.method, route.path) for route in all_routes() if not route.asks_to_confirm} == {
        ("POST", "/api/v1/triage"), ("POST", "/api/v1/daily/{duty}/evidence"), ("PUT", "/api/v1/daily/{duty}/draft")}


async def kinds(world: World, after: int, kind: type[ChangeBody]) -> list[Change]:
    """The changes of a kind since then."""
    name = next(found.kind for found in KINDS.values() if found.body is kind)
    async with world.store.read() as conn:
        return [change for change in await changes_after(conn, after, limit=100) if change.kind == name]


async def test_a_report_by_a_person_waits_for_the_confirmation_and_one_by_a_device_is_stored_and_marked(world: World) -> None:
    doubtful = report(text=DOUBTFUL)
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.DUTY_OFFICER)
        for channel in ("web", "phone"):
            assert await visitor.ask("POST", f"/api/v1/reports?channel={channel}", doubtful) == 422
            assert (visitor.body["code"], visitor.body["field"]) == ("classified_warning", "text")
        seen = {SEEN: ",".join(hit["mark"] for hit in visitor.body["warnings"])}
        before = await world.store.head()
        assert await visitor.ask("POST", "/api/v1/reports", doubtful, headers=seen) == 201
        (confirmed,) = await kinds(world, before, ClassifiedConfirmed)
        assert (confirmed.actor.partition(":")[0], SIGN in str(confirmed)) == ("person", False)
        assert (confirmed.subject, confirmed.incident_id) == (f"report:{doubtful['id']}", doubtful["id"]), "it stands in the timeline"
        assert await kinds(world, before, ClassifiedSuspected) == []
    before = await world.store.head()
    source, filed = Source("agent:a-1", agent_id="a-1", department_id="fire-rescue"), report(text=DOUBTFUL)
    for what, message in (("report", filed), ("report", filed), ("report", report())):
        receipt = await world.hub.services.intake.submit(what, msgspec.json.encode(message), source, Channel.MQTT)
        assert receipt.status in (ReceiptStatus.STORED, ReceiptStatus.DUPLICATE)
    (suspected,) = await kinds(world, before, ClassifiedSuspected)
    assert (suspected.subject, suspected.incident_id) == (f"report:{filed['id']}", filed["id"])


async def test_a_form_that_is_refused_leaves_no_confirmation_and_one_that_is_stored_has_it_in_the_same_transaction(world: World) -> None:
    noted = world.nouns.one("incident", "mine").path["id"]
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.OPERATOR, "district-office")
        late = {"department_id": "water-bureau", "tier": "assist", "reason": DOUBTFUL, "until_at": "2020-01-01T00:00:00Z"}
        for path, body, status in ((f"/api/v1/incidents/{noted}/shares", late, 422), ("/api/v1/reports", report(text=DOUBTFUL, kind="follow_up"), 422),
                                   (f"/api/v1/incidents/{noted}/note", {"text": DOUBTFUL}, 200)):
            assert await visitor.ask("POST", path, body) == 422
            seen = {SEEN: ",".join(hit["mark"] for hit in visitor.body["warnings"])}
            before = await world.store.head()
            assert await visitor.ask("POST", path, body, headers=seen) == status, visitor.body
            assert len(await kinds(world, before, ClassifiedConfirmed)) == (status == 200), (path, visitor.body)
    async with world.store.read() as conn:
        at = {change.kind: change.at for change in await changes_after(conn, before, limit=10)}
    assert at["classified.confirmed"] == at["incident.noted"]


async def test_a_devices_text_that_a_person_confirms_from_quarantine_keeps_his_confirmation_and_no_mark(world: World) -> None:
    source, sent = Source("agent:a-1", agent_id="a-1", department_id="fire-rescue"), report(text=DOUBTFUL, occurred_at="2011-01-01T00:00:00Z")
    assert (await world.hub.services.intake.submit("report", msgspec.json.encode(sent), source, Channel.MQTT)).status is ReceiptStatus.REJECTED
    async with world.store.read() as conn:
        (row,) = [row for row in await list_quarantine(conn, state="waiting") if row.message_id == sent["id"]]
    again, corrected = f"/api/v1/quarantine/{row.id}/replay", {"payload": msgspec.json.encode(sent | {"occurred_at": NOW.isoformat()}).decode()}
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.OPERATOR, "district-office")
        assert await visitor.ask("POST", again, corrected) == 422
        seen = {SEEN: ",".join(hit["mark"] for hit in visitor.body["warnings"])}
        before = await world.store.head()
        assert await visitor.ask("POST", again, {"payload": None}, headers=seen) == 422, "still too old"
        assert await kinds(world, before, ClassifiedConfirmed) == []
        assert await visitor.ask("POST", again, corrected, headers=seen) == 200, visitor.body
    (confirmed,) = await kinds(world, before, ClassifiedConfirmed)
    assert (confirmed.actor.partition(":")[0], confirmed.subject) == ("person", f"report:{sent['id']}")
    assert await kinds(world, before, ClassifiedSuspected) == []


async def test_a_signed_link_shows_the_warning_and_takes_the_text_the_second_time(world: World) -> None:
    duty = world.nouns.one("daily", "other").path["duty"]
    page = f"/z/{world.hub.services.extra['links'].token(duty)}"
    form = {"id": new_id(), "explanation": f"与{DOUBTFUL}无关"}
    async with Visitor(world.hub.web_url, headers={"Content-Type": "application/x-www-form-urlencoded"}) as visitor:
        assert await visitor.ask("POST", page, raw=urlencode(form).encode()) == 422
        assert "疑似涉密" in visitor.body
        (seen,) = re.findall(r'name="seen" value="([^"]+)"', visitor.body)
        before = await world.store.head()
        assert await visitor.ask("POST", page, raw=urlencode(form | {"seen": seen}).encode()) == 200, visitor.body
    (confirmed,) = await kinds(world, before, ClassifiedConfirmed)
    assert page not in str(confirmed), "the link's token is a secret"


def test_every_route_that_takes_bytes_is_known_here() -> None:
    assert {route.path for route in all_routes() if route.body is bytes} == TAKES_BYTES
    assert {route.path for route in all_routes() if not route.looked_over} == NOT_LOOKED_OVER


MESSAGES = [
    ("report", report(text=TEXT), "text"), ("report", report(reporter={"name": TEXT}), "reporter.name"), ("report", report(hazmat=[{"name": TEXT}]), "hazmat.0.name"),
    ("report", report(attachments=[{"sha256": "0" * 64, "name": TEXT, "media_type": "a/b", "size_bytes": 1}]), "attachments.0.name"),
    ("report", report(occurred_at="2011-01-01T00:00:00Z", text=TEXT), "text"), ("report", report(incident_id=TEXT), "incident_id"), ("report", report() | {"id": TEXT}, "id"),
    ("report", report(**{TEXT: 1}), "keys"), ("daily", daily(note=TEXT), "note"), ("daily", daily(values={"x": TEXT}, zero=False), "values.x"), ("elsewhere", {"text": TEXT}, "text"),
]


@pytest.mark.parametrize("channel", [Channel.MQTT, Channel.WEB, Channel.PHONE])
async def test_no_message_is_kept_by_whatever_channel_and_whatever_else_is_wrong_with_it(world: World, tmp_path: Path, channel: Channel) -> None:
    source = Source("agent:a-1", agent_id="a-1", department_id="fire-rescue")
    for what, message, field in MESSAGES:
        for payload in (msgspec.json.encode(message), msgspec.json.encode(message).decode().encode("ascii", "backslashreplace")):
            receipt = await world.hub.services.intake.submit(what, payload, source, channel)
            assert (receipt.status, receipt.reason, receipt.field) == (ReceiptStatus.REJECTED, "classified", field), message
    broken = await world.hub.services.intake.submit("report", f'{{"text": "{TEXT}"'.encode(), source, channel)
    assert broken.reason == "classified"
    world.hub.services.intake.refuse("report", msgspec.json.encode(report(text=TEXT)), source, channel, Rejected("unknown_agent", "…", "…"))
    await world.hub.services.intake.submit("report", msgspec.json.encode(report()), source, channel)  # what came before it is settled
    rows = await kept(world)
    assert len(rows) > len(MESSAGES) / 2
    assert all((row.payload, row.size_bytes) == ("", 0) for row in rows)
    assert all(row.message_id is None or SIGN not in row.message_id for row in rows)
    assert traces(tmp_path) == []


async def test_what_was_not_kept_can_be_written_anew_and_is_not_replayed_empty(world: World) -> None:
    source = Source("agent:a-1", agent_id="a-1", department_id="fire-rescue")
    refused = report(text=TEXT)
    await world.hub.services.intake.submit("report", msgspec.json.encode(refused), source, Channel.MQTT)
    (row,) = await kept(world)
    assert (row.message_id, row.field, row.agent_id) == (refused["id"], "text", "a-1"), "the desk knows whom to ask"
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.OPERATOR, "district-office")
        again = f"/api/v1/quarantine/{row.id}/replay"
        assert await visitor.ask("POST", again, {"payload": None}) == 422
        assert visitor.body["code"] == "content_not_kept"
        assert await visitor.ask("POST", again, {"payload": msgspec.json.encode(refused).decode()}) == 422
        assert visitor.body["reason"] == "classified"
        assert await visitor.ask("POST", again, {"payload": msgspec.json.encode(refused | {"text": "3人受伤"}).decode()}) == 200
    assert visitor.body["status"] == "stored"


async def test_sheets_tables_plans_links_and_names_of_files_are_looked_over_too(world: World, tmp_path: Path) -> None:
    duty = world.nouns.one("daily", "mine").path["duty"]
    links = world.hub.services.extra["links"]
    people = workbook(("姓名", "角色", "部门"), (TEXT, "值班员", "fire-rescue"))
    stock = workbook(("编号", "类别", "名称", "部门", "能力", "数量", "单位"), ("a", "stock", TEXT, "fire-rescue", "foam", 1, "吨"))
    name = {"Tus-Resumable": "1.0.0", "Upload-Length": "3", "Upload-Metadata": ",".join(
        f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in (("sha256", "0" * 64), ("filename", f"{TEXT}.pdf")))}
    async with Visitor(world.hub.web_url) as visitor:
        for role, path, sent, headers in (
            (Role.SECURITY_ADMIN, "/api/v1/organisation/import?store=true", people, {}), (Role.OPERATOR, "/api/v1/resources/import", stock, {}),
            (Role.RESPONDER, "/api/v1/attachments", b"", name),
        ):
            await world.visitor(visitor, role, "fire-rescue" if role is Role.RESPONDER else "district-office")
            assert await visitor.ask("POST", path, raw=sent, headers=headers) == 422, (path, visitor.body)
            assert visitor.body["code"] == "classified", (path, visitor.body)
        await world.visitor(visitor, Role.DEPARTMENT_REPORTER)
        assert await visitor.ask("GET", f"/api/v1/daily/{duty}/sheet") == 200
        late = f"/api/v1/daily/{duty}/sheet?id={new_id()}&late_reason={TEXT}"
        assert await visitor.ask("POST", late, raw=b"") == 422
        assert visitor.body["code"] == "classified"
        token = links.token(duty)
        form = f"id={new_id()}&explanation={TEXT}".encode()
        assert await visitor.ask("POST", f"/z/{token}", raw=form, headers={"Content-Type": "application/x-www-form-urlencoded"}) == 422
        assert "疑似涉密" in visitor.body
        assert SIGN not in visitor.body
    assert traces(tmp_path) == []

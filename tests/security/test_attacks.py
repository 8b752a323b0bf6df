"""What somebody with an ordinary account, or with none, tries against the web: other people's files and fields, paths, bodies, tables."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import zipfile
from itertools import product
from typing import Any

import msgspec
import pytest

from hub.documents.sheets import statistics_sheet
from hub.domain.access import Action, Role, Scope, may
from hub.ids import new_id
from hub.store import changes_after
from hub.store.access import visible_cameras
from hub.store.accounts import actor_of_session
from hub.store.cameras import camera_things, list_cameras
from hub.web.app import all_routes
from hub.web.route import PUBLIC
from hub.wire import Place, Report, ReportKind, encode
from tests.support.district import HOUR, NOW, POLICY
from tests.support.furnished import World
from tests.support.nouns import kind_of
from tests.support.web_hub import Visitor, cookie_for

TUS = {"Tus-Resumable": "1.0.0"}


def report(**given: Any) -> bytes:
    return encode(Report(id=new_id(), kind=ReportKind.INITIAL, occurred_at=NOW, title="车辆起火", place=Place(text="G204"), **given))


async def send(visitor: Visitor, data: bytes) -> str:
    """Upload a file; gives its hash."""
    sha = hashlib.sha256(data).hexdigest()
    begin = {**TUS, "Upload-Length": str(len(data)), "Upload-Metadata": "sha256 " + base64.b64encode(sha.encode()).decode()}
    assert await visitor.ask("POST", "/api/v1/attachments", headers=begin) == 201
    where, offset = visitor.answer_headers["Location"], int(visitor.answer_headers["Upload-Offset"])
    if offset < len(data):
        sent = {**TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
        assert await visitor.ask("PATCH", where, raw=data[offset:], headers=sent) == 204
    return sha


async def test_naming_the_hash_of_anothers_file_opens_it_to_nobody_until_one_has_sent_it_oneself(world: World) -> None:
    photo = b"\xff\xd8 somebody's photograph"
    async with Visitor(world.hub.web_url) as owner, Visitor(world.hub.web_url) as thief:
        await world.visitor(owner, Role.RESPONDER, "water-bureau")
        await world.visitor(thief, Role.RESPONDER, "fire-rescue")
        sha = await send(owner, photo)
        named = {"attachments": [{"sha256": sha, "name": "a.jpg", "media_type": "image/jpeg", "size_bytes": len(photo)}]}
        for visitor, status in ((owner, 200), (thief, 404)):
            sent = msgspec.json.decode(report())
            assert await visitor.ask("POST", "/api/v1/reports", raw=msgspec.json.encode({**sent, **named})) == 201
            assert await visitor.ask("GET", f"/api/v1/reports/{sent['id']}/attachments/{sha}") == status
        begin = {**TUS, "Upload-Length": str(len(photo)), "Upload-Metadata": "sha256 " + base64.b64encode(sha.encode()).decode()}
        assert await thief.ask("POST", "/api/v1/attachments", headers=begin) == 201
        assert thief.answer_headers["Upload-Offset"] == "0", "whether the hub has the file is not told"
    async with world.hub.services.store.read() as conn:
        kinds = [change.kind for change in await changes_after(conn, 0, limit=5000)]
    assert "access.viewed" in kinds, "reading a file is in the chain"


PATHS = (
    "/api/v1/reports/..%2f..%2fsecrets/attachments/" + "0" * 64, "/assets/..%2f..%2f..%2f..%2fetc%2fpasswd", "/..%2f..%2ftocsin.db",
    "/api/v1/attachments/..%2f..%2fsecrets", "/assets/%00", "/assets/" + "x" * 5000 + ".js", "/%2e%2e/%2e%2e/secrets/hub-signing-key.pem", "/api/v1/feed-links/../../secrets",
)


async def test_no_path_leads_out_of_the_folders(world: World) -> None:
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.OPERATOR, "district-office")
        for path in PATHS:
            assert await visitor.ask("GET", path) in (200, 400, 401, 404, 503), path
            said = str(visitor.body)
            assert all(secret not in said for secret in ("PRIVATE KEY", "root:", "SQLite format")), path


BODIES = (b"[" * 100_000, b'{"id":' * 50_000, b'"' + b"x" * 900_000 + b'"', b'{"a":"\xff"}', b"\x00" * 1000, b"1e400")


async def test_no_body_does_more_than_be_refused(world: World) -> None:
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.OPERATOR, "district-office")
        incident = world.nouns.incidents["mine"].id
        paths = ("/api/v1/reports", f"/api/v1/incidents/{incident}/note", "/api/v1/triage", "/api/v1/classified", "/api/v1/daily")
        for path, body in product(paths, BODIES):
            assert 400 <= await visitor.ask("POST", path, raw=body) < 500, (path, body[:20])


async def test_a_body_that_is_not_in_the_encoding_it_names_is_refused(world: World) -> None:
    for encoding in ("gzip", "deflate"):
        async with Visitor(world.hub.web_url) as visitor:  # the hub hangs up on whoever sends such a thing
            await world.visitor(visitor, Role.OPERATOR, "district-office")
            assert await visitor.ask("POST", "/api/v1/reports", raw=b"no such thing", headers={"Content-Encoding": encoding}) == 400, visitor.body
            assert visitor.body["code"] == "malformed_body"


async def test_a_refused_message_is_corrected_once_and_can_be_taken_up_again_where_it_was_set_aside(world: World) -> None:
    """Two at the desk who correct the same message had opened two incidents of one."""
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.OPERATOR, "district-office")
        await visitor.ask("GET", "/api/v1/quarantine?limit=200")
        there = {item["id"] for item in visitor.body["items"]}
        for raw in (b"{ nonsense", b""):
            assert await visitor.ask("POST", "/api/v1/reports", raw=raw) == 422
        await visitor.ask("GET", "/api/v1/quarantine?limit=200")
        (empty, nonsense) = [item for item in visitor.body["items"] if item["id"] not in there]
        one, other = f"/api/v1/quarantine/{nonsense['id']}", f"/api/v1/quarantine/{empty['id']}"

        def corrected() -> dict[str, str]:
            return {"payload": json.dumps({"id": new_id(), "kind": "initial", "occurred_at": NOW.isoformat(), "title": "t", "place": {"text": "G204"}})}

        assert await visitor.ask("POST", f"{one}/discard") == 200
        assert await visitor.ask("POST", f"{one}/discard") == 422 and visitor.body["code"] == "decided_before"
        assert await visitor.ask("POST", f"{one}/replay", corrected()) == 200
        assert await visitor.ask("POST", f"{one}/replay", corrected()) == 422 and visitor.body["code"] == "decided_before"
        assert await visitor.ask("POST", f"{other}/replay", {}) == 422 and visitor.body["reason"] == "malformed_json", "nothing was in it, and nothing classified"


async def test_of_several_who_correct_a_message_at_once_one_has_corrected_it(world: World) -> None:
    """Each gives his correction an id of his own; every one had opened an incident."""
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.OPERATOR, "district-office")
        await visitor.ask("GET", "/api/v1/quarantine?limit=200")
        there = {item["id"] for item in visitor.body["items"]}
        assert await visitor.ask("POST", "/api/v1/reports", raw=b"{ more nonsense") == 422
        await visitor.ask("GET", "/api/v1/quarantine?limit=200")
        (row,) = [item["id"] for item in visitor.body["items"] if item["id"] not in there]

    async def correct() -> tuple[int, Any]:
        async with Visitor(world.hub.web_url) as one:
            await world.visitor(one, Role.OPERATOR, "district-office")
            await gate.wait()
            return await one.ask("POST", f"/api/v1/quarantine/{row}/replay", {"payload": report().decode()}), one.body

    gate = asyncio.Barrier(4)
    answers = await asyncio.gather(*(correct() for _ in range(4)))
    assert sorted(status for status, _ in answers) == [200, 422, 422, 422], answers
    assert {body["code"] for status, body in answers if status == 422} == {"decided_before"}
    (stored,) = [body for status, body in answers if status == 200]
    async with world.hub.services.store.read() as conn:
        released = [change for change in await changes_after(conn, 0, limit=10_000) if change.subject == f"quarantine:{row}" and change.kind == "message.released"]
    assert len(released) == 1 and json.loads(bytes(released[0].body))["report_id"] == stored["id"]


@pytest.mark.parametrize("path", ["/api/v1/incidents", "/api/v1/session", "/api/v1/quarantine", "/api/v1/agreements", "/healthz", "/ca", "/z/none", "/api/v1/none"])
async def test_head_is_answered_as_get_is(world: World, path: str) -> None:
    async with Visitor(world.hub.web_url) as visitor:
        for role in (None, Role.OPERATOR):
            if role is not None:
                await world.visitor(visitor, role, "district-office")
            assert await visitor.ask("HEAD", path) == await visitor.ask("GET", path)


async def test_whoever_stands_beyond_the_end_of_the_feed_hears_where_it_ends(world: World) -> None:
    """After a restore the numbers begin anew where the backup was made: who went on from his own had missed whatever came until they were reached."""
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.OPERATOR, "district-office")
        assert await visitor.ask("GET", "/api/v1/changes?after=999999999") == 200
        assert visitor.body["items"] == [] and visitor.body["next"] == visitor.body["head"] < 999_999_999


async def test_a_method_that_a_path_does_not_know_is_refused_with_those_it_knows(world: World) -> None:
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.OPERATOR, "district-office")
        assert await visitor.ask("DELETE", "/api/v1/reports") == 405
        assert visitor.body["code"] == "method_not_allowed" and "POST" in visitor.answer_headers["Allow"]


async def test_a_page_after_a_time_that_no_calendar_has_is_refused(world: World) -> None:
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.OPERATOR, "district-office")
        assert await visitor.ask("GET", "/api/v1/obligations?after=0001-01-01T00:00:00%2B14:00~x") == 422
        assert await visitor.ask("GET", "/api/v1/obligations?due_from=9999-12-31T23:59:59-12:00") == 422


def table(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members:
            packed.writestr(name, content)
    return out.getvalue()


TABLES = {
    "no zip": b"PK\x03\x04 no zip at all", "empty": b"", "no workbook": table(("x.xml", b"<a/>")),
    "broken xml": table(("[Content_Types].xml", b"<Types"), ("xl/workbook.xml", b"<workbook")),
    "a bomb": table(("xl/worksheets/sheet1.xml", b"\x00" * 200_000_000)),
    "entities": table(("[Content_Types].xml", b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><Types>&b;</Types>')),
}


async def test_no_number_is_too_large_for_more_than_a_refusal(world: World) -> None:
    """Every number that a query takes, beyond what JSON keeps, what 64 bits hold, and what a column of 32 bits holds."""
    tried = 0
    async with Visitor(world.hub.web_url) as visitor:
        for route in all_routes():
            numbers = [f for f in msgspec.structs.fields(route.query) if "int" in str(f.type)] if route.query and route.method == "GET" else []
            if not numbers or route.action == PUBLIC or route.path == "/api/v1/live":
                continue
            role = next(role for role in Role if role in POLICY.document.actions[Action(route.action)].roles)
            await world.visitor(visitor, role, "district-office")
            held = world.nouns.of(kind)[0].path if (kind := kind_of(route.path)) else {}
            for number in (2**31, 2**53, 2**63, 2**80, -(2**80)):
                asked = "&".join(f"{field.encode_name}={number}" for field in numbers)
                await visitor.ask("GET", f"{route.path.format(**held)}?{asked}")
                assert visitor.status < 500, (route.path, number, visitor.body)
                tried += 1
        await world.visitor(visitor, Role.OPERATOR, "district-office")
        step = f"/api/v1/plans/matrix/versions/{2**80}/status"
        assert await visitor.ask("POST", step, {"status": "reviewed", "reason": "r"}) == 404
        huge = {"id": new_id(), "kind": "initial", "occurred_at": NOW.isoformat(), "title": "t", "place": {"text": "G204"}, "loss_yuan": 2**70}
        assert await visitor.ask("POST", "/api/v1/reports", huge) == 422, visitor.body
        assert visitor.body["reason"] == "out_of_range"
    assert tried > 50


async def test_no_table_does_more_than_be_refused(world: World) -> None:
    daily = world.nouns.one("daily", "mine").path["duty"]
    async with Visitor(world.hub.web_url) as desk, Visitor(world.hub.web_url) as admin:
        await world.visitor(desk, Role.DUTY_OFFICER, "fire-rescue")
        await world.visitor(admin, Role.SECURITY_ADMIN, "district-office")
        doors = ((desk, "/api/v1/resources/import"), (desk, f"/api/v1/daily/{daily}/sheet?id={new_id()}"), (admin, "/api/v1/organisation/import"))
        for (visitor, path), (name, content) in product(doors, TABLES.items()):
            assert await visitor.ask("POST", path, raw=content) == 422, (path, name, visitor.body)


async def test_a_search_does_not_answer_what_is_masked_for_its_reader(world: World) -> None:
    from hub.store.reports import update_incident

    told = world.nouns.incidents["told"]
    after = msgspec.structs.replace(told, title="来电13712345678报称起火", version=told.version + 1)
    async with world.hub.services.store.transaction() as tx:
        assert await update_incident(tx, told, after)
    async with Visitor(world.hub.web_url) as visitor:
        for department, role, found in (("fire-rescue", Role.RESPONDER, False), ("water-bureau", Role.RESPONDER, True)):
            await world.visitor(visitor, role, department)
            assert await visitor.ask("GET", "/api/v1/incidents?q=13712345678") == 200
            assert bool(visitor.body["items"]) is found
            assert await visitor.ask("GET", "/api/v1/incidents?q=起火") == 200
            assert [row["id"] for row in visitor.body["items"]] == [told.id], "what is shown is found"


async def test_below_assist_no_answer_about_an_incident_has_a_telephone_number_or_an_officers_name(world: World) -> None:
    told = world.nouns.incidents["told"].id
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.RESPONDER)
        for part in ("", "/timeline", "/activations", "/requests", "/zones", "/shares", "/cameras"):
            assert await visitor.ask("GET", f"/api/v1/incidents/{told}{part}") == 200, part
            assert "13812345678" not in str(visitor.body), part
            assert "张三丰" not in str(visitor.body), part
        assert await visitor.ask("GET", "/api/v1/changes?after=0&limit=1000") == 200
        mine = [item for item in visitor.body["items"] if item["incident_id"] == told]
        assert mine
        assert "13812345678" not in str(mine)


async def test_who_answers_for_a_resource_is_known_whole_to_its_department_and_the_centre_and_the_reading_is_chained(world: World) -> None:
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.RESPONDER)
        assert await visitor.ask("GET", "/api/v1/resources") == 200
        by_id = {row["id"]: row for row in visitor.body["items"]}
    assert by_id["resource-mine"]["phone"] == "13987654321"
    assert by_id["resource-other"]["phone"] == "139****4321"
    assert by_id["resource-other"]["contact"] == "李**"
    async with world.hub.services.store.read() as conn:
        read = [msgspec.json.decode(bytes(c.body)) for c in await changes_after(conn, 0, limit=5000) if c.kind == "access.viewed"]
    assert {"resource:resource-mine"} == set(read[-1]["things"])


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_a_text_in_an_exported_table_is_never_a_formula(text: str) -> None:
    from datetime import date

    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(statistics_sheet(date(2026, 11, 1), date(2026, 11, 2), [[text, text]])))
    cells = [cell for row in book.worksheets[0].iter_rows() for cell in row if text.strip() in str(cell.value)]
    assert cells
    assert all(cell.data_type == "s" and str(cell.value).startswith("'") for cell in cells)


async def test_the_list_of_cameras_is_filtered_in_sql_to_exactly_what_may_permits(world: World) -> None:
    store = world.hub.services.store
    for role, scope in ((Role.OPERATOR, Scope.ALL), (Role.RESPONDER, Scope.OWN), (Role.DUTY_OFFICER, Scope.DOWNSTREAM), (Role.ENTERPRISE_CONTACT, Scope.OWN),
                        (Role.LEADER, Scope.OWN), (Role.AUDITOR, Scope.ALL)):
        _, token = await cookie_for(store, role, scope=scope, enterprise="e1" if role is Role.ENTERPRISE_CONTACT else None)
        async with store.read() as conn:
            actor = await actor_of_session(conn, POLICY, NOW, idle=HOUR, token=token)
            assert actor is not None
            every = await list_cameras(conn)
            things = await camera_things(conn, every)
            listed = {camera.id for camera in await list_cameras(conn, where=visible_cameras(actor, NOW))}
        permitted = {camera.id for camera in every if may(actor, Action.CAMERA_LIST, things[camera.id], NOW).allowed}
        assert listed == permitted, role
        assert permitted, role

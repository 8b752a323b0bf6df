"""Plans, responses, hazmat, triage and resources through a running hub's HTTP, by role."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openpyxl import load_workbook
from openpyxl.styles import PatternFill
from sqlalchemy import update

from hub.app import Running
from hub.clock import ManualClock, utc_text
from hub.domain.access import Role, Scope
from hub.domain.incident import IncidentNoted
from hub.domain.organisation import Department, DepartmentKind
from hub.domain.resource_table import LineError
from hub.domain.zone import Typed
from hub.ids import new_id
from hub.store.agents import note_telemetry, put_agent
from hub.store.changes import changes_after, changes_of_incident
from hub.store.organisation import save_department
from hub.store.schema_plan import zone_set
from hub.store.zones import mark_all
from hub.web.resources import joined
from hub.wire import Telemetry, Wind
from plans.load import export_text, load_folder
from tests.support.district import NOW
from tests.support.tables import workbook
from tests.support.web_hub import Visitor, cookie_for, web_hub

ROLLOVER: dict[str, Any] = {
    "kind": "initial", "occurred_at": "2026-11-23T05:50:00Z", "title": "G204 罐车侧翻", "event_types": ["12H00"], "drill": True,
    "place": {"text": "G204 赣马段", "road": "G204", "lon": 119.112, "lat": 34.865},
    "hazmat": [{"un": "1005", "hin": "268", "container": "road_tanker", "leak": True}],
}


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with web_hub(tmp_path, ManualClock(NOW), only=frozenset({"web", "respond", "ingest"})) as running:
        yield running


@pytest.fixture
async def desk(hub: Running) -> AsyncIterator[Visitor]:
    """The command centre's desk."""
    async with Visitor(hub.web_url) as visitor:
        _, token = await cookie_for(hub.services.store, Role.OPERATOR, department="district-office")
        visitor.hold(token)
        await until(visitor, "/api/v1/plans", lambda body: len(body["items"]) > 10)
        yield visitor


async def until(visitor: Visitor, path: str, holds: Any, *, within_s: float = 40) -> Any:
    """Ask until the answer holds."""
    async with asyncio.timeout(within_s):
        while True:
            if await visitor.ask("GET", path) == 200 and holds(visitor.body):
                return visitor.body
            await asyncio.sleep(0.05)


async def file(visitor: Visitor, **given: Any) -> str:
    id = new_id()
    assert await visitor.ask("POST", "/api/v1/reports", ROLLOVER | {"id": id} | given) == 201, visitor.body
    return id


async def test_a_reported_rollover_shows_its_plans_its_response_and_its_zones(hub: Running, desk: Visitor) -> None:
    id = await file(desk)
    plans = await until(desk, f"/api/v1/incidents/{id}/plans", lambda b: b["matching"] is not None)
    first = plans["result"]["matches"][0]
    assert first["plan_id"] == "hazmat-road-transport" and first["state"] == "satisfied"
    assert all(c["zh"] and c["state"] in ("satisfied", "unsatisfied", "unknown") for c in first["conditions"])
    assert plans["levels"]["hazmat-road-transport"]["level"] in ("I", "II", "III", "IV")

    response = await until(desk, f"/api/v1/incidents/{id}/activations", lambda b: b["response"] is not None)
    assert response["response"]["automatic"]["plan_id"] == "hazmat-road-transport"

    zones = (await until(desk, f"/api/v1/incidents/{id}/zones", lambda b: b["zones"] is not None))["zones"]
    assert {z["kind"] for z in zones["zones"]} >= {"isolation", "protective"}
    assert {z["shape"] for z in zones["zones"]} == {"circle"}, "no wind: circles"


async def test_the_wedge_follows_a_measured_wind_and_says_who_came_in_and_went_out(hub: Running, desk: Visitor) -> None:
    store, clock = hub.services.store, hub.services.clock
    assert isinstance(clock, ManualClock)
    async with store.transaction() as tx:
        await put_agent(tx, agent_id="wx", name="气象站", kind="sensor", department_id="meteorological-bureau", secret="s" * 32, trusted=True)

    async def blow(from_deg: float) -> None:
        clock.advance(timedelta(minutes=1))
        async with store.transaction() as tx:
            wind = Wind(from_deg=from_deg, speed_mps=4.0, at=clock.now(), lon=119.11, lat=34.86)
            await note_telemetry(tx, "wx", Telemetry(at=clock.now(), wind=wind))

    await blow(135)
    id = await file(desk)
    path = f"/api/v1/incidents/{id}/zones"

    def downwind(body: Any) -> float | None:
        zones = body["zones"]
        return next((z["downwind_deg"] for z in zones["zones"] if z["kind"] == "protective"), None) if zones else None

    south_east = (await until(desk, path, lambda b: downwind(b) == 315))["zones"]
    assert south_east["wind_source"] == "agent:wx" and south_east["staging"]["approach_deg"] == 135
    await blow(138)
    await blow(0)
    north = (await until(desk, path, lambda b: downwind(b) == 180))["zones"]
    assert north["version"] == south_east["version"] + 1, "three degrees are no new drawing"
    before, after = ({a["receptor"]["id"] for a in v["affected"]} for v in (south_east, north))
    assert {n["id"] for n in north["entered"]} == after - before and {n["id"] for n in north["left"]} == before - after

    assert await desk.ask("POST", path, {"wind": "东南风3级"}) == 200
    assert desk.body["zones"]["wind_source"] == "typed" and downwind(desk.body) == 315
    assert await desk.ask("POST", path, {"wind": "999°"}) == 422 and desk.body["code"] == "bad_wind_direction"
    if people := south_east["evacuation"]:
        assert await desk.ask("POST", f"/api/v1/incidents/{id}/evacuation/{people[0]['receptor_id']}", {"done": True}) == 200
        assert await desk.ask("GET", path) == 200 and desk.body["ticks"][0]["done"] is True
    assert await desk.ask("POST", f"/api/v1/incidents/{id}/evacuation/nobody", {"done": True}) == 422


async def test_a_tick_that_a_phone_kept_does_not_undo_what_somebody_saw_later_and_counts_once(hub: Running, desk: Visitor) -> None:
    """Ticked off without signal at ten to, found not to be empty at five to, and only then the first one gets through."""
    clock = hub.services.clock
    id = await file(desk)
    path = f"/api/v1/incidents/{id}/zones"
    zones = (await until(desk, path, lambda b: b["zones"] is not None))["zones"]
    line = f"/api/v1/incidents/{id}/evacuation/{zones['evacuation'][0]['receptor_id']}"

    def ago(minutes: int) -> str:
        return (clock.now() - timedelta(minutes=minutes)).isoformat()

    assert await desk.ask("POST", line, {"done": False, "note": "还有人", "at": ago(5)}) == 200
    assert await desk.ask("POST", line, {"done": True, "at": ago(10)}) == 200
    assert desk.body["done"] is False and desk.body["note"] == "还有人", "the answer is the line as it stands"
    assert await desk.ask("POST", line, {"done": True, "at": ago(2)}) == 200 and desk.body["done"] is True
    head = await hub.services.store.head()
    assert await desk.ask("POST", line, {"done": True, "at": ago(2)}) == 200
    async with hub.services.store.read() as conn:
        again = [c for c in await changes_after(conn, head, limit=50) if c.kind == "zone.ticked"]
    assert again == [], "sent twice it is ticked once"
    assert await desk.ask("POST", line, {"done": False, "at": "2999-01-01T00:00:00Z"}) == 200
    assert desk.body["at"] == utc_text(clock.now()), "a phone whose clock is ahead does not bar the line for ever"
    assert await desk.ask("POST", line, {"done": True, "at": "2026-11-23T05:50:00"}) == 422, "a time without an offset"


async def test_what_was_typed_in_gives_way_to_a_measured_wind_once_it_is_stale(hub: Running, desk: Visitor) -> None:
    store, clock = hub.services.store, hub.services.clock
    assert isinstance(clock, ManualClock)
    async with store.transaction() as tx:
        await put_agent(tx, agent_id="wx", name="气象站", kind="sensor", department_id="meteorological-bureau", secret="s" * 32, trusted=True)
    id = await file(desk)
    path = f"/api/v1/incidents/{id}/zones"
    await until(desk, path, lambda b: b["zones"] is not None)
    assert await desk.ask("POST", path, {"wind": "东南风3级"}) == 200

    async def blow() -> None:
        async with store.transaction() as tx:
            await note_telemetry(tx, "wx", Telemetry(at=clock.now(), wind=Wind(from_deg=315, speed_mps=4.0, at=clock.now(), lon=119.11, lat=34.86)))

    await blow()
    assert await desk.ask("GET", path) == 200 and desk.body["wind_now_source"] == "typed", "what the scene says counts first"
    assert desk.body["measured_source"] == "agent:wx" and desk.body["measured"]["from_deg"] == 315, "the instrument is heard beside it"
    clock.advance(timedelta(minutes=45))
    await blow()
    assert await desk.ask("GET", path) == 200 and desk.body["wind_now_source"] == "agent:wx"
    async with store.transaction() as tx:
        await mark_all(tx)
    turned = (await until(desk, path, lambda b: b["zones"]["wind_source"] == "agent:wx"))["zones"]
    assert next(z["downwind_deg"] for z in turned["zones"] if z["kind"] == "protective") == 135 and turned["follows_wind"]


async def test_an_instrument_that_reads_what_no_wind_can_be_does_not_keep_zones_from_being_drawn(hub: Running, desk: Visitor) -> None:
    store, clock = hub.services.store, hub.services.clock
    for name, speed, from_deg, lon in (("broken", 110.0, 315.0, 119.112), ("wx", 4.0, 135.0, 119.2)):
        async with store.transaction() as tx:
            await put_agent(tx, agent_id=name, name=name, kind="sensor", department_id="meteorological-bureau", secret="s" * 32, trusted=True)
            wind = Wind(from_deg=from_deg, speed_mps=speed, at=clock.now(), lon=lon, lat=34.865)
            await note_telemetry(tx, name, Telemetry(at=clock.now(), wind=wind))
    id = await file(desk)
    zones = (await until(desk, f"/api/v1/incidents/{id}/zones", lambda b: b["zones"] is not None))["zones"]
    assert zones["wind_source"] == "agent:wx" and zones["staging"]["approach_deg"] == 135


async def test_words_that_an_earlier_edition_took_for_a_wind_do_not_keep_zones_from_being_drawn(hub: Running, desk: Visitor) -> None:
    store = hub.services.store
    id = await file(desk)
    path = f"/api/v1/incidents/{id}/zones"
    await until(desk, path, lambda b: b["zones"] is not None)
    assert await desk.ask("POST", path, {"wind": "吹西北"}) == 422 and desk.body["code"] == "ambiguous_wind"
    async with store.transaction() as tx:
        typed = Typed(wind="吹西北", at=hub.services.clock.now())
        await tx.conn.execute(update(zone_set).where(zone_set.c.incident_id == id).values(typed=msgspec.json.encode(typed).decode()))
    assert await desk.ask("GET", path) == 200 and desk.body["wind_now"] is None
    assert await desk.ask("POST", path, {"in_water": True}) == 200 and desk.body["zones"]["load"]["in_water"] is True


async def test_water_told_keeps_the_wind_that_was_told_and_its_age(hub: Running, desk: Visitor) -> None:
    clock = hub.services.clock
    assert isinstance(clock, ManualClock)
    id = await file(desk, hazmat=[{"un": "1836", "container": "road_tanker", "leak": True}])
    path = f"/api/v1/incidents/{id}/zones"
    await until(desk, path, lambda b: b["zones"] is not None)
    assert await desk.ask("POST", path, {"wind": "东南风3级"}) == 200
    told = desk.body["zones"]
    assert told["distances"]["conditional"] is True and told["load"]["in_water"] is None and told["load"]["container"] == "road_tanker"
    clock.advance(timedelta(minutes=10))
    assert await desk.ask("POST", path, {"in_water": False}) == 200
    dry = desk.body["zones"]
    assert dry["load"]["in_water"] is False and dry["distances"]["isolation"]["value"] == 30
    assert dry["wind"]["observed_at"] == told["wind"]["observed_at"] and dry["wind_source"] == "typed"
    assert await desk.ask("POST", path, {"wind": "北风3级"}) == 200
    assert desk.body["zones"]["load"]["in_water"] is False, "a wind does not take back what was told of the water"
    assert await desk.ask("POST", path, {"wind": None}) == 200 and desk.body["zones"]["wind_source"] is None
    assert await desk.ask("POST", path, {"in_water": None}) == 200 and desk.body["zones"]["load"]["in_water"] is None


async def test_a_place_that_left_the_zone_before_the_tick_came_through_is_ticked_all_the_same(hub: Running, desk: Visitor) -> None:
    id = await file(desk)
    path = f"/api/v1/incidents/{id}/zones"
    before = (await until(desk, path, lambda b: b["zones"] is not None))["zones"]
    assert await desk.ask("POST", path, {"wind": "南风4级"}) == 200
    left = {e["receptor_id"] for e in before["evacuation"]} - {e["receptor_id"] for e in desk.body["zones"]["evacuation"]}
    assert left, "a wedge holds fewer than the circle"
    line = f"/api/v1/incidents/{id}/evacuation/{sorted(left)[0]}"
    assert await desk.ask("POST", line, {"done": True}) == 200
    assert await desk.ask("POST", path, {"wind": None}) == 200
    assert {t["receptor_id"] for t in desk.body["ticks"] if t["done"]} == {sorted(left)[0]}, "it stands when the wind turns back"


async def test_a_tick_is_kept_also_where_the_zone_that_the_wind_turned_holds_nobody(hub: Running, desk: Visitor) -> None:
    id = await file(desk)
    lines = (await until(desk, f"/api/v1/incidents/{id}/zones", lambda b: b["zones"] is not None))["zones"]["evacuation"]
    at_sea = await file(desk, place={"text": "海州湾", "lon": 119.9, "lat": 34.9})
    empty = await until(desk, f"/api/v1/incidents/{at_sea}/zones", lambda b: b["zones"] is not None)
    assert empty["zones"]["evacuation"] == []
    assert await desk.ask("POST", f"/api/v1/incidents/{at_sea}/evacuation/{lines[0]['receptor_id']}", {"done": True}) == 200, desk.body
    assert await desk.ask("POST", f"/api/v1/incidents/{at_sea}/evacuation/no-such-place", {"done": True}) == 422
    undrawn = await file(desk, hazmat=[], title="G204 两车相撞")
    assert await desk.ask("POST", f"/api/v1/incidents/{undrawn}/evacuation/{lines[0]['receptor_id']}", {"done": True}) == 422, "no zone, no list"


async def test_the_wind_and_the_water_that_two_operators_tell_at_once_both_stand(hub: Running, desk: Visitor) -> None:
    id = await file(desk, hazmat=[{"un": "1836", "container": "road_tanker", "leak": True}])
    path = f"/api/v1/incidents/{id}/zones"
    await until(desk, path, lambda b: b["zones"] is not None)
    async with Visitor(hub.web_url) as other:
        _, token = await cookie_for(hub.services.store, Role.OPERATOR, department="district-office", scope=Scope.ALL)
        other.hold(token)
        for wind, in_water in (("135°", False), ("270°", True), ("0°", False)):
            assert await asyncio.gather(desk.ask("POST", path, {"wind": f"{wind} 4m/s"}), other.ask("POST", path, {"in_water": in_water})) == [200, 200], (desk.body, other.body)
            assert await desk.ask("GET", path) == 200
            drawn = desk.body["zones"]
            assert (drawn["wind"]["from_deg"], drawn["load"]["in_water"]) == (float(wind[:-1]), in_water)


async def test_zones_are_those_of_the_gravest_load_also_where_it_is_only_named(hub: Running, desk: Visitor) -> None:
    tankers = [{"un": "1203", "container": "road_tanker", "leak": True}, {"name": "液氯", "container": "road_tanker", "leak": True}]
    id = await file(desk, hazmat=tankers)
    zones = (await until(desk, f"/api/v1/incidents/{id}/zones", lambda b: b["zones"] is not None))["zones"]
    assert zones["un"] == "1017" and zones["distances"]["isolation"]["row"].startswith("UN1017")
    assert any("UN1203" in w["zh"] for w in zones["warnings"])

    misnamed = await file(desk, hazmat=[{"un": "1203", "name": "液氯", "container": "road_tanker", "leak": True}])
    zones = (await until(desk, f"/api/v1/incidents/{misnamed}/zones", lambda b: b["zones"] is not None))["zones"]
    assert zones["un"] == "1017" and any("不符" in w["zh"] for w in zones["warnings"])

    named = await file(desk, hazmat=[{"name": "液氯", "container": "road_tanker", "leak": True}])
    plans = await until(desk, f"/api/v1/incidents/{named}/plans", lambda b: b["matching"] is not None)
    assert plans["facts"]["hazmat"][0]["un"] == "1017" and plans["facts"]["hazmat"][0]["toxic_by_inhalation"] is True


async def test_the_zones_of_open_incidents_come_together_for_a_map_and_only_to_those_who_see_the_incident(hub: Running, desk: Visitor) -> None:
    id = await file(desk)
    await until(desk, "/api/v1/zones", lambda b: any(v["incident_id"] == id for v in b["items"]))
    await until(desk, f"/api/v1/incidents/{id}/activations", lambda b: b["response"] is not None)
    assert await desk.ask("GET", "/api/v1/zones.geojson") == 200
    shapes = json.loads(desk.body)
    mine = [f for f in shapes["features"] if f["properties"]["incident_id"] == id]
    assert shapes["type"] == "FeatureCollection" and {f["properties"]["kind"] for f in mine} >= {"isolation", "protective"}
    ring = mine[0]["geometry"]["coordinates"][0]
    assert mine[0]["type"] == "Feature" and mine[0]["geometry"]["type"] == "Polygon" and ring[0] == ring[-1]
    async with Visitor(hub.web_url) as stranger:
        _, token = await cookie_for(hub.services.store, Role.RESPONDER, department="education-bureau", scope=Scope.OWN)
        stranger.hold(token)
        may_read = await stranger.ask("GET", f"/api/v1/incidents/{id}") == 200
        assert await stranger.ask("GET", "/api/v1/zones") == 200
        assert any(v["incident_id"] == id for v in stranger.body["items"]) == may_read
    assert await desk.ask("POST", f"/api/v1/incidents/{id}/verify", {}) == 200, desk.body
    assert await desk.ask("POST", f"/api/v1/incidents/{id}/close", {"reason": "处置完毕"}) == 200, desk.body
    await until(desk, "/api/v1/zones", lambda b: all(v["incident_id"] != id for v in b["items"]))


async def test_the_level_is_raised_tasks_are_done_and_the_response_ends(hub: Running, desk: Visitor) -> None:
    id = await file(desk, hazmat=[], title="G204 两车相撞")
    await until(desk, f"/api/v1/incidents/{id}/plans", lambda b: b["matching"] is not None)
    wanted = {"plans": ["road-traffic"], "level": "IV"}
    assert await desk.ask("POST", f"/api/v1/incidents/{id}/activations/preview", wanted) == 200 and desk.body["tasks"]
    assert await desk.ask("POST", f"/api/v1/incidents/{id}/activations", wanted) == 200, desk.body
    response, tasks = desk.body["response"], desk.body["tasks"]
    one = f"/api/v1/activations/{response['id']}"

    ready = next(t for t in tasks if not t["waits_for"])
    assert await desk.ask("POST", f"/api/v1/tasks/{ready['id']}/acknowledge", {}) == 200
    for _ in range(2):
        assert await desk.ask("POST", f"/api/v1/tasks/{ready['id']}/done", {"evidence": "已到场"}) == 200, desk.body
    assert desk.body["state"] == "met" and desk.body["evidence"]["zh"] == "已到场"

    assert await desk.ask("POST", one + "/level", {"level": "II"}) == 200
    assert desk.body["response"]["level"] == "II" and len(desk.body["tasks"]) >= len(tasks)
    assert await desk.ask("POST", one + "/level", {"level": "III", "seen": "IV"}) == 422 and desk.body["code"] == "level_changed", "to raise must not lower"
    assert await desk.ask("POST", one + "/level", {"level": "II", "seen": "IV"}) == 200, "what both wanted is no quarrel"
    assert await desk.ask("POST", one + "/terminate", {}) == 422 and desk.body["code"] == "termination_needs_reason"
    assert await desk.ask("POST", one + "/terminate", {"reason": "处置完毕"}) == 200
    assert desk.body["response"]["state"] == "terminated"


async def test_what_a_phone_reports_of_a_task_that_was_withdrawn_meanwhile_is_taken_and_kept_once(hub: Running, desk: Visitor) -> None:
    id = await file(desk, hazmat=[], title="G204 两车相撞")
    path = f"/api/v1/incidents/{id}/activations"
    assert await desk.ask("POST", path, {"plans": ["road-traffic", "gas"], "level": "IV"}) == 200, desk.body
    response, tasks = desk.body["response"], desk.body["tasks"]
    gone = next(t for t in tasks if t["plans"] == ["gas"] and t["owner"]["department"] != "district-office")
    async with Visitor(hub.web_url) as phone:
        _, token = await cookie_for(hub.services.store, Role.RESPONDER, department=gone["owner"]["department"], scope=Scope.OWN)
        phone.hold(token)
        await until(phone, "/api/v1/tasks", lambda b: any(t["id"] == gone["id"] for t in b["items"]))
        assert await desk.ask("POST", f"/api/v1/activations/{response['id']}/switch", {"plans": ["road-traffic"]}) == 200, desk.body
        assert gone["key"] not in {t["key"] for t in desk.body["tasks"]}
        for _ in range(2):
            assert await phone.ask("POST", f"/api/v1/tasks/{gone['id']}/done", {"evidence": "阀门已关"}) == 200, phone.body
            assert phone.body["state"] == "excused"
        assert await phone.ask("POST", f"/api/v1/tasks/{gone['id']}/acknowledge", {}) == 200 and phone.body["state"] == "excused"
        other = next(t for t in tasks if t["owner"]["department"] == gone["owner"]["department"] and t["id"] != gone["id"])
        assert await desk.ask("POST", f"/api/v1/activations/{response['id']}/terminate", {"reason": "处置完毕"}) == 200, desk.body
        assert await phone.ask("POST", f"/api/v1/tasks/{other['id']}/done", {"evidence": "人员已撤离"}) == 200, phone.body
    async with hub.services.store.read() as conn:
        said = [c.read(IncidentNoted).text for c in await changes_of_incident(conn, id) if c.kind == "incident.noted"]
    assert sorted(one.rpartition("：")[2] for one in said) == sorted(["阀门已关", "人员已撤离"])


async def test_a_level_that_is_set_as_another_operator_joins_plans_takes_none_of_them_away(hub: Running, desk: Visitor) -> None:
    id = await file(desk, hazmat=[], title="G204 两车相撞起火")
    assert await desk.ask("POST", f"/api/v1/incidents/{id}/activations", {"plans": ["road-traffic"], "level": "IV"}) == 200, desk.body
    one = f"/api/v1/activations/{desk.body['response']['id']}"
    async with Visitor(hub.web_url) as other:
        _, token = await cookie_for(hub.services.store, Role.OPERATOR, department="district-office", scope=Scope.ALL)
        other.hold(token)
        for plan, level in (("gas", "III"), ("campus", "II"), ("power-outage", "III"), ("fire", "I")):
            assert await asyncio.gather(desk.ask("POST", f"/api/v1/incidents/{id}/activations", {"plans": [plan]}), other.ask("POST", one + "/level", {"level": level})) == [200, 200]
    assert await desk.ask("GET", f"/api/v1/incidents/{id}/activations") == 200
    assert {p["id"] for p in desk.body["response"]["plans"]} == {"road-traffic", "gas", "campus", "power-outage", "fire"}


async def test_a_department_sees_its_own_tasks_once_the_response_shares_the_incident(hub: Running, desk: Visitor) -> None:
    id = await file(desk)
    await until(desk, f"/api/v1/incidents/{id}/activations", lambda b: b["response"] is not None)
    async with Visitor(hub.web_url) as ecology:
        _, token = await cookie_for(hub.services.store, Role.RESPONDER, department="ecology-bureau", scope=Scope.OWN)
        ecology.hold(token)
        await until(ecology, "/api/v1/tasks", lambda b: b["items"])
        assert {t["owner"]["department"] for t in ecology.body["items"]} == {"ecology-bureau"}
        other = next(t for t in (await until(desk, f"/api/v1/incidents/{id}/activations", lambda b: b["tasks"]))["tasks"]
                     if t["owner"]["department"] == "fire-rescue")
        assert await ecology.ask("POST", f"/api/v1/tasks/{other['id']}/done", {"evidence": "x"}) == 403
        assert await ecology.ask("POST", f"/api/v1/incidents/{id}/activations", {"plans": ["road-traffic"]}) == 403


async def test_plans_travel_as_yaml_and_faults_are_named_with_their_line(hub: Running, desk: Visitor) -> None:
    plan = next(p for p in load_folder() if p.id == "fire")
    assert await desk.ask("GET", "/api/v1/plans/fire/yaml") == 200
    assert desk.body == export_text(plan)
    newer = desk.body.replace(f"version: {plan.version}", f"version: {plan.version + 1}", 1)
    assert await desk.ask("POST", "/api/v1/plans", raw=newer.encode()) == 201 and desk.body["plan"]["status"] == "draft"
    assert await desk.ask("GET", f"/api/v1/plans/fire/compare?before={plan.version}&after={plan.version + 1}") == 200
    assert {c["field"] for c in desk.body["items"]} == {"version", "status"}
    assert await desk.ask("GET", f"/api/v1/plans/fire/compare?before={plan.version}&after=1&other=gas") == 200
    assert {"id", "title.zh"} <= {c["field"] for c in desk.body["items"]}, "two plans are compared as two versions are"
    assert await desk.ask("GET", f"/api/v1/plans/fire/compare?before={plan.version}&after=1&other=no-such") == 404
    assert await desk.ask("POST", f"/api/v1/plans/fire/versions/{plan.version + 1}/status", {"status": "reviewed"}) == 200
    one = f"/api/v1/plans/fire/versions/{plan.version + 1}/status"
    assert await desk.ask("POST", one, {"status": "in_force"}) == 403, "a leader approves"
    async with Visitor(hub.web_url) as leader:
        _, token = await cookie_for(hub.services.store, Role.LEADER, department="district-office", scope=Scope.ALL)
        leader.hold(token)
        later = newer.replace(f"version: {plan.version + 1}", f"version: {plan.version + 2}", 1)
        assert await leader.ask("POST", "/api/v1/plans", raw=later.encode()) == 201
        own = f"/api/v1/plans/fire/versions/{plan.version + 2}/status"
        assert await leader.ask("POST", own, {"status": "reviewed"}) == 200
        assert await leader.ask("POST", own, {"status": "in_force"}) == 422 and leader.body["code"] == "own_plan"
        assert await leader.ask("POST", one, {"status": "in_force"}) == 200, leader.body
        assert await leader.ask("GET", "/api/v1/plans/fire") == 200
        assert leader.body["head"]["version"] == plan.version + 1 and leader.body["people"] and leader.body["conditions"]["applies"]
    assert await desk.ask("POST", "/api/v1/plans", raw=newer.replace("role: ", "role: no-such-", 1).encode()) == 422
    assert desk.body["faults"][0]["line"] > 1 and desk.body["plan"] is None
    damaged = newer.encode()[:200] + b"\xff" + newer.encode()[200:]
    for path in ("/api/v1/plans", "/api/v1/plans/check"):
        assert await desk.ask("POST", path, raw=damaged) in (200, 422)
        assert [f["code"] for f in desk.body["faults"]] == ["not_utf8"], "no word is stored with a sign in its place"
    assert await desk.ask("POST", "/api/v1/plans", raw=b"#" * 1_000_001) == 422
    assert desk.body["message"]["zh"] == "内容超过 1 MB"
    assert await desk.ask("POST", "/api/v1/resources", raw=b" " * 262_145) == 422
    assert desk.body["message"]["zh"] == "内容超过 256 KiB", "not every thousand is one"


async def test_the_linter_answers_an_editor_with_lines_spans_and_the_next_version_and_stores_nothing(hub: Running, desk: Visitor) -> None:
    assert await desk.ask("GET", "/api/v1/plans/skeleton") == 200
    text: str = desk.body
    assert await desk.ask("POST", "/api/v1/plans/check", raw=text.encode()) == 200
    assert desk.body["faults"] == [] and (desk.body["id"], desk.body["next"], desk.body["status"]) == ("new-plan", 1, None)
    first, last = desk.body["spans"]["title.zh"]
    assert text[first:last] == "某类事件专项预案"

    line = next(n for n, row in enumerate(text.splitlines(), 1) if "role: local-town" in row)
    assert await desk.ask("POST", "/api/v1/plans/check", raw=text.replace("  role: local-town", "  role: nobody").encode()) == 200
    assert [(f["line"], f["code"]) for f in desk.body["faults"]] == [(line, "unknown_role")]
    assert await desk.ask("POST", "/api/v1/plans/check", raw=text.replace("codes: [12H]", "codes: [12H, 19Z]").encode()) == 200
    assert desk.body["faults"] == [] and any(f["code"] == "unknown_event_type" and f["line"] > 1 for f in desk.body["findings"]), desk.body["findings"]
    assert await desk.ask("POST", "/api/v1/plans/check", raw=b"tasks: [1,") == 200 and desk.body["faults"][0]["code"] == "yaml_syntax"

    assert await desk.ask("GET", "/api/v1/plans") == 200
    assert "new-plan" not in {p["id"] for p in desk.body["items"]}
    assert await desk.ask("GET", "/api/v1/plans/fire/yaml?next=true") == 200
    assert "status: draft" in desk.body and "version: 2" in desk.body
    assert await desk.ask("POST", "/api/v1/plans?reason=修订时限", raw=desk.body.encode()) == 201
    assert await desk.ask("GET", "/api/v1/plans/fire/history") == 200
    newest = desk.body["items"][0]
    assert (newest["version"], newest["what"], newest["reason"]) == (2, "saved", "修订时限")
    assert await desk.ask("GET", "/api/v1/plans/no-such/history") == 404


async def test_the_library_is_checked_with_the_hubs_own_roster_and_stock(hub: Running, desk: Visitor) -> None:
    assert await desk.ask("GET", "/api/v1/plans/check") == 200
    codes = {f["code"] for f in desk.body["items"]}
    undone = {f["field"] for f in desk.body["items"] if f["code"] == "not_checked"}
    assert not undone & {"posts", "stock", "contacts", "event_types"}
    assert {"post_empty", "stock_missing"} <= codes, "nobody is on duty and nothing is in stock"
    assert desk.body["items"][0]["severity"] == "error" and desk.body["plans"] > 10


async def test_a_report_with_a_number_that_no_table_knows_is_kept_and_the_load_counts_as_unknown_until_somebody_looks_again(hub: Running, desk: Visitor) -> None:
    id = await file(desk, hazmat=[{"un": "9999", "container": "road_tanker", "leak": True}])
    plans = await until(desk, f"/api/v1/incidents/{id}/plans", lambda b: b["matching"] is not None)
    assert "9999" in plans["result"]["notes"][0]["zh"]
    assert plans["facts"]["hazmat"][0]["un"] is None
    zones = (await until(desk, f"/api/v1/incidents/{id}/zones", lambda b: b["zones"] is not None))["zones"]
    assert zones["un"] is None and "9999" in zones["warnings"][0]["zh"]
    facts = f"/api/v1/incidents/{id}/facts"
    assert await desk.ask("POST", facts, {"field": "hazmat.un", "value": "9998"}) == 422
    assert (desk.body["code"], desk.body["field"]) == ("unknown_un", "value")
    assert await desk.ask("POST", facts, {"field": "hazmat.un", "value": "UN1005"}) == 200
    plans = await until(desk, f"/api/v1/incidents/{id}/plans", lambda b: b["stated"].get("hazmat.un") == "1005")
    assert plans["result"]["notes"] == []
    zones = (await until(desk, f"/api/v1/incidents/{id}/zones", lambda b: b["zones"]["un"] == "1005"))["zones"]
    assert not any("9999" in w["zh"] for w in zones["warnings"]), "an answer is what the zones go by, too"


async def test_a_weather_warning_that_somebody_states_decides_what_hangs_on_it(hub: Running, desk: Visitor) -> None:
    """No source tells the hub of warnings yet: a person does, and an empty list says that there is none."""
    id = await file(desk, title="山林边缘起火", event_types=["12G01"], hazmat=[])
    facts, plans = f"/api/v1/incidents/{id}/facts", f"/api/v1/incidents/{id}/plans"

    def warned(body: Any) -> set[str]:
        return {one["state"] for match in body["result"]["matches"] for one in match["conditions"] if "预警达到" in one["zh"]}

    assert warned(await until(desk, plans, lambda b: b["matching"] is not None)) == {"unknown"}
    for wrong in ([{"kind": "taifun", "colour": "red"}], [{"kind": "gale", "colour": "purple"}], [{"kind": "gale"}], "gale", True):
        assert await desk.ask("POST", facts, {"field": "weather.warnings", "value": wrong}) == 422, wrong
    red = [{"kind": "gale", "colour": "red"}]
    assert await desk.ask("POST", facts, {"field": "weather.warnings", "value": red}) == 200 and desk.body["changed"]
    assert await desk.ask("POST", facts, {"field": "weather.warnings", "value": red}) == 200 and not desk.body["changed"]
    assert "satisfied" in warned(await until(desk, plans, lambda b: b["stated"].get("weather.warnings") == red))
    assert await desk.ask("POST", facts, {"field": "weather.warnings", "value": []}) == 200
    assert warned(await until(desk, plans, lambda b: b["stated"].get("weather.warnings") == [])) == {"unsatisfied"}


async def test_the_first_plan_of_each_open_incident_is_listed(hub: Running, desk: Visitor) -> None:
    id = await file(desk)
    found = await until(desk, "/api/v1/suggested-plans", lambda b: any(s["incident_id"] == id for s in b["items"]))
    first = next(s for s in found["items"] if s["incident_id"] == id)
    assert (first["plan_id"], first["state"]) == ("hazmat-road-transport", "satisfied") and first["title"]["en"]


async def test_hazmat_is_searched_and_the_bundle_is_fetched_once(hub: Running, desk: Visitor) -> None:
    assert await desk.ask("GET", "/api/v1/hazmat/search?q=268/1005") == 200
    assert desk.body["items"][0]["substance"]["un"] == "1005"
    assert await desk.ask("GET", "/api/v1/hazmat/search?q=9999") == 422
    assert await desk.ask("GET", "/api/v1/hazmat/card?un=1005&lon=119.112") == 422 and desk.body["field"] == "lat", "half a place is none"
    assert await desk.ask("GET", "/api/v1/hazmat/card?un=1017&leak=true&container=road_tanker&spill=small") == 200
    assert (desk.body["distances"]["spill"], desk.body["distances"]["isolation"]["value"]) == ("small", 60)
    assert await desk.ask("GET", "/api/v1/hazmat/card?un=1005&leak=true&lon=119.112&lat=34.865&wind=东南风3级") == 200
    assert desk.body["distances"]["isolation"]["table"] and desk.body["zones"]
    async with desk.client.get(desk.base + "/api/v1/hazmat/bundle", auto_decompress=False, headers=desk.headers) as answer:
        packed, tag = await answer.read(), answer.headers["ETag"]
    assert json.loads(gzip.decompress(packed))["format"] == 2
    async with desk.client.get(desk.base + "/api/v1/hazmat/bundle", headers=desk.headers | {"If-None-Match": tag}) as answer:
        assert answer.status == 304


async def test_a_pasted_text_becomes_a_draft_and_nothing_is_invented(hub: Running, desk: Visitor) -> None:
    text = "今天14时许，G204国道赣马镇段一辆装载液氨的罐车侧翻，罐体泄漏，2人受伤。"
    assert await desk.ask("POST", "/api/v1/triage", {"text": text}) == 200, desk.body
    report = desk.body["report"]
    assert report["hazmat"][0]["un"] == "1005" and report["hazmat"][0]["leak"] is True
    assert report["casualties"] == {"injured": 2} and "loss_yuan" not in report
    assert all(text[s["start"]:s["end"]] == s["text"] for s in desk.body["spans"]) and desk.body["spans"]
    assert desk.body["plans"][0] == "hazmat-road-transport" and "hazmat" in desk.body["evidence"]


async def test_a_load_that_has_no_un_number_is_drafted_by_its_name_alone(hub: Running, desk: Visitor) -> None:
    assert await desk.ask("POST", "/api/v1/triage", {"text": "今天14时许，一辆装载33吨乙二醇的槽罐车在G204国道追尾起火，罐体烧穿。"}) == 200, desk.body
    assert [(load["name"], load.get("un", "none")) for load in desk.body["report"]["hazmat"]] == [("乙二醇", "none")]


async def test_a_pasted_text_on_a_drill_or_on_figures_is_no_report_of_an_incident(hub: Running, desk: Visitor) -> None:
    assert await desk.ask("POST", "/api/v1/triage", {"text": "昨日举行液氯泄漏应急演练，模拟钢瓶阀门损坏，2人中毒昏迷。"}) == 200, desk.body
    assert desk.body["nature"] == "drill" and desk.body["report"]["drill"] is True and desk.body["grade"] is None
    assert "casualties" not in desk.body["report"] and "hazmat" not in desk.body["report"]
    assert await desk.ask("POST", "/api/v1/triage", {"text": "上半年全市发生各类生产安全事故166起、死亡148人，同比分别下降9.8%、3.3%。"}) == 200, desk.body
    assert desk.body["nature"] == "no_incident" and set(desk.body["report"]) == {"text"} and desk.body["plans"] == ["general"]


HEAD = ("编号", "类别", "名称", "部门", "能力", "数量", "单位", "有效期")


async def test_an_excel_table_is_taken_whole_or_refused_with_each_line(hub: Running, desk: Visitor) -> None:
    good = ("lime-1", "物资", "石灰", "fire-rescue", "lime", 8, "吨", None)
    bad = workbook(HEAD, good, ("lime-2", "物资", "石灰", "nobody", "lime", 8, "吨", None), ("lime-1", "物资", "石灰", "fire-rescue", "lime", -1, "吨", None))
    assert await desk.ask("POST", "/api/v1/resources/import", raw=bad) == 422
    assert [e["line"] for e in desk.body["errors"]] == [3, 4] and desk.body["altered"] == 0
    assert await desk.ask("GET", "/api/v1/resources") == 200 and desk.body["items"] == []
    assert await desk.ask("POST", "/api/v1/resources/import", raw=workbook(HEAD, good)) == 200 and desk.body["altered"] == 1
    assert await desk.ask("POST", "/api/v1/resources/import", raw=workbook(HEAD, good)) == 200 and desk.body["altered"] == 0
    assert await desk.ask("POST", "/api/v1/resources/import", raw=b"no table") == 422


async def test_the_register_goes_out_as_the_table_that_comes_back_in(hub: Running, desk: Visitor) -> None:
    lime = {"id": "lime-1", "kind": "stock", "name_zh": "+石灰", "department_id": "fire-rescue", "capability": "lime", "quantity": 8, "unit": "吨", "lon": 119.1,
            "lat": 34.8, "expires_on": "2027-06-30", "phone": "013800000000", "low_below": 2}
    assert await desk.ask("POST", "/api/v1/resources", lime) == 200
    assert await desk.ask("POST", "/api/v1/resources", lime | {"id": "gone", "active": False}) == 200
    assert await desk.ask("POST", "/api/v1/resources", {k: v for k, v in lime.items() if k != "lat"}) == 422 and desk.body["field"] == "lat"
    whole, form = [await fetched(desk, path) for path in ("/api/v1/resources/table", "/api/v1/resources/table?empty=true")]
    assert await desk.ask("POST", "/api/v1/resources/import", raw=whole) == 200 and (desk.body["lines"], desk.body["altered"]) == (1, 0), desk.body
    assert await desk.ask("POST", "/api/v1/resources/import", raw=form) == 422 and "没有数据" in desk.body["errors"][0]["zh"]


async def test_the_register_of_two_departments_with_one_name_comes_back_as_it_went_out(hub: Running, desk: Visitor) -> None:
    async with hub.services.store.transaction() as tx:
        for id in ("safety-east", "safety-west"):
            await save_department(tx, Department(id=id, kind=DepartmentKind.DEPARTMENT, zh="安监所", en=id), by="person:test")
    for id in ("safety-east", "safety-west"):
        lime = {"id": f"lime-{id}", "kind": "stock", "name_zh": "石灰", "department_id": id, "capability": "lime", "quantity": 8, "unit": "吨"}
        assert await desk.ask("POST", "/api/v1/resources", lime) == 200, desk.body
    whole = await fetched(desk, "/api/v1/resources/table")
    assert await desk.ask("POST", "/api/v1/resources/import", raw=whole) == 200 and (desk.body["lines"], desk.body["altered"]) == (2, 0), desk.body


async def fetched(desk: Visitor, path: str) -> bytes:
    async with desk.client.get(desk.base + path) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read()


async def test_an_import_takes_over_nothing_of_another_department_and_wipes_no_column(hub: Running, desk: Visitor) -> None:
    lime = {"id": "lime-1", "kind": "stock", "name_zh": "石灰", "department_id": "fire-rescue", "capability": "lime", "quantity": 8, "unit": "吨", "lon": 119.1, "lat": 34.8}
    assert await desk.ask("POST", "/api/v1/resources", lime) == 200
    theirs = workbook(HEAD, ("lime-1", "物资", "石灰", "water-bureau", "lime", 0, "吨", None))
    async with Visitor(hub.web_url) as water:
        water.hold((await cookie_for(hub.services.store, Role.DEPARTMENT_REPORTER, department="water-bureau"))[1])
        assert await water.ask("POST", "/api/v1/resources/import", raw=theirs) == 422 and water.body["errors"][0]["cell"] == "D2"
    assert await desk.ask("POST", "/api/v1/resources/import", raw=workbook(HEAD, ("lime-1", "物资", "石灰", "fire-rescue", "lime", 9, "吨", None))) == 200
    assert await desk.ask("GET", "/api/v1/resources") == 200
    assert [(r["department_id"], r["quantity"], r["lon"]) for r in desk.body["items"]] == [("fire-rescue", 9, 119.1)]


async def test_a_formula_without_a_result_in_a_table_of_resources_is_named_with_its_cell(hub: Running, desk: Visitor) -> None:
    lime = ("lime-1", "物资", "石灰", "fire-rescue", "lime", 8, "吨")
    assert await desk.ask("POST", "/api/v1/resources/import", raw=workbook(HEAD, (*lime, "=TODAY()+30"))) == 422, "its expiry would be lost"
    assert [(e["line"], e["column"]) for e in desk.body["errors"]] == [(2, "有效期")] and "formula" in desk.body["errors"][0]["en"]
    assert await desk.ask("POST", "/api/v1/resources/import", raw=workbook(HEAD, (*lime, "2027/6/30"))) == 200, desk.body
    assert await desk.ask("GET", "/api/v1/resources") == 200 and desk.body["items"][0]["expires_on"] == "2027-06-30"


async def test_a_table_on_a_hidden_sheet_is_named_and_a_format_below_it_is_no_line(hub: Running, desk: Visitor) -> None:
    good = ("lime-1", "物资", "石灰", "fire-rescue", "lime", 8, "吨")
    book = load_workbook(io.BytesIO(workbook(HEAD[:7], good)))
    book.worksheets[0].cell(1_048_576, 1).fill = PatternFill("solid", fgColor="DDDDDD")  # as a column that was coloured to its end
    assert await desk.ask("POST", "/api/v1/resources/import", raw=saved(book)) == 200, desk.body
    assert desk.body["lines"] == 1
    book.worksheets[0].sheet_state = "hidden"
    book.create_sheet("说明")["A1"] = "见隐藏的表"
    book.active = 1
    assert await desk.ask("POST", "/api/v1/resources/import", raw=saved(book)) == 422 and desk.body["code"] == "hidden_sheet"
    book.worksheets[0].sheet_state = "visible"
    book.worksheets[0].cell(30_000, 1).value = "x"
    assert await desk.ask("POST", "/api/v1/resources/import", raw=saved(book)) == 422 and desk.body["code"] == "too_large"


async def test_the_sheet_with_the_table_alone_is_read_and_counted_and_what_is_merged_to_the_end_of_a_sheet_is_refused(hub: Running, desk: Visitor) -> None:
    good = ("lime-1", "物资", "石灰", "fire-rescue", "lime", 8, "吨")
    book = load_workbook(io.BytesIO(workbook(HEAD[:7], good)))
    for state in ("visible", "hidden"):
        other = book.create_sheet(f"流水账 {state}")
        other["A1"], other["A30000"], other.sheet_state = "日期", "x", state
    assert await desk.ask("POST", "/api/v1/resources/import", raw=saved(book)) == 200, desk.body
    assert desk.body["lines"] == 1
    book.worksheets[0].merged_cells.add("H2:AZ10000")  # 450,000 places in a file of 6 kB
    assert await desk.ask("POST", "/api/v1/resources/import", raw=saved(book)) == 422 and desk.body["code"] == "too_large", desk.body
    assert "合并" in desk.body["message"]["zh"]


class Counted(list[LineError]):
    """Errors that note how often they are gone over."""

    times = 0

    def __iter__(self) -> Iterator[LineError]:
        self.times += 1
        return super().__iter__()


def test_formulas_and_errors_are_joined_in_one_go_over_each_and_a_line_with_a_formula_is_named_once() -> None:
    of = [LineError(line=n, column="数量", zh="", en="") for n in range(60)]
    formulas, errors = Counted(of[:20]), Counted(of[10:])
    assert joined(formulas, errors) == of
    assert formulas.times <= 2 and errors.times == 1, "20,000 of each had kept the hub from answering for half a minute"


def saved(book: Any) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()

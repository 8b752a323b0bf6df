"""Every role × every route × one's own and another department's object, tried on a running hub: no unexpected permit, no server error.

The expectation comes from the policy through `may`, the answers from HTTP. A route without a rule fails here and in the build.
"""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from hub.app import Running
from hub.clock import ManualClock
from hub.domain.access import HUB, MACHINES, AccessRefused, AccessViewed, Action, Actor, Role, Rule, Scope, Thing, Tier, may
from hub.domain.change import Change
from hub.domain.incident import IncidentOpened, IncidentView
from hub.domain.report import Channel, report_view
from hub.domain.sharing import Origin
from hub.ids import new_id
from hub.store import changes_after
from hub.store.access import incident_thing
from hub.store.accounts import actor_of_session, open_account, open_session
from hub.store.agents import new_secret, put_agent
from hub.store.organisation import add_person, seed_departments
from hub.store.reports import Stored, insert_incidents, insert_reports
from hub.store.sharing import draft_agreement, grant
from hub.web.app import all_routes
from hub.web.route import PUBLIC, Route
from hub.wire import Place, Report, Reporter, ReportKind
from tests.support.district import HOUR, NOW, POLICY, incident_view
from tests.support.examples import example
from tests.support.web_hub import Visitor, cookie_for, web_hub

PEOPLE = [role for role in Role if role not in MACHINES]
REFUSED = {401, 403, 404}
LEFT_OUT = {("GET", "/api/v1/live")}
"""Tried by WebSocket in its own test."""


@dataclass
class World:
    """The hub and what stands in it: an incident of fire-rescue's, one of another department's, a victim of administrators' acts."""

    hub: Running
    mine: IncidentView
    other: IncidentView
    things: dict[str, Thing] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with web_hub(tmp_path, ManualClock(NOW)) as hub:
        store = hub.services.store
        mine, other = incident_view(1, department="fire-rescue"), incident_view(2, department="water-bureau")
        async with store.transaction() as tx:
            await seed_departments(tx)
            await insert_incidents(tx, [(view, msgspec.json.encode(view)) for view in (mine, other)])
            for view in (mine, other):
                tx.record(IncidentOpened(incident=view), actor="agent:a", subject=f"incident:{view.id}", incident_id=view.id,
                          department_id=view.department_id)
            await grant(tx, mine, "fire-rescue", Tier.LEAD, origin=Origin.ACTIVATION, reason="r", by="system:test")
            await grant(tx, other, "water-bureau", Tier.LEAD, origin=Origin.ACTIVATION, reason="r", by="system:test")
            victim = await add_person(tx, "对象", by="system:test", department_id="water-bureau")
            account = await open_account(tx, victim.id, "victim", by="system:test")
            session, _ = await open_session(tx, account, address="a", client="c", method="link", second_factor=False, life=timedelta(days=1))
            agreement = await draft_agreement(tx, giver_id="water-bureau", taker_id="gas-company", event_types=(), tier=Tier.ASSIST, text="…",
                                              valid_from=NOW - HOUR, valid_until=NOW + 100 * HOUR, by="system:test")
            await put_agent(tx, agent_id="a-1", name="终端", kind="field", department_id="water-bureau", secret=new_secret())
        async with store.read() as conn:
            things = {view.id: thing for view in (mine, other) if (thing := await incident_thing(conn, view.id)) is not None}
        yield World(hub, mine, other, things, {
            "people": victim.id, "accounts": account.id, "sessions": session.id, "agreements": agreement.id, "agents": "a-1",
            "departments": "gas-company", "posts": "some-post", "policies": "roles"})


def paths(world: World, route: Route) -> Iterable[tuple[str, Thing | None]]:
    """The path with each object there is for it, and the object as `may` takes it (None: not known here)."""
    if "{" not in route.path:
        yield route.path + query_for(route), HUB
    elif route.path.startswith("/api/v1/incidents/{id}"):
        for view in (world.mine, world.other):
            yield fill(route.path, view.id) + query_for(route), world.things[view.id]
    else:
        noun = route.path.split("/")[3]
        yield fill(route.path, world.ids.get(noun, new_id())) + query_for(route), None


def fill(path: str, id: str) -> str:
    """The path with `id` for its first name and something that fits for the others."""
    def value(found: re.Match[str]) -> str:
        if found["pattern"]:
            return next((text for text in (id, "1", "2026-11-23") if re.fullmatch(found["pattern"], text)), id)
        return id if found["name"] in ("id", "name") else new_id()

    return re.sub(r"\{(?P<name>[a-z0-9_]+)(?::(?P<pattern>[^{}]*(?:\{[^{}]*\}[^{}]*)*))?\}", value, path)


def permitted(actor: Actor, route: Route, thing: Thing | None) -> bool | None:
    """Does the policy permit it? None where it depends on an object that this test does not know (then only a refusal by role is expected)."""
    actions = [Action(route.action), *route.also]
    if not any(actor.permits.get(action) for action in actions):
        return False
    rules = {POLICY.document.actions[action].rule for action in actions}
    if thing is None or rules & {Rule.OWN, Rule.DEPARTMENT} or (thing is HUB and rules & {Rule.INCIDENT, Rule.CAMERA}):
        return None
    return any(may(actor, action, _seen_as(action, thing), NOW).allowed for action in actions)


def _seen_as(action: Action, thing: Thing) -> Thing:
    return thing if POLICY.document.actions[action].rule is Rule.INCIDENT else HUB


def body_for(route: Route) -> dict[str, Any]:
    if route.body is None:
        return {}
    if route.body is bytes:
        return {"raw": b"{}"}
    return {"body": example(route.body)}


def query_for(route: Route) -> str:
    """The query's required names, as an address ends with them."""
    return "?" + urlencode(example(route.query), doseq=True) if route.query is not None and example(route.query) else ""


def listed(wrong: list[Any]) -> str:
    """One cell a line."""
    return "\n" + "\n".join(str(cell)[:400] for cell in wrong)


def protected() -> list[Route]:
    return [route for route in all_routes() if route.action != PUBLIC and (route.method, route.path) not in LEFT_OUT]


def test_every_route_names_an_act_of_the_policy_or_says_that_it_is_public() -> None:
    for route in all_routes():
        assert route.action == PUBLIC or Action(route.action) in POLICY.document.actions, route.path
    assert {route.path for route in all_routes() if route.action == PUBLIC and route.method != "OPTIONS"} <= {
        "/healthz", "/readyz", "/api/v1/hub", "/api/v1/openapi.json", "/api/v1/session", "/api/v1/session/welcome", "/api/v1/enroll",
        "/api/v1/sign-in/oidc", "/api/v1/sign-in/oidc/back", "/api/v1/links/{token}", "/api/v1/feed-links/{token}", "/z/{token}", "/ca", "/ca.pem", "/api/v1/proof/key"}


async def test_nobody_gets_through_without_signing_in(world: World) -> None:
    wrong = []
    for headers in ({"X-Tocsin": "console"}, {"X-Tocsin": "console", "Cookie": "tocsin_session=" + "x" * 43}):
        async with Visitor(world.hub.web_url, headers=headers) as visitor:
            for route in protected():
                for path, _ in paths(world, route):
                    status = await visitor.ask(route.method, path, **body_for(route))
                    opened = may(POLICY.public(), Action(route.action), HUB, NOW).allowed
                    if not opened and status not in (401, 404):
                        wrong.append((route.method, path, status, visitor.body))
    assert not wrong, listed(wrong)


@pytest.mark.parametrize("role", PEOPLE)
async def test_a_role_gets_what_the_policy_gives_it_and_nothing_else(world: World, role: Role) -> None:
    cells, wrong = 0, []
    store = world.hub.services.store
    enterprise = "e1" if role is Role.ENTERPRISE_CONTACT else None
    for scope in POLICY.document.roles[role].scopes:
        actor: Actor | None = None
        async with Visitor(world.hub.web_url) as visitor:
            for route in sorted(protected(), key=lambda route: route.method != "GET"):
                for path, thing in paths(world, route):
                    if actor is None:
                        _, token = await cookie_for(store, role, scope=scope, enterprise=enterprise)
                        visitor.hold(token)
                        async with store.read() as conn:
                            actor = await actor_of_session(conn, POLICY, NOW, idle=HOUR, token=token)
                        assert actor is not None
                    expected = permitted(actor, route, thing)
                    status = await visitor.ask(route.method, path, **body_for(route))
                    cells += 1
                    if status >= 500 or (expected is False and status not in REFUSED) or (expected is True and status in (401, 403)):
                        wrong.append((str(role), str(scope), route.method, path, f"expected {expected}", status, visitor.body))
                    if route.method != "GET" and status < 300:
                        actor = None  # what was done may have ended this session or post: go on as somebody new
    assert not wrong, listed(wrong)
    assert cells > 50


async def test_an_agent_gets_what_its_row_gives_it_over_http_and_nothing_else(world: World) -> None:
    secret = new_secret()
    async with world.hub.services.store.transaction() as tx:
        await put_agent(tx, agent_id="a-2", name="终端", kind="field", department_id="fire-rescue", secret=secret)
    actor = POLICY.agent("a-2", department_id="fire-rescue")
    header = {"Authorization": "Basic " + base64.b64encode(f"a-2:{secret}".encode()).decode()}
    wrong = []
    async with Visitor(world.hub.web_url, headers=header) as visitor:
        for route in protected():
            for path, thing in paths(world, route):
                status = await visitor.ask(route.method, path, **body_for(route))
                expected = permitted(actor, route, thing)
                if status >= 500 or (expected is False and status not in REFUSED) or (expected is True and status in (401, 403)):
                    wrong.append((route.method, path, expected, status, visitor.body))
    assert not wrong, listed(wrong)


async def test_no_answer_names_an_incident_of_another_department(world: World) -> None:
    _, token = await cookie_for(world.hub.services.store, Role.RESPONDER)
    async with Visitor(world.hub.web_url) as visitor:
        visitor.hold(token)
        assert await visitor.ask("GET", "/api/v1/incidents") == 200
        assert [row["id"] for row in visitor.body["items"]] == [world.mine.id]
        for route in protected():
            if route.method == "GET" and "{" not in route.path:
                await visitor.ask("GET", route.path + query_for(route))
                assert world.other.id not in str(visitor.body), route.path


async def test_the_live_feed_shows_a_department_its_own_incidents_only(world: World) -> None:
    _, token = await cookie_for(world.hub.services.store, Role.RESPONDER)
    async with Visitor(world.hub.web_url) as visitor:
        visitor.hold(token)
        async with visitor.client.ws_connect(f"{visitor.base}/api/v1/live?after=0", headers={"Origin": visitor.base}) as socket:
            seen: list[str] = []
            while not any("status" in text for text in seen):
                seen.append(await socket.receive_str(timeout=10))
    assert any(world.mine.id in text for text in seen)
    assert not any(world.other.id in text for text in seen)


@pytest.mark.parametrize("role", [Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN, Role.AUDIT_ADMIN])
async def test_the_live_feed_shows_an_administrator_no_incident(world: World, role: Role) -> None:
    _, token = await cookie_for(world.hub.services.store, role, department="district-office")
    async with Visitor(world.hub.web_url) as visitor:
        visitor.hold(token)
        async with visitor.client.ws_connect(f"{visitor.base}/api/v1/live?after=0", headers={"Origin": visitor.base}) as socket:
            seen: list[str] = []
            while not any("status" in text for text in seen):
                seen.append(await socket.receive_str(timeout=10))
    assert not any(world.mine.id in text or world.other.id in text for text in seen)


async def test_an_act_on_another_departments_incident_looks_like_no_such_incident(world: World) -> None:
    _, token = await cookie_for(world.hub.services.store, Role.LEADER, scope=Scope.OWN)
    async with Visitor(world.hub.web_url) as visitor:
        visitor.hold(token)
        answers = []
        for id in (world.other.id, new_id()):
            assert await visitor.ask("GET", f"/api/v1/incidents/{id}") == 404
            answers.append(visitor.body)
        assert answers[0] == answers[1]




async def chained(world: World, kind: str) -> list[Change]:
    async with world.hub.services.store.read() as conn:
        return [change for change in await changes_after(conn, 0, limit=5000) if change.kind == kind]


async def test_a_refusal_is_in_the_chain_once_a_minute_with_who_what_and_why(world: World) -> None:
    id, token = await cookie_for(world.hub.services.store, Role.RESPONDER)
    async with Visitor(world.hub.web_url) as visitor:
        visitor.hold(token)
        for _ in range(3):
            assert await visitor.ask("GET", f"/api/v1/incidents/{world.other.id}") == 404
        assert await visitor.ask("PUT", "/api/v1/policies/roles", {"document": {}, "reason": "因为"}) == 403
        clock = world.hub.services.clock
        assert isinstance(clock, ManualClock)
        clock.advance(timedelta(minutes=1))
        assert await visitor.ask("GET", f"/api/v1/incidents/{world.other.id}") == 404
    found = [(change.actor, body.action, body.thing, body.reason_code, body.times)
             for change in await chained(world, "access.refused") for body in [change.read(AccessRefused)]]
    me, other = f"person:{id}", f"incident:{world.other.id}"
    assert found == [(me, "incident.read", other, "not_shared", 1), (me, "admin.policy", "hub:", "no_role", 1),
                     (me, "incident.read", other, "not_shared", 3)]


async def test_reading_reports_unmasked_is_in_the_chain_and_a_masked_reading_is_not(world: World) -> None:
    store = world.hub.services.store
    report = report_view(
        Report(id=world.mine.id, kind=ReportKind.INITIAL, occurred_at=NOW, place=Place(text="G204"), reporter=Reporter(name="张三", phone="13812345678")),
        incident_id=world.mine.id, department_id="fire-rescue", agent_id=None, actor="person:x", channel=Channel.WEB, number=1, receipt_no="1",
        received_at=NOW)
    async with store.transaction() as tx:
        await insert_reports(tx, [Stored(report, msgspec.json.encode(report), "hash")])
        await grant(tx, world.mine, "gas-company", Tier.INFORMED, origin=Origin.ACTIVATION, reason="r", by="system:test")
    for department, whole in (("gas-company", False), ("fire-rescue", True)):
        _, token = await cookie_for(store, Role.RESPONDER, department=department)
        async with Visitor(world.hub.web_url) as visitor:
            visitor.hold(token)
            assert await visitor.ask("GET", f"/api/v1/incidents/{world.mine.id}") == 200
            assert ("13812345678" in str(visitor.body)) is whole
        assert len(await chained(world, "access.viewed")) == int(whole)
    assert (await chained(world, "access.viewed"))[0].read(AccessViewed).things == (f"report:{world.mine.id}",)

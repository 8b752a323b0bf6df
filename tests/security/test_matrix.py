"""Every role and scope × every route × every kind of object, tried on a running hub: no unexpected permit, no server error.

The expectation comes from the policy through `may`, the answers from HTTP. What must be refused is tried first, on a district nobody has
touched; then what is permitted: reading must answer, writing must not be refused. No answer names an object that its reader may not see.
A route without a rule, or whose object the matrix does not know, fails here and in the build.
"""

from __future__ import annotations

import base64
import inspect
import re
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
import pytest

from hub.clock import ManualClock
from hub.domain.access import HUB, MACHINES, AccessRefused, AccessViewed, Action, Actor, Role, Rule, Scope, Thing, ThingKind, Tier, may
from hub.domain.change import Change
from hub.domain.report import Channel, report_view
from hub.domain.sharing import Origin
from hub.ids import new_id
from hub.store import changes_after
from hub.store.accounts import actor_of_session
from hub.store.agents import new_secret, put_agent
from hub.store.reports import insert_reports, report_row
from hub.store.sharing import grant
from hub.web.app import all_routes
from hub.web.route import PUBLIC, Route
from hub.wire import Place, Report, Reporter, ReportKind
from tests.support.district import HOUR, NOW, POLICY
from tests.support.examples import example
from tests.support.furnished import World, furnished
from tests.support.nouns import DAY, MINE, Held, kind_of
from tests.support.web_hub import Visitor, cookie_for

PEOPLE = [role for role in Role if role not in MACHINES]
POSTS = [(role, scope) for role in PEOPLE for scope in POLICY.document.roles[role].scopes]
REFUSED = {401, 403, 404}
# Apprise loads a module that Python 3.13 has no more
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
LEFT_OUT = {("GET", "/api/v1/live")}
"""Opened as a WebSocket, role by role, in tests of its own below."""

NEEDED: dict[str, Action] = {
    "incident": Action.INCIDENT_READ, "request": Action.INCIDENT_READ, "activation": Action.INCIDENT_READ, "task": Action.TASK_READ,
    "obligation": Action.OBLIGATION_READ, "notice": Action.NOTICE_READ, "group": Action.GROUP_READ,
}
"""The reading that every act on such an object needs besides."""
MAY_BE_AWAY = {"upload", "digest", "appointment", "camera"}
"""Kinds whose permitted reading may find nothing here: no such upload, digest or picture has been made."""


def _post(held: Held) -> str:
    return f"{held.things[0].department_id}.duty"


def _kept(held: Held, **more: Any) -> dict[str, Any]:
    return {"id": held.path["id"], "kind": "stock", "name_zh": "改名", "department_id": held.things[0].department_id, "capability": "foam",
            "quantity": 1, "unit": "吨", **more}


BODIES: dict[tuple[str, str], tuple[str, Callable[[Held], Any], tuple[Action, ...] | None]] = {
    ("POST", "/api/v1/resources"): ("resource", _kept, None),
    ("POST", "/api/v1/enterprises"): ("resource", lambda h: {"id": "new", "zh": "新", "department_id": h.things[0].department_id}, None),
    ("POST", "/api/v1/roster/shifts"): ("roster_post", lambda h: {
        "post_id": _post(h), "person_id": "p", "starts_at": "2026-12-01T00:00:00Z", "ends_at": "2026-12-01T08:00:00Z"}, None),
    ("POST", "/api/v1/roster/swaps"): ("shift", lambda h: {"shift_id": h.path["id"], "to_person": "p"}, None),
    ("POST", "/api/v1/roster/handovers"): ("roster_post", lambda h: {"post_id": _post(h), "to_person": "p"}, None),
    ("PUT", "/api/v1/roster/posts/{id}"): ("roster_post", lambda h: {
        "department_id": h.things[0].department_id, "role": "post", "zh": "岗", "en": "post"}, None),
    ("PUT", "/api/v1/contacts/{id}"): ("contact", lambda h: {"post_id": _post(h), "name": "n", "address": "json://127.0.0.1:9/y"}, None),
    ("POST", "/api/v1/notices"): ("roster_post", lambda h: {"posts": [_post(h)], "title": "题", "text": "文"}, None),
    ("POST", "/api/v1/notices/read"): ("notice", lambda h: {"ids": [h.path["id"]]}, None),
    ("POST", "/api/v1/agreements"): ("roster_post", lambda h: {
        "giver_id": h.things[0].department_id, "taker_id": "gas-company", "tier": "assist", "text": "文", "valid_from": "2026-11-23T00:00:00Z",
        "valid_until": "2026-12-23T00:00:00Z"}, None),
    ("POST", "/api/v1/agreements/{id}/sign"): ("agreement", lambda h: {"department_id": h.things[0].department_id}, None),
    ("POST", "/api/v1/daily"): ("roster_post", lambda h: msgspec.json.encode({
        "id": new_id(), "department": h.things[0].department_id, "template": "daily", "day": DAY, "zero": True}), None),
    ("POST", "/api/v1/feeds/{agent}/{camera}/mark"): ("camera", lambda h: {
        "incident_id": h.things[0].incidents[0].id if h.things[0].incidents else new_id(), "wall_ms": 1, "text": "烟"}, None),
    ("POST", "/api/v1/requests/{id}/step"): ("request", lambda _: {"state": "cancelled"}, (Action.RESOURCE_REQUEST,)),
    ("POST", "/api/v1/plans/{plan}/versions/{version:[0-9]+}/status"): ("plan", lambda _: {"status": "in_force"}, (Action.PLAN_APPROVE,)),
    ("POST", "/api/v1/cameras/import"): ("policy", lambda _: {}, (Action.ENTERPRISE_EDIT,)),
    ("GET", "/api/v1/daily/{duty}/evidence"): ("daily", lambda _: None, None),
    ("POST", "/api/v1/daily/{duty}/evidence"): ("daily", lambda _: {}, None),
    ("GET", "/api/v1/reports/{id}/status"): ("report", lambda _: None, (Action.REPORT_READ,)),
    ("GET", "/api/v1/reports/{id}/receipt"): ("report", lambda _: None, (Action.REPORT_READ,)),
}
"""Routes whose object stands in the body, or whose body decides which act it is."""


@dataclass(frozen=True)
class Case:
    """One object at one route: what is sent, and the acts and things that decide."""

    path: str
    sent: dict[str, Any]
    held: Held | None
    actions: tuple[Action, ...]
    needed: Action | None = None


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with furnished(tmp_path) as world:
        yield world


def cases(world: World, route: Route) -> Iterable[Case]:
    """The route with each object that there is for it."""
    actions = (Action(route.action), *route.also)
    kind, body, decided_by = BODIES.get((route.method, route.path), (kind_of(route.path), None, None))
    if kind is None:
        yield Case(route.path + query_for(route), body_for(route), None, actions)
        return
    for held in world.nouns.of(kind):
        sent = _sent(body(held)) if body is not None else body_for(route)
        if route.path.endswith("/mark") and kind == "camera":
            held = _by_its_incident(held)
        needed = None if route.action is Action.ADMIN_RETENTION or held.kind != kind else NEEDED.get(kind)
        needed = Action.DAILY_READ if route.path.endswith("/evidence") else needed
        yield Case(fill(route.path, held.path) + query_for(route), sent, held, decided_by or actions, needed)


def _sent(body: Any) -> dict[str, Any]:
    return {} if body is None else {"raw": body} if isinstance(body, bytes) else {"body": body}


def _by_its_incident(held: Held) -> Held:
    """A mark is an act on the incident that it is made for; without one there is nothing to mark."""
    incident = held.things[0].incidents[0] if held.things[0].incidents else Thing(kind=ThingKind.INCIDENT)
    return Held("mark", held.name, held.path, (incident,))


NO_FILE = "0" * 64
"""The hash of a file that a daily report or a post does not have: whoever may read those is told that there is none."""


def fill(path: str, names: dict[str, str]) -> str:
    """The path with its names filled in; names of parts of the object get something that fits."""
    rest = {"share_id": new_id(), "receptor": "r1", "post": new_id(), "sha256": NO_FILE, "version:[0-9]+": "1"} | names
    for name, value in rest.items():
        path = path.replace("{" + name + "}", value)
    assert "{" not in path, f"the matrix does not know the names of {path}"
    return path


def permitted(actor: Actor, case: Case) -> bool:
    """Does the policy permit it?"""
    held = [action for action in case.actions if _holds(actor, action)]
    if case.held is None or case.held.kind == "upload":
        return any(POLICY.document.actions[a].rule not in (Rule.ANY, Rule.WHOLE) or may(actor, a, HUB, NOW).allowed for a in held)
    needed = case.needed is None or any(may(actor, case.needed, thing, NOW).allowed for thing in case.held.things)
    return needed and any(may(actor, action, thing, NOW).allowed for action, thing in product(held, case.held.things))


def _holds(actor: Actor, action: Action) -> bool:
    return bool(actor.permits.get(action))


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


def test_the_matrix_knows_the_object_of_every_route_that_names_one() -> None:
    unknown = [route.path for route in protected() if "{" in route.path and kind_of(route.path) is None]
    assert unknown == [], "say in KINDS which kind of object this path names"


async def test_nobody_gets_through_without_signing_in(world: World) -> None:
    wrong = []
    clock = world.hub.services.clock
    assert isinstance(clock, ManualClock)
    for headers in ({"X-Tocsin": "console"}, {"X-Tocsin": "console", "Cookie": "tocsin_session=" + "x" * 43}):
        clock.advance(timedelta(minutes=1))  # one address asks a thousand things at once and no more
        async with Visitor(world.hub.web_url, headers=headers) as visitor:
            for route in protected():
                for case in cases(world, route):
                    status = await visitor.ask(route.method, case.path, **case.sent)
                    opened = may(POLICY.public(), Action(route.action), HUB, NOW).allowed
                    if not opened and status not in (401, 404):
                        wrong.append((route.method, case.path, status, visitor.body))
    assert not wrong, listed(wrong)


class Trial:
    """One visitor with one role, who goes on as somebody new of that role where an act has ended the session."""

    def __init__(self, world: World, visitor: Visitor, role: Role, scope: Scope) -> None:
        self.world = world
        self.visitor = visitor
        self.given: dict[str, Any] = {"scope": scope, "enterprise": "e1" if role is Role.ENTERPRISE_CONTACT else None}
        self.role = role
        self.wrong: list[Any] = []
        self.cells = {True: 0, False: 0}

    async def sign_in(self) -> Actor:
        """Hold the cookie of a new person of this role."""
        store = self.world.hub.services.store
        _, token = await cookie_for(store, self.role, **self.given)
        self.visitor.hold(token)
        async with store.read() as conn:
            actor = await actor_of_session(conn, POLICY, NOW, idle=HOUR, token=token)
        assert actor is not None
        return actor

    async def try_(self, route: Route, case: Case, expected: bool, secret: list[str]) -> None:
        """Send it, and note what is not as it should be."""
        status = await self.visitor.ask(route.method, case.path, **case.sent)
        if expected and status == 401 and self.role not in MACHINES:  # what was done before has ended this session: go on as somebody new
            await self.sign_in()
            status = await self.visitor.ask(route.method, case.path, **case.sent)
        self.cells[expected] += 1
        away = case.held is not None and (case.held.kind in MAY_BE_AWAY or case.path.endswith(("/receipt", NO_FILE)))
        if expected:
            refused = status in (401, 403) or (route.method == "GET" and status == 404 and not away)
        else:
            refused = status not in REFUSED
        if refused or (status >= 500 and not (away and status == 503)):
            name = case.held.name if case.held else ""
            self.wrong.append((str(self.role), str(self.given["scope"]), route.method, case.path, name, f"expected {expected}", status, self.visitor.body))
        said = "" if case.path.startswith("/api/v1/audit") else str(self.visitor.body)  # the chain names everything, to whoever audits it
        self.wrong += [("names what is hidden", str(self.role), str(self.given["scope"]), route.method, case.path, mark) for mark in secret if mark in said]


@pytest.mark.parametrize(("role", "scope"), POSTS, ids=[f"{role}-{scope}" for role, scope in POSTS])
async def test_a_role_gets_what_the_policy_gives_it_and_nothing_else(world: World, role: Role, scope: Scope) -> None:
    async with Visitor(world.hub.web_url) as visitor:
        trial = Trial(world, visitor, role, scope)
        actor = await trial.sign_in()
        secret = world.nouns.hidden_marks(actor, NOW)
        every = [(route, case, permitted(actor, case)) for route in protected() for case in cases(world, route)]
        for route, case, expected in every:
            if not expected:
                await trial.try_(route, case, False, secret)
        for route, case, expected in every:
            if expected and route.method == "GET":
                await trial.try_(route, case, True, secret)
        # what is done to an incident ends grants on what belongs to it: it comes last
        for route, case, expected in sorted(every, key=lambda row: row[1].held is not None and row[1].held.kind == "incident"):
            if expected and route.method != "GET":
                await trial.try_(route, case, True, [])
    assert not trial.wrong, listed(trial.wrong)
    assert trial.cells[True] > 10
    assert trial.cells[False] > 40


async def test_an_agent_gets_what_its_row_gives_it_over_http_and_nothing_else(world: World) -> None:
    secret = new_secret()
    async with world.hub.services.store.transaction() as tx:
        await put_agent(tx, agent_id="a-2", name="终端", kind="field", department_id=MINE, secret=secret)
    actor = POLICY.agent("a-2", department_id=MINE)
    header = {"Authorization": "Basic " + base64.b64encode(f"a-2:{secret}".encode()).decode()}
    async with Visitor(world.hub.web_url, headers=header) as visitor:
        trial = Trial(world, visitor, Role.AGENT, Scope.OWN)
        for route in protected():
            if POLICY.document.actions[Action(route.action)].rule is Rule.OWN:
                continue  # an account's own affairs: a machine has no account
            for case in cases(world, route):
                await trial.try_(route, case, permitted(actor, case), world.nouns.hidden_marks(actor, NOW))
    assert not trial.wrong, listed(trial.wrong)


UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}


def sockets() -> list[Route]:
    """The routes that become a WebSocket, as their handlers are written."""
    return [route for route in all_routes() if "WebSocketResponse(" in inspect.getsource(route.handler)]


async def opened(visitor: Visitor, path: str) -> int:
    """The status of a handshake: 101 where it opens."""
    headers = UPGRADE | {"Origin": visitor.base}
    async with visitor.client.get(visitor.base + path, headers=headers, timeout=aiohttp.ClientTimeout(total=20)) as answer:
        return answer.status


async def test_every_websocket_opens_for_whom_the_policy_lets_in_and_for_nobody_else(world: World) -> None:
    """Handshakes of every role and scope at every WebSocket route × object: a camera that is away may answer 503 instead of opening."""
    assert {route.path for route in sockets()} == {"/api/v1/live", "/api/v1/feeds/{agent}/{camera}"}
    wrong, cells = [], {True: 0, False: 0}
    async with Visitor(world.hub.web_url) as visitor:
        for route in sockets():
            assert await opened(visitor, next(iter(cases(world, route))).path) in (401, 404), "nobody is signed in"
        for role, scope in POSTS:
            actor = await Trial(world, visitor, role, scope).sign_in()
            for case in (case for each in sockets() for case in cases(world, each)):
                expected, status = permitted(actor, case), await opened(visitor, case.path)
                cells[expected] += 1
                if (status not in (101, 503)) if expected else (status not in REFUSED):
                    wrong.append((str(role), str(scope), case.path, f"expected {expected}", status))
    assert not wrong, listed(wrong)
    assert cells[True] > 20
    assert cells[False] > 40


async def frames_until_status(visitor: Visitor) -> list[str]:
    """Everything that the live feed says from its beginning until it has caught up."""
    async with visitor.client.ws_connect(f"{visitor.base}/api/v1/live?after=0", headers={"Origin": visitor.base}) as socket:
        seen: list[str] = []
        while not any('"type":"status"' in text for text in seen):
            seen.append(await socket.receive_str(timeout=10))
    return seen


async def test_the_live_feed_names_nothing_that_its_reader_may_not_see_whatever_the_kind_of_object(world: World) -> None:
    """Every role and scope: camera, recording, group, duty, notice, daily, handover, agreement, attachment, agent, report, request, response."""
    wrong, hidden = [], set()
    async with Visitor(world.hub.web_url) as visitor:
        for role, scope in POSTS:
            actor = await Trial(world, visitor, role, scope).sign_in()
            said = "".join(await frames_until_status(visitor))
            if may(actor, Action.INCIDENT_READ, world.nouns.one("incident", "mine").things[0], NOW).allowed:
                assert world.mine.id in said, (role, scope)
            if not may(actor, Action.AUDIT_READ, HUB, NOW).allowed:  # the chain names everything, to whoever audits it
                wrong += [(str(role), str(scope), mark) for mark in world.nouns.hidden_marks(actor, NOW) if mark in said]
            hidden |= {held.kind for held in world.nouns.all() if set(held.marks) & set(world.nouns.hidden_marks(actor, NOW))}
    assert not wrong, listed(wrong)
    assert {"incident", "report", "camera", "recording", "group", "obligation", "notice", "request", "activation", "handover", "agreement"} <= hidden


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


CHAINED_THEMSELVES = {
    "/api/v1/incidents/{id}/bulletin", "/api/v1/incidents/{id}/bundle", "/api/v1/recordings/{id}/clip", "/api/v1/audit/export",
}
"""Files whose handlers chain what was in them, before they are given; tests of their own show it."""
FOR_EVERYBODY = {"/ca.pem"}


async def test_every_file_that_somebody_takes_away_is_in_the_chain_before_it_is_given(world: World) -> None:
    files = {route.path: route for route in all_routes() if re.search("Content-Disposition|_download", inspect.getsource(route.handler))}
    assert {path for path, route in files.items() if not route.export} == CHAINED_THEMSELVES | FOR_EVERYBODY
    given = 0
    async with Visitor(world.hub.web_url) as visitor:
        person, token = await cookie_for(world.store, Role.OPERATOR, department="district-office")
        visitor.hold(token)
        assert await visitor.ask("POST", f"/api/v1/digests/{DAY}/draft") == 200
        for route in (route for route in files.values() if route.export):
            path = route.path.format(**(world.nouns.of(kind_of(route.path) or "")[0].path if "{" in route.path else {}))
            before = len(await chained(world, "access.viewed"))
            assert await visitor.ask(route.method, path) == 200, (path, visitor.body)
            (one,) = (await chained(world, "access.viewed"))[before:]
            body = one.read(AccessViewed)
            assert (one.actor, body.action, body.things, body.reason) == (f"person:{person}", str(route.action), (f"hub:{path}",), "导出 / export")
            given += 1
    assert given >= 5


async def test_reading_reports_unmasked_is_in_the_chain_and_a_masked_reading_is_not(world: World) -> None:
    store = world.hub.services.store
    report = report_view(
        Report(id=world.mine.id, kind=ReportKind.INITIAL, occurred_at=NOW, place=Place(text="G204"), reporter=Reporter(name="张三", phone="13812345678")),
        incident_id=world.mine.id, department_id="fire-rescue", agent_id=None, actor="person:x", channel=Channel.WEB, number=1, receipt_no="1",
        received_at=NOW)
    async with store.transaction() as tx:
        await insert_reports(tx, [(report, report_row(report, msgspec.json.encode(report), "hash"))])
        await grant(tx, world.mine, "gas-company", Tier.INFORMED, origin=Origin.ACTIVATION, reason="r", by="system:test")
    for department, whole in (("gas-company", False), ("fire-rescue", True)):
        _, token = await cookie_for(store, Role.RESPONDER, department=department)
        async with Visitor(world.hub.web_url) as visitor:
            visitor.hold(token)
            assert await visitor.ask("GET", f"/api/v1/incidents/{world.mine.id}") == 200
            assert ("13812345678" in str(visitor.body)) is whole
        assert len(await chained(world, "access.viewed")) == int(whole)
    things = (await chained(world, "access.viewed"))[0].read(AccessViewed).things
    assert set(things) == {f"report:{world.mine.id}", f"report:{world.nouns.one('report', 'mine').path['id']}"}

"""Whatever the OpenAPI document allows is tried on a running hub: no 5xx, answers as documented, nothing of other departments.

Briefly by three roles on a hub of its own process. What a department may not see carries a secret word there; it must never stand in an
answer to that department, whatever was asked. At length by every role and scope, on a hub with one object of every kind: ids in paths and
bodies are mostly those of objects that there are, and no answer may carry a mark of one that its reader may not read.
"""

from __future__ import annotations

import asyncio
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import response_schema_conformance

from hub.clock import ManualClock
from hub.domain.access import HUB, MACHINES, Action, Actor, Role, Scope, may
from hub.ingest.intake import Intake
from hub.store import Store
from hub.store.accounts import actor_of_session
from hub.web.guard import COOKIE
from tests.support.district import HOUR, POLICY
from tests.support.furnished import World, furnished
from tests.support.hub_child import HubChild
from tests.support.nouns import MINE, kind_of
from tests.support.reports import TRUSTED, file, raw
from tests.support.web_hub import cookie_for

SECRET = "芝麻开门"
"""A word of an incident of the fire brigade that nobody has shared."""
ROLES = {
    "operator": (Role.OPERATOR, "emergency-bureau"), "reporter": (Role.DEPARTMENT_REPORTER, "water-bureau"), "auditor": (Role.AUDITOR, "emergency-bureau")}
EVERY_POST = [(role, scope) for role in Role if role not in MACHINES for scope in POLICY.document.roles[role].scopes]
_LEFT_OUT = {("GET", "/api/v1/live"), ("DELETE", "/api/v1/session"), ("POST", "/api/v1/session/password")}
"""A WebSocket, which a request of HTTP cannot ask; and what ends the very session that asks."""
_ASKS_A_DEVICE = {"/api/v1/feeds/{agent}/{camera}/snapshot"}
"""Where 503 says that a camera does not answer: there is none behind these."""
# Apprise loads a module that Python 3.13 has no more
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")


class Asker(Protocol):
    """Somebody who asks a running hub: its address, the cookie to go in with, ids to ask for, and what must stand in no answer."""

    url: str
    cookie: str

    def ids(self, name: str, path: str) -> list[str]:
        """Ids that there are, for a parameter or field of this name of an operation."""
        ...

    def heard(self, path: str, status: int, content: bytes) -> None:
        """Look an answer over; raises AssertionError."""
        ...


def attempt(asker: Asker, examples: int) -> tuple[list[str], Counter[int]]:
    """Try every operation; gives what was wrong, one line for each operation, and how often each status was answered."""
    schema = schemathesis.openapi.from_url(asker.url + "/api/v1/openapi.json")
    wrong: list[str] = []
    statuses: Counter[int] = Counter()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), f"an operation the document describes wrongly: {found}"
        operation = found.ok()
        if (operation.method.upper(), operation.path) in _LEFT_OUT:
            continue

        @seed(20261123)
        @settings(max_examples=examples, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(), dice=st.randoms(use_true_random=False))
        def one(case: Any, dice: Any) -> None:
            def known(name: str, value: Any) -> Any:
                return dice.choice(ids) if (ids := asker.ids(name, case.operation.path)) and dice.random() < 0.8 else value

            case.path_parameters = {name: known(name, value) for name, value in (case.path_parameters or {}).items()}
            if isinstance(case.body, dict):
                case.body = {name: known(name, value) for name, value in case.body.items()}
            case.headers = {"X-Tocsin": "console"}  # the credentials are the role's and not made up
            case.cookies = {COOKIE: asker.cookie}
            answer = case.call(base_url=asker.url, timeout=20)
            statuses[answer.status_code] += 1
            away = answer.status_code == 503 and case.operation.path in _ASKS_A_DEVICE
            case.validate_response(answer, checks=[response_schema_conformance, *([] if away else [not_a_server_error])])
            asker.heard(case.operation.path, answer.status_code, answer.content)

        try:
            one()
        except (Exception, BaseExceptionGroup) as error:  # every operation is tried, whatever the others did
            wrong.append(f"{operation.method.upper()} {operation.path}: {' '.join(str(error).split())[:600]}")
    return wrong, statuses


class Tried:
    """A running hub and a cookie for each of three roles; as an `Asker` it is the one that `name` says."""

    def __init__(self, folder: Path) -> None:
        self.hub = HubChild(folder / "hub")
        self.url = self.hub.url
        self.runner = asyncio.Runner()
        self.cookies: dict[str, str] = {}
        self.name = ""

    @property
    def cookie(self) -> str:
        return self.cookies[self.name]

    def ids(self, name: str, path: str) -> list[str]:
        return []

    def heard(self, path: str, status: int, content: bytes) -> None:
        assert self.name != "reporter" or SECRET.encode() not in content, "an answer tells of what was not shared"

    async def _open(self) -> None:
        await self.hub.enrol("t1", department="fire-rescue")
        await self.hub.start()
        async with Store(self.hub.settings().database_url) as store:
            for name, (role, department) in ROLES.items():
                _, self.cookies[name] = await cookie_for(store, role, department=department)
            await file(Intake(store), raw(title=SECRET, place={"text": SECRET}, event_types=None), TRUSTED)

    def __enter__(self) -> Tried:
        try:
            self.runner.run(self._open())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.run(self.hub.stop())
        self.runner.close()


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    with Tried(tmp_path_factory.mktemp("schemathesis")) as running:
        yield running


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", ROLES)
def test_no_request_that_the_document_allows_brings_the_hub_down_or_tells_too_much(tried: Tried, name: str) -> None:
    tried.name = name
    wrong, statuses = attempt(tried, 2)
    assert wrong == []
    assert tried.hub.process is not None
    assert tried.hub.process.returncode is None, tried.hub.log()
    assert statuses[200] >= 20, f"the requests did not get in: {statuses}"


class Beside:
    """A furnished hub in a thread of its own, since schemathesis asks and waits; as an `Asker` it is one role with one scope."""

    def __init__(self, world: World, run: Callable[[Coroutine[Any, Any, Any]], Any], role: Role, scope: Scope) -> None:
        self.world, self.run, self.role, self.scope = world, run, role, scope
        self.url = world.hub.web_url
        self.clock = world.hub.services.clock
        self.sign_in()

    def sign_in(self) -> None:
        """Somebody new of this role."""
        actor, self.cookie = self.run(self._somebody())
        self.chain = ("/api/v1/audit", "/api/v1/changes") if may(actor, Action.AUDIT_READ, HUB, self.clock.now()).allowed else ()
        self.hidden = [mark.encode() for mark in self.world.nouns.hidden_marks(actor, self.clock.now())]

    async def _somebody(self) -> tuple[Actor, str]:
        store = self.world.store
        _, token = await cookie_for(store, self.role, scope=self.scope, department=MINE, enterprise="e1" if self.role is Role.ENTERPRISE_CONTACT else None)
        async with store.read() as conn:
            actor = await actor_of_session(conn, POLICY, self.clock.now(), idle=HOUR, token=token)
        assert actor is not None
        return actor, token

    def ids(self, name: str, path: str) -> list[str]:
        """Of a path, those of its kind of object; of a body's `incident_id`, those of incidents, and so on."""
        kind = name.removesuffix("_id")
        if kind in self.world.nouns.by_kind:
            return [held.path["id"] for held in self.world.nouns.of(kind) if "id" in held.path]
        return [held.path[name] for held in self.world.nouns.by_kind.get(kind_of(path) or "", ()) if name in held.path]

    def heard(self, path: str, status: int, content: bytes) -> None:
        assert isinstance(self.clock, ManualClock)
        self.clock.advance(timedelta(milliseconds=5))  # as many a second as one address may ask
        if status == 401:  # what was asked before has ended this session
            self.sign_in()
        told = [mark.decode() for mark in self.hidden if mark in content and not path.startswith(self.chain)]  # which names everything, to whoever audits it
        assert not told, f"an answer names what its reader may not read: {told}"


def until_ready(url: str, within_s: float = 60.0) -> None:
    """Wait until every part is up: a hub whose broker is still coming answers 503 to whoever asks whether it is ready, and is right."""
    ends, missing = time.monotonic() + within_s, "nothing"
    while missing and time.monotonic() < ends:
        missing = ""
        try:
            urllib.request.urlopen(url + "/readyz", timeout=20).close()
        except urllib.error.HTTPError as error:
            missing = error.read().decode()
            time.sleep(0.1)
    assert not missing, f"not ready within {within_s} s: {missing}"


@contextmanager
def beside(folder: Path, role: Role, scope: Scope) -> Iterator[Beside]:
    """The hub, begun and ended."""
    loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    worlds: list[World] = []

    async def live() -> None:
        async with furnished(folder, only=frozenset({"ingest", "web"})) as world:
            worlds.append(world)
            ready.set()
            await over.wait()

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    living = asyncio.run_coroutine_threadsafe(live(), loop)
    living.add_done_callback(lambda _: ready.set())
    try:
        assert ready.wait(90) and worlds, living.exception(0)
        until_ready(worlds[0].hub.web_url)
        yield Beside(worlds[0], run, role, scope)
    finally:
        loop.call_soon_threadsafe(over.set)
        living.result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


@pytest.mark.soak
@pytest.mark.timeout(5_000)
@pytest.mark.parametrize(("role", "scope"), EVERY_POST, ids=[f"{role}-{scope}" for role, scope in EVERY_POST])
def test_nor_does_any_at_length_by_any_role(tmp_path: Path, role: Role, scope: Scope) -> None:
    with beside(tmp_path, role, scope) as asker:
        wrong, statuses = attempt(asker, 40)
    assert wrong == [], "\n" + "\n".join(wrong)
    assert statuses[200] >= 100, f"the requests did not get in: {statuses}"

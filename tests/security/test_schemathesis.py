"""Whatever the OpenAPI document allows is tried on a running hub by three roles: no 5xx, answers as documented, nothing of other departments.

What a department may not see carries a secret word; it must never stand in an answer to that department, whatever was asked.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import response_schema_conformance

from hub.domain.access import Role
from hub.ingest.intake import Intake
from hub.store import Store
from hub.web.guard import COOKIE
from tests.support.hub_child import HubChild
from tests.support.reports import TRUSTED, file, raw
from tests.support.web_hub import cookie_for

SECRET = "芝麻开门"
"""A word of an incident of the fire brigade that nobody has shared."""
ROLES = {
    "operator": (Role.OPERATOR, "emergency-bureau"), "reporter": (Role.DEPARTMENT_REPORTER, "water-bureau"), "auditor": (Role.AUDITOR, "emergency-bureau")}
_LEFT_OUT = {("GET", "/api/v1/live"), ("DELETE", "/api/v1/session"), ("POST", "/api/v1/session/password")}
"""A WebSocket, which a request of HTTP cannot ask; and what ends the very session that asks."""


class Tried:
    """A running hub and a cookie for each role."""

    def __init__(self, folder: Path) -> None:
        self.hub = HubChild(folder / "hub")
        self.runner = asyncio.Runner()
        self.cookies: dict[str, str] = {}

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


def attempt(tried: Tried, name: str, examples: int) -> tuple[list[str], Counter[int]]:
    """Try every operation as this role; gives what was wrong, one line for each operation, and how often each status was answered."""
    schema = schemathesis.openapi.from_url(tried.hub.url + "/api/v1/openapi.json")
    wrong: list[str] = []
    statuses: Counter[int] = Counter()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), f"an operation the document describes wrongly: {found}"
        operation = found.ok()
        if (operation.method.upper(), operation.path) in _LEFT_OUT:
            continue

        @seed(20261123)
        @settings(max_examples=examples, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def one(case: Any) -> None:
            case.headers = {"X-Tocsin": "console"}  # the credentials are the role's and not made up
            case.cookies = {COOKIE: tried.cookies[name]}
            answer = case.call(base_url=tried.hub.url, timeout=20)
            statuses[answer.status_code] += 1
            case.validate_response(answer, checks=[not_a_server_error, response_schema_conformance])
            assert name != "reporter" or SECRET.encode() not in answer.content, "an answer tells of what was not shared"

        try:
            one()
        except (Exception, BaseExceptionGroup) as error:  # every operation is tried, whatever the others did
            wrong.append(f"{operation.method.upper()} {operation.path}: {' '.join(str(error).split())[:300]}")
    assert tried.hub.process is not None
    if tried.hub.process.returncode is not None:
        wrong.append(tried.hub.log())
    return wrong, statuses


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", ROLES)
def test_no_request_that_the_document_allows_brings_the_hub_down_or_tells_too_much(tried: Tried, name: str) -> None:
    wrong, statuses = attempt(tried, name, 2)
    assert wrong == []
    assert statuses[200] >= 20, f"the requests did not get in: {statuses}"


@pytest.mark.soak
@pytest.mark.timeout(5_000)
@pytest.mark.parametrize("name", ROLES)
def test_the_same_at_length(tried: Tried, name: str) -> None:
    assert attempt(tried, name, 200)[0] == []

"""The ledger of what cameras were online: per day, month and quarter, each camera from the moment it was known. On both databases."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from hub.clock import ManualClock
from hub.domain.access import Role
from hub.domain.agent import AgentView
from hub.domain.calendar import bounds
from hub.domain.camera import EnterpriseView
from hub.store import Store
from hub.store.cameras import note_cameras, online_rates, save_enterprise
from hub.web.guard import COOKIE
from hub.wire import Camera
from tests.support.web_hub import cookie_for, web_hub


def agent(*, online: bool = True, **health: str) -> AgentView:
    return AgentView(id="plant-1", name="plant-1", kind="field", department_id="emergency-bureau", enterprise_id=None, trusted=False, created_at="",
                     revoked_at=None, online=online, seen_at=None, cameras=tuple(Camera(id=id, health=state) for id, state in health.items()))


async def test_a_camera_counts_from_the_moment_it_was_known_and_connecting_is_not_online(store: Store) -> None:
    clock = store.clock
    said = [(0, agent(a="online")), (10, agent(a="offline", b="online")), (15, agent(a="black", b="connecting")), (20, agent(online=False))]
    begin = clock.now()
    for after_h, view in said:
        clock.advance(begin + timedelta(hours=after_h) - clock.now())  # type: ignore[attr-defined]
        async with store.transaction() as tx:
            await note_cameras(tx, view)
    async with store.read() as conn:
        whole = {r.camera_id: r for r in await online_rates(conn, begin - timedelta(days=10), begin + timedelta(hours=30))}
        part = {r.camera_id: r for r in await online_rates(conn, begin + timedelta(hours=12), begin + timedelta(hours=18))}
        before = await online_rates(conn, begin - timedelta(days=2), begin - timedelta(days=1))
    assert (whole["plant-1/a"].known_s, whole["plant-1/a"].rate) == (30 * 3600, 0.5)
    assert (whole["plant-1/b"].known_s, whole["plant-1/b"].rate) == (20 * 3600, 0.25)
    assert (part["plant-1/a"].known_s, part["plant-1/a"].rate) == (6 * 3600, 0.5)
    assert (part["plant-1/b"].known_s, part["plant-1/b"].rate) == (6 * 3600, 0.5)
    assert before == []


@pytest.mark.parametrize(("span", "day", "first", "behind"), [
    ("day", "2026-12-31", "2026-12-31", "2027-01-01"), ("month", "2026-12-31", "2026-12-01", "2027-01-01"), ("month", "2028-02-29", "2028-02-01", "2028-03-01"),
    ("quarter", "2026-12-31", "2026-10-01", "2027-01-01"), ("quarter", "2026-02-01", "2026-01-01", "2026-04-01"), ("quarter", "2026-06-30", "2026-04-01", "2026-07-01"),
    ("quarter", "2026-07-01", "2026-07-01", "2026-10-01"),
])
def test_a_span_begins_and_ends_with_its_calendar(span: str, day: str, first: str, behind: str) -> None:
    assert bounds(span, date.fromisoformat(day)) == (date.fromisoformat(first), date.fromisoformat(behind))


async def test_the_ledger_names_each_enterprise_the_worst_first_for_the_districts_own_month(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 11, 30, 15, 0, tzinfo=UTC))  # an hour before December in the district
    async with web_hub(tmp_path, clock, only=frozenset({"web"})) as hub:
        store = hub.services.store
        async with store.transaction() as tx:
            for id in ("good", "bad"):
                await save_enterprise(tx, EnterpriseView(id=id, zh=id), by="system:test")
        for id, state in (("good", "online"), ("bad", "offline")):
            async with store.transaction() as tx:
                await note_cameras(tx, msgspec.structs.replace(agent(cam=state), id=id, enterprise_id=id))
        clock.advance(timedelta(hours=2))
        _, token = await cookie_for(store, Role.OPERATOR)
        async with aiohttp.ClientSession(headers={"Cookie": f"{COOKIE}={token}"}) as client:
            async def rates(query: str) -> dict[str, Any]:
                async with client.get(f"{hub.web_url}/api/v1/cameras/rates?{query}") as answer:
                    return {"status": answer.status, **(await answer.json())}

            november = await rates("span=month&day=2026-11-30")
            december = await rates("span=month")
            future = await rates("span=quarter&day=2027-01-01")
            wrong = await rates("span=week")
    assert [(one["enterprise_id"], one["rate"], one["known_s"]) for one in november["enterprises"]] == [("bad", 0.0, 3600.0), ("good", 1.0, 3600.0)]
    assert (november["from_at"], november["to_at"]) == ("2026-10-31T16:00:00.000Z", "2026-11-30T16:00:00.000Z")
    assert (december["rate"], december["to_at"]) == (0.5, "2026-11-30T17:00:00.000Z")
    assert (future["status"], future["code"]) == (422, "bad_span")
    assert wrong["status"] in (400, 422)

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
from hub.domain.camera import CameraHealthChanged, CameraPlace, EnterpriseView
from hub.domain.obligation import State
from hub.respond.cameras import CameraBook
from hub.store import Store, changes_after
from hub.store import obligations as ledger
from hub.store.agents import note_presence, put_agent
from hub.store.cameras import note_cameras, online_rates, save_camera, save_enterprise
from hub.web.guard import COOKIE
from hub.wire import Camera, Presence
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


PLANT = EnterpriseView(id="plant-a", zh="甲厂", department_id="emergency-bureau")


async def say(store: Store, *cameras: Camera, online: bool = True) -> None:
    """The agent's presence, and what the book makes of every change so far (a second time changes nothing)."""
    async with store.transaction() as tx:
        await note_presence(tx, "plant-1", Presence(online=online, cameras=cameras))
    await react(store)


async def react(store: Store) -> None:
    book = CameraBook()
    async with store.read() as conn:
        changes = [change for change in await changes_after(conn, 0, limit=1000) if change.kind in book.kinds]
    for change in changes[-1:]:
        async with store.transaction() as tx:
            await book.react(tx, change)


async def register(store: Store, camera_id: str, **more: Any) -> None:
    async with store.transaction() as tx:
        await save_camera(tx, f"plant-1/{camera_id}", CameraPlace(enterprise_id="plant-a", **more), by="system:test")
    await react(store)


async def owed(store: Store, camera_id: str) -> list[State]:
    async with store.read() as conn:
        return [duty.state for duty in await ledger.list_obligations(conn, kinds=["camera_online"], subject=f"camera:plant-1/{camera_id}")]


async def test_a_camera_registered_while_it_is_away_owes_to_be_online_once_however_often_it_is_saved(store: Store) -> None:
    async with store.transaction() as tx:
        await save_enterprise(tx, PLANT, by="system:test")
        await put_agent(tx, agent_id="plant-1", name="plant-1", kind="field", department_id="emergency-bureau", secret="x", enterprise_id="plant-a")
    await say(store, Camera(id="dead", health="offline"), Camera(id="well", health="online"))
    assert await owed(store, "dead") == []  # nobody has registered it
    for id in ("dead", "well", "never-seen"):
        await register(store, id)
    for id in ("dead", "never-seen"):
        await register(store, id, bearing_deg=90)
    assert [await owed(store, id) for id in ("dead", "well", "never-seen")] == [[State.OPEN], [], [State.OPEN]]
    await say(store, Camera(id="dead", health="connecting"), Camera(id="well", health="online"))
    await say(store, Camera(id="dead", health="offline"), Camera(id="well", health="online"))
    assert await owed(store, "dead") == [State.OPEN]
    await say(store, Camera(id="dead", health="online"), Camera(id="never-seen", health="online"), Camera(id="well", health="online"))
    assert [(await owed(store, id))[0] in (State.MET, State.MET_LATE) for id in ("dead", "never-seen")] == [True, True]


async def test_a_trouble_that_comes_or_goes_beside_the_picture_is_a_change_on_the_feed(store: Store) -> None:
    async with store.transaction() as tx:
        await put_agent(tx, agent_id="plant-1", name="plant-1", kind="field", department_id="emergency-bureau", secret="x")
    for measure in ("sharpness=1.00", "sharpness=0.99; flood", "sharpness=0.98; flood", "sharpness=0.97"):
        await say(store, Camera(id="a", health="online", measure=measure))
    async with store.read() as conn:
        said = [c.read(CameraHealthChanged).camera.troubles for c in await changes_after(conn, 0, limit=1000) if c.kind == "camera.health_changed"]
    assert said == [("flood",), ()]

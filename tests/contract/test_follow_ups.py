"""Who may report further on an incident: its reporter, whoever shares in it, the enterprise where it happened, the desk. To others it is unknown."""

from __future__ import annotations

import msgspec
import pytest

from hub.clock import ManualClock
from hub.domain.access import Role, Scope, Tier
from hub.domain.incident import Act, IncidentNoted
from hub.domain.report import Channel
from hub.errors import Rejected
from hub.ids import new_id
from hub.ingest.intake import Intake, Source
from hub.ingest.registry import Registry
from hub.respond.reactor import Runner
from hub.respond.waiting import Waiting
from hub.store import Store
from hub.store.agents import put_agent
from hub.store.changes import changes_of_incident
from hub.store.desk import act_on
from hub.store.organisation import seed_departments
from hub.store.quarantine import list_quarantine
from hub.store.reports import get_incident
from hub.store.sharing import share_by_hand
from hub.wire import Receipt, ReceiptStatus
from tests.support.district import HOUR, NOW, one
from tests.support.reports import AGENT, file, raw

STRANGER = Source("agent:w1", agent_id="w1", department_id="water-bureau")


@pytest.fixture
def intake(store: Store) -> Intake:
    return Intake(store)


async def follow_up(intake: Intake, incident_id: str | None, source: Source) -> Receipt:
    return await file(intake, raw(kind="follow_up", incident_id=incident_id, casualties={"dead": 30}), source)


async def dead(store: Store, incident_id: str | None) -> int | None:
    async with store.read() as conn:
        found = await get_incident(conn, incident_id or "")
    assert found is not None
    return found.casualties.dead


async def reasons(store: Store) -> list[str]:
    async with store.read() as conn:
        return [row.reason for row in await list_quarantine(conn)]


async def shared(store: Store, incident_id: str | None, *, tier: Tier = Tier.INFORMED) -> None:
    async with store.transaction() as tx:
        view = await get_incident(tx.conn, incident_id or "")
        assert view is not None
        await share_by_hand(tx, view, "water-bureau", tier, held=Tier.LEAD, reason="会商", until_at=NOW + HOUR, by="person:desk", by_department_id=None)


async def test_an_incident_of_another_department_is_to_a_stranger_as_one_that_is_not_there(store: Store, intake: Intake) -> None:
    incident_id = (await file(intake, raw())).incident_id
    refused, unknown = await follow_up(intake, incident_id, STRANGER), await follow_up(intake, new_id(), STRANGER)
    assert msgspec.structs.replace(refused, id=unknown.id) == unknown
    assert (refused.status, refused.reason) == (ReceiptStatus.REJECTED, "unknown_incident")
    assert await dead(store, incident_id) is None
    assert sorted(await reasons(store)) == ["not_shared", "unknown_incident"], "the desk is told the truth"


async def test_a_share_lets_in_from_its_beginning_to_before_its_end(store: Store, intake: Intake, clock: ManualClock) -> None:
    incident_id = (await file(intake, raw())).incident_id
    await shared(store, incident_id)
    assert (await follow_up(intake, incident_id, STRANGER)).status is ReceiptStatus.STORED
    clock.advance(HOUR)
    assert (await follow_up(intake, incident_id, STRANGER)).reason == "unknown_incident"


async def test_what_a_stranger_sent_is_stored_by_itself_once_the_incident_is_shared_with_him(store: Store, intake: Intake) -> None:
    async with store.transaction() as tx:
        await seed_departments(tx)
        await put_agent(tx, agent_id="w1", name="w1", kind="field", department_id="water-bureau", secret="x" * 32)
    registry = Registry(store)
    await registry.load()
    runner = Runner(store, Waiting(intake, registry), owner="a")
    source = registry.source("w1")
    assert source is not None
    incident_id = (await file(intake, raw())).incident_id
    await follow_up(intake, incident_id, source)
    while await runner.step():
        pass
    assert await dead(store, incident_id) is None
    await shared(store, incident_id)
    while await runner.step():
        pass
    assert await dead(store, incident_id) == 30


async def test_what_came_before_its_incident_is_stored_by_itself_and_what_a_stranger_sent_so_is_not(store: Store, intake: Intake) -> None:
    async with store.transaction() as tx:
        await seed_departments(tx)
        for id, department in (("w1", "water-bureau"), ("a1", "traffic-police")):
            await put_agent(tx, agent_id=id, name=id, kind="field", department_id=department, secret="x" * 32)
    registry = Registry(store)
    await registry.load()
    incident_id = new_id()
    for id in ("w1", "a1"):
        source = registry.source(id)
        assert source is not None
        assert (await follow_up(intake, incident_id, source)).reason == "unknown_incident"
    await file(intake, raw(id=incident_id), AGENT)
    runner = Runner(store, Waiting(intake, registry), owner="a")
    while await runner.step():
        pass
    async with store.read() as conn:
        waiting = [row.agent_id for row in await list_quarantine(conn, state="waiting")]
        found = await get_incident(conn, incident_id)
    assert found is not None
    assert (found.report_count, waiting) == (2, ["w1"])


@pytest.mark.parametrize(("role", "department", "given", "stored"), [
    (Role.DEPARTMENT_REPORTER, "traffic-police", {}, True), (Role.DEPARTMENT_REPORTER, "water-bureau", {}, False), (Role.RESPONDER, "water-bureau", {}, False),
    (Role.OPERATOR, "district-office", {}, True), (Role.DUTY_OFFICER, "water-bureau", {"scope": Scope.ALL}, True),
    (Role.DEPARTMENT_REPORTER, "public-security", {"scope": Scope.DOWNSTREAM, "below": ("traffic-police",)}, True),
    (Role.ENTERPRISE_CONTACT, None, {"enterprise": "e1"}, True), (Role.ENTERPRISE_CONTACT, None, {"enterprise": "e2"}, False),
])
async def test_a_person_reports_further_on_what_his_posts_reach(
        intake: Intake, role: Role, department: str | None, given: dict[str, object], stored: bool) -> None:
    incident_id = (await file(intake, raw(place={"text": "储罐区", "enterprise_id": "e1"}))).incident_id
    source = Source("person:p1", department_id=department, acts=one(role, department, **given))
    assert (await follow_up(intake, incident_id, source)).status is (ReceiptStatus.STORED if stored else ReceiptStatus.REJECTED)


async def test_a_device_of_one_enterprise_reports_further_on_its_own_and_on_no_other_enterprises_incident(store: Store, intake: Intake) -> None:
    """They stand under one department, which shares in everything: that opens nothing to them."""
    async with store.transaction() as tx:
        await seed_departments(tx)
        for id, enterprise in (("p1", "e1"), ("p1b", "e1"), ("p2", "e2")):
            await put_agent(tx, agent_id=id, name=id, kind="field", department_id="emergency-bureau", enterprise_id=enterprise, secret="x" * 32)
    registry = Registry(store)
    await registry.load()
    devices = {id: source for id in ("p1", "p1b", "p2") if (source := registry.source(id)) is not None}
    first = (await file(intake, raw(), devices["p1"])).incident_id
    assert [(await follow_up(intake, first, devices[id])).status for id in ("p1", "p1b", "p2")] == [
        ReceiptStatus.STORED, ReceiptStatus.STORED, ReceiptStatus.REJECTED]
    elsewhere = (await file(intake, raw(place={"text": "厂区", "enterprise_id": "e2"}))).incident_id
    async with store.transaction() as tx:
        view = await get_incident(tx.conn, elsewhere or "")
        assert view is not None
        await share_by_hand(tx, view, "emergency-bureau", Tier.LEAD, held=Tier.LEAD, reason="r", until_at=NOW + HOUR, by="person:desk")
    assert [(await follow_up(intake, elsewhere, devices[id])).status for id in ("p1", "p2")] == [ReceiptStatus.REJECTED, ReceiptStatus.STORED]
    id = new_id()
    for payload in (raw(id=id), raw(kind="follow_up", incident_id=id)):
        intake.arrive("report", payload, devices["p1"], Channel.MQTT, lambda item: None)
    await intake.drain()
    async with store.read() as conn:
        found = await get_incident(conn, id)
    assert found is not None
    assert found.report_count == 2, "in one batch with its incident as well"


async def test_a_report_on_an_incident_that_was_merged_reaches_the_one_it_lives_on_in(store: Store, intake: Intake) -> None:
    """Its sender may report on what it named, whoever has the other; what it says had stood where nobody looks any more."""
    first, second, third = [(await file(intake, raw())).incident_id or "" for _ in range(3)]
    lone = (await file(intake, raw(), STRANGER)).incident_id or ""
    for one_id, into in ((lone, second), (second, third)):
        async with store.transaction() as tx:
            await act_on(tx, one_id, Act.MERGE, by="person:desk", into=into)
    said = await follow_up(intake, lone, STRANGER)
    assert (said.status, said.incident_id) == (ReceiptStatus.STORED, third)
    assert [await dead(store, id) for id in (lone, second, third, first)] == [None, None, 30, None]
    again = await follow_up(intake, said.id, AGENT)
    assert again.incident_id == third, "any of its reports names it"


async def test_an_incident_that_takes_another_says_so_in_its_own_timeline(store: Store, intake: Intake) -> None:
    one_id, into = [(await file(intake, raw(title=title))).incident_id or "" for title in ("侧翻甲", "侧翻乙")]
    async with store.transaction() as tx:
        await act_on(tx, one_id, Act.MERGE, by="person:desk", into=into)
    async with store.read() as conn:
        notes = [change.read(IncidentNoted).text for change in await changes_of_incident(conn, into) if change.kind == "incident.noted"]
    assert len(notes) == 1 and "侧翻甲" in notes[0]


@pytest.mark.parametrize("ended", [Act.CLOSE, Act.FALSE_ALARM, Act.MERGE])
async def test_an_incident_that_has_ended_takes_no_other(store: Store, intake: Intake, ended: Act) -> None:
    """A live one merged into a closed one had ended with it: off every list, its duties gone."""
    live, over, third = [(await file(intake, raw())).incident_id or "" for _ in range(3)]
    async with store.transaction() as tx:
        if ended is Act.CLOSE:
            await act_on(tx, over, Act.VERIFY, by="person:desk")
        await act_on(tx, over, ended, by="person:desk", reason="已处置", into=third if ended is Act.MERGE else None)
    with pytest.raises(Rejected) as refused:
        async with store.transaction() as tx:
            await act_on(tx, live, Act.MERGE, by="person:desk", into=over)
    assert (refused.value.code, refused.value.field) == ("wrong_target", "into")
    async with store.read() as conn:
        found = await get_incident(conn, live)
    assert found is not None and found.merged_into is None

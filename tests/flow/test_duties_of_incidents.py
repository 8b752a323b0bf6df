"""From a report to what it owes: the desk's three minutes, the statutory clocks, and how they are met, excused and reopened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hub import wire
from hub.clock import ManualClock, utc_text
from hub.domain.access import Tier
from hub.domain.duty_rules import packaged_rules
from hub.domain.incident import Act
from hub.domain.obligation import Evidence, Obligation, State
from hub.domain.report import Channel
from hub.domain.sharing import Origin
from hub.ids import new_id
from hub.ingest.intake import Intake, Source
from hub.notify.outbox import Outbox
from hub.notify.push import Push
from hub.respond.duties import Duties, check_contacts, limits_upward, meet_clock, prepare_posts
from hub.respond.reactor import Runner
from hub.respond.schedule import Schedule, tick
from hub.store import Store
from hub.store import obligations as ledger
from hub.store.desk import act_on, grade, take
from hub.store.notices import list_notices
from hub.store.organisation import seed_departments
from hub.store.reports import get_incident, list_incidents
from hub.store.roster import list_posts, save_post
from hub.store.sharing import grant
from tests.support.duty import MINUTE, NOW, give_contact
from tests.support.gateway import NEAR, Gateway

RULES = packaged_rules()
HOUR = timedelta(hours=1)
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise's own import


class District:
    """A store with the shipped departments, an intake, and the reactor of duties, worked by hand."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store, self.clock = store, clock
        self.intake = Intake(store)
        self.runner = Runner(store, Duties(RULES))

    async def file(self, kind: str = "initial", *, incident: str | None = None, department: str = "emergency-bureau", **other: object) -> str:
        now = self.clock.now()
        report = wire.Report(
            id=new_id(int(now.timestamp() * 1000)), kind=wire.ReportKind(kind), occurred_at=now - 20 * MINUTE, heard_at=now - 10 * MINUTE,
            title="G204 液氨罐车侧翻", place=wire.Place(text="G204 赣马镇段"), incident_id=incident,
            **{"event_types": ("12H00", "12D00"), **other})  # type: ignore[arg-type]
        working = asyncio.create_task(self.intake.run())
        receipt = await self.intake.submit("report", wire.encode(report), Source("agent:a", agent_id="a", department_id=department, trusted=False),
                                           Channel.HTTP)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        assert receipt.status == "stored" and receipt.incident_id
        await self.react()
        return receipt.incident_id

    async def react(self) -> None:
        while await self.runner.step():
            pass

    async def duties(self, incident: str) -> dict[str, Obligation]:
        async with self.store.read() as conn:
            found = await ledger.list_obligations(conn, incident_id=incident, limit=500)
        return {o.key.split(":", 2)[2]: o for o in found}

    async def tick_to(self, at: datetime, every: timedelta = MINUTE) -> None:
        while self.clock.now() < at:
            self.clock.advance(min(every, at - self.clock.now()))
            await tick(self.store, RULES)
            await self.react()


@pytest.fixture
async def district(tmp_path: Path) -> AsyncIterator[District]:
    clock = ManualClock(NOW)
    async with Store(f"sqlite:///{tmp_path}/hub.db", clock) as store:
        async with store.transaction() as tx:
            await seed_departments(tx)
        made = District(store, clock)
        await made.react()
        yield made


async def test_every_department_has_its_standard_posts_and_the_centre_its_desk(district: District) -> None:
    async with district.store.read() as conn:
        posts = {p.id: p for p in await list_posts(conn)}
    assert {"water-bureau.duty", "water-bureau.deputy", "water-bureau.leader", "district-office.desk", "district-office.district-leader"} <= set(posts)
    assert all(post.post in posts for post in RULES.role_posts.values())
    async with district.store.transaction() as tx:
        await prepare_posts(tx)
        assert not tx.recorded


async def test_a_report_starts_the_desk_s_clock_and_the_statutory_ones_with_their_source(district: District) -> None:
    duties = await district.duties(await district.file())
    desk = duties["desk-ack:screen:1"]
    assert (desk.kind, desk.post_id, desk.due_at, desk.urgent) == ("desk_ack", "district-office.desk", NOW + 3 * MINUTE, True)
    assert duties["government-first:phone:1"].due_at == NOW + 30 * MINUTE
    assert duties["government-first:written:1"].due_at == NOW + 60 * MINUTE
    assert duties["safety-department-up:written:1"].department_id == "emergency-bureau"
    assert "国务院令第493号" in (duties["safety-department-up:written:1"].rule or "")
    assert "safety-unit-first:written:1" not in duties, "what an enterprise owes is not this hub's to put on its ledger"
    assert "road-fire-correction:written:1" in duties and "safety-correction:written:1" not in duties


async def test_the_desk_s_acknowledgement_meets_its_duty_with_the_evidence_and_nothing_is_sent_after(district: District) -> None:
    incident = await district.file()
    await district.tick_to(NOW + 2 * MINUTE)
    async with district.store.transaction() as tx:
        await take(tx, incident, by="person:desk", name="张三")
    await district.react()
    desk = (await district.duties(incident))["desk-ack:screen:1"]
    assert (desk.state, desk.met_by) == (State.MET, "person:desk")
    assert desk.evidence is not None and desk.evidence.ref.startswith("change:")
    async with district.store.read() as conn:
        before = len(await list_notices(conn, obligation_id=desk.id))
    await district.tick_to(NOW + 20 * MINUTE)
    async with district.store.read() as conn:
        assert len(await list_notices(conn, obligation_id=desk.id)) == before


async def test_a_report_nobody_takes_goes_up_to_the_duty_leader(district: District) -> None:
    async with district.store.transaction() as tx:
        for post in await list_posts(tx.conn, departments=["district-office"]):
            await save_post(tx, type(post)(**{f: getattr(post, f) for f in post.__struct_fields__} | {"members": (f"{post.id}-p",)}), by="person:a")
    incident = await district.file()
    await district.tick_to(NOW + 15 * MINUTE, every=timedelta(seconds=30))
    desk = (await district.duties(incident))["desk-ack:screen:1"]
    async with district.store.read() as conn:
        steps = await ledger.escalations_of(conn, desk.id)
    assert [(e.step, e.outcome.value) for e in steps] == [(n, "taken") for n in (1, 2, 3, 4)]
    assert "district-office.district-leader" in steps[2].posts and steps[2].at == NOW + 5 * MINUTE


async def test_a_false_alarm_excuses_the_clocks_and_reopening_starts_them_again(district: District) -> None:
    incident = await district.file()
    async with district.store.transaction() as tx:
        await act_on(tx, incident, Act.FALSE_ALARM, by="person:desk", reason="误报")
    await district.react()
    duties = await district.duties(incident)
    assert duties.pop("desk-ack:screen:1").state is State.MET
    assert {o.state for o in duties.values()} == {State.EXCUSED}
    district.clock.advance(2 * HOUR)
    async with district.store.transaction() as tx:
        await act_on(tx, incident, Act.REOPEN, by="person:desk", reason="确有其事")
    await district.react()
    duties = await district.duties(incident)
    duties.pop("desk-ack:screen:1")
    assert {o.state for o in duties.values()} == {State.OPEN}
    assert all(o.due_at > district.clock.now() for o in duties.values())


async def test_a_higher_grade_doubles_the_rhythm_of_follow_ups(district: District) -> None:
    incident = await district.file()
    district.clock.advance(HOUR)
    async with district.store.transaction() as tx:
        await grade(tx, incident, "major", by="person:leader", reason="10人死亡")
    await district.react()
    duties = await district.duties(incident)
    assert duties["safety-follow-up:written:1"].state is State.EXCUSED
    assert duties["safety-follow-up-major:written:1"].due_at == NOW + 13 * HOUR


async def test_a_follow_up_by_the_department_meets_the_turn_and_owes_the_next(district: District) -> None:
    incident = await district.file()
    async with district.store.transaction() as tx:
        view = await get_incident(tx.conn, incident)
        assert view is not None
        await grant(tx, view, "water-bureau", Tier.ASSIST, origin=Origin.ACTIVATION, reason="r", by="person:desk")
    district.clock.advance(10 * HOUR)
    await district.file("follow_up", incident=incident, department="water-bureau")
    assert (await district.duties(incident))["safety-follow-up:written:1"].state is State.OPEN
    await district.file("follow_up", incident=incident)
    duties = await district.duties(incident)
    assert duties["safety-follow-up:written:1"].state is State.MET
    assert duties["safety-follow-up:written:2"].due_at == NOW + 34 * HOUR


async def test_a_follow_up_that_was_missed_is_followed_by_the_next_turn(district: District) -> None:
    incident = await district.file()
    await district.tick_to(NOW + 49 * HOUR, every=10 * MINUTE)
    duties = await district.duties(incident)
    assert duties["safety-follow-up:written:1"].state is State.MISSED
    assert duties["safety-follow-up:written:2"].state is State.OPEN
    assert duties["safety-follow-up:written:2"].due_at > district.clock.now()


async def test_the_end_of_an_incident_ends_the_rhythm_and_starts_the_final_report(district: District) -> None:
    incident = await district.file()
    async with district.store.transaction() as tx:
        await act_on(tx, incident, Act.VERIFY, by="person:desk")
        await act_on(tx, incident, Act.CLOSE, by="person:desk")
    await district.react()
    duties = await district.duties(incident)
    assert duties["safety-follow-up:written:1"].state is State.EXCUSED
    assert duties["incident-final:written:1"].due_at == NOW + timedelta(days=7)
    await district.file("final", incident=incident, department="emergency-bureau")
    assert (await district.duties(incident))["incident-final:written:1"].state is State.MET


async def test_whoever_reports_upward_meets_the_clock_with_its_receipt(district: District) -> None:
    incident = await district.file()
    async with district.store.transaction() as tx:
        met = await meet_clock(tx, RULES, incident, limits=[row.id for row in limits_upward(RULES)], forms=["written"], by="system:upward",  # type: ignore[list-item]
                               evidence=Evidence(ref="receipt:20261123-000042", at=NOW))
    assert {o.key.split(":")[2] for o in met} >= {"government-first", "safety-department-up"}
    assert (await district.duties(incident))["government-first:phone:1"].state is State.OPEN


async def test_drills_owe_marked_duties(district: District) -> None:
    duties = await district.duties(await district.file(drill=True))
    assert duties and all(o.drill and "【演练】" in o.title_zh for o in duties.values())


async def test_the_reactor_started_again_makes_nothing_twice(district: District) -> None:
    incident = await district.file()
    before = await district.duties(incident)
    again = Runner(district.store, type("Second", (Duties,), {"name": "duties-again"})(RULES))
    while await again.step():
        pass
    assert await district.duties(incident) == before


async def test_a_contact_is_checked_in_its_turn_and_an_unreachable_one_becomes_the_department_s_duty(district: District) -> None:
    async with Gateway() as good, Gateway(answer=410) as bad, Push(timeout_s=3, near=NEAR) as push:
        for gateway in (good, bad):
            await give_contact(district.store, "water-bureau.duty", gateway.url)
        assert await check_contacts(district.store, RULES) == 2
        assert await check_contacts(district.store, RULES) == 0
        outbox = Outbox(district.store, RULES, [push])
        await outbox.step()
        await outbox.settle()
        async with district.store.read() as conn:
            found = await ledger.list_obligations(conn, kinds=["contact_reachable"])
    assert sorted(o.state for o in found) == [State.MET, State.OPEN]
    assert found[0].post_id == "water-bureau.duty" and len(good.got) == 1
    district.clock.advance(timedelta(days=7))
    assert await check_contacts(district.store, RULES) == 2


async def test_the_schedule_runs_each_job_at_once_and_again_and_an_outage_is_only_a_later_run(district: District) -> None:
    ran: list[str] = []
    schedule = Schedule()

    async def work() -> None:
        ran.append(utc_text(district.clock.now()))
        await tick(district.store, RULES)

    schedule.add("duties", 0.1, work)
    running = asyncio.create_task(schedule.run())
    async with asyncio.timeout(20):
        while schedule.runs.get("duties", 0) < 3:
            await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(ran) >= 3


async def test_a_bug_in_a_job_ends_the_schedule(district: District) -> None:
    schedule = Schedule()

    async def broken() -> None:
        raise ZeroDivisionError

    schedule.add("broken", 0.1, broken)
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(20):
            await schedule.run()


@pytest.mark.parametrize(("end", "state"), [(Act.CLOSE, "closed"), (Act.FALSE_ALARM, "false_alarm")])
async def test_a_report_on_an_incident_that_had_ended_rings_the_desk_again_and_leaves_the_state_to_it(district: District, end: Act, state: str) -> None:
    incident = await district.file()
    async with district.store.transaction() as tx:
        await act_on(tx, incident, Act.VERIFY, by="person:desk", name="张三")
        await act_on(tx, incident, end, by="person:desk", name="张三", reason="处置完毕")
    await district.react()
    assert (await district.duties(incident))["desk-ack:screen:1"].state == "met"

    async def seen() -> tuple[str, str | None]:
        async with district.store.read() as conn:
            held = await get_incident(conn, incident)
            waits = await list_incidents(conn, acknowledged=False)
        assert held is not None and (incident in {one.id for one in waits}) == (held.acknowledged_at is None)
        return str(held.state), held.acknowledged_by

    assert await seen() == (state, "张三")
    await district.file("final", incident=incident)
    assert await seen() == (state, "张三"), "a final report is due after the end"
    district.clock.advance(HOUR)
    await district.file("follow_up", incident=incident, casualties=wire.Casualties(dead=7))
    assert await seen() == (state, None)
    rung = {key: o for key, o in (await district.duties(incident)).items() if key.startswith("desk-ack") and o.state == "open"}
    ((key, owed),) = rung.items()
    assert (owed.opens_at, owed.due_at) == (district.clock.now(), district.clock.now() + 3 * MINUTE)
    await district.file("follow_up", incident=incident, urgent=True)
    assert [k for k, o in (await district.duties(incident)).items() if k.startswith("desk-ack") and o.state == "open"] == [key], "it waits once"
    async with district.store.transaction() as tx:
        await take(tx, incident, by="person:desk", name="李四")
    await district.react()
    assert await seen() == (state, "李四") and (await district.duties(incident))[key].state == "met"

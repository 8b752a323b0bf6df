"""Plans in a real store: matched as incidents open, put in force with tasks, notices and shares, changed by difference, ended."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import event

from hub.clock import ManualClock
from hub.domain.activation import ResponseHead, ResponseState
from hub.domain.duty_rules import packaged_rules
from hub.domain.incident import Act, IncidentNoted, IncidentOpened, IncidentUpdated, IncidentView
from hub.domain.notice import halves
from hub.domain.obligation import State
from hub.domain.report import PlaceView
from hub.domain.resource import Request, RequestState, Resource, ResourceKind
from hub.domain.roster import Shift
from hub.domain.sharing import Origin
from hub.errors import Rejected
from hub.ids import new_id
from hub.respond.matching import Matching
from hub.respond.reactor import Reactor, Runner
from hub.respond.responses import Responses
from hub.store import Store
from hub.store.activations import (
    active_response,
    bindings,
    change_response,
    finish_task,
    get_response,
    manned,
    move_stage,
    put_in_force,
    responses_of,
    revoke,
    stored_cases,
    tasks_of,
    terminate,
)
from hub.store.changes import changes_of_incident
from hub.store.desk import act_on
from hub.store.notices import list_notices, list_pending
from hub.store.obligations import get_obligation, list_obligations, meet
from hub.store.organisation import add_person, list_departments, save_department, seed_departments
from hub.store.plans import (
    checked_answer,
    facts_from,
    get_match,
    history_of,
    import_catalogue,
    list_heads,
    save_plan,
    state_fact,
    step_plan,
)
from hub.store.reports import insert_incidents, update_incident
from hub.store.resources import (
    ask_for,
    check_stock,
    get_resource,
    list_resources,
    load_demo,
    move_request,
    requests_of,
    save_resource,
    withdraw,
)
from hub.store.roster import make_standard_posts, save_shift
from hub.store.sharing import shares_of
from hub.store.writer import Transaction
from hub.wire import Hazmat
from plans.facts import IncidentFacts
from plans.load import export_text, load_folder
from plans.match import State as Truth
from plans.model import Level, PlanStatus, Stage, Text
from tests.support.district import NOW, incident_view

RULES = packaged_rules()
BY = "person:desk"
TODAY = date(2026, 11, 23)
CATALOGUE = load_folder()
ROAD_ONLY = ["road-traffic"]
BOTH = ["hazmat-road-transport", "road-traffic"]


async def follow(store: Store, *reactors: Reactor) -> None:
    """Let the reactors work through the feed."""
    for reactor in reactors:
        runner = Runner(store, reactor, owner="test")
        while await runner.step():
            pass


async def district(store: Store) -> None:
    """Departments with their duty posts, and the shipped plans in force."""
    async with store.transaction() as tx:
        await seed_departments(tx)
        await make_standard_posts(tx, [(d.id, d.zh, d.en) for d in await list_departments(tx.conn)], centre="district-office", by=BY)
        for plan in CATALOGUE:
            await save_plan(tx, plan, by="system:catalogue")


async def opened(store: Store, *, hazmat: tuple[Hazmat, ...] = (), drill: bool = False, number: int = 1) -> IncidentView:
    """An incident on a road, opened."""
    view = msgspec.structs.replace(incident_view(number, event_types=("12H00",), drill=drill), hazmat=hazmat,
                                   place=PlaceView(text="G204 赣马段", road="G204", adcode="320707108", lon=119.112, lat=34.865))
    async with store.transaction() as tx:
        await insert_incidents(tx, [(view, msgspec.json.encode(view))])
        tx.record(IncidentOpened(incident=view), actor="agent:a", subject=f"incident:{view.id}", incident_id=view.id, department_id=view.department_id)
    return view


def facts(view: IncidentView) -> IncidentFacts:
    return facts_from(view, ZoneInfo(RULES.calendar.zone), {})


async def start(store: Store, view: IncidentView, plans: list[str], level: Level | None = Level.III) -> ResponseHead:
    async with store.transaction() as tx:
        return await put_in_force(tx, RULES, view, facts(view), plans, level, by=BY)


async def tasks(store: Store, view: IncidentView) -> dict[str, State]:
    async with store.read() as conn:
        held = await active_response(conn, view.id)
        assert held is not None
        return {t.key: t.state for t in await tasks_of(conn, held)}


async def test_what_nobody_mans_is_named_as_people_call_it(store: Store) -> None:
    await district(store)
    async with store.read() as conn:
        called = {d.id: (d.zh, d.en) for d in await list_departments(conn)}
    head = await start(store, await opened(store), ROAD_ONLY)
    (caution,) = [c for c in head.cautions if c.code == "nobody_on_duty"]
    assert called["traffic-police"][0] in caution.zh and called["traffic-police"][1] in caution.en
    assert not [id for id in called if id in f"{caution.zh} {caution.en}"], "nobody at night knows departments by their slugs"


async def test_the_tasks_of_a_department_that_is_no_more_rest_with_the_command_centre(store: Store) -> None:
    await district(store)
    async with store.transaction() as tx:
        (police,) = [d for d in await list_departments(tx.conn) if d.id == "traffic-police"]
        await save_department(tx, msgspec.structs.replace(police, active=False), by=BY)
    view = await opened(store)
    head = await start(store, view, ROAD_ONLY)
    async with store.read() as conn:
        held = await active_response(conn, view.id)
        assert held is not None
        owners = {(t.owner.department, t.owner.acting_for) for t in await tasks_of(conn, held)}
    assert ("district-office", "traffic-police") in owners and "traffic-police" not in {department for department, _ in owners}
    assert any(c.code == "post_unmanned" and police.zh in c.zh for c in head.cautions)


async def restated(store: Store, view: IncidentView, *loads: Hazmat) -> IncidentView:
    """A follow-up that says something else of the load."""
    after = msgspec.structs.replace(view, version=view.version + 1, hazmat=loads)
    async with store.transaction() as tx:
        assert await update_incident(tx, view, after)
        tx.record(IncidentUpdated(incident=after, report_id="r", changed=("hazmat",)), actor="agent:a", subject=f"incident:{view.id}", incident_id=view.id)
    return after


async def test_what_a_follow_up_makes_necessary_is_owed_and_nothing_that_stands_is_taken_back(store: Store, clock: ManualClock) -> None:
    """Nobody is evacuated from a load that is tight; once it leaks somebody has to be told to."""
    await district(store)
    quiet = Hazmat(un="1005", leak=False, fire=False, explosion=False)
    view = await opened(store, hazmat=(quiet,))
    responses = Responses()
    await follow(store, responses)
    first = await start(store, view, ["hazmat-road-transport"])
    before = await tasks(store, view)
    assert not any(key.startswith("evacuate/") for key in before)

    clock.advance(timedelta(minutes=20))
    leaking = await restated(store, view, msgspec.structs.replace(quiet, leak=True))
    await follow(store, responses)
    after = await tasks(store, view)
    assert set(before) < set(after)
    (evacuation,) = [key for key in after if key.startswith("evacuate/")]
    async with store.read() as conn:
        held = await active_response(conn, view.id)
        assert held is not None and held.head.version == first.version + 1 and "新增" in held.head.zh
        due = next(t.due_at for t in await tasks_of(conn, held) if t.key == evacuation)
    assert due > clock.now(), "counted from when it became known"

    await restated(store, leaking, quiet)
    await follow(store, responses)
    assert await tasks(store, view) == after, "that the leak is over is for people to decide on"
    async with store.read() as conn:
        unchanged = await active_response(conn, view.id)
    assert unchanged is not None and unchanged.head == held.head


async def test_the_tasks_of_a_department_that_goes_meanwhile_pass_to_the_command_centre(store: Store) -> None:
    await district(store)
    view = await opened(store)
    responses = Responses()
    await follow(store, responses)
    await start(store, view, ROAD_ONLY)
    before = await tasks(store, view)
    async with store.transaction() as tx:
        (police,) = [d for d in await list_departments(tx.conn) if d.id == "traffic-police"]
        await save_department(tx, msgspec.structs.replace(police, active=False), by=BY)
    await follow(store, responses)
    assert await tasks(store, view) == before, "the same tasks, all of them open"
    async with store.read() as conn:
        held = await active_response(conn, view.id)
        assert held is not None
        owners = {(t.owner.department, t.owner.acting_for) for t in await tasks_of(conn, held)}
        owed = await list_obligations(conn, incident_id=view.id, kinds=["plan_task"], owed_only=True, limit=200)
    assert ("district-office", "traffic-police") in owners
    assert "traffic-police" not in {d.department_id for d in owed} and len(owed) == len(before)


async def test_a_plan_that_joins_may_raise_the_level_and_never_lowers_it(store: Store) -> None:
    await district(store)
    view = await opened(store)
    await start(store, view, ROAD_ONLY, Level.III)
    assert (await start(store, view, ["hazmat-road-transport"], Level.IV)).level is Level.III
    assert (await start(store, view, ["general"], Level.II)).level is Level.II
    assert (await start(store, view, ["general"], None)).level is Level.II


async def test_the_shipped_plans_are_stored_once(store: Store) -> None:
    assert await import_catalogue(store) == len(CATALOGUE)
    assert await import_catalogue(store) == 0
    async with store.read() as conn:
        assert {h.id for h in await list_heads(conn)} == {p.id for p in CATALOGUE}


async def test_a_later_edition_brings_what_was_never_there_and_offers_what_differs_and_overwrites_nothing(store: Store, tmp_path: Path) -> None:
    """An older catalogue without the plan for mines, with an older fire plan; the district changed one plan and withdrew another."""
    older = tmp_path / "older"
    older.mkdir()
    for plan in CATALOGUE:
        if plan.id not in ("mine-accident", "hazmat-road-transport"):
            told = msgspec.structs.replace(plan, source=msgspec.structs.replace(plan.source, edition="2020")) if plan.id == "fire" else plan
            (older / f"{plan.id}.yaml").write_text(export_text(told), "utf-8")
    assert await import_catalogue(store, older) == len(CATALOGUE) - 2
    gas = next(p for p in CATALOGUE if p.id == "gas")
    own = msgspec.structs.replace(gas, version=2, status=PlanStatus.DRAFT, source=msgspec.structs.replace(gas.source, edition="ours"))
    async with store.transaction() as tx:
        await save_plan(tx, own, by=BY)
        await step_plan(tx, "gas", 2, PlanStatus.REVIEWED, by=BY, on=TODAY)
        await step_plan(tx, "gas", 2, PlanStatus.IN_FORCE, by="person:leader", on=TODAY)
        await step_plan(tx, "campus", 1, PlanStatus.SUPERSEDED, by="person:leader", on=TODAY, reason="另有规定")

    assert await import_catalogue(store) == 3
    assert await import_catalogue(store) == 0, "an edition is taken up once"
    async with store.read() as conn:
        heads = await list_heads(conn)
    stands = {(h.id, h.version): (h.status, h.saved_by) for h in heads}
    assert stands["mine-accident", 1] == (PlanStatus.IN_FORCE, "system:edition")
    assert stands["hazmat-road-transport", 1] == (PlanStatus.REVIEWED, "system:edition"), "what acts by itself is only offered"
    assert (stands["fire", 1][0], stands["fire", 2]) == (PlanStatus.IN_FORCE, (PlanStatus.REVIEWED, "system:edition"))
    assert [stands["gas", n][0] for n in (1, 2)] == [PlanStatus.SUPERSEDED, PlanStatus.IN_FORCE]
    assert stands["campus", 1][0] is PlanStatus.SUPERSEDED
    assert ("gas", 3) not in stands and ("campus", 2) not in stands


async def test_a_new_version_in_force_supersedes_the_one_that_was(store: Store) -> None:
    plan = next(p for p in CATALOGUE if p.id == "fire")
    draft = msgspec.structs.replace(plan, version=plan.version + 1, status=PlanStatus.DRAFT)
    async with store.transaction() as tx:
        await save_plan(tx, plan, by=BY)
        await save_plan(tx, draft, by=BY)
        with pytest.raises(Rejected, match="draft"):
            await step_plan(tx, "fire", draft.version, PlanStatus.IN_FORCE, by=BY, on=TODAY)
        await step_plan(tx, "fire", draft.version, PlanStatus.REVIEWED, by=BY, on=TODAY)
        with pytest.raises(Rejected) as refused:
            await step_plan(tx, "fire", draft.version, PlanStatus.IN_FORCE, by=BY, on=TODAY)
        await step_plan(tx, "fire", draft.version, PlanStatus.IN_FORCE, by="person:leader", on=TODAY)
        heads = await list_heads(tx.conn, id="fire")
        steps = await history_of(tx.conn, "fire")
    assert refused.value.code == "own_plan", "four eyes: nobody approves what they wrote"
    assert [(s.version, s.what, s.by) for s in reversed(steps)] == [
        (plan.version, "saved", BY), (draft.version, "saved", BY), (draft.version, "reviewed", BY),
        (plan.version, "superseded", "person:leader"), (draft.version, "in_force", "person:leader")]
    assert (heads[1].saved_by, heads[1].reviewed_by, heads[1].approved_by) == (BY, BY, "person:leader")
    assert [(h.version, h.status) for h in heads] == [(plan.version, PlanStatus.SUPERSEDED), (draft.version, PlanStatus.IN_FORCE)]


async def test_whoever_wrote_a_version_does_not_approve_it_though_somebody_else_saved_it_last(store: Store) -> None:
    plan = next(p for p in CATALOGUE if p.id == "fire")
    draft = msgspec.structs.replace(plan, version=plan.version + 1, status=PlanStatus.DRAFT)
    async with store.transaction() as tx:
        begun = await save_plan(tx, draft, by=BY)
        await save_plan(tx, msgspec.structs.replace(draft, title=msgspec.structs.replace(draft.title, zh=draft.title.zh + "。")), by="person:other", expects=begun.sha256)
        await step_plan(tx, "fire", draft.version, PlanStatus.REVIEWED, by="person:other", on=TODAY)
        for writer in (BY, "person:other"):
            with pytest.raises(Rejected) as refused:
                await step_plan(tx, "fire", draft.version, PlanStatus.IN_FORCE, by=writer, on=TODAY)
            assert refused.value.code == "own_plan"
        assert (await step_plan(tx, "fire", draft.version, PlanStatus.IN_FORCE, by="person:leader", on=TODAY)).approved_by == "person:leader"


async def test_a_draft_that_somebody_else_saved_meanwhile_is_not_overwritten(store: Store) -> None:
    plan = msgspec.structs.replace(next(p for p in CATALOGUE if p.id == "fire"), status=PlanStatus.DRAFT)
    async with store.transaction() as tx:
        begun = await save_plan(tx, plan, by=BY)
        await save_plan(tx, msgspec.structs.replace(plan, tasks=plan.tasks[:-1]), by="person:other", expects=begun.sha256)
        with pytest.raises(Rejected) as refused:
            await save_plan(tx, msgspec.structs.replace(plan, supports=()), by=BY, expects=begun.sha256)
        assert refused.value.code == "changed_meanwhile"
        with pytest.raises(Rejected) as refused:
            await save_plan(tx, msgspec.structs.replace(plan, supports=()), by=BY)
    assert refused.value.code == "draft_exists", "a file that is imported writes over nobody's draft unseen"


async def test_a_version_comes_in_force_within_its_time_alone_and_leaves_no_gap(store: Store) -> None:
    plan = next(p for p in CATALOGUE if p.id == "fire")
    later = [msgspec.structs.replace(plan, version=2, status=PlanStatus.DRAFT, valid_until=TODAY - timedelta(days=1)),
             msgspec.structs.replace(plan, version=3, status=PlanStatus.DRAFT, valid_from=TODAY + timedelta(days=1))]
    async with store.transaction() as tx:
        await save_plan(tx, plan, by=BY)
        codes = []
        for one in later:
            await save_plan(tx, one, by=BY)
            await step_plan(tx, "fire", one.version, PlanStatus.REVIEWED, by=BY, on=TODAY)
            with pytest.raises(Rejected) as refused:
                await step_plan(tx, "fire", one.version, PlanStatus.IN_FORCE, by="person:leader", on=TODAY)
            codes.append(refused.value.code)
        assert [h.status for h in await list_heads(tx.conn, id="fire")] == [PlanStatus.IN_FORCE, PlanStatus.REVIEWED, PlanStatus.REVIEWED]
        await step_plan(tx, "fire", 3, PlanStatus.IN_FORCE, by="person:leader", on=TODAY + timedelta(days=1))
        assert [h.status for h in await list_heads(tx.conn, id="fire")] == [PlanStatus.SUPERSEDED, PlanStatus.REVIEWED, PlanStatus.IN_FORCE]
    assert codes == ["plan_expired", "plan_not_yet_valid"]


async def test_a_version_that_left_the_draft_cannot_be_altered(store: Store) -> None:
    plan = next(p for p in CATALOGUE if p.id == "fire")
    async with store.transaction() as tx:
        await save_plan(tx, plan, by=BY)
        with pytest.raises(Rejected, match="no draft"):
            await save_plan(tx, msgspec.structs.replace(plan, tasks=()), by=BY)


async def test_an_opened_incident_is_matched_and_the_missing_fact_asked(store: Store) -> None:
    await district(store)
    view = await opened(store)

    await follow(store, Matching(RULES))

    async with store.read() as conn:
        held = await get_match(conn, view.id)
    assert held is not None
    assert held[0].plans[0].plan_id == "road-traffic" and held[0].plans[0].state is Truth.SATISFIED
    assert held[0].plans[-1].plan_id == "general"
    assert held[0].missing_fact is not None and held[0].missing_fact.field == "hazmat_present"


async def test_an_answer_matches_again_and_says_what_changed(store: Store) -> None:
    await district(store)
    view = await opened(store)
    matching = Matching(RULES)
    await follow(store, matching)

    async with store.transaction() as tx:
        assert await state_fact(tx, view, "hazmat_present", True, by=BY)
        assert not await state_fact(tx, view, "hazmat_present", True, by=BY)
    await follow(store, matching)

    async with store.read() as conn:
        held = await get_match(conn, view.id)
    assert held is not None and held[0].version == 2
    assert held[0].plans[0].plan_id == "hazmat-road-transport"
    assert held[0].diff is not None and "危险" in held[0].diff.zh


async def test_a_follow_up_that_says_nothing_new_is_not_matched_again(store: Store) -> None:
    await district(store)
    view = await opened(store)
    matching = Matching(RULES)
    await follow(store, matching)
    same = msgspec.structs.replace(view, version=2, report_count=2)
    async with store.transaction() as tx:
        assert await update_incident(tx, view, same)
        tx.record(IncidentUpdated(incident=same, report_id="r", changed=()), actor="agent:a", subject=f"incident:{view.id}", incident_id=view.id)
    await follow(store, matching)

    async with store.read() as conn:
        held = await get_match(conn, view.id)
    assert held is not None and held[0].version == 1


@pytest.mark.parametrize(("field", "value"), [("hazmat_present", "ja"), ("place.setting", "moon"), ("nonsense", 1), ("casualties.dead", -1),
                                              ("casualties.dead", 1.5), ("event_types", "12H00")])
async def test_an_answer_that_is_none_is_refused(store: Store, field: str, value: object) -> None:
    view = await opened(store)
    async with store.transaction() as tx:
        with pytest.raises(Rejected):
            await state_fact(tx, view, field, checked_answer(field, value), by=BY)


async def test_plans_in_force_give_every_task_an_owner_a_time_and_a_duty(store: Store, clock: ManualClock) -> None:
    await district(store)
    view = await opened(store)

    head = await start(store, view, BOTH)

    async with store.read() as conn:
        held = await get_response(conn, head.id)
        assert held is not None
        found = await tasks_of(conn, held)
        shares = [s for s in await shares_of(conn, view.id) if s.origin is Origin.ACTIVATION]
        duty = await get_obligation(conn, found[0].id)
    assert len(found) == len(held.document.tasks) == head.tasks > 20
    assert all(t.owner.department and t.due_at >= clock.now() and t.state is State.OPEN for t in found)
    assert duty is not None and duty.kind == "plan_task" and duty.incident_id == view.id and duty.post_id == f"{duty.department_id}.duty"
    assert duty.rule is not None and duty.rule.startswith("《危险货物道路运输事故应急预案》"), "people read the plan's name, not its id"
    assert {s.department_id for s in shares} >= {"fire-rescue", "ecology-bureau", "health-commission"}
    assert any(len(t.plans) == 2 for t in found), "two plans want the same task once"


async def test_what_a_response_asks_and_tells_is_english_for_those_who_read_english(store: Store) -> None:
    await district(store)
    view = await opened(store)
    await start(store, view, BOTH)

    async with store.read() as conn:
        duties = await list_obligations(conn, incident_id=view.id, kinds=["plan_task", "resource_request"], limit=200)
        notices = await list_notices(conn, limit=200)
    english = [text for o in duties for text in (o.title_en, halves(o.rule or "")[1])] + [n.body_en or "" for n in notices if n.channel == "console"]
    assert {o.kind for o in duties} == {"plan_task", "resource_request"} and any(n.template == "message" for n in notices)
    assert [text for text in english if re.search("[\u4e00-\u9fff]", text.replace(view.title, ""))] == [], "but for the incident's own title"
    assert all(not re.search("[a-z]{4}", n.body.replace(n.id[-12:], "")) for n in notices if n.template == "message"), "nor is the Chinese text English"


async def test_putting_the_same_plans_in_force_twice_is_once(store: Store) -> None:
    await district(store)
    view = await opened(store)
    first = await start(store, view, BOTH)
    before = await tasks(store, view)
    async with store.read() as conn:
        shares = len(await shares_of(conn, view.id))
    head_seq = await store.head()

    again = await start(store, view, BOTH)

    assert again == first and await tasks(store, view) == before and await store.head() == head_seq
    async with store.read() as conn:
        assert len(await shares_of(conn, view.id)) == shares and len(await responses_of(conn, view.id)) == 1


async def level(store: Store, view: IncidentView, to: Level, plans: list[str] | None = None) -> ResponseHead:
    async with store.transaction() as tx:
        held = await active_response(tx.conn, view.id)
        assert held is not None
        wanted = plans or [p.id for p in held.document.plans]
        return await change_response(tx, RULES, view, facts(view), held, wanted, to, by=BY, reason="演练")


async def test_up_then_down_leaves_the_tasks_as_they_were(store: Store, clock: ManualClock) -> None:
    await district(store)
    view = await opened(store)
    await start(store, view, BOTH, Level.IV)
    before = await tasks(store, view)

    clock.advance(timedelta(minutes=3))
    raised = await level(store, view, Level.I)
    more = await tasks(store, view)
    clock.advance(timedelta(minutes=3))
    await level(store, view, Level.IV)

    assert set(more) > set(before) and "提升" in raised.zh
    assert await tasks(store, view) == before
    await level(store, view, Level.I)
    assert await tasks(store, view) == more, "what was withdrawn is owed again"


async def test_switching_plans_withdraws_what_only_the_old_one_wanted(store: Store) -> None:
    await district(store)
    view = await opened(store)
    await start(store, view, BOTH)
    both = await tasks(store, view)

    await level(store, view, Level.III, ROAD_ONLY)

    left = await tasks(store, view)
    assert set(left) < set(both) and all(state is State.OPEN for state in left.values())


async def test_a_task_waits_for_those_before_it_unless_somebody_says_why(store: Store) -> None:
    await district(store)
    view = await opened(store)
    head = await start(store, view, BOTH)
    async with store.transaction() as tx:
        held = await get_response(tx.conn, head.id)
        assert held is not None
        waiting = next(t for t in await tasks_of(tx.conn, held) if t.waits_for)
        duty = await get_obligation(tx.conn, waiting.id)
        assert duty is not None
        with pytest.raises(Rejected, match="come first"):
            await finish_task(tx, RULES, held, duty, view, by=BY, text="已完成", ref="task:x")
        done = await finish_task(tx, RULES, held, duty, view, by=BY, text="已完成", ref="task:x", reason="现场先行处置")
    for by, text in ((BY, "已完成"), ("person:other", "下游两处也已封堵"), ("person:other", "下游两处也已封堵"), ("person:other", " ")):
        async with store.transaction() as tx:
            assert await finish_task(tx, RULES, held, done, view, by=by, text=text, ref="task:x") == done
    async with store.read() as conn:
        noted = [(c.actor, c.read(IncidentNoted).text) for c in await changes_of_incident(conn, view.id) if c.kind == "incident.noted"]
    assert noted == [("person:other", f"{done.title_zh}：下游两处也已封堵")], "what a second person saw of it is kept, once"
    assert done.state is State.MET and done.evidence is not None and done.evidence.zh == "已完成"


async def test_a_stage_needs_its_exit_conditions_or_a_reason(store: Store) -> None:
    await district(store)
    view = await opened(store)
    await start(store, view, BOTH)
    async with store.transaction() as tx:
        held = await active_response(tx.conn, view.id)
        assert held is not None
        with pytest.raises(Rejected, match="give a reason"):
            await move_stage(tx, view, held, Stage.IDENTIFY, met=(), reason=None, by=BY)
        keys = [e.key for s in held.document.stages if s.stage is Stage.RECEIVE for e in s.exit]
        head = await move_stage(tx, view, held, Stage.IDENTIFY, met=keys, reason=None, by=BY)
    assert head.stage is Stage.IDENTIFY and set(head.stages[-1].met) == set(keys)


async def test_the_end_needs_conditions_or_a_reason_and_ends_shares_and_tasks(store: Store) -> None:
    await district(store)
    view = await opened(store)
    await start(store, view, BOTH)
    async with store.transaction() as tx:
        held = await active_response(tx.conn, view.id)
        assert held is not None
        with pytest.raises(Rejected, match="conditions are not met"):
            await terminate(tx, RULES, view, facts(view), held, met=(), reason=None, by=BY)
    async with store.transaction() as tx:
        held = await active_response(tx.conn, view.id)
        assert held is not None
        head = await terminate(tx, RULES, view, facts(view), held, met=(), reason="演练结束", by=BY)
    async with store.read() as conn:
        after = await get_response(conn, head.id)
        assert after is not None
        found = await tasks_of(conn, after)
        shares = [s for s in await shares_of(conn, view.id) if s.origin is Origin.ACTIVATION]
        assert await active_response(conn, view.id) is None
    assert head.state is ResponseState.TERMINATED and not shares
    assert [t for t in found if t.state is State.OPEN], "the evaluation is owed"
    assert {t.stage for t in found if t.state is State.OPEN} == {Stage.EVALUATE}


LEAK = (Hazmat(un="1005", container="road_tanker", leak=True),)


async def test_a_toxic_leak_on_a_road_puts_its_plan_in_force_by_rule_and_a_person_may_revoke_it(store: Store, clock: ManualClock) -> None:
    await district(store)
    view = await opened(store, hazmat=LEAK)
    matching = Matching(RULES)
    await follow(store, matching)

    async with store.transaction() as tx:
        held = await active_response(tx.conn, view.id)
        assert held is not None and held.head.automatic is not None and held.head.started_by == "system:matching"
        with pytest.raises(Rejected, match="reason"):
            await revoke(tx, RULES, view, held, reason=" ", by=BY)
    async with store.transaction() as tx:
        head = await revoke(tx, RULES, view, held, reason="误报", by=BY)
        await state_fact(tx, view, "hazmat.quantity_kg", 20000, by=BY)
    await follow(store, matching)

    async with store.read() as conn:
        assert head.state is ResponseState.REVOKED and await active_response(conn, view.id) is None, "once revoked, no rule begins it again"


async def test_what_tells_of_an_incident_waits_on_screens_until_that_incident_ends_and_again_when_it_goes_on(store: Store, clock: ManualClock) -> None:
    await district(store)
    view = await opened(store, hazmat=LEAK)
    await follow(store, Matching(RULES))

    async def told() -> list[str | None]:
        async with store.read() as conn:
            held = await list_pending(conn, RULES, posts=["district-office.duty", "fire-rescue.duty"], now=clock.now())
            return [n.incident_id for n in held if n.template == "message"]

    assert await told() and set(await told()) == {view.id}
    for act, waits in ((Act.CLOSE, False), (Act.REOPEN, True), (Act.CLOSE, False)):
        async with store.transaction() as tx:
            await act_on(tx, view.id, act, reason="险情已排除", by=BY)
        assert bool(await told()) is waits, act


async def test_a_task_names_its_incident_wherever_its_duty_is_read(store: Store) -> None:
    await district(store)
    view = await opened(store)
    await start(store, view, BOTH)

    async with store.read() as conn:
        duties = await list_obligations(conn, incident_id=view.id, kinds=["plan_task"], limit=200)
    assert duties and all(o.title_zh.endswith(f"：{view.title}") and o.title_en.endswith(f": {view.title}") for o in duties)


async def test_the_time_to_revoke_ends(store: Store, clock: ManualClock) -> None:
    await district(store)
    view = await opened(store, hazmat=LEAK)
    await follow(store, Matching(RULES))
    clock.advance(timedelta(hours=2))
    async with store.transaction() as tx:
        held = await active_response(tx.conn, view.id)
        assert held is not None
        with pytest.raises(Rejected, match="terminate"):
            await revoke(tx, RULES, view, held, reason="误报", by=BY)


async def test_a_response_asks_the_nearest_owner_and_each_step_is_timed(store: Store, clock: ManualClock) -> None:
    await district(store)
    async with store.transaction() as tx:
        await load_demo(tx)
    view = await opened(store, hazmat=LEAK, drill=True)
    await start(store, view, BOTH)
    async with store.read() as conn:
        asked = {r.capability: r for r in await requests_of(conn, view.id)}
    suit = asked["protective-suit-type1"]
    assert suit.suggestions[0].resource_id == "demo-suit-qingkou" and "公里" in suit.suggestions[0].zh
    async with store.transaction() as tx:
        with pytest.raises(Rejected, match="not_enough"):
            await move_request(tx, RULES, suit.id, RequestState.OFFERED, by=BY, resource_id="demo-suit-qingkou", quantity=1000)
    async with store.transaction() as tx:
        with pytest.raises(Rejected, match="wrong_state"):
            await move_request(tx, RULES, suit.id, RequestState.ARRIVED, by=BY)
    for to in (RequestState.OFFERED, RequestState.DISPATCHED, RequestState.ARRIVED, RequestState.RETURNED):
        clock.advance(timedelta(minutes=5))
        async with store.transaction() as tx:
            suit = await move_request(tx, RULES, suit.id, to, by=BY, resource_id="demo-suit-qingkou", quantity=2)
    assert [s.state for s in suit.steps] == [RequestState.REQUESTED, RequestState.OFFERED, RequestState.DISPATCHED, RequestState.ARRIVED, RequestState.RETURNED]
    assert len({s.at for s in suit.steps}) == 5


async def moved(store: Store, view: IncidentView, act: Act, **given: str | None) -> None:
    async with store.transaction() as tx:
        await act_on(tx, view.id, act, by=BY, **given)


async def test_a_false_alarm_ends_its_response_and_rings_nobody_any_more(store: Store) -> None:
    await district(store)
    view = await opened(store)
    head = await start(store, view, BOTH)
    await moved(store, view, Act.FALSE_ALARM, reason="误报")
    async with store.read() as conn:
        held = await get_response(conn, head.id)
        assert held is not None and held.head.state is ResponseState.TERMINATED and held.head.reason == "误报" and "false alarm" in held.head.en
        owed = await list_obligations(conn, owed_only=True, subject=f"activation:{head.id}", limit=500)
        shares = [s for s in await shares_of(conn, view.id) if s.origin is Origin.ACTIVATION and s.until_at is None]
    assert owed == [] and shares == [], "what is dismissed has nothing to evaluate either"


async def test_closing_an_incident_ends_its_response_by_its_conditions_or_with_the_reason(store: Store) -> None:
    await district(store)
    view = await opened(store)
    head = await start(store, view, BOTH)
    with pytest.raises(Rejected) as open_still:
        await moved(store, view, Act.CLOSE, reason=None)
    assert open_still.value.code == "termination_needs_reason"
    await moved(store, view, Act.CLOSE, reason="现场处置完毕")
    async with store.read() as conn:
        held = await get_response(conn, head.id)
        assert held is not None and held.head.state is ResponseState.TERMINATED and held.head.reason == "现场处置完毕"
        owed = await list_obligations(conn, owed_only=True, subject=f"activation:{head.id}", limit=500)
    assert owed and {o.due_at.date() > NOW.date() for o in owed} == {True}, "only the evaluation is owed"


async def test_the_response_of_a_merged_incident_goes_on_at_the_other_at_the_graver_level(store: Store) -> None:
    await district(store)
    view, other = await opened(store), await opened(store, number=2)
    head, there = await start(store, view, BOTH, Level.II), await start(store, other, ROAD_ONLY, Level.IV)
    await moved(store, view, Act.MERGE, into=other.id)
    async with store.read() as conn:
        held, joined = await get_response(conn, head.id), await active_response(conn, other.id)
        assert held is not None and held.head.state is ResponseState.TERMINATED and other.no in held.head.zh
        assert joined is not None and joined.head.id == there.id and joined.head.level is Level.II
        assert {p.id for p in joined.head.plans} == set(BOTH)
        assert await list_obligations(conn, owed_only=True, subject=f"activation:{head.id}", limit=500) == [], "no task stands twice"
        assert await list_obligations(conn, owed_only=True, subject=f"activation:{there.id}", limit=500)
    third = await opened(store, number=3)
    await moved(store, other, Act.MERGE, into=third.id)
    async with store.read() as conn:
        begun = await active_response(conn, third.id)
    assert begun is not None and begun.head.level is Level.II and {p.id for p in begun.head.plans} == set(BOTH)


LIME = Resource(id="lime-1", kind=ResourceKind.STOCK, name_zh="石灰", name_en="lime", department_id="fire-rescue", capability="lime", quantity=8, unit="吨", low_below=10)


async def stock_duties(store: Store) -> list[State]:
    await check_stock(store, RULES)
    async with store.read() as conn:
        return [o.state for o in await list_obligations(conn, kinds={"resource_stock"}, limit=100)]


async def test_low_stock_is_owed_once_whatever_is_lent_meanwhile_and_met_when_it_is_made_good(store: Store) -> None:
    await district(store)
    view = await opened(store)
    async with store.transaction() as tx:
        await save_resource(tx, LIME, by=BY)
    assert await stock_duties(store) == [State.OPEN] == await stock_duties(store)
    async with store.transaction() as tx:
        request = await ask_for(tx, RULES, view, capability="lime", quantity=2, unit="吨", text=Text("石灰", "lime"), due_at=tx.now, asked_by="district-office",
                                by=BY, activation_id=None, key="k")
        for step in (RequestState.OFFERED, RequestState.DISPATCHED, RequestState.RETURNED):
            await move_request(tx, RULES, request.id, step, by=BY, resource_id="lime-1")
    assert await stock_duties(store) == [State.OPEN], "lending it is no second cause"
    async with store.transaction() as tx:
        await save_resource(tx, msgspec.structs.replace(LIME, quantity=20), by=BY)
    assert await stock_duties(store) == [State.MET]


class Overtaken:
    """A store in which somebody else acts between what is read and what is written."""

    def __init__(self, store: Store, act: Callable[[Transaction], Awaitable[Any]]) -> None:
        self.read, self.clock, self._store, self._act = store.read, store.clock, store, act

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        async with self._store.transaction() as tx:
            await self._act(tx)
        async with self._store.transaction() as tx:
            yield tx


@pytest.mark.parametrize("active", [True, False])
async def test_a_stock_duty_that_somebody_meets_as_its_cause_ends_is_left_as_it_is(store: Store, active: bool) -> None:
    await district(store)
    async with store.transaction() as tx:
        await save_resource(tx, LIME, by=BY)
    assert await stock_duties(store) == [State.OPEN]
    async with store.transaction() as tx:
        await save_resource(tx, msgspec.structs.replace(LIME, quantity=20, active=active), by=BY)
    async with store.read() as conn:
        (duty,) = await list_obligations(conn, kinds={"resource_stock"})
    await check_stock(cast(Store, Overtaken(store, lambda tx: meet(tx, RULES, duty.id, by=BY, reason="已补"))), RULES)
    async with store.read() as conn:
        (duty,) = await list_obligations(conn, kinds={"resource_stock"})
    assert (duty.state, duty.met_by) == (State.MET, BY)


async def test_low_stock_made_good_is_met_also_where_it_has_expired(store: Store, clock: ManualClock) -> None:
    await district(store)
    today = clock.now().astimezone(ZoneInfo(RULES.calendar.zone)).date()
    async with store.transaction() as tx:
        await save_resource(tx, msgspec.structs.replace(LIME, expires_on=today - timedelta(days=1)), by=BY)
    assert await stock_duties(store) == [State.OPEN, State.OPEN]
    async with store.transaction() as tx:
        await save_resource(tx, msgspec.structs.replace(LIME, expires_on=today - timedelta(days=1), quantity=20), by=BY)
    assert sorted(await stock_duties(store)) == [State.MET, State.OPEN], "that it has expired is owed still"


async def test_an_offer_that_is_taken_back_is_to_be_answered_again(store: Store) -> None:
    await district(store)
    view = await opened(store)
    async with store.transaction() as tx:
        await save_resource(tx, msgspec.structs.replace(LIME, low_below=None), by=BY)
        request = await ask_for(tx, RULES, view, capability="lime", quantity=2, unit="吨", text=Text("石灰", "lime"), due_at=tx.now, asked_by="district-office",
                                by=BY, activation_id=None, key="k")
        await move_request(tx, RULES, request.id, RequestState.OFFERED, by=BY, resource_id="lime-1")
    subject = f"resource_request:{request.id}"
    async with store.read() as conn:
        assert await list_obligations(conn, owed_only=True, subject=subject) == [], "answered"
    async with store.transaction() as tx:
        again = await move_request(tx, RULES, request.id, RequestState.REQUESTED, by=BY)
    assert (again.resource_id, again.offered, again.department_id) == (None, None, "fire-rescue") and again.suggestions[0].free == 8
    async with store.read() as conn:
        (owed,) = await list_obligations(conn, owed_only=True, subject=subject)
    assert owed.department_id == "fire-rescue" and owed.due_at > owed.created_at


async def asked_for(store: Store, view: IncidentView, quantity: float = 20, key: str = "k", activation_id: str | None = None) -> Request:
    async with store.transaction() as tx:
        return await ask_for(tx, RULES, view, capability="lime", quantity=quantity, unit="吨", text=Text("石灰", "lime"), due_at=tx.now, asked_by="district-office",
                             by=BY, activation_id=activation_id, key=key)


async def step(store: Store, request: Request, to: RequestState, resource_id: str | None = None, quantity: float | None = None) -> Request:
    async with store.transaction() as tx:
        return await move_request(tx, RULES, request.id, to, by=BY, resource_id=resource_id, quantity=quantity)


async def limes(store: Store, **amounts: float) -> None:
    """Lime at two departments, and as much as is said of each."""
    async with store.transaction() as tx:
        for id, amount in amounts.items():
            await save_resource(tx, msgspec.structs.replace(LIME, id=id, name_zh=id, name_en=id, department_id=f"{id}-bureau", quantity=amount, low_below=None), by=BY)


async def owed_answers(store: Store) -> list[tuple[str, str]]:
    async with store.read() as conn:
        found = await list_obligations(conn, owed_only=True, kinds={"resource_request"}, limit=100)
    return sorted((o.department_id, o.title_en.rpartition("(")[2]) for o in found)


async def test_the_second_of_two_departments_that_offer_is_told_and_lends_nothing(store: Store) -> None:
    await district(store)
    view = await opened(store)
    await limes(store, emergency=30, water=30)
    request = await asked_for(store, view)
    await step(store, request, RequestState.OFFERED, "emergency")
    assert (await step(store, request, RequestState.OFFERED, "emergency")).state is RequestState.OFFERED, "pressed twice is pressed once"
    with pytest.raises(Rejected, match="already_offered") as refused:
        await step(store, request, RequestState.OFFERED, "water")
    assert "emergency" in refused.value.zh
    with pytest.raises(Rejected, match="already_offered") as refused:
        await step(store, request, RequestState.OFFERED, "emergency", 12)
    assert "20 t" in refused.value.en and refused.value.field == "quantity", "an altered amount is not lost without a word"
    await step(store, request, RequestState.OFFERED, "emergency", 20)
    async with store.read() as conn:
        lent = {r.id: r.out for r in await list_resources(conn)}
    assert lent == {"emergency": 20, "water": 0}


async def test_what_an_offer_leaves_open_is_asked_of_others_and_both_together_are_what_was_wanted(store: Store) -> None:
    await district(store)
    view = await opened(store)
    await limes(store, emergency=8.1, water=5)
    request = await asked_for(store, view)
    first = await step(store, request, RequestState.OFFERED, "emergency", 8.1)
    async with store.read() as conn:
        _, rest = await requests_of(conn, view.id)
    assert (first.quantity, rest.quantity, rest.department_id, rest.text) == (8.1, 11.9, "water-bureau", first.text)
    assert [s.resource_id for s in rest.suggestions] == ["water"] and await owed_answers(store) == [("water-bureau", "11.9 t)")]
    await step(store, rest, RequestState.OFFERED, "water", 5)
    assert await owed_answers(store) == [("district-office", "6.9 t)")], "nobody has more: the desk sees to it"
    again = await asked_for(store, view)
    assert again.id == request.id and again.quantity == 8.1, "asked again it is asked for already"
    await step(store, request, RequestState.REQUESTED)
    assert (await asked_for(store, view, 25)).quantity == 13.1, "five more than before, beside what is asked for apart"
    async with store.transaction() as tx:
        await withdraw(tx, RULES, "k", reason="不再需要")
    assert await owed_answers(store) == []
    async with store.read() as conn:
        assert {r.state for r in await requests_of(conn, view.id)} == {RequestState.CANCELLED} and {r.out for r in await list_resources(conn)} == {0}


async def set_level(store: Store, view: IncidentView, level: Level, plans: list[str] | None = None) -> ResponseHead:
    async with store.transaction() as tx:
        held = await active_response(tx.conn, view.id)
        assert held is not None
        return await change_response(tx, RULES, view, facts(view), held, plans or [p.id for p in held.document.plans], level, by=BY, reason="调整")


async def test_what_a_person_cancelled_of_a_response_stays_cancelled_and_what_a_lower_level_withdrew_comes_back(store: Store) -> None:
    await district(store)
    view = await opened(store, hazmat=LEAK)
    await start(store, view, BOTH, Level.II)

    async def standing() -> dict[str, RequestState]:
        async with store.read() as conn:
            return {r.capability: r.state for r in await requests_of(conn, view.id)}

    async with store.read() as conn:
        asked = {r.capability: r for r in await requests_of(conn, view.id)}
    crane = asked["recovery-crane"]
    await step(store, crane, RequestState.CANCELLED)
    before = await standing()
    await set_level(store, view, Level.IV)
    await set_level(store, view, Level.II)
    assert await standing() == before and before["recovery-crane"] is RequestState.CANCELLED, "nobody wanted the crane, and nobody wants it now"
    await step(store, crane, RequestState.REQUESTED)
    assert (await standing())["recovery-crane"] is RequestState.REQUESTED, "who cancelled it may ask for it again"


@pytest.mark.parametrize("cancelled", [(5,), (3,), (5, 3)])
async def test_what_a_person_cancelled_after_a_part_was_offered_stays_cancelled_and_what_was_withdrawn_comes_back(store: Store, cancelled: tuple[float, ...]) -> None:
    await district(store)
    view = await opened(store)
    head = await start(store, view, ROAD_ONLY)
    await limes(store, emergency=5)
    request = await asked_for(store, view, 8, "w", head.id)
    await step(store, request, RequestState.OFFERED, "emergency", 5)

    async def parts(state: RequestState) -> dict[float, str]:
        async with store.read() as conn:
            return {r.quantity: r.id for r in await requests_of(conn, view.id) if r.capability == "lime" and r.state is state}

    both = await parts(RequestState.OFFERED) | await parts(RequestState.REQUESTED)
    assert both.keys() == {5, 3}
    for amount in cancelled:
        async with store.transaction() as tx:
            await move_request(tx, RULES, both[amount], RequestState.CANCELLED, by=BY)
    dropped = await parts(RequestState.CANCELLED)
    assert dropped.keys() == set(cancelled)
    await asked_for(store, view, 8, "w", head.id)
    assert await parts(RequestState.CANCELLED) == dropped, "the response wants what it wanted before"
    async with store.transaction() as tx:
        await withdraw(tx, RULES, "w", reason="降级")
    assert await parts(RequestState.CANCELLED) == both
    await asked_for(store, view, 8, "w", head.id)
    assert await parts(RequestState.CANCELLED) == dropped, "what the response withdrew is asked for again, and no more"
    await asked_for(store, view, 10, "w", head.id)
    assert sum(await parts(RequestState.REQUESTED)) + sum(await parts(RequestState.CANCELLED)) == 10, "two more than before"


async def finished(store: Store, view: IncidentView, key: str, text: str, response_id: str) -> State:
    async with store.transaction() as tx:
        whole = await get_response(tx.conn, response_id)
        assert whole is not None
        view_of = next(t for t in await tasks_of(tx.conn, whole) if t.key == key)
        duty = await get_obligation(tx.conn, view_of.id)
        assert duty is not None
        return (await finish_task(tx, RULES, whole, duty, view, by="person:scene", text=text, ref="r", reason="现场已先行")).state


async def notes(store: Store, view: IncidentView) -> list[str]:
    async with store.read() as conn:
        return [c.read(IncidentNoted).text for c in await changes_of_incident(conn, view.id) if c.kind == "incident.noted"]


async def test_what_a_phone_without_signal_reports_after_the_response_has_ended_is_kept_in_the_timeline_once(store: Store) -> None:
    await district(store)
    view = await opened(store, hazmat=LEAK)
    head = await start(store, view, BOTH)
    key = next(iter(await tasks(store, view)))
    async with store.transaction() as tx:
        held = await active_response(tx.conn, view.id)
        assert held is not None
        await terminate(tx, RULES, view, facts(view), held, met=(), reason="险情排除", by=BY)
    for _ in range(2):
        assert await finished(store, view, key, "阀门已关，拍照留存", head.id) is State.EXCUSED
    (said,) = await notes(store, view)
    assert said.endswith("阀门已关，拍照留存")


async def test_plans_switched_while_tasks_are_half_done_lose_no_work_and_double_none(store: Store, clock: ManualClock) -> None:
    await district(store)
    view = await opened(store, hazmat=LEAK)
    head = await start(store, view, BOTH)
    first = await tasks(store, view)
    async with store.read() as conn:
        whole = await get_response(conn, head.id)
    assert whole is not None
    apart = [t.key for t in whole.document.tasks if t.plans == ("hazmat-road-transport",)]
    shared = [t.key for t in whole.document.tasks if "road-traffic" in t.plans]
    for key in (apart[0], shared[0]):
        assert await finished(store, view, key, f"已完成 {key}", head.id) in (State.MET, State.MET_LATE)
    clock.advance(timedelta(minutes=7))
    await set_level(store, view, Level.III, ROAD_ONLY)
    narrower = await tasks(store, view)
    assert narrower[shared[0]] is State.MET and apart[1] not in narrower
    clock.advance(timedelta(minutes=7))
    await set_level(store, view, Level.III, BOTH)
    again = await tasks(store, view)
    assert again.keys() == first.keys()
    assert {key for key, state in again.items() if state is State.MET} == {apart[0], shared[0]}, "done stays done, with its evidence"
    assert {state for key, state in again.items() if key not in (apart[0], shared[0])} == {State.OPEN}
    async with store.read() as conn:
        duties = await list_obligations(conn, subject=f"activation:{head.id}", limit=1_000)
    assert len({d.key for d in duties}) == len(duties) == len(first)


async def test_a_clock_that_jumps_back_between_neither_loses_nor_doubles_a_task(store: Store, clock: ManualClock) -> None:
    await district(store)
    view = await opened(store, hazmat=LEAK)
    await start(store, view, BOTH)
    before = await tasks(store, view)
    clock.advance(timedelta(hours=-3))
    await set_level(store, view, Level.I)
    await set_level(store, view, Level.III)
    assert await tasks(store, view) == before
    async with store.read() as conn:
        assert [s for s in await shares_of(conn, view.id) if s.origin is Origin.ACTIVATION]
    async with store.transaction() as tx:
        held = await active_response(tx.conn, view.id)
        assert held is not None
        await terminate(tx, RULES, view, facts(view), held, met=(), reason="险情排除", by=BY)
    async with store.read() as conn:
        assert not [s for s in await shares_of(conn, view.id) if s.origin is Origin.ACTIVATION and s.until_at is None], "every grant of the response has ended"


async def test_whoever_comes_on_duty_while_a_response_runs_is_named_at_its_tasks(store: Store, clock: ManualClock) -> None:
    await district(store)
    async with store.transaction() as tx:
        night, day = [await add_person(tx, name, by=BY, phone=phone, department_id="traffic-police") for name, phone in (("夜班甲", "13800000001"), ("白班乙", "13800000002"))]
        for who, first, last in ((night, 0, 8), (day, 8, 16)):
            await save_shift(tx, Shift(id=new_id(), post_id="traffic-police.duty", person_id=who.id, starts_at=NOW + timedelta(hours=first), ends_at=NOW + timedelta(hours=last)), by=BY)
    clock.advance(timedelta(hours=1))
    view = await opened(store)
    head = await start(store, view, ROAD_ONLY)

    async def named() -> set[str | None]:
        async with store.read() as conn:
            whole = await get_response(conn, head.id)
            assert whole is not None
            found = manned(await tasks_of(conn, whole), await bindings(conn, clock.now()))
            return {t.owner.officer for t in found if t.owner.department == "traffic-police"}

    assert await named() == {"夜班甲"}
    clock.advance(timedelta(hours=8))
    assert await named() == {"白班乙"}
    clock.advance(timedelta(hours=8))
    assert await named() == {None}, "nobody, and not whoever was there before"


async def test_many_incidents_are_replayed_by_as_many_queries_as_one(store: Store) -> None:
    await district(store)
    first, other, quiet = [await opened(store, number=n) for n in (1, 2, 3)]
    await start(store, first, ROAD_ONLY, Level.IV)
    await start(store, other, BOTH, Level.II)
    async with store.transaction() as tx:
        await state_fact(tx, other, "hazmat.quantity_kg", 20000, by=BY)
    async with store.read() as conn:
        asked: list[str] = []

        def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
            asked.append(statement)

        assert conn.sync_connection is not None
        event.listen(conn.sync_connection, "before_cursor_execute", note)
        (newest,) = await stored_cases(conn, ZoneInfo(RULES.calendar.zone), limit=1)
        for_one = len(asked)
        cases = dict(await stored_cases(conn, ZoneInfo(RULES.calendar.zone)))
        for_all = len(asked) - for_one
        event.remove(conn.sync_connection, "before_cursor_execute", note)
    assert newest[0] == quiet.id and for_all == for_one > 0
    assert {id: (set(case.expected), case.level) for id, case in cases.items()} == {
        first.id: (set(ROAD_ONLY), Level.IV), other.id: (set(BOTH), Level.II), quiet.id: (set(), None)}
    assert [load.quantity_kg for load in cases[other.id].facts.hazmat] == [20000] and not cases[first.id].facts.hazmat


async def test_where_the_post_is_no_more_a_task_names_nobody(store: Store, clock: ManualClock) -> None:
    await district(store)
    async with store.transaction() as tx:
        who = await add_person(tx, "夜班甲", by=BY, phone="13800000001", department_id="traffic-police")
        await save_shift(tx, Shift(id=new_id(), post_id="traffic-police.duty", person_id=who.id, starts_at=NOW, ends_at=NOW + timedelta(hours=8)), by=BY)
    clock.advance(timedelta(hours=1))
    head = await start(store, await opened(store), ROAD_ONLY)
    async with store.transaction() as tx:
        police = next(d for d in await list_departments(tx.conn) if d.id == "traffic-police")
        await save_department(tx, msgspec.structs.replace(police, active=False), by=BY)
    async with store.read() as conn:
        whole = await get_response(conn, head.id)
        assert whole is not None
        before = await tasks_of(conn, whole)
        found = manned(before, await bindings(conn, clock.now()))
    assert {t.owner.officer for t in before if t.owner.department == "traffic-police"} == {"夜班甲"}
    assert {(t.owner.officer, t.owner.phone) for t in found if t.owner.department == "traffic-police"} == {(None, None)}


async def test_nothing_is_taken_out_of_use_while_it_is_lent(store: Store) -> None:
    await district(store)
    view = await opened(store)
    await limes(store, emergency=30)
    request = await asked_for(store, view)
    await step(store, request, RequestState.OFFERED, "emergency")
    async with store.read() as conn:
        held = await get_resource(conn, "emergency")
    assert held is not None
    with pytest.raises(Rejected, match="still_out"):
        async with store.transaction() as tx:
            await save_resource(tx, msgspec.structs.replace(held, active=False), by=BY)
    await step(store, request, RequestState.CANCELLED)
    async with store.transaction() as tx:
        saved = await save_resource(tx, msgspec.structs.replace(held, active=False, version=0), by=BY)
    assert not saved.active and saved.out == 0


async def test_stock_that_goes_bad_is_told_before_and_once_more_when_it_has_and_ends_in_the_words_of_what_became_of_it(store: Store, clock: ManualClock) -> None:
    await district(store)
    today = clock.now().astimezone(ZoneInfo(RULES.calendar.zone)).date()
    foam = msgspec.structs.replace(LIME, low_below=None, expires_on=today + timedelta(days=10))

    async def said() -> list[tuple[str, State, str]]:
        await check_stock(store, RULES)
        async with store.read() as conn:
            return [(o.title_en.partition(":")[0], o.state, (o.reason or (o.evidence.en if o.evidence else "")).rpartition(" / ")[2])
                    for o in sorted(await list_obligations(conn, kinds={"resource_stock"}, limit=100), key=lambda o: o.id)]

    async with store.transaction() as tx:
        await save_resource(tx, foam, by=BY)
    assert await said() == await said() == [("expires", State.OPEN, "")]
    clock.advance(timedelta(days=11))
    assert await said() == [("expires", State.EXCUSED, "it has expired, which is owed by itself"), ("has expired", State.OPEN, "")]
    async with store.transaction() as tx:
        await save_resource(tx, msgspec.structs.replace(foam, expires_on=today + timedelta(days=700)), by=BY)
    assert (await said())[1] == ("has expired", State.MET, "the stock was made good")
    async with store.transaction() as tx:
        await save_resource(tx, msgspec.structs.replace(foam, expires_on=today + timedelta(days=20)), by=BY)
    assert (await said())[2][1] is State.OPEN
    async with store.transaction() as tx:
        await save_resource(tx, msgspec.structs.replace(foam, expires_on=today + timedelta(days=20), active=False), by=BY)
    assert (await said())[2][1:] == (State.EXCUSED, "the resource is no longer in use")


async def test_what_is_used_up_of_a_stock_is_gone_from_it_and_no_more_comes_back_than_was_lent(store: Store) -> None:
    await district(store)
    view = await opened(store)
    async with store.transaction() as tx:
        await save_resource(tx, msgspec.structs.replace(LIME, low_below=5), by=BY)
        request = await ask_for(tx, RULES, view, capability="lime", quantity=6, unit="吨", text=Text("石灰", "lime"), due_at=tx.now, asked_by="district-office",
                                by=BY, activation_id=None, key="k")
        for step in (RequestState.OFFERED, RequestState.DISPATCHED, RequestState.ARRIVED):
            await move_request(tx, RULES, request.id, step, by=BY, resource_id="lime-1", quantity=6)
    with pytest.raises(Rejected, match="not_enough"):
        async with store.transaction() as tx:
            await move_request(tx, RULES, request.id, RequestState.RETURNED, by=BY, quantity=7)
    async with store.transaction() as tx:
        await move_request(tx, RULES, request.id, RequestState.RETURNED, by=BY, quantity=1)
    async with store.read() as conn:
        left = await get_resource(conn, "lime-1")
    assert left is not None and (left.quantity, left.out, left.free) == (3, 0, 3)
    assert await stock_duties(store) == [State.OPEN], "3 of at least 5 t: it is to be made good"


async def test_a_plan_whose_time_is_over_is_not_put_in_force_and_the_refusal_says_since_when(store: Store, clock: ManualClock) -> None:
    await district(store)
    view = await opened(store)
    today = clock.now().astimezone(ZoneInfo(RULES.calendar.zone)).date()
    ended = msgspec.structs.replace(next(p for p in CATALOGUE if p.id == "fire"), id="old-fire", valid_until=today - timedelta(days=1))
    coming = msgspec.structs.replace(ended, id="new-fire", valid_from=today + timedelta(days=1), valid_until=None)
    async with store.transaction() as tx:
        for plan in (ended, coming):
            await save_plan(tx, plan, by="system:catalogue")
    for id, code, day in (("old-fire", "plan_expired", ended.valid_until), ("new-fire", "plan_not_yet_valid", coming.valid_from)):
        with pytest.raises(Rejected) as refused:
            await start(store, view, [id])
        assert refused.value.code == code and str(day) in refused.value.zh and str(day) in refused.value.en and refused.value.field == "plans"
    async with store.read() as conn:
        assert await active_response(conn, view.id) is None


async def test_a_plan_that_comes_in_force_is_matched_to_what_is_open_at_once_and_said(store: Store) -> None:
    await district(store)
    view = await opened(store)
    matching = Matching(RULES)
    await follow(store, matching)
    fresh = msgspec.structs.replace(next(p for p in CATALOGUE if p.id == "road-traffic"), id="g204", title=Text("G204 事故预案", "G204 accidents"))
    newer = msgspec.structs.replace(next(p for p in CATALOGUE if p.id == "road-traffic"), version=2, status=PlanStatus.REVIEWED)
    async with store.transaction() as tx:
        await save_plan(tx, fresh, by="system:catalogue")
        await save_plan(tx, newer, by=BY)
        await step_plan(tx, newer.id, 2, PlanStatus.IN_FORCE, by="person:other", on=TODAY)
    await follow(store, matching)
    async with store.read() as conn:
        held = await get_match(conn, view.id)
    assert held is not None and held[0].version == 2 and {p.plan_id for p in held[0].plans} >= {"g204", "road-traffic"}
    assert held[0].diff is not None and "新增：G204 事故预案" in held[0].diff.zh and "New: G204 accidents" in held[0].diff.en
    assert f"{newer.title.zh}改用第 2 版" in held[0].diff.zh and "is now version 2" in held[0].diff.en


async def test_a_plan_that_expires_at_midnight_no_longer_matches_what_is_open(store: Store, clock: ManualClock) -> None:
    await district(store)
    view = await opened(store)
    today = clock.now().astimezone(ZoneInfo(RULES.calendar.zone)).date()
    last = msgspec.structs.replace(next(p for p in CATALOGUE if p.id == "road-traffic"), id="ends-today", title=Text("今日到期", "Ends today"), valid_until=today)
    async with store.transaction() as tx:
        await save_plan(tx, last, by="system:catalogue")
    matching = Matching(RULES)
    await follow(store, matching)
    clock.advance(timedelta(days=1))
    await opened(store, number=2)
    await follow(store, matching)
    async with store.read() as conn:
        held = await get_match(conn, view.id)
    assert held is not None and "ends-today" not in {p.plan_id for p in held[0].plans}
    assert held[0].diff is not None and "不再适用：今日到期" in held[0].diff.zh


async def test_no_response_begins_for_an_incident_that_somebody_closed_while_another_chose_plans(store: Store) -> None:
    await district(store)
    read_before = await opened(store)
    async with store.transaction() as tx:
        assert await update_incident(tx, read_before, msgspec.structs.replace(read_before, state="closed", version=read_before.version + 1))
    with pytest.raises(Rejected) as refused:
        await start(store, read_before, ROAD_ONLY)
    assert refused.value.code == "incident_over"

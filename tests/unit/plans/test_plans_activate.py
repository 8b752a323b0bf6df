"""Putting plans in force: owners, merging, levels up and down, switching, ending."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from hub.errors import Rejected
from plans.activate import (
    Activation,
    ActiveTask,
    Bindings,
    Post,
    activate,
    automatic_activations,
    change_level,
    difference,
    switch_plans,
    terminate,
)
from plans.facts import Casualties, IncidentFacts, Load, Place, Setting
from plans.load import load_folder, towns_by_adcode
from plans.model import Level, Plan, Stage
from tests.support.plan_library import NOW, everybody, plan, task, text

FACTS = IncidentFacts(event_types=("12G01",), place=Place(adcode="320707108"))


def start(*plans: Plan, level: Level = Level.IV, facts: IncidentFacts = FACTS, bindings: Bindings | None = None) -> Activation:
    return activate(plans, facts, level, bindings or everybody(), NOW)


def by_action(activation: Activation) -> dict[str, ActiveTask]:
    return {t.action: t for t in activation.tasks}


def test_a_task_has_its_owner_due_time_and_predecessors() -> None:
    tasks = by_action(start(plan()))
    assert tasks["look"].owner.department == "fire-rescue"
    assert tasks["look"].owner.officer == "officer of fire-rescue"
    assert tasks["hose"].due_at == NOW + timedelta(minutes=20)
    assert tasks["hose"].after == (tasks["look"].key,)


def test_tasks_of_graver_levels_wait_for_them() -> None:
    assert "help" not in by_action(start(plan()))
    assert "help" in by_action(start(plan(), level=Level.III))
    assert "help" in by_action(start(plan(), level=Level.I))


def test_the_local_town_is_the_town_of_the_place() -> None:
    activation = start(plan(tasks=[task("visit", role="local-town")]), facts=IncidentFacts(place=Place(adcode="320707108201")))
    assert by_action(activation)["visit"].owner.department == "town-ganma"
    assert activation.cautions == ()


def test_an_unknown_town_leaves_its_tasks_with_the_command_centre_aloud() -> None:
    activation = start(plan(tasks=[task("visit", role="local-town")]), facts=IncidentFacts())
    owner = by_action(activation)["visit"].owner
    assert (owner.department, owner.acting_for, owner.post) == ("district-office", "local-town", "district-office/desk")
    assert [c.code for c in activation.cautions] == ["town_unknown"]


def test_learning_the_town_moves_the_task_and_makes_no_second_one() -> None:
    visiting = plan(tasks=[task("visit", role="local-town")])
    before = start(visiting, facts=IncidentFacts())
    after, diff = switch_plans(before, [visiting], FACTS, everybody(), NOW + timedelta(minutes=5))
    assert (diff.added, diff.withdrawn) == ((), ())
    assert [c.fields for c in diff.changed] == [("owner",)]
    assert after.tasks[0].due_at == before.tasks[0].due_at


def test_an_unmanned_post_leaves_its_tasks_with_the_command_centre_aloud() -> None:
    only_centre = Bindings({"district-office": Post("district-office", "desk")}, towns_by_adcode())
    activation = start(plan(), bindings=only_centre)
    assert {(t.owner.department, t.owner.acting_for) for t in activation.tasks} == {("district-office", "fire-rescue")}
    assert "post_unmanned" in {c.code for c in activation.cautions}


def test_no_post_at_all_still_leaves_an_owner() -> None:
    assert {t.owner.department for t in start(plan(), bindings=Bindings()).tasks} == {"district-office"}


def test_the_same_action_role_and_object_of_two_plans_is_one_task() -> None:
    one = plan("fire", tasks=[task("report", due_min=30, evidence=text("call")), task("look", after=["report"])])
    two = plan("gas", tasks=[task("valve"), task("report", due_min=10, after=["valve"], evidence=text("note"))])
    merged = by_action(start(one, two))
    report = merged["report"]
    assert report.plans == ("fire", "gas")
    assert report.due_at == NOW + timedelta(minutes=10)
    assert report.after == (merged["valve"].key,)
    assert [e.en for e in report.evidence] == ["call", "note"]
    assert len(start(one, two).tasks) == 3


def test_a_different_object_or_role_or_department_is_another_task() -> None:
    one = plan("a", tasks=[task("close")])
    two = plan("b", tasks=[task("close", object="valve")])
    three = plan("c", tasks=[task("close", role="command")])
    elsewhere = [{"id": "fire-rescue", "department": "gas-company", "duty": text("d")}]
    four = plan("d", roles=elsewhere, tasks=[task("close")], grants={})
    assert len(start(one, two, three, four).tasks) == 4


def test_opposite_orders_of_two_plans_do_not_block_both_tasks() -> None:
    one = plan("a", tasks=[task("x"), task("y", after=["x"])])
    two = plan("b", tasks=[task("y"), task("x", after=["y"])])
    activation = start(one, two)
    tasks = by_action(activation)
    assert sorted(len(t.after) for t in tasks.values()) == [0, 1]
    (caution,) = activation.cautions
    assert caution.code == "order_conflict" and "“x”" in caution.en and "“y”" in caution.zh and "@" not in caution.zh + caution.en, "by their words, not their keys"


def test_a_left_out_predecessor_hands_on_its_own() -> None:
    chained = plan(tasks=[task("a"), task("b", after=["a"], from_level="I"), task("c", after=["b"])])
    assert by_action(start(chained))["c"].after == (by_action(start(chained))["a"].key,)


def leak_plan() -> Plan:
    return plan(tasks=[task("plug", when={"is": "flag", "field": "hazmat.leak"}), task("look")])


@pytest.mark.parametrize(("leak", "wanted"), [(True, True), (None, True), (False, False)])
def test_a_task_is_left_out_only_when_its_condition_is_known_not_to_hold(leak: bool | None, wanted: bool) -> None:
    activation = start(leak_plan(), facts=IncidentFacts(hazmat=(Load(un="1005", leak=leak),)))
    assert ("plug" in by_action(activation)) is wanted


def test_grants_give_each_department_its_strongest_tier_once() -> None:
    one = plan("a", grants={"lead": ["fire-rescue"], "informed": ["command"]})
    two = plan("b", grants={"lead": ["command"], "assist": ["fire-rescue", "local-town"], "video": ["command"]})
    grants = start(one, two).grants
    assert grants.lead == ("district-office", "fire-rescue")
    assert grants.assist == ("town-ganma",)
    assert grants.informed == ()
    assert grants.video == ("district-office",)


def resource(quantity: float) -> dict[str, Any]:
    return {
        "id": f"r{quantity:g}",
        "capability": "foam",
        "quantity": quantity,
        "unit": "L",
        "role": "command",
        "within_min": 30,
        "text": text("foam"),
    }


def test_the_same_resource_of_two_plans_is_asked_for_once_at_the_larger_quantity() -> None:
    activation = start(plan("a", resources=[resource(100.0)]), plan("b", resources=[resource(300.0)]))
    (request,) = activation.requests
    assert (request.quantity, request.plans, request.asked_by.department) == (300.0, ("a", "b"), "district-office")


def test_no_plan_and_one_plan_twice_are_refused() -> None:
    with pytest.raises(Rejected, match="no_plan"):
        start()
    with pytest.raises(Rejected, match="plan_twice"):
        start(plan(), plan(version=2))


# -- changes -----------------------------------------------------------------------------------------


def test_raising_the_level_adds_and_says_so() -> None:
    before = start(plan())
    later = NOW + timedelta(minutes=30)
    after, diff = change_level(before, [plan()], FACTS, Level.III, everybody(), later)
    assert [t.action for t in diff.added] == ["help"]
    assert diff.added[0].due_at == later + timedelta(minutes=10)
    assert (diff.withdrawn, diff.changed) == ((), ())
    assert "IV 级提升为 III 级" in diff.zh
    assert "raised from level IV to III" in diff.en
    assert after.started_at == NOW


def test_what_stays_keeps_its_due_time_when_the_level_rises() -> None:
    before = start(plan())
    after, _ = change_level(before, [plan()], FACTS, Level.I, everybody(), NOW + timedelta(hours=2))
    assert by_action(after)["look"] == by_action(before)["look"]


def test_lowering_the_level_withdraws_and_says_so() -> None:
    before = start(plan(), level=Level.III)
    _, diff = change_level(before, [plan()], FACTS, Level.IV, everybody(), NOW + timedelta(minutes=30))
    assert [t.action for t in diff.withdrawn] == ["help"]
    assert "降低" in diff.zh
    assert "1 task withdrawn" in diff.en


def test_activating_again_changes_nothing() -> None:
    before = start(plan())
    after, diff = switch_plans(before, [plan()], FACTS, everybody(), NOW + timedelta(hours=1))
    assert after == before
    assert diff.is_empty
    assert diff.zh == "没有变化。"


def test_switching_plans_keeps_what_both_want() -> None:
    one = plan("fire", tasks=[task("report"), task("hose")])
    two = plan("gas", tasks=[task("report", due_min=5), task("valve")])
    before = start(one)
    _, diff = switch_plans(before, [two], FACTS, everybody(), NOW + timedelta(minutes=1))
    assert [t.action for t in diff.added] == ["valve"]
    assert [t.action for t in diff.withdrawn] == ["hose"]
    assert [c.after.action for c in diff.changed] == ["report"]
    assert "启用plan gas" in diff.zh
    assert "no longer in force: plan fire" in diff.en


def test_adding_a_plan_changes_the_shared_task_and_names_both() -> None:
    one = plan("fire", tasks=[task("report", due_min=30)])
    two = plan("gas", tasks=[task("report", due_min=5)])
    after, diff = switch_plans(start(one), [one, two], FACTS, everybody(), NOW)
    assert diff.changed[0].fields == ("due_at", "wanted_by")
    assert after.tasks[0].plans == ("fire", "gas")


def test_grants_and_requests_are_part_of_the_difference() -> None:
    before = start(plan("a"))
    richer = plan("a", grants={"lead": ["fire-rescue"], "assist": ["local-town"]}, resources=[resource(5.0)])
    diff = difference(before, start(richer))
    assert diff.grants_added == (("assist", "town-ganma"),)
    assert diff.grants_ended == (("informed", "district-office"), ("video", "district-office"))
    assert [r.capability for r in diff.requests_added] == ["foam"]


# -- rules, termination ------------------------------------------------------------------------------

RULE = {"when": {"is": "flag", "field": "hazmat.leak"}, "level": "IV", "text": text("announced"), "revocable_min": 20}


@pytest.mark.parametrize(("leak", "fires"), [(True, True), (None, False), (False, False)])
def test_a_rule_fires_only_on_what_is_known(leak: bool | None, fires: bool) -> None:
    facts = IncidentFacts(event_types=("12G01",), hazmat=(Load(un="1005", leak=leak),))
    found = automatic_activations([plan(automatic=RULE), plan("quiet")], facts, NOW)
    assert [a.plan_id for a in found] == (["fire"] if fires else [])
    if fires:
        assert found[0].revocable_until == NOW + timedelta(minutes=20)
        assert found[0].text.zh == "announced"


def test_a_rule_never_fires_where_the_plan_does_not_apply() -> None:
    facts = IncidentFacts(event_types=("11C00",), hazmat=(Load(un="1005", leak=True),))
    assert automatic_activations([plan(automatic=RULE)], facts, NOW) == ()


ENDING = [{"id": "out", "text": text("fire is out"), "tasks": ["hose"]}, {"id": "safe", "text": text("all safe")}]


def ending_plan() -> Plan:
    return plan(termination=ENDING, tasks=[task("look"), task("hose"), task("learn", starts="termination", due_min=1440, stage="evaluate")])


def test_termination_tasks_are_not_given_before_the_end() -> None:
    assert "learn" not in by_action(start(ending_plan()))


def test_ending_needs_its_conditions_or_a_reason() -> None:
    current = start(ending_plan())
    with pytest.raises(Rejected, match="termination_needs_reason") as caught:
        terminate(current, [ending_plan()], FACTS, everybody(), NOW, met=["fire/termination/safe"])
    assert "fire is out" in caught.value.zh
    with pytest.raises(Rejected, match="termination_needs_reason"):
        terminate(current, [ending_plan()], FACTS, everybody(), NOW, met=[], reason="   ")


def test_ending_by_conditions_where_done_tasks_speak_for_theirs() -> None:
    current = start(ending_plan())
    hose = by_action(current)["hose"].key
    end = terminate(current, [ending_plan()], FACTS, everybody(), NOW + timedelta(hours=3), met=["fire/termination/safe"], done=[hose])
    assert end.unmet == ()
    assert end.reason is None
    assert end.open_tasks == (by_action(current)["look"].key,)
    assert end.grants_ended == current.grants
    assert [(t.action, t.stage, t.due_at) for t in end.evaluation] == [("learn", Stage.EVALUATE, NOW + timedelta(hours=27))]


def test_ending_by_reason_names_what_was_unmet() -> None:
    end = terminate(start(ending_plan()), [ending_plan()], FACTS, everybody(), NOW, met=[], reason="handed to the city")
    assert [e.text.en for e in end.unmet] == ["fire is out", "all safe"]
    assert "handed to the city" in end.en


def test_a_condition_that_does_not_exist_cannot_be_met() -> None:
    with pytest.raises(Rejected, match="unknown_condition"):
        terminate(start(ending_plan()), [ending_plan()], FACTS, everybody(), NOW, met=["nonsense"])


# -- the real plan -----------------------------------------------------------------------------------

CATALOGUE = {p.id: p for p in load_folder()}
ROLLOVER = IncidentFacts(
    event_types=("12H01", "12D02"),
    place=Place(road="G204", adcode="320707108", distance_to_water_m=300),
    hazmat=(Load(un="1005", class_="2.3", container="road_tanker", leak=True, fire=False, toxic_by_inhalation=True),),
    casualties=Casualties(trapped=1),
)


def test_the_rollover_gives_every_department_of_the_linkage_its_tasks_in_stages() -> None:
    activation = start(*(CATALOGUE[i] for i in ("hazmat-road-transport", "general", "card-ammonia")), level=Level.III, facts=ROLLOVER)
    owners = {t.owner.department for t in activation.tasks}
    linkage = {"emergency-bureau", "public-security", "traffic-police", "transport-bureau", "ecology-bureau", "fire-rescue"}
    assert linkage | {"health-commission", "meteorological-bureau", "town-ganma", "district-office"} <= owners
    assert [s.stage for s in activation.stages] == list(Stage)
    assert activation.cautions == ()
    assert all(t.evidence for t in activation.tasks)


def test_the_rollover_merges_what_plans_share() -> None:
    chosen = [CATALOGUE[i] for i in ("hazmat-road-transport", "general", "road-traffic", "card-ammonia")]
    activation = start(*chosen, level=Level.III, facts=ROLLOVER)
    shared = {t.action + "/" + t.object: t.plans for t in activation.tasks if len(t.plans) > 1}
    assert shared["report-in-writing/incident"] == ("hazmat-road-transport", "road-traffic", "general")
    assert shared["stop/leak"] == ("hazmat-road-transport", "card-ammonia")
    assert shared["close/road"] == ("hazmat-road-transport", "road-traffic")
    keys = [(t.action, t.role, t.object) for t in activation.tasks]
    assert len(keys) == len(set(keys))


def test_water_tasks_are_given_near_water_and_not_far_from_it() -> None:
    near = start(CATALOGUE["hazmat-road-transport"], facts=ROLLOVER)
    far = start(
        CATALOGUE["hazmat-road-transport"], facts=msgspec.structs.replace(ROLLOVER, place=Place(road="G204", distance_to_water_m=5000))
    )
    assert "close/water-works@water-bureau/sluices" in {t.key for t in near.tasks}
    assert "close/water-works@water-bureau/sluices" not in {t.key for t in far.tasks}


def test_a_toxic_leak_on_a_road_puts_the_transport_plan_in_force_by_rule() -> None:
    found = automatic_activations(CATALOGUE.values(), ROLLOVER, NOW)
    assert [(a.plan_id, a.level) for a in found] == [("hazmat-road-transport", Level.IV)]


def test_a_leak_inside_a_plant_fires_no_road_rule() -> None:
    inside = msgspec.structs.replace(ROLLOVER, event_types=("12D02",), place=Place(setting=Setting.FACILITY))
    assert automatic_activations(CATALOGUE.values(), inside, NOW) == ()


def test_an_activation_travels_as_json() -> None:
    activation = start(CATALOGUE["hazmat-road-transport"], facts=ROLLOVER)
    assert msgspec.json.decode(msgspec.json.encode(activation), type=Activation) == activation

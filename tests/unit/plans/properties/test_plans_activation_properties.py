"""Whatever the plans: activation is idempotent, merging ignores order, up then down changes nothing, every task has an owner."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from plans.activate import Activation, Bindings, Post, activate, change_level, switch_plans
from plans.facts import Casualties, IncidentFacts, Load, Place
from plans.load import departments, export_text, load_text, towns_by_adcode
from plans.model import LEVEL_RANK, Level, Plan
from tests.support.plan_library import NOW, plan, task, text

ROLES = {
    "fire-rescue": "fire-rescue",
    "command": "district-office",
    "local-town": "local-town",
    "medical": "health-commission",
    "environment": "ecology-bureau",
}
ACTIONS = ("close", "report", "rescue", "monitor", "evacuate")
OBJECTS = ("road", "river", "people")
WHEN = (None, {"is": "flag", "field": "hazmat.leak"}, {"is": "at_least", "field": "casualties.dead", "value": 1})

levels = st.sampled_from(list(Level))
minutes = st.integers(0, 500)


@st.composite
def plans(draw: st.DrawFn, plan_id: str) -> Plan:
    keys = draw(st.lists(st.tuples(*map(st.sampled_from, (ACTIONS, OBJECTS, tuple(ROLES)))), unique=True, max_size=8))
    tasks: list[dict[str, Any]] = []
    for i, (action, obj, role) in enumerate(keys):
        more: dict[str, Any] = {"after": draw(st.lists(st.sampled_from([f"t{j}" for j in range(i)]), unique=True, max_size=2))} if i else {}
        when = draw(st.sampled_from(WHEN))
        if when:
            more["when"] = when
        more["from_level"] = draw(levels).value
        tasks.append(task(f"t{i}", role, draw(minutes), **{"action": action, "object": obj, **more}))
    roles = [{"id": r, "department": d, "duty": text("d")} for r, d in ROLES.items()]
    tiers = st.lists(st.sampled_from(tuple(ROLES)), unique=True, max_size=3)
    grants = {tier: draw(tiers) for tier in ("lead", "assist", "informed", "video")}
    return plan(plan_id, tasks=tasks, roles=roles, grants=grants)


def sets_of_plans() -> st.SearchStrategy[tuple[Plan, ...]]:
    return st.integers(1, 4).flatmap(lambda n: st.tuples(*(plans(f"p{i}") for i in range(n))))


facts = st.builds(
    IncidentFacts,
    place=st.builds(Place, adcode=st.sampled_from([None, "320707108", "320707101201", "999999999"])),
    hazmat=st.sampled_from([(), (Load(un="1005", leak=True),), (Load(un="1005", leak=False),)]),
    casualties=st.builds(Casualties, dead=st.sampled_from([None, 0, 2])),
)


@st.composite
def rosters(draw: st.DrawFn) -> Bindings:
    manned = draw(st.sets(st.sampled_from(sorted(departments()))))
    return Bindings({d: Post(d, f"{d}/desk", "officer") for d in manned}, towns_by_adcode())


@settings(max_examples=60, deadline=None)
@given(sets_of_plans(), facts, levels, rosters(), minutes)
def test_activation_is_idempotent(chosen: tuple[Plan, ...], known: IncidentFacts, level: Level, posts: Bindings, later_min: int) -> None:
    first = activate(chosen, known, level, posts, NOW)
    assert activate(chosen, known, level, posts, NOW) == first
    again, diff = switch_plans(first, chosen, known, posts, NOW + timedelta(minutes=later_min))
    assert again == first
    assert diff.is_empty


@settings(max_examples=60, deadline=None)
@given(sets_of_plans().flatmap(lambda p: st.tuples(st.just(p), st.permutations(p))), facts, levels, rosters())
def test_merging_ignores_the_order_of_plans(
    pair: tuple[tuple[Plan, ...], list[Plan]], known: IncidentFacts, level: Level, posts: Bindings
) -> None:
    chosen, shuffled = pair
    assert activate(chosen, known, level, posts, NOW) == activate(shuffled, known, level, posts, NOW)


@settings(max_examples=60, deadline=None)
@given(sets_of_plans(), facts, levels, levels, rosters(), minutes, minutes)
def test_up_and_then_down_leaves_everything_as_it_was(
    chosen: tuple[Plan, ...], known: IncidentFacts, a: Level, b: Level, posts: Bindings, up_min: int, down_min: int
) -> None:
    low, high = sorted((a, b), key=LEVEL_RANK.__getitem__)
    before = activate(chosen, known, low, posts, NOW)
    raised, up = change_level(before, chosen, known, high, posts, NOW + timedelta(minutes=up_min))
    lowered, down = change_level(raised, chosen, known, low, posts, NOW + timedelta(minutes=up_min + down_min))
    assert lowered == before
    assert up.withdrawn == ()
    assert down.added == ()
    assert {t.key for t in up.added} == {t.key for t in down.withdrawn}


@settings(max_examples=60, deadline=None)
@given(sets_of_plans(), facts, levels, rosters())
def test_no_task_without_an_owner(chosen: tuple[Plan, ...], known: IncidentFacts, level: Level, posts: Bindings) -> None:
    for found in activate(chosen, known, level, posts, NOW).tasks:
        assert found.owner.department in departments()
        assert found.wanted_by
        manned = found.owner.department in posts.posts
        assert manned or found.owner.department == "district-office"


@settings(max_examples=60, deadline=None)
@given(sets_of_plans(), facts, levels, rosters())
def test_no_task_is_doubled_and_no_order_blocks(chosen: tuple[Plan, ...], known: IncidentFacts, level: Level, posts: Bindings) -> None:
    activation = activate(chosen, known, level, posts, NOW)
    keys = [t.key for t in activation.tasks]
    assert len(keys) == len(set(keys))
    assert all(key in keys for t in activation.tasks for key in t.after)
    assert workable(activation)


def workable(activation: Activation) -> bool:
    """Whether doing every task whose predecessors are done gets everything done."""
    waiting = {t.key: set(t.after) for t in activation.tasks}
    while ready := [key for key, after in waiting.items() if not after & waiting.keys()]:
        for key in ready:
            del waiting[key]
    return not waiting


@settings(max_examples=60, deadline=None)
@given(sets_of_plans(), facts, levels, rosters())
def test_every_wish_of_every_plan_is_in_exactly_one_task(
    chosen: tuple[Plan, ...], known: IncidentFacts, level: Level, posts: Bindings
) -> None:
    activation = activate(chosen, known, level, posts, NOW)
    wishes = [(w.plan, w.task) for t in activation.tasks for w in t.wanted_by]
    assert len(wishes) == len(set(wishes))
    alone = [(p.id, w.task) for p in chosen for t in activate([p], known, level, posts, NOW).tasks for w in t.wanted_by]
    assert sorted(wishes) == sorted(alone)


@settings(max_examples=50, deadline=None)
@given(plans("p0"))
def test_any_plan_survives_export_and_import(one: Plan) -> None:
    assert load_text(export_text(one)) == one

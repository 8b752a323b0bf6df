"""Whatever the facts: matching is deterministic, learning more never contradicts, the lists are in order."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from plans.bench import narrowed, some_incidents
from plans.facts import Casualties, Grade, IncidentFacts, Load, Place, Setting
from plans.load import load_folder
from plans.match import Library, State, explain, match
from plans.model import PlanKind

PLANS = load_folder()
LIBRARY = Library(PLANS)

facts = st.builds(
    IncidentFacts,
    event_types=st.lists(
        st.sampled_from(["12H01", "12D00", "12D02", "12G01", "11B01", "13B00", "12J00", "12P00", "14E00"]), max_size=3
    ).map(tuple),
    grade=st.sampled_from([None, *Grade]),
    place=st.builds(
        Place,
        setting=st.sampled_from([None, *Setting]),
        adcode=st.sampled_from([None, "320707", "320707108"]),
        distance_to_water_m=st.sampled_from([None, 0.0, 1000.0, 1001.0]),
    ),
    hazmat_present=st.sampled_from([None, True, False]),
    hazmat=st.lists(st.builds(Load, un=st.sampled_from([None, "1005", "1203"]), leak=st.sampled_from([None, True, False])), max_size=2).map(
        tuple
    ),
    casualties=st.builds(Casualties, dead=st.sampled_from([None, 0, 3]), trapped=st.sampled_from([None, 0, 3])),
)


@settings(max_examples=60, deadline=None)
@given(facts)
def test_the_same_facts_give_the_same_result(known: IncidentFacts) -> None:
    assert match(LIBRARY, known) == match(Library(reversed(PLANS)), known)


@settings(max_examples=60, deadline=None)
@given(facts)
def test_scores_fall_and_the_general_plan_is_last(known: IncidentFacts) -> None:
    result = match(LIBRARY, known, limit=100)
    scores = [m.score for m in result.matches]
    assert scores == sorted(scores, reverse=True)
    assert result.matches[-1].kind is PlanKind.GENERAL
    states = [m.state for m in result.matches[:-1]]
    assert states == sorted(states, key=lambda s: s is not State.SATISFIED)


@settings(max_examples=60, deadline=None)
@given(facts, st.sampled_from(["dead", "trapped"]), st.integers(0, 5))
def test_learning_a_number_never_turns_a_settled_condition(known: IncidentFacts, name: str, number: int) -> None:
    if getattr(known.casualties, name) is not None:
        return
    more = msgspec.structs.replace(known, casualties=msgspec.structs.replace(known.casualties, **{name: number}))
    for entry in LIBRARY.entries:
        before, after = explain(LIBRARY, entry.plan.id, known), explain(LIBRARY, entry.plan.id, more)
        assert before.state in (State.UNKNOWN, after.state)


@settings(max_examples=60, deadline=None)
@given(facts)
def test_asking_is_worth_it_only_for_what_is_unknown(known: IncidentFacts) -> None:
    missing = match(LIBRARY, known).missing_fact
    if missing is None:
        return
    for plan_id in missing.plans:
        states = [c.state for c in explain(LIBRARY, plan_id, known).conditions if c.field == missing.field]
        assert State.UNKNOWN in states


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_passing_over_whole_branches_loses_no_plan_and_no_point(seed: int) -> None:
    many = narrowed([p for p in PLANS if p.kind is not PlanKind.GENERAL], 150, seed=seed)
    library = Library(many)
    for known in some_incidents(5, seed=seed):
        result = match(library, known, limit=1000)
        one_by_one = {p.id: explain(library, p.id, known) for p in many}
        assert result.applicable + result.open == sum(m.state is not State.UNSATISFIED for m in one_by_one.values())
        assert all(m == one_by_one[m.plan_id] for m in result.matches)

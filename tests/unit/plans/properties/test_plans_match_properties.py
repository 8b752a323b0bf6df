"""Whatever the facts: matching is deterministic, learning more never contradicts, the lists are in order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from plans.bench import narrowed, some_incidents
from plans.facts import (
    FIELDS,
    READERS,
    Casualties,
    Colour,
    FieldKind,
    Grade,
    IncidentFacts,
    Load,
    Place,
    Setting,
    WarningKind,
    WeatherWarning,
    code_prefix,
    derive,
    told,
)
from plans.load import load_folder
from plans.match import Library, State, explain, match
from plans.match.library import Run
from plans.model import AtLeast, AtMost, Flag, GradeAtLeast, Hours, Leaf, Months, Near, OneOf, PlanKind, RoadSection, Under, Warned

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


# -- the question: every other one tried by hand ------------------------------------------------------

PLACES = 20


def literals(leaf: Leaf) -> dict[str, set[Any]]:
    """What a condition names, and what lies just beside it, by the fact it looks at."""
    match leaf:
        case Under():
            return {"event_types": set(leaf.codes)}
        case OneOf():
            return {leaf.field: set(leaf.values)}
        case Flag():
            return {leaf.field: {True, False}}
        case AtLeast() | AtMost():
            around = {max(0, int(leaf.value) + step) for step in (-1, 0, 1)}
            return {
                leaf.field: around if leaf.field.startswith("casualties.") else around | {max(0.0, leaf.value - 0.01), leaf.value + 0.01}
            }
        case GradeAtLeast():
            return {"grade": set(Grade)}
        case Near():
            return {"place.position": {(leaf.lon, leaf.lat), (119.0, 34.0)}}
        case RoadSection():
            posts = {post for km in (leaf.from_km, leaf.to_km) if km is not None for post in (km, max(0.0, km - 0.1), km + 0.1)}
            return {"place.road": {leaf.road}, "place.road_km": posts}
        case Warned():
            return {"weather.warnings": {(), *((WeatherWarning(WarningKind(k), c),) for k in leaf.kinds or WarningKind for c in Colour)}}
        case Months():
            return {"month": set(range(1, 13))}
        case Hours():
            return {"hour": set(range(24))}
        case _:
            return {}


def spoken_of(library: Library) -> dict[str, set[Any]]:
    found: dict[str, set[Any]] = {}
    for leaf in library.leaves:
        for field, values in literals(leaf).items():
            found.setdefault(field, set()).update(values)
    for field, values in found.items():
        if field == "event_types":
            values.update({"99", "12H", "12K", "12D"})
        elif FIELDS[field].kind in (FieldKind.TEXT, FieldKind.CODE, FieldKind.HAZARD_CLASS):
            values.update(FIELDS[field].values or {"none of these"})
    return found


def places(library: Library, known: IncidentFacts) -> dict[str, float]:
    ranked = [c.entry.plan for c in Run(library, known).candidates() if c.is_listed]
    ranked = [p for p in ranked if p.kind not in (PlanKind.ONSITE_CARD, PlanKind.GENERAL)][:PLACES]
    return {p.id: 1 / (i + 1) for i, p in enumerate(ranked)}


def moved(before: dict[str, float], after: dict[str, float]) -> float:
    return sum(abs(before.get(p, 0) - after.get(p, 0)) for p in before.keys() | after.keys())


def is_open(field: str, known: IncidentFacts, implied: IncidentFacts) -> bool:
    """Whether somebody could still be asked for a fact."""
    if field.startswith("hazmat."):
        lacking = [
            load for load in known.hazmat or (Load(),) if getattr(load, field.removeprefix("hazmat.").replace("class", "class_")) is None
        ]
        return implied.hazmat_present is True and any(field != "hazmat.name" or load.un is None for load in lacking)
    if field == "event_types":
        return len(known.event_types) < 2  # narrowing one of several is another matter
    if field == "place.road_km" and known.place.road is None:
        return False
    return field == "place.adcode" or not READERS[field](implied)


def changes(library: Library, known: IncidentFacts) -> dict[str, float]:
    """By fact that could be asked for: the largest change that one of its answers makes. An answer does not overturn what is known or implied."""
    before, implied, found = places(library, known), derive(known), dict[str, float]()
    for field, named in spoken_of(library).items():
        if not is_open(field, known, implied):
            continue
        values = named
        if field == "event_types":
            values = {(v,) for v in named if all(code_prefix(v).startswith(code_prefix(k)) for k in known.event_types)}
        elif field == "place.adcode":
            values = {v for v in named if v.startswith(known.place.adcode or "")}
        more = [told(known, field, v) for v in values]
        more = [m for m in more if implied.place.setting in (None, derive(m).place.setting)]
        found[field] = max((moved(before, places(library, m)) for m in more), default=0.0)
    return found


def check_question(library: Library, known: IncidentFacts) -> None:
    asked, tried = match(library, known).missing_fact, changes(library, known)
    most = max(tried.values(), default=0.0)
    if asked is None:
        assert most < 1e-9, (tried, known)
    elif asked.field in tried and any(tried.values()):
        assert tried[asked.field] == pytest.approx(asked.gain, abs=1e-3)
        assert asked.gain >= most - 1e-3, ({f: g for f, g in tried.items() if g > asked.gain}, asked, known)


UNSHRUNK = set(Phase) - {Phase.shrink}  # a thousand rankings an example


@settings(max_examples=30, deadline=None, phases=UNSHRUNK)
@given(facts)
def test_no_other_single_fact_would_change_the_ranking_more(known: IncidentFacts) -> None:
    check_question(LIBRARY, known)


@settings(max_examples=10, deadline=None, phases=UNSHRUNK)
@given(st.integers(0, 10_000))
def test_nor_does_one_in_a_library_narrowed_to_places_substances_and_hours(seed: int) -> None:
    library = Library(narrowed([p for p in PLANS if p.kind is not PlanKind.GENERAL], 120, seed=seed))
    for known in some_incidents(3, seed=seed):
        check_question(library, known)


@settings(max_examples=60, deadline=None)
@given(facts)
def test_each_plan_that_a_question_moves_holds_a_condition_that_is_open(known: IncidentFacts) -> None:
    missing = match(LIBRARY, known).missing_fact
    if missing is None:
        return
    assert missing.plans
    for plan_id in missing.plans:
        assert State.UNKNOWN in [c.state for c in explain(LIBRARY, plan_id, known).conditions]


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

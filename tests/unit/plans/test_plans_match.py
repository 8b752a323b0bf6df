"""Three-valued matching: each kind of condition, ranking, explanation, the question to ask, and what a follow-up changed."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from plans.facts import (
    FIELDS,
    VALUE_WORDS,
    Casualties,
    Colour,
    Grade,
    IncidentFacts,
    Load,
    Place,
    Setting,
    WarningKind,
    Weather,
    WeatherWarning,
)
from plans.hazmat.lookup import container_codes
from plans.load import load_folder
from plans.match import Library, State, explain, holds, match, ranked_ids, rematch_diff, stood, suggest_level
from plans.model import Condition, Level, Text
from tests.support.plan_library import plan

YES, NO, OPEN = State.SATISFIED, State.UNSATISFIED, State.UNKNOWN


def condition(**raw: Any) -> Condition:
    return msgspec.convert(raw, Condition)  # type: ignore[no-any-return]


def at(**place: Any) -> IncidentFacts:
    return IncidentFacts(place=Place(**place))


@pytest.mark.parametrize(
    ("codes", "facts", "state"),
    [
        (["12D"], IncidentFacts(event_types=("12D02",)), YES),
        (["12D00"], IncidentFacts(event_types=("12D02",)), YES),
        (["12"], IncidentFacts(event_types=("12D02",)), YES),
        (["12D"], IncidentFacts(event_types=("12D00",)), YES),
        (["12D"], IncidentFacts(event_types=("12H00", "12D00")), YES),
        (["12D"], IncidentFacts(event_types=("12H00",)), NO),
        (["12D02"], IncidentFacts(event_types=("12D00",)), OPEN),
        (["12D02"], IncidentFacts(event_types=("12D03",)), NO),
        (["12D"], IncidentFacts(), OPEN),
    ],
)
def test_event_types_are_hierarchical(codes: list[str], facts: IncidentFacts, state: State) -> None:
    assert holds(condition(**{"is": "under"}, codes=codes), facts) is state


@pytest.mark.parametrize(
    ("family", "codes", "state"),
    [("fire", (), YES), ("rail", (), NO), (None, (), OPEN), (None, ("12H00",), NO), ("rail", ("12G01",), YES)],
)
def test_a_family_may_stand_in_for_the_event_type(family: str | None, codes: tuple[str, ...], state: State) -> None:
    asked = condition(**{"is": "under"}, codes=["12G"], families=["fire"])
    assert holds(asked, IncidentFacts(event_types=codes, family=family)) is state


@pytest.mark.parametrize(("value", "state"), [("320707108", YES), ("320707108201", YES), ("320707", OPEN), ("320707101", NO), (None, OPEN)])
def test_a_town_holds_its_villages_and_a_district_leaves_the_town_open(value: str | None, state: State) -> None:
    asked = condition(**{"is": "one_of"}, field="place.adcode", values=["320707108"])
    assert holds(asked, at(adcode=value)) is state


@pytest.mark.parametrize(("known", "state"), [("2.3", YES), ("2", OPEN), ("3", NO), ("2.1", NO)])
def test_hazard_divisions_stand_below_their_class(known: str, state: State) -> None:
    asked = condition(**{"is": "one_of"}, field="hazmat.class", values=["2.3"])
    assert holds(asked, IncidentFacts(hazmat=(Load(class_=known),))) is state


def test_a_class_holds_its_divisions() -> None:
    asked = condition(**{"is": "one_of"}, field="hazmat.class", values=["2"])
    assert holds(asked, IncidentFacts(hazmat=(Load(class_="2.3"),))) is YES


@pytest.mark.parametrize(
    ("loads", "present", "state"),
    [
        ((), None, OPEN),
        ((), False, NO),
        ((Load(un="1005", leak=True),), None, YES),
        ((Load(un="1005", leak=False),), None, NO),
        ((Load(un="1005"),), None, OPEN),
        ((Load(un="1005", leak=False), Load(un="1017")), None, OPEN),
        ((Load(un="1005", leak=False), Load(un="1017", leak=True)), None, YES),
    ],
)
def test_any_load_may_leak(loads: tuple[Load, ...], present: bool | None, state: State) -> None:
    facts = IncidentFacts(hazmat=loads, hazmat_present=present)
    assert holds(condition(**{"is": "flag"}, field="hazmat.leak"), facts) is state
    opposite = {YES: NO, NO: YES, OPEN: OPEN}[state]
    assert holds(condition(**{"is": "flag"}, field="hazmat.leak", value=False), facts) is opposite


def test_a_known_un_number_needs_no_name() -> None:
    asked = condition(**{"is": "one_of"}, field="hazmat.name", values=["液氯"])
    assert holds(asked, IncidentFacts(hazmat=(Load(un="1005"),))) is NO
    assert holds(asked, IncidentFacts(hazmat=(Load(leak=True),))) is OPEN


@pytest.mark.parametrize(("metres", "state"), [(999.0, YES), (1000.0, YES), (1000.1, NO), (None, OPEN)])
def test_distance_to_water_includes_its_limit(metres: float | None, state: State) -> None:
    assert holds(condition(**{"is": "at_most"}, field="place.distance_to_water_m", value=1000), at(distance_to_water_m=metres)) is state


@pytest.mark.parametrize(("dead", "state"), [(2, NO), (3, YES), (None, OPEN), (0, NO)])
def test_casualties_at_least(dead: int | None, state: State) -> None:
    facts = IncidentFacts(casualties=Casualties(dead=dead))
    assert holds(condition(**{"is": "at_least"}, field="casualties.dead", value=3), facts) is state


@pytest.mark.parametrize(("grade", "state"), [(Grade.EXTRAORDINARY, YES), (Grade.LARGER, YES), (Grade.ORDINARY, NO), (None, OPEN)])
def test_grade_or_graver(grade: Grade | None, state: State) -> None:
    assert holds(condition(**{"is": "grade_at_least"}, grade="较大"), IncidentFacts(grade=grade)) is state


SQUARE = [[119.0, 34.8], [119.2, 34.8], [119.2, 35.0], [119.0, 35.0]]


@pytest.mark.parametrize(
    ("lon", "lat", "state"), [(119.1, 34.9, YES), (119.3, 34.9, NO), (119.1, 35.1, NO), (None, None, OPEN), (119.1, None, OPEN)]
)
def test_geofence(lon: float | None, lat: float | None, state: State) -> None:
    assert holds(condition(**{"is": "inside"}, name="port", polygon=SQUARE), at(lon=lon, lat=lat)) is state


def test_a_notched_geofence_leaves_out_its_notch() -> None:
    notched = [[0, 0], [4, 0], [4, 4], [2, 1], [0, 4]]
    asked = condition(**{"is": "inside"}, name="notch", polygon=notched)
    assert holds(asked, at(lon=2.0, lat=3.0)) is NO
    assert holds(asked, at(lon=0.5, lat=2.5)) is YES


@pytest.mark.parametrize(("lat", "state"), [(34.808, YES), (34.81, NO)])
def test_near_measures_metres_on_the_ground(lat: float, state: State) -> None:
    # one degree of latitude is about 110.95 km here, so 0.009 degrees are about 999 m
    asked = condition(**{"is": "near"}, name="school", lon=119.1, lat=34.8, within_m=1000)
    assert holds(asked, at(lon=119.1, lat=lat)) is state


@pytest.mark.parametrize(
    ("road", "km", "state"),
    [("G204", 12.0, YES), ("g204", 12.0, YES), ("G204", 9.9, NO), ("G204", None, OPEN), ("G15", None, NO), (None, 12.0, OPEN)],
)
def test_road_sections_by_kilometre_post(road: str | None, km: float | None, state: State) -> None:
    assert holds(condition(**{"is": "road_section"}, road="G204", from_km=10, to_km=20), at(road=road, road_km=km)) is state


@pytest.mark.parametrize(("month", "state"), [(11, YES), (1, YES), (3, YES), (4, NO), (10, NO), (None, OPEN)])
def test_a_season_may_run_over_the_turn_of_the_year(month: int | None, state: State) -> None:
    assert holds(condition(**{"is": "months"}, first=11, last=3), IncidentFacts(month=month)) is state


@pytest.mark.parametrize(("hour", "state"), [(22, YES), (0, YES), (5, YES), (6, NO), (21, NO), (None, OPEN)])
def test_hours_may_run_over_midnight(hour: int | None, state: State) -> None:
    assert holds(condition(**{"is": "hours"}, first=22, last=5), IncidentFacts(hour=hour)) is state


@pytest.mark.parametrize(
    ("warnings", "state"),
    [
        (None, OPEN),
        ((), NO),
        ((WeatherWarning(WarningKind.TYPHOON, Colour.RED),), YES),
        ((WeatherWarning(WarningKind.TYPHOON, Colour.YELLOW),), NO),
        ((WeatherWarning(WarningKind.FOG, Colour.RED),), NO),
    ],
)
def test_weather_warnings_by_kind_and_colour(warnings: tuple[WeatherWarning, ...] | None, state: State) -> None:
    asked = condition(**{"is": "warned"}, kinds=["typhoon"], colour="orange")
    assert holds(asked, IncidentFacts(weather=Weather(warnings=warnings))) is state


LEAK = {"is": "flag", "field": "hazmat.leak"}
DEAD = {"is": "at_least", "field": "casualties.dead", "value": 1}


@pytest.mark.parametrize(
    ("kind", "leak", "dead", "state"),
    [
        ("all", True, 1, YES),
        ("all", True, None, OPEN),
        ("all", False, None, NO),
        ("all", None, 0, NO),
        ("any", True, None, YES),
        ("any", False, None, OPEN),
        ("any", False, 0, NO),
    ],
)
def test_unknowns_combine_as_kleene_said(kind: str, leak: bool | None, dead: int | None, state: State) -> None:
    facts = IncidentFacts(hazmat=(Load(un="1", leak=leak),), casualties=Casualties(dead=dead))
    assert holds(condition(**{"is": kind}, of=[LEAK, DEAD]), facts) is state
    opposite = {YES: NO, NO: YES, OPEN: OPEN}[state]
    assert holds(condition(**{"is": "not"}, of={"is": kind, "of": [LEAK, DEAD]}), facts) is opposite


# -- ranking and explanation ---------------------------------------------------------------------

CATALOGUE = Library(load_folder())
ROLLOVER = IncidentFacts(
    event_types=("12H01", "12D02"),
    place=Place(road="G204", adcode="320707108"),
    hazmat=(Load(un="1005", class_="2.3", container="road_tanker", leak=True),),
)


def test_a_rollover_with_ammonia_ranks_the_transport_plan_first_and_the_general_plan_last() -> None:
    result = match(CATALOGUE, ROLLOVER)
    assert ranked_ids(result) == ("hazmat-road-transport", "road-traffic", "general")
    assert ranked_ids(result, cards=True)[1] == "card-ammonia"


def test_every_condition_comes_with_its_state_its_value_and_the_plan_with_its_source() -> None:
    top = match(CATALOGUE, ROLLOVER).matches[0]
    by_path = {c.path: c for c in top.conditions}
    assert by_path["applies.of[0]"].state is YES
    assert by_path["applies.of[0]"].derived
    assert by_path["applies.of[1].of[0]"].value == Text("道路", "road")
    assert by_path["applies.of[1].of[0]"].derived
    assert by_path["applies.of[1].of[2]"].value == Text("罐车", "road tanker")
    assert not by_path["applies.of[1].of[2]"].derived
    assert by_path["applies.of[2].of"].negated
    assert by_path["supports[0]"].support
    assert by_path["supports[3]"].state is OPEN
    assert by_path["supports[3]"].value is None
    assert "第七十二条" in top.source.clauses


def test_the_score_is_the_sum_that_the_docstring_says() -> None:
    weighed = plan(
        "fire",
        applies={"is": "all", "of": [{"is": "under", "codes": ["12G"], "weight": 3}, {"is": "flag", "field": "hazmat.fire", "weight": 2}]},
        supports=[{"is": "at_least", "field": "casualties.dead", "value": 1, "weight": 1}],
    )
    facts = IncidentFacts(event_types=("12G01",), hazmat=(Load(un="1", fire=True),), casualties=Casualties(dead=1))
    found = match(Library([weighed]), facts).matches[0]
    assert found.score == 100 + 10 * (3 + 2) + 5 * 1
    assert "155" in found.zh
    assert "155" in found.en


def test_an_undetermined_plan_never_outranks_a_satisfied_one() -> None:
    heavy = {"is": "all", "of": [{"is": "under", "codes": ["12G"], "weight": 10}, {"is": "flag", "field": "hazmat.leak"}]}
    library = Library([plan("heavy", applies=heavy), plan("light", applies={"is": "under", "codes": ["12G"], "weight": 0})])
    result = match(library, IncidentFacts(event_types=("12G01",)))
    assert [(m.plan_id, m.state) for m in result.matches] == [("light", YES), ("heavy", OPEN)]


def test_a_plan_for_which_nothing_speaks_is_open_not_listed() -> None:
    result = match(CATALOGUE, IncidentFacts())
    assert ranked_ids(result, undetermined=True) == ("general",)
    assert result.open == len(CATALOGUE) - 1
    assert result.excluded == 0


def test_counts_add_up() -> None:
    result = match(CATALOGUE, ROLLOVER)
    assert result.applicable + result.open + result.excluded == result.considered == len(CATALOGUE)


def test_the_limit_keeps_the_best_and_the_general_plan() -> None:
    result = match(CATALOGUE, ROLLOVER, limit=2)
    assert [m.plan_id for m in result.matches] == ["hazmat-road-transport", "general"]


def test_a_plan_that_is_ruled_out_can_still_be_explained() -> None:
    found = explain(CATALOGUE, "earthquake", ROLLOVER)
    assert found.state is NO
    assert "不满足" in found.zh


def test_the_order_in_which_plans_are_given_changes_nothing() -> None:
    backwards = Library(reversed(load_folder()))
    for facts in (IncidentFacts(), ROLLOVER, IncidentFacts(event_types=("12D00",))):
        assert match(backwards, facts) == match(CATALOGUE, facts)


# -- the question ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        (IncidentFacts(), "event_types"),
        (IncidentFacts(event_types=("12H00",)), "hazmat_present"),
        (IncidentFacts(event_types=("12D02",)), "place.setting"),
        (IncidentFacts(event_types=("12J00",)), "place.setting"),
        (IncidentFacts(event_types=("12D02",), place=Place(setting=Setting.FACILITY)), "hazmat.un"),
    ],
)
def test_the_question_is_the_fact_that_would_move_the_ranking_most(facts: IncidentFacts, field: str) -> None:
    missing = match(CATALOGUE, facts).missing_fact
    assert missing is not None
    assert missing.field == field
    assert missing.zh.endswith("？")
    assert missing.en.endswith("?")


def test_a_number_that_no_table_knows_is_said_and_the_number_is_asked_for() -> None:
    facts = IncidentFacts(event_types=("12D02",), place=Place(setting=Setting.FACILITY), hazmat=(Load(un_unlisted="9999"),))
    result = match(CATALOGUE, facts)
    assert "9999" in result.notes[0].zh
    assert "9999" in result.notes[0].en
    assert result.missing_fact is not None
    assert result.missing_fact.field == "hazmat.un"
    assert match(CATALOGUE, ROLLOVER).notes == ()
    on_the_road = IncidentFacts(
        event_types=("12H00",), place=Place(setting=Setting.ROAD), hazmat=(Load(un_unlisted="9999", container="road_tanker"),)
    )
    assert ranked_ids(match(CATALOGUE, on_the_road))[0] == "hazmat-road-transport", "whoever misread an orange plate has seen one"


def test_no_question_where_nothing_could_change() -> None:
    assert match(CATALOGUE, ROLLOVER).missing_fact is None


def test_answering_the_question_changes_the_ranking() -> None:
    before = match(CATALOGUE, IncidentFacts(event_types=("12H00",)))
    after = match(CATALOGUE, IncidentFacts(event_types=("12H00",), hazmat_present=True))
    assert before.missing_fact is not None
    assert "hazmat-road-transport" in before.missing_fact.plans
    assert ranked_ids(before)[0] == "road-traffic"
    assert ranked_ids(after)[0] == "hazmat-road-transport"


def test_a_known_road_is_asked_for_its_kilometre_post() -> None:
    applies = {"is": "all", "of": [{"is": "under", "codes": ["12H"]}, {"is": "road_section", "road": "G204", "from_km": 1, "to_km": 2}]}
    missing = match(Library([plan("a", applies=applies)]), IncidentFacts(event_types=("12H00",), place=Place(road="G204"))).missing_fact
    assert missing is not None
    assert missing.field == "place.road_km"


# -- follow-ups and levels -------------------------------------------------------------------------


def test_a_follow_up_says_what_changed() -> None:
    before = match(CATALOGUE, IncidentFacts(event_types=("12H00",)))
    after = match(CATALOGUE, IncidentFacts(event_types=("12H00",), hazmat=(Load(un="1005"),)))
    diff = rematch_diff(stood(before), after)
    assert [m.plan_id for m in diff.entered] == ["card-ammonia"]
    assert diff.left == ()
    moved = {m.plan_id: m for m in diff.changed}
    assert (moved["hazmat-road-transport"].rank_before, moved["hazmat-road-transport"].rank_after) == (2, 1)
    assert moved["hazmat-road-transport"].state_after is YES
    assert any("涉及危险货物" in t and "未知→满足" in t for t in moved["hazmat-road-transport"].turned)
    assert "危险货物道路运输" in diff.zh
    assert "unknown to satisfied" in diff.en


def test_a_follow_up_that_rules_a_plan_out_says_so() -> None:
    before = match(CATALOGUE, IncidentFacts(event_types=("12H00",)))
    after = match(CATALOGUE, IncidentFacts(event_types=("12H00",), hazmat_present=False))
    diff = rematch_diff(stood(before), after)
    assert [m.plan_id for m in diff.left] == ["hazmat-road-transport"]
    assert "不再适用" in diff.zh


def test_the_same_facts_give_no_difference() -> None:
    result = match(CATALOGUE, ROLLOVER)
    diff = rematch_diff(stood(result), result)
    assert (diff.entered, diff.left, diff.changed) == ((), (), ())
    assert diff.zh == "匹配结果没有变化。"


def test_the_highest_level_whose_criteria_hold_is_suggested() -> None:
    assert suggest_level(plan(), IncidentFacts(casualties=Casualties(trapped=3))).level is Level.III
    assert suggest_level(plan(), IncidentFacts(casualties=Casualties(trapped=3), grade=Grade.EXTRAORDINARY)).level is Level.I


def test_levels_still_open_are_named() -> None:
    suggested = suggest_level(plan(), IncidentFacts())
    assert suggested.level is Level.IV
    assert suggested.undetermined == (Level.I, Level.III)
    assert suggest_level(plan(), IncidentFacts(grade=Grade.ORDINARY, casualties=Casualties(trapped=0))).undetermined == ()


def test_a_plan_without_levels_has_none_to_suggest() -> None:
    with pytest.raises(ValueError, match="levels"):
        suggest_level(plan(levels=[], tasks=[]), IncidentFacts())


def test_what_nobody_can_tell_is_passed_over_for_the_next_best_question() -> None:
    asked: list[str] = []
    while (fact := match(CATALOGUE, IncidentFacts(event_types=("12H00",)), passed_over=asked).missing_fact) is not None:
        assert fact.field not in asked
        asked.append(fact.field)
    assert asked == ["hazmat_present", "event_types"]
    assert match(CATALOGUE, IncidentFacts(event_types=("12H00",)), passed_over=asked).matches == match(CATALOGUE, IncidentFacts(event_types=("12H00",))).matches


def test_a_result_travels_as_json() -> None:
    result = match(CATALOGUE, ROLLOVER)
    assert msgspec.json.decode(msgspec.json.encode(result), type=type(result)) == result


@pytest.mark.parametrize(("leaf", "zh", "en"), [
    ({"is": "one_of", "field": "hazmat.container", "values": ["road_tanker", "box_truck"]}, "容器为罐车、厢式货车", "container is road tanker or box truck"),
    ({"is": "one_of", "field": "place.setting", "values": ["facility", "open_land"]}, "场所为厂区、野外", "setting is plant or open land"),
    ({"is": "grade_at_least", "grade": "较大"}, "事件等级达到较大", "grade serious or graver"),
    ({"is": "warned", "kinds": ["storm_surge"], "colour": "orange"}, "风暴潮预警达到橙色", "storm surge warning of orange or graver"),
])
def test_conditions_are_told_in_the_words_of_each_language(leaf: dict[str, Any], zh: str, en: str) -> None:
    library = Library([plan("p", applies={"is": "all", "of": [{"is": "flag", "field": "hazmat_present"}, leaf]})])
    found = match(library, IncidentFacts(hazmat_present=True)).matches[0].conditions[1]
    assert (found.zh, found.en) == (zh, en)


def test_what_a_condition_saw_is_told_in_the_words_of_each_language() -> None:
    warned = (WeatherWarning(kind=WarningKind.STORM_SURGE, colour=Colour.RED),)
    leaf = {"is": "warned", "kinds": ["storm_surge"], "colour": "orange"}
    library = Library([plan("p", applies={"is": "all", "of": [{"is": "flag", "field": "hazmat.leak"}, leaf]})])
    facts = IncidentFacts(hazmat=(Load(leak=True),), weather=Weather(warnings=warned))
    assert [one.value for one in match(library, facts).matches[0].conditions] == [Text("是", "yes"), Text("风暴潮红色", "storm surge red")]


def test_every_value_that_a_plan_may_name_has_words_in_both_languages() -> None:
    closed = {value for field in ("place.setting", "grade") for value in FIELDS[field].values} | set(container_codes()) | set(WarningKind) | set(Colour)
    assert {value for value in closed if value not in VALUE_WORDS} == set()
    assert all("_" not in en and not re.search(r"[一-鿿]", en) for _, en in VALUE_WORDS.values())

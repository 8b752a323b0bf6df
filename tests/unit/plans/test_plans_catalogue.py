"""The library that ships: complete, sourced, in two languages, and equal to its schema."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import get_args

import jsonschema
import msgspec
import pytest
import yaml

from plans.backtest import backtest
from plans.cases import read_cases
from plans.facts import FIELDS, Colour, IncidentFacts, Load, Place, Setting, WarningKind, Weather, WeatherWarning
from plans.load import CATALOGUE, load_folder
from plans.match import Library, State, explain, match, ranked_ids
from plans.model import Condition, Level, Plan, PlanKind, Stage, Task, in_force, json_schema

PLANS = load_folder()
IDS = [
    "general",
    "hazmat-road-transport",
    "hazmat-facility",
    "fire",
    "forest-fire",
    "building-collapse",
    "mine-accident",
    "special-equipment",
    "geological-disaster",
    "radiation",
    "road-traffic",
    "rail-waterway",
    "gas",
    "flood-typhoon",
    "storm-surge",
    "marine-fishing",
    "earthquake",
    "power-outage",
    "food-poisoning",
    "infectious-disease",
    "campus",
    "mass-gathering",
    "terror-attack",
]
CARDS = [
    "card-ammonia",
    "card-chlorine",
    "card-lpg",
    "card-lng",
    "card-fuel",
    "card-methanol",
    "card-sulfuric-acid",
    "card-hydrochloric-acid",
    "card-caustic-soda",
    "card-benzenes",
    "card-ethylene-oxide",
    "card-acrylonitrile",
    "card-ammonium-nitrate",
    "card-hydrogen-peroxide",
]
LINKAGE = {
    "emergency-bureau",
    "public-security",
    "traffic-police",
    "transport-bureau",
    "ecology-bureau",
    "fire-rescue",
    "health-commission",
    "meteorological-bureau",
    "local-town",
}


def test_the_plans_are_exactly_the_named_ones() -> None:
    assert sorted(p.id for p in PLANS if p.kind is not PlanKind.ONSITE_CARD) == sorted(IDS)


def test_there_is_a_card_for_each_substance_that_matters_here() -> None:
    assert set(CARDS) <= {p.id for p in PLANS if p.kind is PlanKind.ONSITE_CARD}


def test_the_schema_file_is_generated_from_the_types() -> None:
    assert json.loads((CATALOGUE / "schema.json").read_text("utf-8")) == json.loads(json.dumps(json_schema()))


@pytest.mark.parametrize("file", sorted(CATALOGUE.rglob("*.yaml")), ids=lambda f: f.stem)
def test_every_file_fits_the_schema_and_bears_its_plan_s_name(file: Path) -> None:
    raw = yaml.safe_load(file.read_text("utf-8"))
    jsonschema.validate(raw, json_schema(), jsonschema.Draft202012Validator)
    assert file.stem == raw["id"]


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: p.id)
def test_every_plan_says_its_source_validity_and_assumptions(plan: Plan) -> None:
    assert plan.source.document
    assert plan.source.edition
    assert plan.source.issuing_body
    assert plan.source.clauses
    assert plan.valid_until is not None
    assert in_force(plan, date(2026, 11, 23))
    assert plan.assumptions


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: p.id)
def test_every_text_is_chinese_in_chinese_and_english_in_english(plan: Plan) -> None:
    for value in texts(msgspec.to_builtins(plan)):
        assert re.search(r"[\u4e00-\u9fff]", value["zh"]), value
        assert not re.search(r"[\u4e00-\u9fff]", value["en"]), value


def texts(value: object) -> list[dict[str, str]]:
    if isinstance(value, dict):
        here = [value] if set(value) == {"zh", "en"} else []
        return here + [t for v in value.values() for t in texts(v)]
    if isinstance(value, list | tuple):
        return [t for v in value for t in texts(v)]
    return []


@pytest.mark.parametrize("plan", [p for p in PLANS if p.kind is PlanKind.SPECIAL], ids=lambda p: p.id)
def test_every_special_plan_is_complete(plan: Plan) -> None:
    assert len(plan.tasks) >= 12
    assert all(t.evidence for t in plan.tasks)
    assert {r.level for r in plan.levels} >= {Level.III}
    assert plan.termination
    assert plan.groups
    assert plan.grants.lead
    assert plan.grants.video
    used = {t.role for t in plan.tasks}
    assert "command" in used
    assert "local-town" in used


def test_the_transport_plan_has_every_department_of_the_linkage_and_all_stages() -> None:
    plan = next(p for p in PLANS if p.id == "hazmat-road-transport")
    working = {plan.role(t.role).department for t in plan.tasks}
    assert working >= LINKAGE
    assert [s.stage for s in plan.on_scene] == list(Stage)
    assert all(s.exit for s in plan.on_scene)
    assert len(plan.tasks) >= 25
    assert len(plan.roles) >= 10
    assert {z.computed for z in plan.zones} == {True, False}


def test_the_transport_plan_begins_with_knowing_and_isolating() -> None:
    plan = next(p for p in PLANS if p.id == "hazmat-road-transport")
    due = {t.id: t.due_min for t in plan.tasks}
    assert due["confirm"] <= due["ask-cargo"] <= due["close-road"] <= due["initial-isolation"] <= due["evacuate"] <= due["plug"]
    assert due["wind"] <= due["evacuate"]


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: p.id)
def test_no_task_is_due_before_what_it_waits_for(plan: Plan) -> None:
    due = {t.id: t.due_min for t in plan.tasks}
    for task in plan.tasks:
        for other in task.after:
            assert due[other] <= task.due_min, (task.id, other)


def test_the_shipped_cases_find_their_plans_first() -> None:
    report = backtest(Library(PLANS), read_cases(Path(CATALOGUE).parent / "data" / "backtest_cases.yaml", "Asia/Shanghai"))
    assert [(r.id, r.missed) for r in report.results if r.missed] == []
    assert [(r.id, r.matched) for r in report.results if r.first_is_right is False] == []
    assert [(r.id, r.level) for r in report.results if r.level_is_right is False] == []
    assert report.never_matched == ()


DRY_AND_WINDY = Weather(warnings=(WeatherWarning(WarningKind.FOREST_FIRE, Colour.RED), WeatherWarning(WarningKind.GALE, Colour.RED)))


@pytest.mark.parametrize(
    ("plan_id", "code", "family", "setting"),
    [
        ("forest-fire", "12G02", "fire", Setting.RESIDENCE),
        ("forest-fire", "12G00", "fire", Setting.OPEN_LAND),
        ("forest-fire", "12H04", "road_traffic", Setting.ROAD),
        ("forest-fire", "12D03", "hazmat_facility", Setting.FACILITY),
        ("building-collapse", "11D01", "geological", Setting.RESIDENCE),
        ("building-collapse", "11C02", "earthquake", Setting.RESIDENCE),
        ("building-collapse", "12H02", "road_traffic", Setting.ROAD),
        ("building-collapse", "12P00", "gas_supply", Setting.RESIDENCE),
        ("building-collapse", "12A00", "mining", Setting.FACILITY),
        ("mine-accident", "12C00", "construction", Setting.FACILITY),
        ("special-equipment", "12C00", "construction", Setting.FACILITY),
        ("geological-disaster", "12B00", "mining", Setting.OPEN_LAND),
        ("geological-disaster", "11A02", "flood", Setting.RESIDENCE),
        ("special-equipment", "12D02", "hazmat_facility", Setting.FACILITY),
    ],
)
def test_neither_woods_nor_ruins_are_seen_where_there_are_none(plan_id: str, code: str, family: str, setting: Setting) -> None:
    place = Place(setting=setting, distance_to_homes_m=0)
    facts = IncidentFacts(event_types=(code,), family=family, place=place, month=3, weather=DRY_AND_WINDY)
    assert explain(Library(PLANS), plan_id, facts).state is State.UNSATISFIED


@pytest.mark.parametrize(
    ("distance_m", "state"), [(None, State.UNKNOWN), (0, State.SATISFIED), (500, State.SATISFIED), (501, State.UNSATISFIED)]
)
def test_the_fire_plan_joins_a_forest_fire_near_homes(distance_m: float | None, state: State) -> None:
    facts = IncidentFacts(event_types=("11G00",), family="forest_fire", place=Place(distance_to_homes_m=distance_m))
    assert explain(Library(PLANS), "fire", facts).state is state
    assert explain(Library(PLANS), "forest-fire", facts).state is State.SATISFIED


def test_a_crew_nears_a_forest_fire_only_with_a_way_out() -> None:
    plan = next(p for p in PLANS if p.id == "forest-fire")
    after = {t.id: t.after for t in plan.tasks}
    assert "safety" in after["fight"]
    assert set(after["accept"]) == {"mop-up", "guard"}
    assert any(e.tasks == ("accept",) for e in plan.termination)


@pytest.mark.parametrize(("un", "state"), [(None, State.UNKNOWN), ("2916", State.SATISFIED), ("1005", State.UNSATISFIED)])
def test_a_radioactive_load_calls_the_radiation_plan_beside_the_transport_plan(un: str | None, state: State) -> None:
    facts = IncidentFacts(event_types=("12H01",), hazmat_present=True, hazmat=(Load(un=un),), place=Place(setting=Setting.ROAD))
    library = Library(PLANS)
    assert explain(library, "radiation", facts).state is state
    assert explain(library, "hazmat-road-transport", facts).state is State.SATISFIED
    assert ("radiation" in ranked_ids(match(library, facts))) is (state is State.SATISFIED)


@pytest.mark.parametrize(
    ("plan_id", "first", "later"),
    [("mine-accident", "gas", "rescue"), ("geological-disaster", "search", "clear-all"), ("radiation", "measure", "recover"), ("radiation", "recover", "all-clear")],
)
def test_nobody_goes_in_and_nothing_ends_before_it_is_known_to_be_safe(plan_id: str, first: str, later: str) -> None:
    plan = next(p for p in PLANS if p.id == plan_id)
    assert first in {t.id: t.after for t in plan.tasks}[later]


def test_a_collapse_does_not_end_while_somebody_may_be_under_it() -> None:
    plan = next(p for p in PLANS if p.id == "building-collapse")
    after = {t.id: t.after for t in plan.tasks}
    assert set(after["clear-all"]) == {"search", "headcount"}
    assert any(e.tasks == ("clear-all",) for e in plan.termination)


DOCUMENT = (Path(__file__).parents[3] / "docs" / "plans.md").read_text("utf-8")


@pytest.mark.parametrize("name", [*Plan.__struct_fields__, *Task.__struct_fields__, *FIELDS, *(s.value for s in Stage)])
def test_every_field_fact_and_stage_is_documented(name: str) -> None:
    assert re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", DOCUMENT), name


@pytest.mark.parametrize("kind", get_args(Condition), ids=lambda k: k.__name__)
def test_every_kind_of_condition_is_documented(kind: type[msgspec.Struct]) -> None:
    assert f"`{kind.__struct_config__.tag}`" in DOCUMENT

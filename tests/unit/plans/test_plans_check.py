"""The linter finds each kind of trouble, and finds none where there is none."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from plans.activate import Post
from plans.check import Contact, District, EventType, Finding, Severity, StockLine, Town, check, worst_level
from plans.district import district_of_data
from plans.load import load_folder
from plans.model import Plan
from tests.support.plan_library import plan, task, text

TODAY = date(2026, 11, 23)
TOWNS = (Town("320707108", "赣马镇", "town-ganma"), Town("320707101", "柘汪镇", "town-zhewang"))
TYPES = (EventType("12G00", "火灾", "Fire"), EventType("12G01", "工业建筑火灾", "Industrial fire"))
DEPARTMENTS = ("fire-rescue", "district-office", "town-ganma", "town-zhewang")
WHOLE = District(
    TODAY,
    event_types=TYPES,
    towns=TOWNS,
    posts={d: (Post(d, "desk", "officer"),) for d in DEPARTMENTS},
    stock=(StockLine("foam", "L", 500),),
    contacts=tuple(Contact(d, "x", True) for d in DEPARTMENTS),
)
GENERAL = plan("general", kind="general", applies={"is": "always"}, tasks=[])


def found(*plans: Plan, district: District = WHOLE) -> set[tuple[str, str | None, str]]:
    return {(f.code, f.plan, f.field) for f in check([*plans, GENERAL], district)}


def changed(**fields: Any) -> District:
    return msgspec.structs.replace(WHOLE, **fields)


def both(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"is": "all", "of": [{"is": "under", "codes": ["12G"]}, *conditions]}


def test_a_sound_library_of_a_ready_district_has_no_findings() -> None:
    assert found(plan()) == set()


def number(kind: str, value: float) -> dict[str, Any]:
    return {"is": kind, "field": "casualties.dead", "value": value}


def negation(condition: dict[str, Any]) -> dict[str, Any]:
    return {"is": "not", "of": condition}


SETTING_ROAD = {"is": "one_of", "field": "place.setting", "values": ["road"]}


@pytest.mark.parametrize(
    "pair",
    [
        (number("at_least", 3), number("at_most", 2)),
        (number("at_least", 3), negation(number("at_least", 3))),
        (number("at_most", 3), negation(number("at_most", 4))),
        (negation(number("at_most", 3)), number("at_most", 3)),
        (SETTING_ROAD, {"is": "one_of", "field": "place.setting", "values": ["rail"]}),
        (SETTING_ROAD, negation({"is": "one_of", "field": "place.setting", "values": ["road", "rail"]})),
        ({"is": "flag", "field": "hazmat_present"}, {"is": "flag", "field": "hazmat_present", "value": False}),
        ({"is": "grade_at_least", "grade": "重大"}, negation({"is": "grade_at_least", "grade": "较大"})),
        ({"is": "months", "first": 5, "last": 6}, {"is": "months", "first": 11, "last": 2}),
        ({"is": "hours", "first": 0, "last": 5}, negation({"is": "hours", "first": 22, "last": 6})),
        ({"is": "road_section", "road": "G204"}, {"is": "road_section", "road": "G15"}),
        (
            {"is": "one_of", "field": "place.adcode", "values": ["320707108"]},
            {"is": "one_of", "field": "place.adcode", "values": ["320707101"]},
        ),
    ],
)
def test_conditions_that_contradict_each_other_make_a_dead_plan(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    assert ("dead_plan", "fire", "applies") in found(plan(applies=both(*pair)))


@pytest.mark.parametrize(
    "pair",
    [
        (number("at_least", 3), number("at_most", 3)),
        (number("at_least", 3), negation(number("at_least", 4))),
        ({"is": "months", "first": 5, "last": 11}, {"is": "months", "first": 11, "last": 2}),
        ({"is": "grade_at_least", "grade": "较大"}, negation({"is": "grade_at_least", "grade": "重大"})),
        (
            {"is": "one_of", "field": "place.adcode", "values": ["320707"]},
            {"is": "one_of", "field": "place.adcode", "values": ["320707108"]},
        ),
        ({"is": "one_of", "field": "hazmat.un", "values": ["1005"]}, {"is": "one_of", "field": "hazmat.un", "values": ["1017"]}),
    ],
)
def test_conditions_that_can_hold_together_are_not_called_dead(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    always = [rule("IV", {"is": "always"})]
    assert {code for code, *_ in found(plan(applies=both(*pair), levels=always, tasks=[]))} <= {"uncovered_place"}


def test_a_level_that_the_plan_s_own_conditions_rule_out_is_dead() -> None:
    mild = both(negation({"is": "grade_at_least", "grade": "重大"}))
    assert found(plan(applies=mild)) == {("dead_condition", "fire", "levels[0].criteria")}


def test_a_branch_that_can_never_be_reached_is_named_where_it_stands() -> None:
    inner = {"is": "any", "of": [{"is": "flag", "field": "hazmat_present", "value": False}, {"is": "always"}]}
    dead = both({"is": "flag", "field": "hazmat_present"}, inner)
    assert found(plan(applies=dead)) == {("dead_condition", "fire", "applies.of[2].of[0]")}


def test_a_task_whose_condition_contradicts_the_plan_is_dead() -> None:
    tasks = [task("look", when={"is": "flag", "field": "hazmat_present", "value": False})]
    applies = both({"is": "flag", "field": "hazmat_present"})
    assert found(plan(applies=applies, tasks=tasks)) == {("dead_condition", "fire", "tasks[0].when")}


def rule(level: str, criteria: dict[str, Any]) -> dict[str, Any]:
    return {"level": level, "criteria": criteria, "text": text(level), "activated_by": text("x")}


def test_a_level_below_one_that_always_holds_is_unreachable() -> None:
    levels = [rule("III", {"is": "always"}), rule("IV", number("at_least", 1))]
    assert found(plan(levels=levels)) == {("unreachable_level", "fire", "levels.IV")}


def test_a_task_of_a_level_that_the_plan_does_not_have_is_unreachable() -> None:
    levels = [rule("IV", {"is": "always"})]
    assert found(plan(levels=levels, tasks=[task("a", from_level="II")])) == {("unreachable_task", "fire", "tasks[0].from_level")}


def test_an_event_type_that_the_table_does_not_have_is_named() -> None:
    assert ("unknown_event_type", "fire", "applies") in found(plan(applies={"is": "under", "codes": ["12G", "19Z"]}))


def test_an_event_type_with_the_general_plan_only_is_noted_once_for_the_subclass() -> None:
    more = changed(event_types=(*TYPES, EventType("11C00", "地震", "Earthquake"), EventType("11C01", "人工地震", "Quake")))
    assert found(plan(), district=more) == {("uncovered_event_type", None, "11C00")}


def test_a_place_without_the_plan_that_others_have_is_named() -> None:
    local = both({"is": "one_of", "field": "place.adcode", "values": ["320707108"]})
    (finding,) = check([plan(applies=local), GENERAL], WHOLE)
    assert (finding.code, finding.severity) == ("uncovered_place", Severity.WARNING)
    assert "柘汪镇" in finding.zh
    assert "赣马镇" not in finding.zh


def test_a_missing_general_plan_is_an_error() -> None:
    assert "no_general_plan" in {f.code for f in check([plan()], WHOLE)}


def test_an_empty_library_is_said_in_one_line_and_claims_no_general_plan() -> None:
    (finding,) = [f for f in check([], WHOLE) if f.field == "plans"]
    assert (finding.code, finding.severity) == ("no_plans", Severity.ERROR)
    assert not [f for f in check([], WHOLE) if f.code == "uncovered_event_type"]


def test_a_type_without_any_plan_is_not_said_to_have_the_general_one() -> None:
    more = changed(event_types=(*TYPES, EventType("11C00", "地震", "Earthquake")))
    (bare,) = [f for f in check([plan()], more) if f.code == "uncovered_event_type"]
    assert bare.severity is Severity.WARNING and "也没有总体预案" in bare.zh and "neither" in bare.en


def test_an_empty_post_tonight_is_an_error_naming_the_department() -> None:
    posts = {d: (Post(d, "desk", None if d == "fire-rescue" else "officer"),) for d in DEPARTMENTS if d != "town-zhewang"}
    assert found(plan(), district=changed(posts=posts)) == {("post_empty", None, "fire-rescue"), ("post_empty", None, "town-zhewang")}


def test_an_empty_hub_is_one_finding_for_the_roster_and_one_for_the_contacts_and_one_name_each_as_soon_as_there_is_one() -> None:
    assert found(plan(), district=changed(posts={}, contacts=())) == {("post_empty", None, "posts"), ("contact_unreachable", None, "contacts")}
    one = changed(posts={"fire-rescue": (Post("fire-rescue", "desk", "officer"),)}, contacts=(Contact("fire-rescue", "a", True),))
    named = {field for code, _, field in found(plan(), district=one) if code in ("post_empty", "contact_unreachable")}
    assert "fire-rescue" not in named and {"district-office", "town-zhewang"} <= named


def want(quantity: float, capability: str = "foam") -> dict[str, Any]:
    return {
        "id": "r",
        "capability": capability,
        "quantity": quantity,
        "unit": "L",
        "role": "command",
        "within_min": 5,
        "text": text("foam"),
    }


def test_stock_missing_short_and_enough() -> None:
    assert found(plan(resources=[want(500)])) == set()
    assert found(plan(resources=[want(501)])) == {("stock_short", "fire", "resources[0]")}
    assert found(plan(resources=[want(1, "lime")])) == {("stock_missing", "fire", "resources[0]")}


def test_an_empty_register_is_one_finding_and_one_for_each_as_soon_as_there_is_something() -> None:
    both_wanted = plan(resources=[want(1), want(2, "lime") | {"id": "lime"}])
    for stock in ((), (StockLine("sand", "L", 9),), (StockLine("lime", "L", 0),)):
        assert found(both_wanted, district=changed(stock=stock)) == {("stock_missing", None, "stock")}
    assert found(both_wanted, district=changed(stock=(StockLine("foam", "kg", 9),))) == {("stock_missing", "fire", f"resources[{i}]") for i in (0, 1)}


def test_stock_that_is_registered_in_another_unit_is_named() -> None:
    district = changed(stock=(StockLine("foam", "kg", 500),), units={"L": "litres"})
    (finding,) = check([plan(resources=[want(100)]), GENERAL], district)
    assert finding.code == "stock_missing" and "kg" in finding.zh and "registered in kg" in finding.en and "100 litres wanted" in finding.en


def test_stock_lines_of_one_capability_add_up() -> None:
    lines = (StockLine("foam", "L", 300), StockLine("foam", "L", 300), StockLine("foam", "kg", 900))
    assert found(plan(resources=[want(600)]), district=changed(stock=lines)) == set()


def test_contacts_unreachable_missing_and_untested() -> None:
    contacts = (
        Contact("fire-rescue", "a", False),
        Contact("district-office", "b", None),
        Contact("town-ganma", "c", False),
        Contact("town-ganma", "d", True),
    )
    assert found(plan(), district=changed(contacts=contacts)) == {
        ("contact_unreachable", None, "fire-rescue"),
        ("contact_untested", None, "district-office"),
        ("contact_unreachable", None, "town-zhewang"),
    }


@pytest.mark.parametrize(
    ("until", "code", "severity"),
    [("2026-11-22", "source_expired", Severity.ERROR), ("2027-01-22", "source_expires_soon", Severity.WARNING), ("2027-01-23", None, None)],
)
def test_expiry_is_told_before_and_after(until: str, code: str | None, severity: Severity | None) -> None:
    about = [f for f in check([plan(valid_until=until), GENERAL], WHOLE) if f.field == "valid_until"]
    assert [(f.code, f.severity) for f in about] == ([(code, severity)] if code else [])


def test_drafts_are_noted_and_superseded_versions_ignored() -> None:
    assert ("not_in_force", "fire", "status") in found(plan(status="draft"))
    dead = both(number("at_least", 3), number("at_most", 2))
    assert "dead_plan" not in {code for code, *_ in found(plan(status="superseded", applies=dead), plan(version=2))}


def test_the_same_task_for_different_roles_is_an_overlap() -> None:
    other = plan("gas", applies=both({"is": "flag", "field": "hazmat.leak"}), tasks=[task("look", role="command")])
    assert found(plan(), other) == {("overlapping_task", None, "look/site")}


def test_opposite_orders_are_found_before_they_are_merged() -> None:
    one = plan("a", tasks=[task("x"), task("y", after=["x"])])
    two = plan("b", applies=both({"is": "flag", "field": "hazmat.leak"}), tasks=[task("y"), task("x", after=["y"])])
    (finding,) = check([one, two, GENERAL], WHOLE)
    assert (finding.code, finding.severity) == ("opposite_orders", Severity.WARNING)
    assert "a、b" in finding.zh


def test_a_role_held_by_two_departments_and_equal_conditions_are_named() -> None:
    roles = [{"id": "fire-rescue", "department": "district-office", "duty": text("d")}]
    other = plan("gas", roles=roles, tasks=[], grants={})
    assert found(plan(), other) == {("role_conflict", "gas", "roles[0]"), ("same_conditions", "gas", "applies")}


def test_what_was_not_given_is_said_not_passed() -> None:
    fields = {field for code, _, field in found(plan(), district=District(TODAY)) if code == "not_checked"}
    assert fields == {"event_types", "posts", "stock", "contacts"}


def test_too_many_alternatives_are_said_not_followed_for_ever() -> None:
    pairs = [{"is": "any", "of": [number("at_least", i), number("at_least", i + 100)]} for i in range(40)]
    assert ("not_checked", "fire", "applies") in found(plan(applies={"is": "all", "of": pairs}))


def test_the_gravest_come_first_and_are_reported() -> None:
    findings = check([plan(valid_until="2026-01-02", status="draft")], WHOLE)
    assert findings[0].severity is Severity.ERROR
    assert worst_level(findings) is Severity.ERROR
    assert worst_level([]) is None
    note = Finding(Severity.NOTE, "x", None, "y", "z", "z")
    assert worst_level([note]) is Severity.NOTE


def test_the_catalogue_has_no_errors_and_no_warnings() -> None:
    findings = check(load_folder(), district_of_data(TODAY))
    assert [f for f in findings if f.severity is not Severity.NOTE] == []

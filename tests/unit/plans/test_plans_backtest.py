"""Back-tests count what was found, missed and ambiguous; versions are compared; statuses go one way."""

from __future__ import annotations

import pytest

from hub.errors import Rejected
from plans.backtest import Case, backtest, replay
from plans.compare import compare, with_status
from plans.facts import Casualties, IncidentFacts
from plans.match import Library
from plans.model import Level, PlanStatus
from tests.support.plan_library import plan, task

GAS = plan("gas", applies={"is": "all", "of": [{"is": "under", "codes": ["12P"]}, {"is": "flag", "field": "hazmat_present"}]})
GENERAL = plan("general", kind="general", applies={"is": "always"})
LIBRARY = Library([plan("fire"), GAS, GENERAL])
FIRE = IncidentFacts(event_types=("12G01",))
PIPES = IncidentFacts(event_types=("12P00",))


def test_a_found_case() -> None:
    result = replay(LIBRARY, Case("1", FIRE, ("fire",), Level.III))
    assert (result.matched, result.missed, result.unexpected, result.first_is_right) == (("fire", "general"), (), (), True)
    assert (result.level, result.level_is_right) == (Level.IV, False)
    assert result.ambiguous_zh is None


def test_a_missed_case_and_the_question_that_was_open() -> None:
    result = replay(LIBRARY, Case("2", PIPES, ("gas",)))
    assert (result.missed, result.undetermined, result.first_is_right) == (("gas",), ("gas",), False)
    assert result.missing_fact is not None
    assert result.missing_fact.field == "hazmat_present"
    assert result.ambiguous_en is not None
    assert "ask first" in result.ambiguous_en


def test_two_plans_nearly_level_are_ambiguous() -> None:
    twins = Library([plan("fire"), plan("smoke"), GENERAL])
    result = replay(twins, Case("3", FIRE))
    assert result.ambiguous_zh is not None
    assert "得分相近" in result.ambiguous_zh
    assert result.first_is_right is None


def test_an_unexpected_plan_is_named() -> None:
    result = replay(LIBRARY, Case("4", IncidentFacts(event_types=("12G01", "12P00"), hazmat_present=True), ("fire",)))
    assert result.unexpected == ("gas",)


def test_the_sums() -> None:
    cases = [Case("1", FIRE, ("fire",)), Case("2", PIPES, ("gas",)), Case("5", IncidentFacts(event_types=("11C00",)))]
    report = backtest(LIBRARY, cases)
    assert (report.cases, report.with_expectation, report.all_found, report.first_right) == (3, 2, 1, 1)
    assert (report.only_general, report.ambiguous) == (2, 1)
    assert report.found_share == 0.5
    assert report.confusion == (("gas", "general", 1),)
    assert report.never_matched == ()
    assert backtest(LIBRARY, []).found_share is None
    assert backtest(LIBRARY, []).never_matched == ("fire", "gas", "general")


def test_the_level_follows_the_facts_of_the_case() -> None:
    case = Case("6", IncidentFacts(event_types=("12G01",), casualties=Casualties(trapped=5)), ("fire",), Level.III)
    assert replay(LIBRARY, case).level_is_right


def test_versions_are_compared_part_by_part() -> None:
    old = plan(tasks=[task("a"), task("b", due_min=10)])
    new = plan(version=2, tasks=[task("b", due_min=5), task("c"), task("a")])
    changes = {c.field: (c.before, c.after) for c in compare(old, new)}
    assert changes["version"] == (1, 2)
    assert changes["tasks.b.due_min"] == (10, 5)
    assert changes["tasks.c"][0] is None
    assert set(changes) == {"version", "tasks.b.due_min", "tasks.c"}


def test_a_removed_part_is_a_difference_too() -> None:
    (change,) = compare(plan(tasks=[task("a"), task("b")]), plan(tasks=[task("a")]))
    assert (change.field, change.after) == ("tasks.b", None)


def test_a_plan_is_the_same_as_itself() -> None:
    assert compare(plan(), plan()) == ()


def test_a_plan_goes_from_draft_to_superseded_step_by_step() -> None:
    current = plan(status="draft")
    for status in (PlanStatus.REVIEWED, PlanStatus.IN_FORCE, PlanStatus.SUPERSEDED):
        current = with_status(current, status)
    assert current.status is PlanStatus.SUPERSEDED


@pytest.mark.parametrize(
    ("now", "then"), [("draft", "in_force"), ("superseded", "in_force"), ("in_force", "draft"), ("in_force", "in_force")]
)
def test_steps_that_are_not_allowed_are_refused(now: str, then: str) -> None:
    with pytest.raises(Rejected, match="status_step"):
        with_status(plan(status=now), PlanStatus(then))

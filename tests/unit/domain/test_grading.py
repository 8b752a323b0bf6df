"""Grades by 国务院令第493号 第三条."""

import pytest

from hub.domain.grading import suggest_grade
from hub.wire import Casualties


@pytest.mark.parametrize(("dead", "grade"), [(30, "extraordinary"), (29, "major"), (10, "major"), (9, "serious"), (3, "serious"), (2, "general"), (1, "general")])
def test_the_dead_decide_with_the_limit_itself_included(dead: int, grade: str) -> None:
    found = suggest_grade(Casualties(dead=dead), None, ("12H00",))
    assert found is not None
    assert (found.grade, found.criterion, found.value) == (grade, "dead", dead)


@pytest.mark.parametrize(("hurt", "grade"), [(100, "extraordinary"), (99, "major"), (50, "major"), (49, "serious"), (10, "serious"), (9, "general")])
def test_the_seriously_injured_decide(hurt: int, grade: str) -> None:
    found = suggest_grade(Casualties(seriously_injured=hurt), None, ("12H00",))
    assert found is not None
    assert found.grade == grade


@pytest.mark.parametrize(("yuan", "grade"), [(1e8, "extraordinary"), (1e8 - 1, "major"), (5e7, "major"), (1e7, "serious"), (1e7 - 1, "general")])
def test_the_loss_decides(yuan: float, grade: str) -> None:
    found = suggest_grade(None, yuan, ("12D00",))
    assert found is not None
    assert found.grade == grade


def test_any_one_criterion_is_enough_and_the_highest_counts() -> None:
    found = suggest_grade(Casualties(dead=1, seriously_injured=50), 1000, ("12D00",))
    assert found is not None
    assert (found.grade, found.criterion) == ("major", "seriously_injured")


def test_the_missing_count_with_the_dead() -> None:
    found = suggest_grade(Casualties(dead=2, missing=1), None, ("12J00",))
    assert found is not None
    assert found.grade == "serious"


def test_acute_industrial_poisoning_counts_as_serious_injury_and_a_food_poisoning_does_not() -> None:
    chemical = suggest_grade(Casualties(poisoned=12), None, ("12D04",))
    assert chemical is not None
    assert chemical.grade == "serious"
    assert suggest_grade(Casualties(poisoned=12), None, ("13B00",)) is None


def test_what_is_not_known_has_no_grade() -> None:
    assert suggest_grade(None, None, ("12H00",)) is None
    assert suggest_grade(Casualties(), None, ("12H00",)) is None
    assert suggest_grade(Casualties(dead=0, injured=7), None, ("12H00",)) is None


def test_social_security_events_have_no_such_grade() -> None:
    assert suggest_grade(Casualties(dead=31), None, ("14B00",)) is None


def test_the_reason_names_the_criterion_its_limit_and_the_source() -> None:
    found = suggest_grade(Casualties(dead=3), None, ())
    assert found is not None
    assert "死亡" in found.zh and "3" in found.zh and "493" in found.source

"""The statutory clocks: which rows apply, from which clock, until when, and how the rhythm of follow-ups runs."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from hub.domain.clocks import Duty, Facts, Form, Limit, Running, StartsFrom, faults, in_force, next_turn, no_longer, owed
from hub.domain.duty_rules import packaged_rules

ZONE = "Asia/Shanghai"
RECEIVED = datetime(2026, 11, 23, 6, 10, tzinfo=UTC)
LIMITS = packaged_rules().limits
HAZMAT = Facts(incident_id="i", event_types=("12H00", "12D00"), received_at=RECEIVED, occurred_at=RECEIVED - timedelta(minutes=20),
               told_at=RECEIVED - timedelta(minutes=15), grade="general")


def running(facts: Facts) -> dict[str, Running]:
    return {r.key: r for r in owed(facts, LIMITS, zone=ZONE)}


def test_the_first_clock_of_every_incident_is_the_desk_s_three_minutes() -> None:
    for types in ((), ("11B01",), ("12D00",), ("13A00",), ("14A00",)):
        first = owed(msgspec.structs.replace(HAZMAT, event_types=types, grade=None), LIMITS, zone=ZONE)[0]
        assert (first.limit.duty, first.form, first.due_at) == (Duty.DESK_ACK, Form.SCREEN, RECEIVED + timedelta(minutes=3))


def test_a_hazmat_accident_on_the_road_has_its_clocks_from_the_right_start() -> None:
    clocks = running(HAZMAT)
    assert clocks["safety-unit-first:written:1"].due_at == HAZMAT.told_at + timedelta(minutes=60)  # type: ignore[operator]
    assert clocks["safety-department-up:written:1"].due_at == RECEIVED + timedelta(minutes=120)
    assert clocks["government-first:phone:1"].due_at == RECEIVED + timedelta(minutes=30)
    assert clocks["government-first:written:1"].due_at == RECEIVED + timedelta(minutes=60)


def test_road_and_fire_have_seven_days_for_corrections_and_other_accidents_thirty() -> None:
    assert running(HAZMAT)["road-fire-correction:written:1"].due_at == HAZMAT.occurred_at + timedelta(days=7)
    plant = running(msgspec.structs.replace(HAZMAT, event_types=("12D00",)))
    assert plant["safety-correction:written:1"].due_at == HAZMAT.occurred_at + timedelta(days=30)
    assert "safety-correction:written:1" not in running(HAZMAT)


@pytest.mark.parametrize(("grade", "row", "hours"), [
    (None, "safety-follow-up", 24), ("general", "safety-follow-up", 24), ("serious", "safety-follow-up", 24),
    ("major", "safety-follow-up-major", 12), ("extraordinary", "safety-follow-up-major", 12),
])
def test_the_rhythm_of_follow_ups_is_by_grade(grade: str | None, row: str, hours: int) -> None:
    clocks = [r for r in owed(msgspec.structs.replace(HAZMAT, grade=grade), LIMITS, zone=ZONE) if r.limit.duty is Duty.FOLLOW_UP]
    assert [(r.limit.id, r.due_at - RECEIVED) for r in clocks] == [(row, timedelta(hours=hours))]


def test_a_grade_that_became_known_later_starts_its_clock_then() -> None:
    later = msgspec.structs.replace(HAZMAT, grade="major", graded_at=RECEIVED + timedelta(hours=5))
    assert running(later)["safety-follow-up-major:written:1"].due_at == RECEIVED + timedelta(hours=17)


def test_rows_that_no_longer_apply_after_a_new_grade_are_named() -> None:
    major = msgspec.structs.replace(HAZMAT, grade="major")
    assert no_longer({"safety-follow-up", "desk-ack"}, major, LIMITS) == {"safety-follow-up"}


def test_public_health_goes_through_the_government_in_two_hours_each() -> None:
    clocks = running(msgspec.structs.replace(HAZMAT, event_types=("13A00",)))
    assert {clocks[k].due_at - RECEIVED for k in ("health-department:written:1", "health-government:written:1")} == {timedelta(hours=2)}
    assert not [k for k in clocks if k.startswith("safety")]


def test_the_daily_zero_report_of_a_disaster_is_due_at_nine_local_time() -> None:
    flood = msgspec.structs.replace(HAZMAT, event_types=("11A01",))
    assert running(flood)["disaster-zero:written:1"].due_at == datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
    limit = next(x for x in LIMITS if x.id == "disaster-zero")
    again = next_turn(limit, after=datetime(2026, 11, 24, 1, 0, tzinfo=UTC), turn=2, zone=ZONE)
    assert (again.due_at, again.key) == (datetime(2026, 11, 25, 1, 0, tzinfo=UTC), "disaster-zero:written:2")


def test_verification_counts_from_stability_and_not_before() -> None:
    flood = msgspec.structs.replace(HAZMAT, event_types=("11A01",))
    assert "disaster-verification:written:1" not in running(flood)
    stable = msgspec.structs.replace(flood, stable_at=RECEIVED + timedelta(days=2))
    assert running(stable)["disaster-verification:written:1"].due_at == RECEIVED + timedelta(days=7)


def limit(id: str, **other: object) -> Limit:
    row = {"id": id, "duty": Duty.FIRST, "from_role": "a", "to_role": "b", "clock": StartsFrom.RECEIVED, "zh": "", "en": "", "source": "s",
           "edition": "e", "valid_from": date(2020, 1, 1), "written_min": 60}
    return Limit(**{**row, **other})  # type: ignore[arg-type]


def test_a_row_is_in_force_between_its_dates_only() -> None:
    old = limit("old", valid_to=date(2026, 11, 22))
    coming = limit("coming", valid_from=date(2026, 11, 24))
    assert in_force([old, coming], HAZMAT) == []
    assert [x.id for x in in_force([old, coming, limit("now")], HAZMAT)] == ["now"]


def test_the_most_special_row_wins_then_the_newest() -> None:
    rows = [limit("all"), limit("accidents", categories=("12",)), limit("hazmat", categories=("12D",)),
            limit("hazmat-new", categories=("12D",), valid_from=date(2025, 1, 1)), limit("off", categories=("12D00",), enabled=False)]
    assert [x.id for x in in_force(rows, HAZMAT)] == ["hazmat-new"]


def test_every_shipped_row_names_its_source_and_edition() -> None:
    assert faults(LIMITS) == []
    assert {x.status for x in LIMITS} <= {"confirmed", "to_confirm"}


def test_faulty_rows_are_named() -> None:
    found = faults([limit("a"), limit("a"), limit("b", written_min=None), limit("c", source=" "), limit("d", at="25:00")])
    assert [(f.field, f.en) for f in found] == [
        ("limits.1.id", "a: twice"), ("limits.2", "b: names no time"), ("limits.3.source", "c: without source or edition"),
        ("limits.4.at", "d: a time of day must read HH:MM")]
    assert all(f.zh != f.en for f in found)

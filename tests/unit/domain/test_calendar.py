"""Working days, holidays, missing years, sensitive periods and the due times of a day, over ten years of days."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from types import MappingProxyType

import pytest

from hub.domain.calendar import (
    Calendar,
    DayBasis,
    DayKind,
    DeadlineRule,
    DutyDays,
    Override,
    SensitivePeriod,
    at_local,
    day_of,
    falls_on,
    local_day,
    needs_table,
    windows,
    working_days_after,
    year_is_known,
)
from hub.errors import Rejected

PLAIN = Calendar()


def days(text: str) -> set[date]:
    """Days from `2024-02-10..2024-02-17 2024-04-04`."""
    found = set()
    for part in text.split():
        first, _, last = part.partition("..")
        day = date.fromisoformat(first)
        while day <= date.fromisoformat(last or first):
            found.add(day)
            day += timedelta(days=1)
    return found


# Written down from the State Council's yearly notices 国办发明电〔2023〕7号, 〔2024〕12号 and 〔2025〕7号, independently of the library.
OFF = days("2024-01-01 2024-02-10..2024-02-17 2024-04-04..2024-04-06 2024-05-01..2024-05-05 2024-06-10 2024-09-15..2024-09-17 "
           "2024-10-01..2024-10-07 2025-01-01 2025-01-28..2025-02-04 2025-04-04..2025-04-06 2025-05-01..2025-05-05 2025-05-31..2025-06-02 "
           "2025-10-01..2025-10-08")
WORKED = days("2024-02-04 2024-02-18 2024-04-07 2024-04-28 2024-05-11 2024-09-14 2024-09-29 2024-10-12 2025-01-26 2025-02-08 2025-04-27 "
              "2025-09-28 2025-10-11")


def test_every_day_of_two_years_agrees_with_the_announcements() -> None:
    day = date(2024, 1, 1)
    while day.year < 2026:
        expected = day in WORKED or (day.weekday() < 5 and day not in OFF)
        assert day_of(PLAIN, day).is_working is expected, day
        day += timedelta(days=1)


@pytest.mark.parametrize(("day", "kind"), [
    ("2025-01-26", DayKind.MAKEUP), ("2025-01-28", DayKind.HOLIDAY), ("2025-10-12", DayKind.WEEKEND), ("2025-10-13", DayKind.WORKDAY),
])
def test_a_day_says_what_it_is(day: str, kind: DayKind) -> None:
    assert day_of(PLAIN, date.fromisoformat(day)).kind is kind


def test_for_a_year_without_a_table_weekdays_count_as_working_days_and_the_day_says_so() -> None:
    assert not year_is_known(PLAIN, 2035)
    monday, saturday = day_of(PLAIN, date(2035, 10, 1)), day_of(PLAIN, date(2035, 10, 6))
    assert (monday.is_working, monday.basis) == (True, DayBasis.WEEKDAY)
    assert (saturday.is_working, saturday.basis) == (False, DayBasis.WEEKDAY)


def test_the_district_s_own_table_wins_over_the_announcement() -> None:
    own = Calendar(overrides=MappingProxyType({date(2025, 10, 13): Override(day=date(2025, 10, 13), kind=DayKind.HOLIDAY, zh="区运动会")}))
    assert day_of(own, date(2025, 10, 13)).kind is DayKind.HOLIDAY
    assert day_of(own, date(2025, 10, 13)).basis is DayBasis.OVERRIDE


def last_known() -> int:
    return max(y for y in range(2020, 2060) if year_is_known(PLAIN, y))


def test_the_banner_asks_for_next_year_s_table_from_the_first_of_december_local_time() -> None:
    year = last_known()
    assert needs_table(PLAIN, datetime(year, 11, 30, 15, 59, 59, tzinfo=UTC)) is None
    assert needs_table(PLAIN, datetime(year, 11, 30, 16, 0, tzinfo=UTC)) == year + 1
    assert needs_table(PLAIN, datetime(year + 1, 3, 1, tzinfo=UTC)) == year + 1
    assert needs_table(PLAIN, datetime(year - 1, 12, 31, tzinfo=UTC)) is None


def test_a_whole_table_of_the_district_s_own_ends_the_banner() -> None:
    year = last_known()
    own = Calendar(complete_years=frozenset({year + 1}))
    assert needs_table(own, datetime(year, 12, 31, tzinfo=UTC)) is None
    assert day_of(own, date(year + 1, 7, 1)).basis is DayBasis.OVERRIDE


def test_ten_years_of_days_each_have_their_deadline_once_in_order_and_none_is_missing() -> None:
    rule = DeadlineRule(times=("17:00",), open_before_min=480)
    day, seen = date(2020, 1, 1), []
    while day < date(2036, 1, 1):
        seen += [w.due_at for w in windows(PLAIN, rule, day)]
        day += timedelta(days=1)
    assert len(seen) == (date(2036, 1, 1) - date(2020, 1, 1)).days
    assert {b - a for a, b in pairwise(seen)} == {timedelta(hours=24)}
    assert sum(d.month == 2 and d.day == 29 for d in seen) == 4
    assert all((d.hour, d.minute) == (9, 0) for d in seen)


def test_ten_years_split_into_working_and_rest_days_without_gap_or_overlap() -> None:
    work, rest = DeadlineRule(times=("17:00",), days=DutyDays.WORKING), DeadlineRule(times=("10:00",), days=DutyDays.REST)
    day, both = date(2024, 1, 1), 0
    while day < date(2034, 1, 1):
        assert falls_on(PLAIN, work, day) != falls_on(PLAIN, rest, day)
        both += falls_on(PLAIN, work, day)
        day += timedelta(days=1)
    assert 2_480 <= both <= 2_620


def test_in_a_sensitive_period_a_duty_falls_on_every_day_at_the_stricter_hours() -> None:
    period = SensitivePeriod(id="p", first=date(2025, 10, 1), last=date(2025, 10, 8), zh="国庆", en="National Day", times=("09:00", "17:00"),
                             grace_min=10)
    calendar = Calendar(periods=(period,))
    rule = DeadlineRule(times=("17:00",), days=DutyDays.WORKING, grace_min=30)
    inside, before = windows(calendar, rule, date(2025, 10, 4)), windows(calendar, rule, date(2025, 9, 30))
    assert [(w.slot, w.due_at.hour, w.grace_min) for w in inside] == [(1, 1, 10), (2, 9, 10)]
    assert [(w.slot, w.grace_min) for w in before] == [(1, 30)]
    assert windows(calendar, rule, date(2025, 10, 12)) == ()


def test_a_rule_s_own_sensitive_hours_come_before_the_period_s() -> None:
    period = SensitivePeriod(id="p", first=date(2025, 10, 1), last=date(2025, 10, 8), zh="", en="", times=("09:00",))
    rule = DeadlineRule(times=("17:00",), sensitive_times=("06:00", "12:00", "18:00"))
    assert len(windows(Calendar(periods=(period,)), rule, date(2025, 10, 1))) == 3


def test_of_several_reports_a_day_none_opens_before_the_one_before_it_is_due() -> None:
    rule = DeadlineRule(times=("21:00", "09:00", "15:00"), open_before_min=1020)
    first, second, third = windows(PLAIN, rule, date(2026, 11, 30))
    assert (second.opens_at, third.opens_at) == (first.due_at, second.due_at), "at 11:00 nobody knows what happens until 21:00"
    assert first.opens_at == first.due_at - timedelta(minutes=1020)
    (evening,) = windows(PLAIN, DeadlineRule(times=("21:00",), open_before_min=60), date(2026, 11, 30))
    assert evening.due_at - evening.opens_at == timedelta(hours=1)


def test_midnight_and_the_next_day_are_deadlines_too() -> None:
    rule = DeadlineRule(times=("24:00",), open_before_min=60)
    (window,) = windows(PLAIN, rule, date(2024, 2, 29))
    assert window.due_at == datetime(2024, 2, 29, 16, 0, tzinfo=UTC)
    (next_day,) = windows(PLAIN, DeadlineRule(times=("09:00",), day_offset=1), date(2024, 2, 29))
    assert local_day(PLAIN, next_day.due_at) == date(2024, 3, 1)


def test_other_zones_with_daylight_saving_give_one_deadline_a_day() -> None:
    berlin = Calendar(zone="Europe/Berlin")
    rule = DeadlineRule(times=("02:30",))
    seen, day = [], date(2026, 3, 27)
    while day <= date(2026, 10, 27):
        seen += [w.due_at for w in windows(berlin, rule, day)]
        day += timedelta(days=1)
    assert len(seen) == 215 and len(set(seen)) == 215 and seen == sorted(seen)
    assert at_local(berlin, date(2026, 3, 29), "02:30") == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert at_local(berlin, date(2026, 10, 25), "02:30") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_time_that_is_no_time_is_refused() -> None:
    with pytest.raises(Rejected) as refusal:
        at_local(PLAIN, date(2026, 1, 1), "25:99")
    assert refusal.value.code == "bad_time"


def test_working_days_are_counted_over_a_holiday() -> None:
    assert working_days_after(PLAIN, date(2025, 9, 30), 1) == date(2025, 10, 9)
    assert working_days_after(PLAIN, date(2025, 9, 30), 3) == date(2025, 10, 11)
    assert working_days_after(PLAIN, date(2025, 9, 30), 0) == date(2025, 9, 30)

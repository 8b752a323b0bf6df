"""The calendar of duties: working days with 调休, holidays, sensitive periods, and the due times of a day. Pure.

What the holiday library knows ends with the year that the State Council has announced; for a missing year weekdays count as working
days, and `needs_table` says from 1 December on that next year's table is owed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

import chinese_calendar
from msgspec import Struct

from hub.errors import Fault, Rejected

ASK_FROM_MONTH: Final = 12
"""The month from whose first day on next year's table is asked for (the State Council announces it in November)."""


_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class DayKind(StrEnum):
    """What a day is: `makeup` is a weekend day that is worked (调休)."""

    WORKDAY = "workday"
    MAKEUP = "makeup"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"


class DayBasis(StrEnum):
    """Where the answer comes from: the district's own table, the State Council's announcement, or the weekday alone."""

    OVERRIDE = "override"
    TABLE = "table"
    WEEKDAY = "weekday"


class Override(Struct, frozen=True, kw_only=True):
    """One day of the district's own table; it wins over everything."""

    day: date
    kind: DayKind
    zh: str = ""
    en: str = ""
    source: str = ""


class SensitivePeriod(Struct, frozen=True, kw_only=True):
    """A period with stricter hours, first to last day inclusive: duties fall on every day, at `times` where it names any."""

    id: str
    first: date
    last: date
    zh: str
    en: str
    times: tuple[str, ...] = ()
    grace_min: float | None = None
    source: str = ""


class Calendar(Struct, frozen=True, kw_only=True):
    """The district's calendar. `complete_years` are the years for which the district's own table is whole."""

    zone: str = "Asia/Shanghai"
    overrides: Mapping[date, Override] = MappingProxyType({})
    periods: tuple[SensitivePeriod, ...] = ()
    complete_years: frozenset[int] = frozenset()


class Day(Struct, frozen=True, kw_only=True):
    """One day as the calendar sees it."""

    day: date
    kind: DayKind
    basis: DayBasis
    zh: str = ""
    en: str = ""
    period: str | None = None

    @property
    def is_working(self) -> bool:
        """Is it worked?"""
        return self.kind in (DayKind.WORKDAY, DayKind.MAKEUP)


class DutyDays(StrEnum):
    """On which days a duty falls; in a sensitive period it falls on every day."""

    EVERY = "every"
    WORKING = "working"
    REST = "rest"


class DeadlineRule(Struct, frozen=True, kw_only=True):
    """The deadlines of a recurring duty: local times `HH:MM` (up to `24:00`), days after the report day, opening minutes before.

    `sensitive_times` take the place of `times` in sensitive periods; where empty, the period's own times do, else `times` stays.
    """

    times: tuple[str, ...]
    days: DutyDays = DutyDays.EVERY
    sensitive_times: tuple[str, ...] = ()
    day_offset: int = 0
    open_before_min: float = 480
    grace_min: float = 0


class Window(Struct, frozen=True, kw_only=True):
    """One deadline of one report day: `slot` counts from 1 within the day; times are UTC."""

    day: date
    slot: int
    opens_at: datetime
    due_at: datetime
    grace_min: float


@lru_cache(maxsize=4096)
def _announced(day: date) -> tuple[DayKind, str] | None:
    """What the State Council's announcement says of a day, or None for a year that the library does not hold."""
    try:
        holiday, name = chinese_calendar.get_holiday_detail(day)
    except NotImplementedError:
        return None
    weekend = day.weekday() >= 5
    if holiday:
        return (DayKind.HOLIDAY, str(name)) if name else (DayKind.WEEKEND, "")
    return (DayKind.MAKEUP, str(name or "")) if weekend else (DayKind.WORKDAY, "")


def day_of(calendar: Calendar, day: date) -> Day:
    """Say what a day is, and on what basis: the district's table, the announcement, or (for a missing year) the weekday."""
    period = period_of(calendar, day)
    period_id = period.id if period else None
    if own := calendar.overrides.get(day):
        return Day(day=day, kind=own.kind, basis=DayBasis.OVERRIDE, zh=own.zh, en=own.en, period=period_id)
    if known := _announced(day):
        return Day(day=day, kind=known[0], basis=DayBasis.TABLE, en=known[1], period=period_id)
    kind = DayKind.WEEKEND if day.weekday() >= 5 else DayKind.WORKDAY
    basis = DayBasis.OVERRIDE if day.year in calendar.complete_years else DayBasis.WEEKDAY
    return Day(day=day, kind=kind, basis=basis, period=period_id)


def period_of(calendar: Calendar, day: date) -> SensitivePeriod | None:
    """The sensitive period that a day lies in; the one with most deadlines where several overlap."""
    inside = [p for p in calendar.periods if p.first <= day <= p.last]
    return max(inside, key=lambda p: len(p.times), default=None)


def year_is_known(calendar: Calendar, year: int) -> bool:
    """Is there a table for the year: in the library, or whole in the district's own?"""
    return year in calendar.complete_years or _announced(date(year, 7, 1)) is not None


def needs_table(calendar: Calendar, now: datetime) -> int | None:
    """The year whose table the banner asks for: this one where it is missing, from 1 December on the next one; None where all is known."""
    today = local_day(calendar, now)
    if not year_is_known(calendar, today.year):
        return today.year
    if today.month >= ASK_FROM_MONTH and not year_is_known(calendar, today.year + 1):
        return today.year + 1
    return None


def local_day(calendar: Calendar, at: datetime) -> date:
    """The day that it is in the district at `at`."""
    return at.astimezone(ZoneInfo(calendar.zone)).date()


def bounds(span: str, day: date) -> tuple[date, date]:
    """The first day of the `day`, `month` or `quarter` that `day` lies in, and the day after its last."""
    if span == "day":
        return day, day + timedelta(days=1)
    months = 3 if span == "quarter" else 1
    first = day.replace(month=(day.month - 1) // months * months + 1, day=1)
    return first, (first + timedelta(days=31 * months)).replace(day=1)


def is_clock(text: str) -> bool:
    """Is this a local time `HH:MM`, `24:00` at most?"""
    return text == "24:00" or _CLOCK.fullmatch(text) is not None


def faults(calendar: Calendar) -> list[Fault]:
    """What is wrong with the calendar as data; empty where nothing is."""
    found = []
    try:
        ZoneInfo(calendar.zone)
    except (KeyError, ValueError, OSError):  # no such zone; no name of one
        found.append(Fault("zone", f"没有此时区：{calendar.zone}", f"there is no such time zone: {calendar.zone}"))
    for n, period in enumerate(calendar.periods):
        if period.last < period.first:
            found.append(Fault(f"periods.{n}.last", f"“{period.zh}”结束早于开始", f"{period.en}: it ends before it begins"))
        if wrong := [clock for clock in period.times if not is_clock(clock)]:
            found.append(Fault(f"periods.{n}.times", f"“{period.zh}”时刻应为 HH:MM：{wrong[0]}", f"{period.en}: a time of day must read HH:MM: {wrong[0]}"))
    return found


def at_local(calendar: Calendar, day: date, clock: str) -> datetime:
    """A local time of a day as UTC; `24:00` is the following midnight.

    In zones with daylight saving a time that occurs twice means the first, one that does not occur moves forward by the gap.
    Raises Rejected `bad_time` for a text that is no time.
    """
    if clock == "24:00":
        day, clock = day + timedelta(days=1), "00:00"
    try:
        local = datetime.combine(day, time.fromisoformat(clock), tzinfo=ZoneInfo(calendar.zone))
    except ValueError as error:
        raise Rejected("bad_time", f"时间格式应为 HH:MM：{clock}", f"a time must read HH:MM: {clock}", field="times") from error
    return local.astimezone(UTC)


def falls_on(calendar: Calendar, rule: DeadlineRule, day: date) -> bool:
    """Does the duty fall on this day?"""
    known = day_of(calendar, day)
    if known.period is not None or rule.days is DutyDays.EVERY:
        return True
    return known.is_working if rule.days is DutyDays.WORKING else not known.is_working


def windows(calendar: Calendar, rule: DeadlineRule, day: date) -> tuple[Window, ...]:
    """The deadlines of a report day in order of time; empty where the duty does not fall on it. None opens before the one before it is due."""
    if not falls_on(calendar, rule, day):
        return ()
    period = period_of(calendar, day)
    times, grace = _times(rule, period), rule.grace_min
    if period is not None and period.grace_min is not None:
        grace = min(grace, period.grace_min)
    found = sorted({at_local(calendar, day + timedelta(days=rule.day_offset), clock) for clock in times})
    opening = timedelta(minutes=rule.open_before_min)
    return tuple(
        Window(day=day, slot=n, opens_at=max(due_at - opening, before) if before else due_at - opening, due_at=due_at, grace_min=grace)
        for n, (before, due_at) in enumerate(zip([None, *found[:-1]], found, strict=True), 1)
    )


def _times(rule: DeadlineRule, period: SensitivePeriod | None) -> Sequence[str]:
    if period is None:
        return rule.times
    return rule.sensitive_times or period.times or rule.times


def working_days_after(calendar: Calendar, day: date, count: int) -> date:
    """The `count`-th working day after `day` (`count` ≥ 0; 0 is the day itself)."""
    while count > 0:
        day += timedelta(days=1)
        count -= day_of(calendar, day).is_working
    return day

"""Days of the lunar calendar (正月十五, 除夕) as days of ours. Pure; the years are data/lunar.csv, and no day is made of others."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from functools import lru_cache
from importlib import resources

_LENGTH = {"L": 30, "s": 29}


@lru_cache(maxsize=1)
def _years() -> dict[int, tuple[date, list[tuple[int, int]]]]:
    """Per lunar year its first day, and its months with their lengths in days; a leap month has its number negative."""
    lines = resources.files("plans.triage").joinpath("data", "lunar.csv").read_text("utf-8").splitlines()
    done = {}
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        numbers = list(range(1, 13))
        if row["leap"]:
            numbers.insert(int(row["leap"]), -int(row["leap"]))
        months = [(number, _LENGTH[length]) for number, length in zip(numbers, row["months"], strict=True)]
        done[int(row["year"])] = date.fromisoformat(row["first"]), months
    return done


def day_of(year: int, month: int, day: int) -> date | None:
    """The day of ours of a lunar day (month 1 is 正月, -6 is 闰六月); None where the month has no such day or the year is not in the table."""
    first, months = _years().get(year, (None, []))
    if first is None:
        return None
    passed = 0
    for number, length in months:
        if number == month:
            return first + timedelta(days=passed + day - 1) if 1 <= day <= length else None
        passed += length
    return None


def last_day_of(year: int) -> date | None:
    """除夕 at the end of a lunar year."""
    following = _years().get(year + 1)
    return None if following is None else following[0] - timedelta(days=1)

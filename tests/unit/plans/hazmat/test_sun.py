"""Day and night by the real sun, against published sunrise and sunset times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from plans.hazmat.model import Daylight, Point
from plans.hazmat.sun import daylight, elevation_deg, sunrise_sunset

BEIJING, LONDON, NEW_YORK = Point(116.4074, 39.9042), Point(-0.1276, 51.5074), Point(-74.006, 40.7128)
SYDNEY, QUITO, TROMSO, GANYU = Point(151.2093, -33.8688), Point(-78.4678, -0.1807), Point(18.9553, 69.6492), Point(119.12, 34.84)


@pytest.mark.parametrize(
    ("place", "day", "rise", "fall"),
    [
        # almanac times, rounded to the minute
        (BEIJING, (2024, 12, 21), (2024, 12, 20, 23, 32), (2024, 12, 21, 8, 53)),
        (LONDON, (2024, 6, 20), (2024, 6, 20, 3, 43), (2024, 6, 20, 20, 21)),
        (NEW_YORK, (2024, 6, 20), (2024, 6, 20, 9, 25), (2024, 6, 21, 0, 31)),
        (SYDNEY, (2024, 12, 21), (2024, 12, 20, 18, 41), (2024, 12, 21, 9, 5)),
    ],
)
def test_sunrise_and_sunset_agree_with_the_almanac_to_two_minutes(place: Point, day: tuple[int, int, int], rise: tuple[int, ...], fall: tuple[int, ...]) -> None:
    found = sunrise_sunset(place, datetime(*day, 12, tzinfo=UTC))
    assert found is not None
    assert abs(found[0] - datetime(*rise, tzinfo=UTC)) <= timedelta(minutes=2)  # type: ignore[misc, arg-type]
    assert abs(found[1] - datetime(*fall, tzinfo=UTC)) <= timedelta(minutes=2)  # type: ignore[misc, arg-type]


def test_it_turns_day_at_sunrise_and_night_at_sunset() -> None:
    rise, fall = sunrise_sunset(GANYU, datetime(2026, 11, 23, 12, tzinfo=UTC)) or (None, None)
    assert rise is not None and fall is not None
    minute = timedelta(minutes=1)
    assert daylight(GANYU, rise - minute) is Daylight.NIGHT
    assert daylight(GANYU, rise + minute) is Daylight.DAY
    assert daylight(GANYU, fall - minute) is Daylight.DAY
    assert daylight(GANYU, fall + minute) is Daylight.NIGHT


def test_the_sun_stands_overhead_on_the_equator_at_the_equinox_noon() -> None:
    noon = datetime(2024, 3, 20, 17, 21, tzinfo=UTC)
    assert elevation_deg(QUITO, noon) == pytest.approx(90, abs=0.5)


def test_beyond_the_polar_circle_there_may_be_no_sunrise() -> None:
    assert sunrise_sunset(TROMSO, datetime(2024, 12, 21, 12, tzinfo=UTC)) is None
    assert daylight(TROMSO, datetime(2024, 6, 21, 0, tzinfo=UTC)) is Daylight.DAY
    assert daylight(TROMSO, datetime(2024, 12, 21, 11, tzinfo=UTC)) is Daylight.NIGHT


def test_the_place_decides_not_the_clock_of_the_machine() -> None:
    at = datetime(2026, 6, 21, 4, tzinfo=UTC)
    assert daylight(GANYU, at) is Daylight.DAY
    assert daylight(NEW_YORK, at) is Daylight.NIGHT

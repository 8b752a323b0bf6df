"""Where the sun stands at a place and time, so that day and night are those of the place. Pure arithmetic.

The position follows the NOAA solar calculator (Meeus, Astronomical Algorithms, chapter 25, low accuracy), good to about 0.01 degrees
in this century; refraction is in the threshold of `rules.yaml` and not computed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import acos, asin, cos, degrees, radians, sin, tan

from plans.hazmat import tables
from plans.hazmat.model import Daylight, Point


def _julian_century(at: datetime) -> float:
    days = (at.astimezone(UTC) - datetime(2000, 1, 1, 12, tzinfo=UTC)) / timedelta(days=1)
    return days / 36525.0


def _position(at: datetime) -> tuple[float, float]:
    """Declination (degrees) and equation of time (minutes)."""
    t = _julian_century(at)
    mean_longitude = (280.46646 + t * (36000.76983 + t * 0.0003032)) % 360
    anomaly = radians(357.52911 + t * (35999.05029 - 0.0001537 * t))
    eccentricity = 0.016708634 - t * (0.000042037 + 0.0000001267 * t)
    centre = (
        sin(anomaly) * (1.914602 - t * (0.004817 + 0.000014 * t))
        + sin(2 * anomaly) * (0.019993 - 0.000101 * t)
        + sin(3 * anomaly) * 0.000289
    )
    node = radians(125.04 - 1934.136 * t)
    longitude = radians(mean_longitude + centre - 0.00569 - 0.00478 * sin(node))
    obliquity = radians(23 + (26 + (21.448 - t * (46.815 + t * (0.00059 - t * 0.001813))) / 60) / 60 + 0.00256 * cos(node))
    declination = degrees(asin(sin(obliquity) * sin(longitude)))
    y = tan(obliquity / 2) ** 2
    l0 = radians(mean_longitude)
    equation = y * sin(2 * l0) - 2 * eccentricity * sin(anomaly) + 4 * eccentricity * y * sin(anomaly) * cos(2 * l0)
    equation -= 0.5 * y * y * sin(4 * l0) + 1.25 * eccentricity * eccentricity * sin(2 * anomaly)
    return declination, 4 * degrees(equation)


def elevation_deg(point: Point, at: datetime) -> float:
    """The geometric height of the sun's centre above the horizon, degrees."""
    declination, equation_min = _position(at)
    moment = at.astimezone(UTC)
    minutes = moment.hour * 60 + moment.minute + moment.second / 60
    hour_angle = radians((minutes + equation_min + 4 * point.lon) / 4 - 180)
    lat, dec = radians(point.lat), radians(declination)
    height = sin(lat) * sin(dec) + cos(lat) * cos(dec) * cos(hour_angle)
    return degrees(asin(max(-1.0, min(1.0, height))))


def daylight(point: Point, at: datetime) -> Daylight:
    """Day from sunrise to sunset at the place (threshold and source in `rules.yaml`, sun)."""
    threshold = float(tables.rules()["sun"]["day_above_deg"])
    return Daylight.DAY if elevation_deg(point, at) > threshold else Daylight.NIGHT


def sunrise_sunset(point: Point, day: datetime) -> tuple[datetime, datetime] | None:
    """Sunrise and sunset (aware UTC) of the solar day around local noon of `day`; None where the sun does not rise or set."""
    threshold = radians(float(tables.rules()["sun"]["day_above_deg"]))
    midnight = day.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    noon = midnight + timedelta(minutes=720 - 4 * point.lon)
    times = []
    for side in (-1, 1):
        moment = noon
        for _ in range(3):
            declination, equation_min = _position(moment)
            lat, dec = radians(point.lat), radians(declination)
            ratio = (sin(threshold) - sin(lat) * sin(dec)) / (cos(lat) * cos(dec))
            if not -1 <= ratio <= 1:
                return None
            moment = noon + timedelta(minutes=-equation_min + side * 4 * degrees(acos(ratio)))
        times.append(moment)
    return times[0], times[1]

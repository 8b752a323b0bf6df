"""From GCJ-02 and BD-09 to WGS-84, and the cells of the grid by which what is near is found. Pure.

The transform is the published reverse-engineered polynomial on the Krasovsky 1940 ellipsoid (a = 6 378 245 m,
e² = 0.00669342162296594323); it is undone by iteration, to below a centimetre. Outside China GCJ-02 equals WGS-84.
"""

from __future__ import annotations

from math import atan2, cos, floor, pi, sin, sqrt

from hub.wire import Crs

_A = 6378245.0
_EE = 0.00669342162296594323
_X_PI = pi * 3000.0 / 180.0


def to_wgs84(lon: float, lat: float, crs: Crs) -> tuple[float, float]:
    """A point in degrees of the given system as WGS-84 degrees, rounded to 1e-7 (about 1 cm). CGCS2000 is equal within 10 cm."""
    if crs is Crs.BD09:
        lon, lat = _bd09_to_gcj02(lon, lat)
    if crs in (Crs.BD09, Crs.GCJ02):
        lon, lat = _gcj02_to_wgs84(lon, lat)
    return round(min(180.0, max(-180.0, lon)), 7), round(min(90.0, max(-90.0, lat)), 7)  # BD-09 shifts the edges of the world, too


def from_wgs84(lon: float, lat: float, crs: Crs) -> tuple[float, float]:
    """A WGS-84 point in the given system, for maps that need it."""
    if crs in (Crs.BD09, Crs.GCJ02):
        d_lon, d_lat = _shift(lon, lat)
        lon, lat = lon + d_lon, lat + d_lat
    if crs is Crs.BD09:
        z = sqrt(lon * lon + lat * lat) + 0.00002 * sin(lat * _X_PI)
        theta = atan2(lat, lon) + 0.000003 * cos(lon * _X_PI)
        lon, lat = z * cos(theta) + 0.0065, z * sin(theta) + 0.006
    return lon, lat


def _gcj02_to_wgs84(lon: float, lat: float) -> tuple[float, float]:
    guess_lon, guess_lat = lon, lat
    for _ in range(10):
        d_lon, d_lat = _shift(guess_lon, guess_lat)
        next_lon, next_lat = lon - d_lon, lat - d_lat
        if abs(next_lon - guess_lon) + abs(next_lat - guess_lat) < 1e-10:
            break
        guess_lon, guess_lat = next_lon, next_lat
    return guess_lon, guess_lat


def _bd09_to_gcj02(lon: float, lat: float) -> tuple[float, float]:
    x, y = lon - 0.0065, lat - 0.006
    z = sqrt(x * x + y * y) - 0.00002 * sin(y * _X_PI)
    theta = atan2(y, x) - 0.000003 * cos(x * _X_PI)
    return z * cos(theta), z * sin(theta)


def in_china(lon: float, lat: float) -> bool:
    """Is a point in the box outside which GCJ-02 shifts nothing? It holds all of China, and more."""
    return 72.004 <= lon <= 137.8347 and 0.8293 <= lat <= 55.8271


def _shift(lon: float, lat: float) -> tuple[float, float]:
    """How far GCJ-02 lies from WGS-84 at a WGS-84 point, in degrees; nothing outside China's bounding box."""
    if not in_china(lon, lat):
        return 0.0, 0.0
    x, y = lon - 105.0, lat - 35.0
    wave = (20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)) * 2.0 / 3.0
    d_lat = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x)) + wave
    d_lat += (20.0 * sin(y * pi) + 40.0 * sin(y / 3.0 * pi)) * 2.0 / 3.0
    d_lat += (160.0 * sin(y / 12.0 * pi) + 320.0 * sin(y * pi / 30.0)) * 2.0 / 3.0
    d_lon = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x)) + wave
    d_lon += (20.0 * sin(x * pi) + 40.0 * sin(x / 3.0 * pi)) * 2.0 / 3.0
    d_lon += (150.0 * sin(x / 12.0 * pi) + 300.0 * sin(x / 30.0 * pi)) * 2.0 / 3.0
    radians = lat / 180.0 * pi
    magic = 1 - _EE * sin(radians) ** 2
    d_lat = d_lat * 180.0 / (_A * (1 - _EE) / (magic * sqrt(magic)) * pi)
    d_lon = d_lon * 180.0 / (_A / sqrt(magic) * cos(radians) * pi)
    return d_lon, d_lat


CELLS_PER_DEGREE = 20
"""A cell is a twentieth of a degree wide and high, 4 to 5.6 km in China: twice the distance within which duplicates are looked for, so that those lie
in four cells at most (our own choice). The stored cells of incidents hang on it."""
_ROW = 10_000


def cell_of(lon: float | None, lat: float | None) -> int | None:
    """The number of the cell that a WGS-84 point (degrees) lies in; None for a place without a point."""
    return None if lon is None or lat is None else _column(lon) * _ROW + _line(lat)


def cells_within(lon: float, lat: float, degrees: float) -> list[int]:
    """The cells of all points that are at most `degrees` away in longitude and in latitude."""
    columns = range(_column(lon - degrees), _column(lon + degrees) + 1)
    rows = range(_line(lat - degrees), _line(lat + degrees) + 1)
    return [column * _ROW + row for column in columns for row in rows]


def _column(lon: float) -> int:
    return floor((lon + 180) * CELLS_PER_DEGREE)


def _line(lat: float) -> int:
    return floor((lat + 90) * CELLS_PER_DEGREE)

"""Zones on the ground against geodesic truth, and what the wind does to them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from pyproj import Geod
from shapely.geometry import Polygon as ShapelyPolygon

from plans.hazmat.distances import distances
from plans.hazmat.geometry import area_m2, bearing_distance, circle, contains, destination, diff, protective, square, wedge, zones
from plans.hazmat.model import (
    Container,
    Daylight,
    HazmatFacts,
    Point,
    Precision,
    Receptor,
    ReceptorKind,
    Shape,
    Sourced,
    Wind,
    Zone,
    ZoneKind,
)
from plans.hazmat.wind import measured, parse

GEOD = Geod(ellps="WGS84")
HERE = Point(119.112, 34.865)
AT = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


def _m(value: float) -> Sourced:
    return Sourced(value=value, unit="m", table="Table 1", edition="ERG 2024", row="test", conversion="as printed")


def _blowing(from_deg: float, uncertainty: float = 15, age_min: float = 0) -> Wind:
    return measured(from_deg, 4, AT - timedelta(minutes=age_min), origin="telemetry", uncertainty_deg=uncertainty)


def _at(bearing: float, distance: float) -> Point:
    lon, lat, _ = GEOD.fwd(HERE.lon, HERE.lat, bearing, distance)
    return Point(lon, lat)


@pytest.mark.parametrize("radius", [30, 100, 800, 1600, 11000])
def test_a_circle_has_the_area_and_rim_of_the_true_one(radius: float) -> None:
    zone = circle(HERE, _m(radius), ZoneKind.ISOLATION)
    lons, lats = zip(*zone.polygon.coordinates[0], strict=True)
    truth = math.pi * radius**2
    assert abs(GEOD.polygon_area_perimeter(lons, lats)[0]) == pytest.approx(truth, rel=0.005)
    assert zone.area_m2 == pytest.approx(truth, rel=0.005)
    for lon, lat in zone.polygon.coordinates[0]:
        assert GEOD.inv(HERE.lon, HERE.lat, lon, lat)[2] == pytest.approx(radius, rel=0.005)


@pytest.mark.parametrize("radius", [100, 800, 5600, 11000])
@pytest.mark.parametrize("half", [30, 45, 52.5, 90, 140])
def test_a_wedge_has_the_area_and_edges_of_the_true_one(radius: float, half: float) -> None:
    zone = wedge(HERE, _m(radius), 135, half)
    assert zone.area_m2 == pytest.approx(math.pi * radius**2 * half / 180, rel=0.005)
    assert zone.area_m2 == pytest.approx(area_m2(zone.polygon))
    bearings = []
    for lon, lat in zone.polygon.coordinates[0][1:-1]:
        forward, _, distance = GEOD.inv(HERE.lon, HERE.lat, lon, lat)
        assert distance == pytest.approx(radius, rel=0.005)
        bearings.append((forward - 315 + 180) % 360 - 180)
    assert min(bearings) == pytest.approx(-half, abs=0.1)
    assert max(bearings) == pytest.approx(half, abs=0.1)


def test_the_square_of_the_book_is_as_wide_as_long_and_starts_at_the_release() -> None:
    zone = square(HERE, _m(2000), 180)
    assert zone.area_m2 == pytest.approx(2000**2, rel=0.005)
    assert contains(zone, _at(0, 1990)) and contains(zone, _at(90, 990)) and contains(zone, _at(270, 990))
    assert not contains(zone, _at(180, 30)) and not contains(zone, _at(0, 2030))


def test_a_south_easterly_wind_puts_the_wedge_to_the_north_west() -> None:
    for wind in (parse("东南风3级", AT), parse("SE", AT), parse("135°", AT), _blowing(135)):
        zone = protective(HERE, _m(1000), wind, AT)
        assert zone.downwind_deg == 315
        assert contains(zone, _at(315, 990))
        assert not contains(zone, _at(135, 50))
        assert zone.edges[1].lon < HERE.lon and zone.edges[1].lat > HERE.lat


def test_wind_from_0_and_from_360_degrees_draw_the_same_wedge() -> None:
    assert protective(HERE, _m(1000), _blowing(0), AT).polygon == protective(HERE, _m(1000), _blowing(360), AT).polygon


@pytest.mark.parametrize("from_deg", [0, 10, 90, 179.5, 180, 270, 350, 359.9])
def test_a_wedge_that_crosses_north_is_one_valid_area(from_deg: float) -> None:
    zone = protective(HERE, _m(1000), _blowing(from_deg), AT)
    shape = ShapelyPolygon(zone.polygon.coordinates[0])
    assert shape.is_valid
    assert zone.area_m2 == pytest.approx(math.pi * 1e6 * 90 / 360, rel=0.005)
    assert contains(zone, _at((from_deg + 180) % 360, 900))


def test_the_uncertainty_of_the_wind_opens_the_wedge_to_both_sides() -> None:
    narrow, wide = protective(HERE, _m(1000), _blowing(180, 0), AT), protective(HERE, _m(1000), _blowing(180, 25), AT)
    assert (narrow.half_angle_deg, wide.half_angle_deg) == (30, 55)
    for bearing in (50, 310):
        assert contains(wide, _at(bearing, 900))
        assert not contains(narrow, _at(bearing, 900))


def test_an_uncertainty_so_large_that_it_says_nothing_gives_a_circle() -> None:
    assert protective(HERE, _m(1000), _blowing(180, 130), AT).shape is Shape.CIRCLE


def test_no_wind_calm_turning_and_expired_wind_give_a_circle() -> None:
    for wind in (None, parse("静风", AT), parse("风向不定", AT), _blowing(90, age_min=200), parse("东南风1级", AT)):
        zone = protective(HERE, _m(1000), wind, AT)
        assert zone.shape is Shape.CIRCLE
        assert zone.notes
        assert zone.area_m2 == pytest.approx(math.pi * 1e6, rel=0.005)


def test_a_stale_wind_is_said_on_the_zone_and_widens_it() -> None:
    fresh, stale = protective(HERE, _m(1000), _blowing(90), AT), protective(HERE, _m(1000), _blowing(90, age_min=45), AT)
    assert fresh.half_angle_deg == 45 and not fresh.notes
    assert stale.half_angle_deg == 75 and "45 minutes" in stale.notes[0].en


def test_edges_name_where_the_zone_ends() -> None:
    zone = wedge(HERE, _m(800), 135, 52.5)
    assert [round(edge.bearing_deg, 1) for edge in zone.edges] == [262.5, 315.0, 7.5]
    for edge in zone.edges:
        bearing, distance = bearing_distance(HERE, Point(edge.lon, edge.lat))
        assert distance == pytest.approx(800, abs=0.1)
        assert bearing == pytest.approx(edge.bearing_deg, abs=0.01)


def test_a_polygon_is_closed_geojson() -> None:
    ring = circle(HERE, _m(100), ZoneKind.FIRE).polygon.coordinates[0]
    assert ring[0] == ring[-1]
    assert len(ring) > 100


def test_the_zones_of_a_load_are_isolation_fire_and_wedge() -> None:
    facts = HazmatFacts(un="1017", leak=True, fire=True, container=Container.ROAD_TANKER)
    drawn = zones(HERE, distances(facts, daylight=Daylight.DAY), _blowing(90), AT)
    assert [(zone.kind, zone.shape, zone.radius.value) for zone in drawn] == [
        (ZoneKind.ISOLATION, Shape.CIRCLE, 600), (ZoneKind.FIRE, Shape.CIRCLE, 800), (ZoneKind.PROTECTIVE, Shape.WEDGE, 5600),
    ]  # fmt: skip


def test_a_distance_that_holds_to_all_sides_is_drawn_as_a_circle_whatever_the_wind() -> None:
    drawn = zones(HERE, distances(HazmatFacts(un="0333", leak=True), daylight=Daylight.DAY), _blowing(90), AT)
    assert drawn[-1].kind is ZoneKind.PROTECTIVE and drawn[-1].shape is Shape.CIRCLE


def _receptor(name: str, bearing: float, distance: float | None) -> Receptor:
    return Receptor(
        id=name, kind=ReceptorKind.VILLAGE, name_zh=name, name_en=name, town_code="", point=None if distance is None else _at(bearing, distance),
        population=10, demo=True, precision=Precision.DEMO, source="test",
    )  # fmt: skip


def test_a_turning_wind_says_who_came_in_and_who_went_out() -> None:
    people = [_receptor("north-west", 315, 700), _receptor("north-east", 45, 700), _receptor("near", 0, 50), _receptor("far", 180, 5000), _receptor("nowhere", 0, None)]
    distance = _m(1000)

    def drawn(from_deg: float) -> list[Zone]:
        return [circle(HERE, _m(100), ZoneKind.ISOLATION), protective(HERE, distance, _blowing(from_deg), AT)]

    change = diff(drawn(135), drawn(225), people)
    assert [r.id for r in change.entered] == ["north-east"]
    assert [r.id for r in change.left] == ["north-west"]
    assert [r.id for r in change.stayed] == ["near"]
    assert [r.id for r in diff((), drawn(225), people).entered] == ["north-east", "near"]


@pytest.mark.parametrize("lon", [179.999, -179.999, 180.0])
@pytest.mark.parametrize("lat", [0.0, 34.9, 60.0])
def test_a_zone_over_the_date_line_holds_what_lies_in_it_and_nothing_round_the_earth(lon: float, lat: float) -> None:
    centre = Point(lon, lat)
    drawn = (circle(centre, _m(1800), ZoneKind.ISOLATION), wedge(centre, _m(1800), 135, 45))
    for bearing in range(0, 360, 10):
        near, far = (Point(*GEOD.fwd(lon, lat, bearing, distance)[:2]) for distance in (900, 1830))
        downwind = abs((bearing - 315 + 180) % 360 - 180) < 44
        assert contains(drawn[0], near) and not contains(drawn[0], far)
        assert contains(drawn[1], near) is downwind or abs(abs((bearing - 315 + 180) % 360 - 180) - 45) <= 5
        assert not contains(drawn[1], far)


def test_destination_and_bearing_distance_are_each_other_backwards() -> None:
    there = destination(HERE, 123.4, 4567)
    bearing, distance = bearing_distance(HERE, there)
    assert (bearing, distance) == (pytest.approx(123.4, abs=1e-6), pytest.approx(4567, abs=1e-3))

"""Draws the zones on the ground: circles, the wedge and the square of the book, on the WGS-84 ellipsoid in metres. No rules about substances.

Rims are laid out by geodesics from the release and areas are geodesic; pyproj and Shapely load on first use.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from math import atan2, cos, degrees, hypot, radians
from typing import Any

from plans.hazmat import tables
from plans.hazmat import wind as winds
from plans.hazmat.model import Direction, Distances, Edge, Point, Polygon, Receptor, Shape, Sourced, Wind, Words, Zone, ZoneDiff, ZoneKind

_STEP_DEG = 2.0


@cache
def _geod() -> Any:
    from pyproj import Geod

    return Geod(ellps="WGS84")


def destination(origin: Point, bearing_deg: float, distance_m: float) -> Point:
    """The point at a bearing (degrees from north) and distance (m) on the ellipsoid."""
    lon, lat, _ = _geod().fwd(origin.lon, origin.lat, bearing_deg, distance_m)
    return Point(float(lon), float(lat))


def bearing_distance(origin: Point, target: Point) -> tuple[float, float]:
    """Bearing (0 to 360 degrees) and distance (m) from `origin` to `target`."""
    forward, _, distance = _geod().inv(origin.lon, origin.lat, target.lon, target.lat)
    return float(forward) % 360, float(distance)


def area_m2(polygon: Polygon) -> float:
    """The geodesic area of the outer ring, square metres."""
    lons, lats = zip(*polygon.coordinates[0], strict=True)
    area, _ = _geod().polygon_area_perimeter(lons, lats)
    return abs(float(area))


def _beside(lon: float, other: float) -> float:
    """The same meridian as the number nearest to `other`: a ring over the date line runs on past 180 degrees and does not jump round the earth."""
    return lon + 360 * round((other - lon) / 360)


def _ring(points: Iterable[Point]) -> Polygon:
    first, *others = points
    pairs = [(round(_beside(p.lon, first.lon), 7), round(p.lat, 7)) for p in (first, *others)]
    return Polygon(coordinates=((*pairs, pairs[0]),))


def _arc(centre: Point, radius_m: float, start_deg: float, end_deg: float) -> list[Point]:
    # a chord cuts inside the arc; the rim is moved out so that the polygon has the area of the true arc
    steps = max(1, round((end_deg - start_deg) / _STEP_DEG))
    step = radians((end_deg - start_deg) / steps)
    rim = radius_m / cos(step / 2) ** (2 / 3)
    return [destination(centre, start_deg + (end_deg - start_deg) * i / steps, rim) for i in range(steps + 1)]


def circle(centre: Point, radius: Sourced, kind: ZoneKind, *, conditional: bool = False, notes: Sequence[Words] = ()) -> Zone:
    """A circle of `radius` around the release."""
    polygon = _ring(_arc(centre, radius.value, 0, 360)[:-1])
    names = ((Words("北缘", "north edge"), 0.0), (Words("东缘", "east edge"), 90.0), (Words("南缘", "south edge"), 180.0), (Words("西缘", "west edge"), 270.0))
    edges = tuple(_edge(centre, name, bearing, radius.value) for name, bearing in names)
    return Zone(
        kind=kind, shape=Shape.CIRCLE, radius=radius, polygon=polygon, area_m2=area_m2(polygon), edges=edges, centre=centre,
        downwind_deg=None, half_angle_deg=None, conditional=conditional, notes=tuple(notes),
    )  # fmt: skip


def _edge(centre: Point, name: Words, bearing: float, distance_m: float) -> Edge:
    at = destination(centre, bearing % 360, distance_m)
    return Edge(name=name, bearing_deg=bearing % 360, distance_m=distance_m, lon=round(at.lon, 7), lat=round(at.lat, 7))


def wedge(centre: Point, radius: Sourced, from_deg: float, half_angle_deg: float, *, conditional: bool = False, notes: Sequence[Words] = ()) -> Zone:
    """A sector that opens downwind of wind coming from `from_deg`, `half_angle_deg` to either side."""
    downwind = (from_deg + 180) % 360
    polygon = _ring([centre, *_arc(centre, radius.value, downwind - half_angle_deg, downwind + half_angle_deg)])
    names = (
        (Words("下风左缘", "left edge"), downwind - half_angle_deg),
        (Words("下风最远点", "farthest downwind"), downwind),
        (Words("下风右缘", "right edge"), downwind + half_angle_deg),
    )
    return Zone(
        kind=ZoneKind.PROTECTIVE, shape=Shape.WEDGE, radius=radius, polygon=polygon, area_m2=area_m2(polygon),
        edges=tuple(_edge(centre, name, bearing, radius.value) for name, bearing in names), centre=centre, downwind_deg=downwind,
        half_angle_deg=half_angle_deg, conditional=conditional, notes=tuple(notes),
    )  # fmt: skip


def square(centre: Point, radius: Sourced, from_deg: float, *, conditional: bool = False, notes: Sequence[Words] = ()) -> Zone:
    """The square of the book: as long and as wide as the downwind distance, its near side through the release."""
    downwind, half = (from_deg + 180) % 360, radius.value / 2
    left, right = destination(centre, downwind - 90, half), destination(centre, downwind + 90, half)
    far_left, far_right = _offset(centre, downwind, radius.value, -half), _offset(centre, downwind, radius.value, half)
    polygon = _ring([left, far_left, far_right, right])
    corners = ((Words("左近角", "near left"), left), (Words("左远角", "far left"), far_left), (Words("右远角", "far right"), far_right), (Words("右近角", "near right"), right))
    edges = []
    for name, corner in corners:
        bearing, distance = bearing_distance(centre, corner)
        edges.append(Edge(name=name, bearing_deg=bearing, distance_m=distance, lon=round(corner.lon, 7), lat=round(corner.lat, 7)))
    return Zone(
        kind=ZoneKind.PROTECTIVE, shape=Shape.SQUARE, radius=radius, polygon=polygon, area_m2=area_m2(polygon), edges=tuple(edges),
        centre=centre, downwind_deg=downwind, half_angle_deg=None, conditional=conditional, notes=tuple(notes),
    )  # fmt: skip


def _offset(centre: Point, bearing: float, ahead_m: float, aside_m: float) -> Point:
    """A point ahead of `centre` and then to the right (m), in the azimuthal equidistant plane of the release."""
    return destination(centre, bearing + degrees(atan2(aside_m, ahead_m)), hypot(ahead_m, aside_m))


def protective(centre: Point, radius: Sourced, wind: Wind | None, at: datetime, *, shape: Shape = Shape.WEDGE, conditional: bool = False) -> Zone:
    """The protective zone for the wind as it is known at `at`: wedge or square downwind, a circle where no direction can be trusted."""
    rule = tables.rules()["wedge"]
    use = winds.use(wind, at)
    half = float(rule["half_angle_deg"]) + use.half_extra_deg
    if use.from_deg is None or half >= float(rule["circle_from_half_angle_deg"]) or shape is Shape.CIRCLE:
        return circle(centre, radius, ZoneKind.PROTECTIVE, conditional=conditional, notes=use.notes)
    if shape is Shape.SQUARE:
        return square(centre, radius, use.from_deg, conditional=conditional, notes=use.notes)
    return wedge(centre, radius, use.from_deg, half, conditional=conditional, notes=use.notes)


def zones(centre: Point, distances: Distances, wind: Wind | None, at: datetime, *, shape: Shape = Shape.WEDGE) -> tuple[Zone, ...]:
    """Every zone of the distances: isolation, protective, fire; the innermost first."""
    conditional = distances.conditional
    drawn = [circle(centre, distances.isolation, ZoneKind.ISOLATION, conditional=conditional)]
    fire = max((d for d in (distances.fire_isolation, distances.fire_evacuation) if d), key=lambda d: d.value, default=None)
    if fire is not None:
        drawn.append(circle(centre, fire, ZoneKind.FIRE))
    if distances.protective is not None:
        if distances.direction is Direction.AROUND:
            drawn.append(circle(centre, distances.protective, ZoneKind.PROTECTIVE, conditional=conditional))
        else:
            drawn.append(protective(centre, distances.protective, wind, at, shape=shape, conditional=conditional))
    return tuple(drawn)


def contains(zone: Zone, point: Point) -> bool:
    """Whether a point lies in a zone, its rim included."""
    from shapely.geometry import Point as ShapelyPoint
    from shapely.geometry import Polygon as ShapelyPolygon

    ring = zone.polygon.coordinates[0]
    return bool(ShapelyPolygon(ring).covers(ShapelyPoint(_beside(point.lon, ring[0][0]), point.lat)))


def diff(old: Sequence[Zone], new: Sequence[Zone], receptors: Iterable[Receptor]) -> ZoneDiff:
    """What a redraw changed: which receptors came into any zone, left all of them, or stayed."""
    entered: list[Receptor] = []
    left: list[Receptor] = []
    stayed: list[Receptor] = []
    for receptor in receptors:
        if receptor.point is None:
            continue
        was, now = _inside_any(old, receptor.point), _inside_any(new, receptor.point)
        if now:
            (stayed if was else entered).append(receptor)
        elif was:
            left.append(receptor)
    return ZoneDiff(entered=tuple(entered), left=tuple(left), stayed=tuple(stayed))


def _inside_any(zones_: Sequence[Zone], point: Point) -> bool:
    return any(contains(zone, point) for zone in zones_)

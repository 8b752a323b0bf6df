"""Who and what lies in a zone: receptors inside, junctions to close, evacuation list, towns to ask, upwind approach and staging. No drawing.

Positions say how far they can be trusted: demo data is invented and marked so, town centres are approximate, villages have none until supplied.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache

from hub.errors import Rejected
from plans.hazmat import geometry, tables
from plans.hazmat import wind as winds
from plans.hazmat.model import (
    Affected,
    Direction,
    Distances,
    EvacuationItem,
    Point,
    Precision,
    Receptor,
    ReceptorKind,
    Sourced,
    Staging,
    TownToAsk,
    Wind,
    Words,
    Zone,
    ZoneKind,
)

_EVACUATED = frozenset({
    ReceptorKind.VILLAGE, ReceptorKind.SCHOOL, ReceptorKind.HOSPITAL, ReceptorKind.CARE_HOME, ReceptorKind.ENTERPRISE, ReceptorKind.MARKET,
})  # fmt: skip
_SLOW = frozenset({ReceptorKind.HOSPITAL, ReceptorKind.CARE_HOME})
_INNER = frozenset({ZoneKind.ISOLATION, ZoneKind.FIRE})
_COLUMNS = ("id", "kind", "name_zh", "name_en", "town_code", "lon", "lat", "population")
_MAX_ROWS = 20_000


@cache
def district() -> tuple[Point, ...]:
    """The outline of the district, WGS-84, in order (Tianditu; 71 points)."""
    return tuple(Point(float(row["lon"]), float(row["lat"])) for row in tables.rows("district"))


def in_district(point: Point) -> bool:
    """Whether a point lies in the district."""
    from shapely.geometry import Point as ShapelyPoint
    from shapely.geometry import Polygon as ShapelyPolygon

    return bool(ShapelyPolygon([(p.lon, p.lat) for p in district()]).covers(ShapelyPoint(point.lon, point.lat)))


@cache
def towns() -> tuple[Receptor, ...]:
    """Towns and zones with their approximate centres."""
    return tuple(
        Receptor(
            id=f"town-{row['code']}", kind=ReceptorKind.TOWN, name_zh=row["name_zh"], name_en=row["name_zh"], town_code=row["code"],
            point=Point(float(row["lon"]), float(row["lat"])) if row["lon"] else None, population=None, demo=False,
            precision=Precision.APPROXIMATE if row["lon"] else Precision.UNKNOWN, source="towns.csv, edition 2026-11",
        )
        for row in tables.rows("towns")
    )  # fmt: skip


@cache
def villages() -> tuple[Receptor, ...]:
    """The villages of the district; none has a position yet."""
    return tuple(
        Receptor(
            id=f"village-{row['code']}", kind=ReceptorKind.VILLAGE, name_zh=row["name_zh"], name_en=row["name_zh"], town_code=row["town_code"],
            point=Point(float(row["lon"]), float(row["lat"])) if row["lon"] else None,
            population=int(row["population"]) if row["population"] else None, demo=False,
            precision=Precision.SURVEYED if row["lon"] else Precision.UNKNOWN, source="villages.csv (china-division)",
        )
        for row in tables.rows("villages")
    )  # fmt: skip


@cache
def demo() -> tuple[Receptor, ...]:
    """The invented receptors for drills and tests."""
    return tuple(_receptor(row, demo=True, source="demo_receptors.csv (invented)") for row in tables.rows("demo_receptors"))


def known(*, include_demo: bool = True) -> tuple[Receptor, ...]:
    """Every receptor of the packaged data."""
    return (*towns(), *villages(), *(demo() if include_demo else ()))


def parse_csv(text: str, *, source: str) -> tuple[Receptor, ...]:
    """Read a district's own receptors (columns id, kind, name_zh, name_en, town_code, lon, lat, population; WGS-84).

    Raises Rejected(bad_receptor) naming line and column, Rejected(too_many_receptors); nothing is taken when one line is wrong.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    reader = csv.DictReader(io.StringIO("\n".join(lines)))
    missing = [c for c in _COLUMNS if c not in (reader.fieldnames or [])]
    if missing:
        raise Rejected("bad_receptor", f"缺少列：{'、'.join(missing)}。", f"Missing columns: {', '.join(missing)}.", field=missing[0])
    found: dict[str, Receptor] = {}
    for number, row in enumerate(reader, start=1):
        if number > _MAX_ROWS:
            raise Rejected("too_many_receptors", f"不超过{_MAX_ROWS}行。", f"No more than {_MAX_ROWS} lines.")
        receptor = _checked(row, number, source)
        if receptor.id in found:
            raise _bad_line(number, "id", "编号重复", "the id is there twice")
        found[receptor.id] = receptor
    return tuple(found.values())


def _bad_line(number: int, column: str, zh: str, en: str) -> Rejected:
    return Rejected("bad_receptor", f"第{number}行，{column}：{zh}。", f"Line {number}, {column}: {en}.", field=f"{number}.{column}")


def _checked(row: Mapping[str, str | None], number: int, source: str) -> Receptor:
    values = {column: (row.get(column) or "").strip() for column in _COLUMNS}
    for column in ("id", "name_zh"):
        if not values[column]:
            raise _bad_line(number, column, "不能为空", "may not be empty")
    if values["kind"] not in list(ReceptorKind):
        raise _bad_line(number, "kind", "未知类型", "unknown kind")
    for column in ("lon", "lat"):
        try:
            float(values[column])
        except ValueError:
            raise _bad_line(number, column, "不是数", "not a number") from None
    if values["population"] and not (values["population"].isascii() and values["population"].isdigit() and len(values["population"]) < 10):
        raise _bad_line(number, "population", "应为非负整数", "a whole number that is not negative")
    try:
        return _receptor(values, demo=False, source=source)
    except Rejected:
        raise _bad_line(number, "lon", "经纬度超出范围", "longitude or latitude out of range") from None


def _receptor(row: Mapping[str, str], *, demo: bool, source: str) -> Receptor:
    return Receptor(
        id=row["id"], kind=ReceptorKind(row["kind"]), name_zh=row["name_zh"], name_en=row["name_en"] or row["name_zh"], town_code=row["town_code"],
        point=Point(float(row["lon"]), float(row["lat"])), population=int(row["population"]) if row["population"] else None, demo=demo,
        precision=Precision.DEMO if demo else Precision.SURVEYED, source=source,
    )  # fmt: skip


def inside(zones: Sequence[Zone], receptors: Iterable[Receptor]) -> tuple[Affected, ...]:
    """Receptors in any zone, nearest first, with the kinds of zone they lie in. Those without a position are left out: see `to_ask`."""
    found = []
    for receptor in receptors:
        if receptor.point is None or receptor.kind is ReceptorKind.TOWN:
            continue
        kinds = tuple(dict.fromkeys(zone.kind for zone in zones if geometry.contains(zone, receptor.point)))
        if kinds:
            bearing, distance = geometry.bearing_distance(zones[0].centre, receptor.point)
            found.append(Affected(receptor=receptor, distance_m=round(distance, 1), bearing_deg=round(bearing, 1), zones=kinds))
    return tuple(sorted(found, key=lambda a: (a.distance_m, a.receptor.id)))


def junctions_to_close(affected: Iterable[Affected]) -> tuple[Affected, ...]:
    """The road junctions among the affected, nearest first."""
    return tuple(a for a in affected if a.receptor.kind is ReceptorKind.ROAD_JUNCTION)


def population(affected: Iterable[Affected]) -> tuple[int, int]:
    """The sum of the known residents of villages, and how many villages have no number. Schools and works are not added: it would count twice."""
    homes = [a.receptor for a in affected if a.receptor.kind is ReceptorKind.VILLAGE]
    return sum(r.population or 0 for r in homes), sum(1 for r in homes if r.population is None)


def evacuation_list(affected: Iterable[Affected]) -> tuple[EvacuationItem, ...]:
    """Whom to get out, in order: inside isolation and fire first, then by distance; hospitals and care homes are named as slow."""
    people = [a for a in affected if a.receptor.kind in _EVACUATED]
    people.sort(key=lambda a: (not (_INNER & set(a.zones)), a.distance_m, a.receptor.id))
    return tuple(
        EvacuationItem(
            order=order, receptor_id=a.receptor.id, name_zh=a.receptor.name_zh, name_en=a.receptor.name_en, population=a.receptor.population,
            action=_action(a), distance_m=a.distance_m, bearing_deg=a.bearing_deg, demo=a.receptor.demo,
        )
        for order, a in enumerate(people, start=1)
    )  # fmt: skip


def _action(a: Affected) -> Words:
    if _INNER & set(a.zones):
        zh, en = "立即撤离，垂直风向离开", "evacuate now, move across the wind"
    else:
        zh, en = "撤离；来不及时关窗停风、就地避险", "evacuate; shelter inside with windows and fans shut where there is no time"
    if a.receptor.kind in _SLOW:
        zh, en = zh + "；行动不便者多，先派车和医护", en + "; many cannot walk: send vehicles and medical staff first"
    return Words(zh, en)


def to_ask(zones: Sequence[Zone], *, villages_: Sequence[Receptor] | None = None) -> tuple[TownToAsk, ...]:
    """Towns whose centre lies in a zone or near it and whose villages have no position: somebody has to call them."""
    if not zones:
        return ()
    reach = float(tables.rules()["town_radius_m"])
    centre, widest = zones[0].centre, max(zone.radius.value for zone in zones)
    blind: dict[str, int] = {}
    for village in villages() if villages_ is None else villages_:
        if village.point is None:
            blind[village.town_code] = blind.get(village.town_code, 0) + 1
    found = []
    for town in towns():
        if town.point is None or town.town_code not in blind:
            continue
        _, distance = geometry.bearing_distance(centre, town.point)
        if distance <= widest + reach:
            found.append(_ask(town, distance, blind[town.town_code]))
    return tuple(sorted(found, key=lambda t: t.distance_m))


def _ask(town: Receptor, distance: float, count: int) -> TownToAsk:
    why = Words(f"{count}个村（社区）没有坐标，请{town.name_zh}核实受影响的村。", f"{count} villages have no position: ask the town which of them are affected.")
    return TownToAsk(code=town.town_code, name_zh=town.name_zh, distance_m=round(distance, 1), villages_without_position=count, why=why)


def staging(centre: Point, distances: Distances, wind: Wind | None, at: datetime) -> Staging:
    """Where to wait and from which side to come: upwind, beyond every all-round distance. Without a wind only the distance is given."""
    rule = tables.rules()["staging"]
    evacuated = distances.protective if distances.direction is Direction.AROUND else None
    around = [d.value for d in (distances.isolation, distances.fire_isolation, distances.fire_evacuation, evacuated) if d is not None]
    value = math.ceil(max(float(rule["min_m"]), float(rule["factor"]) * max(around)))
    distance = Sourced(
        value=float(value), unit="m", table="rules.yaml staging", edition=str(rule["edition"]), row=str(rule["source"]),
        conversion=f"{rule['factor']} x {max(around):g} m, at least {rule['min_m']} m",
    )  # fmt: skip
    use = winds.use(wind, at)
    if use.from_deg is None:
        approach = tables.said("approach_unknown")
        reason = tables.said("stay_off", value=value)
        return Staging(approach_deg=None, approach=approach, point=None, distance=distance, reason=reason)
    name = winds.compass(use.from_deg)
    return Staging(
        approach_deg=use.from_deg, approach=tables.said("approach", side_zh=name.zh, side_en=name.en),
        point=geometry.destination(centre, use.from_deg, value), distance=distance,
        reason=tables.said("stage", value=value),
    )  # fmt: skip

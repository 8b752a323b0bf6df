"""One compact JSON file for the responder's phone: lookup, distances, guides, hazard numbers, receptors, winds and rules. It decides nothing.

The phone's code works on these values alone; `vectors()` gives inputs and results by which it is checked against this package.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from hub.errors import Rejected
from plans import characters
from plans.hazmat import distances as distance_rules
from plans.hazmat import geometry, lookup, receptors, sun, tables
from plans.hazmat import wind as winds
from plans.hazmat.model import Container, Daylight, Distances, HazmatFacts, MatchKind, Point, SpillSize, Wind, Zone

FORMAT = 2


def _table(name: str) -> dict[str, Any]:
    lines = tables.rows(name)
    columns = list(lines[0])
    return {"columns": columns, "rows": [[line[column] for column in columns] for line in lines]}


def _substances() -> dict[str, Any]:
    columns = ["un", "name_zh", "aliases_zh", "names_en", "cas", "formula", "guides", "inhalation", "polymerises", "gas_in_water", "classes", "matters"]
    rows = [
        [
            s.un, s.name_zh, s.aliases_zh, s.names_en, s.cas, s.formula, [g.value for g in s.guides], s.inhalation, s.polymerises,
            s.gas_in_water.value if s.gas_in_water else None,
            sorted({(c.class_, c.code, c.packing_group, "+".join(c.labels), c.hin) for c in s.classes}),
            [s.matters.zh, s.matters.en] if s.matters else None,
        ]
        for s in lookup.substances().values()
    ]  # fmt: skip
    return {"columns": columns, "rows": rows}


def content() -> Mapping[str, Any]:
    """The bundle as plain values: tables as columns and rows, metres and degrees, WGS-84."""
    names = ("table1", "table1_more", "table2", "table3", "guides", "guide_phrases", "guide_actions", "guide_distances", "hin", "placards", "winds", "beaufort", "containers", "notes")
    keys = ("small_spill", "table3_wind", "beyond_table_m", "unknown_material", "wind", "wedge", "sun", "staging", "table3_containers", "table3_exact", "containers", "limits", "town_radius_m")
    rules = tables.rules()
    return {
        "format": FORMAT,
        "editions": {"erg": rules["erg"], "adr": rules["adr"], "hin": rules["hin"]},
        "substances": _substances(),
        "tables": {name: _table(name) for name in names},
        "rules": {key: rules[key] for key in keys},
        "simplified": "".join(old + new for old, new in characters.pairs().items()),
        "district": [[p.lon, p.lat] for p in receptors.district()],
        "receptors": _receptors(),
    }


def _receptors() -> dict[str, Any]:
    columns = ["id", "kind", "name_zh", "name_en", "town_code", "lon", "lat", "population", "demo", "precision"]
    rows = [
        [
            r.id, r.kind.value, r.name_zh, r.name_en, r.town_code, r.point.lon if r.point else None, r.point.lat if r.point else None, r.population,
            r.demo, r.precision.value,
        ]
        for r in receptors.known()
    ]  # fmt: skip
    return {"columns": columns, "rows": rows}


def bundle() -> bytes:
    """The bundle as UTF-8 JSON, the same bytes for the same data."""
    return msgspec.json.encode(content(), order="deterministic")


def packed() -> bytes:
    """The bundle gzipped without a time stamp, so that its hash changes only with the data."""
    return gzip.compress(bundle(), compresslevel=9, mtime=0)


def vectors() -> list[dict[str, Any]]:
    """Cases for a second implementation: facts, place, wind text and time in; distances, day or night, and polygons out."""
    return [_vector(**case) for case in _cases()]


def searches() -> dict[str, list[str] | str]:
    """What searching finds for what is typed: numbers, best first, or the code of the refusal."""
    return {query: _found(query) for query in _QUERIES}


def _found(query: str) -> list[str] | str:
    try:
        return [f"{match.substance.un} {match.why}" if match.why is MatchKind.LIKE else match.substance.un for match in lookup.search(query, 10)]
    except Rejected as error:
        return error.code


_QUERIES = (
    "1005", "ＵＮ１００５", "UN-1005", "268/1005", "268\n1005", "2681005", "X423/1428", "x 423", "268", "HIN 33", "液氨", "氨", "氯氣", "鹽酸", "發煙硫酸",
    "環氧乙烷", "nh₃", "H2SO4", "HCl", "7664-41-7", "7664-41-8", "ammonia", "anhydrous ammonia", "amonia", "clorine", "sulfric acid", "qwertyuiop", "MDI",
    "TDI", "乙二醇", "氯化亚枫", "三氯硅完", "0", "9999", "10055", "UN10055", "UN0", "2.3", "第3类", "第八類", "class 8", "3", "1.4S", "牌子上写着268和1005",
    "橙色牌 268/1005", "UN 1005 Ammonia", "UN1830 液氨", "上268下1005", "2024年1005号", "25吨液氨罐车", "<script>", "鞭炮", "二甲苯",
)  # fmt: skip


_PLACE = (119.112, 34.865)
_NOON = datetime(2026, 6, 21, 4, 0, tzinfo=UTC)
_MIDNIGHT = datetime(2026, 6, 21, 16, 0, tzinfo=UTC)
_WINDS = (
    "东南风3级", "SE", "135°", "0°", "360°", "静风", "偏南风2-3级", "NNE 12 km/h", "西北风6级", None, "西偏北风3级", "南偏东15°", "S15°E 10 kt", "吹向315°",
    "下风向西北", "西北风，下风向东侧有村庄", "南到东南风3级", "南风转北风", "北风3级以下", "东风3-5m/s", "风向135 风速3.2m/s", "无持续风向", "东 南风7、8级",
    "SE force 3", "SE force 1", "SE 4-5 bft", "气温12度，东南风3级", "12℃ 东南风3级", "北纬34.8度东经119.1度，东南风3级", "wind 135 at 5 kt", "135@5kt", "東南風", "西北方向扩散", "烟往西北飘", "向西北方向", "风由东南向西北", "白烟向西北方向扩散，东南风3级", "smoke drifting NW", "微风", "风向东南",
    "north-easterly 20 mph", "偏东南风3-4级", "南西风2级", "顺风方向为西北", "无明显风",
)  # fmt: skip


def _cases() -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = []
    for at in (_NOON, _MIDNIGHT):
        cases += [{"facts": HazmatFacts(un="1005", leak=True, container=Container.ROAD_TANKER), "wind": text, "at": at} for text in _WINDS]
        for un in ("1017", "1050", "1079", "1052", "2186", "1040"):
            cases += [{"facts": HazmatFacts(un=un, leak=True, container=c), "wind": "东风4级", "at": at} for c in (Container.RAIL_TANK_CAR, Container.TON_CYLINDERS, Container.CYLINDERS)]
        for un in ("1259", "2190", "3303", "1836", "1295", "1203", "1942", "1402", "2789", "1972"):
            for water in (None, True, False):
                facts = HazmatFacts(un=un, leak=True, fire=True, container=Container.ROAD_TANKER, in_water=water)
                cases.append({"facts": facts, "wind": "SW", "at": at})
        cases += [{"facts": HazmatFacts(un=un, leak=True, spill=SpillSize.SMALL), "wind": "N 3 m/s", "at": at} for un in ("1005", "1017", "1092", "1744", "1809")]
        cases.append({"facts": HazmatFacts(fire=True), "wind": "SE", "at": at})
        cases += [
            {"facts": HazmatFacts(un=un, leak=True, container=c), "wind": None, "at": at}
            for un in ("1828", "1838", "1183", "2845", "2927", "1955", "3303", "1744", "3166", "3171", "3536") for c in (Container.ROAD_TANKER, Container.DRUM)
        ]
        for un, zone, material in (("1953", "D", None), ("3303", "B", None), ("1955", None, "Organic phosphate mixed with compressed gas"), ("2845", None, "Ethyl phosphonous dichloride, anhydrous"), ("1741", "A", None)):
            cases.append({"facts": HazmatFacts(un=un, leak=True, hazard_zone=zone, material=material), "wind": None, "at": at})
        ages = (0, 29, 31, 119, 121, -1, -5, -130)
        cases += [{"facts": HazmatFacts(un="1017", leak=True), "wind": "SE 5 m/s", "at": at, "age": timedelta(minutes=minutes)} for minutes in ages]
    return cases


def _vector(facts: HazmatFacts, wind: str | None, at: datetime, age: timedelta = timedelta(0)) -> dict[str, Any]:
    place = Point(*_PLACE)
    blowing = winds.parse(wind, at - age) if wind else None
    daylight: Daylight = sun.daylight(place, at)
    found = distance_rules.distances(facts, daylight=daylight, wind_class=winds.table3_class(blowing))
    drawn = geometry.zones(place, found, blowing, at)
    given = {
        "un": facts.un, "leak": facts.leak, "fire": facts.fire, "container": facts.container.value, "spill": facts.spill.value if facts.spill else None,
        "in_water": facts.in_water, "hazard_zone": facts.hazard_zone, "material": facts.material, "lon": place.lon, "lat": place.lat, "wind": wind, "at": _text(at), "wind_at": _text(at - age),
    }  # fmt: skip
    expected = {
        "daylight": daylight.value, "spill": found.spill.value, "isolation_m": found.isolation.value,
        "protective_m": found.protective.value if found.protective else None, "plus": bool(found.protective and found.protective.plus),
        "direction": found.direction.value, "fire_m": found.fire_isolation.value if found.fire_isolation else None,
        "conditional": found.conditional, "sources": [d.source for d in (found.isolation, found.protective, found.fire_isolation) if d is not None],
        "notes": [[words.zh, words.en] for words in (*found.notes, *winds.use(blowing, at).notes)], "staging": _staging(place, found, blowing, at),
        "inside": [a.receptor.id for a in receptors.inside(drawn, receptors.demo())], "towns": [town.code for town in receptors.to_ask(drawn)], "zones": [_drawn(zone) for zone in drawn],
    }  # fmt: skip
    return {"given": given, "expected": expected}


def _staging(place: Point, found: Distances, blowing: Wind | None, at: datetime) -> list[Any]:
    staging = receptors.staging(place, found, blowing, at)
    return [staging.distance.value, staging.approach.zh, staging.approach.en, staging.reason.zh]


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _drawn(zone: Zone) -> dict[str, Any]:
    ring = zone.polygon.coordinates[0]
    return {
        "kind": zone.kind.value, "shape": zone.shape.value, "radius_m": zone.radius.value, "downwind_deg": zone.downwind_deg,
        "half_angle_deg": zone.half_angle_deg, "area_m2": round(zone.area_m2, 1),
        "edges": [[round(e.bearing_deg, 4), round(e.distance_m, 2), e.lon, e.lat] for e in zone.edges],
        "vertices": len(ring) - 1, "sample": [list(ring[i]) for i in range(0, len(ring) - 1, 15)],
    }  # fmt: skip

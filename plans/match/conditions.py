"""Testing one condition against facts: satisfied, unsatisfied or unknown. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

from plans.facts import (
    COLOUR_RANK,
    FIELDS,
    GRADE_RANK,
    READERS,
    FieldKind,
    IncidentFacts,
    code_prefix,
    derive,
)
from plans.match.result import STATE_OF, State
from plans.model import (
    AllOf,
    Always,
    AnyOf,
    AtLeast,
    AtMost,
    Condition,
    Flag,
    GradeAtLeast,
    Hours,
    Inside,
    Leaf,
    Months,
    Near,
    Not,
    OneOf,
    RoadSection,
    Under,
    Warned,
)

# -1 unsatisfied, 0 unknown, 1 satisfied: so that `all` is min, `any` is max and `not` is minus.
Test = Callable[[IncidentFacts], int]
_EARTH_RADIUS_M = 6_371_008.8  # mean radius, IUGG


def _under(leaf: Under) -> Test:
    wanted = tuple(code_prefix(code) for code in leaf.codes)
    families = frozenset(leaf.families)

    def test(facts: IncidentFacts) -> int:
        codes, family = facts.event_types, facts.family
        if family in families or any(code.startswith(wanted) for code in codes):
            return 1
        if not codes:
            return 0 if family is None or not families else -1
        above = tuple([code_prefix(code) for code in codes])
        return 0 if any(w.startswith(above) for w in wanted) else -1

    return test


def _values_test(path: str, hit: Callable[[object], int], absent: int = -1) -> Test:
    """`hit` gives 1, 0 or -1 for one known value; `absent` is the answer where no dangerous goods are present at all."""
    read = READERS[path]
    if not path.startswith("hazmat."):

        def test(facts: IncidentFacts) -> int:
            values = read(facts)
            return hit(values[0]) if values else 0

        return test

    def settled(facts: IncidentFacts) -> bool:
        """A load whose UN number is known needs no name any more."""
        return path == "hazmat.name" and all(load.un or load.name for load in facts.hazmat)

    def test_loads(facts: IncidentFacts) -> int:
        if not facts.hazmat:
            return absent if facts.hazmat_present is False else 0
        values = read(facts)
        best = max((hit(value) for value in values), default=-1 if settled(facts) else 0)
        return best if best > 0 or len(values) == len(facts.hazmat) or settled(facts) else 0

    return test_loads


def _one_of(leaf: OneOf) -> Test:
    values = frozenset(leaf.values)
    kind = FIELDS[leaf.field].kind
    if kind is FieldKind.CODE:
        prefixes = tuple(leaf.values)

        def code_hit(value: object) -> int:
            text = str(value)
            if text.startswith(prefixes):
                return 1
            return 0 if any(p.startswith(text) for p in prefixes) else -1

        return _values_test(leaf.field, code_hit)
    if kind is FieldKind.HAZARD_CLASS:
        divisions = tuple(f"{v}." for v in leaf.values)

        def class_hit(value: object) -> int:
            text = str(value)
            if text in values or text.startswith(divisions):
                return 1
            return 0 if any(v.startswith(f"{text}.") for v in values) else -1

        return _values_test(leaf.field, class_hit)
    return _values_test(leaf.field, lambda value: 1 if value in values else -1)


def _flag(leaf: Flag) -> Test:
    if leaf.value or not leaf.field.startswith("hazmat."):
        return _values_test(leaf.field, lambda value: 1 if value is leaf.value else -1)
    positive = _values_test(leaf.field, lambda value: 1 if value is True else -1)
    return lambda facts: -positive(facts)  # "no leak" holds when no load leaks


def _at_least(leaf: AtLeast) -> Test:
    return _values_test(leaf.field, lambda value: 1 if isinstance(value, int | float) and value >= leaf.value else -1)


def _at_most(leaf: AtMost) -> Test:
    return _values_test(leaf.field, lambda value: 1 if isinstance(value, int | float) and value <= leaf.value else -1)


def _grade(leaf: GradeAtLeast) -> Test:
    floor = GRADE_RANK[leaf.grade]
    return lambda facts: 0 if facts.grade is None else 1 if GRADE_RANK[facts.grade] >= floor else -1


def _inside(leaf: Inside) -> Test:
    ring = leaf.polygon
    west, east = min(p[0] for p in ring), max(p[0] for p in ring)
    south, north = min(p[1] for p in ring), max(p[1] for p in ring)

    def test(facts: IncidentFacts) -> int:
        lon, lat = facts.place.lon, facts.place.lat
        if lon is None or lat is None:
            return 0
        if not (west <= lon <= east and south <= lat <= north):
            return -1
        return 1 if _contains(ring, lon, lat) else -1

    return test


def _contains(ring: Sequence[tuple[float, float]], lon: float, lat: float) -> bool:
    inside = False
    previous = ring[-1]
    for point in ring:
        (x1, y1), (x2, y2) = previous, point
        if (y1 > lat) != (y2 > lat) and lon < (x2 - x1) * (lat - y1) / (y2 - y1) + x1:
            inside = not inside
        previous = point
    return inside


def _near(leaf: Near) -> Test:
    within_deg = math.degrees(leaf.within_m / _EARTH_RADIUS_M)  # farther by latitude alone is farther on the ground

    def test(facts: IncidentFacts) -> int:
        lon, lat = facts.place.lon, facts.place.lat
        if lon is None or lat is None:
            return 0
        if abs(lat - leaf.lat) > within_deg:
            return -1
        return 1 if great_circle_m(leaf.lon, leaf.lat, lon, lat) <= leaf.within_m else -1

    return test


def great_circle_m(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Distance on the sphere in metres (within 0.5 % of the ellipsoid), degrees in."""
    phi1, phi2 = math.radians(lat1), math.radians(lat2)
    half = math.sin((phi2 - phi1) / 2) ** 2 + math.cos(phi1) * math.cos(phi2) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    return 2 * _EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, half)))


def _road(leaf: RoadSection) -> Test:
    low = -math.inf if leaf.from_km is None else leaf.from_km
    high = math.inf if leaf.to_km is None else leaf.to_km
    whole = leaf.from_km is None and leaf.to_km is None
    wanted = leaf.road.upper()

    def test(facts: IncidentFacts) -> int:
        road, km = facts.place.road, facts.place.road_km
        if road is None:
            return 0
        if road.upper() != wanted:
            return -1
        if whole:
            return 1
        return 0 if km is None else 1 if low <= km <= high else -1

    return test


def _span(first: int, last: int, value: int | None) -> int:
    if value is None:
        return 0
    inside = first <= value <= last if first <= last else value >= first or value <= last
    return 1 if inside else -1


def _warned(leaf: Warned) -> Test:
    floor = COLOUR_RANK[leaf.colour]

    def test(facts: IncidentFacts) -> int:
        warnings = facts.weather.warnings
        if warnings is None:
            return 0
        hit = any((not leaf.kinds or w.kind in leaf.kinds) and COLOUR_RANK[w.colour] >= floor for w in warnings)
        return 1 if hit else -1

    return test


@lru_cache(maxsize=65_536)
def test_of(leaf: Leaf) -> Test:
    match leaf:
        case Under():
            return _under(leaf)
        case OneOf():
            return _one_of(leaf)
        case Flag():
            return _flag(leaf)
        case AtLeast():
            return _at_least(leaf)
        case AtMost():
            return _at_most(leaf)
        case GradeAtLeast():
            return _grade(leaf)
        case Inside():
            return _inside(leaf)
        case Near():
            return _near(leaf)
        case RoadSection():
            return _road(leaf)
        case Months():
            return lambda facts: _span(leaf.first, leaf.last, facts.month)
        case Hours():
            return lambda facts: _span(leaf.first, leaf.last, facts.hour)
        case Warned():
            return _warned(leaf)


def truth(condition: Condition, facts: IncidentFacts) -> int:
    match condition:
        case Always():
            return 1
        case AllOf():
            return min(truth(child, facts) for child in condition.of)
        case AnyOf():
            return max(truth(child, facts) for child in condition.of)
        case Not():
            return -truth(condition.of, facts)
        case _:
            return test_of(condition)(facts)


def holds(condition: Condition, facts: IncidentFacts) -> State:
    """The state of one condition for the facts (with what they imply)."""
    return STATE_OF[truth(condition, derive(facts))]


def default_weight(leaf: Leaf) -> float:
    """How much a satisfied leaf speaks for its plan where the plan does not say: the more specific, the more."""
    match leaf:
        case Under():
            return min((max(1.0, len(code_prefix(code)) - 1.0) for code in leaf.codes), default=2.0)
        case OneOf() if leaf.field in ("hazmat.un", "hazmat.name", "enterprise.id"):
            return 3.0
        case Inside() | Near() | RoadSection() | Warned():
            return 2.0
        case _:
            return 1.0

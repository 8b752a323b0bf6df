"""The answers that a library's conditions tell apart: for each fact, one value for every way in which its conditions can come out. Pure.

A value that is named nowhere stands for all others. Of event types and warnings single ones are given, of an area its inner point.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec

from plans.facts import (
    COLOUR_RANK,
    FIELDS,
    IMPLYING_FAMILIES,
    IMPLYING_TYPES,
    TYPES,
    Colour,
    FieldKind,
    Grade,
    IncidentFacts,
    WarningKind,
    WeatherWarning,
    code_prefix,
)
from plans.model import AtLeast, AtMost, Hours, Inside, Leaf, Months, Near, OneOf, RoadSection, Under, Warned

OTHER = "~"
"""A value that no condition names."""
_CYCLES = {"hour": (0, 23), "month": (1, 12)}

Numbered = Sequence[tuple[int, Leaf]]


class Answer(msgspec.Struct, frozen=True):
    """A value of a fact, and the conditions that come out otherwise with it than with the answer before (all of them for the first one)."""

    value: object
    turns: tuple[int, ...]


def answers(field: str, leaves: Numbered) -> tuple[Answer, ...]:
    """The answers to `field` that `leaves`, those that look at it, tell apart. Neighbours differ in few conditions, so that all can be tried in turn.

    `turns` may name too many, never too few. Takes time in proportion to the conditions (for areas: times those whose south end lies below).
    """
    spec = FIELDS[field]
    if field == "place.position":
        found = _positions(leaves)
    elif field in ("event_types", "family"):
        found = _types(field, leaves)
    elif field == "place.road":
        found = _roads(leaves)
    elif spec.kind is FieldKind.WARNINGS:
        found = _warnings(leaves)
    elif spec.kind is FieldKind.NUMBER:
        return _numbers(field, leaves)
    elif spec.kind is FieldKind.FLAG:
        found = ((value, [n for n, _ in leaves]) for value in (True, False))
    elif field == "grade":
        found = ((grade, [n for n, _ in leaves]) for grade in Grade)
    else:
        found = _texts(spec.kind, spec.values, leaves)
    return _in_turn(found, [n for n, _ in leaves])


def _in_turn(found: Iterable[tuple[object, Sequence[int]]], every: Sequence[int]) -> tuple[Answer, ...]:
    """Answers from values and the conditions that do not fail for them."""
    given: list[Answer] = []
    before: Sequence[int] = ()
    for value, standing in found:
        given.append(Answer(value, tuple(dict.fromkeys((*before, *standing))) if given else tuple(every)))
        before = standing
    return tuple(given)


def _texts(kind: FieldKind, closed: Sequence[str], leaves: Numbered) -> Iterator[tuple[object, list[int]]]:
    naming: dict[str, list[int]] = {}
    for number, leaf in leaves:
        for value in leaf.values if isinstance(leaf, OneOf) else ():
            naming.setdefault(value, []).append(number)
    if kind in (FieldKind.CODE, FieldKind.HAZARD_CLASS):
        yield from _codes(naming)
    else:
        yield from naming.items()
    others = [value for value in closed if value not in naming] if closed else [OTHER]
    yield from ((value, []) for value in others[:1])


def _codes(naming: dict[str, list[int]]) -> Iterator[tuple[object, list[int]]]:
    """Hierarchical values: what stands above one holds with it, what stands below stays open."""
    ordered = sorted(naming)
    for value in ordered:
        above = [n for length in range(1, len(value) + 1) for n in naming.get(value[:length], ())]
        below = ordered[bisect_right(ordered, value) : bisect_right(ordered, value + "\U0010ffff")]
        yield value, [*above, *(n for one in below for n in naming[one])]


def _types(field: str, leaves: Numbered) -> Iterator[tuple[object, list[int]]]:
    naming: dict[str, list[int]] = {}
    families: dict[str, list[int]] = {}
    spelt: dict[str, str] = {}
    for number, leaf in leaves:
        if isinstance(leaf, Under):
            for code in leaf.codes:
                spelt.setdefault(code_prefix(code), code)
                naming.setdefault(code_prefix(code), []).append(number)
            for family in leaf.families:
                families.setdefault(family, []).append(number)
        elif isinstance(leaf, OneOf):
            for value in leaf.values:
                families.setdefault(value, []).append(number)
    if field == "family":
        yield from ({family: [] for family in IMPLYING_FAMILIES} | families).items()
        yield OTHER, []
        return
    for code in IMPLYING_TYPES:
        naming.setdefault(code, [])
        spelt.setdefault(code, code)
    for prefix, standing in _codes(naming):
        yield (spelt[str(prefix)],), standing
    yield (OTHER,), []


def _roads(leaves: Numbered) -> Iterator[tuple[object, list[int]]]:
    naming: dict[str, list[int]] = {}
    for number, leaf in leaves:
        for road in (leaf.road.upper(),) if isinstance(leaf, RoadSection) else leaf.values if isinstance(leaf, OneOf) else ():
            naming.setdefault(road, []).append(number)
    by_any_case: dict[str, list[int]] = {}
    for road, numbers in naming.items():
        by_any_case.setdefault(road.upper(), []).extend(numbers)
    yield from ((road, by_any_case[road.upper()]) for road in naming)
    yield OTHER, []


def _warnings(leaves: Numbered) -> Iterator[tuple[object, list[int]]]:
    asked = [(n, leaf) for n, leaf in leaves if isinstance(leaf, Warned)]
    named = sorted({kind for _, leaf in asked for kind in leaf.kinds})
    for kind in [*named, *[kind for kind in WarningKind if kind not in named][:1]]:
        concerned = [n for n, leaf in asked if not leaf.kinds or kind in leaf.kinds]
        for colour in sorted(Colour, key=COLOUR_RANK.__getitem__):
            yield (WeatherWarning(WarningKind(kind), colour),), concerned
    yield (), []


def _numbers(field: str, leaves: Numbered) -> tuple[Answer, ...]:
    """Every threshold, and a value on either side of it; a condition turns where its threshold is passed."""
    points = [(n, threshold) for n, leaf in leaves for threshold in _thresholds(field, leaf)]
    marks = sorted({threshold for _, threshold in points})
    if field in _CYCLES:
        first, last = _CYCLES[field]
        values: list[float] = list(range(first, last + 1))
    elif _is_whole(field):
        values = sorted({v for m in marks for v in (math.ceil(m) - 1, math.ceil(m), math.floor(m), math.floor(m) + 1) if v >= 0})
    else:
        between = [(low + high) / 2 for low, high in pairwise(marks)]
        values = sorted({*marks, *between, marks[0] / 2, marks[-1] + 1}) if marks else []
    turns: list[list[int]] = [[] for _ in values]
    for number, threshold in points:
        for at in {bisect_left(values, threshold), bisect_right(values, threshold)}:
            if at < len(values):
                turns[at].append(number)
    return tuple(Answer(value, tuple(dict.fromkeys(turns[i])) if i else tuple(n for n, _ in leaves)) for i, value in enumerate(values))


def _is_whole(field: str) -> bool:
    return TYPES[field] == int | None


def _thresholds(field: str, leaf: Leaf) -> tuple[float, ...]:
    match leaf:
        case AtLeast() | AtMost():
            return (leaf.value,)
        case Hours() | Months():
            return (leaf.first, leaf.last)
        case RoadSection():
            return tuple(km for km in (leaf.from_km, leaf.to_km) if km is not None)
        case _:
            return ()


def _positions(leaves: Numbered) -> Iterator[tuple[object, list[int]]]:
    boxes = sorted((_box(leaf), n, leaf) for n, leaf in leaves if isinstance(leaf, Inside | Near))
    souths = [box[0] for box, _, _ in boxes]
    for _, _, leaf in boxes:
        lon, lat = _inner_point(leaf)
        yield (lon, lat), [n for (_, north, west, east), n, _ in boxes[: bisect_right(souths, lat)] if north >= lat and west <= lon <= east]
    yield (0.0, 89.9 if not boxes or max(north for (_, north, _, _), _, _ in boxes) < 89 else -89.9), [n for _, n, _ in boxes]


def _box(leaf: Inside | Near) -> tuple[float, float, float, float]:
    """South, north, west and east bounds in degrees, those of a circle rather too wide."""
    if isinstance(leaf, Inside):
        lons, lats = [lon for lon, _ in leaf.polygon], [lat for _, lat in leaf.polygon]
        return min(lats), max(lats), min(lons), max(lons)
    reach = leaf.within_m / 110_000  # a degree of latitude is longer than that everywhere
    south, north = leaf.lat - reach, leaf.lat + reach
    shrunk = math.cos(math.radians(min(89.9, max(abs(south), abs(north)))))
    west, east = leaf.lon - reach / shrunk, leaf.lon + reach / shrunk
    return (south, north, west, east) if west > -180 and east < 180 else (south, north, -180.0, 180.0)


def _inner_point(leaf: Inside | Near) -> tuple[float, float]:
    """The middle of a circle; of a ring the middle of its widest stretch on a line half-way between two of its corners' latitudes."""
    if isinstance(leaf, Near):
        return leaf.lon, leaf.lat
    lats = sorted({lat for _, lat in leaf.polygon})
    ring = leaf.polygon
    best = (0.0, ring[0])
    for low, high in pairwise(lats):
        lat = (low + high) / 2
        crossed = sorted(
            (x2 - x1) * (lat - y1) / (y2 - y1) + x1
            for (x1, y1), (x2, y2) in zip(ring, (*ring[1:], ring[0]), strict=True)
            if (y1 > lat) != (y2 > lat)
        )
        for west, east in zip(crossed[::2], crossed[1::2], strict=False):
            best = max(best, ((east - west) * (high - low), ((west + east) / 2, lat)))
    return best[1]


def refined(field: str, value: object, facts: IncidentFacts) -> object | None:
    """The value as an answer that does not contradict what is known; None where it would.

    A known town, class or type that is only broader than what conditions ask for may be made narrower, never replaced.
    """
    if field == "event_types" and facts.event_types and isinstance(value, tuple):
        return _narrower_types(facts.event_types, value[0])
    if field == "place.adcode" and facts.place.adcode is not None:
        return _narrower(value, (facts.place.adcode,), "")
    if (
        field == "hazmat.class"
        and (known := tuple(load.class_ for load in facts.hazmat if load.class_ is not None))
        and len(known) == len(facts.hazmat)
    ):
        return _narrower(value, known, ".")
    return value


def _narrower(value: object, known: Sequence[str], divider: str) -> str | None:
    if value == OTHER:
        return f"{known[0]}{divider}{OTHER}"
    return str(value) if any(str(value).startswith(f"{one}{divider}") for one in known) else None


def _narrower_types(known: Sequence[str], code: str) -> tuple[str, ...] | None:
    if code == OTHER:
        return tuple(f"{code_prefix(one)}{OTHER}" for one in known)
    prefix = code_prefix(code)
    narrowed = tuple(code if prefix != code_prefix(one) and prefix.startswith(code_prefix(one)) else one for one in known)
    return narrowed if narrowed != tuple(known) else None

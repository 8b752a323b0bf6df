"""How long one incident takes to match against 100, 1,000 and 10,000 plans in force. Measures; decides nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

import msgspec

from plans.facts import Casualties, Colour, Enterprise, Grade, IncidentFacts, Load, Place, Setting, WarningKind, Weather, WeatherWarning
from plans.load import load_folder, towns_by_adcode
from plans.match import Library, match
from plans.model import AllOf, Condition, Hours, Near, OneOf, Plan, PlanKind, RoadSection

_SIZES = (100, 1_000, 10_000)
_INCIDENTS, _REPEATS = 300, 3
_ROADS = ("G204", "G310", "G15", "S242", "S267", "S402", "G233", "S505")
_UNS = ("1005", "1017", "1075", "1203", "1230", "1789", "1824", "1830", "1114", "1040", "1093", "2014")
_TYPES = ("12H01", "12D02", "12G01", "12P00", "11B03", "11E02", "13B00", "12J00", "12K00", "14H00", "12U00", "11C00")


def run(progress: Callable[[str], None]) -> dict[str, float]:
    """Match varied incidents one by one; figures `p99_ms_N` and `p50_ms_N` for N plans (milliseconds of wall time for one incident).

    Percentiles are over incidents; each is matched three times and the fastest counts, so that other work of the machine does not.
    The plans are the catalogue's own, narrowed to towns, road sections, substances, sites and hours as a province's library would be.
    """
    catalogue = [plan for plan in load_folder() if plan.kind is not PlanKind.GENERAL]
    general = [plan for plan in load_folder() if plan.kind is PlanKind.GENERAL]
    figures: dict[str, float] = {}
    incidents = some_incidents(_INCIDENTS)
    for size in _SIZES:
        progress(f"{size} plans, {_INCIDENTS} incidents")
        library = Library((*narrowed(catalogue, size - len(general)), *general))
        match(library, incidents[0])
        taken = sorted(min(_milliseconds(library, facts) for _ in range(_REPEATS)) for facts in incidents)
        figures[f"p99_ms_{size}"] = round(taken[int(len(taken) * 0.99)], 3)
        figures[f"p50_ms_{size}"] = round(taken[len(taken) // 2], 3)
    return figures


def _milliseconds(library: Library, facts: IncidentFacts) -> float:
    start = time.perf_counter()
    match(library, facts)
    return (time.perf_counter() - start) * 1000


def narrowed(catalogue: Sequence[Plan], count: int, *, seed: int = 1) -> list[Plan]:
    """`count` plans made of the catalogue's, each narrowed to a place, substance, site or time; the same for the same seed."""
    rng = random.Random(seed)
    towns = sorted(towns_by_adcode())
    plans = []
    for i in range(count):
        base = catalogue[i % len(catalogue)]
        extra: Condition
        match i // len(catalogue) % 5:
            case 0:
                start = round(rng.uniform(0, 40), 1)
                extra = RoadSection(road=rng.choice(_ROADS), from_km=start, to_km=start + 5)
            case 1:
                extra = OneOf(field="place.adcode", values=(rng.choice(towns),))
            case 2:
                extra = OneOf(field="hazmat.un", values=tuple(rng.sample(_UNS, 2)))
            case 3:
                extra = Near(name=f"site {i}", lon=119.0 + rng.random() * 0.3, lat=34.7 + rng.random() * 0.4, within_m=1000)
            case _:
                extra = Hours(first=rng.randrange(24), last=rng.randrange(24))
        plans.append(msgspec.structs.replace(base, id=f"{base.id}-{i}", applies=AllOf(of=(base.applies, extra))))
    return plans


def some_incidents(count: int, *, seed: int = 2) -> list[IncidentFacts]:
    """Incidents from bare to full, the same for the same seed."""
    rng = random.Random(seed)
    return [_incident(rng) for _ in range(count)]


def _incident(rng: random.Random) -> IncidentFacts:
    towns = sorted(towns_by_adcode())
    known = rng.random()
    place = Place(
        adcode=rng.choice(towns) if known > 0.2 else None,
        lon=119.0 + rng.random() * 0.3 if known > 0.4 else None,
        lat=34.7 + rng.random() * 0.4 if known > 0.4 else None,
        road=rng.choice(_ROADS) if known > 0.3 else None,
        road_km=round(rng.uniform(0, 45), 1) if known > 0.5 else None,
        setting=rng.choice(list(Setting)) if known > 0.6 else None,
        distance_to_water_m=rng.uniform(0, 3000) if known > 0.7 else None,
    )
    load = Load(un=rng.choice(_UNS), leak=rng.random() > 0.5, fire=None, container="road_tanker")
    return IncidentFacts(
        event_types=tuple(rng.sample(_TYPES, rng.choice((1, 1, 2)))),
        grade=rng.choice([None, *Grade]),
        place=place,
        hazmat=(load,) if rng.random() > 0.5 else (),
        casualties=Casualties(dead=rng.choice((None, 0, 3)), trapped=rng.choice((None, 0, 4))),
        hour=rng.randrange(24) if known > 0.3 else None,
        month=rng.randrange(1, 13) if known > 0.3 else None,
        weather=Weather(warnings=(WeatherWarning(WarningKind.TYPHOON, rng.choice((Colour.ORANGE, Colour.RED))),))
        if rng.random() > 0.7
        else Weather(),
        enterprise=Enterprise(id="plant-1") if rng.random() > 0.8 else Enterprise(),
    )

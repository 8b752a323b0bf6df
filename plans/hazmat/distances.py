"""Which distances hold for a load: spill size, guide, Table 1 and Table 3 of the ERG by container, wind and daylight. Pure rules over the tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import Rejected
from plans.hazmat import lookup, tables
from plans.hazmat.model import (
    Container,
    Daylight,
    Direction,
    Distances,
    Guide,
    GuideDistance,
    HazmatFacts,
    Physical,
    Sourced,
    Spilled,
    SpillSize,
    Substance,
    Table1Line,
    Table3Line,
    WindClass,
    Words,
)


class _Picked(Struct, frozen=True):
    """Isolation and protective distance before fire is added."""

    isolation: Sourced
    protective: Sourced | None
    direction: Direction = Direction.DOWNWIND
    wind_class: WindClass | None = None
    water_only: bool = False
    conditional: bool = False
    notes: tuple[Words, ...] = ()


def check(facts: HazmatFacts) -> None:
    """Refuse facts that cannot be: Rejected(bad_quantity, bad_volume, unknown_un, unknown_hin, bad_material, bad_hazard_zone)."""
    for value, field, code in ((facts.quantity_kg, "hazmat.quantity_kg", "bad_quantity"), (facts.volume_l, "hazmat.volume_l", "bad_volume")):
        if value is not None and not (math.isfinite(value) and 0 <= value <= 1e9):
            raise Rejected(code, "数量应为不小于零的数。", "A quantity is a number that is not negative.", field=field)
    if facts.un is not None:
        lookup.by_un(facts.un)
    if facts.hin is not None:
        lookup.hin_meaning(facts.hin)
    if facts.material is not None and facts.material not in (names := materials(facts.un)):
        said = "、".join(names) or "无"
        raise Rejected(
            "bad_material", f"表1在此编号下没有这种物质，有：{said}。", f"Table 1 has no such material under this number; it has: {', '.join(names) or 'none'}.",
            field="hazmat.material",
        )  # fmt: skip
    if facts.hazard_zone is not None and facts.hazard_zone not in ("A", "B", "C", "D"):
        raise Rejected("bad_hazard_zone", "吸入危害区为A、B、C或D。", "An inhalation hazard zone is A, B, C or D.", field="hazmat.hazard_zone")


def materials(un: str | None) -> tuple[str, ...]:
    """The materials that Table 1 has under a number, in the order of the book."""
    lines = tables.table1().get(lookup.by_un(un).un, ()) if un is not None else ()
    return tuple(dict.fromkeys(line.material for line in lines))


def spill_size(facts: HazmatFacts) -> tuple[SpillSize, Words]:
    """Small or large, and why: told, by volume, by quantity, else by container; what is unclear is large."""
    rule = tables.rules()["small_spill"]
    limit = float(rule["max_l"])
    if facts.spill is not None:
        return facts.spill, Words("由现场指定。", "As told from the scene.")
    if facts.volume_l is not None:
        size = SpillSize.SMALL if facts.volume_l <= limit else SpillSize.LARGE
        return size, Words(f"{facts.volume_l:g}升，界限{limit:g}升（ERG 2024）。", f"{facts.volume_l:g} L against the limit of {limit:g} L (ERG 2024).")
    if facts.quantity_kg is not None:
        litres = facts.quantity_kg / float(rule["density_floor_kg_per_l"])
        size = SpillSize.SMALL if litres <= limit else SpillSize.LARGE
        return size, Words(
            f"{facts.quantity_kg:g}千克，按低密度至多{litres:g}升，界限{limit:g}升（ERG 2024）。",
            f"{facts.quantity_kg:g} kg, at most {litres:g} L at a low density, against {limit:g} L (ERG 2024).",
        )
    if facts.container.value in tables.rules()["containers"]["small"]:
        return SpillSize.SMALL, Words("单个小容器，按小量泄漏（ERG 2024）。", "One small container: a small spill (ERG 2024).")
    return SpillSize.LARGE, Words("大容器或数量不明，按大量泄漏。", "A large container or an unknown quantity: taken as a large spill.")


def guide_for(facts: HazmatFacts) -> Guide:
    """The guide to follow: by UN, else by placard, else guide 111: a hazard number alone names many loads."""
    if facts.un is not None:
        return lookup.guide(lookup.by_un(facts.un).guide)
    if facts.placard_class is not None:
        return lookup.guide(lookup.by_placard(facts.placard_class)[0].guide.value)
    return lookup.unknown()


def distances(facts: HazmatFacts, *, daylight: Daylight, wind_class: WindClass = WindClass.LOW) -> Distances:
    """The distances for `facts`, each with its table, edition and row. Raises Rejected as `check` does."""
    check(facts)
    size, why = spill_size(facts)
    substance = lookup.by_un(facts.un) if facts.un is not None else None
    # a number that has several guides (batteries of several kinds) is kept as far off as the gravest of them says
    guides = [lookup.guide(fact.value) for fact in substance.guides] if substance is not None else [guide_for(facts)]
    picked = _pick(facts, substance, guides, size, daylight, wind_class)
    fire_isolation, fire_evacuation, fire_notes = _fire(facts, [d for guide in guides for d in guide.distances])
    return Distances(
        spill=size, spill_why=why, daylight=daylight, wind_class=picked.wind_class, isolation=picked.isolation,
        protective=picked.protective if facts.leak is not False else None, direction=picked.direction, fire_isolation=fire_isolation,
        fire_evacuation=fire_evacuation, only_when_spilled_in_water=picked.water_only, conditional=picked.conditional,
        notes=(*picked.notes, *fire_notes, *_leak_notes(facts)),
    )  # fmt: skip


def reach_m(found: Distances) -> tuple[float, float]:
    """How far a load reaches at most, and how far its isolation: by which the gravest of several is told."""
    return max(d.value for d in _all(found)), found.isolation.value


def _all(found: Distances) -> list[Sourced]:
    return [d for d in (found.isolation, found.protective, found.fire_isolation, found.fire_evacuation) if d is not None]


def together(several: Sequence[Distances]) -> Distances:
    """The distances for several loads at one place, the gravest first: of each kind the longest, with the source that it has."""
    first = several[0]
    if len(several) == 1:
        return first
    chosen, isolation = _both(several)
    # as for the lines of one load: the isolation may rest on water where the protective distance does not
    conditional = chosen.conditional or any(one.conditional and one.isolation is isolation for one in several)
    return replace(
        first, isolation=isolation, protective=chosen.protective, direction=chosen.direction,
        wind_class=next((one.wind_class for one in several if one.wind_class is not None), None),
        fire_isolation=_longest(one.fire_isolation for one in several), fire_evacuation=_longest(one.fire_evacuation for one in several),
        only_when_spilled_in_water=chosen.only_when_spilled_in_water, conditional=conditional,
        notes=tuple(dict.fromkeys(note for one in several for note in one.notes)),
    )  # fmt: skip


_T = TypeVar("_T", Distances, _Picked)


def _both(several: Sequence[_T]) -> tuple[_T, Sourced]:
    """The one whose protective distance is the longest, and the isolation that holds for all.

    Two protective distances of which one holds all around and the other downwind cannot be one zone: the shorter one that holds all around
    then counts as isolation, so that nobody is let into it from upwind.
    """
    chosen = max((one for one in several if one.protective is not None), key=lambda one: one.protective.value if one.protective else 0.0, default=several[0])
    around: list[Sourced] = [one.protective for one in several if one.protective is not None and one.direction is Direction.AROUND and chosen.direction is not Direction.AROUND]
    return chosen, _longest([*(one.isolation for one in several), *around]) or several[0].isolation


def _longest(found: Iterable[Sourced | None]) -> Sourced | None:
    return max((one for one in found if one is not None), key=lambda one: one.value, default=None)


def _leak_notes(facts: HazmatFacts) -> tuple[Words, ...]:
    if facts.leak is None:
        return (tables.said("leak_unknown"),)
    return (tables.said("no_leak"),) if facts.leak is False else ()


def _pick(
    facts: HazmatFacts, substance: Substance | None, guides: Sequence[Guide], size: SpillSize, daylight: Daylight, wind: WindClass
) -> _Picked:
    """Of every line that may hold the longest of each distance: what is not known must not shorten any of them."""
    lines = tables.table1().get(substance.un, ()) if substance else ()
    held, notes = _lines(lines, facts)
    found = [_from_line(line, facts, size, daylight, wind) for line in held]
    if not any(not line.only_when_spilled_in_water for line in held) and not (held and facts.in_water is True):
        found += [_from_guide(guide, facts, size) for guide in guides]  # on land the guide holds where Table 1 has a line for water alone
    chosen, isolation = _both(found)
    conditional = facts.in_water is None and (chosen.water_only or any(one.water_only and one.isolation is isolation for one in found))
    return replace(
        chosen, isolation=isolation, wind_class=next((one.wind_class for one in found if one.wind_class is not None), None), conditional=conditional,
        notes=tuple(dict.fromkeys((*notes, *(note for one in found for note in one.notes)))),
    )  # fmt: skip


def _from_line(line: Table1Line, facts: HazmatFacts, size: SpillSize, daylight: Daylight, wind: WindClass) -> _Picked:
    water = line.only_when_spilled_in_water
    if size is SpillSize.SMALL:
        return _Picked(line.small_isolate, line.small_day if daylight is Daylight.DAY else line.small_night, water_only=water)
    if line.table3:
        row, notes = table3_line(line.un, facts.container)
        return _Picked(row.isolate, row.protective(daylight, wind), wind_class=wind, water_only=water, notes=notes)
    large = line.large_day if daylight is Daylight.DAY else line.large_night
    assert line.large_isolate is not None, line.un
    assert large is not None, line.un
    return _Picked(line.large_isolate, large, water_only=water)


def _lines(lines: tuple[Table1Line, ...], facts: HazmatFacts) -> tuple[list[Table1Line], list[Words]]:
    """The lines of Table 1 that may hold, and what to say about the choice."""
    known = [line for line in lines if facts.material is None or line.material == facts.material]
    group = [line for line in known if facts.hazard_zone is None or line.hazard_zone == facts.hazard_zone] or known
    notes = [tables.said("zones_unknown")] if len({line.hazard_zone for line in group} - {""}) > 1 else []
    if len(names := list(dict.fromkeys(line.material for line in group))) > 1:
        notes.append(tables.said("several_materials", names=" / ".join(names)))
    water = [line for line in group if line.spilled is Spilled.WATER]
    if not water:
        return group, notes
    other = [line for line in group if line.spilled is not Spilled.WATER]
    match facts.in_water:
        case True:
            return water, [*notes, tables.said("in_water")]
        case False:
            return other, [*notes, tables.said("on_land" if other else "not_in_water")]
        case None:
            return [*other, *water], [*notes, tables.said("water_unknown")]


def table3_line(un: str, container: Container) -> tuple[Table3Line, tuple[Words, ...]]:
    """The row of Table 3 for a container; where the book has none, the next larger one, and says so."""
    rows = {row.container: row for row in tables.table3()[un]}
    rules = tables.rules()
    wanted = rules["table3_containers"].get(container.value, rules["table3_containers"]["unknown"])
    name = next((row for row in wanted if row in rows), "rail_tank_car")
    exact = name == wanted[0] and container.value in rules["table3_exact"]
    if exact or (name != wanted[0] and {name, wanted[0]} <= {"small_cylinders", "small_cylinders_or_one_ton"}):
        return rows[name], ()
    return rows[name], (tables.said("table3_row", row_zh=_ROW_ZH[name], row_en=name.replace("_", " ")),)


_ROW_ZH = {
    "rail_tank_car": "铁路罐车", "highway_tank": "公路罐车", "nurse_tank": "农用氨罐", "ton_cylinders": "多个吨瓶",
    "small_cylinders": "多个小钢瓶", "small_cylinders_or_one_ton": "多个小钢瓶或单个吨瓶",
}  # fmt: skip


def _from_guide(guide: Guide, facts: HazmatFacts, size: SpillSize) -> _Picked:
    """Distances from the guide's EVACUATION part: immediate isolation, and for a large spill the evacuation it prints."""
    immediate = [d for d in guide.distances if d.trigger == "immediate" and d.isolate is not None]
    if not immediate:
        unknown = _from_guide(lookup.unknown(), facts, size)
        return replace(unknown, notes=(tables.said("guide_without_distance"),))
    wanted = (facts.physical or Physical.LIQUID).value
    chosen = next((d for d in immediate if d.applies_to == wanted), None) or next((d for d in immediate if d.applies_to == "any"), immediate[0])
    assert chosen.isolate is not None
    large = next((d for d in guide.distances if d.trigger == "large_spill" and d.evacuate is not None), None)
    if size is SpillSize.LARGE and large is not None:
        return _Picked(chosen.isolate, large.evacuate, large.direction)
    return _Picked(chosen.isolate, None)


_IN_VEHICLE = ("vehicle_load", "packages_in_vehicle", "large_quantity", "large_container")


def _fire(facts: HazmatFacts, printed: Sequence[GuideDistance]) -> tuple[Sourced | None, Sourced | None, tuple[Words, ...]]:
    """Isolation and evacuation around a fire. Without a report of fire there is none; drums and bags have no tank distance."""
    if facts.fire is not True:
        return None, None, ()
    tank = facts.container.value in (*tables.rules()["containers"]["tank"], Container.UNKNOWN.value)
    found = [d for d in printed if d.trigger == "fire"]
    fitting = [d for d in found if d.applies_to in _IN_VEHICLE or (tank and d.applies_to.startswith(("tank", "ammonium")))]
    if not fitting:
        return None, None, (tables.said("no_fire_distance"),)
    if not _is_ammonium_nitrate(facts):
        fitting = [d for d in fitting if not d.applies_to.startswith("ammonium")] or fitting
    best = max(fitting, key=lambda d: max(d.isolate.value if d.isolate else 0, d.evacuate.value if d.evacuate else 0))
    return best.isolate, best.evacuate, ()


def _is_ammonium_nitrate(facts: HazmatFacts) -> bool:
    if facts.un is None:
        return False
    return any("ammonium nitrate" in name.casefold() for name in lookup.by_un(facts.un).names_en)

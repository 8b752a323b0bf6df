"""Puts the responder's page together: substance, guide, distances, zones, people, approach, warnings and the limits of the method. No new facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from hub.errors import Rejected
from plans.hazmat import distances as distance_rules
from plans.hazmat import geometry, lookup, receptors, sun, tables
from plans.hazmat import wind as winds
from plans.hazmat.model import (
    Container,
    Daylight,
    Distances,
    Guide,
    HazmatCard,
    HazmatFacts,
    HinMeaning,
    Receptor,
    Shape,
    Substance,
    Words,
    Zone,
)

_CONTAINER_ZH = {
    Container.ROAD_TANKER: "公路罐车", Container.RAIL_TANK_CAR: "铁路罐车", Container.TANK_CONTAINER: "罐式集装箱", Container.NURSE_TANK: "农用氨罐",
    Container.TON_CYLINDER: "吨瓶", Container.TON_CYLINDERS: "多个吨瓶", Container.CYLINDER: "钢瓶", Container.CYLINDERS: "多个钢瓶",
    Container.DRUM: "桶", Container.DRUMS: "多个桶", Container.IBC: "中型散装容器", Container.BAG: "袋", Container.PACKAGE: "包件",
    Container.FIXED_TANK: "储罐", Container.SHIP: "船舶", Container.PIPELINE: "管道", Container.UNKNOWN: "容器不明",
}  # fmt: skip


def card(
    facts: HazmatFacts, *, at: datetime, known: Iterable[Receptor] | None = None, shape: Shape = Shape.WEDGE, beside: Sequence[HazmatFacts] = ()
) -> HazmatCard:
    """The card for what is known at `at`. Without `facts.point` there are distances but no zones, and the longer night column is used.

    `beside` are further loads at the same place, in the same wind: the card is that of the gravest, of each kind of distance the longest of
    all is drawn, and the others are named with theirs. `known` are the receptors to look at (default: the packaged ones, demo data included and marked). Raises Rejected for a number,
    wind or quantity that cannot be.
    """
    if at.tzinfo is None:
        raise Rejected("bad_time", "时间缺少时区。", "A time without an offset.", field="at")
    daylight = sun.daylight(facts.point, at) if facts.point is not None else Daylight.NIGHT
    wind_class = winds.table3_class(facts.wind)
    loads = [(one, distance_rules.distances(one, daylight=daylight, wind_class=wind_class)) for one in (facts, *beside)]
    loads.sort(key=lambda load: distance_rules.reach_m(load[1]), reverse=True)
    facts, others = loads[0][0], loads[1:]
    substance = lookup.by_un(facts.un) if facts.un is not None else None
    hin = lookup.hin_meaning(facts.hin) if facts.hin is not None else None
    placard = lookup.by_placard(facts.placard_class)[0] if facts.placard_class is not None else None
    guide = distance_rules.guide_for(facts)
    found = distance_rules.together([distances for _, distances in loads])
    zones: tuple[Zone, ...] = geometry.zones(facts.point, found, facts.wind, at, shape=shape) if facts.point is not None else ()
    affected = receptors.inside(zones, receptors.known() if known is None else known) if zones else ()
    return HazmatCard(
        made_at=at, facts=facts, title=_title(facts, substance), substance=substance, hin=hin, placard=placard, guide=guide, distances=found, zones=zones,
        affected=affected, junctions_to_close=receptors.junctions_to_close(affected), evacuation=receptors.evacuation_list(affected),
        towns_to_ask=receptors.to_ask(zones), wind=facts.wind, warnings=(*_beside(others), *_warnings(facts, substance, hin, guide, zones, at)),
        staging=receptors.staging(facts.point, found, facts.wind, at) if facts.point is not None else None,
        limits=tuple(Words(line["zh"], line["en"]) for line in tables.rules()["limits"]),
    )  # fmt: skip


def _beside(others: Sequence[tuple[HazmatFacts, Distances]]) -> list[Words]:
    """What lies beside the gravest load: each with its own distances, and what is particular about it."""
    found = []
    for facts, own in others:
        substance = lookup.by_un(facts.un) if facts.un is not None else None
        title, isolation, protective = _title(facts, substance), own.isolation.value, own.protective
        zh, en = f"{isolation:g}米", f"{isolation:g} m"
        if protective is not None:
            zh, en = f"{zh}、防护{protective.value:g}米", f"{en}, protective distance {protective.value:g} m"
        found.append(Words(
            f"同时涉及：{title.zh}，单独计隔离{zh}；图上各取最大者。", f"Also there: {title.en}, by itself isolation {en}; the longest of each is drawn."
        ))  # fmt: skip
        found += _substance_warnings(facts, substance) if substance is not None else []
    return found


def _title(facts: HazmatFacts, substance: Substance | None) -> Words:
    zh, en = "不明危险货物", "Unknown dangerous goods"
    if substance is not None:
        zh, en = f"{substance.name_zh or substance.name_en} UN{substance.un}", f"{substance.name_en} UN{substance.un}"
    elif facts.placard_class is not None:
        placard = lookup.by_placard(facts.placard_class)[0]
        zh, en = f"{placard.class_} {placard.name.zh}", f"{placard.class_} {placard.name.en}"
    state = {
        (True, True): ("泄漏并着火", "leak and fire"), (True, False): ("泄漏", "leak"), (False, True): ("着火", "fire"), (False, False): ("未见泄漏", "no leak seen")
    }[facts.leak is not False, facts.fire is True]  # fmt: skip
    container = facts.container.value.replace("_", " ")
    return Words(f"{zh} · {_CONTAINER_ZH[facts.container]} · {state[0]}", f"{en} · {container} · {state[1]}")


def _warnings(
    facts: HazmatFacts, substance: Substance | None, hin: HinMeaning | None, guide: Guide, zones: tuple[Zone, ...], at: datetime
) -> tuple[Words, ...]:
    found: list[Words] = []
    if substance is not None:
        found += _substance_warnings(facts, substance)
    elif facts.placard_class is None:
        found.append(tables.said("unknown_material"))
    if hin is not None and hin.no_water:
        found.append(tables.said("no_water", hin=hin.hin))
    if guide.note is not None:
        found.append(guide.note)
    if any(zone.radius.plus for zone in zones):
        found.append(tables.said("plus"))
    if facts.point is None:
        found.append(Words("没有位置：昼夜不明，按夜间；未画区域。", "No place: day or night is unknown, night is used; no zone is drawn."))
    elif not receptors.in_district(facts.point):
        found.append(Words("地点在本区之外，受体数据不全。", "The place is outside the district, receptors are incomplete."))
    notes = winds.use(facts.wind, at).notes
    return (*found, *notes)


def _substance_warnings(facts: HazmatFacts, substance: Substance) -> list[Words]:
    found: list[Words] = []
    if facts.hin is not None and lookup.plate_agrees(facts.hin, substance.un) is False:
        found.append(lookup.unlike(substance.un))
    if substance.gas_in_water is not None:
        found.append(tables.said("gas_in_water", gas=substance.gas_in_water.value))
    if substance.polymerises:
        found.append(tables.said("polymerises"))
    if len(substance.guides) > 1:
        numbers = [fact.value for fact in substance.guides]
        found.append(tables.said("several_guides", numbers_zh="、".join(numbers), numbers_en=", ".join(numbers)))
    return found

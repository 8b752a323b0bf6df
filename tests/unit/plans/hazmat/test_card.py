"""The responder's card for a rollover, from facts to limits, and as JSON."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from hub.errors import Rejected
from plans.hazmat.card import card
from plans.hazmat.model import Container, Daylight, HazmatCard, HazmatFacts, Point, Shape, Wind, ZoneKind
from plans.hazmat.wind import measured, parse

AT = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
HERE = Point(119.112, 34.865)
WIND = parse("东南风2级", AT)


def _ammonia(wind: Wind | None = WIND, at: datetime = AT, **more: object) -> HazmatCard:
    given: dict[str, object] = {"un": "1005", "hin": "268", "leak": True, "container": Container.ROAD_TANKER, "quantity_kg": 25000, "point": HERE, "wind": wind}
    return card(HazmatFacts(**(given | more)), at=at)  # type: ignore[arg-type]


def test_the_rollover_with_plate_268_1005_gets_its_whole_card() -> None:
    found = _ammonia()
    assert found.title.zh == "液氨 UN1005 · 公路罐车 · 泄漏"
    assert found.guide.guide == "125"
    assert found.hin is not None and "有毒气体" in found.hin.meaning.zh
    assert (found.distances.isolation.value, found.distances.isolation.source) == (150, "ERG 2024, Table 3, UN1005 highway tank, isolate")
    assert [zone.kind for zone in found.zones] == [ZoneKind.ISOLATION, ZoneKind.PROTECTIVE]
    assert found.zones[1].downwind_deg == 315
    assert found.staging is not None and found.staging.approach_deg == 135
    assert found.affected and found.junctions_to_close and found.evacuation and found.towns_to_ask
    assert len(found.limits) >= 4 and all(words.zh and words.en for words in found.limits)


def test_a_card_survives_the_way_to_the_phone_and_back() -> None:
    found = _ammonia()
    assert msgspec.json.decode(msgspec.json.encode(found), type=HazmatCard) == found


def test_night_at_the_place_gives_the_night_distance() -> None:
    night = _ammonia(at=datetime(2026, 11, 23, 12, 0, tzinfo=UTC), wind=parse("东南风2级", datetime(2026, 11, 23, 12, 0, tzinfo=UTC)))
    assert night.distances.daylight is Daylight.NIGHT
    assert night.distances.protective is not None and night.distances.protective.value == 1800


def test_the_wedge_follows_the_wind_and_the_people_change() -> None:
    before, after = _ammonia(), _ammonia(measured(225, 2, AT, origin="telemetry"))
    assert after.zones[1].downwind_deg == 45
    assert {a.receptor.id for a in before.affected} != {a.receptor.id for a in after.affected}


def test_nothing_known_gives_guide_111_and_says_what_to_do() -> None:
    found = card(HazmatFacts(point=HERE, fire=True, container=Container.ROAD_TANKER), at=AT)
    assert found.guide.guide == "111"
    assert found.substance is None
    assert found.zones[0].radius.value == 100 and found.zones[1].radius.value == 800
    assert any("100米" in words.zh for words in found.warnings)


def test_a_load_of_which_only_the_diamond_is_seen_is_called_by_it_and_not_sent_to_guide_111() -> None:
    seen = card(HazmatFacts(placard_class="2.3", leak=True), at=AT)
    assert seen.guide.guide == "123" and "有毒气体" in seen.title.zh and "toxic gas" in seen.title.en
    assert not any("111" in words.zh for words in seen.warnings)


def test_a_plate_that_does_not_fit_is_warned_of() -> None:
    assert any("橙色牌上下不符" in words.zh for words in _ammonia(hin="33").warnings)


def test_x_and_water_reactive_loads_warn_of_water() -> None:
    found = card(HazmatFacts(un="1428", hin="X423", leak=True, point=HERE), at=AT)
    assert any("禁用水" in words.zh for words in found.warnings)
    silane = card(HazmatFacts(un="1295", leak=True, point=HERE), at=AT)
    assert any("HCl" in words.zh for words in silane.warnings)
    assert all(zone.conditional for zone in silane.zones)


def test_eleven_plus_is_said_on_the_card() -> None:
    found = card(HazmatFacts(un="2480", leak=True, point=HERE, wind=WIND), at=AT)
    assert any("11.0+" in words.zh for words in found.warnings)


def test_without_a_place_there_are_distances_but_no_zones() -> None:
    found = _ammonia(point=None)
    assert found.zones == () and found.staging is None
    assert found.distances.daylight is Daylight.NIGHT
    assert any("没有位置" in words.zh for words in found.warnings)


def test_a_place_outside_the_district_is_said() -> None:
    assert any("本区之外" in words.zh for words in _ammonia(point=Point(116.4, 39.9)).warnings)


def test_the_square_of_the_book_can_be_asked_for() -> None:
    found = card(HazmatFacts(un="1005", leak=True, point=HERE, wind=WIND), at=AT, shape=Shape.SQUARE)
    assert found.zones[1].shape is Shape.SQUARE


def test_impossible_facts_are_refused_before_anything_is_drawn() -> None:
    with pytest.raises(Rejected, match="unknown_un"):
        _ammonia(un="0000")
    with pytest.raises(Rejected, match="bad_place"):
        Point(200, 34)
    with pytest.raises(Rejected, match="bad_time"):
        _ammonia(at=datetime(2026, 11, 23, 6, 0))


def _load(un: str | None, **more: object) -> HazmatFacts:
    given: dict[str, object] = {"un": un, "leak": True, "container": Container.ROAD_TANKER, "point": HERE, "wind": WIND}
    return HazmatFacts(**(given | more))  # type: ignore[arg-type]


@pytest.mark.parametrize("first", ["1203", "1017"])
def test_of_several_loads_the_gravest_is_the_card_and_the_longest_of_each_distance_is_drawn(first: str) -> None:
    second = "1017" if first == "1203" else "1203"
    burning = {"1203": _load("1203", fire=True), "1017": _load("1017")}
    alone = {un: card(load, at=AT) for un, load in burning.items()}
    found = card(burning[first], beside=[burning[second]], at=AT)
    assert found.substance is not None and found.substance.un == "1017", "the order in which they were reported does not matter"
    assert found.distances.protective == alone["1017"].distances.protective
    assert found.distances.isolation == alone["1017"].distances.isolation
    assert found.distances.fire_isolation == alone["1203"].distances.fire_isolation and found.distances.fire_isolation is not None
    assert any("UN1203" in words.zh for words in found.warnings)


def test_what_holds_all_around_one_load_is_kept_clear_upwind_of_another() -> None:
    found = card(_load("1017"), beside=[_load("0081")], at=AT)
    protective = found.distances.protective
    assert protective is not None and protective.value > 800, "chlorine's, downwind"
    assert found.distances.isolation.value == 800, "explosives: 800 m all around (ERG 2024, guide 112, large spill)"
    assert found.staging is not None and found.staging.distance.value > 800


def test_the_isolation_of_one_load_that_rests_on_water_says_so_also_beside_one_that_reaches_further() -> None:
    ether, phosphide = "1239", "1397"
    found = card(_load(ether), beside=[_load(phosphide)], at=AT)
    assert found.distances.isolation.row.startswith("UN1397, spilled in water") and found.distances.protective is not None
    assert found.distances.protective.row.startswith("UN1239"), "two loads, each with one of the distances"
    assert found.distances.conditional and all(zone.conditional for zone in found.zones)
    assert not card(_load(ether), beside=[_load("1203")], at=AT).distances.conditional


def test_one_waits_outside_what_is_evacuated_all_around() -> None:
    found = card(_load("0081"), at=AT)
    assert found.staging is not None
    assert found.staging.distance.value > max(zone.radius.value for zone in found.zones)

"""Who lies in a zone, whom to move first, which towns to ask, from where to come in; and that invented data says so."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hub.errors import Rejected
from plans.hazmat import receptors
from plans.hazmat.distances import distances
from plans.hazmat.geometry import bearing_distance, contains, zones
from plans.hazmat.model import Container, Daylight, HazmatFacts, Point, Precision, ReceptorKind, ZoneKind
from plans.hazmat.wind import parse

AT = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
HERE = Point(119.112, 34.865)
FACTS = HazmatFacts(un="1005", leak=True, container=Container.ROAD_TANKER, quantity_kg=25000)
FOUND = distances(FACTS, daylight=Daylight.DAY)
SOUTH_EAST = parse("东南风2级", AT)
DRAWN = zones(HERE, FOUND, SOUTH_EAST, AT)
HEADER = "id,kind,name_zh,name_en,town_code,lon,lat,population\n"


def test_the_district_has_its_outline_towns_and_villages() -> None:
    assert len(receptors.district()) == 71
    assert len(receptors.towns()) == 18
    assert len(receptors.villages()) == 465
    assert {v.town_code for v in receptors.villages()} <= {t.town_code for t in receptors.towns()}


def test_no_village_has_a_made_up_position_and_towns_are_approximate() -> None:
    assert all(v.point is None and v.precision is Precision.UNKNOWN and v.population is None for v in receptors.villages())
    placed = [t for t in receptors.towns() if t.point is not None]
    assert len(placed) == 17
    assert all(t.precision is Precision.APPROXIMATE and receptors.in_district(t.point) for t in placed if t.point)


def test_invented_receptors_are_marked_as_invented() -> None:
    assert len(receptors.demo()) > 80
    for receptor in receptors.demo():
        assert receptor.demo and receptor.precision is Precision.DEMO
        assert "演示" in receptor.name_zh
        assert receptor.point is not None and receptors.in_district(receptor.point)
    assert not any(r.demo for r in receptors.known(include_demo=False))


def test_receptors_inside_come_nearest_first_with_bearing_and_zone() -> None:
    affected = receptors.inside(DRAWN, receptors.demo())
    assert [a.receptor.id for a in affected] == ["demo-near-07", "demo-near-01", "demo-near-04", "demo-near-03", "demo-near-10"]
    assert [a.distance_m for a in affected] == sorted(a.distance_m for a in affected)
    assert affected[0].bearing_deg == pytest.approx(300, abs=0.5)
    assert all(a.zones == (ZoneKind.PROTECTIVE,) for a in affected)


def test_junctions_to_close_and_population_come_from_the_affected() -> None:
    affected = receptors.inside(DRAWN, receptors.demo())
    assert [a.receptor.kind for a in receptors.junctions_to_close(affected)] == [ReceptorKind.ROAD_JUNCTION]
    assert receptors.population(affected) == (860 + 740, 0)


def test_the_evacuation_list_starts_with_the_isolation_zone_and_names_the_slow() -> None:
    burning = distances(HazmatFacts(un="1978", leak=True, fire=True, container=Container.ROAD_TANKER), daylight=Daylight.DAY)
    affected = receptors.inside(zones(HERE, burning, SOUTH_EAST, AT), receptors.demo())
    items = receptors.evacuation_list(affected)
    assert [item.order for item in items] == list(range(1, len(items) + 1))
    assert not any("路口" in item.name_zh or "取水口" in item.name_zh for item in items)
    inner = ["立即撤离" in item.action.zh for item in items]
    assert inner == sorted(inner, reverse=True)
    home = next(item for item in items if "敬老院" in item.name_zh)
    assert "医护" in home.action.zh and not home.done and home.demo


def test_towns_whose_villages_have_no_position_are_named_to_be_asked() -> None:
    asked = receptors.to_ask(DRAWN)
    assert "青口镇" in {town.name_zh for town in asked}
    assert all(town.villages_without_position > 0 and town.why.en for town in asked)
    assert receptors.to_ask(()) == ()


def test_the_way_in_is_upwind_and_staging_lies_outside_every_zone() -> None:
    place = receptors.staging(HERE, FOUND, SOUTH_EAST, AT)
    assert place.approach_deg == 135
    assert "东南" in place.approach.zh and "SE" in place.approach.en
    assert place.point is not None
    bearing, distance = bearing_distance(HERE, place.point)
    assert (bearing, distance) == (pytest.approx(135, abs=0.01), pytest.approx(225, abs=0.1))
    assert not any(contains(zone, place.point) for zone in DRAWN)
    assert "assumption" in place.distance.row


def test_without_a_wind_nobody_is_sent_in() -> None:
    place = receptors.staging(HERE, FOUND, None, AT)
    assert place.approach_deg is None and place.point is None
    assert "不得靠近" in place.approach.zh


def test_a_district_can_bring_its_own_receptors() -> None:
    own = receptors.parse_csv(HEADER + "s1,school,某小学,,320707100,119.11,34.86,300\n", source="district list 2026")
    assert own[0].precision is Precision.SURVEYED and not own[0].demo and own[0].population == 300


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("s1,castle,城堡,,x,119,34,1", "1.kind"),
        ("s1,school,学校,,x,here,34,1", "1.lon"),
        ("s1,school,学校,,x,119,134,1", "1.lon"),
        ("s1,school,学校,,x,nan,34,1", "1.lon"),
        ("s1,school,学校,,x,119,34,-5", "1.population"),
        (",school,学校,,x,119,34,5", "1.id"),
        ("s1,school,学校,,x,119,34,5\ns1,school,学校,,x,119,34,5", "2.id"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_taken(line: str, field: str) -> None:
    with pytest.raises(Rejected) as refused:
        receptors.parse_csv(HEADER + line + "\n", source="x")
    assert refused.value.code == "bad_receptor"
    assert refused.value.field == field


def test_a_file_without_a_column_is_refused() -> None:
    with pytest.raises(Rejected, match="bad_receptor"):
        receptors.parse_csv("id,kind\n1,school\n", source="x")

"""Which cameras an incident opens, and why each: the rule by itself, every number out of the rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import cos, radians
from typing import Any

import msgspec
import pytest

from hub.domain.camera import CameraPlace, CameraView, EnterpriseView, LinkedCamera
from hub.domain.incident import IncidentView
from hub.domain.linkage import LinkageRules, Point, bearing, between, metres, packaged_linkage, pick
from hub.domain.report import PlaceView
from hub.wire import Hazmat, Wind
from tests.support.district import incident_view

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
RULES = packaged_linkage()
LON, LAT = 119.13, 34.86


def beside(north_m: float = 0.0, east_m: float = 0.0) -> dict[str, float]:
    """A point so many metres from the scene."""
    return {"lon": LON + east_m / (111_195 * cos(radians(LAT))), "lat": LAT + north_m / 111_195}


def scene(*, place: dict[str, Any] | None = None, **given: Any) -> IncidentView:
    shown = incident_view(1, event_types=given.pop("event_types", ("11A01",)))
    at = {"lon": LON, "lat": LAT} if place is None else place
    return msgspec.structs.replace(shown, place=PlaceView(**at), **given)


def camera(id: str, *, health: str = "online", enterprise: str | None = None, **place: Any) -> CameraView:
    return CameraView(id=f"plant/{id}", agent_id="plant", camera_id=id, name=id, department_id=None, enterprise_id=enterprise,
                      place=CameraPlace(**place), health=health)


def picked(incident: IncidentView, *cameras: CameraView, enterprises: tuple[EnterpriseView, ...] = (), winds: tuple[Wind, ...] = (),
           rules: LinkageRules = RULES) -> list[LinkedCamera]:
    return list(pick(incident, cameras, {one.id: one for one in enterprises}, winds, NOW, rules))


def codes(linked: LinkedCamera) -> list[str]:
    return [why.code for why in linked.reasons]


def test_the_enterprise_s_own_cameras_come_before_nearer_ones_of_others() -> None:
    home = EnterpriseView(id="plant-a", zh="甲厂", **beside())
    linked = picked(scene(place={"enterprise_id": "plant-a"}), camera("other", **beside(50)), camera("own", enterprise="plant-a", **beside(800)),
                    enterprises=(home,))
    assert [one.camera_id for one in linked] == ["own", "other"]
    assert codes(linked[0])[0] == "enterprise"
    assert linked[0].distance_m == pytest.approx(800, rel=0.01)


def test_distance_links_up_to_the_limit_and_the_nearest_first() -> None:
    linked = picked(scene(), camera("far", **beside(RULES.near_m + 20)), camera("edge", **beside(RULES.near_m - 20)), camera("near", **beside(100)))
    assert [one.camera_id for one in linked] == ["near", "edge"]
    assert all("near" in codes(one) for one in linked)


def test_a_camera_that_looks_at_the_scene_says_so_and_one_that_looks_away_does_not() -> None:
    south = beside(-200)
    linked = {one.camera_id: one for one in picked(
        scene(), camera("looks", bearing_deg=10, fov_deg=60, **south), camera("away", bearing_deg=180, fov_deg=60, **south),
        camera("turns", turns=True, **south), camera("short", bearing_deg=0, fov_deg=60, range_m=100, **south))}
    assert "looks" in codes(linked["looks"])
    assert "10°" in next(why.zh for why in linked["looks"].reasons if why.code == "looks")
    assert "looks" not in codes(linked["away"]) + codes(linked["short"])
    assert "turns" in codes(linked["turns"])
    assert linked["looks"].score > linked["turns"].score > linked["away"].score


def test_a_view_across_north_counts_on_both_sides() -> None:
    assert between(350, 10) == 20
    linked = picked(scene(), camera("north", bearing_deg=355, fov_deg=40, **beside(-100, -20)))
    assert "looks" in codes(linked[0])


def test_the_same_road_links_by_kilometre_post_and_nearer_posts_count_more() -> None:
    on_road = {"lon": LON, "lat": LAT, "road": "G204", "road_km": 42.0}
    linked = picked(scene(place=on_road), camera("k43", road="g204", road_km=43.0), camera("k46", road="G204", road_km=46.0),
                    camera("k60", road="G204", road_km=60.0), camera("s", road="S235", road_km=42.0))
    assert [one.camera_id for one in linked] == ["k43", "k46"]
    assert codes(linked[0]) == ["road"]
    assert "1.0" in linked[0].reasons[0].zh


def wind(from_deg: float, *, speed: float = 3.0, age_min: float = 5, **at: float) -> Wind:
    return Wind(from_deg=from_deg, speed_mps=speed, at=NOW - timedelta(minutes=age_min), **at)


def test_cameras_under_the_cloud_are_linked_where_something_is_in_the_air() -> None:
    downwind, upwind = camera("south", **beside(-4000)), camera("north", **beside(4000))
    leaking = scene(event_types=("12D02",))
    assert [one.camera_id for one in picked(leaking, downwind, upwind, winds=(wind(0),))] == ["south"]
    assert [one.camera_id for one in picked(leaking, downwind, upwind, winds=(wind(180),))] == ["north"]
    assert picked(scene(), downwind, upwind, winds=(wind(0),)) == []


@pytest.mark.parametrize("useless", [wind(0, speed=RULES.calm_mps / 2), wind(0, age_min=RULES.wind_max_age_min + 1)])
def test_a_calm_or_an_old_wind_says_nothing(useless: Wind) -> None:
    assert picked(scene(event_types=("12D02",)), camera("south", **beside(-4000)), winds=(useless,)) == []


def test_the_wind_measured_nearest_to_the_scene_decides() -> None:
    winds = (wind(180, **beside(50_000)), wind(0, **beside(500)), wind(90))
    assert [one.camera_id for one in picked(scene(event_types=("12D02",)), camera("south", **beside(-4000)), winds=winds)] == ["south"]


def test_a_load_that_leaks_counts_as_airborne_whatever_the_event_is_called() -> None:
    leaking = scene(hazmat=(Hazmat(un="1005", leak=True),))
    linked = picked(leaking, camera("cordon", **beside(RULES.zone_m - 10)), camera("beyond", **beside(RULES.zone_m + 10)))
    assert ["zone" in codes(one) for one in linked] == [True, False]
    assert "zone" not in codes(picked(scene(), camera("cordon", **beside(10)))[0])


def test_a_grave_neighbour_is_watched_and_a_harmless_one_is_not_named() -> None:
    grave = EnterpriseView(id="grave", zh="乙厂", hazard_level=1, **beside(500))
    light = EnterpriseView(id="light", zh="丙厂", hazard_level=4, **beside(500))
    linked = {one.camera_id: one for one in picked(scene(), camera("g", enterprise="grave"), camera("l", enterprise="light"), enterprises=(grave, light))}
    assert "neighbour" in codes(linked["g"])
    assert "neighbour" not in codes(linked["l"])


def test_the_town_is_better_than_nothing_and_only_then() -> None:
    home = EnterpriseView(id="a", zh="甲厂", adcode="320707108")
    linked = picked(scene(place={"adcode": "320707108"}), camera("c", enterprise="a"), enterprises=(home,))
    assert codes(linked[0]) == ["town"]
    assert picked(scene(place={"adcode": "320707109"}), camera("c", enterprise="a"), enterprises=(home,)) == []
    assert picked(scene(place={"adcode": "320707"}), camera("c", enterprise="a"), enterprises=(home,)) == []


def test_a_camera_without_a_picture_comes_last_and_is_neither_played_nor_recorded() -> None:
    linked = picked(scene(), camera("dead", health="offline", **beside(10)), camera("covered", health="covered", **beside(10)), camera("well", **beside(900)))
    assert [one.camera_id for one in linked] == ["well", "covered", "dead"]
    assert [one.plays for one in linked] == [True, True, False]
    assert [one.recorded for one in linked] == [True, True, False]
    assert codes(linked[1])[-1] == "unwell"


def test_links_and_recordings_have_a_cap_and_the_most_telling_are_kept() -> None:
    many = [camera(f"c{n:03d}", **beside(10 * n + 10)) for n in range(RULES.most_linked + 30)]
    linked = picked(scene(), *reversed(many))
    assert [one.camera_id for one in linked] == [f"c{n:03d}" for n in range(RULES.most_linked)]
    assert [one.recorded for one in linked] == [n < RULES.most_recorded for n in range(RULES.most_linked)]


def test_the_choice_does_not_depend_on_the_order_of_the_registry() -> None:
    cameras = [camera(f"c{n}", **beside(100)) for n in range(6)]
    assert picked(scene(), *cameras) == picked(scene(), *reversed(cameras))


def test_nothing_known_of_the_place_links_nothing_and_never_fails() -> None:
    assert picked(scene(place={}), camera("a"), camera("b", **beside(10)), camera("c", road="G204", road_km=1.0)) == []


def test_every_reason_is_said_in_both_languages() -> None:
    full = picked(scene(event_types=("12D02",), place={"lon": LON, "lat": LAT, "road": "G204", "road_km": 1.0, "enterprise_id": "a"}),
                  camera("c", enterprise="a", road="G204", road_km=1.2, bearing_deg=0, fov_deg=90, turns=True, **beside(-100)),
                  enterprises=(EnterpriseView(id="a", zh="甲厂", **beside()),), winds=(wind(0),))
    assert set(codes(full[0])) == {"enterprise", "road", "near", "looks", "turns", "downwind", "zone"}
    assert all(why.zh and why.en and why.zh != why.en for why in full[0].reasons)


def test_distances_and_bearings_are_those_of_the_sphere() -> None:
    assert metres(Point(0, 0), Point(0, 1)) == pytest.approx(111_195, rel=1e-4)
    assert bearing(Point(0, 0), Point(1, 0)) == pytest.approx(90)
    assert bearing(Point(0, 1), Point(0, 0)) == pytest.approx(180)

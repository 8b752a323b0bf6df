"""When zones are drawn, by whose wind, and when a wind has turned."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from hub.domain.report import PlaceView
from hub.domain.zone import FRESH, as_stated, nearest_wind, wants_zones
from hub.wire import Hazmat, Wind
from tests.support.district import NOW, incident_view


def blowing(lon: float | None, minutes_ago: float = 1, from_deg: float = 90) -> Wind:
    return Wind(from_deg=from_deg, speed_mps=3, at=NOW - timedelta(minutes=minutes_ago), lon=lon, lat=34.8 if lon is not None else None)


def test_zones_need_dangerous_goods_and_a_point() -> None:
    bare = msgspec.structs.replace(incident_view(1, event_types=("12H00",)), place=PlaceView(text="G204", lon=119.1, lat=34.8))
    assert not wants_zones(bare)
    assert wants_zones(msgspec.structs.replace(bare, event_types=("12D02",)))
    assert wants_zones(msgspec.structs.replace(bare, hazmat=(Hazmat(un="1005"),)))
    assert wants_zones(msgspec.structs.replace(bare, hazmat=(Hazmat(cas="7782-50-5"),)))
    assert not wants_zones(msgspec.structs.replace(bare, hazmat=(Hazmat(un="1005"),), place=PlaceView(text="G204")))


def test_the_nearest_fresh_wind_counts_and_one_without_a_point_last() -> None:
    measured = [("far", blowing(119.5)), ("near", blowing(119.11)), ("stale", blowing(119.1, FRESH.total_seconds() / 60 + 1)), ("nowhere", blowing(None))]
    found = nearest_wind(measured, 119.1, 34.8, NOW)
    assert found is not None and found[0] == "near"
    assert nearest_wind([measured[3]], 119.1, 34.8, NOW) == measured[3]
    assert nearest_wind([measured[2]], 119.1, 34.8, NOW) is None
    assert nearest_wind([("ahead", blowing(119.1, -30))], 119.1, 34.8, NOW) is None


def test_answers_about_the_load_are_what_zones_go_by() -> None:
    bare = msgspec.structs.replace(incident_view(1, event_types=("12H00",)), place=PlaceView(text="G204", lon=119.1, lat=34.8))
    told = as_stated(bare, {"hazmat.un": "1005", "hazmat.leak": True, "casualties.dead": 1, "hazmat.guide": "125"})
    assert told.hazmat == (Hazmat(un="1005", leak=True),)
    assert wants_zones(told)
    assert as_stated(bare, {"casualties.dead": 1}) is bare


def test_an_answer_about_the_load_fills_what_was_not_known_and_leaves_another_load_what_it_is() -> None:
    two = msgspec.structs.replace(incident_view(1, event_types=("12H00",)), hazmat=(Hazmat(un="1203", leak=False), Hazmat(un="9999", leak=None)))
    told = as_stated(two, {"hazmat.un": "1017", "hazmat.leak": True}, {"1203", "1017"}.__contains__)
    assert told.hazmat == (Hazmat(un="1203", leak=False), Hazmat(un="1017", leak=True)), "the number that no table knows is the one put right"
    known = msgspec.structs.replace(two, hazmat=(Hazmat(un="1203"),))
    assert as_stated(known, {"hazmat.un": "1017"}).hazmat == (Hazmat(un="1017"),), "one load alone is corrected"


def test_a_sensor_that_fell_silent_does_not_hide_the_wind_of_now() -> None:
    measured = [("near", blowing(119.1, 40, from_deg=0)), ("farther", blowing(119.3, 1, from_deg=180))]
    found = nearest_wind(measured, 119.1, 34.8, NOW, stale_after=timedelta(minutes=30))
    assert found is not None and found[0] == "farther"
    alone = nearest_wind(measured[:1], 119.1, 34.8, NOW, stale_after=timedelta(minutes=30))
    assert alone is not None and alone[0] == "near", "an old wind is better than none; the wedge is widened"

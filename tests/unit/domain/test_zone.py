"""When zones are drawn, by whose wind, and when a wind has turned."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from hub.domain.report import PlaceView
from hub.domain.zone import FRESH, TURNED_DEG, has_turned, nearest_wind, wants_zones
from hub.wire import Hazmat, Wind
from plans.hazmat import wind as winds
from tests.support.district import NOW, incident_view


def blowing(lon: float | None, minutes_ago: float = 1, from_deg: float = 90) -> Wind:
    return Wind(from_deg=from_deg, speed_mps=3, at=NOW - timedelta(minutes=minutes_ago), lon=lon, lat=34.8 if lon is not None else None)


def test_zones_need_dangerous_goods_and_a_point() -> None:
    bare = msgspec.structs.replace(incident_view(1, event_types=("12H00",)), place=PlaceView(text="G204", lon=119.1, lat=34.8))
    assert not wants_zones(bare)
    assert wants_zones(msgspec.structs.replace(bare, event_types=("12D02",)))
    assert wants_zones(msgspec.structs.replace(bare, hazmat=(Hazmat(un="1005"),)))
    assert not wants_zones(msgspec.structs.replace(bare, hazmat=(Hazmat(un="1005"),), place=PlaceView(text="G204")))


def test_the_nearest_fresh_wind_counts_and_one_without_a_point_last() -> None:
    measured = [("far", blowing(119.5)), ("near", blowing(119.11)), ("stale", blowing(119.1, FRESH.total_seconds() / 60 + 1)), ("nowhere", blowing(None))]
    found = nearest_wind(measured, 119.1, 34.8, NOW)
    assert found is not None and found[0] == "near"
    assert nearest_wind([measured[3]], 119.1, 34.8, NOW) == measured[3]
    assert nearest_wind([measured[2]], 119.1, 34.8, NOW) is None
    assert nearest_wind([("ahead", blowing(119.1, -30))], 119.1, 34.8, NOW) is None


@pytest.mark.parametrize(("before", "after", "turned"), [(90, 90 + TURNED_DEG - 1, False), (90, 90 + TURNED_DEG, True), (355, 4, False), (355, 5, True),
                                                         (0, 360, False), (None, 90, True), (90, None, True), (None, None, False)])
def test_a_wind_has_turned_round_the_compass_too(before: float | None, after: float | None, turned: bool) -> None:
    old, new = (None if deg is None else winds.measured(deg, 3, NOW, origin="x") for deg in (before, after))
    assert has_turned(old, new) is turned

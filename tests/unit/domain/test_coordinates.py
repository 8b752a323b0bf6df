"""From GCJ-02 and BD-09 to WGS-84."""

from math import cos, hypot, radians

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.coordinates import cell_of, cells_within, from_wgs84, to_wgs84
from hub.wire import Crs


def metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    return hypot((a[0] - b[0]) * cos(radians(a[1])), a[1] - b[1]) * 111_320


def test_a_gcj02_point_at_qingkou_lies_about_529_metres_from_its_wgs84_point() -> None:
    gcj = from_wgs84(119.13, 34.84, Crs.GCJ02)
    assert metres((119.13, 34.84), gcj) == pytest.approx(529, abs=10)


@given(st.floats(73.5, 135), st.floats(3.9, 53.5), st.sampled_from([Crs.GCJ02, Crs.BD09]))
def test_there_and_back_again_is_the_same_place_within_a_hand(lon: float, lat: float, crs: Crs) -> None:
    assert metres((lon, lat), to_wgs84(*from_wgs84(lon, lat, crs), crs)) < (0.1 if crs is Crs.GCJ02 else 2.0)


def test_outside_china_gcj02_is_wgs84() -> None:
    assert to_wgs84(2.35, 48.85, Crs.GCJ02) == (2.35, 48.85)


@pytest.mark.parametrize("crs", Crs)
@pytest.mark.parametrize("edge", [(-180.0, -90.0), (180.0, 90.0), (0.0, 0.0), (72.004, 0.8293), (137.8347, 55.8271)])
def test_what_comes_from_the_edge_of_the_world_lies_on_it(edge: tuple[float, float], crs: Crs) -> None:
    lon, lat = to_wgs84(*edge, crs)
    assert -180 <= lon <= 180 and -90 <= lat <= 90


def test_cgcs2000_is_taken_as_it_is() -> None:
    assert to_wgs84(119.13, 34.86, Crs.CGCS2000) == (119.13, 34.86)


@given(st.floats(-179, 179), st.floats(-89, 89), st.floats(-0.025, 0.025), st.floats(-0.025, 0.025))
def test_whatever_is_near_lies_in_one_of_the_few_cells_within(lon: float, lat: float, east: float, north: float) -> None:
    cells = cells_within(lon, lat, 0.025)
    assert cell_of(lon + east, lat + north) in cells
    assert len(set(cells)) == len(cells) <= 9, "four, or a few more where a border is met by rounding"


def test_what_has_no_point_has_no_cell() -> None:
    assert cell_of(None, 34.8) is cell_of(119.1, None) is cell_of(None, None) is None

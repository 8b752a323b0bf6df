"""When standing zones are drawn again: by what would be seen, not by every reading of a weather mast."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from plans.hazmat import tables
from plans.hazmat import wind as winds
from plans.hazmat.card import card
from plans.hazmat.geometry import destination
from plans.hazmat.model import Container, HazmatCard, HazmatFacts, Point, Precision, Receptor, ReceptorKind
from plans.hazmat.redraw import has_turned, why_again

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
HERE = Point(119.112, 34.865)
TURN_DEG = float(tables.rules()["redraw"]["turn_deg"])


def drawn(from_deg: float | None, kmh: float = 12.0, *, at: datetime = NOON, age: timedelta = timedelta(), un: str = "1005", known: tuple[Receptor, ...] = ()) -> HazmatCard:
    wind = None if from_deg is None else winds.measured(from_deg, kmh / 3.6, at - age, origin="mast")
    return card(HazmatFacts(un=un, leak=True, container=Container.ROAD_TANKER, point=HERE, wind=wind), at=at, known=known)


def again(before: HazmatCard, after: HazmatCard) -> str:
    found = why_again(before, after)
    return found.en if found else ""


@pytest.mark.parametrize(("before", "after", "turned"), [
    (90, 90 + TURN_DEG - 1, False), (90, 90 + TURN_DEG, True), (355, (355 + TURN_DEG - 1) % 360, False), (355, (355 + TURN_DEG) % 360, True),
    (0, 360, False), (None, 90, True), (90, None, True), (None, None, False)])
def test_a_wind_has_turned_round_the_compass_too(before: float | None, after: float | None, turned: bool) -> None:
    old, new = (None if deg is None else winds.measured(deg, 3, NOON, origin="x") for deg in (before, after))
    assert has_turned(old, new) is turned


def test_a_small_turn_is_no_new_drawing_and_a_large_one_is() -> None:
    assert again(drawn(90), drawn(100)) == ""
    assert "turned" in again(drawn(90), drawn(90 + TURN_DEG))


def test_a_small_turn_that_brings_somebody_in_is_drawn_and_one_that_only_lets_somebody_go_is_not() -> None:
    village = Receptor(id="v", kind=ReceptorKind.VILLAGE, name_zh="村", name_en="village", town_code="", point=destination(HERE, 200, 400), population=10,
                       demo=True, precision=Precision.SURVEYED, source="test")
    outside, inside = drawn(70, known=(village,)), drawn(60, known=(village,))
    assert (len(outside.affected), len(inside.affected)) == (0, 1), "it lies five degrees beyond the wedge's edge"
    assert "came into" in again(outside, inside)
    assert again(inside, outside) == ""


def test_longer_distances_count_at_once_and_shorter_ones_when_the_wind_is_clearly_stronger() -> None:
    low, hardly, clearly = drawn(90, 9.0), drawn(90, 11.0), drawn(90, 13.0)
    assert low.distances.protective is not None
    assert hardly.distances.protective is not None
    assert low.distances.protective.value > hardly.distances.protective.value
    assert again(low, hardly) == ""
    assert "distances" in again(low, clearly)
    assert "distances" in again(hardly, low)


def test_nightfall_a_wind_that_grew_old_and_other_goods_are_drawn() -> None:
    night = NOON + timedelta(hours=8)
    assert "night" in again(drawn(90), drawn(90, at=night))
    assert "widened" in again(drawn(90), drawn(90, age=timedelta(minutes=40)))
    assert "widened" in again(drawn(90), drawn(90, age=timedelta(hours=3)))
    assert "facts" in again(drawn(90), drawn(90, un="1017"))
    assert "to go by" in again(drawn(None), drawn(90))
    assert "widened" in again(drawn(90, 9.0), drawn(90, 3.0))
    assert again(drawn(90, 3.0), drawn(90, 6.0)) == "", "hardly more than a calm: the circle stands"
    assert "to go by" in again(drawn(90, 3.0), drawn(90, 9.0))

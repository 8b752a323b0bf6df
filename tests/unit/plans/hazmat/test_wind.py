"""Wind as people write it and as sensors send it, and how far it is trusted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.errors import Rejected
from plans.hazmat import wind as winds
from plans.hazmat.model import WindClass
from plans.hazmat.wind import compass, measured, parse, table3_class, use

AT = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "degrees"),
    [("东南风3级", 135), ("SE", 135), ("135°", 135), ("135度", 135), ("south-easterly 3 m/s", 135), ("southeast wind", 135), ("风从东南来", 135), ("北风", 0),
     ("0°", 0), ("360°", 0), ("360", 0), ("东北偏北风2级", 22.5), ("北东北风", 22.5), ("西南西风", 247.5), ("NNW 4 m/s", 337.5), ("偏南风", 180),
     ("吹向西北", 135), ("往西北方向扩散", 135), ("blowing to NW", 135), ("１８０度", 180), ("吹向315°", 135), ("下风向西北", 135), ("风向135", 135),
     ("风向：135 风速3.2m/s", 135), ("东 南风", 135), ("西偏北", 292.5), ("北偏东风2级", 22.5), ("南偏东15°", 165), ("北偏西30度", 330), ("S 15° E", 165),
     ("偏东南风3-4级", 135), ("南西风", 225), ("北东风2级", 45), ("顺风方向为西北", 135), ("東南風", 135), ("气温12度，东南风3级", 135), ("12℃ 东南风3级", 135),
     ("北纬34.8度东经119.1度，东南风3级", 135), ("wind 135 at 5 kt", 135), ("135@5kt", 135), ("from 135", 135),
     ("東風3級", 90), ("西北方向扩散", 135), ("西北向扩散", 135), ("烟往西北飘", 135), ("烟雾飘西北", 135), ("向西北方向", 135), ("风由东南向西北", 135),
     ("风向东南", 135), ("吹西北风", 315), ("白烟向西北方向扩散，东南风3级", 135), ("smoke drifting NW", 135)],
)  # fmt: skip
def test_the_direction_is_where_the_wind_comes_from(text: str, degrees: float) -> None:
    assert parse(text).from_deg == degrees


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("东南风3级", 3.4, 5.4), ("北风3-4级", 3.4, 7.9), ("北风三到四级", 3.4, 7.9), ("十二级北风", 32.7, 36.9), ("西风 5m/s", 5, 5), ("西风36公里/小时", 10, 10),
     ("东风5米每秒", 5, 5), ("东南风 微风", 3.4, 5.4), ("北风4～3级", 3.4, 7.9), ("西北风7、8级", 13.9, 20.7), ("北风3-5m/s", 3, 5), ("东风10节", 5.144, 5.144), ("N 20 mph", 8.9408, 8.9408),
     ("东南风≤3级", 0, 5.4), ("北风3级以下", 0, 5.4), ("北风4级，阵风7级", 5.5, 7.9), ("SE force 3", 3.4, 5.4), ("force 3-4 north", 3.4, 7.9),
     ("SE 5 bft", 8.0, 10.7), ("SE force 1", 0.3, 1.5)],
)  # fmt: skip
def test_force_and_speed_become_metres_per_second(text: str, low: float, high: float) -> None:
    wind = parse(text)
    assert wind.speed_min_ms == pytest.approx(low, abs=1e-3)
    assert wind.speed_max_ms == pytest.approx(high, abs=1e-3)


@pytest.mark.parametrize("text", ["西北风，下风向东侧有村庄", "东南侧有村庄，西北风2级", "吹向村庄的西北风"])
def test_a_wind_named_as_wind_is_not_taken_from_the_words_around_it(text: str) -> None:
    assert parse(text).from_deg == 315


@pytest.mark.parametrize(
    ("text", "middle", "half"), [("南到东南风3级", 157.5, 45), ("西南转南风", 202.5, 45), ("偏东转偏南风", 135, 90), ("N or NE 3 m/s", 22.5, 45), ("北风转西北风", 337.5, 45)]
)
def test_a_wind_between_two_points_is_as_wide_as_both(text: str, middle: float, half: float) -> None:
    assert (parse(text).from_deg, parse(text).uncertainty_deg) == (middle, half)


@pytest.mark.parametrize("text", ["南风转北风", "东南风转西北风", "无持续风向", "风向不明"])
def test_a_wind_that_turns_round_or_has_no_direction_is_drawn_to_all_sides(text: str) -> None:
    wind = parse(text, AT)
    assert wind.variable
    assert use(wind, AT).from_deg is None


def test_a_force_told_by_its_name_is_the_one_of_the_standard_and_says_so() -> None:
    named, counted = parse("东南风 微风", AT), parse("东南风3级", AT)

    assert (named.speed_min_ms, named.speed_max_ms) == (counted.speed_min_ms, counted.speed_max_ms)
    assert any("GB/T 28591" in note.zh and "3.4" in note.zh and "GB/T 28591" in note.en for note in use(named, AT).notes)
    assert not any("GB/T 28591" in note.zh for note in use(counted, AT).notes)
    assert any("软风" in note.zh for note in use(parse("软风，风向不定", AT), AT).notes)


def test_a_gust_is_kept_apart_from_the_mean_wind() -> None:
    assert parse("北风4级，阵风7级").gust_ms == 17.1
    assert parse("北风，阵风15米/秒").gust_ms == 15
    assert parse("北风，阵风15米/秒").speed_min_ms is None


@pytest.mark.parametrize("text", ["吹西北", "刮东北，3级", "西北方向有烟", "白雾 东南"])
def test_a_side_that_may_be_where_it_comes_from_or_where_it_goes_is_asked_and_not_guessed(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse(text)
    assert refused.value.code == "ambiguous_wind"


@pytest.mark.parametrize("text", ["靜風", "旋轉風", "風向不定"])
def test_a_calm_and_a_turning_wind_in_traditional_characters_have_no_direction(text: str) -> None:
    assert parse(text).from_deg is None


@pytest.mark.parametrize("text", ["999°", "-5°", "361度", "720", "风向400°", "风向999", "南偏东120°", "南偏北20°"])
def test_a_direction_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse(text)
    assert refused.value.code == "bad_wind_direction"
    assert refused.value.field == "wind.from_deg"


@pytest.mark.parametrize(("text", "code"), [("18级", "bad_wind_speed"), ("北风500m/s", "bad_wind_speed"), ("北风-3m/s", "bad_wind_speed"), ("1e3°", "unknown_wind"), ("东西风", "unknown_wind"), ("下雨了", "unknown_wind"), ("", "unknown_wind"), ("风" * 300, "unknown_wind")])
def test_a_wind_that_says_nothing_or_cannot_be_is_refused(text: str, code: str) -> None:
    with pytest.raises(Rejected, match=code):
        parse(text)


@pytest.mark.parametrize(("direction", "speed"), [(999.0, 3.0), (float("nan"), 3.0), (float("inf"), 1.0), (-1.0, 1.0), (90.0, -1.0), (90.0, float("nan")), (90.0, 200.0)])
def test_a_sensor_value_that_cannot_be_is_refused(direction: float, speed: float) -> None:
    with pytest.raises(Rejected, match="bad_wind"):
        measured(direction, speed, AT, origin="telemetry")


def test_no_wind_a_calm_and_a_turning_wind_give_no_direction() -> None:
    for wind in (None, parse("静风", AT), parse("东南风1级", AT), parse("风向不定 2级", AT), measured(90, 0.5, AT, origin="telemetry"), measured(None, 4, AT, origin="telemetry")):
        assert use(wind, AT).from_deg is None
        assert use(wind, AT).notes


def test_a_fresh_wind_is_used_as_it_is() -> None:
    found = use(measured(135, 4, AT - timedelta(minutes=5), origin="telemetry"), AT)
    assert (found.from_deg, found.half_extra_deg, found.stale, found.notes) == (135, 15, False, ())


def test_a_stale_wind_is_said_and_widens_the_wedge() -> None:
    found = use(measured(135, 4, AT - timedelta(minutes=31), origin="telemetry"), AT)
    assert found.stale
    assert found.half_extra_deg == 45
    assert "31分钟" in found.notes[0].zh and "31 minutes" in found.notes[0].en


def test_a_wind_of_hours_ago_no_longer_turns_the_zone() -> None:
    found = use(measured(135, 4, AT - timedelta(hours=3), origin="telemetry"), AT)
    assert found.stale and found.from_deg is None


def test_a_wind_from_the_future_is_not_taken_as_fresh() -> None:
    assert use(measured(135, 4, AT + timedelta(minutes=10), origin="telemetry"), AT).stale


def test_a_wind_without_a_time_is_used_and_said() -> None:
    found = use(parse("东南风3级"), AT)
    assert found.from_deg == 135
    assert "观测时间" in found.notes[0].zh


def test_table_3_takes_the_weakest_end_of_a_wind_and_low_when_it_is_unknown() -> None:
    assert table3_class(None) is WindClass.LOW
    assert table3_class(parse("东南风")) is WindClass.LOW
    assert table3_class(parse("东南风2级")) is WindClass.LOW
    assert table3_class(parse("东南风3级")) is WindClass.MODERATE
    assert table3_class(parse("东南风2-5级")) is WindClass.LOW
    assert table3_class(parse("东南风3级以下")) is WindClass.LOW
    assert table3_class(parse("北风 20 km/h")) is WindClass.MODERATE
    assert table3_class(parse("北风 20.5 km/h")) is WindClass.HIGH
    assert table3_class(parse("北风 9.9 km/h")) is WindClass.LOW


def test_bearings_have_sixteen_names() -> None:
    assert compass(135) == winds.Words("东南", "SE")
    assert compass(359) == winds.Words("北", "N")

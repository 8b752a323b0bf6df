"""Camera health on labelled frames: every state with its precision and recall, and the hysteresis in time."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from streams.health import Health, HealthState, judge, measure, thresholds, view
from tests.support.scenes import KINDS, Picture, Place, colour_bars, overlaid

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
TRUTH = {
    "day": HealthState.ONLINE, "night": HealthState.ONLINE, "rain": HealthState.ONLINE, "headlights": HealthState.ONLINE,
    "snow": HealthState.ONLINE, "fog": HealthState.ONLINE, "dim_night": HealthState.ONLINE, "artefacts": HealthState.ONLINE, "dated": HealthState.ONLINE,
    "upside_down": HealthState.MOVED, "stripes": HealthState.MOVED, "grey": HealthState.COVERED, "half_black": HealthState.COVERED,
    "black": HealthState.BLACK, "over_exposed": HealthState.OVER_EXPOSED, "covered": HealthState.COVERED,
    "blurred": HealthState.OUT_OF_FOCUS, "moved": HealthState.MOVED, "turned": HealthState.MOVED,
}


def standing_still(place: Place, n: int) -> list[tuple[Picture, Picture]]:
    """Pictures that are two apart in time and show the same: plain, with a clock that goes on above or below, large, on a plate; a lost input's bars."""
    day, night, bars = place.day(3), place.night(3), colour_bars()
    clocks = [{"height": 0.06}, {"height": 0.06, "plate": True}, {"height": 0.1}, {"height": 0.08, "top": False}]
    return [(day, day), (night, night), (bars, bars), (overlaid(bars, n), overlaid(bars, n + 1)),
            *((overlaid(day, n, **how), overlaid(day, n + 1, **how)) for how in clocks)]


@cache
def confusion() -> Counter[tuple[HealthState, HealthState]]:
    """(truth, judged) of every labelled picture: seeds that the thresholds were not looked at with, night against a daylight reference too."""
    counts: Counter[tuple[HealthState, HealthState]] = Counter()
    for kind in KINDS:
        for seed in range(100, 103):
            place = Place(kind, seed)
            by_day, by_night = view(place.day(0)), view(place.night(0))
            for label, truth in TRUTH.items():
                before = view(getattr(place, label)(0))
                for n in range(1, 7):
                    now = view(getattr(place, label)(n))
                    reference = by_night if label in ("night", "headlights", "dim_night") and n % 2 else by_day
                    counts[truth, judge(measure(now, before, reference)).state] += 1
                    before = now
            for n in range(6):
                for still, again in standing_still(place, n):
                    counts[HealthState.FROZEN, judge(measure(view(again), view(still), by_day)).state] += 1
    return counts


@pytest.mark.parametrize("state", sorted(set(TRUTH.values()) | {HealthState.FROZEN}))
def test_precision_and_recall_of_every_state_are_at_least_95_percent(state: HealthState, record_property: object) -> None:
    counts = confusion()
    right = counts[state, state]
    recall = right / sum(n for (truth, _), n in counts.items() if truth is state)
    precision = right / max(1, sum(n for (_, judged), n in counts.items() if judged is state))
    print(f"\n{state}: precision {precision:.3f}, recall {recall:.3f} of {sum(counts.values())} pictures")
    assert precision >= 0.95
    assert recall >= 0.95


@pytest.mark.parametrize("label", ["night", "rain", "headlights", "snow", "fog", "dim_night", "artefacts", "dated"])
def test_hard_weather_is_not_taken_for_a_failure(label: str) -> None:
    place = Place("yard", 200)
    health = Health(2, NOW)
    for n in range(12):
        health.take(place.day(n), NOW + timedelta(seconds=2 * n))
    for n in range(20):
        health.take(getattr(place, label)(n), NOW + timedelta(seconds=30 + 2 * n))
    assert health.state is HealthState.ONLINE


def run(health: Health, pictures: list[Picture], at: datetime) -> list[tuple[int, HealthState]]:
    """Feed pictures every 2 s; (index, state) at each change."""
    return [(n, health.state) for n, picture in enumerate(pictures) if health.take(picture, at + timedelta(seconds=2 * n))]


def settled() -> tuple[Place, Health]:
    place, health = Place("street", 300), Health(2, NOW)
    assert run(health, [place.day(n) for n in range(5)], NOW) == [(0, HealthState.ONLINE)]
    return place, health


@pytest.mark.parametrize(("label", "state"), [("black", HealthState.BLACK), ("covered", HealthState.COVERED), ("blurred", HealthState.OUT_OF_FOCUS),
                                              ("moved", HealthState.MOVED), ("over_exposed", HealthState.OVER_EXPOSED),
                                              ("upside_down", HealthState.MOVED), ("stripes", HealthState.MOVED), ("grey", HealthState.COVERED),
                                              ("half_black", HealthState.COVERED)])
def test_a_failure_is_named_at_its_second_picture_and_left_after_two_good_ones(label: str, state: HealthState) -> None:
    place, health = settled()
    later = NOW + timedelta(minutes=1)
    assert run(health, [getattr(place, label)(n) for n in range(1, 6)], later) == [(1, state)]
    assert health.measure
    assert health.since == later + timedelta(seconds=2)
    assert run(health, [place.day(n) for n in range(4)], later + timedelta(minutes=1)) == [(1, HealthState.ONLINE)]


def test_the_weather_from_day_to_night_changes_no_state() -> None:
    """Twelve hours in a row: no state may come and go."""
    place, health = settled()
    hours = ["day", "snow", "day", "fog", "rain", "dated", "night", "headlights", "dim_night", "night", "day"]
    pictures = [getattr(place, hour)(n) for hour in hours for n in range(8)]
    assert run(health, pictures, NOW + timedelta(hours=1)) == []


def test_a_failure_that_goes_on_does_not_flap() -> None:
    place, health = settled()
    at = NOW + timedelta(minutes=1)
    for label, state in (("half_black", HealthState.COVERED), ("upside_down", HealthState.MOVED), ("stripes", HealthState.MOVED), ("grey", HealthState.COVERED)):
        assert [found for _, found in run(health, [getattr(place, label)(n) for n in range(20)], at)] == [state], label
        assert [found for _, found in run(health, [place.day(n) for n in range(6)], at + timedelta(minutes=1))] == [HealthState.ONLINE], label
        at += timedelta(minutes=5)


def test_a_clock_that_goes_on_in_a_picture_that_stands_still_does_not_hide_it() -> None:
    place, health = settled()
    still = place.day(9)
    assert run(health, [overlaid(still, n, height=0.08, plate=True) for n in range(20)], NOW + timedelta(minutes=1)) == [(2, HealthState.FROZEN)]


def test_a_frozen_picture_is_named_when_it_stood_still_twice() -> None:
    place, health = settled()
    still = place.day(9)
    assert run(health, [still] * 5, NOW + timedelta(minutes=1)) == [(2, HealthState.FROZEN)]


def test_one_bad_picture_alone_changes_nothing() -> None:
    place, health = settled()
    assert run(health, [place.black(1), place.day(1), place.black(2), place.day(2)], NOW + timedelta(minutes=1)) == []


def test_a_picture_that_says_something_else_is_doubtful_until_another_confirms_it_or_not() -> None:
    place, health = settled()
    assert not health.doubtful
    health.take(place.black(1), NOW)
    assert health.doubtful
    health.take(place.black(2), NOW + timedelta(seconds=1))
    assert (health.state, health.doubtful) == (HealthState.BLACK, False)
    health.take(place.day(1), NOW + timedelta(seconds=2))
    assert health.doubtful
    health.take(place.black(3), NOW + timedelta(seconds=3))
    assert not health.doubtful


def test_a_lost_camera_is_offline_after_the_grace_and_online_at_its_first_picture() -> None:
    place, health = settled()
    at = NOW + timedelta(minutes=1)
    health.take(place.day(1), at)
    assert not health.trouble("timeout", at)
    assert not health.tick(at + timedelta(seconds=4))
    assert health.tick(at + timedelta(seconds=thresholds().offline_after_s))
    assert (health.state, health.measure) == (HealthState.OFFLINE, "timeout")
    assert health.take(place.day(2), at + timedelta(seconds=20))
    assert health.state is HealthState.ONLINE


def test_a_camera_that_sends_no_picture_goes_offline_within_two_preview_periods_even_without_an_error() -> None:
    place, health = Place("hall", 1), Health(5, NOW)
    health.take(place.day(1), NOW)
    assert health.tick(NOW + timedelta(seconds=10))
    assert health.state is HealthState.OFFLINE


def test_a_camera_that_never_answered_goes_from_connecting_to_offline() -> None:
    health = Health(2, NOW)
    assert health.state is HealthState.CONNECTING
    assert health.trouble("refused", NOW + timedelta(seconds=1)) is False
    assert health.trouble("refused", NOW + timedelta(seconds=7))
    assert health.state is HealthState.OFFLINE


def test_the_thresholds_say_where_they_come_from() -> None:
    assert thresholds().source == "measured on our labelled frames"
    assert thresholds().valid_from

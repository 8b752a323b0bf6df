"""The window: how much is under way, and when it is due again."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from agents.outbox import Entry, Kind, State
from agents.window import Window


def an_entry(seq: int, *, urgent: bool = False) -> Entry:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    return Entry(
        seq=seq, id=f"m{seq}", kind=Kind.REPORT, urgent=urgent, payload=b"{}", size_bytes=2, hash="", state=State.SENT, attempts=1,
        accepted_at=now, sent_at=None, settled_at=None, receipt=None,
    )


def a_window(size: int = 4) -> Window:
    return Window(size, 20.0, longest_defer_s=300.0, dice=random.Random(7))


def due_ids(window: Window, now_s: float) -> list[str]:
    return [one.entry.id for one in window.due(now_s)]


def test_a_new_message_is_due_at_once_and_again_within_thirty_seconds() -> None:
    window = a_window()
    window.add([an_entry(1)], 100.0)
    assert due_ids(window, 100.0) == ["m1"]
    window.published("m1", 100.0)
    window.acknowledged("m1", 100.5)
    assert due_ids(window, 110.0) == []
    assert due_ids(window, 130.0) == ["m1"]


def test_no_copy_is_put_behind_a_message_that_has_not_left_and_the_time_to_the_next_counts_from_when_it_has() -> None:
    window = a_window()
    window.add([an_entry(1)], 100.0)
    window.published("m1", 100.0)
    assert due_ids(window, 900.0) == [], "a slow line has not taken the first copy yet"
    assert window.next_due_s(900.0) == 920.0
    window.acknowledged("m1", 900.0)
    assert due_ids(window, 917.9) == []
    assert due_ids(window, 920.0) == ["m1"]
    window.published("m1", 920.0)
    window.link_is_back(930.0)
    assert due_ids(window, 930.0) == ["m1"], "the line that it was leaving on is gone"


def test_urgent_ones_are_published_first() -> None:
    window = a_window()
    window.add([an_entry(1), an_entry(2), an_entry(3, urgent=True)], 0.0)
    assert due_ids(window, 0.0) == ["m3", "m1", "m2"]


def test_a_full_window_has_room_for_urgent_ones_only() -> None:
    window = a_window(2)
    assert window.room(0.0) == (2, False)
    window.add([an_entry(1), an_entry(2)], 0.0)
    assert window.room(0.0) == (2, True)
    window.add([an_entry(3, urgent=True), an_entry(4, urgent=True)], 0.0)
    assert window.room(0.0) == (0, True)
    window.settled("m1")
    window.settled("m3")
    window.settled("m4")
    assert window.room(0.0) == (1, False)


def test_unavailable_is_obeyed_and_holds_back_what_is_not_urgent() -> None:
    window = a_window()
    window.add([an_entry(1)], 0.0)
    window.published("m1", 0.0)
    window.deferred("m1", 40.0, 1.0)
    assert due_ids(window, 40.9) == []
    assert window.room(20.0)[1] is True
    assert due_ids(window, 51.1) == ["m1"]
    assert window.room(41.0) == (3, False)


def test_a_new_link_makes_everything_due_but_what_the_hub_deferred() -> None:
    window = a_window()
    window.add([an_entry(1), an_entry(2)], 0.0)
    for one in ("m1", "m2"):
        window.published(one, 0.0)
    window.deferred("m2", 60.0, 0.0)
    window.link_is_back(5.0)
    assert due_ids(window, 5.0) == ["m1"]


@pytest.mark.parametrize(("asked_s", "least_s", "most_s"), [(1e9, 300.0, 375.0), (-5.0, 0.1, 0.2), (8.0, 8.0, 10.0)])
def test_a_wait_stays_within_reason_whatever_the_hub_asks(asked_s: float, least_s: float, most_s: float) -> None:
    window = a_window()
    window.add([an_entry(1)], 0.0)
    window.published("m1", 0.0)
    window.deferred("m1", asked_s, 0.0)
    assert due_ids(window, least_s - 0.01) == []
    assert due_ids(window, most_s) == ["m1"]


def test_the_next_time_to_wake_is_never_in_a_pause_that_is_over() -> None:
    window = a_window()
    assert window.next_due_s(0.0) is None
    window.deferred("unknown", 10.0, 0.0)
    assert window.next_due_s(1.0) == 10.0
    assert window.next_due_s(11.0) is None


def test_resends_are_counted() -> None:
    window = a_window()
    window.add([an_entry(1)], 0.0)
    for now_s in (0.0, 20.0, 40.0):
        window.published("m1", now_s)
    assert window.resends == 2
    assert window.settled("m1") is not None
    assert window.settled("m1") is None and "m1" not in window

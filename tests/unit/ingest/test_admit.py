"""Quota, fair turns, urgent first, bounded."""

from dataclasses import dataclass

import pytest

from hub.errors import Unavailable
from hub.ingest.admit import Admission


@dataclass
class Item:
    source: str
    urgent: bool = False


def test_turns_go_round_and_the_urgent_go_first() -> None:
    line: Admission[Item] = Admission(limit=100, quota_per_minute=600)
    for source in "aaab":
        line.admit(Item(source), 0.0)
    urgent = Item("c", urgent=True)
    line.admit(urgent, 0.0)
    taken = line.take(3)
    assert taken[0] is urgent
    assert {item.source for item in taken[1:]} == {"a", "b"}
    assert len(line) == 2


def test_who_is_over_quota_is_told_when_to_come_back_and_the_others_are_not_touched() -> None:
    line: Admission[Item] = Admission(limit=1000, quota_per_minute=60)
    for _ in range(60):
        line.admit(Item("flood"), 0.0)
    with pytest.raises(Unavailable) as refused:
        line.admit(Item("flood"), 0.0)
    assert refused.value.code == "over_quota"
    assert refused.value.retry_after_s >= 1
    line.admit(Item("other"), 0.0)
    line.admit(Item("flood"), 2.0)


def test_an_urgent_report_passes_a_used_up_quota() -> None:
    line: Admission[Item] = Admission(limit=1000, quota_per_minute=60)
    for _ in range(60):
        line.admit(Item("a"), 0.0)
    line.admit(Item("a", urgent=True), 0.0)
    assert line.take(1)[0].urgent


def test_a_full_line_refuses_and_works_on_afterwards() -> None:
    line: Admission[Item] = Admission(limit=40, quota_per_minute=10_000)
    for _ in range(10):
        line.admit(Item("a"), 0.0)
    with pytest.raises(Unavailable, match="busy"):
        line.admit(Item("a"), 0.0)
    while line.take(7):
        pass
    assert len(line) == 0
    line.admit(Item("a"), 0.0)
    assert len(line.take(5)) == 1

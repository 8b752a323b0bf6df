"""The ledger must find every kind of broken promise: a checker that cannot fail proves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ledger import Findings, Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.jsonl") as one:
        for name in ("a", "b", "c"):
            one.offered(name, f"hash-{name}")
        one.accepted("a")
        one.accepted("b")
        one.receipted("a", "stored")
        one.notified("n1", "a")
        yield one


GOOD = [("a", "hash-a"), ("b", "hash-b")]


def test_a_kept_promise_is_clean(ledger: Ledger) -> None:
    assert ledger.check(GOOD) == Findings()
    assert str(ledger.check(GOOD)) == "clean"


def test_a_message_that_was_offered_but_not_accepted_may_stand_in_the_store(ledger: Ledger) -> None:
    assert ledger.check([*GOOD, ("c", "hash-c")]).is_clean


@pytest.mark.parametrize(("stored", "finding", "ids"), [
    ([("b", "hash-b")], "receipted_missing", ("a",)),
    ([("a", "hash-a")], "accepted_missing", ("b",)),
    ([*GOOD, ("a", "hash-a")], "twice", ("a",)),
    ([*GOOD, ("x", "hash-x")], "never_sent", ("x",)),
    ([("a", "hash-a"), ("b", "other")], "changed", ("b",)),
    ([("b", "hash-b")], "notified_without_cause", ("a",)),
])
def test_every_broken_promise_is_found(ledger: Ledger, stored: list[tuple[str, str]], finding: str, ids: tuple[str, ...]) -> None:
    findings = ledger.check(stored)
    assert getattr(findings, finding) == ids
    assert not findings.is_clean and finding in str(findings)


def test_before_the_end_what_was_only_accepted_may_still_be_missing(ledger: Ledger) -> None:
    assert ledger.check([("a", "hash-a")], drained=False).is_clean


def test_what_the_hub_rejected_need_not_be_stored(ledger: Ledger) -> None:
    ledger.receipted("b", "rejected")
    assert ledger.check([("a", "hash-a")]).is_clean


def test_a_torn_last_line_of_a_killed_writer_is_left_out(ledger: Ledger) -> None:
    with ledger.path.open("a", encoding="utf-8") as file:
        file.write('{"event": "accep')
    assert ledger.check(GOOD).is_clean

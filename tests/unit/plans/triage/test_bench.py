"""The measurement of triage: it scores what it says it scores, and the product meets its aims on the labelled texts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.errors import Rejected
from plans.triage import triage
from plans.triage.bench import Labelled, load, run, score
from plans.triage.text import data

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


def test_a_wrong_label_costs_accuracy() -> None:
    text = "罐车侧翻，液氨泄漏，3人死亡"
    right = Labelled("1", text, "hazmat_transport", "较大", ["1005"], {"dead": 3})
    wrong = Labelled("2", text, "fire", "重大", ["1017"], {"dead": 4})
    figures = score([(gold, triage(text, NOW)) for gold in (right, wrong)])

    assert figures["family_accuracy"] == figures["grade_accuracy"] == figures["casualty_accuracy"] == 0.5
    assert figures["substance_recall"] == figures["substance_precision"] == 0.5
    assert figures["confusion"] == {"fire": {"hazmat_transport": 1}, "hazmat_transport": {"hazmat_transport": 1}}


def test_a_skipped_field_is_not_scored() -> None:
    text = "罐车侧翻，液氨泄漏，3人死亡"
    open_label = Labelled("1", text, "hazmat_transport", None, [], skip=["grade", "substances"])
    figures = score([(open_label, triage(text, NOW))])

    assert figures["grade_accuracy"] is figures["substance_recall"] is None


def test_an_empty_folder_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="no_texts"):
        load(tmp_path)


def test_every_family_has_at_least_four_texts() -> None:
    counts = {family: sum(gold.family == family for gold in load()) for family in data("families.yaml")["families"]}

    assert {family: n for family, n in counts.items() if n < 4} == {}
    assert len({gold.id for gold in load()}) == len(load())


def test_the_labelled_texts_are_read_as_well_as_promised() -> None:
    told: list[str] = []
    figures = run(told.append)

    assert figures["texts"] >= 250
    assert figures["family_accuracy"] > 0.98, told
    assert figures["grade_accuracy"] > 0.90
    assert figures["substance_recall"] >= 0.90
    assert figures["substance_precision"] >= 0.95

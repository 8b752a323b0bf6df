"""Measures triage against the labelled texts of tests/fixtures/triage: families, grades, substances, and the confusion matrix.

A text's label may leave a field open (`skip`), where the sources of a grade or a substance are in dispute; it is then not scored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from hub.errors import Rejected
from plans.triage import Draft, triage

TEXTS = Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "triage"
_NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)  # the labels were written for this day; 昨日 is read from it


class Labelled(msgspec.Struct, frozen=True):
    """A text with what a careful reader takes from it; `substances` are UN numbers, or names of what has none."""

    id: str
    text: str
    family: str
    grade: str | None
    substances: list[str]
    casualties: dict[str, int] = {}
    skip: list[str] = []


def load(folder: Path = TEXTS) -> list[Labelled]:
    """All labelled texts of a folder of JSON lines.

    Raises Rejected `no_texts` where there are none.
    """
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_bytes().splitlines() if line.strip()]
    if not lines:
        raise Rejected("no_texts", f"{folder} 中没有评测文本", f"no evaluation texts in {folder}", field="folder")
    return [msgspec.json.decode(line, type=Labelled) for line in lines]


def score(pairs: list[tuple[Labelled, Draft]]) -> dict[str, Any]:
    """The figures of `tocsin bench triage` for labelled texts and their drafts."""
    filed = [(gold, draft) for gold, draft in pairs if "family" not in gold.skip]
    graded = [(gold, draft) for gold, draft in pairs if "grade" not in gold.skip]
    told = [(set(gold.substances), {s.un or s.name for s in draft.substances}) for gold, draft in pairs if "substances" not in gold.skip]
    right = sum(len(gold & found) for gold, found in told)
    wanted, named = sum(len(gold) for gold, _ in told), sum(len(found) for _, found in told)
    counted = [(value, getattr(draft.casualties, field)) for gold, draft in pairs for field, value in gold.casualties.items()]
    seen = Counter((gold.family, draft.family) for gold, draft in filed)
    confusion: dict[str, dict[str, int]] = {}
    for (gold_family, found_family), number in sorted(seen.items()):
        confusion.setdefault(gold_family, {})[found_family] = number
    return {
        "family_accuracy": _share(sum(gold.family == draft.family for gold, draft in filed), len(filed)),
        "grade_accuracy": _share(sum(gold.grade == draft.grade for gold, draft in graded), len(graded)),
        "substance_recall": _share(right, wanted),
        "substance_precision": _share(right, named),
        "casualty_accuracy": _share(sum(value == found for value, found in counted), len(counted)),
        "texts": len(pairs),
        "confusion": confusion,
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def run(progress: Callable[[str], None]) -> dict[str, Any]:
    """Triage every labelled text and return the figures; `progress` is told of every wrong family."""
    texts = load()
    pairs = []
    for number, gold in enumerate(texts, start=1):
        draft = triage(gold.text, _NOW)
        pairs.append((gold, draft))
        if draft.family != gold.family and "family" not in gold.skip:
            progress(f"{gold.id}: {gold.family} read as {draft.family}")
        if number % 100 == 0:
            progress(f"{number} of {len(texts)} texts")
    return score(pairs)

"""The wording of a text: single characters and pairs of them, to which plans.triage.weights gives weights. Pure."""

from __future__ import annotations

import re
from itertools import pairwise

from plans.triage import weights
from plans.triage.text import Prepared, Standing

READ_CHARS = 600  # the opening of the report; the model was chosen on texts of this length
_CHINESE = re.compile("[\u4e00-\u9fff]+")


def features(prepared: Prepared) -> set[str]:
    """Single Chinese characters and pairs of them in the opening of what the text says of its own incident."""
    found: set[str] = set()
    used = 0
    for sentence in prepared.sentences:
        if used >= READ_CHARS:
            break
        if sentence.standing is not Standing.MAIN and used:
            continue
        text = prepared.text[sentence.start : min(sentence.end, sentence.start + READ_CHARS - used)]
        used += len(text)
        found.update(char for char in text if _CHINESE.fullmatch(char))
        found.update(pair for pair in map("".join, pairwise(text)) if _CHINESE.fullmatch(pair))
    return found


def loudest(prepared: Prepared, family: str, learnt: weights.Model | None = None) -> tuple[int, int] | None:
    """The clause of the text whose wording speaks most for this family over every other; None where no known pair does."""
    learnt = learnt or weights.model()
    column = learnt.families.index(family)
    best: tuple[int, int, int] | None = None
    for sentence in prepared.sentences:
        if sentence.standing is not Standing.MAIN or sentence.start >= READ_CHARS:
            continue
        for clause in _CLAUSE.finditer(prepared.text, sentence.start, min(sentence.end, READ_CHARS)):
            worth = sum(_leads(learnt.adds.get(first + second, []), column) for first, second in pairwise(clause[0]))
            if worth > 0 and (best is None or worth > best[0]):
                best = (worth, clause.start(), clause.end())
    return None if best is None else best[1:]


_CLAUSE = re.compile(r"[^，、：,]+")


def _leads(row: list[tuple[int, int]], column: int) -> int:
    """How far a pair speaks for the family beyond what it says for the next best; 0 where it does not."""
    own = dict(row).get(column, 0)
    return max(0, own - max((worth for other, worth in row if other != column), default=0))

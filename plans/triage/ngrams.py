"""How much the characters and character pairs of a text speak for each family, learnt from the labelled texts. Pure.

Decides nothing alone: plans.triage.family weighs it beside the rules. data/family_ngrams.csv holds the counts; plans.triage.train writes it.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from importlib import resources
from itertools import pairwise

import msgspec

from plans.triage.text import Prepared, Standing

READ_CHARS = 600  # the opening of the report; the model was chosen on texts of this length
_SMOOTH = 6.0
_PRIOR = 0.5
_HEARD = 40  # n-grams; a longer text speaks no louder: its words depend on each other, and ours are shorter than news
_HEARD_WHOLE = 1000  # characters; of a longer text the opening that is read here says less beside the rules, which read on


class Model(msgspec.Struct, frozen=True):
    """Texts per family, and for each n-gram what its presence adds to a family's score over its absence."""

    start: dict[str, float]
    each: dict[str, float]
    adds: dict[str, list[tuple[str, float]]]


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


def fit(texts: dict[str, int], counts: dict[str, dict[str, int]]) -> Model:
    """A model from the number of texts per family and, per n-gram, the number of texts of each family that hold it."""
    total = sum(texts.values())
    adds: dict[str, list[tuple[str, float]]] = {}
    for gram, row in counts.items():
        expected = _SMOOTH * (sum(row.values()) + 1) / (total + 2)
        adds[gram] = [(family, math.log((count + expected) / expected)) for family, count in row.items()]
    start = {family: _PRIOR * math.log(number / total) for family, number in texts.items()}
    each = {family: math.log(_SMOOTH / (number + _SMOOTH)) for family, number in texts.items()}
    return Model(start, each, adds)


@lru_cache(maxsize=1)
def model() -> Model:
    """The model of data/family_ngrams.csv."""
    lines = resources.files("plans.triage").joinpath("data", "family_ngrams.csv").read_text("utf-8").splitlines()
    rows = [line.split(",") for line in lines if not line.startswith("#")]
    families = rows[0][1:]
    texts = dict(zip(families, map(int, rows[1][1:]), strict=True))
    counts: dict[str, dict[str, int]] = {}
    for gram, *cells in rows[2:]:
        pairs = (cell.split(":") for cell in cells)
        counts[gram] = {families[int(column)]: int(number) for column, number in pairs}
    return fit(texts, counts)


def leanings(prepared: Prepared, learnt: Model | None = None) -> dict[str, float]:
    """Log score of each family, 0 for the likeliest and less for the others."""
    learnt = learnt or model()
    known = [learnt.adds[gram] for gram in features(prepared) if gram in learnt.adds]
    scores = {family: learnt.start[family] + len(known) * each for family, each in learnt.each.items()}
    for row in known:
        for family, worth in row:
            scores[family] += worth
    top = max(scores.values())
    return {family: score - top for family, score in scores.items()}


def loudness(prepared: Prepared) -> float:
    """How much of a text's log scores is worth hearing beside the rules: all of a message, less of a long text."""
    return min(1.0, _HEARD / max(1, len(features(prepared)))) * min(1.0, _HEARD_WHOLE / len(prepared.text))


def loudest(prepared: Prepared, family: str, learnt: Model | None = None) -> tuple[int, int] | None:
    """The clause of the text whose wording speaks most for this family over every other; None where no known pair does."""
    learnt = learnt or model()
    best: tuple[float, int, int] | None = None
    for sentence in prepared.sentences:
        if sentence.standing is not Standing.MAIN or sentence.start >= READ_CHARS:
            continue
        for clause in _CLAUSE.finditer(prepared.text, sentence.start, min(sentence.end, READ_CHARS)):
            worth = sum(_leads(learnt.adds.get(first + second, []), family) for first, second in pairwise(clause[0]))
            if worth > 0 and (best is None or worth > best[0]):
                best = (worth, clause.start(), clause.end())
    return None if best is None else best[1:]


_CLAUSE = re.compile(r"[^，、：,]+")


def _leads(row: list[tuple[str, float]], family: str) -> float:
    """How far a pair speaks for the family beyond what it says for the next best; 0 where it does not."""
    own = dict(row).get(family, 0.0)
    return max(0.0, own - max((worth for name, worth in row if name != family), default=0.0))

"""Counts the n-grams of the labelled texts into data/family_ngrams.csv: `python -m plans.triage.train`. May not be imported by triage itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from plans.triage.bench import Labelled, load
from plans.triage.ngrams import Model, features, fit
from plans.triage.text import prepare

TARGET = Path(__file__).parent / "data" / "family_ngrams.csv"
_HEAD = """\
# How many labelled texts of each family hold a character or a pair of characters. Written by plans/triage/train.py; not edited by hand.
# source: tests/fixtures/triage (texts of our own writing); edition: the texts beside this revision
# first row: families; second: texts per family; then n-gram, column:count …
"""


def count(texts: list[Labelled]) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Texts per family and, per n-gram, the texts of each family that hold it; texts of a disputed family are left out."""
    families: Counter[str] = Counter()
    grams: dict[str, Counter[str]] = {}
    for text in texts:
        if "family" in text.skip:
            continue
        families[text.family] += 1
        for gram in features(prepare(text.text)):
            grams.setdefault(gram, Counter())[text.family] += 1
    return dict(sorted(families.items())), {gram: dict(sorted(grams[gram].items())) for gram in sorted(grams)}


def learn(texts: list[Labelled]) -> Model:
    """The model that these texts give."""
    return fit(*count(texts))


def written(texts: list[Labelled]) -> str:
    """The data file for these texts."""
    families, grams = count(texts)
    column = {family: number for number, family in enumerate(families)}
    lines = [",".join(["ngram", *families]), ",".join(["", *map(str, families.values())])]
    lines += [",".join([gram, *(f"{column[family]}:{number}" for family, number in row.items())]) for gram, row in grams.items()]
    return _HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(written(load()), "utf-8")

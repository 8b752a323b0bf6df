"""Learns data/family_weights.csv from the labelled texts: `python -m plans.triage.train`. May not be imported by triage itself.

Multinomial logistic regression with an L2 penalty over the signs of plans.triage.family, fitted by Adam on all texts at once. Chosen with texts
that no rule was made for (tests/fixtures/triage/README.md): how strong the penalty is, how many texts a sign must stand in, that the family which
hand-set weights would choose is no sign. The lexicon was made with these very texts in view, so their own fit chooses nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plans.triage import substances
from plans.triage.bench import TEXTS, Labelled, load
from plans.triage.family import hear
from plans.triage.text import prepare
from plans.triage.weights import UNIT, Model

DATA = Path(__file__).parent / "data"
TARGET = DATA / "family_weights.csv"
_TEXTS_OF_SIGN = 3  # a sign that fewer texts hold is not learnt
_PENALTY = 1e-5
_STEPS, _RATE = 100, 0.1
_LEAST_WEIGHT = 3  # hundredths; what weighs less is not written
_HEAD = """\
# What each sign of a text adds to each family, in hundredths. Written by plans/triage/train.py; not edited by hand.
# source: tests/fixtures/triage (texts of our own writing) and evidence.yaml; edition: the texts and the lexicon beside this revision
# learnt from: {learnt_from}
# first row: families; second: where each starts; then sign, column:weight …
"""

Floats = NDArray[np.float32]


def signs(text: str) -> set[str]:
    """What the model may be asked about a text."""
    prepared = prepare(text)
    return hear(prepared, substances.telling(prepared.text, substances.mentions(prepared))).signs


def learn(texts: list[Labelled]) -> Model:
    """The model that these texts give; of a disputed family the label that stands is as good as the other."""
    heard = [signs(text.text) for text in texts]
    number = Counter(sign for one in heard for sign in one)
    vocabulary = {sign: row for row, sign in enumerate(sorted(sign for sign, times in number.items() if times >= _TEXTS_OF_SIGN))}
    families = sorted({text.family for text in texts})
    told = np.zeros((len(texts), len(vocabulary)), np.float32)
    for row, one in enumerate(heard):
        known = [vocabulary[sign] for sign in one if sign in vocabulary]
        told[row, known] = 1 / np.sqrt(max(1, len(known)))
    right = np.zeros((len(texts), len(families)), np.float32)
    right[np.arange(len(texts)), [families.index(text.family) for text in texts]] = 1
    weight, start = _fitted(told, right)
    rows = np.rint(weight * UNIT).astype(int)
    adds = {
        sign: [(column, int(value)) for column, value in enumerate(rows[row]) if abs(value) >= _LEAST_WEIGHT]
        for sign, row in vocabulary.items()
    }
    return Model(families, [int(value) for value in np.rint(start * UNIT)], adds)


def _fitted(told: Floats, right: Floats) -> tuple[Floats, Floats]:
    """The weights (signs by families) and starts that make `right` (texts by families) likeliest given `told` (texts by signs)."""
    weight = np.zeros((told.shape[1], right.shape[1]), np.float32)
    start = np.zeros(right.shape[1], np.float32)
    first, second = [np.zeros_like(weight), np.zeros_like(start)], [np.zeros_like(weight), np.zeros_like(start)]
    for step in range(1, _STEPS + 1):
        said = told @ weight + start
        said = np.exp(said - said.max(1, keepdims=True))
        wrong = said / said.sum(1, keepdims=True) - right
        slopes = [told.T @ wrong / len(told) + _PENALTY * weight, wrong.mean(0)]
        rate = _RATE * (1 - 0.7 * step / _STEPS)
        for place, (values, slope) in enumerate(zip((weight, start), slopes, strict=True)):
            first[place] = 0.9 * first[place] + 0.1 * slope
            second[place] = 0.99 * second[place] + 0.01 * slope * slope
            values -= rate * (first[place] / (1 - 0.9**step)) / (np.sqrt(second[place] / (1 - 0.99**step)) + 1e-8)
    return weight, start


def learnt_from(names: list[str], folder: Path = TEXTS) -> str:
    """The names of these batches and a digest of them and of the lexicon."""
    digest = hashlib.sha256((DATA / "evidence.yaml").read_bytes())
    for name in names:
        digest.update((folder / f"batch_{name}.jsonl").read_bytes())
    return f"{' '.join(names)} sha256:{digest.hexdigest()[:16]}"


def written(model: Model, source: str) -> str:
    """The data file of a model."""
    lines = [",".join(["sign", *model.families]), ",".join(["", *map(str, model.start)])]
    lines += [",".join([sign, *(f"{column}:{value}" for column, value in row)]) for sign, row in model.adds.items()]
    return _HEAD.format(learnt_from=source) + "\n".join(lines) + "\n"


if __name__ == "__main__":
    batches = sorted(path.stem.removeprefix("batch_") for path in TEXTS.glob("batch_*.jsonl"))
    TARGET.write_text(written(learn(load()), learnt_from(batches)), "utf-8")

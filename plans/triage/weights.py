"""Adds up what the signs of a text say for each family: a multinomial logistic model, fitted by plans.triage.train. Pure.

A sign is a word class, a rule of data/evidence.yaml that holds, or an n-gram. Weights are whole hundredths, so a sum does not depend on its order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources

import msgspec

UNIT = 100  # weights are kept in hundredths of a unit of log odds


class Model(msgspec.Struct, frozen=True):
    """The families, where each starts, and for each sign what it adds: pairs of a family's number and a weight, in hundredths."""

    families: list[str]
    start: list[int]
    adds: dict[str, list[tuple[int, int]]]


@lru_cache(maxsize=1)
def model() -> Model:
    """The model of data/family_weights.csv."""
    return read(resources.files("plans.triage").joinpath("data", "family_weights.csv").read_text("utf-8"))


def read(text: str) -> Model:
    """The model that a data file holds."""
    rows = [line.split(",") for line in text.splitlines() if not line.startswith("#")]
    adds: dict[str, list[tuple[int, int]]] = {}
    for sign, *cells in rows[2:]:
        pairs = (cell.split(":") for cell in cells)
        adds[sign] = [(int(column), int(weight)) for column, weight in pairs]
    return Model(rows[0][1:], [int(cell) for cell in rows[1][1:]], adds)


def scores(signs: Iterable[str], learnt: Model | None = None) -> dict[str, float]:
    """The log odds of each family, 0 for the likeliest and less for the others.

    What a text says in many signs is said no louder than in few: the sum is taken over the root of their number.
    """
    learnt = learnt or model()
    known = [learnt.adds[sign] for sign in signs if sign in learnt.adds]
    sums = [0] * len(learnt.families)
    for row in known:
        for column, weight in row:
            sums[column] += weight
    loudness = math.sqrt(max(1, len(known)))
    said = [(start + total / loudness) / UNIT for start, total in zip(learnt.start, sums, strict=True)]
    top = max(said)
    return {family: value - top for family, value in zip(learnt.families, said, strict=True)}

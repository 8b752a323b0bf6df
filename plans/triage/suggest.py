"""Names the plans a draft points to, best first. Pure; the table is data/plans.yaml and `plans.match` decides with all facts."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from plans.triage.text import Prepared, Standing, data

GENERAL = "general"


class _Also(msgspec.Struct, frozen=True):
    plan: str
    families: list[str]
    words: list[str] = []
    fact: str | None = None
    first: bool = False


class _Table(msgspec.Struct, frozen=True):
    families: dict[str, list[str]]
    also: list[_Also]
    words: dict[str, list[str]]
    mask: list[str]


@lru_cache(maxsize=1)
def _table() -> _Table:
    return msgspec.convert(data("plans.yaml"), _Table)


def plans_for(prepared: Prepared, family: str, facts: dict[str, bool]) -> list[str]:
    """Plan ids for a family and the facts `fire` and `leak_of_substance`; `general` last."""
    table = _table()
    spoken = "".join(prepared.text[s.start : s.end] for s in prepared.sentences if s.standing is not Standing.BACKGROUND)[:6000]
    spoken = re.sub("|".join(table.mask), "", spoken)
    chosen = list(table.families.get(family, []))
    for row in table.also:
        if family not in row.families or row.plan in chosen:
            continue
        said = any(word in spoken for name in row.words for word in table.words[name])
        if said or (row.fact is not None and facts.get(row.fact, False)):
            chosen.insert(0 if row.first else len(chosen), row.plan)
    return [*chosen, GENERAL]

"""The one unknown fact whose answer would change the ranking most. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import islice

from plans.facts import (
    FIELD_ORDER,
    FIELDS,
)
from plans.match.library import Candidate, Run, Supposed, scored
from plans.match.result import MissingFact
from plans.model import (
    PlanKind,
)

_ASKED_AMONG = 20  # plans looked at, best first, when choosing the question


def missing_fact(run: Run, candidates: Sequence[Candidate]) -> MissingFact | None:
    """For each unknown fact, suppose its conditions hold, then that they do not: how far does each plan move?

    A move is measured in 1/rank, so the top of the list counts most; the largest sum wins. Plans for which something speaks are asked
    about first; where no plan fits yet, all that are not ruled out; and the on-site cards last, once dangerous goods are known to be there.
    """
    plans = [c for c in candidates if c.entry.plan.kind not in (PlanKind.ONSITE_CARD, PlanKind.GENERAL)]
    fact = _best_question(run, list(islice((c for c in plans if c.is_listed), _ASKED_AMONG)))
    if fact is None and not any(c.state > 0 for c in plans):
        fact = _best_question(run, plans[:_ASKED_AMONG])
    if fact is None and run.facts.hazmat_present:
        cards = [c for c in candidates if c.entry.plan.kind is PlanKind.ONSITE_CARD]
        if not any(c.state > 0 for c in cards):
            fact = _best_question(run, cards[:_ASKED_AMONG])
    return fact


def _best_question(run: Run, ranked: Sequence[Candidate]) -> MissingFact | None:
    scores = [-c.score for c in ranked]
    best: tuple[float, int, str, list[str]] | None = None
    for field, (leaves, asking) in _unknown_fields(run, ranked).items():
        supposed = [Supposed(run, field, leaves, state) for state in (1, -1)]
        gains = [(gain, c) for c in asking.values() if (gain := max(_shift(c, s, scores) for s in supposed)) > 0]
        found = (-round(sum(gain for gain, _ in gains), 9), FIELD_ORDER[field], field, [c.entry.plan.id for _, c in gains])
        if gains and (best is None or found < best):
            best = found
    if best is None:
        return None
    spec = FIELDS[best[2]]
    return MissingFact(spec.path, spec.ask_zh, spec.ask_en, round(-best[0], 4), tuple(best[3][:_ASKED_AMONG]))


def _unknown_fields(run: Run, ranked: Sequence[Candidate]) -> dict[str, tuple[set[int], dict[int, Candidate]]]:
    """By unknown fact: the conditions that ask for it, and the plans that hold one of them, in their order."""
    unknown: dict[str, tuple[set[int], dict[int, Candidate]]] = {}
    for c in ranked:
        for place in c.entry.places:
            if run.state(place.leaf) == 0:
                leaves, asking = unknown.setdefault(run.asked(place.leaf), (set(), {}))
                leaves.add(place.leaf)
                asking[c.entry.order] = c
    return unknown


def _shift(c: Candidate, supposed: Supposed, scores: Sequence[float]) -> float:
    """How far a plan would move, in 1/rank."""
    state, then, _ = scored(c.entry, supposed.value)
    if state == c.state and then == c.score:
        return 0.0
    before = bisect_right(scores, -c.score)  # among equals the last place
    if state < 0:
        return 1 / before
    ahead = bisect_left(scores, -then) - (1 if then < c.score else 0)  # the plan itself no longer stands ahead of where it goes
    return abs(1 / before - 1 / (1 + ahead))

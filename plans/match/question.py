"""The one unknown fact whose answer would change the ranking most. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import islice

from plans.facts import (
    FIELD_ORDER,
    FIELDS,
)
from plans.match.library import Candidate, Entry, Run
from plans.match.result import MissingFact
from plans.match.words import asked_field
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
    gains: dict[str, float] = {}
    moved: dict[str, list[str]] = {}
    for c in ranked:
        for field, numbers in _unknown_fields(run, c.entry).items():
            gain = max(_shift(run, c, numbers, supposed, scores) for supposed in (1, -1))
            if gain > 0:
                gains[field] = gains.get(field, 0.0) + gain
                moved.setdefault(field, []).append(c.entry.plan.id)
    if not gains:
        return None
    best = min(gains, key=lambda f: (-round(gains[f], 9), FIELD_ORDER[f]))
    spec = FIELDS[best]
    return MissingFact(best, spec.ask_zh, spec.ask_en, round(gains[best], 4), tuple(moved[best][:20]))


def _unknown_fields(run: Run, entry: Entry) -> dict[str, list[int]]:
    unknown: dict[str, list[int]] = {}
    for place in entry.places:
        if run.state(place.leaf) == 0:
            unknown.setdefault(asked_field(run.library.leaves[place.leaf], run.facts), []).append(place.leaf)
    return unknown


def _shift(run: Run, c: Candidate, numbers: Sequence[int], supposed: int, scores: Sequence[float]) -> float:
    for number in numbers:
        run.states[number] = supposed
    state, then, _ = run.score(c.entry, run.supposed)
    for number in numbers:
        run.states[number] = 0
    if state == c.state and then == c.score:
        return 0.0
    before = bisect_right(scores, -c.score)  # among equals the last place
    if state < 0:
        return 1 / before
    ahead = bisect_left(scores, -then) - (1 if then < c.score else 0)  # the plan itself no longer stands ahead of where it goes
    return abs(1 / before - 1 / (1 + ahead))

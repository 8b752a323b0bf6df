"""What matching answers with: plain values that travel as JSON."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from plans.model import (
    Level,
    PlanKind,
    Source,
    Text,
)


class State(StrEnum):
    """What is known of a condition."""

    SATISFIED = "satisfied"
    UNSATISFIED = "unsatisfied"
    UNKNOWN = "unknown"


STATE_OF = {1: State.SATISFIED, 0: State.UNKNOWN, -1: State.UNSATISFIED}


class ConditionState(msgspec.Struct, frozen=True, gc=False):
    """One condition of a plan against the facts: where it stands in the plan, in words, its state and the value it saw, in words too.

    `value` is None where unknown; `derived` says that the value was implied by other facts; `alternative` that another branch may stand in
    for it; `negated` that it stands under a `not` (the state is then already turned round); `support` that it only adds to the score.
    """

    path: str
    state: State
    field: str
    zh: str
    en: str
    value: Text | None
    derived: bool
    negated: bool
    alternative: bool
    support: bool


class PlanMatch(msgspec.Struct, frozen=True, gc=False):
    """One plan that applies (or might), with every condition, its score and the sentence that explains it."""

    plan_id: str
    version: int
    title: Text
    kind: PlanKind
    state: State
    score: float
    conditions: tuple[ConditionState, ...]
    zh: str
    en: str
    source: Source


class MissingFact(msgspec.Struct, frozen=True):
    """The unknown fact that would change the ranking most, the question that asks for it, and the plans it moves."""

    field: str
    zh: str
    en: str
    gain: float
    plans: tuple[str, ...]


class MatchResult(msgspec.Struct, frozen=True):
    """Plans that apply or might, best first, the general plan last.

    `open` counts plans for which nothing speaks yet, `excluded` those ruled out. `notes` say which facts cannot be as they were reported.
    `matches` may be fewer than `applicable`, where the caller's limit cut it.
    """

    matches: tuple[PlanMatch, ...]
    missing_fact: MissingFact | None
    considered: int
    applicable: int
    open: int
    excluded: int
    notes: tuple[Text, ...] = ()


class PlanMove(msgspec.Struct, frozen=True):
    """A plan whose place, state or version changed; ranks count from 1, None where not listed."""

    plan_id: str
    title: Text
    rank_before: int | None
    rank_after: int | None
    state_before: State | None
    state_after: State | None
    turned: tuple[str, ...]
    version_before: int | None = None
    version_after: int | None = None


class RematchDiff(msgspec.Struct, frozen=True):
    """What a follow-up changed in the matching, in words too."""

    entered: tuple[PlanMove, ...]
    left: tuple[PlanMove, ...]
    changed: tuple[PlanMove, ...]
    zh: str
    en: str


class LevelSuggestion(msgspec.Struct, frozen=True):
    """The level whose criteria the facts meet (the highest such), and graver ones that are still open."""

    level: Level
    met: bool
    zh: str
    en: str
    undetermined: tuple[Level, ...]

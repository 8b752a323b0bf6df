"""Ranking and explaining the plans of a library for one incident. Pure and deterministic."""

from __future__ import annotations

from collections.abc import Collection

from plans.facts import IncidentFacts
from plans.match.library import Entry, LeafPlace, Library, Run, scored
from plans.match.question import missing_fact
from plans.match.result import STATE_OF, ConditionState, MatchResult, PlanMatch, State
from plans.match.words import sentence, unlisted_un
from plans.model import PlanKind


def match(library: Library, facts: IncidentFacts, *, limit: int = 20, passed_over: Collection[str] = ()) -> MatchResult:
    """Rank the plans of `library` for an incident.

    Listed are plans whose conditions are satisfied, and plans still undetermined for which at least one weighty condition already holds.
    Score: 100 where all conditions hold, plus 10 per unit of weight of the satisfied ones and 5 per unit of satisfied supports;
    an undetermined plan stays below 100; the general plan stands last. At most `limit` plans are explained.
    `passed_over` are facts that nobody can tell for now: the question is the next best one.
    """
    run = Run(library, facts)
    candidates = run.candidates()
    listed = [c for c in candidates if c.is_listed]
    shown = listed[:limit]
    if limit < len(listed) and listed[-1].entry.plan.kind is PlanKind.GENERAL:
        shown[-1] = listed[-1]
    return MatchResult(
        matches=tuple(_explained(run, c.entry, c.state, c.score) for c in shown),
        missing_fact=missing_fact(run, candidates, passed_over),
        considered=len(library),
        applicable=len(listed),
        open=len(candidates) - len(listed),
        excluded=len(library) - len(candidates),
        notes=tuple(unlisted_un(load.un_unlisted) for load in facts.hazmat if load.un is None and load.un_unlisted is not None),
    )


def explain(library: Library, plan_id: str, facts: IncidentFacts) -> PlanMatch:
    """One plan against the facts, also where it is ruled out. Raises KeyError for a plan that the library does not hold."""
    entry = library.by_id[plan_id]
    run = Run(library, facts)
    state, score, _ = scored(entry, run.value)
    return _explained(run, entry, state, score)


def ranked_ids(result: MatchResult, *, undetermined: bool = False, cards: bool = False) -> tuple[str, ...]:
    """Ids of the matching plans, best first, `general` last; undetermined ones and on-site cards only where asked for."""
    return tuple(
        m.plan_id for m in result.matches if (undetermined or m.state is State.SATISFIED) and (cards or m.kind is not PlanKind.ONSITE_CARD)
    )


def _explained(run: Run, entry: Entry, state: int, score: float) -> PlanMatch:
    conditions = tuple(_condition_state(run, place) for place in entry.places)
    zh, en = sentence(entry.plan, state, score, conditions)
    plan = entry.plan
    return PlanMatch(plan.id, plan.version, plan.title, plan.kind, STATE_OF[state], round(score, 1), conditions, zh, en, plan.source)


def _condition_state(run: Run, place: LeafPlace) -> ConditionState:
    zh, en = run.library.words[place.leaf]
    state = run.state(place.leaf)
    value, is_derived = run.seen(place.leaf)
    return ConditionState(
        path=place.path,
        state=STATE_OF[-state if place.negated else state],
        field=run.asked(place.leaf),
        zh=f"不是：{zh}" if place.negated else zh,
        en=f"not: {en}" if place.negated else en,
        value=value,
        derived=is_derived,
        negated=place.negated,
        alternative=place.alternative,
        support=place.support,
    )

"""Which plans apply to an incident, and why: pure, deterministic, three-valued (satisfied, unsatisfied, unknown).

No I/O, no clock, no randomness: the same library and facts give the same result. Plans are compiled once into a `Library`,
where equal conditions are tested once per incident however many plans ask them.
"""

from plans.facts import IncidentFacts
from plans.match.conditions import great_circle_m, holds
from plans.match.followup import Stood, rematch_diff, stood, suggest_level
from plans.match.library import Library
from plans.match.ranking import explain, match, ranked_ids
from plans.match.result import ConditionState, LevelSuggestion, MatchResult, MissingFact, PlanMatch, PlanMove, RematchDiff, State
from plans.match.words import describe

__all__ = [
    "ConditionState",
    "IncidentFacts",
    "LevelSuggestion",
    "Library",
    "MatchResult",
    "MissingFact",
    "PlanMatch",
    "PlanMove",
    "RematchDiff",
    "State",
    "Stood",
    "describe",
    "explain",
    "great_circle_m",
    "holds",
    "match",
    "ranked_ids",
    "rematch_diff",
    "stood",
    "suggest_level",
]

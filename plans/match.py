"""Which plans apply to an incident, and why: pure, deterministic, three-valued (satisfied, unsatisfied, unknown).

No I/O, no clock, no randomness: the same library and facts give the same result. Plans are compiled once into a `Library`,
where equal conditions are tested once per incident however many plans ask them.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache

import msgspec

from plans.facts import (
    COLOUR_RANK,
    FIELD_ORDER,
    FIELDS,
    GRADE_RANK,
    VALUE_ZH,
    FieldKind,
    IncidentFacts,
    code_prefix,
    derive,
    reader,
)
from plans.model import (
    LEVEL_RANK,
    AllOf,
    Always,
    AnyOf,
    AtLeast,
    AtMost,
    Condition,
    Flag,
    GradeAtLeast,
    Hours,
    Inside,
    Leaf,
    Level,
    Months,
    Near,
    Not,
    OneOf,
    Plan,
    PlanKind,
    RoadSection,
    Source,
    Text,
    Under,
    Warned,
    fields_of,
)

__all__ = [
    "ConditionState",
    "IncidentFacts",
    "LevelSuggestion",
    "Library",
    "MatchResult",
    "MissingFact",
    "PlanMatch",
    "RematchDiff",
    "State",
    "describe",
    "explain",
    "holds",
    "match",
    "ranked_ids",
    "rematch_diff",
    "suggest_level",
]

# -1 unsatisfied, 0 unknown, 1 satisfied: so that `all` is min, `any` is max and `not` is minus.
_Test = Callable[[IncidentFacts], int]
_EARTH_RADIUS_M = 6_371_008.8  # mean radius, IUGG
_SATISFIED_BASE, _APPLIES_POINTS, _SUPPORT_POINTS, _UNKNOWN_CAP, _GENERAL_SCORE = 100.0, 10.0, 5.0, 99.0, 1.0
_ASKED_AMONG = 20  # plans looked at, best first, when choosing the question


class State(StrEnum):
    """What is known of a condition."""

    SATISFIED = "satisfied"
    UNSATISFIED = "unsatisfied"
    UNKNOWN = "unknown"


_STATE = {1: State.SATISFIED, 0: State.UNKNOWN, -1: State.UNSATISFIED}


class ConditionState(msgspec.Struct, frozen=True, gc=False):
    """One condition of a plan against the facts: where it stands in the plan, in words, its state and the value it saw.

    `value` is None where unknown; `derived` says that the value was implied by other facts; `alternative` that another branch may stand in
    for it; `negated` that it stands under a `not` (the state is then already turned round); `support` that it only adds to the score.
    """

    path: str
    state: State
    field: str
    zh: str
    en: str
    value: str | None
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

    `open` counts plans for which nothing speaks yet, `excluded` those ruled out.
    `matches` may be fewer than `applicable`, where the caller's limit cut it.
    """

    matches: tuple[PlanMatch, ...]
    missing_fact: MissingFact | None
    considered: int
    applicable: int
    open: int
    excluded: int


class PlanMove(msgspec.Struct, frozen=True):
    """A plan whose place or state changed; ranks count from 1, None where not listed."""

    plan_id: str
    title: Text
    rank_before: int | None
    rank_after: int | None
    state_before: State | None
    state_after: State | None
    turned: tuple[str, ...]


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


# -- testing one condition ------------------------------------------------------------------------


def _under(leaf: Under) -> _Test:
    wanted = tuple(code_prefix(code) for code in leaf.codes)
    families = frozenset(leaf.families)

    def test(facts: IncidentFacts) -> int:
        codes, family = facts.event_types, facts.family
        if family in families or any(code.startswith(wanted) for code in codes):
            return 1
        if any(w.startswith(code_prefix(code)) for code in codes for w in wanted):
            return 0
        if codes:
            return -1
        return 0 if family is None or not families else -1

    return test


def _values_test(path: str, hit: Callable[[object], int], absent: int = -1) -> _Test:
    """`hit` gives 1, 0 or -1 for one known value; `absent` is the answer where no dangerous goods are present at all."""
    read = reader(path)
    if not path.startswith("hazmat."):

        def test(facts: IncidentFacts) -> int:
            values = read(facts)
            return hit(values[0]) if values else 0

        return test

    def settled(facts: IncidentFacts) -> bool:
        """A load whose UN number is known needs no name any more."""
        return path == "hazmat.name" and all(load.un or load.name for load in facts.hazmat)

    def test_loads(facts: IncidentFacts) -> int:
        if not facts.hazmat:
            return absent if facts.hazmat_present is False else 0
        values = read(facts)
        best = max((hit(value) for value in values), default=-1 if settled(facts) else 0)
        return best if best > 0 or len(values) == len(facts.hazmat) or settled(facts) else 0

    return test_loads


def _one_of(leaf: OneOf) -> _Test:
    values = frozenset(leaf.values)
    kind = FIELDS[leaf.field].kind
    if kind is FieldKind.CODE:
        prefixes = tuple(leaf.values)

        def code_hit(value: object) -> int:
            text = str(value)
            if text.startswith(prefixes):
                return 1
            return 0 if any(p.startswith(text) for p in prefixes) else -1

        return _values_test(leaf.field, code_hit)
    if kind is FieldKind.HAZARD_CLASS:
        divisions = tuple(f"{v}." for v in leaf.values)

        def class_hit(value: object) -> int:
            text = str(value)
            if text in values or text.startswith(divisions):
                return 1
            return 0 if any(v.startswith(f"{text}.") for v in values) else -1

        return _values_test(leaf.field, class_hit)
    return _values_test(leaf.field, lambda value: 1 if value in values else -1)


def _flag(leaf: Flag) -> _Test:
    if leaf.value or not leaf.field.startswith("hazmat."):
        return _values_test(leaf.field, lambda value: 1 if value is leaf.value else -1)
    positive = _values_test(leaf.field, lambda value: 1 if value is True else -1)
    return lambda facts: -positive(facts)  # "no leak" holds when no load leaks


def _at_least(leaf: AtLeast) -> _Test:
    return _values_test(leaf.field, lambda value: 1 if isinstance(value, int | float) and value >= leaf.value else -1)


def _at_most(leaf: AtMost) -> _Test:
    return _values_test(leaf.field, lambda value: 1 if isinstance(value, int | float) and value <= leaf.value else -1)


def _grade(leaf: GradeAtLeast) -> _Test:
    floor = GRADE_RANK[leaf.grade]
    return lambda facts: 0 if facts.grade is None else 1 if GRADE_RANK[facts.grade] >= floor else -1


def _inside(leaf: Inside) -> _Test:
    ring = leaf.polygon
    west, east = min(p[0] for p in ring), max(p[0] for p in ring)
    south, north = min(p[1] for p in ring), max(p[1] for p in ring)

    def test(facts: IncidentFacts) -> int:
        lon, lat = facts.place.lon, facts.place.lat
        if lon is None or lat is None:
            return 0
        if not (west <= lon <= east and south <= lat <= north):
            return -1
        return 1 if _contains(ring, lon, lat) else -1

    return test


def _contains(ring: Sequence[tuple[float, float]], lon: float, lat: float) -> bool:
    inside = False
    previous = ring[-1]
    for point in ring:
        (x1, y1), (x2, y2) = previous, point
        if (y1 > lat) != (y2 > lat) and lon < (x2 - x1) * (lat - y1) / (y2 - y1) + x1:
            inside = not inside
        previous = point
    return inside


def _near(leaf: Near) -> _Test:
    def test(facts: IncidentFacts) -> int:
        lon, lat = facts.place.lon, facts.place.lat
        if lon is None or lat is None:
            return 0
        return 1 if great_circle_m(leaf.lon, leaf.lat, lon, lat) <= leaf.within_m else -1

    return test


def great_circle_m(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Distance on the sphere in metres (within 0.5 % of the ellipsoid), degrees in."""
    phi1, phi2 = math.radians(lat1), math.radians(lat2)
    half = math.sin((phi2 - phi1) / 2) ** 2 + math.cos(phi1) * math.cos(phi2) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    return 2 * _EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, half)))


def _road(leaf: RoadSection) -> _Test:
    low = -math.inf if leaf.from_km is None else leaf.from_km
    high = math.inf if leaf.to_km is None else leaf.to_km
    whole = leaf.from_km is None and leaf.to_km is None
    wanted = leaf.road.upper()

    def test(facts: IncidentFacts) -> int:
        road, km = facts.place.road, facts.place.road_km
        if road is None:
            return 0
        if road.upper() != wanted:
            return -1
        if whole:
            return 1
        return 0 if km is None else 1 if low <= km <= high else -1

    return test


def _span(first: int, last: int, value: int | None) -> int:
    if value is None:
        return 0
    inside = first <= value <= last if first <= last else value >= first or value <= last
    return 1 if inside else -1


def _warned(leaf: Warned) -> _Test:
    floor = COLOUR_RANK[leaf.colour]

    def test(facts: IncidentFacts) -> int:
        warnings = facts.weather.warnings
        if warnings is None:
            return 0
        hit = any((not leaf.kinds or w.kind in leaf.kinds) and COLOUR_RANK[w.colour] >= floor for w in warnings)
        return 1 if hit else -1

    return test


@lru_cache(maxsize=65_536)
def _test_of(leaf: Leaf) -> _Test:
    match leaf:
        case Under():
            return _under(leaf)
        case OneOf():
            return _one_of(leaf)
        case Flag():
            return _flag(leaf)
        case AtLeast():
            return _at_least(leaf)
        case AtMost():
            return _at_most(leaf)
        case GradeAtLeast():
            return _grade(leaf)
        case Inside():
            return _inside(leaf)
        case Near():
            return _near(leaf)
        case RoadSection():
            return _road(leaf)
        case Months():
            return lambda facts: _span(leaf.first, leaf.last, facts.month)
        case Hours():
            return lambda facts: _span(leaf.first, leaf.last, facts.hour)
        case Warned():
            return _warned(leaf)


def _truth(condition: Condition, facts: IncidentFacts) -> int:
    match condition:
        case Always():
            return 1
        case AllOf():
            return min(_truth(child, facts) for child in condition.of)
        case AnyOf():
            return max(_truth(child, facts) for child in condition.of)
        case Not():
            return -_truth(condition.of, facts)
        case _:
            return _test_of(condition)(facts)


def holds(condition: Condition, facts: IncidentFacts) -> State:
    """The state of one condition for the facts (with what they imply)."""
    return _STATE[_truth(condition, derive(facts))]


def default_weight(leaf: Leaf) -> float:
    """How much a satisfied leaf speaks for its plan where the plan does not say: the more specific, the more."""
    match leaf:
        case Under():
            return min((max(1.0, len(code_prefix(code)) - 1.0) for code in leaf.codes), default=2.0)
        case OneOf() if leaf.field in ("hazmat.un", "hazmat.name", "enterprise.id"):
            return 3.0
        case Inside() | Near() | RoadSection() | Warned():
            return 2.0
        case _:
            return 1.0


# -- in words -------------------------------------------------------------------------------------


def describe(leaf: Leaf) -> tuple[str, str]:
    """A condition in Chinese and English."""
    match leaf:
        case Under():
            codes = "、".join((*leaf.codes, *leaf.families))
            return f"事件类型属于 {codes}", f"event type under {', '.join((*leaf.codes, *leaf.families))}"
        case OneOf():
            spec = FIELDS[leaf.field]
            return f"{spec.zh}为{'、'.join(VALUE_ZH.get(v, v) for v in leaf.values)}", f"{spec.en} is {' or '.join(leaf.values)}"
        case Flag():
            spec = FIELDS[leaf.field]
            return f"{'' if leaf.value else '未'}{spec.zh}", f"{'' if leaf.value else 'no '}{spec.en}"
        case AtLeast():
            spec = FIELDS[leaf.field]
            return f"{spec.zh} ≥ {leaf.value:g}", f"{spec.en} ≥ {leaf.value:g}"
        case AtMost():
            spec = FIELDS[leaf.field]
            return f"{spec.zh} ≤ {leaf.value:g}", f"{spec.en} ≤ {leaf.value:g}"
        case GradeAtLeast():
            return f"事件等级达到{leaf.grade}", f"grade {leaf.grade} or graver"
        case Inside():
            return f"位于{leaf.name}范围内", f"inside {leaf.name}"
        case Near():
            return f"距{leaf.name} {leaf.within_m:g} 米以内", f"within {leaf.within_m:g} m of {leaf.name}"
        case RoadSection():
            if leaf.from_km is None and leaf.to_km is None:
                return f"在 {leaf.road} 上", f"on {leaf.road}"
            low, high = leaf.from_km or 0, "终点" if leaf.to_km is None else f"K{leaf.to_km:g}"
            return f"在 {leaf.road} K{low:g}–{high}", f"on {leaf.road} km {low:g}–{'end' if leaf.to_km is None else f'{leaf.to_km:g}'}"
        case Months():
            return f"{leaf.first}月至{leaf.last}月", f"month {leaf.first} to {leaf.last}"
        case Hours():
            return f"{leaf.first}时至{leaf.last}时", f"hour {leaf.first} to {leaf.last}"
        case Warned():
            kinds = "、".join(VALUE_ZH.get(k, k) for k in leaf.kinds) or "任一"
            return f"{kinds}预警达到{VALUE_ZH[leaf.colour]}", f"{', '.join(leaf.kinds) or 'any'} warning of {leaf.colour} or graver"


def _shown(leaf: Leaf, facts: IncidentFacts) -> str | None:
    parts: list[str] = []
    for path in fields_of(leaf):
        for value in reader(path)(facts):
            parts.append(_show(value))
    return "、".join(parts) if parts else None


def _show(value: object) -> str:
    match value:
        case bool():
            return "是 yes" if value else "否 no"
        case float():
            return f"{value:g}"
        case tuple():
            return ", ".join(f"{v.kind} {v.colour}" if hasattr(v, "colour") else f"{v:.6g}" for v in value) or "无 none"
        case _:
            return str(value)


# -- the library ----------------------------------------------------------------------------------

# A compiled condition: (op, …); leaves are numbers into the library's table of distinct tests.
_ALWAYS, _ALL, _ANY, _NOT, _LEAF = range(5)
_Node = tuple[int, tuple["_Node", ...], int, float]  # op, children, leaf number, weight


class _Place(msgspec.Struct, frozen=True):
    """A leaf's place in a plan, for the explanation."""

    leaf: int
    path: str
    negated: bool
    alternative: bool
    support: bool


class _Entry(msgspec.Struct, frozen=True):
    plan: Plan
    applies: _Node
    supports: tuple[_Node, ...]
    places: tuple[_Place, ...]


class Library:
    """Plans compiled for matching. Give it the plans in force; it keeps their order only to break no tie (ids do)."""

    def __init__(self, plans: Iterable[Plan]) -> None:
        self._numbers: dict[Leaf, int] = {}
        self.leaves: list[Leaf] = []
        self.tests: list[_Test] = []
        self.words: list[tuple[str, str]] = []
        self.entries: list[_Entry] = []
        for plan in plans:
            self._add(plan)
        self.groups = self._grouped()
        self.by_id: Mapping[str, _Entry] = {entry.plan.id: entry for entry in self.entries}

    def __len__(self) -> int:
        return len(self.entries)

    def _add(self, plan: Plan) -> None:
        places: list[_Place] = []
        applies = self._compile(plan.applies, "applies", places, False, False, False)
        supports = tuple(self._compile(c, f"supports[{i}]", places, False, False, True) for i, c in enumerate(plan.supports))
        self.entries.append(_Entry(plan, applies, supports, tuple(places)))

    def _grouped(self) -> dict[int | None, list[tuple[tuple[int, ...], _Entry]]]:
        """Plans by the one necessary condition they share with most others: where it fails, the whole group is passed over."""
        gates = [_gates(entry.applies) for entry in self.entries]
        shared = Counter(number for numbers in gates for number in numbers)
        groups: dict[int | None, list[tuple[tuple[int, ...], _Entry]]] = {}
        for entry, numbers in zip(self.entries, gates, strict=True):
            first = max(numbers, key=lambda n: (shared[n], -n), default=None)
            groups.setdefault(first, []).append((tuple(sorted(n for n in numbers if n != first)), entry))
        return groups

    def _compile(self, condition: Condition, path: str, places: list[_Place], negated: bool, alternative: bool, support: bool) -> _Node:
        match condition:
            case Always():
                return (_ALWAYS, (), -1, 0.0)
            case AllOf() | AnyOf():
                many = isinstance(condition, AnyOf) and len(condition.of) > 1
                children = tuple(
                    self._compile(child, f"{path}.of[{i}]", places, negated, alternative or many, support)
                    for i, child in enumerate(condition.of)
                )
                return (_ALL if isinstance(condition, AllOf) else _ANY, children, -1, 0.0)
            case Not():
                return (_NOT, (self._compile(condition.of, f"{path}.of", places, not negated, alternative, support),), -1, 0.0)
            case _:
                number = self._number(condition)
                places.append(_Place(number, path, negated, alternative, support))
                return (_LEAF, (), number, default_weight(condition) if condition.weight is None else condition.weight)

    def _number(self, leaf: Leaf) -> int:
        number = self._numbers.get(leaf)
        if number is None:
            number = self._numbers[leaf] = len(self.leaves)
            self.leaves.append(leaf)
            self.tests.append(_test_of(leaf))
            self.words.append(describe(leaf))
        return number


def _gates(node: _Node) -> set[int]:
    op, children, number, _ = node
    if op == _LEAF:
        return {number}
    return set().union(*(_gates(child) for child in children)) if op == _ALL else set()


class _Candidate(msgspec.Struct, frozen=True, gc=False):  # never part of a cycle; spares the collector
    """A plan that is not ruled out; `weight` is what already speaks for it."""

    entry: _Entry
    state: int
    score: float
    weight: float

    @property
    def is_listed(self) -> bool:
        return self.state > 0 or self.weight > 0


class _Run:
    """One incident against one library: tests each distinct leaf at most once."""

    def __init__(self, library: Library, facts: IncidentFacts) -> None:
        self.library = library
        self.facts = facts
        self.states: list[int | None] = [None] * len(library.leaves)

    def state(self, number: int) -> int:
        state = self.states[number]
        if state is None:
            state = self.states[number] = self.library.tests[number](self.facts)
        return state

    def evaluate(self, node: _Node) -> tuple[int, float]:
        """State, and the weight of what is satisfied: the sum over `all`, the best branch of `any`, nothing for `not`."""
        op, children, number, weight = node
        if op == _LEAF:
            state = self.states[number]
            if state is None:
                state = self.state(number)
            return (1, weight) if state > 0 else (state, 0.0)
        if op == _ALL:
            lowest, total = 1, 0.0
            for child in children:
                state, part = self.evaluate(child)
                if state < lowest:
                    lowest = state
                total += part
            return lowest, total
        if op == _ANY:
            best = (-1, 0.0)
            for child in children:
                found = self.evaluate(child)
                if found > best:
                    best = found
            return best
        if op == _NOT:
            return -self.evaluate(children[0])[0], 0.0
        return 1, 0.0

    def score(self, entry: _Entry) -> tuple[int, float, float]:
        """State, score and the satisfied weight that speaks for the plan."""
        state, weight = self.evaluate(entry.applies)
        if state < 0:
            return state, 0.0, 0.0
        if entry.plan.kind is PlanKind.GENERAL:
            return state, _GENERAL_SCORE, weight
        extra = 0.0
        for support in entry.supports:
            extra += self.evaluate(support)[1]
        points = _APPLIES_POINTS * weight + _SUPPORT_POINTS * extra
        return state, _SATISFIED_BASE + points if state > 0 else min(_UNKNOWN_CAP, points), weight

    def candidates(self) -> list[_Candidate]:
        """Every plan that is not ruled out, best first; groups whose necessary conditions fail are passed over whole."""
        found: list[_Candidate] = []
        for first, members in self.library.groups.items():
            if first is not None and self.state(first) < 0:
                continue
            for gates, entry in members:
                if any(self.state(gate) < 0 for gate in gates):
                    continue
                state, score, weight = self.score(entry)
                if state >= 0:
                    found.append(_Candidate(entry, state, score, weight))
        found.sort(key=_rank_key)
        return found


def _rank_key(c: _Candidate) -> tuple[bool, float, int, str, int]:
    plan = c.entry.plan
    return plan.kind is PlanKind.GENERAL, -c.score, _KIND_ORDER[plan.kind], plan.id, plan.version


_KIND_ORDER = {PlanKind.SPECIAL: 0, PlanKind.DEPARTMENT: 1, PlanKind.ONSITE_CARD: 2, PlanKind.GENERAL: 3}


def match(library: Library, facts: IncidentFacts, *, limit: int = 20) -> MatchResult:
    """Rank the plans of `library` for an incident.

    Listed are plans whose conditions are satisfied, and plans still undetermined for which at least one weighty condition already holds.
    Score: 100 where all conditions hold, plus 10 per unit of weight of the satisfied ones and 5 per unit of satisfied supports;
    an undetermined plan stays below 100; the general plan stands last. At most `limit` plans are explained.
    """
    stated, facts = facts, derive(facts)
    run = _Run(library, facts)
    candidates = run.candidates()
    listed = [c for c in candidates if c.is_listed]
    shown = listed[:limit]
    if limit < len(listed) and listed[-1].entry.plan.kind is PlanKind.GENERAL:
        shown[-1] = listed[-1]
    return MatchResult(
        matches=tuple(_explained(run, stated, c.entry, c.state, c.score) for c in shown),
        missing_fact=_missing_fact(run, candidates),
        considered=len(library),
        applicable=len(listed),
        open=len(candidates) - len(listed),
        excluded=len(library) - len(candidates),
    )


def explain(library: Library, plan_id: str, facts: IncidentFacts) -> PlanMatch:
    """One plan against the facts, also where it is ruled out. Raises KeyError for a plan that the library does not hold."""
    entry = library.by_id[plan_id]
    run = _Run(library, derive(facts))
    state, score, _ = run.score(entry)
    return _explained(run, facts, entry, state, score)


def ranked_ids(result: MatchResult, *, undetermined: bool = False, cards: bool = False) -> tuple[str, ...]:
    """Ids of the matching plans, best first, `general` last; undetermined ones and on-site cards only where asked for."""
    return tuple(
        m.plan_id for m in result.matches if (undetermined or m.state is State.SATISFIED) and (cards or m.kind is not PlanKind.ONSITE_CARD)
    )


def _explained(run: _Run, stated: IncidentFacts, entry: _Entry, state: int, score: float) -> PlanMatch:
    conditions = tuple(_condition_state(run, stated, place) for place in entry.places)
    zh, en = _sentence(entry.plan, state, score, conditions)
    plan = entry.plan
    return PlanMatch(plan.id, plan.version, plan.title, plan.kind, _STATE[state], round(score, 1), conditions, zh, en, plan.source)


def _condition_state(run: _Run, stated: IncidentFacts, place: _Place) -> ConditionState:
    leaf = run.library.leaves[place.leaf]
    zh, en = run.library.words[place.leaf]
    state = run.state(place.leaf)
    value = _shown(leaf, run.facts)
    return ConditionState(
        path=place.path,
        state=_STATE[-state if place.negated else state],
        field=_asked_field(leaf, run.facts),
        zh=f"不是：{zh}" if place.negated else zh,
        en=f"not: {en}" if place.negated else en,
        value=value,
        derived=value is not None and value != _shown(leaf, stated),
        negated=place.negated,
        alternative=place.alternative,
        support=place.support,
    )


def _sentence(plan: Plan, state: int, score: float, conditions: Sequence[ConditionState]) -> tuple[str, str]:
    if plan.kind is PlanKind.GENERAL:
        return "总体预案适用于所有突发事件，列在最后。", "The general plan covers every incident and stands last."
    held = [c for c in conditions if c.state is State.SATISFIED and not c.negated and not c.support]
    extra = [c for c in conditions if c.state is State.SATISFIED and c.support]
    still = [c for c in conditions if c.state is State.UNKNOWN and not c.support]
    failed = [c for c in conditions if c.state is State.UNSATISFIED and not c.support]
    zh = {1: "适用：", 0: "可能适用：", -1: "不适用："}[state] + ("；".join(c.zh for c in held) or "尚无条件得到满足")
    en = {1: "Applies: ", 0: "May apply: ", -1: "Does not apply: "}[state] + ("; ".join(c.en for c in held) or "no condition is met yet")
    if state < 0 and failed:
        zh, en = zh + f"。不满足：{'；'.join(c.zh for c in failed)}", en + f". Not met: {'; '.join(c.en for c in failed)}"
    if state == 0 and still:
        zh, en = zh + f"。待核实：{'；'.join(c.zh for c in still)}", en + f". Still unknown: {'; '.join(c.en for c in still)}"
    if extra:
        zh, en = zh + f"。佐证：{'；'.join(c.zh for c in extra)}", en + f". Also: {'; '.join(c.en for c in extra)}"
    return f"{zh}（{score:g} 分）。", f"{en} ({score:g} points)."


# -- the question worth asking --------------------------------------------------------------------


def _asked_field(leaf: Leaf, facts: IncidentFacts) -> str:
    fields = fields_of(leaf)
    if isinstance(leaf, RoadSection) and facts.place.road is not None and len(fields) > 1:
        return fields[1]
    return fields[0]


def _missing_fact(run: _Run, candidates: Sequence[_Candidate]) -> MissingFact | None:
    """For each unknown fact, suppose its conditions hold, then that they do not: how far does each plan move?

    A move is measured in 1/rank, so the top of the list counts most; the largest sum wins. Plans for which something speaks are asked
    about first; where no plan fits yet, all that are not ruled out; and the on-site cards last, once dangerous goods are known to be there.
    """
    cards = [c for c in candidates if c.entry.plan.kind is PlanKind.ONSITE_CARD]
    plans = [c for c in candidates if c.entry.plan.kind not in (PlanKind.ONSITE_CARD, PlanKind.GENERAL)]
    fact = _best_question(run, [c for c in plans if c.is_listed])
    if fact is None and not any(c.state > 0 for c in plans):
        fact = _best_question(run, plans)
    if fact is None and run.facts.hazmat_present and not any(c.state > 0 for c in cards):
        fact = _best_question(run, cards)
    return fact


def _best_question(run: _Run, ranked: Sequence[_Candidate]) -> MissingFact | None:
    ranked = ranked[:_ASKED_AMONG]
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


def _unknown_fields(run: _Run, entry: _Entry) -> dict[str, list[int]]:
    unknown: dict[str, list[int]] = {}
    for place in entry.places:
        if run.state(place.leaf) == 0:
            unknown.setdefault(_asked_field(run.library.leaves[place.leaf], run.facts), []).append(place.leaf)
    return unknown


def _shift(run: _Run, c: _Candidate, numbers: Sequence[int], supposed: int, scores: Sequence[float]) -> float:
    for number in numbers:
        run.states[number] = supposed
    state, then, _ = run.score(c.entry)
    for number in numbers:
        run.states[number] = 0
    if state == c.state and then == c.score:
        return 0.0
    before = bisect_right(scores, -c.score)  # among equals the last place
    if state < 0:
        return 1 / before
    ahead = bisect_left(scores, -then) - (1 if then < c.score else 0)  # the plan itself no longer stands ahead of where it goes
    return abs(1 / before - 1 / (1 + ahead))


# -- levels and follow-ups ------------------------------------------------------------------------


def suggest_level(plan: Plan, facts: IncidentFacts) -> LevelSuggestion:
    """The highest level of `plan` whose criteria hold; where none does, its mildest one (`met` False).

    Raises ValueError for a plan without levels.
    """
    if not plan.levels:
        raise ValueError(f"the plan {plan.id} has no response levels")
    facts = derive(facts)
    rules = sorted(plan.levels, key=lambda rule: -LEVEL_RANK[rule.level])
    truths = [_truth(rule.criteria, facts) for rule in rules]
    at = next((i for i, truth in enumerate(truths) if truth > 0), None)
    rule = rules[-1] if at is None else rules[at]
    undetermined = tuple(r.level for r, truth in list(zip(rules, truths, strict=True))[:at] if truth == 0)
    if at is None:
        zh, en = (
            f"尚不满足任何分级条件，按最低的 {rule.level} 级建议。",
            f"No criteria are met yet; the mildest level, {rule.level}, is suggested.",
        )
    else:
        zh, en = f"建议 {rule.level} 级：{rule.text.zh}", f"Level {rule.level} suggested: {rule.text.en}"
    return LevelSuggestion(rule.level, at is not None, zh, en, undetermined)


def rematch_diff(before: MatchResult, after: MatchResult) -> RematchDiff:
    """What changed between two matchings of one incident: plans that came, went, or changed state or place."""
    old = {m.plan_id: (rank, m) for rank, m in enumerate(before.matches, 1)}
    new = {m.plan_id: (rank, m) for rank, m in enumerate(after.matches, 1)}
    entered = tuple(_move(None, new[i]) for i in new if i not in old)
    left = tuple(_move(old[i], None) for i in old if i not in new)
    changed = tuple(
        move
        for i in new
        if i in old and (move := _move(old[i], new[i])) and (move.turned or move.state_before is not move.state_after or _jumped(move))
    )
    return RematchDiff(entered, left, changed, *_diff_words(entered, left, changed))


def _jumped(move: PlanMove) -> bool:
    return move.rank_before != move.rank_after


def _move(old: tuple[int, PlanMatch] | None, new: tuple[int, PlanMatch] | None) -> PlanMove:
    known = new or old
    assert known is not None
    turned: tuple[str, ...] = ()
    if old and new:
        states = {(c.path, c.negated): c.state for c in old[1].conditions}
        turned = tuple(
            f"{c.zh}：{_STATE_ZH[states[c.path, c.negated]]}→{_STATE_ZH[c.state]}"
            for c in new[1].conditions
            if (c.path, c.negated) in states and states[c.path, c.negated] is not c.state
        )
    return PlanMove(
        known[1].plan_id,
        known[1].title,
        old[0] if old else None,
        new[0] if new else None,
        old[1].state if old else None,
        new[1].state if new else None,
        turned,
    )


_STATE_ZH = {State.SATISFIED: "满足", State.UNSATISFIED: "不满足", State.UNKNOWN: "未知"}


def _diff_words(entered: Sequence[PlanMove], left: Sequence[PlanMove], changed: Sequence[PlanMove]) -> tuple[str, str]:
    zh: list[str] = []
    en: list[str] = []
    for moves, what_zh, what_en in ((entered, "新增", "New"), (left, "不再适用", "No longer")):
        if moves:
            zh.append(f"{what_zh}：{'、'.join(m.title.zh for m in moves)}")
            en.append(f"{what_en}: {', '.join(m.title.en for m in moves)}")
    for m in changed:
        if m.state_before is not m.state_after and m.state_before and m.state_after:
            zh.append(f"{m.title.zh}由{_STATE_ZH[m.state_before]}变为{_STATE_ZH[m.state_after]}")
            en.append(f"{m.title.en} went from {m.state_before} to {m.state_after}")
        elif _jumped(m):
            zh.append(f"{m.title.zh}由第 {m.rank_before} 位变为第 {m.rank_after} 位")
            en.append(f"{m.title.en} moved from place {m.rank_before} to {m.rank_after}")
    return "；".join(zh) + "。" if zh else "匹配结果没有变化。", "; ".join(en) + "." if en else "The matching did not change."

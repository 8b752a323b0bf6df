"""Plans compiled once for matching: equal conditions are tested once per incident, groups that cannot match are passed over. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from plans.facts import (
    IncidentFacts,
)
from plans.match.conditions import Test, default_weight, test_of
from plans.match.words import describe
from plans.model import (
    AllOf,
    Always,
    AnyOf,
    Condition,
    Leaf,
    Not,
    Plan,
    PlanKind,
)

_SATISFIED_BASE, _APPLIES_POINTS, _SUPPORT_POINTS, _UNKNOWN_CAP, _GENERAL_SCORE = 100.0, 10.0, 5.0, 99.0, 1.0

# A compiled condition: (op, …); leaves are numbers into the library's table of distinct tests.
_ALWAYS, _ALL, _ANY, _NOT, _LEAF = range(5)
Node = tuple[int, tuple["Node", ...], int, float]  # op, children, leaf number, weight


class LeafPlace(msgspec.Struct, frozen=True):
    """A leaf's place in a plan, for the explanation."""

    leaf: int
    path: str
    negated: bool
    alternative: bool
    support: bool


class Entry(msgspec.Struct, frozen=True):
    """A plan with its conditions compiled."""

    plan: Plan
    applies: Node
    supports: tuple[Node, ...]
    places: tuple[LeafPlace, ...]
    order: int  # among plans of the same score


class Library:
    """Plans compiled for matching. Give it the plans in force; the order in which they are given does not matter."""

    def __init__(self, plans: Iterable[Plan]) -> None:
        self._numbers: dict[Leaf, int] = {}
        self.leaves: list[Leaf] = []
        self.tests: list[Test] = []
        self.words: list[tuple[str, str]] = []
        self.entries: list[Entry] = []
        for plan in sorted(plans, key=_among_equals):
            self._add(plan)
        self.groups = self._grouped()
        self.by_id: Mapping[str, Entry] = {entry.plan.id: entry for entry in self.entries}

    def __len__(self) -> int:
        return len(self.entries)

    def _add(self, plan: Plan) -> None:
        places: list[LeafPlace] = []
        applies = self._compile(plan.applies, "applies", places, False, False, False)
        supports = tuple(self._compile(c, f"supports[{i}]", places, False, False, True) for i, c in enumerate(plan.supports))
        self.entries.append(Entry(plan, applies, supports, tuple(places), len(self.entries)))

    def _grouped(self) -> dict[int | None, list[tuple[tuple[int, ...], Entry]]]:
        """Plans by the one necessary condition they share with most others: where it fails, the whole group is passed over."""
        gates = [_gates(entry.applies) for entry in self.entries]
        shared = Counter(number for numbers in gates for number in numbers)
        groups: dict[int | None, list[tuple[tuple[int, ...], Entry]]] = {}
        for entry, numbers in zip(self.entries, gates, strict=True):
            first = max(numbers, key=lambda n: (shared[n], -n), default=None)
            groups.setdefault(first, []).append((tuple(sorted(n for n in numbers if n != first)), entry))
        return groups

    def _compile(self, condition: Condition, path: str, places: list[LeafPlace], negated: bool, alternative: bool, support: bool) -> Node:
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
                places.append(LeafPlace(number, path, negated, alternative, support))
                return (_LEAF, (), number, default_weight(condition) if condition.weight is None else condition.weight)

    def _number(self, leaf: Leaf) -> int:
        number = self._numbers.get(leaf)
        if number is None:
            number = self._numbers[leaf] = len(self.leaves)
            self.leaves.append(leaf)
            self.tests.append(test_of(leaf))
            self.words.append(describe(leaf))
        return number


def _gates(node: Node) -> set[int]:
    op, children, number, _ = node
    if op == _LEAF:
        return {number}
    return set().union(*(_gates(child) for child in children)) if op == _ALL else set()


class Candidate(msgspec.Struct, frozen=True, gc=False):  # never part of a cycle; spares the collector
    """A plan that is not ruled out; `weight` is what already speaks for it."""

    entry: Entry
    state: int
    score: float
    weight: float

    @property
    def is_listed(self) -> bool:
        """Whether it holds, or something weighty speaks for it already."""
        return self.state > 0 or self.weight > 0


class Run:
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

    def evaluate(self, node: Node) -> tuple[int, float]:
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

    def score(self, entry: Entry) -> tuple[int, float, float]:
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

    def candidates(self) -> list[Candidate]:
        """Every plan that is not ruled out, best first; groups whose necessary conditions fail are passed over whole."""
        found: list[tuple[float, int, Candidate]] = []  # ordered by the first two, which no two plans share
        for first, members in self.library.groups.items():
            if first is not None and self.state(first) < 0:
                continue
            for gates, entry in members:
                if gates and not self._may_pass(gates):
                    continue
                state, score, weight = self.score(entry)
                if state >= 0:
                    place = math.inf if entry.plan.kind is PlanKind.GENERAL else -score
                    found.append((place, entry.order, Candidate(entry, state, score, weight)))
        found.sort()
        return [candidate for _, _, candidate in found]

    def _may_pass(self, gates: tuple[int, ...]) -> bool:
        states = self.states
        for gate in gates:
            state = states[gate]
            if state is None:
                state = self.state(gate)
            if state < 0:
                return False
        return True


_KIND_ORDER = {PlanKind.SPECIAL: 0, PlanKind.DEPARTMENT: 1, PlanKind.ONSITE_CARD: 2, PlanKind.GENERAL: 3}


def _among_equals(plan: Plan) -> tuple[int, str, int]:
    return _KIND_ORDER[plan.kind], plan.id, plan.version

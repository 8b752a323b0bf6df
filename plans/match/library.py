"""Plans compiled once for matching: equal conditions are tested once per incident, groups that cannot match are passed over. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

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

_ALWAYS, _ALL, _ANY, _NOT, _LEAF = range(5)


class Node(msgspec.Struct, frozen=True, gc=False):
    """A compiled condition. Equal ones are one node, so that each is evaluated once per incident whatever number of plans hold it.

    `number` is the node's own, `leaf` that of the distinct test (-1: none).
    """

    op: int
    children: tuple[Node, ...]
    leaf: int
    weight: float
    number: int


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
    is_general: bool


class Library:
    """Plans compiled for matching. Give it the plans in force; the order in which they are given does not matter."""

    def __init__(self, plans: Iterable[Plan]) -> None:
        self._numbers: dict[Leaf, int] = {}
        self.leaves: list[Leaf] = []
        self.tests: list[Test] = []
        self.words: list[tuple[str, str]] = []
        self.entries: list[Entry] = []
        self._nodes: dict[tuple[int, tuple[int, ...], int, float], Node] = {}
        for plan in sorted(plans, key=_among_equals):
            self._add(plan)
        self.groups = self._grouped()
        self.by_id: Mapping[str, Entry] = {entry.plan.id: entry for entry in self.entries}

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def nodes(self) -> int:
        """How many distinct conditions there are."""
        return len(self._nodes)

    def _node(self, op: int, children: tuple[Node, ...] = (), leaf: int = -1, weight: float = 0.0) -> Node:
        key = (op, tuple(child.number for child in children), leaf, weight)
        found = self._nodes.get(key)
        if found is None:
            found = self._nodes[key] = Node(op, children, leaf, weight, len(self._nodes))
        return found

    def _add(self, plan: Plan) -> None:
        places: list[LeafPlace] = []
        applies = self._compile(plan.applies, "applies", places, False, False, False)
        supports = tuple(self._compile(c, f"supports[{i}]", places, False, False, True) for i, c in enumerate(plan.supports))
        self.entries.append(Entry(plan, applies, supports, tuple(places), len(self.entries), plan.kind is PlanKind.GENERAL))

    def _grouped(self) -> list[tuple[Node, list[tuple[tuple[Node, ...], Entry]]]]:
        """Plans by the one necessary condition they share with most others: where it fails, the whole group is passed over."""
        gates = [_gates(entry.applies) for entry in self.entries]
        shared = Counter(node.number for nodes in gates for node in nodes)
        groups: dict[int, tuple[Node, list[tuple[tuple[Node, ...], Entry]]]] = {}
        for entry, nodes in zip(self.entries, gates, strict=True):
            first = max(nodes, key=lambda n: (shared[n.number], -n.number))
            groups.setdefault(first.number, (first, []))[1].append((tuple(n for n in nodes if n is not first), entry))
        return list(groups.values())

    def _compile(self, condition: Condition, path: str, places: list[LeafPlace], negated: bool, alternative: bool, support: bool) -> Node:
        match condition:
            case Always():
                return self._node(_ALWAYS)
            case AllOf() | AnyOf():
                many = isinstance(condition, AnyOf) and len(condition.of) > 1
                children = tuple(
                    self._compile(child, f"{path}.of[{i}]", places, negated, alternative or many, support)
                    for i, child in enumerate(condition.of)
                )
                return self._node(_ALL if isinstance(condition, AllOf) else _ANY, children)
            case Not():
                return self._node(_NOT, (self._compile(condition.of, f"{path}.of", places, not negated, alternative, support),))
            case _:
                number = self._number(condition)
                places.append(LeafPlace(number, path, negated, alternative, support))
                return self._node(_LEAF, (), number, default_weight(condition) if condition.weight is None else condition.weight)

    def _number(self, leaf: Leaf) -> int:
        number = self._numbers.get(leaf)
        if number is None:
            number = self._numbers[leaf] = len(self.leaves)
            self.leaves.append(leaf)
            self.tests.append(test_of(leaf))
            self.words.append(describe(leaf))
        return number


def _gates(node: Node) -> tuple[Node, ...]:
    """The conditions that must all hold: a plan is ruled out as soon as one of them is."""
    if node.op != _ALL:
        return (node,)
    return tuple({gate.number: gate for child in node.children for gate in _gates(child)}.values())


def _worked_out(node: Node, value: Callable[[Node], tuple[int, float]], state: Callable[[int], int]) -> tuple[int, float]:
    op = node.op
    if op == _LEAF:
        found = state(node.leaf)
        return (1, node.weight) if found > 0 else (found, 0.0)
    if op == _ALL:
        lowest, total = 1, 0.0
        for child in node.children:
            found, part = value(child)
            if found < lowest:
                lowest = found
            total += part
        return lowest, total
    if op == _ANY:
        return max((value(child) for child in node.children), default=(-1, 0.0))
    if op == _NOT:
        return -value(node.children[0])[0], 0.0
    return 1, 0.0


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
    """One incident against one library: tests each distinct leaf, and works out each distinct condition, at most once."""

    def __init__(self, library: Library, facts: IncidentFacts) -> None:
        self.library = library
        self.facts = facts
        self.states: list[int | None] = [None] * len(library.leaves)
        self.values: list[tuple[int, float] | None] = [None] * library.nodes

    def state(self, number: int) -> int:
        state = self.states[number]
        if state is None:
            state = self.states[number] = self.library.tests[number](self.facts)
        return state

    def value(self, node: Node) -> tuple[int, float]:
        """State, and the weight of what is satisfied: the sum over `all`, the best branch of `any`, nothing for `not`."""
        found = self.values[node.number]
        if found is None:
            found = self.values[node.number] = _worked_out(node, self.value, self.state)
        return found

    def supposed(self, node: Node) -> tuple[int, float]:
        """The same by the states as they are supposed at the moment; nothing is kept."""
        return _worked_out(node, self.supposed, self.state)

    def score(self, entry: Entry, value: Callable[[Node], tuple[int, float]] | None = None) -> tuple[int, float, float]:
        """State, score and the satisfied weight that speaks for the plan."""
        value = value or self.value
        state, weight = value(entry.applies)
        if state < 0:
            return state, 0.0, 0.0
        if entry.is_general:
            return state, _GENERAL_SCORE, weight
        points = _APPLIES_POINTS * weight
        for support in entry.supports:
            points += _SUPPORT_POINTS * value(support)[1]
        return state, _SATISFIED_BASE + points if state > 0 else min(_UNKNOWN_CAP, points), weight

    def candidates(self) -> list[Candidate]:
        """Every plan that is not ruled out, best first; groups whose necessary condition fails are passed over whole."""
        found: list[tuple[float, int, Candidate]] = []  # ordered by the first two, which no two plans share
        for first, members in self.library.groups:
            if self.value(first)[0] < 0:
                continue
            for gates, entry in members:
                if gates and not self._may_pass(gates):
                    continue
                state, score, weight = self.score(entry)
                if state >= 0:
                    place = math.inf if entry.is_general else -score
                    found.append((place, entry.order, Candidate(entry, state, score, weight)))
        found.sort()
        return [candidate for _, _, candidate in found]

    def _may_pass(self, gates: tuple[Node, ...]) -> bool:
        values = self.values
        for gate in gates:
            known = values[gate.number]
            if (known if known is not None else self.value(gate))[0] < 0:
                return False
        return True


_KIND_ORDER = {PlanKind.SPECIAL: 0, PlanKind.DEPARTMENT: 1, PlanKind.ONSITE_CARD: 2, PlanKind.GENERAL: 3}


def _among_equals(plan: Plan) -> tuple[int, str, int]:
    return _KIND_ORDER[plan.kind], plan.id, plan.version

"""Plans compiled once for matching: equal conditions are tested once per incident, plans that cannot match are passed over together. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter

import msgspec

from plans.facts import (
    FIELD_ORDER,
    IncidentFacts,
    derive,
)
from plans.match.answers import Answer, answers
from plans.match.conditions import Test, default_weight, test_of
from plans.match.words import describe, shown
from plans.model import (
    AllOf,
    Always,
    AnyOf,
    Condition,
    Leaf,
    Not,
    Plan,
    PlanKind,
    Text,
    fields_of,
)

_SATISFIED_BASE, _APPLIES_POINTS, _SUPPORT_POINTS, _UNKNOWN_CAP, _GENERAL_SCORE = 100.0, 10.0, 5.0, 99.0, 1.0

_ALWAYS, _ALL, _ANY, _NOT, _LEAF = range(5)
_UNKNOWN, _FAILED = (0, 0.0), (-1, 0.0)


class Node(msgspec.Struct, frozen=True, gc=False):
    """A compiled condition. Equal ones are one node, so that each is evaluated once per incident whatever number of plans hold it.

    `number` is the node's own, `leaf` that of the distinct test (-1: none); `fields` has the bit `field_bit` of every fact that it rests on.
    """

    op: int
    children: tuple[Node, ...]
    leaf: int
    weight: float
    number: int
    fields: int


class LeafPlace(msgspec.Struct, frozen=True):
    """A leaf's place in a plan, for the explanation."""

    leaf: int
    path: str
    negated: bool
    alternative: bool
    support: bool


class Entry(msgspec.Struct, frozen=True):
    """A plan with its conditions compiled: all `gates` must hold for it to apply, those shared by most plans first; `supports` only add weight."""

    plan: Plan
    gates: tuple[Node, ...]
    supports: Node
    places: tuple[LeafPlace, ...]
    order: int  # among plans of the same score
    is_general: bool


class Branch(msgspec.Struct, frozen=True):
    """Plans that share a necessary condition beside those of the branches above: where it fails, none of them is looked at."""

    gate: Node
    ends: list[Entry]
    below: dict[int, Branch]


class Library:
    """Plans compiled for matching. Give it the plans in force; the order in which they are given does not matter."""

    def __init__(self, plans: Iterable[Plan]) -> None:
        self._numbers: dict[Leaf, int] = {}
        self.leaves: list[Leaf] = []
        self.tests: list[Test] = []
        self.words: list[tuple[str, str]] = []
        self.fields: list[tuple[str, ...]] = []
        self._nodes: dict[tuple[int, tuple[int, ...], int, float], Node] = {}
        self._answers: dict[str, tuple[Answer, ...]] = {}
        drafts = [self._compiled(plan) for plan in sorted(plans, key=_among_equals)]
        shared = Counter(number for draft in drafts for number in {gate.number for gate in draft.gates})
        self.entries = [
            msgspec.structs.replace(draft, order=order, gates=tuple(sorted(draft.gates, key=lambda n: (-shared[n.number], n.number))))
            for order, draft in enumerate(drafts)
        ]
        self.root = self._branched()
        self.by_id: Mapping[str, Entry] = {entry.plan.id: entry for entry in self.entries}

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def nodes(self) -> int:
        """How many distinct conditions there are."""
        return len(self._nodes)

    def answers(self, field: str) -> tuple[Answer, ...]:
        """The answers to a fact that the conditions tell apart."""
        found = self._answers.get(field)
        if found is None:
            asking = [(n, leaf) for n, leaf in enumerate(self.leaves) if field in self.fields[n]]
            found = self._answers[field] = answers(field, asking)
        return found

    def _node(self, op: int, children: tuple[Node, ...] = (), leaf: int = -1, weight: float = 0.0) -> Node:
        key = (op, tuple(child.number for child in children), leaf, weight)
        found = self._nodes.get(key)
        if found is None:
            fields = 0 if leaf < 0 else sum(map(field_bit, self.fields[leaf]))
            for child in children:
                fields |= child.fields
            found = self._nodes[key] = Node(op, children, leaf, weight, len(self._nodes), fields)
        return found

    def _compiled(self, plan: Plan) -> Entry:
        places: list[LeafPlace] = []
        applies = self._compile(plan.applies, "applies", places, False, False, False)
        supports = self._node(
            _ALL, tuple(self._compile(c, f"supports[{i}]", places, False, False, True) for i, c in enumerate(plan.supports))
        )
        return Entry(plan, _gates(applies), supports, tuple(places), 0, plan.kind is PlanKind.GENERAL)

    def _branched(self) -> Branch:
        root = Branch(self._node(_ALWAYS), [], {})
        for entry in self.entries:
            branch = root
            for gate in entry.gates:
                branch = branch.below.setdefault(gate.number, Branch(gate, [], {}))
            branch.ends.append(entry)
        return root

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
            self.fields.append(fields_of(leaf))
        return number


def field_bit(field: str) -> int:
    """The bit that stands for a fact in `Node.fields`."""
    return 1 << FIELD_ORDER[field]


def _gates(node: Node) -> tuple[Node, ...]:
    """The conditions that must all hold, in the plan's order: it is ruled out as soon as one of them is."""
    return (node,) if node.op != _ALL else tuple(gate for child in node.children for gate in _gates(child))


def _worked_out(node: Node, value: Callable[[Node], tuple[int, float]], state: Callable[[int], int]) -> tuple[int, float]:
    """State, and the weight of what is satisfied: the sum over `all`, the best branch of `any`, nothing for `not`."""
    op = node.op
    if op == _LEAF:
        found = state(node.leaf)
        return (1, node.weight) if found > 0 else _UNKNOWN if found == 0 else _FAILED
    if op == _ALL:
        lowest, total = 1, 0.0
        for child in node.children:
            found, part = value(child)
            if found < lowest:
                lowest = found
            total += part
        return lowest, total
    if op == _ANY:
        return max([value(child) for child in node.children])
    if op == _NOT:
        return -value(node.children[0])[0], 0.0
    return 1, 0.0


def scored(entry: Entry, value: Callable[[Node], tuple[int, float]]) -> tuple[int, float, float]:
    """State, score and the satisfied weight that speaks for the plan, by the `value` of conditions."""
    state, weight = 1, 0.0
    for gate in entry.gates:
        found, part = value(gate)
        if found < 0:
            return -1, 0.0, 0.0
        if found < state:
            state = found
        weight += part
    return state, points(entry, state, weight, value(entry.supports)[1]), weight


def points(entry: Entry, state: int, weight: float, support: float) -> float:
    """The score of a plan by its state, the satisfied weight of its conditions and that of its supports."""
    if entry.is_general:
        return _GENERAL_SCORE
    points = _APPLIES_POINTS * weight + _SUPPORT_POINTS * support
    return _SATISFIED_BASE + points if state > 0 else min(_UNKNOWN_CAP, points)


class Candidate(msgspec.Struct, frozen=True, gc=False):  # never part of a cycle; spares the collector
    """A plan that is not ruled out; `weight` is what already speaks for it."""

    entry: Entry
    order: int
    state: int
    score: float
    weight: float

    @property
    def is_listed(self) -> bool:
        """Whether it holds, or something weighty speaks for it already."""
        return self.state > 0 or self.weight > 0


_ORDER = attrgetter("order")


def _best_first(c: Candidate) -> float:
    return math.inf if c.entry.is_general else -c.score


class Run:
    """One incident, with what its facts imply, against one library: each distinct leaf and condition is worked out at most once."""

    def __init__(self, library: Library, facts: IncidentFacts) -> None:
        self.library = library
        self.stated, self.facts = facts, derive(facts)
        self._seen: dict[int, tuple[Text | None, bool]] = {}
        self.states: list[int | None] = [None] * len(library.leaves)
        self.values: list[tuple[int, float] | None] = [None] * library.nodes

    def state(self, number: int) -> int:
        state = self.states[number]
        if state is None:
            state = self.states[number] = self.library.tests[number](self.facts)
        return state

    def value(self, node: Node) -> tuple[int, float]:
        """State and satisfied weight of a condition."""
        found = self.values[node.number]
        if found is None:
            found = self.values[node.number] = _worked_out(node, self.value, self.state)
        return found

    def asked(self, number: int) -> str:
        """The fact that a person would be asked for: the first that a leaf looks at, or the next where that is known.

        The kilometre post is one of a known road, and substance, leak and the rest are those of dangerous goods known to be there.
        """
        fields = self.library.fields[number]
        if fields[0].startswith("hazmat.") and self.facts.hazmat_present is None:
            return "hazmat_present"
        return fields[1] if fields[0] == "place.road" and len(fields) > 1 and self.facts.place.road is not None else fields[0]

    def seen(self, number: int) -> tuple[Text | None, bool]:
        """What a leaf saw in words (None: unknown), and whether other facts imply it."""
        found = self._seen.get(number)
        if found is None:
            fields = self.library.fields[number]
            value = shown(fields, self.facts)
            found = self._seen[number] = value, value is not None and value != shown(fields, self.stated)
        return found

    def candidates(self) -> list[Candidate]:
        """Every plan that is not ruled out, best first; the plans of a branch whose condition fails are passed over together.

        Makes few objects that the collector has to look at: with a thousand plans it took as long as the work itself.
        """
        found: list[Candidate] = []
        waiting = [(self.library.root, 1, 0.0)]
        while waiting:
            above, state_above, weight_above = waiting.pop()
            for branch in above.below.values():
                held, part = self.value(branch.gate)
                if held < 0:
                    continue
                state, weight = min(state_above, held), weight_above + part
                for entry in branch.ends:
                    score = points(entry, state, weight, self.value(entry.supports)[1])
                    found.append(Candidate(entry, entry.order, state, score, weight))
                if branch.below:
                    waiting.append((branch, state, weight))
        found.sort(key=_ORDER)
        found.sort(key=_best_first)
        return found


class Supposed:
    """A run as it would be with other facts; the run itself stays as it is. Only conditions that rest on the facts of `mask` are worked out anew."""

    def __init__(self, run: Run, mask: int) -> None:
        self._run, self._mask = run, mask
        self._states: dict[int, int] = {}
        self._values: dict[int, tuple[int, float]] = {}

    def learn(self, facts: IncidentFacts, numbers: Iterable[int]) -> list[int]:
        """Test leaves against `facts` (with what they imply); gives those whose state is another than before."""
        tests, turned = self._run.library.tests, []
        for number in numbers:
            state = tests[number](facts)
            if state != self._state(number):
                self._states[number] = state
                turned.append(number)
        if turned:
            self._values.clear()
        return turned

    def _state(self, number: int) -> int:
        found = self._states.get(number)
        return self._run.state(number) if found is None else found

    def value(self, node: Node) -> tuple[int, float]:
        """State and satisfied weight of a condition, so supposed."""
        if not node.fields & self._mask:
            return self._run.values[node.number] or self._run.value(node)
        found = self._values.get(node.number)
        if found is None:
            found = self._values[node.number] = _worked_out(node, self.value, self._state)
        return found


_KIND_ORDER = {PlanKind.SPECIAL: 0, PlanKind.DEPARTMENT: 1, PlanKind.ONSITE_CARD: 2, PlanKind.GENERAL: 3}


def _among_equals(plan: Plan) -> tuple[int, str, int]:
    return _KIND_ORDER[plan.kind], plan.id, plan.version

"""The one unknown fact whose answer would change the ranking most. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from plans.facts import FIELD_ORDER, FIELDS, IncidentFacts, derive, told
from plans.match.answers import refined
from plans.match.library import Candidate, Entry, Run, Supposed, field_bit, points
from plans.match.result import MissingFact
from plans.model import PlanKind

PLACES = 20
"""Places of the ranking that count: more than a desk reads (our own choice)."""

CONSIDERED = 80
"""Plans not ruled out among which the question is exact, best first: several times what a district has (with a thousand plans, about half of those open)."""

_HAZMAT = tuple(path for path in FIELDS if path.startswith("hazmat"))
_IMPLIED = (*_HAZMAT, "place.setting")
_IMPLYING = frozenset({"event_types", "family", "place.road", "enterprise.id", *_HAZMAT})
"""Facts from which others follow (`plans.facts.derive`), and dangerous goods, whose facts are those of one list of loads."""
_VARIED = frozenset({"event_types", "family"})
"""Facts whose values imply different things."""

_RULED_OUT = (-1, 0.0, 0.0)
_Key = tuple[float, int]  # minus the score, then the order among equals


def missing_fact(run: Run, candidates: Sequence[Candidate], passed_over: Collection[str] = ()) -> MissingFact | None:
    """Suppose each answer to each unknown fact that conditions look at: the fact with the answer that changes the ranking most is asked for.

    A change is measured in 1/rank over the first `PLACES` places, so the top of the list counts most: for every plan the difference between
    before and after, nothing for one not listed. What other facts imply counts as known. Only where no answer changes the ranking of plans, on-site cards are asked about, once
    dangerous goods are known to be there and no card fits. Looked at are the best `CONSIDERED` plans that are not ruled out.
    What is `passed_over` is not asked for.
    """
    plans = [c for c in candidates if c.entry.plan.kind not in (PlanKind.ONSITE_CARD, PlanKind.GENERAL)]
    fact = _best_question(run, plans[:CONSIDERED], passed_over)
    if fact is None and run.facts.hazmat_present:
        cards = [c for c in candidates if c.entry.plan.kind is PlanKind.ONSITE_CARD]
        if not any(c.state > 0 for c in cards):
            fact = _best_question(run, cards[:CONSIDERED], passed_over)
    return fact


def _best_question(run: Run, ranked: Sequence[Candidate], passed_over: Collection[str]) -> MissingFact | None:
    holders = _holders(run, ranked)
    asked = sorted({run.asked(leaf) for leaf in holders}.difference(passed_over), key=FIELD_ORDER.__getitem__)
    ranking = sorted((-c.score, c.order) for c in ranked if c.is_listed)
    standings: dict[int, Standing] = {}
    found = [Question(run, ranked, ranking, holders, standings, field) for field in asked]
    best = max(found, key=lambda question: question.gain, default=None)  # among equals the first
    if best is None or not best.gain:
        return None
    spec = FIELDS[best.field]
    return MissingFact(spec.path, spec.ask_zh, spec.ask_en, round(best.gain, 4), best.moved[:PLACES])


def _holders(run: Run, ranked: Sequence[Candidate]) -> dict[int, list[Candidate]]:
    """By unknown condition the plans that hold it."""
    holders: dict[int, list[Candidate]] = {}
    for c in ranked:
        for place in c.entry.places:
            if run.state(place.leaf) == 0:
                holders.setdefault(place.leaf, []).append(c)
    return holders


class Question:
    """One unknown fact, tried with every answer: `gain` is the largest change of the ranking, `moved` the plans whose standing it touches, best first."""

    def __init__(
        self,
        run: Run,
        ranked: Sequence[Candidate],
        ranking: Sequence[_Key],
        holders: Mapping[int, Sequence[Candidate]],
        standings: dict[int, Standing],
        field: str,
    ) -> None:
        self.field, self.gain = field, 0.0
        self._run, self._holders, self._standings = run, holders, standings
        self._bits, self._placing = self._mask(), dict[int, tuple[Standing, list[int]]]()
        self._ranking = list(ranking)
        self._keys = {key[1]: key for key in ranking}
        self._before = before = self._ranking[:PLACES]
        moved: set[int] = set()
        supposed = Supposed(run, self._bits)
        for facts, numbers in self._answers():
            turned = {c.order: c for number in supposed.learn(facts, numbers) for c in holders[number]}
            if not turned:
                continue
            moved.update(order for order, c in turned.items() if self._placed(c, supposed))
            if (now := self._ranking[:PLACES]) != before:
                before = now
                self.gain = max(self.gain, round(_change(self._before, now), 9))
        self.moved = tuple(c.entry.plan.id for c in ranked if c.order in moved)

    def _mask(self) -> int:
        mask = field_bit(self.field)
        for field in _IMPLIED if self.field in _IMPLYING else ():
            mask |= field_bit(field)
        return mask

    def _answers(self) -> Iterator[tuple[IncidentFacts, Iterable[int]]]:
        """The facts with each answer, and the unknown conditions that may come out otherwise than with the answer before."""
        run, library = self._run, self._run.library
        implied = [n for n in self._holders if self.field in _IMPLYING and not set(library.fields[n]).isdisjoint(_IMPLIED)]
        before: tuple[object, ...] | None = None
        waiting: set[int] = set()
        for answer in library.answers(self.field):
            waiting.update(self._holders.keys() & answer.turns)
            value = refined(self.field, answer.value, run.stated)
            if value is None or (before is not None and not waiting and self.field not in _VARIED):
                continue
            facts = derive(told(run.stated, self.field, value)) if self.field in _IMPLYING else told(run.facts, self.field, value)
            follows = (facts.hazmat_present, facts.place.setting)
            if run.facts.place.setting not in (None, facts.place.setting):
                continue  # overturns what other facts imply
            yield facts, waiting.union(implied) if follows != before else waiting
            before, waiting = follows, set()

    def _placed(self, c: Candidate, supposed: Supposed) -> bool:
        """Put a plan where it now stands; whether it stands otherwise than in the beginning."""
        order = c.order
        placing = self._placing.get(order)
        if placing is None:
            standing = self._standings.get(order)
            if standing is None:
                standing = self._standings[order] = Standing(c.entry, self._run)
            placing = self._placing[order] = (standing, [i for i, gate in enumerate(c.entry.gates) if gate.fields & self._bits])
        state, score, weight = placing[0].supposed(placing[1], supposed)
        held, now = self._keys.get(order), (-score, order) if state > 0 or (state == 0 and weight > 0) else None
        if held != now:
            if held is not None:
                del self._ranking[bisect_left(self._ranking, held)]
                del self._keys[order]
            if now is not None:
                insort(self._ranking, now)
                self._keys[order] = now
        return state != c.state or score != c.score


class Standing:
    """What each condition of a plan gives by the facts as they are, so that only those which an answer touches are worked out anew."""

    def __init__(self, entry: Entry, run: Run) -> None:
        self._entry = entry
        values = [run.value(gate) for gate in entry.gates]
        self._weights = [weight for _, weight in values]
        self._is_open = [state == 0 for state, _ in values]
        self._open = sum(self._is_open)

    def supposed(self, touched: Sequence[int], supposed: Supposed) -> tuple[int, float, float]:
        """State, score and satisfied weight, so supposed; `touched` are the gates that may come out otherwise."""
        gates, value = self._entry.gates, supposed.value
        still_open, weights = self._open, self._weights.copy()
        for i in touched:
            state, weights[i] = value(gates[i])
            if state < 0:
                return _RULED_OUT
            still_open += (state == 0) - self._is_open[i]
        state, weight = 0 if still_open else 1, sum(weights)
        return state, points(self._entry, state, weight, value(self._entry.supports)[1]), weight


_SHARES = tuple(1 / place for place in range(1, PLACES + 1))


def _change(before: Sequence[_Key], after: Sequence[_Key]) -> float:
    """The sum over all plans of how far each moves, in 1/rank."""
    shares = {key[1]: share for key, share in zip(before, _SHARES, strict=False)}
    total = 0.0
    for key, share in zip(after, _SHARES, strict=False):
        total += abs(share - shares.pop(key[1], 0.0))
    return total + sum(shares.values())

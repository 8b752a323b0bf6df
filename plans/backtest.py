"""Replaying incidents against a library: what would have matched, what was missed, what was ambiguous. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import msgspec

from plans.facts import IncidentFacts
from plans.match import Library, MatchResult, MissingFact, State, match, ranked_ids, suggest_level
from plans.model import Level, PlanKind

_CLOSE_POINTS = 5.0  # two plans nearer than half a weighty condition are as good as level


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One incident to replay, with the plans that were (or should have been) in force, best first, where known."""

    id: str
    facts: IncidentFacts
    expected: tuple[str, ...] = ()
    level: Level | None = None
    title: str = ""


class CaseResult(msgspec.Struct, frozen=True):
    """What the library says of one case. `missed` are expected plans that are not satisfied, `unexpected` satisfied ones nobody expected."""

    id: str
    title: str
    matched: tuple[str, ...]
    undetermined: tuple[str, ...]
    expected: tuple[str, ...]
    missed: tuple[str, ...]
    unexpected: tuple[str, ...]
    first_is_right: bool | None
    ambiguous_zh: str | None
    ambiguous_en: str | None
    level: Level | None
    level_is_right: bool | None
    missing_fact: MissingFact | None


class Doubt(msgspec.Struct, frozen=True):
    """Something about the cases that makes their result doubtful: a plan that the library does not have, an event type that no table has."""

    case: str
    zh: str
    en: str


class BacktestReport(msgspec.Struct, frozen=True):
    """All results and their sums. Shares are of the cases that state what was expected; None where none does."""

    results: tuple[CaseResult, ...]
    cases: int
    with_expectation: int
    all_found: int
    first_right: int
    ambiguous: int
    only_general: int
    never_matched: tuple[str, ...]
    confusion: tuple[tuple[str, str, int], ...]  # expected first, got first, how often; only where they differ
    with_level: int
    level_right: int
    doubts: tuple[Doubt, ...]

    @property
    def found_share(self) -> float | None:
        """Share of cases in which every expected plan was found."""
        return self.all_found / self.with_expectation if self.with_expectation else None


def replay(library: Library, case: Case) -> CaseResult:
    """Match one case and compare with what was expected."""
    result = match(library, case.facts, limit=50)
    matched = ranked_ids(result)
    undetermined = tuple(i for i in ranked_ids(result, undetermined=True) if i not in matched)
    general = {e.plan.id for e in library.entries if e.plan.kind is PlanKind.GENERAL}
    wanted = set(case.expected) | general
    zh, en = _ambiguity(result)
    level = suggest_level(library.by_id[matched[0]].plan, case.facts).level if matched and library.by_id[matched[0]].plan.levels else None
    return CaseResult(
        id=case.id,
        title=case.title,
        matched=matched,
        undetermined=undetermined,
        expected=case.expected,
        missed=tuple(i for i in case.expected if i not in matched),
        unexpected=tuple(i for i in matched if i not in wanted) if case.expected else (),
        first_is_right=(bool(matched) and matched[0] == case.expected[0]) if case.expected else None,
        ambiguous_zh=zh,
        ambiguous_en=en,
        level=level,
        level_is_right=level is case.level if case.level is not None else None,
        missing_fact=result.missing_fact,
    )


def _ambiguity(result: MatchResult) -> tuple[str | None, str | None]:
    """Two plans nearly level at the top, or nothing but undetermined ones before the general plan."""
    plans = [m for m in result.matches if m.kind not in (PlanKind.GENERAL, PlanKind.ONSITE_CARD)]
    certain = [m for m in plans if m.state is State.SATISFIED]
    if len(certain) > 1 and certain[0].score - certain[1].score < _CLOSE_POINTS:
        a, b = certain[0], certain[1]
        return (
            f"{a.title.zh}与{b.title.zh}得分相近（{a.score:g}/{b.score:g}）",
            f"{a.plan_id} and {b.plan_id} are nearly level ({a.score:g}/{b.score:g})",
        )
    if not certain and plans:
        ask_zh = f"，先问：{result.missing_fact.zh}" if result.missing_fact else ""
        ask_en = f"; ask first: {result.missing_fact.en}" if result.missing_fact else ""
        return f"尚无确定的专项预案{ask_zh}", f"no special plan is certain yet{ask_en}"
    return None, None


def backtest(library: Library, cases: Iterable[Case], known_types: Collection[str] | None = None) -> BacktestReport:
    """Replay cases in their order and sum up. `known_types`: the codes of event types, to name what is none of them."""
    results, doubts = list[CaseResult](), list[Doubt]()
    for case in cases:
        results.append(replay(library, case))
        doubts += _doubts(library, case, known_types)
    judged = [r for r in results if r.expected]
    confusion: dict[tuple[str, str], int] = {}
    for r in judged:
        if not r.first_is_right:
            pair = (r.expected[0], r.matched[0] if r.matched else "")
            confusion[pair] = confusion.get(pair, 0) + 1
    seen = {i for r in results for i in (*r.matched, *r.undetermined)}
    general = {e.plan.id for e in library.entries if e.plan.kind is PlanKind.GENERAL}
    plans = [e.plan.id for e in library.entries if e.plan.kind is not PlanKind.ONSITE_CARD]
    return BacktestReport(
        results=tuple(results),
        cases=len(results),
        with_expectation=len(judged),
        all_found=sum(not r.missed for r in judged),
        first_right=sum(r.first_is_right is True for r in judged),
        ambiguous=sum(r.ambiguous_zh is not None for r in results),
        only_general=sum(set(r.matched) <= general for r in results),
        never_matched=tuple(sorted(i for i in plans if i not in seen)),
        confusion=tuple((a, b, n) for (a, b), n in sorted(confusion.items(), key=lambda item: (-item[1], item[0]))),
        with_level=sum(r.level_is_right is not None for r in results),
        level_right=sum(r.level_is_right is True for r in results),
        doubts=tuple(doubts),
    )


def _doubts(library: Library, case: Case, known_types: Collection[str] | None) -> Iterator[Doubt]:
    for plan in case.expected:
        if plan not in library.by_id:
            yield Doubt(case.id, f"案例 {case.id}：生效预案里没有“{plan}”，计为漏", f"case {case.id}: no plan {plan!r} is in force; it counts as missed")
    for code in case.facts.event_types if known_types is not None else ():
        if code not in known_types:  # type: ignore[operator] # known_types is given here
            yield Doubt(case.id, f"案例 {case.id}：没有事件类型 {code}", f"case {case.id}: there is no event type {code}")

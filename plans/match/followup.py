"""What a follow-up report changed, and which response level the facts call for. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from plans.facts import (
    IncidentFacts,
    derive,
)
from plans.match.conditions import truth
from plans.match.result import LevelSuggestion, MatchResult, PlanMatch, PlanMove, RematchDiff, State
from plans.model import (
    LEVEL_RANK,
    Plan,
    Text,
)


def suggest_level(plan: Plan, facts: IncidentFacts) -> LevelSuggestion:
    """The highest level of `plan` whose criteria hold; where none does, its mildest one (`met` False).

    Raises ValueError for a plan without levels.
    """
    if not plan.levels:
        raise ValueError(f"the plan {plan.id} has no response levels")
    facts = derive(facts)
    rules = sorted(plan.levels, key=lambda rule: -LEVEL_RANK[rule.level])
    truths = [truth(rule.criteria, facts) for rule in rules]
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


class Stood(msgspec.Struct, frozen=True):
    """A plan as a matching before listed it; `conditions` are the paths and states."""

    plan_id: str
    version: int
    title: Text
    state: State
    conditions: tuple[tuple[str, State], ...]


def stood(result: MatchResult) -> tuple[Stood, ...]:
    """What a later matching is compared with."""
    return tuple(Stood(m.plan_id, m.version, m.title, m.state, tuple((c.path, c.state) for c in m.conditions)) for m in result.matches)


def rematch_diff(before: Sequence[Stood], after: MatchResult) -> RematchDiff:
    """What changed between two matchings of one incident: plans that came, went, or changed state, place or version."""
    old = {m.plan_id: (rank, m) for rank, m in enumerate(before, 1)}
    new = {m.plan_id: (rank, m) for rank, m in enumerate(after.matches, 1)}
    entered = tuple(_move(None, new[i]) for i in new if i not in old)
    left = tuple(_move(old[i], None) for i in old if i not in new)
    changed = tuple(
        move
        for i in new
        if i in old
        and (move := _move(old[i], new[i]))
        and (move.turned or move.state_before is not move.state_after or _jumped(move) or _renewed(move))
    )
    return RematchDiff(entered, left, changed, *_diff_words(entered, left, changed))


def _jumped(move: PlanMove) -> bool:
    return move.rank_before != move.rank_after


def _renewed(move: PlanMove) -> bool:
    return move.version_before is not None and move.version_after is not None and move.version_before != move.version_after


def _move(old: tuple[int, Stood] | None, new: tuple[int, PlanMatch] | None) -> PlanMove:
    known = new or old
    assert known is not None
    turned: tuple[str, ...] = ()
    if old and new and old[1].version == new[1].version:  # the conditions of another version are other ones
        states = dict(old[1].conditions)
        turned = tuple(
            f"{c.zh}：{_STATE_ZH[states[c.path]]}→{_STATE_ZH[c.state]}"
            for c in new[1].conditions
            if c.path in states and states[c.path] is not c.state
        )
    return PlanMove(
        known[1].plan_id,
        known[1].title,
        old[0] if old else None,
        new[0] if new else None,
        old[1].state if old else None,
        new[1].state if new else None,
        turned,
        old[1].version if old else None,
        new[1].version if new else None,
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
        if _renewed(m):
            zh.append(f"{m.title.zh}改用第 {m.version_after} 版")
            en.append(f"{m.title.en} is now version {m.version_after}")
        if m.state_before is not m.state_after and m.state_before and m.state_after:
            zh.append(f"{m.title.zh}由{_STATE_ZH[m.state_before]}变为{_STATE_ZH[m.state_after]}")
            en.append(f"{m.title.en} went from {m.state_before} to {m.state_after}")
        elif _jumped(m):
            zh.append(f"{m.title.zh}由第 {m.rank_before} 位变为第 {m.rank_after} 位")
            en.append(f"{m.title.en} moved from place {m.rank_before} to {m.rank_after}")
    return "；".join(zh) + "。" if zh else "匹配结果没有变化。", "; ".join(en) + "." if en else "The matching did not change."

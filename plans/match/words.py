"""Conditions and results in Chinese and English."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from plans.facts import (
    FIELDS,
    READERS,
    VALUE_WORDS,
    IncidentFacts,
    WeatherWarning,
)
from plans.match.result import ConditionState, State
from plans.model import (
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
    Months,
    Near,
    Not,
    OneOf,
    Plan,
    PlanKind,
    RoadSection,
    Text,
    Under,
    Warned,
)


def describe(leaf: Leaf) -> tuple[str, str]:
    """A condition in Chinese and English."""
    match leaf:
        case Under():
            names = leaf.codes or leaf.families  # families say the same as the codes, for drafts without any
            return f"事件类型属于 {'、'.join(names)}", f"event type under {', '.join(names)}"
        case OneOf():
            spec = FIELDS[leaf.field]
            zh, en = zip(*(_words(v) for v in leaf.values), strict=True)
            return f"{spec.zh}为{'、'.join(zh)}", f"{spec.en} is {' or '.join(en)}"
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
            return f"事件等级达到{leaf.grade}", f"grade {_words(leaf.grade)[1]} or graver"
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
            kinds = [_words(k) for k in leaf.kinds] or [("任一", "any")]
            colour_zh, colour_en = _words(leaf.colour)
            return f"{'、'.join(zh for zh, _ in kinds)}预警达到{colour_zh}", f"{', '.join(en for _, en in kinds)} warning of {colour_en} or graver"


def _words(value: str) -> tuple[str, str]:
    """A value as people say it, in Chinese and English; itself where there is no other word for it."""
    return VALUE_WORDS.get(value, (value, value))


class OutlineLine(msgspec.Struct, frozen=True):
    """One line of a condition in words; `depth` says how far it is set in, `op` whether it is a leaf or joins those below it."""

    depth: int
    op: str
    zh: str
    en: str


_JOINTS = {"always": ("任何事件", "any incident"), "all": ("以下各项同时满足", "all of these"), "any": ("以下任一项满足", "any of these"), "not": ("不是", "not")}


def outline(condition: Condition, depth: int = 0) -> tuple[OutlineLine, ...]:
    """A condition as lines for reading."""
    match condition:
        case Always():
            return (OutlineLine(depth, "always", *_JOINTS["always"]),)
        case AllOf() | AnyOf() if len(condition.of) == 1:
            return outline(condition.of[0], depth)
        case AllOf() | AnyOf():
            op = "all" if isinstance(condition, AllOf) else "any"
            below = (line for child in condition.of for line in outline(child, depth + 1))
            return (OutlineLine(depth, op, *_JOINTS[op]), *below)
        case Not():
            return (OutlineLine(depth, "not", *_JOINTS["not"]), *outline(condition.of, depth + 1))
        case _:
            return (OutlineLine(depth, "leaf", *describe(condition)),)


def shown(fields: Sequence[str], facts: IncidentFacts) -> Text | None:
    """The known values of facts in words; None where there are none."""
    parts = [_show(value) for field in fields for value in READERS[field](facts)]
    return Text("、".join(zh for zh, _ in parts), ", ".join(en for _, en in parts)) if parts else None


def _show(value: object) -> tuple[str, str]:
    match value:
        case bool():
            return ("是", "yes") if value else ("否", "no")
        case float():
            return f"{value:g}", f"{value:g}"
        case tuple():
            parts = [_part(part) for part in value] or [("无", "none")]
            return "、".join(zh for zh, _ in parts), ", ".join(en for _, en in parts)
        case _:
            return _words(str(value))


def _part(part: WeatherWarning | float) -> tuple[str, str]:
    """A warning in force, or one coordinate."""
    if isinstance(part, WeatherWarning):
        (kind_zh, kind_en), (colour_zh, colour_en) = _words(part.kind), _words(part.colour)
        return f"{kind_zh}{colour_zh}", f"{kind_en} {colour_en}"
    return f"{part:.6g}", f"{part:.6g}"


def unlisted_un(number: str) -> Text:
    """That no table knows the UN number which was reported."""
    return Text(
        f"报告的 UN {number} 不在联合国编号表中：物质按不明处理，请核对橙色标牌下排的四位数字。",
        f"UN {number} as reported is in no table: the substance counts as unknown; check the four digits in the lower half of the orange plate.",
    )


def sentence(plan: Plan, state: int, score: float, conditions: Sequence[ConditionState]) -> tuple[str, str]:
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

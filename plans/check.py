"""The linter of the plan library: what would fail tonight, found before it matters.

Pure: what it must know of the district (types, towns, rosters, stock, contacts, the date) comes in as a `District`.
A part of the district that is None was not given, and its checks say so instead of passing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from itertools import product

import msgspec

from plans.activate import Post, called
from plans.facts import FIELDS, GRADE_RANK, FieldKind, IncidentFacts, Place, code_prefix
from plans.load import LOCAL_TOWN, find_cycle
from plans.match import Library, describe, match
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
    Leaf,
    Months,
    Not,
    OneOf,
    Plan,
    PlanKind,
    PlanStatus,
    RoadSection,
    Text,
    Under,
    conditions,
    in_force,
    leaves,
)

_MAX_BRANCHES = 4096
_EXPIRES_SOON = timedelta(days=60)


class Severity(StrEnum):
    """error: the plan cannot work; warning: it may fail; note: worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Finding(msgspec.Struct, frozen=True):
    """One thing found: the plan (None: the library as a whole), the field, and a sentence a person can act on."""

    severity: Severity
    code: str
    plan: str | None
    field: str
    zh: str
    en: str


class EventType(msgspec.Struct, frozen=True):
    """An event type of the district's table."""

    code: str
    zh: str
    en: str


class Town(msgspec.Struct, frozen=True):
    """A town with its nine-digit adcode and its department."""

    adcode: str
    zh: str
    department: str


class StockLine(msgspec.Struct, frozen=True):
    """What the resource register holds of one capability, in one unit."""

    capability: str
    unit: str
    quantity: float


class Contact(msgspec.Struct, frozen=True):
    """A contact of a department and whether the last call got through (None: never tried)."""

    department: str
    name: str
    reachable: bool | None


class District(msgspec.Struct, frozen=True):
    """What the checks know of the district. None: not given, so the checks that need it are reported as not done."""

    today: date
    event_types: tuple[EventType, ...] | None = None
    towns: tuple[Town, ...] | None = None
    posts: Mapping[str, tuple[Post, ...]] | None = None
    stock: tuple[StockLine, ...] | None = None
    contacts: tuple[Contact, ...] | None = None
    names: Mapping[str, Text] = {}
    units: Mapping[str, str] = {}


def check(plans: Sequence[Plan], district: District) -> tuple[Finding, ...]:
    """Look through the library; findings come gravest first, then by plan and field. An empty result means nothing was found."""
    current = [plan for plan in plans if plan.status is not PlanStatus.SUPERSEDED]
    active = [plan for plan in current if in_force(plan, district.today)]
    found = [
        *(f for plan in current for f in _logic(plan, district)),
        *_validity(current, district.today),
        *_coverage(active, district),
        *_posts(active, district),
        *_stock(active, district),
        *_contacts(active, district),
        *_between(active),
    ]
    order = list(Severity)
    return tuple(sorted(set(found), key=lambda f: (order.index(f.severity), f.code, f.plan or "", f.field, f.en)))


def check_one(plan: Plan, others: Iterable[Plan], district: District) -> tuple[Finding, ...]:
    """Look through one plan as if it were in force beside `others` (its own other versions left out); findings of this plan alone.

    What belongs to the library as a whole (coverage, rosters, stock, contacts) is left to `check`.
    """
    alone = msgspec.structs.replace(plan, status=PlanStatus.IN_FORCE)
    beside = [other for other in others if other.id != plan.id and in_force(other, district.today)]
    found = (*_logic(alone, district), *_validity([alone], district.today), *_between([*beside, alone]))
    order = list(Severity)
    return tuple(sorted({f for f in found if f.plan == plan.id}, key=lambda f: (order.index(f.severity), f.field, f.code)))


# -- conditions that can never hold --------------------------------------------------------------

_Literal = tuple[str, Leaf, bool]  # path, leaf, negated
_Branch = tuple[_Literal, ...]


class _TooMany(Exception):
    """The condition has more alternatives than the check follows."""


def _branches(condition: Condition, path: str, negated: bool = False) -> list[_Branch]:
    """The alternatives (disjunctive normal form) in which a condition holds. Raises _TooMany."""
    match condition:
        case Always():
            return [] if negated else [()]
        case Not():
            return _branches(condition.of, f"{path}.of", not negated)
        case AllOf() | AnyOf():
            parts = [_branches(child, f"{path}.of[{i}]", negated) for i, child in enumerate(condition.of)]
            if isinstance(condition, AnyOf) is not negated:
                return [branch for part in parts for branch in part]
            size = 1
            for part in parts:
                size *= len(part)
            if size > _MAX_BRANCHES:
                raise _TooMany
            return [tuple(literal for branch in combination for literal in branch) for combination in product(*parts)]
        case _:
            return [((path, condition, negated),)]


def _contradicts(branch: _Branch) -> bool:
    wanted = {leaf for _, leaf, negated in branch if not negated}
    refused = {leaf for _, leaf, negated in branch if negated}
    if wanted & refused:
        return True
    return any(_empty(field, literals) for field, literals in _by_field(branch).items())


def _by_field(branch: _Branch) -> dict[str, list[tuple[Leaf, bool]]]:
    fields: dict[str, list[tuple[Leaf, bool]]] = {}
    for _, leaf, negated in branch:
        match leaf:
            case OneOf() | Flag() | AtLeast() | AtMost() if not leaf.field.startswith("hazmat."):  # several loads may differ
                fields.setdefault(leaf.field, []).append((leaf, negated))
            case Months():
                fields.setdefault("month", []).append((leaf, negated))
            case Hours():
                fields.setdefault("hour", []).append((leaf, negated))
            case GradeAtLeast():
                fields.setdefault("grade", []).append((leaf, negated))
            case RoadSection() if not negated:
                fields.setdefault("place.road", []).append((leaf, negated))
            case _:
                pass
    return fields


def _empty(field: str, literals: Sequence[tuple[Leaf, bool]]) -> bool:
    if field in ("month", "hour"):
        return not _calendar(field, literals)
    spec = FIELDS[field]
    if spec.kind is FieldKind.NUMBER:
        return _no_number(literals)
    if spec.kind is FieldKind.FLAG:
        return len({leaf.value is not negated for leaf, negated in literals if isinstance(leaf, Flag)}) > 1
    if field == "grade":
        return _no_grade(literals)
    return _no_text(spec.kind, literals)


def _calendar(field: str, literals: Sequence[tuple[Leaf, bool]]) -> set[int]:
    left = set(range(1, 13) if field == "month" else range(24))
    for leaf, negated in literals:
        match leaf:
            case Months() | Hours():
                a, b = leaf.first, leaf.last
                span = {v for v in left if (a <= v <= b if a <= b else v >= a or v <= b)}
            case AtLeast():
                span = {v for v in left if v >= leaf.value}
            case AtMost():
                span = {v for v in left if v <= leaf.value}
            case _:
                continue
        left = left - span if negated else span
    return left


def _no_number(literals: Sequence[tuple[Leaf, bool]]) -> bool:
    low, high, low_open, high_open = 0.0, float("inf"), False, False
    for leaf, negated in literals:
        is_floor = isinstance(leaf, AtLeast) is not negated
        if not isinstance(leaf, AtLeast | AtMost):
            continue
        if is_floor and leaf.value >= low:
            low, low_open = leaf.value, negated or (low_open and leaf.value == low)
        elif not is_floor and leaf.value <= high:
            high, high_open = leaf.value, negated or (high_open and leaf.value == high)
    return low > high or (low == high and (low_open or high_open))


def _no_grade(literals: Sequence[tuple[Leaf, bool]]) -> bool:
    left = set(GRADE_RANK)
    for leaf, negated in literals:
        if isinstance(leaf, GradeAtLeast):
            held = {g for g in GRADE_RANK if GRADE_RANK[g] >= GRADE_RANK[leaf.grade]}
        elif isinstance(leaf, OneOf):
            held = set(leaf.values)
        else:
            continue
        left = left - held if negated else left & held
    return not left


def _no_text(kind: FieldKind, literals: Sequence[tuple[Leaf, bool]]) -> bool:
    wanted: set[str] | None = None
    refused: set[str] = set()
    for leaf, negated in literals:
        values = {leaf.road} if isinstance(leaf, RoadSection) else set(leaf.values) if isinstance(leaf, OneOf) else set()
        if negated:
            refused |= values
        elif wanted is None:
            wanted = values
        else:
            wanted = {v for v in wanted | values if any(_below(kind, v, w) for w in wanted) and any(_below(kind, v, x) for x in values)}
    return wanted is not None and all(any(_below(kind, v, r) for r in refused) for v in wanted)


def _below(kind: FieldKind, value: str, other: str) -> bool:
    return value.startswith(other) if kind is FieldKind.CODE else value == other


def _logic(plan: Plan, district: District) -> Iterator[Finding]:
    try:
        applies = [b for b in _branches(plan.applies, "applies") if not _contradicts(b)]
        if not applies:
            yield _finding(
                Severity.ERROR,
                "dead_plan",
                plan,
                "applies",
                "适用条件互相矛盾，永远不会匹配",
                "the conditions contradict each other: it can never match",
            )
        else:
            yield from _dead_leaves(plan, _branches(plan.applies, "applies"))
            yield from _dead_parts(plan, applies)
    except _TooMany:
        yield _finding(
            Severity.NOTE,
            "not_checked",
            plan,
            "applies",
            "条件组合过多，未查矛盾",
            "too many alternatives: contradictions were not looked for",
        )
    yield from _levels(plan)
    if district.event_types is not None:
        yield from _codes(plan, [t.code for t in district.event_types])


def _finding(severity: Severity, code: str, plan: Plan | None, field: str, zh: str, en: str) -> Finding:
    return Finding(severity, code, plan.id if plan else None, field, zh, en)


def _dead_leaves(plan: Plan, branches: Sequence[_Branch]) -> Iterator[Finding]:
    alive = {path for branch in branches if not _contradicts(branch) for path, _, _ in branch}
    for path, leaf in {(path, leaf) for branch in branches for path, leaf, _ in branch if path not in alive}:
        zh, en = describe(leaf)
        yield _finding(
            Severity.WARNING,
            "dead_condition",
            plan,
            path,
            f"这个分支与其他条件矛盾，永远走不到：{zh}",
            f"this branch can never be reached: {en}",
        )


def _dead_parts(plan: Plan, applies: Sequence[_Branch]) -> Iterator[Finding]:
    """Levels, tasks and the rest whose own condition contradicts the plan's."""
    for field, condition in conditions(plan):
        if field == "applies":
            continue
        own = _branches(condition, field)
        if len(own) * len(applies) > _MAX_BRANCHES:
            raise _TooMany
        if not any(not _contradicts((*a, *b)) for a in applies for b in own):
            yield _finding(
                Severity.WARNING,
                "dead_condition",
                plan,
                field,
                "条件与预案的适用条件矛盾，永远不成立",
                "contradicts the plan's own conditions: never holds",
            )


def _levels(plan: Plan) -> Iterator[Finding]:
    rules = sorted(plan.levels, key=lambda r: -LEVEL_RANK[r.level])
    for i, rule in enumerate(rules):
        above = [r for r in rules[:i] if isinstance(r.criteria, Always) or r.criteria == rule.criteria]
        if above:
            yield _finding(
                Severity.WARNING,
                "unreachable_level",
                plan,
                f"levels.{rule.level}",
                f"{above[0].level} 级的条件已包含 {rule.level} 级，永远轮不到",
                f"level {above[0].level} already holds whenever {rule.level} does",
            )
    highest = max((LEVEL_RANK[r.level] for r in plan.levels), default=0)
    for i, task in enumerate(plan.tasks):
        if LEVEL_RANK[task.from_level] > highest:
            yield _finding(
                Severity.WARNING,
                "unreachable_task",
                plan,
                f"tasks[{i}].from_level",
                f"预案没有 {task.from_level} 级，任务“{task.id}”永远不会下达",
                f"the plan has no level {task.from_level}: the task {task.id!r} is never given",
            )


def _codes(plan: Plan, known: Sequence[str]) -> Iterator[Finding]:
    for root, condition in conditions(plan):
        for below, leaf in leaves(condition):
            if isinstance(leaf, Under):
                for code in leaf.codes:
                    if not any(k.startswith(code_prefix(code)) for k in known):
                        yield _finding(
                            Severity.ERROR,
                            "unknown_event_type",
                            plan,
                            root + below,
                            f"事件类型表里没有 {code}",
                            f"the table of event types has nothing under {code}",
                        )


# -- dates ---------------------------------------------------------------------------------------


def _validity(plans: Sequence[Plan], today: date) -> Iterator[Finding]:
    for plan in plans:
        if plan.valid_until is not None and plan.valid_until < today:
            yield _finding(
                Severity.ERROR, "source_expired", plan, "valid_until", f"已于 {plan.valid_until} 失效", f"expired on {plan.valid_until}"
            )
        elif plan.valid_until is not None and plan.valid_until - today <= _EXPIRES_SOON:
            days = (plan.valid_until - today).days
            yield _finding(Severity.WARNING, "source_expires_soon", plan, "valid_until", f"{days} 天后失效", f"expires in {days} days")
        elif plan.valid_from > today:
            yield _finding(Severity.NOTE, "not_yet_valid", plan, "valid_from", f"{plan.valid_from} 起生效", f"valid from {plan.valid_from}")
        if plan.status is not PlanStatus.IN_FORCE:
            yield _finding(Severity.NOTE, "not_in_force", plan, "status", "尚未批准生效", "not approved yet")


# -- coverage ------------------------------------------------------------------------------------


def _coverage(plans: Sequence[Plan], district: District) -> Iterator[Finding]:
    if district.event_types is None or district.towns is None:
        yield _undone("event_types", "事件类型或乡镇名录未提供，未查覆盖", "event types or towns were not given: coverage was not checked")
        return
    if not plans:
        yield _finding(Severity.ERROR, "no_plans", None, "plans", "没有一个预案生效，任何事件都匹配不到预案", "no plan is in force, so that no incident matches any")
        return
    has_general = any(plan.kind is PlanKind.GENERAL for plan in plans)
    if not has_general:
        yield _finding(Severity.ERROR, "no_general_plan", None, "plans", "没有生效的总体预案", "no general plan is in force")
    library = Library(plan for plan in plans if plan.kind in (PlanKind.SPECIAL, PlanKind.DEPARTMENT))
    for event in district.event_types:
        if len(event.code) != 5 or not event.code.endswith("00") or event.code.endswith("000"):
            continue  # categories and leaves: the subclass stands for them
        bare = [t for t in district.towns if not _is_covered(library, event.code, t.adcode)]
        if len(bare) == len(district.towns):
            yield _finding(
                Severity.NOTE if has_general else Severity.WARNING,
                "uncovered_event_type",
                None,
                event.code,
                f"{event.zh}（{event.code}）没有专项预案，" + ("只有总体预案" if has_general else "也没有总体预案"),
                f"{event.en} ({event.code}) has " + ("the general plan only" if has_general else "neither a plan of its own nor a general one"),
            )
        elif bare:
            names = "、".join(t.zh for t in bare)
            yield _finding(
                Severity.WARNING,
                "uncovered_place",
                None,
                event.code,
                f"{event.zh} 在这些地方没有专项预案：{names}",
                f"{event.en} has no special plan in: {names}",
            )


def _is_covered(library: Library, code: str, adcode: str) -> bool:
    return bool(match(library, IncidentFacts(event_types=(code,), place=Place(adcode=adcode)), limit=1).applicable)


def _undone(field: str, zh: str, en: str) -> Finding:
    return Finding(Severity.NOTE, "not_checked", None, field, zh, en)


# -- tonight -------------------------------------------------------------------------------------


def _departments(plans: Iterable[Plan], towns: Sequence[Town] | None) -> dict[str, list[str]]:
    """Departments that the plans count on, with the plans; the local town stands for every town."""
    needed: dict[str, list[str]] = {}
    for plan in plans:
        for role in plan.roles:
            names = [t.department for t in towns or ()] if role.department == LOCAL_TOWN else [role.department]
            for name in names:
                if plan.id not in needed.setdefault(name, []):
                    needed[name].append(plan.id)
    return needed


def _posts(plans: Sequence[Plan], district: District) -> Iterator[Finding]:
    if district.posts is None:
        yield _undone("posts", "今晚值班表未提供，未查空岗", "tonight's roster was not given: empty posts were not checked")
        return
    needed = _departments(plans, district.towns)
    empty = {name: len(users) for name, users in needed.items() if not any(post.officer for post in district.posts.get(name, ()))}
    if len(empty) > 1 and len(empty) == len(needed):
        yield Finding(Severity.ERROR, "post_empty", None, "posts", f"值班表为空：预案所需的 {len(empty)} 个单位今晚均无人值班",
                      f"the roster is empty: nobody is on duty tonight at any of the {len(empty)} departments that the plans count on")
        return
    for department, count in empty.items():
        name = called(district.names, department)
        yield Finding(
            Severity.ERROR,
            "post_empty",
            None,
            department,
            f"{name.zh}今晚无人值班，{count} 个预案的任务将转由区指挥中心承担",
            f"nobody is on duty at {name.en} tonight; the tasks of {count} plans would rest with the command centre",
        )


def _stock(plans: Sequence[Plan], district: District) -> Iterator[Finding]:
    if district.stock is None:
        yield _undone("stock", "物资台账未提供，未查缺口", "the stock register was not given: gaps were not checked")
        return
    held: dict[tuple[str, str], float] = {}
    for line in district.stock:
        held[line.capability, line.unit] = held.get((line.capability, line.unit), 0.0) + line.quantity
    wanted = {want.capability for plan in plans for want in plan.resources}
    if len(wanted) > 1 and not any(quantity > 0 for (capability, _), quantity in held.items() if capability in wanted):
        yield Finding(Severity.ERROR, "stock_missing", None, "stock", f"资源台账为空：预案所需的 {len(wanted)} 种能力都没有可用资源",
                      f"the register of resources is empty: nothing is free of the {len(wanted)} capabilities that the plans count on")
        return
    for plan in plans:
        for i, want in enumerate(plan.resources):
            have = held.get((want.capability, want.unit), 0.0)
            if have >= want.quantity:
                continue
            missing = have == 0
            unit = district.units.get(want.unit, want.unit)
            yield _finding(
                Severity.ERROR if missing else Severity.WARNING,
                "stock_missing" if missing else "stock_short",
                plan,
                f"resources[{i}]",
                f"{want.text.zh}：需 {want.quantity:g}{want.unit}，可用 {have:g}{want.unit}{_elsewhere(held, want.capability, want.unit)[0]}",
                f"{want.text.en}: {want.quantity:g} {unit} wanted, {have:g} free{_elsewhere(held, want.capability, want.unit)[1]}",
            )


def _elsewhere(held: Mapping[tuple[str, str], float], capability: str, unit: str) -> tuple[str, str]:
    """That it is there in another unit, where it is: nobody would look for that."""
    others = sorted(u for (c, u), quantity in held.items() if c == capability and u != unit and quantity > 0)
    return (f"（台账另以 {'、'.join(others)} 计，单位须一致）", f" (it is registered in {', '.join(others)}: the units have to be the same)") if others else ("", "")


def _contacts(plans: Sequence[Plan], district: District) -> Iterator[Finding]:
    if district.contacts is None:
        yield _undone("contacts", "通讯录未提供，未查失联", "contacts were not given: reachability was not checked")
        return
    needed = _departments(plans, district.towns)
    if len(needed) > 1 and not any(c.department in needed for c in district.contacts):
        yield Finding(Severity.ERROR, "contact_unreachable", None, "contacts", f"通讯录为空：预案所需的 {len(needed)} 个单位都没有联系人",
                      f"there are no contacts: none of the {len(needed)} departments that the plans count on has one")
        return
    for department in needed:
        own, name = [c for c in district.contacts if c.department == department], called(district.names, department)
        if any(c.reachable for c in own):
            continue
        if own and all(c.reachable is None for c in own):
            yield Finding(
                Severity.NOTE,
                "contact_untested",
                None,
                department,
                f"{name.zh}的联系人从未拨测",
                f"no contact of {name.en} was ever test-called",
            )
        else:
            yield Finding(
                Severity.ERROR,
                "contact_unreachable",
                None,
                department,
                f"{name.zh}没有能联系上的人",
                f"nobody at {name.en} can be reached",
            )


# -- between plans -------------------------------------------------------------------------------


def _between(plans: Sequence[Plan]) -> Iterator[Finding]:
    yield from _role_conflicts(plans)
    yield from _overlaps(plans)
    yield from _opposite_orders(plans)
    for i, plan in enumerate(plans):
        for other in plans[:i]:
            if plan.applies == other.applies:
                yield _finding(
                    Severity.WARNING,
                    "same_conditions",
                    plan,
                    "applies",
                    f"与“{other.id}”的适用条件相同",
                    f"has the same conditions as {other.id!r}",
                )


def _role_conflicts(plans: Sequence[Plan]) -> Iterator[Finding]:
    first: dict[str, tuple[str, str]] = {}
    for plan in plans:
        for i, role in enumerate(plan.roles):
            known = first.setdefault(role.id, (role.department, plan.id))
            if known[0] != role.department:
                yield _finding(
                    Severity.WARNING,
                    "role_conflict",
                    plan,
                    f"roles[{i}]",
                    f"角色“{role.id}”在“{known[1]}”里属于 {known[0]}，在此属于 {role.department}",
                    f"the role {role.id!r} is held by {known[0]} in {known[1]!r} and by {role.department} here",
                )


def _overlaps(plans: Sequence[Plan]) -> Iterator[Finding]:
    """The same thing given to different roles by plans of different content: merged activation would have it done twice."""
    uses: dict[tuple[str, str], dict[str, list[str]]] = {}
    for plan in plans:
        for task in plan.tasks:
            uses.setdefault((task.action, task.object), {}).setdefault(task.role, []).append(plan.id)
    for (action, obj), roles in sorted(uses.items()):
        if len(roles) > 1:
            who = "；".join(f"{role}（{'、'.join(ids)}）" for role, ids in sorted(roles.items()))
            yield _finding(
                Severity.NOTE,
                "overlapping_task",
                None,
                f"{action}/{obj}",
                f"同一任务交给了不同角色：{who}",
                f"the same task is given to different roles: {who}",
            )


def _opposite_orders(plans: Sequence[Plan]) -> Iterator[Finding]:
    edges: dict[str, set[str]] = {}
    by_edge: dict[tuple[str, str], set[str]] = {}
    for plan in plans:
        keys = {t.id: f"{t.action}/{t.role}/{t.object}" for t in plan.tasks}
        for task in plan.tasks:
            for other in task.after:
                edges.setdefault(keys[task.id], set()).add(keys[other])
                by_edge.setdefault((keys[task.id], keys[other]), set()).add(plan.id)
    cycle = find_cycle({key: sorted(others) for key, others in edges.items()})
    if cycle:
        pairs = list(zip(cycle, (*cycle[1:], cycle[0]), strict=True))
        ids = sorted({plan for pair in pairs for plan in by_edge.get(pair, ())})
        yield _finding(
            Severity.WARNING,
            "opposite_orders",
            None,
            " → ".join(cycle),
            f"预案 {'、'.join(ids)} 合并启用时任务先后相反",
            f"the plans {', '.join(ids)} want these tasks in opposite orders when merged",
        )


def worst_level(findings: Iterable[Finding]) -> Severity | None:
    """The gravest severity among findings, None where there are none."""
    order = list(Severity)
    return min((f.severity for f in findings), key=order.index, default=None)

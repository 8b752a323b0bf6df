"""Versions of a plan: their life (draft → reviewed → in force → superseded), what differs between two, what a new edition brings. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from hub.errors import Rejected
from plans.model import STATUS_STEPS, Plan, PlanStatus


class Change(msgspec.Struct, frozen=True):
    """One difference: the field (parts by their id, not their place), and its value before and after (None: not there)."""

    field: str
    before: Any
    after: Any


def compare(before: Plan, after: Plan) -> tuple[Change, ...]:
    """What differs between two versions, in the order of the newer one; moving a task in the list is no difference."""
    return tuple(_differences("", _named(msgspec.to_builtins(before)), _named(msgspec.to_builtins(after))))


def _named(value: object) -> object:
    """Lists of parts with ids become maps, so that parts are compared with themselves."""
    if isinstance(value, Mapping):
        return {k: _named(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        for key in ("id", "level", "stage"):
            if value and all(isinstance(v, Mapping) and key in v for v in value):
                return {str(v[key]): _named(v) for v in value}
        return [_named(v) for v in value]
    return value


def _differences(path: str, before: object, after: object) -> Iterator[Change]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in (*after, *(k for k in before if k not in after)):
            yield from _differences(f"{path}.{key}" if path else str(key), before.get(key), after.get(key))
        return
    yield Change(path, before, after)


def arriving(shipped: Sequence[Plan], held: Sequence[Plan]) -> tuple[Plan, ...]:
    """What a library that holds `held` takes up of the shipped plans, each as the version and in the state in which it comes.

    A plan never seen before comes in force, as on the first start; one that would put itself in force is only offered. What differs from
    every version that is held is offered beside them as the next version, reviewed. What is held is never changed: neither a plan that the
    district wrote over, nor one that it withdrew.
    """
    found = []
    for plan in shipped:
        known = [one for one in held if one.id == plan.id]
        if not known:
            found.append(msgspec.structs.replace(plan, status=PlanStatus.REVIEWED) if held and plan.automatic is not None else plan)
        elif not any(_same_text(plan, one) for one in known):
            version = max(plan.version, 1 + max(one.version for one in known))
            found.append(msgspec.structs.replace(plan, version=version, status=PlanStatus.REVIEWED))
    return tuple(found)


def _same_text(plan: Plan, other: Plan) -> bool:
    return msgspec.structs.replace(plan, version=other.version, status=other.status) == other


def with_status(plan: Plan, status: PlanStatus) -> Plan:
    """The plan one step on in its life. Raises Rejected for a step that is not allowed."""
    if status not in STATUS_STEPS[plan.status]:
        raise Rejected(
            "status_step", f"不能由 {plan.status} 变为 {status}", f"a plan cannot go from {plan.status} to {status}", field="status"
        )
    return msgspec.structs.replace(plan, status=status)

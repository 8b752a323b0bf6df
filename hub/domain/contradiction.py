"""Is a report contradicted by what else is known? Compares it with the day's incidents, follow-ups, cameras and tasks. Pure.

Drills never count. What the department may not see is told apart, so that it is never shown to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct


class Source(StrEnum):
    """Where a known fact comes from."""

    INCIDENT = "incident"
    FOLLOW_UP = "follow_up"
    CAMERA = "camera"
    TASK = "task"


class Measure(StrEnum):
    """What a field of a report counts, in terms of what the hub knows."""

    INCIDENTS = "incidents"
    DEAD = "dead"
    MISSING = "missing"
    INJURED = "injured"
    EVACUATED = "evacuated"
    FOLLOW_UPS = "follow_ups"
    CAMERA_OUTAGES = "camera_outages"
    TASKS = "tasks"


class Fact(Struct, frozen=True, kw_only=True):
    """One thing that is known to have happened in the department's remit within the period; `id` names it within its source.

    Casualties are those of an incident (None: not known). `visible`: may the department itself see it?
    """

    source: Source
    id: str
    zh: str
    en: str
    at: str
    visible: bool
    drill: bool = False
    dead: int | None = None
    missing: int | None = None
    injured: int | None = None
    evacuated: int | None = None


class Contradiction(Struct, frozen=True, kw_only=True):
    """What the report says and what is known instead; `field` None: the zero report as a whole."""

    measure: Measure
    field: str | None
    said: int
    known: int
    facts: tuple[Fact, ...]


class Asked(Struct, frozen=True):
    """A field that counts something known."""

    field: str
    measure: Measure


_OF_SOURCE = {
    Source.INCIDENT: Measure.INCIDENTS, Source.FOLLOW_UP: Measure.FOLLOW_UPS, Source.CAMERA: Measure.CAMERA_OUTAGES, Source.TASK: Measure.TASKS,
}


def known_of(measure: Measure, facts: Sequence[Fact]) -> tuple[int, tuple[Fact, ...]]:
    """How much is known of a measure, and from which facts; drills count nothing."""
    real = [fact for fact in facts if not fact.drill]
    match measure:
        case Measure.DEAD | Measure.MISSING | Measure.INJURED | Measure.EVACUATED:
            counted = [fact for fact in real if fact.source is Source.INCIDENT and getattr(fact, measure.value)]
            return sum(getattr(fact, measure.value) for fact in counted), tuple(counted)
        case _:
            counted = [fact for fact in real if _OF_SOURCE[fact.source] is measure]
            return len(counted), tuple(counted)


def contradictions(asked: Sequence[Asked], *, zero: bool, values: Mapping[str, Any], facts: Sequence[Fact]) -> list[Contradiction]:
    """What a report says too little of. A zero report is contradicted by any fact; a count by a greater known one. More than known is fine."""
    found: list[tuple[Measure, str | None, int]]
    if zero:
        found = [(measure, None, 0) for measure in _OF_SOURCE.values()]
    else:
        found = [(ask.measure, ask.field, int(values.get(ask.field) or 0)) for ask in asked]
    out = []
    for measure, field, said in found:
        known, because = known_of(measure, facts)
        if known > said:
            out.append(Contradiction(measure=measure, field=field, said=said, known=known, facts=because))
    return out


def split(asked: Sequence[Asked], *, zero: bool, values: Mapping[str, Any], facts: Sequence[Fact]) -> tuple[list[Contradiction], list[Contradiction]]:
    """What contradicts for the department's own eyes (from visible facts alone), and what further is for the duty officer alone."""
    own = contradictions(asked, zero=zero, values=values, facts=[fact for fact in facts if fact.visible])
    every = contradictions(asked, zero=zero, values=values, facts=facts)
    shown = {(c.measure, c.field): c.known for c in own}
    return own, [c for c in every if shown.get((c.measure, c.field)) != c.known]


def contradicts_more(now: Sequence[Contradiction], before: Sequence[Contradiction]) -> bool:
    """Is more known against a report than what was looked at before?"""
    seen: dict[tuple[Measure, str | None], int] = {}
    for c in before:
        seen[c.measure, c.field] = max(c.known, seen.get((c.measure, c.field), 0))
    return any(c.known > seen.get((c.measure, c.field), 0) for c in now)


def suggested(asked: Sequence[Asked], values: Mapping[str, Any], facts: Sequence[Fact]) -> dict[str, Any]:
    """The values with every count raised to what is known from visible facts: what “add it” files."""
    raised = dict(values)
    for ask in asked:
        known, _ = known_of(ask.measure, [fact for fact in facts if fact.visible])
        if known > int(raised.get(ask.field) or 0):
            raised[ask.field] = known
    return raised

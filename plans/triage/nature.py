"""Says whether a text reports an incident at all, or a drill, or rules and the figures of a period. Pure; the phrases are data/nature.yaml."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from plans.triage.draft import Nature
from plans.triage.text import Prepared, Sentence, Standing, data

_HEAD = 600  # characters within which a text says that it is of a drill, where its opening does not


class Said(msgspec.Struct, frozen=True):
    """The nature of a text and the stretch of prepared text that says it, empty for an incident.

    `injected`: a message within a drill, which tells what is played as if it happened.
    """

    nature: Nature
    start: int = 0
    end: int = 0
    injected: bool = False


class _Rules(msgspec.Struct, frozen=True):
    injected: re.Pattern[str]
    drill: re.Pattern[str]
    passing: re.Pattern[str]
    played: re.Pattern[str]
    drill_said: re.Pattern[str]
    tallied: re.Pattern[str]
    counted: re.Pattern[str]
    ruled: re.Pattern[str]
    event: re.Pattern[str]


@lru_cache(maxsize=1)
def _rules() -> _Rules:
    rows = {key: [forms] if isinstance(forms, str) else forms for key, forms in data("nature.yaml").items()}
    return _Rules(**{key: re.compile("|".join(forms), re.MULTILINE) for key, forms in rows.items()})


def read(prepared: Prepared) -> Said:
    """What the text is about; an incident wherever its opening does not plainly say otherwise."""
    rules, text = _rules(), prepared.text
    start, opening = _opening(prepared)[0].start, _opening(prepared)[-1].end
    marked = rules.injected.search(text, start, opening)
    if marked is not None:
        return Said(Nature.DRILL, *marked.span(), injected=True)
    drill, happened = _first_said(prepared, rules)
    if drill is None or rules.played.search(text, start, opening + _HEAD) is None:
        drill = None if happened else rules.drill_said.search(text, start, start + _HEAD)
    if drill is not None:
        return Said(Nature.DRILL, *drill.span())
    if happened:
        return Said(Nature.INCIDENT)
    tallied = rules.tallied.search(text, start, opening)
    if tallied is not None and rules.counted.search(text, start, opening + _HEAD) is not None:
        return Said(Nature.NO_INCIDENT, *tallied.span())
    ruled = rules.ruled.search(text, start, opening + _HEAD)
    return Said(Nature.INCIDENT) if ruled is None else Said(Nature.NO_INCIDENT, *ruled.span())


def _opening(prepared: Prepared) -> list[Sentence]:
    """The title, the first two sentences and the one after them: where a text says what it is about."""
    own = [s for s in prepared.sentences if s.weight >= 1.2] or prepared.sentences
    return [s for s in own if s.title] + [s for s in own if not s.title][:3]


def _first_said(prepared: Prepared, rules: _Rules) -> tuple[re.Match[str] | None, bool]:
    """The drill that the opening tells of before any event, and whether it tells of an event first."""
    for sentence in _opening(prepared):
        span = (sentence.start, sentence.end)
        drill = rules.drill.search(prepared.text, *span)
        if drill is not None and rules.passing.search(prepared.text, *span) is None:
            return drill, False
        if sentence.standing is Standing.MAIN and rules.event.search(prepared.text, *span) is not None:
            return None, True
    return None, False

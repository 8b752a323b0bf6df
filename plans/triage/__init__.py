"""Triage of free Chinese text: a pasted message, a telephone note or a news text becomes a draft report. Pure and deterministic.

Rules and lexicons only (data/*.yaml, data/*.csv); nothing the text does not say is filled in, and each value carries its span.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from hub.errors import Rejected
from plans.triage import casualties, family, grade, nature, places, signs, substances, suggest, times
from plans.triage.draft import Casualties, Container, Draft, Nature, Role, Span, Substance
from plans.triage.text import Prepared, data, prepare

__all__ = ["Casualties", "Container", "Draft", "Nature", "Rejected", "Role", "Span", "Substance", "triage"]


def triage(text: str, now: datetime | None = None, *, id: str | None = None, plans: bool = False) -> Draft:
    """Read one Chinese text into a draft report; `now` (aware) resolves 昨日 and missing years, `plans` adds suggested plan ids.

    Raises Rejected `empty_text` or `too_long` (more than 200,000 characters).
    """
    prepared = prepare(text)
    about = nature.read(prepared)
    spans = _Spans(prepared)
    spans.add("nature", about.start, about.end)
    if about.nature is Nature.NO_INCIDENT:
        return Draft(id, about.nature, "other", spans=spans.done, plans=[suggest.GENERAL] if plans else msgspec.UNSET)
    if about.injected:
        low, high = prepared.span(about.start, about.end)
        prepared = prepare(text[:low] + "\n" * (high - low) + text[high:])
    draft = _of_incident(prepared, about.nature, now, id, plans)
    draft = draft if about.nature is Nature.INCIDENT or about.injected else _only_told(draft)
    return msgspec.structs.replace(draft, spans=[*spans.done, *draft.spans])


def _of_incident(prepared: Prepared, about: Nature, now: datetime | None, id: str | None, plans: bool) -> Draft:
    named_places = substances.mentions(prepared)
    decision = family.decide(prepared, substances.telling(prepared.text, named_places))
    row = data("families.yaml")["families"][decision.family]
    inhaled = decision.family.startswith("hazmat") and {family.HARMFUL, "symptoms"} <= set(decision.seen) and not {"boom", "fire", "burn"} & set(decision.seen)
    people = casualties.settle(casualties.count(prepared), decision.family, inhaled)
    suggestion = grade.suggest(prepared, decision.family, bool(row.get("social")), people)
    named = substances.named(prepared, named_places, decision.family)
    held = substances.container_of(prepared, named, decision.family)
    said = signs.read(prepared, bool(named) or decision.family in _LEAKING)
    where, when = places.find(prepared), times.occurred(prepared, now)
    spans = _Spans(prepared)
    spans.add("family", decision.start, decision.end)
    for field, figure in people.found.items():
        spans.add(field if field in ("loss_yuan", "dead_or_missing") else f"casualties.{field}", figure.start, figure.end)
    for number, one in enumerate(named):
        spans.add(f"substances.{number}", one.start, one.end)
    if held is not None:
        spans.add("container", held[1], held[2])
    for field, sign in said.items():
        spans.add(field, sign[1], sign[2])
    for part in where.parts if where is not None else ():
        spans.add("place", *part)
    if when is not None:
        spans.add("occurred_at", when.start, when.end)
    facts = {name: sign[0] for name, sign in said.items()}
    return Draft(
        id=id,
        nature=about,
        family=decision.family,
        event_types=_event_types(row, prepared, decision),
        grade=suggestion.grade if suggestion else None,
        grade_reason=suggestion.reason if suggestion else None,
        casualties=people.casualties,
        loss_yuan=people.loss_yuan,
        substances=[one.substance for one in named],
        container=held[0] if held else None,
        leak=facts.get("leak"),
        fire=facts.get("fire"),
        explosion=facts.get("explosion"),
        place="".join(prepared.original[slice(*prepared.span(*part))] for part in where.parts) if where else None,
        occurred_at=when.text if when else None,
        spans=spans.done,
        **({"plans": _plans(prepared, decision.family, facts, bool(named))} if plans else {}),
    )


_TOLD = ("family", "place", "occurred_at")


def _only_told(draft: Draft) -> Draft:
    """A report on a drill: which kind of event was played, where and when; its figures, grade and substances are of nothing that happened."""
    return Draft(
        id=draft.id, nature=draft.nature, family=draft.family, event_types=draft.event_types, plans=draft.plans,
        place=draft.place, occurred_at=draft.occurred_at, spans=[span for span in draft.spans if span.field in _TOLD],
    )  # fmt: skip


class _Spans:
    """Collects spans of the original text."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self.done: list[Span] = []

    def add(self, field: str, start: int, end: int) -> None:
        """Note that prepared[start:end) gave `field`."""
        if end > start:
            low, high = self._prepared.span(start, end)
            self.done.append(Span(field, low, high, self._prepared.original[low:high]))


def _plans(prepared: Prepared, chosen: str, facts: dict[str, bool], substance: bool) -> list[str]:
    return suggest.plans_for(
        prepared, chosen, {"fire": facts.get("fire", False), "leak_of_substance": facts.get("leak", False) and substance}
    )


_LEAKING = ("hazmat_transport", "hazmat_facility", "gas_supply", "group_poisoning", "waterway")  # where a leak needs no named substance
_SECOND = 0.5  # a second type is named where its evidence is at least half of the first one's


def _event_types(row: dict[str, object], prepared: Prepared, decision: family.Decision) -> list[str]:
    codes = _codes(row, prepared)
    families = data("families.yaml")["families"]
    top = decision.scores.get(decision.family, 0.0)
    others = sorted(((score, name) for name, score in decision.scores.items() if name != decision.family), reverse=True)
    for score, name in others[:1]:
        if score >= _SECOND * top > 0:
            codes += [code for code in _codes(families[name], prepared) if code not in codes]
    return codes


def _codes(row: dict[str, object], prepared: Prepared) -> list[str]:
    leaves, codes = row.get("leaves"), row["codes"]
    head = prepared.text[:600]
    if isinstance(leaves, dict):
        for code, words in leaves.items():
            if any(word in head for word in words):
                return [str(code)]
    return [str(code) for code in codes] if isinstance(codes, list) else []

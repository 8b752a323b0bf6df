"""Triage over HTTP: a pasted text becomes a draft in the fields of the report form, each with the words it rests on. Nothing is stored."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from hub.clock import utc_text
from hub.domain.access import HUB, Action
from hub.domain.report import known_event_type
from hub.web.plans import zone_of
from hub.web.route import Ask, Route

MAX_TEXT = 200_000


class TriageBody(Struct, frozen=True, kw_only=True):
    """The text, as it was pasted."""

    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]


class SpanView(Struct, frozen=True, kw_only=True):
    """Where in the text a value came from: characters from `start` to `end`."""

    field: str
    start: int
    end: int
    text: str


class DraftAnswer(Struct, frozen=True, kw_only=True):
    """A draft report for the operator to confirm: `report` in the fields of the form, `evidence` the words each field rests on.

    `nature` says whether it is of an incident, a drill or neither. `grade` is only a suggestion, with its criterion; `plans` are ids of plans
    that would match. What the text does not say is absent.
    """

    report: dict[str, Any]
    evidence: dict[str, str]
    spans: list[SpanView]
    nature: str
    family: str
    grade: str | None
    grade_reason: str | None
    plans: list[str]


async def run(ask: Ask) -> DraftAnswer:
    """Read a text into the fields of a first report."""
    from plans.triage import triage
    from plans.triage.draft import Draft

    ask.require(Action.TRIAGE_RUN, HUB)
    text: str = ask.body.text
    draft: Draft = await asyncio.to_thread(triage, text, ask.now, plans=True)
    spans = [SpanView(field=s.field, start=s.start, end=s.end, text=s.text) for s in draft.spans]
    return DraftAnswer(report=_report(draft, text, ask), evidence=_evidence(spans), spans=spans, nature=str(draft.nature), family=draft.family,
                       grade=draft.grade, grade_reason=draft.grade_reason, plans=list(draft.plans) if draft.plans is not msgspec.UNSET else [])


def _report(draft: Any, text: str, ask: Ask) -> dict[str, Any]:
    """The fields of the form that the text fills; times without an offset are the district's."""
    said = {name: value for name in draft.casualties.__struct_fields__ if (value := getattr(draft.casualties, name)) is not None}
    report: dict[str, Any] = {"text": text}
    if draft.nature == "drill":
        report["drill"] = True
    if types := [code for code in draft.event_types if known_event_type(code)]:
        report["event_types"] = types[:8]
    if draft.place:
        report["place"] = {"text": draft.place}
    if at := _time(draft.occurred_at, ask):
        report["occurred_at"] = at
    if said:
        report["casualties"] = said
    if draft.loss_yuan is not None:
        report["loss_yuan"] = draft.loss_yuan
    state = {name: value for name in ("leak", "fire", "explosion") if (value := getattr(draft, name)) is not None}
    container = {"container": str(draft.container)} if draft.container else {}
    loads = [{**({"un": s.un} if s.un else {}), "name": s.name, **container, **state} for s in draft.substances if s.role in ("released", "cargo", "involved")]
    if loads:
        report["hazmat"] = loads[:20]
    return report


def _time(said: str | None, ask: Ask) -> str | None:
    """A full time as UTC; a day alone fills no time field."""
    if said is None or "T" not in said:
        return None
    at = datetime.fromisoformat(said)
    return utc_text(at if at.tzinfo else at.replace(tzinfo=zone_of(ask)))


_FORM = {"substances": "hazmat", "container": "hazmat", "leak": "hazmat", "fire": "hazmat", "explosion": "hazmat", "family": "event_types"}


def _evidence(spans: list[SpanView]) -> dict[str, str]:
    """The words behind each field of the form, joined where there are several."""
    words: dict[str, list[str]] = {}
    for span in spans:
        head = span.field.split(".")[0].split("[")[0]
        found = words.setdefault(_FORM.get(head, head), [])
        if span.text not in found:
            found.append(span.text)
    return {field: "；".join(found) for field, found in words.items()}


ROUTES = [
    Route("POST", "/api/v1/triage", run, Action.TRIAGE_RUN, body=TriageBody, returns=DraftAnswer, limit_bytes=1_000_000, asks_to_confirm=False,
          zh="文本研判", en="triage a text"),
]

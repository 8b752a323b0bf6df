"""Plans over HTTP: the library and its versions, YAML in and out, what matches an incident and why, and answers to the missing fact."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web
from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import utc_text
from hub.domain.access import HUB, Action
from hub.domain.activation import MatchView, PlanHead, PlanStep
from hub.domain.incident import IncidentView
from hub.domain.masking import scrub
from hub.store.access import visible_incidents
from hub.store.activations import stored_cases
from hub.store.district import district_now
from hub.store.organisation import appointments_of, get_post
from hub.store.plans import (
    checked_answer,
    facts_from,
    get_head,
    get_match,
    get_plan,
    history_of,
    list_heads,
    list_matches,
    plans_in_force,
    save_plan,
    state_fact,
    stated_facts,
    step_plan,
)
from hub.web.incidents import find
from hub.web.route import Answer, Ask, Message, NotFound, Route
from plans.asking import AnswerForm, form_of, said_in_words
from plans.backtest import CaseResult, backtest
from plans.check import Finding, Severity, check, check_one
from plans.compare import Change, compare
from plans.district import district_of_data, event_codes
from plans.facts import IncidentFacts, WeatherWarning
from plans.load import MAX_FILE_BYTES, SKELETON, PlanRejected, Reading, export_text, load_bytes, read_text, text_of
from plans.match import Library, MatchResult, match, suggest_level
from plans.match.result import LevelSuggestion, State
from plans.match.words import OutlineLine, outline
from plans.model import Plan, PlanKind, PlanStatus, Text, conditions
from plans.telling import is_remarkable

LISTED = 20
SUGGESTED = 300


class PlanList(Struct, frozen=True, kw_only=True):
    """Every version of every plan; `seq` is the feed's head before reading."""

    items: list[PlanHead]
    seq: int


class PlanWhole(Struct, frozen=True, kw_only=True):
    """One version with its document, and its plan's other versions.

    `conditions` puts every condition into words, by the field it stands in; `people` names the posts of those who wrote, reviewed and approved.
    """

    head: PlanHead
    plan: Plan
    versions: list[PlanHead]
    conditions: dict[str, tuple[OutlineLine, ...]]
    people: dict[str, Message]


Version = Annotated[int, Meta(ge=1, le=999_999_999)]


class VersionQuery(Struct, frozen=True, kw_only=True):
    """Which version; none: the one in force, else the newest."""

    version: Version | None = None


class CompareQuery(Struct, frozen=True, kw_only=True):
    """The two versions to compare. `other`: the plan that `after` is a version of (none: the same plan)."""

    before: Version
    after: Version
    other: Annotated[str, Meta(max_length=64)] | None = None


class Compared(Struct, frozen=True, kw_only=True):
    """What differs, field by field."""

    items: list[Change]


class StepBody(Struct, frozen=True, kw_only=True):
    """The status that a version is to take, and why."""

    status: PlanStatus
    reason: Annotated[str, Meta(max_length=2000)] = ""


class FaultView(Struct, frozen=True, kw_only=True):
    """A fault of a plan's file: line, field, code and a sentence."""

    line: int
    field: str
    code: str
    zh: str
    en: str


class FindingView(Struct, frozen=True, kw_only=True):
    """What the linter found: `severity` error, warning or note."""

    severity: Severity
    line: int
    field: str
    code: str
    zh: str
    en: str


class Checked(Struct, frozen=True, kw_only=True):
    """What the linter says of a text, nothing stored: faults (with one it cannot be saved) and findings.

    `spans` gives first and last character of each plain field's value, for a form beside the text. `status` is that of the stored version
    of this number (null: none), `sha256` of its document, `next` the first free version.
    """

    faults: list[FaultView]
    findings: list[FindingView]
    spans: dict[str, tuple[int, int]]
    id: str | None
    version: int | None
    status: PlanStatus | None
    sha256: str | None
    next: int | None


class SaveQuery(Struct, frozen=True, kw_only=True):
    """`expects`: the SHA-256 of the draft that the writer began from (none: the version is new); another one by now is refused."""

    expects: Annotated[str, Meta(max_length=64)] | None = None
    reason: Annotated[str, Meta(max_length=2000)] = ""


class YamlQuery(Struct, frozen=True, kw_only=True):
    """Which version (none: the one in force, else the newest); `next`: as a draft of the first free version."""

    version: Version | None = None
    next: bool = False


class History(Struct, frozen=True, kw_only=True):
    """The steps in the life of a plan's versions, the newest first; `people` names the posts of those who took them."""

    items: list[PlanStep]
    people: dict[str, Message]


class LibraryFindings(Struct, frozen=True, kw_only=True):
    """What the linter says of the library in force with tonight's rosters, stock and contacts; gravest first."""

    items: list[Finding]
    plans: int
    checked_at: str


class ReplayQuery(Struct, frozen=True, kw_only=True):
    """How many of the newest incidents; drills too?"""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 200
    drills: bool = False


class ReplayedCase(Struct, frozen=True, kw_only=True):
    """An incident where something is to be looked at."""

    incident_id: str
    result: CaseResult


class Replayed(Struct, frozen=True, kw_only=True):
    """The newest incidents replayed: the sums, and the incidents where there is something to look at (`plans.telling.is_remarkable`).

    That is, against what people put in force: a plan missed, one that they did not choose, another first plan or another level; and two that are
    level, also where nobody put anything in force.
    """

    cases: int
    with_expectation: int
    all_found: int
    first_right: int
    ambiguous: int
    only_general: int
    never_matched: tuple[str, ...]
    items: list[ReplayedCase]


class Imported(Struct, frozen=True, kw_only=True):
    """What became of a file: the version stored, or its faults; nothing is stored where there is one."""

    plan: PlanHead | None
    faults: list[FaultView]


class Answered(Struct, frozen=True, kw_only=True):
    """A fact that somebody answered, with the answer in words; it can be taken back."""

    field: str
    zh: str
    en: str


class IncidentPlans(Struct, frozen=True, kw_only=True):
    """The plans for an incident with every condition explained; `levels` suggests a level for each listed plan by id.

    `matching` is the last stored matching, with what changed since the one before. `stated` are answers that people gave, `answered`
    the same in words. `answer` says how the missing fact is answered (null: nothing is asked).
    """

    result: MatchResult
    answer: AnswerForm | None
    matching: MatchView | None
    levels: dict[str, LevelSuggestion]
    facts: IncidentFacts
    stated: dict[str, Any]
    answered: list[Answered]
    seq: int


class Suggested(Struct, frozen=True, kw_only=True):
    """The plan that stands first for an incident, and how many stand beside it."""

    incident_id: str
    version: int
    plan_id: str
    title: Text
    state: State
    others: int


class SuggestedList(Struct, frozen=True, kw_only=True):
    """The first plan for each open incident that the reader may see; `seq` is the feed's head before reading."""

    items: list[Suggested]
    seq: int


class MatchQuery(Struct, frozen=True, kw_only=True):
    """`skip`: facts that nobody can tell for now, with commas between them; the question is then the next best one."""

    skip: Annotated[str, Meta(max_length=1000)] = ""


class FactBody(Struct, frozen=True, kw_only=True):
    """An answer to the question asked: the fact's field and its value (null takes an answer back; no warnings at all: an empty list)."""

    field: Annotated[str, Meta(min_length=1, max_length=64)]
    value: str | float | bool | list[WeatherWarning] | None


class Stated(Struct, frozen=True, kw_only=True):
    """Whether the answer was new."""

    changed: bool


async def listing(ask: Ask) -> PlanList:
    """The library."""
    ask.require(Action.PLAN_READ, HUB)
    seq = await ask.store.head()
    async with ask.store.read() as conn:
        return PlanList(items=await list_heads(conn), seq=seq)


async def one(ask: Ask) -> PlanWhole:
    """One version of a plan."""
    ask.require(Action.PLAN_READ, HUB)
    async with ask.store.read() as conn:
        plan = await get_plan(conn, ask.path["plan"], ask.query.version)
        if plan is None:
            raise NotFound
        head = await get_head(conn, plan.id, plan.version)
        versions = await list_heads(conn, id=plan.id)
        people = await _posts_of(conn, [by for h in versions for by in (h.saved_by, h.reviewed_by, h.approved_by)])
    assert head is not None
    return PlanWhole(head=head, plan=plan, versions=versions, people=people, conditions={field: outline(one) for field, one in conditions(plan)})


async def _posts_of(conn: AsyncConnection, actors: Iterable[str | None]) -> dict[str, Message]:
    """The posts of people by how the chain names them; their names are personal data and stay out."""
    found: dict[str, Message] = {}
    for actor in sorted({one for one in actors if one and one.startswith("person:")}):
        appointed = await appointments_of(conn, person_id=actor.removeprefix("person:"))
        held = [post for one in appointed if (post := await get_post(conn, one.post_id)) is not None]
        if held:
            found[actor] = Message("、".join(one.zh for one in held), ", ".join(one.en for one in held))
    return found


async def export(ask: Ask) -> web.Response:
    """One version as YAML, as the import takes it."""
    ask.require(Action.PLAN_READ, HUB)
    async with ask.store.read() as conn:
        plan = await get_plan(conn, ask.path["plan"], ask.query.version)
        versions = await list_heads(conn, id=plan.id) if plan else []
    if plan is None:
        raise NotFound
    if ask.query.next:
        plan = msgspec.structs.replace(plan, version=max(h.version for h in versions) + 1, status=PlanStatus.DRAFT)
    return web.Response(text=export_text(plan), content_type="application/yaml", charset="utf-8",
                        headers={"Content-Disposition": f'attachment; filename="{plan.id}-{plan.version}.yaml"'})


async def compared(ask: Ask) -> Compared:
    """What differs between two versions of a plan, or between two plans."""
    ask.require(Action.PLAN_READ, HUB)
    async with ask.store.read() as conn:
        before = await get_plan(conn, ask.path["plan"], ask.query.before)
        after = await get_plan(conn, ask.query.other or ask.path["plan"], ask.query.after)
    if before is None or after is None:
        raise NotFound
    return Compared(items=list(compare(before, after)))


async def skeleton(ask: Ask) -> web.Response:
    """A plan to begin from, with a remark on each part."""
    ask.require(Action.PLAN_EDIT, HUB)
    return web.Response(text=await asyncio.to_thread(SKELETON.read_text, "utf-8"), content_type="application/yaml", charset="utf-8")


async def history(ask: Ask) -> History:
    """Who saved, reviewed and approved which version, and when."""
    ask.require(Action.PLAN_READ, HUB)
    async with ask.store.read() as conn:
        found = await history_of(conn, ask.path["plan"])
        people = await _posts_of(conn, [step.by for step in found])
    if not found:
        raise NotFound
    return History(items=found, people=people)


async def checked(ask: Ask) -> Checked:
    """What the linter says of a text; nothing is stored."""
    ask.require(Action.PLAN_EDIT, HUB)
    today = ask.now.astimezone(zone_of(ask)).date()
    async with ask.store.read() as conn:
        beside = await plans_in_force(conn, today)
    reading, findings = await asyncio.to_thread(_check, ask.body, beside, today)
    plan = reading.plan
    heads: list[PlanHead] = []
    if plan is not None:
        async with ask.store.read() as conn:
            heads = await list_heads(conn, id=plan.id)
    held = next((h for h in heads if plan is not None and h.version == plan.version), None)
    return Checked(
        faults=[FaultView(line=f.line, field=f.field, code=f.code, zh=f.zh, en=f.en) for f in reading.faults],
        findings=[FindingView(severity=f.severity, line=reading.line_of(f.field), field=f.field, code=f.code, zh=f.zh, en=f.en) for f in findings],
        spans=dict(reading.spans), id=plan.id if plan else None, version=plan.version if plan else None, status=held.status if held else None,
        sha256=held.sha256 if held else None, next=max((h.version for h in heads), default=0) + 1 if plan else None)


async def library_checked(ask: Ask) -> LibraryFindings:
    """Would the plans work tonight? Empty posts, missing stock, unreachable contacts, uncovered types, dead conditions, expired sources."""
    ask.require(Action.PLAN_READ, HUB)
    async with ask.store.read() as conn:
        beside = await plans_in_force(conn, ask.now.astimezone(zone_of(ask)).date())
        district = await district_now(conn, ask.now, zone_of(ask), drill=ask.hub.settings.demo)
    findings = await asyncio.to_thread(check, beside, district)
    return LibraryFindings(items=list(findings), plans=len(beside), checked_at=utc_text(ask.now))


async def replayed(ask: Ask) -> Replayed:
    """What the plans in force would have matched to the newest incidents, beside what people put in force for them."""
    ask.require(Action.PLAN_READ, HUB)
    ask.require(Action.INCIDENT_LIST, HUB)
    zone = zone_of(ask)
    async with ask.store.read() as conn:
        plans = await plans_in_force(conn, ask.now.astimezone(zone).date())
        cases = await stored_cases(conn, zone, drill=None if ask.query.drills else False, limit=ask.query.limit,
                                   where=visible_incidents(ask.actor, ask.now, Action.INCIDENT_READ))
    report = await asyncio.to_thread(backtest, Library(plans), [case for _, case in cases], event_codes())
    return Replayed(cases=report.cases, with_expectation=report.with_expectation, all_found=report.all_found, first_right=report.first_right,
                    ambiguous=report.ambiguous, only_general=report.only_general, never_matched=report.never_matched,
                    items=[ReplayedCase(incident_id=id, result=msgspec.structs.replace(result, title=scrub(result.title))) for (id, _), result in zip(cases, report.results, strict=True) if is_remarkable(result)])


def _check(raw: bytes, beside: tuple[Plan, ...], today: date) -> tuple[Reading, tuple[Finding, ...]]:
    try:
        reading = read_text(text_of(raw, file="plan"), file="plan")
    except PlanRejected as refused:
        return Reading(None, refused.faults, {}, {}), ()
    if reading.plan is None or reading.faults:
        return reading, ()
    return reading, check_one(reading.plan, beside, district_of_data(today))


async def import_yaml(ask: Ask) -> Answer:
    """Store a plan's file as a draft. Every fault is named with its line; nothing is half applied."""
    ask.require(Action.PLAN_EDIT, HUB)
    try:
        plan = await asyncio.to_thread(load_bytes, ask.body, file="import")
    except PlanRejected as refused:
        faults = [FaultView(line=f.line, field=f.field, code=f.code, zh=f.zh, en=f.en) for f in refused.faults]
        return Answer(Imported(plan=None, faults=faults), status=422)
    ask.look_over(plan)
    draft = msgspec.structs.replace(plan, status=PlanStatus.DRAFT)
    async with ask.transaction() as tx:
        held = await get_plan(tx.conn, draft.id, draft.version)
        if held is not None and msgspec.structs.replace(held, status=PlanStatus.DRAFT) == draft:
            head = await get_head(tx.conn, draft.id, draft.version)
        else:
            head = await save_plan(tx, draft, by=ask.who, reason=ask.query.reason, expects=ask.query.expects)
    return Answer(Imported(plan=head, faults=[]), status=201)


async def step(ask: Ask) -> PlanHead:
    """Take a version a step on: reviewed by who edits plans, in force and superseded by who approves them."""
    approving = ask.body.status in (PlanStatus.IN_FORCE, PlanStatus.SUPERSEDED)
    ask.require(Action.PLAN_APPROVE if approving else Action.PLAN_EDIT, HUB)
    if len(ask.path["version"]) > 9:
        raise NotFound
    try:
        async with ask.transaction() as tx:
            return await step_plan(tx, ask.path["plan"], int(ask.path["version"]), ask.body.status, by=ask.who, on=ask.now.astimezone(zone_of(ask)).date(),
                                   reason=ask.body.reason)
    except KeyError:
        raise NotFound from None


class Shelf:
    """The library in force, compiled again where a plan changed: matching on the screen and in the reactor agree."""

    def __init__(self) -> None:
        self._key: object = None
        self._library: Library | None = None

    async def library(self, ask: Ask) -> Library:
        """The compiled plans in force today."""
        today = ask.now.astimezone(zone_of(ask)).date()
        async with ask.store.read() as conn:
            key = (today, tuple((h.id, h.version, h.sha256) for h in await list_heads(conn) if h.status is PlanStatus.IN_FORCE))
            if self._library is None or key != self._key:
                self._library, self._key = Library(await plans_in_force(conn, today)), key
        return self._library


def zone_of(ask: Ask) -> ZoneInfo:
    """The district's civil time."""
    return ZoneInfo(ask.hub.settings.local_zone)


def shelf(ask: Ask) -> Shelf:
    """The hub's shelf."""
    found: Shelf = ask.hub.extra.setdefault("plans", Shelf())
    return found


async def facts_now(ask: Ask, incident: IncidentView) -> tuple[IncidentFacts, dict[str, Any]]:
    """The facts of an incident as they stand, and the answers among them."""
    async with ask.store.read() as conn:
        stated = await stated_facts(conn, incident.id)
    return facts_from(incident, zone_of(ask), stated), stated


async def of_incident(ask: Ask) -> IncidentPlans:
    """The plans for an incident, ranked, each with every condition's state and value, and the fact worth asking for."""
    seq = await ask.store.head()
    found = await find(ask, Action.PLAN_MATCH)
    library = await shelf(ask).library(ask)
    facts, stated = await facts_now(ask, found.incident)
    async with ask.store.read() as conn:
        held = await get_match(conn, found.incident.id)
    result = match(library, facts, limit=LISTED, passed_over=[field for field in ask.query.skip.split(",") if field])
    plans = [library.by_id[m.plan_id].plan for m in result.matches]
    levels = {p.id: suggest_level(p, facts) for p in plans if p.levels and p.kind is not PlanKind.ONSITE_CARD}
    answer = form_of(result.missing_fact.field) if result.missing_fact else None
    answered = [Answered(field=field, zh=said.zh, en=said.en) for field, value in stated.items() for said in (said_in_words(field, value),)]
    return IncidentPlans(result=result, answer=answer, matching=held[0] if held else None, levels=levels, facts=facts, stated=stated,
                         answered=answered, seq=seq)


async def suggested(ask: Ask) -> SuggestedList:
    """The plan that stands first for each open incident, for lists."""
    ask.require(Action.INCIDENT_LIST, HUB)
    seq = await ask.store.head()
    async with ask.store.read() as conn:
        found = await list_matches(conn, visible_incidents(ask.actor, ask.now, Action.PLAN_MATCH), limit=SUGGESTED)
    return SuggestedList(seq=seq, items=[
        Suggested(incident_id=m.incident_id, version=m.version, plan_id=m.plans[0].plan_id, title=m.plans[0].title, state=m.plans[0].state,
                  others=m.applicable - 1) for m in found if m.plans])


async def answer_fact(ask: Ask) -> Stated:
    """Answer the question asked; the incident is matched again."""
    found = await find(ask, Action.INCIDENT_NOTE)
    value = await asyncio.to_thread(checked_answer, ask.body.field, ask.body.value)
    async with ask.transaction() as tx:
        return Stated(changed=await state_fact(tx, found.incident, ask.body.field, value, by=ask.who))


_PLAN = "/api/v1/plans/{plan}"
_INCIDENT = "/api/v1/incidents/{id}"
ROUTES = [
    Route("GET", "/api/v1/plans", listing, Action.PLAN_READ, returns=PlanList, zh="预案库", en="the library of plans"),
    Route("POST", "/api/v1/plans/check", checked, Action.PLAN_EDIT, body=bytes, returns=Checked, limit_bytes=MAX_FILE_BYTES, zh="检查预案文本", en="lint a plan's text"),
    Route("GET", "/api/v1/plans/check", library_checked, Action.PLAN_READ, returns=LibraryFindings, zh="预案库体检", en="lint the library with tonight's rosters and stock"),
    Route("GET", "/api/v1/plans/backtest", replayed, Action.PLAN_READ, query=ReplayQuery, returns=Replayed, zh="回放近期事件", en="replay the newest incidents against the library"),
    Route("GET", "/api/v1/plans/skeleton", skeleton, Action.PLAN_EDIT, zh="预案模板（YAML）", en="a plan to begin from (YAML)"),
    Route("POST", "/api/v1/plans", import_yaml, Action.PLAN_EDIT, body=bytes, query=SaveQuery, returns=Imported, status=201, limit_bytes=MAX_FILE_BYTES, own_refusal=True,
          zh="导入预案（YAML）", en="import a plan (YAML)"),
    Route("GET", _PLAN, one, Action.PLAN_READ, query=VersionQuery, returns=PlanWhole, zh="预案", en="one plan"),
    Route("GET", _PLAN + "/yaml", export, Action.PLAN_READ, query=YamlQuery, export=True, zh="导出预案（YAML）", en="export a plan (YAML)"),
    Route("GET", _PLAN + "/history", history, Action.PLAN_READ, returns=History, zh="预案沿革", en="a plan's history"),
    Route("GET", _PLAN + "/compare", compared, Action.PLAN_READ, query=CompareQuery, returns=Compared, zh="比较版本或两个预案", en="compare versions, or two plans"),
    Route("POST", _PLAN + "/versions/{version:[0-9]+}/status", step, Action.PLAN_EDIT, also=(Action.PLAN_APPROVE,), body=StepBody, returns=PlanHead,
          zh="审核、批准预案", en="review or approve a version"),
    Route("GET", _INCIDENT + "/plans", of_incident, Action.PLAN_MATCH, query=MatchQuery, returns=IncidentPlans, zh="匹配的预案", en="the plans for an incident"),
    Route("GET", "/api/v1/suggested-plans", suggested, Action.INCIDENT_LIST, returns=SuggestedList, zh="各事件首选预案", en="the first plan for each open incident"),
    Route("POST", _INCIDENT + "/facts", answer_fact, Action.INCIDENT_NOTE, body=FactBody, returns=Stated, zh="补充事实", en="answer the missing fact"),
]

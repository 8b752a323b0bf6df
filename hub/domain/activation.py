"""Plans in the hub as values: versions and their life, what matched an incident and why, and a response in force with its stages. Pure.

The rules of matching and of putting plans in force stand in `plans`; here are the views that screens and changes carry.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, tzinfo
from enum import StrEnum
from math import asin, cos, radians, sin, sqrt
from typing import Any, Final

import msgspec
from msgspec import Struct, to_builtins

from hub.clock import parse_utc
from hub.domain.change import ChangeBody, change
from hub.domain.data import packaged
from hub.domain.incident import IncidentView
from hub.errors import Rejected
from plans.activate import Activation, ActiveExit, Caution, PlanRef
from plans.facts import (
    BY_REPORT,
    FIELDS,
    Casualties,
    Enterprise,
    FieldKind,
    Grade,
    IncidentFacts,
    Load,
    Place,
    Tables,
    WarningKind,
    Weather,
    WeatherWarning,
    described,
    misread_apart,
    told,
)
from plans.match import MissingFact, RematchDiff, State, Stood
from plans.match.result import MatchResult
from plans.model import STAGE_ORDER, STATUS_STEPS, Level, PlanKind, PlanStatus, Source, Stage, Text

# ── versions of plans ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


class PlanHead(Struct, frozen=True, kw_only=True):
    """One version of one plan, as lists show it; `sha256` is of its document.

    `saved_by` wrote what stands in it, `reviewed_by` and `approved_by` took it on; whoever wrote it does not approve it.
    """

    id: str
    version: int
    status: PlanStatus
    kind: PlanKind
    title: Text
    source: Source
    valid_from: str
    valid_until: str | None
    tasks: int
    sha256: str
    changed_at: str
    changed_by: str
    reason: str = ""
    saved_by: str = ""
    reviewed_by: str | None = None
    approved_by: str | None = None


class PlanStep(Struct, frozen=True, kw_only=True):
    """One step in the life of a plan's version: `what` is `saved` or the status it took."""

    version: int
    what: str
    at: str
    by: str
    reason: str
    sha256: str


@change("plan.saved", zh="预案入库", en="a version of a plan was stored")
class PlanSaved(ChangeBody, frozen=True, kw_only=True):
    """The version as it now stands."""

    plan: PlanHead


@change("plan.status_changed", zh="预案状态变更", en="a version of a plan was reviewed, put in force or superseded")
class PlanStatusChanged(ChangeBody, frozen=True, kw_only=True):
    """The version after the step, and its status before."""

    plan: PlanHead
    before: PlanStatus


def check_step(before: PlanStatus, after: PlanStatus) -> None:
    """Raise Rejected `wrong_state` unless a version may go from `before` to `after`."""
    if after not in STATUS_STEPS[before]:
        raise Rejected("wrong_state", f"预案不能由 {before} 变为 {after}", f"a plan that is {before} cannot become {after}", field="status")


def check_approver(writers: Collection[str], by: str) -> None:
    """Raise Rejected `own_plan` where somebody would put in force what they wrote themselves, all of it or a comma (四眼原则: four eyes)."""
    if by in writers and not by.startswith("system:"):
        raise Rejected("own_plan", "编写人不能批准自己的预案，请由他人批准", "whoever wrote a version does not approve it; somebody else has to",
                       field="status")


def check_validity(valid_from: date, valid_until: date | None, on: date, *, stands: bool) -> None:
    """Raise Rejected for a version that is put in force outside its time.

    `plan_expired`: it would never match. `plan_not_yet_valid`: another version stands (`stands`) and would end today, so that until then there were none.
    """
    if valid_until is not None and valid_until < on:
        raise Rejected("plan_expired", f"有效期已于 {valid_until} 结束，不能批准生效；请先修订有效期",
                       f"its validity ended on {valid_until}; revise it before it is put in force", field="valid_until")
    if valid_from > on and stands:
        raise Rejected("plan_not_yet_valid", f"该版自 {valid_from} 起才有效，现在批准会使现行版立即废止、其间无预案可用；请到期再批准，或提前生效日期",
                       f"it is valid from {valid_from} only, and the version in force would end now, leaving none until then; approve it on that day, or set an earlier one",
                       field="valid_from")


# ── what is known of an incident, as plans ask for it ───────────────────────────────────────────────────────────────────────────────


class Nearby(Struct, frozen=True):
    """A place that conditions measure distances to: its kind (`school`, `village`, `water_intake`) and its point."""

    kind: str
    lon: float
    lat: float


class Surroundings(Struct, frozen=True):
    """What the district's data says of places: town names and approximate centres by code, and what lies around."""

    towns: tuple[tuple[str, str, float | None, float | None], ...] = ()
    nearby: tuple[Nearby, ...] = ()


_NEAREST_TOWN_M: Final = 6_000.0
"""A point belongs to the nearest town centre within this distance (half the usual distance between centres here; our own choice)."""


def facts_of(
    view: IncidentView, *, zone: tzinfo, around: Surroundings, tables: Tables, stated: Mapping[str, Any],
) -> IncidentFacts:
    """The facts of an incident: what it says and what people stated over that, with what the tables say of its place and substances.

    `stated` holds answers by field of `plans.facts.FIELDS`, already checked by `check_fact`; `tables` are those of the goods.
    """
    at = parse_utc(view.occurred_at).astimezone(zone)
    place = view.place
    town = _town(view, around)
    distance = {kind: _nearest(place.lon, place.lat, around.nearby, kind) for kind in ("water_intake", "school", "village")}
    facts = IncidentFacts(
        event_types=view.event_types, grade=_grade(view), loss_yuan=view.loss_yuan, hour=at.hour, month=at.month,
        place=Place(adcode=town, lon=place.lon, lat=place.lat, road=place.road, road_km=place.road_km,
                    distance_to_water_m=distance["water_intake"], distance_to_school_m=distance["school"], distance_to_homes_m=distance["village"]),
        hazmat=tuple(msgspec.convert(h, Load, from_attributes=True) for h in view.hazmat),
        casualties=Casualties(**{n: getattr(view.casualties, n) for n in Casualties.__struct_fields__}),
        enterprise=Enterprise(id=place.enterprise_id), weather=Weather(),
    )
    facts = msgspec.structs.replace(facts, hazmat=tuple(misread_apart(load, tables) for load in facts.hazmat))
    for field, value in stated.items():
        facts = told(facts, field, value)
    return described(facts, tables)


def _grade(view: IncidentView) -> Grade | None:
    id = view.grade or (view.grade_suggested.grade if view.grade_suggested else None)
    return next((Grade(row["zh"]) for row in packaged("grades")["grades"] if row["id"] == id), None)


def _town(view: IncidentView, around: Surroundings) -> str | None:
    """The code sent where it reaches a town; else the town that the words name; else the nearest centre; else what was sent."""
    place = view.place
    if place.adcode is not None and len(place.adcode) >= 9:
        return place.adcode
    words = f"{place.text or ''}{view.title}"
    for code, name, _, _ in around.towns:
        if name in words:
            return code
    if place.lon is None or place.lat is None:
        return place.adcode
    found = [(_metres(place.lon, place.lat, lon, lat), code) for code, _, lon, lat in around.towns if lon is not None and lat is not None]
    best = min(found, default=None)
    return best[1] if best is not None and best[0] <= _NEAREST_TOWN_M else place.adcode


def _nearest(lon: float | None, lat: float | None, nearby: Iterable[Nearby], kind: str) -> float | None:
    if lon is None or lat is None:
        return None
    found = [_metres(lon, lat, n.lon, n.lat) for n in nearby if n.kind == kind]
    return round(min(found)) if found else None


def _metres(lon: float, lat: float, to_lon: float, to_lat: float) -> float:
    """Metres on a sphere of 6,371,008.8 m (mean radius, IUGG)."""
    d_lat, d_lon = radians(to_lat - lat), radians(to_lon - lon)
    h = sin(d_lat / 2) ** 2 + cos(radians(lat)) * cos(radians(to_lat)) * sin(d_lon / 2) ** 2
    return 2 * 6_371_008.8 * asin(sqrt(h))


def check_fact(field: str, value: Any) -> Any:
    """An answer to a question of `plans.facts.FIELDS`, checked; None takes an answer back.

    Raises Rejected `unknown_fact` for a field that nobody is asked for here, and `bad_fact` for a value of the wrong kind.
    """
    spec = FIELDS.get(field)
    if spec is None or field in BY_REPORT:
        raise Rejected("unknown_fact", f"不能单独回答“{field}”，请用续报更正", f"{field} is not answered by itself; file a follow-up", field="field")
    value = to_builtins(value)
    if value is None:
        return None
    kind = spec.kind
    fits = (isinstance(value, bool) if kind is FieldKind.FLAG else
            isinstance(value, list) and len(value) <= len(WarningKind) if kind is FieldKind.WARNINGS else
            isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15 if kind is FieldKind.NUMBER else
            isinstance(value, str) and 0 < len(value) <= 200)
    if not fits or (spec.values and value not in spec.values):
        raise Rejected("bad_fact", f"“{spec.zh}”的回答不合要求", f"not an answer to: {spec.en}", field="value")
    try:
        told(IncidentFacts(), field, value)
    except (msgspec.ValidationError, TypeError) as error:
        raise Rejected("bad_fact", f"“{spec.zh}”的回答不合要求", f"not an answer to: {spec.en}", field="value") from error
    return value


@change("incident.fact_stated", zh="补充事实", en="somebody answered a question about an incident")
class FactStated(ChangeBody, frozen=True, kw_only=True):
    """The fact and its value (null: taken back)."""

    field: str
    value: str | float | bool | list[WeatherWarning] | None


# ── what matched ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Ranked(Struct, frozen=True, kw_only=True):
    """A plan that applies or might: its score, the sentence that explains it, and each condition's path and state."""

    plan_id: str
    version: int
    title: Text
    kind: PlanKind
    state: State
    score: float
    zh: str
    en: str
    conditions: tuple[tuple[str, State], ...]


class MatchView(Struct, frozen=True, kw_only=True):
    """The plans for an incident, best first, the question worth asking, and what changed since the matching before."""

    incident_id: str
    version: int
    at: str
    plans: tuple[Ranked, ...]
    missing_fact: MissingFact | None
    considered: int
    applicable: int
    diff: RematchDiff | None = None


@change("plan.matched", zh="匹配预案", en="plans were matched to an incident")
class PlansMatched(ChangeBody, frozen=True, kw_only=True):
    """The matching, whole but for the words of conditions: those are explained on asking."""

    match: MatchView


def match_view(incident_id: str, result: MatchResult, *, at: str, version: int, diff: RematchDiff | None = None) -> MatchView:
    """The view of a matching."""
    return MatchView(
        incident_id=incident_id, version=version, at=at, missing_fact=result.missing_fact, considered=result.considered,
        applicable=result.applicable, diff=diff,
        plans=tuple(Ranked(plan_id=m.plan_id, version=m.version, title=m.title, kind=m.kind, state=m.state, score=m.score, zh=m.zh, en=m.en,
                           conditions=tuple((c.path, c.state) for c in m.conditions)) for m in result.matches))


def stood_in(view: MatchView) -> tuple[Stood, ...]:
    """The plans of a stored matching, for comparing a later one with."""
    return tuple(Stood(p.plan_id, p.version, p.title, p.state, p.conditions) for p in view.plans)


# ── a response in force ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class ResponseState(StrEnum):
    """Where a response stands."""

    ACTIVE = "active"
    TERMINATED = "terminated"
    REVOKED = "revoked"


class Automatic(Struct, frozen=True):
    """A response that a plan's own rule began: why, and until when a person may revoke it."""

    plan_id: str
    text: Text
    revocable_until: datetime


class StageStep(Struct, frozen=True, kw_only=True):
    """One stage of the scene that was reached: when, by whom, with which exit conditions held, and why where some were not."""

    stage: Stage
    at: str
    by: str
    met: tuple[str, ...] = ()
    reason: str | None = None


class ResponseHead(Struct, frozen=True, kw_only=True):
    """A response in force (or ended), as lists and changes carry it; its tasks are obligations, `sha256` is of its whole document."""

    id: str
    incident_id: str
    state: ResponseState
    level: Level
    plans: tuple[PlanRef, ...]
    started_at: str
    started_by: str
    updated_at: str
    stage: Stage
    stages: tuple[StageStep, ...]
    tasks: int
    cautions: tuple[Caution, ...]
    zh: str
    en: str
    reason: str | None = None
    automatic: Automatic | None = None
    ended_at: str | None = None
    ended_by: str | None = None
    drill: bool = False
    sha256: str = ""
    version: int = 1


@change("activation.started", zh="启动响应", en="plans were put in force")
class ResponseStarted(ChangeBody, frozen=True, kw_only=True):
    """The response as it began."""

    response: ResponseHead


@change("activation.changed", zh="调整响应", en="a response changed its level or plans")
class ResponseChanged(ChangeBody, frozen=True, kw_only=True):
    """The response after the change, with what was added and withdrawn (keys of tasks)."""

    response: ResponseHead
    added: tuple[str, ...]
    withdrawn: tuple[str, ...]
    changed: tuple[str, ...]


@change("activation.stage_moved", zh="现场阶段推进", en="the scene reached a stage")
class StageMoved(ChangeBody, frozen=True, kw_only=True):
    """The response at its new stage."""

    response: ResponseHead


@change("activation.ended", zh="终止响应", en="a response was terminated or revoked")
class ResponseEnded(ChangeBody, frozen=True, kw_only=True):
    """The response at its end; `open_tasks` are keys of tasks that were not done."""

    response: ResponseHead
    open_tasks: tuple[str, ...]


def check_seen(seen: Level, stands: Level, wanted: Level) -> None:
    """Raise Rejected `level_changed` where somebody else set another level since it was `seen`, unless it is the one that is `wanted` too."""
    set_meanwhile, agreed = stands is not seen, stands is wanted
    if set_meanwhile and not agreed:
        raise Rejected("level_changed", f"级别已由他人调为{stands}级，请核对后再定", f"somebody set level {stands} meanwhile; look again", field="level")


def move_stage(
    head: ResponseHead, document: Activation, to: Stage, *, met: Collection[str], done: Collection[str], reason: str | None, by: str, at: str,
) -> ResponseHead:
    """The response at the stage `to`. Going forward needs the exit conditions of every stage passed over, or a reason; going back a reason.

    A condition holds when somebody confirms it (`met`) or all tasks that show it are done. Raises Rejected `wrong_state`,
    `unknown_condition`, `stage_needs_reason`.
    """
    if head.state is not ResponseState.ACTIVE:
        raise Rejected("wrong_state", "响应已终止", "the response has ended")
    if to is head.stage:
        return head
    passed = [s for s in document.stages if STAGE_ORDER[head.stage] <= STAGE_ORDER[s.stage] < STAGE_ORDER[to]]
    exits = {e.key: e for s in passed for e in s.exit}
    known = {e.key for s in document.stages for e in s.exit}
    if unknown := sorted(set(met) - known):
        raise Rejected("unknown_condition", f"没有退出条件“{unknown[0]}”", f"there is no exit condition {unknown[0]!r}", field="met")
    held = tuple(sorted(key for key, e in exits.items() if key in met or shown(e, done)))
    unmet = [e for key, e in exits.items() if key not in held]
    given = (reason or "").strip() or None
    if given is None and (unmet or STAGE_ORDER[to] < STAGE_ORDER[head.stage]):
        zh = "；".join(e.text.zh for e in unmet) or "退回前一阶段"
        en = "; ".join(e.text.en for e in unmet) or "going back to an earlier stage"
        raise Rejected("stage_needs_reason", f"退出条件未满足，须说明理由：{zh}", f"conditions are not met; give a reason: {en}", field="reason")
    step = StageStep(stage=to, at=at, by=by, met=held, reason=given)
    return msgspec.structs.replace(head, stage=to, stages=(*head.stages, step), updated_at=at, version=head.version + 1)


def shown(condition: ActiveExit, done: Collection[str]) -> bool:
    """Whether finished tasks show that a condition holds."""
    return bool(condition.tasks) and all(task in done for task in condition.tasks)


def may_revoke(head: ResponseHead, now: datetime) -> None:
    """Raise Rejected unless a rule began this response and its time to be revoked is not over."""
    if head.automatic is None:
        raise Rejected("not_automatic", "人工启动的响应请用终止", "a response that a person began is terminated, not revoked")
    if now > head.automatic.revocable_until:
        raise Rejected("too_late", "可撤销时间已过，请用终止", "the time to revoke is over; terminate it instead")

"""An incident: how reports open and change it, and the table of what may follow what. Pure: values and `now` in, a new view out."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from math import asin, cos, radians, sin, sqrt
from typing import Final

import msgspec
from msgspec import Struct

from hub.clock import parse_utc, utc_text
from hub.domain.change import ChangeBody, change
from hub.domain.grading import Suggested, suggest_grade
from hub.domain.report import PlaceView, ReportView, limits
from hub.errors import Rejected
from hub.wire import Casualties, Hazmat, ReportKind


class IncidentState(StrEnum):
    """Where an incident stands. A merged one lives on in another."""

    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    FALSE_ALARM = "false_alarm"
    CLOSED = "closed"
    MERGED = "merged"


class Act(StrEnum):
    """What the desk can do to an incident's state."""

    VERIFY = "verify"
    FALSE_ALARM = "false_alarm"
    CLOSE = "close"
    REOPEN = "reopen"
    MERGE = "merge"


_S = IncidentState
TRANSITIONS: Final[dict[tuple[IncidentState, Act], IncidentState]] = {
    (_S.UNVERIFIED, Act.VERIFY): _S.VERIFIED,
    (_S.UNVERIFIED, Act.FALSE_ALARM): _S.FALSE_ALARM,
    (_S.VERIFIED, Act.FALSE_ALARM): _S.FALSE_ALARM,
    (_S.VERIFIED, Act.CLOSE): _S.CLOSED,
    (_S.UNVERIFIED, Act.MERGE): _S.MERGED,
    (_S.VERIFIED, Act.MERGE): _S.MERGED,
    (_S.FALSE_ALARM, Act.REOPEN): _S.UNVERIFIED,
    (_S.CLOSED, Act.REOPEN): _S.VERIFIED,
    (_S.MERGED, Act.REOPEN): _S.UNVERIFIED,
}
"""What may follow what; everything else is refused with `wrong_state`."""
OPEN_STATES: Final = frozenset({_S.UNVERIFIED, _S.VERIFIED})
_SAID: Final[dict[IncidentState, tuple[str, str]]] = {
    _S.UNVERIFIED: ("待核实", "not verified yet"), _S.VERIFIED: ("已核实", "verified"), _S.FALSE_ALARM: ("误报", "a false alarm"),
    _S.CLOSED: ("已结束", "closed"), _S.MERGED: ("已并入其他事件", "merged into another"),
}
_ACTS_SAID: Final[dict[Act, tuple[str, str]]] = {
    Act.VERIFY: ("核实", "verified"), Act.FALSE_ALARM: ("判为误报", "called a false alarm"), Act.CLOSE: ("结束", "closed"),
    Act.REOPEN: ("重新打开", "reopened"), Act.MERGE: ("并入其他事件", "merged"),
}


class IncidentView(Struct, frozen=True, kw_only=True, gc=False):
    """An incident, whole, as screens and changes carry it. `number` is its running number and the order of opening."""

    id: str
    number: int
    no: str
    title: str
    state: IncidentState
    verified: bool
    event_types: tuple[str, ...]
    grade: str | None
    grade_suggested: Suggested | None
    place: PlaceView
    occurred_at: str
    opened_at: str
    updated_at: str
    acknowledged_at: str | None
    acknowledged_by: str | None
    casualties: Casualties
    loss_yuan: float | None
    hazmat: tuple[Hazmat, ...]
    drill: bool
    urgent: bool
    source_trusted: bool
    department_id: str | None
    report_count: int
    last_report_kind: ReportKind
    merged_into: str | None
    version: int


@change("incident.opened", zh="事件立案", en="a report opened an incident")
class IncidentOpened(ChangeBody, frozen=True, kw_only=True):
    """The incident as it was opened."""

    incident: IncidentView


@change("incident.updated", zh="事件信息更新", en="a further report changed an incident")
class IncidentUpdated(ChangeBody, frozen=True, kw_only=True):
    """The incident after a further report; `changed` names the fields that differ."""

    incident: IncidentView
    report_id: str
    changed: tuple[str, ...]


@change("incident.acknowledged", zh="值班台签收", en="the desk took an incident")
class IncidentAcknowledged(ChangeBody, frozen=True, kw_only=True):
    """The incident, taken by a person of the desk."""

    incident: IncidentView


@change("incident.state_changed", zh="事件状态变更", en="an incident was verified, dismissed, closed, reopened or merged")
class IncidentStateChanged(ChangeBody, frozen=True, kw_only=True):
    """The incident after the act, the act, the state before and the reason given."""

    incident: IncidentView
    act: Act
    before: IncidentState
    reason: str | None


@change("incident.graded", zh="事件定级", en="the desk set an incident's grade")
class IncidentGraded(ChangeBody, frozen=True, kw_only=True):
    """The incident with its new grade, and why."""

    incident: IncidentView
    before: str | None
    reason: str | None


@change("incident.noted", zh="值班记事", en="a note in an incident's timeline")
class IncidentNoted(ChangeBody, frozen=True, kw_only=True):
    """A note that somebody wrote."""

    text: str


class MergeReason(Struct, frozen=True, kw_only=True):
    """Why two incidents may be one event."""

    zh: str
    en: str


class MergeProposal(Struct, frozen=True, kw_only=True):
    """A proposal to merge `incident_id` into `other_id` (the earlier one); `score` from 0 to 1; `decided` None, `merged` or `dismissed`."""

    id: str
    incident_id: str
    other_id: str
    score: float
    reasons: tuple[MergeReason, ...]
    proposed_at: str
    decided: str | None = None


@change("merge.proposed", zh="提示可能重复", en="two incidents may be the same event")
class MergeProposed(ChangeBody, frozen=True, kw_only=True):
    """The proposal; nothing is merged by itself."""

    proposal: MergeProposal


@change("merge.decided", zh="重复提示已处理", en="a merge proposal was decided")
class MergeDecided(ChangeBody, frozen=True, kw_only=True):
    """The proposal with its decision."""

    proposal: MergeProposal


_NOTHING_KNOWN: Final = Casualties()


def open_incident(report: ReportView, *, number: int, no: str, trusted: bool, now: datetime) -> IncidentView:
    """The incident that an initial report opens; verified at once where the source is trusted."""
    at = utc_text(now)
    casualties = report.casualties or _NOTHING_KNOWN
    return IncidentView(
        id=report.id, number=number, no=no, title=title_of(report), state=_S.VERIFIED if trusted else _S.UNVERIFIED, verified=trusted,
        event_types=report.event_types, grade=None, grade_suggested=suggest_grade(report.casualties, report.loss_yuan, report.event_types),
        place=report.place, occurred_at=report.occurred_at, opened_at=at, updated_at=at, acknowledged_at=None, acknowledged_by=None,
        casualties=casualties, loss_yuan=report.loss_yuan, hazmat=report.hazmat, drill=report.drill, urgent=report.urgent,
        source_trusted=trusted, department_id=report.department_id, report_count=1, last_report_kind=report.kind, merged_into=None, version=1,
    )


def title_of(report: ReportView) -> str:
    """The report's title, or the first 40 characters of its text; a drill says so."""
    title = (report.title or "").strip() or " ".join((report.text or "").split())[:40]
    return f"【演练】{title}" if report.drill and "演练" not in title else title


def rings_again(incident: IncidentView, report: ReportView) -> bool:
    """Does a further report on an incident that had ended need the desk? A follow-up says that it goes on, and whatever is urgent must be seen; a final
    report and a verification are due after the end."""
    return incident.state not in OPEN_STATES and (report.kind is ReportKind.FOLLOW_UP or report.urgent)


def apply_report(incident: IncidentView, report: ReportView, now: datetime) -> IncidentView:
    """The incident after a further report: what it states replaces what was known, what it leaves out stays. One that had ended stays so until the
    desk decides, which has to take it again (`rings_again`)."""
    casualties = merge_casualties(incident.casualties, report.casualties)
    loss_yuan = report.loss_yuan if report.loss_yuan is not None else incident.loss_yuan
    event_types = report.event_types or incident.event_types
    return msgspec.structs.replace(
        incident, casualties=casualties, loss_yuan=loss_yuan, event_types=event_types, hazmat=report.hazmat or incident.hazmat,
        place=merge_place(incident.place, report.place), grade_suggested=suggest_grade(casualties, loss_yuan, event_types),
        urgent=incident.urgent or report.urgent, updated_at=utc_text(now), report_count=incident.report_count + 1,
        last_report_kind=report.kind, version=incident.version + 1,
        **({"acknowledged_at": None, "acknowledged_by": None} if rings_again(incident, report) else {}),
    )


def changed_fields(before: IncidentView, after: IncidentView) -> tuple[str, ...]:
    """The names of the fields whose values differ, other than the bookkeeping."""
    quiet = {"updated_at", "report_count", "version", "last_report_kind"}
    return tuple(n for n in IncidentView.__struct_fields__ if n not in quiet and getattr(before, n) != getattr(after, n))


def merge_casualties(before: Casualties, said: Casualties | None) -> Casualties:
    """Each number that the report states replaces the earlier one; an unstated one stays."""
    if said is None:
        return before
    return Casualties(**{n: getattr(said, n) if getattr(said, n) is not None else getattr(before, n) for n in Casualties.__struct_fields__})


def merge_place(before: PlaceView, said: PlaceView) -> PlaceView:
    """A stated point or word replaces the earlier one; a follow-up without a point does not lose it."""
    names = [n for n in PlaceView.__struct_fields__ if n not in ("lon", "lat", "sent_crs")]
    values = {n: getattr(said, n) if getattr(said, n) is not None else getattr(before, n) for n in names}
    point = said if said.lon is not None else before
    return PlaceView(**values, lon=point.lon, lat=point.lat, sent_crs=point.sent_crs)


def acknowledge(incident: IncidentView, by: str, now: datetime) -> IncidentView | None:
    """The incident, taken by `by`; None where somebody already has it (taking twice is no error)."""
    if incident.acknowledged_at is not None:
        return None
    at = utc_text(now)
    return msgspec.structs.replace(incident, acknowledged_at=at, acknowledged_by=by, updated_at=at, version=incident.version + 1)


def transition(incident: IncidentView, act: Act, now: datetime, *, by: str | None = None, merged_into: str | None = None) -> IncidentView:
    """The incident after `act` of the desk (`by` name), which has taken it thereby; raises Rejected `wrong_state` where the table does not permit it."""
    state = TRANSITIONS.get((incident.state, act))
    if state is None:
        (zh, en), (act_zh, act_en) = _SAID[incident.state], _ACTS_SAID[act]
        raise Rejected("wrong_state", f"事件当前为“{zh}”，不能{act_zh}", f"an incident that is {en} cannot be {act_en}")
    if act is Act.REOPEN and incident.verified:
        state = _S.VERIFIED
    return msgspec.structs.replace(
        incident, state=state, verified=incident.verified or act is Act.VERIFY, merged_into=merged_into, updated_at=utc_text(now),
        acknowledged_at=incident.acknowledged_at or utc_text(now), acknowledged_by=incident.acknowledged_by or by,
        version=incident.version + 1,
    )


def set_grade(incident: IncidentView, grade: str | None, now: datetime) -> IncidentView:
    """The incident with the grade that the desk decided; None takes it back."""
    return msgspec.structs.replace(incident, grade=grade, updated_at=utc_text(now), version=incident.version + 1)


def distance_m(a: PlaceView, b: PlaceView) -> float | None:
    """Metres between two places on a sphere of 6,371,008.8 m (mean radius, IUGG); None without both points."""
    if a.lon is None or a.lat is None or b.lon is None or b.lat is None:
        return None
    d_lat, d_lon = radians(b.lat - a.lat), radians(b.lon - a.lon)
    h = sin(d_lat / 2) ** 2 + cos(radians(a.lat)) * cos(radians(b.lat)) * sin(d_lon / 2) ** 2
    return 2 * 6_371_008.8 * asin(sqrt(h))


def likeness(one: IncidentView, other: IncidentView) -> tuple[float, tuple[MergeReason, ...]]:
    """How likely two incidents are one event, 0 to 1, with the reasons: nearness in time, place and kind (limits are data)."""
    limit = limits()["merge"]
    if one.drill != other.drill:
        return 0.0, ()
    apart_s = abs((parse_utc(one.occurred_at) - parse_utc(other.occurred_at)).total_seconds())
    if apart_s > limit["within_s"]:
        return 0.0, ()
    score, reasons = 0.3 * (1 - apart_s / limit["within_s"]), [MergeReason(zh=f"时间相差 {apart_s / 60:.0f} 分钟",
                                                                             en=f"{apart_s / 60:.0f} minutes apart")]
    apart_m = distance_m(one.place, other.place)
    if apart_m is not None and apart_m <= limit["within_m"]:
        score += 0.4 * (1 - apart_m / limit["within_m"]) + 0.05
        reasons.append(MergeReason(zh=f"相距 {apart_m:.0f} 米", en=f"{apart_m:.0f} m apart"))
    elif apart_m is not None:
        return 0.0, ()
    elif one.place.text and one.place.text == other.place.text:
        score += 0.35
        reasons.append(MergeReason(zh="地点文字相同", en="the same words for the place"))
    if {c[:3] for c in one.event_types} & {c[:3] for c in other.event_types}:
        score += 0.25
        reasons.append(MergeReason(zh="事件类型相同", en="the same kind of event"))
    return round(min(score, 1.0), 3), tuple(reasons)


def decode_view(text: str | bytes) -> IncidentView:
    """A stored view."""
    return msgspec.json.decode(text, type=IncidentView)

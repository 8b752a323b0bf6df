"""What the hub makes of a report once it is decoded: its times judged, its place in WGS-84, its view. Pure."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from hub.clock import utc_text
from hub.domain.change import ChangeBody, change
from hub.domain.coordinates import to_wgs84
from hub.domain.data import packaged
from hub.errors import Rejected
from hub.wire import Attachment, Casualties, Crs, Hazmat, Place, Report, Reporter, ReportKind


class Channel(StrEnum):
    """How a report came in."""

    MQTT = "mqtt"
    HTTP = "http"
    WEB = "web"
    PHONE = "phone"


class PlaceView(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A place as stored: WGS-84 degrees, and the system it was sent in where that was another."""

    text: str | None = None
    lon: float | None = None
    lat: float | None = None
    sent_crs: Crs | None = None
    adcode: str | None = None
    road: str | None = None
    road_km: float | None = None
    enterprise_id: str | None = None


class ReportView(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A stored report, whole. `number` counts the reports of its incident; `skew_s` is the agent's clock against the hub's (seconds)."""

    id: str
    kind: ReportKind
    incident_id: str
    number: int
    receipt_no: str
    occurred_at: str
    received_at: str
    place: PlaceView
    channel: Channel
    actor: str
    department_id: str | None = None
    agent_id: str | None = None
    heard_at: str | None = None
    skew_s: float | None = None
    skew_flagged: bool = False
    event_types: tuple[str, ...] = ()
    title: str | None = None
    text: str | None = None
    urgent: bool = False
    drill: bool = False
    source: str | None = None
    cause: str | None = None
    course: str | None = None
    scope: str | None = None
    trend: str | None = None
    measures_taken: str | None = None
    measures_planned: str | None = None
    casualties: Casualties | None = None
    loss_yuan: float | None = None
    hazmat: tuple[Hazmat, ...] = ()
    reporter: Reporter | None = None
    signed_off_by: str | None = None
    attachments: tuple[Attachment, ...] = ()
    signature: str | None = None


@change("report.received", zh="收到报告", en="a report was received and stored")
class ReportReceived(ChangeBody, frozen=True, kw_only=True):
    """Carries the report's view, whole."""

    report: ReportView


@change("message.quarantined", zh="消息进入隔离区", en="a message was refused and kept in quarantine")
class MessageQuarantined(ChangeBody, frozen=True, kw_only=True):
    """A refused message, without its content: that stands in the quarantine."""

    quarantine_id: str
    reason: str
    field: str | None
    agent_id: str | None
    message_id: str | None
    message: str
    times: int


@change("message.released", zh="隔离消息已处理", en="a quarantined message was replayed or discarded")
class MessageReleased(ChangeBody, frozen=True, kw_only=True):
    """What became of a quarantined message: `replayed` or `discarded`."""

    quarantine_id: str
    outcome: str
    report_id: str | None = None


@cache
def limits() -> Any:
    """The intake's limits (`hub/data/intake_limits.yaml`)."""
    return packaged("intake_limits")


def known_event_type(code: str) -> bool:
    """Is the code in the district's table of event types?"""
    return code in packaged("event_types")["types"]


def judge(report: Report, received_at: datetime) -> None:
    """Refuse what no clock can excuse and what no table knows. Raises Rejected: `time_in_future`, `time_too_old`, `unknown_event_type`."""
    limit = limits()
    _judge_time("occurred_at", report.occurred_at, received_at, limit)
    if report.heard_at is not None:
        _judge_time("heard_at", report.heard_at, received_at, limit)
    for n, code in enumerate(report.event_types):
        if not known_event_type(code):
            raise Rejected("unknown_event_type", f"事件类型 {code} 不在分类表中", f"the event type {code} is not in the table",
                           field=f"event_types.{n}")


def _judge_time(name: str, at: datetime, received_at: datetime, limit: Any) -> None:
    ahead_s = (at - received_at).total_seconds()
    if ahead_s > limit["future_s"]:
        raise Rejected("time_in_future", f"{name} 在未来，请检查时钟", f"{name} lies in the future; check the clock", field=name)
    if -ahead_s > limit["ancient_s"]:
        raise Rejected("time_too_old", f"{name} 早于一年前", f"{name} is more than a year ago", field=name)


def place_view(place: Place) -> PlaceView:
    """A place in WGS-84; the system it was sent in is kept where it was another.

    Words without a letter or a digit (— of a phone that does not know where it is) name no place: kept, they would be the same place everywhere.
    """
    text = place.text if place.text is not None and any(c.isalnum() for c in place.text) else None
    if place.lon is None or place.lat is None or place.crs in (Crs.WGS84, Crs.CGCS2000):
        lon, lat = place.lon, place.lat
    else:
        lon, lat = to_wgs84(place.lon, place.lat, place.crs)
    return PlaceView(
        text=text, lon=lon, lat=lat, sent_crs=None if place.crs is Crs.WGS84 or lon is None else place.crs, adcode=place.adcode,
        road=place.road, road_km=place.road_km, enterprise_id=place.enterprise_id,
    )


def report_view(
    report: Report, *, incident_id: str, number: int, receipt_no: str, received_at: datetime, channel: Channel, actor: str,
    department_id: str | None, agent_id: str | None, sent_at: datetime | None = None, drill: bool = False,
) -> ReportView:
    """The view of a report that is being stored. `sent_at` is the agent's clock at sending, where it said so."""
    skew_s = round((sent_at - received_at).total_seconds(), 3) if sent_at is not None else None
    if skew_s is None and report.occurred_at > received_at:
        skew_s = round((report.occurred_at - received_at).total_seconds(), 3)  # what has happened cannot lie ahead: the clock does
    return ReportView(
        id=report.id, kind=report.kind, incident_id=incident_id, number=number, receipt_no=receipt_no,
        occurred_at=utc_text(report.occurred_at), received_at=utc_text(received_at), place=place_view(report.place), channel=channel,
        actor=actor, department_id=department_id, agent_id=agent_id, heard_at=utc_text(report.heard_at) if report.heard_at else None,
        skew_s=skew_s, skew_flagged=skew_s is not None and abs(skew_s) > limits()["skew_flag_s"],
        event_types=report.event_types, title=report.title, text=report.text, urgent=report.urgent, drill=report.drill or drill,
        source=report.source, cause=report.cause, course=report.course, scope=report.scope, trend=report.trend,
        measures_taken=report.measures_taken, measures_planned=report.measures_planned, casualties=report.casualties,
        loss_yuan=report.loss_yuan, hazmat=report.hazmat, reporter=report.reporter, signed_off_by=report.signed_off_by,
        attachments=report.attachments, signature=report.signature,
    )


def decode_view(text: str | bytes) -> ReportView:
    """A stored view."""
    return msgspec.json.decode(text, type=ReportView)

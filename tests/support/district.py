"""Actors, things and stored incidents for tests of access: a small district in values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hub.domain.access import Actor, ActorKind, Post, Role, Scope, Share, Thing, ThingKind, Tier, packaged_policy
from hub.domain.incident import IncidentState, IncidentView
from hub.domain.report import PlaceView
from hub.ids import new_id
from hub.wire import Casualties, ReportKind

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
POLICY = packaged_policy()
WHOLE_ONLY = {Role.OPERATOR, Role.AUDITOR, Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN, Role.AUDIT_ADMIN}


def post(
    role: Role, department: str | None = "fire-rescue", *, scope: Scope | None = None, below: tuple[str, ...] = (), enterprise: str | None = None,
    from_at: datetime | None = None, until_at: datetime | None = None,
) -> Post:
    """A post of a role, with the role's default scope."""
    reach = frozenset({department, *below} if department else ())
    return Post(id=f"{role}-{department}", role=role, scope=scope or POLICY.document.roles[role].scopes[0], department_id=department,
                enterprise_id=enterprise, reach=reach, from_at=from_at, until_at=until_at)


def person(*posts: Post, second_factor: bool = True, id: str = "p1") -> Actor:
    """A signed-in person with these posts."""
    return POLICY.actor(ActorKind.PERSON, id, posts, name="测试", second_factor=second_factor)


def one(role: Role, department: str | None = "fire-rescue", **given: Any) -> Actor:
    """A person with one post."""
    return person(post(role, department, **given))


def incident(*shares: tuple[str, Tier] | Share, verified: bool = True, closed: bool = False, **given: Any) -> Thing:
    """An incident shared as said."""
    rows = tuple(s if isinstance(s, Share) else Share(*s) for s in shares)
    return Thing(kind=ThingKind.INCIDENT, id="i1", verified=verified, closed=closed, shares=rows, **given)


def camera(*incidents: Thing, enterprise: str | None = "e1", department: str | None = None, reason: str = "") -> Thing:
    """A camera that these incidents link."""
    return Thing(kind=ThingKind.CAMERA, id="c1", enterprise_id=enterprise, department_id=department, incidents=incidents, reason=reason)


def incident_view(
    number: int, *, event_types: tuple[str, ...] = ("12H00", "12D00"), state: IncidentState = IncidentState.VERIFIED, grade: str | None = None,
    adcode: str | None = "320707108", department: str | None = "traffic-police", enterprise: str | None = None, drill: bool = False,
) -> IncidentView:
    """An incident to be stored."""
    at = "2026-11-23T05:00:00.000Z"
    return IncidentView(
        id=new_id(), number=number, no=f"2026-{number:06d}", title=f"事件{number}", state=state, verified=state is not IncidentState.UNVERIFIED,
        event_types=event_types, grade=grade, grade_suggested=None, place=PlaceView(text="G204", adcode=adcode, enterprise_id=enterprise),
        occurred_at=at, opened_at=at, updated_at=at, acknowledged_at=None, acknowledged_by=None, casualties=Casualties(), loss_yuan=None,
        hazmat=(), drill=drill, urgent=False, source_trusted=True, department_id=department, report_count=1,
        last_report_kind=ReportKind.INITIAL, merged_into=None, version=1,
    )

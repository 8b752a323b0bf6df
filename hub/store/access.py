"""Access in the store: the policies in force, the things that `may` looks at, and the same rule as SQL conditions for lists.

A condition here and `hub.domain.access.may` must always agree: a property test draws random districts and compares them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, and_, exists, false, insert, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import parse_utc, utc_text
from hub.domain.access import (
    AccessRefused,
    AccessViewed,
    Action,
    Actor,
    Decision,
    Permit,
    Policy,
    Reason,
    Share,
    Thing,
    ThingKind,
    Tier,
    may,
    packaged_policy,
    parse_policy,
)
from hub.domain.change import Change
from hub.domain.incident import OPEN_STATES
from hub.domain.sharing import PolicyChanged, SharingDocument, packaged_sharing, parse_sharing
from hub.errors import Rejected
from hub.store.schema import incident, report
from hub.store.schema_group import group_member
from hub.store.schema_people import audience_department, department, incident_audience, policy_version, share
from hub.store.schema_video import camera, camera_link
from hub.store.writer import Transaction

TIER_OF_RANK: Mapping[int, Tier] = {tier.rank: tier for tier in Tier}


# ── the policies in force ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Policies(NamedTuple):
    """The access policy and the sharing policy in force, with their versions (0: as shipped)."""

    access: Policy
    access_version: int
    sharing: SharingDocument
    sharing_version: int


_shipped: list[Policies] = []


def shipped_policies() -> Policies:
    """The policies as the product ships them, read once."""
    if not _shipped:
        _shipped.append(Policies(packaged_policy(), 0, packaged_sharing(), 0))
    return _shipped[0]


class PolicyBook:
    """The policies in force, read again only where a newer version stands in the store."""

    def __init__(self) -> None:
        self._held = shipped_policies()

    async def read(self, conn: AsyncConnection) -> Policies:
        """The policies in force at this moment: one small query."""
        newest = (await conn.execute(
            select(policy_version.c.name, policy_version.c.version).order_by(policy_version.c.name, policy_version.c.version))).all()
        versions = {row.name: row.version for row in newest}
        if (versions.get("roles", 0), versions.get("sharing", 0)) != (self._held.access_version, self._held.sharing_version):
            self._held = await _load(conn, versions)
        return self._held


async def _load(conn: AsyncConnection, versions: Mapping[str, int]) -> Policies:
    shipped = shipped_policies()
    access, sharing = shipped.access, shipped.sharing
    if "roles" in versions:
        access = parse_policy(await _document(conn, "roles", versions["roles"]))
    if "sharing" in versions:
        known = (await conn.execute(select(department.c.id))).scalars()
        sharing = parse_sharing(await _document(conn, "sharing", versions["sharing"]), known)
    return Policies(access, versions.get("roles", 0), sharing, versions.get("sharing", 0))


async def _document(conn: AsyncConnection, name: str, version: int) -> Any:
    where = (policy_version.c.name == name, policy_version.c.version == version)
    return msgspec.json.decode((await conn.execute(select(policy_version.c.document).where(*where))).scalar_one())


async def change_policy(tx: Transaction, name: str, document: Mapping[str, Any], *, by: str, reason: str) -> int:
    """Put a new version of `roles` or `sharing` in force; raises `Rejected` for one that does not hold together. Gives the version."""
    if not reason.strip():
        raise Rejected("reason_needed", "请填写变更理由", "state why it changes", field="reason")
    if name == "roles":
        parse_policy(document)
    elif name == "sharing":
        parse_sharing(document, (await tx.conn.execute(select(department.c.id))).scalars())
    else:
        raise Rejected("policy_unknown", "没有这项策略", "there is no such policy", field="name")
    text = msgspec.json.encode(document, order="deterministic").decode()
    versions = (await tx.conn.execute(select(policy_version.c.version).where(policy_version.c.name == name))).scalars().all()
    version = max(versions, default=0) + 1
    await tx.conn.execute(insert(policy_version).values(
        name=name, version=version, document=text, reason=reason, changed_by=by, changed_at=tx.at))
    tx.record(PolicyChanged(name=name, version=version, sha256=hashlib.sha256(text.encode()).hexdigest(), reason=reason),
              actor=by, subject=f"policy:{name}")
    return version


# ── things, as `may` takes them ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def incident_things(conn: AsyncConnection, ids: Iterable[str]) -> dict[str, Thing]:
    """The incidents named, each with everything that access asks about it; unknown ids are left out. Four queries, however many."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return {}
    columns = (incident.c.id, incident.c.department_id, incident.c.verified, incident.c.state, incident.c.drill)
    rows = (await conn.execute(select(*columns).where(incident.c.id.in_(wanted)))).all()
    audiences = {row.incident_id: row for row in (await conn.execute(
        select(incident_audience).where(incident_audience.c.incident_id.in_(wanted)))).all()}
    shares = await _shares(conn, wanted, audiences)
    return {
        row.id: Thing(
            kind=ThingKind.INCIDENT, id=row.id, department_id=row.department_id, verified=bool(row.verified),
            closed=row.state not in ("unverified", "verified"), drill=bool(row.drill), shares=tuple(shares.get(row.id, ())),
            enterprise_id=audiences[row.id].enterprise_id if row.id in audiences else None,
        )
        for row in rows
    }


async def _shares(conn: AsyncConnection, ids: list[str], audiences: Mapping[str, Any]) -> dict[str, list[Share]]:
    by_audience: dict[str, list[Share]] = {}
    wanted = {row.audience_id for row in audiences.values()}
    if wanted:
        rows = await conn.execute(select(audience_department).where(audience_department.c.audience_id.in_(wanted)))
        for row in rows.all():
            by_audience.setdefault(row.audience_id, []).append(Share(row.department_id, TIER_OF_RANK[row.rank]))
    found = {id: list(by_audience.get(row.audience_id, ())) for id, row in audiences.items()}
    rows = await conn.execute(select(share).where(share.c.incident_id.in_(ids), share.c.ended_at.is_(None)))
    for row in rows.all():
        until = parse_utc(row.until_at) if row.until_at else None
        found.setdefault(row.incident_id, []).append(Share(row.department_id, Tier(row.tier), parse_utc(row.from_at), until))
    return found


async def incident_thing(conn: AsyncConnection, id: str) -> Thing | None:
    """One incident as `may` takes it, or None where there is none."""
    return (await incident_things(conn, [id])).get(id)


async def things_of(conn: AsyncConnection, changes: Sequence[Change]) -> dict[str, Thing]:
    """What a stretch of the feed belongs to: incidents by their id, sharing groups by `group:ID`."""
    groups = {change.subject.removeprefix("group:") for change in changes if change.subject.startswith("group:")}
    things = await incident_things(conn, {change.incident_id for change in changes if change.incident_id is not None})
    return things | await _group_things(conn, groups) if groups else things


async def _group_things(conn: AsyncConnection, ids: set[str]) -> dict[str, Thing]:
    members: dict[str, list[str]] = {}
    for row in await conn.execute(select(group_member).where(group_member.c.group_id.in_(sorted(ids)))):
        members.setdefault(row.group_id, []).append(row.department_id)
    return {f"group:{id}": Thing(kind=ThingKind.GROUP, id=id, members=tuple(departments)) for id, departments in members.items()}


def change_thing(change: Change, things: Mapping[str, Thing]) -> Thing:
    """A change of the feed as `may` takes it: whose it is, and the incident or the sharing group that it belongs to (from `things_of`)."""
    incident, group = things.get(change.incident_id or ""), things.get(change.subject)
    noun, _, id = change.subject.partition(":")
    return Thing(kind=ThingKind.CHANGE, id=str(change.seq), department_id=change.department_id, incidents=(incident,) if incident else (),
                 members=group.members if group else (), person_id=id if noun == "person" else None, drill=change.drill)


def may_read(policy: Policy, actor: Actor, change: Change, things: Mapping[str, Thing], now: datetime) -> Decision:
    """May this actor read this change of the feed? Its `tier` says how the body is masked (`hub.domain.masking.mask`)."""
    return may(actor, policy.reading(change.kind), change_thing(change, things), now)


# ── the same rule, as SQL ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Reach(NamedTuple):
    """What the permits of an actor for one act come to at one moment: everything, or departments and enterprises."""

    whole: bool
    departments: frozenset[str]
    enterprises: frozenset[str]
    tier: Tier

    @property
    def nothing(self) -> bool:
        """Does it reach nothing at all?"""
        return not (self.whole or self.departments or self.enterprises)


def reach(actor: Actor, action: Action, now: datetime) -> Reach:
    """The reach of `actor` for `action` at `now`: permits out of time or without their second factor count for nothing."""
    permits = [permit for permit in actor.permits.get(action, ()) if _holds(permit, actor, now)]
    return Reach(
        whole=any(permit.whole for permit in permits),
        departments=frozenset().union(*(permit.reach for permit in permits)),
        enterprises=frozenset(permit.enterprise_id for permit in permits if permit.enterprise_id is not None),
        tier=permits[0].tier if permits else Tier.LEAD,
    )


def _holds(permit: Permit, actor: Actor, now: datetime) -> bool:
    if permit.from_at is not None and now < permit.from_at:
        return False
    return (permit.until_at is None or now < permit.until_at) and (actor.second_factor or not permit.second_factor)


def visible_incidents(actor: Actor, now: datetime, action: Action = Action.INCIDENT_READ) -> ColumnElement[bool]:
    """The condition on `incident` that holds for exactly the incidents that `may` permits `action` (of the rule `incident`) on."""
    return _incident_condition(reach(actor, action, now), incident.c.id, now)


def visible_of_incident(
    actor: Actor, now: datetime, action: Action, *, incident_id: Any, department_id: Any = None, enterprise_id: Any = None,
) -> ColumnElement[bool]:
    """The condition for things that belong to an incident (reports, tasks, recordings): its incident is visible, or the thing is one's own.

    The arguments are columns of the table listed; the act's rule must be `incident`.
    """
    reached = reach(actor, action, now)
    ways = [_incident_condition(reached, incident_id, now)]
    if reached.tier is not Tier.LEAD:
        if department_id is not None and reached.departments:
            ways.append(department_id.in_(sorted(reached.departments)))
        if enterprise_id is not None and reached.enterprises:
            ways.append(enterprise_id.in_(sorted(reached.enterprises)))
    return or_(*ways)


def visible_reports(actor: Actor, now: datetime) -> ColumnElement[bool]:
    """The condition on `report` for `report.read`."""
    return visible_of_incident(actor, now, Action.REPORT_READ, incident_id=report.c.incident_id, department_id=report.c.department_id)


def visible_cameras(actor: Actor, now: datetime, action: Action = Action.CAMERA_LIST) -> ColumnElement[bool]:
    """The condition on `camera` that holds for exactly the cameras that `may` permits `action` (of the rule `camera`) on without a reason:
    one's own, those that a verified and open incident links which is shared with one at the tier needed, and all for the whole district.
    """
    reached = reach(actor, action, now)
    if reached.whole:
        return true()
    ways: list[ColumnElement[bool]] = []
    if reached.departments:
        ways.append(and_(camera.c.enterprise_id.is_(None), camera.c.department_id.in_(sorted(reached.departments))))
    if reached.enterprises:
        ways.append(camera.c.enterprise_id.in_(sorted(reached.enterprises)))
    ways.append(exists().where(
        camera_link.c.camera_id == camera.c.id, camera_link.c.ended_at.is_(None), incident.c.id == camera_link.c.incident_id,
        incident.c.verified.is_(True), incident.c.state.in_(sorted(OPEN_STATES)), _incident_condition(reached, camera_link.c.incident_id, now)))
    return or_(false(), *ways)


def within_reach(
    actor: Actor, now: datetime, action: Action, *, department_id: Any = None, enterprise_id: Any = None, person_id: Any = None,
) -> ColumnElement[bool]:
    """The condition for an act of the rule `department`: the row's department, enterprise or person column is within reach."""
    reached = reach(actor, action, now)
    if reached.whole:
        return true()
    if not any(_holds(permit, actor, now) for permit in actor.permits.get(action, ())):
        return false()
    ways: list[ColumnElement[bool]] = []
    if department_id is not None and reached.departments:
        ways.append(department_id.in_(sorted(reached.departments)))
    if enterprise_id is not None and reached.enterprises:
        ways.append(enterprise_id.in_(sorted(reached.enterprises)))
    if person_id is not None:
        ways.append(person_id == actor.id)
    return or_(false(), *ways)


def _incident_condition(reached: Reach, incident_id: Any, now: datetime) -> ColumnElement[bool]:
    if reached.whole:
        return true()
    at, rank = utc_text(now), reached.tier.rank
    ways: list[ColumnElement[bool]] = []
    departments = sorted(reached.departments)
    if departments:
        audiences = select(audience_department.c.audience_id).where(
            audience_department.c.department_id.in_(departments), audience_department.c.rank >= rank)
        ways.append(exists().where(
            incident_audience.c.incident_id == incident_id, incident_audience.c.audience_id.in_(audiences)))
        ways.append(exists().where(and_(
            share.c.incident_id == incident_id, share.c.department_id.in_(departments), share.c.rank >= rank, share.c.ended_at.is_(None),
            share.c.from_at <= at, or_(share.c.until_at.is_(None), share.c.until_at > at))))
    if reached.enterprises and reached.tier is Tier.INFORMED:
        ways.append(exists().where(
            incident_audience.c.incident_id == incident_id, incident_audience.c.enterprise_id.in_(sorted(reached.enterprises))))
    return or_(false(), *ways)


# ── what access leaves in the chain ─────────────────────────────────────────────────────────────────────────────────────────────────


def record_view(
    tx: Transaction, actor: Actor, action: Action, things: Iterable[Thing], decision: Decision, *, reason: str = "",
    incident_id: str | None = None, drill: bool = False,
) -> None:
    """Chain that personal data or video was read: one change per request, with the ids."""
    names = tuple(f"{thing.kind}:{thing.id}" for thing in things)
    tx.record(
        AccessViewed(action=action, things=names, tier=decision.tier, reason_code=decision.reason_code, reason=reason, address=actor.address),
        actor=actor.addressed, subject=names[0] if len(names) == 1 else f"{actor.kind}:{actor.id}", incident_id=incident_id, drill=drill,
        department_id=actor.department_id,
    )


def record_refusal(tx: Transaction, actor: Actor, action: Action, thing: Thing, reason: Reason, *, times: int = 1) -> None:
    """Chain that an act was refused."""
    tx.record(
        AccessRefused(action=action, thing=f"{thing.kind}:{thing.id}", reason_code=reason, address=actor.address, times=times),
        actor=actor.addressed, subject=f"{thing.kind}:{thing.id}", department_id=actor.department_id,
    )

"""Sharing over HTTP: who shares in an incident and who has read it, shares by hand, standing agreements, the policies."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from hub.domain.access import HUB, Action, Decision, Thing, ThingKind, Tier
from hub.domain.sharing import Agreement, Badge, Origin, Receipt, ShareRow, badge
from hub.errors import Rejected
from hub.ids import exactly
from hub.store.access import change_policy, incident_thing, reach
from hub.store.organisation import list_departments
from hub.store.sharing import (
    activate_agreement,
    draft_agreement,
    end_agreement,
    end_shares,
    get_agreement,
    incident_of,
    list_agreements,
    receipts_of,
    see,
    share_by_hand,
    shares_of,
    sign_agreement,
    unread_departments,
)
from hub.web.route import Ask, Done, NotFound, Route

Id = Annotated[str, Meta(min_length=1, max_length=64)]
Reason = Annotated[str, Meta(min_length=1, max_length=2000)]


class ShareView(Struct, frozen=True, kw_only=True):
    """A share with its badge: shared by … until …"""

    share: ShareRow
    badge: Badge


class Shares(Struct, frozen=True, kw_only=True):
    """Who shares in an incident, who was told, who has read it, and which departments have not."""

    items: list[ShareView]
    receipts: list[Receipt]
    unread: list[str]


class NewShare(Struct, frozen=True, kw_only=True):
    """With whom, how much, until when, why."""

    department_id: Id
    tier: Tier
    until_at: datetime
    reason: Reason


class ReasonBody(Struct, frozen=True, kw_only=True):
    """Why."""

    reason: Reason


class NewAgreement(Struct, frozen=True, kw_only=True):
    """Who lets whom share in what, how much, from when until when, in which words."""

    giver_id: Id
    taker_id: Id
    tier: Tier
    event_types: Annotated[tuple[Annotated[str, Meta(pattern=exactly("1[0-4]([A-Z0-9]{0,3})"))], ...], Meta(max_length=40)] = ()
    text: Annotated[str, Meta(min_length=1, max_length=20_000)]
    valid_from: datetime
    valid_until: datetime


class SignBody(Struct, frozen=True, kw_only=True):
    """For which of the two parties."""

    department_id: Id


class ActivateBody(Struct, frozen=True, kw_only=True):
    """Until when, and why."""

    until_at: datetime
    reason: Reason


class Agreements(Struct, frozen=True, kw_only=True):
    """Agreements that concern the actor."""

    items: list[Agreement]


class PolicyView(Struct, frozen=True, kw_only=True):
    """A policy in force: `version` 0 is the one shipped."""

    name: str
    version: int
    document: dict[str, Any]


class NewPolicy(Struct, frozen=True, kw_only=True):
    """A whole new version, and why."""

    document: dict[str, Any]
    reason: Reason


async def _found(ask: Ask, action: Action) -> tuple[Thing, Decision]:
    async with ask.store.read() as conn:
        thing = await incident_thing(conn, ask.path["id"])
    if thing is None:
        ask.require(Action.INCIDENT_LIST, HUB)
        raise NotFound
    ask.require(Action.INCIDENT_READ, thing, hidden=True)
    return thing, ask.require(action, thing)


async def shares(ask: Ask) -> Shares:
    """Who shares in an incident, who was told, who has read it."""
    await _found(ask, Action.RECEIPTS_READ)
    zone = ZoneInfo(ask.hub.settings.local_zone)
    async with ask.store.read() as conn:
        rows = await shares_of(conn, ask.path["id"])
        names = {row.id: (row.zh, row.en) for row in await list_departments(conn)}
        receipts = await receipts_of(conn, ask.path["id"])
        policies = await ask.hub.policies.read(conn)
        unread = await unread_departments(conn, ask.path["id"], policies.sharing)
    items = [ShareView(share=row, badge=_badge(row, names, zone)) for row in rows]
    return Shares(items=items, receipts=receipts, unread=unread)


def _badge(row: ShareRow, names: dict[str, tuple[str, str]], zone: ZoneInfo) -> Badge:
    if row.origin is Origin.POLICY:
        return Badge("按共享策略", "by the sharing policy")
    zh, en = names.get(row.by_department_id or "", ("指挥中心", "the command centre"))
    return badge(row, zh, en, zone)


async def share(ask: Ask) -> ShareRow:
    """Share an incident with a department for a stated reason until a stated time; never more than one holds."""
    _, decision = await _found(ask, Action.INCIDENT_SHARE)
    body: NewShare = ask.body
    async with ask.transaction() as tx:
        known = {row.id for row in await list_departments(tx.conn) if row.active}
        if body.department_id not in known:
            raise Rejected("unknown_department", "没有这个部门", "there is no such department", field="department_id")
        view = await incident_of(tx.conn, ask.path["id"])
        return await share_by_hand(tx, view, body.department_id, body.tier, held=decision.tier, reason=body.reason, until_at=body.until_at,
                                   by=ask.who, by_department_id=ask.actor.department_id)


async def unshare(ask: Ask) -> Done:
    """End a share made by hand before its time."""
    await _found(ask, Action.INCIDENT_SHARE)
    async with ask.transaction() as tx:
        ended = await end_shares(tx, by=ask.who, reason=ask.body.reason, share_id=ask.path["share_id"], incident_id=ask.path["id"],
                                 origin=Origin.MANUAL)
        if not ended:
            raise NotFound
    return Done()


async def seen(ask: Ask) -> Done:
    """Note that the actor has opened the incident; the first time counts, for each of the actor's departments that shares in it (or the first)."""
    thing, _ = await _found(ask, Action.INCIDENT_READ)
    sharing = {share.department_id for share in thing.shares if share.holds(ask.now)}
    own = [post.department_id for post in ask.actor.posts if post.department_id is not None]
    async with ask.transaction() as tx:
        for department_id in dict.fromkeys([id for id in own if id in sharing] or own[:1]):
            await see(tx, thing.id, department_id, ask.actor.id, drill=thing.drill)
    return Done()


# ── agreements ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def agreements(ask: Ask) -> Agreements:
    """Agreements in which a department of the actor's takes part."""
    ask.may(Action.AGREEMENT_READ, HUB)  # the rule is asked for both parties, in SQL
    near = reach(ask.actor, Action.AGREEMENT_READ, ask.now)
    async with ask.store.read() as conn:
        return Agreements(items=await list_agreements(conn, None if near.whole else near.departments))


def _party(ask: Ask, row: Agreement, action: Action) -> str | None:
    """The party for which the actor may do this, or None."""
    for id in (row.giver_id, row.taker_id):
        if ask.may(action, Thing(kind=ThingKind.AGREEMENT, id=row.id, department_id=id)).allowed:
            return id
    return None


async def _agreement(ask: Ask, action: Action) -> Agreement:
    async with ask.store.read() as conn:
        row = await get_agreement(conn, ask.path["id"])
    if row is None:
        ask.require(action, Thing(kind=ThingKind.AGREEMENT, id=ask.path["id"]), hidden=True)
        raise NotFound
    if _party(ask, row, action) is None:
        ask.require(action, Thing(kind=ThingKind.AGREEMENT, id=row.id, department_id=row.giver_id), hidden=True)
    return row


async def draft(ask: Ask) -> Agreement:
    """Draft an agreement for one's own department."""
    body: NewAgreement = ask.body
    things = [Thing(kind=ThingKind.AGREEMENT, department_id=id) for id in (body.giver_id, body.taker_id)]
    if not ask.may(Action.AGREEMENT_EDIT, things[0]).allowed:
        ask.require(Action.AGREEMENT_EDIT, things[1])
    async with ask.transaction() as tx:
        known = {row.id for row in await list_departments(tx.conn) if row.active}
        if not {body.giver_id, body.taker_id} <= known:
            raise Rejected("unknown_department", "没有这个部门", "there is no such department", field="giver_id")
        return await draft_agreement(
            tx, giver_id=body.giver_id, taker_id=body.taker_id, event_types=body.event_types, tier=body.tier, text=body.text,
            valid_from=body.valid_from, valid_until=body.valid_until, by=ask.who)


async def sign(ask: Ask) -> Agreement:
    """Sign for one party, by its leader."""
    row = await _agreement(ask, Action.AGREEMENT_READ)
    ask.require(Action.AGREEMENT_SIGN, Thing(kind=ThingKind.AGREEMENT, id=row.id, department_id=ask.body.department_id))
    async with ask.transaction() as tx:
        return await sign_agreement(tx, row.id, ask.body.department_id, by=ask.who)


async def activate(ask: Ask) -> Agreement:
    """Put a signed agreement to work for a time; the giver (or the command centre) does it."""
    row = await _agreement(ask, Action.AGREEMENT_READ)
    ask.require(Action.AGREEMENT_ACTIVATE, Thing(kind=ThingKind.AGREEMENT, id=row.id, department_id=row.giver_id))
    async with ask.transaction() as tx:
        return await activate_agreement(tx, row.id, until_at=ask.body.until_at, reason=ask.body.reason, by=ask.who)


async def deactivate(ask: Ask) -> Agreement:
    """End an activation; what it shared ends with it."""
    row = await _agreement(ask, Action.AGREEMENT_ACTIVATE)
    async with ask.transaction() as tx:
        return await end_agreement(tx, row.id, by=ask.who, reason=ask.body.reason)


# ── policies ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def policy(ask: Ask) -> PolicyView:
    """A policy in force: `roles` or `sharing`."""
    ask.require(Action.SHARING_READ, HUB)
    async with ask.store.read() as conn:
        held = await ask.hub.policies.read(conn)
    if ask.path["name"] == "roles":
        return PolicyView(name="roles", version=held.access_version, document=msgspec.to_builtins(held.access.document))
    if ask.path["name"] == "sharing":
        return PolicyView(name="sharing", version=held.sharing_version, document=msgspec.to_builtins(held.sharing))
    raise NotFound


async def put_policy(ask: Ask) -> PolicyView:
    """Put a new version of a policy in force: the security administrator's act, refused where it does not hold together."""
    ask.require(Action.ADMIN_POLICY, HUB)
    async with ask.transaction() as tx:
        version = await change_policy(tx, ask.path["name"], ask.body.document, by=ask.who, reason=ask.body.reason)
    return PolicyView(name=ask.path["name"], version=version, document=ask.body.document)


ROUTES = [
    Route("GET", "/api/v1/incidents/{id}/shares", shares, Action.RECEIPTS_READ, returns=Shares, zh="共享与已读", en="shares and receipts"),
    Route("POST", "/api/v1/incidents/{id}/shares", share, Action.INCIDENT_SHARE, body=NewShare, returns=ShareRow, zh="共享事件",
          en="share an incident"),
    Route("POST", "/api/v1/incidents/{id}/shares/{share_id}/end", unshare, Action.INCIDENT_SHARE, body=ReasonBody, returns=Done,
          zh="结束共享", en="end a share"),
    Route("POST", "/api/v1/incidents/{id}/seen", seen, Action.INCIDENT_READ, returns=Done, zh="已读", en="note that it was read"),
    Route("GET", "/api/v1/agreements", agreements, Action.AGREEMENT_READ, returns=Agreements, zh="共享协议", en="agreements"),
    Route("POST", "/api/v1/agreements", draft, Action.AGREEMENT_EDIT, body=NewAgreement, returns=Agreement, zh="起草协议",
          en="draft an agreement"),
    Route("POST", "/api/v1/agreements/{id}/sign", sign, Action.AGREEMENT_SIGN, body=SignBody, returns=Agreement, zh="签署协议",
          en="sign an agreement"),
    Route("POST", "/api/v1/agreements/{id}/activate", activate, Action.AGREEMENT_ACTIVATE, body=ActivateBody, returns=Agreement,
          zh="启用协议", en="activate an agreement"),
    Route("POST", "/api/v1/agreements/{id}/deactivate", deactivate, Action.AGREEMENT_ACTIVATE, body=ReasonBody, returns=Agreement,
          zh="停用协议", en="end an activation"),
    Route("GET", "/api/v1/policies/{name}", policy, Action.SHARING_READ, returns=PolicyView, zh="策略", en="a policy"),
    Route("PUT", "/api/v1/policies/{name}", put_policy, Action.ADMIN_POLICY, body=NewPolicy, returns=PolicyView, zh="修改策略",
          en="change a policy"),
]

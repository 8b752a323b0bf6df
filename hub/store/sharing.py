"""Sharing in the store: what the policy gives, shares by hand and by agreement, and the receipts of who was told and who has read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec
from sqlalchemy import func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import parse_utc, utc_text
from hub.domain.access import Tier
from hub.domain.incident import IncidentView
from hub.domain.sharing import (
    Agreement,
    AgreementSaved,
    AgreementState,
    Assignment,
    Origin,
    Receipt,
    ReceiptSeen,
    ReceiptTold,
    ShareAssigned,
    ShareEnded,
    ShareGranted,
    ShareRow,
    SharingDocument,
    SharingFacts,
    agreed_tier,
    agreement_state,
    check_manual_share,
    owes_reading,
    share_out,
)
from hub.errors import Rejected
from hub.ids import new_id
from hub.store.bulk import Rows, fetch, insert_rows
from hub.store.reports import get_incident
from hub.store.schema import change, counter, incident
from hub.store.schema_people import agreement, audience, audience_department, incident_audience, read_receipt, share
from hub.store.writer import Transaction

_KNOWN_AUDIENCES: Final[WeakKeyDictionary[Any, set[str]]] = WeakKeyDictionary()
"""Audiences seen committed, by engine: an audience is never changed or deleted, so this cannot go stale."""
_KNOWN_LIMIT: Final = 10_000


# ── by the policy ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def facts_of(view: IncidentView, *, supervising_department_id: str | None = None) -> SharingFacts:
    """What the policy asks about an incident; the suggested grade stands in until the desk has set one."""
    grade = view.grade or (view.grade_suggested.grade if view.grade_suggested else None)
    return SharingFacts(event_types=view.event_types, grade=grade, adcode=view.place.adcode, drill=view.drill,
                        reporting_department_id=view.department_id, supervising_department_id=supervising_department_id)


async def share_by_policy(
    tx: Transaction, view: IncidentView, policy: SharingDocument, towns: dict[str, str], *, by: str = "system:sharing",
    supervising_department_id: str | None = None,
) -> bool:
    """Bring the shares that the policy gives an incident up to date; False where nothing changed. Shares of other origins are left alone.

    Incidents that share alike point at one stored audience: opening one costs one small row, however many departments share in it.
    """
    assignments = share_out(policy, facts_of(view, supervising_department_id=supervising_department_id), towns)
    id = await _audience(tx, assignments)
    held = await fetch(tx.conn, "SELECT audience_id, enterprise_id FROM incident_audience WHERE incident_id = $1", view.id)
    enterprise_id = view.place.enterprise_id
    if held == [(id, enterprise_id)]:
        return False
    if held:
        await tx.conn.execute(update(incident_audience).where(incident_audience.c.incident_id == view.id).values(
            audience_id=id, enterprise_id=enterprise_id))
        await _record_lost(tx, view, held[0][0], assignments, by)
    else:
        await insert_rows(tx.conn, Rows(incident_audience, [(view.id, view.number, id, enterprise_id, tx.at)]))
    tx.record(ShareAssigned(incident=view, assignments=assignments, unread_after_min=policy.unread_after_min), actor=by,
              subject=f"incident:{view.id}", incident_id=view.id, department_id=view.department_id, drill=view.drill)
    return True


async def _audience(tx: Transaction, assignments: Sequence[Assignment]) -> str:
    encoded = msgspec.json.encode(assignments)
    id = hashlib.sha256(encoded).hexdigest()[:32]
    assert tx.conn.sync_connection is not None
    known = _KNOWN_AUDIENCES.setdefault(tx.conn.sync_connection.engine, set())
    if id in known:
        return id
    if (await tx.conn.execute(select(audience.c.id).where(audience.c.id == id))).first() is None:
        added = await tx.conn.execute(
            text("INSERT INTO audience (id, assignments) VALUES (:id, :rows) ON CONFLICT (id) DO NOTHING"), {"id": id, "rows": encoded.decode()})
        if added.rowcount and assignments:
            await tx.conn.execute(insert(audience_department), [
                {"audience_id": id, "department_id": row.department_id, "rank": row.tier.rank} for row in assignments])
    elif len(known) < _KNOWN_LIMIT:
        tx.after_commit(lambda: known.add(id))  # it may be this very transaction's own row
    return id


async def _record_lost(tx: Transaction, view: IncidentView, before_id: str, now_held: Sequence[Assignment], by: str) -> None:
    held = {row.department_id for row in now_held}
    for row in await _assignments(tx.conn, before_id):
        if row.department_id not in held:
            tx.record(ShareEnded(incident_id=view.id, department_id=row.department_id, origin=Origin.POLICY, reason="policy"), actor=by,
                      subject=f"incident:{view.id}", incident_id=view.id, department_id=row.department_id, drill=view.drill)
            await _end_lent(tx, view.id, {row.department_id}, by)


async def _assignments(conn: AsyncConnection, audience_id: str) -> tuple[Assignment, ...]:
    encoded = (await conn.execute(select(audience.c.assignments).where(audience.c.id == audience_id))).scalar_one()
    return msgspec.json.decode(encoded, type=tuple[Assignment, ...])


async def shares_of(conn: AsyncConnection, incident_id: str, *, ended: bool = False) -> list[ShareRow]:
    """Every share of an incident, the policy's first; with `ended` those that are over too."""
    row = (await conn.execute(select(incident_audience).where(incident_audience.c.incident_id == incident_id))).first()
    found = [] if row is None else [
        ShareRow(id=f"policy:{incident_id}:{a.department_id}", incident_id=incident_id, department_id=a.department_id, tier=a.tier,
                 origin=Origin.POLICY, from_at=parse_utc(row.from_at), rule_id=a.rule_id, by="system:sharing")
        for a in await _assignments(conn, row.audience_id)
    ]
    query = select(share).where(share.c.incident_id == incident_id).order_by(share.c.from_at, share.c.id)
    rows = await conn.execute(query if ended else query.where(share.c.ended_at.is_(None)))
    return [*found, *(_share(row) for row in rows.all())]


def _share(row: Any) -> ShareRow:
    return ShareRow(
        id=row.id, incident_id=row.incident_id, department_id=row.department_id, tier=Tier(row.tier), origin=Origin(row.origin),
        from_at=parse_utc(row.from_at), until_at=parse_utc(row.until_at) if row.until_at else None, reason=row.reason, by=row.by,
        by_department_id=row.by_department_id, ended_at=parse_utc(row.ended_at) if row.ended_at else None, ended_reason=row.ended_reason,
    )


# ── by hand, by agreement, by an activated plan ─────────────────────────────────────────────────────────────────────────────────────


async def grant(
    tx: Transaction, view: IncidentView, department_id: str, tier: Tier, *, origin: Origin, reason: str, by: str,
    until_at: datetime | None = None, origin_id: str | None = None, by_department_id: str | None = None,
) -> ShareRow:
    """Share an incident with a department (an activated plan or an agreement calls this; people go through `share_by_hand`)."""
    row = ShareRow(id=new_id(), incident_id=view.id, department_id=department_id, tier=tier, origin=origin, from_at=tx.now, until_at=until_at,
                   reason=reason, by=by, by_department_id=by_department_id)
    await tx.conn.execute(insert(share).values(
        id=row.id, incident_id=view.id, incident_number=view.number, department_id=department_id, tier=tier, rank=tier.rank, origin=origin,
        origin_id=origin_id, from_at=tx.at, until_at=utc_text(until_at) if until_at else None, reason=reason, by=by,
        by_department_id=by_department_id, ended_at=None, ended_reason=""))
    # the change carries the incident, so it is read at the tier of the share: it does not belong to the department that shares in it
    tx.record(ShareGranted(share=row, incident=view), actor=by, subject=f"incident:{view.id}", incident_id=view.id,
              department_id=view.department_id, drill=view.drill)
    return row


async def share_by_hand(
    tx: Transaction, view: IncidentView, department_id: str, tier: Tier, *, held: Tier | None, reason: str, until_at: datetime | None, by: str,
    by_department_id: str | None = None,
) -> ShareRow:
    """Share an incident for a stated reason until a stated time; `held` is the sharer's own tier (`Decision.tier`).

    Raises `Rejected` without a reason or an expiry, for an expiry in the past or beyond a year, or for more than one holds oneself.
    """
    check_manual_share(tier=tier, held=held, reason=reason, until_at=until_at, now=tx.now)
    row = await grant(tx, view, department_id, tier, origin=Origin.MANUAL, reason=reason, by=by, until_at=until_at,
                      by_department_id=by_department_id)
    await share_by_agreements(tx, view)
    return row


async def end_shares(
    tx: Transaction, *, by: str, reason: str, share_id: str | None = None, origin: Origin | None = None, origin_id: str | None = None,
    incident_id: str | None = None,
) -> int:
    """End the shares named (by id, or by origin and its id, or by incident and origin); gives how many ended. The policy's are not ended so."""
    where: list[Any] = [share.c.ended_at.is_(None)]
    where += [share.c.id == share_id] if share_id is not None else []
    where += [share.c.origin == origin] if origin is not None else []
    where += [share.c.origin_id == origin_id] if origin_id is not None else []
    where += [share.c.incident_id == incident_id] if incident_id is not None else []
    if len(where) == 1:
        raise ValueError("name the shares that are to end")
    return await _end_where(tx, where, by, reason)


async def any_expired(conn: AsyncConnection, now: datetime) -> bool:
    """Is there a share whose time is over and which nobody has closed yet?"""
    where = (share.c.ended_at.is_(None), share.c.until_at.is_not(None), share.c.until_at <= utc_text(now))
    return (await conn.execute(select(share.c.id).where(*where).limit(1))).first() is not None


async def expire_shares(tx: Transaction, *, by: str = "system:sharing") -> int:
    """Close the shares whose time is over, so that consoles hear of it; `may` and the lists have refused them since that moment anyway."""
    return await _end_where(tx, [share.c.ended_at.is_(None), share.c.until_at.is_not(None), share.c.until_at <= tx.at], by, "expired")


async def _end_where(tx: Transaction, where: list[Any], by: str, reason: str) -> int:
    rows = (await tx.conn.execute(select(share, incident.c.drill).join(incident, incident.c.id == share.c.incident_id).where(*where))).all()
    if rows:
        await tx.conn.execute(update(share).where(share.c.id.in_([row.id for row in rows]), share.c.ended_at.is_(None)).values(
            ended_at=tx.at, ended_reason=reason))
    for row in rows:
        tx.record(ShareEnded(incident_id=row.incident_id, department_id=row.department_id, origin=Origin(row.origin), reason=reason,
                             share_id=row.id),
                  actor=by, subject=f"incident:{row.incident_id}", incident_id=row.incident_id, department_id=row.department_id,
                  drill=bool(row.drill))
    for incident_id in dict.fromkeys(row.incident_id for row in rows):
        await _end_lent(tx, incident_id, {row.department_id for row in rows if row.incident_id == incident_id}, by)
    return len(rows)


async def _end_lent(tx: Transaction, incident_id: str, departments: set[str], by: str) -> None:
    """What these departments let others share in by agreement ends where they share in the incident no more themselves."""
    for giver_id in departments - {row.department_id for row in await shares_of(tx.conn, incident_id)}:
        await _end_where(tx, [share.c.ended_at.is_(None), share.c.incident_id == incident_id, share.c.origin == Origin.AGREEMENT,
                              share.c.by_department_id == giver_id], by, "giver")


# ── agreements ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def get_agreement(conn: AsyncConnection, id: str) -> Agreement | None:
    """One agreement, or None."""
    view = (await conn.execute(select(agreement.c.view).where(agreement.c.id == id))).scalar()
    return msgspec.json.decode(view, type=Agreement) if view is not None else None


async def list_agreements(conn: AsyncConnection, departments: Iterable[str] | None = None) -> list[Agreement]:
    """Agreements in which one of the departments takes part (None: all), newest first."""
    query = select(agreement.c.view).order_by(agreement.c.id.desc())
    if departments is not None:
        named = sorted(departments)
        query = query.where(or_(agreement.c.giver_id.in_(named), agreement.c.taker_id.in_(named)))
    return [msgspec.json.decode(view, type=Agreement) for view in (await conn.execute(query)).scalars()]


async def _put_agreement(tx: Transaction, row: Agreement, act: str, by: str, reason: str = "") -> Agreement:
    columns = {
        "giver_id": row.giver_id, "taker_id": row.taker_id, "valid_until": utc_text(row.valid_until),
        "active_until": utc_text(row.active_until) if row.active_until else None,
        "ended_at": utc_text(row.ended_at) if row.ended_at else None, "view": msgspec.json.encode(row).decode(),
    }
    done = await tx.conn.execute(update(agreement).where(agreement.c.id == row.id).values(version=agreement.c.version + 1, **columns))
    if not done.rowcount:
        await tx.conn.execute(insert(agreement).values(id=row.id, version=1, **columns))
    for department_id in (row.giver_id, row.taker_id):
        tx.record(AgreementSaved(agreement=row, act=act, reason=reason), actor=by, subject=f"agreement:{row.id}", department_id=department_id)
    return row


async def draft_agreement(
    tx: Transaction, *, giver_id: str, taker_id: str, event_types: tuple[str, ...], tier: Tier, text: str, valid_from: datetime,
    valid_until: datetime, by: str,
) -> Agreement:
    """Draft a standing agreement between two departments; it shares nothing until both have signed and somebody activates it."""
    if giver_id == taker_id:
        raise Rejected("same_party", "协议双方不能是同一部门", "the two parties must differ", field="taker_id")
    if not valid_from < valid_until or valid_until <= tx.now:
        raise Rejected("validity_invalid", "协议有效期有误", "the validity is wrong", field="valid_until")
    row = Agreement(id=new_id(), giver_id=giver_id, taker_id=taker_id, event_types=event_types, tier=tier, text=text, valid_from=valid_from,
                    valid_until=valid_until)
    return await _put_agreement(tx, row, "drafted", by)


async def _agreement_in(tx: Transaction, id: str, *states: AgreementState) -> Agreement:
    row = await get_agreement(tx.conn, id)
    if row is None:
        raise Rejected("unknown_agreement", "没有这份协议", "there is no such agreement")
    if agreement_state(row, tx.now) not in states:
        raise Rejected("wrong_state", "协议当前状态不允许此操作", "the agreement's state does not allow this")
    return row


async def sign_agreement(tx: Transaction, id: str, department_id: str, *, by: str) -> Agreement:
    """One party signs, by its leader. Signing twice changes nothing."""
    row = await _agreement_in(tx, id, AgreementState.DRAFT, AgreementState.SIGNED, AgreementState.ACTIVE)
    if department_id == row.giver_id and row.giver_signed_at is None:
        return await _put_agreement(tx, msgspec.structs.replace(row, giver_signed_at=tx.now), "signed", by)
    if department_id == row.taker_id and row.taker_signed_at is None:
        return await _put_agreement(tx, msgspec.structs.replace(row, taker_signed_at=tx.now), "signed", by)
    if department_id not in (row.giver_id, row.taker_id):
        raise Rejected("not_a_party", "该部门不是协议一方", "this department is no party to it", field="department_id")
    return row


async def activate_agreement(tx: Transaction, id: str, *, until_at: datetime, reason: str, by: str) -> Agreement:
    """Put a signed agreement to work until `until_at`: open incidents it covers are shared now, later ones as they open."""
    row = await _agreement_in(tx, id, AgreementState.SIGNED)
    if not reason.strip():
        raise Rejected("reason_needed", "请填写启用理由", "state why it is activated", field="reason")
    if tx.now < row.valid_from or not tx.now < until_at <= row.valid_until:
        raise Rejected("expiry_invalid", "启用期限须在协议有效期内", "the end must lie within the agreement's validity", field="until_at")
    active = msgspec.structs.replace(row, active_from=tx.now, active_until=until_at, active_reason=reason)
    await _put_agreement(tx, active, "activated", by, reason)
    views = (await tx.conn.execute(select(incident.c.view).where(incident.c.state.in_(("unverified", "verified"))))).scalars()
    for view in [msgspec.json.decode(view, type=IncidentView) for view in views]:
        await _share_by(tx, active, view)
    return active


async def end_agreement(tx: Transaction, id: str, *, by: str, reason: str, whole: bool = False) -> Agreement:
    """End an activation (or, with `whole`, the agreement itself); what it shared ends with it."""
    row = await _agreement_in(tx, id, AgreementState.DRAFT, AgreementState.SIGNED, AgreementState.ACTIVE)
    ended = msgspec.structs.replace(row, active_from=None, active_until=None, active_reason="", ended_at=tx.now if whole else None)
    await end_shares(tx, by=by, reason=reason, origin=Origin.AGREEMENT, origin_id=id)
    return await _put_agreement(tx, ended, "ended" if whole else "deactivated", by, reason)


async def share_by_agreements(tx: Transaction, view: IncidentView) -> int:
    """Share an incident under every active agreement that covers it and has not shared it yet; gives how many did."""
    rows = await fetch(tx.conn, "SELECT view FROM agreement WHERE ended_at IS NULL AND active_until > $1", tx.at)
    return sum([await _share_by(tx, msgspec.json.decode(row, type=Agreement), view) for row, in rows])


async def _share_by(tx: Transaction, row: Agreement, view: IncidentView) -> int:
    """Never more than the giver holds now, and never longer."""
    held = [s for s in await shares_of(tx.conn, view.id) if s.department_id == row.giver_id and (s.until_at is None or tx.now < s.until_at)]
    best = max((s.tier for s in held), key=lambda tier: tier.rank, default=None)
    tier = agreed_tier(row, view.event_types, best, tx.now)
    already = (await tx.conn.execute(select(share.c.id).where(
        share.c.incident_id == view.id, share.c.origin == Origin.AGREEMENT, share.c.origin_id == row.id, share.c.ended_at.is_(None)))).first()
    if tier is None or already is not None or row.active_until is None:
        return 0
    ends = [s.until_at or row.active_until for s in held if s.tier.rank >= tier.rank]
    await grant(tx, view, row.taker_id, tier, origin=Origin.AGREEMENT, origin_id=row.id, reason=row.active_reason, by="system:sharing",
                until_at=min(row.active_until, max(ends)), by_department_id=row.giver_id)
    return 1


# ── receipts ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def tell(tx: Transaction, incident_id: str, told: Iterable[tuple[str, str | None]], *, by: str, notice: str, drill: bool = False) -> None:
    """Note that departments (and persons, where known) were told of an incident by `notice`; the first telling counts."""
    new: list[Receipt] = []
    for department_id, person_id in told:
        row = await _receipt(tx.conn, incident_id, department_id, person_id)
        if row is None:
            await tx.conn.execute(insert(read_receipt).values(
                incident_id=incident_id, department_id=department_id, person_id=person_id or "", told_at=tx.at, told_by=notice))
        elif row.told_at is None:
            await tx.conn.execute(update(read_receipt).where(*_key(incident_id, department_id, person_id)).values(told_at=tx.at, told_by=notice))
        else:
            continue
        new.append(Receipt(incident_id=incident_id, department_id=department_id, person_id=person_id, told_at=tx.at, told_by=notice,
                           seen_at=row.seen_at if row else None))
    if new:
        tx.record(ReceiptTold(receipts=tuple(new)), actor=by, subject=f"incident:{incident_id}", incident_id=incident_id, drill=drill)


async def see(tx: Transaction, incident_id: str, department_id: str, person_id: str, *, drill: bool = False) -> bool:
    """Note that a person has opened an incident for their department; False where they had before. The first reading is a change."""
    row = await _receipt(tx.conn, incident_id, department_id, person_id)
    if row is not None and row.seen_at is not None:
        return False
    if row is None:
        await tx.conn.execute(insert(read_receipt).values(
            incident_id=incident_id, department_id=department_id, person_id=person_id, seen_at=tx.at))
    else:
        await tx.conn.execute(update(read_receipt).where(*_key(incident_id, department_id, person_id)).values(seen_at=tx.at))
    seen = Receipt(incident_id=incident_id, department_id=department_id, person_id=person_id, told_at=row.told_at if row else None,
                   told_by=row.told_by if row else None, seen_at=tx.at)
    tx.record(ReceiptSeen(receipt=seen), actor=f"person:{person_id}", subject=f"incident:{incident_id}", incident_id=incident_id,
              department_id=department_id, drill=drill)
    return True


def _key(incident_id: str, department_id: str, person_id: str | None) -> tuple[Any, ...]:
    return (read_receipt.c.incident_id == incident_id, read_receipt.c.department_id == department_id,
            read_receipt.c.person_id == (person_id or ""))


async def _receipt(conn: AsyncConnection, incident_id: str, department_id: str, person_id: str | None) -> Any:
    return (await conn.execute(select(read_receipt).where(*_key(incident_id, department_id, person_id)))).first()


async def receipts_of(conn: AsyncConnection, incident_id: str) -> list[Receipt]:
    """Who was told and who has read, by department."""
    rows = await conn.execute(select(read_receipt).where(read_receipt.c.incident_id == incident_id).order_by(
        read_receipt.c.department_id, read_receipt.c.person_id))
    return [Receipt(incident_id=row.incident_id, department_id=row.department_id, person_id=row.person_id or None, told_at=row.told_at,
                    told_by=row.told_by, seen_at=row.seen_at) for row in rows.all()]


async def readers_of(conn: AsyncConnection, incident_id: str) -> list[tuple[str, str]]:
    """The departments in which somebody has opened an incident, each with the first time, earliest first."""
    first = func.min(read_receipt.c.seen_at)
    rows = await conn.execute(select(read_receipt.c.department_id, first).where(
        read_receipt.c.incident_id == incident_id, read_receipt.c.seen_at.is_not(None)).group_by(read_receipt.c.department_id).order_by(first))
    return [(department_id, at) for department_id, at in rows.all()]


async def unread_departments(conn: AsyncConnection, incident_id: str, policy: SharingDocument) -> list[str]:
    """The departments that must have opened an incident (lead or assist, not exempt) and in which nobody has yet."""
    reporter = (await conn.execute(select(incident.c.department_id).where(incident.c.id == incident_id))).scalar()
    needed = {row.department_id for row in await shares_of(conn, incident_id) if owes_reading(policy, row.department_id, row.tier, reporter)}
    return sorted(needed - {department_id for department_id, _ in await readers_of(conn, incident_id)})


async def shared_before(conn: AsyncConnection, cursor: int, latest_at: datetime, *, limit: int = 200) -> list[tuple[int, str, bool]]:
    """(seq, incident, drill) of the sharings after `cursor` that happened at `latest_at` or before, oldest first."""
    rows = await conn.execute(select(change.c.seq, change.c.incident_id, change.c.drill).where(
        change.c.kind.in_(("share.assigned", "share.granted")), change.c.seq > cursor, change.c.at <= utc_text(latest_at),
        change.c.incident_id.is_not(None)).order_by(change.c.seq).limit(limit))
    return [(row.seq, row.incident_id, bool(row.drill)) for row in rows.all()]


async def unread_cursor(conn: AsyncConnection) -> int:
    """Up to which change sharings have been looked over for unread incidents."""
    return int((await conn.execute(select(counter.c.value).where(counter.c.name == "unread"))).scalar() or 0)


async def move_unread_cursor(tx: Transaction, to: int) -> None:
    """Move it."""
    await tx.conn.execute(
        text("INSERT INTO counter (name, value) VALUES ('unread', :seq) ON CONFLICT (name) DO UPDATE SET value = :seq"), {"seq": to})


async def incident_of(conn: AsyncConnection, incident_id: str) -> IncidentView:
    """The incident, or `Rejected` where there is none."""
    view = await get_incident(conn, incident_id)
    if view is None:
        raise Rejected("unknown_incident", "没有这个事件", "there is no such incident", field="incident_id")
    return view

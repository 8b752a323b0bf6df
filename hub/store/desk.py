"""What the desk does to incidents: take, verify, close, merge, grade, note. Each act is one compare-and-set and one change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.incident import (
    OPEN_STATES,
    Act,
    IncidentAcknowledged,
    IncidentGraded,
    IncidentNoted,
    IncidentStateChanged,
    IncidentView,
    MergeDecided,
    MergeProposal,
    MergeProposed,
    MergeReason,
    acknowledge,
    set_grade,
    transition,
)
from hub.errors import Rejected, Unavailable
from hub.ids import new_id
from hub.store.activations import end_with_incident
from hub.store.bulk import Rows, fetch
from hub.store.reports import get_incident, update_incident
from hub.store.schema import merge_proposal
from hub.store.writer import Transaction


async def _now(tx: Transaction, id: str) -> IncidentView:
    found = await get_incident(tx.conn, id)
    if found is None:
        raise Rejected("unknown_incident", "没有此事件", "no such incident", field="incident_id")
    return found


async def _set(tx: Transaction, before: IncidentView, after: IncidentView) -> None:
    if not await update_incident(tx, before, after):
        raise Unavailable("busy", "事件刚被他人更新，请重试", "the incident was changed this moment; try again", retry_after_s=1)


async def take(tx: Transaction, id: str, *, by: str, name: str) -> IncidentView:
    """Take an incident for the desk; taking it twice changes nothing. `by` is the actor, `name` what the screens show."""
    before = await _now(tx, id)
    after = acknowledge(before, name or by, tx.now)
    if after is None:
        return before
    await _set(tx, before, after)
    tx.record(IncidentAcknowledged(incident=after), actor=by, subject=f"incident:{id}", incident_id=id, drill=after.drill)
    return after


async def act_on(
    tx: Transaction, id: str, act: Act, *, by: str, name: str | None = None, reason: str | None = None, into: str | None = None,
) -> IncidentView:
    """Verify, dismiss, close, reopen or merge; a response ends with its incident. Raises Rejected `wrong_state`, `reason_needed`, `unknown_incident`,
    and `termination_needs_reason` where the conditions of a response that is to end do not hold.
    """
    before = await _now(tx, id)
    if act in (Act.FALSE_ALARM, Act.REOPEN) and not (reason and reason.strip()):
        raise Rejected("reason_needed", "请说明理由", "state a reason", field="reason")
    if act is Act.MERGE:
        await _check_merge(tx, before, into)
    after = transition(before, act, tx.now, by=name or by, merged_into=into if act is Act.MERGE else None)
    await end_with_incident(tx, before, act, by=by, reason=reason, into=into)
    await _set(tx, before, after)
    tx.record(IncidentStateChanged(incident=after, act=act, before=before.state, reason=reason), actor=by, subject=f"incident:{id}",
              incident_id=id, drill=after.drill)
    if act is Act.MERGE and into is not None:
        await note(tx, into, f"{after.no}“{after.title}”已并入本事件 / {after.no} “{after.title}” was merged into this incident", by=by)
        await decide_proposals(tx, id, into, "merged", by=by)
    return after


async def _check_merge(tx: Transaction, incident: IncidentView, into: str | None) -> None:
    if not into or into == incident.id:
        raise Rejected("wrong_target", "请选择要并入的另一事件", "choose another incident to merge into", field="into")
    target = await _now(tx, into)
    if target.state not in OPEN_STATES:
        raise Rejected("wrong_target", "只能并入未结束的事件，请先重新打开", "only an open incident can take another: reopen it first", field="into")
    if target.drill != incident.drill:
        raise Rejected("wrong_target", "演练与真实事件不能合并", "a drill and a real incident cannot be merged", field="into")


async def grade(tx: Transaction, id: str, grade: str | None, *, by: str, reason: str | None) -> IncidentView:
    """Set the grade that the desk decided."""
    before = await _now(tx, id)
    after = set_grade(before, grade, tx.now)
    await _set(tx, before, after)
    tx.record(IncidentGraded(incident=after, before=before.grade, reason=reason), actor=by, subject=f"incident:{id}", incident_id=id,
              drill=after.drill)
    return after


async def note(tx: Transaction, id: str, text: str, *, by: str) -> IncidentView:
    """Write a note into the timeline."""
    incident = await _now(tx, id)
    tx.record(IncidentNoted(text=text), actor=by, subject=f"incident:{id}", incident_id=id, drill=incident.drill)
    return incident


def _proposal(row: Any) -> MergeProposal:
    return MergeProposal(id=row.id, incident_id=row.incident_id, other_id=row.other_id, score=row.score, proposed_at=row.proposed_at,
                         reasons=msgspec.json.decode(row.reasons, type=tuple[MergeReason, ...]), decided=row.decided)


class Alike(NamedTuple):
    """An incident that may be the same event, how likely, and why."""

    score: float
    reasons: tuple[MergeReason, ...]
    other: IncidentView


async def propose(tx: Transaction, incident: IncidentView, found: Sequence[Alike]) -> None:
    """Propose to merge `incident` into each of the others; once for each pair."""
    if not found:
        return
    there = {other for other, in await fetch(tx.conn, "SELECT other_id FROM merge_proposal WHERE incident_id = $1", incident.id)}
    proposals = [MergeProposal(id=new_id(), incident_id=incident.id, other_id=alike.other.id, score=alike.score, reasons=alike.reasons,
                               proposed_at=tx.at) for alike in found if alike.other.id not in there]
    await tx.insert(Rows(merge_proposal, [
        (p.id, p.incident_id, p.other_id, p.score, msgspec.json.encode(p.reasons).decode(), p.proposed_at, None) for p in proposals]))
    for proposal in proposals:
        tx.record(MergeProposed(proposal=proposal), actor="system:merging", subject=f"incident:{incident.id}", incident_id=incident.id,
                  drill=incident.drill)


async def proposals_of(conn: AsyncConnection, incident_id: str) -> list[MergeProposal]:
    """The proposals that name an incident, on either side, best first."""
    rows = await conn.execute(
        select(merge_proposal).where(or_(merge_proposal.c.incident_id == incident_id, merge_proposal.c.other_id == incident_id))
        .order_by(merge_proposal.c.score.desc()))
    return [_proposal(row) for row in rows.all()]


async def decide_proposals(tx: Transaction, incident_id: str, other_id: str, decided: str, *, by: str) -> None:
    """Mark the open proposals of a pair `merged` or `dismissed`."""
    pair = or_((merge_proposal.c.incident_id == incident_id) & (merge_proposal.c.other_id == other_id),
               (merge_proposal.c.incident_id == other_id) & (merge_proposal.c.other_id == incident_id))
    rows = (await tx.conn.execute(select(merge_proposal).where(pair, merge_proposal.c.decided.is_(None)))).all()
    for row in rows:
        await tx.conn.execute(update(merge_proposal).where(merge_proposal.c.id == row.id).values(decided=decided))
        proposal = msgspec.structs.replace(_proposal(row), decided=decided)
        tx.record(MergeDecided(proposal=proposal), actor=by, subject=f"incident:{incident_id}", incident_id=incident_id)

"""Plans in the store: versions and their life, the library in force, what matched an incident, and what people stated of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.activation import (
    FactStated,
    MatchView,
    Nearby,
    PlanHead,
    PlanSaved,
    PlansMatched,
    PlanStatusChanged,
    PlanStep,
    Surroundings,
    check_approver,
    check_fact,
    check_step,
    check_validity,
    facts_of,
)
from hub.domain.incident import OPEN_STATES, IncidentView
from hub.errors import Rejected, changed_meanwhile
from hub.store.rows import insert_many
from hub.store.schema import incident as incident_table
from hub.store.schema import setting
from hub.store.schema_plan import plan_match, plan_step, plan_version, stated_fact
from hub.store.writer import Store, Transaction
from plans.compare import arriving, with_status
from plans.facts import IncidentFacts
from plans.model import Plan, PlanStatus, in_force

# ── versions ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _head(plan: Plan, document: bytes, tx: Transaction, by: str, reason: str, held: PlanHead | None = None) -> PlanHead:
    """The head of a version; `held` is the one before where only its status changes."""
    reviewed, approved = plan.status is PlanStatus.REVIEWED, plan.status is PlanStatus.IN_FORCE
    return PlanHead(
        id=plan.id, version=plan.version, status=plan.status, kind=plan.kind, title=plan.title, source=plan.source,
        valid_from=plan.valid_from.isoformat(), valid_until=plan.valid_until.isoformat() if plan.valid_until else None, tasks=len(plan.tasks),
        sha256=hashlib.sha256(document).hexdigest(), changed_at=tx.at, changed_by=by, reason=reason, saved_by=held.saved_by if held else by,
        reviewed_by=by if reviewed else held.reviewed_by if held and plan.status is not PlanStatus.DRAFT else None,
        approved_by=by if approved else held.approved_by if held else None)


async def _note_step(tx: Transaction, head: PlanHead, what: str) -> None:
    n = (await tx.conn.execute(select(func.count()).select_from(plan_step).where(plan_step.c.id == head.id))).scalar_one()
    step = PlanStep(version=head.version, what=what, at=tx.at, by=head.changed_by, reason=head.reason, sha256=head.sha256)
    await tx.conn.execute(insert(plan_step).values(id=head.id, n=n + 1, view=msgspec.json.encode(step).decode()))


async def history_of(conn: AsyncConnection, id: str, *, limit: int = 200) -> list[PlanStep]:
    """The last steps in the life of a plan's versions, the newest first."""
    query = select(plan_step.c.view).where(plan_step.c.id == id).order_by(plan_step.c.n.desc()).limit(limit)
    return [msgspec.json.decode(text, type=PlanStep) for text in (await conn.execute(query)).scalars()]


async def _writers(conn: AsyncConnection, id: str, version: int) -> set[str]:
    """Everybody who saved a version, whoever was the last."""
    steps = [msgspec.json.decode(text, type=PlanStep) for text in (await conn.execute(select(plan_step.c.view).where(plan_step.c.id == id))).scalars()]
    return {step.by for step in steps if step.version == version and step.what == "saved"}


async def save_plan(tx: Transaction, plan: Plan, *, by: str, reason: str = "", expects: str | None = None) -> PlanHead:
    """Store a version of a plan. A draft may be saved over; any other version is fixed: raises Rejected `version_exists`.

    `expects` is the SHA-256 of the draft that the writer began from, None where the version is new to him: raises Rejected `changed_meanwhile`
    where it is another one now, and `draft_exists` where there is one, so that nobody's draft is written over unseen.
    """
    held = await get_plan(tx.conn, plan.id, plan.version)
    if held is not None and held != plan and held.status is PlanStatus.DRAFT:
        if expects is None:
            raise Rejected("draft_exists", f"预案 {plan.id} 第 {plan.version} 版已有草案，内容不同；请比较后再覆盖，或改用新版本号",
                           f"there is another draft of version {plan.version} of {plan.id}; compare before saving over it, or use a new version", field="version")
        if hashlib.sha256(msgspec.json.encode(held)).hexdigest() != expects:
            raise Rejected("changed_meanwhile", "该草案已被他人修改，请比较后再保存", "somebody saved this draft meanwhile; compare, then save again", field="version")
    document = msgspec.json.encode(plan)
    head = _head(plan, document, tx, by, reason)
    if held is None:
        await tx.conn.execute(insert(plan_version).values(id=plan.id, version=plan.version, **_columns(head, document)))
    elif held == plan:
        found = await get_head(tx.conn, plan.id, plan.version)
        assert found is not None
        return found
    elif held.status is not PlanStatus.DRAFT:
        raise Rejected("version_exists", f"预案 {plan.id} 第 {plan.version} 版已定稿，请用新版本号",
                       f"version {plan.version} of {plan.id} is no draft any more; use a new version", field="version")
    else:
        await tx.conn.execute(update(plan_version).where(plan_version.c.id == plan.id, plan_version.c.version == plan.version)
                              .values(**_columns(head, document)))
    await _note_step(tx, head, "saved")
    tx.record(PlanSaved(plan=head), actor=by, subject=f"plan:{plan.id}")
    return head


def _columns(head: PlanHead, document: bytes) -> dict[str, Any]:
    return {"status": head.status.value, "head": msgspec.json.encode(head).decode(), "document": document.decode()}


async def step_plan(tx: Transaction, id: str, version: int, to: PlanStatus, *, by: str, on: date, reason: str = "") -> PlanHead:
    """Take a version one step of its life on a day; what comes in force supersedes the version that was. Raises Rejected, or KeyError for none."""
    held = await get_plan(tx.conn, id, version)
    if held is None:
        raise KeyError(id)
    if held.status is to:
        found = await get_head(tx.conn, id, version)
        assert found is not None
        return found
    check_step(held.status, to)
    if to is PlanStatus.IN_FORCE:
        check_approver(await _writers(tx.conn, id, version), by)
        standing = [one for one in await list_heads(tx.conn, id=id) if one.status is PlanStatus.IN_FORCE]
        check_validity(held.valid_from, held.valid_until, on, stands=bool(standing))
        for other in standing:
            await _set_status(tx, id, other.version, PlanStatus.SUPERSEDED, by, f"由第 {version} 版替代 / superseded by version {version}")
    return await _set_status(tx, id, version, to, by, reason)


async def _set_status(tx: Transaction, id: str, version: int, to: PlanStatus, by: str, reason: str) -> PlanHead:
    held = await get_plan(tx.conn, id, version)
    assert held is not None
    plan = with_status(held, to)
    document = msgspec.json.encode(plan)
    head = _head(plan, document, tx, by, reason, await get_head(tx.conn, id, version))
    done = await tx.conn.execute(update(plan_version).where(
        plan_version.c.id == id, plan_version.c.version == version, plan_version.c.status == held.status.value).values(**_columns(head, document)))
    if done.rowcount != 1:
        raise changed_meanwhile()
    await _note_step(tx, head, to.value)
    tx.record(PlanStatusChanged(plan=head, before=held.status), actor=by, subject=f"plan:{id}")
    return head


async def get_plan(conn: AsyncConnection, id: str, version: int | None = None) -> Plan | None:
    """A version of a plan (None: the one in force, else the newest), or None."""
    query = select(plan_version.c.document).where(plan_version.c.id == id)
    if version is None:
        query = query.order_by((plan_version.c.status == "in_force").desc(), plan_version.c.version.desc()).limit(1)
    else:
        query = query.where(plan_version.c.version == version)
    text = (await conn.execute(query)).scalar()
    return msgspec.json.decode(text, type=Plan) if text is not None else None


async def get_head(conn: AsyncConnection, id: str, version: int) -> PlanHead | None:
    """A version's head, or None."""
    text = (await conn.execute(select(plan_version.c.head).where(plan_version.c.id == id, plan_version.c.version == version))).scalar()
    return msgspec.json.decode(text, type=PlanHead) if text is not None else None


async def list_heads(conn: AsyncConnection, *, id: str | None = None) -> list[PlanHead]:
    """Every version, by plan and version."""
    query = select(plan_version.c.head).order_by(plan_version.c.id, plan_version.c.version)
    if id is not None:
        query = query.where(plan_version.c.id == id)
    return [msgspec.json.decode(text, type=PlanHead) for text in (await conn.execute(query)).scalars()]


async def plans_in_force(conn: AsyncConnection, on: date) -> tuple[Plan, ...]:
    """The plans in force on a day."""
    rows = (await conn.execute(select(plan_version.c.document).where(plan_version.c.status == "in_force").order_by(plan_version.c.id))).scalars()
    return tuple(plan for text in rows if in_force(plan := msgspec.json.decode(text, type=Plan), on))


FIRST, LATER = "system:catalogue", "system:edition"
"""Who stored a shipped plan: the first start, or a later edition of the product."""
_EDITION = "plans.edition"


async def import_catalogue(store: Store, folder: Path | None = None) -> int:
    """Take up what the shipped plans (those of `folder`) have and the store never held; gives how many versions were stored.

    An edition is looked at once: reading it takes half a second, in a thread of its own. Raises PlanRejected for a folder that is broken.
    """
    from plans.load import CATALOGUE, edition_of, load_folder

    edition = await asyncio.to_thread(edition_of, folder or CATALOGUE)
    async with store.read() as conn:
        if (await conn.execute(select(setting.c.value).where(setting.c.name == _EDITION))).scalar() == edition:
            return 0
    shipped = await asyncio.to_thread(load_folder, folder or CATALOGUE)
    async with store.transaction() as tx:
        await tx.alone(_EDITION)
        rows = (await tx.conn.execute(select(plan_version.c.document))).scalars()
        held = [msgspec.json.decode(text, type=Plan) for text in rows]
        coming = arriving(shipped, held)
        by, reason = (LATER, "随新版产品提供 / came with a new edition") if held else (FIRST, "随产品提供 / shipped with the product")
        for plan in coming:
            await save_plan(tx, plan, by=by, reason=reason)
        await tx.conn.execute(delete(setting).where(setting.c.name == _EDITION))
        await tx.conn.execute(insert(setting).values(name=_EDITION, value=edition, updated_at=tx.at, updated_by=by))
    return len(coming)


# ── what is known of an incident ────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def _surroundings(drill: bool) -> Surroundings:
    from plans.hazmat import receptors, tables

    towns = tuple((r["code"], r["name_zh"], float(r["lon"]) if r["lon"] else None, float(r["lat"]) if r["lon"] else None)
                  for r in tables.rows("towns"))
    nearby = tuple(Nearby(r.kind.value, r.point.lon, r.point.lat) for r in receptors.known(include_demo=drill) if r.point is not None)
    return Surroundings(towns, nearby)


def facts_from(view: IncidentView, zone: ZoneInfo, stated: Mapping[str, Any]) -> IncidentFacts:
    """The facts of an incident with what the packaged tables add. Invented receptors count in drills alone."""
    from plans.hazmat.lookup import Goods

    return facts_of(view, zone=zone, around=_surroundings(view.drill), tables=Goods(), stated=stated)


async def stated_facts(conn: AsyncConnection, incident_id: str) -> dict[str, Any]:
    """What people answered about an incident, by field."""
    rows = await conn.execute(select(stated_fact.c.field, stated_fact.c.value).where(stated_fact.c.incident_id == incident_id))
    return {row.field: msgspec.json.decode(row.value) for row in rows}


async def stated_facts_of(conn: AsyncConnection, incident_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What people answered about each of these incidents, by incident and field, in one query; nothing for one of which nobody said anything."""
    found: dict[str, dict[str, Any]] = {}
    for row in await conn.execute(select(stated_fact.c.incident_id, stated_fact.c.field, stated_fact.c.value).where(stated_fact.c.incident_id.in_(incident_ids))):
        found.setdefault(row.incident_id, {})[row.field] = msgspec.json.decode(row.value)
    return found


def checked_answer(field: str, value: Any) -> Any:
    """An answer to a question as it is kept; looks through the tables of goods (up to a tenth of a second), so before a transaction and not within.

    A substance may be named by its UN number, its plate or its name. Raises Rejected `unknown_fact`, `bad_fact`, and as `lookup.number_of` does for
    what is no single substance (a person can look at the plate again).
    """
    value = check_fact(field, value)
    if field == "hazmat.un" and value is not None:
        from plans.hazmat import lookup

        return lookup.number_of(value, field="value")
    return value


async def state_fact(tx: Transaction, incident: IncidentView, field: str, value: Any, *, by: str) -> bool:
    """Keep an answer that `checked_answer` gave (None takes it back); False where it was known already."""
    held = await stated_facts(tx.conn, incident.id)
    if held.get(field) == value:
        return False
    await tx.conn.execute(delete(stated_fact).where(stated_fact.c.incident_id == incident.id, stated_fact.c.field == field))
    if value is not None:
        await tx.conn.execute(insert(stated_fact).values(
            incident_id=incident.id, field=field, value=msgspec.json.encode(value).decode(), stated_by=by, stated_at=tx.at))
    tx.record(FactStated(field=field, value=value), actor=by, subject=f"incident:{incident.id}", incident_id=incident.id, drill=incident.drill)
    return True


# ── what matched ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def get_match(conn: AsyncConnection, incident_id: str) -> tuple[MatchView, IncidentFacts] | None:
    """The last matching of an incident and the facts it rests on, or None."""
    row = (await conn.execute(select(plan_match.c.view, plan_match.c.facts).where(plan_match.c.incident_id == incident_id))).first()
    if row is None:
        return None
    return msgspec.json.decode(row.view, type=MatchView), msgspec.json.decode(row.facts, type=IncidentFacts)


async def list_matches(conn: AsyncConnection, where: ColumnElement[bool], *, limit: int) -> list[MatchView]:
    """The last matchings of open incidents that meet `where` (a condition on `incident`), the newest incidents first."""
    query = (select(plan_match.c.view).join(incident_table, incident_table.c.id == plan_match.c.incident_id)
             .where(incident_table.c.state.in_([str(s) for s in OPEN_STATES]), where).order_by(incident_table.c.number.desc()).limit(limit))
    return [msgspec.json.decode(text, type=MatchView) for text in (await conn.execute(query)).scalars()]


def facts_text(facts: IncidentFacts) -> tuple[str, str]:
    """The facts as JSON and its SHA-256, by which a matching knows that nothing changed."""
    text = msgspec.json.encode(facts)
    return text.decode(), hashlib.sha256(text).hexdigest()


async def matched_among(conn: AsyncConnection, incident_ids: Sequence[str]) -> set[str]:
    """Those of the incidents that were matched before."""
    return set((await conn.execute(select(plan_match.c.incident_id).where(plan_match.c.incident_id.in_(set(incident_ids))))).scalars())


async def put_match(tx: Transaction, view: MatchView, facts: tuple[str, str], *, fresh: bool, department_id: str | None, drill: bool) -> None:
    """Store a matching and record it."""
    encoded = msgspec.json.encode(view)
    text, sha256 = facts
    row = {"incident_id": view.incident_id, "facts_sha256": sha256, "facts": text, "view": encoded.decode()}
    if fresh:
        await insert_many(tx, plan_match, [row], or_leave="incident_id")
    else:
        await tx.conn.execute(update(plan_match).where(plan_match.c.incident_id == view.incident_id).values(**row))
    tx.record(PlansMatched(match=view), actor="system:matching", subject=f"incident:{view.incident_id}", incident_id=view.incident_id,
              department_id=department_id, drill=drill)

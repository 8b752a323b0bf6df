"""Resources and requests in the store: the register, what suits, and each step of a request with the duty to answer it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.calendar import local_day
from hub.domain.data import packaged
from hub.domain.duty_rules import DutyRules
from hub.domain.incident import IncidentView
from hub.domain.obligation import Evidence, Owed
from hub.domain.resource import (
    OUT,
    Request,
    RequestMoved,
    RequestState,
    Resource,
    ResourceKind,
    ResourceSaved,
    Step,
    check_offer,
    check_point,
    shortcomings,
    suitable,
    take_step,
    unit_en,
    used_up,
)
from hub.errors import Rejected, Unavailable, changed_meanwhile
from hub.ids import new_id
from hub.store import obligations as ledger
from hub.store.reports import get_incident
from hub.store.schema_plan import resource as table
from hub.store.schema_plan import resource_request
from hub.store.writer import Recorded, Store, Transaction
from plans.model import Text

ACTOR: Final = "system:resources"
DESK: Final = "district-office"
CHECK_EVERY_S: Final = 3600.0
LOOK_EVERY_S: Final = 10.0
"""How soon whoever made a stock good is rid of its warning (our own choice)."""
PLACES: Final = 6
"""Decimals of an amount: what two amounts leave is no long fraction."""
ANSWER_WITHIN: Final = timedelta(minutes=10)
"""The least time for an answer to what is asked again after its due time (our own choice)."""

# ── the register ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def get_resource(conn: AsyncConnection, id: str) -> Resource | None:
    """One resource, or None."""
    text = (await conn.execute(select(table.c.view).where(table.c.id == id))).scalar()
    return msgspec.json.decode(text, type=Resource) if text is not None else None


async def list_resources(conn: AsyncConnection, *, capability: str | None = None, kind: str | None = None, department_id: str | None = None) -> list[Resource]:
    """Resources by id: all of them, since what a page leaves out would be watched and suggested by nobody."""
    query = select(table.c.view).order_by(table.c.id)
    for column, value in ((table.c.capability, capability), (table.c.kind, kind), (table.c.department_id, department_id)):
        if value is not None:
            query = query.where(column == value)
    return [msgspec.json.decode(text, type=Resource) for text in (await conn.execute(query)).scalars()]


async def save_resource(tx: Transaction, wanted: Resource, *, by: str) -> Resource:
    """Make or alter a resource; what is out stays out. Saving what is there already changes nothing. Raises Rejected."""
    check_point(wanted)
    held = await get_resource(tx.conn, wanted.id)
    if held is not None and msgspec.structs.replace(wanted, version=held.version, out=held.out) == held:
        return held
    if held is not None and wanted.version not in (0, held.version):
        raise changed_meanwhile()
    if held is not None and held.out > 0 and not wanted.active:
        raise Rejected("still_out", f"{held.name_zh} 还有 {held.out:g} {held.unit} 调出未还，归还后才能停用",
                       f"{held.out:g} {unit_en(held.unit)} of {held.name_en or held.name_zh} are still out: it can be taken out of use once they are back", field="active")
    saved = msgspec.structs.replace(wanted, version=held.version + 1 if held else 1, out=held.out if held else 0.0)
    await _put(tx, saved, fresh=held is None)
    tx.record(ResourceSaved(resource=saved), actor=by, subject=f"resource:{saved.id}", department_id=saved.department_id)
    return saved


def _values(r: Resource) -> dict[str, Any]:
    return {"kind": r.kind.value, "department_id": r.department_id, "capability": r.capability, "quantity": r.quantity, "version": r.version,
            "expires_on": r.expires_on.isoformat() if r.expires_on else None, "active": r.active, "view": msgspec.json.encode(r).decode()}


async def _put(tx: Transaction, r: Resource, *, fresh: bool) -> None:
    values = _values(r)
    if fresh:
        await tx.conn.execute(insert(table).values(id=r.id, **values))
    else:
        await tx.conn.execute(update(table).where(table.c.id == r.id).values(**values))


async def load_demo(tx: Transaction) -> int:
    """Store the demo district's resources (invented, and marked so); gives how many."""
    rows = msgspec.convert(packaged("resources_demo")["resources"], tuple[Resource, ...])
    for row in rows:
        await save_resource(tx, msgspec.structs.replace(row, demo=True), by="system:demo")
    return len(rows)


# ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def get_request(conn: AsyncConnection, id: str) -> Request | None:
    """One request, or None."""
    text = (await conn.execute(select(resource_request.c.view).where(resource_request.c.id == id))).scalar()
    return msgspec.json.decode(text, type=Request) if text is not None else None


async def requests_of(conn: AsyncConnection, incident_id: str) -> list[Request]:
    """The requests of an incident, in the order in which they were made."""
    rows = await conn.execute(select(resource_request.c.view).where(resource_request.c.incident_id == incident_id).order_by(resource_request.c.id))
    return [msgspec.json.decode(text, type=Request) for text in rows.scalars()]


async def _by_key(conn: AsyncConnection, key: str) -> Request | None:
    text = (await conn.execute(select(resource_request.c.view).where(resource_request.c.key == key))).scalar()
    return msgspec.json.decode(text, type=Request) if text is not None else None


async def _rests(conn: AsyncConnection, key: str) -> list[Request]:
    """What is asked for apart since somebody offered less than a request wanted."""
    rows = await conn.execute(select(resource_request.c.view).where(resource_request.c.key.startswith(f"{key}:rest:", autoescape=True)))
    return [msgspec.json.decode(text, type=Request) for text in rows.scalars()]


async def suggest(conn: AsyncConnection, incident: IncidentView, *, capability: str, quantity: float, unit: str, today: date) -> tuple[Any, ...]:
    """The nearest resources that suit, with the reason. Demo resources count in drills alone."""
    rows = [r for r in await list_resources(conn, capability=capability) if incident.drill or not r.demo]
    return suitable(rows, capability=capability, quantity=quantity, unit=unit, lon=incident.place.lon, lat=incident.place.lat, today=today)


async def ask_for(
    tx: Transaction, rules: DutyRules, incident: IncidentView, *, capability: str, quantity: float, unit: str, text: Text, due_at: datetime,
    asked_by: str, by: str, activation_id: str | None, key: str,
) -> Request:
    """Ask for a resource, once for each key: the owner of the best suggestion owes the answer, the command centre where nothing suits.

    What is missing of what is wanted is asked again: the rests that were withdrawn, and then the request itself as long as nothing was offered for it.
    What a person cancelled of a response's own requests, the whole or a rest, stays cancelled, unless the response wants more by now.
    """
    held = await _by_key(tx.conn, key)
    if held is not None:
        rests = await _rests(tx.conn, key)
        missing = round(quantity - sum(one.quantity for one in (held, *rests) if not _comes_back(one)), PLACES)
        for rest in rests:
            if _comes_back(rest) and rest.quantity <= missing:
                await move_request(tx, rules, rest.id, RequestState.REQUESTED, by=by)
                missing = round(missing - rest.quantity, PLACES)
        if missing <= 0 or held.state not in (RequestState.CANCELLED, RequestState.REQUESTED):
            return held
        quantity = missing if _comes_back(held) else round(held.quantity + missing, PLACES)
    suggestions = await suggest(tx.conn, incident, capability=capability, quantity=quantity, unit=unit, today=local_day(rules.calendar, tx.now))
    owner = suggestions[0].department_id if suggestions else DESK
    step = Step(state=RequestState.REQUESTED, at=tx.at, by=by)
    if held is None:
        request = await _make(tx, Request(
            id=new_id(), key=key, incident_id=incident.id, activation_id=activation_id, capability=capability, quantity=quantity, unit=unit, text=text,
            asked_by=asked_by, department_id=owner, due_at=due_at, state=RequestState.REQUESTED, suggestions=suggestions, steps=(step,), drill=incident.drill), by)
    else:
        request = msgspec.structs.replace(held, state=RequestState.REQUESTED, quantity=quantity, suggestions=suggestions, department_id=owner,
                                          resource_id=None, offered=None, steps=(*held.steps, step), version=held.version + 1)
        await _store(tx, held, request, by)
    await _owe_answer(tx, rules, request)
    return request


def _comes_back(request: Request) -> bool:
    """Is it asked for anew by asking again: what a response withdrew itself, and what a person asked for and cancelled?"""
    return request.state is RequestState.CANCELLED and (request.activation_id is None or request.steps[-1].by == ACTOR)


async def _make(tx: Transaction, request: Request, by: str) -> Request:
    await tx.conn.execute(insert(resource_request).values(
        id=request.id, incident_id=request.incident_id, activation_id=request.activation_id, key=request.key, **_columns(request)))
    _record(tx, request, by)
    return request


async def _owe_answer(tx: Transaction, rules: DutyRules, request: Request) -> None:
    """Put the answer to a request on the ledger, anew for each time that it is asked."""
    await ledger.make(tx, rules, [Owed(
        key=f"resource:{request.key}:{len(request.steps)}", kind="resource_request", department_id=request.department_id,
        post_id=f"{request.department_id}.duty", subject=f"resource_request:{request.id}",
        title_zh=f"答复资源请求：{request.text.zh}（{request.quantity:g} {request.unit}）",
        title_en=f"answer a request: {request.text.en} ({request.quantity:g} {unit_en(request.unit)})",
        due_at=max(request.due_at, tx.now + ANSWER_WITHIN), incident_id=request.incident_id, drill=request.drill)], actor=ACTOR)


def _columns(r: Request) -> dict[str, Any]:
    return {"state": r.state.value, "department_id": r.department_id, "version": r.version, "view": msgspec.json.encode(r).decode()}


def _record(tx: Transaction, r: Request, by: str) -> None:
    tx.record(RequestMoved(request=r), actor=by, subject=f"resource_request:{r.id}", incident_id=r.incident_id, department_id=r.department_id,
              drill=r.drill)


async def _store(tx: Transaction, before: Request, after: Request, by: str) -> Request:
    done = await tx.conn.execute(update(resource_request).where(
        resource_request.c.id == before.id, resource_request.c.version == before.version).values(**_columns(after)))
    if done.rowcount != 1:
        raise changed_meanwhile()
    _record(tx, after, by)
    return after


async def move_request(
    tx: Transaction, rules: DutyRules, id: str, to: RequestState, *, by: str, note: str = "", resource_id: str | None = None, quantity: float | None = None,
) -> Request:
    """Take a request one step on; an offer names a resource and how much, a return how much of it came back (all where None).

    Raises Rejected, or KeyError for no such request.
    """
    held = await get_request(tx.conn, id)
    if held is None:
        raise KeyError(id)
    after = take_step(held, to, by=by, at=tx.at, note=note)
    if after is held:
        if to is RequestState.OFFERED:
            await _refuse_second(tx, held, resource_id, quantity)
        return held
    if to is RequestState.OFFERED:
        after = await _offer(tx, rules, held, after, resource_id, quantity)
    if held.state in OUT and to not in OUT and held.resource_id is not None:
        await _out(tx, held.resource_id, -(held.offered or 0.0), used=used_up(held, quantity) if to is RequestState.RETURNED else 0.0)
    if to is RequestState.REQUESTED:  # the offer was taken back, or the request taken up again: it is to be answered once more
        suggestions = await _suitable_now(tx, rules, held)
        after = msgspec.structs.replace(after, resource_id=None, offered=None, suggestions=suggestions,
                                        department_id=suggestions[0].department_id if suggestions else DESK)
    after = await _store(tx, held, after, by)
    subject = f"resource_request:{id}"
    if to is RequestState.REQUESTED:
        await _owe_answer(tx, rules, after)
    if to in (RequestState.OFFERED, RequestState.DISPATCHED):
        await ledger.meet_where_owed(tx, rules, by=by, subject=subject,
                                     evidence=Evidence(ref=subject, zh="已答复资源请求", en="the request was answered", at=tx.now))
    elif to is RequestState.CANCELLED:
        await ledger.excuse_where_owed(tx, rules, by=ACTOR, reason="请求已取消 / the request was cancelled", subject=subject)
    return after


async def _refuse_second(tx: Transaction, held: Request, resource_id: str | None, quantity: float | None) -> None:
    """The same offer twice is one offer. Whoever offers besides is told, and does not send what nobody waits for; so is who offers another amount."""
    if resource_id not in (None, held.resource_id):
        first = await get_resource(tx.conn, held.resource_id or "")
        zh, en = (first.name_zh, first.name_en or first.name_zh) if first else (held.department_id, held.department_id)
        raise Rejected("already_offered", f"此请求已由“{zh}”答复，不必再提供", f"{en} was offered for this request already", field="resource_id")
    if quantity not in (None, held.offered):
        raise Rejected("already_offered", f"已提供 {held.offered or 0:g} {held.unit}；要改数量，请先收回再重新提供",
                       f"{held.offered or 0:g} {unit_en(held.unit)} were offered already: take the offer back first, to offer another amount", field="quantity")


async def _suitable_now(tx: Transaction, rules: DutyRules, request: Request, *, besides: str | None = None) -> tuple[Any, ...]:
    incident = await get_incident(tx.conn, request.incident_id)
    if incident is None:
        return ()
    found = await suggest(tx.conn, incident, capability=request.capability, quantity=request.quantity, unit=request.unit,
                          today=local_day(rules.calendar, tx.now))
    return tuple(one for one in found if one.resource_id != besides)


async def _offer(tx: Transaction, rules: DutyRules, held: Request, after: Request, resource_id: str | None, quantity: float | None) -> Request:
    found = await get_resource(tx.conn, resource_id) if resource_id else None
    if found is None:
        raise Rejected("unknown_resource", "请选择具备该能力的资源", "name a resource with the capability asked for", field="resource_id")
    amount = held.quantity if quantity is None else quantity
    check_offer(found, held, amount, local_day(rules.calendar, tx.now))
    await _out(tx, found.id, amount)
    if amount < held.quantity:
        await _ask_for_rest(tx, rules, held, round(held.quantity - amount, PLACES), step=len(after.steps), besides=found.id)
    return msgspec.structs.replace(after, resource_id=found.id, offered=amount, quantity=min(amount, held.quantity), department_id=found.department_id)


async def _ask_for_rest(tx: Transaction, rules: DutyRules, held: Request, quantity: float, *, step: int, besides: str) -> None:
    """Ask others for what an offer leaves open, as a request of its own: both together are what was wanted, whatever becomes of either."""
    rest = msgspec.structs.replace(held, id=new_id(), key=f"{held.key}:rest:{step}", quantity=quantity, version=1,
                                   steps=(Step(state=RequestState.REQUESTED, at=tx.at, by=ACTOR, note="其余部分 / the rest"),))
    suggestions = await _suitable_now(tx, rules, rest, besides=besides)
    rest = msgspec.structs.replace(rest, suggestions=suggestions, department_id=suggestions[0].department_id if suggestions else DESK)
    await _owe_answer(tx, rules, await _make(tx, rest, ACTOR))


async def _out(tx: Transaction, resource_id: str, by: float, *, used: float = 0.0) -> None:
    """Note how much more (less) of a resource is out, and how much of a stock is used up."""
    held = await get_resource(tx.conn, resource_id)
    if held is None:
        return
    gone = used if held.kind is ResourceKind.STOCK else 0.0
    saved = msgspec.structs.replace(held, out=max(0.0, held.out + by), quantity=max(0.0, held.quantity - gone), version=held.version + 1)
    await _put(tx, saved, fresh=False)
    tx.record(ResourceSaved(resource=saved), actor=ACTOR, subject=f"resource:{saved.id}", department_id=saved.department_id)


async def withdraw(tx: Transaction, rules: DutyRules, key: str, *, reason: str) -> None:
    """Cancel a request that nothing has been sent for yet, and what is asked for apart for its rest."""
    held = await _by_key(tx.conn, key)
    for one in (*(() if held is None else (held,)), *await _rests(tx.conn, key)):
        if one.state in (RequestState.REQUESTED, RequestState.OFFERED):
            await move_request(tx, rules, one.id, RequestState.CANCELLED, by=ACTOR, note=reason)


async def withdraw_all(tx: Transaction, rules: DutyRules, activation_id: str) -> None:
    """Cancel what an ended response still asked for; what is under way comes back by its own steps."""
    rows = await tx.conn.execute(select(resource_request.c.key).where(resource_request.c.activation_id == activation_id))
    for key in rows.scalars().all():
        await withdraw(tx, rules, key, reason="响应已终止 / the response has ended")


# ── stock ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def check_stock(store: Store, rules: DutyRules, *, ahead: timedelta = timedelta(days=30), within: timedelta = timedelta(days=3)) -> int:
    """Owe, once for each cause, that low or expiring stock is seen to, and meet what no longer has its cause; gives how many causes there are.

    30 and 3 days are our own choice.
    """
    async with store.read() as conn:
        rows = await list_resources(conn)
        owed = await ledger.list_obligations(conn, owed_only=True, kinds={"resource_stock"}, limit=10_000)
    today = local_day(rules.calendar, store.clock.now())
    causes = {f"stock:{r.id}:{code}:": (r, zh, en) for r in rows for code, zh, en in shortcomings(r, today, ahead=ahead)}
    standing = {o.key[:o.key.rindex(":") + 1]: o.id for o in owed}
    wanted = [Owed(key=f"{cause}{r.version if cause.endswith(':low:') else ''}", kind="resource_stock", department_id=r.department_id,
                   post_id=f"{r.department_id}.duty", subject=f"resource:{r.id}", title_zh=zh, title_en=en,
                   due_at=store.clock.now() + within, drill=r.demo)
              for cause, (r, zh, en) in causes.items() if cause not in standing]
    by_id = {r.id: r for r in rows}
    over = [(cause, id) for cause, id in standing.items() if cause not in causes]
    if wanted or over:
        async with store.transaction() as tx:
            await ledger.make(tx, rules, wanted, actor=ACTOR)
            for cause, id in over:
                if (await ledger.hold(tx, id)).is_owed:  # nobody else met or excused it since it was read
                    await _cured(tx, rules, id, cause, by_id.get(cause.split(":")[1]), today)
    return len(causes)


async def _cured(tx: Transaction, rules: DutyRules, id: str, cause: str, resource: Resource | None, today: date) -> None:
    """End the duty of a cause (`stock:RESOURCE:CODE:`) that is no more, in the words of what became of it."""
    if resource is None or not resource.active:
        await ledger.excuse(tx, rules, id, by=ACTOR, reason="该资源已停用 / the resource is no longer in use")
    elif ":expiry-" in cause and resource.expires_on is not None and resource.expires_on < today:
        await ledger.excuse(tx, rules, id, by=ACTOR, reason="已过期，另行督办 / it has expired, which is owed by itself")
    else:
        await ledger.meet(tx, rules, id, by=ACTOR, evidence=Evidence(ref=id, zh="库存已补足或更换", en="the stock was made good", at=tx.now))


async def watch_stock(store: Store, rules: DutyRules, *, demo: bool = False) -> None:
    """Look over the stock for ever: soon after the register changed, and once an hour, since days pass too. Waits out a store that is away.

    `demo`: the demo district's register is stored first.
    """
    seen, looked_at = None, 0.0
    while True:
        try:
            if demo:
                async with store.transaction() as tx:
                    await load_demo(tx)
                demo = False
            now, register = asyncio.get_running_loop().time(), await _register(store)
            if register != seen or now - looked_at >= CHECK_EVERY_S:
                await check_stock(store, rules)
                seen, looked_at = register, now
        except Unavailable:
            pass
        await asyncio.sleep(LOOK_EVERY_S)


async def _register(store: Store) -> tuple[int, int]:
    """How many resources there are and the sum of their versions: another pair wherever something was made or altered."""
    async with store.read() as conn:
        row = (await conn.execute(select(func.count(), func.coalesce(func.sum(table.c.version), 0)))).one()
    return int(row[0]), int(row[1])


class Prepared(NamedTuple):
    """What an import writes, made ready before the writer's turn: each resource as it will be, and its change. `held`: the versions that it began from."""

    held: dict[str, int]
    rows: list[Resource]
    changes: list[Recorded]


def prepare_import(found: Iterable[Resource], held: Mapping[str, Resource], *, by: str) -> Prepared:
    """What of a table is new or altered, with its changes: 20,000 lines take a second here, which nobody else waits for."""
    rows = []
    for row in found:
        before = held.get(row.id)
        if before is None or msgspec.structs.replace(row, version=before.version, out=before.out) != before:
            rows.append(msgspec.structs.replace(row, version=before.version + 1 if before else 1, out=before.out if before else 0.0))
    changes = [Recorded(ResourceSaved(resource=row), actor=by, subject=f"resource:{row.id}", department_id=row.department_id) for row in rows]
    return Prepared({row.id: held[row.id].version for row in rows if row.id in held}, rows, changes)


async def import_resources(tx: Transaction, prepared: Prepared) -> int:
    """Store what a table adds and alters; gives how many. Raises Rejected where one of them changed meanwhile: then none is stored."""
    versions = {row.id: row.version for row in await tx.conn.execute(select(table.c.id, table.c.version))}
    if {row.id: versions[row.id] for row in prepared.rows if row.id in versions} != prepared.held:
        raise changed_meanwhile()
    values = [{"key": row.id, **_values(row)} for row in prepared.rows]
    if fresh := [v for v in values if v["key"] not in versions]:
        await tx.conn.execute(insert(table), [{"id": v["key"], **{k: x for k, x in v.items() if k != "key"}} for v in fresh])
    if altered := [v for v in values if v["key"] in versions]:
        await tx.conn.execute(update(table).where(table.c.id == bindparam("key")), altered)
    for entry in prepared.changes:
        tx.append(entry)
    return len(prepared.rows)

"""The ledger in the store: duties are made, met, returned, excused and unlocked here, and the tick climbs their ladders.

Every act reads its row under a lock, applies the pure rule, compares and sets the version, and records the change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain import ladder as rungs
from hub.domain import obligation as ledger
from hub.domain.change import ChangeBody
from hub.domain.duty_rules import DutyRules
from hub.domain.ladder import Climb, Escalation, ObligationEscalated, Outcome, Taken, Whom
from hub.domain.notice import OPEN_EN, OPEN_ID, OPEN_ZH, fields_of, in_both
from hub.domain.obligation import (
    Evidence,
    Obligation,
    ObligationAcknowledged,
    ObligationExcused,
    ObligationMet,
    ObligationMissed,
    ObligationReturned,
    ObligationsMade,
    ObligationUnlocked,
    Owed,
    State,
    whole_ms,
)
from hub.errors import Rejected, changed_meanwhile
from hub.ids import new_id
from hub.store.bulk import Rows, fetch, insert_rows
from hub.store.notices import Draft, draft, drafts_for, drop_queued, for_duty, queue, rows_of, set_back
from hub.store.roster import UNTOLD, Reach, load_reach
from hub.store.rows import Alike, insert_many, parse_utc, text_of, update_many, utc_text
from hub.store.schema_duty import escalation
from hub.store.schema_duty import obligation as table
from hub.store.writer import Transaction

_CLIMBED = ("step", "wait_until", "updated_at", "version", "next_at")
"""The columns that a tick moves."""
_LOCKED = (*_CLIMBED, "state", "ack_until", "ack_by")
"""Those that it moves where a duty is locked as missed."""
_TIMES = tuple(sorted({"opens_at", "due_at", "late_at", "lock_at", "wait_until", "ack_until", "met_at", "created_at", "updated_at"}))
_FIELDS = Obligation.__struct_fields__
_COLUMNS = tuple(table.c[name] for name in _FIELDS)
_MAY_CHANGE = tuple(name for name in _FIELDS if name not in ("id", "key"))
_HOLD = f"SELECT {', '.join(_FIELDS)} FROM obligation WHERE id = $1"  # noqa: S608 names of our own
_DUE = f"SELECT {', '.join(_FIELDS)} FROM obligation WHERE next_at <= $1 ORDER BY next_at LIMIT $2"  # noqa: S608 likewise
_TICKED = "SELECT at FROM duty_tick WHERE name = $1"
_SET = (f"UPDATE obligation SET {', '.join(f'{name} = ${n}' for n, name in enumerate((*_MAY_CHANGE, 'next_at'), 3))} "  # noqa: S608 likewise
        "WHERE id = $1 AND version = $2 RETURNING id")
DEPARTMENT = table.c.department_id
"""The column that access to duties is decided by."""
_evidence = msgspec.json.Decoder(Evidence)


def _row(o: Obligation, next_at: datetime | None) -> dict[str, Any]:
    row: dict[str, Any] = {"next_at": text_of(next_at)}
    for name in _FIELDS:
        value = getattr(o, name)
        if name in _TIMES:
            value = text_of(value)
        elif name == "evidence":
            value = msgspec.json.encode(value).decode() if value is not None else None
        elif name == "state":
            value = value.value
        row[name] = value
    return row


def to_obligation(row: Any) -> Obligation:
    """A stored duty."""
    values: dict[str, Any] = dict(zip(_FIELDS, row, strict=True))
    for name in _TIMES:
        if values[name] is not None:
            values[name] = parse_utc(values[name])
    values["state"] = State(values["state"])
    if values["evidence"] is not None:
        values["evidence"] = _evidence.decode(values["evidence"])
    for name in ("drill", "urgent", "was_late"):
        values[name] = bool(values[name])
    return Obligation(**values)


# --- reads -------------------------------------------------------------------------------------------------------------------------------

async def get_obligation(conn: AsyncConnection, id: str) -> Obligation | None:
    """One duty, or None."""
    row = (await conn.execute(select(*_COLUMNS).where(table.c.id == id))).first()
    return to_obligation(row) if row else None


async def by_key(conn: AsyncConnection, key: str) -> Obligation | None:
    """The duty with this unique key, or None."""
    row = (await conn.execute(select(*_COLUMNS).where(table.c.key == key))).first()
    return to_obligation(row) if row else None


async def get_many(conn: AsyncConnection, ids: Collection[str]) -> list[Obligation]:
    """Duties by their ids, in any order."""
    found: list[Obligation] = []
    ordered = sorted(ids)
    for start in range(0, len(ordered), 500):
        rows = await conn.execute(select(*_COLUMNS).where(table.c.id.in_(ordered[start : start + 500])))
        found += [to_obligation(row) for row in rows]
    return found


async def list_obligations(
    conn: AsyncConnection, *, owed_only: bool = False, states: Collection[str] | None = None, kinds: Collection[str] | None = None,
    departments: Collection[str] | None = None, post_id: str | None = None, incident_id: str | None = None, subject: str | None = None,
    day: str | None = None, drills: bool | None = None, due_from: datetime | None = None, due_to: datetime | None = None,
    after: tuple[str, str] | None = None, limit: int = 100, where: ColumnElement[bool] | None = None,
) -> list[Obligation]:
    """Duties by due time, by keyset: `after` is the (due_at text, id) of the last one seen. `drills` None means both.

    `where` narrows it to what the reader may see (`hub.store.access.within_reach` on `DEPARTMENT`).
    """
    c = table.c
    query = select(*_COLUMNS).order_by(c.due_at, c.id).limit(limit)
    if owed_only:
        query = query.where(text("state IN ('open','returned')"))
    for column, values in ((c.state, states), (c.kind, kinds), (c.department_id, departments)):
        if values is not None:
            query = query.where(column.in_(sorted(values)))
    for column, value in ((c.post_id, post_id), (c.incident_id, incident_id), (c.subject, subject), (c.day, day), (c.drill, drills)):
        if value is not None:
            query = query.where(column == value)
    if due_from is not None:
        query = query.where(c.due_at >= utc_text(due_from))
    if due_to is not None:
        query = query.where(c.due_at < utc_text(due_to))
    if where is not None:
        query = query.where(where)
    if after is not None:
        query = query.where((c.due_at > after[0]) | ((c.due_at == after[0]) & (c.id > after[1])))
    return [to_obligation(row) for row in await conn.execute(query)]


async def open_of_post(conn: AsyncConnection, post_id: str | None) -> tuple[str, ...]:
    """The ids of every duty owed by a post (None: by anybody), by due time."""
    query = select(table.c.id).where(text("state IN ('open','returned')"), table.c.drill.is_(False)).order_by(table.c.due_at, table.c.id)
    if post_id is not None:
        query = query.where(table.c.post_id == post_id)
    return tuple(row.id for row in await conn.execute(query))


async def escalations_of(conn: AsyncConnection, obligation_id: str) -> list[Escalation]:
    """The records of a duty's ladder, by round and step."""
    rows = await conn.execute(select(escalation).where(escalation.c.obligation_id == obligation_id)
                              .order_by(escalation.c.round, escalation.c.step))
    return [_to_escalation(row) for row in rows]


def _escalation_id(obligation_id: str, round: int, step: int) -> str:
    """The name of a step's record, which is its key: there can be no second one."""
    return f"{obligation_id}:{round}:{step}"


def _to_escalation(row: Any) -> Escalation:
    def many(value: str) -> tuple[str, ...]:
        return msgspec.json.decode(value, type=tuple[str, ...])

    return Escalation(
        id=_escalation_id(row.obligation_id, row.round, row.step), obligation_id=row.obligation_id, round=row.round, step=row.step, outcome=Outcome(row.outcome),
        planned_at=parse_utc(row.planned_at), at=parse_utc(row.at), whom=tuple(Whom(w) for w in many(row.whom)), posts=many(row.posts),
        persons=many(row.persons), notices=many(row.notices), reminder=bool(row.reminder), drill=bool(row.drill),
    )


# --- making ------------------------------------------------------------------------------------------------------------------------------

async def make(tx: Transaction, rules: DutyRules, owed: Iterable[Owed], *, actor: str) -> list[Obligation]:
    """Put duties on the ledger; those whose key is there already are left as they are. Gives the new ones.

    The changes are one for each department (and incident, and drill), so that access can be decided by them.
    """
    new = {o.key: o for o in (ledger.owe(each, rules.kind(each.kind), id=new_id(), now=tx.now) for each in owed)}
    if not new:
        return []
    rows = [_row(o, rungs.next_look(o, rules.ladder(o.ladder))) for o in new.values()]
    inserted = await insert_many(tx, table, rows, or_leave="key")
    made = list(new.values()) if inserted == len(new) else await _inserted(tx, new)
    _record_made(tx, made, actor)
    return made


async def _inserted(tx: Transaction, new: dict[str, Obligation]) -> list[Obligation]:
    """Those of the rows that are ours: the others were on the ledger already."""
    made: list[Obligation] = []
    keys = list(new)
    for start in range(0, len(keys), 500):
        part = keys[start : start + 500]
        held = {row.key: row.id for row in await tx.conn.execute(select(table.c.key, table.c.id).where(table.c.key.in_(part)))}
        made += [new[key] for key in part if held[key] == new[key].id]
    return made


def _record_made(tx: Transaction, made: Sequence[Obligation], actor: str) -> None:
    groups: dict[tuple[str, str | None, bool], list[Obligation]] = {}
    for o in made:
        groups.setdefault((o.department_id, o.incident_id, o.drill), []).append(o)
    for (department_id, incident_id, drill), group in groups.items():
        tx.record(ObligationsMade(obligations=tuple(group)), actor=actor, subject=f"obligation:{group[0].id}", department_id=department_id,
                  incident_id=incident_id, drill=drill)


# --- acts --------------------------------------------------------------------------------------------------------------------------------

async def hold(tx: Transaction, id: str) -> Obligation:
    """A duty under a lock until the end of the transaction: whoever comes second waits here. Raises Rejected for an unknown one."""
    rows = await fetch(tx.conn, _HOLD if tx.sqlite else f"{_HOLD} FOR UPDATE", id)
    if not rows:
        raise Rejected("unknown_obligation", "没有这个应办事项", "there is no such duty", field="id")
    return to_obligation(rows[0])


async def _store(tx: Transaction, rules: DutyRules, before: Obligation, now_is: Obligation, body: ChangeBody, actor: str) -> Obligation:
    """Compare and set, then record. Raises Rejected where somebody else was faster."""
    row = _row(now_is, rungs.next_look(now_is, rules.ladder(now_is.ladder)))
    if not await fetch(tx.conn, _SET, before.id, before.version, *(row[name] for name in _MAY_CHANGE), row["next_at"]):
        raise changed_meanwhile()
    _record(tx, now_is, body, actor)
    return now_is


def _record(tx: Transaction, o: Obligation, body: ChangeBody, actor: str) -> None:
    tx.record(body, actor=actor, subject=f"obligation:{o.id}", incident_id=o.incident_id, department_id=o.department_id, drill=o.drill)


async def acknowledge(tx: Transaction, rules: DutyRules, id: str, *, by: str, for_min: float | None = None) -> Obligation:
    """Take a duty on: what waits in the outbox is dropped, and nothing is sent until the acknowledgement expires."""
    held = await hold(tx, id)
    acked = ledger.acknowledge(held, rules.kind(held.kind), now=tx.now, by=by, for_min=for_min)
    await _store(tx, rules, held, acked, ObligationAcknowledged(obligation=acked), by)
    await drop_queued(tx, [id], actor=by, why="已确认 / acknowledged")
    return acked


async def meet(
    tx: Transaction, rules: DutyRules, id: str, *, by: str, evidence: Evidence | None = None, reason: str | None = None,
    held: Obligation | None = None,
) -> Obligation:
    """Meet a duty; everything of its ladder ends in this transaction. Raises Rejected `obligation_locked` or `obligation_state`.

    `held`: the duty as this transaction holds it already (`hold`).
    """
    held = held or await hold(tx, id)
    met = ledger.meet(held, now=tx.now, by=by, evidence=evidence, reason=reason)
    await _store(tx, rules, held, met, ObligationMet(obligation=met), by)
    await drop_queued(tx, [id], actor=by, why="已办结 / met")
    return met


async def give_back(tx: Transaction, rules: DutyRules, id: str, *, by: str, reason: str, due_at: datetime | None = None) -> Obligation:
    """Return what was filed, for correction; its post is told at once, and the ladder starts anew from the new due time."""
    held = await hold(tx, id)
    returned = ledger.give_back(held, rules.kind(held.kind), now=tx.now, by=by, reason=reason, due_at=due_at)
    await _store(tx, rules, held, returned, ObligationReturned(obligation=returned), by)
    await _tell_post(tx, rules, returned, template="returned")
    return returned


async def excuse(tx: Transaction, rules: DutyRules, id: str, *, by: str, reason: str) -> Obligation:
    """Excuse a duty (a leader's act, or the system's where what it was about has ceased); its ladder ends."""
    held = await hold(tx, id)
    excused = ledger.excuse(held, now=tx.now, by=by, reason=reason)
    await _store(tx, rules, held, excused, ObligationExcused(obligation=excused), by)
    await drop_queued(tx, [id], actor=by, why="已免办 / excused")
    return excused


async def unlock(tx: Transaction, rules: DutyRules, id: str, *, by: str, reason: str, due_at: datetime | None = None) -> Obligation:
    """Reopen a missed or excused duty: a leader's act, of which its post is told at once; the ladder starts anew from the new due time."""
    held = await hold(tx, id)
    unlocked = ledger.unlock(held, rules.kind(held.kind), now=tx.now, by=by, reason=reason, due_at=due_at)
    await _store(tx, rules, held, unlocked, ObligationUnlocked(obligation=unlocked), by)
    if not by.startswith("system:"):
        await _tell_post(tx, rules, unlocked, template="unlocked")
    return unlocked


async def owed_ids(
    conn: AsyncConnection, *, subject: str | None = None, incident_id: str | None = None, kinds: Collection[str] | None = None,
) -> list[str]:
    """The ids of duties still owed about a subject or an incident, of these kinds."""
    if subject is None and incident_id is None:
        raise ValueError("a subject or an incident is needed")
    query = select(table.c.id).where(text("state IN ('open','returned')")).order_by(table.c.due_at, table.c.id)
    for column, value in ((table.c.subject, subject), (table.c.incident_id, incident_id)):
        if value is not None:
            query = query.where(column == value)
    if kinds is not None:
        query = query.where(table.c.kind.in_(sorted(kinds)))
    return [row.id for row in await conn.execute(query)]


async def meet_where_owed(
    tx: Transaction, rules: DutyRules, *, by: str, subject: str | None = None, incident_id: str | None = None,
    kinds: Collection[str] | None = None, evidence: Evidence | None = None,
) -> list[Obligation]:
    """Meet every duty still owed about a subject or an incident; those at rest stay as they are."""
    ids = await owed_ids(tx.conn, subject=subject, incident_id=incident_id, kinds=kinds)
    return [await meet(tx, rules, id, by=by, evidence=evidence) for id in ids]


async def excuse_where_owed(
    tx: Transaction, rules: DutyRules, *, by: str, reason: str, subject: str | None = None, incident_id: str | None = None,
    kinds: Collection[str] | None = None,
) -> list[Obligation]:
    """Excuse every duty still owed about a subject or an incident: what it was about has ceased."""
    ids = await owed_ids(tx.conn, subject=subject, incident_id=incident_id, kinds=kinds)
    return [await excuse(tx, rules, id, by=by, reason=reason) for id in ids]


async def _tell_post(tx: Transaction, rules: DutyRules, o: Obligation, *, template: str) -> None:
    reach = await load_reach(tx.conn, departments=[o.department_id], posts=[o.post_id], now=tx.now)
    owner = reach.posts.get(o.post_id)
    if owner is None:
        return
    drafts = drafts_for(rules, o, [reach.target(owner, urgent=o.urgent)], template=template, channels=("console", "push", "mqtt"), now=tx.now,
                        max_age=min(o.due_at - tx.now, rules.longest_notice), urgent=o.urgent, dedupe=f"{o.id}:{o.round}:{template}")
    await queue(tx, drafts, actor="system:duties")


# --- the tick ----------------------------------------------------------------------------------------------------------------------------

class Ticked(NamedTuple):
    """What one batch of a tick did."""

    looked: int
    recorded: int
    taken: int
    missed: int
    notices: int


NOTHING = Ticked(0, 0, 0, 0, 0)
LOOKED_AT_ONCE = 100
"""After how many duties the loop has its turn (our own choice: some milliseconds)."""


class _Own(NamedTuple):
    """What duties that are alike have each of its own: the daily reports of a department, all due at once. The rest of them is the same."""

    id: str
    key: str
    subject: str
    title_zh: str
    title_en: str


_own = itemgetter(*(_FIELDS.index(name) for name in _Own._fields))
_shared = itemgetter(*(n for n, name in enumerate(_FIELDS) if name not in _Own._fields))


def _with(o: Obligation, own: _Own) -> Obligation:
    """A duty like `o`, as the one it is."""
    return msgspec.structs.replace(o, id=own.id, key=own.key, subject=own.subject, title_zh=own.title_zh, title_en=own.title_en)


async def tick_batch(tx: Transaction, rules: DutyRules, *, limit: int = 2_000) -> Ticked:
    """Look at up to `limit` duties whose time has come: record what their ladders say, write the notices, lock what is past its lock.

    1. The due rows are read under a lock; on PostgreSQL rows that another hub holds are skipped, on SQLite there is one writer.
    2. The pure rule says what is to be done at `tx.now`, once for all duties that are alike; each gets records and notices of its own.
    3. One statement each for escalations, notices and duties; escalations are unique by (obligation, round, step).
    """
    rows = await fetch(tx.conn, _DUE if tx.sqlite else f"{_DUE} FOR UPDATE SKIP LOCKED", tx.at, limit)
    if not rows:
        return NOTHING
    groups: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for row in rows:
        groups.setdefault(_shared(row), []).append(row)
    alike = [(_with(to_obligation(group[0]), _Own(OPEN_ID, "", "", OPEN_ZH, OPEN_EN)), group) for group in groups.values()]
    reach = await load_reach(tx.conn, departments={o.department_id for o, _ in alike}, posts={o.post_id for o, _ in alike}, now=tx.now)
    work, looked = _Work(tx, rules, reach), 0
    for any_of_them, group in alike:
        look = work.look(any_of_them)
        for row in group:
            work.take(look, _Own(*_own(row)))
            looked += 1
            if looked % LOOKED_AT_ONCE == 0:
                await asyncio.sleep(0)
    await work.write()
    return Ticked(looked, len(work.escalations), work.taken, sum(map(len, work.locked.values())), len(work.drafts))


class _Look(NamedTuple):
    """What follows for duties that are alike: how far they move, whether they lock, the records and notices with what is each one's own left open."""

    moved: Obligation
    missed: Obligation | None
    next_at: datetime | None
    escalations: list[Escalation]
    drafts: list[Draft]
    taken: bool
    too_old: int


class _Work:
    """What a batch of a tick gathers before it writes."""

    def __init__(self, tx: Transaction, rules: DutyRules, reach: Reach) -> None:
        self.tx, self.rules, self.reach = tx, rules, reach
        self.escalations: list[Escalation] = []
        self.drafts: list[Draft] = []
        self.climbed: Alike = {}
        self.locked: Alike = {}
        self.taken = self.too_old = 0
        self._climbs: dict[tuple[Any, ...], Climb] = {}

    def look(self, o: Obligation) -> _Look:
        """Ask the rule about duties that are all like `o`."""
        climb = self._climb(o)
        made = [self._one(climb.moved, record) for record in climb.records]
        drafts = [d for _, written in made for d in written]
        if climb.unheard or any(r.outcome is Outcome.NOBODY for r in climb.records):
            drafts += self._nobody(climb.moved, climb)
        return _Look(climb.moved, ledger.lock(climb.moved, now=self.tx.now) if climb.locks else None, climb.next_at, [e for e, _ in made], drafts,
                     climb.taken is not None, sum(r.outcome is Outcome.SKIPPED_TOO_OLD and not r.step.is_reminder for r in climb.records))

    def _climb(self, o: Obligation) -> Climb:
        """What the rule says; departments share the times of a day, so that it is asked once for all duties that differ in nothing it looks at."""
        reach = self.reach.whom(o.department_id, o.post_id)
        key = (o.ladder, o.state, o.opens_at, o.due_at, o.late_at, o.lock_at, o.step, o.wait_until, o.ack_until, reach)
        known = self._climbs.get(key)
        if known is None:
            self._climbs[key] = known = rungs.climb(o, self.rules.ladder(o.ladder), reach, self.tx.now)
            return known
        return known._replace(moved=rungs.after(o, known.records, self.tx.now))

    def take(self, look: _Look, own: _Own) -> None:
        """Gather what follows for one duty."""
        o = _with(look.moved, own)
        if look.escalations:
            self._escalate(o, look)
        if look.missed is not None:
            missed = _with(look.missed, own)
            _record(self.tx, missed, ObligationMissed(obligation=missed), "system:duties")
            self.locked.setdefault((*_moved(missed, look), missed.state.value, text_of(missed.ack_until), missed.ack_by), []).append(o.id)
        else:
            self.climbed.setdefault(_moved(o, look), []).append(o.id)

    def _escalate(self, o: Obligation, look: _Look) -> None:
        written = [for_duty(d, o) for d in look.drafts]
        notices = {d.notice.id: own.notice.id for d, own in zip(look.drafts, written, strict=True)}
        made = [msgspec.structs.replace(e, id=_escalation_id(o.id, e.round, e.step), obligation_id=o.id, notices=tuple([notices[n] for n in e.notices]))
                for e in look.escalations]
        self.taken += look.taken
        self.too_old += look.too_old
        self.escalations += made
        self.drafts += written
        body = ObligationEscalated(obligation=o, escalations=tuple(made), notices=tuple([d.notice for d in written]))
        _record(self.tx, o, body, "system:duties")

    def _one(self, o: Obligation, record: Taken) -> tuple[Escalation, list[Draft]]:
        step, id = record.step, _escalation_id(o.id, o.round, record.n)
        told = self.reach.told(o, step) if record.outcome is Outcome.TAKEN else UNTOLD
        written = drafts_for(
            self.rules, o, told.targets, template=step.template, channels=step.channels, now=self.tx.now,
            max_age=_age_left(record, self.tx.now), urgent=o.urgent or step.urgent, dedupe=id, escalation_id=id, step=record.level,
            owner=self.reach.posts.get(o.post_id),
        ) if told.targets else []
        return Escalation(
            id=id, obligation_id=o.id, round=o.round, step=record.n, outcome=record.outcome, planned_at=whole_ms(record.planned_at),
            at=whole_ms(self.tx.now), whom=step.whom, posts=told.posts, persons=told.persons, notices=tuple([d.notice.id for d in written]),
            reminder=step.is_reminder, drill=o.drill,
        ), written

    def _nobody(self, o: Obligation, climb: Climb) -> list[Draft]:
        """Say on the command centre's screen that nobody could be told: silence is never the answer."""
        n, level = next((r.n, r.level) for r in climb.records if r.outcome is Outcome.NOBODY)
        owner = self.reach.posts.get(o.post_id)
        desks = [p.id for p in self.reach.posts.values() if p.role is Whom.COMMAND_CENTRE] or [o.post_id]
        fields = fields_of(o, now=self.tx.now, zone=self.rules.calendar.zone, post=owner or _Unknown(o.post_id, o.post_id),
                           kind=self.rules.kinds.get(o.kind), step=level)
        return [draft(
            self.rules, dedupe=f"{o.id}:{o.round}:{n}:nobody:{desk}", channel="console", address=f"post:{desk}", template="nobody",
            fields=fields, now=self.tx.now, max_age=timedelta(days=1), urgent=True, drill=o.drill, obligation=o, post_id=desk,
        ) for desk in desks]

    async def write(self) -> None:
        """Write all of the batch: escalations, notices, duties."""
        tx = self.tx
        await insert_rows(tx.conn, Rows(escalation, [_escalation_row(e) for e in self.escalations]), rows_of(self.drafts))
        await update_many(tx, table, _CLIMBED, self.climbed)
        await update_many(tx, table, _LOCKED, self.locked)
        if self.too_old:
            await self._say_what_was_not_sent()

    async def _say_what_was_not_sent(self) -> None:
        """One notice for the desk about everything that an outage made too old to send."""
        desks = [p for p in self.reach.posts.values() if p.role is Whom.COMMAND_CENTRE]
        await queue(self.tx, [draft(
            self.rules, dedupe=f"outage:{self.tx.at}:{new_id()}", channel="console", address=f"post:{desk.id}", template="outage",
            fields=in_both(steps=str(self.too_old)),
            now=self.tx.now, max_age=timedelta(days=1), urgent=True, department_id=desk.department_id, post_id=desk.id,
        ) for desk in desks], actor="system:duties")


class _Unknown(NamedTuple):
    """A post that is no more, by its id."""

    zh: str
    en: str


def _age_left(record: Taken, now: datetime) -> timedelta:
    """How long the notices of a step may still go out: its maximum age from when it was planned for (from now, where it was taken early)."""
    return min(record.planned_at, now) + timedelta(minutes=record.step.max_age_min) - now


def _moved(o: Obligation, look: _Look) -> tuple[Any, ...]:
    """What `_CLIMBED` becomes."""
    return o.step, text_of(o.wait_until), utc_text(o.updated_at), o.version, text_of(look.next_at)


def _names(values: Sequence[str]) -> str:
    return msgspec.json.encode(values).decode()


_known_names = lru_cache(maxsize=4096)(_names)
"""The names that many records of a batch share."""


def _escalation_row(e: Escalation) -> tuple[Any, ...]:
    return (e.obligation_id, e.round, e.step, e.outcome.value, utc_text(e.planned_at), utc_text(e.at), _known_names(e.whom), _known_names(e.posts),
            _known_names(e.persons), _names(e.notices), e.reminder, e.drill)


async def is_due(conn: AsyncConnection, now: datetime, *, name: str = "duties", within: timedelta = timedelta(minutes=1)) -> bool:
    """Is there anything for a tick to do: a duty whose time has come, or a note of the tick itself that is older than `within`?"""
    [(last, due)] = await fetch(conn, "SELECT (SELECT at FROM duty_tick WHERE name = $1), (SELECT next_at FROM obligation WHERE next_at <= $2 LIMIT 1)",
                                name, utc_text(now))
    return last is None or due is not None or abs(now - parse_utc(last)) >= within


async def note_tick(tx: Transaction, rules: DutyRules, *, name: str = "duties", back: timedelta = timedelta(minutes=1)) -> datetime | None:
    """Note that a tick began; gives when the last one did. A clock set back by more than `back` rearms every duty that waits."""
    last = await fetch(tx.conn, _TICKED if tx.sqlite else f"{_TICKED} FOR UPDATE", name)
    before = parse_utc(last[0][0]) if last else None
    if before is not None and tx.now < before - back:
        await _rearm(tx, rules)
    if before is None or abs(tx.now - before) >= back:
        await fetch(tx.conn, "INSERT INTO duty_tick (name, at) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET at = excluded.at RETURNING name",
                    name, tx.at)
    return before


async def _rearm(tx: Transaction, rules: DutyRules) -> None:
    """After the clock was set back: no wait may last longer than it ever could have."""
    rows = await tx.conn.execute(select(*_COLUMNS).where(
        table.c.next_at.is_not(None), (table.c.wait_until > tx.at) | (table.c.ack_until > tx.at)).with_for_update())
    for o in [to_obligation(row) for row in rows]:
        kind = rules.kinds.get(o.kind)
        bounded = rungs.set_back(o, rules.ladder(o.ladder), ack_valid_min=kind.ack_valid_min if kind else 0, now=tx.now)
        if (bounded.wait_until, bounded.ack_until) != (o.wait_until, o.ack_until):
            await _store(tx, rules, o, bounded, ObligationAcknowledged(obligation=bounded), "system:clock")
    await set_back(tx)

"""Daily reports in the store: rows made ahead, one function that files for every channel, returns, acceptances, drafts, flags.

The state of a duty is the ledger's alone; a filing is written in the transaction that meets it, so the two cannot part.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.access import Policy
from hub.domain.calendar import local_day
from hub.domain.classified import packaged_guard
from hub.domain.contradiction import Asked, Contradiction, Fact, contradicts_more, split, suggested
from hub.domain.daily import (
    KIND,
    Book,
    Content,
    DailyAccepted,
    DailyFiled,
    DailyFlagged,
    DailyReturned,
    Filing,
    FilingState,
    Flag,
    KeyParts,
    Period,
    Periods,
    Reporter,
    Schedule,
    ScheduleSaved,
    Template,
    TemplateSaved,
    check_template,
    duty_key,
    expected,
    is_to_decide,
    need_late_reason,
    parse_book,
    parts_of,
    period_of,
    read_content,
    refuse_faults,
)
from hub.domain.data import packaged
from hub.domain.duty_rules import DutyRules
from hub.domain.obligation import LIVE, Evidence, Obligation, State
from hub.errors import Rejected, changed_meanwhile
from hub.ids import is_id
from hub.store import obligations as ledger
from hub.store.bulk import Rows, fetch, insert_rows
from hub.store.known import departments_concerned, facts_of
from hub.store.organisation import list_departments
from hub.store.schema_daily import daily_document, daily_draft, daily_filing, daily_flag, daily_made
from hub.store.schema_duty import obligation as duty_table
from hub.store.writer import Store, Transaction
from hub.wire import Receipt, ReceiptStatus

ACTOR: Final = "system:daily"
_RESCHEDULED: Final = "报送安排或日历已调整 / the schedule or the calendar has changed"
_contradictions = msgspec.json.Decoder(tuple[Contradiction, ...])
_values = msgspec.json.Decoder(dict[str, Any])


# ── templates and schedules ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def packaged_book() -> Book:
    """Templates and schedules as the product ships them."""
    return parse_book(packaged("daily_templates"), packaged("daily_schedules"))


async def load_book(conn: AsyncConnection) -> Book:
    """Templates and schedules: those shipped and those that the district saved."""
    book = packaged_book()
    rows = await fetch(conn, "SELECT what, document FROM daily_document ORDER BY id, version")
    return _with_saved(tuple(rows)) if rows else book


@lru_cache(maxsize=4)
def _with_saved(rows: tuple[tuple[str, str], ...]) -> Book:
    """The shipped book with the district's own documents; they are decoded once for as long as they stay as they are."""
    book = packaged_book()
    return msgspec.structs.replace(
        book, templates=book.templates + tuple(msgspec.json.decode(text, type=Template) for what, text in rows if what == "template"),
        schedules=book.schedules + tuple(msgspec.json.decode(text, type=Schedule) for what, text in rows if what == "schedule"))


async def save_template(tx: Transaction, rules: DutyRules, template: Template, *, by: str) -> Template:
    """Save a template as its next version, valid from tomorrow at the earliest: a day that has begun keeps the form it began with."""
    book = await load_book(tx.conn)
    check_template(template)
    version = max((t.version for t in book.templates if t.id == template.id), default=0) + 1
    saved = msgspec.structs.replace(template, version=version, valid_from=_not_before(template.valid_from, rules, tx.now, book, template.id))
    await _save_document(tx, "template", saved.id, version, saved, by)
    tx.record(TemplateSaved(template=saved), actor=by, subject=f"template:{saved.id}")
    return saved


async def save_schedule(tx: Transaction, rules: DutyRules, schedule: Schedule, *, by: str) -> Schedule:
    """Save a schedule as its next version; it counts for days whose rows are not made yet."""
    book = await load_book(tx.conn)
    if not any(t.id == schedule.template for t in book.templates):
        raise Rejected("unknown_template", "没有这个模板", "there is no such template", field="template")
    version = max((s.version for s in book.schedules if s.id == schedule.id), default=0) + 1
    made = (await tx.conn.execute(select(daily_made.c.day).order_by(daily_made.c.day.desc()).limit(1))).scalar()
    first = max(schedule.valid_from, date.fromisoformat(made) + timedelta(days=1)) if made and version > 1 else schedule.valid_from
    saved = msgspec.structs.replace(schedule, version=version, valid_from=first)
    await _save_document(tx, "schedule", saved.id, version, saved, by)
    tx.record(ScheduleSaved(schedule=saved), actor=by, subject=f"schedule:{saved.id}")
    return saved


def _not_before(wanted: date, rules: DutyRules, now: datetime, book: Book, id: str) -> date:
    if not any(t.id == id for t in book.templates):
        return wanted
    return max(wanted, local_day(rules.calendar, now) + timedelta(days=1))


async def _save_document(tx: Transaction, what: str, id: str, version: int, document: msgspec.Struct, by: str) -> None:
    await tx.conn.execute(insert(daily_document).values(
        what=what, id=id, version=version, document=msgspec.json.encode(document).decode(), saved_at=tx.at, saved_by=by))


# ── rows made ahead ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def make_days(store: Store, rules: DutyRules, *, ahead: int | None = None) -> int:
    """Make the rows of yesterday to `ahead` days from now where they are not made yet; gives how many. Idle, it only reads."""
    async with store.read() as conn:
        book = await load_book(conn)
        reporters = [Reporter(d.id, d.zh, d.en) for d in await list_departments(conn) if d.active]
        held = {row.day: row.stamp for row in await conn.execute(select(daily_made.c.day, daily_made.c.stamp).order_by(
            daily_made.c.day.desc()).limit(10))}
    stamp = _stamp(book, rules, reporters)
    today = local_day(rules.calendar, store.clock.now())
    days = [today + timedelta(days=n) for n in range(-1, (_ahead() if ahead is None else ahead) + 1)]
    made = 0
    for day in days:
        if held.get(day.isoformat()) != stamp:
            async with store.transaction() as tx:
                made += await make_day(tx, rules, book, reporters, day, stamp)
    return made


def _ahead() -> int:
    return int(packaged("daily_schedules")["made_ahead_days"])


def _stamp(book: Book, rules: DutyRules, reporters: Sequence[Reporter]) -> str:
    told = msgspec.json.encode((book, sorted((r.id, r.zh) for r in reporters), rules.calendar.periods, sorted(rules.calendar.overrides.items())))
    return hashlib.sha256(told).hexdigest()


async def make_day(tx: Transaction, rules: DutyRules, book: Book, reporters: Iterable[Reporter], day: date, stamp: str) -> int:
    """Make one day's rows and note it; what stands there already follows the schedule. What is late already is not made: nobody knew of it."""
    listed = list(reporters)
    every = expected(book, rules.calendar, listed, day)
    await _follow(tx, rules, {o.key: o.due_at for o in every}, {r.id for r in listed}, day)
    made = await ledger.make(tx, rules, [o for o in every if o.due_at + timedelta(minutes=o.grace_min or 0) > tx.now], actor=ACTOR)
    await tx.conn.execute(delete(daily_made).where(daily_made.c.day == day.isoformat()))
    await tx.conn.execute(insert(daily_made).values(day=day.isoformat(), stamp=stamp, made_at=tx.at))
    return len(made)


async def _follow(tx: Transaction, rules: DutyRules, due: Mapping[str, datetime], known: Collection[str], day: date) -> None:
    """Let the rows of a day follow what is `due` by now (key → due time) and the departments that are left.

    What nobody has acted on and is not due yet is excused where it is asked no more (a day off, a template that ended), and owed again, or at its
    new time, where it is.
    """
    held = await ledger.list_obligations(tx.conn, states={s.value for s in (*LIVE, State.EXCUSED)}, kinds=[KIND], day=day.isoformat(), drills=False,
                                         limit=100_000)
    for o in held:
        at = due.get(o.key)
        if o.is_owed and o.department_id not in known:
            await ledger.excuse(tx, rules, o.id, by=ACTOR, reason="部门已撤销或停用 / the department is no more")
            continue
        moved = o.state is State.OPEN and o.reason_by in (None, ACTOR) and o.due_at > tx.now and at != o.due_at
        if moved:
            await ledger.excuse(tx, rules, o.id, by=ACTOR, reason=_RESCHEDULED)
        if (moved or (o.state is State.EXCUSED and o.reason_by == ACTOR)) and at is not None and at > tx.now:
            await ledger.unlock(tx, rules, o.id, by=ACTOR, reason=_RESCHEDULED, due_at=at)


async def duty_for(tx: Transaction, rules: DutyRules, department: str, template: str, day: date) -> Obligation:
    """The duty that a message without a slot is about: the first one owed and open now, else the last one that opened.

    A row that the tick has not made yet is made here. Raises Rejected `no_duty` where nothing is owed for that day.
    """
    found = await _slots(tx.conn, department, template, day)
    if not found and abs((day - local_day(rules.calendar, tx.now)).days) <= _ahead():
        book, departments = await load_book(tx.conn), await list_departments(tx.conn)
        reporters = [Reporter(d.id, d.zh, d.en) for d in departments if d.active and d.id == department]
        owed = [o for o in expected(book, rules.calendar, reporters, day) if o.key.split(":")[2] == template]
        await ledger.make(tx, rules, [o for o in owed if o.due_at + timedelta(minutes=o.lock_min or 0) > tx.now], actor=ACTOR)
        found = await _slots(tx.conn, department, template, day)
    opened = [o for o in found if o.opens_at <= tx.now]
    owed_now = next((o for o in opened if o.is_owed), None)
    if owed_now is not None or opened:
        return owed_now or next((o for o in reversed(opened) if o.state is not State.EXCUSED), opened[-1])
    if found:
        return found[0]
    if all(d.id != department for d in await list_departments(tx.conn)):
        raise Rejected("unknown_department", f"没有部门 {department}", f"there is no department {department}", field="department")
    raise Rejected("no_duty", f"{day} 没有需要报送的“{template}”", f"no report {template} is owed for {day}", field="day")


async def _slots(conn: AsyncConnection, department: str, template: str, day: date) -> list[Obligation]:
    keys = [duty_key(department, template, day.isoformat(), n) for n in range(1, 25)]
    return await ledger.list_obligations(conn, departments=[department], kinds=[KIND], day=day.isoformat(), where=duty_table.c.key.in_(keys))


# ── filing ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class By(NamedTuple):
    """Who files, by which channel (web, link, mqtt, http, cli, excel), for which department (None: any, the whole district's reach)."""

    actor: str
    channel: str
    department_id: str | None = None
    at_agent: bool = False


def receipt_of(filing: Filing, *, duplicate: bool = False, answers: str | None = None) -> Receipt:
    """The receipt of a filing: the same whatever channel it came by. `answers` is the message that is told so, where another one was stored."""
    status = ReceiptStatus.DUPLICATE if duplicate else ReceiptStatus.STORED
    return Receipt(id=answers or filing.id, status=status, receipt_no=filing.receipt_no, stored_at=filing.filed_at)


def hash_of(duty_id: str, zero: bool, values: dict[str, Any], note: str | None) -> str:
    """SHA-256 of what was said, whoever said it."""
    return hashlib.sha256(msgspec.json.encode((duty_id, zero, values, note or ""), order="deterministic")).hexdigest()


async def file(
    tx: Transaction, rules: DutyRules, policy: Policy, duty_id: str, content: Content, by: By, *, id: str, based_on: int | None = None,
) -> tuple[Filing, Receipt]:
    """File a report, or correct a filed one (`based_on`: the version corrected). The one function of every channel.

    1. A message that is stored already gets its receipt again. 2. The values are checked against the template of that day. 3. The duty is met
    (a correction leaves it met). 4. The version is stored, with what contradicts it. Raises Rejected: `already_filed` names the stored one.
    """
    packaged_guard().refuse_in(content)
    if not is_id(id):
        raise Rejected("wrong_id", "id 必须是小写 UUID", "id must be a UUID in lower case", field="id")
    o = await ledger.hold(tx, duty_id)  # two at once: the second waits here
    key = parts_of(o)
    if key is None:
        raise Rejected("unknown_obligation", "没有这个应办事项", "there is no such duty", field="duty")
    if by.department_id is not None and by.department_id != o.department_id:
        raise Rejected("wrong_department", "只能为本部门报送", "one files for one's own department only", field="department")
    book = await load_book(tx.conn)
    template = _template(book, o)
    values, faults = read_content(template, content)
    said = hash_of(o.id, content.zero, values, content.note)
    there, held = await _there(tx.conn, id, o.id)
    if there is not None:
        return _again(there, said)
    refuse_faults(faults)
    return await _file(tx, rules, policy, book, o, key, template, content, values, said, by, id, held, based_on)


def _again(there: tuple[Filing, str], said: str) -> tuple[Filing, Receipt]:
    if there[1] != said:
        raise Rejected("id_conflict", "同一编号已有内容不同的日报", "a daily report with this id and other content is stored", field="id")
    return there[0], receipt_of(there[0], duplicate=True)


async def _file(
    tx: Transaction, rules: DutyRules, policy: Policy, book: Book, o: Obligation, key: KeyParts, template: Template, content: Content,
    values: dict[str, Any], said: str, by: By, id: str, held: Filing | None, based_on: int | None,
) -> tuple[Filing, Receipt]:
    if not o.is_owed:
        _check_correction(o, held, based_on)
        if held is not None and based_on is None:
            return await _twice(tx.conn, o, held, said, id)
    elif tx.now < o.opens_at:
        opens = f"{o.opens_at.astimezone(ZoneInfo(rules.calendar.zone)):%Y-%m-%d %H:%M}"
        raise Rejected("not_open_yet", f"该日报尚未开始报送（{opens} 开始）", f"it opens at {opens}", field="day")
    correcting = not o.is_owed
    reason = None if correcting else need_late_reason(o, content, tx.now, made_at=_made_at(id) if by.at_agent else None)
    own, hidden = await weigh(tx.conn, rules, policy, o, template, zero=content.zero, values=values, book=book)
    day = tx.now.astimezone(ZoneInfo(rules.calendar.zone)).strftime("%Y%m%d")
    number = await tx.count(f"receipt:{day}")
    filing = Filing(
        id=id, duty_id=o.id, department_id=o.department_id, template=template.id, template_version=template.version, day=key.day, slot=key.slot,
        version=held.version + 1 if held else 1, zero=content.zero, values=values, note=content.note, state=FilingState.FILED, channel=by.channel,
        actor=by.actor, filed_at=tx.at, late=o.was_late or (not correcting and tx.now > o.late_at), late_reason=reason or (held.late_reason if held else None),
        receipt_no=f"{day}-{number:06d}", drill=o.drill, contradictions=tuple(own), explanation=content.explanation)
    if held is not None:
        await tx.conn.execute(update(daily_filing).where(daily_filing.c.id == held.id).values(current=False, state=FilingState.REPLACED.value))
    row = _row(filing) | {"content_hash": said}
    await insert_rows(tx.conn, Rows(daily_filing, [tuple(row[column.name] for column in daily_filing.c)]))
    if not correcting:
        proof = Evidence(ref=f"daily:{filing.id}", zh=f"日报回执 {filing.receipt_no}", en=f"daily report, receipt {filing.receipt_no}", at=tx.now)
        await ledger.meet(tx, rules, o.id, by=by.actor, evidence=proof, reason=reason, held=o)
    tx.record(DailyFiled(filing=filing), actor=by.actor, subject=f"daily:{o.id}", department_id=o.department_id, drill=o.drill)
    if own or hidden or held is not None:
        await _raise_flag(tx, filing, own, hidden)
    await fetch(tx.conn, "DELETE FROM daily_draft WHERE duty_id = $1 RETURNING person", o.id)
    return filing, receipt_of(filing)


def _check_correction(o: Obligation, held: Filing | None, based_on: int | None) -> None:
    if o.state is State.MISSED:
        raise Rejected("obligation_locked", "该日报已锁定为漏报，请先由领导解锁", "this report is locked as missed; a leader must unlock it first")
    if o.state is State.EXCUSED:
        raise Rejected("obligation_state", "该日报已准予免报", "this report was excused")
    if based_on is not None and (held is None or held.version != based_on):
        raise Rejected("already_filed", f"已有第 {held.version if held else 0} 版，请核对后再更正", "another version was filed meanwhile; look at it first",
                       field="based_on")


async def _twice(conn: AsyncConnection, o: Obligation, held: Filing, said: str, id: str) -> tuple[Filing, Receipt]:
    """The same report by another message `id` is the stored one again; another one is refused and named."""
    stored = await _stored(conn, held.id)
    if stored is not None and stored[1] == said:
        return held, receipt_of(held, duplicate=True, answers=id)
    raise Rejected("already_filed", f"本日已报送（回执 {held.receipt_no}），如需更改请更正", f"already filed (receipt {held.receipt_no}); correct it instead",
                   field="day")


def _made_at(id: str) -> datetime | None:
    """When a message was made, by its UUIDv7."""
    value = uuid.UUID(id)
    return datetime.fromtimestamp((value.int >> 80) / 1000, UTC) if value.version == 7 else None


async def template_of(conn: AsyncConnection, o: Obligation) -> Template:
    """The template of a daily duty, in the version of its day."""
    return _template(await load_book(conn), o)


def _template(book: Book, o: Obligation) -> Template:
    key = parts_of(o)
    template = book.template(key.template, date.fromisoformat(key.day)) if key else None
    if template is None:
        raise Rejected("unknown_template", "没有这个日报模板", "there is no such daily template", field="template")
    return template


async def give_back(tx: Transaction, rules: DutyRules, duty_id: str, *, by: str, reason: str, due_at: datetime | None = None) -> Filing:
    """Return a filed report for correction, with the reason; its duty is owed again."""
    held = await _held(tx.conn, duty_id)
    await ledger.give_back(tx, rules, duty_id, by=by, reason=reason, due_at=due_at)
    returned = msgspec.structs.replace(held, state=FilingState.RETURNED, decided_by=by, decided_at=tx.at, reason=reason.strip())
    await _decide(tx, returned, held.state)
    tx.record(DailyReturned(filing=returned), actor=by, subject=f"daily:{duty_id}", department_id=held.department_id, drill=held.drill)
    return returned


async def accept(tx: Transaction, duty_id: str, *, by: str, reason: str = "") -> Filing:
    """Accept a filed report; one that is contradicted only with the reason, which settles its flag. Accepted once more where a flag was raised since."""
    held, flag = await _held(tx.conn, duty_id), await get_flag(tx.conn, duty_id)
    raised = flag is not None and flag.is_raised
    if not is_to_decide(held, flag):
        raise Rejected("filing_state", "只有已报送、未处理的日报可以接收", "only a report that was filed and not decided on can be accepted", field="state")
    if raised and not reason.strip():
        raise Rejected("reason_needed", "该日报与已知情况不符，接收须说明理由", "it contradicts what is known; state why it is accepted", field="reason")
    accepted = msgspec.structs.replace(held, state=FilingState.ACCEPTED, decided_by=by, decided_at=tx.at, reason=reason.strip() or None)
    await _decide(tx, accepted, held.state)
    tx.record(DailyAccepted(filing=accepted), actor=by, subject=f"daily:{duty_id}", department_id=held.department_id, drill=held.drill)
    if flag is not None and raised:
        await _save_flag(tx, msgspec.structs.replace(flag, settled_by=by, updated_at=tx.at), drill=held.drill, new=False)
    return accepted


async def _held(conn: AsyncConnection, duty_id: str) -> Filing:
    held = await current_filing(conn, duty_id)
    if held is None:
        raise Rejected("not_filed", "该日报尚未报送", "this report has not been filed")
    return held


async def _decide(tx: Transaction, filing: Filing, was: FilingState) -> None:
    done = await tx.conn.execute(
        update(daily_filing).where(daily_filing.c.id == filing.id, daily_filing.c.current, daily_filing.c.state == was.value)
        .values(state=filing.state.value, decided_by=filing.decided_by, decided_at=filing.decided_at, reason=filing.reason))
    if done.rowcount != 1:
        raise changed_meanwhile()


# ── reads ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _row(filing: Filing) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(filing, name) for name in Filing.__struct_fields__ if name != "values"}
    row["content"] = msgspec.json.encode(filing.values, order="deterministic").decode()
    row["contradictions"] = msgspec.json.encode(filing.contradictions).decode()
    row["state"] = filing.state.value
    return row


def _filing(row: Any) -> Filing:
    given = {name: getattr(row, name) for name in Filing.__struct_fields__ if name != "values"}
    given |= {"values": _values.decode(row.content), "contradictions": _contradictions.decode(row.contradictions),
              "state": FilingState(row.state)}
    for name in ("zero", "late", "drill", "current"):
        given[name] = bool(given[name])
    return Filing(**given)


async def _stored(conn: AsyncConnection, id: str) -> tuple[Filing, str] | None:
    row = (await conn.execute(select(daily_filing).where(daily_filing.c.id == id))).first()
    return (_filing(row), row.content_hash) if row else None


async def _there(conn: AsyncConnection, id: str, duty_id: str) -> tuple[tuple[Filing, str] | None, Filing | None]:
    """The filing of this id with its hash, and the version in force of the duty; most often there is neither."""
    if not await fetch(conn, "SELECT id FROM daily_filing WHERE id = $1 UNION ALL SELECT id FROM daily_filing WHERE duty_id = $2", id, duty_id):
        return None, None
    return await _stored(conn, id), await current_filing(conn, duty_id)


async def current_filing(conn: AsyncConnection, duty_id: str) -> Filing | None:
    """The version in force of one report, or None."""
    row = (await conn.execute(select(daily_filing).where(daily_filing.c.duty_id == duty_id, daily_filing.c.current))).first()
    return _filing(row) if row else None


async def versions_of(conn: AsyncConnection, duty_id: str) -> list[Filing]:
    """Every version of one report, newest first."""
    rows = await conn.execute(select(daily_filing).where(daily_filing.c.duty_id == duty_id).order_by(daily_filing.c.version.desc()))
    return [_filing(row) for row in rows]


async def filings_of_day(conn: AsyncConnection, day: str) -> dict[str, Filing]:
    """The versions in force of a day's reports, by duty."""
    rows = await conn.execute(select(daily_filing).where(daily_filing.c.day == day, daily_filing.c.current))
    return {row.duty_id: _filing(row) for row in rows}


# ── drafts ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def save_draft(tx: Transaction, duty_id: str, person: str, content: Any) -> str:
    """Keep what somebody has typed so far; gives when. Only they see it, and it goes when the report is filed."""
    values = {"content": msgspec.json.encode(content).decode(), "updated_at": tx.at}
    where = (daily_draft.c.duty_id == duty_id, daily_draft.c.person == person)
    if (await tx.conn.execute(update(daily_draft).where(*where).values(**values))).rowcount == 0:
        await tx.conn.execute(insert(daily_draft).values(duty_id=duty_id, person=person, **values))
    return tx.at


async def get_draft(conn: AsyncConnection, duty_id: str, person: str) -> tuple[dict[str, Any], str] | None:
    """One's own draft and when it was saved."""
    row = (await conn.execute(select(daily_draft).where(daily_draft.c.duty_id == duty_id, daily_draft.c.person == person))).first()
    return (_values.decode(row.content), row.updated_at) if row else None


# ── what is known, and what contradicts ─────────────────────────────────────────────────────────────────────────────────────────────


def asked_by(template: Template) -> tuple[Asked, ...]:
    """The fields of a template that count something known."""
    return tuple(Asked(field.id, field.measure) for field in template.fields if field.measure is not None)


async def known_facts(conn: AsyncConnection, rules: DutyRules, policy: Policy, o: Obligation, book: Book | None = None) -> list[Fact]:
    """What the hub knows for the period of a report in the department's remit; each says whether the department may see it."""
    key = parts_of(o)
    if key is None or o.drill:
        return []
    return await facts_of(conn, policy, o.department_id, period_of(book or await load_book(conn), rules.calendar, key, o.due_at))


async def weigh(
    conn: AsyncConnection, rules: DutyRules, policy: Policy, o: Obligation, template: Template, *, zero: bool, values: dict[str, Any],
    book: Book | None = None,
) -> tuple[list[Contradiction], list[Contradiction]]:
    """What contradicts this report: for the department's eyes, and what further is for the duty officer alone."""
    return split(asked_by(template), zero=zero, values=values, facts=await known_facts(conn, rules, policy, o, book))


class Weighed(NamedTuple):
    """What a department is shown before it files: the facts it may know, what contradicts, and the values with them added."""

    facts: list[Fact]
    contradictions: list[Contradiction]
    suggested: dict[str, Any]


async def evidence(
    conn: AsyncConnection, rules: DutyRules, policy: Policy, o: Obligation, *, zero: bool, values: dict[str, Any],
) -> Weighed:
    """The evidence for one report as the department may see it."""
    template = await template_of(conn, o)
    facts = [fact for fact in await known_facts(conn, rules, policy, o) if fact.visible]
    asked = asked_by(template)
    own, _ = split(asked, zero=zero, values=values, facts=facts)
    return Weighed(facts, own, suggested(asked, values, facts))


async def _raise_flag(tx: Transaction, filing: Filing, own: Sequence[Contradiction], hidden: Sequence[Contradiction]) -> None:
    held = await get_flag(tx.conn, filing.duty_id)
    if held is None and not own and not hidden:
        return
    flag = Flag(duty_id=filing.duty_id, filing_id=filing.id, department_id=filing.department_id, day=filing.day, contradictions=tuple(own),
                hidden=tuple(hidden), explanation=filing.explanation, updated_at=tx.at)
    await _save_flag(tx, flag, drill=filing.drill, new=held is None)


async def _save_flag(tx: Transaction, flag: Flag, *, drill: bool, new: bool) -> None:
    values = {"filing_id": flag.filing_id, "raised": flag.is_raised, "flag": msgspec.json.encode(flag).decode()}
    if new:
        await tx.conn.execute(insert(daily_flag).values(duty_id=flag.duty_id, department_id=flag.department_id, day=flag.day, drill=drill, **values))
    else:
        await tx.conn.execute(update(daily_flag).where(daily_flag.c.duty_id == flag.duty_id).values(**values))
    tx.record(DailyFlagged(flag=flag), actor=ACTOR, subject=f"daily:{flag.duty_id}", drill=drill)


async def get_flag(conn: AsyncConnection, duty_id: str) -> Flag | None:
    """What contradicts one report, for the duty officer."""
    text = (await conn.execute(select(daily_flag.c.flag).where(daily_flag.c.duty_id == duty_id))).scalar()
    return msgspec.json.decode(text, type=Flag) if text else None


async def flags_of_day(conn: AsyncConnection, day: str, *, where: ColumnElement[bool] | None = None) -> dict[str, Flag]:
    """The flags of a day's reports, by duty."""
    query = select(daily_flag.c.duty_id, daily_flag.c.flag).where(daily_flag.c.day == day)
    rows = await conn.execute(query if where is None else query.where(where))
    return {row.duty_id: msgspec.json.decode(row.flag, type=Flag) for row in rows}


class Found(NamedTuple):
    """A filed report and what now contradicts it: for the department's eyes, and for the duty officer alone."""

    filing: Filing
    own: list[Contradiction]
    hidden: list[Contradiction]


async def recheck(store: Store, rules: DutyRules, policy: Policy) -> int:
    """Compare the reports of yesterday and today with what has become known since they were filed; gives how many flags changed.

    Only departments of which anything is known (or whose report is flagged) are looked at one by one.
    """
    today = local_day(rules.calendar, store.clock.now())
    async with store.read() as conn:
        book = await load_book(conn)
        changed = [found for day in (today - timedelta(days=1), today) for found in await _changed_of_day(conn, rules, policy, book, day.isoformat())]
    for filing, own, hidden in changed:
        async with store.transaction() as tx:
            held = await current_filing(tx.conn, filing.duty_id)
            if held is not None and held.id == filing.id:
                await tx.conn.execute(update(daily_filing).where(daily_filing.c.id == held.id).values(
                    contradictions=msgspec.json.encode(tuple(own)).decode()))
                shown = msgspec.structs.replace(held, contradictions=tuple(own))
                await _raise_flag(tx, shown, own, hidden)
    return len(changed)


async def _changed_of_day(conn: AsyncConnection, rules: DutyRules, policy: Policy, book: Book, day: str) -> list[Found]:
    filings, flags = await filings_of_day(conn, day), await flags_of_day(conn, day)
    periods, concerned = Periods(book, rules.calendar), dict[Period, set[str]]()
    near: list[Filing] = []
    for filing in filings.values():
        period = periods.of(KeyParts(filing.department_id, filing.template, filing.day, filing.slot))
        if period not in concerned:
            concerned[period] = await departments_concerned(conn, period, day)
        if filing.duty_id in flags or filing.department_id in concerned[period]:
            near.append(filing)
    duties = {o.id: o for o in await ledger.get_many(conn, [filing.duty_id for filing in near])}
    found = [await _differs(conn, rules, policy, book, duties[f.duty_id], f, flags.get(f.duty_id)) for f in near]
    return [one for one in found if one is not None]


async def _differs(
    conn: AsyncConnection, rules: DutyRules, policy: Policy, book: Book, o: Obligation, filing: Filing, flag: Flag | None,
) -> Found | None:
    template = book.template_version(filing.template, filing.template_version)
    if template is None or filing.state not in (FilingState.FILED, FilingState.ACCEPTED):
        return None
    own, hidden = await weigh(conn, rules, policy, o, template, zero=filing.zero, values=filing.values, book=book)
    held = (flag.contradictions, flag.hidden) if flag else ((), ())
    if filing.state is FilingState.ACCEPTED:  # somebody has looked at what was known then: only more than that is news
        return Found(filing, own, hidden) if contradicts_more([*own, *hidden], [*held[0], *held[1]]) else None
    return None if (tuple(own), tuple(hidden)) == held else Found(filing, own, hidden)

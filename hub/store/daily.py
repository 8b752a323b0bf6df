"""Daily reports in the store: rows made ahead, one function that files for every channel, returns, acceptances, drafts, flags.

The state of a duty is the ledger's alone; a filing is written in the transaction that meets it, so the two cannot part.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import ColumnElement, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import parse_utc, utc_text
from hub.domain.access import Action, ActorKind, Policy, Post, Role, Scope, may
from hub.domain.calendar import local_day
from hub.domain.contradiction import Asked, Contradiction, Fact, Source, split, suggested
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
    Reporter,
    Schedule,
    ScheduleSaved,
    Template,
    TemplateSaved,
    check_template,
    duty_key,
    expected,
    need_late_reason,
    parse_book,
    parts_of,
    period_of,
    read_content,
    refuse_faults,
)
from hub.domain.data import packaged
from hub.domain.duty_rules import DutyRules
from hub.domain.incident import decode_view
from hub.domain.obligation import Evidence, Obligation, State
from hub.errors import Rejected
from hub.ids import is_id
from hub.store import obligations as ledger
from hub.store.access import incident_things
from hub.store.organisation import list_departments
from hub.store.schema import incident, report
from hub.store.schema_daily import daily_document, daily_draft, daily_filing, daily_flag, daily_made
from hub.store.schema_duty import obligation as duty_table
from hub.store.schema_people import audience_department, incident_audience, share
from hub.store.writer import Store, Transaction
from hub.wire import Receipt, ReceiptStatus

ACTOR: Final = "system:daily"
_TIERS: Final = 2
"""The rank from which an incident is in a department's remit: assist."""
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
    rows = (await conn.execute(select(daily_document).order_by(daily_document.c.id, daily_document.c.version))).all()
    if not rows:
        return book
    return msgspec.structs.replace(
        book, templates=book.templates + tuple(msgspec.json.decode(r.document, type=Template) for r in rows if r.what == "template"),
        schedules=book.schedules + tuple(msgspec.json.decode(r.document, type=Schedule) for r in rows if r.what == "schedule"))


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
    """Make one day's rows and note it; excuse those of departments that are no more. What is late already is not made: nobody knew of it."""
    listed = list(reporters)
    wanted = [o for o in expected(book, rules.calendar, listed, day) if o.due_at + timedelta(minutes=o.grace_min or 0) > tx.now]
    made = await ledger.make(tx, rules, wanted, actor=ACTOR)
    await _excuse_gone(tx, rules, {r.id for r in listed}, day)
    await tx.conn.execute(delete(daily_made).where(daily_made.c.day == day.isoformat()))
    await tx.conn.execute(insert(daily_made).values(day=day.isoformat(), stamp=stamp, made_at=tx.at))
    return len(made)


async def _excuse_gone(tx: Transaction, rules: DutyRules, known: set[str], day: date) -> None:
    for o in await ledger.list_obligations(tx.conn, owed_only=True, kinds=[KIND], day=day.isoformat(), limit=100_000):
        if o.department_id not in known:
            await ledger.excuse(tx, rules, o.id, by=ACTOR, reason="部门已撤销或停用 / the department is no more")


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
        return owed_now or opened[-1]
    if found:
        return found[0]
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


def receipt_of(filing: Filing, *, duplicate: bool = False) -> Receipt:
    """The receipt of a filing: the same whatever channel it came by."""
    status = ReceiptStatus.DUPLICATE if duplicate else ReceiptStatus.STORED
    return Receipt(id=filing.id, status=status, receipt_no=filing.receipt_no, stored_at=filing.filed_at)


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
    if not is_id(id):
        raise Rejected("wrong_id", "id 必须是小写 UUID", "id must be a UUID in lower case", field="id")
    await tx.conn.execute(select(duty_table.c.id).where(duty_table.c.id == duty_id).with_for_update())  # two at once: the second waits here
    o = await ledger.get_obligation(tx.conn, duty_id)
    key = parts_of(o) if o is not None else None
    if o is None or key is None:
        raise Rejected("unknown_obligation", "没有这个应办事项", "there is no such duty", field="duty")
    if by.department_id is not None and by.department_id != o.department_id:
        raise Rejected("wrong_department", "只能为本部门报送", "one files for one's own department only", field="department")
    template = await template_of(tx.conn, o)
    values, faults = read_content(template, content)
    said = hash_of(o.id, content.zero, values, content.note)
    there = await _stored(tx.conn, id)
    if there is not None:
        return _again(there, said)
    refuse_faults(faults)
    return await _file(tx, rules, policy, o, key, template, content, values, said, by, id, based_on)


def _again(there: tuple[Filing, str], said: str) -> tuple[Filing, Receipt]:
    if there[1] != said:
        raise Rejected("id_conflict", "同一编号已有内容不同的日报", "a daily report with this id and other content is stored", field="id")
    return there[0], receipt_of(there[0], duplicate=True)


async def _file(
    tx: Transaction, rules: DutyRules, policy: Policy, o: Obligation, key: KeyParts, template: Template, content: Content, values: dict[str, Any],
    said: str, by: By, id: str, based_on: int | None,
) -> tuple[Filing, Receipt]:
    held = await current_filing(tx.conn, o.id)
    if not o.is_owed:
        _check_correction(o, held, based_on)
        if held is not None and based_on is None:
            return await _twice(tx.conn, o, held, said)
    elif tx.now < o.opens_at:
        raise Rejected("not_open_yet", f"该日报尚未开始报送（{o.opens_at:%Y-%m-%d %H:%M}Z 开始）", f"it opens at {o.opens_at:%Y-%m-%d %H:%M}Z", field="day")
    correcting = not o.is_owed
    reason = None if correcting else need_late_reason(o, content, tx.now, made_at=_made_at(id) if by.at_agent else None)
    own, hidden = await weigh(tx.conn, rules, policy, o, template, zero=content.zero, values=values)
    day = tx.now.astimezone(ZoneInfo(rules.calendar.zone)).strftime("%Y%m%d")
    number = await tx.count(f"receipt:{day}")
    filing = Filing(
        id=id, duty_id=o.id, department_id=o.department_id, template=template.id, template_version=template.version, day=key.day, slot=key.slot,
        version=held.version + 1 if held else 1, zero=content.zero, values=values, note=content.note, state=FilingState.FILED, channel=by.channel,
        actor=by.actor, filed_at=tx.at, late=o.was_late or (not correcting and tx.now > o.late_at), late_reason=reason or (held.late_reason if held else None),
        receipt_no=f"{day}-{number:06d}", drill=o.drill, contradictions=tuple(own), explanation=content.explanation)
    if held is not None:
        await tx.conn.execute(update(daily_filing).where(daily_filing.c.id == held.id).values(current=False, state=FilingState.REPLACED.value))
    await tx.conn.execute(insert(daily_filing).values(**_row(filing), content_hash=said))
    if not correcting:
        proof = Evidence(ref=f"daily:{filing.id}", zh=f"日报回执 {filing.receipt_no}", en=f"daily report, receipt {filing.receipt_no}", at=tx.now)
        await ledger.meet(tx, rules, o.id, by=by.actor, evidence=proof, reason=reason)
    tx.record(DailyFiled(filing=filing), actor=by.actor, subject=f"daily:{o.id}", department_id=o.department_id, drill=o.drill)
    await _raise_flag(tx, filing, own, hidden)
    await tx.conn.execute(delete(daily_draft).where(daily_draft.c.duty_id == o.id))
    return filing, receipt_of(filing)


def _check_correction(o: Obligation, held: Filing | None, based_on: int | None) -> None:
    if o.state is State.MISSED:
        raise Rejected("obligation_locked", "该日报已锁定为漏报，请先由领导解锁", "this report is locked as missed; a leader must unlock it first")
    if o.state is State.EXCUSED:
        raise Rejected("obligation_state", "该日报已准予免报", "this report was excused")
    if based_on is not None and (held is None or held.version != based_on):
        raise Rejected("already_filed", f"已有第 {held.version if held else 0} 版，请核对后再更正", "another version was filed meanwhile; look at it first",
                       field="based_on")


async def _twice(conn: AsyncConnection, o: Obligation, held: Filing, said: str) -> tuple[Filing, Receipt]:
    """The same report by another message is the stored one again; another one is refused and named."""
    stored = await _stored(conn, held.id)
    if stored is not None and stored[1] == said:
        return held, receipt_of(held, duplicate=True)
    raise Rejected("already_filed", f"本日已报送（回执 {held.receipt_no}），如需更改请更正", f"already filed (receipt {held.receipt_no}); correct it instead",
                   field="day")


def _made_at(id: str) -> datetime | None:
    """When a message was made, by its UUIDv7."""
    value = uuid.UUID(id)
    return datetime.fromtimestamp((value.int >> 80) / 1000, UTC) if value.version == 7 else None


async def template_of(conn: AsyncConnection, o: Obligation) -> Template:
    """The template of a daily duty, in the version of its day."""
    key = parts_of(o)
    template = (await load_book(conn)).template(key.template, date.fromisoformat(key.day)) if key else None
    if template is None:
        raise Rejected("unknown_template", "没有这个日报模板", "there is no such daily template", field="template")
    return template


async def give_back(tx: Transaction, rules: DutyRules, duty_id: str, *, by: str, reason: str, due_at: datetime | None = None) -> Filing:
    """Return a filed report for correction, with the reason; its duty is owed again."""
    held = await _held(tx.conn, duty_id)
    await ledger.give_back(tx, rules, duty_id, by=by, reason=reason, due_at=due_at)
    returned = msgspec.structs.replace(held, state=FilingState.RETURNED, decided_by=by, decided_at=tx.at, reason=reason.strip())
    await _decide(tx, returned)
    tx.record(DailyReturned(filing=returned), actor=by, subject=f"daily:{duty_id}", department_id=held.department_id, drill=held.drill)
    return returned


async def accept(tx: Transaction, duty_id: str, *, by: str, reason: str = "") -> Filing:
    """Accept a filed report; one that is contradicted only with the reason, which settles its flag."""
    held = await _held(tx.conn, duty_id)
    if held.state is not FilingState.FILED:
        raise Rejected("filing_state", "只有已报送、未处理的日报可以接收", "only a report that was filed and not decided on can be accepted", field="state")
    flag = await get_flag(tx.conn, duty_id)
    if flag is not None and flag.is_raised and not reason.strip():
        raise Rejected("reason_needed", "该日报与已知情况不符，接收须说明理由", "it contradicts what is known; state why it is accepted", field="reason")
    accepted = msgspec.structs.replace(held, state=FilingState.ACCEPTED, decided_by=by, decided_at=tx.at, reason=reason.strip() or None)
    await _decide(tx, accepted)
    tx.record(DailyAccepted(filing=accepted), actor=by, subject=f"daily:{duty_id}", department_id=held.department_id, drill=held.drill)
    if flag is not None and flag.is_raised:
        await _save_flag(tx, msgspec.structs.replace(flag, settled_by=by, updated_at=tx.at), drill=held.drill, new=False)
    return accepted


async def _held(conn: AsyncConnection, duty_id: str) -> Filing:
    held = await current_filing(conn, duty_id)
    if held is None:
        raise Rejected("not_filed", "该日报尚未报送", "this report has not been filed")
    return held


async def _decide(tx: Transaction, filing: Filing) -> None:
    done = await tx.conn.execute(
        update(daily_filing).where(daily_filing.c.id == filing.id, daily_filing.c.current, daily_filing.c.state == FilingState.FILED.value)
        .values(state=filing.state.value, decided_by=filing.decided_by, decided_at=filing.decided_at, reason=filing.reason))
    if done.rowcount != 1 and filing.state is FilingState.ACCEPTED:
        raise Rejected("changed_meanwhile", "内容已被他人修改，请刷新后重试", "somebody altered it meanwhile; reload and try again")
    if done.rowcount != 1:
        await tx.conn.execute(update(daily_filing).where(daily_filing.c.id == filing.id).values(
            state=filing.state.value, decided_by=filing.decided_by, decided_at=filing.decided_at, reason=filing.reason))


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


async def known_facts(conn: AsyncConnection, rules: DutyRules, policy: Policy, o: Obligation) -> list[Fact]:
    """What the hub knows for the period of a report in the department's remit; each says whether the department may see it."""
    key = parts_of(o)
    if key is None or o.drill:
        return []
    period = period_of(await load_book(conn), rules.calendar, key, o.due_at)
    first, last = utc_text(period.first), utc_text(period.last)
    facts = await _incident_facts(conn, policy, o.department_id, first, last, parse_utc(last))
    facts += await _duty_facts(conn, o.department_id, first, last)
    return sorted(facts, key=lambda fact: (fact.at, fact.id))


async def _incident_facts(conn: AsyncConnection, policy: Policy, department: str, first: str, last: str, now: datetime) -> list[Fact]:
    remit = or_(
        incident.c.department_id == department,
        incident.c.id.in_(select(incident_audience.c.incident_id).join(
            audience_department, audience_department.c.audience_id == incident_audience.c.audience_id).where(
            audience_department.c.department_id == department, audience_department.c.rank >= _TIERS)),
        incident.c.id.in_(select(share.c.incident_id).where(share.c.department_id == department, share.c.rank >= _TIERS)))
    real = (incident.c.drill.is_(False), incident.c.state.not_in(("false_alarm", "merged")), remit)
    rows = (await conn.execute(select(incident.c.id, incident.c.view).where(
        incident.c.occurred_at >= first, incident.c.occurred_at < last, *real))).all()
    further = (await conn.execute(
        select(report.c.id, report.c.incident_id, report.c.receipt_no, report.c.kind, report.c.received_at)
        .join(incident, incident.c.id == report.c.incident_id)
        .where(report.c.received_at >= first, report.c.received_at < last, report.c.kind != "initial", report.c.drill.is_(False),
               incident.c.occurred_at < first, *real))).all()
    seen = await _visible_to(conn, policy, department, [r.id for r in rows] + [r.incident_id for r in further], now)
    facts = [_incident_fact(decode_view(row.view), row.id in seen) for row in rows]
    return facts + [Fact(source=Source.FOLLOW_UP, id=r.id, zh=f"续报 {r.receipt_no}", en=f"follow-up {r.receipt_no}", at=r.received_at,
                         visible=r.incident_id in seen) for r in further]


def _incident_fact(view: Any, visible: bool) -> Fact:
    c = view.casualties
    hurt = [n for n in (c.seriously_injured, c.injured) if n is not None]
    return Fact(source=Source.INCIDENT, id=view.id, zh=f"{view.no} {view.title}", en=f"{view.no} {view.title}", at=view.occurred_at, visible=visible,
                drill=view.drill, dead=c.dead, missing=c.missing, injured=sum(hurt) if hurt else None, evacuated=c.evacuated)


async def _visible_to(conn: AsyncConnection, policy: Policy, department: str, ids: Iterable[str], now: datetime) -> set[str]:
    """Which of these incidents a reporter of the department may read: decided by `may`, as for a person of that post."""
    reporter = policy.actor(ActorKind.PERSON, "", (Post(id="reporter", role=Role.DEPARTMENT_REPORTER, scope=Scope.OWN, department_id=department,
                                                        reach=frozenset({department})),))
    things = await incident_things(conn, ids)
    return {id for id, thing in things.items() if may(reporter, Action.INCIDENT_READ, thing, now).allowed}


async def _duty_facts(conn: AsyncConnection, department: str, first: str, last: str) -> list[Fact]:
    """Cameras that were away and tasks of plans that the department was given: both stand on the ledger."""
    c = duty_table.c
    rows = await conn.execute(select(c.id, c.kind, c.title_zh, c.title_en, c.opens_at).where(
        c.department_id == department, c.kind.in_(("camera_online", "plan_task")), c.drill.is_(False), c.opens_at >= first, c.opens_at < last,
        c.state != State.EXCUSED.value))
    kinds = {"camera_online": Source.CAMERA, "plan_task": Source.TASK}
    return [Fact(source=kinds[r.kind], id=r.id, zh=r.title_zh, en=r.title_en, at=r.opens_at, visible=True) for r in rows]


async def weigh(
    conn: AsyncConnection, rules: DutyRules, policy: Policy, o: Obligation, template: Template, *, zero: bool, values: dict[str, Any],
) -> tuple[list[Contradiction], list[Contradiction]]:
    """What contradicts this report: for the department's eyes, and what further is for the duty officer alone."""
    return split(asked_by(template), zero=zero, values=values, facts=await known_facts(conn, rules, policy, o))


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


async def recheck(store: Store, rules: DutyRules, policy: Policy) -> int:
    """Compare the reports of yesterday and today with what has become known since they were filed; gives how many flags changed."""
    today = local_day(rules.calendar, store.clock.now())
    changed: list[tuple[Filing, list[Contradiction], list[Contradiction]]] = []
    async with store.read() as conn:
        for day in (today - timedelta(days=1), today):
            filings, flags = await filings_of_day(conn, day.isoformat()), await flags_of_day(conn, day.isoformat())
            duties = {o.id: o for o in await ledger.get_many(conn, filings)}
            for duty_id, filing in filings.items():
                found = await _differs(conn, rules, policy, duties[duty_id], filing, flags.get(duty_id))
                if found is not None:
                    changed.append((filing, *found))
    for filing, own, hidden in changed:
        async with store.transaction() as tx:
            held = await current_filing(tx.conn, filing.duty_id)
            if held is not None and held.id == filing.id:
                await tx.conn.execute(update(daily_filing).where(daily_filing.c.id == held.id).values(
                    contradictions=msgspec.json.encode(tuple(own)).decode()))
                shown = msgspec.structs.replace(held, contradictions=tuple(own))
                await _raise_flag(tx, shown, own, hidden)
    return len(changed)


async def _differs(
    conn: AsyncConnection, rules: DutyRules, policy: Policy, o: Obligation, filing: Filing, flag: Flag | None,
) -> tuple[list[Contradiction], list[Contradiction]] | None:
    template = (await load_book(conn)).template_version(filing.template, filing.template_version)
    if template is None or filing.state is not FilingState.FILED:
        return None
    own, hidden = await weigh(conn, rules, policy, o, template, zero=filing.zero, values=filing.values)
    held = (flag.contradictions, flag.hidden) if flag else ((), ())
    return None if (tuple(own), tuple(hidden)) == held else (own, hidden)

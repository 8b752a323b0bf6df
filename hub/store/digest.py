"""The digest of each day in the store: it drafts itself at its hour, is edited, signed, and published in the sharing group."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import parse_utc, utc_text
from hub.domain import digest as rule
from hub.domain.calendar import at_local, local_day
from hub.domain.daily import KIND, Book, FieldKind
from hub.domain.digest import Digest, DigestSaved, DigestSigned, DigestState, Event, Line, Section
from hub.domain.duty_rules import DutyRules
from hub.domain.group import Group
from hub.domain.incident import IncidentView
from hub.domain.obligation import Evidence, Owed
from hub.errors import Rejected, changed_meanwhile
from hub.ids import new_id
from hub.store import obligations as ledger
from hub.store.board import board
from hub.store.daily import filings_of_day, load_book
from hub.store.groups import get_group, save_group, write
from hub.store.organisation import list_departments
from hub.store.reports import incidents_between
from hub.store.schema import incident
from hub.store.schema_daily import digest as table
from hub.store.writer import Store, Transaction

ACTOR: Final = "system:digest"


async def get_digest(conn: AsyncConnection, day: str) -> Digest | None:
    """The digest of a day, or None."""
    text = (await conn.execute(select(table.c.document).where(table.c.day == day))).scalar()
    return msgspec.json.decode(text, type=Digest) if text else None


async def list_digests(conn: AsyncConnection, *, limit: int = 60) -> list[Digest]:
    """Digests, newest first."""
    rows = (await conn.execute(select(table.c.document).order_by(table.c.day.desc()).limit(limit))).scalars()
    return [msgspec.json.decode(text, type=Digest) for text in rows]


async def draft_when_due(store: Store, rules: DutyRules) -> Digest | None:
    """Draft the digest whose hour has come and that is not there yet: yesterday's first, where the hub was down at its hour. Idle, it only reads."""
    now = store.clock.now()
    today = local_day(rules.calendar, now)
    for day in (today - timedelta(days=1), today):
        async with store.read() as conn:
            due = now >= at_local(rules.calendar, day, rules.digest.at) and await _lacks_digest(conn, day, past=day < today)
        if due:
            async with store.transaction() as tx:
                return await draft(tx, rules, await load_book(tx.conn), day, by=ACTOR)
    return None


async def _lacks_digest(conn: AsyncConnection, day: date, *, past: bool) -> bool:
    """Is there no digest of the day; of a past one only where somebody owed a report then (before a hub's first day nobody did)?"""
    if await get_digest(conn, day.isoformat()) is not None:
        return False
    return not past or bool(await ledger.list_obligations(conn, kinds=[KIND], day=day.isoformat(), drills=False, limit=1))


async def draft(tx: Transaction, rules: DutyRules, book: Book, day: date, *, by: str) -> Digest:
    """Draft a day's digest from the ledger, or draft it anew while it is not signed; the digest is owed by the desk's post until signed."""
    held = await get_digest(tx.conn, day.isoformat())
    if held is not None and held.state is DigestState.SIGNED:
        raise Rejected("digest_signed", "要情已签发，不能再修改", "the digest is signed; nothing of it changes any more")
    made = await _compose(tx, rules, book, day, held)
    if held is None:
        await tx.conn.execute(insert(table).values(day=made.day, id=made.id, **_values(made, tx.at)))
        post = f"{rules.digest.department}.duty"
        await ledger.make(tx, rules, [Owed(
            key=f"digest:{made.day}", kind="digest", department_id=rules.digest.department, post_id=post, subject=f"digest:{made.day}", day=made.day,
            title_zh=f"签发{made.heading} {made.day}", title_en=f"sign the digest of {made.day}",
            due_at=tx.now + timedelta(minutes=rules.digest.sign_within_min))], actor=ACTOR)
    else:
        await _set(tx, held.version, made)
    tx.record(DigestSaved(digest=made), actor=by, subject=f"digest:{made.day}")
    return made


def _values(d: Digest, at: str) -> dict[str, object]:
    return {"version": d.version, "state": d.state.value, "document": msgspec.json.encode(d).decode(), "updated_at": at}


async def _set(tx: Transaction, version: int, d: Digest) -> None:
    done = await tx.conn.execute(update(table).where(table.c.day == d.day, table.c.version == version).values(**_values(d, tx.at)))
    if done.rowcount != 1:
        raise changed_meanwhile()


async def _compose(tx: Transaction, rules: DutyRules, book: Book, day: date, held: Digest | None) -> Digest:
    zone = ZoneInfo(rules.calendar.zone)
    names = {d.id: (d.zh, d.en) for d in await list_departments(tx.conn)}
    shown = await board(tx.conn, day.isoformat(), tx.now, whole=True, reach=frozenset())
    lines = tuple(Line(department_id=r.department_id, zh=_name(names, r.department_id)[0], en=_name(names, r.department_id)[1], standing=r.standing,
                       contradicted=r.contradicted) for r in shown.rows)
    first, last = utc_text(at_local(rules.calendar, day, "00:00")), utc_text(at_local(rules.calendar, day, "24:00"))
    views = await incidents_between(tx.conn, first, last, where=incident.c.drill.is_(False) & incident.c.state.not_in(("false_alarm", "merged")))
    events = tuple(_event(view, zone) for view in views)
    line, line_en, missing = rule.first_lines(lines, f"{tx.now.astimezone(zone):%H:%M}")
    number = held.number if held else await tx.count(f"digest:{day.year}")
    return Digest(
        id=held.id if held else new_id(), day=day.isoformat(), number=number, version=held.version + 1 if held else 1, state=DigestState.DRAFTED,
        heading=rules.digest.heading_zh, issuer=names.get(rules.digest.department, (rules.digest.department,) * 2)[0], first_line=line,
        first_line_en=line_en, missing=missing, lines=lines, events=events,
        sections=rule.sections(lines, events, summaries=await _summaries(tx.conn, book, day, names)), drafted_at=tx.at)


def _name(names: dict[str, tuple[str, str]], id: str) -> tuple[str, str]:
    return names.get(id, (id, id))


async def _summaries(conn: AsyncConnection, book: Book, day: date, names: dict[str, tuple[str, str]]) -> list[tuple[str, str]]:
    """What departments wrote in the text fields of their reports."""
    found = []
    for filing in (await filings_of_day(conn, day.isoformat())).values():
        template = book.template_version(filing.template, filing.template_version)
        texts = [str(filing.values[f.id]) for f in (template.fields if template else ()) if f.kind is FieldKind.TEXT and filing.values.get(f.id)]
        if texts and not filing.drill:
            found.append((names.get(filing.department_id, (filing.department_id, ""))[0], "；".join(texts)))
    return sorted(found)


def toll_of(view: IncidentView) -> str:
    """The casualties of an incident in words; what is not known is left out."""
    c = view.casualties
    words = (("死亡", c.dead), ("失踪", c.missing), ("重伤", c.seriously_injured), ("受伤", c.injured), ("被困", c.trapped), ("中毒", c.poisoned),
             ("转移", c.evacuated))
    return "、".join(f"{word}{n}人" for word, n in words if n)


GRADES: Final = {"general": "一般", "serious": "较大", "major": "重大", "extraordinary": "特别重大"}


def _event(view: IncidentView, zone: ZoneInfo) -> Event:
    return Event(id=view.id, no=view.no, title=view.title, place=view.place.text or "", grade=GRADES.get(view.grade or ""), state=view.state.value,
                 occurred_at=f"{parse_utc(view.occurred_at).astimezone(zone):%H:%M}", toll=toll_of(view))


async def edit(tx: Transaction, day: str, sections: tuple[Section, ...], *, by: str, based_on: int) -> Digest:
    """Store altered sections."""
    held = await _held(tx, day)
    edited = rule.edit(held, sections, by=by, based_on=based_on)
    await _set(tx, held.version, edited)
    tx.record(DigestSaved(digest=edited), actor=by, subject=f"digest:{day}")
    return edited


async def _held(tx: Transaction, day: str) -> Digest:
    held = await get_digest(tx.conn, day)
    if held is None:
        raise Rejected("no_digest", "该日尚无要情", "there is no digest of that day", field="day")
    return held


async def sign(tx: Transaction, rules: DutyRules, day: str, *, by: str, name: str, department_id: str | None, based_on: int) -> Digest:
    """Sign the digest, publish it in the sharing group (pinned), and meet the duty of the desk's post, all in one transaction."""
    held = await _held(tx, day)
    post_id = new_id()
    signed = rule.sign(held, by=by, name=name, at=tx.at, based_on=based_on, post_id=post_id)
    await _set(tx, held.version, signed)
    await _group(tx, rules)
    await write(tx, rules, rules.digest.group, as_text(signed), id=post_id, by=by, name=name, department_id=department_id, digest_day=day, pin=True)
    tx.record(DigestSigned(digest=signed), actor=by, subject=f"digest:{day}")
    await ledger.meet_where_owed(tx, rules, by=by, subject=f"digest:{day}", kinds={"digest"},
                                 evidence=Evidence(ref=f"digest:{held.id}", zh=f"已签发第{held.number}期", en=f"signed, number {held.number}", at=tx.now))
    return signed


async def _group(tx: Transaction, rules: DutyRules) -> Group:
    """The sharing group of the whole district: made where it is not there yet, with every active department, also those founded since."""
    members = tuple(d.id for d in await list_departments(tx.conn) if d.active)
    held = await get_group(tx.conn, rules.digest.group)
    if held is None:
        return await save_group(tx, Group(id=rules.digest.group, zh="全区突发事件信息共享群", en="sharing group of the district",
                                          purpose="每日要情与突发事件信息共享", departments=members), by=ACTOR)
    if set(members) <= set(held.departments):
        return held
    return await save_group(tx, msgspec.structs.replace(held, departments=tuple(dict.fromkeys([*held.departments, *members]))), by=ACTOR)


def as_text(d: Digest) -> str:
    """The digest as plain text: who is missing on the first line."""
    body = "\n\n".join(f"【{s.zh}】\n{s.text}" for s in d.sections if s.text.strip())
    return f"{d.first_line}\n{d.heading} {d.day} 第{d.number}期\n\n{body}"[:10_000]

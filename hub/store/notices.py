"""The outbox of notices and the contacts they go to. A notice is claimed under a lease, sent outside, and marked; its id never changes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, and_, insert, or_, select, text, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.duty_rules import DutyRules
from hub.domain.incident import OPEN_STATES
from hub.domain.notice import (
    OPEN_EN,
    OPEN_ID,
    OPEN_ZH,
    Contact,
    ContactSaved,
    ContactState,
    Fields,
    Notice,
    NoticeFailed,
    NoticeRead,
    NoticesEnded,
    NoticeSent,
    NoticesQueued,
    NoticeState,
    fields_of,
    masked,
    quiet_until,
    render,
    still_wanted,
)
from hub.domain.obligation import LIVE, Obligation, State, whole_ms
from hub.domain.roster import Post
from hub.errors import Rejected, changed_meanwhile
from hub.ids import new_id
from hub.store.bulk import Rows, fetch, insert_rows
from hub.store.roster import Address, Target
from hub.store.rows import Alike, parse_utc, text_of, update_many, utc_text
from hub.store.schema import incident
from hub.store.schema_duty import contact as contact_table
from hub.store.schema_duty import notice as table
from hub.store.schema_duty import obligation as duty
from hub.store.writer import Transaction

LEASE = timedelta(seconds=60)
"""How long a claimed notice stays with its worker: longer than any channel may take (30 s), so that a slow gateway makes no second copy."""
LONGEST_RETRY = timedelta(minutes=10)
"""The longest that a notice waits after a failed try."""
MAX_ATTEMPTS = 6
"""Tries before a notice has failed for good; with `backoff` they span about 16 minutes."""
CHANGES_PER_RECORD = 200
PENDING_LIMIT = 200


_WAITING = "SELECT 1 FROM notice WHERE obligation_id = $1 AND state = 'queued' AND next_try_at IS NOT NULL LIMIT 1"
DEPARTMENT = table.c.department_id
"""The column that access to notices is decided by."""


class Outgoing(NamedTuple):
    """A claimed notice with what a channel needs: the real address, and the duty it is about."""

    notice: Notice
    address: str
    lease_by: str


class Draft(NamedTuple):
    """A notice to be written, as the screens see it, with what the store alone knows: its dedupe key and the real address."""

    notice: Notice
    dedupe: str
    address: str


def draft(
    rules: DutyRules, *, dedupe: str, channel: str, address: str, template: str, fields: Fields, now: datetime, max_age: timedelta,
    language: str = "zh", urgent: bool = False, drill: bool = False, quiet: tuple[str, str] | None = None, obligation: Obligation | None = None,
    escalation_id: str | None = None, department_id: str | None = None, incident_id: str | None = None, post_id: str | None = None,
    contact_id: str | None = None, id: str | None = None,
) -> Draft:
    """Write one notice: worded, with its place in the outbox. What is for the screen is sent with the commit; quiet hours defer the rest."""
    id, now = id or new_id(), whole_ms(now)
    console, own = channel == "console", {"notice": id[-12:]}
    if console:  # whoever reads it there is signed in: no link stands for a signature
        own["link"] = ""
    title, body = render(rules.templates[template], "zh" if console else language, fields, **own)
    title_en, body_en = render(rules.templates[template], "en", fields, **own) if console else (None, None)
    waits = None if urgent or console else quiet_until(rules.quiet, channel, now, rules.calendar.zone, own=quiet)
    notice = Notice(
        id=id, channel=channel, to=masked(address), title=title, body=body, template=template, urgent=urgent, drill=drill,
        state=NoticeState.SENT if console else NoticeState.QUEUED, attempts=0, created_at=now, expires_at=whole_ms(now + max_age),
        obligation_id=obligation.id if obligation else None, escalation_id=escalation_id,
        department_id=obligation.department_id if obligation else department_id, incident_id=obligation.incident_id if obligation else incident_id,
        post_id=post_id, contact_id=contact_id, next_try_at=None if console else waits or now, sent_at=now if console else None,
        title_en=title_en, body_en=body_en,
    )
    return Draft(notice, dedupe, address)


def for_duty(written: Draft, o: Obligation) -> Draft:
    """A notice of this duty, from one that was written for any duty like it, with its names left open (`hub.domain.notice.OPEN_ID`)."""
    n, id, en = written.notice, new_id(), o.title_en or o.title_zh

    def own(text: str) -> str:
        return text.replace(n.id[-12:], id[-12:]).replace(OPEN_ZH, o.title_zh).replace(OPEN_EN, en)

    return Draft(msgspec.structs.replace(
        n, id=id, title=own(n.title), body=own(n.body), obligation_id=o.id, escalation_id=n.escalation_id and n.escalation_id.replace(OPEN_ID, o.id),
        title_en=n.title_en and own(n.title_en), body_en=n.body_en and own(n.body_en),
    ), written.dedupe.replace(OPEN_ID, o.id), written.address)


def rows_of(drafts: Sequence[Draft]) -> Rows:
    """The rows of notices that were just written."""
    return Rows(table, [(
        n.id, dedupe, n.obligation_id, n.escalation_id, n.department_id, n.incident_id, n.post_id, n.contact_id, n.channel, address, n.template,
        n.title, n.body, n.urgent, n.drill, n.state.value, n.attempts, utc_text(n.created_at), utc_text(n.expires_at), text_of(n.next_try_at),
        None, text_of(n.sent_at), n.error, None, None, n.version, n.title_en, n.body_en,
    ) for n, dedupe, address in drafts])


def drafts_for(
    rules: DutyRules, o: Obligation, targets: Sequence[Target], *, template: str, channels: Collection[str], now: datetime,
    max_age: timedelta, urgent: bool, dedupe: str, escalation_id: str | None = None, step: int = 0, owner: Post | None = None,
) -> list[Draft]:
    """The notices of one step of a duty: to the screen of each post, to each of its addresses, to its department's agents."""
    found: dict[str, Draft] = {}
    for target in targets:
        post = target.post
        fields = fields_of(o, now=now, zone=rules.calendar.zone, post=post, kind=rules.kinds.get(o.kind), step=step, owner=owner)
        for channel, address, language, quiet, contact_id in _ways(target, channels):
            key = f"{dedupe}:{channel}:{contact_id or address}"
            if key not in found:
                found[key] = draft(
                    rules, dedupe=key, channel=channel, address=address, template=template, fields=fields, now=now, max_age=max_age,
                    language=language, urgent=urgent, drill=o.drill, quiet=quiet, obligation=o, escalation_id=escalation_id,
                    post_id=post.id, contact_id=contact_id,
                )
    return list(found.values())


def message_drafts(
    rules: DutyRules, target: Target, fields: Fields, *, id: str, now: datetime, max_age: timedelta, urgent: bool, drill: bool = False,
    channels: Collection[str] = ("console", "push"), template: str = "message", incident_id: str | None = None,
) -> list[Draft]:
    """A message that is about no duty, to one post by these channels; `id` names the message, so that sending it twice is once.

    One about an incident waits on screens only as long as the incident goes on (`list_pending`)."""
    return [
        draft(rules, dedupe=f"message:{id}:{target.post.id}:{channel}:{contact_id or address}", channel=channel, address=address,
              template=template, fields=fields, now=now, max_age=max_age, language=language, urgent=urgent, drill=drill,
              quiet=quiet, department_id=target.post.department_id, incident_id=incident_id, post_id=target.post.id, contact_id=contact_id)
        for channel, address, language, quiet, contact_id in _ways(target, channels)
    ]


def _ways(target: Target, channels: Collection[str]) -> list[tuple[str, str, str, tuple[str, str] | None, str | None]]:
    """Channel, address, language, own quiet hours, contact: every way to this post by these channels."""
    ways: list[tuple[str, str, str, tuple[str, str] | None, str | None]] = []
    if "console" in channels:
        ways.append(("console", f"post:{target.post.id}", "zh", None, None))
    if "push" in channels:
        ways += [("push", a.address, a.language, a.quiet, a.id) for a in target.addresses]
    if "mqtt" in channels:
        ways += [("mqtt", f"agent:{agent}", "zh", None, None) for agent in target.agents]
    return ways


async def queue(tx: Transaction, drafts: Sequence[Draft], *, actor: str) -> tuple[Notice, ...]:
    """Put notices into the outbox and record them, one change for each department; a dedupe key that exists is left alone."""
    keys = [d.dedupe for d in drafts]
    held = {row.dedupe for row in await tx.conn.execute(select(table.c.dedupe).where(table.c.dedupe.in_(keys)))} if keys else set()
    fresh = [d for d in drafts if d.dedupe not in held]
    await insert_rows(tx.conn, rows_of(fresh))
    _record_by_department(tx, [d.notice for d in fresh], actor, NoticesQueued)
    return tuple(d.notice for d in fresh)


def _record_by_department(tx: Transaction, notices: Sequence[Notice], actor: str, body: type[NoticesQueued] | type[NoticesEnded]) -> None:
    groups: dict[tuple[str | None, str | None, bool], list[Notice]] = {}
    for n in notices:
        groups.setdefault((n.department_id, n.incident_id, n.drill), []).append(n)
    for (department_id, incident_id, drill), group in groups.items():
        for start in range(0, len(group), CHANGES_PER_RECORD):
            part = tuple(group[start : start + CHANGES_PER_RECORD])
            tx.record(body(notices=part), actor=actor, subject=f"notice:{part[0].id}", department_id=department_id, incident_id=incident_id,
                      drill=drill)


def to_notice(row: Any) -> Notice:
    """A stored notice."""
    def at(text: str | None) -> datetime | None:
        return parse_utc(text) if text else None

    return Notice(
        id=row.id, channel=row.channel, to=masked(row.address), title=row.title, body=row.body, template=row.template,
        state=NoticeState(row.state), created_at=parse_utc(row.created_at), expires_at=parse_utc(row.expires_at), urgent=bool(row.urgent),
        drill=bool(row.drill), attempts=row.attempts, obligation_id=row.obligation_id, escalation_id=row.escalation_id,
        department_id=row.department_id, incident_id=row.incident_id, post_id=row.post_id, contact_id=row.contact_id,
        next_try_at=at(row.next_try_at), sent_at=at(row.sent_at), error=row.error, read_at=at(row.read_at), read_by=row.read_by,
        version=row.version, title_en=row.title_en, body_en=row.body_en,
    )


# --- claim, send, mark -----------------------------------------------------------------------------------------------------------------

async def is_due(conn: AsyncConnection, now: datetime) -> bool:
    """Is there a notice whose time has come (a read, so that an idle worker never waits for the writer)?"""
    return (await conn.execute(select(table.c.id).where(table.c.next_try_at <= utc_text(now)).limit(1))).first() is not None


async def claim(tx: Transaction, *, worker: str, limit: int = 20, not_ours: Collection[str] = ()) -> list[Outgoing]:
    """Claim what is due, the urgent first, for `LEASE`; a claim whose lease ran out (its worker died) is due again.

    What has become too old is expired here, what its duty no longer wants is dropped: neither is ever claimed. Notices of the channels
    `not_ours` are left to the processes that have them.
    """
    ours = or_(table.c.channel.not_in(sorted(not_ours)), table.c.expires_at <= tx.at) if not_ours else true()
    query = (select(table).where(table.c.next_try_at <= tx.at, ours).order_by(table.c.urgent.desc(), table.c.next_try_at).limit(limit)
             .with_for_update(skip_locked=True))
    rows = (await tx.conn.execute(query)).all()
    wanted = await _duties(tx.conn, {row.obligation_id for row in rows if row.obligation_id})
    ended: list[Notice] = []
    claimed: list[Outgoing] = []
    for row in rows:
        notice = to_notice(row)
        if notice.expires_at <= tx.now:
            ended.append(_end(notice, NoticeState.EXPIRED, "超过最长时限 / too old"))
        elif not still_wanted(wanted.get(row.obligation_id), tx.now):
            ended.append(_end(notice, NoticeState.DROPPED, "事项已办结或已确认 / met or acknowledged"))
        elif notice.attempts >= MAX_ATTEMPTS:
            ended.append(_end(notice, NoticeState.FAILED, notice.error or "多次中断 / interrupted too often"))
        else:
            until = whole_ms(tx.now + LEASE)
            held = msgspec.structs.replace(notice, state=NoticeState.CLAIMED, attempts=notice.attempts + 1, next_try_at=until,
                                           version=notice.version + 1)
            claimed.append(Outgoing(held, row.address, worker))
    await _write(tx, [(o.notice, worker) for o in claimed])
    await _finish(tx, ended)
    return claimed


def _end(notice: Notice, state: NoticeState, error: str) -> Notice:
    return msgspec.structs.replace(notice, state=state, error=error, next_try_at=None, version=notice.version + 1)


async def _duties(conn: AsyncConnection, ids: Collection[str]) -> dict[str, Obligation]:
    from hub.store.obligations import get_many

    return {o.id: o for o in await get_many(conn, ids)}


async def _write(tx: Transaction, notices: Sequence[tuple[Notice, str | None]]) -> None:
    """Store the moving parts of notices whose rows this transaction has locked or just read under the writer's lock."""
    alike: Alike = {}
    for n, lease in notices:
        alike.setdefault((n.state.value, n.attempts, text_of(n.next_try_at), lease, text_of(n.sent_at), n.error, n.version), []).append(n.id)
    await update_many(tx, table, ("state", "attempts", "next_try_at", "lease_by", "sent_at", "error", "version"), alike)


async def _finish(tx: Transaction, ended: Sequence[Notice]) -> None:
    await _write(tx, [(n, None) for n in ended])
    failed = [n for n in ended if n.state is NoticeState.FAILED]
    for n in failed:
        tx.record(NoticeFailed(notice=n), actor="system:notify", subject=f"notice:{n.id}", department_id=n.department_id,
                  incident_id=n.incident_id, drill=n.drill)
    _record_by_department(tx, [n for n in ended if n.state is not NoticeState.FAILED], "system:notify", NoticesEnded)


async def defer(tx: Transaction, outs: Sequence[Outgoing], by: timedelta) -> None:
    """Give claimed notices back for a while, without counting a try: their gateway has enough to do."""
    for out in outs:
        held = out.notice
        await _mark(tx, out, msgspec.structs.replace(
            held, state=NoticeState.QUEUED, attempts=held.attempts - 1, next_try_at=whole_ms(tx.now + by), version=held.version + 1))


async def set_back(tx: Transaction) -> None:
    """After the clock was set back: what waited for no quiet hours is due again now, and no lease or retry lasts longer than it ever could have."""
    rows = await tx.conn.execute(select(table).where(table.c.next_try_at > tx.at).with_for_update())
    for row in rows:
        held = to_notice(row)
        waited_for_quiet = held.attempts == 0 and held.next_try_at != held.created_at
        longest = LEASE if held.state is NoticeState.CLAIMED else LONGEST_RETRY if held.attempts else timedelta(0)
        if not waited_for_quiet and held.next_try_at is not None and held.next_try_at > tx.now + longest:
            sooner = msgspec.structs.replace(held, next_try_at=whole_ms(tx.now + longest))  # the same version: its worker may be about to mark it
            await _write(tx, [(sooner, row.lease_by)])


async def is_still_wanted(conn: AsyncConnection, out: Outgoing, now: datetime) -> bool:
    """The last look before a channel sends: still claimed by this worker, not too old, and its duty still unmet and unacknowledged."""
    row = (await conn.execute(select(table.c.state, table.c.lease_by, table.c.version).where(table.c.id == out.notice.id))).first()
    if row is None or row.state != NoticeState.CLAIMED or row.lease_by != out.lease_by or row.version != out.notice.version:
        return False
    if out.notice.expires_at <= now:
        return False
    if out.notice.obligation_id is None:
        return True
    duties = await _duties(conn, {out.notice.obligation_id})
    return still_wanted(duties.get(out.notice.obligation_id), now)


async def mark_sent(tx: Transaction, out: Outgoing) -> bool:
    """Mark a notice as sent; False where another worker has taken it over meanwhile (its lease ran out)."""
    sent = msgspec.structs.replace(out.notice, state=NoticeState.SENT, sent_at=whole_ms(tx.now), next_try_at=None, error=None,
                                   version=out.notice.version + 1)
    if not await _mark(tx, out, sent):
        return False
    tx.record(NoticeSent(notice=sent), actor="system:notify", subject=f"notice:{sent.id}", department_id=sent.department_id,
              incident_id=sent.incident_id, drill=sent.drill)
    return True


async def mark_failed(tx: Transaction, out: Outgoing, *, error: str, permanent: bool, retry_in: timedelta) -> Notice | None:
    """Note a failed try: due again after `retry_in`, or failed for good where it is permanent, the last try, or would be too old then."""
    again = whole_ms(tx.now + retry_in)
    final = permanent or out.notice.attempts >= MAX_ATTEMPTS or again >= out.notice.expires_at
    failed = msgspec.structs.replace(
        out.notice, state=NoticeState.FAILED if final else NoticeState.QUEUED, error=error[:500], next_try_at=None if final else again,
        version=out.notice.version + 1,
    )
    if not await _mark(tx, out, failed):
        return None
    tx.record(NoticeFailed(notice=failed), actor="system:notify", subject=f"notice:{failed.id}", department_id=failed.department_id,
              incident_id=failed.incident_id, drill=failed.drill)
    return failed


async def mark_unwanted(tx: Transaction, out: Outgoing) -> None:
    """Give back a claimed notice that turned out not to be wanted (or too old) at the last look."""
    old = out.notice.expires_at <= tx.now
    ended = _end(out.notice, NoticeState.EXPIRED if old else NoticeState.DROPPED,
                 "超过最长时限 / too old" if old else "事项已办结或已确认 / met or acknowledged")
    if await _mark(tx, out, ended):
        _record_by_department(tx, [ended], "system:notify", NoticesEnded)


async def _mark(tx: Transaction, out: Outgoing, to: Notice) -> bool:
    done = await tx.conn.execute(
        update(table).where(table.c.id == to.id, table.c.state == NoticeState.CLAIMED.value, table.c.version == out.notice.version)
        .values(state=to.state.value, attempts=to.attempts, sent_at=utc_text(to.sent_at) if to.sent_at else None, error=to.error, lease_by=None,
                next_try_at=utc_text(to.next_try_at) if to.next_try_at else None, version=to.version)
    )
    return done.rowcount == 1


async def drop_queued(tx: Transaction, obligation_ids: Collection[str], *, actor: str, why: str) -> int:
    """Drop what still waits for these duties: met, excused or acknowledged. Nothing queued goes out after this commit."""
    ended: list[Notice] = []
    ids = sorted(obligation_ids)
    if len(ids) == 1 and not await fetch(tx.conn, _WAITING, ids[0]):
        return 0
    for start in range(0, len(ids), 500):
        rows = await tx.conn.execute(
            select(table).where(table.c.obligation_id.in_(ids[start : start + 500]), table.c.state == NoticeState.QUEUED.value,
                                table.c.next_try_at.is_not(None)).with_for_update())
        ended += [_end(to_notice(row), NoticeState.DROPPED, why) for row in rows]
    await _write(tx, [(n, None) for n in ended])
    _record_by_department(tx, ended, actor, NoticesEnded)
    return len(ended)


# --- reads and acts of people ----------------------------------------------------------------------------------------------------------

async def get_notice(conn: AsyncConnection, id: str) -> Notice | None:
    """One notice, or None."""
    row = (await conn.execute(select(table).where(table.c.id == id))).first()
    return to_notice(row) if row else None


async def list_notices(
    conn: AsyncConnection, *, states: Collection[str] | None = None, posts: Collection[str] | None = None, obligation_id: str | None = None,
    before: str | None = None, limit: int = 100, where: ColumnElement[bool] | None = None,
) -> list[Notice]:
    """Notices, newest first, by keyset (`before` is a notice id); `where` narrows it to what the reader may see (on `DEPARTMENT`)."""
    query = select(table).order_by(table.c.id.desc()).limit(limit)
    if states is not None and set(states) == {NoticeState.FAILED}:
        query = query.where(text("state = 'failed'"))  # as the partial index has it
    elif states:
        query = query.where(table.c.state.in_(sorted(states)))
    if posts is not None:
        query = query.where(table.c.post_id.in_(sorted(posts)))
    if obligation_id is not None:
        query = query.where(table.c.obligation_id == obligation_id)
    if where is not None:
        query = query.where(where)
    if before is not None:
        query = query.where(table.c.id < before)
    return [to_notice(row) for row in await conn.execute(query)]


async def list_pending(
    conn: AsyncConnection, rules: DutyRules, *, posts: Collection[str], now: datetime, where: ColumnElement[bool] | None = None,
) -> list[Notice]:
    """What still waits on the screens of these posts, newest first: unread, not too old, and its duty still owed and not acknowledged;
    what tells of an incident and of no duty, while that incident goes on.

    Duties that the alarm of every screen tells of are not among them.
    """
    since = new_id(int((now - rules.longest_notice).timestamp() * 1000))[:13]
    owed = select(duty.c.id).where(
        duty.c.id == table.c.obligation_id, duty.c.state.in_([*LIVE, State.MISSED]), duty.c.kind.not_in(sorted(rules.alarmed)),
        or_(duty.c.ack_until.is_(None), duty.c.ack_until <= utc_text(now)))
    over = select(incident.c.id).where(incident.c.id == table.c.incident_id, incident.c.state.not_in(sorted(OPEN_STATES)))
    query = (select(table).where(table.c.post_id.in_(sorted(posts)), table.c.id >= since, table.c.channel == "console", table.c.read_at.is_(None),
                                 table.c.expires_at > utc_text(now), or_(owed.exists(), and_(table.c.obligation_id.is_(None), ~over.exists())))
             .order_by(table.c.id.desc()).limit(PENDING_LIMIT))
    return [to_notice(row) for row in await conn.execute(query if where is None else query.where(where))]


async def rules_of_duties(conn: AsyncConnection, ids: Collection[str]) -> dict[str, str]:
    """The id of each of these duties (at most `PENDING_LIMIT`) → the rule under which it is owed: its kind and that rule's source."""
    rows = await conn.execute(select(duty.c.id, duty.c.kind, duty.c.rule).where(duty.c.id.in_(sorted(ids))))
    return {row.id: f"{row.kind} {row.rule or ''}".rstrip() for row in rows}


async def mark_read(tx: Transaction, id: str, *, by: str) -> Notice:
    """Note that somebody read a notice on the screen; reading it twice changes nothing. Raises Rejected for an unknown one."""
    held = await get_notice(tx.conn, id)
    if held is None:
        raise Rejected("unknown_notice", "没有这条通知", "there is no such notice", field="id")
    if held.read_at is not None:
        return held
    read = msgspec.structs.replace(held, read_at=whole_ms(tx.now), read_by=by, version=held.version + 1)
    done = await tx.conn.execute(update(table).where(table.c.id == id, table.c.version == held.version)
                                 .values(read_at=tx.at, read_by=by, version=read.version))
    if done.rowcount != 1:
        raise changed_meanwhile()
    tx.record(NoticeRead(notice=read), actor=by, subject=f"notice:{id}", department_id=held.department_id, incident_id=held.incident_id,
              drill=held.drill)
    return read


async def try_again(tx: Transaction, id: str, *, by: str) -> Notice:
    """Queue a failed notice once more, where it is not too old. Raises Rejected otherwise."""
    held = await get_notice(tx.conn, id)
    if held is None or held.state is not NoticeState.FAILED or held.expires_at <= tx.now:
        raise Rejected("not_retryable", "只能重发未过时限的失败通知", "only a failed notice that is not too old can be sent again", field="id")
    again = msgspec.structs.replace(held, state=NoticeState.QUEUED, attempts=0, next_try_at=whole_ms(tx.now), version=held.version + 1)
    await _write(tx, [(again, None)])
    _record_by_department(tx, [again], by, NoticesQueued)
    return again


# --- contacts ----------------------------------------------------------------------------------------------------------------------------

def _contact(row: Any, *, show: bool = False) -> Contact:
    return Contact(
        id=row.id, name=row.name, address=row.address if show else masked(row.address), post_id=row.post_id, person_id=row.person_id,
        language=row.language, urgent_only=bool(row.urgent_only), quiet_starts=row.quiet_starts, quiet_ends=row.quiet_ends,
        active=bool(row.active), state=ContactState(row.state), checked_at=parse_utc(row.checked_at) if row.checked_at else None,
        error=row.error, version=row.version,
    )


async def save_contact(tx: Transaction, contact: Contact, *, by: str, department_id: str | None = None) -> Contact:
    """Make or alter a contact (`address` real, or masked to leave it as it is); a new address is unchecked. Raises Rejected."""
    if (contact.post_id is None) == (contact.person_id is None):
        raise Rejected("contact_owner", "联系方式须属于一个岗位或一个人", "a contact belongs to one post or one person", field="post_id")
    if bool(contact.quiet_starts) != bool(contact.quiet_ends):
        raise Rejected("quiet_hours", "静默时段须同时填写起止", "quiet hours need a start and an end", field="quiet_ends")
    row = (await tx.conn.execute(select(contact_table).where(contact_table.c.id == contact.id))).first()
    kept = row is not None and contact.address in (masked(row.address), row.address)
    address = row.address if row is not None and kept else contact.address
    if "://" not in address or "…" in address:
        raise Rejected("contact_address", "地址须为完整的通知地址，如 mailto://…、wecombot://…", "the address must be a whole notification URL",
                       field="address")
    saved = msgspec.structs.replace(
        contact, address=masked(address), version=(row.version if row else 0) + 1,
        state=ContactState(row.state) if row is not None and kept else ContactState.UNKNOWN,
        checked_at=contact.checked_at if kept else None, error=contact.error if kept else None,
    )
    values = {"post_id": saved.post_id, "person_id": saved.person_id, "name": saved.name, "address": address, "language": saved.language,
              "urgent_only": saved.urgent_only, "quiet_starts": saved.quiet_starts, "quiet_ends": saved.quiet_ends, "active": saved.active,
              "state": saved.state.value, "checked_at": utc_text(saved.checked_at) if saved.checked_at else None, "error": saved.error,
              "updated_at": tx.at, "version": saved.version}
    if row is None:
        await tx.conn.execute(insert(contact_table).values(id=saved.id, **values))
    else:
        await tx.conn.execute(update(contact_table).where(contact_table.c.id == saved.id).values(**values))
    tx.record(ContactSaved(contact=saved), actor=by, subject=f"contact:{saved.id}", department_id=department_id)
    return saved


async def note_check(tx: Transaction, id: str, state: ContactState, *, error: str | None = None, by: str = "system:notify") -> Contact | None:
    """Note what a check of a contact showed; None where the contact is gone."""
    row = (await tx.conn.execute(select(contact_table).where(contact_table.c.id == id))).first()
    if row is None:
        return None
    held = _contact(row)
    if held.state is state and held.error == error and state is ContactState.UNREACHABLE:
        return held
    saved = msgspec.structs.replace(held, state=state, checked_at=whole_ms(tx.now), error=error, version=held.version + 1)
    await tx.conn.execute(update(contact_table).where(contact_table.c.id == id)
                          .values(state=state.value, checked_at=tx.at, error=error, version=saved.version))
    tx.record(ContactSaved(contact=saved), actor=by, subject=f"contact:{id}")
    return saved


async def get_contact(conn: AsyncConnection, id: str) -> Contact | None:
    """One contact with its address masked, or None."""
    row = (await conn.execute(select(contact_table).where(contact_table.c.id == id))).first()
    return _contact(row) if row else None


async def address_of(conn: AsyncConnection, id: str) -> Address | None:
    """A contact as a channel needs it, with its real address, or None."""
    row = (await conn.execute(select(contact_table).where(contact_table.c.id == id))).first()
    if row is None:
        return None
    quiet = (row.quiet_starts, row.quiet_ends) if row.quiet_starts and row.quiet_ends else None
    return Address(row.id, row.post_id, row.person_id, row.address, row.language, bool(row.urgent_only), quiet, row.state == "unreachable")


async def list_contacts(
    conn: AsyncConnection, *, posts: Collection[str] | None = None, persons: Collection[str] | None = None, active_only: bool = False,
) -> list[Contact]:
    """Contacts by id with their addresses masked: of these posts or persons, or all."""
    query = select(contact_table).order_by(contact_table.c.id)
    if posts is not None or persons is not None:
        query = query.where(or_(contact_table.c.post_id.in_(sorted(posts or ())), contact_table.c.person_id.in_(sorted(persons or ()))))
    if active_only:
        query = query.where(contact_table.c.active)
    return [_contact(row) for row in await conn.execute(query)]

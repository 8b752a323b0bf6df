"""Sharing groups in the store: made, written in, read; a mention is owed an answer, a mirror goes by the outbox."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.daily import Attached
from hub.domain.duty_rules import DutyRules
from hub.domain.group import Group, GroupPost, GroupPosted, GroupRead, GroupSaved, Read, check_post, mentions_in
from hub.domain.notice import Fields
from hub.domain.obligation import Evidence, Owed
from hub.errors import Rejected, changed_meanwhile
from hub.ids import new_id
from hub.store import obligations as ledger
from hub.store.notices import address_of, draft, queue
from hub.store.organisation import list_departments
from hub.store.schema_group import group_member, group_post, group_read, sharing_group
from hub.store.writer import Transaction

ANSWER_WITHIN = timedelta(hours=2)
"""How long a mentioned department has for its answer (our own choice; the ladder of `group_feedback` is data)."""
MIRROR_AGE = timedelta(hours=12)


async def save_group(tx: Transaction, group: Group, *, by: str) -> Group:
    """Make or alter a group; its version must be the one in the store. Raises Rejected for unknown departments."""
    known = {d.id for d in await list_departments(tx.conn)}
    if strange := sorted(set(group.departments) - known):
        raise Rejected("unknown_department", f"没有这些部门：{', '.join(strange)}", f"unknown departments: {', '.join(strange)}", field="departments")
    if group.mirror_contact is not None and await address_of(tx.conn, group.mirror_contact) is None:
        raise Rejected("unknown_contact", "没有这个联系方式", "there is no such contact", field="mirror_contact")
    held = await get_group(tx.conn, group.id)
    if held is None:
        saved = msgspec.structs.replace(group, version=1, departments=tuple(dict.fromkeys(group.departments)))
        await tx.conn.execute(insert(sharing_group).values(id=saved.id, last_number=0, **_values(saved)))
    else:
        saved = msgspec.structs.replace(group, version=held.version + 1, departments=tuple(dict.fromkeys(group.departments)))
        await _set(tx, group.version, saved)
    await tx.conn.execute(delete(group_member).where(group_member.c.group_id == saved.id))
    if saved.departments:
        await tx.conn.execute(insert(group_member), [{"group_id": saved.id, "department_id": d} for d in saved.departments])
    _record(tx, saved, by)
    return saved


def _values(group: Group) -> dict[str, Any]:
    return {"document": msgspec.json.encode(group).decode(), "active": group.active, "version": group.version}


async def _set(tx: Transaction, version: int, saved: Group) -> None:
    done = await tx.conn.execute(update(sharing_group).where(sharing_group.c.id == saved.id, sharing_group.c.version == version).values(**_values(saved)))
    if done.rowcount != 1:
        raise changed_meanwhile()


def _record(tx: Transaction, group: Group, by: str) -> None:
    tx.record(GroupSaved(group=group), actor=by, subject=f"group:{group.id}")


async def get_group(conn: AsyncConnection, id: str) -> Group | None:
    """One group, or None."""
    text = (await conn.execute(select(sharing_group.c.document).where(sharing_group.c.id == id))).scalar()
    return msgspec.json.decode(text, type=Group) if text else None


async def list_groups(conn: AsyncConnection, *, departments: Collection[str] | None) -> list[Group]:
    """The groups of these departments (None: all)."""
    query = select(sharing_group.c.document).order_by(sharing_group.c.id)
    if departments is not None:
        query = query.where(sharing_group.c.id.in_(select(group_member.c.group_id).where(group_member.c.department_id.in_(sorted(departments)))))
    return [msgspec.json.decode(text, type=Group) for text in (await conn.execute(query)).scalars()]


async def write(
    tx: Transaction, rules: DutyRules, group_id: str, text: str, *, id: str | None = None, by: str, name: str, department_id: str | None,
    attachments: tuple[Attached, ...] = (), digest_day: str | None = None, pin: bool = False,
) -> GroupPost:
    """Write in a group: mentioned departments owe an answer, the mirror gets it by the outbox. The same id twice is one post."""
    there = await get_post(tx.conn, id) if id else None
    if there is not None:
        return there
    group = await get_group(tx.conn, group_id)
    if group is None:
        raise Rejected("unknown_group", "没有这个共享群", "there is no such group", field="group")
    text = check_post(group, text, attachments)
    members = {d.id: (d.zh, d.en) for d in await list_departments(tx.conn) if d.id in group.departments}
    number = int((await tx.conn.execute(update(sharing_group).where(sharing_group.c.id == group_id).values(
        last_number=sharing_group.c.last_number + 1).returning(sharing_group.c.last_number))).scalar_one())
    post = GroupPost(id=id or new_id(), group_id=group_id, number=number, department_id=department_id, author=by, author_name=name, at=tx.at, text=text,
                     mentions=mentions_in(text, members), attachments=attachments, digest_day=digest_day)
    await tx.conn.execute(insert(group_post).values(id=post.id, group_id=group_id, number=number, document=msgspec.json.encode(post).decode()))
    tx.record(GroupPosted(post=post), actor=by, subject=f"group:{group_id}", department_id=department_id)
    if pin:
        await pin_post(tx, group_id, post.id, by=by)
    await _answered(tx, rules, post, by)
    await _ask(tx, rules, group, post)
    await _mirror(tx, rules, group, post)
    return post


async def _ask(tx: Transaction, rules: DutyRules, group: Group, post: GroupPost) -> None:
    await ledger.make(tx, rules, [Owed(
        key=f"mention:{post.id}:{d}", kind="group_feedback", department_id=d, post_id=f"{d}.duty", subject=f"group:{group.id}:{d}",
        title_zh=f"群内点名反馈：{group.zh}", title_en=f"answer to a mention: {group.en or group.zh}", due_at=tx.now + ANSWER_WITHIN,
    ) for d in post.mentions if d != post.department_id], actor="system:groups")


async def _answered(tx: Transaction, rules: DutyRules, post: GroupPost, by: str) -> None:
    if post.department_id is not None:
        await ledger.meet_where_owed(tx, rules, by=by, subject=f"group:{post.group_id}:{post.department_id}", kinds={"group_feedback"},
                                     evidence=Evidence(ref=f"post:{post.id}", zh="群内已反馈", en="answered in the group", at=tx.now))


async def _mirror(tx: Transaction, rules: DutyRules, group: Group, post: GroupPost) -> None:
    contact = await address_of(tx.conn, group.mirror_contact) if group.mirror_contact else None
    if contact is None:
        return
    fields = Fields({"title": f"{group.zh}：{post.author_name}", "text": post.text + "".join(f"\n附件 {file.name}" for file in post.attachments)},
                    {"title": f"{group.en or group.zh}: {post.author_name}", "text": post.text + "".join(f"\nAttached: {file.name}" for file in post.attachments)})
    await queue(tx, [draft(rules, dedupe=f"mirror:{post.id}", channel="push", address=contact.address, template="message", fields=fields, now=tx.now,
                           max_age=MIRROR_AGE, language=contact.language, urgent=True, department_id=post.department_id, contact_id=contact.id)], actor="system:groups")


async def pin_post(tx: Transaction, group_id: str, post_id: str | None, *, by: str) -> Group:
    """Pin a post of the group (None: take the pin away)."""
    group = await get_group(tx.conn, group_id)
    post = await get_post(tx.conn, post_id) if post_id else None
    if group is None or (post_id is not None and (post is None or post.group_id != group_id)):
        raise Rejected("unknown_post", "没有这条发言", "there is no such post", field="post")
    pinned = msgspec.structs.replace(group, pinned=post_id, version=group.version + 1)
    await _set(tx, group.version, pinned)
    _record(tx, pinned, by)
    return pinned


async def get_post(conn: AsyncConnection, id: str) -> GroupPost | None:
    """One post, or None."""
    text = (await conn.execute(select(group_post.c.document).where(group_post.c.id == id))).scalar()
    return msgspec.json.decode(text, type=GroupPost) if text else None


async def posts_of(conn: AsyncConnection, group_id: str, *, before: int | None = None, limit: int = 50) -> list[GroupPost]:
    """The posts of a group, newest first, by keyset (`before` is a number)."""
    query = select(group_post.c.document).where(group_post.c.group_id == group_id).order_by(group_post.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(group_post.c.number < before)
    return [msgspec.json.decode(text, type=GroupPost) for text in (await conn.execute(query)).scalars()]


async def pinned_of(conn: AsyncConnection, group: Group) -> GroupPost | None:
    """The pinned post of a group."""
    return await get_post(conn, group.pinned) if group.pinned else None


async def last_number(conn: AsyncConnection, group_id: str) -> int:
    """The number of the newest post."""
    return int((await conn.execute(select(sharing_group.c.last_number).where(sharing_group.c.id == group_id))).scalar() or 0)


async def read_up_to(tx: Transaction, group_id: str, department_id: str, number: int, *, by: str) -> Read:
    """Note that a department has read up to a post; never backwards, never beyond the newest."""
    number = min(number, await last_number(tx.conn, group_id))
    where = (group_read.c.group_id == group_id, group_read.c.department_id == department_id)
    held = (await tx.conn.execute(select(group_read).where(*where).with_for_update())).first()
    if held is not None and held.number >= number:
        return Read(group_id=group_id, department_id=department_id, number=held.number, at=held.at)
    if held is None:
        await tx.conn.execute(insert(group_read).values(group_id=group_id, department_id=department_id, number=number, at=tx.at))
    else:
        await tx.conn.execute(update(group_read).where(*where).values(number=number, at=tx.at))
    read = Read(group_id=group_id, department_id=department_id, number=number, at=tx.at)
    tx.record(GroupRead(read=read), actor=by, subject=f"group:{group_id}", department_id=department_id)
    return read


async def reads_of(conn: AsyncConnection, group_id: str) -> list[Read]:
    """How far each department has read."""
    rows = await conn.execute(select(group_read).where(group_read.c.group_id == group_id).order_by(group_read.c.department_id))
    return [Read(group_id=r.group_id, department_id=r.department_id, number=r.number, at=r.at) for r in rows]

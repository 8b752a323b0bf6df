"""Sharing groups (突发事件信息共享群): members are departments; posts, mentions, attachments, and who has read. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from hub.domain.change import ChangeBody, change
from hub.domain.daily import Attached
from hub.errors import Rejected
from hub.ids import SLUG, exactly

Slug = Annotated[str, Meta(pattern=exactly(SLUG.pattern))]


class Group(Struct, frozen=True, kw_only=True):
    """A group for one purpose. `mirror_contact` is the contact (a webhook) that posts are mirrored to."""

    id: Slug
    zh: Annotated[str, Meta(min_length=1, max_length=200)]
    en: Annotated[str, Meta(min_length=1, max_length=200)]
    purpose: Annotated[str, Meta(max_length=1000)] = ""
    departments: Annotated[tuple[str, ...], Meta(max_length=1000)] = ()
    mirror_contact: str | None = None
    pinned: str | None = None
    active: bool = True
    version: int = 1


class GroupPost(Struct, frozen=True, kw_only=True):
    """One post. `mentions` are departments; `digest_day` marks a published digest."""

    id: str
    group_id: str
    number: int
    department_id: str | None
    author: str
    author_name: str
    at: str
    text: str
    mentions: tuple[str, ...] = ()
    attachments: tuple[Attached, ...] = ()
    digest_day: str | None = None


class Read(Struct, frozen=True, kw_only=True):
    """How far a department has read: up to the post of this number, at that time."""

    group_id: str
    department_id: str
    number: int
    at: str


@change("group.saved", zh="共享群设置", en="a sharing group was saved")
class GroupSaved(ChangeBody, frozen=True, kw_only=True):
    """A group was made, altered, or had a post pinned."""

    group: Group


@change("group.posted", zh="共享群发言", en="a post in a sharing group")
class GroupPosted(ChangeBody, frozen=True, kw_only=True):
    """A post."""

    post: GroupPost


@change("group.read", zh="共享群已读", en="a department read a sharing group")
class GroupRead(ChangeBody, frozen=True, kw_only=True):
    """A department has read further."""

    read: Read


_MENTION = re.compile(r"[@＠]([^\s@＠，。,;；:：、]{2,60})")


def mentions_in(text: str, members: Mapping[str, tuple[str, str]]) -> tuple[str, ...]:
    """The member departments that a text mentions: `@` and the department's id, its Chinese or its English name (the longest that fits)."""
    names = {name.lower(): id for id, both in members.items() for name in (id, *both)}
    found: dict[str, None] = {}
    for match in _MENTION.finditer(text):
        rest = text[match.start() + 1 :].lower()
        best = max((name for name in names if rest.startswith(name)), key=len, default=None)
        if best is not None:
            found[names[best]] = None
    return tuple(found)


def check_post(group: Group, text: str, attachments: tuple[Attached, ...]) -> str:
    """The text to be stored; raises Rejected for an empty post, one that is too long, or a closed group."""
    if not group.active:
        raise Rejected("group_closed", "该共享群已停用", "this group is closed")
    text = text.strip()
    if not text and not attachments:
        raise Rejected("post_empty", "请填写内容", "write something", field="text")
    if len(text) > 10_000 or len(attachments) > 20:
        raise Rejected("post_too_long", "内容过长或附件过多", "the post is too long or has too many files", field="text")
    return text

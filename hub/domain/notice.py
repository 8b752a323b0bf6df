"""Notices: what one message to one address is, its states, its wording and the hours in which it waits. Pure.

A notice is folded by its id: however often a crash makes it go out again, the id in it is the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from string import Formatter
from typing import Final, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct

from hub.domain.change import ChangeBody, change
from hub.domain.obligation import LIVE, Obligation, State
from hub.errors import Fault

LINK: Final = "⟦link⟧"
"""Stands in a stored text for the signed link, which is made only when the notice goes out."""

OPEN_ID, OPEN_ZH, OPEN_EN = "⟦id⟧", "⟦标题⟧", "⟦title⟧"
"""Stand for the id and the titles of a duty in what is worded once for many that are alike; each one's own take their place before it is stored."""

MESSAGE_AGE: Final = timedelta(days=2)
"""The longest that a message which is no step of a ladder waits: a check, a word to a post (our own choice)."""

_HAN: Final = re.compile(r"[\u3400-\u9fff]")


class Wording(Struct, frozen=True):
    """Title and body of a notice in one language."""

    title: str
    body: str


class Template(Struct, frozen=True):
    """A notice's wording in both languages."""

    zh: Wording
    en: Wording


FIELDS: Final = frozenset({"drill", "title", "kind", "department", "due", "late_by", "step", "steps", "post", "link", "rule", "notice", "reason",
                           "text"})
"""What a wording may name in braces."""


class Fields(NamedTuple):
    """What fills the braces of a wording, in each language."""

    zh: Mapping[str, str]
    en: Mapping[str, str]


class Named(Protocol):
    """What has a name in both languages: a post, a kind of duty."""

    @property
    def zh(self) -> str:
        """In Chinese."""

    @property
    def en(self) -> str:
        """In English; may be empty where nobody gave one."""


class QuietRule(Struct, frozen=True, kw_only=True):
    """Hours of the day (local `HH:MM`, may pass midnight) in which what is not urgent waits, by kind of channel."""

    channels: tuple[str, ...]
    starts: str
    ends: str
    zh: str = ""
    en: str = ""


class NoticeState(StrEnum):
    """`queued` and `claimed` are under way; the others are at rest. `dropped`: no longer needed; `expired`: too old to be sent."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"
    EXPIRED = "expired"


class ContactState(StrEnum):
    """What the last check of a contact showed."""

    UNKNOWN = "unknown"
    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"


class Notice(Struct, frozen=True, kw_only=True, gc=False):
    """One message to one address, as screens and changes carry it: `to` is masked, since an address is a person's.

    What is for a screen stands in both languages (`title_en`, `body_en`), since its reader chooses; what goes out is in its address's own.
    """

    id: str
    channel: str
    to: str
    title: str
    body: str
    template: str
    state: NoticeState
    created_at: datetime
    expires_at: datetime
    urgent: bool = False
    drill: bool = False
    attempts: int = 0
    obligation_id: str | None = None
    escalation_id: str | None = None
    department_id: str | None = None
    incident_id: str | None = None
    post_id: str | None = None
    contact_id: str | None = None
    next_try_at: datetime | None = None
    sent_at: datetime | None = None
    error: str | None = None
    read_at: datetime | None = None
    read_by: str | None = None
    version: int = 1
    title_en: str | None = None
    body_en: str | None = None


class Contact(Struct, frozen=True, kw_only=True):
    """An address of a post or of a person: an Apprise URL (mail, WeCom, DingTalk, Feishu, SMS gateway, webhook). `address` is masked.

    Quiet hours of its own (`HH:MM`, local) take the place of the general ones; `urgent_only` spares it everything else.
    """

    id: str
    name: str
    address: str
    post_id: str | None = None
    person_id: str | None = None
    language: str = "zh"
    urgent_only: bool = False
    quiet_starts: str | None = None
    quiet_ends: str | None = None
    active: bool = True
    state: ContactState = ContactState.UNKNOWN
    checked_at: datetime | None = None
    error: str | None = None
    version: int = 1


@change("notice.queued", zh="通知待发", en="notices queued")
class NoticesQueued(ChangeBody, frozen=True, kw_only=True):
    """Notices that were written together."""

    notices: tuple[Notice, ...]


@change("notice.sent", zh="通知已发送", en="a notice went out")
class NoticeSent(ChangeBody, frozen=True, kw_only=True):
    """The gateway took the notice."""

    notice: Notice


@change("notice.failed", zh="通知发送失败", en="a notice could not be sent")
class NoticeFailed(ChangeBody, frozen=True, kw_only=True):
    """A try failed; the state says whether another follows (`queued`) or not (`failed`)."""

    notice: Notice


@change("notice.ended", zh="通知取消", en="notices were not needed any more, or too old")
class NoticesEnded(ChangeBody, frozen=True, kw_only=True):
    """Notices that will not go out: `dropped` or `expired`."""

    notices: tuple[Notice, ...]


@change("notice.read", zh="通知已读", en="a notice was read")
class NoticeRead(ChangeBody, frozen=True, kw_only=True):
    """Somebody of the post read it on the screen."""

    notice: Notice


@change("notice.contact_saved", zh="联系方式设置", en="a contact was saved or checked")
class ContactSaved(ChangeBody, frozen=True, kw_only=True):
    """A contact, its address masked."""

    contact: Contact


def masked(address: str) -> str:
    """An address as it may be shown: what kind it is and its last two characters."""
    kind, found, rest = address.partition("://")
    if not found:
        return address
    rest = rest.split("?", 1)[0].rstrip("/")
    return f"{kind}://…{rest[-2:]}"


def still_wanted(obligation: Obligation | None, now: datetime) -> bool:
    """May a notice of this duty still go out: not once it is met or excused, nor while an acknowledgement is valid."""
    if obligation is None:
        return True
    if obligation.state not in LIVE and obligation.state is not State.MISSED:
        return False
    return obligation.ack_until is None or now >= obligation.ack_until


def quiet_until(
    rules: Iterable[QuietRule], channel: str, at: datetime, zone: str, *, own: tuple[str, str] | None = None,
) -> datetime | None:
    """When the quiet hours that `at` lies in are over (UTC); None outside them. Own hours take the place of the general ones."""
    hours = [own] if own else [(rule.starts, rule.ends) for rule in rules if channel in rule.channels]
    local = at.astimezone(ZoneInfo(zone))
    ends = [end for starts, ends in hours if (end := _quiet_end(local, time.fromisoformat(starts), time.fromisoformat(ends)))]
    return max(ends).astimezone(UTC) if ends else None


def _quiet_end(local: datetime, starts: time, ends: time) -> datetime | None:
    clock = local.time().replace(tzinfo=None)
    over = starts > ends
    if not (clock >= starts or clock < ends if over else starts <= clock < ends):
        return None
    day = local.date() + timedelta(days=1) if over and clock >= starts else local.date()
    return datetime.combine(day, ends, tzinfo=local.tzinfo)


class _Blank(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def render(template: Template, language: str, fields: Fields, **own: str) -> tuple[str, str]:
    """Title and body of a notice in `zh`, `en` or `both`; lines that a missing field leaves empty are left out. `own` are fields of this notice alone."""
    if language == "zh":
        return _filled(template.zh, fields.zh, own)
    if language == "en":
        return _filled(template.en, fields.en, own)
    (zh, zh_body), (en, en_body) = _filled(template.zh, fields.zh, own), _filled(template.en, fields.en, own)
    return f"{zh} / {en}", f"{zh_body}\n\n{en_body}"


def _filled(wording: Wording, fields: Mapping[str, str], own: Mapping[str, str]) -> tuple[str, str]:
    values = _Blank(fields, **own)
    return wording.title.format_map(values), "\n".join([line for line in wording.body.format_map(values).split("\n") if line.strip()])


def wording_faults(name: str, template: Template) -> list[Fault]:
    """What is wrong with a template as data: braces that do not close, fields that no notice has. `name` is its key in the document."""
    found = []
    for language, wording in (("zh", template.zh), ("en", template.en)):
        for part, text in (("title", wording.title), ("body", wording.body)):
            if not _can_be_filled(text):
                found.append(Fault(f"templates.{name}.{language}.{part}", f"通知文字 {name}（{language}）花括号有误，或没有此字段：{text[:60]}",
                                   f"wording {name} ({language}): a brace is wrong, or there is no such field: {text[:60]}"))
    return found


def _can_be_filled(text: str) -> bool:
    try:
        return all(field is None or (field in FIELDS and not spec and not how) for _, field, spec, how in Formatter().parse(text))
    except ValueError:
        return False


def with_link(body: str, link: str | None) -> str:
    """The text as it goes out: the link in its place, or its line left out."""
    if link:
        return body.replace(LINK, link)
    return "\n".join(line for line in body.splitlines() if line.strip() != LINK).replace(LINK, "")


def fields_of(
    o: Obligation, *, now: datetime, zone: str, post: Named, kind: Named | None, step: int = 0, owner: Named | None = None,
) -> Fields:
    """The fields of the templates, from a duty: `post` is told, `owner` (the same where None) owes it and is what {department} says."""
    common = {"due": _local(o.due_at, zone), "step": str(step), "link": LINK}
    rule, reason = halves(o.rule or ""), halves(o.reason or "") if (o.reason_by or "").startswith("system:") else (o.reason or "",) * 2
    late, owner = now - o.due_at, owner or post
    return Fields(
        {**common, "rule": rule[0], "reason": reason[0], "late_by": _span(late, "小时", "分钟"), "title": o.title_zh,
         "kind": kind.zh if kind else o.kind, "department": owner.zh, "post": post.zh, "drill": "【演练】" if o.drill else ""},
        {**common, "rule": rule[1], "reason": reason[1], "late_by": _span(late, "h", "min"), "title": o.title_en or o.title_zh,
         "kind": (kind.en or kind.zh) if kind else o.kind, "department": owner.en or owner.zh, "post": post.en or post.zh, "drill": "[Drill] " if o.drill else ""},
    )


def halves(text: str) -> tuple[str, str]:
    """What the hub's own words kept as `中文 / English` say in each language; a text in one language stands in both."""
    zh, found, en = text.partition(" / ")
    return (zh, en) if found and not _HAN.search(en) else (text, text)


def cited(source: str, edition: str) -> str | None:
    """Where a rule comes from, as duties keep it: its source with the edition, in both languages where it has both."""
    zh, en = halves(source)
    if not source:
        return edition or None
    return f"{zh}（{edition}）" if zh == en else f"{zh}（{edition}） / {en} ({edition})"


def in_both(*, drill: bool = False, **fields: str) -> Fields:
    """Fields that are the same words in every language: what people typed."""
    return Fields({**fields, "drill": "【演练】" if drill else ""}, {**fields, "drill": "[Drill] " if drill else ""})


@lru_cache(maxsize=4096)
def _local(at: datetime, zone: str) -> str:
    """A time as people of the district read it."""
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


@lru_cache(maxsize=4096)
def _span(span: timedelta, hour: str, minute: str) -> str:
    """A length of time in a language's own units: `2 h 05 min`."""
    minutes = max(0, int(span.total_seconds() // 60))
    return f"{minutes // 60} {hour} {minutes % 60:02d} {minute}" if minutes >= 60 else f"{minutes} {minute}"

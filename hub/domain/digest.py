"""The daily digest (每日要情): what it says, who is missing on its first line, and how it is edited, signed and published. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from hub.domain.calendar import is_clock
from hub.domain.change import ChangeBody, change
from hub.domain.daily import Standing
from hub.errors import Fault, Rejected


class DigestRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the digest drafts itself (local `HH:MM`), until when it is to be signed, by whose post, in which group it appears, its name."""

    at: str
    sign_within_min: Annotated[float, Meta(gt=0)]
    department: str
    group: str
    heading_zh: str


def faults(found: DigestRule) -> list[Fault]:
    """What is wrong with the rule as data; empty where nothing is."""
    wrong = [] if is_clock(found.at) else [Fault("digest.at", f"时刻应为 HH:MM：{found.at}", f"a time of day must read HH:MM: {found.at}")]
    return wrong + [Fault(f"digest.{name}", "不能为空", "must not be empty") for name in ("department", "group", "heading_zh") if not getattr(found, name).strip()]


class DigestState(StrEnum):
    """Drafted by the hub, edited by hand, signed (and with it published)."""

    DRAFTED = "drafted"
    EDITED = "edited"
    SIGNED = "signed"


class Line(Struct, frozen=True, kw_only=True):
    """One report of the day as the digest counts it."""

    department_id: str
    zh: str
    en: str
    standing: Standing
    contradicted: bool = False


class Event(Struct, frozen=True, kw_only=True):
    """One incident of the day."""

    id: str
    no: str
    title: str
    place: str
    occurred_at: str
    grade: str | None
    state: str
    toll: str


class Section(Struct, frozen=True, kw_only=True):
    """One section of text, which the duty officer may alter."""

    id: Annotated[str, Meta(max_length=40)]
    zh: Annotated[str, Meta(max_length=200)]
    text: Annotated[str, Meta(max_length=20_000)]


class Digest(Struct, frozen=True, kw_only=True):
    """The digest of one day, whole. `first_line` says who is missing, first of all."""

    id: str
    day: str
    number: int
    version: int
    state: DigestState
    heading: str
    issuer: str
    first_line: str
    first_line_en: str
    missing: tuple[str, ...]
    lines: tuple[Line, ...]
    events: tuple[Event, ...]
    sections: tuple[Section, ...]
    drafted_at: str
    edited_by: str | None = None
    signed_by: str | None = None
    signed_name: str | None = None
    signed_at: str | None = None
    post_id: str | None = None


@change("digest.saved", zh="每日要情拟稿或修改", en="the daily digest was drafted or edited")
class DigestSaved(ChangeBody, frozen=True, kw_only=True):
    """The digest as it now stands."""

    digest: Digest


@change("digest.signed", zh="每日要情签发", en="the daily digest was signed")
class DigestSigned(ChangeBody, frozen=True, kw_only=True):
    """The digest, signed; nothing of it changes any more."""

    digest: Digest


_FILED = (Standing.FILED, Standing.ZERO, Standing.LATE)


def first_lines(lines: Sequence[Line], at: str) -> tuple[str, str, tuple[str, ...]]:
    """The first line in both languages (`at`: local time `HH:MM`), and the departments that are missing."""
    waiting = sum(line.standing is Standing.WAITING for line in lines)
    later = (f"另有{waiting}份未到时限。", f" {waiting} not due yet.") if waiting else ("", "")
    owed = [line for line in lines if line.standing not in (Standing.EXCUSED, Standing.WAITING)]
    missing = [line for line in owed if line.standing not in _FILED]
    filed = len(owed) - len(missing)
    if not owed:
        return f"截至{at}，尚无到期的日报。{later[0]}", f"At {at}: no report is due yet.{later[1]}", ()
    if not missing:
        return (f"截至{at}，应报{len(owed)}份，已全部报送。{later[0]}", f"At {at}: all {len(owed)} reports are in.{later[1]}", ())
    zh, en = "、".join(dict.fromkeys(line.zh for line in missing)), ", ".join(dict.fromkeys(line.en for line in missing))
    return (f"未报送：{zh}（截至{at}，应报{len(owed)}份，已报{filed}份，未报{len(missing)}份）。{later[0]}",
            f"Missing: {en} (at {at}: {len(owed)} due, {filed} in, {len(missing)} missing).{later[1]}",
            tuple(dict.fromkeys(line.department_id for line in missing)))


def sections(lines: Sequence[Line], events: Sequence[Event], *, summaries: Sequence[tuple[str, str]]) -> tuple[Section, ...]:
    """The digest's text as it drafts itself: the reporting, the incidents, what departments wrote."""
    count = {standing: sum(line.standing is standing for line in lines) for standing in Standing}
    late = "、".join(line.zh for line in lines if line.standing is Standing.LATE) or "无"
    odd = "、".join(line.zh for line in lines if line.contradicted) or "无"
    reporting = (f"正式填报{count[Standing.FILED]}份，零报告{count[Standing.ZERO]}份，迟报{count[Standing.LATE]}份，退回更正{count[Standing.RETURNED]}份，"
                 f"免报{count[Standing.EXCUSED]}份。迟报单位：{late}。与已知情况不符：{odd}。")
    happened = "\n".join(f"{n}. {e.occurred_at} {e.place} {e.title}（{e.no}）{'，' + e.toll if e.toll else ''}。" for n, e in enumerate(events, 1))
    told = "\n".join(f"{name}：{text}" for name, text in summaries) or _untold(count)
    return (Section(id="reporting", zh="报送情况", text=reporting), Section(id="events", zh="突发事件", text=happened or "当日未接报突发事件。"),
            Section(id="departments", zh="部门情况", text=told), Section(id="weather", zh="值班提示", text=""))


def _untold(count: Mapping[Standing, int]) -> str:
    """What the digest says where no department wrote a word: no more than what is known."""
    written = count[Standing.FILED] + count[Standing.LATE]
    if not written and not count[Standing.ZERO]:
        return "尚无单位报送。"
    return "已报单位未填写文字情况。" if written else "已报单位均为零报告。"


def edit(digest: Digest, changed: Sequence[Section], *, by: str, based_on: int) -> Digest:
    """The digest with altered sections; raises Rejected where it is signed or somebody was faster."""
    if digest.state is DigestState.SIGNED:
        raise Rejected("digest_signed", "要情已签发，不能再修改", "the digest is signed; nothing of it changes any more")
    if digest.version != based_on:
        raise Rejected("changed_meanwhile", "内容已被他人修改，请刷新后重试", "somebody altered it meanwhile; reload and try again")
    return msgspec.structs.replace(digest, sections=tuple(changed), state=DigestState.EDITED, edited_by=by, version=digest.version + 1)


def sign(digest: Digest, *, by: str, name: str, at: str, based_on: int, post_id: str | None) -> Digest:
    """The digest, signed."""
    if digest.state is DigestState.SIGNED:
        raise Rejected("digest_signed", "要情已签发", "the digest is signed already")
    if digest.version != based_on:
        raise Rejected("changed_meanwhile", "内容已被他人修改，请刷新后重试", "somebody altered it meanwhile; reload and try again")
    return msgspec.structs.replace(digest, state=DigestState.SIGNED, signed_by=by, signed_name=name, signed_at=at, version=digest.version + 1,
                                   post_id=post_id)

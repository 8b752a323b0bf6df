"""Who is on duty: shifts, substitutes, swaps with consent, handovers. Pure; it decides whom a ladder reaches.

A post is what owes and what is reached; persons come and go on it. A shift covers its start and not its end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from hub.domain.change import ChangeBody, change
from hub.domain.ladder import Whom
from hub.domain.obligation import Obligation
from hub.errors import Rejected


class Post(Struct, frozen=True, kw_only=True):
    """A post of a department: 值班岗, deputy, leader, the command-centre desk, the district's duty leader. `role` is one of `Whom`."""

    id: str
    department_id: str
    role: Whom
    zh: str
    en: str
    members: tuple[str, ...] = ()
    active: bool = True
    version: int = 1


class Shift(Struct, frozen=True, kw_only=True):
    """One person on one post from `starts_at` to before `ends_at`; `substitute_id` stands in where it is set."""

    id: str
    post_id: str
    person_id: str
    starts_at: datetime
    ends_at: datetime
    substitute_id: str | None = None
    cancelled: bool = False
    version: int = 1

    @property
    def on_duty(self) -> str:
        """The person who stands this shift."""
        return self.substitute_id or self.person_id


class SwapState(StrEnum):
    """A swap counts only once the other person has agreed."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class Swap(Struct, frozen=True, kw_only=True):
    """An offer to take over a shift, and in exchange `return_shift_id` where it names one."""

    id: str
    shift_id: str
    from_person: str
    to_person: str
    state: SwapState
    proposed_at: datetime
    return_shift_id: str | None = None
    decided_at: datetime | None = None
    note: str = ""
    version: int = 1


class HandoverState(StrEnum):
    """A handover is written by the one who leaves and acknowledged, or refused with a reason, by the one who takes over."""

    WRITTEN = "written"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"


class Handover(Struct, frozen=True, kw_only=True):
    """The log of a change of shift: every duty that was open at that moment, by id, and what was said."""

    id: str
    post_id: str
    from_person: str
    to_person: str
    at: datetime
    state: HandoverState
    open_obligations: tuple[str, ...]
    open_incidents: tuple[str, ...] = ()
    note: str = ""
    acknowledged_at: datetime | None = None
    obligation_id: str | None = None
    version: int = 1


class On(NamedTuple):
    """Who is on a post, and why: `shift`, `member` (the post's standing holders), or `nobody`."""

    persons: tuple[str, ...]
    via: str
    until: datetime | None


NOBODY = On((), "nobody", None)


def who_is_on(post: Post, shifts: Iterable[Shift], at: datetime) -> On:
    """Who is on a post at `at`: those whose shift covers it, else its standing members in their order, else nobody."""
    if not post.active:
        return NOBODY
    covering = [s for s in shifts if s.post_id == post.id and not s.cancelled and s.starts_at <= at < s.ends_at]
    if covering:
        covering.sort(key=lambda s: (s.starts_at, s.id))
        return On(tuple(dict.fromkeys(s.on_duty for s in covering)), "shift", min(s.ends_at for s in covering))
    return On(post.members, "member", None) if post.members else NOBODY


def posts_for(whom: Whom, owner: Post | None, department_id: str, posts: Sequence[Post]) -> list[Post]:
    """The posts that a step reaches: the owner's own, its department's deputy and leader, or the district's desk and leader."""
    match whom:
        case Whom.POST:
            return [owner] if owner is not None and owner.active else []
        case Whom.DEPUTY | Whom.LEADER:
            return [p for p in posts if p.active and p.role is whom and p.department_id == department_id]
        case Whom.COMMAND_CENTRE | Whom.DISTRICT_LEADER:
            return [p for p in posts if p.active and p.role is whom]


def uncovered(
    post: Post, shifts: Iterable[Shift], first: datetime, last: datetime, *, ignore: timedelta = timedelta(0)
) -> list[tuple[datetime, datetime]]:
    """The stretches between `first` and `last` in which no shift covers the post, longer than `ignore`."""
    mine = sorted((s for s in shifts if s.post_id == post.id and not s.cancelled), key=lambda s: s.starts_at)
    gaps, reached = [], first
    for shift in mine:
        if shift.ends_at <= reached or shift.starts_at >= last:
            continue
        if shift.starts_at - reached > ignore:
            gaps.append((reached, shift.starts_at))
        reached = max(reached, shift.ends_at)
    if last - reached > ignore:
        gaps.append((reached, last))
    return gaps


def check_shift(shift: Shift, others: Iterable[Shift]) -> None:
    """Refuse a shift that ends before it starts, lasts beyond 36 hours, or puts one person on two shifts at once."""
    if shift.ends_at <= shift.starts_at:
        raise Rejected("shift_times", "班次结束时间必须晚于开始时间", "a shift must end after it starts", field="ends_at")
    if shift.ends_at - shift.starts_at > timedelta(hours=36):
        raise Rejected("shift_too_long", "单个班次不能超过36小时", "one shift may not last beyond 36 hours", field="ends_at")
    for other in others:
        same = other.id != shift.id and not other.cancelled and other.on_duty == shift.on_duty and other.post_id == shift.post_id
        if same and other.starts_at < shift.ends_at and shift.starts_at < other.ends_at:
            raise Rejected("shift_overlap", "该人员在此时段已有班次", "this person has a shift on this post then", field="starts_at")


def decide_swap(swap: Swap, to: SwapState, *, by: str, now: datetime) -> Swap:
    """Accept or decline (only the person asked) or withdraw (only the one who offered) a proposed swap."""
    if swap.state is not SwapState.PROPOSED:
        raise Rejected("swap_decided", "该换班申请已处理", "this swap has been decided already", field="state")
    wanted = swap.from_person if to is SwapState.WITHDRAWN else swap.to_person
    if to is SwapState.PROPOSED or by != wanted:
        raise Rejected("swap_not_yours", "只有被申请人可以同意或拒绝，只有申请人可以撤回",
                       "only the person asked may decide, only the one who offered may withdraw")
    return Swap(
        id=swap.id, shift_id=swap.shift_id, from_person=swap.from_person, to_person=swap.to_person, state=to, proposed_at=swap.proposed_at,
        return_shift_id=swap.return_shift_id, decided_at=now, note=swap.note, version=swap.version + 1,
    )


def reachable(
    department_id: str, owner: Post | None, posts: Sequence[Post], on: Mapping[str, On], with_contact: Collection[str],
) -> frozenset[Whom]:
    """Whom a ladder can reach now: those with a person on the post, or a contact of the post's own (`with_contact`: post ids)."""
    return frozenset(
        whom for whom in Whom
        if any(on.get(p.id, NOBODY).persons or p.id in with_contact for p in posts_for(whom, owner, department_id, posts))
    )


@change("roster.post_saved", zh="岗位设置", en="post saved")
class PostSaved(ChangeBody, frozen=True, kw_only=True):
    """A post was made or altered."""

    post: Post


@change("roster.shift_saved", zh="排班", en="shift saved")
class ShiftSaved(ChangeBody, frozen=True, kw_only=True):
    """A shift was made, altered, given to a substitute or cancelled."""

    shift: Shift


@change("roster.swap_saved", zh="换班", en="swap proposed or decided")
class SwapSaved(ChangeBody, frozen=True, kw_only=True):
    """A swap was proposed or decided; an accepted one comes with the shifts it altered."""

    swap: Swap
    shifts: tuple[Shift, ...] = ()


@change("roster.handover_written", zh="交接班记录", en="handover written")
class HandoverWritten(ChangeBody, frozen=True, kw_only=True):
    """A handover was written; it owes an acknowledgement."""

    handover: Handover
    obligation: Obligation | None = None


@change("roster.handover_acknowledged", zh="交接班确认", en="handover acknowledged")
class HandoverAcknowledged(ChangeBody, frozen=True, kw_only=True):
    """The one who takes over acknowledged the handover."""

    handover: Handover


@change("roster.handover_refused", zh="交接班被拒绝", en="handover refused")
class HandoverRefused(ChangeBody, frozen=True, kw_only=True):
    """The one who was to take over refused, and why; whoever handed over is told and writes another."""

    handover: Handover
    reason: str

"""Everything owed is an obligation: one ledger for every duty with an owner and a time. Pure: `now` comes in, facts go out.

The owner is a department's post, never a person. A row exists before it is due. Drill obligations are marked and counted nowhere.
The table `TRANSITIONS` is the whole of what may happen to a duty; every step through it is a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct

from hub.domain.change import ChangeBody, change
from hub.errors import Rejected


class State(StrEnum):
    """Where a duty stands. `open` and `returned` are owed; the others are at rest."""

    OPEN = "open"
    RETURNED = "returned"
    MET = "met"
    MET_LATE = "met_late"
    MISSED = "missed"
    EXCUSED = "excused"


class Act(StrEnum):
    """What may happen to a duty."""

    ACKNOWLEDGE = "acknowledge"
    MEET = "meet"
    RETURN = "return"
    EXCUSE = "excuse"
    LOCK = "lock"
    UNLOCK = "unlock"


TRANSITIONS: Final[Mapping[tuple[State, Act], frozenset[State]]] = MappingProxyType({
    (State.OPEN, Act.ACKNOWLEDGE): frozenset({State.OPEN}),
    (State.OPEN, Act.MEET): frozenset({State.MET, State.MET_LATE}),
    (State.OPEN, Act.EXCUSE): frozenset({State.EXCUSED}),
    (State.OPEN, Act.LOCK): frozenset({State.MISSED}),
    (State.RETURNED, Act.ACKNOWLEDGE): frozenset({State.RETURNED}),
    (State.RETURNED, Act.MEET): frozenset({State.MET, State.MET_LATE}),
    (State.RETURNED, Act.EXCUSE): frozenset({State.EXCUSED}),
    (State.RETURNED, Act.LOCK): frozenset({State.MISSED}),
    (State.MET, Act.RETURN): frozenset({State.RETURNED}),
    (State.MET_LATE, Act.RETURN): frozenset({State.RETURNED}),
    (State.MISSED, Act.EXCUSE): frozenset({State.EXCUSED}),
    (State.MISSED, Act.UNLOCK): frozenset({State.OPEN}),
    (State.EXCUSED, Act.UNLOCK): frozenset({State.OPEN}),
})
LIVE: Final = frozenset({State.OPEN, State.RETURNED})
"""The states in which the duty is owed."""


class Kind(Struct, frozen=True, kw_only=True):
    """A kind of duty, as data: its ladder, its grace and lock after the due time, how long an acknowledgement silences (minutes).

    `lock_min` None: the duty stays owed until it is met or excused. `correction_min`: time given at a return or an unlock. `by_hand`: a
    person may say that it was done, with evidence; others are met only by the act itself (a filing, a signature). `alarm`: the alarm of every
    screen tells of it already, so that its notices do not stand beside that.
    """

    id: str
    zh: str
    en: str
    ladder: str
    grace_min: float = 0
    lock_min: float | None = None
    ack_valid_min: float = 30
    correction_min: float = 120
    urgent: bool = False
    by_hand: bool = True
    alarm: bool = False
    source: str = ""
    edition: str = ""
    valid_from: str = ""


class Evidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What proves that a duty was met: a report, a filing, an acknowledgement; `ref` names it (`report:ID`), `at` is when it happened."""

    ref: str
    zh: str = ""
    en: str = ""
    at: datetime | None = None


class Obligation(Struct, frozen=True, kw_only=True, gc=False):
    """One duty, whole: what the screens read and what every change of it carries.

    `late_at` is the due time plus grace; `round` counts reopenings (each has its ladder anew); `step` is the last step of the ladder that
    is on record in this round; `wait_until` is when the next step may follow the last one taken; `rule` names the limit it comes from.
    """

    id: str
    key: str
    kind: str
    department_id: str
    post_id: str
    subject: str
    title_zh: str
    title_en: str
    opens_at: datetime
    due_at: datetime
    late_at: datetime
    lock_at: datetime | None
    state: State
    ladder: str
    created_at: datetime
    updated_at: datetime
    day: str | None = None
    incident_id: str | None = None
    drill: bool = False
    urgent: bool = False
    rule: str | None = None
    round: int = 1
    step: int = 0
    wait_until: datetime | None = None
    ack_until: datetime | None = None
    ack_by: str | None = None
    met_at: datetime | None = None
    met_by: str | None = None
    was_late: bool = False
    reason: str | None = None
    reason_by: str | None = None
    evidence: Evidence | None = None
    version: int = 1

    @property
    def is_owed(self) -> bool:
        """Is it still to be done?"""
        return self.state in LIVE


class Owed(Struct, frozen=True, kw_only=True):
    """A duty to be put on the ledger. `key` is unique for ever: the same duty made twice is one row.

    `opens_at` None: from now on. `grace_min` and `lock_min` override those of the kind; `never_locks` keeps it owed until met or excused.
    """

    key: str
    kind: str
    department_id: str
    post_id: str
    subject: str
    title_zh: str
    title_en: str
    due_at: datetime
    opens_at: datetime | None = None
    grace_min: float | None = None
    lock_min: float | None = None
    never_locks: bool = False
    ladder: str | None = None
    day: str | None = None
    incident_id: str | None = None
    drill: bool = False
    urgent: bool | None = None
    rule: str | None = None


def whole_ms(at: datetime) -> datetime:
    """The time in UTC, cut to milliseconds: what the store keeps, so that a view read back equals the one in the change."""
    if at.tzinfo is UTC and at.microsecond % 1000 == 0:
        return at
    at = at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def owe(owed: Owed, kind: Kind, *, id: str, now: datetime) -> Obligation:
    """Make the row of a duty from what is owed and its kind, before it is due."""
    grace = kind.grace_min if owed.grace_min is None else owed.grace_min
    lock = None if owed.never_locks else (kind.lock_min if owed.lock_min is None else owed.lock_min)
    now, due_at = whole_ms(now), whole_ms(owed.due_at)
    late_at = due_at + timedelta(minutes=grace)
    return Obligation(
        id=id, key=owed.key, kind=owed.kind, department_id=owed.department_id, post_id=owed.post_id, subject=owed.subject,
        title_zh=owed.title_zh, title_en=owed.title_en, opens_at=whole_ms(owed.opens_at) if owed.opens_at else now, due_at=due_at,
        late_at=late_at, lock_at=_lock_at(due_at, late_at, lock), state=State.OPEN, ladder=owed.ladder or kind.ladder, created_at=now,
        updated_at=now, day=owed.day, incident_id=owed.incident_id, drill=owed.drill,
        urgent=kind.urgent if owed.urgent is None else owed.urgent, rule=owed.rule,
    )


def _lock_at(due_at: datetime, late_at: datetime, lock_min: float | None) -> datetime | None:
    """The lock is never before the end of grace, whatever the data says."""
    return None if lock_min is None else max(late_at, due_at + timedelta(minutes=lock_min))


_SAID: Final[Mapping[State, tuple[str, str]]] = MappingProxyType({
    State.OPEN: ("待办", "open"), State.RETURNED: ("退回", "returned"), State.MET: ("按时办结", "met"), State.MET_LATE: ("逾期办结", "met late"),
    State.MISSED: ("漏办", "missed"), State.EXCUSED: ("免办", "excused"),
})
_ACTS_SAID: Final[Mapping[Act, tuple[str, str]]] = MappingProxyType({
    Act.ACKNOWLEDGE: ("确认", "acknowledged"), Act.MEET: ("办结", "met"), Act.RETURN: ("退回", "returned"), Act.EXCUSE: ("免办", "excused"),
    Act.LOCK: ("锁定", "locked"), Act.UNLOCK: ("解锁", "unlocked"),
})


def _check(o: Obligation, act: Act) -> None:
    if (o.state, act) in TRANSITIONS:
        return
    if o.state is State.MISSED and act is Act.MEET:
        raise Rejected("obligation_locked", "该事项已锁定为漏报，请先由领导解锁后再办理",
                       "this duty is locked as missed; a leader must unlock it first")
    (zh, en), (act_zh, act_en) = _SAID[o.state], _ACTS_SAID[act]
    raise Rejected("obligation_state", f"事项当前为“{zh}”，不能{act_zh}", f"a duty that is {en} cannot be {act_en}", field="state")


def _need_reason(reason: str) -> str:
    reason = reason.strip()
    if not reason:
        raise Rejected("reason_needed", "请填写原因", "a reason is needed", field="reason")
    return reason


def acknowledge(o: Obligation, kind: Kind, *, now: datetime, by: str, for_min: float | None = None) -> Obligation:
    """Take the duty on: nothing is sent until the acknowledgement expires (`for_min` at most the kind's validity) or the duty is met."""
    _check(o, Act.ACKNOWLEDGE)
    minutes = kind.ack_valid_min if for_min is None else min(for_min, kind.ack_valid_min)
    if minutes <= 0:
        raise Rejected("ack_validity", "确认时长必须大于零", "an acknowledgement must last longer than zero", field="for_min")
    now = whole_ms(now)
    return msgspec.structs.replace(o, ack_until=now + timedelta(minutes=minutes), ack_by=by, updated_at=now, version=o.version + 1)


def meet(o: Obligation, *, now: datetime, by: str, evidence: Evidence | None = None, reason: str | None = None) -> Obligation:
    """Meet the duty: `met` up to the end of grace, `met_late` after it; what was late before a return stays late.

    A missed duty is locked: raises Rejected `obligation_locked`.
    """
    _check(o, Act.MEET)
    now = whole_ms(now)
    late = now > o.late_at or o.was_late
    return msgspec.structs.replace(
        o, state=State.MET_LATE if late else State.MET, met_at=now, met_by=by, was_late=late, evidence=evidence or o.evidence,
        reason=reason or o.reason, reason_by=by if reason else o.reason_by, ack_until=None, ack_by=None, wait_until=None, updated_at=now,
        version=o.version + 1,
    )


def give_back(o: Obligation, kind: Kind, *, now: datetime, by: str, reason: str, due_at: datetime | None = None) -> Obligation:
    """Return what was filed, for correction until `due_at` (the kind's correction time where None): owed again, with a ladder anew."""
    _check(o, Act.RETURN)
    return _reopen(o, kind, State.RETURNED, now, by, _need_reason(reason), due_at, was_late=o.was_late)


def unlock(o: Obligation, kind: Kind, *, now: datetime, by: str, reason: str, due_at: datetime | None = None) -> Obligation:
    """Reopen a missed (or wrongly excused) duty; a leader's act. What is met after an unlock of a missed duty is late."""
    _check(o, Act.UNLOCK)
    return _reopen(o, kind, State.OPEN, now, by, _need_reason(reason), due_at, was_late=o.was_late or o.state is State.MISSED)


def _reopen(
    o: Obligation, kind: Kind, state: State, now: datetime, by: str, reason: str, due_at: datetime | None, *, was_late: bool,
) -> Obligation:
    now = whole_ms(now)
    due = whole_ms(due_at) if due_at else now + timedelta(minutes=kind.correction_min)
    if due <= now:
        raise Rejected("due_in_past", "新的截止时间必须晚于现在", "the new due time must lie ahead", field="due_at")
    late_at = due + (o.late_at - o.due_at)
    lock_at = None if o.lock_at is None else max(late_at, due + (o.lock_at - o.due_at))
    return msgspec.structs.replace(
        o, state=state, due_at=due, late_at=late_at, lock_at=lock_at, round=o.round + 1, step=0, wait_until=None, ack_until=None,
        ack_by=None, met_at=None, met_by=None, was_late=was_late, reason=reason, reason_by=by, updated_at=now, version=o.version + 1,
    )


def excuse(o: Obligation, *, now: datetime, by: str, reason: str) -> Obligation:
    """Excuse the duty: a leader's act with a reason, or the system's where what it was about has ceased."""
    _check(o, Act.EXCUSE)
    now = whole_ms(now)
    return msgspec.structs.replace(
        o, state=State.EXCUSED, reason=_need_reason(reason), reason_by=by, ack_until=None, ack_by=None, wait_until=None, updated_at=now,
        version=o.version + 1,
    )


def lock(o: Obligation, *, now: datetime) -> Obligation:
    """Let the duty go as missed; only at or after its lock."""
    _check(o, Act.LOCK)
    now = whole_ms(now)
    if o.lock_at is None or now < o.lock_at:
        raise Rejected("not_locked_yet", "尚未到锁定时间", "the lock has not come yet", field="lock_at")
    return msgspec.structs.replace(
        o, state=State.MISSED, ack_until=None, ack_by=None, wait_until=None, updated_at=now, version=o.version + 1,
    )


@change("obligation.made", zh="登记应办事项", en="duties put on the ledger")
class ObligationsMade(ChangeBody, frozen=True, kw_only=True):
    """Duties of one department that were put on the ledger together."""

    obligations: tuple[Obligation, ...]


@change("obligation.acknowledged", zh="事项已确认", en="duty acknowledged")
class ObligationAcknowledged(ChangeBody, frozen=True, kw_only=True):
    """Somebody took the duty on."""

    obligation: Obligation


@change("obligation.met", zh="事项已办结", en="duty met")
class ObligationMet(ChangeBody, frozen=True, kw_only=True):
    """The duty was met, in time or late (see its state)."""

    obligation: Obligation


@change("obligation.returned", zh="退回更正", en="returned for correction")
class ObligationReturned(ChangeBody, frozen=True, kw_only=True):
    """What was filed went back for correction."""

    obligation: Obligation


@change("obligation.excused", zh="准予免办", en="duty excused")
class ObligationExcused(ChangeBody, frozen=True, kw_only=True):
    """The duty was excused."""

    obligation: Obligation


@change("obligation.missed", zh="逾期锁定为漏办", en="duty missed")
class ObligationMissed(ChangeBody, frozen=True, kw_only=True):
    """The lock came before the duty was met."""

    obligation: Obligation


@change("obligation.unlocked", zh="领导解锁", en="duty unlocked")
class ObligationUnlocked(ChangeBody, frozen=True, kw_only=True):
    """A leader reopened the duty."""

    obligation: Obligation

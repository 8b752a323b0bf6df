"""Ladders: who is told, when and how, while a duty stays unmet. Pure: the store asks `climb`, records what it says, and sends.

The rules, in the order in which `climb` applies them:
1. Steps with a negative offset are reminders; they go out only before the end of grace. The others start after grace.
2. While an acknowledgement is valid nothing is sent. When it expires, the ladder resumes at the next step.
3. Every step gets exactly one record per round, whatever became of it; steps are recorded in order, so one number says how far it went.
4. What is older than its maximum age is never sent (`skipped_too_old`); of several steps that fell due meanwhile (an outage) the latest
   is taken and the earlier ones are `superseded`.
5. A step that reaches nobody is recorded so (`nobody`), and the next one is taken at once instead of silence.
6. At the lock the duty is missed and what is left of its ladder is recorded as `skipped_locked`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from hub.domain.change import ChangeBody, change
from hub.domain.notice import Notice
from hub.domain.obligation import Obligation, whole_ms
from hub.errors import Fault

LONGEST_MIN: Final = 366 * 24 * 60
"""No step lies further from its due time, and nothing waits longer: a year. What is beyond is a slip of the hand."""


class Whom(StrEnum):
    """Whom a step reaches: posts, never persons; the roster says who is on them."""

    POST = "post"
    DEPUTY = "deputy"
    LEADER = "leader"
    COMMAND_CENTRE = "command_centre"
    DISTRICT_LEADER = "district_leader"


class Outcome(StrEnum):
    """What became of a step."""

    TAKEN = "taken"
    NOBODY = "nobody"
    SUPERSEDED = "superseded"
    SKIPPED_TOO_OLD = "skipped_too_old"
    SKIPPED_LOCKED = "skipped_locked"


class Step(Struct, frozen=True, kw_only=True):
    """One rung: minutes from the due time, whom, by which channels, how long for an acknowledgement, how old it may be when sent."""

    offset_min: float
    whom: tuple[Whom, ...]
    channels: tuple[str, ...]
    ack_within_min: float = 10
    max_age_min: float = 720
    urgent: bool = False
    template: str = "overdue"

    @property
    def is_reminder(self) -> bool:
        """Does it come before the due time?"""
        return self.offset_min < 0


class Ladder(Struct, frozen=True, kw_only=True):
    """A ladder as data; step numbers are 1, 2, … in its order."""

    id: str
    zh: str
    en: str
    steps: tuple[Step, ...]
    source: str = ""
    edition: str = ""
    valid_from: str = ""


class Rung(NamedTuple):
    """A step still to come: its number, the step, when it is planned for, and which call after the due time it is (0: a reminder)."""

    n: int
    step: Step
    at: datetime
    level: int


class Taken(NamedTuple):
    """One record to make: the step's number, the step, what became of it, when it was planned for, and its level."""

    n: int
    step: Step
    outcome: Outcome
    planned_at: datetime
    level: int


class Climb(NamedTuple):
    """What is to be done with a duty now: the records to make, whether it locks, and when to look again (None: never).

    `moved` is the duty with these records made (not yet locked); `unheard`: nobody at all could be told.
    """

    records: tuple[Taken, ...]
    locks: bool
    next_at: datetime | None
    unheard: bool
    moved: Obligation

    @property
    def taken(self) -> Taken | None:
        """The step whose messages go out now, if any."""
        return next((r for r in self.records if r.outcome is Outcome.TAKEN), None)


class Escalation(Struct, frozen=True, kw_only=True, gc=False):
    """The record of one step: exactly one per obligation, round and step. `posts` names the posts reached, `persons` who was on them."""

    id: str
    obligation_id: str
    round: int
    step: int
    outcome: Outcome
    planned_at: datetime
    at: datetime
    whom: tuple[Whom, ...]
    posts: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    reminder: bool = False
    drill: bool = False


@change("obligation.escalated", zh="催办与升级", en="a step of the ladder")
class ObligationEscalated(ChangeBody, frozen=True, kw_only=True):
    """Steps of a duty's ladder were recorded together; at most one of them was taken. The notices are those that were written for it."""

    obligation: Obligation
    escalations: tuple[Escalation, ...]
    notices: tuple[Notice, ...] = ()


def faults(ladder: Ladder, channels: Collection[str]) -> list[Fault]:
    """What is wrong with a ladder as data; empty where nothing is. Fields are paths into the document: `ladders.ID.steps.0.whom`."""
    path, name = f"ladders.{ladder.id}", ladder.zh or ladder.id
    found = [] if ladder.steps else [Fault(f"{path}.steps", f"“{name}”没有任何步骤", f"{ladder.id}: no steps")]
    for n, step in enumerate(ladder.steps):
        before = ladder.steps[n - 1].offset_min if n else None
        found += [Fault(f"{path}.steps.{n}.{field}", f"“{name}”第 {n + 1} 步：{zh}", f"{ladder.id} step {n + 1}: {en}")
                  for field, zh, en in _step_faults(step, before, channels, last=n == len(ladder.steps) - 1)]
    return found


def _step_faults(step: Step, before: float | None, channels: Collection[str], *, last: bool) -> Iterator[tuple[str, str, str]]:
    """The faults of a step (field, Chinese, English), given the offset of the step before it."""
    if abs(step.offset_min) > LONGEST_MIN:
        yield "offset_min", f"距截止时间超过 {LONGEST_MIN} 分钟", f"more than {LONGEST_MIN} min from the due time"
    if before is not None and step.offset_min < before:
        yield "offset_min", "早于前一步", "the offsets do not ascend"
    if not step.whom:
        yield "whom", "没有通知对象", "reaches nobody"
    if not step.channels:
        yield "channels", "没有通知渠道", "no channel"
    if unknown := ", ".join(sorted(set(step.channels) - set(channels))):
        yield "channels", f"没有此渠道：{unknown}", f"unknown channel {unknown}"
    if (step.ack_within_min <= 0 and not last) or step.ack_within_min > LONGEST_MIN:
        yield "ack_within_min", f"确认时限须大于 0，至多 {LONGEST_MIN} 分钟", f"no time for an acknowledgement before the next step, or above {LONGEST_MIN} min"
    if not 0 < step.max_age_min <= LONGEST_MIN:
        yield "max_age_min", f"最长有效时间须大于 0，至多 {LONGEST_MIN} 分钟", f"a maximum age of zero would never be sent; {LONGEST_MIN} min is the most"


def schedule(o: Obligation, ladder: Ladder) -> Iterator[Rung]:
    """When each step that has no record yet is planned for; the wait after a reminder does not hold escalation up."""
    floor = _later(o.ack_until, o.wait_until)
    level = sum(not step.is_reminder for step in ladder.steps[:o.step])
    for n, step in enumerate(ladder.steps[o.step:], o.step + 1):
        if n > 1 and ladder.steps[n - 2].is_reminder and not step.is_reminder:
            floor = o.ack_until
        at = max(o.due_at + timedelta(minutes=step.offset_min), o.opens_at if step.is_reminder else o.late_at)
        at = max(at, floor) if floor else at
        level += not step.is_reminder
        yield Rung(n, step, at, level if not step.is_reminder else 0)
        floor = at + timedelta(minutes=step.ack_within_min)


def _later(a: datetime | None, b: datetime | None) -> datetime | None:
    return max((at for at in (a, b) if at is not None), default=None)


def climb(o: Obligation, ladder: Ladder, reach: Collection[Whom], now: datetime) -> Climb:
    """Decide what is to be done with a duty at `now`, given whom a message can reach."""
    if not o.is_owed:
        return Climb((), False, None, False, o)
    now = whole_ms(now)
    locks = o.lock_at is not None and now >= o.lock_at
    plan = list(schedule(o, ladder))
    silent = o.ack_until is not None and now < o.ack_until
    records, unheard = ([], False) if silent else _due(o, plan, reach, now)
    if locks:
        done = records[-1].n if records else o.step
        records += [Taken(n, step, Outcome.SKIPPED_LOCKED, at, level) for n, step, at, level in plan if n > done]
        return Climb(tuple(records), True, None, unheard, after(o, records, now))
    moved = after(o, records, now)
    return Climb(tuple(records), False, next_look(moved, ladder), unheard, moved)


def _due(o: Obligation, plan: Sequence[Rung], reach: Collection[Whom], now: datetime) -> tuple[list[Taken], bool]:
    """The records to make now, in the order of the steps, at most one of them taken; and whether nobody at all could be told."""
    passed = [rung for rung in plan if rung.at <= now]
    if not passed:
        return [], False
    late, last = not passed[-1].step.is_reminder, passed[-1].n
    fresh = [rung for rung in passed if _is_fresh(o, rung, late, now)]
    ahead = [rung for rung in plan if rung.n > last and rung.step.is_reminder != late]
    order = [fresh[-1], *ahead, *reversed(fresh[:-1])] if fresh else []
    chosen = next((rung.n for rung in order if any(whom in reach for whom in rung.step.whom)), None)
    tried = {rung.n for rung in takewhile(lambda rung: rung.n != chosen, order)}
    live = {rung.n for rung in fresh}
    upto = max(last, chosen or 0)
    records = [Taken(n, step, _outcome(n, step, chosen, tried, live), at, level) for n, step, at, level in plan if n <= upto]
    return records, bool(fresh) and chosen is None


def _is_fresh(o: Obligation, rung: Rung, late: bool, now: datetime) -> bool:
    """Young enough to be sent, and of use: no reminder once escalation has begun or grace is over."""
    if now - rung.at > timedelta(minutes=rung.step.max_age_min):
        return False
    return not rung.step.is_reminder if late else now <= o.late_at


def _outcome(n: int, step: Step, chosen: int | None, tried: Collection[int], fresh: Collection[int]) -> Outcome:
    if n == chosen:
        return Outcome.TAKEN
    if n in tried:
        return Outcome.NOBODY
    if n in fresh or step.is_reminder:
        return Outcome.SUPERSEDED
    return Outcome.SKIPPED_TOO_OLD


def after(o: Obligation, records: Sequence[Taken], now: datetime) -> Obligation:
    """The duty with these records made: how far its ladder went, and until when the next step waits."""
    if not records:
        return o
    taken = next((r for r in records if r.outcome is Outcome.TAKEN), None)
    wait = whole_ms(now) + timedelta(minutes=taken.step.ack_within_min) if taken else o.wait_until
    return msgspec.structs.replace(o, step=records[-1].n, wait_until=wait, updated_at=whole_ms(now), version=o.version + 1)


def next_look(o: Obligation, ladder: Ladder) -> datetime | None:
    """When the tick has to look at a duty: at its next step or its lock, whichever comes first; None where nothing can come."""
    if not o.is_owed:
        return None
    rung = next(schedule(o, ladder), None)
    return min((at for at in (rung.at if rung else None, o.lock_at) if at is not None), default=None)


def set_back(o: Obligation, ladder: Ladder, *, ack_valid_min: float, now: datetime) -> Obligation:
    """Bound the waits of a duty after the hub's clock was set back, so that none lasts longer than it ever could have."""
    longest = timedelta(minutes=max((s.ack_within_min for s in ladder.steps), default=0))
    now = whole_ms(now)
    wait = min(o.wait_until, now + longest) if o.wait_until else None
    ack = min(o.ack_until, now + timedelta(minutes=ack_valid_min)) if o.ack_until else None
    return msgspec.structs.replace(o, wait_until=wait, ack_until=ack, updated_at=now, version=o.version + 1)

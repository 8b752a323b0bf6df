"""How a ladder is climbed: reminders, escalation after grace, acknowledgements, outages, empty posts, the lock."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain import ladder, obligation
from hub.domain.duty_rules import CHANNELS, packaged_rules
from hub.domain.ladder import Climb, Ladder, Outcome, Step, Whom, after, climb, next_look
from hub.domain.obligation import Kind, Obligation, Owed

DUE = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
EVERYBODY = frozenset(Whom)
KIND = Kind(id="k", zh="事", en="duty", ladder="l", grace_min=30, lock_min=600, ack_valid_min=60)


def step(offset_min: float, *whom: Whom, ack: float = 10, age: float = 120) -> Step:
    return Step(offset_min=offset_min, whom=whom or (Whom.POST,), channels=("console",), ack_within_min=ack, max_age_min=age)


LADDER = Ladder(id="l", zh="梯", en="ladder", steps=(
    step(-60, ack=20), step(0), step(45, Whom.DEPUTY), step(60, Whom.LEADER), step(90, Whom.COMMAND_CENTRE),
))


def duty(**other: object) -> Obligation:
    owed = Owed(key="k", kind="k", department_id="d", post_id="d.duty", subject="s", title_zh="事", title_en="duty", due_at=DUE, **other)  # type: ignore[arg-type]
    return obligation.owe(owed, KIND, id="o", now=DUE - timedelta(hours=8))


def at(minutes: float) -> datetime:
    return DUE + timedelta(minutes=minutes)


def outcomes(c: Climb) -> list[tuple[int, Outcome]]:
    return [(r.n, r.outcome) for r in c.records]


def walk(o: Obligation, until: datetime, reach: frozenset[Whom] = EVERYBODY, rungs: Ladder = LADDER) -> tuple[Obligation, list[tuple[float, int, Outcome]]]:
    """Look exactly when the ladder asks to be looked at; minutes from the due time, step, outcome."""
    seen = []
    now = next_look(o, rungs)
    while now is not None and now <= until:
        c = climb(o, rungs, reach, now)
        seen += [((now - DUE).total_seconds() / 60, r.n, r.outcome) for r in c.records]
        o = after(o, c.records, now)
        if c.locks:
            o = obligation.lock(o, now=now)
        assert c.next_at is None or c.next_at > now
        now = c.next_at
    return o, seen


def test_an_unmet_duty_climbs_its_ladder_step_by_step_and_is_missed_at_its_lock() -> None:
    o, seen = walk(duty(), at(10_000))
    assert seen == [(-60, 1, Outcome.TAKEN), (30, 2, Outcome.TAKEN), (45, 3, Outcome.TAKEN), (60, 4, Outcome.TAKEN), (90, 5, Outcome.TAKEN)]
    assert o.state is obligation.State.MISSED


def test_escalation_starts_after_grace_and_a_reminder_does_not_hold_it_up() -> None:
    assert climb(after(duty(), climb(duty(), LADDER, EVERYBODY, at(-60)).records, at(-60)), LADDER, EVERYBODY, at(29)).records == ()


def test_a_step_waits_for_the_acknowledgement_time_of_the_one_before() -> None:
    slow = Ladder(id="l", zh="", en="", steps=(step(0, ack=50), step(10)))
    _, seen = walk(duty(), at(300), rungs=slow)
    assert [(t, n) for t, n, _ in seen] == [(30, 1), (80, 2)]


def test_nothing_is_sent_while_an_acknowledgement_is_valid_and_then_the_next_step_comes() -> None:
    o, _ = walk(duty(), at(31))
    acked = obligation.acknowledge(o, KIND, now=at(32), by="person:1", for_min=60)
    for minute in range(32, 92):
        assert climb(acked, LADDER, EVERYBODY, at(minute)).records == ()
    assert outcomes(climb(acked, LADDER, EVERYBODY, at(92))) == [(3, Outcome.TAKEN)]
    _, seen = walk(acked, at(200))
    assert [(t, n) for t, n, _ in seen] == [(92, 3), (102, 4), (112, 5)]


def test_an_acknowledgement_before_the_due_time_silences_the_reminders_too() -> None:
    acked = obligation.acknowledge(duty(), KIND, now=at(-70), by="p", for_min=60)
    assert climb(acked, LADDER, EVERYBODY, at(-60)).records == ()


@pytest.mark.parametrize("end", ["met", "excused"])
def test_nothing_comes_after_the_duty_is_met_or_excused(end: str) -> None:
    o = obligation.meet(duty(), now=at(-90), by="p") if end == "met" else obligation.excuse(duty(), now=at(-90), by="p", reason="停报")
    assert next_look(o, LADDER) is None
    assert climb(o, LADDER, EVERYBODY, at(5_000)) == Climb((), False, None, False, o)


def test_after_an_outage_the_latest_step_that_is_young_enough_is_taken_and_the_others_are_on_record() -> None:
    c = climb(duty(), LADDER, EVERYBODY, at(160))  # step 2 was planned for +30: 130 minutes ago, older than its 120
    assert outcomes(c) == [(1, Outcome.SUPERSEDED), (2, Outcome.SKIPPED_TOO_OLD), (3, Outcome.SUPERSEDED), (4, Outcome.SUPERSEDED),
                           (5, Outcome.TAKEN)]


def test_no_page_is_older_than_its_maximum_age() -> None:
    c = climb(duty(), LADDER, EVERYBODY, at(400))
    assert {o for n, o in outcomes(c) if n > 1} == {Outcome.SKIPPED_TOO_OLD}
    assert c.taken is None


def test_a_hub_that_was_down_across_due_time_and_lock_still_escalates_once_and_then_locks() -> None:
    soon = msgspec.structs.replace(duty(), lock_at=at(100))
    c = climb(soon, LADDER, EVERYBODY, at(130))
    assert c.locks
    assert [r.n for r in c.records] == [1, 2, 3, 4, 5]
    assert c.taken is not None and c.taken.n == 5


def test_what_is_left_of_the_ladder_at_the_lock_is_on_record_as_skipped() -> None:
    o = obligation.acknowledge(duty(), KIND, now=at(590), by="p", for_min=60)
    c = climb(o, LADDER, EVERYBODY, at(600))
    assert c.locks
    assert outcomes(c) == [(n, Outcome.SKIPPED_LOCKED) for n in (1, 2, 3, 4, 5)]


def test_an_empty_post_means_the_next_step_now_and_a_record_that_says_so() -> None:
    o, _ = walk(duty(), at(0))
    c = climb(o, LADDER, frozenset({Whom.LEADER}), at(30))
    assert outcomes(c) == [(2, Outcome.NOBODY), (3, Outcome.NOBODY), (4, Outcome.TAKEN)]
    assert c.next_at == at(90)


def test_where_nobody_at_all_can_be_told_the_climb_says_so_and_later_steps_keep_their_time() -> None:
    o, _ = walk(duty(), at(0))
    c = climb(o, LADDER, frozenset(), at(30))
    assert outcomes(c) == [(2, Outcome.NOBODY)]
    assert c.unheard and c.next_at == at(45)


def test_an_empty_post_at_a_reminder_does_not_pull_escalation_before_the_due_time() -> None:
    c = climb(duty(), LADDER, frozenset({Whom.LEADER}), at(-60))
    assert outcomes(c) == [(1, Outcome.NOBODY)]
    assert c.next_at == at(30)


def test_after_an_outage_an_earlier_step_is_taken_where_the_latest_and_all_later_ones_reach_nobody() -> None:
    c = climb(duty(), LADDER, frozenset({Whom.DEPUTY}), at(95))
    assert outcomes(c) == [(1, Outcome.SUPERSEDED), (2, Outcome.SUPERSEDED), (3, Outcome.TAKEN), (4, Outcome.NOBODY), (5, Outcome.NOBODY)]


def test_a_reminder_is_never_sent_after_grace() -> None:
    only = Ladder(id="l", zh="", en="", steps=(step(-10, age=600), step(120)))
    assert outcomes(climb(duty(), only, EVERYBODY, at(31))) == [(1, Outcome.SUPERSEDED)]
    assert outcomes(climb(duty(), only, EVERYBODY, at(30))) == [(1, Outcome.TAKEN)]


def test_a_ladder_without_steps_still_locks() -> None:
    empty = Ladder(id="l", zh="", en="", steps=())
    assert next_look(duty(), empty) == at(600)
    assert climb(duty(), empty, EVERYBODY, at(600)).locks


def test_a_duty_that_never_locks_and_has_no_steps_left_is_never_looked_at_again() -> None:
    o, seen = walk(duty(never_locks=True), at(100_000))
    assert len(seen) == 5 and next_look(o, LADDER) is None


def test_a_clock_set_back_cannot_make_a_wait_longer_than_it_ever_was() -> None:
    o, _ = walk(duty(), at(60))
    back = ladder.set_back(o, LADDER, ack_valid_min=60, now=at(-10_000))
    assert back.wait_until == at(-10_000) + timedelta(minutes=20)


def test_the_shipped_ladders_are_sound() -> None:
    rules = packaged_rules()
    assert [f for rungs in rules.ladders.values() for f in ladder.faults(rungs, CHANNELS)] == []


def test_faults_of_a_ladder_are_named() -> None:
    bad = Ladder(id="bad", zh="坏", en="", steps=(step(10, ack=0), Step(offset_min=0, whom=(), channels=("pigeon",), max_age_min=0), step(10**12)))
    found = ladder.faults(bad, CHANNELS)
    for field, zh, en in (
        ("0.ack_within_min", "第 1 步：确认时限", "no time for an acknowledgement"), ("1.whom", "没有通知对象", "reaches nobody"),
        ("1.channels", "没有此渠道：pigeon", "unknown channel pigeon"), ("1.max_age_min", "最长有效时间", "maximum age"),
        ("1.offset_min", "早于前一步", "do not ascend"), ("2.offset_min", "超过", "min from the due time"),
    ):
        assert [f for f in found if f.field == f"ladders.bad.steps.{field}" and zh in f.zh and en in f.en], field
    assert [f.field for f in ladder.faults(Ladder(id="x", zh="", en="", steps=()), CHANNELS)] == ["ladders.x.steps"]


@settings(max_examples=300, deadline=None)
@given(
    looks=st.lists(st.integers(-200, 2_000), min_size=1, max_size=40),
    acks=st.sets(st.integers(0, 39), max_size=5),
    reach=st.sets(st.sampled_from(list(Whom))),
)
def test_however_it_is_looked_at_every_missed_duty_has_exactly_one_record_for_each_step(looks: list[int], acks: set[int], reach: set[Whom]) -> None:
    o, seen = duty(), []
    for n, minute in enumerate([*sorted(looks), 2_001]):
        now = at(minute)
        c = climb(o, LADDER, reach, now)
        assert sum(r.outcome is Outcome.TAKEN for r in c.records) <= 1
        if o.ack_until and now < o.ack_until:
            assert c.taken is None
        for r in c.records:
            if r.outcome is Outcome.TAKEN:
                assert set(r.step.whom) & reach
                assert timedelta(0) <= now - r.planned_at <= timedelta(minutes=r.step.max_age_min) or r.planned_at > now
                assert r.step.is_reminder or now >= o.late_at
        seen += [r.n for r in c.records]
        o = after(o, c.records, now)
        if c.locks:
            o = obligation.lock(o, now=now)
            break
        if n in acks:
            o = obligation.acknowledge(o, KIND, now=now, by="p")
    assert seen == [1, 2, 3, 4, 5]

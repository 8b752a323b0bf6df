"""The ledger's rules: what may happen to a duty, and what becomes of its times."""

from datetime import UTC, datetime, timedelta

import pytest

from hub.domain import obligation
from hub.domain.obligation import LIVE, TRANSITIONS, Act, Evidence, Kind, Obligation, Owed, State
from hub.errors import Rejected

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
KIND = Kind(id="daily_report", zh="每日报送", en="daily report", ladder="daily", grace_min=30, lock_min=600, ack_valid_min=60, correction_min=120)


def made(**other: object) -> Obligation:
    owed = Owed(key="k", kind="daily_report", department_id="d", post_id="d.duty", subject="daily:x", title_zh="日报", title_en="daily",
                due_at=NOW + timedelta(hours=3), **other)  # type: ignore[arg-type]
    return obligation.owe(owed, KIND, id="o1", now=NOW)


def in_state(state: State) -> Obligation:
    o = made()
    late, locked = o.late_at + timedelta(minutes=1), NOW + timedelta(days=3)
    match state:
        case State.OPEN:
            return o
        case State.MET:
            return obligation.meet(o, now=NOW, by="person:1")
        case State.MET_LATE:
            return obligation.meet(o, now=late, by="person:1")
        case State.RETURNED:
            return obligation.give_back(in_state(State.MET), KIND, now=NOW, by="person:2", reason="数字有误")
        case State.MISSED:
            return obligation.lock(o, now=locked)
        case State.EXCUSED:
            return obligation.excuse(o, now=NOW, by="person:3", reason="停报")


def act(o: Obligation, what: Act) -> Obligation:
    late = NOW + timedelta(days=9)
    match what:
        case Act.ACKNOWLEDGE:
            return obligation.acknowledge(o, KIND, now=NOW, by="person:1")
        case Act.MEET:
            return obligation.meet(o, now=NOW, by="person:1")
        case Act.RETURN:
            return obligation.give_back(o, KIND, now=NOW, by="person:2", reason="数字有误")
        case Act.EXCUSE:
            return obligation.excuse(o, now=NOW, by="person:3", reason="停报")
        case Act.LOCK:
            return obligation.lock(o, now=late)
        case Act.UNLOCK:
            return obligation.unlock(o, KIND, now=late, by="person:3", reason="补报")


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("what", list(Act))
def test_every_cell_of_the_table_does_what_it_says_and_every_other_cell_is_refused(state: State, what: Act) -> None:
    before = in_state(state)
    permitted = TRANSITIONS.get((state, what))
    if permitted is None:
        with pytest.raises(Rejected) as refused:
            act(before, what)
        assert not set(refused.value.zh) & set("abcdefghijklmnopqrstuvwxyz_") and "_" not in refused.value.en, "told in words, not in the names of the code"
        return
    after = act(before, what)
    assert after.state in permitted
    assert after.version == before.version + 1


def test_a_row_exists_before_it_is_due_with_its_grace_and_its_lock() -> None:
    o = made()
    assert (o.state, o.due_at, o.late_at, o.lock_at) == (State.OPEN, NOW + timedelta(hours=3), NOW + timedelta(hours=3, minutes=30),
                                                         NOW + timedelta(hours=13))


def test_the_lock_never_comes_before_the_end_of_grace() -> None:
    o = made(lock_min=5.0)
    assert o.lock_at == o.late_at


def test_a_duty_may_never_lock() -> None:
    assert made(never_locks=True).lock_at is None


@pytest.mark.parametrize(("after_grace", "state"), [(timedelta(0), State.MET), (timedelta(milliseconds=1), State.MET_LATE)])
def test_met_is_in_time_up_to_the_last_millisecond_of_grace(after_grace: timedelta, state: State) -> None:
    o = made()
    assert obligation.meet(o, now=o.late_at + after_grace, by="person:1").state is state


def test_what_was_late_stays_late_when_it_is_returned_and_filed_again_in_time() -> None:
    returned = obligation.give_back(in_state(State.MET_LATE), KIND, now=NOW, by="person:2", reason="缺附件")
    assert obligation.meet(returned, now=NOW + timedelta(minutes=5), by="person:1").state is State.MET_LATE


def test_what_was_in_time_and_corrected_in_time_counts_as_in_time() -> None:
    assert obligation.meet(in_state(State.RETURNED), now=NOW + timedelta(minutes=119), by="person:1").state is State.MET


def test_a_return_begins_a_new_round_with_its_own_due_time_and_a_fresh_ladder() -> None:
    returned = in_state(State.RETURNED)
    assert (returned.round, returned.step, returned.due_at) == (2, 0, NOW + timedelta(minutes=120))
    assert returned.late_at - returned.due_at == timedelta(minutes=30)
    assert returned.lock_at is not None and returned.lock_at - returned.due_at == timedelta(hours=10)


def test_what_is_met_after_a_leader_unlocked_a_missed_duty_is_late() -> None:
    unlocked = act(in_state(State.MISSED), Act.UNLOCK)
    assert obligation.meet(unlocked, now=unlocked.updated_at, by="person:1").state is State.MET_LATE


def test_a_wrongly_excused_duty_can_be_reopened_and_is_not_late_for_it() -> None:
    reopened = obligation.unlock(in_state(State.EXCUSED), KIND, now=NOW, by="person:3", reason="误操作")
    assert obligation.meet(reopened, now=NOW, by="person:1").state is State.MET


def test_filing_after_the_lock_is_refused_with_what_to_do() -> None:
    with pytest.raises(Rejected) as refusal:
        act(in_state(State.MISSED), Act.MEET)
    assert refusal.value.code == "obligation_locked"


LEADERS_ACTS = {
    "return": lambda: obligation.give_back(in_state(State.MET), KIND, now=NOW, by="p", reason="  "),
    "excuse": lambda: obligation.excuse(made(), now=NOW, by="p", reason=""),
    "unlock": lambda: obligation.unlock(in_state(State.MISSED), KIND, now=NOW, by="p", reason=""),
}


@pytest.mark.parametrize("what", LEADERS_ACTS)
def test_a_leaders_act_needs_a_reason(what: str) -> None:
    with pytest.raises(Rejected) as refusal:
        LEADERS_ACTS[what]()
    assert refusal.value.code == "reason_needed"


def test_a_new_due_time_must_lie_ahead() -> None:
    with pytest.raises(Rejected) as refusal:
        obligation.give_back(in_state(State.MET), KIND, now=NOW, by="p", reason="数字有误", due_at=NOW)
    assert refusal.value.code == "due_in_past"


def test_an_acknowledgement_never_lasts_longer_than_its_kind_allows() -> None:
    assert obligation.acknowledge(made(), KIND, now=NOW, by="p", for_min=10_000).ack_until == NOW + timedelta(minutes=60)
    assert obligation.acknowledge(made(), KIND, now=NOW, by="p", for_min=5).ack_until == NOW + timedelta(minutes=5)
    with pytest.raises(Rejected):
        obligation.acknowledge(made(), KIND, now=NOW, by="p", for_min=0)


def test_a_duty_cannot_be_locked_before_its_time() -> None:
    with pytest.raises(Rejected):
        obligation.lock(made(), now=NOW)


def test_times_are_cut_to_what_the_store_keeps() -> None:
    o = obligation.meet(made(), now=NOW + timedelta(microseconds=1234), by="p", evidence=Evidence(ref="daily:1"))
    assert o.met_at == NOW + timedelta(milliseconds=1)


def test_meeting_ends_every_wait() -> None:
    o = obligation.meet(obligation.acknowledge(made(), KIND, now=NOW, by="p"), now=NOW, by="p")
    assert (o.ack_until, o.ack_by, o.wait_until, o.is_owed) == (None, None, None, False)


def test_only_open_and_returned_are_owed() -> None:
    assert {s for s in State if in_state(s).is_owed} == LIVE

"""Who is on duty, whom a step reaches, swaps with consent."""

from datetime import UTC, datetime, timedelta

import pytest

from hub.domain.ladder import Whom
from hub.domain.roster import NOBODY, On, Post, Shift, Swap, SwapState, check_shift, decide_swap, posts_for, reachable, uncovered, who_is_on
from hub.errors import Rejected

T = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DUTY = Post(id="w.duty", department_id="w", role=Whom.POST, zh="值班岗", en="duty", members=("m1", "m2"))
LEADER = Post(id="w.leader", department_id="w", role=Whom.LEADER, zh="领导", en="leader", members=("boss",))
DESK = Post(id="c.desk", department_id="c", role=Whom.COMMAND_CENTRE, zh="指挥中心", en="desk")
POSTS = (DUTY, LEADER, DESK)


def shift(id: str, first: float, last: float, person: str = "p1", **other: object) -> Shift:
    return Shift(id=id, post_id="w.duty", person_id=person, starts_at=T + first * HOUR, ends_at=T + last * HOUR, **other)  # type: ignore[arg-type]


def test_a_shift_covers_its_start_and_not_its_end() -> None:
    shifts = [shift("a", 0, 8, "p1"), shift("b", 8, 16, "p2")]
    assert who_is_on(DUTY, shifts, T) == On(("p1",), "shift", T + 8 * HOUR)
    assert who_is_on(DUTY, shifts, T + 8 * HOUR).persons == ("p2",)


def test_outside_every_shift_the_standing_members_are_on_and_without_members_nobody() -> None:
    assert who_is_on(DUTY, [shift("a", 0, 8)], T + 20 * HOUR) == On(("m1", "m2"), "member", None)
    assert who_is_on(DESK, [], T) == NOBODY


def test_a_substitute_stands_in_and_a_cancelled_shift_does_not_count() -> None:
    assert who_is_on(DUTY, [shift("a", 0, 8, substitute_id="p9")], T).persons == ("p9",)
    assert who_is_on(DUTY, [shift("a", 0, 8, cancelled=True)], T).via == "member"


def test_a_post_that_is_closed_has_nobody_in_it() -> None:
    closed = Post(id="x", department_id="w", role=Whom.POST, zh="", en="", members=("m1",), active=False)
    assert who_is_on(closed, [], T) == NOBODY
    assert posts_for(Whom.POST, closed, "w", POSTS) == []


def test_a_step_reaches_the_department_s_own_leader_and_the_district_s_desk() -> None:
    assert posts_for(Whom.LEADER, DUTY, "w", POSTS) == [LEADER]
    assert posts_for(Whom.LEADER, DUTY, "other", POSTS) == []
    assert posts_for(Whom.COMMAND_CENTRE, DUTY, "w", POSTS) == [DESK]


def test_a_post_can_be_reached_by_a_person_on_it_or_by_a_contact_of_its_own() -> None:
    on = {p.id: who_is_on(p, [], T) for p in POSTS}
    assert reachable("w", DUTY, POSTS, on, ()) == {Whom.POST, Whom.LEADER}
    assert Whom.COMMAND_CENTRE in reachable("w", DUTY, POSTS, on, {"c.desk"})
    assert reachable("gone", None, (), {}, ()) == frozenset()


def test_gaps_of_a_roster_are_named() -> None:
    shifts = [shift("a", 0, 8), shift("b", 6, 12), shift("c", 14, 20), shift("d", 0, 30, cancelled=True)]
    assert uncovered(DUTY, shifts, T, T + 24 * HOUR) == [(T + 12 * HOUR, T + 14 * HOUR), (T + 20 * HOUR, T + 24 * HOUR)]
    assert uncovered(DUTY, shifts, T, T + 24 * HOUR, ignore=3 * HOUR) == [(T + 20 * HOUR, T + 24 * HOUR)]


@pytest.mark.parametrize(("first", "last", "code"), [(8, 8, "shift_times"), (0, 37, "shift_too_long"), (4, 12, "shift_overlap")])
def test_an_impossible_shift_is_refused(first: float, last: float, code: str) -> None:
    with pytest.raises(Rejected) as refusal:
        check_shift(shift("new", first, last), [shift("a", 0, 8)])
    assert refusal.value.code == code


SWAP = Swap(id="s", shift_id="a", from_person="p1", to_person="p2", state=SwapState.PROPOSED, proposed_at=T)


def test_a_swap_needs_the_consent_of_the_person_asked() -> None:
    assert decide_swap(SWAP, SwapState.ACCEPTED, by="p2", now=T).state is SwapState.ACCEPTED
    assert decide_swap(SWAP, SwapState.WITHDRAWN, by="p1", now=T).state is SwapState.WITHDRAWN
    for to, by in ((SwapState.ACCEPTED, "p1"), (SwapState.WITHDRAWN, "p2"), (SwapState.ACCEPTED, "boss")):
        with pytest.raises(Rejected):
            decide_swap(SWAP, to, by=by, now=T)


def test_a_swap_is_decided_once() -> None:
    with pytest.raises(Rejected) as refusal:
        decide_swap(decide_swap(SWAP, SwapState.DECLINED, by="p2", now=T), SwapState.ACCEPTED, by="p2", now=T)
    assert refusal.value.code == "swap_decided"

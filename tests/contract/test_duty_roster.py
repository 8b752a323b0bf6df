"""Posts, shifts, swaps and handovers on both databases; and whom a ladder reaches because of them."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from hub.clock import ManualClock
from hub.domain.access import Role, Scope
from hub.domain.ladder import Whom
from hub.domain.notice import Contact, ContactState
from hub.domain.organisation import Post as AccessPost
from hub.domain.roster import Post, Shift, SwapState
from hub.errors import Rejected
from hub.ids import new_id
from hub.respond.schedule import tick
from hub.store import Store, organisation
from hub.store import obligations as ledger
from hub.store.notices import get_contact, list_notices, note_check, save_contact
from hub.store.roster import (
    acknowledge_handover,
    decide,
    get_post,
    handovers_of,
    load_reach,
    propose_swap,
    refuse_handover,
    save_post,
    save_shift,
    shifts_of,
    who_is_on_now,
    write_handover,
)
from tests.support.district import POLICY
from tests.support.duty import MINUTE, NOW, give_contact, owed, people, rules

RULES = rules()
HOUR = timedelta(hours=1)


async def put_people(store: Store) -> None:
    async with store.transaction() as tx:
        await people(tx, "water-bureau")


def shift(person: str, first: float, last: float, **other: object) -> Shift:
    return Shift(id=new_id(), post_id="water-bureau.duty", person_id=person, starts_at=NOW + first * HOUR, ends_at=NOW + last * HOUR, **other)  # type: ignore[arg-type]


async def save(store: Store, *shifts: Shift) -> list[Shift]:
    async with store.transaction() as tx:
        return [await save_shift(tx, s, by="person:officer") for s in shifts]


async def on_now(store: Store, clock: ManualClock) -> tuple[str, ...]:
    async with store.read() as conn:
        post = await get_post(conn, "water-bureau.duty")
        assert post is not None
        return (await who_is_on_now(conn, [post], clock.now()))[post.id].persons


async def test_the_ladder_reaches_whoever_is_on_shift_when_the_step_comes(store: Store, clock: ManualClock) -> None:
    await put_people(store)
    await save(store, shift("early", 0, 0.4), shift("late", 0.4, 8))
    async with store.transaction() as tx:
        (made,) = await ledger.make(tx, RULES, [owed(1)], actor="system:test")
    for minute in (20, 30):
        clock.set(NOW + minute * MINUTE)
        await tick(store, RULES)
    async with store.read() as conn:
        assert [e.persons for e in await ledger.escalations_of(conn, made.id)] == [("early",), ("late",)]


async def test_an_accepted_swap_changes_who_is_on_in_one_step_and_a_stale_one_fails_whole(store: Store, clock: ManualClock) -> None:
    await put_people(store)
    mine, theirs = await save(store, shift("a", 0, 8), shift("b", 8, 16))
    async with store.transaction() as tx:
        swap = await propose_swap(tx, shift_id=mine.id, from_person="a", to_person="b", by="person:a", return_shift_id=theirs.id)
    assert await on_now(store, clock) == ("a",)
    async with store.transaction() as tx:
        assert (await decide(tx, swap.id, SwapState.ACCEPTED, person="b", by="person:b")).state is SwapState.ACCEPTED
    assert await on_now(store, clock) == ("b",)
    clock.advance(9 * HOUR)
    assert await on_now(store, clock) == ("a",)


async def test_a_swap_of_a_shift_that_changed_meanwhile_changes_nothing(store: Store, clock: ManualClock) -> None:
    await put_people(store)
    (mine,) = await save(store, shift("a", 1, 8))
    async with store.transaction() as tx:
        swap = await propose_swap(tx, shift_id=mine.id, from_person="a", to_person="b", by="person:a")
    await save(store, msgspec.structs.replace(mine, substitute_id="c"))
    with pytest.raises(Rejected) as refusal:
        async with store.transaction() as tx:
            await decide(tx, swap.id, SwapState.ACCEPTED, person="b", by="person:b")
    assert refusal.value.code == "shift_changed"
    async with store.read() as conn:
        (held,) = await shifts_of(conn, posts=["water-bureau.duty"], first=NOW, last=NOW + 24 * HOUR)
    assert held.on_duty == "c"


async def test_a_shift_that_is_over_is_swapped_no_more_whoever_agrees_afterwards(store: Store, clock: ManualClock) -> None:
    await put_people(store)
    night, past, next_night = await save(store, shift("a", 12, 24), shift("b", -12, -4), shift("b", 36, 48))
    async with store.transaction() as tx:
        with pytest.raises(Rejected) as over:
            await propose_swap(tx, shift_id=night.id, from_person="a", to_person="b", by="person:a", return_shift_id=past.id)
        assert over.value.code == "not_their_shift"
        swap = await propose_swap(tx, shift_id=night.id, from_person="a", to_person="b", by="person:a", return_shift_id=next_night.id)
    clock.set(NOW + 30 * HOUR)
    with pytest.raises(Rejected) as late:
        async with store.transaction() as tx:
            await decide(tx, swap.id, SwapState.ACCEPTED, person="b", by="person:b")
    assert late.value.code == "shift_over"
    async with store.read() as conn:
        stood = await shifts_of(conn, posts=["water-bureau.duty"], first=NOW, last=NOW + 60 * HOUR)
    assert [s.on_duty for s in stood] == ["a", "b"], "who stood the night stays as it was"


async def test_two_officers_who_alter_one_shift_at_once_do_not_overwrite_each_other(store: Store, clock: ManualClock) -> None:
    await put_people(store)
    (held,) = await save(store, shift("a", 1, 8))
    await save(store, msgspec.structs.replace(held, substitute_id="b"))
    with pytest.raises(Rejected) as refusal:
        await save(store, msgspec.structs.replace(held, substitute_id="c"))
    assert refusal.value.code == "changed_meanwhile"


async def test_without_shift_or_member_those_appointed_to_the_department_s_posts_stand(store: Store, clock: ManualClock) -> None:
    async with store.transaction() as tx:
        await organisation.seed_departments(tx)
        await save_post(tx, Post(id="water-bureau.duty", department_id="water-bureau", role=Whom.POST, zh="值班岗", en="duty"), by="person:a")
        await organisation.save_post(tx, AccessPost(id="water-reporter", role=Role.DEPARTMENT_REPORTER, scope=Scope.OWN, zh="报送员", en="reporter",
                                                    department_id="water-bureau"), POLICY, by="person:a")
        who = await organisation.add_person(tx, "李四", by="person:a", department_id="water-bureau")
    assert await on_now(store, clock) == ()
    async with store.transaction() as tx:
        held = await organisation.appoint(tx, who.id, "water-reporter", POLICY, by="person:a")
    assert await on_now(store, clock) == (who.id,)
    async with store.transaction() as tx:
        await organisation.release(tx, held.id, by="person:a", reason="调离")
    assert await on_now(store, clock) == ()


async def test_the_handover_of_the_desk_lists_everything_that_is_open_and_meets_its_duty_once_acknowledged(
    store: Store, clock: ManualClock,
) -> None:
    await put_people(store)
    async with store.transaction() as tx:
        made = await ledger.make(tx, RULES, [owed(1), owed(2), owed("drill", drill=True)], actor="system:test")
        written = await write_handover(tx, RULES, post_id="district-office.desk", from_person="a", to_person="b", note="留意一号闸", by="person:a")
    assert set(written.open_obligations) == {made[0].id, made[1].id}, "drills are not handed over"
    with pytest.raises(Rejected):
        async with store.transaction() as tx:
            await acknowledge_handover(tx, RULES, written.id, person="a", by="person:a")
    for _ in range(2):
        async with store.transaction() as tx:
            done = await acknowledge_handover(tx, RULES, written.id, person="b", by="person:b")
    async with store.read() as conn:
        assert await handovers_of(conn, posts=["district-office.desk"]) == [done]
        owed_now = await ledger.get_obligation(conn, written.obligation_id or "")
    assert owed_now is not None and owed_now.state == "met"


async def test_a_refused_handover_hands_nothing_over_and_is_told_at_once_with_the_reason(store: Store, clock: ManualClock) -> None:
    await put_people(store)
    async with store.transaction() as tx:
        written = await write_handover(tx, RULES, post_id="water-bureau.duty", from_person="a", to_person="b", note="", by="person:a")
    for person, reason, code in (("a", "不行", "not_your_handover"), ("b", " ", "reason_needed")):
        with pytest.raises(Rejected) as refusal:
            async with store.transaction() as tx:
                await refuse_handover(tx, RULES, written.id, person=person, by=f"person:{person}", reason=reason)
        assert refusal.value.code == code
    for _ in range(2):
        async with store.transaction() as tx:
            done = await refuse_handover(tx, RULES, written.id, person="b", by="person:b", reason="一号闸未列入")
    assert done.state == "refused"
    with pytest.raises(Rejected) as refusal:
        async with store.transaction() as tx:
            await acknowledge_handover(tx, RULES, written.id, person="b", by="person:b")
    assert refusal.value.code == "handover_decided"
    async with store.read() as conn:
        duty = await ledger.get_obligation(conn, written.obligation_id or "")
        told = await list_notices(conn, posts=["water-bureau.duty", "water-bureau.leader"])
    assert duty is not None and (duty.state, duty.reason, duty.reason_by) == ("excused", "一号闸未列入", "person:b")
    assert {n.post_id for n in told} == {"water-bureau.duty", "water-bureau.leader"}
    assert all(n.urgent and "一号闸未列入" in n.body and (n.title_en or "").startswith("Handover refused") for n in told)


async def test_a_contact_known_to_be_unreachable_is_used_only_where_there_is_no_other(store: Store, clock: ManualClock) -> None:
    await put_people(store)
    one = await give_contact(store, "water-bureau.duty", "json://127.0.0.1:1/one")
    two = await give_contact(store, "water-bureau.duty", "json://127.0.0.1:1/two")

    async def used() -> set[str]:
        async with store.read() as conn:
            reach = await load_reach(conn, departments=["water-bureau"], posts=["water-bureau.duty"], now=clock.now())
        return {a.id for a in reach.target(reach.posts["water-bureau.duty"], urgent=True).addresses}

    assert await used() == {one.id, two.id}
    async with store.transaction() as tx:
        await note_check(tx, one.id, ContactState.UNREACHABLE, error="HTTP 404")
    assert await used() == {two.id}
    async with store.transaction() as tx:
        await note_check(tx, two.id, ContactState.UNREACHABLE, error="HTTP 404")
    assert await used() == {one.id, two.id}


async def test_a_contact_saved_with_its_masked_address_keeps_the_real_one_and_a_new_address_is_unchecked(store: Store, clock: ManualClock) -> None:
    await put_people(store)
    made = await give_contact(store, "water-bureau.duty", "json://127.0.0.1:1/one")
    async with store.transaction() as tx:
        await note_check(tx, made.id, ContactState.REACHABLE)
    async with store.transaction() as tx:
        kept = await save_contact(tx, msgspec.structs.replace(made, name="新名"), by="person:a")
        assert kept.state is ContactState.REACHABLE
        moved = await save_contact(tx, msgspec.structs.replace(made, address="json://127.0.0.1:1/else"), by="person:a")
    assert moved.state is ContactState.UNKNOWN and moved.address == "json://…se"
    async with store.read() as conn:
        assert await get_contact(conn, made.id) == moved
    for bad in (Contact(id="x", name="", address="json://a/b"), Contact(id="x", name="", address="telephone", post_id="p")):
        with pytest.raises(Rejected):
            async with store.transaction() as tx:
                await save_contact(tx, bad, by="person:a")

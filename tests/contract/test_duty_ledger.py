"""The ledger and its tick on both databases: acts, ladders, two hubs at once, restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from types import MappingProxyType

import msgspec
import pytest
from sqlalchemy import text

from hub.clock import ManualClock
from hub.domain.ladder import ObligationEscalated
from hub.domain.notice import LINK, Notice, NoticeState, in_both
from hub.domain.obligation import Evidence, Obligation, State
from hub.errors import Rejected
from hub.respond.schedule import tick
from hub.store import Store, Transaction, changes_after
from hub.store import obligations as ledger
from hub.store.notices import (
    claim,
    is_still_wanted,
    list_notices,
    list_pending,
    mark_read,
    mark_sent,
    message_drafts,
    queue,
    rules_of_duties,
)
from hub.store.roster import get_post, load_reach
from tests.support.duty import MINUTE, NOW, empty_post, give_contact, owed, people, rules

RULES = rules()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def store(store_url: str, clock: ManualClock) -> AsyncIterator[Store]:
    async with Store(store_url, clock) as opened:
        async with opened.transaction() as tx:
            await people(tx, "water-bureau", "fire-rescue")
        yield opened


async def put(store: Store, *which: object, **other: object) -> list[Obligation]:
    async with store.transaction() as tx:
        return await ledger.make(tx, RULES, [owed(n, **other) for n in which or (1,)], actor="system:test")  # type: ignore[arg-type]


async def read(store: Store, id: str) -> Obligation:
    async with store.read() as conn:
        found = await ledger.get_obligation(conn, id)
    assert found is not None
    return found


async def steps(store: Store, id: str) -> list[tuple[int, int, str]]:
    async with store.read() as conn:
        return [(e.round, e.step, e.outcome.value) for e in await ledger.escalations_of(conn, id)]


async def kinds(store: Store) -> list[str]:
    async with store.read() as conn:
        return [c.kind for c in await changes_after(conn, 0, limit=10_000) if c.kind.startswith(("obligation", "notice"))]


async def walk(store: Store, clock: ManualClock, minutes: int, *, every: timedelta = MINUTE) -> None:
    for _ in range(minutes):
        clock.advance(every)
        await tick(store, RULES)


async def test_a_duty_read_back_equals_the_one_in_its_change(store: Store) -> None:
    (made,) = await put(store)
    async with store.transaction() as tx:
        met = await ledger.meet(tx, RULES, made.id, by="person:1", evidence=Evidence(ref="daily:1", zh="日报", at=NOW))
    assert await read(store, made.id) == met
    async with store.read() as conn:
        last = [c for c in await changes_after(conn, 0) if c.kind == "obligation.met"][-1]
    assert last.read(ledger.ObligationMet).obligation == met
    assert (last.department_id, last.actor, last.subject) == ("water-bureau", "person:1", f"obligation:{made.id}")


async def test_the_same_duty_made_twice_is_one_row_and_one_change(store: Store) -> None:
    assert len(await put(store, 1, 2)) == 2
    assert [o.key for o in await put(store, 1, 2, 3)] == ["test:3"]
    assert (await kinds(store)).count("obligation.made") == 2


async def test_an_unmet_duty_climbs_its_whole_ladder_once_and_is_missed(store: Store, clock: ManualClock) -> None:
    (made,) = await put(store)
    await walk(store, clock, 120)
    assert await steps(store, made.id) == [(1, n, "taken") for n in (1, 2, 3, 4)]
    assert (await read(store, made.id)).state is State.MISSED
    found = await kinds(store)
    assert found.count("obligation.escalated") == 4 and found.count("obligation.missed") == 1
    await walk(store, clock, 50)
    assert await kinds(store) == found


async def test_duties_that_are_alike_each_have_records_notices_and_words_of_their_own(store: Store, clock: ManualClock) -> None:
    """They are looked at together (`tick_batch`); a title that only one has in English is not lent to the other."""
    await give_contact(store, "water-bureau.duty", "json://127.0.0.1:9/x")
    one, other = await put(store, 1, title_zh="水情日报", title_en="water report") + await put(store, 2, title_zh="闸门日报", title_en="")
    await walk(store, clock, 120)
    async with store.read() as conn:
        escalated = [c.read(ObligationEscalated) for c in await changes_after(conn, 0, limit=10_000) if c.kind == "obligation.escalated"]
        held = {n.id: n for n in await list_notices(conn, limit=500)}
    for o, zh, en, foreign in ((one, "水情日报", "water report", "闸门日报"), (other, "闸门日报", "闸门日报", "水情日报")):
        own = [body for body in escalated if body.obligation.id == o.id]
        assert [e.id for body in own for e in body.escalations] == [f"{o.id}:1:{n}" for n in (1, 2, 3, 4)] and own[-1].obligation.key == o.key
        for body in own:
            assert {id for e in body.escalations for id in e.notices} == {n.id for n in body.notices}
            for n in body.notices:
                said = f"{n.title}{n.body}{n.title_en}{n.body_en}"
                assert (n.obligation_id, n.escalation_id) == (o.id, body.escalations[0].id) and held[n.id].title == n.title
                assert zh in n.title and n.id[-12:] in n.body and foreign not in said and "⟦id⟧" not in said and "⟦title⟧" not in said
                assert n.title_en is None or en in n.title_en


async def test_nothing_is_written_after_the_duty_is_met(store: Store, clock: ManualClock) -> None:
    await give_contact(store, "water-bureau.duty", "json://127.0.0.1:9/x")
    (made,) = await put(store)
    await walk(store, clock, 31)
    async with store.transaction() as tx:
        await ledger.meet(tx, RULES, made.id, by="person:1")
    before = await kinds(store)
    await walk(store, clock, 100)
    assert await kinds(store) == before
    async with store.read() as conn:
        pushed = [n for n in await list_notices(conn) if n.channel == "push"]
    assert {n.state for n in pushed} == {NoticeState.DROPPED} and len(pushed) == 2


async def test_what_was_claimed_before_the_duty_was_met_is_not_sent_after(store: Store, clock: ManualClock) -> None:
    await give_contact(store, "water-bureau.duty", "json://127.0.0.1:9/x")
    (made,) = await put(store)
    await walk(store, clock, 21)
    async with store.transaction() as tx:
        (out,) = await claim(tx, worker="w")
        assert await is_still_wanted(tx.conn, out, tx.now)
    async with store.transaction() as tx:
        await ledger.meet(tx, RULES, made.id, by="person:1")
    async with store.read() as conn:
        assert not await is_still_wanted(conn, out, clock.now())


async def test_an_acknowledgement_silences_until_it_expires_and_then_the_next_step_follows(store: Store, clock: ManualClock) -> None:
    (made,) = await put(store)
    await walk(store, clock, 31)
    async with store.transaction() as tx:
        await ledger.acknowledge(tx, RULES, made.id, by="person:1")
    await walk(store, clock, 14)
    assert len(await steps(store, made.id)) == 2
    await walk(store, clock, 1)
    assert (await steps(store, made.id))[-1] == (1, 3, "taken")


async def test_returned_and_filed_again_has_its_own_ladder_and_tells_the_post_at_once(store: Store, clock: ManualClock) -> None:
    (made,) = await put(store)
    async with store.transaction() as tx:
        await ledger.meet(tx, RULES, made.id, by="person:1")
        returned = await ledger.give_back(tx, RULES, made.id, by="person:2", reason="数字有误")
    async with store.read() as conn:
        told = await list_notices(conn, obligation_id=made.id)
    assert [(n.template, n.channel) for n in told] == [("returned", "console")] and "数字有误" in told[0].body
    await walk(store, clock, 200)
    assert await steps(store, made.id) == [(2, n, "taken") for n in (1, 2, 3, 4)]
    assert (await read(store, made.id)).state is State.MISSED and returned.round == 2


async def test_a_leader_s_unlock_reopens_a_missed_duty_with_a_new_ladder(store: Store, clock: ManualClock) -> None:
    (made,) = await put(store)
    await walk(store, clock, 100)
    with pytest.raises(Rejected) as refusal:
        async with store.transaction() as tx:
            await ledger.meet(tx, RULES, made.id, by="person:1")
    assert refusal.value.code == "obligation_locked"
    async with store.transaction() as tx:
        await ledger.unlock(tx, RULES, made.id, by="person:leader", reason="网络中断")
    told = (await waiting(store, "water-bureau.duty"))[0]
    assert told.template == "unlocked" and "网络中断" in told.body and told.title_en == "Unlocked, to be done: duty 1", "its post is told at once"
    await walk(store, clock, 65)
    assert [s for s in await steps(store, made.id) if s[0] == 2] == [(2, 1, "taken"), (2, 2, "taken")]
    async with store.transaction() as tx:
        assert (await ledger.meet(tx, RULES, made.id, by="person:1")).state is State.MET_LATE


async def test_an_outage_leaves_no_ancient_pages_but_a_record_of_every_step(store: Store, clock: ManualClock) -> None:
    (short, long) = await put(store, 1, 2)
    clock.set(short.due_at + timedelta(minutes=50))
    await tick(store, RULES)
    assert [o for _, _, o in await steps(store, short.id)] == ["superseded", "superseded", "superseded", "taken"]
    clock.set(long.due_at + timedelta(days=3))
    (third,) = await put(store, 3, due=clock.now() - timedelta(days=2))
    await tick(store, RULES)
    assert [o for _, _, o in await steps(store, third.id)] == ["superseded", *["skipped_too_old"] * 3]
    assert (await read(store, third.id)).state is State.MISSED
    async with store.read() as conn:
        notices = await list_notices(conn, posts=["district-office.desk"])
    (outage,) = [n for n in notices if n.template == "outage"]
    assert "：3 个催办步骤" in outage.body and outage.body_en and "after an outage: 3." in outage.body_en


async def test_a_post_with_nobody_in_it_is_passed_over_and_the_screen_says_so(store: Store, clock: ManualClock) -> None:
    async with store.read() as conn:
        post = await get_post(conn, "water-bureau.duty")
    assert post is not None
    await empty_post(store, post)
    (made,) = await put(store)
    await walk(store, clock, 31)
    assert await steps(store, made.id) == [(1, 1, "nobody"), (1, 2, "nobody"), (1, 3, "taken")]
    async with store.read() as conn:
        said = await list_notices(conn, posts=["district-office.desk"])
        escalated = (await ledger.escalations_of(conn, made.id))[-1]
    assert [n.template for n in said] == ["nobody", "nobody"]
    assert (escalated.posts, escalated.persons) == (("water-bureau.leader",), ("water-bureau.leader-person",))


async def test_a_duty_of_a_department_that_is_gone_reaches_the_command_centre(store: Store, clock: ManualClock) -> None:
    (made,) = await put(store, department="dissolved")
    await walk(store, clock, 31)
    assert (await steps(store, made.id))[-1] == (1, 4, "taken")


async def test_two_hubs_ticking_at_once_record_every_step_exactly_once(store_url: str, store: Store, clock: ManualClock) -> None:
    made = await put(store, *range(300))
    async with Store(store_url, clock) as other:
        for minutes in (25, 10, 10, 10, 60):
            clock.advance(minutes * MINUTE)
            await asyncio.gather(*(tick(s, RULES, batch=40) for s in (store, other, store, other)))
    for o in (made[0], made[150], made[299]):
        assert [s[1] for s in await steps(store, o.id)] == [1, 2, 3, 4]
    async with store.read() as conn:
        total = (await conn.execute(text("SELECT count(*), count(DISTINCT obligation_id || ':' || step) FROM escalation"))).one()
        taken = (await conn.execute(text("SELECT count(*) FROM escalation WHERE outcome = 'taken'"))).scalar()
        console = (await conn.execute(text("SELECT count(*) FROM notice WHERE channel = 'console' AND obligation_id IS NOT NULL"))).scalar()
    assert tuple(total) == (1_200, 1_200)
    assert console == taken


async def test_a_clock_set_back_stops_nothing_for_good_and_repeats_nothing(store: Store, clock: ManualClock) -> None:
    (made,) = await put(store)
    await walk(store, clock, 31)
    async with store.transaction() as tx:
        await ledger.acknowledge(tx, RULES, made.id, by="person:1")
    clock.advance(timedelta(minutes=-20))
    await walk(store, clock, 60)
    assert [s[1] for s in await steps(store, made.id)] == [1, 2, 3, 4]


async def test_a_clock_set_back_holds_up_no_message_and_sends_none_twice(store: Store, clock: ManualClock) -> None:
    await give_contact(store, "water-bureau.duty", "json://gateway.example/water")
    await give_contact(store, "fire-rescue.duty", "json://gateway.example/fire", quiet_starts="14:00", quiet_ends="16:00")
    await put(store, 1)
    await walk(store, clock, 21)
    async with store.transaction() as tx:
        (held,) = await claim(tx, worker="a")
        await message(tx, "fire-rescue.duty")
    await put(store, 2, due=clock.now() + 10 * MINUTE)
    await tick(store, RULES)
    clock.advance(-15 * MINUTE)
    await tick(store, RULES)
    async with store.transaction() as tx:
        (waits,) = await claim(tx, worker="b")
        assert waits.notice.id != held.notice.id, "what was queued goes now; what is with a worker stays with it, quiet hours hold"
    async with store.transaction() as tx:
        assert await mark_sent(tx, held), "its worker marks it as ever"


async def message(tx: Transaction, post_id: str) -> None:
    """A word to a post, which waits for its quiet hours."""
    reach = await load_reach(tx.conn, departments=[post_id.split(".")[0]], posts=[post_id], now=tx.now)
    await queue(tx, message_drafts(RULES, reach.target(reach.posts[post_id], urgent=False), in_both(title="t", text="x"), id="m", now=tx.now,
                                   max_age=timedelta(hours=12), urgent=False, channels=("push",)), actor="system:test")


async def test_drills_are_marked_in_every_record_change_and_notice(store: Store, clock: ManualClock) -> None:
    (made,) = await put(store, drill=True)
    await walk(store, clock, 100)
    async with store.read() as conn:
        changes = [c for c in await changes_after(conn, 0, limit=1_000) if c.kind.startswith(("obligation", "notice"))]
        assert changes and all(c.drill for c in changes)
        assert all(e.drill for e in await ledger.escalations_of(conn, made.id))
        assert all(n.drill and "【演练】" in n.title for n in await list_notices(conn))
        assert await ledger.open_of_post(conn, None) == ()


async def test_lists_are_read_by_keyset_in_the_order_of_due_times(store: Store) -> None:
    for n in range(7):
        await put(store, n, due=NOW + (n % 3) * MINUTE)
    seen: list[str] = []
    after = None
    async with store.read() as conn:
        while page := await ledger.list_obligations(conn, owed_only=True, after=after, limit=3):
            seen += [o.id for o in page]
            after = (ledger.utc_text(page[-1].due_at), page[-1].id)
    assert len(seen) == len(set(seen)) == 7


async def test_one_notice_goes_to_each_way_and_keeps_its_id_through_claim_and_mark(store: Store, clock: ManualClock) -> None:
    contact = await give_contact(store, "water-bureau.duty", "json://127.0.0.1:9/secret")
    assert contact.address == "json://…et"
    await put(store)
    await walk(store, clock, 21)
    async with store.transaction() as tx:
        (out,) = await claim(tx, worker="a")
    assert (out.address, out.notice.contact_id) == ("json://127.0.0.1:9/secret", contact.id)
    async with store.transaction() as tx:
        assert await claim(tx, worker="b") == []
    clock.advance(timedelta(seconds=61))
    async with store.transaction() as tx:
        (again,) = await claim(tx, worker="b")
        assert again.notice.id == out.notice.id
        assert not await mark_sent(tx, out)
        assert await mark_sent(tx, again)


async def waiting(store: Store, *posts: str) -> list[Notice]:
    async with store.read() as conn:
        return await list_pending(conn, RULES, posts=posts, now=store.clock.now())


async def test_a_notice_waits_on_its_post_s_screen_in_both_languages_until_it_is_read(store: Store, clock: ManualClock) -> None:
    await put(store, 1, 2)
    await walk(store, clock, 21)
    first, second = await waiting(store, "water-bureau.duty")
    assert {n.title for n in (first, second)} == {"提醒：事项1", "提醒：事项2"} and {n.title_en for n in (first, second)} == {"Reminder: duty 1", "Reminder: duty 2"}
    assert first.body_en is not None and "Due 2026-11-23 14:30" in first.body_en and LINK not in first.body + first.body_en
    assert await waiting(store, "fire-rescue.duty", "water-bureau.leader") == []
    async with store.transaction() as tx:
        await mark_read(tx, first.id, by="person:1")
    assert await waiting(store, "water-bureau.duty") == [second]
    clock.advance(120 * MINUTE)
    assert await waiting(store, "water-bureau.duty") == [], "too old"


async def test_what_waits_says_under_which_rule_it_is_owed(store: Store, clock: ManualClock) -> None:
    first, second = await put(store, 1, 2)
    async with store.read() as conn:
        rules = await rules_of_duties(conn, [first.id, second.id, "unknown"])
    assert rules.keys() == {first.id, second.id} and rules[first.id] == rules[second.id] and rules[first.id].startswith(first.kind)


async def test_no_screen_waits_for_a_duty_that_is_met_or_in_hand(store: Store, clock: ManualClock) -> None:
    met, acknowledged = await put(store, 1, 2)
    await walk(store, clock, 31)
    assert len(await waiting(store, "water-bureau.duty")) == 4
    async with store.transaction() as tx:
        await ledger.meet(tx, RULES, met.id, by="person:1")
        await ledger.acknowledge(tx, RULES, acknowledged.id, by="person:1")
    assert await waiting(store, "water-bureau.duty") == []
    clock.advance(16 * MINUTE)
    assert {n.obligation_id for n in await waiting(store, "water-bureau.duty")} == {acknowledged.id}, "the acknowledgement has expired"


async def test_the_bar_leaves_to_the_alarm_what_the_data_says_and_looks_as_far_back_as_any_notice_lives(store: Store, clock: ManualClock) -> None:
    (duty,) = await put(store)
    await walk(store, clock, 31)
    assert len(await waiting(store, "water-bureau.duty")) == 2
    alarmed = msgspec.structs.replace(RULES, kinds=MappingProxyType({**RULES.kinds, "test": msgspec.structs.replace(RULES.kind("test"), alarm=True)}))
    async with store.read() as conn:
        assert await list_pending(conn, alarmed, posts=["water-bureau.duty"], now=store.clock.now()) == []
    assert RULES.alarmed == {"desk_ack"}
    async with store.transaction() as tx:
        await ledger.meet(tx, RULES, duty.id, by="person:1")
        far = tx.now + timedelta(days=30)
        await ledger.give_back(tx, RULES, duty.id, by="person:desk", reason="数字有误", due_at=far)
    returned = (await waiting(store, "water-bureau.duty"))[0]
    clock.advance(returned.expires_at - clock.now() - MINUTE)
    assert await waiting(store, "water-bureau.duty") == [returned], "it is in sight until it is too old, however long that is"


async def test_whoever_is_told_later_reads_who_has_not_done_it(store: Store, clock: ManualClock) -> None:
    await put(store)
    await walk(store, clock, 41)
    async with store.read() as conn:
        owner, leader = await get_post(conn, "water-bureau.duty"), await get_post(conn, "water-bureau.leader")
    assert owner is not None and leader is not None
    (notice,) = await waiting(store, leader.id)
    assert notice.body.startswith(f"{owner.zh}尚未办理：事项1") and leader.zh not in notice.body
    assert notice.body_en is not None and notice.body_en.startswith(f"{owner.en} has not done: duty 1")

"""What stays unread becomes an obligation, reading meets it; whoever leaves is taken off duty posts and shifts, the substitute stands in."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from hub.clock import ManualClock
from hub.domain.access import Role, Scope
from hub.domain.duty_rules import packaged_rules
from hub.domain.incident import Act, IncidentOpened, IncidentState, IncidentStateChanged, IncidentView
from hub.domain.obligation import State
from hub.domain.organisation import Post
from hub.domain.roster import Post as DutyPost
from hub.domain.roster import Shift
from hub.respond.leaving import Leaving
from hub.respond.reactor import Reactor, Runner
from hub.respond.reading import KIND, Reading, owe
from hub.respond.sharing import Sharing
from hub.store import Store, Transaction
from hub.store.access import shipped_policies
from hub.store.obligations import list_obligations
from hub.store.organisation import (
    add_person,
    appoint,
    appointments_of,
    leave,
    list_departments,
    move,
    release,
    save_post,
    seed_departments,
)
from hub.store.reports import insert_incidents
from hub.store.roster import get_post, get_shift, make_standard_posts, save_shift
from hub.store.roster import save_post as save_duty_post
from hub.store.sharing import see
from tests.support.district import HOUR, NOW, POLICY, incident_view

RULES = packaged_rules()
POLICIES = shipped_policies()
WAIT = timedelta(minutes=POLICIES.sharing.unread_after_min)
BY = "person:admin"


async def follow(store: Store, *reactors: Reactor) -> None:
    """Let the reactors work through the feed."""
    for reactor in reactors:
        runner = Runner(store, reactor, owner="test")
        while await runner.step():
            pass


async def opened(store: Store) -> IncidentView:
    view = incident_view(1, department="traffic-police")
    async with store.transaction() as tx:
        await seed_departments(tx)
        await make_standard_posts(tx, [(d.id, d.zh, d.en) for d in await list_departments(tx.conn)], centre="district-office", by=BY)
        await insert_incidents(tx, [(view, msgspec.json.encode(view))])
        tx.record(IncidentOpened(incident=view), actor="agent:a", subject=f"incident:{view.id}", incident_id=view.id, department_id=view.department_id)
    await follow(store, Sharing())
    return view


async def owed(store: Store, *states: State) -> set[str]:
    async with store.read() as conn:
        rows = await list_obligations(conn, kinds={KIND}, limit=200)
    return {row.department_id for row in rows if not states or row.state in states}


async def look(store: Store) -> int:
    async with store.transaction() as tx:
        return await owe(tx, RULES, POLICIES)


async def test_unread_for_the_policys_minutes_is_owed_by_those_who_lead_or_assist_and_nobody_before(store: Store, clock: ManualClock) -> None:
    view = await opened(store)
    assert await look(store) == 0
    clock.advance(WAIT - timedelta(seconds=1))
    async with store.transaction() as tx:
        await see(tx, view.id, "fire-rescue", "p1")
    assert await look(store) == 0 and await owed(store) == set()
    clock.advance(timedelta(seconds=1))
    assert await look(store) == 1
    late = await owed(store)
    assert {"emergency-bureau", "health-commission", "transport-bureau"} <= late
    assert not late & {"fire-rescue", "district-office", "traffic-police", "market-regulation"}, "read in time, exempt, the reporter, only informed"
    assert await look(store) == 0 and await owed(store) == late, "looking again owes nothing twice"


async def test_reading_meets_it_and_the_end_of_the_incident_excuses_the_rest(store: Store, clock: ManualClock) -> None:
    view = await opened(store)
    clock.advance(WAIT)
    await look(store)
    async with store.transaction() as tx:
        await see(tx, view.id, "emergency-bureau", "p1")
    await follow(store, Reading(RULES))
    assert await owed(store, State.MET, State.MET_LATE) == {"emergency-bureau"}
    over = msgspec.structs.replace(view, state=IncidentState.CLOSED)
    async with store.transaction() as tx:
        tx.record(IncidentStateChanged(incident=over, act=Act.CLOSE, before=IncidentState.VERIFIED, reason=None), actor=BY,
                  subject=f"incident:{view.id}", incident_id=view.id)
    await follow(store, Reading(RULES))
    assert await owed(store, State.OPEN, State.RETURNED) == set()


async def on_duty(tx: Transaction, substituted: bool) -> tuple[str, str, Shift, Shift]:
    """A person on the water bureau's duty post with a running and a coming shift, and a deputy, who substitutes where so said."""
    await seed_departments(tx)
    await make_standard_posts(tx, [("water-bureau", "区水利局", "water bureau")], centre="district-office", by=BY)
    for id, substitute in (("water-duty", "water-deputy"), ("water-deputy", None)):
        await save_post(tx, Post(id=id, role=Role.DUTY_OFFICER, scope=Scope.OWN, zh=id, en=id, department_id="water-bureau",
                                 substitute_id=substitute), POLICY, by=BY)
    who, deputy = await add_person(tx, "王五", by=BY), await add_person(tx, "赵六", by=BY)
    await appoint(tx, who.id, "water-duty", POLICY, by=BY)
    if substituted:
        await appoint(tx, deputy.id, "water-deputy", POLICY, by=BY)
    post = await get_post(tx.conn, "water-bureau.duty")
    assert post is not None
    await save_duty_post(tx, msgspec.structs.replace(post, members=(who.id,)), by=BY)
    on, coming = [await save_shift(tx, Shift(id=id, post_id=post.id, person_id=who.id, starts_at=NOW + start * HOUR, ends_at=NOW + end * HOUR), by=BY)
                  for id, start, end in (("s1", -1, 2), ("s2", 20, 30))]
    return who.id, deputy.id, on, coming


async def named(store: Store, on: Shift, coming: Shift) -> tuple[DutyPost, Shift, Shift]:
    async with store.read() as conn:
        post, running, later = await get_post(conn, "water-bureau.duty"), await get_shift(conn, on.id), await get_shift(conn, coming.id)
    assert post is not None and running is not None and later is not None
    return post, running, later


@pytest.mark.parametrize("how", ["leaves", "moves", "is released"])
@pytest.mark.parametrize("substituted", [True, False])
async def test_whoever_leaves_or_moves_is_reached_no_more_and_the_substitute_stands_in(store: Store, how: str, substituted: bool) -> None:
    async with store.transaction() as tx:
        who, deputy, on, coming = await on_duty(tx, substituted)
        if how == "leaves":
            await leave(tx, who, by=BY, reason="离职")
        elif how == "moves":
            await save_post(tx, Post(id="fire-duty", role=Role.DUTY_OFFICER, scope=Scope.OWN, zh="值班", en="duty", department_id="fire-rescue"), POLICY, by=BY)
            await move(tx, who, "fire-duty", POLICY, by=BY, reason="调岗", department_id="fire-rescue")
        else:
            (held,) = await appointments_of(tx.conn, person_id=who)
            await release(tx, held.id, by=BY, reason="免职")
    await follow(store, Leaving())
    await follow(store, Leaving())
    post, running, later = await named(store, on, coming)
    if substituted:
        assert post.members == (deputy,) and running.on_duty == deputy and later.on_duty == deputy
    else:
        assert post.members == () and running.ends_at == NOW and later.cancelled


async def test_whoever_keeps_another_post_of_the_department_stays_on_its_duty(store: Store) -> None:
    async with store.transaction() as tx:
        who, _, on, coming = await on_duty(tx, True)
        await appoint(tx, who, "water-deputy", POLICY, by=BY)
        (held, _) = await appointments_of(tx.conn, person_id=who)
        await release(tx, held.id, by=BY, reason="调岗")
    await follow(store, Leaving())
    post, running, later = await named(store, on, coming)
    assert (post.members, running.on_duty, later.on_duty) == ((who,), who, who)

"""Lists filter in SQL by the same rule as `may`: random districts, both databases, no difference."""

from __future__ import annotations

import random
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import insert, select, update

from hub.clock import utc_text
from hub.domain.access import Action, Actor, Permit, Role, Rule, Scope, Thing, ThingKind, Tier, may
from hub.domain.change import Change
from hub.domain.incident import IncidentState
from hub.domain.sharing import Origin, packaged_sharing
from hub.errors import Rejected
from hub.store import Store, Transaction, changes_after
from hub.store.access import (
    PolicyBook,
    change_policy,
    incident_things,
    may_read,
    record_refusal,
    record_view,
    visible_incidents,
    visible_of_incident,
    within_reach,
)
from hub.store.organisation import seed_departments, towns_by_adcode
from hub.store.reports import insert_incidents
from hub.store.schema import incident
from hub.store.schema_people import person
from hub.store.sharing import end_shares, grant, share_by_policy
from hub.store.visible import Filters, list_visible_incidents
from tests.support.district import HOUR, NOW, POLICY, incident_view, one, post
from tests.support.district import person as actor_with

DEPARTMENTS = ("fire-rescue", "water-bureau", "traffic-police", "town-ganma", "gas-company", "public-security", "ecology-bureau")
TYPES = ("12H00", "12D00", "12G00", "11A01", "13B00", "14A00")


async def fill(tx: Transaction, rng: random.Random, count: int) -> None:
    """Random incidents, shared by the policy, by hand (past, present, future, ended), some at enterprises, some not shared at all."""
    await seed_departments(tx)
    towns = await towns_by_adcode(tx.conn)
    policy = packaged_sharing()
    for number in range(1, count + 1):
        view = incident_view(
            number, event_types=tuple(rng.sample(TYPES, rng.randint(0, 2))), state=rng.choice(list(IncidentState)),
            grade=rng.choice([None, "general", "serious"]), adcode=rng.choice([None, "320707108", "320707100"]),
            department=rng.choice([None, *DEPARTMENTS]), enterprise=rng.choice([None, None, "e1", "e2"]))
        await insert_incidents(tx, [(view, msgspec.json.encode(view))])
        if rng.random() < 0.8:
            await share_by_policy(tx, view, policy, towns)
        for _ in range(rng.randint(0, 3)):
            until = rng.choice([None, NOW - HOUR, NOW, NOW + timedelta(milliseconds=1), NOW + HOUR])
            row = await grant(tx, view, rng.choice(DEPARTMENTS), rng.choice(list(Tier)), origin=Origin.MANUAL, reason="r", by="person:x",
                              until_at=until)
            if rng.random() < 0.2:
                await end_shares(tx, share_id=row.id, by="person:x", reason="over")


def random_actor(rng: random.Random) -> Actor:
    posts = []
    for _ in range(rng.randint(0, 3)):
        role = rng.choice([role for role in Role if role not in (Role.HUB, Role.AGENT, Role.AGENT_MEDIA, Role.PUBLIC)])
        scope = rng.choice(POLICY.document.roles[role].scopes)
        below = tuple(rng.sample(DEPARTMENTS, 2)) if scope is Scope.DOWNSTREAM else ()
        posts.append(post(
            role, rng.choice(DEPARTMENTS), scope=scope, below=below, enterprise=rng.choice(["e1", "e3"]) if role is Role.ENTERPRISE_CONTACT else None,
            from_at=rng.choice([None, None, NOW, NOW + HOUR]), until_at=rng.choice([None, None, NOW, NOW + HOUR])))
    return actor_with(*posts, second_factor=rng.random() < 0.7)


@pytest.mark.parametrize("seed", range(3))
async def test_a_list_shows_exactly_what_may_permits(store: Store, seed: int) -> None:
    rng = random.Random(seed)
    async with store.transaction() as tx:
        await fill(tx, rng, 60)
    now = NOW + timedelta(microseconds=rng.randint(0, 999))
    acts = [action for action, row in POLICY.document.actions.items() if row.rule is Rule.INCIDENT]
    compared = allowed = 0
    async with store.read() as conn:
        ids = list((await conn.execute(select(incident.c.id))).scalars())
        things = await incident_things(conn, ids)
        for _ in range(60):
            actor, action = random_actor(rng), rng.choice([Action.INCIDENT_READ, *acts])
            listed = set((await conn.execute(select(incident.c.id).where(visible_incidents(actor, now, action)))).scalars())
            permitted = {id for id in ids if may(actor, action, things[id], now).allowed}
            assert listed == permitted, (actor.posts, action)
            compared += len(ids)
            allowed += len(permitted)
    assert 0 < allowed < compared


async def test_things_of_an_incident_and_things_of_a_department_list_what_may_permits(store: Store) -> None:
    rng = random.Random(11)
    async with store.transaction() as tx:
        await fill(tx, rng, 40)
        for n in range(40):
            await tx.conn.execute(insert(person).values(id=f"p{n}", name="某", phone="", email="", department_id=rng.choice([None, *DEPARTMENTS]),
                                                        enterprise_id=rng.choice([None, "e1"])))
    async with store.read() as conn:
        rows = (await conn.execute(select(incident.c.id, incident.c.department_id))).all()
        people = (await conn.execute(select(person))).all()
        things = await incident_things(conn, [row.id for row in rows])
        for _ in range(60):
            actor = random_actor(rng)
            action = rng.choice([Action.REPORT_READ, Action.TASK_READ, Action.ATTACHMENT_READ, Action.EVIDENCE_EXPORT])
            where = visible_of_incident(actor, NOW, action, incident_id=incident.c.id, department_id=incident.c.department_id)
            listed = set((await conn.execute(select(incident.c.id).where(where))).scalars())
            reports = [Thing(kind=ThingKind.REPORT, id=row.id, department_id=row.department_id, incidents=(things[row.id],)) for row in rows]
            assert listed == {thing.id for thing in reports if may(actor, action, thing, NOW).allowed}, (actor.posts, action)
            act = rng.choice([Action.OBLIGATION_READ, Action.DAILY_FILE, Action.AGENT_READ])
            owned = within_reach(actor, NOW, act, department_id=person.c.department_id, enterprise_id=person.c.enterprise_id, person_id=person.c.id)
            found = set((await conn.execute(select(person.c.id).where(owned))).scalars())
            duties = [Thing(kind=ThingKind.OBLIGATION, id=row.id, department_id=row.department_id, enterprise_id=row.enterprise_id, person_id=row.id)
                      for row in people]
            assert found == {thing.id for thing in duties if may(actor, act, thing, NOW).allowed}, (actor.posts, act)


async def test_an_incidents_thing_follows_its_state(store: Store) -> None:
    view = incident_view(1)
    async with store.transaction() as tx:
        await insert_incidents(tx, [(view, msgspec.json.encode(view))])
    for state, closed in (("unverified", False), ("verified", False), ("closed", True), ("merged", True), ("false_alarm", True)):
        async with store.transaction() as tx:
            await tx.conn.execute(update(incident).values(state=state))
        async with store.read() as conn:
            assert (await incident_things(conn, [view.id, "nothing"]))[view.id].closed is closed


async def test_the_feed_shows_a_department_its_incidents_and_the_end_of_a_share_and_nothing_else(store: Store) -> None:
    mine, other = incident_view(1), incident_view(2)
    async with store.transaction() as tx:
        await insert_incidents(tx, [(view, msgspec.json.encode(view)) for view in (mine, other)])
        row = await grant(tx, mine, "gas-company", Tier.INFORMED, origin=Origin.MANUAL, reason="r", by="person:x", until_at=NOW + HOUR)
        await grant(tx, other, "water-bureau", Tier.LEAD, origin=Origin.MANUAL, reason="r", by="person:x")
    gas = one(Role.RESPONDER, "gas-company")
    assert {change.subject for change in await readable(store, gas)} == {f"incident:{mine.id}"}
    assert await tiers(store, gas) == {"share.granted": Tier.INFORMED}, "the change carries the incident: it is read as the share says"
    async with store.transaction() as tx:
        await end_shares(tx, share_id=row.id, by="person:x", reason="over")
    assert [change.kind for change in await readable(store, gas)] == ["share.ended"], "the end is addressed to it; the incident is shared no more"


async def tiers(store: Store, actor: Actor) -> dict[str, Tier | None]:
    """The tier at which each change that the actor may read is shown."""
    async with store.read() as conn:
        changes = await changes_after(conn, 0, limit=1000)
        things = await incident_things(conn, {c.incident_id for c in changes if c.incident_id})
    return {change.kind: seen.tier for change in changes if (seen := may_read(POLICY, actor, change, things, NOW)).allowed}


async def readable(store: Store, actor: Actor) -> list[Change]:
    async with store.read() as conn:
        changes = await changes_after(conn, 0, limit=1000)
        things = await incident_things(conn, {c.incident_id for c in changes if c.incident_id})
    return [c for c in changes if may_read(POLICY, actor, c, things, NOW).allowed]


async def test_reading_and_refusing_leave_their_trace_for_the_auditors_alone(store: Store) -> None:
    desk = one(Role.OPERATOR)
    thing = Thing(kind=ThingKind.PERSON, id="p9")
    async with store.transaction() as tx:
        record_view(tx, desk, Action.PEOPLE_READ, [thing], may(desk, Action.PEOPLE_READ, thing, NOW))
        record_refusal(tx, desk, Action.ADMIN_POLICY, thing, may(desk, Action.ADMIN_POLICY, thing, NOW).reason_code)
    assert [c.kind for c in await readable(store, one(Role.AUDIT_ADMIN))] == ["access.viewed", "access.refused"]
    assert await readable(store, one(Role.SECURITY_ADMIN)) == []
    assert await readable(store, desk) == []


async def test_a_changed_policy_is_in_force_with_the_commit_and_a_broken_one_never(store: Store) -> None:
    book = PolicyBook()
    document = msgspec.to_builtins(POLICY.document)
    document["actions"]["incident.verify"]["roles"] = ["leader"]
    async with store.read() as conn:
        assert (await book.read(conn)).access_version == 0
    async with store.transaction() as tx:
        assert await change_policy(tx, "roles", document, by="person:s", reason="试行") == 1
    async with store.read() as conn:
        changed = (await book.read(conn)).access
    assert Role.OPERATOR not in changed.document.actions[Action.INCIDENT_VERIFY].roles
    document["actions"]["incident.read"]["roles"] = ["system_admin"]
    with pytest.raises(Rejected):
        async with store.transaction() as tx:
            await change_policy(tx, "roles", document, by="person:s", reason="试行")
    async with store.read() as conn:
        assert (await book.read(conn)).access_version == 1


def test_permits_are_values_that_cannot_be_changed() -> None:
    permit = next(iter(one(Role.OPERATOR).permits.values()))[0]
    with pytest.raises(AttributeError):
        permit.whole = True  # type: ignore[misc]
    assert isinstance(permit, Permit) and utc_text(NOW)


@pytest.mark.parametrize("seed", range(2))
async def test_pages_of_the_list_hold_what_may_permits_at_its_tier_whatever_the_filters(store: Store, seed: int) -> None:
    rng = random.Random(100 + seed)
    async with store.transaction() as tx:
        await fill(tx, rng, 90)
    async with store.read() as conn:
        rows = (await conn.execute(select(incident.c.id, incident.c.number, incident.c.state, incident.c.view).order_by(incident.c.number.desc()))).all()
        things = await incident_things(conn, [row.id for row in rows])
        for _ in range(40):
            actor, limit = random_actor(rng), rng.choice([1, 3, 7, 200])
            before, state = rng.choice([None, 1, 2, 40, 91]), rng.choice([None, "verified", "closed"])
            text = rng.choice([None, "事件1", "%", "事件_"])
            expected = [(row.id, may(actor, Action.INCIDENT_READ, things[row.id], NOW).tier) for row in rows
                        if may(actor, Action.INCIDENT_READ, things[row.id], NOW).allowed and (before is None or row.number < before)
                        and state in (None, row.state) and (text is None or text in row.view)]
            found = await list_visible_incidents(conn, actor, NOW, before=before, limit=limit, filters=Filters(state=state, text=text))
            assert [(seen.view.id, seen.tier) for seen in found] == expected[:limit], (actor.posts, before, state, text, limit)

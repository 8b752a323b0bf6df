"""A superuser who gives himself rights past the product is named by the check of the audit: the tables that give rights against the chain."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import text

from hub.clock import ManualClock
from hub.domain.access import Role, Scope, Tier
from hub.domain.chain import Verdict
from hub.domain.organisation import Post
from hub.domain.sharing import packaged_sharing
from hub.operate.chain import reading, verify_store
from hub.store import Store
from hub.store.access import change_policy
from hub.store.accounts import end_sessions, open_account, open_session
from hub.store.organisation import add_person, appoint, appointments_of, leave, move, release, save_post, seed_departments, towns_by_adcode
from hub.store.sharing import (
    activate_agreement,
    draft_agreement,
    end_agreement,
    end_shares,
    expire_shares,
    share_by_hand,
    share_by_policy,
    sign_agreement,
)
from tests.contract.test_people_sharing import opened
from tests.support.district import HOUR, NOW, POLICY, incident_view

BY = "person:admin"


async def lived_in(store: Store, clock: ManualClock) -> None:
    """A district in which everything that gives rights was given, altered and ended by the product."""
    sharing = packaged_sharing()
    async with store.transaction() as tx:
        await seed_departments(tx)
        for id, department in (("a", "fire-rescue"), ("b", "water-bureau"), ("c", "gas-company")):
            await save_post(tx, Post(id=id, role=Role.DUTY_OFFICER, scope=Scope.OWN, zh=id, en=id, department_id=department), POLICY, by=BY)
        await save_post(tx, Post(id="b", role=Role.RESPONDER, scope=Scope.OWN, zh="b", en="b", department_id="water-bureau"), POLICY, by=BY)
        people = [await add_person(tx, name, by=BY) for name in ("甲", "乙", "丙", "丁")]
        for person, post in zip(people, "abca", strict=True):
            await appoint(tx, person.id, post, POLICY, by=BY, until_at=NOW + HOUR if post == "b" else None)
        await move(tx, people[0].id, "c", POLICY, by=BY, reason="r", department_id="gas-company")
        await leave(tx, people[1].id, by=BY, reason="r")
        await release(tx, (await appointments_of(tx.conn, person_id=people[2].id))[0].id, by=BY, reason="r")
        account = await open_account(tx, people[3].id, "ding", by=BY)
        for ends in (True, False):
            session, _ = await open_session(tx, account, address="a", client="c", method="link", second_factor=False, life=10 * HOUR)
            if ends:
                await end_sessions(tx, session_id=session.id, by=BY, reason="r")
    async with store.transaction() as tx:
        views = [await opened(tx, incident_view(number, grade=grade)) for number, grade in ((1, None), (2, "major"))]
        for view in views:
            await share_by_policy(tx, view, sharing, await towns_by_adcode(tx.conn))
        await share_by_policy(tx, msgspec.structs.replace(views[1], event_types=("14A00",)), sharing, await towns_by_adcode(tx.conn))
        for department, hours in (("finance-bureau", 1), ("education-bureau", 5), ("civil-affairs", 5)):
            row = await share_by_hand(tx, views[0], department, Tier.ASSIST, held=Tier.LEAD, reason="r", until_at=NOW + hours * HOUR, by=BY)
        await end_shares(tx, by=BY, reason="r", share_id=row.id)
        agreed = await draft_agreement(tx, giver_id="fire-rescue", taker_id="gas-company", event_types=(), tier=Tier.ASSIST, text="t", valid_from=NOW,
                                       valid_until=NOW + 9 * HOUR, by=BY)
        for party in ("fire-rescue", "gas-company"):
            await sign_agreement(tx, agreed.id, party, by=BY)
        await activate_agreement(tx, agreed.id, until_at=NOW + 2 * HOUR, reason="r", by=BY)
        await change_policy(tx, "roles", msgspec.to_builtins(POLICY.document), by=BY, reason="r")
    clock.advance(HOUR)
    async with store.transaction() as tx:
        assert await expire_shares(tx) == 1
        await end_agreement(tx, agreed.id, by=BY, reason="r")


ACTS = {
    "post": ["UPDATE post SET scope = 'all' WHERE id = 'a'", "UPDATE post SET role = 'leader' WHERE id = 'c'", "DELETE FROM appointment; DELETE FROM post WHERE id = 'a'",
             "INSERT INTO post (id, role, scope, zh, en, active) VALUES ('x', 'operator', 'all', 'x', 'x', true)"],
    "appointment": ["UPDATE appointment SET ended_at = NULL", "UPDATE appointment SET post_id = 'a' WHERE post_id = 'c' AND ended_at IS NULL",
                    "UPDATE appointment SET until_at = NULL WHERE post_id = 'b'", "DELETE FROM appointment WHERE ended_at IS NULL",
                    "INSERT INTO appointment (id, person_id, post_id, from_at, reason) SELECT 'x', id, 'a', '2026-11-23T06:00:00.000Z', '' FROM person WHERE name = '丙'"],
    "share": ["UPDATE share SET until_at = '2036-11-23T06:00:00.000Z' WHERE department_id = 'education-bureau'", "UPDATE share SET ended_at = NULL",
              "UPDATE share SET tier = 'lead' WHERE department_id = 'education-bureau'", "DELETE FROM share WHERE department_id = 'education-bureau'",
              "UPDATE share SET department_id = 'gas-company' WHERE department_id = 'education-bureau'"],
    "agreement": ["UPDATE agreement SET view = replace(view, 'assist', 'lead')", "DELETE FROM agreement"],
    "policy_version": ["UPDATE policy_version SET document = replace(document, 'audit_admin', 'auditor')", "DELETE FROM policy_version",
                       "INSERT INTO policy_version SELECT 'roles', 2, document, 'r', 'x', changed_at FROM policy_version"],
    "session": ["UPDATE session SET person_id = 'x' WHERE ended_at IS NULL", "UPDATE session SET id = 'x' WHERE ended_at IS NULL"],
    "audience": ["UPDATE audience_department SET rank = 3", "INSERT INTO audience_department (audience_id, department_id, rank) SELECT id, 'culture-tourism', 3 FROM audience",
                 "UPDATE audience SET assignments = replace(assignments, 'fire-rescue', 'gas-company')", "DELETE FROM audience_department"],
    "incident_audience": ["UPDATE incident_audience SET audience_id = (SELECT max(id) FROM audience)", "UPDATE incident_audience SET audience_id = (SELECT min(id) FROM audience)"],
}
"""What a superuser may do, by the first table in which it shows."""


async def checked(url: str) -> Verdict:
    async with reading(url) as conn:
        return await verify_store(conn, [], {})


@pytest.fixture
async def district(store: Store, clock: ManualClock) -> Store:
    await lived_in(store, clock)
    return store


async def test_what_the_product_did_agrees_with_the_chain(district: Store, store_url: str) -> None:
    assert (await checked(store_url)).flaw is None


@pytest.mark.parametrize(("table", "act"), [(table, act) for table, acts in ACTS.items() for act in acts])
async def test_a_right_that_was_written_past_the_product_is_named(district: Store, store_url: str, table: str, act: str) -> None:
    async with district.transaction() as tx:
        done = [await tx.conn.execute(text(one)) for one in act.split("; ")]
    assert all(result.rowcount for result in done), "the tampering touched nothing"
    flaw = (await checked(store_url)).flaw
    assert flaw is not None
    assert (flaw.code, f"table {table}:" in flaw.en or table == "audience") == ("rights_differ", True), flaw.en



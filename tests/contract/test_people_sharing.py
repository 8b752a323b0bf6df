"""Sharing in the store: by the policy, by hand until a time, by agreement; who was told and who has read."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import func, select

from hub.clock import ManualClock
from hub.domain.access import Tier
from hub.domain.incident import IncidentGraded, IncidentOpened, IncidentUpdated, IncidentView
from hub.domain.sharing import AgreementState, Origin, agreement_state, packaged_sharing
from hub.errors import Rejected
from hub.respond.reactor import Runner
from hub.respond.sharing import Sharing
from hub.store import Store, Transaction, changes_after
from hub.store.organisation import seed_departments, towns_by_adcode
from hub.store.reports import insert_incidents, update_incident
from hub.store.schema_people import audience
from hub.store.sharing import (
    activate_agreement,
    draft_agreement,
    end_agreement,
    end_shares,
    expire_shares,
    receipts_of,
    see,
    share_by_agreements,
    share_by_hand,
    share_by_policy,
    shares_of,
    sign_agreement,
    tell,
    unread_departments,
)
from tests.support.district import HOUR, NOW, incident_view

POLICY = packaged_sharing()


async def opened(tx: Transaction, view: IncidentView) -> IncidentView:
    """An incident in the store, as intake leaves it."""
    await insert_incidents(tx, [(view, msgspec.json.encode(view))])
    tx.record(IncidentOpened(incident=view), actor="agent:a", subject=f"incident:{view.id}", incident_id=view.id, department_id=view.department_id)
    return view


async def shared(tx: Transaction, view: IncidentView) -> bool:
    return await share_by_policy(tx, view, POLICY, await towns_by_adcode(tx.conn))


async def tiers(store: Store, view: IncidentView) -> dict[str, Tier]:
    async with store.read() as conn:
        return {row.department_id: row.tier for row in await shares_of(conn, view.id)}


async def test_an_opened_incident_is_shared_by_its_reactor_once_whatever_is_replayed(store: Store) -> None:
    async with store.transaction() as tx:
        await seed_departments(tx)
        view = await opened(tx, incident_view(1))
    for _ in range(2):
        runner = Runner(store, Sharing(), owner="a")
        while await runner.step():
            pass
    assert (await tiers(store, view))["emergency-bureau"] is Tier.LEAD
    async with store.transaction() as tx:
        graded = msgspec.structs.replace(view, grade="major", version=2)
        assert await update_incident(tx, view, graded)
        tx.record(IncidentGraded(incident=graded, before=None, reason="r"), actor="person:x", subject=f"incident:{view.id}", incident_id=view.id)
    while await runner.step():
        pass
    assert (await tiers(store, view))["publicity-department"] is Tier.INFORMED
    async with store.read() as conn:
        kinds = [change.kind for change in await changes_after(conn, 0, limit=1000) if change.kind.startswith("share.")]
    assert kinds == ["share.assigned", "share.assigned"]


async def test_incidents_shared_alike_point_at_one_audience(store: Store) -> None:
    async with store.transaction() as tx:
        await seed_departments(tx)
        for n in range(1, 11):
            assert await shared(tx, await opened(tx, incident_view(n)))
    async with store.read() as conn:
        assert (await conn.execute(select(func.count()).select_from(audience))).scalar_one() == 1


async def test_a_department_that_the_policy_drops_is_told_so(store: Store) -> None:
    async with store.transaction() as tx:
        await seed_departments(tx)
        view = await opened(tx, incident_view(1, event_types=("12G00",), grade="major"))
        await shared(tx, view)
        lower = msgspec.structs.replace(view, grade="general")
        assert await shared(tx, lower)
        assert not await shared(tx, lower)
    assert "publicity-department" not in await tiers(store, view)
    async with store.read() as conn:
        ended = [change.department_id for change in await changes_after(conn, 0, limit=1000) if change.kind == "share.ended"]
    assert "publicity-department" in ended


async def test_a_share_by_hand_ends_at_its_time_and_the_feed_says_so(store: Store, clock: ManualClock) -> None:
    async with store.transaction() as tx:
        view = await opened(tx, incident_view(1))
        await share_by_hand(tx, view, "gas-company", Tier.ASSIST, held=Tier.LEAD, reason="协助关阀", until_at=NOW + HOUR, by="person:x",
                            by_department_id="emergency-bureau")
        with pytest.raises(Rejected, match="tier_too_high"):
            await share_by_hand(tx, view, "gas-company", Tier.LEAD, held=Tier.ASSIST, reason="r", until_at=NOW + HOUR, by="person:x")
    assert await tiers(store, view) == {"gas-company": Tier.ASSIST}
    async with store.transaction() as tx:
        assert await expire_shares(tx) == 0
    clock.advance(HOUR)
    async with store.transaction() as tx:
        assert await expire_shares(tx) == 1
        assert await expire_shares(tx) == 0
    assert await tiers(store, view) == {}
    async with store.read() as conn:
        assert [row.ended_reason for row in await shares_of(conn, view.id, ended=True)] == ["expired"]


async def test_an_agreement_shares_open_and_later_incidents_while_active_and_nothing_after(store: Store, clock: ManualClock) -> None:
    async with store.transaction() as tx:
        await seed_departments(tx)
        before = await opened(tx, incident_view(1, event_types=("11A01",)))
        await shared(tx, before)
        row = await draft_agreement(tx, giver_id="water-bureau", taker_id="culture-tourism", event_types=("11A",), tier=Tier.ASSIST, text="汛期互通",
                                    valid_from=NOW - HOUR, valid_until=NOW + 100 * HOUR, by="person:x")
        await sign_agreement(tx, row.id, "water-bureau", by="person:x")
        with pytest.raises(Rejected, match="wrong_state"):
            await activate_agreement(tx, row.id, until_at=NOW + HOUR, reason="汛情", by="person:x")
        with pytest.raises(Rejected, match="not_a_party"):
            await sign_agreement(tx, row.id, "gas-company", by="person:x")
        await sign_agreement(tx, row.id, "culture-tourism", by="person:y")
        active = await activate_agreement(tx, row.id, until_at=NOW + HOUR, reason="汛情", by="person:x")
        assert agreement_state(active, NOW) is AgreementState.ACTIVE
        later, fire = await opened(tx, incident_view(2, event_types=("11A02",))), await opened(tx, incident_view(3, event_types=("12G00",)))
        for view in (later, fire):
            await shared(tx, view)
            await share_by_agreements(tx, view)
            await share_by_agreements(tx, view)
    assert (await tiers(store, before))["culture-tourism"] is Tier.ASSIST and (await tiers(store, later))["culture-tourism"] is Tier.ASSIST
    assert "culture-tourism" not in await tiers(store, fire)
    async with store.read() as conn:
        rows = [r for r in await shares_of(conn, later.id) if r.origin is Origin.AGREEMENT]
    assert len(rows) == 1 and rows[0].until_at == NOW + HOUR and rows[0].by_department_id == "water-bureau"
    async with store.transaction() as tx:
        await end_agreement(tx, row.id, by="person:x", reason="汛情解除")
    assert "culture-tourism" not in await tiers(store, before)


async def agreed(tx: Transaction) -> None:
    """The gas company lets the tourism office share in gas and fire incidents for three hours."""
    row = await draft_agreement(tx, giver_id="gas-company", taker_id="culture-tourism", event_types=("12G", "12P"), tier=Tier.ASSIST, text="t",
                                valid_from=NOW, valid_until=NOW + 100 * HOUR, by="person:x")
    for party in ("gas-company", "culture-tourism"):
        await sign_agreement(tx, row.id, party, by="person:x")
    await activate_agreement(tx, row.id, until_at=NOW + 3 * HOUR, reason="r", by="person:x")


@pytest.mark.parametrize("ends", ["by hand", "at its time", "by the policy"])
async def test_an_agreement_gives_no_more_and_no_longer_than_its_giver_holds(store: Store, clock: ManualClock, ends: str) -> None:
    async with store.transaction() as tx:
        await seed_departments(tx)
        await agreed(tx)
        view = await opened(tx, incident_view(1, event_types=("12G00",)))
        if ends == "by the policy":
            await shared(tx, view)
            await share_by_agreements(tx, view)
        else:
            held = await share_by_hand(tx, view, "gas-company", Tier.INFORMED, held=Tier.LEAD, reason="r", until_at=NOW + HOUR, by="person:x")
    async with store.read() as conn:
        (lent,) = [row for row in await shares_of(conn, view.id) if row.department_id == "culture-tourism"]
    assert (lent.tier, lent.until_at) == ((Tier.ASSIST, NOW + 3 * HOUR) if ends == "by the policy" else (Tier.INFORMED, NOW + HOUR))
    async with store.transaction() as tx:
        if ends == "by hand":
            await end_shares(tx, by="person:x", reason="r", share_id=held.id)
        elif ends == "at its time":
            clock.advance(HOUR)
    async with store.transaction() as tx:
        if ends == "by the policy":
            await shared(tx, msgspec.structs.replace(view, event_types=("12Q00",)))
        elif ends == "at its time":
            await expire_shares(tx)
    assert not {"gas-company", "culture-tourism"} & set(await tiers(store, view))


async def test_an_incident_that_turns_into_one_that_an_agreement_covers_is_shared_by_it(store: Store) -> None:
    async with store.transaction() as tx:
        await seed_departments(tx)
        row = await draft_agreement(tx, giver_id="fire-rescue", taker_id="culture-tourism", event_types=("12G05",), tier=Tier.ASSIST, text="t", valid_from=NOW,
                                    valid_until=NOW + 100 * HOUR, by="person:x")
        for party in ("fire-rescue", "culture-tourism"):
            await sign_agreement(tx, row.id, party, by="person:x")
        await activate_agreement(tx, row.id, until_at=NOW + HOUR, reason="r", by="person:x")
        view = await opened(tx, incident_view(1, event_types=("12G00",)))
    runner = Runner(store, Sharing(), owner="a")
    while await runner.step():
        pass
    assert "culture-tourism" not in await tiers(store, view)
    async with store.transaction() as tx:
        after = msgspec.structs.replace(view, event_types=("12G05",), version=2)
        assert await update_incident(tx, view, after)
        tx.record(IncidentUpdated(incident=after, report_id="r", changed=("event_types",)), actor="agent:a", subject=f"incident:{view.id}", incident_id=view.id)
    while await runner.step():
        pass
    assert (await tiers(store, view))["culture-tourism"] is Tier.ASSIST


async def test_receipts_keep_the_first_telling_and_the_first_reading(store: Store, clock: ManualClock) -> None:
    async with store.transaction() as tx:
        await seed_departments(tx)
        view = await opened(tx, incident_view(1))
        await shared(tx, view)
        await tell(tx, view.id, [("fire-rescue", None), ("fire-rescue", "p1")], by="system:notify", notice="n1")
    clock.advance(HOUR)
    async with store.transaction() as tx:
        await tell(tx, view.id, [("fire-rescue", "p1")], by="system:notify", notice="n2")
        assert await see(tx, view.id, "fire-rescue", "p1")
        assert not await see(tx, view.id, "fire-rescue", "p1")
        assert await see(tx, view.id, "water-bureau", "p7"), "one may read without having been told"
    async with store.read() as conn:
        rows = {(r.department_id, r.person_id): r for r in await receipts_of(conn, view.id)}
        unread = await unread_departments(conn, view.id, POLICY)
    told = rows[("fire-rescue", "p1")]
    assert told.told_by == "n1" and told.told_at is not None and told.seen_at is not None and told.told_at < told.seen_at
    assert rows[("water-bureau", "p7")].told_at is None
    assert "fire-rescue" not in unread and "health-commission" in unread and "market-regulation" not in unread

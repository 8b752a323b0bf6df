"""Rights that move while somebody works: posts, shares, agreements, sessions. What ends is ended at once, on REST, the live feed and in lists."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp

from hub.clock import ManualClock
from hub.domain.access import AccessViewed, Role, Scope, Tier
from hub.domain.change import Change
from hub.domain.incident import IncidentNoted
from hub.domain.organisation import Post
from hub.domain.report import Channel
from hub.domain.sharing import Origin
from hub.ids import new_id
from hub.ingest.intake import Source
from hub.store import changes_after
from hub.store.organisation import appoint, appointments_of, move, release, save_post
from hub.store.sharing import activate_agreement, draft_agreement, end_shares, grant, receipts_of, sign_agreement
from hub.wire import ReceiptStatus
from tests.support.district import HOUR, NOW, POLICY
from tests.support.furnished import World
from tests.support.reports import raw
from tests.support.web_hub import Visitor, cookie_for

BY = "person:desk"


def clock_of(world: World) -> ManualClock:
    clock = world.hub.services.clock
    assert isinstance(clock, ManualClock)
    return clock


async def chained(world: World, kind: str, after: int = 0) -> list[Change]:
    async with world.store.read() as conn:
        return [change for change in await changes_after(conn, after, limit=5000) if change.kind == kind]


class Follower:
    """A console on the live feed, which goes on hearing until it is asked what it heard."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.heard: list[dict[str, Any]] = []

    async def __aenter__(self) -> Follower:
        self.socket = await self.visitor.client.ws_connect(f"{self.visitor.base}/api/v1/live", headers={"Origin": self.visitor.base})
        assert json.loads(await self.socket.receive_str(timeout=10))["type"] == "hello"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()

    async def until(self, seq: int) -> list[str]:
        """The kinds heard so far, once the feed has been told to be at `seq` or beyond."""
        async with asyncio.timeout(20):
            while True:
                message = await self.socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return [change["kind"] for change in self.heard]
                frame = json.loads(message.data)
                self.heard += frame.get("items", [])
                if frame["type"] == "status" and frame["seq"] >= seq:
                    return [change["kind"] for change in self.heard]


async def noted(world: World, text: str) -> int:
    """A note in the timeline of the incident `other`; gives its number."""
    async with world.store.transaction() as tx:
        entry = tx.record(IncidentNoted(text=text), actor=BY, subject=f"incident:{world.other.id}", incident_id=world.other.id)
    return entry.seq


async def test_somebody_who_is_moved_sees_from_the_next_request_on_what_the_new_post_sees(world: World) -> None:
    person, token = await cookie_for(world.store, Role.DEPARTMENT_REPORTER)
    async with world.store.transaction() as tx:
        await save_post(tx, Post(id="water-desk", role=Role.DEPARTMENT_REPORTER, scope=Scope.OWN, zh="w", en="w", department_id="water-bureau"), POLICY, by=BY)
    async with Visitor(world.hub.web_url) as visitor:
        visitor.hold(token)
        assert (await visitor.ask("GET", f"/api/v1/incidents/{world.mine.id}"), await visitor.ask("GET", f"/api/v1/incidents/{world.other.id}")) == (200, 404)
        async with Follower(visitor) as live:
            async with world.store.transaction() as tx:
                await move(tx, person, "water-desk", POLICY, by=BY, reason="调岗")
            heard = await live.until(await noted(world, "新岗位可见"))
        assert (await visitor.ask("GET", f"/api/v1/incidents/{world.mine.id}"), await visitor.ask("GET", f"/api/v1/incidents/{world.other.id}")) == (404, 200)
        assert await visitor.ask("GET", "/api/v1/incidents") == 200
    assert "incident.noted" in heard
    assert world.mine.id not in str(visitor.body)
    assert world.other.id in str(visitor.body)


async def test_somebody_released_from_the_only_post_keeps_an_account_and_nothing_else(world: World) -> None:
    person, token = await cookie_for(world.store, Role.DUTY_OFFICER)
    async with Visitor(world.hub.web_url) as visitor:
        visitor.hold(token)
        async with Follower(visitor) as live:
            async with world.store.transaction() as tx:
                (held,) = await appointments_of(tx.conn, person_id=person)
                await release(tx, held.id, by=BY, reason="免职")
            await live.until(await noted(world, "不可见"))
            assert live.socket.closed, "the feed is no longer this person's"
        assert all(world.other.id not in str(change) for change in live.heard)
        assert [await visitor.ask("GET", path) for path in ("/api/v1/incidents", f"/api/v1/incidents/{world.mine.id}", "/api/v1/people")] == [403, 403, 403]
        assert await visitor.ask("GET", "/api/v1/session") == 200


async def test_a_share_that_ends_is_gone_from_page_list_and_feed_at_its_very_time_and_with_its_end_by_hand(world: World) -> None:
    _, token = await cookie_for(world.store, Role.DEPARTMENT_REPORTER)
    one = f"/api/v1/incidents/{world.other.id}"
    async with Visitor(world.hub.web_url) as visitor:
        visitor.hold(token)
        for ends in ("time", "hand"):
            async with world.store.transaction() as tx:
                share = await grant(tx, world.other, "fire-rescue", Tier.INFORMED, origin=Origin.MANUAL, reason="r", by=BY, until_at=clock_of(world).now() + HOUR)
            async with Follower(visitor) as live:
                assert await visitor.ask("GET", one) == 200
                assert "incident.noted" in await live.until(await noted(world, "可见"))
                if ends == "time":
                    clock_of(world).advance(HOUR)
                else:
                    async with world.store.transaction() as tx:
                        await end_shares(tx, by=BY, reason="r", share_id=share.id)
                before = len(live.heard)
                kinds = (await live.until(await noted(world, "不再可见")))[before:]
                assert "incident.noted" not in kinds
            assert await visitor.ask("GET", one) == 404
            assert await visitor.ask("GET", "/api/v1/incidents") == 200
            assert world.other.id not in str(visitor.body)
            changes = f"/api/v1/changes?after={await world.store.head() - 2}"
            assert await visitor.ask("GET", changes) == 200
            assert "不再可见" not in str(visitor.body)


async def test_an_agreement_out_of_its_time_shares_nothing_and_what_it_shared_ends_with_it(world: World) -> None:
    async with world.store.transaction() as tx:
        row = await draft_agreement(tx, giver_id="water-bureau", taker_id="fire-rescue", event_types=(), tier=Tier.ASSIST, text="t", valid_from=NOW,
                                    valid_until=NOW + 10 * HOUR, by=BY)
        for party in ("water-bureau", "fire-rescue"):
            await sign_agreement(tx, row.id, party, by=BY)
    _, token = await cookie_for(world.store, Role.DEPARTMENT_REPORTER)
    _, leader = await cookie_for(world.store, Role.LEADER, department="water-bureau")
    one, until = f"/api/v1/incidents/{world.other.id}", (NOW + 11 * HOUR).isoformat()
    async with Visitor(world.hub.web_url) as visitor, Visitor(world.hub.web_url) as giver:
        visitor.hold(token)
        giver.hold(leader)
        assert await visitor.ask("GET", one) == 404, "signed is not active"
        activating = f"/api/v1/agreements/{row.id}/activate"
        assert await giver.ask("POST", activating, {"until_at": until, "reason": "防汛"}) == 422, "longer than the agreement"
        async with world.store.transaction() as tx:
            await activate_agreement(tx, row.id, until_at=NOW + HOUR, reason="防汛", by=BY)
        assert await visitor.ask("GET", one) == 200
        clock_of(world).advance(HOUR)
        assert await visitor.ask("GET", one) == 404
        clock_of(world).set(NOW + 10 * HOUR)
        assert await giver.ask("POST", activating, {"until_at": (NOW + 12 * HOUR).isoformat(), "reason": "防汛"}) == 422, "over"


async def test_two_posts_see_what_either_sees_and_reading_counts_for_the_department_that_shares(world: World) -> None:
    person, token = await cookie_for(world.store, Role.DEPARTMENT_REPORTER, department="gas-company")
    async with world.store.transaction() as tx:
        await save_post(tx, Post(id="water-desk", role=Role.DEPARTMENT_REPORTER, scope=Scope.OWN, zh="w", en="w", department_id="water-bureau"), POLICY, by=BY)
        second = await appoint(tx, person, "water-desk", POLICY, by=BY, until_at=NOW + HOUR)
    async with Visitor(world.hub.web_url) as visitor:
        visitor.hold(token)
        assert await visitor.ask("GET", f"/api/v1/incidents/{world.mine.id}") == 404
        assert await visitor.ask("POST", f"/api/v1/incidents/{world.other.id}/seen") == 200
        clock_of(world).advance(HOUR)
        assert await visitor.ask("GET", f"/api/v1/incidents/{world.other.id}") == 404, "the second post has ended by its time"
        assert await visitor.ask("POST", f"/api/v1/incidents/{world.other.id}/seen") == 404
    async with world.store.read() as conn:
        receipts = await receipts_of(conn, world.other.id)
    assert [(one.department_id, one.person_id) for one in receipts if one.seen_at] == [("water-bureau", person)], second


async def test_which_reports_a_live_feed_showed_unmasked_is_in_the_chain_and_a_masked_one_is_not(world: World) -> None:
    source = Source("agent:a", agent_id="a", department_id="fire-rescue")
    told = {department: await cookie_for(world.store, Role.DEPARTMENT_REPORTER, department=department) for department in ("fire-rescue", "gas-company")}
    async with world.store.transaction() as tx:
        await grant(tx, world.mine, "gas-company", Tier.INFORMED, origin=Origin.ACTIVATION, reason="r", by=BY)
    for department, (person, token) in told.items():
        id, before = new_id(), await world.store.head()
        async with Visitor(world.hub.web_url) as visitor:
            visitor.hold(token)
            async with Follower(visitor) as live:
                assert [body.things for change in await chained(world, "access.viewed", before) for body in [change.read(AccessViewed)]] == [(f"change:{before}-",)]
                filed = raw(id=id, kind="follow_up", incident_id=world.mine.id, reporter={"name": "张三", "phone": "13812345678"})
                receipt = await world.hub.services.intake.submit("report", filed, source, Channel.MQTT)
                assert receipt.status is ReceiptStatus.STORED and receipt.seq is not None
                assert "report.received" in await live.until(receipt.seq)
        whole = department == "fire-rescue"
        assert ("13812345678" in str(live.heard)) is whole
        async with asyncio.timeout(20):
            while whole and not await shown(world, before, person, id):
                await asyncio.sleep(0.02)
        assert await shown(world, before, person, id) is whole


async def shown(world: World, after: int, person: str, report_id: str) -> bool:
    """Does the chain say that this report was shown to that person?"""
    found = [change.read(AccessViewed) for change in await chained(world, "access.viewed", after) if change.actor == f"person:{person}"]
    return any(f"report:{report_id}" in body.things for body in found)

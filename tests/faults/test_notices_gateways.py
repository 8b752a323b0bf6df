"""Notices against real gateways that succeed, fail, hang and refuse: nothing lost, nobody held up, failures visible."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from hub.clock import ManualClock
from hub.domain.notice import ContactState, Notice, NoticeState, in_both
from hub.domain.obligation import Obligation
from hub.errors import Rejected
from hub.ids import new_id
from hub.notify.agents import Agents
from hub.notify.channels import Message
from hub.notify.outbox import Outbox, backoff, try_out
from hub.notify.push import Push
from hub.respond.schedule import tick
from hub.store import Store, changes_after
from hub.store import obligations as ledger
from hub.store.notices import draft, get_contact, list_notices, queue
from hub.store.roster import list_posts
from hub.wire import Command
from tests.support.duty import MINUTE, NOW, give_contact, owed, people, rules
from tests.support.gateway import NEAR, Gateway, MailServer
from tests.support.ports import free_port

RULES = rules()
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise's own import
SOON: Callable[[int], timedelta] = lambda attempts: timedelta(0)  # noqa: E731


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    async with Store(f"sqlite:///{tmp_path}/hub.db", clock) as opened:
        async with opened.transaction() as tx:
            await people(tx, "water-bureau")
        yield opened


@pytest.fixture
async def push() -> AsyncIterator[Push]:
    async with Push(timeout_s=3, near=NEAR) as channel:
        yield channel


async def escalate(store: Store, clock: ManualClock, *which: object) -> list[Obligation]:
    """Duties whose first reminder is in the outbox."""
    async with store.transaction() as tx:
        made = await ledger.make(tx, RULES, [owed(n) for n in which or (1,)], actor="system:test")  # type: ignore[arg-type]
    clock.set(NOW + 21 * MINUTE)
    await tick(store, RULES)
    return made


async def pushed(store: Store) -> list[Notice]:
    async with store.read() as conn:
        return [n for n in await list_notices(conn, limit=1_000) if n.channel == "push"]


async def drain(outbox: Outbox, store: Store, within_s: float = 60) -> None:
    """Work until nothing is under way; a deadline instead of a sleep."""
    deadline = time.monotonic() + within_s
    while any(n.state in (NoticeState.QUEUED, NoticeState.CLAIMED) for n in await pushed(store)):
        assert time.monotonic() < deadline, await pushed(store)
        await outbox.step()
        await outbox.settle()


async def test_a_notice_reaches_the_gateway_once_with_its_id_and_its_text(store: Store, clock: ManualClock, push: Push) -> None:
    async with Gateway() as gateway:
        await give_contact(store, "water-bureau.duty", gateway.url)
        await escalate(store, clock)
        await drain(Outbox(store, RULES, [push]), store)
        (notice,) = await pushed(store)
        (got,) = gateway.got
    assert (notice.state, notice.attempts, got.id) == (NoticeState.SENT, 1, notice.id)
    assert "事项1" in got.title and got.text.endswith(notice.id[-12:])
    assert "⟦" not in got.text


async def test_a_signed_link_is_put_in_only_when_it_goes_out(store: Store, clock: ManualClock, push: Push) -> None:
    async with Gateway() as gateway:
        await give_contact(store, "water-bureau.duty", gateway.url)
        await escalate(store, clock)
        await drain(Outbox(store, RULES, [push], link_for=lambda n: f"https://hub.example/l/{n.obligation_id}"), store)
        assert f"https://hub.example/l/{(await pushed(store))[0].obligation_id}" in gateway.got[0].text
    assert "https://" not in (await pushed(store))[0].body


async def test_mail_goes_out_by_smtp_with_chinese_title_and_text(store: Store, clock: ManualClock, push: Push) -> None:
    async with MailServer() as server:
        await give_contact(store, "water-bureau.duty", server.url)
        await escalate(store, clock)
        await drain(Outbox(store, RULES, [push]), store)
        (got,) = server.got
    assert got.title.startswith("提醒：事项1") and "截止时间 2026-11-23 14:30" in got.text


async def test_a_gateway_that_fails_for_a_while_gets_the_same_notice_until_it_takes_it(store: Store, clock: ManualClock, push: Push) -> None:
    async with Gateway(answers=(503, 429, 500)) as gateway:
        await give_contact(store, "water-bureau.duty", gateway.url)
        await escalate(store, clock)
        await drain(Outbox(store, RULES, [push], retry=SOON), store)
        (notice,) = await pushed(store)
        assert (gateway.tries, len(gateway.got), notice.attempts, notice.state) == (4, 1, 4, NoticeState.SENT)
    async with store.read() as conn:
        failures = [c for c in await changes_after(conn, 0, limit=1_000) if c.kind == "notice.failed"]
    assert len(failures) == 3


async def test_a_gateway_that_refuses_for_good_is_tried_once_and_the_contact_is_marked(store: Store, clock: ManualClock, push: Push) -> None:
    async with Gateway(answer=404) as gateway:
        contact = await give_contact(store, "water-bureau.duty", gateway.url)
        await escalate(store, clock)
        await drain(Outbox(store, RULES, [push], retry=SOON), store)
        assert gateway.tries == 1
    (notice,) = await pushed(store)
    assert (notice.state, notice.error) == (NoticeState.FAILED, "HTTP 404")
    async with store.read() as conn:
        known = await get_contact(conn, contact.id)
    assert known is not None and known.state is ContactState.UNREACHABLE


async def test_a_mail_server_s_lasting_refusal_is_permanent_and_a_passing_one_is_not(store: Store, clock: ManualClock, push: Push) -> None:
    async with MailServer(answer=550) as never, MailServer(answers=(451,)) as later:
        await give_contact(store, "water-bureau.duty", never.url)
        await give_contact(store, "water-bureau.duty", later.url)
        await escalate(store, clock)
        await drain(Outbox(store, RULES, [push], retry=SOON), store)
        assert (never.tries, later.tries, len(later.got)) == (1, 2, 1)


async def test_retries_have_a_limit(store: Store, clock: ManualClock, push: Push) -> None:
    async with Gateway(answer=503) as gateway:
        await give_contact(store, "water-bureau.duty", gateway.url)
        await escalate(store, clock)
        await drain(Outbox(store, RULES, [push], retry=SOON), store)
        assert gateway.tries == 6
    assert (await pushed(store))[0].state is NoticeState.FAILED


async def test_a_gateway_that_hangs_holds_up_nobody_else(store: Store, clock: ManualClock) -> None:
    async with Push(timeout_s=20, near=NEAR) as push, Gateway(hang_s=40) as hanging, Gateway() as healthy:
        await give_contact(store, "water-bureau.duty", hanging.url)
        await give_contact(store, "water-bureau.duty", healthy.url)
        await escalate(store, clock, *range(30))
        outbox = Outbox(store, RULES, [push], poll_s=0.05)
        running = asyncio.create_task(outbox.run())
        began = time.monotonic()
        while len(healthy.got) < 30 and time.monotonic() - began < 18:
            clock.advance(timedelta(milliseconds=500))
            async with store.transaction() as tx:  # the store itself answers all the while
                await tx.count("probe")
            await asyncio.sleep(0.05)
        spent = time.monotonic() - began
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert len(healthy.got) == 30 and len({g.id for g in healthy.got}) == 30
    assert spent < 18, "the healthy gateway waited for the one that hangs"


async def test_a_timed_out_send_is_a_temporary_failure_that_everybody_can_see(store: Store, clock: ManualClock) -> None:
    async with Push(timeout_s=1.5, near=NEAR) as push, Gateway(hang_s=30) as hanging:
        await give_contact(store, "water-bureau.duty", hanging.url)
        await escalate(store, clock)
        outbox = Outbox(store, RULES, [push])
        await outbox.step()
        await outbox.settle()
    (notice,) = await pushed(store)
    assert notice.state is NoticeState.QUEUED and notice.attempts == 1 and notice.error
    assert notice.next_try_at is not None and notice.next_try_at > clock.now()


async def test_nothing_goes_out_after_the_duty_is_met(store: Store, clock: ManualClock, push: Push) -> None:
    async with Gateway(answers=(503,)) as gateway:
        await give_contact(store, "water-bureau.duty", gateway.url)
        (made,) = await escalate(store, clock)
        outbox = Outbox(store, RULES, [push], retry=SOON)
        await outbox.step()
        await outbox.settle()
        async with store.transaction() as tx:
            await ledger.meet(tx, RULES, made.id, by="person:1")
        for _ in range(50):
            clock.advance(MINUTE)
            await tick(store, RULES)
            await outbox.step()
            await outbox.settle()
        assert (gateway.tries, gateway.got) == (1, [])
    assert {n.state for n in await pushed(store)} == {NoticeState.DROPPED}


async def test_a_queued_notice_that_has_become_too_old_is_never_sent(store: Store, clock: ManualClock, push: Push) -> None:
    async with Gateway() as gateway:
        await give_contact(store, "water-bureau.duty", gateway.url)
        async with store.transaction() as tx:
            await queue(tx, [draft(RULES, dedupe="x", channel="push", address=gateway.url, template="message", fields=in_both(title="通知", text="…"),
                                   now=tx.now, max_age=timedelta(hours=2))], actor="system:test")
        clock.advance(timedelta(hours=3))
        outbox = Outbox(store, RULES, [push])
        await outbox.step()
        await outbox.settle()
        assert gateway.tries == 0
    assert [n.state for n in await pushed(store)] == [NoticeState.EXPIRED]


async def test_the_quiet_of_the_night_defers_the_ordinary_and_never_the_urgent(store: Store, clock: ManualClock, push: Push) -> None:
    clock.set(NOW.replace(hour=15))  # 23:00 in the district
    async with Gateway() as gateway:
        async with store.transaction() as tx:
            for urgent in (True, False):
                await queue(tx, [draft(RULES, dedupe=f"x{urgent}", channel="push", address=gateway.url, template="message", urgent=urgent,
                                       fields=in_both(title="紧急" if urgent else "一般", text="…"), now=tx.now, max_age=timedelta(hours=12))],
                            actor="system:test")
        outbox = Outbox(store, RULES, [push])
        for _ in range(8 * 60 - 1):
            await outbox.step()
            await outbox.settle()
            clock.advance(MINUTE)
        assert [g.title for g in gateway.got] == ["紧急"]
        clock.advance(MINUTE)
        await outbox.step()
        await outbox.settle()
        assert [g.title for g in gateway.got] == ["紧急", "一般"]


async def test_a_channel_that_breaks_does_not_take_the_others_along(store: Store, clock: ManualClock, push: Push) -> None:
    class Broken:
        name = "mqtt"

        def gateway(self, address: str) -> str:
            return address

        async def send(self, message: Message) -> None:
            raise ZeroDivisionError("a bug in a channel")

    async with Gateway() as gateway:
        async with store.transaction() as tx:
            for channel, address in (("mqtt", "agent:a"), ("push", gateway.url), ("pigeon", "x")):
                await queue(tx, [draft(RULES, dedupe=channel, channel=channel, address=address, template="message", urgent=True,
                                       fields=in_both(title=channel, text="…"), now=tx.now, max_age=timedelta(hours=12))], actor="system:test")
        outbox = Outbox(store, RULES, [push, Broken()])
        await outbox.step()
        await outbox.settle()
        assert len(gateway.got) == 1
    async with store.read() as conn:
        found = {n.channel: (n.state, n.error) for n in await list_notices(conn)}
    assert found["mqtt"] == (NoticeState.QUEUED, "ZeroDivisionError: a bug in a channel")
    assert found["pigeon"][0] is NoticeState.FAILED


async def test_an_agent_is_told_by_a_command_with_the_notice_s_id(clock: ManualClock) -> None:
    told: list[tuple[str, str, Command]] = []
    await Agents(lambda agent, what, message: told.append((agent, what, message)), clock).send(
        Message(new_id(), "agent:pump-house", "题", "正文", urgent=True, drill=False))
    ((agent, what, command),) = told
    assert (agent, what, command.kind, command.text, command.body["urgent"]) == ("pump-house", "command", "notice", "正文", True)


async def test_why_a_test_did_not_go_out_is_said_in_both_languages(push: Push) -> None:
    for address, zh, en in ((f"json://127.0.0.1:{free_port()}/", "连接被拒绝", "Connection refused"), ("nonsense://x", "通知地址无法识别", "not one that can be"),
                            ("wecombot://", "通知地址", "the address")):
        with pytest.raises(Rejected) as refusal:
            await try_out({"push": push}, "push", Message(new_id(), address, "测试", "正文", urgent=False, drill=False))
        assert zh in refusal.value.zh and en in refusal.value.en, refusal.value
        assert not any(word in refusal.value.zh for word in (" / ", en)), refusal.value.zh


async def test_each_contact_is_told_in_its_own_language(store: Store, clock: ManualClock, push: Push) -> None:
    async with Gateway() as chinese, Gateway() as english:
        await give_contact(store, "water-bureau.duty", chinese.url)
        await give_contact(store, "water-bureau.duty", english.url, language="en")
        (made,) = await escalate(store, clock)
        await drain(Outbox(store, RULES, [push]), store)
        async with store.read() as conn:
            post = next(p for p in await list_posts(conn) if p.id == "water-bureau.duty")
        assert (chinese.got[0].title, english.got[0].title) == (f"提醒：{made.title_zh}", f"Reminder: {made.title_en}")
        assert post.zh in chinese.got[0].text and post.en in english.got[0].text
        assert not any("\u4e00" <= letter <= "\u9fff" for letter in english.got[0].title + english.got[0].text)


async def test_a_test_send_tells_the_gateway_s_own_answer(push: Push) -> None:
    async with Gateway(answers=(403,)) as gateway:
        message = Message(new_id(), gateway.url, "测试", "正文", urgent=False, drill=False)
        with pytest.raises(Rejected) as refusal:
            await try_out({"push": push}, "push", message)
        assert (refusal.value.code, refusal.value.zh, refusal.value.en) == ("not_sent", "测试未送达：HTTP 403", "the test did not go out: HTTP 403")
        await try_out({"push": push}, "push", message)
        assert len(gateway.got) == 1


def test_retries_wait_longer_each_time_within_their_jitter_and_bound() -> None:
    assert [backoff(n, lambda: 1.0).total_seconds() for n in range(1, 9)] == [15, 30, 60, 120, 240, 480, 600, 600]
    assert [backoff(n, lambda: 0.0).total_seconds() for n in (1, 8)] == [7.5, 300]

"""The worker of the outbox: claim under a lease, look once more whether it is wanted, send, mark. Retries are bounded, with jitter.

1. `claim` takes what is due, in one transaction: at most one worker has a notice, for as long as its lease.
2. Just before sending: a duty that was met or acknowledged meanwhile sends nothing.
3. The channel sends. A crash from here on means that the lease runs out and the notice goes again, under the same id.
4. `mark` notes what became of it: sent, due again later, or failed for good, which everybody can see.
The one catch-all of notification stands here: a channel that breaks must not take the others along.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta

from hub.domain.duty_rules import CHANNELS, DutyRules
from hub.domain.notice import ContactState, Notice, with_link
from hub.domain.obligation import Evidence
from hub.errors import Rejected, Unavailable
from hub.ids import new_id
from hub.notify.channels import Channel, Message, SendFailed
from hub.store import Store, Transaction
from hub.store.notices import (
    LONGEST_RETRY,
    Outgoing,
    claim,
    defer,
    is_due,
    is_still_wanted,
    mark_failed,
    mark_sent,
    mark_unwanted,
    note_check,
)
from hub.store.obligations import get_obligation, meet

log = logging.getLogger("hub.notify")
AT_ONCE = 20
"""Notices that one worker holds at a time."""
PER_GATEWAY = 6
"""Of these, for one gateway: what is beyond it goes back for `DEFER`, so that a gateway that hangs holds up its own messages only."""
DEFER = timedelta(seconds=5)
POLL_S = 1.0
FIRST_RETRY_S = 15.0

LinkFor = Callable[[Notice], str | None]
"""Makes the signed link of a notice at the moment it goes out, or None."""


def backoff(attempts: int, dice: Callable[[], float] = random.random) -> timedelta:
    """How long after the n-th failed try the next follows: 15 s doubling to 10 min, each between half and the whole of it."""
    longest = min(LONGEST_RETRY.total_seconds(), FIRST_RETRY_S * 2 ** (attempts - 1))
    return timedelta(seconds=longest * (0.5 + dice() / 2))


class Outbox:
    """Runs until cancelled. Channels that this process does not have are left to others; `link_for` fills the link into a text."""

    def __init__(
        self, store: Store, rules: DutyRules, channels: Iterable[Channel], *, link_for: LinkFor | None = None, worker: str | None = None,
        poll_s: float = POLL_S, retry: Callable[[int], timedelta] = backoff, defer: timedelta = DEFER,
    ) -> None:
        self.store = store
        self.rules = rules
        self.channels = {channel.name: channel for channel in channels}
        self.link_for = link_for or (lambda _notice: None)
        self.worker = worker or new_id()
        self.poll_s = poll_s
        self.retry = retry
        self.defer = defer
        self.sent = self.failed = self.retried = 0
        self._under_way: set[asyncio.Task[None]] = set()
        self._busy: Counter[tuple[str, str]] = Counter()

    async def run(self) -> None:
        """Send for ever; a store that is away is waited out. Cancelling lets what is under way finish for 5 s."""
        try:
            while True:
                free = AT_ONCE - len(self._under_way)
                begun = await self.step(free) if free else 0
                if free and begun < free:
                    await self._wait()
                elif self._under_way:
                    await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self.settle(within_s=5)

    async def _wait(self) -> None:
        """Until something finishes or the next look is due."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self.poll_s, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(self.poll_s)

    async def step(self, limit: int = AT_ONCE) -> int:
        """Claim up to `limit` notices and begin to send them; gives how many."""
        try:
            async with self.store.read() as conn:
                if not await is_due(conn, self.store.clock.now()):
                    return 0
            async with self.store.transaction() as tx:
                claimed = await claim(tx, worker=self.worker, limit=limit, not_ours=set(CHANNELS) - set(self.channels))
        except Unavailable:
            return 0
        back = [out for out in claimed if not self._begin(out)]
        if back:
            await self._give_back(back)
        return len(claimed)

    def _begin(self, out: Outgoing) -> bool:
        """Begin to send; False where its gateway has enough to do."""
        gateway = self._gateway(out)
        if self._busy[gateway] >= PER_GATEWAY:
            return False
        self._busy[gateway] += 1
        task = asyncio.create_task(self._one(out), name=f"notice-{out.notice.id}")
        self._under_way.add(task)
        task.add_done_callback(lambda done: self._ended(done, gateway))
        return True

    def _gateway(self, out: Outgoing) -> tuple[str, str]:
        channel = self.channels.get(out.notice.channel)
        return out.notice.channel, channel.gateway(out.address) if channel else ""

    def _ended(self, task: asyncio.Task[None], gateway: tuple[str, str]) -> None:
        self._under_way.discard(task)
        self._busy[gateway] -= 1
        if self._busy[gateway] <= 0:
            del self._busy[gateway]

    async def _give_back(self, back: Sequence[Outgoing]) -> None:
        try:
            async with self.store.transaction() as tx:
                await defer(tx, back, self.defer)
        except Unavailable:
            log.warning("the store is away; claimed notices go again when their lease runs out")

    async def settle(self, within_s: float | None = None) -> None:
        """Wait for what is under way, at most `within_s` seconds; what is not done by then goes again when its lease runs out."""
        if self._under_way:
            _, left = await asyncio.wait(self._under_way, timeout=within_s)
            for task in left:
                task.cancel()

    async def _one(self, out: Outgoing) -> None:
        try:
            async with self.store.read() as conn:
                wanted = await is_still_wanted(conn, out, self.store.clock.now())
            if not wanted:
                async with self.store.transaction() as tx:
                    await mark_unwanted(tx, out)
                return
            await self._send(out)
        except Unavailable:
            log.warning("the store is away; the notice goes again when its lease runs out", extra={"notice": out.notice.id})

    async def _send(self, out: Outgoing) -> None:
        notice = out.notice
        try:
            channel = self.channels.get(notice.channel)
            if channel is None:
                raise SendFailed(f"没有此渠道：{notice.channel}", f"there is no channel {notice.channel}", permanent=True)
            await channel.send(Message(notice.id, out.address, notice.title, with_link(notice.body, self.link_for(notice)), notice.urgent,
                                       notice.drill))
        except SendFailed as error:
            await self._failed(out, error.why, permanent=error.permanent)
        except Exception as error:
            log.exception("a channel broke", extra={"notice": notice.id, "channel": notice.channel})
            await self._failed(out, f"{type(error).__name__}: {error}", permanent=False)
        else:
            await self._sent(out)

    async def _sent(self, out: Outgoing) -> None:
        async with self.store.transaction() as tx:
            if not await mark_sent(tx, out):
                return
            self.sent += 1
            if out.notice.contact_id and out.notice.channel == "push":
                await note_check(tx, out.notice.contact_id, ContactState.REACHABLE)
            if out.notice.template == "reach_check" and out.notice.obligation_id:
                await self._reached(tx, out.notice)

    async def _reached(self, tx: Transaction, notice: Notice) -> None:
        """A check that went out meets the duty that asked for it."""
        held = await get_obligation(tx.conn, notice.obligation_id or "")
        if held is not None and held.is_owed:
            await meet(tx, self.rules, held.id, by="system:notify",
                       evidence=Evidence(ref=f"notice:{notice.id}", zh="测试消息已送达网关", en="the gateway took the check"))

    async def _failed(self, out: Outgoing, why: str, *, permanent: bool) -> None:
        async with self.store.transaction() as tx:
            noted = await mark_failed(tx, out, error=why, permanent=permanent, retry_in=self.retry(out.notice.attempts))
            if noted is None:
                return
            if noted.next_try_at is not None:
                self.retried += 1
                return
            self.failed += 1
            if noted.contact_id:
                await note_check(tx, noted.contact_id, ContactState.UNREACHABLE, error=why)


async def try_out(channels: Mapping[str, Channel], channel: str, message: Message) -> None:
    """Send one message now, outside the outbox, so that whoever sets a contact up sees the gateway's own answer. Raises Rejected."""
    way = channels.get(channel)
    if way is None:
        raise Rejected("unknown_channel", f"没有此渠道：{channel}", f"there is no such channel: {channel}", field="channel")
    try:
        await way.send(message)
    except SendFailed as error:
        raise Rejected("not_sent", f"测试未送达：{error.zh}", f"the test did not go out: {error.en}") from error

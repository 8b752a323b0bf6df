"""The agent's conversation with the hub: connect, publish what the outbox holds, resend until receipts come, say that it is there.

It keeps nothing of its own: whatever must survive stands in the outbox. Video has a connection of its own and never passes here.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import random
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import aiomqtt
from msgspec import Struct

from agents.outbox import FINAL, Outbox
from agents.settings import AgentSettings
from agents.skew import SkewMeter
from agents.window import UnderWay, Window
from agents.words import say
from hub import wire
from hub.clock import parse_utc
from hub.errors import Rejected, Unavailable

log = logging.getLogger("tocsin.agent")

VERSION: Final = "0.1.0"
_OUTBOX_LOOK_S: Final = 0.5
"""How often the outbox is asked whether another process wrote to it (our own choice: it costs a page read)."""
_INCOMING: Final = 10_000
"""Messages from the hub waiting in memory; beyond that they are dropped, and the resend brings the receipt again."""
_FAREWELL_S: Final = 2.0
_UNRECORDED: Final = 10_000
"""Receipts kept in memory while the disk takes none."""
_STEADY_S: Final = 5.0
"""A connection that lasted so long was a good one: the pauses begin anew (our own choice; two that share an id would else fight at full speed)."""
_PRESENCE_GATHER_S: Final = 0.15
"""So long are changes gathered before presence says them: cameras that fail together are told together (our own choice)."""
_PRESENCE_BYTES_PER_S: Final = 65_536
"""Presences follow each other no faster than this: half a line of 1 Mbit/s, and with 200 cameras (28 kB) two a second (our own choice)."""
T = TypeVar("T")


class Measures(Struct, frozen=True, kw_only=True):
    """What the agent's instruments say now; it goes out with the telemetry."""

    wind: wire.Wind | None = None
    values: dict[str, float] = {}


class LinkState(Struct, frozen=True, kw_only=True):
    """What can be told about the link: for `tocsin agent status` and for people."""

    connected: bool
    since: datetime
    error: str | None
    attempts: int
    skew_ms: float | None
    rtt_ms: float | None
    counts: dict[str, int]


class _Line:
    """One live connection; `broken` ends it."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.broken: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def fail(self, reason: str) -> None:
        """End this connection for a reason; the first one counts."""
        if not self.broken.done():
            self.broken.set_result(reason)


class Session:
    """One agent's session; `run` goes on until `stop` is set and survives every failure of link, broker and hub.

    `on_receipt` is told each final receipt with its round trip in seconds (None where the message was published more than once);
    `on_command` each new command; `cameras` and `measure` are asked when presence and telemetry go out.
    """

    def __init__(
        self,
        settings: AgentSettings,
        outbox: Outbox,
        *,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        on_receipt: Callable[[wire.Receipt, float | None], None] | None = None,
        on_command: Callable[[wire.Command], Awaitable[None]] | None = None,
        on_state: Callable[[LinkState], None] | None = None,
        cameras: Callable[[], tuple[wire.Camera, ...]] | None = None,
        measure: Callable[[], Measures] | None = None,
        dice: random.Random | None = None,
    ) -> None:
        self.settings = settings
        self.outbox = outbox
        self.counts: Counter[str] = Counter()
        self.skew = SkewMeter()
        self.connected = asyncio.Event()
        self._password = password
        self._tls = tls
        self._on_receipt = on_receipt
        self._on_command = on_command
        self._on_state = on_state
        self._cameras = cameras or tuple
        self._measure = measure or Measures
        self._dice = dice or random.Random()
        self._topics = wire.Topics(settings.hub_id)
        self._window = Window(settings.window, settings.resend_after_s, longest_defer_s=settings.longest_defer_s, dice=self._dice)
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()
        self._changed_presence = asyncio.Event()
        self._line: _Line | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._requeued = False
        self._unrecorded: dict[str, wire.Receipt] = {}
        self._awaited: dict[str, asyncio.Future[wire.Receipt]] = {}
        self._attempts = 0
        self._line_up_s: float | None = None
        self._error: str | None = None
        self._since = datetime.now(UTC)

    def stop(self) -> None:
        """Ask `run` to say goodbye and end (within a few seconds)."""
        self._stop.set()

    async def run(self) -> None:
        """Talk to the hub until `stop`; raises only on bugs."""
        await self._requeue()
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(self._pump(group), name="agent-pump"),
                group.create_task(self._watch_outbox(), name="agent-outbox-watch"),
                group.create_task(self._tidy(), name="agent-tidy"),
            ]
            link = group.create_task(self._keep_link(group), name="agent-link")
            await self._stop.wait()
            await asyncio.wait({link}, timeout=_FAREWELL_S + 3.0)
            for task in [link, *background, *self._tasks]:
                task.cancel()

    async def file(self, message: wire.Report | wire.Daily) -> bool:
        """Accept a message into the outbox and send it as soon as the link allows; raises as `Outbox.accept`."""
        new = await asyncio.to_thread(self.outbox.accept, message)
        self._wake.set()
        return new

    async def receipt(self, message_id: str, timeout_s: float | None = None) -> wire.Receipt:
        """Wait for the final receipt of a message; raises TimeoutError."""
        future = self._awaited.setdefault(message_id, asyncio.get_running_loop().create_future())
        entry = await asyncio.to_thread(self.outbox.get, message_id)
        if entry is not None and entry.receipt is not None and entry.state in FINAL:
            return entry.receipt
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(future)
        except TimeoutError:
            self._awaited.pop(message_id, None)
            raise

    async def send_telemetry(self) -> None:
        """Send one telemetry now, waiting for the link where it is down; a measurement is never stored."""
        while True:
            await self.connected.wait()
            line = self._line
            if line is None:
                continue
            try:
                return await self._publish_telemetry(line.client, qos=1)
            except aiomqtt.MqttError as error:
                line.fail(str(error))
                self.connected.clear()

    async def send_advisory(self, advisory: wire.Advisory) -> None:
        """Send what a detector thinks it saw, now or never: it is dropped where the link is down, and reports do not wait for it."""
        line = self._line
        if line is not None:
            with suppress(aiomqtt.MqttError):
                await line.client.publish(self._topics.up(self.settings.agent_id, "advisory"), wire.encode(advisory), qos=0)

    def reconnect(self, why: str) -> None:
        """End this connection for a new one (a renewed certificate counts from the next one on); what is under way is sent again."""
        if self._line is not None:
            self._line.fail(why)

    def presence_changed(self) -> None:
        """Say that `cameras` has something new to tell; presence goes out again soon."""
        self._changed_presence.set()

    def state(self) -> LinkState:
        """How the link is."""
        counts = dict(self.counts) | {"resends": self._window.resends, "deferrals": self._window.deferrals}
        return LinkState(
            connected=self.connected.is_set(), since=self._since, error=self._error, attempts=self._attempts,
            skew_ms=self.skew.skew_ms, rtt_ms=self.skew.rtt_ms, counts=counts,
        )

    # -- the link -------------------------------------------------------------------------------------------------------------------

    async def _keep_link(self, group: asyncio.TaskGroup) -> None:
        while not self._stop.is_set():
            self._attempts += 1
            self.counts["connection_attempts"] += 1
            error = await self._converse_once(group)
            if self._line_up_s is not None and time.monotonic() - self._line_up_s >= _STEADY_S:
                self._attempts = 1
            self._line_up_s = None
            if self._stop.is_set():
                break
            self._changed(error)
            log.warning("link lost: %s (attempt %d)", error, self._attempts, extra={"agent": self.settings.agent_id})
            await self._within(self._stop.wait(), self._pause_s())

    def _pause_s(self) -> float:
        """Doubling from the first pause to the longest, then half to all of it by chance."""
        longest = min(self.settings.reconnect_longest_s, self.settings.reconnect_first_s * 2.0 ** min(self._attempts - 1, 20))
        return longest * self._dice.uniform(0.5, 1.0)

    async def _converse_once(self, group: asyncio.TaskGroup) -> str:
        """One connection from CONNECT to its end; returns why it ended."""
        reasons: list[str] = []
        try:
            await self._converse(group)
        except* aiomqtt.MqttError as errors:
            reasons = [_why(error) for error in _leaves(errors)]
        return "; ".join(reasons) or "closed"

    async def _converse(self, group: asyncio.TaskGroup) -> None:
        client = self._client()
        async with client:
            await client.subscribe(self._topics.down(self.settings.agent_id, "#"), qos=1)
            await self._publish_presence(client)
            line = _Line(client)
            self._line_up_s = time.monotonic()
            self.counts["connections"] += 1
            self._window.link_is_back(time.monotonic())
            self._line = line
            self.connected.set()
            self._changed(None)
            self._wake.set()
            try:
                await self._hold(line, group)
            finally:
                self._line = None
                self.connected.clear()
            await self._publish_presence(client, online=False)

    async def _hold(self, line: _Line, group: asyncio.TaskGroup) -> None:
        """Keep one connection's loops until one fails or the agent stops."""
        async with asyncio.TaskGroup() as loops:
            tasks = [
                loops.create_task(self._listen(line, group), name="agent-listen"),
                loops.create_task(self._speak_of_itself(line), name="agent-presence"),
                loops.create_task(self._guard(line), name="agent-guard"),
            ]
            await self._stop.wait()
            for task in tasks:
                task.cancel()

    async def _guard(self, line: _Line) -> None:
        raise aiomqtt.MqttError(await line.broken)

    def _client(self) -> aiomqtt.Client:
        agent_id = self.settings.agent_id
        will = aiomqtt.Will(self._topics.up(agent_id, "presence"), wire.encode(wire.Presence(online=False)), qos=1, retain=True)
        client = aiomqtt.Client(
            self.settings.mqtt_host, self.settings.mqtt_port, username=agent_id, password=self._password, identifier=agent_id,
            protocol=aiomqtt.ProtocolVersion.V311, clean_session=False, will=will, tls_context=self._tls,
            timeout=self.settings.ack_timeout_s, keepalive=self.settings.keepalive_s, max_inflight_messages=2 * self.settings.window + 8,
            max_queued_incoming_messages=_INCOMING,
        )
        client.pending_calls_threshold = 4 * self.settings.window + 32
        return client

    def _changed(self, error: str | None) -> None:
        self._error = error
        self._since = datetime.now(UTC)
        if self._on_state is not None:
            self._on_state(self.state())

    # -- up -------------------------------------------------------------------------------------------------------------------------

    async def _pump(self, group: asyncio.TaskGroup) -> None:
        """Publish whatever is due, and sleep until something is.

        Lives as long as the agent and not as long as a connection: what was taken from the outbox must not be forgotten with it.
        """
        while True:
            await self.connected.wait()
            self._wake.clear()
            await self._fill_window()
            now_s = time.monotonic()
            line = self._line
            if line is None:
                continue
            for one in self._window.due(now_s):
                self._window.published(one.entry.id, now_s)
                self._start(group, self._publish(line, one), "agent-publish")
            due_s = self._window.next_due_s(now_s)
            await self._within(self._wake.wait(), None if due_s is None else max(0.0, due_s - time.monotonic()))

    async def _fill_window(self) -> None:
        limit, urgent_only = self._window.room(time.monotonic())
        if limit == 0:
            return
        skip = [*self._window.ids(), *self._unrecorded]
        entries = await asyncio.to_thread(self.outbox.take, limit, urgent_only=urgent_only, skip=skip)
        self._window.add(entries, time.monotonic())

    async def _publish(self, line: _Line, one: UnderWay) -> None:
        entry = one.entry
        if entry.payload is None:
            return
        try:
            await line.client.publish(self._topics.up(self.settings.agent_id, entry.kind.value), entry.payload, qos=1)
        except aiomqtt.MqttError as error:
            line.fail(f"publish: {error}")
        else:
            self._window.acknowledged(entry.id, time.monotonic())
            self.counts["published"] += 1
            if one.attempts > 1:
                await self._on_disk(self.outbox.sent_again, [entry.id])

    async def _publish_presence(self, client: aiomqtt.Client, *, online: bool = True) -> int:
        """Say that the agent is there, or leaves; gives the size of the message in bytes."""
        waiting = await asyncio.to_thread(self.outbox.waiting)
        presence = wire.Presence(online=online, at=datetime.now(UTC), version=VERSION, queued=waiting.count, cameras=self._cameras())
        timeout_s = None if online else _FAREWELL_S
        payload = wire.encode(presence)
        await client.publish(self._topics.up(self.settings.agent_id, "presence"), payload, qos=1, retain=True, timeout=timeout_s)
        return len(payload)

    async def _publish_telemetry(self, client: aiomqtt.Client, qos: int = 0) -> None:
        now = datetime.now(UTC)
        waiting = await asyncio.to_thread(self.outbox.waiting)
        measures = self._measure()
        oldest_s = (now - waiting.oldest_at).total_seconds() if waiting.oldest_at else None
        state = self.state()
        telemetry = wire.Telemetry(
            at=now, queued=waiting.count, oldest_queued_s=oldest_s, rtt_ms=state.rtt_ms, skew_ms=state.skew_ms, wind=measures.wind,
            values={f"agent.{name}": float(count) for name, count in state.counts.items()} | measures.values,
        )
        await client.publish(self._topics.up(self.settings.agent_id, "telemetry"), wire.encode(telemetry), qos=qos)

    async def _speak_of_itself(self, line: _Line) -> None:
        """Telemetry at its pace; presence again when something changed (not too fast) or its time has come."""
        told_s = time.monotonic()
        while True:
            await self._publish_telemetry(line.client)
            if self._on_state is not None:
                self._on_state(self.state())
            again_s = time.monotonic() + self.settings.telemetry_every_s
            while (left_s := again_s - time.monotonic()) > 0:
                await self._within(self._changed_presence.wait(), left_s)
                if not self._changed_presence.is_set():
                    break
                await asyncio.sleep(_PRESENCE_GATHER_S)
                self._changed_presence.clear()
                size_bytes = await self._publish_presence(line.client)
                told_s = time.monotonic()
                await asyncio.sleep(size_bytes / _PRESENCE_BYTES_PER_S)
            if time.monotonic() - told_s >= self.settings.presence_every_s:
                await self._publish_presence(line.client)
                told_s = time.monotonic()

    # -- down -----------------------------------------------------------------------------------------------------------------------

    async def _listen(self, line: _Line, group: asyncio.TaskGroup) -> None:
        messages = line.client.messages
        async for first in messages:
            batch = [first]
            while len(messages):
                batch.append(await anext(messages))
            receipts = [receipt for message in batch if (receipt := self._receipt_in(message, group))]
            if receipts:
                await self._settle(receipts)

    def _receipt_in(self, message: aiomqtt.Message, group: asyncio.TaskGroup) -> wire.Receipt | None:
        """The receipt in a message, or None; a command goes to a task of its own."""
        payload = message.payload if isinstance(message.payload, bytes) else b""
        what = str(message.topic).rpartition("/")[2]
        try:
            if what == "receipt":
                return wire.decode(payload, wire.Receipt)
            if what == "command":
                self._start(group, self._obey(wire.decode(payload, wire.Command)), "agent-command")
        except Rejected as error:
            self.counts["malformed_down"] += 1
            log.warning("cannot read a %s: %s", what, error, extra={"agent": self.settings.agent_id})
        return None

    async def _settle(self, receipts: list[wire.Receipt]) -> None:
        self._unrecorded.update((one.id, one) for one in receipts if one.status is not wire.ReceiptStatus.UNAVAILABLE)
        recorded = await self._record()
        if not recorded and len(self._unrecorded) > _UNRECORDED:
            return  # they stay under way: the resend brings the receipts again
        now_s = time.monotonic()
        for receipt in receipts:
            self.counts[f"receipts_{receipt.status}"] += 1
            if receipt.status is wire.ReceiptStatus.UNAVAILABLE:
                self._window.deferred(receipt.id, receipt.retry_after_s or 5.0, now_s)
            else:
                self._ended(receipt, now_s)
        self._wake.set()

    async def _record(self) -> bool:
        """Write receipts beside their messages; where the disk takes nothing they wait in memory, and a restart costs second deliveries."""
        if not self._unrecorded:
            return True
        receipts = list(self._unrecorded.values())
        if not await self._on_disk(self.outbox.settle, receipts):
            return False
        for receipt in receipts:
            self._unrecorded.pop(receipt.id, None)
        return True

    def _ended(self, receipt: wire.Receipt, now_s: float) -> None:
        one = self._window.settled(receipt.id)
        rtt_s = now_s - one.first_s if one is not None and one.attempts == 1 else None
        if rtt_s is not None and receipt.status is wire.ReceiptStatus.STORED and receipt.stored_at:
            with suppress(ValueError):
                self.skew.observe(parse_utc(receipt.stored_at), rtt_s, datetime.now(UTC))
        future = self._awaited.pop(receipt.id, None)
        if future is not None and not future.done():
            future.set_result(receipt)
        if self._on_receipt is not None and one is not None:
            self._on_receipt(receipt, rtt_s)

    async def _obey(self, command: wire.Command) -> None:
        """Carry out a command once, however often it is delivered (where the disk takes nothing: each time)."""
        try:
            if not await asyncio.to_thread(self.outbox.keep_command, command):
                return
        except Unavailable:
            self.counts["outbox_errors"] += 1
        self.counts["commands"] += 1
        if command.kind is wire.CommandKind.RESEND:
            await self._resend(command)
        if self._on_command is not None:
            await self._on_command(command)

    async def _resend(self, command: wire.Command) -> None:
        """Send again what the body names: `ids`, or everything settled `after` a time; and everything unreceipted at once."""
        ids = [one for one in command.body.get("ids", ()) if isinstance(one, str)]
        after = command.body.get("after")
        since = None
        if isinstance(after, str):
            with suppress(ValueError):
                since = parse_utc(after)
        await self._on_disk(functools.partial(self.outbox.reopen, ids=ids, after=since))
        self._window.link_is_back(time.monotonic())
        self._wake.set()

    # -- around ---------------------------------------------------------------------------------------------------------------------

    async def _watch_outbox(self) -> None:
        """Wake the pump when another process (`tocsin report file`) wrote to the outbox; write down receipts that the disk refused before."""
        seen = -1
        while True:
            version = await asyncio.to_thread(self.outbox.version)
            if version != seen:
                seen = version
                self._wake.set()
            await self._record()
            await self._requeue()
            await asyncio.sleep(_OUTBOX_LOOK_S)

    async def _requeue(self) -> None:
        """Queue again, once, what a former run sent without a receipt; later, where the disk takes nothing now."""
        if self._requeued:
            return
        self._requeued = await self._on_disk(self.outbox.requeue_sent)
        self._wake.set()

    async def _on_disk(self, work: Callable[..., object], *values: object) -> bool:
        """Do something to the outbox; False, counted, and told once, where the disk takes nothing."""
        try:
            await asyncio.to_thread(work, *values)
        except Unavailable as error:
            self.counts["outbox_errors"] += 1
            if self.counts["outbox_errors"] == 1:
                log.error("%s", error, extra={"agent": self.settings.agent_id})
            return False
        return True

    async def _tidy(self) -> None:
        """Let settled messages go after their time, once an hour."""
        while True:
            await self._on_disk(self.outbox.prune, timedelta(days=self.settings.keep_days))
            await asyncio.sleep(3600)

    def _start(self, group: asyncio.TaskGroup, work: Any, name: str) -> None:
        task: asyncio.Task[None] = group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _within(self, awaitable: Awaitable[Any], timeout_s: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await awaitable


_REFUSED = frozenset((4, 5, 134, 135))
"""Bad user name or password, not authorised: in MQTT 3.1.1 (table 3.1) and as the client library tells them, by the codes of MQTT 5."""


def _why(error: aiomqtt.MqttError) -> str:
    """What ended the link; of a credential that the broker keeps refusing also what to do."""
    said = str(error) or type(error).__name__
    if not isinstance(error, aiomqtt.MqttCodeError) or getattr(error.rc, "value", error.rc) not in _REFUSED:
        return said
    return said + say("：凭据不对或已吊销；一直如此时请管理员另发入网码，再运行 tocsin agent enroll --replace",
                      ": the credential is wrong or revoked; if it stays so ask for another code, then tocsin agent enroll --replace")


def _leaves(errors: BaseExceptionGroup[aiomqtt.MqttError]) -> list[aiomqtt.MqttError]:
    found: list[aiomqtt.MqttError] = []
    for error in errors.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found

"""The one way in: decode → admit → decide → one transaction → acknowledge and receipt. MQTT, HTTP, the web form and the telephone note.

Batched: whatever arrived while the last commit ran goes into the next. A receipt is given only after the commit. Where a whole batch waits
already, it is drafted while the one before it is committed: the commit runs in its own thread, and the loop has nothing better to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.exc import IntegrityError

from hub import wire
from hub.domain.access import Action, Actor, ActorKind, Thing, ThingKind, may, reported_on
from hub.domain.change import canonical
from hub.domain.classified import CODE as CLASSIFIED
from hub.domain.classified import ClassifiedConfirmed, ClassifiedHit, ClassifiedSuspected, packaged_guard, warned_of
from hub.domain.incident import IncidentOpened, IncidentUpdated, IncidentView, apply_report, changed_fields, open_incident
from hub.domain.report import Channel, ReportReceived, ReportView, judge, report_view
from hub.domain.signature import Signer, check_report
from hub.errors import Rejected, Unavailable
from hub.ids import is_id
from hub.ingest.admit import Admission
from hub.store import Recorded, Store, Transaction
from hub.store import quarantine as quarantine_store
from hub.store.access import incident_things, shipped_policies
from hub.store.reports import (
    Known,
    Row,
    enterprises_of,
    incident_row,
    incidents_by_id,
    insert_reports,
    known_reports,
    report_row,
    update_incident,
)
from hub.wire import Receipt, ReceiptStatus, Report, ReportKind

log = logging.getLogger("hub.ingest")

Take = Callable[[Transaction, "Item"], Awaitable[Receipt]]
"""Stores one message of another kind than `report` in the given transaction; raises Rejected."""


class Source:
    """Who sends: as the intake needs to know it. `quota_per_minute` None means the hub's default.

    `acts` is who it is to `may`; without one it is an agent of its department and no more.
    """

    __slots__ = ("_acts", "actor", "agent_id", "department_id", "drill", "must_sign", "public_key", "quota_per_minute", "skew_s", "trusted")

    def __init__(self, actor: str, *, agent_id: str | None = None, department_id: str | None = None, trusted: bool = False,
                 quota_per_minute: int | None = None, skew_s: float | None = None, drill: bool = False, public_key: str | None = None,
                 must_sign: bool = False, acts: Actor | None = None) -> None:
        self._acts = acts
        self.public_key = public_key
        self.must_sign = must_sign
        self.actor = actor
        self.agent_id = agent_id
        self.department_id = department_id
        self.trusted = trusted
        self.quota_per_minute = quota_per_minute
        self.skew_s = skew_s
        self.drill = drill

    @property
    def acts(self) -> Actor:
        """Who it is to `may`; made when it is asked for first, as few messages ask."""
        if self._acts is None:
            self._acts = shipped_policies().access.agent(self.agent_id or self.actor, department_id=self.department_id)
        return self._acts

    @property
    def enterprise_id(self) -> str | None:
        """The enterprise at which the device stands; None for everybody else."""
        return self._acts.enterprise_id if self._acts is not None and self._acts.kind is ActorKind.AGENT else None

    def let_in_by(self, person: Actor) -> Source:
        """The same sender, whose message this person sends on: what he may write to, it may."""
        found = copy.copy(self)
        found._acts = person
        return found


class Confirmation(NamedTuple):
    """Who saw which warnings of classified content in a message, and says that it is not classified."""

    by: str
    body: ClassifiedConfirmed


class Item:
    """One message under way: what came, from whom, decoded or refused, and whom to tell."""

    __slots__ = ("channel", "confirmed", "content", "draft", "error", "message", "message_id", "payload", "receipt", "received_at", "sender", "settle",
                 "source", "suspected", "urgent", "what")

    def __init__(self, what: str, payload: bytes, sender: Source, channel: Channel, received_at: datetime,
                 settle: Callable[[Item], None] | None, confirmed: Confirmation | None = None) -> None:
        self.confirmed = confirmed
        self.what = what
        self.payload = payload
        self.sender = sender
        self.source = sender.actor
        self.channel = channel
        self.received_at = received_at
        self.settle = settle
        self.message: Any = None
        self.message_id: str | None = None
        self.content = ""
        self.suspected: tuple[ClassifiedHit, ...] = ()
        self.draft: Opening | None = None
        self.urgent = False
        self.error: Rejected | None = None
        self.receipt: Receipt | None = None

    def reject(self, error: Rejected, *, told: Rejected | None = None) -> None:
        """Answer with a refusal; `told` is what its sender hears, where that is not the reason itself."""
        self.error, told = error, told or error
        self.receipt = Receipt(id=self.message_id or "", status=ReceiptStatus.REJECTED, reason=told.code, field=told.field, message=told.message)


class Opening(NamedTuple):
    """What an initial report comes to: its view and the incident that it opens, each with its row and its change."""

    view: ReportView
    row: Row
    received: Recorded
    incident: IncidentView
    incident_row: Row
    opened: Recorded


class Numbers(NamedTuple):
    """How far the running numbers of incidents and receipts have come, and for which day (`YYYYMMDD`)."""

    day: str
    incident: int
    receipt: int


_id_of = msgspec.json.Decoder(dict[str, Any])


def _guess_id(payload: bytes) -> str | None:
    """The id of a message that could not be decoded, so that the sender's receipt can name it."""
    try:
        id = _id_of.decode(payload[: wire.MAX_MESSAGE_BYTES]).get("id")
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return id if isinstance(id, str) and len(id) <= 64 and wire.is_clean(id) else None


MOST_BRIEF: Final = 20
"""The largest batch that is written where the loop is (our own choice): a larger one is written beside it, while the next is read and decided."""
MOST_SIGNED: Final = 50
"""The largest batch whose receipts are signed as they go (our own choice: in a flood nobody shall wait for signatures, which are given when asked for)."""


class Intake:
    """The intake of one process. Run `run()` in a task group; give messages in with `arrive` (callback) or `submit` (awaited)."""

    def __init__(self, store: Store, *, zone: str = "Asia/Shanghai", batch: int = 500, queue: int = 5_000, quota_per_minute: int = 600) -> None:
        self.store = store
        self.zone = ZoneInfo(zone)
        self.batch = batch
        self.admission: Admission[Item] = Admission(limit=queue, quota_per_minute=quota_per_minute)
        self.takers: dict[str, Take] = {}
        self.signer: Signer | None = None
        self.counts: dict[str, int] = {"stored": 0, "duplicate": 0, "rejected": 0, "unavailable": 0}
        self.reasons: dict[str, int] = {}
        self.put_off: dict[str, int] = {}
        self._arrived = asyncio.Event()
        self._busy = asyncio.Lock()
        self._numbers: Numbers | None = None
        self._numbered = asyncio.Event()
        self._in_hand: set[asyncio.Task[None]] = set()

    # ---- in

    def arrive(self, what: str, payload: bytes, sender: Source, channel: Channel, settle: Callable[[Item], None],
               confirmed: Confirmation | None = None) -> None:
        """Take a message; `settle` is called once with the item when its receipt is final. Never raises, never blocks."""
        item = Item(what, payload, sender, channel, self.store.clock.now(), settle, confirmed)
        self._decode(item)
        try:
            self.admission.admit(item, time.monotonic(), sender.quota_per_minute)
        except Unavailable as error:
            item.receipt = _unavailable(item.message_id, error)
            self._settle(item)
            return
        self._arrived.set()

    def refuse(self, what: str, payload: bytes, sender: Source, channel: Channel, error: Rejected) -> None:
        """Put a message straight into quarantine (bounded like all others: a flood of them is dropped with a count)."""
        item = Item(what, payload, sender, channel, self.store.clock.now(), None)
        item.message_id = _guess_id(payload)
        item.reject(_worst(error, payload))
        try:
            self.admission.admit(item, time.monotonic(), 60)
        except Unavailable:
            self.counts["unavailable"] += 1
            return
        self._arrived.set()

    async def submit(self, what: str, payload: bytes, sender: Source, channel: Channel, confirmed: Confirmation | None = None) -> Receipt:
        """Take a message and wait for its receipt (which may be a refusal)."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Receipt] = loop.create_future()

        def settle(item: Item) -> None:
            if not future.done():
                assert item.receipt is not None
                future.set_result(item.receipt)

        self.arrive(what, payload, sender, channel, settle, confirmed)
        return await future

    def decoded(self, what: str, payload: bytes, sender: Source, channel: Channel, at: datetime, confirmed: Confirmation | None = None) -> Item:
        """An item that does not queue: for a replay within a transaction of the caller's own."""
        item = Item(what, payload, sender, channel, at, None, confirmed)
        self._decode(item)
        return item

    async def store_within(self, tx: Transaction, item: Item) -> None:
        """Store one item in the caller's transaction; a refusal is left in the item and not put into quarantine again."""
        if item.what == "report":
            await _store_reports(tx, [item], self.zone)
            await tx.write()
        else:
            await _take(tx, item, self.takers)

    def _decode(self, item: Item) -> None:
        try:
            if item.what == "report":
                item.message = report = wire.decode_report(item.payload)
                item.message_id, item.urgent = report.id, report.urgent
                judge(report, item.received_at)
                check_report(report, item.sender.public_key, must_sign=item.sender.must_sign)
            elif item.what == "daily":
                item.message = wire.decode_daily(item.payload)
                item.message_id = item.message.id
            else:
                raise Rejected("unsupported_message", f"不支持的消息 {item.what}", f"messages of the kind {item.what} are not supported")
            packaged_guard().refuse_message(item.payload, item.message)
            if item.sender.agent_id is not None and item.confirmed is None:  # a person was asked before; a device cannot be
                item.suspected = packaged_guard().message_warnings(item.payload, item.message)
            item.content = wire.content_hash(item.message)
        except Rejected as error:
            if item.message_id is None:
                item.message_id = _guess_id(item.payload)
            item.reject(_worst(error, item.payload))
        except Exception:
            _fault(item)

    # ---- through

    async def run(self) -> None:
        """Store what arrives, batch after batch, until cancelled; what was taken is finished (`drain` waits for it). At most two are in hand."""
        before: asyncio.Task[None] | None = None
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            busy = before is not None and not before.done()
            if before is not None and not busy:
                before.result()  # a bug ends the process
            if len(self.admission) < (self.batch if busy else 1):
                continue  # what arrives while a commit runs goes into the next batch
            batch = asyncio.create_task(self._process(self.admission.take(self.batch)), name="intake.batch")
            self._in_hand.add(batch)
            batch.add_done_callback(self._finished)
            if before is not None:
                await asyncio.wait([before])
            before = batch
            self._arrived.set()

    def _finished(self, batch: asyncio.Task[None]) -> None:
        self._in_hand.discard(batch)
        self._arrived.set()

    async def drain(self) -> None:
        """Store what is waiting now, and wait for what is in hand; for stopping."""
        while items := self.admission.take(self.batch):
            await self._process(items)
        if self._in_hand:
            await asyncio.wait(set(self._in_hand))

    async def _process(self, items: list[Item]) -> None:
        if self._busy.locked():
            await self._numbered.wait()
            self._draft(items)
        async with self._busy:
            self._numbered.clear()
            try:
                await self._store_all(items)
            except Unavailable as error:
                for item in items:
                    item.receipt = _unavailable(item.message_id, error)
            finally:
                self._numbered.set()
            if len(self._in_hand) > 1:
                self._numbered.clear()  # by the batch that waits for this one's place
        await self._numbered.wait()  # answers go out while that one is written: nothing stands between two commits that need not
        for item in items:
            self._settle(item)

    def _draft(self, items: Sequence[Item]) -> None:
        """Prepare the initial reports of a batch while the one before it is written. Their numbers are guessed from where that one ended; a
        draft that does not meet the numbers given in the transaction (a duplicate, another process) is left aside and decided there."""
        if self._numbers is None or not self.store.is_sqlite:
            return
        now, (day, incident, receipt) = self.store.clock.now(), self._numbers
        for item in items:
            if item.what != "report" or item.error is not None:
                continue
            receipt += 1
            if item.message.incident_id is None and item.message.kind is ReportKind.INITIAL:
                incident += 1
                with contextlib.suppress(Exception):  # it is met again where it is decided, and named there
                    item.draft = _opening(item, Numbers(day, incident, receipt), now)

    def _note_numbers(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._numbered.set()

    async def _store_all(self, items: list[Item]) -> None:
        """Store a batch. A message that the hub fails on is put aside by itself, and the others are stored as if it had not come: otherwise it
        would come again at every start, and nothing would be stored any more."""
        try:
            await self._store(items)
        except Unavailable:
            raise
        except Exception:
            if len(items) > 1:
                for item in items:
                    item.draft = None
                half = len(items) // 2  # one among five hundred is found in nine steps
                await self._store_all(items[:half])
                await self._store_all(items[half:])
                return
            (item,) = items
            if item.error is not None:  # not even quarantine takes it
                log.exception("the hub can put a message nowhere", extra={"id": item.message_id, "source": item.source, "what": item.what})
                item.receipt = _unavailable(item.message_id, Unavailable("hub_fault", *_FAILED, retry_after_s=3600))
                return
            _fault(item)
            await self._store_all(items)

    async def _store(self, items: list[Item]) -> None:
        for attempt in (1, 2, 3):
            try:
                async with self.store.transaction(urgent=True, brief=len(items) <= MOST_BRIEF) as tx:
                    recorded = await store_batch(tx, items, zone=self.zone, takers=self.takers, numbered=self._note_numbers)
                for item, entry in recorded:
                    assert item.receipt is not None
                    item.receipt = msgspec.structs.replace(item.receipt, seq=entry.seq)
                    if self.signer is not None and entry.link and len(items) <= MOST_SIGNED:
                        item.receipt = self.signer.receipt(item.receipt, item.content, entry.link)
                return
            except IntegrityError:
                # another worker stored one of these meanwhile: the next reading will see it
                if attempt == 3:
                    raise
                for item in items:
                    if item.error is None:
                        item.receipt = None

    def _settle(self, item: Item) -> None:
        assert item.receipt is not None
        status = item.receipt.status
        self.counts[str(status)] += 1
        if status is ReceiptStatus.UNAVAILABLE:
            code = item.receipt.reason or ""
            self.put_off[code] = self.put_off.get(code, 0) + 1
        elif item.error is not None:
            self.reasons[item.error.code] = self.reasons.get(item.error.code, 0) + 1
        if item.settle is not None:
            item.settle(item)


_FAILED: Final = ("本中心处理此消息时出错，请保留原文，待修复后重放", "the hub failed on this message; keep it, to be replayed once the hub is mended")


def _fault(item: Item) -> None:
    """Refuse a message that the hub fails on, in the handling of that failure; it is kept, to be replayed once the hub is mended."""
    log.exception("the hub fails on a message and puts it aside", extra={"id": item.message_id, "source": item.source, "what": item.what})
    error = Rejected("hub_fault", *_FAILED)
    with contextlib.suppress(Exception):
        error = _worst(error, item.payload)
    item.reject(error)


def _unavailable(id: str | None, error: Unavailable) -> Receipt:
    return Receipt(id=id or "", status=ReceiptStatus.UNAVAILABLE, reason=error.code, message=error.message, retry_after_s=error.retry_after_s)


def _worst(error: Rejected, payload: bytes) -> Rejected:
    """The refusal of a message: whatever else is wrong with it, what looks classified is refused as that, so that nobody keeps it."""
    try:
        packaged_guard().refuse_message(payload)
    except Rejected as classified:
        return classified
    return error


def _unheard(_numbers: Numbers) -> None:
    """Nobody prepares what comes next."""


async def store_batch(
    tx: Transaction, items: Sequence[Item], *, zone: ZoneInfo, takers: dict[str, Take] | None = None,
    numbered: Callable[[Numbers], None] = _unheard,
) -> list[Told]:
    """Decide and write a batch in one transaction; gives each item its receipt, and the change whose `seq` completes it after the commit."""
    reports = [item for item in items if item.what == "report" and item.error is None]
    recorded = await _store_reports(tx, reports, zone, numbered) if reports else []
    for item in items:
        if item.what != "report" and item.error is None:
            await _take(tx, item, takers or {})
    refused = [_refused(item) for item in items if item.error is not None]
    if refused:
        await quarantine_store.put(tx, refused)
    return recorded


async def _take(tx: Transaction, item: Item, takers: dict[str, Take]) -> None:
    taker = takers.get(item.what)
    if taker is None:
        item.reject(Rejected("unsupported_message", f"本中心尚不接收 {item.what}", f"this hub does not take {item.what}"))
        return
    try:
        async with tx.conn.begin_nested():
            item.receipt = await taker(tx, item)
            if item.receipt.status is ReceiptStatus.STORED:
                _mark(tx, item, f"{item.what}:{item.message_id}", department_id=item.sender.department_id, drill=item.sender.drill)
    except Rejected as error:
        item.reject(error)


def _mark(tx: Transaction, item: Item, subject: str, **of: Any) -> None:
    """Note what looks classified in a message that is stored all the same, and who looked at it, where everybody who reads it sees the note."""
    if item.confirmed is not None:
        tx.record(item.confirmed.body, actor=item.confirmed.by, subject=subject, **of)
    elif item.suspected:
        tx.record(ClassifiedSuspected(warnings=warned_of(item.suspected)), actor=item.source, subject=subject, **of)


def _refused(item: Item) -> quarantine_store.Refused:
    assert item.error is not None
    awaits = item.message.incident_id if item.error.code in (UNKNOWN, NOT_SHARED) else None
    id, payload = item.message_id, item.payload
    if item.error.code == CLASSIFIED:  # what must not be entered here is not kept here either, in an id that is none as little as in the message
        id, payload = id if id is not None and is_id(id) else None, b""
    return quarantine_store.Refused(item.channel, item.what, item.sender.agent_id, item.sender.actor, id, payload, item.error, awaits)


Told = tuple[Item, "Recorded | Known"]
"""A message that is stored, or was before, with the change that stored it."""


class _Batch:
    """The state of one batch of reports while it is decided."""

    def __init__(self, tx: Transaction, incidents: dict[str, IncidentView]) -> None:
        self.tx = tx
        self.incidents = incidents
        self.members: dict[str, tuple[str, ...]] = {}
        self.openers: dict[str, str | None] = {}
        self.opened: dict[str, IncidentView] = {}
        self.rows: dict[str, Row] = {}
        self.before: dict[str, IncidentView] = {}
        self.reports: list[tuple[ReportView, Row]] = []
        self.recorded: list[tuple[Item, Recorded]] = []
        self.fresh: dict[str, Item] = {}


async def _store_reports(
    tx: Transaction, items: Sequence[Item], zone: ZoneInfo, numbered: Callable[[Numbers], None] = _unheard,
) -> list[Told]:
    """Answer every report. Copies within a batch wait for the first: they fold where it was stored, and are decided where it was refused."""
    known = await known_reports(tx, {item.message.id for item in items}, linked=len(items) <= MOST_SIGNED)
    recorded: list[Told] = []
    while items:
        batch, copies = _Batch(tx, {}), []
        for item in items:
            there = known.get(item.message.id)
            if there is not None:
                recorded += _fold(there, item)
            elif item.message.id in batch.fresh:
                copies.append(item)
            else:
                batch.fresh[item.message.id] = item
        if batch.fresh:
            await _decide(batch, list(batch.fresh.values()), zone, numbered)
        made = {item.message.id: entry for item, entry in batch.recorded}
        recorded += batch.recorded
        for item in copies:
            if (entry := made.get(item.message.id)) is not None:
                recorded += _fold_within(batch.fresh[item.message.id], item, entry)
        items = [item for item in copies if item.message.id not in made]
        if items:
            await tx.write()
    return recorded


def _fold(there: Known, item: Item) -> list[Told]:
    """Answer a report whose id the store has; with the change that stored it, for the signature."""
    if there.content_hash != item.content:
        item.reject(_conflict())
        return []
    item.receipt = Receipt(id=item.message.id, status=ReceiptStatus.DUPLICATE, receipt_no=there.receipt_no, stored_at=there.stored_at,
                           incident_id=there.incident_id)
    return [(item, there)]


def _fold_within(first: Item, item: Item, entry: Recorded) -> list[Told]:
    """Answer a report whose id came earlier in this batch and was stored with that change."""
    assert first.receipt is not None
    if first.content != item.content:
        item.reject(_conflict())
        return []
    item.receipt = msgspec.structs.replace(first.receipt, status=ReceiptStatus.DUPLICATE)
    return [(item, entry)]


def _conflict() -> Rejected:
    return Rejected("id_conflict", "同一编号已有内容不同的报告；更正请发续报（新编号）",
                    "a report with this id and other content is stored; send a correction as a follow-up with a new id", field="id")


async def _decide(batch: _Batch, items: list[Item], zone: ZoneInfo, numbered: Callable[[Numbers], None]) -> None:
    tx = batch.tx
    named = {item.message.incident_id for item in items if item.message.incident_id is not None}
    batch.incidents = await incidents_by_id(tx, named)
    while beyond := {view.merged_into for view in batch.incidents.values() if view.merged_into is not None} - batch.incidents.keys():
        batch.incidents |= await incidents_by_id(tx, beyond)
    batch.openers = await _openers(batch, items)
    batch.members = await _members(batch, items)
    opening = sum(1 for item in items if item.message.incident_id is None and item.message.kind is ReportKind.INITIAL)
    day = tx.now.astimezone(zone).strftime("%Y%m%d")
    wanted = {"incident": opening, f"receipt:{day}": len(items)}
    ends = await tx.numbers({name: by for name, by in wanted.items() if by})
    incident, receipt = (ends.get(name, 0) - by for name, by in wanted.items())
    for item in items:
        receipt += 1
        try:
            incident = _one(batch, item, Numbers(day, incident, receipt))
        except Rejected as error:
            item.reject(error, told=_unknown() if error.code == NOT_SHARED else None)
    if opening:
        numbered(Numbers(day, incident, receipt))
    for id, before in batch.before.items():
        if id not in batch.opened and not await update_incident(tx, before, batch.incidents[id]):
            raise Unavailable("busy", "事件正被其他人更新", "the incident was changed meanwhile", retry_after_s=1)
    if batch.reports:
        opened = [batch.rows.get(id) or incident_row(view, canonical(view)) for id, view in batch.opened.items()]
        await insert_reports(tx, batch.reports, opened)


def _one(batch: _Batch, item: Item, numbers: Numbers) -> int:
    """Decide one new report; gives the running number of the last incident opened. `numbers.receipt` is this report's own."""
    incident = _incident_of(batch, item)
    if incident is None:
        numbers = Numbers(numbers.day, numbers.incident + 1, numbers.receipt)
        view, row, entry = _open(batch, item, numbers)
    else:
        view = _view(item, numbers, incident)
        row, entry = _received(item, view)
        _append(batch, item, view, entry)
        _apply(batch, item, incident, view.id, view)
    batch.reports.append((view, row))
    batch.recorded.append((item, entry))
    item.receipt = Receipt(id=view.id, status=ReceiptStatus.STORED, receipt_no=view.receipt_no, stored_at=batch.tx.at,
                           incident_id=view.incident_id)
    return numbers.incident


def _append(batch: _Batch, item: Item, view: ReportView, entry: Recorded) -> None:
    batch.tx.append(entry)
    _mark(batch.tx, item, entry.subject, incident_id=view.incident_id, department_id=view.department_id, drill=view.drill)


def _open(batch: _Batch, item: Item, numbers: Numbers) -> tuple[ReportView, Row, Recorded]:
    """Open an incident by an initial report, as it was drafted or anew."""
    drafted = item.draft
    fits = drafted is not None and drafted.incident.number == numbers.incident and drafted.view.receipt_no == _receipt_no(numbers)
    view, row, received, incident, opened_row, opened = drafted if drafted is not None and fits else _opening(item, numbers, batch.tx.now)
    batch.opened[incident.id] = batch.incidents[incident.id] = incident
    batch.openers[incident.id] = item.sender.enterprise_id
    batch.rows[incident.id] = opened_row
    _append(batch, item, view, received)
    batch.tx.append(opened)
    return view, row, received


def _received(item: Item, view: ReportView) -> tuple[Row, Recorded]:
    text = canonical(view)
    entry = Recorded(ReportReceived(report=view), text=b'{"report":' + text + b"}", actor=item.source, subject=f"report:{view.id}",
                     incident_id=view.incident_id, department_id=view.department_id, drill=view.drill)
    return report_row(view, text, item.content), entry


def _opening(item: Item, numbers: Numbers, now: datetime) -> Opening:
    """What an initial report comes to with these numbers, up to what is written of it. Nothing of it hangs on its transaction."""
    view = _view(item, numbers, None)
    incident = open_incident(view, number=numbers.incident, no=f"{numbers.day[:4]}-{numbers.incident:06d}", trusted=item.sender.trusted, now=now)
    text = canonical(incident)
    opened = Recorded(IncidentOpened(incident=incident), text=b'{"incident":' + text + b"}", actor=item.source,
                      subject=f"incident:{incident.id}", incident_id=incident.id, department_id=incident.department_id, drill=incident.drill)
    return Opening(view, *_received(item, view), incident, incident_row(incident, text), opened)


def _view(item: Item, numbers: Numbers, incident: IncidentView | None) -> ReportView:
    report, sender = item.message, item.sender
    return report_view(
        report, incident_id=incident.id if incident else report.id, number=incident.report_count + 1 if incident else 1,
        receipt_no=_receipt_no(numbers), received_at=item.received_at, channel=item.channel, actor=sender.actor,
        department_id=sender.department_id, agent_id=sender.agent_id, drill=sender.drill or bool(incident and incident.drill),
        sent_at=None if sender.skew_s is None else item.received_at + timedelta(seconds=sender.skew_s),
    )


def _receipt_no(numbers: Numbers) -> str:
    return f"{numbers.day}-{numbers.receipt:06d}"


def _apply(batch: _Batch, item: Item, incident: IncidentView, report_id: str, view: Any) -> None:
    after = apply_report(incident, view, batch.tx.now)
    if incident.id in batch.opened:
        # opened in this very batch: it is inserted as it stands at the end
        batch.opened[incident.id] = after
        batch.rows.pop(incident.id, None)
    else:
        batch.before.setdefault(incident.id, incident)
    for name, known in list(batch.incidents.items()):
        if known.id == incident.id:
            batch.incidents[name] = after
    batch.incidents[incident.id] = after
    batch.tx.record(
        IncidentUpdated(incident=after, report_id=report_id, changed=changed_fields(incident, after)), actor=item.sender.actor,
        subject=f"incident:{incident.id}", incident_id=incident.id, department_id=after.department_id, drill=after.drill)


UNKNOWN: Final = "unknown_incident"
NOT_SHARED: Final = "not_shared"


def _unknown() -> Rejected:
    return Rejected(UNKNOWN, "没有此事件；事件到达后本报告将自动入库", "no such incident; it is stored when that incident arrives", field="incident_id")


def _incident_of(batch: _Batch, item: Item) -> IncidentView | None:
    """The incident that a report belongs to; None where it opens one. Raises Rejected for one that is not there, or not for its sender."""
    report: Report = item.message
    if report.incident_id is None:
        return None
    incident = batch.incidents.get(report.incident_id)
    if incident is None:
        raise _unknown()
    if not _may_add(batch, item.sender, incident, batch.members.get(incident.id, ())):
        raise Rejected(NOT_SHARED, "事件未共享给报送单位；共享后本报告将自动入库", "the incident is not shared with its sender; it is stored once it is",
                       field="incident_id")
    while incident.merged_into is not None:  # it lives on in another, where it is looked at
        incident = batch.incidents[incident.merged_into]
    return incident


def _may_add(batch: _Batch, sender: Source, incident: IncidentView, members: tuple[str, ...]) -> bool:
    """May this sender report on the incident: its department reported it or shares in it, it happened at its enterprise, or it is the desk?"""
    thing = Thing(kind=ThingKind.INCIDENT, id=incident.id, department_id=incident.department_id, enterprise_id=incident.place.enterprise_id,
                  members=members)
    thing = reported_on(thing, device_of=sender.enterprise_id, opened_from=batch.openers.get(incident.id))
    return may(sender.acts, Action.REPORT_FILE, thing, batch.tx.now).allowed


async def _openers(batch: _Batch, items: Sequence[Item]) -> dict[str, str | None]:
    """At which enterprise the device stands that opened an incident, where an enterprise's device reports further on it."""
    named = {incident.id for item in items if item.sender.enterprise_id is not None and (incident := batch.incidents.get(item.message.incident_id))}
    return await enterprises_of(batch.tx.conn, named)


async def _members(batch: _Batch, items: Sequence[Item]) -> dict[str, tuple[str, ...]]:
    """With which departments those incidents are shared that somebody reports on who did not open them."""
    named = [(item.sender, batch.incidents.get(item.message.incident_id)) for item in items if item.sender.enterprise_id is None]
    asked = {incident.id for sender, incident in named if incident is not None and not _may_add(batch, sender, incident, ())}
    things = await incident_things(batch.tx.conn, asked)
    return {id: tuple(share.department_id for share in thing.shares if share.holds(batch.tx.now)) for id, thing in things.items()}

"""Keeps the wanted recordings going in this process, puts each segment's hash into the change chain, and runs the retention of the files.

Which recordings are wanted stands in the store; a lease sees to it that one process writes each. Reports never wait for any of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any, Final

import msgspec

from hub.clock import parse_utc, utc_text
from hub.domain.recording import RecordingView, SegmentView
from hub.errors import Rejected, Unavailable
from hub.ids import new_id
from hub.settings import Settings
from hub.store import Store, Transaction
from hub.store.lease import LEASE
from hub.store.recordings import (
    begin_anew,
    claim,
    claimable,
    evidence_ids,
    keep_segment,
    note_deleted,
    note_end,
    note_trouble,
    wanted_ids,
)
from streams.evidence import (
    Deleted,
    Ended,
    Entry,
    Interrupted,
    Lost,
    RecordingHeader,
    Segment,
    enforce_retention,
    is_recording,
    read_header,
    read_lines,
    recordings_in,
    retention_policy,
)
from streams.recorder import Recorder
from streams.relay import Relay

log = logging.getLogger("hub.recording")
ACTOR: Final = "system:recorder"
LOOK_S: Final = 0.5
"""How often the recordings wanted are compared with those that run, besides at every change of the feed."""
GATHER_S: Final = 0.1
RETENTION_S: Final = 600.0
EVIDENCE_S: Final = 0.2
"""How often a running retention is told what has become evidence."""


class Recordings:
    """The recordings of this process. Run `run()` and `retain()` in a task group; `close()` at the end."""

    def __init__(self, store: Store, relay: Relay, settings: Settings) -> None:
        self.store, self.settings = store, settings
        self.root = settings.data_path / "recordings"
        self.recorder = Recorder(relay, self.root, self._told)
        self.owner = "local" if store.is_sqlite else new_id()
        self._running: dict[str, tuple[asyncio.Event, asyncio.Task[Any]]] = {}
        self._said: list[tuple[RecordingHeader, Entry]] = []
        self._something = asyncio.Event()
        self._renewed = store.clock.now() - LEASE

    def _told(self, header: RecordingHeader, entry: Entry) -> None:
        self._said.append((header, entry))
        self._something.set()

    async def run(self) -> None:
        """Recover what a killed recorder left, then keep the wanted recordings running until cancelled."""
        loop = asyncio.get_running_loop()
        found: list[tuple[RecordingHeader, Entry]] = []
        await asyncio.to_thread(self._recover, found)
        self._said += found
        self._something.set()
        chaining = loop.create_task(self._chain(), name="recordings.chain")
        seq = 0
        try:
            while True:
                with contextlib.suppress(Unavailable):
                    await self._look()
                seq = max(seq, self.store.seen)
                await self.store.grown(seq, within_s=LOOK_S)
                await asyncio.sleep(GATHER_S)
        finally:
            for stop, task in self._running.values():
                stop.set()
                task.cancel()
            await asyncio.gather(*(task for _, task in self._running.values()), return_exceptions=True)
            with contextlib.suppress(TimeoutError, Unavailable):
                async with asyncio.timeout(3):
                    await self._write_all()
            chaining.cancel()
            await self.recorder.close()

    def _recover(self, found: list[tuple[RecordingHeader, Entry]]) -> None:
        self.recorder.recover()
        for folder in recordings_in(self.root):
            header = read_header(folder)
            found.extend((header, entry) for _, entry in read_lines(folder) if isinstance(entry, Segment | Deleted))

    async def _look(self) -> None:
        async with self.store.read() as conn:
            wanted = await wanted_ids(conn)
            more = await claimable(conn, self.owner, utc_text(self.store.clock.now())) or bool(wanted - self._running.keys())
        for id in self._running.keys() - wanted:
            self._running[id][0].set()
        now = self.store.clock.now()
        due = bool(self._running) and now - self._renewed >= LEASE / 3
        if more or due:
            async with self.store.transaction() as tx:
                fresh = [view for view, of_another in await claim(tx, self.owner, set(self._running)) if not await self._is_elsewhere(tx, view, of_another)]
            self._renewed = now
            for view in fresh:
                self._start(view)

    async def _is_elsewhere(self, tx: Transaction, view: RecordingView, of_another: bool) -> bool:
        """Another process wrote it, and its files are not here: another recording begins in its place."""
        if not of_another or is_recording(folder_of(self.settings.data_path, view.id)):
            return False
        log.warning("a recording was written on another machine; another one begins here", extra={"recording": view.id})
        await begin_anew(tx, view, by=ACTOR)
        return True

    def _start(self, view: RecordingView) -> None:
        stop = asyncio.Event()
        header = RecordingHeader(recording_id=view.id, agent_id=view.agent_id, camera_id=view.camera_id, reason=view.reason,
                                 started_at=parse_utc(view.started_at), incident_id=view.incident_id, drill=view.drill)
        task = asyncio.create_task(self._record(header, stop), name=f"recording {view.id}")
        self._running[view.id] = (stop, task)

    async def _record(self, header: RecordingHeader, stop: asyncio.Event) -> None:
        try:
            await self.recorder.record(header, stop)
        except (Rejected, Unavailable, OSError) as error:
            log.warning("a recording does not run and is tried again", extra={"recording": header.recording_id, "reason": str(error)})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await stop.wait()
        finally:
            self._running.pop(header.recording_id, None)
        if stop.is_set():
            await self._ended(header.recording_id)

    async def _ended(self, id: str) -> None:
        while True:
            try:
                await self._write_all()
                async with self.store.transaction() as tx:
                    await note_end(tx, id, by=ACTOR)
            except Unavailable:
                await asyncio.sleep(1)
            else:
                return

    async def _chain(self) -> None:
        """Put what the recorder said into the chain; keeps it where the store is away."""
        while True:
            await self._something.wait()
            self._something.clear()
            try:
                await self._write_all()
            except Unavailable:
                await asyncio.sleep(1)
                self._something.set()

    async def _write_all(self) -> None:
        said, self._said = self._said, []
        if not said:
            return
        try:
            async with self.store.transaction() as tx:
                for header, entry in said:
                    await chain_entry(tx, header, entry)
        except Unavailable:
            self._said = [*said, *self._said]
            raise

    async def retain(self) -> None:
        """Delete by policy every ten minutes: what is past its days, then the oldest above the quota; never evidence, never silently."""
        while True:
            await asyncio.sleep(RETENTION_S)
            try:
                await self.retain_once()
            except Unavailable:
                log.warning("what the retention deleted is chained when the store is back")
            except OSError as error:
                log.error("the retention of recordings cannot go on and is tried again", extra={"reason": error.strerror or str(error)})

    async def _evidence(self) -> set[str]:
        async with self.store.read() as conn:
            return await evidence_ids(conn)

    async def retain_once(self) -> int:
        """One run of the retention; gives how many segments went."""
        evidence = await self._evidence()
        held = retention_policy()
        policy = msgspec.structs.replace(held, keep_days=max(held.keep_days, self.settings.recording_days),
                                         quota_bytes=self.settings.recording_quota_bytes)
        gone: list[tuple[RecordingHeader, Entry]] = []
        running = asyncio.ensure_future(asyncio.to_thread(
            lambda: enforce_retention(self.root, policy, self.store.clock.now(), is_evidence=lambda h: h.recording_id in evidence,
                                      deleted=lambda header, entry: gone.append((header, entry)))))
        try:
            while not (await asyncio.wait({running}, timeout=EVIDENCE_S))[0]:  # a long run hears of what is kept meanwhile
                with contextlib.suppress(Unavailable):
                    evidence |= await self._evidence()
            report = await running
        finally:  # what went before a disk failed is chained as well
            self._said += gone
            await self._write_all()
        if report.over_by_bytes:
            log.warning("evidence alone takes more than the quota of recordings", extra={"over_by_bytes": report.over_by_bytes})
        return report.deleted_segments


async def chain_entry(tx: Transaction, header: RecordingHeader, entry: Entry) -> None:
    """One durable entry of a recording's manifest as a change; the same again is none."""
    match entry:
        case Segment():
            await keep_segment(tx, header.recording_id, SegmentView(
                n=entry.n, sha256=entry.sha256, size_bytes=entry.size_bytes, first_wall_ms=entry.first_wall_ms, last_wall_ms=entry.last_wall_ms,
                lost=entry.lost, recovered=entry.recovered, pre_event=entry.pre_event), by=ACTOR)
        case Lost():
            await note_trouble(tx, header.recording_id, "lost", f"segment {entry.n}: {entry.bytes_dropped} bytes", by=ACTOR)
        case Interrupted():
            await note_trouble(tx, header.recording_id, entry.code, utc_text(entry.at), by=ACTOR)
        case Deleted():
            await note_deleted(tx, header.recording_id, entry.n, entry.sha256, entry.reason, by="system:retention")
        case Ended():
            pass
        case _:
            pass


def folder_of(data_path: Path, recording_id: str) -> Path:
    """Where a recording's files stand."""
    return data_path / "recordings" / recording_id

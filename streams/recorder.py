"""Records watched feeds as received: segments of whole groups of pictures, each closed by fsync, SHA-256 and a line in the manifest's chain.

kill -9 at any moment leaves closed segments intact and the open one readable up to its last whole fragment; `recover` says what was lost.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

from hub.errors import Rejected
from hub.wire import MediaKind
from streams.evidence import (
    OPEN_SUFFIX,
    Ended,
    Entry,
    Interrupted,
    Lost,
    Manifest,
    RecordingHeader,
    Segment,
    create,
    is_recording,
    is_segment_file,
    read_header,
    read_lines,
    retention_policy,
    sync_folder,
)
from streams.fragment import TICKS, Sample, Track, VideoConfig, find_box, parse_fragment, parse_init, parse_init_segment, whole_fragments
from streams.relay import RESTARTED, CameraKey, Chunk, Relay, Viewer

log = logging.getLogger("tocsin.streams.recorder")

SEGMENT_S: Final = 10.0
"""Length of a segment in seconds: the most that a kill -9 can cost, and about 2.5 MB at 2 Mbit/s (own choice)."""
QUEUE_BYTES: Final = 16_777_216
"""Most bytes waiting for the disk of one recording (64 s at 2 Mbit/s); over it the recording goes on at a key frame and states the loss."""
RETRY_S: Final = 5.0
Told = Callable[[RecordingHeader, Entry], None]


class _OpenSegment:
    """The segment being written; every write is one system call, so that a killed process loses nothing it has written."""

    def __init__(self, folder: Path, n: int, config: VideoConfig, init: bytes, wall_ms: int) -> None:
        self.n, self.config, self.size = n, config, 0
        self.path = folder / f"{n:06}.mp4{OPEN_SUFFIX}"
        self.first_wall_ms = self.last_wall_ms = wall_ms
        self.samples = self.key_frames = self.lost = 0
        self.first_dts: int | None = None
        self.end_dts = 0
        self._sha = hashlib.sha256()
        self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
        try:
            self.write(init)
        except OSError:
            self.abandon()
            raise

    def write(self, data: bytes | memoryview) -> None:
        """Append all of `data` or raise OSError with the file cut back to what was whole."""
        done = 0
        try:
            while done < len(data):
                done += os.write(self._handle, data[done:])
        except OSError:
            os.ftruncate(self._handle, self.size)
            raise
        self.size += done
        self._sha.update(data)

    def count(self, samples: list[Sample]) -> None:
        """Keep account of the video samples written."""
        video = [sample for sample in samples if sample.track is Track.VIDEO]
        if not video:
            return
        self.first_dts = video[0].dts if self.first_dts is None else self.first_dts
        self.end_dts = max(self.end_dts, video[-1].dts + video[-1].duration)
        self.samples += len(video)
        self.key_frames += sum(sample.key for sample in video)

    def close(self, *, pre_event: bool = False) -> Segment:
        """fsync, rename, and describe it (not yet in the manifest)."""
        try:
            os.fsync(self._handle)
        finally:
            os.close(self._handle)
        final = self.path.with_name(self.path.name.removesuffix(OPEN_SUFFIX))
        self.path.rename(final)
        sync_folder(final.parent)
        return Segment(n=self.n, file=final.name, sha256=self._sha.hexdigest(), size_bytes=self.size, codec=self.config.text,
                       width=self.config.width, height=self.config.height, first_wall_ms=self.first_wall_ms, last_wall_ms=self.last_wall_ms,
                       first_dts=self.first_dts or 0, end_dts=self.end_dts, samples=self.samples, key_frames=self.key_frames,
                       closed_at=datetime.now(UTC), lost=self.lost, pre_event=pre_event)

    def abandon(self) -> None:
        """Remove a segment that holds no picture."""
        os.close(self._handle)
        self.path.unlink(missing_ok=True)


class SegmentWriter:
    """Writes one recording's chunks to its folder; not for use by two threads. `told` gets every entry after it is durable."""

    def __init__(self, folder: Path, told: Callable[[Entry], None] = lambda entry: None, *, segment_s: float = SEGMENT_S,
                 min_free_bytes: int | None = None) -> None:
        self.folder = folder
        self.trouble: str | None = None
        self._told = told
        self._manifest = Manifest(folder)
        self._segment_s = segment_s
        self._min_free = retention_policy().min_free_bytes if min_free_bytes is None else min_free_bytes
        self._next_n = self._manifest.next_n
        self._init: bytes | None = None
        self._config: VideoConfig | None = None
        self._open: _OpenSegment | None = None
        self._last_seq: int | None = None
        self._pending_lost = 0
        self._retry_at = 0.0
        self._owed: list[Entry] = []

    def take(self, chunk: Chunk) -> None:
        """Write one chunk; a full disk or a failing one becomes a named trouble and is tried again, never an exception."""
        try:
            self._take(chunk)
        except OSError as error:
            self._fail("disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "write_failed")
        except Rejected as error:
            log.warning("chunk not recorded", extra={"folder": str(self.folder), "reason": error.code})
            self._pending_lost += 1

    def _take(self, chunk: Chunk) -> None:
        if chunk.kind is MediaKind.INIT:
            self._begin(chunk)
            return
        if self._init is None or self._config is None:
            return
        if not chunk.pre_event:
            self._count_lost(chunk)
        if self.trouble is not None and (not chunk.key or time.monotonic() < self._retry_at):
            self._pending_lost += 1
            return
        samples = parse_fragment(chunk.body)
        if chunk.pre_event:
            self._write_pre_event(chunk, samples)
        else:
            self._write_live(chunk, samples)

    def _begin(self, chunk: Chunk) -> None:
        _, init = parse_init(chunk.body)
        self._close()
        self._init, (self._config, _) = init, parse_init_segment(init)

    def _count_lost(self, chunk: Chunk) -> None:
        if self._last_seq is not None and not chunk.cached:
            missing = (chunk.seq - self._last_seq - 1) & 0xFFFFFFFF
            self._pending_lost += missing if missing < RESTARTED else 0
        self._last_seq = chunk.seq

    def _new(self, wall_ms: int) -> _OpenSegment:
        assert self._init is not None
        assert self._config is not None
        if shutil.disk_usage(self.folder).free < self._min_free:
            raise OSError(errno.ENOSPC, "less than the reserve is free")
        self._settle()
        segment = _OpenSegment(self.folder, self._next_n, self._config, self._init, wall_ms)
        self._next_n += 1
        if self.trouble is not None:
            log.warning("recording goes on", extra={"folder": str(self.folder)})
            self.trouble = None
        return segment

    def _write_pre_event(self, chunk: Chunk, samples: list[Sample]) -> None:
        segment = self._new(chunk.wall_ms)
        try:
            segment.write(chunk.body)
        except OSError:
            segment.abandon()
            raise
        segment.count(samples)
        segment.last_wall_ms = chunk.wall_ms + (segment.end_dts - (segment.first_dts or 0)) * 1000 // TICKS
        self._tell(segment.close(pre_event=True))

    def _write_live(self, chunk: Chunk, samples: list[Sample]) -> None:
        current = self._open
        if chunk.key and (current is None or current.end_dts - (current.first_dts or 0) >= self._segment_s * TICKS - TICKS // 10):
            self._close()
            current = self._open = self._new(chunk.wall_ms)
            current.lost, self._pending_lost = self._pending_lost, 0
        if current is None:
            return
        current.write(chunk.body)
        current.count(samples)
        current.lost, self._pending_lost = current.lost + self._pending_lost, 0
        current.last_wall_ms = max(current.last_wall_ms, chunk.wall_ms)

    def _close(self) -> None:
        current, self._open = self._open, None
        if current is None:
            return
        if current.samples == 0:
            current.abandon()
            return
        self._tell(current.close())

    def _tell(self, entry: Entry) -> None:
        self._owed.append(entry)
        self._settle()

    def _settle(self) -> None:
        """Bring into the manifest what a full disk kept out of it, oldest first, and tell it."""
        while self._owed:
            self._told(self._manifest.append(self._owed[0]))
            del self._owed[0]

    def _fail(self, code: str) -> None:
        self._retry_at = time.monotonic() + RETRY_S
        self._pending_lost += 1
        if self.trouble == code:
            return
        self.trouble = code
        log.error("recording interrupted", extra={"folder": str(self.folder), "trouble": code})
        interrupted = Interrupted(code=code, at=datetime.now(UTC))
        try:
            self._close()
            self._tell(interrupted)
        except OSError:  # it is told now, and stands in the manifest before the next segment
            self._told(interrupted)
            self._owed = [*(entry for entry in self._owed if entry is not interrupted), interrupted]

    def end(self, reason: str) -> None:
        """Close the open segment and the recording."""
        try:
            self._close()
            self._tell(Ended(at=datetime.now(UTC), reason=reason))
        except OSError:
            self._fail("write_failed")


def recover(root: Path, told: Told = lambda header, entry: None) -> list[Lost]:
    """After a start: close what a killed recorder left open, as far as it is whole, and state what was lost. To be run before recording.

    What cannot be read is left as it is and named in the log; it never keeps the others, or the hub, from starting.
    """
    losses = []
    for folder in sorted({path.parent for path in root.glob("*/*.mp4*")}):
        try:
            losses += _recover_folder(folder, told)
        except (Rejected, OSError) as error:
            log.error("a recording cannot be recovered", extra={"folder": str(folder), "reason": str(error)})
    return losses


def _recover_folder(folder: Path, told: Told) -> list[Lost]:
    """A segment that was closed but not told is told; one that was open is kept to its last whole fragment, and the loss stated."""
    header, manifest = read_header(folder), Manifest(folder)
    known = {entry.file for _, entry in read_lines(folder) if isinstance(entry, Segment)}
    losses = []
    for path in sorted(folder.glob("*.mp4*")):
        if path.name in known or not is_segment_file(path.name.removesuffix(OPEN_SUFFIX)):
            continue
        n, data, was_open = int(path.name.split(".")[0]), path.read_bytes(), path.name.endswith(OPEN_SUFFIX)
        keep = whole_fragments(data)
        segment = _salvage(path, n, data[:keep])
        if segment is not None:
            told(header, manifest.append(segment))
        elif not was_open:
            continue
        dropped = len(data) - keep if segment else len(data)
        log.warning("a segment was recovered", extra={"folder": str(folder), "segment": n, "bytes_dropped": dropped})
        if was_open or dropped:
            loss = manifest.append(Lost(n=n, bytes_dropped=dropped, at=datetime.now(UTC)))
            assert isinstance(loss, Lost)
            told(header, loss)
            losses.append(loss)
    return losses


def _salvage(path: Path, n: int, data: bytes) -> Segment | None:
    """Make a closed segment of what is whole; None (and the file removed) where there is no picture in it."""
    moov = find_box(data, b"moov") if data else None
    samples = [s for s in parse_fragment(memoryview(data)[moov[1]:]) if s.track is Track.VIDEO] if moov else []
    if moov is None or not samples:
        if path.name.endswith(OPEN_SUFFIX):
            path.unlink()
        return None
    config, _ = parse_init_segment(data[:moov[1]])
    changed_ms = int(path.stat().st_mtime * 1000)
    final = path.with_name(path.name.removesuffix(OPEN_SUFFIX))
    with path.open("r+b") as file:
        file.truncate(len(data))
        os.fsync(file.fileno())
    path.rename(final)
    sync_folder(final.parent)
    first, end = samples[0].dts, samples[-1].dts + samples[-1].duration
    return Segment(n=n, file=final.name, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), codec=config.text, width=config.width,
                   height=config.height, first_wall_ms=changed_ms - (end - first) * 1000 // TICKS, last_wall_ms=changed_ms, first_dts=first,
                   end_dts=end, samples=len(samples), key_frames=sum(s.key for s in samples), closed_at=datetime.now(UTC), recovered=True)


class RecorderOptions(Struct, frozen=True, kw_only=True):
    """`pre_event_s`: how much of before is asked of the agent; `batch_s`: chunks are written together this often."""

    segment_s: float = SEGMENT_S
    pre_event_s: float = 10.0
    batch_s: float = 0.2
    min_free_bytes: int | None = None


class Recorder:
    """Records cameras of a relay into folders under `root`; disk work runs in one thread of its own.

    `told(header, entry)` is called in the loop for every durable entry: the place from which hashes go into the change chain.
    """

    def __init__(self, relay: Relay, root: Path, told: Told = lambda header, entry: None, options: RecorderOptions | None = None) -> None:
        self.relay, self.root, self.options = relay, root, options or RecorderOptions()
        self.recording: dict[str, RecordingHeader] = {}
        self._told = told
        self._disk = ThreadPoolExecutor(1, "recorder")

    def recover(self) -> list[Lost]:
        """See `recover`; to be called once before the first recording."""
        self.root.mkdir(parents=True, exist_ok=True)
        return recover(self.root, self._told)

    async def record(self, header: RecordingHeader, stop: asyncio.Event, *, quality: str = "main") -> Path:
        """Record one camera until `stop` is set (or the task is cancelled); returns its folder. The folder of a known id is continued."""
        loop = asyncio.get_running_loop()

        def tell(entry: Entry) -> None:
            loop.call_soon_threadsafe(self._told, header, entry)

        folder = self.root / header.recording_id
        if not is_recording(folder):
            folder = await loop.run_in_executor(self._disk, create, self.root, header)
        writer = SegmentWriter(folder, tell, segment_s=self.options.segment_s, min_free_bytes=self.options.min_free_bytes)
        self.recording[header.recording_id] = header
        key = CameraKey(header.agent_id, header.camera_id)
        try:
            async with self.relay.watch(key, name=f"recording:{header.recording_id}", quality=quality, pre_event_s=self.options.pre_event_s,
                                        fragment_s=0.0, queue_bytes=QUEUE_BYTES) as viewer:
                await self._follow(viewer, writer, stop)
        finally:
            del self.recording[header.recording_id]
            await asyncio.shield(loop.run_in_executor(self._disk, writer.end, "stopped"))
        return folder

    async def _follow(self, viewer: Viewer, writer: SegmentWriter, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                following = asyncio.create_task(viewer.batch(self.options.batch_s))
                done, _ = await asyncio.wait({following, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if following not in done:
                    following.cancel()
                    await asyncio.wait({following})
                    chunks = viewer.drain()
                else:
                    chunks = following.result()
                    if not chunks:
                        return
                await loop.run_in_executor(self._disk, _write_all, writer, chunks)
        finally:
            stopped.cancel()

    async def close(self) -> None:
        """End the disk thread after what it has to write."""
        await asyncio.to_thread(self._disk.shutdown)


def _write_all(writer: SegmentWriter, chunks: list[Chunk]) -> None:
    for chunk in chunks:
        writer.take(chunk)

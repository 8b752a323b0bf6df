"""Recordings as evidence: what stands in a recording's folder, its hash chain, the offline check, clips, and deletion by policy.

A folder holds `recording.json`, the segments `NNNNNN.mp4` as received, and `segments.jsonl`, each line of which carries the SHA-256 of the
line before it. Nothing here needs the hub, the database or the network.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct

from hub.errors import Rejected
from streams.fragment import TICKS, AudioConfig, Sample, Track, VideoConfig, find_box, parse_fragment, parse_init_segment, progressive

HEADER: Final = "recording.json"
MANIFEST: Final = "segments.jsonl"
OPEN_SUFFIX: Final = ".open"
GAP_MS: Final = 500
"""A hole of more than this between groups of pictures is stated as a gap (own choice: arrival jitters by up to about 0.3 s)."""
MOST_SEGMENTS: Final = 400
"""Most segments of one clip, more than an hour of them: each is mapped with a handle of its own, and a process may have no more than 1,024 as a rule."""
_SEGMENT = re.compile(r"\d{6,}\.mp4")
_APPENDING: Final[WeakValueDictionary[Path, threading.Lock]] = WeakValueDictionary()
"""One lock for each recording whose manifest is open, so that none waits for another's disk."""
_OPENING: Final = threading.Lock()


class RecordingHeader(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is recorded and why."""

    recording_id: str
    agent_id: str
    camera_id: str
    reason: str
    started_at: datetime
    incident_id: str | None = None
    drill: bool = False


class Segment(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="segment"):
    """A closed segment. Walls are the agent's clock in ms, dts ticks of 90 kHz; `lost`: messages missing between camera and hub inside it."""

    n: int
    file: str
    sha256: str
    size_bytes: int
    codec: str
    width: int
    height: int
    first_wall_ms: int
    last_wall_ms: int
    first_dts: int
    end_dts: int
    samples: int
    key_frames: int
    closed_at: datetime
    lost: int = 0
    pre_event: bool = False
    recovered: bool = False
    prev: str = ""


class Lost(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="lost"):
    """Said at a restart: the recorder ended without closing; `bytes_dropped` of segment `n` could not be kept (0: nothing but the time)."""

    n: int
    bytes_dropped: int
    at: datetime
    reason: str = "the recorder ended without closing"
    prev: str = ""


class Deleted(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="deleted"):
    """A segment was deleted by policy; its hash stays."""

    n: int
    sha256: str
    size_bytes: int
    at: datetime
    reason: str
    prev: str = ""


class Interrupted(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="interrupted"):
    """Recording could not go on for a while (`disk_full`, `write_failed`)."""

    code: str
    at: datetime
    prev: str = ""


class Ended(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ended"):
    """The recording was ended in order."""

    at: datetime
    reason: str
    prev: str = ""


Entry = Segment | Lost | Deleted | Interrupted | Ended


class Problem(Struct, frozen=True):
    """One thing the check found wrong; `code` is stable."""

    code: str
    file: str
    zh: str
    en: str


class Verification(Struct, frozen=True, kw_only=True):
    """The outcome of a check. `stated`: losses, interruptions and deletions that the recording itself states (not wrong, but to be known)."""

    path: str
    kind: str
    ok: bool
    segments: int
    size_bytes: int
    first_wall_ms: int | None
    last_wall_ms: int | None
    head: str
    problems: tuple[Problem, ...]
    stated: tuple[str, ...]


def sha256_file(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Manifest:
    """Appends entries to a recording's chain and makes each durable before it returns; recorder and retention may both have it open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.head = hashlib.sha256((folder / HEADER).read_bytes()).hexdigest()
        self.next_n = 1
        self._size = 0
        with _OPENING:
            self._appending = _APPENDING.setdefault(folder.resolve(), threading.Lock())
        self._read_on()

    def _read_on(self) -> None:
        """Take in the lines that were written since, by whomever."""
        for line, entry in read_lines(self.folder, self._size):
            self.head = hashlib.sha256(line).hexdigest()
            self._size += len(line) + 1
            if isinstance(entry, Segment | Lost):
                self.next_n = max(self.next_n, entry.n + 1)

    def append(self, entry: Entry) -> Entry:
        """Chain the entry, write it, fsync; returns it as written. Raises OSError with the manifest as it was."""
        with self._appending:
            self._read_on()
            chained = msgspec.structs.replace(entry, prev=self.head)
            line = msgspec.json.encode(chained)
            path = self.folder / MANIFEST
            try:
                with path.open("ab") as file:
                    file.truncate(self._size)  # a line that a full disk or a kill tore is no line
                    file.write(line + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):
                    os.truncate(path, self._size)
                raise
            self._read_on()
        return chained


def create(root: Path, header: RecordingHeader) -> Path:
    """Make a recording's folder with its header, whole or not at all; raises Rejected where it exists."""
    folder = root / header.recording_id
    if is_recording(folder):
        raise Rejected("recording_exists", "该录像已存在", "this recording exists already", field="recording_id") from None
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / (HEADER + ".part")
    with part.open("wb") as file:
        file.write(msgspec.json.encode(header))
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / HEADER)
    sync_folder(folder)
    sync_folder(root)
    return folder


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable (where the system can)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_header(folder: Path) -> RecordingHeader:
    """The header of a recording; raises Rejected `not_a_recording`."""
    try:
        return msgspec.json.decode((folder / HEADER).read_bytes(), type=RecordingHeader)
    except (OSError, msgspec.DecodeError):
        raise Rejected("not_a_recording", f"{folder} 不是录像目录", f"{folder} is no recording") from None


def is_recording(folder: Path) -> bool:
    """Has the folder a header that can be read?"""
    try:
        read_header(folder)
    except Rejected:
        return False
    return True


def read_lines(folder: Path, begin: int = 0) -> Iterator[tuple[bytes, Entry | None]]:
    """(line, entry) of the manifest from byte `begin` on; None for a line that cannot be read (a torn last line is left out)."""
    path = folder / MANIFEST
    body = b""
    if path.exists():
        with path.open("rb") as file:
            file.seek(begin)
            body = file.read()
    for line in body.split(b"\n")[:-1]:
        try:
            yield line, msgspec.json.decode(line, type=Entry)
        except msgspec.DecodeError:
            yield line, None


def is_segment_file(name: str) -> bool:
    """Is this the name of a closed segment?"""
    return _SEGMENT.fullmatch(name) is not None


def recordings_in(root: Path) -> list[Path]:
    """The folders of recordings below `root`, by name; one whose header cannot be read is left alone."""
    return [path.parent for path in sorted(root.glob(f"*/{HEADER}")) if is_recording(path.parent)]


def segments_of(folder: Path) -> list[Segment]:
    """The closed segments that were not deleted, in the order of time."""
    found: dict[int, Segment] = {}
    for _, entry in read_lines(folder):
        if isinstance(entry, Segment):
            found[entry.n] = entry
        elif isinstance(entry, Deleted):
            found.pop(entry.n, None)
    return sorted(found.values(), key=lambda segment: (segment.first_wall_ms, segment.n))


# ---- the check ---------------------------------------------------------------------------------------------------------------


class Chained(NamedTuple):
    """What the hub's change chain says of a recording: SHA-256 by segment number, and of those segments that were deleted by policy (None: not said)."""

    segments: Mapping[int, str]
    deleted: Mapping[int, str] | None = None


class _AuditHeader(Struct, frozen=True):
    format: str
    after: int
    bodies: bool


class _AuditLine(Struct, frozen=True):
    kind: str
    body: str | None = None


class _Segment(Struct, frozen=True):
    n: int
    sha256: str


class _SegmentChange(Struct, frozen=True):
    """The body of `recording.segment_closed` or `recording.segment_deleted`, as far as it is read here."""

    recording_id: str
    segment: _Segment | None = None
    n: int | None = None
    sha256: str | None = None


def read_chain(path: Path) -> Callable[[str], Chained]:
    """What an audit export (`tocsin audit export`, from the first change on, with its bodies) says of the recording with an id; or a JSON object of SHA-256 by
    segment number, for whatever recording is asked for. That the export itself is whole `tocsin audit verify --file` says.

    Raises Rejected `malformed_chain`, and `partial_chain` for an export without bodies or without its beginning.
    """
    text = path.read_bytes()
    with suppress(msgspec.DecodeError):
        hashes = Chained(msgspec.json.decode(text, type=dict[int, str]))
        return lambda _: hashes
    found: dict[str, tuple[dict[int, str], dict[int, str]]] = {}
    try:
        head, *lines = text.splitlines()
        header = msgspec.json.decode(head, type=_AuditHeader)
        if header.after or not header.bodies:
            raise Rejected("partial_chain", "审计导出须从头开始并含正文", "the export has to begin with the first change and to have its bodies")
        for line in lines:
            row = msgspec.json.decode(line, type=_AuditLine)
            if row.body is None or row.kind not in ("recording.segment_closed", "recording.segment_deleted"):
                continue
            said = msgspec.json.decode(row.body, type=_SegmentChange)
            segments, deleted = found.setdefault(said.recording_id, ({}, {}))
            if said.segment is not None:
                segments[said.segment.n] = said.segment.sha256
            elif said.n is not None and said.sha256 is not None:
                deleted[said.n] = said.sha256
    except (ValueError, msgspec.DecodeError):
        raise Rejected("malformed_chain", "哈希文件或审计导出格式不对", "neither a file of hashes nor an audit export") from None
    return lambda recording_id: Chained(*found.get(recording_id, ({}, {})))


def recording_of(path: Path) -> str:
    """The id of the recording that a folder holds or a clip was made of; raises Rejected `not_a_recording`, `no_manifest`, `manifest_malformed`."""
    return _clip_manifest(path).recording.recording_id if path.is_file() else read_header(path).recording_id


def verify(path: Path, *, expected: Mapping[int, str] | None = None, deleted: Mapping[int, str] | None = None) -> Verification:
    """Check a recording's folder or an exported clip (`….mp4` with its `….json`), offline.

    `expected`: SHA-256 by segment number from somewhere else (the hub's change chain); every one of them must be in the folder's manifest,
    and every segment that a clip names must be one of them. `deleted`: those of them that were deleted by policy, as `Chained`; where it is given
    no other may be missing.
    """
    return _verify_clip(path, expected) if path.is_file() else _verify_folder(path, Chained(expected or {}, deleted))


def _verify_folder(folder: Path, chained: Chained) -> Verification:
    read_header(folder)
    problems: list[Problem] = []
    stated: list[str] = []
    entries = _verify_chain(folder, problems, stated)
    deleted = {entry.n for entry in entries if isinstance(entry, Deleted)}
    segments = [entry for entry in entries if isinstance(entry, Segment)]
    for segment in segments:
        if segment.n not in deleted and (problem := _segment_problem(folder, segment)) is not None:
            problems.append(problem)
    known = {segment.file for segment in segments}
    for file in sorted(folder.iterdir()):
        if is_segment_file(file.name) and file.name not in known:
            problems.append(Problem("unknown_file", file.name, "清单中没有该片段", "the manifest does not know this segment"))
        elif file.name.endswith(OPEN_SUFFIX):
            stated.append(f"{file.name}: 尚未关闭的片段 / a segment that is still open")
    if not isinstance(next((entry for entry in reversed(entries) if not isinstance(entry, Deleted)), None), Ended):
        stated.append(f"{MANIFEST}: 没有写明录像结束（仍在录，或末尾被截去） / no end is stated: it still runs, or its last lines were cut off")
    by_number = {segment.n: segment.sha256 for segment in segments}
    for n, digest in chained.segments.items():
        if by_number.get(n) != digest:
            problems.append(Problem("chain_mismatch", f"{n:06}.mp4", "与变更链中的哈希不符", "differs from the hash in the change chain"))
    if chained.deleted is not None:
        for n in sorted(n for n in deleted if chained.deleted.get(n) != by_number.get(n)):
            problems.append(Problem("deletion_unknown", f"{n:06}.mp4", "变更链中没有这次删除", "the change chain knows nothing of its deletion"))
    live = [segment for segment in segments if segment.n not in deleted]
    head = Manifest(folder).head
    return Verification(path=str(folder), kind="recording", ok=not problems, segments=len(live), size_bytes=sum(s.size_bytes for s in live),
                        first_wall_ms=min((s.first_wall_ms for s in live), default=None), head=head,
                        last_wall_ms=max((s.last_wall_ms for s in live), default=None), problems=tuple(problems), stated=tuple(stated))


def _segment_problem(folder: Path, segment: Segment) -> Problem | None:
    """What is wrong with a segment's file: it must lie in the folder itself, and be what its hash says."""
    file = folder / segment.file
    if not is_segment_file(segment.file):
        return Problem("wrong_name", segment.file, "清单中的片段文件名不合规", "the manifest names a file that is no segment")
    if not file.is_file():
        return Problem("missing", segment.file, "片段缺失", "the segment is missing")
    if sha256_file(file) != segment.sha256:
        return Problem("hash_mismatch", segment.file, "片段内容已被改动", "the segment's content was altered")
    return None


def _verify_chain(folder: Path, problems: list[Problem], stated: list[str]) -> list[Entry]:
    head = hashlib.sha256((folder / HEADER).read_bytes()).hexdigest()
    entries: list[Entry] = []
    for number, (line, entry) in enumerate(read_lines(folder), 1):
        if entry is None or entry.prev != head:
            code = "chain_broken" if entry is not None else "manifest_malformed"
            problems.append(Problem(code, f"{MANIFEST}:{number}", "清单哈希链断裂", "the manifest's hash chain is broken"))
        head = hashlib.sha256(line).hexdigest()
        if entry is None:
            continue
        entries.append(entry)
        match entry:
            case Lost():
                stated.append(f"{entry.n:06}: {entry.bytes_dropped} 字节未能保存 / {entry.bytes_dropped} bytes could not be kept; {entry.reason}")
            case Deleted():
                stated.append(f"{entry.n:06}: 按保存策略删除 / deleted by policy: {entry.reason}")
            case Interrupted():
                stated.append(f"{entry.at.isoformat()}: 录像中断 / interrupted: {entry.code}")
            case Segment() if entry.lost:
                stated.append(f"{entry.file}: 传输中丢失 {entry.lost} 条消息 / {entry.lost} messages lost on the way")
    return entries


# ---- clips -------------------------------------------------------------------------------------------------------------------


class ClipSource(Struct, frozen=True):
    """A segment that a clip was taken from."""

    n: int
    sha256: str


class ClipManifest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands beside a clip. `samples_sha256`: over all video samples then all audio samples, byte by byte as the camera sent them."""

    clip: str
    sha256: str
    size_bytes: int
    samples_sha256: str
    recording: RecordingHeader
    recording_head: str
    codec: str
    width: int
    height: int
    asked_from_ms: int
    asked_to_ms: int
    first_wall_ms: int
    last_wall_ms: int
    pictures: int
    segments: tuple[ClipSource, ...]
    gaps_ms: tuple[tuple[int, int], ...] = ()
    made_at: datetime


def export(folder: Path, out: Path, from_ms: int, to_ms: int, *, now: datetime | None = None) -> list[Path]:
    """Write the groups of pictures that overlap [from_ms, to_ms) (agent's clock) as one playable MP4 with its manifest; returns the clips.

    More than one clip only where the camera changed its picture size or codec within. Raises Rejected `nothing_recorded`, `hash_mismatch` or, for
    more than can be put into one, `clip_too_long`.
    """
    header, head = read_header(folder), Manifest(folder).head
    chosen = [s for s in segments_of(folder) if s.first_wall_ms < to_ms and s.last_wall_ms + 1000 >= from_ms]
    if len(chosen) > MOST_SEGMENTS:
        raise Rejected("clip_too_long", f"该时段有 {len(chosen)} 个录像片段，一次最多导出 {MOST_SEGMENTS} 个，请分段导出",
                       f"there are {len(chosen)} segments in this time, and one clip holds {MOST_SEGMENTS}: export it in pieces", field="to")
    out.parent.mkdir(parents=True, exist_ok=True)
    clips: list[Path] = []
    groups = [group for segment in chosen for group in _groups(folder, segment)]
    groups = _within(groups, from_ms, to_ms)
    if not groups:
        raise Rejected("nothing_recorded", "该时段没有录像", "nothing was recorded in this time", field="from")
    runs: list[list[_Group]] = []
    for group in groups:
        if runs and runs[-1][-1].config == group.config:
            runs[-1].append(group)
        else:
            runs.append([group])
    for number, run in enumerate(runs, 1):
        path = out if len(runs) == 1 else out.with_name(f"{out.stem}-{number}{out.suffix}")
        clips.append(_write_clip(path, run, header, head, (from_ms, to_ms), now or datetime.now(UTC)))
    return clips


class _Group(Struct, frozen=True):
    """A group of pictures with the sound beside it."""

    segment: Segment
    config: tuple[VideoConfig, AudioConfig | None]
    samples: list[Sample]
    first_wall_ms: int
    end_wall_ms: int
    dts: int


def _groups(folder: Path, segment: Segment) -> list[_Group]:
    if (problem := _segment_problem(folder, segment)) is not None:
        raise Rejected(problem.code, f"{problem.file}：{problem.zh}，不能导出", f"{problem.file}: {problem.en}, so it cannot be exported")
    with (folder / segment.file).open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    view = memoryview(mapped)
    moov = find_box(view, b"moov")
    assert moov is not None
    config = parse_init_segment(bytes(view[:moov[1]]))
    samples = parse_fragment(view[moov[1]:])
    groups: list[list[Sample]] = []
    for sample in (s for s in samples if s.track is Track.VIDEO):
        if sample.key or not groups:
            groups.append([])
        groups[-1].append(sample)
    out = []
    for n, group in enumerate(groups):
        begin, end = group[0].dts, groups[n + 1][0].dts if n + 1 < len(groups) else group[-1].dts + group[-1].duration
        sound = [s for s in samples if s.track is Track.AUDIO and (begin <= s.dts < end or (n == 0 and s.dts < begin))]

        def wall(dts: int) -> int:
            return segment.first_wall_ms + (dts - segment.first_dts) * 1000 // TICKS

        out.append(_Group(segment, config, [*group, *sound], wall(begin), wall(end), begin))
    return out


def _within(groups: list[_Group], from_ms: int, to_ms: int) -> list[_Group]:
    """The groups that overlap, in the order of time; a group recorded twice (a burst after a reconnection) counts once."""
    out: list[_Group] = []
    for group in sorted(groups, key=lambda g: g.first_wall_ms):
        if group.end_wall_ms <= from_ms or group.first_wall_ms >= to_ms:
            continue
        if out and group.dts == out[-1].dts:
            if len(group.samples) > len(out[-1].samples):
                out[-1] = group
            continue
        out.append(group)
    return out


def _on_one_line(run: list[_Group]) -> list[_Group]:
    """The groups on one timeline: where an agent began anew its ticks jump, and the wall clock says how far."""
    out: list[_Group] = []
    shift, wall0, base, end = 0, run[0].first_wall_ms, run[0].dts, run[0].dts
    for group in run:
        expected = base + (group.first_wall_ms - wall0) * TICKS // 1000
        if abs(group.dts + shift - expected) > 2 * TICKS or group.dts + shift < end - TICKS:
            shift = max(expected, end) - group.dts
        samples = group.samples if shift == 0 else [
            msgspec.structs.replace(sample, dts=sample.dts + shift, pts=sample.pts + shift) for sample in group.samples]
        end = max(sample.dts + sample.duration for sample in samples)
        out.append(msgspec.structs.replace(group, samples=samples))
    return out


def _write_clip(path: Path, run: list[_Group], header: RecordingHeader, head: str, asked: tuple[int, int], now: datetime) -> Path:
    video, audio = run[0].config
    run = _on_one_line(run)
    pictures = _growing(s for group in run for s in group.samples if s.track is Track.VIDEO)
    sound = _growing(s for group in run for s in group.samples if s.track is Track.AUDIO)
    whole, content = hashlib.sha256(), hashlib.sha256()
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        def write(data: bytes | memoryview) -> None:
            file.write(data)
            whole.update(data)

        write(progressive(video, audio if sound else None, [*pictures, *sound]))
        for sample in (*pictures, *sound):
            write(sample.data)
            content.update(sample.data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    gaps = [(a.end_wall_ms, b.first_wall_ms) for a, b in pairwise(run) if b.first_wall_ms - a.end_wall_ms > GAP_MS]
    sources = {group.segment.n: ClipSource(group.segment.n, group.segment.sha256) for group in run}
    manifest = ClipManifest(
        clip=path.name, sha256=whole.hexdigest(), size_bytes=path.stat().st_size, samples_sha256=content.hexdigest(), recording=header,
        recording_head=head, codec=video.text, width=video.width, height=video.height, asked_from_ms=asked[0], asked_to_ms=asked[1],
        first_wall_ms=run[0].first_wall_ms, last_wall_ms=run[-1].end_wall_ms, pictures=len(pictures), segments=tuple(sources.values()),
        gaps_ms=tuple(gaps), made_at=now)
    path.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    return path


def _growing(samples: Iterable[Sample]) -> list[Sample]:
    """Samples whose decoding times grow; what was received twice is left out."""
    out: list[Sample] = []
    for sample in samples:
        if not out or sample.dts > out[-1].dts:
            out.append(sample)
    return out


def _clip_manifest(clip: Path) -> ClipManifest:
    try:
        return msgspec.json.decode(clip.with_suffix(".json").read_bytes(), type=ClipManifest)
    except OSError:
        raise Rejected("no_manifest", f"{clip.name} 旁边没有清单文件", f"there is no manifest beside {clip.name}") from None
    except msgspec.DecodeError:
        raise Rejected("manifest_malformed", "清单文件不是有效的 JSON", "the manifest is not valid") from None


def _verify_clip(path: Path, expected: Mapping[int, str] | None) -> Verification:
    problems: list[Problem] = []
    manifest = _clip_manifest(path)
    if sha256_file(path) != manifest.sha256:
        problems.append(Problem("hash_mismatch", path.name, "视频内容已被改动", "the clip's content was altered"))
    elif _content_sha256(path) != manifest.samples_sha256:
        problems.append(Problem("samples_mismatch", path.name, "画面数据与清单不符", "the pictures differ from the manifest"))
    if manifest.clip != path.name:
        problems.append(Problem("foreign_manifest", path.name, f"清单属于 {manifest.clip}", f"the manifest is of {manifest.clip}"))
    problems += [Problem("chain_mismatch", f"{source.n:06}.mp4", "与变更链中的哈希不符", "differs from the hash in the change chain")
                 for source in manifest.segments if expected is not None and expected.get(source.n) != source.sha256]
    return Verification(path=str(path), kind="clip", ok=not problems, segments=len(manifest.segments), size_bytes=path.stat().st_size,
                        first_wall_ms=manifest.first_wall_ms, last_wall_ms=manifest.last_wall_ms, head=manifest.recording_head,
                        problems=tuple(problems), stated=tuple(f"缺口 / gap {a}–{b}" for a, b in manifest.gaps_ms))


def _content_sha256(path: Path) -> str:
    if path.stat().st_size == 0:  # cannot be mapped
        return ""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped)
        try:
            found = find_box(view, b"mdat")
            return hashlib.sha256(view[found[0]:found[1]]).hexdigest() if found else ""
        finally:
            view.release()


# ---- retention ---------------------------------------------------------------------------------------------------------------


class RetentionPolicy(Struct, frozen=True, kw_only=True):
    """See `data/retention.yaml`."""

    source: str
    edition: str
    valid_from: str
    keep_days: int
    min_free_bytes: int
    quota_bytes: int


@cache
def retention_policy() -> RetentionPolicy:
    """The policy that comes with the product."""
    import yaml

    return msgspec.convert(yaml.safe_load((Path(__file__).parent / "data" / "retention.yaml").read_text("utf-8")), RetentionPolicy)


class RetentionReport(Struct, frozen=True, kw_only=True):
    """What a run of the retention did. `over_by_bytes`: what evidence alone still takes over the quota (nothing of it is ever deleted)."""

    kept_bytes: int
    deleted_segments: int
    deleted_bytes: int
    over_by_bytes: int


def enforce_retention(root: Path, policy: RetentionPolicy, now: datetime, *, is_evidence: Callable[[RecordingHeader], bool],
                      deleted: Callable[[RecordingHeader, Deleted], None]) -> RetentionReport:
    """Delete what is no evidence: all past `keep_days`, then the oldest until the rest is within the quota; each deletion is reported.

    The entry in the recording's own manifest is durable before the file goes. Evidence is never deleted here: `is_evidence` is asked again before each
    deletion, since somebody may keep a recording meanwhile.
    """
    kept, candidates = 0, []
    for folder in recordings_in(root):
        header = read_header(folder)
        evidence = is_evidence(header)
        for segment in segments_of(folder):
            kept += segment.size_bytes
            if not evidence:
                candidates.append((segment.closed_at, folder, header, segment))
    count = freed = 0
    for closed_at, folder, header, segment in sorted(candidates, key=lambda c: (c[0], c[3].n)):
        old = now - closed_at > timedelta(days=policy.keep_days)
        if not old and kept <= policy.quota_bytes:
            break
        if is_evidence(header):
            continue
        entry = _delete(folder, segment, now, "keep_days" if old else "quota")
        kept, freed, count = kept - segment.size_bytes, freed + segment.size_bytes, count + 1
        deleted(header, entry)
    return RetentionReport(kept_bytes=kept, deleted_segments=count, deleted_bytes=freed, over_by_bytes=max(0, kept - policy.quota_bytes))


def _delete(folder: Path, segment: Segment, now: datetime, reason: str) -> Deleted:
    entry: Any = Manifest(folder).append(Deleted(n=segment.n, sha256=segment.sha256, size_bytes=segment.size_bytes, at=now, reason=reason))
    (folder / segment.file).unlink(missing_ok=True)
    deleted: Deleted = entry
    return deleted

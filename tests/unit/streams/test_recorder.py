"""Recording and evidence: what is on the disk, what a kill leaves, what a check finds, what a clip holds."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import msgspec
import pytest

from hub.errors import Rejected
from hub.wire import MediaKind
from streams.evidence import (
    MANIFEST,
    MOST_SEGMENTS,
    Deleted,
    Ended,
    Entry,
    Interrupted,
    Lost,
    Manifest,
    RecordingHeader,
    RetentionPolicy,
    Segment,
    create,
    enforce_retention,
    export,
    read_lines,
    retention_policy,
    segments_of,
    verify,
)
from streams.recorder import SegmentWriter, recover
from streams.strip import read_strip
from tests.support.chunks import BEGAN_MS, chunk, chunks, media_message, units

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


def header(name: str = "rec-1", incident: str | None = "i-1") -> RecordingHeader:
    return RecordingHeader(recording_id=name, agent_id="plant-1", camera_id="cam", reason="incident", started_at=NOW, incident_id=incident)


def record(root: Path, frames: int = 250, *, name: str = "rec-1", end: bool = True, segment_s: float = 2.0) -> tuple[Path, list[Entry]]:
    told: list[Entry] = []
    folder = create(root, header(name))
    writer = SegmentWriter(folder, told.append, segment_s=segment_s, min_free_bytes=0)
    for item in chunks(frames):
        writer.take(item)
    if end:
        writer.end("stopped")
    return folder, told


def clocks(path: Path) -> list[int | None]:
    with av.open(str(path)) as container:
        return [read_strip(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def test_segments_are_whole_groups_play_alone_and_are_told_in_order(tmp_path: Path) -> None:
    folder, told = record(tmp_path)
    segments = [entry for entry in told if isinstance(entry, Segment)]
    assert [segment.n for segment in segments] == [1, 2, 3, 4, 5]
    assert all(segment.samples == 50 and segment.key_frames == 2 and segment.lost == 0 for segment in segments)
    assert isinstance(told[-1], Ended)
    assert [clock for s in segments for clock in clocks(folder / s.file)] == [BEGAN_MS + 40 * n for n in range(250)]
    assert verify(folder).ok


def test_a_lost_message_is_stated_in_its_segment(tmp_path: Path) -> None:
    folder = create(tmp_path, header())
    writer = SegmentWriter(folder, segment_s=2, min_free_bytes=0)
    for n, item in enumerate(chunks(100)):
        if n not in (30, 31, 32):
            writer.take(item)
    writer.end("stopped")
    assert [segment.lost for segment in segments_of(folder)] == [3, 0]
    assert any("3" in line for line in verify(folder).stated)


def test_a_change_of_size_begins_a_new_segment_and_gives_two_clips(tmp_path: Path) -> None:
    folder = create(tmp_path, header())
    writer = SegmentWriter(folder, segment_s=10, min_free_bytes=0)
    for item in [*chunks(50), *chunks(50, size=(320, 192), start=50)]:
        writer.take(item)
    writer.end("stopped")
    assert [(s.width, s.height) for s in segments_of(folder)] == [(160, 96), (320, 192)]
    clips = export(folder, tmp_path / "out" / "clip.mp4", BEGAN_MS, BEGAN_MS + 60_000)
    assert [len(clocks(clip)) for clip in clips] == [50, 50]
    assert all(verify(clip).ok for clip in clips)


def test_the_seconds_before_the_event_come_first_in_a_clip(tmp_path: Path) -> None:
    folder = create(tmp_path, header())
    writer = SegmentWriter(folder, segment_s=10, min_free_bytes=0)
    config_and_live = chunks(100, start=75)
    _, early = units(75)
    writer.take(config_and_live[0])
    for item in config_and_live[1:30]:
        writer.take(item)
    for n in range(0, 75):
        writer.take(chunk(MediaKind.MEDIA, media_message(early[n], 0, cached=True, pre_event=True)))
    for item in config_and_live[30:]:
        writer.take(item)
    writer.end("stopped")
    assert segments_of(folder)[0].pre_event
    (clip,) = export(folder, tmp_path / "clip.mp4", BEGAN_MS, BEGAN_MS + 60_000)
    shown = clocks(clip)
    assert shown[0] == BEGAN_MS and shown[-1] == BEGAN_MS + 40 * 174
    assert segments_of(folder)[-1].lost == 0


@pytest.mark.parametrize("cut", [0, 1, 700, 5000, 12_345])
def test_what_a_killed_recorder_leaves_is_kept_to_its_last_whole_fragment_and_the_loss_is_stated(tmp_path: Path, cut: int) -> None:
    folder, _ = record(tmp_path, 240, end=False)
    (left,) = folder.glob("*.open")
    size = left.stat().st_size
    with left.open("r+b") as file:
        file.truncate(size - cut)
    told_again: list[Entry] = []
    losses = recover(tmp_path, lambda _, entry: told_again.append(entry))
    assert len(losses) == 1 and losses[0].n == 5
    assert [type(entry) for entry in told_again][-1] is Lost
    result = verify(folder)
    assert result.ok, result.problems
    assert any("bytes could not be kept" in line for line in result.stated)
    kept = segments_of(folder)
    assert sum(segment.samples for segment in kept) >= 200
    if kept[-1].recovered:
        assert len(clocks(folder / kept[-1].file)) == kept[-1].samples
    assert not recover(tmp_path)


def test_an_open_segment_without_a_picture_is_removed_and_said_so(tmp_path: Path) -> None:
    folder = create(tmp_path, header())
    (folder / "000001.mp4.open").write_bytes(b"\x00\x00\x00\x20ftyp")
    (loss,) = recover(tmp_path)
    assert loss.bytes_dropped == 8
    assert not list(folder.glob("*.open"))
    assert verify(folder).ok


def test_a_recording_continues_its_chain_after_recovery(tmp_path: Path) -> None:
    folder, _ = record(tmp_path, 120, end=False)
    recover(tmp_path)
    writer = SegmentWriter(folder, segment_s=2, min_free_bytes=0)
    for item in chunks(100, start=500):
        writer.take(item)
    writer.end("stopped")
    assert verify(folder).ok
    numbers = [entry.n for _, entry in read_lines(folder) if isinstance(entry, Segment)]
    assert numbers == [1, 2, 3, 4, 5]


def flip(path: Path, at: int) -> None:
    body = bytearray(path.read_bytes())
    body[at] ^= 1
    path.write_bytes(body)


def test_one_flipped_bit_in_a_segment_is_found(tmp_path: Path) -> None:
    folder, _ = record(tmp_path)
    flip(folder / "000003.mp4", 5000)
    result = verify(folder)
    assert [(p.code, p.file) for p in result.problems] == [("hash_mismatch", "000003.mp4")]
    with pytest.raises(Rejected) as caught:
        export(folder, tmp_path / "clip.mp4", BEGAN_MS, BEGAN_MS + 60_000)
    assert caught.value.code == "hash_mismatch"


def test_a_removed_and_an_added_segment_are_found(tmp_path: Path) -> None:
    folder, _ = record(tmp_path)
    (folder / "000002.mp4").rename(folder / "000009.mp4")
    assert {p.code for p in verify(folder).problems} == {"missing", "unknown_file"}


def test_a_rewritten_manifest_breaks_the_chain(tmp_path: Path) -> None:
    folder, _ = record(tmp_path)
    lines = (folder / "segments.jsonl").read_bytes().split(b"\n")
    del lines[1]
    (folder / "segments.jsonl").write_bytes(b"\n".join(lines))
    assert "chain_broken" in {p.code for p in verify(folder).problems}


def test_a_manifest_made_anew_differs_from_the_change_chain(tmp_path: Path) -> None:
    folder, told = record(tmp_path)
    hashes = {entry.n: entry.sha256 for entry in told if isinstance(entry, Segment)}
    assert verify(folder, expected=hashes).ok
    forged, _ = record(tmp_path / "other", 200)
    assert verify(forged).ok
    assert "chain_mismatch" in {p.code for p in verify(forged, expected=hashes).problems}


@pytest.mark.parametrize(("from_s", "to_s", "first", "last"), [(0, 100, 0, 249), (3.1, 5.9, 75, 149), (4.0, 5.0, 100, 124), (9.99, 10, 225, 249)])
def test_a_clip_is_exact_to_the_group_of_pictures(tmp_path: Path, from_s: float, to_s: float, first: int, last: int) -> None:
    folder, _ = record(tmp_path)
    (clip,) = export(folder, tmp_path / "clip.mp4", BEGAN_MS + int(from_s * 1000), BEGAN_MS + int(to_s * 1000), now=NOW)
    assert clocks(clip) == [BEGAN_MS + 40 * n for n in range(first, last + 1)]
    result = verify(clip)
    assert result.ok and result.kind == "clip"
    assert result.first_wall_ms == BEGAN_MS + 40 * first


def test_an_altered_clip_or_manifest_is_found(tmp_path: Path) -> None:
    folder, _ = record(tmp_path)
    (clip,) = export(folder, tmp_path / "clip.mp4", BEGAN_MS, BEGAN_MS + 60_000)
    flip(clip, clip.stat().st_size - 100)
    assert [p.code for p in verify(clip).problems] == ["hash_mismatch"]
    manifest = msgspec.json.decode(clip.with_suffix(".json").read_bytes())
    import hashlib

    manifest["sha256"] = hashlib.sha256(clip.read_bytes()).hexdigest()
    clip.with_suffix(".json").write_bytes(msgspec.json.encode(manifest))
    assert [p.code for p in verify(clip).problems] == ["samples_mismatch"]


def test_a_time_without_recording_is_refused_by_name(tmp_path: Path) -> None:
    folder, _ = record(tmp_path)
    with pytest.raises(Rejected) as caught:
        export(folder, tmp_path / "clip.mp4", 0, 1000)
    assert caught.value.code == "nothing_recorded"


def test_a_disk_without_reserve_is_named_and_recording_goes_on_when_there_is_room(tmp_path: Path) -> None:
    told: list[Entry] = []
    writer = SegmentWriter(create(tmp_path, header()), told.append, segment_s=2, min_free_bytes=10**18)
    rows = chunks(100)
    for item in rows[:40]:
        writer.take(item)
    assert writer.trouble == "disk_full"
    assert [entry.code for entry in told if isinstance(entry, Interrupted)] == ["disk_full"]
    writer._min_free, writer._retry_at = 0, 0
    for item in rows[40:]:
        writer.take(item)
    writer.end("stopped")
    (segment,) = [entry for entry in told if isinstance(entry, Segment)]
    assert writer.trouble is None and segment.lost > 0 and segment.samples == 50


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_really_fills_up_leaves_whole_segments_only(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let us mount")
    try:
        told: list[Entry] = []
        folder = create(disk, header())
        writer = SegmentWriter(folder, told.append, segment_s=1, min_free_bytes=0)
        for item in chunks(400):
            writer.take(item)
        assert writer.trouble == "disk_full"
        writer.end("stopped")
        result = verify(folder)
        assert result.ok, result.problems
        assert result.segments > 1
        shutil.copytree(folder, tmp_path / "copy")
        assert sum(len(clocks(tmp_path / "copy" / s.file)) for s in segments_of(folder)) == sum(s.samples for s in segments_of(folder))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def small_disk(path: Path, size: str) -> bool:
    """Mount a disk of that size; False where this machine does not let us."""
    path.mkdir()
    return subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_what_a_full_disk_kept_out_of_the_manifest_stands_in_it_once_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    if not small_disk(disk, "300k"):
        pytest.skip("this machine does not let us mount")
    try:
        told: list[Entry] = []
        folder = create(disk, header())
        writer = SegmentWriter(folder, told.append, segment_s=2, min_free_bytes=0)
        rows = chunks(200)
        for item in rows[:60]:
            writer.take(item)
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        for item in rows[60:150]:
            writer.take(item)
        assert writer.trouble == "disk_full"
        filler.unlink()
        writer._retry_at = 0
        for item in rows[150:]:
            writer.take(item)
        writer.end("stopped")
        result = verify(folder)
        assert result.ok, result.problems
        assert next(entry.code for entry in told if isinstance(entry, Interrupted)) == "disk_full"
        assert any("disk_full" in line for line in result.stated)
        assert {entry.n for entry in told if isinstance(entry, Segment)} == {segment.n for segment in segments_of(folder)}
        assert sum(segment.samples + segment.lost for segment in segments_of(folder)) >= 190
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_torn_line_of_the_manifest_is_written_over(tmp_path: Path) -> None:
    folder, _ = record(tmp_path, 120, end=False)
    with (folder / "segments.jsonl").open("ab") as file:
        file.write(b'{"type":"segment","n":9')
    recover(tmp_path)
    assert verify(folder).ok, verify(folder).problems


def test_a_segment_that_was_closed_but_never_told_is_told_after_a_kill(tmp_path: Path) -> None:
    folder, _ = record(tmp_path)
    manifest = folder / "segments.jsonl"
    lines = manifest.read_bytes().split(b"\n")
    manifest.write_bytes(b"\n".join(lines[:4]) + b"\n")  # segment 5 and the end are not in it
    assert {p.code for p in verify(folder).problems} == {"unknown_file"}
    told: list[Entry] = []
    assert recover(tmp_path, lambda _, entry: told.append(entry)) == []
    assert [(entry.n, entry.recovered) for entry in told if isinstance(entry, Segment)] == [(5, True)]
    assert verify(folder).ok and sum(s.samples for s in segments_of(folder)) == 250


@pytest.mark.parametrize("body", [b"", b'{"recording_id"', b"\xff\xfe"])
def test_a_recording_whose_header_was_torn_keeps_nothing_else_from_starting(tmp_path: Path, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    good, _ = record(tmp_path, 120, end=False, name="good")
    bad, _ = record(tmp_path, 120, end=False, name="bad")
    (bad / "recording.json").write_bytes(body)
    (good / "clip.mp4").write_bytes(b"not ours")
    losses = recover(tmp_path)
    assert len(losses) == 1 and verify(good).ok
    assert any("cannot be recovered" in line.message for line in caplog.records)
    report = enforce_retention(tmp_path, policy(10**12), datetime.now(UTC), is_evidence=lambda h: True, deleted=lambda h, e: None)
    assert report.deleted_segments == 0


def test_a_recording_whose_header_never_became_whole_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "rec-1").mkdir()
    (tmp_path / "rec-1" / "recording.json").write_bytes(b"")
    folder, _ = record(tmp_path)
    assert verify(folder).ok


def test_retention_beside_a_running_recording_keeps_the_chain(tmp_path: Path) -> None:
    folder = create(tmp_path, header())
    writer = SegmentWriter(folder, segment_s=2, min_free_bytes=0)
    rows = chunks(250)
    for item in rows[:130]:
        writer.take(item)
    report = enforce_retention(tmp_path, policy(1), datetime.now(UTC), is_evidence=lambda h: False, deleted=lambda h, e: None)
    assert report.deleted_segments == 2
    for item in rows[130:]:
        writer.take(item)
    writer.end("stopped")
    result = verify(folder)
    assert result.ok, result.problems
    assert [segment.n for segment in segments_of(folder)] == [3, 4, 5]


def test_what_becomes_evidence_while_the_retention_runs_is_not_deleted(tmp_path: Path) -> None:
    folder, _ = record(tmp_path)
    asked: list[str] = []

    def kept_meanwhile(header: RecordingHeader) -> bool:
        asked.append(header.recording_id)
        return len(asked) > 2  # after it was looked for, and one of its segments went

    report = enforce_retention(tmp_path, policy(1), datetime.now(UTC), is_evidence=kept_meanwhile, deleted=lambda h, e: None)
    assert report.deleted_segments == 1
    assert [segment.n for segment in segments_of(folder)] == [2, 3, 4, 5]


def test_a_recording_whose_last_lines_were_cut_off_says_that_no_end_is_stated(tmp_path: Path) -> None:
    folder, _ = record(tmp_path)
    assert verify(folder).stated == ()
    manifest = folder / MANIFEST
    *rest, last, _ = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(b"".join(rest))
    (folder / msgspec.json.decode(last)["file"]).unlink()
    assert any("no end is stated" in line for line in verify(folder).stated)


def test_a_clip_of_more_segments_than_a_process_has_handles_for_is_refused_by_name(tmp_path: Path) -> None:
    folder, told = record(tmp_path)
    segment = next(entry for entry in told if isinstance(entry, Segment))
    manifest = Manifest(folder)
    for n in range(100, 100 + MOST_SEGMENTS):
        manifest.append(msgspec.structs.replace(segment, n=n, file=f"{n:06}.mp4"))
    with pytest.raises(Rejected, match="clip_too_long"):
        export(folder, tmp_path / "clip.mp4", 0, 2**53)


def test_a_manifest_that_hangs_holds_no_other_recording_up(tmp_path: Path) -> None:
    stuck, free = (Manifest(create(tmp_path, header(name))) for name in ("rec-1", "rec-2"))
    hanging = stuck.folder / MANIFEST
    os.mkfifo(hanging)  # nobody reads or writes it: whoever opens it waits, as at a disk that does not answer

    def append(manifest: Manifest) -> None:
        with contextlib.suppress(OSError):
            manifest.append(Ended(at=NOW, reason="stopped"))

    waiting, other = (threading.Thread(target=append, args=(one,), daemon=True) for one in (stuck, free))
    waiting.start()
    other.start()
    other.join(20)
    assert waiting.is_alive()
    assert not other.is_alive(), "it waited for the other recording's disk"
    assert len(list(read_lines(free.folder))) == 1
    while waiting.is_alive():
        os.close(os.open(hanging, os.O_RDWR | os.O_NONBLOCK))
        waiting.join(0.01)


def test_a_manifest_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    folder, _ = record(tmp_path, 50)
    (entry,) = segments_of(folder)
    (folder / entry.file).rename(tmp_path / "elsewhere.mp4")
    import hashlib

    moved = msgspec.structs.replace(entry, file="../elsewhere.mp4", prev=hashlib.sha256((folder / "recording.json").read_bytes()).hexdigest())
    (folder / "segments.jsonl").write_bytes(msgspec.json.encode(moved) + b"\n")
    assert [p.code for p in verify(folder).problems] == ["wrong_name"]


def test_a_clip_is_compared_with_the_change_chain_and_a_foreign_manifest_is_named(tmp_path: Path) -> None:
    folder, told = record(tmp_path)
    hashes = {entry.n: entry.sha256 for entry in told if isinstance(entry, Segment)}
    (clip,) = export(folder, tmp_path / "clip.mp4", BEGAN_MS, BEGAN_MS + 60_000)
    assert verify(clip, expected=hashes).ok
    assert {p.code for p in verify(clip, expected={**hashes, 2: "0" * 64}).problems} == {"chain_mismatch"}
    other = shutil.copy(clip, tmp_path / "other.mp4")
    shutil.copy(clip.with_suffix(".json"), tmp_path / "other.json")
    assert [p.code for p in verify(Path(other)).problems] == ["foreign_manifest"]


@pytest.mark.parametrize(("harm", "code"), [(lambda path: path.unlink(), "missing"), (lambda path: path.write_bytes(b""), "hash_mismatch")])
def test_a_clip_of_a_missing_or_emptied_segment_is_refused_by_name(tmp_path: Path, harm: Callable[[Path], object], code: str) -> None:
    folder, _ = record(tmp_path)
    harm(folder / "000002.mp4")
    with pytest.raises(Rejected) as caught:
        export(folder, tmp_path / "clip.mp4", BEGAN_MS, BEGAN_MS + 60_000)
    assert caught.value.code == code and "000002.mp4" in caught.value.en


def policy(quota: int, days: int = 30) -> RetentionPolicy:
    return msgspec.structs.replace(retention_policy(), quota_bytes=quota, keep_days=days)


def test_over_the_quota_the_oldest_that_is_no_evidence_goes_first_and_every_deletion_is_reported(tmp_path: Path) -> None:
    record(tmp_path, name="a-evidence")
    plain, _ = record(tmp_path, name="b-plain")
    sizes = [segment.size_bytes for segment in segments_of(plain)]
    reported: list[tuple[str, Deleted]] = []
    report = enforce_retention(tmp_path, policy(sum(sizes) * 2 - sizes[0] - 1), datetime.now(UTC), is_evidence=lambda h: h.recording_id == "a-evidence",
                               deleted=lambda h, entry: reported.append((h.recording_id, entry)))
    assert [(name, entry.n, entry.reason) for name, entry in reported] == [("b-plain", 1, "quota"), ("b-plain", 2, "quota")]
    assert report.deleted_bytes == sizes[0] + sizes[1] and report.over_by_bytes == 0
    assert not (plain / "000001.mp4").exists()
    result = verify(plain)
    assert result.ok and any("deleted by policy" in line for line in result.stated)


def test_evidence_is_never_deleted_and_the_excess_is_reported(tmp_path: Path) -> None:
    folder, _ = record(tmp_path)
    report = enforce_retention(tmp_path, policy(1), datetime.now(UTC) + timedelta(days=400), is_evidence=lambda h: True,
                               deleted=lambda h, entry: pytest.fail("evidence was deleted"))
    assert report.deleted_segments == 0 and report.over_by_bytes > 0
    assert verify(folder).ok


def test_after_the_days_of_the_policy_what_is_no_evidence_is_deleted(tmp_path: Path) -> None:
    folder, _ = record(tmp_path)
    reported: list[str] = []
    enforce_retention(tmp_path, policy(10**12), datetime.now(UTC) + timedelta(days=29), is_evidence=lambda h: False,
                      deleted=lambda h, entry: reported.append(entry.reason))
    assert reported == []
    enforce_retention(tmp_path, policy(10**12), datetime.now(UTC) + timedelta(days=31), is_evidence=lambda h: False,
                      deleted=lambda h, entry: reported.append(entry.reason))
    assert reported == ["keep_days"] * 5
    assert segments_of(folder) == []

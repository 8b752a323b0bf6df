"""`tocsin evidence` and `tocsin camera` as a person uses them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
from typer.testing import CliRunner

from agents.cameras_cli import app as camera
from streams.cli import app as evidence
from streams.evidence import Deleted, Manifest, Segment, read_header
from tests.support.chunks import BEGAN_MS
from tests.unit.streams.test_recorder import flip, record

run = CliRunner().invoke


def at(second: float) -> str:
    return datetime.fromtimestamp(BEGAN_MS / 1000 + second, UTC).isoformat()


def test_intact_recordings_are_said_to_be_intact_and_altered_ones_end_with_3(tmp_path: Path) -> None:
    folder, _ = record(tmp_path, 100)
    assert run(evidence, ["verify", str(tmp_path)]).exit_code == 0
    flip(folder / "000001.mp4", 3000)
    result = run(evidence, ["verify", str(tmp_path)], env={"COLUMNS": "200"})
    assert result.exit_code == 3
    assert "000001.mp4" in result.output and "hash_mismatch" in result.output
    (answer,) = msgspec.json.decode(run(evidence, ["verify", str(folder), "--json"]).output)
    assert answer["ok"] is False and answer["problems"][0]["code"] == "hash_mismatch"


def test_a_clip_is_exported_and_verified(tmp_path: Path) -> None:
    folder, _ = record(tmp_path, 150)
    clip = tmp_path / "out" / "clip.mp4"
    assert run(evidence, ["export", str(folder), str(clip), "--from", at(1), "--to", at(2.5)]).exit_code == 0
    assert run(evidence, ["verify", str(clip)]).exit_code == 0
    assert run(evidence, ["verify", str(tmp_path / "out")]).exit_code == 0


def test_hashes_of_the_change_chain_are_compared(tmp_path: Path) -> None:
    folder, _ = record(tmp_path, 100)
    chain = tmp_path / "chain.json"
    chain.write_text('{"1": "' + "0" * 64 + '"}', encoding="utf-8")
    assert run(evidence, ["verify", str(folder), "--chain", str(chain)]).exit_code == 3


def test_an_audit_export_is_taken_as_it_is_and_knows_what_was_deleted(tmp_path: Path) -> None:
    folder, told = record(tmp_path, 150)
    segments = [entry for entry in told if isinstance(entry, Segment)]
    id = read_header(folder).recording_id
    closed = [{"kind": "recording.segment_closed", "body": msgspec.json.encode({"recording_id": id, "segment": {"n": s.n, "sha256": s.sha256}}).decode()} for s in segments]
    gone = {"kind": "recording.segment_deleted",
            "body": msgspec.json.encode({"recording_id": id, "n": 1, "sha256": segments[0].sha256, "reason": "quota"}).decode()}
    header = {"format": "tocsin-audit-1", "after": 0, "bodies": True}

    def verified(*lines: object) -> tuple[int, str]:
        chain = tmp_path / "audit.jsonl"
        chain.write_bytes(b"\n".join(msgspec.json.encode(line) for line in lines))
        result = run(evidence, ["verify", str(folder), "--chain", str(chain)], env={"COLUMNS": "200"})
        return result.exit_code, result.output

    assert verified(header, {"kind": "hub.started"}, *closed)[0] == 0
    assert verified(header)[0] == 0, "what is not chained yet is no fault: the recorder tells the hub once it is back"
    Manifest(folder).append(Deleted(n=1, sha256=segments[0].sha256, size_bytes=segments[0].size_bytes, reason="quota", at=datetime.now(UTC)))
    (folder / segments[0].file).unlink()
    assert run(evidence, ["verify", str(folder)]).exit_code == 0, "the folder alone cannot tell"
    code, said = verified(header, *closed)
    assert code == 3 and "deletion_unknown" in said
    assert verified(header, *closed, gone)[0] == 0
    assert verified(header | {"after": 5}, *closed)[0] == verified(header | {"bodies": False}, *closed)[0] == verified({"no": "export"})[0] == 2


def test_wrong_input_ends_with_2_and_a_sentence_and_a_platform_that_is_away_with_3(tmp_path: Path) -> None:
    folder, _ = record(tmp_path, 50)
    (tmp_path / "empty").mkdir()
    assert run(evidence, ["verify", str(tmp_path / "empty")]).exit_code == 2
    assert run(evidence, ["export", str(folder), str(tmp_path / "c.mp4"), "--from", "yesterday", "--to", at(3)]).exit_code == 2
    assert run(evidence, ["export", str(folder), str(tmp_path / "c.mp4"), "--from", at(500), "--to", at(600)]).exit_code == 2
    assert run(camera, ["import", "vlc", "http://127.0.0.1:1"]).exit_code == 2
    assert run(camera, ["import", "wvp", "http://127.0.0.1:1", "--media", "rtsp://127.0.0.1:554", "--api-key", str(tmp_path / "none")]).exit_code == 2
    assert run(camera, ["check", str(tmp_path / "none.yaml")]).exit_code == 1
    assert run(camera, ["import", "wvp", "http://127.0.0.1:1"]).exit_code == 2
    assert run(camera, ["import", "go2rtc", "http://127.0.0.1:1"]).exit_code == 3
    assert run(camera, ["probe", "gopher://x"]).exit_code == 2


def test_a_probe_says_what_came() -> None:
    result = run(camera, ["probe", "synthetic:?size=160x90&rate=10", "--seconds", "1.5"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert "160×90" in result.output and "key frames" in result.output


def test_a_probe_of_a_dead_camera_ends_with_3_and_no_password() -> None:
    result = run(camera, ["probe", "rtsp://u:hunter2@127.0.0.1:1/x", "--seconds", "1"], env={"COLUMNS": "200"})
    assert result.exit_code == 3
    assert "refused" in result.output and "hunter2" not in result.output

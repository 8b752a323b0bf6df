"""The archive of an incident holds as it was exported, and nothing of it can be altered unseen."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.clock import utc_text
from hub.domain.signature import Signer
from hub.errors import Rejected
from hub.operate.bundle import build, check
from hub.store import Store
from tests.contract.test_plans_response import district, opened

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
SIGNER = Signer(Ed25519PrivateKey.generate())
OTHER = Signer(Ed25519PrivateKey.generate())


@pytest.fixture
async def archive(store: Store, tmp_path: Path) -> Path:
    await district(store)
    view = await opened(store)
    async with store.read() as conn:
        packed, manifest = await build(conn, view.id, SIGNER, hub_id="district", at=utc_text(NOW), by="person:leader")
    assert manifest.changes > 0
    path = tmp_path / "archive.zip"
    path.write_bytes(packed)
    return path


def rewritten(path: Path, alter: Callable[[dict[str, bytes]], None]) -> Path:
    with zipfile.ZipFile(path) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    alter(parts)
    with zipfile.ZipFile(path, "w") as packed:
        for name, body in parts.items():
            packed.writestr(name, body)
    return path


async def test_an_archive_holds_as_it_was_exported(archive: Path) -> None:
    manifest, flaws = check(archive, {SIGNER.key_id: SIGNER.public})
    assert flaws == [] and manifest.exported_by == "person:leader"


async def test_the_key_of_another_hub_vouches_for_nothing(archive: Path) -> None:
    _, flaws = check(archive, {OTHER.key_id: OTHER.public})
    assert {f.file for f in flaws} == {"manifest.json", "head.json"}


def altered(name: str) -> Callable[[dict[str, bytes]], None]:
    return lambda parts: parts.update({name: parts[name] + b" "})


@pytest.mark.parametrize(("alter", "named"), [
    (altered("incident.json"), "incident.json"),
    (altered("responses.json"), "responses.json"),
    (altered("manifest.json"), "manifest.json"),
    (lambda parts: parts.pop("clips.json"), "clips.json"),
    (lambda parts: parts.update({"more.txt": b"x"}), "more.txt"),
])
async def test_what_was_altered_taken_away_or_put_in_is_named(archive: Path, alter: Callable[[dict[str, bytes]], None], named: str) -> None:
    _, flaws = check(rewritten(archive, alter), {SIGNER.key_id: SIGNER.public})
    assert [f.file for f in flaws] == [named]


async def test_a_change_that_was_rewritten_is_found_though_the_manifest_were_signed_anew(archive: Path) -> None:
    def forge(parts: dict[str, bytes]) -> None:
        lines = [json.loads(line) for line in parts["timeline.jsonl"].splitlines()]
        lines[0]["actor"] = "person:nobody"
        parts["timeline.jsonl"] = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)

    _, flaws = check(rewritten(archive, forge), {SIGNER.key_id: SIGNER.public})
    assert {f.file for f in flaws} == {"timeline.jsonl"} and any("does not hold" in f.en for f in flaws)


async def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("x", "y")
    with pytest.raises(Rejected):
        check(path)

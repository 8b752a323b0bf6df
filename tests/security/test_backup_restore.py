"""A backup under load restores into an empty place as it was; a damaged, cut or foreign one is refused before anything is written."""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from hub.errors import Rejected, Unavailable
from hub.operate.backup import STAGE, check_file, make_backup, restore
from hub.operate.backup_cli import restore as drill
from hub.operate.heads import HeadKeeper
from hub.operate.keys import signer
from hub.operate.secrets import own_secret
from hub.settings import Settings
from hub.store import Store
from tests.support.chains import grow
from tests.support.postgres import Postgres

PASSPHRASE = "correct horse battery staple"


async def _hub(folder: Path, url: str = "") -> Settings:
    settings = Settings(data_dir=str(folder), store_url=url)
    folder.mkdir(parents=True, exist_ok=True)
    own_secret(folder, "hub-mqtt")
    async with Store(settings.database_url) as store:
        await grow(store, 300)
        await HeadKeeper(store, settings, signer(folder)).step()
    (folder / "recordings" / "cam").mkdir(parents=True)
    (folder / "recordings" / "cam" / "1.mp4").write_bytes(b"x" * 1000)
    (folder / "attachments" / "sha256" / "ab").mkdir(parents=True)
    (folder / "attachments" / "sha256" / "ab" / "abcd").write_bytes(random.Random(1).randbytes(3_000_000))
    return settings


async def _load(settings: Settings, stop: asyncio.Event) -> int:
    """Write as fast as the store takes it until told to stop; gives how many changes."""
    written = 0
    async with Store(settings.database_url) as store:
        while not stop.is_set():
            await grow(store, 20, per_transaction=5)
            written += 20
            await asyncio.sleep(0)
    return written


async def _under_load(settings: Settings, file: Path) -> tuple[int, int]:
    """Back up while another writes; gives the head of the backup and what was written meanwhile."""
    stop = asyncio.Event()
    load = asyncio.create_task(_load(settings, stop))
    async with Store(settings.database_url) as store:
        async with asyncio.timeout(40):
            while await store.head() < 400:
                await asyncio.sleep(0.01)
        manifest = await make_backup(settings, file, PASSPHRASE, datetime.now(UTC))
        stop.set()
        await load
        assert await store.head() > manifest.head_seq, "writing went on while the backup was made"
    return manifest.head_seq, len(manifest.recordings)


async def test_a_sqlite_hub_backed_up_under_load_restores_with_the_same_counts_hashes_and_chain(tmp_path: Path) -> None:
    settings = await _hub(tmp_path / "hub")
    head, recordings = await _under_load(settings, tmp_path / "b.tocsin")
    assert head >= 400
    assert recordings == 1

    found = await restore(tmp_path / "b.tocsin", PASSPHRASE, tmp_path / "new")

    assert found.ok, found
    assert found.verdict.changes == head
    assert found.verdict.heads >= 1
    assert (tmp_path / "new" / "attachments" / "sha256" / "ab" / "abcd").stat().st_size == 3_000_000
    key = tmp_path / "new" / "secrets" / "hub-mqtt"
    assert key.read_text() == (tmp_path / "hub" / "secrets" / "hub-mqtt").read_text()
    assert key.stat().st_mode & 0o077 == 0
    async with Store(Settings(data_dir=str(tmp_path / "new")).database_url) as store:  # and the restored hub goes on
        await grow(store, 3)
        assert await store.head() == head + 3


async def test_a_postgresql_hub_backed_up_under_load_restores_into_an_empty_database(tmp_path: Path, postgres_server: Postgres) -> None:
    settings = await _hub(tmp_path / "hub", postgres_server.database("district"))
    head, _ = await _under_load(settings, tmp_path / "b.tocsin")
    empty = postgres_server.database("restored")

    found = await restore(tmp_path / "b.tocsin", PASSPHRASE, tmp_path / "new", store_url=empty)

    assert found.ok, found
    assert found.verdict.changes == head
    async with Store(empty) as store:
        await grow(store, 3)
        assert await store.head() == head + 3
    with pytest.raises(Rejected, match="not_empty"):
        await restore(tmp_path / "b.tocsin", PASSPHRASE, tmp_path / "again", store_url=empty)
    (tmp_path / "passphrase").write_text(PASSPHRASE, encoding="utf-8")
    drilled = postgres_server.database("drilled")
    for _ in range(2):  # a drill leaves the empty database as it was
        await asyncio.to_thread(drill, tmp_path / "b.tocsin", tmp_path / "passphrase", check=True, store=drilled)


async def test_the_content_of_a_backup_is_not_readable_and_a_wrong_passphrase_is_refused(tmp_path: Path) -> None:
    settings = await _hub(tmp_path / "hub")
    await make_backup(settings, tmp_path / "b.tocsin", PASSPHRASE, datetime.now(UTC))
    raw = (tmp_path / "b.tocsin").read_bytes()
    assert own_secret(tmp_path / "hub", "hub-mqtt").encode() not in raw
    assert b"SQLite format" not in raw
    assert (tmp_path / "b.tocsin").stat().st_mode & 0o077 == 0
    with pytest.raises(Rejected, match="wrong_passphrase"):
        await restore(tmp_path / "b.tocsin", "another passphrase", tmp_path / "new")
    assert not (tmp_path / "new").exists()


async def test_nothing_stands_open_where_a_backup_goes_and_what_a_killed_one_left_beside_the_data_goes(tmp_path: Path) -> None:
    settings, medium, steps = await _hub(tmp_path / "hub"), tmp_path / "medium", set()
    medium.mkdir()
    secret = own_secret(tmp_path / "hub", "hub-mqtt").encode()
    data = tmp_path / "hub"
    for folder, age_s in ((data / f"{STAGE}left", 90_000), (data / f"{STAGE}running", 60), (data / "backup-weekly", 90_000)):
        folder.mkdir()
        os.utime(folder, times=(time.time() - age_s,) * 2)

    def look(step: str, _done: int, _total: int) -> None:
        steps.add(step)
        for path in medium.rglob("*"):
            assert path.is_file() and path.stat().st_mode & 0o077 == 0, path
            assert b"SQLite format" not in path.read_bytes() and secret not in path.read_bytes(), path

    await make_backup(settings, medium / "b.tocsin", PASSPHRASE, datetime.now(UTC), look)
    assert steps == {"database", "encrypt", "check"}
    assert [path.name for path in medium.iterdir()] == ["b.tocsin"]
    assert {path.name for path in data.glob("*backup*")} == {f"{STAGE}running", "backup-weekly"}, "what an operator keeps beside the data is none of ours"


async def test_where_nothing_can_be_written_a_sentence_says_so_and_nothing_is_left(tmp_path: Path) -> None:
    settings = await _hub(tmp_path / "hub")
    for place in (tmp_path / "nowhere" / "b.tocsin", tmp_path / "hub" / "tocsin.db" / "b.tocsin"):
        with pytest.raises(Rejected, match="cannot_write") as refused:
            await make_backup(settings, place, PASSPHRASE, datetime.now(UTC))
        assert re.search("无法读写 .*：(没有这个文件或目录|不是目录)$", refused.value.zh), refused.value.zh
    with pytest.raises(Unavailable, match="store_unavailable"):
        await make_backup(msgspec.structs.replace(settings, store_url="postgresql://nobody@127.0.0.1:9/x"), tmp_path / "b.tocsin", PASSPHRASE, datetime.now(UTC))
    assert not (tmp_path / "b.tocsin").exists()
    with pytest.raises(Rejected, match="no_store"):
        await make_backup(Settings(data_dir=str(tmp_path / "none")), tmp_path / "b.tocsin", PASSPHRASE, datetime.now(UTC))
    assert list((tmp_path / "hub").glob(f"{STAGE}*")) == []


async def test_every_one_of_24_damages_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    settings = await _hub(tmp_path / "hub")
    original = tmp_path / "b.tocsin"
    await make_backup(settings, original, PASSPHRASE, datetime.now(UTC))
    raw, dice, bad = original.read_bytes(), random.Random(18), tmp_path / "bad.tocsin"
    for n in range(24):
        damaged = bytearray(raw)
        match n % 4:
            case 0:
                damaged[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
            case 1:
                damaged = damaged[: dice.randrange(len(raw))]
            case 2:
                damaged += dice.randbytes(dice.randint(1, 50))
            case _:
                at = dice.randrange(len(raw) - 2_000_000)
                damaged[at : at + 1000], damaged[at + 1_048_580 : at + 1_049_580] = damaged[at + 1_048_580 : at + 1_049_580], damaged[at : at + 1000]
        bad.write_bytes(damaged)
        with pytest.raises(Rejected, match=r"damaged_backup|wrong_passphrase|not_a_backup"):
            await restore(bad, PASSPHRASE, tmp_path / "new")
        assert not (tmp_path / "new").exists()
    check_file(original, PASSPHRASE)


async def test_chunks_in_another_order_are_refused(tmp_path: Path) -> None:
    import struct

    settings = await _hub(tmp_path / "hub")
    await make_backup(settings, tmp_path / "b.tocsin", PASSPHRASE, datetime.now(UTC))
    raw = (tmp_path / "b.tocsin").read_bytes()
    start = 16 + 4 + struct.unpack(">I", raw[16:20])[0]
    size = 4 + 1_048_576 + 16
    first, second = raw[start : start + size], raw[start + size : start + 2 * size]
    (tmp_path / "bad.tocsin").write_bytes(raw[:start] + second + first + raw[start + 2 * size :])
    with pytest.raises(Rejected, match=r"wrong_passphrase|damaged"):
        check_file(tmp_path / "bad.tocsin", PASSPHRASE)


async def test_a_place_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    settings = await _hub(tmp_path / "hub")
    await make_backup(settings, tmp_path / "b.tocsin", PASSPHRASE, datetime.now(UTC))
    with pytest.raises(Rejected, match="not_empty"):
        await restore(tmp_path / "b.tocsin", PASSPHRASE, tmp_path / "hub")
    with pytest.raises(Rejected, match="file_exists"):
        await make_backup(settings, tmp_path / "b.tocsin", PASSPHRASE, datetime.now(UTC))

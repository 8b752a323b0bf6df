"""Resumable uploads as the tus 1.0.0 protocol asks, without a socket: functions in, replies out, bytes on disk."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.web import tus
from hub.web.attachments import SAID

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
OWNER = "agent:plant-1"
PHOTO = bytes(range(256)) * 40
SHA256 = hashlib.sha256(PHOTO).hexdigest()
TUS = {"Tus-Resumable": "1.0.0"}


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def creation(size: int = len(PHOTO), sha256: str = SHA256, name: str = "现场.jpg") -> dict[str, str]:
    return {**TUS, "Upload-Length": str(size), "Upload-Metadata": f"sha256 {b64(sha256)},filename {b64(name)},filetype {b64('image/jpeg')}"}


async def begin(store: Path, headers: dict[str, str] | None = None, *, owner: str = OWNER, now: datetime = NOW, **more: object) -> tus.Reply:
    return await tus.create(store, headers or creation(), owner=owner, base_path="/up", now=now, **more)  # type: ignore[arg-type]


def id_of(reply: tus.Reply) -> str:
    return reply.headers["Location"].rpartition("/")[2]


async def bytes_of(*pieces: bytes, then: Exception | None = None) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if then is not None:
        raise then


async def send(store: Path, upload: str, offset: int, body: AsyncIterator[bytes] | bytes, *, owner: str = OWNER, now: datetime = NOW,
               **headers: str) -> tus.Reply:
    more = {key.replace("_", "-"): value for key, value in headers.items()}
    told = {**TUS, "Content-Type": tus.CHUNK_TYPE, "Upload-Offset": str(offset), **more}
    return await tus.patch(store, upload, told, bytes_of(body) if isinstance(body, bytes) else body, owner=owner, now=now)


async def offset(store: Path, upload: str, *, owner: str = OWNER, now: datetime = NOW) -> int | None:
    reply = await tus.head(store, upload, TUS, owner=owner, now=now)
    return int(reply.headers["Upload-Offset"]) if reply.status == 200 else None


async def test_a_file_in_pieces_is_there_only_when_it_is_whole(tmp_path: Path) -> None:
    reply = await begin(tmp_path)
    assert reply.status == 201 and reply.headers["Upload-Offset"] == "0"
    upload = id_of(reply)
    first = await send(tmp_path, upload, 0, PHOTO[:4000])
    assert (first.status, first.headers["Upload-Offset"], first.completed) == (204, "4000", None)
    assert tus.attachment_path(tmp_path, SHA256) is None
    last = await send(tmp_path, upload, 4000, PHOTO[4000:])
    assert (last.status, last.completed) == (204, SHA256)
    path = tus.attachment_path(tmp_path, SHA256)
    assert path is not None and path.read_bytes() == PHOTO
    assert await offset(tmp_path, upload) == len(PHOTO)


async def test_a_body_that_breaks_off_keeps_what_arrived(tmp_path: Path) -> None:
    upload = id_of(await begin(tmp_path))
    await send(tmp_path, upload, 0, bytes_of(PHOTO[:1000], PHOTO[1000:1500], then=ConnectionResetError()))
    assert await offset(tmp_path, upload) == 1500


async def test_a_piece_with_a_promised_checksum_counts_whole_or_not_at_all(tmp_path: Path) -> None:
    upload = id_of(await begin(tmp_path))
    good, bad = b64(hashlib.sha256(PHOTO[:1000]).digest()), b64(hashlib.sha256(b"x").digest())
    assert (await send(tmp_path, upload, 0, PHOTO[:1000], Upload_Checksum=f"sha256 {bad}")).status == 460
    assert await offset(tmp_path, upload) == 0
    await send(tmp_path, upload, 0, bytes_of(PHOTO[:500], then=ConnectionResetError()), Upload_Checksum=f"sha256 {good}")
    assert await offset(tmp_path, upload) == 0
    assert (await send(tmp_path, upload, 0, PHOTO[:1000], Upload_Checksum=f"sha256 {good}")).status == 204
    assert await offset(tmp_path, upload) == 1000


async def test_a_wrong_hash_is_refused_at_the_end_and_nothing_stays(tmp_path: Path) -> None:
    upload = id_of(await begin(tmp_path))
    reply = await send(tmp_path, upload, 0, PHOTO[:-1] + b"\x00")
    assert (reply.status, reply.code, reply.completed) == (460, "wrong_hash", None)
    assert tus.attachment_path(tmp_path, SHA256) is None
    assert await offset(tmp_path, upload) is None
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


async def test_the_offset_must_be_where_the_file_ends(tmp_path: Path) -> None:
    upload = id_of(await begin(tmp_path))
    reply = await send(tmp_path, upload, 10, PHOTO[10:])
    assert (reply.status, reply.headers["Upload-Offset"]) == (409, "0")


async def test_more_bytes_than_promised_are_refused_and_none_are_kept(tmp_path: Path) -> None:
    upload = id_of(await begin(tmp_path))
    assert (await send(tmp_path, upload, 0, PHOTO + b"!")).status == 400
    assert await offset(tmp_path, upload) == 0


async def test_beginning_again_gives_the_upload_that_is_there(tmp_path: Path) -> None:
    upload = id_of(await begin(tmp_path))
    await send(tmp_path, upload, 0, PHOTO[:100])
    again = await begin(tmp_path)
    assert id_of(again) == upload and again.headers["Upload-Offset"] == "100"


async def test_a_file_that_its_owner_has_sent_before_is_complete_at_once(tmp_path: Path) -> None:
    async def sent_before(sha256: str) -> bool:
        return True

    await send(tmp_path, id_of(await begin(tmp_path)), 0, PHOTO)
    again = await begin(tmp_path, owner="agent:plant-2", sent_before=sent_before)
    assert (again.status, again.headers["Upload-Offset"]) == (201, str(len(PHOTO)))


async def test_whoever_only_names_the_hash_of_a_file_sends_all_of_it_and_learns_nothing(tmp_path: Path) -> None:
    await send(tmp_path, id_of(await begin(tmp_path)), 0, PHOTO)
    other = await begin(tmp_path, owner="agent:thief")
    assert (other.status, other.headers["Upload-Offset"]) == (201, "0")
    assert (await send(tmp_path, id_of(other), 0, b"?" * len(PHOTO), owner="agent:thief")).status == 460
    assert tus.attachment_path(tmp_path, hashlib.sha256(PHOTO).hexdigest()) is not None


async def test_another_owner_sees_nothing_of_an_upload(tmp_path: Path) -> None:
    upload = id_of(await begin(tmp_path))
    assert await offset(tmp_path, upload, owner="agent:thief") is None
    assert (await send(tmp_path, upload, 0, PHOTO, owner="agent:thief")).status == 404
    assert (await tus.terminate(tmp_path, upload, TUS, owner="agent:thief", now=NOW)).status == 404
    assert await offset(tmp_path, upload) == 0


@pytest.mark.parametrize("upload", ["../../etc/passwd", "..", "", "a" * 31, "A" * 32, "0" * 32 + "/..", "\x00" * 32])
async def test_no_id_leads_out_of_the_folder(tmp_path: Path, upload: str) -> None:
    assert (await tus.head(tmp_path, upload, TUS, owner=OWNER, now=NOW)).status == 404
    assert (await send(tmp_path, upload, 0, PHOTO)).status == 404
    assert tus.attachment_path(tmp_path, upload) is None


async def test_a_wicked_file_name_is_kept_for_showing_only(tmp_path: Path) -> None:
    upload = id_of(await begin(tmp_path, creation(name="../../../etc/cron.d/\x00evil")))
    await send(tmp_path, upload, 0, PHOTO)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == [f"partial/{upload}.json", f"sha256/{SHA256[:2]}/{SHA256}"]


@pytest.mark.parametrize(("headers", "status"), [
    ({"Upload-Length": "5"}, 412), ({**TUS}, 400), ({**TUS, "Upload-Length": "-1"}, 400), ({**creation(), "Upload-Length": "x"}, 400),
    ({**TUS, "Upload-Length": "5", "Upload-Metadata": "sha256 !!"}, 400), (creation(sha256="../" + SHA256[3:]), 400),
    (creation(size=3_000_000_000), 413), ({**TUS, "Upload-Length": "5", "Upload-Metadata": f"filename {b64('x')}"}, 400),
])
async def test_a_malformed_creation_is_refused_by_its_code(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    assert (await begin(tmp_path, headers)).status == status


async def test_the_content_type_and_the_version_are_asked_for(tmp_path: Path) -> None:
    upload = id_of(await begin(tmp_path))
    assert (await send(tmp_path, upload, 0, PHOTO, Content_Type="image/jpeg")).status == 415
    assert (await tus.head(tmp_path, upload, {}, owner=OWNER, now=NOW)).status == 412


async def test_unfinished_uploads_expire_and_finished_files_stay(tmp_path: Path) -> None:
    done = id_of(await begin(tmp_path))
    await send(tmp_path, done, 0, PHOTO)
    rest = id_of(await begin(tmp_path, creation(sha256="0" * 64)))
    later = NOW + timedelta(hours=73)
    assert await offset(tmp_path, rest, now=later) is None
    assert tus.sweep(tmp_path, NOW) == 0
    assert tus.sweep(tmp_path, later) == 2
    assert list((tmp_path / "partial").iterdir()) == []
    assert tus.attachment_path(tmp_path, SHA256) is not None


async def test_every_byte_moves_the_expiry(tmp_path: Path) -> None:
    upload = id_of(await begin(tmp_path))
    await send(tmp_path, upload, 0, PHOTO[:10], now=NOW + timedelta(hours=71))
    assert await offset(tmp_path, upload, now=NOW + timedelta(hours=100)) == 10


async def test_one_owner_cannot_open_uploads_without_end(tmp_path: Path) -> None:
    limits = tus.Limits(max_open=2)
    for n in range(2):
        assert (await begin(tmp_path, creation(sha256=f"{n}" * 64), limits=limits)).status == 201
    assert (await begin(tmp_path, creation(sha256="f" * 64), limits=limits)).status == 429
    assert (await begin(tmp_path, creation(sha256="f" * 64), owner="agent:other", limits=limits)).status == 201


async def test_an_empty_file_is_complete_at_once(tmp_path: Path) -> None:
    empty = hashlib.sha256(b"").hexdigest()
    reply = await begin(tmp_path, creation(0, empty))
    assert reply.completed == empty and tus.attachment_path(tmp_path, empty) is not None


async def test_giving_up_removes_the_bytes(tmp_path: Path) -> None:
    upload = id_of(await begin(tmp_path))
    await send(tmp_path, upload, 0, PHOTO[:10])
    assert (await tus.terminate(tmp_path, upload, TUS, owner=OWNER, now=NOW)).status == 204
    assert list((tmp_path / "partial").iterdir()) == []


async def test_a_request_that_hangs_is_ended_by_the_next_one(tmp_path: Path) -> None:
    upload = id_of(await begin(tmp_path))
    arrived = asyncio.Event()

    async def hanging() -> AsyncIterator[bytes]:
        yield PHOTO[:700]
        arrived.set()
        await asyncio.Event().wait()

    old = asyncio.create_task(send(tmp_path, upload, 0, hanging()))
    await arrived.wait()
    async with asyncio.timeout(40):
        assert await offset(tmp_path, upload) == 700
        assert (await old).headers["Upload-Offset"] == "700"
        assert (await send(tmp_path, upload, 700, PHOTO[700:])).completed == SHA256


async def test_a_silent_body_ends_after_its_time(tmp_path: Path) -> None:
    upload = id_of(await begin(tmp_path))

    async def silent() -> AsyncIterator[bytes]:
        yield PHOTO[:5]
        await asyncio.Event().wait()

    headers = {**TUS, "Content-Type": tus.CHUNK_TYPE, "Upload-Offset": "0"}
    reply = await tus.patch(tmp_path, upload, headers, silent(), owner=OWNER, now=NOW, limits=tus.Limits(idle_s=0.05))
    assert reply.headers["Upload-Offset"] == "5"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
async def test_a_full_disk_is_named_and_not_a_server_error(tmp_path: Path) -> None:
    upload = id_of(await begin(tmp_path))
    part = tmp_path / "partial" / f"{upload}.part"
    part.unlink()
    part.symlink_to("/dev/full")
    reply = await send(tmp_path, upload, 0, PHOTO)
    assert (reply.status, reply.code) == (507, "disk_full")


async def test_whoever_asks_again_after_the_end_hears_that_it_is_complete_so_that_it_is_noted_where_it_could_not_be_before(tmp_path: Path) -> None:
    """The hub was killed, or its store away, between the last byte and the note of it: the sender asks, hears the end, and forgets its copy."""
    upload = id_of(await begin(tmp_path))
    assert (await send(tmp_path, upload, 0, PHOTO)).completed == SHA256
    again = await tus.head(tmp_path, upload, TUS, owner=OWNER, now=NOW)
    assert (again.headers["Upload-Offset"], again.completed) == (str(len(PHOTO)), SHA256)
    once_more = await send(tmp_path, upload, 0, PHOTO)
    assert (once_more.status, once_more.headers["Upload-Offset"], once_more.completed) == (409, str(len(PHOTO)), SHA256)
    assert (await begin(tmp_path)).completed == SHA256


async def test_an_upload_whose_file_was_moved_when_the_hub_was_killed_is_sent_anew(tmp_path: Path) -> None:
    upload = id_of(await begin(tmp_path))
    record = (tmp_path / "partial" / f"{upload}.json").read_bytes()
    await send(tmp_path, upload, 0, PHOTO)
    (tmp_path / "partial" / f"{upload}.json").write_bytes(record)
    assert await offset(tmp_path, upload) == 0
    assert (await send(tmp_path, upload, 0, PHOTO)).completed == SHA256


async def test_who_asks_while_the_last_piece_is_being_taken_hears_how_it_ended(tmp_path: Path) -> None:
    upload = id_of(await begin(tmp_path))
    taken = asyncio.Event()

    async def never_ending() -> AsyncIterator[bytes]:
        yield PHOTO
        taken.set()
        await asyncio.Event().wait()

    sending = asyncio.create_task(send(tmp_path, upload, 0, never_ending()))
    await taken.wait()
    assert await offset(tmp_path, upload) == len(PHOTO), "not that it stands at the beginning"
    assert (await sending).completed == SHA256


async def test_uploads_leave_the_reserve_free(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert (await begin(tmp_path, limits=tus.Limits(keep_free_bytes=2 * free))).status == 507
    upload = id_of(await begin(tmp_path))
    told = {**TUS, "Content-Type": tus.CHUNK_TYPE, "Upload-Offset": "0"}
    reply = await tus.patch(tmp_path, upload, told, bytes_of(PHOTO), owner=OWNER, now=NOW, limits=tus.Limits(keep_free_bytes=2 * free))
    assert (reply.status, reply.code) == (507, "disk_full")
    assert (await send(tmp_path, upload, 0, PHOTO)).completed == SHA256, "it goes on once there is room"


async def test_bytes_without_a_record_go_in_time(tmp_path: Path) -> None:
    upload = id_of(await begin(tmp_path))
    orphan, young = (tmp_path / "partial" / f"{name * 32}.part" for name in "ab")
    orphan.write_bytes(b"1")
    young.write_bytes(b"1")
    os.utime(orphan, (0, 0))
    tus.sweep(tmp_path, datetime.now(UTC))
    assert not orphan.exists() and young.exists()
    assert upload


@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=3000), cuts=st.lists(st.integers(1, 700), max_size=20))
async def test_any_cutting_into_pieces_gives_the_same_file(tmp_path_factory: pytest.TempPathFactory, data: bytes, cuts: list[int]) -> None:
    store = tmp_path_factory.mktemp("store")
    sha256 = hashlib.sha256(data).hexdigest()
    reply = await begin(store, creation(len(data), sha256))
    at = 0
    sizes = iter(cuts)
    while at < len(data):
        size = next(sizes, 4000)
        reply = await send(store, id_of(await begin(store, creation(len(data), sha256))), at, data[at:at + size])
        at = int(reply.headers["Upload-Offset"])
    path = tus.attachment_path(store, sha256)
    assert path is not None and path.read_bytes() == data


def test_every_refusal_of_an_upload_says_what_to_do() -> None:
    codes = set(re.findall(r'code ?= ?(?:False, )?"([a-z_]+)"', Path(tus.__file__).read_text(encoding="utf-8")))
    assert {"wrong_offset", "wrong_hash", "no_upload", "disk_full"} <= codes == set(SAID)
    assert all(zh != en and zh and en for zh, en in SAID.values())

"""Sources: a watched folder and a local endpoint, and what people type."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import aiohttp
import msgspec
import pytest

from agents.form import fill_form
from agents.outbox import Bounds, Outbox
from agents.report import build_report, read_time
from agents.sources.folder import complete, take_all, watch
from agents.sources.http import listen, local_token
from hub import wire
from hub.errors import Rejected
from hub.ids import is_id, new_id

CHINA = timezone(timedelta(hours=8))
NOW = datetime(2026, 11, 23, 14, 5, tzinfo=CHINA)
SHORT = b'{"title": "\xe4\xbe\xa7\xe7\xbf\xbb", "place": {"text": "G204"}}'


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with closing(Outbox(tmp_path / "outbox.sqlite3")) as box:
        yield box


def filing(outbox: Outbox):  # type: ignore[no-untyped-def]
    async def file(message: wire.Report | wire.Daily) -> bool:
        return outbox.accept(message)

    return file


def settled(path: Path, content: bytes) -> None:
    """A file that nobody has written to for a minute."""
    path.write_bytes(content)
    then = datetime.now(UTC).timestamp() - 60
    os.utime(path, (then, then))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


async def test_files_are_filed_and_put_aside(tmp_path: Path, outbox: Outbox) -> None:
    watched = tmp_path / "in"
    watched.mkdir()
    (watched / "b.json").write_bytes(b"\xef\xbb\xbf" + SHORT)  # as an editor on Windows writes it
    (watched / "a.json").write_bytes(msgspec.json.encode({"id": new_id(), "department": "d", "template": "daily", "day": "2026-11-23", "zero": True}))
    (watched / "half.json.part").write_bytes(b"{")
    assert await take_all(watched, filing(outbox)) == 2
    assert [entry.kind for entry in reversed(outbox.latest())] == ["daily", "report"]
    assert names(watched / "accepted") == ["a.json", "b.json"] and names(watched / "rejected") == []
    assert (watched / "half.json.part").exists()


@pytest.mark.parametrize(("content", "code"), [
    (b"{", "malformed_json"), (b"[]", "wrong_type"), (b"\xff\xfe", "malformed_json"), (b'{"title": "x"}', "missing_field"),
    (b'{"title": "x", "place": {"text": "y"}, "colour": "red"}', "unknown_field"), (b'{"title": "' + b"x" * 300_000 + b'"}', "too_large"),
])
async def test_a_wrong_file_is_put_aside_with_the_reason_in_both_languages(tmp_path: Path, outbox: Outbox, content: bytes, code: str) -> None:
    settled(tmp_path / "x.json", content)
    assert await take_all(tmp_path, filing(outbox)) == 0
    assert names(tmp_path / "rejected") == ["x.json", "x.json.error"]
    lines = (tmp_path / "rejected" / "x.json.error").read_text(encoding="utf-8").splitlines()
    assert lines[0] == code and lines[1] and lines[2]


async def test_a_file_that_is_written_under_its_own_name_is_waited_for_until_it_is_whole(tmp_path: Path, outbox: Outbox) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(SHORT[:20])
    assert await take_all(tmp_path, filing(outbox)) == 0
    assert path.exists()
    path.write_bytes(SHORT)
    assert await take_all(tmp_path, filing(outbox)) == 1
    assert names(tmp_path / "rejected") == []


async def test_a_file_that_cannot_be_read_keeps_no_other_waiting(tmp_path: Path, outbox: Outbox) -> None:
    (tmp_path / "b.json").write_bytes(SHORT)
    (tmp_path / "a.json").write_bytes(SHORT)
    (tmp_path / "a.json").chmod(0)
    if os.geteuid() == 0:  # root reads everything: then the folder that a file is moved to is none
        settled(tmp_path / "a.json", b"{")
        (tmp_path / "rejected").write_bytes(b"")
    assert await take_all(tmp_path, filing(outbox)) == 1
    assert (tmp_path / "a.json").exists() and names(tmp_path / "accepted") == ["b.json"]


async def test_a_name_of_any_bytes_is_a_name(tmp_path: Path, outbox: Outbox) -> None:
    (tmp_path / os.fsdecode(b"\xcb\xae\xff.json")).write_bytes(SHORT)
    assert await take_all(tmp_path, filing(outbox)) == 1


async def test_a_file_taken_again_after_a_kill_is_the_same_report(tmp_path: Path, outbox: Outbox) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(SHORT)
    os.utime(path, (1_800_000_000, 1_800_000_000))
    await take_all(tmp_path, filing(outbox))
    (tmp_path / "accepted" / "x.json").rename(path)  # accepted, but killed before it was put aside
    await take_all(tmp_path, filing(outbox))
    assert len(outbox.accepted()) == 1 and names(tmp_path / "accepted") == ["x.json"]


async def test_the_same_name_at_another_time_is_another_report(tmp_path: Path, outbox: Outbox) -> None:
    for second in (1_800_000_000, 1_800_000_060):
        path = tmp_path / "alarm.json"
        path.write_bytes(SHORT)
        os.utime(path, (second, second))
        await take_all(tmp_path, filing(outbox))
    assert len(outbox.accepted()) == 2
    assert names(tmp_path / "accepted") == ["alarm-2.json", "alarm.json"]


async def test_a_full_outbox_leaves_files_where_they_are(tmp_path: Path) -> None:
    with closing(Outbox(tmp_path / "o.db", Bounds(max_reports=1))) as box:
        watched = tmp_path / "in"
        watched.mkdir()
        for name in ("a.json", "b.json"):
            (watched / name).write_bytes(SHORT)
        assert await take_all(watched, filing(box)) == 1
        assert (watched / "b.json").exists()


async def test_a_folder_that_is_not_there_for_a_while_is_tried_again(tmp_path: Path, outbox: Outbox) -> None:
    watched = tmp_path / "share" / "in"
    (tmp_path / "share").write_bytes(b"")
    watching = asyncio.create_task(watch(watched, filing(outbox), 0.01))
    await asyncio.sleep(0.1)
    (tmp_path / "share").unlink()
    watched.mkdir(parents=True)
    (watched / "a.json").write_bytes(SHORT)
    async with asyncio.timeout(10):
        while not outbox.latest():
            await asyncio.sleep(0.01)
    watching.cancel()
    assert len(outbox.latest()) == 1


async def test_a_port_that_is_taken_is_named(tmp_path: Path, outbox: Outbox) -> None:
    async with listen(0, "t", filing(outbox), outbox) as port:
        with pytest.raises(Rejected) as refused:
            async with listen(port, "t", filing(outbox), outbox):
                pass
    assert (refused.value.code, refused.value.field) == ("port_taken", "listen_port")


def test_what_a_file_leaves_out_is_filled_in() -> None:
    message = complete(SHORT, "x", NOW)
    assert isinstance(message, wire.Report)
    assert message.kind is wire.ReportKind.INITIAL and message.occurred_at == NOW and is_id(message.id)


@pytest.fixture
async def endpoint(tmp_path: Path, outbox: Outbox) -> AsyncIterator[tuple[str, dict[str, str]]]:
    token = local_token(tmp_path / "token")
    async with listen(0, token, filing(outbox), outbox) as port:
        yield f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {token}"}


async def test_a_local_program_files_and_follows(endpoint: tuple[str, dict[str, str]], outbox: Outbox) -> None:
    url, headers = endpoint
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.post(url + "/report", data=SHORT) as response:
            assert response.status == 202
            answer = await response.json()
        assert outbox.get(answer["id"]) is not None
        outbox.settle([wire.Receipt(id=answer["id"], status=wire.ReceiptStatus.STORED, receipt_no="7")])
        async with http.get(f"{url}/report/{answer['id']}") as response:
            assert (await response.json())["receipt_no"] == "7"
        async with http.get(f"{url}/report/{new_id()}") as response:
            assert response.status == 404


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}, {"Authorization": "Bearer 令牌"}])
async def test_without_the_token_nothing_is_taken(endpoint: tuple[str, dict[str, str]], outbox: Outbox, headers: dict[str, str]) -> None:
    async with aiohttp.ClientSession() as http, http.post(endpoint[0] + "/report", data=SHORT, headers=headers) as response:
        assert response.status == 401
    assert outbox.accepted() == []


@pytest.mark.parametrize("body", [b"{", b"[1]", b'{"title":"x"}'])
async def test_wrong_content_is_refused_with_code_and_field(endpoint: tuple[str, dict[str, str]], body: bytes) -> None:
    url, headers = endpoint
    async with aiohttp.ClientSession(headers=headers) as http, http.post(url + "/report", data=body) as response:
        assert response.status == 422
        assert (await response.json())["code"]


@pytest.mark.parametrize(("typed", "expected"), [
    ("14:05", NOW), ("23:50", datetime(2026, 11, 22, 23, 50, tzinfo=CHINA)), ("9：30", datetime(2026, 11, 23, 9, 30, tzinfo=CHINA)),
    ("11-20 08:00", datetime(2026, 11, 20, 8, 0, tzinfo=CHINA)), ("12-31 08:00", datetime(2025, 12, 31, 8, 0, tzinfo=CHINA)),
    ("2026-11-23 14:05", NOW), ("2026-11-23T06:05:00Z", NOW), ("02-29 08:00", datetime(2024, 2, 29, 8, 0, tzinfo=CHINA)),
])
def test_times_are_read_as_people_type_them(typed: str, expected: datetime) -> None:
    assert read_time(typed, NOW) == expected


@pytest.mark.parametrize("typed", ["", "yesterday", "25:00", "2026-13-01 00:00", "02-30 08:00"])
def test_what_is_no_time_is_refused(typed: str) -> None:
    with pytest.raises(Rejected) as caught:
        read_time(typed, NOW)
    assert caught.value.code == "wrong_time"


def test_a_report_from_flags_leaves_out_what_was_not_said() -> None:
    report = build_report(
        {"title": "x", "place": {"text": "G204", "lon": None}, "casualties": {"dead": None, "injured": 0}, "hazmat": [{"un": None}], "reporter": {}}, NOW
    )
    assert report.casualties == wire.Casualties(injured=0) and report.hazmat == () and report.reporter is None


def test_the_form_asks_again_until_the_answers_can_be_read() -> None:
    answers = iter([
        "", "槽罐车侧翻", "G204 赣马镇段", "x,y", "119.13，34.89", "never", "14:00", "12H00 12D00", "y", "泄漏", "", "two", "2", "1", "1005", "y", "268",
        "已警戒", "王建国", "0518",
    ])
    told: list[str] = []
    values = fill_form(lambda question, default: next(answers), told.append, NOW)
    report = build_report(values, NOW)
    assert (report.title, report.place.lon, report.event_types, report.urgent) == ("槽罐车侧翻", 119.13, ("12H00", "12D00"), True)
    assert report.casualties == wire.Casualties(injured=2, trapped=1)
    assert report.hazmat == (wire.Hazmat(un="1005", hin="268", leak=True),)
    assert len(told) == 4


def test_utc_and_local_times_of_a_file_are_aware() -> None:
    message = complete(SHORT, "x", datetime.fromtimestamp(0, UTC))
    assert isinstance(message, wire.Report) and message.occurred_at.tzinfo is not None

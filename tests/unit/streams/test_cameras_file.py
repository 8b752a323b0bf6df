"""The cameras file: every mistake names file, line and field, and no password leaves it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from agents.cameras import FILE_S, Cameras, news, read_cameras, roughly
from agents.cameras_cli import app
from hub.errors import Rejected
from hub.wire import Camera, troubles_of
from streams.address import Address, mask
from streams.publisher import MediaLink
from tests.support.until import until


def check(folder: Path, text: str) -> list[tuple[int, str, str]]:
    file = folder / "cameras.yaml"
    file.write_text(text, encoding="utf-8")
    return [(remark.line, remark.field, remark.code) for remark in read_cameras(file)[1]]


@pytest.mark.parametrize(("text", "expected"), [
    ("cameras:\n  - id: a\n    url: rtsp://h/1\n    preview_s: -1\n", (4, "cameras[0].preview_s", "invalid_field")),
    ("cameras:\n  - id: a\n    url: rtsp://h/1\n  - id: b\n    name: x\n", (4, "cameras[1].url", "invalid_field")),
    ("cameras:\n  - id: Not a slug\n    url: rtsp://h/1\n", (2, "cameras[0].id", "invalid_field")),
    ("cameras:\n  - id: a\n    url: rtsp://h/1\n    colour: red\n", (4, "cameras[0].colour", "invalid_field")),
    ("cameras:\n  - id: a\n    url: ''\n", (3, "cameras[0].url", "malformed_url")),
    ('cameras:\n  - id: a\n    url: "rtsp://h/\\0"\n', (3, "cameras[0].url", "malformed_url")),
    ("cameras:\n  - id: a\n    url: /x\n    id: b\n", (4, "cameras[0].id", "duplicate_field")),
    ("preview_s: 2\ncameras:\n  - id: a\n    url: /x\n", (1, "preview_s", "unknown_field")),
    ("cameras:\n  - id: a\n    url: /x\ncameras:\n  - id: b\n    url: /y\n", (4, "cameras", "duplicate_field")),
    ("cameras:\n  - id: a\n    url: gopher://h/1\n", (3, "cameras[0].url", "unknown_scheme")),
    ("cameras:\n  - id: a\n    url: rtsp://h:99999999/1\n", (3, "cameras[0].url", "malformed_url")),
    ("cameras:\n  - id: a\n    url: rtsp://h/1\n  - id: a\n    url: rtsp://h/2\n", (4, "cameras[1].id", "duplicate_id")),
    ("cameras:\n  - id: a\n    url: rtsp://h/1\n    credentials_file: none.txt\n", (4, "cameras[0].credentials_file", "credentials_unreadable")),
    ("cameras:\n  - id: a\n    url: rtsp://h/1\n    keep_open: sub\n", (4, "cameras[0].keep_open", "no_sub_stream")),
    ("cameras:\n  - id: a\n    url: rtsp://u:secret@h/1\n", (3, "cameras[0].url", "password_in_url")),
    ("cameras:\n  - just words\n", (2, "cameras[0]", "invalid_field")),
    ("cameras:\n  - [a, b]\n", (2, "cameras[0]", "invalid_field")),
    ("cameras: 7\n", (1, "cameras", "missing_field")),
    ("- a\n- b\n", (1, "cameras", "missing_field")),
    ("cameras:\n  - id: [\n", (3, "", "malformed_yaml")),
    ("", (1, "cameras", "missing_field")),
    (f"cameras: {'[' * 3000}{']' * 3000}\n", (1, "", "malformed_yaml")),
    (f"cameras:\n  - id: a\n    url: /x\n    preview_s: {'9' * 5000}\n", (2, "cameras[0]", "malformed_yaml")),
    ("cameras:\n  - id: a\n    url: /x\n    ? [a, b]\n    : 1\n", (2, "cameras[0]", "malformed_yaml")),
    ("cameras:\n  - !!python/object/apply:os.system ['id']\n", (2, "cameras[0]", "malformed_yaml")),
])
def test_a_mistake_names_its_line_and_field(tmp_path: Path, text: str, expected: tuple[int, str, str]) -> None:
    assert check(tmp_path, text) == [expected]


def test_a_file_that_a_chinese_windows_saved_is_named_as_such(tmp_path: Path) -> None:
    file = tmp_path / "cameras.yaml"
    file.write_bytes("cameras:\n  - id: a\n    name: 罐区\n    url: /x\n".encode("gbk"))
    (remark,) = read_cameras(file)[1]
    assert (remark.line, remark.code) == (3, "not_utf8") and "UTF-8" in remark.zh


def test_a_password_in_an_unknown_key_is_not_shown_either(tmp_path: Path) -> None:
    file = tmp_path / "cameras.yaml"
    file.write_text("cameras:\n  - id: a\n    url: /x\n    'rtsp://u:hunter2@h': 1\n'rtsp://u:hunter2@k': 2\n", encoding="utf-8")
    assert "hunter2" not in str([str(remark) for remark in read_cameras(file)[1]])


def test_a_mistake_in_one_camera_leaves_the_others_usable(tmp_path: Path) -> None:
    file = tmp_path / "cameras.yaml"
    file.write_text("cameras:\n  - id: a\n    url: rtsp://h/1\n  - id: b\n  - id: c\n    url: rtsp://h/3\n", encoding="utf-8")
    setups, remarks = read_cameras(file)
    assert [setup.entry.id for setup in setups] == ["a", "c"]
    assert len(remarks) == 1


def test_a_password_in_an_address_is_a_warning_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "cameras.yaml"
    file.write_text("cameras:\n  - id: a\n    url: rtsp://admin:hunter2@10.0.0.5/1?token=abc\n", encoding="utf-8")
    (setup,), (remark,) = read_cameras(file)
    assert not remark.fatal
    for shown in (repr(setup), str(setup.main), str(remark)):
        assert "hunter2" not in shown and "abc" not in shown
    result = CliRunner().invoke(app, ["check", str(file)], env={"COLUMNS": "300"})
    assert result.exit_code == 0
    assert "hunter2" not in result.output
    assert "rtsp://***@10.0.0.5/1?token=***" in result.output


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert [(r.code) for r in read_cameras(tmp_path / "none.yaml")[1]] == ["file_unreadable"]
    assert CliRunner().invoke(app, ["check", str(tmp_path / "none.yaml")]).exit_code == 1


@pytest.mark.parametrize(("text", "masked"), [
    ("rtsp://u:p@h/x", "rtsp://***@h/x"),
    ("error opening rtsp://u:p%40@h:554/x: refused", "error opening rtsp://***@h:554/x: refused"),
    ("http://h/v.cgi?user=admin&pwd=1234&ch=1", "http://h/v.cgi?user=***&pwd=***&ch=1"),
    ("rtsp://h/x?Password=a#f", "rtsp://h/x?Password=***#f"),
    ("rtsp://h/cam?channel=1&authbasic=YWRtaW4=&x=1", "rtsp://h/cam?channel=1&authbasic=***&x=1"),
    ("nothing secret", "nothing secret"),
])
def test_secrets_are_masked_wherever_an_address_stands(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_credentials_from_a_file_are_in_the_secret_address_only(tmp_path: Path) -> None:
    address = Address("rtsp://10.0.0.5:554/1", ("admin", "p@ss:w/rd"))
    assert address.secret_url() == "rtsp://admin:p%40ss%3Aw%2Frd@10.0.0.5:554/1"
    assert address.masked == "rtsp://10.0.0.5:554/1" and not address.has_password
    assert "p@ss" not in repr(address)


def test_an_address_without_a_host_is_refused() -> None:
    with pytest.raises(Rejected) as caught:
        Address("rtsp:///x")
    assert caught.value.code == "malformed_url"


@pytest.mark.parametrize("per_process", [20, 1], ids=["one process", "several"])
async def test_a_changed_file_is_taken_over_while_running_and_one_with_a_mistake_is_not(tmp_path: Path, per_process: int) -> None:
    file = tmp_path / "cameras.yaml"

    def write(*names: str, more: str = "") -> None:
        lines = [f"  - {{id: {name}, url: 'synthetic:?size=160x90&rate=5', preview_s: 0.5}}\n" for name in names]
        file.write_text("cameras:\n" + "".join(lines) + more, encoding="utf-8")

    write("a", "b")
    link = MediaLink(agent_id="plant", host="127.0.0.1", port=1, password="none")
    async with Cameras(file, link, per_process=per_process) as cameras:

        def shown() -> list[str]:
            return [camera.id for camera in cameras.presence() if camera.health not in ("connecting", "offline")]

        await until(lambda: shown() == ["a", "b"])
        write("a", "c", more="  - id: d\n")
        await asyncio.sleep(2.5 * FILE_S)
        assert [camera.id for camera in cameras.presence()] == ["a", "b"]
        write("a", "c")
        await until(lambda: shown() == ["a", "c"])


def test_what_a_camera_measures_anew_is_no_news_but_its_state_and_its_trouble_are() -> None:
    before = Camera(id="gate", health="online", measure="sharpness=3.20", width=640)
    assert news((before,)) == news((msgspec.structs.replace(before, measure="sharpness=3.41"),))
    gone = Camera(id="gate", health="offline", measure="timeout")
    assert news((gone,)) != news((msgspec.structs.replace(gone, measure="refused"),))
    for change in ({"health": "black"}, {"measure": "sharpness=3.20; flood"}, {"width": 1280}):
        assert news((before,)) != news((msgspec.structs.replace(before, **change),))


@pytest.mark.parametrize(("off_s", "said"), [(-946_080_000, "-10950d"), (946_080_000, "+10950d"), (7_300, "+2h"), (-90_000, "-25h"), (-200, "-3m"), (61, "+1m")])
def test_how_far_a_cameras_clock_is_off_is_said_in_one_code(off_s: float, said: str) -> None:
    assert troubles_of("online", f"sharpness=1.00; clock_wrong={roughly(off_s)}") == (f"clock_wrong_{said}",)

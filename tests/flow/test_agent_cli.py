"""The agent from the command line, as people use it: enrol, run, file, follow; real processes and a real Mosquitto."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import web

from agents.enroll import enroll
from agents.outbox import Outbox
from agents.settings import load_settings, read_password, save_settings
from hub import wire
from hub.errors import Rejected, Unavailable
from hub.ids import new_id
from tests.support.fake_hub import FakeHub
from tests.support.mosquitto import Mosquitto
from tests.support.ports import free_port
from tests.support.until import until


class Said(NamedTuple):
    code: int
    out: str
    err: str


async def tocsin(folder: Path, *words: str, stdin: bytes | None = None, lang: str = "en") -> Said:
    """Run a command of the agent and wait for its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agents.cli", *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TOCSIN_AGENT_FOLDER": str(folder), "TOCSIN_LANG": lang, "COLUMNS": "200"},
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate(stdin)
    return Said(process.returncode or 0, out.decode(), err.decode())


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`tocsin agent run` until the block ends, then SIGTERM."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agents.cli", "agent", "run", stdout=asyncio.subprocess.PIPE, env={**os.environ, "TOCSIN_AGENT_FOLDER": str(folder)}
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        assert "plant-1" in (await process.stdout.readline()).decode()
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0


def set_up(folder: Path, port: int, **more: str | int | float) -> None:
    save_settings(folder, {"agent_id": "plant-1", "mqtt_port": port, "password_file": "", "department": "demo", **more})


FLAGS = ("report", "file", "--title", "槽罐车侧翻", "--place", "G204 赣马镇段", "--lon", "119.13", "--lat", "34.89", "--type", "12H00", "--type", "12D00",
         "--un", "1005", "--hin", "268", "--leak", "--injured", "2", "--urgent", "--reporter", "王建国")


async def test_without_a_running_agent_a_report_is_sent_at_once(tmp_path: Path) -> None:
    async with Mosquitto() as broker, FakeHub(broker.port) as hub:
        await until(hub.connected.is_set)
        set_up(tmp_path, broker.port)
        said = await tocsin(tmp_path, *FLAGS)
        assert said.code == 0, said.err
        assert "receipt no. 20261123-" in said.out
        (report,) = hub.messages.values()
        assert isinstance(report, wire.Report)
        assert report.hazmat == (wire.Hazmat(un="1005", hin="268", leak=True),) and report.casualties == wire.Casualties(injured=2)
        assert report.event_types == ("12H00", "12D00") and report.urgent


async def test_beside_a_running_agent_a_report_goes_through_it(tmp_path: Path) -> None:
    async with Mosquitto() as broker, FakeHub(broker.port) as hub:
        await until(hub.connected.is_set)
        set_up(tmp_path, broker.port)
        async with running(tmp_path):
            said = await tocsin(tmp_path, *FLAGS, lang="zh")
            assert said.code == 0, said.err
            assert "中心已入库" in said.out
            status = await tocsin(tmp_path, "agent", "status", lang="zh")
            assert "运行中" in status.out and "已连接" in status.out
            again = await tocsin(tmp_path, "agent", "run")
            assert again.code == 4 and "agent_running" in again.err
        await until(lambda: not hub.presence["plant-1"].online)


async def test_with_no_link_a_report_stays_and_goes_later(tmp_path: Path) -> None:
    port = free_port()
    set_up(tmp_path, port)
    said = await tocsin(tmp_path, *FLAGS, "--timeout", "1")
    assert said.code == 4 and "stays in the outbox" in said.err
    listed = await tocsin(tmp_path, "report", "status")
    assert "queued" in listed.out or "sent" in listed.out
    async with Mosquitto() as broker, FakeHub(broker.port) as hub:
        await until(hub.connected.is_set)
        set_up(tmp_path, broker.port)
        async with running(tmp_path):
            await until(lambda: len(hub.rows) == 1)


async def test_not_waiting_returns_at_once(tmp_path: Path) -> None:
    set_up(tmp_path, free_port())
    said = await tocsin(tmp_path, *FLAGS, "--no-wait")
    assert said.code == 0
    with closing(Outbox(tmp_path / "outbox.sqlite3")) as outbox:
        assert outbox.waiting().count == 1


async def test_json_from_standard_input_and_a_photo(tmp_path: Path) -> None:
    set_up(tmp_path, free_port())
    photo = tmp_path / "现场.jpg"
    photo.write_bytes(b"\xff\xd8photo")
    body = json.dumps({"title": "起火", "place": {"text": "青口镇"}}).encode()
    said = await tocsin(tmp_path, "report", "file", "--json", "-", "--no-wait", "--attach", str(photo), "--sign", stdin=body)
    assert said.code == 0, said.err
    with closing(Outbox(tmp_path / "outbox.sqlite3")) as outbox:
        (entry,) = outbox.latest()
        assert entry.payload is not None
        report = wire.decode_report(entry.payload)
        assert report.attachments[0].name == "现场.jpg" and report.attachments[0].media_type == "image/jpeg"
        assert report.signature and len(outbox.uploads()) == 1


@pytest.mark.parametrize(("words", "code"), [
    (("report", "file", "--title", "x"), "missing_field"), (("report", "file", "--json", "/nonexistent"), "unreadable_file"),
    (("report", "file", "--title", "x", "--place", "y", "--un", "12"), "unknown_value"),
    (("report", "file", "--title", "x", "--place", "y", "--occurred-at", "gestern"), "wrong_time"),
    (("report", "file", "--title", "x", "--place", "y", "--kind", "follow_up"), "missing_field"),
    (("agent", "simulate", "--credentials", "/nonexistent"), "no_credentials"),
    (("agent", "enroll", "--hub", "127.0.0.1:8800", "--code", "ABCD-EFGH-JKMN", "--replace"), "wrong_url"),
    (("report", "status", "0" * 8), "unknown_id"), (("drill", "run", "nothing", "--credentials", "/nonexistent"), "unknown_drill"),
])
async def test_wrong_input_is_told_by_code_and_ends_with_2(tmp_path: Path, words: tuple[str, ...], code: str) -> None:
    set_up(tmp_path, free_port())
    said = await tocsin(tmp_path, *words, stdin=b"")
    assert said.code == 2 and code in said.err


async def test_a_rejected_report_ends_with_3_and_the_reason(tmp_path: Path) -> None:
    async with Mosquitto() as broker, FakeHub(broker.port) as hub:
        await until(hub.connected.is_set)
        hub.judge = lambda agent_id, message: wire.Receipt(
            id=message.id, status=wire.ReceiptStatus.REJECTED, reason="outside_district", field="place", message="不在本区 / outside the district"
        )
        set_up(tmp_path, broker.port)
        said = await tocsin(tmp_path, *FLAGS)
        assert said.code == 3 and "outside_district" in said.err


async def test_the_watched_folder_and_the_local_endpoint_of_a_running_agent_file(tmp_path: Path) -> None:
    async with Mosquitto() as broker, FakeHub(broker.port) as hub:
        await until(hub.connected.is_set)
        set_up(tmp_path, broker.port, watch_folder="in", watch_every_s=0.05, listen_port=0)
        async with running(tmp_path):
            await until((tmp_path / "in" / "rejected").exists)
            (tmp_path / "in" / "x.part").write_text('{"title": "x", "place": {"text": "y"}}', encoding="utf-8")
            (tmp_path / "in" / "x.part").rename(tmp_path / "in" / "x.json")
            await until(lambda: len(hub.rows) == 1)
            assert (tmp_path / "local-token").stat().st_mode & 0o077 == 0


@asynccontextmanager
async def a_web_hub(answer: object, status: int = 200) -> AsyncIterator[tuple[str, list[object]]]:
    """A web server that answers every request alike and keeps what was asked."""
    asked: list[object] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append((request.path, request.headers.get("Authorization"), await request.json() if request.can_read_body else None))
        return web.json_response(answer, status=status)

    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", handle)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


ANSWER = {
    "agent_id": "plant-1", "hub_id": "district", "department_id": "demo", "mqtt": {"host": "127.0.0.1", "port": 1883, "tls": False},
    "username": "plant-1", "password": "s3cret", "ca_pem": None, "cert_pem": None,
}


async def test_a_code_becomes_a_credential_that_only_the_owner_can_read(tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    async with a_web_hub(ANSWER) as (url, asked):
        said = await tocsin(folder, "agent", "enroll", "--hub", url, "--code", "abcd-2345", "--name", "石桥新材料（演示）")
    assert said.code == 0, said.err
    settings = load_settings(folder, {})
    assert (settings.agent_id, settings.department, settings.hub_url) == ("plant-1", "demo", url)
    assert read_password(folder, settings) == "s3cret"
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
    ((path, _, body),) = asked  # type: ignore[misc]
    assert path == "/api/v1/enroll" and body["code"] == "ABCD-2345"
    assert "BEGIN CERTIFICATE REQUEST" in body["csr"] and len(body["public_key"]) == 44


@pytest.mark.parametrize(("answer", "status", "kind", "code"), [
    ({"code": "code_used", "message": {"zh": "此码已用", "en": "this code is used"}}, 403, Rejected, "code_used"), ("?", 404, Rejected, "refused"),
    ({}, 200, Rejected, "strange_answer"), ({**ANSWER, "username": "hub"}, 200, Rejected, "strange_answer"),
    ({**ANSWER, "agent_id": "../x", "username": "../x"}, 200, Rejected, "strange_answer"), ({}, 503, Unavailable, "hub_unavailable"),
])
async def test_a_refused_enrolment_leaves_no_settings(
    tmp_path: Path, answer: object, status: int, kind: type[Rejected | Unavailable], code: str
) -> None:
    async with a_web_hub(answer, status) as (url, _):
        with pytest.raises(kind) as caught:
            await enroll(tmp_path, url, "ABCD-2345")
    assert caught.value.code == code
    assert not (tmp_path / "agent.toml").exists() and not (tmp_path / "password").exists()


async def test_an_enrolled_folder_is_left_alone_unless_asked(tmp_path: Path) -> None:
    async with a_web_hub(ANSWER) as (url, _):
        await enroll(tmp_path, url, "ABCD-2345")
        with pytest.raises(Rejected) as caught:
            await enroll(tmp_path, url, "ABCD-2345")
        assert caught.value.code == "already_enrolled"
        await enroll(tmp_path, url, "ABCD-2345", replace=True)


async def test_a_hub_that_cannot_be_reached_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await enroll(tmp_path, f"http://127.0.0.1:{free_port()}", "ABCD-2345")


async def test_status_asks_the_hub_who_has_seen_the_report(tmp_path: Path) -> None:
    report_id = new_id()
    seen = {"id": report_id, "status": "stored", "receipt_no": "20261123-000042", "incident_id": new_id(), "incident_state": "verified",
            "seen_by": [{"department_id": "command-centre", "at": "2026-11-23T06:08:00Z", "person": "李"}]}
    async with a_web_hub(seen) as (url, asked):
        set_up(tmp_path, free_port(), hub_url=url)
        report = wire.Report(id=report_id, kind=wire.ReportKind.INITIAL, occurred_at=wire.decode(
            b'{"online":true,"at":"2026-11-23T06:00:00Z"}', wire.Presence).at, place=wire.Place(text="x"), title="x")  # type: ignore[arg-type]
        with closing(Outbox(tmp_path / "outbox.sqlite3")) as outbox:
            outbox.accept(report)
            outbox.settle([wire.Receipt(id=report_id, status=wire.ReceiptStatus.STORED, receipt_no="20261123-000042", stored_at="2026-11-23T06:07:12.345Z")])
        said = await tocsin(tmp_path, "report", "status", report_id)
        assert said.code == 0 and f"{report_id}  report  stored by the hub 20261123-000042\n" in said.out and "command-centre" in said.out and "verified" in said.out
        assert asked[0][0] == f"/api/v1/reports/{report_id}/status"  # type: ignore[index]
    offline = await tocsin(tmp_path, "report", "status", report_id, lang="zh")
    assert offline.code == 0 and "联系不上" in offline.out


async def test_a_running_agent_tells_the_health_of_its_cameras(tmp_path: Path) -> None:
    async with Mosquitto() as broker, FakeHub(broker.port) as hub:
        await until(hub.connected.is_set)
        (tmp_path / "cameras.yaml").write_text(f"cameras:\n  - {{id: gate, url: 'rtsp://127.0.0.1:{free_port()}/gate'}}\n", encoding="utf-8")
        set_up(tmp_path, broker.port, cameras_file="cameras.yaml")
        async with running(tmp_path):
            await until(lambda: "plant-1" in hub.presence and [one.id for one in hub.presence["plant-1"].cameras] == ["gate"])


async def test_a_report_that_the_full_outbox_did_not_take_is_not_said_to_wait_in_it(tmp_path: Path) -> None:
    """Exit status 4 means that it stays and will be sent; a script had gone on, and nobody had the report."""
    set_up(tmp_path, free_port(), max_reports=1, urgent_reserve_reports=0)
    assert (await tocsin(tmp_path, *FLAGS, "--timeout", "0.1")).code == 4
    said = await tocsin(tmp_path, *FLAGS, "--timeout", "0.1")
    assert said.code == 5 and "outbox_full" in said.err and "not accepted" in said.err

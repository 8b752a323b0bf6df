"""What a page on another site, a forged header or a hostile text tries on a running hub; one parametrised test for each class of attack."""

from __future__ import annotations

import asyncio
import io
import re
import socket
import zipfile
from collections import Counter
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import msgspec
import pytest
from openpyxl import load_workbook

from hub.documents.filled import read_form
from hub.documents.sheets import form
from hub.domain.access import Role
from hub.domain.daily import Column, Field, FieldKind, Template
from hub.errors import Rejected
from hub.ids import new_id
from hub.notify.addresses import check_address, is_near, only_away
from hub.notify.channels import Message, SendFailed
from hub.notify.push import deliver
from hub.operate.bundle import drawn
from hub.store.reports import update_incident
from hub.web.app import all_routes
from hub.web.guard import SAFE_METHODS
from hub.web.route import PUBLIC
from tests.security.test_attacks import report, send
from tests.support.district import NOW, incident_view
from tests.support.furnished import World
from tests.support.gateway import NEAR, Gateway
from tests.support.web_hub import Visitor

EVIL = "evil.example"
# Apprise loads a module that Python 3.13 has no more
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")


@pytest.mark.parametrize("path", [
    f"//{EVIL}/", f"//{EVIL}/%2e%2e", f"/%5c{EVIL}", f"/%2f%2f{EVIL}", f"/sign-in?then=//{EVIL}", f"/z/x?next=//{EVIL}", f"/api/v1/sign-in/oidc/back?next=https://{EVIL}",
    f"/api/v1/sign-in/oidc?next=https://{EVIL}", f"/ca?next=//{EVIL}", f"/welcome/x?then=https://{EVIL}", f"/api/v1/feed-links/x?url=https://{EVIL}",
])
async def test_no_answer_sends_a_browser_elsewhere(world: World, path: str) -> None:
    async with Visitor(world.hub.web_url) as visitor:
        await visitor.ask("GET", path)
        assert EVIL not in visitor.answer_headers.get("Location", "")
        assert "refresh" not in {name.lower() for name in visitor.answer_headers}


WRITING = [route for route in all_routes() if route.method not in SAFE_METHODS and route.csrf]


def filled(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "1", path)


@pytest.mark.parametrize("headers", [{}, {"Origin": f"https://{EVIL}", "X-Tocsin": "console"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
                                     {"Sec-Fetch-Site": "same-site"}])
async def test_no_page_of_another_site_does_anything_in_a_signed_in_browser(world: World, headers: dict[str, str]) -> None:
    async with Visitor(world.hub.web_url, headers=headers) as visitor:
        await world.visitor(visitor, Role.OPERATOR, "district-office")
        wrong = [(route.method, route.path, visitor.status) for route in WRITING if await visitor.ask(route.method, filled(route.path), raw=b"{}") != 403]
    assert wrong == []
    assert len(WRITING) > 90


async def test_nothing_is_done_by_get(world: World) -> None:
    reads = {(route.path) for route in all_routes() if route.method == "GET"}
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.OPERATOR, "district-office")
        before = await world.store.head()
        for route in WRITING:
            if route.path not in reads:
                assert await visitor.ask("GET", filled(route.path)) in (404, 405), route.path
        assert await world.store.head() == before


async def test_only_uploads_enrolment_and_signed_links_go_without_the_guard_and_these_have_no_cookie() -> None:
    assert {route.path for route in all_routes() if not route.csrf and route.method not in SAFE_METHODS} == {
        "/api/v1/enroll", "/api/v1/agent/certificate", "/z/{token}"}


@pytest.mark.parametrize("route", ["/api/v1/live", "/api/v1/feeds/plant-own/cam"])
@pytest.mark.parametrize("origin", [f"https://{EVIL}", "null", "http://127.0.0.1:1", "http://localhost"])
async def test_no_websocket_opens_for_another_site(world: World, route: str, origin: str) -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Origin": origin}
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.OPERATOR, "district-office")
        assert await visitor.ask("GET", route, headers=upgrade) == 403


async def test_a_forged_host_stands_in_no_answer_and_in_no_link(world: World) -> None:
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.OPERATOR, "district-office")
        for route in all_routes():
            if route.method == "GET" and "{" not in route.path and route.path != "/api/v1/live":
                await visitor.ask("GET", route.path, headers={"Host": EVIL})
                assert EVIL not in str(visitor.body) + str(visitor.answer_headers), route.path
    assert EVIL not in world.hub.services.extra["links"].url(world.nouns.one("daily", "mine").path["duty"])


@pytest.mark.parametrize("cookie", ["", "x" * 43, "../../etc", "%00", "a;b", "x" * 8000])
async def test_signing_in_never_takes_over_a_session_that_the_browser_brings(world: World, cookie: str) -> None:
    async with Visitor(world.hub.web_url) as visitor:
        visitor.hold(cookie)
        assert await visitor.ask("GET", "/api/v1/session") in (400, 401)
        await visitor.ask("POST", "/api/v1/session", {"account": "desk", "password": "wrong-password-1"})
        assert cookie == "" or cookie not in visitor.answer_headers.get("Set-Cookie", "")


TYPES = ["text/html", "image/jpeg, text/html", "image/jpeg,text/html", "audio/mpeg, text/html", "image/svg+xml", "image/jpegtext/html", "audio/x;text/html", "application/xhtml+xml",
         "IMAGE/JPEG, text/html", "text/xml", "", "video/mp4; a=\", text/html"]


@pytest.mark.parametrize("name", ["a.jpg", "../../../etc/passwd", "..\\..\\boot.ini", 'a".html; x="y', "a;filename=b.html", "%0d%0aX-Evil: 1", "报告'.jpg"])
async def test_no_file_of_a_report_runs_here_or_names_its_own_place(world: World, name: str) -> None:
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.RESPONDER, "water-bureau")
        data = b"<script>alert(1)</script>"
        sha = await send(visitor, data)
        for kind in TYPES:
            sent = msgspec.json.decode(report())
            named = {"attachments": [{"sha256": sha, "name": name, "media_type": kind, "size_bytes": len(data)}]}
            assert await visitor.ask("POST", "/api/v1/reports", raw=msgspec.json.encode(sent | named)) == 201
            assert await visitor.ask("GET", f"/api/v1/reports/{sent['id']}/attachments/{sha}") == 200
            told = visitor.answer_headers
            assert told["Content-Type"] == "application/octet-stream", kind
            assert re.fullmatch(r"attachment; filename\*=UTF-8''[A-Za-z0-9._~%-]+", told["Content-Disposition"]), told
            assert told["X-Content-Type-Options"] == "nosniff"
            assert "X-Evil" not in told


@pytest.mark.parametrize("id", ["..", "%2e%2e%2fsecrets", "0" * 31, "0" * 33, "A" * 32, "0" * 31 + "%00", "%2fetc%2fpasswd", "0" * 32 + ".part"])
async def test_an_upload_is_found_by_its_own_id_alone(world: World, id: str) -> None:
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.RESPONDER)
        for method in ("HEAD", "PATCH", "DELETE"):
            headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
            assert await visitor.ask(method, f"/api/v1/attachments/{id}", headers=headers, raw=b"x") in (404, 405), method


MARKUP = ["<script>alert(1)</script>", "</w:t></w:r><w:p/>", "]]><x/>", "{{ 7*7 }}", "{% for x in y %}", "&lt;b&gt; &amp;", "=cmd|' /C calc'!A0", "\"'><img src=x onerror=alert(1)>", "😀\u2028"]


@pytest.mark.parametrize("text", MARKUP)
async def test_a_hostile_text_is_a_text_in_word_and_in_the_map(world: World, text: str) -> None:
    mine = world.mine
    after = msgspec.structs.replace(mine, title=text, version=mine.version + 1)
    async with world.store.transaction() as tx:
        assert await update_incident(tx, mine, after)
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.OPERATOR, "district-office")
        async with visitor.client.get(f"{visitor.base}/api/v1/incidents/{mine.id}/bulletin", headers=visitor.headers) as answer:
            assert answer.status == 200
            packed = zipfile.ZipFile(io.BytesIO(await answer.read()))
    word = ElementTree.fromstring(packed.read("word/document.xml"))
    assert text.strip("\u2028") in "".join(word.itertext()).replace("\u2028", "")
    picture = ElementTree.fromstring(drawn(msgspec.structs.replace(incident_view(1), title=text), None))
    assert {element.tag.rpartition("}")[2] for element in picture.iter()} <= {"svg", "rect", "polygon", "circle", "text"}


@pytest.mark.parametrize("text", ["\ufffe", "\uffff", "\x01", "\x0b", "\x1b[31m", "\x7f", "\u202egpj.exe", "\ufeff"])
async def test_a_character_that_no_document_takes_comes_in_by_no_way(world: World, text: str) -> None:
    duty = world.nouns.one("daily", "mine").path["duty"]
    links = world.hub.services.extra["links"]
    async with Visitor(world.hub.web_url) as visitor:
        await world.visitor(visitor, Role.OPERATOR, "district-office")
        for payload in (report(text=f"a{text}b"), msgspec.json.encode(msgspec.json.decode(report()) | {"text": f"a{text}b"}).decode().encode("ascii", "backslashreplace")):
            assert await visitor.ask("POST", "/api/v1/reports", raw=payload) == 422
            assert visitor.body["reason"] in ("control_characters", "malformed_json"), visitor.body
        assert await visitor.ask("POST", f"/api/v1/incidents/{world.mine.id}/note", {"text": f"a{text}b"}) == 422
        await world.visitor(visitor, Role.DEPARTMENT_REPORTER)
        assert await visitor.ask("POST", f"/api/v1/daily/{duty}/sheet?id={new_id()}&late_reason={quote(text)}", raw=b"") == 422
        assert visitor.body["code"] == "control_characters"
        sent = f"id={new_id()}&late_reason={quote(text)}&explanation={quote(text)}".encode()
        assert await visitor.ask("POST", f"/z/{links.token(duty)}", raw=sent, headers={"Content-Type": "application/x-www-form-urlencoded"}) == 422
        assert "control_characters" in str(visitor.body)


@pytest.mark.parametrize("text", ["=1+1", "+8613812345678", "-2", "@SUM(A1)", "=HYPERLINK(\"http://x\")", "普通"])
def test_a_form_that_goes_out_and_comes_back_has_the_same_texts_and_no_formula(text: str) -> None:
    rows = Field(id="rows", kind=FieldKind.TABLE, zh="伤/亡[表]:?*", en="rows", columns=(Column(id="who", kind="text", zh=text, en="who"),))
    template = Template(id="daily", version=1, zh=text, en="d", valid_from=NOW.date(), fields=(
        rows, Field(id="memo", kind=FieldKind.TEXT, zh="情况", en="memo"), Field(id="other", kind=FieldKind.TEXT, zh=text, en="other")))
    raw = form(template, department="消防", day="2026-11-23", values={"memo": text, "other": text, "rows": [{"who": text}]}, zero=False)
    cells = [cell for row in load_workbook(io.BytesIO(raw)).worksheets[0].iter_rows() for cell in row]
    assert all(cell.data_type != "f" for cell in cells)
    filled_in = read_form(raw, template, department=("消防",), day="2026-11-23")
    assert filled_in.faults == []
    assert filled_in.content.values == {"memo": text, "other": text, "rows": [{"who": text}]}


@pytest.mark.parametrize("address", [
    "syslog://", "dbus://", "mqtts://gateway.example/t", "windows://", "macosx://", "SYSLOG://", "json://gateway.example/?template=/etc/passwd", "slack://a/b/c?TEMPLATE=/etc/passwd", "fcm://p/t?keyfile=/etc/passwd",
    "vapid://a@b.example?subfile=/etc/passwd", "mailto://u:p@gateway.example?pgp=yes", "json://gateway.example?redirect=yes", "json://[::1",
])
def test_no_contact_acts_on_the_hub_or_reads_its_files(address: str) -> None:
    with pytest.raises(Rejected) as caught:
        check_address(address)
    assert (caught.value.code, caught.value.field) == ("contact_address", "address")
    with pytest.raises(SendFailed) as failed:
        deliver(Message("id", address, "t", "b", urgent=False, drill=False), 5, NEAR)
    assert failed.value.permanent


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "100.100.100.200"])
def test_no_notice_goes_to_the_hub_itself_however_the_address_is_written(host: str) -> None:
    for address in (f"json://{host}:9/x", f"form://{host}:9", f"mailto://u:p@gateway.example?smtp={host}"):
        with pytest.raises(SendFailed, match=r"notice_near|无法识别") as failed:
            deliver(Message("id", address, "t", "b", urgent=False, drill=False), 5)
        assert failed.value.permanent, address


@pytest.mark.parametrize(("address", "near"), [("127.9.9.9", True), ("::1", True), ("fe80::1%eth0", True), ("224.0.0.1", True), ("::ffff:10.0.0.1", False), ("10.1.2.3", False),
                                               ("8.8.8.8", False), ("2001:db8::1", False)])
def test_an_office_network_is_not_the_hub_itself(address: str, near: bool) -> None:
    assert is_near(address) is near


@pytest.mark.parametrize("form", ["json://gateway.example:{port}/hook", "mailto://u:p@gateway.example:{port}?smtp=mail.example&mode=insecure&to=a@gateway.example"])
async def test_a_name_that_leads_away_at_the_look_and_to_the_hub_at_the_send_reaches_nothing(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, ask = Counter[str](), socket.getaddrinfo

    def rebinding(host: str, port: int | None, *given: Any, **more: Any) -> Any:
        asked[host] += 1
        if not host.endswith(".example"):
            return ask(host, port, *given, **more)
        return ask("203.0.113.9" if asked[host] == 1 else "127.0.0.1", port, *given, **more)

    reached = []
    server = await asyncio.start_server(lambda _, writer: (reached.append(form), writer.close()), "127.0.0.1", 0)
    async with server:
        address = form.format(port=server.sockets[0].getsockname()[1])
        monkeypatch.setattr(socket, "getaddrinfo", rebinding)
        with pytest.raises(SendFailed, match="notice_near") as failed:
            await asyncio.to_thread(deliver, Message("id", address, "t", "b", urgent=False, drill=False), 5)
    assert failed.value.permanent
    assert reached == []
    assert not form.startswith("json") or asked["gateway.example"] == 2, "the name was not looked up again, so that nothing was shown"


async def test_whoever_sends_may_not_connect_here_and_everybody_else_may() -> None:
    async with Gateway() as gateway:
        socket.create_connection(("127.0.0.1", gateway.port)).close()
        with pytest.raises(SendFailed), only_away(()):
            socket.create_connection(("127.0.0.1", gateway.port))
        with pytest.raises(SendFailed), only_away(()), socket.socket(type=socket.SOCK_DGRAM) as line:  # a name that only the system looks up
            line.sendto(b"<14>", ("localhost", 514))
        with pytest.raises(SendFailed), only_away(()), socket.socket(socket.AF_UNIX) as line:
            line.connect("/run/dbus/system_bus_socket")
        with only_away(NEAR):
            socket.create_connection(("127.0.0.1", gateway.port)).close()
        socket.create_connection(("127.0.0.1", gateway.port)).close()


async def test_a_gateway_sends_the_hub_nowhere_else() -> None:
    async with Gateway() as inner:
        async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{inner.port}/hook\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(elsewhere, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(SendFailed):
                await asyncio.to_thread(deliver, Message("id", f"json://127.0.0.1:{port}/x", "t", "b", urgent=False, drill=False), 5, NEAR)
        assert inner.got == []


def test_every_public_route_that_writes_is_one_of_those_thought_through() -> None:
    assert {(route.method, route.path) for route in all_routes() if route.action == PUBLIC and route.method not in SAFE_METHODS} == {
        ("POST", "/api/v1/session"), ("POST", "/api/v1/session/welcome"), ("POST", "/api/v1/enroll"), ("POST", "/z/{token}")}

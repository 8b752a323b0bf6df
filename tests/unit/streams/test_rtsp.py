"""The RTSP dialogue against a scripted camera: credentials, redirections, odd answers, and what each becomes."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from hub.errors import Rejected
from streams.address import Address
from streams.fragment import Unit
from streams.packet import blocking
from streams.rtp import NTP_UNIX_S, NotOurs
from streams.rtsp import GATHERED_BYTES, UNWATCHED_GATHER_S, Credentials, RtspSupply, parameter_sets, read_sdp
from streams.source import Source, SourceOptions

SDP = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=camera
a=control:*
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1;profile-level-id=42c01f;sprop-parameter-sets=Z0LAH9oBQBbsBEAAAAMAQAAADIPGDKg=,aM48gA==
a=control:trackID=1
m=audio 0 RTP/AVP 8
a=control:trackID=2
"""


@contextmanager
def camera(answer: Callable[[str, str, dict[str, str]], str | bytes]) -> Iterator[tuple[int, list[str]]]:
    """A camera that answers each request with what `answer(method, url, headers)` says; gives its port and what it was asked."""
    listener, asked = socket.create_server(("127.0.0.1", 0)), []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            while line := lines.readline().decode().strip():
                method, url, _ = line.split()
                headers: dict[str, str] = {}
                while head := lines.readline().decode().strip():
                    name, _, value = head.partition(": ")
                    headers[name] = value
                asked.append(f"{method} {url}")
                said = answer(method, url, headers)
                connection.sendall(said if isinstance(said, bytes) else said.replace("\n", "\r\n").replace("CSEQ", headers["CSeq"]).encode())

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1], asked
    finally:
        listener.close()


def usual(method: str, url: str, headers: dict[str, str]) -> str:
    body = SDP.replace("\n", "\r\n") if method == "DESCRIBE" else ""
    more = {"SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=4-5\nSession: 77;timeout=30\n", "DESCRIBE": f"Content-Length: {len(body)}\n"}
    return f"RTSP/1.0 200 OK\nCSeq: CSEQ\n{more.get(method, '')}\n" + body.replace("\r\n", "\n")


def supply(port: int, *, path: str = "/live?channel=1", login: str = "", wanted: Callable[[], bool] = lambda: True) -> RtspSupply:
    return RtspSupply(Address(f"rtsp://{login}127.0.0.1:{port}{path}", None), 0.7, threading.Event(), wanted=wanted)


def test_the_camera_is_asked_in_order_and_the_sound_that_no_browser_plays_is_named() -> None:
    with camera(usual) as (port, asked), supply(port) as opened:
        assert (opened.codec, opened.dropped_audio, opened.audio) == ("h264", "pcm_alaw", None)
        assert opened.extradata.startswith(b"\x00\x00\x00\x01\x67")
    base = f"rtsp://127.0.0.1:{port}/live?channel=1"
    assert asked[:4] == [f"OPTIONS {base}", f"DESCRIBE {base}", f"SETUP {base}/trackID=1", f"PLAY {base}"]


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_a_digest_is_answered_and_the_password_never_goes_out(algorithm: str) -> None:
    seen: list[str] = []

    def guarded(method: str, url: str, headers: dict[str, str]) -> str:
        said = headers.get("Authorization", "")
        seen.append(said)
        if method == "OPTIONS":
            return usual(method, url, headers)
        if not said:
            return (f'RTSP/1.0 401 Unauthorized\nCSeq: CSEQ\nWWW-Authenticate: Basic realm="cam"\n'
                    f'WWW-Authenticate: Digest realm="cam", nonce="n1", qop="auth", algorithm={algorithm}\n\n')
        fields = dict(re.findall(r'(\w+)="?([^",]+)"?', said))
        algo = hashlib.md5 if algorithm == "MD5" else hashlib.sha256

        def h(*words: str) -> str:
            return algo(":".join(words).encode()).hexdigest()

        right = h(h("admin", "cam", "p:w@d"), "n1", fields["nc"], fields["cnonce"], "auth", h(method, url))
        return usual(method, url, headers) if fields["response"] == right else "RTSP/1.0 401 Unauthorized\nCSeq: CSEQ\n\n"

    with camera(guarded) as (port, _), supply(port, login="admin:p%3Aw%40d@") as opened:
        assert opened.codec == "h264"
    assert not any("p:w@d" in said or "Basic" in said for said in seen)


def test_basic_is_used_where_nothing_better_is_offered() -> None:
    assert Credentials("a", "b").challenged('Basic realm="x"')
    given = Credentials("a", "b")
    given.challenged('Basic realm="x"')
    assert given.header("DESCRIBE", "rtsp://x/") == "Basic YTpi"
    assert not Credentials("a", "b").challenged("Negotiate")


@pytest.mark.parametrize(("status", "code"), [("401 Unauthorized", "unauthorised"), ("403 Forbidden", "unauthorised"), ("404 Not Found", "not_found"),
                                              ("453 Not Enough Bandwidth", "unreachable"), ("500 Oops", "unreachable")])
def test_a_refusal_is_named(status: str, code: str) -> None:
    with camera(lambda *_: f"RTSP/1.0 {status}\nCSeq: CSEQ\n\n") as (port, _), pytest.raises(Rejected) as refused, supply(port):
        pass
    assert refused.value.code == code


@pytest.mark.parametrize("status", ["302 Moved Temporarily", "461 Unsupported Transport"])
def test_what_another_transport_may_solve_is_left_to_libav(status: str) -> None:
    with camera(lambda *_: f"RTSP/1.0 {status}\nCSeq: CSEQ\n\n") as (port, _), pytest.raises(NotOurs), supply(port):
        pass


@pytest.mark.parametrize(("said", "code"), [(b"\x00\x01\x02\x03" * 50, "garbage"), (b"HELO" + b"x" * 70_000, "garbage"), (b"RTSP/1.0 200 OK\r\n", "timeout"),
                                            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "garbage"),
                                            (b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n", "garbage")])
def test_a_camera_that_answers_nonsense_or_half_is_named_within_the_timeout(said: bytes, code: str) -> None:
    with camera(lambda *_: said) as (port, _), pytest.raises(Rejected) as refused, supply(port):
        pass
    assert refused.value.code == code


def test_pictures_that_nobody_wants_gather_unless_many_have_come() -> None:
    wanted = [True]
    with camera(usual) as (port, _), supply(port, wanted=lambda: wanted[0]) as opened:
        assert opened.gather_s(1000) == 0
        wanted[0] = False
        assert opened.gather_s(1000) == UNWATCHED_GATHER_S
        assert opened.gather_s(GATHERED_BYTES) == 0


def test_a_camera_that_dribbles_its_answer_is_a_timeout() -> None:
    release = threading.Event()

    def slow(connection: socket.socket) -> None:
        with connection:
            connection.recv(4096)
            while not release.wait(0.1):
                try:
                    connection.sendall(b"R")
                except OSError:
                    return

    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: slow(listener.accept()[0]), daemon=True).start()
    try:
        with pytest.raises(Rejected) as refused, supply(listener.getsockname()[1]):
            pass
        assert refused.value.code in ("timeout", "garbage")
    finally:
        release.set()
        listener.close()


def test_pictures_come_from_the_channel_that_the_camera_chose() -> None:
    picture = b"\x80\xe0\x00\x01" + bytes(8) + b"\x65\x88\x01\x02"

    def playing(method: str, url: str, headers: dict[str, str]) -> bytes:
        said = usual(method, url, headers).replace("\n", "\r\n").replace("CSEQ", headers["CSeq"]).encode()
        packet = b"$\x04" + len(picture).to_bytes(2, "big") + picture
        return said + b"$\x00\x00\x04abcd" + packet if method == "PLAY" else said

    with camera(playing) as (port, _), supply(port) as opened:
        assert next(blocking(opened.steps())).data == b"\x00\x00\x00\x01\x65\x88\x01\x02"


def test_a_camera_whose_clock_is_thirty_years_off_from_the_beginning_is_named_and_its_pictures_bear_our_time() -> None:
    def picture(n: int) -> bytes:
        return b"\x80\xe0" + struct.pack(">HII", n, 90_000 + n * 3600, 7) + b"\x65\x88\x01\x02"

    then = int((time.time() - 30 * 365 * 86_400 + NTP_UNIX_S) * 2**32)
    parts = [(5, struct.pack(">BBHIQIII", 0x80, 200, 6, 7, then, 90_000, 1, 1)), *((4, picture(n)) for n in range(1, 12))]

    def playing(method: str, url: str, headers: dict[str, str]) -> bytes:
        said = usual(method, url, headers).replace("\n", "\r\n").replace("CSEQ", headers["CSeq"]).encode()
        return said + b"".join(b"$" + bytes((channel,)) + len(body).to_bytes(2, "big") + body for channel, body in parts) if method == "PLAY" else said

    stop = threading.Event()
    with camera(playing) as (port, _):
        source = Source(Address(f"rtsp://127.0.0.1:{port}/live", None), SourceOptions(timeout_s=0.7))
        began_ms = time.time() * 1000
        units: list[Unit] = []
        for event in source.events(stop):
            if isinstance(event, Unit):
                units.append(event)
            if len(units) == 8:
                stop.set()
    assert source.clock.is_wrong and source.clock.off_s == pytest.approx(-30 * 365 * 86_400, abs=5)
    assert source.clock_jumps == 0
    assert [round((unit.dts - units[0].dts) / 3600) for unit in units] == list(range(8))
    assert all(began_ms - 1 <= unit.wall_ms <= time.time() * 1000 + 1 for unit in units)


def test_descriptions_are_read_as_cameras_write_them() -> None:
    media = read_sdp(SDP.replace("\n", "\r\n") + "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\nm=broken\r\n")
    assert [(one.kind, one.name, one.rate_hz) for one in media] == [
        ("video", "H264", 90_000), ("audio", "PCMA", 8000), ("application", "VND.ONVIF.METADATA", 90_000)]
    assert parameter_sets(media[0]).count(b"\x00\x00\x00\x01") == 2
    assert read_sdp("garbage") == []

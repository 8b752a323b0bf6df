"""Sources that misbehave: each ends as a named trouble, is tried again, and never says its password."""

from __future__ import annotations

import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from hub.operate.bench_camera import RtspServer
from streams.address import Address
from streams.fragment import Track, Unit, fragment, init_segment
from streams.source import Event, Packet, Source, SourceOptions, Tracks, Transport, Trouble, _Flood, _Joiner, pause_s
from streams.strip import read_strip
from tests.support.chunks import units
from tests.support.ports import free_port

QUICK = SourceOptions(timeout_s=0.7, first_pause_s=0.05, longest_pause_s=0.2)


def collect(source: Source, enough: Callable[[list[Event]], object], within_s: float = 40) -> list[Event]:
    stop, events, ends = threading.Event(), [], time.monotonic() + within_s
    timer = threading.Timer(within_s, stop.set)
    timer.start()
    for event in source.events(stop):
        events.append(event)
        if enough(events):
            stop.set()
    timer.cancel()
    assert enough(events), f"not within {within_s} s: {[e for e in events if not isinstance(e, Unit)]}"
    assert time.monotonic() < ends + 1
    return events


def troubles(events: list[Event]) -> list[str]:
    return [event.code for event in events if isinstance(event, Trouble)]


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server whose every connection is handed to `serve` in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def accept() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=run, args=(connection,), daemon=True).start()

    def run(connection: socket.socket) -> None:
        try:
            serve(connection)
        except OSError:
            pass
        finally:
            connection.close()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        listener.close()


def test_a_camera_that_hangs_half_open_is_a_timeout_and_tried_again() -> None:
    release = threading.Event()
    with server(lambda connection: release.wait(20) and None) as port:
        events = collect(Source(Address(f"rtsp://admin:hunter2@127.0.0.1:{port}/x"), QUICK), lambda events: len(troubles(events)) >= 2)
        release.set()
    assert set(troubles(events)) == {"timeout"}
    assert "hunter2" not in repr(events)


def test_a_camera_that_sends_garbage_is_named(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    rng = random.Random(1)
    with server(lambda connection: connection.sendall(rng.randbytes(200_000))) as port:
        events = collect(Source(Address(f"http://admin:hunter2@127.0.0.1:{port}/x?pwd=geheim"), QUICK), lambda events: troubles(events))
    assert troubles(events)[0] in ("garbage", "ended", "unreachable", "timeout")
    for record in caplog.records:
        assert "hunter2" not in str(record.__dict__) and "geheim" not in str(record.__dict__)


def test_a_camera_that_refuses_and_a_wrong_password_and_a_missing_stream_are_told_apart() -> None:
    with RtspServer("admin:right", port=free_port()) as camera:
        def first(url: str) -> str:
            return troubles(collect(Source(Address(url), QUICK), troubles))[0]

        assert first(camera.url("/h264", "admin:wrong")) == "unauthorised"
        assert first(camera.url("/nothing", "admin:right")) == "not_found"
        port = camera.port
        found = collect(Source(Address(camera.url("/h264"), ("admin", "right"))), lambda events: sum(isinstance(e, Unit) for e in events) > 3)
        assert not troubles(found)
    assert first(f"rtsp://127.0.0.1:{port}/h264") == "refused"


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp_over_tcp_and_udp_gives_the_first_key_frame_first(transport: str) -> None:
    with RtspServer(port=free_port()) as camera:
        options = SourceOptions(transport=Transport(transport))
        events = collect(Source(Address(camera.url("/h264")), options), lambda events: sum(isinstance(e, Unit) for e in events) > 30, 25)
    assert isinstance(events[0], Tracks)
    video = [event for event in events if isinstance(event, Unit)]
    assert video[0].key
    assert all(b.dts > a.dts for a, b in pairwise(video))


def mjpeg(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n")
    for n in range(400):
        ok, picture = cv2.imencode(".jpg", np.full((120, 160, 3), n * 5 % 255, np.uint8))
        assert ok
        body = picture.tobytes()
        connection.sendall(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(body), body))
        time.sleep(0.02)


def test_motion_jpeg_becomes_h264_and_says_so_and_costs_little_while_nobody_watches() -> None:
    with server(mjpeg) as port:
        address = Address(f"http://127.0.0.1:{port}/stream")
        watched = Source(address, QUICK)
        events = collect(watched, lambda events: sum(isinstance(e, Unit) for e in events) >= 20)
        first = next(event for event in events if isinstance(event, Tracks))
        assert (first.transcoded, first.video.codec) == ("mjpeg", "h264")
        idle = Source(address, SourceOptions(idle_picture_s=0.4), wanted=lambda: False)
        rows = [e for e in collect(idle, lambda events: sum(isinstance(e, Unit) for e in events) >= 4) if isinstance(e, Unit)]
    assert all(unit.key for unit in rows)
    assert idle.encoded_pictures == 4


def test_a_file_plays_at_its_own_pace_and_again_from_the_start(tmp_path: Path) -> None:
    config, made = units(25)
    path = tmp_path / "clip.mp4"
    path.write_bytes(init_segment(config) + fragment(1, made))
    began = time.monotonic()
    events = collect(Source(Address(str(path))), lambda events: sum(isinstance(e, Unit) for e in events) >= 40)
    assert 1.2 < time.monotonic() - began < 4
    dts = [event.dts for event in events if isinstance(event, Unit)]
    assert dts == sorted(set(dts))


def test_a_file_that_is_no_video_is_garbage(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(random.Random(2).randbytes(50_000))
    assert troubles(collect(Source(Address(str(tmp_path / "x.mp4")), QUICK), troubles))[0] == "garbage"


def test_the_synthetic_camera_carries_the_wall_clock_in_its_picture() -> None:
    events = collect(Source(Address("synthetic:?size=320x180&rate=20")), lambda events: sum(isinstance(e, Unit) for e in events) >= 10)
    tracks = next(event for event in events if isinstance(event, Tracks))
    video = [event for event in events if isinstance(event, Unit) and event.track is Track.VIDEO]
    decoder: Any = av.CodecContext.create("h264", "r")
    decoder.extradata = tracks.video.record
    frames = [frame for unit in video for frame in decoder.decode(av.Packet(unit.data))]
    assert [read_strip(frame.to_ndarray(format="bgr24")) for frame in frames] == [unit.wall_ms for unit in video[:len(frames)]]
    assert tracks.transcoded is None


def test_pauses_double_up_to_their_limit_and_differ_between_cameras() -> None:
    options = SourceOptions(first_pause_s=1, longest_pause_s=60)
    for attempt in range(10):
        pauses = {pause_s(attempt, options, random.Random(seed)) for seed in range(20)}
        assert min(2**attempt, 60) / 2 <= min(pauses) and max(pauses) <= min(2**attempt, 60)
        assert len(pauses) > 10


class Given:
    """A supply of given packets."""

    whole, codec, extradata, audio, dropped_audio = True, "h264", b"", None, None

    def __init__(self, packets: list[Packet]) -> None:
        self._packets = packets

    def steps(self) -> Iterator[Packet]:
        yield from self._packets

    def encoder(self, width: int, height: int) -> Any:
        raise AssertionError("nothing is transcoded")


def test_a_clock_that_leaps_thirty_years_is_named_once_and_no_picture_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    years = 30 * 365 * 86_400 * 90_000
    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt, context.framerate, context.time_base = 160, 96, "yuv420p", 25, Fraction(1, 25)
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "10"}
    packets = []
    for n in range(60):
        frame = av.VideoFrame.from_ndarray(np.full((96, 160, 3), 4 * n, np.uint8), format="rgb24")
        frame.pts = n
        at = n * 3600 + (years if 20 <= n < 40 else 0)
        packets += [Packet(Track.VIDEO, bytes(p), p.is_keyframe, at, at) for p in context.encode(frame)]
    source = Source(Address("rtsp://camera/x"))
    events = list(source._pass_on(Given(packets), threading.Event()))
    shown = [event for event in events if isinstance(event, Unit)]
    assert len(shown) == 60 and all(0 < b.dts - a.dts < 90_000 for a, b in pairwise(shown))
    assert troubles(events) == ["clock_jump"] and source.clock_jumps == 2
    assert [record.levelname for record in caplog.records if "clock leapt" in record.message] == ["WARNING"]


def test_a_flood_is_named_once_and_ends_after_a_quiet_window() -> None:
    flood = _Flood(max_mbps=1)
    found = [flood.take(50_000, n / 25) for n in range(50)]
    assert [trouble.code for trouble in found if trouble] == ["flood"]
    assert flood.over
    flood.take(10, 3.0)
    flood.take(10, 5.5)
    assert not flood.over


def packet(n: int) -> Packet:
    return Packet(Track.VIDEO, b"", True, n, n)


def test_key_frames_cut_up_by_repeated_parameter_sets_are_put_together_and_others_never_wait() -> None:
    from streams.fragment import Taken

    joiner = _Joiner()
    whole, first, rest, delta = (Taken(b"K", True, False, False), Taken(b"A", True, False, False), Taken(b"B", True, False, True),
                                 Taken(b"d", False, False, False))
    assert joiner.take(first, packet(1)) == []
    assert joiner.take(rest, packet(2)) == []
    assert [row[0] for row in joiner.take(delta, packet(3))] == [b"AB", b"d"]
    assert joiner.split == 1
    for n in range(3):
        assert joiner.take(whole, packet(n)) == []
        assert [row[0] for row in joiner.take(delta, packet(n))] == [b"K", b"d"]
    assert [row[0] for row in joiner.take(whole, packet(9))] == [b"K"]

"""Streams that one thread reads: who is read when, and whose they are again once they no longer flow."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from streams.fragment import Track, Unit
from streams.packet import Wait
from streams.reader import Reader
from streams.source import Event, Step, Trouble


def picture(n: int) -> Unit:
    return Unit(Track.VIDEO, b"", True, n, n, 1, n)


class Camera:
    """A stream that gives a picture for each byte that is sent to it, and what a letter stands for."""

    def __init__(self, gather_s: float = 0.0, patience_s: float = 30.0) -> None:
        self.far, self.near = socket.socketpair()
        self.near.setblocking(False)
        self.gather_s, self.patience_s = gather_s, patience_s
        self.taken: list[tuple[str, Event]] = []
        self.came = threading.Event()
        self.over = False
        self.first = self.wait()

    def wait(self) -> Wait:
        return Wait(self.near, self.gather_s, time.monotonic() + self.patience_s)

    def steps(self) -> Iterator[Step]:
        while True:
            try:
                data = self.near.recv(100)
            except BlockingIOError:
                yield Trouble("timeout", "", "") if time.monotonic() >= self.first.until_s else self.wait()
                continue
            for byte in data:
                match chr(byte):
                    case "t":
                        yield Trouble("refused", "", "")
                    case "b":
                        raise ZeroDivisionError
                    case "e":
                        return
                    case _:
                        yield picture(byte)
            yield self.wait()

    def take(self, event: Event) -> None:
        self.taken.append((threading.current_thread().name, event))
        self.came.set()

    def read(self, reader: Reader) -> Step | None:
        return reader.read(self.steps(), self.first, self.take, lambda: self.over)


@pytest.fixture
def reader() -> Iterator[Reader]:
    made = Reader()
    yield made
    made.close()


def reading(reader: Reader, *cameras: Camera) -> list[threading.Thread]:
    threads = [threading.Thread(target=camera.read, args=(reader,), daemon=True) for camera in cameras]
    for thread in threads:
        thread.start()
    return threads


def test_many_streams_are_read_in_one_thread(reader: Reader) -> None:
    cameras = [Camera() for _ in range(5)]
    threads = reading(reader, *cameras)
    for n, camera in enumerate(cameras):
        camera.far.send(bytes((n, n)))
    for n, camera in enumerate(cameras):
        assert camera.came.wait(5)
        camera.far.send(b"e")
        threads[n].join(5)
        assert [event for _, event in camera.taken] == [picture(n), picture(n)]
    assert len({name for camera in cameras for name, _ in camera.taken}) == 1


@pytest.mark.parametrize(("letter", "code"), [(b"t", "refused"), (b"e", None)])
def test_a_trouble_and_the_end_are_the_callers(reader: Reader, letter: bytes, code: str | None) -> None:
    camera = Camera()
    camera.far.send(b"\x01" + letter + b"\x02")
    last = camera.read(reader)
    assert (last.code if isinstance(last, Trouble) else last) == code
    assert [event for _, event in camera.taken] == [picture(1)]


def test_what_goes_wrong_while_it_is_read_is_the_callers_and_no_other_stream_hears_of_it(reader: Reader) -> None:
    broken, well = Camera(), Camera()
    reading(reader, well)
    broken.far.send(b"b")
    with pytest.raises(ZeroDivisionError):
        broken.read(reader)
    well.far.send(b"\x01")
    assert well.came.wait(5)


def test_a_silent_camera_is_asked_again_once_its_patience_is_over(reader: Reader) -> None:
    last = Camera(patience_s=0.3).read(reader)
    assert isinstance(last, Trouble) and last.code == "timeout"


def test_what_is_over_is_the_callers_at_its_wait(reader: Reader) -> None:
    camera = Camera()
    (thread,) = reading(reader, camera)
    camera.far.send(b"\x01")
    assert camera.came.wait(5)
    camera.over = True
    thread.join(5)
    assert not thread.is_alive()


def test_what_gathers_is_read_after_its_while_and_at_once_where_somebody_is_in_a_hurry(reader: Reader) -> None:
    patient, eager = Camera(gather_s=0.05), Camera(gather_s=3600.0)
    reading(reader, patient, eager)
    for camera in (patient, eager):
        camera.far.send(b"\x01")
    assert patient.came.wait(5)
    assert not eager.came.is_set()
    until = time.monotonic() + 5
    while not eager.came.wait(0.05) and time.monotonic() < until:
        reader.hurry()
    assert eager.came.is_set()


def test_with_the_reader_closed_everything_is_the_callers() -> None:
    reader, camera = Reader(), Camera()
    (thread,) = reading(reader, camera)
    camera.far.send(b"\x01")
    assert camera.came.wait(5)
    reader.close()
    thread.join(5)
    assert not thread.is_alive()
    assert isinstance(camera.read(reader), Wait)

"""One thread that reads what the cameras of a process send: ten threads that wake for each packet fight over the interpreter, and cost twice as much.

Opening, failing and waiting for another attempt stay in each camera's own thread: only a stream that flows is read here. It decides nothing.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from streams.packet import Wait
from streams.source import Event, Step, Trouble

GATHER_S: Final = 0.002
"""What comes within it is read at one go: a wake-up for each packet of a picture is most of what a camera costs (own choice: 2 ms of delay)."""
LOOK_S: Final = 0.5
"""How often it is looked whether a camera is silent for too long, or is to be read no longer."""


class _Stream:
    """One stream that is read: `over` is set with what ended the reading."""

    def __init__(self, steps: Iterator[Step], wait: Wait, take: Callable[[Event], None], is_over: Callable[[], bool]) -> None:
        self.steps, self.wait, self.take, self.is_over = steps, wait, take, is_over
        self.over = threading.Event()
        self.last: Step | None = None
        self.error: BaseException | None = None
        self.listens = False


class Reader:
    """`read` hands a stream over and returns when it is the caller's again. The thread begins with the first stream and ends with `close`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._selector = selectors.DefaultSelector()
        self._new: list[_Stream] = []
        self._streams: set[_Stream] = set()
        self._later: list[tuple[float, int, _Stream]] = []
        self._turn = itertools.count()
        self._hurry = self._closed = False
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ)

    def read(self, steps: Iterator[Step], wait: Wait, take: Callable[[Event], None], is_over: Callable[[], bool]) -> Step | None:
        """Read on from `wait` and give every event to `take`; blocks. Returns a Trouble as it comes, the Wait it stands at once `is_over`, or None at its end."""
        stream = _Stream(steps, wait, take, is_over)
        with self._lock:
            if self._closed:
                return wait
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="cameras reader", daemon=True)
                self._thread.start()
            self._new.append(stream)
        self._ring()
        stream.over.wait()
        if stream.error is not None:
            raise stream.error
        return stream.last

    def hurry(self) -> None:
        """Read at once what was given time to gather: somebody looks now."""
        self._hurry = True
        self._ring()

    def close(self) -> None:
        """End the thread; what it still reads is its caller's again."""
        with self._lock:
            self._closed = True
            thread = self._thread
        self._ring()
        if thread is not None:
            thread.join()
        self._selector.close()
        self._bell.close()
        self._ear.close()

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it has been rung often enough
            self._bell.send(b"!")

    def _run(self) -> None:
        looked_at = time.monotonic()
        while not self._closed:
            now = time.monotonic()
            due = self._later[0][0] if self._later else now + LOOK_S
            ready = self._selector.select(max(0.0, min(due - now, LOOK_S)))
            if any(key.data is not None for key, _ in ready):
                time.sleep(GATHER_S)
                ready = self._selector.select(0)
            for key, _ in ready:
                if key.data is None:
                    self._hear()
                else:
                    self._step(key.data)
            now = time.monotonic()
            for stream in self._due(now):
                self._step(stream)
            if now - looked_at >= LOOK_S:
                looked_at = now
                for stream in [one for one in self._streams if one.listens and (now >= one.wait.until_s or one.is_over())]:
                    self._step(stream)
        self._hear()
        for stream in list(self._streams):
            self._end(stream, stream.wait)

    def _due(self, now: float) -> list[_Stream]:
        """What has gathered for long enough; all of it where somebody is in a hurry."""
        until, self._hurry = (float("inf") if self._hurry else now), False
        due: list[_Stream] = []
        while self._later and self._later[0][0] <= until:
            due.append(heapq.heappop(self._later)[2])
        return due

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._ear.recv(4096)
        with self._lock:
            new, self._new = self._new, []
        for stream in new:
            self._streams.add(stream)
            self._park(stream)

    def _step(self, stream: _Stream) -> None:
        """Everything up to the next wait."""
        try:
            for step in stream.steps:
                if isinstance(step, Wait):
                    stream.wait = step
                    return self._end(stream, step) if stream.is_over() else self._park(stream)
                if isinstance(step, Trouble):
                    return self._end(stream, step)
                stream.take(step)
        except BaseException as error:  # whoever handed the stream over hears of it, as if it had read itself
            stream.error = error
        self._end(stream, None)

    def _park(self, stream: _Stream) -> None:
        """Listen to it, or look again after a while."""
        listens = stream.wait.gather_s <= GATHER_S
        if listens != stream.listens:
            stream.listens = listens
            if listens:
                self._selector.register(stream.wait.sock, selectors.EVENT_READ, stream)
            else:
                self._selector.unregister(stream.wait.sock)
        if not listens:
            heapq.heappush(self._later, (time.monotonic() + stream.wait.gather_s, next(self._turn), stream))

    def _end(self, stream: _Stream, last: Step | None) -> None:
        if stream.listens:
            self._selector.unregister(stream.wait.sock)
        self._streams.discard(stream)
        stream.last = last
        stream.over.set()

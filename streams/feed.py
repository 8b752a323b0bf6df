"""One stream of one camera: opens the source in a thread of its own, reads it and hands tracks, units and troubles on. Decides nothing."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable

from streams.address import Address
from streams.fragment import Unit
from streams.packet import Wait
from streams.reader import Reader
from streams.source import Source, SourceOptions, Step, Tracks, Trouble

Take = Callable[[str, Tracks | Unit | Trouble], None]


class Feed:
    """A source that runs while it is started; every event goes to `take(name, event)`, in the feed's thread or, while the stream flows and is not
    `heavy` to take (it is transcoded), in the one of `reader`."""

    def __init__(self, name: str, camera_id: str, address: Address, options: SourceOptions, take: Take, wanted: Callable[[], bool], *,
                 reader: Reader, heavy: Callable[[], bool] = lambda: False) -> None:
        self.name = name
        self.source = Source(address, options, wanted=wanted)
        self._reader, self._heavy = reader, heavy
        self._camera_id, self._take = camera_id, take
        self._stop: threading.Event | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Has it been started and not stopped?"""
        return self._stop is not None

    def start(self) -> None:
        """Open the source in the background; does nothing where it runs already or its last thread is still ending."""
        if self._stop is not None or (self._thread is not None and self._thread.is_alive()):
            return
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._stop,), name=f"camera {self._camera_id} {self.name}", daemon=True)
        self._thread.start()

    def stop(self, wait_s: float = 0.0) -> None:
        """Ask it to end; a camera that hangs is left to its read timeout."""
        if self._stop is not None:
            self._stop.set()
            self._stop = None
        if wait_s and self._thread is not None:
            self._thread.join(wait_s)

    def _run(self, stop: threading.Event) -> None:
        steps = self.source.steps(stop)
        take = functools.partial(self._take, self.name)
        for step in steps:
            now: Step | None = step
            if isinstance(step, Wait) and not self._heavy():
                now = self._reader.read(steps, step, take, lambda: stop.is_set() or self._heavy())
            if isinstance(now, Wait):
                now.block()
            elif now is not None:
                take(now)

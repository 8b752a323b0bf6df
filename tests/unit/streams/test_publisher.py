"""What a camera sends when, without a network: a line whose own thread takes what is published only between two pictures."""

from __future__ import annotations

from datetime import UTC, datetime

from hub.wire import PRE_EVENT, Command, CommandKind, MediaKind
from streams.publisher import Outlet, Publisher
from streams.ring import Ring
from streams.source import Tracks
from streams.uplink import Level
from tests.support.chunks import units


class BusyLine(Publisher):
    """A connection whose thread never gets to the socket before the sender looks whether it is idle."""

    def __init__(self) -> None:
        self.sent: list[tuple[MediaKind, bool]] = []
        self.under_way = 0

    def send(self, camera_id: str, kind: MediaKind, payload: bytes, *, must: bool = False) -> bool:
        self.sent.append((kind, bool(payload[1] & PRE_EVENT)))
        self.under_way += 1
        return True

    def has_room(self, size: int) -> bool:
        return True

    def is_idle(self) -> bool:
        return not self.under_way

    def level(self) -> Level:
        return Level.FULL


def test_the_seconds_before_go_on_a_line_that_is_busy_with_every_picture() -> None:
    config, made = units(125)
    line = BusyLine()
    outlet = Outlet("cam", line, {"main": Ring(3)})
    outlet.tracks("main", Tracks(video=config))
    for unit in made[:100]:
        outlet.unit("main", unit)
    outlet.command(Command(id="s-1", kind=CommandKind.START, at=datetime.now(UTC), camera_id="cam", ttl_s=30.0, body={"pre_event_s": 3}))
    assert line.sent == [(MediaKind.INIT, False), (MediaKind.MEDIA, False), (MediaKind.MEDIA, False)], "the key frame goes before the rest of its group"
    for unit in made[100:]:
        line.under_way = 0
        outlet.unit("main", unit)
    assert sum(pre_event for _, pre_event in line.sent) == 3
    assert len(line.sent) == 3 + 25 + 3

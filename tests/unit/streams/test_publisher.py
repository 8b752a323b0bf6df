"""What a camera sends when, without a network: a line whose own thread takes what is published only between two pictures."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

from hub.wire import ASKED, PRE_EVENT, Command, CommandKind, MediaHeader, MediaKind, parse_media
from streams.publisher import Outlet, Publisher
from streams.ring import Ring
from streams.source import Tracks
from streams.uplink import Level
from tests.support.chunks import units


class BusyLine(Publisher):
    """A connection whose thread never gets to the socket before the sender looks whether it is idle."""

    def __init__(self) -> None:
        self.sent: list[tuple[MediaKind, bool]] = []
        self.headers: list[MediaHeader] = []
        self.bears = Level.FULL
        self.under_way = 0

    def send(self, camera_id: str, kind: MediaKind, payload: bytes, *, must: bool = False) -> bool:
        self.sent.append((kind, bool(payload[1] & PRE_EVENT)))
        self.headers.append(parse_media(payload))
        self.under_way += 1
        return True

    def has_room(self, size: int) -> bool:
        return True

    def is_idle(self) -> bool:
        return not self.under_way

    def level(self) -> Level:
        return self.bears


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


def test_each_quality_has_its_stream_and_what_comes_to_the_same_is_sent_once() -> None:
    config, made = units(125)
    line = BusyLine()
    outlet = Outlet("cam", line, {"main": Ring(0), "sub": Ring(0)})
    for feed in ("main", "sub"):
        outlet.tracks(feed, Tracks(video=config))

    def pictures(begin: int, end: int) -> list[MediaHeader]:
        line.headers.clear()
        for unit in made[begin:end]:
            for feed in ("main", "sub"):
                outlet.unit(feed, unit)
        return list(line.headers)

    pictures(0, 30)
    for n, quality in enumerate(("main", "sub", "h264")):
        outlet.command(Command(id=f"s-{n}", kind=CommandKind.START, at=datetime.now(UTC), camera_id="cam", quality=quality, ttl_s=30.0))
    full, small, both = ASKED["main"] | ASKED["h264"], ASKED["sub"], ASKED["main"] | ASKED["h264"] | ASKED["sub"]
    sent = pictures(30, 50)
    assert [header.flags & both for header in sent] == [full, small] * 20, "an H.264 camera's own stream serves who asked for H.264"
    for asked in (full, small):
        assert all(b.seq - a.seq == 1 for a, b in pairwise(header for header in sent if header.flags & both == asked))
    line.bears = Level.SUB_STREAM
    sent = pictures(50, 60)
    assert {header.flags & both for header in sent} == {both} and [header.kind for header in sent].count(2) == 1
    assert len(sent) == 1 + 1 + 9, "init and the group that is on, and then each picture once for all"
    line.bears = Level.FULL
    sent = pictures(60, 70)
    assert {header.flags & both for header in sent} == {full, small}
    outlet.command(Command(id="s-0", kind=CommandKind.STOP, at=datetime.now(UTC), camera_id="cam"))
    assert {header.flags & both for header in pictures(70, 80)} == {ASKED["h264"], small}

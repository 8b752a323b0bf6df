"""The relay: bounded queues, caches, on-demand starts, revocation; with a line that only remembers what it was told."""

from __future__ import annotations

import asyncio
import os
import time

import msgspec
import pytest

from hub.errors import Unavailable
from hub.wire import Command, CommandKind, MediaKind, media_header
from streams.fragment import parse_fragment, parse_init
from streams.relay import CameraKey, Chunk, FeedState, Relay, RelayLimits, Viewer
from tests.support.chunks import init_message, media_message, units

KEY = CameraKey("plant-1", "cam")


class RememberingLine:
    """A line to nowhere."""

    def __init__(self) -> None:
        self.subscribed: set[CameraKey] = set()
        self.commands: list[Command] = []

    def subscribe(self, key: CameraKey) -> None:
        self.subscribed.add(key)

    def unsubscribe(self, key: CameraKey) -> None:
        self.subscribed.discard(key)

    def command(self, key: CameraKey, command: Command) -> None:
        self.commands.append(command)


class Rig:
    def __init__(self, **limits: object) -> None:
        self.now = 1000.0
        self.line = RememberingLine()
        self.relay = Relay(self.line, limits=RelayLimits(**limits), steady=lambda: self.now)  # type: ignore[arg-type]
        self.config, self.units = units(100)
        self.seq = 0

    def init(self) -> None:
        self.feed(MediaKind.INIT, init_message(self.config, self.next_seq()))

    def next_seq(self) -> int:
        self.seq += 1
        return self.seq - 1

    def frames(self, begin: int, end: int) -> None:
        for n in range(begin, end):
            self.feed(MediaKind.MEDIA, media_message(self.units[n], self.next_seq()))

    def feed(self, kind: MediaKind, payload: bytes) -> None:
        self.relay.feed(KEY.agent_id, KEY.camera_id, kind, payload)


def times(chunks: list[Chunk]) -> list[int]:
    return [sample.dts // 3600 for chunk in chunks if chunk.kind is MediaKind.MEDIA for sample in parse_fragment(chunk.body)]


def waiting(viewer: Viewer) -> list[Chunk]:
    return viewer.drain()


def test_the_first_viewer_starts_the_camera_and_after_the_linger_it_stops() -> None:
    rig = Rig(linger_s=10)
    viewer = rig.relay.attach(KEY)
    assert rig.line.subscribed == {KEY}
    assert [command.kind for command in rig.line.commands] == [CommandKind.START]
    rig.relay.detach(KEY, viewer)
    rig.now += 9
    rig.relay.tick()
    assert rig.line.commands[-1].kind is CommandKind.START
    rig.now += 2
    rig.relay.tick()
    assert rig.line.commands[-1].kind is CommandKind.STOP
    assert rig.line.commands[-1].id == rig.line.commands[0].id
    assert rig.line.subscribed == set()
    assert rig.relay.figures(KEY).state is FeedState.IDLE


def test_a_start_is_prolonged_under_its_id_while_somebody_watches() -> None:
    rig = Rig(ttl_s=30)
    rig.relay.attach(KEY)
    rig.init()
    for n in range(6):
        rig.now += 10.5
        rig.frames(n, n + 1)
        rig.relay.tick()
    assert len(rig.line.commands) == 7
    assert len({command.id for command in rig.line.commands}) == 1
    assert all(command.ttl_s == 30 for command in rig.line.commands)


def test_a_start_that_brings_nothing_is_repeated_each_second_for_half_a_minute() -> None:
    rig = Rig(ttl_s=30)
    rig.relay.attach(KEY)
    for _ in range(240):
        rig.now += 0.5
        rig.relay.tick()
    assert 35 <= len(rig.line.commands) <= 45
    assert len({command.id for command in rig.line.commands}) == 1


def test_a_second_viewer_gets_init_and_the_current_group_flagged_as_cached_and_then_live() -> None:
    rig = Rig()
    rig.relay.attach(KEY)
    rig.init()
    rig.frames(0, 30)
    second = rig.relay.attach(KEY)
    rig.frames(30, 33)
    chunks = waiting(second)
    assert chunks[0].kind is MediaKind.INIT
    assert times(chunks) == list(range(25, 33))
    assert [chunk.cached for chunk in chunks[1:]] == [True] * 5 + [False] * 3
    assert [chunk.message[1] & 2 for chunk in chunks[1:]] == [2] * 5 + [0] * 3
    assert len(rig.line.commands) == 1


def test_a_viewer_never_gets_a_picture_before_a_key_frame() -> None:
    rig = Rig()
    viewer = rig.relay.attach(KEY)
    rig.init()
    rig.frames(10, 27)
    assert times(waiting(viewer)) == [25, 26]
    assert viewer.dropped == 15


def test_a_viewer_that_does_not_read_is_bounded_in_bytes_and_goes_on_at_a_key_frame_and_no_other_is_touched() -> None:
    rig = Rig()
    slow, quick = rig.relay.attach(KEY, queue_bytes=20_000), rig.relay.attach(KEY)
    rig.init()
    got: list[Chunk] = []
    for n in range(100):
        rig.frames(n, n + 1)
        assert slow.waiting_bytes <= 20_000
        got += waiting(quick)
    assert times(got) == list(range(100))
    assert quick.dropped == 0 and slow.dropped > 0
    late = waiting(slow)
    assert late[0].kind is MediaKind.INIT
    assert not times(late) or times(late)[0] % 25 == 0


def test_a_lost_message_is_counted_and_viewers_go_on_at_the_next_key_frame() -> None:
    rig = Rig()
    viewer = rig.relay.attach(KEY)
    rig.init()
    rig.frames(0, 10)
    rig.seq += 3
    rig.frames(13, 27)
    assert rig.relay.figures(KEY).lost == 3
    assert times(waiting(viewer)) == [*range(10), 25, 26]
    late = rig.relay.attach(KEY)
    assert times(waiting(late)) == [25, 26]


def test_an_agent_that_began_anew_sends_init_again_and_viewers_go_on_at_its_key_frame() -> None:
    rig = Rig()
    viewer = rig.relay.attach(KEY)
    rig.init()
    rig.frames(0, 40)
    waiting(viewer)
    rig.seq = 0
    rig.init()
    rig.feed(MediaKind.MEDIA, media_message(rig.units[50], rig.next_seq(), cached=True))
    rig.frames(51, 53)
    chunks = waiting(viewer)
    assert chunks[0].kind is MediaKind.INIT
    assert times(chunks) == [50, 51, 52]
    assert rig.relay.figures(KEY).lost == 0


def test_a_group_larger_than_the_cache_is_not_cached() -> None:
    rig = Rig(cache_bytes=2000)
    rig.relay.attach(KEY)
    rig.init()
    rig.frames(0, 24)
    assert times(waiting(rig.relay.attach(KEY))) == []


def test_a_burst_asked_for_by_another_replica_is_not_shown_twice() -> None:
    rig = Rig()
    viewer = rig.relay.attach(KEY)
    rig.init()
    rig.frames(0, 5)
    rig.init()
    rig.feed(MediaKind.MEDIA, media_message(rig.units[0], rig.next_seq(), cached=True))
    rig.frames(5, 8)
    chunks = waiting(viewer)
    assert times(chunks) == list(range(8))
    assert sum(chunk.kind is MediaKind.INIT for chunk in chunks) == 1


def test_a_burst_in_two_parts_is_shown_whole_once_and_not_at_all_where_its_pictures_are_there() -> None:
    def burst(rig: Rig) -> None:
        rig.init()
        for n in (0, 1):
            rig.feed(MediaKind.MEDIA, media_message(rig.units[n], rig.next_seq(), cached=True))

    rig = Rig()
    viewer = rig.relay.attach(KEY)
    burst(rig)
    rig.frames(2, 4)
    burst(rig)
    rig.frames(4, 6)
    assert times(waiting(viewer)) == list(range(6))
    assert times(waiting(rig.relay.attach(KEY))) == list(range(6))


def test_another_init_resets_every_viewer_to_the_next_key_frame() -> None:
    rig = Rig()
    viewer = rig.relay.attach(KEY)
    rig.init()
    rig.frames(0, 5)
    other, made = units(30, size=(320, 192))
    rig.feed(MediaKind.INIT, init_message(other, rig.next_seq()))
    rig.frames(5, 8)
    rig.feed(MediaKind.MEDIA, media_message(made[0], rig.next_seq()))
    assert [chunk.kind is MediaKind.INIT for chunk in waiting(viewer)] == [True, *[False] * 5, True, False]
    assert rig.relay.figures(KEY).width == 320


def test_what_was_before_the_event_goes_to_those_who_asked_only() -> None:
    rig = Rig()
    plain = rig.relay.attach(KEY)
    recorder = rig.relay.attach(KEY, pre_event_s=10)
    assert rig.line.commands[-1].body == {"pre_event_s": 10}
    assert [command.kind for command in rig.line.commands] == [CommandKind.START, CommandKind.STOP, CommandKind.START]
    rig.init()
    rig.frames(50, 52)
    rig.feed(MediaKind.MEDIA, media_message(rig.units[25], rig.next_seq(), cached=True, pre_event=True))
    assert times(waiting(plain)) == [50, 51]
    assert times(waiting(recorder)) == [50, 51, 25]


async def test_a_revoked_viewer_is_cut_at_once_with_the_reason_and_the_others_go_on() -> None:
    rig = Rig()
    officer, desk = rig.relay.attach(KEY, name="person:7"), rig.relay.attach(KEY, name="person:1")
    rig.init()
    rig.frames(0, 3)

    async def watch(viewer: Viewer) -> int:
        return len([chunk async for chunk in viewer])

    reading = asyncio.create_task(watch(officer))
    await asyncio.sleep(0)
    began = time.monotonic()
    assert rig.relay.cut("incident closed", key=KEY, who=lambda viewer: viewer.name == "person:7") == 1
    await asyncio.wait_for(reading, 1)
    assert time.monotonic() - began < 1
    assert officer.ended == "incident closed" and desk.ended is None
    rig.frames(3, 5)
    assert times(waiting(desk)) == [0, 1, 2, 3, 4]


async def test_leaving_the_watch_detaches_even_after_an_error() -> None:
    rig = Rig()
    with pytest.raises(RuntimeError):
        async with rig.relay.watch(KEY):
            raise RuntimeError("the socket broke")
    assert rig.relay.figures(KEY).viewers == 0


def test_each_quality_is_a_stream_of_its_own_and_nobody_gets_what_another_asked_for() -> None:
    rig = Rig(linger_s=1)
    wall = rig.relay.attach(KEY, quality="sub", fragment_s=0.25)
    tile = rig.relay.attach(KEY, quality="main")
    assert [(one.kind, one.quality, one.fragment_s) for one in rig.line.commands] == [
        (CommandKind.START, "sub", 0.25), (CommandKind.START, "main", 0)], "the wall's stream is left as it was"
    small = msgspec.structs.replace(rig.config, width=80)
    rig.relay.feed(*KEY, MediaKind.INIT, init_message(small, 900, asked="sub"))
    rig.relay.feed(*KEY, MediaKind.INIT, init_message(rig.config, 0, asked="main"))
    for n in range(4):  # each counts by itself
        rig.relay.feed(*KEY, MediaKind.MEDIA, media_message(rig.units[n], 1 + n, asked="main"))
        rig.relay.feed(*KEY, MediaKind.MEDIA, media_message(rig.units[n + 50], 901 + n, asked="sub"))
    assert [(parse_init(chunk.body)[0].w, chunk.kind) for chunk in wall.drain()[:1]] == [(80, MediaKind.INIT)]
    assert times(waiting(tile)) == [0, 1, 2, 3]
    assert times(waiting(rig.relay.attach(KEY, quality="sub"))) == [50, 51, 52, 53]
    assert rig.relay.figures(KEY).lost == 0
    rig.relay.detach(KEY, tile)
    rig.now += 2
    rig.relay.tick()
    assert rig.line.commands[-1].kind is CommandKind.STOP and rig.line.subscribed == {KEY}, "the wall goes on"


def test_one_stream_that_serves_several_qualities_reaches_all_of_them() -> None:
    rig = Rig()
    viewers = [rig.relay.attach(KEY, quality=quality) for quality in ("main", "sub")]
    rig.relay.feed(*KEY, MediaKind.INIT, init_message(rig.config, 0, asked="main sub"))
    rig.relay.feed(*KEY, MediaKind.MEDIA, media_message(rig.units[0], 1, asked="main sub"))
    assert [times(waiting(viewer)) for viewer in viewers] == [[0], [0]]
    assert rig.relay.figures(KEY).received == 2


def test_a_stream_that_takes_another_s_place_counts_by_itself_and_no_picture_is_called_lost() -> None:
    rig = Rig()
    viewer = rig.relay.attach(KEY)
    rig.init()
    rig.frames(0, 3)
    rig.relay.feed(*KEY, MediaKind.INIT, init_message(msgspec.structs.replace(rig.config, width=80), 70))
    rig.relay.feed(*KEY, MediaKind.MEDIA, media_message(rig.units[25], 71, cached=True))
    assert times(waiting(viewer)) == [0, 1, 2, 25] and rig.relay.figures(KEY).lost == 0


def test_who_asked_for_h264_is_not_given_the_h265_that_is_cached_but_what_comes_transcoded() -> None:
    rig = Rig()
    rig.relay.attach(KEY)
    rig.relay.feed(*KEY, MediaKind.INIT, init_message(msgspec.structs.replace(rig.config, text="hvc1.1.6.L60.90"), 0, asked="main"))
    for n in range(30):
        rig.relay.feed(*KEY, MediaKind.MEDIA, media_message(rig.units[n], 1 + n, asked="main"))
    other = rig.relay.attach(KEY, quality="h264")
    assert rig.line.commands[-1].quality == "h264"
    assert waiting(other) == []
    rig.relay.feed(*KEY, MediaKind.INIT, init_message(rig.config, 0, asked="h264"))
    for n in range(50, 60):
        rig.relay.feed(*KEY, MediaKind.MEDIA, media_message(rig.units[n], n - 49, asked="h264"))
    assert [chunk.kind for chunk in waiting(other)][:2] == [MediaKind.INIT, MediaKind.MEDIA]
    again = rig.relay.attach(KEY, quality="h264")
    assert times(waiting(again)) == list(range(50, 60))


def test_after_the_connection_came_back_everything_watched_is_asked_for_again() -> None:
    rig = Rig()
    rig.relay.attach(KEY)
    first = rig.line.commands[-1].id
    rig.relay.line_up()
    assert rig.line.commands[-1].kind is CommandKind.START
    assert rig.line.commands[-1].id != first


def test_a_feed_that_stops_coming_is_stalled_and_says_for_how_long() -> None:
    rig = Rig(stall_s=5)
    rig.relay.attach(KEY)
    assert rig.relay.figures(KEY).state is FeedState.STARTING
    rig.init()
    rig.frames(0, 3)
    assert rig.relay.figures(KEY).state is FeedState.LIVE
    rig.now += 6
    assert rig.relay.figures(KEY).state is FeedState.STALLED
    assert rig.relay.figures(KEY).last_chunk_age_s == 6


def test_the_last_preview_is_kept_with_its_age() -> None:
    rig = Rig()
    header = media_header(MediaKind.PREVIEW, key=True, seq=1, wall_ms=123)
    rig.feed(MediaKind.PREVIEW, header + b"\xff\xd8jpeg")
    rig.now += 4
    preview = rig.relay.preview(KEY)
    assert preview and preview.jpeg == b"\xff\xd8jpeg" and preview.age_s(rig.now) == 4
    assert rig.relay.preview(CameraKey("plant-1", "other")) is None


@pytest.mark.parametrize("payload", [b"", b"\x03", bytes(14), bytes(200), b"\x03\x01" + bytes(12) + b"not a fragment", b"\x02\x01" + bytes(12) + b"{}"])
@pytest.mark.parametrize("kind", list(MediaKind))
def test_garbage_from_an_agent_is_counted_and_nothing_else(kind: MediaKind, payload: bytes) -> None:
    rig = Rig()
    viewer = rig.relay.attach(KEY)
    rig.init()
    rig.feed(kind, payload)
    rig.feed(kind, os.urandom(500))
    rig.frames(0, 3)
    assert rig.relay.garbage >= 1
    assert set(times(waiting(viewer))) <= {0, 1, 2}


def test_an_agent_that_floods_is_cut_down_to_its_key_frames() -> None:
    rig = Rig(flood_mbps=0.05)
    viewer = rig.relay.attach(KEY)
    rig.init()
    rig.frames(0, 100)
    shown = times(waiting(viewer))
    assert rig.relay.figures(KEY).dropped > 0
    assert {25, 50, 75} <= set(shown)


def test_a_flood_is_named_with_its_camera_in_the_log_and_to_its_viewers(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(flood_mbps=0.05)
    heard: list[str] = []
    rig.relay.attach(KEY).told = heard.append
    rig.init()
    rig.frames(0, 100)
    assert heard == ["flood"]
    (line,) = [record for record in caplog.records if "floods" in record.message]
    assert (line.agent, line.camera) == tuple(KEY)  # type: ignore[attr-defined]


def test_a_viewer_whose_line_is_too_slow_hears_so_and_the_others_do_not() -> None:
    rig = Rig(queue_bytes=20_000)
    slow, quick = rig.relay.attach(KEY), rig.relay.attach(KEY)
    heard: dict[str, list[str]] = {"slow": [], "quick": []}
    slow.told, quick.told = heard["slow"].append, heard["quick"].append
    rig.init()
    for n in range(100):
        rig.frames(n, n + 1)
        quick.drain()
    assert set(heard["slow"]) == {"slow_line"} and heard["quick"] == []


def test_one_agent_can_neither_name_cameras_without_end_nor_fill_the_memory_with_previews() -> None:
    relay = Rig(most_cameras=3, previews_bytes=2500).relay
    jpeg = media_header(MediaKind.PREVIEW, key=True, seq=0, wall_ms=0) + b"\xff\xd8" + bytes(998)
    for n in range(50):
        relay.feed("plant-1", f"cam-{n}", MediaKind.PREVIEW, jpeg)
    relay.feed("plant-2", "cam", MediaKind.PREVIEW, jpeg)
    assert [camera_id for agent_id, camera_id in list(relay.keys()) if agent_id == "plant-1"] == ["cam-0", "cam-1", "cam-2"]
    assert [relay.preview(CameraKey("plant-1", f"cam-{n}")) is not None for n in range(4)] == [True, True, False, False]
    assert relay.preview(CameraKey("plant-2", "cam")) is not None
    relay.feed("plant-1", "cam-0", MediaKind.PREVIEW, jpeg)  # one in place of another is no more
    assert relay.strangers == 47 and relay.garbage == 1


def test_a_camera_nobody_knows_is_counted_as_a_stranger() -> None:
    relay = Relay(RememberingLine(), known=lambda key: key.agent_id == "plant-1")
    relay.feed("who", "cam", MediaKind.PREVIEW, media_header(MediaKind.PREVIEW, key=True, seq=0, wall_ms=0) + b"\xff\xd8")
    assert relay.strangers == 1 and relay.keys() == []


def test_too_many_viewers_are_refused_with_try_again_later() -> None:
    rig = Rig(most_viewers=2)
    for _ in range(2):
        rig.relay.attach(KEY)
    with pytest.raises(Unavailable) as caught:
        rig.relay.attach(KEY)
    assert caught.value.code == "too_many_viewers"


def test_a_viewer_on_a_slow_line_gets_the_next_key_frame_and_not_what_is_long_past() -> None:
    viewer = Viewer("slow", "main", 0.0, 0.0, 10_000_000, limit_s=2.0)

    def picture(seq: int, *, key: bool = False, cached: bool = False) -> Chunk:
        return Chunk(MediaKind.MEDIA, key, cached, False, seq, 1_000_000 + seq * 40, b"x" * 100)

    viewer.put(picture(0, key=True, cached=True))
    for seq in range(1, 100):
        viewer.put(picture(seq, key=seq % 25 == 0))
    assert [chunk.seq for chunk in viewer.drain()] == list(range(100)), "the group that it began with has no age"
    for seq in range(100, 260):
        viewer.put(picture(seq, key=seq % 25 == 0))
        assert viewer.waiting_bytes <= 52 * 100
    kept = viewer.drain()
    assert kept[0].key and kept[-1].seq == 259
    assert viewer.dropped == 160 - len(kept)


def test_a_message_goes_straight_out_while_nothing_waits_and_keeps_its_order_otherwise() -> None:
    viewer, out, open_ = Viewer("v", "main", 0.0, 0.0, 10_000), [], [True]

    def write(message: bytes) -> bool:
        if open_[0]:
            out.append(message)
        return open_[0]

    viewer.direct = write
    messages = [b"%d" % n for n in range(6)]
    for n, message in enumerate(messages):
        open_[0] = n not in (2, 3)
        viewer.put(Chunk(MediaKind.MEDIA, n == 0, False, False, n, n, message))
    assert out == messages[:2]
    assert [chunk.message for chunk in viewer.drain()] == messages[2:], "what comes after something that waits, waits too"
    viewer.cut("closed")
    viewer.put(Chunk(MediaKind.MEDIA, True, False, False, 9, 9, b"9"))
    assert out == messages[:2]


def test_who_cannot_be_served_yet_is_refused_and_leaves_no_viewer_behind() -> None:
    relay = Relay(None, limits=RelayLimits(most_viewers=1))
    with pytest.raises(Unavailable, match="no_media_line"):
        relay.attach(KEY)
    assert relay.figures(KEY).viewers == 0
    relay.line = RememberingLine()
    relay.attach(KEY)

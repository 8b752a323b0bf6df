"""RTP payloads become whole pictures with their marker, whatever the camera packs, loses or marks wrongly."""

from __future__ import annotations

import random
import struct

import pytest

from hub.errors import Rejected
from streams.fragment import Codec, split_annexb
from streams.rtp import NTP_UNIX_S, AudioPackets, CameraClock, NotOurs, Picture, VideoPackets

KEY, DELTA = b"\x65\x88" + bytes(range(1, 200)) * 20, b"\x41\x9a" + b"\x55" * 300
SPS, PPS = b"\x67\x42\xc0\x1f\xaa", b"\x68\xce\x3c\x80"


class Camera:
    """Packs units as RFC 6184 or RFC 7798 say."""

    def __init__(self, *, seq: int = 65_533, size: int = 1000) -> None:
        self.seq, self.size = seq, size

    def packet(self, payload: bytes, timestamp: int, *, marker: bool = False, padding: int = 0, extension: bytes = b"") -> bytes:
        first = 0x80 | (0x20 if padding else 0) | (0x10 if extension else 0)
        head = struct.pack(">BBHII", first, (0x80 if marker else 0) | 96, self.seq & 0xFFFF, timestamp & 0xFFFFFFFF, 7)
        self.seq += 1
        more = struct.pack(">HH", 0xBEDE, len(extension) // 4) + extension if extension else b""
        return head + more + payload + (bytes(padding - 1) + bytes((padding,)) if padding else b"")

    def h264(self, units: list[bytes], timestamp: int, *, marker: bool = True) -> list[bytes]:
        packets: list[bytes] = []
        for n, unit in enumerate(units):
            last = marker and n == len(units) - 1
            if len(unit) <= self.size:
                packets.append(self.packet(unit, timestamp, marker=last))
                continue
            pieces = [unit[at:at + self.size] for at in range(1, len(unit), self.size)]
            for m, piece in enumerate(pieces):
                mark = (0x80 if m == 0 else 0) | (0x40 if m == len(pieces) - 1 else 0)
                packets.append(self.packet(bytes((unit[0] & 0xE0 | 28, mark | unit[0] & 31)) + piece, timestamp,
                                           marker=last and m == len(pieces) - 1))
        return packets


def read(packets: list[bytes], codec: Codec = Codec.H264) -> list[Picture]:
    reader = VideoPackets(codec)
    return [picture for packet in packets for picture in reader.take(packet)]


def test_a_picture_is_there_with_its_marker_and_not_with_the_next_picture() -> None:
    camera, reader = Camera(), VideoPackets(Codec.H264)
    packets = camera.h264([SPS, PPS, KEY], 1000)
    assert [reader.take(packet) for packet in packets[:-1]] == [[]] * (len(packets) - 1)
    (picture,) = reader.take(packets[-1])
    assert split_annexb(picture.data) == [SPS, PPS, KEY]
    (following,) = [picture for packet in camera.h264([DELTA], 4600) for picture in reader.take(packet)]
    assert following.at - picture.at == 3600


def test_several_units_in_one_packet_padding_and_header_extensions_are_read() -> None:
    camera = Camera()
    together = b"\x78" + b"".join(struct.pack(">H", len(unit)) + unit for unit in (SPS, PPS))
    packets = [camera.packet(together, 5, extension=b"\x10\xff\x00\x00"), camera.packet(KEY[:900], 5, marker=True, padding=4)]
    assert [split_annexb(picture.data) for picture in read(packets)] == [[SPS, PPS, KEY[:900].rstrip(b"\x00")]]


def test_a_marker_behind_the_parameter_sets_ends_no_picture() -> None:
    camera = Camera()
    packets = [*camera.h264([SPS, PPS], 5), *camera.h264([KEY], 5), *camera.h264([DELTA], 3605)]
    assert [split_annexb(picture.data) for picture in read(packets)] == [[SPS, PPS, KEY], [DELTA]]


def test_a_camera_without_markers_is_read_by_the_change_of_time() -> None:
    camera = Camera()
    packets = [packet for n in range(4) for packet in camera.h264([DELTA], n * 3600, marker=False)]
    assert len(read(packets)) == 3


def test_a_camera_that_marks_every_slice_gives_whole_pictures_from_the_second_on() -> None:
    camera = Camera()
    first, second = b"\x41\x9a" + b"\x01" * 50, b"\x41\x40" + b"\x02" * 50
    packets = [packet for n in range(4) for unit in (first, second) for packet in camera.h264([unit], n * 3600)]
    pictures = [split_annexb(picture.data) for picture in read(packets)]
    assert pictures[-2:] == [[first, second], [first, second]]
    assert [second] not in pictures


@pytest.mark.parametrize("missing", range(4))
def test_what_is_lost_spoils_its_picture_alone(missing: int) -> None:
    camera, reader = Camera(), VideoPackets(Codec.H264)
    packets = [camera.h264([KEY], n * 3600) for n in range(3)]
    assert len(packets[1]) == 4
    sent = [*packets[0], *(packet for n, packet in enumerate(packets[1]) if n != missing), *packets[2]]
    pictures = [picture for packet in sent for picture in reader.take(packet)]
    assert [split_annexb(picture.data) for picture in pictures] == [[KEY]] * 2
    assert reader.lost == 1


def test_times_run_on_over_the_turn_of_the_32_bits_and_a_clock_that_was_set() -> None:
    camera = Camera()
    at = [0xFFFFFFFF - 1800, 1799, 5399, 5399 + 90_000 * 3600, 5399]
    pictures = read([packet for time in at for packet in camera.h264([DELTA], time)])
    times = [picture.at for picture in pictures]
    assert times[1] - times[0] == 3600
    assert times[2] - times[1] == 3600
    assert times[4] - times[3] == -90_000 * 3600


def test_b_frames_and_interleaved_modes_are_left_to_libav() -> None:
    camera = Camera()
    with pytest.raises(NotOurs):
        read([packet for time in (0, 10_800, 3600) for packet in camera.h264([DELTA], time)])
    with pytest.raises(NotOurs):
        read([camera.packet(b"\x79\x00\x01abc", 0)])


def test_h265_in_pieces_and_together_is_read() -> None:
    camera = Camera()
    vps, sps, key = b"\x40\x01\x0c", b"\x42\x01\x01", b"\x26\x01\xaf" + bytes(range(1, 250)) * 9
    together = b"\x60\x01" + b"".join(struct.pack(">H", len(unit)) + unit for unit in (vps, sps))
    pieces = [key[at:at + 800] for at in range(2, len(key), 800)]
    packets = [camera.packet(together, 9)]
    for n, piece in enumerate(pieces):
        mark = (0x80 if n == 0 else 0) | (0x40 if n == len(pieces) - 1 else 0) | 19
        packets.append(camera.packet(bytes((49 << 1, 1, mark)) + piece, 9, marker=n == len(pieces) - 1))
    assert [split_annexb(picture.data) for picture in read(packets, Codec.H265)] == [[vps, sps, key]]


def test_aac_frames_of_one_packet_follow_each_other_in_time() -> None:
    frames = [b"a" * 30, b"b" * 41]
    body = struct.pack(">H", 32) + b"".join(struct.pack(">H", len(frame) << 3) for frame in frames) + b"".join(frames)
    got = AudioPackets(48_000).take(Camera().packet(body, 0, marker=True))
    assert [(picture.data, picture.at) for picture in got] == [(frames[0], 0), (frames[1], 1920)]


def test_garbage_is_counted_and_a_picture_without_end_is_refused() -> None:
    rng = random.Random(3)
    for codec in Codec:
        reader = VideoPackets(codec)
        for _ in range(3000):
            try:
                reader.take(rng.randbytes(rng.randrange(0, 60)))
            except NotOurs:
                reader = VideoPackets(codec)
    camera, reader = Camera(), VideoPackets(Codec.H264)
    with pytest.raises(Rejected, match="without an end"):
        for n in range(10_000):
            reader.take(camera.packet((b"\x7c\x05" if n else b"\x7c\x85") + b"x" * 1400, 0))


NOW_S = 1_795_826_346.0
YEAR_S = 365.25 * 86_400


def sender_report(unix_s: float) -> bytes:
    return struct.pack(">BBHIQIII", 0x80, 200, 6, 7, int((unix_s + NTP_UNIX_S) * 2**32) % 2**64, 9, 1, 1)


@pytest.mark.parametrize(("off_s", "wrong"), [(0, False), (-59, False), (61, True), (-30 * YEAR_S, True), (30 * YEAR_S, True), (-3600, True)])
def test_a_clock_that_is_wrong_from_the_beginning_is_known_by_how_much(off_s: float, wrong: bool) -> None:
    clock = CameraClock()
    for n in range(3):
        clock.report(sender_report(NOW_S + off_s + n), NOW_S + n + 0.2)
    assert clock.is_wrong is wrong
    assert clock.off_s == pytest.approx(off_s, abs=1)


@pytest.mark.parametrize("unix_s", [-NTP_UNIX_S, -NTP_UNIX_S + 86_400, 0, 5 * YEAR_S])
def test_a_camera_that_counts_from_when_it_was_switched_on_says_nothing_of_the_time(unix_s: float) -> None:
    clock = CameraClock()
    clock.report(sender_report(unix_s), NOW_S)
    assert clock.off_s is None and not clock.is_wrong


@pytest.mark.parametrize("packet", [b"", b"\x80\xc8", sender_report(0)[:27], b"\x00" + sender_report(0)[1:], b"\x80\xc9" + bytes(30)])
def test_what_is_no_sender_report_is_left(packet: bytes) -> None:
    clock = CameraClock()
    clock.report(packet, NOW_S)
    assert clock.off_s is None

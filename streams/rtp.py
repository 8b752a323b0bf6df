"""RTP payloads put together to whole pictures: H.264 (RFC 6184), H.265 (RFC 7798), AAC (RFC 3640). Pure: packets in, access units out.

A picture is complete with its marker bit, so nobody waits for the next picture to know that this one has ended (libav's parser does: 40 ms at
25 pictures a second). What is lost spoils its picture alone. Modes that reorder (interleaved, DON, B-frames) are `NotOurs`: libav reads them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hub.errors import Rejected
from streams.fragment import Codec

LARGEST_PICTURE: Final = 8_388_608
_START: Final = b"\x00\x00\x00\x01"
_HALF: Final = 1 << 31
NTP_UNIX_S: Final = 2_208_988_800
"""From 1900, where NTP begins, to 1970."""
LONGEST_UPTIME_S: Final = 315_360_000
"""A sender without a wall clock may count from when it was switched on (RFC 3550, 4): what is less than ten years behind 1900 or 1970 says nothing."""
CLOCK_WRONG_S: Final = 60.0
"""A camera's clock that is off by more is wrong (our own choice: as for an agent's)."""
REORDERED: Final = 450_000
"""A timestamp that goes back by less than this (5 s) is a picture shown before one that came earlier; by more, the camera's clock was set."""


class NotOurs(Exception):
    """A stream that this reader leaves to libav; says why."""


class Picture(NamedTuple):
    """One access unit as an Annex B byte stream; `at`: its time in ticks of 90 kHz, unwrapped."""

    data: bytes
    at: int


class Clock:
    """Unwraps 32-bit RTP timestamps."""

    def __init__(self) -> None:
        self._last: int | None = None
        self.at = 0

    def step(self, timestamp: int) -> int:
        """How far this timestamp is from the last; `at` moves on by it."""
        delta = 0 if self._last is None else (timestamp - self._last + _HALF) % (1 << 32) - _HALF
        self._last = timestamp
        self.at += delta
        return delta


class CameraClock:
    """How far a camera's own clock is off, by its sender reports (RTCP). It is named and never used: pictures bear the agent's time."""

    def __init__(self) -> None:
        self.off_s: float | None = None

    @property
    def is_wrong(self) -> bool:
        """Is it off by more than a minute, as far as the camera says at all?"""
        return self.off_s is not None and abs(self.off_s) > CLOCK_WRONG_S

    def report(self, packet: bytes, now_s: float) -> None:
        """Take an RTCP packet that came at `now_s` (seconds since 1970); all but sender reports are left (RFC 3550, 6.4.1)."""
        if len(packet) >= 28 and packet[0] >> 6 == 2 and packet[1] == 200:
            self.take(int.from_bytes(packet[8:16], "big"), now_s)

    def take(self, ntp: int, now_s: float) -> None:
        """Take the NTP timestamp (64 bits) of a report; what jitters by less than a minute is left as it was."""
        seconds = ntp / (1 << 32)
        if seconds < LONGEST_UPTIME_S or 0 <= seconds - NTP_UNIX_S < LONGEST_UPTIME_S:
            self.off_s = None
            return
        off_s = seconds - NTP_UNIX_S + (1 << 32) * (seconds < 1 << 31) - now_s  # from 2036 on the seconds begin anew (RFC 4330, 3)
        if self.off_s is None or abs(off_s - self.off_s) > CLOCK_WRONG_S:
            self.off_s = off_s


class VideoPackets:
    """Packets of one H.264 or H.265 stream in their order; counts what was `lost` and what was no RTP (`garbage`)."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.lost = 0
        self.garbage = 0
        self._clock = Clock()
        self._seq: int | None = None
        self._timestamp: int | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._in_unit = False
        self._has_picture = False
        self._spoilt = False
        self._closed: int | None = None
        self._marks_slices = False

    @property
    def is_open(self) -> bool:
        """Has a picture begun that has not ended?"""
        return bool(self._parts)

    def take(self, packet: bytes) -> list[Picture]:
        """The pictures that are complete with this packet, in their order; raises NotOurs, and Rejected for one without end."""
        start, end = _payload(packet)
        if start >= end:
            self.garbage += 1
            return []
        seq, timestamp = packet[2] << 8 | packet[3], int.from_bytes(packet[4:8], "big")
        missing = 0 if self._seq is None else (seq - self._seq - 1) & 0xFFFF
        self._seq = seq
        done: list[Picture] = []
        if missing:  # of the picture that is open, else of the one that begins
            self.lost += missing if missing < 0x8000 else 0
            self._spoilt, self._in_unit = True, False
        if timestamp != self._timestamp:
            if self._has_picture:
                done += self._close()
            elif self._timestamp != self._closed:
                self._parts, self._size, self._spoilt = [], 0, bool(missing)
            self._timestamp = timestamp
        self._read(packet, start, end)
        if packet[1] & 0x80 and self._has_picture and not self._marks_slices:
            done += self._close()
        return done

    def _read(self, packet: bytes, start: int, end: int) -> None:
        if self.codec is Codec.H264:
            self._read_h264(packet, start, end)
        else:
            self._read_h265(packet, start, end)
        if self._size > LARGEST_PICTURE:
            raise Rejected("garbage", "摄像机发送的画面没有结尾", "the camera sends a picture without an end")

    def _read_h264(self, packet: bytes, start: int, end: int) -> None:
        kind = packet[start] & 31
        if kind == 28:  # FU-A: a unit in pieces (RFC 6184, 5.8)
            mark = packet[start + 1]
            self._piece(packet, start + 2, end, mark, bytes((packet[start] & 0xE0 | mark & 31,)) if mark & 0x80 else b"")
        elif 1 <= kind <= 23:
            self._unit(packet[start:end])
        elif kind == 24:  # STAP-A: several units in one packet (5.7.1)
            self._several(packet, start + 1, end)
        elif kind in (25, 26, 27, 29):
            raise NotOurs("interleaved packets")

    def _read_h265(self, packet: bytes, start: int, end: int) -> None:
        kind = packet[start] >> 1 & 63
        if kind == 49 and end - start > 3:  # FU (RFC 7798, 4.4.3)
            mark = packet[start + 2]
            self._piece(packet, start + 3, end, mark, bytes((packet[start] & 0x81 | (mark & 63) << 1, packet[start + 1])) if mark & 0x80 else b"")
        elif kind == 48:  # AP (4.4.2)
            self._several(packet, start + 2, end)
        elif kind < 48:
            self._unit(packet[start:end])

    def _several(self, packet: bytes, at: int, end: int) -> None:
        while at + 2 < end:
            size = packet[at] << 8 | packet[at + 1]
            at += 2
            if not size or at + size > end:
                self.garbage += 1
                return
            self._unit(packet[at:at + size])
            at += size

    def _piece(self, packet: bytes, at: int, end: int, mark: int, header: bytes) -> None:
        if mark & 0x80:
            self._begin(header)
            self._in_unit = True
        elif not self._in_unit:
            self._spoilt = True
            return
        self._parts.append(packet[at:end])
        self._size += end - at
        if mark & 0x40:
            self._in_unit = False

    def _unit(self, unit: bytes) -> None:
        self._in_unit = False
        self._begin(unit)

    def _begin(self, unit: bytes) -> None:
        """A unit begins: with its header, or as a whole."""
        kind = unit[0] & 31 if self.codec is Codec.H264 else unit[0] >> 1 & 63
        if 1 <= kind <= 5 if self.codec is Codec.H264 else kind < 32:
            if self._closed == self._timestamp and not self._has_picture:
                self._marks_slices = self._spoilt = True  # the marker stood behind a slice: from now on only a new time ends a picture
            self._has_picture = True
        self._parts += (_START, unit)
        self._size += 4 + len(unit)

    def _close(self) -> list[Picture]:
        parts, spoilt, timestamp = self._parts, self._spoilt, self._timestamp
        self._parts, self._size, self._has_picture, self._spoilt, self._in_unit = [], 0, False, False, False
        self._closed = timestamp
        if spoilt:
            return []
        assert timestamp is not None
        delta = self._clock.step(timestamp)
        if -REORDERED < delta < 0:
            raise NotOurs("pictures come in another order than they are shown")
        return [Picture(b"".join(parts), self._clock.at)]


class AudioPackets:
    """Packets of one AAC stream in the mode AAC-hbr (RFC 3640, 3.3.6); a frame in pieces is left out."""

    def __init__(self, rate_hz: int) -> None:
        self._rate = rate_hz
        self._clock = Clock()

    def take(self, packet: bytes) -> list[Picture]:
        """The raw AAC frames of a packet; `at` in ticks of 90 kHz."""
        start, end = _payload(packet)
        if end - start < 4:
            return []
        self._clock.step(int.from_bytes(packet[4:8], "big"))
        bits = packet[start] << 8 | packet[start + 1]
        at, found = start + 2 + (bits + 7) // 8, []
        for n in range(bits // 16):
            head = start + 2 + 2 * n
            if head + 2 > end:
                break
            size = (packet[head] << 8 | packet[head + 1]) >> 3
            if not size or at + size > end:
                break
            found.append(Picture(packet[at:at + size], (self._clock.at + 1024 * n) * 90_000 // self._rate))
            at += size
        return found


def _payload(packet: bytes) -> tuple[int, int]:
    """Where the payload of an RTP packet (RFC 3550, 5.1) begins and ends; (0, 0) where it is none."""
    size = len(packet)
    if size < 13 or packet[0] >> 6 != 2:
        return 0, 0
    start = 12 + 4 * (packet[0] & 15)
    if packet[0] & 0x10 and start + 4 <= size:
        start += 4 + 4 * (packet[start + 2] << 8 | packet[start + 3])
    end = size - packet[-1] if packet[0] & 0x20 else size
    return (start, end) if start < end else (0, 0)

"""Fragmented MP4 from access units as they came: H.264, H.265 and AAC into init segments and fragments, and back again.

Bytes in, bytes out: no I/O, no clock, no transcoding. Times are ticks of 90 kHz. Boxes after ISO/IEC 14496-12 and -15.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from hub.errors import Rejected

__all__ = [
    "AudioConfig", "AudioReader", "Codec", "InitInfo", "Sample", "Taken", "Track", "Unit", "VideoConfig", "VideoReader", "boxes",
    "find_box", "fragment", "init_info", "init_payload", "init_segment", "parse_fragment", "parse_init", "parse_init_segment", "progressive",
    "split_annexb", "whole_fragments",
]

TICKS: Final = 90_000
"""Ticks a second of every track (the RTP clock of video, RFC 6184)."""
_START = b"\x00\x00\x01"
_SYNC: Final = 0x02000000
_DELTA: Final = 0x01010000
MAX_SETS: Final = 64
"""Most parameter sets kept of one stream (H.264 allows 32 SPS and 256 PPS; cameras send one or two, a flood must not grow memory)."""


class Codec(StrEnum):
    """Video that is passed on as it is."""

    H264 = "h264"
    H265 = "h265"


class Track(StrEnum):
    """The tracks of a stream; their ids in the file are 1 and 2."""

    VIDEO = "video"
    AUDIO = "audio"


_TRACK_ID: Final = {Track.VIDEO: 1, Track.AUDIO: 2}


class VideoConfig(Struct, frozen=True):
    """What a decoder must know before the first picture: `record` is the avcC or hvcC body, `text` the RFC 6381 codec string."""

    codec: Codec
    text: str
    width: int
    height: int
    record: bytes


class AudioConfig(Struct, frozen=True):
    """AAC: `record` is the AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1)."""

    text: str
    rate_hz: int
    channels: int
    record: bytes


class Unit(Struct, frozen=True):
    """One access unit as MP4 keeps it (NAL units behind 4-byte lengths; raw AAC). `wall_ms`: agent's clock when it arrived."""

    track: Track
    data: bytes
    key: bool
    dts: int
    pts: int
    duration: int
    wall_ms: int


class Sample(Struct, frozen=True):
    """One sample read back from a fragment; `data` is a view into it."""

    track: Track
    dts: int
    pts: int
    duration: int
    key: bool
    data: memoryview


class InitInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The JSON before an init segment. `description`: avcC or hvcC in base64 (WebCodecs); `transcoded`: the camera's own codec if changed.

    `quality`: what is being sent (`main`, `sub`, `keys`, `h264`); `dropped_audio`: the codec of audio that was left out.
    """

    codec: str
    w: int
    h: int
    audio: str | None = None
    description: str | None = None
    transcoded: str | None = None
    quality: str | None = None
    dropped_audio: str | None = None


def _malformed(zh: str, en: str) -> Rejected:
    return Rejected("malformed_video", zh, en)


# ---- NAL units -------------------------------------------------------------------------------------------


def split_annexb(data: bytes) -> list[bytes]:
    """Split a byte stream at its start codes (three or four bytes) into NAL units without them."""
    nals: list[bytes] = []
    at = data.find(_START)
    while at >= 0:
        begin = at + 3
        at = data.find(_START, begin)
        nal = data[begin:at if at >= 0 else len(data)]
        if at >= 0 or nal.endswith(b"\x00"):
            nal = nal.rstrip(b"\x00")
        if nal:
            nals.append(nal)
    return nals


def split_prefixed(data: bytes, size: int) -> list[bytes]:
    """Split NAL units behind big-endian lengths of `size` bytes; raises Rejected where a length runs over the end."""
    nals, at, end = [], 0, len(data)
    while at + size <= end:
        length = int.from_bytes(data[at:at + size], "big")
        at += size
        if length > end - at:
            raise _malformed("NAL 长度越界", "a NAL unit runs over the end")
        if length:
            nals.append(data[at:at + length])
        at += length
    return nals


class _Bits:
    """Exp-Golomb reader over a NAL unit with its emulation prevention removed."""

    def __init__(self, nal: bytes) -> None:
        raw = nal.replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(raw, "big")
        self._left = len(raw) * 8

    def u(self, bits: int) -> int:
        if bits > self._left:
            raise _malformed("参数集不完整", "a parameter set ends too early")
        self._left -= bits
        return (self._value >> self._left) & ((1 << bits) - 1)

    def ue(self) -> int:
        zeros = 0
        while self.u(1) == 0:
            zeros += 1
            if zeros > 31:
                raise _malformed("参数集编码错误", "a parameter set is not Exp-Golomb")
        return (1 << zeros) - 1 + (self.u(zeros) if zeros else 0)

    def se(self) -> int:
        value = self.ue()
        return (value + 1) // 2 if value & 1 else -(value // 2)


class _SpsFacts(Struct, frozen=True):
    width: int
    height: int
    chroma: int
    depth_luma: int
    depth_chroma: int
    in_order: bool = False


_HIGH: Final = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


def _size(width: int, height: int) -> tuple[int, int]:
    if not (16 <= width <= 16_384 and 16 <= height <= 16_384):
        raise _malformed("画面尺寸不合理", "the picture size makes no sense")
    return width, height


def _skip_scaling(bits: _Bits, count: int) -> None:
    for i in range(count):
        if not bits.u(1):
            continue
        last = following = 8
        for _ in range(16 if i < 6 else 64):
            if following:
                following = (last + bits.se()) & 255
            last = following or last


def _h264_sps(sps: bytes) -> _SpsFacts:
    """Read an H.264 sequence parameter set (ITU-T H.264, 7.3.2.1.1)."""
    bits = _Bits(sps[1:])
    profile = bits.u(8)
    bits.u(16)
    bits.ue()
    chroma, luma_bits, chroma_bits = 1, 8, 8
    if profile in _HIGH:
        chroma = bits.ue()
        if chroma == 3:
            bits.u(1)
        luma_bits, chroma_bits = bits.ue() + 8, bits.ue() + 8
        bits.u(1)
        if bits.u(1):
            _skip_scaling(bits, 12 if chroma == 3 else 8)
    bits.ue()
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.u(1)
        bits.se()
        bits.se()
        for _ in range(min(bits.ue(), 255)):
            bits.se()
    bits.ue()
    bits.u(1)
    mbs_wide, units_high = bits.ue() + 1, bits.ue() + 1
    frame_only = bits.u(1)
    if not frame_only:
        bits.u(1)
    bits.u(1)
    left = right = top = bottom = 0
    if bits.u(1):
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
    unit_x = 2 if chroma in (1, 2) else 1
    unit_y = (2 if chroma == 1 else 1) * (2 - frame_only)
    width, height = _size(mbs_wide * 16 - unit_x * (left + right), units_high * 16 * (2 - frame_only) - unit_y * (top + bottom))
    return _SpsFacts(width, height, chroma, luma_bits, chroma_bits, in_order=profile == 66 or order == 2)


def shows_in_order(codec: Codec, sets: bytes) -> bool:
    """Do these parameter sets (Annex B) rule out that pictures are shown in another order than they come?

    The baseline profile has no B slices (ITU-T H.264, A.2.1), and order type 2 forbids another order (8.2.1.3); all else is unknown.
    """
    found = [nal for nal in split_annexb(sets) if codec is Codec.H264 and nal[0] & 31 == 7]
    try:
        return bool(found) and all(_h264_sps(nal).in_order for nal in found)
    except Rejected:
        return False


def _h265_sps(sps: bytes) -> tuple[int, _SpsFacts]:
    """Read an H.265 sequence parameter set (ITU-T H.265, 7.3.2.2.1): its id and facts."""
    bits = _Bits(sps[2:])
    bits.u(4)
    layers = bits.u(3)
    bits.u(1)
    bits.u(96)
    present = [(bits.u(1), bits.u(1)) for _ in range(layers)]
    if layers:
        bits.u(2 * (8 - layers))
    for profile, level in present:
        bits.u(88 * profile + 8 * level)
    sps_id = bits.ue()
    chroma = bits.ue()
    if chroma == 3:
        bits.u(1)
    width, height = bits.ue(), bits.ue()
    if bits.u(1):
        unit_x, unit_y = (2 if chroma in (1, 2) else 1), (2 if chroma == 1 else 1)
        width -= unit_x * (bits.ue() + bits.ue())
        height -= unit_y * (bits.ue() + bits.ue())
    width, height = _size(width, height)
    return sps_id, _SpsFacts(width, height, chroma, bits.ue() + 8, bits.ue() + 8)


def _h264_config(sps: Sequence[bytes], pps: Sequence[bytes]) -> VideoConfig:
    first = sps[0]
    facts = _h264_sps(first)
    record = bytes((1, first[1], first[2], first[3], 0xFF, 0xE0 | min(len(sps), 31)))
    record += b"".join(struct.pack(">H", len(nal)) + nal for nal in sps[:31])
    record += bytes((min(len(pps), 255),)) + b"".join(struct.pack(">H", len(nal)) + nal for nal in pps[:255])
    if first[1] in _HIGH:
        record += bytes((0xFC | facts.chroma & 3, 0xF8 | facts.depth_luma - 8 & 7, 0xF8 | facts.depth_chroma - 8 & 7, 0))
    return VideoConfig(Codec.H264, f"avc1.{first[1]:02x}{first[2]:02x}{first[3]:02x}", facts.width, facts.height, record)


def _h265_config(vps: Sequence[bytes], sps: Sequence[bytes], pps: Sequence[bytes]) -> VideoConfig:
    first = sps[0]
    _, facts = _h265_sps(first)
    head = first[2:].replace(b"\x00\x00\x03", b"\x00\x00")
    layers, nested, general = (head[0] >> 1) & 7, head[0] & 1, head[1:13]
    record = b"\x01" + general + b"\xf0\x00\xfc"
    record += bytes((0xFC | facts.chroma & 3, 0xF8 | facts.depth_luma - 8 & 7, 0xF8 | facts.depth_chroma - 8 & 7)) + b"\x00\x00"
    record += bytes(((layers + 1) << 3 | nested << 2 | 3, 3))
    for kind, nals in ((32, vps), (33, sps), (34, pps)):
        record += bytes((0x80 | kind,)) + struct.pack(">H", len(nals)) + b"".join(struct.pack(">H", len(nal)) + nal for nal in nals)
    return VideoConfig(Codec.H265, _h265_text(general), facts.width, facts.height, record)


def _h265_text(general: bytes) -> str:
    """The codec string of H.265 (ISO/IEC 14496-15, E.3) from the 12 bytes of the general profile, tier and level."""
    space = ("", "A", "B", "C")[general[0] >> 6]
    tier = "H" if general[0] & 0x20 else "L"
    compat = int(f"{int.from_bytes(general[1:5], 'big'):032b}"[::-1], 2)
    constraints = general[5:11].rstrip(b"\x00")
    return f"hvc1.{space}{general[0] & 31}.{compat:X}.{tier}{general[11]}" + "".join(f".{byte:X}" for byte in constraints)


class Taken(NamedTuple):
    """One packet read: the sample, is it a key frame, did the config change, and is it the rest of the picture before it.

    A picture continues where its first slice does not begin at the first macroblock: cameras that repeat their parameter sets before every
    slice make demuxers cut key frames into pieces.
    """

    sample: bytes
    key: bool
    changed: bool
    continues: bool


class VideoReader:
    """Turns a camera's packets into MP4 samples and follows its parameter sets.

    `extradata` is what the container said (Annex B parameter sets, an avcC or hvcC record, or nothing).
    """

    def __init__(self, codec: Codec, extradata: bytes = b"") -> None:
        self.codec = codec
        self.config: VideoConfig | None = None
        self._length_size = 0
        self._sets: dict[tuple[int, int], bytes] = {}
        self._dirty = False
        self._take_extradata(extradata)

    def _take_extradata(self, extradata: bytes) -> None:
        if extradata[:1] == b"\x01" and len(extradata) > (6 if self.codec is Codec.H264 else 22):
            self._length_size = (extradata[4 if self.codec is Codec.H264 else 21] & 3) + 1
            nals = _record_nals(self.codec, extradata)
        else:
            nals = split_annexb(extradata)
        for nal in nals:
            self._take_set(nal)
        self._rebuild()

    def _kind(self, nal: bytes) -> int:
        return nal[0] & 31 if self.codec is Codec.H264 else (nal[0] >> 1) & 63

    def _take_set(self, nal: bytes) -> None:
        kind = self._kind(nal)
        try:
            name = (kind, self._set_id(kind, nal))
        except (Rejected, IndexError):
            return
        if self._sets.get(name) != nal and (name in self._sets or len(self._sets) < MAX_SETS):
            self._sets[name] = nal
            self._dirty = True

    def _set_id(self, kind: int, nal: bytes) -> int:
        if self.codec is Codec.H264:
            if kind == 7:
                _h264_sps(nal)
                return _Bits(nal[4:]).ue()
            return _Bits(nal[1:]).ue()
        if kind == 32:
            return nal[2] >> 4
        return _h265_sps(nal)[0] if kind == 33 else _Bits(nal[2:]).ue()

    def _rebuild(self) -> bool:
        """Make the config anew; True when it changed."""
        self._dirty = False
        wanted = (7, 8) if self.codec is Codec.H264 else (32, 33, 34)
        groups = [[nal for (kind, _), nal in sorted(self._sets.items()) if kind == want] for want in wanted]
        if not all(groups):
            return False
        config = _h264_config(*groups) if self.codec is Codec.H264 else _h265_config(*groups)
        changed = config != self.config
        self.config = config
        return changed

    def take(self, packet: bytes, key: bool = False) -> Taken:
        """Read one packet; an empty sample means that there was no picture in it.

        `key`: what the demuxer said (it knows recovery points). Raises Rejected `malformed_video` for lengths that run over the end.
        """
        prefixed = self._length_size and not packet.startswith((b"\x00\x00\x00\x01", _START))
        parts: list[bytes] = []
        picture = continues = False
        for nal in split_prefixed(packet, self._length_size) if prefixed else split_annexb(packet):
            role = self._role(nal)
            if role == "set":
                self._take_set(nal)
            elif role != "drop":
                if role != "keep" and not picture:
                    picture, continues = True, not nal[1 if self.codec is Codec.H264 else 2:][:1] >= b"\x80"
                key = key or role == "key"
                parts += (struct.pack(">I", len(nal)), nal)
        changed = self._rebuild() if self._dirty and key else False
        return Taken(b"".join(parts), key, changed, continues) if picture else Taken(b"", False, changed, False)

    def _role(self, nal: bytes) -> str:
        """`set`, `drop` (delimiters, end marks, filler), `keep` (SEI and others: as received), `picture` or `key`."""
        kind = self._kind(nal)
        if self.codec is Codec.H264:
            if kind in (7, 8):
                return "set"
            if kind in (0, 9, 10, 11, 12):
                return "drop"
            return "key" if kind == 5 else "picture" if 1 <= kind <= 4 else "keep"
        if kind in (32, 33, 34):
            return "set"
        if kind in (35, 36, 37, 38) or len(nal) < 3:
            return "drop"
        return "key" if 16 <= kind <= 21 else "picture" if kind < 32 else "keep"


def _record_nals(codec: Codec, record: bytes) -> list[bytes]:
    """The parameter sets inside an avcC or hvcC record; a broken record gives what could be read."""
    nals: list[bytes] = []

    def run(at: int, count: int) -> int:
        for _ in range(count):
            length = int.from_bytes(record[at:at + 2], "big")
            if length and at + 2 + length <= len(record):
                nals.append(record[at + 2:at + 2 + length])
            at += 2 + length
        return at

    if codec is Codec.H264:
        at = run(6, record[5] & 31)
        run(at + 1, record[at] if at < len(record) else 0)
        return nals
    at = 23
    for _ in range(record[22]):
        at = run(at + 3, int.from_bytes(record[at + 1:at + 3], "big"))
    return nals


_AAC_RATES: Final = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


class AudioReader:
    """AAC as it comes: raw with its AudioSpecificConfig from the container, or with ADTS headers, which are taken off."""

    def __init__(self, extradata: bytes = b"", rate_hz: int = 0, channels: int = 0) -> None:
        self.config: AudioConfig | None = None
        if len(extradata) >= 2:
            self._set(extradata, rate_hz, channels)

    def _set(self, record: bytes, rate_hz: int = 0, channels: int = 0) -> None:
        kind, index = record[0] >> 3, (record[0] & 7) << 1 | record[1] >> 7
        rate = _AAC_RATES[index] if index < len(_AAC_RATES) else rate_hz
        self.config = AudioConfig(f"mp4a.40.{kind}", rate or 44100, (record[1] >> 3) & 15 or channels or 1, bytes(record))

    def take(self, packet: bytes) -> bytes:
        """The raw AAC frame of one packet; empty where it cannot be read yet."""
        if len(packet) >= 7 and packet[0] == 0xFF and packet[1] & 0xF6 == 0xF0:
            if self.config is None:
                profile, index, channels = (packet[2] >> 6) + 1, (packet[2] >> 2) & 15, (packet[2] & 1) << 2 | packet[3] >> 6
                self._set(bytes((profile << 3 | index >> 1, (index & 1) << 7 | channels << 3)))
            packet = packet[7 if packet[1] & 1 else 9:]
        return packet if self.config else b""


# ---- boxes -----------------------------------------------------------------------------------------------


def _box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, name) + body


def _full(name: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return _box(name, struct.pack(">I", version << 24 | flags), *parts)


_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_FTYP = _box(b"ftyp", b"iso5\x00\x00\x02\x00iso5iso6mp41")


def _video_entry(video: VideoConfig) -> bytes:
    name, record = (b"avc1", b"avcC") if video.codec is Codec.H264 else (b"hvc1", b"hvcC")
    head = bytes(6) + b"\x00\x01" + bytes(16) + struct.pack(">HHIIIH", video.width, video.height, 0x480000, 0x480000, 0, 1)
    return _box(name, head, bytes(32), b"\x00\x18\xff\xff", _box(record, video.record))


def _descriptor(tag: int, body: bytes) -> bytes:
    return bytes((tag, 0x80, 0x80, 0x80, len(body))) + body


def _audio_entry(audio: AudioConfig) -> bytes:
    decoder = _descriptor(4, b"\x40\x15" + bytes(11) + _descriptor(5, audio.record))
    esds = _full(b"esds", 0, 0, _descriptor(3, b"\x00\x02\x00" + decoder + _descriptor(6, b"\x02")))
    head = bytes(6) + b"\x00\x01" + bytes(8) + struct.pack(">HHII", audio.channels, 16, 0, min(audio.rate_hz, 65535) << 16)
    return _box(b"mp4a", head, esds)


def _trak(config: VideoConfig | AudioConfig, tables: bytes | None, duration: int) -> bytes:
    video = isinstance(config, VideoConfig)
    width, height = (config.width, config.height) if isinstance(config, VideoConfig) else (0, 0)
    tkhd = _full(b"tkhd", 1, 7, struct.pack(">QQIIQ", 0, 0, 1 if video else 2, 0, duration), bytes(8),
                 struct.pack(">HHHH", 0, 0, 0 if video else 0x100, 0), _MATRIX, struct.pack(">II", width << 16, height << 16))
    mdhd = _full(b"mdhd", 1, 0, struct.pack(">QQIQHH", 0, 0, TICKS, duration, 0x55C4, 0))
    hdlr = _full(b"hdlr", 0, 0, bytes(4), b"vide" if video else b"soun", bytes(12), b"\x00")
    head = _full(b"vmhd", 0, 1, bytes(8)) if video else _full(b"smhd", 0, 0, bytes(4))
    dinf = _box(b"dinf", _full(b"dref", 0, 0, b"\x00\x00\x00\x01", _full(b"url ", 0, 1)))
    entry = _video_entry(config) if isinstance(config, VideoConfig) else _audio_entry(config)
    stsd = _full(b"stsd", 0, 0, b"\x00\x00\x00\x01", entry)
    if tables is None:
        tables = b"".join(_full(name, 0, 0, bytes(4)) for name in (b"stts", b"stsc", b"stco")) + _full(b"stsz", 0, 0, bytes(8))
    return _box(b"trak", tkhd, _box(b"mdia", mdhd, hdlr, _box(b"minf", head, dinf, _box(b"stbl", stsd, tables))))


def _mvhd(duration: int) -> bytes:
    return _full(b"mvhd", 1, 0, struct.pack(">QQIQ", 0, 0, TICKS, duration), b"\x00\x01\x00\x00\x01\x00", bytes(10), _MATRIX, bytes(24),
                 b"\x00\x00\x00\x03")


def init_segment(video: VideoConfig, audio: AudioConfig | None = None) -> bytes:
    """ftyp and moov of a fragmented file: track 1 video, track 2 audio where there is one; 90,000 ticks a second."""
    traks = _trak(video, None, 0) + (_trak(audio, None, 0) if audio else b"")
    trex = b"".join(_full(b"trex", 0, 0, struct.pack(">5I", n + 1, 1, 0, 0, 0)) for n in range(2 if audio else 1))
    return _FTYP + _box(b"moov", _mvhd(0), traks, _box(b"mvex", trex))


_HEAD: Final = struct.Struct(">I4s I4sII I4s I4sII I4sIQ I4sIIi")
"""moof, mfhd, traf, tfhd (default-base-is-moof), tfdt (64 bits) and the head of trun (offset; duration, size, flags and shift of each sample)."""
_ROW: Final = struct.Struct(">IIIi")


def _one_track(number: int, track: Track, units: Sequence[Unit]) -> bytes:
    """moof and mdat of one track; durations are the distance to the next sample, of the last one its own."""
    rows = []
    for n, unit in enumerate(units):
        duration = units[n + 1].dts - unit.dts if n + 1 < len(units) else unit.duration
        flags = _SYNC if unit.key or track is Track.AUDIO else _DELTA
        rows.append(_ROW.pack(max(duration, 1), len(unit.data), flags, unit.pts - unit.dts))
    trun = 20 + _ROW.size * len(rows)
    size = _HEAD.size - 20 + trun
    head = _HEAD.pack(size, b"moof", 16, b"mfhd", 0, number & 0xFFFFFFFF, size - 24, b"traf", 16, b"tfhd", 0x020000, _TRACK_ID[track],
                      20, b"tfdt", 1 << 24, units[0].dts, trun, b"trun", 0x01000F01, len(rows), size + 8)
    mdat = struct.pack(">I4s", 8 + sum(len(unit.data) for unit in units), b"mdat")
    return b"".join((head, *rows, mdat, *(unit.data for unit in units)))


def fragment(number: int, units: Sequence[Unit]) -> bytes:
    """One movie fragment (moof, mdat) per track among `units` (in decoding order), video first; `number`: its sequence number."""
    video = [unit for unit in units if unit.track is Track.VIDEO]
    audio = [unit for unit in units if unit.track is Track.AUDIO]
    return (_one_track(number, Track.VIDEO, video) if video else b"") + (_one_track(number, Track.AUDIO, audio) if audio else b"")


def init_payload(info: InitInfo, segment: bytes) -> bytes:
    """The payload of an init message: one JSON object, a zero byte, the init segment."""
    return msgspec.json.encode(info) + b"\x00" + segment


def init_info(video: VideoConfig, audio: AudioConfig | None, *, quality: str | None = None, transcoded: str | None = None,
              dropped_audio: str | None = None) -> InitInfo:
    """What is said of a stream beside its init segment."""
    return InitInfo(codec=video.text, w=video.width, h=video.height, audio=audio.text if audio else None, quality=quality,
                    transcoded=transcoded, dropped_audio=dropped_audio, description=base64.b64encode(video.record).decode())


def parse_init(payload: bytes | memoryview) -> tuple[InitInfo, bytes]:
    """Read an init payload; raises Rejected `malformed_media`."""
    text, mark, segment = bytes(payload).partition(b"\x00")
    if not mark or segment[4:8] != b"ftyp":
        raise Rejected("malformed_media", "初始化段格式不对", "this is no init segment")
    try:
        return msgspec.json.decode(text, type=InitInfo), segment
    except msgspec.DecodeError:
        raise Rejected("malformed_media", "初始化段的说明不是有效 JSON", "the words of an init segment are not valid JSON") from None


# ---- reading back ----------------------------------------------------------------------------------------


def boxes(data: bytes | memoryview, begin: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Walk the boxes of a level: (type, start of the body, end); raises Rejected where one runs over the end."""
    end = len(data) if end is None else end
    while begin + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, begin)
        body = begin + 8
        if size == 1 and begin + 16 <= end:
            size, body = struct.unpack_from(">Q", data, body)[0], body + 8
        if size < body - begin or begin + size > end:
            raise Rejected("malformed_media", "MP4 盒子越界", "an MP4 box runs over the end")
        yield name, body, begin + size
        begin += size


def find_box(data: bytes | memoryview, *path: bytes) -> tuple[int, int] | None:
    """The body of the first box at `path` (names from the outside in) as (start, end), or None."""
    begin, end = 0, len(data)
    for name in path:
        found = next(((body, stop) for kind, body, stop in boxes(data, begin, end) if kind == name), None)
        if found is None:
            return None
        begin, end = found
    return begin, end


def parse_fragment(data: bytes | memoryview) -> list[Sample]:
    """The samples of one or more movie fragments made by `fragment`; raises Rejected `malformed_media` for anything else."""
    view = memoryview(data)
    samples: list[Sample] = []
    try:
        for name, body, end in boxes(view):
            if name == b"moof":
                for kind, inner, stop in boxes(view, body, end):
                    if kind == b"traf":
                        samples += _traf_samples(view, body - 8, inner, stop)
    except (struct.error, IndexError):
        raise Rejected("malformed_media", "媒体分片不完整", "a movie fragment is not whole") from None
    return samples


def _traf_samples(view: memoryview, moof: int, begin: int, end: int) -> list[Sample]:
    track, dts, samples = Track.VIDEO, 0, []
    for name, body, stop in boxes(view, begin, end):
        if name == b"tfhd":
            track = Track.AUDIO if struct.unpack_from(">I", view, body + 4)[0] == 2 else Track.VIDEO
        elif name == b"tfdt":
            dts = struct.unpack_from(">Q", view, body + 4)[0]
        elif name == b"trun":
            head, count, offset = struct.unpack_from(">IIi", view, body)
            if head != 0x01000F01 or body + 12 + 16 * count > stop:
                raise Rejected("malformed_media", "媒体分片格式未知", "an unknown form of movie fragment")
            at = moof + offset
            for row in range(count):
                duration, size, flags, shift = struct.unpack_from(">IIIi", view, body + 12 + 16 * row)
                if at + size > len(view):
                    raise Rejected("malformed_media", "媒体分片不完整", "a movie fragment is not whole")
                samples.append(Sample(track, dts, dts + shift, duration, flags == _SYNC, view[at:at + size]))
                at += size
                dts += duration
    return samples


def whole_fragments(data: bytes | memoryview) -> int:
    """How many bytes from the start hold whole boxes that end with an mdat (or the init): what of a torn file can be kept."""
    at = kept = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > len(data):
            break
        at += size
        if name in (b"mdat", b"moov"):
            kept = at
    return kept


def parse_init_segment(segment: bytes) -> tuple[VideoConfig, AudioConfig | None]:
    """The configs inside an init segment made by `init_segment`; raises Rejected `malformed_media`."""
    try:
        return _configs(segment)
    except (struct.error, IndexError, ValueError):
        raise Rejected("malformed_media", "初始化段不完整", "an init segment that is not whole") from None


def _configs(segment: bytes) -> tuple[VideoConfig, AudioConfig | None]:
    video: VideoConfig | None = None
    audio: AudioConfig | None = None
    moov = find_box(segment, b"moov")
    for name, body, end in boxes(segment, *moov) if moov else ():
        stbl = find_box(memoryview(segment)[body:end], b"mdia", b"minf", b"stbl", b"stsd") if name == b"trak" else None
        if stbl is None:
            continue
        entry = bytes(segment[body + stbl[0] + 8:body + stbl[1]])
        if entry[4:8] == b"mp4a":
            at = entry.index(b"\x05\x80\x80\x80") + 4
            channels, rate = struct.unpack_from(">H", entry, 24)[0], struct.unpack_from(">I", entry, 32)[0] >> 16
            audio = AudioReader(entry[at + 1:at + 1 + entry[at]], rate, channels).config
        else:
            video = _entry_config(entry)
    if video is None:
        raise Rejected("malformed_media", "初始化段中没有视频轨", "an init segment without video")
    return video, audio


def _entry_config(entry: bytes) -> VideoConfig:
    codec = Codec.H264 if entry[4:8] == b"avc1" else Codec.H265
    width, height = struct.unpack_from(">HH", entry, 32)
    record = next((entry[body:end] for name, body, end in boxes(entry, 86) if name in (b"avcC", b"hvcC")), b"")
    if len(record) < 7:
        raise Rejected("malformed_media", "初始化段缺少编码参数", "an init segment without its codec record")
    text = f"avc1.{record[1]:02x}{record[2]:02x}{record[3]:02x}" if codec is Codec.H264 else _h265_text(record[1:13])
    return VideoConfig(codec, text, width, height, record)


# ---- one whole file --------------------------------------------------------------------------------------


def _runs(values: Iterable[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for value in values:
        if runs and runs[-1][1] == value:
            runs[-1] = (runs[-1][0] + 1, value)
        else:
            runs.append((1, value))
    return runs


def _tables(samples: Sequence[Sample], offset: int) -> bytes:
    """Sample tables of one track whose samples stand one behind the other from `offset` on."""
    gaps = [b.dts - a.dts for a, b in pairwise(samples)] + [samples[-1].duration]
    stts, ctts = _runs(gaps), _runs(s.pts - s.dts for s in samples)
    keys = [n + 1 for n, s in enumerate(samples) if s.key]
    out = _full(b"stts", 0, 0, struct.pack(">I", len(stts)), *(struct.pack(">II", *run) for run in stts))
    if any(shift for _, shift in ctts):
        out += _full(b"ctts", 1, 0, struct.pack(">I", len(ctts)), *(struct.pack(">Ii", *run) for run in ctts))
    if len(keys) < len(samples):
        out += _full(b"stss", 0, 0, struct.pack(f">I{len(keys)}I", len(keys), *keys))
    out += _full(b"stsc", 0, 0, struct.pack(">IIII", 1, 1, len(samples), 1))
    out += _full(b"stsz", 0, 0, struct.pack(f">II{len(samples)}I", 0, len(samples), *(len(s.data) for s in samples)))
    return out + _full(b"co64", 0, 0, struct.pack(">IQ", 1, offset))


def progressive(video: VideoConfig, audio: AudioConfig | None, samples: Sequence[Sample]) -> bytes:
    """The head (ftyp, moov, head of mdat) of a plain MP4; append all video samples' bytes, then all audio samples' bytes, to complete it.

    Decoding times are moved so that the file begins at zero; an edit list takes the first picture's reordering delay away.
    """
    origin = min(sample.dts for sample in samples)
    tracks: list[tuple[VideoConfig | AudioConfig, list[Sample]]] = [(video, [s for s in samples if s.track is Track.VIDEO])]
    if audio:
        tracks.append((audio, [s for s in samples if s.track is Track.AUDIO]))
    tracks = [(config, rows) for config, rows in tracks if rows]
    total = sum(len(sample.data) for _, rows in tracks for sample in rows)
    length = max(rows[-1].dts + rows[-1].duration for _, rows in tracks) - origin

    def moov(first: int) -> bytes:
        traks, at = b"", first
        for config, rows in tracks:
            traks += _with_edit(_trak(config, _tables(rows, at), length), rows, origin, length)
            at += sum(len(sample.data) for sample in rows)
        return _box(b"moov", _mvhd(length), traks)

    head = len(_FTYP) + len(moov(0)) + 16
    return _FTYP + moov(head) + struct.pack(">I4sQ", 1, b"mdat", total + 16)


def _with_edit(trak: bytes, rows: Sequence[Sample], origin: int, length: int) -> bytes:
    """Put an edit list behind the track header: an empty edit where the track starts late, then from its first presented time on."""
    late = min(s.pts for s in rows) - origin
    first = min(s.pts for s in rows) - rows[0].dts
    edits = ([struct.pack(">QqI", late, -1, 0x10000)] if late > 0 and rows[0].dts > origin else [])
    edits.append(struct.pack(">QqI", length, max(first, 0), 0x10000))
    edts = _box(b"edts", _full(b"elst", 1, 0, struct.pack(">I", len(edits)), *edits))
    tkhd_end = 8 + struct.unpack_from(">I", trak, 8)[0]
    body = trak[8:tkhd_end] + edts + trak[tkhd_end:]
    return _box(b"trak", body)

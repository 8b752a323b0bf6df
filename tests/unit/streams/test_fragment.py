"""The muxer against libav: what it writes, another implementation must read, frame by frame."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from hub.errors import Rejected
from streams.fragment import (
    AudioReader,
    Codec,
    InitInfo,
    Track,
    Unit,
    VideoReader,
    fragment,
    init_info,
    init_payload,
    init_segment,
    parse_fragment,
    parse_init,
    parse_init_segment,
    progressive,
    split_annexb,
    whole_fragments,
)
from streams.strip import draw_strip, read_strip


def encode(name: str = "libx264", *, frames: int = 30, size: tuple[int, int] = (320, 180), **options: str) -> list[tuple[bytes, int, int, bool]]:
    """Real Annex B packets (data, pts, dts, key) of a moving picture with the frame number burnt in."""
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt, context.framerate = *size, "yuv420p", 25
    context.time_base = Fraction(1, 25)
    context.options = {"preset": "ultrafast", **({"x265-params": "log-level=none:keyint=10"} if name == "libx265" else {"g": "10"}), **options}
    packets = []
    rng = np.random.default_rng(7)
    base = rng.integers(0, 255, (size[1], size[0], 3), np.uint8)
    for n in range(frames):
        picture = np.roll(base, n * 3, axis=1).copy()
        draw_strip(picture, n)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = n, context.time_base
        packets += context.encode(frame)
    packets += context.encode(None)
    return [(bytes(p), p.pts, p.dts, p.is_keyframe) for p in packets]


def to_units(reader: VideoReader, packets: list[tuple[bytes, int, int, bool]]) -> list[Unit]:
    units = []
    for data, pts, dts, key in packets:
        sample, is_key, *_ = reader.take(data, key)
        units.append(Unit(Track.VIDEO, sample, is_key, dts * 3600 + 36_000, pts * 3600 + 36_000, 3600, 0))
    return units


def decode(file: bytes) -> list[tuple[int, int | None]]:
    """(pts in frames, frame number read from the picture) of every picture."""
    with av.open(io.BytesIO(file)) as container:
        return [(round(float(f.pts * f.time_base) * 25), read_strip(f.to_ndarray(format="rgb24"))) for f in container.decode(video=0)]


@pytest.mark.parametrize(("name", "codec", "options"), [
    ("libx264", Codec.H264, {"tune": "zerolatency"}),
    ("libx264", Codec.H264, {"preset": "veryfast", "bf": "2"}),
    ("libx264", Codec.H264, {"preset": "ultrafast", "tune": "zerolatency", "slices": "4"}),
    ("libx264", Codec.H264, {"profile": "high", "preset": "veryfast", "bf": "3"}),
    ("libx265", Codec.H265, {}),
], ids=["no B-frames", "B-frames", "four slices", "High profile", "H.265"])
def test_every_frame_comes_back_in_order_when_each_is_its_own_fragment(name: str, codec: Codec, options: dict[str, str]) -> None:
    packets = encode(name, **options)
    reader = VideoReader(codec)
    units = to_units(reader, packets)
    assert reader.config is not None
    assert (reader.config.width, reader.config.height) == (320, 180)
    file = init_segment(reader.config) + b"".join(fragment(n, [unit]) for n, unit in enumerate(units))

    shown = decode(file)

    first = shown[0][0]
    assert [(pts - first, number) for pts, number in shown] == [(n, n) for n in range(30)]


def test_b_frames_really_carry_composition_offsets() -> None:
    units = to_units(VideoReader(Codec.H264), encode(preset="veryfast", bf="2"))
    assert {unit.pts - unit.dts for unit in units} != {0}
    back = parse_fragment(fragment(1, units))
    assert [(s.dts, s.pts, s.key) for s in back] == [(u.dts, u.pts, u.key) for u in units]


def test_a_fragment_may_hold_many_frames() -> None:
    units = to_units(reader := VideoReader(Codec.H264), encode(tune="zerolatency"))
    assert reader.config
    file = init_segment(reader.config) + fragment(1, units[:10]) + fragment(2, units[10:])
    assert [number for _, number in decode(file)] == list(range(30))


def test_samples_read_back_are_the_samples_written() -> None:
    units = to_units(VideoReader(Codec.H264), encode(tune="zerolatency"))
    back = parse_fragment(fragment(1, units[:7]) + fragment(2, units[7:]))
    assert [(bytes(s.data), s.dts, s.key) for s in back] == [(u.data, u.dts, u.key) for u in units]


def test_codec_strings_agree_with_the_profile_and_level_in_the_stream() -> None:
    h264 = VideoReader(Codec.H264)
    to_units(h264, encode(frames=2, profile="baseline", tune="zerolatency"))
    h265 = VideoReader(Codec.H265)
    to_units(h265, encode("libx265", frames=2))
    assert h264.config and h264.config.text.startswith("avc1.42c0")
    assert h265.config and h265.config.text.startswith("hvc1.1.6.L")


def test_a_new_sps_is_a_new_config_and_the_same_one_again_is_not() -> None:
    reader = VideoReader(Codec.H264)
    small, large = encode(frames=12, tune="zerolatency"), encode(frames=12, size=(640, 360), tune="zerolatency")
    changes = [reader.take(data, key)[2] for data, _, _, key in small + large]
    assert [n for n, changed in enumerate(changes) if changed] == [0, 12]
    assert reader.config and (reader.config.width, reader.config.height) == (640, 360)


def test_length_prefixed_packets_with_an_avcc_record_are_read_too() -> None:
    first = VideoReader(Codec.H264)
    units = to_units(first, encode(tune="zerolatency"))
    assert first.config
    second = VideoReader(Codec.H264, first.config.record)
    again = [second.take(unit.data, unit.key)[0] for unit in units]
    assert second.config == first.config
    assert again == [unit.data for unit in units]


def test_an_hvcc_record_is_read_back_to_the_same_config() -> None:
    first = VideoReader(Codec.H265)
    to_units(first, encode("libx265", frames=3))
    assert first.config
    assert VideoReader(Codec.H265, first.config.record).config == first.config
    assert parse_init_segment(init_segment(first.config)) == (first.config, None)


@pytest.mark.parametrize("junk", [b"", b"\x00", b"\x00\x00\x01", b"\x00\x00\x01\x67", b"\x00\x00\x01\x67\xff\xff\xff\xff\x00\x00\x01\x68",
                                  bytes(range(256)), b"\x00\x00\x01" * 50, b"\x00\x00\x01\x67\x42\xc0\x1f" + b"\x00" * 40])
def test_garbage_gives_no_picture_or_a_named_refusal(junk: bytes) -> None:
    for codec in Codec:
        reader = VideoReader(codec)
        reader.take(junk)
        assert reader.config is None


def test_a_prefixed_packet_whose_length_runs_over_the_end_is_refused_by_name() -> None:
    first = VideoReader(Codec.H264)
    to_units(first, encode(frames=1, tune="zerolatency"))
    assert first.config
    with pytest.raises(Rejected) as caught:
        VideoReader(Codec.H264, first.config.record).take(b"\x00\x00\xff\xff\x65abc")
    assert caught.value.code == "malformed_video"


def test_aac_beside_the_video_is_kept_and_adts_headers_are_taken_off() -> None:
    context: Any = av.CodecContext.create("aac", "w")
    context.sample_rate, context.layout, context.format = 48000, "mono", "fltp"
    context.open()
    reader = AudioReader(context.extradata, 48000, 1)
    raw = []
    for n in range(20):
        tone = np.sin(np.arange(n * 1024, (n + 1) * 1024) * 0.06).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, n * 1024
        raw += [bytes(p) for p in context.encode(frame)]
    adts = AudioReader()
    headers = [bytes((0xFF, 0xF1, 0x4C, 0x40 | (len(r) + 7) >> 11, (len(r) + 7) >> 3 & 255, ((len(r) + 7) & 7) << 5 | 31, 0xFC)) for r in raw]
    assert [adts.take(head + r) for head, r in zip(headers, raw, strict=True)] == raw
    assert adts.config and adts.config.rate_hz == 48000 and adts.config.text == "mp4a.40.2"

    video = VideoReader(Codec.H264)
    units = to_units(video, encode(tune="zerolatency"))
    sound = [Unit(Track.AUDIO, reader.take(r), True, n * 1920, n * 1920, 1920, 0) for n, r in enumerate(raw)]
    assert video.config
    file = init_segment(video.config, reader.config) + fragment(1, sorted(units + sound, key=lambda u: u.dts))
    with av.open(io.BytesIO(file)) as container:
        assert sum(f.samples for f in container.decode(audio=0)) >= 19 * 1024
    assert parse_init_segment(init_segment(video.config, reader.config)) == (video.config, reader.config)


@pytest.mark.parametrize("options", [{"tune": "zerolatency"}, {"preset": "veryfast", "bf": "2"}], ids=["no B-frames", "B-frames"])
def test_a_progressive_file_plays_every_frame_from_zero(options: dict[str, str]) -> None:
    reader = VideoReader(Codec.H264)
    units = [Unit(u.track, u.data, u.key, u.dts + 900_000, u.pts + 900_000, u.duration, 0) for u in to_units(reader, encode(**options))]
    samples = parse_fragment(fragment(1, units))
    assert reader.config
    file = progressive(reader.config, None, samples) + b"".join(s.data for s in samples)
    assert decode(file) == [(n, n) for n in range(30)]


def test_an_init_payload_says_codec_and_size_and_comes_back() -> None:
    reader = VideoReader(Codec.H264)
    to_units(reader, encode(frames=1, tune="zerolatency"))
    assert reader.config
    info = init_info(reader.config, None, quality="main", dropped_audio="pcm_alaw")
    back, segment = parse_init(init_payload(info, init_segment(reader.config)))
    assert back == info and isinstance(back, InitInfo)
    assert (back.w, back.h, back.dropped_audio) == (320, 180, "pcm_alaw")
    assert segment == init_segment(reader.config)


@pytest.mark.parametrize("junk", [b"", b"{}\x00", b"{\x00\x00\x00\x00\x10ftyp", b"[]\x00\x00\x00\x00\x10ftyp"])
def test_a_broken_init_payload_is_refused_by_name(junk: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        parse_init(junk)
    assert caught.value.code == "malformed_media"


def test_a_broken_init_segment_is_refused_by_name_wherever_it_breaks() -> None:
    reader = VideoReader(Codec.H264)
    to_units(reader, encode(frames=1, tune="zerolatency"))
    assert reader.config
    segment = bytearray(init_segment(reader.config, AudioReader(bytes.fromhex("1190"), 48_000, 2).config))
    refused = 0
    for at in range(len(segment)):
        for value in (0, 255):
            broken = segment.copy()
            broken[at] = value
            try:
                parse_init_segment(bytes(broken))
            except Rejected as error:
                refused += error.code == "malformed_media"
    assert refused > 20


def test_any_cut_of_a_file_keeps_only_whole_fragments() -> None:
    reader = VideoReader(Codec.H264)
    units = to_units(reader, encode(frames=3, tune="zerolatency"))
    assert reader.config
    parts = [init_segment(reader.config)] + [fragment(n, [u]) for n, u in enumerate(units)]
    file = b"".join(parts)
    ends = [sum(len(p) for p in parts[:n + 1]) for n in range(4)]
    for cut in range(len(file) + 1):
        assert whole_fragments(file[:cut]) == max((end for end in ends if end <= cut), default=0)


def test_a_cut_fragment_is_refused_and_never_anything_else() -> None:
    units = to_units(VideoReader(Codec.H264), encode(frames=3, tune="zerolatency"))
    whole = fragment(1, units)
    for cut in range(8, len(whole), 37):
        with pytest.raises(Rejected):
            parse_fragment(whole[:cut])


def test_start_codes_of_three_and_four_bytes_split_alike() -> None:
    assert split_annexb(b"\x00\x00\x00\x01abc\x00\x00\x01def\x00\x00\x00\x01g") == [b"abc", b"def", b"g"]

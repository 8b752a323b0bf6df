"""The timeline: whatever a camera's clock does, decoding times go forward and keep the real pace."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.timeline import Timeline

STEP = 3600


def test_a_regular_stream_keeps_its_pace_and_starts_where_the_source_is() -> None:
    line = Timeline()
    placed = [line.place(n * STEP + 12345, n * STEP + 12345, n * STEP + 900) for n in range(5)]
    assert placed == [(900 + n * STEP, 900 + n * STEP, STEP) for n in range(5)]


def test_the_first_packets_without_times_do_not_lose_the_key_frame() -> None:
    line = Timeline()
    early = [line.place(None, None, 0) for _ in range(4)]
    later = [line.place(777_000 + n * STEP, 777_000 + n * STEP, 4 * STEP + n * STEP) for n in range(3)]
    assert [dts for dts, _, _ in early + later] == [n * STEP for n in range(7)]


def test_b_frames_keep_their_distance_between_decoding_and_showing() -> None:
    line = Timeline()
    order = [(0, -2), (4, -1), (2, 0), (1, 1), (3, 2)]
    placed = [line.place(p * STEP, d * STEP, n * STEP) for n, (p, d) in enumerate(order)]
    assert [pts - dts for dts, pts, _ in placed] == [(p - d) * STEP for p, d in order]


def test_a_clock_thirty_years_ahead_is_bridged_without_a_hole() -> None:
    line = Timeline()
    for n in range(10):
        last = line.place(n * STEP, n * STEP, n * STEP)
    leap = 30 * 365 * 86_400 * 90_000
    after = line.place(leap, leap, 10 * STEP)
    assert after[0] - last[0] == STEP
    assert line.jumps == 1


def test_a_clock_set_back_is_bridged_too() -> None:
    line = Timeline()
    line.place(10**9, 10**9, 0)
    assert line.place(5, 5, STEP)[0] == STEP


def test_a_real_pause_of_the_network_is_no_jump() -> None:
    line = Timeline()
    line.place(0, 0, 0)
    assert line.place(10 * 90_000, 10 * 90_000, 10 * 90_000)[0] == 10 * 90_000
    assert line.jumps == 0


def test_after_a_reconnect_the_timeline_goes_on_with_the_time_that_passed() -> None:
    line = Timeline()
    line.place(500, 500, 0)
    line.restart()
    assert line.place(7, 7, 450_000)[0] == 450_000


@given(st.lists(st.tuples(st.none() | st.integers(-2**40, 2**40), st.none() | st.integers(-2**40, 2**40), st.integers(0, 10**6)), max_size=60))
def test_decoding_times_always_grow_and_offsets_stay_small(packets: list[tuple[int | None, int | None, int]]) -> None:
    line, elapsed, last = Timeline(), 0, -1
    for pts, dts, passed in packets:
        elapsed += passed
        out, shown, duration = line.place(pts, dts, elapsed)
        assert out > last
        assert abs(shown - out) < 180_000
        assert duration > 0
        last = out

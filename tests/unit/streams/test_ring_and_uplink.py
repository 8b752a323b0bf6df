"""The ring of the last seconds and the window of the uplink."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.fragment import Track, Unit
from streams.ring import Ring
from streams.uplink import Level, Uplink, UplinkLimits


def unit(n: int, key: bool, size: int = 100) -> Unit:
    return Unit(Track.VIDEO, bytes(size), key, n * 3600, n * 3600, 3600, n)


def filled(seconds: float, frames: int = 250) -> Ring:
    ring = Ring(seconds)
    for n in range(frames):
        ring.add(unit(n, n % 25 == 0))
    return ring


def test_the_current_group_begins_with_its_key_frame() -> None:
    group = filled(0, 260).current()
    assert group[0].key and len(group) == 10


def test_the_seconds_before_are_whole_groups_and_end_where_the_current_one_begins() -> None:
    before = filled(10, 260).before(5)
    assert [group[0].dts // 3600 for group in before] == [125, 150, 175, 200, 225]
    assert all(group[0].key and len(group) == 25 for group in before)


def test_units_before_the_first_key_frame_are_not_kept() -> None:
    ring = Ring(5)
    ring.add(unit(0, False))
    assert ring.current() == []


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4000)), max_size=200))
def test_a_ring_never_exceeds_its_cap(units: list[tuple[bool, int]]) -> None:
    ring = Ring(5, cap_bytes=10_000)
    for n, (key, size) in enumerate(units):
        ring.add(unit(n, key, size))
        assert 0 <= ring.size_bytes <= 10_000
        assert ring.size_bytes == sum(len(u.data) for group in ring._groups for u in group)
        assert not ring.current() or ring.current()[0].key


class Wire:
    """A link that takes messages when told to."""

    def __init__(self) -> None:
        self.gone = False

    def is_published(self) -> bool:
        return self.gone


def test_small_messages_pass_within_the_window_and_not_over_it_once_they_are_late() -> None:
    uplink = Uplink(UplinkLimits(window_bytes=1000, late_s=0.2))
    for _ in range(2):
        assert uplink.has_room(400, 0.0)
        uplink.sent(Wire(), 400, 0.0)
    assert uplink.has_room(400, 0.1)
    assert not uplink.has_room(400, 0.3)
    assert uplink.has_room(100, 0.3)


def test_one_message_larger_than_the_window_passes_when_nothing_is_under_way() -> None:
    uplink = Uplink(UplinkLimits(window_bytes=1000))
    assert uplink.has_room(250_000, 0.0)
    wire = Wire()
    uplink.sent(wire, 250_000, 0.0)
    assert not uplink.has_room(10, 1.0)
    wire.gone = True
    assert uplink.has_room(10, 1.0) and uplink.pending_bytes == 0


def test_lasting_congestion_steps_down_to_previews_and_calm_steps_up_again() -> None:
    uplink = Uplink()
    for tenth in range(150):
        uplink.drop(tenth / 10)
    assert uplink.level is Level.PREVIEWS
    uplink.tick(25)
    assert uplink.level is Level.PREVIEWS
    uplink.tick(40)
    assert uplink.level is Level.KEY_FRAMES
    uplink.tick(41)
    assert uplink.level is Level.KEY_FRAMES
    uplink.tick(61)
    assert uplink.level is Level.SUB_STREAM


def test_a_step_up_that_failed_makes_the_next_one_wait_longer() -> None:
    uplink = Uplink()
    for tenth in range(32):
        uplink.drop(tenth / 10)
    assert uplink.level is Level.SUB_STREAM
    uplink.tick(24)
    assert uplink.level is Level.FULL
    for tenth in range(250, 290):
        uplink.drop(tenth / 10)
    assert uplink.level is Level.SUB_STREAM
    uplink.tick(29 + 25)
    assert uplink.level is Level.SUB_STREAM
    uplink.tick(29 + 41)
    assert uplink.level is Level.FULL


def test_a_few_drops_far_apart_change_nothing() -> None:
    uplink = Uplink()
    for n in range(20):
        uplink.drop(n * 10.0)
    assert uplink.level is Level.FULL
    assert uplink.dropped == 20

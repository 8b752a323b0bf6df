"""What may come in on a media connection: only media, so much, so often."""

from __future__ import annotations

import pytest

from hub.ingest import media_guard as rules
from hub.ingest.media_guard import MediaGuard
from hub.wire import MediaKind, Topics, media_header

NAME = "plant.media"
BODIES = {MediaKind.PREVIEW: b"\xff\xd8\xff\xe0", MediaKind.INIT: b'{"codec"', MediaKind.MEDIA: b"\x00\x00\x00\x10moof"}


def publish(kind: MediaKind, payload: bytes, *, qos: int = 0) -> bytes:
    topic = Topics().media("plant", "c1", kind).encode()
    return len(topic).to_bytes(2, "big") + topic + (b"\x00\x07" if qos else b"") + payload


def good(kind: MediaKind) -> bytes:
    return media_header(kind, key=True, seq=1, wall_ms=1) + BODIES[kind]


@pytest.mark.parametrize("kind", list(MediaKind))
@pytest.mark.parametrize("qos", [0, 1])
def test_what_an_agent_sends_passes(kind: MediaKind, qos: int) -> None:
    assert MediaGuard().is_media(NAME, 0x30 | qos << 1, publish(kind, good(kind), qos=qos), 0.0)


@pytest.mark.parametrize("kind", list(MediaKind))
@pytest.mark.parametrize("payload", [b"", b"\x00" * 13, b"\xee" * 400, good(MediaKind.PREVIEW)[:14], media_header(MediaKind.MEDIA, key=True, seq=1, wall_ms=1) + b"x" * 40])
def test_garbage_does_not(kind: MediaKind, payload: bytes) -> None:
    guard = MediaGuard()
    assert not guard.is_media(NAME, 0x30, publish(kind, payload), 0.0)
    assert guard.dropped == 1


def test_other_topics_are_left_to_the_policy() -> None:
    topic = b"tocsin/v1/district/agents/plant.media/up/telemetry"
    assert MediaGuard().is_media(NAME, 0x30, len(topic).to_bytes(2, "big") + topic + b"?", 0.0)
    assert MediaGuard().is_media(NAME, 0x30, b"", 0.0)


def test_who_sends_garbage_is_cut_and_stays_away_for_longer_each_time() -> None:
    guard, now = MediaGuard(), 0.0
    bans: list[float] = []
    for _ in range(4):
        assert guard.refusal(NAME, now) is None
        for n in range(rules.STRIKES):
            assert not guard.is_media(NAME, 0x30, publish(MediaKind.MEDIA, b"x" * 50), now)
            assert guard.must_go(NAME, now) is (n == rules.STRIKES - 1)
        assert guard.refusal(NAME, now) is not None
        began = now
        while guard.refusal(NAME, now) is not None:
            now += 1.0
        bans.append(now - began)
        now += rules.CONNECTIONS_S
    assert bans == [10, 20, 40, 80]
    assert guard.refusal("other.media", now) is None


def test_a_single_bad_message_in_a_while_ends_nothing() -> None:
    guard = MediaGuard()
    for n in range(20):
        now = n * rules.STRIKE_S
        assert not guard.is_media(NAME, 0x30, publish(MediaKind.INIT, b"x" * 50), now)
        assert not guard.must_go(NAME, now)


def test_who_comes_and_goes_too_often_waits() -> None:
    guard = MediaGuard()
    assert [guard.refusal(NAME, n * 0.5) is None for n in range(rules.CONNECTIONS + 3)] == [True] * rules.CONNECTIONS + [False] * 3
    assert guard.refusal(NAME, rules.CONNECTIONS_S + 1) is None


def test_bytes_above_the_budget_are_waited_for() -> None:
    guard = MediaGuard()
    assert guard.wait_s(NAME, rules.BURST_BYTES, 0.0) == 0.0
    assert guard.wait_s(NAME, rules.BYTES_PER_S, 0.0) == pytest.approx(1.0)
    assert guard.wait_s(NAME, 0, 1.0) == 0.0


def test_its_memory_is_bounded() -> None:
    guard = MediaGuard()
    for n in range(rules.MOST_KNOWN + 50):
        guard.wait_s(f"a{n}.media", 1, 0.0)
    assert len(guard._known) == rules.MOST_KNOWN

"""What agents say of themselves: the hints of their detectors are bounded, and what no calendar and no topic knows goes no further."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.ingest.presence import ADVISORIES_PER_MINUTE, Presences
from hub.store import Store
from hub.wire import Advisory, encode


async def test_an_agent_whose_detectors_say_too_much_is_cut_short_for_the_minute_and_no_other(tmp_path: Path) -> None:
    now_s = [0.0]
    said = encode(Advisory(camera_id="c", at=datetime.now(UTC), kind="motion", score=1, detector="motion"))
    async with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        presences = Presences(store, steady=lambda: now_s[0])
        for _ in range(ADVISORIES_PER_MINUTE + 40):
            presences.note("loud", "advisory", said)
        presences.note("quiet", "advisory", said)
        presences.note("quiet", "advisory", b"{")
        assert (presences.advisories_left_out, presences.malformed) == (40, 1)
        now_s[0] = 60.0
        presences.note("loud", "advisory", said)
    heard = [agent_id for agent_id, _ in presences._advisories]
    assert (heard.count("loud"), heard.count("quiet")) == (ADVISORIES_PER_MINUTE + 1, 1)


ODD = {
    "a time without an offset": ("presence", b'{"online":true,"at":"2026-11-30T01:00:00"}'),
    "a time before the calendar": ("presence", b'{"online":true,"at":"0001-01-01T00:00:00+14:00"}'),
    "a camera's time after it": ("presence", b'{"online":true,"cameras":[{"id":"c","since":"9999-12-31T23:59:59-12:00"}]}'),
    "a year with escaped letters": ("presence", b'{"online":true,"at":"\\u0030001-01-01T00:00:00+14:00"}'),
    "a wind without an offset": ("telemetry", b'{"at":"2026-11-30T01:00:00Z","wind":{"from_deg":1,"speed_mps":3,"at":"2026-11-30T01:00:00.5"}}'),
    "a camera that is no level of a topic": ("presence", b'{"online":true,"cameras":[{"id":"../a#"}]}'),
    "a camera with an endless name": ("presence", b'{"online":true,"cameras":[{"id":"' + bytes(ord("a") + n % 26 for n in range(20_000)) + b'"}]}'),
}


@pytest.mark.parametrize("name", ODD)
async def test_what_no_calendar_and_no_topic_knows_is_left_and_counted(store: Store, name: str) -> None:
    presences = Presences(store)
    assert presences.note("a", *ODD[name]) is None
    assert presences.malformed == 1
    assert presences.note("a", "presence", b'{"online":true,"at":"2026-11-30T01:00:00+08:00","cameras":[{"id":"\xe5\x8d\x97\xe9\x97\xa8_1"}]}') is not None

"""The hints of an agent's detectors are bounded before they come to the store."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

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

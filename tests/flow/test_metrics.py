"""The numbers for Prometheus."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from hub.clock import SystemClock
from hub.domain.report import Channel
from tests.support.reports import AGENT, raw
from tests.support.web_hub import web_hub


async def test_metrics_count_what_was_stored_and_what_was_refused_by_reason(tmp_path: Path) -> None:
    async with web_hub(tmp_path, SystemClock()) as hub:
        now = hub.services.clock.now().isoformat()
        await hub.services.intake.submit("report", raw(occurred_at=now), AGENT, Channel.HTTP)
        await hub.services.intake.submit("report", b"{", AGENT, Channel.HTTP)
        async with aiohttp.ClientSession() as client, client.get(hub.web_url + "/metrics") as answer:
            text = await answer.text()
            assert answer.status == 200, text
    assert 'tocsin_messages_total{status="stored"} 1.0' in text
    assert 'tocsin_rejected_total{reason="malformed_json"} 1.0' in text
    assert 'tocsin_part_up{part="store"} 1.0' in text

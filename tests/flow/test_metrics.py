"""The numbers for Prometheus."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from hub.clock import SystemClock
from hub.domain.report import Channel
from hub.ingest.intake import Source
from tests.support.reports import AGENT, raw
from tests.support.web_hub import web_hub


async def test_metrics_count_what_was_stored_and_what_was_refused_by_reason(tmp_path: Path) -> None:
    async with web_hub(tmp_path, SystemClock()) as hub:
        now = hub.services.clock.now().isoformat()
        await hub.services.intake.submit("report", raw(occurred_at=now), AGENT, Channel.HTTP)
        await hub.services.intake.submit("report", b"{", AGENT, Channel.HTTP)
        hurried = Source("agent:h1", agent_id="h1", department_id="fire-rescue", quota_per_minute=1)
        for _ in range(2):
            await hub.services.intake.submit("report", raw(occurred_at=now), hurried, Channel.HTTP)
        async with aiohttp.ClientSession() as client, client.get(hub.web_url + "/metrics") as answer:
            text = await answer.text()
            assert answer.status == 200, text
    assert 'tocsin_messages_total{status="stored"} 2.0' in text
    assert 'tocsin_rejected_total{reason="malformed_json"} 1.0' in text
    assert 'tocsin_unavailable_total{reason="over_quota"} 1.0' in text
    assert "tocsin_quarantine_waiting 1.0" in text
    assert 'tocsin_part_up{part="store"} 1.0' in text

"""Reports for tests, as bytes and as agents would send them."""

from __future__ import annotations

import json
from typing import Any

from hub.domain.report import Channel
from hub.ids import new_id
from hub.ingest.intake import Intake, Source
from hub.wire import Receipt

AGENT = Source("agent:a1", agent_id="a1", department_id="traffic-police")
TRUSTED = Source("agent:t1", agent_id="t1", department_id="fire-rescue", trusted=True)


def report(**given: Any) -> dict[str, Any]:
    """An initial report; whatever is given replaces or (None) removes a field."""
    fields: dict[str, Any] = {
        "id": new_id(), "kind": "initial", "occurred_at": "2026-11-23T05:58:00+00:00", "title": "G204 槽罐车侧翻", "event_types": ["12H00"],
        "place": {"text": "G204 赣马镇段", "lon": 119.13, "lat": 34.86},
    }
    fields.update(given)
    return {name: value for name, value in fields.items() if value is not None}


def raw(**given: Any) -> bytes:
    """The same as bytes."""
    return json.dumps(report(**given), ensure_ascii=False).encode()


async def file(intake: Intake, payload: bytes, source: Source = AGENT) -> Receipt:
    """Give a message to an intake that is not running, and store it now."""
    import asyncio

    answer = asyncio.ensure_future(intake.submit("report", payload, source, Channel.MQTT))
    await asyncio.sleep(0)
    await intake.drain()
    return await answer

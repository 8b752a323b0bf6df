"""One fuzzing target as a process: `python -m tests.fuzz.target NAME CORPUS [libFuzzer options]`."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["hub.wire", "hub.ingest.broker", "hub.domain.report"]):
    from hub import wire
    from hub.domain import report as rules
    from hub.ingest import broker

from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from hub.clock import utc_text
from hub.errors import Rejected

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SEEDS = {
    "report": b'{"id":"01970000-0000-7000-8000-000000000001","kind":"initial","occurred_at":"2026-11-23T14:05:00+08:00","title":"x","place":{"lon":1,"lat":2}}',
    "daily": b'{"id":"01970000-0000-7000-8000-000000000001","department":"a","template":"daily","day":"2026-11-23","zero":true}',
    "presence": b'{"online":true,"queued":1,"cameras":[{"id":"c","since":"0001-01-01T00:00:00+14:00"}]}',
    "telemetry": b'{"at":"2026-11-23T14:05:00+08:00","wind":{"from_deg":1,"speed_mps":2,"at":"2026-11-23T14:05:00+08:00"}}',
    "advisory": b'{"camera_id":"c","at":"2026-11-23T14:05:00+08:00","kind":"motion","score":0.5,"detector":"motion"}',
    "media": bytes(20),
    "connect": b"\x00\x04MQTT\x04\xc2\x00\x1e\x00\x02a1\x00\x02a1\x00\x01x",
    "command": b'{"id":"x","kind":"start","at":"2026-11-23T14:05:00+08:00"}',
}


def use_times(message: Any) -> None:
    """Do with every time inside what the hub does with it."""
    for value in structs.asdict(message).values():
        for within in value if isinstance(value, tuple) else (value,):
            if isinstance(within, datetime):
                utc_text(within)
                _ = within - NOW, within.astimezone(UTC)
            elif hasattr(within, "__struct_fields__"):
                use_times(within)


def one(name: str, data: bytes) -> None:
    """Decode as the hub would; only a named refusal may come out."""
    try:
        if name == "report":
            report = wire.decode_report(data)
            wire.content_hash(report)
            rules.judge(report, NOW)
            rules.place_view(report.place)
        elif name == "daily":
            wire.decode_daily(data)
        elif name == "presence":
            use_times(wire.decode(data, wire.Presence))
        elif name == "telemetry":
            use_times(wire.decode(data, wire.Telemetry))
        elif name == "advisory":
            use_times(wire.decode(data, wire.Advisory))
        elif name == "command":
            use_times(wire.decode(data, wire.Command))
        elif name == "media":
            wire.parse_media(data)
        else:
            broker.parse_connect(data)
    except (Rejected, broker._Refused):
        return


def main() -> None:
    """Fuzz until libFuzzer's own limit."""
    name, corpus = sys.argv[1], sys.argv[2]
    from pathlib import Path

    (Path(corpus) / "seed").write_bytes(SEEDS[name])
    atheris.Setup([sys.argv[0], corpus, *sys.argv[3:]], lambda data: one(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()

"""The hub's numbers for Prometheus, read from the parts at the time of asking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.operate.health import State

if TYPE_CHECKING:
    from hub.web.services import Services


async def render(hub: Services) -> bytes:
    """Prometheus text of the counters and gauges; every name begins with `tocsin_`."""
    intake = hub.intake
    lines = [
        "# HELP tocsin_messages_total Messages by what became of them.", "# TYPE tocsin_messages_total counter",
        *(f'tocsin_messages_total{{status="{status}"}} {n}' for status, n in intake.counts.items()),
        "# HELP tocsin_rejected_total Rejected messages by reason.", "# TYPE tocsin_rejected_total counter",
        *(f'tocsin_rejected_total{{reason="{reason}"}} {n}' for reason, n in sorted(intake.reasons.items())),
        "# HELP tocsin_intake_waiting Messages waiting to be stored.", "# TYPE tocsin_intake_waiting gauge",
        f"tocsin_intake_waiting {len(intake.admission)}",
        "# HELP tocsin_part_up Parts of the hub: 1 well, 0.5 degraded, 0 down.", "# TYPE tocsin_part_up gauge",
        *(f'tocsin_part_up{{part="{name}"}} {_WORTH[part.state]}' for name, part in hub.health.parts.items()),
        "# HELP tocsin_change_seq The highest sequence number of the change feed seen here.", "# TYPE tocsin_change_seq counter",
        f"tocsin_change_seq {hub.store.seen}",
    ]
    for name, value in sorted(hub.gauges.items()):
        lines += [f"# TYPE tocsin_{name} gauge", f"tocsin_{name} {value()}"]
    return ("\n".join(lines) + "\n").encode()


_WORTH = {State.OK: 1, State.DEGRADED: 0.5, State.DOWN: 0}

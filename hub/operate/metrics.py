"""The hub's numbers for Prometheus, read from the parts at the time of asking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hub.operate.health import State

if TYPE_CHECKING:
    from hub.web.services import Services


async def render(hub: Services) -> bytes:
    """Prometheus text of the counters and gauges; every name begins with `tocsin_`."""
    from prometheus_client import CollectorRegistry, generate_latest  # imported only where somebody scrapes

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(hub))
    return generate_latest(registry)


class _Numbers:
    """Reads the parts when it is collected."""

    def __init__(self, hub: Services) -> None:
        self.hub = hub

    def collect(self) -> Iterator[Any]:
        """Every family of numbers."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        hub, intake = self.hub, self.hub.intake
        messages = CounterMetricFamily("tocsin_messages", "Messages by what became of them.", labels=["status"])
        for status, n in intake.counts.items():
            messages.add_metric([status], n)
        yield messages
        rejected = CounterMetricFamily("tocsin_rejected", "Rejected messages by reason.", labels=["reason"])
        for reason, n in sorted(intake.reasons.items()):
            rejected.add_metric([reason], n)
        yield rejected
        parts = GaugeMetricFamily("tocsin_part_up", "Parts of the hub: 1 well, 0.5 degraded, 0 down.", labels=["part"])
        for name, part in hub.health.parts.items():
            parts.add_metric([name], _WORTH[part.state])
        yield parts
        yield GaugeMetricFamily("tocsin_intake_waiting", "Messages waiting to be stored.", value=len(intake.admission))
        yield CounterMetricFamily("tocsin_change_seq", "The highest sequence number of the change feed seen here.", value=hub.store.seen)
        yield GaugeMetricFamily("tocsin_live_readers", "Consoles that follow the live feed.", value=len(hub.live.readers))
        yield CounterMetricFamily("tocsin_live_dropped", "Consoles that were dropped because they stopped reading.", value=hub.live.dropped)
        for name, value in sorted(hub.gauges.items()):
            yield GaugeMetricFamily(f"tocsin_{name}", name.replace("_", " "), value=value())


_WORTH = {State.OK: 1.0, State.DEGRADED: 0.5, State.DOWN: 0.0}

"""The hub's numbers for Prometheus, read from the parts at the time of asking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hub.errors import Unavailable
from hub.operate.health import State
from hub.store.quarantine import waiting_count

if TYPE_CHECKING:
    from hub.web.services import Services


async def render(hub: Services) -> bytes:
    """Prometheus text of the counters and gauges; every name begins with `tocsin_`."""
    from prometheus_client import CollectorRegistry, generate_latest  # imported only where somebody scrapes

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(hub, await _quarantined(hub)))
    return generate_latest(registry)


async def _quarantined(hub: Services) -> int | None:
    """How many refused messages wait; None where the store is away, which is told by its own number."""
    try:
        async with hub.store.read() as conn:
            return await waiting_count(conn)
    except Unavailable:
        return None


class _Numbers:
    """Reads the parts when it is collected."""

    def __init__(self, hub: Services, quarantined: int | None) -> None:
        self.hub = hub
        self.quarantined = quarantined

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
        put_off = CounterMetricFamily("tocsin_unavailable", "Messages that are to be sent again later, by reason.", labels=["reason"])
        for reason, n in sorted(intake.put_off.items()):
            put_off.add_metric([reason], n)
        yield put_off
        if self.quarantined is not None:
            yield GaugeMetricFamily("tocsin_quarantine_waiting", "Refused messages that wait to be looked at.", value=self.quarantined)
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

"""How far the agent's clock stands from the hub's, from receipts. Pure: times come in as arguments."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta


class SkewMeter:
    """Compares the receipt's `stored_at` with the middle of its round trip; the fastest of the last trips is trusted most."""

    def __init__(self, keep: int = 16) -> None:
        self._trips: deque[tuple[float, float]] = deque(maxlen=keep)

    def observe(self, stored_at: datetime, rtt_s: float, received_at: datetime) -> None:
        """One message published once: stored by the hub's clock, its round trip in seconds, the receipt's arrival by this clock."""
        hub_now = stored_at + timedelta(seconds=rtt_s / 2)
        self._trips.append((rtt_s, (received_at - hub_now).total_seconds()))

    @property
    def skew_ms(self) -> float | None:
        """This clock minus the hub's in milliseconds (positive: this one is ahead); None before the first receipt."""
        return round(min(self._trips)[1] * 1000, 1) if self._trips else None

    @property
    def rtt_ms(self) -> float | None:
        """The last round trip from publish to receipt in milliseconds, or None."""
        return round(self._trips[-1][0] * 1000, 1) if self._trips else None

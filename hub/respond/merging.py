"""Proposes to merge incidents that look like one event. Only proposes: a person decides."""

from __future__ import annotations

from datetime import timedelta

from hub.clock import parse_utc, utc_text
from hub.domain.change import Change
from hub.domain.incident import IncidentOpened, likeness
from hub.domain.report import limits
from hub.store import Transaction
from hub.store.desk import Alike, propose
from hub.store.reports import incidents_near


class Merging:
    """On each opened incident, looks at those near it in time."""

    name = "merging"
    kinds = frozenset({"incident.opened"})

    async def react(self, tx: Transaction, change: Change) -> None:
        """Propose the best three of those that reach the minimum score."""
        incident = change.read(IncidentOpened).incident
        limit = limits()["merge"]
        at, span = parse_utc(incident.occurred_at), timedelta(seconds=limit["within_s"])
        near = await incidents_near(tx.conn, utc_text(at - span), utc_text(at + span), lon=incident.place.lon, lat=incident.place.lat,
                                    degrees=limit["within_m"] / 80_000)  # a degree of longitude is 80 km or more as far north as 44°
        near = [other for other in near if other.id != incident.id]
        scored = [Alike(*likeness(incident, other), other) for other in near if other.number < incident.number]
        good = sorted((alike for alike in scored if alike.score >= limit["minimum_score"]), key=lambda alike: -alike.score)
        await propose(tx, incident, good[:3])

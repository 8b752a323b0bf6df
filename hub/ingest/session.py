"""The hub's MQTT session: what agents send goes into the intake, receipts and commands go out. A message is acknowledged only when its
receipt is final. Media has a session of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from hub import wire
from hub.domain.report import Channel
from hub.errors import Rejected
from hub.ids import is_slug
from hub.ingest.intake import Intake, Item, Source
from hub.ingest.link import AsyncMqtt, Broker
from hub.ingest.presence import Presences
from hub.ingest.registry import Registry

__all__ = ["Broker", "Session"]
log = logging.getLogger("hub.ingest.session")


class Session:
    """Reports, daily reports, presence, telemetry and advisories from MQTT into the intake; receipts and commands out."""

    def __init__(self, broker: Broker, hub_id: str, intake: Intake, registry: Registry, presences: Presences, *, client_id: str = "hub",
                 share: str | None = None) -> None:
        self.topics = wire.Topics(hub_id)
        self.intake = intake
        self.registry = registry
        self.presences = presences
        self.under_way = 0
        self.high_water = max(10, intake.admission.limit * 2 // 5)  # four batches: one written, one drafted, two on their way
        prefix = f"$share/{share}/" if share else ""
        self.link = AsyncMqtt(broker, client_id, on_message=self._message, subscriptions=[
            (prefix + self.topics.all_up("report"), 1), (prefix + self.topics.all_up("daily"), 1),
            (prefix + self.topics.all_up("presence"), 1), (prefix + self.topics.all_up("telemetry"), 0),
            (prefix + self.topics.all_up("advisory"), 0),
        ])

    async def run(self) -> None:
        """Stay connected until cancelled; what is under way is settled first, for at most five seconds."""
        inner = asyncio.create_task(self.link.run(), name="session.link")
        try:
            await asyncio.shield(inner)
        finally:
            with contextlib.suppress(asyncio.CancelledError, TimeoutError):
                async with asyncio.timeout(5):
                    await self.intake.drain()
            await asyncio.sleep(0)
            inner.cancel()
            await asyncio.gather(inner, return_exceptions=True)

    def _message(self, message: Any) -> None:
        mid, qos, generation = message.mid, message.qos, self.link.generation
        split = self.topics.split(message.topic)
        source = self.registry.source(split[0]) if split else None
        if split is None or source is None:
            if split is not None:
                self._unknown(*split, message)
            self.link.ack(mid, qos, generation)
            return
        agent_id, what = split
        if what in ("presence", "telemetry", "advisory"):
            said_at = self.presences.note(agent_id, what, message.payload)
            if said_at is not None and not message.retain:  # what the broker kept was said some time ago
                source.skew_s = (said_at - self.registry.store.clock.now()).total_seconds()
            self.link.ack(mid, qos, generation)
            return
        self.under_way += 1
        if self.under_way >= self.high_water:
            self.link.pause()

        def settle(item: Item) -> None:
            self.under_way -= 1
            if self.link.paused and self.under_way <= self.high_water * 3 // 4:
                self.link.resume()
            assert item.receipt is not None
            self.link.ack(mid, qos, generation)
            self.link.publish(self.topics.down(agent_id, "receipt"), wire.encode(item.receipt))

        self.intake.arrive(what, message.payload, source, Channel.MQTT, settle)

    def _unknown(self, agent_id: str, what: str, message: Any) -> None:
        """A topic whose agent the hub does not know (an external broker without our rules): refused, and kept."""
        error = Rejected("unknown_agent", "此终端未登记或已吊销", "this agent is not enrolled, or revoked")
        named = agent_id if is_slug(agent_id) else None  # whatever somebody wrote into a topic is no name
        self.intake.refuse(what, message.payload, Source(f"agent:{named or 'unnamed'}", agent_id=named), Channel.MQTT, error)

    def send(self, agent_id: str, what: str, message: Any) -> None:
        """Publish to an agent's `receipt` or `command` topic (or to its media identity's)."""
        self.link.publish(self.topics.down(agent_id, what), wire.encode(message))

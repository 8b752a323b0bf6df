"""The hub's MQTT connection for media: previews of every camera, init and media only of those that are watched. Hands them to the relay.

It decides nothing: a stranger's or a broken message is counted by the relay. Its identity is `hub-media`, apart from reports.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from hub.ingest.link import AsyncMqtt, Broker
from hub.wire import HUB_MEDIA, MAX_MEDIA_BYTES, MEDIA_HEADER_BYTES, MEDIA_SUFFIX, Command, MediaKind, Topics, encode
from streams.relay import CameraKey, Relay

_KINDS: Final = {kind.value: kind for kind in MediaKind}


class MediaSession:
    """The relay's line to the agents. `await session.run()` keeps it up; `relay.line` is set to it."""

    def __init__(self, relay: Relay, broker: Broker, *, hub: str = "district", client_id: str = HUB_MEDIA,
                 on_preview: Callable[[CameraKey], None] = lambda key: None) -> None:
        self.relay, self.topics = relay, Topics(hub)
        self.oversized = 0
        self._watched: set[CameraKey] = set()
        self._on_preview = on_preview
        self._previews = self.topics.all_up(f"camera/+/{MediaKind.PREVIEW}")
        self.link = AsyncMqtt(broker, client_id, on_message=self._message, subscriptions=[(self._previews, 0)], clean=True, on_up=self._up)
        relay.line = self

    async def run(self) -> None:
        """Stay connected and keep the relay's time until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.link.run(), name="media connection")
            group.create_task(self.relay.run(), name="relay")

    def subscribe(self, key: CameraKey) -> None:
        """Begin to receive a camera's init and media."""
        self._watched.add(key)
        if self.link.connected.is_set():
            self.link.client.subscribe([(topic, 0) for topic in self._topics_of(key)])

    def unsubscribe(self, key: CameraKey) -> None:
        """No longer receive them."""
        self._watched.discard(key)
        if self.link.connected.is_set():
            self.link.client.unsubscribe(self._topics_of(key))

    def command(self, key: CameraKey, command: Command) -> None:
        """Send a command to the agent's media identity; lost where the connection is down (a start is repeated)."""
        self.link.publish(self.topics.down(key.agent_id + MEDIA_SUFFIX, "command"), encode(command))

    def _topics_of(self, key: CameraKey) -> list[str]:
        return [self.topics.media(key.agent_id, key.camera_id, kind) for kind in (MediaKind.INIT, MediaKind.MEDIA)]

    def _up(self) -> None:
        self.relay.line_up()

    def _message(self, message: Any) -> None:
        parts = self.topics.split(message.topic)
        if parts is None or not parts[0].endswith(MEDIA_SUFFIX):
            return
        kind = self._kind(parts[1])
        if kind is None:
            return
        if len(message.payload) > MAX_MEDIA_BYTES or len(message.payload) < MEDIA_HEADER_BYTES:
            self.oversized += 1
            return
        key = CameraKey(parts[0].removesuffix(MEDIA_SUFFIX), parts[1].split("/")[1])
        self.relay.feed(*key, kind, message.payload)
        if kind is MediaKind.PREVIEW:
            self._on_preview(key)

    @staticmethod
    def _kind(rest: str) -> MediaKind | None:
        levels = rest.split("/")
        return _KINDS.get(levels[2]) if len(levels) == 3 and levels[0] == "camera" and levels[1] else None

"""The channel `mqtt`: a notice as a command to a department's agent, by whatever publishes to the broker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hub.clock import Clock
from hub.errors import why_en, why_zh
from hub.notify.channels import Message, SendFailed
from hub.wire import Command, CommandKind

Publish = Callable[[str, str, Any], Any]
"""Publishes (agent id, last level of the topic, message): `hub.ingest.session.Session.send`."""


class Agents:
    """`publish` raises where the broker is away; that is a temporary failure."""

    name = "mqtt"

    def __init__(self, publish: Publish, clock: Clock) -> None:
        self._publish = publish
        self._clock = clock

    def gateway(self, address: str) -> str:
        """The broker carries them all."""
        return "mqtt"

    async def send(self, message: Message) -> None:
        """Publish the command `notice` to the agent `agent:ID`; raises SendFailed."""
        kind, _, agent_id = message.address.partition(":")
        if kind != "agent" or not agent_id:
            raise SendFailed("不是接入端地址", "not an agent's address", permanent=True)
        command = Command(id=message.id, kind=CommandKind.NOTICE, at=self._clock.now(), title=message.title, text=message.body,
                          body={"urgent": message.urgent, "drill": message.drill})
        try:
            self._publish(agent_id, "command", command)
        except (OSError, RuntimeError, ValueError) as error:
            raise SendFailed(f"消息代理不可用：{why_zh(error)}", f"the broker is away: {why_en(error)}") from error

"""Puts the ticks of duties and the outbox together for the composition root: which tasks a process runs, with which channels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from hub.clock import Clock
from hub.domain.duty_rules import DutyRules
from hub.notify.agents import Agents, Publish
from hub.notify.channels import Channel
from hub.notify.outbox import Outbox
from hub.notify.push import Push
from hub.respond.duties import check_contacts
from hub.respond.schedule import TICK_S, Schedule, tick
from hub.store import Store

CONTACTS_EVERY_S = 900.0


async def duty_tasks(
    stack: AsyncExitStack, store: Store, rules: DutyRules, clock: Clock, *, respond: bool, publish: Publish | None, extra: dict[str, Any],
) -> dict[str, Callable[[], Awaitable[Any]]]:
    """The tasks of this process by name. `respond`: it ticks and sends by gateways; `publish`: it can reach agents by the broker.

    Leaves `duty_rules`, `schedule` (add further jobs to it before it runs) and `outbox` in `extra`.
    """
    extra["duty_rules"] = rules
    tasks: dict[str, Callable[[], Awaitable[Any]]] = {}
    channels: list[Channel] = []
    if publish is not None:
        channels.append(Agents(publish, clock))
    if respond:
        channels.append(await stack.enter_async_context(Push()))
        schedule = Schedule()
        schedule.add("duties", TICK_S, lambda: tick(store, rules))
        schedule.add("contacts", CONTACTS_EVERY_S, lambda: check_contacts(store, rules))
        extra["schedule"] = schedule
        tasks["schedule"] = schedule.run
    if channels:
        extra["outbox"] = outbox = Outbox(store, rules, channels)
        tasks["outbox"] = outbox.run
    return tasks

"""Puts the ticks of duties and the outbox together for the composition root: which tasks a process runs, with which channels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from typing import Any

from hub.clock import Clock
from hub.notify.agents import Agents, Publish
from hub.notify.channels import Channel
from hub.notify.outbox import Outbox
from hub.notify.push import Push
from hub.respond.duties import check_contacts
from hub.respond.schedule import TICK_S, Schedule, tick
from hub.store import Store
from hub.store.duty_data import fingerprint, load_rules

CONTACTS_EVERY_S = 900.0
RULES_EVERY_S = 15.0


async def duty_tasks(
    stack: AsyncExitStack, store: Store, clock: Clock, *, respond: bool, publish: Publish | None, extra: dict[str, Any], near: Collection[str] = (),
) -> dict[str, Callable[[], Awaitable[Any]]]:
    """The tasks of this process by name. `respond`: it ticks and sends by gateways; `publish`: it can reach agents by the broker.

    Leaves `duty_rules` (kept up to date), `schedule` (add further jobs to it before it runs) and `outbox` in `extra`.
    """
    await _read_rules(store, extra)
    schedule = extra["schedule"] = Schedule()
    schedule.add("duty_rules", RULES_EVERY_S, lambda: _read_rules(store, extra))
    channels: list[Channel] = []
    if publish is not None:
        channels.append(Agents(publish, clock))
    if respond:
        channels.append(await stack.enter_async_context(Push(near=near)))
        schedule.add("duties", TICK_S, lambda: tick(store, extra["duty_rules"]))
        schedule.add("contacts", CONTACTS_EVERY_S, lambda: check_contacts(store, extra["duty_rules"]))
    tasks: dict[str, Callable[[], Awaitable[Any]]] = {"schedule": schedule.run}
    if channels:
        extra["outbox"] = outbox = Outbox(store, extra["duty_rules"], channels)
        tasks["outbox"] = outbox.run
    return tasks


async def _read_rules(store: Store, extra: dict[str, Any]) -> None:
    """Read the rules again where a document was changed, by whichever process."""
    async with store.read() as conn:
        found = await fingerprint(conn)
        if extra.get("duty_rules_version") == found:
            return
        extra["duty_rules"], extra["duty_rules_version"] = await load_rules(conn), found
    if "outbox" in extra:
        extra["outbox"].rules = extra["duty_rules"]

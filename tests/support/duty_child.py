"""A hub's duties as a child process, to be killed: `python -m tests.support.duty_child URL OFFSET_S [tick] [send]`.

Its clock is the machine's plus OFFSET_S seconds, so that a restart can find leases expired without waiting for them.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import msgspec

from hub.domain.duty_rules import DutyRules
from hub.domain.ladder import Ladder, Whom
from hub.domain.obligation import Kind
from hub.notify.outbox import Outbox
from hub.notify.push import Push
from hub.respond.schedule import Schedule, tick
from hub.store import Store
from tests.support.duty import rules, step
from tests.support.gateway import NEAR

SECOND = 1 / 60
FAST = Ladder(id="fast", zh="快梯", en="fast", steps=(
    step(-2 * SECOND, ack=SECOND), step(0, ack=SECOND), step(2 * SECOND, Whom.LEADER, ack=SECOND), step(4 * SECOND, Whom.COMMAND_CENTRE),
))
FAST_KIND = Kind(id="fast", zh="快", en="fast", ladder="fast", lock_min=8 * SECOND)


def fast_rules() -> DutyRules:
    """The test rules with a ladder of seconds."""
    base = rules()
    return msgspec.structs.replace(base, kinds=MappingProxyType({**base.kinds, "fast": FAST_KIND}),
                                   ladders=MappingProxyType({**base.ladders, "fast": FAST}))


class Ahead:
    """The machine's clock, ahead by so many seconds."""

    def __init__(self, offset_s: float) -> None:
        self.offset = timedelta(seconds=offset_s)

    def now(self) -> datetime:
        """The time it says."""
        return datetime.now(UTC) + self.offset


async def main(url: str, offset_s: float, what: set[str]) -> None:
    """Tick and send until killed."""
    found = fast_rules()
    async with Store(url, Ahead(offset_s)) as store, Push(timeout_s=5, near=NEAR) as push, asyncio.TaskGroup() as group:
        if "tick" in what:
            schedule = Schedule()
            schedule.add("duties", 0.2, lambda: tick(store, found, batch=25))
            group.create_task(schedule.run())
        if "send" in what:
            group.create_task(Outbox(store, found, [push], poll_s=0.05, defer=timedelta(seconds=0.2)).run())
        print("ready", flush=True)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), set(sys.argv[3:])))

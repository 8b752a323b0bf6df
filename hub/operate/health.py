"""Is the hub well? Each part says so in a word, since when, and what to do; `/readyz`, the console's banner and the doctor read it."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from hub.clock import Clock, utc_text
from hub.errors import Unavailable, why_en, why_zh
from hub.store import Store
from hub.store.changes import newest_time

log = logging.getLogger("hub.health")
EVERY_S = 2.0
"""How often the parts are asked (half the five seconds in which the console must know)."""
LOW_DISK_BYTES = 536_870_912
"""Free space under which the disk counts as full soon (our own choice: 512 MiB, a day of reports many times over)."""

CLOCK_BEHIND = timedelta(seconds=60)
"""How far the clock may step back unsaid (our own choice: a correction by the time server is smaller, a flat battery's day is not)."""


class State(StrEnum):
    """How a part is."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


class Part(Struct, frozen=True, kw_only=True):
    """One part: its state, since when, and a sentence in both languages."""

    state: State
    since: str
    zh: str
    en: str


class Readiness(Struct, frozen=True, kw_only=True):
    """Ready means: reports are stored and receipted."""

    ready: bool
    now: str
    parts: dict[str, Part]


Probe = Callable[[], Awaitable[tuple[State, str, str]]]
"""Asks one part; gives its state and a sentence in Chinese and English. Raises nothing but Unavailable and OSError."""


class Health:
    """Asks every part every two seconds; `needed` names those without which the hub is not ready."""

    def __init__(self, clock: Clock, needed: frozenset[str] = frozenset({"store", "broker"})) -> None:
        self.clock = clock
        self.needed = needed
        self.probes: dict[str, Probe] = {}
        self.parts: dict[str, Part] = {}
        self._said: dict[str, State] = {}

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            await self.ask()
            await asyncio.sleep(EVERY_S)

    async def ask(self) -> Readiness:
        """Ask every part now, each within five seconds."""
        names = list(self.probes)
        for name, found in zip(names, await asyncio.gather(*(self._one(self.probes[n]) for n in names)), strict=True):
            before = self.parts.get(name)
            if before is not None and found[0] is not self._said.get(name, State.OK):  # at its first look a part may still be starting
                self._said[name] = found[0]
                log.log(logging.INFO if found[0] is State.OK else logging.WARNING, "%s is %s: %s", name, found[0], found[2])
            since = before.since if before is not None and before.state is found[0] else utc_text(self.clock.now())
            self.parts[name] = Part(state=found[0], since=since, zh=found[1], en=found[2])
        return self.readiness()

    async def _one(self, probe: Probe) -> tuple[State, str, str]:
        try:
            async with asyncio.timeout(5):
                return await probe()
        except Unavailable as error:
            return State.DOWN, error.zh, error.en
        except (OSError, TimeoutError) as error:
            return State.DOWN, f"无响应：{why_zh(error)}", f"no answer: {why_en(error)}"

    def readiness(self) -> Readiness:
        """What was last found."""
        ready = all(name in self.parts and self.parts[name].state is not State.DOWN for name in self.needed & set(self.probes))
        return Readiness(ready=ready, now=utc_text(self.clock.now()), parts=self.parts)


def store_probe(store: Store) -> Probe:
    """The store answers, and takes a write."""

    async def probe() -> tuple[State, str, str]:
        async with store.transaction() as tx:
            await tx.count("health")
        return State.OK, "数据库读写正常", "the store reads and writes"

    return probe


def clock_probe(store: Store, clock: Clock) -> Probe:
    """The clock is not behind what was written last, or behind itself: posts, sessions and deadlines go by it, and nobody would see why they end."""
    newest: datetime | None = None

    async def probe() -> tuple[State, str, str]:
        nonlocal newest
        now = clock.now()
        if newest is None:
            async with store.read() as conn:
                newest = await newest_time(conn) or now
        newest = max(newest, now)
        if (behind := newest - now) > CLOCK_BEHIND:
            hours = behind.total_seconds() / 3600
            return (State.DEGRADED, f"本机时钟比最近的记录（{newest:%F %T}Z）早 {hours:.1f} 小时：岗位、会话与时限按本机时钟计，请校时后重启",
                    f"the clock is {hours:.1f} h behind the newest record ({newest:%F %T}Z); posts, sessions and deadlines go by it: set it right, and restart")
        return State.OK, "时钟正常", "the clock goes on"

    return probe


def disk_probe(folder: Path) -> Probe:
    """There is room in the data folder."""

    async def probe() -> tuple[State, str, str]:
        free = shutil.disk_usage(folder).free
        gib = free / 2**30
        if free < LOW_DISK_BYTES:
            return State.DEGRADED, f"磁盘仅剩 {gib:.1f} GiB，请清理", f"only {gib:.1f} GiB of disk left; make room"
        return State.OK, f"磁盘剩余 {gib:.1f} GiB", f"{gib:.1f} GiB of disk free"

    return probe


def flag_probe(is_well: Callable[[], bool], zh: tuple[str, str], en: tuple[str, str]) -> Probe:
    """A part that knows by itself: `zh` and `en` are the sentences for well and unwell."""

    async def probe() -> tuple[State, str, str]:
        well = is_well()
        return (State.OK, zh[0], en[0]) if well else (State.DOWN, zh[1], en[1])

    return probe

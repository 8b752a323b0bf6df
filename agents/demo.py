"""The demo district's agents: a report now and then, its follow-up and end, the day's zero report, a wind that turns slowly.

Everything is invented; what they file is no drill, so that the screens look as they would, in a district marked as a demo.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Final

from msgspec import Struct

from agents.credentials import Credential, Credentials
from agents.run import open_outbox, status_writer, stop_on_signals
from agents.running import sole_speaker
from agents.scenes import everyday_report, next_report
from agents.session import Measures, Session
from agents.settings import tls_context
from agents.sources.measures import MEASURES_FILE, read_measures, watch
from hub import wire
from hub.errors import Unavailable
from hub.ids import new_id

_TOLD_S: Final = 3600.0
"""How long a drill's wind stays in force at a demo agent, seconds."""
CHINA = timezone(timedelta(hours=8))


class Pace(Struct, frozen=True, kw_only=True):
    """How lively a demo agent is: mean minutes between incidents and between an incident's reports; when the daily report is due to go.

    `daily_template` None: this agent files no daily report.
    """

    report_minutes: float = 30.0
    follow_minutes: float = 6.0
    follow_ups: int = 2
    daily_template: str | None = "daily"
    daily_hour: float = 16.0


class Weather:
    """A wind that wanders about its sea breeze and comes back to it; one for every agent with a mast."""

    def __init__(self, dice: random.Random, *, station: str = "演示气象站", lon: float = 119.13, lat: float = 34.88) -> None:
        self._dice = dice
        self._breeze = self._from_deg, self._speed_mps = dice.uniform(90, 150), dice.uniform(2, 4)
        self._where = (station, lon, lat)

    def measure(self) -> Measures:
        """The wind now; each look moves it a little."""
        usual_deg, usual_mps = self._breeze
        self._from_deg = (self._from_deg + 0.1 * (usual_deg - self._from_deg) + self._dice.gauss(0, 3)) % 360
        self._speed_mps = min(12.0, max(0.3, self._speed_mps + 0.1 * (usual_mps - self._speed_mps) + self._dice.gauss(0, 0.2)))
        station, lon, lat = self._where
        wind = wire.Wind(
            from_deg=round(self._from_deg, 1), speed_mps=round(self._speed_mps, 1), at=datetime.now(UTC), station=station, lon=lon, lat=lat
        )
        celsius = 14 + 6 * math.sin((datetime.now(CHINA).hour - 9) / 24 * 2 * math.pi)
        return Measures(wind=wind, values={"air_temperature_c": round(celsius + self._dice.gauss(0, 0.2), 1)})


async def live(
    agent_id: str, department: str, credentials: Credentials, folder: Path, *, pace: Pace | None = None, stop: asyncio.Event | None = None,
    wind: bool = False, soon: bool = False, dice: random.Random | None = None,
) -> None:
    """Live as one agent of the credentials' file until `stop`; its outbox stands in `folder/agent_id`. `soon`: its first incident comes at once.

    Raises Unavailable where that agent runs already, KeyError where the file does not have it.
    """
    one = next((one for one in credentials.agents if one.agent_id == agent_id), None)
    if one is None:
        raise KeyError(agent_id)
    dice = dice or random.Random(agent_id)
    stop = stop or asyncio.Event()
    settings = credentials.settings(one)
    home = folder / agent_id
    told = home / MEASURES_FILE  # a drill tells this agent its wind here
    weather = Weather(dice).measure if wind else Measures
    with sole_speaker(home), closing(open_outbox(home, settings)) as outbox:
        session = Session(
            settings, outbox, password=one.password, tls=tls_context(folder, settings), on_state=status_writer(home),
            measure=lambda: read_measures(told, datetime.now(UTC), _TOLD_S) or weather(), dice=dice,
        )
        async with asyncio.TaskGroup() as group:
            talk = group.create_task(session.run(), name=f"demo-{agent_id}")
            days = group.create_task(_daily_reports(session, department, pace or Pace(), dice), name=f"demo-{agent_id}-daily")
            events = group.create_task(_incidents(session, pace or Pace(), dice, soon=soon), name=f"demo-{agent_id}-incidents")
            winds = group.create_task(watch(told, session.send_telemetry), name=f"demo-{agent_id}-wind")
            await stop.wait()
            winds.cancel()
            days.cancel()
            events.cancel()
            session.stop()
            await talk


async def live_all(
    credentials: Credentials, folder: Path, *, only: Sequence[str] = (), pace: Pace | None = None, stop: asyncio.Event | None = None
) -> None:
    """All agents of the file (or `only` some) in this process; the first of them has the weather mast, and something to tell within 20 s."""
    stop = stop or asyncio.Event()
    stop_on_signals(stop)
    crew: list[Credential] = [one for one in credentials.agents if not only or one.agent_id in only]
    async with asyncio.TaskGroup() as group:
        for n, one in enumerate(crew):
            group.create_task(
                live(one.agent_id, one.department, credentials, folder, pace=pace, stop=stop, wind=n == 0, soon=n == 0), name=f"demo-{one.agent_id}"
            )


async def _incidents(session: Session, pace: Pace, dice: random.Random, *, soon: bool) -> None:
    """An incident now and then, each with its follow-ups and its final report."""
    wait_s = dice.uniform(5, 20) if soon else 60 * dice.expovariate(1 / pace.report_minutes)
    while True:
        await asyncio.sleep(wait_s)
        wait_s = 60 * dice.expovariate(1 / pace.report_minutes)
        first = everyday_report(dice, datetime.now(UTC))
        await _file(session, first)
        receipt = await session.receipt(first.id)
        if receipt.incident_id is None:
            continue
        for n in range(pace.follow_ups + 1):
            await asyncio.sleep(60 * dice.uniform(0.5, 1.5) * pace.follow_minutes)
            await _file(session, next_report(first, receipt.incident_id, dice, datetime.now(UTC), final=n == pace.follow_ups))


async def _daily_reports(session: Session, department: str, pace: Pace, dice: random.Random) -> None:
    """One zero report a day, at the pace's hour and up to half an hour later."""
    if pace.daily_template is None or not department:
        return
    while True:
        now = datetime.now(CHINA)
        due = datetime(now.year, now.month, now.day, tzinfo=CHINA) + timedelta(hours=pace.daily_hour, minutes=dice.uniform(0, 30))
        if due < now:
            due += timedelta(days=1)
        await asyncio.sleep((due - now).total_seconds())
        await _file(session, zero_report(department, pace.daily_template, due.date()))


def zero_report(department: str, template: str, day: date) -> wire.Daily:
    """今日无突发事件."""
    return wire.Daily(id=new_id(), department=department, template=template, day=day, zero=True, note="今日无突发事件（演示）")


async def _file(session: Session, message: wire.Report | wire.Daily) -> None:
    """File, waiting while the outbox is full or the disk fails."""
    while True:
        try:
            await session.file(message)
        except Unavailable as error:
            await asyncio.sleep(error.retry_after_s)
        else:
            return

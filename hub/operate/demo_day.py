"""The demo district's day so far, filled in behind the scenes once the hub is up: staff on duty, what has happened, half the daily reports, two groups.

Every person, telephone number and event is invented and marked 演示, the exercise 【演练】; it goes through the same functions as everything else and
is written once: a district that has it already is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from hub import wire
from hub.domain.data import packaged
from hub.domain.group import Group
from hub.domain.incident import Act
from hub.domain.organisation import Department
from hub.domain.report import Channel
from hub.domain.roster import Post, Shift
from hub.errors import Rejected, Unavailable
from hub.ids import new_id
from hub.ingest.intake import Source
from hub.store.activations import active_response, finish_task, put_in_force, tasks_of
from hub.store.agents import get_agent
from hub.store.daily import load_book
from hub.store.desk import act_on, grade, note, take
from hub.store.digest import draft
from hub.store.groups import get_group, save_group, write
from hub.store.obligations import get_obligation
from hub.store.organisation import add_person, list_departments
from hub.store.plans import facts_from, stated_facts
from hub.store.reports import get_incident, list_incidents
from hub.store.roster import list_posts, save_shift, who_is_on_now

if TYPE_CHECKING:
    from hub.app import Running

log = logging.getLogger("hub.demo")
BY: Final = "system:demo"
DESK: Final = "演示值守席"
BREATH_S: Final = 0.05
"""Between two steps, so that filling up never stands in the way of a report."""
CATALOGUE_TRIES: Final = 60
"""How often the plans are asked for, once a second: the catalogue is read in while the hub already serves."""
SHIFT_STARTS: Final = timedelta(hours=8, minutes=30)
SHIFT: Final = timedelta(hours=24)


class Happened(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event of the day: who reported it how long ago, what was said later, what the desk did. `acts` are those of the desk, in order; `plans`
    are put in force and so many of their tasks done."""

    agent: str
    minutes_ago: Annotated[int, Meta(ge=0, le=1440)]
    title: str
    text: str
    types: tuple[str, ...]
    place: wire.Place
    urgent: bool = False
    drill: bool = False
    casualties: wire.Casualties | None = None
    hazmat: tuple[wire.Hazmat, ...] = ()
    follow_ups: tuple[str, ...] = ()
    final: str | None = None
    acts: tuple[str, ...] = ()
    reason: str | None = None
    note: str | None = None
    plans: tuple[str, ...] = ()
    tasks_done: Annotated[int, Meta(ge=0, le=20)] = 0


class Said(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One post in a group."""

    department: str
    name: str
    text: str


class Talk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One group with what was written in it; no `departments`: all of them."""

    id: str
    zh: str
    en: str
    purpose: str
    departments: tuple[str, ...] = ()
    posts: tuple[Said, ...] = ()


class Filed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A daily report with something in it. The note is also why it is late, where the demo is started after the deadline."""

    department: str
    values: dict[str, object]
    note: str


class Day(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    source: str
    edition: str
    valid_from: object
    surnames: str
    given: tuple[str, ...]
    unstaffed: tuple[str, ...]
    events: tuple[Happened, ...]
    zero: tuple[str, ...]
    filed: tuple[Filed, ...]
    groups: tuple[Talk, ...]


def packaged_day() -> Day:
    """The file that comes with the hub."""
    return msgspec.convert(packaged("demo_day"), Day)


@contextlib.asynccontextmanager
async def day(hub: Running) -> AsyncIterator[None]:
    """Fill the day in while the hub serves; ends with it."""
    filling = asyncio.create_task(fill(hub), name="demo.day")
    try:
        yield
    finally:
        filling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await filling


async def fill(hub: Running) -> None:
    """Write the day so far, step by step; a step that is refused is told in the log and the others go on."""
    file = await asyncio.to_thread(packaged_day)
    store = hub.services.store
    async with store.read() as conn:
        if await get_group(conn, file.groups[-1].id) is not None:
            return
        departments = await list_departments(conn)
        known = {incident.title for incident in await list_incidents(conn, limit=200)}
    for event in file.events:
        if event.title in known:
            continue  # the hub was stopped while its day was being filled in
        await _step(f"event {event.title}", partial(_happen, hub, event))
    await _roster(hub, file, departments)
    for daily in _dailies(hub, file):
        await _step(f"daily {daily.department}", partial(_file, hub, daily))
    await _step("digest", partial(_digest, hub))
    for talk in file.groups:
        await _step(f"group {talk.id}", partial(_talk, hub, talk, departments))
    log.info("the demo district's day is filled in")


async def _step(what: str, act: Callable[[], Awaitable[object]]) -> None:
    try:
        await act()
    except (Rejected, Unavailable) as error:
        log.info("demo: %s was refused: %s", what, error)
    await asyncio.sleep(BREATH_S)


def _zone(hub: Running) -> ZoneInfo:
    return ZoneInfo(hub.services.settings.local_zone)


def _today(hub: Running) -> date:
    return hub.services.clock.now().astimezone(_zone(hub)).date()


# ── what happened ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _source(hub: Running, agent_id: str) -> Source:
    async with hub.services.store.read() as conn:
        agent = await get_agent(conn, agent_id)
    if agent is None:
        raise Rejected("unknown_agent", f"没有终端 {agent_id}", f"there is no agent {agent_id}", field="agent")
    return Source(f"agent:{agent_id}", agent_id=agent_id, department_id=agent.department_id, trusted=agent.trusted)


async def _happen(hub: Running, event: Happened) -> None:
    """Report an event by its agent, with what was said of it later, and do what the desk did."""
    source = await _source(hub, event.agent)
    at = hub.services.clock.now() - timedelta(minutes=event.minutes_ago)
    first = wire.Report(
        id=new_id(), kind=wire.ReportKind.INITIAL, occurred_at=at, title=event.title, text=event.text, event_types=event.types, place=event.place,
        urgent=event.urgent, drill=event.drill, casualties=event.casualties, hazmat=event.hazmat)
    receipt = await _report(hub, first, source)
    if receipt.incident_id is None:
        return
    await _desk(hub, event, source, receipt.incident_id, before_follow_ups=True)
    later = [(wire.ReportKind.FOLLOW_UP, text) for text in event.follow_ups] + ([(wire.ReportKind.FINAL, event.final)] if event.final else [])
    for n, (kind, text) in enumerate(later, 1):
        said_at = at + timedelta(minutes=event.minutes_ago * n / (len(later) + 1))
        await _report(hub, wire.Report(id=new_id(), kind=kind, occurred_at=said_at, text=text, place=event.place, drill=event.drill,
                                       incident_id=receipt.incident_id), source)
        await asyncio.sleep(BREATH_S)
    await _desk(hub, event, source, receipt.incident_id, before_follow_ups=False)
    if event.plans:
        await _respond(hub, event, receipt.incident_id)


async def _report(hub: Running, report: wire.Report, source: Source) -> wire.Receipt:
    return await hub.services.intake.submit("report", msgspec.json.encode(report), source, Channel.HTTP)


async def _desk(hub: Running, event: Happened, source: Source, incident_id: str, *, before_follow_ups: bool) -> None:
    """The desk takes and verifies at once; whatever ends an incident comes after what was said of it."""
    for act in event.acts:
        if (act in ("take", "verify", "note")) is not before_follow_ups:
            continue
        if act == "verify" and source.trusted:
            continue  # what a trusted source reports is verified as it comes
        async with hub.services.store.transaction() as tx:
            if act == "take":
                await take(tx, incident_id, by=BY, name=DESK)
            elif act == "note":
                await note(tx, incident_id, event.note or "", by=BY)
            elif act.startswith("grade:"):
                await grade(tx, incident_id, act.removeprefix("grade:"), by=BY, reason=event.reason)
            else:
                await act_on(tx, incident_id, Act(act), by=BY, reason=event.reason)


async def _respond(hub: Running, event: Happened, incident_id: str) -> None:
    """Put the event's plans in force as soon as the catalogue is there, and do the first of its tasks that wait for nothing."""
    store, rules = hub.services.store, hub.services.extra["duty_rules"]
    for _ in range(CATALOGUE_TRIES):
        async with store.read() as conn:
            incident, stated = await get_incident(conn, incident_id), await stated_facts(conn, incident_id)
        if incident is None:
            return
        try:
            async with store.transaction() as tx:
                await put_in_force(tx, rules, incident, facts_from(incident, _zone(hub), stated), event.plans, None, by=BY, reason=event.reason)
        except Rejected as error:
            if error.code != "unknown_plan":
                raise
            await asyncio.sleep(1)
        else:
            break
    async with store.read() as conn:
        whole = await active_response(conn, incident_id)
        tasks = await tasks_of(conn, whole) if whole is not None else []
    for task in [one for one in tasks if not one.waits_for][:event.tasks_done]:
        async with store.transaction() as tx:
            duty, incident = await get_obligation(tx.conn, task.id), await get_incident(tx.conn, incident_id)
            if whole is not None and duty is not None and incident is not None:
                await finish_task(tx, rules, whole, duty, incident, by=BY, text="已完成（演示）", ref=f"task:{task.id}")
        await asyncio.sleep(BREATH_S)


# ── who is on duty ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _roster(hub: Running, file: Day, departments: list[Department]) -> None:
    """Somebody invented on every post, today and tomorrow; the posts of `unstaffed` stay empty, as some always do."""
    async with hub.services.store.read() as conn:
        posts = await list_posts(conn)
        on = await who_is_on_now(conn, posts, hub.services.clock.now())
    start = shift_start(hub.services.clock.now(), _zone(hub))
    names = invented_names(file)
    for department in departments:
        own = [post for post in posts if post.department_id == department.id and post.id not in file.unstaffed and not on[post.id].persons]
        await _step(f"roster {department.id}", partial(_shifts, hub, own, names, start))


async def _shifts(hub: Running, posts: list[Post], names: Iterator[str], start: datetime) -> None:
    async with hub.services.store.transaction() as tx:
        for post in posts:
            for day in range(2):
                who = await add_person(tx, next(names), by=BY, phone="0518-00000000", department_id=post.department_id)
                begins = start + day * SHIFT
                await save_shift(tx, Shift(id=new_id(), post_id=post.id, person_id=who.id, starts_at=begins, ends_at=begins + SHIFT), by=BY)


def shift_start(now: datetime, zone: ZoneInfo) -> datetime:
    """When the shift that is on now began: the last 08:30 of the zone."""
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    begins = midnight + SHIFT_STARTS
    return begins if begins <= now else begins - SHIFT


def invented_names(file: Day) -> Iterator[str]:
    """Names without end, each marked 演示: every surname with every given name, then with a number."""
    for n in itertools.count():
        for given, surname in itertools.product(file.given, file.surnames):
            yield f"{surname}{given}{n or ''}（演示）"


# ── the daily reports and the groups ────────────────────────────────────────────────────────────────────────────────────────────────


def _dailies(hub: Running, file: Day) -> Iterator[wire.Daily]:
    """Today's reports that are in already; the others are still owed, as they would be at this hour."""
    for department in file.zero:
        yield wire.Daily(id=new_id(), department=department, template="daily", day=_today(hub), zero=True, note="今日无突发事件（演示）")
    for one in file.filed:
        yield wire.Daily(id=new_id(), department=one.department, template="daily", day=_today(hub), zero=False, values=one.values, note=one.note)


async def _file(hub: Running, daily: wire.Daily) -> None:
    source = Source(f"{BY}:{daily.department}", department_id=daily.department)
    receipt = await hub.services.intake.submit("daily", msgspec.json.encode(daily), source, Channel.HTTP)
    if receipt.status != wire.ReceiptStatus.STORED:
        raise Rejected(receipt.reason or "daily", receipt.message or "", receipt.message or "")


async def _digest(hub: Running) -> None:
    """A draft of today's digest, for the desk to read, correct and sign."""
    async with hub.services.store.transaction() as tx:
        await draft(tx, hub.services.extra["duty_rules"], await load_book(tx.conn), _today(hub), by=BY)


async def _talk(hub: Running, talk: Talk, departments: list[Department]) -> None:
    async with hub.services.store.transaction() as tx:
        members = talk.departments or tuple(d.id for d in departments)
        await save_group(tx, Group(id=talk.id, zh=talk.zh, en=talk.en, purpose=talk.purpose, departments=members), by=BY)
    for said in talk.posts:
        async with hub.services.store.transaction() as tx:
            await write(tx, hub.services.extra["duty_rules"], talk.id, said.text, by=BY, name=said.name, department_id=said.department)
        await asyncio.sleep(BREATH_S)

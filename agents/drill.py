"""Scripted drills played through real agents: every message is marked as a drill and its title begins with 【演练】."""

from __future__ import annotations

import asyncio
import re
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Protocol

import msgspec
import yaml
from msgspec import Meta, Struct

from agents.credentials import Credential, Credentials
from agents.outbox import FINAL, Outbox
from agents.run import open_outbox
from agents.running import sole_speaker
from agents.session import Measures, Session
from agents.settings import AgentSettings, tls_context
from agents.sources.measures import MEASURES_FILE, write_measures
from hub import wire
from hub.errors import Rejected, Unavailable
from hub.ids import new_id

MARK: Final = "【演练】"
_NAME = re.compile(r"[a-z0-9-]{1,60}")
_RECEIPT_S: Final = 60.0
_LOOK_S: Final = 0.1


class Inject(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event of the script: `at_s` seconds after the start, by the agent in `role`; either a report's fields, or a wind."""

    at_s: Annotated[float, Meta(ge=0)]
    role: str
    zh: str
    en: str
    report: dict[str, Any] | None = None
    wind: dict[str, Any] | None = None


class Drill(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A drill: `roles` names for each role the departments whose agent may play it, best first."""

    name: str
    zh: str
    en: str
    source: str
    edition: str
    valid_from: object
    roles: dict[str, tuple[str, ...]]
    injects: tuple[Inject, ...]


class Played(Struct, frozen=True, kw_only=True):
    """What came of a drill: messages sent, the incident that its first report opened, the receipts in order."""

    sent: int
    incident_id: str | None
    receipts: tuple[wire.Receipt, ...]
    seconds: float


def drills() -> list[str]:
    """Names of the packaged drills."""
    folder = resources.files("agents").joinpath("data/drills")
    return sorted(one.name.removesuffix(".yaml") for one in folder.iterdir() if one.name.endswith(".yaml"))


def load_drill(name: str) -> Drill:
    """A packaged drill, checked; raises Rejected for an unknown one or a script that the hub would refuse."""
    if not _NAME.fullmatch(name) or name not in drills():
        raise Rejected("unknown_drill", f"没有演练 {name}，可选：{'、'.join(drills())}", f"there is no drill {name}; there are: {', '.join(drills())}")
    text = resources.files("agents").joinpath(f"data/drills/{name}.yaml").read_text(encoding="utf-8")
    return check_drill(yaml.safe_load(text))


def check_drill(raw: Any) -> Drill:
    """Turn a script into a drill; raises Rejected for anything that could not be played to its end."""
    try:
        drill = msgspec.convert(raw, Drill)
    except msgspec.ValidationError as error:
        raise Rejected("wrong_drill", f"演练脚本有误：{error}", f"the drill's script is wrong: {error}") from None
    now = datetime.now(UTC)
    for n, inject in enumerate(drill.injects):
        if inject.role not in drill.roles or (inject.report is None) == (inject.wind is None):
            raise Rejected("wrong_drill", f"第 {n + 1} 个情景缺少角色或内容", f"inject {n + 1}: a known role and one of report and wind", field="injects")
        if inject.report is not None:
            report_of(inject, new_id(), now)
        else:
            wind_of(inject, now)
    if [one.at_s for one in drill.injects] != sorted(one.at_s for one in drill.injects):
        raise Rejected("wrong_drill", "情景未按时间排列", "the injects are not in the order of time", field="injects")
    return drill


def report_of(inject: Inject, incident_id: str | None, now: datetime) -> wire.Report:
    """The report of an inject, marked as a drill; what is not an initial report belongs to `incident_id`."""
    values = {"kind": "initial"} | (inject.report or {})
    values |= {"id": new_id(), "occurred_at": now.isoformat(), "drill": True, "title": MARK + str(values.get("title", inject.zh)).removeprefix(MARK)}
    if values["kind"] != "initial":
        values["incident_id"] = incident_id
    return wire.decode_report(msgspec.json.encode(values))


def wind_of(inject: Inject, now: datetime) -> wire.Wind:
    """The wind of an inject, measured now."""
    return wire.decode(msgspec.json.encode((inject.wind or {}) | {"at": now.isoformat()}), wire.Wind)


def cast(drill: Drill, credentials: Credentials) -> dict[str, Credential]:
    """Who plays which role: the agent of the first fitting department; raises Rejected for a role that nobody can play."""
    found: dict[str, Credential] = {}
    for role, departments in drill.roles.items():
        one = credentials.of_department(*departments)
        if one is None:
            wanted = ", ".join(departments)
            raise Rejected("no_agent", f"没有终端可扮演 {role}（需要部门 {wanted}）", f"no agent can play {role}: one of {wanted} is needed", field="credentials")
        found[role] = one
    return found


class _Player(Protocol):
    """One agent on stage."""

    async def report(self, report: wire.Report) -> wire.Receipt:
        """File a report and wait for its final receipt; raises TimeoutError."""
        ...

    async def wind(self, wind: wire.Wind) -> None:
        """Measure this wind from now on, and tell the hub."""
        ...


class _Here:
    """An agent that speaks from this process."""

    def __init__(self, settings: AgentSettings, outbox: Outbox, password: str | None, tls: ssl.SSLContext | None) -> None:
        self._measures = Measures()
        self.session = Session(settings, outbox, password=password, tls=tls, measure=lambda: self._measures)

    async def report(self, report: wire.Report) -> wire.Receipt:
        await self.session.file(report)
        return await self.session.receipt(report.id, _RECEIPT_S)

    async def wind(self, wind: wire.Wind) -> None:
        self._measures = Measures(wind=wind)
        async with asyncio.timeout(_RECEIPT_S):
            await self.session.send_telemetry()


class _Elsewhere:
    """An agent that another process runs: its outbox takes the reports, its folder the wind."""

    def __init__(self, home: Path, outbox: Outbox) -> None:
        self._home = home
        self._outbox = outbox

    async def report(self, report: wire.Report) -> wire.Receipt:
        await asyncio.to_thread(self._outbox.accept, report)
        async with asyncio.timeout(_RECEIPT_S):
            while True:
                entry = await asyncio.to_thread(self._outbox.get, report.id)
                if entry is not None and entry.state in FINAL and entry.receipt is not None:
                    return entry.receipt
                await asyncio.sleep(_LOOK_S)

    async def wind(self, wind: wire.Wind) -> None:
        await asyncio.to_thread(write_measures, self._home / MEASURES_FILE, Measures(wind=wind))


def _enter(stack: AsyncExitStack, one: Credential, credentials: Credentials, folder: Path) -> _Here | _Elsewhere:
    """Bring an agent on stage: from here where nobody runs it, else through its folder."""
    settings = credentials.settings(one)
    home = folder / one.agent_id
    outbox = stack.enter_context(closing(open_outbox(home, settings)))
    try:
        stack.enter_context(sole_speaker(home))
    except Unavailable:
        return _Elsewhere(home, outbox)
    return _Here(settings, outbox, one.password, tls_context(folder, settings))


async def run_drill(
    drill: Drill, credentials: Credentials, *, speed: float = 1.0, tell: Callable[[str], None] | None = None, folder: Path | None = None
) -> Played:
    """Play a drill at `speed` times real time; ends when the last receipt has come. `folder` keeps the outboxes (None: a passing one).

    An agent that runs already below `folder` plays through its own process. Raises Rejected where a role has no agent or the hub rejects
    an inject, TimeoutError where a receipt does not come within a minute.
    """
    roles = cast(drill, credentials)
    with tempfile.TemporaryDirectory(prefix="drill-") as passing:
        async with AsyncExitStack() as stack:
            agents = {one.agent_id: one for one in roles.values()}
            players = {name: _enter(stack, one, credentials, folder or Path(passing)) for name, one in agents.items()}
            sessions = [player.session for player in players.values() if isinstance(player, _Here)]
            async with asyncio.TaskGroup() as group:
                talks = [group.create_task(session.run(), name=f"drill-{session.settings.agent_id}") for session in sessions]
                played = await _play(drill, roles, players, speed, tell or (lambda line: None))
                for session in sessions:
                    session.stop()
                await asyncio.gather(*talks)
    return played


async def _play(
    drill: Drill, roles: dict[str, Credential], players: Mapping[str, _Player], speed: float, tell: Callable[[str], None]
) -> Played:
    began_s = time.monotonic()
    incident_id: str | None = None
    receipts: list[wire.Receipt] = []
    for inject in drill.injects:
        await asyncio.sleep(max(0.0, began_s + inject.at_s / speed - time.monotonic()))
        agent_id = roles[inject.role].agent_id
        tell(f"{MARK} T+{inject.at_s / 60:04.1f} min {agent_id}: {inject.zh} / {inject.en}")
        if inject.wind is not None:
            await players[agent_id].wind(wind_of(inject, datetime.now(UTC)))
            continue
        receipt = await players[agent_id].report(report_of(inject, incident_id, datetime.now(UTC)))
        if receipt.status is wire.ReceiptStatus.REJECTED:
            words = receipt.message or receipt.reason or "rejected"
            raise Rejected(receipt.reason or "rejected", words, words, field=receipt.field)
        incident_id = incident_id or receipt.incident_id
        receipts.append(receipt)
    return Played(sent=len(drill.injects), incident_id=incident_id, receipts=tuple(receipts), seconds=time.monotonic() - began_s)

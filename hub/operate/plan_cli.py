"""`tocsin plan …`: put plans in force, raise or lower the level, switch, move the stage, terminate, for whoever stands at the machine.

Works on the hub's store and leaves the same changes as the console; holds no rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer

from hub.domain.activation import ResponseHead
from hub.domain.duty_rules import packaged_rules
from hub.domain.incident import IncidentView
from hub.errors import Rejected, Unavailable
from hub.operate.stored import stored
from hub.settings import load_settings
from hub.store import Transaction
from hub.store.activations import (
    Whole,
    active_response,
    change_response,
    list_responses,
    move_stage,
    put_in_force,
    revoke,
    stored_cases,
    tasks_of,
    terminate,
)
from hub.store.district import district_now
from hub.store.plans import facts_from, plans_in_force, stated_facts
from hub.store.reports import get_incident, incident_numbered
from plans.backtest import BacktestReport, backtest
from plans.check import Finding, Severity, check, worst_level
from plans.cli import watched
from plans.district import event_codes
from plans.facts import IncidentFacts
from plans.match import Library
from plans.model import Level, Stage
from plans.telling import backtest_lines, finding_lines

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="启动、升降级、终止预案 / put plans in force")
Config = Annotated[Path | None, typer.Option("--settings", help="设置文件 / settings file")]
Data = Annotated[str | None, typer.Option("--data-dir", help="数据目录 / data folder")]
AsJson = Annotated[bool, typer.Option("--json", help="输出 JSON / print JSON")]
Incident = Annotated[str, typer.Argument(help="事件编号（如 2026-000001）或 id / the incident's number, such as 2026-000001, or its id")]
Plans = Annotated[list[str], typer.Argument(help="预案编号 / ids of plans")]
Reason = Annotated[str, typer.Option("--reason", help="理由 / why")]
BY = "system:cli"
_Work = Callable[[Transaction, IncidentView, IncidentFacts, Whole | None], Awaitable[ResponseHead]]


def _do(incident_id: str, work: _Work, config: Path | None, data: str | None, as_json: bool) -> None:
    async def run() -> ResponseHead:
        settings = load_settings(config, data_dir=data)
        async with stored(settings) as store, store.transaction() as tx:
            incident = await get_incident(tx.conn, incident_id) or await incident_numbered(tx.conn, incident_id)
            if incident is None:
                raise Rejected("unknown_incident", f"没有编号为“{incident_id}”的事件", f"there is no incident {incident_id!r}", field="incident")
            facts = facts_from(incident, ZoneInfo(settings.local_zone), await stated_facts(tx.conn, incident.id))
            return await work(tx, incident, facts, await active_response(tx.conn, incident.id))

    try:
        head = asyncio.run(run())
    except (Rejected, Unavailable) as error:
        typer.echo(f"{error.code}: {error.zh} / {error.en}", err=True)
        raise typer.Exit(2 if isinstance(error, Rejected) else 3) from None
    typer.echo(msgspec.json.encode(head).decode() if as_json else f"{head.id}\t{head.state}\t{head.level}\n{head.zh}\n{head.en}")


def _needed(held: Whole | None) -> Whole:
    if held is None:
        raise Rejected("no_response", "此事件没有生效的响应", "no response is in force for this incident", field="incident")
    return held


@app.command("activate")
def activate_command(
    incident: Incident, plans: Plans, level: Annotated[Level | None, typer.Option("--level", help="响应级别，缺省按事实建议 / level")] = None,
    reason: Reason = "", config: Config = None, data: Data = None, as_json: AsJson = False,
) -> None:
    """启动预案（重复执行只启动一次）/ put plans in force; done twice it is done once."""
    _do(incident, lambda tx, view, facts, _: put_in_force(tx, packaged_rules(), view, facts, plans, level, by=BY, reason=reason or None),
        config, data, as_json)


@app.command("level")
def level_command(incident: Incident, level: Annotated[Level, typer.Argument(help="响应级别 / the level")], reason: Reason = "", config: Config = None, data: Data = None, as_json: AsJson = False) -> None:
    """升级或降级，只应用差异 / raise or lower the level; only the difference is applied."""

    async def work(tx: Transaction, view: IncidentView, facts: IncidentFacts, held: Whole | None) -> ResponseHead:
        whole = _needed(held)
        return await change_response(tx, packaged_rules(), view, facts, whole, [p.id for p in whole.document.plans], level, by=BY,
                                     reason=reason or None)

    _do(incident, work, config, data, as_json)


@app.command("switch")
def switch_command(incident: Incident, plans: Plans, reason: Reason = "", config: Config = None, data: Data = None, as_json: AsJson = False) -> None:
    """改用这些预案 / put these plans in force instead."""

    async def work(tx: Transaction, view: IncidentView, facts: IncidentFacts, held: Whole | None) -> ResponseHead:
        whole = _needed(held)
        return await change_response(tx, packaged_rules(), view, facts, whole, plans, whole.head.level, by=BY, reason=reason or None)

    _do(incident, work, config, data, as_json)


@app.command("stage")
def stage_command(
    incident: Incident, stage: Annotated[Stage, typer.Argument(help="现场阶段 / the scene's stage")], met: Annotated[list[str] | None, typer.Option("--met", help="已满足的退出条件 / exit conditions that hold")] = None,
    reason: Reason = "", config: Config = None, data: Data = None, as_json: AsJson = False,
) -> None:
    """推进现场阶段 / move the scene's stage."""
    _do(incident, lambda tx, view, _, held: move_stage(tx, view, _needed(held), stage, met=met or (), reason=reason or None, by=BY),
        config, data, as_json)


@app.command("terminate")
def terminate_command(
    incident: Incident, met: Annotated[list[str] | None, typer.Option("--met", help="已满足的终止条件 / termination conditions that hold")] = None,
    reason: Reason = "", config: Config = None, data: Data = None, as_json: AsJson = False,
) -> None:
    """终止响应：条件满足，或说明理由 / end the response: its conditions hold, or a reason is given."""
    _do(incident, lambda tx, view, facts, held: terminate(tx, packaged_rules(), view, facts, _needed(held), met=met or (), reason=reason or None, by=BY),
        config, data, as_json)


@app.command("revoke")
def revoke_command(incident: Incident, reason: Reason = "", config: Config = None, data: Data = None, as_json: AsJson = False) -> None:
    """撤销按规则自动启动的响应（限时）/ take back what a rule began, within its time."""
    _do(incident, lambda tx, view, _, held: revoke(tx, packaged_rules(), view, _needed(held), reason=reason, by=BY), config, data, as_json)


@app.command("check")
def check_command(config: Config = None, data: Data = None, as_json: AsJson = False) -> None:
    """今晚能用吗：按中心的值班、物资、通讯录检查生效预案；有错误时退出码 1 / would the plans work tonight? exit status 1 where there are errors."""

    async def run() -> tuple[int, tuple[Finding, ...]]:
        settings = load_settings(config, data_dir=data)
        zone = ZoneInfo(settings.local_zone)
        async with stored(settings) as store, store.read() as conn:
            now = store.clock.now()
            plans = await plans_in_force(conn, now.astimezone(zone).date())
            return len(plans), check(plans, await district_now(conn, now, zone, drill=settings.demo))

    plans, findings = asyncio.run(run())
    if as_json:
        typer.echo(msgspec.json.encode(findings).decode())
    else:
        for line in finding_lines(findings, plans):
            typer.echo(line)
    if worst_level(findings) is Severity.ERROR:
        raise typer.Exit(1)


@app.command("backtest")
def backtest_command(
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="最近多少起事件 / how many of the newest incidents")] = 500,
    drills: Annotated[bool, typer.Option("--drills", help="包括演练 / drills too")] = False, config: Config = None, data: Data = None, as_json: AsJson = False,
) -> None:
    """回放中心已存事件：现行预案会匹配什么，与实际启动的比较 / replay the stored incidents against the plans in force, beside what was put in force."""

    async def run() -> BacktestReport:
        settings = load_settings(config, data_dir=data)
        zone = ZoneInfo(settings.local_zone)
        async with stored(settings) as store, store.read() as conn:
            plans = await plans_in_force(conn, store.clock.now().astimezone(zone).date())
            return backtest(Library(plans), watched([case for _, case in await stored_cases(conn, zone, drill=None if drills else False, limit=limit)]), event_codes())

    report = asyncio.run(run())
    if as_json:
        typer.echo(msgspec.json.encode({**msgspec.to_builtins(report), "found_share": report.found_share}).decode())
    else:
        for line in backtest_lines(report):
            typer.echo(line)


@app.command("list")
def list_command(config: Config = None, data: Data = None, as_json: AsJson = False) -> None:
    """生效的响应、终止条件（--met）及任务 / responses in force, the conditions that end them (--met) and their tasks."""

    async def lines() -> list[str]:  # they are printed once the store is closed: a reader that goes away is no outage of the store
        async with stored(load_settings(config, data_dir=data)) as store, store.read() as conn:
            heads = await list_responses(conn)
            if as_json:
                return [msgspec.json.encode(heads).decode()]
            found = []
            for head in heads:
                incident = await get_incident(conn, head.incident_id)
                held = await active_response(conn, head.incident_id)
                found.append(f"{incident.no if incident else head.incident_id}\t{head.level}\t{head.stage}\t{'、'.join(p.title.zh for p in head.plans)}\t{head.incident_id}")
                found += [f"  --met {one.key}\t{one.text.zh} / {one.text.en}" for one in (held.document.termination if held else ())]
                found += [f"  {task.due_at:%H:%M} {task.state}\t{task.owner.department}\t{task.text.zh}"
                          for task in (await tasks_of(conn, held) if held else ())]
            return found or ["没有生效的响应 / no response is in force"]

    for line in asyncio.run(lines()):
        typer.echo(line)

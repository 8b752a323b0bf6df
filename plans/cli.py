"""`tocsin plans …`: list, show, match, preview, check, back-test, compare, import and export plans, with no hub running.

Prints tables for people and, with `--json`, one JSON object for programs. Holds no rules.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from hub.errors import Rejected, why_en, why_zh
from plans import load
from plans.activate import Bindings, activate
from plans.backtest import Case, backtest
from plans.cases import read_cases
from plans.check import District, Severity, check, worst_level
from plans.compare import compare
from plans.district import district_of_data, event_codes
from plans.facts import IncidentFacts, facts_of_report
from plans.hazmat import lookup
from plans.match import Library, MatchResult, explain, match
from plans.model import Level, Plan, in_force, json_schema
from plans.telling import backtest_lines, finding_lines

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="预案：列表、匹配、检查、回放 / plans")

_Folder = Annotated[Path, typer.Option("--folder", help="预案文件夹 / folder of plans")]
_PlanId = Annotated[str, typer.Argument(help="预案编号 / the plan's id")]
_PlanFile = Annotated[Path, typer.Argument(help="一个预案文件 / a plan file")]
_Json = Annotated[bool, typer.Option("--json", help="输出 JSON / print JSON")]
_Zone = Annotated[str, typer.Option("--zone", help="当地时区 / the district's time zone")]
_FactsFile = Annotated[
    Path | None, typer.Argument(help="事件事实或报告的 JSON，缺省读标准输入 / facts or a report as JSON; standard input otherwise")
]
_CASES = Path(__file__).parent / "data" / "backtest_cases.yaml"


@contextmanager
def _named_errors() -> Iterator[None]:
    """Bad input ends with exit code 2 and every fault on a line of its own."""
    try:
        yield
    except load.PlanRejected as error:
        for fault in error.faults:
            typer.echo(str(fault), err=True)
        raise typer.Exit(2) from None
    except Rejected as error:
        typer.echo(f"{error.code}: {error.message}" + (f" [{error.field}]" if error.field else ""), err=True)
        raise typer.Exit(2) from None
    except OSError as error:
        named = f"{error.filename}：" if error.filename else ""
        typer.echo(f"读不懂输入：{named}{why_zh(error)} / cannot read the input: {why_en(error)}", err=True)
        raise typer.Exit(2) from None
    except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
        typer.echo(f"读不懂输入：{why_zh(error)} / cannot read the input: {why_en(error)}", err=True)
        raise typer.Exit(2) from None


def _district(file: Path | None) -> District:
    """The district as a file gives it, or as the data files know it. Raises Rejected that names the file."""
    if file is None:
        return district_of_data(_today())
    try:
        return msgspec.json.decode(file.read_bytes(), type=District)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Rejected("bad_district", f"{file}：{why_zh(error)}", f"{file}: {why_en(error)}", field="district") from None


def _print_json(value: object) -> None:
    typer.echo(json.dumps(msgspec.to_builtins(value), ensure_ascii=False, indent=1))


def _plans(folder: Path) -> tuple[Plan, ...]:
    return load.load_folder(folder)


def _today() -> date:
    return datetime.now(UTC).astimezone().date()


def _library(folder: Path) -> Library:
    return Library(plan for plan in _plans(folder) if in_force(plan, _today()))


def _one(plans: Sequence[Plan], plan_id: str) -> Plan:
    for plan in sorted(plans, key=lambda p: -p.version):
        if plan.id == plan_id:
            return plan
    raise Rejected("unknown_plan", f"没有预案“{plan_id}”", f"there is no plan {plan_id!r}", field="plan_id")


def _facts(raw: object, zone: str) -> IncidentFacts:
    """Facts as they are, or a report message of the wire (which names when it happened), with what the tables say of their substances.

    Raises Rejected `unknown_un`: who types a number can look at it again (the hub keeps such a report and calls the load unknown).
    """
    if not isinstance(raw, dict):
        raise Rejected("not_an_object", "应是一个 JSON 对象", "a JSON object was expected")
    is_report = "occurred_at" in raw or "kind" in raw
    return lookup.checked(facts_of_report(raw, zone=ZoneInfo(zone)) if is_report else msgspec.convert(raw, IncidentFacts))


def _read_facts(file: Path | None, zone: str) -> IncidentFacts:
    text = file.read_text("utf-8") if file else sys.stdin.read()
    return _facts(json.loads(text), zone)


@app.command("list")
def list_plans(folder: _Folder = load.CATALOGUE, as_json: _Json = False) -> None:
    """列出预案 / list the plans."""
    with _named_errors():
        plans = _plans(folder)
    if as_json:
        keys = ("id", "version", "kind", "status", "title", "source", "valid_from", "valid_until")
        _print_json([{k: getattr(p, k) for k in keys} | {"tasks": len(p.tasks)} for p in plans])
        return
    for p in plans:
        typer.echo(f"{p.id}\tv{p.version}\t{p.kind}\t{p.status}\t任务 tasks {len(p.tasks)}\t有效至 until {p.valid_until or '—'}\n"
                   f"  {p.title.zh} / {p.title.en}\n  {p.source.document}（{p.source.edition}）")


@app.command()
def show(plan_id: _PlanId, folder: _Folder = load.CATALOGUE, as_json: _Json = False) -> None:
    """显示一个预案 / show one plan."""
    with _named_errors():
        plan = _one(_plans(folder), plan_id)
    if as_json:
        _print_json(plan)
    else:
        typer.echo(load.export_text(plan))


@app.command("match")
def match_command(
    file: _FactsFile = None,
    folder: _Folder = load.CATALOGUE,
    plan: Annotated[str | None, typer.Option("--plan", help="只解释这一个 / explain this one only")] = None,
    zone: _Zone = "Asia/Shanghai",
    as_json: _Json = False,
) -> None:
    """匹配一起事件并说明理由 / match one incident, with the reasons."""
    with _named_errors():
        library = _library(folder)
        facts = _read_facts(file, zone)
        if plan is not None:
            _one([entry.plan for entry in library.entries], plan)
            _print_json(explain(library, plan, facts))
            return
        result = match(library, facts)
    if as_json:
        _print_json(result)
    else:
        _print_match(result)


def _print_match(result: MatchResult) -> None:
    console = Console()
    table = Table("#", "预案 plan", "状态 state", "分 score", "理由 reason")
    for rank, m in enumerate(result.matches, 1):
        table.add_row(str(rank), f"{m.title.zh}\n[dim]{m.plan_id} v{m.version}[/dim]", m.state, f"{m.score:g}", f"{m.zh}\n{m.en}")
    console.print(table)
    if result.missing_fact:
        console.print(f"最值得问 / ask: {result.missing_fact.zh} / {result.missing_fact.en}")
    console.print(f"另有 {result.open} 个待定，{result.excluded} 个排除 / {result.open} open, {result.excluded} ruled out")


@app.command()
def preview(
    plan_ids: Annotated[list[str], typer.Argument(help="预案编号 / plan ids")],
    facts: Annotated[Path | None, typer.Option("--facts", help="事件事实的 JSON / facts as JSON")] = None,
    level: Annotated[Level, typer.Option(help="响应级别 / level")] = Level.IV,
    folder: _Folder = load.CATALOGUE,
    zone: _Zone = "Asia/Shanghai",
    as_json: _Json = False,
) -> None:
    """预览启用后会下达什么（不下达）/ what putting plans in force would give, without giving it."""
    with _named_errors():
        plans = _plans(folder)
        chosen = [_one(plans, plan_id) for plan_id in plan_ids]
        known = _read_facts(facts, zone) if facts else IncidentFacts()
        now = datetime.now(UTC)
        activation = activate(chosen, known, level, Bindings(towns=load.towns_by_adcode()), now)
    if as_json:
        _print_json(activation)
        return
    table = Table("分钟 min", "阶段 stage", "任务 task", "部门 department", "预案 plans")
    for task in activation.tasks:
        minutes = int((task.due_at - now).total_seconds() // 60)
        table.add_row(
            str(minutes),
            task.stage,
            f"{task.text.zh}\n{task.text.en}",
            task.owner.acting_for or task.owner.department,
            "、".join(task.plans),
        )
    Console().print(table)


@app.command("check")
def check_command(
    folder: _Folder = load.CATALOGUE,
    district: Annotated[
        Path | None, typer.Option("--district", help="区情 JSON：值班、物资、通讯录 / rosters, stock, contacts as JSON")
    ] = None,
    as_json: _Json = False,
) -> None:
    """检查预案库；有错误时退出码为 1 / lint the library; exit code 1 where there are errors."""
    with _named_errors():
        plans = _plans(folder)
        findings = check(plans, _district(district))
    if as_json:
        _print_json({"plans": len(plans), "findings": findings})
    else:
        _print_lines(finding_lines(findings, len(plans)))
    if worst_level(findings) is Severity.ERROR:
        raise typer.Exit(1)


@app.command("backtest")
def backtest_command(
    cases: Annotated[Path, typer.Argument(help="案例：YAML 或 JSON 行 / cases as YAML or JSON lines")] = _CASES,
    folder: _Folder = load.CATALOGUE,
    zone: _Zone = "Asia/Shanghai",
    as_json: _Json = False,
) -> None:
    """用过去的事件回放预案库；漏掉应有预案时退出码为 1 / replay past incidents against the library; exit code 1 where an expected plan was missed."""
    with _named_errors():
        report = backtest(_library(folder), watched(read_cases(cases, zone)), event_codes())
    if as_json:
        _print_json({**msgspec.to_builtins(report), "found_share": report.found_share})
    else:
        _print_lines(backtest_lines(report))
    if report.all_found < report.with_expectation:
        raise typer.Exit(1)


def watched(cases: Sequence[Case]) -> Iterator[Case]:
    """The cases, with a bar of how far they are where somebody watches."""
    bar = Console(stderr=True)
    yield from track(cases, "回放 replaying", console=bar, transient=True, disable=not bar.is_terminal)


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


@app.command("compare")
def compare_command(before: _PlanFile, after: _PlanFile, as_json: _Json = False) -> None:
    """比较两个版本 / compare two versions."""
    with _named_errors():
        changes = compare(*(load.load_files([path])[0] for path in (before, after)))
    if as_json:
        _print_json(changes)
        return
    if not changes:
        typer.echo("没有差别 / no difference")
        return
    table = Table("字段 field", "之前 before", "之后 after")
    for c in changes:
        table.add_row(c.field, json.dumps(c.before, ensure_ascii=False), json.dumps(c.after, ensure_ascii=False))
    Console().print(table)


@app.command()
def schema() -> None:
    """打印预案文件的 JSON Schema / print the JSON Schema of a plan file."""
    _print_json(json_schema())


@app.command("export")
def export_command(plan_id: _PlanId, out: Annotated[Path | None, typer.Option("--out", help="写到哪里 / the file to write")] = None, folder: _Folder = load.CATALOGUE) -> None:
    """导出一个预案为 YAML / export one plan as YAML."""
    with _named_errors():
        text = load.export_text(_one(_plans(folder), plan_id))
        if out is None:
            typer.echo(text, nl=False)
        else:
            out.write_text(text, "utf-8")


@app.command("import")
def import_command(files: Annotated[list[Path], typer.Argument(help="预案文件 / plan files")], into: Annotated[Path, typer.Option("--into", help="目标文件夹 / folder to import into")]) -> None:
    """导入预案文件：全部合格才写入 / import plan files; nothing is written unless all are good."""
    with _named_errors():
        into.mkdir(parents=True, exist_ok=True)
        plans = load.load_files([*sorted(into.rglob("*.yaml")), *files])[-len(files) :]
        waiting = []
        for plan in plans:
            target = into / f"{plan.id}-v{plan.version}.yaml"
            part = target.with_suffix(".part")
            part.write_text(load.export_text(plan), "utf-8")
            waiting.append((part, target))
        for part, target in waiting:
            part.replace(target)
    for plan in plans:
        typer.echo(f"{plan.id} v{plan.version}")

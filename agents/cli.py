"""Commands of the field agent: `tocsin agent …`, `tocsin report …`, `tocsin drill …`. Nothing is decided here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Coroutine
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from agents import loop
from agents import report as filing
from agents.credentials import load_credentials
from agents.outbox import FINAL, Entry, State
from agents.renewal import certificate_life
from agents.run import open_outbox, read_status, run_agent
from agents.running import is_running
from agents.settings import default_folder, load_settings
from agents.sources.folder import complete
from agents.words import say, state_word
from hub import wire
from hub.errors import Rejected, Unavailable, why_en, why_zh

agent = typer.Typer(no_args_is_help=True, help="现场终端 / the field agent")
report = typer.Typer(no_args_is_help=True, help="报送 / file and follow reports")
drill = typer.Typer(no_args_is_help=True, help="演练 / scripted drills")
console = Console()
errors = Console(stderr=True)
T = TypeVar("T")

WRONG_INPUT, REJECTED, NO_RECEIPT, NOT_ACCEPTED = 2, 3, 4, 5
Folder = Annotated[Path | None, typer.Option("--folder", help="终端目录 / the agent's folder (TOCSIN_AGENT_FOLDER, ~/.tocsin/agent)")]
CredentialsFile = Annotated[Path, typer.Option("--credentials", help="多个终端的凭据文件 / a JSON file with the agents' credentials")]


def _fail(error: Rejected | Unavailable) -> NoReturn:
    errors.print(f"[red]{say(error.zh, error.en)}[/red] ({error.code})")
    raise typer.Exit(WRONG_INPUT if isinstance(error, Rejected) else NO_RECEIPT)


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return loop.run(work)
    except* (Rejected, Unavailable, TimeoutError) as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        failure = first
    if not isinstance(failure, (Rejected, Unavailable)):
        failure = Unavailable("no_answer", "中心未在限时内答复", "the hub did not answer in time")
    _fail(failure)


@agent.command("run")
def agent_run(folder: Folder = None, verbose: Annotated[bool, typer.Option("--verbose", "-v", help="详细日志 / say more")] = False) -> None:
    """运行终端，直到被要求停止 / run the agent until told to stop."""
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    where = folder or default_folder()

    def ready(session: Any, port: int | None) -> None:
        local = say(f"，本机端口 {port}", f", local port {port}") if port else ""
        console.print(say(f"终端 {session.settings.agent_id} 已启动{local}", f"agent {session.settings.agent_id} is up{local}"))

    _run(run_agent(where, on_ready=ready))


@agent.command("enroll")
def agent_enroll(
    hub: Annotated[str, typer.Option("--hub", help="中心网址 / the hub's address: http://127.0.0.1:8800")],
    code: Annotated[str, typer.Option("--code", help="一次性注册码 / the one-time code, XXXX-XXXX-XXXX")],
    name: Annotated[str, typer.Option("--name", help="名称 / its name")] = "",
    ca_file: Annotated[Path | None, typer.Option("--ca", help="中心证书的签发者 / the authority of the hub's web certificate")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="重新注册 / enrol anew; the outbox stays")] = False,
    folder: Folder = None,
) -> None:
    """用一次性注册码换取本终端的凭据 / trade a one-time code for this agent's own credential."""
    from agents.enroll import enroll

    where = folder or default_folder()
    done = _run(enroll(where, hub, code, name, ca_file=ca_file, replace=replace))
    console.print(say(f"已注册为 {done.agent_id}，配置在 {where}；启动：tocsin agent run", f"enrolled as {done.agent_id} in {where}; start: tocsin agent run"))


@agent.command("status")
def agent_status(folder: Folder = None) -> None:
    """连接、发件箱和时钟 / link, outbox and clock."""
    where = folder or default_folder()
    try:
        settings = load_settings(where)
        with contextlib.closing(open_outbox(where, settings)) as outbox:
            waiting, uploads, commands = outbox.waiting(), outbox.upload_states(), outbox.commands(5)
    except (Rejected, Unavailable) as error:
        _fail(error)
    link = read_status(where)
    running = is_running(where)
    table = Table(show_header=False)
    table.add_row(say("终端", "agent"), f"{settings.agent_id} {settings.name}")
    table.add_row(say("进程", "process"), say("运行中", "running") if running else say("未运行", "not running"))
    if link is not None and running:
        word = say("已连接", "connected") if link.connected else say("未连接", "not connected")
        table.add_row(say("连接", "link"), f"{word} ({link.since.astimezone():%m-%d %H:%M:%S}) {link.error or ''}")
        table.add_row(say("时钟偏差", "clock skew"), "—" if link.skew_ms is None else f"{link.skew_ms / 1000:+.1f} s")
    life = certificate_life(where, settings)
    if life is not None:
        table.add_row(say("证书有效至", "certificate until"), f"{life.ends_at.astimezone():%Y-%m-%d %H:%M}")
    oldest = f"{say('，', ', ')}{waiting.oldest_at.astimezone():%m-%d %H:%M}" if waiting.oldest_at else ""
    table.add_row(say("待回执", "without receipt"), f"{waiting.count} ({waiting.size_bytes / 1000:.0f} kB{oldest})")
    for sha256, name, state, reason in uploads:
        if state != "done":
            table.add_row(say("附件", "file"), f"{name} {sha256[:12]} {state} {reason or ''}")
    for command in commands:
        table.add_row(say("中心来信", "from the hub"), f"{command.at.astimezone():%m-%d %H:%M} {command.title or command.kind} {command.text or ''}")
    console.print(table)


@agent.command("simulate")
def agent_simulate(
    credentials: CredentialsFile,
    agents: Annotated[int, typer.Option("--agents", min=1, help="终端数 / how many")] = 100,
    rate: Annotated[float, typer.Option("--rate", min=0.001, help="每终端每秒报告数 / reports a second of each agent")] = 1.0,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="秒数 / for how many seconds")] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON / print JSON")] = False,
) -> None:
    """模拟许多终端报送并统计回执 / many agents in one process; receipts p50 and p99, lost, duplicates."""
    from agents.simulate import show, simulate

    result = _run(simulate(_credentials(credentials), agents=agents, rate=rate, seconds=seconds, progress=None if as_json else console))
    show(result, console, as_json=as_json)
    if result.lost:
        raise typer.Exit(1)


@agent.command("live")
def agent_live(
    credentials: CredentialsFile,
    only: Annotated[list[str] | None, typer.Option("--agent", help="只运行这些终端 / only these agents")] = None,
    minutes: Annotated[float, typer.Option("--minutes", help="两份报告的平均间隔 / mean minutes between two reports of one agent")] = 30.0,
    folder: Folder = None,
) -> None:
    """演示区的终端按人的节奏报送 / demo agents that live at a human pace."""
    from agents.demo import Pace, live_all

    logging.basicConfig(level=logging.WARNING)
    _run(live_all(_credentials(credentials), folder or _demo_folder(credentials), only=only or (), pace=Pace(report_minutes=minutes)))


@drill.command("list")
def drill_list() -> None:
    """有哪些演练 / which drills there are."""
    from agents.drill import drills, load_drill

    for name in drills():
        drill = load_drill(name)
        console.print(f"{name}  {say(drill.zh, drill.en)}  ({len(drill.injects)})")


@drill.command("run")
def drill_run(
    name: Annotated[str, typer.Argument(help="演练名，见 tocsin drill list / its name, of `tocsin drill list`")],
    credentials: CredentialsFile,
    speed: Annotated[float, typer.Option("--speed", min=0.01, help="几倍速 / times real time")] = 1.0,
    folder: Annotated[Path | None, typer.Option("--folder", help="终端运行的目录，默认为凭据文件旁的 outboxes / where the agents run; outboxes beside the credentials if not given")] = None,
) -> None:
    """按脚本演练，全程标【演练】 / play a scripted drill through real agents."""
    from agents.drill import load_drill, run_drill

    def told(line: str) -> None:
        console.print(line)

    try:
        drill = load_drill(name)
    except Rejected as error:
        _fail(error)
    result = _run(run_drill(drill, _credentials(credentials), speed=speed, tell=told, folder=folder or _demo_folder(credentials)))
    console.print(say(f"演练结束：{result.sent} 条，全部获回执", f"the drill is over: {result.sent} messages, all receipted"))


def _demo_folder(credentials: Path) -> Path:
    """Where the agents of a credentials' file run: beside it, if a hub with a demo district wrote it."""
    beside = credentials.parent / "outboxes"
    return beside if beside.is_dir() else default_folder().parent / "demo-agents"


def _credentials(path: Path) -> Any:
    try:
        return load_credentials(path)
    except Rejected as error:
        _fail(error)


@report.command("file")
def report_file(
    title: Annotated[str | None, typer.Option("--title", help="标题 / title")] = None,
    text: Annotated[str | None, typer.Option("--text", help="正文 / the report in words")] = None,
    place: Annotated[str | None, typer.Option("--place", help="地点 / the place in words")] = None,
    lon: Annotated[float | None, typer.Option("--lon", help="经度 / longitude, degrees")] = None,
    lat: Annotated[float | None, typer.Option("--lat", help="纬度 / latitude, degrees")] = None,
    crs: Annotated[wire.Crs, typer.Option("--crs", help="坐标系 / the coordinates' system")] = wire.Crs.WGS84,
    adcode: Annotated[str | None, typer.Option("--adcode", help="行政区划代码 / code of the administrative division")] = None,
    road: Annotated[str | None, typer.Option("--road", help="道路编号，如 G204 / road number, such as G204")] = None,
    road_km: Annotated[float | None, typer.Option("--road-km", help="桩号（公里） / kilometre post")] = None,
    enterprise: Annotated[str | None, typer.Option("--enterprise", help="企业编号 / the enterprise's id")] = None,
    kind: Annotated[wire.ReportKind, typer.Option("--kind", help="初报 续报 终报 核报 / initial, follow_up, final, verification")] = wire.ReportKind.INITIAL,
    incident: Annotated[str | None, typer.Option("--incident", help="续报、终报所属事件 / the incident that a follow-up or final report belongs to")] = None,
    event_type: Annotated[list[str] | None, typer.Option("--type", help="事件类型代码，可多个 / code of the event type, may be repeated")] = None,
    occurred_at: Annotated[str | None, typer.Option("--occurred-at", help="事发时间 / when it happened: 14:05, 2026-11-23 14:05")] = None,
    heard_at: Annotated[str | None, typer.Option("--heard-at", help="接报时间 / when the unit was told")] = None,
    urgent: Annotated[bool, typer.Option("--urgent", help="紧急 / urgent")] = False,
    drill: Annotated[bool, typer.Option("--drill", help="演练 / a drill")] = False,
    source: Annotated[str | None, typer.Option("--source", help="信息来源 / where the information comes from")] = None,
    cause: Annotated[str | None, typer.Option("--cause", help="起因 / cause")] = None,
    course: Annotated[str | None, typer.Option("--course", help="基本过程 / what happened")] = None,
    scope: Annotated[str | None, typer.Option("--scope", help="影响范围 / extent")] = None,
    trend: Annotated[str | None, typer.Option("--trend", help="发展趋势 / how it develops")] = None,
    measures_taken: Annotated[str | None, typer.Option("--measures-taken", help="已采取措施 / measures taken")] = None,
    measures_planned: Annotated[str | None, typer.Option("--measures-planned", help="拟采取措施 / measures planned")] = None,
    dead: Annotated[int | None, typer.Option("--dead", help="死亡 / dead")] = None,
    missing: Annotated[int | None, typer.Option("--missing", help="失踪 / missing")] = None,
    seriously_injured: Annotated[int | None, typer.Option("--seriously-injured", help="重伤 / seriously injured")] = None,
    injured: Annotated[int | None, typer.Option("--injured", help="轻伤 / slightly injured")] = None,
    trapped: Annotated[int | None, typer.Option("--trapped", help="被困 / trapped")] = None,
    evacuated: Annotated[int | None, typer.Option("--evacuated", help="疏散 / evacuated")] = None,
    poisoned: Annotated[int | None, typer.Option("--poisoned", help="中毒 / poisoned")] = None,
    loss_yuan: Annotated[float | None, typer.Option("--loss-yuan", help="直接损失（元） / direct loss in yuan")] = None,
    un: Annotated[str | None, typer.Option("--un", help="UN 编号 / UN number")] = None,
    hin: Annotated[str | None, typer.Option("--hin", help="危险性识别号 / hazard identification number")] = None,
    substance: Annotated[str | None, typer.Option("--substance", help="品名 / name of the substance")] = None,
    quantity_kg: Annotated[float | None, typer.Option("--quantity-kg", help="数量（千克）/ quantity in kg")] = None,
    container: Annotated[str | None, typer.Option("--container", help="容器 / the container: road_tanker, rail_tanker, drum, …")] = None,
    leak: Annotated[bool | None, typer.Option("--leak/--no-leak", help="泄漏 / leaks")] = None,
    fire: Annotated[bool | None, typer.Option("--fire/--no-fire", help="着火 / burns")] = None,
    reporter: Annotated[str | None, typer.Option("--reporter", help="报告人 / who reports")] = None,
    post: Annotated[str | None, typer.Option("--post", help="职务 / the reporter's post")] = None,
    phone: Annotated[str | None, typer.Option("--phone", help="电话 / the reporter's telephone")] = None,
    signed_off_by: Annotated[str | None, typer.Option("--signed-off-by", help="签发人 / who signed it off")] = None,
    attach: Annotated[list[Path] | None, typer.Option("--attach", help="附件，可多个 / a file, may be repeated")] = None,
    json_file: Annotated[str | None, typer.Option("--json", help="JSON 文件，- 为标准输入 / a JSON file, - for standard input")] = None,
    sign: Annotated[bool, typer.Option("--sign", help="用本终端密钥签名 / sign with this agent's key")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="等到中心回执 / wait for the hub's receipt")] = True,
    timeout: Annotated[float, typer.Option("--timeout", help="最多等几秒 / seconds to wait at most")] = 60.0,
    folder: Folder = None,
) -> None:
    """报送一份报告：选项、JSON 或问答 / file a report: options, JSON, or an interactive form."""
    where = folder or default_folder()
    now = datetime.now().astimezone()
    values = {
        "kind": kind.value, "title": title, "text": text, "incident_id": incident, "event_types": event_type, "urgent": urgent or None,
        "drill": drill or None, "source": source, "cause": cause, "course": course, "scope": scope, "trend": trend,
        "measures_taken": measures_taken, "measures_planned": measures_planned, "loss_yuan": loss_yuan, "signed_off_by": signed_off_by,
        "place": {"text": place, "lon": lon, "lat": lat, "crs": crs.value if lon is not None else None, "adcode": adcode, "road": road,
                  "road_km": road_km, "enterprise_id": enterprise},
        "casualties": {"dead": dead, "missing": missing, "seriously_injured": seriously_injured, "injured": injured, "trapped": trapped,
                       "evacuated": evacuated, "poisoned": poisoned},
        "hazmat": [{"un": un, "hin": hin, "name": substance, "quantity_kg": quantity_kg, "container": container, "leak": leak, "fire": fire}],
        "reporter": {"name": reporter, "post": post, "phone": phone},
    }
    try:
        settings = load_settings(where)
        message: wire.Report | wire.Daily
        if json_file is not None:
            message = _from_json(json_file, now)
        else:
            if title is None and text is None and sys.stdin.isatty():
                values = _from_form(now)
            for name, typed in (("occurred_at", occurred_at), ("heard_at", heard_at)):
                if typed:
                    values[name] = filing.read_time(typed, now).isoformat()
            message = filing.build_report(values, now)
        message = _accept(where, settings, message, attach or [], sign)
    except Unavailable as error:  # the outbox is full, or its disk: nobody keeps this report
        errors.print(f"[red]{say('未收下，本机没有保存此件：' + error.zh, 'not accepted, this machine keeps nothing of it: ' + error.en)}[/red] ({error.code})")
        raise typer.Exit(NOT_ACCEPTED) from None
    except Rejected as error:
        _fail(error)
    console.print(say(f"已存入本机发件箱 {message.id}", f"on this machine's disk: {message.id}"))
    if wait:
        _tell_end(_run(filing.follow(where, settings, message.id, timeout)))


def _accept(where: Path, settings: Any, message: wire.Report | wire.Daily, files: list[Path], sign: bool) -> wire.Report | wire.Daily:
    if isinstance(message, wire.Daily):
        with contextlib.closing(open_outbox(where, settings)) as outbox:
            outbox.accept(message)
        return message
    return filing.file_report(where, settings, message, files, sign=sign)


def _from_json(name: str, now: datetime) -> wire.Report | wire.Daily:
    try:
        payload = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise Rejected("unreadable_file", f"无法读取 {name}：{why_zh(error)}", f"cannot read {name}: {why_en(error)}") from None
    return complete(payload, now.isoformat(), now)


def _from_form(now: datetime) -> dict[str, Any]:
    from agents.form import fill_form

    def ask(question: str, default: str) -> str:
        answer: str = typer.prompt(question, default=default, show_default=bool(default))
        return answer

    values = fill_form(ask, console.print, now)
    if not typer.confirm(say("确认报送？", "file it?"), default=True):
        raise typer.Exit(1)
    return values


def _tell_end(entry: Entry) -> None:
    receipt = entry.receipt
    if entry.state in (State.STORED, State.DUPLICATE) and receipt is not None:
        console.print(say(
            f"[green]中心已入库[/green] {receipt.stored_at or ''}，回执号 {receipt.receipt_no or '—'}",
            f"[green]stored[/green] at {receipt.stored_at or ''}, receipt no. {receipt.receipt_no or '—'}",
        ))
        return
    if entry.state is State.REJECTED and receipt is not None:
        errors.print(say("[red]中心退回[/red] ", "[red]rejected[/red] ") + f"{receipt.message or ''} ({receipt.reason}, {receipt.field or '—'})")
        raise typer.Exit(REJECTED)
    errors.print(say("尚未获得回执，报告仍在本机发件箱，将继续发送（tocsin agent run）", "no receipt yet: it stays in the outbox and will be sent (tocsin agent run)"))
    raise typer.Exit(NO_RECEIPT)


@report.command("status")
def report_status(message_id: Annotated[str | None, typer.Argument(metavar="ID", help="报告编号；不写则列出最近的 / the report's id; the latest ones if left out")] = None, folder: Folder = None) -> None:
    """报告到了哪一步，谁看过 / how far reports have come, and who has seen them."""
    where = folder or default_folder()
    try:
        settings = load_settings(where)
        with contextlib.closing(open_outbox(where, settings)) as outbox:
            entries = outbox.latest() if message_id is None else [outbox.get(message_id)]
    except (Rejected, Unavailable) as error:
        _fail(error)
    if entries == [None]:
        _fail(Rejected("unknown_id", f"本机没有编号 {message_id}", f"there is no {message_id} on this machine", field="id"))
    for entry in entries:
        if entry is not None:
            typer.echo(_as_lines(entry))
    if message_id is not None and entries[0] is not None and entries[0].state in FINAL:
        try:
            _tell_seen(loop.run(filing.ask_hub(where, settings, message_id)))
        except Unavailable as error:
            console.print(say(error.zh, error.en))


def _as_lines(entry: Entry) -> str:
    """Two lines that no width of a terminal cuts: the id and the receipt number are there to be copied."""
    receipt, times = entry.receipt, [f"{say('收下', 'accepted')} {entry.accepted_at.astimezone():%m-%d %H:%M:%S}"]
    if receipt is not None and receipt.stored_at is not None:
        times.append(f"{say('入库', 'stored')} {datetime.fromisoformat(receipt.stored_at).astimezone():%m-%d %H:%M:%S}")
    elif receipt is not None:
        times.append(f"{receipt.message or ''} ({receipt.reason}, {receipt.field or '—'})")
    number = f" {receipt.receipt_no}" if receipt is not None and receipt.receipt_no else ""
    return f"{entry.id}  {entry.kind.value}  {state_word(entry.state)}{number}\n  {'  '.join(times)}"


def _tell_seen(status: filing.HubStatus) -> None:
    if status.incident_id:
        console.print(say("所属事件 ", "incident ") + f"{status.incident_id} {status.incident_state or ''}")
    if not status.seen_by:
        console.print(say("尚无人查看", "nobody has seen it yet"))
    for seen in status.seen_by:
        console.print(say("已查看：", "seen by ") + f"{seen.department_id} {seen.person or ''} {seen.at}")


def main() -> None:
    """The three groups as one command, for an installation without the hub."""
    app = typer.Typer(no_args_is_help=True)
    app.add_typer(agent, name="agent")
    app.add_typer(report, name="report")
    app.add_typer(drill, name="drill")
    with contextlib.suppress(asyncio.CancelledError):
        app()


if __name__ == "__main__":
    main()

"""`tocsin daily …`: file, look and export for whoever stands at the machine; the same function, checks and receipt as by every other way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.calendar import local_day
from hub.domain.daily import Content, Standing
from hub.domain.duty_rules import DutyRules
from hub.domain.obligation import Obligation
from hub.errors import Rejected, why_en, why_zh
from hub.ids import new_id
from hub.operate.stored import stored
from hub.settings import load_settings
from hub.store import Store
from hub.store import daily as daily_store
from hub.store.access import PolicyBook
from hub.store.board import board as read_board
from hub.store.board import statistics as read_statistics
from hub.store.digest import draft, get_digest
from hub.store.duty_data import load_rules
from hub.store.obligations import list_obligations
from hub.store.organisation import list_departments
from hub.wire import Receipt

app = typer.Typer(no_args_is_help=True, help="日报送：报送、零报告、状态、看板、要情 / the daily duty")
Config = Annotated[Path | None, typer.Option("--settings", help="设置文件 / settings file")]
Data = Annotated[str | None, typer.Option("--data-dir", help="数据目录 / data folder")]
Department = Annotated[str, typer.Argument(help="部门标识，如 education-bureau / the department's id, such as education-bureau")]
Day = Annotated[str | None, typer.Option("--day", help="日期 YYYY-MM-DD，默认今天 / the day, today if left out")]
Form = Annotated[str, typer.Option("--template", help="模板 / template")]
Late = Annotated[str | None, typer.Option("--late-reason", help="迟报原因 / why it is late")]
Explain = Annotated[str | None, typer.Option("--explanation", help="与已知情况不符的说明 / why it differs from what is known")]
BY = daily_store.By("system:cli", "cli")
WORDS = {Standing.WAITING: "未到时限 waiting", Standing.FILED: "已报 filed", Standing.ZERO: "零报告 zero", Standing.LATE: "迟报 late",
         Standing.MISSING: "未报 missing", Standing.RETURNED: "退回 returned", Standing.EXCUSED: "免报 excused"}
SHEETS = (".xlsx", ".xlsm", ".xls", ".et")
"""Names of files that are sheets, or that somebody takes for one: what cannot be read is named as such."""


@asynccontextmanager
async def _opened(config: Path | None, data: str | None) -> AsyncIterator[tuple[Store, DutyRules]]:
    async with stored(load_settings(config, data_dir=data)) as store:
        async with store.read() as conn:
            rules = await load_rules(conn)
        yield store, rules


def _day(rules: DutyRules, store: Store, text: str | None) -> date:
    if text is None:
        return local_day(rules.calendar, store.clock.now())
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Rejected("bad_day", "日期格式应为 YYYY-MM-DD", "a day must read YYYY-MM-DD", field="day") from None


async def _file(store: Store, rules: DutyRules, department: str, template: str, day: date, content: Content) -> Receipt:
    async with store.transaction() as tx:
        policies = await PolicyBook().read(tx.conn)
        o = await daily_store.duty_for(tx, rules, department, template, day)
        _, receipt = await daily_store.file(tx, rules, policies.access, o.id, content, BY, id=new_id())
    return receipt


def _print(receipt: Receipt) -> None:
    typer.echo(f"回执 receipt {receipt.receipt_no}\t{receipt.status}\t{receipt.stored_at}")


@app.command("zero")
def zero(department: Department, day: Day = None, template: Form = "daily", late_reason: Late = None, explanation: Explain = None, config: Config = None,
         data: Data = None) -> None:
    """零报告：今日无情况 / a zero report."""

    async def run() -> None:
        async with _opened(config, data) as (store, rules):
            on = _day(rules, store, day)
            await _show_evidence(store, rules, department, template, on)
            _print(await _file(store, rules, department, template, on, Content(zero=True, late_reason=late_reason, explanation=explanation)))

    asyncio.run(run())


async def _show_evidence(store: Store, rules: DutyRules, department: str, template: str, day: date) -> None:
    async with store.transaction() as tx:
        policies = await PolicyBook().read(tx.conn)
        o: Obligation = await daily_store.duty_for(tx, rules, department, template, day)
        weighed = await daily_store.evidence(tx.conn, rules, policies.access, o, zero=True, values={})
    for fact in weighed.facts:
        typer.echo(f"注意：已知情况与零报告不符 / contradicts a zero report: {fact.zh} {fact.at}", err=True)


@app.command("file")
def file(department: Department, values: Annotated[Path, typer.Argument(help="JSON（字段: 值）或 Excel 表 / JSON of field: value, or the Excel sheet")],
         day: Day = None, template: Form = "daily", note: Annotated[str | None, typer.Option(help="备注 / note")] = None, late_reason: Late = None,
         explanation: Explain = None, config: Config = None, data: Data = None) -> None:
    """报送日报（JSON 或 Excel）/ file a report from JSON or a sheet."""

    async def run() -> None:
        async with _opened(config, data) as (store, rules):
            on = _day(rules, store, day)
            if values.suffix.lower() in SHEETS:
                content = await _from_sheet(store, rules, department, template, on, values)
            else:
                content = Content(zero=False, values=_from_json(values), note=note)
            told = Content(zero=content.zero, values=content.values, note=content.note, late_reason=late_reason, explanation=explanation)
            _print(await _file(store, rules, department, template, on, told))

    asyncio.run(run())


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Rejected("bad_file", f"无法读取 {path}：{why_zh(error)}", f"cannot read {path}: {why_en(error)}", field="values") from None


def _from_json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Rejected("bad_file", f"无法读取 {path}：{why_zh(error)}", f"cannot read {path}: {why_en(error)}", field="values") from None
    if not isinstance(read, dict):
        raise Rejected("bad_file", "JSON 应为 字段: 值", "the JSON must be an object of field: value", field="values")
    return read


async def _from_sheet(store: Store, rules: DutyRules, department: str, template: str, day: date, path: Path) -> Content:
    from hub.documents.filled import read_form

    async with store.read() as conn:
        form = (await daily_store.load_book(conn)).template(template, day)
        names = next(((d.id, d.zh, d.en) for d in await list_departments(conn) if d.id == department), (department,))
    if form is None:
        raise Rejected("unknown_template", "没有这个日报模板", "there is no such daily template", field="template")
    filled = read_form(_bytes_of(path), form, department=names, day=day.isoformat())
    if filled.faults:
        for fault in filled.faults:
            typer.echo(f"{f'第 {fault.row} 行：' if fault.row else ''}{fault.zh} / {fault.en}", err=True)
        raise Rejected("daily_sheet", f"表格有 {len(filled.faults)} 处错误，未入库", f"{len(filled.faults)} faults; nothing was stored")
    return filled.content


@app.command("status")
def status(department: Department, day: Day = None, config: Config = None, data: Data = None) -> None:
    """一个部门的报送状态：已报、已接收、还欠什么、几时到期 / where a department stands, and what it still owes by when."""
    asyncio.run(_status(config, data, day, department))


async def _status(config: Path | None, data: str | None, day: str | None, department: str) -> None:
    async with _opened(config, data) as (store, rules), store.read() as conn:
        on, now = _day(rules, store, day), store.clock.now()
        if department not in await _names(conn):
            raise Rejected("unknown_department", f"没有部门 {department}", f"there is no department {department}", field="department")
        found = await read_board(conn, on.isoformat(), now, whole=True, reach=frozenset())
        owed = [o for o in await list_obligations(conn, owed_only=True, departments=[department], drills=False) if o.opens_at <= now]

    def local(at: datetime) -> str:
        return at.astimezone(ZoneInfo(rules.calendar.zone)).strftime("%m-%d %H:%M")

    for row in found.rows:
        if row.department_id == department:
            accepted = "\t已接收 accepted" if row.accepted else ""
            odd = "\t与已知情况不符 contradicted" if row.contradicted else ""
            typer.echo(f"{on}\t{row.template}\t{WORDS[row.standing]}\t{row.receipt_no or local(row.due_at)}{accepted}{odd}")
    for o in owed:
        late = "\t已逾期 overdue" if now > o.late_at else ""
        typer.echo(f"应办 owed\t{local(o.due_at)}\t{o.title_zh} / {o.title_en}{late}")


@app.command("board")
def board(day: Day = None, month: Annotated[bool, typer.Option("--month", help="本月统计 / this month's statistics")] = False,
          config: Config = None, data: Data = None) -> None:
    """当日看板，或本月统计 / the board of a day, or the month's statistics."""
    asyncio.run(_month(config, data, day) if month else _rows(config, data, day))


async def _rows(config: Path | None, data: str | None, day: str | None) -> None:
    async with _opened(config, data) as (store, rules), store.read() as conn:
        on = _day(rules, store, day)
        names = await _names(conn)
        found = await read_board(conn, on.isoformat(), store.clock.now(), whole=True, reach=frozenset())
    for row in found.rows:
        odd = "\t与已知情况不符 contradicted" if row.contradicted else ""
        typer.echo(f"{names.get(row.department_id, row.department_id)}\t{row.template}\t{WORDS[row.standing]}\t{row.receipt_no or ''}{odd}".rstrip())
    typer.echo("\t".join(f"{WORDS[Standing(name)]} {count}" for name, count in found.totals.items() if count))


async def _names(conn: AsyncConnection) -> dict[str, str]:
    return {d.id: d.zh for d in await list_departments(conn)}


async def _month(config: Path | None, data: str | None, day: str | None) -> None:
    async with _opened(config, data) as (store, rules), store.read() as conn:
        last = _day(rules, store, day)
        found = await read_statistics(conn, last.replace(day=1), last, store.clock.now())
        names = await _names(conn)
    for r in found.ranking:
        rates = f"{r.completeness:.1%}\t{r.timeliness:.1%}" if r.expected else "—\t—"
        typer.echo(f"{r.place}\t{names.get(r.department_id, r.department_id)}\t{r.expected}\t{rates}")


@app.command("digest")
def digest(day: Day = None, word: Annotated[Path | None, typer.Option("--word", help="写入 Word 文件 / write the Word file")] = None,
           redraft: Annotated[bool, typer.Option("--draft", help="现在拟稿 / draft it now")] = False, config: Config = None, data: Data = None) -> None:
    """每日要情：显示、拟稿、导出 / the daily digest: show, draft, export."""

    async def run() -> None:
        from hub.documents.words import digest_word
        from hub.store.digest import as_text

        async with _opened(config, data) as (store, rules):
            on = _day(rules, store, day)
            if redraft:
                async with store.transaction() as tx:
                    await draft(tx, rules, await daily_store.load_book(tx.conn), on, by=BY.actor)
            async with store.read() as conn:
                found = await get_digest(conn, on.isoformat())
        if found is None:
            raise Rejected("no_digest", "该日尚无要情（--draft 现在拟稿）", "there is no digest of that day (--draft makes one)", field="day")
        if word is not None:
            word.write_bytes(digest_word(found, zone=rules.calendar.zone))
        typer.echo(str(word) if word else as_text(found))

    asyncio.run(run())

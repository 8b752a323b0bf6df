"""Excel: the daily report as a form to fill in and to read back, the statistics, the digest. A sheet is read whole or refused line by line."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from hub.documents.words import STANDINGS
from hub.domain.daily import Content, Field, FieldKind, Template, plain, read_content, read_yes_no
from hub.domain.digest import Digest
from hub.errors import Fault

TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FIRST_FIELD_ROW: Final = 7
MOST_ROWS: Final = 2_000
MOST_UNPACKED: Final = 64 * 2**20
"""The most that a sheet may unpack to in bytes (our own choice): a sheet of a few kilobytes must not fill the memory."""


class Filled(NamedTuple):
    """What a sheet says, and everything that is wrong with it (`row`: the line of the sheet)."""

    content: Content
    faults: list[Fault]


def _bytes(book: Any) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _safe(value: Any) -> Any:
    """A text that a spreadsheet program does not take for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else value


def _put(cell: Any, value: Any) -> None:
    """Set a cell of a sheet that is read back: a text stays as it is and is marked as text, so that no program takes it for a formula."""
    cell.value = "是" if value is True else "否" if value is False else value
    if isinstance(value, str) and _safe(value) != value:
        cell.data_type, cell.quotePrefix = "s", True


def _sheet_name(name: str) -> str:
    """A name as far as a sheet's name may go."""
    return re.sub(r"[\[\]:*?/\\]", "_", name)[:31]


def form(template: Template, *, department: str, day: str, values: Mapping[str, Any], zero: bool | None) -> bytes:
    """The form of a template for one department and day, empty or with what was filed; tables have sheets of their own."""
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Font, PatternFill

    book = Workbook()
    page = book.active
    page.title = "日报"
    page.merge_cells("A1:C1")
    page["A1"].font, page["A1"].alignment = Font(size=16, bold=True), Alignment(horizontal="center")
    _put(page["A1"], template.zh)
    said = "" if zero is None else zero
    for row, (label, text) in enumerate((("部门", department), ("日期", day), ("零报告（是/否）", said), ("备注", "")), 2):
        page.cell(row, 1, label)
        _put(page.cell(row, 2), text)
    for place, text in enumerate(("项目", "填报内容", "说明"), 1):
        page.cell(6, place, text).font = Font(bold=True)
        page.cell(6, place).fill = PatternFill("solid", fgColor="DDE6F0")
    for row, field in enumerate((f for f in template.fields if f.kind is not FieldKind.ATTACHMENTS), FIRST_FIELD_ROW):
        _put(page.cell(row, 1), field.zh)
        _put(page.cell(row, 3), _hint(field))
        if field.kind is not FieldKind.TABLE:
            _put(page.cell(row, 2), values.get(field.id))
        else:
            sheet = book.create_sheet(_sheet_name(field.zh))
            for n, column in enumerate(field.columns, 1):
                _put(sheet.cell(1, n), column.zh)
                sheet.cell(1, n).font = Font(bold=True)
                for line, filled in enumerate(values.get(field.id) or (), 2):
                    _put(sheet.cell(line, n), filled.get(column.id))
    page.column_dimensions["A"].width, page.column_dimensions["B"].width, page.column_dimensions["C"].width = 22, 48, 30
    return _bytes(book)


def _hint(field: Field) -> str:
    told = {FieldKind.COUNT: f"整数 {field.unit_zh}".strip(), FieldKind.YES_NO: "是/否", FieldKind.TEXT: "文字", FieldKind.TABLE: "填在同名工作表",
            FieldKind.ATTACHMENTS: ""}[field.kind]
    return f"{told}（必填）" if field.required else told


def read_form(raw: bytes, template: Template, *, department: Sequence[str], day: str) -> Filled:
    """Read a filled-in form: merged cells, full-width digits and stray spaces are understood, wrong types named with their line.

    `department` are the names it may go by. Labels are found wherever they stand in the first column.
    """
    try:
        if sum(info.file_size for info in zipfile.ZipFile(io.BytesIO(raw)).infolist()) > MOST_UNPACKED:
            return _unreadable("文件过大", "the file is too large")
        from openpyxl import load_workbook

        book = load_workbook(io.BytesIO(raw), data_only=True)
    except Exception as error:
        return _unreadable("不是可读的 Excel 文件（.xlsx）", f"this is not a readable Excel file ({type(error).__name__})")
    page = book.worksheets[0]
    lines = _lines(page)
    faults = _same_report(lines, department, day)
    values: dict[str, Any] = {}
    rows: dict[str, int] = {}
    for field in template.fields:
        if field.kind is FieldKind.TABLE:
            found = next((s for s in book.worksheets[1:] if plain(s.title) == plain(_sheet_name(field.zh))), None)
            if found is not None and (table := _table(found, field)):
                values[field.id] = table
        elif (line := lines.get(plain(field.zh)) or lines.get(plain(field.en)) or lines.get(field.id)) is not None and line[1] not in (None, ""):
            values[field.id], rows[field.id] = line[1], line[0]
    faults += [Fault(name, f"第 {n} 行“{name}”不是本表项目", f"line {n}: “{name}” is no item of this form", n) for name, (n, value) in lines.items()
               if value not in (None, "") and name not in _known(template)]
    zero_line = next((line for name, line in lines.items() if name.startswith("零报告")), None)
    zero = read_yes_no(zero_line[1]) if zero_line and zero_line[1] not in (None, "") else False
    if zero is None:
        faults.append(Fault("zero", "“零报告”应填是或否", "“zero report” is yes or no", zero_line[0] if zero_line else None))
    note = next((str(line[1]).strip() for name, line in lines.items() if name == "备注" and line[1]), None)
    content = Content(zero=bool(zero), values=values, note=note)
    _, wrong = read_content(template, content)
    faults += [Fault(f.field, f.zh, f.en, f.row + 1 if "." in f.field and f.row else rows.get(f.field, f.row)) for f in wrong]
    return Filled(content, faults)


def _unreadable(zh: str, en: str) -> Filled:
    return Filled(Content(zero=False), [Fault("file", zh, en)])


def _known(template: Template) -> set[str]:
    names = {plain(name) for field in template.fields for name in (field.zh, field.en, field.id)}
    return names | {"部门", "日期", "备注", "项目"} | {"零报告(是/否)", "零报告"}


def _merged(page: Any) -> dict[tuple[int, int], tuple[int, int]]:
    """Every cell of a merged area and the one that holds its value."""
    return {(row, column): (area.min_row, area.min_col) for area in page.merged_cells.ranges
            for row in range(area.min_row, min(area.max_row, MOST_ROWS) + 1) for column in range(area.min_col, min(area.max_col, 50) + 1)}


def _lines(page: Any) -> dict[str, tuple[int, Any]]:
    """Label → (line, value): the value is the first filled cell to the right of the label that is not part of the label's own merged area."""
    merged = _merged(page)
    found: dict[str, tuple[int, Any]] = {}
    for row in range(2, min(page.max_row, MOST_ROWS) + 1):
        label = page.cell(row, 1).value
        if label is None or (row == 6 and plain(str(label)) == "项目"):
            continue
        column = 2
        while merged.get((row, column)) == merged.get((row, 1), (row, 1)) and column < 50:
            column += 1
        value = page.cell(*merged.get((row, column), (row, column))).value
        found.setdefault(plain(str(label)), (row, value.strip() if isinstance(value, str) else value))
    return found


def _same_report(lines: Mapping[str, tuple[int, Any]], department: Sequence[str], day: str) -> list[Fault]:
    faults = []
    at, named = lines.get("部门", (None, None))
    if named not in (None, "") and plain(str(named)) not in {plain(name) for name in department}:
        faults.append(Fault("department", f"表中部门“{named}”与所报部门不符", f"the sheet is of another department: {named}", at))
    at, given = lines.get("日期", (None, None))
    text = given.date().isoformat() if isinstance(given, datetime) else given.isoformat() if isinstance(given, date) else plain(str(given or ""))
    if text and text.replace("/", "-").replace("年", "-").replace("月", "-").rstrip("日") not in (day, _short(day)):
        faults.append(Fault("day", f"表中日期“{text}”与所报日期 {day} 不符", f"the sheet is of another day: {text}", at))
    return faults


def _short(day: str) -> str:
    return "-".join(str(int(part)) for part in day.split("-"))


def _table(sheet: Any, field: Field) -> list[dict[str, Any]]:
    merged = _merged(sheet)
    heads = {plain(str(sheet.cell(1, n).value or "")): n for n in range(1, min(sheet.max_column, 50) + 1)}
    columns = {c.id: heads.get(plain(c.zh)) or heads.get(plain(c.en)) or heads.get(c.id) for c in field.columns}
    out = []
    for row in range(2, min(sheet.max_row, MOST_ROWS) + 1):
        line = {id: sheet.cell(*merged.get((row, n), (row, n))).value for id, n in columns.items() if n}
        if any(value not in (None, "") for value in line.values()):
            out.append({id: value for id, value in line.items() if value not in (None, "")})
    return out


def statistics_sheet(first: str, last: str, rows: Sequence[Sequence[Any]]) -> bytes:
    """The ranking of a stretch of days."""
    from openpyxl import Workbook
    from openpyxl.styles import Font

    book = Workbook()
    page = book.active
    page.title = "报送统计"
    page.append([f"日报送统计 {first} 至 {last}"])
    page.append(["名次", "单位", "应报", "按时", "迟报", "漏报", "免报", "完整率", "及时率"])
    for cell in page[2]:
        cell.font = Font(bold=True)
    for row in rows:
        page.append([_safe(value) for value in row])
    for line in page.iter_rows(min_row=3, min_col=8, max_col=9):
        for cell in line:
            cell.number_format = "0.0%"
    page.column_dimensions["B"].width = 30
    return _bytes(book)


def digest_sheet(d: Digest) -> bytes:
    """The digest's tables: who is missing on the first line."""
    from openpyxl import Workbook

    book = Workbook()
    page = book.active
    page.title = "报送情况"
    page.append([d.first_line])
    page.append(["单位", "报送情况", "与已知情况不符"])
    for line in d.lines:
        page.append([_safe(line.zh), STANDINGS[line.standing], "是" if line.contradicted else ""])
    events = book.create_sheet("突发事件")
    events.append(["编号", "时间", "地点", "标题", "等级", "伤亡"])
    for event in d.events:
        events.append([_safe(v) for v in (event.no, event.occurred_at, event.place, event.title, event.grade or "", event.toll)])
    return _bytes(book)

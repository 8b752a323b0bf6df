"""Excel as it goes out: the daily report as a form to fill in (`filled` reads it back), the statistics, the digest, the register of resources."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from hub.documents.words import STANDINGS
from hub.domain.daily import Field, FieldKind, Template
from hub.domain.digest import Digest
from hub.domain.organisation import Department
from hub.domain.resource import Resource
from hub.domain.resource_table import COLUMNS, KINDS, name_departments, said_of

TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FIRST_FIELD_ROW: Final = 7


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


def sheet_name(name: str) -> str:
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
            sheet = book.create_sheet(sheet_name(field.zh))
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


_RESOURCE_NOTES: Final[Mapping[str, str]] = {
    "id": "必填。小写字母、数字、连字符，如 lime-01；已有的编号会更新该资源", "kind": f"必填。{'、'.join(KINDS)}", "name_zh": "必填", "department_id": "必填。部门名称或编号",
    "capability": "必填。能力代码，见右表；与预案里写的一致才能匹配", "quantity": "必填。只填数字", "unit": "必填。吨、套、台、辆、人、张……与预案一致", "lon": "十进制度，如 119.1290",
    "lat": "十进制度，如 34.8380", "crs": "WGS84（缺省）、CGCS2000、GCJ02（高德、腾讯）、BD09（百度）；导入时换算为 WGS84", "low_below": "低于此数时提醒", "expires_on": "如 2027-06-30",
}


def resource_sheet(rows: Sequence[Resource], *, departments: Sequence[Department], capabilities: Mapping[str, str]) -> bytes:
    """The register as the table that an import reads, with a second sheet that says what goes into which column.

    A department is named where its name is its own, and stands by its id where others bear it too. `capabilities` gives names by id. Without rows it is the empty form.
    """
    from openpyxl import Workbook
    from openpyxl.styles import Font

    book = Workbook()
    page = book.active
    page.title = "应急资源"
    kinds = {kind: zh for zh, kind in KINDS.items()}
    ids = name_departments(departments)
    called = {one.id: one.zh for one in departments if ids[said_of(one.zh)] == (one.id,)}
    for n, (zh, field) in enumerate(COLUMNS.items(), 1):
        page.cell(1, n, zh).font = Font(bold=True)
        page.column_dimensions[page.cell(1, n).column_letter].width = 22 if field in ("name_zh", "name_en", "place", "capability", "department_id") else 12
        for line, row in enumerate(rows, 2):
            match field:
                case "kind":
                    value: Any = kinds[row.kind]
                case "department_id":
                    value = called.get(row.department_id, row.department_id)
                case "crs":
                    value = None if row.lon is None else "WGS84"
                case _:
                    value = getattr(row, field)
            _put(page.cell(line, n), value)
    page.freeze_panes = "A2"
    notes = book.create_sheet("填写说明")
    lines = [("列", "怎样填", "能力代码", "是什么", "部门编号", "部门名称"), *zip_longest(
        COLUMNS, (_RESOURCE_NOTES.get(field, "") for field in COLUMNS.values()), capabilities, capabilities.values(),
        (one.id for one in departments), (one.zh for one in departments))]
    for line, texts in enumerate(lines, 1):
        for n, text in enumerate(texts, 1):
            _put(notes.cell(line, n), text)
    for letter, width in (("A", 10), ("B", 60), ("C", 26), ("D", 26), ("E", 22), ("F", 26)):
        notes.column_dimensions[letter].width = width
    return _bytes(book)


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

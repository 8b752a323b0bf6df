"""Reading a filled-in sheet of a daily report as people really fill it in: it is understood whole, or refused with every line that is wrong.

What a sheet says is never lost without a word: a second filled-in form, an unknown item or column, and one entry merged over two items are faults.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from hub.documents.sheets import sheet_name
from hub.documents.workbooks import FORMULA, open_book, uncounted
from hub.domain.daily import Column, Content, Field, FieldKind, Template, read_content, read_yes_no
from hub.domain.typed import COUNTERS, plain
from hub.errors import Fault, Rejected

MOST_ROWS: Final = 2_000
MOST_COLUMNS: Final = 50
MOST_SHEETS: Final = 20
HEADED_WITHIN: Final = 10
"""In how many rows the names of a table's columns are looked for: titles may stand above them."""
_DATE: Final = re.compile(r"(?:(\d{4})\D{1,3})?(\d{1,2})\D{1,3}(\d{1,2})(?!\d)")
_EPOCH: Final = date(1899, 12, 30).toordinal()
"""Day 0 of Excel's serial numbers, as dates from March 1900 on count."""

Spot = tuple[int, int]


class Filled(NamedTuple):
    """What a sheet says, and everything that is wrong with it (`row`: the line of the sheet)."""

    content: Content
    faults: list[Fault]


class Line(NamedTuple):
    """An entry of the form: its line in the sheet, and what stands there."""

    row: int
    value: Any


_NOTHING: Final = Line(0, None)


class Page(NamedTuple):
    """A sheet read as the form: its entries by their labels, and what cannot be understood."""

    name: str
    lines: dict[str, Line]
    faults: list[Fault]

    def says(self, labels: Collection[str]) -> dict[str, Any]:
        """What is filled in under these labels."""
        return {label: self.lines[label].value for label in labels if label in self.lines and self.lines[label].value is not None}


def read_form(raw: bytes, template: Template, *, department: Sequence[str], day: str) -> Filled:
    """Read a filled-in form; `department` are the names it may go by. Labels are found wherever they stand, on whatever sheet."""
    try:
        book = open_book(raw, most_rows=MOST_ROWS, most_columns=MOST_COLUMNS)
    except Rejected as error:
        return _unreadable(error.zh, error.en)
    if not 0 < len(book.worksheets) <= MOST_SHEETS:
        return _unreadable(f"工作表须为 1 至 {MOST_SHEETS} 张", f"the file must have 1 to {MOST_SHEETS} worksheets")
    known = _labels(template)
    pages = [_page(sheet, known) for sheet in book.worksheets]
    page = max(pages, key=lambda each: len(each.lines))
    faults = [*_second_form(pages, page, template), *page.faults, *_same_report(page.lines, department, day)]
    tables = {field.id: _table(book.worksheets, field) for field in template.fields if field.kind is FieldKind.TABLE}
    content, wrong = _content(template, page, tables)
    return Filled(content, faults + wrong)


def _unreadable(zh: str, en: str) -> Filled:
    return Filled(Content(zero=False), [Fault("file", zh, en)])


# ── the form ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _names(thing: Field | Column | Template) -> tuple[str, ...]:
    return plain(thing.zh), plain(thing.en), thing.id


_OWN: Final = ("部门", "日期", "备注")
_ZERO: Final = ("零报告(是/否)", "零报告")
_SILENT: Final = ("项目", "填报内容", "说明")
"""What stands above the form's columns."""


def _labels(template: Template) -> frozenset[str]:
    fields = [name for field in template.fields for name in _names(field)]
    return frozenset((*fields, *_OWN, *_ZERO, *_SILENT, *_names(template)))


def _anchors(sheet: Any) -> dict[Spot, Spot]:
    """Every cell of a merged area and the one that holds its value."""
    return {(row, column): (area.min_row, area.min_col) for area in sheet.merged_cells.ranges
            for row in range(area.min_row, min(area.max_row, MOST_ROWS) + 1) for column in range(area.min_col, min(area.max_col, MOST_COLUMNS) + 1)}


def _said(value: Any) -> Any:
    """What a cell says; None for one that says nothing."""
    return (value.strip() or None) if isinstance(value, str) else value


def _page(sheet: Any, known: Collection[str]) -> Page:
    """Read a sheet as the form: right of each label stands its entry; a line may hold several of them."""
    anchors = _anchors(sheet)
    lines: dict[str, Line] = {}
    faults: list[Fault] = []
    for row in range(1, min(sheet.max_row, MOST_ROWS) + 1):
        texts = {n: plain(str(value)) for n in range(1, min(sheet.max_column, MOST_COLUMNS) + 1)
                 if (row, n) == anchors.get((row, n), (row, n)) and _said(value := sheet.cell(row, n).value) is not None}
        taken = 0
        for n, name in texts.items():
            if name in known and n > taken:
                taken = _right_of(anchors, (row, n))
                if name not in _SILENT and (name not in lines or lines[name].value is None):
                    lines[name] = Line(row, _entry(sheet, anchors, (row, taken), name, faults))
        n, name = next(((n, name) for n, name in texts.items() if not name.isdigit()), (0, ""))
        if name and not taken and max(texts) > n:
            faults.append(Fault(name, f"第 {row} 行“{name}”不是本表项目", f"line {row}: “{name}” is no item of this form", row))
    return Page(plain(sheet.title), lines, faults)


def _right_of(anchors: Mapping[Spot, Spot], label: Spot) -> int:
    """The column to the right of a label, over the label's own merged area."""
    row, column = label[0], label[1] + 1
    while anchors.get((row, column)) == label:
        column += 1
    return column


def _entry(sheet: Any, anchors: Mapping[Spot, Spot], place: Spot, label: str, faults: list[Fault]) -> Any:
    """What stands at a place; a fault where it belongs to a line above as well."""
    row, anchor = place[0], anchors.get(place, place)
    cell = sheet.cell(*anchor)
    if cell.data_type == FORMULA:
        faults.append(uncounted(label, row, label))
        return None
    if anchor[0] == row:
        return _said(cell.value)
    faults.append(Fault(label, f"第 {row} 行“{label}”与第 {anchor[0]} 行的填报内容合并，无法分清",
                        f"line {row}: the entry of “{label}” is merged with that of line {anchor[0]}", row))
    return None


def _second_form(pages: Sequence[Page], taken: Page, template: Template) -> list[Fault]:
    """A second sheet that is filled in as the form, and says something else: nobody can tell which one is meant."""
    labels = {name for field in template.fields for name in _names(field)}
    own = taken.says(labels)
    others = [page.name for page in pages if page is not taken and (said := page.says(labels)) and said != own]
    return [Fault("file", f"“{taken.name}”和“{name}”两张工作表都已填写，请只保留一张", f"both “{taken.name}” and “{name}” are filled in; keep one of them")
            for name in others]


def _same_report(lines: Mapping[str, Line], department: Sequence[str], day: str) -> list[Fault]:
    faults = []
    named, given = lines.get("部门", _NOTHING), lines.get("日期", _NOTHING)
    if named.value is not None and not _is_name(str(named.value), department):
        faults.append(Fault("department", f"表中部门“{named.value}”与所报部门不符", f"the sheet is of another department: {named.value}", named.row))
    if given.value is not None and not _is_day(given.value, date.fromisoformat(day)):
        shown = given.value.date() if isinstance(given.value, datetime) else given.value
        faults.append(Fault("day", f"表中日期“{shown}”与所报日期 {day} 不符", f"the sheet is of another day: {shown}", given.row))
    return faults


def _is_name(text: str, names: Sequence[str]) -> bool:
    """Is this one of the names, with the district before it or without (赣榆区水利局, 区水利局, 水利局)?"""
    said = re.sub(r"\s", "", plain(text))
    known = [re.sub(r"\s", "", plain(name)) for name in names]
    return said in known or (len(said) >= 3 and any(said.endswith(name) or name.endswith(said) for name in known if name))


def _is_day(given: Any, day: date) -> bool:
    """Is this the day: a date, Excel's number of it, or a text with its month and day (and year, where it has one)?"""
    if isinstance(given, datetime | date):
        return (given.date() if isinstance(given, datetime) else given) == day
    text = plain(str(given))
    if isinstance(given, int | float) or (text.isascii() and text.isdigit() and len(text) == 5):
        return int(float(given)) + _EPOCH == day.toordinal() or text == f"{day:%Y%m%d}"
    if text == f"{day:%Y%m%d}":
        return True
    found = _DATE.match(text)
    return found is not None and (int(found[1] or day.year), int(found[2]), int(found[3])) == (day.year, day.month, day.day)


def _content(template: Template, page: Page, tables: Mapping[str, Table]) -> tuple[Content, list[Fault]]:
    values: dict[str, Any] = {}
    at: dict[str, int] = {}
    for field in template.fields:
        if field.kind is FieldKind.TABLE:
            if tables[field.id].lines:
                values[field.id] = [dict(line) for line in tables[field.id].lines.values()]
        elif (line := next((page.lines[name] for name in _names(field) if name in page.lines), None)) is not None:
            at[field.id] = line.row
            if line.value is not None:
                values[field.id] = line.value
    zero_line = next((page.lines[name] for name in _ZERO if name in page.lines), _NOTHING)
    zero = False if zero_line.value is None else read_yes_no(zero_line.value)
    faults = [fault for table in tables.values() for fault in table.faults]
    if zero is None:
        faults.append(Fault("zero", "“零报告”应填是或否", "“zero report” is yes or no", zero_line.row))
    note = page.lines.get("备注", _NOTHING).value
    content = Content(zero=bool(zero), values=values, note=None if note is None else str(note))
    _, wrong = read_content(template, content)
    return content, faults + [Fault(f.field, f.zh, f.en, _line_of(f, at, tables)) for f in wrong]


def _line_of(fault: Fault, at: Mapping[str, int], tables: Mapping[str, Table]) -> int | None:
    """The line of the sheet that a fault is about."""
    table = tables.get(fault.field.partition(".")[0])
    if table is not None and fault.row:
        return list(table.lines)[fault.row - 1]
    return at.get(fault.field, fault.row)


# ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Table(NamedTuple):
    """A table field as a sheet has it: its filled-in lines by their row in the sheet, and what cannot be understood."""

    lines: dict[int, dict[str, Any]]
    faults: list[Fault]


class _Head(NamedTuple):
    """Where a table's columns stand: the row of their names, column id → place, and the names that are none of its columns."""

    row: int
    places: dict[str, int]
    strange: dict[str, int]


def _table(sheets: Sequence[Any], field: Field) -> Table:
    """The table of a field: the sheet of its name, else the one that has all the columns it must have."""
    needed = {column.id for column in field.columns if column.required} or {column.id for column in field.columns}
    for fits in (lambda sheet, head: plain(sheet.title) == plain(sheet_name(field.zh)), lambda sheet, head: needed <= head.places.keys()):
        if (found := _fitting(sheets, field, fits)) is not None:
            return _lines_of(*found, field)
    return Table({}, [])


def _fitting(sheets: Sequence[Any], field: Field, fits: Callable[[Any, _Head], bool]) -> tuple[Any, _Head] | None:
    return next(((sheet, head) for sheet in sheets if fits(sheet, head := _head(sheet, field))), None)


def _head(sheet: Any, field: Field) -> _Head:
    """The row, among the first ones, that names most of a table's columns."""
    names = {name: column.id for column in field.columns for name in _names(column)}
    best = _Head(1, {}, {})
    for row in range(1, min(sheet.max_row, HEADED_WITHIN) + 1):
        heads = {n: plain(str(value)) for n in range(1, min(sheet.max_column, MOST_COLUMNS) + 1) if _said(value := sheet.cell(row, n).value) is not None}
        places = {names[head]: n for n, head in reversed(heads.items()) if head in names}
        if len(places) > len(best.places):
            best = _Head(row, places, {head: n for n, head in heads.items() if head not in names and head.lower() not in COUNTERS})
    return best


def _lines_of(sheet: Any, head: _Head, field: Field) -> Table:
    anchors, counts = _anchors(sheet), {column.id for column in field.columns if column.kind == "count"}
    lines: dict[int, dict[str, Any]] = {}
    faults: list[Fault] = []
    for row in range(head.row + 1, min(sheet.max_row, MOST_ROWS) + 1):
        line = {}
        for id, n in head.places.items():
            place = anchors.get((row, n), (row, n))
            cell = sheet.cell(*place)
            value = _said(cell.value)
            if cell.data_type == FORMULA:
                faults.append(uncounted(next(plain(column.zh) for column in field.columns if column.id == id), row, f"{field.id}.{id}"))
            elif value is not None and not (id in counts and place[0] < row):  # a number merged over several lines is there once
                line[id] = value
        if line:
            lines[row] = line
        faults += [Fault(f"{field.id}.{name}", f"第 {row} 行：“{field.zh}”没有“{name}”这一列", f"line {row}: “{field.en}” has no column “{name}”", row)
                   for name, n in head.strange.items() if _said(sheet.cell(row, n).value) is not None]
    return Table(lines, faults)

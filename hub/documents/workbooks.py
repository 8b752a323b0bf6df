"""Opening a workbook that somebody uploaded, one way for every import: what is no workbook is named with what to do about it.

A formula that no program has worked out yet has no value in the file; its text takes the place of the value, so that a cell that looks empty is not.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final
from xml.parsers import expat

from hub.errors import Fault, Rejected

MOST_UNPACKED: Final = 30 * 2**20
"""The most that a workbook may unpack to in bytes (our own choice): openpyxl takes some thirty times as much memory for it."""
MOST_MERGED: Final = 5_000
"""The most merged ranges that are spread (our own choice)."""
MOST_SPANNED: Final = 200_000
"""The most places that merged cells and links may cover together (our own choice): openpyxl makes a cell for each, 1,000,500 of them in 45 s and 290 MB."""
_SPANNING: Final = frozenset({"mergeCell", "hyperlink"})
"""The elements that openpyxl makes cells for, wherever they reach (ECMA-376 part 1, 18.3.1.54 and 18.3.1.47)."""
_LAST: Final = (16_384, 1_048_576)
"""The last column and line that a sheet can have."""
FORMULA: Final = "f"
"""The type of a cell that holds a formula (ECMA-376 part 1, 18.3.1.40, as openpyxl names it)."""
_FORMULA: Final = re.compile(rb"<(?:\w+:)?f[\s/>]")
"""How a formula begins in the text of a sheet."""
_COMPOUND: Final = bytes.fromhex("d0cf11e0a1b11ae1")
"""How a compound file begins ([MS-CFB] 2.2): Excel's old format, and any workbook with a password."""
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
"""The stream that holds a workbook with a password ([MS-OFFCRYPTO] 2.3.4.4)."""


def open_book(raw: bytes, *, most_rows: int, most_columns: int) -> Any:
    """The workbook with its values, formulas without a result as their text. Raises Rejected `not_a_table` or `too_large`."""
    from openpyxl import load_workbook  # 30 MB, needed for these few acts

    try:
        packed = zipfile.ZipFile(io.BytesIO(raw))
        if sum(entry.file_size for entry in packed.infolist()) > MOST_UNPACKED:
            raise Rejected("too_large", "表格解压后过大", "the workbook is too large when unpacked", field="file")
        if sum(_spanned(packed.read(name)) for name in packed.namelist() if name.endswith(".xml")) > MOST_SPANNED:
            raise Rejected("too_large", "合并单元格或超链接覆盖的范围过大，请只合并表内的单元格", "merged cells or links cover too much: merge within the table alone", field="file")
        book = load_workbook(io.BytesIO(raw), data_only=True)
        if _has_formulas(packed):  # reading a workbook a second time costs as much as the first
            _show_uncounted(book, load_workbook(io.BytesIO(raw), read_only=True), most_rows, most_columns)
    except Rejected:
        raise
    except Exception as error:  # openpyxl raises whatever a damaged file makes it stumble over
        raise _no_workbook(raw) from error
    return book


def _spanned(part: bytes) -> int:
    """How many places the merged cells and links of a part cover; of a part that is damaged, as far as it can be read."""
    from openpyxl.utils.cell import range_boundaries

    refs: list[str] = []
    parser = expat.ParserCreate(namespace_separator=":")
    parser.StartElementHandler = lambda name, given: refs.append(given.get("ref", "")) if name.rpartition(":")[2] in _SPANNING else None
    with suppress(expat.ExpatError):  # whoever reads the part stops at the same place
        parser.Parse(part, True)
    corners = [range_boundaries(ref) for ref in refs if ":" in ref]
    return sum(max(0, (right or _LAST[0]) - (left or 1) + 1) * max(0, (last or _LAST[1]) - (first or 1) + 1) for left, first, right, last in corners)


def _has_formulas(packed: zipfile.ZipFile) -> bool:
    """Does any part hold an element `f`, with whatever prefix? Sheets may stand under any name."""
    return any(_FORMULA.search(packed.read(name)) for name in packed.namelist() if name.endswith(".xml"))


def _show_uncounted(results: Any, formulas: Any, most_rows: int, most_columns: int) -> None:
    from openpyxl.cell import Cell

    for sheet, source in zip(results.worksheets, formulas.worksheets, strict=True):
        for row in source.iter_rows(max_row=most_rows, max_col=most_columns):
            for cell in row:
                if cell.data_type == FORMULA and isinstance(held := sheet.cell(cell.row, cell.column), Cell) and held.value is None:
                    held.value = str(getattr(cell.value, "text", cell.value))


def by_sight(book: Any) -> tuple[list[Any], list[Any]]:
    """The sheets that whoever opens the workbook sees, in their order, and those that are hidden."""
    seen = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
    return seen, [sheet for sheet in book.worksheets if sheet not in seen]


def read_cells(sheet: Any, *, most_rows: int, most_columns: int) -> list[list[Any]]:
    """The values of a sheet's cells, line by line, all lines of one length.

    Only the cells that the file has are looked at: going over lines makes one for every place, also where a format reaches to the last line of all.
    """
    held = [(row, column, cell.value) for (row, column), cell in sheet._cells.items() if row <= most_rows and column <= most_columns and cell.value is not None]
    lines, width = max((row for row, _, _ in held), default=0), max((column for _, column, _ in held), default=0)
    rows: list[list[Any]] = [[None] * width for _ in range(lines)]
    for row, column, value in held:
        rows[row - 1][column - 1] = value
    return rows


def reaches_beyond(sheet: Any, most_rows: int) -> bool:
    """Is anything written below so many lines? A format alone is nothing."""
    return any(row > most_rows and cell.value is not None for (row, _), cell in sheet._cells.items())


def spread(sheet: Any, rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """The same cells, a merged one said in every place that it covers."""
    out = [list(row) for row in rows]
    for merged in list(sheet.merged_cells.ranges)[:MOST_MERGED]:
        top = out[merged.min_row - 1][merged.min_col - 1] if merged.min_row <= len(out) and merged.min_col <= len(out[0]) else None
        for y in range(merged.min_row - 1, min(merged.max_row, len(out))):
            for x in range(merged.min_col - 1, min(merged.max_col, len(out[y]))):
                out[y][x] = top
    return out


def _no_workbook(raw: bytes) -> Rejected:
    if not raw.startswith(_COMPOUND):
        return Rejected("not_a_table", "不是可读的 Excel 文件，请另存为 .xlsx 后上传", "not a readable Excel file; save it as .xlsx", field="file")
    if _ENCRYPTED in raw:
        return Rejected("not_a_table", "该 Excel 文件设有打开密码，请取消密码后上传", "this Excel file has a password; remove it first", field="file")
    return Rejected("not_a_table", "这是旧版 .xls 文件，请另存为 .xlsx 后上传", "this is an old .xls file; save it as .xlsx", field="file")


def is_uncounted(cell: Any) -> bool:
    """Is this the text of a formula: one without a result, or one typed as text?"""
    return isinstance(cell, str) and cell.startswith("=")


def uncounted(label: str, row: int, field: str) -> Fault:
    """That a cell holds a formula and no value, with what to do."""
    return Fault(field, f"第 {row} 行“{label}”是尚未计算的公式，请用 Excel 或 WPS 打开并保存一次，或直接填写数值",
                 f"line {row}: “{label}” is a formula without a result; open and save the file once in Excel or WPS, or type the value", row)

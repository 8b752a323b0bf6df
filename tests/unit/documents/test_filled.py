"""Sheets as people really fill them in: they are understood whole, or refused with what is wrong; nothing in them is lost without a word."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from hub.documents.filled import Filled, read_form
from hub.documents.sheets import form
from hub.store.daily import packaged_book

DAY = "2026-11-23"
NAMES = ("water-bureau", "区水利局", "Water Bureau")
TEMPLATE = packaged_book().template("daily", date.fromisoformat(DAY))
assert TEMPLATE is not None
HAZARDS = "隐患和苗头"


def filled(edit: Callable[[Any], None], **entries: Any) -> Filled:
    """The form of the day with entries beside their labels, edited by hand, and read back."""
    assert TEMPLATE is not None
    book = load_workbook(io.BytesIO(form(TEMPLATE, department="区水利局", day=DAY, values={}, zero=None)))
    page = book.worksheets[0]
    for row in range(1, page.max_row + 1):
        if (label := page.cell(row, 1).value) in entries:
            page.cell(row, 2).value = entries[str(label)]
    edit(book)
    return read(book)


def read(book: Any) -> Filled:
    assert TEMPLATE is not None
    out = io.BytesIO()
    book.save(out)
    return read_form(out.getvalue(), TEMPLATE, department=NAMES, day=DAY)


def as_it_is(_book: Any) -> None:
    """Nothing further is edited."""


def row_of(label: str) -> int:
    assert TEMPLATE is not None
    page = load_workbook(io.BytesIO(form(TEMPLATE, department="区水利局", day=DAY, values={}, zero=None))).worksheets[0]
    return next(row for row in range(1, page.max_row + 1) if page.cell(row, 1).value == label)


def told(found: Filled) -> list[tuple[str, int | None]]:
    return [(fault.field, fault.row) for fault in found.faults]


@pytest.mark.parametrize("given", [
    DAY, "2026/11/23", "2026.11.23", "2026年11月23日", "20261123", 20261123, "11月23日", "２０２６－１１－２３", "2026-11-23 00:00:00", "2026年11月23日（星期一）",
    datetime(2026, 11, 23), date(2026, 11, 23), 46349, "46349"])
def test_the_day_is_understood_however_it_is_written(given: Any) -> None:
    assert told(filled(as_it_is, 突发事件起数=1, 日期=given)) == []


@pytest.mark.parametrize("given", ["2026-11-24", "2025-11-23", "昨天", "23/11/2026", 46350, datetime(2026, 11, 24), "2026年1月23日", "11"])
def test_another_day_is_refused_at_its_line(given: Any) -> None:
    assert told(filled(as_it_is, 突发事件起数=1, 日期=given)) == [("day", 3)]


@pytest.mark.parametrize(("given", "same"), [
    ("区水利局", True), ("水利局", True), ("赣榆区水利局", True), ("区　水利局", True), ("water-bureau", True), ("区民政局", False), ("市水利局", False), ("局", False)])
def test_a_department_goes_by_its_name_with_or_without_the_district_and_no_other(given: str, same: bool) -> None:
    assert told(filled(as_it_is, 突发事件起数=1, 部门=given)) == ([] if same else [("department", 2)])


def test_a_count_may_have_its_unit_and_nothing_else() -> None:
    found = filled(as_it_is, 突发事件起数="２起", 死亡人数="3人", 失踪人数="两人", 受伤人数="2起")
    assert told(found) == [("missing", 9), ("injured", 10)]


def test_the_form_is_found_behind_other_sheets_and_beside_a_column_of_numbers() -> None:
    def edit(book: Any) -> None:
        book.create_sheet("填表说明", 0)["A1"] = "请于17时前报送"
        book.worksheets[1].insert_cols(1)
        for n, row in enumerate(range(7, 13), 1):
            book.worksheets[1].cell(row, 1).value = n

    found = filled(edit, 突发事件起数=3, 情况摘要="渗水已堵")
    assert told(found) == [] and found.content.values == {"incidents": 3, "summary": "渗水已堵"}


def test_a_line_may_hold_two_entries() -> None:
    book = Workbook()
    page = book.active
    page.append(["突发事件日报"])
    page.append(["部门", "区水利局", "日期", DAY])
    page.append(["突发事件起数", 2, "死亡人数", "０"])
    page.append(["情况摘要", "渗水", None, None])
    found = read(book)
    assert told(found) == [] and found.content.values == {"incidents": 2, "dead": "０", "summary": "渗水"}


def test_of_two_sheets_filled_in_differently_neither_is_taken_for_the_other() -> None:
    def second(value: Any) -> Callable[[Any], None]:
        def edit(book: Any) -> None:
            copy = book.copy_worksheet(book.worksheets[0])
            copy["B7"] = value
        return edit

    assert told(filled(second(4), 突发事件起数=3)) == [("file", None)]
    assert told(filled(second(3), 突发事件起数=3)) == [] == told(filled(second(None), 突发事件起数=3)), "the same twice; an empty copy"


def test_one_entry_merged_over_two_items_is_a_fault_and_counts_for_neither_twice() -> None:
    found = filled(lambda book: book.worksheets[0].merge_cells("B7:B8"), 突发事件起数="４")
    assert told(found) == [("死亡人数", 8)] and "dead" not in found.content.values
    one = filled(lambda book: (book.worksheets[0].merge_cells("A7:A8"), book.worksheets[0].merge_cells("B7:C8")), 突发事件起数="４")
    assert told(one) == [] and one.content.values == {"incidents": "４"}


def test_a_formula_that_no_program_has_worked_out_is_named_with_what_to_do_and_is_not_taken_as_empty() -> None:
    found = filled(as_it_is, 突发事件起数="=1+2")
    assert [(fault.field, fault.row) for fault in found.faults if "Excel 或 WPS" in fault.zh and "formula" in fault.en] == [("突发事件起数", row_of("突发事件起数"))]

    def in_the_table(book: Any) -> None:
        table = book[HAZARDS]
        heads = [cell.value for cell in table[1]]
        for n in range(1, len(heads) + 1):
            table.cell(2, n).value = "=A1&B1"

    found = filled(in_the_table, 突发事件起数=1)
    assert [fault.row for fault in found.faults if "公式" in fault.zh] and "hazards" not in found.content.values


def test_what_is_no_item_of_the_form_is_named() -> None:
    def edit(book: Any) -> None:
        for line in (["联系电话", 13800000000], [1, "填表人", "某某"], [2, "备用"], ["本表于17时前报送"]):
            book.worksheets[0].append(line)

    found = filled(edit, 突发事件起数=1)
    assert told(found) == [("联系电话", 15), ("填表人", 16)] and "联系电话" in found.faults[0].zh


def test_a_table_is_found_by_its_columns_under_a_title_and_after_empty_lines() -> None:
    def edit(book: Any) -> None:
        sheet = book[HAZARDS]
        sheet.title = "Sheet2"
        sheet.insert_rows(1, 2)
        sheet["A1"] = "11月隐患清单"
        sheet.append(["青口镇", "堤坝渗水", "３", "否"])
        sheet.append([" ", None, "", None])
        sheet.append(["", "没有地点", "x", ""])

    found = filled(edit, 突发事件起数=1)
    assert told(found) == [("hazards.place", 6), ("hazards.people", 6)], "named by the line of the sheet"
    assert found.content.values["hazards"][0] == {"place": "青口镇", "hazard": "堤坝渗水", "people": "３", "fixed": "否"}


def test_in_a_table_a_merged_place_holds_for_its_lines_and_a_merged_number_is_there_once() -> None:
    def edit(book: Any) -> None:
        sheet = book[HAZARDS]
        sheet.append(["青口镇", "渗水", 12, "否"])
        sheet.append([None, "管涌", None, "否"])
        sheet.merge_cells("A2:A3")
        sheet.merge_cells("C2:C3")

    found = filled(edit, 突发事件起数=1)
    assert told(found) == []
    assert [(line["place"], line.get("people")) for line in found.content.values["hazards"]] == [("青口镇", 12), ("青口镇", None)]


def test_a_column_that_the_table_does_not_have_is_named_and_one_of_line_numbers_is_not() -> None:
    def edit(book: Any) -> None:
        sheet = book[HAZARDS]
        sheet["E1"], sheet["F1"] = "序号", "整改期限"
        sheet.append(["青口镇", "渗水", 1, "否", 1, "12月1日"])

    assert told(filled(edit, 突发事件起数=1)) == [("hazards.整改期限", 2)]


@pytest.mark.parametrize("raw", [b"", b"no sheet", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "部门,区水利局\n".encode("gbk")])
def test_what_is_no_sheet_is_refused_with_what_to_do(raw: bytes) -> None:
    assert TEMPLATE is not None
    (fault,) = read_form(raw, TEMPLATE, department=NAMES, day=DAY).faults
    assert fault.field == "file" and ".xlsx" in fault.zh and ".xlsx" in fault.en


@pytest.mark.parametrize(("raw", "zh", "en"), [
    (b"PK rubbish", "另存为 .xlsx", "save it as .xlsx"), (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "旧版 .xls", "old .xls"),
    (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600) + "EncryptedPackage".encode("utf-16-le"), "打开密码", "password")])
def test_what_is_no_workbook_is_named_with_what_to_do(raw: bytes, zh: str, en: str) -> None:
    (fault,) = read_form(raw, TEMPLATE, department=("water-bureau",), day=DAY).faults
    assert fault.field == "file" and zh in fault.zh and en in fault.en

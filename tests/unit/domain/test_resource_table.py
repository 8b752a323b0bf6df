"""A register as departments keep it in Excel: where its table stands, what people type, every fault by its cell, and what a table leaves alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
import pytest

from hub.domain.coordinates import from_wgs84
from hub.domain.organisation import Department, DepartmentKind
from hub.domain.resource import Resource, ResourceKind
from hub.domain.resource_table import LineError, Sheet, choose_sheet, letters, name_departments, parse_table
from hub.wire import Crs


def department(id: str, zh: str, en: str, *, active: bool = True) -> Department:
    return Department(id=id, kind=DepartmentKind.DEPARTMENT, zh=zh, en=en, active=active)


DEPARTMENTS = name_departments([department("fire-rescue", "消防救援大队", "Fire and Rescue"), department("water-bureau", "水利局", "Water Bureau")])
HEAD = ("编号", "类别", "名称", "部门", "能力", "数量", "单位")
LIME: Mapping[str, Any] = {"编号": "lime-1", "类别": "物资", "名称": "石灰", "部门": "消防救援大队", "能力": "lime", "数量": 5, "单位": "吨"}


def sheet(*rows: Sequence[Any], epoch: date = date(1899, 12, 30)) -> Sheet:
    return Sheet(rows=rows, spread=rows, epoch=epoch)


def table(*lines: Mapping[str, Any], epoch: date = date(1899, 12, 30)) -> Sheet:
    """A sheet with a line for each of `lines`, which say what differs from LIME; columns beyond HEAD come as they are named."""
    heads = list(dict.fromkeys([*HEAD, *(name for line in lines for name in line)]))
    return sheet(heads, *([(LIME | line).get(name) for name in heads] for line in lines), epoch=epoch)


def read(given: Sheet, **more: Any) -> tuple[list[Resource], list[LineError]]:
    return parse_table(given, DEPARTMENTS, **more)


def only(given: Sheet, **more: Any) -> Resource:
    (found,), errors = read(given, **more)
    assert errors == []
    return found


def fault(given: Sheet, **more: Any) -> LineError:
    _, (error,) = read(given, **more)
    return error


def test_every_fault_is_named_by_its_cell_and_a_line_may_have_several() -> None:
    found, errors = read(table({}, {"编号": "B 1", "类别": "船", "数量": "many"}, {"编号": "c", "数量": None}))
    assert [r.id for r in found] == ["lime-1"]
    assert [(e.line, e.cell, e.column) for e in errors] == [(3, "A3", "编号"), (3, "B3", "类别"), (3, "F3", "数量"), (4, "F4", "数量")]
    assert "队伍、车辆" in errors[1].zh and "team, vehicle" in errors[1].en and errors[3].zh == "没有填写"


def test_the_columns_come_in_any_order_and_are_called_as_departments_call_them() -> None:
    heads = ["序号", "计量单位", "库存数量", "能力 代码", "责任部门", "物资名称*", "类型", "编号（必填）", "有效期至", None]
    found = only(sheet(heads, [1, "吨", 5, "lime", "水利局", "石灰", "物资", "lime-1", date(2027, 6, 30), None]))
    assert (found.department_id, found.quantity, found.expires_on, found.name_zh) == ("water-bureau", 5, date(2027, 6, 30), "石灰")
    assert only(sheet(("id", "kind", "name_zh", "department_id", "capability", "quantity", "unit"), ("a", "team", "x", "fire-rescue", "y", 1, "支"))).kind == "team"


def test_titles_and_notes_stand_above_the_columns_and_blank_lines_between() -> None:
    rows = [["某区应急物资台账", *[None] * 6], [None] * 7, ["单位：吨", *[None] * 6], HEAD, [None] * 7, tuple(LIME.values()), [" "] * 7,
            tuple((LIME | {"编号": "b", "数量": -1}).values())]
    found, errors = read(sheet(*rows))
    assert [r.id for r in found] == ["lime-1"] and [(e.line, e.cell) for e in errors] == [(8, "F8")]
    assert "不得小于 0" in errors[0].zh and ">= 0" in errors[0].en and "0.0" not in errors[0].zh + errors[0].en


def test_of_a_head_in_two_lines_the_finer_one_names_the_columns() -> None:
    first, second = [*HEAD, "坐标", None], [None] * 7 + ["经度", "纬度"]
    body = [*LIME.values(), 119.1, 34.8]
    rows, spread = [first, second, body], [[*HEAD, "坐标", "坐标"], [*HEAD, "经度", "纬度"], body]
    found = only(Sheet(rows=rows, spread=spread))
    assert (found.lon, found.lat) == (119.1, 34.8)


def test_a_merged_owner_counts_for_its_lines_and_a_merged_quantity_once() -> None:
    rows = [HEAD, tuple(LIME.values()), ("b", "物资", "砂", None, "sand", None, None)]
    spread = [HEAD, tuple(LIME.values()), ("b", "物资", "砂", "消防救援大队", "sand", 5, "吨")]
    assert [e.cell for e in read(Sheet(rows=rows, spread=spread))[1]] == ["F3"], "five tonnes are not ten"
    rows[2] = ("b", "物资", "砂", None, "sand", 2, None)
    found, errors = read(Sheet(rows=rows, spread=spread))
    assert errors == [] and [(r.department_id, r.quantity, r.unit) for r in found] == [("fire-rescue", 5, "吨"), ("fire-rescue", 2, "吨")]


def test_the_sheet_that_holds_the_table_is_taken_wherever_it_stands() -> None:
    notes, register = sheet(["填表说明"], ["请勿改动名称、数量"]), table({})
    assert choose_sheet([notes, register]) is register and choose_sheet([]) == Sheet(rows=(), spread=())


@pytest.mark.parametrize("given", [[], [[None, " "]], [HEAD], [HEAD, [None] * 7]])
def test_a_table_that_holds_nothing_says_so(given: list[Any]) -> None:
    (error,) = read(sheet(*given))[1]
    assert "空" in error.zh or "没有数据" in error.zh


def test_missing_doubled_and_unread_columns_are_named() -> None:
    assert {e.column for e in read(sheet(("编号", "名称"), ("a", "b")))[1]} == {"类别", "部门", "能力", "数量", "单位"}
    assert fault(sheet((*HEAD, "库存"), (*LIME.values(), 6))).cell == "H1"
    lost = fault(table({"备注": "放在后院"}))
    assert lost.column == "备注" and lost.cell == "H1" and "expires_on" in lost.en
    assert only(table({"备注": None, "序号": 1})).id == "lime-1", "what holds nothing loses nothing"


@pytest.mark.parametrize(("typed", "quantity"), [("1,200", 1200), ("１，２００．５", 1200.5), ("１２", 12), (" 7 ", 7), (1200, 1200), (0, 0)])
def test_figures_are_read_as_people_type_them(typed: Any, quantity: float) -> None:
    assert only(table({"数量": typed})).quantity == quantity


@pytest.mark.parametrize("typed", ["1,2", "12 吨", "nan", "1e400", True, "#N/A", "10²", "约5", -1])
def test_what_is_no_amount_is_refused(typed: Any) -> None:
    assert fault(table({"数量": typed})).cell == "F2"


@pytest.mark.parametrize("typed", ["2027/6/30", "2027年6月30日", "２０２７．６．３０", "2027-06-30 00:00:00", "20270630", datetime(2027, 6, 30), date(2027, 6, 30), 46568, 46568.0, "46568"])
def test_days_are_read_as_text_as_dates_and_as_serial_numbers(typed: Any) -> None:
    assert only(table({"有效期": typed})).expires_on == date(2027, 6, 30)


def test_serial_numbers_count_from_where_the_workbook_begins() -> None:
    assert only(table({"有效期": 45106}, epoch=date(1904, 1, 1))).expires_on == date(2027, 6, 30)


@pytest.mark.parametrize("typed", ["2027年6月", "2027.6", "30/6/2027", "2027/2/30", "明年", 12, "99999"])
def test_what_names_no_day_is_refused(typed: Any) -> None:
    error = fault(table({"有效期": typed}))
    assert error.cell == "H2" and "2027-06-30" in error.zh and "2027-06-30" in error.en


@pytest.mark.parametrize("typed", ["—", "无", "长期", "/", None])
def test_a_stroke_in_a_cell_that_may_be_empty_is_nothing(typed: Any) -> None:
    assert only(table({"有效期": typed, "下限": typed, "电话": "110"})).expires_on is None
    assert fault(table({"单位": "  "})).cell == "G2"


def test_full_width_and_capital_ids_are_one_id_and_a_second_one_is_named() -> None:
    assert only(table({"编号": "ＬＩＭＥ－１"})).id == "lime-1"
    error = fault(table({}, {"编号": "LIME-1"}))
    assert error.cell == "A3" and "第 2 行" in error.zh


def test_a_telephone_number_is_text() -> None:
    assert only(table({"电话": 13812345678})).phone == only(table({"电话": 13812345678.0})).phone == "13812345678"


def test_points_of_other_systems_become_wgs84() -> None:
    lon, lat = from_wgs84(119.1, 34.8, Crs.GCJ02)
    found = only(table({"经度": lon, "纬度": lat, "坐标系": "高德"}))
    assert found.lon == pytest.approx(119.1, abs=1e-6) and found.lat == pytest.approx(34.8, abs=1e-6)
    assert only(table({"经度": 119.1, "纬度": "34.8"})).lat == 34.8
    assert fault(table({"经度": 119.1, "纬度": 34.8, "坐标系": "北京54"})).column == "坐标系"


@pytest.mark.parametrize(("lon", "lat", "said"), [(34.8, 119.1, "填反"), (119.1, None, "都填"), (None, 34.8, "都填"), (11.91, 3.48, "国内"), ("119°6′", 34.8, "十进制")])
def test_a_point_that_cannot_be_is_told_why(lon: Any, lat: Any, said: str) -> None:
    assert said in fault(table({"经度": lon, "纬度": lat})).zh


HELD = Resource(id="lime-1", kind=ResourceKind.STOCK, name_zh="石灰", department_id="fire-rescue", capability="lime", quantity=9, unit="吨", lon=119.1, lat=34.8,
                contact="王", phone="110", out=2.0, version=7)


def test_a_column_that_the_table_does_not_have_keeps_what_is_registered() -> None:
    assert only(table({}), held={"lime-1": HELD}) == msgspec.structs.replace(HELD, quantity=5)
    assert only(table({"联系人": None}), held={"lime-1": HELD}).contact == "", "an empty cell empties"
    assert only(table({}), held={"lime-1": msgspec.structs.replace(HELD, active=False)}).active, "what a table lists is in use"


def test_nobody_takes_over_what_another_department_keeps() -> None:
    def own(one: Resource) -> bool:
        return one.department_id == "water-bureau"

    assert fault(table({}), may=own).cell == "D2"
    assert "消防救援大队" in fault(table({"部门": "水利局"}), held={"lime-1": HELD}, may=own).zh
    assert only(table({"部门": "水利局"}), may=own).department_id == "water-bureau"


def test_columns_have_letters() -> None:
    assert [letters(n) for n in (0, 25, 26, 51, 52, 701, 702)] == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]


@pytest.mark.parametrize(("there", "missing"), [("经度", "纬度"), ("纬度", "经度")])
def test_a_table_with_one_column_of_a_point_is_refused_and_leaves_no_half_of_what_is_registered(there: str, missing: str) -> None:
    held = {"lime-1": msgspec.structs.replace(only(table({})), lon=119.1, lat=34.8)}
    assert fault(table({there: None}), held=held).column == missing
    assert only(table({}), held=held).lat == 34.8 and only(table({"经度": None, "纬度": None}), held=held).lat is None


def test_a_department_is_known_by_its_id_and_both_names_and_a_name_of_several_is_refused_by_its_cell() -> None:
    named = name_departments([department("fire", "消防（区）", "Fire and Rescue"), department("ghost", "消防（区）", "Fire", active=False),
                              department("east", "安监所", "Safety East"), department("west", "安监所", "Safety West"), department("old", "旧办", "Old Office", active=False)])

    def owner(said: str) -> tuple[str, str]:
        found, errors = parse_table(table({"部门": said}), named)
        return (found[0].department_id, "") if found else (errors[0].cell, errors[0].zh)

    assert [owner(said)[0] for said in ("消防(区)", "fire and rescue", "FIRE", "east", "safety west", "旧办", "ghost")] == ["fire", "fire", "fire", "east", "west", "old", "ghost"]
    assert owner("安监所")[0] == "D2" and "east、west" in owner("安监所")[1]


def test_the_columns_may_be_called_in_english_as_the_page_calls_them() -> None:
    heads = ("Id", "Kind", "Name", "Owner", "What for (code)", "Quantity", "Unit", "Longitude (WGS-84)", "Latitude (WGS-84)", "Warn below", "Expires", "Telephone")
    found = only(sheet(heads, ("lime-1", "stock", "Lime", "Water Bureau", "lime", 5, "吨", 119.1, 34.8, 2, date(2027, 6, 30), "1")))
    assert (found.department_id, found.lon, found.low_below, found.expires_on, found.phone) == ("water-bureau", 119.1, 2, date(2027, 6, 30), "1")

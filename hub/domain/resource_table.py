"""The register as a table: what its columns are called, how people type what stands in them, and every fault by cell. Pure.

A table is taken whole or not at all; a column that it does not have keeps what the register holds of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec import Struct

from hub.domain.coordinates import in_china, to_wgs84
from hub.domain.data import packaged
from hub.domain.organisation import Department
from hub.domain.resource import Resource, ResourceKind
from hub.domain.typed import COUNTERS, figures, plain, read_date
from hub.wire import Crs
from plans.saying import in_chinese


class LineError(Struct, frozen=True, kw_only=True):
    """What is wrong with a cell or a line: its number and its column as the sheet names them (`cell`: such as C7, empty for the line as a whole)."""

    line: int
    column: str
    zh: str
    en: str
    cell: str = ""


class Sheet(Struct, frozen=True, kw_only=True):
    """The cells of a sheet from its first line on: as they stand, and with what a merged cell says in every line that it covers.

    `epoch` is the day that serial number 0 stands for (1899-12-30, or 1904-01-01 in workbooks of the 1904 system).
    """

    rows: Sequence[Sequence[Any]]
    spread: Sequence[Sequence[Any]]
    epoch: date = date(1899, 12, 30)


COLUMNS: Final[Mapping[str, str]] = {
    "编号": "id", "类别": "kind", "名称": "name_zh", "英文名": "name_en", "部门": "department_id", "能力": "capability", "数量": "quantity",
    "单位": "unit", "地点": "place", "经度": "lon", "纬度": "lat", "坐标系": "crs", "下限": "low_below", "有效期": "expires_on", "联系人": "contact", "电话": "phone",
}
"""The columns of the table by the name that our own sheet gives them."""
_WORDS: Final[Mapping[str, Any]] = packaged("table_words")
_ALSO: Final[Mapping[str, str]] = {word: field for field, words in _WORDS["resource_columns"].items() for word in words}
"""What such columns are called in the registers that departments keep, and on our own page."""
KINDS: Final[Mapping[str, ResourceKind]] = {
    "队伍": ResourceKind.TEAM, "车辆": ResourceKind.VEHICLE, "物资": ResourceKind.STOCK, "专家": ResourceKind.EXPERT, "医院": ResourceKind.HOSPITAL,
    "避难所": ResourceKind.SHELTER,
}
_CRS: Final[Mapping[str, Crs]] = {word: Crs(value) for value, words in _WORDS["crs"].items() for word in words}
_NUMBERS: Final = frozenset({"quantity", "low_below", "lon", "lat"})
NEEDED: Final = ("id", "kind", "name_zh", "department_id", "capability", "quantity", "unit")
_OWN: Final = frozenset({"id", "quantity", "low_below"})
"""What a merged cell says once: spread over its lines, a stock would be counted several times."""
_NOTHING: Final = frozenset(_WORDS["nothing"])
"""What people type into a cell that they leave empty; in columns that may be empty."""
HEAD_WITHIN: Final = 10
"""Among how many first lines the names of the columns are looked for: a title and notes stand above them (our own choice)."""
_DAYS: Final = (date(2000, 1, 1), date(2100, 1, 1))
"""Which serial numbers are days."""
_NAMES: Final = {field: zh for zh, field in COLUMNS.items()}


def name_departments(departments: Iterable[Department]) -> dict[str, tuple[str, ...]]:
    """The ids behind each id and name, as `said_of` reads them: an id is its own, a name is everybody's who bears it, of those in use before those that are not."""
    named: dict[str, tuple[str, ...]] = {}
    listed = list(departments)
    for active in (False, True):
        bearers: dict[str, list[str]] = {}
        for one in listed:
            for name in dict.fromkeys((said_of(one.zh), said_of(one.en))) if one.active is active else ():
                bearers.setdefault(name, []).append(one.id)
        named |= {name: tuple(ids) for name, ids in bearers.items()}
    return named | {one.id: (one.id,) for one in listed}


def said_of(name: str) -> str:
    """A department's name without what people do not tell apart: full-width letters and brackets, capitals, spaces at its ends."""
    return plain(name).lower()


def head_of(sheet: Sheet) -> tuple[int, int]:
    """The line that names the columns (counted from 0), and how many it names; of a head in two lines the one with the finer names."""
    named = [(len({_name(cell) for cell in row} & _NAMES.keys()), -n) for n, row in enumerate(sheet.spread[:HEAD_WITHIN])]
    most, at = max(named, default=(0, 0))
    return -at, most


def choose_sheet(sheets: Sequence[Sheet]) -> Sheet:
    """The sheet of a workbook that holds the table: the first that names most of the columns."""
    return max(sheets, key=lambda sheet: head_of(sheet)[1], default=Sheet(rows=(), spread=()))


def is_table(sheet: Sheet) -> bool:
    """Does a line of the sheet name the needed columns?"""
    return bool(sheet.spread) and {_name(cell) for cell in sheet.spread[head_of(sheet)[0]]} >= set(NEEDED)


def _name(cell: Any) -> str:
    """The field behind a column's name (marks of a needed column and what stands in brackets left out); the name where there is none."""
    said = re.sub(r"[*\s:]|\(.*?\)", "", plain(str(cell if cell is not None else ""))).lower()
    return COLUMNS.get(said) or _ALSO.get(said) or said


def parse_table(
    sheet: Sheet, departments: Mapping[str, Sequence[str]], *, held: Mapping[str, Resource] | None = None, may: Callable[[Resource], bool] = lambda _: True,
) -> tuple[list[Resource], list[LineError]]:
    """The resources of a table, and every error with its cell; an import takes all lines or none.

    `departments` gives the ids behind an id or a name (`name_departments`), `held` what is registered already, `may` whether the writer keeps such a resource.
    """
    if all(_blank(cell) for row in sheet.rows for cell in row):
        return [], [LineError(line=1, column="", zh="表是空的", en="the table is empty")]
    at, _ = head_of(sheet)
    heads = [str(cell if cell is not None else "").strip() for cell in sheet.spread[at]]
    names = [_name(head) for head in heads]
    if errors := _of_heads(at, heads, names, sheet.rows[at + 1:]):
        return [], errors
    reader = _Reader(heads, names, departments, held or {}, may, sheet.epoch)
    for n in range(at + 1, len(sheet.rows)):
        reader.line(n + 1, sheet.rows[n], sheet.spread[n])
    if not reader.found and not reader.errors:
        return [], [LineError(line=at + 2, column="", zh="表头以下没有数据", en="there is nothing below the names of the columns")]
    return reader.found, reader.errors


def _of_heads(at: int, heads: Sequence[str], names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[LineError]:
    """Columns that are missing, stand there twice, or hold something that nobody would read."""
    line = at + 1
    errors = [LineError(line=line, column=_NAMES[name], zh=f"缺少“{_NAMES[name]}”列", en=f"the column {_NAMES[name]} ({name}) is missing")
              for name in (*NEEDED, *_half_point(names)) if name not in names]
    for n, (head, name) in enumerate(zip(heads, names, strict=True)):
        cell = f"{letters(n)}{line}"
        if name not in _NAMES:
            if head and name not in COUNTERS and any(n < len(row) and row[n] not in (None, "") for row in rows):
                errors.append(LineError(line=line, column=head, cell=cell, zh=f"没有“{head}”这一列，请改名或删去；可用：{'、'.join(COLUMNS)}",
                                        en=f"there is no column “{head}”: rename it or take it out; there are {', '.join(_NAMES)}"))
        elif name in names[:n]:
            errors.append(LineError(line=line, column=head, cell=cell, zh=f"“{head}”与 {letters(names.index(name))} 列重复", en=f"the column “{head}” stands in {letters(names.index(name))} too"))
    return errors


def _half_point(names: Sequence[str]) -> tuple[str, ...]:
    """Both columns of a point where one is there: with one alone, half of what is registered would stay beside it."""
    return ("lon", "lat") if "lon" in names or "lat" in names else ()


def letters(n: int) -> str:
    """A column's letters, counted from 0: A, B … Z, AA."""
    return (letters(n // 26 - 1) if n >= 26 else "") + chr(ord("A") + n % 26)


class _Fault(Exception):
    """A value that cannot be taken, in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


class _Reader:
    """The lines of a table as they are read: what was found, and what is wrong."""

    def __init__(
        self, heads: Sequence[str], names: Sequence[str], departments: Mapping[str, Sequence[str]], held: Mapping[str, Resource], may: Callable[[Resource], bool], epoch: date,
    ) -> None:
        self.heads, self.names, self.departments, self.held, self.may, self.epoch = heads, names, departments, held, may, epoch
        self.at = {name: n for n, name in enumerate(names) if name in _NAMES}
        self.found: list[Resource] = []
        self.errors: list[LineError] = []
        self._seen: dict[str, int] = {}

    def line(self, number: int, row: Sequence[Any], spread: Sequence[Any]) -> None:
        """Read one line; a blank one counts for nothing."""
        cells = {name: _cell(row if name in _OWN else spread, n) for name, n in self.at.items()}
        if all(_blank(_cell(row, n)) for n in self.at.values()):
            return
        values, before = dict[str, Any](), len(self.errors)
        for name, cell in cells.items():
            try:
                if not _is_nothing(name, cell):
                    values[name] = self._value(name, cell)
                elif name in NEEDED:
                    raise _Fault("没有填写", "nothing is filled in")
            except _Fault as fault:
                self._wrong(number, name, fault.zh, fault.en)
        if len(self.errors) > before:
            return
        self._whole(number, values)

    def _whole(self, number: int, values: dict[str, Any]) -> None:
        """What hangs on more than one cell: the point, the line that has the id already, whose it is."""
        crs = values.pop("crs", Crs.WGS84)
        if point := _point_fault(values):
            return self._wrong(number, "lat" if "lat" in self.at else "lon", *point)
        if "lon" in values:
            values["lon"], values["lat"] = to_wgs84(values["lon"], values["lat"], crs)
        if (first := self._seen.setdefault(values["id"], number)) != number:
            return self._wrong(number, "id", f"编号“{values['id']}”与第 {first} 行重复", f"the id “{values['id']}” stands on line {first} too")
        before = self.held.get(values["id"])
        kept = {} if before is None else {f: getattr(before, f) for f in before.__struct_fields__ if f in ("demo", "out", "version") or f not in self.at}
        resource = Resource(**(kept | {"active": True} | values))
        if not self.may(resource) or (before is not None and not self.may(before)):
            owner = resource.department_id if before is None or self.may(before) else before.department_id
            return self._wrong(number, "department_id", f"不能维护“{self._called(owner)}”的资源", f"you do not keep the resources of {owner}")
        self.found.append(resource)

    def _called(self, department_id: str) -> str:
        return next((name for name, ids in self.departments.items() if name != department_id and tuple(ids) == (department_id,)), department_id)

    def _wrong(self, number: int, name: str, zh: str, en: str) -> None:
        n = self.at[name]
        self.errors.append(LineError(line=number, column=self.heads[n], cell=f"{letters(n)}{number}", zh=zh, en=en))

    def _value(self, name: str, cell: Any) -> Any:
        """A cell as its field wants it; raises _Fault."""
        said = plain(str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell))
        match name:
            case "kind":
                return _kind(said)
            case "crs":
                if said.lower() not in _CRS:
                    raise _Fault(f"不认识坐标系“{said}”，应为 WGS84、CGCS2000、GCJ02 或 BD09", f"there is no “{said}”: WGS84, CGCS2000, GCJ02 or BD09")
                return _CRS[said.lower()]
            case "department_id":
                return self._department(said)
            case "expires_on":
                return self._day(cell, said)
            case "id" | "capability":
                return _checked(name, said.lower())
            case "lon" | "lat":  # what can be a point is said of both together
                return _number(cell, "请填十进制度，如 119.1290", "degrees with decimals, such as 119.1290")
        return _checked(name, _number(cell) if name in _NUMBERS else said)

    def _department(self, said: str) -> str:
        match self.departments.get(said_of(said), ()):
            case []:
                raise _Fault(f"没有部门“{said}”", f"there is no department “{said}”")
            case [id]:
                return id
            case several:
                raise _Fault(f"有 {len(several)} 个部门叫“{said}”，请改填编号：{'、'.join(several)}",
                             f"{len(several)} departments are called “{said}”; say which by its id: {', '.join(several)}")

    def _day(self, cell: Any, said: str) -> date:
        if isinstance(cell, datetime):
            return cell.date()
        if isinstance(cell, date):
            return cell
        day = read_date(re.sub(r"[ T]00:00(:00)?(\.0+)?$", "", said))
        if day is None and re.fullmatch(r"\d{5}", said, re.ASCII):
            day = self.epoch + timedelta(days=int(said))
        elif day is None and re.fullmatch(r"\d{8}", said, re.ASCII):
            day = read_date(f"{said[:4]}-{said[4:6]}-{said[6:]}")
        if day is None or not _DAYS[0] <= day < _DAYS[1]:
            raise _Fault(f"“{said}”不是年月日，请写作 2027-06-30", f"“{said}” is no day; write it as 2027-06-30")
        return day


def _cell(row: Sequence[Any], n: int) -> Any:
    return row[n] if n < len(row) else None


def _blank(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _is_nothing(name: str, cell: Any) -> bool:
    return _blank(cell) or (name not in NEEDED and isinstance(cell, str) and plain(cell).lower() in _NOTHING)


def _kind(said: str) -> ResourceKind:
    found = KINDS.get(said.replace(" ", "")) or next((kind for kind in ResourceKind if kind.value == said.lower()), None)
    if found is None:
        raise _Fault(f"没有“{said}”这一类，应为 {'、'.join(KINDS)}", f"there is no kind “{said}”: {', '.join(ResourceKind)}")
    return found


def _number(cell: Any, zh: str = "请只填数字", en: str = "figures alone") -> float:
    said = figures(cell) if isinstance(cell, str) else cell
    try:
        if isinstance(said, bool) or not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", str(said), re.ASCII):
            raise ValueError
        return float(said)
    except (ValueError, TypeError):
        raise _Fault(f"“{cell}”不是数，{zh}", f"“{cell}” is no number; {en}") from None


def _checked(name: str, value: Any) -> Any:
    try:
        return msgspec.convert(value, _TYPES[name], strict=False)
    except msgspec.ValidationError as error:
        if name in ("id", "capability"):
            raise _Fault(f"“{value}”只能用小写字母、数字和连字符，最多 64 位", f"“{value}”: lower-case letters, digits and hyphens, 64 at most") from None
        raise _Fault(_short(in_chinese(str(error))), _short(re.sub(r"Expected `\w+`", "it has to be", str(error)))) from None


def _short(sentence: str) -> str:
    """Limits without their empty decimals: 0 and not 0.0."""
    return re.sub(r"(\d)\.0\b", r"\1", sentence)


_TYPES: Final = {field.name: field.type for field in msgspec.structs.fields(Resource)}


def _point_fault(values: Mapping[str, Any]) -> tuple[str, str] | None:
    lon, lat = values.get("lon"), values.get("lat")
    if (lon is None) is not (lat is None):
        return "经度、纬度要么都填，要么都不填", "longitude and latitude: both, or neither"
    if lon is None or lat is None or in_china(lon, lat):
        return None
    if in_china(lat, lon):
        return f"经度 {lon:g}、纬度 {lat:g} 似乎填反了", f"longitude {lon:g} and latitude {lat:g} seem to be swapped"
    return f"经度 {lon:g}、纬度 {lat:g} 不在国内，请核对", f"longitude {lon:g}, latitude {lat:g} is not in the country; look again"

"""The daily report (日报): templates, schedules, what a filing is, and the one check that every channel's values go through. Pure.

A template's version is fixed when a report is filed; a filed version is never altered: a correction is the next version.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeVar, assert_never

import msgspec
from msgspec import Meta, Struct

from hub.domain.calendar import Calendar, DeadlineRule, Window, at_local, windows
from hub.domain.change import ChangeBody, change
from hub.domain.contradiction import Contradiction, Measure
from hub.domain.notice import cited
from hub.domain.obligation import Obligation, Owed, State
from hub.domain.typed import figures, plain
from hub.errors import Fault, Rejected, refusal
from hub.ids import SLUG, exactly
from hub.wire import explain

KIND: Final = "daily_report"
"""The kind of duty on the ledger."""
EVERY: Final = "*"
"""Stands for every active department in a template or schedule."""
LOOK_BACK_DAYS: Final = 16
"""How far back the deadline before this one is looked for: longer than the longest holiday with the weekends around it."""
COUNT_MAX: Final = 10_000_000

Id = Annotated[str, Meta(pattern=exactly("[a-z][a-z0-9_]{0,39}"))]
Slug = Annotated[str, Meta(pattern=exactly(SLUG.pattern))]
Words = Annotated[str, Meta(min_length=1, max_length=200)]


class FieldKind(StrEnum):
    """What a field holds."""

    COUNT = "count"
    YES_NO = "yes_no"
    TEXT = "text"
    TABLE = "table"
    ATTACHMENTS = "attachments"


class Column(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A column of a table field: a count, yes/no or text."""

    id: Id
    kind: Annotated[str, Meta(pattern=exactly("(count|yes_no|text)"))]
    zh: Words
    en: Words
    required: bool = False


class Field(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field of a template. `measure` names what the hub knows of the same thing, so that the two can be compared."""

    id: Id
    kind: FieldKind
    zh: Words
    en: Words
    required: bool = False
    measure: Measure | None = None
    max: Annotated[int, Meta(ge=0, le=COUNT_MAX)] = COUNT_MAX
    max_length: Annotated[int, Meta(ge=1, le=20_000)] = 5_000
    max_rows: Annotated[int, Meta(ge=1, le=500)] = 100
    columns: tuple[Column, ...] = ()
    unit_zh: str = ""
    unit_en: str = ""


class Template(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a daily report asks, of which departments, from which day on (to which day, inclusive)."""

    id: Slug
    version: Annotated[int, Meta(ge=1)]
    zh: Words
    en: Words
    fields: Annotated[tuple[Field, ...], Meta(max_length=100)]
    valid_from: date
    valid_to: date | None = None
    departments: tuple[str, ...] = (EVERY,)
    zero: bool = True
    source: str = ""
    edition: str = ""

    def field(self, id: str) -> Field | None:
        """The field of this id."""
        return next((field for field in self.fields if field.id == id), None)


class Schedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a template is due, for which departments. `lock_min`: minutes after the due time until the duty is locked as missed."""

    id: Slug
    version: Annotated[int, Meta(ge=1)]
    template: Slug
    zh: Words
    en: Words
    rule: DeadlineRule
    valid_from: date
    valid_to: date | None = None
    departments: tuple[str, ...] = (EVERY,)
    except_departments: tuple[str, ...] = ()
    lock_min: Annotated[float, Meta(gt=0, le=100_000)] = 1440
    source: str = ""
    edition: str = ""


_V = TypeVar("_V", Template, Schedule)


class Book(Struct, frozen=True, kw_only=True):
    """Templates and schedules in every version."""

    templates: tuple[Template, ...]
    schedules: tuple[Schedule, ...]

    def template(self, id: str, day: date) -> Template | None:
        """The version of a template that holds on a day."""
        return _newest([t for t in self.templates if t.id == id], day)

    def template_version(self, id: str, version: int) -> Template | None:
        """A template in one version."""
        return next((t for t in self.templates if t.id == id and t.version == version), None)

    def schedules_on(self, day: date) -> tuple[Schedule, ...]:
        """The schedules that hold on a day, each in its version of that day."""
        names = sorted({s.id for s in self.schedules})
        found = (_newest([s for s in self.schedules if s.id == name], day) for name in names)
        return tuple(s for s in found if s is not None)


def _newest(versions: Sequence[_V], day: date) -> _V | None:
    known = [v for v in versions if v.valid_from <= day]
    best = max(known, key=lambda v: v.version, default=None)
    return best if best is not None and (best.valid_to is None or day <= best.valid_to) else None


def parse_book(templates: Any, schedules: Any) -> Book:
    """Read the two documents as they ship; raises Rejected `daily_data` naming what is wrong."""
    common = {name: str(templates[name]) for name in ("source", "edition")}
    try:
        book = Book(
            templates=msgspec.convert([{**common, **row} for row in templates["templates"]], tuple[Template, ...]),
            schedules=msgspec.convert([{**common, **row} for row in schedules["schedules"]], tuple[Schedule, ...]),
        )
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise Rejected("daily_data", f"日报数据有误：{error}", f"the data of daily reports is wrong: {error}") from error
    for template in book.templates:
        check_template(template)
    for schedule in book.schedules:
        if not any(t.id == schedule.template for t in book.templates):
            raise Rejected("daily_data", f"报送安排 {schedule.id} 没有模板 {schedule.template}", f"schedule {schedule.id}: no template {schedule.template}")
    return book


def check_template(template: Template) -> None:
    """Raise Rejected for a template that does not hold together: a field named twice, a table without columns, a measure of no count."""
    names = [field.id for field in template.fields]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise Rejected("template_field_twice", f"字段重复：{', '.join(doubled)}", f"fields named twice: {', '.join(doubled)}", field="fields")
    for field in template.fields:
        if (field.kind is FieldKind.TABLE) != bool(field.columns):
            raise Rejected("template_columns", f"表格字段 {field.id} 须有列，其他字段不得有列", f"{field.id}: columns go with tables alone",
                           field=f"fields.{field.id}")
        if field.measure is not None and field.kind is not FieldKind.COUNT:
            raise Rejected("template_measure", f"字段 {field.id} 不是计数，不能对照", f"{field.id}: only a count can be compared",
                           field=f"fields.{field.id}")


# ── what is expected ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def duty_key(department: str, template: str, day: str, slot: int) -> str:
    """The key under which one report stands on the ledger: one for a department, template, day and slot, whatever arrives twice."""
    return f"daily:{department}:{template}:{day}:{slot}"


class KeyParts(Struct, frozen=True):
    """A duty's key, taken apart."""

    department: str
    template: str
    day: str
    slot: int


def parts_of(o: Obligation) -> KeyParts | None:
    """Department, template, day and slot of a daily duty; None for a duty of another kind."""
    pieces = o.key.split(":")
    if o.kind != KIND or len(pieces) != 5 or pieces[0] != "daily" or not pieces[4].isdigit():
        return None
    return KeyParts(pieces[1], pieces[2], pieces[3], int(pieces[4]))


class Reporter(Struct, frozen=True):
    """A department as the schedule sees it."""

    id: str
    zh: str
    en: str


def expected(book: Book, calendar: Calendar, reporters: Iterable[Reporter], day: date) -> list[Owed]:
    """The duties of one report day: a row for each department, template and deadline."""
    found: list[Owed] = []
    listed = list(reporters)
    for schedule in book.schedules_on(day):
        template = book.template(schedule.template, day)
        slots = windows(calendar, schedule.rule, day)
        if template is None or not slots:
            continue
        for reporter in listed:
            if concerns(schedule, template, reporter.id):
                found += [_owed(schedule, template, reporter, window, len(slots)) for window in slots]
    return list({owed.key: owed for owed in reversed(found)}.values())[::-1]


def concerns(schedule: Schedule, template: Template, department: str) -> bool:
    """Does this department report by this schedule?"""
    def named(which: tuple[str, ...]) -> bool:
        return EVERY in which or department in which

    return department not in schedule.except_departments and named(schedule.departments) and named(template.departments)


def _owed(schedule: Schedule, template: Template, reporter: Reporter, window: Window, slots: int) -> Owed:
    day = window.day.isoformat()
    turn = (f"（第{window.slot}次）", f" ({window.slot} of {slots})") if slots > 1 else ("", "")
    return Owed(
        key=duty_key(reporter.id, template.id, day, window.slot), kind=KIND, department_id=reporter.id, post_id=f"{reporter.id}.duty",
        subject=f"daily:{reporter.id}:{template.id}", title_zh=f"{template.zh} {day}{turn[0]}", title_en=f"{template.en} {day}{turn[1]}",
        due_at=window.due_at, opens_at=window.opens_at, grace_min=window.grace_min, lock_min=schedule.lock_min, day=day,
        rule=cited(schedule.source, schedule.edition),
    )


class Period(Struct, frozen=True):
    """The stretch of time that a report covers: from the deadline before it to its own."""

    first: datetime
    last: datetime


def period_of(book: Book, calendar: Calendar, key: KeyParts, otherwise: datetime) -> Period:
    """What the report covers: up to its own deadline, from the last one of the same template before it (after a weekend: from Friday's).

    A return or an unlock moves when the duty is due, not what the report covers; `otherwise` is its deadline where no schedule knows it.
    """
    day = date.fromisoformat(key.day)
    last = next((w.due_at for w in _deadlines(book, calendar, key, day) if w.slot == key.slot), otherwise)
    for back in range(LOOK_BACK_DAYS + 1):
        earlier = [w.due_at for w in _deadlines(book, calendar, key, day - timedelta(days=back)) if w.due_at < last]
        if earlier:
            return Period(max(earlier), last)
    return Period(last - timedelta(days=1), last)


class Periods:
    """The periods of many reports, each worked out once."""

    def __init__(self, book: Book, calendar: Calendar) -> None:
        self._book, self._calendar = book, calendar
        self._known: dict[tuple[str, str, int, tuple[str, ...]], Period] = {}

    def of(self, key: KeyParts) -> Period:
        """What this report covers; a day up to its midnight where no schedule knows it."""
        by = tuple(s.id for s in self._book.schedules if s.template == key.template and _same(s, key.department))
        place = (key.template, key.day, key.slot, by)
        if place not in self._known:
            end = at_local(self._calendar, date.fromisoformat(key.day), "24:00")
            self._known[place] = period_of(self._book, self._calendar, key, end)
        return self._known[place]


def _deadlines(book: Book, calendar: Calendar, key: KeyParts, day: date) -> list[Window]:
    schedules = [s for s in book.schedules_on(day) if s.template == key.template and _same(s, key.department)]
    return [window for schedule in schedules for window in windows(calendar, schedule.rule, day)]


def _same(schedule: Schedule, department: str) -> bool:
    return department not in schedule.except_departments and (EVERY in schedule.departments or department in schedule.departments)


# ── what is filed ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class FilingState(StrEnum):
    """Where a filed version stands: `replaced` by a correction, or the current one: filed, returned, accepted."""

    FILED = "filed"
    RETURNED = "returned"
    ACCEPTED = "accepted"
    REPLACED = "replaced"


class Filing(Struct, frozen=True, kw_only=True):
    """One filed version of one report. `contradictions` holds only what the department itself may know of."""

    id: str
    duty_id: str
    department_id: str
    template: str
    template_version: int
    day: str
    slot: int
    version: int
    zero: bool
    values: dict[str, Any]
    note: str | None
    state: FilingState
    channel: str
    actor: str
    filed_at: str
    late: bool
    late_reason: str | None
    receipt_no: str
    drill: bool
    contradictions: tuple[Contradiction, ...] = ()
    explanation: str | None = None
    decided_by: str | None = None
    decided_at: str | None = None
    reason: str | None = None
    current: bool = True


class Content(Struct, frozen=True, kw_only=True):
    """What a department says: nothing happened, or the fields' values."""

    zero: bool
    values: Mapping[str, Any] = MappingProxyType({})
    note: str | None = None
    late_reason: str | None = None
    explanation: str | None = None


_YES: Final = frozenset({"是", "有", "yes", "y", "true", "1", "√"})
_NO: Final = frozenset({"否", "无", "没有", "no", "n", "false", "0", "×", "x"})


def read_count(value: Any, most: int = COUNT_MAX, *, unit: str = "") -> int | None:
    """A count from a number or its text (full-width digits, thousands separators, its own unit behind it); None for anything that is no count."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = figures(figures(value).removesuffix(unit))
        if not text.isascii() or not text.isdigit() or len(text) > 12:
            return None
        value = int(text)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")) or value != int(value):
            return None
        value = int(value)
    return value if isinstance(value, int) and 0 <= value <= most else None


def read_yes_no(value: Any) -> bool | None:
    """True or False from a boolean or its word in either language; None for anything else."""
    if isinstance(value, bool):
        return value
    word = plain(str(value)).lower() if isinstance(value, str | int) else ""
    return True if word in _YES else False if word in _NO else None


def read_content(template: Template, content: Content) -> tuple[dict[str, Any], list[Fault]]:
    """The values in their canonical form, and everything that is wrong with them; a zero report has none."""
    faults = [Fault(name, f"模板没有字段 {name}", f"the template has no field {name}") for name in content.values if template.field(name) is None]
    values: dict[str, Any] = {}
    for field in template.fields:
        raw = content.values.get(field.id)
        if raw is None or raw == "" or raw == []:
            if field.required and not content.zero:
                faults.append(Fault(field.id, f"“{field.zh}”必填", f"“{field.en}” is required"))
            continue
        value, wrong = _read_field(field, raw)
        faults += wrong
        if not wrong:
            values[field.id] = value
    if content.zero:
        faults += _not_zero(template, values)
        return {}, faults
    if not faults and not values:
        faults.append(Fault("values", "没有填写任何内容；如无情况请报零报告", "nothing was filled in; if nothing happened, file a zero report"))
    return values, faults


def _not_zero(template: Template, values: Mapping[str, Any]) -> list[Fault]:
    faults = [] if template.zero else [Fault("zero", "该模板不接受零报告", "this template takes no zero report")]
    filled = [name for name, value in values.items() if value not in (0, False)]
    return faults + [Fault(name, "零报告不能带有内容，请改为正式填报", "a zero report holds no values; file them as a report") for name in filled]


def _read_field(field: Field, raw: Any) -> tuple[Any, list[Fault]]:
    match field.kind:
        case FieldKind.COUNT:
            count = read_count(raw, field.max, unit=field.unit_zh)
            return count, [] if count is not None else [_no_count(field.id, field.zh, field.en, raw, field.max)]
        case FieldKind.YES_NO:
            said = read_yes_no(raw)
            return said, [] if said is not None else [Fault(field.id, f"“{field.zh}”应填是或否", f"“{field.en}” is yes or no")]
        case FieldKind.TEXT:
            return _read_text(field.id, field.zh, field.en, raw, field.max_length)
        case FieldKind.TABLE:
            return _read_table(field, raw)
        case FieldKind.ATTACHMENTS:
            return _read_attachments(field, raw)
        case _:
            assert_never(field.kind)


def _no_count(id: str, zh: str, en: str, raw: Any, most: int, row: int | None = None) -> Fault:
    shown = str(raw)[:30]
    return Fault(id, f"“{zh}”应填 0 到 {most} 的整数，实际为“{shown}”", f"“{en}” is a whole number from 0 to {most}, not “{shown}”", row)


def _read_text(id: str, zh: str, en: str, raw: Any, most: int, row: int | None = None) -> tuple[str, list[Fault]]:
    if isinstance(raw, bool | dict | list):
        return "", [Fault(id, f"“{zh}”应填文字", f"“{en}” is a text", row)]
    text = str(raw).strip()
    if len(text) > most:
        return "", [Fault(id, f"“{zh}”超过 {most} 字", f"“{en}” is longer than {most} characters", row)]
    if any(unicodedata.category(c) == "Cc" and c not in "\n\r\t" for c in text):
        return "", [Fault(id, f"“{zh}”含有控制字符", f"“{en}” holds control characters", row)]
    return text, []


def _read_table(field: Field, raw: Any) -> tuple[list[dict[str, Any]], list[Fault]]:
    if not isinstance(raw, list | tuple) or len(raw) > field.max_rows:
        return [], [Fault(field.id, f"“{field.zh}”应为不超过 {field.max_rows} 行的表格", f"“{field.en}” is a table of at most {field.max_rows} rows")]
    rows, faults = [], []
    for n, line in enumerate(raw, 1):
        row, wrong = _read_row(field, line, n)
        rows.append(row)
        faults += wrong
    return rows, faults


def _read_row(field: Field, line: Any, n: int) -> tuple[dict[str, Any], list[Fault]]:
    if not isinstance(line, dict):
        return {}, [Fault(field.id, f"“{field.zh}”第 {n} 行格式有误", f"“{field.en}” row {n} is not a row", n)]
    known = {column.id for column in field.columns}
    faults = [Fault(f"{field.id}.{name}", f"没有此列：{name}", f"no such column: {name}", n) for name in line if name not in known]
    row: dict[str, Any] = {}
    for column in field.columns:
        id, value = f"{field.id}.{column.id}", line.get(column.id)
        if value is None or value == "":
            if column.required:
                faults.append(Fault(id, f"第 {n} 行“{column.zh}”必填", f"row {n}: “{column.en}” is required", n))
            continue
        if column.kind == "count":
            read: Any = read_count(value)
            wrong = [] if read is not None else [_no_count(id, column.zh, column.en, value, COUNT_MAX, n)]
        elif column.kind == "yes_no":
            read = read_yes_no(value)
            wrong = [] if read is not None else [Fault(id, f"第 {n} 行“{column.zh}”应填是或否", f"row {n}: “{column.en}” is yes or no", n)]
        else:
            read, wrong = _read_text(id, column.zh, column.en, value, 2_000, n)
        faults += wrong
        if not wrong:
            row[column.id] = read
    return row, faults


class Attached(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file named by its SHA-256."""

    sha256: Annotated[str, Meta(pattern=exactly("[0-9a-f]{64}"))]
    name: Annotated[str, Meta(min_length=1, max_length=255)]
    media_type: Annotated[str, Meta(max_length=100)] = "application/octet-stream"
    size_bytes: Annotated[int, Meta(ge=0)] = 0


def _read_attachments(field: Field, raw: Any) -> tuple[Any, list[Fault]]:
    try:
        files = msgspec.convert(raw, tuple[Attached, ...])
    except msgspec.ValidationError as error:
        why = explain(error)
        return (), [Fault(field.id, f"“{field.zh}”附件有误：{why.zh}", f"“{field.en}”: {why.en}")]
    if len(files) > field.max_rows:
        return (), [Fault(field.id, f"“{field.zh}”附件过多", f"“{field.en}”: too many files")]
    return msgspec.to_builtins(files), []


def files_in(values: Mapping[str, Any]) -> list[Attached]:
    """The files named in values, whatever else stands in them (a draft is unchecked)."""
    found = []
    for value in values.values():
        for one in value if isinstance(value, list | tuple) else ():
            try:
                found.append(msgspec.convert(one, Attached))
            except msgspec.ValidationError:
                continue
    return found


def refuse_faults(faults: Sequence[Fault]) -> None:
    """Raise Rejected `daily_values` for the first fault, naming all of them."""
    if faults:
        raise refusal("daily_values", faults)


def need_late_reason(o: Obligation, content: Content, now: datetime, *, made_at: datetime | None = None) -> str | None:
    """The reason of a late filing: as given, else the note, else (for a message made in time that arrived late) its delay.

    Raises Rejected `late_reason_needed`. None for a filing in time.
    """
    if now <= o.late_at and not o.was_late:
        return None
    given = (content.late_reason or content.note or "").strip()
    if given:
        return given
    if made_at is not None and made_at <= o.late_at:
        return f"在截止前填报，送达延迟 / made before the deadline at {made_at:%Y-%m-%d %H:%M:%SZ}, delivered late"
    raise Rejected("late_reason_needed", "已超过截止时间，请填写迟报原因", "the deadline has passed; state why it is late", field="late_reason")


# ── the board ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Standing(StrEnum):
    """Where a department stands with one report, in the words of the duty office. `waiting`: not due yet."""

    WAITING = "waiting"
    FILED = "filed"
    ZERO = "zero"
    LATE = "late"
    MISSING = "missing"
    RETURNED = "returned"
    EXCUSED = "excused"


def standing(o: Obligation, *, zero: bool | None, now: datetime) -> Standing:
    """The standing of one duty; `zero` says whether its current filing is a zero report (None where there is none)."""
    match o.state:
        case State.MET:
            return Standing.ZERO if zero else Standing.FILED
        case State.MET_LATE:
            return Standing.LATE
        case State.MISSED:
            return Standing.MISSING
        case State.EXCUSED:
            return Standing.EXCUSED
        case State.RETURNED:
            return Standing.RETURNED
        case State.OPEN:
            return Standing.MISSING if now > o.late_at else Standing.WAITING
        case _:
            assert_never(o.state)


class Tally(Struct, frozen=True, kw_only=True):
    """Counts of one department (or all) over a stretch of days; drills and what is not due yet are not in it.

    `expected` leaves out what was excused; `completeness` = (in time + late) / expected, `timeliness` = in time / expected (1 where none).
    """

    in_time: int = 0
    late: int = 0
    missed: int = 0
    excused: int = 0

    @property
    def expected(self) -> int:
        """How many reports were to be filed."""
        return self.in_time + self.late + self.missed

    @property
    def completeness(self) -> float:
        """The share that was filed at all."""
        return (self.in_time + self.late) / self.expected if self.expected else 1.0

    @property
    def timeliness(self) -> float:
        """The share that was filed in time."""
        return self.in_time / self.expected if self.expected else 1.0

    def with_state(self, state: State, count: int, *, overdue: bool) -> Tally:
        """These counts with `count` more duties in a state; owed ones count as missed once they are overdue, else not at all."""
        match state:
            case State.MET:
                return msgspec.structs.replace(self, in_time=self.in_time + count)
            case State.MET_LATE:
                return msgspec.structs.replace(self, late=self.late + count)
            case State.MISSED:
                return msgspec.structs.replace(self, missed=self.missed + count)
            case State.EXCUSED:
                return msgspec.structs.replace(self, excused=self.excused + count)
            case State.OPEN | State.RETURNED:
                return msgspec.structs.replace(self, missed=self.missed + count) if overdue else self
            case _:
                assert_never(state)


def ranking(tallies: Mapping[str, Tally]) -> list[str]:
    """Departments from the best to the worst: completeness, then timeliness, then more reports owed, then name; whoever owed nothing comes last."""
    return sorted(tallies, key=lambda d: (not tallies[d].expected, -tallies[d].completeness, -tallies[d].timeliness, -tallies[d].expected, d))


# ── changes ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@change("daily.filed", zh="日报报送", en="a daily report was filed")
class DailyFiled(ChangeBody, frozen=True, kw_only=True):
    """A version was filed: the first one, a correction, or one after a return."""

    filing: Filing


@change("daily.returned", zh="日报退回", en="a daily report was returned")
class DailyReturned(ChangeBody, frozen=True, kw_only=True):
    """The duty officer returned it, with the reason."""

    filing: Filing


@change("daily.accepted", zh="日报接收", en="a daily report was accepted")
class DailyAccepted(ChangeBody, frozen=True, kw_only=True):
    """The duty officer accepted it."""

    filing: Filing


class Flag(Struct, frozen=True, kw_only=True):
    """What contradicts a filed report, for the duty officer: also what the department may not know of (`hidden`)."""

    duty_id: str
    filing_id: str
    department_id: str
    day: str
    contradictions: tuple[Contradiction, ...]
    hidden: tuple[Contradiction, ...]
    explanation: str | None
    settled_by: str | None = None
    updated_at: str = ""

    @property
    def is_raised(self) -> bool:
        """Is there something that contradicts, which nobody has settled?"""
        return bool(self.contradictions or self.hidden) and self.settled_by is None


def is_to_decide(filing: Filing, flag: Flag | None) -> bool:
    """Does this report wait for the duty officer: filed and not decided on, or accepted before more became known that contradicts it?"""
    return filing.state is FilingState.FILED or (filing.state is FilingState.ACCEPTED and flag is not None and flag.is_raised)


@change("daily.flagged", zh="日报与已知情况不符", en="a daily report contradicts what is known")
class DailyFlagged(ChangeBody, frozen=True, kw_only=True):
    """For the duty officers alone (it belongs to no department): what contradicts a filed report, or no longer does."""

    flag: Flag


@change("daily.template_saved", zh="日报模板设置", en="a daily template was saved")
class TemplateSaved(ChangeBody, frozen=True, kw_only=True):
    """A new version of a template."""

    template: Template


@change("daily.schedule_saved", zh="报送安排设置", en="a schedule of daily reports was saved")
class ScheduleSaved(ChangeBody, frozen=True, kw_only=True):
    """A new version of a schedule."""

    schedule: Schedule

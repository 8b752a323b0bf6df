"""Incidents to replay, from YAML or JSON lines: every fault is named with file, line and field. The only module that reads such files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from hub.errors import Rejected
from plans.backtest import Case
from plans.facts import IncidentFacts, facts_of_report
from plans.hazmat import lookup
from plans.load import Fault, PlanRejected, line_of, plain_yaml, type_fault
from plans.model import Level

MAX_FILE_BYTES = 50_000_000
_Lines = Mapping[tuple[str | int, ...], int]


class _Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A case as it is written: plain facts, or a report message of the wire."""

    id: str | int
    facts: IncidentFacts | None = None
    report: dict[str, object] | None = None
    expected: tuple[str, ...] = ()
    level: Level | None = None
    title: str = ""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    cases: tuple[_Said, ...]
    source: str = ""
    edition: str = ""


def read_cases(file: Path, zone: str) -> list[Case]:
    """Cases of a back-test: objects with `id`, `facts` or `report`, and where known `expected` (plan ids), `level`, `title`.

    Raises PlanRejected with every fault that was found, or the one that hides the rest; OSError where the file cannot be read.
    """
    if file.stat().st_size > MAX_FILE_BYTES:
        raise PlanRejected([Fault(str(file), 1, "$", "too_large", f"文件超过 {MAX_FILE_BYTES} 字节", f"larger than {MAX_FILE_BYTES} bytes")])
    text = file.read_text("utf-8")
    said = _of_yaml(text, str(file)) if file.suffix in (".yaml", ".yml") else _of_lines(text, str(file))
    cases, faults, seen = list[Case](), list[Fault](), set[str]()
    for lines, where, one in said:
        part = "facts" if one.report is None else "report"
        faults += _unclear(one, lines, where, seen, str(file))
        try:
            facts = facts_of_report(one.report, zone=ZoneInfo(zone)) if one.report is not None else one.facts or IncidentFacts()
            cases.append(Case(str(one.id), lookup.checked(facts), one.expected, one.level, one.title))
        except Rejected as error:
            field = f"{where}{part}.{error.field}"
            faults.append(Fault(str(file), line_of(lines, field), field, error.code, error.zh, error.en))
        except (ValueError, msgspec.ValidationError) as error:
            field = f"{where}{part}"
            faults.append(Fault(str(file), line_of(lines, field), field, "bad_report", f"报告读不懂：{error}", f"not a report: {error}"))
    if faults:
        raise PlanRejected(faults)
    if not cases:
        raise PlanRejected([Fault(str(file), 1, "$", "no_cases", "文件里没有案例", "there are no cases in the file")])
    return cases


def _unclear(one: _Said, lines: _Lines, where: str, seen: set[str], file: str) -> Iterator[Fault]:
    """An id that stands there twice, and a case that says nothing of what happened (or says it twice)."""
    if str(one.id) in seen:
        yield Fault(file, line_of(lines, f"{where}id"), f"{where}id", "duplicate_id", f"编号“{one.id}”重复", f"the id {one.id!r} stands there twice")
    seen.add(str(one.id))
    if (one.facts is None) is (one.report is None):
        yield Fault(file, line_of(lines, f"{where}facts"), f"{where}facts", "facts_or_report", "应有 facts 或 report 其中一个", "either facts or a report, and one of them alone")


def _of_yaml(text: str, file: str) -> Iterator[tuple[_Lines, str, _Said]]:
    raw, lines = plain_yaml(text, file)
    try:
        found = msgspec.convert(raw, _File)
    except msgspec.ValidationError as error:
        raise PlanRejected([type_fault(str(error), lines, file)]) from None
    for i, one in enumerate(found.cases):
        yield lines, f"cases[{i}].", one


def _of_lines(text: str, file: str) -> Iterator[tuple[_Lines, str, _Said]]:
    found: list[tuple[_Lines, str, _Said]] = []
    faults = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        whole: _Lines = {(): number}
        try:
            found.append((whole, "", msgspec.json.decode(line, type=_Said)))
        except msgspec.ValidationError as error:
            faults.append(type_fault(str(error), whole, file))
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            faults.append(Fault(file, number, "$", "json_syntax", f"不是 JSON：{error}", f"not JSON: {error}"))
    if faults:
        raise PlanRejected(faults)
    yield from found

"""What a check or a back-test found, in lines for people: whole sentences in both languages, the gravest first, as wide as they need to be. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from plans.backtest import BacktestReport, CaseResult
from plans.check import Finding, Severity

MOST_CASES = 50
"""Cases that are told each by itself (our own choice); the JSON has them all."""
_SEVERITIES = {Severity.ERROR: "错误 error", Severity.WARNING: "警告 warning", Severity.NOTE: "提示 note"}


def finding_lines(findings: Sequence[Finding], plans: int) -> Iterator[str]:
    """Every finding with where it is, then how many of each severity."""
    for f in findings:
        yield f"{_SEVERITIES[f.severity]}\t{f.code}\t{f.plan or '—'}\t{f.field}"
        yield f"  {f.zh}"
        yield f"  {f.en}"
    counts = {severity: sum(f.severity is severity for f in findings) for severity in Severity}
    yield (f"{plans} 个预案，{len(findings)} 条发现：错误 {counts[Severity.ERROR]}、警告 {counts[Severity.WARNING]}、提示 {counts[Severity.NOTE]} / "
           f"{plans} plans, {len(findings)} findings: {counts[Severity.ERROR]} errors, {counts[Severity.WARNING]} warnings, {counts[Severity.NOTE]} notes")


def backtest_lines(report: BacktestReport) -> Iterator[str]:
    """The cases that somebody should look at, what was doubtful about the input, and the sums."""
    shown = sorted((r for r in report.results if is_remarkable(r)), key=lambda r: (not r.missed, r.first_is_right is not False, not r.unexpected))
    for r in shown[:MOST_CASES]:
        yield f"{r.id}\t{r.title}".rstrip()
        yield from (f"  {line}" for line in _said_of(r))
    if len(shown) > MOST_CASES:
        yield f"……另有 {len(shown) - MOST_CASES} 起，见 --json / and {len(shown) - MOST_CASES} more, see --json"
    for doubt in report.doubts:
        yield f"{doubt.zh} / {doubt.en}"
    yield (f"{report.cases} 起；应有预案全部找到 {report.all_found}/{report.with_expectation}，首位正确 {report.first_right}，级别正确 {report.level_right}/{report.with_level}；"
           f"含糊 {report.ambiguous}；仅总体预案 {report.only_general}；从未出现：{'、'.join(report.never_matched) or '无'}")
    yield (f"{report.cases} cases; all expected plans found {report.all_found}/{report.with_expectation}, the first right {report.first_right}, "
           f"the level right {report.level_right}/{report.with_level}; ambiguous {report.ambiguous}; the general plan only {report.only_general}; "
           f"never seen: {', '.join(report.never_matched) or 'none'}")


def is_remarkable(r: CaseResult) -> bool:
    """Is there anything to look at in a case?"""
    return bool(r.missed or r.unexpected or r.ambiguous_zh) or r.first_is_right is False or r.level_is_right is False


def _said_of(r: CaseResult) -> Iterator[str]:
    yield f"匹配 matched: {_ids(r.matched)}"
    if r.expected:
        yield f"应有 expected: {_ids(r.expected)}"
    if r.missed:
        yield f"漏 missed: {_ids(r.missed)}" + ("（待定 undetermined）" if set(r.missed) <= set(r.undetermined) else "")
    if r.unexpected:
        yield f"多 unexpected: {_ids(r.unexpected)}"
    if r.ambiguous_zh:
        yield f"含糊 ambiguous: {r.ambiguous_zh} / {r.ambiguous_en}"
    if r.level_is_right is False:
        yield f"级别 level: {r.level or '—'}"


def _ids(ids: Iterable[str]) -> str:
    return "、".join(ids) or "—"

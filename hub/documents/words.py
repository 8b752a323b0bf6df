"""Word files: the daily digest and 要情快报 of an incident, filled into the packaged templates. Nothing is typed again."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any, Final
from zoneinfo import ZoneInfo

from hub.clock import parse_utc
from hub.domain.daily import Standing
from hub.domain.digest import Digest
from hub.domain.incident import IncidentView
from hub.domain.report import ReportView

STANDINGS: Final = {
    Standing.WAITING: "未到时限", Standing.FILED: "已报送", Standing.ZERO: "零报告", Standing.LATE: "迟报", Standing.MISSING: "未报送",
    Standing.RETURNED: "退回更正", Standing.EXCUSED: "免报",
}
GRADES: Final = {"general": "一般", "serious": "较大", "major": "重大", "extraordinary": "特别重大"}
KINDS: Final = {"initial": "初报", "follow_up": "续报", "final": "终报", "verification": "核报"}
STATES: Final = {"unverified": "待核实", "verified": "已核实", "closed": "已结束", "false_alarm": "误报", "merged": "已并入其他事件"}


def _render(name: str, fields: dict[str, Any]) -> bytes:
    from docxtpl import DocxTemplate

    document = DocxTemplate(io.BytesIO(files("hub").joinpath("documents", "templates", f"{name}.docx").read_bytes()))
    document.render(fields, autoescape=True)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _local(text: str, zone: str) -> str:
    return f"{parse_utc(text).astimezone(ZoneInfo(zone)):%Y年%m月%d日 %H:%M}"


def _paragraphs(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def digest_word(d: Digest, *, zone: str) -> bytes:
    """The digest in the official layout; its first line says who is missing."""
    year, month, day = d.day.split("-")
    numerals = "一二三四五六七八九十"
    kept = [s for s in d.sections if s.text.strip()]
    return _render("digest", {
        "first_line": d.first_line, "heading": d.heading, "number": f"〔{year}〕第{d.number}期", "issuer": d.issuer,
        "date": f"{year}年{int(month)}月{int(day)}日", "title": f"{int(month)}月{int(day)}日{d.heading}",
        "sections": [{"title": f"{numerals[n] if n < 10 else n + 1}、{s.zh}", "paragraphs": _paragraphs(s.text)} for n, s in enumerate(kept)],
        "signature": f"签发：{d.signed_name}" if d.signed_name else "（未签发）", "signed_at": _local(d.signed_at, zone) if d.signed_at else "",
        "rows": [{"name": line.zh, "standing": STANDINGS[line.standing], "note": "与已知情况不符" if line.contradicted else ""} for line in d.lines],
    })


def bulletin_word(view: IncidentView, reports: Sequence[ReportView], *, issuer: str, zone: str, now: datetime) -> bytes:
    """要情快报 of an incident: its facts, casualties, measures, and the chain of its reports, as the ledger has them."""
    grade = GRADES.get(view.grade or "") or "未定级"
    facts = [f"事件编号{view.no}，{STATES.get(view.state.value, view.state.value)}，等级：{grade}。",
             f"时间：{_local(view.occurred_at, zone)}。地点：{view.place.text or '不详'}。"]
    parts = [("事件概况", facts), ("伤亡情况", [_toll(view)])]
    newest: dict[str, str] = {}
    for report in sorted(reports, key=lambda r: r.number):
        for name, word in (("text", "情况"), ("cause", "原因"), ("course", "经过"), ("scope", "影响范围"), ("trend", "发展趋势"),
                           ("measures_taken", "已采取措施"), ("measures_planned", "拟采取措施")):
            if value := getattr(report, name):
                newest[word] = value
    parts.append(("处置情况", [f"{word}：{line}" for word, value in newest.items() for line in _paragraphs(value)] or ["正在进一步核实。"]))
    if view.hazmat:
        parts.append(("危险化学品", [f"{h.name or ''} UN{h.un or '不详'}，{f'{h.quantity_kg:g}千克' if h.quantity_kg else '数量不详'}"
                                 f"{'，泄漏' if h.leak else ''}{'，着火' if h.fire else ''}。" for h in view.hazmat]))
    parts.append(("报告情况", [f"{_local(r.received_at, zone)} {KINDS.get(r.kind.value, r.kind.value)}，回执{r.receipt_no}。" for r in reports]))
    numerals = "一二三四五六七八九十"
    return _render("bulletin", {
        "heading": "要情快报", "number": view.no, "issuer": issuer, "date": f"{now.astimezone(ZoneInfo(zone)):%Y年%m月%d日}", "title": view.title,
        "drill": "【演练】" if view.drill else "", "sections": [{"title": f"{numerals[n]}、{t}", "paragraphs": p} for n, (t, p) in enumerate(parts)],
        "made_at": f"{now.astimezone(ZoneInfo(zone)):%Y年%m月%d日 %H:%M}",
    })


def _toll(view: IncidentView) -> str:
    c = view.casualties
    words = (("死亡", c.dead), ("失踪", c.missing), ("重伤", c.seriously_injured), ("受伤", c.injured), ("被困", c.trapped), ("中毒", c.poisoned),
             ("转移", c.evacuated))
    told = "，".join(f"{word}{n}人" for word, n in words if n is not None)
    return f"{told}。" if told else "伤亡情况正在核实。"

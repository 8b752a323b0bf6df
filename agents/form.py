"""The interactive form of a first report: few questions, the needed ones first, everything else may be left empty."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from agents.report import read_time
from agents.words import say
from hub.errors import Rejected

Ask = Callable[[str, str], str]
"""(question, default) -> what was typed."""


def fill_form(ask: Ask, tell: Callable[[str], None], now: datetime) -> dict[str, Any]:
    """Ask for a report; gives the fields for `agents.report.build_report`. A wrong time or number is asked for again."""
    values: dict[str, Any] = {}
    values["title"] = _needed(ask, tell, say("标题（出了什么事）", "title (what happened)"))
    place: dict[str, Any] = {"text": _needed(ask, tell, say("地点（路段、单位、村镇）", "place (road, enterprise, village)"))}
    place["lon"], place["lat"] = _point(ask, tell)
    values["place"] = place
    values["occurred_at"] = _again(
        tell, lambda: read_time(ask(say("发生时间（14:05 或 2026-11-23 14:05）", "when (14:05 or 2026-11-23 14:05)"), f"{now:%H:%M}"), now)
    ).isoformat()
    values["event_types"] = ask(say("事件类型代码，空格分隔（如 12D00），可空", "event types, spaces between (12D00), may be empty"), "").split()
    values["urgent"] = _yes(ask(say("紧急？(y/n)", "urgent? (y/n)"), "y"))
    values["text"] = ask(say("经过和现状", "what is going on"), "")
    values["casualties"] = {
        name: _number(ask, tell, say(zh, en))
        for name, zh, en in (("dead", "死亡人数", "dead"), ("injured", "受伤人数", "injured"), ("trapped", "被困人数", "trapped"))
    }
    un = ask(say("涉及危化品的 UN 编号，可空", "UN number of a dangerous load, may be empty"), "")
    if un:
        leak = ask(say("泄漏？(y/n/不明留空)", "leaking? (y/n/empty: unknown)"), "")
        hin = ask(say("危险性识别号（橙牌上行），可空", "HIN (upper half of the orange plate), may be empty"), "")
        values["hazmat"] = [{"un": un, "hin": hin, "leak": _yes(leak) if leak else None}]
    values["measures_taken"] = ask(say("已采取措施", "measures taken"), "")
    values["reporter"] = {"name": ask(say("报告人", "reporter"), ""), "phone": ask(say("联系电话", "telephone"), "")}
    return values


def _needed(ask: Ask, tell: Callable[[str], None], question: str) -> str:
    while not (typed := ask(question, "").strip()):
        tell(say("此项必填", "this is needed"))
    return typed


def _again(tell: Callable[[str], None], read: Callable[[], Any]) -> Any:
    while True:
        try:
            return read()
        except (Rejected, ValueError) as error:
            tell(error.message if isinstance(error, Rejected) else say("应为数字", "a number is expected"))


def _number(ask: Ask, tell: Callable[[str], None], question: str) -> int | None:
    def read() -> int | None:
        typed = ask(question + say("（不明留空）", " (empty: unknown)"), "").strip()
        return int(typed) if typed else None

    number: int | None = _again(tell, read)
    return number


def _point(ask: Ask, tell: Callable[[str], None]) -> tuple[float | None, float | None]:
    def read() -> tuple[float | None, float | None]:
        typed = ask(say("坐标 经度,纬度（WGS-84，可空）", "longitude,latitude (WGS-84, may be empty)"), "").replace("，", ",").strip()
        if not typed:
            return None, None
        lon, lat = (float(part) for part in typed.split(","))
        return lon, lat

    point: tuple[float | None, float | None] = _again(tell, read)
    return point


def _yes(typed: str) -> bool:
    return typed.strip().lower() in ("y", "yes", "是", "1", "true")

"""The grade that consequences suggest, with the criterion that fired. Pure; the table is data (`hub/data/grades.yaml`)."""

from __future__ import annotations

from functools import cache
from typing import Any

from msgspec import Struct

from hub.domain.data import packaged
from hub.wire import Casualties


class Suggested(Struct, frozen=True, kw_only=True):
    """A suggested grade: its id (`general` … `extraordinary`), the criterion that fired with its limit, and the rule it comes from."""

    grade: str
    criterion: str
    value: float
    limit: float
    zh: str
    en: str
    source: str


_NOUN = {"dead": ("死亡（含下落不明）", "dead or missing", "人"), "seriously_injured": ("重伤（含急性工业中毒）", "seriously injured", "人"),
         "loss_yuan": ("直接经济损失", "direct loss", "元")}


_UNKNOWN = Casualties()


@cache
def _table() -> Any:
    return packaged("grades")


def suggest_grade(casualties: Casualties | None, loss_yuan: float | None, event_types: tuple[str, ...]) -> Suggested | None:
    """The highest grade any criterion reaches; None where nothing is known of consequences, or for 社会安全事件, which has none.

    The missing are counted with the dead (第十二条 reports them; the grade is computed again when they are found).
    """
    if loss_yuan is None and (casualties is None or casualties is _UNKNOWN or casualties == _UNKNOWN):
        return None
    table = _table()
    if event_types and event_types[0][:2] in table["not_for_categories"]:
        return None
    values = _values(casualties, loss_yuan, event_types, table)
    for row in table["grades"]:
        for criterion, value in values.items():
            if value >= row[criterion]:
                return _suggested(row, criterion, value, table["source"])
    return None


def _values(casualties: Casualties | None, loss_yuan: float | None, event_types: tuple[str, ...], table: Any) -> dict[str, float]:
    known = casualties or Casualties()
    serious = known.seriously_injured or 0
    if any(code[:3] in table["poisoned_families"] for code in event_types):
        serious += known.poisoned or 0
    return {"dead": (known.dead or 0) + (known.missing or 0), "seriously_injured": serious, "loss_yuan": loss_yuan or 0}


def _suggested(row: Any, criterion: str, value: float, source: str) -> Suggested:
    zh, en, unit = _NOUN[criterion]
    return Suggested(
        grade=row["id"], criterion=criterion, value=value, limit=row[criterion], source=source,
        zh=f"{row['zh']}：{zh} {value:g} {unit}，达到 {row[criterion]:g} {unit}以上标准",
        en=f"{row['en']}: {en} {value:g}, which reaches {row[criterion]:g}",
    )

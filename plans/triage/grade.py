"""Suggests a grade from the stated consequences, with the criterion that fired. Pure; every threshold is data/grades.yaml.

Social security incidents have no statutory grade; no casualties and no loss, no grade.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from plans.triage.casualties import People
from plans.triage.text import Prepared, Standing, data

GRADES = ("一般", "较大", "重大", "特别重大")
_NAMES = {"dead": "死亡", "seriously_injured": "重伤", "loss_yuan": "直接经济损失", "evacuated": "疏散转移", "poisoned": "中毒"}


class _Threshold(msgspec.Struct, frozen=True):
    grade: str
    dead: int | None = None
    seriously_injured: int | None = None
    loss_yuan: int | None = None
    evacuated: int | None = None
    poisoned: int | None = None
    all_of: bool = False

    def limits(self) -> dict[str, int]:
        """The criteria this row names."""
        return {name: value for name in _NAMES if (value := getattr(self, name)) is not None}


class _Scale(msgspec.Struct, frozen=True):
    source: str
    title: str
    thresholds: list[_Threshold]
    families: list[str] = []
    poisoned_is_serious: list[str] = []
    counts_missing: list[str] = []


class Suggestion(msgspec.Struct, frozen=True):
    """A grade, why, and the field whose span shows it."""

    grade: str
    reason: str
    field: str


@lru_cache(maxsize=1)
def _scales() -> dict[str, _Scale]:
    return msgspec.convert(
        {name: {k: v for k, v in row.items() if k not in ("edition", "valid_from")} for name, row in data("grades.yaml")["scales"].items()},
        dict[str, _Scale],
    )


def _scale_for(family: str) -> _Scale:
    return next((s for s in _scales().values() if family in s.families), _scales()["work_safety"])


def suggest(prepared: Prepared, family: str, social: bool, people: People) -> Suggestion | None:
    """The highest grade that a stated figure or the text's own classification supports; None for social security incidents."""
    if social:
        return None
    by_figures = _from_figures(_scale_for(family), family, people)
    by_words = _from_words(prepared)
    if by_figures is None or (by_words is not None and GRADES.index(by_words.grade) > GRADES.index(by_figures.grade)):
        return by_words
    return by_figures


def _at_least(people: People, field: str) -> int | None:
    """The number stated, one more where the text says 余 or 多, or what 数十 and 上百 come to at the least."""
    stated, bound, figure = getattr(people.casualties, field), people.least.get(field), people.found.get(field)
    if stated is not None and figure is not None and figure.over and figure.value == stated:
        stated += 1
    return stated if bound is None else max(stated or 0, bound.value)


def _figures(scale: _Scale, family: str, people: People) -> dict[str, int]:
    casualties = people.casualties
    dead = _at_least(people, "dead")
    if family in scale.counts_missing and (casualties.missing or people.dead_or_missing):
        dead = max((dead or 0) + (casualties.missing or 0), people.dead_or_missing or 0)
    elif people.dead_or_missing is not None:
        dead = max(dead or 0, people.dead_or_missing)
    elif dead is None and casualties.missing:
        dead = casualties.missing
    serious, poisoned = _at_least(people, "seriously_injured"), _at_least(people, "poisoned")
    taken_ill = people.ill is not None and people.found.get("poisoned") is people.ill  # to hospital with a cough: no acute poisoning yet
    if family in scale.poisoned_is_serious and poisoned is not None and not taken_ill:
        serious = (serious or 0) + max(0, poisoned - (casualties.dead or 0))
    stated = {
        "dead": dead, "seriously_injured": serious, "loss_yuan": people.loss_yuan,
        "evacuated": casualties.evacuated, "poisoned": poisoned,
    }  # fmt: skip
    return {name: value for name, value in stated.items() if value is not None}


def _from_figures(scale: _Scale, family: str, people: People) -> Suggestion | None:
    figures = _figures(scale, family, people)
    named = {name for row in scale.thresholds for name in row.limits()}
    hurt = any(figures.get(n) for n in ("dead", "seriously_injured", "loss_yuan", "poisoned") if n in named or n == "poisoned")
    hurt = hurt or ("seriously_injured" in named and bool(people.casualties.injured or "injured" in people.least))
    over = [t for t in scale.thresholds if any(limit > 0 for limit in t.limits().values())]
    for row in over:
        met = [name for name, limit in row.limits().items() if figures.get(name, -1) >= limit]
        if met and (not row.all_of or len(met) == len(row.limits())):
            return _suggestion(scale, row, met[0], figures, family, people)
    if not hurt:
        return None
    field = next((n for n in ("dead", "seriously_injured", "loss_yuan", "poisoned") if figures.get(n)), "injured")
    value = figures.get(field, _at_least(people, "injured") or 0)
    name = _NAMES.get(field, "受伤")
    return Suggestion("一般", f"{name}{value}{_unit(field)}，未达到较大标准（{scale.title}）", field)


def _suggestion(scale: _Scale, row: _Threshold, field: str, figures: dict[str, int], family: str, people: People) -> Suggestion:
    note = ""
    if field == "dead" and people.casualties.missing and figures["dead"] != people.casualties.dead:
        note = "（含失踪）"
    if field == "seriously_injured" and people.casualties.poisoned and family in scale.poisoned_is_serious:
        note = "（含急性中毒）"
    limit = row.limits()[field]
    reason = f"{_NAMES[field]}{figures[field]}{_unit(field)}{note}≥{limit}{_unit(field)}，{row.grade}（{scale.title}）"
    return Suggestion(row.grade, reason, field)


def _unit(field: str) -> str:
    return "元" if field == "loss_yuan" else "人"


@lru_cache(maxsize=1)
def _stated_forms() -> tuple[re.Pattern[str], re.Pattern[str]]:
    raw = data("grades.yaml")
    return re.compile("|".join(raw["stated"])), re.compile(raw["stated_title"])


def _from_words(prepared: Prepared) -> Suggestion | None:
    body, title = _stated_forms()
    for number, sentence in enumerate(prepared.sentences):
        if sentence.standing is not Standing.MAIN:
            continue
        form = title if sentence.title or number == 0 else body
        match = form.search(prepared.text, sentence.start, sentence.end)
        if match is not None:
            grade = next((g for g in match.groups() if g), "重大")
            return Suggestion(grade, f"文中认定：{match[0]}", "grade")
        if number == 0 and (match := body.search(prepared.text, sentence.start, sentence.end)) is not None:
            return Suggestion(match[1], f"文中认定：{match[0]}", "grade")
    return None

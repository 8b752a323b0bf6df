"""Reads Arabic and Chinese numbers as Chinese news writes them. Pure.

数十, 数百 and 四五 (four or five) are no numbers: `parse` answers None.
"""

from __future__ import annotations

import re
from itertools import pairwise

NUMBER = r"(?:\d{1,3}(?:,\d{3}){1,4}|\d{1,13}(?:\.\d{1,6})?|[零〇一二两俩仨三四五六七八九十百千壹贰叁肆伍陆柒捌玖拾佰廿]{1,12}(?:点[零〇一二三四五六七八九]{1,4}(?=[万亿]))?)"
SCALE = r"(?:余|多|来|几)?(?:[万亿千百](?!元))?(?:余|多|来)?"

_DIGITS = (
    {c: i for i, c in enumerate("零一二三四五六七八九")}
    | {c: i for i, c in enumerate("〇壹贰叁肆伍陆柒捌玖")}
    | {"两": 2, "俩": 2, "仨": 3}
)
_DIGITS["〇"] = 0
_UNITS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000}
_SCALES = {"百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000}
_FORM = re.compile(rf"({NUMBER})(?:余|多|来|几)?([万亿千百]*)")
_ABOUT = frozenset(a + b for a, b in pairwise("一二三四五六七八九"))  # 四五名 is no 45
_LIMIT = 10_000_000_000_000


def parse(text: str) -> int | None:
    """The whole number that the text opens with (1.2万 -> 12000), or None."""
    match = _FORM.match(text)
    if match is None or len(match[1]) > 16:
        return None
    value = _arabic(match[1]) if match[1][0].isdigit() else _chinese(match[1])
    if value is None:
        return None
    for scale in match[2][:2]:
        value *= _SCALES[scale]
    return round(value) if value < _LIMIT else None


def _arabic(text: str) -> float | None:
    return float(text.replace(",", ""))


def _chinese(text: str) -> float | None:
    whole, point, rest = text.partition("点")  # 五十二点七五万
    if point:
        value = _chinese(whole)
        return None if value is None else value + float("0." + "".join(str(_DIGITS[char]) for char in rest))
    if len(text) == 2 and text in _ABOUT:
        return None
    if all(char in _DIGITS for char in text):
        return float("".join(str(_DIGITS[char]) for char in text)) if len(text) > 1 else float(_DIGITS[text])
    total, current = 0, 0
    for char in text:
        if char == "廿":
            total += 20
        elif char in _UNITS:
            total += (current or 1) * _UNITS[char]
            current = 0
        elif char in _DIGITS:
            current = _DIGITS[char]
    return float(total + current)

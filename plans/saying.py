"""What the decoder says of a value of the wrong shape, in Chinese. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_TYPES_ZH = {
    "object": "字段组", "array": "列表", "str": "文字", "int": "整数", "float": "数", "bool": "true 或 false", "null": "空", "date": "日期（2026-01-01）",
}
_SAYINGS: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"Object contains unknown field `([^`]+)`"), "没有字段“{0}”"),
    (re.compile(r"Object missing required field `([^`]+)`"), "缺少字段“{0}”"),
    (re.compile(r"Invalid enum value '([^']*)'"), "“{0}”不在取值范围内"),
    (re.compile(r"Invalid value '([^']*)'"), "“{0}”不在取值范围内"),
    (re.compile(r"Expected `([^`]+)`, got `([^`]+)`"), "应为{0}，却是{1}"),
    (re.compile(r"Expected `(?:float|int)` >= (\S+)"), "不得小于 {0}"),
    (re.compile(r"Expected `(?:float|int)` <= (\S+)"), "不得大于 {0}"),
    (re.compile(r"Expected `(?:float|int)` > (\S+)"), "必须大于 {0}"),
    (re.compile(r"Expected `(?:str|array)` of length >= (\d+)"), "长度不得少于 {0}"),
    (re.compile(r"Expected `(?:str|array)` of length <= (\d+)"), "长度不得超过 {0}"),
    (re.compile(r"Invalid RFC3339 encoded date"), "日期应写作 2026-01-31"),
    (re.compile(r"Expected `str` matching regex .*"), "只能用规定的字符（编号：小写字母、数字、连字符；事件代码：如 12D00）"),
)


def in_chinese(what: str) -> str:
    """The decoder's sentence in Chinese; one that is not known here stays as it is."""
    for pattern, saying in _SAYINGS:
        found = pattern.match(what)
        if found:
            return saying.format(*("或".join(_TYPES_ZH.get(part.strip(), part.strip()) for part in word.split("|")) for word in found.groups()))
    return what

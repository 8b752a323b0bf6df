"""What the decoder says of a value of the wrong shape, and the parser of a text that is no YAML, in Chinese. Pure."""

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


_SYNTAX_ZH: Sequence[tuple[str, str]] = (
    ("found a tab character", "缩进用了制表符（Tab），请改用空格"),
    ("found character that cannot start any token", "这里的字符不能开头；含 @ ` % 等符号的文字请加引号"),
    ("mapping values are not allowed", "冒号用在了不该用的地方：请检查缩进，含“: ”的文字请加引号"),
    ("did not find expected key", "缩进或引号与上文不一致，找不到下一个字段"),
    ("did not find expected '-' indicator", "列表缩进不一致，缺少“-”"),
    ("did not find expected ',' or ']'", "方括号未闭合，或缺少逗号"),
    ("did not find expected ',' or '}'", "花括号未闭合，或缺少逗号"),
    ("did not find expected node content", "括号内缺少内容"),
    ("did not find expected <document start>", "这一行不属于任何字段，请检查缩进"),
    ("found unexpected end of stream", "引号未闭合，直到文件末尾"),
    ("found unexpected document indicator", "引号内出现了文件分隔符 ---"),
    ("could not find expected ':'", "字段名后缺少冒号"),
    ("block sequence entries are not allowed", "列表项“-”用在了不该用的地方，请检查缩进"),
    ("block mapping keys are not allowed", "字段用在了不该用的地方，请检查缩进"),
    ("found unknown escape character", "双引号内有不认识的反斜杠转义；请改用单引号"),
    ("found invalid Unicode character escape code", "反斜杠转义的字符编号无效"),
    ("did not find expected hexdecimal number", "反斜杠转义的字符编号无效"),
    ("found undefined tag handle", "不允许使用类型标签"),
    ("did not find expected tag", "不允许使用类型标签"),
    ("did not find expected alphabetic or numeric character", "以 & 或 * 开头的文字请加引号"),
    ("found incompatible YAML document", "YAML 版本声明不受支持，请删去该行"),
    ("found unknown directive", "以 % 开头的行不受支持，请删去"),
)


def syntax_in_chinese(what: str) -> str:
    """What libyaml or PyYAML says of a text that is no YAML, in Chinese; what is not known here stays as it is."""
    return next((zh for said, zh in _SYNTAX_ZH if what.startswith(said)), what)

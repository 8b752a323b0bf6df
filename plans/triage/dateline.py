"""The agency, the town and the day at the head of a news text (新华社北京11月12日电): where and when it was written, not what happened. Pure."""

from __future__ import annotations

import re

_CN = r"(?:\d{1,2}|[一二三四五六七八九十]{1,3})"
_FORM = re.compile(
    rf"(?:(?<=\n)|(?<=。)|(?<=，)|(?<=【)|^)(?:[一-龥]{{2,8}}?(?:社|网|报|台|讯))?(?:[一-龥]{{2,8}}?)?(?:(?P<year>\d{{4}})年)?(?P<month>{_CN})月(?P<day>{_CN})日(?:电|讯)(?![话力视])"
)


def find(text: str) -> re.Match[str] | None:
    """The first dateline of a prepared text, with its `year` (or None), `month` and `day`; None where it has none."""
    return _FORM.search(text, 0, 400)


def blank(text: str) -> str:
    """The text with its dateline turned into commas; the length stays."""
    match = find(text)
    return text if match is None else text[: match.start()] + "，" * len(match[0]) + text[match.end() :]

"""Reads when the incident happened. Pure; a relative day (昨日, 今天) needs `now`. Times are China Standard Time.

A year or an hour that the text does not give is not made up: without an hour the answer is a date.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

import msgspec

from plans.triage.numbers import parse
from plans.triage.text import Prepared, Standing

CST = timezone(timedelta(hours=8))
_CN = r"(?:\d{1,2}|[一二三四五六七八九十]{1,3})"
_YEAR = r"(?:(?P<year>\d{4}|[一二〇零三四五六七八九]{4})年)?"
_PART = r"(?P<part>凌晨|清晨|早晨|早上|早|上午|中午|午后|下午|傍晚|晚间|晚上|晚|深夜|夜间|夜里|午夜|当晚|当日)?"
_CLOCK = rf"(?:约|许)?{_PART}(?P<hour>{_CN})(?:时|点|:|：)(?:(?P<minute>{_CN}|\d{{2}})分?|(?P<half>半))?"
_DAY = re.compile(rf"{_YEAR}(?P<month>{_CN})月(?P<day>{_CN})(?:日|号)(?:（[^）]{{0,10}}）)?(?:星期.|周.)?(?:{_CLOCK})?")
_RELATIVE = re.compile(rf"(?P<word>今天|今日|昨天|昨日|前天|昨(?=晚|夜|晨)|今(?=晚|早|晨))(?:（(?P<inside>\d{{1,2}})日）)?(?:{_CLOCK})?")
_DAY_ONLY = re.compile(rf"(?<![\d月.])(?P<day>\d{{1,2}})日(?:（[^）]{{0,10}}）)?(?:{_CLOCK})?")
_ISO = re.compile(r"(?P<year>(?:19|20)\d{2})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?:[T日]?(?P<hour>\d{1,2}):(?P<minute>\d{2}))?")
_BARE = re.compile(rf"(?<![\d年月日]){_CLOCK}")
_LATE = {"下午", "傍晚", "晚间", "晚上", "晚", "深夜", "夜间", "夜里", "午后", "当晚"}
_BACK = {"今天": 0, "今日": 0, "今": 0, "昨天": 1, "昨日": 1, "昨": 1, "前天": 2}


class When(msgspec.Struct, frozen=True):
    """An ISO 8601 date, or a time with +08:00, and its stretch of prepared text."""

    text: str
    start: int
    end: int


def occurred(prepared: Prepared, now: datetime | None) -> When | None:
    """When it happened, as far as the text (and `now`) say."""
    for sentence in prepared.sentences[:12]:
        if sentence.standing is Standing.UNREAL or (sentence.title and len(prepared.sentences) > 1):
            continue
        found = _in(prepared.text, sentence.start, sentence.end, now, prepared.year)
        if found is not None:
            return found
    return None


def _in(text: str, start: int, end: int, now: datetime | None, year: int | None) -> When | None:
    options = []
    for pattern, reader in ((_DAY, _absolute), (_ISO, _absolute), (_RELATIVE, _relative), (_DAY_ONLY, _day_only)):
        match = pattern.search(text, start, end)
        if match is not None:
            day = reader(match, now, year)
            if day is not None:
                options.append((match.start(), -match.end(), day, match))
    if options:
        _, _, day, match = min(options, key=lambda o: (o[0], o[1]))
        return _when(day, match)
    match = _BARE.search(text, start, end)
    if match is not None and now is not None and match.start() - start < 40:
        when = _when(now.astimezone(CST).date(), match)
        return when if "T" in when.text else None
    return None


def _whole(text: str | None) -> int | None:
    return None if not text else parse(text)


def _date(year: int, month: int | None, day: int | None) -> date | None:
    try:
        return date(year, month or 0, day or 0)
    except ValueError:
        return None


def _absolute(match: re.Match[str], now: datetime | None, main_year: int | None) -> date | None:
    month, day = _whole(match["month"]), _whole(match["day"])
    written = _whole(match["year"]) if match["year"] else main_year
    if written is not None:
        return _date(written, month, day)
    if now is None:
        return None
    today = now.astimezone(CST).date()
    this = _date(today.year, month, day)
    return this if this is None or this <= today else _date(today.year - 1, month, day)


def _relative(match: re.Match[str], now: datetime | None, main_year: int | None) -> date | None:
    return None if now is None else now.astimezone(CST).date() - timedelta(days=_BACK[match["word"]])


def _day_only(match: re.Match[str], now: datetime | None, main_year: int | None) -> date | None:
    """「8日8时」 without a month: the latest such day up to now."""
    day = _whole(match["day"])
    if now is None or day is None:
        return None
    today = now.astimezone(CST).date()
    for back in range(62):
        if (today - timedelta(days=back)).day == day:
            return today - timedelta(days=back)
    return None


def _when(day: date, match: re.Match[str]) -> When:
    groups = match.groupdict()
    hour = _whole(groups.get("hour"))
    if hour is None or hour > 24:
        return When(day.isoformat(), match.start(), match.end())
    minute = 30 if groups.get("half") else _whole(groups.get("minute")) or 0
    if groups.get("part") in _LATE and hour < 12:
        hour += 12
    if hour == 24:
        day, hour = day + timedelta(days=1), 0
    at = datetime(day.year, day.month, day.day, hour, min(minute, 59), tzinfo=CST)
    return When(at.isoformat(timespec="minutes"), match.start(), match.end())

"""Prepares a Chinese text for the rules: one spelling of digits and letters, spaces gone or read as commas, sentences with their standing.

Pure. Every position in the prepared text leads back to a position in the original.
"""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum
from functools import lru_cache
from importlib import resources
from itertools import pairwise
from typing import Any

import msgspec
import yaml

from hub.errors import Rejected
from plans import characters
from plans.triage import page

LIMIT_CHARS = 200_000  # longer than any investigation report; a bound on our own work, not a regulatory figure

_KEEP = set("，。、；：！？（）")


def _char_map() -> dict[int, str]:
    table: dict[int, str] = {}
    for code in range(0xFF01, 0xFF5F):
        if chr(code) not in _KEEP:
            table[code] = unicodedata.normalize("NFKC", chr(code))
    table.update((ord(old), new) for old, new in characters.pairs().items())
    for quote in "\u201c\u201d\u300c\u300d\u300e\u300f\u2018\u2019\uff02":
        table[ord(quote)] = '"'
    for dash in "\u2013\u2014\u2212\uff5e\u301c":
        table[ord(dash)] = "-" if dash not in "\uff5e\u301c" else "~"
    for sub, digit in zip("\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089", "0123456789", strict=True):
        table[ord(sub)] = digit
    table[ord("\u00b7")] = "."
    table[ord("\u3007")] = "〇"
    table[ord("(")] = "（"
    table[ord(")")] = "）"
    return table


_CHARS = _char_map()
# half-width commas, colons and full stops part clauses and sentences like full-width ones; 1,600 and 15:40 and 3.2 stay
_HALF = re.compile(r"(?<!\d)[,:]|[,:](?!\d)|(?<=[\u4e00-\u9fff）\x22])\.(?![\dA-Za-z.])")
_FULL = {",": "，", ":": "：", ".": "。"}
_SENTENCE_CHARS = 1000  # a longer run without a full stop is cut, which keeps the work linear
_SENTENCE_END = frozenset("。！？；!?;\n")
_TITLE, _FIRST, OPENING_WEIGHT = 3.0, 2.0, 1.6  # how much a sentence weighs; the second of the body ends the opening


class Standing(IntEnum):
    """How a sentence relates to the incident of the text."""

    MAIN = 0
    BACKGROUND = 1  # earlier or other events, statistics, history
    UNREAL = 2  # drills, hypotheses, prevention, denial


class Sentence(msgspec.Struct, frozen=True):
    """A stretch [start, end) of the prepared text. `weight` falls with the distance from the title.

    `setting`: it stands in a part that describes the plant, its surroundings or the nature of a substance.
    """

    start: int
    end: int
    title: bool
    weight: float
    standing: Standing
    setting: bool = False


class Prepared(msgspec.Struct, frozen=True):
    """The prepared text, the way back to the original, and the sentences in order."""

    original: str
    text: str
    origin: list[int]
    sentences: list[Sentence]
    year: int | None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original behind [start, end) of the prepared text."""
        return self.origin[start], self.origin[end - 1] + 1

    def opening(self) -> int:
        """The end of the title and the first two sentences, where a text names what it is about."""
        return max(sentence.end for sentence in self.sentences if sentence.weight >= OPENING_WEIGHT)

    def sentence_at(self, position: int) -> Sentence:
        """The sentence that holds this position."""
        low, high = 0, len(self.sentences) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self.sentences[middle].start <= position:
                low = middle
            else:
                high = middle - 1
        return self.sentences[low]


@lru_cache(maxsize=8)
def data(name: str) -> Any:
    """A YAML data file of this package, read once."""
    return yaml.safe_load(resources.files("plans.triage").joinpath("data", name).read_text("utf-8"))


def prepare(text: str) -> Prepared:
    """Normalise and cut a text of at most LIMIT_CHARS characters.

    Raises Rejected `empty_text` or `too_long`.
    """
    if len(text) > LIMIT_CHARS:
        raise Rejected(
            "too_long",
            f"文本有{len(text)}个字符，上限{LIMIT_CHARS}；请只粘贴事件部分",
            f"the text has {len(text)} characters, the limit is {LIMIT_CHARS}; paste the part about the incident",
            field="text",
        )
    chars: list[str] = []
    origin: list[int] = []
    plain = _HALF.sub(lambda half: _FULL[half[0]], text.translate(_CHARS))
    pauses = set() if _scattered(plain) else _pauses(plain)
    dropped, breaks = _markup(plain)
    dropped |= _wrapped(plain)
    for index, char in enumerate(plain):
        if index in dropped:
            continue
        if char == "\n" or char == "\r" or index in breaks:
            if chars and chars[-1] != "\n":
                chars.append("\n")
                origin.append(index)
        elif index in pauses:
            chars.append("，")
            origin.append(index)
        elif not (char.isspace() or char in "\u200b\u200c\u200d\ufeff"):
            chars.append(char)
            origin.append(index)
    joined = "".join(chars)
    low, high = page.body(joined)
    joined = joined[:low] + _unbroken(joined[low:high]) + joined[high:]
    if not joined.strip("\n"):
        raise Rejected("empty_text", "没有可读的文字", "there is no text to read", field="text")
    year, day = _dated(joined)
    return Prepared(text, joined, origin, _sentences(joined, (low, high), year, day), year)


# What a copied page holds between its words: 經（jīng）, which some pages put against copying, and tags of HTML; a tag of a block ends a line
_READING = re.compile(r"(?<=[\u4e00-\u9fff])（[a-zü]{0,5}[āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜ][a-zü]{0,4}\s?）")
_TAG = re.compile(
    r"</?(?:(?P<block>p|br|div|h[1-6]|li|tr|section|ul|table|title)|[a-z]{1,10})(?:\s[^<>\n]{0,400})?/?>|&nbsp;", re.IGNORECASE
)


def _markup(plain: str) -> tuple[set[int], set[int]]:
    """The characters that are no words of the text, and those of them at which a line ends."""
    found = [match for form in (_READING, _TAG) for match in form.finditer(plain)]
    breaks = {match.start() for match in found if match.groupdict().get("block")}
    return {index for match in found for index in range(*match.span())} - breaks, breaks


_FULL_LINE, _SLACK, _LINES_OF_A_PAGE = 28, 5, 3  # half-widths: the least width of a wrapped line, how much they differ; lines in a row


def _wrapped(plain: str) -> set[int]:
    """The ends of lines that only end because a page was full: three or more of one width after another, none of them a sentence's end."""
    ends: set[int] = set()
    run: list[tuple[int, int, int]] = []  # of each line: its end, its width, its characters
    start = 0
    for line in plain.splitlines(keepends=True):
        bare = line.rstrip("\r\n")
        width = sum(1 if char.isascii() else 2 for char in bare)
        if run and abs(width - run[0][1]) > _SLACK and len(bare) != run[0][2]:
            ends |= _joined(run, plain)
            run = []
        if width >= _FULL_LINE:
            run.append((start + len(bare), width, len(bare)))
        start += len(line)
    return ends | _joined(run, plain)


def _joined(run: list[tuple[int, int, int]], plain: str) -> set[int]:
    return {end for end, *_ in run if plain[end - 1] not in _SENTENCE_END} if len(run) >= _LINES_OF_A_PAGE else set()


_SPACED = re.compile(r"(?<=[\u4e00-\u9fff\d，。、])[ \t\u3000]+(?=[\u4e00-\u9fff\d])")
_SCATTERED, _LEAST_SPACES = 0.25, 6  # the share of pieces of one or two characters from which spaces mean nothing


def _scattered(plain: str) -> bool:
    """Whether spaces stand anywhere, as text recognition leaves them: many of the pieces between them are no clause but one or two characters."""
    spaces = [match.span() for match in _SPACED.finditer(plain)]
    if len(spaces) < _LEAST_SPACES:
        return False
    pieces = [after[0] - before[1] for before, after in pairwise(spaces)]
    return sum(length <= 2 for length in pieces) >= _SCATTERED * len(pieces)


# A poster sets every clause on a line of its own; three such lines one after another are clauses of a sentence
_POSTER = re.compile(r"(?<=\n)(?:(?!\D{0,8}\d{4}-\d{1,2}-\d{1,2})[^\n。！？；!?;：]{2,24}\n){3,}")


def _unbroken(text: str) -> str:
    """The text with the short lines of a poster joined by commas; its first line stays a title, and the length stays."""
    return _POSTER.sub(lambda lines: lines[0][:-1].replace("\n", "，") + "\n", text)


# A note typed on a phone parts its clauses with spaces; a space within a word or before a figure (造成 3 人) parts nothing.
_PAUSE = re.compile(r"(?<=[\u4e00-\u9fff\d][\u4e00-\u9fff])[ \t\u3000]+(?=[\u4e00-\u9fff]{2})")
# 2025/8/4 14:12: the day ends before the hour
_PAUSE_OF_CLOCK = re.compile(r"(?:(?<=[-/.]\d)|(?<=[-/.]\d\d))[ \t\u3000]+(?=\d{1,2}:\d{2})")
# 致2名幼儿死亡 12名幼儿受伤: each figure has its verb, and the space parts them
_PAUSE_OF_FIGURES = re.compile(
    r"\d(?:人|名|位|例)[\u4e00-\u9fff]{0,6}(?:死亡|身亡|遇难|受伤|重伤|轻伤|失踪|失联|获救|被困|中毒)(?P<space>[ \t\u3000]+)(?=\d{1,5}(?:余|多)?(?:人|名|位|例))"
)


def _pauses(plain: str) -> set[int]:
    ends = {match.start() for form in (_PAUSE, _PAUSE_OF_CLOCK) for match in form.finditer(plain)}
    return ends | {match.start("space") for match in _PAUSE_OF_FIGURES.finditer(plain)}


_YEAR = re.compile(r"(?<!\d)(19[5-9]\d|20[0-4]\d)年")


_DAY = re.compile(
    r"(?:(?P<year>19[5-9]\d|20[0-4]\d)年）?|(?P<iso>19[5-9]\d|20[0-4]\d)[-./](?=\d{1,2}[-./]\d{1,2}))?(?:(?P<month>\d{1,2}|[一二三四五六七八九十]{1,2})月|(?<=[-./])\d|(?<=年)\x22(?=\d{1,2}\.\d{1,2}\x22))"
)


_HEARD_OF = re.compile(
    r"(?:\d{1,2}月)?(?:\d{1,2}日)?(?:上午|下午)?(?:\d{1,2}[时点:：](?:\d{1,2}分?)?)?(?:许)?，?(?:我局|我办|我县|我区|市|县|区|本局)?(?:[一-龥]{2,8}?局)?(?:接到|收到|接群众|受理|公布|发布|印发|批复|生效|宣判|作出|判决|开庭)"
)


_EVENTFUL = re.compile(r"[死伤亡爆燃炸火漏塌震撞灾案疫毒溺翻沉坠]|事故|事件|发生|失踪|失联|遇难|被困")


def line_of_date(text: str, start: int, end: int) -> bool:
    """Whether the date at [start, end) stands in a short line of its own that tells of no event (来源：本网 发布时间：2023-06-07)."""
    low, high = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    return 0 < high - low <= 80 and "。" not in text[low:high] and _EVENTFUL.search(text, low, high) is None


def _dated(text: str) -> tuple[int | None, str | None]:
    """The year of the incident, and where the text gives none the first day it names (8月5日), by which other years are told apart.

    The year in which it was reported, published, complained of or tried serves only where the text gives no other.
    """
    told: int | None = None
    for match in _DAY.finditer(text, 0, 400):
        year = match["year"] or match["iso"]
        if year is not None and (line_of_date(text, match.start(), match.end()) or _HEARD_OF.match(text, match.end())):
            told = told or int(year)
            continue
        if year is not None:
            return int(year), None
        if told is not None and match["month"] is not None:
            return told, None
        day = re.compile(r"\d{1,2}日").match(text, match.end())
        if match["month"] is not None and day is not None:
            return None, match[0] + day[0]
    return told, None


def _cuts(text: str) -> list[tuple[int, int]]:
    pieces, start, quoted = [], 0, False
    for index, char in enumerate(text):
        quoted ^= char == '"'
        if char == '"' and index == start and not quoted:
            start = index + 1  # the quotation that the sentence before closes
        elif char in _SENTENCE_END or index - start >= _SENTENCE_CHARS:
            if index > start:
                pieces.append((start, index))
            start = index + 1 if char in _SENTENCE_END else index
    if start < len(text):
        pieces.append((start, len(text)))
    return pieces


# 一、 （一） 1. at the head of a short line or sentence: the parts of a report and their parts
_HEADING = re.compile(
    r"(?:(?P<first>第?[一二三四五六七八九十]{1,3}[、.章节])|(?P<second>（[一二三四五六七八九十]{1,3}）)|(?P<third>\d{1,2}[.、](?!\d)))?(?P<name>[^，。；：]{2,26})"
)
_LEVELS = ("first", "second", "third")


class _Part(IntEnum):
    """What a part of a report tells of."""

    EVENT = 0
    SETTING = 1
    AFTERMATH = 2  # duties, penalties, measures, like accidents, what was ruled out


class _PartsOfReport:
    """Follows the headings of a report; what a heading does not say holds on from the part around it."""

    def __init__(self, rules: _StandingRules) -> None:
        self._rules = rules
        self._open: dict[int, _Part] = {}

    def at(self, piece: str, alone: bool) -> _Part:
        """The part that `piece` stands in; `alone`: it is a line of its own."""
        heading = _HEADING.fullmatch(piece)
        level = next((n for n, name in enumerate(_LEVELS) if heading is not None and heading[name]), 0 if alone else None)
        if heading is not None and level is not None:
            told = self._told(heading["name"])
            if heading.lastgroup is not None and (told is not None or heading[_LEVELS[level]]):
                self._open = {n: part for n, part in self._open.items() if n < level}
                if told is not None:
                    self._open[level] = told
        return self._open[max(self._open)] if self._open else _Part.EVENT

    def _told(self, name: str) -> _Part | None:
        rules = self._rules
        forms = ((rules.event, _Part.EVENT), (rules.aftermath, _Part.AFTERMATH), (rules.setting, _Part.SETTING))
        return next((part for form, part in forms if form.search(name)), None)


_DATELINE = re.compile(r"[^\n]{0,20}?(?:\d{4}[-年./]\d{1,2}[-月./]\d{1,2}日?)，?(?:\d{1,2}:\d{2}(?::\d{2})?)?[^\n]{0,12}(?=\n)")


def _heading(text: str, low: int) -> tuple[int, int]:
    """How far the lines of date and source and a title go at the head of a text, which begins at `low`."""
    dated = _DATELINE.match(text, low)
    start = dated.end() + 1 if dated and dated.end() <= low + 40 else low
    end = text.find("\n", start)
    titled = end - start in range(1, 61) and not text[start:end].endswith(("。", "，", "："))
    return start, end if titled else start


def _sentences(text: str, own: tuple[int, int], year: int | None, day: str | None) -> list[Sentence]:
    rules = _standing_rules()
    opening, headline = _heading(text, own[0])
    behind, onward, recalling, elsewhere, headings = False, False, False, False, 0
    parts = _PartsOfReport(rules)
    done: list[Sentence] = []
    back = rules.looking_back.search(text, 0, 200) is not None
    if back:
        day = None  # a report of an inquiry speaks of a year that its own date does not show
    lately = _LATELY.search(text, 0, 200) is not None
    for number, (start, end) in enumerate(_cuts(text)):
        if start < own[0] or start >= own[1]:
            headings += start < own[0]
            done.append(Sentence(start, end, False, 0.25, Standing.BACKGROUND))
            continue
        title = opening <= start < headline
        headings += start < headline
        if number > 0 and rules.section.match(text[start:end]) is not None:
            behind = behind or rules.review.match(text[start:end]) is None or _told(text, done)
        part = (
            _Part.EVENT
            if start < headline
            else parts.at(text[start:end], text[end : end + 1] in ("\n", "") and text[start - 1 : start] in ("\n", ""))
        )
        body = number - headings
        late = 1.2 if start < 300 else 0.7 if start < 1500 else 0.25
        weight = _TITLE if title else _FIRST if body == 0 else OPENING_WEIGHT if body == 1 else late
        piece = text[start:end]
        other_year = (
            day is not None and day not in piece and (_YEAR.match(piece) is not None or _MONTH_OF_YEAR.search(piece) is not None)
        ) or (lately and _THIS_YEAR.match(piece) is not None)
        told = any(other.standing is Standing.MAIN and not other.title for other in done)
        goes_on = elsewhere and text[start - 1] != "\n" and rules.goes_on.match(piece) is not None
        recalls = body > 0 and (
            other_year
            or goes_on
            or (told and _STATISTICS.search(piece) is not None)
            or (told and ((recalling and rules.dated.match(piece) is not None) or rules.also.match(piece) is not None))
        )
        onward = onward or (told and rules.onward.search(piece) is not None)
        recalling = recalls or (body >= 0 and rules.recall.search(piece) is not None)
        if behind or onward or recalls or part is _Part.AFTERMATH:
            done.append(Sentence(start, end, title, weight, Standing.BACKGROUND))
        else:
            setting = part is _Part.SETTING
            done += [
                Sentence(*stretch[:2], title, weight, stretch[2], setting)
                for stretch in _parts(text, start, end, title, 0 if back and not _told(text, done, rules.looking_back) else body, year, rules)
            ]
        elsewhere = goes_on or (done[-1].standing is Standing.BACKGROUND and _EVENTFUL.search(text, done[-1].start, end) is not None)
    return done or [Sentence(0, len(text), False, 2.0, Standing.MAIN)]


def _told(text: str, done: list[Sentence], but: re.Pattern[str] | None = None) -> bool:
    """Whether the body of the text has told of an event so far; what 事故回顾 opens is else the event itself.

    A sentence that holds `but` only says that something is made known of it (近日公布一起事故的处理结果).
    """
    told = (one for one in done if one.standing is Standing.MAIN and not one.title)
    return any(
        _EVENTFUL.search(text, one.start, one.end)
        and _CERTAIN.search(text, one.start, one.end)
        and (but is None or but.search(text, one.start, one.end) is None)
        for one in told
    )


_CERTAIN = re.compile(r"\d[日号时点人名]|[今昨前][天日晨晚夜]|近日|日前")  # a day, an hour or a number of people: no event in general


# A text that tells of 今日 or 昨日 means another event by 今年3月18日
_LATELY = re.compile(r"今日|今天|今晨|昨日|昨天|昨晚|昨夜|昨晨|昨凌晨|前日|前天|前晚")
_THIS_YEAR = re.compile(r"今年\d{1,2}月\d{1,2}日")
_MONTH_OF_YEAR = re.compile(r"(?:19[5-9]\d|20[0-4]\d)年\d{1,2}月(?!\d|[上中下]旬)")  # a month as statistics name it
_STATISTICS = re.compile(r"统计，?(?:19[5-9]\d|20[0-4]\d)年(?:\d{1,2}月(?![\d上中下])|全年|[上下]半年|第)")
_COMMA = re.compile(r"[，,]")
_PURPOSE = re.compile(r"为(?:了)?(?:防止|避免|防范|预防|以防|杜绝)[^，。]*，")  # 为防止发生意外，200多名居民被疏散: only the aim is unreal


def _parts(
    text: str, start: int, end: int, title: bool, body: int, year: int | None, rules: _StandingRules
) -> list[tuple[int, int, Standing]]:
    """A background or unreal phrase holds from its clause to the end of the sentence; a denial holds to the end of its clause."""
    if not any(form.search(text[start:end]) for form in (rules.unreal, rules.background, rules.earlier, rules.aside, rules.denied)):
        return [(start, end, Standing.BACKGROUND if _older(text[start:end], year, body, title) else Standing.MAIN)]
    parts: list[tuple[int, int, Standing]] = []
    carried = Standing.MAIN
    low = start
    while low < end:
        comma = _COMMA.search(text, low, end)
        high = comma.end() if comma else end
        piece = text[low:high]
        if carried is Standing.MAIN and _PURPOSE.match(piece) is not None:
            _extend(parts, low, high, Standing.UNREAL)
            low = high
            continue
        if carried is Standing.MAIN:
            carried = _standing(piece, title, body if low == start else 1, year, rules)
        denial = rules.denied.search(text, low, high) if carried is Standing.MAIN else None
        if denial is None:
            _extend(parts, low, high, carried)
        else:
            _extend(parts, low, denial.start(), Standing.MAIN)
            _extend(parts, denial.start(), high, Standing.UNREAL)
        low = high
    return parts


def _extend(parts: list[tuple[int, int, Standing]], low: int, high: int, now: Standing) -> None:
    if high <= low:
        return
    if parts and parts[-1][2] is now:
        parts[-1] = (parts[-1][0], high, now)
    else:
        parts.append((low, high, now))


def _older(piece: str, year: int | None, body: int, title: bool) -> bool:
    """Only years before the year of the incident are spoken of."""
    years = [int(found) for found in _YEAR.findall(piece)]
    return bool(years) and year is not None and body > 0 and not title and all(found < year for found in years)


class _StandingRules(msgspec.Struct, frozen=True):
    section: re.Pattern[str]
    onward: re.Pattern[str]
    review: re.Pattern[str]
    background: re.Pattern[str]
    earlier: re.Pattern[str]
    aside: re.Pattern[str]
    unreal: re.Pattern[str]
    denied: re.Pattern[str]
    anchor: re.Pattern[str]
    recall: re.Pattern[str]
    dated: re.Pattern[str]
    also: re.Pattern[str]
    goes_on: re.Pattern[str]
    looking_back: re.Pattern[str]
    event: re.Pattern[str]
    aftermath: re.Pattern[str]
    setting: re.Pattern[str]


@lru_cache(maxsize=1)
def _standing_rules() -> _StandingRules:
    rows = data("standing.yaml")
    return _StandingRules(*(re.compile("|".join(rows[key])) for key in _StandingRules.__struct_fields__))


def _standing(piece: str, title: bool, body: int, year: int | None, rules: _StandingRules) -> Standing:
    if rules.unreal.search(piece):
        return Standing.UNREAL
    if title:
        return Standing.MAIN
    if (
        rules.background.search(piece)
        or (body > 0 and rules.earlier.search(piece))
        or (rules.aside.search(piece) and not (body == 0 and rules.anchor.search(piece)))
    ):
        return Standing.BACKGROUND
    return Standing.BACKGROUND if _older(piece, year, body, title) else Standing.MAIN

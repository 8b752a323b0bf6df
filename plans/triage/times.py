"""Reads when the incident happened. Pure; a relative day (昨日, 今天) needs `now`. Times are China Standard Time.

A year or an hour that the text does not give is not made up: without an hour the answer is a date.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

import msgspec

from plans.triage import dateline, lunar
from plans.triage.numbers import parse
from plans.triage.text import Prepared, Sentence, Standing, line_of_date

CST = timezone(timedelta(hours=8))
_CN = r"(?:\d{1,2}|[一二三四五六七八九十]{1,3})"
_YEAR = r"(?:(?P<year>\d{4}|[一二〇零三四五六七八九]{4})年)?"
_PART = r"(?:(?:晚上?|当晚|当[日天]|夜|早)(?=深夜|凌晨|清晨|夜里|上午|下午|中午|傍晚|晚|早))?(?P<part>凌晨|清晨|早晨|早上|早|上午|中午|午后|下午|傍晚|晚间|晚上|晚|深夜|夜间|夜里|午夜|当晚|当日|当天|(?<![上中下正])午)?"
_CLOCK = rf"(?:约|许|大约)?{_PART}(?:约|大约)?(?P<hour>{_CN}|零)(?:时|点|(?<=\d)[:：])(?:零?(?P<minute>{_CN}|\d{{2}})分?|(?P<half>半))?"
_AGO = {"今年": 0, "去年": 1, "前年": 2}
_DAY = re.compile(
    rf"(?P<ago>今年|去年|前年)?{_YEAR}(?P<month>{_CN})月(?P<day>{_CN})(?:日?(?:-|至|~|、|到){_CN})?(?:日|号)(?:（[^）]{{0,10}}）)?(?:星期.|周.)?(?:{_CLOCK})?"
)
_RELATIVE = re.compile(
    rf"(?P<word>今天|今日|昨天|昨日|前天|前日|昨(?=晚|夜|晨|午|早|凌|清|（\d)|今(?=晚|早|晨|午|凌|清|（\d)|前(?=晚))(?:[晚夜间晨](?=（))?(?:（(?:(?P<month_inside>\d{{1,2}})月)?(?P<inside>\d{{1,2}})日?）日?)?(?:{_CLOCK})?"
)
_DAY_ONLY = re.compile(rf"(?:(?<=本月)|(?<=当月)|(?<![\d月.一二三四五六七八九十第]))(?P<day>\d{{1,2}}|[一二三四五六七八九十]{{2,3}}(?!日(?:内|游|后|前|来|行|间))|(?:(?<=本月)|(?<=当月))[一二三四五六七八九十]|[一二三四五六七八九十](?=日(?:凌晨|清晨|早|上午|中午|下午|傍晚|晚|深夜|发生|突发|[一二三四五六七八九十]{{1,3}}时)))日(?:（[^）]{{0,10}}）)?(?:{_CLOCK})?")
_WEEKDAY = re.compile(
    rf"(?P<last>上)?(?:周|星期)(?P<weekday>[一二三四五六日天])(?=凌晨|清晨|早|上午|中午|下午|傍晚|晚|，|的|在|发生|通报|一[艘名辆架]|\d|约)(?:{_CLOCK})?"
)
_ISO = re.compile(r"(?P<year>(?:19|20)\d{2})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?:[T日，]?(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::\d{2})?)?")
_MONTHS = {"正": 1, "冬": 11, "腊": 12}
_LUNAR = re.compile(
    rf"(?:(?P<year>\d{{4}})年|(?P<word>今年|去年|前年))?(?:春节期间，?)?"
    rf"(?:(?:大年|年)(?P<new>初[一二三四五六七八九十]|三十)|(?P<eve>除夕)(?:当[天日]|(?=之?[夜晚上中下傍]|，|\d))"
    rf"|(?:(?P<named>农历|阴历|旧历)(?:[甲乙丙丁戊己庚辛壬癸][子丑寅卯辰巳午未申酉戌亥]年)?)?(?P<leap>闰)?(?P<month>正|冬|腊|{_CN})月"
    rf"(?P<day>初[一二三四五六七八九十]|廿[一二三四五六七八九]?|{_CN})(?!日|号|[\d余多几]|[一二三四五六七八九十]))"
    rf"(?:（[^）]{{0,14}}）)?(?:之?夜(?![里间]))?(?:{_CLOCK})?"
)
# when a text was written: 2025-02-10 16:00:16, 2007年08月27日21:12 新华网
_BEHIND_ADDRESS = re.compile(r"(?:https?|www)[^\u4e00-\u9fff\n]{0,60}?(?<!\d)(?P<year>(?:19|20)\d{2})年(?P<month>\d{1,2})月(?P<day>\d{1,2})日")
_ADDRESS = re.compile(r"(?:https?|www)[^\u4e00-\u9fff]{0,60}\Z")  # 标题http://www.example.com 2007年10月25日17:53
_WRITTEN = re.compile(
    r"[•.|-]{0,3}(?:https?：?//[a-zA-Z0-9./_-]{0,60}?)?(?:(?:来源|出处|作者|编辑|责任编辑)[:：]?[^。\d\n]{2,24}?)?(?:发布|更新|发表)?(?:时间|日期|人|于)?[:：]?\d{4}(?:[-/.]\d{1,2}[-/.]\d{1,2}|年\d{1,2}月\d{1,2}日(?=\d{1,2}:\d))[T，]?(?:\d{1,2}:\d{2}(?::\d{2})?)?[^，。]{0,14}"
)
_BARE = re.compile(rf"(?<![\d年月日晚晨夜一二三四五六七八九十])(?<!上午)(?<!下午)(?<!中午){_CLOCK}")
_LATE = {"午", "下午", "傍晚", "晚间", "晚上", "晚", "深夜", "夜间", "夜里", "午后", "当晚"}
_BACK = {"今天": 0, "今日": 0, "今": 0, "昨天": 1, "昨日": 1, "昨": 1, "前天": 2, "前日": 2, "前": 2}


class When(msgspec.Struct, frozen=True):
    """An ISO 8601 date, or a time with +08:00, and its stretch of prepared text."""

    text: str
    start: int
    end: int


def occurred(prepared: Prepared, now: datetime | None) -> When | None:
    """When it happened, as far as the text (and `now`) say: a day on which it was only reported gives way to any other.

    昨日 and 8日 are counted from the dateline where there is one, else from `now`.
    """
    line = dateline.find(prepared.text)
    published_on = _published_day(prepared.text)
    if prepared.year is None and published_on is not None:
        prepared = msgspec.structs.replace(prepared, year=published_on.year)
    today = now.astimezone(CST).date() if now else None
    written = _absolute(line, today, prepared.year) if line else None
    today = written or published_on or today
    text = dateline.blank(prepared.text)
    reported = None if line is None or written is None else When(written.isoformat(), line.start("month"), line.end())
    named = _named_day(prepared, text, today)
    if named is not None:
        return named
    told: date | None = None
    for sentence in prepared.sentences[:12]:
        if sentence.standing in (Standing.UNREAL, Standing.BACKGROUND) or (sentence.title and len(prepared.sentences) > 1):
            continue
        seen = sentence.start
        written_only = _WRITTEN.fullmatch(text, sentence.start, sentence.end) is not None
        waiting = _days(text, sentence.start, sentence.end, today, prepared.year)
        while waiting:
            day, match = waiting.pop(0)
            seen = match.end()
            published = written_only or (match.groupdict().get("year") and _of_the_page(prepared.text, text, sentence, match))
            if not published and not _REPORTED.match(text, match.end()) and not text.endswith(_UP_TO, sentence.start, match.start()):
                return _with_hour(prepared, text, sentence, _when(day, match), day, today)
            if told is None:
                reported, told = _when(day, match), day
                if line is None and ("month" in match.re.groupindex or match.re is _DAY_ONLY):
                    today = day  # 12月7日通报说，6日12时: of that month
                    waiting = _days(text, seen, sentence.end, today, prepared.year)
        clock = None if today is None else _clock(text, sentence, seen, today, told, line is not None)
        if clock is not None:
            return clock
    return reported or _in_title(prepared, text, today)


def _of_the_page(whole: str, text: str, sentence: Sentence, match: re.Match[str]) -> bool:
    """Whether a date with its year is the page's own: a line of its own, or behind an address."""
    return line_of_date(whole, match.start(), match.end()) or _ADDRESS.search(text, max(sentence.start, match.start() - 60), match.start()) is not None


_DAY_FIRST = re.compile(r"(?<![\d.])(?P<day>0?[1-9]|[12]\d|3[01])\.(?P<month>0?[1-9]|1[0-2])\.(?P<year>(?:19|20)\d{2})(?=\d{1,2}:\d{2}|[^\d.]|$)")


def _published_day(text: str) -> date | None:
    """The day of a line that dates a page day first (15.06.2015 10:21), or that stands behind the page's address."""
    match = _DAY_FIRST.search(text, 0, 300)
    if match is not None and line_of_date(text, *match.span()):
        return _date(int(match["year"]), int(match["month"]), int(match["day"]))
    addressed = _BEHIND_ADDRESS.search(text, 0, 600)
    return None if addressed is None else _date(int(addressed["year"]), int(addressed["month"]), int(addressed["day"]))


def _in_title(prepared: Prepared, text: str, today: date | None) -> When | None:
    """The day that only a title names (1月17日15时许, as the first line of a poster)."""
    for sentence in prepared.sentences[:3]:
        for day, match in _days(text, sentence.start, sentence.end, today, prepared.year) if sentence.title else ():
            if not _REPORTED.match(text, match.end()):
                return _when(day, match)
    return None


def _with_hour(prepared: Prepared, text: str, own: Sentence, when: When, day: date, today: date | None) -> When:
    """The hour (and the year, or a later day) of the event, where the text tells of it more exactly than where it names the day first.

    27日发生一起透水事故。……27日12时30分左右，2号井突发透水; 11日从甲地运粗苯到乙地。次日凌晨2时许行驶至某村侧翻: the first day is of another thing.
    """
    if _HEARD.match(text, when.end) is not None and (own_time := _said_to_be(prepared, text, own, day, today)) is not None:
        return own_time
    when = _with_month(prepared, text, when, day)
    day = date.fromisoformat(when.text[:10])
    if "T" not in when.text and (clock := _SAME_DAY.search(text, when.end, own.end)) is not None and _OVER.match(text, clock.end()) is None:
        return _when(day, clock)
    if "T" not in when.text:
        clock = _BARE.search(text, when.end, min(own.end, when.end + _NEAR))
        if clock is not None and not _in_range(text, clock) and not _OVER.match(text, clock.end()) and not _EVENT.search(text, when.end, clock.start()):
            return _when(day, clock)
    told_of = _EVENT.search(text, own.start, own.end) is not None
    if "T" in when.text and told_of:
        return when
    for sentence in (s for s in prepared.sentences[:10] if s.standing is Standing.MAIN and s.start >= own.end):
        for dated_day, match in [*_days(text, sentence.start, sentence.end, today or day, day.year), *_next_day(text, sentence, day)]:
            other = _beside(day, match, today) or dated_day
            if other is None or _REPORTED.match(text, match.end()) or text.endswith(_UP_TO, sentence.start, match.start()):
                continue
            told = _when(other, match)
            dated = prepared.year is None and match.groupdict().get("year") is not None and (other.month, other.day) == (day.month, day.day)
            happened = _HAPPENED.match(text, match.end()) is not None or text.endswith(_AT_THE_TIME, sentence.start, match.start())
            same = other == day or match.groupdict().get("word") in ("今", "今天", "今日")
            later = "T" not in when.text or _SUDDEN.match(text, match.end()) is not None
            if "T" in told.text and later and (dated or (happened and (same or not told_of))):
                return told
    return when


def _with_month(prepared: Prepared, text: str, when: When, day: date) -> When:
    """The same day and hour with the month that a later sentence names (1日11时55分……2月1日11时55分)."""
    if _DAY_ONLY.match(text, when.start) is None:
        return when
    for match in _DAY.finditer(text, when.end, when.end + 400):
        told = _absolute(match, None, day.year)
        exact = None if told is None else _when(told, match)
        if exact is not None and told is not None and told.day == day.day and match["hour"] and ("T" not in when.text or exact.text[10:] == when.text[10:]):
            return exact
    return when


_HEARD = re.compile(r"(?:许|左右|前后)?，?[^，。；\n]{0,16}?(?:接到|接报|接警|报警|求救)")


def _said_to_be(prepared: Prepared, text: str, own: Sentence, day: date, today: date | None) -> When | None:
    """The day and hour at which the text says it happened, where the first it names are of the call (事情发生在29日23时50分许)."""
    for sentence in (s for s in prepared.sentences[:10] if s.standing is Standing.MAIN and s.start >= own.start):
        for dated_day, match in _days(text, sentence.start, sentence.end, today or day, day.year):
            told = _when(_beside(day, match, today) or dated_day, match)
            if "T" in told.text and text.endswith(_AT_THE_TIME, sentence.start, match.start()):
                return told
    return None


_RANGE = frozenset("-~至到")  # 4时至9时 is a length of time


def _in_range(text: str, clock: re.Match[str]) -> bool:
    """Whether an hour is one end of a length of time (工作日：9:00-18:00)."""
    return text[clock.start() - 1 : clock.start()] in _RANGE or text[clock.end() : clock.end() + 1] in _RANGE


_NEAR = 24  # characters between a day and its hour (9月12日，检修后进行开车，17:10分)
_AT_THE_TIME = ("发生在", "发生于", "发生时间为", "事发", "时间为", "发生于今", "发生在约")
_EVENT = re.compile(
    r"(?<!未)发生|突发|起火|着火|失火|自燃|燃烧|爆炸|爆燃|闪爆|坠|沉没|坍塌|垮塌|泄漏|泄露|外泄|侧翻|翻车|相撞|追尾|碰撞|脱轨|遇险|透水|失联|失踪|跳闸|停电"
    r"|中毒|死|亡|伤|溺|被困|遇难|火灾|地震|震级|暴雨|洪|台风|砸|撞|炸|倒|塌|漏|落水|确诊|感染|腹泻|呕吐|袭"
)
_NEXT = re.compile(rf"(?P<word>次日|翌日|第二天){_CLOCK}")
_SAME_DAY = re.compile(rf"(?:当天|当日|当晚){_CLOCK}")


def _beside(day: date, match: re.Match[str], today: date | None) -> date | None:
    """The day of a mention without a month: 昨日 of the day of writing, 27日 of the month of `day`; None for any other."""
    if match.re is _RELATIVE:
        return _relative(match, today, day.year)
    return _date(day.year, day.month, _whole(match["day"])) if match.re is _DAY_ONLY else None


_SUDDEN = re.compile(r"(?:许|左右|前后)?，?[^。；]{0,40}?(?:(?<!未)发生|突发|突然|起火|爆炸|泄漏|侧翻|相撞|追尾|途[经径]|行驶至|遭)")


def _next_day(text: str, sentence: Sentence, day: date) -> list[tuple[date, re.Match[str]]]:
    """次日凌晨3时许 after `day`, and 当天凌晨1时 or an hour without a day, which are of `day`."""
    done = [(day + timedelta(days=1), match) for match in _NEXT.finditer(text, sentence.start, sentence.end)]
    done += [(day, match) for match in _SAME_DAY.finditer(text, sentence.start, sentence.end)]
    return done + [(day, match) for match in _BARE.finditer(text, sentence.start, sentence.end)]


_HAPPENED = re.compile(
    r"(?:许|左右|前后)?，?[^。；]{0,64}?"
    r"(?:(?<!未)发生|突发|突然|起火|着火|失火|爆炸|坠|沉没|坍塌|垮塌|泄漏|侧翻|相撞|追尾|脱轨|脱线|遇险|透水|失联|跳闸|停电|行驶至|行至|途径|途经|晕倒|昏迷|出现|中毒|触电|溺水|落水|滑坡|燃烧|爆燃|闪爆|自燃)"
)


def _named_day(prepared: Prepared, text: str, today: date | None) -> When | None:
    """The day that the name of the event gives: 《某公司"7.21"火灾事故调查报告》, whatever days stand before it; with its hour where the text says that day itself."""
    name = _NAMED.search(text, 0, 300)
    if name is None:
        return None
    for sentence in prepared.sentences[:30]:
        for day, match in _days(text, sentence.start, sentence.end, today, prepared.year):
            if (day.month, day.day) == (int(name["month"]), int(name["day"])) and "month" in match.re.groupindex:
                return _when(day, match)
    year = prepared.year or (today.year if today else None)
    named = None if year is None else _date(year, int(name["month"]), int(name["day"]))
    if named is not None and today is not None and named > today:
        named = _date(named.year - 1, named.month, named.day)
    return None if named is None else When(named.isoformat(), name.start("month"), name.end("day"))


def _clock(text: str, sentence: Sentence, seen: int, today: date, told: date | None, dated: bool) -> When | None:
    """An hour without a day near the head of its sentence and behind the days `seen` in it; with 当日 it is of the day `told`."""
    bare = _BARE.search(text, seen, sentence.end)
    if bare is None or _REPORTED.match(text, bare.end()) or text.endswith(_UP_TO, sentence.start, bare.start()) or _in_range(text, bare):
        return None
    if bare["part"] not in _SAME and bare.start() - max(sentence.start, seen) >= 40:
        return None
    if _OVER.match(text, bare.end()) or (bare["part"] in _SAME and told is None and not dated):
        return None  # when it was put out, or an hour of a day that the text does not give
    when = _when(told if told and bare["part"] in _SAME else today, bare)
    return when if "T" in when.text else None


_REPORTED = re.compile(
    r"）?(?:(?!发生|突发|起火|爆炸|造成|导致|致|接报|接警|接获|接到)[^，。；\n]){0,20}?(?:通报|发布|消息|信息(?=，|：)|发稿|获悉|了解到|报道|报导|公布|公告|通告|表示|介绍|宣布|证实|透露|披露|说|称|报告|统计|电(?=（|\Z)|讯)"
    r"|(?:综合)?电(?=）|\))|，[^，。；\n]{0,12}?(?:社|报|网|台|记者)[^，。；\n]{0,6}?(?:转发|报道|播出|发布|发文|赶到|来到|在现场|看到)"
    r"|，(?:(?:本报|新华社|中新社|央视)?记者)?(?:从|在)(?:(?!发生|突发|造成)[^，。；\n]){0,30}?(?:获悉|了解到|证实)"
    r"|，(?:(?!发生|突发|造成)[^，。；\n]){0,24}?(?:发布|公布|通报|批复)(?:了)?(?=[《\"]|[^，。；\n]{0,44}(?:调查报告|情况通报))"
)
_OVER = re.compile(r"(?:许|左右|[前后])?，?[^，。；]{0,8}(?:扑灭|熄灭|排除|恢复|完毕|成功|结束|救出|得到控制|被控制|解除)")
_NAMED = re.compile(r"(?:\"(?P<month>1[0-2]|0?[1-9])[.•・·](?P<day>3[01]|[12]\d|0?[1-9])\")")
_UP_TO = ("，到", "截至", "截至记者", "截止", "截止记者", "截止到", "截至到", "至")
_SAME = {"当日", "当天", "当晚"}  # 10月20日通报，当日7时许……


def _days(text: str, start: int, end: int, today: date | None, year: int | None) -> list[tuple[date, re.Match[str]]]:
    """The days a sentence names, in order of mention; of two readings at one place the longer."""
    options = []
    for pattern, reader in ((_DAY, _absolute), (_ISO, _absolute), (_LUNAR, _lunar), (_RELATIVE, _relative), (_DAY_ONLY, _day_only), (_WEEKDAY, _weekday)):
        for match in pattern.finditer(text, start, end):
            day = reader(match, today, year)
            if day is not None:
                options.append((match.start(), -match.end(), day, match))
    done: list[tuple[date, re.Match[str]]] = []
    for _, _, day, match in sorted(options, key=lambda o: o[:2]):
        if done and done[-1][1].re is _RELATIVE and match.re is _DAY and match.start() - done[-1][1].end() <= 1:
            done.pop()  # 近前日，2月14日
        if not done or match.start() >= done[-1][1].end():
            done.append((day, match))
    return done


def _whole(text: str | None) -> int | None:
    return None if not text else parse(text)


def _date(year: int, month: int | None, day: int | None) -> date | None:
    try:
        return date(year, month or 0, day or 0)
    except ValueError:
        return None


def _absolute(match: re.Match[str], today: date | None, main_year: int | None) -> date | None:
    month, day = _whole(match["month"]), _whole(match["day"])
    ago = match.groupdict().get("ago")
    if ago is not None and today is not None:
        return _date(today.year - _AGO[ago], month, day)
    written = _whole(match["year"]) if match["year"] else main_year
    if written is not None:
        return _date(written, month, day)
    if today is None:
        return None
    this = _date(today.year, month, day)
    return this if this is None or this <= today else _date(today.year - 1, month, day)


def _relative(match: re.Match[str], today: date | None, main_year: int | None) -> date | None:
    if today is None:
        return None
    if match["month_inside"]:
        day = _date(main_year or today.year, int(match["month_inside"]), int(match["inside"]))
        return day if day is None or day <= today or main_year else _date(today.year - 1, day.month, day.day)
    return _latest(today, int(match["inside"])) if match["inside"] else today - timedelta(days=_BACK[match["word"]])


def _lunar(match: re.Match[str], today: date | None, main_year: int | None) -> date | None:
    """「大年初一」「腊月廿三」「除夕」: of the year named, else the latest up to `today`; a month by number counts as lunar with 农历 or 初."""
    month, day = _lunar_day(match)
    if not month:
        return None
    ago = _AGO.get(match["word"] or "")
    year = int(match["year"]) if match["year"] else main_year if ago is None else today.year - ago if today else None
    if year is not None:
        return lunar.last_day_of(year - 1) if day == _EVE else lunar.day_of(year, month, day)
    if today is None:
        return None
    found = [
        lunar.last_day_of(number) if day == _EVE else lunar.day_of(number, month, day) for number in (today.year, today.year - 1, today.year - 2)
    ]
    return max((one for one in found if one is not None and one <= today), default=None)


_EVE = 31


def _lunar_day(match: re.Match[str]) -> tuple[int, int]:
    """The month (negative: leap) and the day, _EVE for the last of the year; (0, 0) where the words are no lunar day."""
    if match["eve"] or match["new"] == "三十":
        return 12, _EVE
    said = match["new"] or match["day"]
    day = parse(said.removeprefix("初")) or 0
    if match["new"]:
        return 1, day
    named = _MONTHS.get(match["month"])
    if named is None and not (match["named"] or match["leap"] or said.startswith("初")):
        return 0, 0
    month = named or parse(match["month"]) or 0
    return (-month if match["leap"] else month), day


def _day_only(match: re.Match[str], today: date | None, main_year: int | None) -> date | None:
    """「8日8时」 without a month: the latest such day up to `today`."""
    number = _whole(match["day"])
    return None if today is None or number is None else _latest(today, number)


def _latest(today: date, number: int) -> date | None:
    days = (today - timedelta(days=back) for back in range(62))
    return next((day for day in days if day.day == number), None)


def _weekday(match: re.Match[str], today: date | None, main_year: int | None) -> date | None:
    """周日 is the latest Sunday up to `today`, 上周日 that of the week before this one (weeks begin on Monday)."""
    if today is None:
        return None
    number = min("一二三四五六日天".index(match["weekday"]), 6)
    back = (today.weekday() - number) % 7
    if match["last"]:
        back = today.weekday() + 7 - number
    return today - timedelta(days=back)


def _when(day: date, match: re.Match[str]) -> When:
    groups = match.groupdict()
    hour = _whole(groups.get("hour"))
    if hour is None or hour > 24:
        return When(day.isoformat(), match.start(), match.end())
    minute = 30 if groups.get("half") else _whole(groups.get("minute")) or 0
    if groups.get("part") in _LATE and hour < 12:
        hour += 12
    if groups.get("part") == "中午" and 0 < hour < 10:
        hour += 12  # 中午1点半
    if hour == 24:
        day, hour = day + timedelta(days=1), 0
    at = datetime(day.year, day.month, day.day, hour, min(minute, 59), tzinfo=CST)
    return When(at.isoformat(timespec="minutes"), match.start(), match.end())

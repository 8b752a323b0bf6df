"""Reads wind as people write it (东南风3级, SE, 135°) or sensors measure it, and says how far it can be trusted. Pure, `at` is an argument.

The direction is always where the wind comes from; `rules.yaml` (wind) and `winds.csv`, `beaufort.csv` hold names and limits.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from functools import cache

from msgspec import Struct

from hub.errors import Rejected
from plans.characters import simplified
from plans.hazmat import tables
from plans.hazmat.model import Wind, WindClass, Words

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_NUMBER = r"(?:\d+(?:\.\d+)?|[零〇一二两三四五六七八九十]+)"
_FORCE = re.compile(rf"({_NUMBER})\s*(?:[-~－—–至到、]\s*({_NUMBER})\s*)?级")
_FORCE_EN = re.compile(r"\b(?:force|beaufort|bft|f)\s*(\d+)(?:\s*(?:-|to)\s*(\d+))?(?![\d.])|(?<![\d.])(\d+)(?:\s*(?:-|to)\s*(\d+))?\s*(?:bft|beaufort)\b", re.IGNORECASE)
# degrees that are none of the wind: 气温12度, 12℃, 北纬34.8度
_NOT_WIND = re.compile(
    r"(?:气温|温度|体感|[东西]经|[南北]纬)\s*[:：为约]?\s*-?\d+(?:\.\d+)?\s*(?:°C?|度|摄氏度)?|-?\d+(?:\.\d+)?\s*(?:°C\b|摄氏度)", re.IGNORECASE
)
_GUST = re.compile(rf"阵风\D{{0,3}}?({_NUMBER})\s*(?:[-~－—–至到]\s*({_NUMBER})\s*)?级|阵风\D{{0,3}}?(\d+(?:\.\d+)?)\s*(?:m/s|米)")
_BELOW = re.compile(r"级?以[下内]|不[到足超]|[小低少]于|[≤<]")
_SPEED = re.compile(
    r"(-?\d+(?:\.\d+)?)\s*(?:[-~－—–至到]\s*(\d+(?:\.\d+)?)\s*)?(m/s|米每秒|米/秒|米|km/h|公里/小时|公里每小时|千米/小时|kts?\b|knots?\b|节|mph\b)", re.IGNORECASE
)
# the first letters of a unit -> how many of it make one metre per second
_PER_MS = {"kt": 3600 / 1852, "kn": 3600 / 1852, "节": 3600 / 1852, "mp": 1 / 0.44704, "k": 3.6, "公": 3.6, "千": 3.6}
_DEGREES = re.compile(r"(?<![A-Za-z\d.])(-?\d+(?:\.\d+)?)\s*(?:°|度|deg(?:rees?)?\b)", re.IGNORECASE)
_BARE = re.compile(r"(?:^|风向(?:角)?[\s:：为是=]*|\b(?:wind|from)\s+)(-?\d+(?:\.\d+)?)(?=$|[\s,，;；@/])", re.IGNORECASE)
# 南偏东15°, S 15° E: from the first point so many degrees to the second
_QUADRANT = re.compile(r"([东南西北])偏([东南西北])\s*(\d+(?:\.\d+)?)\s*(?:°|度)?|(?<![A-Za-z])([NS])\s*(\d+(?:\.\d+)?)\s*°?\s*([EW])(?![A-Za-z])", re.IGNORECASE)
_QUARTERS = {"北": 0, "N": 0, "东": 90, "E": 90, "南": 180, "S": 180, "西": 270, "W": 270}
_TOWARDS = re.compile(
    r"(?:[吹刮飘漂](?:向|往|到)|[飘漂](?=[东南西北偏])|(?<![风方])(?:往|向|朝)(?=[东南西北偏\d])|(?:往|向|朝)(?=[东南西北偏\d.°度]+(?:方向?)?(?:吹|刮|飘|漂|扩散))|[下顺]风(?:方向|[向方侧])?[\s:：为是在]*(?=[东南西北偏])"
    r"|\bblow(?:s|ing)?\s+(?:to|towards?)\b|\bdrift(?:s|ing)?\b|\btowards?\b)",
    re.IGNORECASE,
)
# 西北方向扩散: what the named side is said to get
_DRIFTS = re.compile(r"(?:方向?|向|侧|边|面)?(?:正在|已)?(?:扩散|飘|漂|移动|蔓延)")
# 吹西北, 西北方向有烟: a north-west wind or one towards the north-west? In one of two the wedge would lie the wrong way round
_EITHER_WAY = re.compile(r"[吹刮](?=[东南西北偏])|[烟雾味]")
_SPLIT_POINT = re.compile(r"\b(north|south)[\s-]+(east|west)", re.IGNORECASE)
_GAP = re.compile(r"(?<=[东南西北偏])\s+(?=[东南西北偏风])")
_TURNS = r"(?:方向?|风)?\s*(?:转为?|到|至|或|间|、|/|[-~－—–]|\bor\b)\s*"
_VARIABLE = re.compile(r"风向不[定明详]|风向未[知明]|风向多变|无持续风向|旋转风|旋转不定|variable|\bVRB\b", re.IGNORECASE)
_CALM = re.compile(r"静风|静稳|无风|无明显风|没有风|没风|\bcalm\b|no wind", re.IGNORECASE)


class WindUse(Struct, frozen=True, kw_only=True):
    """What a wind is good for at a moment: `from_deg` is None where a circle has to be drawn. `half_extra_deg` widens the wedge."""

    from_deg: float | None
    half_extra_deg: float
    stale: bool
    age_s: float | None
    notes: tuple[Words, ...]


def _bad_direction(value: object) -> Rejected:
    return Rejected(
        "bad_wind_direction", f"风向应为0到360度，收到{value}。", f"A wind direction lies between 0 and 360 degrees, not {value}.", field="wind.from_deg"
    )  # fmt: skip


def _direction(value: float) -> float:
    if not math.isfinite(value) or not 0 <= value <= 360:
        raise _bad_direction(f"{value:g}")
    return value % 360


def _speed(value: float) -> float:
    limit = float(tables.rules()["wind"]["max_speed_ms"])
    if not math.isfinite(value) or not 0 <= value <= limit:
        raise Rejected("bad_wind_speed", f"风速应为0到{limit:g}米/秒。", f"A wind speed lies between 0 and {limit:g} m/s.", field="wind.speed_ms")
    return value


def measured(from_deg: float | None, speed_ms: float | None, observed_at: datetime | None, *, origin: str, uncertainty_deg: float | None = None) -> Wind:
    """A wind from a sensor: degrees it comes from, mean speed in m/s. Raises Rejected(bad_wind_direction, bad_wind_speed)."""
    rule = tables.rules()["wind"]
    direction = None if from_deg is None else _direction(float(from_deg))
    speed = None if speed_ms is None else _speed(float(speed_ms))
    if uncertainty_deg is not None and not (math.isfinite(uncertainty_deg) and 0 <= uncertainty_deg <= 180):
        raise Rejected("bad_wind_uncertainty", "风向不确定度应为0到180度。", "The uncertainty of a direction lies between 0 and 180 degrees.", field="wind.uncertainty_deg")
    uncertainty = float(rule["measured_uncertainty_deg"]) if uncertainty_deg is None else float(uncertainty_deg)
    text = f"{'?' if direction is None else f'{direction:g}°'} {'?' if speed is None else f'{speed:g} m/s'}"
    return Wind(
        from_deg=direction, uncertainty_deg=uncertainty, speed_min_ms=speed, speed_max_ms=speed, observed_at=observed_at,
        origin=origin, text=text, variable=direction is None,
    )  # fmt: skip


def parse(text: str, observed_at: datetime | None = None) -> Wind:
    """Read a typed wind: names in Chinese or English, degrees, 级, m/s, km/h, gusts, 静风, "吹向西北".

    Raises Rejected: bad_wind_direction (999°), bad_wind_speed, ambiguous_wind (吹西北), unknown_wind for a text that says nothing of wind.
    """
    if len(text) > 200:
        raise Rejected("unknown_wind", "风的描述过长。", "The description of the wind is too long.", field="wind")
    said = simplified(unicodedata.normalize("NFKC", text)).strip()
    gust, rest = _take_gust(_NOT_WIND.sub(" ", said))
    minimum, maximum, rest = _take_speed(rest)
    force_name = None
    if minimum is None and (named := _named_force(rest)) is not None:
        force_name, minimum, maximum = named
    if minimum is not None and _BELOW.search(said):
        minimum = 0.0
    variable, calm = bool(_VARIABLE.search(rest)), bool(_CALM.search(rest))
    if calm and maximum is None:
        minimum, maximum = _force_range(0, 0)
    direction, uncertainty = (None, 0.0) if variable or calm else _take_direction(rest)
    variable = variable or (direction is None and not calm and _names()[1].search(rest) is not None)
    if direction is None and minimum is None and not variable:
        raise Rejected("unknown_wind", f"看不懂的风：{text}", f"Not a wind: {text}", field="wind")
    return Wind(
        from_deg=direction, uncertainty_deg=uncertainty, speed_min_ms=minimum, speed_max_ms=maximum, observed_at=observed_at,
        origin="typed", text=text, gust_ms=gust, variable=variable, force_name=force_name,
    )  # fmt: skip


def _number(text: str) -> float:
    if text[0].isdigit():
        return float(text)
    if "十" in text:
        tens, _, ones = text.partition("十")
        return float((_DIGITS[tens] if tens else 1) * 10 + (_DIGITS[ones] if ones else 0))
    return float("".join(str(_DIGITS[c]) for c in text))


def _force_range(low: float, high: float) -> tuple[float, float]:
    """Speeds (m/s) of a range of wind force. Raises Rejected(bad_wind_speed) for a force that does not exist."""
    by_force = {int(row["force"]): row for row in tables.rows("beaufort")}
    try:
        return float(by_force[int(low)]["min_ms"]), float(by_force[int(high)]["max_ms"])
    except KeyError:
        raise Rejected("bad_wind_speed", "风力等级应为0到17级。", "Wind force goes from 0 to 17.", field="wind.force") from None


def _take_gust(text: str) -> tuple[float | None, str]:
    found = _GUST.search(text)
    if not found:
        return None, text
    low, high, speed = found.groups()
    gust = _speed(float(speed)) if speed else _force_range(_number(low), _number(high or low))[1]
    return gust, text[: found.start()] + text[found.end() :]


def _take_speed(text: str) -> tuple[float | None, float | None, str]:
    if found := _FORCE.search(text):
        first = _number(found[1])
        low, high = sorted((first, _number(found[2]) if found[2] else first))
        return *_force_range(low, high), text[: found.start()] + text[found.end() :]
    if found := _FORCE_EN.search(text):
        one, other = (found[1], found[2]) if found[1] else (found[3], found[4])
        low, high = sorted((float(one), float(other or one)))
        return *_force_range(low, high), text[: found.start()] + text[found.end() :]
    if found := _SPEED.search(text):
        unit = found[3].lower()
        per_ms = next((per for head, per in _PER_MS.items() if unit.startswith(head)), 1.0)
        low, high = sorted(_speed(float(value) / per_ms) for value in (found[1], found[2] or found[1]))
        return low, high, text[: found.start()] + text[found.end() :]
    return None, None, text


def _named_force(text: str) -> tuple[str, float, float] | None:
    """The name of a wind force (GB/T 28591: 软风 1, 轻风 2, 微风 3) in a text without figures, and the speeds (m/s) it stands for."""
    for row in tables.rows("beaufort"):
        name = next((name for name in row["name_zh"].split(" ") if name and name in text), None)
        if row["force"] != "0" and name is not None:
            return name, float(row["min_ms"]), float(row["max_ms"])
    return None


def _of_the_name(wind: Wind) -> list[Words]:
    """That the speed of a typed wind is taken from the name of its force: everyday speech says 微风 of any light wind."""
    if wind.force_name is None:
        return []
    return [tables.said("force_name", name=wind.force_name, low=f"{wind.speed_min_ms:g}", high=f"{wind.speed_max_ms:g}")]


@cache
def _names() -> tuple[Mapping[str, tuple[float, float]], re.Pattern[str]]:
    """Every name with its direction and uncertainty, and the pattern of one name or of several that the wind turns through."""
    rows = {row["name"]: (float(row["from_deg"]), float(row["uncertainty_deg"])) for row in tables.rows("winds")}
    # a point within a longer word that is none of the names (东西风) is no direction: half of it would be another wind
    written = (rf"(?<![A-Za-z\d]){name}(?:ERN|ERLY)?(?![A-Za-z])" if name.isascii() else rf"(?<![东南西北偏]){name}(?![东南西北])" for name in sorted(rows, key=len, reverse=True))
    one = "(?:" + "|".join(written) + ")"
    return rows, re.compile(rf"({one}(?:{_TURNS}{one})*)(风)?", re.IGNORECASE)


def _take_direction(text: str) -> tuple[float | None, float]:
    """Where the wind comes from and how far it may lie to either side; (None, 0) where the words name none or turn right round."""
    rest = _SPLIT_POINT.sub(r"\1\2", _GAP.sub("", text.strip(" ,，。;；")))
    towards = _TOWARDS.search(rest)
    measured_deg = float(tables.rules()["wind"]["measured_uncertainty_deg"])
    if found := _QUADRANT.search(rest):
        direction, uncertainty = _quadrant(found), measured_deg
    elif found := _DEGREES.search(rest) or _BARE.search(rest):
        direction, uncertainty = _direction(float(found[1])), measured_deg
    else:
        said = list(_names()[1].finditer(rest))
        # "X风" always says where it comes from, wherever else the text points to
        if blowing := next((one for one in said if one[2]), None):
            return _turned(blowing[1])
        drifting = next((one for one in said if _DRIFTS.match(rest, one.end())), None)
        if towards is None and drifting is None and said and _EITHER_WAY.search(rest):
            raise Rejected(
                "ambiguous_wind", "分不清从哪边来、往哪边去：请写“西北风”或“吹向西北”。",
                "Where it comes from or where it goes to? Write NW wind, or blowing towards NW.", field="wind",
            )  # fmt: skip
        subject = drifting or _names()[1].search(rest, towards.end() if towards else 0)
        towards = towards or drifting
        if subject is None:
            return None, 0.0
        named, uncertainty = _turned(subject[1])
        if named is None:
            return None, 0.0
        direction = named
    return ((direction + 180) % 360 if towards else direction), uncertainty


def _quadrant(found: re.Match[str]) -> float:
    start, side = (_QUARTERS[(found[i] or found[j]).upper()] for i, j in ((1, 4), (2, 6)))
    turn, angle = (side - start + 180) % 360 - 180, float(found[3] or found[5])
    if abs(turn) != 90 or angle > 90:
        raise _bad_direction(found[0])
    return (start + angle * turn / 90) % 360


def _turned(words: str) -> tuple[float | None, float]:
    """One name, or the arc over several ("南到东南风"); a wind that turns by more than 135 degrees has no direction."""
    names, _ = _names()
    pattern = re.compile("|".join(rf"{name}(?![A-Z])" if name.isascii() else name for name in sorted(names, key=len, reverse=True)))
    centre: float | None = None
    half = 0.0
    for name in pattern.findall(re.sub(r"(?<=[A-Z])(?:ERN|ERLY)\b", "", words.upper())):
        degrees_, uncertainty = names[name]
        if centre is None:
            centre, half = degrees_, uncertainty
            continue
        turn = (degrees_ - centre + 180) % 360 - 180
        if abs(turn) > 135:
            return None, 0.0
        low, high = min(-half, turn - uncertainty), max(half, turn + uncertainty)
        centre, half = (centre + (low + high) / 2) % 360, (high - low) / 2
    return centre, half


def table3_class(wind: Wind | None) -> WindClass:
    """The wind column of ERG Table 3; an unknown wind or a range takes its weakest end, where the distances are longest."""
    if wind is None or wind.speed_min_ms is None:
        return WindClass.LOW
    rule = tables.rules()["table3_wind"]
    kmh = wind.speed_min_ms * 3.6
    if kmh < float(rule["low_below_kmh"]):
        return WindClass.LOW
    return WindClass.HIGH if kmh > float(rule["high_above_kmh"]) else WindClass.MODERATE


def _is_calm(wind: Wind) -> bool:
    # a range is calm only when even its strong end is below the limit; a weak end below it is said by the uncertainty of the name
    return wind.speed_max_ms is not None and wind.speed_max_ms < float(tables.rules()["wind"]["calm_below_ms"])


def use(wind: Wind | None, at: datetime) -> WindUse:
    """What to do with `wind` at the moment `at`: a wedge, a wider wedge for a stale wind, or a circle. Says why in the notes."""
    rule = tables.rules()["wind"]
    if wind is None:
        return _circle(None, False, tables.said("no_wind"))
    age = None if wind.observed_at is None else (at - wind.observed_at).total_seconds()
    notes = _of_the_name(wind)
    if wind.from_deg is None:
        return _circle(age, False, tables.said("wind_turns"), *notes)
    if _is_calm(wind):
        return _circle(age, False, tables.said("calm"), *notes)
    extra = wind.uncertainty_deg
    if age is None:
        notes.append(tables.said("wind_time_unknown"))
    stale = age is not None and (age > float(rule["stale_after_s"]) or age < -float(rule["max_clock_ahead_s"]))
    if age is not None and abs(age) > float(rule["expired_after_s"]):
        return _circle(age, True, tables.said("wind_expired", age_zh=_age_zh(age), age_en=_age_en(age)))
    if stale and age is not None:
        extra += float(rule["stale_extra_deg"])
        notes.append(tables.said("wind_stale", age_zh=_age_zh(age), age_en=_age_en(age)))
    return WindUse(from_deg=wind.from_deg, half_extra_deg=extra, stale=stale, age_s=age, notes=tuple(notes))


def _circle(age_s: float | None, stale: bool, *notes: Words) -> WindUse:
    return WindUse(from_deg=None, half_extra_deg=180.0, stale=stale, age_s=age_s, notes=notes)


def _age_zh(age_s: float) -> str:
    return f"{age_s / 60:.0f}分钟前的" if age_s >= 0 else f"{-age_s / 60:.0f}分钟后的（时钟不符）"


def _age_en(age_s: float) -> str:
    return f"{age_s / 60:.0f} minutes old" if age_s >= 0 else f"{-age_s / 60:.0f} minutes in the future (clocks differ)"


_COMPASS_ZH = ("北", "北东北", "东北", "东东北", "东", "东东南", "东南", "南东南", "南", "南西南", "西南", "西西南", "西", "西西北", "西北", "北西北")
_COMPASS_EN = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")


def compass(bearing_deg: float) -> Words:
    """The sixteen-point name of a bearing."""
    index = round(bearing_deg / 22.5) % 16
    return Words(_COMPASS_ZH[index], _COMPASS_EN[index])

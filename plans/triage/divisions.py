"""Provinces, prefectures and counties of China as a text names them, one inside another (福建霞浦, 惠州惠城区). Pure.

A county without its 县 (平遥, 霞浦) is one only behind the name of its prefecture or province: many are ordinary words.
"""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from importlib import resources

import msgspec

from plans.triage.text import data


class Chain(msgspec.Struct, frozen=True):
    """Names of divisions one behind another at [start, end). `codes` are the divisions that the last may be, each with its province first."""

    start: int
    end: int
    codes: tuple[str, ...]

    def lies_in(self, other: Chain) -> bool:
        """Whether this may be a part of `other`."""
        return any(code != wider and code.startswith(wider) for code in self.codes for wider in other.codes)


class _Name(msgspec.Struct, frozen=True):
    text: str
    codes: tuple[str, ...]
    whole: bool  # with its 省, 市, 县; or listed as a name by which an address may open
    district: bool  # of a city, without its 区: named right behind the city alone (深圳福田)


_PEOPLES = (
    "壮族|回族|维吾尔|土家族|苗族|侗族|布依族|彝族|藏族|羌族|傣族|景颇族|傈僳族|白族|哈尼族|朝鲜族|蒙古族|蒙古|哈萨克族|哈萨克|柯尔克孜族|柯尔克孜|满族|瑶族|畲族|仫佬族"
    "|毛南族|黎族|水族|仡佬族|拉祜族|佤族|布朗族|独龙族|怒族|纳西族|普米族|东乡族|保安族|撒拉族|裕固族|土族|达斡尔族|锡伯族|塔吉克|各族"
)
_SUFFIX = re.compile(rf"(?:(?:{_PEOPLES})*自治[区州县旗]|特别行政区|省|市|县|区|旗|地区|盟)$")
_COUNTY = 6  # digits of a county's code
_CITIES = ("11", "12", "31", "50")  # provinces that are cities
_LEAST_SHORT = 2  # characters of a name without its suffix
# 城区, 郊区, 矿区, 新城区: names of districts that are ordinary words, too
_ORDINARY = frozenset(("新城区", "开发区", "城关区", "老城区", "新区", "市中区", "城中区", "中心区"))


@lru_cache(maxsize=1)
def _index() -> dict[str, list[_Name]]:
    """Names by their first two characters, the longest first."""
    lines = resources.files("plans.triage").joinpath("data", "divisions.csv").read_text("utf-8").splitlines()
    listed = data("regions.yaml")
    opening = {*listed["provinces"], *listed["cities"]}
    codes: dict[str, list[str]] = {}
    whole: set[str] = set()
    districts: set[str] = set()
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        name, code = row["name"], row["code"]
        codes.setdefault(name, []).append(code)
        if len(name) > _LEAST_SHORT and name not in _ORDINARY:
            whole.add(name)
        short = _SUFFIX.sub("", name)
        if short != name and len(short) >= _LEAST_SHORT:
            codes.setdefault(short, []).append(code)
            if len(code) == _COUNTY and name.endswith("区"):
                districts.add(code)
            if short in opening:
                whole.add(short)
    found: dict[str, list[_Name]] = {}
    for name, numbers in codes.items():
        counties = tuple(code for code in numbers if code not in districts or name.endswith("区"))
        if counties:
            found.setdefault(name[:2], []).append(_Name(name, counties, name in whole, False))
        if len(counties) < len(numbers):
            found.setdefault(name[:2], []).append(_Name(name, tuple(code for code in numbers if code not in counties), False, True))
    for names in found.values():
        names.sort(key=lambda one: -len(one.text))
    return found


# 中山路, 南京大道, 大连港 are no divisions; 长春市场, 北京市民
_NO_DIVISION = re.compile(r"(?:路|街(?!道)|大道|大桥|镇|乡(?!镇)|籍|话|人(?!民政府)|菜)")


def at(text: str, start: int, end: int, within: tuple[str, ...] = ()) -> Chain | None:
    """The longest division named at `start`, a part of one of `within` where that is given."""
    for name in _index().get(text[start : start + 2], ()):
        stop = start + len(name.text)
        if stop > end or not text.startswith(name.text, start) or not (within or name.whole) or _NO_DIVISION.match(text, stop):
            continue
        wide = [wider for wider in within if not name.district or len(wider) > len(_CITIES[0]) or wider in _CITIES]
        codes = tuple(code for code in name.codes if not within or any(code != wider and code.startswith(wider) for wider in wide))
        if codes:
            return Chain(start, stop, codes)
    return None


def chain(text: str, start: int, end: int) -> Chain | None:
    """The divisions that begin at `start`, each a part of the one before it."""
    found = at(text, start, end)
    while found is not None and (closer := at(text, found.end, end, found.codes)) is not None:
        found = Chain(start, closer.end, closer.codes)
    return found


# 瑞丽勐秀乡, 福田绒花路: what follows a county's name where it stands without 县 at the head of an address
_TOWN_BEHIND = re.compile(r"[一-龥]{1,5}?(?:镇|乡|街道|村)(?![民委])")
_PLACE_BEHIND = re.compile(r"[一-龥]{0,7}?(?:镇|乡|街道|村|路|街|社区|小区|工地|大厦|境内|附近|城区|县城|发生|突发|一[家名处座辆]|[某有])")


def short(text: str, start: int, end: int, around: tuple[str, ...]) -> Chain | None:
    """A county without its 县 at `start`: one that lies in a division that the text names (`around`), or that a town or village follows."""
    within = tuple(code for code in around if len(code) < _COUNTY)
    found = at(text, start, end, within) if within else None
    if found is not None and _PLACE_BEHIND.match(text, found.end, end) is not None:
        return found
    found = at(text, start, end, _EVERYWHERE)
    return found if found is not None and len(found.codes) == 1 and _TOWN_BEHIND.match(text, found.end, end) is not None else None


_EVERYWHERE = tuple(f"{number}" for number in range(11, 66))


def chains(text: str, start: int, end: int) -> list[Chain]:
    """Every chain of divisions in a stretch, in order."""
    done: list[Chain] = []
    while start < end:
        found = chain(text, start, end)
        if found is not None:
            done.append(found)
        start = found.end if found is not None else start + 1
    return done

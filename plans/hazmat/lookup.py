"""Finds a substance by number, orange plate, hazard number, name, alias, CAS or placard, and opens its guide. Reads the tables, asks nobody."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType

from msgspec.structs import replace

from hub.errors import Rejected
from plans.characters import simplified
from plans.facts import IncidentFacts, SubstanceFacts, described
from plans.hazmat import tables
from plans.hazmat.model import (
    Classification,
    Container,
    Direction,
    Fact,
    Guide,
    GuideDistance,
    GuideLine,
    GuideSection,
    HinMeaning,
    Match,
    MatchKind,
    Placard,
    Sourced,
    Substance,
    Words,
)

_PLATE = re.compile(r"^(?P<hin>X?\s*\d{2,3})\s*[/\-—|]?\s*(?:UN|NA)?\s*(?P<un>\d{4})$|^(?:UN|NA)?\s*(?P<un_first>\d{4})\s*[/\-—|\s]\s*(?P<hin_last>X?\s*\d{2,3})$", re.IGNORECASE)
_UN = re.compile(
    r"^(?:(?:UN|NA|ID)\s*(?:编号|号码?|NUMBER|NO\.?)?|联合国(?:危险货物)?编号|危险货物编号|危规号)\s*[#:：.\-]?\s*(\d{4})$|^(\d{4})$", re.IGNORECASE
)
_UN_BROKEN = re.compile(r"^(?:UN|NA)\s*[#:：.\-]?\s*\d+$", re.IGNORECASE)
# 2.3, 第3类, 第八类, class 8: what a diamond says, and no name
_CLASS = re.compile(r"^(?:第|CLASS|DIVISION)?\s*(?P<digit>[1-9](?:\.[1-6][A-S]?)?)\s*[类项级]?$|^第?(?P<word>[一二三四五六七八九])类$", re.IGNORECASE)
# numbers within a sentence: 橙色牌 268/1005, UN 1005 Ammonia
_PLATE_SAID = re.compile(r"(?<![\dA-Z])(X?\d{2,3})\s*[/|]\s*(\d{4})(?!\d)", re.IGNORECASE)
_UN_SAID = re.compile(r"(?<![A-Z])(?:UN|NA|联合国编号|危险货物编号|危规号)\s*(?:编号|号码?|NUMBER|NO\.?)?\s*[#:：.\-]?\s*(\d{4})(?!\d)", re.IGNORECASE)
_HIN_BARE, _UN_BARE = re.compile(r"(?<![\dA-Z.])(X?\d{2,3})(?![\d.])", re.IGNORECASE), re.compile(r"(?<![\d.])(\d{4})(?![\d.年])")
_HIN = re.compile(r"^(?:(?:HIN|KEMLER|危险性?识别号|危险标识号)\s*[:：]?)?\s*(X?\s*\d{2,3})$", re.IGNORECASE)
_CAS = re.compile(r"^(?:CAS\s*(?:登记)?(?:号码?|NO\.?|RN)?)?\s*[:：]?\s*(\d{2,7}-\d{2}-\d)$", re.IGNORECASE)
_EXPLOSIVE_GUIDES = MappingProxyType({"1.1": "112", "1.2": "112", "1.3": "112", "1.4": "114", "1.5": "112", "1.6": "112"})
_SECTIONS: Mapping[str, Words] = MappingProxyType({
    "health_hazard": Words("健康危害", "Health hazards"),
    "fire_hazard": Words("火灾爆炸危害", "Fire and explosion hazards"),
    "safety": Words("公众安全", "Public safety"),
    "protective_clothing": Words("个人防护", "Protective clothing"),
    "distances": Words("隔离与疏散", "Isolation and evacuation"),
    "fire": Words("灭火", "Fire"),
    "spill": Words("泄漏处置", "Spill or leak"),
    "first_aid": Words("急救", "First aid"),
})  # fmt: skip
_MAX_QUERY = 200


def normal(text: str) -> str:
    """The form in which names are compared: half-width, lower case, simplified characters, no blanks or punctuation that people vary."""
    folded = simplified(unicodedata.normalize("NFKC", text)).casefold()
    return re.sub(r"[\s'’`\"·•_]+", "", folded)


@cache
def substances() -> Mapping[str, Substance]:
    """Every number of ERG 2024, ADR 2017 and the local list."""
    erg: dict[str, list[Mapping[str, str]]] = {}
    for row in tables.rows("erg_materials"):
        erg.setdefault(row["un"], []).append(row)
    adr: dict[str, list[Mapping[str, str]]] = {}
    for row in tables.rows("adr_2017"):
        adr.setdefault(row["un"], []).append(row)
    local = {row["un"]: row for row in tables.rows("local_substances")}
    gases = {row["un"]: row["gas"] for row in tables.rows("table2")}
    found = {un: _substance(un, erg.get(un, []), adr.get(un, []), local.get(un), gases.get(un)) for un in sorted(erg.keys() | adr.keys())}
    return MappingProxyType(found)


def _substance(
    un: str, erg: list[Mapping[str, str]], adr: list[Mapping[str, str]], local: Mapping[str, str] | None, gas: str | None
) -> Substance:
    edition = tables.erg_edition()
    classes = tuple(_classification(row) for row in adr)
    names = [local["name_en"]] if local else []
    names += [row["name_en"] for row in erg] or [row["name_en"] for row in adr]
    water = Fact(value=gas, table="Table 2", edition=edition, row=f"UN{un}") if gas else None
    return Substance(
        un=un, name_zh=local["name_zh"] if local else None,
        aliases_zh=tuple(a for a in local["aliases_zh"].split(";") if a) if local else (), names_en=tuple(dict.fromkeys(names)),
        formula=(local["formula"] or None) if local else None, cas=(local["cas"] or None) if local else None,
        matters=Words(local["matters_zh"], local["matters_en"]) if local else None, where_found=local["where_found"] if local else "",
        guides=_guides_of(un, erg, classes), inhalation=any(row["inhalation"] == "1" for row in erg),
        polymerises=any(row["polymerises"] == "1" for row in erg), gas_in_water=water, classes=classes,
    )  # fmt: skip


def _guides_of(un: str, erg: list[Mapping[str, str]], classes: tuple[Classification, ...]) -> tuple[Fact, ...]:
    edition = tables.erg_edition()
    if erg:
        numbers = dict.fromkeys(row["guide"] for row in erg)
        return tuple(Fact(value=guide, table="index", edition=edition, row=f"UN{un}") for guide in numbers)
    division = classes[0].code[:3] if classes else ""
    if division in _EXPLOSIVE_GUIDES:
        return (Fact(value=_EXPLOSIVE_GUIDES[division], table="index, explosives by division", edition=edition, row=f"division {division}"),)
    unknown = str(tables.rules()["unknown_material"]["guide"])
    return (Fact(value=unknown, table="guide 111", edition=edition, row=f"UN{un} is not in the index"),)


def _classification(row: Mapping[str, str]) -> Classification:
    adr = tables.rules()["adr"]
    return Classification(
        class_=row["class"], code=row["code"], packing_group=row["packing_group"], labels=tuple(p for p in row["labels"].split("+") if p),
        hin=row["hin"], tunnel=row["tunnel"], table=str(adr["title"]), edition=str(adr["edition"]),
        row=f"UN{row['un']}" + (f" PG {row['packing_group']}" if row["packing_group"] else ""),
    )  # fmt: skip


def by_un(un: str, *, field: str = "hazmat.un") -> Substance:
    """The substance of a number written as 1005, UN1005 or `UN 1005`. Raises Rejected(unknown_un)."""
    text = unicodedata.normalize("NFKC", un).strip()
    found = _UN.match(text)
    number = (found[1] or found[2]) if found else ""
    substance = substances().get(number)
    if substance is None:
        raise Rejected(
            "unknown_un", f"没有UN编号“{text[:20]}”，请核对橙色牌下半部的四位数字；不明时按指南111隔离100米。",
            f"There is no UN number '{text[:20]}': check the four digits in the lower half of the orange plate; while unknown use guide 111, isolate 100 m.",
            field=field,
        )  # fmt: skip
    return substance


_OFFERED = 6


def number_of(text: str, *, field: str) -> str:
    """The UN number that a person means who types it, the plate (268/1005) or the name of one substance.

    Raises Rejected, always naming `field`: plate_unlike for a plate whose halves do not go together, since either may be misread; ambiguous_name
    for what may be several, naming those; unknown_un for what stands for none; and what `search` refuses (unknown_hin, bad_cas, bad_query, is_class).
    """
    try:
        return _number_of(unicodedata.normalize("NFKC", text).strip())
    except Rejected as refused:
        raise Rejected(refused.code, refused.zh, refused.en, field=field) from refused


def _number_of(written: str) -> str:
    if _UN.match(written) or _UN_BROKEN.match(written):
        return by_un(written).un
    if _PLATE.match(written):
        number = search(written, 1)[0].substance.un
        _must_agree(_plate_halves(written)[0], number)
        return number
    for hin, un in _PLATE_SAID.findall(written):
        if un in substances():
            _must_agree(_hin(hin), un)
    if len(meant := named(written)) == 1:
        return meant[0]
    likely = [substances()[un] for un in meant] or [match.substance for match in search(written, _OFFERED)]
    if not likely:
        return by_un(written).un
    zh = "、".join(f"{s.un} {s.name_zh or s.names_en[0]}" for s in likely[:_OFFERED])
    en = ", ".join(f"{s.un} {s.names_en[0] if s.names_en else s.name_zh}" for s in likely[:_OFFERED])
    raise Rejected("ambiguous_name", f"“{written[:20]}”可能是：{zh}。请填其中的编号", f"'{written[:20]}' may be: {en}. Give one of these numbers")


def _must_agree(hin: str, un: str) -> None:
    if plate_agrees(hin, un) is False:
        words = unlike(un)
        raise Rejected("plate_unlike", words.zh, words.en)


def unlike(un: str) -> Words:
    """What to say of a plate whose upper half is none of those that ADR 2017 gives `un`."""
    codes = sorted({entry.hin for entry in by_un(un).classes if entry.hin})
    return tables.said("plate_unlike", un=un, hins_zh="、".join(codes), hins_en=", ".join(codes))


@cache
def said_of(un: str) -> SubstanceFacts | None:
    """What the tables say of a number; None for one that they do not know."""
    found = substances().get(un)
    return SubstanceFacts(found.class_, found.guide, found.inhalation) if found is not None else None


class Goods:
    """The tables as `plans.facts.described` asks them."""

    def substance(self, un: str) -> SubstanceFacts | None:
        """What is known of a number."""
        return said_of(un)

    def named(self, name: str) -> Sequence[str]:
        """The numbers that a name stands for."""
        return named(name)

    def container(self, text: str) -> str | None:
        """The code of a container in words."""
        return container_code(text)


def checked(facts: IncidentFacts) -> IncidentFacts:
    """Typed facts with numbers as the tables write them and what these say of them. Raises Rejected(unknown_un) naming `hazmat[N].un`."""
    loads = tuple(
        replace(load, un=by_un(load.un, field=f"hazmat[{n}].un").un) if load.un is not None else load for n, load in enumerate(facts.hazmat)
    )
    return described(replace(facts, hazmat=loads), Goods())


def search(text: str, limit: int = 10) -> tuple[Match, ...]:
    """Find substances by UN, plate (268/1005), hazard number, CAS, Chinese or English name; best first, at most `limit`.

    Numbers also within a sentence; where nothing fits, names that differ by a slip (MatchKind.LIKE). An empty result means unknown: use
    `unknown()`. Raises Rejected: unknown_un, unknown_hin, bad_cas, bad_query, is_class for a class, which is looked up by its placard.
    """
    if not text.strip() or len(text) > _MAX_QUERY:
        raise Rejected("bad_query", "请输入1到200个字。", "Type between 1 and 200 characters.", field="q")
    query = unicodedata.normalize("NFKC", text).strip()
    if _PLATE.match(query):
        return _by_plate(*_plate_halves(query))
    if _UN.match(query) or _UN_BROKEN.match(query):
        substance = by_un(query, field="q")
        return (Match(substance=substance, score=1000, why=MatchKind.UN, matched=substance.un),)
    if found := _CAS.match(query):
        return _by_cas(found[1])[:limit]
    if found := _HIN.match(query):
        return _by_hin(_hin(found[1]), limit)
    if found := _CLASS.match(simplified(query)):
        class_ = found["digit"] or str("一二三四五六七八九".index(found["word"]) + 1)
        raise Rejected(
            "is_class", f"“{query[:10]}”是类别：请按菱形标志查（{class_}）。", f"'{query[:10]}' is a class: look it up by the diamond placard ({class_}).", field="q"
        )  # fmt: skip
    if query.isascii() and query.isdigit():
        by_un(query, field="q")
    return _in_words(query, limit)


def _hin(text: str) -> str:
    return re.sub(r"\s+", "", text).upper()


def _plate_halves(plate: str) -> tuple[str, str]:
    """The hazard number and the UN number of what `_PLATE` matches, whichever was said first."""
    found = _PLATE.match(plate)
    assert found is not None
    return _hin(found["hin"] or found["hin_last"]), found["un"] or found["un_first"]


def _by_plate(hin: str, un: str) -> tuple[Match, ...]:
    substance = by_un(un, field="q")
    agrees = any(entry.hin == hin for entry in substance.classes)
    hin_meaning(hin)
    return (Match(substance=substance, score=1000 if agrees else 900, why=MatchKind.PLATE, matched=f"{hin}/{un}"),)


def plate_agrees(hin: str, un: str) -> bool | None:
    """Whether ADR 2017 gives `un` this hazard number; None where ADR 2017 has no hazard number for it."""
    codes = {entry.hin for entry in by_un(un).classes if entry.hin}
    return hin.strip().upper() in codes if codes else None


def is_cas(text: str) -> bool:
    """Whether the check digit of a CAS number is right."""
    digits = text.replace("-", "")
    if not digits.isdigit() or len(digits) < 5:
        return False
    return sum(int(d) * place for place, d in enumerate(reversed(digits[:-1]), start=1)) % 10 == int(digits[-1])


def _by_cas(cas: str) -> tuple[Match, ...]:
    if not is_cas(cas):
        raise Rejected("bad_cas", f"CAS号{cas}的校验位不对。", f"The check digit of CAS {cas} is wrong.", field="q")
    found = [s for s in substances().values() if s.cas == cas]
    return tuple(Match(substance=s, score=950, why=MatchKind.CAS, matched=cas) for s in found)


@cache
def _by_code() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for row in tables.rows("adr_2017"):
        if row["hin"]:
            found.setdefault(row["hin"], {})[row["un"]] = None
    return MappingProxyType({hin: tuple(uns) for hin, uns in found.items()})


def _by_hin(hin: str, limit: int) -> tuple[Match, ...]:
    hin_meaning(hin)
    found = [substances()[un] for un in _by_code().get(hin, ())]
    found.sort(key=lambda s: (s.name_zh is None, s.un))
    return tuple(Match(substance=s, score=500 if s.name_zh else 400, why=MatchKind.HIN, matched=hin) for s in found[:limit])


@cache
def name_index() -> tuple[tuple[str, str, MatchKind, str], ...]:
    """Every searchable name: compared form, UN, kind, name as written. For lookups and for finding names in running text."""
    found: list[tuple[str, str, MatchKind, str]] = []
    for s in substances().values():
        if s.name_zh:
            found.append((normal(s.name_zh), s.un, MatchKind.NAME_ZH, s.name_zh))
        found += [(normal(a), s.un, MatchKind.ALIAS_ZH, a) for a in s.aliases_zh]
        found += [(normal(n), s.un, MatchKind.NAME_EN, n) for n in s.names_en]
        if s.formula:
            found.append((normal(s.formula), s.un, MatchKind.FORMULA, s.formula))
    return tuple(found)


@cache
def _exact_names() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for name, un, kind, _ in name_index():
        if kind is not MatchKind.FORMULA:
            found.setdefault(name, {})[un] = None
    return MappingProxyType({name: tuple(uns) for name, uns in found.items()})


_BRACKETED = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")


def named(name: str | None, cas: str | None = None) -> tuple[str, ...]:
    """The numbers that a reported name (whole, or without what stands in brackets) or CAS number stands for; none where the tables do not know it.

    Several where the name is used for several goods. Unlike `search` it takes no likeness: what is not a name of the tables stays unknown.
    """
    if cas is not None and (found := tuple(s.un for s in substances().values() if s.cas == cas)):
        return found
    written = unicodedata.normalize("NFKC", name or "")
    return _exact_names().get(normal(written)) or _exact_names().get(normal(_BRACKETED.sub("", written)), ())


_WORD = re.compile(r"[a-z0-9]+")
_SHORT = 5
"""Fewer Latin letters than this stand within long English names by chance (MDI in sodium dithionite), so that they have to begin a word."""


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _begin_words(said: Sequence[str], written: str) -> bool:
    """Does each of the words begin a word of the name, in whatever order (ammonia anhydrous)?"""
    there = _words(written)
    return all(any(word.startswith(part) for word in there) for part in said)


def _score(query: str, said: Sequence[str], name: str, kind: MatchKind, written: str) -> int:
    if name == query:
        return 800
    if kind is MatchKind.FORMULA:
        return 0
    if name.startswith(query):
        return 600 - min(100, len(name) - len(query))
    if query.isascii():
        found = (len(query) >= _SHORT and query in name) or (bool(said) and _begin_words(said, written))
        return 400 - min(100, len(name) - len(query)) if found else 0
    if query in name:
        return 400 - min(100, len(name) - len(query))
    # "25吨液氨罐车": a known name inside a longer question; short names would match by chance
    if len(name) >= 2 and not name.isascii() and name in query:
        return 300 + min(50, len(name))
    return 0


def _in_words(query: str, limit: int) -> tuple[Match, ...]:
    best = {match.substance.un: match for match in _numbers_in(query)}
    for match in _by_name(query):
        best.setdefault(match.substance.un, match)
    found = best or {match.substance.un: match for match in _like(query)}
    ranked = sorted(found.values(), key=lambda m: (-m.score, m.substance.name_zh is None, m.substance.un))
    return tuple(ranked[:limit])


def _numbers_in(query: str) -> list[Match]:
    """What plates and numbers within a sentence name. A bare number of four digits counts beside a hazard number that the substance carries.

    A plate whose halves do not go together stands below a name that is said whole.
    """
    said = {un: hin for hin, un in _PLATE_SAID.findall(query)} | dict.fromkeys(_UN_SAID.findall(query), "")
    codes = {_hin(hin) for hin in _HIN_BARE.findall(query)}
    for un in _UN_BARE.findall(query):
        if un in substances() and (hin := next((entry.hin for entry in substances()[un].classes if entry.hin in codes), "")):
            said.setdefault(un, hin)
    return [
        Match(substance=substances()[un], score=750 if hin and plate_agrees(_hin(hin), un) is False else 850, why=MatchKind.PLATE if hin else MatchKind.UN, matched=f"{_hin(hin)}/{un}" if hin else un)
        for un, hin in said.items() if un in substances()
    ]  # fmt: skip


_SLIP_LATIN, _SLIP_CHINESE, _SLIPS_FROM = 5, 4, 8
"""Shorter names differ from others by one letter anyhow (乙二醇, 乙二胺); from the third length on two slips are taken."""


def _like(query: str) -> list[Match]:
    """Names that differ by a slip or two of the pen: amonia, 三氯化磷 written with another character. Said to be like, never to be it."""
    wanted = normal(query)
    if len(wanted) < (_SLIP_LATIN if wanted.isascii() else _SLIP_CHINESE) or wanted.isdigit():
        return []
    most = 2 if wanted.isascii() and len(wanted) >= _SLIPS_FROM else 1
    found: dict[str, Match] = {}
    for name, un, kind, written in name_index():
        if kind is MatchKind.FORMULA or name.isascii() != wanted.isascii():
            continue
        near = min((_slips(wanted, one, most) for one in (name, *_words(written)) if len(one) >= _SLIP_CHINESE), default=most + 1)
        score = 200 - 10 * near - (0 if len(name) == len(wanted) else 1)
        if near <= most and (un not in found or found[un].score < score):
            found[un] = Match(substance=substances()[un], score=score, why=MatchKind.LIKE, matched=written)
    return list(found.values())


def _slips(a: str, b: str, most: int) -> int:
    """How many letters are changed, left out, put in or exchanged with the next (Damerau-Levenshtein, restricted); more than `most` ends early."""
    if abs(len(a) - len(b)) > most:
        return most + 1
    before, row = list[int](), list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        above, row = row, [i]
        for j, y in enumerate(b, start=1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y)))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                row[j] = min(row[j], before[j - 2] + 1)
        if min(row) > most:
            return most + 1
        before = above
    return row[-1]


def _by_name(query: str) -> list[Match]:
    wanted, said = normal(query), _words(query)
    best: dict[str, Match] = {}
    for name, un, kind, written in name_index():
        score = _score(wanted, said, name, kind, written) if wanted else 0
        if score and (un not in best or best[un].score < score):
            best[un] = Match(substance=substances()[un], score=score, why=kind, matched=written)
    return list(best.values())


_DIGIT_WORDS: Mapping[str, Words] = MappingProxyType({
    "2": Words("气体释放", "gas given off"), "3": Words("易燃液体或气体", "flammable liquid or gas"), "4": Words("易燃固体", "flammable solid"),
    "5": Words("氧化（助燃）", "oxidising"), "6": Words("有毒", "toxic"), "7": Words("放射性", "radioactive"), "8": Words("腐蚀", "corrosive"),
    "9": Words("可自发剧烈反应或杂项", "violent reaction by itself or miscellaneous"),
})  # fmt: skip


@cache
def _hins() -> Mapping[str, Words]:
    return MappingProxyType({row["hin"]: Words(row["zh"], row["en"]) for row in tables.rows("hin")})


def hin_meaning(hin: str) -> HinMeaning:
    """What a hazard number says; one in use in ADR 2017 but not in the list is read digit by digit. Raises Rejected(unknown_hin)."""
    code = _hin(unicodedata.normalize("NFKC", hin))
    edition = str(tables.rules()["hin"]["edition"])
    listed = _hins().get(code)
    if listed is not None:
        return HinMeaning(hin=code, meaning=listed, no_water=code.startswith("X"), listed=True, edition=edition)
    if code not in _by_code() or not code.removeprefix("X").isdigit():
        raise Rejected(
            "unknown_hin", f"没有危险识别号“{code[:10]}”，请核对橙色牌上半部。", f"There is no hazard number '{code[:10]}': check the upper half of the plate.",
            field="hazmat.hin",
        )  # fmt: skip
    words = [_DIGIT_WORDS[d] for d in dict.fromkeys(code.removeprefix("X")) if d in _DIGIT_WORDS]
    zh, en = "，".join(w.zh for w in words), ", ".join(w.en for w in words)
    if code.startswith("X"):
        zh, en = zh + "，遇水危险反应，禁水", en + ", dangerous with water: no water"
    return HinMeaning(hin=code, meaning=Words(zh, en), no_water=code.startswith("X"), listed=False, edition=str(tables.rules()["adr"]["edition"]))


def is_hin(text: str) -> bool:
    """Whether a hazard number is one in use."""
    try:
        hin_meaning(text)
    except Rejected:
        return False
    return True


@cache
def placards() -> tuple[Placard, ...]:
    """Every diamond placard."""
    return tuple(
        Placard(
            class_=row["class"], colours=tuple(row["colours"].split()), background=Words(row["background_zh"], row["background_en"]),
            symbol=Words(row["symbol_zh"], row["symbol_en"]), name=Words(row["name_zh"], row["name_en"]),
            guide=Fact(value=row["guide"], table="guide by placard (assumption, placards.csv)", edition=tables.erg_edition(), row=f"class {row['class']}"),
        )
        for row in tables.rows("placards")
    )  # fmt: skip


_COLOURS_ZH: Mapping[str, str] = MappingProxyType(
    {"红": "red", "橙": "orange", "绿": "green", "白": "white", "蓝": "blue", "黄": "yellow", "黑": "black"}
)


def by_placard(class_: str | None = None, colour: str | None = None) -> tuple[Placard, ...]:
    """Placards by class (a main class gives all its divisions) and colour (red, 红色, "white red"). Raises Rejected(unknown_placard)."""
    wanted = re.sub(r"^(?:第|class|division)|[类项级]$", "", unicodedata.normalize("NFKC", class_ or "").strip(), flags=re.IGNORECASE).strip()
    wanted = re.sub(r"^(1\.[1-6])[A-S]$", r"\1", wanted, flags=re.IGNORECASE)  # 1.1D: the letter is of the compatibility group
    text = unicodedata.normalize("NFKC", colour or "").strip().casefold()
    colours = {_COLOURS_ZH.get(c, "") for c in text} - {""} | {w for w in re.split(r"[\s,/]+", text) if w.isascii() and w}
    found = tuple(
        p for p in placards() if (not wanted or p.class_ == wanted or p.class_.startswith(f"{wanted}.")) and colours <= set(p.colours)
    )
    if not found or not (wanted or colours):
        raise Rejected(
            "unknown_placard", "没有这样的菱形标志；不明货物按指南111隔离100米。", "There is no such placard; for an unknown load use guide 111, isolate 100 m.",
            field="hazmat.placard",
        )  # fmt: skip
    return found


@cache
def _containers() -> Mapping[str, Container]:
    return MappingProxyType({normal(row["word"]): Container(row["container"]) for row in tables.rows("containers")})


def container(text: str | None) -> Container:
    """The container a report or plan names by code or word (`storage_tank`, 槽罐车); a word nobody knows is UNKNOWN, never an error."""
    return _containers().get(normal(text or ""), Container.UNKNOWN)


@cache
def _container_codes() -> Mapping[str, str]:
    return MappingProxyType({normal(row["word"]): row["code"] for row in tables.rows("containers") if row["code"]})


def container_codes() -> frozenset[str]:
    """Every code by which a plan names a container; finer than the containers that distances are printed for."""
    return frozenset(_container_codes().values())


def container_code(text: str) -> str | None:
    """The code by which plans name the container of a report (槽罐车: road_tanker); None for a word that nobody knows."""
    return _container_codes().get(normal(text))


@cache
def guides() -> Mapping[str, Guide]:
    """Every guide of ERG 2024 by number."""
    phrases = {row["phrase"]: row for row in tables.rows("guide_phrases")}
    actions: dict[str, list[Mapping[str, str]]] = {}
    for row in tables.rows("guide_actions"):
        actions.setdefault(row["guide"], []).append(row)
    distances: dict[str, list[GuideDistance]] = {}
    for row in tables.rows("guide_distances"):
        distances.setdefault(row["guide"], []).append(_guide_distance(row))
    return MappingProxyType({
        row["guide"]: Guide(
            guide=row["guide"], title=Words(row["title_zh"], row["title_en"]), state=row["state"],
            note=Words(row["note_zh"], row["note_en"]) if row["note_zh"] else None, edition=tables.erg_edition(),
            distances=tuple(distances.get(row["guide"], ())), sections=_sections(actions.get(row["guide"], ()), phrases),
        )
        for row in tables.rows("guides")
    })  # fmt: skip


def _sections(actions: Iterable[Mapping[str, str]], phrases: Mapping[str, Mapping[str, str]]) -> tuple[GuideSection, ...]:
    lines: dict[str, list[GuideLine]] = {}
    for action in actions:
        phrase = phrases[action["phrase"]]
        lines.setdefault(action["section"], []).append(GuideLine(situation=action["situation"], zh=phrase["zh"], en=phrase["en"]))
    return tuple(GuideSection(section=name, title=title, lines=tuple(lines[name])) for name, title in _SECTIONS.items() if name in lines)


def _guide_distance(row: Mapping[str, str]) -> GuideDistance:
    def cell(column: str) -> Sourced | None:
        if not row[column]:
            return None
        where = f"{row['trigger'].replace('_', ' ')}, {row['applies_to'].replace('_', ' ')}, {column.removesuffix('_m')}"
        return Sourced(
            value=float(row[column]), unit="m", table=f"guide {row['guide']}", edition=tables.erg_edition(), row=where, conversion=tables.AS_PRINTED
        )

    return GuideDistance(
        trigger=row["trigger"], applies_to=row["applies_to"], direction=Direction(row["direction"]), isolate=cell("isolate_m"),
        evacuate=cell("evacuate_m"),
    )  # fmt: skip


def guide(number: str) -> Guide:
    """A guide by number (111 or 131P). Raises Rejected(unknown_guide)."""
    found = guides().get(number.strip().upper().removesuffix("P"))
    if found is None:
        raise Rejected("unknown_guide", f"没有指南{number[:10]}。", f"There is no guide {number[:10]}.", field="guide")
    return found


def unknown() -> Guide:
    """The guide for a material nobody knows (ERG 2024 guide 111: isolate 100 m, 800 m around a burning tank)."""
    return guide(str(tables.rules()["unknown_material"]["guide"]))

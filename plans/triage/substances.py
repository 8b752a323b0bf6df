"""Finds the dangerous substances a text names, and what they do in the incident. Pure.

Names, UN numbers, classes and guides are data/substances.csv; phrases are data/substance_context.yaml.
A name inside a firm's name, another compound, a vehicle, an instrument or a scope of business is no substance of the incident.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from enum import IntEnum
from functools import lru_cache
from importlib import resources

import msgspec

from plans.triage.draft import Container, Role, Substance
from plans.triage.family import HARMFUL, LOAD, SUBSTANCE, Token, tokens
from plans.triage.text import Prepared, Sentence, Standing, data


class Entry(msgspec.Struct, frozen=True):
    """A row of the substance table. `hazard_class` and `hin` are ADR 2017, `guide` is ERG 2024; "" where the book has none.

    `un` is "" for what the books of transport do not number (乙二醇, 辛醇, 氚); it is then told apart from others by its canonical name.
    """

    name: str
    un: str
    canonical: str
    hazard_class: str
    hin: str
    guide: str

    @property
    def key(self) -> str:
        """What is counted as one substance: the UN number, or the canonical name where there is none; "" is no substance."""
        return self.un or self.canonical


class Mention(msgspec.Struct, frozen=True):
    """One place where a substance is named."""

    entry: Entry
    start: int
    end: int


class Named(msgspec.Struct, frozen=True):
    """A substance of the incident and the stretch of prepared text that names it first."""

    substance: Substance
    start: int
    end: int


class _Table(msgspec.Struct, frozen=True):
    words: dict[str, Entry]
    lengths: dict[str, list[int]]
    by_un: dict[str, Entry]
    joined: dict[str, list[Entry]]


class _Context(msgspec.Struct, frozen=True):
    not_after: re.Pattern[str]
    not_before: re.Pattern[str]
    compound_after: frozenset[str]
    compound_before: frozenset[str]
    skip_sentence: re.Pattern[str]
    skip_clause: re.Pattern[str]
    misused: frozenset[str]
    carried_off: re.Pattern[str]
    released: re.Pattern[str]
    cargo: re.Pattern[str]
    product: re.Pattern[str]
    explains: re.Pattern[str]
    tells: re.Pattern[str]
    supposed: re.Pattern[str]
    unharmed: re.Pattern[str]
    mistaken: re.Pattern[str]
    unit: re.Pattern[str]
    composed: re.Pattern[str]
    burnt: re.Pattern[str]
    burnt_gases: frozenset[str]
    monitored: re.Pattern[str]
    hurt_by_air: frozenset[str]
    acts: re.Pattern[str]
    containers: list[tuple[Container, re.Pattern[str]]]
    tank_body: re.Pattern[str]
    burning_tank: re.Pattern[str]
    on_road: frozenset[str]
    tank_vehicles: frozenset[str]
    tank_vehicles_in: frozenset[str]
    solution: re.Pattern[str]
    cargo_only: frozenset[str]
    articles: frozenset[str]
    articles_act: re.Pattern[str]
    only_where: dict[str, tuple[re.Pattern[str], frozenset[str]]]
    sources: frozenset[str]
    merge: dict[str, str]
    same_as: dict[str, str]
    vaguer: dict[str, frozenset[str]]
    chemical: re.Pattern[str]
    unnumbered_in: frozenset[str]
    late: re.Pattern[str]
    burns: re.Pattern[str]
    exacter: frozenset[str]
    solutions: dict[str, str]
    only_released_in: frozenset[str]
    explained_in: frozenset[str]
    identified: re.Pattern[str]
    made_in: re.Pattern[str]


@lru_cache(maxsize=1)
def _table() -> _Table:
    words: dict[str, Entry] = {}
    by_un: dict[str, Entry] = {}
    lengths: dict[str, set[int]] = {}
    lines = resources.files("plans.triage").joinpath("data", "substances.csv").read_text("utf-8").splitlines()
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        entry = Entry(row["name"], row["un"], row["canonical"], row["class"], row["hin"], row["guide"])
        if entry.un:
            by_un.setdefault(entry.un, entry)
        lengths.setdefault(entry.name[0].upper(), set()).add(len(entry.name))
        words[entry.name.upper()] = entry
        for other in _spellings(entry.name):
            words.setdefault(other.upper(), entry)
    for word in data("substance_context.yaml")["not_substances"]:
        words.setdefault(word.upper(), _NONE)
        lengths.setdefault(word[0].upper(), set()).add(len(word))
    joined = {word: [words[part] for part in parts] for word, parts in data("substance_context.yaml")["joined"].items()}
    for word, parts in joined.items():
        words[word] = msgspec.structs.replace(parts[0], name=word)
        lengths.setdefault(word[0], set()).add(len(word))
    return _Table(words, {first: sorted(found, reverse=True) for first, found in lengths.items()}, by_un, joined)


_NONE = Entry("", "", "", "", "", "")


def _spellings(name: str) -> tuple[str, ...]:
    """The same name as a prepared text has its comma (N，N-二甲基苯胺), and with the wrong character that news often write (醋酸乙脂)."""
    return name.replace(",", "，"), name.replace("酯", "脂")


@lru_cache(maxsize=1)
def _context() -> _Context:
    raw = data("substance_context.yaml")
    return _Context(
        re.compile("|".join(raw["not_after"])),
        re.compile("(?:" + "|".join(raw["not_before"]) + ")$"),
        frozenset(raw["compound_after"]),
        frozenset(raw["compound_before"]),
        re.compile("|".join(raw["skip_sentence"])),
        re.compile("|".join(raw["skip_clause"])),
        frozenset(raw["misused"]),
        re.compile("|".join(raw["carried_off"])),
        re.compile("|".join(raw["released"])),
        re.compile("|".join(raw["cargo"])),
        re.compile("|".join(raw["product"])),
        re.compile("|".join(raw["explains"])),
        re.compile("|".join(raw["tells"])),
        re.compile("|".join(raw["supposed"])),
        re.compile(raw["unharmed"]),
        re.compile("|".join(raw["mistaken"])),
        re.compile(raw["unit"]),
        re.compile(raw["composed"]),
        re.compile(raw["burnt"]),
        frozenset(raw["burnt_gases"]),
        re.compile(raw["monitored"]),
        frozenset(raw["hurt_by_air"]),
        re.compile("|".join(raw["acts"])),
        [(Container(name), re.compile("|".join(words))) for name, words in raw["containers"].items()],
        re.compile(raw["tank_body"]),
        re.compile(raw["burning_tank"]),
        frozenset(raw["on_road"]),
        frozenset(raw["tank_vehicles"]),
        frozenset(raw["tank_vehicles_in"]),
        re.compile("|".join(raw["solution"])),
        frozenset(raw["cargo_only"]),
        frozenset(raw["articles"]),
        re.compile(raw["articles_act"]),
        {name: (re.compile(row["around"]), frozenset(row.get("families", ()))) for name, row in raw["only_where"].items()},
        frozenset(raw["sources"]),
        {str(k): str(v) for k, v in raw["merge"].items()},
        {str(k): str(v) for k, v in raw["same_as"].items()},
        {str(name): frozenset(map(str, others)) for name, others in raw["vaguer"].items()},
        re.compile(raw["chemical"].format(unit=f"(?:{'|'.join(raw['chemical_units'])})", end=f"(?:{'|'.join(raw['chemical_ends'])})")),
        frozenset(raw["unnumbered_in"]),
        re.compile("|".join(raw["late"])),
        re.compile(raw["burns"]),
        frozenset([*raw["exacter_end"], *raw["exacter_start"]]),
        {str(k): str(v) for k, v in raw["solutions"].items()},
        frozenset(raw["only_released_in"]),
        frozenset(raw["explained_in"]),
        re.compile("|".join(raw["identified"])),
        re.compile(raw["made_in"]),
    )


def lookup(un: str) -> Entry | None:
    """The first row of the table with this UN number."""
    return _table().by_un.get(un)


def mentions(prepared: Prepared) -> list[Mention]:
    """Every place where the text names a substance itself, in order."""
    return _names(prepared.text)


def _names(text: str) -> list[Mention]:
    table, context = _table(), _context()
    upper = text.upper()
    if len(upper) != len(text):  # a few letters of other scripts grow when capitalised
        upper = text
    done: list[Mention] = []
    known: list[tuple[int, int]] = []
    index, size = 0, len(text)
    while index < size:
        for length in table.lengths.get(upper[index], ()):
            entry = table.words.get(upper[index : index + length]) if index + length <= size else None
            if entry is not None and not _counts_one(upper, index, length, table):
                if entry.key and not _is_substance(text, index, index + length, context):
                    index += 1  # 液态氢 in 液态氢氧化钠 hides no 氢氧化钠
                    break
                if entry.key:
                    parts = table.joined.get(entry.name, (entry,))
                    done += [Mention(part, index, index + length) for part in parts]
                known.append((index, index + length))
                index += length
                break
        else:
            index += 1
    done += _numbers(text, table)
    done += _systematic(text, known, context)
    return sorted(done, key=lambda m: m.start)


def _systematic(text: str, known: list[tuple[int, int]], context: _Context) -> list[Mention]:
    """Chemicals that the table does not have, told by how a systematic name is built (氯甲基三甲基硅烷); `known` stretches are the table's."""
    done, at = [], 0
    for match in context.chemical.finditer(text):
        while at < len(known) and known[at][1] <= match.start():
            at += 1
        free = at == len(known) or known[at][0] >= match.end()
        if free and _is_substance(text, match.start(), match.end(), context):
            done.append(Mention(Entry(match[0], "", match[0], "", "", ""), match.start(), match.end()))
    return done


def _counts_one(text: str, index: int, length: int, table: _Table) -> bool:
    """Whether the 一 that a name opens with counts what a longer name behind it is (一甲胺磷罐车 is no 一甲胺)."""
    lengths = table.lengths.get(text[index + 1 : index + 2], ()) if text[index] == "一" else ()
    return any(other >= length and text[index + 1 : index + 1 + other] in table.words for other in lengths)


_HARMFUL = ("6", "8", "X", "265", "268")  # how the hazard number of a toxic or corrosive substance begins that is no fuel gas (ADR 5.3.2.3)


def telling(text: str, found: list[Mention]) -> list[Token]:
    """The words that speak for an accident with chemicals: all but mine gas, metals in water and radioactive sources. A load is one, too (盐酸车)."""
    context = _context()
    return [
        Token(
            m.start,
            m.end,
            frozenset({SUBSTANCE, *((HARMFUL,) if m.entry.hin.startswith(_HARMFUL) else ()), *((LOAD,) if _of_a_lorry(text, m) else ())}),
        )
        for m in found
        if m.entry.name not in context.only_where and m.entry.name not in context.sources
    ]


_LORRY = re.compile(r"(?:专用|危货|运输)?车(?!间|位|库|厂|站|用|祸|队|载|主)")


def _of_a_lorry(text: str, mention: Mention) -> bool:
    """Whether a lorry is named by this load (浓硫酸车); a car that runs on gas or petrol is none."""
    return mention.entry.hin.startswith(_HARMFUL) and _LORRY.match(text, mention.end) is not None


_UN = re.compile(r"(?:UN|联合国(?:编号)?|危险货物编号|编号)(?:号|No\.?|编号)?[:：为是]?(\d{4})(?!\d)", re.IGNORECASE)
_PLATE = re.compile(r"(?<![\d.])(X?\d{2,3})/(\d{4})(?![\d/年])")
_SIGN = re.compile(r"上(?:面|排|半部分?|方|边|行)?(?:的?数?字?)(?:是|为|写着|[:：])?(X?\d{2,3})[^\d。]{1,10}(\d{4})(?!\d)")
_MULTIPLE, _RADICALS = frozenset("二三四五六"), frozenset("氯溴碘氟硝甲乙丙丁苯")  # 三氯丙烯 is no 氯丙烯
_IN_A_COMPOUND = re.compile("[苯萘吡][甲乙丙丁][酸醇醛酮腈胺酰酯]")
_ASCII = re.compile(r"[A-Za-z0-9]")
_DAY = re.compile(r"\d{1,2}月\d|\d{4}年")  # 铱-192 4月13日, of which a prepared text has no space


def _numbers(text: str, table: _Table) -> list[Mention]:
    found = []
    for match in _UN.finditer(text):
        if match[1] in table.by_un:
            found.append(Mention(table.by_un[match[1]], match.start(), match.end()))
    for match in (*_PLATE.finditer(text), *_SIGN.finditer(text)):
        entry = table.by_un.get(match[2])
        if entry is not None and entry.hin == match[1].upper():
            found.append(Mention(entry, match.start(), match.end()))
    return found


def _is_substance(text: str, start: int, end: int, context: _Context) -> bool:
    before, after = text[max(0, start - 8) : start], text[end : end + 10]
    if _ASCII.match(text[start]) and text[start].isalpha() and before[-1:].isascii() and before[-1:].isalnum():
        return False
    if _ASCII.match(text[end - 1]) and after[:1].isascii() and after[:1].isalnum() and not _DAY.match(after):
        return False
    if after[:1] in context.compound_after and after[:2] not in ("化工", "酸性", "基地"):
        return False
    if _IN_A_COMPOUND.fullmatch(text[end - 1 : end + 2]) or _IN_A_COMPOUND.fullmatch(text[start - 1 : start + 2]):
        return False  # 氯苯 and 甲酸 in 对氯苯甲酸
    if before[-1:] in context.compound_before or (before[-1:] in _MULTIPLE and before[-2:-1] != "第" and text[start] in _RADICALS):
        return False
    return context.not_after.match(after) is None and context.not_before.search(before) is None


def named(prepared: Prepared, found: list[Mention], family: str) -> list[Named]:
    """The substances of the incident, one per UN number or per name without one, in the order of the text."""
    context, opening = _context(), prepared.opening()
    found = _first_ones(found)
    roles: dict[str, _Part] = {}
    first: dict[str, Mention] = {}
    mistaken = {m.entry.key for m in found if context.mistaken.search(_around(prepared.text, m))}
    acted = {
        m.entry.key
        for m in found
        if prepared.sentence_at(m.start).standing is Standing.MAIN
        and context.late.search(_near(prepared, prepared.sentence_at(m.start), m))
    }
    safe = {m.entry.key for m in found if context.carried_off.search(_near(prepared, prepared.sentence_at(m.start), m))}
    explained: dict[str, Mention] = {}
    for number, mention in enumerate(found):
        if number and _ALSO_CALLED.fullmatch(prepared.text, found[number - 1].end, mention.start):
            continue
        sentence = prepared.sentence_at(mention.start)
        role = None if mention.entry.key in mistaken else _part(prepared, sentence, mention, context, family)
        if role is None:
            continue
        if not (mention.start < opening or role >= _Part.CARGO or _happens(prepared, sentence, mention, role, context)):
            explained.setdefault(mention.entry.key, mention)
            continue
        key = _key(prepared.text, mention, context)
        if key in safe and role is not _Part.RELEASED:
            continue
        first.setdefault(key, mention)
        roles[key] = max(role, roles.get(key, role))
    for key in list(first):
        exacter = _exacter(key, first, context)
        if exacter is not None:
            roles[exacter] = max(roles[exacter], roles[key])
            del first[key]
    if not first and len(explained) == 1 and family in context.explained_in:
        first, roles = explained, dict.fromkeys(explained, _Part.EXPLAINED)  # the one that a report explains, and names nowhere else
    best = min(max((roles[key] for key in first), default=_Part.EXPLAINED), _Part.ACTING)
    if best is _Part.EXPLAINED and family not in context.explained_in:
        return []  # the nature of a gas, told beside a collision: no substance of it
    if best is _Part.EXPLAINED and len(first) > 1 and not all(_composing(prepared, mention, context) for mention in first.values()):
        return []  # 氧化剂主要包括过氧化氢、高锰酸钾、硝酸: examples of a class, and nothing of the load
    first = {key: mention for key, mention in first.items() if roles[key] >= best}
    limit = max(opening, _introduced(prepared, first, roles))
    done = []
    for key, mention in first.items():
        if mention.start < limit or (key in acted and roles[key] is _Part.RELEASED):
            entry = mention.entry
            name = entry.name if not entry.name.isdigit() else entry.canonical
            un = key if entry.un else None
            done.append(Named(Substance(name, un, _ROLES[roles[key]]), mention.start, mention.end))
    return done


def _composing(prepared: Prepared, mention: Mention, context: _Context) -> bool:
    """Whether the sentence says that a thing of the incident consists of this (废酸的主要成分是硫酸、硝酸和盐酸)."""
    sentence = prepared.sentence_at(mention.start)
    return context.composed.search(prepared.text[sentence.start : mention.start] + "\u25a1") is not None


def _introduced(prepared: Prepared, first: dict[str, Mention], roles: dict[str, _Part]) -> int:
    """The end of the sentence that names the first of the substances that act most.

    What a text names only after its opening and after this explains, compares or describes.
    """
    most = min(max((roles[key] for key in first), default=_Part.EXPLAINED), _Part.CARGO)
    return prepared.sentence_at(min((mention.start for key, mention in first.items() if roles[key] >= most), default=0)).end


_READ = 60  # mentions of one substance; what a longer report says of it after these adds nothing to its part


def _first_ones(found: list[Mention]) -> list[Mention]:
    """The first mentions of each substance."""
    seen: Counter[str] = Counter()
    done = []
    for mention in found:
        seen[mention.entry.key] += 1
        if seen[mention.entry.key] <= _READ:
            done.append(mention)
    return done


def _exacter(key: str, first: dict[str, Mention], context: _Context) -> str | None:
    """The number of 氰化钠溶液 for 氰化钠 where both are named, of 三氧化二砷 for 砷, of the liquefied form for the gas."""
    if context.merge.get(key) in first:
        return context.merge[key]
    name = first[key].entry.name
    if context.same_as.get(name) in first:
        return context.same_as[name]
    if name in context.vaguer and (others := [other for other in first if other in context.vaguer[name]]):
        return others[0]
    for other, mention in first.items():
        longer = mention.entry.name
        holds = other != key and len(longer) > len(name) and name in longer
        if holds and (name in context.only_where or longer.replace(name, "", 1) in context.exacter):
            return other
    return None


# 石脑油又称粗汽油: another name of what was named just before
_ALSO_CALLED = re.compile(
    r"[（，]?(?:又称|又叫|又名|俗称|俗名|学名|化学名称?|化学名称为|也称|也叫|亦称|别称|别名|简称|即)(?:为|是|叫)?[\"'：]?"
)


class _Part(IntEnum):
    """How closely a mention belongs to the incident; one below ACTING gives way to any that stands higher."""

    EXPLAINED = 0  # in a sentence on the nature of a substance
    PRODUCT = 1  # made or used by the plant, or the name of its unit
    INVOLVED = 2  # named without a word on what it does
    ACTING = 3  # stored, mixed, reacting, left behind
    CARGO = 4
    RELEASED = 5


_ROLES = {
    _Part.EXPLAINED: Role.INVOLVED,
    _Part.PRODUCT: Role.PRODUCT,
    _Part.INVOLVED: Role.INVOLVED,
    _Part.ACTING: Role.INVOLVED,
    _Part.CARGO: Role.CARGO,
    _Part.RELEASED: Role.RELEASED,
}


def _around(text: str, mention: Mention) -> str:
    """The words before and after a mention, which is written as a square."""
    return text[max(0, mention.start - 16) : mention.start] + "\u25a1" + text[mention.end : mention.end + 24]


def _key(text: str, mention: Mention, context: _Context) -> str:
    """A name that stands for the solid and the solution is read as the solution where a tank or a solution is spoken of."""
    other = context.solutions.get(mention.entry.un)
    around = text[max(0, mention.start - 20) : mention.end + 8]
    return other if other is not None and context.solution.search(around) else mention.entry.key


_TO_COMMA = re.compile(r"[^，,。；！？\n]*")
_HEADING = re.compile(r"[（）0-9一二三四五六七八九十.、]{1,5}")  # 1、硫化氢: a heading of its own


def _up_to_comma(text: str, start: int) -> str:
    """The rest of a clause, also where it goes on as a denial, which is a stretch of its own (□未发生爆炸)."""
    match = _TO_COMMA.match(text, start)
    return "" if match is None else match[0]


def _clause(prepared: Prepared, sentence: Sentence, mention: Mention) -> tuple[str, str]:
    text = prepared.text
    low = max((text.rfind(mark, sentence.start, mention.start) for mark in "，,：:"), default=-1)
    highs = [at for mark in "，," if (at := text.find(mark, mention.end, sentence.end)) >= 0]
    return text[max(low + 1, sentence.start) : mention.start], text[mention.end : min(highs, default=sentence.end)]


def _near(prepared: Prepared, sentence: Sentence, mention: Mention) -> str:
    """The clause around a mention, which is written as a square, on to its end even where that is a denial."""
    return _clause(prepared, sentence, mention)[0][-40:] + "\u25a1" + _up_to_comma(prepared.text, mention.end)[:30]


@lru_cache(maxsize=8)
def _of_nature(sentence: str) -> bool:
    """Whether a sentence, or the clause around a name, tells of the nature of a substance and of no incident."""
    context = _context()
    return context.explains.search(sentence) is not None and context.tells.search(sentence) is None


def _part(prepared: Prepared, sentence: Sentence, mention: Mention, context: _Context, family: str) -> _Part | None:
    if sentence.standing is Standing.BACKGROUND or not _in_place(prepared.text, mention, context, family):
        return None
    whole = prepared.text[sentence.start : sentence.end]
    before, after = _clause(prepared, sentence, mention)
    if sentence.standing is Standing.UNREAL and not (
        context.released.search(before[-12:] + after[:12]) and context.tells.search(before[-24:] + "\u25a1" + after[:24])
    ):
        return None
    if context.skip_sentence.search(whole):
        return None
    burnt = mention.entry.name in context.burnt_gases and context.burnt.search(prepared.text, sentence.start, mention.start)
    if burnt and family not in context.hurt_by_air:
        return None
    if context.skip_clause.search(_near(prepared, sentence, mention)) and not (
        mention.entry.name in context.misused and context.burns.search(whole)
    ):
        return None
    if context.unharmed.match(prepared.text, mention.end):
        return None
    part = _told(before, after, whole, context)
    if part is not _Part.CARGO and _only_measured(before, after, whole, context, family):
        return None
    if (
        part is _Part.INVOLVED
        and context.burns.search(prepared.text, mention.end, sentence.end)
        and not _another(prepared, mention, sentence)
    ):
        part = _Part.ACTING
    if sentence.setting:
        part = min(part, _Part.PRODUCT)
    if part < _Part.CARGO and family in context.only_released_in:
        return None
    if not mention.entry.un and (part < _Part.ACTING or (family not in context.unnumbered_in and mention.entry.name not in context.only_where)):
        return None
    return part if part is _Part.CARGO or _more_than_goods(prepared, sentence, mention, context) else None


def _more_than_goods(prepared: Prepared, sentence: Sentence, mention: Mention, context: _Context) -> bool:
    """Whether a substance counts that is no load: all do but goods such as batteries; fireworks do where they themselves blow up."""
    if mention.entry.un in context.articles:
        return context.articles_act.search(_near(prepared, sentence, mention)) is not None
    return mention.entry.un not in context.cargo_only


def _another(prepared: Prepared, mention: Mention, sentence: Sentence) -> bool:
    """Whether the sentence names another substance behind this one, which the rest may be about."""
    return bool(_names(prepared.text[mention.end : sentence.end]))


_LEAKS = re.compile(r"泄漏|泄露|外泄|溢出|流出|爆炸|燃烧")


def _only_measured(before: str, after: str, whole: str, context: _Context, family: str) -> bool:
    """Whether a sentence tells what was measured around the incident, and the clause around the name not that it got out."""
    if family in context.hurt_by_air or context.monitored.search(whole) is None:
        return False
    return _LEAKS.search(before[-14:]) is None and _LEAKS.search(after[:12]) is None


_HAPPENS = frozenset({"leak", "fire", "boom", "poison", "toxic"})  # classes of words that tell what a substance did


def _happens(prepared: Prepared, sentence: Sentence, mention: Mention, part: _Part, context: _Context) -> bool:
    """Whether the sentence of a name without a verb of its own tells of a release, a fire, an explosion or poisoning, or of what something consists or was.

    A lost source needs neither.
    """
    if mention.entry.name in context.sources or _composing(prepared, mention, context):
        return True
    if context.identified.search(_near(prepared, sentence, mention)) is not None:
        return True
    told = (not _HAPPENS.isdisjoint(token.classes) for token in tokens(prepared.text, sentence.start, sentence.end))
    return part > _Part.PRODUCT and any(told)


def _told(before: str, after: str, whole: str, context: _Context) -> _Part:
    """What the clause around a mention and its sentence make of it."""
    clause = before[-24:] + "\u25a1" + after[:24]
    if context.cargo.search(before[-24:]):
        return _Part.CARGO
    if _of_nature(whole) or _of_nature(clause) or context.supposed.search(clause) or _HEADING.fullmatch(before + after):
        return _Part.EXPLAINED
    if context.unit.match(after) or context.made_in.search(clause):
        return _Part.PRODUCT
    if context.released.search(before[-14:] + "\u25a1" + after[:12]):
        return _Part.RELEASED
    if context.product.search(whole):
        return _Part.PRODUCT
    return _Part.ACTING if context.acts.search(before[-14:] + "\u25a1" + after[:14]) else _Part.INVOLVED


def _in_place(text: str, mention: Mention, context: _Context, family: str) -> bool:
    """Whether a name that stands for a substance in some surroundings only stands in them."""
    if mention.entry.name not in context.only_where:
        return True
    around, families = context.only_where[mention.entry.name]
    near = text[max(0, mention.start - 4) : mention.start] + "\u25a1" + text[mention.end : mention.end + 8]
    return around.search(near) is not None and (not families or family in families)


def container_of(prepared: Prepared, found: list[Named], family: str) -> tuple[Container, int, int] | None:
    """What holds the substance, from the words nearest to the first naming in the same or a main sentence.

    Where no substance is named, only events with dangerous goods have one, and the tank vehicle of an accident on the road or of a fire.
    """
    context = _context()
    main = [s for s in prepared.sentences if s.standing is Standing.MAIN]
    body = Container.ROAD_TANKER if family in context.on_road else Container.STORAGE_TANK
    kinds = [*context.containers, (body, context.tank_body)]
    if not found and not family.startswith("hazmat"):
        vehicles = [(kind, form) for kind, form in kinds if kind in context.tank_vehicles]
        kinds = [*vehicles, (Container.STORAGE_TANK, context.burning_tank)] if family in context.tank_vehicles_in else []
    best: tuple[float, Container, int, int] | None = None
    anchor = found[0].start if found else None
    for sentence in main[:40]:
        for container, pattern in kinds:
            match = pattern.search(prepared.text, sentence.start, sentence.end)
            if match is not None:
                distance = abs(match.start() - anchor) if anchor is not None else match.start()
                if best is None or distance < best[0]:
                    best = (distance, container, match.start(), match.end())
    return None if best is None else best[1:]

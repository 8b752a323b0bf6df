"""Decides which family of events a text reports, from word classes, rules and wording. Pure.

The lexicon and the rules are data/evidence.yaml; this module holds no words of its own. What each sign weighs is learnt from the labelled
texts (plans.triage.train), not set by hand: rules that are right for all of ours are not right for all others.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from functools import lru_cache

import msgspec

from plans.triage import ngrams, weights
from plans.triage.text import OPENING_WEIGHT, Prepared, Sentence, Standing, data

LOAD = "tanktruck"  # a lorry that carries a dangerous load
SUBSTANCE, HARMFUL = "substance", "harmful"  # a dangerous substance; one that is toxic or corrosive and no fuel gas
HARMLESS = "harmless_load"  # milk, cement, cooking oil
LOADING = "loadverb"
_PEOPLE = re.compile(
    r"(?:有|着|了|共)?(?:[\d一二两三四五六七八九十百几数多余]{1,5}(?:名|位|个|人)|乘客|旅客|学生|游客|工人|客)"
)  # who rides is no load
_STANDING_FACTOR = {Standing.MAIN: 1.0, Standing.BACKGROUND: 0.12, Standing.UNREAL: 0.15}
_REPEAT = (1.0, 0.5, 0.25, 0.12)
_READ_CHARS = 6000  # what follows in a long report (causes, duties, penalties) says less about the kind of event than its opening
_LEAST = 2.0  # a family of which the rules say less is not spoken of
_UNHEARD = 0.5  # what a family of which no rule spoke is worth beside the others
_LEARNT = 0.75  # how a unit of the learnt log odds weighs beside a unit of the logarithm of what the rules add up to; from 0.4 to 0.75 444 texts never seen give the same
_CLEAR = 0.8  # units of log odds by which a family must lead where no rule speaks; else the text tells of no incident


ANYWHERE, OPENING = "C:", "H:"  # before a class or rule: it holds in a main sentence; it holds in the title or the first two sentences
_FLYING = ("plane", "plane_strong", "plane_event")


class Token(msgspec.Struct, frozen=True):
    """A word of the lexicon at [start, end) with its classes."""

    start: int
    end: int
    classes: frozenset[str]


class _Rule(msgspec.Struct, frozen=True):
    family: str
    all: list[str]
    weight: float
    none: list[str] = []
    within: int | None = None

    @property
    def name(self) -> str:
        """What the learnt weights call it."""
        return f"{'+'.join(self.all)}>{self.family}"


class _Lexicon(msgspec.Struct, frozen=True):
    words: dict[str, frozenset[str]]
    lengths: dict[str, list[int]]
    inside: frozenset[str]
    rules: list[_Rule]


class Decision(msgspec.Struct, frozen=True):
    """The family, the stretch of prepared text that spoke loudest for it, every score, and where main sentences first mention each class."""

    family: str
    start: int
    end: int
    scores: dict[str, float]
    seen: dict[str, int]


@lru_cache(maxsize=1)
def _lexicon() -> _Lexicon:
    raw = data("evidence.yaml")
    words: dict[str, set[str]] = {}
    for name, listed in raw["words"].items():
        for word in listed:
            words.setdefault(str(word), set()).add(name)
            if str(word).endswith("机") and name not in ("_mask", *_FLYING):
                words.setdefault(f"{word}上", set()).add(name)  # 挖掘机上 is no 机上
    for word, classes in words.items():
        if "_mask" not in classes:
            classes.update(name for name, inside in raw["inside"].items() if any(part in word for part in inside))
    lengths: dict[str, set[int]] = {}
    for word in words:
        lengths.setdefault(word[0], set()).add(len(word))
    return _Lexicon(
        {word: frozenset(classes - {"_mask"}) if "_mask" not in classes else frozenset() for word, classes in words.items()},
        {first: sorted(found, reverse=True) for first, found in lengths.items()},
        frozenset(raw["inside"]),
        msgspec.convert(raw["rules"], list[_Rule]),
    )


def tokens(text: str, start: int, end: int) -> list[Token]:
    """The lexicon's words in [start, end), the longest at each place, none overlapping."""
    lexicon = _lexicon()
    words, lengths, done = lexicon.words, lexicon.lengths, []
    index = start
    while index < end:
        for length in lengths.get(text[index], ()):
            if index + length <= end and not text.startswith("车间", index + length - 1):  # 危化品车间 holds no 危化品车
                classes = words.get(text[index : index + length])
                if classes is not None:
                    if classes and not (LOADING in classes and _PEOPLE.match(text, index + length)):
                        done.append(Token(index, index + length, classes))
                    index += length
                    break
        else:
            index += 1
    return done


class Heard(msgspec.Struct, frozen=True):
    """What the words and rules say of a text.

    `scores`: per family, what the rules add up to. `loudest`: per family, the worth and stretch of the rule that spoke loudest. `seen`: where main
    sentences first mention each class. `signs`: what the learnt weights are asked about.
    """

    scores: dict[str, float]
    loudest: dict[str, tuple[float, int, int]]
    seen: dict[str, int]
    signs: set[str]


def hear(prepared: Prepared, substances: list[Token]) -> Heard:
    """Read the word classes and rules of a text. `substances` are the names of dangerous substances, in order."""
    lexicon = _lexicon()
    heard = Heard({}, {}, {}, set())
    counts: dict[int, int] = {}
    starts = [s.start for s in substances]
    read = [sentence for sentence in prepared.sentences if sentence.start <= _READ_CHARS]
    named = [_places(prepared, sentence, substances, starts) for sentence in read]
    told = {name for sentence, places in zip(read, named, strict=True) if sentence.standing is Standing.MAIN for name in places}
    if HARMLESS in told and SUBSTANCE not in told:
        for places in named:
            places.pop(LOAD, None)  # a tank lorry that the text fills with cooking oil carries no dangerous load in its title either
    for sentence, places in zip(read, named, strict=True):
        main = sentence.standing is Standing.MAIN
        kinds = _kinds(sentence) if main else ()
        if main:
            for name, stretches in places.items():
                heard.seen.setdefault(name, stretches[0][0])
        heard.signs.update(f"{kind}{name}" for kind in kinds for name in places)
        factor = sentence.weight * _STANDING_FACTOR[sentence.standing]
        for number, rule in enumerate(lexicon.rules):
            hit = _hit(rule, places, lexicon.inside)
            if hit is None:
                continue
            repeat = counts.get(number, 0)
            worth = rule.weight * factor * (_REPEAT[repeat] if repeat < len(_REPEAT) else 0.06)
            if main:
                counts[number] = repeat + 1
            if len(rule.all) > 1:
                heard.signs.update(f"{kind}{rule.name}" for kind in kinds)
            heard.scores[rule.family] = heard.scores.get(rule.family, 0.0) + worth
            if worth > heard.loudest.get(rule.family, (0.0, 0, 0))[0]:
                heard.loudest[rule.family] = (worth, *hit)
    heard.signs.update(ngrams.features(prepared))
    return heard


def _kinds(sentence: Sentence) -> tuple[str, ...]:
    """How the signs of a main sentence count: in the stretch that the weights were learnt from, and again where the text names its event."""
    if sentence.start >= ngrams.READ_CHARS:
        return ()
    return (ANYWHERE, OPENING) if sentence.weight >= OPENING_WEIGHT else (ANYWHERE,)


def decide(prepared: Prepared, substances: list[Token], learnt: weights.Model | None = None) -> Decision:
    """The family of the primary event. `substances` are the names of dangerous substances, in order.

    `learnt` is another model than the one shipped, for measuring on texts that it has not seen.
    """
    heard = hear(prepared, substances)
    said = weights.scores(heard.signs, learnt)
    if max(heard.scores.values(), default=0.0) >= _LEAST:
        both = {name: math.log(max(heard.scores.get(name, 0.0), _UNHEARD)) + _LEARNT * odds for name, odds in said.items()}
        family = max(sorted(both), key=lambda name: both[name])
    else:
        family, second = sorted(said, key=lambda name: (-said[name], name))[:2]
        family = family if said[second] <= -_CLEAR else "other"
    stretch = heard.loudest[family][1:] if family in heard.loudest else None
    if stretch is None and family != "other":
        stretch = ngrams.loudest(prepared, family, learnt)
    start, end = stretch or (0, 0)
    return Decision(family, start, end, heard.scores, heard.seen)


def _places(prepared: Prepared, sentence: Sentence, substances: list[Token], starts: list[int]) -> dict[str, list[tuple[int, int]]]:
    places: dict[str, list[tuple[int, int]]] = {}
    for token in tokens(prepared.text, sentence.start, sentence.end):
        for name in token.classes:
            places.setdefault(name, []).append((token.start, token.end))
    for index in range(bisect_left(starts, sentence.start), len(starts)):
        if starts[index] >= sentence.end:
            break
        for name in substances[index].classes:
            places.setdefault(name, []).append((substances[index].start, substances[index].end))
    return places


def _hit(rule: _Rule, places: dict[str, list[tuple[int, int]]], inside: frozenset[str]) -> tuple[int, int] | None:
    if any(name not in places for name in rule.all) or any(name in places for name in rule.none):
        return None
    first = places[rule.all[0]]
    if len(rule.all) == 1:
        return first[0]
    for start, end in first[:12]:
        low, high = start, end
        for name in rule.all[1:]:
            composite = name in inside and rule.all[0] not in inside  # 燃气爆炸 is both the gas and the explosion
            others = [p for p in places[name] if p[0] >= end or p[1] <= start or (composite and p == (start, end))]
            if not others:
                break
            near = min(others, key=lambda p: abs(p[0] - start))
            low, high = min(low, near[0]), max(high, near[1])
        else:
            if rule.within is None or high - low <= rule.within:
                return low, high
    return None

"""Decides which family of events a text reports, from word classes and weighted evidence. Pure.

The lexicon and the rules are data/evidence.yaml; this module holds no words of its own.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from functools import lru_cache

import msgspec

from plans.triage import ngrams
from plans.triage.text import Prepared, Sentence, Standing, data

LOAD = "tanktruck"  # a lorry that carries a dangerous load
SUBSTANCE, HARMFUL = "substance", "harmful"  # a dangerous substance; one that is toxic or corrosive and no fuel gas
LOADING = "loadverb"
_PEOPLE = re.compile(
    r"(?:有|着|了|共)?(?:[\d一二两三四五六七八九十百几数多余]{1,5}(?:名|位|个|人)|乘客|旅客|学生|游客|工人|客)"
)  # who rides is no load
_STANDING_FACTOR = {Standing.MAIN: 1.0, Standing.BACKGROUND: 0.12, Standing.UNREAL: 0.15}
_REPEAT = (1.0, 0.5, 0.25, 0.12)
_READ_CHARS = 6000  # what follows in a long report (causes, duties, penalties) says less about the kind of event than its opening
_LEAST = 2.0
_RULED = 2.5  # the family that the rules choose stands at least this factor above their other scores
_UNHEARD = 0.5  # what a family of which no rule spoke is worth beside the others
_BEATEN = 0.1  # what a family that another beats keeps of its score; chosen with real texts, where 0.4 let our wording undo plain rules
_LEANING = 0.12  # how much a unit of the n-grams' log score weighs; this and _RULED lie where a fitted linear model puts them (tests/fixtures/triage)
_DEAF = 40.0  # a family is put back by no more units than this; where wording led by more than 30 units it was right in 98 % of new texts
_CLEAR = 10.0  # where the rules are silent, wording decides alone if it leads by this much


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


class _Beat(msgspec.Struct, frozen=True):
    winner: str
    loser: list[str]
    ratio: float
    needs: list[str] = []
    unless: list[str] = []
    first: str | None = None
    then: str | None = None

    def holds(self, seen: dict[str, int]) -> bool:
        """Whether the classes of main sentences are as this row asks; where `first` and `then` are named, in that order of mention."""
        if any(name not in seen for name in self.needs) or any(name in seen for name in self.unless):
            return False
        return self.first is None or self.then is None or seen.get(self.first, _READ_CHARS + 1) < seen.get(self.then, _READ_CHARS + 1)


class _Lexicon(msgspec.Struct, frozen=True):
    words: dict[str, frozenset[str]]
    lengths: dict[str, list[int]]
    inside: frozenset[str]
    rules: list[_Rule]
    beats: list[_Beat]


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
        msgspec.convert(raw["beats"], list[_Beat]),
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


def decide(prepared: Prepared, substances: list[Token], learnt: ngrams.Model | None = None) -> Decision:
    """The family of the primary event. `substances` are the names of dangerous substances, in order.

    `learnt` is another n-gram model than the one shipped, for measuring on texts that it has not seen.
    """
    lexicon = _lexicon()
    scores: dict[str, float] = {}
    loudest: dict[str, tuple[float, int, int]] = {}
    counts: dict[int, int] = {}
    seen: dict[str, int] = {}
    starts = [s.start for s in substances]
    for sentence in prepared.sentences:
        if sentence.start > _READ_CHARS:
            break
        places = _places(prepared, sentence, substances, starts)
        if sentence.standing is Standing.MAIN:
            for name, stretches in places.items():
                seen.setdefault(name, stretches[0][0])
        factor = sentence.weight * _STANDING_FACTOR[sentence.standing]
        for number, rule in enumerate(lexicon.rules):
            hit = _hit(rule, places, lexicon.inside)
            if hit is None:
                continue
            repeat = counts.get(number, 0)
            worth = rule.weight * factor * (_REPEAT[repeat] if repeat < len(_REPEAT) else 0.06)
            if sentence.standing is Standing.MAIN:
                counts[number] = repeat + 1
            scores[rule.family] = scores.get(rule.family, 0.0) + worth
            if worth > loudest.get(rule.family, (0.0, 0, 0))[0]:
                loudest[rule.family] = (worth, *hit)
    ruled, beaten = _winner(scores, seen, lexicon.beats)
    family = _weighed(ruled, beaten, scores, ngrams.leanings(prepared, learnt), ngrams.loudness(prepared))
    said = loudest[family][1:] if family in loudest else None
    if said is None and family != "other":
        said = ngrams.loudest(prepared, family, learnt)
    start, end = said or (0, 0)
    return Decision(family, start, end, scores, seen)


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


def _weighed(ruled: str, beaten: set[str], scores: dict[str, float], leanings: dict[str, float], loudness: float) -> str:
    """The rules' family, unless the wording of the text speaks much more clearly for another; where no rule spoke, a clear wording alone."""
    if max(scores.values(), default=0.0) < _LEAST:
        likeliest, second = sorted(leanings, key=lambda family: (-leanings[family], family))[:2]
        return likeliest if leanings[second] <= -_CLEAR else ruled
    worth = {family: max(scores.get(family, 0.0), _UNHEARD) for family in leanings}
    worth.update({family: max(worth[family] * _BEATEN, _UNHEARD) for family in beaten & worth.keys()})
    worth[ruled] = max(_LEAST, *scores.values(), 0.0) * _RULED
    both = {family: math.log(value) + _LEANING * max(leanings[family] * loudness, -_DEAF) for family, value in worth.items()}
    return max(sorted(both), key=lambda family: both[family])


def _winner(scores: dict[str, float], seen: dict[str, int], beats: list[_Beat]) -> tuple[str, set[str]]:
    standing = {family: score for family, score in scores.items() if score >= _LEAST}
    if not standing:
        return "other", set()
    pairs = {
        (beat.winner, loser)
        for beat in beats
        if beat.winner in standing and beat.holds(seen)
        for loser in beat.loser
        if loser in standing and standing[beat.winner] >= beat.ratio * standing[loser]
    }
    lost = {loser for winner, loser in pairs if (loser, winner) not in pairs or standing[winner] > standing[loser]}
    left = {family: score for family, score in standing.items() if family not in lost} or standing
    return max(sorted(left), key=lambda family: left[family]), lost

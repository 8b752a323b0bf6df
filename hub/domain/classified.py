"""涉密勿录, classified: do not enter. The one rule for every channel by which a text comes in. Pure.

It knows markings and words (`hub/data/classified_words.yaml`), not meaning. What it refuses is stored nowhere, the quarantine included.
What it warns of is stored once its author has said that he saw the warning; a message that no person can be asked about is stored and marked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from hub.domain.change import ChangeBody, change
from hub.domain.data import packaged
from hub.errors import Rejected

CODE: Final = "classified"
"""The reason code of every refusal by this rule."""
WARNED: Final = "classified_warning"
"""The reason code where a person has yet to say that he saw the warnings."""


class Severity(StrEnum):
    """A word that only warns, or one that refuses."""

    WARN = "warn"
    REFUSE = "refuse"


class ClassifiedWord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One pattern of the guard: a regular expression, what it does, and exceptions in which it means nothing."""

    pattern: str
    severity: Severity
    zh: str
    en: str
    unless: tuple[str, ...] = ()

    def hits(self, field: str, text: str) -> Iterator[ClassifiedHit]:
        """Where the pattern stands in a text and no exception covers it. One pass over the text, however often it stands there."""
        harmless = sorted(found.span() for exception in self.unless for found in re.finditer(exception, text))
        passed, covered_to = 0, 0
        for found in re.finditer(self.pattern, text):
            while passed < len(harmless) and harmless[passed][0] <= found.start():
                covered_to, passed = max(covered_to, harmless[passed][1]), passed + 1
            if found.end() > covered_to:
                mark = hashlib.sha256(f"{field}\0{found.group()}".encode()).hexdigest()[:12]
                yield ClassifiedHit(field=field, start=found.start(), end=found.end(), severity=self.severity, zh=self.zh, en=self.en, mark=mark)


class ClassifiedHit(Struct, frozen=True, kw_only=True):
    """Where a text looks classified: the field, the characters [start, end), what it does. `mark` names the warning: this word in this field."""

    field: str
    start: int
    end: int
    severity: Severity
    zh: str
    en: str
    mark: str


class Warned(Struct, frozen=True, kw_only=True):
    """A warning as the chain keeps it: its field and what it was about, not the text."""

    field: str
    zh: str
    en: str


def warned_of(hits: Iterable[ClassifiedHit]) -> tuple[Warned, ...]:
    """The warnings, each once."""
    return tuple(dict.fromkeys(Warned(field=hit.field, zh=hit.zh, en=hit.en) for hit in hits))


@change("classified.confirmed", zh="核对涉密提示后录入", en="entered after a warning of classified content was seen")
class ClassifiedConfirmed(ChangeBody, frozen=True, kw_only=True):
    """Somebody saw these warnings and says that the text is not classified; `form` is the method and path of the request."""

    form: str
    warnings: tuple[Warned, ...]


@change("classified.suspected", zh="疑似涉密，待核对", en="may be classified; somebody should look")
class ClassifiedSuspected(ChangeBody, frozen=True, kw_only=True):
    """A message of a device was stored with these warnings, which nobody has seen."""

    warnings: tuple[Warned, ...]


class ClassifiedGuard:
    """Looks texts over for markings and words that do not belong on this network. `look` tells, the others raise `Rejected` (`classified`)."""

    def __init__(self, words: Iterable[ClassifiedWord], *, signs: Iterable[str] = ("",), warning_signs: Iterable[str] = ("",)) -> None:
        """A text that has none of the signs of a severity is cleared of it at once."""
        self._words: Final = tuple(words)
        self._signs: Final = {Severity.REFUSE: tuple(signs), Severity.WARN: tuple(warning_signs)}

    def _cleared(self, text: str, severity: Severity = Severity.REFUSE) -> bool:
        return not any(map(text.__contains__, self._signs[severity]))

    def _hits(self, severity: Severity, texts: Iterable[tuple[str, str | None]]) -> Iterator[ClassifiedHit]:
        for field, text in texts:
            if text and not self._cleared(text, severity):
                yield from (hit for word in self._words if word.severity is severity for hit in word.hits(field, text))

    def look(self, texts: Mapping[str, str | None]) -> tuple[ClassifiedHit, ...]:
        """Every hit in the named texts, refusals first."""
        hits = [hit for field, text in texts.items() if text for word in self._words for hit in word.hits(field, text)]
        return tuple(sorted(hits, key=lambda hit: (hit.severity is not Severity.REFUSE, hit.field, hit.start)))

    def refuse(self, texts: Mapping[str, str | None]) -> None:
        """Refuse the first of these texts that must not be entered here, by its field (the empty name: no field)."""
        for hit in self._hits(Severity.REFUSE, texts.items()):
            raise Rejected(CODE, f"疑似涉密内容，严禁录入，未保存：{hit.zh}", f"looks classified, do not enter; nothing was stored: {hit.en}",
                           field=hit.field or None)

    def warnings(self, value: Any) -> tuple[ClassifiedHit, ...]:
        """Every warning in a decoded message, form or table; none in what is refused as it is, about which nobody need be asked."""
        hits = tuple(self._hits(Severity.WARN, texts_in(value)))
        return () if hits and any(self._hits(Severity.REFUSE, texts_in(value))) else hits

    def message_warnings(self, payload: bytes, message: Any = None) -> tuple[ClassifiedHit, ...]:
        """Every warning in a message as it came; `message` is what it was decoded to. What does not decode has none: it is not stored."""
        text = payload.decode("utf-8", "replace")
        if "\\" not in text and self._cleared(text, Severity.WARN):
            return ()
        try:
            return self.warnings(message if message is not None else msgspec.json.decode(payload))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ()

    def refuse_in(self, value: Any) -> None:
        """Refuse a decoded message, form or table for any text in it, names and keys included."""
        self.refuse(dict(texts_in(value)))

    def refuse_message(self, payload: bytes, message: Any = None) -> None:
        """Refuse a message as it came. `message` is what it was decoded to; without one, bytes that no decoder took are looked at as the JSON
        that they are, or else by their characters. Bytes that show no sign and no escape are cleared at once: 1 µs for a report."""
        text = payload.decode("utf-8", "replace")
        if "\\" not in text and self._cleared(text):
            return
        try:
            self.refuse_in(message if message is not None else msgspec.json.decode(payload))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.refuse({"": text})


def texts_in(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text within structs and plain values, by its dotted path; the keys of a mapping are texts of it."""
    below = f"{path}." if path else ""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Struct):
        for field in value.__struct_fields__:
            yield from texts_in(getattr(value, field), f"{below}{field}")
    elif isinstance(value, Mapping):
        yield f"{below}keys", "\n".join(map(str, value))
        for key, inner in value.items():
            yield from texts_in(inner, f"{below}{key}")
    elif isinstance(value, (list, tuple, set, frozenset)):
        for n, inner in enumerate(value):
            yield from texts_in(inner, f"{below}{n}")


@cache
def packaged_guard() -> ClassifiedGuard:
    """The guard with the words that the product ships."""
    words = packaged("classified_words")
    return ClassifiedGuard(msgspec.convert(words["words"], tuple[ClassifiedWord, ...]), signs=words["signs"], warning_signs=words["warning_signs"])

"""Says whether the text states a leak, a fire or an explosion. Pure. None where it says neither yes nor no."""

from __future__ import annotations

import re

from plans.triage.family import tokens
from plans.triage.text import Prepared, Standing

_NO = {
    "leak": re.compile(
        r"(?:未|没有|无|未见|未发现|未发生|尚未)[^，。；]{0,8}(?:泄漏|泄露|外泄|渗漏)|(?:罐体|罐车|钢瓶)[^，。；]{0,6}(?:完好|无破损|未破损)"
    ),
    "fire": re.compile(r"(?:未|没有|无|未发生|尚未|未引发|未引起)[^，。；]{0,6}(?:起火|着火|火灾|明火|燃烧)"),
    "explosion": re.compile(r"(?:未|没有|无|未发生|尚未|未引发|未引起)[^，。；]{0,8}(?:爆炸|爆燃|燃爆)"),
}
_CLASSES = {"leak": "leak", "fire": "fire", "explosion": "boom"}


def read(prepared: Prepared) -> dict[str, tuple[bool, int, int]]:
    """`leak`, `fire`, `explosion` as far as main sentences state them."""
    found: dict[str, tuple[bool, int, int]] = {}
    for sentence in prepared.sentences:
        if sentence.standing is Standing.BACKGROUND:
            continue
        denied = {name: match for name, pattern in _NO.items() if (match := pattern.search(prepared.text, sentence.start, sentence.end))}
        for name, match in denied.items():
            found.setdefault(name, (False, match.start(), match.end()))
        if sentence.standing is Standing.UNREAL:
            continue
        for token in tokens(prepared.text, sentence.start, sentence.end):
            for name, wanted in _CLASSES.items():
                inside = name in denied and denied[name].start() <= token.start < denied[name].end()
                if wanted in token.classes and not inside and not found.get(name, (False, 0, 0))[0]:
                    found[name] = (True, token.start, token.end)
        if len(found) == len(_CLASSES) and all(value[0] for value in found.values()):
            break
    return found

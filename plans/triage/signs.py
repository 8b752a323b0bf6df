"""Says whether the text states a leak, a fire or an explosion. Pure. None where it says neither yes nor no."""

from __future__ import annotations

import re

from plans.triage.family import Token, tokens
from plans.triage.text import Prepared, Standing

_NO = {
    "leak": re.compile(
        r"(?:未|没有|无|未见|未发现|未发生|尚未)[^，。；]{0,8}(?:泄漏|泄露|外泄|渗漏|漏气|漏油)|(?:罐体|罐车|钢瓶)[^，。；]{0,6}(?:完好|无破损|未破损)"
    ),
    "fire": re.compile(r"(?:未|没有|无|未发生|尚未|未引发|未引起)[^，。；]{0,6}(?:起火|着火|火灾|明火|燃烧)"),
    "explosion": re.compile(r"(?:未|没有|无|未发生|尚未|未引发|未引起|并非|不是)[^，。；]{0,8}(?:爆炸|爆燃|燃爆)"),
}
_CLASSES = {"leak": "leak", "fire": "fire", "explosion": "boom"}
# words that state the fact only together with something else: a bang with its blast, a smell or a crack with a substance
_BANG = re.compile(r"(?:一声)?巨响")
_BLAST = re.compile(r"气浪|冲击波|震碎|震裂|震落|蘑菇云|火球|炸|爆")
_VAGUE = re.compile(r"刺鼻(?:气味)?|弥漫|破裂|破损|扩散|冒出|喷出|白雾")
_FLAME = re.compile(r"(?:了|大量|滚滚|熊熊|阵阵|着|的|一股|[浓黑白]){0,3}(?:火|烟)")
_FEARED = re.compile(
    r"(?:担心|生怕|害怕|怕|唯恐|以为|防止|以防|以免|避免|谨防|差点|险些|随时|可能|将会|如遇)[^，。；、]{0,10}$|(?:(?:容易|极易|即可|足以|就会|也会)(?:引起|引发|发生|造成|导致|产生|起)?|[能可会](?:引起|引发|发生|造成|导致|产生))[^，。；、]{0,6}$|能[^。；]{0,12}甚至(?:发生)?$|遇到?$|遇[^，。；]{1,6}[、或]$|遇高?热$"
)
_TYRE = re.compile(r"轮胎[^，。；]{0,3}$")  # what bursts under a vehicle is no explosion
_COLOURED = re.compile(r"(?:黄|棕|褐|橙|紫|绿)色?的?$")  # yellow smoke is of nitric acid and no fire
_OWN_FUEL = re.compile(r"油箱[^，。；]{0,8}$")  # what a vehicle loses of its own fuel is no leak of its load
_DANGER = re.compile(r"(?:燃烧|爆炸)?(?:的)?(?:特性|性质|临界点|极限|下限|危险|风险|可能(?!是|为|系|因)|隐患)")


def read(prepared: Prepared, substance: bool = True) -> dict[str, tuple[bool, int, int]]:
    """`leak`, `fire`, `explosion` as far as main sentences state them; `substance` says whether the text names one that could leak."""
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
                if wanted in token.classes and not inside and not found.get(name, (False, 0, 0))[0] and _stated(prepared, token, substance):
                    found[name] = (True, token.start, token.end)
        if len(found) == len(_CLASSES) and all(value[0] for value in found.values()):
            break
    return found


def _stated(prepared: Prepared, token: Token, substance: bool) -> bool:
    """Not only feared, and more than a bang, a smell or a flame that bursts out."""
    text = prepared.text
    before = max(0, token.start - 14)
    if _FEARED.search(text, before, token.start) or _DANGER.match(text, token.end):
        return False
    if "boom" in token.classes and _TYRE.search(text, before, token.start):
        return False
    if "fire" in token.classes and "烟" in text[token.start : token.end] and _COLOURED.search(text, before, token.start):
        return False
    if substance and "leak" in token.classes and _OWN_FUEL.search(text, before, token.start):
        return False
    said = text[token.start : token.end]
    if said.endswith("火") and text.startswith(("车", "箭", "锅"), token.end):
        return False  # 昆明火车站
    if _BANG.fullmatch(said):
        sentence = prepared.sentence_at(token.start)
        return _BLAST.search(text, sentence.start, sentence.end) is not None
    return not _VAGUE.fullmatch(said) or (substance and _FLAME.match(text, token.end) is None)

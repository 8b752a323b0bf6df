"""How a person answers the question for a missing fact: by yes or no, a choice, a number with its unit, words, warnings, or a follow-up report.

Reads packaged tables alone. The values that a choice offers are those that conditions may name (`plans.load`), so that no answer is given that no plan can look at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

from plans.facts import BY_REPORT, FIELDS, TYPES, VALUE_WORDS, Colour, FieldKind
from plans.hazmat import lookup, tables
from plans.load import closed_values, departments, towns_by_adcode
from plans.model import Text


class AnswerKind(StrEnum):
    """What a question is answered with."""

    FLAG = "flag"
    CHOICE = "choice"
    NUMBER = "number"
    TEXT = "text"
    WARNINGS = "warnings"
    EVENT_TYPES = "event_types"
    REPORT = "report"


class Option(msgspec.Struct, frozen=True):
    """A value that may be chosen, or a colour of a warning, and what it is called."""

    value: str
    zh: str
    en: str


class Unit(msgspec.Struct, frozen=True):
    """A unit in which a number may be typed, and how many of the fact's own units one of it is. The first one is offered.

    `one`: how English calls a single one of it, where that is another word.
    """

    zh: str
    en: str
    factor: float
    one: str | None = None


class AnswerForm(msgspec.Struct, frozen=True):
    """How one fact is answered. `options`: what may be chosen, of warnings their kinds; `colours` theirs, mildest first; `whole`: no fractions."""

    field: str
    kind: AnswerKind
    options: tuple[Option, ...] = ()
    colours: tuple[Option, ...] = ()
    units: tuple[Unit, ...] = ()
    whole: bool = False


_PEOPLE, _METRES = (Unit("人", "people", 1, one="person"),), (Unit("米", "m", 1), Unit("公里", "km", 1000))
_UNITS: Mapping[str, tuple[Unit, ...]] = {
    "hazmat.quantity_kg": (Unit("吨", "t", 1000), Unit("千克", "kg", 1)),
    "loss_yuan": (Unit("万元", "10,000 yuan", 10_000), Unit("元", "yuan", 1)),
    "place.road_km": (Unit("公里", "km", 1),),
    "place.distance_to_water_m": _METRES,
    "place.distance_to_school_m": _METRES,
    "place.distance_to_homes_m": _METRES,
    "weather.wind_speed_mps": (Unit("米/秒", "m/s", 1),),
}
_UNITS_SAID_EN: Mapping[str, tuple[Unit, ...]] = {"loss_yuan": (Unit("百万元", "million yuan", 1_000_000), Unit("元", "yuan", 1))}
"""In which units English sentences name an amount, where they are not those in which Chinese counts (by ten thousands)."""


def form_of(field: str) -> AnswerForm:
    """How a fact of `plans.facts.FIELDS` is answered. Raises KeyError for a field that is none."""
    spec = FIELDS[field]
    if field in BY_REPORT:
        return AnswerForm(field, AnswerKind.EVENT_TYPES if field == "event_types" else AnswerKind.REPORT)
    if spec.kind is FieldKind.FLAG:
        return AnswerForm(field, AnswerKind.FLAG)
    if spec.kind is FieldKind.WARNINGS:
        return AnswerForm(field, AnswerKind.WARNINGS, tuple(map(_option, closed_values(field))), tuple(map(_option, Colour)))
    if spec.kind is FieldKind.NUMBER:
        units = _PEOPLE if field.startswith("casualties.") else _UNITS.get(field, ())
        return AnswerForm(field, AnswerKind.NUMBER, units=units, whole=TYPES[field] == int | None)
    options = tuple(_options(field))
    return AnswerForm(field, AnswerKind.CHOICE if options else AnswerKind.TEXT, options)


def said_in_words(field: str, value: object) -> Text:
    """A fact and what somebody answered, as a list shows it: 泄漏：是. The value is one that was checked; an amount names its unit once."""
    spec, form = FIELDS[field], form_of(field)
    zh, en = _value_words(form, value)
    if form.units:
        return Text(zh=f"{_UNIT_NAMED.sub('', spec.zh)}：{zh}", en=f"{_UNIT_NAMED.sub('', spec.en)}: {en}")
    return Text(zh=f"{spec.zh}：{zh}", en=f"{spec.en}: {en}")


_UNIT_NAMED = re.compile(r"\s*[（(][^（）()]*[）)]$")


def _value_words(form: AnswerForm, value: object) -> tuple[str, str]:
    if isinstance(value, bool):
        return ("是", "yes") if value else ("否", "no")
    if form.kind is AnswerKind.WARNINGS and isinstance(value, list):
        said = [(VALUE_WORDS[one["kind"]], VALUE_WORDS[one["colour"]]) for one in value]
        return "、".join(f"{kind[0]}{colour[0]}" for kind, colour in said) or "无", ", ".join(f"{kind[1]} {colour[1]}" for kind, colour in said) or "none"
    if isinstance(value, int | float) and form.units:
        zh, en = _unit_for(form.units, value), _unit_for(_UNITS_SAID_EN.get(form.field, form.units), value)
        called = en.one if en.one is not None and value == en.factor else en.en
        return f"{value / zh.factor:.10g} {zh.zh}", f"{value / en.factor:,.10g} {called}"
    chosen = next((one for one in form.options if one.value == value), None)
    return (chosen.zh, chosen.en) if chosen else (str(value), str(value))


def _unit_for(units: tuple[Unit, ...], value: float) -> Unit:
    """The largest unit of which there is a whole one; the smallest for less than that."""
    by_size = sorted(units, key=lambda unit: unit.factor)
    return next((unit for unit in reversed(by_size) if unit.factor <= value), by_size[0])


def _options(field: str) -> Iterator[Option]:
    """The values of a closed fact with their names; nothing for one that may be anything."""
    if field == "place.adcode":
        called, known = towns_by_adcode(), departments()
        for row in tables.rows("towns"):
            town = known[called[row["code"]]] if row["code"] in called else None
            yield Option(row["code"], row["name_zh"], town.en if town is not None else row["name_zh"])
    elif field == "hazmat.class":
        yield from _classes()
    elif field == "hazmat.guide":
        yield from (Option(n, f"{n} {guide.title.zh}", f"{n} {guide.title.en}") for n, guide in sorted(lookup.guides().items()))
    else:
        yield from map(_option, FIELDS[field].values or sorted(closed_values(field), key=lambda value: _ORDER.get(value, len(_ORDER))))


_ORDER = {value: n for n, value in enumerate(value for value in VALUE_WORDS if value not in FIELDS["place.setting"].values)}
"""The usual ones stand first: a road tanker before a bag."""


def _classes() -> Iterator[Option]:
    for value in closed_values("hazmat.class"):
        name = next((p.name for p in lookup.placards() if p.class_ == value), None)
        yield Option(value, f"{value} {name.zh}", f"{value} {name.en}") if name else Option(value, f"{value} 类", f"class {value}")


def _option(value: str) -> Option:
    known = VALUE_WORDS.get(value) or _families().get(value) or (value, value.replace("_", " "))
    return Option(value, *known)


def _families() -> Mapping[str, tuple[str, str]]:
    from plans.triage.text import data

    return {id: (row["zh"], id.replace("_", " ")) for id, row in data("families.yaml")["families"].items()}

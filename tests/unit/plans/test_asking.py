"""Every fact that may be asked for has a way to be answered, with values that are taken and that conditions can name."""

from __future__ import annotations

import pytest

from hub.domain.activation import check_fact
from hub.errors import Rejected
from plans.asking import AnswerKind, form_of, said_in_words
from plans.facts import BY_REPORT, FIELDS, VALUE_WORDS, Colour, WarningKind
from plans.hazmat.lookup import number_of
from plans.load import closed_values


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_every_fact_has_a_control_whose_answers_are_taken(field: str) -> None:
    form = form_of(field)
    match form.kind:
        case AnswerKind.EVENT_TYPES | AnswerKind.REPORT:
            assert field in BY_REPORT
            return
        case AnswerKind.FLAG:
            answers: list[object] = [True, False]
        case AnswerKind.CHOICE:
            answers = [one.value for one in form.options]
        case AnswerKind.NUMBER:
            answers = [3 if form.whole else 3.5]
        case AnswerKind.WARNINGS:
            answers = [[{"kind": one.value, "colour": form.colours[-1].value}] for one in form.options]
        case AnswerKind.TEXT:
            answers = ["1005"]
    assert answers
    for answer in answers:
        assert check_fact(field, answer) == answer
        said = said_in_words(field, answer)
        assert said.zh.startswith(FIELDS[field].zh.partition("（")[0]) and said.en.startswith(FIELDS[field].en.partition(" (")[0])


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_a_closed_fact_offers_just_the_values_that_conditions_may_name(field: str) -> None:
    closed = closed_values(field)
    if closed:
        assert {one.value for one in form_of(field).options} == set(closed)


def test_every_kind_and_colour_of_a_warning_may_be_said() -> None:
    form = form_of("weather.warnings")
    assert {one.value for one in form.options} == set(WarningKind)
    assert [one.value for one in form.colours] == list(Colour)


def test_what_may_be_chosen_is_told_in_words() -> None:
    for field in ("place.setting", "hazmat.container", "weather.warnings", "family", "place.adcode"):
        assert all(one.zh != one.value for one in form_of(field).options), field
    assert {one.value for one in form_of("hazmat.container").options} <= VALUE_WORDS.keys()
    assert form_of("hazmat.container").options[0].value == "road_tanker"


def test_an_amount_is_typed_in_the_unit_that_the_question_names() -> None:
    first = form_of("hazmat.quantity_kg").units[0]
    assert first.zh in FIELDS["hazmat.quantity_kg"].ask_zh and first.factor == 1000
    assert said_in_words("hazmat.quantity_kg", 25_000).zh.endswith("25 吨")
    assert said_in_words("hazmat.quantity_kg", 900).en.endswith("900 kg")


@pytest.mark.parametrize(("field", "value", "zh", "en"), [
    ("loss_yuan", 50_000, "直接经济损失：5 万元", "direct loss: 50,000 yuan"),
    ("loss_yuan", 800, "直接经济损失：800 元", "direct loss: 800 yuan"),
    ("loss_yuan", 1_200_000, "直接经济损失：120 万元", "direct loss: 1.2 million yuan"),
    ("place.distance_to_water_m", 0, "：0 米", ": 0 m"),
    ("place.distance_to_water_m", 0.5, "：0.5 米", ": 0.5 m"),
    ("place.distance_to_water_m", 1500, "：1.5 公里", ": 1.5 km"),
    ("casualties.dead", 1, "死亡人数：1 人", "dead: 1 person"),
    ("casualties.dead", 3, "死亡人数：3 人", "dead: 3 people"),
    ("casualties.dead", 0, "死亡人数：0 人", "dead: 0 people"),
    ("hazmat.quantity_kg", 25_000, "数量：25 吨", "quantity: 25 t"),
    ("weather.wind_speed_mps", 3.5, "风速：3.5 米/秒", "wind speed: 3.5 m/s"),
])  # fmt: skip
def test_an_amount_is_said_in_the_unit_that_fits_it_and_names_it_once(field: str, value: float, zh: str, en: str) -> None:
    said = said_in_words(field, value)
    assert said.zh.endswith(zh) and said.en.endswith(en)
    assert "（" not in said.zh and "(" not in said.en


def test_towns_are_offered_by_their_english_names_in_english() -> None:
    assert next(one for one in form_of("place.adcode").options if one.value == "320707108").en == "Ganma"


@pytest.mark.parametrize("said", ["1005", "UN 1005", "268/1005", "液氨", "１００５"])
def test_a_substance_is_said_by_number_plate_or_name(said: str) -> None:
    assert number_of(said, field="value") == "1005"


@pytest.mark.parametrize(("said", "code"), [("9999", "unknown_un"), ("无此物质", "unknown_un"), ("氨", "ambiguous_name"), ("268/1428", "plate_unlike"), ("1428 268", "plate_unlike"),
                                           ("橙色牌 268/1428", "plate_unlike"), ("12/1005", "unknown_hin"), ("268/9999", "unknown_un"), ("第3类", "is_class"),
                                           ("7664-41-8", "bad_cas"), (" ", "bad_query")])
def test_what_is_no_single_substance_is_refused_with_what_it_may_be(said: str, code: str) -> None:
    with pytest.raises(Rejected) as refused:
        number_of(said, field="value")
    assert (refused.value.code, refused.value.field) == (code, "value")
    if code == "plate_unlike":
        assert "423" in refused.value.zh and "423" in refused.value.en, "the number that ADR 2017 gives sodium"
    if code == "ambiguous_name":
        assert "1005" in refused.value.zh and "2672" in refused.value.en

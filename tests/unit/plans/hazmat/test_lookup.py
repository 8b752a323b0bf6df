"""Finding a substance by everything a caller may have: number, plate, hazard number, name, alias, CAS, placard."""

from __future__ import annotations

import pytest

from hub.errors import Rejected
from plans.hazmat import lookup, tables
from plans.hazmat.lookup import by_placard, by_un, container, guide, guides, hin_meaning, plate_agrees, search, unknown
from plans.hazmat.model import Container, MatchKind


def _first(text: str) -> str:
    return search(text)[0].substance.un


@pytest.mark.parametrize("text", ["1005", "UN1005", "un 1005", "ＵＮ１００５", "268/1005", "268-1005", "268 1005", "液氨", "无水氨", "7664-41-7", "CAS 7664-41-7", "UN编号：1005", "UN-1005", "UN No. 1005",
                                  "1005/268", "UN1005/268", "2681005", "268/UN1005", "CAS号：7664-41-7", "CAS No. 7664-41-7"])
def test_ammonia_is_found_by_every_name_it_goes_by(text: str) -> None:
    assert _first(text) == "1005"


@pytest.mark.parametrize(
    ("text", "un"),
    [("烧碱", "1823"), ("液碱", "1824"), ("chlorine", "1017"), ("Gasoline", "1203"), ("双氧水", "2014"), ("保险粉", "1384"), ("电石", "1402"),
     ("X423/1428", "1428"), ("X 423 / 1428", "1428"), ("LNG", "1972"), ("氯化亚砜", "1836"), ("25吨液氨罐车侧翻", "1005")],
)  # fmt: skip
def test_an_alias_or_english_name_finds_the_right_number(text: str, un: str) -> None:
    assert _first(text) == un


@pytest.mark.parametrize(("text", "un"), [("ammonia anhydrous", "1005"), ("acid sulfuric", "1830"), ("soda caustic", "1823")])
def test_the_words_of_an_english_name_are_found_in_any_order(text: str, un: str) -> None:
    assert search(text)[0].substance.un == un


@pytest.mark.parametrize(
    ("text", "un"),
    [("氯氣", "1017"), ("鹽酸", "1789"), ("發煙硫酸", "1831"), ("環氧乙烷", "1040"), ("三氯化燐", "1809"), ("橙色牌 268/1005", "1005"), ("牌子上写着268和1005", "1005"),
     ("UN 1005 Ammonia", "1005"), ("UN1830 液氨", "1830"), ("鞭炮", "0336")],
)  # fmt: skip
def test_traditional_characters_and_numbers_within_a_sentence_are_read(text: str, un: str) -> None:
    assert search(text)[0].substance.un == un


@pytest.mark.parametrize(("text", "un"), [("amonia", "1005"), ("clorine", "1017"), ("sulfric acid", "1830"), ("chlroine", "1017"), ("氯化亚枫", "1836")])
def test_a_slip_of_the_pen_finds_what_is_written_alike_and_says_that_it_is_only_like(text: str, un: str) -> None:
    found = search(text)
    assert found[0].substance.un == un
    assert {match.why for match in found} == {MatchKind.LIKE}


@pytest.mark.parametrize("text", ["乙二醇", "qwertyuiop", "2024年1005号"])
def test_a_short_chinese_name_with_one_other_character_is_another_substance_and_a_year_is_no_number(text: str) -> None:
    assert search(text) == ()


@pytest.mark.parametrize(
    ("text", "code"), [("0", "unknown_un"), ("00000", "unknown_un"), ("10055", "unknown_un"), ("2.3", "is_class"), ("第3类", "is_class"), ("第八類", "is_class"), ("8", "is_class")]
)
def test_a_number_of_other_length_and_a_class_are_no_names(text: str, code: str) -> None:
    with pytest.raises(Rejected) as refused:
        search(text)
    assert refused.value.code == code


def test_a_few_letters_in_the_middle_of_a_long_name_are_no_find() -> None:
    assert search("MDI") == (), "it stands within sodium dithionite, and is not it: an unknown load goes by guide 111"
    assert [m.substance.un for m in search("TDI")] == ["2078"]


def test_an_exact_name_comes_before_names_that_contain_it() -> None:
    names = [match.substance.un for match in search("氢氧化钠")]
    assert names[:2] == ["1823", "1824"]


def test_a_number_that_does_not_exist_is_refused_with_code_field_and_both_languages() -> None:
    for text in ("9999", "UN0001", "UN12", "268/9998"):
        with pytest.raises(Rejected) as refused:
            search(text)
        assert refused.value.code == "unknown_un"
        assert refused.value.field == "q"
        assert "橙色牌" in refused.value.zh and "orange plate" in refused.value.en
    with pytest.raises(Rejected) as refused:
        by_un("9999")
    assert refused.value.field == "hazmat.un"


def test_a_hazard_number_lists_its_materials_local_ones_first() -> None:
    found = search("268", limit=50)
    assert found == search("HIN 268", limit=50) == search("危险识别号：268", limit=50)
    assert {"1005", "1050"} <= {match.substance.un for match in found}
    named = [match.substance.name_zh is not None for match in found]
    assert named == sorted(named, reverse=True)


def test_all_97_hazard_numbers_speak_both_languages_and_x_forbids_water() -> None:
    rows = tables.rows("hin")
    assert len(rows) == 97
    for row in rows:
        meaning = hin_meaning(row["hin"])
        assert meaning.listed and meaning.meaning.zh and meaning.meaning.en
        assert meaning.no_water is row["hin"].startswith("X")
        assert ("禁水" in meaning.meaning.zh) is meaning.no_water


def test_a_hazard_number_in_use_but_not_listed_is_read_digit_by_digit_and_says_so() -> None:
    meaning = hin_meaning("263")
    assert not meaning.listed
    assert "有毒" in meaning.meaning.zh and "易燃" in meaning.meaning.zh


def test_a_hazard_number_that_does_not_exist_is_refused() -> None:
    for text in ("111", "X1", "12"):
        with pytest.raises(Rejected, match="unknown_hin"):
            hin_meaning(text)


def test_a_plate_whose_halves_do_not_fit_is_noticed() -> None:
    assert plate_agrees("268", "1005") is True
    assert plate_agrees("33", "1005") is False
    assert plate_agrees("33", "9260") is None


def test_a_plate_in_a_sentence_whose_halves_do_not_fit_ranks_below_one_that_does() -> None:
    (fits,), (apart,) = [[m for m in search(f"橙色牌 {plate}") if m.why is MatchKind.PLATE] for plate in ("268/1005", "268/1428")]
    assert (fits.matched, apart.matched) == ("268/1005", "268/1428")
    assert fits.score > 800 > apart.score, "800 is a name that is said whole"


def test_a_cas_number_with_a_wrong_check_digit_is_refused() -> None:
    with pytest.raises(Rejected, match="bad_cas"):
        search("7664-41-8")


def test_a_name_nobody_knows_gives_nothing_and_guide_111_stands_ready() -> None:
    assert search("根本不存在的东西") == ()
    first = unknown()
    immediate = next(d for d in first.distances if d.trigger == "immediate")
    fire = next(d for d in first.distances if d.trigger == "fire")
    assert first.guide == "111"
    assert immediate.isolate is not None and immediate.isolate.value == 100
    assert fire.isolate is not None and fire.isolate.value == 800
    assert fire.isolate.source.startswith("ERG 2024, guide 111")


def test_an_empty_or_endless_question_is_refused() -> None:
    for text in ("", "   ", "液" * 500):
        with pytest.raises(Rejected, match="bad_query"):
            search(text)


def test_an_unknown_load_is_found_by_class_and_colour_of_its_placard() -> None:
    assert {p.class_ for p in by_placard(colour="红色")} >= {"2.1", "3"}
    assert [p.guide.value for p in by_placard("2.3")] == ["123"]
    assert {p.class_ for p in by_placard("2")} == {"2.1", "2.2", "2.3"}
    assert [p.class_ for p in by_placard("8", "black white")] == ["8"]
    for class_, colour in (("17", None), (None, None), ("3", "蓝")):
        with pytest.raises(Rejected, match="unknown_placard"):
            by_placard(class_, colour)


def test_a_division_with_its_letter_is_the_placard_of_the_division() -> None:
    assert [p.class_ for p in by_placard("1.1D")] == ["1.1"] == [p.class_ for p in by_placard("第1.1D项")]


def test_at_least_150_local_substances_have_names_aliases_and_valid_numbers() -> None:
    rows = tables.rows("local_substances")
    assert len({row["un"] for row in rows}) >= 150
    for row in rows:
        assert row["un"] in lookup.substances()
        assert row["name_zh"] and row["name_en"] and row["matters_zh"] and row["matters_en"]
        assert not row["cas"] or lookup.is_cas(row["cas"]), row["un"]


def test_every_guide_of_the_edition_gives_advice_in_both_languages() -> None:
    assert set(guides()) == {str(n) for n in range(111, 175)}
    for number, found in guides().items():
        if number in ("121", "167"):
            assert found.state == "empty" and not found.sections
            continue
        sections = {section.section for section in found.sections}
        assert {"health_hazard", "fire_hazard", "safety", "protective_clothing", "fire", "spill", "first_aid"} <= sections, number
        assert any(d.trigger == "immediate" for d in found.distances), number
        # the book prints no fire distance for infectious substances and for molten aluminium
        assert any(d.trigger == "fire" for d in found.distances) is (number not in ("158", "169")), number
        assert all(line.zh and line.en for section in found.sections for line in section.lines)


def test_guide_173_says_that_its_first_half_was_put_back() -> None:
    found = guide("173")
    assert found.state == "restored"
    assert found.note is not None and "前半部分" in found.note.zh
    assert guide("172").state == "complete"
    assert next(d.isolate.value for d in guide("172").distances if d.trigger == "immediate" and d.isolate) == 50


def test_every_material_points_to_a_guide_that_has_advice() -> None:
    for substance in lookup.substances().values():
        for fact in substance.guides:
            assert guide(fact.value).sections, substance.un


def test_explosives_take_the_guide_of_their_division() -> None:
    assert by_un("0336").guide == "114"
    assert by_un("0333").guide == "112"


def test_a_guide_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Rejected, match="unknown_guide"):
        guide("175")


def test_the_words_of_reports_and_triage_become_containers_and_a_strange_word_is_unknown() -> None:
    for word, found in (("road_tanker", Container.ROAD_TANKER), ("槽罐车", Container.ROAD_TANKER), ("storage_tank", Container.FIXED_TANK), ("ship_tank", Container.SHIP)):
        assert container(word) is found
    assert container("a balloon") is Container.UNKNOWN
    assert container(None) is Container.UNKNOWN
    assert all(container(kind.value) is kind for kind in Container)


@pytest.mark.parametrize(("name", "cas", "numbers"), [
    ("液氯", None, ("1017",)), ("液氯（槽车）", None, ("1017",)), ("LNG", None, ("1972",)), (None, "7782-50-5", ("1017",)), ("废液氯化物", None, ()), ("氯化", None, ()),
    ("不明", None, ()), (None, None, ()), ("", None, ()), ("（）", None, ()), ("X", "1-2-3", ()),
])  # fmt: skip
def test_a_reported_name_stands_for_a_number_where_it_is_one_of_the_tables_and_never_by_likeness(name: str | None, cas: str | None, numbers: tuple[str, ...]) -> None:
    assert lookup.named(name, cas) == numbers


@pytest.mark.parametrize(("word", "code"), [("槽罐车", "road_tanker"), ("长管拖车", "tube_trailer"), ("tube_trailer", "tube_trailer"), ("球罐", "storage_tank"), ("unknown", None), ("怪车", None)])
def test_plans_know_a_container_by_the_word_of_a_report(word: str, code: str | None) -> None:
    assert lookup.container_code(word) == code
    assert code is None or code in lookup.container_codes()

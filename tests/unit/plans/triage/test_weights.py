"""The learnt weights: where they come from and how they decide."""

from __future__ import annotations

import random

from plans.triage import ngrams, triage, weights
from plans.triage.bench import TEXTS, Labelled
from plans.triage.family import decide, hear
from plans.triage.text import prepare
from plans.triage.train import TARGET, learn, learnt_from, written


def _model(adds: dict[str, dict[str, int]]) -> weights.Model:
    """Families fire, flood and other; weights in hundredths."""
    families = ["fire", "flood", "other"]
    return weights.Model(
        families, [0, 0, 0], {sign: [(families.index(name), value) for name, value in row.items()] for sign, row in adds.items()}
    )


def test_the_shipped_weights_were_learnt_from_the_texts_and_the_lexicon_as_they_are() -> None:
    told = next(
        line.removeprefix("# learnt from: ") for line in TARGET.read_text("utf-8").splitlines() if line.startswith("# learnt from: ")
    )
    names = told.split(" sha256:")[0].split()

    assert told == learnt_from(names)
    assert len(names) >= len(list(TEXTS.glob("batch_*.jsonl"))) - 5  # batches that came since are read unseen


def test_learning_gives_the_same_file_twice_and_it_reads_back() -> None:
    texts = [
        Labelled(f"{family}{n}", f"{word}第{n}日", family, None, [])
        for family, word in (("fire", "仓库起火"), ("flood", "河水暴涨"))
        for n in range(5)
    ]
    model = learn(texts)

    assert written(learn(texts), "x") == written(model, "x")
    assert weights.read(written(model, "x")) == model
    assert decide(prepare("仓库起火"), [], model).family == "fire"


def test_what_a_sign_adds_does_not_depend_on_the_order_of_the_signs() -> None:
    signs = sorted(hear(prepare("某化工厂仓库起火，3人死亡，附近居民疏散。"), []).signs)
    shuffled = signs[:]
    random.Random(5).shuffle(shuffled)

    assert weights.scores(signs) == weights.scores(shuffled)
    assert max(weights.scores(signs).values()) == 0.0


def test_a_sign_in_the_title_or_the_first_two_sentences_is_one_of_its_own() -> None:
    text = "某市昨日通报一起险情。现场已封控。人员已撤离。随后厂房内起火。"
    signs = hear(prepare(text), []).signs

    assert "C:fire" in signs and "H:fire" not in signs
    assert {"C:fire", "H:fire"} <= hear(prepare("厂房起火。"), []).signs


def test_a_class_named_in_the_background_is_no_sign() -> None:
    assert "C:fire" not in hear(prepare("昨日一辆客车侧翻。此前该路段曾发生货车起火事故。"), []).signs


def test_a_rule_that_holds_is_a_sign_by_its_classes() -> None:
    assert "H:fire+firesite>fire" in hear(prepare("一家商场突发火灾。"), []).signs


def test_a_text_without_any_incident_stays_other() -> None:
    assert triage("请各位明天上午九点到三楼会议室开会，带好笔记本。").family == "other"


def test_where_the_rules_are_silent_only_a_clear_lead_of_the_wording_counts() -> None:
    text = prepare("甲乙丙丁")
    grams = ngrams.features(text)

    assert decide(text, [], _model({gram: {"flood": 200} for gram in grams})).family == "flood"
    assert decide(text, [], _model({gram: {"flood": 20} for gram in grams})).family == "other"


def test_a_family_told_by_wording_alone_shows_the_clause_that_told_it() -> None:
    text = prepare("戊己庚辛，甲乙丙丁")
    decision = decide(text, [], _model({gram: {"flood": 200} for gram in ("甲乙", "乙丙", "丙丁")}))

    assert (decision.family, text.text[decision.start : decision.end]) == ("flood", "甲乙丙丁")


def test_all_aboard_killed_counts_all_aboard() -> None:
    assert triage("客机在山区坠毁，机上人员共132人，其中旅客123人、机组9人，全部遇难。").casualties.dead == 132


def test_deaths_at_the_scene_and_later_ones_add_up() -> None:
    assert triage("离心机投料时发生闪爆，当场死亡2人，送医后又有1人不治，另有4人烧伤。").casualties.dead == 3


def test_sand_and_lime_brought_against_a_leak_are_no_substance_of_it() -> None:
    draft = triage("一辆危化品运输车罐体滴漏，装的是31%盐酸，养护单位正在拉砂土和片碱。")
    assert [one.un for one in draft.substances] == ["1789"]

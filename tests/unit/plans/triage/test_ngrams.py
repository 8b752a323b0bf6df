"""The n-gram counts beside the rules: where they come from and how far they may go."""

from __future__ import annotations

from plans.triage import ngrams, triage
from plans.triage.bench import load
from plans.triage.family import decide
from plans.triage.text import prepare
from plans.triage.train import TARGET, written


def test_the_shipped_counts_are_those_of_the_labelled_texts() -> None:
    assert TARGET.read_text("utf-8") == written(load())


def test_wording_decides_where_the_rules_know_no_word_of_it() -> None:
    text = prepare("甲乙丙丁")
    learnt = ngrams.fit({"fire": 9, "flood": 9}, {gram: {"flood": 9} for gram in ngrams.features(text)})
    assert ngrams.leanings(text, learnt)["flood"] == 0.0 > ngrams.leanings(text, learnt)["fire"]


def test_plain_evidence_of_the_rules_is_not_outvoted_by_a_few_characters() -> None:
    text = prepare("某市发生5.6级地震，震源深度10公里，3人死亡。")
    learnt = ngrams.fit({"earthquake": 9, "flood": 9}, {"某": {"flood": 9}, "市": {"flood": 9}})
    assert decide(text, [], learnt).family == "earthquake"


def test_a_text_without_any_incident_stays_other() -> None:
    assert triage("请各位明天上午九点到三楼会议室开会，带好笔记本。").family == "other"


def test_all_aboard_killed_counts_all_aboard() -> None:
    assert triage("客机在山区坠毁，机上人员共132人，其中旅客123人、机组9人，全部遇难。").casualties.dead == 132


def test_deaths_at_the_scene_and_later_ones_add_up() -> None:
    assert triage("离心机投料时发生闪爆，当场死亡2人，送医后又有1人不治，另有4人烧伤。").casualties.dead == 3


def test_sand_and_lime_brought_against_a_leak_are_no_substance_of_it() -> None:
    draft = triage("一辆危化品运输车罐体滴漏，装的是31%盐酸，养护单位正在拉砂土和片碱。")
    assert [one.un for one in draft.substances] == ["1789"]


def test_where_the_rules_are_silent_only_a_clear_lead_of_the_wording_counts() -> None:
    text = prepare("甲乙丙丁")
    grams = ngrams.features(text)
    clear = ngrams.fit({"flood": 90, "fire": 90}, {gram: {"flood": 90} for gram in grams})
    faint = ngrams.fit({"flood": 90, "fire": 90}, {gram: {"flood": 90, "fire": 80} for gram in grams})

    assert decide(text, [], clear).family == "flood"
    assert decide(text, [], faint).family == "other"


def test_a_family_told_by_wording_alone_shows_the_clause_that_told_it() -> None:
    text = prepare("戊己庚辛，甲乙丙丁")
    learnt = ngrams.fit({"fire": 90, "flood": 90}, {gram: {"flood": 90} for gram in ("甲乙", "乙丙", "丙丁", "甲", "乙", "丙", "丁")})
    decision = decide(text, [], learnt)

    assert (decision.family, text.text[decision.start : decision.end]) == ("flood", "甲乙丙丁")

"""What a text is about: an incident, a drill, or neither. Texts of our own writing."""

from __future__ import annotations

import pytest

from plans.triage import Casualties, Nature, triage

DRILLS = [
    "昨日，区应急局在柘汪化工园举行液氯泄漏应急演练，模拟钢瓶阀门损坏，2人中毒昏迷。",
    "我县开展防汛综合演练\n“大坝出现管涌！”一声急报打破宁静。11月2日上午，防汛演练在小塔山水库举行，设想库区3人落水，参演队伍按预案处置。",
    "演练开始！一辆载有三十吨甲醇的槽罐车侧翻，两人被困驾驶室。随着一声令下，各救援小组奔赴现场。6月12日，危险货物运输事故应急演练在服务区举行。",
    "车间拉响警报，浓烟中一名员工被抬出，消防车三分钟后到场，大火被扑灭。整个过程紧凑有序，演练取得圆满成功。",
]
NO_INCIDENTS = [
    "卫生部通报2008年第二季度全国食物中毒情况。该季度共收到食物中毒事件报告97起，中毒3357人，死亡29人。",
    "据统计，1-9月全市共发生各类生产安全事故102起、死亡61人，同比分别下降8.1%、4.7%。其中道路运输事故58起、死亡40人。",
    "前三季度，全县发生火灾312起，死亡4人，直接财产损失212万元，与去年同期相比，起数同比下降12%。",
    "第一条 为了规范生产安全事故的报告和处理，制定本办法。第二条 造成3人以上死亡的，为较大事故。",
    "市政府办公室近日印发《危险化学品事故应急预案》，造成30人以上死亡的为特别重大事故，由市政府主要领导任总指挥。",
]
INCIDENTS = [
    "今天上午，某化工厂液氯钢瓶泄漏，2人中毒。就在前一天，该厂刚组织过应急演练，检验处置能力。",
    "昨天夜里，某物流园仓库发生火灾，2人死亡。今年全市火灾起数同比上升12%。",
    "5月3日，海上搜救演习中一架直升机坠海，2人死亡。",
]


@pytest.mark.parametrize("text", DRILLS)
def test_a_drill_is_named_one_and_nothing_that_was_played_counts(text: str) -> None:
    draft = triage(text)

    assert draft.nature is Nature.DRILL
    assert (draft.grade, draft.casualties, draft.substances, draft.leak) == (None, Casualties(), [], None)
    assert next(span for span in draft.spans if span.field == "nature").text in text


@pytest.mark.parametrize("text", NO_INCIDENTS)
def test_rules_and_the_figures_of_a_period_are_no_incident(text: str) -> None:
    draft = triage(text, plans=True)

    assert (draft.nature, draft.family, draft.event_types, draft.grade, draft.plans) == (Nature.NO_INCIDENT, "other", [], None, ["general"])
    assert draft.casualties == Casualties()


@pytest.mark.parametrize("text", INCIDENTS)
def test_an_incident_stays_one_beside_drills_and_figures(text: str) -> None:
    draft = triage(text)

    assert draft.nature is Nature.INCIDENT
    assert draft.grade == "一般"


def test_a_message_within_a_drill_is_read_like_any_other_and_marked() -> None:
    text = "【演练】G204国道32公里处一辆液氨槽车侧翻泄漏，3人受伤。"

    draft = triage(text)

    assert (draft.nature, draft.family, draft.casualties.injured, [s.un for s in draft.substances]) == (Nature.DRILL, "hazmat_transport", 3, ["1005"])
    assert all(span.text == text[span.start : span.end] for span in draft.spans)

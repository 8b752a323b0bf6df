"""How a text is prepared: what a copied page, a scan or a telephone leaves between the words. Texts of our own writing."""

from __future__ import annotations

import pytest

from plans.triage import triage
from plans.triage.text import prepare

PLAIN = "11月3日14时许，柘汪镇一家化工厂的液氨管道破裂泄漏，造成2人死亡、5人受伤，附近村民120人已疏散。事故原因正在调查，现场没有起火。"


def _read(text: str) -> tuple[object, ...]:
    draft = triage(text)
    return draft.family, draft.grade, draft.casualties, [s.un for s in draft.substances]


@pytest.mark.parametrize(
    "spoilt",
    [
        " ".join(PLAIN),
        "11月 3 日14 时许，柘汪 镇 一家化 工厂 的液 氨管道 破裂 泄 漏，造 成2 人死 亡、5人 受 伤，附近 村民 120人 已疏 散。事 故原 因正 在调 查，现 场没有 起 火。",
        "\n".join(PLAIN[i : i + 18] for i in range(0, len(PLAIN), 18)),
        PLAIN.replace("泄漏", "泄（xiè）漏（lòu）").replace("死亡", "死（sǐ）亡（wáng）"),
        "<p>" + PLAIN.replace("。", "。</p>\n<p class='x'>") + "</p>",
        PLAIN.replace("，", ",").replace("。", "."),
        "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isdigit() else c for c in PLAIN),
    ],
    ids=["spaces", "text recognition", "wrapped lines", "readings", "tags", "half-width", "full-width digits"],
)
def test_what_stands_between_the_words_changes_nothing(spoilt: str) -> None:
    assert _read(spoilt) == _read(PLAIN)


def test_the_clauses_of_a_note_stay_apart_and_short_lines_stay_lines() -> None:
    assert "，" in prepare("赣榆港外锚地 两条渔船撞了 一条进水快沉了 船上6个人").text
    assert prepare("昨晚起火\n无人受伤\n原因在查").text.count("\n") + prepare("昨晚起火\n无人受伤\n原因在查").text.count("，") == 2


def test_spans_lead_back_to_the_text_as_it_was_pasted() -> None:
    pasted = "<p>柘汪镇一家化工厂液氨（ān）泄漏，2人死（sǐ）亡。</p>"

    assert all(span.text == pasted[span.start : span.end] for span in triage(pasted).spans)


def test_a_published_date_leaves_the_event_its_own_year_and_figures() -> None:
    draft = triage("“8·5”爆炸火灾事故\n浏览: 5369 发布于1993年08月05日\n1993年8月5日，一座仓库发生爆炸，造成15人死亡。")
    assert (draft.casualties.dead, draft.occurred_at) == (15, "1993-08-05")


def test_a_year_in_brackets_is_the_events_own() -> None:
    draft = triage("一宗事故4人身亡\n发布时间：20:35 2026-01-17\n去年（2025年）10月发生一宗窒息事件，4人死亡。事发于2025年10月27日晚上。")
    assert draft.occurred_at == "2025-10-27"


def test_only_the_aim_is_unreal_of_what_is_done_to_prevent_worse() -> None:
    draft = triage("化工厂漏氯气。为防止出现意外，警方将附近的200名居民疏散到学校。")
    assert draft.casualties.evacuated == 200

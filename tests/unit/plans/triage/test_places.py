"""Where an incident happened, beside the places that a text only names."""

import pytest

from plans.triage import triage


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("某社上海九月七日电 记者获悉，南通海安市一渔港昨夜有渔船沉没。", "南通海安市"),
        ("美国白蛾在河北邯郸市大面积发生，树叶被吃光。", "河北邯郸市"),
        ("北京时间8月18日，印尼一架客机坠毁，机上54人遇难。", "印尼"),
        ("浙江省首次在金华市婺城区罗店镇发现红火蚁疫情。", "金华市婺城区罗店镇"),
        ("高要区禄步镇部分群众在镇政府门前聚集，抗议建设发电项目。", "高要区禄步镇"),
        ("客机在执行昆明--广州航班任务时，于梧州上空失联并坠毁。", "梧州"),
        ("黑龙江省双城市周家镇东跃村部分养殖场的鹅发病死亡，确诊为禽流感。", "黑龙江省双城市周家镇东跃村"),
        ("杭州市西湖区城市管理局通报，辖区内路面塌陷。", "杭州市西湖区"),
    ],
)
def test_the_place_of_the_event_goes_before_others_that_are_named(text: str, expected: str) -> None:
    assert triage(text).place == expected


def test_a_hospital_of_a_university_is_no_campus() -> None:
    text = "7岁男孩在家中一氧化碳中毒，送到重庆医科大学附属儿童医院抢救。"
    assert "campus" not in (triage(text, plans=True).plans or [])

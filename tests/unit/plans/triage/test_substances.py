"""Substances that a text only speaks of."""

import pytest

from plans.triage import triage


@pytest.mark.parametrize(
    "text",
    [
        "2087名学生感染诺如病毒，酒精对它无效，学校停课消毒。",
        "国庆烟花夜，两艘渡轮在港口外相撞，8人死亡，20人失踪。",
        "地震后居民撤到广场，超市里汽油、柴油被抢购一空，86人遇难。",
    ],
)
def test_what_is_neither_released_nor_carried_is_no_substance_of_a_disaster(text: str) -> None:
    assert triage(text).substances == []


def test_a_tsunami_in_traditional_characters_is_one() -> None:
    assert triage("南太平洋島國海底火山爆發，海嘯警報大響，居民急撤高處。").family == "marine"

"""Substances that a text only speaks of."""

import pytest

from plans.triage import triage


@pytest.mark.parametrize(
    "text",
    [
        "两百来名学生染上诺如病毒，酒精杀不死它，学校停课消毒。",
        "国庆烟花夜，两艘渡轮在港口外相撞，8人死亡，20人失踪。",
        "地震后居民撤到广场，超市里汽油、柴油被抢购一空，86人遇难。",
    ],
)
def test_what_is_neither_released_nor_carried_is_no_substance_of_a_disaster(text: str) -> None:
    assert triage(text).substances == []


def test_a_tsunami_in_traditional_characters_is_one() -> None:
    assert triage("海嘯警報響起，島上居民往高處跑。").family == "marine"

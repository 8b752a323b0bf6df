"""When an incident happened, beside the days on which it was written about and told."""

from datetime import UTC, datetime

import pytest

from plans.triage import triage

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)  # a Monday, noon in China


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("某社济南7月9日电（记者 张某）记者从县里获悉，7月7日6时20分，石门沟村后山滑塌，3人失联。", "2026-07-07T06:20+08:00"),
        ("县公安局5月12日发布警情通报称，5月11日21时05分，老街一饭馆有人持刀伤人，2人受伤。", "2026-05-11T21:05+08:00"),
        ("城北分局10月20日通报，当日7时许，菜市场内两人互殴，1人受伤。", "2026-10-20T07:00+08:00"),
        ("某网烟台6月15日电 搜救中心15日对外称，14日凌晨2时，一条钓鱼艇翻扣，2人失踪。", "2026-06-14T02:00+08:00"),
        ("柳集村周日下午约4时遭龙卷风袭击，2人死亡。", "2026-11-22T16:00+08:00"),
        ("上周六一艘拖网船没有回港，船上6人失踪。", "2026-11-21"),
        ("3月11-12日，草原上连着下雪，冻死羊羔四百只。", "2026-03-11"),
        ("本月1日晚，夜市里有人挥刀砍人。", "2026-11-01"),
        ("前日下午后山起了山火，村里去了四十人打火。", "2026-11-21"),
        ("图书馆昨晚（20日）遭黑客入侵，借书系统停用。", "2026-11-20"),
        ("某社北京11月12日电 台风共造成5人死亡。", "2026-11-12"),
        ("截至8月2日16时，暴雨已造成3人死亡。", "2026-08-02T16:00+08:00"),
    ],
)
def test_the_day_of_the_event_goes_before_the_day_of_the_report(text: str, expected: str) -> None:
    assert triage(text, NOW).occurred_at == expected

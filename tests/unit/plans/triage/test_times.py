"""When an incident happened, beside the days on which it was written about and told."""

from datetime import UTC, datetime

import pytest

from plans.triage import triage

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)  # a Monday, noon in China


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("某社成都8月6日电（记者 张某）据应急部门消息，8月3日17时40分左右，马岔村发生山体滑坡，5人失联。", "2026-08-03T17:40+08:00"),
        ("县公安局6月28日发布警情通报称，6月27日18时33分，开发区发生一起持刀伤人案件，4人受伤。", "2026-06-27T18:33+08:00"),
        ("区公安分局9月18日通报，当日8时许，辖区内发生一起伤人警情，1人受伤。", "2026-09-18T08:00+08:00"),
        ("某网湛江9月9日电 海事局9日通报称，8日凌晨4时左右，一艘渔船沉没，4人失踪。", "2026-09-08T04:00+08:00"),
        ("龙港村周日下午约4时遭龙卷风袭击，2人死亡。", "2026-11-22T16:00+08:00"),
        ("上周六一艘渔船在黄海失联，船上12人失踪。", "2026-11-21"),
        ("3月24-25日，牧区出现降雪，600只羊冻死。", "2026-03-24"),
        ("本月1日晚，车站广场有暴徒砍人。", "2026-11-01"),
        ("古城区前日下午发生山火，出动83人扑救。", "2026-11-21"),
        ("卫生署昨晚（20日）遭黑客入侵，系统停用。", "2026-11-20"),
        ("某社北京11月12日电 台风已造成7人死亡。", "2026-11-12"),
        ("截至8月9日16时，台风已造成4人死亡。", "2026-08-09T16:00+08:00"),
    ],
)
def test_the_day_of_the_event_goes_before_the_day_of_the_report(text: str, expected: str) -> None:
    assert triage(text, NOW).occurred_at == expected

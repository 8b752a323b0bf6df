"""Where an incident happened, beside the places that a text only names."""

import pytest

from plans.triage import triage


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("某社上海九月七日电 记者获悉，南通海安市一渔港昨夜有渔船沉没。", "南通海安市"),
        ("美国白蛾在河北邯郸市大面积发生，树叶被吃光。", "河北邯郸市"),
        ("北京时间3月2日，印尼一架运输机坠毁，机上9人遇难。", "印尼"),
        ("浙江省首次在绍兴市越城区东湖镇发现这种害虫，红火蚁疫点已封锁。", "绍兴市越城区东湖镇"),
        ("博望区丹阳镇部分群众在镇政府门前聚集，反对建焚烧厂。", "博望区丹阳镇"),
        ("货机在执行昆明--广州航班任务途中，于梧州上空失联并坠毁。", "梧州"),
        ("黑龙江省双城市兰棱镇靠山村部分散养户的鸭子发病死亡，确诊为禽流感。", "黑龙江省双城市兰棱镇靠山村"),
        ("5月3日上午，清溪口街道柳岸村附近，一辆油罐车翻进沟里。", "清溪口街道柳岸村"),
        ("9月4日，文华路解放街路口的一家澡堂锅炉爆炸。", "文华路解放街路口"),
        ("客车行至枝江市境内时撞上护栏，2人受伤。", "枝江市"),
        ("一辆吉林牌照货车在连徐高速112公里处追尾。", "连徐高速112公里处"),
        ("工业园区断电五小时，湖州市吴兴区一条电缆被挖断。", "湖州市吴兴区"),
        ("利民县旧桥镇石桥村村民闻到酸味，找到一堆铁桶。", "利民县旧桥镇石桥村"),
        ("合肥市庐阳区城市管理局通报，一处路面塌陷。", "合肥市庐阳区"),
    ],
)
def test_the_place_of_the_event_goes_before_others_that_are_named(text: str, expected: str) -> None:
    assert triage(text).place == expected


def test_a_hospital_of_a_university_is_no_campus() -> None:
    text = "一对母女在家里一氧化碳中毒，送到安徽医科大学附属医院抢救。"
    assert "campus" not in (triage(text, plans=True).plans or [])

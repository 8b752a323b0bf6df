"""Whether a text states a leak, a fire or an explosion, and what it only fears or smells."""

import pytest

from plans.triage import triage


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("一名油漆工从六楼坠下，邻居听见一声巨响，人已不治。", "explosion", None),
        ("厂里一声巨响，两条街的玻璃都震碎了，车间起火。", "explosion", True),
        ("一辆货车在省道上起火，司机怕油箱爆炸，跑出百米远。", "explosion", None),
        ("一辆小车撞上液化气罐车车尾，罐子随时有爆炸的危险，路已封。", "explosion", None),
        ("装盐酸的货车车头起火，罐体随时可能泄漏，消防在降温。", "leak", None),
        ("起飞后左侧发动机喷出火焰，航班返航，旅客无恙。", "leak", None),
        ("起飞后左侧发动机喷出火焰，航班返航，旅客无恙。", "fire", True),
        ("罐车里的苯遇热、明火有引起燃烧爆炸的危险，罐体裂了，苯流到路边。", "fire", None),
        ("试气时气体遇明火爆燃，8人轻伤。", "explosion", True),
        ("罐体底部漏了，粗苯流到地上。粗苯容易引起燃烧或爆炸。", "explosion", None),
        ("拉柴油的车轮胎爆裂后侧翻，柴油流进沟里。", "explosion", None),
        ("储能电站锂电池舱着火，扑救中发生爆燃。", "fire", True),
        ("动力罐掉在路边，无漏气现象，司机被困。", "leak", False),
        ("村边水塘发黑，气味刺鼻，怀疑有人夜里偷倒废料。", "leak", None),
        ("一辆槽罐车侧翻，甲醇从破裂的阀门往外流，气味刺鼻。", "leak", True),
    ],
)
def test_a_sign_is_stated_and_not_only_feared_or_smelt(text: str, field: str, expected: bool | None) -> None:
    assert getattr(triage(text), field) is expected


@pytest.mark.parametrize(
    ("text", "container"),
    [
        ("一辆满载28吨甲苯的储罐槽车在国道上侧翻泄漏。", "road_tanker"),
        ("一辆液化石油气运输车自燃，火已逼近后面的液化气罐。", "road_tanker"),
        ("厂区一只苯储罐的罐顶着火。", "storage_tank"),
    ],
)
def test_what_holds_the_substance_is_the_vehicle_that_carries_it(text: str, container: str) -> None:
    assert triage(text).container == container


def test_a_power_company_that_digs_is_no_power_outage() -> None:
    draft = triage("电力公司顶管施工挖坏了供水主管，城南三个小区停水。", plans=True)

    assert draft.plans == ["general"]


@pytest.mark.parametrize(
    ("text", "fire", "explosion"),
    [
        ("储存硝酸的罐体阀门渗漏，大量黄色的浓烟飘出厂区。", None, None),
        ("三氯氧磷遇水会发生剧烈分解爆炸，反应釜漏气，20人中毒。", None, None),
        ("饭店试气，气体遇明火发生爆燃，8人烧伤。", None, True),
        ("1日晚，一伙歹徒在昆明火车站砍杀路人，27人死亡。", None, None),
        ("12日，宜宾一家化工厂爆炸著火，19人死亡。", True, True),
        ("煤矿出事，原因并非瓦斯爆炸，而是煤与瓦斯突出，17人遇难。", None, False),
    ],
)
def test_coloured_smoke_and_what_water_would_do_are_no_fire_and_no_explosion(text: str, fire: bool | None, explosion: bool | None) -> None:
    draft = triage(text)
    assert (draft.fire, draft.explosion) == (fire, explosion)


@pytest.mark.parametrize(
    ("text", "container"),
    [
        ("一辆油罐车撞上停在路边的货车，2人受伤。", "road_tanker"),
        ("一辆满载食用油的油罐车突然起火，罐体烧毁。", "road_tanker"),
        ("一个卧罐的法兰漏了，浓硝酸流出，罐体裂开。", "storage_tank"),
        ("车间的循环管破裂，液氨泄漏。", "pipeline"),
        ("消防出动8辆水罐车，扑灭了商场大火。", None),
        ("硝酸漏出，消防出动3辆水罐车。", None),
        ("清污公司着火，一个油罐爆炸起火，没有人受伤。", "storage_tank"),
        ("停车场着火，烧了200辆摩托，隔壁有油罐。", None),
        ("一艘硫酸船在运河里倾覆，硫酸部分泄漏。", "ship_tank"),
        ("货车上的黄磷有130桶，被追尾后几十桶破损，黄磷自燃。", "drum"),
    ],
)
def test_the_container_is_the_tank_of_the_event_and_no_fire_engine(text: str, container: str | None) -> None:
    assert triage(text).container == container

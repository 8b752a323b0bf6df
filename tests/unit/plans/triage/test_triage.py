"""What triage takes from a text, and what it leaves empty."""

from __future__ import annotations

import contextlib
import csv
import re
import time
from datetime import UTC, datetime, timedelta
from importlib import resources

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import Rejected
from plans.triage import Container, Draft, Role, triage
from plans.triage.numbers import parse
from plans.triage.text import LIMIT_CHARS, data

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
ROLLOVER = "14时05分，G204国道赣马镇段K1023+500处一辆槽罐车侧翻，橙色牌268/1005，有白雾冒出，司机受伤"


def test_a_rollover_note_becomes_a_full_draft() -> None:
    draft = triage(ROLLOVER, NOW, id="x1", plans=True)

    assert (draft.id, draft.family, draft.event_types) == ("x1", "hazmat_transport", ["12H00", "12D00"])
    assert [(s.name, s.un) for s in draft.substances] == [("液氨", "1005")]
    assert draft.container is Container.ROAD_TANKER
    assert (draft.leak, draft.fire, draft.explosion) == (True, None, None)
    assert draft.place == "G204国道赣马镇段K1023+500处"
    assert draft.occurred_at == "2026-11-23T14:05+08:00"
    assert draft.plans == ["hazmat-road-transport", "road-traffic", "general"]


def test_every_span_is_the_stretch_of_the_original_it_names() -> None:
    text = "  今日１４时 许，赣榆区　某化工厂 液氯 泄漏，造成３ 人死亡、５人受伤（其中２人重伤），疏散群众１．２万人。"
    draft = triage(text, NOW)

    assert draft.spans
    assert all(text[s.start : s.end] == s.text for s in draft.spans)
    assert {"family", "casualties.dead", "substances.0", "leak"} <= {s.field for s in draft.spans}
    assert (draft.casualties.dead, draft.casualties.injured, draft.casualties.seriously_injured) == (3, 5, 2)
    assert draft.casualties.evacuated == 12_000


def test_what_the_text_does_not_say_stays_empty() -> None:
    draft = triage("某仓库起火，正在扑救。", NOW)

    assert draft.family == "fire"
    assert msgspec.to_builtins(draft.casualties) == dict.fromkeys(draft.casualties.__struct_fields__)
    assert (draft.grade, draft.grade_reason, draft.loss_yuan, draft.container, draft.occurred_at) == (None, None, None, None, None)
    assert draft.substances == []
    assert "plans" not in msgspec.to_builtins(draft)


def test_the_fields_of_a_draft_are_the_contract() -> None:
    fields = list(msgspec.to_builtins(triage(ROLLOVER, NOW, plans=True)))

    assert fields == [
        "id", "nature", "family", "event_types", "grade", "grade_reason", "casualties", "loss_yuan", "substances", "container",
        "leak", "fire", "explosion", "place", "occurred_at", "spans", "plans",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("车祸造成三死五伤", {"dead": 3, "injured": 5}),
        ("车祸造成3人死亡、5人受伤，其中2人重伤", {"dead": 3, "injured": 5, "seriously_injured": 2}),
        ("车祸致二十二人遇难，一百零三人受伤", {"dead": 22, "injured": 103}),
        ("爆炸已致7人死亡。截至18时，死亡人数升至12人", {"dead": 12}),
        ("先前通报5人死亡，经核实，死亡人数更正为4人", {"dead": 4}),
        ("事故造成数十人受伤", {"injured": None}),
        ("事故无人员伤亡", {"dead": 0, "injured": 0, "seriously_injured": None}),
        ("伤亡情况不明，正在核实", {"dead": None, "injured": None}),
        ("甲县2人死亡，乙县3人死亡", {"dead": 5}),
        ("共造成5人死亡，其中甲县2人死亡，乙县3人死亡", {"dead": 5}),
        ("事故中2人当场死亡，另有1人经医院抢救无效死亡", {"dead": 3}),
        ("煤矿透水，12人被困。经全力搜救，被困人员全部获救", {"trapped": 0}),
        ("渔船沉没，4人失联，2人死亡", {"missing": 4, "dead": 2}),
        ("客车核载55人，实载36人，翻车后12人当场死亡", {"dead": 12}),
        ("该厂2015年曾发生爆炸造成9人死亡。昨日该厂再次爆炸，2人死亡", {"dead": 2}),
        ("事故造成3名男子受伤，一名70岁老人死亡", {"dead": 1, "injured": 3}),
        ("一家四口在家中煤气中毒身亡", {"dead": 4}),
        ("3人重伤、13人轻伤", {"seriously_injured": 3, "injured": 16}),
        ("井下片帮，造成李某某死亡，王某、赵某受伤", {"dead": 1, "injured": 2}),
        ("32学生疑似食物中毒", {"poisoned": 32}),
        ("四名被困矿工的遗体全部找到", {"dead": 4}),
        ("渔船沉没，8人失联。潜水员在舱内找到8名失踪船员的遗体", {"dead": 8, "missing": 0}),
        ("昨晚通报失踪9人。截至今日15时，6人遇难，仍有5人失踪", {"dead": 6, "missing": 5}),
        ("两人获救后死亡，九人下落不明", {"dead": 2, "missing": 9}),
        ("地震造成4名学生死亡100多人受伤", {"dead": 4, "injured": 100}),
        ("8月5日，客车翻车，3人死亡。2013年8月9日，该路段曾有车祸，20人死亡", {"dead": 3}),
        ("列车出轨，无人受伤。这是今年第二次出轨事故。今年1月，另一列车出轨，造成32人受伤", {"injured": 0}),
        ("塔吊倒塌，2人现场死亡，1人在送医途中死亡，1人受伤", {"dead": 3, "injured": 1}),
        ("气瓶爆燃，4人轻度烧伤，1人面部划伤，均无生命危险", {"injured": 5}),
        ("液化气泄漏爆炸，烧伤一家三口", {"injured": 3}),
        ("出租屋失火，有4男1女被烧死在屋中", {"dead": 5}),
        ("罐车被追尾，没有人员被困，无人员伤亡情况", {"trapped": 0, "dead": 0, "injured": 0}),
        ("宴席后20多人腹泻住院，另有30多人经检查无明显症状", {"poisoned": 20}),
        ("一名男子误食野蘑菇险些丧命，5名亲友呕吐", {"dead": None, "poisoned": 5}),
        ("警局今晨遭炸弹袭击，5人死亡。“车冲过来就炸了。”7月28日，邻县一警局同样遭到袭击，造成70人死亡", {"dead": 5}),
        ("顶板坍塌造成3人死亡、8人受伤，直接经济损失318万元。事发时9人受伤送医，1人当晚抢救无效死亡", {"dead": 3, "injured": 8}),
        ("墙体倒塌，现场两名工人一死一伤。两人被砸伤后送医，一人于21日救治无效去世", {"dead": 1, "injured": 1}),
        ("渔船被砂船撞沉，除李某九死一生获救外，其余3名船员死亡", {"dead": 3}),
        ("护坡垮塌，租住的一对母子受轻伤", {"injured": 2}),
        ("维保工被轿厢挤压受伤，送医救治后死亡", {"dead": 1}),
        ("化工厂废液泄漏，泄漏的量足以毒死超过12.5万人", {"dead": None}),
        ("灌装时接口脱离，一名员工被喷溅，虽经送医抢救仍于次日死亡", {"dead": 1}),
        ("货车翻车致天然气泄漏，未引发次生事故和人员伤亡", {"dead": 0, "injured": 0}),
        ("仓库爆炸，没有人员在事故中受伤", {"injured": 0}),
        ("储罐开裂放出氯气，先后有58人因受气体刺激到医院诊治", {"poisoned": 58}),
        ("加氢站爆炸致三人重伤，三人包括一名站员受伤，以及另一名乘客受伤", {"injured": 3}),
        ("配料时爆炸，操作工人已失踪，另有3人受伤", {"missing": 1, "injured": 3}),
        ("门架下落砸中2人，1人当场死亡，1人送医后抢救无效，直接经济损失210万元", {"dead": 2}),
        ("驾驶室坠落，3名重伤者在送往医院途中死亡，另有5人轻伤", {"dead": 3, "injured": 5}),
        ("食堂食物中毒，共有45名学生患病", {"poisoned": 45}),
        ("清油箱时窒息，造成4人死亡。2023年1月8日，该承包单位就发生过一起窒息事故，造成5人死亡", {"dead": 4}),
        ("浴池锅炉爆炸，锅炉工当场死亡，4名学生受重伤。次日，2名重伤学生抢救无效死亡", {"dead": 3}),
        ("直升机坠毁，机上共有10人。失事原因不明，全机遇难", {"dead": 10}),
        ("山洪过后，搜救队找到4名驴友遗体", {"dead": 4}),
        ("大火夺去了女主人的生命", {"dead": 1}),
        ("商场昨日失火，2人受伤。上月15日，同一商场起火，造成3人死亡", {"dead": None, "injured": 2}),
        ("渔船今日凌晨被撞沉，7人下落不明。今年3月18日，另一渔船沉没，9名船员失踪，至今未寻获", {"missing": 7}),
        ("校车让车时翻倒 司机身亡6名学生受伤", {"dead": 1, "injured": 6}),
        ("载33名学生的校车遇车祸，司机身亡，6名学生受轻伤", {"dead": 1, "injured": 6}),
        ("氯气罐车翻倒，氯气没有泄漏。大剂量氯气可以两分钟致人中毒死亡", {"dead": None}),
        ("两列火车相擦，两名火车司机未受伤", {"injured": 0}),
        ("22名学生出现中毒症状，留院观察的另49名学生没有中毒症状", {"poisoned": 22}),
        ("学校11名学生食物中毒。平时在学校订餐的学生共有300人", {"poisoned": 11}),
        ("记者从县里一位官员那里了解到，球员大部分出现食物中毒症状", {"poisoned": None}),
        ("昨日的爆炸造成44人死亡。自1947年独立以来，该地区已有5万多人在冲突中丧生", {"dead": 44}),
        ("花炮厂爆炸，附近有4人受事故影响受伤", {"injured": 4}),
        ("炼钢时煤气泄漏，2人抢救无效死亡，留院治疗的有8人", {"dead": 2, "injured": 8}),
        ("苯胺泄漏，事故未造成人畜伤亡", {"dead": 0, "injured": 0}),
        ("山火烧了九十亩，所幸未造成树木燃烧和人员伤亡", {"dead": 0, "injured": 0}),
        ("反应堆大厅漏出少量碘，没有工作人员在事故中受到伤害", {"injured": 0}),
        ("油轮沉没，船上32人中，2人遗体返航，其余30人失联", {"dead": 2, "missing": 30}),
        ("实验室爆炸，致博士后孟某见身亡", {"dead": 1}),
        ("污泥房内三人倒地，三人均未救活", {"dead": 3}),
        ("5船员中毒昏迷船长不幸身亡", {"dead": 1}),
        ("罐内作业，3名受伤工人经抢救无效死亡", {"dead": 3}),
        ("2名中毒工人经抢救无效死亡", {"dead": 2}),
        ("2名昏迷乘客送医后死亡", {"dead": 2}),
        ("初步确诊20名学生食物中毒。截至今日，中毒人数升至86人", {"poisoned": 86}),
        ("经检查20名工人中毒较重，事故共造成50人中毒", {"poisoned": 50}),
        ("确定中毒的有12人，次日中毒学生增至35人", {"poisoned": 35}),
        ("5名未成年人酒精中毒送医", {"poisoned": 5}),
        ("12名未婚女工食物中毒", {"poisoned": 12}),
        ("3名无辜村民中毒", {"poisoned": 3}),
        ("车祸造成1人死亡、2人受伤，村委会正协助家属办理丧事", {"dead": 1, "injured": 2}),
        ("事故造成1人死亡。死者葬礼将于周五举行", {"dead": 1}),
        ("车上包括司机在内共有9人，司机已当场死亡，6人受伤", {"dead": 1}),
        ("一位商户冒着被烧伤的危险把煤气罐拎了出来", {"injured": None}),
        ("约有五十多人疑似中毒送医。附近五十九人先后出现中毒症状", {"poisoned": 59}),
        ("瓦斯爆炸，事发时井下作业人数有528人，29人受伤", {"injured": 29}),
        ("光气泄漏，75人住院观察，其中危重病人5人", {"seriously_injured": 5}),
        ("农用飞机坠毁，机长、副机长身亡", {"dead": 2}),
        ("一盘野蘑菇毒倒一家四口", {"poisoned": 4}),
        ("三名养护工清淤时先后晕倒，救上来时都没了呼吸", {"dead": 3}),
        ("大棚里四名帮工烧煤炉防冻，夜里一氧化碳中毒，已脱险", {"poisoned": 4}),
    ],
)
def test_casualties_are_counted_as_a_careful_reader_counts(text: str, expected: dict[str, int | None]) -> None:
    casualties = triage(text, NOW).casualties

    assert {field: getattr(casualties, field) for field in expected} == expected


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("车祸造成2人死亡", "一般"),
        ("车祸造成3人死亡", "较大"),
        ("车祸造成9人死亡", "较大"),
        ("车祸造成10人死亡", "重大"),
        ("车祸造成29人死亡", "重大"),
        ("车祸造成30人死亡", "特别重大"),
        ("车祸造成9人重伤", "一般"),
        ("车祸造成10人重伤", "较大"),
        ("车祸造成50人重伤", "重大"),
        ("车祸造成100人重伤", "特别重大"),
        ("车祸造成120人受轻伤", "一般"),
        ("仓库火灾，直接经济损失999万元", "一般"),
        ("仓库火灾，直接经济损失1000万元", "较大"),
        ("仓库火灾，直接经济损失5000万元", "重大"),
        ("仓库火灾，直接经济损失1.2亿元", "特别重大"),
        ("化工厂氯气泄漏，14人中毒", "较大"),
        ("仓库火灾，无人员伤亡", None),
        ("今年以来安全形势严峻。一辆货车侧翻，2人受伤。去年全市发生多起较大事故", "一般"),
        ("男子持刀行凶致5人死亡", None),
        ("自杀式炸弹袭击造成61人死亡", None),
        ("车祸造成数十人死亡", "重大"),
        ("车祸造成多人受伤", "一般"),
        ("小学生饭后呕吐，食物中毒，100人就医", "一般"),
        ("小学生饭后呕吐，食物中毒，100余人就医", "较大"),
        ("工厂爆炸，1死1伤，初估损失2000万元", "较大"),
        ("工厂爆炸，1死1伤，初估损失2000万元新台币", "一般"),
        ("化工废水偷排入河，县城停水两天，初步认定重大突发环境事件", "重大"),
    ],
)
def test_the_grade_follows_the_stated_figures(text: str, grade: str | None) -> None:
    assert triage(text, NOW).grade == grade


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("停车场起火，旁边就是加油站，火已扑灭", "fire"),
        ("雷击引燃原料堆，纸箱厂起火，10人死亡", "fire"),
        ("两车追尾，当场1死7伤", "road_traffic"),
        ("路面突然塌陷，一辆轿车掉进坑里", "geological"),
        ("一中学多名学生呕吐腹泻，疾控检出诺如病毒，系传染病疫情", "infectious_disease"),
        ("一中学多名学生呕吐腹泻，疾控怀疑食物中毒", "food_poisoning"),
        ("巴格達一處集市爆炸，17死40傷", "terror_attack"),
        ("给邻县送盐酸的司机转弯时路滑车翻，盐酸车又被自卸车撞上，酸雾很大", "hazmat_transport"),
        ("昨日，一洗浴中心锅炉出事，2人死亡、2人受伤。经查，锅炉连接处开裂，汽水急速喷出。因涉嫌犯罪，嫌疑人已被控制", "special_equipment"),
        ("村旁土坑里有被丢弃的氯气槽罐，氯气外泄，130名村民喘不上气", "hazmat_facility"),
        ("某某新材料有限公司一间库房起火，3人死亡", "fire"),
        ("四个小伙都是头晕呕吐，看着像食物中毒。原来四人把没烧透的木头放进卧室取暖，木头缓慢燃烧，会产生一氧化碳致脑缺氧", "group_poisoning"),
        ("后山滑坡：9人死亡20人失踪，滑坡使当地通讯中断，消防官兵正在搜救", "geological"),
        ("化工园一家企业爆炸，初步判断属锅炉压力容器的物理性爆炸，无人伤亡", "special_equipment"),
        ("村民误把农药当味精放进菜里，一起吃饭的7人中毒", "food_poisoning"),
        ("2014-03-22 19:40:00\n钢厂高炉检修时煤气泄漏，两人送医", "hazmat_facility"),
    ],
)
def test_the_family_is_that_of_the_main_event(text: str, family: str) -> None:
    assert triage(text, NOW).family == family


def test_the_reason_names_the_criterion_and_the_source() -> None:
    reason = triage("车祸造成12人死亡", NOW).grade_reason

    assert reason is not None
    assert "死亡12人≥10人" in reason
    assert "493" in reason


def test_the_work_safety_thresholds_are_those_of_the_hub() -> None:
    hub = yaml.safe_load(resources.files("hub").joinpath("data", "grades.yaml").read_text("utf-8"))["grades"]
    ours = data("grades.yaml")["scales"]["work_safety"]["thresholds"]

    keys = ("dead", "seriously_injured", "loss_yuan")
    assert [[row["zh"], *(row[k] for k in keys)] for row in hub[:3]] == [[row["grade"], *(row[k] for k in keys)] for row in ours[:3]]


def test_event_types_exist_in_the_table_of_the_hub() -> None:
    table = yaml.safe_load(resources.files("hub").joinpath("data", "event_types.yaml").read_text("utf-8"))["types"]
    families = data("families.yaml")["families"]

    used = {code for row in families.values() for code in [*row["codes"], *row.get("leaves", {})]}
    assert {str(code) for code in used} <= set(table)


def _uns(text: str) -> list[str | None]:
    return [s.un for s in triage(text, NOW).substances]


@pytest.mark.parametrize(
    ("text", "uns"),
    [
        ("罐车侧翻，液化天然气泄漏，天然气扩散", ["1972"]),
        ("一辆满载30吨甲醇的罐车追尾", ["1230"]),
        ("货车追尾，柴油机受损", []),
        ("经检测，驾驶员血液酒精含量为120mg", []),
        ("聚丙烯仓库起火", []),
        ("硫酸铵仓库进水", []),
        ("某某甲醇有限公司办公楼起火", []),
        ("消防用液碱中和，泄漏的盐酸流入沟渠", ["1789"]),
        ("UN1017钢瓶泄漏", ["1017"]),
        ("氰化钠溶液罐车侧翻，氰化钠流入河道", ["3414"]),
        ("经营范围：硝酸、硫酸、盐酸。厂内苯胺泄漏", ["1547"]),
        ("H2S泄漏，COD超标", ["1053"]),
        ("二甲苯和甲苯桶破损外流", ["1307", "1294"]),
    ],
)
def test_substances_are_those_of_the_incident(text: str, uns: list[str]) -> None:
    assert _uns(text) == uns


def test_a_substance_tells_its_role() -> None:
    roles = {s.un: s.role for s in triage("一辆装载液氯的罐车与货车追尾，货车柴油泄漏", NOW).substances}

    assert roles == {"1017": Role.CARGO, "1202": Role.RELEASED}


def test_the_substance_table_is_large_and_well_formed() -> None:
    lines = resources.files("plans.triage").joinpath("data", "substances.csv").read_text("utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))

    assert len(rows) >= 400
    assert all(re.fullmatch(r"[0-9]{4}", row["un"]) or not (row["un"] or row["class"] or row["hin"] or row["guide"]) for row in rows)
    assert all(row["name"] and row["canonical"] for row in rows)


@pytest.mark.parametrize(
    ("text", "substances"),
    [
        ("一辆装载33吨乙二醇的槽罐车起火，罐体烧穿", [("乙二醇", None)]),
        ("釜内双氧水分解爆炸，波及相邻企业辛醇储罐，辛醇泄漏燃烧", [("双氧水", "2014"), ("辛醇", None)]),
        ("焊枪引燃尾气管内的四甲基硅烷、氯甲基三甲基硅烷，釜内物料爆炸，5人死亡", [("四甲基硅烷", "2749"), ("氯甲基三甲基硅烷", None)]),
        ("装有二异丙基萘的罐车侧翻，二异丙基萘流入水沟", [("二异丙基萘", None)]),
        ("核电站水管破损，泄漏约百吨含氚放射性水", [("氚", None)]),
        ("一餐馆后厨疑似燃气爆炸，3人受伤", [("燃气", None)]),
        ("一餐馆后厨燃气爆炸，漏出的是天然气，3人受伤", [("天然气", "1971")]),
        ("装了20吨钙镁合金的货车遇雨自燃", [("钙镁合金", "1393")]),
        ("据了解，爆炸的是二氯乙烷车间的回收釜，这种液体气味像氯仿", [("二氯乙烷", "1184")]),
        ("农药厂亚磷酸三甲酯车间发生爆炸，3人受伤", [("亚磷酸三甲酯", "2329")]),
        ("炼铁车间夜班工人煤气中毒，4人死亡", [("煤气", "1023")]),
        ("袭击者引爆了身上的炸药", [("炸药", "0082")]),
        ("井下塌方封住巷道，巷道里的氧气还能支撑一天", []),
        ("污水站的硫化氢报警器响个不停，巡检工进去后中毒倒地", [("硫化氢", "1053")]),
        ("油站安装了一氧化碳报警器", []),
        ("厂区内的己二酸二甲酯仓库进水", []),
        ("氨基酸和聚丙烯酰胺仓库起火", []),
        ("聚乙二醇单甲醚和聚丁二烯橡胶仓库起火", []),
        ("罐车阀门疑二乙基硅烷泄漏", [("二乙基硅烷", None)]),
        ("工人把氯酸钠当作丁酰胺投进反应釜，釜爆炸，2人死亡", [("氯酸钠", "1495")]),
    ],
)
def test_a_substance_without_a_un_number_is_named_all_the_same(text: str, substances: list[tuple[str, str | None]]) -> None:
    assert [(s.name, s.un) for s in triage(text, NOW).substances] == substances


@pytest.mark.parametrize(
    ("text", "now", "expected"),
    [
        ("2024年3月5日14时30分许，一厂房起火", None, "2024-03-05T14:30+08:00"),
        ("2024年3月5日下午2点半，一厂房起火", None, "2024-03-05T14:30+08:00"),
        ("3月5日，一厂房起火", None, None),
        ("12月5日，一厂房起火", NOW, "2025-12-05"),
        ("昨日，一厂房起火", NOW, "2026-11-22"),
        ("昨日，一厂房起火", None, None),
        ("一厂房起火", NOW, None),
        ("11月24日，省应急管理厅发布《“12·4”坍塌事故调查报告》。2024年12月4日23时18分，工地地面坍塌。", NOW, "2024-12-04T23:18+08:00"),
        ("服务热线 工作日:9:00-18:00\n煤气中毒事故2人死亡\n据通报，2011年2月16日4时30分左右，车间检修时煤气中毒。", NOW, "2011-02-16T04:30+08:00"),
        ("油罐车泄漏\n23.08.2014  05:09\n昨日8时35分，服务区内一辆油罐车泄漏。", NOW, "2014-08-22T08:35+08:00"),
        ("2016-07-13 10:30\n7月13日，记者从铁路局党委宣传部获悉，7月12日20时57分，一辆油罐车与空车相撞。", NOW, "2016-07-12T20:57+08:00"),
        ("发表于 2016-5-8 07:55:02\n总局通报“4·29”粉尘爆炸事故，已致4人死亡、6人受伤。", NOW, "2016-04-29"),
        ("作坊爆炸死亡增至17人http://www.example.com 2007年10月25日17:53\n截至25日17时，死亡17人。21日7时20分许，作坊爆炸。", NOW, "2007-10-21T07:20+08:00"),
        ("2007-10-11\n高速公路八日发生重大交通事故。道路于今年九月三十日通车。", NOW, "2007-10-08"),
        ("据公安局3日披露，8月31日16时45分，面包车与货车相撞。", NOW, "2026-08-31T16:45+08:00"),
    ],
)
def test_the_time_is_read_and_never_made_up(text: str, now: datetime | None, expected: str | None) -> None:
    assert triage(text, now).occurred_at == expected


@pytest.mark.parametrize(
    ("text", "campus"),
    [("学院路与中学街路口两车相撞，2人受伤", False), ("大学城隧道内轿车追尾", True), ("一所小学门口校车撞树", True)],
)
def test_a_road_called_after_a_school_is_no_campus(text: str, campus: bool) -> None:
    assert ("campus" in (triage(text, plans=True).plans or ())) is campus


@pytest.mark.parametrize("text", ["A tank truck rolled over on the ring road, two people were hurt.", "123", "🔥🔥🔥"])
def test_what_holds_no_chinese_word_is_other(text: str) -> None:
    assert triage(text).family == "other"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("液化石油气罐车在高速上侧翻，未发生泄漏", "hazmat-road-transport"),
        ("液氨罐车在厂区卸车时泄漏", "hazmat-facility"),
        ("饭店煤气罐爆炸", "gas"),
        ("居民楼着火", "fire"),
        ("渔船在海上沉没，8名渔民落水", "marine-fishing"),
        ("列车脱轨", "rail-waterway"),
        ("台风登陆", "flood-typhoon"),
        ("风暴潮红色警报", "storm-surge"),
        ("海州湾出现赤潮", "marine-fishing"),
        ("城区大面积停电", "power-outage"),
        ("发生5级地震", "earthquake"),
        ("自杀式炸弹袭击", "terror-attack"),
        ("灯会发生踩踏", "mass-gathering"),
        ("网络攻击导致系统瘫痪", "general"),
    ],
)
def test_the_best_plan_comes_first_and_general_last(text: str, first: str) -> None:
    plans = triage(text, NOW, plans=True).plans

    assert isinstance(plans, list)
    assert plans[0] == first
    assert plans[-1] == "general"
    assert len(plans) == len(set(plans))


def test_the_suggested_plans_are_those_whose_ids_are_fixed_and_are_in_the_catalogue() -> None:
    table = data("plans.yaml")
    named = {plan for row in table["families"].values() for plan in row} | {row["plan"] for row in table["also"]}

    assert named == {
        "hazmat-road-transport", "hazmat-facility", "fire", "road-traffic", "rail-waterway", "gas", "flood-typhoon", "storm-surge",
        "marine-fishing", "earthquake", "power-outage", "food-poisoning", "infectious-disease", "campus", "mass-gathering", "terror-attack",
    }  # fmt: skip
    assert all(resources.files("plans").joinpath("catalogue", f"{plan}.yaml").is_file() for plan in named | {"general"})


@pytest.mark.parametrize(
    ("text", "plans"),
    [
        ("一辆停在服务区的液氯罐车阀门泄漏，消防员堵漏", ["hazmat-road-transport", "general"]),
        ("一辆满载甲醇的罐车追尾侧翻起火", ["hazmat-road-transport", "road-traffic", "general"]),
        ("地震时兰州大学的学生跑出教室", ["earthquake", "general"]),
        ("农民在田里遭雷击身亡", ["general"]),
        ("暴雨大风吹倒大棚，城区多处内涝，气象台发布橙色预警", ["flood-typhoon", "general"]),
        ("数百名村民堵路抗议征地，与警方对峙", ["general"]),
        ("恐怖分子在火车站持刀砍杀旅客", ["terror-attack", "general"]),
        ("渔船清洗鱼舱时船员硫化氢中毒，两人死亡", ["marine-fishing", "general"]),
    ],
)
def test_no_plan_is_suggested_for_a_word_alone(text: str, plans: list[str]) -> None:
    assert triage(text, NOW, plans=True).plans == plans


def test_a_school_poisoning_also_wants_the_campus_plan() -> None:
    assert triage("某小学40名学生午餐后食物中毒", NOW, plans=True).plans == ["food-poisoning", "campus", "general"]


@pytest.mark.parametrize(
    ("text", "value"), [("三十二", 32), ("两", 2), ("一百零五", 105), ("1.2万", 12_000), ("3,500", 3500), ("二〇", 20)]
)
def test_numbers_are_read(text: str, value: int) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(("text", "code"), [("", "empty_text"), (" \n\t", "empty_text"), ("火" * (LIMIT_CHARS + 1), "too_long")])
def test_unreadable_text_is_rejected_by_name(text: str, code: str) -> None:
    with pytest.raises(Rejected) as refusal:
        triage(text, NOW)

    assert refusal.value.code == code
    assert refusal.value.zh
    assert refusal.value.en


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=400),
        st.text(alphabet="0123456789一二三十百千万亿人死亡受伤被困中毒名年月日时，。（）UN/.GK+车罐泄漏爆炸未没有曾", max_size=200),
    )
)
def test_any_text_gives_the_same_draft_twice_or_is_rejected(text: str) -> None:
    try:
        draft = triage(text, NOW, plans=True)
    except Rejected:
        return

    assert triage(text, NOW, plans=True) == draft
    assert isinstance(draft, Draft)
    assert all(text[s.start : s.end] == s.text for s in draft.spans)


@pytest.mark.parametrize("unit", ["被", "1", "一", "造成3人死亡、", "在江苏省", "G204", "液氨", "\n"])
def test_the_longest_text_of_any_one_phrase_takes_seconds_at_most(unit: str) -> None:
    text = (unit * LIMIT_CHARS)[:LIMIT_CHARS]
    begun = time.process_time()

    with contextlib.suppress(Rejected):
        triage(text, NOW)

    assert time.process_time() - begun < 20


def test_two_hundred_short_texts_take_less_than_a_second() -> None:
    triage(ROLLOVER, NOW)
    begun = time.process_time()

    for number in range(200):
        triage(f"{ROLLOVER}，编号{number}", NOW + timedelta(seconds=number), plans=True)

    assert time.process_time() - begun < 1


def test_spaces_part_the_clauses_of_a_message_and_not_a_number_from_its_noun() -> None:
    message = triage("农村盖楼打顶时塌了 好几个压底下 死了3个 其他在医院")
    spaced = triage("一 厂房 火灾 造成 3 人死亡")

    assert (message.casualties.dead, spaced.casualties.dead) == (3, 3)
    assert [span.text for span in message.spans if span.field == "casualties.dead"] == ["死了3个"]


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("黄海路DN800自来水主管爆裂，路面塌陷约10平方米，周边8个小区停水。", "utility_outage"),
        ("路面突然塌陷，形成直径6米的深坑，坑内供水管被扯断，附近停水。", "geological"),
        ("某水务公司出厂水苯含量超过国家限值十倍，居民抢购矿泉水，自来水停止供应。", "environment"),
        ("某制药公司4名员工进入反应釜检修时氮气窒息，3人死亡。", "hazmat_facility"),
        ("一辆罐车在转盘侧翻，司机说拉的是豆油，淌了一地。", "road_traffic"),
        ("某煤业公司办公楼发生火灾，已造成5人死亡。", "fire"),
        ("某煤业公司井下皮带发生火灾，5人被困。", "mining"),
        ("大桥被一艘空载集装箱船碰撞桥墩，桥面断裂，4车和1辆电动车坠落，5人死亡。", "waterway"),
        ("码头上一只集装箱发生泄漏，装的化学品气味呛人，4名装卸工中毒送医。", "hazmat_facility"),
        ("家具城二楼起火，一名保安被困货梯，消防员破门救出，火已扑灭。", "fire"),
        ("清扫车间的工人被压延机带入，区应急局公布这起机械伤害死亡事故调查报告。", "other"),
        ("油漆工在楼顶误触高压线，当场死亡，周边上千户停电两小时。", "other"),
        ("在建铁路的隧道斜井发生塌方，5名作业人员被困洞内。", "construction"),
        ("仓库内叉车急转弯翻车，驾驶人被甩出压在车架下，抢救无效死亡。", "special_equipment"),
        ("高速口一辆载有30吨浓硫酸的车辆后轮起火，明火已扑灭。", "hazmat_transport"),
        ("化肥公司合成氨系统换热器煤气泄漏爆炸，周边玻璃震碎。", "hazmat_facility"),
        ("某钢结构公司租用的车间内吊运模板装车时发生起重伤害事故，2人死亡。", "special_equipment"),
        ("游乐园过山车倒滑脱轨，最后一节车厢侧翻，一名学生被挤压致死。", "special_equipment"),
        ("家用电梯维保时发生机械伤害事故，维修工被轿厢挤压死亡。", "special_equipment"),
        ("一辆载有30吨化学物品的货车停在浮桥边时自燃，消防用土掩埋。", "hazmat_transport"),
        ("高速上一辆货车自燃后爆炸，司机才说车内拉有亚磷酸，厂家在外地。", "hazmat_transport"),
        ("一家陶瓷工厂测试时氢气罐爆炸，2人死亡、6人受伤。", "hazmat_facility"),
        ("3名工人检查地下管网时气体中毒，2人抢救无效死亡。", "group_poisoning"),
        ("工业园一家化学加工厂突发火灾，二十分钟扑灭。", "hazmat_facility"),
        ("食品厂腌制池散出有害气体，3名工人下池清理时中毒。", "hazmat_facility"),
        ("铜矿的尾矿堆突然坍塌，掩埋2台挖掘机，3人失联。", "mining"),
        ("改建中的加油站清罐，残油挥发的油气遇焊花爆燃，油罐炸飞。", "hazmat_facility"),
        ("五金厂的酸洗槽开裂，数吨强酸泄漏流到院外。", "hazmat_facility"),
        ("工厂工人开堆高机运送桶装的三氯化磷，撞破1桶，液体外泄，无人受伤。", "hazmat_facility"),
        ("9月10日，铁工厂发生一场恐怖爆炸，宋姓员工清理储槽时被震飞不治，槽内装的是异丙醇。", "hazmat_facility"),
    ],
)
def test_what_failed_and_where_decide_the_family_not_what_followed(text: str, family: str) -> None:
    assert triage(text).family == family


@pytest.mark.parametrize(
    ("text", "uns"),
    [
        ("煤矿井下发生瓦斯爆炸，3人死亡", ["1971"]),
        ("某高瓦斯矿井顶板冒落，2人被埋", []),
        ("探伤公司丢失一枚铱-192放射源", ["3332"]),
        ("河水镉浓度超标80倍，停止取水", ["2570"]),
        ("司机血液酒精含量达180毫克，撞倒行人", []),
        ("出厂水苯含量达118微克每升", ["1114"]),
        ("给氢气球充气时爆燃，3人烧伤", ["1049"]),
        ("一台拉液态氢氧化钠的槽车漏了", ["1824"]),
        ("丙烯球罐底部法兰泄漏", ["1077"]),
        ("井里氧气不足，工人下去就倒了，2人窒息死亡。", []),
        ("一座两千立方的液化石油气球型储罐倒罐时着火。", ["1075"]),
        ("一辆石脑油槽罐车泄漏，石脑油又称粗汽油，易燃。", ["1268"]),
        ("一辆甲醇罐车起火，甲醇能与水、乙醇、乙醚、苯等相混溶。", ["1230"]),
        ("浓硫酸罐车侧翻泄漏，消防用生石灰对流出的酸液中和。", ["1830"]),
        ("作坊失火，消防员抢救出7个大氧气瓶和1个煤气瓶。", []),
        ("丙烯管道泄漏起火，丙烯燃烧的产物是二氧化碳和水。", ["1077"]),
        ("装黄磷的货车侧翻自燃，黄磷与氯酸钾等氧化剂接触会爆炸。", ["1381"]),
        ("硫磺仓库起火，硫磺燃烧时生成二氧化硫。", ["1350"]),
        ("水源受三氧化二砷污染，河水砷超标10倍。", ["1561"]),
    ],
)
def test_a_name_is_a_substance_only_where_it_stands_for_one(text: str, uns: list[str]) -> None:
    assert _uns(text) == uns


@pytest.mark.parametrize(
    ("text", "dead"),
    [
        ("27名森林消防员和4名地方扑火人员牺牲", 31),
        ("下午打雷，放羊的叫雷劈了，人当场没了", 1),
        ("道口上火车撞了货车，司机没出来，死了", 1),
        ("沟壁塌了埋2个人，扒出来一个已经没了，一个腿断", 1),
        ("凌晨起火，遇难的已经找到12个，还有2个没联系上", 12),
        ("列车追尾，102人骨折，无死亡", 0),
        ("孩子吓死了，家长报警，没人受伤", None),
        ("养猪场三天死了120头猪", None),
        ("全省1478.6万人受灾，因灾死亡失踪398人，其中郑州市死亡292人", 292),
    ],
)
def test_the_dead_are_counted_as_neighbours_tell_it(text: str, dead: int | None) -> None:
    assert triage(text).casualties.dead == dead


def test_the_body_of_the_last_missing_is_no_missing_person() -> None:
    draft = triage("某村发生山体滑坡，最后一名失联人员遗体被搜救出，灾害共造成44人遇难。")

    assert (draft.casualties.dead, draft.casualties.missing) == (44, None)


def test_a_kindergarten_is_no_child() -> None:
    draft = triage("一幼儿园门口发生故意伤人案，致6人死亡、1人受伤，嫌疑人已被抓获。")

    assert [span.text for span in draft.spans if span.field == "casualties.injured"] == ["1人受伤"]


def test_dead_and_missing_counted_together_are_no_missing() -> None:
    draft = triage("特大暴雨共造成全省1478.6万人受灾，因灾死亡失踪398人，直接经济损失1200.6亿元。")

    assert (draft.casualties.dead, draft.casualties.missing, draft.grade) == (None, None, "特别重大")


def test_a_sum_of_the_injured_shows_both_its_parts() -> None:
    draft = triage("氨泄漏造成15人死亡，7人重伤，18人轻伤。")

    assert [(span.text) for span in draft.spans if span.field == "casualties.injured"] == ["7人重伤，18人轻伤"]
    assert draft.casualties.injured == 25


def test_a_like_event_of_another_day_is_not_counted() -> None:
    draft = triage("6月3日，一列货车在石桥站脱线，没有人员伤亡。5月9日，邻省也发生列车脱轨，造成2人死亡。")

    assert (draft.casualties.dead, draft.grade) == (0, None)


def test_an_opening_on_recent_years_leaves_the_event_its_own() -> None:
    draft = triage("近年来，三轮车违法载人屡禁不止。10月8日清晨，一辆三轮车翻进沟里，造成2人死亡、6人受伤。")

    assert (draft.casualties.dead, draft.casualties.injured) == (2, 6)

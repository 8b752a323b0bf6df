"""Substances that a text only speaks of."""

import csv
from importlib import resources

import pytest

from plans.triage import triage
from plans.triage.substances import mentions
from plans.triage.text import data, prepare


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("液化石油气罐车侧翻漏气。液化石油气是丙烷和丁烷的混合物，1公斤的热值相当于数公斤TNT。", ["1075"]),
        ("盐酸罐车侧翻，约6吨流入边沟。盐酸是氯化氢的水溶液，具有挥发性。", ["1789"]),
        ("罐车侧翻，罐内液体外流。丙烯腈属剧毒易燃液体，蒸气比空气重。", ["1093"]),
        ("槽车翻了，路人报警说漏的是甲醇，到场才知是28吨乙醇，旧标识让人误以为是甲醇。", ["1170"]),
        ("氯甲烷装置停车检修，液氯泵法兰破裂，氯气外逸，3人中毒。", ["1017"]),
        ("环氧乙烷装置发生爆炸，1人死亡。", ["1040"]),
        ("粗苯罐车被追尾漏料，封路六小时。\n上一篇：污水厂硫化氢泄漏2死1伤", ["1114"]),
        ("厂房爆炸，储放的甲苯烧了起来，消防最担心的是一百米外的苯仓库。", ["1294"]),
        ("油漆仓库起火，油漆桶接连爆炸，现场还停着一台柴油车，柴油味很重，邻居说柴油涨价了。", ["1263"]),
        ("环境监测表明，二氧化硫、硫化氢、氨气等均无超标，储罐着火2人受伤。", []),
        ("石化3号乙烯老区的一段管线闪爆，6人烧伤。", []),
        ("一辆运送LNG液化气的罐车被追尾，罐内的液化气持续外泄。", ["1972"]),
        ("硝化棉失去湿润剂，高温下自燃。\n大火烧到隔壁。\n最后引起堆放的硝酸铵等发生爆炸。", ["2556", "1942"]),
        ("误将氮气当成压缩空气送进冷凝器，1人吸入后窒息死亡。", ["1066"]),
        ("反应釜内三氯丙烯冲料起火，2人烧伤。", [None]),
        ("印刷厂仓库的二甲苯起火，对面有几桶柴油，消防员把柴油搬开。", ["1307"]),
        ("化工厂爆炸，2人受伤。监测站采样，甲苯检出浓度为0.007mg/m3，苯乙烯0.013mg/m3，未超过限值。", []),
        ("管线用氮气多次置换后仍有缝隙，催化剂自燃，1人死亡。", []),
        ("大棚仓库着火，消防战士带上氧气瓶冲进去，一边转移乙炔气瓶6个。", []),
        ("炼油厂的泵漏了着火，个别检测点一氧化碳浓度超标0.6倍。", []),
        ("罐顶动火时，罐内可燃气体（主要成分为氢气）闪爆，3人死亡。", ["1049"]),
        ("废弃厂区流出七八吨废酸。\n公司停工。业主说，废酸的主要成分是硫酸、硝酸和盐酸。", ["1830", "2031", "1789"]),
        ("后厨冰柜爆炸，1人死亡，起初人们以为是煤气罐爆炸。", []),
        ("对氯苯甲酸在生产过程中泄漏，引起爆燃，2人烧伤。", []),
        ("河王水库旁一家农药厂失火。", []),
        ("一辆载有20吨硫磺的货车被撞，硫磺散落起火燃烧，释放出大量二氧化硫气体。", ["1350"]),
        ("储槽内装的是异丙醇，清洗时爆炸，1人死亡。防爆小组将部分异丙醇移至海边。", ["1219"]),
        ("煤矿胶带起火，产生大量一氧化碳等有毒气体，16人中毒身亡。", ["1016"]),
        ("罐车司机把工业盐酸并排倒进水渠，他经常运输液碱原料。", ["1789"]),
        ("陇川县一辆载有氰化钠的货车翻入河沟，监测显示河水氰化物浓度为零，达标。", ["1689"]),
    ],
)
def test_what_explains_a_substance_gives_way_to_the_load(text: str, expected: list[str | None]) -> None:
    assert [one.un for one in triage(text).substances] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("某化学公司苯乙烯装置发生爆炸起火，3人受伤。", ["2055"]),
        ("生产苯乙烯的车间发生爆炸，2人死亡。", []),
        ("一家生产双氧水的企业发生爆炸，5人遇难。", []),
        ("公司双氧水装置爆炸，5人遇难。", ["2014"]),
        ("可再生柴油工厂氢气爆炸，2人烧伤。", ["1049"]),
        ("一辆装有32吨汽柴油的槽车泄漏。", ["1203", "1202"]),
        ("一公司把含镉、铊、砷的废液排进河里，水厂停止取水。", ["2570", "1707", "1558"]),
        ("甲酸塔着火。该装置以甲醇、一氧化碳为原料，工艺流程为甲醇羰基化。", ["1779"]),
    ],
)
def test_a_unit_that_burns_names_its_load_and_a_line_of_business_does_not(text: str, expected: list[str]) -> None:
    assert [one.un for one in triage(text).substances] == expected


@pytest.mark.parametrize(
    "aside",
    [
        "一、企业概况\n厂区有液氨储罐和苯储罐。",
        "二、物质特性\n硫化氢是剧毒气体。\n氯气对呼吸道有刺激。",
        "三、排除的因素\n未发现氢气泄漏，硝酸铵也未爆炸。",
        "四、防范措施\n对液氯、环氧乙烷泄漏开展处置。",
        "四、事故警示\n1.某厂氯气泄漏致3人中毒。",
        "监测项目为苯、甲苯、氨，均未检出。",
        "井内无硫化氢、一氧化碳和氯气。",
        "酒罐在火里像煤气罐一样作响，消防员抢出了氧气瓶和乙炔。",
        "该车前一日曾运输丙烯，旁边停着空载的液氨罐车。",
    ],
)
def test_the_parts_of_a_report_that_tell_of_other_things_name_no_substance_of_the_incident(aside: str) -> None:
    text = f"关于甲醇储罐事故的调查报告\n5月3日，某公司甲醇储罐泄漏起火，2人死亡。\n{aside}\n"
    assert [one.un for one in triage(text).substances] == ["1230"]
    assert triage(text).casualties.dead == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("丙烯醛装置爆炸，3人死亡。\n现场已封控。厂里另有甲醇储罐、苯储罐各两座。", ["1092"]),
        ("装有原油的油轮被撞起火。船员获救。专家说原油不像汽油那样易挥发，燃烧会产生二氧化硫。", ["1267"]),
        ("车间爆炸，2人受伤。\n救援结束。附近道路恢复通行。厂里一名工人平日负责领用丙酮。", []),
        ("仓库失火，浓烟很大。\n住户撤离。救援持续四小时。库管员说，失火的库房里存着三百桶天那水。", ["1263"]),
        ("泵站作业3人晕倒，1人死亡。\n泵站建成十年。家属已到。公安确认死者系硫化氢中毒。", ["1053"]),
    ],
)
def test_what_a_text_names_late_counts_where_it_names_none_before_and_tells_what_it_did(text: str, expected: list[str]) -> None:
    assert [one.un for one in triage(text).substances] == expected


def test_a_source_that_was_lost_counts_wherever_it_is_named() -> None:
    text = "探伤队清点时发现少了一件设备。\n警方封锁了厂区。搜寻进行了一夜。丢失的是一枚铱-192。"
    assert [one.un for one in triage(text).substances] == [one.un for one in triage("丢失一枚铱-192。").substances] != []


def _listed() -> list[tuple[str, str]]:
    lines = resources.files("plans.triage").joinpath("data", "substances.csv").read_text("utf-8").splitlines()
    context = data("substance_context.yaml")
    elsewhere = {*context["only_where"], *context["sources"]}  # these stand for a substance in some surroundings only
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return [(row["name"], row["un"]) for row in rows if row["name"] not in elsewhere]


def test_every_name_of_the_table_is_found_where_a_load_is_named() -> None:
    unread = []
    for name, un in _listed():
        found = mentions(prepare(f"7月3日，一辆满载{name}的货车侧翻，消防赶到处置。"))
        if un not in {one.entry.un for one in found}:
            unread.append((name, un, [one.entry.un for one in found]))
    assert unread == [("氨溶液(10%至35%)", "2672", ["1005"])]  # a name of the book that nobody writes


@pytest.mark.parametrize("name", ["甲苯", "液氨", "柴油", "重油", "硝酸铵", "黄磷", "醋酸乙脂", "N,N-二甲基苯胺", "溴甲烷"])
@pytest.mark.parametrize(
    "text",
    [
        "昨日，某公司食堂的草坪着火，该公司是一家生产{}的企业，装置未受影响。",
        "5日夜，一处民房起火，消防人员用{}灭火，半小时后扑灭。",
        "5月2日，一辆货车与小客车相撞，3人受伤。另据了解，{}是一种无色气体，浓度过高会使人窒息。",
        "4月4日，某工厂厂房起火，无人员伤亡。环保部门监测，周边空气中{}未检出。",
        "7日，某某{}有限公司办公楼发生火灾，1人受伤。",
        "今晨某小区车库冒烟，专家排除{}泄漏的可能，系电瓶车充电起火。",
        "2日，某门市部前发生车祸，2人受伤。该店经营范围包括{}、建材、五金。",
        "6日上午某酒店起火，无人伤亡。去年3月，该市曾发生{}泄漏事故，致2人死亡。",
        "昨天，一列地铁因信号故障停运。乘客须知：严禁携带{}等危险品进站。",
    ],
)
def test_what_is_made_sold_measured_forbidden_or_explained_elsewhere_is_none_of_the_incident(text: str, name: str) -> None:
    assert triage(text.format(name)).substances == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("一辆装有重油的罐车侧翻，重油流了一地。", ["1993"]),
        ("路口一辆满载油污的垃圾车翻倒，路面严重油污。", []),
        ("化工厂的焦油储罐起火，消防员正在冷却邻罐。", ["1136"]),
        ("一甲胺磷罐车追尾后泄漏。", ["2783"]),
        ("一辆载有N,N-二甲基苯胺的槽车追尾漏料。", ["2253"]),
        ("仓库里的醋酸乙脂桶破裂起火。", ["1173"]),
        ("县城一家烟花厂的烟花爆竹爆炸，2人死亡。", ["0336"]),
        ("除夕夜，村民燃放烟花爆竹引发柴堆火灾。", []),
        ("货车上的锂电池起火，车上装有10吨锂电池。", ["3480"]),
        ("小区里电动车的锂电池充电时起火，2人受伤。", []),
        ("旧桶切割时爆炸，1人死亡。桶里冒出浓烟。\n街道疏散了居民。\n环保人员检测，确认是残留的甲苯。", ["1294"]),
        ("厂房起火。消防出动12辆车。\n大火两小时后扑灭。\n经查，起火物质为乙酸乙酯，过火200平方米。", ["1173"]),
        ("五金店起火，无人受伤。\n火已扑灭。\n街坊说，店里平日卖些油漆和稀料，这次没有烧到。", []),
        ("在生产乙二醇二甲醚的反应釜里，氢气冲出后爆炸，2人受伤。", ["1049"]),
        ("12日，一家化工厂爆炸，19人死亡。\n厂区停产。\n经查，工人当作丁酰胺投入釜中的2吨原料实为易爆的氯酸钠。", ["1495"]),
        ("溴泄漏事故发生后，厂区冒出红棕色烟雾。", ["1744"]),
        ("仓库着火，里面是炸药，炸药爆炸，3人死亡。", ["0082"]),
        ("镉中毒的12名工人住院治疗。", ["2570"]),
    ],
)
def test_a_name_counts_where_the_text_says_that_it_leaked_burnt_or_was_left(text: str, expected: list[str]) -> None:
    assert [one.un for one in triage(text).substances] == expected

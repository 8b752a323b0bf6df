"""Counts people and money as the text states them. Pure.

The largest cumulative figure about this incident wins over earlier and partial ones; a stated correction wins over all.
Figures in background and drill sentences do not count.
"""

from __future__ import annotations

import re

import msgspec

from plans.triage.draft import Casualties
from plans.triage.numbers import NUMBER, SCALE, parse
from plans.triage.text import Prepared, Sentence, Standing

_N = rf"(?<![\d零〇一二两三四五六七八九十百千])(?P<n>{NUMBER}{SCALE})"  # a number is read from its first digit, never from within
# 死了3个, 3个人死了; not 气死了, and not of animals
_DIED = r"(?<![气吓热急累烦困冷渴臭笑堵疼挤猪鱼鸡鸭鹅羊牛狗虾树苗禽畜])死(?=了|掉)"
# as neighbours say it
_LOST = rf"(?:没了|走了|不行了|没气了|断气了?|咽气了?|{_DIED}了|没了气|没救过来|没救回来|没救活|没抢救过来)(?=[，。；！、]|$)"
_VERBS = {
    "dead": rf"(?:{_DIED}|抢救无效死亡|烧死|淹死|砸死|压死|电死|炸死|撞死|摔死|冻死|踩死|打死|砍死|枪杀|杀害|无呼吸心跳|没有呼吸心跳|未能逃生|没能逃|死亡|死难|遇难|身亡|丧生|罹难|殒命|牺牲|殉职|丧命|毙命|溺亡|坠亡|亡故|遇害|殉难|去世|死去|离世|逝世|失去生命|无生命体征|没有生命体征|生命体征消失|被炸死|被烧死|被打死|被撞死|被砍死|被杀害|被杀|葬身|致死|毒死|烫死|闷死|呛死|勒死|轧死|熏死|憋死|饿死|溺毙|病亡|病故|没有抢救过来|未救活|未能救活|没能救过来|未能挽回生命|没能挽回生命|未能保住生命|没有救活|没救活|没能救活|没救回来|没能救回来|没救过来|没抢救过来|没能抢救过来|已没有呼吸|已没了呼吸|没有了呼吸|没了呼吸|已无呼吸|夹死|绞死|挤死|卡死|碾死|刺死|捅死|咬死|劈死|噎死|掐死|不治)",
    "missing": r"(?:失踪|失联|没找着|没找到|还没找到|(?:未|没有|没能?)(?:被|能)?找到|下落不明|失去联系|失去联络|生死不明|无音讯|没有消息|没了消息|没有音讯|杳无音信|音讯全无|联系不上|没有联系上)",
    "seriously_injured": r"(?:重伤|受伤(?:较为|比较|非常|较|很)?(?:严重|重)|伤得(?:很|较|比较)?重|危殆|生命垂危|奄奄一息|命危(?!险)|伤重(?!不治|死亡|身亡)|伤势严重|伤势较重|伤势过重|重症|危重|病危|严重受伤|伤势危重|情况严重|情况危重|情况危急|病情危急|伤情危急|伤情严重|伤情危重|受重伤|严重烧伤|重度烧伤|急性中毒)",
    "light": r"(?:轻伤|轻微伤|受轻伤|轻微受伤|伤势较轻)",
    "injured": r"(?:受(?:到)?不同程度的?(?:伤害|损伤)|不同程度受伤|受伤|烧伤|灼伤|骨折|负伤|挂彩|被砍伤|被炸伤|砍伤|炸伤|刺伤|摔伤|(?<!死)伤者|致伤|烫伤|灼烫|划伤|擦伤|挫伤|扭伤|冻伤|压伤|挤伤|扎伤|击伤|电伤|咬伤|撞伤|砸伤|踩伤|呛伤|枪伤|(?<![死探])伤(?!亡|害|者|势|病|员|情|口|残|心|寒))",
    "trapped": r"(?:受伤被困|围困|被困|受困|被埋|被压|被掩埋|困在|遭困|滞留井下)",
    "evacuated": r"(?:紧急疏散|疏散|紧急转移安置|转移安置|转移避险|避险转移|转移|撤离|紧急避险|撤出)",
    "poisoned": r"(?:中毒(?!死亡|身亡|窒息死亡|致死|遇难))",
}
_PERSON = (
    r"(?:名|人|童|娃|位|例|个|口|员|死者|具|(?:大|中|小)?学生|(?:女|男|民|矿|职|农民)?工(?!程|业|厂|作|地|段|人民)|孩子|儿童|孩童|学童|幼儿(?!园)|婴儿|游客|乘客|旅客|村民|居民|市民"
    r"|囚犯|士兵|警察|平民|师生|老人|老妇|妇女|少女|女子|男子|船员|渔民|机组人员|机组成员|乘员|军人|教徒|球迷|人质|病人|患者|职工|员工|群众|民众|官兵|警员|教师|同学|旅行者|观光客|选手|队员)"
)
_GAP = r"[^，。；：！？、,\d\n（）\"]"
_BETWEEN = rf"(?:(?!重伤|轻伤|受伤|[一二两三四五六七八九十]人?死|(?<!包括)(?<!含)[一二两三四五六七八九十](?:名|位|人)(?!份|们)|脱困|脱险|受灾|死亡|遇难|失踪|失联|被困|中毒|获救|生还|疏散|转移){_GAP}){{0,14}}?"
_COUNT_WORDS = r"(?:人数|总人数|人员|群众|居民|职工|学生|村民|师生|游客|乘客|矿工|船员|渔民|旅客|民众|军人|平民|儿童|官兵|病人|患者|者|总数|病例|员工|工人|周边|附近|沿线|危险区|受灾|受威胁|沿岸|低洼)?(?:人数|人员|群众|居民)?"
_REACH = r"(?:了|可能|预计|已经|已|达到|达|升至|上升至|增至|增加到|增加至|上升到|升到|攀升至|修正为|更正为|核减为|共计|总计|合计|累计|一共|共|约|近|超过|过|至少|有|为|是|:|：|至|超|逾|仍有|仍为|最终){0,3}"

_BETWEEN_DEAD = _BETWEEN.replace("|中毒", "").replace("(?!重伤", "(?![鱼虾蟹猪鸡鸭鹅羊牛]|家禽|牲畜|重伤")
_BETWEEN_HURT = _BETWEEN.replace("|获救", "")
_FORWARD = {
    field: re.compile(rf"{_N}{_PERSON}{_BETWEEN_DEAD if field == 'dead' else _BETWEEN_HURT if field == 'injured' else _BETWEEN}{verb}")
    for field, verb in _VERBS.items()
}
_FAR = {
    "dead": re.compile(
        rf"{_N}(?:名|人|位)(?:(?!伤|获救|生还|失踪|(?:造成|导致)(?!当场|全部|均|其)|其中(?!有?[\d一二两三四五六七八九十])|受灾|受影响|无人|未造成|没有(?!生命体征|呼吸|了呼吸)|脱险|，(?:司机|驾驶员|驾驶人|副驾驶|船长|机长|车主)|无死亡|无一死亡|骨折|无生命危险|没上来|没能上来|没出来|岁的[^，。；和及]{{1,6}}?(?:死|身亡|溺|遇难))[^。；：\d\n]){{0,44}}?(?:(?:都|均|全)?没(?:能)?(?:被)?(?:救过来|救回来|救活|抢救过来)|无生命体征|没有生命体征|没了生命体征|没了呼吸|没有了呼吸|无呼吸心跳|死亡(?!病例|人数|牲畜|率|风险|牛|羊|猪|鸡|[\d余多万]{{1,6}}(?:只|头|羽|尾|匹))|身亡|溺亡|遇难|丧生|坠亡|被害|遇害|致死(?!率|量))"
    ),
    "injured": re.compile(rf"{_N}(?:名|人|位)(?:(?!死|亡|遇难|获救)[^。；：，\d\n]){{0,30}}?(?:受伤|烧伤|轻伤)"),
    "poisoned": re.compile(rf"{_N}(?:名|人|位)(?:(?!死|亡|遇难|获救|脱险|伤|没有|未|其中|另|了解|获悉|介绍|表示)[^。；：\d\n]){{0,30}}?中毒(?!死亡|身亡|窒息死亡|致死|遇难)"),
    "missing": re.compile(
        rf"{_N}(?:名|位|个)(?:(?!死|亡|遇难|获救|生还|找到)[^。；：\d\n]){{0,44}}?(?:失踪|失联|下落不明|生死不明|不知去向)"
    ),
}
_LONE = r"(?:副机长|机长|博士后|实验人员|驾船人|大副|二副|水手|农机手|场主|男工|船主|船长|轮机长|船老大|房主|屋主|户主|租户|摊主|食客|顾客|阿姨|飞行员|副驾驶|机手|押运员|环卫工|操作工|检修工|维修工|作业人员|瓦匠|钓友|登山者|驴友|骑行者|路人|行人|住户|租客|业主|老伴|安装工|搬运工|巡检工|推车工|值班员|保姆|村民|男子|女子|工人|农民|学生|老人|司机|驾驶员|女孩|男孩|男童|女童|儿童|幼童|老汉|小孩|妇女|员工|职工|民工|矿工|船员|游客|乘客|市民|居民|女士|先生|保安|骑手|渔民|女生|男生|死者|护林员|消防员|民警|队员|牧民|患者|病人|老太|大爷|群众|农妇|婴儿|幼儿|司炉工|锅炉工|炉工|打磨工|清洁工|焊工|电工|保洁员|厨师|装卸工|店主|老板|网红|教师|医生|护士|老师|旅客|女乘客|少女|少年|老妇|妇人|老翁|大妈|大叔|小伙|门卫|快递员|外卖员|女工|民工|游泳者|中学生|小学生|大学生|研究生|女孩子|同学)"
_ONE = {
    "trapped": re.compile(
        r"(?<![名多些位等数几两和])(?:司机|驾驶员|驾驶人|副驾驶|男子|女子|老人|男童|女童|男孩|女孩|小孩|机手|工人)(?:仍|也|则)?(?:被困|被卡在|被压在|被埋)"
    ),
    "dead": re.compile(rf"一{_LONE}(?:(?!伤)[^。；：\d\n]){{0,40}}?(?:死亡|身亡|溺亡|遇难|丧生|坠亡)"),
    "injured": re.compile(
        rf"(?<!没有)(?<!无)(?<!未有)(?<!未造成)(?:一{_LONE}|驾驶员|司机|驾驶人|{_LONE})(?:(?!死|亡|没|无|未|均)[^。；：，\d\n]){{0,16}}?(?:受伤|受轻伤|轻伤|烧伤|灼伤|烫伤|冻伤|砸伤|压伤|摔伤|炸伤|撞伤|划伤|受皮外伤|骨折|手被烧)"
        rf"|(?<![\d十百千])(?:1|一)(?:名|个|位)(?:(?!死|亡|没有|无|未|[名个位]|获救后)[^。；\d\n]){{0,40}}?(?:受伤|轻伤|烧伤|灼伤|烫伤|咬伤|蜇伤|砸伤|撞伤|摔伤|骨折|夹断|压断|断了|晕倒|昏倒|晕了|[炸撞震砸打熏]晕)"
        rf"|(?<!没有)(?<!未)[撞砸砍刺咬捅打压轧刮碾]伤(?:了)?(?:[1一][名位])?[^，。；、\d一二两三四五六七八九十多数几]{{0,8}}(?:某{{1,3}}岁的?)?{_LONE}"
        r"|全身[^，。；\d]{0,8}(?:烧伤|灼伤|烫伤)"
        r"|(?:腿|手|胳膊|手指|脚|手臂|右臂|左臂|双臂|小腿)(?:部)?(?:被|叫|让)[^，。；]{0,4}(?:卷进|卷入|绞|夹断|压断|砸断|轧断|绞断|截断|划伤|夹伤|砸伤|烫伤|割伤|刺伤|压伤|擦伤)"
        r"|(?:左|右|双|头|腰|肋|颅)[^，。；\d]{0,5}(?:骨折|撕裂伤|挫伤|骨裂|伤势)|(?:腿部|小腿|大腿|手臂|手掌|胳膊|锁骨|鼻梁|脚踝|手腕|腰椎|脊椎|肋骨|面部)[^，。；\d]{0,3}(?:骨折|扭伤|骨裂)|(?:划|割|磕|碰)(?:了|出)[^，。；\d]{0,4}口子|缝了[^，。；]{0,4}针|(?:诊断为|致使?)[^，。；]{0,10}骨折"
    ),
    "missing": re.compile(
        rf"(?:[一该男女]{_LONE})(?:(?!寻获|找到|获救)[^，。；：\d\n]){{0,16}}?(?:失踪|失联|下落不明)|(?<![名多些位等数几]){_LONE}(?:已|仍|目前)(?:失踪|失联|下落不明)"
    ),
    "seriously_injured": re.compile(
        rf"(?<![死伤])(?:腰|腿|头|胸|腹|背|颈|臂|手)[^，。；\d者人员]{{0,3}}(?:受)?重伤|(?:一{_LONE}|驾驶员|司机|驾驶人|机长|{_LONE})(?:(?!死|亡)[^。；：，\d\n]){{0,16}}?(?:重伤|伤[势情](?:比较|较为|较)?严重|生命垂危)"
        rf"|(?<![\d十百千])(?:1|一)(?:名|位|人)(?:(?!死|亡|[名位])[^。；\d]){{0,30}}(?:坠|跌|摔|砸|撞|压|炸|烧|刺|砍|咬|轧|夹|滚|卡)[^。；\d]{{0,12}}，(?:身|造成|致)?(?:受)?(?:重伤|生命垂危|伤势严重)"
    ),
}
# 司机和押运员受轻伤: two who are told by what they are
_TWO = {
    field: re.compile(rf"{_LONE}(?:和|与|及|、){_LONE}(?:也|均|都|双双|不幸|当场|不同程度)*{verb}")
    for field, verb in (("dead", "(?:死亡|身亡|遇难|丧生)"), ("injured", "(?:受(?:了)?(?:轻|重|轻微)?伤|烧伤|灼伤|烫伤)"))
}
_ILL = [
    re.compile(
        rf"{_N}{_PERSON}(?:(?!无人|没有人|没人|无须|无需|毋须|死亡|痊愈|出院|无明显|无症状|无不适|无异常|了解到|获悉|宴席|婚宴|喜宴|寿宴|一些|部分|未出现|没有出现|没有感到|没有感觉|未感|陆续有|有村民|有学生|有人|其中|[桶罐瓶箱袋])[^。；：\d\n]){{0,24}}?(?:呕吐|腹泻|腹痛|恶心|头晕|拉肚子|肚子痛|肚子疼|胃痛|上吐下泻|发烧|抽搐|就医|胸闷|症状|不适|发病|患病|入院|住院|就诊|就医|送医|看病|看医生|吸入(?:了|少量|大量|过多|过量|较多)*(?:的)?(?:浓)?烟|送往医院|送了医院|送进医院|送到医院|进了医院|治疗|救治|紫绀|青紫|昏迷|晕倒|熏倒|被熏|洗胃|麻木|呼吸困难|流涎|卫生院|上吐)"
    ),
    re.compile(rf"{_N}{_PERSON}[^。；，：\d\n]{{0,16}}?中毒(?!死亡|身亡)"),
    re.compile(  # 8名工人集体吃完午饭后，出现食物中毒
        rf"{_N}{_PERSON}(?:(?!死|有人|其中)[^。；：\d\n]){{0,20}}?(?:吃|食用|饮用|喝|进食|就餐|用餐|聚餐|误食)(?:(?!死|有人|其中)[^。；：\d\n]){{0,24}}?中毒(?!死亡|身亡)"
    ),
    re.compile(  # 很多孩子都出现了类似情况，大概有20多人
        rf"(?:出现|感到)[^。；\d]{{0,10}}(?:症状|情况|反应|不适|呕吐|腹泻)的?(?:孩子|学生|员工|人|人数)?，?(?:大概|大约|约|共|有|已|达|超过)+{_N}(?:人|名)"
    ),
    re.compile(rf"{_N}(?:名|人|位){_GAP}{{0,6}}(?:仍|还|正|均|都|尚)?(?:住|躺)?在(?:[^，。；\d]{{0,6}}医院|病房|重症监护室)(?!死|去世|不治)"),
    re.compile(rf"(?:医院|卫生院|急诊)[^，。；\d]{{0,6}}(?:收|收治|接诊|接收)(?:了)?{_N}(?:名|人|位)(?![^，。；]{{0,4}}(?:死|遗体))"),
    re.compile(rf"(?:毒倒|撂倒|放倒|熏倒|病倒)(?:了)?(?:一家)?{_N}{_PERSON}"),
    re.compile(rf"(?<!订餐的)(?<!就餐的)(?<!用餐的)(?<!住校)(?<!在校)(?<!全校)(?<!寄宿)(?<!就读)(?:学生|师生|员工|工人|群众|儿童|患者|病人|孩子|(?:中毒|患病|发病|不适)(?:的)?人数)(?:多达|达到|达|超过|已有|共有|有){_N}{_PERSON}"),
    re.compile(rf"(?:发病|患病|就诊|就医|看病|看医生|住院|入院|留院|送医|病例)(?:治疗|救治|观察)?(?:的)?(?:人数|学生|人员|病人|患者)?{_REACH}{_N}(?:人|名|例)"),
]
# 100多名儿童到医院检查，其中59名儿童确诊中毒: those who were found to be poisoned, whoever else was looked at
_CONFIRMED = (
    re.compile(rf"{_N}{_PERSON}[^，。；\d]{{0,6}}(?:确诊|被诊断|诊断|确定|认定)[^，。；\d]{{0,6}}中毒(?!死亡|身亡)"),
    re.compile(rf"(?:确诊|确定|确认)(?:食物)?中毒[^，。；\d]{{0,6}}(?:为|有|共|达){_N}(?:人|名|例)"),
    re.compile(rf"(?:确诊|确定|确认){_N}{_PERSON}[^，。；\d]{{0,8}}中毒(?!死亡|身亡)"),
    re.compile(rf"经(?:排查|筛查|检查|诊断)，?[^。；，\d]{{0,6}}{_N}{_PERSON}[^，。；\d]{{0,6}}中毒(?!死亡|身亡)"),
)
_UPDATED = re.compile(r"升至|增至|增加|上升|达到|达|共|累计|总计")  # a later or total number goes beyond a confirmed one
_BACKWARD = {
    field: re.compile(
        rf"{verb}(?:的)?{_COUNT_WORDS}{_REACH}(?:一家)?{_N}(?:(?:至|-|~|到){NUMBER})?(?P<unit>人|名|例|余|多|位|户|个|口|$|，|。|、|;|；|具|老人|孩子|学生|工人|男子|女子)"
    )
    for field, verb in _VERBS.items()
}
# 死者3人, 死者增至8名, 4名死者, 伤者已达12人: a figure beside the word for those whom it counts
_ROLES = {"dead": r"(?:死亡者|遇难者|罹难者|死难者|丧生者|(?<!致)死者)", "injured": r"(?:(?<![死轻重探])(?:受)?伤者|伤员)"}
_SO_FAR = rf"(?:目前|现时|现在|最少|暂时|最终|已知|官方统计)?(?:增加至|增到|增|{_REACH})"
_BY_ROLE = {
    field: (
        re.compile(
            rf"{role}(?:人数|总数|数)?{_SO_FAR}{_N}(?:人|名|位|个|具)(?![^，。；、\d]{{0,8}}(?:不治|抢救无效|死亡|身亡|去世|失踪|家属))"
        ),
        re.compile(rf"{_N}(?:名|位|具|个){role}(?!的?(?:家|亲|遗属|父|母|妻|丈|同事|朋友))"),
    )
    for field, role in _ROLES.items()
}
_NO_MORE = re.compile(
    rf"(?:没了|走了|死了|送了命的有){_N}(?:个|口|名|位)?(?:人|村民|乡亲|老人|孩子|矿工|工友|邻居)(?![家口的])"
)  # 全村没了11个人
_ONE_OF_THEM = re.compile(  # 捅伤3人后逃走，其中公司会计抢救无效死亡
    r"其中(?!有|的)(?![^，。；]{0,4}[\d一二两三四五六七八九十多数几余])(?:(?!伤|均|都|和|与|、)[^，。；\d]){2,14}?(?:(?:抢救|救治|医治)无效|当场|不幸)(?:死亡|身亡|去世|遇难)"
)
_FAMILY_DEAD = re.compile(rf"死者(?:为|系|是|均为|均是)一家{_N}口")
_BOUND = re.compile(rf"(?<![名位具个])(?:{'|'.join(_ROLES.values())})(?:人数|总数|数)?{_SO_FAR}\Z")
_SHORT = {
    "dead": re.compile(rf"(?<![\d一二三四五六七八九十百千月日时点分年岁路号]){_N}(?:人?死(?!亡|伤)(?!人|者|鱼|猪|因)|人?亡(?!羊|故|命))"),
    "injured": re.compile(rf"{_N}人?伤(?!者|害|势|口|亡|员|残|人)"),
    "seriously_injured": re.compile(rf"{_N}人?重伤"),
    "light": re.compile(rf"{_N}人?轻伤"),
    "missing": re.compile(rf"{_N}人?(?:失踪|失联|下落不明|名?(?:仍|还|尚)在搜[寻救](?=中?(?:[，。；]|$)))"),
    "trapped": re.compile(rf"{_N}人?被困"),
    "poisoned": re.compile(rf"{_N}人?中毒(?!死亡|身亡|窒息|致死|遇难)"),
}
_SAVED_IN_VAIN = re.compile(
    rf"{_N}(?:名|人)[^，。；\d]{{0,6}}(?:获救|救起|救出|送医)后(?:不幸|经抢救无效|医治无效)?(?:死亡|身亡|去世|不治)"
)
# 1名工人受伤，经120抢救无效死亡: the injured is the dead, where no other number comes between
_HURT_AND_LOST = re.compile(
    rf"{_N}(?:名|人|位){_GAP}{{0,10}}(?:受伤|重伤|烧伤|灼伤|炸伤|砸伤|昏迷|被埋|坠落|倒地|被砸|被困)(?:(?!获救|生还|脱险|其中|{NUMBER}(?:名|人|位))[^。；：（]){{0,18}}?(?:抢救无效|救治无效|医治无效|不治)"
)
# 1人当场死亡、3人受伤，其中1人抢救无效死亡
_AND_OF_THE_HURT = re.compile(
    rf"{_N}(?:名|人){_GAP}{{0,4}}(?:死亡|身亡|遇难)[、，](?:另有)?{NUMBER}(?:名|人){_GAP}{{0,8}}受伤，其中(?:有)?(?P<more>{NUMBER})(?:名|人)[^，。；\d]{{0,14}}(?:抢救无效|救治无效|医治无效|不治)"
)
# 3名保安受伤，其中2人因伤势过重，经医院抢救无效死亡
_TOO_BADLY = re.compile(
    rf"{_N}(?:名|人|位)[^，。；\d]{{0,6}}(?:伤势过重|伤势严重|伤势太重|伤重|失血过多)，?[^，。；\d]{{0,10}}(?:抢救无效|救治无效|医治无效|不治|死亡|身亡|去世)"
)
_NOT_OUT = re.compile(
    rf"{_N}(?:个|名)?人?没(?:能)?(?:再)?(?:上来|出来|跑出来|逃出来)[^。；\d]{{0,24}}?(?:死亡|溺亡|身亡|遇难|没有呼吸|没了呼吸|无生命体征)"
)
# 另一名失踪，被发现时已不幸身亡; 失联的5人全部找到，均无生命体征
_LIFELESS = r"(?:身亡|死亡|遇难|溺亡|无生命体征|没有生命体征|没了生命体征)"
_FOUND_LATE = (
    re.compile(
        rf"{_N}(?:名|人|位)[^，。；\d]{{0,8}}(?:失踪|失联|落水|溺水|走失)(?:(?!获救|生还|其中|救起|{NUMBER}(?:名|人|位))[^。；\d]){{0,24}}?(?:发现|找到|打捞|寻获|救出|捞起)[^。；\d]{{0,12}}?{_LIFELESS}"
    ),
    re.compile(
        rf"(?:失踪|失联|落水|溺水|被困|被埋)的?{_N}(?:名|人|位)[^，。；\d]{{0,6}}(?:找到|寻获|打捞出水|救出)，?(?:但|均|都|全部|已|不幸|可惜|不过)*[^，。；\d]{{0,6}}{_LIFELESS}"
    ),
)
_NONE_UP = re.compile(rf"{_N}个?人(?:都|全|全都|均)没(?:能)?(?:再)?(?:上来|出来)")
_GONE = re.compile(
    rf"{_N}(?:个|人|名|位)(?:人|工人|大人|小孩|孩子|老人|老太太|老太|老汉|学生|女孩|男孩)?(?:已经|已|当场|就|都|也|人)?{_LOST}"
)
_FOUND = re.compile(rf"(?:遇难|死亡|死|没了)(?:的|者)(?:已经|已|现在)?(?:找到|挖出|扒出|捞出|搜出|有)了?{_N}(?:个|人|名|具)")
_CAUSED = re.compile(rf"(?:致|造成|导致){_N}(?:人|名)?(?:死|亡)(?!伤)")
_LIVES = re.compile(rf"(?:带走|夺走|夺去)(?:了)?{_N}(?:条|个人的|名[^，。；]{{1,4}}的|人的)(?:[^，。；]{{0,5}})?(?:生命|人命|性命)")
_ALL_DEAD = re.compile(
    rf"{_N}(?:名|人)[^，。；\d一二两三四五六七八九十]{{0,10}}，?(?:已|均已|全部|均|无一人?)(?:已经|不幸|确认|当场)?(?:遇难|身亡|死亡|罹难|丧生|生还)"
)
_SINGLE = re.compile(
    r"(?:驾驶员|司机|驾驶人|男子|女子|女孩|男孩|老人|骑手|行人|飞行员|机长|骑车人|车主|死者|工人|女童|男童|孩子|女生|男生|学生|当事人|伤者|妻子|丈夫|儿子|女儿|母亲|父亲|该名?[一-龥]{1,4})"
    r"(?:因[一-龥]{2,10})?(?:经[一-龥]{0,8}抢救无效|不幸|当场|已|被[^，。；]{0,8}|送医后|当晚|次日|凌晨|后){0,3}(?:死亡|身亡|遇难|溺亡|坠亡|丧生|牺牲|去世|不治)"
)
_ONE_OF = re.compile(
    r"(?<![一二三四五六七八九十百千\d])(?:夫妻|夫妇|母子|父子|母女|父女|兄弟|姐妹|姐弟|兄妹|祖孙|婆孙|爷孙)(?![岭山河湖村镇乡路街峰桥坡沟塘亭台楼店岛])(?:二人|两人|俩)?[^。；]{0,44}?(?:均|双双|不幸|当场|先后|相继)(?:不幸)?(?:死亡|身亡|遇难|溺亡|中毒身亡|离世|去世)"
)
_NAME = r"[一-龥]{1,2}(?:某某|某[一-龥]?|[×xX*＊]{1,2})"
_NAMED_DEAD = re.compile(
    rf"(?P<names>{_NAME}(?:(?:、|和|及|与){_NAME}){{0,8}})(?:等)?(?:二人|两人|三人|均|当场|不幸|相继|先后|(?:在[^，。；]{{2,14}})?经[^，。；]{{0,16}}?(?:抢救|救治|医治)无效|送医后)*(?:死亡|身亡|遇难|溺亡|丧生)"
)
_NAMED_LIST = re.compile(rf"死者(?:为|系|分别为|是)?(?P<list>(?:[^。；（]{{0,20}}?{_NAME}[^。；（、，]{{0,6}}（[^）]{{0,24}}）){{1,12}})")
_NAMED_HURT = re.compile(rf"(?P<names>{_NAME}(?:(?:、|和|及|与){_NAME}){{0,8}})(?:等)?(?:二人|两人|三人|均)*(?:受伤|重伤|轻伤|烧伤)")
_FATAL_CASES = (re.compile(rf"{_N}例[^，。；]{{0,24}}死亡病例"), re.compile(rf"死亡病例{_REACH}{_N}(?:例|起|人)"))
_MEN_AND_WOMEN = re.compile(
    r"(?<![\d一二两三四五六七八九十])(?P<men>[1-9一二两三四五六七八九十])(?:名)?男(?P<women>[1-9一二两三四五六七八九十])(?:名)?女(?:(?!获救|生还|受伤)[^。；\d]){0,40}?(?:死亡|身亡|遇难|坠亡|溺亡|丧生|罹难|[烧砸淹压踩电毒撞]死)"
)
_FAMILY_OF = re.compile(rf"一家(?:三代|四代|老小|祖孙|老少)?{_N}口(?:(?!获救|受伤)[^。；\d]){{0,40}}(?:死亡|身亡|遇难|丧生|罹难|遇害|被害)")
_COUPLE_ILL = re.compile(
    r"(?:夫妻|夫妇|母子|父子|母女|父女|兄弟|姐妹|姐弟|兄妹|祖孙|老两口|老俩口)(?:二人|两人|俩)?[^。；\d]{0,44}?(?:均|双双|都|先后|相继)[^，。；\d]{0,10}中毒(?!死亡|身亡|致死)"
)
# 户主夫妇烧伤: two people, whoever else is hurt
_COUPLE = r"(?<!一家)(?:夫妻|夫妇|母子|父子|母女|父女|兄弟|姐妹|姐弟|兄妹|祖孙|老两口|小两口|老夫妻)(?:二人|两人|俩)?"
_COUPLE_HURT = re.compile(rf"{_COUPLE}(?:均|都|双双|被(?:蒸汽|热水|开水|火|玻璃|气浪)?|不同程度|全身)*(?:烧伤|烫伤|灼伤|受伤|受轻伤|炸伤|砸伤|重伤)(?!的)")
_COUPLE_GONE = re.compile(rf"{_COUPLE}(?:(?!获救|死|遇难)[^。；\d]){{0,24}}(?:失踪|失联|没有找到|没找到|下落不明)")
_COUPLE_ILL_TOGETHER = re.compile(
    r"(?:夫妻|夫妇|母子|父子|母女|父女|兄弟|姐妹|姐弟|兄妹|祖孙|老两口|老俩口|爷孙|婆孙)(?:二人|两人|俩)[^，。；\d死]{0,8}中毒(?!死亡|身亡|致死)"
)
_COUPLES = {"injured": _COUPLE_HURT, "missing": _COUPLE_GONE}
_FAMILY_ILL = re.compile(rf"一家{_N}口(?:(?!死)[^。；\d]){{0,24}}(?:中毒)")
_GASSED = re.compile(
    rf"{_N}{_PERSON}(?:(?!死亡)[^。；：，\d\n]){{0,16}}?(?:吸入(?!(?:了|少量|大量|过多|过量|较多)*(?:的)?(?:烟|浓烟|粉尘))|受[^，。；]{{0,4}}气体刺激)"
)
_ALL_ABOARD = re.compile(
    rf"(?:载有|载着|(?:机上|船上|车上|舱内)(?:人员|乘客|旅客|乘员|人数)?(?:共计|共有|共|有|载有)?|搭载|共载){_N}(?:名|人)(?:(?!获救|生还者|受伤|无一人?生还)[^。；\n]){{0,40}}?(?:无一人?生还|(?:全部|均已|均|无一幸免)(?:[^，。；]{{0,4}})?(?:遇难|死亡|罹难|身亡|丧生))"
)
_CREW = (
    re.compile(rf"(?:失联|失踪|失去联系|下落不明)[^。；\d]{{0,6}}(?:船上|机上|车上)(?:共|有|载有|共有)?{_N}(?:名|人)"),
    re.compile(
        rf"(?:载有|载着|搭载|搭乘|坐着|乘坐){_N}(?:名|人)(?:(?!获救|脱险|死|遇难)[^。；\d]){{0,40}}?(?:失联|失踪|失去联系|下落不明)"
    ),
)
_MOVED = re.compile(
    rf"{_VERBS['evacuated']}(?!途中|过程|时|后|能力)[^，。；\d]{{0,12}}?(?:[\d某,.万余多]{{1,8}}户[，、]?(?:共|计)?)?{_N}(?:人|名)"
)
_HELD = re.compile(
    rf"(?:(?:埋|困|压)(?:了|着|住|在里面)?(?:有)?|(?:里面|里头|井下|洞内|洞里|废墟下|楼里)(?:还|仍)?有){_N}(?:个|名)?人(?!生还|遇难|死|获救|升井)"
)
_NONE_HURT = re.compile(
    r"(?:无|没有|没(?=造成|发生|形成)|未|未有|未出现|暂无|暂未)(?:造成|形成|引发|发生|出现|发现|有|导致|任何)*(?:(?:重大)?(?:次生事故|次生灾害|财产损失|环境污染|经济损失|设备损坏|[一-龥]{2,6}燃烧)(?:和|或|及|以及|、))?(?:人员|人畜|人|群众)?(?:被困(?:和|或|及|、))?(?:伤亡|死伤|受伤(?:和|或|及|、)?死亡)(?!(?:情况)?的?(?:报告|消息|信息|统计|通报|公布))|无人伤亡|人员均安全|零伤亡|未造成人身伤害"
)
_NONE_DEAD = re.compile(
    r"(?:无|没有|未造成|未发生|尚无|暂无|未出现|无人)(?:人员|人|病例|危重和|学生|师生|乘客|旅客|工人|村民|居民|群众|船员|矿工|住户|员工|游客)?(?:死亡|遇难)(?!报告)|(?:没有|无|未有?)[^，。；\d]{0,6}(?:死亡|遇难|伤亡)(?:一人|1人|一例)|(?:无一人?|零)(?:死亡|遇难|伤亡)"
)
_NONE_TRAPPED = re.compile(r"(?:无|没有|未造成|无人|没有人|未发现)(?:人员|人)?被困")
_NONE_INJURED = re.compile(
    r"(?:无人|没有人|没人|(?:无|没有|未|未有|暂无|暂未)(?:造成|发生|出现|发现|导致|有)*)(?:人员|人|群众)?(?:被困(?:和|或|及|、))?(?:在[^，。；]{0,8}中)?受伤|(?<!有)没人(?:伤|受伤)|(?:没有|未发现|未有|无)(?:有)?[^，。；\d]{0,6}(?:人员|人|群众|居民|职工)[^，。；\d]{0,8}受到?[^，。；\d]{0,4}(?:损伤|伤害)"
)
_FREED = re.compile(
    r"(?:被|受)困[^，。；]{0,10}(?:小时|分钟|天|夜)[^，。；]{0,4}?后(?:被|安全|成功|全部|均)*(?:救出|获救|脱困|脱险)|(?:被|受)困[^。；\d]{0,24}(?:成功|安全|顺利)(?:获救|脱险|脱困|升井)(?!的?\d)|(?:被|受)困[^。；，]{0,8}(?:后)?(?:(?<!安)全|均)(?:数|部)?(?:获救|救出)|被困[^。；]{0,16}(?:全部|均|悉数|已全部)[^。；，]{0,6}(?:获救|救出|脱险|升井|解救|营救)|(?:全部|均)被?(?:困|埋)[^。；，]{0,8}(?:获救|救出|脱险)"
)
_ALL_FOUND = re.compile(
    r"(?:失联|失踪|落水|被困|被埋|下落不明|失去联系|失去联络)(?:(?!其余|其他|另有|身份)[^。；]){0,40}?(?:(?:全部|均|都|悉数|已全部|全数)(?:已经|已|被|得到)*(?:找到|发现|寻获|确认|搜救出|打捞|升井|获救|脱险)|无一人?生还|全部遇难)|(?:全部|所有)[^。；，]{0,8}(?:状态良好|平安|获救|安全返)"
    r"|(?:全部|所有)(?:失联|失踪|落水)(?:者|人员|船员)?[^。；，]{0,8}(?:找到|寻获|打捞)"
)
_CORRECT = re.compile(rf"(?:更正为|修正为|核减为|核定为|下调为|调整为|订正为|核实为){_N}")
_FOUND_DEAD = re.compile(rf"(?:发现|找到|打捞出?|寻获){_N}(?:名|位|具)(?:失踪|失联|落水)(?:者|人员|船员|矿工|工人)?的?(?:遗体|尸体)")
_BUT_ONE = re.compile(r"(?:仍有|还有|另有|尚有|其余|剩余|最后)[^，。；]{0,8}(?:失联|失踪|下落不明|未找到)")
_SUBSET = re.compile(r"(?:其中|包括|含)(?:有)?[^，。；]{0,6}$")
_PLACE_BEFORE = re.compile(r"([一-龥]{1,6}(?:省|市|县|区|镇|乡|村|州|旗|街道|矿|厂|楼))(?:[^，。；、\d]{0,8})$")
_TOTALLING = re.compile(r"共|累计|总计|合计|已致|截至|升至|增至|全省|全市|全县|全国|总数|死亡人数|遇难人数")
_HOSPITAL_DEATHS = re.compile(
    rf"(?:又有|还有|另有|另)?{_N}(?:名|人)(?:(?:(?!途中)[^，。；\d]){{0,10}}(?:抢救无效|救治无效|医治无效|送医后|在医院|送往医院)[^，。；\d]{{0,6}}(?:死亡|身亡|去世|离世|不治)|(?:(?!途中)[^，。；\d]){{0,8}}(?:抢救|救治|医治)无效(?=[，。；、]|$)|(?:次日|翌日|当日|当晚|随后|后来|数日后|几天后|日后|于次日)[^，。；\d]{{0,10}}(?:死亡|身亡|去世|离世|不治)|(?:因伤势过重|伤重|因伤重)?(?:抢救无效|医治无效|伤重|经抢救)?不治)"
)


# 两名厨师、两名店员以及两名食客受伤: a list is added up
_ITEM = r"(?:(?!死|伤|亡|遇难|牺牲|失踪|失联|获救|被困|中毒|生还)[^，。；：、\d\n零一二两三四五六七八九十和及与])"
_LIST = rf"(?P<list>(?:{NUMBER}(?:名|位|个){_ITEM}{{1,12}}(?:、|和|及|以及|与)){{1,5}}{NUMBER}(?:名|位|个|人){_ITEM}{{0,12}}?)"
_LISTED = {
    field: re.compile(rf"{_LIST}(?:均|全部|都|也|不幸|当场|被|不同程度)*{_VERBS[field]}")
    for field in ("dead", "injured", "missing", "trapped")
}
_LISTED_ILL = re.compile(
    rf"{_LIST}(?:均|都|相继|先后|陆续)*(?:出现|感到|发生)[^，。；\d]{{0,8}}(?:呕吐|腹泻|腹痛|恶心|头晕|中毒|不适|症状)"
)
# 7人轻度烧伤，1人面部划伤: kinds of injury are people of their own
_WOUND = r"[^，。；、\d死亡]{0,6}(?:烧伤|灼伤|烫伤|划伤|擦伤|挫伤|扭伤|骨折|砸伤|压伤|摔伤|刺伤|咬伤|割伤|挤伤|撞伤)"
_WOUNDS = re.compile(rf"(?P<list>(?:{NUMBER}(?:名|位|个|人){_WOUND}[，、]){{1,4}}{NUMBER}(?:名|位|个|人){_WOUND})")
# 救出4名被困员工，所幸仅受轻伤
_HURT_BY = re.compile(rf"(?:[刺砍撞砸炸打烧烫咬踩捅]伤)(?:了)?[^，。；\d]{{0,6}}?{_N}(?:名|位|人|个)(?![^，。；\d]{{0,6}}(?:死亡|身亡|不治))")  # 刺伤了班上的八名学生
_LUCKY = re.compile(
    rf"{_N}(?:名|人|位)(?:(?!死|亡)[^。；：，\d\n]){{0,10}}，(?:所幸|万幸|幸好|但|都|均|全|也)*(?:仅|只|均|都|全)(?:是|为)?受(?:了)?(?:轻|皮外|轻微)伤"
)
# 船长和三名船员失联: one more than the number
_AND_OTHERS = {
    field: re.compile(rf"(?<![名多些位等数几\d一二两三四五六七八九十个]){_LONE}(?:和|与|及|以及|、){_N}(?:名|位|个){_ITEM}{{1,8}}(?:均|全部|都|也|不幸|当场|不同程度)*{_VERBS[field]}")
    for field in ("dead", "injured", "missing", "trapped")
}
# 伤了46个，重的9个
_THE_WORSE = re.compile(rf"(?:伤得重|伤重|重|危重)的(?:有|是)?{_N}(?:名|个|位|人)(?![^，。；\d]{{0,6}}(?:死|不治))")
# 2人送医后死亡，2人抢救无效离世: those who died of the same number of people, one group after the other
_DIES = r"(?:死亡|身亡|离世|去世|不治|遇难)"
_PART_DEAD = rf"(?:另有?|又有|还有|随后又有)?{NUMBER}(?:名|人|位)(?:(?!其中|获救|受伤|共)[^，。；：、\d]){{0,16}}?{_DIES}"
_DEAD_IN_TURN = re.compile(rf"(?<=[，：；])(?P<list>(?:{_PART_DEAD}[，、]){{1,4}}{_PART_DEAD})")
# 4人死亡，2名消防员牺牲: those who died in the rescue are told apart
_DEAD_AND_FALLEN = re.compile(
    rf"(?P<list>{NUMBER}(?:名|人)[^，。；、\d其中含]{{0,8}}(?:死亡|遇难|身亡)[，、](?:另有)?{NUMBER}(?:名|位)[^，。；、\d]{{0,10}})(?:牺牲|殉职)"
)
_ALL_LISTED = re.compile(
    rf"(?:全部|均|无一人?)(?:人员)?(?:遇难|罹难|死亡|丧生|身亡|生还)，?(?:机上|船上|车上)?(?:共有|共|包括|载有|含){_LIST}"
)
_EACH = re.compile(rf"({NUMBER})(?:名|位|个|人)")
_BESIDES = re.compile(r"另(?:外)?(?:还)?(?:有)?\Z")
_STILL = re.compile(r"仍有|尚有|还有|剩余|其余|最后|找到|寻获|救起|获救|升井")
_AGED_DEATH = re.compile(r"岁(?:的)?[一-龥]{1,4}?(?:(?!伤|获救)[^，。；\d]){0,14}(?:溺亡|溺水身亡|身亡|死亡|遇难)")
_OUT = re.compile(
    rf"{_N}(?:名|人)(?:(?!中)[^，。；\d]){{0,6}}?(?:已全部|全部|全都|均|(?<!安)全|悉数)(?:已|被|成功|安全|获|顺利)*(?:救出|获救|脱险|升井|脱困|上岸|登岸|上船|救)"
)


class Figure(msgspec.Struct, frozen=True):
    """A number with the stretch of prepared text that states it; `over` where the text says that it is more (100余人), `about` 近百人."""

    value: int
    start: int
    end: int
    over: bool = False
    about: bool = False


class People(msgspec.Struct, frozen=True):
    """The casualties, the loss, what only the grade needs, and the stretches behind them by field.

    `least` are lower bounds by field where the text gives no number (数百人受伤); they serve the grade alone.
    """

    casualties: Casualties
    loss_yuan: int | None
    dead_or_missing: int | None
    ill: Figure | None
    found: dict[str, Figure]
    least: dict[str, Figure] = {}


_POISON_FAMILIES = frozenset({"food_poisoning", "group_poisoning"})
_HURT_FAMILIES = frozenset(
    [
        "fire",
        "road_traffic",
        "hazmat_transport",
        "hazmat_facility",
        "mining",
        "construction",
        "waterway",
        "rail",
        "aviation",
        "special_equipment",
        "gas_supply",
        "stampede",
        "crime",
        "terror_attack",
        "earthquake",
        "geological",
        "weather",
        "biological",
        "other",
    ]
)


def settle(people: People, family: str, inhaled: bool = False) -> People:
    """People taken ill or to hospital count as poisoned in a poisoning, as injured in an accident that states no injured.

    `inhaled`: a toxic substance got out and nothing burst or burnt, so those who were taken ill are poisoned.
    """
    field = "poisoned" if family in _POISON_FAMILIES or inhaled else "injured" if family in _HURT_FAMILIES else None
    if people.ill is None or field is None:
        return people
    stated = getattr(people.casualties, field)
    if field == "injured" and stated and stated == people.casualties.seriously_injured:
        stated = None if stated < people.ill.value else stated  # 172人住院，其中重伤24人
    if stated is not None and (field == "injured" or (stated >= people.ill.value and len(_exact([people.found[field], people.ill])) == 2)):
        return people
    if field == "injured" and people.casualties.poisoned is not None:
        return people
    found = {**people.found, field: people.ill}
    casualties = msgspec.structs.replace(people.casualties, **{field: people.ill.value})
    return msgspec.structs.replace(people, casualties=casualties, found=found)


_MEASURE = re.compile(
    r"(?<!\d)\d{1,13}(?:\.\d{1,6})?(?=余?(?:个(?:小时|多?月|星期|钟头|半)|岁|层|楼|小时|分钟|秒|米|公里|千米|吨|公斤|号|时|分|月|日|年|点|毫米|平方|度|辆|艘|级|间|栋|亩|户|公顷))"
    r"|(?<=核载|实载|准载|限载|定员)\d{1,4}(?=人)"
    r"|(?:足以|足够|可以?|能够?)(?:毒死|致死|杀死|炸死)[^，。；]{0,6}?[\d.]{1,9}(?:余|多)?万?人|冒着[^，。；]{0,6}(?:伤|死)的?(?:危险|风险)|九死一生|死里逃生|出生入死|生死一线|你死我活|(?:险些|差点|差一点|几乎)(?:儿|就)?(?:丧命|送命|丧生|身亡|丢命|没命|丢了性命|送了命)"  # nobody died of it
)


_PAIR = re.compile(
    r"一对(?=(?:年轻|中年|老年|外地|小)?(?:母子|母女|父子|父女|夫妻|夫妇|情侣|兄弟|姐妹|姐弟|兄妹|祖孙|双胞胎|恋人|老人))"
)  # two people


def _blank(match: re.Match[str]) -> str:
    """A measure is no number of people, a narrow escape no death; the text keeps its length."""
    return "某" * len(match[0])


def count(prepared: Prepared) -> People:
    """Casualties and loss (yuan) of the incident itself."""
    prepared = msgspec.structs.replace(
        prepared, text=_PAIR.sub("2名", _MEASURE.sub(_blank, prepared.text.replace("生命迹象", "生命体征").replace("脑死亡", "脑某某")))
    )
    counted = [s for s in prepared.sentences if s.standing is Standing.MAIN]
    found: dict[str, Figure] = {}
    for field in _VERBS:
        best = _best(prepared, counted, field)
        if best is not None:
            found[field] = best
    _fold_light(found)
    _beside_the_dead(prepared, counted, found)
    aboard = _nobody_left(prepared, counted) if "dead" not in found else None
    if aboard is not None:
        found["dead"] = aboard
    _explicit_zeros(prepared, [s for s in prepared.sentences if s.standing is not Standing.BACKGROUND], found)
    _of_the_rest(prepared, counted, found)
    _lost_alone(prepared, counted, found)
    _found_since(prepared, counted, found)
    loss = _loss(prepared, counted)
    if loss is not None:
        found["loss_yuan"] = loss
    either = _either(prepared, counted)
    if either is not None:
        found["dead_or_missing"] = either
    sick = [f for s in counted for p in _ILL for f in _figures(prepared, s.start, s.end, p)]
    sick += [f for s in counted for f in _listed(prepared, s.start, s.end, _LISTED_ILL)]
    confirmed = _confirmed(prepared, counted)
    if confirmed is not None:
        found["poisoned"] = confirmed
        sick = [f for f in sick if f.value <= confirmed.value]
    sick = [f for f in sick if _IN_VAIN.match(prepared.text, f.end) is None and not _denied(prepared, "poisoned", f)]
    ill = max(_exact(sick), key=lambda f: f.value) if sick else None
    fields = {name: figure.value for name, figure in found.items() if name in Casualties.__struct_fields__}
    least = _lower_bounds(prepared, counted)
    return People(Casualties(**fields), loss.value if loss else None, either.value if either else None, ill, found, least)


def _confirmed(prepared: Prepared, counted: list[Sentence]) -> Figure | None:
    """How many were found to be poisoned, as the text updates it; whoever else was only looked at does not count."""
    sure = [f for s in counted for form in _CONFIRMED for f in _figures(prepared, s.start, s.end, form)]
    if not sure:
        return None
    most = max(sure, key=lambda f: f.value)
    later = [f for s in counted for f in _candidates(prepared, (s.start, s.end), "poisoned") if f.value > most.value and f.start > most.end]
    return max([most, *(f for f in later if _UPDATED.search(prepared.text, max(0, f.start - 14), f.end))], key=lambda f: f.value)


_DEAD_AND_HURT = re.compile(rf"{_N}(?:名|人)(?:死亡|遇难)[、，和]?(?P<hurt>{NUMBER})(?:名|人)(?:不同程度)?受伤")


def _beside_the_dead(prepared: Prepared, counted: list[Sentence], found: dict[str, Figure]) -> None:
    """当天75人死亡、185人受伤；30日后共97人死亡、163人受伤: the injured are those told beside the latest number of the dead."""
    pairs = [
        (dead, hurt, match)
        for sentence in counted
        for match in _DEAD_AND_HURT.finditer(prepared.text, sentence.start, sentence.end)
        if (dead := parse(match["n"])) is not None and (hurt := parse(match["hurt"])) is not None
    ]
    told = {name: figure.value for name, figure in found.items()}
    last = next((pair for pair in pairs if pair[0] == told.get("dead")), None)
    if last is not None and any(dead < last[0] and hurt > last[1] and hurt == told.get("injured") for dead, hurt, _ in pairs):
        found["injured"] = Figure(last[1], last[2].start("hurt"), last[2].end())


_LOST_ALONE = re.compile(
    r"(?:(?:经)?(?:全力)?(?:抢救|救治|医治)无效|伤重不治|不治)(?:，|而|后|并|不幸|当场|已)*(?:死亡|身亡|去世|离世|离开人世)"
)
_MANY = re.compile(rf"(?:{NUMBER}(?:余|多)?(?:名|位|人|个人)|两人|多人|[^，。；]{{0,6}}(?:均|都|先后|相继|分别))")


def _lost_alone(prepared: Prepared, counted: list[Sentence], found: dict[str, Figure]) -> None:
    """一名工人被埋。……才把人救出，送医抢救无效身亡: the only one who was buried or hurt is the dead, though the clause that tells it gives no number."""
    hurt = [field for field in ("trapped", "injured", "seriously_injured", "missing") if field in found and found[field].value]
    if "dead" in found or not hurt or any(found[field].value != 1 for field in hurt):
        return
    for sentence in counted:
        match = _LOST_ALONE.search(prepared.text, sentence.start, sentence.end)
        if match is not None and _MANY.search(prepared.text, max(sentence.start, match.start() - 14), match.start()) is None:
            found["dead"] = Figure(1, match.start(), match.end())
            for field in hurt:
                del found[field]
            return


# 其余5名矿工还在搜救, 还有2人未脱险, 另外7名失踪矿工还在搜寻: how many are left of those trapped or missing
_REST = {
    "trapped": re.compile(
        rf"(?:其余|剩余|另外?|还有|仍有|尚有){_N}(?:名|人|位){_GAP}{{0,8}}?(?:未脱险|未获救|未救出|没有脱险|被困|被埋|困在|埋在|(?:还|仍)?在搜|(?:还|仍)?在?(?:抓紧|全力|紧急)?(?:营救|搜救|施救)(?:之?中)?(?=[，。；]|$))"
    ),
    "missing": re.compile(rf"(?:其余|剩余|另外?|还有|仍有|尚有){_N}(?:名|人|位){_GAP}{{0,4}}?(?:失踪|失联|下落不明|未找到|(?:还|仍)?在搜)"),
}


def _of_the_rest(prepared: Prepared, counted: list[Sentence], found: dict[str, Figure]) -> None:
    """Of the trapped and the missing those count who are left, where the text tells how many."""
    for field, pattern in _REST.items():
        left = [figure for s in counted for figure in _figures(prepared, s.start, s.end, pattern)]
        known = found.get(field)
        if left and known is not None and known.start < left[-1].start and left[-1].value < known.value:
            found[field] = left[-1]


def _found_since(prepared: Prepared, counted: list[Sentence], found: dict[str, Figure]) -> None:
    """5人失联。……1名遇难人员的遗体找到: bodies found after the missing were told are theirs, unless the text tells how many are left or who else died."""
    missing, dead = found.get("missing"), found.get("dead")
    if missing is None or dead is None:
        return
    later = [s for s in counted if s.start > missing.start]
    bodies = [f for s in later for form in _BODIES for f in _figures(prepared, s.start, s.end, form)]
    first = next((f for f in bodies if f.value == missing.value or (f.value < missing.value and f.start <= dead.start < f.end)), None)
    if first is not None:
        found["missing"] = Figure(missing.value - first.value, first.start, first.end)


_NOBODY_LEFT = re.compile(
    r"(?:全机|全船|全车|全员|(?:机|船|车)上(?:人员|乘客)?(?:已经|已|也)?(?:全部|均|都|无一))(?:已|不幸|确认)*(?:遇难|罹难|丧生|生还|死亡)|无一?人生还|无人幸存"
)
_ABOARD = re.compile(rf"(?:(?:机|船|车)上|舱内|搭载|载有|载着)(?:人员|乘客|旅客)?(?:共计|共有|共|载有|有|搭载)?{_N}(?:名|人)")


def _nobody_left(prepared: Prepared, counted: list[Sentence]) -> Figure | None:
    """全机遇难。机上共有10人: all who were aboard, though the sentence that loses them gives no number."""
    lost = any(_NOBODY_LEFT.search(prepared.text, s.start, s.end) for s in counted)
    aboard = [f for s in counted for f in _figures(prepared, s.start, s.end, _ABOARD)] if lost else []
    return max(aboard, key=lambda f: f.value) if aboard else None


def _figures(prepared: Prepared, start: int, end: int, pattern: re.Pattern[str]) -> list[Figure]:
    done = []
    for match in pattern.finditer(prepared.text, start, end):
        value = parse(match["n"])
        if value is not None and not _vague(prepared.text, match.start("n")):
            over = "余" in match["n"] or "多" in match["n"]
            done.append(Figure(value, match.start(), match.end(), over, _ABOUT.search(prepared.text, max(0, match.start("n") - 2), match.start("n")) is not None))
    return done


_ABOUT = re.compile(r"(?:约|(?<![附最邻临就])近)\Z")  # 附近五十九人 are just that many


def _exact(every: list[Figure]) -> list[Figure]:
    """Without 近百人 where a number stands that it rounds (99人)."""
    sure = [f.value for f in every if not f.about]
    return [f for f in every if not f.about or not any(0.8 * f.value <= value <= 1.2 * f.value for value in sure)]


_LEAST = {
    "多": 2, "数": 2, "若干": 2, "十几": 11, "数十": 20, "几十": 20, "上百": 100, "数百": 200, "几百": 200, "近千": 900,
    "上千": 1000, "数千": 2000, "近万": 9000, "上万": 10_000, "数万": 20_000, "几千": 2000,
}  # fmt: skip
_LEAST_FORMS = {
    field: re.compile(
        rf"(?P<word>{'|'.join(sorted(_LEAST, key=len, reverse=True))})(?:余|多)?(?:名|人|位|个|例)(?:(?!获救|生还|疏散){_GAP}){{0,10}}?{_VERBS[field]}"
    )
    for field in ("dead", "missing", "injured", "seriously_injured", "poisoned")
}


# 伤者已送医: somebody is hurt, however many
_TAKEN = re.compile(
    r"(?<!无)(?<!没有)(?:伤者|伤员|受伤(?:人员|司机|驾驶员|工人|乘客|群众|男子|女子|学生))[^。；，\d]{0,4}(?:已|被|均|全部|正在|仍在|分别|陆续|随后|立即)[^。；，\d]{0,12}(?:送|救治|抢救|治疗|入院|住院)"
    r"|(?:将|把|救出)(?:受)?伤(?:者|员)|(?<!无)(?<!没有)(?<!未发现)伤者(?=姓|系|为|名叫|今年|多处|全身|男|女|称|说|告诉|，)|(?:无|没有|尚无|脱离)生命危险|(?<!无人)(?<!没有人)(?<!未有人)(?<!没人)(?<!险些)(?<!差点)被(?:电|烧|烫|砸|撞|刺|划|压|夹|割|炸)伤(?!害)|(?<!无)多处(?:骨折|受伤|擦伤|烧伤|软组织)|(?:仅|只)受(?:了)?(?:轻伤|皮外伤|轻微伤)|(?<!无人)(?<!没有人)(?<!没有)(?:轻微|轻度|不同程度)(?:灼伤|烧伤|擦伤|刮伤|烫伤|划伤|挫伤)|(?:均|都|全)(?:是|为|受|有)?(?:不同程度)?(?:轻伤|受伤)"
)


def _lower_bounds(prepared: Prepared, counted: list[Sentence]) -> dict[str, Figure]:
    """What 多人, 数十人 and 上百人 come to at the least, and 伤者 of whom no number is told."""
    done: dict[str, Figure] = {}
    for field, form in _LEAST_FORMS.items():
        every = [m for s in counted for m in form.finditer(prepared.text, s.start, s.end)]
        if every:
            best = max(every, key=lambda m: _LEAST[m["word"]])
            done[field] = Figure(_LEAST[best["word"]], best.start(), best.end())
    taken = next((m for s in counted if (m := _TAKEN.search(prepared.text, s.start, s.end))), None)
    if taken is not None:
        done.setdefault("injured", Figure(1, taken.start(), taken.end()))
    return done


def _vague(text: str, start: int) -> bool:
    """数十, 上百, 近千, 十几 and years or clock times are no counts."""
    before = text[max(0, start - 1) : start]
    after = text[start : start + 2]
    return before in ("数", "几", "第", ".", "G", "S", "K") or (before == "上" and after[:1] in "百千万") or after in ("十几",)


def _candidates(prepared: Prepared, sentence: tuple[int, int], field: str) -> list[Figure]:
    return [f for f in _told_of(prepared, sentence, field) if not _denied(prepared, field, f)]


def _denied(prepared: Prepared, field: str, figure: Figure) -> bool:
    """Whether the words between a number and its verb say that it did not happen to them, or a death is the one whose funeral meal it was."""
    if field == "dead" and figure.value == 1 and _FUNERAL_MEAL.search(prepared.text, figure.end, figure.end + 90):
        return True
    return field in _NOT_SO and _NOT_SO[field].search(prepared.text, figure.start, figure.end) is not None


def _told_of(prepared: Prepared, sentence: tuple[int, int], field: str) -> list[Figure]:
    start, end = sentence
    done = _figures(prepared, start, end, _FORWARD[field]) + _figures(prepared, start, end, _BACKWARD[field])
    if field in _SHORT:
        done += _figures(prepared, start, end, _SHORT[field])
    done += [f for form in _BY_ROLE.get(field, ()) for f in _figures(prepared, start, end, form)]
    if field == "dead":
        done += _deaths(prepared, start, end)
    elif field == "poisoned":
        done += _figures(prepared, start, end, _FAMILY_ILL) + _figures(prepared, start, end, _GASSED)
        done += [
            Figure(2, m.start(), m.end()) for form in (_COUPLE_ILL, _COUPLE_ILL_TOGETHER) for m in form.finditer(prepared.text, start, end)
        ]
    elif field == "evacuated":
        done += _figures(prepared, start, end, _MOVED)
    elif field == "missing":
        done += [f for form in _CREW for f in _figures(prepared, start, end, form)]
    elif field == "trapped":
        done += _figures(prepared, start, end, _HELD)
    done = [f for f in done if not _rejected(prepared, field, f)]
    if field in _AND_OTHERS:
        done += [
            msgspec.structs.replace(f, value=f.value + 1)
            for f in _figures(prepared, start, end, _AND_OTHERS[field])
            if field == "dead" or _DIED_OF_IT.match(prepared.text, f.end) is None
        ]
    if field in _LISTED:
        done += _listed(prepared, start, end, _LISTED[field])
    if field == "seriously_injured":
        done += _figures(prepared, start, end, _THE_WORSE)
    if field == "light":
        done += _listed(prepared, start, end, _SLIGHT)
    if field == "injured":
        done = [_alive(prepared, f) for f in done] + [f for form in (_LUCKY, _HURT_BY) for f in _figures(prepared, start, end, form)] + _listed(prepared, start, end, _WOUNDS)
    if field in ("dead", "injured"):
        done += _besides(prepared, done)
    if field == "dead":
        named = _names(prepared, start, end, _NAMED_DEAD)
        done = named if named and not any(f.value <= 2 or _SHORT["dead"].search(prepared.text, f.start, f.end) for f in done) else done
    elif field == "injured" and not done:
        done = _names(prepared, start, end, _NAMED_HURT)
    if not done and field in _FAR:
        done = [f for f in _figures(prepared, start, end, _FAR[field]) if field == "injured" or not _rejected(prepared, field, f)]
    if not done and field in _TWO:
        done = [Figure(2, m.start(), m.end()) for m in _TWO[field].finditer(prepared.text, start, end)][:1]
    if not done and field in _COUPLES:
        done = [Figure(2, m.start(), m.end()) for m in _COUPLES[field].finditer(prepared.text, start, end)][:1]
    if not done and field in _ONE:
        ones = [Figure(1, m.start(), m.end()) for m in _ONE[field].finditer(prepared.text, start, end)]
        done = [f for f in ones if not _of_several(prepared, field, f)][:1]
    if not done and field == "dead":
        done = [Figure(1, m.start(), m.end()) for m in _AGED_DEATH.finditer(prepared.text, start, end)][:1]
    if not done and field == "dead":
        lone = [m for m in _LONE_DEATH.finditer(prepared.text, start, end) if not _PEOPLE.search(m[0])]
        done = [Figure(1, m.start(), m.end()) for m in lone[:1]]
        if not done and not _SEVERAL.search(prepared.text, start, end):
            lone = [
                m for form in (_ANYONE_DEATH, _STRUCK_DEAD, _ONE_BODY, _PRONOUN_DEATH) for m in form.finditer(prepared.text, start, end)
            ]
            done = [Figure(1, m.start(), m.end()) for m in lone[:1]]
        if not done:
            done = [Figure(1, m.start(), m.end()) for m in _SOMEBODY_LOST.finditer(prepared.text, start, end)][:1]
    return done


_IN_VAIN = re.compile(r"[^，。；\d]{0,4}(?:无效|不治|后死亡|后身亡|后去世)")  # 2名焊工重伤，经救治无效死亡
_THINGS = re.compile(r"个(?:摊|棚|村|屋|房|井|厂|家庭|仓|车|洞|点|乡|镇|小区|门店|商户|网箱|箱|罐|瓶|作业区|工棚)")  # 二十几个摊位被埋
_COUNTED = re.compile(rf"(?:{NUMBER}|多|数|几)(?:余)?(?:名|位|个)\Z")


def _of_several(prepared: Prepared, field: str, one: Figure) -> bool:
    """2名工人重伤，经救治无效死亡: no one worker, and none who lives."""
    if field == "dead":
        return False
    counted = _COUNTED.search(prepared.text, max(0, one.start - 6), one.start)
    several = counted is not None and counted[0] not in ("一名", "一位", "一个", "1名", "1位", "1个")
    return (several and not re.match(NUMBER, prepared.text[one.start : one.end])) or _DIED_OF_IT.match(prepared.text, one.end) is not None


# a death of one person whom the text calls by another word: 一快递员……经抢救无效死亡
_ANYONE_DEATH = re.compile(
    r"(?:窒息|触电|中毒)(?:死亡|身亡)(?!事|病|人数|率)|(?:不慎|意外|失足)[^，。；\d]{0,4}(?:坠亡|溺亡|坠楼身亡|坠落身亡|触电身亡|坠崖身亡|身亡)|被[^，。；\d]{0,8}(?:致死|踩死|蜇死|咬死|电死)|(?:当场|不幸)被(?:炸|砸|撞|烧)死|被当场(?:炸|砸|压|撞|烧|轧|夹|挤)死|(?:抢救无效|送医后)，?于[^，。；]{1,14}(?:宣布|宣告)?(?:死亡|身亡)|送[医往][^，。；\d]{0,4}(?:救治|抢救|医治|治疗)后(?:死亡|身亡|去世)|经(?:送医)?抢救[^，。；\d]{0,4}(?:仍|还是)[^，。；\d]{0,6}(?:死亡|身亡|去世)|(?:(?:抢救|救治|医治)无效|送医后?|当场|不幸|(?:确认|证实|宣布|宣告)(?:已经|已)?)(?:死亡|身亡|去世|不治)|葬身火海|(?<!以)致使?(?![^，。；]{0,10}(?:人|员|者|多|数|乘客|学生|村民|居民|[\d一二两三四五六七八九十]))[一-龥]{2,10}(?:身亡|遇难)|(?:夺走|夺去|带走)(?:了)?(?!他们|她们|众|多|数)[^，。；\d一二两三四五六七八九十]{0,8}的?(?:生命|性命)|伤势?过?重(?:不治)?(?:死亡|身亡|去世)|(?:已无|没有|无|停止|停止了)(?:呼吸心跳|呼吸|心跳|生命体征)|(?:人|身体|身子)(?:都|已经|早)?(?:已经)?凉(?:了|透)|不治身亡|伤重不治|(?:送医院?|到医院|抬上来|捞上来|拉上来)(?:后|时|已经|已|就)?(?:没救过来|没救回来|没能?救活|没抢救过来|没气了|不行了)"
)
# 将赵某头部砸伤造成死亡
_STRUCK_DEAD = re.compile(
    r"(?:将|致使?|导致)(?:该|其|一名)?[一-龥某×]{1,8}?(?:[头胸腹身腰腿][部体])?(?:被)?(?:砸|压|轧|挤|撞|碾|打|刺|夹|绞|击)(?:中|伤|倒)[^，。；\d]{0,6}?(?:造成|致|当场|后)+(?:死亡|身亡)|(?<!多人)(?<!数人)致其(?:当场)?(?:死亡|身亡)"
)
# 打捞出小周的遗体
_ONE_BODY = re.compile(
    rf"(?:打捞出|打捞起|发现|找到|捞起|捞出|搜寻到)(?:了)?[^，。；\d名具些多者几两二三四五六七八九十]{{0,8}}的?(?:遗体|尸体)|(?:{_LONE})的?(?:遗体|尸体)(?=被|已|于|在)"
)
_SOMEBODY_LOST = re.compile(
    rf"(?:(?<!没有)(?<!没)(?<!无)(?<!救)人|[男女]的|老[太头汉婆]太?|娃|孩子|驾驶人|当场|{_LONE})(?:(?!没有人|无人)[^，。；\d没]){{0,5}}{_LOST}|(?<=没出来，)死了"
)
_SEVERAL = re.compile(
    r"[多数几两余]名|多人|数人|几人|均|全部|先后|双双|[0-9二两三四五六七八九十](?:余|多)?(?:名|人|具|口|个)|(?:未|没有|无)(?:造成|人员|人)"
)
_PEOPLE = re.compile(rf"{NUMBER}(?:余|多)?(?:名|人|具)")
# 他是在钓鱼时触电身亡
_PRONOUN_DEATH = re.compile(
    r"(?<=[，。；：])(?:他|她)(?:(?!们|丈夫|妻子|儿子|女儿|无人)[^。；，\d]){0,24}?(?:身亡|死亡|去世|不治|遇难|溺亡|蜇死|电死)"
)
_LONE_DEATH = re.compile(
    rf"(?<![名多些位等数几两无])(?<!没有)(?:{_LONE}|驾驶人|骑车人)(?:(?!伤者|无人|没有人|未造成|鸡|鸭|鱼(?![竿杆钩线塘])|猪|牛|羊|虾|禽|畜|树|多名|数名|多人|数人)[^。；：\d\n]){{0,34}}?"
    r"(?:死亡|身亡|溺亡|遇难|丧生|坠亡|去世|离世|殒命|丧命|毙命|被[^，。；\d]{0,8}?(?:烧死|炸死|撞死|砸死|轧死|压死|夹死|电死|绞死)|葬身|无生命体征|没有生命体征|抢救无效|无呼吸心跳|没气了|没了气息|牺牲|送医不治|不治|遭[^，。；]{0,6}杀害)"
)


# 「1人死亡5人受伤」, 「司机身亡6名学生受伤」: the second figure belongs to what follows it
_TORN = re.compile(rf"(?:{_LONE})?(?:不同程度|不幸)?(?:受伤|重伤|轻伤|失踪|失联|遇难|死亡|被困|获救|生还|中毒|住院|烧伤|下落不明)(?!\d|约|近|超|人数)")


_STRICKEN = re.compile(r"受灾(?:人口|群众|人数)[\d余多万户、某]{0,10}\Z")  # 受灾群众800多户3100人
_CREATURES = re.compile(r"(?:余|多)?(?:只|头(?![部皮面顶颈])|羽|匹|条|尾|株|棵|吨|斤|公斤)")  # 死了三千多只鸡
_OWN = re.compile(rf"{NUMBER}(?:余|多)?(?:名|人|例)\Z")  # 2人死亡21人受伤: the verb has its number before it
# 死亡2人重伤5人轻伤9人: each number behind its verb
_CHAIN = re.compile(rf"(?:死亡|遇难|死者|伤者|重伤|轻伤|受伤|失踪|失联|被困){NUMBER}(?:余|多)?(?:名|人|例)\Z")
_CHAINED = re.compile(r"(?:死者|伤者|重伤|轻伤|受伤|失踪|失联|被困)\Z")
_OR_MISSING = re.compile(r"[、或和及/]?失踪(?!\d|约|近|超)")  # 23人死亡失踪 counts both together
_KILLED = re.compile(r"(?:杀|砍|打|刺|捅|撞|炸|砸)死(?:了)?\Z")  # 杀死4人捅伤2人
_DEAD_AND = re.compile(r"(?<![人名位童娃具])(?:死亡|遇难)[、和或及/]?\Z")  # 死亡失踪398人 counts both together
_DIED_OF_IT = re.compile(
    r"(?:者|人员|员)?(?:，?[^，。；\d]{0,12}(?:途中|(?:抢救|救治|医治)无效|不治)|致|后|，)?(?:死亡|死(?![伤者])|身亡|不治)"
    r"|，?[^，。；\d]{0,16}(?:未能|没能|没有)(?:挽回|保住|留住)(?:[^，。；\d]{0,6}(?:生命|性命))?"
)
_SAVED = re.compile(
    r"(?:矿工|人员|者|工人|群众|居民|学生|乘客|船员|游客)?(?:昨天|今天|昨日|今日|当天|当晚|已|均|全部|都|安全|成功|顺利|先后|陆续|被)*(?:获救|脱险|脱困|升井|生还|救出|解救)"
)  # 4名被困矿工获救
_FOUND_BODY = re.compile(r"(?:者|人员|船员|矿工|人|工人)?的?(?:遗体|尸体)")


_NOT_ONE = re.compile(r"(?:没有|未有?|无|不)[^，。；\d]{0,6}\Z")  # 没有因灾死亡一人
_WHO_MOVES = re.compile(r"(?:小组|组|点|通道|路线|队|专班)")  # 4个疏散小组


def _rejected(prepared: Prepared, field: str, figure: Figure) -> bool:
    text = prepared.text[figure.start : figure.end]
    after = prepared.text[figure.end : figure.end + 8]
    if _TORN.match(after) and not re.match(NUMBER, text):
        return True
    if _CREATURES.match(after) or (field != "evacuated" and _STRICKEN.search(prepared.text, max(0, figure.start - 16), figure.start)):
        return True
    before = prepared.text[max(0, figure.start - 16) : figure.start]
    if not re.match(NUMBER, text) and _OWN.search(before) and not _CHAIN.search(before):
        return True
    if re.match(NUMBER, text) and _CHAINED.search(before) and re.match(NUMBER, after):
        return True
    if re.match(NUMBER, text) and text.endswith(("者", "员")) and _BOUND.search(before):
        return True  # 死者3人伤者5人: the 3 are the dead
    if field == "dead" and figure.value == 1 and not re.match(NUMBER, text) and _NOT_ONE.search(before):
        return True
    if field == "dead" and _OR_MISSING.match(after):
        return True
    if field == "injured" and _KILLED.search(prepared.text, max(0, figure.start - 4), figure.start):
        return True
    if field == "injured" and ("重伤" in text or "轻伤" in text):
        return True
    if field in ("injured", "seriously_injured") and _DIED_OF_IT.match(prepared.text, figure.end):
        return True
    if field == "dead" and after.startswith(("风险", "保险", "赔偿", "率", "证明")):
        return True
    if field == "missing" and (_FOUND_BODY.match(after) or _DEAD_AND.search(prepared.text, max(0, figure.start - 6), figure.start)):
        return True
    if field != "evacuated" and _THINGS.search(text):
        return True
    if field == "trapped" and _SAVED.match(prepared.text, figure.end):
        return True
    if field == "evacuated" and (
        _WHO_MOVES.match(after) or re.search(r"能力|可(?:紧急)?(?:疏散|转移)|吨|辆|立方|公里|头|只|万元", text + after)
    ):
        return True
    if field == "dead" and _ONE_OF_THE_HURT.search(text):
        return True  # 5船员中毒昏迷船长不幸身亡
    if field == "dead" and _RIDERS.search(before[-3:]) and _DRIVER.search(text):
        return True  # 载33名学生校车遇车祸，司机身亡
    return field == "poisoned" and after.startswith(("者家属", "原因", "窒息事故"))


# 49名学生没有中毒症状, 两名火车司机未受伤
_NOT_SO = {
    "dead": re.compile(r"(?:未|没有|无)(?:出现|发生|造成|有)?(?:人员|病人|患者|中毒者)?(?:死亡|遇难)"),
    "poisoned": re.compile(r"(?:没有|未|无|排除)(?:出现|发生|发现|有|明显|任何|食物|煤气|被)*中毒"),
    "seriously_injured": re.compile(r"(?:者|员|人)(?:当)?中(?:有)?，?(?:重|危|伤势)"),  # 34名伤者中有重伤8人
    "injured": re.compile(r"(?:没有|并未|未|毫发无|无)(?:人|明显|大碍)?(?:受伤|伤)"),
}
_ONE_OF_THE_HURT = re.compile(rf"^{NUMBER}(?:名|人|位|个)?{_LONE}[^，。；\d]{{0,6}}(?:昏迷|中毒|受伤|倒地){_LONE}")
_FUNERAL_MEAL = re.compile(r"(?:丧事|办丧|出殡|葬礼)[^。；]{0,40}(?:宴|席|就餐|进餐|吃|炖|饭|菜)|丧宴")
_RIDERS, _DRIVER = re.compile(r"载(?:有|着|了)?\Z"), re.compile(r"司机|驾驶员|驾驶人")


def _listed(prepared: Prepared, start: int, end: int, pattern: re.Pattern[str]) -> list[Figure]:
    """Lists of people added up."""
    return [
        Figure(sum(parse(each) or 0 for each in _EACH.findall(match["list"])), match.start(), match.end())
        for match in pattern.finditer(prepared.text, start, end)
    ]


def _besides(prepared: Prepared, done: list[Figure]) -> list[Figure]:
    """一人被烧伤，另有两人腿部受伤: what comes besides is added to what the sentence said before, unless that was the total."""
    sums = []
    for more in [f for f in done if _BESIDES.search(prepared.text, max(0, f.start - 4), f.start)]:
        before = [f for f in done if f.end <= more.start]
        one = max(before, key=lambda f: (f.value, f.end)) if before else None
        if one is not None and re.search("其中|[者员]中|共|包括|分别(?:为|是)", prepared.text[one.start : more.start]) is None:
            sums.append(Figure(one.value + more.value, one.start, more.end))
    return sums


_OF_THEM_DEAD = re.compile(
    rf"[^。；\d]{{0,30}}?，其中(?:有)?{_N}(?:名|人|位)[^，。；\d]{{0,12}}(?:抢救无效|救治无效|医治无效|不治|死亡|身亡|去世)[^，。；\d]{{0,4}}"
)


def _alive(prepared: Prepared, hurt: Figure) -> Figure:
    """11名受伤人员送医，其中2人抢救无效死亡: nine are injured."""
    lost = _OF_THEM_DEAD.match(prepared.text, hurt.end)
    dead = parse(lost["n"]) if lost is not None else None
    return hurt if dead is None or dead >= hurt.value else msgspec.structs.replace(hurt, value=hurt.value - dead)


def _with_the_dead(prepared: Prepared, sentence: Sentence) -> set[int]:
    """Numbers of injured of whom a sentence says that some died; a title may tell them again."""
    hurt = [f for form in (_FORWARD["injured"], _BACKWARD["injured"]) for f in _figures(prepared, sentence.start, sentence.end, form)]
    return {f.value for f in hurt if _alive(prepared, f).value < f.value}


def _names(prepared: Prepared, start: int, end: int, pattern: re.Pattern[str]) -> list[Figure]:
    """People counted by their names."""
    return [
        Figure(len(re.split("[、和及与]", match["names"])), match.start(), match.end())
        for match in pattern.finditer(prepared.text, start, end)
    ]


def _deaths(prepared: Prepared, start: int, end: int) -> list[Figure]:
    done = []
    for pattern in (
        _NO_MORE,
        _LIVES,
        _NONE_UP,
        _CAUSED,
        _SAVED_IN_VAIN,
        _HURT_AND_LOST,
        _TOO_BADLY,
        _NOT_OUT,
        _GONE,
        _FOUND,
        _FAMILY_OF,
        _FAMILY_DEAD,
        _ALL_ABOARD,
        _DEATHS_ON_THE_WAY,
        *_FATAL_CASES,
        *_FOUND_LATE,
    ):
        done += _figures(prepared, start, end, pattern)
    for match in _ALL_DEAD.finditer(prepared.text, start, end):
        if "无一" in match[0] or not match[0].endswith("生还"):
            value = parse(match["n"])
            if value is not None:
                done.append(Figure(value, match.start(), match.end()))
    for pattern in _BODIES:
        done += _figures(prepared, start, end, pattern)
    for match in _MEN_AND_WOMEN.finditer(prepared.text, start, end):
        men, women = parse(match["men"]), parse(match["women"])
        if men is not None and women is not None:
            done.append(Figure(men + women, match.start(), match.end()))
    for match in _AND_OF_THE_HURT.finditer(prepared.text, start, end):
        one, more = parse(match["n"]), parse(match["more"])
        if one is not None and more is not None:
            done.append(Figure(one + more, match.start(), match.end()))
    done += _listed(prepared, start, end, _ALL_LISTED)
    done += [f for form in (_DEAD_IN_TURN, _DEAD_AND_FALLEN) for f in _listed(prepared, start, end, form)]
    done += [Figure(1, match.start(), match.end()) for match in _ONE_OF_THEM.finditer(prepared.text, start, end)]
    for match in _ONE_OF.finditer(prepared.text, start, end):
        done.append(Figure(2, match.start(), match.end()))
    done += _names(prepared, start, end, _NAMED_DEAD)
    done += [Figure(listed["list"].count("（"), listed.start(), listed.end()) for listed in _NAMED_LIST.finditer(prepared.text, start, end)]
    done += [Figure(2, two.start(), two.end()) for two in _TWO["dead"].finditer(prepared.text, start, end)]
    if not done and not re.search(rf"{NUMBER}[名人死]", prepared.text[start:end]):
        single = _SINGLE.search(prepared.text, start, end)
        if single is not None:
            done.append(Figure(1, single.start(), single.end()))
    return done + _one_after_another(prepared, start, end)


def _one_after_another(prepared: Prepared, start: int, end: int) -> list[Figure]:
    """2人现场死亡，1人在送医途中死亡，1人抢救无效死亡: those who died at the scene, on the way and in hospital are added up."""
    found: list[Figure] = []
    for forms in (_SCENE_DEATHS, (_DEATHS_ON_THE_WAY,), (_HOSPITAL_DEATHS,)):
        here = [f for form in forms for f in _figures(prepared, found[-1].end if found else start, end, form)]
        found += [max(here, key=lambda f: f.value)] if here else []
    if len(found) < 2 or "其中" in prepared.text[found[0].start : found[-1].end]:
        return []
    return [Figure(sum(f.value for f in found), found[0].start, found[-1].end)]


_BODIES = [
    re.compile(rf"(?:发现|找到|搜寻到|打捞出|挖出|打捞起|搜救出|清理出)共?{_N}(?:具|名|位)[^，。；、\d]{{0,8}}?(?:的)?(?:遗体|尸体)"),
    re.compile(rf"{_N}具(?:遇难者|遇难人员)?(?:的)?(?:遗体|尸体)"),
    re.compile(
        rf"{_N}(?:名|位|个|人)(?:(?!生还|获救)[^，。；\d]){{0,10}}(?:的)?(?:遗体|尸体)(?:在[^，。；\d]{{1,12}}?)?(?:已经|已|均|都|全部|陆续|先后|被|也)*(?:找到|发现|寻获|打捞|搜寻到|运出|升井|运送|返航|运回|移交)"
    ),
]
_SCENE_DEATHS = [
    re.compile(rf"{_N}(?:名|人)[^，。；\d]{{0,6}}(?:当场|现场)(?:抢救无效)?(?:死亡|身亡)"),
    re.compile(rf"(?:当场|现场)(?:死亡|身亡){_N}人"),
    re.compile(rf"(?:当场|现场)(?:造成|致){_N}人死亡"),
]


_DEATHS_ON_THE_WAY = re.compile(rf"{_N}(?:名|人)[^，。；\d]{{0,6}}(?:送医|送院|送往医院|救治|抢救)(?:的)?途中(?:抢救无效)?(?:死亡|身亡)")
_FALLING = frozenset({"missing", "trapped"})  # numbers that fall as a rescue goes on: the latest one holds
_NOW = re.compile(r"截至|截止|目前|仍有|尚有|还有|剩余|其余|最新|至今|现已|仍在搜")


def _best(prepared: Prepared, counted: list[Sentence], field: str) -> Figure | None:
    every: list[Figure] = []
    reduced: set[int] = set()
    sums: list[Figure] = []
    latest: list[Figure] = []
    total_said = titled = False
    for sentence in counted:
        here = _candidates(prepared, (sentence.start, sentence.end), field)
        every += here
        reduced |= _with_the_dead(prepared, sentence) if field == "injured" else set()
        if here and (sentence.title or (not titled and _NOW.search(prepared.text, sentence.start, sentence.end))):
            still = max((m.start() for m in _STILL.finditer(prepared.text, sentence.start, sentence.end)), default=sentence.start)
            latest, titled = [f for f in here if f.end > still] or here, titled or sentence.title
        total_said = total_said or any(_TOTALLING.search(prepared.text, sentence.start, f.end) for f in here)
        sums += _by_place(prepared, sentence, here)
        corrected = _CORRECT.search(prepared.text, sentence.start, sentence.end)
        if here and corrected and field == "dead":
            value = parse(corrected["n"])
            if value is not None:
                return Figure(value, corrected.start(), corrected.end())
    if not every:
        return None
    if field == "dead":
        every += _died_later(prepared, counted, every)
    every = _exact([f for f in every if f.value not in reduced] or every)
    best = max(every, key=lambda f: (f.value, -f.start))
    if field in _FALLING and not sums and latest:
        return max(latest, key=lambda f: f.value)
    if field == "injured" and not any(_UPDATE.search(prepared.text, f.start - 12, f.end + 12) for f in every):
        best = max((f for f in every if _summed_up(prepared, f)), key=lambda f: f.value, default=best)
    if sums and not total_said:
        best = max([best, *sums], key=lambda f: f.value)
    return best


_UPDATE = re.compile(r"升至|增至|增加|上升|更新|最新|截至|截止|再次|又有|陆续")
_THE_LOSS = re.compile(r"[^，。；\d]{0,4}[，、](?:造成|共计)?(?:直接)?(?:经济|财产)?损失")
_DEAD_BEFORE = re.compile(rf"{NUMBER}人?死[、，和]?\Z")


def _summed_up(prepared: Prepared, injured: Figure) -> bool:
    """造成3人死亡、8人受伤，直接经济损失318万元; 一死一伤: the sum of a report, whoever else was carried away and died later."""
    before = prepared.text[max(0, injured.start - 6) : injured.start]
    if "其中" in before or any(word in prepared.text[injured.start : injured.end] for word in ("重伤", "轻伤", "轻微伤")):
        return False
    return _THE_LOSS.match(prepared.text, injured.end) is not None or _DEAD_BEFORE.search(before) is not None


def _died_later(prepared: Prepared, counted: list[Sentence], every: list[Figure]) -> list[Figure]:
    """锅炉工当场死亡，2名学生受重伤。次日，2名重伤学生抢救无效死亡: who dies of the injured adds to who died at once, unless a total is told."""
    at_once = [f for f in every if _AT_ONCE.search(prepared.text, f.start, f.end)]
    first = max(at_once, key=lambda f: f.value) if at_once else None
    return [
        Figure(first.value + more.value, first.start, more.end)
        for sentence in (counted if first is not None else ())
        if first is not None and sentence.start > first.end and _TOTALLING.search(prepared.text, sentence.start, sentence.end) is None
        for more in _figures(prepared, sentence.start, sentence.end, _OF_THE_HURT)
    ]


_AT_ONCE = re.compile(r"(?:当场|现场)(?:死亡|身亡)")
_OF_THE_HURT = re.compile(
    rf"{_N}(?:名|位|个)(?:重伤|伤重|受伤|伤)(?:者|员|[^，。；\d]{{1,4}})[^，。；\d]{{0,6}}(?:抢救无效|救治无效|医治无效|不治)"
)


def _by_place(prepared: Prepared, sentence: Sentence, here: list[Figure]) -> list[Figure]:
    places: dict[str, Figure] = {}
    for figure in sorted(here, key=lambda f: f.start):
        clause = prepared.text[max(sentence.start, figure.start - 24) : figure.start]
        match = _PLACE_BEFORE.search(clause)
        if match is not None and not _SUBSET.search(clause) and all(figure.start >= f.end for f in places.values()):
            places.setdefault(match[1], figure)
    if len(places) < 2 or "其中" in prepared.text[sentence.start : sentence.end]:
        return []
    listed = list(places.values())
    return [Figure(sum(f.value for f in listed), listed[0].start, listed[-1].end)]


def _fold_light(found: dict[str, Figure]) -> None:
    """All injured = the figure stated for all, or serious + light where only the parts are stated."""
    light = found.pop("light", None)
    serious = found.get("seriously_injured")
    injured = found.get("injured")
    if light is not None:
        parts = light.value + (serious.value if serious else 0)
        if injured is None or injured.value < parts:
            found["injured"] = Figure(parts, *_around(light, serious))
    elif injured is None and serious is not None:
        found["injured"] = serious


# 1名轻伤，1名轻微伤: two grades of slight injury
_SLIGHT = re.compile(rf"(?P<list>{NUMBER}(?:名|人|位)轻伤[，、]{NUMBER}(?:名|人|位)轻微伤)")


def _around(light: Figure, serious: Figure | None) -> tuple[int, int]:
    """The stretch that holds both parts of a sum where they stand side by side."""
    if serious is None or max(light.end, serious.end) - min(light.start, serious.start) > 60:
        return light.start, light.end
    return min(light.start, serious.start), max(light.end, serious.end)


def _explicit_zeros(prepared: Prepared, counted: list[Sentence], found: dict[str, Figure]) -> None:
    for pattern, fields in (
        (_NONE_HURT, ("dead", "injured")),
        (_NONE_DEAD, ("dead",)),
        (_NONE_INJURED, ("injured",)),
        (_NONE_TRAPPED, ("trapped",)),
    ):
        for sentence in counted:
            match = pattern.search(prepared.text, sentence.start, sentence.end)
            if match is not None:
                for field in fields:
                    found.setdefault(field, Figure(0, match.start(), match.end()))
    for sentence in counted:
        match = _FREED.search(prepared.text, sentence.start, sentence.end)
        if match is not None:
            found["trapped"] = Figure(0, match.start(), match.end())
        for out in _figures(prepared, sentence.start, sentence.end, _OUT) if "trapped" in found else ():
            if out.value >= found["trapped"].value:
                found["trapped"] = Figure(0, out.start, out.end)
        match = _ALL_FOUND.search(prepared.text, sentence.start, sentence.end) if "missing" in found else None
        for body in _figures(prepared, sentence.start, sentence.end, _FOUND_DEAD) if "missing" in found else ():
            found["missing"] = Figure(max(0, found["missing"].value - body.value), body.start, body.end)
        if match is not None and not _BUT_ONE.search(prepared.text, sentence.start, sentence.end):
            found["missing"] = Figure(0, match.start(), match.end())


def _either(prepared: Prepared, counted: list[Sentence]) -> Figure | None:
    figures = [f for s in counted for p in _EITHER for f in _figures(prepared, s.start, s.end, p)]
    return max(figures, key=lambda f: f.value) if figures else None


_EITHER = [
    re.compile(
        rf"(?:死亡(?:、|和|或|及|/)?失踪|死亡（含失踪）|遇难(?:、|和|或|及)失踪|失踪(?:、|和|或|及)?死亡)(?:的)?(?:人数|人员|者)?{_REACH}{_N}(?:人|名)"
    ),
    re.compile(rf"{_N}(?:人|名)(?:死亡|遇难)(?:或|/|、|及|和)?失踪"),
]
_MONEY = {"亿": 100_000_000, "万": 10_000, "千万": 10_000_000, "百万": 1_000_000, None: 1, "万亿": 1_000_000_000_000}
_MONEY_FORMS = (
    re.compile(
        rf"(?:经济损失|财产损失|直接损失|(?<!负荷)(?<!电量)(?<!水量)损失)[^，。；\d零一二三四五六七八九十百千两]{{0,14}}(?P<n>{NUMBER})(?:余|多)?(?:(?P<unit>万亿|千万|百万|亿|万)?(?:余|多)?(?:人民币)?元(?!/)|(?P<bare>亿|万)(?:余|多)?(?:人民币|，|。|；|、|\n|$))"
    ),
    re.compile(rf"(?P<n>{NUMBER})(?:余|多)?(?P<unit>千万|百万|亿|万)?(?:余|多)?元(?:人民币)?(?:的)?(?:直接)?(?:经济|财产)损失"),
)

_OTHER_MONEY = re.compile(r"台币|港币|港元|澳门币|日元|韩元|卢布|卢比")  # 损失2000万元新台币: no yuan, and no rate is at hand


def _loss(prepared: Prepared, counted: list[Sentence]) -> Figure | None:
    done = []
    for sentence in counted:
        for pattern in _MONEY_FORMS:
            for match in pattern.finditer(prepared.text, sentence.start, sentence.end):
                value = _yuan(match["n"], match["unit"] or match.groupdict().get("bare"))
                if value is not None and not _OTHER_MONEY.search(prepared.text, match.start(), match.end() + 4):
                    done.append(Figure(value, match.start(), match.end()))
    return max(done, key=lambda f: f.value) if done else None


def _yuan(number: str, unit: str | None) -> int | None:
    if number[0].isdigit():
        plain: float | None = float(number.replace(",", ""))
    else:
        whole = parse(number)
        plain = None if whole is None else float(whole)
    return None if plain is None or plain * _MONEY[unit] > 1e15 else round(plain * _MONEY[unit])

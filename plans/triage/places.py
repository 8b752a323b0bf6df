"""Finds the place of the incident: the district's towns and villages, roads with kilometre posts, and addresses anywhere in China. Pure."""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from importlib import resources

import msgspec

from plans.triage import dateline
from plans.triage.text import Prepared, Sentence, Standing, data


class Where(msgspec.Struct, frozen=True):
    """The words of the place and their stretch of prepared text. `adcode` where the district's gazetteer knows it."""

    text: str
    start: int
    end: int
    adcode: str | None = None


_UNIT = r"(?!一)(?:(?!村民|部分|大部|方向|首次|位于|分别|大城市|城市(?=管理|建设|规划|轨道|内涝)|辖市|围攻|行至|驶至|途经|途径|[的在从被因与第使致])[一-龥]){1,7}?"
_TAIL = (
    rf"(?:(?:{_UNIT}(?:自治州|地区|盟|林区|新区|开发区|市(?![场民委级长面])|州(?![县市区])|区|县|(?<!红)旗)){{0,3}}"
    rf"(?:{_UNIT}(?:镇|乡|街道|苏木|农场|林场)){{0,2}}(?:{_UNIT}(?:村(?!民|委|支书|干部)|社区|屯|庄|组)){{0,2}})"
)
_ROAD = r"(?:(?:[GSXY]\d{1,4}[一-龥]{0,8}|\d{3}(?:国道|省道|县道)|(?:(?!公司|位于|[车辆在的从由])[一-龥]){2,8}?(?:高速公路|高速|国道|省道|大道|公路|大桥|路|街))(?:[一-龥\d号]{0,10}?段)?(?:[Kk]\d+(?:[+.]\d+)?(?:公里|米)?(?:处)?|\d+(?:\.\d+)?公里(?:\+?\d+米)?(?:处)?|[一-龥]{0,6}?方向)?)"
_POST = r"(?:[Kk]\d{1,4}(?:[+.]\d{1,3})?|\d{1,4}(?:[+.]\d{1,3})?(?:公里|千米|[Kk]m?))(?:\+?\d{1,3}米)?(?:处|段)?"
_KM = re.compile(
    rf"(?:[GSXY]\d{{1,4}}[^，。；\d]{{0,16}}|\d{{3}}(?:国道|省道|县道)[^，。；\d]{{0,16}}|(?:(?![车辆在的从由至沿])[一-龥]){{2,10}}高速(?:公路)?[^，。；\d]{{0,16}}){_POST}"
)
_ROAD_ALONE = re.compile(
    r"(?P<place>(?:[GSXY]\d{1,4}(?:国道|省道|县道|高速)?|\d{3}(?:国道|省道|县道)|[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼连沈长大二包兰杭福泉南荣乌成济广汕盐徐日阜滁淮绕][一-龥]高速(?:公路)?)(?:[一-龥]{1,8}段)?)"
)
_AT = re.compile(
    r"(?:位于|发生在|在)(?P<place>[一-龥A-Za-z0-9+.]{3,30}?)(?=发生|突发|起火|爆炸|，|。|遭|与|附近|因|内|发现|泄漏|侧翻|的|一(?:辆|艘|名|家|栋|处)|相撞|出现|$)"
)
_PLACE_LIKE = re.compile(
    r"(?:[省市县区镇乡村州旗路街道港桥站湖河江海岛山]|公司|厂|小区|学校|中学|小学|大学|医院|酒店|码头|园|广场|海域|公里|水库|商场|大厦|机场|段)(?:东|南|西|北|附近|内|侧|口|门前|段|处|方向)?$"
)
_NO_NAME = re.compile(r"(?:马路|道路|公路|车道|航道|斑马线|水域|路上|街上|路段|现场|附近|门口|楼道|阶段)(?:上|上过马路)?$")
_TOWARDS = re.compile("进入|前往|抵达|的")
# 平顶山煤业有限公司, 天津宏迪工程检测公司: a firm bears the name of a city that need not be where it happened
_FIRM = re.compile(r"(?:(?![省市县区，。；、])[一-龥]){1,14}?(?:公司|集团|煤矿)")
_CITY = re.compile(
    r"(?:^|，|。|\n|、|日|时|分|许|在|于|距|从|自|晨|午|晚|间|称|讯|）|行至|驶至|途经|途径|使|致|线|高速|家住)(?P<place>(?!(?:工业园|科技园|产业园|住宅小|居民小|老城|生活|服务|事故|社|校|厂|景|灾|辖|山|城|市|矿|库|小|园)区)(?:(?!分别|位于|两地|部分|直辖|自治区|行至|驶至|途[经径]|家住|事发|随后|[在于距从自使致])[一-龥]){2,5}(?:市|县|区|州|旗)(?:(?:(?!部分|村民|[通前开驶]往|的)[一-龥]){1,6}?(?:区|县|镇|乡|街道|村|社区)){0,3})"
)


# 桐君街道梅蓉村, 老城路人民街路口: a town, a village or a crossing without the county, behind a word that leads to a place
_LEAD = r"(?:^|，|。|\n|、|日|时|分|许|左右|在|于|自|晨|午|晚|间|称|讯|）|行至|驶至|位于|地点)"
_SMALL = r"(?:(?!附近|部分|村民|乡镇|城镇|通过|经过|地点|造成|低洼|沿海|周边|震中|[上下]游|[该本因被车人个了去各全某旁灌进每受在于的从自使致与和到向至是有])[一-龥])"
_VILLAGE = r"村(?!民|委|支书|干部|镇)"
_TOWN = re.compile(
    rf"{_LEAD}(?P<place>{_SMALL}{{2,6}}?(?:(?<![家新返老下])乡(?![镇村亲邻下])|(?<![乡城小村两三])镇(?!银行|江[段市]|海[区市]|[子上里压静])|街道)(?:{_SMALL}{{2,4}}?(?:{_VILLAGE}|社区))?"
    rf"|{_SMALL}{{2,4}}?村(?=附近|口|路口|路段|一|内|发生|，))"
)
_CROSS = re.compile(
    rf"{_LEAD}(?P<place>{_SMALL}{{1,4}}(?:路|街|大道|环)[与和、]?{_SMALL}{{1,4}}(?:路|街|大道)(?:路?口|交[叉汇会](?:路?口|处)?))"
)


# names that are no place of the incident: where a ship or a route comes from, pests, banks, units of administration
_NOT_HERE = re.compile(
    r"美国白蛾|非洲猪瘟|日本脑炎|西班牙流感|北京时间|渤海银行|新疆生产建设兵团|(?<=、)直辖市|[一-龥]{2,4}籍(?=[一-龥]{0,6}(?:船|轮|艇|务工|人员|男|女|游客))"
    r"|[一-龥]{2,3}(?:省|市)?(?:牌照|号牌|牌号)|(?:来自|老家在?|籍贯)[一-龥]{2,8}|[一-龥]{2,9}(?:省|市|县|区)人(?=[）、，])|(?<=[节今当昨近次])日本(?=是|报|来|刊)|(?:从|由)[一-龥]{2,8}?(?:开|驶|飞|前)往[一-龥]{2,6}?(?=途中|时|的|，|方向|。)|执行[一-龥]{2,6}(?:-|至|到|飞)+[一-龥]{2,6}(?=航班|任务|的)|(?:东海|北海|南海)(?=分局|舰队|救助|航海)"
)


@lru_cache(maxsize=1)
def _first_names() -> re.Pattern[str]:
    listed = data("regions.yaml")
    names = sorted([*listed["provinces"], *listed["cities"], *listed["countries"], *listed["seas"]], key=len, reverse=True)
    return re.compile("|".join(map(re.escape, names)))


@lru_cache(maxsize=1)
def _gazetteer() -> dict[str, str]:
    lines = resources.files("plans.triage").joinpath("data", "gazetteer.csv").read_text("utf-8").splitlines()
    return {row["name"]: row["adcode"] for row in csv.DictReader(line for line in lines if not line.startswith("#"))}


@lru_cache(maxsize=1)
def _local() -> re.Pattern[str]:
    names = "|".join(map(re.escape, sorted(_gazetteer(), key=len, reverse=True)))
    road = r"(?:[GSXY]\d{1,4}(?:国道|省道|高速)?|\d{3}(?:国道|省道|县道)|[一-龥]{2,5}(?:大道|高速|公路|路))"
    return re.compile(
        rf"(?:连云港市?)?(?:赣榆区?)?{road}?(?:赣榆区?)?(?P<name>{names})(?:[一-龥]{{0,4}}?段)?(?:[Kk]\d{{1,4}}(?:[+.]\d{{1,3}})?)?"
    )


def find(prepared: Prepared) -> Where | None:
    """The most exact place of the opening sentences, or None."""
    prepared = msgspec.structs.replace(prepared, text=_NOT_HERE.sub(lambda m: "，" * len(m[0]), dateline.blank(prepared.text)))
    main = [s for s in prepared.sentences[:10] if s.standing is Standing.MAIN]
    ordered = [s for s in main if not s.title] + [s for s in main if s.title]
    options = [where for s in ordered[:6] if (where := _in(prepared, s)) is not None]
    if not options:
        return None
    return max(enumerate(options), key=lambda pair: (_detail(pair[1]) - 2 * pair[0], -pair[0]))[1]


def _detail(where: Where) -> int:
    return _detail_of(where.text) + (4 if where.adcode else 0)


def _detail_of(place: str) -> int:
    return sum(2 for mark in "省市县区镇乡村路号K" if mark in place)


def _in(prepared: Prepared, sentence: Sentence) -> Where | None:
    text, start, end = prepared.text, sentence.start, sentence.end
    tail = _tail_pattern()
    match = tail.search(text, start, end)
    closer = tail.search(text, match.end(), min(match.end() + 12, end)) if match is not None and _detail_of(match[0]) <= 2 else None
    if match is not None and closer is not None and _detail_of(closer[0]) > 2:
        match = tail.search(text, closer.start(), end)
    local = _local().search(text, start, end)
    road = _KM.search(text, start, end)
    if match is not None and len(match[0]) > 2 and not (_first_names().fullmatch(match[0]) and _FIRM.match(text, match.end())):
        return Where(match[0], match.start(), match.end(), _gazetteer().get(local["name"]) if local else None)
    city = _CITY.search(text, start, end)
    if local is not None and city is not None and city.start("place") < local.start() < city.end("place"):
        local = None  # a village of that name in another county
    if local is not None or road is not None:
        pieces = [m for m in (local, road) if m is not None]
        low, high = min(m.start() for m in pieces), max(m.end() for m in pieces)
        if high - low > 40:
            low, high = pieces[0].start(), pieces[0].end()
        return Where(text[low:high], low, high, _gazetteer().get(local["name"]) if local else None)
    for pattern in (_CITY, _TOWN, _CROSS, _AT):
        found = pattern.search(text, start, end)
        if found is not None and (pattern is not _AT or (_PLACE_LIKE.search(found["place"]) and not _NO_NAME.search(found["place"]))):
            low, high = found.span("place")
            towards = _TOWARDS.match(text, low)
            low = towards.end() if towards is not None else low
            if pattern is _CITY and match is not None and low < match.start() < high:
                low = match.start()  # 大热天荆州
            return Where(text[low:high], low, high)
    if match is not None:
        return Where(match[0], match.start(), match.end())
    alone = _ROAD_ALONE.search(text, start, end)
    return None if alone is None else Where(alone["place"], alone.start(), alone.end())


@lru_cache(maxsize=1)
def _tail_pattern() -> re.Pattern[str]:
    return re.compile(
        rf"(?:{_first_names().pattern})(?:省|市|自治区|特别行政区)?(?:(?:{_first_names().pattern})(?:市(?![场民委级长面])|县|区|州(?![县市区])|盟)?)?{_TAIL}(?:{_ROAD})?"
    )

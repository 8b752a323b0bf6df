"""Finds the place of the incident: the district's towns and villages, roads with kilometre posts, and addresses anywhere in China. Pure."""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from importlib import resources

import msgspec

from plans.triage import dateline, divisions
from plans.triage.text import Prepared, Sentence, Standing, data, line_of_date


class Where(msgspec.Struct, frozen=True):
    """The words of the place and their stretch of prepared text. `adcode` where the district's gazetteer knows it.

    `wider` and `closer`: the province, the town or the site, where another sentence names it.
    """

    text: str
    start: int
    end: int
    adcode: str | None = None
    office: bool = False  # it only names an authority (东阳市委宣传部)
    wider: tuple[int, int] | None = None
    closer: tuple[int, int] | None = None

    @property
    def parts(self) -> list[tuple[int, int]]:
        """The stretches that make the address, the widest first."""
        return [part for part in (self.wider, (self.start, self.end), self.closer) if part is not None]


_UNIT = r"(?!一)(?:(?!村民|中新社|新华社|部分|大部|方向|首次|位于|分别|大城市|城市(?=管理|建设|规划|轨道|内涝)|辖市|围攻|[局厅]接|行至|驶至|途经|途径|附近|全国|组成|成立|组织|调查|副[省市县区]|[的在从被因与第使致有])[一-龥]){1,7}?"
_TAIL = (
    rf"(?:(?:{_UNIT}(?:自治州|地区|盟|林区|新区|开发区|市(?![场民委级长面镇口])|州(?![县市区])|(?<!设)区|县(?!城)|(?<!红)旗)){{0,3}}"
    rf"(?:{_UNIT}(?:镇(?!公路)|乡|街道|苏木|农场|林场)){{0,2}}(?:{_UNIT}(?:村民小组|村(?!民|委|支书|干部|路|大道|街)|社区|屯|庄(?![村镇乡])|组(?![织成建长员委]))){{0,2}})"
)
# 建新路与朝阳路交叉路口, 南村路113号501房
_CORNER = r"(?:[与和、][一-龥]{1,5}(?:路|街|大道)(?:交叉|交汇|交会)?(?:路?口|处)?|\d{1,5}号(?:院|大院|楼)?(?:\d{1,4}(?:房|室|栋|幢))?)"
_ROAD = rf"(?:(?:[GSXY]\d{{1,4}}(?!\d)[一-龥]{{0,8}}|\d{{3}}(?:国道|省道|县道)|[国省县]道\d{{1,3}}线?|(?:(?!公司|位于|[车辆在的从由因致])[一-龥]){{2,8}}?(?:高速公路|高速|国道|省道|大道|公路|大桥|路|街))(?:{_CORNER}|[一-龥□\d号]{{0,14}}?段)?(?:[Kk]\d+(?:[+.]\d+)?(?:公里|米)?(?:处)?|\d+(?:\.\d+)?公里(?:\+?\d+米)?(?:处)?|[一-龥□]{{0,6}}?方向)?)"
_POST = r"(?:(?:[Kk]?\d{1,4}[-~―至到])?[Kk]\d{1,4}(?:[+.]\d{1,3})?|(?:\d{1,4}[-~―至到])?\d{1,4}(?:[+.]\d{1,3})?(?:公里|千米|[Kk]m?)|\d{3,4}(?=路段|处)|[一二两三四五六七八九十]{1,3}公里(?=处))(?:\+?\d{1,3}米)?(?:处|路?段)?"
_KM = re.compile(
    rf"(?:(?:[GSXY]\d{{1,4}}(?!\d)[^，。；\d]{{0,16}}){{1,2}}|\d{{3}}(?:国道|省道|县道)[^，。；\d]{{0,16}}|[国省县]道\d{{1,3}}线?[^，。；\d]{{0,16}}|(?:(?![车辆在的从由至沿途经径为段])[一-龥]){{2,10}}高速(?:公路)?[^，。；\d]{{0,16}}){_POST}"
)
_ROAD_ALONE = re.compile(
    r"(?P<place>(?:(?<![一-龥])[GSXY]\d{1,4}(?!\d)(?:线?[一-龥]{2}高速(?:公路)?|国道|省道|县道|高速)?|\d{3}(?:国道|省道|县道)|[国省县]道\d{1,3}线?|[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼连沈长大二包兰杭福泉南荣乌成济广汕盐徐日阜滁淮绕][一-龥]高速(?:公路)?)(?:[一-龥□]{1,12}段)?)"
)
_AT = re.compile(
    r"(?:位于|发生在|在)(?P<place>[一-龥A-Za-z0-9+.]{3,30}?)(?=发生|突发|起火|爆炸|，|。|遭|今年|首次|共|与|附近|因|内|发现|泄漏|侧翻|的|一(?:辆|艘|名|家|栋|处)|相撞|出现|$)"
)
_PLACE_LIKE = re.compile(
    r"(?:[省市县区镇乡村州旗路街道港桥站湖河江海岛山]|公司|厂|小区|学校|中学|小学|大学|医院|酒店|码头|园|广场|海域|公里|水库|商场|大厦|机场|段)(?:东|南|西|北|附近|内|侧|口|门前|段|处|方向)?$"
)
_NO_NAME = re.compile(
    r"^(?:事发|现场|距|[上下]游)|(?:马路|道路|公路|车道|航道|斑马线|水域|路上|街上|路段|现场|附近|门口|楼道|阶段)(?:上|上过马路)?$"
)
_TOWARDS = re.compile("进入|前往|抵达|的")
# 平顶山煤业有限公司, 天津宏迪工程检测公司: a firm bears the name of a city that need not be where it happened
_FIRM = re.compile(r"(?:(?![省市县区，。；、])[一-龥]){1,14}?(?:公司|集团|煤矿)")
_CITY = re.compile(
    r"(?:^|，|。|\n|、|日|时|分|许|在|于|距|从|自|晨|午|晚|间|称|讯|）|行至|驶至|途经|途径|使|致|线|高速|家住)(?P<place>(?!公司|昨[天日晚夜]|今[天日晨早晚]|我们|你们|他们|(?:工业园|科技园|产业园|住宅小|居民小|老城|生活|服务|事故|社|校|厂|景|灾|辖|山|城|市|矿|库|小|园)区)(?:(?!分别|位于|附近|全国|两地|部分|直辖|自治区|造成|导致|引发|致使|调派|接获|接报|县市|两市|局部地区|[厂罐库火辖]区|行至|驶至|途[经径]|家住|事发|随后|[在于距从自使致])[一-龥]){2,5}(?:市(?![场民委级长面口])|县(?!城和)|(?<!设)区|州|旗)(?:(?:(?!部分|村民|[通前开驶]往|的)[一-龥]){1,6}?(?:区|县|镇|乡|街道|村|社区)){0,3})"
)


# 桐君街道梅蓉村, 老城路人民街路口: a town, a village or a crossing without the county, behind a word that leads to a place
_LEAD = r"(?:^|，|。|：|\n|、|日|时|分|许|左右|在|于|自|晨|午|晚|间|称|讯|）|行至|驶至|位于|地点|该[市县区州])"
_SMALL = r"(?:(?!附近|部分|中新社|新华社|村民|乡镇|城镇|通过|经过|地点|造成|低洼|沿海|周边|震中|[上下]游|[该本因被车人个了去各全某旁灌进每受以在于的从自使致与和到向至是有])[一-龥])"
_VILLAGE = r"村(?!民|委|支书|干部|镇)"
_TOWN = re.compile(
    rf"{_LEAD}(?P<place>{_SMALL}{{2,6}}?(?:(?<![家新返老下])乡(?![镇村亲邻下])|(?<![乡城小村两三])镇(?!银行|江[段市]|海[区市]|[子上里压静])|街道)(?:{_SMALL}{{2,4}}?(?:{_VILLAGE}|社区))?"
    rf"|{_SMALL}{{2,4}}?村(?=附近|口|路口|路段|一|内|发生|，|[一-龥]{{1,4}}组))"
)
_CROSS = re.compile(
    rf"(?:{_LEAD}|附近的)(?P<place>{_SMALL}{{1,4}}(?:路|街|大道|公路)[一-龥]{{0,10}}?(?:[一二两三四五六七八九十]{{1,3}}|\d{{1,4}})(?:公里|米)处|{_SMALL}{{1,4}}(?:路|街|大道|环)[与和、]?{_SMALL}{{1,4}}(?:路|街|大道)(?:路?口|交[叉汇会](?:路?口|处)?))"
)


# names that are no place of the incident: where a ship or a route comes from, pests, banks, units of administration
_NOT_HERE = re.compile(
    r"美国白蛾|[一-龥]{1,5}网[一-龥]{2,4}(?=\d{1,2}月\d{1,2}日(?:消息|讯))|[一-龥]{0,4}快报[一-龥]{2,4}电|(?:送|转|赴)(?:往|至|到)?[一-龥]{2,6}?(?=救治|治疗|抢救|就医)|[一-龥]{2}原甲藻|继[^，。]{2,14}之?后|非洲猪瘟|日本脑炎|西班牙流感|北京时间|渤海银行|新疆生产建设兵团|(?<=、)直辖市|[一-龥]{2,4}籍(?=[一-龥]{0,6}(?:船|轮|艇|务工|民工|农民工|工人|司机|驾驶员|学生|人员|男|女|游客))"
    r"|[一-龥]{2,3}(?:省|市)?(?:牌照|号牌|牌号)|(?:来自|老家在?|籍贯)[一-龥]{2,8}|[从由][一-龥]{2,4}老家|[一-龥]{2,9}(?:省|市|县|区)人(?=[）、，])|(?<=[节今当昨近次])日本(?=是|报|来|刊)|(?:从|由)[一-龥]{2,8}?(?:开|驶|飞|前)往[一-龥]{2,6}?(?=途中|时|的|，|方向|。)|执行[一-龥]{2,6}(?:-|至|到|飞)+[一-龥]{2,6}(?=航班|任务|的)|(?:东海|北海|南海)(?=分局|舰队|救助|航海)"
    r"|(?:从|由)[一-龥]{2,8}?(?=运载|运输|装载|拉运|出发|驶来|运送|装运|途经|途径)"
    r"|[一-龥]{2,6}(?:在线|日报|晚报|晨报|早报|商报|时报|都市报|青年报|新闻网|电视台)|(?:(?<=\n)|^)[一-龥]{2,8}(?:消息|讯)（"
    r"|今日俄罗斯|俄罗斯卫星|/[一-龥]{2,4}(?:报导|报道)|（[一-龥]{2,4}\d{1,2}日(?:综合)?电）"
    r"|(?:送|转)(?:往|到|至|入)[一-龥]{0,8}?医院|在[一-龥]{2,6}?(?=表示|宣布|强调|指出|会见|召开|举行)|[南北中拉欧]美国家|苏丹红"
    r"|来源：[^，。\n]{2,16}|[一-龥]{2,3}(?=渔船)"
    r"|(?:从|由)?[一-龥]{2,7}?(?:开|驶|飞|发|前)往[一-龥]{2,7}?(?=的|，|。)|(?:从|由)[一-龥]{2,8}?[去到赴回][一-龥]{2,8}?途中|[一-龥]{2,5}?(?:开|驶|飞)往[一-龥]{2,5}?(?=[^，。；]{0,6}(?:列车|客车|航班|客机|班车))"
    r"|我[省市县区]|[一-龥]{2,8}(?=的[^，。；]{0,10}(?:渔船|货船|渔民))|[一-龥]{2,12}?(?:医院|医疗中心|卫生院)(?=[^，。]{0,6}(?:治疗|抢救|救治|急救|住院|监护))"
    r"|[一-龥]{2,8}(?=[\"][^\"，。\n]{2,14}[\"]?(?:号|轮|船))|[一-龥]{2,9}[省市县区]人(?=。)|[一-龥]{2}局(?=集团)"
)


_TOWARDS_A_PLACE = re.compile(r"(?:(?<=[往向去])|(?<=高速)|(?<=高速公路))(?![东西南北])[一-龥]{2,5}?(?=方向)")  # 往南通方向: where the lane leads


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
    road = r"(?:[GSXY]\d{1,4}(?!\d)(?:国道|省道|高速)?|\d{3}(?:国道|省道|县道)|[一-龥]{2,5}(?:大道|高速|公路|路))"
    return re.compile(
        rf"(?:连云港市?)?(?:赣榆区?)?{road}?(?:赣榆区?)?(?P<name>{names})(?:[一-龥]{{0,4}}?段)?(?:[Kk]\d{{1,4}}(?:[+.]\d{{1,3}})?)?"
    )


def find(prepared: Prepared) -> Where | None:
    """The most exact place of the opening sentences, or None."""
    around = tuple({code for one in divisions.chains(prepared.text, 0, min(len(prepared.text), _AROUND)) for code in one.codes})
    whole = prepared.text[:_AROUND]
    blank = _TOWARDS_A_PLACE.sub(lambda m: "□" * len(m[0]), _NOT_HERE.sub(lambda m: "，" * len(m[0]), dateline.blank(prepared.text)))
    prepared = msgspec.structs.replace(prepared, text=blank)
    main = [s for s in prepared.sentences[:10] if s.standing is Standing.MAIN and not _dated_line(prepared.text, s)]
    ordered = [s for s in main if not s.title][:7] + [s for s in main if s.title]
    options = [where for s in ordered if (where := _short(prepared, s, around) or _in(prepared, s)) is not None]
    driven = next((where for s in main[:5] if (where := _driven_to(prepared, s)) is not None), None)
    best = driven or _most_exact(options)
    if best is not None:
        best = next((o for o in options if o.text == best.text and prepared.text[o.end : o.end + 1] in _LISTED), best)  # 江苏、浙江 before 江苏
        best = next((o for o in options if _goes_on(prepared.text, o, best)), best)
    best = best or _alone(prepared, main)
    if best is None:
        return None
    return _completed(prepared, _grown(prepared.text, _deeper(prepared.text, best, main)), main, whole, around)


def _goes_on(text: str, where: Where, best: Where) -> bool:
    """Whether `where` names the place of `best`, too, and goes on to the site of the event, as `best` does not (昆明市明通小学 beside 昆明)."""
    if where.text.removesuffix("市") != best.text.removesuffix("市") or where.office:
        return False
    site = _FIRM_SITE.match(text, where.end)
    return site is not None and _SOON.match(text, site.end()) is not None and _FIRM_SITE.match(text, best.end) is None


def _alone(prepared: Prepared, sentences: list[Sentence]) -> Where | None:
    """The road, the site or the town of the event, where the text names no division at all (兰新线乌鞘岭隧道)."""
    found = _closer(prepared, Where("", 0, 0), sentences)
    return None if found is None else Where(prepared.text[slice(*found)], *found)


_AROUND = 600  # characters of a text whose divisions tell which county a name without 县 is
_HEAD = re.compile(_LEAD)


def _short(prepared: Prepared, sentence: Sentence, around: tuple[str, ...]) -> Where | None:
    """The place that opens with a county without its 县 or a city without its 市, behind a word that leads to a place."""
    text = prepared.text
    for lead in _HEAD.finditer(text, sentence.start, sentence.end):
        if _first_names().match(text, lead.end()) is not None:
            return None
        found = divisions.short(text, lead.end(), sentence.end, around)
        if found is not None and _OFFICE.match(text, found.end) is None:
            end = _rest_pattern().match(text, found.end, sentence.end).end()  # type: ignore[union-attr]  # it matches nothing, too
            return Where(text[found.start : end], found.start, end)
    return None


_LEADS_TO = re.compile(r"(?:^|[，。：\n日时分许在于自晨午晚间到]|左右|位于|地点|高速|公路|国道|省道)\Z")
_ELSEWHERE = re.compile(r"、|\d{1,2}月|\d{1,2}日|消息|方向|电(?=[，（])")  # a list of those who came, where it was written, the way it went


def _deeper(text: str, where: Where, sentences: list[Sentence]) -> Where:
    """The district that another sentence names within the city of `where`, where that names no more than the city."""
    within = divisions.chain(text, where.start, where.end)
    onward = divisions.chain(text, where.start, min(where.end + _GROWS, len(text)))
    if within is None or within.end < where.end or (onward is not None and onward.end > where.end):
        return where
    named = [one for s in sentences for one in divisions.chains(text, s.start, s.end)]
    named.sort(key=lambda one: _SOON.match(text, one.end) is None)  # the one where it happened before the one that takes measures
    for one in named:
        led = _LEADS_TO.search(text, max(0, one.start - 4), one.start) is not None
        if led and one.lies_in(within) and _OFFICE.match(text, one.end) is None and _ELSEWHERE.match(text, one.end) is None:
            end = _rest_pattern().match(text, one.end, min(one.end + _GROWS, len(text))).end()  # type: ignore[union-attr]  # it matches nothing, too
            return Where(text[one.start : end], one.start, end)
    return where


def _grown(text: str, where: Where) -> Where:
    """The place with the names that stand right before and behind it: the road, the county without 县, further provinces, the site."""
    stop = min(where.end + _GROWS, len(text))
    abroad = _abroad().match(text, where.start, stop)
    if abroad is not None:
        return Where(abroad[0], abroad.start(), abroad.end())
    start, end = _led(text, where.start), where.end
    named = divisions.chain(text, start, stop)
    if named is not None and named.end > end:
        end = _rest_pattern().match(text, named.end, stop).end()  # type: ignore[union-attr]  # it matches nothing, too
    if named is not None and named.end == end:
        while text[end : end + 1] in _LISTED and (other := divisions.chain(text, end + 1, min(end + _GROWS, len(text)))) is not None:
            end = other.end
    reach = _REACH_OF.match(text, end) if text[start:end] in data("regions.yaml")["seas"] else None
    end = end if reach is None else reach.end()
    if text.startswith("段", end) and (_LINE.match(text, start, end) is not None or text.startswith(tuple(data("regions.yaml")["seas"]), start)):
        end += 1
    quarter = _QUARTER.match(text, end)
    end = end if quarter is None else quarter.end()
    site = None if where.text in data("regions.yaml")["countries"] else _SITE.match(text, end) or _FIRM_SITE.match(text, end)
    end = end if site is None else site.end()
    end += text.startswith('"', end) and text.count('"', start, end) % 2 == 1
    return msgspec.structs.replace(where, text=text[start:end], start=start, end=end)


_LINE = re.compile(r"[一-龥]{2,4}高速(?:公路)?|[GSXY]\d|\d{3}[国省县]道|[国省县]道\d")  # what a section is of
_REACH_OF = re.compile(r"[一-龥]{2,6}?段(?:[一-龥]{1,6}?桥)?(?:[上下]游约?\d{1,4}米处?)?")  # 长江南京段


@lru_cache(maxsize=1)
def _abroad() -> re.Pattern[str]:
    """A city or a province of another country, behind its name: 巴基斯坦首都伊斯兰堡, 智利北部城市伊基克西北方向99公里."""
    countries = "|".join(sorted(map(re.escape, data("regions.yaml")["countries"]), key=len, reverse=True))
    return re.compile(
        rf"(?:{countries})(?:(?:首都|(?:[东西南北中]{{1,2}}部)?(?:沿海|港口)?(?:城市|省份|城镇|小镇)|[东西南北中]{{1,2}}部)(?!地区|沿海|发生|一)[一-龥]{{2,6}}?|[一-龥]{{2,6}}?[州省市岛郡](?![长政民]))"
        r"(?=一[家名所座辆艘处个]|发生|遭|附近|，|。|\n|当地|的|[东西南北]{1,2}方向|\d|昨|今|（)(?:附近|[东西南北]{1,2}方向(?:约)?\d+(?:\.\d+)?公里(?:处)?)?"
    )


_GROWS = 44  # characters behind a place within which its further names end
_LISTED = ("、", "和", "及", "与")
_ROAD_BEFORE = re.compile(
    r"(?:[GSXY]\d{1,4}(?!\d)(?:国道|省道|县道|线|高速)?|\d{3}(?:国道|省道|县道)线?|[国省县]道\d{1,3}线?|(?:(?![在从由至，的途经径])[一-龥]){2,3}高速(?:公路)?)$"
)
_BEFORE = 16  # characters before a place in which the names of what it lies in or on begin


def _led(text: str, start: int) -> int:
    """Where the divisions or the road begin that stand right before `start`."""
    low = max(0, start - _BEFORE)
    wider = next((one.start for one in divisions.chains(text, low, start) if one.end == start), start)
    road = _ROAD_BEFORE.search(text, low, wider)
    start = wider if road is None else road.start()
    return next((start - len(sea) for sea in data("regions.yaml")["seas"] if text.endswith(sea, low, start)), start)


def _completed(prepared: Prepared, where: Where, sentences: list[Sentence], whole: str, around: tuple[str, ...]) -> Where:
    """The place with what other sentences add: the province (also that of the dateline, in `whole`) and the town or the site that it does not name itself."""
    text = prepared.text
    within = divisions.at(text, where.start, where.end) or (divisions.at(text, where.start, where.end, around) if around else None)
    known = (within is not None and len(within.codes[0]) == _PROVINCE) or where.text.startswith(tuple(data("regions.yaml")["seas"]))
    wider = None if known else _wider(text, where, within, sentences)
    if wider is None and within is not None and not known:
        wider = _wider(whole, where, within, [Sentence(0, len(whole), False, 1.0, Standing.MAIN)])
    closer = None if _HAS_SITE.search(where.text) else _closer(prepared, where, sentences)
    opens = None if closer is None else divisions.chain(text, *closer)
    named = divisions.chain(text, where.start, where.end)
    if closer is not None and opens is not None and named is not None and not set(opens.codes).isdisjoint(named.codes):
        if within is not None and wider is None and within.end < named.end:
            wider = within.start, within.end  # 茂名 before 高州市金山街道辖区内金麦冷库
        return Where(text[slice(*closer)], *closer, adcode=where.adcode, wider=wider)
    if closer is not None and opens is not None and within is not None:
        if text[opens.start : opens.start + 2] == text[within.start : within.start + 2] and len(where.text) <= closer[1] - closer[0]:
            return msgspec.structs.replace(where, text=text[slice(*closer)], start=closer[0], end=closer[1], wider=wider)
        closer = closer if opens.lies_in(divisions.chain(text, where.start, where.end) or within) else None
    return msgspec.structs.replace(where, wider=wider, closer=closer)


_PROVINCE = 2  # digits of a province's code


def _wider(text: str, where: Where, within: divisions.Chain | None, sentences: list[Sentence]) -> tuple[int, int] | None:
    """The longest name elsewhere of a division that holds the place; where its own is not known, the first division named."""
    named = [one for s in sentences for one in divisions.chains(text, s.start, s.end) if not (where.start <= one.start < where.end)]
    if within is None:
        named.sort(key=lambda one: _OFFICE.match(text, one.end) is not None)  # the county whose office speaks, where none is named besides
    if within is not None:
        named += [head for one in named if (head := divisions.at(text, one.start, one.end)) is not None]
        named = [one for one in named if within.lies_in(one) and not where.text.startswith(text[one.start : one.end])]
    elif divisions.chains(text, where.start, where.end):
        return None
    best = max(named, key=lambda one: (len(one.codes[0]), -one.start), default=None) if within is not None else next(iter(named), None)
    return None if best is None else (best.start, best.end)


def _closer(prepared: Prepared, where: Where, sentences: list[Sentence]) -> tuple[int, int] | None:
    """The site or the road that a clause on the event names and the place does not."""
    ordered = sorted(sentences, key=lambda s: s.title)[:5]
    for pattern, sentence in ((pattern, sentence) for pattern in (_POSTED, _EVENT_SITE, _TOWN) for sentence in ordered):
        for found in pattern.finditer(prepared.text, sentence.start, sentence.end):
            low, high = found.span("place")
            apart = not (where.start < high and low < where.end) and found["place"] not in where.text
            if apart and (pattern is _POSTED or not _NO_NAME.search(found["place"])):
                return low, high
    return None


def _most_exact(options: list[Where]) -> Where | None:
    """The place with most detail, less for each sentence that it stands behind another; None of none."""
    if not options:
        return None
    best = max(enumerate(options), key=lambda pair: (_detail(pair[1]) - 2 * pair[0], -pair[0]))[1]
    return next((o for o in options if best.text[-3:] in o.text[:-3] and not o.office), best)  # the town in the county named first


# what follows the name of a place whose authority speaks: 铜仁市有关部门, 山东省海上搜救中心
_OFFICE = re.compile(
    r"(?:(?!发生|位于|境内|附近|突发|一[家座辆名艘]|[的在，。；：\n（）])[一-龥]){0,10}?(?:局|厅|委(?!员|会)|委员会|部门|支队|大队|总队|指挥部|中心(?!小学|幼儿|中学|商|广场|大道|路)|警方|政府(?!门)|宣传部|台网|台(?=通报|消息|发布)|公安|消防(?!站)|海事|官方|网信办|应急办|指挥办|副?[省市州县区乡镇]?长(?=[一-龥]{2,3}[说称])|副[省市州县区乡镇]长|发布(?=消息|通报|，|：|微)"
    r"|(?:客运|运输|货运|物流|航空|旅游|旅行|水运|航运|船务|汽运|危货|出租|公交)[^，。；：\n]{0,8}?公司|[^，。；：\n的在]{2,12}公司(?=在(?!建))|(?:矿业|煤业|能源)?集团(?:公司)?[^，。；：\n]{0,6}?(?:证实|通报|表示|介绍|宣布))"
)
# the mine, the harbour or the school at the place: 巫山县笃坪乡梅家湾煤矿, 荣成市石岛港外海域
_SITE = re.compile(
    r"(?!一|\d{1,3}名)(?:(?!发生|突发|起火|爆炸|附近|境内|某|一[家座辆名艘处条]|公司|集团|矿业|[的在，。；：\n（）和与及])[一-龥A-Za-z0-9\x22]){0,10}?"
    r"(?:煤矿|铁矿|金矿|铜矿|磷矿|水库|(?:中部|北部|南部|西部|东部|附近|外|近岸)?海域|水域|码头|港区|小区|隧道|大桥|服务区|收费站|广场|公园|火车站|汽车站|地铁站|机场|路口|中学|小学|大学|学院|幼儿园|医院|酒店|宾馆|商场|市场(?!监)|工业园区?|产业园|景区|林场|[一-龥]湾(?=大片|海|附近|部分|，|。))"
    r"(?:\d{1,2}号井)?(?!集团|公司|路|街|派出所|通报|附属|教授)"
)


# what bears a firm's name and is a place, unless it owns what came to harm elsewhere (海丰公司的货车) or speaks
_KIND_OF_SITE = (
    r"(?:有限(?:责任)?公司|公司|集团(?![一-龥]{0,8}公司|的)|冷库|粮库|油库|货场|堆场|商圈|法院|变电站|水厂|物流园|车站|客运站|立交桥?|公寓|花园|体育[馆场]|影院|剧院|网吧|洗浴中心|会所|养老院|敬老院|福利院|看守所|监狱|车间|[工电船]厂|[一-龥]厂(?!家|商|长)|[煤铁金铜磷锰]矿|[一-龥]矿(?!业|工|山|井|难|区|用)|[一二三四五六七八九十]井|水库|电站|码头|小区|大厦|商都|广场(?!舞)|酒店|宾馆|饭店|医院|中学|小学|实验学校|学校|大学|学院|幼儿园|商场|超市|市场(?!监)"
    r"|工业园区?|产业园区?|隧道|大桥|服务区|收费站|机场|火车站|养殖场|加油站|工地|海域|水域|海面|景区)"
)
_OWNER = r"(?!的?[^，。；：\n]{0,10}?(?:车(?!间|位|库|辆段)|船(?!厂|坞|台)|轮|司机|驾驶员|员工|职工|工人|民警|飞机|航班|客机|机长|直升机|负责人|董事|经理|党委)|(?:在(?!建)|于|派|组织|将)|[^，。；：\n]{0,3}?(?:宣布|通报|消息|表示|介绍|获悉|证实|说))"
_FIRM_SITE = re.compile(
    rf"(?:辖区内?的?|境内的?|内的?|的)?(?!一|某|\d{{1,3}}名|供水|供电)(?:(?!发生|突发|起火|爆炸|附近|境内|一[家座辆名艘处条]|[的在，。；：\n、])[一-龥A-Za-z0-9（）\x22]){{1,18}}?{_KIND_OF_SITE}"
    rf"(?:(?!发生|突发|起火|爆炸|附近|一[家座辆名艘处条])[^，。；：\n的在、（）]{{1,8}}?{_KIND_OF_SITE})?(?:\d{{1,2}}号井|[一二三四]井)?(?:(?=[院厂库]?[区内里])|{_OWNER})"
)
_HAPPENS = r"(?:(?<!未)发生|突发|突然|起火|着火|失火|自燃|燃烧|爆炸|爆燃|闪爆|坍塌|垮塌|倒塌|透水|泄漏|泄露|外泄|冒顶|中毒|滑坡|坠|相撞|碰撞|追尾|抛锚|侧翻|翻|沉没|遇险)"
_SOON = re.compile(rf"[^，。；\n]{{0,16}}?{_HAPPENS}")
_EVENT_SITE = re.compile(
    rf"(?:^|[，。：；\n日时分许在于的―]|左右|位于|前后|附近的?)(?P<place>(?!一[家座辆名艘处条]|某|该|这|事故|我|其|铁路|公路|高速公路|送)(?:(?!发生|突发|起火|爆炸|造成|导致|部分|多[名家所]|一[家座辆名艘处条]|公安|消防|[的在从由由往，。；：\n、到将把被])[一-龥A-Za-z0-9（）]){{2,20}}?{_KIND_OF_SITE}(?:\d{{1,2}}号井|[一二三四]井)?(?:(?<=隧道)|(?<=大桥)|(?<=服务区)|(?<=收费站)|{_OWNER}))"
    rf"(?:(?=[^，。；\n]{{0,16}}?{_HAPPENS})|(?=[^，。；\n]{{0,3}}[栋幢号楼]|某))"
)
_POSTED = re.compile(
    r"(?P<place>(?:[GSXY]\d{1,4}|\d{3}(?:国道|省道|县道)|[国省县]道\d{1,3}线?(?:（[^）]{2,8}）)?|[一-龥]{2}(?:高速(?:公路)?|[线]|铁路|高铁)(?=[一-龥□]{0,12}[K\d]))[^，。；\n]{0,20}?"
    r"(?:[Kk]?(?:\d{1,4}[-~―至到])?\d{1,4}(?:\+\d{1,3})?(?:公里|千米|米|处)(?:\+?\d{1,3}米)?(?:处)?)"
    r"|(?:\d{3}[国省县]道|[国省县]道\d{1,3}线?|(?:(?![在从由于的至发道镇村途经径])[一-龥]){2,4}高速(?:公路)?)(?:[^，。；\n一]){0,16}?(?:服务区|收费站|出口路段|出口|入口|隧道|大桥|路段|段)"
    r"|(?:(?![在从由于的至到行开])[一-龥]){2,4}(?:站)?[至到-](?:(?![在从由于的至到行开])[一-龥]){2,4}(?:站)?(?:区间|之间|间(?!隔)))"
)
_QUARTER = re.compile(r"(?:市)?(?:[一-龥]{2,5}(?=附近(?:坠|发生|起火|突发|相撞|失事))|[一-龥]{1,5}(?:岛|礁|角|港|湾)[东西南北偏]{1,4}(?:方向|方)?约?\d{1,3}(?:\.\d+)?海里处?|[东西南北]{1,2}郊(?:区)?|郊区|主?城区|[一-龥]{2,6}(?:江|河)?段(?=[，。水翻附发沉]))")
_HAS_SITE = re.compile(rf"{_KIND_OF_SITE}|[Kk]\d|\d公里|\d号|高速|国道|省道|路口|[村屯组]$|小区|社区|海里")


_A_DATE = re.compile(r"(?:19|20)\d{2}[-/.年]\d{1,2}")


def _dated_line(text: str, sentence: Sentence) -> bool:
    """Whether a sentence is the line that says when and where the text was published (2024-11-12 15:03 山东)."""
    date = _A_DATE.search(text, sentence.start, sentence.end)
    return date is not None and line_of_date(text, date.start(), date.end())


_DRIVEN = re.compile(r"(?:行驶至|行至|驶至|途[经径]|开到|行驶到|震中位于|震中在)")
_ON_ROAD = re.compile(r"高速|[国省县]道|[GSXY]\d")
_REACH = 44  # characters behind 行驶至 within which its place ends


def _driven_to(prepared: Prepared, sentence: Sentence) -> Where | None:
    """Where a vehicle had come to when it happened (行驶至京沪高速公路沂淮江段), as far as that is a road with its number or post, or a town."""
    for verb in _DRIVEN.finditer(prepared.text, sentence.start, sentence.end):
        end = min(verb.end() + _REACH, sentence.end)
        stop = prepared.text.find("，", verb.end(), end)
        piece = msgspec.structs.replace(sentence, start=verb.end(), end=stop if stop >= 0 else end)
        where = _in(prepared, piece)
        if where is not None and _led(prepared.text, where.start) <= verb.end() + 2 and (_ON_ROAD.search(where.text) or _detail(where) >= _EXACT):
            return where
    return None


_EXACT = 4  # marks of detail (_detail_of) from which a place on the way stands for the incident's own
_VAGUE = 2  # what the mere name of a province or a country is worth less than a place within it


def _detail(where: Where) -> int:
    vague = _VAGUE if where.text.removesuffix("省").removesuffix("市") in _broad_names() else 0
    return _detail_of(where.text) + (4 if where.adcode else 0) - (12 if where.office else 0) - vague


@lru_cache(maxsize=1)
def _broad_names() -> frozenset[str]:
    listed = data("regions.yaml")
    return frozenset([*listed["provinces"], *listed["countries"]]) - {"北京", "天津", "上海", "重庆", "香港", "澳门"}


_OF_A_SEA = 6  # marks of detail of what happens at sea or on a great river; where its crew or its owner is from stands beside it


_POSTED_ROAD = re.compile(r"(?:高速|[国省县]道|[GSXY]\d)[^，。]{0,12}\d公里")


def _detail_of(place: str) -> int:
    """Two for each level that the place names or that follows from the county or prefecture it opens with."""
    if place.startswith(tuple(data("regions.yaml")["seas"])):
        return _OF_A_SEA
    if _abroad().fullmatch(place) is not None:
        return _EXACT
    named = divisions.chain(place, 0, len(place))
    rest = place if named is None else place[named.end :]
    marks = "省市县区镇乡村路号K" if named is None else "镇乡村路号K"
    post = 6 if _POSTED_ROAD.search(place) is not None else 0
    return post + sum(2 for mark in marks if mark in rest) + (0 if named is None else len(named.codes[0]))


def _in(prepared: Prepared, sentence: Sentence) -> Where | None:
    text, start, end = prepared.text, sentence.start, sentence.end
    abroad = next((m for m in _abroad().finditer(text, start, end) if _OFFICE.match(text, m.end()) is None), None)
    if abroad is not None:
        return Where(abroad[0], abroad.start(), abroad.end())
    match, office = _address(text, start, end)
    local = _local().search(text, start, end)
    road = _KM.search(text, start, end)
    if (
        match is not None
        and (len(match[0]) > 2 or _SITE.match(text, match.end()))
        and not (_first_names().fullmatch(match[0]) and _FIRM.match(text, match.end()))
    ):
        closer = _without_province(text, match.end(), end, None) if office else None
        if closer is not None and not closer.office:
            return closer  # 上海市应急管理局通报，长宁区昭化路
        if office and road is not None and road.start() >= match.end():
            return Where(road[0], road.start(), road.end())  # 从合肥市交警部门获悉，合宁高速35公里处
        return Where(match[0], match.start(), match.end(), _gazetteer().get(local["name"]) if local else None, office)
    city = _CITY.search(text, start, end)
    if local is not None and city is not None and city.start("place") < local.start() < city.end("place"):
        local = None  # a village of that name in another county
    if local is not None or road is not None:
        pieces = [m for m in (local, road) if m is not None]
        low, high = min(m.start() for m in pieces), max(m.end() for m in pieces)
        if high - low > 40:
            low, high = pieces[0].start(), pieces[0].end()
        return Where(text[low:high], low, high, _gazetteer().get(local["name"]) if local else None)
    found = _without_province(text, start, end, None if match is None else match.start())
    if found is not None and not found.office:
        return found
    if match is not None:
        return Where(match[0], match.start(), match.end(), office=office)
    alone = _ROAD_ALONE.search(text, start, end)
    return found if alone is None else Where(alone["place"], alone.start(), alone.end())


def _address(text: str, start: int, end: int) -> tuple[re.Match[str] | None, bool]:
    """The first address of a stretch that opens with a known name, and whether it names nothing but an authority."""
    tail = _tail_pattern()
    match = tail.search(text, start, end)
    if match is None:
        return None, False
    office = _OFFICE.match(text, match.end()) is not None
    for other in tail.finditer(text, match.end(), end) if office else ():
        if (len(other[0]) > 2 or _SITE.match(text, other.end())) and _OFFICE.match(text, other.end()) is None:
            match, office = other, False
            break
    closer = tail.search(text, match.end(), min(match.end() + 12, end)) if _detail_of(match[0]) <= 2 else None
    if closer is not None and _detail_of(closer[0]) > 2:
        match = tail.search(text, closer.start(), end)
    return match, office


def _without_province(text: str, start: int, end: int, known: int | None) -> Where | None:
    """A county, a town, a crossing or what 在 leads to; one that only names an authority where there is no other. `known`: where a known name begins."""
    office: Where | None = None
    for one in divisions.chains(text, start, end):
        small = _TOWN.search(text, start, end)
        if small is not None and small.start("place") < one.start < small.end("place"):
            continue  # a village that bears a city's name
        if _OFFICE.match(text, one.end) is None and (known is None or one.start < known):
            stop = _rest_pattern().match(text, one.end, end).end()  # type: ignore[union-attr]  # it matches nothing, too
            return Where(text[one.start : stop], one.start, stop)
    for pattern in (_CITY, _TOWN, _CROSS, _AT):
        found = pattern.search(text, start, end)
        if found is None or (pattern is _AT and (not _PLACE_LIKE.search(found["place"]) or _NO_NAME.search(found["place"]))):
            continue
        low, high = found.span("place")
        towards = _TOWARDS.match(text, low)
        low = towards.end() if towards is not None else low
        if _OFFICE.match(text, high) is not None:
            again = next((m for m in pattern.finditer(text, high, end) if _OFFICE.match(text, m.end("place")) is None), None)
            if again is None:
                office = office or Where(text[low:high], low, high, office=True)
                continue
            low, high = again.span("place")
        if pattern is _CITY and known is not None and low < known < high:
            low = known  # 大热天荆州
        return Where(text[low:high], low, high)
    return office


@lru_cache(maxsize=1)
def _rest_pattern() -> re.Pattern[str]:
    return re.compile(rf"{_TAIL}(?:{_ROAD})?")


@lru_cache(maxsize=1)
def _tail_pattern() -> re.Pattern[str]:
    return re.compile(
        rf"(?:{_first_names().pattern})(?!路|街|大道|镇|里村)(?:省|市|自治区|特别行政区)?(?:(?:{_first_names().pattern})(?!路|街|大道)(?:市(?![场民委级长面])|县|区|州(?![县市区])|盟)?)?{_TAIL}(?:{_ROAD})?"
    )

"""What is known of an incident, as the conditions of plans ask for it: every fact may be unknown (None).

Pure values; no I/O, no clock. `FIELDS` is the one list of facts that a condition may name, with the question that asks for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Protocol, TypeVar

import msgspec

_L = TypeVar("_L")


class Grade(StrEnum):
    """The statutory grade of an incident; society-security incidents carry none."""

    EXTRAORDINARY = "特别重大"
    MAJOR = "重大"
    LARGER = "较大"
    ORDINARY = "一般"


GRADE_RANK: Mapping[str, int] = {Grade.ORDINARY: 1, Grade.LARGER: 2, Grade.MAJOR: 3, Grade.EXTRAORDINARY: 4}


class Setting(StrEnum):
    """Where it happens, as plans divide the world."""

    ROAD = "road"
    RAIL = "rail"
    WATERWAY = "waterway"
    SEA = "sea"
    FACILITY = "facility"
    PIPELINE = "pipeline"
    RESIDENCE = "residence"
    CAMPUS = "campus"
    VENUE = "venue"
    OPEN_LAND = "open_land"


class Colour(StrEnum):
    """Colour of a weather warning, mildest first."""

    BLUE = "blue"
    YELLOW = "yellow"
    ORANGE = "orange"
    RED = "red"


COLOUR_RANK: Mapping[str, int] = {Colour.BLUE: 1, Colour.YELLOW: 2, Colour.ORANGE: 3, Colour.RED: 4}


class WarningKind(StrEnum):
    """What a warning is of: the fourteen signals of 气象灾害预警信号发布与传播办法 (中国气象局令第16号, 2007), and those that the departments of
    natural resources, water, forestry and the sea issue, alone or with the weather service."""

    TYPHOON = "typhoon"
    RAINSTORM = "rainstorm"
    SNOW = "snow"
    COLD = "cold"
    GALE = "gale"
    SANDSTORM = "sandstorm"
    HEAT = "heat"
    DROUGHT = "drought"
    LIGHTNING = "lightning"
    HAIL = "hail"
    FROST = "frost"
    FOG = "fog"
    HAZE = "haze"
    ICE = "ice"
    FLOOD = "flood"
    GEOLOGICAL = "geological"
    FOREST_FIRE = "forest_fire"
    STORM_SURGE = "storm_surge"
    WAVE = "wave"


class WeatherWarning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A warning in force at the place: its kind and colour."""

    kind: WarningKind
    colour: Colour


class Load(msgspec.Struct, frozen=True, rename={"class_": "class"}, forbid_unknown_fields=True):
    """One dangerous substance of the incident. `class_` is the class or division ("2.3"); `guide` the ERG guide number.

    `un_unlisted` is a number that was reported and that no table knows: it was misread somewhere, so `un` is unknown.
    """

    un: str | None = None
    un_unlisted: str | None = None
    name: str | None = None
    class_: str | None = None
    guide: str | None = None
    container: str | None = None
    quantity_kg: float | None = None
    leak: bool | None = None
    fire: bool | None = None
    explosion: bool | None = None
    toxic_by_inhalation: bool | None = None


class SubstanceFacts(msgspec.Struct, frozen=True):
    """What the hazmat tables say of one UN number."""

    class_: str | None
    guide: str | None
    toxic: bool


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where. WGS-84 degrees, metres, `adcode` as far as known (6, 9 or 12 digits), `road_km` the kilometre post."""

    text: str | None = None
    adcode: str | None = None
    lon: float | None = None
    lat: float | None = None
    road: str | None = None
    road_km: float | None = None
    setting: Setting | None = None
    distance_to_water_m: float | None = None
    distance_to_school_m: float | None = None
    distance_to_homes_m: float | None = None


class Casualties(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """People affected; None where not said."""

    dead: int | None = None
    missing: int | None = None
    seriously_injured: int | None = None
    injured: int | None = None
    trapped: int | None = None
    evacuated: int | None = None
    poisoned: int | None = None


class Weather(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weather at the place. `warnings` is None where nobody looked and empty where none is in force."""

    wind_from_deg: float | None = None
    wind_speed_mps: float | None = None
    warnings: tuple[WeatherWarning, ...] | None = None


class Enterprise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The enterprise at the place, if any. `major_hazard`: it holds a registered major hazard installation."""

    id: str | None = None
    kind: str | None = None
    has_own_plan: bool | None = None
    major_hazard: bool | None = None


class IncidentFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything matching may look at. `hour` (0–23) and `month` (1–12) are local to the place."""

    event_types: tuple[str, ...] = ()
    family: str | None = None
    grade: Grade | None = None
    place: Place = Place()
    hazmat_present: bool | None = None
    hazmat: tuple[Load, ...] = ()
    casualties: Casualties = Casualties()
    loss_yuan: float | None = None
    hour: int | None = None
    month: int | None = None
    weather: Weather = Weather()
    enterprise: Enterprise = Enterprise()


class FieldKind(StrEnum):
    """What a fact is, which decides the conditions that may name it."""

    TEXT = "text"
    CODE = "code"  # hierarchical: a longer value stands under its prefix (adcode 320707108 under 320707)
    HAZARD_CLASS = "hazard_class"  # "2.3" stands under "2"
    NUMBER = "number"
    FLAG = "flag"
    WARNINGS = "warnings"  # a list of `WeatherWarning`, asked by a condition of its own


class FieldSpec(msgspec.Struct, frozen=True):
    """One fact a condition may name: its kind, its names, and the question that asks a person for it."""

    path: str
    kind: FieldKind
    zh: str
    en: str
    ask_zh: str
    ask_en: str
    values: tuple[str, ...] = ()  # closed set, where there is one


def _spec(path: str, kind: FieldKind, zh: str, en: str, ask_zh: str, ask_en: str, values: Sequence[str] = ()) -> FieldSpec:
    return FieldSpec(path, kind, zh, en, ask_zh, ask_en, tuple(values))


_T, _C, _H, _N, _F = FieldKind.TEXT, FieldKind.CODE, FieldKind.HAZARD_CLASS, FieldKind.NUMBER, FieldKind.FLAG

# In the order in which a person is asked when two facts would change the ranking alike.
FIELDS: Mapping[str, FieldSpec] = {
    spec.path: spec
    for spec in (
        _spec("event_types", _C, "事件类型", "event type", "发生了什么类型的事件？", "What kind of event is it?"),
        _spec(
            "hazmat_present",
            _F,
            "涉及危险货物",
            "dangerous goods involved",
            "现场是否有危险货物（橙色标牌、菱形标志、罐车）？",
            "Are dangerous goods involved (orange plate, diamond, tanker)?",
        ),
        _spec(
            "place.setting",
            _T,
            "场所",
            "setting",
            "事发在道路、厂区、水上还是其他场所？",
            "Is it on a road, in a plant, on water or elsewhere?",
            [s.value for s in Setting],
        ),
        _spec(
            "hazmat.un",
            _T,
            "联合国编号",
            "UN number",
            "橙色标牌下排的四位编号（UN）是多少？或品名是什么？",
            "What is the four-digit number on the orange plate, or the product's name?",
        ),
        _spec("hazmat.leak", _F, "泄漏", "leak", "是否泄漏？", "Is it leaking?"),
        _spec("hazmat.fire", _F, "着火", "fire", "危险货物是否着火？", "Is the load on fire?"),
        _spec("hazmat.explosion", _F, "爆炸", "explosion", "是否发生爆炸？", "Was there an explosion?"),
        _spec(
            "hazmat.class",
            _H,
            "危险性类别",
            "hazard class",
            "菱形标志底部的类别数字是几？",
            "Which class number stands on the diamond placard?",
        ),
        _spec(
            "hazmat.toxic_by_inhalation",
            _F,
            "吸入毒性",
            "toxic by inhalation",
            "该物质是否有吸入毒性？",
            "Is the substance toxic by inhalation?",
        ),
        _spec(
            "hazmat.container",
            _T,
            "容器",
            "container",
            "是罐车、钢瓶、桶装还是储罐？",
            "Is it a tanker, cylinders, drums or a storage tank?",
        ),
        _spec("hazmat.quantity_kg", _N, "数量（千克）", "quantity (kg)", "载有或储存多少（吨）？", "How much is carried or stored?"),
        _spec("hazmat.guide", _T, "ERG 指南号", "ERG guide", "该物质对应哪一号指南？", "Which guide covers the substance?"),
        _spec("hazmat.name", _T, "品名", "substance name", "品名是什么？", "What is the product's name?"),
        _spec(
            "grade",
            _T,
            "事件等级",
            "grade",
            "按伤亡和损失，初判为哪一级？",
            "Which grade do casualties and loss suggest?",
            [g.value for g in Grade],
        ),
        _spec("casualties.dead", _N, "死亡人数", "dead", "有无人员死亡？几人？", "Has anyone died? How many?"),
        _spec("casualties.missing", _N, "失踪人数", "missing", "有无人员失联？几人？", "Is anyone missing? How many?"),
        _spec("casualties.trapped", _N, "被困人数", "trapped", "有无人员被困？几人？", "Is anyone trapped? How many?"),
        _spec("casualties.seriously_injured", _N, "重伤人数", "seriously injured", "重伤几人？", "How many are seriously injured?"),
        _spec("casualties.injured", _N, "受伤人数", "injured", "受伤几人？", "How many are injured?"),
        _spec("casualties.poisoned", _N, "中毒人数", "poisoned", "中毒几人？", "How many are poisoned?"),
        _spec("casualties.evacuated", _N, "疏散人数", "evacuated", "已疏散或需疏散多少人？", "How many were or must be evacuated?"),
        _spec(
            "place.distance_to_water_m",
            _N,
            "距水体距离（米）",
            "distance to water (m)",
            "离最近的河、渠、海多远？",
            "How far is the nearest river, canal or sea?",
        ),
        _spec(
            "place.distance_to_school_m",
            _N,
            "距学校距离（米）",
            "distance to a school (m)",
            "离最近的学校多远？",
            "How far is the nearest school?",
        ),
        _spec(
            "place.distance_to_homes_m",
            _N,
            "距居民点距离（米）",
            "distance to homes (m)",
            "离最近的居民点多远？",
            "How far are the nearest homes?",
        ),
        _spec("place.adcode", _C, "所在镇（区划代码）", "town (adcode)", "在哪个镇、哪个村？", "In which town and village?"),
        _spec("place.road", _T, "道路", "road", "在哪条道路上？", "On which road?"),
        _spec("place.road_km", _N, "桩号（公里）", "kilometre post", "公里桩号是多少？", "Which kilometre post?"),
        _spec("place.position", _N, "坐标", "position", "能否发送定位？", "Can the position be sent?"),
        _spec(
            "weather.warnings",
            FieldKind.WARNINGS,
            "气象预警",
            "weather warnings",
            "当前有哪些气象预警？",
            "Which weather warnings are in force?",
        ),
        _spec("weather.wind_speed_mps", _N, "风速（米/秒）", "wind speed (m/s)", "现场风速多大？", "What is the wind speed?"),
        _spec("enterprise.id", _T, "涉事企业", "enterprise", "涉事企业是哪一家？", "Which enterprise is it?"),
        _spec("enterprise.kind", _T, "企业类别", "kind of enterprise", "涉事企业属于哪一类？", "What kind of enterprise is it?"),
        _spec(
            "enterprise.has_own_plan",
            _F,
            "企业自有预案",
            "enterprise's own plan",
            "企业是否已启动自己的预案？",
            "Has the enterprise a plan of its own?",
        ),
        _spec(
            "enterprise.major_hazard",
            _F,
            "重大危险源",
            "major hazard",
            "是否为重大危险源企业？",
            "Is it a registered major hazard installation?",
        ),
        _spec("loss_yuan", _N, "直接经济损失（元）", "direct loss (yuan)", "初步估计损失多少？", "What is the first estimate of the loss?"),
        _spec("hour", _N, "时刻（时）", "hour of day", "几点发生的？", "At what hour did it happen?"),
        _spec("month", _N, "月份", "month", "几月发生的？", "In which month did it happen?"),
        _spec("family", _T, "事件大类", "event family", "属于哪一大类事件？", "Which family of events is it?"),
    )
}

BY_REPORT = frozenset({"event_types", "place.position", "hour", "month"})
"""What an incident itself says: it is put right by a report, which lists, shares and clocks follow too, and not by an answer."""

# Chinese and English names of values, for explanations; a value not named here is shown as it is.
VALUE_WORDS: Mapping[str, tuple[str, str]] = {
    "road": ("道路", "road"),
    "rail": ("铁路", "railway"),
    "waterway": ("内河水域", "inland waterway"),
    "sea": ("海上", "sea"),
    "facility": ("厂区", "plant"),
    "pipeline": ("管线", "pipeline"),
    "residence": ("居民住宅", "housing"),
    "campus": ("校园", "campus"),
    "venue": ("人员密集场所", "crowded venue"),
    "open_land": ("野外", "open land"),
    "road_tanker": ("罐车", "road tanker"),
    "tube_trailer": ("长管拖车", "tube trailer"),
    "rail_tank_car": ("铁路罐车", "rail tank car"),
    "tank_container": ("罐式集装箱", "tank container"),
    "freight_container": ("集装箱", "freight container"),
    "van": ("厢式车", "van"),
    "box_truck": ("厢式货车", "box truck"),
    "nurse_tank": ("农用氨罐", "nurse tank"),
    "ton_cylinder": ("吨瓶", "ton cylinder"),
    "ton_cylinders": ("多个吨瓶", "several ton cylinders"),
    "cylinder": ("钢瓶", "cylinder"),
    "cylinders": ("多个钢瓶", "several cylinders"),
    "drum": ("桶", "drum"),
    "drums": ("多个桶", "several drums"),
    "ibc": ("吨桶", "intermediate bulk container"),
    "bag": ("袋", "bag"),
    "package": ("包件", "package"),
    "fixed_tank": ("固定储罐", "fixed tank"),
    "storage_tank": ("储罐", "storage tank"),
    "reactor": ("反应釜", "reactor"),
    "warehouse": ("仓库", "warehouse"),
    "ship": ("船舶", "ship"),
    "ship_tank": ("油轮", "tanker ship"),
    "一般": ("一般", "general"),
    "较大": ("较大", "serious"),
    "重大": ("重大", "major"),
    "特别重大": ("特别重大", "extraordinary"),
    "blue": ("蓝色", "blue"),
    "yellow": ("黄色", "yellow"),
    "orange": ("橙色", "orange"),
    "red": ("红色", "red"),
    "typhoon": ("台风", "typhoon"),
    "rainstorm": ("暴雨", "rainstorm"),
    "flood": ("洪水", "flood"),
    "gale": ("大风", "gale"),
    "fog": ("大雾", "fog"),
    "snow": ("暴雪", "snowstorm"),
    "ice": ("道路结冰", "icy roads"),
    "heat": ("高温", "heat"),
    "cold": ("寒潮", "cold wave"),
    "wave": ("海浪", "high waves"),
    "storm_surge": ("风暴潮", "storm surge"),
    "forest_fire": ("森林火险", "forest fire"),
    "sandstorm": ("沙尘暴", "sandstorm"),
    "drought": ("干旱", "drought"),
    "lightning": ("雷电", "lightning"),
    "hail": ("冰雹", "hail"),
    "frost": ("霜冻", "frost"),
    "haze": ("霾", "haze"),
    "geological": ("地质灾害", "landslides"),
}

FIELD_ORDER: Mapping[str, int] = {path: i for i, path in enumerate(FIELDS)}


def _load_values(attribute: str) -> Callable[[IncidentFacts], tuple[object, ...]]:
    def values(facts: IncidentFacts) -> tuple[object, ...]:
        return tuple(v for load in facts.hazmat if (v := getattr(load, attribute)) is not None)

    return values


def _one_value(path: str) -> Callable[[IncidentFacts], tuple[object, ...]]:
    names = path.split(".")

    def values(facts: IncidentFacts) -> tuple[object, ...]:
        value: object = facts
        for name in names:
            value = getattr(value, name)
        return () if value is None else (value,)

    return values


def _reader(path: str) -> Callable[[IncidentFacts], tuple[object, ...]]:
    if path == "event_types":
        return lambda facts: facts.event_types
    if path == "place.position":
        return lambda facts: () if facts.place.lon is None or facts.place.lat is None else ((facts.place.lon, facts.place.lat),)
    if path == "weather.warnings":
        return lambda facts: () if facts.weather.warnings is None else (facts.weather.warnings,)
    if path.startswith("hazmat."):
        return _load_values("class_" if path == "hazmat.class" else path.removeprefix("hazmat."))
    return _one_value(path)


# A function for each fact giving its known values (none: unknown; several only for `hazmat.*`).
READERS: Mapping[str, Callable[[IncidentFacts], tuple[object, ...]]] = {path: _reader(path) for path in FIELDS}


def code_prefix(code: str) -> str:
    """The prefix under which an event type's leaves stand: 12D00 → 12D, 12000 → 12, 12D02 → 12D02."""
    if len(code) == 5 and code.endswith("00"):
        code = code[:3]
    return code[:2] if len(code) == 3 and code.endswith("0") else code


_ROAD_CODES = ("12H",)
_RAIL_CODES = ("12K", "12L")
_HAZMAT_CODES = ("12D",)
_SETTING_OF_FAMILY: Mapping[str, Setting] = {
    "road_traffic": Setting.ROAD,
    "hazmat_transport": Setting.ROAD,
    "hazmat_facility": Setting.FACILITY,
    "mining": Setting.FACILITY,
    "rail": Setting.RAIL,
}

_HAZMAT_FAMILIES = ("hazmat_transport", "hazmat_facility")
IMPLYING_TYPES = (*_ROAD_CODES, *_RAIL_CODES, *_HAZMAT_CODES)
"""Event types under which something stands that implies more (`derive`)."""
IMPLYING_FAMILIES = tuple(dict.fromkeys((*_SETTING_OF_FAMILY, *_HAZMAT_FAMILIES)))
"""Families that imply more."""


def derive(facts: IncidentFacts) -> IncidentFacts:
    """Fill in what the stated facts imply, and nothing else.

    A named substance, class or UN number, misread or not, means dangerous goods are present, and so does an event type 12D;
    a named road, a road-traffic type or family means the setting is a road; a railway type the railway; an enterprise on neither means a facility.
    Stated facts are never overridden.
    """
    present = facts.hazmat_present
    if present is None and (
        any(load.un or load.un_unlisted or load.name or load.class_ for load in facts.hazmat)
        or any(code.startswith(_HAZMAT_CODES) for code in facts.event_types)
        or facts.family in _HAZMAT_FAMILIES
    ):
        present = True
    setting = facts.place.setting
    if setting is None:
        if facts.family is not None and facts.family in _SETTING_OF_FAMILY:
            setting = _SETTING_OF_FAMILY[facts.family]
        elif facts.place.road or any(code.startswith(_ROAD_CODES) for code in facts.event_types):
            setting = Setting.ROAD
        elif any(code.startswith(_RAIL_CODES) for code in facts.event_types):
            setting = Setting.RAIL
        elif facts.enterprise.id:
            setting = Setting.FACILITY
    if present == facts.hazmat_present and setting == facts.place.setting:
        return facts
    return msgspec.structs.replace(facts, hazmat_present=present, place=msgspec.structs.replace(facts.place, setting=setting))


class Tables(Protocol):
    """What the hazmat tables say of goods; the rules here read no file."""

    def substance(self, un: str) -> SubstanceFacts | None:
        """What is known of a number; None for one in no table."""

    def named(self, name: str) -> Sequence[str]:
        """The numbers that a name stands for."""

    def container(self, text: str) -> str | None:
        """The code by which plans name a container that a report names in words; None for a word that nobody knows."""


def described(facts: IncidentFacts, tables: Tables) -> IncidentFacts:
    """The facts with what the tables say of each load where nobody said it.

    A number that no table knows was misread somewhere: what was reported is kept as `un_unlisted`, and the number counts as unknown. A name
    that stands for one number alone gives the number where none was read. The container is the one that plans know by the reported word;
    one that nobody knows is unknown, not another one.
    """
    return msgspec.structs.replace(facts, hazmat=tuple(_described(load, tables) for load in facts.hazmat)) if facts.hazmat else facts


def answered(loads: Iterable[_L], lacks: Callable[[_L], bool], told: Callable[[_L], _L]) -> tuple[_L, ...]:
    """The loads after an answer about "the load": it is one about those that lacked it; where none did, about every load."""
    whole = [(load, lacks(load)) for load in loads]
    anybody = any(lacking for _, lacking in whole)
    return tuple(told(load) if lacking or not anybody else load for load, lacking in whole)


def _attribute(field: str) -> str:
    """The name under which a part keeps a fact."""
    name = field.rpartition(".")[2]
    return "class_" if name == "class" else name


_PARTS: Mapping[str, type[msgspec.Struct]] = {
    "place": Place,
    "casualties": Casualties,
    "weather": Weather,
    "enterprise": Enterprise,
    "hazmat": Load,
}


def _type_of(field: str) -> object:
    part = _PARTS[field.partition(".")[0]] if "." in field else IncidentFacts
    return next(f.type for f in msgspec.structs.fields(part) if f.name == _attribute(field))


TYPES: Mapping[str, object] = {path: _type_of(path) for path in FIELDS if path != "place.position"}
"""The type of each fact's value."""


def told(facts: IncidentFacts, field: str, value: object) -> IncidentFacts:
    """The facts with one of them replaced; an answer about the load is one about those of which it was not known, else about every load.

    A position is (lon, lat). Raises msgspec.ValidationError for a value of the wrong type.
    """
    if field == "place.position":
        lon, lat = msgspec.convert(value, tuple[float, float])
        return msgspec.structs.replace(facts, place=msgspec.structs.replace(facts.place, lon=lon, lat=lat))
    given, name = msgspec.convert(value, TYPES[field]), _attribute(field)
    head, dot, _ = field.partition(".")
    if not dot:
        return msgspec.structs.replace(facts, **{name: given})
    if head == "hazmat":
        more = {name: given, "un_unlisted": None} if name == "un" else {name: given}
        loads = answered(
            facts.hazmat or (Load(),), lambda load: _lacks(load, name, given), lambda load: msgspec.structs.replace(load, **more)
        )
        return msgspec.structs.replace(facts, hazmat=loads)
    return msgspec.structs.replace(facts, **{head: msgspec.structs.replace(getattr(facts, head), **{name: given})})


def _lacks(load: Load, name: str, given: object) -> bool:
    """Whether a load has no such fact, or only the class of the division that is given."""
    known = getattr(load, name)
    return known is None or (name == "class_" and str(given).startswith(f"{known}."))


def misread_apart(load: Load, tables: Tables) -> Load:
    """The load with a number that no table knows kept as `un_unlisted`, its own unknown."""
    if load.un is None or tables.substance(load.un) is not None:
        return load
    return msgspec.structs.replace(load, un=None, un_unlisted=load.un)


def _described(load: Load, tables: Tables) -> Load:
    load = misread_apart(load, tables)
    if load.un is None and load.un_unlisted is None and load.name is not None and len(meant := tables.named(load.name)) == 1:
        load = msgspec.structs.replace(load, un=meant[0])
    if load.container is not None:
        load = msgspec.structs.replace(load, container=tables.container(load.container))
    known = tables.substance(load.un) if load.un is not None else None
    if known is None:
        return load
    return msgspec.structs.replace(
        load,
        class_=load.class_ or known.class_,
        guide=load.guide or known.guide,
        toxic_by_inhalation=known.toxic if load.toxic_by_inhalation is None else load.toxic_by_inhalation,
    )


def facts_of_report(message: Mapping[str, object], *, zone: tzinfo) -> IncidentFacts:
    """Facts from a decoded report message (the JSON of docs/wire.md) alone; lookups (town, water, class) are the caller's to add.

    `zone` is the district's civil time. Fields the message lacks stay unknown. Raises ValueError for a time without an offset
    and msgspec.ValidationError for a value of the wrong type.
    """
    place = _mapping(message.get("place"))
    loads = message.get("hazmat") or ()
    hour = month = None
    occurred = message.get("occurred_at")
    if isinstance(occurred, str):
        at = datetime.fromisoformat(occurred)
        if at.tzinfo is None:
            raise ValueError(f"a time without an offset: {occurred!r}")
        local = at.astimezone(zone)
        hour, month = local.hour, local.month
    raw = {
        "event_types": message.get("event_types") or (),
        "family": message.get("family"),
        "grade": message.get("grade"),
        "place": {k: place[k] for k in Place.__struct_fields__ if k in place},
        "hazmat": [_kept(load, Load) for load in loads] if isinstance(loads, Sequence) else (),
        "casualties": _kept(message.get("casualties"), Casualties),
        "loss_yuan": message.get("loss_yuan"),
        "hour": hour,
        "month": month,
    }
    return msgspec.convert(raw, IncidentFacts)


_AT_THE_SCENE = ("released", "cargo", "involved")


def facts_of_draft(draft: Mapping[str, object], *, zone: tzinfo) -> IncidentFacts:
    """Facts from a draft of the text triage as plain values (its JSON object); what the text did not say stays unknown.

    Substances that are only a product of the event (smoke, exhaust) are no load. Leak, fire and explosion are said of the incident as a
    whole and so of each load. Raises as `facts_of_report` does.
    """
    substances = draft.get("substances")
    said = {name: draft.get(name) for name in ("container", "leak", "fire", "explosion")}
    loads = [
        {"un": s.get("un"), "name": s.get("name"), **said}
        for s in (substances if isinstance(substances, Sequence) else ())
        if isinstance(s, Mapping) and s.get("role", "involved") in _AT_THE_SCENE
    ]
    place = draft.get("place")
    message = {**draft, "hazmat": loads, "place": {"text": place} if isinstance(place, str) else place, "occurred_at": None}
    facts = facts_of_report(message, zone=zone)
    said_at = draft.get("occurred_at")
    if not isinstance(said_at, str):
        return facts
    at = datetime.fromisoformat(said_at)  # a text may say the day alone, and means local time where it gives no offset
    local = at.astimezone(zone) if at.tzinfo else at
    return msgspec.structs.replace(facts, month=local.month, hour=local.hour if "T" in said_at else None)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _kept(value: object, kind: type[msgspec.Struct]) -> dict[str, object]:
    names = set(kind.__struct_encode_fields__)
    return {k: v for k, v in _mapping(value).items() if k in names}

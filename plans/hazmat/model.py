"""The words of hazmat support: containers, sourced values, substances, zones and the card. Values only, no I/O."""

from __future__ import annotations

import math
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from hub.errors import Rejected


class Container(StrEnum):
    """What holds the load."""

    ROAD_TANKER = "road_tanker"
    RAIL_TANK_CAR = "rail_tank_car"
    TANK_CONTAINER = "tank_container"
    NURSE_TANK = "nurse_tank"
    TON_CYLINDER = "ton_cylinder"
    TON_CYLINDERS = "ton_cylinders"
    CYLINDER = "cylinder"
    CYLINDERS = "cylinders"
    DRUM = "drum"
    DRUMS = "drums"
    IBC = "ibc"
    BAG = "bag"
    PACKAGE = "package"
    FIXED_TANK = "fixed_tank"
    SHIP = "ship"
    PIPELINE = "pipeline"
    UNKNOWN = "unknown"


class SpillSize(StrEnum):
    """Small or large in the sense of the ERG."""

    SMALL = "small"
    LARGE = "large"


class Daylight(StrEnum):
    """Day is sunrise to sunset at the place."""

    DAY = "day"
    NIGHT = "night"


class WindClass(StrEnum):
    """The three wind columns of ERG Table 3."""

    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"


class Spilled(StrEnum):
    """When a line of Table 1 holds: always, only on land, only in water."""

    ANYWHERE = ""
    LAND = "land"
    WATER = "water"


class Physical(StrEnum):
    """State of the material, for guides that print two distances."""

    LIQUID = "liquid"
    SOLID = "solid"
    GAS = "gas"


class MatchKind(StrEnum):
    """What a search result was found by."""

    UN = "un"
    PLATE = "plate"
    HIN = "hin"
    CAS = "cas"
    NAME_ZH = "name_zh"
    ALIAS_ZH = "alias_zh"
    NAME_EN = "name_en"
    FORMULA = "formula"
    PLACARD = "placard"
    LIKE = "like"


class ZoneKind(StrEnum):
    """Why a zone is drawn."""

    ISOLATION = "isolation"
    PROTECTIVE = "protective"
    FIRE = "fire"


class Shape(StrEnum):
    """How the protective zone is drawn: our wedge, or the square of the book."""

    WEDGE = "wedge"
    SQUARE = "square"
    CIRCLE = "circle"


class Direction(StrEnum):
    """Whether a distance holds to all sides or only downwind."""

    AROUND = "around"
    DOWNWIND = "downwind"


class ReceptorKind(StrEnum):
    """What may be hurt, or must be closed."""

    VILLAGE = "village"
    TOWN = "town"
    SCHOOL = "school"
    HOSPITAL = "hospital"
    CARE_HOME = "care_home"
    ENTERPRISE = "enterprise"
    WATER_INTAKE = "water_intake"
    ROAD_JUNCTION = "road_junction"
    MARKET = "market"


class Precision(StrEnum):
    """How far a position can be trusted."""

    SURVEYED = "surveyed"
    APPROXIMATE = "approximate"
    DEMO = "demo"
    UNKNOWN = "unknown"


class Words(Struct, frozen=True):
    """One sentence in both languages."""

    zh: str
    en: str


class Sourced(Struct, frozen=True, kw_only=True):
    """A number with its unit and where it stands. One without its table, edition and row cannot be made (ValueError).

    `plus`: the source prints "+", the true value may be larger. `conversion` says how the printed value became this one.
    """

    value: float
    unit: str
    table: str
    edition: str
    row: str
    conversion: str
    plus: bool = False

    def __post_init__(self) -> None:
        if not (self.unit and self.table and self.edition and self.row and self.conversion):
            raise ValueError("a value without its unit, table, edition, row or conversion")
        if not (math.isfinite(self.value) and self.value >= 0):
            raise ValueError(f"not a distance: {self.value}")

    @property
    def source(self) -> str:
        """One line naming the place, e.g. `ERG 2024, Table 1, UN1005 small spill`."""
        return f"{self.edition}, {self.table}, {self.row}"


class Fact(Struct, frozen=True, kw_only=True):
    """A textual fact (guide number, class, hazard number) and where it stands."""

    value: str
    table: str
    edition: str
    row: str

    def __post_init__(self) -> None:
        if not (self.table and self.edition and self.row):
            raise ValueError("a fact without its table, edition or row")


class Classification(Struct, frozen=True, kw_only=True):
    """Class, code, packing group, labels, hazard number and tunnel code of one entry; `edition` names the book."""

    class_: str
    code: str
    packing_group: str
    labels: tuple[str, ...]
    hin: str
    tunnel: str
    table: str
    edition: str
    row: str


class Substance(Struct, frozen=True, kw_only=True):
    """What is known of one identification number. `inhalation`: Table 1 applies. `gas_in_water`: what it gives with water."""

    un: str
    name_zh: str | None
    aliases_zh: tuple[str, ...]
    names_en: tuple[str, ...]
    formula: str | None
    cas: str | None
    matters: Words | None
    where_found: str
    guides: tuple[Fact, ...]
    inhalation: bool
    polymerises: bool
    gas_in_water: Fact | None
    classes: tuple[Classification, ...]

    @property
    def name_en(self) -> str:
        """The leading English name, or the number where the books have none."""
        return self.names_en[0] if self.names_en else f"UN{self.un}"

    @property
    def guide(self) -> str:
        """The first guide number."""
        return self.guides[0].value

    @property
    def class_(self) -> str | None:
        """The class of the first entry, None where ADR 2017 has none."""
        return self.classes[0].class_ if self.classes else None


class Match(Struct, frozen=True, kw_only=True):
    """A search result: higher `score` first; `why` and `matched` say what it was found by."""

    substance: Substance
    score: int
    why: MatchKind
    matched: str


class HinMeaning(Struct, frozen=True, kw_only=True):
    """What a hazard identification number says. `listed` is False where the code is not in the list and was read digit by digit."""

    hin: str
    meaning: Words
    no_water: bool
    listed: bool
    edition: str


class Placard(Struct, frozen=True, kw_only=True):
    """A diamond placard: class, colours, symbol, and the guide to start with."""

    class_: str
    colours: tuple[str, ...]
    background: Words
    symbol: Words
    name: Words
    guide: Fact


class GuideLine(Struct, frozen=True, kw_only=True):
    """One action or hazard; `situation` is empty or narrows it (small_fire, tank_fire, large_spill ...)."""

    situation: str
    zh: str
    en: str


class GuideSection(Struct, frozen=True, kw_only=True):
    """One part of a guide: health_hazard, fire_hazard, safety, protective_clothing, distances, fire, spill, first_aid."""

    section: str
    title: Words
    lines: tuple[GuideLine, ...]


class GuideDistance(Struct, frozen=True, kw_only=True):
    """A distance printed in a guide, metres. `trigger`: immediate, large_spill or fire."""

    trigger: str
    applies_to: str
    direction: Direction
    isolate: Sourced | None
    evacuate: Sourced | None


class Guide(Struct, frozen=True, kw_only=True):
    """A guide in our words. `state`: complete, empty or restored (see `note`)."""

    guide: str
    title: Words
    state: str
    note: Words | None
    edition: str
    distances: tuple[GuideDistance, ...]
    sections: tuple[GuideSection, ...]


class Table1Line(Struct, frozen=True, kw_only=True):
    """One line of Table 1; large distances are None where Table 3 has them."""

    un: str
    material: str
    guide: str
    spilled: Spilled
    hazard_zone: str
    small_isolate: Sourced
    small_day: Sourced
    small_night: Sourced
    large_isolate: Sourced | None
    large_day: Sourced | None
    large_night: Sourced | None
    table3: bool
    repaired: str

    @property
    def only_when_spilled_in_water(self) -> bool:
        """True where the line holds for spills in water alone."""
        return self.spilled is Spilled.WATER


class Table3Line(Struct, frozen=True, kw_only=True):
    """One line of Table 3: protective distance by daylight and wind."""

    un: str
    container: str
    isolate: Sourced
    day_low: Sourced
    day_moderate: Sourced
    day_high: Sourced
    night_low: Sourced
    night_moderate: Sourced
    night_high: Sourced

    def protective(self, daylight: Daylight, wind: WindClass) -> Sourced:
        """The protective distance of one column."""
        cell = getattr(self, f"{daylight}_{wind}")
        assert isinstance(cell, Sourced)
        return cell


_Lon = Annotated[float, Meta(ge=-180, le=180)]
_Lat = Annotated[float, Meta(ge=-90, le=90)]


class Point(Struct, frozen=True):
    """A place, WGS-84 degrees. Raises Rejected(bad_place) where it is none."""

    lon: _Lon
    lat: _Lat

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lon) and math.isfinite(self.lat) and abs(self.lon) <= 180 and abs(self.lat) <= 90):
            raise Rejected("bad_place", "经纬度超出范围。", "Longitude or latitude out of range.", field="place")


class Wind(Struct, frozen=True, kw_only=True):
    """Wind as told or measured. `from_deg` is where it comes from (None: not known or turning), speeds in m/s."""

    from_deg: float | None
    uncertainty_deg: float
    speed_min_ms: float | None
    speed_max_ms: float | None
    observed_at: datetime | None
    origin: str
    text: str
    gust_ms: float | None = None
    variable: bool = False
    force_name: str | None = None  # 微风: the speeds are those of the force that the standard calls so


class HazmatFacts(Struct, frozen=True, kw_only=True):
    """What a report says of one load; None is unknown and is never read as no. `material`: which of several that Table 1 has under one number."""

    un: str | None = None
    hin: str | None = None
    placard_class: str | None = None
    leak: bool | None = None
    fire: bool | None = None
    container: Container = Container.UNKNOWN
    quantity_kg: float | None = None
    volume_l: float | None = None
    spill: SpillSize | None = None
    in_water: bool | None = None
    physical: Physical | None = None
    hazard_zone: str | None = None
    material: str | None = None
    point: Point | None = None
    wind: Wind | None = None


class Distances(Struct, frozen=True, kw_only=True):
    """The distances that hold for the facts, and why these.

    `only_when_spilled_in_water`: the Table 1 line holds only then; where it is not known whether water is involved
    the distance is still given and `conditional` is True.
    """

    spill: SpillSize
    spill_why: Words
    daylight: Daylight
    wind_class: WindClass | None
    isolation: Sourced
    protective: Sourced | None
    direction: Direction
    fire_isolation: Sourced | None
    fire_evacuation: Sourced | None
    only_when_spilled_in_water: bool
    conditional: bool
    notes: tuple[Words, ...]


class Edge(Struct, frozen=True, kw_only=True):
    """A named point on the rim of a zone: bearing from the release (degrees) and distance (metres)."""

    name: Words
    bearing_deg: float
    distance_m: float
    lon: float
    lat: float


class Polygon(Struct, frozen=True, kw_only=True, tag_field="type", tag="Polygon"):
    """A GeoJSON polygon, one ring, WGS-84 lon/lat, closed."""

    coordinates: tuple[tuple[tuple[float, float], ...], ...]


class Zone(Struct, frozen=True, kw_only=True):
    """An area to draw around the release; `area_m2` on the ground. `conditional`: only when spilled in water."""

    kind: ZoneKind
    shape: Shape
    radius: Sourced
    polygon: Polygon
    area_m2: float
    edges: tuple[Edge, ...]
    centre: Point
    downwind_deg: float | None
    half_angle_deg: float | None
    conditional: bool
    notes: tuple[Words, ...]


class Receptor(Struct, frozen=True, kw_only=True):
    """Somebody or something at a place. `point` is None where no position is known; `demo` marks invented data."""

    id: str
    kind: ReceptorKind
    name_zh: str
    name_en: str
    town_code: str
    point: Point | None
    population: int | None
    demo: bool
    precision: Precision
    source: str


class Affected(Struct, frozen=True, kw_only=True):
    """A receptor inside one or more zones, with distance (m) and bearing (degrees) from the release."""

    receptor: Receptor
    distance_m: float
    bearing_deg: float
    zones: tuple[ZoneKind, ...]


class EvacuationItem(Struct, frozen=True, kw_only=True):
    """A line of the evacuation list, to be ticked off."""

    order: int
    receptor_id: str
    name_zh: str
    name_en: str
    population: int | None
    action: Words
    distance_m: float
    bearing_deg: float
    demo: bool
    done: bool = False


class TownToAsk(Struct, frozen=True, kw_only=True):
    """A town near a zone with villages of unknown position: somebody has to call it."""

    code: str
    name_zh: str
    distance_m: float
    villages_without_position: int
    why: Words


class Staging(Struct, frozen=True, kw_only=True):
    """Where to wait and how to drive in: upwind `approach_deg`, None where the wind is not known."""

    approach_deg: float | None
    approach: Words
    point: Point | None
    distance: Sourced
    reason: Words


class ZoneDiff(Struct, frozen=True, kw_only=True):
    """What a redraw changed: receptors that came in, went out, stayed."""

    entered: tuple[Receptor, ...]
    left: tuple[Receptor, ...]
    stayed: tuple[Receptor, ...]


class HazmatCard(Struct, frozen=True, kw_only=True):
    """Everything a responder needs on one page, and what the method cannot do. `facts` are those of the load it is the card of."""

    made_at: datetime
    facts: HazmatFacts
    title: Words
    substance: Substance | None
    hin: HinMeaning | None
    placard: Placard | None
    guide: Guide
    distances: Distances
    zones: tuple[Zone, ...]
    affected: tuple[Affected, ...]
    junctions_to_close: tuple[Affected, ...]
    evacuation: tuple[EvacuationItem, ...]
    towns_to_ask: tuple[TownToAsk, ...]
    staging: Staging | None
    wind: Wind | None
    warnings: tuple[Words, ...]
    limits: tuple[Words, ...]

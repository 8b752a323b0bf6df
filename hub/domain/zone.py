"""Zones of an incident as values: what was drawn by which wind, who lies inside, what came in and went out. Pure.

Distances and shapes are those of `plans.hazmat`; here stands only when zones are drawn and drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from math import asin, cos, radians, sin, sqrt
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from hub.domain.change import ChangeBody, change
from hub.domain.incident import IncidentView
from hub.wire import Hazmat
from hub.wire import Wind as MeasuredWind
from plans.facts import answered
from plans.hazmat.model import Affected, Distances, EvacuationItem, HazmatFacts, Polygon, Staging, TownToAsk, Wind, Words, Zone

FRESH: Final = timedelta(minutes=60)
"""A measured wind that is older is no wind of now (our own choice; `plans.hazmat` widens the wedge much earlier)."""
_RELEASE: Final = ("12D",)
_LOAD_FACTS: Final = frozenset(Hazmat.__struct_fields__)


class Typed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody on the scene typed in: the wind in words or degrees, and whether the load runs into water; `by` said the last of it."""

    wind: str | None = None
    at: datetime | None = None
    in_water: bool | None = None
    by: str = ""


class Named(Struct, frozen=True, kw_only=True):
    """A receptor that came in or went out, by id and name."""

    id: str
    zh: str
    en: str


class ZonesView(Struct, frozen=True, kw_only=True):
    """The zones of an incident, whole: shapes, the wind they rest on and whence it was known, who is inside, where to wait.

    `wind_source` is `agent:ID`, `typed` or None; `entered` and `left` are against the drawing before. `load` is what was known of the gravest
    load (None in drawings of an earlier edition), so that its card starts from the same facts.
    """

    incident_id: str
    drawn_at: str
    why: Words
    title: Words
    un: str | None
    distances: Distances
    zones: tuple[Zone, ...]
    wind: Wind | None
    wind_source: str | None
    follows_wind: bool
    affected: tuple[Affected, ...]
    junctions_to_close: tuple[Affected, ...]
    evacuation: tuple[EvacuationItem, ...]
    towns_to_ask: tuple[TownToAsk, ...]
    staging: Staging | None
    warnings: tuple[Words, ...]
    limits: tuple[Words, ...]
    entered: tuple[Named, ...]
    left: tuple[Named, ...]
    version: int
    drill: bool = False
    load: HazmatFacts | None = None


class PointShape(Struct, frozen=True, kw_only=True, tag_field="type", tag="Point"):
    """A GeoJSON point, WGS-84."""

    coordinates: tuple[float, float]


class FeatureFacts(Struct, frozen=True, kw_only=True):
    """What a map says of a shape: whose it is, `kind` (isolation, protective, fire, staging), the wind it rests on, since when."""

    incident_id: str
    kind: str
    shape: str
    radius_m: float | None
    downwind_deg: float | None
    title: Words
    wind: str | None
    drawn_at: str
    version: int
    drill: bool


class Feature(Struct, frozen=True, kw_only=True, tag_field="type", tag="Feature"):
    """One shape as a GeoJSON feature."""

    id: str
    geometry: Polygon | PointShape
    properties: FeatureFacts


class Tick(Struct, frozen=True, kw_only=True):
    """A line of the evacuation list, ticked off or not, by whom and when."""

    receptor_id: str
    done: bool
    note: str
    by: str
    at: str


@change("zone.drawn", zh="绘制警戒区", en="zones were drawn")
class ZonesDrawn(ChangeBody, frozen=True, kw_only=True):
    """The zones as they now are."""

    zones: ZonesView


@change("zone.ticked", zh="疏散核销", en="a line of the evacuation list was ticked")
class EvacuationTicked(ChangeBody, frozen=True, kw_only=True):
    """The line as it now is."""

    tick: Tick


def features(view: ZonesView) -> tuple[Feature, ...]:
    """A drawing as GeoJSON features: the widest zone first, so that the narrower ones lie above it; then the staging point."""
    wind = view.wind.text if view.wind else None
    shapes = sorted(view.zones, key=lambda zone: -zone.area_m2)
    found = [Feature(id=f"{view.incident_id}/{zone.kind}", geometry=zone.polygon, properties=FeatureFacts(
        incident_id=view.incident_id, kind=zone.kind.value, shape=zone.shape.value, radius_m=zone.radius.value, downwind_deg=zone.downwind_deg,
        title=view.title, wind=wind, drawn_at=view.drawn_at, version=view.version, drill=view.drill)) for zone in shapes]
    if view.staging is not None and view.staging.point is not None:
        place = PointShape(coordinates=(view.staging.point.lon, view.staging.point.lat))
        found.append(Feature(id=f"{view.incident_id}/staging", geometry=place, properties=FeatureFacts(
            incident_id=view.incident_id, kind="staging", shape="point", radius_m=None, downwind_deg=None, title=view.staging.approach, wind=wind,
            drawn_at=view.drawn_at, version=view.version, drill=view.drill)))
    return tuple(found)


def wants_zones(view: IncidentView) -> bool:
    """Are there dangerous goods at a known point?"""
    goods = any(load.un or load.name or load.hin or load.cas for load in view.hazmat) or any(code.startswith(_RELEASE) for code in view.event_types)
    return goods and view.place.lon is not None and view.place.lat is not None


def as_stated(view: IncidentView, stated: Mapping[str, Any], is_listed: Callable[[str], bool] = lambda _: True) -> IncidentView:
    """The incident with what people answered of its load: what matching goes by is what the zones go by.

    `is_listed` tells whether the tables know a number: one that they do not is no number, and an answer puts it right.
    """
    answers = {name: value for field, value in stated.items() if (name := field.removeprefix("hazmat.")) != field and name in _LOAD_FACTS}
    loads = view.hazmat or (Hazmat(),)
    for name, value in answers.items():
        loads = _answered(loads, name, value, is_listed)
    return replace(view, hazmat=loads) if answers else view


def _answered(loads: tuple[Hazmat, ...], name: str, value: Any, is_listed: Callable[[str], bool]) -> tuple[Hazmat, ...]:
    def lacks(load: Hazmat) -> bool:
        held = getattr(load, name)
        return held is None or (name == "un" and not is_listed(held))

    return answered(loads, lacks, lambda load: replace(load, **{name: value}))


def nearest_wind(
    measured: Iterable[tuple[str, MeasuredWind]], lon: float, lat: float, now: datetime, *, stale_after: timedelta = FRESH,
) -> tuple[str, MeasuredWind] | None:
    """The measured wind (agent id and wind) to go by: fresh, the nearest by distance, those without a point last; None where nobody measures.

    One older than `stale_after` only where there is none younger, however near: a sensor that fell silent does not hide the wind of now.
    """
    fresh = [(agent, wind) for agent, wind in measured if timedelta(minutes=-5) <= now - wind.at <= FRESH]
    return min(fresh, key=lambda one: (now - one[1].at > stale_after, _far(one[1], lon, lat), -one[1].at.timestamp(), one[0]), default=None)


def _far(wind: MeasuredWind, lon: float, lat: float) -> float:
    if wind.lon is None or wind.lat is None:
        return float("inf")
    d_lat, d_lon = radians(wind.lat - lat), radians(wind.lon - lon)
    h = sin(d_lat / 2) ** 2 + cos(radians(lat)) * cos(radians(wind.lat)) * sin(d_lon / 2) ** 2
    return 2 * 6_371_008.8 * asin(sqrt(h))


def wind_of_zones(view: ZonesView, *, least_mps: float) -> MeasuredWind | None:
    """The wind that zones rest on, measured or told, as an instrument would say it (speed in m/s, `least_mps` where nobody told one); None without a
    direction and a time."""
    wind = view.wind
    if wind is None or wind.from_deg is None or wind.observed_at is None:
        return None
    speed = next((known for known in (wind.speed_min_ms, wind.speed_max_ms) if known is not None), least_mps)
    return MeasuredWind(from_deg=wind.from_deg, speed_mps=max(speed, least_mps), at=wind.observed_at)


def moved(before: Iterable[Affected], after: Iterable[Affected]) -> tuple[tuple[Named, ...], tuple[Named, ...]]:
    """Who came into any zone and who left all of them, in the order of the lists."""
    old, new = {a.receptor.id: a for a in before}, {a.receptor.id: a for a in after}
    return tuple(_named(a) for id, a in new.items() if id not in old), tuple(_named(a) for id, a in old.items() if id not in new)


def _named(a: Affected) -> Named:
    return Named(id=a.receptor.id, zh=a.receptor.name_zh, en=a.receptor.name_en)

"""Whether zones that stand are to be drawn again by what is known now, and why. Pure rules over the tables; the limits are in `rules.yaml` (redraw).

A desk follows what changes; a wind is measured every half minute and never twice the same. What turns less than the wind's own uncertainty
lies inside the wedge as it stands, so it is no new drawing, unless somebody comes into the zone by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec.structs import replace

from plans.hazmat import tables
from plans.hazmat import wind as winds
from plans.hazmat.model import Affected, Distances, Wind, Words, Zone


class Drawing(Protocol):
    """What a drawing rests on and shows: a card, or the zones of an incident as they are kept."""

    @property
    def title(self) -> Words: ...
    @property
    def distances(self) -> Distances: ...
    @property
    def zones(self) -> tuple[Zone, ...]: ...
    @property
    def wind(self) -> Wind | None: ...
    @property
    def affected(self) -> tuple[Affected, ...]: ...


def why_again(before: Drawing, after: Drawing) -> Words | None:
    """The reason to draw `after` over `before`, the weightiest first; None where what is drawn would not differ noticeably."""
    if before.title != after.title or bool(before.zones) != bool(after.zones) or (after.zones and before.zones[0].centre != after.zones[0].centre):
        return Words("情况变化，重新绘制。", "The facts changed: drawn again.")
    if before.distances.daylight != after.distances.daylight:
        return Words("昼夜交替，距离不同，重新绘制。", "Day and night change, and the distances with them: drawn again.")
    if _is_widened(before.zones, after.zones):
        return Words("风很小、陈旧或消失，区域加宽。", "The wind is faint, stale or gone: the zone is widened.")
    if _is_widened(after.zones, before.zones) and _blows(after.wind):
        return Words("有了可靠的风，改画下风楔形。", "There is a wind to go by: the zone opens downwind.")
    if has_turned(before.wind, after.wind):
        return Words("风向变化，重新绘制。", "The wind turned: drawn again.")
    if before.distances != after.distances and not _is_weaker_by_chance(before.distances, after):
        return Words("距离变化，重新绘制。", "The distances changed: drawn again.")
    if {a.receptor.id for a in after.affected} - {a.receptor.id for a in before.affected}:
        return Words("有新的受体进入区域，重新绘制。", "Somebody came into the zone: drawn again.")
    return None


def has_turned(before: Wind | None, after: Wind | None) -> bool:
    """Did the wind come up, die down, or turn by as much as the wedge allows for?"""
    if before is None or after is None or before.from_deg is None or after.from_deg is None:
        return (before is None or before.from_deg is None) != (after is None or after.from_deg is None)
    apart = abs((after.from_deg - before.from_deg + 180) % 360 - 180)
    return apart >= float(tables.rules()["redraw"]["turn_deg"]) or before.variable != after.variable


def _is_weaker_by_chance(before: Distances, after: Drawing) -> bool:
    """Distances that are shorter for a wind hardly stronger than its class begins: the next reading would take them back."""
    wind, then, now = after.wind, before.protective, after.distances.protective
    if wind is None or wind.speed_min_ms is None or then is None or now is None or now.value >= then.value:
        return False
    slower = max(0.0, wind.speed_min_ms - float(tables.rules()["redraw"]["class_margin_kmh"]) / 3.6)
    return winds.table3_class(replace(wind, speed_min_ms=slower)) is before.wind_class


def _blows(wind: Wind | None) -> bool:
    """Is the wind clearly more than a calm, so that the next reading does not take the wedge back?"""
    rules = tables.rules()
    least = float(rules["wind"]["calm_below_ms"]) + float(rules["redraw"]["class_margin_kmh"]) / 3.6
    return wind is not None and (wind.speed_max_ms is None or wind.speed_max_ms >= least)


def _is_widened(before: Sequence[Zone], after: Sequence[Zone]) -> bool:
    return any(old.downwind_deg is not None and (new.half_angle_deg or 180) > (old.half_angle_deg or 180) for old, new in zip(before, after, strict=False))

"""Which cameras an incident opens, and why each: enterprise, road, distance, line of sight, wind, cordon. Pure: values in, an ordered list out.

Every number is data (hub/data/linkage.yaml). Nothing here opens, records or permits anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from math import asin, atan2, cos, degrees, radians, sin, sqrt
from typing import Final

import msgspec
from msgspec import Struct

from hub.domain.camera import DOWN, CameraView, EnterpriseView, LinkedCamera, Why
from hub.domain.data import packaged
from hub.domain.incident import IncidentView
from hub.wire import Wind

EARTH_M: Final = 6_371_008.8
"""Mean radius of the earth in metres (IUGG)."""


class LinkageRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """hub/data/linkage.yaml, which says what each is."""

    source: str
    edition: str
    valid_from: object
    near_m: float
    road_km: float
    downwind_m: float
    downwind_half_deg: float
    calm_mps: float
    wind_max_age_min: float
    turn_deg: float
    wind_review_min: float
    most_followed: int
    zone_m: float
    airborne_events: tuple[str, ...]
    neighbour_level: int
    points: dict[str, float]
    unwell_factor: float
    most_linked: int
    most_streams: int
    most_recorded: int
    most_recordings: int


@cache
def packaged_linkage() -> LinkageRules:
    """The rules that the product ships."""
    return msgspec.convert(packaged("linkage"), LinkageRules)


class Point(Struct, frozen=True):
    """WGS-84 degrees."""

    lon: float
    lat: float


def metres(a: Point, b: Point) -> float:
    """The distance of two points on the sphere."""
    d_lat, d_lon = radians(b.lat - a.lat), radians(b.lon - a.lon)
    h = sin(d_lat / 2) ** 2 + cos(radians(a.lat)) * cos(radians(b.lat)) * sin(d_lon / 2) ** 2
    return 2 * EARTH_M * asin(sqrt(h))


def bearing(a: Point, b: Point) -> float:
    """The bearing of `b` seen from `a`, degrees from true north, 0 to 360."""
    d_lon, lat_a, lat_b = radians(b.lon - a.lon), radians(a.lat), radians(b.lat)
    return degrees(atan2(sin(d_lon) * cos(lat_b), cos(lat_a) * sin(lat_b) - sin(lat_a) * cos(lat_b) * cos(d_lon))) % 360


def between(a_deg: float, b_deg: float) -> float:
    """The angle between two bearings, 0 to 180."""
    return abs((a_deg - b_deg + 180) % 360 - 180)


def pick(
    incident: IncidentView, cameras: Iterable[CameraView], enterprises: Mapping[str, EnterpriseView], winds: Iterable[Wind], now: datetime,
    rules: LinkageRules,
) -> tuple[LinkedCamera, ...]:
    """The cameras to link, the most telling first and of equals the nearest, at most `most_linked`; those without a picture come last."""
    scene = _Scene(incident, enterprises, winds, now, rules)
    found = [linked for camera in cameras if (linked := scene.judge(camera)) is not None]
    found.sort(key=lambda c: (not c.plays, -c.score, c.distance_m if c.distance_m is not None else float("inf"), c.id))
    return tuple(
        msgspec.structs.replace(camera, recorded=camera.plays and n < rules.most_recorded, wind_from_deg=scene.wind.from_deg if scene.wind else None)
        for n, camera in enumerate(found[:rules.most_linked]))


def wind_at(
    incident: IncidentView, enterprises: Mapping[str, EnterpriseView], winds: Iterable[Wind], now: datetime, rules: LinkageRules,
) -> Wind | None:
    """The wind that the cameras of an incident are chosen by; None where nothing is in the air, or nobody measures one with a direction."""
    return _Scene(incident, enterprises, winds, now, rules).wind


def has_turned(chosen_by_deg: float | None, wind: Wind | None, rules: LinkageRules) -> bool:
    """Did the wind turn so far from the one that cameras were chosen by (None: from none) that they are to be chosen anew?

    A wind that dies down, or that nobody measures any more, turns nothing: the last choice stands.
    """
    return wind is not None and (chosen_by_deg is None or between(chosen_by_deg, wind.from_deg) >= rules.turn_deg)


def may_have_turned(last: Wind | None, wind: Wind, rules: LinkageRules) -> bool:
    """Is a measurement worth comparing with what incidents go by? `last`: the one of the same instrument that was last found so.

    One that turned by half the angle is: a turn by one and a half of it is noticed at once, a smaller one at the next review.
    """
    if last is None or (last.speed_mps < rules.calm_mps) is not (wind.speed_mps < rules.calm_mps):
        return True
    return between(last.from_deg, wind.from_deg) >= rules.turn_deg / 2


WATCHED: Final = Why(code="watched", zh="风向已变，有人正在观看，继续保留", en="the wind turned, but somebody watches it: it stays")
_BY_WIND: Final = frozenset({"downwind", "no_room", WATCHED.code})
"""Reasons that a turn of the wind makes void."""


def stays_watched(linked: LinkedCamera) -> bool:
    """Is it linked only because somebody watched it as the wind turned?"""
    return any(why.code == WATCHED.code for why in linked.reasons)


def with_watched(
    chosen: Sequence[LinkedCamera], before: Iterable[LinkedCamera], watched: frozenset[str], wind: Wind | None, rules: LinkageRules,
) -> tuple[LinkedCamera, ...]:
    """The cameras chosen, then those linked before that somebody watches now (ids): a turn of the wind takes no picture from anybody.

    All of them within `most_linked`: the least telling of the new ones give way.
    """
    ids = {one.id for one in chosen}
    stay = [msgspec.structs.replace(one, recorded=False, wind_from_deg=wind.from_deg if wind else None,
                                    reasons=(*(why for why in one.reasons if why.code not in _BY_WIND), WATCHED))
            for one in before if one.id in watched and one.id not in ids][:rules.most_linked]
    return (*chosen[:rules.most_linked - len(stay)], *stay)


def going_on(chosen: Iterable[LinkedCamera], going: frozenset[str], rules: LinkageRules) -> frozenset[str]:
    """Which of an incident's recordings (`going`: ids of their cameras) go on: those of cameras to be recorded, then the most telling of the others
    linked, while there are no more than `most_recorded` in all."""
    linked = list(chosen)
    wanted = [one.id for one in linked if one.recorded]
    others = [one.id for one in linked if not one.recorded and one.id in going]
    return frozenset([*wanted, *others][:max(rules.most_recorded, len(wanted))])


NO_ROOM: Final = Why(code="no_room", zh="录像路数已满，暂未录像", en="not recorded: the hub records as many cameras as it may")


def within_room(chosen: Iterable[LinkedCamera], going: frozenset[str], free: int) -> tuple[LinkedCamera, ...]:
    """The chosen with those that cannot be recorded named so: `going` (ids) are recorded already, and `free` more may be."""
    out = []
    for one in chosen:
        if one.recorded and one.id not in going:
            if free <= 0:
                one = msgspec.structs.replace(one, recorded=False, reasons=(*one.reasons, NO_ROOM))
            free -= 1
        out.append(one)
    return tuple(out)


def lacks_room(linked: Iterable[LinkedCamera]) -> bool:
    """Is there one that is not recorded for want of room?"""
    return any(why.code == NO_ROOM.code for one in linked for why in one.reasons)


class _Scene:
    """An incident with what surrounds it."""

    def __init__(self, incident: IncidentView, enterprises: Mapping[str, EnterpriseView], winds: Iterable[Wind], now: datetime,
                 rules: LinkageRules) -> None:
        self.incident, self.enterprises, self.rules = incident, enterprises, rules
        self.enterprise_id = incident.place.enterprise_id
        home = enterprises.get(self.enterprise_id or "")
        at = _point(incident.place.lon, incident.place.lat)
        self.point = at or (_point(home.lon, home.lat) if home else None)
        self.airborne = any(code.startswith(rules.airborne_events) for code in incident.event_types) or any(
            load.leak or load.fire or load.explosion for load in incident.hazmat)
        self.wind = self._wind(winds, now) if self.airborne else None

    def _wind(self, winds: Iterable[Wind], now: datetime) -> Wind | None:
        """The fresh wind measured nearest to the scene (one without a place counts as far)."""
        oldest = now - timedelta(minutes=self.rules.wind_max_age_min)
        fresh = [wind for wind in winds if wind.at >= oldest and wind.speed_mps >= self.rules.calm_mps]

        def away(wind: Wind) -> float:
            mast = _point(wind.lon, wind.lat)
            return metres(self.point, mast) if mast is not None and self.point is not None else float("inf")

        return min(fresh, key=away, default=None)

    def judge(self, camera: CameraView) -> LinkedCamera | None:
        """The camera with every reason that holds; None where none does."""
        home = self.enterprises.get(camera.enterprise_id or "")
        at = _point(camera.place.lon, camera.place.lat) or (_point(home.lon, home.lat) if home else None)
        away = metres(at, self.point) if at is not None and self.point is not None else None
        reasons: list[tuple[float, Why]] = []
        if camera.enterprise_id is not None and camera.enterprise_id == self.enterprise_id:
            reasons.append((self.rules.points["enterprise"], Why(code="enterprise", zh="事发企业的摄像头", en="of the enterprise where it happened")))
        reasons += self._road(camera)
        if at is not None and self.point is not None and away is not None:
            reasons += self._near(camera, at, self.point, away)
            reasons += self._wind_and_zone(at, self.point, away)
            reasons += self._neighbour(camera, home, away)
        elif not reasons:
            reasons += self._town(home)
        if not reasons:
            return None
        plays = camera.health not in DOWN
        score = sum(points for points, _ in reasons) * (1.0 if camera.health == "online" else self.rules.unwell_factor)
        reasons.sort(key=lambda r: -r[0])
        said = tuple(why for _, why in reasons)
        if camera.health != "online":
            said = (*said, Why(code="unwell", zh="画面异常，排序靠后", en="its picture is not well, so it comes later"))
        return LinkedCamera(agent_id=camera.agent_id, camera_id=camera.camera_id, name=camera.name, score=round(score, 1), reasons=said,
                            distance_m=round(away, 1) if away is not None else None, enterprise_id=camera.enterprise_id, plays=plays)

    def _road(self, camera: CameraView) -> list[tuple[float, Why]]:
        road, km = self.incident.place.road, self.incident.place.road_km
        if not road or not camera.place.road or camera.place.road.upper() != road.upper() or km is None or camera.place.road_km is None:
            return []
        apart = abs(camera.place.road_km - km)
        if apart > self.rules.road_km:
            return []
        points = self.rules.points["road"] * (1 - apart / self.rules.road_km / 2)
        return [(points, Why(code="road", zh=f"同在 {road}，相距 {apart:.1f} 公里桩", en=f"on {road} as well, {apart:.1f} km posts away"))]

    def _near(self, camera: CameraView, at: Point, scene: Point, away: float) -> list[tuple[float, Why]]:
        points = self.rules.points
        found: list[tuple[float, Why]] = []
        if away <= self.rules.near_m:
            found.append((points["near"] * (1 - away / self.rules.near_m), Why(code="near", zh=f"距现场 {away:.0f} 米", en=f"{away:.0f} m away")))
        place = camera.place
        within = away <= min(place.range_m or self.rules.near_m, self.rules.near_m)
        if within and place.bearing_deg is not None and place.fov_deg is not None:
            off = between(place.bearing_deg, bearing(at, scene))
            if off <= place.fov_deg / 2:
                found.append((points["looks"], Why(code="looks", zh=f"正对现场（偏 {off:.0f}°）", en=f"looks at the scene ({off:.0f}° off)")))
        if within and place.turns:
            found.append((points["turns"], Why(code="turns", zh="云台可转向现场", en="can be turned towards it")))
        return found

    def _wind_and_zone(self, at: Point, scene: Point, away: float) -> list[tuple[float, Why]]:
        found: list[tuple[float, Why]] = []
        wind = self.wind
        if wind is not None and 0 < away <= self.rules.downwind_m:
            off = between(bearing(scene, at), (wind.from_deg + 180) % 360)
            if off <= self.rules.downwind_half_deg:
                found.append((self.rules.points["downwind"],
                              Why(code="downwind", zh=f"位于下风向（{wind.speed_mps:.1f} 米/秒）", en=f"downwind ({wind.speed_mps:.1f} m/s)")))
        if self.airborne and away <= self.rules.zone_m:
            found.append((self.rules.points["zone"], Why(code="zone", zh=f"在初始警戒范围（{self.rules.zone_m:.0f} 米）内",
                                                         en=f"within the first cordon ({self.rules.zone_m:.0f} m)")))
        return found

    def _neighbour(self, camera: CameraView, home: EnterpriseView | None, away: float) -> list[tuple[float, Why]]:
        """A grave enterprise beside the scene is watched for what may follow."""
        if (home is None or home.id == self.enterprise_id or home.hazard_level is None or home.hazard_level > self.rules.neighbour_level
                or away > self.rules.near_m):
            return []
        return [(self.rules.points["neighbour"], Why(code="neighbour", zh=f"邻近 {home.hazard_level} 级重大危险源（{home.zh}）",
                                                     en=f"a major hazard source of level {home.hazard_level} nearby ({home.en or home.zh})"))]

    def _town(self, home: EnterpriseView | None) -> list[tuple[float, Why]]:
        """Where no point is known, the same town is better than nothing."""
        said = self.incident.place.adcode
        if home is None or not said or not home.adcode or len(said) < 9 or said[:9] != home.adcode[:9]:
            return []
        return [(self.rules.points["town"], Why(code="town", zh="同一镇街", en="in the same town"))]


def _point(lon: float | None, lat: float | None) -> Point | None:
    return Point(lon, lat) if lon is not None and lat is not None else None

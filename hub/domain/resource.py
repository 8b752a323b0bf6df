"""Resources and the requests for them: what there is, what suits, and the steps from asked to returned. Pure: `now` comes in.

`STEPS` is the whole of what may happen to a request; each step is timed and names who took it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from math import asin, cos, radians, sin, sqrt
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from hub.domain.change import ChangeBody, change
from hub.domain.data import packaged
from hub.errors import Rejected
from hub.ids import exactly
from plans.model import Text


class ResourceKind(StrEnum):
    """What sort of thing it is."""

    TEAM = "team"
    VEHICLE = "vehicle"
    STOCK = "stock"
    EXPERT = "expert"
    HOSPITAL = "hospital"
    SHELTER = "shelter"


class Resource(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One resource: whose, where, what it can do, how much. `low_below`: less than this is a warning; `demo` marks invented data."""

    id: Annotated[str, Meta(pattern=exactly("[a-z0-9][a-z0-9-]{0,63}"))]
    kind: ResourceKind
    name_zh: Annotated[str, Meta(min_length=1, max_length=200)]
    name_en: Annotated[str, Meta(max_length=200)] = ""
    department_id: Annotated[str, Meta(min_length=1, max_length=64)]
    capability: Annotated[str, Meta(pattern=exactly("[a-z0-9][a-z0-9-]{0,63}"))]
    quantity: Annotated[float, Meta(ge=0, le=1e9)]
    unit: Annotated[str, Meta(min_length=1, max_length=20)]
    place: Annotated[str, Meta(max_length=200)] = ""
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    low_below: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    expires_on: date | None = None
    contact: Annotated[str, Meta(max_length=100)] = ""
    phone: Annotated[str, Meta(max_length=40)] = ""
    out: float = 0.0
    active: bool = True
    demo: bool = False
    version: int = 0

    @property
    def free(self) -> float:
        """What is not out on a request."""
        return max(0.0, self.quantity - self.out)


class Suggestion(Struct, frozen=True, kw_only=True):
    """A resource that suits a request: how far (metres in a straight line, None where a point is unknown), how much is free, and why."""

    resource_id: str
    name_zh: str
    name_en: str
    department_id: str
    distance_m: float | None
    free: float
    zh: str
    en: str


class RequestState(StrEnum):
    """Where a request stands."""

    REQUESTED = "requested"
    OFFERED = "offered"
    DISPATCHED = "dispatched"
    ARRIVED = "arrived"
    RETURNED = "returned"
    CANCELLED = "cancelled"


_R = RequestState
STEPS: Final[Mapping[RequestState, frozenset[RequestState]]] = {
    _R.REQUESTED: frozenset({_R.OFFERED, _R.CANCELLED}),
    _R.OFFERED: frozenset({_R.REQUESTED, _R.DISPATCHED, _R.CANCELLED}),
    _R.DISPATCHED: frozenset({_R.ARRIVED, _R.RETURNED}),
    _R.ARRIVED: frozenset({_R.RETURNED}),
    _R.RETURNED: frozenset(),
    _R.CANCELLED: frozenset({_R.REQUESTED}),
}
_SAID: Final[Mapping[RequestState, tuple[str, str]]] = {
    _R.REQUESTED: ("已请求", "requested"), _R.OFFERED: ("同意提供", "offered"), _R.DISPATCHED: ("已出动", "dispatched"), _R.ARRIVED: ("已到场", "arrived"),
    _R.RETURNED: ("已归还", "returned"), _R.CANCELLED: ("已取消", "cancelled"),
}
OUT: Final = frozenset({_R.OFFERED, _R.DISPATCHED, _R.ARRIVED})
"""The states in which what was offered is not free for others."""


class Step(Struct, frozen=True, kw_only=True):
    """One step of a request: when, by whom, with a remark."""

    state: RequestState
    at: str
    by: str
    note: str = ""


class Request(Struct, frozen=True, kw_only=True):
    """A request for a resource; `department_id` is who is to answer it (the owner of what was offered, once there is an offer)."""

    id: str
    key: str
    incident_id: str
    activation_id: str | None
    capability: str
    quantity: float
    unit: str
    text: Text
    asked_by: str
    department_id: str
    due_at: datetime
    state: RequestState
    suggestions: tuple[Suggestion, ...]
    steps: tuple[Step, ...]
    resource_id: str | None = None
    offered: float | None = None
    drill: bool = False
    version: int = 1


@change("resource.saved", zh="资源登记", en="a resource was stored")
class ResourceSaved(ChangeBody, frozen=True, kw_only=True):
    """The resource as it now is."""

    resource: Resource


@change("resource_request.moved", zh="资源请求", en="a request for a resource was made or took a step")
class RequestMoved(ChangeBody, frozen=True, kw_only=True):
    """The request after the step."""

    request: Request


_SUGGESTED: Final = 5


def suitable(
    resources: Iterable[Resource], *, capability: str, quantity: float, unit: str, lon: float | None, lat: float | None, today: date,
) -> tuple[Suggestion, ...]:
    """The resources that can do what is asked, best first: enough before too little, near before far, unknown distance last.

    What has expired, is out, or is counted in another unit is left out; the reason says why one stands where it does.
    """
    found = []
    for r in resources:
        if not r.active or r.capability != capability or r.unit != unit or r.free <= 0 or (r.expires_on is not None and r.expires_on < today):
            continue
        far = None if None in (lon, lat, r.lon, r.lat) else _metres(lon, lat, r.lon, r.lat)  # type: ignore[arg-type] # none is None here
        found.append((r.free < quantity, far is None, far or 0.0, r.id, _suggestion(r, far, quantity)))
    return tuple(row[-1] for row in sorted(found, key=lambda row: row[:4]))[:_SUGGESTED]


def _suggestion(r: Resource, far: float | None, quantity: float) -> Suggestion:
    zh = f"有 {r.free:g} {r.unit}，" + ("够用" if r.free >= quantity else f"少 {quantity - r.free:g} {r.unit}")
    en = f"{r.free:g} {unit_en(r.unit)} free, " + ("enough" if r.free >= quantity else f"{quantity - r.free:g} short")
    zh += f"，直线 {far / 1000:.1f} 公里" if far is not None else "，距离不明"
    en += f", {far / 1000:.1f} km in a straight line" if far is not None else ", distance not known"
    return Suggestion(resource_id=r.id, name_zh=r.name_zh, name_en=r.name_en or r.name_zh, department_id=r.department_id,
                      distance_m=round(far) if far is not None else None, free=r.free, zh=zh, en=en)


def _metres(lon: float, lat: float, to_lon: float, to_lat: float) -> float:
    """Metres on a sphere of 6,371,008.8 m (mean radius, IUGG)."""
    d_lat, d_lon = radians(to_lat - lat), radians(to_lon - lon)
    h = sin(d_lat / 2) ** 2 + cos(radians(lat)) * cos(radians(to_lat)) * sin(d_lon / 2) ** 2
    return 2 * 6_371_008.8 * asin(sqrt(h))


def check_point(resource: Resource) -> None:
    """Refuse half a point: it would count as an unknown distance, and look like a known one."""
    if (resource.lon is None) is not (resource.lat is None):
        raise Rejected("half_point", "经度、纬度要么都填，要么都不填", "longitude and latitude: both, or neither", field="lat" if resource.lat is None else "lon")


def check_offer(resource: Resource, request: Request, amount: float, today: date) -> None:
    """Refuse an offer of what cannot do what was asked, is counted otherwise, is out of use or expired, or of more than is free."""
    if resource.capability != request.capability or resource.unit != request.unit or not resource.active:
        raise Rejected("unknown_resource", "请选择具备该能力、单位一致且在用的资源", "name a resource in use, with the capability and the unit asked for",
                       field="resource_id")
    if resource.expires_on is not None and resource.expires_on < today:
        raise Rejected("expired", f"{resource.name_zh} 已于 {resource.expires_on} 过期", f"{resource.name_en or resource.name_zh} expired on {resource.expires_on}",
                       field="resource_id")
    if not 0 < amount <= resource.free:
        raise Rejected("not_enough", f"可用数量为 {resource.free:g} {resource.unit}", f"{resource.free:g} {unit_en(resource.unit)} are free", field="quantity")


def used_up(request: Request, returned: float | None) -> float:
    """How much of what was lent does not come back; none where nobody said. Raises Rejected `not_enough` for more than was lent."""
    lent = request.offered or 0.0
    if returned is None:
        return 0.0
    if not 0 <= returned <= lent:
        raise Rejected("not_enough", f"归还数量应在 0 到 {lent:g} {request.unit}之间", f"between 0 and {lent:g} {unit_en(request.unit)} can come back", field="quantity")
    return lent - returned


def take_step(request: Request, to: RequestState, *, by: str, at: str, note: str = "") -> Request:
    """The request one step on; raises Rejected `wrong_state` where the table does not permit it. A step taken already is no step."""
    if to is request.state:
        return request
    if to not in STEPS[request.state]:
        (zh, en), (to_zh, to_en) = _SAID[request.state], _SAID[to]
        raise Rejected("wrong_state", f"请求当前为“{zh}”，不能直接变为“{to_zh}”", f"a request that is {en} cannot become {to_en}", field="state")
    return msgspec.structs.replace(request, state=to, steps=(*request.steps, Step(state=to, at=at, by=by, note=note)), version=request.version + 1)


def unit_en(unit: str) -> str:
    """The English name of a unit; the unit itself where none is known."""
    return str(packaged("units")["units"].get(unit, unit))


def shortcomings(resource: Resource, today: date, *, ahead: timedelta) -> tuple[tuple[str, str, str], ...]:
    """What is wrong with a stock today: (code, Chinese, English) for too little, for an end of life within `ahead`, and for one that has come.

    Whoever said of stock that goes bad soon that it is seen to, and did not replace it, is told once more when it has.
    """
    found = []
    if resource.active and resource.low_below is not None and resource.quantity < resource.low_below:
        found.append(("low", f"库存不足：{resource.name_zh} 仅 {resource.quantity:g} {resource.unit}，低于 {resource.low_below:g}",
                      f"low stock: {resource.name_en or resource.name_zh}, {resource.quantity:g} of at least {resource.low_below:g} {unit_en(resource.unit)}"))
    if resource.active and resource.expires_on is not None and resource.expires_on - ahead <= today:
        over = resource.expires_on < today
        found.append((f"{'expired' if over else 'expiry'}-{resource.expires_on}", f"{'已过期' if over else '即将到期'}：{resource.name_zh}，{resource.expires_on}",
                      f"{'has expired' if over else 'expires'}: {resource.name_en or resource.name_zh}, {resource.expires_on}"))
    return tuple(found)

"""Enterprises and their cameras as the district knows them, what links them to incidents, and every view of them. Pure."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from hub.device_code import check_camera_code
from hub.domain.change import ChangeBody, change
from hub.errors import Rejected
from hub.ids import SLUG, exactly
from hub.wire import NO_PICTURE

SlugText = Annotated[str, Meta(pattern=exactly(SLUG.pattern))]
Words = Annotated[str, Meta(max_length=200)]
DOWN = NO_PICTURE
"""The states in which a camera has no picture at all (`streams.health` names them all)."""


class EnterpriseView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An enterprise at risk. `hazard_level`: of its major hazard source, 1 the gravest to 4 (GB 18218-2018), None without one."""

    id: SlugText
    zh: Annotated[str, Meta(min_length=1, max_length=200)]
    en: Words = ""
    department_id: Words | None = None
    address: Words | None = None
    adcode: Annotated[str, Meta(pattern=exactly("[0-9]{6}([0-9]{3}|[0-9]{6})?"))] | None = None
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    hazard_level: Annotated[int, Meta(ge=1, le=4)] | None = None
    substances: tuple[Words, ...] = ()
    demo: bool = False


class CameraPlace(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the registry says of a camera: where it stands, where it looks, what it sees, and its GB/T 28181 code where it has one.

    `bearing_deg` from true north, `fov_deg` the horizontal angle of view, `range_m` how far it shows anything, `height_m` above ground.
    """

    name: Words | None = None
    enterprise_id: SlugText | None = None
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    height_m: Annotated[float, Meta(ge=-100, le=1000)] | None = None
    bearing_deg: Annotated[float, Meta(ge=0, le=360)] | None = None
    fov_deg: Annotated[float, Meta(gt=0, le=360)] | None = None
    range_m: Annotated[float, Meta(gt=0, le=20_000)] | None = None
    turns: bool = False
    sees: tuple[Words, ...] = ()
    road: Words | None = None
    road_km: Annotated[float, Meta(ge=0, le=10_000)] | None = None
    gb28181: Annotated[str, Meta(pattern=exactly("[0-9]{20}"))] | None = None


class Advised(Struct, frozen=True, kw_only=True):
    """What a detector at the agent thought it saw, and when the hub heard of it."""

    kind: str
    score: float
    detector: str
    at: str


class CameraView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A camera: its registry entry and what its agent last said of it. `id` is `AGENT/CAMERA`; without `placed` nobody has registered it.

    `troubles`: stable codes of what is wrong (docs/video.md), the most telling first; `advised`: what a detector last thought it saw, a hint
    and no more. `dropped_audio`: the codec of the sound that is left out.
    """

    id: str
    agent_id: str
    camera_id: str
    name: str
    department_id: str | None
    enterprise_id: str | None
    place: CameraPlace
    placed: bool = False
    health: str = "connecting"
    since: str | None = None
    measure: str | None = None
    troubles: tuple[str, ...] = ()
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    dropped_audio: str | None = None
    advised: Advised | None = None


class Why(Struct, frozen=True, kw_only=True):
    """One reason for a link, with a stable code."""

    code: str
    zh: str
    en: str


class LinkedCamera(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A camera picked for an incident: the more telling, the higher its score. `wind_from_deg`: the wind that the choice went by, if any."""

    agent_id: str
    camera_id: str
    name: str
    score: float
    reasons: tuple[Why, ...]
    distance_m: float | None = None
    enterprise_id: str | None = None
    recorded: bool = False
    plays: bool = True
    wind_from_deg: float | None = None

    @property
    def id(self) -> str:
        """`AGENT/CAMERA`."""
        return f"{self.agent_id}/{self.camera_id}"


@change("enterprise.saved", zh="企业信息保存", en="an enterprise was saved")
class EnterpriseSaved(ChangeBody, frozen=True, kw_only=True):
    """The enterprise as it now stands."""

    enterprise: EnterpriseView


@change("camera.saved", zh="摄像头登记", en="a camera appeared or its registry entry changed")
class CameraSaved(ChangeBody, frozen=True, kw_only=True):
    """The camera as it now stands."""

    camera: CameraView


@change("camera.health_changed", zh="摄像头状态变化", en="a camera's picture got better or worse")
class CameraHealthChanged(ChangeBody, frozen=True, kw_only=True):
    """The camera with its new state and troubles, the measure that says so, and the state before (the same where only a trouble came or went)."""

    camera: CameraView
    before: str


@change("camera.advised", zh="摄像头检测提示", en="a detector thinks it saw something (a hint)")
class CameraAdvised(ChangeBody, frozen=True, kw_only=True):
    """The camera with what its detector thinks it saw. It opens nothing; where an incident links the camera it stands in its timeline."""

    camera: CameraView


@change("camera.linked", zh="联动摄像头", en="cameras were linked to an incident")
class CameraLinked(ChangeBody, frozen=True, kw_only=True):
    """All cameras that the incident links now, most telling first, with the reason for each; `most_streams` is how many open by themselves."""

    incident_id: str
    verified: bool
    cameras: tuple[LinkedCamera, ...]
    most_streams: int


@change("camera.unlinked", zh="收回视频联动", en="an incident's cameras were revoked")
class CameraUnlinked(ChangeBody, frozen=True, kw_only=True):
    """Every link of the incident has ended, and why."""

    incident_id: str
    reason: str


@change("camera.marked", zh="标记视频时刻", en="a moment of a picture was marked")
class CameraMarked(ChangeBody, frozen=True, kw_only=True):
    """Which camera, which moment (the agent's clock, ms), what was seen."""

    camera_id: str
    wall_ms: int
    text: str


class ViewOfCamera(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One view: who watched which camera, for which incident or stated reason, from when to when. `how`: stream, preview, snapshot or link."""

    id: str
    camera_id: str
    person_id: str
    how: str
    reason_code: str
    reason: str = ""
    incident_id: str | None = None
    from_at: str
    to_at: str | None = None
    ended: str | None = None
    address: str = ""


@change("view.started", zh="开始调看视频", en="somebody began to watch a camera")
class ViewStarted(ChangeBody, frozen=True, kw_only=True):
    """The view, before its first picture is sent."""

    view: ViewOfCamera


@change("view.ended", zh="结束调看视频", en="somebody stopped watching a camera, or was cut")
class ViewEnded(ChangeBody, frozen=True, kw_only=True):
    """The view with its end and the reason for it."""

    view: ViewOfCamera


def placed(camera: CameraView, place: CameraPlace) -> CameraView:
    """The camera with a new registry entry; raises Rejected for a half point or a wrong code."""
    if (place.lon is None) != (place.lat is None):
        raise Rejected("missing_field", "经度和纬度必须同时给出", "longitude and latitude come together", field="place.lon")
    if place.gb28181 is not None:
        check_camera_code(place.gb28181, field="place.gb28181")
    return msgspec.structs.replace(
        camera, place=place, placed=True, name=place.name or camera.name, enterprise_id=place.enterprise_id or camera.enterprise_id)


class RollcallLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One camera's answer (or an enterprise without any camera); `troubles` say why there is none, or what is wrong with it."""

    enterprise_id: str
    camera_id: str | None
    answered: bool
    health: str
    troubles: tuple[str, ...] = ()
    age_s: float | None = None


@change("camera.roll_called", zh="视频点名", en="a video roll-call was held")
class RollcallDone(ChangeBody, frozen=True, kw_only=True):
    """Who answered with a picture at which moment, and who did not."""

    id: str
    at: str
    lines: tuple[RollcallLine, ...]

"""视频点名: all enterprises with their cameras at one moment, who answers with a picture and who does not, as one change."""

from __future__ import annotations

import time

from msgspec import Struct

from hub.clock import utc_text
from hub.domain.access import HUB, Action
from hub.domain.camera import DOWN, EnterpriseView, RollcallDone, RollcallLine
from hub.ids import new_id
from hub.store.cameras import list_cameras, list_enterprises
from hub.web.feeds import relay_of
from hub.web.route import Ask, Route
from streams.relay import CameraKey

FRESH_S = 30.0
"""A picture counts as an answer when it is no older (our own choice: several preview periods)."""


class Rollcall(Struct, frozen=True, kw_only=True):
    """The roll-call as it was recorded; enterprises without a camera are `absent` as well."""

    id: str
    at: str
    answered: int
    called: int
    lines: list[RollcallLine]
    enterprises: list[EnterpriseView]


async def run(ask: Ask) -> Rollcall:
    """Call all enterprises: each camera answers with a fresh picture or is named."""
    ask.require(Action.ROLLCALL_RUN, HUB)
    relay = relay_of(ask.hub)
    async with ask.store.read() as conn:
        cameras, enterprises = await list_cameras(conn), await list_enterprises(conn)
    lines = []
    for enterprise in enterprises:
        own = [camera for camera in cameras if camera.enterprise_id == enterprise.id]
        if not own:
            lines.append(RollcallLine(enterprise_id=enterprise.id, camera_id=None, answered=False, health="none"))
        for camera in own:
            held = relay.preview(CameraKey(camera.agent_id, camera.camera_id))
            age = held.age_s(time.monotonic()) if held is not None else None
            answered = camera.health not in DOWN and age is not None and age <= FRESH_S
            lines.append(RollcallLine(enterprise_id=enterprise.id, camera_id=camera.id, answered=answered, health=camera.health, troubles=camera.troubles,
                                      age_s=round(age, 1) if age is not None else None))
    done = RollcallDone(id=new_id(), at=utc_text(ask.now), lines=tuple(lines))
    async with ask.transaction() as tx:
        tx.record(done, actor=ask.who, subject=f"rollcall:{done.id}", department_id=ask.actor.department_id)
    return Rollcall(id=done.id, at=done.at, answered=sum(line.answered for line in lines), called=len(lines), lines=lines, enterprises=enterprises)


ROUTES = [Route("POST", "/api/v1/rollcalls", run, Action.ROLLCALL_RUN, returns=Rollcall, zh="视频点名", en="run a video roll-call")]

"""视频点名: all enterprises with their cameras at one moment, who answers with a picture and who does not, as one change."""

from __future__ import annotations

import asyncio
import contextlib
import time

from msgspec import Struct

from hub.clock import utc_text
from hub.domain.access import HUB, Action
from hub.domain.camera import DOWN, CameraView, EnterpriseView, RollcallDone, RollcallLine
from hub.errors import Unavailable
from hub.ids import new_id
from hub.store.cameras import list_cameras, list_enterprises
from hub.web.feeds import relay_of
from hub.web.route import Ask, Route
from hub.wire import MediaKind
from streams.relay import CameraKey, Relay

FRESH_S = 30.0
"""A preview counts as an answer when it is no older (our own choice: several of the usual periods); of whom there is none, a live picture is asked."""
ANSWER_S = 3.0
"""How long a camera may take to send that picture (our own choice: a cold one with a key frame a second takes 1.1 s)."""
AT_ONCE = 16
"""How many are asked for a live picture at the same time (our own choice, for uplinks of enterprises with many cameras)."""
WHOLE_S = 20.0
"""How long all of that may take together (our own choice); whoever was not reached by then is called by the preview there is."""


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
    asked, until = asyncio.Semaphore(AT_ONCE), asyncio.get_running_loop().time() + WHOLE_S
    found = await asyncio.gather(*(_age_s(relay, camera, asked, until) for camera in cameras))
    ages = dict(zip((camera.id for camera in cameras), found, strict=True))
    lines = []
    for enterprise in enterprises:
        own = [camera for camera in cameras if camera.enterprise_id == enterprise.id]
        if not own:
            lines.append(RollcallLine(enterprise_id=enterprise.id, camera_id=None, answered=False, health="none"))
        for camera in own:
            age = ages[camera.id]
            answered = camera.health not in DOWN and age is not None and age <= FRESH_S
            lines.append(RollcallLine(enterprise_id=enterprise.id, camera_id=camera.id, answered=answered, health=camera.health, troubles=camera.troubles,
                                      age_s=round(age, 1) if age is not None else None))
    done = RollcallDone(id=new_id(), at=utc_text(ask.now), lines=tuple(lines))
    async with ask.transaction() as tx:
        tx.record(done, actor=ask.who, subject=f"rollcall:{done.id}", department_id=ask.actor.department_id)
    return Rollcall(id=done.id, at=done.at, answered=sum(line.answered for line in lines), called=len(lines), lines=lines, enterprises=enterprises)


async def _age_s(relay: Relay, camera: CameraView, asked: asyncio.Semaphore, until: float) -> float | None:
    """How old the camera's newest picture is, in seconds; None where there is none. One whose previews come rarely is asked for a live one."""
    key = CameraKey(camera.agent_id, camera.camera_id)
    held = relay.preview(key)
    age = held.age_s(time.monotonic()) if held is not None else None
    if (age is not None and age <= FRESH_S) or camera.health in DOWN:
        return age
    with contextlib.suppress(TimeoutError, Unavailable):
        async with asyncio.timeout_at(until), asked, asyncio.timeout(ANSWER_S), relay.watch(key, name="rollcall", quality="sub") as viewer:
            async for chunk in viewer:
                if chunk.kind is MediaKind.MEDIA and not chunk.cached:
                    return 0.0
    return age


ROUTES = [Route("POST", "/api/v1/rollcalls", run, Action.ROLLCALL_RUN, returns=Rollcall, zh="视频点名", en="run a video roll-call")]

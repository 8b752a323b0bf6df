"""Links cameras to each incident as it opens, moves, is verified and ends, and as the wind turns, and asks for their recordings, all in one transaction.

It decides nothing: `hub.domain.linkage` picks by data, `hub.domain.access.may` says who sees them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from hub.domain.agent import WindObserved
from hub.domain.camera import DOWN, CameraHealthChanged, CameraSaved, CameraView, EnterpriseView, LinkedCamera
from hub.domain.change import Change
from hub.domain.incident import OPEN_STATES, Act, IncidentOpened, IncidentState, IncidentStateChanged, IncidentUpdated, IncidentView
from hub.domain.linkage import (
    LinkageRules,
    going_on,
    has_turned,
    lacks_room,
    may_have_turned,
    packaged_linkage,
    pick,
    stays_watched,
    wind_at,
    with_watched,
    within_room,
)
from hub.domain.zone import wind_of_zones
from hub.store import Transaction
from hub.store.cameras import link, linked_now, linking, links_of, list_cameras, names_of, say_linked, unlink, winds
from hub.store.recordings import end_wanted, evidence_of, want, wanted_now
from hub.store.reports import get_incident
from hub.store.views import watched_now
from hub.store.zones import get_zones, open_without_zones
from hub.wire import Wind

ACTOR: Final = "system:linkage"
_MOVES: Final = frozenset({"place", "hazmat", "event_types"})
"""What of an incident decides which cameras see it."""


class Linkage:
    """A reactor. The registry is held in memory until it changes; so are the winds that were last compared, which a restart only compares once more."""

    name = "linkage"
    gather_s = 0.002
    kinds = frozenset({
        "incident.opened", "incident.updated", "incident.state_changed", "camera.saved", "camera.health_changed", "enterprise.saved", "wind.observed",
        "zone.drawn",
    })

    def __init__(self, rules: LinkageRules | None = None) -> None:
        self.rules = rules or packaged_linkage()
        self._cameras: list[CameraView] | None = None
        self._enterprises: dict[str, EnterpriseView] = {}
        self._winds: dict[str, Wind] = {}
        self._compared_at: datetime | None = None

    async def react(self, tx: Transaction, change: Change) -> None:
        """Bring the incidents' cameras in line with what is now; room that this frees goes to those that lack it at once."""
        if await self._follow(tx, change):
            await self._use_room(tx)

    async def _follow(self, tx: Transaction, change: Change) -> int:
        """What one change asks for; gives how many recordings end by it."""
        match change.kind:
            case "incident.opened":
                return await self._link(tx, change.read(IncidentOpened).incident)
            case "incident.updated":
                body = change.read(IncidentUpdated)
                return await self._link(tx, body.incident, moved=True) if _MOVES.intersection(body.changed) and body.incident.state in OPEN_STATES else 0
            case "incident.state_changed":
                return await self._state(tx, change.read(IncidentStateChanged))
            case "camera.health_changed":
                self._cameras = None
                return await self._back(tx, change.read(CameraHealthChanged))
            case "camera.saved":
                self._cameras = None
                return await self._again(tx, change.read(CameraSaved).camera)
            case "wind.observed":
                return await self._observed(tx, change.read(WindObserved))
            case "zone.drawn":
                incident = await get_incident(tx.conn, change.incident_id or "")
                return await self._turn(tx, incident) if incident is not None and incident.state in OPEN_STATES else 0
            case _:
                self._cameras = None
                return 0

    async def _state(self, tx: Transaction, body: IncidentStateChanged) -> int:
        incident = body.incident
        if incident.state not in OPEN_STATES:
            await unlink(tx, incident, incident.state, by=ACTOR)
            freed = await end_wanted(tx, incident_id=incident.id)
            if incident.state is IncidentState.FALSE_ALARM:
                await evidence_of(tx, incident.id, False, by=ACTOR)
            return freed
        if body.act is Act.REOPEN:
            await evidence_of(tx, incident.id, True, by=ACTOR)
            return await self._link(tx, incident)
        if body.act is Act.VERIFY and (held := await links_of(tx.conn, incident.id)):
            say_linked(tx, incident, held, self.rules.most_streams, by=ACTOR)
        return 0

    async def _back(self, tx: Transaction, body: CameraHealthChanged) -> int:
        """A camera that has its picture again plays and is recorded in the open incidents that link it."""
        return await self._again(tx, body.camera) if body.before in DOWN and body.camera.health not in DOWN else 0

    async def _again(self, tx: Transaction, camera: CameraView) -> int:
        """Choose anew for the open incidents that link a camera: it stands, looks or works otherwise now."""
        freed = 0
        for incident_id in await linking(tx.conn, camera.id):
            incident = await get_incident(tx.conn, incident_id)
            if incident is not None and incident.state in OPEN_STATES:
                freed += await self._link(tx, incident)
        return freed

    async def _observed(self, tx: Transaction, body: WindObserved) -> int:
        """A wind was measured: incidents without zones of their own follow it where it turned (the others follow the drawing of their zones)."""
        review = timedelta(minutes=self.rules.wind_review_min)
        due = self._compared_at is None or tx.now - self._compared_at >= review
        if not due and not may_have_turned(self._winds.get(body.agent_id), body.wind, self.rules):
            return 0
        self._winds[body.agent_id], self._compared_at = body.wind, tx.now
        return sum([await self._turn(tx, incident) for incident in await open_without_zones(tx.conn, limit=self.rules.most_followed)])

    async def _turn(self, tx: Transaction, incident: IncidentView) -> int:
        """Choose anew where the wind turned enough; what somebody watches stays."""
        await self._read_registry(tx)
        held = await links_of(tx.conn, incident.id)
        wind = wind_at(incident, self._enterprises, await self._winds_for(tx, incident), tx.now, self.rules)
        if not has_turned(next((one.wind_from_deg for one in held), None), wind, self.rules):
            return 0
        return await self._link(tx, incident, turned=True)

    async def _winds_for(self, tx: Transaction, incident: IncidentView) -> list[Wind]:
        """The wind that the incident's zones rest on, which somebody may have told from the scene; else all that are measured."""
        kept = await get_zones(tx.conn, incident.id)
        drawn = wind_of_zones(kept.view, least_mps=self.rules.calm_mps) if kept is not None and kept.view is not None else None
        return [drawn] if drawn is not None else await winds(tx.conn)

    async def _use_room(self, tx: Transaction) -> None:
        """Recordings have ended: incidents with cameras that were left out for want of room have them recorded, the oldest first."""
        for incident_id, held in sorted((await linked_now(tx.conn)).items()):
            incident = await get_incident(tx.conn, incident_id) if lacks_room(held) else None
            if incident is not None and incident.state in OPEN_STATES:
                await self._link(tx, incident)

    async def _read_registry(self, tx: Transaction) -> list[CameraView]:
        if self._cameras is None:
            self._cameras, self._enterprises = await list_cameras(tx.conn), dict(await names_of(tx.conn))
        return self._cameras

    async def _link(self, tx: Transaction, incident: IncidentView, *, turned: bool = False, moved: bool = False) -> int:
        """Choose the incident's cameras by what is known now; gives how many of its recordings end by it."""
        cameras = await self._read_registry(tx)
        if not cameras:
            return 0
        wind = wind_at(incident, self._enterprises, await self._winds_for(tx, incident), tx.now, self.rules)
        chosen = pick(incident, cameras, self._enterprises, [wind] if wind is not None else [], tx.now, self.rules)
        if not moved:
            chosen = await self._with_watched(tx, incident, chosen, wind, turned=turned)
        freed = await end_wanted(tx, incident_id=incident.id, but=going_on(chosen, await self._recorded(tx, incident), self.rules))
        chosen = within_room(chosen, await self._recorded(tx, incident), self.rules.most_recordings - len(await wanted_now(tx.conn)))
        if await link(tx, incident, chosen, self.rules.most_streams, by=ACTOR):
            for one in chosen:
                if one.recorded:
                    await want(tx, one.agent_id, one.camera_id, incident_id=incident.id, reason="linkage", by=ACTOR, drill=incident.drill)
        return freed

    async def _with_watched(self, tx: Transaction, incident: IncidentView, chosen: tuple[LinkedCamera, ...], wind: Wind | None, *,
                            turned: bool) -> tuple[LinkedCamera, ...]:
        """What somebody watches stays as the wind turns, and for as long as it is watched."""
        held = [one for one in await links_of(tx.conn, incident.id) if turned or stays_watched(one)]
        return with_watched(chosen, held, await watched_now(tx.conn), wind, self.rules) if held else chosen

    @staticmethod
    async def _recorded(tx: Transaction, incident: IncidentView) -> frozenset[str]:
        return frozenset(camera_id for incident_id, camera_id in await wanted_now(tx.conn) if incident_id == incident.id)

"""Links cameras to each incident as it opens, moves, is verified and ends, and asks for their recordings, all in one transaction.

It decides nothing: `hub.domain.linkage` picks by data, `hub.domain.access.may` says who sees them.
"""

from __future__ import annotations

from typing import Final

from hub.domain.camera import DOWN, CameraHealthChanged, CameraSaved, CameraView, EnterpriseView
from hub.domain.change import Change
from hub.domain.incident import OPEN_STATES, Act, IncidentOpened, IncidentState, IncidentStateChanged, IncidentUpdated, IncidentView
from hub.domain.linkage import LinkageRules, lacks_room, packaged_linkage, pick, within_room
from hub.store import Transaction
from hub.store.cameras import link, linked_now, linking, links_of, list_cameras, names_of, say_linked, unlink, winds
from hub.store.recordings import end_wanted, evidence_of, want, wanted_now
from hub.store.reports import get_incident

ACTOR: Final = "system:linkage"
_MOVES: Final = frozenset({"place", "hazmat", "event_types"})
"""What of an incident decides which cameras see it."""


class Linkage:
    """A reactor. The registry is held in memory until it changes."""

    name = "linkage"
    gather_s = 0.002
    kinds = frozenset({
        "incident.opened", "incident.updated", "incident.state_changed", "camera.saved", "camera.health_changed", "enterprise.saved",
    })

    def __init__(self, rules: LinkageRules | None = None) -> None:
        self.rules = rules or packaged_linkage()
        self._cameras: list[CameraView] | None = None
        self._enterprises: dict[str, EnterpriseView] = {}

    async def react(self, tx: Transaction, change: Change) -> None:
        """Bring the incident's cameras in line with what it is now."""
        match change.kind:
            case "incident.opened":
                await self._link(tx, change.read(IncidentOpened).incident)
            case "incident.updated":
                body = change.read(IncidentUpdated)
                if _MOVES.intersection(body.changed) and body.incident.state in OPEN_STATES:
                    await self._link(tx, body.incident)
            case "incident.state_changed":
                await self._state(tx, change.read(IncidentStateChanged))
            case "camera.health_changed":
                self._cameras = None
                await self._back(tx, change.read(CameraHealthChanged))
            case "camera.saved":
                self._cameras = None
                await self._again(tx, change.read(CameraSaved).camera)
            case _:
                self._cameras = None

    async def _state(self, tx: Transaction, body: IncidentStateChanged) -> None:
        incident = body.incident
        if incident.state not in OPEN_STATES:
            await unlink(tx, incident, incident.state, by=ACTOR)
            freed = await end_wanted(tx, incident_id=incident.id)
            if incident.state is IncidentState.FALSE_ALARM:
                await evidence_of(tx, incident.id, False, by=ACTOR)
            if freed:
                await self._use_room(tx)
        elif body.act is Act.REOPEN:
            await evidence_of(tx, incident.id, True, by=ACTOR)
            await self._link(tx, incident)
        elif body.act is Act.VERIFY and (held := await links_of(tx.conn, incident.id)):
            say_linked(tx, incident, held, self.rules.most_streams, by=ACTOR)

    async def _back(self, tx: Transaction, body: CameraHealthChanged) -> None:
        """A camera that has its picture again plays and is recorded in the open incidents that link it."""
        if body.before not in DOWN or body.camera.health in DOWN:
            return
        await self._again(tx, body.camera)

    async def _again(self, tx: Transaction, camera: CameraView) -> None:
        """Choose anew for the open incidents that link a camera: it stands, looks or works otherwise now."""
        for incident_id in await linking(tx.conn, camera.id):
            incident = await get_incident(tx.conn, incident_id)
            if incident is not None and incident.state in OPEN_STATES:
                await self._link(tx, incident)

    async def _use_room(self, tx: Transaction) -> None:
        """Recordings have ended: incidents with cameras that were left out for want of room have them recorded, the oldest first."""
        for incident_id, held in sorted((await linked_now(tx.conn)).items()):
            incident = await get_incident(tx.conn, incident_id) if lacks_room(held) else None
            if incident is not None and incident.state in OPEN_STATES:
                await self._link(tx, incident)

    async def _link(self, tx: Transaction, incident: IncidentView) -> None:
        if self._cameras is None:
            self._cameras, self._enterprises = await list_cameras(tx.conn), dict(await names_of(tx.conn))
        if not self._cameras:
            return
        chosen = pick(incident, self._cameras, self._enterprises, await winds(tx.conn), tx.now, self.rules)
        await end_wanted(tx, incident_id=incident.id, but=frozenset(one.id for one in chosen))
        going = await wanted_now(tx.conn)
        chosen = within_room(chosen, frozenset(camera_id for incident_id, camera_id in going if incident_id == incident.id),
                             self.rules.most_recordings - len(going))
        if not await link(tx, incident, chosen, self.rules.most_streams, by=ACTOR):
            return
        for one in chosen:
            if one.recorded:
                await want(tx, one.agent_id, one.camera_id, incident_id=incident.id, reason="linkage", by=ACTOR, drill=incident.drill)

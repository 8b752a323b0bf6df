"""Keeps the camera registry in line with what agents say, and an enterprise's duty to keep its cameras online."""

from __future__ import annotations

from typing import Final

from hub.domain.agent import AgentPresence, AgentRevoked, AgentView
from hub.domain.camera import DOWN, CameraSaved, CameraView
from hub.domain.change import Change
from hub.domain.duty_rules import DutyRules, packaged_rules
from hub.domain.obligation import LIVE, Evidence, Owed
from hub.store import Transaction
from hub.store import obligations as ledger
from hub.store.cameras import get_camera, note_cameras

ACTOR: Final = "system:cameras"
KIND: Final = "camera_online"


class CameraBook:
    """A reactor on presence and on the registry: cameras appear, change state, go offline with their agent, or are registered while they are away."""

    name = "cameras"
    kinds = frozenset({"agent.presence", "agent.revoked", "camera.saved"})

    def __init__(self, rules: DutyRules | None = None) -> None:
        self.rules = rules or packaged_rules()

    async def react(self, tx: Transaction, change: Change) -> None:
        """Note what the agent says; a camera without a picture owes one, one that has it again has met that duty."""
        if change.kind == "camera.saved":
            camera = await get_camera(tx.conn, change.read(CameraSaved).camera.id)
            return await self._duty(tx, camera) if camera is not None else None
        view: AgentView = change.read(AgentRevoked).agent if change.kind == "agent.revoked" else change.read(AgentPresence).agent
        for changed in await note_cameras(tx, view):
            await self._duty(tx, changed.camera)

    async def _duty(self, tx: Transaction, camera: CameraView) -> None:
        if camera.enterprise_id is None or camera.department_id is None or not camera.placed:
            return
        listed = await ledger.list_obligations(tx.conn, owed_only=True, kinds=[KIND], subject=f"camera:{camera.id}", limit=20)
        owed = [duty for duty in listed if duty.state in LIVE]
        if camera.health == "offline" and not owed:
            await self._owe(tx, camera)
        elif camera.health not in DOWN:
            for duty in owed:
                await ledger.meet(tx, self.rules, duty.id, by=ACTOR, evidence=Evidence(ref=f"camera:{camera.id}", at=tx.now))

    async def _owe(self, tx: Transaction, camera: CameraView) -> None:
        """Once for each time that it went away."""
        department_id = camera.department_id or ""
        await ledger.make(tx, self.rules, [Owed(
            key=f"{KIND}:{camera.id}:{camera.since}", kind=KIND, subject=f"camera:{camera.id}", department_id=department_id, post_id=f"{department_id}.duty",
            title_zh=f"摄像头 {camera.name} 恢复在线", title_en=f"bring the camera {camera.name} back online", due_at=tx.now,
        )], actor=ACTOR)

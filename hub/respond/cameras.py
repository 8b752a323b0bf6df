"""Keeps the camera registry in line with what agents say, and an enterprise's duty to keep its cameras online."""

from __future__ import annotations

from typing import Final

from hub.domain.agent import AgentPresence, AgentRevoked, AgentView
from hub.domain.camera import DOWN, CameraHealthChanged, CameraView
from hub.domain.change import Change
from hub.domain.duty_rules import DutyRules, packaged_rules
from hub.domain.obligation import Evidence, Owed, State
from hub.store import Transaction
from hub.store import obligations as ledger
from hub.store.cameras import note_cameras

ACTOR: Final = "system:cameras"
KIND: Final = "camera_online"


class CameraBook:
    """A reactor on presence: cameras appear, change state and go offline with their agent."""

    name = "cameras"
    kinds = frozenset({"agent.presence", "agent.revoked"})

    def __init__(self, rules: DutyRules | None = None) -> None:
        self.rules = rules or packaged_rules()

    async def react(self, tx: Transaction, change: Change) -> None:
        """Note what the agent says; a camera that lost its picture owes it back, one that has it again has met that duty."""
        view: AgentView = change.read(AgentRevoked).agent if change.kind == "agent.revoked" else change.read(AgentPresence).agent
        for changed in await note_cameras(tx, view):
            await self._duty(tx, changed)

    async def _duty(self, tx: Transaction, changed: CameraHealthChanged) -> None:
        camera = changed.camera
        if camera.enterprise_id is None or camera.department_id is None or not camera.placed:
            return
        if camera.health == "offline" and changed.before != "offline":
            await self._owe(tx, camera)
        elif camera.health not in DOWN:
            for duty in await ledger.list_obligations(tx.conn, owed_only=True, kinds=[KIND], subject=f"camera:{camera.id}", limit=20):
                if duty.state in (State.OPEN, State.RETURNED):
                    await ledger.meet(tx, self.rules, duty.id, by=ACTOR, evidence=Evidence(ref=f"camera:{camera.id}", at=tx.now))

    async def _owe(self, tx: Transaction, camera: CameraView) -> None:
        department_id = camera.department_id or ""
        await ledger.make(tx, self.rules, [Owed(
            key=f"{KIND}:{camera.id}:{tx.at}", kind=KIND, subject=f"camera:{camera.id}", department_id=department_id, post_id=f"{department_id}.duty",
            title_zh=f"摄像头 {camera.name} 恢复在线", title_en=f"bring the camera {camera.name} back online", due_at=tx.now,
        )], actor=ACTOR)

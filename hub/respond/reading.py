"""Who has not read what was shared with them: after the policy's minutes it is an obligation with its ladder; reading meets it.

Nothing is owed before that, so that a department which reads in time never has a row. Which departments owe it is the policy's (data).
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hub.domain.change import Change
from hub.domain.duty_rules import DutyRules
from hub.domain.incident import OPEN_STATES, IncidentStateChanged
from hub.domain.obligation import Owed
from hub.domain.sharing import ReceiptSeen
from hub.errors import Unavailable
from hub.store import Store, Transaction
from hub.store import obligations as ledger
from hub.store.access import Policies, PolicyBook
from hub.store.reports import get_incident
from hub.store.sharing import move_unread_cursor, shared_before, unread_cursor, unread_departments

KIND = "incident_unread"
LOOK_EVERY_S = 10.0


class Reading:
    """A reactor: the first reading of a department meets what it owes; an incident that is over is read no more."""

    name = "reading"
    kinds = frozenset({"receipt.seen", "incident.state_changed"})

    def __init__(self, rules: DutyRules) -> None:
        self.rules = rules

    async def react(self, tx: Transaction, change: Change) -> None:
        """Meet or excuse."""
        if change.kind == "receipt.seen":
            receipt = change.read(ReceiptSeen).receipt
            await ledger.meet_where_owed(tx, self.rules, by=change.actor, subject=_subject(receipt.incident_id, receipt.department_id), kinds={KIND})
            return
        after = change.read(IncidentStateChanged).incident
        if after.state not in OPEN_STATES:
            await ledger.excuse_where_owed(tx, self.rules, by="system:reading", reason="事件已结束 / the incident is over", incident_id=after.id,
                                           kinds={KIND})


def _subject(incident_id: str, department_id: str) -> str:
    return f"unread:{incident_id}:{department_id}"


async def owe(tx: Transaction, rules: DutyRules, policies: Policies) -> int:
    """Put on the ledger what has stayed unread for the policy's minutes; gives how many sharings were looked over. Twice is once."""
    waited = timedelta(minutes=policies.sharing.unread_after_min)
    due = await shared_before(tx.conn, await unread_cursor(tx.conn), tx.now - waited)
    for incident_id, drill in {incident_id: drill for _, incident_id, drill in due}.items():
        view = await get_incident(tx.conn, incident_id)
        if view is None or view.state not in OPEN_STATES:
            continue
        await ledger.make(tx, rules, [
            Owed(key=_subject(incident_id, department_id), kind=KIND, department_id=department_id, post_id=f"{department_id}.duty",
                 subject=_subject(incident_id, department_id), title_zh=f"请查阅共享事件 {view.no}", title_en=f"read the shared incident {view.no}",
                 due_at=tx.now, incident_id=incident_id, drill=drill)
            for department_id in await unread_departments(tx.conn, incident_id, policies.sharing)
        ], actor="system:reading")
    if due:
        await move_unread_cursor(tx, due[-1][0])
    return len(due)


async def watch(store: Store, rules: DutyRules) -> None:
    """Look for ever for what stays unread; waits out a store that is away."""
    book = PolicyBook()
    while True:
        try:
            async with store.read() as conn:
                policies = await book.read(conn)
                waited = timedelta(minutes=policies.sharing.unread_after_min)
                waiting = await shared_before(conn, await unread_cursor(conn), store.clock.now() - waited, limit=1)
            if waiting:
                async with store.transaction() as tx:
                    await owe(tx, rules, policies)
        except Unavailable:
            pass
        await asyncio.sleep(LOOK_EVERY_S)

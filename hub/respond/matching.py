"""Matches plans to incidents as they open and change, and puts in force what a plan's own rule wants at once. Holds no rule of its own.

Cheap on purpose, since reports are taken in by the same process: facts that did not change are not matched again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

from hub.domain.activation import match_view, stood_in
from hub.domain.change import Change
from hub.domain.duty_rules import DutyRules
from hub.domain.incident import OPEN_STATES, IncidentOpened, IncidentView
from hub.store import Transaction
from hub.store.activations import begin_automatic, responses_of
from hub.store.duty_data import load_rules
from hub.store.plans import facts_from, facts_text, get_match, matched_among, plans_in_force, put_match, stated_facts
from hub.store.reports import get_incident, list_incidents
from plans.activate import automatic_activations
from plans.facts import IncidentFacts
from plans.match import Library, match, rematch_diff

SHOWN = 8
"""Plans listed in a matching: more than a desk reads (our own choice)."""
_AGAIN = 200
"""Open incidents matched anew where a plan comes in force or ends: the newest ones."""


class Matching:
    """A reactor. The library is compiled when a plan changes or the day turns."""

    name = "matching"
    kinds = frozenset({"incident.opened", "incident.updated", "incident.graded", "incident.fact_stated", "plan.saved", "plan.status_changed"})

    def __init__(self, rules: DutyRules) -> None:
        self.zone = ZoneInfo(rules.calendar.zone)
        self._library: Library | None = None
        self._day: date | None = None
        self._in_force: frozenset[tuple[str, int]] | None = None
        self._compiled_at = ""
        self._known: set[str] = set()

    async def prepare(self, tx: Transaction, changes: Sequence[Change]) -> None:
        """Compile the library anew where the stretch holds a change of plans or the day turned; other plans are matched to what is open at once."""
        self._known = await matched_among(tx.conn, [c.incident_id for c in changes if c.incident_id is not None])
        today = tx.now.astimezone(self.zone).date()
        newest = max((c.at for c in changes if c.kind.startswith("plan.")), default="")
        if self._library is None or self._day != today or newest >= self._compiled_at:
            plans = await plans_in_force(tx.conn, today)
            before, after = self._in_force, frozenset((plan.id, plan.version) for plan in plans)
            self._library, self._in_force = Library(plans), after
            self._day, self._compiled_at = today, tx.at
            if newest or before not in (None, after):
                for view in await list_incidents(tx.conn, open_only=True, limit=_AGAIN):
                    await self._match(tx, self._library, view, again=True)

    async def react(self, tx: Transaction, change: Change) -> None:
        """Match the incident of one change."""
        if change.kind.startswith("plan.") or self._library is None:
            return
        opened = change.kind == "incident.opened"
        view = change.read(IncidentOpened).incident if opened else await get_incident(tx.conn, change.incident_id or "")
        if view is not None and view.state in OPEN_STATES:
            await self._match(tx, self._library, view)

    async def _match(self, tx: Transaction, library: Library, view: IncidentView, *, again: bool = False) -> None:
        """Match one incident; nothing is written where its facts did not change (`again`: the plans did). What changed since is said."""
        held = await get_match(tx.conn, view.id) if again or view.id in self._known else None
        stated = await stated_facts(tx.conn, view.id) if held is not None else {}
        facts = facts_from(view, self.zone, stated)
        if held is not None and held[1] == facts and not again:
            return
        result = match(library, facts, limit=SHOWN)
        diff = rematch_diff(stood_in(held[0]), result) if held is not None else None
        after = match_view(view.id, result, at=tx.at, version=held[0].version + 1 if held else 1, diff=diff)
        if held is not None and again and after.plans == held[0].plans:
            return
        await put_match(tx, after, facts_text(facts), fresh=held is None, department_id=view.department_id, drill=view.drill)
        self._known.add(view.id)
        await self._automatic(tx, library, view, facts)

    async def _automatic(self, tx: Transaction, library: Library, view: IncidentView, facts: IncidentFacts) -> None:
        able = [entry.plan for entry in library.entries if entry.plan.automatic is not None]
        wanted = automatic_activations(able, facts, tx.now)
        if not wanted or await responses_of(tx.conn, view.id):
            return
        for found in wanted[:1]:
            await begin_automatic(tx, await load_rules(tx.conn), view, facts, found, library.by_id[found.plan_id].plan)

"""When somebody leaves, moves or is released, the duties of their posts pass on: no duty post and no coming shift goes on naming who is gone.

A duty belongs to the post, so its obligations stay where they are; what changes is who is reached.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from hub.domain.change import Change
from hub.domain.organisation import AppointmentSaved, PersonLeft
from hub.domain.roster import Post, Shift
from hub.errors import Rejected
from hub.store import Transaction, organisation
from hub.store.roster import list_posts, save_post, save_shift, shifts_of

ACTOR: Final = "system:leaving"
AHEAD: Final = timedelta(days=400)
"""How far ahead shifts are looked over (our own choice: longer than any roster)."""


class Leaving:
    """A reactor on `person.left` and on releases, moving among them."""

    name = "leaving"
    kinds = frozenset({"person.left", "appointment.saved"})

    async def react(self, tx: Transaction, change: Change) -> None:
        """Take the person off the duty posts and coming shifts; the holders of the substitute posts take their place.

        Whoever leaves is taken off all of them, whoever is released off those of a department in which he holds no other post.
        """
        if change.kind == "person.left":
            left = change.read(PersonLeft)
            await self._take_off(tx, left.person.id, left.successors.values(), None)
            return
        saved = change.read(AppointmentSaved)
        what = await organisation.get_post(tx.conn, saved.appointment.post_id) if saved.act == "released" else None
        if what is None or what.department_id is None:
            return
        held = await organisation.held_posts(tx.conn, saved.appointment.person_id, tx.now)
        if all(post.department_id != what.department_id for post in held):
            await self._take_off(tx, saved.appointment.person_id, [saved.successor_id], {what.department_id})

    async def _take_off(self, tx: Transaction, person_id: str, successors: Iterable[str | None], departments: set[str] | None) -> None:
        """Off the duty posts of these departments (None: of all)."""
        instead = await self._substitutes(tx, successors)
        posts = await list_posts(tx.conn, departments=departments)
        for post in posts:
            if person_id in post.members:
                await save_post(tx, _without(post, person_id, instead), by=ACTOR)
        for shift in await shifts_of(tx.conn, posts=[post.id for post in posts], first=tx.now, last=tx.now + AHEAD):
            if shift.on_duty == person_id and not shift.cancelled:
                await self._hand_over(tx, shift, instead)

    async def _substitutes(self, tx: Transaction, successors: Iterable[str | None]) -> tuple[str, ...]:
        wanted = [successor for successor in successors if successor is not None]
        found = await organisation.holders(tx.conn, tx.now, wanted) if wanted else {}
        return tuple(dict.fromkeys(person.id for post_id in wanted for person in found.get(post_id, ())))

    async def _hand_over(self, tx: Transaction, shift: Shift, instead: tuple[str, ...]) -> None:
        """To the first substitute who is free at that time; with none the shift is cancelled, so that the post's own holders are reached."""
        for person_id in instead:
            try:
                await save_shift(tx, msgspec.structs.replace(shift, substitute_id=person_id), by=ACTOR)
            except Rejected:
                continue  # busy with a shift of their own
            return
        await save_shift(tx, _cut(shift, tx.now), by=ACTOR)


def _without(post: Post, person_id: str, instead: tuple[str, ...]) -> Post:
    members = tuple(member for member in post.members if member != person_id)
    return msgspec.structs.replace(post, members=members or instead)


def _cut(shift: Shift, now: datetime) -> Shift:
    return msgspec.structs.replace(shift, cancelled=True) if shift.starts_at >= now else msgspec.structs.replace(shift, ends_at=now)

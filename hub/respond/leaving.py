"""When somebody leaves, the duties of their posts pass on: no duty post and no coming shift goes on naming a person who is gone.

A duty belongs to the post, so its obligations stay where they are; what changes is who is reached.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from hub.domain.change import Change
from hub.domain.organisation import PersonLeft
from hub.domain.roster import Post, Shift
from hub.errors import Rejected
from hub.store import Transaction
from hub.store.organisation import holders
from hub.store.roster import list_posts, save_post, save_shift, shifts_of

ACTOR: Final = "system:leaving"
AHEAD: Final = timedelta(days=400)
"""How far ahead shifts are looked over (our own choice: longer than any roster)."""


class Leaving:
    """A reactor on `person.left`."""

    name = "leaving"
    kinds = frozenset({"person.left"})

    async def react(self, tx: Transaction, change: Change) -> None:
        """Take the person off every duty post and coming shift; the holders of the substitute posts take their place."""
        left = change.read(PersonLeft)
        instead = await self._substitutes(tx, left)
        posts = await list_posts(tx.conn)
        for post in posts:
            if left.person.id in post.members:
                await save_post(tx, _without(post, left.person.id, instead), by=ACTOR)
        for shift in await shifts_of(tx.conn, posts=[post.id for post in posts], first=tx.now, last=tx.now + AHEAD):
            if shift.on_duty == left.person.id and not shift.cancelled:
                await self._hand_over(tx, shift, instead)

    async def _substitutes(self, tx: Transaction, left: PersonLeft) -> tuple[str, ...]:
        wanted = [successor for successor in left.successors.values() if successor is not None]
        found = await holders(tx.conn, tx.now, wanted) if wanted else {}
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

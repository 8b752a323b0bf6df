"""A small district for tests of duties: rules with short ladders, posts with people, duties ready to be put on the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import msgspec

from hub.domain.duty_rules import DutyRules, packaged_rules
from hub.domain.ladder import Ladder, Step, Whom
from hub.domain.notice import Contact
from hub.domain.obligation import Kind, Owed
from hub.domain.roster import Post
from hub.ids import new_id
from hub.store import Store, Transaction
from hub.store.notices import save_contact
from hub.store.roster import make_standard_posts, save_post

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def step(offset_min: float, *whom: Whom, channels: tuple[str, ...] = ("console", "push"), ack: float = 10, age: float = 120) -> Step:
    """A step, urgent so that the hour of the day makes no difference."""
    return Step(offset_min=offset_min, whom=whom or (Whom.POST,), channels=channels, ack_within_min=ack, max_age_min=age, urgent=True,
                template="reminder" if offset_min < 0 else "overdue")


LADDER = Ladder(id="short", zh="短梯", en="short", steps=(
    step(-10), step(0), step(10, Whom.LEADER), step(20, Whom.COMMAND_CENTRE),
))
KIND = Kind(id="test", zh="测试事项", en="test duty", ladder="short", grace_min=0, lock_min=60, ack_valid_min=15, correction_min=60)


def rules() -> DutyRules:
    """The packaged rules with the kind `test` and its ladder `short`."""
    base = packaged_rules()
    return msgspec.structs.replace(
        base, kinds=MappingProxyType({**base.kinds, "test": KIND}), ladders=MappingProxyType({**base.ladders, "short": LADDER}),
    )


def owed(n: int | str = 1, *, department: str = "water-bureau", due: datetime = NOW + 30 * MINUTE, **other: object) -> Owed:
    """A duty of a department's duty post."""
    values: dict[str, object] = {
        "key": f"test:{n}", "kind": "test", "department_id": department, "post_id": f"{department}.duty", "subject": f"thing:{n}",
        "title_zh": f"事项{n}", "title_en": f"duty {n}", "due_at": due, **other,
    }
    return Owed(**values)  # type: ignore[arg-type]


async def people(tx: Transaction, *departments: str) -> None:
    """Posts for these departments and the centre, each with somebody in it."""
    names = [(d, d, d) for d in ("district-office", *departments)]
    for post in await make_standard_posts(tx, names, centre="district-office", by="person:admin"):
        await save_post(tx, msgspec.structs.replace(post, members=(f"{post.id}-person",)), by="person:admin")


async def give_contact(store: Store, post_id: str, address: str, **other: object) -> Contact:
    """A contact of a post."""
    async with store.transaction() as tx:
        return await save_contact(tx, Contact(id=new_id(), name=post_id, address=address, post_id=post_id, **other), by="person:admin")  # type: ignore[arg-type]


async def empty_post(store: Store, post: Post) -> None:
    """Take everybody off a post."""
    async with store.transaction() as tx:
        await save_post(tx, msgspec.structs.replace(post, members=()), by="person:admin")

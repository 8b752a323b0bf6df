"""What the hub itself knows of the district tonight, for the linter of plans: rosters, stock and contacts beside the data files' towns and types."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import structs
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.notice import ContactState
from hub.store.activations import bindings
from hub.store.resources import list_resources
from hub.store.roster import list_posts
from hub.store.schema_duty import contact as contact_table
from plans.activate import Post
from plans.check import Contact, District, StockLine
from plans.district import district_of_data

_REACHABLE = {ContactState.REACHABLE.value: True, ContactState.UNREACHABLE.value: False}


async def district_now(conn: AsyncConnection, now: datetime, zone: ZoneInfo, *, drill: bool = False) -> District:
    """The district at `now`: who is on duty, what is free and in date, whose address last failed. Invented stock counts in drills alone."""
    today = now.astimezone(zone).date()
    bound = await bindings(conn, now)
    stock = tuple(StockLine(r.capability, r.unit, r.free) for r in await list_resources(conn)
                  if r.active and (drill or not r.demo) and (r.expires_on is None or r.expires_on >= today))
    posts: dict[str, tuple[Post, ...]] = {department: (post,) for department, post in bound.posts.items()}
    return structs.replace(district_of_data(today), posts=posts, stock=stock, contacts=await _contacts(conn), names=bound.names)


async def _contacts(conn: AsyncConnection) -> tuple[Contact, ...]:
    departments = {post.id: post.department_id for post in await list_posts(conn)}
    rows = await conn.execute(select(contact_table.c.post_id, contact_table.c.address, contact_table.c.state).where(
        contact_table.c.active, contact_table.c.post_id.is_not(None)).order_by(contact_table.c.id))
    return tuple(Contact(departments[row.post_id], row.post_id, _REACHABLE.get(row.state)) for row in rows if row.post_id in departments)

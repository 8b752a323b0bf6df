"""Tables of sharing groups: groups, their members, posts, and how far each department has read."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, UniqueConstraint

from hub.store.schema import metadata

sharing_group = Table(
    "sharing_group", metadata,
    Column("id", Text, primary_key=True),
    Column("document", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("last_number", Integer, nullable=False),
)
group_member = Table(
    "group_member", metadata,
    Column("group_id", Text, primary_key=True),
    Column("department_id", Text, primary_key=True),
    Index("ix_group_member_department", "department_id"),
)
group_post = Table(
    "group_post", metadata,
    Column("id", Text, primary_key=True),
    Column("group_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("document", Text, nullable=False),
    UniqueConstraint("group_id", "number"),
)
group_read = Table(
    "group_read", metadata,
    Column("group_id", Text, primary_key=True),
    Column("department_id", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("at", Text, nullable=False),
)

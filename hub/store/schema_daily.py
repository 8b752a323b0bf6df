"""Tables of the daily report: templates and schedules in versions, days made, filed versions, drafts, flags, digests."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, UniqueConstraint, text

from hub.store.schema import metadata

daily_document = Table(
    "daily_document", metadata,
    Column("what", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", Text, nullable=False),
    Column("saved_at", Text, nullable=False),
    Column("saved_by", Text, nullable=False),
)
daily_made = Table(
    "daily_made", metadata,
    Column("day", Text, primary_key=True),
    Column("stamp", Text, nullable=False),
    Column("made_at", Text, nullable=False),
)
daily_filing = Table(
    "daily_filing", metadata,
    Column("id", Text, primary_key=True),
    Column("duty_id", Text, nullable=False),
    Column("department_id", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("template_version", Integer, nullable=False),
    Column("day", Text, nullable=False),
    Column("slot", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("zero", Boolean, nullable=False),
    Column("content", Text, nullable=False),
    Column("note", Text),
    Column("state", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("filed_at", Text, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("late_reason", Text),
    Column("receipt_no", Text, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("drill", Boolean, nullable=False),
    Column("contradictions", Text, nullable=False),
    Column("explanation", Text),
    Column("decided_by", Text),
    Column("decided_at", Text),
    Column("reason", Text),
    Column("current", Boolean, nullable=False),
    UniqueConstraint("duty_id", "version"),
    Index("ix_daily_filing_current", "duty_id", unique=True, sqlite_where=text("current"), postgresql_where=text("current")),
    Index("ix_daily_filing_day", "day", "department_id"),
)
daily_draft = Table(
    "daily_draft", metadata,
    Column("duty_id", Text, primary_key=True),
    Column("person", Text, primary_key=True),
    Column("content", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
)
daily_flag = Table(
    "daily_flag", metadata,
    Column("duty_id", Text, primary_key=True),
    Column("filing_id", Text, nullable=False),
    Column("department_id", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("drill", Boolean, nullable=False),
    Column("raised", Boolean, nullable=False),
    Column("flag", Text, nullable=False),
    Index("ix_daily_flag_day", "day"),
)
digest = Table(
    "digest", metadata,
    Column("day", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    UniqueConstraint("id"),
)

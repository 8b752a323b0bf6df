"""Tables of plans, what they matched, responses in force, zones and resources. Views are JSON text; the columns beside them are for asking."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, Table, Text, UniqueConstraint

from hub.store.schema import metadata

plan_version = Table(
    "plan_version", metadata,
    Column("id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("status", Text, nullable=False),
    Column("head", Text, nullable=False),
    Column("document", Text, nullable=False),
    Index("ix_plan_version_status", "status"),
)
plan_step = Table(
    "plan_step", metadata,
    Column("id", Text, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("view", Text, nullable=False),
)
plan_match = Table(
    "plan_match", metadata,
    Column("incident_id", Text, primary_key=True),
    Column("facts_sha256", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("view", Text, nullable=False),
)
stated_fact = Table(
    "stated_fact", metadata,
    Column("incident_id", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("stated_by", Text, nullable=False),
    Column("stated_at", Text, nullable=False),
)
activation = Table(
    "activation", metadata,
    Column("id", Text, primary_key=True),
    Column("incident_id", Text, nullable=False),
    Column("active_key", Text),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("head", Text, nullable=False),
    Column("document", Text, nullable=False),
    UniqueConstraint("active_key"),
    Index("ix_activation_incident", "incident_id", "id"),
)
zone_set = Table(
    "zone_set", metadata,
    Column("incident_id", Text, primary_key=True),
    Column("live", Boolean, nullable=False),
    Column("follows_wind", Boolean, nullable=False),
    Column("due", Boolean, nullable=False),
    Column("typed", Text),
    Column("version", Integer, nullable=False),
    Column("view", Text),
    Index("ix_zone_set_due", "due"),
    Index("ix_zone_set_live", "live", "follows_wind"),
)
evacuation_tick = Table(
    "evacuation_tick", metadata,
    Column("incident_id", Text, primary_key=True),
    Column("receptor_id", Text, primary_key=True),
    Column("done", Boolean, nullable=False),
    Column("note", Text, nullable=False),
    Column("ticked_by", Text, nullable=False),
    Column("ticked_at", Text, nullable=False),
)
resource = Table(
    "resource", metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("department_id", Text, nullable=False),
    Column("capability", Text, nullable=False),
    Column("quantity", Float, nullable=False),
    Column("expires_on", Text),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("view", Text, nullable=False),
    Index("ix_resource_capability", "capability", "active"),
)
resource_request = Table(
    "resource_request", metadata,
    Column("id", Text, primary_key=True),
    Column("incident_id", Text, nullable=False),
    Column("activation_id", Text),
    Column("key", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("department_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("view", Text, nullable=False),
    UniqueConstraint("key"),
    Index("ix_resource_request_incident", "incident_id", "id"),
)

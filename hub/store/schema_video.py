"""Tables of video: enterprises, cameras, which incident links which camera, recordings and their segments, open views, links for other players."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text

from hub.store.schema import BigInt, metadata

enterprise = Table(
    "enterprise", metadata,
    Column("id", Text, primary_key=True),
    Column("department_id", Text),
    Column("version", Integer, nullable=False),
    Column("view", Text, nullable=False),
)
camera = Table(
    "camera", metadata,
    Column("id", Text, primary_key=True),
    Column("agent_id", Text, nullable=False),
    Column("enterprise_id", Text),
    Column("department_id", Text),
    Column("health", Text, nullable=False),
    Column("view", Text, nullable=False),
    Index("ix_camera_agent", "agent_id"),
    Index("ix_camera_enterprise", "enterprise_id"),
)
camera_health = Table(
    "camera_health", metadata,
    Column("camera_id", Text, primary_key=True),
    Column("at", Text, primary_key=True),
    Column("health", Text, nullable=False),
    Index("ix_camera_health_at", "at"),
)
camera_link = Table(
    "camera_link", metadata,
    Column("incident_id", Text, primary_key=True),
    Column("camera_id", Text, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("linked_at", Text, nullable=False),
    Column("ended_at", Text),
    Column("view", Text, nullable=False),
    Index("ix_camera_link_camera", "camera_id", "ended_at"),
)
recording = Table(
    "recording", metadata,
    Column("id", Text, primary_key=True),
    Column("incident_id", Text),
    Column("camera_id", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("ended_at", Text),
    Column("wanted", Boolean, nullable=False),
    Column("evidence", Boolean, nullable=False),
    Column("owner", Text),
    Column("owner_until", Text),
    Column("view", Text, nullable=False),
    Index("ix_recording_incident", "incident_id"),
    Index("ix_recording_wanted", "wanted"),
)
recording_segment = Table(
    "recording_segment", metadata,
    Column("recording_id", Text, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("size_bytes", BigInt, nullable=False),
    Column("view", Text, nullable=False),
)
camera_view = Table(
    "camera_view", metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("seen_at", Text, nullable=False),
    Column("department_id", Text),
    Column("view", Text, nullable=False),
    Index("ix_camera_view_owner", "owner"),
)
feed_link = Table(
    "feed_link", metadata,
    Column("id", Text, primary_key=True),
    Column("camera_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
)

"""The tables every stage stands on, and the shared `metadata`. Each further area keeps its tables in `schema_<area>.py`.

Times are canonical UTC text (`hub.clock.utc_text`), JSON is text as the product wrote it. The change tables are append-only by trigger.
"""

from __future__ import annotations

import importlib
import importlib.util

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
UTF8 = "utf8"
"""Marks a text column (`info`) whose values SQLite may be given as the UTF-8 that they are already: decoded, they would be encoded again at once."""
BigInt = BigInteger().with_variant(Integer, "sqlite")

change = Table(
    "change", metadata,
    Column("seq", BigInt, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("incident_id", Text),
    Column("department_id", Text),
    Column("drill", Boolean, nullable=False),
    Column("body_sha256", Text, nullable=False),
    Column("prev_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("ix_change_incident_seq", "incident_id", "seq"),
)
change_body = Table(
    "change_body", metadata,
    Column("seq", BigInt, ForeignKey("change.seq", deferrable=True, initially="DEFERRED"), primary_key=True, autoincrement=False),
    Column("salt", LargeBinary, nullable=False),
    Column("body", Text, nullable=False, info={UTF8: True}),
)
counter = Table(
    "counter", metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInt, nullable=False),
)
reactor = Table(
    "reactor", metadata,
    Column("name", Text, primary_key=True),
    Column("cursor", BigInt, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", Text),
    Column("error", Text),
    Column("failures", Integer, nullable=False, default=0),
)
setting = Table(
    "setting", metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    Column("updated_by", Text, nullable=False),
)
agent = Table(
    "agent", metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("department_id", Text, nullable=False),
    Column("enterprise_id", Text),
    Column("secret_hash", Text),
    Column("public_key", Text),
    Column("certificate_serial", Text),
    Column("trusted", Boolean, nullable=False, default=False),
    Column("must_sign", Boolean, nullable=False, default=False),
    Column("quota_per_minute", Integer),
    Column("created_at", Text, nullable=False),
    Column("revoked_at", Text),
    Column("online", Boolean, nullable=False, default=False),
    Column("seen_at", Text),
    Column("presence", Text),
    Column("telemetry", Text),
)
enrol_code = Table(
    "enrol_code", metadata,
    Column("code_hash", Text, primary_key=True),
    Column("agent_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("department_id", Text, nullable=False),
    Column("enterprise_id", Text),
    Column("trusted", Boolean, nullable=False, default=False),
    Column("must_sign", Boolean, nullable=False, default=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("used_at", Text),
)
report = Table(
    "report", metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("incident_id", Text, nullable=False),
    Column("department_id", Text),
    Column("agent_id", Text),
    Column("actor", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("receipt_no", Text, nullable=False),
    Column("occurred_at", Text, nullable=False),
    Column("received_at", Text, nullable=False),
    Column("skew_s", Float),
    Column("urgent", Boolean, nullable=False),
    Column("drill", Boolean, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("seq", BigInt),
    Column("view", Text, nullable=False),
    Index("ix_report_incident_number", "incident_id", "number"),
    Index("ix_report_received", "received_at", "id"),
)
incident = Table(
    "incident", metadata,
    Column("id", Text, primary_key=True),
    Column("number", BigInt, nullable=False),
    Column("no", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("department_id", Text),
    Column("event_type", Text),
    Column("grade", Text),
    Column("lon", Float),
    Column("lat", Float),
    Column("adcode", Text),
    Column("occurred_at", Text, nullable=False),
    Column("opened_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    Column("acknowledged", Boolean, nullable=False),
    Column("verified", Boolean, nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("drill", Boolean, nullable=False),
    Column("merged_into", Text),
    Column("version", Integer, nullable=False),
    Column("view", Text, nullable=False),
    Column("cell", Integer),  # hub.domain.coordinates.cell_of
    UniqueConstraint("number"),
    Index("ix_incident_cell_occurred", "cell", "occurred_at"),
    Index("ix_incident_state_number", "state", "number"),
    Index("ix_incident_acknowledged_number", "acknowledged", "number"),
    Index("ix_incident_occurred", "occurred_at"),
)
merge_proposal = Table(
    "merge_proposal", metadata,
    Column("id", Text, primary_key=True),
    Column("incident_id", Text, nullable=False),
    Column("other_id", Text, nullable=False),
    Column("score", Float, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("proposed_at", Text, nullable=False),
    Column("decided", Text),
    UniqueConstraint("incident_id", "other_id"),
    Index("ix_merge_proposal_other", "other_id"),
)
quarantine = Table(
    "quarantine", metadata,
    Column("id", Text, primary_key=True),
    Column("received_at", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("agent_id", Text),
    Column("message_id", Text),
    Column("reason", Text, nullable=False),
    Column("field", Text),
    Column("message", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("size_bytes", BigInt, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("times", Integer, nullable=False),
    Column("last_at", Text, nullable=False),
    Column("awaits", Text),
    Column("state", Text, nullable=False),
    Column("decided_at", Text),
    Column("decided_by", Text),
    UniqueConstraint("fingerprint"),
    Index("ix_quarantine_state_received", "state", "received_at", "id"),
    Index("ix_quarantine_awaits", "awaits"),
    Index("ix_quarantine_agent_state", "agent_id", "state", "size_bytes"),
)
attachment = Table(
    "attachment", metadata,
    Column("sha256", Text, primary_key=True),
    Column("report_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size_bytes", BigInt, nullable=False),
    Column("complete_at", Text),
    Index("ix_attachment_report", "report_id"),
)
attachment_upload = Table(
    "attachment_upload", metadata,
    Column("sha256", Text, primary_key=True),
    Column("owner", Text, primary_key=True),
    Column("at", Text, nullable=False),
)
"""Who has sent the whole of a file: naming the hash of a file that one has never had must open nobody's file."""

AREAS = ("people", "duty", "daily", "video", "plan", "group", "proof")
"""The further areas; `hub.store.schema_<area>` adds its tables to `metadata` when it is imported."""


def all_tables() -> MetaData:
    """The metadata with the tables of every area."""
    for area in AREAS:
        name = f"hub.store.schema_{area}"
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
    return metadata

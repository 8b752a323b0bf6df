"""Tables of people and access: departments, posts, people, appointments, accounts, sessions, shares, agreements, receipts, policies.

An audience is a set of departments with their tiers, stored once: a million incidents that the policy shares alike point at one row.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from hub.store.schema import BigInt, metadata

department = Table(
    "department", metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("parent_id", Text),
    Column("adcode", Text),
    Column("zh", Text, nullable=False),
    Column("en", Text, nullable=False),
    Column("active", Boolean, nullable=False),
)
post = Table(
    "post", metadata,
    Column("id", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("zh", Text, nullable=False),
    Column("en", Text, nullable=False),
    Column("department_id", Text),
    Column("enterprise_id", Text),
    Column("substitute_id", Text),
    Column("active", Boolean, nullable=False),
    Index("ix_post_department", "department_id"),
)
person = Table(
    "person", metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("phone", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("department_id", Text),
    Column("enterprise_id", Text),
    Column("left_at", Text),
    Index("ix_person_department", "department_id"),
)
appointment = Table(
    "appointment", metadata,
    Column("id", Text, primary_key=True),
    Column("person_id", Text, ForeignKey("person.id"), nullable=False),
    Column("post_id", Text, ForeignKey("post.id"), nullable=False),
    Column("from_at", Text, nullable=False),
    Column("until_at", Text),
    Column("reason", Text, nullable=False),
    Column("ended_at", Text),
    Index("ix_appointment_person", "person_id"),
    Index("ix_appointment_post", "post_id"),
)
account = Table(
    "account", metadata,
    Column("id", Text, primary_key=True),
    Column("person_id", Text, ForeignKey("person.id"), nullable=False),
    Column("login", Text, nullable=False),
    Column("password_hash", Text),
    Column("totp_sealed", Text),
    Column("totp_pending", Text),
    Column("totp_step", BigInt, nullable=False, default=0),
    Column("external_issuer", Text),
    Column("external_subject", Text),
    Column("created_at", Text, nullable=False),
    Column("disabled_at", Text),
    UniqueConstraint("login"),
    UniqueConstraint("external_issuer", "external_subject"),
    Index("ix_account_person", "person_id"),
)
session = Table(
    "session", metadata,
    Column("id", Text, primary_key=True),
    Column("token_hash", Text, nullable=False),
    Column("account_id", Text, ForeignKey("account.id"), nullable=False),
    Column("person_id", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("seen_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("second_factor", Boolean, nullable=False),
    Column("method", Text, nullable=False),
    Column("ended_at", Text),
    Column("ended_reason", Text, nullable=False, default=""),
    UniqueConstraint("token_hash"),
    Index("ix_session_account", "account_id", "ended_at"),
)
sign_in_link = Table(
    "sign_in_link", metadata,
    Column("token_hash", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("account.id"), nullable=False),
    Column("created_at", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("used_at", Text),
)
sign_in_delay = Table(
    "sign_in_delay", metadata,
    Column("key", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", Text, nullable=False),
)
known_address = Table(
    "known_address", metadata,
    Column("account_id", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("last_at", Text, nullable=False),
)
audience = Table(
    "audience", metadata,
    Column("id", Text, primary_key=True),
    Column("assignments", Text, nullable=False),
)
audience_department = Table(
    "audience_department", metadata,
    Column("department_id", Text, primary_key=True),
    Column("audience_id", Text, ForeignKey("audience.id"), primary_key=True),
    Column("rank", Integer, nullable=False),
    Index("ix_audience_department_audience", "audience_id"),
)
incident_audience = Table(
    "incident_audience", metadata,
    Column("incident_id", Text, primary_key=True),
    Column("incident_number", BigInt, nullable=False),
    Column("audience_id", Text, ForeignKey("audience.id"), nullable=False),
    Column("enterprise_id", Text),
    Column("from_at", Text, nullable=False),
    Index("ix_incident_audience_audience", "audience_id", "incident_number"),
    Index("ix_incident_audience_enterprise", "enterprise_id", "incident_number"),
    Index("ix_incident_audience_number", "incident_number"),
)
share = Table(
    "share", metadata,
    Column("id", Text, primary_key=True),
    Column("incident_id", Text, nullable=False),
    Column("incident_number", BigInt, nullable=False),
    Column("department_id", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("origin", Text, nullable=False),
    Column("origin_id", Text),
    Column("from_at", Text, nullable=False),
    Column("until_at", Text),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("by_department_id", Text),
    Column("ended_at", Text),
    Column("ended_reason", Text, nullable=False, default=""),
    Index("ix_share_incident", "incident_id", "department_id"),
    Index("ix_share_department", "department_id", "incident_number"),
    Index("ix_share_origin", "origin", "origin_id"),
    Index("ix_share_until", "ended_at", "until_at"),
)
agreement = Table(
    "agreement", metadata,
    Column("id", Text, primary_key=True),
    Column("giver_id", Text, nullable=False),
    Column("taker_id", Text, nullable=False),
    Column("valid_until", Text, nullable=False),
    Column("active_until", Text),
    Column("ended_at", Text),
    Column("version", Integer, nullable=False),
    Column("view", Text, nullable=False),
    Index("ix_agreement_active", "ended_at", "active_until"),
)
read_receipt = Table(
    "read_receipt", metadata,
    Column("incident_id", Text, primary_key=True),
    Column("department_id", Text, primary_key=True),
    Column("person_id", Text, primary_key=True),
    Column("told_at", Text),
    Column("told_by", Text),
    Column("seen_at", Text),
    Index("ix_read_receipt_department_seen", "department_id", "seen_at"),
)
policy_version = Table(
    "policy_version", metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
)

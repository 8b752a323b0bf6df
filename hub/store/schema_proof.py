"""Tables of proof: the signed heads of the chain (append-only by trigger, see append_only.py), where they were sent, spooled acts taken in, data destroyed."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, Text

from hub.store.schema import BigInt, metadata

chain_head = Table(
    "chain_head", metadata,
    Column("seq", BigInt, primary_key=True, autoincrement=False),
    Column("hash", Text, nullable=False),
    Column("hub_id", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("day", Text, nullable=False, unique=True),
    Column("key_id", Text, nullable=False),
    Column("signature", Text, nullable=False),
)
chain_head_sent = Table(
    "chain_head_sent", metadata,
    Column("seq", BigInt, primary_key=True, autoincrement=False),
    Column("sent_at", Text, nullable=False),
)
spool_taken = Table(
    "spool_taken", metadata,
    Column("spool_id", Text, primary_key=True),
    Column("entries", Integer, nullable=False),
    Column("taken_at", Text, nullable=False),
)
data_destroyed = Table(
    "data_destroyed", metadata,
    Column("incident_id", Text, primary_key=True),
    Column("destroyed_at", Text, nullable=False),
    Column("archive", Text, nullable=False),
    Column("archive_sha256", Text, nullable=False),
)
data_hold = Table(
    "data_hold", metadata,
    Column("incident_id", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("held_by", Text, nullable=False),
    Column("held_at", Text, nullable=False),
)
certificate_warned = Table(
    "certificate_warned", metadata,
    Column("serial", Text, primary_key=True),
    Column("warned_at", Text, nullable=False),
)

"""Tables of proof: the signed heads of the chain (append-only by trigger), where they were sent, spooled acts taken in, data destroyed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import DDL, Column, Integer, Table, Text, event

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

_ddl: Any = DDL
for _act in ("UPDATE", "DELETE"):
    event.listen(chain_head, "after_create", _ddl(
        f"CREATE TRIGGER chain_head_no_{_act.lower()} BEFORE {_act} ON chain_head "
        "BEGIN SELECT RAISE(ABORT, 'signed heads are append-only'); END").execute_if(dialect="sqlite"))
for _statement in (
    "CREATE OR REPLACE FUNCTION tocsin_refuse_head() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'signed heads are append-only'; END $$",
    "CREATE TRIGGER chain_head_no_update BEFORE UPDATE OR DELETE ON chain_head FOR EACH ROW EXECUTE FUNCTION tocsin_refuse_head()",
    "CREATE TRIGGER chain_head_no_truncate BEFORE TRUNCATE ON chain_head FOR EACH STATEMENT EXECUTE FUNCTION tocsin_refuse_head()",
):
    event.listen(chain_head, "after_create", _ddl(_statement).execute_if(dialect="postgresql"))

"""The triggers that make the change table and the signed heads refuse UPDATE, DELETE and TRUNCATE; no migration may rebuild those tables."""

from __future__ import annotations

from sqlalchemy import Connection, text


def guard(connection: Connection) -> None:
    """Install the triggers. A body may be deleted (data protection) but never altered; a change and a signed head neither."""
    statements = _SQLITE if connection.dialect.name == "sqlite" else _POSTGRES
    for statement in statements:
        connection.execute(text(statement))


_SQLITE = (
    "CREATE TRIGGER change_no_update BEFORE UPDATE ON change BEGIN SELECT RAISE(ABORT, 'the change table is append-only'); END",
    "CREATE TRIGGER change_no_delete BEFORE DELETE ON change BEGIN SELECT RAISE(ABORT, 'the change table is append-only'); END",
    "CREATE TRIGGER change_body_no_update BEFORE UPDATE ON change_body BEGIN SELECT RAISE(ABORT, 'a body is never altered'); END",
    "CREATE TRIGGER chain_head_no_update BEFORE UPDATE ON chain_head BEGIN SELECT RAISE(ABORT, 'signed heads are append-only'); END",
    "CREATE TRIGGER chain_head_no_delete BEFORE DELETE ON chain_head BEGIN SELECT RAISE(ABORT, 'signed heads are append-only'); END",
)
_POSTGRES = (
    """CREATE FUNCTION tocsin_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$""",
    "CREATE TRIGGER change_no_update BEFORE UPDATE OR DELETE ON change FOR EACH ROW EXECUTE FUNCTION tocsin_refuse()",
    "CREATE TRIGGER change_no_truncate BEFORE TRUNCATE ON change FOR EACH STATEMENT EXECUTE FUNCTION tocsin_refuse()",
    "CREATE TRIGGER change_body_no_update BEFORE UPDATE ON change_body FOR EACH ROW EXECUTE FUNCTION tocsin_refuse()",
    "CREATE TRIGGER change_body_no_truncate BEFORE TRUNCATE ON change_body FOR EACH STATEMENT EXECUTE FUNCTION tocsin_refuse()",
    "CREATE TRIGGER chain_head_no_update BEFORE UPDATE OR DELETE ON chain_head FOR EACH ROW EXECUTE FUNCTION tocsin_refuse()",
    "CREATE TRIGGER chain_head_no_truncate BEFORE TRUNCATE ON chain_head FOR EACH STATEMENT EXECUTE FUNCTION tocsin_refuse()",
)

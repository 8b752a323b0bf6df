"""The triggers that make the change table refuse UPDATE, DELETE and TRUNCATE; no migration may rebuild that table."""

from __future__ import annotations

from sqlalchemy import Connection, text


def guard(connection: Connection) -> None:
    """Install the triggers. A body may be deleted (data protection) but never altered; a change neither."""
    statements = _SQLITE if connection.dialect.name == "sqlite" else _POSTGRES
    for statement in statements:
        connection.execute(text(statement))


_SQLITE = (
    "CREATE TRIGGER change_no_update BEFORE UPDATE ON change BEGIN SELECT RAISE(ABORT, 'the change table is append-only'); END",
    "CREATE TRIGGER change_no_delete BEFORE DELETE ON change BEGIN SELECT RAISE(ABORT, 'the change table is append-only'); END",
    "CREATE TRIGGER change_body_no_update BEFORE UPDATE ON change_body BEGIN SELECT RAISE(ABORT, 'a body is never altered'); END",
)
_POSTGRES = (
    """CREATE FUNCTION tocsin_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$""",
    "CREATE TRIGGER change_no_update BEFORE UPDATE OR DELETE ON change FOR EACH ROW EXECUTE FUNCTION tocsin_refuse()",
    "CREATE TRIGGER change_no_truncate BEFORE TRUNCATE ON change FOR EACH STATEMENT EXECUTE FUNCTION tocsin_refuse()",
    "CREATE TRIGGER change_body_no_update BEFORE UPDATE ON change_body FOR EACH ROW EXECUTE FUNCTION tocsin_refuse()",
    "CREATE TRIGGER change_body_no_truncate BEFORE TRUNCATE ON change_body FOR EACH STATEMENT EXECUTE FUNCTION tocsin_refuse()",
)

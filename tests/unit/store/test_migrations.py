"""All revisions together make what the schema modules say, on both databases, and the store knows the newest of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

import hub.store.migrate
from hub.store.append_only import guard
from hub.store.engine import open_engines
from hub.store.schema import all_tables

SQLITE = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master WHERE tbl_name <> 'alembic_version'"
POSTGRES = (
    "SELECT table_name, ordinal_position, column_name, data_type, is_nullable, column_default FROM information_schema.columns "
    "WHERE table_schema = 'public' AND table_name <> 'alembic_version'",
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace "
    "AND conrelid::regclass::text <> 'alembic_version'",
    "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
)


async def _catalogue(conn: AsyncConnection) -> set[tuple[str, ...]]:
    """Everything the database knows of its tables, indexes, constraints and triggers."""
    rows: set[tuple[str, ...]] = set()
    for statement in (SQLITE,) if conn.dialect.name == "sqlite" else POSTGRES:
        rows |= {tuple(_plain(str(value)) for value in row) for row in (await conn.execute(text(statement))).all()}
    return rows


def _plain(definition: str) -> str:
    """A definition without white space and quotes, its constraints in an order of their own; columns stay in theirs, which inserts rely on."""
    bare = re.sub(r"[\s\"]+", "", definition)
    columns, *constraints = re.split(r",(?=CONSTRAINT|UNIQUE|PRIMARY|FOREIGN)", bare.removesuffix(")"))
    return columns + "".join(sorted(constraints)) if definition.startswith("CREATE TABLE") else bare


@pytest.fixture
def plain_url(request: pytest.FixtureRequest, store_url: str, tmp_path: Path) -> str:
    """An empty database of the same kind as `store_url`."""
    if store_url.startswith("sqlite"):
        return f"sqlite:///{tmp_path / 'plain.db'}"
    return str(request.getfixturevalue("postgres_server").database("plain"))


async def test_the_revisions_make_the_schema_of_the_modules(store_url: str, plain_url: str) -> None:
    plain = open_engines(plain_url, readers=1).write
    async with plain.begin() as conn:
        await conn.run_sync(all_tables().create_all)
        await conn.run_sync(guard)
        wanted = await _catalogue(conn)
    await plain.dispose()
    migrated = open_engines(store_url, readers=1).write
    async with migrated.connect() as conn:
        there = await _catalogue(conn)
    await migrated.dispose()
    assert sorted(wanted - there) == []
    assert sorted(there - wanted) == []


def test_the_store_opens_at_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(hub.store.migrate.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == hub.store.migrate.HEAD



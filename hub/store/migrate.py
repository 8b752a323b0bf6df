"""Brings a database to the present schema with Alembic, at opening; skips Alembic altogether where the database is up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from hub.store.engine import Engines

HEAD = "0003"
"""The newest revision in `migrations/versions`; a test holds it equal to what Alembic finds there."""


async def migrate(engines: Engines) -> None:
    """Run what is missing up to `HEAD`. Raises RuntimeError for a database of a newer release."""
    async with engines.read.connect() as conn:
        if await _revision(conn) == HEAD:
            return
    async with engines.write.connect() as conn:
        await conn.run_sync(_upgrade)
        await conn.commit()


async def _revision(conn: Any) -> str | None:
    try:
        value = (await conn.execute(text("SELECT version_num FROM alembic_version"))).scalar()
    except DBAPIError as error:
        if "alembic_version" in str(error):
            return None
        raise
    return str(value) if value else None


def _upgrade(connection: Connection) -> None:
    from alembic import command  # imported only where a migration runs: it costs 100 ms
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    if connection.dialect.name == "postgresql":  # several processes may start at once: one migrates, the others then find it done
        connection.execute(text("SELECT pg_advisory_xact_lock(7017)"))
    command.upgrade(config, "head")

"""Brings a database to the present schema with Alembic, at opening; skips Alembic altogether where the database is up to date."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from hub.errors import Rejected
from hub.store.engine import Engines

HEAD = "0005"
"""The newest revision in `migrations/versions`; a test holds it equal to what Alembic finds there."""


async def migrate(engines: Engines) -> None:
    """Run what is missing up to `HEAD`. Raises Rejected for a database of a newer release, and for a file that is none."""
    try:
        async with engines.read.connect() as conn:
            revision = await _revision(conn)
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.DatabaseError) and not isinstance(error.orig, sqlite3.OperationalError):
            raise Rejected("store_unreadable", f"数据库文件无法读取（{error.orig}），请用 tocsin restore 从备份恢复",
                           f"the database file cannot be read ({error.orig}); restore a backup with tocsin restore", field="store_url") from None
        raise
    if revision == HEAD:
        return
    if revision is not None and revision > HEAD:
        raise Rejected("newer_schema", f"数据库由较新的版本写成（{revision}，本版本为 {HEAD}），请用该版本启动，或恢复升级前的备份",
                       f"a newer release has written this database ({revision}, this one knows {HEAD}); start that release, or restore a backup from before",
                       field="store_url")
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

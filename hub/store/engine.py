"""Opens SQLite or PostgreSQL alike: one engine that writes, one that reads. Knows connection settings and nothing else."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hub.errors import Rejected
from hub.store.one_visit import connect


class Engines(NamedTuple):
    """`write` begins with BEGIN IMMEDIATE on SQLite; `read` is in autocommit, so that it never holds a snapshot or a lock."""

    write: AsyncEngine
    read: AsyncEngine
    sqlite: bool


def open_engines(url: str, *, readers: int = 4) -> Engines:
    """Make the engines for a URL `sqlite+aiosqlite:///FILE` or `postgresql+asyncpg://…` (short forms accepted); connects lazily. Raises Rejected."""
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        backend = ""
    if backend not in ("sqlite", "postgresql"):
        raise Rejected("settings", "数据库地址应为 sqlite:///文件 或 postgresql://用户@主机/库", "a store is sqlite:///FILE or postgresql://USER@HOST/DATABASE",
                       field="store_url")
    if backend == "sqlite":
        return _sqlite(parsed.set(drivername="sqlite+aiosqlite"), readers)
    parsed = parsed.set(drivername="postgresql+asyncpg")
    write = create_async_engine(parsed, pool_size=4, max_overflow=4, pool_pre_ping=True, pool_timeout=10)
    # readers commit nothing but numbers, which reach the disk with (and before) whatever is committed under them: the log is one
    read = create_async_engine(
        parsed, pool_size=readers, max_overflow=4, pool_pre_ping=True, pool_timeout=10, isolation_level="AUTOCOMMIT",
        connect_args={"server_settings": {"synchronous_commit": "off"}},
    )
    return Engines(write, read, False)


def _sqlite(url: Any, readers: int) -> Engines:
    memory = not url.database or ":memory:" in url.database
    if memory:
        raise ValueError("the store is a file: an in-memory database could not keep the promise of a receipt")
    shared: dict[str, Any] = {"async_creator": partial(connect, url.database), "pool_reset_on_return": None}
    write = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=60, **shared)
    read = create_async_engine(url, pool_size=readers, max_overflow=readers, pool_timeout=30, isolation_level="AUTOCOMMIT", **shared)

    def tune(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not open transactions by itself: BEGIN IMMEDIATE is ours
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=15000", "temp_store=MEMORY",
                       "cache_size=-65536", "wal_autocheckpoint=4000", "journal_size_limit=67108864"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def tune_reader(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in ("busy_timeout=15000", "cache_size=-16384", "query_only=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(write.sync_engine, "connect", tune)
    event.listen(read.sync_engine, "connect", tune_reader)
    for engine in (write, read):
        event.listen(engine.sync_engine.pool, "reset", _reset)

    @event.listens_for(write.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return Engines(write, read, True)


def _reset(connection: Any, _record: Any, state: Any) -> None:
    """A connection that comes back is rolled back only where it was left within a transaction: a visit to its thread is not free."""
    if state.asyncio_safe and connection.driver_connection.in_transaction:
        connection.rollback()

"""Backs a running hub up into one encrypted file, and restores one into an empty place, checking counts, hashes and the chain.

The database is copied as of one moment (SQLite's backup within one read transaction; `pg_dump` on an exported snapshot), while the hub
goes on. Secrets, CA, signed heads, archives and attachments go along; recordings are listed, with size and time, not copied.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from msgspec import Struct
from sqlalchemy.engine import URL, make_url

from hub import __version__
from hub.clock import utc_text
from hub.domain.chain import Verdict
from hub.errors import Rejected, Unavailable, why_en, why_zh
from hub.operate.chain import reading, verify_store
from hub.operate.heads import heads_on_disk
from hub.operate.keys import known_keys
from hub.operate.seal import CHUNK, Reader, Sealer
from hub.operate.stored import refuse_missing
from hub.settings import Settings
from hub.store.schema import all_tables

FOLDERS: Final = ("secrets", "ca", "heads", "spool", "archive", "attachments")
"""What goes along of the data folder, where it is there."""
UNFINISHED: Final = (".part", ".new", ".lock", ".tmp")
PAGES: Final = 2_000
STAGE: Final = "unsealed-backup-"
"""How the folder begins in which a backup is put together: beside the data, for nothing may stand open where the backup goes. Nobody else names
a folder so, since what is left of it is deleted."""
LEFT_S: Final = 24 * 3600
"""After how long such a folder was left by a backup that was killed."""
Progress = Callable[[str, int, int], None]
"""Is told the step, how much is done, and of how much."""


class Stored(Struct, frozen=True):
    """A file of the backup."""

    size_bytes: int
    sha256: str


class Recording(Struct, frozen=True):
    """A recording that is listed and not copied."""

    path: str
    size_bytes: int
    modified_at: str


class Manifest(Struct, frozen=True, kw_only=True):
    """What a backup holds: rows by table, the head of the chain, every file with its hash."""

    format: str
    version: str
    hub_id: str
    made_at: str
    kind: str
    counts: dict[str, int]
    head_seq: int
    head_hash: str
    files: dict[str, Stored]
    recordings: tuple[Recording, ...]


class Restored(Struct, frozen=True, kw_only=True):
    """What a restore came to: everything in `differences` is wrong."""

    manifest: Manifest
    verdict: Verdict
    differences: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Is it the very hub that was backed up?"""
        return self.verdict.ok and not self.differences


def _quiet(_step: str, _done: int, _total: int) -> None:
    return


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def libpq(url: URL) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment for PostgreSQL's own programs; the password never stands on a command line."""
    arguments = ["-h", url.host or "127.0.0.1", "-p", str(url.port or 5432), "-U", url.username or "postgres", "-w"]
    environment = {**os.environ, "PGPASSWORD": str(url.password)} if url.password else dict(os.environ)
    return arguments, environment


def _copy_sqlite(source: Path, target: Path, progress: Progress) -> None:
    reader = sqlite3.connect(f"file:{source}?mode=ro", uri=True, isolation_level=None, timeout=30)
    writer = sqlite3.connect(target, isolation_level=None)
    try:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on it sees one moment, whatever others write
        reader.backup(writer, pages=PAGES, progress=lambda _status, left, total: progress("database", total - left, total), sleep=0)
        writer.execute("PRAGMA journal_mode=DELETE")
        found = writer.execute("PRAGMA quick_check").fetchone()[0]
        if found != "ok":
            raise Rejected("damaged_store", f"数据库损坏：{found}", f"the store itself is damaged: {found}")
    except sqlite3.Error as error:
        raise Unavailable("store_unavailable", f"无法读取数据库：{why_zh(error)}", f"the store cannot be read: {why_en(error)}") from error
    finally:
        reader.close()
        writer.close()


def _count_sqlite(file: Path) -> tuple[dict[str, int], int, str]:
    conn = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        there = {name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        counts = {name: int(conn.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for name in _table_names() if name in there}  # noqa: S608
        head = conn.execute("SELECT seq, hash FROM change ORDER BY seq DESC LIMIT 1").fetchone() or (0, "")
        return counts, int(head[0]), str(head[1])
    finally:
        conn.close()


def _table_names() -> list[str]:
    return sorted(all_tables().tables)


async def _count_postgres(conn: Any) -> tuple[dict[str, int], int, str]:
    there = {row[0] for row in await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    counts = {name: int(await conn.fetchval(f'SELECT count(*) FROM "{name}"')) for name in _table_names() if name in there}  # noqa: S608
    head = await conn.fetchrow("SELECT seq, hash FROM change ORDER BY seq DESC LIMIT 1")
    return counts, int(head["seq"]) if head else 0, str(head["hash"]) if head else ""


def _asyncpg_url(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


async def _connected(url: URL) -> Any:
    import asyncpg

    try:
        return await asyncpg.connect(_asyncpg_url(url))
    except (OSError, asyncpg.PostgresError) as error:
        raise Unavailable("store_unavailable", f"无法连接数据库 {url.host}/{url.database}：{why_zh(error)}",
                          f"the store {url.host}/{url.database} cannot be reached: {why_en(error)}") from error


async def _dump_postgres(url: URL, target: Path, progress: Progress) -> tuple[dict[str, int], int, str]:
    """Dump and count in one exported snapshot."""
    progress("database", 0, 1)
    import asyncpg

    conn = await _connected(url)
    try:
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await conn.fetchval("SELECT pg_export_snapshot()")
            facts = await _count_postgres(conn)
            arguments, environment = libpq(url)
            await _run(["pg_dump", *arguments, "-Fc", f"--snapshot={snapshot}", "--no-owner", "--no-privileges", "-f", str(target), str(url.database)],
                       environment)
    except (OSError, asyncpg.PostgresError) as error:
        raise Unavailable("store_unavailable", f"无法读取数据库：{why_zh(error)}", f"the store cannot be read: {why_en(error)}") from error
    finally:
        await conn.close()
    progress("database", 1, 1)
    return facts


async def _run(command: list[str], environment: dict[str, str]) -> str:
    try:
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise Rejected("no_program", f"没有 {command[0]}，请安装 PostgreSQL 客户端", f"there is no {command[0]}: install PostgreSQL's client programs") from None
    out, err = await process.communicate()
    if process.returncode != 0:
        raise Rejected("program_failed", f"{command[0]} 失败：{err.decode(errors='replace')[-500:]}", f"{command[0]} failed: {err.decode(errors='replace')[-500:]}")
    return out.decode(errors="replace")


def _files(data: Path) -> Iterator[tuple[str, Path]]:
    """Every file that goes along, by its name in the backup."""
    for folder in FOLDERS:
        for path in sorted((data / folder).rglob("*")) if (data / folder).is_dir() else ():
            if path.is_file() and not path.is_symlink() and not path.name.endswith(UNFINISHED) and path.parent.name != "partial":
                yield path.relative_to(data).as_posix(), path


def _recordings(data: Path) -> tuple[Recording, ...]:
    root = data / "recordings"
    found = []
    for path in sorted(root.rglob("*")) if root.is_dir() else ():
        if path.is_file():
            stat = path.stat()
            found.append(Recording(path.relative_to(root).as_posix(), stat.st_size, utc_text(datetime.fromtimestamp(stat.st_mtime, UTC))))
    return tuple(found)


async def make_backup(settings: Settings, out: Path, passphrase: str, now: datetime, progress: Progress = _quiet) -> Manifest:
    """Back the hub up into `out` (which must not exist), then read it back and check it. Raises Rejected, Unavailable; leaves no half file."""
    _refuse_existing(out)
    refuse_missing(settings.database_url)
    data, url = settings.data_path, make_url(settings.database_url)
    with _named_errors(out), contextlib.ExitStack() as stack:
        stage = _stage(data, stack)
        handle, name = tempfile.mkstemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent)  # where nothing can be written, that is said before the work
        os.close(handle)
        part = Path(name)
        stack.callback(part.unlink, missing_ok=True)
        small = dict(_stage_small(data, stage))  # first: a head signed before the copy is in the copy's chain
        if url.get_backend_name() == "sqlite":
            kind, name = "sqlite", "tocsin.db"
            await asyncio.to_thread(_copy_sqlite, Path(str(url.database)), stage / name, progress)
            facts = await asyncio.to_thread(_count_sqlite, stage / name)
        else:
            kind, name = "postgresql", "tocsin.dump"
            facts = await _dump_postgres(url, stage / name, progress)
        files = {name: stage / name, **small}
        hashed = await asyncio.to_thread(lambda: {n: Stored(path.stat().st_size, sha256_of(path)) for n, path in files.items()})
        manifest = Manifest(format="tocsin-backup-1", version=__version__, hub_id=settings.hub_id, made_at=utc_text(now), kind=kind,
                            counts=facts[0], head_seq=facts[1], head_hash=facts[2], files=hashed, recordings=_recordings(data))
        await asyncio.to_thread(_seal, part, passphrase, manifest, files, progress)
        await asyncio.to_thread(check_file, part, passphrase, progress)
        part.rename(out)
    return manifest


@contextlib.contextmanager
def _named_errors(place: Path) -> Iterator[None]:
    """No room, no such folder, no right to write: the system's word for it, as a sentence."""
    try:
        yield
    except OSError as error:
        where = Path(error.filename).parent if error.filename else place
        raise Rejected("cannot_write", f"无法读写 {where}：{why_zh(error)}", f"{where} cannot be read or written: {why_en(error)}",
                       field="file") from error


def _stage(data: Path, stack: contextlib.ExitStack) -> Path:
    """An empty folder beside the data, gone at the end; those that killed backups left go now."""
    if not data.is_dir():
        raise Rejected("no_store", f"没有数据目录 {data}，请用 --data-dir 指定", f"there is no data folder {data}: name it with --data-dir", field="data_dir")
    for left in data.glob(f"{STAGE}*"):
        if time.time() - left.stat().st_mtime > LEFT_S:
            shutil.rmtree(left, ignore_errors=True)
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=STAGE, dir=data)))


def _refuse_existing(out: Path) -> None:
    if out.exists():
        raise Rejected("file_exists", f"文件 {out} 已存在", f"{out} exists already", field="file")


def _stage_small(data: Path, stage: Path) -> Iterator[tuple[str, Path]]:
    """Copies of the files that may change meanwhile; attachments are named by their content and do not."""
    for name, path in _files(data):
        if name.startswith("attachments/"):
            yield name, path
            continue
        target = stage / "files" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.write_bytes(path.read_bytes())
        except FileNotFoundError:  # replaced at this moment (a spool that was taken in)
            continue
        yield name, target


def _seal(out: Path, passphrase: str, manifest: Manifest, files: dict[str, Path], progress: Progress) -> None:
    total = sum(stored.size_bytes for stored in manifest.files.values())
    done = 0
    with out.open("wb") as raw:
        sealer = Sealer(raw, passphrase)
        with tarfile.open(fileobj=cast(Any, sealer), mode="w|", bufsize=65_536) as tar:
            text = msgspec.json.encode(manifest)
            info = tarfile.TarInfo("manifest.json")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
            for name, path in files.items():
                info = tarfile.TarInfo(name)
                info.size, info.mode = manifest.files[name].size_bytes, 0o600
                with path.open("rb") as file:
                    tar.addfile(info, file)
                done += info.size
                progress("encrypt", done, total)
        sealer.finish()
        raw.flush()
        os.fsync(raw.fileno())


def _walk(file: Path, passphrase: str) -> Iterator[tuple[tarfile.TarInfo, Any, Reader]]:
    """The members of a backup in turn. Raises Rejected for any damage; the last chunk has been seen when this ends."""
    with file.open("rb") as raw:
        reader = Reader(raw, passphrase)
        try:
            with tarfile.open(fileobj=cast(Any, io.BufferedReader(cast(Any, reader), CHUNK)), mode="r|") as tar:
                for member in tar:
                    yield member, tar.extractfile(member), reader
            reader.drain()
        except tarfile.TarError as error:
            raise Rejected("damaged_backup", "备份文件损坏", f"the backup is damaged: {error}", field="file") from None


def _manifest(first: tuple[tarfile.TarInfo, Any, Reader]) -> Manifest:
    member, content, _ = first
    try:
        if member.name != "manifest.json":
            raise ValueError(member.name)
        manifest = msgspec.json.decode(content.read(), type=Manifest)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Rejected("damaged_backup", "备份缺少清单", f"the backup has no manifest: {error}", field="file") from None
    return manifest


def check_file(file: Path, passphrase: str, progress: Progress = _quiet) -> Manifest:
    """Read a whole backup: decrypt it, hash every file, compare with its manifest. Raises Rejected where anything differs."""
    walk = _walk(file, passphrase)
    manifest = _manifest(next(walk))
    total, seen = sum(stored.size_bytes for stored in manifest.files.values()), {}
    for member, content, reader in walk:
        seen[member.name] = Stored(member.size, hashlib.file_digest(content, "sha256").hexdigest())
        progress("check", reader.read_bytes, total)
    if seen != manifest.files:
        raise Rejected("damaged_backup", "备份内容与清单不符", "the backup's files are not those of its manifest", field="file")
    return manifest


def _extract(file: Path, passphrase: str, target: Path, progress: Progress) -> Manifest:
    walk = _walk(file, passphrase)
    manifest = _manifest(next(walk))
    total = sum(stored.size_bytes for stored in manifest.files.values())
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    target.chmod(0o700)
    root = target.resolve()
    seen = set()
    for member, content, reader in walk:
        path = (root / member.name).resolve()
        if not member.isfile() or not path.is_relative_to(root) or member.name not in manifest.files:
            raise Rejected("damaged_backup", f"备份含有不该有的 {member.name}", f"the backup holds {member.name}, which does not belong", field="file")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        digest = hashlib.sha256()
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            while piece := content.read(1_048_576):
                digest.update(piece)
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != manifest.files[member.name].sha256:
            raise Rejected("damaged_backup", f"{member.name} 与清单不符", f"{member.name} is not what the manifest says", field="file")
        seen.add(member.name)
        progress("extract", reader.read_bytes, total)
    if seen != set(manifest.files):
        raise Rejected("damaged_backup", "备份不完整", "the backup is not complete", field="file")
    return manifest


def _refuse_filled(target: Path) -> None:
    if target.exists() and any(target.iterdir()):
        raise Rejected("not_empty", f"{target} 不是空目录", f"{target} is not an empty folder", field="data_dir")


async def restore(file: Path, passphrase: str, target: Path, *, store_url: str = "", progress: Progress = _quiet) -> Restored:
    """Restore a backup into an empty folder (and an empty PostgreSQL database where it is one), and compare it with its manifest.

    Raises Rejected for a damaged backup, a wrong passphrase, or a place that is not empty; nothing is overwritten.
    """
    with _named_errors(file):
        manifest = await asyncio.to_thread(check_file, file, passphrase, progress)  # refused before anything is written
    _refuse_filled(target)
    if manifest.kind == "postgresql" and not store_url:
        raise Rejected("store_needed", "备份来自 PostgreSQL，请用 --store 指定一个空数据库", "this backup is of PostgreSQL: name an empty database with --store",
                       field="store")
    with _named_errors(target):
        await asyncio.to_thread(_extract, file, passphrase, target, progress)
    if manifest.kind == "sqlite":
        url = f"sqlite:///{target / 'tocsin.db'}"
        facts = await asyncio.to_thread(_count_sqlite, target / "tocsin.db")
    else:
        url = store_url
        progress("database", 0, 1)
        facts = await _restore_postgres(make_url(store_url), target / "tocsin.dump")
        progress("database", 1, 1)
    async with reading(url) as conn:
        verdict = await verify_store(conn, heads_on_disk(target), known_keys(target), hub_id=manifest.hub_id,
                                     progress=lambda done: progress("chain", done, manifest.head_seq))
    return Restored(manifest=manifest, verdict=verdict, differences=tuple(_differences(manifest, facts)))


async def _restore_postgres(url: URL, dump: Path) -> tuple[dict[str, int], int, str]:
    conn = await _connected(url)
    try:
        if await conn.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"):
            raise Rejected("not_empty", "目标数据库不是空的", "the database is not empty", field="store")
        arguments, environment = libpq(url)
        await _run(["pg_restore", *arguments, "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", "-d", str(url.database),
                    str(dump)], environment)
        facts = await _count_postgres(conn)
    finally:
        await conn.close()
    await asyncio.to_thread(dump.unlink)
    return facts


async def empty_again(url: str) -> None:
    """Drop what a drill has restored into a database of PostgreSQL that was empty: tables and the hub's own functions. Raises Unavailable."""
    conn = await _connected(make_url(url))
    try:
        names = [row["name"] for row in await conn.fetch("SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'")]
        made = [row["name"] for row in await conn.fetch(
            "SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND starts_with(proname, 'tocsin_')")]
        async with conn.transaction():
            await conn.execute(f"DROP TABLE {', '.join(names)} CASCADE")
            for name in made:
                await conn.execute(f"DROP FUNCTION {name}")
    finally:
        await conn.close()


def _differences(manifest: Manifest, facts: tuple[dict[str, int], int, str]) -> Iterator[str]:
    counts, seq, digest = facts
    for table in sorted(counts.keys() | manifest.counts.keys()):
        if counts.get(table) != manifest.counts.get(table):
            yield f"{table}: {manifest.counts.get(table)} → {counts.get(table)}"
    if (seq, digest) != (manifest.head_seq, manifest.head_hash):
        yield f"head: {manifest.head_seq} → {seq}"

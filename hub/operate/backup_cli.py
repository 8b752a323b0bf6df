"""`tocsin backup FILE` and `tocsin restore FILE`: one encrypted file of a running hub, and back into an empty place, checked."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.domain.proof import BackupMade
from hub.operate.backup import Manifest, Progress, Restored, empty_again, make_backup
from hub.operate.backup import restore as restore_into
from hub.operate.secrets import given_secret
from hub.settings import load_settings
from hub.store import Store

_STEPS = {"database": "数据库 / database", "encrypt": "加密 / encrypt", "check": "校验 / check", "extract": "解开 / extract", "chain": "审计链 / chain"}
Config = Annotated[Path | None, typer.Option("--settings", help="设置文件 / settings file")]
Passphrase = Annotated[Path, typer.Option("--passphrase-file", help="口令文件（至少 12 位；请另外妥善保存）/ a file with the passphrase", exists=True)]


@contextlib.contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    console = Console(stderr=True)
    with Progress(TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def step(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(_STEPS.get(name, name), total=total)
            bar.update(tasks[name], completed=done, total=max(total, 1))

        yield step


def _tell(manifest: Manifest) -> None:
    size = sum(stored.size_bytes for stored in manifest.files.values())
    typer.echo(f"{manifest.hub_id} {manifest.made_at} {manifest.kind}：{sum(manifest.counts.values())} 行 / rows，审计链至第 {manifest.head_seq} 条 / "
               f"chain up to {manifest.head_seq}，{len(manifest.files)} 个文件 / files，{size / 2**20:.1f} MiB，录像 {len(manifest.recordings)} 个未复制 / "
               f"recordings listed")


def backup(
    file: Annotated[Path, typer.Argument(help="写到哪里 / the file to write")],
    passphrase_file: Passphrase,
    settings: Config = None,
    data_dir: Annotated[str | None, typer.Option("--data-dir", help="数据目录 / data folder")] = None,
    store: Annotated[str | None, typer.Option("--store", help="数据库 / the store's URL")] = None,
) -> None:
    """备份运行中的中心：一个加密文件，写完即校验 / back a running hub up into one encrypted file, checked."""
    loaded = load_settings(settings, data_dir=data_dir, store_url=store)
    passphrase = given_secret(str(passphrase_file), "备份", "backup")

    async def run(step: Progress) -> Manifest:
        made = await make_backup(loaded, file.absolute(), passphrase, datetime.now(UTC), step)
        async with Store(loaded.database_url) as opened, opened.transaction() as tx:
            tx.record(BackupMade(file=file.name, head_seq=made.head_seq, rows=sum(made.counts.values())), actor="system:cli", subject="backup:made")
        return made

    with _bars() as step:
        manifest = asyncio.run(run(step))
    _tell(manifest)


def restore(
    file: Annotated[Path, typer.Argument(help="备份文件 / the backup", exists=True)],
    passphrase_file: Passphrase,
    check: Annotated[bool, typer.Option("--check", help="只演练：恢复到临时位置，核对后删除 / a drill: restore elsewhere, compare, remove")] = False,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="恢复到此空目录 / the empty folder to restore into")] = None,
    store: Annotated[str, typer.Option("--store", help="PostgreSQL 备份：一个空数据库 / an empty database, for a backup of PostgreSQL")] = "",
) -> None:
    """恢复备份到空位置，核对行数、哈希和审计链（退出码 1：不一致）/ restore into an empty place and compare."""
    from hub.errors import Rejected

    passphrase = given_secret(str(passphrase_file), "备份", "backup")
    if data_dir is None and not check:
        raise Rejected("no_place", "请用 --data-dir 指定空目录，或用 --check 演练", "name an empty folder with --data-dir, or --check for a drill", field="data_dir")
    with contextlib.ExitStack() as stack, _bars() as step:
        place = data_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-restore-")))
        found = asyncio.run(restore_into(file, passphrase, place, store_url=store, progress=step))
        if data_dir is None and found.manifest.kind == "postgresql":
            asyncio.run(empty_again(store))
    _tell(found.manifest)
    _judge(found)
    if data_dir is not None:
        typer.echo(f"可以启动 / it can be started: tocsin up --data-dir {data_dir}" + (" --store …" if store else ""))


def _judge(found: Restored) -> None:
    for line in found.differences:
        typer.echo(f"✗ {line}", err=True)
    if found.verdict.flaw is not None:
        typer.echo(f"✗ {found.verdict.flaw.zh} / {found.verdict.flaw.en}", err=True)
    if not found.ok:
        raise typer.Exit(1)
    typer.echo(f"✓ 行数、哈希、审计链（{found.verdict.changes} 条，{found.verdict.heads} 个签名链头）一致 / counts, hashes and chain agree")

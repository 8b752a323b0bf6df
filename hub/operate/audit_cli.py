"""`tocsin audit …`: check the chain (of the store, read only, or of an exported file), export it, sign its head."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import typer

from hub.clock import SystemClock
from hub.domain.chain import Verdict
from hub.domain.proof import AuditExported
from hub.domain.signature import Head, decode_heads
from hub.errors import Rejected
from hub.operate.chain import reading, verify_file, verify_store, write_export
from hub.operate.heads import HeadKeeper, heads_on_disk
from hub.operate.keys import known_keys, read_keys, signer
from hub.operate.progress import progress
from hub.operate.stored import refuse_missing, stored
from hub.settings import Settings, load_settings
from hub.store.proof import count_changes

app = typer.Typer(no_args_is_help=True, help="审计链：核验、导出、签名 / audit")
Config = Annotated[Path | None, typer.Option("--settings", help="设置文件 / settings file")]
Data = Annotated[str | None, typer.Option("--data-dir", help="数据目录 / data folder")]
Url = Annotated[str | None, typer.Option("--store", help="数据库 / the store's URL")]
HeadFile = Annotated[list[Path] | None, typer.Option("--head", help="另存的签名链头 / signed heads kept elsewhere", exists=True)]
KeyFile = Annotated[list[Path] | None, typer.Option("--key", help="中心公钥文件 / files with the hub's public keys", exists=True)]


def _given_heads(files: list[Path] | None) -> list[Head]:
    return [head for file in files or () for head in decode_heads(file.read_bytes())]


def tell(verdict: Verdict, *, as_json: bool) -> None:
    """Print what checking came to; exit status 1 where there is a flaw."""
    if as_json:
        typer.echo(msgspec.json.encode(verdict).decode())
    elif verdict.flaw is None:
        typer.echo(f"完好 / intact: {verdict.changes} 条变更 / changes，{verdict.heads} 个签名链头 / signed heads（至第 {verdict.head_seq} 条 / up to "
                   f"{verdict.head_seq}），依法销毁内容 {verdict.destroyed} 条 / bodies destroyed by law\n{verdict.seq} {verdict.hash}")
        if verdict.seq and verdict.heads == 0:
            typer.echo("注意：没有签名链头，截断无法察觉 / there is no signed head: a cut-off end would not show")
    else:
        typer.echo(f"不可信 / NOT INTACT: {verdict.flaw.zh} / {verdict.flaw.en} [{verdict.flaw.code}]", err=True)
    if not verdict.ok:
        raise typer.Exit(1)


async def verify_here(settings: Settings, outside: list[Head], keys: dict[str, str] | None = None) -> Verdict:
    """Check the store of these settings against the heads in its data folder and those given."""
    trusted = {**known_keys(settings.data_path), **(keys or {})}
    async with reading(settings.database_url) as conn:
        with progress("审计链 / chain", await count_changes(conn)) as bar:
            return await verify_store(conn, [*heads_on_disk(settings.data_path), *outside], trusted, progress=bar)


@app.command("verify")
def verify(
    file: Annotated[Path | None, typer.Option("--file", help="核验导出文件 / check an exported file", exists=True)] = None,
    head: HeadFile = None, key: KeyFile = None, settings: Config = None, data_dir: Data = None, store: Url = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON / print JSON")] = False,
) -> None:
    """核验审计链，指出第一条有问题的记录 / check the chain and name the first bad row (exit status 1)."""
    outside, keys = _given_heads(head), read_keys(*key) if key else None
    if file is None:
        tell(asyncio.run(verify_here(load_settings(settings, data_dir=data_dir, store_url=store), outside, keys)), as_json=as_json)
        return
    with file.open("rb") as lines, progress("导出文件 / export", None) as bar:
        verdict, header = verify_file(lines, keys, outside, bar)
    if keys is None and not as_json:
        typer.echo(f"注意：公钥取自文件本身，请与中心公布的核对 / the key is the file's own, compare it: {' '.join(header.public_keys)}")
    tell(verdict, as_json=as_json)


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="写到哪里（- 为标准输出）/ where to (- for standard output)")],
    after: Annotated[int, typer.Option(help="从此序号之后 / beyond this number", min=0)] = 0,
    bodies: Annotated[bool, typer.Option(help="含内容 / with the bodies")] = True,
    settings: Config = None, data_dir: Data = None, store: Url = None,
) -> None:
    """导出审计链（JSON 行），可离线核验；导出本身记入审计 / export the chain; the export itself is a change."""
    loaded = load_settings(settings, data_dir=data_dir, store_url=store)
    refuse_missing(loaded.database_url)  # before the file is made

    async def run(out: BinaryIO) -> None:
        async with stored(loaded) as opened:
            head = await opened.head()
            async with opened.transaction() as tx:
                tx.record(AuditExported(after=after, seq=head, bodies=bodies), actor="system:cli", subject="audit:export")
        async with reading(loaded.database_url) as conn:
            with progress("导出 / export", await count_changes(conn, after)) as bar:
                header = await write_export(conn, out, signer(loaded.data_path), hub_id=loaded.hub_id, now=SystemClock().now(), after=after,
                                            bodies=bodies, former_keys=tuple(known_keys(loaded.data_path).values()), progress=bar)
        typer.echo(f"{header.after + 1}–{header.seq}", err=True)

    if str(file) == "-":
        asyncio.run(run(sys.stdout.buffer))
        return
    if file.exists():
        raise Rejected("file_exists", f"文件 {file} 已存在", f"{file} exists already", field="file")
    with file.open("xb") as out:
        asyncio.run(run(out))


@app.command("sign")
def sign(settings: Config = None, data_dir: Data = None, store: Url = None) -> None:
    """立即签名链头并打印，可抄存他处 / sign the head now and print it, to be kept elsewhere."""
    loaded = load_settings(settings, data_dir=data_dir, store_url=store)

    async def run() -> str:
        async with stored(loaded) as opened:
            await HeadKeeper(opened, loaded, signer(loaded.data_path)).step()
        return (loaded.data_path / "heads" / "latest.json").read_text()

    typer.echo(asyncio.run(run()))


@app.command("key")
def key(settings: Config = None, data_dir: Data = None) -> None:
    """打印中心公钥 / print the hub's public key."""
    made = signer(load_settings(settings, data_dir=data_dir).data_path, make=False)
    typer.echo(f"{made.public}  # {made.key_id}")

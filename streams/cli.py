"""`tocsin evidence`: check recordings and clips offline, export clips. Needs neither the hub nor its database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from hub.errors import Rejected
from streams.evidence import HEADER, Chained, Verification, export, read_chain, recording_of, verify

app = typer.Typer(no_args_is_help=True, help="录像证据核验与导出 / evidence: check and export recordings")
console = Console()
errors = Console(stderr=True)
BROKEN = 3


def _fail(error: Rejected) -> NoReturn:
    errors.print(f"{error.zh} / {error.en} \\[{error.code}]")
    raise typer.Exit(2)


def _time(ms: int | None) -> str:
    try:
        return "—" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):  # an agent's clock may say anything
        return f"{ms} ms"


def _targets(path: Path) -> list[Path]:
    """The path itself, or every recording and clip below a folder that is no recording."""
    if path.is_file() or (path / HEADER).exists():
        return [path]
    found = [header.parent for header in sorted(path.rglob(HEADER))]
    clips = [clip for clip in sorted(path.rglob("*.mp4")) if clip.with_suffix(".json").exists() and not (clip.parent / HEADER).exists()]
    return found + clips


@app.command("verify")
def verify_command(
    path: Annotated[Path, typer.Argument(exists=True, help="录像目录、片段文件或其上级目录 / a recording, a clip, or a folder of them")],
    chain: Annotated[Path | None, typer.Option("--chain", exists=True, help="审计导出（audit export），或 {n: sha256} / an audit export, or hashes")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON / print JSON")] = False,
) -> None:
    """核验录像或片段是否被改动 / check that nothing was altered; exit code 0 when all is well, 3 when not."""
    try:
        chained = read_chain(chain) if chain else None
        results = [_verified(target, chained(recording_of(target)) if chained else None) for target in _targets(path)]
    except Rejected as error:
        _fail(error)
    if not results:
        _fail(Rejected("nothing_to_verify", "该目录下没有录像", "there is no recording here"))
    if as_json:
        typer.echo(msgspec.json.encode(results).decode())
    else:
        _show(results)
    if not all(result.ok for result in results):
        raise typer.Exit(BROKEN)


def _verified(target: Path, chained: Chained | None) -> Verification:
    return verify(target) if chained is None else verify(target, expected=chained.segments, deleted=chained.deleted)


def _show(results: list[Verification]) -> None:
    table = Table("录像 / recording", "结果 / result", "片段 / segments", "MB", "起 / from", "止 / to")
    for result in results:
        table.add_row(Path(result.path).name, "完好 / intact" if result.ok else "[red]有问题 / broken[/red]", str(result.segments),
                      f"{result.size_bytes / 1e6:.1f}", _time(result.first_wall_ms), _time(result.last_wall_ms))
    console.print(table)
    for result in results:
        for problem in result.problems:
            console.print(f"[red]{problem.file}: {problem.zh} / {problem.en}[/red] \\[{problem.code}]")
        for line in result.stated:
            console.print(f"{Path(result.path).name}: {line}")


def _moment(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        _fail(Rejected("wrong_time", f"不是带时区的时间：{text}", f"not a time with an offset: {text}"))
    return int(at.timestamp() * 1000)


@app.command("export")
def export_command(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="录像目录 / the recording's folder")],
    out: Annotated[Path, typer.Argument(help="输出文件 / the clip to write, CLIP.mp4")],
    begin: Annotated[str, typer.Option("--from", help="从何时 / from when: 2026-11-23T14:05:00+08:00")],
    end: Annotated[str, typer.Option("--to", help="到何时 / until when")],
) -> None:
    """导出一段为可播放的 MP4 和清单 / write one playable MP4 with its manifest, exact to the group of pictures."""
    try:
        clips = export(folder, out, _moment(begin), _moment(end))
    except Rejected as error:
        _fail(error)
    for clip in clips:
        console.print(f"{clip}  +  {clip.with_suffix('.json').name}")

"""`tocsin camera`: check a cameras file, look at one stream, take over the catalogue of another platform."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from agents.cameras import read_cameras
from agents.sources.bridge import Bridge, cameras_yaml
from hub.errors import Rejected, Unavailable, why_en, why_zh
from streams.address import Address, read_credentials
from streams.fragment import Track, Unit
from streams.source import Source, SourceOptions, Tracks, Transport, Trouble

app = typer.Typer(no_args_is_help=True, help="摄像头检查 / cameras")
console = Console(width=None if sys.stdout.isatty() else 200)  # a table that goes to a file is not squeezed to 80 columns
errors = Console(stderr=True)
BROKEN, NOTHING_CAME = 1, 3


def _fail(error: Rejected | Unavailable) -> NoReturn:
    errors.print(f"{error.zh} / {error.en} \\[{error.code}]")
    raise typer.Exit(2 if isinstance(error, Rejected) else NOTHING_CAME)


@app.command("check")
def check(file: Annotated[Path, typer.Argument(help="摄像头清单 / the cameras file")]) -> None:
    """检查摄像头清单，逐条指出文件、行和字段 / check a cameras file; every finding names file, line and field."""
    setups, remarks = read_cameras(file)
    for remark in remarks:
        errors.print(f"{'[red]' if remark.fatal else '[yellow]'}{remark.file}:{remark.line}: {remark.field}[/]: {remark.zh} / {remark.en} "
                     f"\\[{remark.code}]", highlight=False, soft_wrap=True)
    table = Table("id", "名称 / name", "地址 / address", "子码流 / sub-stream", "预览 / preview")
    for setup in setups:
        table.add_row(setup.entry.id, setup.entry.name or "", setup.main.masked, setup.sub.masked if setup.sub else "—", f"{setup.entry.preview_s:g} s")
    if setups:
        console.print(table)
    if any(remark.fatal for remark in remarks):
        raise typer.Exit(BROKEN)


@app.command("probe")
def probe(
    url: Annotated[str, typer.Argument(help="rtsp://…, http://…, 文件 / a file, synthetic:")],
    seconds: Annotated[float, typer.Option("--seconds", min=1, max=600, help="看几秒 / for how many seconds")] = 5.0,
    transport: Annotated[Transport, typer.Option("--transport", help="RTP 走 TCP 还是 UDP / RTP over TCP or UDP")] = Transport.TCP,
    credentials: Annotated[Path | None, typer.Option("--credentials", help="用户名:密码 文件 / a file with user:password")] = None,
) -> None:
    """打开一路视频并说明看到了什么 / open a stream and say what came."""
    try:
        address = Address(url, read_credentials(credentials) if credentials else None)
    except Rejected as error:
        _fail(error)
    if not _watch(address, SourceOptions(transport=transport), seconds):
        raise typer.Exit(NOTHING_CAME)


def _watch(address: Address, options: SourceOptions, seconds: float) -> bool:
    stop, began = threading.Event(), time.monotonic()
    threading.Timer(seconds, stop.set).start()
    pictures = keys = sounds = size = 0
    first_s: float | None = None
    console.print(address.masked)
    source = Source(address, options)
    for event in source.events(stop):
        match event:
            case Tracks(video=video):
                sound = f", {event.audio.text}" if event.audio else ""
                left = f", 音频未采用 / audio left out: {event.dropped_audio}" if event.dropped_audio else ""
                made = f", 转码自 / transcoded from {event.transcoded}" if event.transcoded else ""
                console.print(f"{video.text} {video.width}×{video.height}{sound}{left}{made}")
            case Trouble():
                console.print(f"[red]{event.zh} / {event.en}[/red] \\[{event.code}]")
            case Unit(track=Track.VIDEO):
                first_s = time.monotonic() - began if first_s is None else first_s
                pictures, keys, size = pictures + 1, keys + event.key, size + len(event.data)
            case Unit():
                sounds += 1
    took_s = time.monotonic() - began - (first_s or 0)
    if pictures and first_s is not None:
        console.print(f"首帧 / first picture {first_s * 1000:.0f} ms; {pictures} 帧 / pictures ({pictures / took_s:.1f}/s), {keys} 关键帧 / key frames, "
                      f"{size * 8 / took_s / 1e6:.2f} Mbit/s, {sounds} 音频 / sound, 时钟跳变 / clock jumps {source.clock_jumps}", soft_wrap=True)
    return pictures > 0


@app.command("import")
def take_over(
    platform: Annotated[str, typer.Argument(help="平台 / the platform: go2rtc | mediamtx | frigate | wvp")],
    base: Annotated[str, typer.Argument(help="平台网址 / its address: http://host:1984")],
    media: Annotated[str | None, typer.Option("--media", help="wvp：ZLMediaKit 的 RTSP 地址 / rtsp://host:554")] = None,
    rtsp_port: Annotated[int, typer.Option("--rtsp-port", help="平台的 RTSP 端口 / the platform's RTSP port")] = 8554,
    login: Annotated[Path | None, typer.Option("--login", help="平台的 用户名:密码 文件 / a file with user:password")] = None,
    api_key: Annotated[Path | None, typer.Option("--api-key", help="wvp 的 API key 文件 / a file with wvp's API key")] = None,
    credentials: Annotated[str | None, typer.Option("--credentials", help="写入清单的视频流凭据文件 / credentials file of the streams")] = None,
) -> None:
    """从已有视频平台生成摄像头清单 / write a cameras file from another platform's catalogue (to standard output)."""
    try:
        who = read_credentials(login) if login else None
        catalogue = asyncio.run(_bridge(platform, base, media, rtsp_port, who, api_key).catalogue())
    except (Rejected, Unavailable) as error:
        _fail(error)
    for remark in catalogue.remarks:
        errors.print(remark, soft_wrap=True)
    typer.echo(cameras_yaml(catalogue.cameras, credentials_file=credentials), nl=False)


def _key(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Rejected("credentials_unreadable", f"无法读取 API key 文件 {file}：{why_zh(error)}", f"cannot read the file of the API key {file}: {why_en(error)}") from None


def _bridge(platform: str, base: str, media: str | None, port: int, login: tuple[str, str] | None, api_key: Path | None) -> Bridge:
    from agents.sources.go2rtc import Frigate, Go2rtc, MediaMtx
    from agents.sources.wvp import Wvp

    match platform:
        case "go2rtc":
            return Go2rtc(base, port, login)
        case "mediamtx":
            return MediaMtx(base, port, login)
        case "frigate":
            return Frigate(base, port, login)
        case "wvp" if media is not None:
            return Wvp(base, media, _key(api_key) if api_key else None, login)
        case "wvp":
            raise Rejected("missing_option", "wvp 需要 --media rtsp://主机:端口", "wvp needs --media rtsp://host:port")
    raise Rejected("unknown_platform", f"不认识的平台 {platform}", f"no such platform: {platform}")

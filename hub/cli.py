"""`tocsin …`: the commands of the hub, and the doors to those of the other parts, which are imported only when they are called."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from hub import __version__
from hub.errors import Rejected, Unavailable

PARTS: dict[str, tuple[str, str]] = {
    "agent": ("agents.cli:agent", "现场终端：入网、运行、模拟 / field agents"),
    "report": ("agents.cli:report", "报送报告、查询回执 / file a report"),
    "drill": ("agents.cli:drill", "演练 / drills"),
    "camera": ("agents.cameras_cli:app", "摄像头检查 / cameras"),
    "evidence": ("streams.cli:app", "录像证据核验与导出 / evidence"),
    "plans": ("plans.cli:app", "预案：列表、匹配、检查、回放 / plans"),
    "triage": ("plans.triage.cli:triage", "文本研判 / triage of free text"),
    "hazmat": ("plans.hazmat.cli:app", "危化品查询与隔离区 / hazmat"),
    "plan": ("hub.operate.plan_cli:app", "启动、升降级、终止预案 / put plans in force"),
    "daily": ("hub.operate.daily_cli:app", "日报送 / daily duty"),
    "account": ("hub.operate.account_cli:app", "账号与一次性登录链接 / accounts and one-time sign-in links"),
    "agent-code": ("hub.operate.agent_code_cli:agent_code", "签发一次性入网码 / a one-time enrolment code"),
    "audit": ("hub.operate.audit_cli:app", "审计链核验与导出 / audit"),
    "verify": ("hub.operate.verify_cli:verify", "离线核验报告与回执 / verify offline"),
    "ca": ("hub.operate.ca_cli:app", "证书 / certificates"),
    "backup": ("hub.operate.backup_cli:backup", "备份 / back up"),
    "restore": ("hub.operate.backup_cli:restore", "恢复 / restore"),
    "bench": ("hub.operate.bench:bench", "性能测量 / benchmarks"),
    "broker-config": ("hub.operate.broker_config:command", "外部消息服务器配置 / broker configuration"),
    "doctor": ("hub.operate.doctor:doctor", "自检 / self-check"),
}
"""Command → (module:attribute of a Typer app or a function, what it is for)."""


_USAGE_ERROR: Any = typer.BadParameter.__mro__[1]
"""What a command line that cannot be understood raises; the library does not name it in public."""
_REFUSALS = {
    "NoSuchOption": "没有这个选项", "MissingParameter": "缺少必填的参数或选项", "BadOptionUsage": "选项的用法不对", "BadArgumentUsage": "参数的用法不对",
    "BadParameter": "参数或选项的值不对",
}
"""Kind of usage error → what it says in Chinese, before the library's own sentence, which names the option."""


@contextmanager
def _in_both_languages() -> Iterator[None]:
    """Say a usage error in Chinese, too, once: groups stand within groups."""
    try:
        yield
    except _USAGE_ERROR as error:
        kind = type(error).__name__
        if kind == "NoArgsIsHelpError" or isinstance(error.__cause__, _USAGE_ERROR):
            raise
        raise _USAGE_ERROR(f"{_REFUSALS.get(kind, '命令用法不对')} / {error.format_message()}", ctx=error.ctx) from error


class Doors(TyperGroup):
    """A group whose commands are imported when they are called, so that `tocsin` starts at once."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command, in alphabetical order."""
        return sorted({*super().list_commands(ctx), *PARTS})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command's name and what it is for, as the list of commands shows it."""
        return _listed(cmd_name, PARTS[cmd_name][1]) if cmd_name in PARTS else super().get_command(ctx, cmd_name)

    def make_context(self, *args: Any, **more: Any) -> Any:
        """As everywhere, its refusals in both languages."""
        with _in_both_languages():
            return super().make_context(*args, **more)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was called; what it refuses of its options is said in both languages."""
        with _in_both_languages():
            return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is called, imported now."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, _imported(name) if name in PARTS and not ctx.resilient_parsing else command, rest


def _imported(name: str) -> Any:
    module, _, attribute = PARTS[name][0].partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        inner = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        inner.command(name)(found)
        found = inner
    command = get_command(found)
    command.name = name
    return command


def _listed(name: str, about: str) -> Any:
    inner = typer.Typer(add_completion=False)
    inner.command(name, help=about, short_help=about)(lambda: None)
    return get_command(inner)


app = typer.Typer(cls=Doors, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
                  help="Tocsin 突发事件信息共享中心 / emergency incident information-sharing hub")


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"tocsin {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_say_version, is_eager=True, help="版本 / the version")] = False,
) -> None:
    """Tocsin."""


@app.command()
def up(
    only: Annotated[str, typer.Option(help="只运行这些部分（逗号分隔）/ only these stages: ingest,respond,web")] = "",
    port: Annotated[int | None, typer.Option(help="网页端口 / web port", min=0, max=65535)] = None,
    host: Annotated[str | None, typer.Option(help="网页地址 / web address")] = None,
    data_dir: Annotated[str | None, typer.Option(help="数据目录 / data folder")] = None,
    broker: Annotated[str | None, typer.Option(help="embedded 或 mqtt://主机:端口 / embedded or mqtt://HOST:PORT")] = None,
    broker_port: Annotated[int | None, typer.Option(help="内置消息服务器端口 / port of the embedded broker", min=0, max=65535)] = None,
    store: Annotated[str | None, typer.Option(help="sqlite:///文件 或 postgresql://… / the store's URL")] = None,
    demo: Annotated[bool | None, typer.Option("--demo", help="装入演示区 / load the demo district")] = None,
    tls: Annotated[bool, typer.Option("--tls", help="用本中心 CA 签发的证书启用 HTTPS 与 MQTT/TLS / HTTPS and MQTT over TLS")] = False,
    settings: Annotated[Path | None, typer.Option(help="设置文件（TOML）/ settings file")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="详细日志 / say more")] = False,
) -> None:
    """运行中心 / run the hub."""
    from hub.app import STAGES, Companion, serve
    from hub.operate.logs import set_up
    from hub.operate.welcome import announce
    from hub.operate.whereabouts import noted
    from hub.settings import load_settings

    loaded = load_settings(settings, web_port=port, web_host=host, data_dir=data_dir, broker=broker, broker_port=broker_port,
                           store_url=store, demo=demo)
    if tls:
        from hub.operate.tls import with_tls

        loaded = with_tls(loaded)
    os.umask(0o077)  # recordings, attachments, locks: what the hub writes is its owner's alone, whatever the rights of the folder
    set_up(json_lines=loaded.log_json, level=logging.DEBUG if verbose else logging.INFO)
    stages = frozenset(part.strip() for part in only.split(",") if part.strip()) or STAGES
    companions: tuple[Companion, ...] = (noted,) if "web" in stages else ()
    if loaded.demo and stages == STAGES:
        from hub.operate.demo import agents

        companions = (*companions, agents)
    asyncio.run(serve(loaded, only=stages, on_ready=announce, companions=companions))


@app.command("schema")
def schema() -> None:
    """打印报文的 JSON Schema / print the JSON Schema of the wire."""
    from hub import wire

    typer.echo(json.dumps(wire.schema(), ensure_ascii=False, indent=2, sort_keys=True))


@app.command("openapi")
def openapi() -> None:
    """打印接口说明 / print the OpenAPI document."""
    from hub.web.app import all_routes
    from hub.web.openapi import document

    typer.echo(json.dumps(document(all_routes()), ensure_ascii=False, indent=2))


def main() -> None:
    """Run the command line; a named error is one line and exit status 2 (refused) or 3 (try again later)."""
    try:
        app(prog_name="tocsin")
    except Rejected as error:
        typer.echo(f"tocsin: {error.zh} / {error.en}" + (f" [{error.field}]" if error.field else ""), err=True)
        sys.exit(2)
    except Unavailable as error:
        typer.echo(f"tocsin: {error.zh} / {error.en}", err=True)
        sys.exit(3)

"""What an agent is told about itself: one folder with `agent.toml` (or .yaml) and its secrets, overridden by `TOCSIN_AGENT_*`.

Secrets stand in files of their own that only the owner may read; a secret that others can read is refused.
"""

from __future__ import annotations

import base64
import contextlib
import os
import ssl
import stat
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import yaml
from msgspec import Meta, Struct

from hub.errors import Rejected, why_en, why_zh
from hub.ids import is_slug
from hub.wire import explain

ENV_PREFIX: Final = "TOCSIN_AGENT_"
CONFIG_NAMES: Final = ("agent.toml", "agent.yaml", "agent.yml")
_FOLDER_ENV: Final = ENV_PREFIX + "FOLDER"

Positive = Annotated[float, Meta(gt=0)]
Size = Annotated[int, Meta(gt=0)]
Port = Annotated[int, Meta(ge=1, le=65535)]


class AgentSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything an agent reads at its start; file names are relative to its folder."""

    agent_id: str
    department: str = ""
    name: str = ""
    hub_id: str = "district"
    hub_url: str = "http://127.0.0.1:8800"

    mqtt_host: str = "127.0.0.1"
    mqtt_port: Port = 1883
    tls: bool = False
    password_file: str | None = "password"  # noqa: S105 - the name of a file
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    keepalive_s: Annotated[int, Meta(ge=5, le=600)] = 20
    """Seconds of silence before the link is probed; a half-open link is noticed within about twice this."""

    resend_after_s: Annotated[float, Meta(gt=0, le=30)] = 20.0
    """Seconds without a receipt before a message is sent again (the contract asks for at most 30)."""
    longest_defer_s: Positive = 300.0
    """Longest wait in seconds that the hub's `retry_after_s` is obeyed for."""
    ack_timeout_s: Positive = 10.0
    """Seconds for the broker to acknowledge a publish before the link counts as dead."""
    window: Annotated[int, Meta(ge=1, le=1000)] = 64
    """Messages under way without a receipt."""
    reconnect_first_s: Positive = 0.5
    reconnect_longest_s: Positive = 10.0
    """Longest pause between two attempts in seconds, before jitter; all agents of a restarted broker are back within 30 s."""
    telemetry_every_s: Positive = 30.0
    presence_every_s: Positive = 60.0

    sign: bool = False
    """Sign every report with this agent's own key, whatever way it comes in (a hub may ask for it, per agent)."""

    outbox_file: str = "outbox.sqlite3"
    max_reports: Size = 100_000
    """Unreceipted messages the outbox holds (reliability table, row 6)."""
    max_bytes: Size = 1_000_000_000
    """Bytes of unreceipted messages the outbox holds (reliability table, row 6)."""
    urgent_reserve_reports: Annotated[int, Meta(ge=0)] = 10_000
    urgent_reserve_bytes: Annotated[int, Meta(ge=0)] = 100_000_000
    """What urgent reports may take beyond the two bounds above."""
    keep_days: Positive = 30.0
    """Days that a settled message and its receipt are kept; an unreceipted one has no age limit."""

    watch_folder: str | None = None
    """A folder of JSON files to file from, or None."""
    watch_every_s: Positive = 1.0
    listen_port: Annotated[int, Meta(ge=0, le=65535)] | None = None
    """A port on loopback for local programs to file to, 0 for any free one, or None."""
    listen_token_file: str = "local-token"  # noqa: S105 - the name of a file

    measures_file: str | None = None
    """A file that instruments write their wind and values to, or None."""
    measures_max_age_s: Positive = 600.0
    """Age in seconds beyond which such a file says nothing."""

    upload_chunk_bytes: Size = 262_144
    upload_retry_longest_s: Positive = 60.0
    cameras_file: str | None = None
    """A list of cameras to publish beside the reports (agents.cameras), or None."""


def default_folder() -> Path:
    """The agent's folder where none is named: `TOCSIN_AGENT_FOLDER`, else `~/.tocsin/agent`."""
    named = os.environ.get(_FOLDER_ENV)
    return Path(named) if named else Path.home() / ".tocsin" / "agent"


def load_settings(folder: Path, environ: Mapping[str, str] | None = None) -> AgentSettings:
    """Read the folder's settings and the overrides of the environment; raises Rejected with the field that is wrong."""
    values = _read_file(folder)
    values.update(_read_environment(os.environ if environ is None else environ))
    if "agent_id" not in values:
        raise Rejected("not_enrolled", f"{folder} 中没有已注册的终端：先运行 tocsin agent enroll --hub 中心网址 --code 注册码，或用 --folder 指明目录",
                       f"no agent is enrolled in {folder}: tocsin agent enroll --hub URL --code CODE first, or name its folder with --folder", field="agent_id")
    try:
        settings = msgspec.convert(values, AgentSettings, strict=False)
    except msgspec.ValidationError as error:
        wrong = explain(error)
        raise Rejected("wrong_setting", f"终端配置有误：{wrong.zh}", f"the agent's settings are wrong: {error}", field=wrong.field) from None
    if not is_slug(settings.agent_id):
        raise Rejected("wrong_setting", "agent_id 不是有效的终端标识", "agent_id is not an agent's id", field="agent_id")
    return settings


def _read_file(folder: Path) -> dict[str, Any]:
    for name in CONFIG_NAMES:
        path = folder / name
        if not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
            values = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, yaml.YAMLError) as error:
            raise Rejected("wrong_setting", f"无法读取 {path}：{why_zh(error)}", f"cannot read {path}: {why_en(error)}") from None
        if not isinstance(values, dict):
            raise Rejected("wrong_setting", f"{path} 应为键值表", f"{path} should be a table of settings")
        return values
    return {}


def _read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    names = {ENV_PREFIX + name.upper(): name for name in AgentSettings.__struct_fields__}
    found = {names[key]: value for key, value in environ.items() if key in names}
    return {name: None if value == "" else value for name, value in found.items()}


def save_settings(folder: Path, values: Mapping[str, str | int | float | bool | None]) -> Path:
    """Write `agent.toml` (owner only) with the given settings; None is left out. Returns its path."""
    lines = [f"{name} = {_toml(value)}" for name, value in values.items() if value is not None]
    return write_private(folder / "agent.toml", "\n".join(lines) + "\n")


def _toml(value: str | float | bool | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return msgspec.json.encode(value).decode()


def write_private(path: Path, text: str) -> Path:
    """Write a file that only its owner may read, all of it or nothing, and on disk before this returns."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(path.name + ".part")
    with contextlib.suppress(FileNotFoundError):
        part.unlink()
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return path


def read_secret(path: Path) -> str:
    """Read a secret; raises Rejected where it is missing, empty, or readable by others than its owner (POSIX)."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise Rejected("secret_missing", f"找不到密钥文件 {path}", f"the secret file {path} is missing") from None
    if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Rejected("secret_exposed", f"{path} 可被他人读取，请执行 chmod 600", f"{path} is readable by others: chmod 600 it")
    secret = path.read_text(encoding="utf-8").strip()
    if not secret:
        raise Rejected("secret_missing", f"密钥文件 {path} 为空", f"the secret file {path} is empty")
    return secret


def read_password(folder: Path, settings: AgentSettings) -> str | None:
    """The agent's password, or None where it signs in by certificate alone."""
    return read_secret(folder / settings.password_file) if settings.password_file else None


def basic_credential(agent_id: str, password: str | None) -> dict[str, str]:
    """The header by which an agent signs in to the hub's HTTP interface; empty without a password."""
    if not password:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(f"{agent_id}:{password}".encode()).decode()}


def tls_context(folder: Path, settings: AgentSettings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with the hub's own authority and, where there is one, the agent's certificate; None without TLS."""
    if not settings.tls:
        return None
    context = ssl.create_default_context(cafile=str(folder / settings.ca_file) if settings.ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.cert_file and settings.key_file:
        key = folder / settings.key_file
        read_secret(key)
        context.load_cert_chain(folder / settings.cert_file, key)
    return context

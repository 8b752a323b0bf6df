"""`tocsin doctor`: looks at everything a hub needs, says how it is and what to do. Changes nothing (it may read while the hub runs)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import typer

from hub.clock import parse_utc
from hub.domain.calendar import Calendar, needs_table
from hub.errors import Rejected, Unavailable, why_en, why_zh
from hub.operate import whereabouts
from hub.operate.chain import reading
from hub.operate.finding import Finding, State
from hub.operate.health import LOW_DISK_BYTES
from hub.operate.keys import known_keys
from hub.operate.secrets import refuse_known
from hub.settings import Settings, load_settings

YEAR_2025 = datetime(2025, 1, 1, tzinfo=UTC)
STALE_HEAD = timedelta(hours=26)
"""A day's head is signed at the first tick of the day; two hours of grace."""


def ok(part: str, zh: str, en: str) -> Finding:
    """A part that is well."""
    return Finding(part, State.OK, zh, en)


def check_settings(settings: Settings) -> list[Finding]:
    """Settings that work one by one and not together."""
    found = []
    outside = settings.web_host not in ("127.0.0.1", "::1", "localhost")
    if outside and not settings.tls_cert_file:
        found.append(Finding("settings", State.WARN, "网页对外开放但没有 TLS", "the web is open to others without TLS", "tocsin up --tls"))
    if settings.broker == "embedded" and settings.broker_host not in ("127.0.0.1", "::1", "localhost") and not settings.broker_tls_port:
        found.append(Finding("settings", State.WARN, "消息服务器对外开放但没有 TLS", "the broker is open to others without TLS", "tocsin up --tls"))
    if outside and not settings.public_url:
        found.append(Finding("settings", State.WARN, "未设 public_url，通知中的链接只在本机有效", "public_url is not set: links in notices work on this machine alone",
                             "public_url = \"https://…\""))
    if settings.broker != "embedded" and not settings.broker.startswith("mqtts://") and urlsplit(settings.broker).hostname not in ("127.0.0.1", "localhost"):
        found.append(Finding("settings", State.WARN, "到外部消息服务器没有 TLS", "no TLS to the external broker", "broker = \"mqtts://…\""))
    try:
        ZoneInfo(settings.local_zone)
    except (ZoneInfoNotFoundError, ValueError):
        found.append(Finding("settings", State.BAD, f"没有时区 {settings.local_zone}", f"there is no zone {settings.local_zone}", "local_zone = \"Asia/Shanghai\""))
    return found or [ok("settings", "设置可用", "the settings work together")]


def check_secrets(settings: Settings) -> list[Finding]:
    """Files that only the owner may read, and no known default among them."""
    data, found = settings.data_path, []
    private = [*(data / "secrets").glob("*"), *(data / "ca").glob("*key.pem")] if data.is_dir() else []
    for path in private:
        if os.name == "posix" and path.suffix != ".pub" and path.name != "former-keys" and path.is_file() and path.stat().st_mode & 0o077:
            found.append(Finding("secrets", State.BAD, f"{path} 可被他人读取", f"others can read {path}", f"chmod 600 {path}"))
    for file, what in ((settings.store_password_file, "PostgreSQL"), (settings.broker_password_file, "MQTT")):
        if file:
            found += _given(file, what)
    if os.name == "posix" and data.is_dir() and data.stat().st_mode & 0o027:
        found.append(Finding("secrets", State.WARN, f"数据目录 {data} 他人可进入", f"others can enter the data folder {data}", f"chmod 700 {data}"))
    return found or [ok("secrets", f"{len(private)} 个密钥文件权限正确", f"{len(private)} secret files are private")]


def _given(file: str, what: str) -> list[Finding]:
    path = Path(file)
    if not path.is_file():
        return [Finding("secrets", State.BAD, f"没有密码文件 {file}", f"there is no {file}", "写入密码文件 / write it")]
    try:
        refuse_known(path.read_text().strip(), what)
    except Rejected as error:
        return [Finding("secrets", State.BAD, error.zh, error.en, f"openssl rand -base64 24 > {file}")]
    if os.name == "posix" and path.stat().st_mode & 0o077:
        return [Finding("secrets", State.BAD, f"{file} 可被他人读取", f"others can read {file}", f"chmod 600 {file}")]
    return []


def check_clock(settings: Settings, now: datetime, synchronised: bool | None) -> list[Finding]:
    """Is the clock plausible, not behind what was stored last, and kept in step?"""
    latest = settings.data_path / "heads" / "latest.json"
    if now < YEAR_2025:
        return [Finding("clock", State.BAD, "系统时间明显错误", "the clock is plainly wrong", "timedatectl set-ntp true")]
    if latest.is_file():
        with contextlib.suppress(msgspec.MsgspecError, ValueError, KeyError):
            at = parse_utc(msgspec.json.decode(latest.read_bytes())["at"])
            if at > now + timedelta(seconds=60):
                return [Finding("clock", State.BAD, f"系统时间早于最近一次签名（{at:%F %T}）", "the clock is behind the last signature", "timedatectl set-ntp true")]
    if synchronised is False:
        return [Finding("clock", State.WARN, "系统时间未与时间服务器同步", "the clock is not kept in step", "timedatectl set-ntp true")]
    return [ok("clock", f"系统时间 {now:%F %T}Z", f"the clock says {now:%F %T}Z")]


def kept_in_step() -> bool | None:
    """Does the kernel say that the clock is synchronised? None where it cannot be asked."""
    if not sys.platform.startswith("linux"):
        return None
    marker = Path("/run/systemd/timesync/synchronized")
    return True if marker.exists() else None if not Path("/run/systemd/timesync").exists() else False


def check_disk(settings: Settings) -> list[Finding]:
    """Room in the data folder."""
    folder = settings.data_path if settings.data_path.is_dir() else Path()
    free = shutil.disk_usage(folder).free
    text = f"{free / 2**30:.1f} GiB"
    if free < LOW_DISK_BYTES:
        return [Finding("disk", State.BAD, f"磁盘仅剩 {text}", f"only {text} of disk left", "清理磁盘或调低 recording_quota_bytes / make room")]
    if free < settings.recording_quota_bytes and free < 10 * 2**30:
        return [Finding("disk", State.WARN, f"磁盘剩余 {text}，少于录像配额", f"{text} free, less than the recordings may take", "调低 recording_quota_bytes / lower it")]
    return [ok("disk", f"磁盘剩余 {text}", f"{text} of disk free")]


async def check_store(settings: Settings) -> list[Finding]:
    """Can the store be read, is it of this release, and does the end of the chain meet its signed heads?"""
    from hub.operate.heads import heads_on_disk
    from hub.store.migrate import HEAD
    from hub.store.proof import head_of, heads

    try:
        async with reading(settings.database_url) as conn:
            revision = (await conn.exec_driver_sql("SELECT version_num FROM alembic_version")).scalar()
            seq, _ = await head_of(conn)
            kept = await heads(conn)
            found = [ok("store", f"数据库可读，变更 {seq} 条", f"the store can be read: {seq} changes")]
            if revision != HEAD:
                found = [Finding("store", State.BAD, f"数据库版本 {revision}，程序需要 {HEAD}", f"the store is {revision}, this release needs {HEAD}",
                                 "先备份，再 tocsin up（自动升级）/ back up, then tocsin up")]
            return found + await _passed_over(conn) + await _recordings(conn, settings) + await _chain(conn, settings, seq, kept, heads_on_disk(settings.data_path))
    except Rejected as error:
        return [Finding("store", State.WARN, error.zh, error.en, "tocsin up，或 --data-dir 目录 / tocsin up, or --data-dir FOLDER")]
    except Unavailable as error:
        return [Finding("store", State.BAD, error.zh, error.en, "检查 store_url 与数据库服务 / look at store_url and the server")]


async def _passed_over(conn: Any) -> list[Finding]:
    """Reactors that failed on changes and went on without them."""
    rows = (await conn.exec_driver_sql("SELECT name, failures FROM reactor WHERE failures > 0 ORDER BY name")).all()
    return [Finding("reactors", State.WARN, f"{name} 有 {failures} 条变更处理失败、已跳过", f"{name} failed on {failures} changes and passed them over",
                    "在日志中查找 fails on change，并报告缺陷 / look for “fails on change” in the log, and report the fault") for name, failures in rows]


async def _recordings(conn: Any, settings: Settings) -> list[Finding]:
    """Recordings whose files are not here: another machine wrote them, or they were taken away."""
    rows = await conn.exec_driver_sql("SELECT DISTINCT recording_id FROM recording_segment WHERE view NOT LIKE '%\"deleted_at\"%'")
    folder = settings.data_path / "recordings"
    away = sum([not await asyncio.to_thread((folder / id).is_dir) for id in rows.scalars()])
    return [Finding("recordings", State.WARN, f"{away} 段录像的文件不在本机 {folder}：在录制它的机器上，本机不能导出", f"the files of {away} recordings are not in {folder}: they "
                    "are on the machine that recorded them, and nothing can be exported here", "让录制（respond）与网页（web）的机器共用该目录，或在录制的那台导出 / let "
                    "the machines of respond and web share the folder, or export where it was recorded")] if away else []


async def _chain(conn: Any, settings: Settings, seq: int, kept: list[Any], outside: list[Any]) -> list[Finding]:
    from sqlalchemy import select

    from hub.domain.signature import head_holds
    from hub.store.schema import change

    keys = known_keys(settings.data_path)
    every = {head.seq: head for head in [*kept, *outside]}
    hashes = {row.seq: row.hash for row in (await conn.execute(select(change.c.seq, change.c.hash).where(change.c.seq.in_(sorted(every)[-100:])))).all()}
    for head in [every[n] for n in sorted(every)[-100:]]:
        if not head_holds(head, keys) or hashes.get(head.seq) != head.hash:
            return [Finding("chain", State.BAD, f"审计链与第 {head.seq} 条的签名链头不符", f"the chain does not meet its signed head at {head.seq}",
                            "tocsin audit verify；保全现场，查找责任人 / keep everything as it is")]
    newest = max((parse_utc(head.at) for head in every.values()), default=None)
    if seq and (newest is None or datetime.now(UTC) - newest > STALE_HEAD):
        return [Finding("chain", State.WARN, "超过一天没有签名链头", "no head was signed for more than a day", "中心是否在运行 respond？/ does `respond` run?")]
    return [ok("chain", f"审计链与 {len(every)} 个签名链头一致（全面核验：tocsin audit verify）",
               f"the chain meets its {len(every)} signed heads (in full: tocsin audit verify)")]


def check_certificates(settings: Settings, now: datetime) -> list[Finding]:
    """What ends within 30 days, and whether the web's key fits."""
    from hub.operate.ca import Authority

    found = []
    authority = Authority.open(settings.data_path)
    for row in authority.expiring(now) if authority is not None else ():
        bad = parse_utc(row.not_after) <= now
        do = "tocsin ca rotate" if row.name == "CA" else "重启 tocsin up --tls / restart it" if row.purpose == "web" else "终端凭证请求 POST /api/v1/agent/certificate / the agent asks anew"
        found.append(Finding("certificates", State.BAD if bad else State.WARN, f"{row.name} 的证书 {row.not_after[:10]} 到期",
                             f"the certificate of {row.name} ends on {row.not_after[:10]}", do))
    if settings.tls_cert_file:
        found += _web_certificate(settings, now)
    if found:
        return found
    if authority or settings.tls_cert_file:
        return [ok("certificates", "证书有效", "certificates are in order")]
    return [ok("certificates", "未使用 TLS 证书", "no TLS certificates in use")]


def _web_certificate(settings: Settings, now: datetime) -> list[Finding]:
    from cryptography import x509

    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(settings.tls_cert_file, settings.tls_key_file or None)
        ends = x509.load_pem_x509_certificate(Path(settings.tls_cert_file).read_bytes()).not_valid_after_utc
    except (OSError, ssl.SSLError, ValueError) as error:
        return [Finding("certificates", State.BAD, f"证书或私钥不可用：{why_zh(error)}", f"certificate and key cannot be used: {why_en(error)}", "tocsin ca issue-web --host …")]
    if ends < now + timedelta(days=30):
        return [Finding("certificates", State.BAD if ends < now else State.WARN, f"网页证书 {ends:%F} 到期", f"the web's certificate ends on {ends:%F}",
                        "tocsin ca issue-web --host …")]
    return []


def check_broker(settings: Settings) -> list[Finding]:
    """Does the broker answer at its port?"""
    if settings.broker == "embedded":
        running = whereabouts.of(settings.data_path)
        host, port = "127.0.0.1", (running.mqtt_port if running else 0) or settings.broker_port
        if port == 0:
            return [ok("broker", "内置消息服务器使用任意空闲端口", "the embedded broker takes any free port")]
    else:
        parts = urlsplit(settings.broker)
        host, port = parts.hostname or "", parts.port or (8883 if parts.scheme == "mqtts" else 1883)
    try:
        with socket.create_connection((host, port), timeout=3):
            return [ok("broker", f"{host}:{port} 有应答", f"{host}:{port} answers")]
    except OSError as error:
        do = "中心是否在运行？tocsin up / does the hub run?" if settings.broker == "embedded" else "检查消息服务器 / look at the broker"
        return [Finding("broker", State.WARN, f"{host}:{port} 无应答（{why_zh(error)}）", f"{host}:{port} does not answer", do)]


async def calendar_of(settings: Settings) -> Calendar:
    """The calendar that the hub runs by: the district's own where it saved one, the shipped one where there is no store to ask."""
    from hub.domain.duty_rules import packaged_rules
    from hub.store.duty_data import load_rules

    try:
        async with reading(settings.database_url) as conn:
            return (await load_rules(conn)).calendar
    except (Rejected, Unavailable):
        return packaged_rules().calendar


def check_holidays(now: datetime, calendar: Calendar) -> list[Finding]:
    """Are the public holidays of this year (and, from December, of the next) known?"""
    missing = needs_table(calendar, now)
    if missing:
        return [Finding("holidays", State.WARN, f"没有 {missing} 年节假日表，按普通周末计算", f"the holidays of {missing} are not known: plain weekends count",
                        "管理员在控制台“日报设置 → 工作日历”补录 / the administrator enters it in the console under the daily settings' calendar")]
    return [ok("holidays", f"{now.year} 年节假日表齐备", f"the holidays of {now.year} are known")]


async def examine(settings: Settings, now: datetime) -> AsyncIterator[Finding]:
    """Every part in turn."""
    checks: list[Callable[[], list[Finding]]] = [
        lambda: check_settings(settings), lambda: check_secrets(settings), lambda: check_clock(settings, now, kept_in_step()),
        lambda: check_disk(settings), lambda: check_certificates(settings, now), lambda: check_broker(settings),
    ]
    for check in checks:
        for finding in check():
            yield finding
    for finding in check_holidays(now, await calendar_of(settings)) + await check_store(settings):
        yield finding


def doctor(
    settings: Annotated[Path | None, typer.Option("--settings", help="设置文件 / settings file")] = None,
    data_dir: Annotated[str | None, typer.Option("--data-dir", help="数据目录 / data folder")] = None,
    store: Annotated[str | None, typer.Option("--store", help="数据库 / the store's URL")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON / print JSON")] = False,
) -> None:
    """自检：每项的状态和处理办法（退出码 1：有必须处理的）/ look at every part (exit status 1: something must be done)."""
    loaded = load_settings(settings, data_dir=data_dir, store_url=store)

    async def run() -> list[Finding]:
        return [finding async for finding in examine(loaded, datetime.now(UTC))]

    found = asyncio.run(run())
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
    else:
        for one in found:
            mark = {State.OK: "✓", State.WARN: "!", State.BAD: "✗"}[one.state]
            typer.echo(f"{mark} {one.part:<13}{one.zh} / {one.en}" + (f"\n{'':>15}→ {one.do}" if one.do else ""))
    if any(one.state is State.BAD for one in found):
        raise typer.Exit(1)

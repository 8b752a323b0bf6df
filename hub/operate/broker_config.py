"""A ready configuration for an external Mosquitto: one ACL pattern fences every agent, limits are set where its defaults lose messages."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from hub.errors import Rejected
from hub.ingest.registry import Registry
from hub.operate.secrets import own_secret
from hub.settings import Settings, load_settings
from hub.store import Store
from hub.store.agents import credentials, hash_secret
from hub.wire import MAX_MEDIA_BYTES, MEDIA_SUFFIX, Topics

HUB_USERS = ("hub", "hub-media")


def mosquitto_conf(settings: Settings, folder: Path, *, host: str = "127.0.0.1", port: int = 1883, tls_port: int = 0, inflight: int = 1000) -> str:
    """The text of mosquitto.conf; TLS where the settings name a certificate, client certificates where the hub's CA is there."""
    lines = [
        "# Written by `tocsin broker-config mosquitto`; write it again rather than edit it.",
        "per_listener_settings false",
        "allow_anonymous false",
        f"password_file {folder / 'passwords'}",
        f"acl_file {folder / 'acl'}",
        "# a larger packet ends the connection; message_size_limit would acknowledge and drop it",
        f"max_packet_size {MAX_MEDIA_BYTES + 1024}",
        "# positive: 0 is taken wrongly by some releases, and the default of 1000 drops in silence",
        "max_queued_messages 200000",
        "# the hub acknowledges after its commit: a batch must be able to be under way",
        f"max_inflight_messages {inflight}",
        "max_keepalive 300",
        "set_tcp_nodelay true",
        "persistence true",
        f"persistence_location {folder}/",
        "# only the hub's receipt counts; this spares resends",
        "autosave_interval 60",
        "persistent_client_expiration 30d",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        f"listener {port} {host}",
    ]
    if tls_port and settings.tls_cert_file:
        lines += [f"listener {tls_port}", f"certfile {settings.tls_cert_file}", f"keyfile {settings.tls_key_file}", "tls_version tlsv1.2"]
        ca = settings.data_path / "ca" / "ca.pem"
        if ca.is_file():
            lines += [f"cafile {ca}", "require_certificate false"]
            crl = settings.data_path / "ca" / "crl.pem"
            lines += [f"crlfile {crl}"] if crl.is_file() else []
    return "\n".join(lines) + "\n"


def acl(hub_id: str) -> str:
    """The ACL: agents by pattern, the hub below the agents' root. Media identities match the same pattern by their own user name."""
    root = Topics(hub_id).root
    lines = [f"pattern write {root}/%u/up/#", f"pattern read {root}/%u/down/#"]
    for user in HUB_USERS:
        lines += ["", f"user {user}", f"topic read {root}/#", f"topic write {root}/+/down/#"]
    return "\n".join(lines) + "\n"


def password_lines(hub_password: str, agents: dict[str, str]) -> str:
    """The password file: the hub's identities, each agent and its media identity."""
    lines = [f"{user}:{hash_secret(hub_password)}" for user in HUB_USERS]
    for agent_id, stored in sorted(agents.items()):
        lines += [f"{agent_id}:{stored}", f"{agent_id}{MEDIA_SUFFIX}:{stored}"]
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole, readable by its owner only."""
    scratch = path.with_suffix(".new")
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    scratch.replace(path)


async def write_all(settings: Settings, folder: Path, *, port: int = 1883, tls_port: int = 0, host: str = "127.0.0.1") -> str:
    """Write mosquitto.conf, acl and passwords into `folder`; gives the hub's password, which stands in `hub-password` beside them."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    password = own_secret(folder, "hub-password")
    async with Store(settings.database_url) as store:
        await write_passwords(store, folder, password)
    _write(folder / "acl", acl(settings.hub_id))
    _write(folder / "mosquitto.conf", mosquitto_conf(settings, folder, host=host, port=port, tls_port=tls_port))
    return password


async def write_passwords(store: Store, folder: Path, hub_password: str) -> None:
    """Write the password file anew from the store."""
    async with store.read() as conn:
        agents = await credentials(conn)
    _write(folder / "passwords", password_lines(hub_password, agents))


async def follow(settings: Settings, folder: Path, pid: int) -> None:
    """Keep the password file in step with the store, and have the broker read it again (SIGHUP cuts those who are revoked)."""
    password = own_secret(folder, "hub-password")
    async with Store(settings.database_url) as store:
        registry = Registry(store)
        await registry.load()
        known: dict[str, str] = {}
        task = asyncio.create_task(registry.run())
        try:
            while True:
                async with store.read() as conn:
                    now = await credentials(conn)
                if now != known:
                    known = now
                    await write_passwords(store, folder, password)
                    os.kill(pid, signal.SIGHUP)
                await asyncio.sleep(2)
        finally:
            task.cancel()


def command(
    kind: Annotated[str, typer.Argument(help="目前只有 mosquitto / mosquitto is the only one")] = "mosquitto",
    folder: Annotated[Path, typer.Option(help="写到哪里 / where to write it")] = Path("mosquitto"),
    port: Annotated[int, typer.Option(help="端口 / port", min=1, max=65535)] = 1883,
    tls_port: Annotated[int, typer.Option(help="TLS 端口（0：无）/ TLS port (0: none)", min=0, max=65535)] = 0,
    settings: Annotated[Path | None, typer.Option(help="设置文件 / settings file")] = None,
    data_dir: Annotated[str | None, typer.Option(help="数据目录 / data folder")] = None,
    follow_pid: Annotated[int, typer.Option("--follow", help="保持同步并通知此进程 / keep in step and signal this process")] = 0,
) -> None:
    """写出外部消息服务器的配置 / write the configuration of an external broker."""
    if kind != "mosquitto":
        raise Rejected("unknown_broker", f"不认识的消息服务器 {kind}，可用：mosquitto", f"unknown broker {kind}; there is: mosquitto", field="kind")
    loaded = load_settings(settings, data_dir=data_dir)
    folder = folder.absolute()
    asyncio.run(write_all(loaded, folder, port=port, tls_port=tls_port))
    typer.echo(f"{folder}/mosquitto.conf\n  mosquitto -c {folder}/mosquitto.conf\n"
               f"  tocsin up --broker mqtt://127.0.0.1:{port}   TOCSIN_BROKER_PASSWORD_FILE={folder}/secrets/hub-password")
    if follow_pid:
        asyncio.run(follow(loaded, folder, follow_pid))

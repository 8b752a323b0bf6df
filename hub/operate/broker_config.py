"""A ready configuration for an external Mosquitto: one ACL pattern fences every agent, limits are set where its defaults lose messages."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from hub.domain.access import Direction, Role, packaged_policy
from hub.errors import Rejected, Unavailable
from hub.operate.secrets import own_secret
from hub.settings import Settings, load_settings
from hub.store import Store
from hub.store.agents import certificate_serials, credentials, hash_secret
from hub.wire import HUB_MEDIA, HUB_USER, MAX_MEDIA_BYTES, MEDIA_SUFFIX, Topics

HUB_USERS = (HUB_USER, HUB_MEDIA)
FURTHER_MEDIA = 15
"""How many further media connections of an agent with many cameras are let in, beside its first (`{agent}.media-1` …): each a process."""
_WORDS = {Direction.PUBLISH: "write", Direction.SUBSCRIBE: "read"}
_TIED = ("# nobody takes over another's session: the user name takes the client id's place", "use_username_as_clientid true")


def mosquitto_conf(settings: Settings, folder: Path, *, host: str = "127.0.0.1", port: int = 1883, tls_port: int = 0, hub_port: int = 0,
                   inflight: int = 2000) -> str:
    """The text of mosquitto.conf; TLS where the settings name a certificate, client certificates where the hub's CA is there.

    Every listener that agents use ties the client id to the user name. The hub has several connections under one name, so it keeps to
    `hub_port`; without one (0) the plain port is the hub's, and is for this machine alone.
    """
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
        *(_TIED if hub_port else ()),
    ]
    if hub_port:
        lines += ["# the hub's own listener: not for agents, do not publish it", f"listener {hub_port} {host}"]
    if tls_port:
        lines += _tls_lines(settings, folder, tls_port)
    return "\n".join(lines) + "\n"


def _tls_lines(settings: Settings, folder: Path, tls_port: int) -> list[str]:
    """The listener of the agents: TLS 1.2 or newer, client id = user name; with client certificates it asks for one and knows the revoked."""
    tls = folder / "tls"
    lines = [
        f"listener {tls_port}", f"certfile {tls / 'broker.pem'}", f"keyfile {tls / 'broker-key.pem'}",
        "# the least version", "tls_version tlsv1.2", *_TIED,
    ]
    if settings.broker_tls_client_certs:
        lines += [f"cafile {tls / 'ca.pem'}", f"crlfile {tls / 'crl.pem'}", "require_certificate true"]
    return lines


def copy_tls(settings: Settings, folder: Path) -> bool:
    """Bring certificate, key, CA and list of revocations beside the configuration, for the broker to read; True where anything changed."""
    from datetime import UTC, datetime

    from hub.operate.ca import Authority, local_hosts, web_certificate
    from hub.operate.keys import write_private

    certificate, key = settings.tls_cert_file, settings.tls_key_file
    if not certificate or settings.broker_tls_client_certs:
        authority = Authority.open(settings.data_path, make=True)
        assert authority is not None
        if not certificate:
            certificate, key = web_certificate(settings.data_path, local_hosts(settings.broker_host), datetime.now(UTC))
    changed = False
    wanted = {"broker.pem": Path(certificate), "broker-key.pem": Path(key), "ca.pem": settings.data_path / "ca" / "ca.pem",
              "crl.pem": settings.data_path / "ca" / "crl.pem"}
    for name, source in wanted.items():
        target = folder / "tls" / name
        if source.is_file() and (not target.is_file() or target.read_bytes() != source.read_bytes()):
            write_private(target, source.read_bytes())
            changed = True
    return changed


def acl(hub_id: str, agents: Iterable[str] = ()) -> str:
    """The ACL, from the policy's topics: agents and their media identities by pattern on their own name, the hub below the agents' root.

    A pattern holds for every name, so an agent has its media identity's topics below its own name too; the hub looks once more at what
    comes. The further media connections of `agents` stand by name: they speak in the topics of the first.
    """
    root = Topics(hub_id).root
    rules = packaged_policy().topic_rules()
    fenced = [rule for rule in rules if "{id}" in rule.pattern]
    lines = list(dict.fromkeys(f"pattern {_WORDS[rule.direction]} {root}/{rule.pattern.replace('{id}', '%u')}" for rule in fenced))
    for name in sorted(agents):
        media = [f"topic {_WORDS[rule.direction]} {root}/{rule.pattern.replace('{id}', name + MEDIA_SUFFIX)}"
                 for rule in fenced if rule.role is Role.AGENT_MEDIA]
        for user in _further(name):
            lines += ["", f"user {user}", *media]
    for user in HUB_USERS:
        lines += ["", f"user {user}", *(f"topic {_WORDS[rule.direction]} {root}/{rule.pattern}" for rule in rules if rule.role is Role.HUB)]
    return "\n".join(lines) + "\n"


def _further(agent_id: str) -> list[str]:
    return [f"{agent_id}{MEDIA_SUFFIX}-{n}" for n in range(1, FURTHER_MEDIA + 1)]


def password_lines(hub_password: str, agents: dict[str, str]) -> str:
    """The password file: the hub's identities, each agent and its media identity."""
    lines = [f"{user}:{hash_secret(hub_password)}" for user in HUB_USERS]
    for agent_id, stored in sorted(agents.items()):
        lines += [f"{name}:{stored}" for name in (agent_id, agent_id + MEDIA_SUFFIX, *_further(agent_id))]
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole, readable by its owner only."""
    scratch = path.with_suffix(".new")
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    scratch.replace(path)


async def write_all(settings: Settings, folder: Path, *, port: int = 1883, tls_port: int = 0, host: str = "127.0.0.1", hub_port: int = 0) -> str:
    """Write mosquitto.conf, acl and passwords into `folder`; gives the hub's password, which stands in `hub-password` beside them."""
    password = own_secret(folder, "hub-password")  # makes the folder, too
    settings.data_path.mkdir(parents=True, exist_ok=True, mode=0o700)  # a broker may be set up before the hub's first start
    async with Store(settings.database_url) as store:
        await write_passwords(store, folder, password, settings)
    if tls_port:
        copy_tls(settings, folder)
    _write(folder / "mosquitto.conf", mosquitto_conf(settings, folder, host=host, port=port, tls_port=tls_port, hub_port=hub_port))
    return password


async def admitted(store: Store, settings: Settings) -> dict[str, str]:
    """Agent id → stored secret of those whom the broker lets in: not revoked, and (with client certificates) their certificate neither."""
    async with store.read() as conn:
        agents = await credentials(conn)
        serials = await certificate_serials(conn)
    if not settings.broker_tls_client_certs:
        return agents
    from hub.operate.ca import Authority

    authority = Authority.open(settings.data_path)
    revoked = authority.revoked() if authority is not None else frozenset()
    return {id: secret for id, secret in agents.items() if id not in serials or int(serials[id], 16) not in revoked}


async def write_passwords(store: Store, folder: Path, hub_password: str, settings: Settings) -> None:
    """Write the password file and the ACL anew from the store."""
    agents = await admitted(store, settings)
    _write(folder / "acl", acl(settings.hub_id, agents))
    _write(folder / "passwords", password_lines(hub_password, agents))


async def follow(settings: Settings, folder: Path, pid: int, *, every_s: float = 2.0) -> None:
    """Keep passwords, certificates and revocations in step with the hub, and have the broker read them again.

    SIGHUP cuts those who are revoked: they have no password any more, and their certificate is on the list.
    """
    password = own_secret(folder, "hub-password")
    async with Store(settings.database_url) as store:
        known: dict[str, str] | None = None
        while True:
            try:
                now = await admitted(store, settings)
                changed = (folder / "tls").is_dir() and copy_tls(settings, folder)
                if now != known or changed:
                    known = now
                    await write_passwords(store, folder, password, settings)
                    await read_again(pid)
            except Unavailable:
                pass
            await asyncio.sleep(every_s)


async def read_again(pid: int, *, within_s: float = 30.0) -> None:
    """Send SIGHUP, but not before the broker handles it: until then the signal would end a broker that is just starting.

    Raises ProcessLookupError where the process is gone, TimeoutError where it never handles the signal.
    """
    async with asyncio.timeout(within_s):
        while not _handles(pid, signal.SIGHUP):  # noqa: ASYNC110 another process sets it
            await asyncio.sleep(0.02)
    os.kill(pid, signal.SIGHUP)


def _handles(pid: int, which: signal.Signals) -> bool:
    """Does the process catch the signal? True where the system does not tell (no /proc)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        os.kill(pid, 0)
        return True
    caught = next((int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:")), 0)
    return bool(caught >> (which - 1) & 1)


def command(
    kind: Annotated[str, typer.Argument(help="目前只有 mosquitto / mosquitto is the only one")] = "mosquitto",
    folder: Annotated[Path, typer.Option(help="写到哪里 / where to write it")] = Path("mosquitto"),
    port: Annotated[int, typer.Option(help="端口 / port", min=1, max=65535)] = 1883,
    tls_port: Annotated[int, typer.Option(help="TLS 端口（0：无）/ TLS port (0: none)", min=0, max=65535)] = 0,
    host: Annotated[str, typer.Option(help="明文端口监听的地址 / the address of the plain port")] = "127.0.0.1",
    settings: Annotated[Path | None, typer.Option(help="设置文件 / settings file")] = None,
    data_dir: Annotated[str | None, typer.Option(help="数据目录 / data folder")] = None,
    hub_port: Annotated[int, typer.Option(help="中心专用的明文端口（0：与明文端口相同）/ a plain port for the hub alone (0: the plain port)", min=0, max=65535)] = 0,
    client_certs: Annotated[bool, typer.Option("--client-certs", help="TLS 端口要求终端证书 / the TLS port asks agents for certificates")] = False,
    follow_pid: Annotated[int, typer.Option("--follow", help="保持同步并通知此进程 / keep in step and signal this process")] = 0,
) -> None:
    """写出外部消息服务器的配置 / write the configuration of an external broker."""
    if kind != "mosquitto":
        raise Rejected("unknown_broker", f"不认识的消息服务器 {kind}，可用：mosquitto", f"unknown broker {kind}; there is: mosquitto", field="kind")
    loaded = load_settings(settings, data_dir=data_dir, broker_tls_client_certs=client_certs or None)
    folder = folder.absolute()
    asyncio.run(write_all(loaded, folder, port=port, tls_port=tls_port, host=host, hub_port=hub_port))
    typer.echo(f"{folder}/mosquitto.conf\n  mosquitto -c {folder}/mosquitto.conf\n"
               f"  TOCSIN_BROKER_PASSWORD_FILE={folder}/secrets/hub-password tocsin up --broker mqtt://127.0.0.1:{hub_port or port} --data-dir {loaded.data_dir}\n"
               f"  TOCSIN_AGENTS_BROKER={f'mqtts://HOST:{tls_port}' if tls_port else f'mqtt://HOST:{port}'}  # 终端入网时得知的地址 / what agents are told at enrolment")
    if follow_pid:
        asyncio.run(follow(loaded, folder, follow_pid))

"""`tocsin ca …`: make the hub's CA, issue the web certificate, sign an agent's request, revoke, rotate, list. Every act is a change."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from hub.domain.change import ChangeBody
from hub.domain.proof import CertificateIssued, CertificateRevoked
from hub.errors import Rejected
from hub.operate.ca import Authority, Issued, fingerprint, local_hosts
from hub.settings import Settings, load_settings
from hub.store import Store

app = typer.Typer(no_args_is_help=True, help="证书：建 CA、签发、吊销、轮换 / certificates")
Config = Annotated[Path | None, typer.Option("--settings", help="设置文件 / settings file")]
Data = Annotated[str | None, typer.Option("--data-dir", help="数据目录 / data folder")]


def _authority(settings: Settings, *, make: bool = False) -> Authority:
    found = Authority.open(settings.data_path, make=make, name=f"Tocsin CA {settings.hub_id}")
    if found is None:
        raise Rejected("no_ca", "还没有 CA，请先运行 tocsin ca init", "there is no CA yet: tocsin ca init")
    return found


def record(settings: Settings, bodies: list[tuple[ChangeBody, str]]) -> None:
    """Put what was done into the chain."""

    async def run() -> None:
        async with Store(settings.database_url) as store, store.transaction() as tx:
            for body, subject in bodies:
                tx.record(body, actor="system:cli", subject=subject)

    asyncio.run(run())


def _issued(row: Issued) -> tuple[ChangeBody, str]:
    return CertificateIssued(name=row.name, purpose=row.purpose, serial=row.serial, not_after=row.not_after), f"certificate:{row.serial}"


@app.command("init")
def init(settings: Config = None, data_dir: Data = None) -> None:
    """建立 CA（已有则只显示）/ make the CA, or show the one there is."""
    authority = _authority(load_settings(settings, data_dir=data_dir), make=True)
    typer.echo(f"{authority.bundle}\nSHA-256 {fingerprint(authority.pem())}")


@app.command("issue-web")
def issue_web(
    host: Annotated[list[str], typer.Option("--host", help="主机名或地址，可多次 / host names or addresses")],
    settings: Config = None, data_dir: Data = None,
) -> None:
    """签发网页与消息服务器证书 / issue the certificate of the web and the broker."""
    loaded = load_settings(settings, data_dir=data_dir)
    authority = _authority(loaded, make=True)
    row = authority.issue_web([*host, *(name for name in local_hosts("") if name not in host)], datetime.now(UTC))
    record(loaded, [_issued(row)])
    typer.echo(f"{authority.folder}/web.pem\n{authority.folder}/web-key.pem\n→ {row.not_after[:10]}")


@app.command("issue-agent")
def issue_agent(
    agent_id: Annotated[str, typer.Argument(help="终端标识 / the agent's id")], csr: Annotated[Path, typer.Argument(help="证书请求（PEM）/ the request", exists=True)], settings: Config = None,
    data_dir: Data = None,
) -> None:
    """按证书请求签发终端证书并打印 / sign an agent's request and print the certificate."""
    loaded = load_settings(settings, data_dir=data_dir)
    pem, row = _authority(loaded, make=True).issue_agent(csr.read_text(), agent_id, datetime.now(UTC))
    record(loaded, [_issued(row)])
    typer.echo(pem)


@app.command("revoke")
def revoke(
    wanted: Annotated[str, typer.Argument(help="证书序列号（十六进制）或终端标识 / serial number or agent id")],
    reason: Annotated[str, typer.Option(help="原因 / why")], settings: Config = None, data_dir: Data = None,
) -> None:
    """吊销证书并更新吊销列表；内置消息服务器 5 秒内断开它 / revoke; the embedded broker cuts it within 5 s."""
    loaded = load_settings(settings, data_dir=data_dir)
    done = _authority(loaded).revoke(wanted, datetime.now(UTC), reason)
    if not done:
        raise Rejected("unknown_certificate", f"没有可吊销的证书 {wanted}", f"there is no certificate {wanted} to revoke", field="wanted")
    record(loaded, [(CertificateRevoked(name=row.name, serial=row.serial, reason=reason), f"certificate:{row.serial}") for row in done])
    for row in done:
        typer.echo(f"{row.serial} {row.name}")


@app.command("rotate")
def rotate(settings: Config = None, data_dir: Data = None) -> None:
    """换新 CA：新旧同时受信，旧证书到期前有效 / a new CA beside the former one, which stays trusted."""
    loaded = load_settings(settings, data_dir=data_dir)
    typer.echo(f"SHA-256 {_authority(loaded).rotate(datetime.now(UTC), f'Tocsin CA {loaded.hub_id}')}")


@app.command("list")
def listing(settings: Config = None, data_dir: Data = None) -> None:
    """列出证书 / list the certificates."""
    for row in _authority(load_settings(settings, data_dir=data_dir)).index().certificates:
        state = f"已吊销 revoked {row.revoked_at[:10]}" if row.revoked_at else "已更换 replaced" if row.replaced else "有效 valid"
        typer.echo(f"{row.serial}\t{row.purpose}\t{row.name}\t→ {row.not_after[:10]}\t{state}")


@app.command("crl")
def crl(settings: Config = None, data_dir: Data = None) -> None:
    """重写吊销列表并打印其路径 / write the list of revocations anew."""
    authority = _authority(load_settings(settings, data_dir=data_dir))
    authority.refresh_crl(datetime.now(UTC))
    typer.echo(str(authority.crl))
